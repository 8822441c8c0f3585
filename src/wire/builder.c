/* SPDX-License-Identifier: Apache-2.0
 * See records.h: batches that are made here, from records or from another batch.
 */
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"
#include "wire/records.h"

void batch_builder_init(struct batch_builder *b, void *buffer, size_t capacity, int16_t attributes)
{
    ASSERT(capacity >= BATCH_OVERHEAD && !(attributes & BATCH_COMPRESSION_MASK));
    *b = (struct batch_builder){
        .bytes = buffer, .size = BATCH_OVERHEAD, .capacity = capacity, .attributes = attributes, .last_offset_delta = -1};
}

void batch_builder_set_base(struct batch_builder *b, int64_t base_timestamp)
{
    ASSERT(!b->count);
    b->base_timestamp = base_timestamp;
    b->based = true;
}

static size_t field_size(struct bytes_view field)
{
    ASSERT(field.size <= INT32_MAX);
    return varint_size(field.data ? (int32_t)field.size : -1) + field.size;
}

/* What the record's length counts: all but itself. */
static size_t record_body_size(int32_t offset_delta, int64_t timestamp_delta, struct bytes_view key,
                               struct bytes_view value, struct bytes_view headers)
{
    return 1 + varlong_size(timestamp_delta) + varint_size(offset_delta) + field_size(key) + field_size(value) +
           (headers.data ? headers.size : 1);
}

size_t batch_record_size(int32_t offset_delta, int64_t timestamp_delta, struct bytes_view key, struct bytes_view value,
                         struct bytes_view headers)
{
    size_t body = record_body_size(offset_delta, timestamp_delta, key, value, headers);

    return varint_size((int32_t)body) + body;
}

static void write_field(struct writer *w, struct bytes_view field)
{
    writer_varint(w, field.data ? (int32_t)field.size : -1);
    writer_raw(w, field.data, field.size);
}

bool batch_builder_add(struct batch_builder *b, int32_t offset_delta, int64_t timestamp, struct bytes_view key,
                       struct bytes_view value, struct bytes_view headers)
{
    int64_t base = b->count || b->based ? b->base_timestamp : timestamp;
    int64_t timestamp_delta = (int64_t)((uint64_t)timestamp - (uint64_t)base);
    size_t body = record_body_size(offset_delta, timestamp_delta, key, value, headers);
    struct writer w;

    ASSERT(offset_delta > b->last_offset_delta);
    if (body > INT32_MAX || varint_size((int32_t)body) + body > b->capacity - b->size)
        return false;
    writer_init(&w, b->bytes + b->size, b->capacity - b->size);
    writer_varint(&w, (int32_t)body);
    writer_i8(&w, 0);
    writer_varlong(&w, timestamp_delta);
    writer_varint(&w, offset_delta);
    write_field(&w, key);
    write_field(&w, value);
    if (headers.data)
        writer_raw(&w, headers.data, headers.size);
    else
        writer_varint(&w, 0);
    b->size += writer_size(&w);
    b->base_timestamp = base;
    b->max_timestamp = b->count && b->max_timestamp > timestamp ? b->max_timestamp : timestamp;
    b->last_offset_delta = offset_delta;
    b->count++;
    return true;
}

struct bytes_view batch_builder_finish(struct batch_builder *b, int64_t base_offset, int32_t leader_epoch,
                                       int64_t producer_id, int16_t producer_epoch, int32_t base_sequence)
{
    struct writer w;

    ASSERT(b->count > 0 && b->size - BATCH_PREFIX <= INT32_MAX);
    writer_init(&w, b->bytes, BATCH_OVERHEAD);
    writer_i64(&w, base_offset);
    writer_i32(&w, (int32_t)(b->size - BATCH_PREFIX));
    writer_i32(&w, leader_epoch);
    writer_i8(&w, 2);
    writer_skip(&w, 4);
    writer_i16(&w, b->attributes);
    writer_i32(&w, b->last_offset_delta);
    writer_i64(&w, b->base_timestamp);
    writer_i64(&w, b->max_timestamp);
    writer_i64(&w, producer_id);
    writer_i16(&w, producer_epoch);
    writer_i32(&w, base_sequence);
    writer_i32(&w, b->count);
    writer_init(&w, b->bytes + BATCH_CRC_AT, 4);
    writer_u32(&w, crc32c(b->bytes + BATCH_ATTRIBUTES_AT, b->size - BATCH_ATTRIBUTES_AT));
    return (struct bytes_view){b->bytes, b->size};
}

/* The head of `batch` before `records_size` bytes that stand at out + BATCH_OVERHEAD already. */
static void finish_recompressed(uint8_t *out, struct bytes_view batch, enum compression to, size_t records_size)
{
    size_t size = BATCH_OVERHEAD + records_size;
    struct writer w;

    memcpy(out, batch.data, BATCH_OVERHEAD);
    out[BATCH_ATTRIBUTES_AT + 1] = (uint8_t)((out[BATCH_ATTRIBUTES_AT + 1] & ~BATCH_COMPRESSION_MASK) | to);
    writer_init(&w, out + BATCH_LENGTH_AT, 4);
    writer_i32(&w, (int32_t)(size - BATCH_PREFIX));
    writer_init(&w, out + BATCH_CRC_AT, 4);
    writer_u32(&w, crc32c(out + BATCH_ATTRIBUTES_AT, size - BATCH_ATTRIBUTES_AT));
}

static enum status recompress_records(struct bytes_view batch, struct bytes_view records, enum compression to, int level,
                                      struct arena *arena, struct bytes_view *out)
{
    size_t room = to == COMPRESSION_NONE ? records.size : compression_bound(to, records.size), size = records.size;
    uint8_t *bytes;
    enum status status = STATUS_OK;

    if (room > INT32_MAX - BATCH_OVERHEAD)
        return STATUS_MESSAGE_TOO_LARGE;
    bytes = arena_alloc(arena, BATCH_OVERHEAD + room, 1);
    if (!bytes)
        return STATUS_NO_MEMORY;
    if (to == COMPRESSION_NONE)
        memcpy(bytes + BATCH_OVERHEAD, records.data, size);
    else
        status = compress_bytes(to, level, records, bytes + BATCH_OVERHEAD, room, &size);
    if (status)
        return status;
    finish_recompressed(bytes, batch, to, size);
    *out = (struct bytes_view){bytes, BATCH_OVERHEAD + size};
    return STATUS_OK;
}

enum status batch_recompress(struct bytes_view batch, enum compression to, int level, size_t decompressed_max,
                             struct arena *arena, struct bytes_view *out)
{
    struct bytes_view records;
    struct batch_head head;
    enum compression from;
    uint8_t *plain = NULL;
    enum status status;

    if (!batch_head_read(batch, &head) || head.length < BATCH_OVERHEAD - BATCH_PREFIX || batch_size(&head) > batch.size)
        return STATUS_CORRUPT_MESSAGE;
    records = (struct bytes_view){batch.data + BATCH_OVERHEAD, batch_size(&head) - BATCH_OVERHEAD};
    from = (enum compression)(head.attributes & BATCH_COMPRESSION_MASK);
    if (from >= COMPRESSION_COUNT)
        return STATUS_UNSUPPORTED_COMPRESSION_TYPE;
    if (from != COMPRESSION_NONE) {
        status = decompress_all(from, records, decompressed_max, &plain, &records.size);
        if (status)
            return status;
        records.data = plain;
    }
    status = recompress_records(batch, records, to, level, arena, out);
    mem_free(plain);
    return status;
}
