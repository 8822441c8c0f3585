/* SPDX-License-Identifier: Apache-2.0
 * Reading: epochs, ranges, isolation, waiting, offsets (trap 6).
 */
#include "bench.h"

static struct bytes_view plain(int32_t count, int64_t timestamp)
{
    return world_batch((struct batch_spec){.count = count, .timestamp = timestamp, .value_size = 10});
}

static struct partition_read read_at(struct bench *b, int64_t offset, int32_t current, int32_t last)
{
    struct partition_read read = {.offset = offset, .current_leader_epoch = current, .last_fetched_epoch = last, .size_max = 1 << 20, .at_least_one = true};

    bench_read(b, &read);
    if (read.slice.file)
        file_unref(read.slice.file);
    return read;
}

static void test_ranges_and_epochs(void **state)
{
    struct bench b = bench_begin();
    struct partition_read read;
    struct produce pending;
    int64_t low;

    b.how.leader_epoch = 2;
    bench_open(&b);
    read = read_at(&b, 0, -1, -1);
    assert_int_equal(read.status, STATUS_OK);
    assert_int_equal(read.slice.size, 0);
    assert_int_equal(read.high_watermark, 0);
    assert_int_equal(produce_now(&b, plain(10, WORLD_WALL)).base_offset, 0);
    partition_set_leader_epoch(b.p, 5);
    assert_int_equal(produce_now(&b, plain(10, WORLD_WALL)).base_offset, 10);
    assert_int_equal(read_at(&b, 0, 4, -1).status, STATUS_FENCED_LEADER_EPOCH);
    assert_int_equal(read_at(&b, 0, 6, -1).status, STATUS_UNKNOWN_LEADER_EPOCH);
    read = read_at(&b, 0, 5, -1);
    assert_int_equal(read.status, STATUS_OK);
    assert_true(read.slice.size > 0);
    assert_int_equal(read_at(&b, 21, -1, -1).status, STATUS_OFFSET_OUT_OF_RANGE);
    assert_int_equal(read_at(&b, 21, -1, -1).high_watermark, -1);

    assert_int_equal(read_at(&b, 5, 5, 2).diverging_epoch, -1);
    read = read_at(&b, 15, 5, 2); /* epoch 2 ended at 10 */
    assert_int_equal(read.diverging_epoch, 2);
    assert_int_equal(read.diverging_end_offset, 10);
    assert_int_equal(read.slice.size, 0);
    read = read_at(&b, 10, 5, 3); /* epoch 3 never was */
    assert_int_equal(read.diverging_epoch, 2);
    assert_int_equal(read_at(&b, 10, 5, 9).status, STATUS_OFFSET_OUT_OF_RANGE);

    produce_bytes(&b, &pending, plain(5, WORLD_WALL)); /* between the high watermark and the end: nothing yet, no error */
    read = read_at(&b, 22, -1, -1);
    assert_int_equal(read.status, STATUS_OK);
    assert_int_equal(read.slice.size, 0);
    assert_int_equal(read.high_watermark, 20);
    produce_wait(&b, &pending);
    produce_free(&pending);

    assert_int_equal(partition_delete_records(b.p, 26, &low), STATUS_OFFSET_OUT_OF_RANGE);
    assert_int_equal(partition_delete_records(b.p, 12, &low), STATUS_OK);
    assert_int_equal(low, 12);
    assert_int_equal(partition_delete_records(b.p, 3, &low), STATUS_OK);
    assert_int_equal(low, 12);
    assert_int_equal(read_at(&b, 11, -1, -1).status, STATUS_OFFSET_OUT_OF_RANGE);
    read = read_at(&b, 12, -1, -1);
    assert_int_equal(read.slice.base_offset, 10); /* a batch may begin before what was asked */
    assert_int_equal(read.start_offset, 12);
    bench_end(&b);
}

static void test_compacted_only_refuses_delete(void **state)
{
    struct bench b = bench_begin();
    int64_t low;

    b.config.log.deletes = false;
    bench_open(&b);
    assert_int_equal(partition_delete_records(b.p, 0, &low), STATUS_POLICY_VIOLATION);
    bench_end(&b);
}

struct waiting {
    struct partition_waiter waiter;
    bool woken;
};

static void woken(struct shard *here, struct mail *mail)
{
    struct partition_waiter *waiter = (struct partition_waiter *)(void *)((char *)mail - offsetof(struct partition_waiter, wake));

    ((struct waiting *)(void *)waiter)->woken = true;
}

static void test_waiting(void **state)
{
    struct bench b = bench_begin();
    struct waiting a = {.waiter = {.wake.run = woken, .beyond = 0}}, far = {.waiter = {.wake.run = woken, .beyond = 5}},
                   gone = {.waiter = {.wake.run = woken, .beyond = 0}};
    struct world_flag flag = {.mail.run = world_set_flag};

    bench_open(&b);
    partition_wait(b.p, &a.waiter);
    partition_wait(b.p, &far.waiter);
    partition_wait(b.p, &gone.waiter);
    partition_wait_cancel(&gone.waiter);
    partition_wait_cancel(&gone.waiter);
    sim_run(b.w.sim, 1000000);
    assert_false(a.woken);
    assert_int_equal(produce_now(&b, plain(3, WORLD_WALL)).status, STATUS_OK);
    assert_true(sim_run_until(b.w.sim, world_is_set, &a.woken, WORLD_SOON));
    assert_false(far.woken || gone.woken);
    a.woken = false;
    partition_wait(b.p, &a.waiter); /* it has passed already: at once, but not inside the call */
    assert_false(a.woken);
    assert_true(sim_run_until(b.w.sim, world_is_set, &a.woken, WORLD_SOON));
    partition_stop(b.p, &flag.mail);
    assert_true(sim_run_until(b.w.sim, world_is_set, &flag.set, WORLD_SOON));
    assert_true(far.woken);
    assert_true(partition_close(b.p, true));
    world_end(&b.w);
    fs_free(b.how.fs);
}

static struct partition_list_offset list(struct bench *b, int64_t timestamp)
{
    struct partition_list_offset ask = {.timestamp = timestamp, .current_leader_epoch = -1};

    bench_list(b, &ask);
    assert_int_equal(ask.status, STATUS_OK);
    return ask;
}

static void test_list_offsets(void **state)
{
    struct bench b = bench_begin();
    struct partition_list_offset ask;
    int64_t low;

    bench_open(&b);
    assert_int_equal(list(&b, OFFSET_LATEST).offset, 0);
    assert_int_equal(list(&b, OFFSET_EARLIEST).offset, 0);
    assert_int_equal(list(&b, OFFSET_MAX_TIMESTAMP).offset, -1);
    assert_int_equal(produce_now(&b, plain(10, WORLD_WALL)).status, STATUS_OK);
    assert_int_equal(produce_now(&b, plain(10, WORLD_WALL + 1000)).status, STATUS_OK);
    assert_int_equal(produce_now(&b, plain(10, WORLD_WALL + 500)).status, STATUS_OK);
    ask = list(&b, OFFSET_LATEST);
    assert_int_equal(ask.offset, 30);
    assert_int_equal(ask.found_timestamp, -1);
    assert_int_equal(ask.leader_epoch, 0);
    ask = list(&b, OFFSET_MAX_TIMESTAMP);
    assert_int_equal(ask.offset, 19);
    assert_int_equal(ask.found_timestamp, WORLD_WALL + 1009);
    ask = list(&b, WORLD_WALL + 600);
    assert_int_equal(ask.offset, 10);
    assert_int_equal(ask.found_timestamp, WORLD_WALL + 1000);
    assert_int_equal(ask.leader_epoch, 0);
    ask = list(&b, WORLD_WALL + 3);
    assert_int_equal(ask.offset, 3);
    ask = list(&b, WORLD_WALL + 1010);
    assert_int_equal(ask.offset, -1);
    assert_int_equal(ask.found_timestamp, -1);
    assert_int_equal(list(&b, OFFSET_LATEST_TIERED).offset, -1);
    assert_int_equal(list(&b, OFFSET_EARLIEST_PENDING_UPLOAD).offset, -1);
    assert_int_equal(partition_delete_records(b.p, 20, &low), STATUS_OK);
    assert_int_equal(list(&b, OFFSET_EARLIEST).offset, 20);
    assert_int_equal(list(&b, OFFSET_EARLIEST_LOCAL).offset, 20);
    assert_int_equal(list(&b, OFFSET_MAX_TIMESTAMP).offset, 29);
    assert_int_equal(list(&b, 0).offset, 20);
    ask = (struct partition_list_offset){.timestamp = OFFSET_LATEST, .current_leader_epoch = 7};
    bench_list(&b, &ask);
    assert_int_equal(ask.status, STATUS_UNKNOWN_LEADER_EPOCH);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_and_epochs),
        cmocka_unit_test(test_compacted_only_refuses_delete),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_list_offsets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
