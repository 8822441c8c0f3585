/* SPDX-License-Identifier: Apache-2.0
 * What a partition is inside.
 */
#ifndef PARTITION_PARTITION_INT_H
#define PARTITION_PARTITION_INT_H

#include "partition/partition.h"
#include "partition/producers.h"
#include "partition/transactions.h"

struct partition {
    const struct partition_config *config;
    struct log *log;
    struct producers producers;
    struct transactions transactions;
    int32_t leader_epoch;
    bool stopped;
    struct shard *shard; /* NULL: not attached */
    struct list waiters; /* readers */
    struct list held;    /* duplicates of batches that are not yet durable, by offset */
};

/* partition.c */
/* The batch of a producer stands in the log: what that says of the producer and of its transaction, for which there is room. true: *aborted tells
 * of one that the batch, an abort marker, ended. */
bool partition__note(struct partition *p, struct producer *producer, const struct batch_head *head, const struct batch_marker *marker, int64_t wall_ms,
                     struct aborted *aborted);
enum status partition__usable(const struct partition *p) MUST_CHECK; /* it was not stopped, and its disk has not failed */
/* read.c */
void partition__wake(struct partition *p); /* those who wait for what is there now */

#endif
