/* SPDX-License-Identifier: Apache-2.0
 * Reads big-endian wire bytes without ever passing their end.
 *
 * The first read that does not fit marks the reader bad; from then on every read yields zero or null and nothing moves. So
 * a decoder reads straight through and asks once, at the end: reader_done demands that nothing was bad and that
 * every byte was consumed. Views point into the bytes read: they live as long as those do.
 *
 * Varints (KIP-482 and the record format): unsigned ones hold compact lengths and tags, zigzag ones the fields of records.
 * One that is longer than its type allows (5 bytes for 32 bits, 10 for 64) or overflows it is bad.
 */
#ifndef BASE_READER_H
#define BASE_READER_H

#include "base/status.h"
#include "base/view.h"

struct reader {
    const uint8_t *at;
    size_t left;
    bool bad;
};

static inline void reader_init(struct reader *r, const void *bytes, size_t size)
{
    *r = (struct reader){.at = bytes, .left = size};
}

static inline void reader_fail(struct reader *r)
{
    r->bad = true;
    r->left = 0;
}

/* Steps over `size` bytes; NULL (and bad) when they are not there. */
static inline const uint8_t *reader_take(struct reader *r, size_t size)
{
    const uint8_t *at = r->at;

    if (size > r->left) {
        reader_fail(r);
        return NULL;
    }
    if (r->bad)
        return NULL;
    r->at += size;
    r->left -= size;
    return at;
}

static inline int8_t reader_i8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);

    return p ? (int8_t)*p : 0;
}

static inline int16_t reader_i16(struct reader *r)
{
    const uint8_t *p = reader_take(r, 2);
    uint16_t v = 0;

    if (p)
        memcpy(&v, p, 2);
    return (int16_t)__builtin_bswap16(v);
}

static inline uint16_t reader_u16(struct reader *r)
{
    return (uint16_t)reader_i16(r);
}

static inline int32_t reader_i32(struct reader *r)
{
    const uint8_t *p = reader_take(r, 4);
    uint32_t v = 0;

    if (p)
        memcpy(&v, p, 4);
    return (int32_t)__builtin_bswap32(v);
}

static inline uint32_t reader_u32(struct reader *r)
{
    return (uint32_t)reader_i32(r);
}

static inline int64_t reader_i64(struct reader *r)
{
    const uint8_t *p = reader_take(r, 8);
    uint64_t v = 0;

    if (p)
        memcpy(&v, p, 8);
    return (int64_t)__builtin_bswap64(v);
}

static inline double reader_f64(struct reader *r)
{
    int64_t bits = reader_i64(r);
    double v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline struct uuid reader_uuid(struct reader *r)
{
    const uint8_t *p = reader_take(r, 16);
    struct uuid v = {{0}};

    if (p)
        memcpy(v.b, p, 16);
    return v;
}

uint32_t reader_uvarint(struct reader *r);  /* unsigned, 32 bits */
uint64_t reader_uvarlong(struct reader *r); /* unsigned, 64 bits */

static inline int32_t reader_varint(struct reader *r) /* zigzag */
{
    uint32_t v = reader_uvarint(r);

    return (int32_t)(v >> 1 ^ (0 - (v & 1)));
}

static inline int64_t reader_varlong(struct reader *r) /* zigzag */
{
    uint64_t v = reader_uvarlong(r);

    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

/* Lengths: plain ones are signed with -1 for null; compact ones are n+1 with 0 for null. */
struct str_view reader_str(struct reader *r);           /* i16 length */
struct str_view reader_str_compact(struct reader *r);   /* uvarint length */
struct bytes_view reader_bytes(struct reader *r);       /* i32 length */
struct bytes_view reader_bytes_compact(struct reader *r);

/* The element count of an array, -1 for null. Bad when `count * element_min` bytes are not left, so the
 * result may size an allocation: element_min is the least number of bytes of one element (at least 1). */
int32_t reader_count(struct reader *r, size_t element_min);
int32_t reader_count_compact(struct reader *r, size_t element_min);

/* STATUS_OK when nothing was bad and nothing is left, else STATUS_MALFORMED. */
static inline MUST_CHECK enum status reader_done(const struct reader *r)
{
    return r->bad || r->left ? STATUS_MALFORMED : STATUS_OK;
}

#endif
