/* SPDX-License-Identifier: Apache-2.0
 * See legacy.h.
 *
 * In: the set is one sequence of plain messages of one magic, or exactly one message that wraps such a sequence (as Kafka itself
 * demanded to the end). So a set is read in one loop, over the set or over what its wrapper decompressed to, and a
 * v2 record is never larger than the message it was: 32 bytes of fields at most for 34, or 23 for 26 without a timestamp.
 *
 * Out: each batch becomes plain messages, wrapped again when it was compressed. A wrapper has the offset of its last inner message;
 * inner offsets are absolute for magic 0, relative to the first inner message for magic 1 (KIP-31).
 */
#include "wire/legacy.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"

enum {
    SET_PREFIX = 12,   /* offset and size: the size counts what follows */
    CRC_SIZE = 4,      /* and covers what follows it */
    MESSAGE_SIZE = 34, /* of magic 1, without key and value; magic 0 has no timestamp */
    TIMESTAMP_SIZE = 8,
    CODEC_MASK = 7,
    APPEND_TIME = 8,
};

static const int64_t timestamp_none = -1;

struct message {
    int64_t offset;
    int8_t magic, attributes;
    int64_t timestamp;
    struct bytes_view key, value;
};

static size_t message_overhead(int8_t magic)
{
    return MESSAGE_SIZE - (magic == 0 ? TIMESTAMP_SIZE : 0);
}

static enum compression message_codec(const struct message *m)
{
    return (enum compression)(m->attributes & CODEC_MASK);
}

/* Reads one message with its CRC checked. The errors are Kafka's: what the CRC covers and is wrong all the same is invalid. */
static enum status message_read(struct reader *set, struct message *m)
{
    struct reader body;
    uint32_t crc;
    int32_t size;
    const uint8_t *bytes;

    m->offset = reader_i64(set);
    size = reader_i32(set);
    bytes = size < (int32_t)message_overhead(0) - SET_PREFIX ? NULL : reader_take(set, (size_t)size);
    if (!bytes)
        return STATUS_CORRUPT_MESSAGE;
    reader_init(&body, bytes, (size_t)size);
    crc = reader_u32(&body);
    if (crc != crc32_legacy(body.at, body.left))
        return STATUS_CORRUPT_MESSAGE;
    m->magic = reader_i8(&body);
    if (m->magic != 0 && m->magic != 1)
        return STATUS_CORRUPT_MESSAGE;
    m->attributes = reader_i8(&body);
    m->timestamp = m->magic == 1 ? reader_i64(&body) : timestamp_none;
    m->key = reader_bytes(&body);
    m->value = reader_bytes(&body);
    return reader_done(&body) ? STATUS_INVALID_RECORD : STATUS_OK;
}

bool legacy_begins(struct bytes_view bytes)
{
    struct message m;
    struct reader set;

    reader_init(&set, bytes.data, bytes.size);
    return message_read(&set, &m) != STATUS_CORRUPT_MESSAGE;
}

static enum status add_message(struct batch_builder *builder, const struct message *m, int8_t magic)
{
    if (m->magic != magic || message_codec(m) != COMPRESSION_NONE)
        return STATUS_INVALID_RECORD;
    if (m->attributes & APPEND_TIME)
        return STATUS_INVALID_TIMESTAMP;
    return batch_builder_add(builder, builder->count, m->timestamp, m->key, m->value, (struct bytes_view){NULL, 0})
               ? STATUS_OK
               : STATUS_INVALID_RECORD;
}

/* Plain messages of one magic → an uncompressed batch in `buffer`. */
static enum status build_batch(struct bytes_view set, int8_t magic, uint8_t *buffer, size_t size, struct bytes_view *batch)
{
    struct batch_builder builder;
    struct reader r;

    batch_builder_init(&builder, buffer, size, 0);
    reader_init(&r, set.data, set.size);
    while (r.left) {
        struct message m;
        enum status status = message_read(&r, &m);

        if (!status)
            status = add_message(&builder, &m, magic);
        if (status)
            return status;
    }
    if (builder.count == 0)
        return STATUS_INVALID_RECORD;
    *batch = batch_builder_finish(&builder, 0, -1, -1, -1, -1);
    return STATUS_OK;
}

static enum status batch_from_plain(struct bytes_view set, int8_t magic, enum compression codec, struct arena *arena, struct bytes_view *batch)
{
    size_t size = BATCH_OVERHEAD + set.size;
    struct bytes_view plain;
    uint8_t *buffer;
    enum status status;

    if (codec == COMPRESSION_NONE) {
        buffer = arena_alloc(arena, size, 1);
        return buffer ? build_batch(set, magic, buffer, size, batch) : STATUS_NO_MEMORY;
    }
    buffer = mem_alloc(size, 1);
    if (!buffer)
        return STATUS_NO_MEMORY;
    status = build_batch(set, magic, buffer, size, &plain);
    if (!status)
        status = batch_recompress(plain, codec, compression_level_default(codec), SIZE_MAX, arena, batch);
    mem_free(buffer);
    return status;
}

/* The only message of its set, compressed. */
static enum status batch_from_wrapper(const struct message *m, size_t decompressed_max, struct arena *arena, struct bytes_view *batch)
{
    enum compression codec = message_codec(m);
    struct bytes_view inner;
    uint8_t *bytes;
    enum status status;

    if (codec > COMPRESSION_LZ4)
        return STATUS_UNSUPPORTED_COMPRESSION_TYPE;
    if (m->attributes & APPEND_TIME)
        return STATUS_INVALID_TIMESTAMP;
    if (!m->value.data)
        return STATUS_INVALID_RECORD;
    status = decompress_all(codec, m->value, decompressed_max, &bytes, &inner.size);
    if (status) /* its CRC held: sending it again would not help */
        return status == STATUS_CORRUPT_MESSAGE ? STATUS_INVALID_RECORD : status;
    inner.data = bytes;
    status = batch_from_plain(inner, m->magic, codec, arena, batch);
    mem_free(bytes);
    return status == STATUS_CORRUPT_MESSAGE ? STATUS_INVALID_RECORD : status;
}

enum status legacy_to_batch(struct bytes_view set, size_t decompressed_max, struct arena *arena, struct bytes_view *batch)
{
    struct message first;
    struct reader r;
    enum status status;

    if (set.size == 0)
        return STATUS_INVALID_RECORD;
    reader_init(&r, set.data, set.size);
    status = message_read(&r, &first);
    if (status)
        return status;
    if (message_codec(&first) == COMPRESSION_NONE)
        return batch_from_plain(set, first.magic, COMPRESSION_NONE, arena, batch);
    return r.left ? STATUS_INVALID_RECORD : batch_from_wrapper(&first, decompressed_max, arena, batch);
}

/* A growing block of messages. */
struct message_set {
    uint8_t *bytes;
    size_t size, capacity;
};

static enum status set_reserve(struct message_set *set, size_t more)
{
    size_t capacity = set->capacity ? set->capacity : 4096;
    uint8_t *larger;

    if (more > INT32_MAX - SET_PREFIX || set->size > INT32_MAX - more)
        return STATUS_MESSAGE_TOO_LARGE;
    while (capacity < set->size + more)
        capacity *= 2;
    if (capacity == set->capacity)
        return STATUS_OK;
    larger = mem_resize(set->bytes, capacity, 1);
    if (!larger)
        return STATUS_NO_MEMORY;
    set->bytes = larger;
    set->capacity = capacity;
    return STATUS_OK;
}

static enum status set_add(struct message_set *set, const struct message *m)
{
    size_t size = message_overhead(m->magic) + m->key.size + m->value.size;
    enum status status = set_reserve(set, size);
    struct writer w, crc;

    if (status)
        return status;
    writer_init(&w, set->bytes + set->size, size);
    writer_i64(&w, m->offset);
    writer_i32(&w, (int32_t)(size - SET_PREFIX));
    writer_init(&crc, writer_skip(&w, CRC_SIZE), CRC_SIZE);
    writer_i8(&w, m->magic);
    writer_i8(&w, m->attributes);
    if (m->magic == 1)
        writer_i64(&w, m->timestamp);
    writer_bytes(&w, m->key);
    writer_bytes(&w, m->value);
    writer_u32(&crc, crc32_legacy(set->bytes + set->size + SET_PREFIX + CRC_SIZE, size - SET_PREFIX - CRC_SIZE));
    set->size += size;
    return STATUS_OK;
}

/* How one batch becomes messages. */
struct down {
    int8_t magic, attributes;
    int64_t from_offset;
    enum compression codec; /* of the wrapper; NONE: there is none */
    int64_t first_offset, last_offset, max_timestamp; /* of the messages so far; first_offset -1: none */
};

static enum status down_records(struct down *d, struct record_cursor *cursor, struct message_set *set)
{
    struct record record;
    bool more;
    enum status status;

    while (!(status = record_next(cursor, &record, &more)) && more) {
        struct message m = {record.offset, d->magic, d->attributes, record.timestamp, record.key, record.value};

        if (record.offset < d->from_offset)
            continue;
        if (d->first_offset < 0)
            d->first_offset = record.offset;
        d->last_offset = record.offset;
        d->max_timestamp = record.timestamp > d->max_timestamp ? record.timestamp : d->max_timestamp;
        if (d->codec != COMPRESSION_NONE && d->magic == 1)
            m.offset -= d->first_offset;
        status = set_add(set, &m);
        if (status)
            break;
    }
    return status;
}

static enum status down_wrap(const struct down *d, const struct message_set *inner, struct message_set *set)
{
    size_t room = compression_bound(d->codec, inner->size), size = 0;
    uint8_t *bytes = mem_alloc(room, 1);
    enum status status;

    if (!bytes)
        return STATUS_NO_MEMORY;
    status = compress_bytes(d->codec, compression_level_default(d->codec), (struct bytes_view){inner->bytes, inner->size}, bytes, room, &size);
    if (!status) {
        struct message wrapper = {d->last_offset, d->magic, (int8_t)(d->attributes | d->codec), d->max_timestamp,
                                  {NULL, 0}, {bytes, size}};

        if (d->codec == COMPRESSION_LZ4 && d->magic == 0)
            lz4_break_checksum(bytes, size);
        status = set_add(set, &wrapper);
    }
    mem_free(bytes);
    return status;
}

/* Appends the messages of one batch. */
static enum status down_batch(struct down *d, struct bytes_view batch, size_t decompressed_max, struct message_set *set)
{
    struct message_set inner = {0};
    struct arena arena;
    struct record_cursor *cursor;
    enum status status = STATUS_NO_MEMORY;

    arena_init(&arena, 4096);
    cursor = record_cursor_new(&arena, batch, decompressed_max);
    if (cursor)
        status = down_records(d, cursor, d->codec == COMPRESSION_NONE ? set : &inner);
    record_cursor_free(cursor);
    arena_free(&arena);
    if (!status && inner.size)
        status = down_wrap(d, &inner, set);
    mem_free(inner.bytes);
    return status;
}

static enum status down_batches(struct bytes_view batches, int8_t magic, int64_t from_offset, size_t size_max,
                                size_t decompressed_max, struct message_set *set)
{
    struct batch_head head;
    size_t size;

    for (; batch_head_read(batches, &head); batches.data += size, batches.size -= size) {
        enum compression codec = (enum compression)(head.attributes & BATCH_COMPRESSION_MASK);
        size_t before = set->size;
        struct down d = {
            .magic = magic,
            .attributes = magic == 1 && head.attributes & BATCH_LOG_APPEND_TIME ? APPEND_TIME : 0,
            .from_offset = from_offset,
            .codec = codec == COMPRESSION_ZSTD ? COMPRESSION_NONE : codec, /* the old formats have no zstd */
            .first_offset = -1,
            .max_timestamp = timestamp_none,
        };
        enum status status;

        if (head.length > 0 && batch_size(&head) > batches.size)
            break; /* a fetch may end within a batch */
        status = batch_check_crc(batches, &size);
        if (!status && !(head.attributes & BATCH_CONTROL))
            status = down_batch(&d, batches, decompressed_max, set);
        if (status)
            return status;
        if (before && set->size > size_max) {
            set->size = before;
            break;
        }
    }
    return STATUS_OK;
}

enum status legacy_from_batches(struct bytes_view batches, int8_t magic, int64_t from_offset, size_t size_max,
                                size_t decompressed_max, struct arena *arena, struct bytes_view *set)
{
    struct message_set messages = {0};
    uint8_t *bytes;
    enum status status;

    ASSERT(magic == 0 || magic == 1);
    status = down_batches(batches, magic, from_offset, size_max, decompressed_max, &messages);
    if (!status) {
        bytes = arena_alloc(arena, messages.size, 1);
        if (!bytes)
            status = STATUS_NO_MEMORY;
        else if (messages.size)
            memcpy(bytes, messages.bytes, messages.size);
        *set = (struct bytes_view){bytes, messages.size};
    }
    mem_free(messages.bytes);
    return status;
}
