/* SPDX-License-Identifier: Apache-2.0
 * Metadata (3): brokers and topics, from this shard's image. A topic that is missing is made, where client and configuration allow it, and
 * answered when it serves.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/topics.h"
#include "wire/api/metadata.h"

enum { METADATA_MAKES_MAX = 128 }; /* topics that one request makes; the client asks again for the rest */

struct metadata_ask {
    struct topics_make make;
};

/* ---- one topic ---- */

static bool metadata_partitions(struct request *r, const struct image_topic *topic, struct metadata_response_topic *out)
{
    out->partitions = REQUEST_ALLOC(r, struct metadata_response_partition, topic->count);
    if (!out->partitions)
        return false;
    out->partitions_count = topic->count;
    for (int32_t i = 0; i < topic->count; i++) {
        const struct image_partition *p = &topic->partitions[i];
        struct metadata_response_partition *to = &out->partitions[i];
        struct image_nodes replicas = image_replicas(p), isr = image_isr(p), offline;

        if (!image_offline_replicas(broker_at(r->here)->image, p, &r->arena, &offline))
            return false;
        metadata_response_partition_init(to);
        to->error_code = p->leader < 0 ? status_wire(STATUS_LEADER_NOT_AVAILABLE) : 0;
        to->partition_index = i;
        to->leader_id = p->leader;
        to->leader_epoch = p->leader_epoch;
        to->replica_nodes = (int32_t *)(uintptr_t)replicas.ids; /* borrowed: encoded before anything changes */
        to->replica_nodes_count = replicas.count;
        to->isr_nodes = (int32_t *)(uintptr_t)isr.ids;
        to->isr_nodes_count = isr.count;
        to->offline_replicas = (int32_t *)(uintptr_t)offline.ids;
        to->offline_replicas_count = offline.count;
    }
    return true;
}

static bool metadata_topic(struct request *r, const struct image_topic *topic, struct metadata_response_topic *out)
{
    const struct metadata_request *in = r->in;

    out->name = topic->name;
    out->topic_id = topic->id;
    out->is_internal = topic_is_internal(topic->name);
    out->topic_authorized_operations = in->include_topic_authorized_operations ? OPERATIONS_TOPIC : OPERATIONS_UNASKED;
    return metadata_partitions(r, topic, out);
}

static void metadata_topic_refuse(struct metadata_response_topic *out, enum status status)
{
    out->error_code = status_wire(status);
    out->is_internal = out->name.data && topic_is_internal(out->name);
    out->partitions_count = 0;
}

static bool metadata_asks_by_id(const struct request *r, const struct metadata_request_topic *topic)
{
    return r->version >= 10 && !uuid_is_zero(topic->topic_id);
}

/* ---- the answer ---- */

static bool metadata_brokers(struct request *r, struct metadata_response *out)
{
    const struct broker_shard *b = broker_at(r->here);
    struct metadata_response_broker *self = REQUEST_ALLOC(r, struct metadata_response_broker, 1);

    if (!self)
        return false;
    metadata_response_broker_init(self);
    self->node_id = b->broker->node_id;
    self->host = str_from(r->listener->advertised_host);
    self->port = r->listener->advertised_port;
    self->rack = config_str(b->broker->config, CONFIG_BROKER_RACK);
    out->brokers = self;
    out->brokers_count = 1;
    out->cluster_id = str_from(b->broker->cluster_id);
    out->controller_id = b->broker->node_id;
    return true;
}

static bool metadata_all(struct request *r, struct metadata_response *out)
{
    const struct broker_shard *b = broker_at(r->here);
    size_t count = 0;
    struct image_topic **topics = image_topics_sorted(b->image, &r->arena, &count);

    out->topics = REQUEST_ALLOC(r, struct metadata_response_topic, count);
    if (!topics || !out->topics)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct metadata_response_topic *to = &out->topics[out->topics_count++];

        metadata_response_topic_init(to);
        if (!metadata_topic(r, topics[i], to))
            return false;
    }
    return true;
}

/* Why a topic that was asked by name is not there. */
static enum status metadata_missing(const struct request *r, struct str_view name)
{
    const struct metadata_ask *ask = r->state;
    struct str_view why;
    struct arena scratch;
    bool valid;

    arena_init(&scratch, 4096);
    valid = topic_name_check(name, &scratch, &why) == STATUS_OK;
    arena_free(&scratch);
    if (!valid)
        return STATUS_INVALID_TOPIC_EXCEPTION;
    for (size_t i = 0; i < ask->make.count; i++)
        if (str_equal(ask->make.names[i], name) && ask->make.statuses[i])
            return ask->make.statuses[i];
    return STATUS_UNKNOWN_TOPIC_OR_PARTITION;
}

static bool metadata_some(struct request *r, struct metadata_response *out)
{
    const struct metadata_request *in = r->in;
    const struct broker_shard *b = broker_at(r->here);

    out->topics = REQUEST_ALLOC(r, struct metadata_response_topic, in->topics_count);
    if (!out->topics)
        return false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct metadata_request_topic *asked = &in->topics[i];
        struct metadata_response_topic *to = &out->topics[out->topics_count++];
        bool by_id = metadata_asks_by_id(r, asked);
        const struct image_topic *topic = by_id ? image_topic_by_id(b->image, asked->topic_id) : image_topic(b->image, asked->name);

        metadata_response_topic_init(to);
        to->name = by_id ? STR_NULL : asked->name;
        to->topic_id = asked->topic_id;
        if (topic) {
            if (!metadata_topic(r, topic, to))
                return false;
        } else {
            metadata_topic_refuse(to, by_id ? STATUS_UNKNOWN_TOPIC_ID : metadata_missing(r, asked->name));
        }
    }
    return true;
}

static void metadata_answer(struct request *r)
{
    const struct metadata_request *in = r->in;
    bool all = r->version == 0 ? in->topics_count <= 0 : in->topics_count < 0;
    struct metadata_response out;

    metadata_response_init(&out);
    if (in->include_cluster_authorized_operations)
        out.cluster_authorized_operations = OPERATIONS_CLUSTER;
    if (!metadata_brokers(r, &out) || !(all ? metadata_all(r, &out) : metadata_some(r, &out))) {
        request_close(r, "no memory");
        return;
    }
    request_reply(r, &out);
}

/* ---- the request ---- */

static bool metadata_collected(const struct topics_make *make, struct str_view name)
{
    for (size_t i = 0; i < make->count; i++)
        if (str_equal(make->names[i], name))
            return true;
    return false;
}

/* Names that are asked for, missing, and may be made. */
static bool metadata_collect(struct request *r, struct metadata_ask *ask)
{
    const struct metadata_request *in = r->in;
    const struct broker_shard *b = broker_at(r->here);
    struct str_view *names;

    if (in->topics_count <= 0 || (r->version >= 4 && !in->allow_auto_topic_creation) || !config_bool(b->broker->config, CONFIG_AUTO_CREATE_TOPICS_ENABLE))
        return true;
    names = REQUEST_ALLOC(r, struct str_view, METADATA_MAKES_MAX);
    ask->make.names = names;
    ask->make.statuses = REQUEST_ALLOC(r, enum status, METADATA_MAKES_MAX);
    if (!names || !ask->make.statuses)
        return false;
    for (int32_t i = 0; i < in->topics_count && ask->make.count < METADATA_MAKES_MAX; i++)
        if (!metadata_asks_by_id(r, &in->topics[i]) && !image_topic(b->image, in->topics[i].name) && !metadata_collected(&ask->make, in->topics[i].name) &&
            metadata_missing(r, in->topics[i].name) == STATUS_UNKNOWN_TOPIC_OR_PARTITION)
            names[ask->make.count++] = in->topics[i].name;
    return true;
}

/* A topic has a name or, since version 12, an id. */
static enum status metadata_judge(const struct request *r)
{
    const struct metadata_request *in = r->in;

    for (int32_t i = 0; i < in->topics_count; i++) {
        bool named = in->topics[i].name.data, by_id = metadata_asks_by_id(r, &in->topics[i]);

        if (r->version < 12 && (!named || by_id))
            return STATUS_INVALID_REQUEST;
        if (!named && !by_id)
            return STATUS_UNKNOWN_SERVER_ERROR;
    }
    return STATUS_OK;
}

static void metadata_refuse(struct request *r, enum status status)
{
    const struct metadata_request *in = r->in;
    struct metadata_response out;

    metadata_response_init(&out);
    out.error_code = status_wire(status);
    out.topics = REQUEST_ALLOC(r, struct metadata_response_topic, in->topics_count);
    if (!out.topics) {
        request_close(r, "no memory");
        return;
    }
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct metadata_response_topic *to = &out.topics[out.topics_count++];

        metadata_response_topic_init(to);
        to->name = in->topics[i].name.data ? in->topics[i].name : STR_LIT("");
        to->topic_id = in->topics[i].topic_id;
        metadata_topic_refuse(to, status);
    }
    request_reply(r, &out);
}

void api_metadata(struct request *r)
{
    struct metadata_ask *ask = REQUEST_ALLOC(r, struct metadata_ask, 1);

    enum status s = metadata_judge(r);

    r->state = ask;
    if (s) {
        metadata_refuse(r, s);
        return;
    }
    if (!ask || !metadata_collect(r, ask)) {
        request_close(r, "no memory");
        return;
    }
    ask->make.then = metadata_answer;
    if (ask->make.count)
        topics_make(r, &ask->make);
    else
        metadata_answer(r);
}
