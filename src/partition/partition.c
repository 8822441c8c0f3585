/* SPDX-License-Identifier: Apache-2.0
 * See partition.h: the life of a partition. What is written goes through append.c, what is read through read.c. */
#include "partition/partition_int.h"

#include "base/assert.h"
#include "base/bug.h"
#include "base/mem.h"
#include "rt/log.h"
#include "store/clean.h"

bool partition__note(struct partition *p, struct producer *producer, const struct batch_head *head, const struct batch_marker *marker, int64_t wall_ms,
                     struct aborted *aborted)
{
    bool ended = marker && transactions_end(&p->transactions, head->producer_id, batch_last_offset(head), aborted);

    if (!marker && head->attributes & BATCH_TRANSACTIONAL && producer->transaction_start < 0)
        transactions_begin(&p->transactions, head->producer_id, head->base_offset);
    producer_note(producer, head, marker, wall_ms);
    return ended && marker->type == MARKER_ABORT;
}

enum { SMALL_LOG = 64 << 10 };

/* --- opening --------------------------------------------------------------------------------------------------------------- */

struct rebuild {
    struct partition *partition;
    int64_t snapshot; /* what is below it is in the snapshot */
    int64_t wall_ms;
    struct txnindex aborted;
    bool no_memory;
};

static void rebuild_batch(void *context, const struct batch_head *head, const struct batch_marker *marker)
{
    struct rebuild *rebuild = context;
    struct partition *p = rebuild->partition;
    struct producer *producer;
    struct aborted aborted;

    if (head->producer_id < 0)
        return;
    if (batch_last_offset(head) < rebuild->snapshot) {
        producers_recall(&p->producers, head);
        return;
    }
    if (marker && marker->type < 0)
        return; /* the transaction was compacted away */
    producer = producers_get(&p->producers, head->producer_id);
    if (!producer || !transactions_reserve(&p->transactions) || !txnindex_reserve(&rebuild->aborted, 1))
        rebuild->no_memory = true;
    else if (partition__note(p, producer, head, marker, rebuild->wall_ms, &aborted))
        txnindex_add(&rebuild->aborted, &aborted);
}

/* Those that were open when the snapshot was taken. */
static bool recall_transactions(struct partition *p)
{
    for (struct map_node *node = map_first(&p->producers.map); node; node = map_next(&p->producers.map, node)) {
        const struct producer *producer = MAP_ENTRY(node, struct producer, node);

        if (producer->transaction_start < 0)
            continue;
        if (!transactions_reserve(&p->transactions))
            return false;
        transactions_begin(&p->transactions, producer->id, producer->transaction_start);
    }
    return true;
}

/* The newest snapshot that reads, not above at_most; *offset: what it covers, 0 when there is none: deleted records that are still in the first segment
 * tell, too. */
static enum status load_snapshot(struct partition *p, int64_t at_most, int64_t wall_ms, int64_t *offset, struct err *err)
{
    struct bytes_view content;
    enum status status;

    while (!(status = log_snapshot_read(p->log, at_most, offset, &content, err))) {
        status = producers_decode(&p->producers, content, wall_ms);
        mem_free((void *)(uintptr_t)content.data);
        if (status != STATUS_CORRUPT)
            return status ? err_set(err, status, "no memory for the producers") : STATUS_OK;
        log_line(LOG_WARN, "producer snapshot does not read: an older one serves", "dir=%s offset=%lld", log_directory(p->log), (long long)*offset);
        at_most = *offset - 1;
    }
    *offset = 0;
    return status;
}

/* One from which on the aborted transactions can be learnt again. Without one the whole log tells all; but of a log whose beginning was deleted a later
 * one knows more of the producers, and serves unless aborted transactions were lost. */
static enum status choose_snapshot(struct partition *p, int64_t wall_ms, int64_t *offset, struct err *err)
{
    enum status status = load_snapshot(p, log_aborted_known(p->log), wall_ms, offset, err);

    if (status == STATUS_NOT_FOUND && log_start_offset(p->log) > 0 && !log_aborted_lost(p->log))
        status = load_snapshot(p, log_end_offset(p->log), wall_ms, offset, err);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status replay(struct rebuild *rebuild, struct err *err)
{
    struct partition *p = rebuild->partition;
    int64_t from = p->producers.map.count ? log_recent_offset(p->log, rebuild->snapshot) : rebuild->snapshot;

    if (log_replay(p->log, from, rebuild_batch, rebuild, err))
        return err->status;
    if (rebuild->no_memory)
        return err_set(err, STATUS_NO_MEMORY, "no memory for the producers");
    return log_learn_aborted(p->log, rebuild->snapshot, rebuild->aborted.list, rebuild->aborted.count, err);
}

static enum status rebuild_producers(struct partition *p, int64_t wall_ms, struct err *err)
{
    struct rebuild rebuild = {.partition = p, .wall_ms = wall_ms};
    enum status status = choose_snapshot(p, wall_ms, &rebuild.snapshot, err);

    if (status)
        return status;
    if (BUG(KAFKA_5249))
        rebuild.snapshot = log_end_offset(p->log);
    if (!recall_transactions(p))
        return err_set(err, STATUS_NO_MEMORY, "no memory for the transactions");
    status = replay(&rebuild, err);
    txnindex_free(&rebuild.aborted);
    transactions_settle(&p->transactions, log_durable_offset(p->log));
    producers_expire(&p->producers, wall_ms, p->config->producer_id_expiration_ms);
    return status;
}

/* Of a small log that no producer with an id writes to, its batches tell as much as soon: it needs no file. */
static void save_producers(void *context, int64_t offset, struct bytes_view *content)
{
    const struct partition *p = context;

    if (!p->producers.map.count && log_size(p->log) <= SMALL_LOG)
        return;
    *content = producers_encode(&p->producers);
}

static enum status open_log(struct partition *p, const struct partition_open *how, struct err *err)
{
    char dir[FS_PATH_MAX];
    struct log_open log = {.fs = how->fs, .dir = dir, .topic_id = how->topic_id, .config = &how->config->log, .clean = how->clean, .fresh = how->fresh,
                           .now_ms = how->wall_ms, .recovery_point = how->recovery_point, .checkpointed = how->checkpointed, .log_start = how->log_start, .cleaned = how->cleaned};

    if (snprintf(dir, sizeof dir, "%s/" STR_FMT "-%d", how->log_dir, STR_ARG(how->topic), how->index) >= (int)sizeof dir)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", how->log_dir);
    return log_open(&log, &p->log, err);
}

enum status partition_open(const struct partition_open *how, struct partition **out, struct err *err)
{
    struct partition *p = mem_alloc(1, sizeof *p);
    struct err ignored;
    enum status status;

    if (!p)
        return err_set(err, STATUS_NO_MEMORY, "open partition: no memory");
    p->config = how->config;
    producers_init(&p->producers, how->seed);
    list_init(&p->waiters);
    list_init(&p->held);
    status = open_log(p, how, err);
    if (!status) {
        status = rebuild_producers(p, how->wall_ms, err);
        if (status && log_close(p->log, false, &ignored))
            log_line(LOG_WARN, "log not closed", "reason=%s", ignored.text);
    }
    if (status) {
        producers_free(&p->producers);
        transactions_free(&p->transactions);
        mem_free(p);
        return status;
    }
    log_on_snapshot(p->log, save_producers, p);
    partition_set_leader_epoch(p, how->leader_epoch);
    *out = p;
    return STATUS_OK;
}

void partition_attach(struct partition *p, struct shard *shard, struct store *store, struct producers_shared *shared)
{
    p->shard = shard;
    producers_attach(&p->producers, shared);
    log_attach(p->log, store);
}

void partition_configure(struct partition *p, const struct partition_config *config)
{
    p->config = config;
    log_configure(p->log, &config->log);
}

void partition_set_leader_epoch(struct partition *p, int32_t leader_epoch)
{
    p->leader_epoch = leader_epoch;
    if (!BUG(KAFKA_7415))
        log_assign_epoch(p->log, leader_epoch);
}

/* --- closing --------------------------------------------------------------------------------------------------------------- */

void partition_discard(struct partition *p)
{
    log_discard(p->log);
}

void partition_lost(struct partition *p)
{
    partition__wake(p);
}

void partition_stop(struct partition *p, struct mail *done)
{
    shard_assert(p->shard);
    p->stopped = true;
    producers_detach(&p->producers);
    partition__wake(p);
    log_when_idle(p->log, done);
}

size_t partition_memory(const struct partition *p)
{
    return mem_block(sizeof *p) + log_memory(p->log);
}

bool partition_close(struct partition *p, bool clean)
{
    struct err err;
    bool saved;

    ASSERT(list_empty(&p->waiters) && list_empty(&p->held));
    saved = !log_close(p->log, clean, &err);
    if (!saved)
        log_line(LOG_ERROR, "partition not closed cleanly", "reason=%s", err.text);
    producers_free(&p->producers);
    transactions_free(&p->transactions);
    mem_free(p);
    return saved;
}

/* --- what it is ------------------------------------------------------------------------------------------------------------ */

enum status partition__usable(const struct partition *p)
{
    if (p->stopped)
        return STATUS_NOT_LEADER_OR_FOLLOWER;
    return log_offline(p->log) ? STATUS_KAFKA_STORAGE_ERROR : STATUS_OK;
}

int64_t partition_start_offset(const struct partition *p)
{
    return log_start_offset(p->log);
}

int64_t partition_high_watermark(const struct partition *p)
{
    return log_durable_offset(p->log);
}

int64_t partition_last_stable(const struct partition *p)
{
    int64_t stable = transactions_stable(&p->transactions, partition_high_watermark(p));

    return stable > log_start_offset(p->log) ? stable : log_start_offset(p->log);
}

int64_t partition_end_offset(const struct partition *p)
{
    return log_end_offset(p->log);
}

int32_t partition_leader_epoch(const struct partition *p)
{
    return p->leader_epoch;
}

struct uuid partition_topic_id(const struct partition *p)
{
    return log_topic_id(p->log);
}

uint64_t partition_size(const struct partition *p)
{
    return log_size(p->log);
}

struct log *partition_log(struct partition *p)
{
    return p->log;
}

size_t partition_producers(struct partition *p, struct partition_producer *out, size_t max)
{
    size_t n = 0;

    for (struct map_node *node = map_first(&p->producers.map); node; node = map_next(&p->producers.map, node)) {
        const struct producer *producer = MAP_ENTRY(node, struct producer, node);
        if (producer->epoch < 0)
            continue;
        if (n < max)
            out[n] = (struct partition_producer){
                .producer_id = producer->id,
                .producer_epoch = producer->epoch,
                .last_sequence = producer->count ? producer->batches[producer->count - 1].last_sequence : -1,
                .last_timestamp = producer->last_timestamp,
                .coordinator_epoch = producer->coordinator_epoch,
                .transaction_start_offset = producer->transaction_start,
            };
        n++;
    }
    return n;
}

/* --- trimming -------------------------------------------------------------------------------------------------------------- */

enum status partition_delete_records(struct partition *p, int64_t offset, int64_t *low_watermark)
{
    enum status status = partition__usable(p);

    shard_assert(p->shard);
    *low_watermark = -1;
    if (status)
        return status;
    if (!p->config->log.deletes)
        return STATUS_POLICY_VIOLATION;
    if (offset == -1)
        offset = partition_high_watermark(p);
    if (offset < 0 || offset > partition_high_watermark(p))
        return STATUS_OFFSET_OUT_OF_RANGE;
    if (offset > log_start_offset(p->log)) {
        log_set_start(p->log, offset);
        if (BUG(KAFKA_7190))
            producers_expire(&p->producers, INT64_MAX, 0);
        partition__wake(p);
    }
    *low_watermark = log_start_offset(p->log);
    return STATUS_OK;
}

/* --- compacting ------------------------------------------------------------------------------------------------------------ */

bool partition_is_filthy(struct partition *p, int64_t wall_ms, double *ratio)
{
    struct log_dirt dirt;

    if (!p->config->log.compacts || p->stopped)
        return false;
    log_measure_dirt(p->log, partition_last_stable(p), wall_ms, &dirt);
    *ratio = log_dirt_ratio(&dirt);
    return dirt.due;
}

/* From where on the batches of each producer are remembered. */
static struct clean_producer *recent_batches(const struct partition *p, size_t *count)
{
    struct clean_producer *list = mem_alloc(p->producers.map.count, sizeof *list);

    *count = 0;
    for (struct map_node *node = list ? map_first(&p->producers.map) : NULL; node; node = map_next(&p->producers.map, node)) {
        const struct producer *producer = MAP_ENTRY(node, struct producer, node);
        list[(*count)++] = (struct clean_producer){producer->id, producer->count ? producer->batches[0].last_offset : -1, producer->epoch};
    }
    return list;
}

bool partition_is_being_cleaned(const struct partition *p)
{
    return log_is_being_cleaned(p->log);
}

bool partition_clean(struct partition *p, struct log_clean *clean)
{
    clean->stable = partition_last_stable(p);
    clean->producers = recent_batches(p, &clean->producers_count);
    if (clean->producers && log_clean(p->log, clean))
        return true;
    mem_free(clean->producers);
    return false;
}

void partition_flush(struct partition *p)
{
    shard_assert(p->shard);
    if (!p->stopped) /* its log may be idle already, and about to be closed */
        log_flush(p->log);
}

void partition_housekeep(struct partition *p, int64_t wall_ms)
{
    int64_t start = log_start_offset(p->log);

    shard_assert(p->shard);
    log_housekeep(p->log, wall_ms);
    producers_expire(&p->producers, wall_ms, p->config->producer_id_expiration_ms);
    if (log_start_offset(p->log) != start)
        partition__wake(p);
}
