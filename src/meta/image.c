/* SPDX-License-Identifier: Apache-2.0
 * See image.h: the image's objects and how they are found. What a record does to them is in apply.c.
 */
#include "meta/image_int.h"

#include "base/assert.h"
#include "base/mem.h"

void image_init(struct image *image, uint64_t seed,
                void (*changed)(void *, const struct image *, const struct image_change *), void *context)
{
    *image = (struct image){.offset = -1,
                            .producer_ids_broker = -1,
                            .producer_ids_broker_epoch = -1,
                            .changed = changed,
                            .context = context};
    map_init(&image->topics_by_name, seed);
    map_init(&image->topics_by_id, seed);
    map_init(&image->configs, seed);
    map_init(&image->carried, seed);
    map_init(&image->members, seed);
}

void image__members_give(struct image *image, struct image_members *members)
{
    if (!members || --members->users)
        return;
    map_remove(&image->members, &members->node);
    mem_free(members);
}

void image__topic_free(struct image *image, struct image_topic *topic)
{
    for (int32_t i = 0; i < topic->count; i++)
        image__members_give(image, topic->partitions[i].nodes);
    mem_free(topic->partitions);
    mem_free((void *)(uintptr_t)topic->name.data);
    mem_free(topic);
}

void image__config_free(struct image_config *config)
{
    for (size_t i = 0; i < config->count; i++)
        mem_free((void *)(uintptr_t)config->entries[i].key.data);
    mem_free(config->entries);
    mem_free((void *)(uintptr_t)config->node.key.data);
    mem_free(config);
}

void image__carried_free(struct image_carried *carried)
{
    mem_free((void *)(uintptr_t)carried->node.key.data);
    mem_free((void *)(uintptr_t)carried->record.data);
    mem_free(carried);
}

void image__broker_free(struct image_broker *broker)
{
    arena_free(&broker->arena);
    mem_free(broker);
}

void image__pending_free(struct image_pending *pending)
{
    if (!pending)
        return;
    for (size_t i = 0; i < pending->count; i++)
        mem_free((void *)(uintptr_t)pending->records[i].data);
    mem_free(pending->records);
    mem_free(pending);
}

static void maps_free(struct image *image)
{
    for (struct map_node *node = map_first(&image->topics_by_name), *next; node; node = next) {
        next = map_next(&image->topics_by_name, node);
        image__topic_free(image, MAP_ENTRY(node, struct image_topic, by_name));
    }
    for (struct map_node *node = map_first(&image->configs), *next; node; node = next) {
        next = map_next(&image->configs, node);
        image__config_free(MAP_ENTRY(node, struct image_config, node));
    }
    for (struct map_node *node = map_first(&image->carried), *next; node; node = next) {
        next = map_next(&image->carried, node);
        image__carried_free(MAP_ENTRY(node, struct image_carried, node));
    }
    map_free(&image->topics_by_name);
    map_free(&image->topics_by_id);
    map_free(&image->configs);
    map_free(&image->carried);
    map_free(&image->members);
}

void image_free(struct image *image)
{
    struct mem_user *user = mem_enter(&image->memory);

    maps_free(image);
    while (image->brokers) {
        struct image_broker *broker = image->brokers;

        image->brokers = broker->next;
        image__broker_free(broker);
    }
    for (size_t i = 0; i < image->features_count; i++)
        mem_free((void *)(uintptr_t)image->features[i].name.data);
    mem_free(image->features);
    mem_free((void *)(uintptr_t)image->voters.data);
    image__pending_free(image->pending);
    (void)mem_enter(user);
    ASSERT(image->memory.held == 0);
    *image = (struct image){.offset = -1};
}

/* ---- partitions ---- */

/* A partition that is not there has none of any kind. */
static const struct image_members *members_of(const struct image_partition *p)
{
    static const struct image_members none;

    return p->nodes ? p->nodes : &none;
}

static struct image_nodes nodes_at(const struct image_partition *p, int32_t from, uint16_t count)
{
    return (struct image_nodes){members_of(p)->ids + from, count};
}

struct image_nodes image_replicas(const struct image_partition *p)
{
    return nodes_at(p, 0, members_of(p)->replicas_count);
}

struct image_nodes image_isr(const struct image_partition *p)
{
    return nodes_at(p, members_of(p)->replicas_count, members_of(p)->isr_count);
}

struct image_nodes image_removing(const struct image_partition *p)
{
    return nodes_at(p, members_of(p)->replicas_count + members_of(p)->isr_count, members_of(p)->removing_count);
}

struct image_nodes image_adding(const struct image_partition *p)
{
    return nodes_at(p, members_of(p)->replicas_count + members_of(p)->isr_count + members_of(p)->removing_count, members_of(p)->adding_count);
}

struct image_nodes image_elr(const struct image_partition *p)
{
    return nodes_at(p, members_of(p)->replicas_count + members_of(p)->isr_count + members_of(p)->removing_count + members_of(p)->adding_count, members_of(p)->elr_count);
}

struct image_nodes image_last_known_elr(const struct image_partition *p)
{
    return nodes_at(p, members_of(p)->replicas_count + members_of(p)->isr_count + members_of(p)->removing_count + members_of(p)->adding_count + members_of(p)->elr_count,
                    members_of(p)->last_known_elr_count);
}

struct uuid image_directory(const struct image_partition *p, unsigned replica)
{
    struct image_nodes last = image_last_known_elr(p);
    struct uuid id;

    ASSERT(replica < members_of(p)->replicas_count);
    memcpy(&id, (const uint8_t *)(last.ids + last.count) + replica * sizeof id, sizeof id);
    return id;
}

struct uuid image_directory_of(const struct image_partition *p, int32_t node)
{
    struct image_nodes replicas = image_replicas(p);

    for (int32_t i = 0; i < replicas.count; i++)
        if (replicas.ids[i] == node)
            return image_directory(p, (unsigned)i);
    return (struct uuid){{0}};
}

static bool replica_is_offline(const struct image *image, const struct image_partition *p, unsigned replica)
{
    const struct image_broker *broker = image_broker(image, image_replicas(p).ids[replica]);
    struct uuid at = image_directory(p, replica);

    if (!broker || broker->record.fenced)
        return true;
    if (directory_is_reserved(at) || broker->record.log_dirs_count <= 0)
        return uuid_equal(at, DIRECTORY_LOST);
    for (int32_t i = 0; i < broker->record.log_dirs_count; i++)
        if (uuid_equal(broker->record.log_dirs[i], at))
            return false;
    return true;
}

bool image_offline_replicas(const struct image *image, const struct image_partition *p, struct arena *arena, struct image_nodes *out)
{
    struct image_nodes replicas = image_replicas(p);
    int32_t *ids = NULL;

    *out = (struct image_nodes){0};
    for (int32_t i = 0; i < replicas.count; i++) {
        if (!replica_is_offline(image, p, (unsigned)i))
            continue;
        if (!ids)
            out->ids = ids = arena_alloc(arena, (size_t)replicas.count, sizeof *ids);
        if (!ids)
            return false;
        ids[out->count++] = replicas.ids[i];
    }
    return true;
}

bool directory_is_reserved(struct uuid id)
{
    for (size_t i = 0; i + 1 < sizeof id.b; i++)
        if (id.b[i])
            return false;
    return id.b[15] < 100;
}

/* ---- look-ups ---- */

struct image_topic *image_topic(const struct image *image, struct str_view name)
{
    struct map_node *node = map_get(&image->topics_by_name, name.data, name.size);

    return node ? MAP_ENTRY(node, struct image_topic, by_name) : NULL;
}

struct image_topic *image_topic_by_id(const struct image *image, struct uuid id)
{
    struct map_node *node = map_get(&image->topics_by_id, id.b, sizeof id.b);

    return node ? MAP_ENTRY(node, struct image_topic, by_id) : NULL;
}

const struct image_partition *image_partition(const struct image_topic *topic, int32_t index)
{
    return topic && index >= 0 && index < topic->count && topic->partitions[index].nodes ? &topic->partitions[index]
                                                                                         : NULL;
}

const struct image_broker *image_broker(const struct image *image, int32_t id)
{
    const struct image_broker *broker = image->brokers;

    while (broker && broker->record.broker_id < id)
        broker = broker->next;
    return broker && broker->record.broker_id == id ? broker : NULL;
}

static struct image_topic *topic_of(struct map_node *node)
{
    return node ? MAP_ENTRY(node, struct image_topic, by_name) : NULL;
}

struct image_topic *image_topic_first(const struct image *image)
{
    return topic_of(map_first(&image->topics_by_name));
}

struct image_topic *image_topic_next(const struct image *image, const struct image_topic *topic)
{
    return topic_of(map_next(&image->topics_by_name, &topic->by_name));
}

static int order_topics(const void *a, const void *b)
{
    struct image_topic *const *left = a, *const *right = b;

    return str_order((*left)->name, (*right)->name);
}

struct image_topic **image_topics_sorted(const struct image *image, struct arena *arena, size_t *count)
{
    struct image_topic **topics = arena_alloc(arena, image->topics_by_name.count, sizeof *topics);

    *count = 0;
    if (!topics)
        return NULL;
    for (struct image_topic *topic = image_topic_first(image); topic; topic = image_topic_next(image, topic))
        topics[(*count)++] = topic;
    qsort(topics, *count, sizeof *topics, order_topics);
    return topics;
}

size_t image__config_key(enum config_resource type, struct str_view name, uint8_t key[static IMAGE_CONFIG_KEY_MAX])
{
    ASSERT(name.size < IMAGE_CONFIG_KEY_MAX);
    key[0] = (uint8_t)type;
    if (name.size)
        memcpy(key + 1, name.data, name.size);
    return name.size + 1;
}

const struct image_config *image_config(const struct image *image, enum config_resource type, struct str_view name)
{
    uint8_t key[IMAGE_CONFIG_KEY_MAX];
    struct map_node *node;

    if (name.size >= IMAGE_CONFIG_KEY_MAX)
        return NULL;
    node = map_get(&image->configs, key, image__config_key(type, name, key));
    return node ? MAP_ENTRY(node, struct image_config, node) : NULL;
}

bool image__config_find(const struct image_config *config, struct str_view key, size_t *at)
{
    size_t low = 0, high = config->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_order(key, config->entries[middle].key);

        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *at = low;
    return false;
}

struct str_view image_config_value(const struct image_config *config, struct str_view key)
{
    size_t at;

    return config && image__config_find(config, key, &at) ? config->entries[at].value : STR_NULL;
}

static int order_entries(const void *a, const void *b)
{
    const struct image_config_entry *left = a, *right = b;

    return str_order(left->key, right->key);
}

bool image_entries_sort(struct image_config_entry *entries, size_t count)
{
    qsort(entries, count, sizeof *entries, order_entries);
    for (size_t i = 1; i < count; i++) {
        if (str_equal(entries[i - 1].key, entries[i].key))
            return false;
    }
    return true;
}

int16_t image_feature_level(const struct image *image, const char *name)
{
    for (size_t i = 0; i < image->features_count; i++) {
        if (str_is(image->features[i].name, name))
            return image->features[i].level;
    }
    return 0;
}

int16_t image_partition_version(const struct image *image)
{
    if (image_feature_level(image, "eligible.leader.replicas.version") > 0)
        return 2;
    return image_feature_level(image, "metadata.version") >= METADATA_VERSION_DIRECTORIES;
}
