/* SPDX-License-Identifier: Apache-2.0
 * Durable writes: each ends once, on its shard, and the file has what was written, in a file system with a descriptor for each file and in one without.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worlds.h"

enum { WRITES = 20 }; /* more than a ring has entries */

static struct io_write writes[WRITES];
static uint8_t blocks[WRITES][FS_BLOCK] __attribute__((aligned(FS_BLOCK)));
static struct file *file;
static enum status expected;
static unsigned done;

static void written(struct shard *here, struct io_write *write)
{
    shard_assert(here);
    ASSERT(write->status == expected);
    if (++done == WRITES)
        rt_stop(here);
}

static void start(struct shard *here, void *context)
{
    for (unsigned i = 0; i < WRITES; i++) {
        memset(blocks[i], 'a' + (int)i, FS_BLOCK);
        writes[i] = (struct io_write){.done = written, .file = file, .offset = (uint64_t)i * FS_BLOCK, .bytes = {blocks[i], FS_BLOCK}};
        io_write(shard_io(here), &writes[i]);
    }
}

static void check(void **state, struct fs *fs, const char *path)
{
    struct err err;
    size_t got;
    uint8_t byte;

    done = 0;
    expected = STATUS_OK;
    assert_int_equal(fs_open(fs, path, FS_CREATE | FS_DURABLE, &file, &err), STATUS_OK);
    run_scenario(state, &(struct scenario){.shards = 1, .start = start});
    assert_int_equal(done, WRITES);
    file_unref(file);
    assert_int_equal(fs_open(fs, path, FS_READ, &file, &err), STATUS_OK);
    for (unsigned i = 0; i < WRITES; i++) {
        assert_int_equal(file_read(file, (uint64_t)(i + 1) * FS_BLOCK - 1, &byte, 1, &got, &err), STATUS_OK);
        assert_int_equal(byte, 'a' + i);
    }
    file_unref(file);
}

static void test_writes(void **state)
{
    struct fs *memory = fs_mem_new(), *machine = fs_posix_new();
    char dir[] = "/tmp/test_write_XXXXXX", path[64];
    struct err err;

    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/file", dir);
    check(state, memory, "/file");
    check(state, machine, path);
    assert_int_equal(fs_remove_tree(machine, dir, &err), STATUS_OK);
    fs_free(memory);
    fs_free(machine);
}

/* A descriptor that may only be read. */
static void test_failures(void **state)
{
    struct fs *fs = fs_posix_new();
    char dir[] = "/tmp/test_write_XXXXXX", path[64];
    struct err err;

    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/file", dir);
    assert_int_equal(fs_write_file(fs, path, "", 0, &err), STATUS_OK);
    assert_int_equal(fs_open(fs, path, FS_READ | FS_DURABLE, &file, &err), STATUS_OK);
    done = 0;
    expected = STATUS_IO;
    run_scenario(state, &(struct scenario){.shards = 1, .start = start});
    assert_int_equal(done, WRITES);
    assert_non_null(strstr(writes[0].err.text, path));
    file_unref(file);
    assert_int_equal(fs_remove_tree(fs, dir, &err), STATUS_OK);
    fs_free(fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH_WORLDS(test_writes),
        IN_BOTH_WORLDS(test_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
