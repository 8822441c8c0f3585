/* SPDX-License-Identifier: Apache-2.0
 * The open segments of a shard, the last used ones first: each has a descriptor, and a cold one its indexes in memory. When there are too many, the one that was
 * not used for the longest time is closed; it is opened again when it is needed. A file that is closed here lives on for who reads, sends or writes it.
 */
#ifndef STORE_FILES_H
#define STORE_FILES_H

#include "base/list.h"
#include "store/segment.h"

struct files {
    struct list used;
    unsigned count, count_max; /* files */
    size_t bytes, bytes_max;   /* segment_bytes */
};

void files_init(struct files *files, unsigned count_max, size_t bytes_max);
void files_use(struct files *files, struct segment *seg); /* it is open, and in use */
void files_forget(struct segment *seg);                   /* it was closed */
void files_shed(struct files *files);                     /* others need some: half of them are closed */

#endif
