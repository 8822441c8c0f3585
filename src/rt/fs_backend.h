/* SPDX-License-Identifier: Apache-2.0
 * What fs.h calls and a file system implements (fs_posix.c, fs_mem.c). A backend embeds struct fs and struct file at the head of its own.
 */
#ifndef RT_FS_BACKEND_H
#define RT_FS_BACKEND_H

#include <stdatomic.h>

#include "rt/fs.h"

struct fs_backend { /* the functions of fs.h of the same names */
    void (*free)(struct fs *fs);
    enum status (*open)(struct fs *fs, const char *path, unsigned flags, struct file **file, struct err *err);
    enum status (*mkdir)(struct fs *fs, const char *path, struct err *err);
    enum status (*rename)(struct fs *fs, const char *from, const char *to, struct err *err);
    enum status (*remove)(struct fs *fs, const char *path, struct err *err);
    enum status (*sync_dir)(struct fs *fs, const char *path, struct err *err);
    bool (*exists)(struct fs *fs, const char *path);
    enum status (*space)(struct fs *fs, const char *path, uint64_t *free, uint64_t *total, struct err *err);
    enum status (*list)(struct fs *fs, const char *path, char ***names, size_t *count, struct err *err);

    void (*file_close)(struct file *file); /* the last reference is gone */
    struct file *(*file_part)(struct file *file, uint64_t offset, size_t *size); /* NULL: it is no row of others */
    enum status (*file_read)(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err);
    enum status (*file_read_cached)(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err); /* this and file_cached NULL: it never waits */
    size_t (*file_cached)(struct file *file, uint64_t offset, size_t size);
    enum status (*file_write)(struct file *file, uint64_t offset, const struct bytes_view *pieces, unsigned count, struct err *err);
    void (*file_begin_sync)(struct file *file, uint64_t offset, uint64_t size); /* NULL: nothing to begin */
    enum status (*file_sync)(struct file *file, struct err *err);
    enum status (*file_truncate)(struct file *file, uint64_t size, struct err *err);
    enum status (*file_allocate)(struct file *file, uint64_t size, struct err *err);                /* NULL: it cannot */
    enum status (*file_size)(struct file *file, uint64_t *size, struct err *err);
    const uint8_t *(*file_memory)(const struct file *file, uint64_t offset, size_t size); /* NULL: no file's content stays in memory */
    enum status (*file_lock)(struct file *file, struct err *err);
};

struct fs {
    const struct fs_backend *backend;
};

struct file {
    const struct fs_backend *backend;
    int fd;             /* what the kernel can send from; -1: none */
    bool durable;       /* the backend's writes are durable by themselves */
    bool volume;        /* FS_VOLUME */
    bool syncs;         /* each write is followed by a sync: FS_DURABLE of a backend that has nothing better */
    bool aside;         /* FS_ASIDE */
    atomic_uint refs;   /* dropped with release, acquired by who closes */
    atomic_bool broken; /* a sync failed; each job that writes was ordered after that one's, so it needs no order of its own */
    char *path;         /* for messages */
};

/* The common part, with one reference. path NULL: nothing that is done with it can fail. false: no memory. */
bool file__init(struct file *file, const struct fs_backend *backend, int fd, const char *path) __attribute__((warn_unused_result));

/* For a file with a descriptor: brings a range into the page cache. Blocks; a failure shows when the range is sent. */
void fs_posix__warm(const struct file *file, uint64_t offset, size_t size);

/* The status of a failed system call, told in err as "<action> <path>: <reason>". */
enum status fs__failed(struct err *err, int sys, const char *action, const char *path);

/* Gathers what fs_list answers. */
struct fs__names {
    char *text; /* names one behind the other, each with its zero byte */
    size_t used, room, count;
};
bool fs__names_add(struct fs__names *names, const char *name) __attribute__((warn_unused_result)); /* false: no memory */
/* Sorts them into the caller's block; frees what was gathered, also on failure. */
bool fs__names_finish(struct fs__names *names, char ***out, size_t *count) __attribute__((warn_unused_result));

#endif
