/* SPDX-License-Identifier: Apache-2.0
 * See files.h. */
#include "store/files.h"

#include "base/assert.h"

void files_init(struct files *files, unsigned count_max, size_t bytes_max)
{
    *files = (struct files){.count_max = count_max, .bytes_max = bytes_max};
    list_init(&files->used);
}

void files_forget(struct segment *seg)
{
    if (!seg->files)
        return;
    list_remove(&seg->used);
    seg->files->count--;
    seg->files->bytes -= seg->counted;
    seg->files = NULL;
}

void files_use(struct files *files, struct segment *seg)
{
    files_forget(seg);
    if (seg->unnamed)
        return;
    seg->files = files;
    seg->counted = (uint32_t)segment_bytes(seg); /* files of more than a gigabyte are not read */
    files->count++;
    files->bytes += seg->counted;
    list_push_front(&files->used, &seg->used);
    while ((files->count > files->count_max || files->bytes > files->bytes_max) && files->used.prev != &seg->used)
        segment_close(LIST_ENTRY(files->used.prev, struct segment, used));
}

void files_shed(struct files *files)
{
    for (unsigned left = files->count / 2; files->count > left;)
        segment_close(LIST_ENTRY(files->used.prev, struct segment, used));
}
