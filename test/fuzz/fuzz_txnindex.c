/* SPDX-License-Identifier: Apache-2.0
 * A .txnindex: what reads comes back byte for byte, and a search finds what looking at every entry finds, unless it may end before.
 *
 *   bytes 0, 1   from and to of the search, as shares of 256 of the segment's offsets
 *   rest         the file
 */
#include <stdlib.h>

#include "base/mem.h"
#include "rt/fs_mem.h"
#include "store/txnindex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void comes_back(const struct txnindex *ix, const uint8_t *data, size_t size)
{
    struct fs *fs = fs_mem_new();
    struct err err;
    char *content;
    size_t got;

    if (!fs || txnindex_save(ix, fs, "/x", &err) || fs_read_file(fs, "/x", SIZE_MAX, &content, &got, &err) || got != size || memcmp(content, data, size) != 0)
        abort();
    mem_free(content);
    fs_free(fs);
}

static void search(const struct txnindex *ix, int64_t from, int64_t to)
{
    const struct aborted *found;
    bool complete;
    size_t at = 0, i = 0;

    while ((found = txnindex_next(ix, &at, from, to, &complete))) {
        for (; ix->list[i].last_offset < from || ix->list[i].first_offset >= to; i++)
            continue;
        if (found != &ix->list[i++])
            abort();
    }
    for (; !complete && i < ix->count; i++)
        if (ix->list[i].last_offset >= from && ix->list[i].first_offset < to)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct txnindex ix = {0};
    struct err err;

    if (size < 2 || txnindex_decode(&ix, (struct bytes_view){data + 2, size - 2}, 0, INT64_MAX, &err))
        return 0;
    comes_back(&ix, data + 2, size - 2);
    if (ix.count)
        search(&ix, ix.list[ix.count - 1].last_offset / 256 * data[0], ix.list[ix.count - 1].last_offset / 256 * data[1]);
    txnindex_cut(&ix, ix.count ? ix.list[ix.count / 2].last_offset : 0);
    txnindex_free(&ix);
    return 0;
}
