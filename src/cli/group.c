/* SPDX-License-Identifier: Apache-2.0
 * barnabas group: consumer groups, their members, their offsets.
 */
#include <inttypes.h>
#include <limits.h>

#include "base/mem.h"
#include "cli/cli_int.h"
#include "cli/commands.h"

static enum cli_exit group_list(const struct cli_args *args)
{
    struct cli_client client = {0};
    rd_kafka_AdminOptions_t *options;
    rd_kafka_event_t *event;
    enum cli_exit result = CLI_FAILED;

    if (!cli__connect(&client, args, RD_KAFKA_CONSUMER, NULL, NULL))
        return CLI_FAILED;
    options = cli__admin_options(&client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS);
    rd_kafka_ListConsumerGroups(client.kafka, options, client.queue);
    rd_kafka_AdminOptions_destroy(options);
    event = cli__result(&client, "list groups");
    if (event) {
        const rd_kafka_ListConsumerGroups_result_t *list = rd_kafka_event_ListConsumerGroups_result(event);
        size_t count, errors_count;
        const rd_kafka_ConsumerGroupListing_t **groups = rd_kafka_ListConsumerGroups_result_valid(list, &count);
        const rd_kafka_error_t **errors = rd_kafka_ListConsumerGroups_result_errors(list, &errors_count);
        struct cli_table table;

        result = CLI_DONE;
        cli__table_init(&table, 2);
        cli__cell(&table, "GROUP");
        cli__cell(&table, "STATE");
        for (size_t i = 0; i < count; i++) {
            cli__cell(&table, "%s", rd_kafka_ConsumerGroupListing_group_id(groups[i]));
            cli__cell(&table, "%s", rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupListing_state(groups[i])));
        }
        cli__table_print(&table);
        for (size_t i = 0; i < errors_count; i++)
            result = cli__explain(&client, rd_kafka_error_code(errors[i]), rd_kafka_error_string(errors[i]), "list groups");
        rd_kafka_event_destroy(event);
    }
    cli__close(&client);
    return result;
}

/* The offsets that the group has committed; NULL: explained. Destroy it. */
static rd_kafka_topic_partition_list_t *committed(struct cli_client *client, const char *group)
{
    rd_kafka_ListConsumerGroupOffsets_t *ask = rd_kafka_ListConsumerGroupOffsets_new(group, NULL);
    rd_kafka_AdminOptions_t *options = cli__admin_options(client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_topic_partition_list_t *list = NULL;
    rd_kafka_event_t *event;

    rd_kafka_ListConsumerGroupOffsets(client->kafka, &ask, 1, options, client->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ListConsumerGroupOffsets_destroy(ask);
    event = cli__result(client, "ask for the offsets of the group");
    if (event) {
        size_t count;
        const rd_kafka_group_result_t **results =
            rd_kafka_ListConsumerGroupOffsets_result_groups(rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
        const rd_kafka_error_t *error = rd_kafka_group_result_error(results[0]);

        if (error)
            cli__explain(client, rd_kafka_error_code(error), rd_kafka_error_string(error), "group %s", group);
        else
            list = rd_kafka_topic_partition_list_copy(rd_kafka_group_result_partitions(results[0]));
        rd_kafka_event_destroy(event);
    }
    if (list)
        rd_kafka_topic_partition_list_sort(list, NULL, NULL);
    return list;
}

static void print_members(const rd_kafka_ConsumerGroupDescription_t *group)
{
    size_t count = rd_kafka_ConsumerGroupDescription_member_count(group);
    struct cli_table table;

    if (count == 0)
        return;
    cli__table_init(&table, 4);
    cli__cell(&table, "MEMBER");
    cli__cell(&table, "CLIENT");
    cli__cell(&table, "HOST");
    cli__cell(&table, "PARTITIONS");
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_MemberDescription_t *member = rd_kafka_ConsumerGroupDescription_member(group, i);
        const rd_kafka_topic_partition_list_t *list = rd_kafka_MemberAssignment_partitions(rd_kafka_MemberDescription_assignment(member));
        char text[900] = "";
        size_t used = 0;

        for (int at = 0; list && at < list->cnt && used < sizeof text; at++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s-%" PRId32, at ? " " : "", list->elems[at].topic, list->elems[at].partition);
        cli__cell(&table, "%s", rd_kafka_MemberDescription_consumer_id(member));
        cli__cell(&table, "%s", rd_kafka_MemberDescription_client_id(member));
        cli__cell(&table, "%s", rd_kafka_MemberDescription_host(member));
        cli__cell(&table, "%s", text);
    }
    cli__table_print(&table);
}

static bool print_offsets(struct cli_client *client, const char *group)
{
    static const char *const columns[] = {"TOPIC", "PARTITION", "OFFSET", "END", "LAG"};
    rd_kafka_topic_partition_list_t *list = committed(client, group);
    struct cli_table table;

    if (!list)
        return false;
    cli__table_init(&table, sizeof columns / sizeof *columns);
    for (size_t i = 0; list->cnt && i < sizeof columns / sizeof *columns; i++)
        cli__cell(&table, "%s", columns[i]);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *part = &list->elems[i];
        int64_t low, high;

        cli__cell(&table, "%s", part->topic);
        cli__cell(&table, "%" PRId32, part->partition);
        if (part->offset < 0)
            cli__cell(&table, "none");
        else
            cli__cell(&table, "%" PRId64, part->offset);
        if (part->offset < 0 || rd_kafka_query_watermark_offsets(client->kafka, part->topic, part->partition, &low, &high, client->timeout_ms)) {
            cli__cell(&table, "?");
            cli__cell(&table, "?");
        } else {
            cli__cell(&table, "%" PRId64, high);
            cli__cell(&table, "%" PRId64, high > part->offset ? high - part->offset : 0);
        }
    }
    cli__table_print(&table);
    rd_kafka_topic_partition_list_destroy(list);
    return true;
}

static bool describe_group(struct cli_client *client, const rd_kafka_ConsumerGroupDescription_t *group)
{
    const char *name = rd_kafka_ConsumerGroupDescription_group_id(group);
    const rd_kafka_error_t *error = rd_kafka_ConsumerGroupDescription_error(group);
    rd_kafka_consumer_group_state_t state = rd_kafka_ConsumerGroupDescription_state(group);

    if (error) {
        cli__explain(client, rd_kafka_error_code(error), rd_kafka_error_string(error), "group %s", name);
        return false;
    }
    if (state == RD_KAFKA_CONSUMER_GROUP_STATE_DEAD) { /* how brokers say that there is none */
        cli__explain(client, RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND, "there is no such group", "group %s", name);
        return false;
    }
    printf("group %s: %s, %zu members\n", name, rd_kafka_consumer_group_state_name(state), rd_kafka_ConsumerGroupDescription_member_count(group));
    print_members(group);
    return print_offsets(client, name);
}

static enum cli_exit group_describe(const struct cli_args *args)
{
    struct cli_client client = {0};
    rd_kafka_AdminOptions_t *options;
    rd_kafka_event_t *event;
    bool ok = false;

    if (!cli__connect(&client, args, RD_KAFKA_CONSUMER, NULL, NULL))
        return CLI_FAILED;
    options = cli__admin_options(&client, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    rd_kafka_DescribeConsumerGroups(client.kafka, args->arguments, (size_t)args->arguments_count, options, client.queue);
    rd_kafka_AdminOptions_destroy(options);
    event = cli__result(&client, "describe groups");
    if (event) {
        size_t count;
        const rd_kafka_ConsumerGroupDescription_t **groups =
            rd_kafka_DescribeConsumerGroups_result_groups(rd_kafka_event_DescribeConsumerGroups_result(event), &count);

        ok = true;
        for (size_t i = 0; i < count; i++) {
            if (i)
                printf("\n");
            ok = describe_group(&client, groups[i]) && ok;
        }
        rd_kafka_event_destroy(event);
    }
    cli__close(&client);
    return ok ? CLI_DONE : CLI_FAILED;
}

/* Whether the options choose this partition. */
static bool chosen(const struct cli_args *args, const char *topic, int32_t partition)
{
    if (args->of[OPT_PARTITION].given && partition != args->of[OPT_PARTITION].number)
        return false;
    for (int i = 0; i < args->of[OPT_OF_TOPIC].list_count; i++)
        if (strcmp(args->of[OPT_OF_TOPIC].list[i], topic) == 0)
            return true;
    return args->of[OPT_ALL_TOPICS].given;
}

/* Every partition that is to be reset: those with offsets, and the others of the named topics. NULL: explained. */
static rd_kafka_topic_partition_list_t *partitions_to_reset(struct cli_client *client, const struct cli_args *args,
                                                            const rd_kafka_topic_partition_list_t *now)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    for (int i = 0; i < now->cnt; i++)
        if (chosen(args, now->elems[i].topic, now->elems[i].partition))
            rd_kafka_topic_partition_list_add(list, now->elems[i].topic, now->elems[i].partition);
    for (int i = 0; i < args->of[OPT_OF_TOPIC].list_count; i++) {
        const char *topic = args->of[OPT_OF_TOPIC].list[i];
        const struct rd_kafka_metadata *metadata;

        if (!cli__metadata(client, topic, &metadata)) {
            rd_kafka_topic_partition_list_destroy(list);
            return NULL;
        }
        for (int32_t id = 0; id < metadata->topics[0].partition_cnt; id++)
            if (chosen(args, topic, id) && !rd_kafka_topic_partition_list_find(list, topic, id))
                rd_kafka_topic_partition_list_add(list, topic, id);
        rd_kafka_metadata_destroy(metadata);
    }
    if (list->cnt > 0)
        return list;
    cli__say("nothing to reset: no such partition, or the group has no offsets there");
    rd_kafka_topic_partition_list_destroy(list);
    return NULL;
}

static bool alter_offsets(struct cli_client *client, const char *group, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_AlterConsumerGroupOffsets_t *ask = rd_kafka_AlterConsumerGroupOffsets_new(group, list);
    rd_kafka_AdminOptions_t *options = cli__admin_options(client, RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS);
    const rd_kafka_topic_partition_list_t *altered;
    const rd_kafka_group_result_t **results;
    const rd_kafka_error_t *error;
    rd_kafka_event_t *event;
    size_t count;
    bool ok;

    rd_kafka_AlterConsumerGroupOffsets(client->kafka, &ask, 1, options, client->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_AlterConsumerGroupOffsets_destroy(ask);
    event = cli__result(client, "reset the offsets");
    if (!event)
        return false;
    results = rd_kafka_AlterConsumerGroupOffsets_result_groups(rd_kafka_event_AlterConsumerGroupOffsets_result(event), &count);
    error = rd_kafka_group_result_error(results[0]);
    ok = !error;
    if (error)
        cli__explain(client, rd_kafka_error_code(error), rd_kafka_error_string(error), "group %s", group);
    altered = rd_kafka_group_result_partitions(results[0]);
    for (int i = 0; ok && altered && i < altered->cnt; i++) {
        if (!altered->elems[i].err)
            continue;
        cli__explain(client, altered->elems[i].err, NULL, "group %s, topic %s, partition %" PRId32, group, altered->elems[i].topic, altered->elems[i].partition);
        ok = false;
    }
    rd_kafka_event_destroy(event);
    return ok;
}

static void print_reset(const rd_kafka_topic_partition_list_t *now, const rd_kafka_topic_partition_list_t *list)
{
    static const char *const columns[] = {"TOPIC", "PARTITION", "FROM", "TO"};
    struct cli_table table;

    cli__table_init(&table, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        cli__cell(&table, "%s", columns[i]);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *was = rd_kafka_topic_partition_list_find(now, list->elems[i].topic, list->elems[i].partition);

        cli__cell(&table, "%s", list->elems[i].topic);
        cli__cell(&table, "%" PRId32, list->elems[i].partition);
        if (!was || was->offset < 0)
            cli__cell(&table, "none");
        else
            cli__cell(&table, "%" PRId64, was->offset);
        cli__cell(&table, "%" PRId64, list->elems[i].offset);
    }
    cli__table_print(&table);
}

static bool reset_group(struct cli_client *client, const struct cli_args *args, struct cli_position to)
{
    rd_kafka_topic_partition_list_t *now = committed(client, args->arguments[0]);
    rd_kafka_topic_partition_list_t *list = now ? partitions_to_reset(client, args, now) : NULL;
    bool ok = list != NULL;

    for (int i = 0; ok && i < list->cnt; i++)
        ok = cli__resolve(client, list->elems[i].topic, list->elems[i].partition, to, &list->elems[i].offset);
    if (ok && !args->of[OPT_DRY_RUN].given)
        ok = alter_offsets(client, args->arguments[0], list);
    if (ok)
        print_reset(now, list);
    if (list)
        rd_kafka_topic_partition_list_destroy(list);
    if (now)
        rd_kafka_topic_partition_list_destroy(now);
    return ok;
}

static enum cli_exit group_reset(const struct cli_args *args)
{
    struct cli_client client = {0};
    struct cli_position to;
    bool ok;

    if (args->of[OPT_OF_TOPIC].given == args->of[OPT_ALL_TOPICS].given || !args->of[OPT_TO].given) {
        cli__say("say what to reset, --topic or --all-topics, and --to where");
        return CLI_USAGE;
    }
    if (!cli__position(args->of[OPT_TO].text, &to))
        return CLI_USAGE;
    ok = cli__connect(&client, args, RD_KAFKA_CONSUMER, NULL, NULL) && reset_group(&client, args, to);
    cli__close(&client);
    return ok ? CLI_DONE : CLI_FAILED;
}

/* One outcome a group; prints both kinds. */
static bool outcome(const struct cli_client *client, const rd_kafka_group_result_t **results, size_t count, const char *done)
{
    bool ok = true;

    for (size_t i = 0; i < count; i++) {
        const rd_kafka_error_t *error = rd_kafka_group_result_error(results[i]);
        const rd_kafka_topic_partition_list_t *list = rd_kafka_group_result_partitions(results[i]);
        const char *group = rd_kafka_group_result_name(results[i]);
        bool failed = error != NULL;

        if (error)
            cli__explain(client, rd_kafka_error_code(error), rd_kafka_error_string(error), "group %s", group);
        for (int at = 0; list && at < list->cnt; at++) {
            if (!list->elems[at].err)
                continue;
            failed = true;
            cli__explain(client, list->elems[at].err, NULL, "group %s, topic %s, partition %" PRId32, group, list->elems[at].topic, list->elems[at].partition);
        }
        if (!failed)
            printf("%s %s\n", done, group);
        ok = ok && !failed;
    }
    return ok;
}

static enum cli_exit group_delete(const struct cli_args *args)
{
    size_t count = (size_t)args->arguments_count;
    rd_kafka_DeleteGroup_t **groups = mem_alloc(count, sizeof *groups);
    struct cli_client client = {0};
    rd_kafka_AdminOptions_t *options;
    rd_kafka_event_t *event = NULL;
    bool ok = false;

    if (groups && cli__connect(&client, args, RD_KAFKA_CONSUMER, NULL, NULL)) {
        for (size_t i = 0; i < count; i++)
            groups[i] = rd_kafka_DeleteGroup_new(args->arguments[i]);
        options = cli__admin_options(&client, RD_KAFKA_ADMIN_OP_DELETEGROUPS);
        rd_kafka_DeleteGroups(client.kafka, groups, count, options, client.queue);
        rd_kafka_AdminOptions_destroy(options);
        rd_kafka_DeleteGroup_destroy_array(groups, count);
        event = cli__result(&client, "delete groups");
    }
    if (event) {
        const rd_kafka_group_result_t **results = rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event), &count);

        ok = outcome(&client, results, count, "deleted");
        rd_kafka_event_destroy(event);
    }
    mem_free(groups);
    cli__close(&client);
    return ok ? CLI_DONE : CLI_FAILED;
}

static bool delete_offsets(struct cli_client *client, const struct cli_args *args, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_DeleteConsumerGroupOffsets_t *ask = rd_kafka_DeleteConsumerGroupOffsets_new(args->arguments[0], list);
    rd_kafka_AdminOptions_t *options = cli__admin_options(client, RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS);
    rd_kafka_event_t *event;
    bool ok = false;

    rd_kafka_DeleteConsumerGroupOffsets(client->kafka, &ask, 1, options, client->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_DeleteConsumerGroupOffsets_destroy(ask);
    event = cli__result(client, "delete offsets");
    if (event) {
        size_t count;
        const rd_kafka_group_result_t **results =
            rd_kafka_DeleteConsumerGroupOffsets_result_groups(rd_kafka_event_DeleteConsumerGroupOffsets_result(event), &count);

        ok = outcome(client, results, count, "deleted offsets of");
        rd_kafka_event_destroy(event);
    }
    return ok;
}

static enum cli_exit group_delete_offsets(const struct cli_args *args)
{
    rd_kafka_topic_partition_list_t *now, *list;
    struct cli_client client = {0};
    bool ok = false;

    if (!args->of[OPT_OF_TOPIC].given) {
        cli__say("say of which --topic");
        return CLI_USAGE;
    }
    if (!cli__connect(&client, args, RD_KAFKA_CONSUMER, NULL, NULL))
        return CLI_FAILED;
    now = committed(&client, args->arguments[0]);
    if (now) {
        list = rd_kafka_topic_partition_list_new(1);
        for (int i = 0; i < now->cnt; i++)
            if (chosen(args, now->elems[i].topic, now->elems[i].partition))
                rd_kafka_topic_partition_list_add(list, now->elems[i].topic, now->elems[i].partition);
        if (list->cnt == 0)
            cli__say("group %s has no offsets there", args->arguments[0]);
        else
            ok = delete_offsets(&client, args, list);
        rd_kafka_topic_partition_list_destroy(list);
        rd_kafka_topic_partition_list_destroy(now);
    }
    cli__close(&client);
    return ok ? CLI_DONE : CLI_FAILED;
}

static const struct cli_verb verbs[] = {
    {"list", "", "the groups and their states", OPTS_CLIENT, 0, 0, group_list, NULL},
    {"describe", "GROUP...", "members, offsets and lag", OPTS_CLIENT, 1, INT_MAX, group_describe, NULL},
    {"reset", "GROUP", "move the offsets of a group that nobody reads in", OPTS_CLIENT | OPT(OF_TOPIC) | OPT(ALL_TOPICS) | OPT(PARTITION) | OPT(TO) | OPT(DRY_RUN),
     1, 1, group_reset, NULL},
    {"delete", "GROUP...", "remove groups and their offsets", OPTS_CLIENT, 1, INT_MAX, group_delete, NULL},
    {"delete-offsets", "GROUP", "forget the offsets of a topic", OPTS_CLIENT | OPT(OF_TOPIC) | OPT(PARTITION), 1, 1, group_delete_offsets, NULL},
};

int cli__group(int argc, char **argv)
{
    return cli__run(verbs, sizeof verbs / sizeof *verbs, argc, argv);
}
