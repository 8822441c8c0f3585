/* SPDX-License-Identifier: Apache-2.0
 * See lifecycle.h. Whose directory it is (meta.properties), what the metadata says, then partitions; and all of it backwards.
 *
 * The order of a clean stop is what makes it clean: partitions are closed with their indexes and producer state saved, then the metadata
 * log, then the checkpoints, and last the marker that lets the next start trust all that without reading a segment.
 */
#include "broker/lifecycle.h"

#include "base/bug.h"
#include "base/mem.h"
#include "broker/admission.h"
#include "broker/checkpoints.h"
#include "broker/cleaner.h"
#include "broker/disk_space.h"
#include "broker/fetch_sessions.h"
#include "broker/memory.h"
#include "broker/metadata_int.h"
#include "broker/partitions.h"
#include "broker/producer_ids.h"
#include "broker/scrubbing.h"
#include "rt/log.h"
#include "store/scrub.h"

enum {
    SMALL_FILE_MAX = 1024 * 1024,
    BROKER_ARENA_MAX = 16 * 1024 * 1024,
    FETCH_SESSION_IDLE_MS_MIN = 120000, /* Kafka's constant */
};

struct broker_entry { /* of the directory, by folder name */
    struct map_node node;
    const struct log_dir_entry *entry;
};

/* ---- identity ---- */

static void uuid_from(struct uuid *id, const uint8_t bytes[static 16])
{
    memcpy(id->b, bytes, 16);
    id->b[6] = (uint8_t)((id->b[6] & 15) | 64);  /* version 4 */
    id->b[8] = (uint8_t)((id->b[8] & 63) | 128); /* RFC 4122 */
    id->b[0] &= 127;                             /* its text begins with a letter: never with '-' */
}

static enum status broker_write_text(struct broker *broker, const char *file, const void *bytes, size_t size, struct err *err)
{
    char path[FS_PATH_MAX + 64];

    snprintf(path, sizeof path, "%s/%s", log_dir_path(broker->dir), file);
    return fs_write_file(broker->fs, path, bytes, size, err);
}

/* STATUS_NOT_FOUND: the file is not there. */
static enum status broker_read_text(struct broker *broker, const char *file, struct bytes_view *out, struct err *err)
{
    char path[FS_PATH_MAX + 64], *content = NULL;
    size_t size = 0;
    enum status s;

    snprintf(path, sizeof path, "%s/%s", log_dir_path(broker->dir), file);
    if (!fs_exists(broker->fs, path))
        return err_set(err, STATUS_NOT_FOUND, "%s is not there", path);
    s = fs_read_file(broker->fs, path, SMALL_FILE_MAX, &content, &size, err);
    if (s == STATUS_OK) {
        struct str_view kept = arena_str(&broker->arena, (struct str_view){content, size});

        *out = (struct bytes_view){(const uint8_t *)kept.data, kept.size};
        s = kept.data ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "no memory for %s", path);
    }
    mem_free(content);
    return s;
}

static enum status broker_format(struct broker *broker, const uint8_t entropy[static 32], int64_t wall_ms, struct err *err)
{
    struct meta_properties meta = {.node_id = broker->node_id};
    char text[META_PROPERTIES_SIZE];
    struct bytes_view bootstrap;
    struct uuid cluster;
    enum status s;

    uuid_from(&cluster, entropy);
    uuid_from(&meta.directory_id, entropy + 16);
    uuid_format(cluster, meta.cluster_id);
    s = bootstrap_encode(wall_ms, &broker->arena, &bootstrap);
    if (s)
        return err_set(err, s, "no memory to format");
    s = broker_write_text(broker, BOOTSTRAP_FILE, bootstrap.data, bootstrap.size, err);
    if (s == STATUS_OK) /* last: it says that the directory is formatted */
        s = broker_write_text(broker, META_PROPERTIES_FILE, text, meta_properties_format(&meta, text), err);
    if (s == STATUS_OK)
        log_line(LOG_INFO, "formatted", "directory=%s cluster=%s node=%d", log_dir_path(broker->dir), meta.cluster_id, meta.node_id);
    return s;
}

static enum status broker_identify(struct broker *broker, const uint8_t entropy[static 32], int64_t wall_ms, struct err *err)
{
    struct meta_properties meta;
    struct bytes_view text = {0};
    enum status s = broker_read_text(broker, META_PROPERTIES_FILE, &text, err);

    if (s == STATUS_NOT_FOUND) {
        s = broker_format(broker, entropy, wall_ms, err);
        if (s == STATUS_OK)
            s = broker_read_text(broker, META_PROPERTIES_FILE, &text, err);
    }
    if (s == STATUS_OK)
        s = meta_properties_parse((struct str_view){(const char *)text.data, text.size}, &meta, err);
    if (s)
        return s;
    memcpy(broker->cluster_id, meta.cluster_id, sizeof broker->cluster_id);
    broker->directory_id = meta.directory_id;
    s = broker_read_text(broker, BOOTSTRAP_FILE, &text, err);
    meta_records_init(&broker->bootstrap, &broker->arena);
    if (s == STATUS_OK)
        s = bootstrap_decode(text, &broker->bootstrap, err);
    return s == STATUS_NOT_FOUND ? STATUS_OK : s;
}

/* ---- opening ---- */

static enum status broker_index_entries(struct broker *broker, struct err *err)
{
    size_t count = 0;
    const struct log_dir_entry *entries = log_dir_entries(broker->dir, &count);
    struct broker_entry *nodes = arena_alloc(&broker->arena, count, sizeof *nodes);

    map_init(&broker->entries, broker->seed);
    for (size_t i = 0; nodes && i < count; i++) {
        nodes[i].entry = &entries[i];
        if (!map_put(&broker->entries, &nodes[i].node, entries[i].name, strlen(entries[i].name)))
            return err_set(err, STATUS_NO_MEMORY, "no memory for %zu partitions", count);
    }
    return nodes ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "no memory for %zu partitions", count);
}

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
    enum status s = directory_admit(o->fs, config_log_dir(o->config, 0), broker->node_id, err);

    if (s == STATUS_OK)
        s = log_dir_open(o->fs, config_log_dir(o->config, 0), &broker->dir, err);
    if (s == STATUS_OK)
        s = broker_identify(broker, o->entropy, o->wall_ms, err);
    if (s == STATUS_OK)
        s = broker_listeners(broker, arena_str(&broker->arena, str_from(o->host)).data, err);
    if (s == STATUS_OK)
        s = broker_index_entries(broker, err);
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
    return metadata_open(broker, o->fs, images, &broker->metadata, err);
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
    map_free(&broker->entries);
    if (broker->dir)
        log_dir_close(broker->dir);
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
    broker->shards = broker->unrecovered = o->shards;
    broker->journal = o->journal;
    broker->files = o->files;
    broker->connections = o->connections;
    broker->node_id = config_node_id(o->config);
    broker->opened_wall_ms = o->wall_ms;
    broker->seed = hash_bytes(0, o->entropy, sizeof o->entropy);
    s = broker_open_parts(broker, o, err);
    if (s) {
        broker_free(broker);
        return err_wrap(err, "open %s", config_log_dir(o->config, 0));
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

static void broker_housekeep(struct shard *here, struct timer *timer)
{
    struct broker_shard *b = LIST_ENTRY(timer, struct broker_shard, housekeeping);

    for (struct broker_partition *bp = broker_partition_next(b, NULL); bp; bp = broker_partition_next(b, bp))
        if (bp->life == PARTITION_AWAKE)
            partition_housekeep(bp->partition, shard_wall_ms(here));
    if (b->metadata)
        metadata_housekeep(b->metadata);
    broker_arm_housekeeping(b);
}

static void broker_hear_offline(struct shard *here, struct mail *mail)
{
    struct broker_shard *b = broker_at(here);

    if (b->store)
        store_fail_dir(b->store, log_dir_path(b->broker->dir));
}

/* A log directory fails as a whole: what one shard found out, all the others are told, each by a mail of its own that is used once: none
 * acknowledges anything until the broker has ended. */
static void broker_offline(struct shard *here, const char *log_dir, const struct err *why)
{
    struct broker *broker = broker_at(here)->broker;

    for (unsigned i = 0; i < broker->shards; i++) {
        struct mail *mail = &broker->by_shard[i]->offline[shard_id(here)];

        mail->run = broker_hear_offline;
        if (i != shard_id(here))
            shard_post(here, shard_peer(here, i), mail);
    }
    broker->failed(here, why);
}

void broker_disk_failed(struct broker_shard *b, const struct err *why)
{
    if (why->status == STATUS_NO_SPACE) { /* nothing is lost, and what was to be written is tried again */
        log_line(LOG_ERROR, "no space", "dir=%s reason=%s", log_dir_path(b->broker->dir), why->text);
        return;
    }
    log_line(LOG_ERROR, "log directory offline", "dir=%s reason=%s", log_dir_path(b->broker->dir), why->text);
    store_fail_dir(b->store, log_dir_path(b->broker->dir));
    broker_offline(b->shard, log_dir_path(b->broker->dir), why);
}

static enum status broker_add_partitions(struct broker_shard *b, struct err *err)
{
    for (struct image_topic *t = image_topic_first(b->image); t; t = image_topic_next(b->image, t))
        for (int32_t i = 0; i < t->count; i++) {
            char folder[FOLDER_NAME_SIZE];
            struct map_node *node;
            enum status s;

            if (broker_partition_shard(b->broker, t->id, i) != shard_id(b->shard))
                continue;
            snprintf(folder, sizeof folder, STR_FMT "-%d", STR_ARG(t->name), i);
            node = map_get(&b->broker->entries, folder, strlen(folder));
            s = broker_add_partition(b, t, i, node ? MAP_ENTRY(node, struct broker_entry, node)->entry : NULL, NULL, err);
            if (s)
                return s;
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
    b->store = store_new(shard, config_async(broker->config) ? DURABILITY_ASYNC : DURABILITY_SYNC);
    b->sessions = fetch_sessions_new(shard, slots, FETCH_SESSION_IDLE_MS_MIN);
    b->groups = groups_new(b);
    b->cleaner = cleaner_new(b);
    if (!b->store || !b->sessions || !b->groups || !b->cleaner)
        return err_set(err, STATUS_NO_MEMORY, "no memory for shard %u", shard_id(shard));
    store_on_offline(b->store, broker_offline);
    store_on_space(b->store, disk_space_ask);
    store_limit_tails(b->store, memory_share(broker->config, MEMORY_TAILS, broker->shards));
    store_use_journal(b->store, broker->journal);
    if (broker->files)
        store_limit_files(b->store, broker->files / broker->shards + 1);
    broker_listen(b);
    broker_arm_housekeeping(b);
    if (broker_add_partitions(b, err))
        return err->status;
    broker_wake_all(b);
    cleaner_start(b->cleaner);
    return STATUS_OK;
}

enum status broker_lead(struct broker *broker, void (*ready)(struct shard *here), struct err *err)
{
    struct broker_shard *b = broker->by_shard[0];

    b->metadata = broker->metadata;
    b->producer_ids = producer_ids_new(b);
    b->checkpoints = checkpoints_new(b);
    b->space = disk_space_new(b);
    if (!b->producer_ids || !b->checkpoints || !b->space || scrubbing_begin(b, &b->scrub))
        return err_set(err, STATUS_NO_MEMORY, "no memory");
    return metadata_start(b->metadata, b, &broker->bootstrap, ready, err);
}

/* ---- closing ---- */

/* Everything of this shard is idle: what it holds is saved and freed, but for the store that the metadata log still needs. */
static void broker_close_shard(struct broker_shard *b)
{
    timer_cancel(b->shard, &b->housekeeping);
    groups_free(b->groups);
    broker_close_partitions(b);
    fetch_sessions_free(b->sessions);
    scrub_free(b->scrub);
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

    broker->recovered_err.status = log_dir_recovered(broker->dir, &broker->recovered_err);
}

static void broker_hear_recovered(struct shard *here, struct mail *mail)
{
    struct broker_shard *b = broker_at(here);
    struct broker *broker = b->broker;

    if (--broker->unrecovered || b->stopped || log_dir_clean(broker->dir))
        return;
    broker->recovered = (struct io_job){.work = journals_remove, .done = journals_removed};
    io_job_submit(shard_io(here), &broker->recovered);
}

void broker_recovered(struct broker_shard *b)
{
    b->recovered.run = broker_hear_recovered;
    shard_post(b->shard, shard_peer(b->shard, 0), &b->recovered);
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

void broker_stop_shard(struct broker_shard *b, struct mail *done)
{
    b->stop_done = done;
    b->stop_parts = 2 + (b->scrub != NULL) + (shard_id(b->shard) == 0 && b->broker->recovered.done);
    b->groups_idle.run = b->partitions_stopped.run = b->scrub_stopped.run = broker_part_stopped;
    if (b->scrub)
        scrub_stop(b->scrub, &b->scrub_stopped);
    groups_when_idle(b->groups, &b->groups_idle);
    cleaner_stop(b->cleaner);
    broker_stop_partitions(b, &b->partitions_stopped);
}

static void broker_space_stopped(struct shard *here, struct mail *mail)
{
    struct broker *broker = LIST_ENTRY(mail, struct broker, stop_step);
    struct broker_shard *b = broker->by_shard[0];
    struct err err;

    if (metadata_close(broker->metadata, true, &err)) {
        log_line(LOG_ERROR, "metadata log does not close", "reason=%s", err.text);
        b->unsaved = true;
    }
    broker->metadata = NULL;
    producer_ids_free(b->producer_ids);
    checkpoints_free(b->checkpoints);
    disk_space_free(b->space);
    b->space = NULL;
    store_free(b->store);
    b->store = NULL;
    shard_post(here, here, broker->stop_done);
}

static void broker_metadata_stopped(struct shard *here, struct mail *mail)
{
    struct broker *broker = LIST_ENTRY(mail, struct broker, stop_step);

    broker->stop_step.run = broker_space_stopped;
    disk_space_stop(broker->by_shard[0]->space, &broker->stop_step);
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

static enum status broker_mark_clean(struct broker *broker, struct err *err)
{
    struct checkpoint_rows *sets = mem_alloc(broker->shards, sizeof *sets);
    enum status s = STATUS_OK;

    for (unsigned i = 0; sets && i < broker->shards; i++) {
        sets[i] = broker->by_shard[i]->rows;
        if (broker->by_shard[i]->unsaved && !BUG(KAFKA_15375))
            s = err_set(err, STATUS_IO, "not everything could be saved: the next start checks the logs");
    }
    if (!sets)
        s = err_set(err, STATUS_NO_MEMORY, "no memory for the checkpoints");
    if (s == STATUS_OK)
        s = log_dir_recovered(broker->dir, err);
    if (s == STATUS_OK)
        s = checkpoint_rows_write(broker->dir, sets, broker->shards, err);
    if (s == STATUS_OK)
        s = log_dir_mark_clean(broker->dir, broker->broker_epoch, err);
    mem_free(sets);
    return s;
}

enum status broker_close(struct broker *broker, struct err *err)
{
    enum status s = broker_mark_clean(broker, err);

    for (unsigned i = 0; i < broker->shards; i++)
        checkpoint_rows_free(&broker->by_shard[i]->rows);
    broker_free(broker);
    return s;
}
