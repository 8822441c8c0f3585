/* SPDX-License-Identifier: Apache-2.0
 * What each record of the metadata log does to the image: one function a record type, and the table of them.
 *
 * A function gets the decoded record, whose views point into the batch: what stays is copied. It returns STATUS_CORRUPT
 * when the record contradicts the image, which a log that a controller wrote cannot.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "meta/image_int.h"
#include "meta/records.h"
#include "wire/apis.h"
#include "wire/record/access_control_entry_record.h"
#include "wire/record/broker_registration_change_record.h"
#include "wire/record/clear_elr_record.h"
#include "wire/record/client_quota_record.h"
#include "wire/record/config_record.h"
#include "wire/record/delegation_token_record.h"
#include "wire/record/feature_level_record.h"
#include "wire/record/fence_broker_record.h"
#include "wire/record/kraft_version_record.h"
#include "wire/record/partition_change_record.h"
#include "wire/record/partition_record.h"
#include "wire/record/producer_ids_record.h"
#include "wire/record/register_controller_record.h"
#include "wire/record/remove_access_control_entry_record.h"
#include "wire/record/remove_delegation_token_record.h"
#include "wire/record/remove_topic_record.h"
#include "wire/record/remove_user_scram_credential_record.h"
#include "wire/record/topic_record.h"
#include "wire/record/unfence_broker_record.h"
#include "wire/record/unregister_broker_record.h"
#include "wire/record/unregister_controller_record.h"
#include "wire/record/user_scram_credential_record.h"
#include "wire/records.h"

enum {
    DECODED_MAX = 16 << 20, /* memory that one decoded record may take */
    RECORDS_MAX = 256 << 20 /* bytes that one batch may decompress to */
};

/* One record on its way into the image. */
struct applying {
    struct image *image;
    struct arena *arena;       /* of the decoded record */
    struct bytes_view record;  /* the whole value */
    struct bytes_view payload; /* what follows its head */
    int16_t version;
    struct err *err;
};

static enum status corrupt(struct applying *a, const char *what)
{
    return err_set(a->err, STATUS_CORRUPT, "%s", what);
}

static enum status no_memory(struct applying *a)
{
    return err_set(a->err, STATUS_NO_MEMORY, "no memory for the metadata image");
}

static void tell(struct image *image, struct image_change change)
{
    struct mem_user *user = mem_enter(NULL); /* what is done about it is not the image's */

    if (image->changed)
        image->changed(image->context, image, &change);
    (void)mem_enter(user);
}

/* ---- topics and partitions ---- */

static enum status apply_topic(struct applying *a, const void *in)
{
    const struct topic_record *record = in;
    struct image *image = a->image;
    struct image_topic *topic;
    char *name;

    if (image_topic(image, record->name) || image_topic_by_id(image, record->topic_id))
        return corrupt(a, "a topic is created twice");
    if (record->name.size == 0 || record->name.size > TOPIC_NAME_MAX)
        return corrupt(a, "a topic's name is empty or too long");
    topic = mem_alloc(1, sizeof *topic);
    name = mem_copy(record->name.data, record->name.size);
    if (!topic || !name || !map_put(&image->topics_by_name, &topic->by_name, name, record->name.size)) {
        mem_free(topic);
        mem_free(name);
        return no_memory(a);
    }
    topic->name = (struct str_view){name, record->name.size};
    topic->id = record->topic_id;
    if (!map_put(&image->topics_by_id, &topic->by_id, topic->id.b, sizeof topic->id.b)) {
        map_remove(&image->topics_by_name, &topic->by_name);
        image__topic_free(a->image, topic);
        return no_memory(a);
    }
    tell(image, (struct image_change){.kind = IMAGE_TOPIC_CREATED, .topic = topic});
    return STATUS_OK;
}

static void config_remove(struct image *image, enum config_resource type, struct str_view name)
{
    struct image_config *config;
    uint8_t key[IMAGE_CONFIG_KEY_MAX];
    struct map_node *node = map_get(&image->configs, key, image__config_key(type, name, key));

    if (!node)
        return;
    config = MAP_ENTRY(node, struct image_config, node);
    map_remove(&image->configs, node);
    image__config_free(config);
}

static enum status apply_remove_topic(struct applying *a, const void *in)
{
    const struct remove_topic_record *record = in;
    struct image_topic *topic = image_topic_by_id(a->image, record->topic_id);

    if (!topic)
        return corrupt(a, "a topic is removed that is not there");
    map_remove(&a->image->topics_by_name, &topic->by_name);
    map_remove(&a->image->topics_by_id, &topic->by_id);
    for (int32_t i = 0; i < topic->count; i++)
        a->image->partitions_count -= topic->partitions[i].nodes != NULL;
    config_remove(a->image, RESOURCE_TOPIC, topic->name);
    tell(a->image, (struct image_change){.kind = IMAGE_TOPIC_DELETED, .topic = topic});
    image__topic_free(a->image, topic);
    return STATUS_OK;
}

static bool topic_reserve(struct image_topic *topic, int32_t index)
{
    int32_t capacity = topic->capacity ? topic->capacity : 1;
    struct image_partition *partitions;

    if (index < topic->capacity)
        return true;
    while (capacity <= index)
        capacity *= 2;
    partitions = mem_resize(topic->partitions, (size_t)capacity, sizeof *partitions);
    if (!partitions)
        return false;
    memset(partitions + topic->capacity, 0, (size_t)(capacity - topic->capacity) * sizeof *partitions);
    topic->partitions = partitions;
    topic->capacity = capacity;
    return true;
}

/* Makes the block of lists from the six and the directories that the parts name; the scalars are left to the caller. */
struct partition_parts {
    struct image_nodes lists[6]; /* replicas, isr, removing, adding, elr, last known elr */
    const struct uuid *directories;
    int32_t directories_count; /* that of the replicas, or 0: unassigned */
};

/* The one of that content that there is, else this one, which is taken in any case. NULL: no memory. */
static struct image_members *members_share(struct image *image, struct image_members *fresh, size_t size)
{
    const uint8_t *key = (const uint8_t *)&fresh->replicas_count;
    size_t key_size = size - offsetof(struct image_members, replicas_count);
    struct map_node *node = map_get(&image->members, key, key_size);
    struct image_members *members = node ? MAP_ENTRY(node, struct image_members, node) : fresh;

    if (node || !map_put(&image->members, &fresh->node, key, key_size)) {
        mem_free(fresh);
        members = node ? members : NULL;
    }
    if (members)
        members->users++;
    return members;
}

static enum status partition_pack(struct applying *a, struct image_partition *p, const struct partition_parts *parts)
{
    struct image_members *members;
    size_t nodes = 0;
    int32_t *to;

    for (unsigned i = 0; i < 6; i++) {
        if (parts->lists[i].count > UINT16_MAX)
            return corrupt(a, "a partition has too many replicas");
        nodes += parts->lists[i].count > 0 ? (size_t)parts->lists[i].count : 0;
    }
    if (parts->directories_count > 0 && parts->directories_count != parts->lists[0].count)
        return corrupt(a, "a partition has not as many directories as replicas");
    members = mem_alloc(1, sizeof *members + nodes * sizeof *to + (size_t)parts->lists[0].count * sizeof(struct uuid));
    if (!members)
        return no_memory(a);
    to = members->ids;
    for (unsigned i = 0; i < 6; i++) {
        for (int32_t j = 0; j < parts->lists[i].count; j++)
            *to++ = parts->lists[i].ids[j];
    }
    if (parts->directories_count > 0)
        memcpy(to, parts->directories, (size_t)parts->directories_count * sizeof *parts->directories);
    members->replicas_count = (uint16_t)parts->lists[0].count;
    members->isr_count = (uint16_t)parts->lists[1].count;
    members->removing_count = (uint16_t)parts->lists[2].count;
    members->adding_count = (uint16_t)parts->lists[3].count;
    members->elr_count = (uint16_t)(parts->lists[4].count > 0 ? parts->lists[4].count : 0);
    members->last_known_elr_count = (uint16_t)(parts->lists[5].count > 0 ? parts->lists[5].count : 0);
    members = members_share(a->image, members, sizeof *members + nodes * sizeof *to + (size_t)parts->lists[0].count * sizeof(struct uuid));
    if (!members)
        return no_memory(a);
    image__members_give(a->image, p->nodes); /* the parts may have pointed into it */
    p->nodes = members;
    return STATUS_OK;
}

static enum status apply_partition(struct applying *a, const void *in)
{
    const struct partition_record *record = in;
    struct image_topic *topic = image_topic_by_id(a->image, record->topic_id);
    struct partition_parts parts = {
        .lists = {{record->replicas, record->replicas_count},
                  {record->isr, record->isr_count},
                  {record->removing_replicas, record->removing_replicas_count},
                  {record->adding_replicas, record->adding_replicas_count},
                  {record->eligible_leader_replicas, record->eligible_leader_replicas_count},
                  {record->last_known_elr, record->last_known_elr_count}},
        .directories = record->directories,
        .directories_count = record->directories_count,
    };
    struct image_partition *p;
    enum status status;
    bool fresh;

    if (!topic)
        return corrupt(a, "a partition of a topic that is not there");
    if (record->partition_id < 0 || record->partition_id >= IMAGE_PARTITION_MAX)
        return corrupt(a, "a partition's index is out of bounds");
    if (!topic_reserve(topic, record->partition_id))
        return no_memory(a);
    p = &topic->partitions[record->partition_id];
    fresh = !p->nodes;
    status = partition_pack(a, p, &parts);
    if (status != STATUS_OK)
        return status;
    p->leader = record->leader;
    p->leader_epoch = record->leader_epoch;
    p->partition_epoch = record->partition_epoch;
    p->recovery_state = record->leader_recovery_state;
    if (record->partition_id >= topic->count)
        topic->count = record->partition_id + 1;
    a->image->partitions_count += fresh;
    tell(a->image, (struct image_change){.kind = fresh ? IMAGE_PARTITION_CREATED : IMAGE_PARTITION_CHANGED,
                                         .topic = topic,
                                         .partition = record->partition_id});
    return STATUS_OK;
}

/* A list of a change: null leaves what was. */
static struct image_nodes changed_nodes(const int32_t *ids, int32_t count, struct image_nodes before)
{
    return count < 0 ? before : (struct image_nodes){ids, count};
}

/* The directories that a change of replicas leaves, when the record does not list them (version 0). */
static enum status changed_directories(struct applying *a, const struct partition_change_record *record,
                                       const struct image_partition *p, struct partition_parts *parts)
{
    struct uuid *ids;

    parts->directories = record->directories;
    parts->directories_count = record->directories_count;
    if (record->directories_count >= 0 || parts->lists[0].count <= 0)
        return STATUS_OK;
    ids = arena_alloc(a->arena, (size_t)parts->lists[0].count, sizeof *ids);
    if (!ids)
        return no_memory(a);
    for (int32_t i = 0; i < parts->lists[0].count; i++) {
        for (unsigned j = 0; j < p->nodes->replicas_count; j++) {
            if (p->nodes->ids[j] == parts->lists[0].ids[i])
                ids[i] = image_directory(p, j);
        }
    }
    parts->directories = ids;
    parts->directories_count = parts->lists[0].count;
    return STATUS_OK;
}

static enum status apply_partition_change(struct applying *a, const void *in)
{
    const struct partition_change_record *record = in;
    struct image_topic *topic = image_topic_by_id(a->image, record->topic_id);
    struct image_partition *p =
        image_partition(topic, record->partition_id) ? &topic->partitions[record->partition_id] : NULL;
    struct partition_parts parts;
    enum status status;

    if (!p)
        return corrupt(a, "a partition is changed that is not there");
    parts = (struct partition_parts){
        .lists = {changed_nodes(record->replicas, record->replicas_count, image_replicas(p)),
                  changed_nodes(record->isr, record->isr_count, image_isr(p)),
                  changed_nodes(record->removing_replicas, record->removing_replicas_count, image_removing(p)),
                  changed_nodes(record->adding_replicas, record->adding_replicas_count, image_adding(p)),
                  changed_nodes(record->eligible_leader_replicas, record->eligible_leader_replicas_count, image_elr(p)),
                  changed_nodes(record->last_known_elr, record->last_known_elr_count, image_last_known_elr(p))}};
    status = changed_directories(a, record, p, &parts);
    if (status == STATUS_OK)
        status = partition_pack(a, p, &parts);
    if (status != STATUS_OK)
        return status;
    if (record->leader != -2) { /* -2: unchanged. A leader that is set opens an epoch, also when it is the same one. */
        p->leader = record->leader;
        p->leader_epoch++;
    }
    if (record->leader_recovery_state >= 0)
        p->recovery_state = record->leader_recovery_state;
    p->partition_epoch++;
    tell(a->image,
         (struct image_change){.kind = IMAGE_PARTITION_CHANGED, .topic = topic, .partition = record->partition_id});
    return STATUS_OK;
}

/* KIP-966: ELRs are forgotten when min.insync.replicas changes; topic "" is all. */
static enum status apply_clear_elr(struct applying *a, const void *in)
{
    const struct clear_elr_record *record = in;
    enum status status = STATUS_OK;

    for (struct image_topic *topic = image_topic_first(a->image); topic && status == STATUS_OK;
         topic = image_topic_next(a->image, topic)) {
        if (record->topic_name.size && !str_equal(record->topic_name, topic->name))
            continue;
        for (int32_t i = 0; i < topic->count && status == STATUS_OK; i++) {
            struct image_partition *p = &topic->partitions[i];
            struct partition_change_record none;
            struct partition_parts parts;

            if (!p->nodes || (!p->nodes->elr_count && !p->nodes->last_known_elr_count))
                continue;
            partition_change_record_init(&none);
            parts = (struct partition_parts){
                .lists = {image_replicas(p), image_isr(p), image_removing(p), image_adding(p)}};
            status = changed_directories(a, &none, p, &parts);
            if (status == STATUS_OK)
                status = partition_pack(a, p, &parts);
        }
    }
    return status;
}

/* ---- configs ---- */

static struct image_config *config_make(struct applying *a, enum config_resource type, struct str_view name)
{
    uint8_t key[IMAGE_CONFIG_KEY_MAX];
    size_t size = image__config_key(type, name, key);
    struct map_node *node = map_get(&a->image->configs, key, size);
    struct image_config *config;
    char *copy;

    if (node)
        return MAP_ENTRY(node, struct image_config, node);
    config = mem_alloc(1, sizeof *config);
    copy = mem_copy(key, size);
    if (!config || !copy || !map_put(&a->image->configs, &config->node, copy, size)) {
        mem_free(config);
        mem_free(copy);
        return NULL;
    }
    config->type = type;
    config->name = (struct str_view){copy + 1, size - 1};
    return config;
}

/* One block holds key and value, so that an entry is freed by its key. */
static bool config_put(struct image_config *config, struct str_view key, struct str_view value)
{
    struct image_config_entry *entries;
    char *block = mem_alloc(1, key.size + value.size + 2);
    size_t at;
    bool there = image__config_find(config, key, &at);

    entries = block && !there ? mem_resize(config->entries, config->count + 1, sizeof *entries) : config->entries;
    if (!block || !entries) {
        mem_free(block);
        return false;
    }
    config->entries = entries;
    if (there)
        mem_free((void *)(uintptr_t)entries[at].key.data);
    else
        memmove(entries + at + 1, entries + at, (config->count++ - at) * sizeof *entries);
    if (key.size)
        memcpy(block, key.data, key.size);
    if (value.size)
        memcpy(block + key.size + 1, value.data, value.size);
    entries[at].key = (struct str_view){block, key.size};
    entries[at].value = (struct str_view){block + key.size + 1, value.size};
    return true;
}

static enum status apply_config(struct applying *a, const void *in)
{
    const struct config_record *record = in;
    enum config_resource type = (enum config_resource)record->resource_type;
    struct image_config *config;
    size_t at;

    if (record->resource_name.size >= IMAGE_CONFIG_KEY_MAX)
        return corrupt(a, "a resource's name is too long");
    config = config_make(a, type, record->resource_name);
    if (!config || (record->value.data && !config_put(config, record->name, record->value)))
        return no_memory(a);
    if (!record->value.data && image__config_find(config, record->name, &at)) {
        mem_free((void *)(uintptr_t)config->entries[at].key.data);
        memmove(config->entries + at, config->entries + at + 1, (--config->count - at) * sizeof *config->entries);
    }
    if (!config->count)
        config_remove(a->image, type, record->resource_name);
    tell(a->image, (struct image_change){
                       .kind = IMAGE_CONFIG_CHANGED, .config_type = type, .config_name = record->resource_name});
    return STATUS_OK;
}

/* ---- brokers ---- */

static struct image_broker **broker_place(struct image *image, int32_t id)
{
    struct image_broker **at = &image->brokers;

    while (*at && (*at)->record.broker_id < id)
        at = &(*at)->next;
    return at;
}

static enum status broker_of(struct applying *a, int32_t id, int64_t epoch, struct image_broker **broker)
{
    *broker = *broker_place(a->image, id);
    if (!*broker || (*broker)->record.broker_id != id || (*broker)->record.broker_epoch != epoch)
        return corrupt(a, "a broker or broker epoch that is not registered");
    return STATUS_OK;
}

static enum status apply_register_broker(struct applying *a, const void *in)
{
    const struct register_broker_record *record = in;
    struct image_broker **at = broker_place(a->image, record->broker_id);
    struct image_broker *broker = mem_alloc(1, sizeof *broker);
    struct reader r;
    uint8_t *copy;

    if (!broker)
        return no_memory(a);
    arena_init(&broker->arena, DECODED_MAX);
    copy = arena_alloc(&broker->arena, a->payload.size, 1);
    if (copy) {
        memcpy(copy, a->payload.data, a->payload.size);
        reader_init(&r, copy, a->payload.size);
    }
    if (!copy || register_broker_record_decode(&r, a->version, &broker->arena, &broker->record) != STATUS_OK) {
        image__broker_free(broker);
        return no_memory(a); /* it did decode before */
    }
    broker->next = *at;
    if (*at && (*at)->record.broker_id == record->broker_id) {
        broker->next = (*at)->next;
        image__broker_free(*at);
    }
    *at = broker;
    tell(a->image, (struct image_change){.kind = IMAGE_BROKERS_CHANGED});
    return STATUS_OK;
}

static enum status apply_unregister_broker(struct applying *a, const void *in)
{
    const struct unregister_broker_record *record = in;
    struct image_broker **at = broker_place(a->image, record->broker_id), *broker;
    enum status status = broker_of(a, record->broker_id, record->broker_epoch, &broker);

    if (status != STATUS_OK)
        return status;
    *at = broker->next;
    image__broker_free(broker);
    tell(a->image, (struct image_change){.kind = IMAGE_BROKERS_CHANGED});
    return STATUS_OK;
}

static enum status set_fenced(struct applying *a, int32_t id, int64_t epoch, bool fenced)
{
    struct image_broker *broker;
    enum status status = broker_of(a, id, epoch, &broker);

    if (status != STATUS_OK)
        return status;
    broker->record.fenced = fenced;
    tell(a->image, (struct image_change){.kind = IMAGE_BROKERS_CHANGED});
    return STATUS_OK;
}

static enum status apply_fence_broker(struct applying *a, const void *in)
{
    const struct fence_broker_record *record = in;

    return set_fenced(a, record->id, record->epoch, true);
}

static enum status apply_unfence_broker(struct applying *a, const void *in)
{
    const struct unfence_broker_record *record = in;

    return set_fenced(a, record->id, record->epoch, false);
}

static bool copy_uuids(struct arena *arena, const struct uuid *from, int32_t count, struct uuid **to, int32_t *to_count)
{
    struct uuid *copy = arena_alloc(arena, (size_t)count, sizeof *copy);

    if (!copy)
        return false;
    if (count)
        memcpy(copy, from, (size_t)count * sizeof *copy);
    *to = copy;
    *to_count = count;
    return true;
}

static enum status apply_broker_change(struct applying *a, const void *in)
{
    const struct broker_registration_change_record *record = in;
    struct image_broker *broker;
    enum status status = broker_of(a, record->broker_id, record->broker_epoch, &broker);

    if (status != STATUS_OK)
        return status;
    if (record->fenced)
        broker->record.fenced = record->fenced > 0; /* 1 fences, -1 unfences */
    if (record->in_controlled_shutdown)
        broker->record.in_controlled_shutdown = record->in_controlled_shutdown > 0;
    if (record->log_dirs_count > 0 && !copy_uuids(&broker->arena, record->log_dirs, record->log_dirs_count,
                                                  &broker->record.log_dirs, &broker->record.log_dirs_count))
        return no_memory(a);
    if (record->cordoned_log_dirs_count >= 0 &&
        !copy_uuids(&broker->arena, record->cordoned_log_dirs, record->cordoned_log_dirs_count,
                    &broker->record.cordoned_log_dirs, &broker->record.cordoned_log_dirs_count))
        return no_memory(a);
    tell(a->image, (struct image_change){.kind = IMAGE_BROKERS_CHANGED});
    return STATUS_OK;
}

/* ---- features, producer ids ---- */

static void feature_remove(struct image *image, size_t at)
{
    mem_free((void *)(uintptr_t)image->features[at].name.data);
    memmove(image->features + at, image->features + at + 1, (--image->features_count - at) * sizeof *image->features);
}

/* Level 0 is the feature's absence. */
static enum status apply_feature(struct applying *a, const void *in)
{
    const struct feature_level_record *record = in;
    struct image *image = a->image;
    struct image_feature *features;
    char *name;
    size_t at = 0;

    while (at < image->features_count && str_order(image->features[at].name, record->name) < 0)
        at++;
    if (at < image->features_count && str_equal(image->features[at].name, record->name)) {
        if (record->feature_level == 0)
            feature_remove(image, at);
        else
            image->features[at].level = record->feature_level;
        return STATUS_OK;
    }
    if (record->feature_level == 0)
        return STATUS_OK;
    name = mem_copy(record->name.data, record->name.size);
    features = name ? mem_resize(image->features, image->features_count + 1, sizeof *features) : NULL;
    if (!features) {
        mem_free(name);
        return no_memory(a);
    }
    memmove(features + at + 1, features + at, (image->features_count - at) * sizeof *features);
    features[at] = (struct image_feature){{name, record->name.size}, record->feature_level};
    image->features = features;
    image->features_count++;
    return STATUS_OK;
}

static enum status apply_producer_ids(struct applying *a, const void *in)
{
    const struct producer_ids_record *record = in;

    a->image->next_producer_id = record->next_producer_id;
    a->image->producer_ids_broker = record->broker_id;
    a->image->producer_ids_broker_epoch = record->broker_epoch;
    return STATUS_OK;
}

/* ---- what is carried ---- */

/* Keeps the record under `key`, or drops what is there when `record` is null. */
static enum status carry(struct applying *a, const void *key, size_t size, struct bytes_view record)
{
    struct map_node *node = map_get(&a->image->carried, key, size);
    struct image_carried *carried;

    if (node) {
        map_remove(&a->image->carried, node);
        image__carried_free(MAP_ENTRY(node, struct image_carried, node));
    }
    if (!record.data)
        return STATUS_OK;
    carried = mem_alloc(1, sizeof *carried);
    if (!carried)
        return no_memory(a);
    carried->record = (struct bytes_view){mem_copy(record.data, record.size), record.size};
    carried->node.key = (struct bytes_view){mem_copy(key, size), size};
    if (!carried->record.data || !carried->node.key.data ||
        !map_put(&a->image->carried, &carried->node, carried->node.key.data, size)) {
        image__carried_free(carried);
        return no_memory(a);
    }
    return STATUS_OK;
}

/* The key: kind, then the identity's parts, each with its size. */
struct carried_key {
    struct arena *arena;
    uint8_t *bytes;
    size_t size, capacity;
    bool failed;
};

static void key_part(struct carried_key *key, const void *part, size_t size)
{
    uint32_t head = (uint32_t)size;
    size_t need = key->size + sizeof head + size;

    if (need > key->capacity) {
        uint8_t *bytes = arena_alloc(key->arena, need * 2, 1);

        if (!bytes) {
            key->failed = true;
            return;
        }
        if (key->size)
            memcpy(bytes, key->bytes, key->size);
        key->bytes = bytes;
        key->capacity = need * 2;
    }
    memcpy(key->bytes + key->size, &head, sizeof head);
    if (size)
        memcpy(key->bytes + key->size + sizeof head, part, size);
    key->size = need;
}

static struct carried_key key_begin(struct applying *a, int16_t type)
{
    struct carried_key key = {.arena = a->arena};

    key_part(&key, &type, sizeof type);
    return key;
}

static enum status key_carry(struct applying *a, const struct carried_key *key, bool keep)
{
    return key->failed ? no_memory(a)
                       : carry(a, key->bytes, key->size, keep ? a->record : (struct bytes_view){NULL, 0});
}

static enum status apply_quota(struct applying *a, const void *in)
{
    const struct client_quota_record *record = in;
    struct carried_key key = key_begin(a, CLIENT_QUOTA_RECORD_API_KEY);

    for (int32_t i = 0; i < record->entity_count; i++) {
        key_part(&key, record->entity[i].entity_type.data, record->entity[i].entity_type.size);
        key_part(&key, record->entity[i].entity_name.data ? "n" : "d", 1); /* null is the default entity */
        key_part(&key, record->entity[i].entity_name.data, record->entity[i].entity_name.size);
    }
    key_part(&key, record->key.data, record->key.size);
    return key_carry(a, &key, !record->remove);
}

static enum status apply_acl(struct applying *a, const void *in)
{
    const struct access_control_entry_record *record = in;
    struct carried_key key = key_begin(a, ACCESS_CONTROL_ENTRY_RECORD_API_KEY);

    key_part(&key, record->id.b, sizeof record->id.b);
    return key_carry(a, &key, true);
}

static enum status apply_remove_acl(struct applying *a, const void *in)
{
    const struct remove_access_control_entry_record *record = in;
    struct carried_key key = key_begin(a, ACCESS_CONTROL_ENTRY_RECORD_API_KEY);

    key_part(&key, record->id.b, sizeof record->id.b);
    return key_carry(a, &key, false);
}

static enum status apply_scram(struct applying *a, const void *in)
{
    const struct user_scram_credential_record *record = in;
    struct carried_key key = key_begin(a, USER_SCRAM_CREDENTIAL_RECORD_API_KEY);

    key_part(&key, record->name.data, record->name.size);
    key_part(&key, &record->mechanism, sizeof record->mechanism);
    return key_carry(a, &key, true);
}

static enum status apply_remove_scram(struct applying *a, const void *in)
{
    const struct remove_user_scram_credential_record *record = in;
    struct carried_key key = key_begin(a, USER_SCRAM_CREDENTIAL_RECORD_API_KEY);

    key_part(&key, record->name.data, record->name.size);
    key_part(&key, &record->mechanism, sizeof record->mechanism);
    return key_carry(a, &key, false);
}

static enum status apply_token(struct applying *a, const void *in)
{
    const struct delegation_token_record *record = in;
    struct carried_key key = key_begin(a, DELEGATION_TOKEN_RECORD_API_KEY);

    key_part(&key, record->token_id.data, record->token_id.size);
    return key_carry(a, &key, true);
}

static enum status apply_remove_token(struct applying *a, const void *in)
{
    const struct remove_delegation_token_record *record = in;
    struct carried_key key = key_begin(a, DELEGATION_TOKEN_RECORD_API_KEY);

    key_part(&key, record->token_id.data, record->token_id.size);
    return key_carry(a, &key, false);
}

static enum status apply_controller(struct applying *a, const void *in)
{
    const struct register_controller_record *record = in;
    struct carried_key key = key_begin(a, REGISTER_CONTROLLER_RECORD_API_KEY);

    key_part(&key, &record->controller_id, sizeof record->controller_id);
    return key_carry(a, &key, true);
}

static enum status apply_unregister_controller(struct applying *a, const void *in)
{
    const struct unregister_controller_record *record = in;
    struct carried_key key = key_begin(a, REGISTER_CONTROLLER_RECORD_API_KEY);

    key_part(&key, &record->controller_id, sizeof record->controller_id);
    return key_carry(a, &key, false);
}

static enum status apply_nothing(struct applying *a, const void *in)
{
    (void)a;
    (void)in;
    return STATUS_OK;
}

/* ---- records ---- */

enum { ABORT_TRANSACTION = 25, BEGIN_TRANSACTION = 23, END_TRANSACTION = 24, RECORD_TYPES = 30 };

static enum status (*const apply_table[RECORD_TYPES])(struct applying *a, const void *in) = {
    [0] = apply_register_broker,
    [1] = apply_unregister_broker,
    [2] = apply_topic,
    [3] = apply_partition,
    [4] = apply_config,
    [5] = apply_partition_change,
    [7] = apply_fence_broker,
    [8] = apply_unfence_broker,
    [9] = apply_remove_topic,
    [10] = apply_token,
    [11] = apply_scram,
    [12] = apply_feature,
    [14] = apply_quota,
    [15] = apply_producer_ids,
    [17] = apply_broker_change,
    [18] = apply_acl,
    [19] = apply_remove_acl,
    [20] = apply_nothing, /* NoOp */
    [21] = apply_nothing, /* ZkMigrationState: only ever "none" since Kafka 4 */
    [22] = apply_remove_scram,
    [26] = apply_remove_token,
    [27] = apply_controller,
    [28] = apply_clear_elr,
    [29] = apply_unregister_controller,
};

static enum status decode_and_apply(struct applying *a, const struct message *message, struct reader *r,
                                    enum status (*apply)(struct applying *, const void *))
{
    void *decoded = arena_alloc(a->arena, 1, message->size);
    enum status status;

    if (!decoded)
        return no_memory(a);
    a->payload = (struct bytes_view){r->at, r->left};
    status = message_decode(message, r, a->version, a->arena, decoded);
    if (status == STATUS_OK)
        status = reader_done(r);
    if (status == STATUS_NO_MEMORY)
        return no_memory(a);
    if (status == STATUS_OK)
        status = apply(a, decoded);
    else
        status = corrupt(a, "it does not decode");
    return status == STATUS_OK ? status : err_wrap(a->err, "metadata record %s version %d", message->name, a->version);
}

/* The head of a record: type and version. */
static enum status frame_read(struct reader *r, uint32_t *type, uint32_t *version, struct err *err)
{
    uint32_t frame = reader_uvarint(r);

    *type = reader_uvarint(r);
    *version = reader_uvarint(r);
    if (r->bad)
        return err_set(err, STATUS_CORRUPT, "a metadata record has no head");
    if (frame != META_FRAME_VERSION)
        return err_set(err, STATUS_UNSUPPORTED_VERSION,
                       "metadata record of frame version %u: written by a newer Kafka?", frame);
    return STATUS_OK;
}

static enum status apply_now(struct image *image, struct bytes_view record, struct err *err)
{
    struct applying a = {.image = image, .record = record, .err = err};
    const struct message *message;
    uint32_t type, version;
    struct arena arena;
    struct reader r;
    enum status status;

    reader_init(&r, record.data, record.size);
    status = frame_read(&r, &type, &version, err);
    if (status != STATUS_OK)
        return status;
    message = type < RECORD_TYPES ? message_of(MESSAGE_METADATA, (int16_t)type) : NULL;
    if (!message || !apply_table[type])
        return err_set(err, STATUS_UNSUPPORTED_VERSION, "metadata record of unknown type %u: written by a newer Kafka?",
                       type);
    if (version > INT16_MAX || !message_has_version(message, (int16_t)version))
        return err_set(err, STATUS_UNSUPPORTED_VERSION,
                       "metadata record %s of unknown version %u: written by a newer Kafka?", message->name, version);
    arena_init(&arena, DECODED_MAX);
    a.arena = &arena;
    a.version = (int16_t)version;
    status = decode_and_apply(&a, message, &r, apply_table[type]);
    arena_free(&arena);
    return status;
}

/* ---- transactions (KIP-868): records between Begin and End take effect at End ---- */

static enum status pending_add(struct image *image, struct bytes_view record, struct err *err)
{
    struct image_pending *pending = image->pending;
    struct bytes_view copy = {mem_copy(record.data, record.size), record.size};

    if (copy.data && pending->count == pending->capacity) {
        size_t capacity = pending->capacity ? pending->capacity * 2 : 16;
        struct bytes_view *records = mem_resize(pending->records, capacity, sizeof *records);

        if (!records) {
            mem_free((void *)(uintptr_t)copy.data);
            copy.data = NULL;
        } else {
            pending->records = records;
            pending->capacity = capacity;
        }
    }
    if (!copy.data)
        return err_set(err, STATUS_NO_MEMORY, "no memory for a metadata transaction");
    pending->records[pending->count++] = copy;
    return STATUS_OK;
}

static enum status transaction_begin(struct image *image, struct err *err)
{
    if (image->pending)
        return err_set(err, STATUS_CORRUPT, "a metadata transaction begins within another");
    image->pending = mem_alloc(1, sizeof *image->pending);
    return image->pending ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "no memory for a metadata transaction");
}

static enum status transaction_end(struct image *image, bool commit, struct err *err)
{
    struct image_pending *pending = image->pending;
    enum status status = STATUS_OK;

    if (!pending)
        return err_set(err, STATUS_CORRUPT, "a metadata transaction ends that did not begin");
    image->pending = NULL;
    for (size_t i = 0; commit && i < pending->count && status == STATUS_OK; i++)
        status = apply_now(image, pending->records[i], err);
    image__pending_free(pending);
    return status;
}

static enum status apply_record(struct image *image, struct bytes_view record, struct err *err)
{
    uint32_t type, version;
    struct reader r;
    enum status status;

    reader_init(&r, record.data, record.size);
    status = frame_read(&r, &type, &version, err);
    if (status != STATUS_OK)
        return status;
    if (type == BEGIN_TRANSACTION)
        return transaction_begin(image, err);
    if (type == END_TRANSACTION || type == ABORT_TRANSACTION)
        return transaction_end(image, type == END_TRANSACTION, err);
    return image->pending ? pending_add(image, record, err) : apply_now(image, record, err);
}

enum status image_apply(struct image *image, struct bytes_view record, struct err *err)
{
    struct mem_user *user = mem_enter(&image->memory);
    enum status status = apply_record(image, record, err);

    (void)mem_enter(user);
    return status;
}

/* ---- batches ---- */

/* Control records of the quorum: what a snapshot must repeat. */
static enum status apply_voters(struct image *image, struct bytes_view value, struct err *err)
{
    struct mem_user *user = mem_enter(&image->memory);
    uint8_t *copy = mem_copy(value.data, value.size);

    if (copy) {
        mem_free((void *)(uintptr_t)image->voters.data);
        image->voters = (struct bytes_view){copy, value.size};
    }
    (void)mem_enter(user);
    return copy ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "no memory for the voters");
}

static enum status apply_control(struct image *image, const struct record *record, struct err *err)
{
    enum { CONTROL_LEADER_CHANGE = 2, CONTROL_KRAFT_VERSION = 5, CONTROL_VOTERS = 6 };
    struct kraft_version_record version;
    struct arena arena;
    struct reader r;
    enum status status = STATUS_OK;
    int16_t type;

    reader_init(&r, record->key.data, record->key.size);
    (void)reader_i16(&r);
    type = reader_i16(&r);
    if (r.bad || !record->value.data)
        return err_set(err, STATUS_CORRUPT, "a control record has no type");
    if (type < CONTROL_LEADER_CHANGE || type > CONTROL_VOTERS)
        return err_set(err, STATUS_UNSUPPORTED_VERSION, "control record of unknown type %d: written by a newer Kafka?", type);
    if (type == CONTROL_KRAFT_VERSION) {
        arena_init(&arena, DECODED_MAX);
        reader_init(&r, record->value.data, record->value.size);
        status = kraft_version_record_decode(&r, 0, &arena, &version);
        arena_free(&arena);
        if (status != STATUS_OK)
            return err_set(err, status, "the KRaftVersion record does not decode");
        image->kraft_version = version.kraft_version;
    } else if (type == CONTROL_VOTERS) {
        status = apply_voters(image, record->value, err);
    }
    return status;
}

static enum status apply_records(struct image *image, struct record_cursor *cursor, bool control, struct err *err)
{
    enum status status;

    for (;;) {
        struct record record;
        bool more;

        status = record_next(cursor, &record, &more);
        if (status != STATUS_OK)
            return err_set(err, status == STATUS_NO_MEMORY ? status : STATUS_CORRUPT,
                           "a metadata batch does not decode");
        if (!more)
            return STATUS_OK;
        status = control             ? apply_control(image, &record, err)
                 : record.value.data ? image_apply(image, record.value, err)
                                     : err_set(err, STATUS_CORRUPT, "a metadata record has no value");
        if (status != STATUS_OK)
            return err_wrap(err, "offset %lld", (long long)record.offset);
        image->offset = record.offset;
        image->timestamp = record.timestamp;
    }
}

enum status image_apply_batch(struct image *image, struct bytes_view batch, struct err *err)
{
    struct record_cursor *cursor;
    struct batch_head head;
    struct arena arena;
    enum status status;

    if (!batch_head_read(batch, &head))
        return err_set(err, STATUS_CORRUPT, "a metadata batch is cut short");
    arena_init(&arena, RECORDS_MAX);
    cursor = record_cursor_new(&arena, batch, RECORDS_MAX);
    if (cursor)
        status = apply_records(image, cursor, head.attributes & BATCH_CONTROL, err);
    else
        status = err_set(err, STATUS_NO_MEMORY, "no memory for a metadata batch");
    if (cursor)
        record_cursor_free(cursor);
    arena_free(&arena);
    if (status == STATUS_OK) {
        image->offset = batch_last_offset(&head);
        image->epoch = head.leader_epoch;
        image->timestamp = head.max_timestamp;
    }
    return status;
}
