/* SPDX-License-Identifier: Apache-2.0
 * Idempotent producers: sequences, duplicates, epochs, and what is left of them after a restart (invariant 16, trap 3).
 */
#include <errno.h>

#include "bench.h"
#include "partition/producers.h"
#include "store/clean.h"

static void test_sequences(void **state)
{
    struct bench b = bench_begin();

    bench_open(&b);
    assert_int_equal(produce_sequence(&b, 0, 0, 3).base_offset, 0);
    assert_int_equal(produce_sequence(&b, 0, 3, 2).base_offset, 3);
    assert_int_equal(produce_sequence(&b, 0, 6, 1).status, STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(produce_sequence(&b, 0, 4, 1).status, STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(produce_sequence(&b, 0, 5, 1).base_offset, 5);
    assert_int_equal(produce_sequence(&b, 1, 6, 1).status, STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER); /* a new epoch begins at 0 */
    assert_int_equal(produce_sequence(&b, 1, 0, 1).base_offset, 6);
    assert_int_equal(produce_sequence(&b, 0, 6, 1).status, STATUS_INVALID_PRODUCER_EPOCH);
    assert_int_equal(produce_sequence(&b, 1, 1, 1).base_offset, 7);
    bench_end(&b);
}

/* The last five batches are known by first and last sequence; the sixth is out of order. */
static void test_duplicates(void **state)
{
    struct bench b = bench_begin();

    bench_open(&b);
    for (int i = 0; i < 6; i++)
        assert_int_equal(produce_sequence(&b, 0, i * 2, 2).base_offset, i * 2);
    for (int i = 1; i < 6; i++) {
        struct produced again = produce_sequence(&b, 0, i * 2, 2);
        assert_int_equal(again.status, STATUS_OK);
        assert_int_equal(again.base_offset, i * 2);
    }
    assert_int_equal(produce_sequence(&b, 0, 0, 2).status, STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(produce_sequence(&b, 0, 2, 1).status, STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER); /* not the same batch */
    assert_int_equal(partition_end_offset(b.p), 12);
    bench_end(&b);
}

/* A duplicate of a batch that is still on its way is answered when that one is durable. */
static void test_duplicate_under_way(void **state)
{
    struct bench b = bench_begin();
    struct batch_spec spec = {.count = 2, .producer_id = 9, .timestamp = WORLD_WALL};
    struct produce original, duplicate;

    bench_open(&b);
    produce_bytes(&b, &original, world_batch(spec));
    produce_bytes(&b, &duplicate, world_batch(spec));
    produce_wait(&b, &duplicate);
    assert_true(original.done);
    assert_int_equal(duplicate.append.status, STATUS_OK);
    assert_int_equal(duplicate.append.base_offset, 0);
    assert_int_equal(partition_end_offset(b.p), 2);
    produce_free(&original);
    produce_free(&duplicate);
    bench_end(&b);
}

static int fail_sync(void *context, enum fs_call call, const char *path)
{
    return call == FS_CALL_SYNC ? EIO : 0;
}

static void test_duplicate_of_a_failed_write(void **state)
{
    struct bench b = bench_begin();
    struct batch_spec spec = {.count = 2, .producer_id = 9, .timestamp = WORLD_WALL};
    struct world_flag flag = {.mail.run = world_set_flag};
    struct produce original, duplicate;

    bench_open(&b);
    fs_mem_set_fault(b.how.fs, fail_sync, NULL);
    produce_bytes(&b, &original, world_batch(spec));
    produce_bytes(&b, &duplicate, world_batch(spec));
    produce_wait(&b, &original);
    produce_wait(&b, &duplicate);
    assert_int_equal(original.append.status, STATUS_KAFKA_STORAGE_ERROR);
    assert_int_equal(duplicate.append.status, STATUS_KAFKA_STORAGE_ERROR);
    produce_free(&original);
    produce_free(&duplicate);
    produce_bytes(&b, &duplicate, world_batch(spec)); /* and after it */
    produce_wait(&b, &duplicate);
    assert_int_equal(duplicate.append.status, STATUS_KAFKA_STORAGE_ERROR);
    produce_free(&duplicate);
    partition_stop(b.p, &flag.mail);
    assert_true(sim_run_until(b.w.sim, world_is_set, &flag.set, WORLD_SOON));
    assert_false(partition_close(b.p, true));
    world_end(&b.w);
    fs_free(b.how.fs);
}

static void test_sequence_wraps(void **state)
{
    struct bench b = bench_begin();

    bench_open(&b);
    assert_int_equal(produce_sequence(&b, 0, INT32_MAX - 2, 2).base_offset, 0); /* an unknown producer may begin anywhere */
    assert_int_equal(produce_sequence(&b, 0, INT32_MAX, 3).base_offset, 2);     /* INT32_MAX, 0, 1 */
    assert_int_equal(produce_sequence(&b, 0, INT32_MAX, 3).base_offset, 2);
    assert_int_equal(produce_sequence(&b, 0, 2, 1).base_offset, 5);
    bench_close(&b, true);
    bench_open(&b);
    assert_int_equal(produce_sequence(&b, 0, INT32_MAX, 3).base_offset, 2);
    assert_int_equal(produce_sequence(&b, 0, 3, 1).base_offset, 6);
    bench_end(&b);
}

/* When a shard knows as many as it may, another one is refused until some expire; those that are known go on. */
static void test_producers_max(void **state)
{
    struct producers_shared shared = {.max = 2};
    struct batch_head head = {.producer_id = 3, .producer_epoch = 0, .base_sequence = 5};
    const struct producer_batch *duplicate;
    struct producers set, other;
    const char *message;

    producers_init(&set, 1);
    producers_init(&other, 2);
    assert_non_null(producers_get(&set, 1)); /* before it is attached */
    producers_attach(&set, &shared);
    producers_attach(&other, &shared);
    assert_int_equal(shared.count, 1);
    assert_non_null(producers_get(&other, 2));
    assert_null(producers_get(&set, 3));
    producers_refuse(&set, &head);
    assert_non_null(producers_get(&set, 1));
    producers_expire(&other, 1000, 0);
    assert_int_equal(shared.count, 1);
    head.base_sequence = 6; /* it was in flight behind the one that was refused */
    assert_int_equal(producers_check(&set, &head, &duplicate, &message), STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_non_null(producers_get(&set, 3));
    producers_detach(&set);
    producers_detach(&other);
    assert_int_equal(shared.count, 0);
    assert_int_equal(shared.refused_count, 0);
    producers_free(&set);
    producers_free(&other);
}

/* Five batches, also over a roll, after each kind of stop. */
static void test_restart(void **state)
{
    for (int kind = 0; kind < 4; kind++) {
        struct bench b = bench_begin();
        int rolled = kind & 2;
        if (rolled)
            b.config.log.segment_bytes = 400;
        bench_open(&b);
        for (int i = 0; i < 8; i++)
            assert_int_equal(produce_sequence(&b, 0, i * 2, 2).base_offset, i * 2);
        bench_close(&b, kind & 1);
        bench_open(&b);
        for (int i = rolled ? 5 : 3; i < 8; i++) {
            struct produced again = produce_sequence(&b, 0, i * 2, 2);
            assert_int_equal(again.status, STATUS_OK);
            assert_int_equal(again.base_offset, i * 2);
        }
        assert_int_equal(produce_sequence(&b, 0, 17, 1).status, STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_int_equal(produce_sequence(&b, 0, 16, 1).base_offset, 16);
        bench_end(&b);
    }
}

/* Retention removes the records, not what is known of their producer. */
static void test_after_retention(void **state)
{
    struct bench b = bench_begin();
    int64_t low;

    b.config.log.segment_bytes = 200;
    bench_open(&b);
    for (int i = 0; i < 10; i++)
        assert_int_equal(produce_sequence(&b, 0, i, 1).base_offset, i);
    assert_int_equal(partition_delete_records(b.p, -1, &low), STATUS_OK);
    assert_int_equal(low, 10);
    for (int i = 0; i < 3; i++) {
        partition_housekeep(b.p, WORLD_WALL + i * 100000);
        world_idle(&b.w, partition_log(b.p));
    }
    assert_int_equal(partition_size(b.p), 0);
    assert_int_equal(produce_sequence(&b, 0, 9, 1).base_offset, 9);
    bench_close(&b, true);
    bench_open(&b);
    assert_int_equal(partition_start_offset(b.p), 10);
    assert_int_equal(produce_sequence(&b, 0, 9, 1).base_offset, 9);
    assert_int_equal(produce_sequence(&b, 0, 10, 1).base_offset, 10);
    bench_end(&b);
}

struct cleaned {
    struct log_clean clean;
    bool done;
};

static void cleaned_done(struct shard *here, struct log_clean *clean)
{
    ((struct cleaned *)(void *)clean)->done = true;
}

/* Nor does compaction, of any of the five. */
static void test_after_compaction(void **state)
{
    struct bench b = bench_begin();
    struct cleaned run = {.clean = {.wall_ms = WORLD_WALL, .key_memory = 1 << 20, .key_load = 0.9, .bytes_per_second = 1e9, .done = cleaned_done}};

    b.config.log.segment_bytes = 200;
    b.config.log.compacts = true;
    b.config.log.compaction_lag_max_ms = INT64_MAX;
    bench_open(&b);
    for (int i = 0; i < 8; i++)
        assert_int_equal(produce_sequence(&b, 0, i * 2, 2).base_offset, i * 2);
    assert_int_equal(produce_now(&b, world_batch((struct batch_spec){.count = 2, .timestamp = WORLD_WALL})).base_offset, 16); /* the latest of the key */
    assert_int_equal(produce_now(&b, world_batch((struct batch_spec){.count = 2, .timestamp = WORLD_WALL})).base_offset, 18); /* in another segment */
    assert_true(partition_clean(b.p, &run.clean));
    assert_true(sim_run_until(b.w.sim, world_is_set, &run.done, WORLD_SOON));
    assert_int_equal(run.clean.status, STATUS_OK);
    assert_int_equal(run.clean.stats.records_after, 1);
    bench_close(&b, true);
    bench_open(&b);
    for (int i = 3; i < 8; i++) {
        struct produced again = produce_sequence(&b, 0, i * 2, 2);
        assert_int_equal(again.status, STATUS_OK);
        assert_int_equal(again.base_offset, i * 2);
    }
    assert_int_equal(produce_sequence(&b, 0, 16, 1).base_offset, 20);
    bench_end(&b);
}

static void test_expiry(void **state)
{
    struct bench b = bench_begin();
    struct partition_producer out[4];

    bench_open(&b);
    assert_int_equal(produce_sequence(&b, 2, 0, 4).base_offset, 0);
    partition_housekeep(b.p, WORLD_WALL + 86400000 - 1);
    assert_int_equal(partition_producers(b.p, out, 4), 1);
    assert_int_equal(out[0].producer_id, 9);
    assert_int_equal(out[0].producer_epoch, 2);
    assert_int_equal(out[0].last_sequence, 3);
    assert_int_equal(out[0].transaction_start_offset, -1);
    partition_housekeep(b.p, WORLD_WALL + 2 * 86400000);
    assert_int_equal(partition_producers(b.p, out, 4), 0);
    assert_int_equal(produce_sequence(&b, 2, 77, 1).base_offset, 4); /* as if it were new */
    bench_end(&b);
}

static void test_snapshot_bytes(void **state)
{
    static const uint8_t golden[] = {/* one producer, id 1000, epoch 0, last batch 0-3 at offsets 4-7; the checksum is left out */
        0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 0xe8, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3,
        0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct producers set, back;
    struct bytes_view bytes;
    struct producer *producer;
    const struct batch_head head = {.base_offset = 4, .last_offset_delta = 3, .max_timestamp = WORLD_WALL, .producer_id = 1000};

    producers_init(&set, 1);
    producer = producers_get(&set, 1000);
    producer_note(producer, &head, NULL, WORLD_WALL);
    bytes = producers_encode(&set);
    assert_int_equal(bytes.size, sizeof golden);
    assert_memory_equal(bytes.data, golden, 2);
    assert_memory_equal(bytes.data + 6, golden + 6, sizeof golden - 6);
    producers_init(&back, 2);
    assert_int_equal(producers_decode(&back, bytes, WORLD_WALL), STATUS_OK);
    assert_int_equal(back.map.count, 1);
    producers_free(&back);
    for (size_t i = 0; i < bytes.size; i++) { /* any flipped bit is noticed */
        ((uint8_t *)(uintptr_t)bytes.data)[i] ^= 4;
        producers_init(&back, 2);
        assert_int_equal(producers_decode(&back, bytes, WORLD_WALL), STATUS_CORRUPT);
        producers_free(&back);
        ((uint8_t *)(uintptr_t)bytes.data)[i] ^= 4;
    }
    mem_free((void *)(uintptr_t)bytes.data);
    producers_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_duplicate_under_way),
        cmocka_unit_test(test_duplicate_of_a_failed_write),
        cmocka_unit_test(test_sequence_wraps),
        cmocka_unit_test(test_producers_max),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_after_retention),
        cmocka_unit_test(test_after_compaction),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_snapshot_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
