/* SPDX-License-Identifier: Apache-2.0
 * The table of APIs: what is served, and by whom. ApiVersions, the dispatcher and the log derive from it; what is
 * not in it is neither advertised nor served. Versions are those of the schema (wire/apis.h) unless the row narrows them.
 *
 * A handler gets a request whose body is decoded (r->in) and ends it, now or later. One file per API: api_<name>.c.
 */
#ifndef BROKER_API_H
#define BROKER_API_H

#include "base/status.h"
#include "broker/request.h"
#include "wire/apis.h"

struct api {
    int16_t key;
    int16_t version_min, version_max; /* served */
    int16_t advertised_min;           /* below version_min only for Produce (librdkafka#4956) */
    bool pipelined;                   /* may run while earlier requests of the same connection are under way: order is kept by the partition */
    void (*serve)(struct request *r);
    const struct wire_api *wire;
};

extern const struct api apis[];
extern const unsigned apis_count;

/* NULL: not served. */
const struct api *api_find(int16_t key);

/* Bytes of a file as the value of a records field: the wire_records' source. */
struct wire_range {
    struct file *file; /* counted: the reply's */
    uint64_t offset;
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
void api_create_topics(struct request *r);
void api_delete_topics(struct request *r);
void api_delete_records(struct request *r);
void api_init_producer_id(struct request *r);
void api_offset_for_leader_epoch(struct request *r);
void api_describe_configs(struct request *r);
void api_alter_configs(struct request *r);
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
