/* SPDX-License-Identifier: Apache-2.0
 * The log of one partition: append, read and trim, over Kafka's segment files.
 *
 *   <dir>/<20 digits of the base offset>.log        record batches, one behind the other, as they were received
 *   <dir>/<...>.index                               8 bytes an entry: relative offset, file position (sparse: every index.interval.bytes)
 *   <dir>/<...>.timeindex                           12 bytes an entry: timestamp, relative offset; timestamps grow
 *   <dir>/<...>.txnindex                            the aborted transactions whose markers the segment holds (txnindex.h)
 *   <dir>/<...>.snapshot                            producer state up to that offset (KIP-98): the content is the partition room's (log_on_snapshot)
 *   <dir>/leader-epoch-checkpoint                   first offset of each epoch
 *   <dir>/partition.metadata                        version and topic id
 *
 * Offsets: log_start <= durable <= end. `end` is the next offset to assign; `durable` is the end of what is on disk for good, the only
 * part that log_read serves. An append completes when it is durable; all appends of one turn of a shard's loop share one
 * write and one sync per log (store.h). Invariants: reliability 11, 15, 20-22.
 *
 * Lives on one shard. Opening and recovering is blocking and belongs to no shard: it runs at start or in a job.
 */
#ifndef STORE_LOG_H
#define STORE_LOG_H

#include "base/err.h"
#include "base/view.h"
#include "rt/fs.h"
#include "rt/shard.h"
#include "store/scan.h"
#include "store/txnindex.h"
#include "wire/records.h"

struct store;
struct log;

struct log_config { /* of the topic; borrowed by its logs */
    int64_t segment_bytes, segment_ms, segment_jitter_ms;
    int64_t segment_index_bytes, index_interval_bytes;
    int64_t retention_bytes, retention_ms; /* -1: no limit */
    int64_t file_delete_delay_ms;
    int64_t flush_messages, flush_ms; /* of DURABILITY_ASYNC: so many records, or what is so old, are synced; 0: no matter how many, at the next log_flush */
    bool preallocates;   /* a segment's file gets the blocks for segment_bytes when it is made, as far as there are any */
    bool append_time;    /* message.timestamp.type=LogAppendTime */
    bool deletes;        /* cleanup.policy has delete */
    bool compacts;       /* cleanup.policy has compact (clean.h) */
    double cleanable_ratio_min;
    int64_t compaction_lag_min_ms, compaction_lag_max_ms, delete_retention_ms;
};

struct log_epoch { /* leader epoch and its first offset */
    int32_t epoch;
    int64_t start_offset;
};

/* Opens the directory (making it when it is not there: with partition.metadata and an empty first segment at offset 0, durable on
 * return) and recovers it: after a clean stop without reading data, else every batch from the recovery point is checked and a torn tail, which was not
 * acknowledged, is cut; STATUS_CORRUPT when anything else does not read. `clean`: the log directory was stopped cleanly. A topic id that is not the directory's:
 * STATUS_INCONSISTENT_TOPIC_ID (all zero: any). Without a segment it begins behind what the checkpoints know. */
struct log_open {
    struct fs *fs;
    const char *dir;
    struct uuid topic_id;
    const struct log_config *config; /* until log_configure, or the log is closed */
    bool clean;
    bool fresh;          /* a folder that is not there is not made before something has to be written to it */
    int64_t now_ms;      /* wall time: ages segments whose records have no timestamps */
    int64_t recovery_point, log_start, cleaned; /* from the checkpoints; -1: unknown */
    int64_t checkpointed; /* the recovery point that the checkpoint says, without what journals brought: before it indexes are synced, too */
};
enum status log_open(const struct log_open *how, struct log **log, struct err *err) MUST_CHECK;

/* Calls `each` with the head of every batch from the one that holds `from` on (a producer's state is rebuilt from them); `marker`: the end of a
 * transaction that it is, or NULL. Blocking: before log_attach. */
enum status log_replay(struct log *log, int64_t from, void (*each)(void *context, const struct batch_head *head, const struct batch_marker *marker),
                       void *context, struct err *err) MUST_CHECK;

/* On its shard: from now on it may be appended to. */
void log_attach(struct log *log, struct store *store);
void log_configure(struct log *log, const struct log_config *config); /* from now on it is that one, at any time */

/* An offset from which on not much (some 128 KiB) stands before `offset`. Blocking: before log_attach. */
int64_t log_recent_offset(struct log *log, int64_t offset);

/* Before log_when_idle: the topic was deleted, so that a log which has no folder needs none. */
void log_discard(struct log *log);

/* Posts `mail` once nothing of the log is queued or under way, and all of it is synced. One at a time. */
void log_when_idle(struct log *log, struct mail *mail);

/* Closes an attached or a fresh log. Nothing is outstanding (asserted). `clean`: the indexes, epochs and the producer snapshot are written, which are durable with
 * log_dir_mark_clean, with all that the log has; when that fails, so does the clean stop (the log directory must not be marked clean). Blocking, small. Frees the log in any case. */
enum status log_close(struct log *log, bool clean, struct err *err) MUST_CHECK;

int64_t log_start_offset(const struct log *log);
int64_t log_durable_offset(const struct log *log);
int64_t log_end_offset(const struct log *log);
int64_t log_recovery_point(const struct log *log); /* everything below it is synced: for the checkpoint */
const char *log_directory(const struct log *log);
bool log_offline(const struct log *log); /* its log directory has failed */
uint64_t log_size(const struct log *log); /* bytes of all segments */
size_t log_memory(const struct log *log); /* what it holds itself: without its tail, the indexes of its segments, and what is under way */
struct uuid log_topic_id(const struct log *log);

/* One append: a sequence of v2 batches with offsets and epoch set, checked; borrowed until `done` runs at the top of the loop on the log's
 * shard, in order of the appends. status: STATUS_OK (durable), or STATUS_KAFKA_STORAGE_ERROR: the log directory is offline. On a full disk it takes until there is space. */
struct log_append {
    struct list link; /* the log's */
    void (*done)(struct shard *here, struct log_append *append);
    struct bytes_view bytes;
    int64_t base_offset, last_offset;
    int64_t max_timestamp, max_timestamp_offset;
    int32_t leader_epoch;
    enum status status;
};
/* Room for what a log needs that is written to. Right before log_append; false: no memory. */
bool log_reserve(struct log *log) __attribute__((warn_unused_result));
void log_append(struct log *log, struct log_append *append);
void log_expect_append(const struct log *log); /* soon: what it will look at is on its way to the processor's caches meanwhile */
/* Before an append of a client's: takes its bytes from the room that the log directory has. false: there is none, the reserve is for others. */
bool log_take_room(struct log *log, size_t size) __attribute__((warn_unused_result));

/* A range of bytes that can be sent: whole batches, except that the last one may be cut at size_max. */
struct log_slice {
    struct file *file; /* counted: the reader unrefs it; NULL when size is 0. Maybe a row of others, the last ones in memory (file_part) */
    uint64_t position;
    size_t size;
    int64_t base_offset; /* of the first batch: may lie before the offset that was asked */
    bool more;           /* what follows is there to be read, beyond size_max or in the next segment */
};

/* From the batch that contains `offset` on, at most size_max bytes, at least the first batch when at_least_one, never beyond `limit_offset` (exclusive,
 * at most the durable offset) nor beyond the segment's end. offset == limit: an empty slice. OFFSET_OUT_OF_RANGE outside [log start, end]. Reads
 * the heads of the batches, unless a commit of late began at `offset`: STATUS_CORRUPT when one does not stand where it should. */
enum status log_read(struct log *log, int64_t offset, int64_t limit_offset, size_t size_max, bool at_least_one, struct log_slice *slice, struct err *err) MUST_CHECK;

/* What a reader lacked in memory, and its way back. All zero before it is first used. */
enum log_part { LOG_TIMES = 1, LOG_ABORTED = 2, LOG_FIRST = 4 }; /* its timestamps; its aborted transactions; its first batch's timestamp */
struct log_warm {
    struct list link;                                           /* the log's, all but status */
    struct mail mail;
    struct log *log;
    void (*done)(struct shard *here, struct log_warm *reader);
    enum status status;      /* of the disk; STATUS_OK: read again */
    int64_t base;            /* of the segment: its files were not open, or of them there was not in memory: */
    int64_t offset;          /* what `miss` is relative to: the place of that offset; -1: of the segment's beginning */
    struct scan_miss miss;
    unsigned parts;          /* enum log_part: what else of it */
    int64_t reached;         /* the last segment that it came to */
    unsigned tries;          /* since then */
    unsigned aborted_tries;  /* of log_aborted */
};

/* As log_read, on the shard's loop: what would wait for the disk is STATUS_NOT_CACHED, and then log_warm gets it; what comes from the disk is checked before it is
 * served. When it cannot be kept in memory for long enough, the reader waits at last. */
enum status log_read_cached(struct log *log, int64_t offset, int64_t limit_offset, size_t size_max, bool at_least_one, struct log_slice *slice, struct log_warm *reader,
                            struct err *err) MUST_CHECK;
/* Right after STATUS_NOT_CACHED: `done` runs, later, once it is there. The log is not idle as long. */
void log_warm(struct log *log, struct log_warm *reader, void (*done)(struct shard *here, struct log_warm *reader));

/* The first record with timestamp >= `timestamp` (decompresses one batch). offset -1 when there is none. */
enum status log_find_timestamp(struct log *log, int64_t timestamp, int64_t *offset, int64_t *found_timestamp, int32_t *epoch, struct err *err) MUST_CHECK;
/* The (first) record with the greatest timestamp; offset -1 in an empty log. */
enum status log_max_timestamp(struct log *log, int64_t *offset, int64_t *timestamp, int32_t *epoch, struct err *err) MUST_CHECK;
/* The same on the loop: `reader` as above. */
enum status log_find_timestamp_cached(struct log *log, int64_t timestamp, int64_t *offset, int64_t *found_timestamp, int32_t *epoch, struct log_warm *reader,
                                      struct err *err) MUST_CHECK;
enum status log_max_timestamp_cached(struct log *log, int64_t *offset, int64_t *timestamp, int32_t *epoch, struct log_warm *reader, struct err *err) MUST_CHECK;

/* A new leader's epoch begins at the end of the log. Durable with the next append or the clean stop. */
void log_assign_epoch(struct log *log, int32_t epoch);
/* Epochs, newest last. log_epoch_end: KIP-320's answer: the greatest epoch <= epoch and its end offset; -1/-1 when unknown. */
int32_t log_epoch_at(const struct log *log, int64_t offset);
int32_t log_latest_epoch(const struct log *log);
void log_epoch_end(const struct log *log, int32_t epoch, int32_t *found_epoch, int64_t *end_offset);

/* DeleteRecords: records below `offset` are gone (segments later, the offset is checkpointed). Offset in [start, durable]. */
void log_set_start(struct log *log, int64_t offset);

/* Rolls by age, and deletes segments beyond retention. Called now and then (log.retention.check.interval.ms). Blocking work goes to jobs. */
void log_housekeep(struct log *log, int64_t wall_ms);

/* With DURABILITY_ASYNC: when the log was not synced for flush_ms, it is. Called now and then (log.flush.scheduler.interval.ms). */
void log_flush(struct log *log);

/* Aborted transactions. Opening: they are known below this offset; a producer snapshot from there or before serves to learn the others again, and
 * when some were lost (a file did not read) no later one does. log_learn_aborted: those whose markers are at `from` or beyond are these, by their
 * markers. Blocking: before log_attach. */
int64_t log_aborted_known(const struct log *log);
bool log_aborted_lost(const struct log *log);
enum status log_learn_aborted(struct log *log, int64_t from, const struct aborted *list, size_t count, struct err *err) MUST_CHECK;
/* Room for one more; false: no memory. Then log_append of its marker, and right after that log_add_aborted. */
bool log_reserve_aborted(struct log *log) __attribute__((warn_unused_result));
void log_add_aborted(struct log *log, const struct aborted *aborted);
/* Those that have records in [from, to), by their markers; txnindex_free it. `reader` as in log_read_cached; NULL: waits for the disk. */
enum status log_aborted(struct log *log, int64_t from, int64_t to, struct log_warm *reader, struct txnindex *out, struct err *err) MUST_CHECK;
/* An offset that no batch of the slice reaches: not far behind it. */
int64_t log_slice_limit(struct log *log, const struct log_slice *slice);

/* The scrubber found that in the segment with that base (heal.c). */
struct finding;
void log_heal(struct log *log, int64_t base, const struct finding *finding);

/* Producer state snapshots: the store names and places the files beside the segments and deletes them with those; the content is
 * the partition's. The hook is called when a segment rolls (from log_append, before its append counts: the state of all offsets below
 * `offset`) and at a clean close. It returns a mem_alloc'd block, which the store frees; data NULL: no snapshot (the next one serves). */
void log_on_snapshot(struct log *log, void (*make)(void *context, int64_t offset, struct bytes_view *content), void *context);
/* The newest snapshot at or below `at_most` (content: mem_free it); STATUS_NOT_FOUND when there is none. Blocking. */
enum status log_snapshot_read(struct log *log, int64_t at_most, int64_t *offset, struct bytes_view *content, struct err *err) MUST_CHECK;

#endif
