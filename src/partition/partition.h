/* SPDX-License-Identifier: Apache-2.0
 * One replica of a partition: takes produced batches, gives each its offsets, keeps the producers' state, and knows how far
 * readers may read.
 *
 * Lives on the shard hash(topic id, index) mod shards. With one node the leader's own disk is the whole in-sync set: the high
 * watermark is the log's durable offset, and the last stable offset is the first one of the first transaction that is open, if there is one
 * (transactions.h).
 *
 * A produced batch: check (records.h) → producer state (KIP-98: five last batches, epochs, duplicates) → offsets and leader epoch patched in
 * place → log_append. A duplicate of a batch that is not yet durable is answered when that one is. Invariants 14-17.
 */
#ifndef PARTITION_PARTITION_H
#define PARTITION_PARTITION_H

#include "base/arena.h"
#include "store/log.h"
#include "store/store.h"

struct partition;
struct log_clean; /* store/clean.h */
struct producers_shared; /* producers.h */

struct partition_config { /* what the topic says, beside the log's; borrowed by its partitions */
    struct log_config log;
    int64_t message_bytes_max;
    int64_t decompressed_bytes_max;
    int64_t timestamp_before_max_ms, timestamp_after_max_ms;
    int8_t compression;       /* enum compression, or -1: as the producer sent it */
    int compression_level;
    int64_t producer_id_expiration_ms;
};

struct partition_open {
    struct fs *fs;
    const char *log_dir;      /* root; the folder is <topic>-<index> below it */
    struct str_view topic;
    struct uuid topic_id;
    int32_t index;
    int32_t leader_epoch;
    const struct partition_config *config; /* until partition_configure, or it is closed */
    bool clean;
    bool fresh;               /* it should have no folder (log.h) */
    int64_t recovery_point, log_start, cleaned; /* -1: unknown */
    int64_t checkpointed;     /* as in log.h */
    int64_t wall_ms;
    uint64_t seed;            /* of the producers' map */
};

/* Blocking: the log and the producer state from its snapshots and the batches after them. At start or in a job. */
enum status partition_open(const struct partition_open *how, struct partition **out, struct err *err) MUST_CHECK;
/* shared: what the shard's partitions share (producers.h); NULL: nothing. */
void partition_attach(struct partition *p, struct shard *shard, struct store *store, struct producers_shared *shared);
void partition_configure(struct partition *p, const struct partition_config *config);
void partition_set_leader_epoch(struct partition *p, int32_t leader_epoch);
/* Before it is stopped: its topic was deleted. */
void partition_discard(struct partition *p);
/* Its log directory failed: who waits for more is told. */
void partition_lost(struct partition *p);
/* Nothing new is accepted from now on; outstanding appends complete; waiters are woken; then `done` runs: it may be closed. */
void partition_stop(struct partition *p, struct mail *done);
/* Blocking, small. false: not all of it could be saved, so that the log directory must not be marked clean. */
bool partition_close(struct partition *p, bool clean);

int64_t partition_start_offset(const struct partition *p);
int64_t partition_high_watermark(const struct partition *p);
int64_t partition_last_stable(const struct partition *p);
int64_t partition_end_offset(const struct partition *p);
int32_t partition_leader_epoch(const struct partition *p);
struct uuid partition_topic_id(const struct partition *p);
uint64_t partition_size(const struct partition *p);
struct log *partition_log(struct partition *p);

/* One produce to one partition; the caller's until `done` runs (top of the loop, on the partition's shard). */
struct partition_append {
    struct log_append log;            /* the partition's */
    struct list link;                 /* the partition's */
    struct mail answer;               /* the partition's */
    struct partition *partition;      /* the partition's */
    void (*done)(struct shard *here, struct partition_append *append);
    uint8_t *records;                 /* one v2 batch, borrowed and patched in place; must not be null */
    size_t size;
    struct arena *arena;              /* for a batch that must be rewritten; borrowed */
    bool from_client;                 /* false: the broker's own (internal topics): control and size rules do not apply */
    /* results */
    enum status status;
    const char *message;              /* static reason, or NULL */
    struct batch_record_error *errors; /* in the arena: all records that are refused for themselves; NULL: it is not about single records */
    int32_t errors_count;
    int64_t base_offset;              /* -1 on failure */
    int64_t append_time_ms;           /* -1: the producer's timestamps stand */
    int64_t start_offset;
};
void partition_append(struct partition *p, struct partition_append *append);

enum isolation { ISOLATION_UNCOMMITTED = 0, ISOLATION_COMMITTED = 1 };

/* What a Fetch asks of one partition, and what it gets. */
struct partition_read {
    int64_t offset;
    int32_t current_leader_epoch; /* -1: not checked; FENCED / UNKNOWN_LEADER_EPOCH */
    int32_t last_fetched_epoch;   /* -1: not checked; else diverging_* may be set */
    size_t size_max;
    bool at_least_one;
    enum isolation isolation;
    void (*done)(struct shard *here, struct partition_read *read); /* the partition's */
    /* results */
    enum status status;
    struct log_slice slice;
    int64_t high_watermark, last_stable, start_offset;
    struct txnindex aborted;      /* committed: what of the slice is to be left out, and maybe more; the reader's to free */
    int32_t diverging_epoch;      /* -1: no divergence */
    int64_t diverging_end_offset;
    struct log_warm warm;         /* the log's */
};
/* STATUS_NOT_CACHED: partition_read_warm gets it from the disk, and `done` runs when it is time to read again: with STATUS_OK, or what then is the status of the read.
 * The partition may have stopped meanwhile, but is not closed before. */
void partition_read(struct partition *p, struct partition_read *read);
void partition_read_warm(struct partition *p, struct partition_read *read, void (*done)(struct shard *here, struct partition_read *read));

/* A reader that waits for more: `wake` runs once (by shard_post to the partition's shard) when the high watermark (committed: the last stable offset) passes
 * `beyond`, the partition stops or its start moves past it; unless it was removed before. */
struct partition_waiter {
    struct list link;
    struct mail wake;
    int64_t beyond;
    enum isolation isolation;
};
void partition_wait(struct partition *p, struct partition_waiter *waiter);
void partition_wait_cancel(struct partition_waiter *waiter); /* harmless when it is not linked; a wake already posted still runs */

enum { OFFSET_LATEST = -1, OFFSET_EARLIEST = -2, OFFSET_MAX_TIMESTAMP = -3, OFFSET_EARLIEST_LOCAL = -4, OFFSET_LATEST_TIERED = -5, OFFSET_EARLIEST_PENDING_UPLOAD = -6 };

struct partition_list_offset {
    int64_t timestamp; /* or one of the above */
    int32_t current_leader_epoch;
    enum isolation isolation;
    void (*done)(struct shard *here, struct partition_list_offset *ask); /* the partition's */
    enum status status;
    int64_t offset, found_timestamp;
    int32_t leader_epoch;
    struct log_warm warm; /* the log's */
};
/* STATUS_NOT_CACHED: as partition_read. */
void partition_list_offset(struct partition *p, struct partition_list_offset *ask);
void partition_list_offset_warm(struct partition *p, struct partition_list_offset *ask, void (*done)(struct shard *here, struct partition_list_offset *ask));

/* KIP-320: end offset of an epoch. */
enum status partition_epoch_end(struct partition *p, int32_t current_leader_epoch, int32_t epoch, int32_t *found_epoch, int64_t *end_offset) MUST_CHECK;

/* DeleteRecords: offset -1 means the high watermark. *low_watermark gets the new start. */
enum status partition_delete_records(struct partition *p, int64_t offset, int64_t *low_watermark) MUST_CHECK;

struct partition_producer { /* for DescribeProducers */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t last_sequence;
    int64_t last_timestamp;
    int32_t coordinator_epoch;
    int64_t transaction_start_offset; /* -1: none is open */
};
/* Up to `max` producers into `out`; returns how many there are. */
size_t partition_producers(struct partition *p, struct partition_producer *out, size_t max);

/* Whether it is to be compacted now, and the share of it that is dirty (clean.h). */
bool partition_is_filthy(struct partition *p, int64_t wall_ms, double *ratio);
bool partition_is_being_cleaned(const struct partition *p);
/* As log_clean; of the order only what the partition knows is filled in. */
bool partition_clean(struct partition *p, struct log_clean *clean) __attribute__((warn_unused_result));

/* What it holds itself, its log among it; its producers are counted by who shares them, and reads and appends by those who ask. */
size_t partition_memory(const struct partition *p);

/* Age-based work: rolls, retention, producer expiry. */
void partition_housekeep(struct partition *p, int64_t wall_ms);
void partition_flush(struct partition *p); /* log_flush */

#endif
