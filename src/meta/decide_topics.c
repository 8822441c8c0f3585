/* SPDX-License-Identifier: Apache-2.0
 * Decisions on topics and partitions: see decide.h.
 */
#include <stdarg.h>

#include "meta/decide_int.h"
#include "wire/api/create_partitions.h"
#include "wire/api/create_topics.h"
#include "wire/api/delete_topics.h"
#include "wire/record/partition_record.h"
#include "wire/record/remove_topic_record.h"
#include "wire/record/topic_record.h"

#define NO_SUCH_PARTITION "This server does not host this topic-partition."
#define NO_SUCH_TOPIC_ID "This server does not host this topic ID."

struct verdict decide__refuse(struct decision *d, enum status status, const char *format, ...)
{
    struct verdict verdict = {status, STR_NULL};
    va_list args;

    va_start(args, format);
    verdict.message = arena_format_list(d->arena, format, args);
    va_end(args);
    return verdict;
}

/* ---- names ---- */

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

enum status topic_name_check(struct str_view name, struct arena *arena, struct str_view *message)
{
    size_t good = 0;

    while (good < name.size && name_char(name.data[good]))
        good++;
    *message = STR_NULL;
    if (!name.size)
        *message = STR_LIT("Topic name is invalid: the empty string is not allowed");
    else if (str_is(name, ".") || str_is(name, ".."))
        *message = arena_format(arena, "Topic name is invalid: '" STR_FMT "' is not allowed", STR_ARG(name));
    else if (name.size > TOPIC_NAME_MAX)
        *message = arena_format(
            arena, "Topic name is invalid: the length of '" STR_FMT "' is longer than the max allowed length %d",
            STR_ARG(name), TOPIC_NAME_MAX);
    else if (good < name.size)
        *message = arena_format(arena,
                                "Topic name is invalid: '" STR_FMT
                                "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
                                STR_ARG(name));
    else
        return STATUS_OK;
    return STATUS_INVALID_TOPIC_EXCEPTION;
}

/* '.' and '_' are the same letter in the names of metrics: two topics may not differ in them alone. */
static bool names_collide(struct str_view a, struct str_view b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        char left = a.data[i] == '.' ? '_' : a.data[i], right = b.data[i] == '.' ? '_' : b.data[i];

        if (left != right)
            return false;
    }
    return true;
}

static const struct image_topic *colliding_topic(const struct image *image, struct str_view name)
{
    bool special = memchr(name.data, '.', name.size) || memchr(name.data, '_', name.size);

    for (const struct image_topic *topic = special ? image_topic_first(image) : NULL; topic;
         topic = image_topic_next(image, topic)) {
        if (names_collide(topic->name, name))
            return topic;
    }
    return NULL;
}

static struct verdict check_new_name(struct decision *d, struct str_view name)
{
    const struct image_topic *other;
    struct str_view message;
    enum status status;

    if (str_is(name, "__cluster_metadata"))
        return decide__refuse(d, STATUS_INVALID_REQUEST,
                              "Creation of internal topic __cluster_metadata is prohibited.");
    if (image_topic(d->image, name))
        return decide__refuse(d, STATUS_TOPIC_ALREADY_EXISTS, "Topic '" STR_FMT "' already exists.", STR_ARG(name));
    status = topic_name_check(name, d->arena, &message);
    if (status != STATUS_OK)
        return (struct verdict){status, message};
    other = colliding_topic(d->image, name);
    if (other)
        return decide__refuse(d, STATUS_INVALID_TOPIC_EXCEPTION,
                              "Topic '" STR_FMT "' collides with existing topic: " STR_FMT, STR_ARG(name),
                              STR_ARG(other->name));
    return VERDICT_OK;
}

/* How a name of a request stands to the others. */
enum repeat { NAME_ONCE, NAME_REPEATED, NAME_REPEATS /* an earlier one */ };

struct named {
    struct map_node node;
    size_t index;
};

/* Notes which names are there more than once. `stride` leads from one name to the next. */
static enum repeat *find_repeats(struct decision *d, const struct str_view *first, size_t stride, int32_t count)
{
    size_t n = count > 0 ? (size_t)count : 0;
    enum repeat *repeats = arena_alloc(d->arena, n, sizeof *repeats);
    struct named *names = arena_alloc(d->arena, n, sizeof *names);
    struct map map;

    map_init(&map, d->image->topics_by_name.seed);
    for (size_t i = 0; repeats && i < n; i++) {
        const struct str_view *name = (const struct str_view *)(const void *)((const char *)first + i * stride);
        struct map_node *other = map_get(&map, name->data, name->size);

        if (other) {
            repeats[MAP_ENTRY(other, struct named, node)->index] = NAME_REPEATED;
            repeats[i] = NAME_REPEATS;
        } else if (names) {
            names[i].index = i;
            if (!map_put(&map, &names[i].node, name->data, name->size))
                names = NULL;
        }
    }
    map_free(&map);
    return names ? repeats : NULL;
}

/* ---- placing replicas ---- */

static bool broker_active(const struct image_broker *broker)
{
    return !broker->record.fenced && !broker->record.in_controlled_shutdown;
}

static bool is_cordoned(const struct register_broker_record *broker, struct uuid directory)
{
    for (int32_t i = 0; i < broker->cordoned_log_dirs_count; i++) {
        if (uuid_equal(broker->cordoned_log_dirs[i], directory))
            return true;
    }
    return false;
}

/* Whether new replicas may be put on it. */
static bool broker_takes(const struct image_broker *broker)
{
    const struct register_broker_record *record = &broker->record;
    int32_t cordoned = 0;

    for (int32_t i = 0; i < record->log_dirs_count; i++)
        cordoned += is_cordoned(record, record->log_dirs[i]);
    return broker_active(broker) && (cordoned == 0 || cordoned < record->log_dirs_count);
}

/* How many partitions each directory of a broker has. */
struct decide_place {
    struct decide_place *next;
    const struct image_broker *broker;
    int64_t partitions[];
};

static void place_count(const struct image *image, struct decide_place *place)
{
    const struct register_broker_record *broker = &place->broker->record;

    for (const struct image_topic *topic = image_topic_first(image); topic; topic = image_topic_next(image, topic)) {
        for (int32_t i = 0; i < topic->count; i++) {
            struct uuid at = topic->partitions[i].nodes ? image_directory_of(&topic->partitions[i], broker->broker_id) : (struct uuid){{0}};

            for (int32_t j = 0; j < broker->log_dirs_count; j++)
                place->partitions[j] += uuid_equal(broker->log_dirs[j], at);
        }
    }
}

static struct decide_place *place_of(struct decision *d, const struct image_broker *broker)
{
    struct decide_place *place = d->places;

    while (place && place->broker != broker)
        place = place->next;
    if (place)
        return place;
    place = arena_alloc(d->arena, 1, sizeof *place + (size_t)broker->record.log_dirs_count * sizeof place->partitions[0]);
    if (!place)
        return NULL;
    place->broker = broker;
    place->next = d->places;
    d->places = place;
    place_count(d->image, place);
    return place;
}

/* Where a broker puts a new replica: in the directory that has the fewest. Zero: it is registered without one. */
static struct uuid choose_directory(struct decision *d, int32_t id)
{
    const struct image_broker *broker = image_broker(d->image, id);
    struct decide_place *place;
    int32_t best = -1;

    if (!broker || broker->record.log_dirs_count <= 0)
        return (struct uuid){{0}};
    if (broker->record.log_dirs_count == 1)
        return broker->record.log_dirs[0];
    place = place_of(d, broker);
    d->records.failed |= !place;
    for (int32_t i = 0; place && i < broker->record.log_dirs_count; i++) {
        if (!is_cordoned(&broker->record, broker->record.log_dirs[i]) && (best < 0 || place->partitions[i] < place->partitions[best]))
            best = i;
    }
    if (best < 0)
        return broker->record.log_dirs[0];
    place->partitions[best]++;
    return broker->record.log_dirs[best];
}

/* A partition whose replicas are given; those that are active are in sync, the first of them leads. */
static void put_partition(struct decision *d, struct uuid topic_id, int32_t index, const int32_t *replicas,
                          int32_t count)
{
    struct partition_record record;
    int32_t *isr = arena_alloc(d->arena, (size_t)count, sizeof *isr);
    struct uuid *directories = arena_alloc(d->arena, (size_t)count, sizeof *directories);

    if (!isr || !directories) {
        d->records.failed = true;
        return;
    }
    partition_record_init(&record);
    for (int32_t i = 0; i < count; i++) {
        const struct image_broker *broker = image_broker(d->image, replicas[i]);

        directories[i] = choose_directory(d, replicas[i]);
        if (broker && broker_active(broker))
            isr[record.isr_count++] = replicas[i];
    }
    record.partition_id = index;
    record.topic_id = topic_id;
    record.replicas = (int32_t *)(uintptr_t)replicas; /* the encoder only reads */
    record.replicas_count = count;
    record.isr = isr;
    record.leader = isr[0];
    record.leader_epoch = 0;
    record.partition_epoch = 0;
    record.directories = directories;
    record.directories_count = count;
    if (meta_records_put(&d->records, &partition_record_message, image_partition_version(d->image), &record) !=
        STATUS_OK)
        d->records.failed = true;
}

#define NO_BROKERS "All brokers are currently fenced, or have all their log directories cordoned."

/* The brokers for new replicas, in the arena. */
static struct image_nodes active_brokers(struct decision *d)
{
    int32_t count = 0;
    int32_t *ids;

    for (const struct image_broker *broker = d->image->brokers; broker; broker = broker->next)
        count++;
    ids = arena_alloc(d->arena, (size_t)count, sizeof *ids);
    count = 0;
    for (const struct image_broker *broker = ids ? d->image->brokers : NULL; broker; broker = broker->next) {
        if (broker_takes(broker))
            ids[count++] = broker->record.broker_id;
    }
    return (struct image_nodes){ids, count};
}

static struct verdict check_replication(struct decision *d, int32_t factor, struct image_nodes active)
{
    if (active.count == 0)
        return decide__refuse(d, STATUS_INVALID_REPLICATION_FACTOR,
                              "Unable to replicate the partition %d time(s): " NO_BROKERS, factor);
    if (factor > active.count)
        return decide__refuse(d, STATUS_INVALID_REPLICATION_FACTOR,
                              "Unable to replicate the partition %d time(s): The target replication factor of %d "
                              "cannot be reached because only %d "
                              "broker(s) are registered or some brokers have all their log directories cordoned.",
                              factor, factor, active.count);
    return VERDICT_OK;
}

/* Partitions from..to-1, leaders in turn over the active brokers. */
static void put_placed(struct decision *d, struct uuid topic_id, int32_t from, int32_t to, int32_t factor,
                       struct image_nodes active)
{
    int32_t *replicas = arena_alloc(d->arena, (size_t)factor, sizeof *replicas);

    if (!replicas)
        d->records.failed = true;
    for (int32_t i = from; i < to && !d->records.failed; i++) {
        for (int32_t j = 0; j < factor; j++)
            replicas[j] = active.ids[(i + j) % active.count];
        put_partition(d, topic_id, i, replicas, factor);
    }
}

struct verdict decide__check_assignment(struct decision *d, int32_t index, const int32_t *ids, int32_t count,
                                        int32_t factor)
{
    bool active = false;

    if (count <= 0)
        return decide__refuse(d, STATUS_INVALID_REPLICA_ASSIGNMENT,
                              "The manual partition assignment includes an empty replica list.");
    for (int32_t i = 0; i < count; i++) {
        const struct image_broker *broker = image_broker(d->image, ids[i]);

        if (!broker)
            return decide__refuse(
                d, STATUS_INVALID_REPLICA_ASSIGNMENT,
                "The manual partition assignment includes broker %d, but no such broker is registered.", ids[i]);
        for (int32_t j = 0; j < i; j++) {
            if (ids[j] == ids[i])
                return decide__refuse(d, STATUS_INVALID_REPLICA_ASSIGNMENT,
                                      "The manual partition assignment includes the broker %d more than once.", ids[i]);
        }
        active |= broker_active(broker);
    }
    if (factor >= 0 && factor != count)
        return decide__refuse(d, STATUS_INVALID_REPLICA_ASSIGNMENT,
                              "The manual partition assignment includes a partition with %d replica(s), but this is "
                              "not consistent with previous partitions, "
                              "which have %d replica(s).",
                              count, factor);
    if (!active)
        return decide__refuse(d, STATUS_INVALID_REPLICA_ASSIGNMENT,
                              "All brokers specified in the manual partition assignment for partition %d are fenced or "
                              "in controlled shutdown.",
                              index);
    return VERDICT_OK;
}

/* ---- CreateTopics ---- */

/* Assignments by partition: *ordered gets them in order. */
static struct verdict check_manual(struct decision *d, const struct create_topics_request_topic *topic,
                                   const struct create_topics_request_assignment ***ordered)
{
    const struct create_topics_request_assignment **slots =
        arena_alloc(d->arena, (size_t)topic->assignments_count, sizeof *slots);
    int32_t factor = -1;
    bool gap = false;

    *ordered = slots;
    if (!slots)
        return (struct verdict){STATUS_NO_MEMORY, STR_NULL};
    if (topic->replication_factor != -1)
        return decide__refuse(d, STATUS_INVALID_REQUEST,
                              "A manual partition assignment was specified, but replication factor was not set to -1.");
    if (topic->num_partitions != -1)
        return decide__refuse(d, STATUS_INVALID_REQUEST,
                              "A manual partition assignment was specified, but numPartitions was not set to -1.");
    for (int32_t i = 0; i < topic->assignments_count; i++) {
        const struct create_topics_request_assignment *a = &topic->assignments[i];
        bool inside = a->partition_index >= 0 && a->partition_index < topic->assignments_count;
        struct verdict verdict;

        if (inside && slots[a->partition_index])
            return decide__refuse(d, STATUS_INVALID_REPLICA_ASSIGNMENT,
                                  "Found multiple manual partition assignments for partition %d", a->partition_index);
        verdict = decide__check_assignment(d, a->partition_index, a->broker_ids, a->broker_ids_count, factor);
        if (verdict.status != STATUS_OK)
            return verdict;
        factor = a->broker_ids_count;
        if (inside)
            slots[a->partition_index] = a;
        gap |= !inside;
    }
    if (gap)
        return decide__refuse(d, STATUS_INVALID_REPLICA_ASSIGNMENT,
                              "partitions should be a consecutive 0-based integer sequence");
    return VERDICT_OK;
}

static struct verdict check_topic_configs(struct decision *d, const struct create_topics_request_topic *topic,
                                          struct image_config_entry **entries)
{
    struct image_config_entry *all =
        arena_alloc(d->arena, (size_t)(topic->configs_count > 0 ? topic->configs_count : 0), sizeof *all);

    *entries = all;
    if (!all)
        return (struct verdict){STATUS_NO_MEMORY, STR_NULL};
    for (int32_t i = 0; i < topic->configs_count; i++) {
        if (!topic->configs[i].value.data)
            return decide__refuse(d, STATUS_INVALID_CONFIG, "Null value not supported for topic configs: " STR_FMT,
                                  STR_ARG(topic->configs[i].name));
        all[i] = (struct image_config_entry){topic->configs[i].name, topic->configs[i].value};
    }
    if (topic->configs_count > 0 && !image_entries_sort(all, (size_t)topic->configs_count))
        return decide__refuse(d, STATUS_INVALID_REQUEST, "Error due to duplicate config keys");
    return topic->configs_count > 0
               ? decide__check_configs(d, RESOURCE_TOPIC, topic->name, all, (size_t)topic->configs_count)
               : VERDICT_OK;
}

static void put_topic(struct decision *d, const struct create_topics_request_topic *topic, struct uuid id,
                      const struct image_config_entry *configs)
{
    struct topic_record record = {.name = topic->name, .topic_id = id};

    if (meta_records_put(&d->records, &topic_record_message, 0, &record) != STATUS_OK)
        d->records.failed = true;
    for (int32_t i = 0; i < topic->configs_count; i++)
        decide__put_config(d, RESOURCE_TOPIC, topic->name, configs[i].key, configs[i].value);
}

/* What configurations hold in an image: each is a block of its own, and an entry. */
static size_t configs_memory(const struct image_config_entry *entries, int32_t count)
{
    size_t bytes = 0;

    for (int32_t i = 0; i < count; i++)
        bytes += decide__config_memory(entries[i].key, entries[i].value);
    return bytes;
}

/* No more partitions than there is memory for; those that there are stay. */
static struct verdict take_partitions(struct decision *d, int32_t more)
{
    int64_t partitions = d->image->partitions_count + d->partitions_more;

    if (d->rules->partitions_max && more > d->rules->partitions_max - partitions)
        return decide__refuse(d, STATUS_POLICY_VIOLATION, "There are %lld partitions, and there is memory for %lld (barnabas.memory.max).",
                              (long long)partitions, (long long)d->rules->partitions_max);
    d->partitions_more += more;
    return decide__take_memory(d, (size_t)more * sizeof(struct image_partition));
}

static struct verdict create_manual(struct decision *d, const struct create_topics_request_topic *topic,
                                    const struct image_config_entry *configs, struct create_topics_response_topic *out)
{
    const struct create_topics_request_assignment **ordered;
    struct verdict verdict = check_manual(d, topic, &ordered);

    if (verdict.status == STATUS_OK)
        verdict = take_partitions(d, topic->assignments_count);
    if (verdict.status != STATUS_OK)
        return verdict;
    put_topic(d, topic, out->topic_id, configs);
    for (int32_t i = 0; i < topic->assignments_count; i++)
        put_partition(d, out->topic_id, i, ordered[i]->broker_ids, ordered[i]->broker_ids_count);
    out->num_partitions = topic->assignments_count;
    out->replication_factor = (int16_t)ordered[0]->broker_ids_count;
    return VERDICT_OK;
}

static struct verdict create_placed(struct decision *d, const struct create_topics_request_topic *topic,
                                    const struct image_config_entry *configs, struct create_topics_response_topic *out)
{
    int32_t partitions = topic->num_partitions == -1 ? d->rules->partitions_default : topic->num_partitions;
    int16_t factor = topic->replication_factor == -1 ? d->rules->replication_default : topic->replication_factor;
    struct image_nodes active = active_brokers(d);
    struct verdict verdict;

    if (topic->replication_factor < -1 || topic->replication_factor == 0)
        return decide__refuse(d, STATUS_INVALID_REPLICATION_FACTOR,
                              "Replication factor must be larger than 0, or -1 to use the default value.");
    if (topic->num_partitions < -1 || topic->num_partitions == 0)
        return decide__refuse(d, STATUS_INVALID_PARTITIONS,
                              "Number of partitions was set to an invalid non-positive value.");
    if (!active.ids)
        return (struct verdict){STATUS_NO_MEMORY, STR_NULL};
    verdict = check_replication(d, factor, active);
    if (verdict.status == STATUS_OK)
        verdict = take_partitions(d, partitions);
    if (verdict.status != STATUS_OK)
        return verdict;
    put_topic(d, topic, out->topic_id, configs);
    put_placed(d, out->topic_id, 0, partitions, factor, active);
    out->num_partitions = partitions;
    out->replication_factor = factor;
    return VERDICT_OK;
}

static struct verdict create_topic(struct decision *d, const struct create_topics_request_topic *topic,
                                   struct create_topics_response_topic *out)
{
    struct verdict verdict = check_new_name(d, topic->name);
    struct image_config_entry *configs;

    if (verdict.status != STATUS_OK)
        return verdict;
    verdict = check_topic_configs(d, topic, &configs);
    if (verdict.status == STATUS_OK)
        verdict = decide__take_memory(d, sizeof(struct image_topic) + topic->name.size + configs_memory(configs, topic->configs_count));
    if (verdict.status != STATUS_OK)
        return verdict;
    out->topic_id = d->random_uuid(d->world);
    return topic->assignments_count > 0 ? create_manual(d, topic, configs, out) : create_placed(d, topic, configs, out);
}

static bool too_many_partitions(const struct decision *d, const struct create_topics_request *in)
{
    int64_t total = 0;

    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct create_topics_request_topic *topic = &in->topics[i];

        total += topic->assignments_count > 0  ? topic->assignments_count
                 : topic->num_partitions == -1 ? d->rules->partitions_default
                 : topic->num_partitions > 0   ? topic->num_partitions
                                               : 0;
    }
    return total > DECIDE_PARTITIONS_MAX;
}

enum status decide_create_topics(struct decision *d, const struct create_topics_request *in,
                                 struct create_topics_response *out)
{
    bool excessive = too_many_partitions(d, in);
    enum repeat *repeats = find_repeats(d, in->topics_count > 0 ? &in->topics->name : NULL, sizeof *in->topics, in->topics_count);

    create_topics_response_init(out);
    out->topics = arena_alloc(d->arena, (size_t)(in->topics_count > 0 ? in->topics_count : 0), sizeof *out->topics);
    if (!out->topics || !repeats)
        return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct create_topics_response_topic *result = &out->topics[out->topics_count];
        struct verdict verdict;

        if (repeats[i] == NAME_REPEATS)
            continue;
        create_topics_response_topic_init(result);
        result->name = in->topics[i].name;
        verdict = repeats[i] == NAME_REPEATED ? decide__refuse(d, STATUS_INVALID_REQUEST, "Duplicate topic name.")
                  : excessive                 ? decide__refuse(d, STATUS_POLICY_VIOLATION,
                                                               "Excessively large number of partitions per request.")
                                              : create_topic(d, &in->topics[i], result);
        if (verdict.status == STATUS_NO_MEMORY)
            return STATUS_NO_MEMORY;
        if (verdict.status != STATUS_OK)
            result->topic_id = (struct uuid){{0}};
        result->error_code = status_wire(verdict.status);
        result->error_message = verdict.message;
        out->topics_count++;
    }
    if (in->validate_only)
        d->records.count = 0;
    return decide__done(d);
}

/* ---- DeleteTopics ---- */

struct deletion { /* one item of the request: by name or by id */
    struct str_view name;
    struct uuid id;
    const struct image_topic *topic;
};

static struct verdict find_deletion(struct decision *d, struct deletion *item, int16_t version)
{
    bool by_id = !uuid_is_zero(item->id);

    if (!item->name.data && !by_id)
        return decide__refuse(d, STATUS_INVALID_REQUEST, "Neither topic name nor id were specified.");
    if (item->name.data && by_id)
        return decide__refuse(d, STATUS_INVALID_REQUEST, "You may not specify both topic name and topic id.");
    if (!d->rules->delete_topics)
        return version < 3 ? decide__refuse(d, STATUS_INVALID_REQUEST, "Topic deletion is disabled.")
                           : decide__refuse(d, STATUS_TOPIC_DELETION_DISABLED, "Topic deletion is disabled.");
    item->topic = by_id ? image_topic_by_id(d->image, item->id) : image_topic(d->image, item->name);
    if (!item->topic)
        return by_id ? decide__refuse(d, STATUS_UNKNOWN_TOPIC_ID, NO_SUCH_TOPIC_ID)
                     : decide__refuse(d, STATUS_UNKNOWN_TOPIC_OR_PARTITION, NO_SUCH_PARTITION);
    return VERDICT_OK;
}

static struct verdict put_deletion(struct decision *d, const struct deletion *item,
                                   struct delete_topics_response_response *out)
{
    struct remove_topic_record record = {.topic_id = item->topic->id};

    out->name = arena_str(d->arena, item->topic->name); /* the image's may be gone when this is sent */
    out->topic_id = item->topic->id;
    if (!out->name.data || meta_records_put(&d->records, &remove_topic_record_message, 0, &record) != STATUS_OK)
        d->records.failed = true;
    return VERDICT_OK;
}

/* A topic that is named twice, by name or by id, is not deleted at all. */
static enum status delete_all(struct decision *d, struct deletion *items, int32_t count, int16_t version,
                              struct delete_topics_response *out)
{
    struct str_view *names = arena_alloc(d->arena, (size_t)count, sizeof *names);
    struct verdict *verdicts = arena_alloc(d->arena, (size_t)count, sizeof *verdicts);
    enum repeat *repeats;

    if (!names || !verdicts)
        return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < count; i++) {
        verdicts[i] = find_deletion(d, &items[i], version);
        names[i] = items[i].topic ? items[i].topic->name
                                  : (struct str_view){(const char *)&items[i], sizeof &items[i]}; /* one of a kind */
    }
    repeats = find_repeats(d, names, sizeof *names, count);
    if (!repeats)
        return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < count; i++) {
        struct delete_topics_response_response *result = &out->responses[out->responses_count++];

        delete_topics_response_response_init(result);
        result->name = items[i].name;
        result->topic_id = items[i].id;
        if (verdicts[i].status == STATUS_OK)
            verdicts[i] = repeats[i] == NAME_ONCE
                              ? put_deletion(d, &items[i], result)
                              : decide__refuse(d, STATUS_INVALID_REQUEST,
                                               items[i].name.data ? "Duplicate topic name." : "Duplicate topic id.");
        result->error_code = status_wire(verdicts[i].status);
        result->error_message = verdicts[i].message;
    }
    return decide__done(d);
}

enum status decide_delete_topics(struct decision *d, const struct delete_topics_request *in, int16_t version,
                                 struct delete_topics_response *out)
{
    int32_t given = version >= 6 ? in->topics_count : in->topic_names_count, count = given > 0 ? given : 0;
    struct deletion *items = arena_alloc(d->arena, (size_t)count, sizeof *items);

    delete_topics_response_init(out);
    out->responses = arena_alloc(d->arena, (size_t)count, sizeof *out->responses);
    if (!items || !out->responses)
        return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < count; i++) {
        items[i].name = version >= 6 ? in->topics[i].name : in->topic_names[i];
        items[i].id = version >= 6 ? in->topics[i].topic_id : (struct uuid){{0}};
    }
    return delete_all(d, items, count, version, out);
}

/* ---- CreatePartitions ---- */

static struct verdict grow_manual(struct decision *d, const struct image_topic *topic,
                                  const struct create_partitions_request_topic *in, int32_t factor)
{
    int32_t more = in->count - topic->count;
    struct verdict verdict;

    if (in->assignments_count != more)
        return decide__refuse(d, STATUS_INVALID_REPLICA_ASSIGNMENT,
                              "Attempted to add %d additional partition(s), but only %d assignment(s) were specified.",
                              more, in->assignments_count);
    for (int32_t i = 0; i < more; i++) {
        verdict = decide__check_assignment(d, topic->count + i, in->assignments[i].broker_ids,
                                                  in->assignments[i].broker_ids_count, factor);

        if (verdict.status != STATUS_OK)
            return verdict;
    }
    verdict = take_partitions(d, more);
    for (int32_t i = 0; i < more && verdict.status == STATUS_OK; i++)
        put_partition(d, topic->id, topic->count + i, in->assignments[i].broker_ids,
                      in->assignments[i].broker_ids_count);
    return verdict;
}

static struct verdict grow_topic(struct decision *d, const struct create_partitions_request_topic *in)
{
    const struct image_topic *topic = image_topic(d->image, in->name);
    const struct image_partition *first = image_partition(topic, 0);
    struct image_nodes active;
    struct verdict verdict;
    int32_t factor;

    if (!topic || !first)
        return decide__refuse(d, STATUS_UNKNOWN_TOPIC_OR_PARTITION, NO_SUCH_PARTITION);
    if (in->count == topic->count)
        return decide__refuse(d, STATUS_INVALID_PARTITIONS, "Topic already has %d partition(s).", topic->count);
    if (in->count < topic->count)
        return decide__refuse(d, STATUS_INVALID_PARTITIONS,
                              "The topic " STR_FMT " currently has %d partition(s); %d would not be an increase.",
                              STR_ARG(in->name), topic->count, in->count);
    if (in->count - topic->count > DECIDE_PARTITIONS_MAX)
        return decide__refuse(d, STATUS_POLICY_VIOLATION, "Excessively large number of partitions per request.");
    factor = first->nodes->replicas_count;
    if (in->assignments_count >= 0)
        return grow_manual(d, topic, in, factor);
    active = active_brokers(d);
    if (!active.ids)
        return (struct verdict){STATUS_NO_MEMORY, STR_NULL};
    verdict = active.count ? check_replication(d, factor, active) : decide__refuse(d, STATUS_INVALID_REPLICATION_FACTOR, NO_BROKERS);
    if (verdict.status == STATUS_OK)
        verdict = take_partitions(d, in->count - topic->count);
    if (verdict.status == STATUS_OK)
        put_placed(d, topic->id, topic->count, in->count, factor, active);
    return verdict;
}

enum status decide_create_partitions(struct decision *d, const struct create_partitions_request *in,
                                     struct create_partitions_response *out)
{
    enum repeat *repeats = find_repeats(d, in->topics_count > 0 ? &in->topics->name : NULL, sizeof *in->topics, in->topics_count);

    create_partitions_response_init(out);
    out->results = arena_alloc(d->arena, (size_t)(in->topics_count > 0 ? in->topics_count : 0), sizeof *out->results);
    if (!out->results || !repeats)
        return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct create_partitions_response_result *result = &out->results[out->results_count];
        struct verdict verdict;

        if (repeats[i] == NAME_REPEATS)
            continue;
        verdict = repeats[i] == NAME_REPEATED ? decide__refuse(d, STATUS_INVALID_REQUEST, "Duplicate topic name.")
                                              : grow_topic(d, &in->topics[i]);
        if (verdict.status == STATUS_NO_MEMORY)
            return STATUS_NO_MEMORY;
        create_partitions_response_result_init(result);
        result->name = in->topics[i].name;
        result->error_code = status_wire(verdict.status);
        result->error_message = verdict.message;
        out->results_count++;
    }
    if (in->validate_only)
        d->records.count = 0;
    return decide__done(d);
}
