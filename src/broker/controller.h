/* SPDX-License-Identifier: Apache-2.0
 * The controller's shell, on shard 0: appends metadata records to __cluster_metadata-0 and distributes what is durable.
 *
 * The controller has an image of its own that is ahead of the shards': a change is applied to it when it is decided, so that the next
 * decision sees it, and to the shards' images when it is durable. In a quorum of one, nothing that was decided is taken back: a failed write
 * of the metadata log stops the node.
 */
#ifndef BROKER_CONTROLLER_H
#define BROKER_CONTROLLER_H

#include "base/err.h"
#include "base/view.h"
#include "rt/shard.h"

struct broker;
struct controller;
struct image;
struct request;

/* The image that decisions are made on. Shard 0 only. */
struct image *controller_image(struct controller *c);

/* One decision: framed metadata records (as they stand in the value of a record), borrowed until `done`. */
struct commit {
    struct mail mail;
    const struct bytes_view *records;
    size_t count;
    void (*done)(struct shard *here, struct commit *commit); /* on shard 0, at the top of the loop: applied on every shard, partitions serve */
    /* private */
    struct commit_batch *batch;
    unsigned waiting;
};
void controller_commit(struct controller *c, struct commit *commit);

/* The same for a request that is on shard 0: `done` runs there. The records are in its arena. count 0: done at once (call it last). */
void request_commit(struct request *r, const struct bytes_view *records, size_t count, void (*done)(struct request *r));

/* What DescribeQuorum tells. */
struct quorum_view {
    int32_t leader_id, leader_epoch;
    int64_t high_watermark, log_end_offset;
    int64_t last_fetch_wall_ms;
};
struct quorum_view controller_quorum(struct controller *c);

#endif
