/* SPDX-License-Identifier: Apache-2.0
 * See end_mark.h. */
#include "store/end_mark.h"

#include "base/crc32c.h"
#include "base/reader.h"
#include "base/writer.h"

enum { CRC_AT = 28 };

void end_mark_encode(const struct end_mark *mark, uint8_t bytes[static END_MARK_SIZE])
{
    struct writer w;

    writer_init(&w, bytes, END_MARK_SIZE);
    writer_i64(&w, mark->next_offset);
    writer_i32(&w, 0);
    writer_i64(&w, (int64_t)mark->begin);
    writer_i64(&w, (int64_t)mark->end);
    writer_u32(&w, crc32c(bytes, CRC_AT));
}

bool end_mark_decode(struct end_mark *mark, const uint8_t bytes[static END_MARK_SIZE])
{
    struct reader r;
    int32_t zero;

    reader_init(&r, bytes, END_MARK_SIZE);
    mark->next_offset = reader_i64(&r);
    zero = reader_i32(&r);
    mark->begin = (uint64_t)reader_i64(&r);
    mark->end = (uint64_t)reader_i64(&r);
    return reader_u32(&r) == crc32c(bytes, CRC_AT) && !zero && mark->begin <= mark->end;
}
