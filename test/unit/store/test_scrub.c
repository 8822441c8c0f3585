/* SPDX-License-Identifier: Apache-2.0
 * The scrubber, in virtual time, over files that are spoilt: what is wrong is told, what is right or gone is not, and it keeps to its rate.
 */
#include "store/scrub.h"

#include "sim/disk.h"
#include "store/segment.h"
#include "world.h"

enum { SEGMENTS = 5, BATCHES = 30, RATE = 1 << 20, INTERVAL_MS = 100000 };

struct heard {
    unsigned count;
    char folder[64], suffix[16];
    int64_t base;
    uint64_t position;
};

static void found(struct shard *here, void *context, const char *folder, int64_t base, const struct finding *finding)
{
    struct heard *heard = context;

    heard->count++;
    snprintf(heard->folder, sizeof heard->folder, "%s", folder);
    snprintf(heard->suffix, sizeof heard->suffix, "%s", finding->suffix);
    heard->base = base;
    heard->position = finding->position;
}

static void put_segment(struct fs *fs, const char *dir, int64_t base)
{
    struct segment *seg = segment_new(base, 0);
    char path[FS_PATH_MAX];
    struct file *file;
    struct err err;

    assert_int_equal(segment_path(path, dir, base, ".log", &err), STATUS_OK);
    assert_int_equal(fs_open(fs, path, FS_CREATE, &file, &err), STATUS_OK);
    for (int64_t i = 0; i < BATCHES; i++) {
        struct bytes_view batch = world_batch((struct batch_spec){.base_offset = base + i, .value_size = 1000, .timestamp = WORLD_WALL + i});
        struct batch_head head;
        assert_true(batch_head_read(batch, &head));
        assert_int_equal(file_write(file, seg->size, &batch, 1, &err), STATUS_OK);
        segment_note(seg, &head, 4096);
        mem_free((void *)(uintptr_t)batch.data);
    }
    file_unref(file);
    assert_true(segment_seal(seg));
    assert_int_equal(segment_save(seg, fs, dir, &err), STATUS_OK);
    segment_free(seg);
}

static struct fs *filled(void)
{
    static const char *const folders[] = {"/data/a-0", "/data/b-0", "/data/no partition"};
    struct fs *fs = fs_mem_new();
    struct err err;

    for (size_t f = 0; f < 3; f++) {
        assert_int_equal(fs_mkdir(fs, folders[f], &err), STATUS_OK);
        for (int64_t i = 0; i < SEGMENTS; i++)
            put_segment(fs, folders[f], i * BATCHES);
    }
    return fs;
}

static void flip(struct fs *fs, const char *path, uint64_t at)
{
    struct file *file;
    struct err err;
    uint8_t byte;
    size_t got;

    assert_int_equal(fs_open(fs, path, FS_WRITE, &file, &err), STATUS_OK);
    assert_int_equal(file_read(file, at, &byte, 1, &got, &err), STATUS_OK);
    byte ^= 1;
    assert_int_equal(file_write(file, at, &(struct bytes_view){&byte, 1}, 1, &err), STATUS_OK);
    file_unref(file);
}

static struct scrub *scrubber(struct world *w, struct heard *heard)
{
    struct scrub *s = scrub_new(w->shard, &(struct scrub_options){.dir = "/data", .bytes_per_second = RATE, .interval_ms = INTERVAL_MS, .found = found, .context = heard});

    *heard = (struct heard){0};
    assert_non_null(s);
    scrub_start(s);
    return s;
}

struct rounds {
    struct scrub *scrub;
    uint64_t wanted;
};

static bool rounds_done(void *context)
{
    struct rounds *rounds = context;

    return scrub_counts(rounds->scrub).rounds >= rounds->wanted;
}

static void run_rounds(struct world *w, struct scrub *s, uint64_t rounds)
{
    assert_true(sim_run_until(w->sim, rounds_done, &(struct rounds){s, scrub_counts(s).rounds + rounds}, rounds * 10 * INTERVAL_MS * 1000));
}

static void stop(struct world *w, struct scrub *s)
{
    struct world_flag flag = {.mail.run = world_set_flag};

    scrub_stop(s, &flag.mail);
    assert_true(sim_run_until(w->sim, world_is_set, &flag.set, WORLD_SOON));
    scrub_free(s);
}

static void test_nothing_is_wrong(void **state)
{
    struct fs *fs = filled();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct heard heard;
    struct scrub *s = scrubber(&w, &heard);

    run_rounds(&w, s, 2);
    assert_int_equal(heard.count, 0);
    assert_int_equal(scrub_counts(s).segments, 2 * 2 * (SEGMENTS - 1)); /* the last one of each is written to */
    assert_true(scrub_counts(s).bytes > 2 * 2 * (SEGMENTS - 1) * BATCHES * 1000);
    stop(&w, s);
    world_end(&w);
    fs_free(fs);
}

static void test_the_rate(void **state)
{
    struct fs *fs = filled();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct heard heard;
    struct scrub *s = scrubber(&w, &heard);
    uint64_t began_ms = shard_now_ms(w.shard) + 60000; /* its first rest */

    for (int64_t i = SEGMENTS; i < 100; i++)
        put_segment(fs, "/data/a-0", i * BATCHES);
    run_rounds(&w, s, 1);
    assert_true(scrub_counts(s).bytes > 3 << 20);
    assert_true(shard_now_ms(w.shard) - began_ms >= (scrub_counts(s).bytes - 2 * 256 * 1024) * 1000 / RATE); /* the last step is not waited for */
    stop(&w, s);
    world_end(&w);
    fs_free(fs);
}

static void test_flipped_bits(void **state)
{
    static const struct {
        const char *path, *suffix;
        uint64_t at;
    } spots[] = {
        {"/data/b-0/00000000000000000030.log", ".log", 5000},
        {"/data/b-0/00000000000000000030.index", ".index", 7},
        {"/data/b-0/00000000000000000030.timeindex", ".timeindex", 3},
    };

    for (size_t i = 0; i < sizeof spots / sizeof *spots; i++) {
        struct fs *fs = filled();
        struct world w = world_begin(fs, DURABILITY_SYNC);
        struct heard heard;
        struct scrub *s = scrubber(&w, &heard);
        flip(fs, spots[i].path, spots[i].at);
        run_rounds(&w, s, 1);
        assert_int_equal(heard.count, 1);
        assert_string_equal(heard.folder, "b-0");
        assert_string_equal(heard.suffix, spots[i].suffix);
        assert_int_equal(heard.base, 30);
        assert_true(heard.position <= spots[i].at);
        run_rounds(&w, s, 1);
        assert_int_equal(heard.count, 2);
        assert_int_equal(scrub_counts(s).findings, 1); /* it was known */
        flip(fs, spots[i].path, spots[i].at);
        run_rounds(&w, s, 1);
        assert_int_equal(heard.count, 2);
        stop(&w, s);
        world_end(&w);
        fs_free(fs);
    }
}

/* Retention takes segments and their indexes, a topic goes, and comes: nothing of that is wrong. */
static void test_what_goes_is_not_wrong(void **state)
{
    static const char *const suffixes[] = {".log", ".index", ".timeindex"};
    struct fs *fs = filled();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct heard heard;
    struct scrub *s = scrubber(&w, &heard);
    struct err err;

    for (int64_t i = 0; i < SEGMENTS; i++) {
        run_rounds(&w, s, 1);
        for (size_t k = 0; k < 3; k++) {
            char path[FS_PATH_MAX];
            assert_int_equal(segment_path(path, "/data/a-0", i * BATCHES, suffixes[k], &err), STATUS_OK);
            assert_int_equal(fs_remove(fs, path, &err), STATUS_OK);
        }
    }
    assert_int_equal(fs_remove_tree(fs, "/data/b-0", &err), STATUS_OK);
    run_rounds(&w, s, 2);
    assert_int_equal(heard.count, 0);
    stop(&w, s);
    world_end(&w);
    fs_free(fs);
}

/* An index that is not there is. */
static void test_an_index_is_missing(void **state)
{
    struct fs *fs = filled();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct heard heard;
    struct scrub *s = scrubber(&w, &heard);
    struct err err;

    assert_int_equal(fs_remove(fs, "/data/a-0/00000000000000000060.index", &err), STATUS_OK);
    run_rounds(&w, s, 1);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.base, 60);
    stop(&w, s);
    world_end(&w);
    fs_free(fs);
}

/* A log puts the indexes right that the scrubber found to be wrong, as they were. */
static void test_a_log_heals(void **state)
{
    static const char *const paths[] = {"/data/t-0/00000000000000000000.index", "/data/t-0/00000000000000000000.timeindex"};
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_config config = world_config;
    struct log_open how = {.fs = fs, .dir = "/data/t-0", .topic_id = {{1}}, .config = &config, .now_ms = WORLD_WALL, .recovery_point = -1, .log_start = -1};
    struct finding finding = {.suffix = ".index", .offset = -1, .status = STATUS_CORRUPT, .what = ""};
    struct log_slice slice;
    struct log *log;
    struct err err;

    config.segment_bytes = 20000;
    config.index_interval_bytes = 1000;
    log = world_open_log(&w, &how);
    for (int64_t i = 0; i < 60; i++)
        assert_int_equal(world_put(&w, log, (struct batch_spec){.value_size = 900, .timestamp = WORLD_WALL + i}), STATUS_OK);
    for (size_t i = 0; i < 2; i++) {
        char *before, *after;
        size_t size, size_after;
        assert_int_equal(fs_read_file(fs, paths[i], 1 << 20, &before, &size, &err), STATUS_OK);
        assert_true(size > 0);
        flip(fs, paths[i], 3);
        log_heal(log, 0, &finding);
        world_idle(&w, log);
        assert_int_equal(fs_read_file(fs, paths[i], 1 << 20, &after, &size_after, &err), STATUS_OK);
        assert_int_equal(size_after, size);
        assert_memory_equal(after, before, size);
        mem_free(before);
        mem_free(after);
    }
    log_heal(log, 7, &finding); /* no such segment */
    finding.suffix = ".log";
    finding.size = 1;
    assert_int_equal(log_read(log, 0, INT64_MAX, 100, true, &slice, &err), STATUS_OK); /* good as far as its readers know, and in memory */
    file_unref(slice.file);
    flip(fs, "/data/t-0/00000000000000000000.log", 100);
    log_heal(log, 0, &finding);
    assert_int_equal(log_read(log, 0, INT64_MAX, 100, true, &slice, &err), STATUS_CORRUPT);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_wrong),
        cmocka_unit_test(test_the_rate),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_what_goes_is_not_wrong),
        cmocka_unit_test(test_an_index_is_missing),
        cmocka_unit_test(test_a_log_heals),
    };

    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
