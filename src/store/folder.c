/* SPDX-License-Identifier: Apache-2.0
 * The folder of a log, which is made when the first of its bytes are on their way to a file: until then a log is in memory (log.h: fresh), and a partition
 * that nobody writes to, or that is gone before the journal wants its space back, costs the disk nothing.
 *
 *   unmade ──spill: folder, partition.metadata, segment──> unsynced ──sync──> there
 *      └──────────────────────── direct commit ─────────────────────────────> there
 *
 * While it is unsynced the journal has all that the log has. A crash leaves any of the three, and of the file any part: the replay of the journal makes
 * them again (journal_recover.c). A direct commit has nothing behind it, so there each is durable before the next.
 */
#include "store/log_int.h"

enum { METADATA_SIZE = 64 };

static enum status metadata_path(char path[static FS_PATH_MAX], const char *dir, struct err *err)
{
    if (snprintf(path, FS_PATH_MAX, "%s/partition.metadata", dir) >= FS_PATH_MAX)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", dir);
    return STATUS_OK;
}

static size_t metadata_text(const struct log *log, char text[static METADATA_SIZE])
{
    char id[UUID_TEXT_SIZE];

    uuid_format(log->topic_id, id);
    return (size_t)snprintf(text, METADATA_SIZE, "version: 0\ntopic_id: %s\n", id);
}

enum status log__save_metadata(const struct log *log, struct err *err)
{
    char path[FS_PATH_MAX], text[METADATA_SIZE];

    if (metadata_path(path, log->dir, err))
        return err->status;
    return fs_write_file(log->fs, path, text, metadata_text(log, text), err);
}

/* Calls `then` with the file of the topic's id. */
static enum status metadata_file(const struct log *log, unsigned flags, enum status (*then)(const struct log *, struct file *, struct err *), struct err *err)
{
    char path[FS_PATH_MAX];
    struct file *file;
    enum status status;

    if (metadata_path(path, log->dir, err) || fs_open(log->fs, path, flags, &file, err))
        return err->status;
    status = then(log, file, err);
    file_unref(file);
    return status;
}

static enum status metadata_write(const struct log *log, struct file *file, struct err *err)
{
    char text[METADATA_SIZE];

    return file_write(file, 0, &(struct bytes_view){(const uint8_t *)text, metadata_text(log, text)}, 1, err);
}

static enum status metadata_sync(const struct log *log, struct file *file, struct err *err)
{
    return file_sync(file, err);
}

uint64_t log__blocks(const struct log *log, bool makes)
{
    size_t size = (size_t)log->config->segment_bytes;

    return makes && log->config->preallocates && store__take_room(log->home, size) ? size : 0;
}

void log__allocate(struct file *file, uint64_t blocks)
{
    struct err ignored;
    uint64_t size;

    if (file_allocate(file, blocks, &ignored) && !file_size(file, &size, &ignored))
        (void)!file_truncate(file, size, &ignored); /* it may have been given a part of them */
}

enum status log__make_file(const struct log *log, int64_t base, struct file **file, struct err *err)
{
    char path[FS_PATH_MAX];

    if (segment_path(path, log->dir, base, ".log", err))
        return err->status;
    return fs_open(log->fs, path, log->again ? FS_CREATE : FS_CREATE | FS_EXCLUSIVE, file, err);
}

enum status log__make_folder(const struct log *log, int64_t base, struct file **file, struct err *err)
{
    if (fs_mkdir(log->fs, log->dir, err) || (!uuid_is_zero(log->topic_id) && metadata_file(log, FS_CREATE, metadata_write, err)))
        return err->status;
    return log__make_file(log, base, file, err);
}

enum status log__sync_folder(const struct log *log, struct err *err)
{
    if (!uuid_is_zero(log->topic_id) && metadata_file(log, FS_WRITE, metadata_sync, err))
        return err->status;
    return fs_sync_dir(log->fs, log->dir, err);
}

enum status log__sync_home(const struct log *log, struct err *err)
{
    return fs_sync_dir(log->fs, log->home->path[0] ? log->home->path : "/", err);
}

enum status log__make_folder_durable(const struct log *log, int64_t base, struct file **file, struct err *err)
{
    if (fs_mkdir(log->fs, log->dir, err) || log__sync_home(log, err) || (!uuid_is_zero(log->topic_id) && log__save_metadata(log, err)))
        return err->status;
    if (log__make_file(log, base, file, err))
        return err->status;
    return fs_sync_dir(log->fs, log->dir, err);
}
