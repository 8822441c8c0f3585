/* SPDX-License-Identifier: Apache-2.0
 * See folder_copy.h. A segment's copy is as long as what was copied of it: where to go on needs no bookkeeping.
 */
#include "store/folder_copy.h"

#include "base/mem.h"
#include "store/dir.h"
#include "store/segment.h"

enum { CHUNK = 1 << 20, METADATA_MAX = 4096 };

static const char metadata_name[] = "partition.metadata";

static enum status copy_path(const char *folder, const char *name, char path[static FS_PATH_MAX], struct err *err)
{
    if (snprintf(path, FS_PATH_MAX, "%s/%s", folder, name) >= FS_PATH_MAX)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", folder);
    return STATUS_OK;
}

static enum status copy_metadata(struct folder_copy *c, struct err *err)
{
    char path[FS_PATH_MAX], *content;
    enum status status;
    size_t size;

    c->reads = true;
    if (copy_path(c->from, metadata_name, path, err) || fs_read_file(c->fs, path, METADATA_MAX, &content, &size, err))
        return err->status;
    c->reads = false;
    status = copy_path(c->to, metadata_name, path, err);
    if (status == STATUS_OK)
        status = fs_write_file(c->fs, path, content, size, err);
    mem_free(content);
    return status;
}

static enum status copy_make(struct folder_copy *c, struct err *err)
{
    char parent[FS_PATH_MAX];
    char *slash;

    memcpy(parent, c->to, sizeof parent);
    slash = strrchr(parent, '/');
    if (slash)
        *slash = 0;
    if (fs_exists(c->fs, c->to) && fs_remove_tree(c->fs, c->to, err))
        return err->status;
    return fs_mkdir(c->fs, c->to, err) || fs_sync_dir(c->fs, parent, err) ? err->status : copy_metadata(c, err);
}

enum status folder_copy_begin(struct folder_copy *c, struct fs *fs, const char *from, const char *future, struct err *err)
{
    *c = (struct folder_copy){.fs = fs, .reached = -1};
    if (strlen(from) >= sizeof c->from || strlen(future) >= sizeof c->to)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", from);
    memcpy(c->from, from, strlen(from) + 1);
    memcpy(c->to, future, strlen(future) + 1);
    c->buffer = mem_alloc(CHUNK, 1);
    return c->buffer ? copy_make(c, err) : err_set(err, STATUS_NO_MEMORY, "no memory to copy %s", from);
}

enum status folder_copy_round(struct folder_copy *c, bool last, struct err *err)
{
    c->last = last;
    c->at = 0;
    c->moved = 0;
    c->reads = true;
    return fs_list(c->fs, c->from, &c->names, &c->count, err);
}

static bool is_segment(const char *name)
{
    int64_t base;

    return segment_named(name, ".log", &base);
}

/* What the log needs, and is not about to go. */
static bool is_wanted(const struct folder_copy *c, const char *name)
{
    static const char *const passing[] = {".deleted", ".cleaned", ".swap", ".tmp", ".cut"};

    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        const char *at = strstr(name, passing[i]);

        if (at && !at[strlen(passing[i])])
            return false;
    }
    return c->last ? log_dir_file_named(name) : is_segment(name);
}

/* ---- a file ---- */

static enum status file_begin(struct folder_copy *c, const char *name, struct err *err)
{
    char path[FS_PATH_MAX];
    uint64_t end;

    c->reads = true;
    if (copy_path(c->from, name, path, err) || fs_open(c->fs, path, FS_READ | FS_ASIDE, &c->in, err))
        return err->status;
    c->reads = false;
    if (copy_path(c->to, name, path, err) || fs_open(c->fs, path, FS_CREATE, &c->out, err))
        return err->status;
    if (!is_segment(name)) {
        c->position = 0;
        return file_truncate(c->out, 0, err);
    }
    if (!segment_named(name, ".log", &c->reached) || file_size(c->in, &end, err) || file_size(c->out, &c->position, err))
        return err->status;
    if (c->position >= end + FS_BLOCK)
        c->position = 0; /* the copy is of another one that had its name */
    else if (c->position > end)
        c->position = end;
    if (c->position)
        c->position = (c->position - 1) / FS_BLOCK * FS_BLOCK; /* of the last block not all may have been there */
    return file_truncate(c->out, c->position, err);
}

static enum status file_end(struct folder_copy *c, struct err *err)
{
    enum status status = STATUS_OK;

    c->reads = false;
    if (c->out && c->wrote)
        status = file_sync(c->out, err);
    if (c->in)
        file_unref(c->in);
    if (c->out)
        file_unref(c->out);
    c->in = c->out = NULL;
    c->wrote = false;
    return status;
}

/* *size of it; less at its end. */
static enum status file_copy(struct folder_copy *c, size_t *size, struct err *err)
{
    size_t got = 0;

    c->reads = true;
    if (file_read(c->in, c->position, c->buffer, *size < CHUNK ? *size : CHUNK, &got, err))
        return err->status;
    *size = got;
    if (!got)
        return STATUS_OK;
    c->reads = false;
    c->wrote = true;
    c->position += got;
    c->moved += got;
    return file_write(c->out, c->position - got, &(struct bytes_view){c->buffer, got}, 1, err);
}

/* ---- a round ---- */

static bool has_name(char **names, size_t count, const char *name)
{
    for (size_t low = 0, high = count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, names[middle]);

        if (order == 0)
            return true;
        *(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
    }
    return false;
}

/* What was copied of segments that went since leaves the copy, and all of it is durable. */
static enum status copy_finish(struct folder_copy *c, struct err *err)
{
    char **names, path[FS_PATH_MAX];
    size_t count;
    enum status status;

    c->reads = false;
    status = fs_list(c->fs, c->to, &names, &count, err);
    if (status)
        return status;
    for (size_t i = 0; i < count && !status; i++) {
        if (has_name(c->names, c->count, names[i]) && is_wanted(c, names[i]))
            continue;
        status = copy_path(c->to, names[i], path, err);
        if (!status)
            status = fs_remove(c->fs, path, err);
    }
    mem_free(names);
    return status ? status : fs_sync_dir(c->fs, c->to, err);
}

static enum status round_end(struct folder_copy *c, struct err *err)
{
    enum status status = c->last ? copy_finish(c, err) : STATUS_OK;

    mem_free(c->names);
    c->names = NULL;
    return status;
}

enum status folder_copy_step(struct folder_copy *c, size_t size, bool *over, struct err *err)
{
    *over = false;
    while (size > 0) {
        size_t n = size;

        if (!c->in && c->at == c->count) {
            *over = true;
            return round_end(c, err);
        }
        if (!c->in && !is_wanted(c, c->names[c->at])) {
            c->at++;
            continue;
        }
        if (!c->in && file_begin(c, c->names[c->at], err)) {
            if (err->status != STATUS_NOT_FOUND || !c->reads || c->last)
                return err->status;
            c->at++; /* retention was quicker */
            continue;
        }
        if (file_copy(c, &n, err))
            return err->status;
        size -= n;
        if (n == 0) {
            c->at++;
            if (file_end(c, err))
                return err->status;
        }
    }
    return STATUS_OK;
}

void folder_copy_end(struct folder_copy *c)
{
    struct err ignored; /* what was written of it is worth nothing, or synced before */

    c->wrote = false;
    (void)!file_end(c, &ignored);
    mem_free(c->names);
    mem_free(c->buffer);
    c->names = NULL;
    c->buffer = NULL;
}
