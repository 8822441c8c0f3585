/* SPDX-License-Identifier: Apache-2.0
 * The log directories of the broker: whose they are, which of them work, and where a partition is.
 *
 * Each stands for itself: meta.properties with an id of its own (KIP-858), lock, checkpoints, journals, clean-stop marker. One that does not work at the start,
 * or fails later, is offline until the next start, and only what is in it: its partitions answer KAFKA_STORAGE_ERROR.
 *
 *   a shard's write fails ──> shard 0 ──> every shard: its logs fail, who waits for them is woken, its coordinators end
 *                                └──────> controller: the registration is without it, its partitions are without a leader
 *
 * The broker ends when it is the metadata log's, or no other is left for partitions.
 *
 * A partition is where its folder is. Before something was written to it, it has none: then it is where the metadata says, which the controller
 * chose when it made the partition (meta/decide.h).
 */
#ifndef BROKER_DIRS_H
#define BROKER_DIRS_H

#include "broker/broker.h"

struct broker_options;

/* Blocking, before any shard runs: those that work are admitted (admission.h), locked, opened and, when they are new, formatted. */
enum status dirs_open(struct broker *broker, const struct broker_options *options, struct err *err) MUST_CHECK;
/* When the metadata is known: what partitions they hold; moves that were decided are completed. STATUS_INCONSISTENT_TOPIC_ID: two of them hold the same one. */
enum status dirs_index(struct broker *broker, const struct image *image, struct err *err) MUST_CHECK;
void dirs_close(struct broker *broker);

static inline struct log_dir *dirs_metadata(const struct broker *broker)
{
    return broker->dirs[broker->metadata_dir].log_dir;
}

unsigned dirs_by_path(const struct broker *broker, const char *path);   /* DIR_UNKNOWN: none of ours */
unsigned dirs_by_id(const struct broker *broker, struct uuid id);

/* Of the start: where a partition is, and its folder, if it has one, as the directory was found (*entry NULL: it has none). */
unsigned dirs_locate(const struct broker *broker, const struct image_topic *topic, int32_t index, const struct log_dir_entry **entry);

/* One that has no folder yet. */
unsigned dirs_locate_new(const struct broker *broker, const struct image_topic *topic, int32_t index);

/* Those that work and are for partitions, as the controller is to know them; in the arena. false: no memory. */
bool dirs_online(const struct broker_shard *b, struct arena *arena, struct decide_dirs *dirs) __attribute__((warn_unused_result));

/* cordoned.log.dirs: nothing new is to be put there (KIP-1066). */
bool dir_is_cordoned(const struct broker_shard *b, unsigned dir);

static inline bool dir_is_offline(const struct broker_shard *b, unsigned dir)
{
    return dir >= b->broker->dirs_count || (b->offline >> dir & 1) != 0;
}

/* On a shard, first thing: it listens to what its store finds. */
void dirs_start_shard(struct broker_shard *b);
/* A call on it failed, and nobody's log told: as if one had. One that is full has not failed. */
void broker_dir_failed(struct broker_shard *b, unsigned dir, const struct err *why);

#endif
