/* SPDX-License-Identifier: Apache-2.0
 * The aborted transactions of one segment: those whose abort marker it holds.
 *
 * A reader of committed records is told of them, and leaves their records out by itself. In memory they stand in the order of their
 * markers; on disk so in `<20 digits>.txnindex`, which is there only when there are any. An entry is 34 bytes, big-endian:
 *
 *   i16 version 0, i64 producer id, i64 first offset, i64 last offset (the marker's), i64 last stable offset
 *
 * The last stable offset is the one right after the marker: a search for what overlaps [from, to) may end at an entry that has it at `to` or
 * beyond, since whatever is aborted later began there or later.
 */
#ifndef STORE_TXNINDEX_H
#define STORE_TXNINDEX_H

#include "base/err.h"
#include "base/view.h"
#include "rt/fs.h"

enum { TXNINDEX_ENTRY = 34 };

struct aborted {
    int64_t producer_id;
    int64_t first_offset, last_offset; /* of its first record and of its marker */
    int64_t last_stable;
};

struct txnindex { /* all zero: empty */
    struct aborted *list;
    uint32_t count, capacity;
};

void txnindex_free(struct txnindex *ix); /* empty afterwards */
bool txnindex_reserve(struct txnindex *ix, size_t more) __attribute__((warn_unused_result)); /* false: no memory */
void txnindex_add(struct txnindex *ix, const struct aborted *aborted); /* there is room (asserted), and it ends behind the others */
void txnindex_cut(struct txnindex *ix, int64_t end_offset); /* those whose marker is at end_offset or beyond are gone */

/* Those that have records in [from, to), one a call, by the order of their markers. *at is 0 at first; NULL at the end, and then *complete tells
 * whether what follows this index holds none. */
const struct aborted *txnindex_next(const struct txnindex *ix, size_t *at, int64_t from, int64_t to, bool *complete);

/* A file's content into an empty index. STATUS_CORRUPT when it is not one of a segment whose offsets are in [base, end); then it stays empty. */
enum status txnindex_decode(struct txnindex *ix, struct bytes_view content, int64_t base, int64_t end, struct err *err) MUST_CHECK;
/* Blocking: the file as a whole, durable with its name. */
enum status txnindex_save(const struct txnindex *ix, struct fs *fs, const char *path, struct err *err) MUST_CHECK;

#endif
