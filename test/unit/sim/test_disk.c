/* SPDX-License-Identifier: Apache-2.0
 * The simulated disk: what is durable, what a crash may leave of the rest, and its faults.
 */
#include "../cm.h"
#include "base/mem.h"
#include "sim/disk.h"

enum { CHOICES = 64 };

struct choices {
    uint32_t outcomes[CHOICES];
    size_t count;
};

static struct choices choices_of(struct fs *disk)
{
    struct choices choices;

    choices.count = disk_choices(disk, choices.outcomes, CHOICES);
    return choices;
}

static struct file *open_file(struct fs *disk, const char *path, unsigned flags)
{
    struct file *file;
    struct err err;

    assert_int_equal(fs_open(disk, path, flags, &file, &err), STATUS_OK);
    return file;
}

static enum status write_at(struct file *file, uint64_t offset, size_t size, int byte)
{
    uint8_t *bytes = mem_alloc(size, 1);
    struct err err;
    enum status status;

    memset(bytes, byte, size);
    status = file_write(file, offset, &(struct bytes_view){bytes, size}, 1, &err);
    mem_free(bytes);
    return status;
}

static void synced(struct file *file)
{
    struct err err;

    assert_int_equal(file_sync(file, &err), STATUS_OK);
}

/* The file after a power cut with these outcomes; "" when it is not there. */
static char *cut(struct fs *disk, const uint32_t *outcomes, const char *path, size_t *size)
{
    struct fs *after = disk_crash(disk, outcomes);
    struct err err;
    char *content;

    if (fs_read_file(after, path, 1 << 20, &content, size, &err)) {
        content = mem_copy("", 0);
        *size = 0;
    }
    fs_free(after);
    return content;
}

static struct file *durable_file(struct fs *disk, size_t size)
{
    struct file *file = open_file(disk, "/f", FS_CREATE);
    struct err err;

    assert_int_equal(write_at(file, 0, size, 'a'), STATUS_OK);
    synced(file);
    assert_int_equal(fs_sync_dir(disk, "/", &err), STATUS_OK);
    assert_int_equal(choices_of(disk).count, 0);
    return file;
}

static bool all_are(const char *at, size_t size, char byte)
{
    for (size_t i = 0; i < size; i++)
        if (at[i] != byte)
            return false;
    return true;
}

/* What is written through a durable file is there; what others wrote on both sides of it is not, before they sync. */
static void test_durable_alone(void **state)
{
    struct fs *disk = disk_new(1, DISK_SECTOR);
    struct file *file = durable_file(disk, 1024), *direct = open_file(disk, "/f", FS_WRITE | FS_DURABLE);
    uint32_t nothing[CHOICES] = {0};
    size_t size;
    char *content;

    assert_int_equal(write_at(file, 1024, 3 * 4096 - 1024, 'b'), STATUS_OK);
    assert_int_equal(write_at(direct, 4096, 4096, 'c'), STATUS_OK);
    content = cut(disk, nothing, "/f", &size);
    assert_int_equal(size, 3 * 4096);
    assert_true(all_are(content, 1024, 'a') && all_are(content + 1024, 3072, 0) && all_are(content + 4096, 4096, 'c') && all_are(content + 8192, 4096, 0));
    mem_free(content);
    content = cut(disk, NULL, "/f", &size);
    assert_true(all_are(content + 1024, 3072, 'b') && all_are(content + 4096, 4096, 'c') && all_are(content + 8192, 4096, 'b'));
    mem_free(content);
    synced(direct); /* of all of it, then */
    assert_int_equal(choices_of(disk).count, 0);
    content = cut(disk, nothing, "/f", &size);
    assert_true(all_are(content + 1024, 3072, 'b') && all_are(content + 4096, 4096, 'c') && all_are(content + 8192, 4096, 'b'));
    mem_free(content);
    file_unref(direct);
    file_unref(file);
    fs_free(disk);
}

/* Each sector for itself, and the size for itself. */
static void test_torn_write(void **state)
{
    struct fs *disk = disk_new(1, DISK_SECTOR);
    struct file *file = durable_file(disk, 700);
    struct choices choices;
    unsigned seen = 0;

    assert_int_equal(write_at(file, 600, 900, 'b'), STATUS_OK); /* sectors 1 and 2; sizes 700, 1024, 1500 */
    choices = choices_of(disk);
    assert_int_equal(choices.count, 3);
    assert_int_equal(choices.outcomes[0], 2);
    assert_int_equal(choices.outcomes[1], 2);
    assert_int_equal(choices.outcomes[2], 3);
    for (uint32_t i = 0; i < 12; i++) {
        uint32_t outcomes[] = {i % 2, i / 2 % 2, i / 4};
        const size_t sizes[] = {700, 1024, 1500};
        size_t size;
        char *content = cut(disk, outcomes, "/f", &size);
        assert_int_equal(size, sizes[outcomes[2]]);
        for (size_t at = 0; at < size; at++) {
            bool written = at >= 600 && (at < 1024 ? outcomes[0] : outcomes[1]);
            assert_int_equal(content[at], written ? 'b' : at < 700 ? 'a' : 0);
        }
        seen++;
        mem_free(content);
    }
    assert_int_equal(seen, 12);
    synced(file);
    assert_int_equal(choices_of(disk).count, 0);
    file_unref(file);
    fs_free(disk);
}

static void test_overwritten_twice(void **state)
{
    struct fs *disk = disk_new(1, DISK_PAGE);
    struct file *file = durable_file(disk, 100);
    struct choices choices;

    assert_int_equal(write_at(file, 0, 50, 'b'), STATUS_OK);
    assert_int_equal(write_at(file, 0, 20, 'c'), STATUS_OK);
    choices = choices_of(disk);
    assert_int_equal(choices.count, 1);
    assert_int_equal(choices.outcomes[0], 3);
    for (uint32_t i = 0; i < 3; i++) {
        size_t size;
        char *content = cut(disk, &i, "/f", &size);
        assert_int_equal(content[0], "abc"[i]);
        assert_int_equal(content[30], "abb"[i]);
        assert_int_equal(content[60], 'a');
        mem_free(content);
    }
    file_unref(file);
    fs_free(disk);
}

static void test_cut_end(void **state)
{
    struct fs *disk = disk_new(1, DISK_SECTOR);
    struct file *file = durable_file(disk, 100);
    struct err err;
    size_t size;
    char *content;

    assert_int_equal(file_truncate(file, 40, &err), STATUS_OK);
    content = cut(disk, (uint32_t[]){0, 0}, "/f", &size);
    assert_int_equal(size, 100);
    mem_free(content);
    content = cut(disk, (uint32_t[]){1, 1}, "/f", &size);
    assert_int_equal(size, 40);
    mem_free(content);
    file_unref(file);
    fs_free(disk);
}

static bool there(struct fs *disk, const uint32_t *outcomes, const char *path)
{
    struct fs *after = disk_crash(disk, outcomes);
    bool found = fs_exists(after, path);

    fs_free(after);
    return found;
}

/* A rename is whole; what is not synced may be there without what came before. */
static void test_entries(void **state)
{
    struct fs *disk = disk_new(1, DISK_SECTOR);
    struct err err;

    file_unref(durable_file(disk, 10));
    file_unref(open_file(disk, "/g", FS_CREATE));
    assert_int_equal(fs_rename(disk, "/g", "/f", &err), STATUS_OK);
    assert_int_equal(choices_of(disk).count, 2); /* the creation, the rename */
    assert_true(there(disk, (uint32_t[]){1, 0}, "/g"));
    assert_false(there(disk, (uint32_t[]){1, 1}, "/g"));
    assert_false(there(disk, (uint32_t[]){0, 1}, "/g"));
    for (uint32_t i = 0; i < 4; i++)
        assert_true(there(disk, (uint32_t[]){i % 2, i / 2}, "/f"));
    assert_int_equal(fs_sync_dir(disk, "/", &err), STATUS_OK);
    assert_int_equal(fs_remove(disk, "/f", &err), STATUS_OK);
    assert_true(there(disk, (uint32_t[]){0}, "/f"));
    assert_false(there(disk, (uint32_t[]){1}, "/f"));
    fs_free(disk);
}

static void test_kill_loses_nothing(void **state)
{
    struct fs *disk = disk_new(1, DISK_SECTOR), *after;
    struct file *file = durable_file(disk, 100);

    assert_int_equal(write_at(file, 50, 100, 'b'), STATUS_OK);
    file_unref(open_file(disk, "/g", FS_CREATE));
    after = disk_crash(disk, NULL);
    assert_int_equal(disk_hash(after), disk_hash(disk));
    assert_int_equal(choices_of(after).count, choices_of(disk).count);
    assert_false(there(after, (uint32_t[]){0, 0, 0}, "/g"));
    fs_free(after);
    file_unref(file);
    fs_free(disk);
}

static void test_failed_sync(void **state)
{
    for (int drops = 0; drops < 2; drops++) {
        struct fs *disk = disk_new(3, DISK_SECTOR);
        struct file *file = durable_file(disk, 16 * DISK_SECTOR);
        size_t size, lost = 0;
        char *content;
        struct err err;

        assert_int_equal(write_at(file, 0, 16 * DISK_SECTOR, 'b'), STATUS_OK);
        disk_set_faults(disk, &(struct disk_faults){.sync_keeps = drops ? 0 : 1000000, .sync_drops = drops ? 1000000 : 0});
        assert_int_equal(file_sync(file, &err), STATUS_IO);
        file_unref(file);
        disk_set_faults(disk, &(struct disk_faults){0});
        file = open_file(disk, "/f", FS_WRITE);
        synced(file); /* succeeds, and writes nothing */
        file_unref(file);
        content = cut(disk, NULL, "/f", &size);
        for (size_t at = 0; at < size; at += DISK_SECTOR)
            lost += content[at] == 'a';
        mem_free(content);
        assert_true(drops ? lost > 0 && lost < 16 : lost == 0); /* as readers see it */
        assert_int_equal(choices_of(disk).count, 0);
        content = cut(disk, (uint32_t[]){0}, "/f", &size);
        for (size_t at = lost = 0; at < size; at += DISK_SECTOR)
            lost += content[at] == 'a';
        mem_free(content);
        assert_true(lost > 0 && lost < 16);
        fs_free(disk);
    }
}

/* What one's sync lost, the next one's is told of. */
static void test_failed_sync_is_told(void **state)
{
    struct fs *disk = disk_new(3, DISK_SECTOR);
    struct file *one, *two;
    struct err err;

    file_unref(durable_file(disk, 16 * DISK_SECTOR));
    one = open_file(disk, "/f", FS_WRITE);
    two = open_file(disk, "/f", FS_WRITE);
    assert_int_equal(write_at(one, 0, 16 * DISK_SECTOR, 'b'), STATUS_OK);
    disk_set_faults(disk, &(struct disk_faults){.sync_drops = 1000000});
    assert_int_equal(file_sync(one, &err), STATUS_IO);
    disk_set_faults(disk, &(struct disk_faults){0});
    assert_int_equal(file_sync(two, &err), STATUS_IO);
    file_unref(one);
    file_unref(two);
    one = open_file(disk, "/f", FS_WRITE); /* after it was told */
    synced(one);
    file_unref(one);
    fs_free(disk);
}

static void test_faults(void **state)
{
    struct fs *disk = disk_new(1, DISK_SECTOR);
    struct file *file = durable_file(disk, 100);
    uint64_t size;
    uint8_t byte;
    size_t got;
    struct err err;

    disk_set_faults(disk, &(struct disk_faults){.no_space_at = 2, .no_files_at = 1});
    assert_int_equal(write_at(file, 100, 1000, 'b'), STATUS_OK);
    assert_int_equal(write_at(file, 1100, 1000, 'c'), STATUS_NO_SPACE);
    assert_int_equal(write_at(file, 2099, 1, 'c'), STATUS_NO_SPACE);
    assert_int_equal(write_at(file, 100, 1000, 'b'), STATUS_OK); /* it is there */
    assert_int_equal(file_size(file, &size, &err), STATUS_OK);
    assert_in_range(size, 1100, 2099);
    assert_int_equal(fs_open(disk, "/f", FS_READ, &file, &err), STATUS_NO_SPACE);
    assert_int_equal(err.sys, 24); /* EMFILE: waited for as for space */
    disk_set_faults(disk, &(struct disk_faults){.read_fails = 1000000, .write_short = 1000000});
    assert_int_equal(file_read(file, 0, &byte, 1, &got, &err), STATUS_IO);
    assert_int_equal(write_at(file, 0, 10, 'd'), STATUS_IO);
    file_unref(file);
    fs_free(disk);
}

static void test_rot(void **state)
{
    for (int how = DISK_FLIP; how <= DISK_ZERO; how++) {
        struct fs *disk = disk_new(1, DISK_SECTOR);
        size_t size, wrong = 0;
        char *content;

        file_unref(durable_file(disk, 4 * DISK_SECTOR));
        assert_false(disk_rot(disk, (enum disk_rot)how, ".log"));
        assert_true(disk_rot(disk, (enum disk_rot)how, "f"));
        content = cut(disk, (uint32_t[]){0}, "/f", &size);
        for (size_t at = 0; at < size; at++)
            wrong += content[at] != 'a';
        mem_free(content);
        assert_int_equal(wrong, how == DISK_FLIP ? 1 : DISK_SECTOR);
        fs_free(disk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durable_alone), cmocka_unit_test(test_torn_write), cmocka_unit_test(test_overwritten_twice),  cmocka_unit_test(test_cut_end),
        cmocka_unit_test(test_entries),    cmocka_unit_test(test_kill_loses_nothing), cmocka_unit_test(test_failed_sync), cmocka_unit_test(test_failed_sync_is_told),
        cmocka_unit_test(test_faults),     cmocka_unit_test(test_rot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
