/* SPDX-License-Identifier: Apache-2.0
 * See warm.h. */
#include "store/warm.h"

#include "base/assert.h"
#include "base/mem.h"
#include "rt/log.h"
#include "store/files.h"
#include "store/log_int.h"

enum {
    WARM_JOBS = 2,                     /* at once, of a shard */
    WARM_BYTES_MAX = 8 * REGION_BYTES, /* of one job, but for a batch that is larger */
    AHEAD_BYTES = 4 * REGION_BYTES,    /* read ahead, as soon as less than half of it is there */
    REINDEX_INTERVAL = 4096,
};

struct warming {
    struct io_job job;
    struct list link;      /* in the store's row */
    struct list of;        /* in seg->warmings */
    struct log *log;
    struct segment *seg;   /* NULL: it is gone */
    struct list readers;   /* struct log_warm; empty: it reads ahead, or: */
    bool housekeeps;       /* housekeeping asked for its parts */
    int64_t offset;        /* -1: from `from` on */
    uint64_t from, to, end;
    int64_t limit;         /* the offset of `end` */
    unsigned parts;        /* enum log_part */
    struct segment own;    /* the job's: this and below */
    uint64_t checked_from, checked_to, good;
    enum status status;
    struct err err;
};

void warms_init(struct warms *warms)
{
    *warms = (struct warms){0};
    list_init(&warms->waiting);
}

void warm_forget(struct segment *seg)
{
    for (struct list *node = list_pop_front(&seg->warmings); node; node = list_pop_front(&seg->warmings))
        LIST_ENTRY(node, struct warming, of)->seg = NULL;
}

/* --- the job: files only --------------------------------------------------------------------------------------------------- */

static uint64_t region_end(uint64_t at)
{
    return (at + REGION_BYTES - 1) / REGION_BYTES * REGION_BYTES;
}

/* An index that is not there, or cannot be one, is made again from the batches as far as they read, for as long as it is in memory. */
static void reindex(struct segment *own, const struct err *why)
{
    uint8_t buffer[8192];
    struct scan scan = {.file = own->file, .end = own->size, .buffer = buffer, .capacity = sizeof buffer};
    int64_t next = own->base;
    struct batch_head head;
    struct err ignored;

    log_line(LOG_WARN, "index does not read: it is made again in memory", "reason=%s", why->text);
    index_free(&own->offsets);
    index_free(&own->times);
    index_init(&own->offsets, OFFSET_KEY);
    index_init(&own->times, TIME_KEY);
    own->max_timestamp = own->max_timestamp_offset = -1;
    for (own->size = own->unindexed = 0; own->size < scan.end && !scan_head(&scan, own->size, &head, &ignored) && head.base_offset >= next;) {
        next = batch_last_offset(&head) + 1;
        segment_note(own, &head, REINDEX_INTERVAL);
    }
    (void)!segment_seal(own); /* an entry that there is no memory for is left out */
    own->size = scan.end;
}

static enum status load_index(struct warming *w, struct index *ix, const char *suffix, struct err *err)
{
    char path[FS_PATH_MAX];
    enum status status = segment_path(path, w->log->dir, w->own.base, suffix, err);

    return status ? status : index_load(ix, w->log->fs, path, err);
}

static enum status warm_open(struct warming *w, struct err *err)
{
    struct segment *own = &w->own;
    char path[FS_PATH_MAX];
    enum status status = STATUS_OK;

    if (!own->file && (segment_path(path, w->log->dir, own->base, ".log", err) ||
                       fs_open(w->log->fs, path, own->cold ? FS_READ : FS_WRITE, &own->file, err)))
        return err->status;
    if (!own->offsets.resident)
        status = load_index(w, &own->offsets, ".index", err);
    if (!status && w->parts & LOG_TIMES && own->cold && !own->times.resident)
        status = load_index(w, &own->times, ".timeindex", err);
    if (status != STATUS_CORRUPT && status != STATUS_NOT_FOUND)
        return status;
    reindex(own, err);
    return STATUS_OK;
}

static enum status warm_parts(struct warming *w, struct err *err)
{
    struct segment *own = &w->own;

    if ((w->parts & LOG_TIMES && segment_know_times(own, err)) || (w->parts & LOG_FIRST && segment_know_first(own, err)))
        return err->status;
    return w->parts & LOG_ABORTED ? segment_know_aborted(own, w->log->fs, w->log->dir, w->limit, err) : STATUS_OK;
}

static enum status warm_files(struct warming *w, struct err *err)
{
    struct segment *own = &w->own;
    uint64_t from = w->from, to = w->to;
    struct index_entry entry;
    uint64_t place;
    int64_t base;

    if (warm_open(w, err) || warm_parts(w, err))
        return err->status;
    if (w->offset >= 0 && index_floor(&own->offsets, w->offset - own->base, &entry)) {
        from += (uint64_t)entry.value;
        to += (uint64_t)entry.value;
    }
    if (to > w->end)
        to = w->end;
    if (from >= to)
        return STATUS_OK;
    w->checked_from = from / REGION_BYTES * REGION_BYTES;
    w->checked_to = region_end(to) < w->end ? region_end(to) : w->end;
    place = segment_place(own, w->checked_from, w->end, &base);
    return segment_check(own, place, w->checked_to, w->end, base, w->limit, &w->good, err);
}

static void warm_work(struct io_job *job)
{
    struct warming *w = LIST_ENTRY(job, struct warming, job);

    w->status = warm_files(w, &w->err);
}

/* Its segment went away while it waited. */
static void warm_nothing(struct io_job *job)
{
}

/* --- on the shard ---------------------------------------------------------------------------------------------------------- */

static void warm_take_index(struct index *ix, struct index *own)
{
    if (ix->resident || !own->resident)
        return;
    index_free(ix);
    *ix = *own;
    *own = (struct index){.key_size = ix->key_size};
}

static void warm_take_parts(struct segment *seg, struct segment *own)
{
    if (own->times_known && !seg->times_known) {
        seg->max_timestamp = own->max_timestamp;
        seg->max_timestamp_offset = own->max_timestamp_offset;
        seg->times_known = true;
    }
    if (own->first_known && !seg->first_known) {
        seg->first_timestamp = own->first_timestamp;
        seg->first_known = true;
    }
    if (own->aborts_known && !seg->aborts_known) {
        txnindex_free(&seg->aborted);
        seg->aborted = own->aborted;
        own->aborted = (struct txnindex){0};
        seg->aborts_known = true;
    }
}

/* What the job found is the segment's now, as far as that has not got it meanwhile. */
static void warm_take(struct warming *w)
{
    struct segment *seg = w->seg, *own = &w->own;

    if (!seg->file) {
        seg->file = own->file;
        own->file = NULL;
    }
    if (own->cold) {
        warm_take_index(&seg->offsets, &own->offsets);
        warm_take_index(&seg->times, &own->times);
        warm_take_parts(seg, own);
    }
    if (seg->file)
        files_use(store__files(w->log->store), seg);
    if (w->status == STATUS_OK) {
        segment_settle(seg, w->checked_from, w->checked_to, REGION_GOOD);
        segment_settle(seg, w->checked_to, w->good / REGION_BYTES * REGION_BYTES, REGION_GOOD); /* the last batch may be larger than a region */
    } else if (w->status == STATUS_CORRUPT && w->checked_to) {
        segment_settle(seg, w->checked_from, w->good / REGION_BYTES * REGION_BYTES, REGION_GOOD);
        log__bad(w->log, seg, w->good, &w->err);
    }
}

static void warms_go_on(struct store *store);

/* Who waited reads again: a batch that is bad is found there, and a segment that went away meanwhile, its names with it, is not asked for any more. */
static void warm_end(struct shard *here, struct warming *w)
{
    enum status status = w->status == STATUS_CORRUPT || !w->seg ? STATUS_OK : w->status;
    struct log *log = w->log;
    bool housekeeps = w->housekeeps && w->parts & LOG_TIMES && !status && w->seg && w->seg->times_known;
    struct list readers;

    if (status)
        log_line(LOG_ERROR, "log does not read", "dir=%s reason=%s", log->dir, w->err.text);
    list_init(&readers);
    list_move_all(&readers, &w->readers);
    list_remove(&w->of);
    if (w->own.file)
        file_unref(w->own.file);
    index_free(&w->own.offsets);
    index_free(&w->own.times);
    txnindex_free(&w->own.aborted);
    mem_free(w);
    for (struct list *node = list_pop_front(&readers); node; node = list_pop_front(&readers)) {
        struct log_warm *reader = LIST_ENTRY(node, struct log_warm, link);
        reader->status = status;
        reader->done(here, reader);
    }
    if (housekeeps && !log->idle)
        log_housekeep(log, shard_wall_ms(here));
    log->jobs--;
    log__check_idle(log);
}

static void warm_done(struct shard *here, struct io_job *job)
{
    struct warming *w = LIST_ENTRY(job, struct warming, job);
    struct store *store = w->log->store;

    store__warms(store)->running--;
    if (w->seg)
        warm_take(w);
    warm_end(here, w);
    warms_go_on(store);
}

/* Of an index that is in memory the job gets the entry that it needs. Without memory for it, it begins at the file's beginning. */
static void warm_lend_index(struct warming *w)
{
    const struct segment *seg = w->seg;
    struct index_entry entry;
    int32_t at;

    index_init(&w->own.offsets, OFFSET_KEY);
    if (w->offset >= 0 && index_floor(&seg->offsets, w->offset - seg->base, &entry)) {
        w->from += (uint64_t)entry.value;
        w->to += (uint64_t)entry.value;
    }
    w->offset = -1;
    at = w->from < INT32_MAX ? (int32_t)(w->from / REGION_BYTES * REGION_BYTES) : INT32_MAX;
    if (index_floor_value(&seg->offsets, at, &entry))
        (void)index_add(&w->own.offsets, entry);
}

static void warm_start(struct warming *w)
{
    const struct segment *seg = w->seg;
    struct log *log = w->log;

    store__warms(log->store)->running++;
    if (!seg) {
        w->job = (struct io_job){.work = warm_nothing, .done = warm_done};
        io_job_submit(shard_io(store__shard(log->store)), &w->job);
        return;
    }
    w->own = (struct segment){.base = seg->base, .cold = seg->cold, .file = seg->file ? file_ref(seg->file) : NULL,
                              .first_timestamp = -1, .max_timestamp = -1, .max_timestamp_offset = -1, .times_known = seg->times_known,
                              .first_known = seg->first_known, .aborts = seg->aborts};
    w->own.offsets.key_size = OFFSET_KEY;
    w->own.times.key_size = TIME_KEY;
    w->end = log__on_disk(log, seg);
    w->limit = log__limit(log, seg);
    w->own.size = w->end;
    if (seg->offsets.resident)
        warm_lend_index(w);
    w->job = (struct io_job){.work = warm_work, .done = warm_done};
    io_job_submit(shard_io(store__shard(log->store)), &w->job);
}

static void warms_go_on(struct store *store)
{
    struct warms *warms = store__warms(store);

    while (warms->running < WARM_JOBS && !list_empty(&warms->waiting)) {
        struct list *node = list_pop_front(&warms->waiting);
        warm_start(LIST_ENTRY(node, struct warming, link));
    }
}

/* --- who asks -------------------------------------------------------------------------------------------------------------- */

static struct warming *warming_new(struct log *log, struct segment *seg, int64_t offset, uint64_t from, uint64_t to, unsigned parts)
{
    struct warming *w = mem_alloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->log = log;
    w->seg = seg;
    w->offset = offset;
    w->from = from;
    w->to = to;
    w->parts = parts;
    list_init(&w->readers);
    list_push_back(&seg->warmings, &w->of);
    list_push_back(&store__warms(log->store)->waiting, &w->link);
    log->jobs++;
    return w;
}

/* One that is under way and gets the same. */
static struct warming *warming_like(const struct segment *seg, const struct log_warm *reader)
{
    LIST_EACH(node, &seg->warmings) {
        struct warming *w = LIST_ENTRY(node, struct warming, of);
        if (!(reader->parts & ~w->parts) && reader->offset == w->offset && (reader->offset >= 0 || (reader->miss.from >= w->from && reader->miss.to <= w->to)))
            return w;
    }
    return NULL;
}

static void warm_refused(struct shard *here, struct mail *mail)
{
    struct log_warm *reader = LIST_ENTRY(mail, struct log_warm, mail);
    struct log *log = reader->log;

    reader->status = STATUS_NO_MEMORY;
    reader->done(here, reader);
    log->jobs--;
    log__check_idle(log);
}

void log_warm(struct log *log, struct log_warm *reader, void (*done)(struct shard *here, struct log_warm *reader))
{
    struct segment *seg = log->segments[log__segment_at(log, reader->base)];
    struct shard *here = store__shard(log->store);
    struct warming *w;

    ASSERT(seg->base == reader->base); /* nothing happened since it was told */
    if (reader->miss.to - reader->miss.from > WARM_BYTES_MAX)
        reader->miss.to = reader->miss.from + WARM_BYTES_MAX;
    w = warming_like(seg, reader);
    if (!w)
        w = warming_new(log, seg, reader->offset, reader->miss.from, reader->miss.to, reader->parts);
    reader->done = done;
    if (w) {
        list_init(&reader->link);
        list_push_back(&w->readers, &reader->link);
        warms_go_on(log->store);
        return;
    }
    reader->log = log;
    reader->mail.run = warm_refused;
    log->jobs++;
    shard_post(here, here, &reader->mail);
}

/* A part of the segment for who can do without it for now. Without memory, the next time. */
static void ask(struct log *log, struct segment *seg, enum log_part part)
{
    struct warming *w;

    LIST_EACH(node, &seg->warmings) {
        w = LIST_ENTRY(node, struct warming, of);
        if (w->housekeeps && w->parts & part)
            return;
    }
    w = warming_new(log, seg, -1, 0, 0, part);
    if (!w)
        return;
    w->housekeeps = true;
    warms_go_on(log->store);
}

bool log__times_known(struct log *log, struct segment *seg)
{
    if (!seg->times_known)
        ask(log, seg, LOG_TIMES);
    return seg->times_known;
}

bool log__first_known(struct log *log, struct segment *seg)
{
    if (!seg->first_known)
        ask(log, seg, LOG_FIRST);
    return seg->first_known;
}

void warm_ahead(struct log *log, size_t i, uint64_t from, uint64_t to)
{
    struct segment *seg = log->segments[i];
    bool goes_on = from <= seg->read_to && from + REGION_BYTES > seg->read_to;
    uint64_t end = log__on_disk(log, seg), ahead = to + AHEAD_BYTES / 2;

    seg->read_to = to;
    if (!goes_on || store__warms(log->store)->running == WARM_JOBS || ahead >= end || !list_empty(&seg->warmings))
        return;
    if (segment_region(seg, ahead) != REGION_UNKNOWN && file_cached(seg->file, ahead, 1))
        return;
    (void)warming_new(log, seg, -1, ahead / REGION_BYTES * REGION_BYTES, ahead + AHEAD_BYTES, 0); /* without memory, the reader asks himself */
    warms_go_on(log->store);
}
