/* SPDX-License-Identifier: Apache-2.0
 * The metadata log as the broker's life cycle sees it (broker.c): opened before the shards run, started on shard 0, stopped last.
 */
#ifndef BROKER_METADATA_INT_H
#define BROKER_METADATA_INT_H

#include "broker/broker.h"
#include "meta/snapshot.h"
#include "raft/raft.h"

struct metadata_batch;

struct metadata {
    struct broker *broker;
    struct broker_shard *b; /* shard 0, once it runs */
    struct fs *fs;
    char dir[FS_PATH_MAX];
    struct log *log;
    struct log_config log_config;
    struct raft raft;
    struct image image; /* ahead: with what is decided and not yet durable */
    struct decide_rules rules;
    struct list queue;  /* struct metadata_batch, appended and not yet distributed */
    struct metadata_batch *distributing;
    bool failed;
    int64_t append_wall_ms;

    struct arena arena; /* of the registration, and of what follows when a directory fails */
    struct metadata_commit registration;
    bool registering, dirs_changed;
    void (*started)(struct shard *here);

    struct snapshot_id snapshot; /* the newest */
    uint64_t bytes_since_snapshot;
    bool snapshotting;
    struct mail *left;    /* not NULL: leaving */
    struct mail *stopped; /* not NULL: stopping */
};

/* Opens the log and fills `images` (one a shard) and its own. Blocking. */
enum status metadata_open(struct broker *broker, struct fs *fs, struct image **images, struct metadata **out, struct err *err) MUST_CHECK;

/* On shard 0: leads, registers the node; `started` runs when every shard has applied that. `bootstrap` is for an empty log. */
enum status metadata_start(struct metadata *m, struct broker_shard *b, const struct meta_records *bootstrap, void (*started)(struct shard *here),
                           struct err *err) MUST_CHECK;
void metadata_dirs_changed(struct metadata *m); /* a log directory failed, or was cordoned: the registration is to say so */
void metadata_leave(struct metadata *m, struct mail *done); /* the node is fenced, while all shards can still hear it */
void metadata_stop(struct metadata *m, struct mail *done); /* when nothing is under way any more */
enum status metadata_close(struct metadata *m, bool clean, struct err *err) MUST_CHECK; /* blocking */
struct log *metadata_log(struct metadata *m);
void metadata_housekeep(struct metadata *m); /* now and then: segments before the latest snapshot are removed */

/* A batch that one shard applies; `applied` runs on that shard when its partitions are open or closed accordingly. */
struct metadata_receipt {
    unsigned pending;
    void (*applied)(struct metadata_receipt *receipt);
};
void broker_apply(struct broker_shard *b, struct bytes_view batch, struct metadata_receipt *receipt);

#endif
