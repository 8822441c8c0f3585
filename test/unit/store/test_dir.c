/* SPDX-License-Identifier: Apache-2.0
 * Log directories: what is found, what is left alone, checkpoints, the clean marker, removal.
 */
#include "sim/disk.h"
#include "world.h"

static void put(struct fs *fs, const char *path, const char *text)
{
    struct err err;

    assert_int_equal(fs_write_file(fs, path, text, strlen(text), &err), STATUS_OK);
}

static void folder(struct fs *fs, const char *path)
{
    struct err err;

    assert_int_equal(fs_mkdir(fs, path, &err), STATUS_OK);
}

static struct log_dir *open_dir(struct fs *fs)
{
    struct log_dir *dir;
    struct err err;

    if (log_dir_open(fs, "/data", &dir, &err) || log_dir_begin(dir, &err))
        fail_msg("%s", err.text);
    return dir;
}

static void test_entries(void **state)
{
    struct fs *fs = fs_mem_new();
    const struct log_dir_entry *entries;
    struct log_dir *dir;
    size_t count;

    folder(fs, "/data/a-0");
    folder(fs, "/data/a-b-12");
    folder(fs, "/data/a-01");         /* no number of ours */
    folder(fs, "/data/notes");
    folder(fs, "/data/gone-3.0123456789abcdef0123456789abcdef-delete");
    put(fs, "/data/gone-3.0123456789abcdef0123456789abcdef-delete/00000000000000000000.log", "x");
    put(fs, "/data/meta.properties", "version=1\n");
    put(fs, "/data/recovery-point-offset-checkpoint", "0\n3\na 0 17\na-b 12 5\nold 1 2\n");
    put(fs, "/data/log-start-offset-checkpoint", "0\n1\na 0 4\n");
    dir = open_dir(fs);
    entries = log_dir_entries(dir, &count);
    assert_int_equal(count, 2);
    assert_string_equal(entries[0].name, "a-0");
    assert_true(str_is(entries[0].topic, "a"));
    assert_int_equal(entries[0].recovery_point, 17);
    assert_int_equal(entries[0].log_start, 4);
    assert_true(str_is(entries[1].topic, "a-b"));
    assert_int_equal(entries[1].partition, 12);
    assert_int_equal(entries[1].recovery_point, 5);
    assert_int_equal(entries[1].log_start, -1);
    assert_false(fs_exists(fs, "/data/gone-3.0123456789abcdef0123456789abcdef-delete"));
    assert_true(fs_exists(fs, "/data/notes"));
    assert_false(log_dir_clean(dir));
    log_dir_close(dir);
    fs_free(fs);
}

/* Topics may have names like those of our own files. */
static void test_nearly_journals(void **state)
{
    static const char *const folders[] = {"barnabas-journal-0", "barnabas-journal.-0", "barnabas-journal.0-0", "barnabas-journal.0.tmp-0"};
    struct fs *fs = fs_mem_new();
    const struct log_dir_entry *entries;
    struct log_dir *dir;
    struct err err;
    char path[64];
    size_t count;

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "/data/%s", folders[i]);
        folder(fs, path);
    }
    put(fs, "/data/barnabas-journal.0.tmp", "being made");
    put(fs, "/data/barnabas-journal.12.tmp", "being made");
    put(fs, "/data/barnabas-journal.3.needed", "8192\n"); /* it is lost: a warning, and no more */
    dir = open_dir(fs);
    entries = log_dir_entries(dir, &count);
    assert_int_equal(count, sizeof folders / sizeof *folders);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(entries[i].name, folders[i]);
    assert_int_equal(log_dir_recovered(dir, &err), STATUS_OK);
    assert_false(fs_exists(fs, "/data/barnabas-journal.0.tmp"));
    assert_false(fs_exists(fs, "/data/barnabas-journal.12.tmp"));
    assert_false(fs_exists(fs, "/data/barnabas-journal.3.needed"));
    log_dir_close(dir);
    fs_free(fs);
}

/* Nothing of a checkpoint that does not read to its end is believed. */
static void test_broken_checkpoints(void **state)
{
    static const char *const broken[] = {"", "1\n1\na 0 17\n", "0\n2\na 0 17\n", "0\n1\na 0 17\na 0 18\n", "0\n1\na 0 x\n", "0\n1\na 0 9999999999999999999\n", "0\n-1\n"};

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct fs *fs = fs_mem_new();
        const struct log_dir_entry *entries;
        struct log_dir *dir;
        size_t count;
        folder(fs, "/data/a-0");
        put(fs, "/data/recovery-point-offset-checkpoint", broken[i]);
        dir = open_dir(fs);
        entries = log_dir_entries(dir, &count);
        assert_int_equal(count, 1);
        assert_int_equal(entries[0].recovery_point, -1);
        log_dir_close(dir);
        fs_free(fs);
    }
}

static void test_clean_marker(void **state)
{
    struct fs *fs = fs_mem_new();
    struct log_dir *dir = open_dir(fs);
    struct checkpoint_entry entries[] = {{STR_LIT("a"), 0, 9}, {STR_LIT("a-b"), 12, INT64_MAX}};
    char *content;
    size_t size;
    struct err err;

    assert_int_equal(log_dir_write_checkpoint(dir, "replication-offset-checkpoint", entries, 2, &err), STATUS_OK);
    assert_int_equal(fs_read_file(fs, "/data/replication-offset-checkpoint", 1000, &content, &size, &err), STATUS_OK);
    assert_string_equal(content, "0\n2\na 0 9\na-b 12 9223372036854775807\n");
    mem_free(content);
    assert_int_equal(log_dir_mark_clean(dir, 13, &err), STATUS_OK);
    log_dir_close(dir);
    assert_int_equal(fs_read_file(fs, "/data/.kafka_cleanshutdown", 1000, &content, &size, &err), STATUS_OK);
    assert_string_equal(content, "{\"version\":0,\"brokerEpoch\":13}"); /* as Kafka writes it */
    mem_free(content);
    dir = open_dir(fs);
    assert_true(log_dir_clean(dir));
    log_dir_close(dir);
    dir = open_dir(fs); /* it was not stopped cleanly this time */
    assert_false(log_dir_clean(dir));
    log_dir_close(dir);
    fs_free(fs);
}

static void test_remove_partition(void **state)
{
    struct fs *fs = fs_mem_new();
    struct log_dir *dir;
    struct err err;
    char **names;
    size_t count;

    folder(fs, "/data/a-0");
    put(fs, "/data/a-0/partition.metadata", "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAABw\n");
    put(fs, "/data/a-0/00000000000000000000.log", "x");
    dir = open_dir(fs);
    assert_int_equal(log_dir_remove_partition(dir, "a-0", &err), STATUS_OK);
    assert_int_equal(fs_list(fs, "/data", &names, &count, &err), STATUS_OK);
    assert_int_equal(count, 1);
    assert_string_equal(names[0], ".lock");
    mem_free(names);
    assert_int_equal(log_dir_remove_partition(dir, "a-0", &err), STATUS_NOT_FOUND);
    assert_int_equal(log_dir_remove_partition(dir, "../a-0", &err), STATUS_INVALID);
    log_dir_close(dir);
    fs_free(fs);
}

/* A folder of another topic, or whose id rotted: nothing in it is lost, however often. */
static void test_put_aside(void **state)
{
    static const char *const left[] = {".lock", "a-0.00000000000000000000000000000007-stray", "a-0.00000000000000000000000000000007.1-stray"};
    struct fs *fs = fs_mem_new();
    struct log_dir *dir;
    size_t count, size;
    struct err err;
    char **names, *content;

    folder(fs, "/data");
    dir = open_dir(fs);
    for (int i = 0; i < 2; i++) {
        folder(fs, "/data/a-0");
        put(fs, "/data/a-0/partition.metadata", "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAABw\n");
        put(fs, "/data/a-0/00000000000000000000.log", i ? "second" : "first");
        assert_int_equal(log_dir_put_aside(dir, "a-0", &err), STATUS_OK);
    }
    assert_int_equal(fs_list(fs, "/data", &names, &count, &err), STATUS_OK);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(names[i], left[i]);
    mem_free(names);
    assert_int_equal(fs_read_file(fs, "/data/a-0.00000000000000000000000000000007.1-stray/00000000000000000000.log", 1000, &content, &size, &err), STATUS_OK);
    assert_string_equal(content, "second");
    mem_free(content);
    log_dir_close(dir);
    dir = open_dir(fs); /* they are no partitions */
    (void)log_dir_entries(dir, &count);
    assert_int_equal(count, 0);
    log_dir_close(dir);
    fs_free(fs);
}

/* A folder that a killed process made is used from now on, so it must outlive a power cut. */
static void test_folders_are_durable(void **state)
{
    static const uint32_t as_synced[1000];
    struct fs *disk = disk_new(1, DISK_SECTOR), *after;
    struct err err;

    folder(disk, "/data");
    assert_int_equal(fs_sync_dir(disk, "/", &err), STATUS_OK);
    put(disk, "/data/meta.properties", "version=1\n");
    folder(disk, "/data/a-0");
    log_dir_close(open_dir(disk));
    after = disk_crash(disk, as_synced);
    assert_true(fs_exists(after, "/data/a-0"));
    fs_free(disk);
    fs_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_nearly_journals),
        cmocka_unit_test(test_broken_checkpoints),
        cmocka_unit_test(test_clean_marker),
        cmocka_unit_test(test_remove_partition),
        cmocka_unit_test(test_put_aside),
        cmocka_unit_test(test_folders_are_durable),
    };

    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
