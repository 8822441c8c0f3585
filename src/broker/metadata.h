/* SPDX-License-Identifier: Apache-2.0
 * The node's metadata log, on shard 0: replayed at the start, appended to by decisions, and distributed when durable.
 *
 *   a handler on shard 0 → decide_* (meta/decide.h: pure, on metadata_image) → records → metadata_commit
 *     → applied to metadata_image at once, so that the next decision sees them
 *     → one batch in __cluster_metadata-0, durable → mailed to every shard → applied to its image, partitions opened and closed
 *     → done: what was decided serves
 * In a quorum of one nothing that was decided is taken back: a failed write of the metadata log stops the node.
 */
#ifndef BROKER_METADATA_H
#define BROKER_METADATA_H

#include "base/err.h"
#include "base/view.h"
#include "meta/decide.h"
#include "meta/image.h"
#include "rt/shard.h"

struct broker_shard;
struct metadata;
struct request;

/* The image that decisions are made on. Shard 0 only. */
struct image *metadata_image(struct metadata *m);

/* For one decision on shard 0: image, rules, and the arena that its records are made in. */
struct decision metadata_decision(struct metadata *m, struct arena *arena);

/* One decision: framed metadata records, borrowed until `done`, and all in one batch. */
struct metadata_commit {
    struct mail mail;
    const struct bytes_view *records;
    size_t count;
    void (*done)(struct shard *here, struct metadata_commit *commit); /* on shard 0, at the top of the loop */
    struct list link; /* private */
};
/* STATUS_NO_MEMORY: nothing was decided, and `done` does not run. */
enum status metadata_commit(struct metadata *m, struct metadata_commit *commit) MUST_CHECK;

/* The same for a request that is on shard 0: `done` runs there. The records are in its arena. None: done at once (call it last). */
void request_commit(struct request *r, const struct meta_records *records, void (*done)(struct request *r));

/* What DescribeQuorum tells. */
struct quorum_view {
    int32_t leader_id, leader_epoch;
    int64_t high_watermark, log_end_offset;
    int64_t log_wall_ms; /* time of the last append */
};
struct quorum_view metadata_quorum(struct metadata *m);

#endif
