/* SPDX-License-Identifier: Apache-2.0
 * See lifecycle.h. Whose directory it is (meta.properties), what the metadata says, then partitions; and all of it backwards.
 *
 * The order of a clean stop is what makes it clean: partitions are closed with their indexes and producer state saved, then the metadata
 * log, then the checkpoints, and last the marker that lets the next start trust all that without reading a segment.
 */
#include "broker/lifecycle.h"

#include "base/bug.h"
#include "base/mem.h"
#include "broker/checkpoints.h"
#include "broker/cleaner.h"
#include "broker/dirs.h"
#include "broker/disk_space.h"
#include "broker/fetch_sessions.h"
#include "broker/memory.h"
#include "broker/metadata_int.h"
#include "broker/moving.h"
#include "broker/partitions.h"
#include "broker/producer_ids.h"
#include "broker/scrubbing.h"
#include "rt/log.h"

enum {
    BROKER_ARENA_MAX = 16 * 1024 * 1024,
    FETCH_SESSION_IDLE_MS_MIN = 120000, /* Kafka's constant */
};

/* ---- opening ---- */

static enum status broker_listeners(struct broker *broker, const char *host, struct err *err)
{
    size_t count = 0;
    const struct config_listener *from = config_listeners(broker->config, &count);

    broker->listeners = arena_alloc(&broker->arena, count, sizeof *broker->listeners);
    if (!broker->listeners)
        return err_set(err, STATUS_NO_MEMORY, "no memory for %zu listeners", count);
    broker->listeners_count = count;
    for (size_t i = 0; i < count; i++)
        broker->listeners[i] = (struct listener){.name = from[i].name,
                                                 .host = from[i].host.data,
                                                 .port = from[i].port,
                                                 .advertised_host = from[i].advertised_host.size ? from[i].advertised_host.data : host,
                                                 .advertised_port = from[i].advertised_port,
                                                 .controller = from[i].controller};
    return STATUS_OK;
}

static enum status broker_open_parts(struct broker *broker, const struct broker_options *o, struct err *err)
{
    struct image *images[SHARDS_MAX];
    enum status s = dirs_open(broker, o, err);

    if (s == STATUS_OK)
        s = broker_listeners(broker, arena_str(&broker->arena, str_from(o->host)).data, err);
    if (s)
        return s;
    for (unsigned i = 0; i < broker->shards; i++) {
        struct broker_shard *b = mem_alloc(1, sizeof *b);

        broker->by_shard[i] = b;
        if (!b || !(b->image = mem_alloc(1, sizeof *b->image)))
            return err_set(err, STATUS_NO_MEMORY, "no memory for shard %u", i);
        b->broker = broker;
        images[i] = b->image;
    }
    s = metadata_open(broker, o->fs, images, &broker->metadata, err);
    return s == STATUS_OK ? dirs_index(broker, images[0], err) : s;
}

static void broker_free(struct broker *broker)
{
    for (unsigned i = 0; i < broker->shards; i++) {
        struct broker_shard *b = broker->by_shard[i];

        if (b && b->image) {
            image_free(b->image);
            mem_free(b->image);
        }
        if (b)
            cleaner_free(b->cleaner);
        mem_free(b);
    }
    dirs_close(broker);
    arena_free(&broker->arena);
    mem_free(broker);
}

enum status broker_open(const struct broker_options *o, struct broker **out, struct err *err)
{
    struct broker *broker = mem_alloc(1, sizeof *broker);
    enum status s;

    ASSERT(o->shards >= 1 && o->shards <= SHARDS_MAX);
    if (!broker)
        return err_set(err, STATUS_NO_MEMORY, "no memory");
    arena_init(&broker->arena, BROKER_ARENA_MAX);
    broker->config = o->config;
    broker->fs = o->fs;
    broker->shards = broker->unrecovered = broker->unjudged = o->shards;
    broker->journal = o->journal;
    broker->files = o->files;
    broker->connections = o->connections;
    broker->node_id = config_node_id(o->config);
    broker->opened_wall_ms = o->wall_ms;
    broker->seed = hash_bytes(0, o->entropy, sizeof o->entropy);
    s = broker_open_parts(broker, o, err);
    if (s) {
        broker_free(broker);
        return s;
    }
    *out = broker;
    return STATUS_OK;
}

/* ---- a shard ---- */

static void broker_housekeep(struct shard *here, struct timer *timer);

static void broker_arm_housekeeping(struct broker_shard *b)
{
    timer_set(b->shard, &b->housekeeping, shard_now_ms(b->shard) + (uint64_t)config_i64(b->broker->config, CONFIG_LOG_RETENTION_CHECK_INTERVAL_MS), broker_housekeep);
}

enum { RESTED_MANY = 1000 }; /* logs: a megabyte or so */

static void broker_housekeep(struct shard *here, struct timer *timer)
{
    struct broker_shard *b = LIST_ENTRY(timer, struct broker_shard, housekeeping);

    for (struct broker_partition *bp = broker_partition_next(b, NULL); bp; bp = broker_partition_next(b, bp))
        if (bp->life == PARTITION_AWAKE) {
            partition_housekeep(bp->partition, shard_wall_ms(here));
            broker_partition_count(b, bp);
        }
    if (b->metadata)
        metadata_housekeep(b->metadata);
    if (*store_rested(b->store) >= RESTED_MANY) {
        mem_trim();
        *store_rested(b->store) = 0;
    }
    broker_arm_housekeeping(b);
}

static void broker_flush(struct shard *here, struct timer *timer);

/* What is acknowledged before it is on the disk may have to be there in time (flush.ms); by default the system decides. */
static void broker_arm_flushing(struct broker_shard *b)
{
    const struct config *config = b->broker->config;
    int64_t interval_ms = config_i64(config, CONFIG_LOG_FLUSH_SCHEDULER_INTERVAL_MS);

    if (config_async(config) && interval_ms > 0 && interval_ms < INT64_MAX)
        timer_set(b->shard, &b->flushing, shard_now_ms(b->shard) + (uint64_t)interval_ms, broker_flush);
}

static void broker_flush(struct shard *here, struct timer *timer)
{
    struct broker_shard *b = LIST_ENTRY(timer, struct broker_shard, flushing);

    for (struct broker_partition *bp = broker_partition_next(b, NULL); bp; bp = broker_partition_next(b, bp))
        if (bp->life == PARTITION_AWAKE)
            partition_flush(bp->partition);
    broker_arm_flushing(b);
}

static enum status broker_add_partitions(struct broker_shard *b, struct err *err)
{
    for (struct image_topic *t = image_topic_first(b->image); t; t = image_topic_next(b->image, t))
        for (int32_t i = 0; i < t->count; i++) {
            const struct log_dir_entry *entry;
            unsigned dir;

            if (broker_partition_shard(b->broker, t->id, i) != shard_id(b->shard))
                continue;
            dir = dirs_locate(b->broker, t, i, &entry);
            if (broker_add_partition(b, t, i, dir, entry, NULL, err))
                return err->status;
        }
    return STATUS_OK;
}

enum status broker_start_shard(struct broker *broker, struct shard *shard, struct err *err)
{
    struct broker_shard *b = broker->by_shard[shard_id(shard)];
    size_t slots = (size_t)config_i64(broker->config, CONFIG_MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS) / broker->shards;

    b->shard = shard;
    shard_set_context(shard, b);
    map_init(&b->partitions, shard_random(shard));
    map_init(&b->configs, b->broker->seed);
    list_init(&b->asleep);
    list_init(&b->moves);
    b->store = store_new(shard, config_async(broker->config) ? DURABILITY_ASYNC : DURABILITY_SYNC);
    b->sessions = fetch_sessions_new(shard, slots, memory_share(broker->config, MEMORY_SESSIONS, broker->shards), FETCH_SESSION_IDLE_MS_MIN);
    b->groups = groups_new(b);
    b->cleaner = cleaner_new(b);
    if (!b->store || !b->sessions || !b->groups || !b->cleaner)
        return err_set(err, STATUS_NO_MEMORY, "no memory for shard %u", shard_id(shard));
    dirs_start_shard(b);
    store_on_space(b->store, disk_space_ask);
    store_limit_tails(b->store, memory_share(broker->config, MEMORY_TAILS, broker->shards));
    b->producers.max = memory_share(broker->config, MEMORY_PRODUCERS, broker->shards) / MEMORY_PRODUCER;
    store_limit_indexes(b->store, memory_share(broker->config, MEMORY_INDEXES, broker->shards));
    store_use_journal(b->store, broker->journal);
    if (broker->files)
        store_limit_files(b->store, broker->files / broker->shards + 1);
    broker_listen(b);
    broker_arm_housekeeping(b);
    broker_arm_flushing(b);
    metrics_start(b);
    if (broker_add_partitions(b, err))
        return err->status;
    broker_wake_all(b);
    moves_resume(b);
    cleaner_start(b->cleaner);
    return STATUS_OK;
}

enum status broker_lead(struct broker *broker, void (*ready)(struct shard *here), struct err *err)
{
    struct broker_shard *b = broker->by_shard[0];

    b->metadata = broker->metadata;
    b->producer_ids = producer_ids_new(b);
    b->checkpoints = checkpoints_new(b);
    b->spaces = disk_spaces_new(b);
    if (!b->producer_ids || !b->checkpoints || !b->spaces || scrubbing_begin(b, &b->scrubbing))
        return err_set(err, STATUS_NO_MEMORY, "no memory");
    return metadata_start(b->metadata, b, &broker->bootstrap, ready, err);
}

/* ---- closing ---- */

/* Everything of this shard is idle: what it holds is saved and freed, but for the store that the metadata log still needs. */
static void broker_close_shard(struct broker_shard *b)
{
    timer_cancel(b->shard, &b->housekeeping);
    timer_cancel(b->shard, &b->flushing);
    groups_free(b->groups);
    broker_close_partitions(b);
    fetch_sessions_free(b->sessions);
    scrubbing_free(b->scrubbing);
    b->scrubbing = NULL; /* a directory may still fail */
    if (shard_id(b->shard) != 0) {
        store_free(b->store);
        b->store = NULL; /* shard 0 may still have bad news of the disk */
    }
}

static void broker_stop_less(struct broker_shard *b)
{
    if (--b->stop_parts)
        return;
    broker_close_shard(b);
    shard_post(b->shard, b->shard, b->stop_done);
}

/* ---- recovered ---- */

static void journals_removed(struct shard *here, struct io_job *job)
{
    struct broker_shard *b = broker_at(here);

    if (b->broker->recovered_err.status)
        log_line(LOG_WARN, "journals of a life before are not removed", "reason=%s", b->broker->recovered_err.text);
    b->broker->recovered.done = NULL;
    if (b->stop_parts)
        broker_stop_less(b);
}

static void journals_remove(struct io_job *job)
{
    struct broker *broker = LIST_ENTRY(job, struct broker, recovered);

    broker->recovered_err.status = STATUS_OK;
    for (unsigned i = 0; i < broker->dirs_count; i++)
        if ((broker->recover >> i & 1) && log_dir_recovered(broker->dirs[i].log_dir, &broker->recovered_err))
            return;
}

static void broker_hear_recovered(struct shard *here, struct mail *mail)
{
    struct broker_shard *b = broker_at(here);
    struct broker *broker = b->broker;

    if (--broker->unrecovered || b->stopped)
        return;
    for (unsigned i = 0; i < broker->dirs_count; i++)
        if (!dir_is_offline(b, i) && !broker->dirs[i].told && !log_dir_clean(broker->dirs[i].log_dir))
            broker->recover |= (uint64_t)1 << i;
    if (!broker->recover)
        return;
    broker->recovered = (struct io_job){.work = journals_remove, .done = journals_removed};
    io_job_submit(shard_io(here), &broker->recovered);
}

void broker_recovered(struct broker_shard *b)
{
    b->recovered.run = broker_hear_recovered;
    shard_post(b->shard, shard_peer(b->shard, 0), &b->recovered);
}

static void broker_hear_judged(struct shard *here, struct mail *mail)
{
    struct broker_shard *b = broker_at(here);

    if (--b->broker->unjudged == 0 && !b->stopped && b->scrubbing)
        scrubbing_start(b->scrubbing);
}

void broker_judged(struct broker_shard *b)
{
    b->judged.run = broker_hear_judged;
    shard_post(b->shard, shard_peer(b->shard, 0), &b->judged);
}

/* ---- stopping ---- */

void broker_stop_groups(struct broker_shard *b)
{
    b->groups_stopped = true;
    for (struct broker_partition *bp = broker_partition_next(b, NULL); bp; bp = broker_partition_next(b, bp))
        if (bp->life == PARTITION_AWAKE && str_is(bp->topic, "__consumer_offsets"))
            groups_partition_closing(b->groups, bp->key.index);
}

static void broker_part_stopped(struct shard *here, struct mail *mail)
{
    broker_stop_less(broker_at(here));
}

void broker_leave(struct broker *broker, struct mail *done)
{
    struct broker_shard *b = broker->by_shard[0];

    if (disk_space_is_low(b->spaces, broker->metadata_dir))
        shard_post(b->shard, b->shard, done); /* what need not be written is not */
    else
        metadata_leave(broker->metadata, done);
}

void broker_stop_shard(struct broker_shard *b, struct mail *done)
{
    b->stop_done = done;
    metrics_stop(b);
    b->stop_parts = 3 + (b->scrubbing != NULL) + (shard_id(b->shard) == 0 && b->broker->recovered.done);
    b->groups_idle.run = b->partitions_stopped.run = b->moves_ended.run = b->scrub_stopped.run = broker_part_stopped;
    if (b->scrubbing)
        scrubbing_stop(b->scrubbing, &b->scrub_stopped);
    groups_when_idle(b->groups, &b->groups_idle);
    cleaner_stop(b->cleaner);
    moves_stop(b, &b->moves_ended);
    broker_stop_partitions(b, &b->partitions_stopped);
}

static void broker_space_stopped(struct shard *here, struct mail *mail)
{
    struct broker *broker = LIST_ENTRY(mail, struct broker, stop_step);
    struct broker_shard *b = broker->by_shard[0];
    struct err err;

    if (metadata_close(broker->metadata, true, &err)) {
        log_line(LOG_ERROR, "metadata log does not close", "reason=%s", err.text);
        b->unsaved |= (uint64_t)1 << broker->metadata_dir;
    }
    broker->metadata = NULL;
    producer_ids_free(b->producer_ids);
    checkpoints_free(b->checkpoints);
    b->checkpoints = NULL;
    disk_spaces_free(b->spaces);
    b->spaces = NULL;
    store_free(b->store);
    b->store = NULL;
    shard_post(here, here, broker->stop_done);
}

static void broker_metadata_stopped(struct shard *here, struct mail *mail)
{
    struct broker *broker = LIST_ENTRY(mail, struct broker, stop_step);

    broker->stop_step.run = broker_space_stopped;
    disk_spaces_stop(broker->by_shard[0]->spaces, &broker->stop_step);
}

static void broker_checkpoints_stopped(struct shard *here, struct mail *mail)
{
    struct broker *broker = LIST_ENTRY(mail, struct broker, stop_step);

    broker->stop_step.run = broker_metadata_stopped;
    metadata_stop(broker->metadata, &broker->stop_step);
}

void broker_stop_metadata(struct broker *broker, struct mail *done)
{
    broker->stop_done = done;
    broker->stop_step.run = broker_checkpoints_stopped;
    checkpoints_stop(broker->by_shard[0]->checkpoints, &broker->stop_step);
}

/* As Kafka, each directory for itself. */
static enum status broker_mark_clean(struct broker *broker, unsigned dir, const struct checkpoint_rows *sets, struct err *err)
{
    struct log_dir *log_dir = broker->dirs[dir].log_dir;
    enum status s;

    for (unsigned i = 0; i < broker->shards; i++)
        if ((broker->by_shard[i]->unsaved >> dir & 1) && !BUG(KAFKA_15375))
            return err_set(err, STATUS_IO, "%s: not everything could be saved: the next start checks the logs", broker->dirs[dir].path);
    s = log_dir_recovered(log_dir, err);
    if (s == STATUS_OK)
        s = checkpoint_rows_write(log_dir, dir, sets, broker->shards, err);
    return s ? s : log_dir_mark_clean(log_dir, broker->broker_epoch, err);
}

enum status broker_close(struct broker *broker, struct err *err)
{
    struct checkpoint_rows *sets = mem_alloc(broker->shards, sizeof *sets);
    enum status s = sets ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "no memory for the checkpoints");

    for (unsigned i = 0; sets && i < broker->shards; i++)
        sets[i] = broker->by_shard[i]->rows;
    for (unsigned i = 0; sets && i < broker->dirs_count; i++)
        if (!dir_is_offline(broker->by_shard[0], i) && broker_mark_clean(broker, i, sets, err))
            s = err->status;
    for (unsigned i = 0; i < broker->shards; i++)
        checkpoint_rows_free(&broker->by_shard[i]->rows);
    mem_free(sets);
    broker_free(broker);
    return s;
}
