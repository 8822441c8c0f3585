/* SPDX-License-Identifier: Apache-2.0
 * A run of a compaction: what its steps share.
 *
 *   LOAD ──> MAP ──> GROUP ──> REWRITE ──> SEAL ──> READY ──> SWAP (shard) ──> RETIRE ──> COLD (shard) ──┐
 *                      ^                                                                                 │
 *                      └─────────────────────────────────────────────────────────────────────────────────┴──> END
 *                              stopped, or failed, before READY: DISCARD ────────────────────────────────────> END
 *
 * Steps are functions of files and of this struct alone (clean_work.c); the shard's part, between them, is clean.c. The segments are cold, so nobody else
 * writes them, and while there is a run the log removes none of them.
 */
#ifndef STORE_CLEAN_INT_H
#define STORE_CLEAN_INT_H

#include "store/clean.h"
#include "store/log_int.h"

struct clean_part { /* a segment as it was when the run began */
    int64_t base, next; /* next: the following one's base */
    uint64_t size;
    bool aborts;        /* it is cold, and has a .txnindex */
};

enum clean_step { CLEAN_LOAD, CLEAN_MAP, CLEAN_GROUP, CLEAN_REWRITE, CLEAN_SEAL, CLEAN_READY, CLEAN_SWAP, CLEAN_RETIRE, CLEAN_COLD, CLEAN_DISCARD, CLEAN_END };

struct clean {
    struct io_job job;
    struct timer timer;
    struct log *log;
    struct log_clean *order;
    struct log_config config;       /* as it was when the run began */
    uint64_t seed[3], began_ms;
    bool stop;                      /* asked to */
    bool waits;                     /* for its timer */
    enum clean_step step;
    enum status status, failure;    /* of the step; and why the run is given up */
    struct err err;
    bool complete;                  /* it came to its end */
    bool unreadable;                /* the failure is of a segment that is read */

    int64_t from, to;               /* what is dirty */
    int64_t mapped;                 /* keys before it are in the map */
    size_t covered;                 /* parts that begin before that: they are written anew */
    struct keymap keys;
    struct clean_txns txns;
    struct txnindex recent;         /* aborted transactions that are not in files yet */
    struct clean_rules rules;
    struct scan scan;               /* of the part at hand */
    size_t part;
    uint64_t position;
    int64_t next;                   /* offset that the next batch may have */

    size_t group, group_end;        /* parts that become one segment */
    int64_t created_ms;             /* of the youngest of them */
    struct segment *made;           /* that segment; its file stays open until it has its name */
    struct clean_out out;
    uint64_t flushed;               /* bytes of it that were written */

    uint64_t slice;                 /* bytes of this slice */
    struct log_clean_stats stats;
    size_t count, all;              /* parts that are before `to`; and all */
    struct clean_part parts[];
};

/* clean_work.c: one slice, in a job. Ends at CLEAN_SWAP, CLEAN_COLD and CLEAN_END, which are the shard's. */
void clean__slice(struct clean *c);
void clean__close(struct clean *c); /* what the steps hold */

#endif
