/* SPDX-License-Identifier: Apache-2.0
 * Administrators that move partitions between log directories (AlterReplicaLogDirs). Whether they arrive nobody promises: a directory may fail. That
 * nothing is lost or out of order on the way, the readers and the checkers see.
 */
#include "sim/dirs.h"
#include "sim/load_int.h"
#include "wire/api/alter_replica_log_dirs.h"

static void on_moved(struct client *c, const struct call *call, const void *response)
{
    const struct alter_replica_log_dirs_response *out = response;
    const struct topic *topic = topic_of(c->load, (uint32_t)call->note);
    int16_t error;

    if (!out)
        return;
    client_sleep(c, 3000000);
    if (out->results_count != 1 || out->results[0].partitions_count != 1) {
        load_broken(c, "protocol", "one partition was to move, and %d topics are told", out->results_count);
        return;
    }
    error = out->results[0].partitions[0].error_code;
    load_tell(c, "hears of the move of %s-%d: status %d", topic->name, index_of((uint32_t)call->note), error);
    if (error == STATUS_LOG_DIR_NOT_FOUND || (error == STATUS_UNKNOWN_TOPIC_OR_PARTITION && !topic->gone))
        load_broken(c, "topic-lost", "%s-%d is there, and was not to be moved: status %d", topic->name, index_of((uint32_t)call->note), error);
}

void client_move_partition(struct client *c, const struct topic *topic)
{
    struct load *load = c->load;
    int32_t index = (int32_t)load_random(load, (uint64_t)topic->partitions);
    const char *path = dirs_path((unsigned)load_random(load, load->options.dirs));
    struct alter_replica_log_dirs_request_topic which;
    struct alter_replica_log_dirs_request_dir to;
    struct alter_replica_log_dirs_request in;

    alter_replica_log_dirs_request_init(&in);
    alter_replica_log_dirs_request_dir_init(&to);
    alter_replica_log_dirs_request_topic_init(&which);
    which.name = str_from(topic->name);
    which.partitions = &index;
    which.partitions_count = 1;
    to.path = str_from(path);
    to.topics = &which;
    to.topics_count = 1;
    in.dirs = &to;
    in.dirs_count = 1;
    load_tell(c, "moves %s-%d to %s", topic->name, index, path);
    client_call(c, API_ALTER_REPLICA_LOG_DIRS, (int16_t)(1 + load_random(load, 2)), &in, on_moved)->note = partition_number(topic, index);
}
