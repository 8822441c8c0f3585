/* SPDX-License-Identifier: Apache-2.0
 * Logs under faults: tails torn at every byte, every single call and every single allocation failing. What was acknowledged is there
 * afterwards, what is broken is not served, and nothing is acknowledged once a write has failed.
 */
#include <errno.h>
#include <limits.h>

#include "store/segment.h"
#include "world.h"

#define DIR_PATH "/data/t-0"
#define LOG_PATH DIR_PATH "/00000000000000000000.log"

static struct log_open how_on(struct fs *fs)
{
    return (struct log_open){.fs = fs, .dir = DIR_PATH, .topic_id = {{1}}, .config = &world_config, .now_ms = WORLD_WALL, .recovery_point = -1, .log_start = -1};
}

/* --- torn tails ------------------------------------------------------------------------------------------------------------ */

enum { TORN_BATCHES = 4 };

struct bytes {
    uint8_t data[4096];
    size_t size, batch[TORN_BATCHES + 1]; /* where each begins */
};

static void bytes_make(struct bytes *bytes)
{
    bytes->size = 0;
    for (int i = 0; i < TORN_BATCHES; i++) {
        struct bytes_view batch = world_batch((struct batch_spec){.base_offset = i * 3, .count = 3, .value_size = 20, .timestamp = WORLD_WALL});
        bytes->batch[i] = bytes->size;
        memcpy(bytes->data + bytes->size, batch.data, batch.size);
        bytes->size += batch.size;
        mem_free((void *)(uintptr_t)batch.data);
    }
    bytes->batch[TORN_BATCHES] = bytes->size;
}

/* Opens a log whose only segment has this content; on success checks its end, appends, closes and opens again. */
static enum status open_with(const uint8_t *data, size_t size, int64_t recovery_point, int64_t *end)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = how_on(fs);
    struct log *log;
    struct err err;
    enum status status;

    assert_int_equal(fs_mkdir(fs, DIR_PATH, &err), STATUS_OK);
    assert_int_equal(fs_write_file(fs, LOG_PATH, data, size, &err), STATUS_OK);
    open.recovery_point = recovery_point;
    status = log_open(&open, &log, &err);
    if (!status) {
        *end = log_end_offset(log);
        log_attach(log, w.store);
        assert_int_equal(world_put(&w, log, (struct batch_spec){.count = 2}), STATUS_OK);
        world_close_log(&w, log, false);
        log = world_open_log(&w, &open);
        assert_int_equal(log_end_offset(log), *end + 2);
        world_close_log(&w, log, true);
    }
    world_end(&w);
    fs_free(fs);
    return status;
}

static void test_cut_anywhere(void **state)
{
    struct bytes bytes;
    int64_t end;

    bytes_make(&bytes);
    for (size_t size = bytes.batch[2]; size <= bytes.size; size++) {
        assert_int_equal(open_with(bytes.data, size, -1, &end), STATUS_OK);
        assert_int_equal(end, size >= bytes.batch[4] ? 12 : size >= bytes.batch[3] ? 9 : 6);
    }
}

static void test_garbage_behind(void **state)
{
    struct bytes bytes;
    int64_t end;

    bytes_make(&bytes);
    for (size_t extra = 1; extra < 200; extra += 7) {
        memset(bytes.data + bytes.size, 0, extra);
        assert_int_equal(open_with(bytes.data, bytes.size + extra, -1, &end), STATUS_OK);
        assert_int_equal(end, 12);
        memset(bytes.data + bytes.size, 0xff, extra);
        assert_int_equal(open_with(bytes.data, bytes.size + extra, 12, &end), STATUS_OK);
        assert_int_equal(end, 12);
    }
}

/* A flipped bit that the checksum covers, in the third or fourth of four batches: all of them may be one commit, torn, and what does not read is
 * cut; but below the recovery point a broken head is corruption, and so is a hole behind which stands more than one commit. */
static void test_flipped_anywhere(void **state)
{
    struct bytes bytes;
    size_t large;
    int64_t end;
    uint8_t *data;

    bytes_make(&bytes);
    large = bytes.size + COMMIT_BYTES_MAX;
    data = mem_alloc(large, 1);
    assert_non_null(data);
    for (size_t at = bytes.batch[2]; at < bytes.size; at++) {
        int batch = at >= bytes.batch[3] ? 3 : 2;
        size_t in_batch = at - bytes.batch[batch];

        if (in_batch < 8 || (in_batch >= 12 && in_batch < 16))
            continue; /* base offset and leader epoch lie outside the checksum */
        bytes.data[at] ^= 0x10;
        assert_int_equal(open_with(bytes.data, bytes.size, -1, &end), STATUS_OK);
        assert_int_equal(end, batch * 3);
        if (in_batch == 16)
            assert_int_equal(open_with(bytes.data, bytes.size, 12, &end), STATUS_CORRUPT);
        if (in_batch == 20) {
            memcpy(data, bytes.data, bytes.size);
            assert_int_equal(open_with(data, large, -1, &end), STATUS_CORRUPT);
        }
        bytes.data[at] ^= 0x10;
    }
    mem_free(data);
}

/* --- each call fails once -------------------------------------------------------------------------------------------------- */

struct fault {
    unsigned calls, at, count; /* the at-th call fails, and the next ones, so many; at 0: none */
    int error;
};

static int fault_at(void *context, enum fs_call call, const char *path)
{
    struct fault *fault = context;

    fault->calls++;
    if (fault->error == ENOSPC && call != FS_CALL_OPEN && call != FS_CALL_MKDIR && call != FS_CALL_RENAME && call != FS_CALL_WRITE)
        return 0; /* the others need none */
    if (fault->error == EMFILE && call != FS_CALL_OPEN && call != FS_CALL_SYNC_DIR && call != FS_CALL_LIST)
        return 0;
    return fault->at && fault->calls >= fault->at && fault->calls < fault->at + fault->count ? fault->error : 0;
}

enum { STORY_TURNS = 12, STORY_PER_TURN = 5 };

static struct world *looking; /* whose store wants to know of its space */
static struct mail look_mail;
static unsigned looks;
static bool none_left;

static void look_answer(struct shard *here, struct mail *mail)
{
    store_space(looking->store, "/data", &(struct store_space){.room = 1 << 20, .any = !none_left});
}

static void look(struct shard *here, const char *log_dir)
{
    assert_string_equal(log_dir, "/data");
    looks++;
    look_mail.run = look_answer;
    shard_post(here, here, &look_mail);
}

struct story {
    int64_t acknowledged; /* the offset behind the last append that completed with STATUS_OK */
    bool failed;
    bool opened, clean;
};

struct story_append {
    struct log_append append;
    struct story *story;
    struct bytes_view batch;
};

static void story_done(struct shard *here, struct log_append *done)
{
    struct story_append *a = (struct story_append *)(void *)done;

    if (done->status) {
        a->story->failed = true;
    } else {
        assert_false(a->story->failed); /* never again after a failure */
        assert_int_equal(a->story->acknowledged, done->base_offset);
        a->story->acknowledged = done->last_offset + 1;
    }
    mem_free((void *)(uintptr_t)a->batch.data);
    mem_free(a);
}

static void story_append(struct story *story, struct log *log)
{
    struct story_append *a = world_alloc(sizeof *a);

    a->story = story;
    a->batch = world_batch((struct batch_spec){.base_offset = log_end_offset(log), .value_size = 300, .epoch = (int32_t)(log_end_offset(log) / 20), .timestamp = WORLD_WALL});
    a->append = (struct log_append){.done = story_done, .bytes = a->batch, .base_offset = log_end_offset(log), .last_offset = log_end_offset(log), .max_timestamp = WORLD_WALL};
    assert_true(log_reserve(log) || log_reserve(log)); /* one allocation may fail */
    log_append(log, &a->append);
}

static void make_snapshot(void *context, int64_t offset, struct bytes_view *content)
{
    content->data = mem_copy(&offset, sizeof offset);
    content->size = sizeof offset;
}

/* Opens, appends through several segments, deletes, closes. Whatever fails, it ends in order. */
static const struct log_config *story_config(void)
{
    static struct log_config config;

    config = world_config;
    config.segment_bytes = 4000;
    config.index_interval_bytes = 700;
    return &config;
}

static struct story tell(struct fs *fs)
{
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = how_on(fs);
    struct story story = {0};
    struct log *log;
    struct err err;

    looking = &w;
    store_on_space(w.store, look);
    open.config = story_config();
    if (!log_open(&open, &log, &err)) {
        log_attach(log, w.store);
        log_on_snapshot(log, make_snapshot, NULL);
        for (int turn = 0; turn < STORY_TURNS; turn++) {
            for (int i = 0; i < STORY_PER_TURN; i++)
                story_append(&story, log);
            world_idle(&w, log);
            if (turn == STORY_TURNS / 2 && log_durable_offset(log) >= 20)
                log_set_start(log, 20);
            log_housekeep(log, WORLD_WALL + turn * 30000);
            world_idle(&w, log);
        }
        story.clean = !log_close(log, true, &err);
        story.opened = true;
    }
    world_end(&w);
    return story;
}

/* Without faults now: everything acknowledged is there. */
static void check_story(struct fs *fs, const struct story *story)
{
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = how_on(fs);
    struct log *log;

    open.clean = story->clean;
    open.config = story_config();
    log = world_open_log(&w, &open);
    assert_true(log_end_offset(log) >= story->acknowledged);
    for (int64_t offset = log_start_offset(log); offset < story->acknowledged; offset++) {
        struct log_slice slice;
        struct err err;
        assert_int_equal(log_read(log, offset, INT64_MAX, 1, true, &slice, &err), STATUS_OK);
        assert_int_equal(slice.base_offset, offset);
        file_unref(slice.file);
    }
    world_close_log(&w, log, true);
    world_end(&w);
}

/* `tries`: a full disk is full for so many calls. What waits for space is written when there is some, and nobody is told of it. */
static void fail_each_call(int error, unsigned tries)
{
    struct fault none = {0};
    struct fs *fs = fs_mem_new();
    struct story story;
    unsigned calls;

    fs_mem_set_fault(fs, fault_at, &none);
    story = tell(fs);
    assert_false(story.failed);
    assert_true(story.clean);
    assert_int_equal(story.acknowledged, STORY_TURNS * STORY_PER_TURN);
    calls = none.calls;
    fs_free(fs);
    assert_true(calls > 100);
    for (unsigned n = 1; n <= calls; n++) {
        struct fault fault = {.at = n, .error = error, .count = tries};
        fs = fs_mem_new();
        fs_mem_set_fault(fs, fault_at, &fault);
        story = tell(fs);
        fs_mem_set_fault(fs, NULL, NULL);
        if (error != EIO && tries == 1 && story.opened)
            assert_true(!story.failed && story.acknowledged == STORY_TURNS * STORY_PER_TURN);
        check_story(fs, &story);
        fs_free(fs);
    }
}

static void test_io_error_at_each_call(void **state)
{
    fail_each_call(EIO, 1);
}

static void test_no_space_at_each_call(void **state)
{
    fail_each_call(ENOSPC, 1);
    assert_true(looks > 100);
}

static void test_full_for_a_while(void **state)
{
    fail_each_call(ENOSPC, 7);
}

/* So it is with files that may not be opened. */
static void test_too_many_files(void **state)
{
    fail_each_call(EMFILE, 1);
    fail_each_call(EMFILE, 7);
}

/* Nobody comes to an end by waiting: a log that is to be closed gives up, and says so. */
static void test_full_for_good(void **state)
{
    none_left = true;
    fail_each_call(ENOSPC, UINT_MAX / 2);
    none_left = false;
}

static void test_each_allocation(void **state)
{
    bool whole = false;

    for (unsigned n = 1; !whole; n++) {
        struct fs *fs = fs_mem_new();
        struct story story;
        mem_fail_at(0);
        mem_fail_at(n + 40); /* past the world's own beginning */
        story = tell(fs);
        mem_fail_at(0);
        whole = n > 3000;
        check_story(fs, &story);
        fs_free(fs);
    }
}

/* --- a directory fails as a whole ------------------------------------------------------------------------------------------ */

static char offline_dir[64];

static void note_offline(struct shard *here, const char *log_dir, const struct err *why)
{
    assert_int_equal(offline_dir[0], 0); /* once */
    snprintf(offline_dir, sizeof offline_dir, "%s", log_dir);
}

static int fail_sync(void *context, enum fs_call call, const char *path)
{
    return call == FS_CALL_SYNC ? EIO : 0;
}

static void test_directory_goes_offline(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open open = how_on(fs), other = how_on(fs), elsewhere = how_on(fs);
    struct log *a, *b, *c;
    struct err err;

    other.dir = "/data/t-1";
    elsewhere.dir = "/more/t-2";
    a = world_open_log(&w, &open);
    b = world_open_log(&w, &other);
    c = world_open_log(&w, &elsewhere);
    offline_dir[0] = 0;
    store_on_offline(w.store, note_offline);
    assert_int_equal(world_put(&w, a, (struct batch_spec){0}), STATUS_OK);
    fs_mem_set_fault(fs, fail_sync, NULL);
    assert_int_equal(world_put(&w, a, (struct batch_spec){0}), STATUS_KAFKA_STORAGE_ERROR);
    fs_mem_set_fault(fs, NULL, NULL);
    assert_string_equal(offline_dir, "/data");
    assert_true(store_dir_offline(w.store, "/data"));
    assert_false(store_dir_offline(w.store, "/more"));
    assert_int_equal(world_put(&w, a, (struct batch_spec){0}), STATUS_KAFKA_STORAGE_ERROR);
    assert_int_equal(world_put(&w, b, (struct batch_spec){0}), STATUS_KAFKA_STORAGE_ERROR);
    assert_int_equal(world_put(&w, c, (struct batch_spec){0}), STATUS_OK);
    assert_int_equal(log_durable_offset(a), 1);
    store_fail_dir(w.store, "/more");
    assert_int_equal(world_put(&w, c, (struct batch_spec){0}), STATUS_KAFKA_STORAGE_ERROR);
    assert_int_not_equal(log_close(a, true, &err), STATUS_OK);
    assert_int_not_equal(log_close(b, true, &err), STATUS_OK);
    assert_int_not_equal(log_close(c, true, &err), STATUS_OK);
    world_end(&w);
    fs_free(fs);
}

/* A log of many epochs opens with all of them, or not at all; what is reserved is there without memory. */
static void test_epochs_without_memory(void **state)
{
    enum status status = STATUS_NO_MEMORY;
    char text[1024] = "0\n40\n";
    struct epochs epochs = {0};

    for (int i = 0; i < 40; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d %d\n", i, 10 * i);
    for (uint64_t n = 1; status; n++) {
        struct err err;
        epochs_free(&epochs);
        mem_fail_at(n);
        status = epochs_parse(&epochs, str_from(text), &err);
        mem_fail_at(0);
        assert_true(status == STATUS_NO_MEMORY || (status == STATUS_OK && n > 1 && epochs.count == 40));
    }
    assert_true(epochs_reserve(&epochs, 100));
    for (int i = 40; i < 140; i++) {
        mem_fail_at(1);
        epochs_assign(&epochs, i, 10 * i);
        mem_fail_at(0);
    }
    assert_int_equal(epochs.count, 140);
    assert_int_equal(epochs_at(&epochs, 5), 0);
    epochs_free(&epochs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_garbage_behind),
        cmocka_unit_test(test_flipped_anywhere),
            cmocka_unit_test(test_io_error_at_each_call),
        cmocka_unit_test(test_no_space_at_each_call),
        cmocka_unit_test(test_full_for_a_while), cmocka_unit_test(test_too_many_files),
        cmocka_unit_test(test_full_for_good),
        cmocka_unit_test(test_each_allocation),
        cmocka_unit_test(test_epochs_without_memory),
        cmocka_unit_test(test_directory_goes_offline),
    };

    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
