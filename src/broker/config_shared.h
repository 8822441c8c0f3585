/* SPDX-License-Identifier: Apache-2.0
 * The configurations of a shard's partitions, each once: fifty thousand partitions have a few different ones. An object is found by its content, counted, never
 * changed, and gone with the last partition that has it; who is configured anew has another one.
 */
#ifndef BROKER_CONFIG_SHARED_H
#define BROKER_CONFIG_SHARED_H

#include "base/map.h"
#include "partition/partition.h"

/* One of that content (its bytes, as config_topic makes them), counted; NULL: no memory. */
const struct partition_config *config_share(struct map *configs, const struct partition_config *config) __attribute__((warn_unused_result));
void config_unshare(struct map *configs, const struct partition_config *config); /* NULL is allowed */

#endif
