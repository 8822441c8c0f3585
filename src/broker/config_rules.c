/* SPDX-License-Identifier: Apache-2.0
 * What the controller may accept as overrides (meta/decide.h): names, values, and keys that depend on each other, in
 * the order and with the words of Kafka's validators.
 */
#include "broker/config_int.h"

#include "meta/decide.h"

enum { TELEMETRY_INTERVAL_MIN_MS = 100, TELEMETRY_INTERVAL_MAX_MS = 3600000 };

/* One resource's overrides under judgement. */
struct judgement {
    const struct config *config;
    const struct image_config_entry *entries;
    size_t count;
    struct arena *arena;
    struct str_view message;
};

static struct str_view entry(const struct judgement *j, const char *key)
{
    for (size_t i = 0; i < j->count; i++) {
        if (str_is(j->entries[i].key, key))
            return j->entries[i].value;
    }
    return STR_NULL;
}

/* Every key is known and every value is its type's and within bounds. */
static enum status judge_values(struct judgement *j, const struct config_row *rows, unsigned rows_count,
                                const char *unknown)
{
    for (size_t i = 0; i < j->count; i++) {
        if (config_row_find(rows, rows_count, j->entries[i].key) < 0) {
            j->message = arena_format(j->arena, "%s: " STR_FMT, unknown, STR_ARG(j->entries[i].key));
            return STATUS_INVALID_CONFIG;
        }
    }
    for (size_t i = 0; i < j->count; i++) {
        struct config_value value;
        enum status status = config_value_parse(&rows[config_row_find(rows, rows_count, j->entries[i].key)],
                                                j->entries[i].value, &value, j->arena, &j->message);

        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* A number that holds with these overrides: an override, else what the static configuration gives. */
static int64_t topic_number(const struct judgement *j, enum topic_key key)
{
    const struct config_row *row = &config_topic_rows[key];
    struct str_view text = entry(j, row->name), ignored;
    struct config_value value;

    if (text.data && config_value_parse(row, text, &value, j->arena, &ignored) == STATUS_OK)
        return value.i;
    return j->config->slots[row->origins[0].key].value.i;
}

static enum status judge_topic(struct judgement *j)
{
    enum status status = judge_values(j, config_topic_rows, config_topic_rows_count, "Unknown topic config name");
    int64_t min, max;

    if (status != STATUS_OK)
        return status;
    min = topic_number(j, TOPIC_MIN_COMPACTION_LAG_MS);
    max = topic_number(j, TOPIC_MAX_COMPACTION_LAG_MS);
    if (min > max)
        j->message = arena_format(
            j->arena, "conflict topic config setting min.compaction.lag.ms (%lld) > max.compaction.lag.ms (%lld)",
            (long long)min, (long long)max);
    else if (str_is(entry(j, "remote.storage.enable"), "true"))
        j->message = STR_LIT("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with "
                             "remote log storage.");
    else
        return STATUS_OK;
    return STATUS_INVALID_CONFIG;
}

/* Stores of keys and trust are a listener's own: listener.name.<name>.<key>. */
static bool per_listener_only(const struct config_row *row)
{
    return strncmp(row->name, "ssl.keystore.", 13) == 0 || strncmp(row->name, "ssl.truststore.", 15) == 0 ||
           strcmp(row->name, "ssl.key.password") == 0;
}

static enum status judge_cordoned(struct judgement *j, struct str_view text)
{
    struct str_view missing = config_missing_dirs(j->config, text, j->arena);

    if (!missing.data)
        return STATUS_OK;
    j->message = arena_format(
        j->arena, "requirement failed: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : " STR_FMT,
        STR_ARG(missing));
    return STATUS_INVALID_REQUEST;
}

static enum status judge_broker_key(struct judgement *j, bool cluster_wide, const struct config_row *row,
                                    struct str_view text)
{
    struct config_value value;

    if (row->scope == CONFIG_READ_ONLY)
        j->message = arena_format(j->arena, "Cannot update these configs dynamically: [%s]", row->name);
    else if (per_listener_only(row))
        j->message = arena_format(
            j->arena,
            "These security configs can be dynamically updated only per-listener using the listener prefix: [%s]",
            row->name);
    else if (cluster_wide && row->scope == CONFIG_PER_BROKER)
        j->message = arena_format(
            j->arena, "Cannot update these configs at default cluster level, broker id must be specified: [%s]",
            row->name);
    else if (config_value_parse(row, text, &value, j->arena, &j->message) == STATUS_OK)
        return row == &config_broker_rows[CONFIG_CORDONED_LOG_DIRS] ? judge_cordoned(j, text) : STATUS_OK;
    return STATUS_INVALID_REQUEST;
}

static enum status judge_broker(struct judgement *j, struct str_view name)
{
    if (name.size && !str_is(name, j->config->node_id)) {
        j->message = arena_format(j->arena, "Unexpected broker id, expected %s or empty string, but received " STR_FMT,
                                  j->config->node_id, STR_ARG(name));
        return STATUS_INVALID_REQUEST;
    }
    for (size_t i = 0; i < j->count; i++) {
        int row = config_row_find(config_broker_rows, config_broker_rows_count, j->entries[i].key);
        enum status status =
            row < 0 ? STATUS_OK : judge_broker_key(j, !name.size, &config_broker_rows[row], j->entries[i].value);

        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* A group's `consumer.x` lies between the broker's group.consumer.min.x and group.consumer.max.x, where it has them. */
static enum status judge_group_bound(struct judgement *j, const struct image_config_entry *e, const char *side)
{
    const char *dot = memchr(e->key.data, '.', e->key.size);
    size_t head = dot ? (size_t)(dot - e->key.data) : 0;
    struct str_view bound =
        arena_format(j->arena, "group." STR_FMT ".%s" STR_FMT, STR_ARG(((struct str_view){e->key.data, head})), side,
                     STR_ARG(((struct str_view){e->key.data + head, e->key.size - head})));
    int group = config_row_find(config_group_rows, config_group_rows_count, e->key);
    int row = config_row_find(config_broker_rows, config_broker_rows_count, bound);
    bool minimum = strcmp(side, "min") == 0;
    struct config_value value;
    int64_t limit;

    if (row < 0 || config_value_parse(&config_group_rows[group], e->value, &value, j->arena, &j->message) != STATUS_OK)
        return STATUS_OK; /* judged already */
    limit = j->config->slots[row].value.i;
    if (minimum ? value.i >= limit : value.i <= limit)
        return STATUS_OK;
    j->message = arena_format(j->arena, STR_FMT " must be %s than or equal to " STR_FMT, STR_ARG(e->key),
                              minimum ? "greater" : "less", STR_ARG(bound));
    return STATUS_INVALID_CONFIG;
}

static enum status judge_group(struct judgement *j)
{
    enum status status = judge_values(j, config_group_rows, config_group_rows_count, "Unknown group config name");

    for (size_t i = 0; i < j->count && status == STATUS_OK; i++) {
        status = judge_group_bound(j, &j->entries[i], "min");
        if (status == STATUS_OK)
            status = judge_group_bound(j, &j->entries[i], "max");
    }
    return status;
}

static bool matching_pattern(struct str_view pattern)
{
    static const char *const names[] = {"client_instance_id",    "client_id",
                                        "client_software_name",  "client_software_version",
                                        "client_source_address", "client_source_port"};
    const char *equals = pattern.size ? memchr(pattern.data, '=', pattern.size) : NULL;

    for (size_t i = 0; equals && i < sizeof names / sizeof names[0]; i++) {
        if (str_is(config_trimmed((struct str_view){pattern.data, (size_t)(equals - pattern.data)}), names[i]))
            return true;
    }
    return false;
}

static enum status judge_client_metrics(struct judgement *j)
{
    enum status status = judge_values(j, config_client_metrics_rows, config_client_metrics_rows_count,
                                      "Unknown client metrics configuration");
    struct str_view interval = entry(j, "interval.ms"), match = entry(j, "match"), ignored;
    struct config_value value;

    if (status != STATUS_OK)
        return STATUS_INVALID_REQUEST;
    if (interval.data &&
        config_value_parse(&config_client_metrics_rows[CLIENT_METRICS_INTERVAL_MS], interval, &value, j->arena,
                           &ignored) == STATUS_OK &&
        (value.i < TELEMETRY_INTERVAL_MIN_MS || value.i > TELEMETRY_INTERVAL_MAX_MS)) {
        j->message = arena_format(
            j->arena, "Invalid value " STR_FMT " for interval.ms, interval must be between 100 and 3600000 (1 hour)",
            STR_ARG(interval));
        return STATUS_INVALID_REQUEST;
    }
    while (match.size) {
        struct str_view pattern = config_list_next(&match);

        if (matching_pattern(pattern))
            continue;
        j->message = arena_format(j->arena, "Illegal client matching pattern: " STR_FMT, STR_ARG(pattern));
        return STATUS_INVALID_CONFIG;
    }
    return STATUS_OK;
}

static enum status check(const void *context, enum config_resource type, struct str_view name,
                         const struct image_config_entry *entries, size_t count, struct arena *arena,
                         struct str_view *message)
{
    struct judgement j = {.config = context, .entries = entries, .count = count, .arena = arena};
    enum status status = STATUS_INVALID_REQUEST;

    switch (type) {
    case RESOURCE_TOPIC:
        status = judge_topic(&j);
        break;
    case RESOURCE_BROKER:
        status = judge_broker(&j, name);
        break;
    case RESOURCE_GROUP:
        status = judge_group(&j);
        break;
    case RESOURCE_CLIENT_METRICS:
        status = judge_client_metrics(&j);
        break;
    case RESOURCE_BROKER_LOGGER:
        break;
    }
    *message = j.message;
    return status;
}

static struct str_view inherited(const void *context, enum config_resource type, struct str_view key, bool *is_list)
{
    const struct config *config = context;
    unsigned count;
    const struct config_row *rows = config_rows(type, &count);
    int row = config_row_find(rows, count, key);
    int origin = row < 0 || type == RESOURCE_BROKER ? row : rows[row].origins_count ? rows[row].origins[0].key : -1;

    *is_list = row >= 0 && rows[row].type == CONFIG_TYPE_LIST;
    if (!*is_list)
        return STR_NULL;
    return origin >= 0 ? config->slots[origin].value.s : str_from(rows[row].initial);
}

void config_rules(const struct config *config, struct decide_rules *rules)
{
    *rules = (struct decide_rules){
        .context = config,
        .partitions_default = (int32_t)config_i64(config, CONFIG_NUM_PARTITIONS),
        .replication_default = (int16_t)config_i64(config, CONFIG_DEFAULT_REPLICATION_FACTOR),
        .min_insync_replicas = (int32_t)config_i64(config, CONFIG_MIN_INSYNC_REPLICAS),
        .delete_topics = config_bool(config, CONFIG_DELETE_TOPIC_ENABLE),
        .check = check,
        .inherited = inherited,
    };
}
