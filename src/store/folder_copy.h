/* SPDX-License-Identifier: Apache-2.0
 * A partition's folder, copied into another log directory while its log is in use (KIP-113).
 *
 *   rounds    each copies what segments have that the copy has not yet: they only grow, and nothing is compacted meanwhile (the caller sees to that)
 *   the last  the log is closed: the rest of the segments, and all other files; what is not in the folder any more leaves the copy; all of it durable
 *
 * The copy has Kafka's name for one, "<topic>-<partition>.<hex>-future", until it is whole. Blocking, a slice at a time: for jobs.
 */
#ifndef STORE_FOLDER_COPY_H
#define STORE_FOLDER_COPY_H

#include "base/err.h"
#include "base/view.h"
#include "rt/fs.h"

struct folder_copy {
    struct fs *fs;
    char from[FS_PATH_MAX], to[FS_PATH_MAX];
    uint8_t *buffer;
    char **names; /* of the round; NULL: none is under way */
    size_t count, at;
    struct file *in, *out;
    uint64_t position;
    bool last;
    bool wrote;       /* to the file that is open */
    /* results */
    uint64_t moved;   /* bytes, by this round */
    int64_t reached;  /* the base offset of the segment that is copied; -1: none yet */
    bool reads;       /* what failed is `from` */
};

/* Makes the copy's folder, at the path `future`, with nothing but partition.metadata: a start then knows what it was to become. */
enum status folder_copy_begin(struct folder_copy *copy, struct fs *fs, const char *from, const char *future, struct err *err) MUST_CHECK;
enum status folder_copy_round(struct folder_copy *copy, bool last, struct err *err) MUST_CHECK;
/* About `size` bytes of the round; *over when it has ended. */
enum status folder_copy_step(struct folder_copy *copy, size_t size, bool *over, struct err *err) MUST_CHECK;
/* In any case, once. */
void folder_copy_end(struct folder_copy *copy);

#endif
