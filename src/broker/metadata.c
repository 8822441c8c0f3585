/* SPDX-License-Identifier: Apache-2.0
 * See metadata.h. A decision's way, as one struct batch:
 *
 *   queued+appended → durable → distributed (one batch at a time: a topic is gone from every shard before its name comes back) → done
 *
 * Also here: what the start does with the log (metadata_open replays it into images before any shard runs; metadata_start makes this node the leader
 * and registers it), and snapshots, so that the log does not grow for ever.
 */
#include "broker/metadata.h"

#include "base/bug.h"
#include "base/mem.h"
#include "broker/broker.h"
#include "broker/dirs.h"
#include "broker/metadata_int.h"
#include "meta/snapshot.h"
#include "rt/log.h"

enum { METADATA_READ_SIZE = 1024 * 1024, REGISTRATION_MAX = 64 * 1024 * 1024 };

struct delivery { /* a batch at one shard */
    struct mail mail;
    struct metadata_batch *batch;
    struct metadata_receipt receipt;
    unsigned shard;
};

struct metadata_batch {
    struct log_append append;
    struct list link;
    struct metadata *metadata;
    struct metadata_commit *commit; /* NULL: the leader change */
    bool durable;
    unsigned out; /* deliveries that have not come back */
    struct bytes_view bytes;
    struct delivery deliveries[];
};

/* ---- the log, before shards run ---- */

static struct log_config metadata_log_config(const struct config *config)
{
    enum config_key size = config_null(config, CONFIG_INTERNAL_METADATA_LOG_SEGMENT_BYTES) ? CONFIG_METADATA_LOG_SEGMENT_BYTES
                                                                                          : CONFIG_INTERNAL_METADATA_LOG_SEGMENT_BYTES;

    return (struct log_config){
        .segment_bytes = config_i64(config, size),
        .segment_ms = config_i64(config, CONFIG_METADATA_LOG_SEGMENT_MS),
        .segment_index_bytes = 10 * 1024 * 1024,
        .index_interval_bytes = 4096,
        .retention_bytes = BUG(KAFKA_14238) ? 10000 : -1,
        .deletes = BUG(KAFKA_14238),
        .retention_ms = -1,
        .file_delete_delay_ms = 60000,
    };
}

/* Applies the log from `from` to its end. */
static enum status metadata_replay(struct metadata *m, struct image *image, int64_t from, struct err *err)
{
    int64_t end = log_durable_offset(m->log);
    uint8_t *buffer = NULL;
    size_t capacity = 0;
    enum status s = STATUS_OK;

    while (from < end && s == STATUS_OK) {
        struct log_slice slice = {0};
        struct batch_head head;
        size_t got = 0, at = 0;

        s = log_read(m->log, from, end, METADATA_READ_SIZE, true, &slice, err);
        if (s || slice.size == 0)
            break;
        if (slice.size > capacity) {
            uint8_t *grown = mem_resize(buffer, slice.size, 1);

            if (!grown) {
                file_unref(slice.file);
                s = err_set(err, STATUS_NO_MEMORY, "no memory to replay the metadata log");
                break;
            }
            buffer = grown;
            capacity = slice.size;
        }
        s = file_read(slice.file, slice.position, buffer, slice.size, &got, err);
        file_unref(slice.file);
        while (s == STATUS_OK && batch_head_read((struct bytes_view){buffer + at, got - at}, &head) && got - at >= batch_size(&head)) {
            size_t whole;

            if (head.base_offset > from || batch_check_crc((struct bytes_view){buffer + at, got - at}, &whole))
                s = err_set(err, STATUS_CORRUPT, "metadata log: the batch of offset %lld is broken or missing", (long long)from);
            else if (batch_last_offset(&head) >= from)
                s = image_apply_batch(image, (struct bytes_view){buffer + at, batch_size(&head)}, err);
            m->bytes_since_snapshot += batch_size(&head);
            from = batch_last_offset(&head) + 1;
            at += batch_size(&head);
        }
        if (s == STATUS_OK && at == 0)
            s = err_set(err, STATUS_CORRUPT, "metadata log: no whole batch at offset %lld", (long long)from);
    }
    mem_free(buffer);
    return s;
}

static enum status metadata_fill_image(struct metadata *m, struct image *image, uint64_t seed, struct err *err)
{
    bool found = false;
    struct snapshot_id id = {0};
    int64_t from;
    enum status s;

    image_init(image, seed, NULL, NULL);
    s = snapshot_load(m->fs, m->dir, image, &found, &id, err);
    from = found ? id.end_offset : 0;
    if (s == STATUS_OK && log_start_offset(m->log) > from)
        s = err_set(err, STATUS_CORRUPT, "metadata log: it begins at offset %lld, and what is before it is known up to %lld", (long long)log_start_offset(m->log), (long long)from);
    m->bytes_since_snapshot = 0; /* a node that is started again and again has its snapshots, too */
    if (s == STATUS_OK)
        s = metadata_replay(m, image, from, err);
    if (s == STATUS_OK && found)
        m->snapshot = id;
    return s;
}

enum status metadata_open(struct broker *broker, struct fs *fs, struct image **images, struct metadata **out, struct err *err)
{
    struct metadata *m = mem_alloc(1, sizeof *m);
    struct log_open how = {.fs = fs, .topic_id = METADATA_TOPIC_ID, .clean = log_dir_clean(dirs_metadata(broker)), .recovery_point = -1, .log_start = -1};
    enum status s;

    if (!m)
        return err_set(err, STATUS_NO_MEMORY, "no memory");
    m->broker = broker;
    m->fs = fs;
    list_init(&m->queue);
    snprintf(m->dir, sizeof m->dir, "%s/%s", log_dir_path(dirs_metadata(broker)), METADATA_DIR);
    how.dir = m->dir;
    m->log_config = metadata_log_config(broker->config);
    how.config = &m->log_config;
    how.now_ms = broker->opened_wall_ms;
    s = log_dir_recover(dirs_metadata(broker), METADATA_DIR, METADATA_TOPIC_ID, true, &how.recovery_point, err);
    if (s == STATUS_OK)
        s = log_open(&how, &m->log, err);
    for (unsigned i = 0; s == STATUS_OK && i < broker->shards; i++)
        s = metadata_fill_image(m, images[i], broker->seed, err);
    if (s == STATUS_OK)
        s = metadata_fill_image(m, &m->image, broker->seed, err);
    if (s) {
        struct err ignored;

        if (m->log && log_close(m->log, false, &ignored))
            log_line(LOG_ERROR, "metadata log does not close", "reason=%s", ignored.text);
        mem_free(m);
        return err_wrap(err, "metadata log %s", METADATA_DIR);
    }
    *out = m;
    return STATUS_OK;
}

enum status metadata_close(struct metadata *m, bool clean, struct err *err)
{
    enum status s = log_close(m->log, clean, err);

    image_free(&m->image);
    mem_free(m);
    return s;
}

/* ---- the way of a batch ---- */

/* The metadata log can not go on: neither can the node. */
static void metadata_fatal(struct metadata *m, const struct err *why)
{
    m->failed = true;
    m->broker->failed(m->b->shard, why);
}

static void metadata_distribute(struct metadata *m);
static void metadata_snapshot_when_due(struct metadata *m);

static void metadata_stopped_when_idle(struct metadata *m)
{
    if (!m->snapshotting && list_empty(&m->queue) && !m->distributing)
        log_when_idle(m->log, m->stopped); /* the journal may still sync what it owes the log */
}

static void delivery_back(struct shard *here, struct mail *mail)
{
    struct delivery *d = LIST_ENTRY(mail, struct delivery, mail);
    struct metadata_batch *batch = d->batch;
    struct metadata *m = batch->metadata;
    struct metadata_commit *commit = batch->commit;

    if (--batch->out)
        return;
    m->distributing = NULL;
    m->bytes_since_snapshot += batch->bytes.size;
    mem_free(batch);
    if (commit)
        commit->done(here, commit);
    metadata_snapshot_when_due(m);
    metadata_distribute(m);
    if (m->stopped)
        metadata_stopped_when_idle(m);
}

static void delivery_applied(struct metadata_receipt *receipt)
{
    struct delivery *d = LIST_ENTRY(receipt, struct delivery, receipt);
    struct metadata *m = d->batch->metadata;

    d->mail.run = delivery_back;
    shard_post(shard_peer(m->b->shard, d->shard), m->b->shard, &d->mail);
}

static void delivery_arrived(struct shard *here, struct mail *mail)
{
    struct delivery *d = LIST_ENTRY(mail, struct delivery, mail);

    d->receipt.applied = delivery_applied;
    broker_apply(broker_at(here), d->batch->bytes, &d->receipt);
}

static void metadata_distribute(struct metadata *m)
{
    struct metadata_batch *batch;

    if (m->distributing || list_empty(&m->queue))
        return;
    batch = LIST_ENTRY(m->queue.next, struct metadata_batch, link);
    if (!batch->durable)
        return;
    list_remove(&batch->link);
    m->distributing = batch;
    batch->out = m->broker->shards;
    for (unsigned i = 0; i < m->broker->shards; i++) {
        struct delivery *d = &batch->deliveries[i];

        d->batch = batch;
        d->shard = i;
        d->mail.run = delivery_arrived;
        shard_post(m->b->shard, shard_peer(m->b->shard, i), &d->mail);
    }
}

static void metadata_appended(struct shard *here, struct log_append *append)
{
    struct metadata_batch *batch = LIST_ENTRY(append, struct metadata_batch, append);
    struct metadata *m = batch->metadata;

    if (append->status) {
        struct err err;

        (void)err_set(&err, append->status, "the metadata log failed: %s", status_name(append->status));
        metadata_fatal(m, &err);
        return;
    }
    batch->durable = true;
    raft_durable(&m->raft, append->last_offset + 1);
    metadata_distribute(m);
}

/* Appends and applies one batch: from here on it is decided. */
static void metadata_append(struct metadata *m, struct batch_builder *builder, struct metadata_batch *batch)
{
    int64_t base = log_end_offset(m->log);
    struct err err;

    batch->bytes = batch_builder_finish(builder, base, m->raft.epoch, -1, -1, -1);
    batch->append = (struct log_append){.done = metadata_appended,
                                        .bytes = batch->bytes,
                                        .base_offset = base,
                                        .last_offset = base + builder->last_offset_delta,
                                        .max_timestamp = builder->max_timestamp,
                                        .max_timestamp_offset = base,
                                        .leader_epoch = m->raft.epoch};
    if (image_apply_batch(&m->image, batch->bytes, &err)) {
        (void)err_wrap(&err, "metadata records do not apply");
        metadata_fatal(m, &err);
        return;
    }
    m->append_wall_ms = builder->max_timestamp;
    list_push_back(&m->queue, &batch->link);
    log_append(m->log, &batch->append);
    raft_appended(&m->raft, log_end_offset(m->log));
}

static struct metadata_batch *metadata_batch_new(struct metadata *m, struct batch_builder *builder, size_t size, int16_t attributes)
{
    size_t head = sizeof(struct metadata_batch) + m->broker->shards * sizeof(struct delivery);
    struct metadata_batch *batch = log_reserve(m->log) ? mem_alloc(1, head + size) : NULL;

    if (!batch)
        return NULL;
    batch->metadata = m;
    list_init(&batch->link);
    batch_builder_init(builder, (uint8_t *)batch + head, size, attributes);
    return batch;
}

enum status metadata_commit(struct metadata *m, struct metadata_commit *commit)
{
    int64_t now = shard_wall_ms(m->b->shard);
    size_t size = BATCH_OVERHEAD;
    struct batch_builder builder;
    struct metadata_batch *batch;

    if (m->failed)
        return STATUS_OK; /* the node ends: nobody hears of anything */
    for (size_t i = 0; i < commit->count; i++)
        size += batch_record_size((int32_t)i, 0, (struct bytes_view){0}, commit->records[i], (struct bytes_view){0});
    batch = metadata_batch_new(m, &builder, size, 0);
    if (!batch)
        return STATUS_NO_MEMORY;
    batch->commit = commit;
    for (size_t i = 0; i < commit->count; i++) {
        bool fits = batch_builder_add(&builder, (int32_t)i, now, (struct bytes_view){0}, commit->records[i], (struct bytes_view){0});

        ASSERT(fits);
    }
    metadata_append(m, &builder, batch);
    return STATUS_OK;
}

struct request_commit {
    struct metadata_commit commit;
    struct request *request;
    void (*done)(struct request *r);
};

static void request_committed(struct shard *here, struct metadata_commit *commit)
{
    struct request_commit *c = LIST_ENTRY(commit, struct request_commit, commit);

    c->done(c->request);
}

void request_commit(struct request *r, const struct meta_records *records, void (*done)(struct request *r))
{
    struct request_commit *c;

    if (records->failed) {
        request_close(r, "no memory");
        return;
    }
    if (records->count == 0) {
        done(r);
        return;
    }
    c = REQUEST_ALLOC(r, struct request_commit, 1);
    if (!c) {
        request_close(r, "no memory");
        return;
    }
    *c = (struct request_commit){.commit = {.records = records->values, .count = records->count, .done = request_committed}, .request = r, .done = done};
    if (metadata_commit(broker_at(r->here)->metadata, &c->commit))
        request_close(r, "no memory");
}

/* ---- leadership and registration ---- */

static void metadata_go(struct metadata *m);

static void metadata_registered(struct shard *here, struct metadata_commit *commit)
{
    struct metadata *m = LIST_ENTRY(commit, struct metadata, registration);
    void (*started)(struct shard *here) = m->started;

    arena_free(&m->arena);
    m->registering = false;
    m->started = NULL;
    if (m->dirs_changed)
        metadata_dirs_changed(m);
    if (m->left && !m->registering)
        metadata_go(m);
    if (started)
        started(here);
}

static enum status metadata_save_quorum(struct metadata *m, const struct quorum_state *state, struct err *err)
{
    char path[FS_PATH_MAX + 32], text[QUORUM_STATE_SIZE];
    size_t size = quorum_state_format(state, m->broker->node_id, text);

    snprintf(path, sizeof path, "%s/%s", m->dir, QUORUM_STATE_FILE);
    return fs_write_file(m->fs, path, text, size, err);
}

static enum status metadata_load_quorum(struct metadata *m, struct quorum_state *state, bool *found, struct err *err)
{
    char path[FS_PATH_MAX + 32], *text = NULL;
    size_t size = 0;
    enum status s;

    snprintf(path, sizeof path, "%s/%s", m->dir, QUORUM_STATE_FILE);
    *found = fs_exists(m->fs, path);
    if (!*found)
        return STATUS_OK;
    s = fs_read_file(m->fs, path, 64 * 1024, &text, &size, err);
    if (s == STATUS_OK)
        s = quorum_state_parse((struct str_view){text, size}, state, err);
    mem_free(text);
    return s;
}

/* Bumps the epoch, durably, and opens it in the log. */
static enum status metadata_lead(struct metadata *m, struct err *err)
{
    struct quorum_state saved, state;
    struct raft_control control;
    struct batch_builder builder;
    struct metadata_batch *batch;
    bool found = false, fits;
    enum status s = metadata_load_quorum(m, &saved, &found, err);
    int32_t log_epoch = log_latest_epoch(m->log);

    if (s)
        return s;
    if (m->snapshot.epoch > log_epoch)
        log_epoch = m->snapshot.epoch;
    raft_start(&m->raft, m->broker->node_id, m->image.kraft_version, found ? &saved : NULL,
               log_epoch > 0 ? log_epoch : 0, log_end_offset(m->log), &state);
    s = metadata_save_quorum(m, &state, err);
    if (s)
        return s;
    raft_leader_change(&m->raft, &control);
    batch = metadata_batch_new(m, &builder, BATCH_OVERHEAD + 64 + sizeof control, BATCH_CONTROL);
    if (!batch)
        return err_set(err, STATUS_NO_MEMORY, "no memory");
    fits = batch_builder_add(&builder, 0, shard_wall_ms(m->b->shard), (struct bytes_view){control.key, sizeof control.key},
                             (struct bytes_view){control.value, control.value_size}, (struct bytes_view){0});
    ASSERT(fits);
    metadata_append(m, &builder, batch);
    return STATUS_OK;
}

/* The endpoints of this node as its registration tells them: of the brokers' or of the controllers' listeners. */
static struct image_endpoint *metadata_endpoints(struct metadata *m, bool controller, size_t *count)
{
    struct image_endpoint *e = arena_alloc(&m->arena, m->broker->listeners_count, sizeof *e);

    *count = 0;
    for (size_t i = 0; e && i < m->broker->listeners_count; i++) {
        const struct listener *l = &m->broker->listeners[i];

        if (l->controller == controller)
            e[(*count)++] = (struct image_endpoint){.name = l->name, .host = str_from(l->advertised_host), .port = l->advertised_port, .security_protocol = 0};
    }
    return e;
}

static struct uuid metadata_locate(const void *context, const struct image_topic *topic, int32_t index)
{
    const struct broker *broker = context;
    const struct log_dir_entry *entry;
    unsigned dir = dirs_locate(broker, topic, index, &entry);

    return dir == DIR_UNKNOWN ? DIRECTORY_LOST : broker->dirs[dir].id;
}

/* What the start has to say: the bootstrap records of a fresh cluster, this node as controller and as broker. */
static enum status metadata_decide_start(struct metadata *m, const struct meta_records *bootstrap, struct decision *d)
{
    struct decide_node node = {.id = m->broker->node_id, .incarnation = shard_random_uuid(m->b->shard), .dirs = {.locate = metadata_locate, .context = m->broker}};
    enum status s;

    if (!dirs_online(m->b, &m->arena, &node.dirs))
        return STATUS_NO_MEMORY;
    node.broker_endpoints = metadata_endpoints(m, false, &node.broker_endpoints_count);
    node.controller_endpoints = metadata_endpoints(m, true, &node.controller_endpoints_count);
    node.rack = config_str(m->broker->config, CONFIG_BROKER_RACK);
    s = decide_bootstrap(d, bootstrap);
    if (s == STATUS_OK)
        s = decide_register_controller(d, &node);
    if (s == STATUS_OK)
        s = decide_register_broker(d, &node, log_end_offset(m->log), &m->broker->broker_epoch);
    return s;
}

enum status metadata_start(struct metadata *m, struct broker_shard *b, const struct meta_records *bootstrap, void (*started)(struct shard *here), struct err *err)
{
    struct decision d;
    enum status s;

    m->b = b;
    m->started = started;
    config_rules(b->broker->config, &m->rules);
    m->rules.memory_max = memory_share(b->broker->config, MEMORY_METADATA, b->broker->shards) * b->broker->shards / (b->broker->shards + 1); /* one each, and the controller's */
    m->rules.partitions_max = (int64_t)(memory_share(b->broker->config, MEMORY_PARTITIONS, b->broker->shards) / MEMORY_PARTITION * b->broker->shards);
    arena_init(&m->arena, REGISTRATION_MAX);
    log_attach(m->log, b->store);
    s = metadata_lead(m, err);
    if (s)
        return s;
    d = metadata_decision(m, &m->arena);
    s = metadata_decide_start(m, bootstrap, &d);
    m->registration = (struct metadata_commit){.records = d.records.values, .count = d.records.count, .done = metadata_registered};
    m->registering = true;
    if (s || d.records.failed || metadata_commit(m, &m->registration))
        return err_set(err, STATUS_NO_MEMORY, "no memory to register the node");
    return STATUS_OK;
}

/* One decision at a time: what fails meanwhile is in the next one. */
void metadata_dirs_changed(struct metadata *m)
{
    struct decide_dirs dirs = {0};
    struct decision d;
    struct err err;
    enum status s;

    m->dirs_changed = m->registering;
    if (m->registering || m->stopped || m->failed)
        return;
    arena_init(&m->arena, REGISTRATION_MAX);
    d = metadata_decision(m, &m->arena);
    s = dirs_online(m->b, &m->arena, &dirs) ? decide_directories(&d, m->broker->node_id, &dirs) : STATUS_NO_MEMORY;
    m->registration = (struct metadata_commit){.records = d.records.values, .count = d.records.count, .done = metadata_registered};
    m->registering = true;
    if (s == STATUS_OK && !d.records.failed && d.records.count == 0) {
        m->registering = false;
        arena_free(&m->arena);
        return;
    }
    if (s == STATUS_OK && !d.records.failed && metadata_commit(m, &m->registration) == STATUS_OK)
        return;
    (void)err_set(&err, STATUS_NO_MEMORY, "no memory to register the node without a log directory");
    metadata_fatal(m, &err);
}

/* ---- leaving ---- */

static void metadata_gone(struct shard *here, struct metadata_commit *commit)
{
    struct metadata *m = LIST_ENTRY(commit, struct metadata, registration);

    arena_free(&m->arena);
    m->registering = false;
    shard_post(here, here, m->left);
    m->left = NULL;
    if (m->dirs_changed)
        metadata_dirs_changed(m);
}

static void metadata_go(struct metadata *m)
{
    struct decision d;

    arena_init(&m->arena, REGISTRATION_MAX);
    d = metadata_decision(m, &m->arena);
    if (decide_leave(&d, m->broker->node_id) == STATUS_OK) {
        m->registration = (struct metadata_commit){.records = d.records.values, .count = d.records.count, .done = metadata_gone};
        m->registering = true;
        if (metadata_commit(m, &m->registration) == STATUS_OK)
            return;
    }
    log_line(LOG_WARN, "the cluster is not told that the node stops", "reason=%s", "no memory");
    metadata_gone(m->b->shard, &m->registration);
}

void metadata_leave(struct metadata *m, struct mail *done)
{
    m->left = done;
    if (!m->registering)
        metadata_go(m);
}

/* ---- snapshots ---- */

struct snapshot_job {
    struct io_job job;
    struct metadata *metadata;
    struct snapshot_id id, before;
    uint8_t *bytes;
    size_t size;
    struct err err;
};

static void snapshot_write(struct io_job *job)
{
    struct snapshot_job *s = LIST_ENTRY(job, struct snapshot_job, job);
    char path[FS_PATH_MAX + SNAPSHOT_NAME_SIZE], name[SNAPSHOT_NAME_SIZE];

    snapshot_name(s->id, name);
    snprintf(path, sizeof path, "%s/%s", s->metadata->dir, name);
    s->err.status = fs_write_file(s->metadata->fs, path, s->bytes, s->size, &s->err);
    if (s->err.status || s->before.end_offset == 0)
        return;
    snapshot_name(s->before, name);
    snprintf(path, sizeof path, "%s/%s", s->metadata->dir, name);
    s->err.status = fs_remove(s->metadata->fs, path, &s->err);
}

static void snapshot_written(struct shard *here, struct io_job *job)
{
    struct snapshot_job *s = LIST_ENTRY(job, struct snapshot_job, job);
    struct metadata *m = s->metadata;

    m->snapshotting = false;
    if (s->err.status == STATUS_NO_MEMORY) {
        log_line(LOG_ERROR, "metadata snapshot failed", "reason=%s", s->err.text);
    } else if (s->err.status) {
        broker_dir_failed(m->b, m->broker->metadata_dir, &s->err);
    } else {
        m->snapshot = s->id;
        log_set_start(m->log, s->id.end_offset);
    }
    mem_free(s->bytes);
    mem_free(s);
    if (m->stopped)
        metadata_stopped_when_idle(m);
}

/* After metadata.log.max.record.bytes.between.snapshots: of shard 0's image, which is exactly what is durable and distributed. */
static void metadata_snapshot_when_due(struct metadata *m)
{
    const struct image *image = m->b->image;
    struct snapshot_job *s;

    if (m->snapshotting || m->stopped ||
        m->bytes_since_snapshot < (uint64_t)config_i64(m->broker->config, CONFIG_METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS))
        return;
    s = mem_alloc(1, sizeof *s);
    if (!s || snapshot_encode(image, shard_wall_ms(m->b->shard), &s->bytes, &s->size)) {
        log_line(LOG_ERROR, "metadata snapshot failed", "reason=%s", "out of memory");
        mem_free(s);
        return;
    }
    s->metadata = m;
    s->id = (struct snapshot_id){image->offset + !BUG(KAFKA_14618), image->epoch};
    s->before = m->snapshot;
    s->job.work = snapshot_write;
    s->job.done = snapshot_written;
    m->snapshotting = true;
    m->bytes_since_snapshot = 0;
    io_job_submit(shard_io(m->b->shard), &s->job);
}

/* ---- faces ---- */

void metadata_stop(struct metadata *m, struct mail *done)
{
    m->stopped = done;
    metadata_stopped_when_idle(m);
}

struct image *metadata_image(struct metadata *m)
{
    return &m->image;
}

void metadata_housekeep(struct metadata *m)
{
    if (!m->stopped && !m->failed)
        log_housekeep(m->log, shard_wall_ms(m->b->shard)); /* what is before the snapshot goes */
}

struct log *metadata_log(struct metadata *m)
{
    return m->log;
}

static struct uuid metadata_random_uuid(void *world)
{
    return shard_random_uuid(world);
}

struct decision metadata_decision(struct metadata *m, struct arena *arena)
{
    struct decision d = {.image = &m->image, .rules = &m->rules, .arena = arena, .random_uuid = metadata_random_uuid, .world = m->b->shard};

    meta_records_init(&d.records, arena);
    return d;
}

struct quorum_view metadata_quorum(struct metadata *m)
{
    return (struct quorum_view){.leader_id = m->raft.node_id,
                                .leader_epoch = m->raft.epoch,
                                .high_watermark = m->raft.high_watermark,
                                .log_end_offset = log_end_offset(m->log),
                                .log_wall_ms = m->append_wall_ms};
}
