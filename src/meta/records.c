/* SPDX-License-Identifier: Apache-2.0
 * See records.h.
 */
#include "meta/records.h"

#include "base/assert.h"
#include "wire/records.h"

void meta_records_init(struct meta_records *records, struct arena *arena)
{
    *records = (struct meta_records){.arena = arena};
}

static bool grow(struct meta_records *records)
{
    size_t capacity = records->capacity ? records->capacity * 2 : 16;
    struct bytes_view *values = arena_alloc(records->arena, capacity, sizeof *values);

    if (!values)
        return false;
    if (records->count)
        memcpy(values, records->values, records->count * sizeof *values);
    records->values = values;
    records->capacity = capacity;
    return true;
}

static uint8_t *fail(struct meta_records *records)
{
    records->failed = true;
    return NULL;
}

uint8_t *meta_records_add(struct meta_records *records, size_t size)
{
    uint8_t *value;

    if (records->failed || (records->count == records->capacity && !grow(records)))
        return fail(records);
    value = arena_alloc(records->arena, size, 1);
    if (!value)
        return fail(records);
    records->values[records->count++] = (struct bytes_view){value, size};
    records->bytes += size;
    return value;
}

enum status meta_records_put(struct meta_records *records, const struct message *message, int16_t version,
                             const void *in)
{
    size_t size = uvarint_size(META_FRAME_VERSION) + uvarint_size((uint16_t)message->key) + uvarint_size((uint16_t)version);
    uint8_t *value;
    struct writer w;

    if (records->failed) /* for a part of this one, perhaps */
        return STATUS_NO_MEMORY;
    size += message_size(message, version, in);
    value = meta_records_add(records, size);
    if (!value)
        return STATUS_NO_MEMORY;
    writer_init(&w, value, size);
    writer_uvarint(&w, META_FRAME_VERSION);
    writer_uvarint(&w, (uint16_t)message->key);
    writer_uvarint(&w, (uint16_t)version);
    message_encode(message, &w, version, in);
    ASSERT(writer_size(&w) == size);
    return STATUS_OK;
}

enum status meta_records_batch(const struct meta_records *records, int64_t base_offset, int32_t epoch, int64_t wall_ms,
                               struct bytes_view *batch)
{
    struct batch_builder b;
    size_t size = BATCH_OVERHEAD;
    uint8_t *buffer;

    for (size_t i = 0; i < records->count; i++)
        size += batch_record_size((int32_t)i, 0, (struct bytes_view){NULL, 0}, records->values[i],
                                  (struct bytes_view){NULL, 0});
    buffer = records->failed ? NULL : arena_alloc(records->arena, size, 1);
    if (!buffer)
        return STATUS_NO_MEMORY;
    batch_builder_init(&b, buffer, size, 0);
    for (size_t i = 0; i < records->count; i++) {
        bool added = batch_builder_add(&b, (int32_t)i, wall_ms, (struct bytes_view){NULL, 0}, records->values[i],
                                       (struct bytes_view){NULL, 0});
        ASSERT(added);
    }
    *batch = batch_builder_finish(&b, base_offset, epoch, -1, -1, -1);
    return STATUS_OK;
}
