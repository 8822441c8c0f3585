/* SPDX-License-Identifier: Apache-2.0
 * CreateTopics (19): decided on shard 0, answered when the new partitions serve.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "meta/decide.h"
#include "wire/api/create_topics.h"

enum { CONFIGS_VERSION_MIN = 5 /* from there on the answer tells the topic's configuration */ };

/* The overrides that the request gives the topic, as the image would hold them. */
static struct image_config *overrides(struct request *r, const struct create_topics_request_topic *topic)
{
    struct image_config *own = REQUEST_ALLOC(r, struct image_config, 1);

    if (!own)
        return NULL;
    own->count = topic->configs_count > 0 ? (size_t)topic->configs_count : 0;
    own->entries = REQUEST_ALLOC(r, struct image_config_entry, own->count);
    for (size_t i = 0; own->entries && i < own->count; i++)
        own->entries[i] = (struct image_config_entry){topic->configs[i].name, topic->configs[i].value};
    if (!own->entries)
        return NULL;
    (void)image_entries_sort(own->entries, own->count);
    return own;
}

static bool describe(struct request *r, const struct create_topics_request_topic *topic,
                     struct create_topics_response_topic *out)
{
    const struct broker_shard *b = broker_at(r->here);
    const struct image_config *own = overrides(r, topic);

    out->configs = REQUEST_ALLOC(r, struct create_topics_response_config, TOPIC_KEYS);
    if (!own || !out->configs)
        return false;
    out->configs_count = 0;
    for (size_t i = 0; i < TOPIC_KEYS; i++) {
        struct create_topics_response_config *config = &out->configs[out->configs_count];
        struct config_described described;

        if (config_describe(b->broker->config, metadata_image(b->metadata), RESOURCE_TOPIC, own, i, &r->arena,
                            &described) != STATUS_OK)
            return false;
        if (described.row->internal && described.source == SOURCE_DEFAULT)
            continue;
        create_topics_response_config_init(config);
        config->name = str_from(described.row->name);
        config->value = described.source == SOURCE_TOPIC ? image_config_value(own, config->name)
                                                         : described.value; /* as it was given */
        config->config_source = (int8_t)described.source;
        config->is_sensitive = described.row->type == CONFIG_TYPE_PASSWORD;
        out->configs_count++;
    }
    return true;
}

static const struct create_topics_request_topic *asked(const struct create_topics_request *in, struct str_view name)
{
    const struct create_topics_request_topic *topic = in->topics;

    while (!str_equal(topic->name, name)) /* every answer has its question */
        topic++;
    return topic;
}

static bool describe_created(struct request *r, struct create_topics_response *out)
{
    for (int32_t i = 0; r->version >= CONFIGS_VERSION_MIN && i < out->topics_count; i++) {
        if (out->topics[i].error_code == 0 && !describe(r, asked(r->in, out->topics[i].name), &out->topics[i]))
            return false;
    }
    return true;
}

static void answer(struct request *r)
{
    request_reply(r, r->state);
}

static void decide(struct request *r)
{
    struct decision d = metadata_decision(broker_at(r->here)->metadata, &r->arena);
    struct create_topics_response *out = REQUEST_ALLOC(r, struct create_topics_response, 1);

    r->state = out;
    if (!out || decide_create_topics(&d, r->in, out) != STATUS_OK || !describe_created(r, out))
        request_close(r, "no memory");
    else
        request_commit(r, &d.records, answer);
}

void api_create_topics(struct request *r)
{
    request_move(r, 0, decide);
}
