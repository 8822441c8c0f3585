/* SPDX-License-Identifier: Apache-2.0
 * Transactions that stand in a log: what readers of committed records get, and that it is the same after every kind of restart.
 */
#include "bench.h"
#include "partition/transactions.h"

/* --- the set --------------------------------------------------------------------------------------------------------------- */

static void test_set(void **state)
{
    struct transactions set = {0};
    struct aborted aborted;

    for (int i = 0; i < 4; i++)
        assert_true(transactions_reserve(&set));
    transactions_begin(&set, 1, 10);
    assert_true(transactions_reserve(&set));
    transactions_begin(&set, 2, 20);
    assert_int_equal(transactions_stable(&set, 5), 5);
    assert_int_equal(transactions_stable(&set, 30), 10);
    assert_false(transactions_end(&set, 3, 25, &aborted));
    assert_true(transactions_end(&set, 1, 30, &aborted));
    assert_int_equal(aborted.producer_id, 1);
    assert_int_equal(aborted.first_offset, 10);
    assert_int_equal(aborted.last_offset, 30);
    assert_int_equal(aborted.last_stable, 20);
    assert_false(transactions_end(&set, 1, 31, &aborted));
    transactions_settle(&set, 30);
    assert_int_equal(transactions_stable(&set, 30), 10); /* its marker is not durable */
    transactions_settle(&set, 31);
    assert_int_equal(transactions_stable(&set, 31), 20);
    assert_true(transactions_end(&set, 2, 31, &aborted));
    assert_int_equal(aborted.last_stable, 32);
    transactions_settle(&set, 32);
    assert_int_equal(transactions_stable(&set, 32), 32);
    transactions_free(&set);
}

static void test_index(void **state)
{
    static const uint8_t golden[] = {0, 0, 0, 0, 0, 0, 0, 0, 3, 0xe8, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 120, 0, 0, 0, 0, 0, 0, 0, 110};
    struct txnindex ix = {0};
    struct fs *fs = fs_mem_new();
    struct err err;
    char *content;
    size_t size, at = 0;
    bool complete;

    assert_int_equal(txnindex_decode(&ix, (struct bytes_view){golden, sizeof golden}, 90, 121, &err), STATUS_OK);
    assert_int_equal(ix.count, 1);
    assert_int_equal(ix.list[0].last_stable, 110);
    assert_int_equal(txnindex_save(&ix, fs, "/x", &err), STATUS_OK);
    assert_int_equal(fs_read_file(fs, "/x", 100, &content, &size, &err), STATUS_OK);
    assert_int_equal(size, sizeof golden);
    assert_memory_equal(content, golden, sizeof golden);
    mem_free(content);
    assert_ptr_equal(txnindex_next(&ix, &at, 120, 130, &complete), ix.list);
    assert_null(txnindex_next(&ix, &at, 120, 130, &complete));
    assert_false(complete);
    at = 0;
    assert_null(txnindex_next(&ix, &at, 50, 100, &complete));
    assert_true(complete); /* nothing that begins before 110 is aborted later */
    txnindex_cut(&ix, 120);
    assert_int_equal(ix.count, 0);
    assert_int_equal(txnindex_decode(&ix, (struct bytes_view){golden, sizeof golden}, 121, 200, &err), STATUS_CORRUPT);
    assert_int_equal(txnindex_decode(&ix, (struct bytes_view){golden, sizeof golden}, 0, 120, &err), STATUS_CORRUPT);
    assert_int_equal(txnindex_decode(&ix, (struct bytes_view){golden, sizeof golden - 1}, 90, 121, &err), STATUS_CORRUPT);
    txnindex_free(&ix);
    fs_free(fs);
}

/* --- in a partition -------------------------------------------------------------------------------------------------------- */

static void append(struct bench *b, struct bytes_view batch)
{
    struct produce produce = {.batch = batch};

    produce.append = (struct partition_append){.done = produce_done, .records = (uint8_t *)(uintptr_t)batch.data, .size = batch.size};
    partition_append(b->p, &produce.append);
    produce_wait(b, &produce);
    assert_int_equal(produce.append.status, STATUS_OK);
    produce_free(&produce);
}

static void data(struct bench *b, int64_t producer, int32_t sequence)
{
    append(b, world_batch((struct batch_spec){.producer_id = producer, .sequence = sequence, .timestamp = WORLD_WALL, .value_size = 100, .attributes = BATCH_TRANSACTIONAL}));
}

static void marker(struct bench *b, int64_t producer, uint8_t type)
{
    const uint8_t key[] = {0, 0, 0, type}, value[] = {0, 0, 0, 0, 0, 7};
    uint8_t *buffer = mem_alloc(200, 1);
    struct batch_builder builder;

    batch_builder_init(&builder, buffer, 200, BATCH_TRANSACTIONAL | BATCH_CONTROL);
    assert_true(batch_builder_add(&builder, 0, WORLD_WALL, (struct bytes_view){key, sizeof key}, (struct bytes_view){value, sizeof value}, (struct bytes_view){NULL, 0}));
    append(b, batch_builder_finish(&builder, 0, 0, producer, 0, -1));
}

static void reopen(struct bench *b, bool clean)
{
    b->how.recovery_point = clean ? -1 : 0;
    bench_close(b, clean);
    bench_open(b);
}

/* What a reader of committed records is told from an offset on: the end of what it gets, and the first offsets of what it is to leave out. */
static void expect(struct bench *b, int64_t from, int64_t stable, const char *aborted)
{
    struct partition_read read = {.offset = from, .current_leader_epoch = -1, .last_fetched_epoch = -1, .size_max = 1 << 20, .at_least_one = true, .isolation = ISOLATION_COMMITTED};
    struct partition_list_offset ask = {.timestamp = OFFSET_LATEST, .current_leader_epoch = -1, .isolation = ISOLATION_COMMITTED};
    char told[100] = "";

    bench_read(b, &read);
    assert_int_equal(read.status, STATUS_OK);
    assert_int_equal(read.last_stable, stable);
    for (size_t i = 0; i < read.aborted.count; i++)
        (void)snprintf(told + strlen(told), sizeof told - strlen(told), "%lld@%lld ", (long long)read.aborted.list[i].producer_id, (long long)read.aborted.list[i].first_offset);
    assert_string_equal(told, aborted);
    if (read.slice.file)
        file_unref(read.slice.file);
    txnindex_free(&read.aborted);
    bench_list(b, &ask);
    assert_int_equal(ask.offset, stable);
}

/* Two producers at once: 0 a, 1 b, 2 a's abort, 3 a, 4 plain, 5 b's commit, 6 a's abort, 7 b. */
static void fill(struct bench *b)
{
    data(b, 1, 0);
    data(b, 2, 0);
    marker(b, 1, MARKER_ABORT);
    data(b, 1, 1);
    append(b, world_batch((struct batch_spec){.timestamp = WORLD_WALL}));
    marker(b, 2, MARKER_COMMIT);
    marker(b, 1, MARKER_ABORT);
    data(b, 2, 1);
}

/* `from_start`: a reader gets at most the rest of a segment, and is told of that alone. */
static void expect_all(struct bench *b, const char *from_start)
{
    struct partition_producer producers[2];

    expect(b, 0, 7, from_start);
    expect(b, 3, 7, "1@3 ");
    expect(b, 7, 7, "");
    assert_int_equal(partition_producers(b->p, producers, 2), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(producers[i].coordinator_epoch, 7);
        assert_int_equal(producers[i].transaction_start_offset, producers[i].producer_id == 2 ? 7 : -1);
    }
}

static void test_open_and_aborted(void **state)
{
    struct bench b = bench_begin();

    bench_open(&b);
    data(&b, 1, 0);
    expect(&b, 0, 0, "");
    reopen(&b, true);
    expect(&b, 0, 0, "");
    marker(&b, 1, MARKER_ABORT);
    expect(&b, 0, 2, "1@0 ");
    reopen(&b, false);
    expect(&b, 0, 2, "1@0 ");
    bench_end(&b);
}

static void test_restarts(void **state)
{
    for (int how = 0; how < 4; how++) {
        struct bench b = bench_begin();

        bench_open(&b);
        fill(&b);
        expect_all(&b, "1@0 1@3 ");
        reopen(&b, how & 1);
        expect_all(&b, "1@0 1@3 ");
        reopen(&b, how & 2);
        expect_all(&b, "1@0 1@3 ");
        bench_end(&b);
    }
}

/* Each segment has its own file; what is damaged or missing after a crash is learnt from the batches again. */
static void test_segments(void **state)
{
    static const char name[] = "/data/t-0/00000000000000000006.txnindex";
    struct bench b = bench_begin();
    struct err err;

    b.config.log.segment_bytes = 400; /* two batches of data each */
    bench_open(&b);
    fill(&b);
    expect_all(&b, "1@0 ");
    reopen(&b, true);
    expect_all(&b, "1@0 ");
    for (int clean = 0; clean < 2; clean++) {
        bench_close(&b, true);
        assert_int_equal(fs_write_file(b.how.fs, name, "damaged", 7, &err), STATUS_OK);
        b.how.clean = clean;
        b.how.recovery_point = 0;
        bench_open(&b);
        expect_all(&b, "1@0 ");
    }
    bench_close(&b, true);
    assert_int_equal(fs_remove(b.how.fs, name, &err), STATUS_OK);
    b.how.clean = false;
    bench_open(&b);
    expect_all(&b, "1@0 ");
    bench_end(&b);
}

/* What Kafka noted of records that a crash then took away is not believed. */
static void test_more_than_the_log_has(void **state)
{
    struct txnindex ix = {.list = &(struct aborted){5, 0, 100, 101}, .count = 1};
    struct bench b = bench_begin();
    struct err err;

    bench_open(&b);
    append(&b, world_batch((struct batch_spec){.timestamp = WORLD_WALL}));
    bench_close(&b, true);
    assert_int_equal(txnindex_save(&ix, b.how.fs, "/data/t-0/00000000000000000000.txnindex", &err), STATUS_OK);
    b.how.clean = false;
    b.how.recovery_point = 0;
    bench_open(&b);
    expect(&b, 0, 1, "");
    reopen(&b, true);
    expect(&b, 0, 1, "");
    bench_end(&b);
}

/* Of a commit that is still on its way a crash may leave nothing: until its marker is durable, it bounds what is stable. */
static void test_marker_under_way(void **state)
{
    const uint8_t key[] = {0, 0, 0, MARKER_COMMIT}, value[] = {0, 0, 0, 0, 0, 7};
    struct bench b = bench_begin();
    struct produce produce = {0};
    struct batch_builder builder;
    uint8_t buffer[200];

    bench_open(&b);
    data(&b, 1, 0);
    batch_builder_init(&builder, buffer, sizeof buffer, BATCH_TRANSACTIONAL | BATCH_CONTROL);
    assert_true(batch_builder_add(&builder, 0, WORLD_WALL, (struct bytes_view){key, sizeof key}, (struct bytes_view){value, sizeof value}, (struct bytes_view){NULL, 0}));
    produce.append = (struct partition_append){.done = produce_done, .records = buffer, .size = batch_builder_finish(&builder, 0, 0, 1, 0, -1).size};
    partition_append(b.p, &produce.append);
    assert_int_equal(partition_last_stable(b.p), 0);
    produce_wait(&b, &produce);
    assert_int_equal(partition_last_stable(b.p), 2);
    bench_end(&b);
}

/* A reader of committed records sleeps while others' records come. */
static void woken(struct shard *here, struct mail *mail)
{
    LIST_ENTRY(mail, struct partition_waiter, wake)->beyond = -1;
}

static void test_waiting(void **state)
{
    struct partition_waiter waiter = {.wake.run = woken, .beyond = 0, .isolation = ISOLATION_COMMITTED};
    struct bench b = bench_begin();

    bench_open(&b);
    data(&b, 1, 0);
    partition_wait(b.p, &waiter);
    data(&b, 1, 1);
    assert_int_equal(waiter.beyond, 0);
    marker(&b, 1, MARKER_COMMIT);
    data(&b, 1, 2);
    assert_int_equal(waiter.beyond, -1);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),           cmocka_unit_test(test_index),    cmocka_unit_test(test_open_and_aborted),
        cmocka_unit_test(test_restarts),      cmocka_unit_test(test_segments), cmocka_unit_test(test_marker_under_way),
        cmocka_unit_test(test_waiting),       cmocka_unit_test(test_more_than_the_log_has),
    };

    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
