/* SPDX-License-Identifier: Apache-2.0
 * Kafka's metadata log and the snapshot that Kafka made of it say the same; ours of it says it too; what is not whole
 * is refused.
 */
#include "test/unit/meta/fixture.h"

#include "meta/snapshot.h"

static struct text one, other;

static void load_log(struct image *image)
{
    struct bytes_view log = golden_read("kafka.log");
    struct err err = {0};

    image_init(image, 7, NULL, NULL);
    assert_int_equal(apply_log(image, log, &err), STATUS_OK);
    golden_free(log);
}

static void test_kafka_log_and_snapshot_agree(void **state)
{
    struct bytes_view snapshot = golden_read("kafka.checkpoint");
    struct image from_log, from_snapshot;
    struct err err = {0};

    (void)state;
    load_log(&from_log);
    image_init(&from_snapshot, 8, NULL, NULL);
    assert_int_equal(snapshot_decode(snapshot, (struct snapshot_id){81, 1}, &from_snapshot, &err), STATUS_OK);
    assert_int_equal(from_snapshot.offset, 80);
    assert_int_equal(from_snapshot.epoch, 1);
    from_log.next_producer_id = from_snapshot.next_producer_id; /* the log's record of it stands behind the cut */
    text_of(&one, &from_log);
    text_of(&other, &from_snapshot);
    assert_string_equal(one.bytes, other.bytes);
    assert_non_null(strstr(one.bytes, "topic plain "));
    assert_null(strstr(one.bytes, "topic gone "));
    assert_non_null(strstr(one.bytes, "config 4  message.max.bytes=2000000\n"));
    assert_int_equal(from_log.carried.count, 5); /* a controller, two quotas, an ACL, a SCRAM credential */
    assert_int_equal(from_log.partitions_count, 6);
    image_free(&from_log);
    image_free(&from_snapshot);
    golden_free(snapshot);
}

static void test_ours_says_the_same(void **state)
{
    struct image image, again;
    struct err err = {0};
    uint8_t *bytes;
    size_t size;

    (void)state;
    load_log(&image);
    assert_int_equal(snapshot_encode(&image, 1000, &bytes, &size), STATUS_OK);
    image_init(&again, 9, NULL, NULL);
    assert_int_equal(snapshot_decode((struct bytes_view){bytes, size},
                                     (struct snapshot_id){image.offset + 1, image.epoch}, &again, &err),
                     STATUS_OK);
    text_of(&one, &image);
    text_of(&other, &again);
    assert_string_equal(one.bytes, other.bytes);
    assert_int_equal(image.offset, again.offset);
    image_free(&image);
    image_free(&again);
    mem_free(bytes);
}

/* A directory of KIP-853 begins with a snapshot that names the voters: ours repeats it. */
static void test_voters_survive(void **state)
{
    struct bytes_view snapshot = golden_read("voters.checkpoint");
    struct image image, again;
    struct err err = {0};
    uint8_t *bytes;
    size_t size;

    (void)state;
    image_init(&image, 1, NULL, NULL);
    image_init(&again, 1, NULL, NULL);
    assert_int_equal(snapshot_decode(snapshot, (struct snapshot_id){0, 0}, &image, &err), STATUS_OK);
    assert_int_equal(image.kraft_version, 1);
    assert_true(image.voters.size > 0);
    assert_int_equal(snapshot_encode(&image, 1000, &bytes, &size), STATUS_OK);
    assert_int_equal(snapshot_decode((struct bytes_view){bytes, size}, (struct snapshot_id){0, 0}, &again, &err),
                     STATUS_OK);
    assert_int_equal(again.kraft_version, 1);
    assert_int_equal(again.voters.size, image.voters.size);
    assert_memory_equal(again.voters.data, image.voters.data, image.voters.size);
    image_free(&image);
    image_free(&again);
    mem_free(bytes);
    golden_free(snapshot);
}

static void test_cut_short_is_refused(void **state)
{
    struct bytes_view snapshot = golden_read("kafka.checkpoint");

    (void)state;
    for (size_t size = 0; size < snapshot.size; size += 13) {
        struct image image;
        struct err err = {0};

        image_init(&image, 1, NULL, NULL);
        assert_int_equal(
            snapshot_decode((struct bytes_view){snapshot.data, size}, (struct snapshot_id){81, 1}, &image, &err),
            STATUS_CORRUPT);
        image_free(&image);
    }
    golden_free(snapshot);
}

/* Byte for byte but for the time of its making: the records of Kafka's own bootstrap.checkpoint. */
static void test_bootstrap_is_kafkas(void **state)
{
    struct bytes_view kafka = golden_read("bootstrap.checkpoint"), ours;
    struct meta_records theirs, again;
    struct arena arena;
    struct err err = {0};

    (void)state;
    arena_init(&arena, 1 << 20);
    meta_records_init(&theirs, &arena);
    meta_records_init(&again, &arena);
    assert_int_equal(bootstrap_encode(1000, &arena, &ours), STATUS_OK);
    assert_int_equal(ours.size, kafka.size);
    assert_int_equal(bootstrap_decode(kafka, &theirs, &err), STATUS_OK);
    assert_int_equal(bootstrap_decode(ours, &again, &err), STATUS_OK);
    assert_int_equal(theirs.count, 6);
    assert_int_equal(again.count, 6);
    for (size_t i = 0; i < theirs.count; i++) {
        assert_int_equal(theirs.values[i].size, again.values[i].size);
        assert_memory_equal(theirs.values[i].data, again.values[i].data, again.values[i].size);
    }
    arena_free(&arena);
    golden_free(kafka);
}

static void test_names(void **state)
{
    char name[SNAPSHOT_NAME_SIZE];
    struct snapshot_id id = {0};

    (void)state;
    snapshot_name((struct snapshot_id){1234567890123, 42}, name);
    assert_string_equal(name, "00000001234567890123-0000000042.checkpoint");
    assert_true(snapshot_parse_name(name, &id));
    assert_true(id.end_offset == 1234567890123 && id.epoch == 42);
    assert_false(snapshot_parse_name("00000001234567890123-0000000042.checkpoint.tmp", &id));
    assert_false(snapshot_parse_name("00000001234567890123-0000000042.checkpoint.part", &id));
    assert_false(snapshot_parse_name("99999999999999999999-0000000042.checkpoint", &id));
    assert_false(snapshot_parse_name("00000001234567890123-9999999999.checkpoint", &id));
    assert_false(snapshot_parse_name("00000001234567890123.log", &id));
    assert_false(snapshot_parse_name("", &id));
}

static void test_without_memory(void **state)
{
    struct image image;
    enum status status = STATUS_NO_MEMORY;
    uint8_t *bytes = NULL;
    size_t size;

    (void)state;
    load_log(&image);
    for (uint64_t n = 1; status != STATUS_OK; n++) {
        mem_fail_at(n);
        status = snapshot_encode(&image, 1000, &bytes, &size);
        mem_fail_at(0);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
    }
    mem_free(bytes);
    image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kafka_log_and_snapshot_agree),
        cmocka_unit_test(test_ours_says_the_same),
        cmocka_unit_test(test_voters_survive),
        cmocka_unit_test(test_cut_short_is_refused),
        cmocka_unit_test(test_bootstrap_is_kafkas),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
