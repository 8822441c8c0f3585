/* SPDX-License-Identifier: Apache-2.0
 * ListConfigResources (74): what has a configuration. Version 0 knew client metrics subscriptions only.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "wire/api/list_config_resources.h"

struct listing {
    struct request *request;
    struct list_config_resources_response out;
    int32_t capacity;
    bool full; /* of memory */
};

static void list(struct listing *l, enum config_resource type, struct str_view name)
{
    if (l->out.config_resources_count == l->capacity) {
        int32_t capacity = l->capacity ? l->capacity * 2 : 64;
        struct list_config_resources_response_config_resource *more =
            REQUEST_ALLOC(l->request, struct list_config_resources_response_config_resource, capacity);

        l->full |= !more;
        if (!more)
            return;
        if (l->capacity)
            memcpy(more, l->out.config_resources, (size_t)l->capacity * sizeof *more);
        l->out.config_resources = more;
        l->capacity = capacity;
    }
    l->out.config_resources[l->out.config_resources_count++] =
        (struct list_config_resources_response_config_resource){.resource_name = name, .resource_type = (int8_t)type};
}

/* Those of a type that have overrides. */
static void list_overridden(struct listing *l, enum config_resource type)
{
    const struct image *image = broker_at(l->request->here)->image;

    for (struct map_node *node = map_first(&image->configs); node; node = map_next(&image->configs, node)) {
        const struct image_config *config = MAP_ENTRY(node, struct image_config, node);

        if (config->type == type)
            list(l, type, config->name);
    }
}

static bool list_type(struct listing *l, int8_t type)
{
    const struct broker_shard *b = broker_at(l->request->here);
    struct str_view self = arena_format(&l->request->arena, "%d", b->broker->node_id);

    l->full |= !self.data;
    switch ((enum config_resource)type) {
    case RESOURCE_TOPIC:
        for (const struct image_topic *topic = image_topic_first(b->image); topic;
             topic = image_topic_next(b->image, topic))
            list(l, RESOURCE_TOPIC, topic->name);
        return true;
    case RESOURCE_BROKER:
    case RESOURCE_BROKER_LOGGER:
        list(l, (enum config_resource)type, self);
        return true;
    case RESOURCE_CLIENT_METRICS:
    case RESOURCE_GROUP:
        list_overridden(l, (enum config_resource)type);
        return true;
    }
    return false;
}

void api_list_config_resources(struct request *r)
{
    static const int8_t all[] = {RESOURCE_TOPIC, RESOURCE_BROKER, RESOURCE_BROKER_LOGGER, RESOURCE_CLIENT_METRICS,
                                 RESOURCE_GROUP};
    static const int8_t metrics[] = {RESOURCE_CLIENT_METRICS};
    const struct list_config_resources_request *in = r->in;
    const int8_t *types = r->version == 0 ? metrics : in->resource_types_count > 0 ? in->resource_types : all;
    size_t count = r->version == 0 ? 1 : in->resource_types_count > 0 ? (size_t)in->resource_types_count : sizeof all;
    struct listing l = {.request = r};
    uint64_t seen = 0;

    list_config_resources_response_init(&l.out);
    for (size_t i = 0; i < count && l.out.error_code == 0; i++) {
        uint64_t bit = types[i] > 0 && types[i] < 64 ? (uint64_t)1 << types[i] : 0;

        if (!bit || !(seen & bit) ? !list_type(&l, types[i]) : false)
            l.out.error_code = status_wire(STATUS_UNSUPPORTED_VERSION);
        seen |= bit;
    }
    if (l.out.error_code)
        l.out.config_resources_count = 0;
    if (l.full)
        request_close(r, "no memory");
    else
        request_reply(r, &l.out);
}
