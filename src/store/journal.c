/* SPDX-License-Identifier: Apache-2.0
 * See journal.h: making it, filling it, and syncing what it owes.
 *
 *   state   NONE ──enough commits──> MAKING ──done──> READY
 *                                       └──failed──> REFUSED: the slow way, for good
 */
#include "store/journal.h"

#include "base/assert.h"
#include "base/bug.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/writer.h"
#include "rt/log.h"
#include "store/log_int.h"

enum {
    COMMITS_FIRST = 64,            /* that go the slow way before a journal is made: a broker that only starts and stops makes none */
    GROUP_BYTES = 1 << 20,         /* a group that has as many takes no more */
    SHARE_BYTES_MAX = 1 << 20,    /* of one log: more is not written twice */
    HEAD_ROOM = FS_BLOCK,
    BUFFER_BYTES = GROUP_BYTES + SHARE_BYTES_MAX + FS_BLOCK,
};

struct half {
    uint64_t first;   /* sequence of the first group in it */
    struct list logs; /* that it owes: log.journal_halves[.] */
};

struct journal {
    struct store *store;
    const char *dir;
    size_t half_size, capacity; /* capacity: of the buffer, the largest group */
    enum { NONE, MAKING, READY, REFUSED } state;
    unsigned commits;         /* while NONE */
    bool kept;                /* a log was not closed well: the file stays for the next start */
    char path[FS_PATH_MAX];
    struct file *file;
    uint64_t id, sequence;    /* sequence: of the last group */
    struct half halves[2];
    unsigned current;
    uint64_t used;            /* bytes of the current half */
    uint8_t *block, *buffer;  /* buffer: the aligned part of block */

    struct io_job job;        /* the making; later the group that is under way */
    struct log *maker;        /* whose commit was the one too many: not idle until the file is made */
    bool open, busy;          /* open: takes commits, this turn */
    struct list group;        /* of commits */
    size_t filled;
    uint64_t oldest;
    enum status status;
    struct err err;

    struct {                  /* of one log of the half that is not filled */
        struct io_job job;
        struct log *log;      /* NULL: none under way */
        struct file *file;
        int64_t end;          /* what is synced after it */
        enum status status;
        struct err err;
    } flush;
};

static size_t whole_blocks(size_t size)
{
    return (size + FS_BLOCK - 1) / FS_BLOCK * FS_BLOCK;
}

struct journal *journal_new(struct store *store, const char *dir, size_t size)
{
    struct journal *j = mem_alloc(1, sizeof *j);

    if (!j)
        return NULL;
    j->store = store;
    j->dir = dir;
    j->half_size = size / 2 / FS_BLOCK * FS_BLOCK;
    j->capacity = j->half_size / 4 / FS_BLOCK * FS_BLOCK < BUFFER_BYTES ? j->half_size / 4 / FS_BLOCK * FS_BLOCK : BUFFER_BYTES;
    list_init(&j->halves[0].logs);
    list_init(&j->halves[1].logs);
    list_init(&j->group);
    if (snprintf(j->path, sizeof j->path, "%s/" JOURNAL_PREFIX "%u", dir, shard_id(store__shard(store))) >= (int)sizeof j->path)
        j->state = REFUSED;
    return j;
}

void journal_free(struct journal *j)
{
    struct fs *fs;
    struct err err;

    if (!j)
        return;
    ASSERT(!j->busy && !j->flush.log && j->state != MAKING);
    fs = shard_fs(store__shard(j->store));
    if (j->file) {
        file_unref(j->file);
        if (!j->kept && (fs_remove(fs, j->path, &err) || fs_sync_dir(fs, j->dir, &err)))
            log_line(LOG_WARN, "journal not removed", "file=%s reason=%s", j->path, err.text);
    }
    mem_free(j->block);
    mem_free(j);
}

/* --- making ---------------------------------------------------------------------------------------------------------------- */

/* Blocks that were never written cost the file system a commit each when they are: so all are, here, and then the head. */
static enum status make_content(struct journal *j, struct file *file, struct err *err)
{
    uint64_t size = HEAD_ROOM + 2 * (uint64_t)j->half_size;
    struct writer w;

    for (uint64_t at = 0, step; at < size; at += step) {
        step = size - at < j->capacity ? size - at : j->capacity;
        if (file_write(file, at, &(struct bytes_view){j->buffer, (size_t)step}, 1, err))
            return err->status;
    }
    writer_init(&w, j->buffer, JOURNAL_HEAD);
    writer_u32(&w, JOURNAL_MAGIC);
    writer_u32(&w, 0);
    writer_i64(&w, (int64_t)j->id);
    writer_init(&w, j->buffer + 4, 4);
    writer_u32(&w, crc32c(j->buffer + 8, JOURNAL_HEAD - 8));
    return file_write(file, 0, &(struct bytes_view){j->buffer, HEAD_ROOM}, 1, err);
}

/* Under another name until it is whole, so that who finds a journal finds a whole one. */
static enum status make_file(struct journal *j, struct err *err)
{
    struct fs *fs = shard_fs(store__shard(j->store));
    char path[FS_PATH_MAX];
    struct err ignored;
    struct file *file;

    if (snprintf(path, sizeof path, "%s.tmp", j->path) >= (int)sizeof path)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", j->path);
    if (fs_open(fs, path, FS_CREATE | FS_DURABLE, &file, err))
        return err->status;
    if (make_content(j, file, err) || fs_rename(fs, path, j->path, err) || fs_sync_dir(fs, j->dir, err)) {
        file_unref(file);
        if (fs_remove(fs, path, &ignored) && fs_remove(fs, j->path, &ignored))
            (void)err_wrap(err, "%s is left", path);
        return err->status;
    }
    j->file = file;
    return STATUS_OK;
}

static void make_work(struct io_job *job)
{
    struct journal *j = LIST_ENTRY(job, struct journal, job);

    j->status = make_file(j, &j->err);
}

static void make_done(struct shard *here, struct io_job *job)
{
    struct journal *j = LIST_ENTRY(job, struct journal, job);
    struct log *maker = j->maker;

    j->state = j->status ? REFUSED : READY;
    if (j->status)
        log_line(LOG_WARN, "no journal: each log syncs for itself", "dir=%s reason=%s", j->dir, j->err.text);
    else
        log_line(LOG_INFO, "journal made", "file=%s bytes=%zu", j->path, HEAD_ROOM + 2 * j->half_size);
    j->maker = NULL;
    maker->jobs--;
    log__check_idle(maker);
}

static void make(struct journal *j, struct log *maker)
{
    struct shard *shard = store__shard(j->store);

    j->block = mem_alloc(j->capacity + FS_BLOCK, 1);
    if (!j->block) {
        j->commits = 0;
        return;
    }
    j->buffer = j->block + (FS_BLOCK - (uintptr_t)j->block % FS_BLOCK) % FS_BLOCK;
    j->id = shard_random(shard);
    j->state = MAKING;
    j->maker = maker;
    maker->jobs++;
    j->job = (struct io_job){.work = make_work, .done = make_done, .lane = j};
    io_job_submit(shard_io(shard), &j->job);
}

/* --- syncing what it owes -------------------------------------------------------------------------------------------------- */

bool journal_owes(const struct log *log)
{
    return log->home->journal && log->synced < log->durable;
}

void journal_forget(struct log *log)
{
    if (journal_owes(log))
        log->home->journal->kept = true;
    list_remove(&log->journal_halves[0]);
    list_remove(&log->journal_halves[1]);
}

static void flush_next(struct journal *j);

static void flush_work(struct io_job *job)
{
    struct journal *j = LIST_ENTRY(job, struct journal, flush.job);

    j->flush.status = file_sync(j->flush.file, &j->flush.err);
}

static void flush_done(struct shard *here, struct io_job *job)
{
    struct journal *j = LIST_ENTRY(job, struct journal, flush.job);
    struct log *log = j->flush.log;

    j->flush.log = NULL;
    file_unref(j->flush.file);
    if (j->flush.status)
        store__failed(log, &j->flush.err);
    else if (log->synced < j->flush.end)
        log->synced = j->flush.end;
    log->jobs--;
    log__check_idle(log);
    if (!store__offline(log->home))
        flush_next(j);
}

/* One at a time: commits that go the slow way are not to wait behind many. What is owed lies in the segment of the last durable offset,
 * whose file stays open for as long as it is. */
static void flush_next(struct journal *j)
{
    struct half *half = &j->halves[!j->current];
    struct segment *seg;
    struct list *node;
    struct log *log;

    do {
        node = list_pop_front(&half->logs);
        if (!node)
            return;
        log = LIST_ENTRY(node, struct log, journal_halves[!j->current]);
    } while (log->synced == log->durable);
    seg = log->segments[log__segment_at(log, log->durable - 1)];
    ASSERT(seg->file);
    j->flush.log = log;
    j->flush.file = file_ref(seg->file);
    j->flush.end = log->durable;
    j->flush.job = (struct io_job){.work = flush_work, .done = flush_done};
    log->jobs++;
    io_job_submit(shard_io(store__shard(j->store)), &j->flush.job);
}

static bool other_half_free(const struct journal *j)
{
    return list_empty(&j->halves[!j->current].logs) && !j->flush.log;
}

/* --- a group --------------------------------------------------------------------------------------------------------------- */

void journal_begin(struct journal *j)
{
    if (!j || j->state != READY || j->busy)
        return;
    if (j->half_size - j->used < j->capacity && other_half_free(j)) {
        j->current = !j->current;
        j->used = 0;
        j->halves[j->current].first = j->sequence + 1;
        flush_next(j);
    }
    j->open = j->half_size - j->used >= j->capacity;
    j->filled = JOURNAL_GROUP_HEAD;
}

bool journal_busy(const struct journal *j)
{
    return j && (j->busy || (j->open && j->filled >= GROUP_BYTES));
}

static struct str_view log_name(const struct log *log)
{
    return str_from(strrchr(log->dir, '/') + 1);
}

bool journal_take(struct journal *j, struct commit *c)
{
    struct log *log = c->log;
    size_t size = JOURNAL_FRAME_HEAD + c->size;

    if (!j || !c->sync)
        return false;
    if (j->state == NONE && ++j->commits == COMMITS_FIRST)
        make(j, log);
    if (!j->open || c->flush || c->make || c->epochs.data || !c->pieces_count || c->size > SHARE_BYTES_MAX)
        return false;
    size += log_name(log).size;
    if (size > j->capacity - j->filled || log_name(log).size > JOURNAL_NAME_MAX)
        return false;
    j->filled += size;
    list_push_back(&j->group, &c->link);
    if (list_empty(&log->journal_halves[j->current]))
        list_push_back(&j->halves[j->current].logs, &log->journal_halves[j->current]);
    return true;
}

static void frame_write(struct writer *w, const struct commit *c)
{
    struct str_view name = log_name(c->log);
    size_t left = c->size;

    writer_uuid(w, c->log->topic_id);
    writer_i64(w, c->base);
    writer_i64(w, (int64_t)c->position);
    writer_u32(w, (uint32_t)c->size);
    writer_u16(w, (uint16_t)name.size);
    writer_u16(w, 0);
    writer_raw(w, name.data, name.size);
    for (unsigned i = 0; left; i++) {
        writer_raw(w, c->pieces[i].data, c->pieces[i].size);
        left -= c->pieces[i].size;
    }
}

/* Fills the buffer: the group and zeros to the end of its last block. */
static size_t group_build(struct journal *j)
{
    size_t whole = whole_blocks(j->filled);
    uint32_t frames = 0;
    struct writer w;

    writer_init(&w, j->buffer + JOURNAL_GROUP_HEAD, j->filled - JOURNAL_GROUP_HEAD);
    LIST_EACH(node, &j->group) {
        frame_write(&w, LIST_ENTRY(node, struct commit, link));
        frames++;
    }
    ASSERT(writer_size(&w) == j->filled - JOURNAL_GROUP_HEAD);
    memset(j->buffer + j->filled, 0, whole - j->filled);
    writer_init(&w, j->buffer + 8, JOURNAL_GROUP_HEAD - 8);
    writer_i64(&w, (int64_t)j->id);
    writer_i64(&w, (int64_t)j->sequence);
    writer_i64(&w, (int64_t)j->oldest);
    writer_u32(&w, (uint32_t)j->filled);
    writer_u32(&w, frames);
    writer_init(&w, j->buffer, 8);
    writer_u32(&w, JOURNAL_MAGIC);
    writer_u32(&w, crc32c(j->buffer + 8, j->filled - 8));
    return whole;
}

/* First the journal, then the segments (invariant 1). */
static void group_work(struct io_job *job)
{
    struct journal *j = LIST_ENTRY(job, struct journal, job);
    uint64_t at = HEAD_ROOM + (uint64_t)j->current * j->half_size + j->used;
    struct bytes_view whole = {j->buffer, group_build(j)};

    j->status = BUG(ETCD_14370) ? STATUS_OK : file_write(j->file, at, &whole, 1, &j->err);
    LIST_EACH(node, &j->group) {
        struct commit *c = LIST_ENTRY(node, struct commit, link);
        if (j->status) {
            c->status = j->status;
            c->err = j->err;
        } else {
            c->status = log__commit_files(c, &c->err);
        }
    }
}

static void group_done(struct shard *here, struct io_job *job)
{
    struct journal *j = LIST_ENTRY(job, struct journal, job);

    j->used += whole_blocks(j->filled);
    j->busy = false;
    for (struct list *node = list_pop_front(&j->group); node; node = list_pop_front(&j->group))
        log__commit_done(here, LIST_ENTRY(node, struct commit, link));
    store__commit_waiting(j->store);
}

void journal_submit(struct journal *j)
{
    const struct half *oldest;

    if (!j || !j->open)
        return;
    j->open = false;
    if (list_empty(&j->group))
        return;
    oldest = &j->halves[other_half_free(j) ? j->current : !j->current];
    if (!j->sequence)
        j->halves[0].first = 1;
    j->oldest = oldest->first;
    j->sequence++;
    j->busy = true;
    j->job = (struct io_job){.work = group_work, .done = group_done, .lane = j};
    io_job_submit(shard_io(store__shard(j->store)), &j->job);
}
