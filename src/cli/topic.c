/* SPDX-License-Identifier: Apache-2.0
 * barnabas topic: what topics there are, and how they are.
 */
#include <inttypes.h>
#include <limits.h>

#include "base/mem.h"
#include "cli/cli_int.h"
#include "cli/commands.h"

/* Prints the errors of a result that has one outcome a topic; `forgiven` is none. */
static enum cli_exit outcome(const struct cli_client *client, const rd_kafka_topic_result_t **results, size_t count,
                             rd_kafka_resp_err_t forgiven, const char *done)
{
    enum cli_exit result = CLI_DONE;

    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[i]);
        const char *name = rd_kafka_topic_result_name(results[i]);

        if (error && error != forgiven)
            result = cli__explain(client, error, rd_kafka_topic_result_error_string(results[i]), "topic %s", name);
        else if (!error)
            printf("%s %s\n", done, name);
    }
    return result;
}

static bool add_configs(rd_kafka_NewTopic_t *topic, const struct cli_args *args)
{
    for (int i = 0; i < args->of[OPT_CONFIG].list_count; i++) {
        const char *value;
        char *name;

        if (!cli__pair(args->of[OPT_CONFIG].list[i], &name, &value))
            return false;
        rd_kafka_NewTopic_set_config(topic, name, value);
        mem_free(name);
    }
    return true;
}

static enum cli_exit create_topics(struct cli_client *client, const struct cli_args *args, rd_kafka_NewTopic_t **topics)
{
    bool forgive = args->of[OPT_IF_NOT_EXISTS].given;
    rd_kafka_AdminOptions_t *options = cli__admin_options(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_event_t *event;
    enum cli_exit result = CLI_FAILED;

    rd_kafka_CreateTopics(client->kafka, topics, (size_t)args->arguments_count, options, client->queue);
    rd_kafka_AdminOptions_destroy(options);
    event = cli__result(client, "create topics");
    if (event) {
        size_t count;
        const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);

        result = outcome(client, results, count, forgive ? RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS : RD_KAFKA_RESP_ERR_NO_ERROR, "created");
        rd_kafka_event_destroy(event);
    }
    return result;
}

static enum cli_exit topic_create(const struct cli_args *args)
{
    size_t count = (size_t)args->arguments_count;
    rd_kafka_NewTopic_t **topics = mem_alloc(count, sizeof *topics);
    struct cli_client client = {0};
    enum cli_exit result = CLI_FAILED;
    bool ok = topics != NULL;

    for (size_t i = 0; ok && i < count; i++) {
        char reason[256];

        topics[i] = rd_kafka_NewTopic_new(args->arguments[i], args->of[OPT_PARTITIONS].given ? (int)args->of[OPT_PARTITIONS].number : -1,
                                          args->of[OPT_REPLICAS].given ? (int)args->of[OPT_REPLICAS].number : -1, reason, sizeof reason);
        ok = topics[i] && add_configs(topics[i], args);
        if (!topics[i])
            cli__say("topic '%s': %s", args->arguments[i], reason);
    }
    if (ok && cli__connect(&client, args, RD_KAFKA_CONSUMER, NULL, NULL))
        result = create_topics(&client, args, topics);
    for (size_t i = 0; topics && i < count && topics[i]; i++)
        rd_kafka_NewTopic_destroy(topics[i]);
    mem_free(topics);
    cli__close(&client);
    return result;
}

static int by_name(const void *a, const void *b)
{
    const struct rd_kafka_metadata_topic *const *x = a, *const *y = b;

    return strcmp((*x)->topic, (*y)->topic);
}

static enum cli_exit topic_list(const struct cli_args *args)
{
    const struct rd_kafka_metadata_topic **sorted;
    const struct rd_kafka_metadata *metadata;
    struct cli_client client = {0};
    struct cli_table table;

    if (!cli__connect(&client, args, RD_KAFKA_CONSUMER, NULL, NULL))
        return CLI_FAILED;
    if (!cli__metadata(&client, NULL, &metadata)) {
        cli__close(&client);
        return CLI_FAILED;
    }
    cli__table_init(&table, 3);
    sorted = mem_alloc((size_t)metadata->topic_cnt, sizeof *sorted);
    table.failed = !sorted;
    cli__cell(&table, "TOPIC");
    cli__cell(&table, "PARTITIONS");
    cli__cell(&table, "REPLICAS");
    for (int i = 0; sorted && i < metadata->topic_cnt; i++)
        sorted[i] = &metadata->topics[i];
    if (sorted)
        qsort(sorted, (size_t)metadata->topic_cnt, sizeof *sorted, by_name);
    for (int i = 0; sorted && i < metadata->topic_cnt; i++) {
        if (strncmp(sorted[i]->topic, "__", 2) == 0 && !args->of[OPT_INTERNAL].given)
            continue;
        cli__cell(&table, "%s", sorted[i]->topic);
        cli__cell(&table, "%d", sorted[i]->partition_cnt);
        cli__cell(&table, "%d", sorted[i]->partition_cnt ? sorted[i]->partitions[0].replica_cnt : 0);
    }
    cli__table_print(&table);
    mem_free(sorted);
    rd_kafka_metadata_destroy(metadata);
    cli__close(&client);
    return CLI_DONE;
}

/* "1,2,3" */
static const char *id_list(const int32_t *ids, int count, char *text, size_t size)
{
    size_t used = 0;

    *text = '\0';
    for (int i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%" PRId32, i ? "," : "", ids[i]);
    return text;
}

static const struct rd_kafka_metadata_partition *find_partition(const struct rd_kafka_metadata_topic *topic, int32_t id)
{
    for (int i = 0; i < topic->partition_cnt; i++)
        if (topic->partitions[i].id == id)
            return &topic->partitions[i];
    return NULL;
}

static void describe_partition(struct cli_client *client, struct cli_table *table, const char *topic,
                               const struct rd_kafka_metadata_partition *partition)
{
    int64_t low = -1, high = -1;
    char text[256];

    cli__cell(table, "%" PRId32, partition->id);
    if (partition->leader < 0)
        cli__cell(table, "none");
    else
        cli__cell(table, "%" PRId32, partition->leader);
    cli__cell(table, "%s", id_list(partition->replicas, partition->replica_cnt, text, sizeof text));
    cli__cell(table, "%s", id_list(partition->isrs, partition->isr_cnt, text, sizeof text));
    if (partition->leader < 0 || rd_kafka_query_watermark_offsets(client->kafka, topic, partition->id, &low, &high, client->timeout_ms)) {
        cli__cell(table, "?");
        cli__cell(table, "?");
    } else {
        cli__cell(table, "%" PRId64, low);
        cli__cell(table, "%" PRId64, high);
    }
}

static bool describe_topic(struct cli_client *client, const char *name)
{
    static const char *const columns[] = {"PARTITION", "LEADER", "REPLICAS", "IN SYNC", "BEGINNING", "END"};
    const struct rd_kafka_metadata *metadata;
    const struct rd_kafka_metadata_topic *topic;
    struct cli_table table;
    bool ok;

    if (!cli__metadata(client, name, &metadata))
        return false;
    topic = &metadata->topics[0];
    printf("topic %s: %d partition%s\n", topic->topic, topic->partition_cnt, topic->partition_cnt == 1 ? "" : "s");
    cli__table_init(&table, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        cli__cell(&table, "%s", columns[i]);
    for (int32_t i = 0; i < topic->partition_cnt; i++) {
        const struct rd_kafka_metadata_partition *partition = find_partition(topic, i);

        if (partition)
            describe_partition(client, &table, name, partition);
    }
    cli__table_print(&table);
    rd_kafka_metadata_destroy(metadata);
    ok = cli__config_show(client, RD_KAFKA_RESOURCE_TOPIC, name, false);
    return ok;
}

static enum cli_exit topic_describe(const struct cli_args *args)
{
    struct cli_client client = {0};
    bool ok = cli__connect(&client, args, RD_KAFKA_CONSUMER, NULL, NULL);

    for (int i = 0; client.kafka && i < args->arguments_count; i++) {
        if (i)
            printf("\n");
        ok = describe_topic(&client, args->arguments[i]) && ok;
    }
    cli__close(&client);
    return ok ? CLI_DONE : CLI_FAILED;
}

static enum cli_exit topic_delete(const struct cli_args *args)
{
    size_t count = (size_t)args->arguments_count, results_count;
    rd_kafka_DeleteTopic_t **topics = mem_alloc(count, sizeof *topics);
    struct cli_client client = {0};
    rd_kafka_AdminOptions_t *options;
    rd_kafka_event_t *event = NULL;
    enum cli_exit result = CLI_FAILED;

    if (topics && cli__connect(&client, args, RD_KAFKA_CONSUMER, NULL, NULL)) {
        for (size_t i = 0; i < count; i++)
            topics[i] = rd_kafka_DeleteTopic_new(args->arguments[i]);
        options = cli__admin_options(&client, RD_KAFKA_ADMIN_OP_DELETETOPICS);
        rd_kafka_DeleteTopics(client.kafka, topics, count, options, client.queue);
        rd_kafka_AdminOptions_destroy(options);
        rd_kafka_DeleteTopic_destroy_array(topics, count);
        event = cli__result(&client, "delete topics");
    }
    if (event) {
        const rd_kafka_topic_result_t **results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &results_count);
        bool forgive = args->of[OPT_IF_EXISTS].given;

        result = outcome(&client, results, results_count, forgive ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART : RD_KAFKA_RESP_ERR_NO_ERROR, "deleted");
        rd_kafka_event_destroy(event);
    }
    mem_free(topics);
    cli__close(&client);
    return result;
}

static bool add_partitions(struct cli_client *client, const char *topic, size_t total)
{
    char reason[256];
    rd_kafka_NewPartitions_t *partitions = rd_kafka_NewPartitions_new(topic, total, reason, sizeof reason);
    rd_kafka_AdminOptions_t *options;
    rd_kafka_event_t *event;
    bool ok = false;
    size_t count;

    if (!partitions) {
        cli__say("topic %s: %s", topic, reason);
        return false;
    }
    options = cli__admin_options(client, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
    rd_kafka_CreatePartitions(client->kafka, &partitions, 1, options, client->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewPartitions_destroy(partitions);
    event = cli__result(client, "add partitions");
    if (event) {
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &count);

        ok = outcome(client, results, count, RD_KAFKA_RESP_ERR_NO_ERROR, "added partitions to") == CLI_DONE;
        rd_kafka_event_destroy(event);
    }
    return ok;
}

static enum cli_exit topic_alter(const struct cli_args *args)
{
    const char *topic = args->arguments[0];
    struct cli_client client = {0};
    bool ok;

    if (!args->of[OPT_PARTITIONS].given && !args->of[OPT_CONFIG].given && !args->of[OPT_DELETE].given) {
        cli__say("say what to alter: --partitions, --config or --delete");
        return CLI_USAGE;
    }
    ok = cli__connect(&client, args, RD_KAFKA_CONSUMER, NULL, NULL);
    if (ok && args->of[OPT_PARTITIONS].given)
        ok = add_partitions(&client, topic, (size_t)args->of[OPT_PARTITIONS].number);
    if (ok && (args->of[OPT_CONFIG].given || args->of[OPT_DELETE].given))
        ok = cli__config_change(&client, RD_KAFKA_RESOURCE_TOPIC, topic, args->of[OPT_CONFIG].list, args->of[OPT_CONFIG].list_count,
                                args->of[OPT_DELETE].list, args->of[OPT_DELETE].list_count);
    cli__close(&client);
    return ok ? CLI_DONE : CLI_FAILED;
}

static const struct cli_verb verbs[] = {
    {"create", "TOPIC...", "make topics", OPTS_CLIENT | OPT(PARTITIONS) | OPT(REPLICAS) | OPT(CONFIG) | OPT(IF_NOT_EXISTS), 1, INT_MAX, topic_create, NULL},
    {"list", "", "the names of the topics", OPTS_CLIENT | OPT(INTERNAL), 0, 0, topic_list, NULL},
    {"describe", "TOPIC...", "partitions, offsets, and what is configured", OPTS_CLIENT, 1, INT_MAX, topic_describe, NULL},
    {"alter", "TOPIC", "more partitions, another configuration", OPTS_CLIENT | OPT(PARTITIONS) | OPT(CONFIG) | OPT(DELETE), 1, 1, topic_alter, NULL},
    {"delete", "TOPIC...", "remove topics and all their records", OPTS_CLIENT | OPT(IF_EXISTS), 1, INT_MAX, topic_delete, NULL},
};

int cli__topic(int argc, char **argv)
{
    return cli__run(verbs, sizeof verbs / sizeof *verbs, argc, argv);
}
