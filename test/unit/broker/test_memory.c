/* SPDX-License-Identifier: Apache-2.0
 * What a partition costs that was written to and that nobody uses: less than 1 KiB, with all that malloc adds. And that the metrics count as much.
 */
#include "../partition/bench.h"
#include "broker/broker.h"
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

enum { PARTITIONS = 1000, KIB = 1024 };

/* --- a count of what is allocated ------------------------------------------------------------------------------------------ */

static size_t held;

static size_t block_size(void *block)
{
    return block ? mem_block(malloc_usable_size(block)) : 0; /* jemalloc's in a build with sanitizers, too */
}

static void *counted_alloc(size_t size)
{
    void *block = calloc(1, size ? size : 1);

    held += block_size(block);
    return block;
}

static void *counted_resize(void *block, size_t size)
{
    size_t before = block_size(block);
    void *after = realloc(block, size ? size : 1);

    if (after)
        held += block_size(after) - before;
    return after;
}

static void counted_free(void *block)
{
    held -= block_size(block);
    free(block);
}

/* --- partitions ------------------------------------------------------------------------------------------------------------ */

static void appended(struct shard *here, struct partition_append *append)
{
    assert_int_equal(append->status, STATUS_OK);
}

static struct partition *open_one(struct bench *b, int32_t index)
{
    struct partition_append append = {.done = appended, .from_client = true};
    struct bytes_view batch = world_batch((struct batch_spec){.value_size = 100, .timestamp = WORLD_WALL});
    struct world_flag idle = {.mail.run = world_set_flag};

    b->how.index = index;
    bench_open(b);
    append.records = (uint8_t *)(uintptr_t)batch.data;
    append.size = batch.size;
    partition_append(b->p, &append);
    log_when_idle(partition_log(b->p), &idle.mail);
    assert_true(sim_run_until(b->w.sim, world_is_set, &idle.set, WORLD_SOON));
    mem_free(append.records);
    return b->p;
}

/* What the broker has of it beside, with a topic of its own. */
static size_t entry_cost(void)
{
    return mem_block(sizeof(struct broker_partition)) + 2 * sizeof(void *) + mem_block(sizeof "orders-of-the-day");
}

static void test_idle(void **state)
{
    char dir[] = "/dev/shm/barnabas-memory-XXXXXX", command[64]; /* thousands of syncs, of which nothing is to be learnt */
    struct partition *partitions[PARTITIONS];
    struct bench b = {.w = world_begin(fs_posix_new(), DURABILITY_SYNC), .config = {.log = world_config, .message_bytes_max = KIB, .compression = -1,
                      .timestamp_before_max_ms = INT64_MAX, .timestamp_after_max_ms = INT64_MAX}};
    size_t before, each, counted = 0;

    assert_non_null(mkdtemp(dir));
    b.how = (struct partition_open){.fs = b.w.fs, .log_dir = dir, .topic = STR_LIT("orders-of-the-day"), .topic_id = {{1}}, .recovery_point = -1, .log_start = -1,
                                    .wall_ms = WORLD_WALL, .fresh = true};
    (void)open_one(&b, 0); /* what is there once */
    bench_close(&b, true);
    before = held;
    for (int32_t i = 0; i < PARTITIONS; i++)
        partitions[i] = open_one(&b, i + 1);
    for (unsigned round = 0; round < 2; round++)
        for (int32_t i = 0; i < PARTITIONS; i++)
            partition_housekeep(partitions[i], WORLD_WALL);
    for (int32_t i = 0; i < PARTITIONS; i++)
        counted += partition_memory(partitions[i]);
    print_message("counted %zu bytes, held %zu\n", counted, held - before);
    assert_in_range(counted, (held - before) / 100 * 95, (held - before) / 100 * 102);
    each = (held - before) / PARTITIONS + entry_cost();
    print_message("a partition at rest: %zu bytes\n", each);
    assert_true(each < KIB);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        b.p = partitions[i];
        bench_close(&b, true);
    }
    world_end(&b.w);
    fs_free(b.w.fs);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    static const struct mem_source counted = {counted_alloc, counted_resize, counted_free, block_size};
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_idle)};

    mem_set_source(&counted);
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
