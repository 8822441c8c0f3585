/* SPDX-License-Identifier: Apache-2.0
 * A shard's partitions as the start and the stop of the broker see them (broker.c, lifecycle.c).
 */
#ifndef BROKER_PARTITIONS_H
#define BROKER_PARTITIONS_H

#include "broker/broker.h"

enum { FOLDER_NAME_SIZE = TOPIC_NAME_MAX + 16 }; /* "<topic>-<index>" */

/* Blocking, at the start: opens one partition of this shard. One that does not open is logged and does not serve. `entry`: what the checkpoints say; NULL: nothing. */
enum status broker_open_partition(struct broker_shard *b, const struct image_topic *topic, int32_t index, const struct log_dir_entry *entry, struct err *err) MUST_CHECK;

/* From now on changes of the image open and close partitions. */
void broker_listen(struct broker_shard *b);

/* Of the stop: the partition was closed. */
void broker_forget_partition(struct broker_shard *b, struct broker_partition *bp);

#endif
