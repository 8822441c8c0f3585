/* SPDX-License-Identifier: Apache-2.0
 * Produce: what the topic demands, what the broker stamps, and Kafka's errors for the rest.
 */
#include "bench.h"

static struct batch_head stored_head(struct bench *b, int64_t offset)
{
    struct partition_read read = {.offset = offset, .current_leader_epoch = -1, .last_fetched_epoch = -1, .size_max = 1 << 20, .at_least_one = true};
    uint8_t *bytes = mem_alloc(1 << 16, 1);
    struct batch_head head;
    size_t size, got;
    struct err err;

    bench_read(b, &read);
    assert_int_equal(read.status, STATUS_OK);
    assert_int_equal(file_read(read.slice.file, read.slice.position, bytes, 1 << 16, &got, &err), STATUS_OK);
    assert_int_equal(batch_check_crc((struct bytes_view){bytes, got}, &size), STATUS_OK);
    assert_true(batch_head_read((struct bytes_view){bytes, got}, &head));
    file_unref(read.slice.file);
    mem_free(bytes);
    return head;
}

static struct bytes_view plain(int32_t count, int64_t timestamp)
{
    return world_batch((struct batch_spec){.base_offset = 0, .count = count, .timestamp = timestamp, .value_size = 100});
}

static void test_offsets_and_epoch(void **state)
{
    struct bench b = bench_begin();
    struct batch_head head;

    b.how.leader_epoch = 4;
    bench_open(&b);
    assert_int_equal(produce_now(&b, plain(3, WORLD_WALL)).base_offset, 0);
    assert_int_equal(produce_now(&b, plain(2, WORLD_WALL)).base_offset, 3);
    head = stored_head(&b, 4);
    assert_int_equal(head.base_offset, 3);
    assert_int_equal(head.leader_epoch, 4);
    assert_int_equal(partition_high_watermark(b.p), 5);
    assert_int_equal(partition_last_stable(b.p), 5);
    bench_end(&b);
}

static void test_refusals(void **state)
{
    struct bench b = bench_begin();
    struct bytes_view batch;
    struct produced result;

    b.config.message_bytes_max = 1000;
    bench_open(&b);
    assert_int_equal(produce_now(&b, plain(20, WORLD_WALL)).status, STATUS_MESSAGE_TOO_LARGE);
    batch = plain(2, WORLD_WALL);
    ((uint8_t *)(uintptr_t)batch.data)[batch.size - 1] ^= 1;
    assert_int_equal(produce_now(&b, batch).status, STATUS_CORRUPT_MESSAGE);
    result = produce_now(&b, plain(3, WORLD_WALL + 3600000 * 2));
    assert_int_equal(result.status, STATUS_INVALID_TIMESTAMP);
    assert_int_equal(result.errors_count, 3);
    assert_int_equal(result.base_offset, -1);
    assert_int_equal(produce_now(&b, world_batch((struct batch_spec){.attributes = BATCH_CONTROL, .timestamp = WORLD_WALL})).status, STATUS_INVALID_RECORD);
    assert_int_equal(produce_now(&b, world_batch((struct batch_spec){.attributes = BATCH_TRANSACTIONAL, .producer_id = 9, .timestamp = WORLD_WALL})).status,
                     STATUS_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    b.config.log.segment_bytes = 500;
    partition_configure(b.p, &b.config);
    assert_int_equal(produce_now(&b, plain(5, WORLD_WALL)).status, STATUS_RECORD_LIST_TOO_LARGE);
    assert_int_equal(partition_end_offset(b.p), 0);
    bench_end(&b);
}

/* A log may begin anywhere, and end: offsets never wrap. */
static void test_last_offsets(void **state)
{
    struct bench b = bench_begin();
    const int64_t end = INT64_MAX;

    b.how.log_start = end - 8;
    bench_open(&b);
    for (int clean = 0; clean < 2; clean++) {
        assert_int_equal(produce_now(&b, plain(9, WORLD_WALL)).status, STATUS_INVALID_RECORD);
        assert_int_equal(produce_now(&b, plain(1, WORLD_WALL)).base_offset, end - 8 + 3 * clean);
        assert_int_equal(produce_now(&b, plain(2, WORLD_WALL)).base_offset, end - 7 + 3 * clean);
        bench_close(&b, clean);
        bench_open(&b);
        assert_int_equal(partition_start_offset(b.p), end - 8);
        assert_int_equal(partition_high_watermark(b.p), end - 5 + 3 * clean);
    }
    assert_int_equal(produce_now(&b, plain(3, WORLD_WALL)).status, STATUS_INVALID_RECORD);
    for (int again = 0; again < 2; again++)
        assert_int_equal(produce_sequence(&b, 0, 0, 2).base_offset, end - 2); /* a duplicate is told where it is, though there is no room */
    assert_int_equal(produce_now(&b, plain(1, WORLD_WALL)).status, STATUS_INVALID_RECORD);
    assert_int_equal(partition_end_offset(b.p), end);
    assert_int_equal(stored_head(&b, end - 1).base_offset, end - 2);
    bench_end(&b);
}

static void test_append_time(void **state)
{
    struct bench b = bench_begin();
    struct produced result;
    struct batch_head head;

    b.config.log.append_time = true;
    bench_open(&b);
    result = produce_now(&b, plain(3, 5)); /* its own timestamps are not judged */
    assert_int_equal(result.status, STATUS_OK);
    assert_true(result.append_time_ms >= WORLD_WALL);
    head = stored_head(&b, 0);
    assert_int_equal(head.max_timestamp, result.append_time_ms);
    assert_true(head.attributes & BATCH_LOG_APPEND_TIME);
    bench_end(&b);
}

static void test_topic_compression(void **state)
{
    struct bench b = bench_begin();

    b.config.compression = COMPRESSION_LZ4;
    bench_open(&b);
    assert_int_equal(produce_now(&b, plain(30, WORLD_WALL)).base_offset, 0);
    assert_int_equal(stored_head(&b, 0).attributes & BATCH_COMPRESSION_MASK, COMPRESSION_LZ4);
    b.config.compression = COMPRESSION_NONE;
    partition_configure(b.p, &b.config);
    assert_int_equal(produce_now(&b, plain(30, WORLD_WALL)).base_offset, 30);
    assert_int_equal(stored_head(&b, 30).attributes & BATCH_COMPRESSION_MASK, COMPRESSION_NONE);
    bench_end(&b);
}

/* Many at once: answered in order, each with its own offset, and none before it is durable. */
static void test_pipelined(void **state)
{
    static struct produce produces[100];
    struct bench b = bench_begin();

    bench_open(&b);
    for (int i = 0; i < 100; i++)
        produce_bytes(&b, &produces[i], plain(2, WORLD_WALL));
    assert_int_equal(partition_high_watermark(b.p), 0);
    produce_wait(&b, &produces[99]);
    for (int i = 0; i < 100; i++) {
        assert_true(produces[i].done);
        assert_int_equal(produces[i].append.status, STATUS_OK);
        assert_int_equal(produces[i].append.base_offset, 2 * i);
        produce_free(&produces[i]);
    }
    bench_end(&b);
}

static void test_stopped(void **state)
{
    struct bench b = bench_begin();
    struct world_flag flag = {.mail.run = world_set_flag};
    struct produce before, after;

    bench_open(&b);
    produce_bytes(&b, &before, plain(1, WORLD_WALL));
    partition_stop(b.p, &flag.mail);
    produce_bytes(&b, &after, plain(1, WORLD_WALL));
    assert_true(sim_run_until(b.w.sim, world_is_set, &flag.set, WORLD_SOON));
    assert_true(before.done && after.done);
    assert_int_equal(before.append.status, STATUS_OK);
    assert_int_equal(after.append.status, STATUS_NOT_LEADER_OR_FOLLOWER);
    produce_free(&before);
    produce_free(&after);
    assert_true(partition_close(b.p, true));
    world_end(&b.w);
    fs_free(b.how.fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets_and_epoch), cmocka_unit_test(test_refusals),  cmocka_unit_test(test_last_offsets),
        cmocka_unit_test(test_append_time),
        cmocka_unit_test(test_topic_compression), cmocka_unit_test(test_pipelined), cmocka_unit_test(test_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
