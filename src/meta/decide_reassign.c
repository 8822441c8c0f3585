/* SPDX-License-Identifier: Apache-2.0
 * AlterPartitionReassignments: see decide.h. What tools ask before they move a partition between log directories of its node.
 */
#include "meta/decide_int.h"
#include "wire/api/alter_partition_reassignments.h"

static struct verdict reassign(struct decision *d, const struct alter_partition_reassignments_request *in, int16_t version,
                               const struct alter_partition_reassignments_request_topic *asked, int32_t at)
{
    const struct alter_partition_reassignments_request_partition *move = &asked->partitions[at];
    const struct image_topic *topic = image_topic(d->image, asked->name);
    const struct image_partition *p = topic ? image_partition(topic, move->partition_index) : NULL;
    struct verdict verdict;

    if (!topic)
        return decide__refuse(d, STATUS_UNKNOWN_TOPIC_OR_PARTITION, "Unable to find a topic named " STR_FMT ".", STR_ARG(asked->name));
    if (!p)
        return decide__refuse(d, STATUS_UNKNOWN_TOPIC_OR_PARTITION, "Unable to find partition " STR_FMT ":%d.", STR_ARG(asked->name), move->partition_index);
    if (move->replicas_count < 0)
        return (struct verdict){STATUS_NO_REASSIGNMENT_IN_PROGRESS, STR_NULL};
    verdict = decide__check_assignment(d, move->partition_index, move->replicas, move->replicas_count, -1);
    if (verdict.status == STATUS_OK && version >= 1 && !in->allow_replication_factor_change && move->replicas_count != image_replicas(p).count)
        verdict = decide__refuse(d, STATUS_INVALID_REPLICATION_FACTOR, "The replication factor is changed from %d to %d", image_replicas(p).count, move->replicas_count);
    return verdict;
}

enum status decide_reassign(struct decision *d, const struct alter_partition_reassignments_request *in, int16_t version,
                            struct alter_partition_reassignments_response *out)
{
    alter_partition_reassignments_response_init(out);
    out->allow_replication_factor_change = in->allow_replication_factor_change;
    out->responses = arena_alloc(d->arena, (size_t)in->topics_count, sizeof *out->responses);
    if (!out->responses)
        return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct alter_partition_reassignments_request_topic *asked = &in->topics[i];
        struct alter_partition_reassignments_response_response *topic = &out->responses[out->responses_count++];

        alter_partition_reassignments_response_response_init(topic);
        topic->name = asked->name;
        topic->partitions = arena_alloc(d->arena, (size_t)asked->partitions_count, sizeof *topic->partitions);
        if (!topic->partitions)
            return STATUS_NO_MEMORY;
        for (int32_t j = 0; j < asked->partitions_count; j++) {
            struct alter_partition_reassignments_response_partition *partition = &topic->partitions[topic->partitions_count++];
            struct verdict verdict = reassign(d, in, version, asked, j);

            if (verdict.status == STATUS_NO_MEMORY)
                return STATUS_NO_MEMORY;
            alter_partition_reassignments_response_partition_init(partition);
            partition->partition_index = asked->partitions[j].partition_index;
            partition->error_code = status_wire(verdict.status);
            partition->error_message = verdict.message;
        }
    }
    return STATUS_OK;
}
