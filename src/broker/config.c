/* SPDX-License-Identifier: Apache-2.0
 * The static configuration: see config.h. From text to typed values, and what must hold between them.
 */
#include "broker/config_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "meta/properties.h"

enum { CONFIG_BYTES_MAX = 16 << 20, MESSAGE_BYTES_MAX = 4096 };

static bool parse_initial(struct config *config, enum config_key key)
{
    const struct config_row *row = &config_broker_rows[key];
    struct str_view message;

    return config_value_parse(row, str_from(row->initial), &config->slots[key].value, &config->arena, &message) ==
           STATUS_OK;
}

struct config *config_new(void)
{
    struct config *config = mem_alloc(1, sizeof *config);

    if (!config)
        return NULL;
    arena_init(&config->arena, CONFIG_BYTES_MAX);
    for (unsigned key = 0; key < CONFIG_KEYS; key++)
        ASSERT(parse_initial(config, key)); /* schema/configs is ours */
    return config;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    arena_free(&config->arena);
    mem_free(config);
}

enum status config__put(struct config *config, enum config_key key, struct str_view text, struct err *err)
{
    struct str_view copy = arena_str(&config->arena, config_trimmed(text)), message = STR_NULL;
    struct arena arena;
    enum status status;

    if (!copy.data)
        return err_set(err, STATUS_NO_MEMORY, "no memory for the configuration");
    arena_init(&arena, MESSAGE_BYTES_MAX);
    status = config_value_parse(&config_broker_rows[key], copy, &config->slots[key].value, &arena, &message);
    if (status != STATUS_OK)
        (void)err_set(err, status, STR_FMT, STR_ARG(message));
    else
        config->slots[key].text = copy;
    arena_free(&arena);
    return status;
}

/* Without a file: one node for this machine's own clients, whose internal topics have one replica and whose groups do
 * not wait for more members. */
static const struct {
    enum config_key key;
    struct str_view text;
} builtin[] = {
    {CONFIG_NODE_ID, STR_LIT("1")},
    {CONFIG_PROCESS_ROLES, STR_LIT("broker,controller")},
    {CONFIG_LISTENERS, STR_LIT("PLAINTEXT://127.0.0.1:9092")},
    {CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS, STR_LIT("0")},
    {CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR, STR_LIT("1")},
    {CONFIG_TRANSACTION_STATE_LOG_REPLICATION_FACTOR, STR_LIT("1")},
    {CONFIG_TRANSACTION_STATE_LOG_MIN_ISR, STR_LIT("1")},
    {CONFIG_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR, STR_LIT("1")},
    {CONFIG_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR, STR_LIT("1")},
};

enum status config_set_builtin(struct config *config, struct err *err)
{
    enum status status = STATUS_OK;

    for (size_t i = 0; status == STATUS_OK && i < sizeof builtin / sizeof builtin[0]; i++)
        status = config__put(config, builtin[i].key, builtin[i].text, err);
    return status;
}

/* Keys of one listener or of a plug-in are no rows: they are kept as they are. */
static bool has_prefix(struct str_view key, const char *prefix)
{
    size_t size = strlen(prefix);

    return key.size > size && memcmp(key.data, prefix, size) == 0;
}

static enum status keep_unknown(struct config *config, struct str_view key, struct err *err)
{
    struct config_unknown *unknown = config->unknown;

    if (has_prefix(key, "listener.name.") || has_prefix(key, "config.providers.") || has_prefix(key, "rsm.config.") ||
        has_prefix(key, "rlmm.config."))
        return STATUS_OK;
    if (config->unknown_count == config->unknown_capacity) {
        size_t capacity = config->unknown_capacity ? config->unknown_capacity * 2 : 16;

        unknown = arena_alloc(&config->arena, capacity, sizeof *unknown);
        if (!unknown)
            return err_set(err, STATUS_NO_MEMORY, "no memory for the configuration");
        if (config->unknown_count)
            memcpy(unknown, config->unknown, config->unknown_count * sizeof *unknown);
        config->unknown = unknown;
        config->unknown_capacity = capacity;
    }
    unknown[config->unknown_count++] =
        (struct config_unknown){key, config_row_nearest(config_broker_rows, config_broker_rows_count, key)};
    return STATUS_OK;
}

enum status config_load(struct config *config, const char *file, struct str_view text, struct err *err)
{
    struct properties p;
    enum status status = STATUS_OK;
    bool more = true;

    properties_init(&p, &config->arena, text);
    while (status == STATUS_OK && more) {
        struct str_view key, value;
        int row;

        status = properties_next(&p, &key, &value, &more, err);
        if (status != STATUS_OK || !more)
            break;
        row = config_row_find(config_broker_rows, config_broker_rows_count, key);
        status = row < 0 ? keep_unknown(config, key, err) : config__put(config, (enum config_key)row, value, err);
        if (status != STATUS_OK)
            (void)err_wrap(err, "line %u", p.line);
    }
    return status == STATUS_OK ? status : err_wrap(err, "%s", file);
}

enum status config_set(struct config *config, struct str_view key_value, struct err *err)
{
    const char *equals = key_value.size ? memchr(key_value.data, '=', key_value.size) : NULL;
    struct str_view key = {key_value.data, equals ? (size_t)(equals - key_value.data) : 0};
    int row = config_row_find(config_broker_rows, config_broker_rows_count, key);
    const char *nearest;

    if (!equals)
        return err_set(err, STATUS_INVALID, "--set " STR_FMT ": expected key=value", STR_ARG(key_value));
    if (row >= 0)
        return config__put(config, (enum config_key)row, (struct str_view){equals + 1, key_value.size - key.size - 1},
                           err);
    nearest = config_row_nearest(config_broker_rows, config_broker_rows_count, key);
    return err_set(err, STATUS_INVALID, "--set " STR_FMT ": no such key%s%s%s", STR_ARG(key),
                   nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

const struct config_unknown *config_unknown(const struct config *config, size_t *count)
{
    *count = config->unknown_count;
    return config->unknown;
}

/* ---- what must hold ---- */

static bool list_contains(struct str_view list, const char *item)
{
    while (list.size) {
        if (str_is(config_list_next(&list), item))
            return true;
    }
    return false;
}

/* A directory of before KRaft calls it broker.id; whichever is set counts for both. */
static enum status finish_node_id(struct config *config, struct err *err)
{
    bool node = config->slots[CONFIG_NODE_ID].text.data, broker = config->slots[CONFIG_BROKER_ID].text.data;
    int64_t id = node ? config_i64(config, CONFIG_NODE_ID) : config_i64(config, CONFIG_BROKER_ID);
    enum status status = STATUS_OK;

    if (node && broker && config_i64(config, CONFIG_BROKER_ID) != id)
        return err_set(err, STATUS_INVALID_CONFIG, "node.id and broker.id differ");
    if (id < 0)
        id = 1;
    (void)snprintf(config->node_id, sizeof config->node_id, "%d", (int32_t)id);
    if (!node)
        status = config__put(config, CONFIG_NODE_ID, str_from(config->node_id), err);
    if (status == STATUS_OK && !broker)
        status = config__put(config, CONFIG_BROKER_ID, str_from(config->node_id), err);
    return status;
}

struct str_view config_plain_dir(struct str_view dir)
{
    while (dir.size > 1 && dir.data[dir.size - 1] == '/')
        dir.size--;
    return dir;
}

/* With a zero byte behind it; null: no memory. */
static struct str_view dir_copy(struct config *config, struct str_view dir)
{
    return arena_str(&config->arena, config_plain_dir(dir));
}

static enum status finish_metadata_dir(struct config *config, struct err *err)
{
    struct str_view dir = config_str(config, CONFIG_METADATA_LOG_DIR);

    config->metadata_dir = dir.size ? dir_copy(config, dir) : config->dirs[0];
    return config->metadata_dir.data ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "no memory for the configuration");
}

static enum status finish_dirs(struct config *config, struct err *err)
{
    struct str_view list = config_str(config, CONFIG_LOG_DIRS);
    size_t count = 1;

    if (!list.size)
        list = config_str(config, CONFIG_LOG_DIR);
    for (size_t i = 0; i < list.size; i++)
        count += list.data[i] == ',';
    config->dirs = arena_alloc(&config->arena, count, sizeof *config->dirs);
    for (config->dirs_count = 0; config->dirs && config->dirs_count < count; config->dirs_count++) {
        struct str_view dir = dir_copy(config, config_list_next(&list));

        if (!dir.data)
            break;
        if (!dir.size)
            return err_set(err, STATUS_INVALID_CONFIG, "log.dirs has an empty element");
        config->dirs[config->dirs_count] = dir;
        for (size_t i = 0; i < config->dirs_count; i++)
            if (strcmp(config->dirs[i].data, config->dirs[config->dirs_count].data) == 0)
                return err_set(err, STATUS_INVALID_CONFIG, "log.dirs has %s twice", config->dirs[i].data);
    }
    if (!config->dirs || config->dirs_count < count)
        return err_set(err, STATUS_NO_MEMORY, "no memory for the configuration");
    if (count > LOG_DIRS_MAX)
        return err_set(err, STATUS_INVALID_CONFIG, "log.dirs has %zu directories, more than %d", count, LOG_DIRS_MAX);
    return finish_metadata_dir(config, err);
}

/* id@host:port,... : this node and nobody else. */
static enum status check_voters(const struct config *config, struct err *err)
{
    struct str_view voters = config_str(config, CONFIG_CONTROLLER_QUORUM_VOTERS);
    unsigned count = 0;
    bool ours = false;

    while (voters.size) {
        struct str_view voter = config_list_next(&voters);
        const char *at = voter.size ? memchr(voter.data, '@', voter.size) : NULL;

        if (!at)
            return err_set(err, STATUS_INVALID_CONFIG,
                           "controller.quorum.voters: expected id@host:port, not '" STR_FMT "'", STR_ARG(voter));
        ours |= str_is((struct str_view){voter.data, (size_t)(at - voter.data)}, config->node_id);
        count++;
    }
    if (count > 1)
        return err_set(err, STATUS_INVALID_CONFIG,
                       "controller.quorum.voters names %u nodes: only a quorum of one is served so far", count);
    if (count == 1 && !ours)
        return err_set(err, STATUS_INVALID_CONFIG, "controller.quorum.voters does not name node %s", config->node_id);
    return STATUS_OK;
}

static enum status check_served(struct config *config, struct err *err)
{
    struct str_view roles = config_str(config, CONFIG_PROCESS_ROLES);
    struct str_view missing = config_missing_dirs(config, config_str(config, CONFIG_CORDONED_LOG_DIRS), &config->arena);

    if (missing.data)
        return err_set(err, STATUS_INVALID_CONFIG, "cordoned.log.dirs names " STR_FMT ", which is not in log.dirs", STR_ARG(missing));

    if (roles.data && !(list_contains(roles, "broker") && list_contains(roles, "controller")))
        return err_set(err, STATUS_INVALID_CONFIG,
                       "process.roles=" STR_FMT ": only broker,controller in one node is served so far",
                       STR_ARG(roles));
    if (config_str(config, CONFIG_AUTHORIZER_CLASS_NAME).size)
        return err_set(err, STATUS_INVALID_CONFIG,
                       "authorizer.class.name is set, but nothing is authorized so far: remove it to run without");
    return STATUS_OK;
}

enum status config_finish(struct config *config, struct err *err)
{
    enum status status = finish_node_id(config, err);

    if (status == STATUS_OK)
        status = finish_dirs(config, err);
    if (status == STATUS_OK)
        status = check_served(config, err);
    if (status == STATUS_OK)
        status = check_voters(config, err);
    return status == STATUS_OK ? config__listeners(config, err) : status;
}

static bool dir_configured(const struct config *config, struct str_view dir)
{
    for (size_t i = 0; i < config->dirs_count; i++)
        if (str_equal(config->dirs[i], config_plain_dir(dir)))
            return true;
    return false;
}

struct str_view config_missing_dirs(const struct config *config, struct str_view list, struct arena *arena)
{
    struct str_view missing = STR_NULL;

    if (str_is(config_trimmed(list), "*"))
        return missing;
    while (list.size) {
        struct str_view dir = config_list_next(&list);

        if (!dir_configured(config, dir))
            missing = missing.data ? arena_format(arena, STR_FMT ", " STR_FMT, STR_ARG(missing), STR_ARG(dir)) : dir;
    }
    return missing;
}

/* ---- values ---- */

bool config_bool(const struct config *config, enum config_key key)
{
    ASSERT(config_broker_rows[key].type == CONFIG_TYPE_BOOLEAN);
    return config->slots[key].value.i;
}

bool config_null(const struct config *config, enum config_key key)
{
    return config->slots[key].value.null;
}

int64_t config_i64(const struct config *config, enum config_key key)
{
    ASSERT(config_broker_rows[key].type == CONFIG_TYPE_INT || config_broker_rows[key].type == CONFIG_TYPE_LONG ||
           config_broker_rows[key].type == CONFIG_TYPE_SHORT);
    ASSERT(!config->slots[key].value.null || config_broker_rows[key].required);
    return config->slots[key].value.i;
}

double config_f64(const struct config *config, enum config_key key)
{
    ASSERT(config_broker_rows[key].type == CONFIG_TYPE_DOUBLE);
    return config->slots[key].value.d;
}

struct str_view config_str(const struct config *config, enum config_key key)
{
    return config->slots[key].value.s;
}

int32_t config_node_id(const struct config *config)
{
    return (int32_t)config_i64(config, CONFIG_NODE_ID);
}

/* The index-th element of log.dirs, or log.dir; finish_dirs made them. */
const char *config_log_dir(const struct config *config, size_t index)
{
    return index < config->dirs_count ? config->dirs[index].data : NULL;
}

const char *config_metadata_dir(const struct config *config)
{
    return config->metadata_dir.data;
}

const struct config_listener *config_listeners(const struct config *config, size_t *count)
{
    *count = config->listeners_count;
    return config->listeners;
}

bool config_async(const struct config *config)
{
    return str_is(config_str(config, CONFIG_BARNABAS_DURABILITY), "async");
}

bool config_static_voters(const struct config *config)
{
    return config_str(config, CONFIG_CONTROLLER_QUORUM_VOTERS).size > 0;
}
