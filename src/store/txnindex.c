/* SPDX-License-Identifier: Apache-2.0
 * See txnindex.h. */
#include "store/txnindex.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"

enum { VERSION = 0, CAPACITY_FIRST = 4 };

void txnindex_free(struct txnindex *ix)
{
    mem_free(ix->list);
    *ix = (struct txnindex){0};
}

bool txnindex_reserve(struct txnindex *ix, size_t more)
{
    size_t capacity = ix->capacity ? ix->capacity * 2 : CAPACITY_FIRST;
    struct aborted *list;

    if (ix->capacity - ix->count >= more)
        return true;
    if (capacity - ix->count < more)
        capacity = ix->count + more;
    list = mem_resize(ix->list, capacity, sizeof *list);
    if (!list)
        return false;
    ix->list = list;
    ix->capacity = (uint32_t)capacity;
    return true;
}

void txnindex_add(struct txnindex *ix, const struct aborted *aborted)
{
    ASSERT(ix->count < ix->capacity && (!ix->count || aborted->last_offset > ix->list[ix->count - 1].last_offset));
    ix->list[ix->count++] = *aborted;
}

void txnindex_cut(struct txnindex *ix, int64_t end_offset)
{
    while (ix->count && ix->list[ix->count - 1].last_offset >= end_offset)
        ix->count--;
}

const struct aborted *txnindex_next(const struct txnindex *ix, size_t *at, int64_t from, int64_t to, bool *complete)
{
    *complete = *at && ix->list[*at - 1].last_stable >= to;
    while (!*complete && *at < ix->count) {
        const struct aborted *aborted = &ix->list[(*at)++];
        if (aborted->last_offset >= from && aborted->first_offset < to)
            return aborted;
        *complete = aborted->last_stable >= to;
    }
    return NULL;
}

static bool entry_decode(struct reader *r, struct aborted *out)
{
    int16_t version = reader_i16(r);

    out->producer_id = reader_i64(r);
    out->first_offset = reader_i64(r);
    out->last_offset = reader_i64(r);
    out->last_stable = reader_i64(r);
    return version == VERSION && out->producer_id >= 0 && out->first_offset >= 0 && out->first_offset < out->last_offset && out->last_stable >= 0;
}

enum status txnindex_decode(struct txnindex *ix, struct bytes_view content, int64_t base, int64_t end, struct err *err)
{
    int64_t next = base;
    struct reader r;

    ASSERT(!ix->count);
    if (content.size % TXNINDEX_ENTRY)
        return err_set(err, STATUS_CORRUPT, "%zu bytes are no whole entries", content.size);
    if (!txnindex_reserve(ix, content.size / TXNINDEX_ENTRY))
        return err_set(err, STATUS_NO_MEMORY, "no memory for the aborted transactions");
    for (reader_init(&r, content.data, content.size); r.left;) {
        struct aborted aborted;
        if (!entry_decode(&r, &aborted) || aborted.last_offset < next || aborted.last_offset >= end) {
            txnindex_free(ix);
            return err_set(err, STATUS_CORRUPT, "the entry before byte %zu is none of this segment", content.size - r.left);
        }
        next = aborted.last_offset + 1;
        txnindex_add(ix, &aborted);
    }
    return STATUS_OK;
}

enum status txnindex_save(const struct txnindex *ix, struct fs *fs, const char *path, struct err *err)
{
    uint8_t *bytes = mem_alloc(ix->count, TXNINDEX_ENTRY);
    enum status status;
    struct writer w;

    if (!bytes)
        return err_set(err, STATUS_NO_MEMORY, "%s: no memory for %u entries", path, ix->count);
    writer_init(&w, bytes, ix->count * TXNINDEX_ENTRY);
    for (size_t i = 0; i < ix->count; i++) {
        writer_i16(&w, VERSION);
        writer_i64(&w, ix->list[i].producer_id);
        writer_i64(&w, ix->list[i].first_offset);
        writer_i64(&w, ix->list[i].last_offset);
        writer_i64(&w, ix->list[i].last_stable);
    }
    status = fs_write_file(fs, path, bytes, writer_size(&w), err);
    mem_free(bytes);
    return status;
}
