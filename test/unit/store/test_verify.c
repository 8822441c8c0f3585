/* SPDX-License-Identifier: Apache-2.0
 * A segment is spoilt byte by byte: each wrong byte that a reader could come across is told, where it is, and nothing else.
 */
#include "store/verify.h"

#include "store/segment.h"
#include "world.h"

#define DIR_PATH "/data/t-0"

enum { BATCHES = 40, FOUND_MAX = 64 };

struct told {
    struct finding list[FOUND_MAX];
    unsigned count;
};

static void found(void *context, const struct finding *finding)
{
    struct told *told = context;

    assert_true(told->count < FOUND_MAX);
    told->list[told->count++] = *finding;
}

static struct verify verify(struct fs *fs, struct told *told, int64_t limit)
{
    struct verify v = {.fs = fs, .dir = DIR_PATH, .limit = limit, .indexed = true, .found = found, .context = told};
    bool more = true;
    struct err err;

    told->count = 0;
    if (verify_begin(&v, &err))
        fail_msg("%s", err.text);
    while (more)
        assert_int_equal(verify_step(&v, 100, &more, &err), STATUS_OK);
    verify_end(&v);
    assert_int_equal(v.findings, told->count);
    return v;
}

/* A segment of BATCHES batches with indexes; the positions of the batches. */
static struct fs *healthy(uint64_t positions[BATCHES + 1])
{
    struct fs *fs = fs_mem_new();
    struct segment *seg = segment_new(0, 0);
    struct bytes_view batch;
    struct batch_head head;
    struct file *file;
    char path[FS_PATH_MAX];
    struct err err;

    assert_non_null(seg);
    assert_int_equal(fs_mkdir(fs, DIR_PATH, &err), STATUS_OK);
    assert_int_equal(segment_path(path, DIR_PATH, 0, ".log", &err), STATUS_OK);
    assert_int_equal(fs_open(fs, path, FS_CREATE, &file, &err), STATUS_OK);
    for (int64_t i = 0; i < BATCHES; i++) {
        batch = world_batch((struct batch_spec){.base_offset = i * 2, .count = 2, .value_size = 50, .timestamp = WORLD_WALL + i * 10});
        assert_true(batch_head_read(batch, &head));
        positions[i] = seg->size;
        assert_int_equal(file_write(file, seg->size, &batch, 1, &err), STATUS_OK);
        segment_note(seg, &head, 500);
        mem_free((void *)(uintptr_t)batch.data);
    }
    positions[BATCHES] = seg->size;
    assert_true(segment_seal(seg));
    assert_int_equal(segment_save(seg, fs, DIR_PATH, &err), STATUS_OK);
    assert_true(seg->offsets.count > 3 && seg->times.count > 3);
    file_unref(file);
    segment_free(seg);
    return fs;
}

static void flip(struct fs *fs, const char *suffix, uint64_t at, uint8_t bits)
{
    char path[FS_PATH_MAX];
    struct file *file;
    struct err err;
    uint8_t byte;
    size_t got;

    assert_int_equal(segment_path(path, DIR_PATH, 0, suffix, &err), STATUS_OK);
    assert_int_equal(fs_open(fs, path, FS_WRITE, &file, &err), STATUS_OK);
    assert_int_equal(file_read(file, at, &byte, 1, &got, &err), STATUS_OK);
    byte ^= bits;
    assert_int_equal(file_write(file, at, &(struct bytes_view){&byte, 1}, 1, &err), STATUS_OK);
    file_unref(file);
}

static void test_a_healthy_segment(void **state)
{
    uint64_t positions[BATCHES + 1];
    struct fs *fs = healthy(positions);
    struct told told;
    struct verify v = verify(fs, &told, BATCHES * 2);

    assert_int_equal(told.count, 0);
    assert_int_equal(v.batches, BATCHES);
    assert_int_equal(v.at, positions[BATCHES]);
    assert_int_equal(v.next, BATCHES * 2);
    fs_free(fs);
}

/* What is outside the checksum and means nothing by itself: the leader epoch. */
static bool counts(uint64_t in_batch)
{
    return in_batch < BATCH_EPOCH_AT || in_batch >= BATCH_MAGIC_AT;
}

static void test_every_byte_of_a_batch(void **state)
{
    uint64_t positions[BATCHES + 1];
    struct fs *fs = healthy(positions);
    struct told told;

    for (uint64_t at = positions[7]; at < positions[8]; at++) {
        flip(fs, ".log", at, 0x10);
        (void)verify(fs, &told, BATCHES * 2);
        assert_int_equal(told.count, counts(at - positions[7]) ? 1 : 0);
        if (told.count) {
            assert_string_equal(told.list[0].suffix, ".log");
            assert_int_equal(told.list[0].position, positions[7]);
            assert_int_equal(told.list[0].size, positions[8] - positions[7]);
        }
        flip(fs, ".log", at, 0x10);
    }
    (void)verify(fs, &told, BATCHES * 2);
    assert_int_equal(told.count, 0);
    fs_free(fs);
}

static void test_every_byte_of_the_indexes(void **state)
{
    static const char *const suffixes[] = {".index", ".timeindex"};
    uint64_t positions[BATCHES + 1];
    struct fs *fs = healthy(positions);
    struct told told;

    for (size_t i = 0; i < 2; i++)
        for (uint64_t at = 0; at < 3 * (i ? 12 : 8); at++) {
            flip(fs, suffixes[i], at, 1);
            (void)verify(fs, &told, BATCHES * 2);
            /* An offset entry may name any offset from its batch's first on: a search comes by it all the same. */
            assert_true(told.count == 1 || (told.count == 0 && at % (i ? 12 : 8) == (i ? 11 : 3)));
            if (told.count)
                assert_string_equal(told.list[0].suffix, suffixes[i]);
            flip(fs, suffixes[i], at, 1);
        }
    fs_free(fs);
}

static void test_holes(void **state)
{
    uint64_t positions[BATCHES + 1];
    struct fs *fs = healthy(positions);
    struct told told;
    struct verify v;

    for (unsigned i = 10; i < 13; i++) /* lengths: where the next batch begins is not told */
        flip(fs, ".log", positions[i] + BATCH_LENGTH_AT + 3, 0x7f);
    flip(fs, ".log", positions[20] + BATCH_OVERHEAD, 1);
    flip(fs, ".log", positions[BATCHES - 1] + BATCH_OVERHEAD, 1);
    v = verify(fs, &told, BATCHES * 2);
    assert_int_equal(told.count, 3);
    assert_int_equal(told.list[0].position, positions[10]);
    assert_int_equal(told.list[0].size, positions[13] - positions[10]);
    assert_int_equal(told.list[0].offset, 20);
    assert_int_equal(told.list[1].position, positions[20]);
    assert_int_equal(told.list[1].size, positions[21] - positions[20]);
    assert_int_equal(told.list[2].position, positions[BATCHES - 1]);
    assert_int_equal(told.list[2].size, positions[BATCHES] - positions[BATCHES - 1]);
    assert_int_equal(v.batches, BATCHES - 5);
    fs_free(fs);
}

static void test_a_batch_of_the_next_segment(void **state)
{
    uint64_t positions[BATCHES + 1];
    struct fs *fs = healthy(positions);
    struct told told;

    (void)verify(fs, &told, BATCHES * 2 - 1);
    assert_true(told.count >= 1);
    assert_int_equal(told.list[0].position, positions[BATCHES - 1]);
    fs_free(fs);
}

static void test_no_segment(void **state)
{
    struct fs *fs = fs_mem_new();
    struct told told = {.count = 0};
    struct verify v = {.fs = fs, .dir = DIR_PATH, .limit = 1, .indexed = true, .found = found, .context = &told};
    struct err err;

    assert_int_equal(verify_begin(&v, &err), STATUS_NOT_FOUND);
    fs_free(fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_healthy_segment),
        cmocka_unit_test(test_every_byte_of_a_batch),
        cmocka_unit_test(test_every_byte_of_the_indexes),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_a_batch_of_the_next_segment),
        cmocka_unit_test(test_no_segment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
