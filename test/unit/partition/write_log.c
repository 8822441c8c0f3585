/* SPDX-License-Identifier: Apache-2.0
 * Writes a log directory for Kafka's own tools to judge: write_log DIRECTORY [kill]
 *
 * Partition "dump-0" in many small segments: plain and compressed batches, idempotent producers, timestamps that go back and forth,
 * two leader epochs, records deleted at the start. With `kill` the last segment is left as a kill -9 leaves it.
 */
#include <stdlib.h>

#include "../store/world.h"
#include "partition/partition.h"

enum { BATCHES = 3000 };

struct write {
    struct partition_append append;
    struct arena arena;
    struct bytes_view batch;
    unsigned *done;
};

static void written(struct shard *here, struct partition_append *append)
{
    struct write *write = (struct write *)(void *)append;

    if (append->status)
        fail_msg("%s: %s", status_name(append->status), append->message ? append->message : "");
    ++*write->done;
    mem_free((void *)(uintptr_t)write->batch.data);
    arena_free(&write->arena);
    mem_free(write);
}

static void queue(struct partition *p, unsigned i, int32_t *sequence, unsigned *done)
{
    struct write *write = mem_alloc(1, sizeof *write);
    struct batch_spec spec;

    assert_non_null(write);
    arena_init(&write->arena, 1 << 20);
    write->done = done;
    spec = (struct batch_spec){.count = (int32_t)(i % 7) + 1, .value_size = (i * 31) % 400, .timestamp = WORLD_WALL + (int64_t)((i * 7919) % 5000) + i};
    if (i % 3 == 0) {
        spec.producer_id = 1000;
        spec.sequence = *sequence;
        *sequence += spec.count;
    }
    write->batch = world_batch(spec);
    write->append = (struct partition_append){.done = written, .records = (uint8_t *)(uintptr_t)write->batch.data, .size = write->batch.size,
                                              .arena = &write->arena, .from_client = true};
    partition_append(p, &write->append);
}

int main(int argc, char **argv)
{
    struct fs *fs = fs_posix_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct partition_config config = {.log = world_config, .message_bytes_max = 1 << 20, .decompressed_bytes_max = 1 << 24,
        .timestamp_before_max_ms = INT64_MAX, .timestamp_after_max_ms = INT64_MAX, .compression = -1, .producer_id_expiration_ms = INT64_MAX};
    struct partition_open how = {.fs = fs, .log_dir = argv[1], .topic = STR_LIT("dump"), .topic_id = {{7, 7, 7}}, .leader_epoch = 0, .recovery_point = -1,
        .log_start = -1, .wall_ms = WORLD_WALL, .config = &config};
    struct checkpoint_entry checkpoint = {.topic = STR_LIT("dump")};
    struct world_flag flag = {.mail.run = world_set_flag};
    struct partition *p = NULL;
    struct log_dir *dir = NULL;
    unsigned done = 0;
    int32_t sequence = 0;
    int64_t low;
    struct err err;

    if (argc < 2)
        return 2;
    config.log.segment_bytes = 100000;
    if (log_dir_open(fs, argv[1], &dir, &err) || log_dir_begin(dir, &err) || partition_open(&how, &p, &err))
        fail_msg("%s", err.text);
    partition_attach(p, w.shard, w.store, NULL);
    for (unsigned i = 0; i < BATCHES; i++) {
        if (i % 500 == 0) {
            config.compression = (int8_t)(i / 500 % 5);
            partition_configure(p, &config);
        }
        if (i == BATCHES / 2)
            partition_set_leader_epoch(p, 5);
        queue(p, i, &sequence, &done);
        if (i % 40 == 0)
            world_idle(&w, partition_log(p));
    }
    world_idle(&w, partition_log(p));
    assert_int_equal(done, BATCHES);
    assert_int_equal(partition_delete_records(p, 2000, &low), STATUS_OK);
    partition_housekeep(p, WORLD_WALL);
    partition_stop(p, &flag.mail);
    assert_true(sim_run_until(w.sim, world_is_set, &flag.set, WORLD_SOON));
    checkpoint.offset = partition_end_offset(p);
    if (argc > 2) {
        assert_true(partition_close(p, false));
    } else {
        assert_true(partition_close(p, true));
        if (log_dir_write_checkpoint(dir, "recovery-point-offset-checkpoint", &checkpoint, 1, &err) ||
            log_dir_write_checkpoint(dir, "replication-offset-checkpoint", &checkpoint, 1, &err))
            fail_msg("%s", err.text);
        checkpoint.offset = low;
        if (log_dir_write_checkpoint(dir, "log-start-offset-checkpoint", &checkpoint, 1, &err) || log_dir_mark_clean(dir, -1, &err))
            fail_msg("%s", err.text);
    }
    log_dir_close(dir);
    world_end(&w);
    fs_free(fs);
    return 0;
}
