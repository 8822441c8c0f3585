/* SPDX-License-Identifier: Apache-2.0
 * What records do to the image: topics, partitions and their changes, transactions, what is carried, what listeners
 * hear; and what no bytes may do.
 */
#include "test/unit/meta/fixture.h"

#include "meta/carry.h"
#include "wire/record/abort_transaction_record.h"
#include "wire/record/begin_transaction_record.h"
#include "wire/record/config_record.h"
#include "wire/record/end_transaction_record.h"
#include "wire/record/feature_level_record.h"
#include "wire/record/partition_change_record.h"
#include "wire/record/partition_record.h"
#include "wire/record/remove_topic_record.h"
#include "wire/record/topic_record.h"

static const struct uuid topic_id = {{1, 2, 3}};

static void put_topic(struct image *image, struct str_view name, struct uuid id)
{
    struct topic_record record = {.name = name, .topic_id = id};

    put(image, &topic_record_message, 0, &record);
}

static void put_partition(struct image *image, struct uuid id, int32_t index)
{
    int32_t replicas[] = {1, 2, 3}, isr[] = {1, 2};
    struct uuid directories[] = {{{11}}, {{12}}, {{13}}};
    struct partition_record record;

    partition_record_init(&record);
    record.partition_id = index;
    record.topic_id = id;
    record.replicas = replicas;
    record.replicas_count = 3;
    record.isr = isr;
    record.isr_count = 2;
    record.directories = directories;
    record.directories_count = 3;
    record.leader = 1;
    record.leader_epoch = 5;
    record.partition_epoch = 9;
    put(image, &partition_record_message, 2, &record);
}

static void test_partition_changes(void **state)
{
    int32_t isr[] = {3}, elr[] = {1, 2}, replicas[] = {3, 4};
    struct partition_change_record change;
    const struct image_partition *p;
    struct image image;

    (void)state;
    image_init(&image, 1, NULL, NULL);
    put_topic(&image, STR_LIT("t"), topic_id);
    put_partition(&image, topic_id, 0);
    p = image_partition(image_topic(&image, STR_LIT("t")), 0);
    assert_int_equal(image_replicas(p).count, 3);
    assert_int_equal(image_isr(p).ids[1], 2);
    assert_int_equal(image_directory(p, 2).b[0], 13);

    partition_change_record_init(&change);
    change.topic_id = topic_id;
    change.partition_id = 0;
    change.leader = 3;
    change.isr = isr;
    change.isr_count = 1;
    change.eligible_leader_replicas = elr;
    change.eligible_leader_replicas_count = 2;
    put(&image, &partition_change_record_message, 2, &change);
    assert_true(p->leader == 3 && p->leader_epoch == 6 && p->partition_epoch == 10);
    assert_true(image_isr(p).count == 1 && image_isr(p).ids[0] == 3);
    assert_true(image_elr(p).count == 2 && image_elr(p).ids[1] == 2);
    assert_int_equal(image_replicas(p).count, 3);
    assert_int_equal(image_directory(p, 1).b[0], 12);

    /* New replicas without directories: those that stay keep theirs. An unchanged leader opens no epoch. */
    partition_change_record_init(&change);
    change.topic_id = topic_id;
    change.partition_id = 0;
    change.replicas = replicas;
    change.replicas_count = 2;
    put(&image, &partition_change_record_message, 0, &change);
    assert_true(p->leader == 3 && p->leader_epoch == 6 && p->partition_epoch == 11);
    assert_true(image_replicas(p).count == 2 && image_replicas(p).ids[1] == 4);
    assert_int_equal(image_directory(p, 0).b[0], 13);
    assert_true(uuid_is_zero(image_directory(p, 1)));
    image_free(&image);
}

static void test_topics(void **state)
{
    struct remove_topic_record removal = {.topic_id = topic_id};
    struct image image;

    (void)state;
    image_init(&image, 1, NULL, NULL);
    put_topic(&image, STR_LIT("t"), topic_id);
    put_partition(&image, topic_id, 2);
    put_partition(&image, topic_id, 0);
    assert_null(image_partition(image_topic_by_id(&image, topic_id), 1)); /* in any order, until all are there */
    put_partition(&image, topic_id, 1);
    assert_int_equal(image.partitions_count, 3);
    assert_ptr_equal(image_topic(&image, STR_LIT("t")), image_topic_by_id(&image, topic_id));
    put(&image, &remove_topic_record_message, 0, &removal);
    assert_null(image_topic(&image, STR_LIT("t")));
    assert_null(image_topic_by_id(&image, topic_id));
    assert_int_equal(image.partitions_count, 0);
    put_topic(&image, STR_LIT("t"), (struct uuid){{9}}); /* the name again, another topic */
    assert_int_equal(image_topic(&image, STR_LIT("t"))->id.b[0], 9);
    image_free(&image);
}

static void set_config(struct image *image, const char *key, const char *value)
{
    struct config_record record = {.resource_type = RESOURCE_TOPIC,
                                   .resource_name = STR_LIT("t"),
                                   .name = str_from(key),
                                   .value = str_from(value)};

    put(image, &config_record_message, 0, &record);
}

static void test_configs(void **state)
{
    const struct image_config *config;
    struct image image;

    (void)state;
    image_init(&image, 1, NULL, NULL);
    set_config(&image, "b", "2");
    set_config(&image, "a", "1");
    set_config(&image, "c", "");
    set_config(&image, "b", "22");
    config = image_config(&image, RESOURCE_TOPIC, STR_LIT("t"));
    assert_int_equal(config->count, 3);
    assert_true(str_is(config->entries[1].value, "22"));
    assert_non_null(image_config_value(config, STR_LIT("c")).data);
    assert_null(image_config_value(config, STR_LIT("d")).data);
    assert_null(image_config(&image, RESOURCE_BROKER, STR_LIT("t")));
    set_config(&image, "a", NULL);
    set_config(&image, "b", NULL);
    set_config(&image, "nothing", NULL);
    set_config(&image, "c", NULL);
    assert_null(image_config(&image, RESOURCE_TOPIC, STR_LIT("t")));
    image_free(&image);
}

static void test_transactions(void **state)
{
    struct begin_transaction_record begin = {.name = STR_LIT("x")};
    struct end_transaction_record end = {0};
    struct abort_transaction_record abort_it = {0};
    struct image image;

    (void)state;
    image_init(&image, 1, NULL, NULL);
    put(&image, &begin_transaction_record_message, 0, &begin);
    put_topic(&image, STR_LIT("t"), topic_id);
    assert_null(image_topic(&image, STR_LIT("t")));
    put(&image, &abort_transaction_record_message, 0, &abort_it);
    assert_null(image_topic(&image, STR_LIT("t")));
    put(&image, &begin_transaction_record_message, 0, &begin);
    put_topic(&image, STR_LIT("t"), topic_id);
    put(&image, &end_transaction_record_message, 0, &end);
    assert_non_null(image_topic(&image, STR_LIT("t")));
    put(&image, &begin_transaction_record_message, 0, &begin); /* freed while it is open */
    put_topic(&image, STR_LIT("u"), (struct uuid){{4}});
    image_free(&image);
}

struct heard {
    char text[256];
};

/* What a single node can carry on, and the words for what it cannot. */
static void refused(const struct image *image, int32_t node_id, const char *word)
{
    struct err err;

    assert_int_equal(image_carriable(image, node_id, &err), STATUS_UNSUPPORTED_VERSION);
    assert_non_null(strstr(err.text, word));
}

static void put_feature(struct image *image, const char *name, int16_t level)
{
    struct feature_level_record record = {.name = str_from(name), .feature_level = level};

    put(image, &feature_level_record_message, 0, &record);
}

static void test_what_is_carried(void **state)
{
    struct partition_change_record alone;
    int32_t replicas[] = {1};
    struct image image;
    struct err err;

    image_init(&image, 1, NULL, NULL);
    assert_int_equal(image_carriable(&image, 1, &err), STATUS_OK);
    put_topic(&image, STR_LIT("t"), topic_id);
    put_partition(&image, topic_id, 0);
    refused(&image, 1, "t-0 is not of node 1 alone");
    partition_change_record_init(&alone);
    alone.topic_id = topic_id;
    alone.partition_id = 0;
    alone.isr = alone.replicas = replicas;
    alone.isr_count = alone.replicas_count = 1;
    put(&image, &partition_change_record_message, 0, &alone);
    assert_int_equal(image_carriable(&image, 1, &err), STATUS_OK);
    refused(&image, 2, "t-0 is not of node 2 alone");
    set_config(&image, "remote.storage.enable", "true");
    refused(&image, 1, "topic t has tiered storage");
    set_config(&image, "remote.storage.enable", NULL);
    put_feature(&image, "metadata.version", 30);
    assert_int_equal(image_carriable(&image, 1, &err), STATUS_OK);
    put_feature(&image, "metadata.version", 31);
    refused(&image, 1, "metadata.version is 31");
    put_feature(&image, "metadata.version", 6);
    refused(&image, 1, "metadata.version is 6");
    image_free(&image);
}

static void hear(void *context, const struct image *image, const struct image_change *change)
{
    static const char letters[] = "TPpDCB";
    struct heard *heard = context;
    size_t n = strlen(heard->text);

    (void)image;
    heard->text[n] = letters[change->kind];
    if (change->kind == IMAGE_TOPIC_DELETED)
        assert_int_equal(change->topic->count, 2); /* still whole */
}

static void test_changes_are_told(void **state)
{
    struct remove_topic_record removal = {.topic_id = topic_id};
    struct heard heard = {""};
    struct image image;

    (void)state;
    image_init(&image, 1, hear, &heard);
    put_topic(&image, STR_LIT("t"), topic_id);
    put_partition(&image, topic_id, 0);
    put_partition(&image, topic_id, 1);
    put_partition(&image, topic_id, 1);
    set_config(&image, "a", "1");
    put(&image, &remove_topic_record_message, 0, &removal);
    assert_string_equal(heard.text, "TPPpCD");
    assert_null(image_config(&image, RESOURCE_TOPIC, STR_LIT("t"))); /* a topic takes its overrides along */
    image_free(&image);
}

static enum status apply_bytes(const uint8_t *bytes, size_t size)
{
    struct image image;
    struct err err = {0};
    enum status status;

    image_init(&image, 1, NULL, NULL);
    status = image_apply(&image, (struct bytes_view){bytes, size}, &err);
    image_free(&image);
    return status;
}

static void test_unknown_records_are_refused(void **state)
{
    (void)state;
    assert_int_equal(apply_bytes((const uint8_t[]){1, 100, 0}, 3), STATUS_UNSUPPORTED_VERSION);
    assert_int_equal(apply_bytes((const uint8_t[]){1, 6, 0}, 3), STATUS_UNSUPPORTED_VERSION);
    assert_int_equal(apply_bytes((const uint8_t[]){2, 20, 0}, 3), STATUS_UNSUPPORTED_VERSION);
    assert_int_equal(apply_bytes((const uint8_t[]){1, 2, 9}, 3), STATUS_UNSUPPORTED_VERSION);
    assert_int_equal(apply_bytes((const uint8_t[]){1, 2}, 2), STATUS_CORRUPT);
    assert_int_equal(apply_bytes((const uint8_t[]){1, 2, 0}, 3), STATUS_CORRUPT);
    assert_int_equal(apply_bytes((const uint8_t[]){1, 24, 0, 0}, 4), STATUS_CORRUPT); /* an end without a beginning */
    assert_int_equal(apply_bytes((const uint8_t[]){1, 20, 0, 0}, 4), STATUS_OK);
}

/* Any byte of Kafka's log changed: refused or taken, never worse. The CRC is not asked. */
static void test_broken_bytes(void **state)
{
    struct bytes_view log = golden_read("kafka.log");
    uint8_t *copy = mem_copy(log.data, log.size);

    (void)state;
    for (size_t i = BATCH_OVERHEAD; i < log.size; i++) {
        struct bytes_view left = {copy, log.size};
        struct image image;
        struct err err = {0};
        enum status status = STATUS_OK;

        copy[i] ^= (uint8_t)(1 << i % 8);
        image_init(&image, 1, NULL, NULL);
        while (status == STATUS_OK && left.size >= BATCH_OVERHEAD) {
            struct batch_head head;

            if (!batch_head_read(left, &head) || head.length < BATCH_OVERHEAD - BATCH_PREFIX ||
                batch_size(&head) > left.size || head.magic != 2 || head.count < 0 || head.last_offset_delta < 0)
                break; /* what the store checks before */
            status = image_apply_batch(&image, (struct bytes_view){left.data, batch_size(&head)}, &err);
            left.data += batch_size(&head);
            left.size -= batch_size(&head);
        }
        image_free(&image);
        copy[i] = log.data[i];
    }
    mem_free(copy);
    golden_free(log);
}

static void test_without_memory(void **state)
{
    struct bytes_view log = golden_read("kafka.log");
    enum status status = STATUS_NO_MEMORY;

    (void)state;
    for (uint64_t n = 1; status != STATUS_OK; n++) {
        struct image image;
        struct err err = {0};

        image_init(&image, 1, NULL, NULL);
        mem_fail_at(n);
        status = apply_log(&image, log, &err);
        mem_fail_at(0);
        image_free(&image);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
    }
    golden_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_partition_changes), cmocka_unit_test(test_topics),
        cmocka_unit_test(test_configs),           cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_what_is_carried),
        cmocka_unit_test(test_changes_are_told),  cmocka_unit_test(test_unknown_records_are_refused),
        cmocka_unit_test(test_broken_bytes),      cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
