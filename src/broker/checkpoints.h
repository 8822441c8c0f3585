/* SPDX-License-Identifier: Apache-2.0
 * The checkpoint files at the root of each log directory: how far each partition is synced, where it starts, its high watermark,
 * how far it was compacted.
 */
#ifndef BROKER_CHECKPOINTS_H
#define BROKER_CHECKPOINTS_H

#include "broker/broker.h"

/* On shard 0: writes them now and then (log.flush.offset.checkpoint.interval.ms), until stopped. NULL: no memory. */
struct checkpoints *checkpoints_new(struct broker_shard *b);
/* Writes them now: a topic was deleted, and what they say of it must not be believed of another one with its name. */
void checkpoints_hurry(struct checkpoints *c);
/* `done` is posted when no writing is under way; nothing is written after that. */
void checkpoints_stop(struct checkpoints *c, struct mail *done);
void checkpoints_free(struct checkpoints *c);

/* The offsets of one partition. */
struct checkpoint_row {
    char *topic; /* owned */
    int32_t index;
    uint8_t dir;
    int64_t recovery, start, high_watermark;
    int64_t cleaned; /* -1: it was never compacted */
};
bool checkpoint_rows_add(struct checkpoint_rows *rows, const struct broker_partition *bp) __attribute__((warn_unused_result));
void checkpoint_rows_free(struct checkpoint_rows *rows);
/* Blocking: those of `dir`. */
enum status checkpoint_rows_write(struct log_dir *log_dir, unsigned dir, const struct checkpoint_rows *sets, size_t count, struct err *err) MUST_CHECK;

#endif
