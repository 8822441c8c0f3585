/* SPDX-License-Identifier: Apache-2.0
 * One shard's part of the log directories: the commit of each turn, the checkpoints, the health of the disks.
 *
 * Commit: log_append only queues. At the end of the shard's turn the store submits, for each log with queued appends and none under
 * way, one job that writes them all with one call and syncs the file; while it runs the next turns gather. No timer.
 * (A journal that makes one sync serve all logs will stand behind this same face.)
 *
 * A log directory fails as a whole: after a failed write or sync every append to any of its logs, also one under way, completes with
 * KAFKA_STORAGE_ERROR; nothing is retried.
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
void store_free(struct store *store);

/* `offline` runs once when a log directory fails. */
void store_on_offline(struct store *store, void (*offline)(struct shard *here, const char *log_dir, const struct err *why));
/* What another shard's store found: the same, without the hook. */
void store_fail_dir(struct store *store, const char *log_dir);
bool store_dir_offline(const struct store *store, const char *log_dir);

#endif
