/* SPDX-License-Identifier: Apache-2.0
 * Reading without waiting for the disk: what is not in memory comes by jobs, is checked on the way, and no more is open than may be.
 */
#include "store/log_int.h"
#include "store/clean.h"
#include "store/files.h"
#include "sim/disk.h"
#include "world.h"

enum { BATCHES = 400, VALUE = 8000, SEGMENT = 1 << 18, FILES = 5 };

static struct log_open how;
static struct log_config config;

static bool warmed;

static void set_warmed(struct shard *here, struct log_warm *reader)
{
    warmed = true;
}

/* As the loop reads. How often it was told to wait; *status: what came of it. */
static unsigned read_at(struct world *w, struct log *log, int64_t offset, size_t size_max, struct log_slice *slice, enum status *status)
{
    struct log_warm reader = {.tries = 0};
    unsigned waits = 0;
    struct err err;

    while ((*status = log_read_cached(log, offset, INT64_MAX, size_max, true, slice, &reader, &err)) == STATUS_NOT_CACHED) {
        warmed = false;
        log_warm(log, &reader, set_warmed);
        assert_true(sim_run_until(w->sim, world_is_set, &warmed, WORLD_SOON));
        assert_int_equal(reader.status, STATUS_OK);
        waits++;
    }
    return waits;
}

/* A log of many segments on a disk of which nothing is in memory: the power was cut since. */
static struct fs *cold_disk(void)
{
    struct fs *fs = disk_new(1, DISK_PAGE), *after;
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log *log;
    uint32_t outcomes[4096];
    size_t count;

    how = (struct log_open){.fs = fs, .dir = "/data/t-0", .topic_id = {{1}}, .config = &world_config, .now_ms = WORLD_WALL, .recovery_point = -1, .log_start = -1};
    config = world_config;
    config.segment_bytes = SEGMENT;
    how.config = &config;
    log = world_open_log(&w, &how);
    for (int i = 0; i < BATCHES; i++)
        assert_int_equal(world_put(&w, log, (struct batch_spec){.count = 2, .value_size = VALUE, .timestamp = WORLD_WALL + i}), STATUS_OK);
    world_close_log(&w, log, true);
    world_end(&w);
    count = disk_choices(fs, outcomes, sizeof outcomes / sizeof *outcomes);
    for (size_t i = 0; i < count; i++)
        outcomes[i]--;
    after = disk_crash(fs, outcomes);
    fs_free(fs);
    how.fs = after;
    how.clean = true;
    return after;
}

static void read_all(struct world *w, struct log *log, unsigned *waits)
{
    int64_t offset = 0;

    for (*waits = 0; offset < 2 * BATCHES;) {
        struct log_slice slice;
        enum status status;
        uint8_t bytes[BATCH_OVERHEAD];
        struct batch_head head;
        struct err err;
        size_t got;
        *waits += read_at(w, log, offset, 1, &slice, &status);
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(file_read(slice.file, slice.position, bytes, sizeof bytes, &got, &err), STATUS_OK);
        assert_true(batch_head_read((struct bytes_view){bytes, got}, &head));
        assert_int_equal(head.base_offset, offset);
        offset = batch_last_offset(&head) + 1;
        file_unref(slice.file);
    }
}

static void test_cold_then_warm(void **state)
{
    struct fs *fs = cold_disk();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log *log = world_open_log(&w, &how);
    unsigned waits;

    assert_true(log->count > 10);
    read_all(&w, log, &waits);
    assert_true(waits >= log->count); /* each segment is opened by a job, and mostly read by the same */
    assert_true(waits <= 3 * log->count);
    read_all(&w, log, &waits);
    assert_int_equal(waits, 0);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

static void test_bounded_files(void **state)
{
    struct fs *fs = cold_disk();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log *log;
    unsigned waits, open = 0;

    store_limit_files(w.store, FILES);
    log = world_open_log(&w, &how);
    for (size_t i = 0; i < log->count; i++)
        assert_null(log->segments[i]->file); /* lazily */
    for (unsigned round = 0; round < 2; round++) {
        read_all(&w, log, &waits);
        assert_true(waits >= log->count - FILES);
        assert_true(store__files(w.store)->count <= FILES);
    }
    for (size_t i = 0; i < log->count; i++) {
        open += log->segments[i]->file != NULL;
        assert_true(log->segments[i]->file || !log->segments[i]->cold || !log->segments[i]->offsets.bytes);
    }
    assert_true(open <= FILES);
    world_close_log(&w, log, true);
    assert_int_equal(store__files(w.store)->count, 0);
    assert_int_equal(store__files(w.store)->bytes, 0);
    world_end(&w);
    fs_free(fs);
}

static void flip(struct fs *fs, int64_t base, uint64_t at)
{
    char path[FS_PATH_MAX];
    struct file *file;
    struct err err;
    uint8_t byte;
    size_t got;

    assert_int_equal(segment_path(path, how.dir, base, ".log", &err), STATUS_OK);
    assert_int_equal(fs_open(fs, path, FS_WRITE, &file, &err), STATUS_OK);
    assert_int_equal(file_read(file, at, &byte, 1, &got, &err), STATUS_OK);
    byte ^= 1;
    assert_int_equal(file_write(file, at, &(struct bytes_view){&byte, 1}, 1, &err), STATUS_OK);
    file_unref(file);
}

/* Of the segment's third batch: in its records, or its base offset, which no checksum covers. */
static void bad_batch(uint64_t in_batch)
{
    struct fs *fs = cold_disk();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log *log = world_open_log(&w, &how);
    int64_t base = log->segments[2]->base;
    struct log_slice slice;
    enum status status;
    uint64_t third;

    (void)read_at(&w, log, base + 4, 1, &slice, &status);
    assert_int_equal(status, STATUS_OK);
    third = slice.position;
    file_unref(slice.file);
    world_close_log(&w, log, true);
    flip(fs, base, third + in_batch);
    log = world_open_log(&w, &how);

    (void)read_at(&w, log, base, SEGMENT, &slice, &status); /* the good ones before it */
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(slice.base_offset, base);
    assert_true(slice.size <= third);
    assert_true(slice.size > 0);
    file_unref(slice.file);
    for (unsigned i = 0; i < 3; i++) {
        (void)read_at(&w, log, base + 4, SEGMENT, &slice, &status);
        assert_int_equal(status, STATUS_CORRUPT);
        assert_null(slice.file);
    }
    (void)read_at(&w, log, base + 8, 1, &slice, &status); /* and those behind it */
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(slice.base_offset, base + 8);
    file_unref(slice.file);
    (void)read_at(&w, log, log->segments[3]->base, 1, &slice, &status);
    assert_int_equal(status, STATUS_OK);
    file_unref(slice.file);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

static void test_bad_records(void **state)
{
    bad_batch(BATCH_OVERHEAD + 100);
}

static void test_bad_offset(void **state)
{
    bad_batch(7);
}

/* The bytes that this process wrote are not checked again, as long as they stay in memory. */
static void test_own_bytes(void **state)
{
    struct fs *fs = disk_new(1, DISK_PAGE);
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_slice slice;
    struct log *log;
    enum status status;

    how = (struct log_open){.fs = fs, .dir = "/data/t-0", .topic_id = {{1}}, .config = &world_config, .now_ms = WORLD_WALL, .recovery_point = -1, .log_start = -1};
    log = world_open_log(&w, &how);
    for (int i = 0; i < 40; i++)
        assert_int_equal(world_put(&w, log, (struct batch_spec){.count = 2, .value_size = 100, .timestamp = WORLD_WALL + i}), STATUS_OK);
    assert_int_equal(read_at(&w, log, 1, 1, &slice, &status), 0);
    assert_int_equal(status, STATUS_OK);
    file_unref(slice.file);
    disk_set_memory(fs, 1000000);
    assert_true(read_at(&w, log, 1, 1, &slice, &status) > 0); /* and at last it waits itself: nothing stays in memory */
    assert_int_equal(status, STATUS_OK);
    file_unref(slice.file);
    disk_set_memory(fs, 0);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* As the loop asks for aborted transactions. */
static unsigned aborted_at(struct world *w, struct log *log, int64_t from, int64_t to, struct txnindex *out)
{
    struct log_warm reader = {.tries = 0};
    unsigned waits = 0;
    enum status status;
    struct err err;

    while ((status = log_aborted(log, from, to, &reader, out, &err)) == STATUS_NOT_CACHED) {
        warmed = false;
        log_warm(log, &reader, set_warmed);
        assert_true(sim_run_until(w->sim, world_is_set, &warmed, WORLD_SOON));
        assert_int_equal(reader.status, STATUS_OK);
        waits++;
    }
    assert_int_equal(status, STATUS_OK);
    return waits;
}

/* Those of an old segment that are too many to be kept come by a job, and go when it is closed. */
static void test_many_aborted(void **state)
{
    enum { MANY = 1100 };
    struct fs *fs = disk_new(1, DISK_PAGE);
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct txnindex found;
    struct log *log;

    config = world_config;
    how = (struct log_open){.fs = fs, .dir = "/data/t-0", .topic_id = {{1}}, .config = &config, .now_ms = WORLD_WALL, .recovery_point = -1, .log_start = -1};
    log = world_open_log(&w, &how);
    for (int64_t i = 0; i < MANY; i++) {
        assert_true(log_reserve_aborted(log));
        assert_int_equal(world_put(&w, log, (struct batch_spec){.count = 2, .timestamp = WORLD_WALL}), STATUS_OK);
        log_add_aborted(log, &(struct aborted){.producer_id = 1, .first_offset = 2 * i, .last_offset = 2 * i + 1, .last_stable = 2 * i + 2});
    }
    config.segment_ms = 0; /* the next one is old */
    assert_int_equal(world_put(&w, log, (struct batch_spec){.count = 2, .timestamp = WORLD_WALL + 10}), STATUS_OK);
    assert_int_equal(log->count, 2);
    assert_int_equal(log->segments[0]->aborted.count, 0);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(aborted_at(&w, log, 10, 20, &found), 1);
        assert_int_equal(found.count, 5);
        txnindex_free(&found);
        assert_int_equal(aborted_at(&w, log, 10, 20, &found), 0); /* it is there */
        txnindex_free(&found);
        assert_int_equal(store__files(w.store)->bytes, segment_bytes(log->segments[0]));
        assert_true(segment_bytes(log->segments[0]) >= MANY * sizeof(struct aborted));
        segment_close(log->segments[0]);
        assert_int_equal(log->segments[0]->aborted.count, 0);
    }
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* How old the segments of a log are that is to be compacted is read by jobs. */
static void test_first_timestamps(void **state)
{
    struct fs *fs = cold_disk();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_dirt dirt;
    struct log *log;

    config.compacts = true;
    config.cleanable_ratio_min = 1;
    config.compaction_lag_max_ms = 1000;
    log = world_open_log(&w, &how);
    log_measure_dirt(log, log_end_offset(log), WORLD_WALL + 1002, &dirt);
    assert_false(dirt.due);
    for (size_t i = 0; i < log->count; i++)
        assert_null(log->segments[i]->file); /* nothing was looked for here */
    world_idle(&w, log);
    log_measure_dirt(log, log_end_offset(log), WORLD_WALL + 1000, &dirt);
    assert_false(dirt.due);
    log_measure_dirt(log, log_end_offset(log), WORLD_WALL + 1002, &dirt);
    assert_true(dirt.due);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

/* Whoever else reads takes every descriptor that is free again: a search for the greatest time ends nevertheless, of which each half needs the disk. */
static void test_a_search_ends_without_files(void **state)
{
    struct fs *fs = cold_disk();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_warm reader = {.tries = 0};
    int64_t offset, timestamp;
    enum status status;
    unsigned waits = 0;
    struct log *log;
    int32_t epoch;
    struct err err;

    log = world_open_log(&w, &how);
    while ((status = log_max_timestamp_cached(log, &offset, &timestamp, &epoch, &reader, &err)) == STATUS_NOT_CACHED) {
        assert_true(++waits <= WARM_TRIES * log->count);
        warmed = false;
        log_warm(log, &reader, set_warmed);
        assert_true(sim_run_until(w.sim, world_is_set, &warmed, WORLD_SOON));
        while (store__files(w.store)->count)
            files_shed(store__files(w.store));
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(timestamp, WORLD_WALL + BATCHES); /* of the last batch's last record */
    assert_true(waits >= WARM_TRIES); /* it had to wait at last */
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cold_then_warm), cmocka_unit_test(test_bounded_files), cmocka_unit_test(test_bad_records),
        cmocka_unit_test(test_bad_offset),     cmocka_unit_test(test_own_bytes),        cmocka_unit_test(test_many_aborted),
        cmocka_unit_test(test_first_timestamps), cmocka_unit_test(test_a_search_ends_without_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
