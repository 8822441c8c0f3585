/* SPDX-License-Identifier: Apache-2.0
 * The same tests on the machine's file system (in a directory of their own) and on the one in memory; then what only the latter can show:
 * injected faults.
 */
#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "rt/fs_mem.h"
#include "test/unit/cm.h"

struct place {
    struct fs *fs;
    char root[64];
    struct err err;
};

static struct place *place_new(struct fs *fs, const char *root)
{
    struct place *p = mem_alloc(1, sizeof *p);

    assert_non_null(fs);
    p->fs = fs;
    (void)snprintf(p->root, sizeof p->root, "%s", root);
    return p;
}

static int setup_posix(void **state)
{
    char root[] = "/tmp/barnabas-test-XXXXXX";

    assert_non_null(mkdtemp(root));
    *state = place_new(fs_posix_new(), root);
    return 0;
}

static int setup_mem(void **state)
{
    struct place *p = place_new(fs_mem_new(), "/data");

    assert_int_equal(fs_mkdir(p->fs, p->root, &p->err), STATUS_OK);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;

    mem_fail_at(0);
    assert_int_equal(fs_remove_tree(p->fs, p->root, &p->err), STATUS_OK);
    assert_false(fs_exists(p->fs, p->root));
    fs_free(p->fs);
    mem_free(p);
    return 0;
}

/* A path below the root; the last four answers stay valid. */
static const char *at(struct place *p, const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof paths[0], "%s/%s", p->root, name);
    return path;
}

static struct file *make(struct place *p, const char *name, const char *content)
{
    struct file *file;
    struct bytes_view piece = {(const uint8_t *)content, strlen(content)};

    assert_int_equal(fs_open(p->fs, at(p, name), FS_CREATE, &file, &p->err), STATUS_OK);
    assert_int_equal(file_write(file, 0, &piece, 1, &p->err), STATUS_OK);
    return file;
}

static void assert_content(struct file *file, const char *expected)
{
    char bytes[256];
    struct err err;
    size_t got;
    uint64_t size;

    assert_int_equal(file_read(file, 0, bytes, sizeof bytes, &got, &err), STATUS_OK);
    assert_int_equal(got, strlen(expected));
    assert_memory_equal(bytes, expected, got);
    assert_int_equal(file_size(file, &size, &err), STATUS_OK);
    assert_int_equal(size, got);
}

static void test_open(void **state)
{
    struct place *p = *state;
    struct file *file;

    assert_int_equal(fs_open(p->fs, at(p, "a"), FS_READ, &file, &p->err), STATUS_NOT_FOUND);
    assert_non_null(strstr(p->err.text, "open "));
    assert_non_null(strstr(p->err.text, "/a: No such file or directory"));
    assert_int_equal(p->err.sys, ENOENT);
    file_unref(make(p, "a", "x"));
    assert_int_equal(fs_open(p->fs, at(p, "a"), FS_CREATE | FS_EXCLUSIVE, &file, &p->err), STATUS_EXISTS);
    assert_int_equal(fs_open(p->fs, at(p, "none/a"), FS_CREATE, &file, &p->err), STATUS_NOT_FOUND);
    assert_int_equal(fs_open(p->fs, p->root, FS_WRITE, &file, &p->err), STATUS_IO);
    assert_true(fs_exists(p->fs, at(p, "a")));
    assert_false(fs_exists(p->fs, at(p, "b")));
}

static void test_read_and_write(void **state)
{
    struct place *p = *state;
    struct file *file = make(p, "a", "hello");
    struct bytes_view pieces[3] = {{(const uint8_t *)"12", 2}, {NULL, 0}, {(const uint8_t *)"345", 3}};
    char bytes[4];
    size_t got;

    assert_content(file, "hello");
    assert_int_equal(file_write(file, 3, pieces, 3, &p->err), STATUS_OK);
    assert_content(file, "hel12345");
    assert_int_equal(file_read(file, 6, bytes, 4, &got, &p->err), STATUS_OK);
    assert_int_equal(got, 2);
    assert_int_equal(file_read(file, 100, bytes, 4, &got, &p->err), STATUS_OK);
    assert_int_equal(got, 0);
    assert_int_equal(file_sync(file, &p->err), STATUS_OK);
    assert_int_equal(file_truncate(file, 2, &p->err), STATUS_OK);
    assert_content(file, "he");
    assert_int_equal(file_write(file, 4, pieces, 1, &p->err), STATUS_OK); /* over the end: zeros between */
    assert_int_equal(file_read(file, 2, bytes, 4, &got, &p->err), STATUS_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(bytes, "\0\0" "12", 4);
    file_unref(file);
}

static void test_many_pieces(void **state)
{
    struct place *p = *state;
    struct file *file = make(p, "a", "");
    struct bytes_view pieces[1000];
    uint8_t bytes[1000];
    size_t got;

    for (unsigned i = 0; i < 1000; i++)
        pieces[i] = (struct bytes_view){(const uint8_t *)"0123456789" + i % 10, 1};
    assert_int_equal(file_write(file, 0, pieces, 1000, &p->err), STATUS_OK);
    assert_int_equal(file_read(file, 0, bytes, sizeof bytes, &got, &p->err), STATUS_OK);
    assert_int_equal(got, 1000);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(bytes[i], '0' + i % 10);
    file_unref(file);
}

static void test_rename_and_remove(void **state)
{
    struct place *p = *state;
    struct file *a = make(p, "a", "A"), *b = make(p, "b", "B"), *again;

    assert_int_equal(fs_rename(p->fs, at(p, "a"), at(p, "b"), &p->err), STATUS_OK);
    assert_false(fs_exists(p->fs, at(p, "a")));
    assert_content(b, "B"); /* replaced, but still open */
    assert_int_equal(fs_open(p->fs, at(p, "b"), FS_READ, &again, &p->err), STATUS_OK);
    assert_content(again, "A");
    assert_int_equal(fs_remove(p->fs, at(p, "b"), &p->err), STATUS_OK);
    assert_content(a, "A");
    assert_int_equal(fs_remove(p->fs, at(p, "b"), &p->err), STATUS_NOT_FOUND);
    assert_int_equal(fs_rename(p->fs, at(p, "b"), at(p, "c"), &p->err), STATUS_NOT_FOUND);
    assert_int_equal(fs_rename(p->fs, at(p, "b"), at(p, "b"), &p->err), STATUS_NOT_FOUND);
    file_unref(a);
    file_unref(b);
    file_unref(again);
}

static void test_directories(void **state)
{
    struct place *p = *state;
    char **names;
    size_t count;

    assert_int_equal(fs_mkdir(p->fs, at(p, "x/y/z"), &p->err), STATUS_OK);
    assert_int_equal(fs_mkdir(p->fs, at(p, "x/y/z"), &p->err), STATUS_OK);
    file_unref(make(p, "x/b", ""));
    file_unref(make(p, "x/a", ""));
    file_unref(make(p, "x/y/f", "1"));
    assert_int_equal(fs_mkdir(p->fs, at(p, "x/a/q"), &p->err), STATUS_IO);
    assert_int_equal(fs_mkdir(p->fs, at(p, "x/a"), &p->err), STATUS_IO);
    assert_int_equal(fs_list(p->fs, at(p, "x"), &names, &count, &p->err), STATUS_OK);
    assert_int_equal(count, 3);
    assert_string_equal(names[0], "a");
    assert_string_equal(names[1], "b");
    assert_string_equal(names[2], "y");
    mem_free(names);
    assert_int_equal(fs_list(p->fs, at(p, "x/y/z"), &names, &count, &p->err), STATUS_OK);
    assert_int_equal(count, 0);
    mem_free(names);
    assert_int_equal(fs_list(p->fs, at(p, "none"), &names, &count, &p->err), STATUS_NOT_FOUND);
    assert_int_equal(fs_sync_dir(p->fs, at(p, "x"), &p->err), STATUS_OK);
    assert_int_equal(fs_sync_dir(p->fs, at(p, "none"), &p->err), STATUS_NOT_FOUND);
    assert_int_equal(fs_remove(p->fs, at(p, "x"), &p->err), STATUS_IO); /* not empty */
    assert_int_equal(fs_rename(p->fs, at(p, "x"), at(p, "x/y/w"), &p->err), STATUS_IO); /* into itself */
    assert_int_equal(fs_rename(p->fs, at(p, "x"), at(p, "w"), &p->err), STATUS_OK);
    assert_true(fs_exists(p->fs, at(p, "w/y/f")));
    assert_int_equal(fs_remove_tree(p->fs, at(p, "w"), &p->err), STATUS_OK);
    assert_int_equal(fs_remove_tree(p->fs, at(p, "w"), &p->err), STATUS_NOT_FOUND);
}

static void test_whole_files(void **state)
{
    struct place *p = *state;
    const char *path = at(p, "meta.properties");
    char *content;
    size_t size;

    assert_int_equal(fs_write_file(p->fs, path, "version=1\n", 10, &p->err), STATUS_OK);
    assert_int_equal(fs_write_file(p->fs, path, "v=2", 3, &p->err), STATUS_OK);
    assert_int_equal(fs_read_file(p->fs, path, 3, &content, &size, &p->err), STATUS_OK);
    assert_int_equal(size, 3);
    assert_string_equal(content, "v=2");
    mem_free(content);
    assert_int_equal(fs_read_file(p->fs, path, 2, &content, &size, &p->err), STATUS_CORRUPT);
    assert_int_equal(fs_read_file(p->fs, at(p, "none"), 2, &content, &size, &p->err), STATUS_NOT_FOUND);
    assert_false(fs_exists(p->fs, at(p, "meta.properties.tmp")));
}

static void test_locks(void **state)
{
    struct place *p = *state;
    struct file *first = make(p, ".lock", ""), *second;

    assert_int_equal(fs_open(p->fs, at(p, ".lock"), FS_WRITE, &second, &p->err), STATUS_OK);
    assert_int_equal(file_lock(first, &p->err), STATUS_OK);
    assert_int_equal(file_lock(first, &p->err), STATUS_OK);
    assert_int_equal(file_lock(second, &p->err), STATUS_EXISTS);
    file_unref(first);
    assert_int_equal(file_lock(second, &p->err), STATUS_OK);
    file_unref(second);
}

static void test_counts_and_space(void **state)
{
    struct place *p = *state;
    struct file *file = make(p, "a", "x");
    uint64_t free, total;

    assert_ptr_equal(file_ref(file), file);
    file_unref(file);
    assert_content(file, "x");
    file_unref(file);
    assert_int_equal(fs_space(p->fs, p->root, &free, &total, &p->err), STATUS_OK);
    assert_true(free > 0 && free <= total);
}

static void test_long_paths_are_refused(void **state)
{
    struct place *p = *state;
    char path[FS_PATH_MAX + 100];

    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = 0;
    assert_int_equal(fs_write_file(p->fs, path, "", 0, &p->err), STATUS_IO);
    assert_int_equal(p->err.sys, ENAMETOOLONG);
}

/* Whatever allocation fails, the answer says so and nothing is lost or leaked. */
static enum status do_much(struct place *p)
{
    char **names = NULL, *content = NULL;
    struct file *file = NULL;
    size_t count, size;
    enum status status = fs_mkdir(p->fs, at(p, "d/e"), &p->err);

    if (status == STATUS_OK)
        status = fs_write_file(p->fs, at(p, "d/e/f"), "abc", 3, &p->err);
    if (status == STATUS_OK)
        status = fs_rename(p->fs, at(p, "d/e/f"), at(p, "d/g"), &p->err);
    if (status == STATUS_OK)
        status = fs_read_file(p->fs, at(p, "d/g"), 100, &content, &size, &p->err);
    mem_free(content);
    if (status == STATUS_OK)
        status = fs_list(p->fs, at(p, "d"), &names, &count, &p->err);
    mem_free(names);
    if (status == STATUS_OK)
        status = fs_open(p->fs, at(p, "d/h"), FS_CREATE, &file, &p->err);
    if (status == STATUS_OK)
        status = file_truncate(file, 100000, &p->err);
    if (file)
        file_unref(file);
    return status;
}

static void test_every_allocation_may_fail(void **state)
{
    struct place *p = *state;
    enum status status = STATUS_NO_MEMORY;

    for (uint64_t n = 1; status != STATUS_OK; n++) {
        mem_fail_at(n);
        status = do_much(p);
        mem_fail_at(0);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        assert_in_range(n, 1, 100);
        if (fs_exists(p->fs, at(p, "d")))
            assert_int_equal(fs_remove_tree(p->fs, at(p, "d"), &p->err), STATUS_OK);
    }
}

/* --- faults --- */

struct fault {
    enum fs_call call;
    int sys;
    unsigned skip; /* this many such calls pass first */
};

static int inject(void *context, enum fs_call call, const char *path)
{
    struct fault *fault = context;

    if (call != fault->call || !fault->sys)
        return 0;
    return fault->skip-- ? 0 : fault->sys;
}

static void test_a_failed_sync_is_final(void **state)
{
    struct place *p = *state;
    struct file *file = make(p, "a", "x");
    struct fault fault = {.call = FS_CALL_SYNC, .sys = EIO};
    struct bytes_view piece = {(const uint8_t *)"y", 1};

    fs_mem_set_fault(p->fs, inject, &fault);
    assert_int_equal(file_sync(file, &p->err), STATUS_IO);
    fs_mem_set_fault(p->fs, NULL, NULL);
    assert_int_equal(file_sync(file, &p->err), STATUS_IO); /* though the disk is well again */
    assert_int_equal(file_write(file, 1, &piece, 1, &p->err), STATUS_IO);
    assert_content(file, "x"); /* it can still be read */
    file_unref(file);
}

static void test_faults_become_statuses(void **state)
{
    static const struct {
        int sys;
        enum status status;
    } rows[] = {{ENOSPC, STATUS_NO_SPACE}, {EDQUOT, STATUS_NO_SPACE}, {ENOMEM, STATUS_NO_MEMORY}, {EIO, STATUS_IO}, {EMFILE, STATUS_NO_SPACE}, {ENFILE, STATUS_NO_SPACE}};
    struct place *p = *state;
    struct fault fault = {.call = FS_CALL_WRITE};
    struct file *file = make(p, "a", "x");
    struct bytes_view piece = {(const uint8_t *)"yz", 2};

    fs_mem_set_fault(p->fs, inject, &fault);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fault.sys = rows[i].sys;
        fault.skip = 0;
        assert_int_equal(file_write(file, 0, &piece, 1, &p->err), rows[i].status);
        assert_int_equal(p->err.sys, rows[i].sys);
        assert_content(file, "x");
    }
    fs_mem_set_fault(p->fs, NULL, NULL);
    file_unref(file);
}

/* After a failure in any of its steps the old content is there; the temporary file may be left and is taken over by the next try. */
static void test_whole_files_survive_every_fault(void **state)
{
    static const enum fs_call calls[] = {FS_CALL_OPEN, FS_CALL_TRUNCATE, FS_CALL_WRITE, FS_CALL_SYNC, FS_CALL_RENAME};
    struct place *p = *state;
    const char *path = at(p, "f");
    char *content;
    size_t size;

    assert_int_equal(fs_write_file(p->fs, path, "old", 3, &p->err), STATUS_OK);
    for (unsigned i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct fault fault = {.call = calls[i], .sys = EIO};
        fs_mem_set_fault(p->fs, inject, &fault);
        assert_int_equal(fs_write_file(p->fs, path, "new content", 11, &p->err), STATUS_IO);
        fs_mem_set_fault(p->fs, NULL, NULL);
        assert_int_equal(fs_read_file(p->fs, path, 100, &content, &size, &p->err), STATUS_OK);
        assert_string_equal(content, "old");
        mem_free(content);
    }
    assert_int_equal(fs_write_file(p->fs, path, "n", 1, &p->err), STATUS_OK);
    assert_int_equal(fs_read_file(p->fs, path, 100, &content, &size, &p->err), STATUS_OK);
    assert_string_equal(content, "n");
    mem_free(content);
}

/* Bytes that no direct write takes: as on a file system that lets files be opened for such writes, and then wants larger ones. */
static void test_direct_writes_are_not_taken(void **state)
{
    struct place *p = *state;
    struct bytes_view pieces[] = {{(const uint8_t *)"acknow", 6}, {(const uint8_t *)"ledged", 6}};
    struct file *file;

    assert_int_equal(fs_open(p->fs, at(p, "f"), FS_CREATE | FS_DURABLE, &file, &p->err), STATUS_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(file_write(file, 0, pieces, 2, &p->err), STATUS_OK);
    assert_content(file, "acknowledged");
    file_unref(file);
}

/* Whole blocks past the page cache; and what is none, as the end of a file that was cut, is read all the same. */
static void test_direct_reads(void **state)
{
    static _Alignas(FS_BLOCK) uint8_t content[2 * FS_BLOCK + 5], got[4 * FS_BLOCK];
    struct place *p = *state;
    const char *path = at(p, "journal");
    struct file *file;
    size_t size;

    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)(i * 131 >> 4);
    assert_int_equal(fs_write_file(p->fs, path, content, sizeof content, &p->err), STATUS_OK);
    assert_int_equal(fs_open(p->fs, path, FS_READ | FS_DIRECT, &file, &p->err), STATUS_OK);
    assert_int_equal(file_read(file, 0, got, FS_BLOCK, &size, &p->err), STATUS_OK);
    assert_true(size == FS_BLOCK && memcmp(got, content, size) == 0);
    assert_int_equal(file_read(file, FS_BLOCK, got, sizeof content - FS_BLOCK, &size, &p->err), STATUS_OK);
    assert_true(size == FS_BLOCK + 5 && memcmp(got, content + FS_BLOCK, size) == 0);
    assert_int_equal(file_read(file, 7, got + 1, sizeof got - 1, &size, &p->err), STATUS_OK);
    assert_true(size == sizeof content - 7 && memcmp(got + 1, content + 7, size) == 0);
    file_unref(file);
}

#define ON_BOTH(test)                                                                                                             \
    {#test " (posix)", test, setup_posix, teardown, NULL}, {#test " (mem)", test, setup_mem, teardown, NULL}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_open),
        ON_BOTH(test_read_and_write),
        ON_BOTH(test_many_pieces),
        ON_BOTH(test_rename_and_remove),
        ON_BOTH(test_directories),
        ON_BOTH(test_whole_files),
        ON_BOTH(test_locks),
        ON_BOTH(test_counts_and_space),
        ON_BOTH(test_long_paths_are_refused),
        ON_BOTH(test_every_allocation_may_fail),
        ON_BOTH(test_direct_writes_are_not_taken),
        ON_BOTH(test_direct_reads),
        cmocka_unit_test_setup_teardown(test_a_failed_sync_is_final, setup_mem, teardown),
        cmocka_unit_test_setup_teardown(test_faults_become_statuses, setup_mem, teardown),
        cmocka_unit_test_setup_teardown(test_whole_files_survive_every_fault, setup_mem, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
