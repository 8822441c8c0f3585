/* SPDX-License-Identifier: Apache-2.0
 * DescribeQuorum (55): the leader of the metadata log and how far its replicas are. In a quorum of one it is always at
 * its own end.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "meta/snapshot.h"
#include "wire/api/describe_quorum.h"

enum { DIRECTORY_VERSION_MIN = 2 };

static bool asks_metadata(const struct describe_quorum_request *in)
{
    return in->topics_count == 1 && str_is(in->topics[0].topic_name, METADATA_TOPIC) &&
           in->topics[0].partitions_count == 1 && in->topics[0].partitions[0].partition_index == 0;
}

/* Any other question gets its own shape back, with an error in each partition. */
static bool refuse_all(struct request *r, struct describe_quorum_response *out)
{
    const struct describe_quorum_request *in = r->in;

    out->topics = REQUEST_ALLOC(r, struct describe_quorum_response_topic, in->topics_count);
    if (!out->topics)
        return false;
    out->topics_count = in->topics_count;
    for (int32_t t = 0; t < in->topics_count; t++) {
        struct describe_quorum_response_topic *topic = &out->topics[t];

        topic->topic_name = in->topics[t].topic_name;
        topic->partitions_count = in->topics[t].partitions_count;
        topic->partitions = REQUEST_ALLOC(r, struct describe_quorum_response_partition, topic->partitions_count);
        if (!topic->partitions)
            return false;
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            describe_quorum_response_partition_init(&topic->partitions[i]);
            topic->partitions[i].partition_index = in->topics[t].partitions[i].partition_index;
            topic->partitions[i].error_code = status_wire(STATUS_UNKNOWN_TOPIC_OR_PARTITION);
            topic->partitions[i].error_message = STR_LIT("This server does not host this topic-partition.");
        }
    }
    return true;
}

static bool put_nodes(struct request *r, struct describe_quorum_response *out)
{
    const struct broker *broker = broker_at(r->here)->broker;
    struct describe_quorum_response_node *node = REQUEST_ALLOC(r, struct describe_quorum_response_node, 1);

    if (!node)
        return false;
    node->node_id = broker->node_id;
    node->listeners = REQUEST_ALLOC(r, struct describe_quorum_response_listener, broker->listeners_count);
    for (size_t i = 0; node->listeners && i < broker->listeners_count; i++) {
        if (broker->listeners[i].controller)
            node->listeners[node->listeners_count++] =
                (struct describe_quorum_response_listener){.name = broker->listeners[i].name,
                                                           .host = str_from(broker->listeners[i].advertised_host),
                                                           .port = broker->listeners[i].advertised_port};
    }
    out->nodes = node;
    out->nodes_count = 1;
    return node->listeners != NULL;
}

static bool put_quorum(struct request *r, struct describe_quorum_response *out)
{
    const struct broker_shard *b = broker_at(r->here);
    struct quorum_view quorum = metadata_quorum(b->metadata);
    struct describe_quorum_response_topic *topic = REQUEST_ALLOC(r, struct describe_quorum_response_topic, 1);
    struct describe_quorum_response_partition *partition =
        REQUEST_ALLOC(r, struct describe_quorum_response_partition, 1);
    struct describe_quorum_response_replica_state *self =
        REQUEST_ALLOC(r, struct describe_quorum_response_replica_state, 1);

    if (!topic || !partition || !self)
        return false;
    describe_quorum_response_partition_init(partition);
    partition->leader_id = quorum.leader_id;
    partition->leader_epoch = quorum.leader_epoch;
    partition->high_watermark = quorum.high_watermark;
    partition->current_voters = self;
    partition->current_voters_count = 1;
    self->replica_id = b->broker->node_id;
    if (b->image->kraft_version > 0)
        self->replica_directory_id = b->broker->dirs[b->broker->metadata_dir].id;
    self->log_end_offset = quorum.log_end_offset;
    self->last_fetch_timestamp = shard_wall_ms(r->here); /* a leader never lags behind itself */
    self->last_caught_up_timestamp = self->last_fetch_timestamp;
    topic->topic_name = STR_LIT(METADATA_TOPIC);
    topic->partitions = partition;
    topic->partitions_count = 1;
    out->topics = topic;
    out->topics_count = 1;
    return r->version < DIRECTORY_VERSION_MIN || put_nodes(r, out);
}

static void answer(struct request *r)
{
    struct describe_quorum_response out;

    describe_quorum_response_init(&out);
    if (asks_metadata(r->in) ? put_quorum(r, &out) : refuse_all(r, &out))
        request_reply(r, &out);
    else
        request_close(r, "no memory");
}

void api_describe_quorum(struct request *r)
{
    request_move(r, 0, answer);
}
