/* SPDX-License-Identifier: Apache-2.0
 * The values that hold now: the static configuration under the overrides of the image. See config.h.
 *
 * A topic's or group's value without an override of its own comes from broker keys (`origins` of its row): the
 * strongest key that has a value anywhere wins, so that log.retention.ms beats log.retention.hours wherever the two
 * stand.
 */
#include "broker/config_int.h"

#include "base/assert.h"
#include "partition/partition.h"

static const struct image_config *broker_overrides(const struct config *config, const struct image *image)
{
    return image_config(image, RESOURCE_BROKER, str_from(config->node_id));
}

/* Parses what was checked when it was set; a value that an older or newer broker took and we do not counts as not
 * there. */
static bool parse(const struct config_row *row, struct str_view text, struct config_value *value)
{
    struct str_view message;
    struct arena arena;
    enum status status;

    arena_init(&arena, 4096);
    status = text.data ? config_value_parse(row, text, value, &arena, &message) : STATUS_INVALID_CONFIG;
    arena_free(&arena);
    return status == STATUS_OK;
}

static struct config_value broker_value(const struct config *config, const struct image *image, enum config_key key)
{
    const struct config_row *row = &config_broker_rows[key];
    struct config_value value;

    if (row->scope != CONFIG_READ_ONLY && image &&
        (parse(row, image_config_value(broker_overrides(config, image), str_from(row->name)), &value) ||
         parse(row, image_config_value(image_config(image, RESOURCE_BROKER, STR_LIT("")), str_from(row->name)),
               &value)))
        return value;
    return config->slots[key].value;
}

/* In the unit of the key that inherits; -1 ("none") stays -1. */
static struct config_value scaled(struct config_value value, int32_t factor)
{
    if (factor != 1)
        value.i = value.i < 0 ? -1 : value.i * factor; /* an INT of hours: no overflow */
    return value;
}

static struct config_value inherited(const struct config *config, const struct image *image,
                                     const struct config_row *row)
{
    struct config_value value = {.null = true};

    for (unsigned i = 0; i < row->origins_count; i++) {
        value = broker_value(config, image, (enum config_key)row->origins[i].key);
        if (!value.null)
            return scaled(value, row->origins[i].factor);
    }
    if (row->initial)
        ASSERT(parse(row, str_from(row->initial), &value));
    return value;
}

static struct config_value resource_value(const struct config *config, const struct image *image,
                                          enum config_resource type, struct str_view name, const struct config_row *row)
{
    struct config_value value;

    if (parse(row, image_config_value(image_config(image, type, name), str_from(row->name)), &value))
        return value;
    return inherited(config, image, row);
}

int64_t config_broker_i64(const struct config *config, const struct image *image, enum config_key key)
{
    return broker_value(config, image, key).i;
}

double config_broker_f64(const struct config *config, const struct image *image, enum config_key key)
{
    return broker_value(config, image, key).d;
}

struct str_view config_broker_str(const struct config *config, const struct image *image, enum config_key key)
{
    return broker_value(config, image, key).s;
}

bool config_topic_bool(const struct config *config, const struct image *image, struct str_view topic,
                       enum topic_key key)
{
    ASSERT(config_topic_rows[key].type == CONFIG_TYPE_BOOLEAN);
    return resource_value(config, image, RESOURCE_TOPIC, topic, &config_topic_rows[key]).i;
}

int64_t config_topic_i64(const struct config *config, const struct image *image, struct str_view topic,
                         enum topic_key key)
{
    ASSERT(config_topic_rows[key].type == CONFIG_TYPE_INT || config_topic_rows[key].type == CONFIG_TYPE_LONG);
    return resource_value(config, image, RESOURCE_TOPIC, topic, &config_topic_rows[key]).i;
}

double config_topic_f64(const struct config *config, const struct image *image, struct str_view topic,
                        enum topic_key key)
{
    ASSERT(config_topic_rows[key].type == CONFIG_TYPE_DOUBLE);
    return resource_value(config, image, RESOURCE_TOPIC, topic, &config_topic_rows[key]).d;
}

struct str_view config_topic_str(const struct config *config, const struct image *image, struct str_view topic,
                                 enum topic_key key)
{
    return resource_value(config, image, RESOURCE_TOPIC, topic, &config_topic_rows[key]).s;
}

int64_t config_group_i64(const struct config *config, const struct image *image, struct str_view group,
                         enum group_key key)
{
    ASSERT(config_group_rows[key].type == CONFIG_TYPE_INT || config_group_rows[key].type == CONFIG_TYPE_LONG);
    return resource_value(config, image, RESOURCE_GROUP, group, &config_group_rows[key]).i;
}

static bool list_has(struct str_view list, const char *item)
{
    while (list.size) {
        if (str_is(config_list_next(&list), item))
            return true;
    }
    return false;
}

/* compression.type as a codec and its level; -1: as the producer sent it. */
static void set_compression(struct partition_config *out, const struct config *config, const struct image *image,
                            struct str_view topic)
{
    static const struct {
        const char *name;
        int8_t codec;
        enum topic_key level; /* TOPIC_KEYS: it has none */
    } codecs[] = {
        {"producer", -1, TOPIC_KEYS},
        {"uncompressed", COMPRESSION_NONE, TOPIC_KEYS},
        {"gzip", COMPRESSION_GZIP, TOPIC_COMPRESSION_GZIP_LEVEL},
        {"snappy", COMPRESSION_SNAPPY, TOPIC_KEYS},
        {"lz4", COMPRESSION_LZ4, TOPIC_COMPRESSION_LZ4_LEVEL},
        {"zstd", COMPRESSION_ZSTD, TOPIC_COMPRESSION_ZSTD_LEVEL},
    };
    struct str_view type = config_topic_str(config, image, topic, TOPIC_COMPRESSION_TYPE);

    out->compression = -1;
    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
        if (!str_is(type, codecs[i].name))
            continue;
        out->compression = codecs[i].codec;
        out->compression_level =
            codecs[i].level == TOPIC_KEYS ? 0 : (int)config_topic_i64(config, image, topic, codecs[i].level);
    }
}

void config_topic(const struct config *config, const struct image *image, struct str_view topic,
                  struct partition_config *out)
{
    struct str_view policy = config_topic_str(config, image, topic, TOPIC_CLEANUP_POLICY);
    int64_t small = config_topic_i64(config, image, topic, TOPIC_INTERNAL_SEGMENT_BYTES);

    memset(out, 0, sizeof *out); /* also what lies between the fields: equal ones are found by their bytes (config_shared.h) */
    out->log.segment_bytes = small > 0 ? small : config_topic_i64(config, image, topic, TOPIC_SEGMENT_BYTES);
    out->log.segment_ms = config_topic_i64(config, image, topic, TOPIC_SEGMENT_MS);
    out->log.segment_jitter_ms = config_topic_i64(config, image, topic, TOPIC_SEGMENT_JITTER_MS);
    out->log.segment_index_bytes = config_topic_i64(config, image, topic, TOPIC_SEGMENT_INDEX_BYTES);
    out->log.index_interval_bytes = config_topic_i64(config, image, topic, TOPIC_INDEX_INTERVAL_BYTES);
    out->log.retention_bytes = config_topic_i64(config, image, topic, TOPIC_RETENTION_BYTES);
    out->log.retention_ms = config_topic_i64(config, image, topic, TOPIC_RETENTION_MS);
    out->log.file_delete_delay_ms = config_topic_i64(config, image, topic, TOPIC_FILE_DELETE_DELAY_MS);
    out->log.flush_messages = config_topic_i64(config, image, topic, TOPIC_FLUSH_MESSAGES);
    out->log.flush_ms = config_topic_i64(config, image, topic, TOPIC_FLUSH_MS);
    out->log.preallocates = config_topic_bool(config, image, topic, TOPIC_PREALLOCATE);
    out->log.append_time = str_is(config_topic_str(config, image, topic, TOPIC_MESSAGE_TIMESTAMP_TYPE), "LogAppendTime");
    out->log.deletes = list_has(policy, "delete");
    out->log.compacts = list_has(policy, "compact");
    out->log.cleanable_ratio_min = config_topic_f64(config, image, topic, TOPIC_MIN_CLEANABLE_DIRTY_RATIO);
    out->log.compaction_lag_min_ms = config_topic_i64(config, image, topic, TOPIC_MIN_COMPACTION_LAG_MS);
    out->log.compaction_lag_max_ms = config_topic_i64(config, image, topic, TOPIC_MAX_COMPACTION_LAG_MS);
    out->log.delete_retention_ms = config_topic_i64(config, image, topic, TOPIC_DELETE_RETENTION_MS);
    out->message_bytes_max = config_topic_i64(config, image, topic, TOPIC_MAX_MESSAGE_BYTES);
    out->decompressed_bytes_max = config_topic_i64(config, image, topic, TOPIC_MAX_DECOMPRESSED_MESSAGE_BYTES);
    out->timestamp_before_max_ms = config_topic_i64(config, image, topic, TOPIC_MESSAGE_TIMESTAMP_BEFORE_MAX_MS);
    out->timestamp_after_max_ms = config_topic_i64(config, image, topic, TOPIC_MESSAGE_TIMESTAMP_AFTER_MAX_MS);
    out->producer_id_expiration_ms = config_broker_i64(config, image, CONFIG_PRODUCER_ID_EXPIRATION_MS);
    if (out->log.compacts && out->log.compaction_lag_max_ms < out->log.segment_ms) /* what is not rolled is not compacted */
        out->log.segment_ms = out->log.compaction_lag_max_ms;
    set_compression(out, config, image, topic);
}

/* ---- DescribeConfigs ---- */

struct layers { /* where a broker key may be set, the strongest first */
    const struct config *config;
    const struct image_config *broker, *cluster;
};

/* The text of a broker key at one source; null: not set there. */
static struct str_view layer_text(const struct layers *layers, enum config_source source, enum config_key key)
{
    struct str_view name = str_from(config_broker_rows[key].name);

    if (source == SOURCE_BROKER)
        return image_config_value(layers->broker, name);
    if (source == SOURCE_BROKER_DEFAULT)
        return image_config_value(layers->cluster, name);
    if (source == SOURCE_STATIC)
        return layers->config->slots[key].text;
    return str_from(config_broker_rows[key].initial);
}

static void add_synonym(struct config_described *out, const char *name, struct str_view value,
                        enum config_source source, bool secret)
{
    ASSERT(out->synonyms_count < CONFIG_SYNONYMS_MAX);
    out->synonyms[out->synonyms_count++] = (struct config_synonym){name, secret ? STR_NULL : value, source};
}

/* Every place where one of `family` is set, by source, from the first that sets `own` on: what Kafka lists. */
static void add_family(struct config_described *out, const struct layers *layers, const struct config_origin *family,
                       unsigned count, enum config_key own)
{
    static const enum config_source sources[] = {SOURCE_BROKER, SOURCE_BROKER_DEFAULT, SOURCE_STATIC, SOURCE_DEFAULT};
    bool reached = false;

    for (size_t s = 0; s < sizeof sources / sizeof sources[0]; s++) {
        for (unsigned i = 0; i < count; i++) {
            enum config_key key = (enum config_key)family[i].key;
            struct str_view text = layer_text(layers, sources[s], key);

            reached |= key == own && text.data;
            if (text.data && reached)
                add_synonym(out, config_broker_rows[key].name, text, sources[s],
                            config_broker_rows[key].type == CONFIG_TYPE_PASSWORD);
        }
    }
}

/* A list as Kafka shows it: without blanks, each element once. */
static struct str_view list_text(struct arena *arena, struct str_view list)
{
    char *text = arena_alloc(arena, list.size + 1, 1);
    size_t size = 0;

    while (text && list.size) {
        struct str_view item = config_list_next(&list), seen = {text, size};
        bool again = false;

        while (seen.size && !again)
            again = str_equal(config_list_next(&seen), item);
        if (again)
            continue;
        if (size)
            text[size++] = ',';
        memcpy(text + size, item.data, item.size);
        size += item.size;
    }
    return (struct str_view){text, size};
}

static struct str_view value_text(const struct config_row *row, const struct config_value *value, struct arena *arena)
{
    if (value->null)
        return STR_NULL;
    switch (row->type) {
    case CONFIG_TYPE_BOOLEAN:
        return value->i ? STR_LIT("true") : STR_LIT("false");
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_SHORT:
    case CONFIG_TYPE_LONG:
        return arena_format(arena, "%lld", (long long)value->i);
    case CONFIG_TYPE_DOUBLE:
        return config_double_text(arena, value->d);
    case CONFIG_TYPE_LIST:
        return list_text(arena, value->s);
    case CONFIG_TYPE_STRING:
    case CONFIG_TYPE_CLASS:
    case CONFIG_TYPE_PASSWORD:
        return value->s;
    }
    return STR_NULL;
}

static enum config_source own_source(enum config_resource type)
{
    return type == RESOURCE_TOPIC ? SOURCE_TOPIC : type == RESOURCE_GROUP ? SOURCE_GROUP : SOURCE_CLIENT_METRICS;
}

static void describe_broker(const struct layers *layers, const struct image *image, bool cluster_wide, size_t index,
                            struct config_described *out, struct config_value *value)
{
    enum config_key key = (enum config_key)index;
    const struct config_row *row = &config_broker_rows[key];
    const struct config_origin self = {(int16_t)key, 1};
    struct str_view text = image_config_value(layers->cluster, str_from(row->name));

    *value = broker_value(layers->config, image, key);
    if (!cluster_wide) {
        add_family(out, layers, row->origins_count ? row->origins : &self, row->origins_count ? row->origins_count : 1,
                   key);
    } else if (text.data) {
        add_synonym(out, row->name, text, SOURCE_BROKER_DEFAULT, row->type == CONFIG_TYPE_PASSWORD);
        (void)parse(row, text, value);
    }
    out->read_only = row->scope == CONFIG_READ_ONLY;
}

static void describe_resource(const struct layers *layers, const struct image *image, enum config_resource type,
                              const struct image_config *own, struct config_described *out, struct config_value *value)
{
    const struct config_row *row = out->row;
    struct str_view text = image_config_value(own, str_from(row->name));

    if (text.data)
        add_synonym(out, row->name, text, own_source(type), false);
    if (row->origins_count)
        add_family(out, layers, row->origins, row->origins_count, (enum config_key)row->origins[0].key);
    else if (type == RESOURCE_GROUP)
        add_synonym(out, row->name, str_from(row->initial), SOURCE_DEFAULT, false);
    if (!parse(row, text, value))
        *value = inherited(layers->config, image, row);
}

const struct config_row *config_rows(enum config_resource type, unsigned *count)
{
    switch (type) {
    case RESOURCE_TOPIC:
        *count = config_topic_rows_count;
        return config_topic_rows;
    case RESOURCE_BROKER:
        *count = config_broker_rows_count;
        return config_broker_rows;
    case RESOURCE_CLIENT_METRICS:
        *count = config_client_metrics_rows_count;
        return config_client_metrics_rows;
    case RESOURCE_GROUP:
        *count = config_group_rows_count;
        return config_group_rows;
    case RESOURCE_BROKER_LOGGER:
        break;
    }
    *count = 0;
    return NULL;
}

enum status config_describe(const struct config *config, const struct image *image, enum config_resource type,
                            const struct image_config *own, size_t index, struct arena *arena,
                            struct config_described *out)
{
    const struct layers layers = {config, broker_overrides(config, image),
                                  image_config(image, RESOURCE_BROKER, STR_LIT(""))};
    struct config_value value;
    unsigned count;
    const struct config_row *rows = config_rows(type, &count);

    ASSERT(index < count);
    *out = (struct config_described){.row = &rows[index]};
    if (type == RESOURCE_BROKER)
        describe_broker(&layers, image, own != NULL, index, out, &value);
    else
        describe_resource(&layers, image, type, own, out, &value);
    out->source = out->synonyms_count ? out->synonyms[0].source : SOURCE_DEFAULT;
    if (out->row->type == CONFIG_TYPE_PASSWORD || value.null)
        return STATUS_OK;
    out->value = value_text(out->row, &value, arena);
    if (type != RESOURCE_BROKER && out->source == own_source(type))
        out->synonyms[0].value = out->value;
    return out->value.data ? STATUS_OK : STATUS_NO_MEMORY;
}
