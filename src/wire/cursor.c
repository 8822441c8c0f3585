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

/* The record at hand while it is parsed: kept in registers, so that a field costs a compare and a load. */
struct span {
    const uint8_t *at, *limit; /* bytes of the record that the window has */
    size_t beyond;             /* and those that it has not */
};

/* Spans the next `size` bytes. */
static inline struct span span_open(const struct record_cursor *c, size_t size)
{
    size_t window = cursor__window(c), here = size < window ? size : window;

    return (struct span){c->at, c->at + here, size - here};
}

/* The same span over a window that has at least `want` of its bytes; empty when they do not come. */
static __attribute__((cold, noinline)) struct span span_refill(struct record_cursor *c, struct span s, size_t want)
{
    size_t size = (size_t)(s.limit - s.at) + s.beyond;

    c->at = s.at;
    return cursor__fill(c, want) ? span_open(c, size) : (struct span){c->at, c->at, 0};
}

struct span_number {
    uint64_t number;
    struct span rest;
};

/* A varint that is longer than two bytes or not in the window yet. */
static __attribute__((cold, noinline)) struct span_number span_varint_long(struct record_cursor *c, struct span s, bool wide)
{
    size_t size = (size_t)(s.limit - s.at) + s.beyond;
    struct reader r;
    uint64_t v;

    if (s.beyond)
        s = span_refill(c, s, size < VARINT_SIZE_MAX ? size : VARINT_SIZE_MAX);
    reader_init(&r, s.at, (size_t)(s.limit - s.at));
    v = wide ? reader_uvarlong(&r) : reader_uvarint(&r);
    if (r.bad)
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record holds a number that does not end in time");
    s.at = r.at;
    return (struct span_number){v, s};
}

static inline uint64_t span_varint_raw(struct record_cursor *c, struct span *s, bool wide)
{
    struct span_number n;

    if (s->at < s->limit && *s->at < 128)
        return *s->at++;
    if (s->limit - s->at >= 2 && s->at[1] < 128) {
        s->at += 2;
        return (uint64_t)(s->at[-2] & 127) | (uint64_t)s->at[-1] << 7;
    }
    n = span_varint_long(c, *s, wide);
    *s = n.rest;
    return n.number;
}

static inline int32_t span_varint(struct record_cursor *c, struct span *s)
{
    uint32_t v = (uint32_t)span_varint_raw(c, s, false);

    return (int32_t)(v >> 1 ^ (0 - (v & 1)));
}

static inline int64_t span_varlong(struct record_cursor *c, struct span *s)
{
    uint64_t v = span_varint_raw(c, s, true);

    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

/* Steps over bytes that the window does not hold together. */
static __attribute__((cold, noinline)) struct span span_skip_long(struct record_cursor *c, struct span s, size_t size)
{
    if (size > (size_t)(s.limit - s.at) + s.beyond)
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record is shorter than its fields");
    while (!c->status && size > (size_t)(s.limit - s.at)) {
        size -= (size_t)(s.limit - s.at);
        s.at = s.limit;
        s = span_refill(c, s, 1);
    }
    s.at += c->status ? 0 : size;
    return s;
}

static inline void span_skip(struct record_cursor *c, struct span *s, size_t size)
{
    if (size <= (size_t)(s->limit - s->at))
        s->at += size;
    else
        *s = span_skip_long(c, *s, size);
}

/* Length (-1: null) and bytes. */
static inline struct bytes_view span_field(struct record_cursor *c, struct span *s)
{
    int32_t size = span_varint(c, s);
    struct bytes_view v = {s->at, (size_t)size};

    if (size >= 0) {
        span_skip(c, s, (size_t)size);
        return v;
    }
    if (size < -1)
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record holds a negative length");
    return (struct bytes_view){NULL, 0};
}

static inline void span_headers(struct record_cursor *c, struct span *s, struct record *record)
{
    const uint8_t *start = s->at;
    int32_t count = span_varint(c, s);

    if (count < 0 || (size_t)count > ((size_t)(s->limit - s->at) + s->beyond) / HEADER_SIZE_MIN)
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record holds an impossible number of headers");
    for (int32_t i = 0; i < count && !c->status; i++) {
        if (!span_field(c, s).data)
            cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record holds a header without a key");
        span_field(c, s);
    }
    record->headers_count = count;
    record->headers = (struct bytes_view){start, c->whole ? (size_t)(s->at - start) : 0};
}

/* The length in front of the next record. */
static inline int32_t cursor__length(struct record_cursor *c)
{
    struct span s;
    int32_t length;

    if (cursor__window(c) < LENGTH_SIZE_MAX && !cursor__fill(c, LENGTH_SIZE_MAX))
        return 0;
    s = span_open(c, LENGTH_SIZE_MAX);
    length = span_varint(c, &s);
    if (length < RECORD_SIZE_MIN)
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record is shorter than its fields");
    c->consumed += (size_t)(s.at - c->at);
    c->at = s.at;
    return length;
}

enum status cursor__step(struct record_cursor *c, struct record *record)
{
    size_t length = (size_t)cursor__length(c);
    int64_t timestamp_delta;
    struct span s;

    if (c->status || (cursor__window(c) < length && (c->whole || !c->stream) && !cursor__fill(c, length)))
        return c->status;
    s = span_open(c, length);
    span_skip(c, &s, 1); /* attributes: none is defined */
    timestamp_delta = span_varlong(c, &s);
    c->offset_delta = span_varint(c, &s);
    record->key = span_field(c, &s);
    record->value = span_field(c, &s);
    span_headers(c, &s, record);
    if (s.at != s.limit || s.beyond)
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record is longer than its fields");
    c->at = s.at;
    c->consumed += length;
    c->index++;
    record->offset = c->head.base_offset + c->offset_delta;
    if (c->head.attributes & BATCH_LOG_APPEND_TIME)
        record->timestamp = c->head.max_timestamp;
    else if (__builtin_add_overflow(c->head.base_timestamp, timestamp_delta, &record->timestamp))
        cursor__fail(c, STATUS_CORRUPT_MESSAGE, "A record's timestamp overflows");
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
