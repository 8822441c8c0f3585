/* SPDX-License-Identifier: Apache-2.0
 * One shard's part of the log directories: the commit of each turn, the checkpoints, the health of the disks.
 *
 * Commit: log_append only queues. At the end of the shard's turn the store submits, for each log with queued appends and none under
 * way, one job that writes them all with one call and syncs the file; while it runs the next turns gather. No timer.
 * With a journal (journal.h) all of the shard's logs share one job and one sync, once there is enough to commit, and the next group may be made
 * while one is under way; the segments are written later.
 *
 * A log directory fails as a whole: after a failed write or sync every append to any of its logs, also one under way, completes with
 * KAFKA_STORAGE_ERROR; nothing is retried. But a full one has not failed: what finds no space waits for it (space.c).
 *
 * Files at the root of a log directory (all shards' together, so shard 0's store writes them, blocking, at housekeeping and stop):
 *   .lock  .kafka_cleanshutdown  recovery-point-offset-checkpoint  log-start-offset-checkpoint  replication-offset-checkpoint
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/err.h"
#include "rt/fs.h"
#include "rt/shard.h"

struct store;
struct log;

enum durability { DURABILITY_SYNC, DURABILITY_ASYNC }; /* barnabas.durability: acknowledge after, or before, the sync */

struct store *store_new(struct shard *shard, enum durability durability);
/* After all its logs were closed. The journals are removed: what they hold is synced. */
void store_free(struct store *store);

/* From now on a shard and log directory that has much to commit has a journal (journal.h) of this size. Before the first log is attached. */
#define STORE_JOURNAL_SIZE ((size_t)128 << 20) /* two halves: while one is filled at a gigabyte in seconds, the other's segments are synced */
void store_use_journal(struct store *store, size_t size);

/* Segments that are open at once; as many as that. Before the first log is attached. */
#define STORE_FILES 1000
#define STORE_INDEXES ((size_t)32 << 20) /* bytes of the indexes that are read back into memory */
void store_limit_files(struct store *store, unsigned files);
/* So many segments a request may have brought at a time: the first is still open when the last one is, also when others do the same. */
unsigned store_warms_most(const struct store *store);

void store_limit_indexes(struct store *store, size_t bytes);

/* Bytes that the tails of all its logs may hold. Before the first log is attached. */
#define STORE_TAILS_SIZE ((size_t)64 << 20) /* unless it is told otherwise: of all shards */
void store_limit_tails(struct store *store, size_t bytes);

/* `offline` runs once when a log directory fails. */
void store_on_offline(struct store *store, void (*offline)(struct shard *here, const char *log_dir, const struct err *why));
/* What another shard's store found: the same, without the hook. */
void store_fail_dir(struct store *store, const char *log_dir);
bool store_dir_offline(const struct store *store, const char *log_dir);

/* How many logs came to rest since *rested was last set to 0: log_housekeep gave back what they need only while they are written to. */
size_t *store_rested(struct store *store);

/* Bytes that are held: by tails, and by the indexes of old segments. */
size_t store_tails_held(const struct store *store);
size_t store_indexes_held(const struct store *store);

struct store_written { /* bytes of commits since the start */
    uint64_t journaled, direct;
};
struct store_written store_written(const struct store *store);

/* The space of the volumes is looked at elsewhere (broker/disk_space.h); store_space tells a shard what was found. `look` asks for that, not again before it came: a log
 * directory is new, half of the room is used up, or a write found no space. Without it there is no limit. */
struct store_space {
    int64_t room; /* bytes that this shard may take from clients until less than the reserve is free */
    bool low;     /* less than that is free */
    bool any;     /* what waits is to be tried */
};
void store_on_space(struct store *store, void (*look)(struct shard *here, const char *log_dir));
void store_space(struct store *store, const char *log_dir, const struct store_space *found);

#endif
