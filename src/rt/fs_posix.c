/* SPDX-License-Identifier: Apache-2.0
 * The machine's file system (fs.h). Every call is one system call or a loop over a bounded table; nothing is retried. Descriptors close
 * on exec.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "rt/fs_backend.h"

enum {
    PIECES_MAX = 256,      /* of one pwritev; the kernel takes 1024 */
    WARM_STEP = 16 * 1024, /* of one read whose bytes nobody wants */
    PROBE_STEP = 128 * 1024, /* what the kernel reads ahead at once, and so forgets together, mostly */
};

static const struct fs_backend posix_backend;

struct fs *fs_posix_new(void)
{
    struct fs *fs = mem_alloc(1, sizeof *fs);

    if (fs)
        fs->backend = &posix_backend;
    return fs;
}

static void posix_free(struct fs *fs)
{
    mem_free(fs);
}

static enum status posix_open(struct fs *fs, const char *path, unsigned flags, struct file **out, struct err *err)
{
    int how = O_CLOEXEC | (flags & (FS_WRITE | FS_CREATE) ? O_RDWR : O_RDONLY);
    struct file *file = mem_alloc(1, sizeof *file);
    bool durable;
    int fd;

    if (flags & FS_CREATE)
        how |= O_CREAT;
    if (flags & FS_EXCLUSIVE)
        how |= O_EXCL;
    if (flags & FS_VOLUME)
        how |= O_DIRECTORY;
    if (!file)
        return fs__failed(err, ENOMEM, "open", path);
    if (flags & FS_DURABLE)
        how |= O_DIRECT | O_DSYNC;
    if (flags & FS_DIRECT)
        how |= O_DIRECT;
    fd = open(path, how, 0644);
    durable = fd >= 0 && (flags & FS_DURABLE);
    if (fd < 0 && errno == EINVAL && (how & O_DIRECT)) /* a file system without direct writes; it may have made the file */
        fd = open(path, (how & ~(O_DIRECT | O_DSYNC | O_EXCL)), 0644);
    if (fd < 0) {
        mem_free(file);
        return fs__failed(err, errno, "open", path);
    }
    if (!file__init(file, &posix_backend, fd, path)) {
        close(fd);
        mem_free(file);
        return fs__failed(err, ENOMEM, "open", path);
    }
    file->durable = durable;
    file->aside = flags & FS_ASIDE;
    if (file->aside)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM); /* reads no further than it is asked */
    *out = file;
    return STATUS_OK;
}

static enum status posix_mkdir(struct fs *fs, const char *path, struct err *err)
{
    char prefix[FS_PATH_MAX];
    size_t size = strlen(path);
    struct stat is;

    if (size == 0 || size >= sizeof prefix)
        return fs__failed(err, size ? ENAMETOOLONG : ENOENT, "make directory", path);
    if (mkdir(path, 0755) == 0)
        return STATUS_OK;
    memcpy(prefix, path, size + 1);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] == '/' || path[i] == 0) {
            prefix[i] = 0;
            if (mkdir(prefix, 0755) < 0 && errno != EEXIST)
                return fs__failed(err, errno, "make directory", prefix);
            prefix[i] = path[i];
        }
    }
    if (stat(path, &is) < 0)
        return fs__failed(err, errno, "make directory", path);
    return S_ISDIR(is.st_mode) ? STATUS_OK : fs__failed(err, ENOTDIR, "make directory", path);
}

static enum status posix_rename(struct fs *fs, const char *from, const char *to, struct err *err)
{
    if (rename(from, to) == 0)
        return STATUS_OK;
    fs__failed(err, errno, "rename to", to);
    return err_wrap(err, "%s", from);
}

static enum status posix_remove(struct fs *fs, const char *path, struct err *err)
{
    if (unlink(path) == 0 || (errno == EISDIR && rmdir(path) == 0))
        return STATUS_OK;
    return errno == EEXIST ? fs__failed(err, ENOTEMPTY, "remove", path) : fs__failed(err, errno, "remove", path);
}

static enum status posix_sync_dir(struct fs *fs, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum status status = STATUS_OK;

    if (fd < 0)
        return fs__failed(err, errno, "open directory", path);
    if (fsync(fd) < 0)
        status = fs__failed(err, errno, "sync directory", path);
    close(fd); /* it was only read */
    return status;
}

static bool posix_exists(struct fs *fs, const char *path)
{
    return access(path, F_OK) == 0;
}

static enum status posix_space(struct fs *fs, const char *path, uint64_t *free, uint64_t *total, struct err *err)
{
    struct statvfs is;

    if (statvfs(path, &is) < 0)
        return fs__failed(err, errno, "ask the space of", path);
    *free = (uint64_t)is.f_bavail * is.f_frsize;
    *total = (uint64_t)is.f_blocks * is.f_frsize;
    return STATUS_OK;
}

static enum status posix_list(struct fs *fs, const char *path, char ***out, size_t *count, struct err *err)
{
    struct fs__names names = {0};
    struct dirent *entry;
    int failed;
    DIR *dir = opendir(path);

    if (!dir)
        return fs__failed(err, errno, "list", path);
    while ((errno = 0, entry = readdir(dir))) {
        bool self = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if (!self && !fs__names_add(&names, entry->d_name)) {
            errno = ENOMEM;
            break;
        }
    }
    failed = errno;
    closedir(dir);
    if (failed)
        mem_free(names.text);
    else if (!fs__names_finish(&names, out, count))
        failed = ENOMEM;
    return failed ? fs__failed(err, failed, "list", path) : STATUS_OK;
}

/* --- open files --- */

/* Whoever wrote has synced: what close could still report is nothing that an acknowledgement was given for. */
static void posix_file_close(struct file *file)
{
    close(file->fd);
    mem_free(file);
}

/* What of it is in the page cache, up to the first byte that is not; -1 and errno. */
static ssize_t read_nowait(const struct file *file, uint64_t offset, void *to, size_t size)
{
    struct iovec vec = {to, size};

    return preadv2(file->fd, &vec, 1, (off_t)offset, RWF_NOWAIT);
}

/* Some file systems let a file be opened for direct writes and reads and then take none, or want them larger, as all do of what is not whole blocks: the page cache takes
 * them, and O_DSYNC stays. */
static bool leave_direct(const struct file *file)
{
    int flags = fcntl(file->fd, F_GETFL);

    return flags >= 0 && (flags & O_DIRECT) && fcntl(file->fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

static enum status posix_file_read(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err)
{
    bool drops = file->aside && read_nowait(file, offset, to, size) != (ssize_t)size;
    uint8_t *at = to;

    *got = file->aside && !drops ? size : 0;
    while (*got < size) {
        ssize_t n = pread(file->fd, at + *got, size - *got, (off_t)(offset + *got));
        if (n < 0 && errno == EINVAL && leave_direct(file))
            continue;
        if (n < 0)
            return fs__failed(err, errno, "read", file->path);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    if (drops)
        (void)posix_fadvise(file->fd, (off_t)offset, (off_t)size, POSIX_FADV_DONTNEED);
    return STATUS_OK;
}

static enum status posix_file_read_cached(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err)
{
    uint8_t *at = to;

    *got = 0;
    while (*got < size) {
        ssize_t n = read_nowait(file, offset + *got, at + *got, size - *got);
        if (n < 0 && errno == EAGAIN)
            return err_set(err, STATUS_NOT_CACHED, "%s is not in memory", file->path);
        if (n < 0 && errno == EOPNOTSUPP)
            return posix_file_read(file, offset, to, size, got, err);
        if (n < 0)
            return fs__failed(err, errno, "read", file->path);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return STATUS_OK;
}

/* Whether the byte there is in the page cache. */
static bool byte_cached(const struct file *file, uint64_t offset)
{
    uint8_t byte;

    return read_nowait(file, offset, &byte, 1) >= 0 || errno != EAGAIN;
}

/* Whether all pages of the range are there, or on their way: one call that touches none of them. The system's headers may be older than it is. */
static bool pages_cached(const struct file *file, uint64_t offset, size_t size)
{
    enum { NR_CACHESTAT = 451 };
    struct {
        uint64_t offset, size;
    } range = {offset, size};
    struct {
        uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } pages;
    uint64_t first = offset / FS_BLOCK, last = (offset + size - 1) / FS_BLOCK;

    return syscall(NR_CACHESTAT, file->fd, &range, &pages, 0) == 0 && pages.cached > last - first;
}

static size_t posix_file_cached(struct file *file, uint64_t offset, size_t size)
{
    if (size > 2 * PROBE_STEP && pages_cached(file, offset, size) && byte_cached(file, offset) && byte_cached(file, offset + size - 1))
        return size;
    for (size_t at = 0; at < size; at += PROBE_STEP)
        if (!byte_cached(file, offset + at))
            return at;
    return !size || byte_cached(file, offset + size - 1) ? size : (size - 1) / PROBE_STEP * PROBE_STEP;
}

static enum status posix_file_write(struct file *file, uint64_t offset, const struct bytes_view *pieces, unsigned count, struct err *err)
{
    struct iovec vec[PIECES_MAX];
    size_t done = 0; /* of the first piece: a disk that is full takes what fits, and only the next call tells */

    while (count) {
        unsigned n = count < PIECES_MAX ? count : PIECES_MAX;
        ssize_t written;
        for (unsigned i = 0; i < n; i++) {
            union {
                const uint8_t *in;
                void *out;
            } data = {.in = done && !i ? pieces[i].data + done : pieces[i].data}; /* the kernel only reads it, but iovec has no const */
            vec[i] = (struct iovec){data.out, pieces[i].size - (i ? 0 : done)};
        }
        written = pwritev(file->fd, vec, (int)n, (off_t)offset);
        if (written < 0 && errno == EINVAL && leave_direct(file))
            continue;
        if (written < 0)
            return fs__failed(err, errno, "write", file->path);
        if (written == 0 && pieces->size > done)
            return err_set(err, STATUS_IO, "write %s: nothing was taken", file->path);
        offset += (uint64_t)written;
        for (done += (size_t)written; count && done >= pieces->size; count--)
            done -= (pieces++)->size;
    }
    return STATUS_OK;
}

/* Without waiting, so that a failure stays for fdatasync to find. */
static void posix_file_begin_sync(struct file *file, uint64_t offset, uint64_t size)
{
    (void)sync_file_range(file->fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
}

static enum status posix_file_sync(struct file *file, struct err *err)
{
    return (file->volume ? syncfs(file->fd) : fdatasync(file->fd)) < 0 ? fs__failed(err, errno, "sync", file->path) : STATUS_OK;
}

static enum status posix_file_truncate(struct file *file, uint64_t size, struct err *err)
{
    return ftruncate(file->fd, (off_t)size) < 0 ? fs__failed(err, errno, "truncate", file->path) : STATUS_OK;
}

static enum status posix_file_allocate(struct file *file, uint64_t size, struct err *err)
{
    return fallocate(file->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) < 0 ? fs__failed(err, errno, "allocate", file->path) : STATUS_OK;
}

static enum status posix_file_size(struct file *file, uint64_t *size, struct err *err)
{
    struct stat is;

    if (fstat(file->fd, &is) < 0)
        return fs__failed(err, errno, "ask the size of", file->path);
    *size = (uint64_t)is.st_size;
    return STATUS_OK;
}

/* An open file description lock: it meets the record locks that Kafka (Java's FileChannel) takes, and is not lost when another
 * descriptor of the same file is closed. */
static enum status posix_file_lock(struct file *file, struct err *err)
{
    struct flock how = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(file->fd, F_OFD_SETLK, &how) == 0)
        return STATUS_OK;
    if (errno == EAGAIN || errno == EACCES)
        return err_set(err, STATUS_EXISTS, "lock %s: held by another process", file->path);
    return fs__failed(err, errno, "lock", file->path);
}

void fs_posix__warm(const struct file *file, uint64_t offset, size_t size)
{
    uint8_t scratch[WARM_STEP];

    for (size_t done = 0; done < size;) {
        size_t step = size - done < sizeof scratch ? size - done : sizeof scratch;
        ssize_t n = pread(file->fd, scratch, step, (off_t)(offset + done));
        if (n <= 0)
            return;
        done += (size_t)n;
    }
}

static const struct fs_backend posix_backend = {
    .free = posix_free,
    .open = posix_open,
    .mkdir = posix_mkdir,
    .rename = posix_rename,
    .remove = posix_remove,
    .sync_dir = posix_sync_dir,
    .exists = posix_exists,
    .space = posix_space,
    .list = posix_list,
    .file_close = posix_file_close,
    .file_read = posix_file_read,
    .file_read_cached = posix_file_read_cached,
    .file_cached = posix_file_cached,
    .file_write = posix_file_write,
    .file_begin_sync = posix_file_begin_sync,
    .file_sync = posix_file_sync,
    .file_truncate = posix_file_truncate,
    .file_allocate = posix_file_allocate,
    .file_size = posix_file_size,
    .file_lock = posix_file_lock,
};
