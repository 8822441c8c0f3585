/* SPDX-License-Identifier: Apache-2.0
 * The tails' way into the segments, long after their bytes were acknowledged: many logs in one job, and one sync for all.
 *
 *   tails ──large, the shard's are too many, a sync or a direct commit wants it──> to_spill ──job: written──┬─ more came ──> tails
 *                                                                                                         └─ a sync is wanted ──> to_sync ──job──> synced
 *
 * A directory has one job of each kind under way. Logs that take a record now and then are many, and each costs its file's opening and a small write: so they
 * are kept as long as there is memory for them (store_limit_tails), and when there is not, those go that hold more than the others; the oldest of them
 * first, a second chance for the others. A sync begins when every log that waits for one is spilled, and covers all of these: file by file when they are
 * few, else the file system as a whole, which costs as much for fifty thousand files as for some.
 *
 * Journaled commits go on meanwhile; when the shard's tails hold all that they may, they wait for the spills.
 */
#include "store/files.h"
#include "store/log_int.h"

#include "base/assert.h"
#include "base/bug.h"
#include "base/mem.h"

enum {
    SPILL_BYTES = 1 << 20,         /* appended in small pieces, bytes cost four times as much */
    BATCH_LOGS = 256,              /* of one job: some milliseconds */
    BATCH_BYTES = 4 << 20,
    LOOKS = 4 * BATCH_LOGS,        /* for logs that are worth it, at a time */
    KEEP_BYTES = 64 << 10,         /* who spills as much will do so again: its file stays open */
    BATCH_SYNCED = 4096,           /* logs of one sync; after the first the file system has little left to do */
    SYNC_EACH_MAX = 32,            /* files that are synced one by one */
    SEAL_FILES = 6,                /* of a roll */
};

/* --- the jobs: files only --------------------------------------------------------------------------------------------------- */

static enum status item_make(struct spill_item *item, struct err *err)
{
    if (item->folder ? log__make_folder(item->log, item->base, &item->file, err) : log__make_file(item->log, item->base, &item->file, err))
        return err->status;
    if (item->blocks)
        log__allocate(item->file, item->blocks);
    return STATUS_OK;
}

static enum status item_open(struct spill_item *item, struct err *err)
{
    char path[FS_PATH_MAX];

    if (item->file)
        return STATUS_OK;
    if (item->folder || item->make)
        return item_make(item, err);
    if (segment_path(path, item->log->dir, item->base, ".log", err))
        return err->status;
    return fs_open(item->log->fs, path, FS_WRITE, &item->file, err);
}

static void item_close(struct spill_item *item)
{
    if (item->file)
        file_unref(item->file);
    item->file = NULL;
}

/* What ends a segment, beside it. Until the sync any of it may be missing or torn, and is made again from the batches. */
static enum status item_seal(const struct spill_item *item, struct err *err)
{
    const struct log *log = item->log;
    const struct bytes_view *snapshot = &item->next->snapshot;
    char path[FS_PATH_MAX];

    if (segment_put(item->seal, log->fs, log->dir, err))
        return err->status;
    if (snapshot->data && (segment_path(path, log->dir, item->next->base, ".snapshot", err) || fs_put_file(log->fs, path, snapshot->data, snapshot->size, err)))
        return err->status;
    if (item->epochs.data && (log__epochs_path(path, log->dir, err) || fs_put_file(log->fs, path, item->epochs.data, item->epochs.size, err)))
        return err->status;
    return STATUS_OK;
}

static enum status item_write(struct spill_item *item, struct err *err)
{
    if (item_open(item, err) || tail_write(item->first, item->last, item->file, item->from, item->to, err))
        return err->status;
    if ((item->padded && file_truncate(item->file, item->to, err)) || (item->seal && item_seal(item, err)))
        return err->status;
    if (item->to - item->from < KEEP_BYTES)
        return STATUS_OK;
    file_begin_sync(item->file, item->from, item->to - item->from); /* piece by piece: all at once, later, would hold up the journal */
    return STATUS_OK;
}

static void spill_work(struct io_job *job)
{
    struct spill *s = LIST_ENTRY(job, struct spill, job);

    s->status = STATUS_OK;
    for (size_t i = 0; i < s->count && !s->status; i++) {
        s->status = item_write(&s->items[i], &s->err);
        if (s->items[i].to - s->items[i].from < KEEP_BYTES)
            item_close(&s->items[i]);
    }
}

static enum status sync_path(struct fs *fs, const char *path, struct err *err)
{
    struct file *file;
    enum status status = fs_open(fs, path, FS_WRITE, &file, err);

    if (status)
        return status;
    status = file_sync(file, err);
    file_unref(file);
    return status;
}

/* Those that item_seal wrote. */
static enum status item_sync_seal(const struct spill_item *item, struct err *err)
{
    static const char *const suffixes[] = {".index", ".timeindex"};
    struct log *log = item->log;
    char path[FS_PATH_MAX];

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (segment_path(path, log->dir, item->base, suffixes[i], err) || sync_path(log->fs, path, err))
            return err->status;
    if (item->next->snapshot.data && (segment_path(path, log->dir, item->next->base, ".snapshot", err) || sync_path(log->fs, path, err)))
        return err->status;
    if (log__epochs_path(path, log->dir, err) || (fs_exists(log->fs, path) && sync_path(log->fs, path, err)))
        return err->status;
    return fs_sync_dir(log->fs, log->dir, err);
}

static enum status item_sync(struct spill_item *item, struct err *err)
{
    if (item_open(item, err) || file_sync(item->file, err) || (item->seal && item_sync_seal(item, err)))
        return err->status;
    return item->unsynced && !BUG(KAFKA_3968) ? log__sync_folder(item->log, err) : STATUS_OK;
}

static void sync_work(struct io_job *job)
{
    struct spill *s = LIST_ENTRY(job, struct spill, job);
    bool folders = false;
    size_t files = 0;

    s->status = STATUS_OK;
    for (size_t i = 0; i < s->count; i++)
        files += s->items[i].seal ? SEAL_FILES : 1;
    if (files > SYNC_EACH_MAX && s->volume) {
        s->status = file_sync(s->volume, &s->err);
        return;
    }
    for (size_t i = 0; i < s->count && !s->status; i++) {
        s->status = item_sync(&s->items[i], &s->err);
        folders |= s->items[i].unsynced;
        item_close(&s->items[i]);
    }
    if (!s->status && folders)
        s->status = log__sync_home(s->items[0].log, &s->err);
}

/* --- what both have in common ------------------------------------------------------------------------------------------------ */

/* Room for `most`; without memory, for one. */
static size_t spill_room(struct spill *s, size_t most)
{
    s->items = most > 1 ? mem_alloc(most, sizeof *s->items) : NULL;
    s->count = 0;
    if (s->items)
        return most;
    s->items = &s->one;
    return 1;
}

static struct spill_item *spill_add(struct spill *s, struct log *log)
{
    struct spill_item *item = &s->items[s->count++];

    *item = (struct spill_item){.log = log, .base = log->writing->base, .file = log->writing->file ? file_ref(log->writing->file) : NULL,
                                .folder = log->unmade, .make = !log->writing->made, .unsynced = log->unsynced, .padded = log->padded, .blocks = log__blocks(log, log->unmade || !log->writing->made)};
    log->jobs++;
    return item;
}

static void item_begin_seal(struct spill_item *item)
{
    struct log *log = item->log;

    item->seal = log->writing;
    item->padded |= log->config->preallocates;
    item->next = log->segments[log__segment_at(log, log->writing->base) + 1];
}

static void spill_submit(struct spill *s, struct store_dir *dir, void (*work)(struct io_job *), void (*done)(struct shard *, struct io_job *))
{
    s->busy = true;
    s->dir = dir;
    s->job = (struct io_job){.work = work, .done = done};
    io_job_submit(shard_io(store__shard(dir->store)), &s->job);
}

static void spill_end(struct spill *s)
{
    for (size_t i = 0; i < s->count; i++) {
        item_close(&s->items[i]);
        mem_free((void *)(uintptr_t)s->items[i].epochs.data);
    }
    if (s->items != &s->one)
        mem_free(s->items);
    s->busy = false;
}

static bool tail_is_empty(const struct log *log)
{
    return log->work->tail.from == log->work->tail.end;
}

/* The list that a log with a tail is in: `to`, when it is none of the batch's. */
static void tail_list(struct log *log, struct list *to)
{
    list_remove(&log->work->tail_link);
    list_push_back(to, &log->work->tail_link);
}

/* --- spilling --------------------------------------------------------------------------------------------------------------- */

static void sync_begin(struct store_dir *dir);

static bool wants_sync(const struct log *log)
{
    const struct log_work *work = log->work;

    return work->page == PAGE_SEALED || (work->blank && log->unsynced) || (log->synced < work->sync_to && log->spilled >= work->sync_to);
}

/* After the file, the tail or the wish changed: where the log waits now. */
static void log_sort(struct log *log)
{
    struct store_dir *dir = log->home;

    if (log->sync_spills && log->spilled >= log->work->sync_to) {
        log->sync_spills = false;
        dir->sync_spills--;
    }
    if (log->spilling)
        return;
    if (log->work->page == PAGE_FULL || (log->work->blank && !log->writing->made) || log->work->trims)
        tail_list(log, &dir->to_spill);
    else if (tail_is_empty(log))
        list_remove(&log->work->tail_link);
    else if (log->held || log->sync_spills)
        tail_list(log, &dir->to_spill);
    else if (list_empty(&log->work->tail_link))
        tail_list(log, &dir->tails);
    if (list_empty(&log->work->sync_link) && !log->syncing && wants_sync(log))
        list_push_back(&dir->to_sync, &log->work->sync_link);
}

static void spill_begin(struct store_dir *dir);

static void spilled(const struct spill *s, struct spill_item *item)
{
    struct log *log = item->log;

    log->jobs--;
    log->spilling = false;
    if (!s->status) {
        tail_cut(&log->work->tail, item->to);
        log->spilled = item->end;
        log->again = log->padded = log->work->trims = false;
        if (item->make) {
            log->unmade = false;
            log->unsynced = log->writing->made = true;
        }
        if (item->seal)
            log->work->page = PAGE_SEALED;
        if (item->file && !log->writing->file)
            log->writing->file = file_ref(item->file);
        if (log->writing->file)
            files_use(store__files(log->store), log->writing);
        log_sort(log);
    } else if (fs_may_retry(s->status)) {
        log->again = true;
        log->epochs.dirty |= item->epochs.data != NULL;
        tail_list(log, &log->home->to_spill);
    }
    if (log__offline(log))
        store__wants_commit(log); /* no sync follows: what is queued fails */
    log__spill_go_on(log);
    log__check_idle(log);
}

static void spill_done(struct shard *here, struct io_job *job)
{
    struct spill *s = LIST_ENTRY(job, struct spill, job);
    struct store_dir *dir = s->dir;

    if (fs_may_retry(s->status))
        store__no_space(dir, &s->err);
    else if (s->status)
        store__failed(s->items[0].log, s->status, &s->err);
    for (size_t i = 0; i < s->count; i++)
        spilled(s, &s->items[i]);
    spill_end(s);
    journal_feed(dir->journal);
    spill_begin(dir);
    sync_begin(dir);
    store__commit_waiting(dir->store);
}

static void spill_begin(struct store_dir *dir)
{
    struct spill *s = &dir->spill;
    size_t room, bytes = 0;

    if (s->busy || dir->offline || list_empty(&dir->to_spill) || store__waits_for_space(dir))
        return;
    room = spill_room(s, dir->to_spill.next == dir->to_spill.prev ? 1 : BATCH_LOGS);
    while (s->count < room && bytes < BATCH_BYTES && !list_empty(&dir->to_spill)) {
        struct log *log = LIST_ENTRY(list_pop_front(&dir->to_spill), struct log_work, tail_link)->log;
        struct spill_item *item = spill_add(s, log);
        item->first = log->work->tail.first;
        item->last = log->work->tail.last;
        item->from = log->work->tail.from;
        item->to = log->work->tail.end;
        item->end = log->durable;
        if (log->work->page == PAGE_FULL) {
            item_begin_seal(item);
            item->epochs = log__epochs_text(log);
        }
        log->spilling = true;
        bytes += (size_t)(item->to - item->from);
    }
    spill_submit(s, dir, spill_work, spill_done);
}

static uint64_t tail_size(struct list *tail_link)
{
    const struct log *log = LIST_ENTRY(tail_link, struct log_work, tail_link)->log;

    return log->work->tail.end - log->work->tail.from;
}

/* Of the oldest `count` tails those of at least so many bytes are to be spilled; the others go behind. */
static void relieve_of(struct store_dir *dir, uint64_t count, uint64_t bytes)
{
    for (uint64_t i = 0; i < count; i++) {
        struct list *node = list_pop_front(&dir->tails);
        list_push_back(tail_size(node) >= bytes ? &dir->to_spill : &dir->tails, node);
    }
}

/* Makes room in memory: of so many logs those that hold well more than the average, or, where all hold much the same, at least that. */
static void dir_relieve(struct store_dir *dir)
{
    uint64_t size = 0, count = 0, most = 0;

    if (!list_empty(&dir->to_spill) || dir->spill.busy)
        return;
    for (struct list *at = dir->tails.next; at != &dir->tails && count < LOOKS; at = at->next) {
        size += tail_size(at);
        most = tail_size(at) > most ? tail_size(at) : most;
        count++;
    }
    if (count)
        relieve_of(dir, count, most >= size / count * 3 / 2 ? size / count * 3 / 2 : size / count);
    spill_begin(dir);
}

void log__tail_grew(struct log *log)
{
    log_sort(log);
    if (log->work->tail.end - log->work->tail.from >= SPILL_BYTES && !log->spilling)
        tail_list(log, &log->home->to_spill);
    if (*log->work->tail.held > store__tails_max(log->store) / 4 * 3)
        dir_relieve(log->home);
    spill_begin(log->home);
}

bool log__must_wait(const struct log *log)
{
    return *log->work->tail.held > store__tails_max(log->store) && (log->home->spill.busy || store__waits_for_space(log->home));
}

void log__spill_go_on(struct log *log)
{
    bool offline = log__offline(log);

    if (!log->held || log->spilling)
        return;
    if (!offline && store__waits_for_space(log->home)) {
        store__stays_wanting(log);
        return;
    }
    if (log->commits == 1 && (offline || tail_is_empty(log))) {
        log__commit_submit(log);
    } else if (!offline) {
        log_sort(log);
        spill_begin(log->home);
    }
}

/* --- syncing ---------------------------------------------------------------------------------------------------------------- */

static void synced(const struct spill *s, const struct spill_item *item)
{
    struct log *log = item->log;

    log->jobs--;
    log->syncing = false;
    if (!s->status) {
        log->work->flushed_ms = shard_now_ms(store__shard(log->store));
        if (log->synced < item->end)
            log->synced = item->end;
        if (item->unsynced)
            log->unsynced = false;
        if (item->seal)
            log__turn_page(log);
        log->work->blank = log->work->blank && !log__there(log);
        log__synced(log);
    } else if (fs_may_retry(s->status)) {
        log_sort(log);
    }
    if (log__offline(log))
        store__wants_commit(log); /* what is queued fails */
    log__check_idle(log);
}

static void sync_done(struct shard *here, struct io_job *job)
{
    struct spill *s = LIST_ENTRY(job, struct spill, job);
    struct store_dir *dir = s->dir;

    if (fs_may_retry(s->status)) /* for an open file: nothing was refused by the disk */
        store__no_space(dir, &s->err);
    else if (s->status)
        store__failed(s->items[0].log, s->status, &s->err);
    for (size_t i = 0; i < s->count; i++)
        synced(s, &s->items[i]);
    spill_end(s);
    journal_feed(dir->journal);
    spill_begin(dir); /* files of new segments */
    sync_begin(dir);
}

static void sync_begin(struct store_dir *dir)
{
    struct spill *s = &dir->sync;
    size_t room;

    if (s->busy || dir->offline || dir->sync_spills || list_empty(&dir->to_sync) || store__waits_for_space(dir))
        return;
    room = spill_room(s, dir->to_sync.next == dir->to_sync.prev ? 1 : BATCH_SYNCED);
    while (s->count < room && !list_empty(&dir->to_sync)) {
        struct log *log = LIST_ENTRY(list_pop_front(&dir->to_sync), struct log_work, sync_link)->log;
        struct spill_item *item;
        if (log->work->direct && (!log->held || log->again))
            continue; /* it syncs for itself */
        item = spill_add(s, log);
        item->end = log->spilled;
        if (log->work->page == PAGE_SEALED)
            item_begin_seal(item);
        log->syncing = true;
    }
    if (!s->count) {
        spill_end(s);
        return;
    }
    s->volume = journal_volume(dir->journal);
    spill_submit(s, dir, sync_work, sync_done);
}

void log__synced(struct log *log)
{
    log_sort(log);
    journal_synced(log);
}

void log__trim(struct log *log)
{
    log->work->trims = true;
    log_sort(log);
    spill_begin(log->home);
}

void log__fill_page(struct log *log)
{
    log->work->page = PAGE_FULL;
    log_sort(log);
    spill_begin(log->home);
}

void log__sync(struct log *log)
{
    struct store_dir *dir = log->home;

    if (log__offline(log))
        return;
    log->work->sync_to = log->durable;
    if (!log->sync_spills && log->spilled < log->work->sync_to) {
        log->sync_spills = true;
        dir->sync_spills++;
    }
    log_sort(log);
    spill_begin(dir);
    sync_begin(dir);
}

void store__spill(struct store_dir *dir)
{
    spill_begin(dir);
    sync_begin(dir);
}

/* --- a log comes and goes --------------------------------------------------------------------------------------------------- */

void log__spill_forget(struct log *log)
{
    if (!log->work)
        return;
    list_remove(&log->work->tail_link);
    list_remove(&log->work->sync_link);
    if (log->sync_spills)
        log->home->sync_spills--;
    log->sync_spills = false;
}
