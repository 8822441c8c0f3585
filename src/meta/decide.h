/* SPDX-License-Identifier: Apache-2.0
 * What the controller decides, as pure functions: the image and a request give the records to append and the answer for
 * when they are durable.
 *
 * A call reads the image, fills `out` and adds to d->records; it changes nothing. The caller appends the records as one
 * batch, applies them to the controller's image at once (so that the next request sees them, see image.h), and sends
 * the answer when the batch is durable and every shard has acted on it. No records: nothing to wait for. Everything
 * lives in the arena; errors of single items are in the response, where the schema has them; a call itself only fails
 * with STATUS_NO_MEMORY.
 *
 * The checks, their order and their words are those of Kafka's ReplicationControlManager, ConfigurationControlManager
 * and ControllerApis.
 */
#ifndef META_DECIDE_H
#define META_DECIDE_H

#include "meta/image.h"
#include "meta/records.h"

struct create_topics_request;
struct create_topics_response;
struct delete_topics_request;
struct delete_topics_response;
struct create_partitions_request;
struct create_partitions_response;
struct alter_partition_reassignments_request;
struct alter_partition_reassignments_response;
struct alter_configs_request;
struct alter_configs_response;
struct incremental_alter_configs_request;
struct incremental_alter_configs_response;

/* What a decision must know of the configuration, which belongs to a room above. */
struct decide_rules {
    const void *context;
    int32_t partitions_default;  /* num.partitions */
    int16_t replication_default; /* default.replication.factor */
    int32_t min_insync_replicas; /* min.insync.replicas */
    bool delete_topics;          /* delete.topic.enable */
    int64_t partitions_max;      /* that there is memory for; 0: no limit */
    size_t memory_max;           /* bytes that an image may hold; 0: no limit */
    /* Judges the overrides that a resource would have. INVALID_CONFIG or INVALID_REQUEST, with a message in the arena.
     */
    enum status (*check)(const void *context, enum config_resource type, struct str_view name,
                         const struct image_config_entry *entries, size_t count, struct arena *arena,
                         struct str_view *message);
    /* The value without an override of the resource itself, which APPEND and SUBTRACT start from; null: none. *is_list:
     * these two are allowed. */
    struct str_view (*inherited)(const void *context, enum config_resource type, struct str_view key, bool *is_list);
};

struct decide_place;

struct decision {
    const struct image *image; /* the controller's */
    const struct decide_rules *rules;
    struct arena *arena;
    struct uuid (*random_uuid)(void *world); /* shard_random_uuid */
    void *world;
    struct meta_records records; /* the result */
    struct decide_place *places; /* private: how many partitions each directory has */
    int64_t partitions_more;     /* private: those that are made */
    size_t memory_more;          /* private: bytes that an image will hold in addition */
};

enum status decide_create_topics(struct decision *d, const struct create_topics_request *in,
                                 struct create_topics_response *out) MUST_CHECK;
enum status decide_delete_topics(struct decision *d, const struct delete_topics_request *in, int16_t version,
                                 struct delete_topics_response *out) MUST_CHECK;
enum status decide_create_partitions(struct decision *d, const struct create_partitions_request *in,
                                     struct create_partitions_response *out) MUST_CHECK;
/* In a cluster of one node a partition's replicas can only be what they are: judged, and nothing is moved. */
enum status decide_reassign(struct decision *d, const struct alter_partition_reassignments_request *in, int16_t version,
                            struct alter_partition_reassignments_response *out) MUST_CHECK;
enum status decide_alter_configs(struct decision *d, const struct alter_configs_request *in,
                                 struct alter_configs_response *out) MUST_CHECK;
enum status decide_incremental_alter_configs(struct decision *d, const struct incremental_alter_configs_request *in,
                                             struct incremental_alter_configs_response *out) MUST_CHECK;

/* A block of PRODUCER_IDS producer ids for broker `node_id`; *first is its first. */
enum { PRODUCER_IDS = 1000 };
enum status decide_producer_ids(struct decision *d, int32_t node_id, int64_t *first) MUST_CHECK;

/* What a start adds to the log. */
struct image_endpoint {
    struct str_view name, host;
    uint16_t port;
    int16_t security_protocol; /* 0: PLAINTEXT */
};

struct decide_dirs { /* of a node, those that work */
    const struct uuid *ids, *cordoned; /* cordoned: nothing new is put there (KIP-1066); a part of ids */
    size_t count, cordoned_count;
    /* Which one has the node's replica; DIRECTORY_LOST: none. NULL: what the metadata says. */
    struct uuid (*locate)(const void *context, const struct image_topic *topic, int32_t index);
    const void *context;
};

struct decide_node {
    int32_t id;
    struct uuid incarnation;
    struct decide_dirs dirs;
    const struct image_endpoint *broker_endpoints, *controller_endpoints;
    size_t broker_endpoints_count, controller_endpoints_count;
    struct str_view rack; /* null: none */
};

/* The levels of a feature that this node could work with; false: it does not know it. */
bool decide_supports(struct str_view feature, int16_t *min, int16_t *max);

/* The bootstrap records in a transaction of their own (KIP-868), when the image has no metadata.version yet. */
enum status decide_bootstrap(struct decision *d, const struct meta_records *bootstrap) MUST_CHECK;
/* This node as a controller. */
enum status decide_register_controller(struct decision *d, const struct decide_node *node) MUST_CHECK;
/* This node as a broker, unfenced; `offset` is where the first of d->records will stand: the registration's own offset
 * is the broker epoch (*broker_epoch). Partitions of ours without a leader are led again; their leader epoch grows. Those
 * in directories that do not work have no leader from now on; those in another one than was known are said to be there. */
enum status decide_register_broker(struct decision *d, const struct decide_node *node, int64_t offset,
                                   int64_t *broker_epoch) MUST_CHECK;
/* The directories of a node changed: as when it registers. */
enum status decide_directories(struct decision *d, int32_t id, const struct decide_dirs *dirs) MUST_CHECK;
/* The node stops: it is fenced, so that who registers in its place need not wait until its session has expired. */
enum status decide_leave(struct decision *d, int32_t id) MUST_CHECK;
/* A node's replica goes to another of its directories. */
enum status decide_move(struct decision *d, int32_t id, const struct image_topic *topic, int32_t index, struct uuid directory) MUST_CHECK;

/* INVALID_TOPIC_EXCEPTION with Kafka's words when it cannot be a topic's name. */
enum status topic_name_check(struct str_view name, struct arena *arena, struct str_view *message) MUST_CHECK;

#endif
