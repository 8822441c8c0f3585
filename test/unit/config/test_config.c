/* SPDX-License-Identifier: Apache-2.0
 * The configuration: the tables, server.properties, listeners, the sources of a value, and what may be an override.
 */
#include "test/unit/cm.h"

#include "base/mem.h"
#include "broker/config.h"
#include "meta/decide.h"
#include "meta/records.h"
#include "partition/partition.h"
#include "wire/record/config_record.h"

static void override(struct image *image, enum config_resource type, const char *name, const char *key,
                     const char *value)
{
    struct config_record record = {.resource_type = (int8_t)type,
                                   .resource_name = str_from(name),
                                   .name = str_from(key),
                                   .value = str_from(value)};
    struct meta_records records;
    struct arena arena;
    struct err err = {0};

    arena_init(&arena, 1 << 16);
    meta_records_init(&records, &arena);
    assert_int_equal(meta_records_put(&records, &config_record_message, 0, &record), STATUS_OK);
    assert_int_equal(image_apply(image, records.values[0], &err), STATUS_OK);
    arena_free(&arena);
}

static struct config *loaded(const char *text)
{
    struct config *config = config_new();
    struct err err = {0};

    assert_non_null(config);
    assert_int_equal(config_load(config, "server.properties", str_from(text), &err), STATUS_OK);
    return config;
}

static struct config *finished(const char *text)
{
    struct config *config = loaded(text);
    struct err err = {0};

    if (config_finish(config, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    return config;
}

/* Every default passes its own check, every key is found, every key says what it does. */
static void test_tables(void **state)
{
    static const enum config_resource types[] = {RESOURCE_BROKER, RESOURCE_TOPIC, RESOURCE_GROUP,
                                                 RESOURCE_CLIENT_METRICS};

    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        unsigned count;
        const struct config_row *rows = config_rows(types[t], &count);

        assert_true(count > 0);
        for (unsigned i = 0; i < count; i++) {
            struct str_view message;
            struct config_value value;
            struct arena arena;

            arena_init(&arena, 4096);
            assert_int_equal(config_row_find(rows, count, str_from(rows[i].name)), i);
            assert_int_equal(config_value_parse(&rows[i], str_from(rows[i].initial), &value, &arena, &message),
                             STATUS_OK);
            assert_true(strlen(rows[i].doc) > 0);
            arena_free(&arena);
        }
        assert_int_equal(config_row_find(rows, count, STR_LIT("")), -1);
        assert_int_equal(config_row_find(rows, count, STR_LIT("zzz")), -1);
    }
}

static void test_values(void **state)
{
    static const struct {
        const char *key, *value, *message;
    } table[] = {
        {"retention.ms", "5", NULL},
        {"retention.ms", " -1 ", NULL},
        {"retention.ms", "+7", NULL},
        {"retention.ms", "9223372036854775807", NULL},
        {"retention.ms", "9223372036854775808",
         "Invalid value 9223372036854775808 for configuration retention.ms: Not a number of type LONG"},
        {"retention.ms", "", "Invalid value  for configuration retention.ms: Not a number of type LONG"},
        {"retention.ms", "-", "Invalid value - for configuration retention.ms: Not a number of type LONG"},
        {"retention.ms", "1.5", "Invalid value 1.5 for configuration retention.ms: Not a number of type LONG"},
        {"retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
        {"segment.bytes", "2147483648",
         "Invalid value 2147483648 for configuration segment.bytes: Not a number of type INT"},
        {"compression.lz4.level", "99",
         "Invalid value 99 for configuration compression.lz4.level: Value must be no more than 17"},
        {"compression.gzip.level", "0",
         "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"},
        {"compression.gzip.level", "-1", NULL},
        {"compression.zstd.level", "-131072", NULL},
        {"min.cleanable.dirty.ratio", "0.5", NULL},
        {"min.cleanable.dirty.ratio", "2",
         "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
        {"min.cleanable.dirty.ratio", "x",
         "Invalid value x for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE"},
        {"preallocate", "TRUE", NULL},
        {"preallocate", "yes",
         "Invalid value yes for configuration preallocate: Expected value to be either true or false"},
        {"cleanup.policy", "compact, delete", NULL},
        {"cleanup.policy", "", NULL},
        {"cleanup.policy", "delete,foo",
         "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete"},
        {"message.timestamp.type", "Foo",
         "Invalid value Foo for configuration message.timestamp.type: String must be one of: CreateTime, "
         "LogAppendTime"},
        {"leader.replication.throttled.replicas", "0:1,1:2", NULL},
        {"leader.replication.throttled.replicas", "*", NULL},
        {"leader.replication.throttled.replicas", "x",
         "Invalid value [x] for configuration leader.replication.throttled.replicas: "
         "leader.replication.throttled.replicas must be the literal '*' or a list of "
         "replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int row = config_row_find(config_topic_rows, config_topic_rows_count, str_from(table[i].key));
        struct str_view message = STR_NULL;
        struct config_value value;
        struct arena arena;
        enum status status;

        arena_init(&arena, 1 << 16);
        status = config_value_parse(&config_topic_rows[row], str_from(table[i].value), &value, &arena, &message);
        assert_int_equal(status, table[i].message ? STATUS_INVALID_CONFIG : STATUS_OK);
        if (table[i].message && !str_is(message, table[i].message))
            fail_msg(STR_FMT, STR_ARG(message));
        arena_free(&arena);
    }
}

static void test_durations(void **state)
{
    static const char *const good[] = {
        "latest", "earliest", "by_duration:PT1H", "by_duration:P1D", "by_duration:P1DT2H3M4.5S", "by_duration:PT0.5S"};
    static const char *const bad[] = {"",
                                      "foo",
                                      "by_duration:",
                                      "by_duration:P",
                                      "by_duration:PT",
                                      "by_duration:1H",
                                      "by_duration:PT1",
                                      "by_duration:P1H",
                                      "by_duration:PT1S1H",
                                      "by_duration:P1DT"};
    const struct config_row *row = &config_group_rows[GROUP_SHARE_AUTO_OFFSET_RESET];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good + sizeof bad / sizeof *bad; i++) {
        bool is_good = i < sizeof good / sizeof *good;
        const char *text = is_good ? good[i] : bad[i - sizeof good / sizeof *good];
        struct str_view message;
        struct config_value value;
        struct arena arena;

        arena_init(&arena, 1 << 16);
        if ((config_value_parse(row, str_from(text), &value, &arena, &message) == STATUS_OK) != is_good)
            fail_msg("%s", text);
        arena_free(&arena);
    }
}

static void test_builtin(void **state)
{
    struct config *config = config_new();
    const struct config_listener *listeners;
    struct err err = {0};
    size_t count;

    (void)state;
    assert_int_equal(config_set_builtin(config, &err), STATUS_OK);
    assert_int_equal(config_set(config, STR_LIT("log.dirs=/data"), &err), STATUS_OK);
    assert_int_equal(config_finish(config, &err), STATUS_OK);
    listeners = config_listeners(config, &count);
    assert_int_equal(count, 1);
    assert_string_equal(listeners[0].host.data, "127.0.0.1");
    assert_int_equal(listeners[0].port, 9092);
    assert_int_equal(config_node_id(config), 1);
    assert_int_equal(config_i64(config, CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR), 1);
    assert_int_equal(config_i64(config, CONFIG_OFFSETS_TOPIC_NUM_PARTITIONS), 50);
    assert_string_equal(config_log_dir(config, 0), "/data");
    assert_null(config_log_dir(config, 1));
    assert_false(config_async(config));
    config_free(config);
}

static void test_file(void **state)
{
    struct config *config = finished(
        "# of Kafka's distribution\n"
        "process.roles=broker,controller\nnode.id=3\ncontroller.quorum.voters=3@localhost:9093\n"
        "listeners=PLAINTEXT://:9092,controller://:9093, Docker://[::1]:0\n"
        "inter.broker.listener.name=PLAINTEXT\nadvertised.listeners=PLAINTEXT://example.org:19092\n"
        "controller.listener.names=CONTROLLER\n"
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,DOCKER:PLAINTEXT,SSL:SSL\n"
        "log.dirs = /data/a "
        "\nnum.partitions=7\nlog.retention.hours=2\nnum.partition=3\nlistener.name.x.ssl.key.password=secret\n");
    const struct config_listener *l;
    const struct config_unknown *unknown;
    size_t count;

    (void)state;
    l = config_listeners(config, &count);
    assert_int_equal(count, 3);
    assert_true(str_is(l[0].name, "PLAINTEXT") && l[0].host.size == 0 && l[0].port == 9092 && !l[0].controller);
    assert_true(str_is(l[0].advertised_host, "example.org") && l[0].advertised_port == 19092);
    assert_true(str_is(l[1].name, "CONTROLLER") && l[1].controller && l[1].port == 9093);
    assert_true(str_is(l[2].name, "DOCKER") && str_is(l[2].host, "::1") && l[2].port == 0);
    assert_string_equal(config_log_dir(config, 0), "/data/a");
    assert_int_equal(config_i64(config, CONFIG_NUM_PARTITIONS), 7);
    assert_int_equal(config_i64(config, CONFIG_BROKER_ID), 3);
    assert_true(config_static_voters(config));
    unknown = config_unknown(config, &count);
    assert_int_equal(count, 1);
    assert_true(str_is(unknown[0].key, "num.partition"));
    assert_string_equal(unknown[0].nearest, "num.partitions");
    config_free(config);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } table[] = {
        {"listeners=SSL://:9093", "security protocol SSL is not served"},
        {"listeners=FOO://:9093", "does not name it"},
        {"listeners=PLAINTEXT://:70000", "expected NAME://host:port"},
        {"listeners=PLAINTEXT:9092", "expected NAME://host:port"},
        {"listeners=PLAINTEXT://:1,plaintext://:2", "different name"},
        {"listeners=CONTROLLER://:1\ncontroller.listener.names=CONTROLLER", "none for clients"},
        {"process.roles=broker", "only broker,controller"},
        {"controller.quorum.voters=1@a:1,2@b:2", "only a quorum of one"},
        {"controller.quorum.voters=2@a:1", "does not name node 1"},
        {"controller.quorum.voters=a:1", "id@host:port"},
        {"authorizer.class.name=x", "nothing is authorized"},
        {"log.dirs=/a,/b,/a/", "has /a twice"},
        {"log.dirs=/a,,/b", "empty element"},
        {"node.id=1\nbroker.id=2", "differ"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct config *config = loaded(table[i].text);
        struct err err = {0};

        assert_int_equal(config_finish(config, &err), STATUS_INVALID_CONFIG);
        if (!strstr(err.text, table[i].why))
            fail_msg("%s", err.text);
        config_free(config);
    }
}

static void test_bad_lines(void **state)
{
    struct config *config = config_new();
    struct err err = {0};

    (void)state;
    assert_int_equal(config_load(config, "f", STR_LIT("a=b\n\nnum.partitions=x\n"), &err), STATUS_INVALID_CONFIG);
    assert_string_equal(err.text,
                        "f: line 3: Invalid value x for configuration num.partitions: Not a number of type INT");
    assert_int_equal(config_set(config, STR_LIT("num.partitons=3"), &err), STATUS_INVALID);
    assert_string_equal(err.text, "--set num.partitons: no such key; did you mean num.partitions?");
    assert_int_equal(config_set(config, STR_LIT("zzzzzzzzzzzzzzzzzzzzz=3"), &err), STATUS_INVALID);
    assert_int_equal(config_set(config, STR_LIT("num.partitions"), &err), STATUS_INVALID);
    assert_int_equal(config_set(config, STR_LIT("num.partitions=3"), &err), STATUS_OK);
    assert_int_equal(config_i64(config, CONFIG_NUM_PARTITIONS), 3);
    config_free(config);
}

/* Topic override, this broker's, the cluster's, the file's, the default; and across units. */
static void test_sources(void **state)
{
    struct config *config = finished("log.retention.hours=2\n");
    struct image image;

    (void)state;
    image_init(&image, 1, NULL, NULL);
    assert_int_equal(config_topic_i64(config, &image, STR_LIT("t"), TOPIC_RETENTION_MS), 7200000);
    assert_int_equal(config_topic_i64(config, &image, STR_LIT("t"), TOPIC_SEGMENT_MS), 604800000);
    assert_true(config_topic_i64(config, &image, STR_LIT("t"), TOPIC_FLUSH_MS) == INT64_MAX);
    override(&image, RESOURCE_BROKER, "", "log.retention.ms", "30");
    assert_int_equal(config_topic_i64(config, &image, STR_LIT("t"), TOPIC_RETENTION_MS), 30);
    override(&image, RESOURCE_BROKER, "1", "log.retention.ms", "20");
    override(&image, RESOURCE_BROKER, "2", "log.retention.ms", "99");
    assert_int_equal(config_topic_i64(config, &image, STR_LIT("t"), TOPIC_RETENTION_MS), 20);
    override(&image, RESOURCE_TOPIC, "t", "retention.ms", "10");
    assert_int_equal(config_topic_i64(config, &image, STR_LIT("t"), TOPIC_RETENTION_MS), 10);
    assert_int_equal(config_topic_i64(config, &image, STR_LIT("u"), TOPIC_RETENTION_MS), 20);
    override(&image, RESOURCE_TOPIC, "t", "retention.ms", "not a number"); /* of another broker's making */
    assert_int_equal(config_topic_i64(config, &image, STR_LIT("t"), TOPIC_RETENTION_MS), 20);
    override(&image, RESOURCE_GROUP, "g", "consumer.session.timeout.ms", "50000");
    assert_int_equal(config_group_i64(config, &image, STR_LIT("g"), GROUP_CONSUMER_SESSION_TIMEOUT_MS), 50000);
    assert_int_equal(config_group_i64(config, &image, STR_LIT("h"), GROUP_CONSUMER_SESSION_TIMEOUT_MS), 45000);
    image_free(&image);
    config_free(config);
}

static void test_describe(void **state)
{
    struct config *config = finished("log.retention.hours=2\nlog.retention.ms=40\n");
    struct config_described d;
    struct image image;
    struct arena arena;

    (void)state;
    image_init(&image, 1, NULL, NULL);
    arena_init(&arena, 1 << 16);
    override(&image, RESOURCE_BROKER, "1", "log.retention.ms", "20");
    override(&image, RESOURCE_TOPIC, "t", "retention.ms", " 10 ");
    assert_int_equal(config_describe(config, &image, RESOURCE_TOPIC, image_config(&image, RESOURCE_TOPIC, STR_LIT("t")),
                                     TOPIC_RETENTION_MS, &arena, &d),
                     STATUS_OK);
    assert_true(str_is(d.value, "10"));
    assert_int_equal(d.source, SOURCE_TOPIC);
    assert_int_equal(d.synonyms_count, 5); /* its own, the broker's, the file's two, the default of the hours */
    assert_int_equal(d.synonyms[1].source, SOURCE_BROKER);
    assert_string_equal(d.synonyms[3].name, "log.retention.hours");
    assert_int_equal(d.synonyms[4].source, SOURCE_DEFAULT);
    assert_int_equal(config_describe(config, &image, RESOURCE_BROKER, NULL, CONFIG_LOG_RETENTION_HOURS, &arena, &d),
                     STATUS_OK);
    assert_true(d.read_only && d.source == SOURCE_STATIC && str_is(d.value, "2"));
    assert_int_equal(config_describe(config, &image, RESOURCE_BROKER, NULL, CONFIG_SSL_KEY_PASSWORD, &arena, &d),
                     STATUS_OK);
    assert_null(d.value.data);
    assert_int_equal(
        config_describe(config, &image, RESOURCE_BROKER, NULL, CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND, &arena, &d),
        STATUS_OK);
    assert_true(str_is(d.value, "1.7976931348623157E308"));
    arena_free(&arena);
    image_free(&image);
    config_free(config);
}

static void test_topic_as_a_whole(void **state)
{
    struct config *config = finished("");
    struct partition_config topic;
    struct image image;

    (void)state;
    image_init(&image, 1, NULL, NULL);
    config_topic(config, &image, STR_LIT("t"), &topic);
    assert_true(topic.log.deletes && !topic.log.compacts && topic.compression == -1);
    assert_int_equal(topic.message_bytes_max, 1048588);
    override(&image, RESOURCE_TOPIC, "t", "cleanup.policy", "compact");
    override(&image, RESOURCE_TOPIC, "t", "compression.type", "lz4");
    override(&image, RESOURCE_TOPIC, "t", "message.timestamp.type", "LogAppendTime");
    config_topic(config, &image, STR_LIT("t"), &topic);
    assert_true(!topic.log.deletes && topic.log.compacts && topic.log.append_time);
    assert_true(topic.compression == COMPRESSION_LZ4 && topic.compression_level == 9);
    image_free(&image);
    config_free(config);
}

static void test_rules(void **state)
{
    static const struct {
        enum config_resource type;
        const char *name, *key, *value;
        enum status status;
        const char *message;
    } table[] = {
        {RESOURCE_TOPIC, "t", "retention.ms", "5", STATUS_OK, NULL},
        {RESOURCE_TOPIC, "t", "foo.bar", "5", STATUS_INVALID_CONFIG, "Unknown topic config name: foo.bar"},
        {RESOURCE_TOPIC, "t", "max.compaction.lag.ms", "0", STATUS_INVALID_CONFIG,
         "Invalid value 0 for configuration max.compaction.lag.ms: Value must be at least 1"},
        {RESOURCE_TOPIC, "t", "min.compaction.lag.ms", "9223372036854775807", STATUS_OK, NULL},
        {RESOURCE_TOPIC, "t", "remote.storage.enable", "true", STATUS_INVALID_CONFIG,
         "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."},
        {RESOURCE_BROKER, "1", "log.dirs", "/x", STATUS_INVALID_REQUEST,
         "Cannot update these configs dynamically: [log.dirs]"},
        {RESOURCE_BROKER, "1", "foo", "bar", STATUS_OK, NULL},
        {RESOURCE_BROKER, "2", "foo", "bar", STATUS_INVALID_REQUEST,
         "Unexpected broker id, expected 1 or empty string, but received 2"},
        {RESOURCE_BROKER, "", "listeners", "PLAINTEXT://:1", STATUS_INVALID_REQUEST,
         "Cannot update these configs at default cluster level, broker id must be specified: [listeners]"},
        {RESOURCE_BROKER, "", "ssl.keystore.password", "x", STATUS_INVALID_REQUEST,
         "These security configs can be dynamically updated only per-listener using the listener prefix: "
         "[ssl.keystore.password]"},
        {RESOURCE_BROKER, "1", "num.io.threads", "0", STATUS_INVALID_REQUEST,
         "Invalid value 0 for configuration num.io.threads: Value must be at least 1"},
        {RESOURCE_GROUP, "g", "foo", "1", STATUS_INVALID_CONFIG, "Unknown group config name: foo"},
        {RESOURCE_GROUP, "g", "consumer.session.timeout.ms", "1", STATUS_INVALID_CONFIG,
         "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms"},
        {RESOURCE_GROUP, "g", "consumer.heartbeat.interval.ms", "60000", STATUS_INVALID_CONFIG,
         "consumer.heartbeat.interval.ms must be less than or equal to group.consumer.max.heartbeat.interval.ms"},
        {RESOURCE_CLIENT_METRICS, "m", "interval.ms", "1", STATUS_INVALID_REQUEST,
         "Invalid value 1 for interval.ms, interval must be between 100 and 3600000 (1 hour)"},
        {RESOURCE_CLIENT_METRICS, "m", "foo", "1", STATUS_INVALID_REQUEST, "Unknown client metrics configuration: foo"},
        {RESOURCE_CLIENT_METRICS, "m", "match", "x", STATUS_INVALID_CONFIG, "Illegal client matching pattern: x"},
        {RESOURCE_CLIENT_METRICS, "m", "match", "client_id=a.*", STATUS_OK, NULL},
    };
    struct config *config = finished("");
    struct decide_rules rules;

    (void)state;
    config_rules(config, &rules);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct image_config_entry entry = {str_from(table[i].key), str_from(table[i].value)};
        struct str_view message = STR_NULL;
        struct arena arena;

        arena_init(&arena, 1 << 16);
        assert_int_equal(
            rules.check(rules.context, table[i].type, str_from(table[i].name), &entry, 1, &arena, &message),
            table[i].status);
        if (table[i].message && !str_is(message, table[i].message))
            fail_msg(STR_FMT, STR_ARG(message));
        arena_free(&arena);
    }
    config_free(config);
}

/* Traps row 4: what a tool reads may be written back as it is. */
static void test_round_trip(void **state)
{
    struct config *config = finished("");
    struct image_config_entry entries[TOPIC_KEYS];
    struct decide_rules rules;
    struct str_view message;
    struct image image;
    struct arena arena;
    size_t count = 0;

    (void)state;
    image_init(&image, 1, NULL, NULL);
    arena_init(&arena, 1 << 20);
    config_rules(config, &rules);
    for (unsigned i = 0; i < TOPIC_KEYS; i++) {
        struct config_described d;

        assert_int_equal(config_describe(config, &image, RESOURCE_TOPIC, NULL, i, &arena, &d), STATUS_OK);
        if (d.value.data)
            entries[count++] = (struct image_config_entry){str_from(d.row->name), d.value};
    }
    assert_int_equal(rules.check(rules.context, RESOURCE_TOPIC, STR_LIT("t"), entries, count, &arena, &message),
                     STATUS_OK);
    arena_free(&arena);
    image_free(&image);
    config_free(config);
}

static void test_without_memory(void **state)
{
    static const char text[] =
        "node.id=1\nlisteners=PLAINTEXT://:1,B://:2\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,B:PLAINTEXT\n"
        "advertised.listeners=B://b:3\nunknown=1\nlog.dirs=/a\n";
    enum status status = STATUS_NO_MEMORY;

    (void)state;
    for (uint64_t n = 1; status != STATUS_OK; n++) {
        struct config *config;
        struct err err = {0};

        mem_fail_at(n);
        config = config_new();
        status = config ? config_load(config, "f", str_from(text), &err) : STATUS_NO_MEMORY;
        if (status == STATUS_OK)
            status = config_finish(config, &err);
        mem_fail_at(0);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),     cmocka_unit_test(test_without_memory),   cmocka_unit_test(test_values),
        cmocka_unit_test(test_durations),  cmocka_unit_test(test_builtin),          cmocka_unit_test(test_file),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_bad_lines),        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_describe),   cmocka_unit_test(test_topic_as_a_whole), cmocka_unit_test(test_rules),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
