/* SPDX-License-Identifier: Apache-2.0
 * Decisions of a start, and producer ids: see decide.h.
 */
#include "base/assert.h"
#include "meta/decide_int.h"
#include "meta/image_int.h"
#include "wire/record/begin_transaction_record.h"
#include "wire/record/broker_registration_change_record.h"
#include "wire/record/end_transaction_record.h"
#include "wire/record/feature_level_record.h"
#include "wire/record/partition_change_record.h"
#include "wire/record/producer_ids_record.h"
#include "wire/record/register_broker_record.h"
#include "wire/record/register_controller_record.h"

/* What this node could work with: finalized levels of a cluster that it joins must lie within. */
static const struct {
    struct str_view name;
    int16_t min, max;
} supported[] = {
    {STR_LIT("eligible.leader.replicas.version"), 0, 1},
    {STR_LIT("group.version"), 0, 1},
    {STR_LIT("kraft.version"), 0, 1},
    {STR_LIT("metadata.version"), 7, 30},
    {STR_LIT("share.version"), 0, 1},
    {STR_LIT("streams.version"), 0, 1},
    {STR_LIT("transaction.version"), 0, 2},
};
enum { SUPPORTED = sizeof supported / sizeof supported[0] };

bool decide_supports(struct str_view feature, int16_t *min, int16_t *max)
{
    for (size_t i = 0; i < SUPPORTED; i++) {
        if (!str_equal(supported[i].name, feature))
            continue;
        *min = supported[i].min;
        *max = supported[i].max;
        return true;
    }
    return false;
}

static void put(struct decision *d, const struct message *message, int16_t version, const void *in)
{
    if (meta_records_put(&d->records, message, version, in) != STATUS_OK)
        d->records.failed = true;
}

static void put_raw(struct decision *d, struct bytes_view record)
{
    uint8_t *to = meta_records_add(&d->records, record.size);

    if (to)
        memcpy(to, record.data, record.size);
}

/* Whether the records finalize eligible leader replicas. */
static bool enables_elr(struct decision *d, const struct meta_records *bootstrap)
{
    for (size_t i = 0; i < bootstrap->count; i++) {
        struct feature_level_record record;
        uint32_t type, version;
        enum status status;
        struct reader r;

        reader_init(&r, bootstrap->values[i].data, bootstrap->values[i].size);
        (void)reader_uvarint(&r);
        type = reader_uvarint(&r);
        version = reader_uvarint(&r);
        if (type != FEATURE_LEVEL_RECORD_API_KEY || version > FEATURE_LEVEL_RECORD_VERSION_MAX)
            continue;
        status = feature_level_record_decode(&r, (int16_t)version, d->arena, &record);
        d->records.failed |= status == STATUS_NO_MEMORY;
        if (status == STATUS_OK && str_is(record.name, "eligible.leader.replicas.version"))
            return record.feature_level > 0;
    }
    return false;
}

enum status decide_bootstrap(struct decision *d, const struct meta_records *bootstrap)
{
    struct begin_transaction_record begin = {.name = STR_LIT("Bootstrap records")};
    struct end_transaction_record end = {0};
    struct str_view min_insync;

    if (image_feature_level(d->image, "metadata.version") > 0)
        return STATUS_OK;
    min_insync = arena_format(d->arena, "%d", d->rules->min_insync_replicas);
    d->records.failed |= !min_insync.data;
    put(d, &begin_transaction_record_message, 0, &begin);
    for (size_t i = 0; i < bootstrap->count; i++)
        put_raw(d, bootstrap->values[i]);
    if (enables_elr(d, bootstrap)) /* then min.insync.replicas belongs to the cluster and not to a broker (KIP-966) */
        decide__put_config(d, RESOURCE_BROKER, STR_LIT(""), STR_LIT("min.insync.replicas"), min_insync);
    put(d, &end_transaction_record_message, 0, &end);
    return decide__done(d);
}

enum status decide_register_controller(struct decision *d, const struct decide_node *node)
{
    struct register_controller_record record = {.controller_id = node->id, .incarnation_id = node->incarnation};
    int16_t level = image_feature_level(d->image, "metadata.version");

    if (level > 0 && level < METADATA_VERSION_CONTROLLERS)
        return STATUS_OK;
    record.end_points = arena_alloc(d->arena, node->controller_endpoints_count, sizeof *record.end_points);
    record.features = arena_alloc(d->arena, SUPPORTED, sizeof *record.features);
    if (!record.end_points || !record.features)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < node->controller_endpoints_count; i++) {
        const struct image_endpoint *e = &node->controller_endpoints[i];

        record.end_points[record.end_points_count++] = (struct register_controller_record_end_point){
            .name = e->name, .host = e->host, .port = e->port, .security_protocol = e->security_protocol};
    }
    for (size_t i = 0; i < SUPPORTED; i++)
        record.features[record.features_count++] =
            (struct register_controller_record_feature){.name = supported[i].name,
                                                        .min_supported_version = supported[i].min,
                                                        .max_supported_version = supported[i].max};
    put(d, &register_controller_record_message, 0, &record);
    return decide__done(d);
}

static enum status put_registration(struct decision *d, const struct decide_node *node, int64_t epoch)
{
    struct register_broker_record record;
    int16_t level = image_feature_level(d->image, "metadata.version");

    register_broker_record_init(&record);
    record.broker_id = node->id;
    record.incarnation_id = node->incarnation;
    record.broker_epoch = epoch;
    record.rack = node->rack;
    record.fenced = false;
    record.end_points = arena_alloc(d->arena, node->broker_endpoints_count, sizeof *record.end_points);
    record.features = arena_alloc(d->arena, SUPPORTED, sizeof *record.features);
    if (!record.end_points || !record.features)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < node->broker_endpoints_count; i++) {
        const struct image_endpoint *e = &node->broker_endpoints[i];

        record.end_points[record.end_points_count++] = (struct register_broker_record_end_point){
            .name = e->name, .host = e->host, .port = e->port, .security_protocol = e->security_protocol};
    }
    for (size_t i = 0; i < SUPPORTED; i++)
        record.features[record.features_count++] =
            (struct register_broker_record_feature){.name = supported[i].name,
                                                    .min_supported_version = supported[i].min,
                                                    .max_supported_version = supported[i].max};
    if (level == 0 || level >= METADATA_VERSION_DIRECTORIES) {
        record.log_dirs = (struct uuid *)(uintptr_t)node->dirs.ids; /* the encoder only reads */
        record.log_dirs_count = (int32_t)node->dirs.count;
    }
    if (node->dirs.cordoned_count && (level == 0 || level >= METADATA_VERSION_CORDONED)) {
        record.cordoned_log_dirs = (struct uuid *)(uintptr_t)node->dirs.cordoned;
        record.cordoned_log_dirs_count = (int32_t)node->dirs.cordoned_count;
    }
    put(d, &register_broker_record_message, record.cordoned_log_dirs_count > 0 ? 4 : record.log_dirs_count ? 3 : 1, &record);
    return decide__done(d);
}

static bool contains(struct image_nodes nodes, int32_t id)
{
    for (int32_t i = 0; i < nodes.count; i++) {
        if (nodes.ids[i] == id)
            return true;
    }
    return false;
}

/* Whether broker `id` may lead without losing what was acknowledged (KIP-966). */
static bool may_lead(const struct image_partition *p, int32_t id)
{
    return contains(image_isr(p), id) || contains(image_elr(p), id) ||
           (p->nodes->isr_count == 0 && contains(image_last_known_elr(p), id));
}

static bool dirs_contain(const struct decide_dirs *dirs, struct uuid id)
{
    for (size_t i = 0; i < dirs->count; i++) {
        if (uuid_equal(dirs->ids[i], id))
            return true;
    }
    return false;
}

/* The directories of all replicas, with another one for ours. */
static void put_directory(struct decision *d, struct partition_change_record *record, const struct image_partition *p,
                          int32_t id, struct uuid directory)
{
    struct image_nodes replicas = image_replicas(p);

    record->directories = arena_alloc(d->arena, (size_t)replicas.count, sizeof *record->directories);
    d->records.failed |= !record->directories;
    for (int32_t i = 0; record->directories && i < replicas.count; i++)
        record->directories[i] = replicas.ids[i] == id ? directory : image_directory(p, (unsigned)i);
    record->directories_count = replicas.count;
}

/* Nobody leads it, or an absent broker: we do, the clean way only. */
static void put_leader(struct partition_change_record *record, const struct image_partition *p, const int32_t *id)
{
    record->leader = *id;
    if (contains(image_isr(p), *id))
        return;
    record->isr = (int32_t *)(uintptr_t)id;
    record->isr_count = 1;
    record->eligible_leader_replicas_count = p->nodes->elr_count ? 0 : -1; /* 0 empties, -1 leaves */
    record->last_known_elr_count = p->nodes->last_known_elr_count ? 0 : -1;
}

/* We led it and cannot. The last one of the ISR is eligible when it comes back (KIP-966). */
static void put_no_leader(const struct decision *d, struct partition_change_record *record, const struct image_partition *p, const int32_t *id)
{
    record->leader = LEADER_NONE;
    if (image_feature_level(d->image, "eligible.leader.replicas.version") <= 0 || p->nodes->isr_count != 1 || !contains(image_isr(p), *id))
        return;
    record->isr_count = 0;
    record->eligible_leader_replicas = (int32_t *)(uintptr_t)id;
    record->eligible_leader_replicas_count = 1;
}

/* What the directories of a node mean for one partition of it. What we lead already is recovered by now: an unclean election's mark goes. */
static void settle(struct decision *d, const struct image_topic *topic, int32_t index, int32_t id,
                   const struct decide_dirs *dirs)
{
    const struct image_partition *p = &topic->partitions[index];
    const struct image_broker *leader = image_broker(d->image, p->leader);
    bool ours = p->leader == id, led = leader && !leader->record.fenced;
    struct uuid known = image_directory_of(p, id), at = dirs->locate ? dirs->locate(dirs->context, topic, index) : known;
    bool works = dirs_contain(dirs, at) || (directory_is_reserved(at) && !uuid_equal(at, DIRECTORY_LOST));
    bool moved = !directory_is_reserved(at) && !uuid_equal(at, known) && image_partition_version(d->image) >= 1;
    bool leads = works && !ours && !led && may_lead(p, id), recovered = works && (ours || leads) && p->recovery_state != 0;
    struct partition_change_record record;

    if (!contains(image_replicas(p), id) || !(moved || leads || recovered || (ours && !works)))
        return;
    partition_change_record_init(&record);
    record.partition_id = index;
    record.topic_id = topic->id;
    if (recovered)
        record.leader_recovery_state = 0;
    if (moved)
        put_directory(d, &record, p, id, at);
    if (leads)
        put_leader(&record, p, &id);
    else if (ours && !works)
        put_no_leader(d, &record, p, &id);
    put(d, &partition_change_record_message, image_partition_version(d->image), &record);
}

static enum status settle_all(struct decision *d, int32_t id, const struct decide_dirs *dirs)
{
    enum status status = decide__done(d);

    for (const struct image_topic *topic = image_topic_first(d->image); topic && status == STATUS_OK;
         topic = image_topic_next(d->image, topic)) {
        for (int32_t i = 0; i < topic->count; i++) {
            if (topic->partitions[i].nodes)
                settle(d, topic, i, id, dirs);
        }
        status = decide__done(d);
    }
    return status;
}

enum status decide_register_broker(struct decision *d, const struct decide_node *node, int64_t offset,
                                   int64_t *broker_epoch)
{
    enum status status;

    *broker_epoch = offset + (int64_t)d->records.count;
    status = put_registration(d, node, *broker_epoch);
    return status == STATUS_OK ? settle_all(d, node->id, &node->dirs) : status;
}

/* `known` -1: none. */
static bool same_ids(const struct uuid *ids, size_t count, const struct uuid *known, int32_t known_count)
{
    if (count != (size_t)(known_count > 0 ? known_count : 0))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!uuid_equal(ids[i], known[i]))
            return false;
    }
    return true;
}

static void registration_change(const struct image_broker *broker, struct broker_registration_change_record *record)
{
    broker_registration_change_record_init(record);
    record->broker_id = broker->record.broker_id;
    record->broker_epoch = broker->record.broker_epoch;
}

enum status decide_leave(struct decision *d, int32_t id)
{
    const struct image_broker *broker = image_broker(d->image, id);
    struct broker_registration_change_record record;

    if (!broker)
        return STATUS_OK;
    registration_change(broker, &record);
    record.fenced = 1;
    put(d, &broker_registration_change_record_message, 0, &record);
    return decide__done(d);
}

enum status decide_directories(struct decision *d, int32_t id, const struct decide_dirs *dirs)
{
    const struct image_broker *broker = image_broker(d->image, id);
    struct broker_registration_change_record record;
    bool cordons = image_feature_level(d->image, "metadata.version") >= METADATA_VERSION_CORDONED;

    if (!broker || image_partition_version(d->image) < 1)
        return settle_all(d, id, dirs);
    registration_change(broker, &record);
    if (!same_ids(dirs->ids, dirs->count, broker->record.log_dirs, broker->record.log_dirs_count)) {
        record.log_dirs = (struct uuid *)(uintptr_t)dirs->ids; /* the encoder only reads */
        record.log_dirs_count = (int32_t)dirs->count;
    }
    if (cordons && !same_ids(dirs->cordoned, dirs->cordoned_count, broker->record.cordoned_log_dirs, broker->record.cordoned_log_dirs_count)) {
        record.cordoned_log_dirs = (struct uuid *)(uintptr_t)dirs->cordoned;
        record.cordoned_log_dirs_count = (int32_t)dirs->cordoned_count;
    }
    if (record.log_dirs_count > 0 || record.cordoned_log_dirs_count >= 0)
        put(d, &broker_registration_change_record_message, cordons ? 3 : 2, &record);
    return settle_all(d, id, dirs);
}

enum status decide_move(struct decision *d, int32_t id, const struct image_topic *topic, int32_t index, struct uuid directory)
{
    struct partition_change_record record;

    partition_change_record_init(&record);
    record.partition_id = index;
    record.topic_id = topic->id;
    put_directory(d, &record, &topic->partitions[index], id, directory);
    put(d, &partition_change_record_message, image_partition_version(d->image), &record);
    return decide__done(d);
}

enum status decide_producer_ids(struct decision *d, int32_t node_id, int64_t *first)
{
    const struct image_broker *broker = image_broker(d->image, node_id);
    struct producer_ids_record record = {.broker_id = node_id,
                                         .broker_epoch = broker ? broker->record.broker_epoch : -1};

    ASSERT(d->image->next_producer_id <= INT64_MAX - PRODUCER_IDS);
    *first = d->image->next_producer_id;
    record.next_producer_id = *first + PRODUCER_IDS;
    put(d, &producer_ids_record_message, 0, &record);
    return decide__done(d);
}
