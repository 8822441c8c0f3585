/* SPDX-License-Identifier: Apache-2.0
 * A log against a model: what was appended is what is read, from every offset, after every kind of reopening.
 */
#include <errno.h>
#include <sys/stat.h>

#include "world.h"

#define DIR_PATH "/data/t-0"

static const struct log_open how = {.dir = DIR_PATH, .topic_id = {{1, 2, 3}}, .now_ms = WORLD_WALL, .recovery_point = -1, .log_start = -1};

static struct log_open how_on(struct fs *fs, const struct log_config *config, bool clean)
{
    struct log_open open = how;

    open.fs = fs;
    open.config = config;
    open.clean = clean;
    return open;
}

/* All small: many segments, many index entries. */
static const struct log_config small_config = {
    .segment_bytes = 4000,
    .segment_ms = 604800000,
    .segment_index_bytes = 10 << 20,
    .index_interval_bytes = 300,
    .retention_bytes = -1,
    .retention_ms = -1,
    .file_delete_delay_ms = 60000,
    .deletes = true,
};

/* --- a model: the batches as they were appended ---------------------------------------------------------------------------- */

struct model {
    struct batch_head heads[512];
    unsigned count;
};

static void model_put(struct world *w, struct log *log, struct model *model, struct batch_spec spec)
{
    struct bytes_view batch;

    spec.base_offset = log_end_offset(log);
    batch = world_batch(spec);
    assert_true(batch_head_read(batch, &model->heads[model->count++]));
    mem_free((void *)(uintptr_t)batch.data);
    assert_int_equal(world_put(w, log, spec), STATUS_OK);
}

static void model_fill(struct world *w, struct log *log, struct model *model, unsigned batches)
{
    for (unsigned i = 0; i < batches; i++)
        model_put(w, log, model, (struct batch_spec){.count = (int32_t)(i % 5) + 1, .value_size = (i * 37) % 200, .epoch = (int32_t)(i / 50),
                                                     .timestamp = WORLD_WALL + (int64_t)((i * 7919) % 1000)});
}

static struct batch_head read_head(const struct log_slice *slice)
{
    uint8_t bytes[BATCH_OVERHEAD];
    struct batch_head head;
    struct err err;
    size_t got;

    assert_int_equal(file_read(slice->file, slice->position, bytes, sizeof bytes, &got, &err), STATUS_OK);
    assert_true(batch_head_read((struct bytes_view){bytes, got}, &head));
    return head;
}

/* Every offset from the log's start: the slice begins with the model's batch. */
static void model_check_reads(struct log *log, const struct model *model)
{
    unsigned at = 0;

    for (int64_t offset = log_start_offset(log); offset < log_end_offset(log); offset++) {
        struct log_slice slice;
        struct batch_head head;
        struct err err;
        while (batch_last_offset(&model->heads[at]) < offset)
            at++;
        assert_int_equal(log_read(log, offset, INT64_MAX, 1, true, &slice, &err), STATUS_OK);
        head = read_head(&slice);
        assert_int_equal(head.base_offset, model->heads[at].base_offset);
        assert_int_equal(slice.base_offset, model->heads[at].base_offset);
        assert_int_equal(head.crc, model->heads[at].crc);
        assert_int_equal(slice.size, batch_size(&head));
        file_unref(slice.file);
    }
}

/* Every timestamp: the first record at or after it, as a walk over all records would find it. Records are 1 ms apart in a batch. */
static void model_check_times(struct log *log, const struct model *model)
{
    for (int64_t time = WORLD_WALL - 2; time < WORLD_WALL + 1010; time += 3) {
        int64_t offset, found, expected = -1, expected_time = -1;
        int32_t epoch;
        struct err err;
        for (unsigned i = 0; i < model->count && expected < 0; i++) {
            const struct batch_head *head = &model->heads[i];
            for (int32_t r = 0; r < head->count && expected < 0; r++) {
                if (head->base_timestamp + r >= time && head->base_offset + r >= log_start_offset(log)) {
                    expected = head->base_offset + r;
                    expected_time = head->base_timestamp + r;
                }
            }
        }
        assert_int_equal(log_find_timestamp(log, time, &offset, &found, &epoch, &err), STATUS_OK);
        assert_int_equal(offset, expected);
        assert_int_equal(found, expected_time);
    }
}

static void model_check(struct log *log, const struct model *model)
{
    int64_t offset, timestamp, greatest = -1;
    int32_t epoch;
    struct err err;

    assert_int_equal(log_end_offset(log), batch_last_offset(&model->heads[model->count - 1]) + 1);
    assert_int_equal(log_durable_offset(log), log_end_offset(log));
    model_check_reads(log, model);
    model_check_times(log, model);
    for (unsigned i = 0; i < model->count; i++) {
        if (batch_last_offset(&model->heads[i]) >= log_start_offset(log) && model->heads[i].max_timestamp > greatest)
            greatest = model->heads[i].max_timestamp;
    }
    assert_int_equal(log_max_timestamp(log, &offset, &timestamp, &epoch, &err), STATUS_OK);
    assert_int_equal(timestamp, greatest);
}

/* --- tests ----------------------------------------------------------------------------------------------------------------- */

static void test_read_back(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = how_on(fs, &small_config, false);
    struct log *log = world_open_log(&w, &open);
    static struct model model;

    model.count = 0;
    model_fill(&w, log, &model, 200);
    model_check(log, &model);

    world_close_log(&w, log, true); /* a clean stop and start */
    open.clean = true;
    log = world_open_log(&w, &open);
    model_check(log, &model);
    model_fill(&w, log, &model, 20);
    model_check(log, &model);

    world_close_log(&w, log, false); /* a kill: indexes of the last segment and epochs come from the data */
    open.clean = false;
    log = world_open_log(&w, &open);
    model_check(log, &model);
    model_fill(&w, log, &model, 20);
    model_check(log, &model);

    world_close_log(&w, log, false);
    open.recovery_point = batch_last_offset(&model.heads[model.count - 3]) + 1;
    log = world_open_log(&w, &open);
    model_check(log, &model);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* Indexes of a segment that is not there: they would be taken for those of another one that begins there. */
static void test_orphans(void **state)
{
    static const char *const names[] = {"00000000000000777777.index", "00000000000000777777.timeindex", "00000000000000777777.txnindex"};
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = how_on(fs, &small_config, false);
    struct log *log = world_open_log(&w, &open);
    static struct model model;
    char path[FS_PATH_MAX];
    struct err err;

    model.count = 0;
    model_fill(&w, log, &model, 50);
    world_close_log(&w, log, true);
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", open.dir, names[i]);
        assert_int_equal(fs_write_file(fs, path, "x", 1, &err), STATUS_OK);
    }
    log = world_open_log(&w, &open);
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", open.dir, names[i]);
        assert_false(fs_exists(fs, path));
    }
    model_check(log, &model);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* A slice ends at the limit, at size_max, and at the end of the segment; never in the middle of a first batch that must be whole. */
static void test_slices(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = how_on(fs, &world_config, false);
    struct log *log = world_open_log(&w, &open);
    struct log_slice slice;
    struct batch_head head;
    struct err err;

    assert_int_equal(log_read(log, 0, INT64_MAX, 100, true, &slice, &err), STATUS_OK);
    assert_int_equal(slice.size, 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(world_put(&w, log, (struct batch_spec){.count = 2, .value_size = 100}), STATUS_OK);
    assert_int_equal(log_read(log, 3, INT64_MAX, 1 << 20, false, &slice, &err), STATUS_OK);
    head = read_head(&slice);
    assert_int_equal(head.base_offset, 2);
    assert_int_equal(slice.size, 9 * batch_size(&head));
    file_unref(slice.file);
    assert_int_equal(log_read(log, 3, 6, 1 << 20, false, &slice, &err), STATUS_OK);
    assert_int_equal(slice.size, 2 * batch_size(&head));
    file_unref(slice.file);
    assert_int_equal(log_read(log, 3, 6, 10, false, &slice, &err), STATUS_OK);
    assert_int_equal(slice.size, 10);
    file_unref(slice.file);
    assert_int_equal(log_read(log, 3, 6, 10, true, &slice, &err), STATUS_OK);
    assert_int_equal(slice.size, batch_size(&head));
    file_unref(slice.file);
    assert_int_equal(log_read(log, 20, INT64_MAX, 10, true, &slice, &err), STATUS_OK);
    assert_int_equal(slice.size, 0);
    assert_null(slice.file);
    assert_int_equal(log_read(log, 21, INT64_MAX, 10, true, &slice, &err), STATUS_OFFSET_OUT_OF_RANGE);
    assert_int_equal(log_read(log, -1, INT64_MAX, 10, true, &slice, &err), STATUS_OFFSET_OUT_OF_RANGE);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

static int count_calls(void *context, enum fs_call call, const char *path)
{
    unsigned *calls = context;

    calls[call]++;
    return 0;
}

/* All appends of a turn are one write and one sync; what comes while those run is the next group. */
static void test_group_commit(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = how_on(fs, &world_config, false);
    struct log *log = world_open_log(&w, &open);
    unsigned calls[FS_CALL_LOCK + 1] = {0}, done = 0;
    enum status worst = STATUS_OK;

    assert_int_equal(world_put(&w, log, (struct batch_spec){0}), STATUS_OK);
    fs_mem_set_fault(fs, count_calls, calls);
    for (int i = 0; i < 100; i++)
        world_queue(log, (struct batch_spec){.base_offset = log_end_offset(log)}, &done, &worst);
    assert_int_equal(log_durable_offset(log), 1);
    assert_int_equal(log_end_offset(log), 101);
    world_idle(&w, log);
    assert_int_equal(done, 100);
    assert_int_equal(worst, STATUS_OK);
    assert_int_equal(log_durable_offset(log), 101);
    assert_int_equal(calls[FS_CALL_WRITE], 1);
    assert_int_equal(calls[FS_CALL_SYNC], 1);
    fs_mem_set_fault(fs, NULL, NULL);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* A consumer that follows the log reads without searching: no read calls at all. */
static void test_tail_needs_no_search(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = how_on(fs, &world_config, false);
    struct log *log = world_open_log(&w, &open);
    unsigned calls[FS_CALL_LOCK + 1] = {0};
    struct log_slice slice;
    struct err err;

    assert_int_equal(world_put(&w, log, (struct batch_spec){0}), STATUS_OK);
    fs_mem_set_fault(fs, count_calls, calls);
    assert_int_equal(log_read(log, 1, INT64_MAX, 1 << 20, true, &slice, &err), STATUS_OK); /* it waits at the end */
    assert_int_equal(slice.size, 0);
    for (int i = 0; i < 20; i++) {
        int64_t offset = log_end_offset(log);
        assert_int_equal(world_put(&w, log, (struct batch_spec){.count = 3}), STATUS_OK);
        assert_int_equal(log_read(log, offset, INT64_MAX, 1 << 20, true, &slice, &err), STATUS_OK);
        assert_int_equal(slice.base_offset, offset);
        file_unref(slice.file);
    }
    assert_int_equal(calls[FS_CALL_READ], 0);
    fs_mem_set_fault(fs, NULL, NULL);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

static bool is_ready(void *context)
{
    return fs_exists(context, "/logs/barnabas-journal.0.needed");
}

/* Enough commits for a journal to be made. */
static void make_journal(struct world *w, struct fs *fs)
{
    struct log_open open = how_on(fs, &world_config, false);
    struct log *log;
    struct err err;

    assert_int_equal(fs_mkdir(fs, "/logs", &err), STATUS_OK);
    open.dir = "/logs/other-0";
    log = world_open_log(w, &open);
    for (int i = 0; i < 70; i++)
        assert_int_equal(world_put(w, log, (struct batch_spec){0}), STATUS_OK);
    assert_true(sim_run_until(w->sim, is_ready, fs, WORLD_SOON));
    world_close_log(w, log, false);
}

static unsigned count_all(const unsigned calls[static FS_CALL_LOCK + 1])
{
    unsigned count = 0;

    for (unsigned i = 0; i <= FS_CALL_LOCK; i++)
        count += calls[i];
    return count;
}

/* A log without a folder costs the disk nothing before something of it has to be written; many get their folders in one sync. */
static void test_fresh(void **state)
{
    enum { FRESH = 100, RECORDS = 3 };
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    unsigned calls[FS_CALL_LOCK + 1] = {0}, done = 0;
    struct log *logs[FRESH], *discarded;
    struct log_open open = how_on(fs, &world_config, false);
    enum status worst = STATUS_OK;
    struct log_slice slice;
    char dir[64];
    struct err err;

    store_use_journal(w.store, 1 << 20);
    make_journal(&w, fs);
    fs_mem_set_fault(fs, count_calls, calls);
    open.fresh = true;
    for (unsigned i = 0; i < FRESH; i++) {
        snprintf(dir, sizeof dir, "/logs/t-%u", i);
        open.dir = dir;
        logs[i] = world_open_log(&w, &open);
    }
    open.dir = "/logs/gone-0";
    discarded = world_open_log(&w, &open);
    assert_int_equal(count_all(calls), 0);
    for (int64_t record = 0; record < RECORDS; record++) {
        for (unsigned i = 0; i < FRESH; i++)
            world_queue(logs[i], (struct batch_spec){.base_offset = record}, &done, &worst);
        world_queue(discarded, (struct batch_spec){.base_offset = record}, &done, &worst);
        sim_run(w.sim, 1000000);
    }
    assert_int_equal(done, RECORDS * (FRESH + 1));
    assert_int_equal(worst, STATUS_OK);
    assert_int_equal(calls[FS_CALL_MKDIR], 0);
    assert_int_equal(log_read(logs[7], 1, INT64_MAX, 1 << 20, true, &slice, &err), STATUS_OK);
    assert_int_equal(slice.base_offset, 1);
    file_unref(slice.file);
    log_discard(discarded);
    world_close_log(&w, discarded, false);
    assert_int_equal(calls[FS_CALL_MKDIR], 0);
    for (unsigned i = 0; i < FRESH; i++)
        log_housekeep(logs[i], WORLD_WALL); /* it took something since the last time */
    for (unsigned i = 0; i < FRESH; i++)
        log_housekeep(logs[i], WORLD_WALL);
    sim_run(w.sim, 1000000);
    assert_int_equal(calls[FS_CALL_MKDIR], FRESH);
    assert_true(calls[FS_CALL_SYNC] < 5 && calls[FS_CALL_SYNC_DIR] == 0);
    assert_int_equal(log_recovery_point(logs[0]), RECORDS);
    fs_mem_set_fault(fs, NULL, NULL);
    open.fresh = false;
    open.clean = true;
    for (unsigned i = 0; i < FRESH; i++) {
        world_close_log(&w, logs[i], true);
        snprintf(dir, sizeof dir, "/logs/t-%u", i);
        open.dir = dir;
        logs[i] = world_open_log(&w, &open);
        assert_int_equal(log_end_offset(logs[i]), RECORDS);
        world_close_log(&w, logs[i], false);
    }
    assert_false(fs_exists(fs, "/logs/gone-0"));
    world_end(&w);
    fs_free(fs);
}

/* Offsets that compaction left out: a read begins with the next batch there is, over the end of a segment too. */
static void test_sparse(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_config config = world_config;
    struct log_open open;
    struct log *log;

    config.segment_bytes = 350;
    config.index_interval_bytes = 100;
    open = how_on(fs, &config, false);
    log = world_open_log(&w, &open);
    for (int i = 0; i < 20; i++) /* 0-6, 10-16, 20-26, ... each of two records */
        assert_int_equal(world_put(&w, log, (struct batch_spec){.base_offset = i * 10, .count = 2, .last_offset_delta = 6, .value_size = 20}), STATUS_OK);
    for (int pass = 0; pass < 3; pass++) {
        assert_int_equal(log_end_offset(log), 197);
        for (int64_t offset = 0; offset < 197; offset++) {
            struct log_slice slice;
            struct err err;
            assert_int_equal(log_read(log, offset, INT64_MAX, 1, true, &slice, &err), STATUS_OK);
            assert_int_equal(slice.base_offset, offset % 10 < 7 ? offset / 10 * 10 : offset / 10 * 10 + 10);
            assert_int_equal(read_head(&slice).base_offset, slice.base_offset);
            file_unref(slice.file);
        }
        world_close_log(&w, log, pass == 0);
        open.clean = pass == 0;
        log = world_open_log(&w, &open);
    }
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* Asynchronous durability acknowledges what is written; synced it is when a segment ends and at a stop. */
static void test_async(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_ASYNC);
    struct log_open open = how_on(fs, &small_config, false);
    struct log *log = world_open_log(&w, &open);
    unsigned calls[FS_CALL_LOCK + 1] = {0};

    assert_int_equal(world_put(&w, log, (struct batch_spec){.value_size = 1000}), STATUS_OK); /* with the first epoch's file */
    fs_mem_set_fault(fs, count_calls, calls);
    for (int i = 0; i < 2; i++)
        assert_int_equal(world_put(&w, log, (struct batch_spec){.value_size = 1000}), STATUS_OK);
    assert_int_equal(calls[FS_CALL_SYNC], 0);
    assert_int_equal(log_durable_offset(log), 3);
    assert_int_equal(log_recovery_point(log), 0);
    assert_int_equal(world_put(&w, log, (struct batch_spec){.value_size = 1000}), STATUS_OK);
    assert_true(calls[FS_CALL_SYNC] > 0);
    assert_int_equal(log_recovery_point(log), 3);
    fs_mem_set_fault(fs, NULL, NULL);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* So many records are synced before the last of them is acknowledged. */
static void test_async_flush_messages(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_ASYNC);
    struct log_config config = world_config;
    struct log_open open;
    struct log *log;

    config.flush_messages = 3;
    open = how_on(fs, &config, false);
    log = world_open_log(&w, &open);
    for (int i = 0; i < 2; i++)
        assert_int_equal(world_put(&w, log, (struct batch_spec){.count = 1}), STATUS_OK);
    assert_int_equal(log_recovery_point(log), 0);
    assert_int_equal(world_put(&w, log, (struct batch_spec){.count = 2}), STATUS_OK);
    assert_int_equal(log_recovery_point(log), 4);
    assert_int_equal(world_put(&w, log, (struct batch_spec){.count = 2}), STATUS_OK);
    assert_int_equal(log_recovery_point(log), 4);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* What is old enough is synced by a job, or by the commit that comes. */
static void test_async_flush_ms(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_ASYNC);
    struct log_config config = world_config;
    enum status worst = STATUS_OK;
    struct log_open open;
    struct log *log;
    unsigned done = 0;

    config.flush_ms = 1000;
    open = how_on(fs, &config, false);
    log = world_open_log(&w, &open);
    assert_int_equal(world_put(&w, log, (struct batch_spec){0}), STATUS_OK);
    log_flush(log);
    world_idle(&w, log);
    assert_int_equal(log_recovery_point(log), 0);
    sim_run(w.sim, 1000 * 1000);
    world_idle(&w, log); /* a turn, so that the shard looks at the clock */
    log_flush(log);
    world_idle(&w, log);
    assert_int_equal(log_recovery_point(log), 1);

    assert_int_equal(world_put(&w, log, (struct batch_spec){0}), STATUS_OK);
    sim_run(w.sim, 1000 * 1000);
    world_idle(&w, log);
    world_queue(log, (struct batch_spec){.base_offset = 2}, &done, &worst);
    log_flush(log);
    world_idle(&w, log);
    assert_int_equal(done, 1);
    assert_int_equal(worst, STATUS_OK);
    assert_int_equal(log_recovery_point(log), 3);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* So is what a log had that came to rest. */
static void test_async_flush_rested(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_ASYNC);
    struct log_open open = how_on(fs, &world_config, false);
    struct log *log = world_open_log(&w, &open);

    assert_int_equal(world_put(&w, log, (struct batch_spec){0}), STATUS_OK);
    log_housekeep(log, WORLD_WALL);
    log_housekeep(log, WORLD_WALL);
    assert_int_equal(*store_rested(w.store), 1);
    log_flush(log);
    world_idle(&w, log);
    assert_int_equal(log_recovery_point(log), 1);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* More than are synced one by one where a journal has the file system. */
static void test_async_flush_many(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_ASYNC);
    struct log_open open = how_on(fs, &world_config, false);
    struct log *logs[40];
    char dir[32];

    open.dir = dir;
    for (size_t i = 0; i < 40; i++) {
        snprintf(dir, sizeof dir, "/data/t-%zu", i);
        logs[i] = world_open_log(&w, &open);
        assert_int_equal(world_put(&w, logs[i], (struct batch_spec){0}), STATUS_OK);
    }
    for (size_t i = 0; i < 40; i++)
        log_flush(logs[i]);
    for (size_t i = 0; i < 40; i++)
        world_idle(&w, logs[i]);
    for (size_t i = 0; i < 40; i++) {
        log_flush(logs[i]); /* nothing is left to do */
        assert_int_equal(log_recovery_point(logs[i]), 1);
        world_close_log(&w, logs[i], true);
    }
    world_end(&w);
    fs_free(fs);
}

static int fail_sync(void *context, enum fs_call call, const char *path)
{
    return call == FS_CALL_SYNC ? EIO : 0;
}

/* What was acknowledged may be lost: nothing more is. */
static void test_async_flush_fails(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_ASYNC);
    struct log_open open = how_on(fs, &world_config, false);
    struct log *log = world_open_log(&w, &open);
    struct err err;

    assert_int_equal(world_put(&w, log, (struct batch_spec){0}), STATUS_OK);
    fs_mem_set_fault(fs, fail_sync, NULL);
    log_flush(log);
    world_idle(&w, log);
    assert_true(log_offline(log));
    assert_int_equal(world_put(&w, log, (struct batch_spec){0}), STATUS_KAFKA_STORAGE_ERROR);
    world_idle(&w, log);
    assert_int_equal(log_close(log, true, &err), STATUS_KAFKA_STORAGE_ERROR);
    world_end(&w);
    fs_free(fs);
}

static void test_rolls_by_time(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_config config = world_config;
    struct log_open open;
    struct log *log;
    char **names;
    size_t count, segments = 0;
    struct err err;

    config.segment_ms = 1000;
    open = how_on(fs, &config, false);
    log = world_open_log(&w, &open);
    for (int i = 0; i < 5; i++) /* 0, 600, 1200 | 1800, 2400 by the records' own time */
        assert_int_equal(world_put(&w, log, (struct batch_spec){.timestamp = i * 600}), STATUS_OK);
    assert_int_equal(fs_list(fs, DIR_PATH, &names, &count, &err), STATUS_OK);
    for (size_t i = 0; i < count; i++)
        segments += strstr(names[i], ".log") != NULL;
    assert_int_equal(segments, 3);
    mem_free(names);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* Some at a time, one slice after the other, until all are gone. */
static void test_retention_slices(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_config config = small_config;
    struct log_open open;
    struct log *log;

    config.segment_bytes = 300;
    config.retention_bytes = 0;
    open = how_on(fs, &config, false);
    log = world_open_log(&w, &open);
    for (int i = 0; i < 100; i++)
        assert_int_equal(world_put(&w, log, (struct batch_spec){.value_size = 200}), STATUS_OK);
    log_housekeep(log, WORLD_WALL);
    assert_true(log_start_offset(log) > 0 && log_start_offset(log) < 50);
    sim_run(w.sim, WORLD_SOON);
    assert_int_equal(log_start_offset(log), 100);
    assert_int_equal(log_size(log), 0);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

static void test_epochs(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = how_on(fs, &world_config, false);
    struct log *log = world_open_log(&w, &open);
    static const char *const rotten[] = {"0\n2\n0 0\n3 1\n", "0\n2\n0 0\n7 10\n", "0\n1\n0 0\n", "0\n2\n0 0\n", "0\n2\n1 0\n3 10\n", "0\n3\n0 0\n3 10\n3 12\n"};
    char *text;
    size_t size;
    struct err err;
    int32_t found;
    int64_t end;

    log_assign_epoch(log, 0);
    log_epoch_end(log, 0, &found, &end);
    assert_int_equal(found, 0);
    assert_int_equal(end, 0);
    assert_int_equal(world_put(&w, log, (struct batch_spec){.count = 10, .epoch = 0}), STATUS_OK);
    assert_int_equal(world_put(&w, log, (struct batch_spec){.count = 10, .epoch = 3}), STATUS_OK);
    for (int pass = 0; pass < 3; pass++) {
        log_epoch_end(log, 0, &found, &end);
        assert_int_equal(found, 0);
        assert_int_equal(end, 10);
        log_epoch_end(log, 2, &found, &end);
        assert_int_equal(found, 0);
        assert_int_equal(end, 10);
        log_epoch_end(log, 3, &found, &end);
        assert_int_equal(found, 3);
        assert_int_equal(end, 20);
        log_epoch_end(log, 4, &found, &end);
        assert_int_equal(found, -1);
        assert_int_equal(end, -1);
        assert_int_equal(log_epoch_at(log, 9), 0);
        assert_int_equal(log_epoch_at(log, 10), 3);
        world_close_log(&w, log, pass == 0);
        open.clean = pass == 0;
        log = world_open_log(&w, &open);
    }
    open.clean = true;
    for (size_t i = 0; i < sizeof rotten / sizeof *rotten; i++) { /* the batches know better */
        world_close_log(&w, log, true);
        assert_int_equal(fs_write_file(fs, "/data/t-0/leader-epoch-checkpoint", rotten[i], strlen(rotten[i]), &err), STATUS_OK);
        log = world_open_log(&w, &open);
        log_epoch_end(log, 0, &found, &end);
        assert_int_equal(end, 10);
        log_epoch_end(log, 3, &found, &end);
        assert_int_equal(end, 20);
        world_close_log(&w, log, true); /* and tell Kafka, though nothing was appended */
        assert_int_equal(fs_read_file(fs, "/data/t-0/leader-epoch-checkpoint", 100, &text, &size, &err), STATUS_OK);
        assert_string_equal(text, "0\n2\n0 0\n3 10\n");
        mem_free(text);
        log = world_open_log(&w, &open);
    }
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

static void test_delete_records_and_retention(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_config config = small_config;
    struct log_open open = how_on(fs, &config, false);
    struct log *log = world_open_log(&w, &open);
    static struct model model;
    uint64_t size;

    model.count = 0;
    model_fill(&w, log, &model, 200);
    size = log_size(log);
    log_set_start(log, 100);
    log_housekeep(log, WORLD_WALL);
    world_idle(&w, log);
    assert_true(log_size(log) < size);
    assert_int_equal(log_start_offset(log), 100);
    model_check(log, &model);

    config.retention_bytes = 6000;
    log_configure(log, &config);
    log_housekeep(log, WORLD_WALL);
    world_idle(&w, log);
    assert_true(log_size(log) >= 6000 && log_size(log) < 6000 + 4000);
    assert_true(log_start_offset(log) > 100);
    model_check(log, &model);

    config.retention_bytes = -1;
    config.retention_ms = 3600000;
    log_configure(log, &config);
    log_housekeep(log, WORLD_WALL + 3600000);
    world_idle(&w, log);
    assert_true(log_size(log) > 0);
    for (int i = 0; i < 2; i++) { /* the active segment is rolled, and goes the next time */
        log_housekeep(log, WORLD_WALL + 3600000 + 1100);
        world_idle(&w, log);
    }
    assert_int_equal(log_size(log), 0);
    assert_int_equal(log_start_offset(log), log_end_offset(log));
    log_housekeep(log, WORLD_WALL + 2 * 3600000);
    world_close_log(&w, log, true);
    open.clean = true;
    open.log_start = -1;
    log = world_open_log(&w, &open);
    assert_int_equal(log_start_offset(log), log_end_offset(log));
    assert_int_equal(log_end_offset(log), batch_last_offset(&model.heads[model.count - 1]) + 1);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

static void test_topic_id(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = how_on(fs, &world_config, false);
    struct log *log = world_open_log(&w, &open);
    struct err err;

    world_close_log(&w, log, true);
    open.topic_id = (struct uuid){{9}};
    assert_int_equal(log_open(&open, &log, &err), STATUS_INCONSISTENT_TOPIC_ID);
    open.topic_id = (struct uuid){{0}};
    log = world_open_log(&w, &open);
    assert_true(uuid_equal(log_topic_id(log), how.topic_id));
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* What a clean stop left, and nobody wrote to, the next one leaves as it is. */
static void test_closed_as_left(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = {.fs = fs, .dir = "/data/t-0", .topic_id = {{1}}, .config = &world_config, .now_ms = WORLD_WALL, .recovery_point = -1, .log_start = -1};
    struct log *log = world_open_log(&w, &open);
    unsigned calls[FS_CALL_LOCK + 1] = {0};
    struct err err;

    assert_int_equal(world_put(&w, log, (struct batch_spec){.timestamp = WORLD_WALL}), STATUS_OK);
    world_close_log(&w, log, true);
    open.clean = true;
    log = world_open_log(&w, &open);
    world_idle(&w, log);
    fs_mem_set_fault(fs, count_calls, calls);
    assert_int_equal(log_close(log, true, &err), STATUS_OK);
    assert_int_equal(calls[FS_CALL_OPEN] + calls[FS_CALL_RENAME] + calls[FS_CALL_WRITE], 0);
    open.clean = false;
    log = world_open_log(&w, &open);
    world_close_log(&w, log, true);
    assert_true(calls[FS_CALL_WRITE] > 0);
    world_end(&w);
    fs_free(fs);
}

/* A log whose segments were lost does not give offsets away that it gave before. */
static void test_lost_segments(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = {.fs = fs, .dir = "/data/t-0", .topic_id = {{1}}, .config = &world_config, .now_ms = WORLD_WALL, .recovery_point = -1, .log_start = -1};
    struct log *log = world_open_log(&w, &open);
    struct err err;

    for (int i = 0; i < 10; i++)
        assert_int_equal(world_put(&w, log, (struct batch_spec){.count = 2, .timestamp = WORLD_WALL}), STATUS_OK);
    world_close_log(&w, log, true);
    assert_int_equal(fs_remove(fs, "/data/t-0/00000000000000000000.log", &err), STATUS_OK);
    open.clean = true;
    open.recovery_point = 20;
    open.log_start = 0;
    log = world_open_log(&w, &open);
    assert_int_equal(log_start_offset(log), 20);
    assert_int_equal(log_end_offset(log), 20);
    assert_int_equal(world_put(&w, log, (struct batch_spec){.timestamp = WORLD_WALL}), STATUS_OK);
    assert_int_equal(log_end_offset(log), 21);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* What Kafka wrote before 0.11 is no torn tail: it stays, and the log is refused. */
static void test_old_formats(void **state)
{
    static const uint8_t message[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x17, 0x26, 0xdf, 7, 0xc2, 1, 0, 0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0,
                                      0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0x78};
    struct fs *fs = fs_mem_new();
    struct log *log;
    char *content;
    struct err err;
    size_t size;

    assert_int_equal(fs_mkdir(fs, DIR_PATH, &err), STATUS_OK);
    assert_int_equal(fs_write_file(fs, DIR_PATH "/00000000000000000000.log", message, sizeof message, &err), STATUS_OK);
    for (int clean = 0; clean < 2; clean++) {
        struct log_open open = how_on(fs, &world_config, clean);
        assert_int_equal(log_open(&open, &log, &err), STATUS_UNSUPPORTED_VERSION);
        assert_non_null(strstr(err.text, "before Kafka 0.11"));
        assert_int_equal(fs_read_file(fs, DIR_PATH "/00000000000000000000.log", 100, &content, &size, &err), STATUS_OK);
        assert_int_equal(size, sizeof message);
        mem_free(content);
    }
    fs_free(fs);
}

/* --- preallocate ----------------------------------------------------------------------------------------------------------- */

enum { BLOCKS_BYTES = 1 << 20 };

static struct stat file_is(const char *dir, const char *name)
{
    char path[128];
    struct stat is;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    if (stat(path, &is))
        fail_msg("%s is not there", path);
    return is;
}

/* On the machine's disk. With a journal files are made and sealed by spills, without by commits. */
static void preallocate(size_t journal)
{
    char root[] = "/tmp/barnabas-test-XXXXXX", other[64], dir[64];
    struct log_config config = world_config;
    struct fs *fs = fs_posix_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = how_on(fs, &config, false);
    struct log *log;
    struct stat is;
    struct err err;

    assert_non_null(mkdtemp(root));
    (void)snprintf(other, sizeof other, "%s/t-1", root);
    (void)snprintf(dir, sizeof dir, "%s/t-0", root);
    if (journal)
        store_use_journal(w.store, journal);
    open.dir = other;
    log = world_open_log(&w, &open);
    for (unsigned i = 0; i < 70; i++)
        assert_int_equal(world_put(&w, log, (struct batch_spec){0}), STATUS_OK);
    world_close_log(&w, log, true);
    config.segment_bytes = BLOCKS_BYTES;
    config.preallocates = true;
    open.dir = dir;
    open.fresh = true;
    log = world_open_log(&w, &open);
    assert_int_equal(world_put(&w, log, (struct batch_spec){0}), STATUS_OK);
    is = file_is(dir, "00000000000000000000.log");
    assert_true(is.st_size < 1000 && is.st_blocks * 512 >= BLOCKS_BYTES);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(world_put(&w, log, (struct batch_spec){.value_size = 180000}), STATUS_OK);
    is = file_is(dir, "00000000000000000000.log");
    assert_true(is.st_size > 900000 && is.st_blocks * 512 < is.st_size + 64 * 1024);
    is = file_is(dir, "00000000000000000006.log");
    assert_true(is.st_size < 200000 && is.st_blocks * 512 >= BLOCKS_BYTES);
    store_space(w.store, root, &(struct store_space){.room = BLOCKS_BYTES, .any = true}); /* they would take all of it */
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(world_put(&w, log, (struct batch_spec){.value_size = 180000}), STATUS_OK);
    is = file_is(dir, "00000000000000000011.log");
    assert_true(is.st_size < 200000 && is.st_blocks * 512 < BLOCKS_BYTES);
    world_close_log(&w, log, true);
    world_end(&w);
    assert_int_equal(fs_remove_tree(fs, root, &err), STATUS_OK);
    fs_free(fs);
}

static void test_preallocate(void **state)
{
    preallocate(0);
    preallocate(16 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_orphans),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_group_commit),
        cmocka_unit_test(test_tail_needs_no_search),
        cmocka_unit_test(test_fresh),
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_async),
        cmocka_unit_test(test_async_flush_messages),
        cmocka_unit_test(test_async_flush_ms),
        cmocka_unit_test(test_async_flush_rested),
        cmocka_unit_test(test_async_flush_many),
        cmocka_unit_test(test_async_flush_fails),
        cmocka_unit_test(test_rolls_by_time),
        cmocka_unit_test(test_retention_slices),
        cmocka_unit_test(test_epochs),
        cmocka_unit_test(test_delete_records_and_retention),
        cmocka_unit_test(test_topic_id),
        cmocka_unit_test(test_preallocate),
        cmocka_unit_test(test_closed_as_left), cmocka_unit_test(test_lost_segments), cmocka_unit_test(test_old_formats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
