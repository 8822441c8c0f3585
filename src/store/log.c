/* SPDX-License-Identifier: Apache-2.0
 * See log.h and log_int.h: what may be asked of a log, and finding what it holds. */
#include "store/log_int.h"

#include "base/assert.h"
#include "base/bug.h"
#include "base/mem.h"

int64_t log_start_offset(const struct log *log)
{
    return log->start;
}

int64_t log_durable_offset(const struct log *log)
{
    return log->durable;
}

int64_t log_end_offset(const struct log *log)
{
    return log->end;
}

int64_t log_recovery_point(const struct log *log)
{
    return log->synced;
}

uint64_t log_size(const struct log *log)
{
    return log->size;
}

struct uuid log_topic_id(const struct log *log)
{
    return log->topic_id;
}

const char *log_directory(const struct log *log)
{
    return log->dir;
}

bool log_offline(const struct log *log)
{
    return store__offline(log->home);
}

void log_configure(struct log *log, const struct log_config *config)
{
    log->config = *config;
}

void log_on_snapshot(struct log *log, void (*make)(void *context, int64_t offset, struct bytes_view *content), void *context)
{
    log->snapshot = make;
    log->snapshot_context = context;
}

enum { RECENT_BYTES = 128 * 1024 };

/* --- epochs ---------------------------------------------------------------------------------------------------------------- */

void log_assign_epoch(struct log *log, int32_t epoch)
{
    if (epoch > epochs_latest(&log->epochs))
        epochs_assign(&log->epochs, epoch, log->end);
}

int32_t log_epoch_at(const struct log *log, int64_t offset)
{
    return epochs_at(&log->epochs, offset);
}

int32_t log_latest_epoch(const struct log *log)
{
    return epochs_latest(&log->epochs);
}

void log_epoch_end(const struct log *log, int32_t epoch, int32_t *found_epoch, int64_t *end_offset)
{
    epochs_end(&log->epochs, epoch, log->end, found_epoch, end_offset);
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

size_t log__segment_at(const struct log *log, int64_t offset)
{
    size_t low = 0, high = log->count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (log->segments[middle]->base <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Bytes of the segment that may be read: all of them before the one that is written. */
static uint64_t readable(const struct log *log, const struct segment *seg)
{
    if (seg == log->writing)
        return BUG(KAFKA_9835) ? seg->size : log->written;
    return seg->base < log->writing->base ? seg->size : 0;
}

/* The offset of that end. */
static int64_t readable_limit(const struct log *log, const struct segment *seg, size_t i)
{
    return seg == log->writing ? log->durable : log->segments[i + 1]->base;
}

enum status log__open_segment(struct log *log, struct segment *seg, struct err *err)
{
    if (seg->cold && log->reading != seg) {
        if (log->reading)
            segment_close(log->reading);
        log->reading = seg;
    }
    return segment_open(seg, log->fs, log->dir, err);
}

enum status log__know_times(struct log *log, struct segment *seg, struct err *err)
{
    if (seg->times_known)
        return STATUS_OK;
    if (log__open_segment(log, seg, err))
        return err->status;
    return segment_know_times(seg, err);
}

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

/* Position and base offset of the batch that holds `offset`, or of the next one when it was compacted away; *position == end: not in this segment. */
static enum status log_find(struct log *log, struct segment *seg, int64_t offset, uint64_t end, uint64_t *position, int64_t *base, struct err *err)
{
    const struct mark *mark = log->segments[log__segment_at(log, offset)] == seg ? mark_at(log, offset) : NULL; /* the end of a slice may be in a later one */
    struct batch_head head = {.base_offset = offset};

    if (mark) {
        *position = mark->position;
        *base = offset;
        return STATUS_OK;
    }
    if (segment_find(seg, offset, end, position, &head, err))
        return err->status;
    *base = head.base_offset;
    return STATUS_OK;
}

/* The slice's bytes: to the limit or the segment's readable end, cut at size_max but never inside the first batch when that must be whole. */
static enum status slice_measure(struct log *log, struct segment *seg, int64_t limit, uint64_t end, size_t size_max, bool at_least_one,
                                 struct log_slice *slice, struct err *err)
{
    struct batch_head head;
    int64_t ignored;

    if (limit < log->durable && log_find(log, seg, limit, end, &end, &ignored, err))
        return err->status;
    slice->size = (size_t)(end - slice->position);
    if (slice->size <= size_max)
        return STATUS_OK;
    if (at_least_one) {
        uint8_t buffer[BATCH_OVERHEAD];
        struct scan scan = {.file = seg->file, .tail = seg->tail, .end = end, .buffer = buffer, .capacity = sizeof buffer};
        if (scan_head(&scan, slice->position, &head, err))
            return err->status;
        if (size_max < batch_size(&head))
            size_max = batch_size(&head);
    }
    if (size_max < slice->size)
        slice->size = size_max;
    return STATUS_OK;
}

/* Without memory for all of it the slice is what the first of its files has. */
static void slice_source(const struct segment *seg, struct log_slice *slice)
{
    uint64_t left = slice->size;

    if (!slice->size)
        return;
    slice->file = seg->tail ? tail_span(seg->tail, seg->file, slice->position, slice->position + slice->size) : file_ref(seg->file);
    if (slice->file)
        return;
    slice->file = file_ref(tail_source(seg->tail, seg->file, slice->position, &left));
    slice->size = (size_t)left;
}

enum status log_read(struct log *log, int64_t offset, int64_t limit_offset, size_t size_max, bool at_least_one, struct log_slice *slice, struct err *err)
{
    int64_t limit = limit_offset < log->durable ? limit_offset : log->durable;

    *slice = (struct log_slice){.base_offset = offset};
    if (offset < log->start || offset > log->end)
        return STATUS_OFFSET_OUT_OF_RANGE;
    if (offset >= log->writing->base && !log->marks)
        marks_begin(log);
    for (size_t i = log__segment_at(log, offset); i < log->count && offset < limit; i++) {
        struct segment *seg = log->segments[i];
        uint64_t end = readable(log, seg);
        if (seg->base >= limit)
            break;
        if (end == 0)
            continue;
        if (log__open_segment(log, seg, err) || log_find(log, seg, offset, end, &slice->position, &slice->base_offset, err))
            return err->status;
        if (slice->position == end)
            continue; /* compacted away here: the next segment has it */
        if (slice->base_offset >= limit)
            break;
        if (slice_measure(log, seg, limit, end, size_max, at_least_one, slice, err))
            return err->status;
        if (!mark_at(log, offset) &&
            segment_check(seg, slice->position, slice->position + slice->size, end, slice->base_offset, readable_limit(log, seg, i), err))
            return err->status;
        slice_source(seg, slice);
        slice->more = slice->position + slice->size < end || (i + 1 < log->count && log->segments[i + 1]->base < limit);
        return STATUS_OK;
    }
    return STATUS_OK;
}

/* The end of a transaction, if the batch of that head is one. */
static enum status replay_marker(struct scan *scan, uint64_t at, const struct batch_head *head, struct batch_marker *marker, bool *is, struct err *err)
{
    const uint8_t *bytes;
    size_t size;

    *is = false;
    if (!(head->attributes & BATCH_CONTROL) || head->producer_id < 0)
        return STATUS_OK;
    if (batch_size(head) > scan->capacity)
        return err_set(err, STATUS_CORRUPT, "the control batch at byte %llu is too large", (unsigned long long)at);
    if (scan_bytes(scan, at, batch_size(head), &bytes, err))
        return err->status;
    if (batch_check_crc((struct bytes_view){bytes, batch_size(head)}, &size) || !batch_marker_read((struct bytes_view){bytes, size}, marker))
        return err_set(err, STATUS_CORRUPT, "the control batch at byte %llu does not read", (unsigned long long)at);
    *is = true;
    return STATUS_OK;
}

enum status log_replay(struct log *log, int64_t from, void (*each)(void *context, const struct batch_head *head, const struct batch_marker *marker),
                       void *context, struct err *err)
{
    for (size_t i = log__segment_at(log, from) + BUG(KAFKA_1042); i < log->count; i++) {
        uint8_t buffer[8192];
        struct segment *seg = log->segments[i];
        struct scan scan = {.end = seg->size, .buffer = buffer, .capacity = sizeof buffer};
        struct batch_head head;
        uint64_t at;
        if (log__open_segment(log, seg, err) || segment_find(seg, from, seg->size, &at, &head, err))
            return err->status;
        for (scan.file = seg->file; at < seg->size; at += batch_size(&head)) {
            struct batch_marker marker;
            bool marks;
            if (scan_head(&scan, at, &head, err) || replay_marker(&scan, at, &head, &marker, &marks, err))
                return err_wrap(err, "segment %lld", (long long)seg->base);
            each(context, &head, marks ? &marker : NULL);
        }
        segment_close(seg);
    }
    log->reading = NULL;
    return STATUS_OK;
}

int64_t log_recent_offset(struct log *log, int64_t offset)
{
    size_t i = log__segment_at(log, offset > 0 ? offset - 1 : 0);
    struct segment *seg = log->segments[i];
    struct index_entry at, entry;
    int64_t left = RECENT_BYTES;
    struct err ignored;

    if (offset < seg->base)
        return offset;
    if (log__open_segment(log, seg, &ignored) || !index_floor(&seg->offsets, offset - seg->base, &at))
        at.value = 0; /* before its first entry */
    for (; at.value < left && i > 0; at.value = (int32_t)seg->size) { /* a roll does not make what is before it less recent */
        left -= at.value;
        seg = log->segments[--i];
    }
    if (at.value <= left || log__open_segment(log, seg, &ignored) || !index_floor_value(&seg->offsets, (int32_t)(at.value - left), &entry))
        return seg->base;
    return seg->base + entry.key;
}

/* --- timestamps ------------------------------------------------------------------------------------------------------------ */

enum { TIMESTAMP_CHUNK = 64 * 1024, DECOMPRESSED_MAX = 1 << 30 };

struct timestamp_search {
    int64_t timestamp; /* the first record at or after it */
    int64_t from;      /* records before this offset do not count */
    int64_t offset, found_timestamp; /* offset -1: not found */
    int32_t epoch;
};

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

    if (search->offset >= 0 || (record->timestamp < search->timestamp && !BUG(KOP_334)) || record->offset < search->from)
        return;
    search->offset = BUG(KAFKA_16310) ? batch_last_offset(head) : record->offset;
    search->found_timestamp = record->timestamp;
    search->epoch = head->leader_epoch;
}

static enum status search_segment(struct timestamp_search *search, const struct segment *seg, uint64_t end, struct err *err)
{
    struct scan scan = {.file = seg->file, .tail = seg->tail, .end = end, .capacity = TIMESTAMP_CHUNK, .grows = true};
    struct index_entry entry;
    bool indexed = index_floor(&seg->times, search->timestamp, &entry);
    struct batch_head head;
    uint64_t at;
    enum status status = segment_find_timed(seg, indexed ? &entry : NULL, search->from, end, &at, &head, err);

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

static enum status log_search(struct log *log, struct timestamp_search *search, struct err *err)
{
    for (size_t i = log__segment_at(log, log->start); i < log->count && search->offset < 0; i++) {
        struct segment *seg = log->segments[i];
        uint64_t end = readable(log, seg);
        if (end == 0)
            continue;
        if (log__know_times(log, seg, err))
            return err->status;
        if (seg->max_timestamp < search->timestamp)
            continue;
        if (log__open_segment(log, seg, err) || search_segment(search, seg, end, err))
            return err->status;
    }
    return STATUS_OK;
}

enum status log_find_timestamp(struct log *log, int64_t timestamp, int64_t *offset, int64_t *found_timestamp, int32_t *epoch, struct err *err)
{
    struct timestamp_search search = {.timestamp = timestamp, .from = log->start, .offset = -1, .found_timestamp = -1, .epoch = -1};
    enum status status = log_search(log, &search, err);

    *offset = search.offset;
    *found_timestamp = search.found_timestamp;
    *epoch = search.epoch;
    return status;
}

struct greatest {
    int64_t from, timestamp;
};

static void greatest_record(void *context, const struct batch_head *head, const struct record *record)
{
    struct greatest *greatest = context;

    if (record->offset >= greatest->from && record->timestamp > greatest->timestamp)
        greatest->timestamp = record->timestamp;
}

/* Of a batch whose first records were deleted: of what is left. */
static enum status cut_batch_greatest(const struct segment *seg, uint64_t at, uint64_t end, struct greatest *greatest, struct err *err)
{
    struct scan scan = {.file = seg->file, .tail = seg->tail, .end = end, .buffer = mem_alloc(TIMESTAMP_CHUNK, 1), .capacity = TIMESTAMP_CHUNK, .grows = true};
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
static enum status segment_greatest(const struct segment *seg, int64_t durable, uint64_t end, struct greatest *greatest, struct err *err)
{
    uint8_t buffer[8192];
    struct scan scan = {.file = seg->file, .tail = seg->tail, .end = end, .buffer = buffer, .capacity = sizeof buffer};
    int64_t last = durable - 1 - seg->base < INT32_MAX ? durable - 1 - seg->base : INT32_MAX;
    struct index_entry entry;
    bool indexed = index_floor_value(&seg->times, (int32_t)last, &entry);
    struct batch_head head;
    enum status status;
    uint64_t at;

    for (status = segment_find_timed(seg, indexed ? &entry : NULL, greatest->from, end, &at, &head, err); !status && at < end; at += batch_size(&head)) {
        status = scan_head(&scan, at, &head, err);
        if (status || head.max_timestamp <= greatest->timestamp)
            continue;
        if (head.base_offset >= greatest->from)
            greatest->timestamp = head.max_timestamp;
        else
            status = cut_batch_greatest(seg, at, end, greatest, err);
    }
    return status;
}

enum status log_max_timestamp(struct log *log, int64_t *offset, int64_t *timestamp, int32_t *epoch, struct err *err)
{
    struct greatest greatest = {log->start, -1};

    *offset = *timestamp = -1;
    *epoch = -1;
    for (size_t i = log__segment_at(log, log->start); i < log->count; i++) {
        struct segment *seg = log->segments[i];
        uint64_t end = readable(log, seg);
        if (end == 0)
            continue;
        if (log__know_times(log, seg, err))
            return err->status;
        if (seg->max_timestamp <= greatest.timestamp)
            continue;
        if (seg->base >= log->start && seg->max_timestamp_offset < log->durable)
            greatest.timestamp = seg->max_timestamp;
        else if (log__open_segment(log, seg, err) || segment_greatest(seg, log->durable, end, &greatest, err))
            return err->status;
    }
    return greatest.timestamp < 0 ? STATUS_OK : log_find_timestamp(log, greatest.timestamp, offset, timestamp, epoch, err);
}
