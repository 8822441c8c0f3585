/* SPDX-License-Identifier: Apache-2.0
 * Our cleaner on the partition t-0 in a directory, beside Kafka's (Clean.java): clean_log DIRECTORY NOW FROM [large]
 * Prints where the next run begins, and how many milliseconds it took.
 */
#include <stdlib.h>
#include <time.h>

#include "../unit/store/world.h"
#include "partition/partition.h"
#include "store/clean.h"

struct run {
    struct log_clean clean;
    bool done;
};

static void run_done(struct shard *here, struct log_clean *clean)
{
    ((struct run *)(void *)clean)->done = true;
}

static int64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
    struct fs *fs = fs_posix_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct partition_config config = {.log = world_config, .producer_id_expiration_ms = INT64_MAX};
    struct partition_open how = {.fs = fs, .log_dir = argv[1], .topic = STR_LIT("t"), .leader_epoch = 3, .recovery_point = -1, .log_start = -1, .clean = true,
        .config = &config};
    struct run run = {.clean = {.key_memory = 128 << 20, .key_load = 0.9, .bytes_per_second = 1e12, .done = run_done}};
    struct partition *p;
    int64_t began;
    struct err err;

    run.clean.wall_ms = how.wall_ms = strtoll(argv[2], NULL, 10);
    how.cleaned = strtoll(argv[3], NULL, 10);
    config.log.segment_bytes = argc > 4 ? 1 << 26 : 4000;
    config.log.index_interval_bytes = 200;
    config.log.compacts = true;
    config.log.delete_retention_ms = 1000;
    log_set_level(LOG_WARN);
    if (partition_open(&how, &p, &err))
        fail_msg("%s", err.text);
    partition_attach(p, w.shard, w.store, NULL);
    began = clock_ms();
    if (partition_clean(p, &run.clean))
        assert_true(sim_run_until(w.sim, world_is_set, &run.done, (uint64_t)3600 * 1000000));
    assert_int_equal(run.clean.status, STATUS_OK);
    printf("%lld %lld\n", (long long)log_cleaned_offset(partition_log(p)), (long long)(clock_ms() - began));
    world_idle(&w, partition_log(p));
    assert_true(partition_close(p, true));
    world_end(&w);
    fs_free(fs);
    return 0;
}
