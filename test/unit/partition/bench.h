/* SPDX-License-Identifier: Apache-2.0
 * A partition on a simulated shard, and produces to it.
 */
#ifndef TEST_UNIT_PARTITION_BENCH_H
#define TEST_UNIT_PARTITION_BENCH_H

#include "../store/world.h"
#include "partition/partition.h"

struct bench {
    struct world w;
    struct partition_open how;
    struct partition_config config;
    struct partition *p;
};

static inline void bench_open(struct bench *b)
{
    struct err err;

    b->how.config = &b->config; /* what begins may have been moved */
    if (partition_open(&b->how, &b->p, &err))
        fail_msg("%s", err.text);
    partition_attach(b->p, b->w.shard, b->w.store, NULL);
}

static inline struct bench bench_begin(void)
{
    struct fs *fs = fs_mem_new();
    struct bench b = {.w = world_begin(fs, DURABILITY_SYNC)};

    b.how = (struct partition_open){.fs = fs, .log_dir = "/data", .topic = STR_LIT("t"), .topic_id = {{1}}, .recovery_point = -1, .log_start = -1,
        .wall_ms = WORLD_WALL, .seed = 7};
    b.config = (struct partition_config){.log = world_config, .message_bytes_max = 1 << 20, .decompressed_bytes_max = 1 << 24,
        .timestamp_before_max_ms = INT64_MAX, .timestamp_after_max_ms = 3600000, .compression = -1, .producer_id_expiration_ms = 86400000};
    return b;
}

static inline void bench_close(struct bench *b, bool clean)
{
    struct world_flag flag = {.mail.run = world_set_flag};

    partition_stop(b->p, &flag.mail);
    assert_true(sim_run_until(b->w.sim, world_is_set, &flag.set, WORLD_SOON));
    assert_true(partition_close(b->p, clean));
    b->how.clean = clean;
}

static inline void bench_end(struct bench *b)
{
    bench_close(b, true);
    world_end(&b->w);
    fs_free(b->how.fs);
}

/* --- reads ----------------------------------------------------------------------------------------------------------------- */

static bool bench_warmed;

static inline void bench_read_warmed(struct shard *here, struct partition_read *read)
{
    bench_warmed = true;
}

/* partition_read, with what has to come from the disk. */
static inline void bench_read(struct bench *b, struct partition_read *read)
{
    for (partition_read(b->p, read); read->status == STATUS_NOT_CACHED; partition_read(b->p, read)) {
        bench_warmed = false;
        partition_read_warm(b->p, read, bench_read_warmed);
        assert_true(sim_run_until(b->w.sim, world_is_set, &bench_warmed, WORLD_SOON));
        assert_int_equal(read->status, STATUS_OK);
    }
}

static inline void bench_list_warmed(struct shard *here, struct partition_list_offset *ask)
{
    bench_warmed = true;
}

static inline void bench_list(struct bench *b, struct partition_list_offset *ask)
{
    for (partition_list_offset(b->p, ask); ask->status == STATUS_NOT_CACHED; partition_list_offset(b->p, ask)) {
        bench_warmed = false;
        partition_list_offset_warm(b->p, ask, bench_list_warmed);
        assert_true(sim_run_until(b->w.sim, world_is_set, &bench_warmed, WORLD_SOON));
        assert_int_equal(ask->status, STATUS_OK);
    }
}

/* --- produces -------------------------------------------------------------------------------------------------------------- */

struct produce {
    struct partition_append append;
    struct arena arena;
    struct bytes_view batch;
    bool done;
};

static inline void produce_done(struct shard *here, struct partition_append *append)
{
    ((struct produce *)(void *)append)->done = true;
}

static inline void produce_free(struct produce *produce)
{
    mem_free((void *)(uintptr_t)produce->batch.data);
    arena_free(&produce->arena);
}

/* Queued: `done` when the world has run. The batch is the produce's. */
static inline void produce_bytes(struct bench *b, struct produce *produce, struct bytes_view batch)
{
    *produce = (struct produce){.batch = batch};
    arena_init(&produce->arena, 1 << 24);
    produce->append = (struct partition_append){.done = produce_done, .records = (uint8_t *)(uintptr_t)batch.data, .size = batch.size,
                                                .arena = &produce->arena, .from_client = true};
    partition_append(b->p, &produce->append);
    assert_false(produce->done); /* never inside the call */
}

static inline void produce_wait(struct bench *b, struct produce *produce)
{
    assert_true(sim_run_until(b->w.sim, world_is_set, &produce->done, WORLD_SOON));
}

struct produced {
    enum status status;
    int64_t base_offset, append_time_ms;
    int32_t errors_count;
};

static inline struct produced produce_now(struct bench *b, struct bytes_view batch)
{
    struct produce produce;
    struct produced result;

    produce_bytes(b, &produce, batch);
    produce_wait(b, &produce);
    result = (struct produced){produce.append.status, produce.append.base_offset, produce.append.append_time_ms, produce.append.errors_count};
    produce_free(&produce);
    return result;
}

/* One batch of `count` records of the producer 9. */
static inline struct produced produce_sequence(struct bench *b, int16_t epoch, int32_t sequence, int32_t count)
{
    return produce_now(b, world_batch((struct batch_spec){.count = count, .producer_id = 9, .producer_epoch = epoch, .sequence = sequence, .timestamp = WORLD_WALL}));
}

#endif
