/* SPDX-License-Identifier: Apache-2.0
 * The life of a shard's partitions, as the start, the stop and the metadata see it. Who asks for one sees broker.h.
 *
 *   ASLEEP ──asked for──> WAKING ──job: partition_open──> AWAKE
 *      ^                     ├── its files are broken ──> BROKEN: it stays, and does not serve
 *      └──── no memory ──────┘
 *   AWAKE ── it moves to another log directory (moving.h) ──> closed, WAKING
 *   any of them, its log directory failed: it stays as it is, and does not serve (dirs.h)
 *   any of them ── topic deleted ──> ENDING ──job: closed, folder removed──> gone        (WAKING: when that is over)
 *
 * Nothing is opened at the start, so that it takes as long with one partition as with fifty thousand. A partition that has a folder
 * is woken when somebody asks for it, and all of them one after the other in the background, because what they hold may have to be checked
 * or be too old to be kept. One that was never written to has no folder and sleeps on.
 *
 * Those who wait for one run in the order in which they asked, and before anybody who comes later: a producer's batches do not overtake each other.
 */
#ifndef BROKER_PARTITIONS_H
#define BROKER_PARTITIONS_H

#include "broker/broker.h"

struct closing;

enum { FOLDER_NAME_SIZE = TOPIC_NAME_MAX + 16 }; /* "<topic>-<index>" */
void broker_folder_name(char folder[static FOLDER_NAME_SIZE], struct str_view topic, int32_t index);

/* A partition that the metadata has. `dir`: where it is (dirs.h). `entry`: its folder, with what the checkpoints say; NULL: it has none. A receipt, if there is one, comes back when the
 * partition serves, as far as that is to be waited for. STATUS_NO_MEMORY. */
enum status broker_add_partition(struct broker_shard *b, const struct image_topic *topic, int32_t index, unsigned dir, const struct log_dir_entry *entry,
                                 struct metadata_receipt *receipt, struct err *err) MUST_CHECK;

/* Its topic was deleted; the receipt comes back when its folder is gone. */
enum status broker_end_partition(struct broker_shard *b, struct broker_partition *bp, struct metadata_receipt *receipt, struct err *err) MUST_CHECK;

/* It has the configuration that the metadata tells now. false: no memory, it has the one before. */
bool broker_configure_partition(struct broker_shard *b, struct broker_partition *bp) __attribute__((warn_unused_result));

/* Any of this shard's, whatever its life. */
struct broker_partition *broker_partition_any(struct broker_shard *b, struct uuid topic_id, int32_t index);

/* A log directory failed: what is in it does not serve until the next start. */
void broker_dir_lost(struct broker_shard *b, unsigned dir);

/* Of a move (moving.h): nobody uses it from now on, and who asks for it waits as for one that wakes; `rested` is posted when it may be closed. STATUS_NO_MEMORY. */
enum status broker_partition_rest(struct broker_shard *b, struct broker_partition *bp, struct mail *rested) MUST_CHECK;
/* Then it is opened again, where it is now. owed: not before the next start, which gives its files what only the journal has of it. */
void broker_partition_resume(struct broker_shard *b, struct broker_partition *bp, bool owed);
/* What it holds when it is open, or that it is not, is in b->partitions_held from now on. */
void broker_partition_count(struct broker_shard *b, struct broker_partition *bp);
/* Of a topic that was deleted while it moved. */
void broker_partition_close(struct closing *closing);

/* From now on those that have a folder are woken, one after the other. */
void broker_wake_all(struct broker_shard *b);

/* All partitions of this shard are known; or those that are not were tried in vain (lifecycle.c). */
void broker_recovered(struct broker_shard *b);
void broker_judged(struct broker_shard *b);

/* Of the stop. Nobody is woken any more; `done` is posted when all that were awake have stopped. */
void broker_stop_partitions(struct broker_shard *b, struct mail *done);
/* Then, blocking: they are saved and freed, also those asleep that were not yet checked; b->rows gets where each ended. */
void broker_close_partitions(struct broker_shard *b);

/* From now on changes of the image begin and end partitions (broker.c). */
void broker_listen(struct broker_shard *b);

/* Lets go of one part of a receipt. */
void receipt_less(struct metadata_receipt *receipt);

#endif
