/* SPDX-License-Identifier: Apache-2.0
 * Decisions on configuration: see decide.h.
 *
 * What a resource's overrides would become is put together first, and judged as a whole: keys depend on each other.
 */
#include "meta/decide_int.h"
#include "wire/api/alter_configs.h"
#include "wire/api/incremental_alter_configs.h"
#include "wire/record/config_record.h"

struct verdict decide__check_configs(struct decision *d, enum config_resource type, struct str_view name,
                                     const struct image_config_entry *entries, size_t count)
{
    struct verdict verdict = VERDICT_OK;

    verdict.status = d->rules->check(d->rules->context, type, name, entries, count, d->arena, &verdict.message);
    if (verdict.status == STATUS_OK)
        verdict.message = STR_NULL;
    return verdict;
}

struct verdict decide__take_memory(struct decision *d, size_t bytes)
{
    size_t held = d->image->memory.held + d->memory_more, max = d->rules->memory_max;

    if (max && (held >= max || bytes > max - held))
        return decide__refuse(d, STATUS_POLICY_VIOLATION, "The metadata holds %zu bytes in each of its images, and may hold %zu (barnabas.memory.max).", held, max);
    d->memory_more += bytes;
    return VERDICT_OK;
}

void decide__put_config(struct decision *d, enum config_resource type, struct str_view name, struct str_view key,
                        struct str_view value)
{
    struct config_record record = {.resource_type = (int8_t)type, .resource_name = name, .name = key, .value = value};

    if (meta_records_put(&d->records, &config_record_message, 0, &record) != STATUS_OK)
        d->records.failed = true;
}

/* ---- the overrides that a change makes ---- */

enum config_op { OP_SET = 0, OP_DELETE = 1, OP_APPEND = 2, OP_SUBTRACT = 3 };

struct change {
    struct str_view key, value; /* value null: the override goes */
    enum config_op op;
};

/* The sorted union of what is there and what changes; the entries are borrowed. */
static struct image_config_entry *merged(struct decision *d, const struct image_config *before,
                                         const struct change *changes, size_t changes_count, bool keep, size_t *count)
{
    size_t there = before && keep ? before->count : 0;
    struct image_config_entry *entries = arena_alloc(d->arena, there + changes_count, sizeof *entries);

    *count = 0;
    if (!entries)
        return NULL;
    for (size_t i = 0; i < changes_count; i++) {
        if (changes[i].value.data)
            entries[(*count)++] = (struct image_config_entry){changes[i].key, changes[i].value};
    }
    for (size_t i = 0; i < there; i++) {
        bool replaced = false;

        for (size_t j = 0; j < changes_count && !replaced; j++)
            replaced = str_equal(changes[j].key, before->entries[i].key);
        if (!replaced)
            entries[(*count)++] = before->entries[i];
    }
    (void)image_entries_sort(entries, *count);
    return entries;
}

static struct str_view trimmed_item(struct str_view *list)
{
    const char *comma = list->size ? memchr(list->data, ',', list->size) : NULL;
    struct str_view item = {list->data, comma ? (size_t)(comma - list->data) : list->size};

    list->data += comma ? item.size + 1 : item.size;
    list->size -= comma ? item.size + 1 : item.size;
    while (item.size && *item.data == ' ')
        item = (struct str_view){item.data + 1, item.size - 1};
    while (item.size && item.data[item.size - 1] == ' ')
        item.size--;
    return item;
}

static bool list_has(struct str_view list, struct str_view wanted)
{
    while (list.size) {
        if (str_equal(trimmed_item(&list), wanted))
            return true;
    }
    return false;
}

static void list_add(char *list, size_t *size, struct str_view item)
{
    if (*size)
        list[(*size)++] = ',';
    if (item.size)
        memcpy(list + *size, item.data, item.size);
    *size += item.size;
}

/* Takes the first element that equals `item` out of the list, in place. */
static void list_drop(char *list, size_t *size, struct str_view item)
{
    struct str_view left = {list, *size}, kept;

    while (left.size) {
        size_t from = (size_t)(left.data - list), to;

        kept = trimmed_item(&left);
        if (!str_equal(kept, item))
            continue;
        to = (size_t)(left.data - list); /* behind its comma */
        memmove(list + from, list + to, *size - to);
        *size -= to - from;
        if (*size && *size == from) /* it was the last: the comma before it goes too */
            --*size;
        return;
    }
}

/* `from` with those elements of `items` appended that it does not have, or each of them removed once. */
static struct str_view list_changed(struct decision *d, struct str_view from, struct str_view items, bool append)
{
    char *list = arena_alloc(d->arena, from.size + items.size + 2, 1);
    size_t size = 0;

    if (!list)
        return STR_NULL;
    while (from.size)
        list_add(list, &size, trimmed_item(&from));
    while (items.size) {
        struct str_view item = trimmed_item(&items);

        if (!append)
            list_drop(list, &size, item);
        else if (!list_has((struct str_view){list, size}, item))
            list_add(list, &size, item);
    }
    return (struct str_view){list, size};
}

/* ---- one resource ---- */

struct resource {
    enum config_resource type;
    struct str_view name;
    struct change *changes;
    size_t count;
    bool incremental; /* else the changes are all the overrides that shall be */
};

static struct verdict resolve_list(struct decision *d, const struct resource *r, const struct image_config *before,
                                   struct change *change)
{
    const char *verb = change->op == OP_APPEND ? "APPEND" : "SUBTRACT";
    bool is_list = false;
    struct str_view inherited = d->rules->inherited(d->rules->context, r->type, change->key, &is_list);
    struct str_view from = image_config_value(before, change->key);

    if (!is_list)
        return decide__refuse(d, STATUS_INVALID_CONFIG, "Can't %s to key " STR_FMT " because its type is not LIST.",
                              verb, STR_ARG(change->key));
    change->value = list_changed(d, from.data ? from : inherited, change->value, change->op == OP_APPEND);
    if (change->value.size > INT16_MAX)
        return decide__refuse(d, STATUS_INVALID_CONFIG, "The list " STR_FMT " would be too long.",
                              STR_ARG(change->key));
    return change->value.data ? VERDICT_OK : (struct verdict){STATUS_NO_MEMORY, STR_NULL};
}

static struct verdict check_changes(struct decision *d, struct resource *r, const struct image_config *before)
{
    for (size_t i = 0; i < r->count; i++) {
        struct change *change = &r->changes[i];
        struct verdict verdict = VERDICT_OK;

        if (!change->value.data && change->op != OP_DELETE)
            return decide__refuse(d, STATUS_INVALID_REQUEST,
                                  r->incremental ? "Null value not supported for : " STR_FMT
                                                 : "Null value not supported for topic configs: " STR_FMT,
                                  STR_ARG(change->key));
        if (change->op == OP_DELETE)
            change->value = STR_NULL;
        else if (change->op != OP_SET)
            verdict = resolve_list(d, r, before, change);
        if (verdict.status != STATUS_OK)
            return verdict;
    }
    return VERDICT_OK;
}

static struct verdict check_resource(struct decision *d, const struct resource *r)
{
    struct verdict verdict = VERDICT_OK;

    switch (r->type) {
    case RESOURCE_TOPIC:
        if (!r->name.size)
            return decide__refuse(d, STATUS_INVALID_REQUEST, "Default topic resources are not allowed.");
        verdict.status = topic_name_check(r->name, d->arena, &verdict.message);
        if (verdict.status == STATUS_OK && !image_topic(d->image, r->name))
            return decide__refuse(d, STATUS_UNKNOWN_TOPIC_OR_PARTITION, "The topic '" STR_FMT "' does not exist.",
                                  STR_ARG(r->name));
        return verdict;
    case RESOURCE_GROUP:
        return r->name.size ? VERDICT_OK
                            : decide__refuse(d, STATUS_INVALID_REQUEST, "Default group resources are not allowed.");
    case RESOURCE_CLIENT_METRICS:
        return r->name.size ? VERDICT_OK
                            : decide__refuse(d, STATUS_INVALID_REQUEST, "Subscription name can't be empty");
    case RESOURCE_BROKER:
        return VERDICT_OK;
    case RESOURCE_BROKER_LOGGER:
        break;
    }
    return decide__refuse(d, STATUS_INVALID_REQUEST, "Unexpected resource type %d.", (int)r->type);
}

/* KIP-966: with eligible leader replicas there is one min.insync.replicas for the whole cluster. */
static struct verdict check_min_insync(struct decision *d, const struct resource *r)
{
    if (r->type != RESOURCE_BROKER || image_feature_level(d->image, "eligible.leader.replicas.version") == 0)
        return VERDICT_OK;
    for (size_t i = 0; i < r->count; i++) {
        if (!str_is(r->changes[i].key, "min.insync.replicas"))
            continue;
        if (r->name.size)
            return decide__refuse(d, STATUS_INVALID_CONFIG,
                                  "Broker-level min.insync.replicas cannot be altered while ELR is enabled.");
        if (!r->changes[i].value.data)
            return decide__refuse(d, STATUS_INVALID_CONFIG,
                                  "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.");
    }
    return VERDICT_OK;
}

/* Taking an override away is always allowed. */
static struct verdict take_changes(struct decision *d, const struct resource *r)
{
    size_t bytes = 0;

    for (size_t i = 0; i < r->count; i++)
        if (r->changes[i].value.data)
            bytes += decide__config_memory(r->changes[i].key, r->changes[i].value);
    return bytes ? decide__take_memory(d, bytes) : VERDICT_OK;
}

static void put_changes(struct decision *d, const struct resource *r, const struct image_config *before)
{
    for (size_t i = 0; i < r->count; i++) {
        struct str_view old = image_config_value(before, r->changes[i].key);

        if (r->type == RESOURCE_BROKER || !str_equal(old, r->changes[i].value))
            decide__put_config(d, r->type, r->name, r->changes[i].key, r->changes[i].value);
    }
    for (size_t i = 0; before && !r->incremental && i < before->count; i++) {
        bool named = false;

        for (size_t j = 0; j < r->count && !named; j++)
            named = str_equal(r->changes[j].key, before->entries[i].key);
        if (!named)
            decide__put_config(d, r->type, r->name, before->entries[i].key, STR_NULL);
    }
}

static int order_changes(const void *a, const void *b)
{
    const struct change *left = a, *right = b;

    return str_order(left->key, right->key);
}

static bool changes_repeat(struct decision *d, const struct resource *r, bool *failed)
{
    struct change *sorted = arena_alloc(d->arena, r->count, sizeof *sorted);

    *failed = !sorted;
    if (!sorted || !r->count)
        return false;
    memcpy(sorted, r->changes, r->count * sizeof *sorted);
    qsort(sorted, r->count, sizeof *sorted, order_changes);
    for (size_t i = 1; i < r->count; i++) {
        if (str_equal(sorted[i - 1].key, sorted[i].key))
            return true;
    }
    return false;
}

static struct verdict decide_resource(struct decision *d, struct resource *r)
{
    const struct image_config *before = image_config(d->image, r->type, r->name);
    struct image_config_entry *entries;
    struct verdict verdict;
    size_t count;
    bool failed;

    if (changes_repeat(d, r, &failed))
        return decide__refuse(d, STATUS_INVALID_REQUEST, "Error due to duplicate config keys");
    verdict = failed ? (struct verdict){STATUS_NO_MEMORY, STR_NULL} : check_resource(d, r);
    if (verdict.status == STATUS_OK)
        verdict = check_changes(d, r, before);
    if (verdict.status == STATUS_OK)
        verdict = check_min_insync(d, r);
    if (verdict.status != STATUS_OK)
        return verdict;
    entries = merged(d, before, r->changes, r->count, r->incremental, &count);
    if (!entries)
        return (struct verdict){STATUS_NO_MEMORY, STR_NULL};
    verdict = decide__check_configs(d, r->type, r->name, entries, count);
    if (verdict.status == STATUS_OK)
        verdict = take_changes(d, r);
    if (verdict.status == STATUS_OK)
        put_changes(d, r, before);
    return verdict;
}

/* ---- the two APIs ---- */

/* A resource that is named twice is refused both times; there are few of them. */
static bool resource_repeats(const int8_t *types, const struct str_view *names, int32_t count, int32_t i)
{
    for (int32_t j = 0; j < count; j++) {
        if (j != i && types[j] == types[i] && str_equal(names[j], names[i]))
            return true;
    }
    return false;
}

static struct verdict decide_next(struct decision *d, struct resource *r, const int8_t *types,
                                  const struct str_view *names, int32_t count, int32_t i)
{
    r->type = (enum config_resource)types[i];
    r->name = names[i];
    return resource_repeats(types, names, count, i)
               ? decide__refuse(d, STATUS_INVALID_REQUEST, "Each resource must appear at most once.")
               : decide_resource(d, r);
}

enum status decide_alter_configs(struct decision *d, const struct alter_configs_request *in,
                                 struct alter_configs_response *out)
{
    size_t n = in->resources_count > 0 ? (size_t)in->resources_count : 0;
    int8_t *types = arena_alloc(d->arena, n, sizeof *types);
    struct str_view *names = arena_alloc(d->arena, n, sizeof *names);

    alter_configs_response_init(out);
    out->responses = arena_alloc(d->arena, n, sizeof *out->responses);
    if (!types || !names || !out->responses)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        types[i] = in->resources[i].resource_type;
        names[i] = in->resources[i].resource_name;
    }
    for (int32_t i = 0; i < in->resources_count; i++) {
        const struct alter_configs_request_resource *from = &in->resources[i];
        struct alter_configs_response_response *result = &out->responses[out->responses_count++];
        struct resource r = {.count = from->configs_count > 0 ? (size_t)from->configs_count : 0};
        struct verdict verdict;

        r.changes = arena_alloc(d->arena, r.count, sizeof *r.changes);
        if (!r.changes)
            return STATUS_NO_MEMORY;
        for (size_t j = 0; j < r.count; j++)
            r.changes[j] = (struct change){from->configs[j].name, from->configs[j].value, OP_SET};
        verdict = decide_next(d, &r, types, names, in->resources_count, i);
        if (verdict.status == STATUS_NO_MEMORY)
            return STATUS_NO_MEMORY;
        alter_configs_response_response_init(result);
        result->error_code = status_wire(verdict.status);
        result->error_message = verdict.message;
        result->resource_type = types[i];
        result->resource_name = names[i];
    }
    if (in->validate_only)
        d->records.count = 0;
    return decide__done(d);
}

static bool known_ops(const struct incremental_alter_configs_request_resource *from)
{
    for (int32_t i = 0; i < from->configs_count; i++) {
        if (from->configs[i].config_operation < OP_SET || from->configs[i].config_operation > OP_SUBTRACT)
            return false;
    }
    return true;
}

enum status decide_incremental_alter_configs(struct decision *d, const struct incremental_alter_configs_request *in,
                                             struct incremental_alter_configs_response *out)
{
    size_t n = in->resources_count > 0 ? (size_t)in->resources_count : 0;
    int8_t *types = arena_alloc(d->arena, n, sizeof *types);
    struct str_view *names = arena_alloc(d->arena, n, sizeof *names);

    incremental_alter_configs_response_init(out);
    out->responses = arena_alloc(d->arena, n, sizeof *out->responses);
    if (!types || !names || !out->responses)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        types[i] = in->resources[i].resource_type;
        names[i] = in->resources[i].resource_name;
    }
    for (int32_t i = 0; i < in->resources_count; i++) {
        const struct incremental_alter_configs_request_resource *from = &in->resources[i];
        struct incremental_alter_configs_response_response *result = &out->responses[out->responses_count++];
        struct resource r = {.count = from->configs_count > 0 ? (size_t)from->configs_count : 0, .incremental = true};
        struct verdict verdict;

        r.changes = arena_alloc(d->arena, r.count, sizeof *r.changes);
        if (!r.changes)
            return STATUS_NO_MEMORY;
        for (size_t j = 0; j < r.count; j++)
            r.changes[j] = (struct change){from->configs[j].name, from->configs[j].value,
                                           (enum config_op)from->configs[j].config_operation};
        verdict = known_ops(from) ? decide_next(d, &r, types, names, in->resources_count, i)
                                  : decide__refuse(d, STATUS_INVALID_REQUEST, "Unknown operation type.");
        if (verdict.status == STATUS_NO_MEMORY)
            return STATUS_NO_MEMORY;
        incremental_alter_configs_response_response_init(result);
        result->error_code = status_wire(verdict.status);
        result->error_message = verdict.message;
        result->resource_type = types[i];
        result->resource_name = names[i];
    }
    if (in->validate_only)
        d->records.count = 0;
    return decide__done(d);
}
