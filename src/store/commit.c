/* SPDX-License-Identifier: Apache-2.0
 * The new end of a log: appends are queued, rolled into segments, and taken to the disk in groups.
 *
 * A direct commit covers the queued appends that belong to one segment, makes that segment's files when they are not there yet, and is one write and one sync.
 * What arrives meanwhile is the next group: no timer decides, the disk does. Much of one log goes that way; little of many logs shares the journal's writes.
 *
 * A failure is final: the log directory goes offline (store.c) and nothing of it is ever acknowledged again.
 */
#include "store/log_int.h"

#include "base/assert.h"
#include "base/bug.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/files.h"

enum {
    COMMIT_APPENDS_MAX = 1024, /* pieces of one write: as many as the system takes in one call */
    STRAIGHT_STAYS = 4,        /* a quarter of what is enough to begin */
    TAIL_FETCH = 256,          /* bytes: the head of a chunk, and a few of its first records */
};

/* --- planning, on the shard ------------------------------------------------------------------------------------------------ */

bool log__roll(struct log *log, int64_t base, int64_t now_ms)
{
    struct segment *seg;

    if (log->last->base == base || !log__segments_room(log))
        return false;
    if (!segment_seal(log->last) || !(seg = segment_new(base, now_ms)))
        return false;
    if (log->last->aborted.count < log->last->aborted.capacity && !txnindex_reserve(&seg->aborted, 1)) { /* the room for the batch that comes */
        segment_free(seg);
        return false;
    }
    if (log->snapshot)
        log->snapshot(log->snapshot_context, base, &seg->snapshot);
    log->segments[log->count++] = log->last = seg;
    log->as_left = false;
    return true;
}

/* segment.jitter.ms spreads the rolls of many logs: by a share of it that is fixed for each segment. */
static int64_t roll_age(const struct log *log)
{
    int64_t jitter = log->config->segment_jitter_ms < log->config->segment_ms ? log->config->segment_jitter_ms : log->config->segment_ms;

    if (jitter <= 0)
        return log->config->segment_ms;
    return log->config->segment_ms - (int64_t)(hash_bytes((uint64_t)log->last->base, log->dir, strlen(log->dir)) % (uint64_t)jitter);
}

/* Kafka's rules: too large, too old (by the records' timestamps, or the clock while there are none), an index full, an offset too far from the base. */
static bool should_roll(const struct log *log, const struct log_append *append, int64_t now_ms)
{
    const struct segment *seg = log->last;
    int64_t age = seg->first_timestamp >= 0 ? append->max_timestamp - seg->first_timestamp : now_ms - seg->created_ms;

    if (seg->size == 0)
        return false;
    return (int64_t)(seg->size + append->bytes.size) > log->config->segment_bytes || age > roll_age(log) ||
           seg->offsets.count >= log->config->segment_index_bytes / (OFFSET_KEY + INDEX_VALUE) ||
           seg->times.count + 1 >= log->config->segment_index_bytes / (TIME_KEY + INDEX_VALUE) ||
           append->last_offset - seg->base > INT32_MAX;
}

/* Counts the batches in: their places are known now, though not yet durable. */
static void note_batches(struct log *log, const struct log_append *append)
{
    struct bytes_view left = append->bytes;
    struct batch_head head;

    while (left.size) {
        ASSERT(batch_head_read(left, &head) && head.length >= BATCH_OVERHEAD - BATCH_PREFIX && batch_size(&head) <= left.size);
        ASSERT(head.base_offset >= log->end && head.last_offset_delta >= 0);
        if (head.leader_epoch > epochs_latest(&log->epochs))
            epochs_assign(&log->epochs, head.leader_epoch, head.base_offset);
        segment_note(log->last, &head, log->config->index_interval_bytes);
        log->end = batch_last_offset(&head) + 1;
        left.data += batch_size(&head);
        left.size -= batch_size(&head);
    }
    log->size += append->bytes.size;
    log->as_left = false;
    ASSERT(log->end == append->last_offset + 1);
}

void log_expect_append(const struct log *log)
{
    mem_prefetch(log, sizeof *log);
    mem_prefetch(log->work, sizeof *log->work);
    mem_prefetch(log->last, sizeof *log->last);
    mem_prefetch(log->epochs.list, sizeof *log->epochs.list);
}

void log_append(struct log *log, struct log_append *append)
{
    int64_t now_ms = shard_wall_ms(store__shard(log->store));

    ASSERT(log->work);
    if (should_roll(log, append, now_ms))
        (void)log__roll(log, log->end, now_ms); /* without memory the segment grows on */
    note_batches(log, append);
    list_push_back(&log->work->queue, &append->link);
    mem_prefetch(log->work->tail.last, TAIL_FETCH);
    store__wants_commit(log);
}

/* --- the job: files only --------------------------------------------------------------------------------------------------- */

enum status log__make_segment(struct fs *fs, const char *dir, struct segment *seg, unsigned flags, struct file **file, struct err *err)
{
    char path[FS_PATH_MAX];

    if (seg->snapshot.data) {
        if (segment_path(path, dir, seg->base, ".snapshot", err) || fs_write_file(fs, path, seg->snapshot.data, seg->snapshot.size, err))
            return err->status;
    }
    if (segment_path(path, dir, seg->base, ".log", err))
        return err->status;
    return fs_open(fs, path, FS_CREATE | flags, file, err);
}

enum status log__epochs_path(char path[static FS_PATH_MAX], const char *dir, struct err *err)
{
    if (snprintf(path, FS_PATH_MAX, "%s/leader-epoch-checkpoint", dir) >= FS_PATH_MAX)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", dir);
    return STATUS_OK;
}

static enum status save_epochs(const struct commit *c, struct err *err)
{
    char path[FS_PATH_MAX];

    if (log__epochs_path(path, c->log->dir, err))
        return err->status;
    return fs_write_file(c->log->fs, path, c->epochs.data, c->epochs.size, err);
}

static enum status open_data(const struct commit *c, int64_t base, struct file **file, struct err *err)
{
    char path[FS_PATH_MAX];

    if (segment_path(path, c->log->dir, base, ".log", err))
        return err->status;
    return fs_open(c->log->fs, path, FS_WRITE, file, err);
}

static enum status sync_data(const struct commit *c, const struct segment *seal, struct err *err)
{
    struct file *file;
    enum status status;

    if (open_data(c, seal->base, &file, err))
        return err->status;
    status = c->padded ? file_truncate(file, seal->size, err) : STATUS_OK;
    if (!status)
        status = file_sync(file, err);
    file_unref(file);
    return status;
}

/* The segment before becomes cold: its data and indexes are synced before the new one takes anything. */
static enum status commit_roll(struct commit *c, struct err *err)
{
    struct fs *fs = c->log->fs;
    const char *dir = c->log->dir;

    if (c->seal && sync_data(c, c->seal, err)) /* the journal may owe it, or nobody synced it at all */
        return err->status;
    if (c->seal && segment_save(c->seal, fs, dir, err))
        return err->status;
    if (log__make_segment(fs, dir, c->make, c->log->again ? 0 : FS_EXCLUSIVE, &c->file, err))
        return err->status;
    return BUG(KAFKA_3968) ? STATUS_OK : fs_sync_dir(fs, dir, err);
}

/* Past the page cache. Durable on return; what was spilled before it may not be, and is synced. */
static enum status write_block(const struct commit *c, struct err *err)
{
    char path[FS_PATH_MAX];
    struct file *file;
    enum status status;

    if (segment_path(path, c->log->dir, c->base, ".log", err) || fs_open(c->log->fs, path, FS_WRITE | FS_DURABLE, &file, err))
        return err->status;
    status = tail_block_write(c->block, c->file, file, c->pieces, c->pieces_count, err);
    file_unref(file);
    return !status && c->behind ? file_sync(c->file, err) : status;
}

static enum status commit_files(struct commit *c, struct err *err)
{
    if (c->folder && log__make_folder_durable(c->log, c->base, &c->file, err))
        return err->status;
    if (c->unsynced && (log__sync_folder(c->log, err) || log__sync_home(c->log, err)))
        return err->status;
    if (c->fresh && (log__make_file(c->log, c->base, &c->file, err) || fs_sync_dir(c->log->fs, c->log->dir, err)))
        return err->status;
    if (c->make && commit_roll(c, err))
        return err->status;
    if (c->blocks)
        log__allocate(c->file, c->blocks);
    if (c->epochs.data && save_epochs(c, err))
        return err->status;
    if (!c->pieces_count)
        return STATUS_OK;
    if (!c->file && open_data(c, c->base, &c->file, err))
        return err->status;
    if (c->block)
        return write_block(c, err);
    if (file_write(c->file, c->position, c->pieces, c->pieces_count, err))
        return err->status;
    return c->sync && !BUG(NATS_7564) ? file_sync(c->file, err) : STATUS_OK;
}

static void commit_done(struct shard *here, struct io_job *job);

static void commit_work(struct io_job *job)
{
    struct commit *c = LIST_ENTRY(job, struct commit, job);
    struct err err;

    c->status = commit_files(c, &err);
    if (c->status)
        c->err = mem_copy(&err, sizeof err);
}

/* --- the group ------------------------------------------------------------------------------------------------------------- */

static struct segment *segment_after(const struct log *log, const struct segment *seg)
{
    size_t i = log__segment_at(log, seg->base) + 1;

    return i < log->count ? log->segments[i] : NULL;
}

/* Takes from the queue what belongs to the segment. Without memory for a list of pieces: one append, which needs none. */
static void commit_gather(struct log *log, struct commit *c, const struct segment *next)
{
    size_t size = 0, takes = journal_takes(log->home->journal), bytes_max = takes && !log->work->straight ? takes : COMMIT_BYTES_MAX - 2 * FS_BLOCK;
    unsigned most = 0;

    LIST_EACH(node, &log->work->queue) {
        const struct log_append *append = LIST_ENTRY(node, struct log_append, link);
        size += append->bytes.size;
        if (most == COMMIT_APPENDS_MAX || (most && size > bytes_max) || (next && append->base_offset >= next->base))
            break;
        most++;
    }
    c->pieces = most > 1 ? mem_alloc(most, sizeof *c->pieces) : NULL;
    if (!c->pieces) {
        c->pieces = &c->one;
        most = most > 0;
    }
    for (c->pieces_count = 0, c->size = 0; c->pieces_count < most; c->pieces_count++) {
        struct list *node = list_pop_front(&log->work->queue);
        struct log_append *append = LIST_ENTRY(node, struct log_append, link);
        c->pieces[c->pieces_count] = append->bytes;
        c->size += append->bytes.size;
        log->work->taken = append->last_offset + 1;
        list_push_back(&c->appends, node);
    }
}

/* From the segment that is full, which is returned, to the next one. */
static struct segment *turn_page(struct log *log)
{
    struct segment *seal = log->writing;

    seal->tail = NULL;
    log->writing = segment_after(log, seal);
    log->writing->tail = &log->work->tail;
    log->written = 0;
    log->padded = false;
    tail_move(&log->work->tail, 0);
    return seal;
}

static void snapshot_written(struct segment *seg)
{
    mem_free((void *)(uintptr_t)seg->snapshot.data);
    seg->snapshot = (struct bytes_view){NULL, 0};
}

static void segment_ends(struct segment *seal)
{
    segment_close(seal);
    segment_chill(seal);
}

void log__turn_page(struct log *log)
{
    segment_ends(turn_page(log));
    snapshot_written(log->writing);
    log->work->page = PAGE_OPEN;
    log->work->blank = list_empty(&log->work->queue);
    store__wants_commit(log);
}

void log__commit_submit(struct log *log)
{
    struct commit *c = log->work->direct;

    log->held = false;
    if (log__offline(log)) {
        c->status = STATUS_KAFKA_STORAGE_ERROR;
        log__commit_done(store__shard(log->store), c);
        return;
    }
    list_remove(&log->work->tail_link); /* it may be there for its file: this makes it, or lengthens it */
    log->work->trims = false;
    if (c->make && c->make != log->writing) {
        c->padded = log->padded || log->config->preallocates;
        c->seal = turn_page(log);
    }
    c->folder = log->unmade;
    c->fresh = !c->folder && !c->make && !log->writing->made;
    c->unsynced = log->unsynced;
    c->blocks = log__blocks(log, c->folder || c->fresh || c->make);
    c->base = log->writing->base;
    c->position = log->written;
    c->file = log->writing->file ? file_ref(log->writing->file) : NULL;
    c->behind = log->synced < log->spilled;
    if (log->work->straight && !c->block && c->pieces_count)
        c->block = tail_block(&log->work->tail, c->position, c->size, store__tails_max(log->store));
    c->job = (struct io_job){.work = commit_work, .done = commit_done};
    io_job_submit(shard_io(store__shard(log->store)), &c->job);
}

struct str_view log__epochs_text(struct log *log)
{
    struct str_view text = {NULL, 0};

    if (!log->epochs.dirty && !log->epochs_unsynced)
        return text;
    text = epochs_format(&log->epochs);
    if (text.data)
        log->epochs.dirty = log->epochs_unsynced = false;
    return text;
}

/* Whether what is taken now is synced before it is acknowledged. */
static bool syncs(const struct log *log)
{
    int64_t most = log->config->flush_messages;

    return store__durability(log->store) == DURABILITY_SYNC || log->work->flush || (most && log->work->taken - log->synced >= most);
}

static void commit_start(struct log *log, struct commit *c)
{
    log->commits++;
    log->busy = true;
    c->sync = syncs(log);
    log->work->flush = false;
    c->base = log->writing->base;
    c->position = log->work->tail.taken;
    c->journaled = !log->work->straight && journal_take(log->home->journal, c);
    if (c->journaled)
        return;
    c->epochs = log__epochs_text(log);
    log->work->direct = c;
    log->held = true;
    log__spill_go_on(log);
}

/* Whether there is something to commit now: no direct one is under way, and an append or a new segment waits. */
static bool wants_commit(const struct log *log)
{
    return !log->work->direct && (!list_empty(&log->work->queue) || log->writing != log->last);
}

/* Whether what is to be committed next begins the segment `next`, and that one begins without a commit. */
static bool rolls_by_itself(const struct log *log, const struct segment *next)
{
    return next && log->work->taken == next->base && !log->work->direct && (log->work->page != PAGE_OPEN || journal_rolls(log->home->journal));
}

/* Whether what waits for the disk is so much that it goes straight to the segment. Who does so goes on with less, as one write at a time lets less gather. */
static bool goes_straight(const struct log *log)
{
    size_t enough = journal_enough(log->home->journal);

    return syncs(log) && log->writing->size - log->work->tail.end >= (log->work->straight ? enough / STRAIGHT_STAYS : enough);
}

bool log__commit(struct log *log)
{
    struct segment *next = segment_after(log, log->writing);
    struct commit *c;

    if (rolls_by_itself(log, next)) {
        if (!log->commits && log->work->page == PAGE_OPEN)
            log__fill_page(log);
        return true; /* store__wants_commit follows */
    }
    log->work->straight = goes_straight(log);
    if (log->work->straight && log->commits)
        return true; /* store__wants_commit follows, when all that the journal took is back */
    c = wants_commit(log) ? store__commit_new(log->store) : NULL;
    if (!c)
        return !wants_commit(log);
    c->log = log;
    list_init(&c->link);
    list_init(&c->appends);
    if (next && log->work->taken == next->base) {
        c->make = next;
        next = segment_after(log, next);
    }
    commit_gather(log, c, next);
    if (c->make || c->pieces_count) {
        commit_start(log, c);
        if (!log->work->direct && !list_empty(&log->work->queue))
            store__wants_commit(log); /* the next group's */
    } else {
        store__commit_free(log->store, c);
        log__check_idle(log);
    }
    return true;
}

/* The commit's group completes, in order. The callbacks may append again, but not close the log: that waits for log_when_idle. */
static void appends_complete(struct shard *here, struct list *appends, enum status status)
{
    for (struct list *node = list_pop_front(appends); node; node = list_pop_front(appends)) {
        struct log_append *append = LIST_ENTRY(node, struct log_append, link);
        append->status = status;
        append->done(here, append);
    }
}

static void direct_succeeded(struct log *log, struct commit *c)
{
    struct segment *seg = log->writing;

    seg->made = true;
    log->unmade = log->unsynced = log->again = false;
    log->work->blank = false;
    if (c->make) {
        snapshot_written(seg);
        log->synced = seg->base;
    }
    if (c->seal)
        segment_ends(c->seal);
    if (c->file && !seg->file)
        seg->file = file_ref(c->file);
    if (seg->file)
        files_use(store__files(log->store), seg);
    if (c->block)
        log->padded |= tail_keep(&log->work->tail, c->block, c->size, store__tails_max(log->store) / 2);
    else
        tail_move(&log->work->tail, log->written);
    c->block = NULL;
    log->spilled = log->durable;
    if (c->sync) {
        log->synced = log->durable;
        log->work->flushed_ms = shard_now_ms(store__shard(log->store));
    }
}

static void commit_succeeded(struct log *log, struct commit *c)
{
    uint64_t position = log->written;

    log->written += c->size;
    store__wrote(log->store, c->size, c->journaled);
    if (c->pieces_count) {
        const struct log_append *oldest = LIST_ENTRY(c->appends.next, struct log_append, link);
        const struct log_append *newest = LIST_ENTRY(c->appends.prev, struct log_append, link);
        if (log->marks)
            log->marks->list[log->marks->next++ % MARKS] = (struct mark){oldest->base_offset, position};
        log->durable = newest->last_offset + 1;
    }
    if (c->journaled) {
        tail_grow(&log->work->tail, c->size);
        log__tail_grew(log);
    } else {
        direct_succeeded(log, c);
        log__synced(log);
    }
}

static void commit_done(struct shard *here, struct io_job *job)
{
    log__commit_done(here, LIST_ENTRY(job, struct commit, job));
}

/* The file may have a part of it, which counts for nothing, and is written over. */
static void commit_again(struct log *log, struct commit *c)
{
    if (c->file)
        file_unref(c->file);
    c->file = NULL;
    log->again = true;
    log->held = true;
    store__no_space(log->home, c->err);
    mem_free(c->err);
    c->err = NULL;
    log__spill_go_on(log);
    log__check_idle(log);
}

void log__commit_done(struct shard *here, struct commit *c)
{
    struct log *log = c->log;
    struct list appends;

    if (fs_may_retry(c->status) && !c->journaled && !log__offline(log)) {
        commit_again(log, c);
        return;
    }
    log->commits--;
    if (log->work->direct == c)
        log->work->direct = NULL;
    if (c->status && !BUG(KAFKA_10778))
        store__failed(log, c->status, c->err);
    else if (!log__offline(log))
        commit_succeeded(log, c);
    if (c->file)
        file_unref(c->file);
    if (c->block)
        tail_drop(&log->work->tail, c->block);
    if (c->pieces != &c->one)
        mem_free(c->pieces);
    mem_free((void *)(uintptr_t)c->epochs.data);
    list_init(&appends);
    list_move_all(&appends, &c->appends);
    mem_free(c->err);
    store__commit_free(log->store, c);
    if (!list_empty(&log->work->queue) || log->writing != log->last || log__offline(log))
        store__wants_commit(log);
    log__spill_go_on(log);
    appends_complete(here, &appends, log__offline(log) ? STATUS_KAFKA_STORAGE_ERROR : STATUS_OK);
    log__check_idle(log);
}

void log_flush(struct log *log)
{
    uint64_t now_ms = shard_now_ms(store__shard(log->store));

    if (store__durability(log->store) == DURABILITY_SYNC || log__offline(log) || log->synced == log->durable)
        return;
    if ((log->work && now_ms - log->work->flushed_ms < (uint64_t)log->config->flush_ms) || !log_reserve(log)) /* without memory the next time */
        return;
    if (log->commits || !list_empty(&log->work->queue))
        log->work->flush = true;
    else
        log__sync(log);
}

/* --- failing and ending ---------------------------------------------------------------------------------------------------- */

void log__fail_queue(struct log *log)
{
    struct list appends;

    list_init(&appends);
    list_move_all(&appends, &log->work->queue);
    appends_complete(store__shard(log->store), &appends, STATUS_KAFKA_STORAGE_ERROR);
    log__check_idle(log);
}

bool log__idle(const struct log *log)
{
    const struct log_work *work = log->work;

    return (!work || list_empty(&work->queue)) && !log->commits && !log->jobs &&
           ((log->writing == log->last && !(work && work->blank)) || !log->store || log__offline(log));
}

/* Nothing of it is on its way to the disk, and there will be no space for what waits. */
static bool gives_up(const struct log *log)
{
    return log->home->space == SPACE_NONE && !log__offline(log) && !log->jobs && log->commits == log->held;
}

void log__check_idle(struct log *log)
{
    struct mail *mail = log->idle;
    bool idle = log__idle(log);

    if (!mail)
        return;
    if (idle && log->discarded && log->unmade) { /* nobody asks for it: no spill may begin behind the mail */
        log__spill_forget(log);
        journal_forget(log);
        store__spill(log->home);
    } else if (idle && journal_owes(log) && !log__offline(log)) { /* else the journal might sync it at any time, until it is closed */
        log__sync(log);
        idle = false;
    }
    if (!idle && gives_up(log)) {
        log->lost = true;
        log__spill_forget(log);
        journal_forget(log); /* what it has of it stays: who waits for room in it would wait for ever */
        store__spill(log->home);
        store__wants_commit(log);
    }
    if (!idle) {
        log->home->gives_up |= !log->discarded;
        if (log->home->space != SPACE_THERE)
            store__stays_wanting(log); /* it is looked at again when that changes */
        return;
    }
    log->idle = NULL;
    shard_post(store__shard(log->store), store__shard(log->store), mail);
}

void log_discard(struct log *log)
{
    log->discarded = true;
}

void log_when_idle(struct log *log, struct mail *mail)
{
    ASSERT(!log->idle && log->store);
    log->idle = mail;
    log__clean_stop(log);
    log__check_idle(log);
}
