/* SPDX-License-Identifier: Apache-2.0
 * What may be read of a partition, and who waits for more.
 *
 * Readers see offsets below the high watermark (all that is durable) and, read committed, below the last stable offset. An offset between
 * there and the log's end is not an error: there is nothing to read yet. */
#include "partition/partition_int.h"
#include "rt/log.h"
#include "store/clean.h"

/* --- epochs ---------------------------------------------------------------------------------------------------------------- */

static enum status check_epoch(const struct partition *p, int32_t current)
{
    enum status status = partition__usable(p);

    if (status || current < 0 || current == p->leader_epoch)
        return status;
    return current < p->leader_epoch ? STATUS_FENCED_LEADER_EPOCH : STATUS_UNKNOWN_LEADER_EPOCH;
}

enum status partition_epoch_end(struct partition *p, int32_t current_leader_epoch, int32_t epoch, int32_t *found_epoch, int64_t *end_offset)
{
    enum status status = check_epoch(p, current_leader_epoch);

    *found_epoch = -1;
    *end_offset = -1;
    if (!status)
        log_epoch_end(p->log, epoch, found_epoch, end_offset);
    return status;
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

/* Whether the reader's log and ours part before the asked offset (KIP-595): then it is told where. */
static enum status check_divergence(struct partition *p, struct partition_read *read)
{
    int32_t epoch;
    int64_t end;

    if (read->last_fetched_epoch < 0)
        return STATUS_OK;
    log_epoch_end(p->log, read->last_fetched_epoch, &epoch, &end);
    if (epoch < 0 || end < 0 || read->offset < log_start_offset(p->log))
        return STATUS_OFFSET_OUT_OF_RANGE;
    if (epoch < read->last_fetched_epoch || end < read->offset) {
        read->diverging_epoch = epoch;
        read->diverging_end_offset = end;
    }
    return STATUS_OK;
}

/* The disk's own errors are told to the operator here; the reader gets the one that Kafka has for them. */
static enum status storage_status(const struct partition *p, enum status status, const struct err *err)
{
    if (!status || status == STATUS_OFFSET_OUT_OF_RANGE || status == STATUS_NO_MEMORY || status == STATUS_NOT_CACHED)
        return status;
    log_line(LOG_ERROR, "log does not read", "dir=%s reason=%s", log_directory(p->log), err->text);
    return status == STATUS_CORRUPT ? STATUS_CORRUPT_MESSAGE : STATUS_KAFKA_STORAGE_ERROR;
}

/* What of the slice, which ends at the limit or before, was aborted. */
static enum status read_aborted(struct partition *p, struct partition_read *read, int64_t limit, struct err *err)
{
    int64_t end = log_slice_limit(p->log, &read->slice);
    enum status status = log_aborted(p->log, read->offset, end < limit ? end : limit, &read->warm, &read->aborted, err);

    if (!status)
        return STATUS_OK;
    file_unref(read->slice.file);
    read->slice = (struct log_slice){.base_offset = read->offset};
    return status;
}

static enum status read_slice(struct partition *p, struct partition_read *read)
{
    int64_t limit = read->isolation == ISOLATION_COMMITTED ? partition_last_stable(p) : partition_high_watermark(p);
    enum status status = check_epoch(p, read->current_leader_epoch);
    struct err err;

    if (!status)
        status = check_divergence(p, read);
    if (status || read->diverging_epoch >= 0)
        return status;
    status = log_read_cached(p->log, read->offset, limit, read->size_max, read->at_least_one, &read->slice, &read->warm, &err);
    if (status == STATUS_CORRUPT)
        return STATUS_CORRUPT_MESSAGE; /* the log tells of it, once */
    if (!status && read->slice.size && read->isolation == ISOLATION_COMMITTED)
        status = read_aborted(p, read, limit, &err);
    if (!status && read->slice.base_offset > read->offset && !p->config->log.compacts && log_cleaned_offset(p->log) < 0)
        log_line(LOG_WARN, "records are missing", "dir=%s from=%lld to=%lld", log_directory(p->log), (long long)read->offset, (long long)read->slice.base_offset);
    return storage_status(p, status, &err);
}

void partition_read(struct partition *p, struct partition_read *read)
{
    bool failed;

    shard_assert(p->shard);
    read->slice = (struct log_slice){.base_offset = read->offset};
    read->aborted = (struct txnindex){0};
    read->diverging_epoch = -1;
    read->diverging_end_offset = -1;
    read->status = read_slice(p, read);
    failed = read->status && read->status != STATUS_NOT_CACHED;
    read->high_watermark = failed ? -1 : partition_high_watermark(p);
    read->last_stable = failed ? -1 : partition_last_stable(p);
    read->start_offset = failed ? -1 : log_start_offset(p->log);
}

/* What is short for now (memory, open files) is no fault of the disk. */
static enum status warmed_status(enum status status)
{
    return status && status != STATUS_NO_MEMORY && status != STATUS_NO_SPACE ? STATUS_KAFKA_STORAGE_ERROR : status;
}

static void read_warmed(struct shard *here, struct log_warm *warm)
{
    struct partition_read *read = LIST_ENTRY(warm, struct partition_read, warm);

    read->status = warmed_status(warm->status);
    read->done(here, read);
}

void partition_read_warm(struct partition *p, struct partition_read *read, void (*done)(struct shard *here, struct partition_read *read))
{
    shard_assert(p->shard);
    read->done = done;
    log_warm(p->log, &read->warm, read_warmed);
}

/* --- waiting --------------------------------------------------------------------------------------------------------------- */

static bool ready(const struct partition *p, const struct partition_waiter *waiter)
{
    int64_t end = waiter->isolation == ISOLATION_COMMITTED ? partition_last_stable(p) : partition_high_watermark(p);

    return p->stopped || waiter->beyond < end || waiter->beyond < log_start_offset(p->log);
}

void partition_wait(struct partition *p, struct partition_waiter *waiter)
{
    shard_assert(p->shard);
    list_init(&waiter->link);
    if (ready(p, waiter))
        shard_post(p->shard, p->shard, &waiter->wake);
    else
        list_push_back(&p->waiters, &waiter->link);
}

void partition_wait_cancel(struct partition_waiter *waiter)
{
    list_remove(&waiter->link);
}

void partition__wake(struct partition *p)
{
    struct list waiters;

    list_init(&waiters);
    list_move_all(&waiters, &p->waiters);
    for (struct list *node = list_pop_front(&waiters); node; node = list_pop_front(&waiters)) {
        struct partition_waiter *waiter = LIST_ENTRY(node, struct partition_waiter, link);
        if (ready(p, waiter))
            shard_post(p->shard, p->shard, &waiter->wake);
        else
            list_push_back(&p->waiters, node);
    }
}

/* --- offsets --------------------------------------------------------------------------------------------------------------- */

static enum status find_by_time(struct partition *p, struct partition_list_offset *ask)
{
    int64_t limit = ask->isolation == ISOLATION_COMMITTED ? partition_last_stable(p) : partition_high_watermark(p);
    enum status status;
    struct err err;

    if (ask->timestamp == OFFSET_MAX_TIMESTAMP)
        status = log_max_timestamp_cached(p->log, &ask->offset, &ask->found_timestamp, &ask->leader_epoch, &ask->warm, &err);
    else
        status = log_find_timestamp_cached(p->log, ask->timestamp, &ask->offset, &ask->found_timestamp, &ask->leader_epoch, &ask->warm, &err);
    if (status || ask->offset >= limit) {
        ask->offset = ask->found_timestamp = -1;
        ask->leader_epoch = -1;
    }
    return storage_status(p, status, &err);
}

void partition_list_offset(struct partition *p, struct partition_list_offset *ask)
{
    shard_assert(p->shard);
    ask->offset = ask->found_timestamp = -1;
    ask->leader_epoch = -1;
    ask->status = check_epoch(p, ask->current_leader_epoch);
    if (ask->status)
        return;
    switch (ask->timestamp) {
    case OFFSET_LATEST:
        ask->offset = ask->isolation == ISOLATION_COMMITTED ? partition_last_stable(p) : partition_high_watermark(p);
        ask->leader_epoch = p->leader_epoch;
        break;
    case OFFSET_EARLIEST:
    case OFFSET_EARLIEST_LOCAL:
        ask->offset = log_start_offset(p->log);
        ask->leader_epoch = log_epoch_at(p->log, ask->offset);
        break;
    case OFFSET_LATEST_TIERED:
    case OFFSET_EARLIEST_PENDING_UPLOAD:
        break; /* nothing is tiered */
    default:
        ask->status = find_by_time(p, ask);
    }
}

static void list_offset_warmed(struct shard *here, struct log_warm *warm)
{
    struct partition_list_offset *ask = LIST_ENTRY(warm, struct partition_list_offset, warm);

    ask->status = warmed_status(warm->status);
    ask->done(here, ask);
}

void partition_list_offset_warm(struct partition *p, struct partition_list_offset *ask, void (*done)(struct shard *here, struct partition_list_offset *ask))
{
    shard_assert(p->shard);
    ask->done = done;
    log_warm(p->log, &ask->warm, list_offset_warmed);
}
