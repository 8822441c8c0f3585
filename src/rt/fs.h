/* SPDX-License-Identifier: Apache-2.0
 * Files, as blocking calls on a file system that is an object: the machine's (fs_posix), one in memory (fs_mem: `--memory`, tests,
 * and with faults the simulator). Called at start, from jobs, and on the loop only where the page cache answers.
 *
 * Rules: every call reports its failure, nothing is retried. A short write goes on, until all is written or the reason is told. A failed
 * file_sync is final for the file, and never for lack of space: every later write or sync of it fails too. What was created, renamed or removed is durable only after
 * fs_sync_dir of the directory. Paths are UTF-8, at most FS_PATH_MAX bytes, and never come from a peer unchecked.
 * Status: STATUS_NOT_FOUND, STATUS_EXISTS, STATUS_NO_SPACE (on the volume, or for one more open file), STATUS_NO_MEMORY, else STATUS_IO; err tells the path and the action.
 */
#ifndef RT_FS_H
#define RT_FS_H

#include "base/err.h"
#include "base/view.h"

#define FS_PATH_MAX 4096
#define FS_BLOCK 4096 /* what a disk writes at once: FS_DURABLE */

/* The first byte from here on where a block in memory may begin. Ask for FS_BLOCK bytes more than are to be used. */
static inline uint8_t *fs_aligned(uint8_t *bytes)
{
    return bytes + (FS_BLOCK - (uintptr_t)bytes % FS_BLOCK) % FS_BLOCK;
}

struct fs;
struct file;

enum fs_open {
    FS_READ = 0,
    FS_WRITE = 1,     /* read and write */
    FS_CREATE = 2,    /* make it when it is not there (implies FS_WRITE) */
    FS_EXCLUSIVE = 4, /* with FS_CREATE: STATUS_EXISTS when it is there */
    FS_DURABLE = 8,   /* with FS_WRITE: a file_write is durable when it returns; memory, offset and size of each piece are multiples of FS_BLOCK */
    FS_ASIDE = 16,    /* to read: what was not in the page cache is not left there */
    FS_DIRECT = 64,   /* to read much once: past the page cache, where memory, offset and size are multiples of FS_BLOCK and the file system can */
    FS_VOLUME = 32,   /* a directory, for file_sync alone: all files and names that were changed in its file system, by whom ever, are durable then;
                       * a failure to write any of them since it was opened is told */
};

/* Of a failure: there was no room, on the volume, for one more open file, or in memory. The same call may succeed later, and what a first attempt wrote is written over. */
static inline bool fs_may_retry(enum status status)
{
    return status == STATUS_NO_SPACE || status == STATUS_NO_MEMORY;
}

struct fs *fs_posix_new(void);
struct fs *fs_mem_new(void);
void fs_free(struct fs *fs);

enum status fs_open(struct fs *fs, const char *path, unsigned flags, struct file **file, struct err *err) MUST_CHECK;
enum status fs_mkdir(struct fs *fs, const char *path, struct err *err) MUST_CHECK;    /* parents too; fine when it is there */
enum status fs_rename(struct fs *fs, const char *from, const char *to, struct err *err) MUST_CHECK; /* replaces */
enum status fs_remove(struct fs *fs, const char *path, struct err *err) MUST_CHECK;   /* a file or an empty directory */
enum status fs_remove_tree(struct fs *fs, const char *path, struct err *err) MUST_CHECK;
enum status fs_sync_dir(struct fs *fs, const char *path, struct err *err) MUST_CHECK;
bool fs_exists(struct fs *fs, const char *path);
/* Free and total bytes of the volume that holds path. */
enum status fs_space(struct fs *fs, const char *path, uint64_t *free, uint64_t *total, struct err *err) MUST_CHECK;

/* Names in a directory (without . and ..), sorted by byte order, into one block: names[i] are C strings. Free with mem_free(names). */
enum status fs_list(struct fs *fs, const char *path, char ***names, size_t *count, struct err *err) MUST_CHECK;

/* Whole small files. The content ends with a zero byte that *size does not count; free with mem_free. Over `limit` bytes: STATUS_CORRUPT. */
enum status fs_read_file(struct fs *fs, const char *path, size_t limit, char **content, size_t *size, struct err *err) MUST_CHECK;
/* Writes beside (path + ".tmp"), syncs, renames, syncs the directory: after STATUS_OK the new content is there for good; before, the old. */
enum status fs_write_file(struct fs *fs, const char *path, const void *content, size_t size, struct err *err) MUST_CHECK;

/* The same, but for the promise: a crash before the volume is synced (FS_VOLUME) leaves any part of it. */
enum status fs_put_file(struct fs *fs, const char *path, const void *content, size_t size, struct err *err) MUST_CHECK;

/* A file is counted, so that a range which is being sent outlives the segment's removal; atomic: a file may be sent by another shard. */
struct file *file_ref(struct file *file);
void file_unref(struct file *file); /* closes with the last reference */

/* A file may be a row of others: the one that has the byte at `offset` (most are their own), and how many of the *size bytes from there on are in it.
 * Borrowed. */
struct file *file_part(struct file *file, uint64_t offset, size_t *size);

/* *got < size only at the end of the file. */
enum status file_read(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err) MUST_CHECK;
/* As file_read, without waiting for the disk: STATUS_NOT_CACHED, and *got is what was in memory before the first byte that is not. Where the file system
 * cannot tell, it waits. */
enum status file_read_cached(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err) MUST_CHECK;
/* How many of the bytes from `offset` on can be read or sent without waiting for the disk, as far as some probes tell. */
size_t file_cached(struct file *file, uint64_t offset, size_t size);
/* All pieces one behind the other at offset. */
enum status file_write(struct file *file, uint64_t offset, const struct bytes_view *pieces, unsigned count, struct err *err) MUST_CHECK;
/* A hint: what was written there will be synced, so that the disk may begin. Promises nothing, hides no error of a later file_sync. */
void file_begin_sync(struct file *file, uint64_t offset, uint64_t size);
enum status file_sync(struct file *file, struct err *err) MUST_CHECK; /* data and what is needed to read it back (fdatasync) */
enum status file_truncate(struct file *file, uint64_t size, struct err *err) MUST_CHECK;
/* Blocks of the volume for [0, size) of the file, whose size stays: file_truncate gives back what lies behind it. Where the file system cannot: STATUS_IO. */
enum status file_allocate(struct file *file, uint64_t size, struct err *err) MUST_CHECK;
enum status file_size(struct file *file, uint64_t *size, struct err *err) MUST_CHECK;
/* An exclusive lock for the life of the process: STATUS_EXISTS when another process has it. */
enum status file_lock(struct file *file, struct err *err) MUST_CHECK;

#endif
