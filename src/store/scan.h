/* SPDX-License-Identifier: Apache-2.0
 * Walks the batches of a segment file through a buffer of the caller's: heads only, or whole batches, forward.
 *
 * What is in the file is judged here: a head that cannot be one (magic, length, deltas, beyond the end) is STATUS_CORRUPT, and its
 * numbers are used no further.
 */
#ifndef STORE_SCAN_H
#define STORE_SCAN_H

#include "base/err.h"
#include "store/tail.h"
#include "wire/records.h"

struct scan_miss { /* bytes of the file that were asked for and are not in memory */
    uint64_t from, to;
};

struct scan {
    struct file *file;
    struct scan_miss *miss;  /* NULL: the disk is waited for; else STATUS_NOT_CACHED tells here what it lacked */
    const struct tail *tail; /* where the file is continued; NULL: nowhere */
    uint64_t end;     /* bytes that may be read */
    uint8_t *buffer;
    size_t capacity;
    bool grows;       /* the buffer is mem_alloc'd and may be made larger for a large batch */
    uint64_t at;      /* the buffer holds [at, at + filled) of the file */
    size_t filled;
};

/* `size` bytes at `position`, valid until the next call. They lie before the end (asserted). */
enum status scan_bytes(struct scan *s, uint64_t position, size_t size, const uint8_t **bytes, struct err *err) MUST_CHECK;

/* The head of the batch at `position` (which is before the end). */
enum status scan_head(struct scan *s, uint64_t position, struct batch_head *head, struct err *err) MUST_CHECK;

/* Whether zeros are all that there is from `position` on, up to the end of a block: what the last commit left that was written in blocks (tail.h). Needs a buffer that grows. */
bool scan_is_padding(struct scan *s, uint64_t position) __attribute__((warn_unused_result));

/* The whole batch, with its CRC checked. STATUS_CORRUPT: it is not one. Needs a buffer that grows. */
enum status scan_batch(struct scan *s, uint64_t position, struct batch_head *head, struct bytes_view *batch, struct err *err) MUST_CHECK;

#endif
