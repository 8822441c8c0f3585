/* SPDX-License-Identifier: Apache-2.0
 * A shard in the simulator with a store, and batches to put into it: what the tests of logs and of partitions share.
 */
#ifndef TEST_UNIT_STORE_WORLD_H
#define TEST_UNIT_STORE_WORLD_H

#include "../cm.h"
#include "base/mem.h"
#include "rt/fs_mem.h"
#include "rt/io.h"
#include "rt/log.h"
#include "sim/sim.h"
#include "store/dir.h"
#include "store/log.h"
#include "store/store.h"

#define WORLD_WALL 1700000000000
#define WORLD_SOON 60000000 /* virtual microseconds: far more than anything here takes */

struct world {
    struct sim *sim;
    struct fs *fs;
    struct shard *shard;
    struct store *store;
};

static inline struct world world_begin(struct fs *fs, enum durability durability)
{
    struct world w = {.fs = fs};

    w.sim = sim_new(1, &(struct sim_options){.fs = fs});
    assert_non_null(w.sim);
    w.shard = sim_shard(w.sim, 0);
    w.store = store_new(w.shard, durability);
    assert_non_null(w.store);
    return w;
}

/* Logs were closed before, or are abandoned as a crash abandons them (with their memory: such tests end at once). */
static inline void world_end(struct world *w)
{
    store_free(w->store);
    sim_free(w->sim);
}

static const struct log_config world_config = {
    .segment_bytes = 1 << 20,
    .segment_ms = 604800000,
    .segment_index_bytes = 10 << 20,
    .index_interval_bytes = 4096,
    .retention_bytes = -1,
    .retention_ms = -1,
    .file_delete_delay_ms = 60000,
    .deletes = true,
};

struct batch_spec {
    int64_t base_offset;
    int32_t count;           /* 0: 1 */
    int32_t last_offset_delta; /* 0: count - 1; more: a compacted batch */
    int32_t epoch;
    size_t value_size;
    int64_t timestamp;       /* of the first record; each later one is 1 greater */
    int64_t producer_id;     /* 0: none */
    int16_t producer_epoch;
    int32_t sequence;
    int16_t attributes;
};

/* Memory for the test itself, also while one allocation is to fail. */
static inline void *world_alloc(size_t size)
{
    void *block = mem_alloc(size, 1);

    block = block ? block : mem_alloc(size, 1);
    assert_non_null(block);
    return block;
}

/* A batch in memory of its own: mem_free(batch.data). */
static inline struct bytes_view world_batch(struct batch_spec spec)
{
    int32_t count = spec.count ? spec.count : 1;
    size_t capacity = BATCH_OVERHEAD + (size_t)count * (spec.value_size + 64);
    uint8_t *buffer = world_alloc(capacity), *value = world_alloc(spec.value_size + 1);
    struct batch_builder b;

    memset(value, 'v', spec.value_size);
    batch_builder_init(&b, buffer, capacity, spec.attributes);
    for (int32_t i = 0; i < count; i++) {
        int32_t delta = i + 1 == count && spec.last_offset_delta ? spec.last_offset_delta : i;
        assert_true(batch_builder_add(&b, delta, spec.timestamp + i, (struct bytes_view){(const uint8_t *)"key", 3},
                                      (struct bytes_view){value, spec.value_size}, (struct bytes_view){NULL, 0}));
    }
    mem_free(value);
    return batch_builder_finish(&b, spec.base_offset, spec.epoch, spec.producer_id ? spec.producer_id : -1,
                                spec.producer_id ? spec.producer_epoch : -1, spec.producer_id ? spec.sequence : -1);
}

/* --- appends to a log ------------------------------------------------------------------------------------------------------ */

struct world_append {
    struct log_append append;
    struct bytes_view batch;
    unsigned *done;
    enum status *worst;
};

static inline void world_appended(struct shard *here, struct log_append *done)
{
    struct world_append *a = (struct world_append *)(void *)done;

    ++*a->done;
    if (done->status)
        *a->worst = done->status;
    mem_free((void *)(uintptr_t)a->batch.data);
    mem_free(a);
}

/* Queues one batch; `done` counts its completion. */
static inline void world_queue(struct log *log, struct batch_spec spec, unsigned *done, enum status *worst)
{
    struct world_append *a = world_alloc(sizeof *a);
    struct batch_head head;

    a->batch = world_batch(spec);
    a->done = done;
    a->worst = worst;
    assert_true(batch_head_read(a->batch, &head));
    a->append = (struct log_append){.done = world_appended, .bytes = a->batch, .base_offset = head.base_offset, .last_offset = batch_last_offset(&head),
        .max_timestamp = head.max_timestamp, .max_timestamp_offset = batch_last_offset(&head), .leader_epoch = head.leader_epoch};
    assert_true(log_reserve(log) || log_reserve(log));
    log_append(log, &a->append);
}

static inline bool world_is_set(void *context)
{
    return *(bool *)context;
}

struct world_flag {
    struct mail mail;
    bool set;
};

static inline void world_set_flag(struct shard *here, struct mail *mail)
{
    ((struct world_flag *)(void *)mail)->set = true;
}

static inline void world_idle(struct world *w, struct log *log)
{
    struct world_flag flag = {.mail.run = world_set_flag};

    log_when_idle(log, &flag.mail);
    assert_true(sim_run_until(w->sim, world_is_set, &flag.set, WORLD_SOON));
}

/* Appends one batch at the log's end and waits for it. */
static inline enum status world_put(struct world *w, struct log *log, struct batch_spec spec)
{
    enum status worst = STATUS_OK;
    unsigned done = 0;

    spec.base_offset = spec.base_offset > log_end_offset(log) ? spec.base_offset : log_end_offset(log);
    world_queue(log, spec, &done, &worst);
    world_idle(w, log);
    assert_int_equal(done, 1);
    return worst;
}

static inline struct log *world_open_log(struct world *w, const struct log_open *how)
{
    struct err err = {0};
    struct log *log;

    if (log_open(how, &log, &err))
        fail_msg("%s", err.text);
    log_attach(log, w->store);
    return log;
}

static inline void world_close_log(struct world *w, struct log *log, bool clean)
{
    struct err err;

    world_idle(w, log);
    if (log_close(log, clean, &err))
        fail_msg("%s", err.text);
}

#endif
