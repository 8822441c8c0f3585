/* SPDX-License-Identifier: Apache-2.0
 * See topics.h.
 */
#include "broker/topics.h"

#include "broker/broker.h"
#include "wire/api/create_topics.h"


bool topic_is_internal(struct str_view name)
{
    return str_is(name, OFFSETS_TOPIC) || str_is(name, TRANSACTIONS_TOPIC) || str_is(name, SHARE_STATE_TOPIC);
}

/* Kafka's GroupCoordinator.groupMetadataTopicConfigs. */
static bool topics_make_offsets(struct request *r, const struct config *config, struct create_topics_request_topic *topic)
{
    struct create_topics_request_config *configs = REQUEST_ALLOC(r, struct create_topics_request_config, 3);
    struct str_view bytes = arena_format(&r->arena, "%lld", (long long)config_i64(config, CONFIG_OFFSETS_TOPIC_SEGMENT_BYTES));

    if (!configs || !bytes.data)
        return false;
    configs[0] = (struct create_topics_request_config){.name = STR_LIT("cleanup.policy"), .value = STR_LIT("compact")};
    configs[1] = (struct create_topics_request_config){.name = STR_LIT("compression.type"), .value = STR_LIT("producer")};
    configs[2] = (struct create_topics_request_config){.name = STR_LIT("segment.bytes"), .value = bytes};
    topic->configs = configs;
    topic->configs_count = 3;
    topic->num_partitions = (int32_t)config_i64(config, CONFIG_OFFSETS_TOPIC_NUM_PARTITIONS);
    topic->replication_factor = (int16_t)config_i64(config, CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR);
    return true;
}

static void topics_make_back(struct request *r)
{
    struct topics_make *make = r->topics_make;

    make->then(r);
}

static void topics_made(struct request *r)
{
    request_move(r, r->topics_make->back, topics_make_back);
}

static void topics_make_decide(struct request *r)
{
    struct topics_make *make = r->topics_make;
    const struct broker_shard *b = broker_at(r->here);
    struct decision d = metadata_decision(b->metadata, &r->arena);
    struct create_topics_request in;
    struct create_topics_response out;
    bool enough;

    create_topics_request_init(&in);
    create_topics_response_init(&out);
    in.topics = REQUEST_ALLOC(r, struct create_topics_request_topic, make->count);
    enough = in.topics != NULL;
    in.topics_count = (int32_t)make->count;
    for (size_t i = 0; enough && i < make->count; i++) {
        create_topics_request_topic_init(&in.topics[i]);
        in.topics[i].name = make->names[i];
        in.topics[i].num_partitions = -1;
        in.topics[i].replication_factor = -1;
        if (str_is(make->names[i], OFFSETS_TOPIC))
            enough = topics_make_offsets(r, b->broker->config, &in.topics[i]);
    }
    if (!enough || decide_create_topics(&d, &in, &out)) {
        request_close(r, "no memory");
        return;
    }
    for (int32_t i = 0; i < out.topics_count; i++) {
        int16_t code = out.topics[i].error_code;

        make->statuses[i] = code == status_wire(STATUS_TOPIC_ALREADY_EXISTS) ? STATUS_OK : (enum status)code;
    }
    request_commit(r, &d.records, topics_made);
}

void topics_make(struct request *r, struct topics_make *make)
{
    make->back = shard_id(r->here);
    r->topics_make = make;
    request_move(r, 0, topics_make_decide);
}
