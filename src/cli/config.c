/* SPDX-License-Identifier: Apache-2.0
 * barnabas config: the configuration of topics and brokers.
 *
 * librdkafka 2.0 knows AlterConfigs, which replaces all of a resource's entries, and not IncrementalAlterConfigs. So a change reads what
 * is set, changes that, and writes it back. What is sensitive cannot be read: a resource that has such an entry set is not
 * changed here, unless the change itself gives or deletes it.
 */
#include <inttypes.h>

#include "base/mem.h"
#include "cli/cli_int.h"
#include "cli/commands.h"

static const char *const source_names[] = {"unknown", "topic", "broker", "cluster", "file", "default"};

static const char *kind_of(rd_kafka_ResourceType_t type)
{
    return type == RD_KAFKA_RESOURCE_TOPIC ? "topic" : "broker";
}

/* The entries of one resource, in the event that holds them. */
static rd_kafka_event_t *describe(struct cli_client *client, rd_kafka_ResourceType_t type, const char *name,
                                  const rd_kafka_ConfigEntry_t ***entries, size_t *count)
{
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(type, name);
    rd_kafka_AdminOptions_t *options = cli__admin_options(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    const rd_kafka_ConfigResource_t **resources;
    rd_kafka_event_t *event;
    size_t resources_count;

    rd_kafka_DescribeConfigs(client->kafka, &resource, 1, options, client->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(resource);
    event = cli__result(client, "describe the configuration");
    if (!event)
        return NULL;
    resources = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &resources_count);
    if (rd_kafka_ConfigResource_error(resources[0])) {
        cli__explain(client, rd_kafka_ConfigResource_error(resources[0]), rd_kafka_ConfigResource_error_string(resources[0]), "%s %s",
                     kind_of(type), name);
        rd_kafka_event_destroy(event);
        return NULL;
    }
    *entries = rd_kafka_ConfigResource_configs(resources[0], count);
    return event;
}

static int by_name(const void *a, const void *b)
{
    const rd_kafka_ConfigEntry_t *const *x = a, *const *y = b;

    return strcmp(rd_kafka_ConfigEntry_name(*x), rd_kafka_ConfigEntry_name(*y));
}

static bool is_set_here(const rd_kafka_ConfigEntry_t *entry, rd_kafka_ResourceType_t type)
{
    return rd_kafka_ConfigEntry_source(entry) ==
           (type == RD_KAFKA_RESOURCE_TOPIC ? RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG : RD_KAFKA_CONFIG_SOURCE_DYNAMIC_BROKER_CONFIG);
}

static const char *value_text(const rd_kafka_ConfigEntry_t *entry)
{
    const char *value = rd_kafka_ConfigEntry_value(entry);

    return rd_kafka_ConfigEntry_is_sensitive(entry) ? "(hidden)" : value ? value : "(none)";
}

bool cli__config_show(struct cli_client *client, rd_kafka_ResourceType_t type, const char *name, bool all)
{
    const rd_kafka_ConfigEntry_t **entries, **sorted;
    struct cli_table table;
    rd_kafka_event_t *event;
    size_t count;

    event = describe(client, type, name, &entries, &count);
    if (!event)
        return false;
    cli__table_init(&table, 3);
    sorted = mem_alloc(count, sizeof *sorted);
    table.failed = !sorted;
    if (sorted && count) {
        memcpy(sorted, entries, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, by_name);
    }
    for (size_t i = 0; sorted && i < count; i++) {
        rd_kafka_ConfigSource_t source = rd_kafka_ConfigEntry_source(sorted[i]);

        if (!all && source == RD_KAFKA_CONFIG_SOURCE_DEFAULT_CONFIG)
            continue;
        if (table.count == 0) {
            cli__cell(&table, "KEY");
            cli__cell(&table, "VALUE");
            cli__cell(&table, "FROM");
        }
        cli__cell(&table, "%s", rd_kafka_ConfigEntry_name(sorted[i]));
        cli__cell(&table, "%s", value_text(sorted[i]));
        cli__cell(&table, "%s", source < sizeof source_names / sizeof *source_names ? source_names[source] : "unknown");
    }
    cli__table_print(&table);
    mem_free(sorted);
    rd_kafka_event_destroy(event);
    return true;
}

/* Whether a list of keys, or of key=value, names the key. */
static bool names(const char *const *list, int count, const char *key)
{
    size_t size = strlen(key);

    for (int i = 0; i < count; i++)
        if (strncmp(list[i], key, size) == 0 && (list[i][size] == '=' || list[i][size] == '\0'))
            return true;
    return false;
}

/* The entries that stay as they are. */
static bool keep(rd_kafka_ConfigResource_t *resource, rd_kafka_ResourceType_t type, const rd_kafka_ConfigEntry_t **entries, size_t count,
                 const char *const *set, int set_count, const char *const *unset, int unset_count)
{
    for (size_t i = 0; i < count; i++) {
        const char *key = rd_kafka_ConfigEntry_name(entries[i]);

        if (!is_set_here(entries[i], type) || names(set, set_count, key) || names(unset, unset_count, key))
            continue;
        if (rd_kafka_ConfigEntry_is_sensitive(entries[i])) {
            cli__say("%s is set and secret, so it would be lost by this change: give it with --set too, or change it with another tool", key);
            return false;
        }
        rd_kafka_ConfigResource_set_config(resource, key, rd_kafka_ConfigEntry_value(entries[i]));
    }
    return true;
}

static bool write_configs(struct cli_client *client, rd_kafka_ConfigResource_t *resource, const char *kind, const char *name)
{
    rd_kafka_AdminOptions_t *options = cli__admin_options(client, RD_KAFKA_ADMIN_OP_ALTERCONFIGS);
    const rd_kafka_ConfigResource_t **resources;
    rd_kafka_resp_err_t error;
    rd_kafka_event_t *event;
    size_t count;

    rd_kafka_AlterConfigs(client->kafka, &resource, 1, options, client->queue);
    rd_kafka_AdminOptions_destroy(options);
    event = cli__result(client, "change the configuration");
    if (!event)
        return false;
    resources = rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event), &count);
    error = rd_kafka_ConfigResource_error(resources[0]);
    if (error)
        cli__explain(client, error, rd_kafka_ConfigResource_error_string(resources[0]), "%s %s", kind, name);
    else
        printf("configured %s %s\n", kind, name);
    rd_kafka_event_destroy(event);
    return !error;
}

bool cli__config_change(struct cli_client *client, rd_kafka_ResourceType_t type, const char *name, const char *const *set, int set_count,
                        const char *const *unset, int unset_count)
{
    rd_kafka_ConfigResource_t *resource;
    const rd_kafka_ConfigEntry_t **entries;
    rd_kafka_event_t *event;
    size_t count;
    bool ok;

    event = describe(client, type, name, &entries, &count);
    if (!event)
        return false;
    resource = rd_kafka_ConfigResource_new(type, name);
    ok = keep(resource, type, entries, count, set, set_count, unset, unset_count);
    rd_kafka_event_destroy(event);
    for (int i = 0; ok && i < set_count; i++) {
        const char *value;
        char *key;

        ok = cli__pair(set[i], &key, &value);
        if (ok) {
            rd_kafka_ConfigResource_set_config(resource, key, value);
            mem_free(key);
        }
    }
    ok = ok && write_configs(client, resource, kind_of(type), name);
    rd_kafka_ConfigResource_destroy(resource);
    return ok;
}

/* The one topic or broker that the options name. */
static bool resource_of(const struct cli_args *args, rd_kafka_ResourceType_t *type, const char **name, char broker[CLI_NUMBER_SIZE])
{
    bool topic = args->of[OPT_OF_TOPIC].given;

    if (topic == args->of[OPT_BROKER].given || args->of[OPT_OF_TOPIC].list_count > 1) {
        cli__say("say whose configuration: one --topic, or one --broker");
        return false;
    }
    snprintf(broker, CLI_NUMBER_SIZE, "%" PRId64, args->of[OPT_BROKER].number);
    *type = topic ? RD_KAFKA_RESOURCE_TOPIC : RD_KAFKA_RESOURCE_BROKER;
    *name = topic ? args->of[OPT_OF_TOPIC].list[0] : broker;
    return true;
}

static enum cli_exit config_describe(const struct cli_args *args)
{
    struct cli_client client = {0};
    rd_kafka_ResourceType_t type;
    char broker[CLI_NUMBER_SIZE];
    const char *name;
    bool ok;

    if (!resource_of(args, &type, &name, broker))
        return CLI_USAGE;
    ok = cli__connect(&client, args, RD_KAFKA_CONSUMER, NULL, NULL) && cli__config_show(&client, type, name, args->of[OPT_ALL].given);
    cli__close(&client);
    return ok ? CLI_DONE : CLI_FAILED;
}

static enum cli_exit config_alter(const struct cli_args *args)
{
    struct cli_client client = {0};
    rd_kafka_ResourceType_t type;
    char broker[CLI_NUMBER_SIZE];
    const char *name;
    bool ok;

    if (!resource_of(args, &type, &name, broker))
        return CLI_USAGE;
    if (!args->of[OPT_SET].given && !args->of[OPT_DELETE].given) {
        cli__say("say what to change: --set or --delete");
        return CLI_USAGE;
    }
    ok = cli__connect(&client, args, RD_KAFKA_CONSUMER, NULL, NULL) &&
         cli__config_change(&client, type, name, args->of[OPT_SET].list, args->of[OPT_SET].list_count, args->of[OPT_DELETE].list,
                            args->of[OPT_DELETE].list_count);
    cli__close(&client);
    return ok ? CLI_DONE : CLI_FAILED;
}

static const struct cli_verb verbs[] = {
    {"describe", "", "what is set; with --all, defaults too", OPTS_CLIENT | OPT(OF_TOPIC) | OPT(BROKER) | OPT(ALL), 0, 0, config_describe, NULL},
    {"alter", "", "set entries, or take them back to their defaults", OPTS_CLIENT | OPT(OF_TOPIC) | OPT(BROKER) | OPT(SET) | OPT(DELETE), 0, 0,
     config_alter, NULL},
};

int cli__config(int argc, char **argv)
{
    return cli__run(verbs, sizeof verbs / sizeof *verbs, argc, argv);
}
