/* SPDX-License-Identifier: Apache-2.0
 * Partitions that move from one log directory to another (AlterReplicaLogDirs, KIP-113), one at a time on each shard:
 *
 *   waits ──> copies ──────────────────> last round ────────────────> decided ──> adopted
 *             in rounds, while it        it is closed, who asks       a record    the old folder goes, the copy takes its name, and it is
 *             is used (folder_copy.h)    for it waits                             opened there: PARTITION_AWAKE
 *
 * The record of the metadata log is the point of no return: what a crash leaves behind it, a start completes (dirs_index); before it, a start begins the copy anew,
 * because the copy's folder tells that it was wanted. There is never a moment in which two folders are the partition's.
 *
 * What fails leaves the partition where it was. A stop empties the copy, and the next start takes it up.
 */
#ifndef BROKER_MOVING_H
#define BROKER_MOVING_H

#include "broker/broker.h"

struct move;
struct closing;

/* On its shard: it is to be in that directory. Where it is already: a move that is under way ends. KAFKA_STORAGE_ERROR: one of the two directories does not work.
 * REPLICA_NOT_AVAILABLE: it is not here. STATUS_NO_MEMORY. */
enum status broker_move_partition(struct broker_shard *b, struct uuid topic_id, int32_t index, unsigned to) MUST_CHECK;

/* How far a move is; false: there is none. */
struct move_view {
    unsigned to;
    int64_t size; /* of the copy */
    int64_t lag;  /* offsets */
};
bool broker_move_seen(struct broker_shard *b, struct uuid topic_id, int32_t index, struct move_view *view);

/* Its topic was deleted: the move ends, and then `closing` begins (broker_partition_close). */
void move_gives_way(struct move *move, struct closing *closing);

/* Of the start, on each shard: those that were not decided are begun anew. */
void moves_resume(struct broker_shard *b);
/* Of the stop, before the partitions stop: no move is begun or copied any more. Posts `done` when no job of one is under way. */
void moves_stop(struct broker_shard *b, struct mail *done);

#endif
