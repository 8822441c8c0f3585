/* SPDX-License-Identifier: Apache-2.0
 * The image: what the records of the metadata log say when they are applied one after the other.
 *
 * Applying is deterministic: equal records make equal images, on every shard and on every node. Nothing but
 * image_apply* changes an image; everyone else reads its fields as they stand here. Record kinds that this node does
 * not act upon (quotas, ACLs, SCRAM, tokens, controllers) are kept as their bytes by identity (`carried`), so that a
 * snapshot loses nothing.
 *
 * Each shard has one, fed with the durable records. The controller has one of its own that runs ahead: a record is
 * applied there when it is appended, so that a second request sees the first (a failed append stops the node, so it
 * never has to go back).
 *
 * Invariants: a topic is in both maps or in none; partitions of a topic are 0 .. count-1 once a transaction of the log
 * is complete; `offset` is the last offset applied, and equal to the end of the snapshot minus one after loading it.
 */
#ifndef META_IMAGE_H
#define META_IMAGE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "wire/record/register_broker_record.h"

#define TOPIC_NAME_MAX 249

enum { LEADER_NONE = -1 };

/* Kafka's resource types in ConfigRecord and in the config APIs. */
enum config_resource {
    RESOURCE_TOPIC = 2,
    RESOURCE_BROKER = 4, /* name "": the cluster-wide default */
    RESOURCE_BROKER_LOGGER = 8,
    RESOURCE_CLIENT_METRICS = 16,
    RESOURCE_GROUP = 32,
};

struct image_nodes { /* borrowed */
    const int32_t *ids;
    int32_t count;
};

struct image_members {    /* of partitions: most of them share theirs with others */
    struct map_node node; /* key: all that follows `users` */
    uint32_t users;
    uint16_t replicas_count, isr_count, removing_count, adding_count, elr_count, last_known_elr_count;
    int32_t ids[];        /* the six lists, in this order, and behind them the directory of each replica */
};

struct image_partition {
    int32_t leader, leader_epoch, partition_epoch; /* leader_epoch -1: not there (yet) */
    int8_t recovery_state;                         /* 0 recovered, 1 recovering from an unclean election */
    struct image_members *nodes;                   /* NULL: not there (yet) */
};

struct image_nodes image_replicas(const struct image_partition *p);
struct image_nodes image_isr(const struct image_partition *p);
struct image_nodes image_removing(const struct image_partition *p);
struct image_nodes image_adding(const struct image_partition *p);
struct image_nodes image_elr(const struct image_partition *p);
struct image_nodes image_last_known_elr(const struct image_partition *p);
struct uuid image_directory(const struct image_partition *p, unsigned replica);
struct uuid image_directory_of(const struct image_partition *p, int32_t node); /* of its replica; zero: it has none */

/* Ids that name no directory (KIP-858): zero, before the cluster knew directories; 1, the broker is to choose; 2, it is in none of the broker's. */
#define DIRECTORY_LOST ((struct uuid){{[15] = 2}})
bool directory_is_reserved(struct uuid id);

struct image_topic {
    struct map_node by_name, by_id;
    struct str_view name; /* followed by a zero byte */
    struct uuid id;
    struct image_partition *partitions;
    int32_t count, capacity; /* of partitions */
};

struct image_config {     /* the overrides of one resource */
    struct map_node node; /* key: type byte and name */
    enum config_resource type;
    struct str_view name;
    struct image_config_entry {
        struct str_view key, value;
    } * entries; /* sorted by key */
    size_t count;
};

struct image_broker {
    struct image_broker *next; /* by id, ascending */
    struct arena arena;        /* what the record points into */
    struct register_broker_record
        record; /* as it was registered, with the changes since: wire/record/register_broker_record.h */
};

struct image_feature {
    struct str_view name;
    int16_t level;
};

struct image_carried {    /* one record that is kept as it came */
    struct map_node node; /* key: the record's type byte and what identifies the thing */
    struct bytes_view record;
};

enum image_change_kind {
    IMAGE_TOPIC_CREATED,     /* its partitions follow */
    IMAGE_PARTITION_CREATED, /* topic, partition */
    IMAGE_PARTITION_CHANGED, /* topic, partition: leader, epoch or replicas */
    IMAGE_TOPIC_DELETED,     /* topic: still whole, gone after the call */
    IMAGE_CONFIG_CHANGED,    /* config_type, config_name: an override was set or removed */
    IMAGE_BROKERS_CHANGED,
};

struct image_change {
    enum image_change_kind kind;
    struct image_topic *topic;
    int32_t partition;
    enum config_resource config_type;
    struct str_view config_name;
};

struct image {
    struct mem_user memory; /* what it holds, but for what arenas do */
    struct map topics_by_name, topics_by_id; /* image_topic */
    struct map configs;                      /* image_config */
    struct map carried;                      /* image_carried */
    struct map members;                      /* image_members */
    struct image_broker *brokers;            /* ascending by id */
    struct image_feature *features;          /* sorted by name */
    size_t features_count;
    int64_t partitions_count;    /* of all topics */
    int64_t next_producer_id;    /* first one of no block */
    int32_t producer_ids_broker; /* who got the last block, and its epoch: rewritten in snapshots */
    int64_t producer_ids_broker_epoch;
    int64_t offset;           /* last one applied; -1: none */
    int32_t epoch;            /* of the batch that held it */
    int64_t timestamp;        /* of the batch that held it */
    int16_t kraft_version;    /* control records: 0 static voters, 1 dynamic */
    struct bytes_view voters; /* the last VotersRecord; null: none */

    struct image_pending *pending; /* records of a transaction that has not ended (KIP-868) */
    void (*changed)(void *context, const struct image *image, const struct image_change *change);
    void *context;
};

/* `changed` (NULL: nobody listens) is told of each change right after it took effect; it only reads. */
void image_init(struct image *image, uint64_t seed,
                void (*changed)(void *, const struct image *, const struct image_change *), void *context);
void image_free(struct image *image);

/* One whole v2 batch of the metadata log or of a snapshot, checked before. STATUS_CORRUPT: a record that does not
 * decode or contradicts the image; STATUS_UNSUPPORTED_VERSION: a record type or version that is newer than we are;
 * STATUS_NO_MEMORY. After a failure the image is good for nothing but image_free. */
enum status image_apply_batch(struct image *image, struct bytes_view batch, struct err *err) MUST_CHECK;
/* One record's value (frame version, type, version, payload). Leaves `offset` alone. */
enum status image_apply(struct image *image, struct bytes_view record, struct err *err) MUST_CHECK;

/* Replicas whose broker is not there, or whose directory does not work; in the arena. false: no memory. */
bool image_offline_replicas(const struct image *image, const struct image_partition *p, struct arena *arena, struct image_nodes *out) __attribute__((warn_unused_result));

struct image_topic *image_topic(const struct image *image, struct str_view name); /* NULL: not there */
struct image_topic *image_topic_by_id(const struct image *image, struct uuid id);
const struct image_partition *image_partition(const struct image_topic *topic, int32_t index); /* NULL: not there */
const struct image_broker *image_broker(const struct image *image, int32_t id);

/* Topics in no particular order; NULL at the end. */
struct image_topic *image_topic_first(const struct image *image);
struct image_topic *image_topic_next(const struct image *image, const struct image_topic *topic);
/* All of them by name, in the arena; NULL: no memory. *count gets how many. */
struct image_topic **image_topics_sorted(const struct image *image, struct arena *arena, size_t *count);

const struct image_config *image_config(const struct image *image, enum config_resource type,
                                        struct str_view name); /* NULL: no override */
struct str_view image_config_value(const struct image_config *config,
                                   struct str_view key); /* null: none; config may be NULL */
/* By key, as `entries` of an image_config stand; false: a key is there twice. */
bool image_entries_sort(struct image_config_entry *entries, size_t count);
int16_t image_feature_level(const struct image *image, const char *name); /* 0: not finalized */
int16_t
image_partition_version(const struct image *image); /* of partition records that this cluster's nodes can read */

#endif
