/* SPDX-License-Identifier: Apache-2.0
 * The part of fs.h that holds for every file system: whole files, trees, the count of a file's users, and the rule that a
 * failed sync is final.
 */
#include "rt/fs.h"

#include <errno.h>

#include "base/assert.h"
#include "base/bug.h"
#include "base/mem.h"
#include "rt/fs_backend.h"

enum status fs__failed(struct err *err, int sys, const char *action, const char *path)
{
    enum status status = STATUS_IO;

    if (sys == ENOENT)
        status = STATUS_NOT_FOUND;
    else if (sys == EEXIST)
        status = STATUS_EXISTS;
    else if (sys == ENOSPC || sys == EDQUOT || sys == EMFILE || sys == ENFILE)
        status = STATUS_NO_SPACE;
    else if (sys == ENOMEM)
        status = STATUS_NO_MEMORY;
    return err_sys(err, status, sys, "%s %s", action, path);
}

void fs_free(struct fs *fs)
{
    if (fs)
        fs->backend->free(fs);
}

enum status fs_open(struct fs *fs, const char *path, unsigned flags, struct file **file, struct err *err)
{
    enum status status = fs->backend->open(fs, path, flags, file, err);

    if (status != STATUS_OK)
        return status;
    (*file)->syncs = (flags & FS_DURABLE) && !(*file)->durable;
    (*file)->volume = flags & FS_VOLUME;
    return status;
}

enum status fs_mkdir(struct fs *fs, const char *path, struct err *err)
{
    return fs->backend->mkdir(fs, path, err);
}

enum status fs_rename(struct fs *fs, const char *from, const char *to, struct err *err)
{
    return fs->backend->rename(fs, from, to, err);
}

enum status fs_remove(struct fs *fs, const char *path, struct err *err)
{
    return fs->backend->remove(fs, path, err);
}

enum status fs_sync_dir(struct fs *fs, const char *path, struct err *err)
{
    return fs->backend->sync_dir(fs, path, err);
}

bool fs_exists(struct fs *fs, const char *path)
{
    return fs->backend->exists(fs, path);
}

enum status fs_space(struct fs *fs, const char *path, uint64_t *free, uint64_t *total, struct err *err)
{
    return fs->backend->space(fs, path, free, total, err);
}

enum status fs_list(struct fs *fs, const char *path, char ***names, size_t *count, struct err *err)
{
    return fs->backend->list(fs, path, names, count, err);
}

/* Below what path names, then path: a directory is told from a file by the failure to remove it. */
enum status fs_remove_tree(struct fs *fs, const char *path, struct err *err)
{
    char child[FS_PATH_MAX], **names;
    size_t count;
    struct err list_err;
    enum status status = fs_remove(fs, path, err);

    if (status == STATUS_OK || status == STATUS_NOT_FOUND)
        return status;
    if (fs_list(fs, path, &names, &count, &list_err)) {
        if (list_err.status == STATUS_NO_MEMORY)
            *err = list_err;
        return err->status;
    }
    status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        int n = snprintf(child, sizeof child, "%s/%s", path, names[i]);
        if (n < 0 || (size_t)n >= sizeof child)
            status = fs__failed(err, ENAMETOOLONG, "remove", path);
        else
            status = fs_remove_tree(fs, child, err);
    }
    mem_free(names);
    return status == STATUS_OK ? fs_remove(fs, path, err) : status;
}

/* --- whole files --- */

enum status fs_read_file(struct fs *fs, const char *path, size_t limit, char **content, size_t *size, struct err *err)
{
    struct file *file;
    uint64_t length = 0;
    char *bytes = NULL;
    enum status status = fs_open(fs, path, FS_READ, &file, err);

    if (status != STATUS_OK)
        return status;
    status = file_size(file, &length, err);
    if (status != STATUS_OK)
        goto out;
    if (length > limit) {
        status = err_set(err, STATUS_CORRUPT, "read %s: %llu bytes, more than the %zu that are allowed", path, (unsigned long long)length, limit);
        goto out;
    }
    bytes = mem_alloc(length + 1, 1);
    if (!bytes) {
        status = fs__failed(err, ENOMEM, "read", path);
        goto out;
    }
    status = file_read(file, 0, bytes, length, size, err);
    if (status != STATUS_OK)
        goto out;
    *content = bytes;
    bytes = NULL;
out:
    mem_free(bytes);
    file_unref(file);
    return status;
}

/* Syncs the directory that path is in. */
static enum status sync_parent(struct fs *fs, const char *path, struct err *err)
{
    char parent[FS_PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash ? (size_t)(slash - path) : 0;

    if (!slash)
        return fs_sync_dir(fs, ".", err);
    if (size == 0)
        return fs_sync_dir(fs, "/", err);
    if (size >= sizeof parent)
        return fs__failed(err, ENAMETOOLONG, "sync the directory of", path);
    memcpy(parent, path, size);
    parent[size] = 0;
    return fs_sync_dir(fs, parent, err);
}

enum status fs_write_file(struct fs *fs, const char *path, const void *content, size_t size, struct err *err)
{
    char temporary[FS_PATH_MAX];
    struct err ignored;
    struct file *file;
    int n = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    enum status status;

    if (n < 0 || (size_t)n >= sizeof temporary)
        return fs__failed(err, ENAMETOOLONG, "write", path);
    status = fs_open(fs, temporary, FS_CREATE, &file, err);
    if (status != STATUS_OK)
        return status;
    status = file_truncate(file, 0, err); /* one that a crash left behind */
    if (status == STATUS_OK)
        status = file_write(file, 0, &(struct bytes_view){content, size}, 1, err);
    if (status == STATUS_OK && !BUG(KAFKA_1539))
        status = file_sync(file, err);
    file_unref(file);
    if (status == STATUS_OK)
        status = fs_rename(fs, temporary, path, err);
    if (status == STATUS_NO_SPACE && fs_remove(fs, temporary, &ignored)) /* what it has of it others need */
        return err_wrap(err, "%s is left", temporary);
    return status == STATUS_OK ? sync_parent(fs, path, err) : status;
}

enum status fs_put_file(struct fs *fs, const char *path, const void *content, size_t size, struct err *err)
{
    struct file *file;
    uint64_t before;
    enum status status = fs_open(fs, path, FS_CREATE, &file, err);

    if (status != STATUS_OK)
        return status;
    status = file_size(file, &before, err);
    if (status == STATUS_OK && before > size) /* not to 0 and not always: ext4 writes a file that was emptied to the disk when it is closed */
        status = file_truncate(file, size, err);
    if (status == STATUS_OK && size)
        status = file_write(file, 0, &(struct bytes_view){content, size}, 1, err);
    file_unref(file);
    return status;
}

/* --- open files --- */

bool file__init(struct file *file, const struct fs_backend *backend, int fd, const char *path)
{
    file->backend = backend;
    file->fd = fd;
    file->durable = file->syncs = file->aside = file->volume = false;
    atomic_init(&file->refs, 1);
    atomic_init(&file->broken, false);
    file->path = path ? mem_copy(path, strlen(path)) : NULL;
    return file->path || !path;
}

struct file *file_ref(struct file *file)
{
    atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
    return file;
}

void file_unref(struct file *file)
{
    if (atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(file->path);
        file->backend->file_close(file);
    }
}

static bool file_broken(struct file *file, const char *action, enum status *status, struct err *err)
{
    if (!atomic_load_explicit(&file->broken, memory_order_relaxed))
        return false;
    *status = err_set(err, STATUS_IO, "%s %s: a sync of it failed before", action, file->path);
    return true;
}

struct file *file_part(struct file *file, uint64_t offset, size_t *size)
{
    return file->backend->file_part ? file->backend->file_part(file, offset, size) : file;
}

enum status file_read(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err)
{
    return file->backend->file_read(file, offset, to, size, got, err);
}

enum status file_read_cached(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err)
{
    if (!file->backend->file_read_cached)
        return file->backend->file_read(file, offset, to, size, got, err);
    return file->backend->file_read_cached(file, offset, to, size, got, err);
}

size_t file_cached(struct file *file, uint64_t offset, size_t size)
{
    return file->backend->file_cached ? file->backend->file_cached(file, offset, size) : size;
}

enum status file_write(struct file *file, uint64_t offset, const struct bytes_view *pieces, unsigned count, struct err *err)
{
    enum status status;

    if (file_broken(file, "write", &status, err))
        return status;
    status = file->backend->file_write(file, offset, pieces, count, err);
    return status == STATUS_OK && file->syncs ? file_sync(file, err) : status;
}

void file_begin_sync(struct file *file, uint64_t offset, uint64_t size)
{
    if (file->backend->file_begin_sync)
        file->backend->file_begin_sync(file, offset, size);
}

enum status file_sync(struct file *file, struct err *err)
{
    enum status status;

    if (file_broken(file, "sync", &status, err))
        return status;
    status = file->backend->file_sync(file, err);
    if (BUG(POSTGRES_FSYNC) && status != STATUS_OK)
        status = file->backend->file_sync(file, err);
    if (status == STATUS_OK)
        return status;
    atomic_store_explicit(&file->broken, true, memory_order_relaxed);
    if (fs_may_retry(status)) /* what was written before may be gone: nothing to wait for */
        status = err->status = STATUS_IO;
    return status;
}

enum status file_truncate(struct file *file, uint64_t size, struct err *err)
{
    return file->backend->file_truncate(file, size, err);
}

enum status file_allocate(struct file *file, uint64_t size, struct err *err)
{
    if (!file->backend->file_allocate)
        return fs__failed(err, EOPNOTSUPP, "allocate", file->path);
    return file->backend->file_allocate(file, size, err);
}

enum status file_size(struct file *file, uint64_t *size, struct err *err)
{
    return file->backend->file_size(file, size, err);
}

enum status file_lock(struct file *file, struct err *err)
{
    return file->backend->file_lock(file, err);
}

/* --- names --- */

bool fs__names_add(struct fs__names *names, const char *name)
{
    size_t size = strlen(name) + 1;

    if (size > names->room - names->used) {
        size_t room = names->room * 2 + size + 1024;
        char *text = mem_resize(names->text, room, 1);
        if (!text)
            return false;
        names->text = text;
        names->room = room;
    }
    memcpy(names->text + names->used, name, size);
    names->used += size;
    names->count++;
    return true;
}

static int order_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool fs__names_finish(struct fs__names *names, char ***out, size_t *count)
{
    char **table = mem_alloc(1, names->count * sizeof *table + names->used);

    if (table) {
        char *text = (char *)(table + names->count);
        if (names->used)
            memcpy(text, names->text, names->used);
        for (size_t i = 0; i < names->count; i++) {
            table[i] = text;
            text += strlen(text) + 1;
        }
        if (names->count)
            qsort(table, names->count, sizeof *table, order_names);
        *out = table;
        *count = names->count;
    }
    mem_free(names->text);
    return table;
}
