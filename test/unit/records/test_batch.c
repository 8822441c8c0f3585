/* SPDX-License-Identifier: Apache-2.0
 * What batch_check refuses, byte by byte; what it finds; and what is patched or built.
 */
#include "base/crc32c.h"
#include "base/writer.h"
#include "fixture.h"

enum { ROOM = 4096 };

static const struct bytes_view null_bytes = {NULL, 0};

/* Three records of "k" and "v": 11 bytes each from offset 61: length, attributes, time, offset, 2 key, 2 value, headers. */
static struct bytes_view three_records(uint8_t room[ROOM])
{
    struct batch_builder b;

    batch_builder_init(&b, room, ROOM, 0);
    for (int32_t i = 0; i < 3; i++)
        assert_true(batch_builder_add(&b, i, 1000 + i, bytes_of("k"), bytes_of("v"), null_bytes));
    return batch_builder_finish(&b, 0, -1, -1, -1, -1);
}

static void seal(uint8_t *batch, size_t size)
{
    struct writer w;

    writer_init(&w, batch + BATCH_CRC_AT, 4);
    writer_u32(&w, crc32c(batch + BATCH_ATTRIBUTES_AT, size - BATCH_ATTRIBUTES_AT));
}

static void refuses_lies(void **state)
{
    static const struct {
        const char *what;
        enum status status;
        int32_t index;
        bool seal; /* make the CRC right again */
        size_t at, size;
        const char *bytes;
    } lies[] = {
        {"length beyond the bytes", STATUS_INVALID_RECORD, -1, true, 8, 4, "\x7f\xff\xff\xff"},
        {"length of one more", STATUS_INVALID_RECORD, -1, true, 11, 1, "\x4d"},
        {"length of one less", STATUS_CORRUPT_MESSAGE, -1, true, 11, 1, "\x4b"},
        {"length below the least", STATUS_CORRUPT_MESSAGE, -1, true, 8, 4, "\0\0\0\x0d"},
        {"length below a head", STATUS_CORRUPT_MESSAGE, -1, true, 8, 4, "\0\0\0\x30"},
        {"negative length", STATUS_CORRUPT_MESSAGE, -1, true, 8, 4, "\xff\xff\xff\xff"},
        {"magic 3", STATUS_CORRUPT_MESSAGE, -1, true, 16, 1, "\3"},
        {"magic -1", STATUS_CORRUPT_MESSAGE, -1, true, 16, 1, "\xff"},
        {"magic 1", STATUS_INVALID_RECORD, -1, true, 16, 1, "\1"},
        {"base offset", STATUS_INVALID_RECORD, -1, true, 7, 1, "\1"},
        {"CRC", STATUS_CORRUPT_MESSAGE, -1, false, 17, 1, "\xff"},
        {"a bit of a value", STATUS_CORRUPT_MESSAGE, -1, false, 68, 1, "w"},
        {"codec 5", STATUS_UNSUPPORTED_COMPRESSION_TYPE, -1, true, 22, 1, "\5"},
        {"codec 7", STATUS_UNSUPPORTED_COMPRESSION_TYPE, -1, true, 22, 1, "\7"},
        {"gzip that is none", STATUS_INVALID_RECORD, -1, true, 22, 1, "\1"},
        {"snappy that is none", STATUS_INVALID_RECORD, -1, true, 22, 1, "\2"},
        {"lz4 that is none", STATUS_INVALID_RECORD, -1, true, 22, 1, "\3"},
        {"zstd that is none", STATUS_INVALID_RECORD, -1, true, 22, 1, "\4"},
        {"append time and no time", STATUS_INVALID_TIMESTAMP, 0, true, 22, 21, "\x08\0\0\0\2\0\0\0\0\0\0\3\xe8\xff\xff\xff\xff\xff\xff\xff\xff"},
        {"transactional and control", STATUS_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, -1, true, 22, 1, "\x30"},
        {"transactional", STATUS_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, -1, true, 22, 1, "\x10"},
        {"control", STATUS_INVALID_RECORD, -1, true, 22, 1, "\x20"},
        {"last offset delta -1", STATUS_INVALID_RECORD, -1, true, 23, 4, "\xff\xff\xff\xff"},
        {"last offset delta 3", STATUS_INVALID_RECORD, -1, true, 23, 4, "\0\0\0\3"},
        {"producer id without sequence", STATUS_INVALID_RECORD, -1, true, 43, 8, "\0\0\0\0\0\0\0\1"},
        {"count 0", STATUS_INVALID_RECORD, -1, true, 57, 4, "\0\0\0\0"},
        {"count -1", STATUS_INVALID_RECORD, -1, true, 57, 4, "\xff\xff\xff\xff"},
        {"count 2", STATUS_INVALID_RECORD, -1, true, 57, 4, "\0\0\0\2"},
        {"count 2, offsets too", STATUS_INVALID_RECORD, -1, true, 26, 35, "\2\0\0\0\0\0\0\3\xe8\0\0\0\0\0\0\3\xea"
                                                                     "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\2"},
        {"record length 0", STATUS_INVALID_RECORD, -1, true, 61, 1, "\0"},
        {"record length -1", STATUS_INVALID_RECORD, -1, true, 61, 1, "\1"},
        {"record length beyond the batch", STATUS_INVALID_RECORD, -1, true, 79, 1, "\x7e"},
        {"record length without end", STATUS_INVALID_RECORD, -1, true, 61, 6, "\xff\xff\xff\xff\xff\xff"},
        {"record length of one more", STATUS_INVALID_RECORD, -1, true, 61, 1, "\x12"},
        {"record length of one less", STATUS_INVALID_RECORD, -1, true, 61, 1, "\x0e"},
        {"offset delta 1 twice", STATUS_INVALID_RECORD, -1, true, 82, 1, "\2"},
        {"offset delta -1", STATUS_INVALID_RECORD, -1, true, 64, 1, "\1"},
        {"key size beyond the record", STATUS_INVALID_RECORD, -1, true, 65, 1, "\x7e"},
        {"key size -2", STATUS_INVALID_RECORD, -1, true, 65, 1, "\3"},
        {"value size beyond the record", STATUS_INVALID_RECORD, -1, true, 76, 1, "\x10"},
        {"a header that is not there", STATUS_INVALID_RECORD, -1, true, 87, 1, "\2"},
        {"header count -1", STATUS_INVALID_RECORD, -1, true, 87, 1, "\1"},
    };

    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        uint8_t room[ROOM];
        struct bytes_view batch = three_records(room);
        struct batch_facts facts;
        struct batch_record_error error = {-2, NULL};
        enum status status;

        assert_int_equal(batch.size, 88);
        memcpy(room + lies[i].at, lies[i].bytes, lies[i].size);
        if (lies[i].seal)
            seal(room, batch.size);
        status = batch_check(batch, &rules_any, &facts, &error);
        if (status != lies[i].status || error.batch_index != lies[i].index || !error.message)
            fail_msg("%s: %s at %d: %s", lies[i].what, status_name(status), error.batch_index, error.message);
    }
}

static void refuses_any_cut(void **state)
{
    uint8_t room[ROOM];
    struct bytes_view batch = three_records(room);
    struct batch_facts facts;
    struct batch_record_error error;
    size_t size;

    for (size_t cut = 0; cut < batch.size; cut++) {
        assert_int_equal(batch_check((struct bytes_view){batch.data, cut}, &rules_any, &facts, &error), STATUS_INVALID_RECORD);
        assert_int_equal(batch_check_crc((struct bytes_view){batch.data, cut}, &size), STATUS_CORRUPT_MESSAGE);
    }
    assert_int_equal(batch_check_crc((struct bytes_view){batch.data, ROOM}, &size), STATUS_OK);
    assert_int_equal(size, batch.size);
}

static void two_batches_are_one_too_many(void **state)
{
    uint8_t room[ROOM];
    struct bytes_view batch = three_records(room);
    struct batch_facts facts;
    struct batch_record_error error;

    memmove(room + batch.size, room, batch.size);
    batch.size *= 2;
    assert_int_equal(batch_check(batch, &rules_any, &facts, &error), STATUS_INVALID_RECORD);
}

static void judges_timestamps(void **state)
{
    static const struct {
        int64_t now, before, after;
        enum status status;
        int32_t index;
    } rows[] = {
        {1002, 2, 0, STATUS_OK, 0},
        {1003, 2, 0, STATUS_INVALID_TIMESTAMP, 0},
        {1000, 0, 1, STATUS_INVALID_TIMESTAMP, 2},
        {1000, 0, 2, STATUS_OK, 0},
        {INT64_MAX, INT64_MAX, 0, STATUS_OK, 0},
        {INT64_MIN, 0, INT64_MAX - 1, STATUS_INVALID_TIMESTAMP, 0},
    };
    uint8_t room[ROOM];
    struct bytes_view batch = three_records(room);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct batch_rules rules = rules_any;
        struct batch_facts facts;
        struct batch_record_error error = {0, NULL};

        rules.now_ms = rows[i].now;
        rules.timestamp_before_max_ms = rows[i].before;
        rules.timestamp_after_max_ms = rows[i].after;
        assert_int_equal(batch_check(batch, &rules, &facts, &error), rows[i].status);
        assert_int_equal(error.batch_index, rows[i].index);
        rules.append_time = true;
        assert_int_equal(batch_check(batch, &rules, &facts, &error), STATUS_OK);
    }
}

static void no_timestamp_is_not_judged(void **state)
{
    struct batch_rules rules = rules_any;
    struct batch_builder b;
    struct batch_facts facts;
    struct batch_record_error error;
    uint8_t room[ROOM];

    rules.timestamp_before_max_ms = rules.timestamp_after_max_ms = 1;
    rules.now_ms = 1000000;
    batch_builder_init(&b, room, sizeof room, 0);
    assert_true(batch_builder_add(&b, 0, -1, null_bytes, bytes_of("v"), null_bytes));
    assert_int_equal(batch_check(batch_builder_finish(&b, 0, 0, -1, -1, -1), &rules, &facts, &error), STATUS_OK);
    assert_int_equal(facts.max_timestamp, -1);
}

static void a_compacted_topic_wants_keys(void **state)
{
    struct batch_rules rules = rules_any;
    struct batch_builder b;
    struct bytes_view batch;
    struct batch_facts facts;
    struct batch_record_error error;
    uint8_t room[ROOM];

    batch_builder_init(&b, room, sizeof room, 0);
    assert_true(batch_builder_add(&b, 0, 5, (struct bytes_view){room, 0}, bytes_of("v"), null_bytes));
    assert_true(batch_builder_add(&b, 1, 5, null_bytes, bytes_of("v"), null_bytes));
    batch = batch_builder_finish(&b, 0, 0, -1, -1, -1);
    assert_int_equal(batch_check(batch, &rules, &facts, &error), STATUS_OK);
    rules.compacted = true;
    assert_int_equal(batch_check(batch, &rules, &facts, &error), STATUS_INVALID_RECORD);
    assert_int_equal(error.batch_index, 1);
}

/* Kafka mends a wrong max timestamp; so can the caller. */
static void finds_the_true_max_timestamp(void **state)
{
    uint8_t room[ROOM];
    struct bytes_view batch = three_records(room);
    struct batch_facts facts;
    struct batch_record_error error;

    batch_set_create_time(room, batch.size, 77);
    assert_int_equal(batch_check(batch, &rules_any, &facts, &error), STATUS_OK);
    assert_int_equal(facts.head.max_timestamp, 77);
    assert_int_equal(facts.max_timestamp, 1002);
    assert_int_equal(facts.max_timestamp_offset_delta, 2);
    assert_int_equal(facts.records_size, 27);
}

static void patches(void **state)
{
    uint8_t room[ROOM];
    struct bytes_view batch = three_records(room);
    struct batch_rules rules = rules_any;
    struct batch_facts facts;
    struct batch_record_error error;

    rules.from_client = false;
    batch_set_base_offset(room, 1ll << 40);
    batch_set_leader_epoch(room, 12);
    assert_int_equal(batch_check(batch, &rules, &facts, &error), STATUS_OK);
    assert_int_equal(facts.head.base_offset, 1ll << 40);
    assert_int_equal(facts.head.leader_epoch, 12);
    batch_set_append_time(room, batch.size, 5555);
    assert_int_equal(batch_check(batch, &rules, &facts, &error), STATUS_OK);
    assert_int_equal(facts.head.attributes, BATCH_LOG_APPEND_TIME);
    assert_int_equal(facts.max_timestamp, 5555);
    assert_int_equal(facts.max_timestamp_offset_delta, 0);
    batch_set_create_time(room, batch.size, 1002);
    assert_int_equal(batch_check(batch, &rules, &facts, &error), STATUS_OK);
    assert_int_equal(facts.head.attributes, 0);
    assert_int_equal(facts.max_timestamp, 1002);
}

/* Kafka takes the type for a slip where the topic wants the producer's time, and refuses it where it does not. */
static void append_time_is_the_brokers_to_say(void **state)
{
    uint8_t room[ROOM];
    struct bytes_view batch = three_records(room);
    struct batch_rules rules = rules_any;
    struct batch_facts facts;
    struct batch_record_error error;

    batch_set_append_time(room, batch.size, 1002);
    assert_int_equal(batch_check(batch, &rules, &facts, &error), STATUS_OK);
    rules.append_time = true;
    assert_int_equal(batch_check(batch, &rules, &facts, &error), STATUS_INVALID_TIMESTAMP);
}

static void the_builder_knows_sizes(void **state)
{
    struct bytes_view headers = {(const uint8_t *)"\2\2a\2b", 5}, value = {(const uint8_t *)"0123456789", 10};
    size_t size = batch_record_size(70000, -5, bytes_of("key"), value, headers);
    uint8_t room[ROOM];
    struct batch_builder b;

    batch_builder_init(&b, room, BATCH_OVERHEAD + 8 + size, 0);
    assert_true(batch_builder_add(&b, 0, 5, null_bytes, null_bytes, null_bytes));
    b.capacity = b.size + size - 1;
    assert_false(batch_builder_add(&b, 70000, 0, bytes_of("key"), value, headers));
    b.capacity++;
    assert_true(batch_builder_add(&b, 70000, 0, bytes_of("key"), value, headers));
    assert_int_equal(b.size, b.capacity);
    assert_int_equal(b.last_offset_delta, 70000);
    assert_int_equal(b.max_timestamp, 5);
}

/* Offsets with gaps, as compaction leaves them. */
static void the_cursor_follows_gaps(void **state)
{
    uint8_t room[ROOM];
    struct batch_builder b;
    struct bytes_view batch;
    struct arena arena;
    struct record_cursor *cursor;
    struct record record;
    bool more;

    batch_builder_init(&b, room, sizeof room, 0);
    assert_true(batch_builder_add(&b, 3, 5, null_bytes, bytes_of("a"), null_bytes));
    assert_true(batch_builder_add(&b, 9, 6, null_bytes, bytes_of("b"), null_bytes));
    batch = batch_builder_finish(&b, 100, 0, -1, -1, -1);
    arena_init(&arena, 4096);
    cursor = record_cursor_new(&arena, (struct bytes_view){batch.data, sizeof room}, 0);
    assert_non_null(cursor);
    assert_int_equal(record_next(cursor, &record, &more), STATUS_OK);
    assert_int_equal(record.offset, 103);
    assert_int_equal(record_next(cursor, &record, &more), STATUS_OK);
    assert_int_equal(record.offset, 109);
    assert_int_equal(record.timestamp, 6);
    assert_int_equal(record_next(cursor, &record, &more), STATUS_OK);
    assert_false(more);
    record_cursor_free(cursor);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_lies),
        cmocka_unit_test(refuses_any_cut),
        cmocka_unit_test(two_batches_are_one_too_many),
        cmocka_unit_test(judges_timestamps),
        cmocka_unit_test(no_timestamp_is_not_judged),
        cmocka_unit_test(a_compacted_topic_wants_keys),
        cmocka_unit_test(finds_the_true_max_timestamp),
        cmocka_unit_test(patches),
        cmocka_unit_test(append_time_is_the_brokers_to_say),
        cmocka_unit_test(the_builder_knows_sizes),
        cmocka_unit_test(the_cursor_follows_gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
