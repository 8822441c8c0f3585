/* SPDX-License-Identifier: Apache-2.0
 * See log.h and log_int.h: what may be asked of a log at once, and walking over it. */
#include "store/log_int.h"

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

size_t log_memory(const struct log *log)
{
    size_t bytes = mem_block(sizeof *log + strlen(log->dir) + 1) + log->count * mem_block(sizeof(struct segment)) + mem_block(log->epochs.capacity * sizeof *log->epochs.list);

    if (log->capacity > 1)
        bytes += mem_block(log->capacity * sizeof(struct segment *));
    if (log->work)
        bytes += mem_block(sizeof *log->work);
    if (log->marks)
        bytes += mem_block(sizeof *log->marks);
    return bytes;
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
    return log__offline(log);
}

void log_configure(struct log *log, const struct log_config *config)
{
    log->config = config;
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

/* --- walking --------------------------------------------------------------------------------------------------------------- */

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

bool log__segments_room(struct log *log)
{
    bool one = log->segments == &log->one;
    struct segment **segments;

    if (log->count < log->capacity)
        return true;
    segments = mem_resize(one ? NULL : log->segments, log->capacity * 2, sizeof *segments);
    if (!segments)
        return false;
    if (one)
        *segments = log->one;
    log->segments = segments;
    log->capacity *= 2;
    return true;
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
        if (log__open_segment(log, seg, NULL, err) || segment_find(seg, from, seg->size, NULL, &at, &head, err))
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
    if (log__open_segment(log, seg, NULL, &ignored) || !index_floor(&seg->offsets, offset - seg->base, &at))
        at.value = 0; /* before its first entry */
    for (; at.value < left && i > 0; at.value = (int32_t)seg->size) { /* a roll does not make what is before it less recent */
        left -= at.value;
        seg = log->segments[--i];
    }
    if (at.value <= left || log__open_segment(log, seg, NULL, &ignored) || !index_floor_value(&seg->offsets, (int32_t)(at.value - left), &entry))
        return seg->base;
    return seg->base + entry.key;
}
