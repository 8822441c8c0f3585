/* SPDX-License-Identifier: Apache-2.0
 * Jobs: every one runs once, off the loop, and is told on its shard; lanes keep their order and exclude themselves.
 */
#include <stdatomic.h>

#include "worlds.h"

enum { JOBS = 3000, LANES = 5 };

struct work {
    struct io_job job;
    unsigned lane, number; /* lane LANES: none */
};

static struct work works[JOBS];
static atomic_uint ran, inside[LANES];
static unsigned next_in_lane[LANES]; /* of the jobs that worked: guarded by the lane itself */
static unsigned next_done[LANES], done, submitted;

static void work(struct io_job *job)
{
    struct work *w = LIST_ENTRY(job, struct work, job);

    if (w->lane < LANES) {
        ASSERT(atomic_fetch_add(&inside[w->lane], 1) == 0);
        ASSERT(next_in_lane[w->lane]++ == w->number);
        ASSERT(atomic_fetch_sub(&inside[w->lane], 1) == 1);
    }
    atomic_fetch_add(&ran, 1);
}

static void submit(struct shard *here);

static void work_done(struct shard *here, struct io_job *job)
{
    struct work *w = LIST_ENTRY(job, struct work, job);

    shard_assert(here);
    if (w->lane < LANES)
        ASSERT(next_done[w->lane]++ == w->number);
    if (++done == JOBS)
        rt_stop(here);
    else if (submitted < JOBS)
        submit(here);
}

static void submit(struct shard *here)
{
    static unsigned numbers[LANES + 1];
    struct work *w = &works[submitted];

    if (submitted++ == 0)
        memset(numbers, 0, sizeof numbers);
    w->lane = (unsigned)(shard_random(here) % (LANES + 1));
    w->number = numbers[w->lane]++;
    w->job = (struct io_job){.work = work, .done = work_done, .lane = w->lane < LANES ? &inside[w->lane] : NULL};
    io_job_submit(shard_io(here), &w->job);
}

static void start(struct shard *shard, void *context)
{
    for (unsigned i = 0; i < 100; i++)
        submit(shard);
}

static void test_jobs_and_lanes(void **state)
{
    atomic_store(&ran, 0);
    memset(next_in_lane, 0, sizeof next_in_lane);
    memset(next_done, 0, sizeof next_done);
    done = submitted = 0;
    run_scenario(state, &(struct scenario){.shards = 1, .start = start});
    assert_int_equal(done, JOBS);
    assert_int_equal(atomic_load(&ran), JOBS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH_WORLDS(test_jobs_and_lanes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
