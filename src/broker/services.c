/* SPDX-License-Identifier: Apache-2.0
 * The table of api.h, by key.
 */
#include "broker/api.h"

#define SERVES(name, handler) .key = API_##name, .api = &api_table[API_##name], .serve = handler

const struct service services[] = {
    {SERVES(PRODUCE, api_produce), .pipelined = true},
    {SERVES(FETCH, api_fetch)},
    {SERVES(LIST_OFFSETS, api_list_offsets)},
    {SERVES(METADATA, api_metadata)},
    {SERVES(OFFSET_COMMIT, api_offset_commit)},
    {SERVES(OFFSET_FETCH, api_offset_fetch)},
    {SERVES(FIND_COORDINATOR, api_find_coordinator)},
    {SERVES(JOIN_GROUP, api_join_group)},
    {SERVES(HEARTBEAT, api_heartbeat)},
    {SERVES(LEAVE_GROUP, api_leave_group)},
    {SERVES(SYNC_GROUP, api_sync_group)},
    {SERVES(DESCRIBE_GROUPS, api_describe_groups)},
    {SERVES(LIST_GROUPS, api_list_groups)},
    {SERVES(API_VERSIONS, api_api_versions)},
    {SERVES(CREATE_TOPICS, api_create_topics)},
    {SERVES(DELETE_TOPICS, api_delete_topics)},
    {SERVES(DELETE_RECORDS, api_delete_records)},
    {SERVES(INIT_PRODUCER_ID, api_init_producer_id)},
    {SERVES(OFFSET_FOR_LEADER_EPOCH, api_offset_for_leader_epoch)},
    {SERVES(DESCRIBE_CONFIGS, api_describe_configs)},
    {SERVES(ALTER_CONFIGS, api_alter_configs)},
    {SERVES(ALTER_REPLICA_LOG_DIRS, api_alter_replica_log_dirs)},
    {SERVES(DESCRIBE_LOG_DIRS, api_describe_log_dirs)},
    {SERVES(CREATE_PARTITIONS, api_create_partitions)},
    {SERVES(DELETE_GROUPS, api_delete_groups)},
    {SERVES(INCREMENTAL_ALTER_CONFIGS, api_incremental_alter_configs)},
    {SERVES(ALTER_PARTITION_REASSIGNMENTS, api_alter_partition_reassignments)},
    {SERVES(LIST_PARTITION_REASSIGNMENTS, api_list_partition_reassignments)},
    {SERVES(OFFSET_DELETE, api_offset_delete)},
    {SERVES(DESCRIBE_QUORUM, api_describe_quorum)},
    {SERVES(DESCRIBE_CLUSTER, api_describe_cluster)},
    {SERVES(DESCRIBE_PRODUCERS, api_describe_producers)},
    {SERVES(LIST_CONFIG_RESOURCES, api_list_config_resources)},
    {SERVES(DESCRIBE_TOPIC_PARTITIONS, api_describe_topic_partitions)},
};

const unsigned services_count = sizeof services / sizeof *services;

const struct service *service_find(int16_t key)
{
    for (unsigned i = 0; i < services_count; i++)
        if (services[i].key == key)
            return &services[i];
    return NULL;
}
