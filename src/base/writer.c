/* SPDX-License-Identifier: Apache-2.0
 * See writer.h: lengths and splices.
 */
#include "base/writer.h"

void writer_str(struct writer *w, struct str_view v)
{
    ASSERT(v.size <= INT16_MAX);
    writer_i16(w, v.data ? (int16_t)v.size : -1);
    writer_raw(w, v.data, v.size);
}

void writer_str_compact(struct writer *w, struct str_view v)
{
    ASSERT(v.size <= INT16_MAX);
    writer_uvarint(w, v.data ? (uint32_t)v.size + 1 : 0);
    writer_raw(w, v.data, v.size);
}

void writer_bytes(struct writer *w, struct bytes_view v)
{
    ASSERT(v.size <= INT32_MAX);
    writer_i32(w, v.data ? (int32_t)v.size : -1);
    writer_raw(w, v.data, v.size);
}

void writer_bytes_compact(struct writer *w, struct bytes_view v)
{
    ASSERT(v.size < INT32_MAX);
    writer_uvarint(w, v.data ? (uint32_t)v.size + 1 : 0);
    writer_raw(w, v.data, v.size);
}

void writer_count(struct writer *w, int32_t count)
{
    ASSERT(count >= -1);
    writer_i32(w, count);
}

void writer_count_compact(struct writer *w, int32_t count)
{
    ASSERT(count >= -1);
    writer_uvarint(w, (uint32_t)count + 1);
}

void writer_splice(struct writer *w, struct writer_splice *node, const void *source, size_t size)
{
    *node = (struct writer_splice){.at = writer_size(w), .size = size, .source = source};
    *w->splices_tail = node;
    w->splices_tail = &node->next;
}
