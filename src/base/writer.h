/* SPDX-License-Identifier: Apache-2.0
 * Writes big-endian wire bytes into a buffer of the caller's that is known to be large enough.
 *
 * Who writes has counted first: every generated encoder has a sizer beside it, and writing past the end is our bug, not the
 * peer's, so it asserts. Bulk data (the records of a fetch) is not copied: writer_splice notes that `size` bytes of some
 * other source stand at this place of the output; whoever sends the buffer puts them there.
 */
#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include "base/assert.h"
#include "base/view.h"

struct writer_splice {
    struct writer_splice *next;
    size_t at;          /* bytes of the buffer that stand before it */
    size_t size;        /* bytes of the source */
    const void *source; /* what the sender understands; borrowed */
};

struct writer {
    uint8_t *start, *at, *end;
    struct writer_splice *splices, **splices_tail; /* in order; the nodes are the callers' */
};

static inline void writer_init(struct writer *w, void *buffer, size_t size)
{
    *w = (struct writer){.start = buffer, .at = buffer, .end = (uint8_t *)buffer + size};
    w->splices_tail = &w->splices;
}

static inline size_t writer_size(const struct writer *w)
{
    return (size_t)(w->at - w->start);
}

static inline uint8_t *writer_skip(struct writer *w, size_t size)
{
    uint8_t *at = w->at;

    ASSERT(size <= (size_t)(w->end - w->at));
    w->at += size;
    return at;
}

static inline void writer_raw(struct writer *w, const void *bytes, size_t size)
{
    uint8_t *at = writer_skip(w, size);

    if (size)
        memcpy(at, bytes, size);
}

static inline void writer_i8(struct writer *w, int8_t v)
{
    *writer_skip(w, 1) = (uint8_t)v;
}

static inline void writer_i16(struct writer *w, int16_t v)
{
    uint16_t x = __builtin_bswap16((uint16_t)v);

    memcpy(writer_skip(w, 2), &x, 2);
}

static inline void writer_u16(struct writer *w, uint16_t v)
{
    writer_i16(w, (int16_t)v);
}

static inline void writer_i32(struct writer *w, int32_t v)
{
    uint32_t x = __builtin_bswap32((uint32_t)v);

    memcpy(writer_skip(w, 4), &x, 4);
}

static inline void writer_u32(struct writer *w, uint32_t v)
{
    writer_i32(w, (int32_t)v);
}

static inline void writer_i64(struct writer *w, int64_t v)
{
    uint64_t x = __builtin_bswap64((uint64_t)v);

    memcpy(writer_skip(w, 8), &x, 8);
}

static inline void writer_f64(struct writer *w, double v)
{
    int64_t bits;

    memcpy(&bits, &v, sizeof bits);
    writer_i64(w, bits);
}

static inline void writer_uuid(struct writer *w, struct uuid v)
{
    writer_raw(w, v.b, sizeof v.b);
}

static inline void writer_uvarlong(struct writer *w, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        *writer_skip(w, 1) = (uint8_t)(v | 128);
    *writer_skip(w, 1) = (uint8_t)v;
}

static inline void writer_uvarint(struct writer *w, uint32_t v)
{
    writer_uvarlong(w, v);
}

static inline void writer_varint(struct writer *w, int32_t v) /* zigzag */
{
    writer_uvarint(w, (uint32_t)v << 1 ^ (uint32_t)(v >> 31));
}

static inline void writer_varlong(struct writer *w, int64_t v) /* zigzag */
{
    writer_uvarlong(w, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

/* Bytes that an unsigned varint takes. */
static inline size_t uvarint_size(uint64_t v)
{
    size_t n = 1;

    for (; v >= 128; v >>= 7)
        n++;
    return n;
}

static inline size_t varint_size(int32_t v)
{
    return uvarint_size((uint32_t)v << 1 ^ (uint32_t)(v >> 31));
}

static inline size_t varlong_size(int64_t v)
{
    return uvarint_size((uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

/* Lengths as in reader.h: null is data == NULL. A string over INT16_MAX, bytes over INT32_MAX: our bug. */
void writer_str(struct writer *w, struct str_view v);
void writer_str_compact(struct writer *w, struct str_view v);
void writer_bytes(struct writer *w, struct bytes_view v);
void writer_bytes_compact(struct writer *w, struct bytes_view v);
void writer_count(struct writer *w, int32_t count); /* -1: null */
void writer_count_compact(struct writer *w, int32_t count);

/* The source stands here; `node` is the caller's and lives until the buffer was sent. */
void writer_splice(struct writer *w, struct writer_splice *node, const void *source, size_t size);

#endif
