/* SPDX-License-Identifier: Apache-2.0
 * The old end of a log: the start offset moves by DeleteRecords, by retention time and by retention size, and segments wholly
 * before it are removed.
 *
 * Only cold segments are removed, oldest first, and some at a time: a log that has a thousand to lose neither holds up the loop, which reads how old each is,
 * nor the others' jobs. When the rule reaches the active one, it is rolled, and goes the next time. The files are renamed in one job (a crash leaves no half
 * segment), after which it is the next ones' turn, and removed in a later one.
 */
#include "store/log_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "rt/log.h"
#include "store/clean_swap.h"

void log_set_start(struct log *log, int64_t offset)
{
    ASSERT(offset >= log->start && offset <= log->durable);
    log->start = offset;
    epochs_cut_start(&log->epochs, offset);
}

enum { SLICE_SEGMENTS = 16 };

/* --- files ----------------------------------------------------------------------------------------------------------------- */

static enum status bury_file(const struct grave *grave, const char *path, struct err *err)
{
    char deleted[FS_PATH_MAX];
    enum status status;

    if (snprintf(deleted, sizeof deleted, "%s.deleted", path) >= (int)sizeof deleted)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", path);
    status = grave->renamed ? fs_remove(grave->log->fs, deleted, err) : fs_rename(grave->log->fs, path, deleted, err);
    if (status == STATUS_NO_SPACE) /* for the longer name */
        status = fs_remove(grave->log->fs, path, err);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status; /* not every segment has every file */
}

static enum status bury_segment(const struct grave *grave, int64_t base, struct err *err)
{
    char path[FS_PATH_MAX];

    for (size_t i = 0; i < SEGMENT_FILES; i++) {
        enum status status = segment_path(path, grave->log->dir, base, segment_files[i], err);
        if (!status)
            status = bury_file(grave, path, err);
        if (status)
            return status;
    }
    return STATUS_OK;
}

/* Each segment is durably gone before the next one goes, so that a crash leaves no gap in the middle of the log. */
static void bury(struct io_job *job)
{
    struct grave *grave = LIST_ENTRY(job, struct grave, job);
    struct log *log = grave->log;
    enum status status = STATUS_OK;

    for (size_t i = 0; i < grave->count && !status; i++) {
        status = bury_segment(grave, grave->bases[i], &grave->err);
        if (!status && (!grave->renamed || i + 1 == grave->count))
            status = fs_sync_dir(log->fs, log->dir, &grave->err);
    }
    grave->status = status;
}

static void expire(struct log *log, int64_t wall_ms);

static void buried(struct shard *here, struct io_job *job)
{
    struct grave *grave = LIST_ENTRY(job, struct grave, job);
    struct log *log = grave->log;

    log->jobs--;
    if (grave->status && !fs_may_retry(grave->status))
        store__failed(log, grave->status, &grave->err);
    if (fs_may_retry(grave->status)) { /* the next time, then */
        list_push_back(&log->graves, &grave->link);
    } else if (grave->renamed) {
        mem_free(grave);
    } else {
        grave->renamed = true;
        list_push_back(&log->graves, &grave->link);
        expire(log, shard_wall_ms(here));
    }
    log__check_idle(log);
}

static void grave_submit(struct log *log, struct grave *grave)
{
    grave->job = (struct io_job){.work = bury, .done = buried, .lane = log};
    log->jobs++;
    io_job_submit(shard_io(store__shard(log->store)), &grave->job);
}

struct grave *log__grave_new(struct log *log, size_t count)
{
    struct grave *grave = mem_alloc(1, sizeof *grave + count * sizeof *grave->bases);

    if (!grave)
        return NULL;
    grave->log = log;
    grave->count = count;
    list_init(&grave->link);
    return grave;
}

void log__grave_wait(struct log *log, struct grave *grave, int64_t wall_ms)
{
    grave->renamed = true;
    grave->due_ms = wall_ms + log->config->file_delete_delay_ms;
    list_push_back(&log->graves, &grave->link);
}

static void graves_remove_due(struct log *log, int64_t wall_ms)
{
    struct list waiting;

    list_init(&waiting);
    list_move_all(&waiting, &log->graves);
    for (struct list *node = list_pop_front(&waiting); node; node = list_pop_front(&waiting)) {
        struct grave *grave = LIST_ENTRY(node, struct grave, link);
        if (grave->due_ms <= wall_ms || log->home->low)
            grave_submit(log, grave);
        else
            list_push_back(&log->graves, node);
    }
}

/* --- rules ----------------------------------------------------------------------------------------------------------------- */

/* Kafka's three reasons, asked of the oldest segment that is left; `excess`: bytes of the log above retention.bytes. */
static bool segment_expired(struct log *log, struct segment *seg, int64_t next_base, int64_t wall_ms, int64_t *excess)
{
    const struct log_config *config = log->config;

    if (next_base <= log->start)
        return true;
    if (!config->deletes)
        return false;
    if (config->retention_bytes >= 0 && *excess >= (int64_t)seg->size) {
        *excess -= (int64_t)seg->size;
        return true;
    }
    if (config->retention_ms < 0 || !log__times_known(log, seg))
        return false;
    return wall_ms - (seg->max_timestamp >= 0 ? seg->max_timestamp : seg->created_ms) > config->retention_ms;
}

/* How many of the oldest segments are to go now; the last one is among them only when it has data and all of it is durable. */
static size_t segments_expired(struct log *log, int64_t wall_ms)
{
    int64_t excess = (int64_t)log->size - log->config->retention_bytes;
    size_t n = 0;

    while (n < log->count && n < SLICE_SEGMENTS) {
        struct segment *seg = log->segments[n];
        bool last = seg == log->last;
        int64_t next_base = last ? log->end : log->segments[n + 1]->base;
        if ((last && seg->size == 0) || next_base > log->durable || !segment_expired(log, seg, next_base, wall_ms, &excess))
            break;
        n++;
    }
    return n;
}

/* The first `count` segments leave the log; their names go into a grave. */
static void segments_remove(struct log *log, size_t count, int64_t wall_ms)
{
    struct grave *grave = log__grave_new(log, count);

    if (!grave)
        return; /* the next time, then */
    grave->due_ms = wall_ms + log->config->file_delete_delay_ms;
    for (size_t i = 0; i < count; i++) {
        struct segment *seg = log->segments[i];
        grave->bases[i] = seg->base;
        log->size -= seg->size;
        segment_free(seg);
    }
    log->count -= (uint32_t)count;
    memmove(log->segments, log->segments + count, log->count * sizeof *log->segments);
    if (log->start < log->segments[0]->base)
        log_set_start(log, log->segments[0]->base);
    log_line(LOG_INFO, "segments removed", "dir=%s count=%zu start=%lld", log->dir, count, (long long)log->start);
    grave_submit(log, grave);
}

/* A log that took nothing since the last time gives its descriptors and its memory back, once all of it is synced and its file as long as it should be. */
static void close_idle(struct log *log)
{
    bool quiet = !log->busy;

    if (quiet && journal_owes(log)) {
        log__sync(log);
    } else if (quiet && !log->commits && log->padded) {
        log__trim(log);
    } else if (quiet && !log->commits) {
        mem_free(log->marks);
        log->marks = NULL;
        segment_close(log->last);
        log__rest(log);
    }
    log->busy = false;
}

/* A compaction has the cold ones: then the next time. So has one that waits for the log to end. */
static void expire(struct log *log, int64_t wall_ms)
{
    size_t expired, cold = 0;

    if (log__offline(log) || log->clean || log->idle)
        return;
    expired = segments_expired(log, wall_ms);
    if (expired == log->count && log_reserve(log) && log__roll(log, log->end, wall_ms))
        store__wants_commit(log);
    while (cold < expired && log->segments[cold]->cold)
        cold++;
    if (cold && log__there(log))
        segments_remove(log, cold, wall_ms);
}

void log_housekeep(struct log *log, int64_t wall_ms)
{
    if (log__offline(log))
        return;
    graves_remove_due(log, wall_ms);
    expire(log, wall_ms);
    close_idle(log);
}
