/* SPDX-License-Identifier: Apache-2.0
 * See reader.h: the reads that are not one load.
 */
#include "base/reader.h"

uint64_t reader_uvarlong(struct reader *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t *p = reader_take(r, 1);
        if (!p)
            return 0;
        if (shift == 63 && *p > 1)
            break;
        v |= (uint64_t)(*p & 127) << shift;
        if (*p < 128)
            return v;
    }
    reader_fail(r);
    return 0;
}

uint32_t reader_uvarint(struct reader *r)
{
    uint32_t v = 0;

    for (unsigned shift = 0; shift < 35; shift += 7) {
        const uint8_t *p = reader_take(r, 1);
        if (!p)
            return 0;
        if (shift == 28 && *p > 15)
            break;
        v |= (uint32_t)(*p & 127) << shift;
        if (*p < 128)
            return v;
    }
    reader_fail(r);
    return 0;
}

/* `size` is -1 for null and bad below that. */
static const uint8_t *reader__sized(struct reader *r, int64_t size)
{
    if (size < -1) {
        reader_fail(r);
        return NULL;
    }
    return size == -1 ? NULL : reader_take(r, (size_t)size);
}

static struct bytes_view reader__bytes(struct reader *r, int64_t size)
{
    const uint8_t *p = reader__sized(r, size);

    return (struct bytes_view){p, p ? (size_t)size : 0};
}

static struct str_view reader__str(struct reader *r, int64_t size)
{
    const uint8_t *p = size > INT16_MAX ? (reader_fail(r), NULL) : reader__sized(r, size);

    return (struct str_view){(const char *)p, p ? (size_t)size : 0};
}

struct str_view reader_str(struct reader *r)
{
    return reader__str(r, r->left < 2 ? (reader_fail(r), -1) : reader_i16(r));
}

struct str_view reader_str_compact(struct reader *r)
{
    return reader__str(r, (int64_t)reader_uvarint(r) - 1);
}

struct bytes_view reader_bytes(struct reader *r)
{
    return reader__bytes(r, r->left < 4 ? (reader_fail(r), -1) : reader_i32(r));
}

struct bytes_view reader_bytes_compact(struct reader *r)
{
    return reader__bytes(r, (int64_t)reader_uvarint(r) - 1);
}

static int32_t reader__count(struct reader *r, int64_t count, size_t element_min)
{
    if (count < -1 || (count > 0 && (uint64_t)count > r->left / element_min))
        reader_fail(r);
    return r->bad ? 0 : (int32_t)count;
}

int32_t reader_count(struct reader *r, size_t element_min)
{
    return reader__count(r, reader_i32(r), element_min);
}

int32_t reader_count_compact(struct reader *r, size_t element_min)
{
    return reader__count(r, (int64_t)reader_uvarint(r) - 1, element_min);
}
