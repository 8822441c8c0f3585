/* SPDX-License-Identifier: Apache-2.0
 * See clean.h and clean_int.h: when a log is to be compacted, and the shard's part of a run.
 *
 * Readers never meet a half: the new segment stands in the log, its file open and its indexes in memory, from before the old names go until
 * its own are there. */
#include "store/clean_int.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "rt/log.h"

enum { WAIT_MS_MAX = 60000, NO_SPACE_WAIT_MS = 1000 };

/* --- dirt ------------------------------------------------------------------------------------------------------------------ */

/* Of what was never cleaned, or cleaned by somebody else. */
static int64_t dirty_from(const struct log *log)
{
    return log->cleaned < log->start || log->cleaned > log->end ? log->start : log->cleaned;
}

static int64_t next_base(const struct log *log, size_t i)
{
    return i + 1 < log->count ? log->segments[i + 1]->base : log->end;
}

/* The greatest timestamp says how young a segment is. */
static bool is_young(struct log *log, struct segment *seg, int64_t wall_ms)
{
    if (log->config->compaction_lag_min_ms <= 0)
        return false;
    if (!log__times_known(log, seg))
        return true;
    return (seg->max_timestamp >= 0 ? seg->max_timestamp : seg->created_ms) > wall_ms - log->config->compaction_lag_min_ms;
}

/* How many segments, from the first, may be cleaned: whole ones, whose indexes are files. */
static size_t cleanable(struct log *log, int64_t from, int64_t stable, int64_t wall_ms)
{
    size_t n = 0;

    while (log__there(log) && n + 1 < log->count && log->segments[n]->cold && next_base(log, n) <= stable &&
           (next_base(log, n) <= from || !is_young(log, log->segments[n], wall_ms)))
        n++;
    return n;
}

/* Where that has to be read, it is known the next time. */
static bool is_overdue(struct log *log, size_t i, int64_t wall_ms)
{
    struct segment *seg = log->segments[i];

    if (log->config->compaction_lag_max_ms == INT64_MAX || !log__first_known(log, seg))
        return false;
    return seg->first_timestamp > 0 && seg->first_timestamp < wall_ms - log->config->compaction_lag_max_ms;
}

double log_dirt_ratio(const struct log_dirt *dirt)
{
    uint64_t all = dirt->clean_bytes + dirt->dirty_bytes;

    return all ? (double)dirt->dirty_bytes / (double)all : 0;
}

void log_measure_dirt(struct log *log, int64_t stable, int64_t wall_ms, struct log_dirt *dirt)
{
    int64_t from = dirty_from(log);
    size_t count = cleanable(log, from, stable, wall_ms);
    bool overdue = false;

    *dirt = (struct log_dirt){.from = from, .to = count ? next_base(log, count - 1) : log->segments[0]->base};
    if (dirt->to < from)
        dirt->to = from;
    for (size_t i = 0; i < count; i++) {
        if (log->segments[i]->base < from)
            dirt->clean_bytes += log->segments[i]->size;
        if (next_base(log, i) <= from)
            continue;
        dirt->dirty_bytes += log->segments[i]->size;
        overdue = overdue || is_overdue(log, i, wall_ms);
    }
    dirt->due = dirt->dirty_bytes && !log->clean && !log->clean_refused && log->config->compacts &&
                (overdue || log_dirt_ratio(dirt) > log->config->cleanable_ratio_min);
}

bool log_is_being_cleaned(const struct log *log)
{
    return log->clean != NULL;
}

int64_t log_cleaned_offset(const struct log *log)
{
    return log->cleaned;
}

const struct log_clean_stats *log_clean_last(const struct log *log)
{
    return log->clean_last;
}

/* --- a run's end ----------------------------------------------------------------------------------------------------------- */

static void note_success(struct clean *c)
{
    struct log *log = c->log;
    struct log_clean_stats *s = &c->stats;

    s->to = c->mapped;
    s->records_before = c->out.records;
    s->records_after = c->out.kept;
    s->nameless = c->out.nameless;
    log->cleaned = c->mapped;
    if (!log->clean_last)
        log->clean_last = mem_alloc(1, sizeof *log->clean_last);
    if (log->clean_last)
        *log->clean_last = *s;
    log_line(LOG_INFO, "log compacted", "dir=%s from=%lld to=%lld dirty_percent=%lld bytes_before=%llu bytes_after=%llu records_before=%llu records_after=%llu "
             "read=%llu ms=%llu mb_per_s=%llu keys=%zu keys_max=%zu", log->dir, (long long)s->from, (long long)s->to, (long long)(s->dirty_ratio * 100),
             (unsigned long long)s->bytes_before, (unsigned long long)s->bytes_after, (unsigned long long)s->records_before, (unsigned long long)s->records_after,
             (unsigned long long)s->bytes_read, (unsigned long long)s->elapsed_ms, (unsigned long long)(s->bytes_read / 1000 / (s->elapsed_ms ? s->elapsed_ms : 1)),
             c->keys.count, c->keys.count_max);
}

/* A log that does not read is left as it is, in everything but this. What could not be written for want of space or memory is tried again. Another failure
 * is the disk's. */
static void note_failure(struct clean *c)
{
    struct log *log = c->log;

    if (c->unreadable && c->status != STATUS_NO_MEMORY) {
        log->clean_refused = true;
        c->status = STATUS_CORRUPT;
        log_line(LOG_ERROR, "log is not compacted any more", "dir=%s reason=%s", log->dir, c->err.text);
        return;
    }
    if (!log__offline(log) && !fs_may_retry(c->status))
        store__failed(log, c->status, &c->err);
    log_line(LOG_WARN, "log not compacted this time", "dir=%s reason=%s", log->dir, c->err.text);
}

static void run_end(struct shard *here, struct clean *c)
{
    struct log_clean *order = c->order;
    struct log *log = c->log;

    c->stats.elapsed_ms = shard_now_ms(here) - c->began_ms;
    if (c->failure && c->status) /* of the failure's cleaning up */
        c->unreadable = false;
    else if (c->failure)
        c->status = c->failure;
    if (c->status)
        note_failure(c);
    else if (c->complete)
        note_success(c);
    order->status = c->status;
    order->complete = c->complete;
    order->stats = c->stats;
    clean__close(c);
    mem_free(c);
    log->clean = NULL;
    log->jobs--;
    order->done(here, order);
    log__check_idle(log);
}

/* --- the swap -------------------------------------------------------------------------------------------------------------- */

/* Places in files that are not read any more. */
static void forget_marks(struct log *log, int64_t end)
{
    for (size_t i = 0; log->marks && i < MARKS; i++)
        if (log->marks->list[i].offset < end)
            log->marks->list[i].offset = -1;
}

static void swap(struct clean *c)
{
    struct log *log = c->log;
    size_t first = log__segment_at(log, c->made->base), count = c->group_end - c->group;

    ASSERT(log->segments[first]->base == c->made->base && first + count < log->count);
    for (size_t i = 0; i < count; i++) {
        struct segment *old = log->segments[first + i];
        ASSERT(old->base == c->parts[c->group + i].base && old->cold);
        log->size -= old->size;
        c->made->created_ms = old->created_ms;
        segment_free(old);
    }
    c->made->unnamed = true;
    log->segments[first] = c->made;
    log->size += c->made->size;
    log->count -= (uint32_t)(count - 1);
    memmove(log->segments + first + 1, log->segments + first + count, (log->count - first - 1) * sizeof *log->segments);
    forget_marks(log, c->parts[c->group_end - 1].next);
    c->part = c->group;
    c->step = CLEAN_RETIRE;
}

/* It has its name: it may be closed and opened again like any other. */
static void cool(struct clean *c)
{
    struct grave *grave = log__grave_new(c->log, c->group_end - c->group);

    c->made->unnamed = false;
    segment_chill(c->made);
    segment_close(c->made);
    c->made = NULL;
    c->step = CLEAN_GROUP;
    if (!grave)
        return; /* what is left of the old ones goes when the log is opened again */
    for (size_t i = 0; i < grave->count; i++)
        grave->bases[i] = c->parts[c->group + i].base;
    log__grave_wait(c->log, grave, shard_wall_ms(store__shard(c->log->store)));
}

/* --- slices ---------------------------------------------------------------------------------------------------------------- */

static void slice_work(struct io_job *job)
{
    clean__slice(LIST_ENTRY(job, struct clean, job));
}

static void slice_done(struct shard *here, struct io_job *job);

static void slice_submit(struct clean *c)
{
    c->waits = false;
    c->job = (struct io_job){.work = slice_work, .done = slice_done, .lane = c->log}; /* that of the graves: names change one after the other */
    io_job_submit(shard_io(store__shard(c->log->store)), &c->job);
}

/* Names are changing: only forward, or the directory has failed. On a full disk they wait for room; what is stopped meanwhile, the next opening completes. */
static bool is_swapping(const struct clean *c)
{
    return c->step >= CLEAN_READY && c->step <= CLEAN_COLD;
}

/* What is half written goes, then the run ends. */
static void give_up(struct shard *here, struct clean *c)
{
    bool swapping = is_swapping(c);

    if (swapping && !fs_may_retry(c->status) && !log__offline(c->log))
        store__failed(c->log, c->status, &c->err);
    if (c->step > CLEAN_SWAP && c->step <= CLEAN_COLD)
        c->made = NULL; /* the log's */
    if (!c->made || swapping || c->step == CLEAN_DISCARD || log__offline(c->log)) {
        run_end(here, c);
        return;
    }
    c->failure = c->status;
    c->status = STATUS_OK;
    c->step = CLEAN_DISCARD;
    slice_submit(c);
}

static void timer_fired(struct shard *here, struct timer *timer);

static void slice_wait(struct shard *here, struct clean *c, uint64_t ms)
{
    c->waits = true;
    timer_set(here, &c->timer, shard_now_ms(here) + ms, timer_fired);
}

/* The next slice, when as much time has passed as the bytes of this one are worth. */
static void slice_later(struct shard *here, struct clean *c)
{
    double ms = (double)c->slice * 1000 / c->order->bytes_per_second;

    if (ms < 1)
        slice_submit(c);
    else
        slice_wait(here, c, (uint64_t)(ms < WAIT_MS_MAX ? ms : WAIT_MS_MAX));
}

static void slice_next(struct shard *here, struct clean *c)
{
    if (!c->status && log__offline(c->log))
        c->status = err_set(&c->err, STATUS_KAFKA_STORAGE_ERROR, "the log directory is offline");
    if (fs_may_retry(c->status) && is_swapping(c) && !c->stop) {
        c->status = STATUS_OK;
        slice_wait(here, c, NO_SPACE_WAIT_MS);
        return;
    }
    if (c->status || (c->stop && !is_swapping(c) && c->step != CLEAN_END)) {
        give_up(here, c);
        return;
    }
    if (c->step == CLEAN_SWAP)
        swap(c);
    else if (c->step == CLEAN_COLD)
        cool(c);
    if (c->step == CLEAN_END)
        run_end(here, c);
    else
        slice_later(here, c);
}

static void timer_fired(struct shard *here, struct timer *timer)
{
    struct clean *c = LIST_ENTRY(timer, struct clean, timer);

    if (c->stop && !is_swapping(c))
        slice_next(here, c);
    else
        slice_submit(c);
}

static void slice_done(struct shard *here, struct io_job *job)
{
    slice_next(here, LIST_ENTRY(job, struct clean, job));
}

void log__clean_stop(struct log *log)
{
    struct clean *c = log->clean;

    if (!c)
        return;
    c->stop = true;
    if (c->waits)
        timer_set(store__shard(log->store), &c->timer, 0, timer_fired);
}

/* --- a run's beginning ----------------------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    const struct clean_producer *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

/* Copies those of segments that are not cold. */
static bool copy_recent(struct txnindex *out, const struct segment *seg)
{
    if (seg->cold)
        return true;
    if (!txnindex_reserve(out, seg->aborted.count))
        return false;
    for (size_t i = 0; i < seg->aborted.count; i++)
        txnindex_add(out, &seg->aborted.list[i]);
    return true;
}

static struct clean *run_new(struct log *log, struct log_clean *order, const struct log_dirt *dirt)
{
    struct clean *c = mem_alloc(1, sizeof *c + log->count * sizeof *c->parts);

    if (!c)
        return NULL;
    c->log = log;
    c->order = order;
    c->config = *log->config;
    c->from = dirt->from;
    c->to = dirt->to;
    c->all = log->count;
    for (size_t i = 0; i < log->count; i++) {
        const struct segment *seg = log->segments[i];
        c->parts[i] = (struct clean_part){seg->base, next_base(log, i), seg->size, seg->cold && seg->aborts};
        c->count += c->parts[i].next <= dirt->to;
        if (!copy_recent(&c->recent, seg)) {
            txnindex_free(&c->recent);
            mem_free(c);
            return NULL;
        }
    }
    return c;
}

bool log_clean(struct log *log, struct log_clean *order)
{
    struct shard *shard = store__shard(log->store);
    struct log_dirt dirt;
    struct clean *c;

    if (log->clean || log->clean_refused || log->idle || log__offline(log))
        return false;
    log_measure_dirt(log, order->stable, order->wall_ms, &dirt);
    c = dirt.dirty_bytes ? run_new(log, order, &dirt) : NULL;
    if (!c)
        return false;
    if (order->producers_count)
        qsort(order->producers, order->producers_count, sizeof *order->producers, by_id);
    for (size_t i = 0; i < sizeof c->seed / sizeof *c->seed; i++)
        c->seed[i] = shard_random(shard);
    c->began_ms = shard_now_ms(shard);
    c->stats = (struct log_clean_stats){.from = dirt.from, .dirty_ratio = log_dirt_ratio(&dirt)};
    log->clean = c;
    log->jobs++;
    slice_submit(c);
    return true;
}
