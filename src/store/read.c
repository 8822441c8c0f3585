/* SPDX-License-Identifier: Apache-2.0
 * What may be read of a log: ranges of batches by offset, and offsets by timestamp.
 *
 * Everything is found in two ways that differ in one thing: with a reader (log_read_cached and the like, on the shard's loop) what is not in memory is
 * STATUS_NOT_CACHED, and the reader is told what it lacked (warm.h); without one the disk is waited for. What comes from the disk is served once it was
 * checked (check.c), but for the place of a commit of late, to which a reader who follows the log comes back.
 */
#include "store/log_int.h"

#include "base/bug.h"
#include "base/mem.h"
#include "rt/log.h"
#include "store/files.h"
#include "store/warm.h"

/* --- segments -------------------------------------------------------------------------------------------------------------- */

/* Bytes of the segment that may be read: all of them before the one that is written. */
static uint64_t readable(const struct log *log, const struct segment *seg)
{
    if (seg == log->writing)
        return BUG(KAFKA_9835) ? seg->size : log->written;
    return seg->base < log->writing->base ? seg->size : 0;
}

uint64_t log__on_disk(const struct log *log, const struct segment *seg)
{
    return seg->tail ? tail_begin(seg->tail) : readable(log, seg);
}

int64_t log__limit(const struct log *log, const struct segment *seg)
{
    return seg == log->writing ? log->durable : log->segments[log__segment_at(log, seg->base) + 1]->base;
}

/* A reader that was told too often that it has to wait, does: what it needs does not stay in memory. */
static struct log_warm *reader_begin(struct log_warm *reader)
{
    if (!reader || reader->tries < WARM_TRIES)
        return reader;
    reader->tries = 0;
    return NULL;
}

static struct scan_miss *reader_miss(struct log_warm *reader)
{
    if (!reader)
        return NULL;
    reader->offset = -1;
    reader->parts = 0;
    return &reader->miss;
}

/* The same for one that goes by the time index: who lacks data may have lost that, too, when he comes back, and would go round with others. */
static struct scan_miss *reader_miss_timed(struct log_warm *reader)
{
    struct scan_miss *miss = reader_miss(reader);

    if (reader)
        reader->parts = LOG_TIMES;
    return miss;
}

enum status log__lacks(struct log_warm *reader, const struct segment *seg, unsigned parts, struct err *err)
{
    *reader_miss(reader) = (struct scan_miss){0, 0};
    reader->parts = parts;
    reader->base = seg->base;
    return err_set(err, STATUS_NOT_CACHED, "segment %lld is not open", (long long)seg->base);
}

/* What it lacks is of this segment. */
static enum status reader_lacks(struct log_warm *reader, const struct segment *seg, enum status status)
{
    if (status == STATUS_NOT_CACHED) {
        reader->tries = seg->base > reader->reached ? 1 : reader->tries + 1;
        reader->base = seg->base;
        if (seg->base > reader->reached)
            reader->reached = seg->base;
    }
    return status;
}

static bool segment_is_open(const struct segment *seg, bool times)
{
    if (!seg->made || (seg->tail && tail_begin(seg->tail) == 0))
        return true; /* all of it is in memory */
    return seg->file && (!seg->cold || (seg->offsets.resident && (!times || seg->times.resident)));
}

static enum status open_segment(struct log *log, struct segment *seg, bool times, struct log_warm *reader, struct err *err)
{
    if (!segment_is_open(seg, times)) {
        if (reader)
            return log__lacks(reader, seg, times ? LOG_TIMES : 0, err);
        if (segment_open(seg, log->fs, log->dir, err))
            return err->status;
    }
    if (log->store && seg->file)
        files_use(store__files(log->store), seg);
    return STATUS_OK;
}

enum status log__open_segment(struct log *log, struct segment *seg, struct log_warm *reader, struct err *err)
{
    return open_segment(log, seg, false, reader, err);
}

enum status log__know_times(struct log *log, struct segment *seg, struct log_warm *reader, struct err *err)
{
    if (seg->times_known)
        return STATUS_OK;
    if (open_segment(log, seg, true, reader, err))
        return err->status;
    return segment_know_times(seg, err); /* of what a reader had opened for it, it is known */
}

void log__bad(struct log *log, struct segment *seg, uint64_t position, const struct err *why)
{
    if (segment_region(seg, position) != REGION_BAD)
        log_line(LOG_ERROR, "bad batch: it is not served", "dir=%s reason=%s", log->dir, why->text);
    segment_settle(seg, position, position + 1, REGION_BAD);
}

/* --- by offset ------------------------------------------------------------------------------------------------------------- */

/* Where a commit of late began. What follows was checked when it came, and has not been on its way through a disk since. */
static const struct mark *mark_at(const struct log *log, int64_t offset)
{
    for (unsigned i = 0; log->marks && i < MARKS; i++)
        if (log->marks->list[i].offset == offset)
            return &log->marks->list[i];
    return NULL;
}

/* Somebody reads where the log is written, and perhaps follows it. Without memory, each read searches. */
static void marks_begin(struct log *log)
{
    log->marks = mem_alloc(1, sizeof *log->marks);
    for (unsigned i = 0; log->marks && i < MARKS; i++)
        log->marks->list[i].offset = -1;
}

/* Of the batch that holds `offset`, or of the next one when it was compacted away; *position == end: not in this segment. */
static enum status log_find(struct log *log, struct segment *seg, int64_t offset, uint64_t end, struct log_warm *reader, uint64_t *position,
                            struct batch_head *head, struct err *err)
{
    enum status status = segment_find(seg, offset, end, reader_miss(reader), position, head, err);

    if (status == STATUS_CORRUPT)
        log__bad(log, seg, *position, err);
    return status;
}

/* One reader's way to its slice. */
struct reading {
    struct log *log;
    struct segment *seg;
    struct log_warm *reader;
    uint64_t end;         /* of what it may read */
    int64_t limit;
    size_t size_max, first; /* first: bytes of the first batch; 0: not known */
    bool at_least_one;
    const struct mark *mark;
    struct log_slice *slice;
};

/* Only the tail is read. */
static bool in_tail(const struct reading *r)
{
    return r->mark && r->seg->tail && r->mark->position >= tail_begin(r->seg->tail) && r->limit == r->log->durable;
}

static enum status reading_find(struct reading *r, int64_t offset, struct err *err)
{
    struct batch_head head;

    if (r->mark) {
        r->slice->position = r->mark->position;
        return STATUS_OK;
    }
    if (log_find(r->log, r->seg, offset, r->end, r->reader, &r->slice->position, &head, err))
        return err->status;
    if (r->slice->position == r->end)
        return STATUS_OK;
    r->slice->base_offset = head.base_offset;
    r->first = batch_size(&head);
    return STATUS_OK;
}

/* Bytes of the first batch. */
static enum status reading_first(struct reading *r, struct err *err)
{
    uint8_t buffer[BATCH_OVERHEAD];
    struct scan scan = {.file = r->seg->file, .miss = reader_miss(r->reader), .tail = r->seg->tail, .end = r->end, .buffer = buffer, .capacity = sizeof buffer};
    struct batch_head head;
    enum status status;

    if (r->first)
        return STATUS_OK;
    status = scan_head(&scan, r->slice->position, &head, err);
    if (!status)
        r->first = batch_size(&head);
    else if (status == STATUS_CORRUPT)
        log__bad(r->log, r->seg, r->slice->position, err);
    return status;
}

/* To the limit or the segment's readable end, cut at size_max but never inside the first batch when that must be whole. */
static enum status reading_measure(struct reading *r, struct err *err)
{
    struct batch_head ignored;
    uint64_t end = r->end;

    if (r->limit < r->log->durable && log_find(r->log, r->seg, r->limit, r->end, r->reader, &end, &ignored, err))
        return err->status;
    r->slice->size = (size_t)(end - r->slice->position);
    if (r->slice->size <= r->size_max)
        return STATUS_OK;
    if (!r->at_least_one)
        r->slice->size = r->size_max;
    else if (reading_first(r, err))
        return err->status;
    else if (r->slice->size > r->first)
        r->slice->size = r->size_max > r->first ? r->size_max : r->first;
    return STATUS_OK;
}

/* A bad batch is somewhere there: what is before it is served. Also for who cannot keep anything in memory. */
static enum status reading_check(struct reading *r, struct err *err)
{
    struct log_slice *slice = r->slice;
    uint64_t good;
    enum status status = segment_check(r->seg, slice->position, slice->position + slice->size, r->end, slice->base_offset, log__limit(r->log, r->seg), &good, err);

    if (status != STATUS_CORRUPT)
        return status;
    log__bad(r->log, r->seg, good, err);
    if (good <= slice->position)
        return status;
    if (good - slice->position < slice->size)
        slice->size = (size_t)(good - slice->position);
    return STATUS_OK;
}

/* What of the slice is from the disk has to be in memory, and good: as much of it as is, when that is enough. */
static enum status reading_judge(struct reading *r, struct err *err)
{
    struct log_slice *slice = r->slice;
    uint64_t disk = log__on_disk(r->log, r->seg), from = slice->position, to = from + slice->size < disk ? from + slice->size : disk, good;

    if (from >= to)
        return STATUS_OK;
    good = segment_good(r->seg, from, to);
    if (r->reader) {
        uint64_t cached = file_cached(r->seg->file, from, (size_t)good);
        segment_doubt(r->seg, from + cached, from + good);
        good = cached;
    }
    if (good == to - from)
        return STATUS_OK;
    if (r->reader && good && (good >= r->first || !r->at_least_one)) {
        slice->size = (size_t)good;
        return STATUS_OK;
    }
    if (!r->reader || segment_region(r->seg, from + good) == REGION_BAD)
        return reading_check(r, err);
    *reader_miss(r->reader) = (struct scan_miss){from, to};
    return err_set(err, STATUS_NOT_CACHED, "segment %lld: bytes from %llu on", (long long)r->seg->base, (unsigned long long)from);
}

/* Without memory for all of it the slice is what the first of its files has. */
static void reading_source(const struct reading *r)
{
    struct log_slice *slice = r->slice;
    const struct segment *seg = r->seg;
    uint64_t left = slice->size;

    if (!slice->size)
        return;
    slice->file = seg->tail ? tail_span(seg->tail, seg->file, slice->position, slice->position + slice->size) : file_ref(seg->file);
    if (slice->file)
        return;
    slice->file = file_ref(tail_source(seg->tail, seg->file, slice->position, &left));
    slice->size = (size_t)left;
}

/* Its segment's part of log_read; *over: there is nothing more to be looked for in later ones. */
static enum status reading_segment(struct reading *r, int64_t offset, bool *over, struct err *err)
{
    enum status status = STATUS_OK;

    r->mark = offset >= r->seg->base ? mark_at(r->log, offset) : NULL;
    r->first = 0;
    if (!in_tail(r))
        status = open_segment(r->log, r->seg, false, r->reader, err);
    if (status == STATUS_NOT_CACHED) {
        r->reader->offset = offset;
        r->reader->miss.to = r->size_max ? r->size_max : 1;
    }
    if (!status)
        status = reading_find(r, offset, err);
    if (status || r->slice->position == r->end)
        return status;
    *over = true;
    if (r->slice->base_offset >= r->limit)
        return STATUS_OK;
    status = reading_measure(r, err);
    if (!status && !r->mark)
        status = reading_judge(r, err);
    if (status)
        return status;
    reading_source(r);
    return STATUS_OK;
}

enum status log_read_cached(struct log *log, int64_t offset, int64_t limit_offset, size_t size_max, bool at_least_one, struct log_slice *slice, struct log_warm *reader,
                            struct err *err)
{
    struct reading r = {.log = log, .reader = reader_begin(reader), .limit = limit_offset < log->durable ? limit_offset : log->durable, .size_max = size_max, .at_least_one = at_least_one, .slice = slice};
    bool over = false;

    *slice = (struct log_slice){.base_offset = offset};
    if (offset < log->start || offset > log->end)
        return STATUS_OFFSET_OUT_OF_RANGE;
    if (offset >= log->writing->base && !log->marks)
        marks_begin(log);
    for (size_t i = log__segment_at(log, offset); i < log->count && offset < r.limit && !over; i++) {
        enum status status;
        r.seg = log->segments[i];
        r.end = readable(log, r.seg);
        if (r.seg->base >= r.limit)
            break;
        if (r.end == 0)
            continue;
        status = reading_segment(&r, offset, &over, err);
        if (status) {
            *slice = (struct log_slice){.base_offset = offset};
            return reader_lacks(reader, r.seg, status);
        }
        if (!slice->size)
            continue; /* compacted away here: the next segment has it */
        slice->more = slice->position + slice->size < r.end || (i + 1 < log->count && log->segments[i + 1]->base < r.limit);
        if (r.reader && !r.mark)
            warm_ahead(log, i, slice->position, slice->position + slice->size);
    }
    if (reader)
        reader->tries = 0;
    return STATUS_OK;
}

enum status log_read(struct log *log, int64_t offset, int64_t limit_offset, size_t size_max, bool at_least_one, struct log_slice *slice, struct err *err)
{
    return log_read_cached(log, offset, limit_offset, size_max, at_least_one, slice, NULL, err);
}

/* --- by timestamp ---------------------------------------------------------------------------------------------------------- */

enum { TIMESTAMP_CHUNK = 64 * 1024, DECOMPRESSED_MAX = 1 << 30 };

/* A walk over the segments by the greatest timestamps of each: which to look into, and what for. */
struct timed_walk {
    bool (*over)(struct timed_walk *walk);
    bool (*worth)(struct timed_walk *walk, const struct segment *seg); /* it may note what it needs, too */
    enum status (*look)(struct timed_walk *walk, const struct segment *seg, uint64_t end, struct scan_miss *miss, struct err *err);
    int64_t from, durable; /* records that count */
};

static enum status walk_segment(struct timed_walk *walk, struct log *log, struct segment *seg, struct log_warm *reader, struct err *err)
{
    uint64_t end = readable(log, seg);

    if (end == 0)
        return STATUS_OK;
    if (log__know_times(log, seg, reader, err))
        return err->status;
    if (!walk->worth(walk, seg))
        return STATUS_OK;
    if (open_segment(log, seg, true, reader, err))
        return err->status;
    return walk->look(walk, seg, end, reader_miss_timed(reader), err);
}

/* `reader`: as reader_begin has it. */
static enum status log_walk_timed(struct log *log, struct timed_walk *walk, struct log_warm *reader, struct err *err)
{
    walk->from = log->start;
    walk->durable = log->durable;
    for (size_t i = log__segment_at(log, log->start); i < log->count && !walk->over(walk); i++) {
        enum status status = walk_segment(walk, log, log->segments[i], reader, err);
        if (status)
            return reader_lacks(reader, log->segments[i], status);
    }
    return STATUS_OK;
}

/* The first record at or after a time. */
struct timestamp_search {
    struct timed_walk walk;
    int64_t timestamp;
    int64_t offset, found_timestamp; /* offset -1: not found */
    int32_t epoch;
};

static bool search_over(struct timed_walk *walk)
{
    return LIST_ENTRY(walk, struct timestamp_search, walk)->offset >= 0;
}

static bool search_worth(struct timed_walk *walk, const struct segment *seg)
{
    return seg->max_timestamp >= LIST_ENTRY(walk, struct timestamp_search, walk)->timestamp;
}

/* Calls `each` with every record of one batch. */
static enum status batch_records(struct bytes_view batch, const struct batch_head *head, void (*each)(void *context, const struct batch_head *head, const struct record *record),
                                 void *context, struct err *err)
{
    struct arena arena;
    struct record_cursor *cursor;
    struct record record;
    enum status status = STATUS_OK;
    bool more = true;

    arena_init(&arena, (size_t)DECOMPRESSED_MAX);
    cursor = record_cursor_new(&arena, batch, DECOMPRESSED_MAX);
    if (!cursor)
        status = STATUS_NO_MEMORY;
    while (cursor && !(status = record_next(cursor, &record, &more)) && more)
        each(context, head, &record);
    record_cursor_free(cursor);
    arena_free(&arena);
    if (status)
        return err_set(err, status == STATUS_NO_MEMORY ? status : STATUS_CORRUPT, "the records at offset %lld do not read: %s", (long long)head->base_offset,
                       status_name(status));
    return STATUS_OK;
}

static void search_record(void *context, const struct batch_head *head, const struct record *record)
{
    struct timestamp_search *search = context;

    if (search->offset >= 0 || (record->timestamp < search->timestamp && !BUG(KOP_334)) || record->offset < search->walk.from)
        return;
    search->offset = BUG(KAFKA_16310) ? batch_last_offset(head) : record->offset;
    search->found_timestamp = record->timestamp;
    search->epoch = head->leader_epoch;
}

static enum status search_segment(struct timed_walk *walk, const struct segment *seg, uint64_t end, struct scan_miss *miss, struct err *err)
{
    struct timestamp_search *search = LIST_ENTRY(walk, struct timestamp_search, walk);
    struct scan scan = {.file = seg->file, .miss = miss, .tail = seg->tail, .end = end, .capacity = TIMESTAMP_CHUNK, .grows = true};
    struct index_entry entry;
    bool indexed = index_floor(&seg->times, search->timestamp, &entry);
    struct batch_head head;
    uint64_t at;
    enum status status = segment_find_timed(seg, indexed ? &entry : NULL, walk->from, end, miss, &at, &head, err);

    scan.buffer = mem_alloc(scan.capacity, 1);
    if (!status && !scan.buffer)
        status = err_set(err, STATUS_NO_MEMORY, "no memory to search");
    for (; !status && search->offset < 0 && at < end; at += batch_size(&head)) {
        struct bytes_view batch;
        status = scan_head(&scan, at, &head, err);
        if (status || (BUG(REDPANDA_6606) ? head.base_timestamp : head.max_timestamp) < search->timestamp)
            continue;
        status = scan_batch(&scan, at, &head, &batch, err);
        if (!status)
            status = batch_records(batch, &head, search_record, search, err);
    }
    mem_free(scan.buffer);
    return status;
}

static enum status find_timestamp(struct log *log, int64_t timestamp, int64_t *offset, int64_t *found_timestamp, int32_t *epoch, struct log_warm *reader,
                                  struct err *err)
{
    struct timestamp_search search = {.walk = {.over = search_over, .worth = search_worth, .look = search_segment}, .timestamp = timestamp, .offset = -1, .found_timestamp = -1, .epoch = -1};
    enum status status = log_walk_timed(log, &search.walk, reader, err);

    *offset = search.offset;
    *found_timestamp = search.found_timestamp;
    *epoch = search.epoch;
    return status;
}

enum status log_find_timestamp_cached(struct log *log, int64_t timestamp, int64_t *offset, int64_t *found_timestamp, int32_t *epoch, struct log_warm *reader,
                                      struct err *err)
{
    return find_timestamp(log, timestamp, offset, found_timestamp, epoch, reader_begin(reader), err);
}

enum status log_find_timestamp(struct log *log, int64_t timestamp, int64_t *offset, int64_t *found_timestamp, int32_t *epoch, struct err *err)
{
    return log_find_timestamp_cached(log, timestamp, offset, found_timestamp, epoch, NULL, err);
}

struct greatest {
    struct timed_walk walk;
    int64_t timestamp;
};

static bool greatest_over(struct timed_walk *walk)
{
    return false;
}

static bool greatest_worth(struct timed_walk *walk, const struct segment *seg)
{
    struct greatest *greatest = LIST_ENTRY(walk, struct greatest, walk);

    if (seg->max_timestamp <= greatest->timestamp)
        return false;
    if (seg->base < walk->from || seg->max_timestamp_offset >= walk->durable)
        return true;
    greatest->timestamp = seg->max_timestamp; /* all its records count */
    return false;
}

static void greatest_record(void *context, const struct batch_head *head, const struct record *record)
{
    struct greatest *greatest = context;

    if (record->offset >= greatest->walk.from && record->timestamp > greatest->timestamp)
        greatest->timestamp = record->timestamp;
}

/* Of a batch whose first records were deleted: of what is left. */
static enum status cut_batch_greatest(const struct segment *seg, uint64_t at, uint64_t end, struct scan_miss *miss, struct greatest *greatest, struct err *err)
{
    struct scan scan = {.file = seg->file, .miss = miss, .tail = seg->tail, .end = end, .buffer = mem_alloc(TIMESTAMP_CHUNK, 1), .capacity = TIMESTAMP_CHUNK, .grows = true};
    enum status status = scan.buffer ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "no memory to search");
    struct bytes_view batch;
    struct batch_head head;

    if (!status)
        status = scan_batch(&scan, at, &head, &batch, err);
    if (!status)
        status = batch_records(batch, &head, greatest_record, greatest, err);
    mem_free(scan.buffer);
    return status;
}

/* That of a segment's records from the log's start on, as far as they are durable: the one that the segment knows may be of others. The
 * last index entry of a durable batch tells the greatest timestamp of all before it. */
static enum status segment_greatest(struct timed_walk *walk, const struct segment *seg, uint64_t end, struct scan_miss *miss, struct err *err)
{
    struct greatest *greatest = LIST_ENTRY(walk, struct greatest, walk);
    uint8_t buffer[8192];
    struct scan scan = {.file = seg->file, .miss = miss, .tail = seg->tail, .end = end, .buffer = buffer, .capacity = sizeof buffer};
    int64_t last = walk->durable - 1 - seg->base < INT32_MAX ? walk->durable - 1 - seg->base : INT32_MAX;
    struct index_entry entry;
    bool indexed = index_floor_value(&seg->times, (int32_t)last, &entry);
    struct batch_head head;
    enum status status;
    uint64_t at;

    for (status = segment_find_timed(seg, indexed ? &entry : NULL, walk->from, end, miss, &at, &head, err); !status && at < end; at += batch_size(&head)) {
        status = scan_head(&scan, at, &head, err);
        if (status || head.max_timestamp <= greatest->timestamp)
            continue;
        if (head.base_offset >= walk->from)
            greatest->timestamp = head.max_timestamp;
        else
            status = cut_batch_greatest(seg, at, end, miss, greatest, err);
    }
    return status;
}

enum status log_max_timestamp_cached(struct log *log, int64_t *offset, int64_t *timestamp, int32_t *epoch, struct log_warm *reader, struct err *err)
{
    struct greatest greatest = {.walk = {.over = greatest_over, .worth = greatest_worth, .look = segment_greatest}, .timestamp = -1};
    struct log_warm *told = reader_begin(reader); /* once for both: who waits for the first would never get to wait for the second */
    enum status status = log_walk_timed(log, &greatest.walk, told, err);

    *offset = *timestamp = -1;
    *epoch = -1;
    return status || greatest.timestamp < 0 ? status : find_timestamp(log, greatest.timestamp, offset, timestamp, epoch, told, err);
}

enum status log_max_timestamp(struct log *log, int64_t *offset, int64_t *timestamp, int32_t *epoch, struct err *err)
{
    return log_max_timestamp_cached(log, offset, timestamp, epoch, NULL, err);
}
