/* SPDX-License-Identifier: Apache-2.0
 * Decisions of the controller on an image of one broker: what they answer, and that their records make the image what
 * was asked.
 */
#include "test/unit/meta/fixture.h"

#include "base/mem.h"
#include "meta/decide.h"
#include "meta/snapshot.h"
#include "wire/api/alter_configs.h"
#include "wire/api/create_partitions.h"
#include "wire/api/create_topics.h"
#include "wire/api/delete_topics.h"
#include "wire/api/incremental_alter_configs.h"
#include "wire/record/partition_change_record.h"

struct world {
    struct image image;
    struct arena arena;
    struct decide_rules rules;
    struct decision d;
    uint8_t ids;
    bool refuse_configs;
};

static struct uuid next_id(void *context)
{
    struct world *w = context;

    return (struct uuid){{0x40, ++w->ids}};
}

static enum status check(const void *context, enum config_resource type, struct str_view name,
                         const struct image_config_entry *entries, size_t count, struct arena *arena,
                         struct str_view *message)
{
    const struct world *w = context;

    (void)type, (void)name, (void)arena;
    for (size_t i = 1; i < count; i++)
        assert_true(str_order(entries[i - 1].key, entries[i].key) < 0);
    *message = STR_LIT("refused");
    return w->refuse_configs ? STATUS_INVALID_CONFIG : STATUS_OK;
}

static struct str_view inherited(const void *context, enum config_resource type, struct str_view key, bool *is_list)
{
    (void)context, (void)type;
    *is_list = str_is(key, "cleanup.policy");
    return STR_LIT("delete");
}

static void begin(struct world *w)
{
    w->d = (struct decision){
        .image = &w->image, .rules = &w->rules, .arena = &w->arena, .random_uuid = next_id, .world = w};
    meta_records_init(&w->d.records, &w->arena);
}

/* Applies what was decided; returns how many records that were. */
static size_t commit(struct world *w)
{
    struct err err = {0};

    for (size_t i = 0; i < w->d.records.count; i++)
        assert_int_equal(image_apply(&w->image, w->d.records.values[i], &err), STATUS_OK);
    return w->d.records.count;
}

static void world_init(struct world *w)
{
    struct image_endpoint endpoint = {STR_LIT("PLAINTEXT"), STR_LIT("localhost"), 9092, 0};
    struct decide_node node = {
        .id = 1, .incarnation = {{1}}, .dirs = {.ids = &(struct uuid){{2}}, .count = 1}, .broker_endpoints = &endpoint, .broker_endpoints_count = 1};
    struct meta_records bootstrap;
    struct bytes_view bytes;
    struct err err = {0};
    int64_t epoch;

    *w = (struct world){.rules = {.context = w,
                                  .partitions_default = 4,
                                  .replication_default = 1,
                                  .min_insync_replicas = 2,
                                  .delete_topics = true,
                                  .check = check,
                                  .inherited = inherited}};
    arena_init(&w->arena, 64 << 20);
    image_init(&w->image, 1, NULL, NULL);
    begin(w);
    meta_records_init(&bootstrap, &w->arena);
    assert_int_equal(bootstrap_encode(1000, &w->arena, &bytes), STATUS_OK);
    assert_int_equal(bootstrap_decode(bytes, &bootstrap, &err), STATUS_OK);
    assert_int_equal(decide_bootstrap(&w->d, &bootstrap), STATUS_OK);
    assert_int_equal(decide_register_controller(&w->d, &node), STATUS_OK);
    assert_int_equal(decide_register_broker(&w->d, &node, 1, &epoch), STATUS_OK);
    assert_int_equal(commit(w), 9 + 1 + 1);
    assert_int_equal(epoch, 11); /* its own offset */
    assert_int_equal(image_feature_level(&w->image, "metadata.version"), 30);
    assert_int_equal(image_broker(&w->image, 1)->record.broker_epoch, 11);
    assert_true(str_is(
        image_config_value(image_config(&w->image, RESOURCE_BROKER, STR_LIT("")), STR_LIT("min.insync.replicas")),
        "2"));
    begin(w);
    assert_int_equal(decide_bootstrap(&w->d, &bootstrap), STATUS_OK);
    assert_int_equal(w->d.records.count, 0); /* only once */
}

static void world_free(struct world *w)
{
    image_free(&w->image);
    arena_free(&w->arena);
}

static struct create_topics_request_topic ask(const char *name, int32_t partitions, int16_t factor)
{
    struct create_topics_request_topic topic;

    create_topics_request_topic_init(&topic);
    topic.name = str_from(name);
    topic.num_partitions = partitions;
    topic.replication_factor = factor;
    return topic;
}

static int16_t create(struct world *w, struct create_topics_request_topic topic, const char *message)
{
    struct create_topics_request in = {.topics = &topic, .topics_count = 1};
    struct create_topics_response out;

    begin(w);
    assert_int_equal(decide_create_topics(&w->d, &in, &out), STATUS_OK);
    assert_int_equal(out.topics_count, 1);
    if (message)
        assert_true(str_is(out.topics[0].error_message, message));
    assert_true(out.topics[0].error_message.size <= INT16_MAX);
    assert_int_equal(out.topics[0].error_message.data != NULL, out.topics[0].error_code != 0);
    (void)commit(w);
    return out.topics[0].error_code;
}

static void test_create(void **state)
{
    const struct image_topic *topic;
    struct world w;

    (void)state;
    world_init(&w);
    assert_int_equal(create(&w, ask("a.b", 3, 1), NULL), 0);
    topic = image_topic(&w.image, STR_LIT("a.b"));
    assert_int_equal(topic->count, 3);
    assert_int_equal(topic->partitions[2].leader, 1);
    assert_int_equal(image_directory(&topic->partitions[2], 0).b[0], 2);
    assert_int_equal(create(&w, ask("d", -1, -1), NULL), 0);
    assert_int_equal(image_topic(&w.image, STR_LIT("d"))->count, 4);
    assert_int_equal(create(&w, ask("a.b", 3, 1), "Topic 'a.b' already exists."), STATUS_TOPIC_ALREADY_EXISTS);
    assert_int_equal(create(&w, ask("a_b", 3, 1), "Topic 'a_b' collides with existing topic: a.b"),
                     STATUS_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create(&w, ask("", 3, 1), "Topic name is invalid: the empty string is not allowed"),
                     STATUS_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create(&w, ask("..", 3, 1), "Topic name is invalid: '..' is not allowed"),
                     STATUS_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create(&w, ask("x", 0, 1), "Number of partitions was set to an invalid non-positive value."),
                     STATUS_INVALID_PARTITIONS);
    assert_int_equal(
        create(&w, ask("x", 1, 0), "Replication factor must be larger than 0, or -1 to use the default value."),
        STATUS_INVALID_REPLICATION_FACTOR);
    assert_int_equal(create(&w, ask("x", 1, 2),
                            "Unable to replicate the partition 2 time(s): The target replication factor of 2 cannot be "
                            "reached because only "
                            "1 broker(s) are registered or some brokers have all their log directories cordoned."),
                     STATUS_INVALID_REPLICATION_FACTOR);
    assert_int_equal(create(&w, ask("x", 10001, 1), "Excessively large number of partitions per request."),
                     STATUS_POLICY_VIOLATION);
    assert_int_equal(
        create(&w, ask("__cluster_metadata", 1, 1), "Creation of internal topic __cluster_metadata is prohibited."),
        STATUS_INVALID_REQUEST);
    assert_int_equal(w.image.topics_by_name.count, 2);
    world_free(&w);
}

static void test_names(void **state)
{
    char name[TOPIC_NAME_MAX + 2];
    struct str_view message;
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 16);
    memset(name, 'x', sizeof name);
    assert_int_equal(topic_name_check((struct str_view){name, TOPIC_NAME_MAX}, &arena, &message), STATUS_OK);
    assert_int_equal(topic_name_check((struct str_view){name, TOPIC_NAME_MAX + 1}, &arena, &message),
                     STATUS_INVALID_TOPIC_EXCEPTION);
    for (unsigned c = 0; c < 256; c++) {
        bool good =
            c < 128 && (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", (int)c) && c);

        name[1] = (char)c;
        assert_int_equal(topic_name_check((struct str_view){name, 3}, &arena, &message) == STATUS_OK, good);
    }
    arena_free(&arena);
}

static void test_manual_assignments(void **state)
{
    struct create_topics_request_assignment assignments[2] = {
        {.partition_index = 1, .broker_ids = (int32_t[]){1}, .broker_ids_count = 1},
        {.partition_index = 0, .broker_ids = (int32_t[]){1}, .broker_ids_count = 1}};
    struct create_topics_request_topic topic = ask("m", -1, -1);
    struct world w;

    (void)state;
    world_init(&w);
    topic.assignments = assignments;
    topic.assignments_count = 2;
    assert_int_equal(create(&w, topic, NULL), 0);
    assert_int_equal(image_topic(&w.image, STR_LIT("m"))->count, 2);
    topic.name = STR_LIT("n");
    assignments[1].partition_index = 1;
    assert_int_equal(create(&w, topic, "Found multiple manual partition assignments for partition 1"),
                     STATUS_INVALID_REPLICA_ASSIGNMENT);
    assignments[1].partition_index = 2;
    assert_int_equal(create(&w, topic, "partitions should be a consecutive 0-based integer sequence"),
                     STATUS_INVALID_REPLICA_ASSIGNMENT);
    assignments[1].broker_ids[0] = 7;
    assert_int_equal(
        create(&w, topic, "The manual partition assignment includes broker 7, but no such broker is registered."),
        STATUS_INVALID_REPLICA_ASSIGNMENT);
    assignments[1].broker_ids_count = 0;
    assert_int_equal(create(&w, topic, "The manual partition assignment includes an empty replica list."),
                     STATUS_INVALID_REPLICA_ASSIGNMENT);
    topic.num_partitions = 2;
    assert_int_equal(
        create(&w, topic, "A manual partition assignment was specified, but numPartitions was not set to -1."),
        STATUS_INVALID_REQUEST);
    world_free(&w);
}

static void test_create_with_configs(void **state)
{
    struct create_topics_request_config configs[2] = {{.name = STR_LIT("z"), .value = STR_LIT("1")},
                                                      {.name = STR_LIT("a"), .value = STR_LIT("2")}};
    struct create_topics_request_topic topic = ask("c", 1, 1);
    struct world w;

    (void)state;
    world_init(&w);
    topic.configs = configs;
    topic.configs_count = 2;
    w.refuse_configs = true;
    assert_int_equal(create(&w, topic, "refused"), STATUS_INVALID_CONFIG);
    w.refuse_configs = false;
    assert_int_equal(create(&w, topic, NULL), 0);
    assert_true(str_is(image_config_value(image_config(&w.image, RESOURCE_TOPIC, STR_LIT("c")), STR_LIT("a")), "2"));
    topic.name = STR_LIT("n");
    configs[1].value = STR_NULL;
    assert_int_equal(create(&w, topic, "Null value not supported for topic configs: a"), STATUS_INVALID_CONFIG);
    world_free(&w);
}

static void test_request_of_many(void **state)
{
    struct create_topics_request_topic topics[4] = {ask("a", 1, 1), ask("b", 1, 1), ask("a", 2, 1), ask("?", 1, 1)};
    struct create_topics_request in = {.topics = topics, .topics_count = 4, .validate_only = true};
    struct create_topics_response out;
    struct world w;

    (void)state;
    world_init(&w);
    for (unsigned round = 0; round < 2; round++) {
        begin(&w);
        assert_int_equal(decide_create_topics(&w.d, &in, &out), STATUS_OK);
        assert_int_equal(out.topics_count, 3);
        assert_int_equal(out.topics[0].error_code, STATUS_INVALID_REQUEST);
        assert_true(str_is(out.topics[0].error_message, "Duplicate topic name."));
        assert_int_equal(out.topics[1].error_code, 0);
        assert_int_equal(out.topics[2].error_code, STATUS_INVALID_TOPIC_EXCEPTION);
        assert_int_equal(commit(&w), round == 0 ? 0 : 2); /* first only validated */
        in.validate_only = false;
    }
    assert_non_null(image_topic(&w.image, STR_LIT("b")));
    world_free(&w);
}

static void test_delete(void **state)
{
    struct delete_topics_request_topic topics[6] = {{.name = STR_LIT("a")}, {.name = STR_LIT("nope")},
                                                    {.topic_id = {{9}}},    {.name = STR_NULL},
                                                    {.name = STR_LIT("b")}, {.name = STR_NULL}};
    struct delete_topics_request in = {.topics = topics, .topics_count = 6};
    struct delete_topics_response out;
    struct world w;

    (void)state;
    world_init(&w);
    (void)create(&w, ask("a", 1, 1), NULL);
    (void)create(&w, ask("b", 1, 1), NULL);
    topics[5].topic_id = image_topic(&w.image, STR_LIT("b"))->id; /* named twice: not deleted */
    begin(&w);
    assert_int_equal(decide_delete_topics(&w.d, &in, 6, &out), STATUS_OK);
    assert_int_equal(out.responses[0].error_code, 0);
    assert_false(uuid_is_zero(out.responses[0].topic_id));
    assert_int_equal(out.responses[1].error_code, STATUS_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(out.responses[2].error_code, STATUS_UNKNOWN_TOPIC_ID);
    assert_int_equal(out.responses[3].error_code, STATUS_INVALID_REQUEST);
    assert_int_equal(out.responses[4].error_code, STATUS_INVALID_REQUEST);
    assert_int_equal(out.responses[5].error_code, STATUS_INVALID_REQUEST);
    assert_int_equal(commit(&w), 1);
    assert_null(image_topic(&w.image, STR_LIT("a")));
    w.rules.delete_topics = false;
    begin(&w);
    in.topics_count = 1;
    topics[0].name = STR_LIT("b");
    assert_int_equal(decide_delete_topics(&w.d, &in, 6, &out), STATUS_OK);
    assert_int_equal(out.responses[0].error_code, STATUS_TOPIC_DELETION_DISABLED);
    world_free(&w);
}

static int16_t grow(struct world *w, const char *name, int32_t count, const char *message)
{
    struct create_partitions_request_topic topic = {.name = str_from(name), .count = count, .assignments_count = -1};
    struct create_partitions_request in = {.topics = &topic, .topics_count = 1};
    struct create_partitions_response out;

    begin(w);
    assert_int_equal(decide_create_partitions(&w->d, &in, &out), STATUS_OK);
    if (message)
        assert_true(str_is(out.results[0].error_message, message));
    (void)commit(w);
    return out.results[0].error_code;
}

static void test_partitions_max(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    w.rules.partitions_max = 8;
    assert_int_equal(create(&w, ask("a", 5, 1), NULL), 0);
    assert_int_equal(create(&w, ask("b", 4, 1), "There are 5 partitions, and there is memory for 8 (barnabas.memory.max)."), STATUS_POLICY_VIOLATION);
    assert_int_equal(grow(&w, "a", 9, "There are 5 partitions, and there is memory for 8 (barnabas.memory.max)."), STATUS_POLICY_VIOLATION);
    assert_int_equal(grow(&w, "a", 8, NULL), 0);
    assert_int_equal(create(&w, ask("b", 1, 1), NULL), STATUS_POLICY_VIOLATION);
    world_free(&w);
}

/* The image is to hold no more than it may; what is there stays, and what goes makes room. */
static void test_memory_max(void **state)
{
    struct world w;
    char name[8];
    int made = 0;

    (void)state;
    world_init(&w);
    w.rules.memory_max = w.image.memory.held + 20000;
    while (snprintf(name, sizeof name, "t%d", made) && create(&w, ask(name, 10, 1), NULL) == STATUS_OK)
        made++;
    assert_in_range(made, 10, 100);
    assert_in_range(w.image.memory.held, w.rules.memory_max - 2000, w.rules.memory_max + 500);
    assert_int_equal(create(&w, ask("more", 10, 1), NULL), STATUS_POLICY_VIOLATION);
    assert_int_equal(grow(&w, "t0", 1000, NULL), STATUS_POLICY_VIOLATION);
    w.rules.memory_max += 1000 * sizeof(struct image_partition);
    assert_int_equal(grow(&w, "t0", 1000, NULL), 0);
    world_free(&w);
}

static void test_create_partitions(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    (void)create(&w, ask("a", 3, 1), NULL);
    assert_int_equal(grow(&w, "a", 5, NULL), 0);
    assert_int_equal(image_topic(&w.image, STR_LIT("a"))->count, 5);
    assert_int_equal(grow(&w, "a", 5, "Topic already has 5 partition(s)."), STATUS_INVALID_PARTITIONS);
    assert_int_equal(grow(&w, "a", -1, "The topic a currently has 5 partition(s); -1 would not be an increase."),
                     STATUS_INVALID_PARTITIONS);
    assert_int_equal(grow(&w, "a", 1000000, "Excessively large number of partitions per request."),
                     STATUS_POLICY_VIOLATION);
    assert_int_equal(grow(&w, "nope", 5, "This server does not host this topic-partition."),
                     STATUS_UNKNOWN_TOPIC_OR_PARTITION);
    world_free(&w);
}

static int16_t alter(struct world *w, int8_t type, const char *name, int8_t op, const char *key, const char *value,
                     const char *message)
{
    struct incremental_alter_configs_request_config config = {
        .name = str_from(key), .config_operation = op, .value = str_from(value)};
    struct incremental_alter_configs_request_resource resource = {
        .resource_type = type, .resource_name = str_from(name), .configs = &config, .configs_count = 1};
    struct incremental_alter_configs_request in = {.resources = &resource, .resources_count = 1};
    struct incremental_alter_configs_response out;

    begin(w);
    assert_int_equal(decide_incremental_alter_configs(&w->d, &in, &out), STATUS_OK);
    if (message)
        assert_true(str_is(out.responses[0].error_message, message));
    assert_true(out.responses[0].error_message.size <= INT16_MAX);
    (void)commit(w);
    return out.responses[0].error_code;
}

static struct str_view topic_value(struct world *w, const char *key)
{
    return image_config_value(image_config(&w->image, RESOURCE_TOPIC, STR_LIT("t")), str_from(key));
}

static void test_incremental_configs(void **state)
{
    enum { SET, DELETE, APPEND, SUBTRACT };
    struct world w;

    (void)state;
    world_init(&w);
    (void)create(&w, ask("t", 1, 1), NULL);
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "t", SET, "x", "1", NULL), 0);
    assert_true(str_is(topic_value(&w, "x"), "1"));
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "t", DELETE, "x", NULL, NULL), 0);
    assert_null(topic_value(&w, "x").data);
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "t", APPEND, "cleanup.policy", "compact,delete", NULL),
                     0); /* to what is inherited */
    assert_true(str_is(topic_value(&w, "cleanup.policy"), "delete,compact"));
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "t", SUBTRACT, "cleanup.policy", "delete", NULL), 0);
    assert_true(str_is(topic_value(&w, "cleanup.policy"), "compact"));
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "t", SET, "cleanup.policy", "a, b,a", NULL), 0);
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "t", SUBTRACT, "cleanup.policy", "a", NULL), 0);
    assert_true(str_is(topic_value(&w, "cleanup.policy"), "b,a"));
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "t", SUBTRACT, "cleanup.policy", "a,c", NULL), 0);
    assert_true(str_is(topic_value(&w, "cleanup.policy"), "b"));
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "t", SUBTRACT, "cleanup.policy", "b", NULL), 0);
    assert_true(topic_value(&w, "cleanup.policy").data && !topic_value(&w, "cleanup.policy").size);
    assert_int_equal(
        alter(&w, RESOURCE_TOPIC, "t", APPEND, "x", "1", "Can't APPEND to key x because its type is not LIST."),
        STATUS_INVALID_CONFIG);
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "t", SET, "x", NULL, "Null value not supported for : x"),
                     STATUS_INVALID_REQUEST);
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "t", 9, "x", "1", NULL), STATUS_INVALID_REQUEST);
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "", SET, "x", "1", "Default topic resources are not allowed."),
                     STATUS_INVALID_REQUEST);
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "u", SET, "x", "1", "The topic 'u' does not exist."),
                     STATUS_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(alter(&w, RESOURCE_BROKER, "1", SET, "min.insync.replicas", "2",
                           "Broker-level min.insync.replicas cannot be altered while ELR is enabled."),
                     STATUS_INVALID_CONFIG);
    assert_int_equal(alter(&w, RESOURCE_BROKER, "", DELETE, "min.insync.replicas", NULL,
                           "Cluster-level min.insync.replicas cannot be removed while ELR is enabled."),
                     STATUS_INVALID_CONFIG);
    assert_int_equal(alter(&w, RESOURCE_GROUP, "g", SET, "x", "1", NULL), 0);
    assert_int_equal(alter(&w, 99, "g", SET, "x", "1", NULL), STATUS_INVALID_REQUEST);
    world_free(&w);
}

/* The longest texts that a peer can bring: answered, applied, never more than a record or a reply can hold. */
static void test_long_texts(void **state)
{
    enum { SET, DELETE, APPEND };
    static char longest[INT16_MAX + 1], other[INT16_MAX + 1];
    struct world w;

    (void)state;
    world_init(&w);
    memset(longest, 'x', INT16_MAX);
    memset(other, 'y', INT16_MAX);
    assert_int_equal(alter(&w, RESOURCE_GROUP, longest, SET, longest, longest, NULL), 0);
    assert_int_equal(
        image_config_value(image_config(&w.image, RESOURCE_GROUP, str_from(longest)), str_from(longest)).size,
        INT16_MAX);
    assert_int_equal(alter(&w, RESOURCE_TOPIC, longest, SET, "x", "y", NULL), STATUS_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create(&w, ask(longest, 1, 1), NULL), STATUS_INVALID_TOPIC_EXCEPTION);
    (void)create(&w, ask("t", 1, 1), NULL);
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "t", SET, "cleanup.policy", longest, NULL), 0);
    assert_int_equal(
        alter(&w, RESOURCE_TOPIC, "t", APPEND, "cleanup.policy", other, "The list cleanup.policy would be too long."),
        STATUS_INVALID_CONFIG);
    assert_int_equal(alter(&w, RESOURCE_TOPIC, "t", APPEND, longest, other, NULL), STATUS_INVALID_CONFIG);
    world_free(&w);
}

/* The legacy API replaces all overrides. */
static void test_whole_configs(void **state)
{
    struct alter_configs_request_config config = {.name = STR_LIT("b"), .value = STR_LIT("2")};
    struct alter_configs_request_resource resources[3] = {
        {.resource_type = RESOURCE_TOPIC, .resource_name = STR_LIT("t"), .configs = &config, .configs_count = 1}};
    struct alter_configs_request in = {.resources = resources, .resources_count = 1};
    struct alter_configs_response out;
    struct world w;

    (void)state;
    world_init(&w);
    (void)create(&w, ask("t", 1, 1), NULL);
    (void)alter(&w, RESOURCE_TOPIC, "t", 0, "a", "1", NULL);
    begin(&w);
    assert_int_equal(decide_alter_configs(&w.d, &in, &out), STATUS_OK);
    assert_int_equal(out.responses[0].error_code, 0);
    assert_int_equal(commit(&w), 2);
    assert_null(topic_value(&w, "a").data);
    assert_true(str_is(topic_value(&w, "b"), "2"));
    resources[1] = resources[0];
    in.resources_count = 2;
    begin(&w);
    assert_int_equal(decide_alter_configs(&w.d, &in, &out), STATUS_OK);
    assert_int_equal(out.responses[0].error_code, STATUS_INVALID_REQUEST);
    assert_int_equal(out.responses[1].error_code, STATUS_INVALID_REQUEST);
    assert_int_equal(w.d.records.count, 0);
    world_free(&w);
}

/* What a broker left that stopped, and what one left that was killed while it recovered. */
static void test_leads_again(void **state)
{
    struct image_endpoint endpoint = {STR_LIT("PLAINTEXT"), STR_LIT("localhost"), 9092, 0};
    struct decide_node node = {
        .id = 1, .incarnation = {{7}}, .dirs = {.ids = &(struct uuid){{2}}, .count = 1}, .broker_endpoints = &endpoint, .broker_endpoints_count = 1};
    struct partition_change_record change;
    const struct image_partition *p;
    struct world w;
    int64_t epoch;

    (void)state;
    world_init(&w);
    (void)create(&w, ask("t", 3, 1), NULL);
    p = image_topic(&w.image, STR_LIT("t"))->partitions;
    partition_change_record_init(&change);
    change.topic_id = image_topic(&w.image, STR_LIT("t"))->id;
    change.partition_id = 0;
    change.leader = LEADER_NONE;
    change.isr_count = 0;
    change.eligible_leader_replicas = change.last_known_elr = (int32_t[]){1};
    change.eligible_leader_replicas_count = change.last_known_elr_count = 1;
    put(&w.image, &partition_change_record_message, 2, &change);
    partition_change_record_init(&change);
    change.topic_id = image_topic(&w.image, STR_LIT("t"))->id;
    change.partition_id = 1;
    change.leader_recovery_state = 1;
    put(&w.image, &partition_change_record_message, 2, &change);
    assert_true(p[0].leader == LEADER_NONE && p[0].leader_epoch == 1 && p[1].recovery_state == 1);

    begin(&w);
    assert_int_equal(decide_register_broker(&w.d, &node, 100, &epoch), STATUS_OK);
    assert_int_equal(epoch, 100);
    assert_int_equal(commit(&w), 3); /* the registration and two partitions: the third is led already */
    assert_true(p[0].leader == 1 && p[0].leader_epoch == 2 && p[0].nodes->elr_count == 0 && p[0].nodes->last_known_elr_count == 0);
    assert_true(image_isr(&p[0]).count == 1 && image_isr(&p[0]).ids[0] == 1);
    assert_true(p[1].leader == 1 && p[1].leader_epoch == 0 && p[1].recovery_state == 0);
    assert_true(p[2].leader_epoch == 0 && p[2].partition_epoch == 0);
    world_free(&w);
}

/* A stop: who registers in the node's place need not wait; its partitions stay its own. */
static void test_leave(void **state)
{
    struct decide_node node = {.id = 1, .incarnation = {{4}}, .dirs = {.ids = &(struct uuid){{2}}, .count = 1}};
    int64_t epoch;
    struct world w;

    (void)state;
    world_init(&w);
    (void)create(&w, ask("t", 1, 1), NULL);
    begin(&w);
    assert_int_equal(decide_leave(&w.d, 1), STATUS_OK);
    assert_int_equal(commit(&w), 1);
    assert_true(image_broker(&w.image, 1)->record.fenced);
    assert_int_equal(image_partition(image_topic(&w.image, STR_LIT("t")), 0)->leader, 1);

    begin(&w);
    assert_int_equal(decide_register_broker(&w.d, &node, 100, &epoch), STATUS_OK);
    assert_int_equal(commit(&w), 1);
    assert_false(image_broker(&w.image, 1)->record.fenced);
    assert_int_equal(image_partition(image_topic(&w.image, STR_LIT("t")), 0)->leader_epoch, 0);
    world_free(&w);
}

static const struct image_partition *partition(const struct world *w, int32_t index)
{
    return image_partition(image_topic(&w->image, STR_LIT("t")), index);
}

static struct uuid in_third(const void *context, const struct image_topic *topic, int32_t index)
{
    return (struct uuid){{index == 1 ? 4 : 3}};
}

/* Three directories: what is in one that fails has no leader, until it is back. */
static void test_directories(void **state)
{
    static const struct uuid ids[] = {{{2}}, {{3}}, {{4}}};
    struct decide_dirs all = {.ids = ids, .count = 3}, two = {.ids = ids, .count = 2}, moved = {.ids = ids, .count = 3, .locate = in_third};
    struct image_nodes offline;
    struct world w;

    (void)state;
    world_init(&w);
    begin(&w);
    assert_int_equal(decide_directories(&w.d, 1, &all), STATUS_OK);
    assert_int_equal(commit(&w), 1);
    (void)create(&w, ask("t", 7, 1), NULL);
    for (int32_t i = 0; i < 7; i++) /* always where there are the fewest */
        assert_int_equal(image_directory_of(partition(&w, i), 1).b[0], 2 + i % 3);

    begin(&w);
    assert_int_equal(decide_directories(&w.d, 1, &two), STATUS_OK);
    assert_int_equal(commit(&w), 1 + 2);
    assert_int_equal(partition(&w, 0)->leader, 1);
    assert_int_equal(partition(&w, 2)->leader, LEADER_NONE);
    assert_int_equal(image_isr(partition(&w, 2)).count, 0);
    assert_true(image_elr(partition(&w, 2)).count == 1 && image_elr(partition(&w, 2)).ids[0] == 1);
    assert_true(image_offline_replicas(&w.image, partition(&w, 2), &w.arena, &offline));
    assert_true(offline.count == 1 && offline.ids[0] == 1);
    assert_true(image_offline_replicas(&w.image, partition(&w, 0), &w.arena, &offline));
    assert_int_equal(offline.count, 0);
    (void)create(&w, ask("u", 2, 1), NULL);
    assert_int_equal(image_directory_of(image_partition(image_topic(&w.image, STR_LIT("u")), 0), 1).b[0], 3); /* 3 and 2 */

    begin(&w);
    assert_int_equal(decide_directories(&w.d, 1, &all), STATUS_OK);
    assert_int_equal(commit(&w), 1 + 2);
    assert_int_equal(partition(&w, 2)->leader, 1);
    assert_int_equal(partition(&w, 2)->leader_epoch, 2);
    assert_int_equal(image_isr(partition(&w, 2)).count, 1);
    assert_int_equal(image_elr(partition(&w, 2)).count, 0);

    begin(&w); /* they were found elsewhere, but for one of "t" and one of "u" */
    assert_int_equal(decide_directories(&w.d, 1, &moved), STATUS_OK);
    assert_int_equal(commit(&w), 9 - 2); /* and the registration is as it was */
    assert_int_equal(image_directory_of(partition(&w, 1), 1).b[0], 4);
    assert_int_equal(partition(&w, 1)->leader_epoch, 0);
    world_free(&w);
}

static void test_cordoned(void **state)
{
    static const struct uuid ids[] = {{{2}}, {{3}}};
    struct decide_dirs one = {.ids = ids, .count = 2, .cordoned = ids, .cordoned_count = 1}, none = {.ids = ids, .count = 2},
                       both = {.ids = ids, .count = 2, .cordoned = ids, .cordoned_count = 2};
    struct create_topics_request_topic refused = ask("u", 1, 1);
    struct create_topics_request in = {.topics = &refused, .topics_count = 1};
    struct create_topics_response out;
    struct world w;

    (void)state;
    world_init(&w);
    begin(&w);
    assert_int_equal(decide_directories(&w.d, 1, &one), STATUS_OK);
    assert_int_equal(commit(&w), 1);
    (void)create(&w, ask("t", 3, 1), NULL);
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(image_directory_of(partition(&w, i), 1).b[0], 3);
    begin(&w);
    assert_int_equal(decide_directories(&w.d, 1, &both), STATUS_OK);
    assert_int_equal(commit(&w), 1);
    begin(&w);
    assert_int_equal(decide_create_topics(&w.d, &in, &out), STATUS_OK);
    assert_int_equal(out.topics[0].error_code, STATUS_INVALID_REPLICATION_FACTOR);
    begin(&w);
    assert_int_equal(decide_directories(&w.d, 1, &none), STATUS_OK);
    assert_int_equal(commit(&w), 1);
    (void)create(&w, ask("v", 1, 1), NULL);
    assert_int_equal(image_directory_of(image_partition(image_topic(&w.image, STR_LIT("v")), 0), 1).b[0], 2);
    world_free(&w);
}

static void test_producer_ids(void **state)
{
    struct world w;
    int64_t first;

    (void)state;
    world_init(&w);
    for (int64_t block = 0; block < 3; block++) {
        begin(&w);
        assert_int_equal(decide_producer_ids(&w.d, 1, &first), STATUS_OK);
        assert_int_equal(first, block * PRODUCER_IDS);
        assert_int_equal(commit(&w), 1);
    }
    assert_int_equal(w.image.producer_ids_broker_epoch, 11);
    world_free(&w);
}

/* The arena is a limit that a request reaches: it fails as a whole and cleanly. */
static void test_without_memory(void **state)
{
    struct create_topics_request_topic topics[2] = {ask("a", 20, 1), ask("b.c", -1, -1)};
    struct create_topics_request in = {.topics = topics, .topics_count = 2};
    struct create_topics_response out;
    enum status status = STATUS_NO_MEMORY;
    struct world w;

    (void)state;
    world_init(&w);
    for (size_t limit = 0; status != STATUS_OK; limit += 64) {
        struct arena arena;

        arena_init(&arena, limit);
        w.d = (struct decision){
            .image = &w.image, .rules = &w.rules, .arena = &arena, .random_uuid = next_id, .world = &w};
        meta_records_init(&w.d.records, &arena);
        status = decide_create_topics(&w.d, &in, &out);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        arena_free(&arena);
    }
    world_free(&w);
}

/* Every allocation fails once: a decision is made whole, or not at all. */
static void test_each_allocation(void **state)
{
    struct create_topics_request_config config = {.name = STR_LIT("retention.ms"), .value = STR_LIT("1")};
    struct create_topics_request_topic topic = ask("t", 100, 1);
    struct create_topics_request in = {.topics = &topic, .topics_count = 1};
    struct create_topics_response out;
    struct meta_records bootstrap;
    struct str_view message;
    struct bytes_view bytes;
    struct image empty;
    struct arena kept;
    struct err err = {0};
    struct world w;
    enum status s = STATUS_NO_MEMORY;

    (void)state;
    world_init(&w);
    arena_init(&kept, 1 << 20);
    image_init(&empty, 1, NULL, NULL);
    meta_records_init(&bootstrap, &kept);
    assert_int_equal(bootstrap_encode(1000, &kept, &bytes), STATUS_OK);
    assert_int_equal(bootstrap_decode(bytes, &bootstrap, &err), STATUS_OK);
    for (uint64_t n = 1; s != STATUS_OK; n++) {
        arena_free(&w.arena);
        begin(&w);
        w.d.image = &empty;
        mem_fail_at(n);
        s = decide_bootstrap(&w.d, &bootstrap);
        mem_fail_at(0);
        assert_true(s == STATUS_NO_MEMORY || (s == STATUS_OK && w.d.records.count == 9));
    }
    topic.configs = &config;
    topic.configs_count = 1;
    s = STATUS_NO_MEMORY;
    for (uint64_t n = 1; s != STATUS_OK; n++) {
        arena_free(&w.arena);
        begin(&w);
        mem_fail_at(n);
        s = decide_create_topics(&w.d, &in, &out);
        mem_fail_at(0);
        assert_true(s == STATUS_NO_MEMORY || (s == STATUS_OK && w.d.records.count == 102 && !out.topics[0].error_code));
    }
    assert_int_equal(commit(&w), 102);
    s = STATUS_NO_MEMORY;
    for (uint64_t n = 1; s != STATUS_OK; n++) {
        arena_free(&w.arena);
        begin(&w);
        mem_fail_at(n);
        s = decide_move(&w.d, 1, image_topic(&w.image, STR_LIT("t")), 0, (struct uuid){{2}});
        mem_fail_at(0);
        assert_true(s == STATUS_NO_MEMORY || (s == STATUS_OK && w.d.records.count == 1));
    }
    arena_free(&kept);
    arena_init(&kept, 0); /* a name stays bad when there is no room to say why */
    assert_int_equal(topic_name_check(STR_LIT(".."), &kept, &message), STATUS_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(topic_name_check(STR_LIT("a/b"), &kept, &message), STATUS_INVALID_TOPIC_EXCEPTION);
    image_free(&empty);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_each_allocation),
        cmocka_unit_test(test_manual_assignments),
        cmocka_unit_test(test_create_with_configs),
        cmocka_unit_test(test_request_of_many),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_partitions_max),
        cmocka_unit_test(test_memory_max),
        cmocka_unit_test(test_create_partitions),
        cmocka_unit_test(test_incremental_configs),
        cmocka_unit_test(test_whole_configs),
        cmocka_unit_test(test_leads_again),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_leave), cmocka_unit_test(test_directories),
        cmocka_unit_test(test_cordoned),
        cmocka_unit_test(test_producer_ids),
        cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
