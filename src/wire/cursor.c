/* SPDX-License-Identifier: Apache-2.0
 * See cursor_int.h.
 */
#include "wire/cursor_int.h"

#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"

enum {
    WINDOW_SIZE = 64 << 10,
    LENGTH_SIZE_MAX = 5, /* of the varint in front of a record; the least record is longer */
    RECORD_SIZE_MIN = 6, /* attributes, two deltas, two lengths and a count, one byte each */
    VARINT_SIZE_MAX = 10,
    HEADER_SIZE_MIN = 2,
};

static void cursor__fail(struct record_cursor *c, enum status status, const char *why)
{
    if (!c->status) {
        c->status = status;
        c->why = why;
    }
}

static size_t cursor__window(const struct record_cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* Moves the window to the buffer's front and doubles a buffer that is full. */
static bool cursor__make_room(struct record_cursor *c)
{
    size_t size = cursor__window(c);
    uint8_t *larger;

    if (size == c->capacity) {
        larger = mem_resize(c->buffer, c->capacity, 2);
        if (!larger) {
            cursor__fail(c, STATUS_NO_MEMORY, NULL);
            return false;
        }
        c->buffer = larger;
        c->capacity *= 2;
    } else if (size) {
        memmove(c->buffer, c->at, size);
    }
    c->at = c->buffer;
    c->end = c->buffer + size;
    return true;
}

/* Brings `want` bytes into the window; false when they do not come. */
static bool cursor__fill(struct record_cursor *c, size_t want)
{
    while (cursor__window(c) < want) {
        size_t produced = 0;
        enum status status = STATUS_OK;

        if (c->stream) {
            if (!cursor__make_room(c))
                return false;
            status = decompressor_read(c->stream, c->buffer + cursor__window(c), c->capacity - cursor__window(c), &produced);
        }
        if (status || !produced) {
            cursor__fail(c, status ? status : STATUS_CORRUPT_MESSAGE,
                         status ? "The records do not decompress" : "The batch ends before its last record");
            return false;
        }
        c->end += produced;
    }
    return true;
}

/* A varint that is longer than one byte or not in the window yet. */
static uint64_t cursor__varint_long(struct record_cursor *c, bool wide)
{
    size_t want = c->left < VARINT_SIZE_MAX ? c->left : VARINT_SIZE_MAX;
    struct reader r;
    uint64_t v;

    if (!cursor__fill(c, want))
        return 0;
    reader_init(&r, c->at, want);
    v = wide ? reader_uvarlong(&r) : reader_uvarint(&r);
    if (r.bad) {
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record holds a number that is longer than its type");
        return 0;
    }
    c->left -= want - r.left;
    c->at = r.at;
    return v;
}

static inline uint64_t cursor__varint_raw(struct record_cursor *c, bool wide)
{
    if (c->left && c->at < c->end && *c->at < 128) {
        c->left--;
        return *c->at++;
    }
    return cursor__varint_long(c, wide);
}

static inline int32_t cursor__varint(struct record_cursor *c)
{
    uint32_t v = (uint32_t)cursor__varint_raw(c, false);

    return (int32_t)(v >> 1 ^ (0 - (v & 1)));
}

static inline int64_t cursor__varlong(struct record_cursor *c)
{
    uint64_t v = cursor__varint_raw(c, true);

    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static void cursor__skip(struct record_cursor *c, size_t size)
{
    if (size > c->left) {
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record is shorter than its fields");
        return;
    }
    c->left -= size;
    while (size > cursor__window(c)) {
        size -= cursor__window(c);
        c->at = c->end;
        if (!cursor__fill(c, 1))
            return;
    }
    c->at += size;
}

/* Length (-1: null) and bytes. */
static inline struct bytes_view cursor__field(struct record_cursor *c)
{
    int32_t size = cursor__varint(c);
    struct bytes_view v = {c->at, (size_t)size};

    if (size == -1)
        return (struct bytes_view){NULL, 0};
    if (size < 0)
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record holds a negative length");
    else
        cursor__skip(c, (size_t)size);
    return v;
}

static void cursor__headers(struct record_cursor *c, struct record *record)
{
    size_t left = c->left;

    record->headers.data = c->at;
    record->headers_count = cursor__varint(c);
    if (record->headers_count < 0 || (size_t)record->headers_count > c->left / HEADER_SIZE_MIN)
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record holds an impossible number of headers");
    for (int32_t i = 0; i < record->headers_count && !c->status; i++) {
        if (!cursor__field(c).data)
            cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record holds a header without a key");
        cursor__field(c);
    }
    record->headers.size = left - c->left;
}

enum status cursor__step(struct record_cursor *c, struct record *record)
{
    int64_t timestamp_delta;
    int32_t length;

    c->left = LENGTH_SIZE_MAX;
    length = cursor__varint(c);
    if (!c->status && length < RECORD_SIZE_MIN)
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record is shorter than its fields");
    if (c->status)
        return c->status;
    c->consumed += (size_t)length + varint_size(length);
    c->left = (size_t)length;
    if ((c->whole || !c->stream) && !cursor__fill(c, c->left))
        return c->status;
    cursor__skip(c, 1); /* attributes: none is defined */
    timestamp_delta = cursor__varlong(c);
    c->offset_delta = cursor__varint(c);
    record->key = cursor__field(c);
    record->value = cursor__field(c);
    cursor__headers(c, record);
    if (c->left)
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record is longer than its fields");
    record->offset = c->head.base_offset + c->offset_delta;
    if (c->head.attributes & BATCH_LOG_APPEND_TIME)
        record->timestamp = c->head.max_timestamp;
    else if (__builtin_add_overflow(c->head.base_timestamp, timestamp_delta, &record->timestamp))
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record's timestamp overflows");
    c->index++;
    return c->status;
}

enum status cursor__end(struct record_cursor *c)
{
    size_t produced = 0;
    enum status status;

    if (c->status)
        return c->status;
    if (cursor__window(c) == 0 && c->stream) {
        status = decompressor_read(c->stream, c->buffer, c->capacity, &produced);
        if (status)
            cursor__fail(c, status, "The records do not decompress");
    }
    if (cursor__window(c) || produced)
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "The batch goes on after its last record");
    return c->status;
}

enum status cursor__open(struct record_cursor *c, struct bytes_view batch, const struct batch_head *head,
                         size_t decompressed_max, bool whole)
{
    struct bytes_view records = {batch.data + BATCH_OVERHEAD, batch_size(head) - BATCH_OVERHEAD};
    enum compression codec = (enum compression)(head->attributes & BATCH_COMPRESSION_MASK);
    enum status status;

    *c = (struct record_cursor){.head = *head, .whole = whole};
    if (codec == COMPRESSION_NONE) {
        c->at = records.data;
        c->end = records.data + records.size;
        return STATUS_OK;
    }
    if (codec >= COMPRESSION_COUNT)
        return STATUS_UNSUPPORTED_COMPRESSION_TYPE;
    status = decompressor_open(&c->stream, codec, records, decompressed_max);
    if (status)
        return status;
    c->capacity = WINDOW_SIZE;
    c->buffer = mem_resize(NULL, c->capacity, 1);
    if (!c->buffer) {
        cursor__close(c);
        return STATUS_NO_MEMORY;
    }
    c->at = c->end = c->buffer;
    return STATUS_OK;
}

void cursor__close(struct record_cursor *c)
{
    decompressor_close(c->stream);
    mem_free(c->buffer);
    c->stream = NULL;
    c->buffer = NULL;
}

struct record_cursor *record_cursor_new(struct arena *arena, struct bytes_view batch, size_t decompressed_max)
{
    struct record_cursor *c = arena_alloc(arena, 1, sizeof *c);
    struct batch_head head;

    if (!c || !batch_head_read(batch, &head) || head.length < BATCH_OVERHEAD - BATCH_PREFIX || batch_size(&head) > batch.size)
        return NULL;
    return cursor__open(c, batch, &head, decompressed_max, true) ? NULL : c;
}

enum status record_next(struct record_cursor *c, struct record *record, bool *more)
{
    *more = c->index < c->head.count;
    return *more ? cursor__step(c, record) : cursor__end(c);
}

void record_cursor_free(struct record_cursor *c)
{
    if (c)
        cursor__close(c);
}
