/* SPDX-License-Identifier: Apache-2.0
 * DescribeConfigs (32): the keys of topics, brokers, groups and client metrics subscriptions, with what holds and where
 * it comes from.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "meta/decide.h"
#include "wire/api/describe_configs.h"

enum { CONFIG_TYPE_UNKNOWN = 0 };

/* One resource that is being described. */
struct description {
    struct request *request;
    const struct describe_configs_request_resource *asked;
    enum config_resource type;
    const struct image_config *own, *cluster; /* overrides; the cluster's for a broker only */
    bool cluster_wide;                        /* a broker's default: only what is overridden is told */
    struct describe_configs_response_result *out;
};

static bool wants(const struct describe_configs_request_resource *asked, struct str_view key)
{
    for (int32_t i = 0; i < asked->configuration_keys_count; i++) {
        if (str_equal(asked->configuration_keys[i], key))
            return true;
    }
    return asked->configuration_keys_count <= 0;
}

static bool put_synonyms(const struct description *d, const struct config_described *described,
                         struct describe_configs_response_config *out)
{
    const struct describe_configs_request *in = d->request->in;

    if (!in->include_synonyms)
        return true;
    out->synonyms = REQUEST_ALLOC(d->request, struct describe_configs_response_synonym, described->synonyms_count);
    if (!out->synonyms)
        return false;
    for (size_t i = 0; i < described->synonyms_count; i++) {
        const struct config_synonym *from = &described->synonyms[i];

        out->synonyms[out->synonyms_count++] = (struct describe_configs_response_synonym){
            .name = str_from(from->name), .value = from->value, .source = (int8_t)from->source};
    }
    return true;
}

/* What config_describe calls the resource's own overrides: for this broker they are found by themselves. */
static const struct image_config *described_by(const struct description *d)
{
    return d->cluster_wide ? d->cluster : d->type == RESOURCE_BROKER ? NULL : d->own;
}

static bool put_row(const struct description *d, size_t index)
{
    const struct broker_shard *b = broker_at(d->request->here);
    const struct describe_configs_request *in = d->request->in;
    struct describe_configs_response_config *out = &d->out->configs[d->out->configs_count];
    struct config_described described;

    if (config_describe(b->broker->config, b->image, d->type, described_by(d), index, &d->request->arena, &described) !=
        STATUS_OK)
        return false;
    if ((described.row->internal || described.row->dynamic_only) && described.source == SOURCE_DEFAULT)
        return true;
    describe_configs_response_config_init(out);
    out->name = str_from(described.row->name);
    out->value = described.value;
    out->read_only = described.read_only;
    out->is_default = described.source == SOURCE_DEFAULT;
    out->config_source = (int8_t)described.source;
    out->is_sensitive = described.row->type == CONFIG_TYPE_PASSWORD;
    out->config_type = (int8_t)described.row->type;
    out->documentation = in->include_documentation ? str_from(described.row->doc) : STR_NULL;
    d->out->configs_count++;
    return put_synonyms(d, &described, out);
}

/* An override of a key that has no row: told by name, but not its value: it may be a secret. */
static bool put_unknown(const struct description *d, struct str_view key, enum config_source source)
{
    const struct describe_configs_request *in = d->request->in;
    struct describe_configs_response_config *out = &d->out->configs[d->out->configs_count++];

    describe_configs_response_config_init(out);
    out->name = key;
    out->value = STR_NULL;
    out->read_only = true;
    out->config_source = (int8_t)source;
    out->is_sensitive = true;
    out->config_type = CONFIG_TYPE_UNKNOWN;
    out->synonyms = REQUEST_ALLOC(d->request, struct describe_configs_response_synonym, 1);
    if (out->synonyms && in->include_synonyms)
        out->synonyms[out->synonyms_count++] =
            (struct describe_configs_response_synonym){.name = key, .source = (int8_t)source};
    return out->synonyms != NULL;
}

static bool put_unknowns(const struct description *d, const struct image_config *overrides, enum config_source source,
                         const struct image_config *before)
{
    unsigned count;
    const struct config_row *rows = config_rows(d->type, &count);

    for (size_t i = 0; overrides && i < overrides->count; i++) {
        struct str_view key = overrides->entries[i].key;

        if (config_row_find(rows, count, key) < 0 && wants(d->asked, key) && !image_config_value(before, key).data &&
            !put_unknown(d, key, source))
            return false;
    }
    return true;
}

static bool put_rows(const struct description *d)
{
    unsigned count;
    const struct config_row *rows = config_rows(d->type, &count);
    size_t most = count + (d->own ? d->own->count : 0) + (d->cluster ? d->cluster->count : 0);

    d->out->configs = REQUEST_ALLOC(d->request, struct describe_configs_response_config, most);
    if (!d->out->configs)
        return false;
    for (unsigned i = 0; i < count; i++) {
        struct str_view key = str_from(rows[i].name);

        if (wants(d->asked, key) && (!d->cluster_wide || image_config_value(d->cluster, key).data) && !put_row(d, i))
            return false;
    }
    return d->type != RESOURCE_BROKER || ((d->cluster_wide || put_unknowns(d, d->own, SOURCE_BROKER, NULL)) &&
                                          put_unknowns(d, d->cluster, SOURCE_BROKER_DEFAULT, d->own));
}

static bool refuse(const struct description *d, enum status status, struct str_view message)
{
    d->out->error_code = status_wire(status);
    d->out->error_message = message;
    return message.data != NULL;
}

static bool describe_topic(struct description *d)
{
    const struct image *image = broker_at(d->request->here)->image;
    struct str_view message;
    enum status status = topic_name_check(d->asked->resource_name, &d->request->arena, &message);

    if (status != STATUS_OK)
        return refuse(d, status, message);
    if (!image_topic(image, d->asked->resource_name))
        return refuse(d, STATUS_UNKNOWN_TOPIC_OR_PARTITION, STR_LIT(""));
    d->own = image_config(image, RESOURCE_TOPIC, d->asked->resource_name);
    return put_rows(d);
}

static bool describe_broker(struct description *d)
{
    const struct broker_shard *b = broker_at(d->request->here);
    struct str_view name = d->asked->resource_name, self = arena_format(&d->request->arena, "%d", b->broker->node_id);

    if (!self.data)
        return false;
    d->cluster_wide = name.size == 0;
    d->cluster = image_config(b->image, RESOURCE_BROKER, STR_LIT(""));
    if (!d->cluster_wide && !str_equal(name, self))
        return refuse(d, STATUS_INVALID_REQUEST,
                      arena_format(&d->request->arena,
                                   "Unexpected broker id, expected " STR_FMT " or empty string, but received " STR_FMT,
                                   STR_ARG(self), STR_ARG(name)));
    d->own = d->cluster_wide ? NULL : image_config(b->image, RESOURCE_BROKER, self);
    return d->cluster_wide && !d->cluster ? true : put_rows(d);
}

static bool describe_named(struct description *d, const char *problem)
{
    if (!d->asked->resource_name.size)
        return refuse(d, STATUS_INVALID_REQUEST, str_from(problem));
    d->own = image_config(broker_at(d->request->here)->image, d->type, d->asked->resource_name);
    return put_rows(d);
}

/* Our log has no named loggers: there is nothing to tell of the right broker's. */
static bool describe_logger(struct description *d)
{
    int32_t self = broker_at(d->request->here)->broker->node_id;
    struct str_view name = d->asked->resource_name, id = arena_format(&d->request->arena, "%d", self);

    if (!id.data)
        return false;
    if (!name.size)
        return refuse(d, STATUS_INVALID_REQUEST, STR_LIT("Broker id must not be empty"));
    return str_equal(name, id) ||
           refuse(d, STATUS_INVALID_REQUEST,
                  arena_format(&d->request->arena, "Unexpected broker id, expected %d but received " STR_FMT, self,
                               STR_ARG(name)));
}

static bool describe(struct description *d)
{
    switch (d->type) {
    case RESOURCE_TOPIC:
        return describe_topic(d);
    case RESOURCE_BROKER:
        return describe_broker(d);
    case RESOURCE_GROUP:
        return describe_named(d, "Group name must not be empty");
    case RESOURCE_CLIENT_METRICS:
        return describe_named(d, "Client metrics subscription name must not be empty");
    case RESOURCE_BROKER_LOGGER:
        return describe_logger(d);
    }
    return refuse(d, STATUS_INVALID_REQUEST,
                  arena_format(&d->request->arena, "Unsupported resource type: %d", d->asked->resource_type));
}

void api_describe_configs(struct request *r)
{
    const struct describe_configs_request *in = r->in;
    struct describe_configs_response out;

    describe_configs_response_init(&out);
    out.results = REQUEST_ALLOC(r, struct describe_configs_response_result, in->resources_count);
    for (int32_t i = 0; out.results && i < in->resources_count; i++) {
        struct description d = {.request = r,
                                .asked = &in->resources[i],
                                .type = (enum config_resource)in->resources[i].resource_type,
                                .out = &out.results[i]};

        describe_configs_response_result_init(d.out);
        d.out->resource_type = d.asked->resource_type;
        d.out->resource_name = d.asked->resource_name;
        d.out->error_message = STR_LIT(""); /* not null, in Kafka */
        if (!describe(&d))
            break;
        out.results_count++;
    }
    if (out.results && out.results_count == in->resources_count)
        request_reply(r, &out);
    else
        request_close(r, "no memory");
}
