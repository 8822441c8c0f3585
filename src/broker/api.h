/* SPDX-License-Identifier: Apache-2.0
 * The table of APIs: what is served, and by whom. ApiVersions, the dispatcher and the log derive from it; what is
 * not in it is neither advertised nor served. Versions are those of the schema (wire/apis.h).
 *
 * A handler gets a request whose body is decoded (r->in) and ends it, now or later. One file per API: api_<name>.c.
 */
#ifndef BROKER_API_H
#define BROKER_API_H

#include "base/status.h"
#include "broker/request.h"
#include "wire/apis.h"

struct service {
    int16_t key;
    void (*serve)(struct request *r);
    const struct api *api;  /* of the schema: its versions are served, but for those that are not final */
    bool pipelined;         /* may run while earlier requests of the same connection are under way: order is kept by the partition */
};

extern const struct service services[];
extern const unsigned services_count;

/* The versions that are served and advertised. */
static inline int16_t service_version_max(const struct service *s)
{
    return s->api->unstable >= 0 ? (int16_t)(s->api->unstable - 1) : s->api->version_max;
}

/* NULL: not served. */
const struct service *service_find(int16_t key);

/* Bytes of a file as the value of a records field: the wire_records' source. */
struct wire_range {
    struct wire_range *next; /* the request's */
    struct file *file;
    uint64_t offset;
};

/* The range, which lives in the arena, and its reference to the file are the request's from now on: released with it, sent or not. */
void request_keep(struct request *r, struct wire_range *range);

/* Without an authorizer everybody may do everything: the bits of AclOperation that each resource type knows (KIP-430). */
enum {
    OPERATIONS_UNASKED = INT32_MIN,
    OPERATIONS_TOPIC = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11,
    OPERATIONS_CLUSTER = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12,
};

void api_produce(struct request *r);
void api_fetch(struct request *r);
void api_list_offsets(struct request *r);
void api_metadata(struct request *r);
void api_offset_commit(struct request *r);
void api_offset_fetch(struct request *r);
void api_find_coordinator(struct request *r);
void api_join_group(struct request *r);
void api_heartbeat(struct request *r);
void api_leave_group(struct request *r);
void api_sync_group(struct request *r);
void api_describe_groups(struct request *r);
void api_list_groups(struct request *r);
void api_api_versions(struct request *r);
void api_versions_refuse(struct request *r); /* of a version that is not served */
void api_create_topics(struct request *r);
void api_delete_topics(struct request *r);
void api_delete_records(struct request *r);
void api_init_producer_id(struct request *r);
void api_offset_for_leader_epoch(struct request *r);
void api_describe_configs(struct request *r);
void api_alter_configs(struct request *r);
void api_alter_partition_reassignments(struct request *r);
void api_list_partition_reassignments(struct request *r);
void api_alter_replica_log_dirs(struct request *r);
void api_describe_log_dirs(struct request *r);
void api_create_partitions(struct request *r);
void api_delete_groups(struct request *r);
void api_incremental_alter_configs(struct request *r);
void api_offset_delete(struct request *r);
void api_describe_quorum(struct request *r);
void api_describe_cluster(struct request *r);
void api_describe_producers(struct request *r);
void api_list_config_resources(struct request *r);
void api_describe_topic_partitions(struct request *r);

#endif
