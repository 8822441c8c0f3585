/* SPDX-License-Identifier: Apache-2.0
 * Reads one segment as its files stand, batch by batch, and tells what in it is wrong: for `barnabas log` and for the scrubber.
 *
 *   .log         each batch reads, its checksum is right, its offsets go on from those before it and stay below the next segment's
 *   .index       each entry points at the beginning of a batch, and names an offset that is not before it
 *   .timeindex   each entry names an offset of a batch that has its time, and no batch before that one has a greater
 *
 * What does not read is a hole: it ends where a batch begins that does, and that is followed by another or by the end of the file (one batch alone may be
 * a producer's bytes inside of a broken one). Holes are told once, with their size. Of an index only the first wrong entry is told: all of it is built anew.
 *
 * It goes by steps, so that who has no hurry, or a limit, stops between them. Nothing is written.
 */
#ifndef STORE_VERIFY_H
#define STORE_VERIFY_H

#include "store/index.h"
#include "store/scan.h"

struct finding {
    const char *suffix;      /* which file of the segment: ".log", ".index", ".timeindex" */
    uint64_t position, size; /* the bytes that are wrong */
    int64_t offset;          /* of a .log: the first that may be lost; of an index: what the entry names; -1: unknown */
    enum status status;      /* STATUS_CORRUPT, or STATUS_IO: the disk does not read it */
    const char *what;        /* borrowed, for the call */
};

struct verify {
    /* The caller's, before verify_begin. */
    struct fs *fs;
    const char *dir;
    int64_t base;
    int64_t limit;           /* the next segment's base; INT64_MAX: it is the last */
    bool indexed;            /* the indexes are to be there */
    bool aside;              /* the page cache stays as it was */
    void (*found)(void *context, const struct finding *finding);
    void (*seen)(void *context, uint64_t position, const struct batch_head *head, struct bytes_view batch); /* each that reads, whole; NULL: nobody asks */
    void *context;

    /* What it came by. */
    uint64_t at, batches;    /* at: everything before it was looked at */
    int64_t next;            /* offset behind the last batch */
    int64_t max_timestamp;
    uint64_t findings;

    /* Its own. */
    struct scan scan;
    struct index offsets, times;
    uint32_t offsets_at, times_at;    /* the entries that come next */
    uint64_t hole;                    /* where the open one began; `at`: none is */
    bool holes;                       /* there was one: what came before may be unknown */
    bool careful;                     /* the disk did not read something */
    struct err why;                   /* of the hole */
};

/* STATUS_NOT_FOUND: there is no such segment (any more). On failure there is nothing to end. */
enum status verify_begin(struct verify *v, struct err *err) MUST_CHECK;
/* Goes on for some `bytes`, at least one batch. *more = false: that was the end. */
enum status verify_step(struct verify *v, size_t bytes, bool *more, struct err *err) MUST_CHECK;
void verify_end(struct verify *v);

#endif
