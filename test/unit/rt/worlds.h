/* SPDX-License-Identifier: Apache-2.0
 * Runs one scenario in the real world (epoll, threads, the machine's clock) and in the simulated one.
 *
 * A scenario starts with `start` on each shard and ends with rt_stop. Its callbacks run on other threads than the test,
 * so they check with ASSERT; the test checks what they left behind.
 */
#ifndef TEST_UNIT_RT_WORLDS_H
#define TEST_UNIT_RT_WORLDS_H

#include "base/assert.h"
#include "rt/fs.h"
#include "rt/io.h"
#include "rt/run.h"
#include "rt/shard.h"
#include "sim/sim.h"
#include "test/unit/cm.h"

struct scenario {
    unsigned shards;
    size_t buffer_budget;
    struct fs *fs;
    void (*start)(struct shard *shard, void *context);
    void *context;
};

static inline void no_signal(struct shard *shard, int signal, void *context)
{
    ASSERT(false && "a signal");
}

static inline bool world_stopped(void *context)
{
    return sim_stopped(context);
}

static inline void run_simulated(const struct scenario *s, uint64_t seed)
{
    const struct sim_options options = {.shards = s->shards, .fs = s->fs, .buffer_budget = s->buffer_budget, .split_percent = 25,
                                        .on_start = s->start, .context = s->context};
    struct sim *sim = sim_new(seed, &options);

    assert_true(sim_run_until(sim, world_stopped, sim, UINT64_C(60000000)));
    sim_free(sim);
}

static inline void run_real(const struct scenario *s)
{
    const struct rt_options options = {.shards = s->shards, .job_threads = 3, .buffer_budget = s->buffer_budget, .fs = s->fs,
                                       .context = s->context, .on_start = s->start, .on_signal = no_signal};
    struct err err;

    assert_int_equal(rt_run(&options, &err), STATUS_OK);
}

enum world { WORLD_REAL, WORLD_SIMULATED };

/* *state says which world. */
static inline void run_scenario(void **state, const struct scenario *s)
{
    if (*(const enum world *)*state == WORLD_REAL)
        run_real(s);
    else
        run_simulated(s, 1);
}

static enum world world_real = WORLD_REAL, world_simulated = WORLD_SIMULATED;

#define IN_BOTH_WORLDS(test)                                                                                                      \
    {#test " (real)", test, NULL, NULL, &world_real}, {#test " (simulated)", test, NULL, NULL, &world_simulated}

#endif
