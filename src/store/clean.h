/* SPDX-License-Identifier: Apache-2.0
 * Compaction: of a log whose cleanup.policy has `compact`, the latest record of each key stays, and offsets stay as they are.
 *
 *   segments    [ cleaned before ][ dirty           ][ not to be cleaned yet: the active one, open transactions, records that are too young ]
 *                                 ^from              ^to
 *
 * A run (clean.c) maps the keys of what is dirty to their latest offsets (keymap.h), as far as its memory goes, and then writes everything before
 * that anew (clean_work.c), batch by batch (clean_batch.h), several small segments into one. It reads and writes in jobs, a slice at a time, so that
 * appends and reads go on, and no faster than it may; it can be stopped between any two slices.
 *
 * The new segment takes the old ones' place by names, as in Kafka (clean_swap.h): each step is durable before the next, and a start after a crash completes
 * or forgets it.
 */
#ifndef STORE_CLEAN_H
#define STORE_CLEAN_H

#include "store/clean_batch.h"
#include "store/log.h"

/* How dirty a log is. */
struct log_dirt {
    int64_t from, to;
    uint64_t clean_bytes, dirty_bytes;
    bool due; /* min.cleanable.dirty.ratio is passed, or max.compaction.lag.ms */
};
/* `stable`: the last stable offset. Ages that are not known are asked for, and count from then on. */
void log_measure_dirt(struct log *log, int64_t stable, int64_t wall_ms, struct log_dirt *dirt);
double log_dirt_ratio(const struct log_dirt *dirt);

/* What a run did. */
struct log_clean_stats {
    int64_t from, to;                /* offsets that were dirty and are not any more */
    double dirty_ratio;              /* before */
    uint64_t bytes_before, bytes_after, records_before, records_after;
    uint64_t bytes_read;             /* by both passes */
    uint64_t nameless;               /* records without a key: they go, too */
    uint64_t elapsed_ms;
};

/* One run; the caller's until `done` runs on the log's shard (never inside log_clean). */
struct log_clean {
    int64_t stable;                  /* the last stable offset */
    int64_t wall_ms;
    struct clean_producer *producers; /* the log's active ones, by id; taken (mem_free) */
    size_t producers_count;
    size_t key_memory;               /* log.cleaner.dedupe.buffer.size */
    double key_load;                 /* log.cleaner.io.buffer.load.factor */
    double bytes_per_second;         /* log.cleaner.io.max.bytes.per.second, of reading and writing */
    void (*done)(struct shard *here, struct log_clean *clean);
    /* results */
    enum status status;              /* STATUS_CORRUPT: a segment does not read, and this log is not tried again */
    bool complete;                   /* it was not stopped: the stats are true */
    struct log_clean_stats stats;
};
/* false: no memory, or nothing is dirty, or a run is under way; the producers are still the caller's. */
bool log_clean(struct log *log, struct log_clean *clean) __attribute__((warn_unused_result));

bool log_is_being_cleaned(const struct log *log);
int64_t log_cleaned_offset(const struct log *log); /* for the checkpoint; -1: it was never cleaned */
/* Of the last run that ended well; NULL: there was none. */
const struct log_clean_stats *log_clean_last(const struct log *log);

#endif
