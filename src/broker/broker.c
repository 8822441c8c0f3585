/* SPDX-License-Identifier: Apache-2.0
 * A shard's partitions, as the metadata says: see broker.h. A batch of records that the metadata log distributes is applied to the
 * shard's image; each change that touches a partition of ours opens, closes or reconfigures it:
 *
 *   created → job: partition_open → attached, serves          deleted → partition_stop → job: closed, folder removed
 *
 * The receipt of the batch comes back when all of that is done, so CreateTopics answers when its partitions serve, and a topic's folder is
 * gone before another one can take its name.
 */
#include "broker/broker.h"

#include "base/bug.h"
#include "base/mem.h"
#include "broker/checkpoints.h"
#include "broker/metadata_int.h"
#include "broker/partitions.h"
#include "broker/topics.h"
#include "rt/io.h"
#include "rt/log.h"

struct opening {
    struct io_job job;
    struct broker_shard *b;
    struct broker_partition *bp;
    struct metadata_receipt *receipt;
    struct partition_open how;
    struct partition *partition;
    struct err err;
};

struct closing {
    struct mail stopped;
    struct io_job job;
    struct broker_shard *b;
    struct broker_partition *bp;
    struct metadata_receipt *receipt;
    struct err err;
};

/* ---- finding ---- */

unsigned broker_partition_shard(const struct broker *broker, struct uuid topic_id, int32_t index)
{
    struct { struct uuid topic_id; int32_t index; } key = {topic_id, index};

    return (unsigned)(hash_bytes(0, &key, sizeof key) % broker->shards);
}

static struct broker_partition *broker_partition_any(struct broker_shard *b, struct uuid topic_id, int32_t index)
{
    struct { struct uuid topic_id; int32_t index; } key = {topic_id, index};
    struct map_node *node = map_get(&b->partitions, &key, sizeof key);

    return node ? MAP_ENTRY(node, struct broker_partition, node) : NULL;
}

struct broker_partition *broker_partition_find(struct broker_shard *b, struct uuid topic_id, int32_t index)
{
    struct broker_partition *bp = broker_partition_any(b, topic_id, index);

    return bp && bp->partition && !bp->closing ? bp : NULL;
}

struct partition *broker_partition(struct broker_shard *b, struct uuid topic_id, int32_t index)
{
    struct broker_partition *bp = broker_partition_find(b, topic_id, index);

    return bp ? bp->partition : NULL;
}

struct broker_partition *broker_partition_next(struct broker_shard *b, struct broker_partition *after)
{
    struct map_node *node = after ? map_next(&b->partitions, &after->node) : map_first(&b->partitions);

    return node ? MAP_ENTRY(node, struct broker_partition, node) : NULL;
}

/* ---- opening ---- */

static struct broker_partition *partition_new(struct broker_shard *b, const struct image_topic *topic, int32_t index)
{
    struct broker_partition *bp = mem_alloc(1, sizeof *bp);
    char *name = mem_copy(topic->name.data, topic->name.size);

    if (bp && name) {
        bp->topic = (struct str_view){name, topic->name.size};
        bp->key.topic_id = topic->id;
        bp->key.index = index;
        if (map_put(&b->partitions, &bp->node, &bp->key, sizeof bp->key))
            return bp;
    }
    mem_free(bp);
    mem_free(name);
    return NULL;
}

static void partition_free(struct broker_shard *b, struct broker_partition *bp)
{
    map_remove(&b->partitions, &bp->node);
    mem_free((char *)(uintptr_t)bp->topic.data);
    mem_free(bp);
}

static void partition_describe(struct broker_shard *b, const struct broker_partition *bp, struct partition_open *how)
{
    const struct image_partition *p = image_partition(image_topic_by_id(b->image, bp->key.topic_id), bp->key.index);

    *how = (struct partition_open){.fs = b->broker->fs,
                                   .log_dir = log_dir_path(b->broker->dir),
                                   .topic = bp->topic,
                                   .topic_id = bp->key.topic_id,
                                   .index = bp->key.index,
                                   .leader_epoch = p->leader_epoch,
                                   .recovery_point = -1,
                                   .log_start = -1,
                                   .wall_ms = shard_wall_ms(b->shard),
                                   .seed = shard_random(b->shard)};
    config_topic(b->broker->config, b->image, bp->topic, &how->config);
}

/* false: no memory. */
static bool partition_serve(struct broker_shard *b, struct broker_partition *bp, struct partition *partition)
{
    bp->partition = partition;
    partition_attach(partition, b->shard, b->store);
    return !b->groups || !str_is(bp->topic, OFFSETS_TOPIC) || groups_partition_opened(b->groups, bp->key.index, partition);
}

/* The metadata says what this shard has no memory to do: it cannot go on. The next start does it. */
static void shard_starved(struct broker_shard *b, const char *what, struct str_view topic, int32_t index)
{
    struct err err;

    (void)err_set(&err, STATUS_NO_MEMORY, "no memory to %s partition " STR_FMT "-%d", what, STR_ARG(topic), index);
    b->broker->failed(b->shard, &err);
}

static void receipt_less(struct metadata_receipt *receipt)
{
    if (--receipt->pending == 0)
        receipt->applied(receipt);
}

/* A folder of that name with another topic's id is of a topic that was deleted while the node was down: it goes. */
static void opening_work(struct io_job *job)
{
    struct opening *o = LIST_ENTRY(job, struct opening, job);
    char folder[FOLDER_NAME_SIZE];

    o->err.status = partition_open(&o->how, &o->partition, &o->err);
    if (o->err.status != STATUS_INCONSISTENT_TOPIC_ID)
        return;
    snprintf(folder, sizeof folder, STR_FMT "-%d", STR_ARG(o->bp->topic), o->bp->key.index);
    o->err.status = log_dir_remove_partition(o->b->broker->dir, folder, &o->err);
    if (o->err.status == STATUS_OK)
        o->err.status = partition_open(&o->how, &o->partition, &o->err);
}

/* A partition whose files are broken stays, and does not serve; the others do. A disk that does not work fails as a whole; and without memory nothing can be said of the partition. */
static bool partition_open_failed(const struct broker_partition *bp, const struct err *err)
{
    log_line(LOG_ERROR, "partition does not open", "topic=%.*s partition=%d reason=%s", STR_ARG(bp->topic), bp->key.index, err->text);
    return err->status == STATUS_IO || err->status == STATUS_NO_SPACE || err->status == STATUS_NO_MEMORY;
}

static void opening_done(struct shard *here, struct io_job *job)
{
    struct opening *o = LIST_ENTRY(job, struct opening, job);
    struct metadata_receipt *receipt = o->receipt;

    if (!o->err.status && !partition_serve(o->b, o->bp, o->partition))
        o->err.status = STATUS_NO_MEMORY;
    if (o->err.status == STATUS_NO_MEMORY)
        shard_starved(o->b, "open", o->bp->topic, o->bp->key.index);
    else if (o->err.status && partition_open_failed(o->bp, &o->err))
        broker_disk_failed(o->b, &o->err);
    mem_free(o);
    receipt_less(receipt);
}

static void partition_start(struct broker_shard *b, const struct image_topic *topic, int32_t index)
{
    struct opening *o = mem_alloc(1, sizeof *o);

    if (!o || !(o->bp = partition_new(b, topic, index))) {
        mem_free(o);
        shard_starved(b, "open", topic->name, index);
        return;
    }
    o->b = b;
    o->receipt = b->receipt;
    o->job.work = opening_work;
    o->job.done = opening_done;
    partition_describe(b, o->bp, &o->how);
    b->receipt->pending++;
    io_job_submit(shard_io(b->shard), &o->job);
}

enum status broker_open_partition(struct broker_shard *b, const struct image_topic *topic, int32_t index, const struct log_dir_entry *entry, struct err *err)
{
    struct broker_partition *bp = partition_new(b, topic, index);
    struct partition_open how;
    struct partition *partition = NULL;

    if (!bp)
        return err_set(err, STATUS_NO_MEMORY, "no memory for partition " STR_FMT "-%d", STR_ARG(topic->name), index);
    partition_describe(b, bp, &how);
    how.clean = log_dir_clean(b->broker->dir) != BUG(KAFKA_673);
    if (entry) {
        how.recovery_point = entry->recovery_point;
        how.log_start = entry->log_start;
    } else { /* the node was killed when it was to be made, or it is lost */
        log_line(LOG_WARN, "partition has no folder: it begins anew", "folder=%.*s-%d", STR_ARG(topic->name), index);
    }
    if (!partition_open(&how, &partition, err)) {
        if (!partition_serve(b, bp, partition))
            return err_set(err, STATUS_NO_MEMORY, "no memory for the group coordinator of partition %d", index);
    } else if (partition_open_failed(bp, err)) {
        return err->status;
    }
    return STATUS_OK;
}

/* ---- closing, for a deleted topic ---- */

static void closing_work(struct io_job *job)
{
    struct closing *c = LIST_ENTRY(job, struct closing, job);
    char folder[FOLDER_NAME_SIZE];

    if (c->bp->partition)
        (void)partition_close(c->bp->partition, false);
    snprintf(folder, sizeof folder, STR_FMT "-%d", STR_ARG(c->bp->topic), c->bp->key.index);
    c->err.status = log_dir_remove_partition(c->b->broker->dir, folder, &c->err);
}

static void closing_done(struct shard *here, struct io_job *job)
{
    struct closing *c = LIST_ENTRY(job, struct closing, job);
    struct metadata_receipt *receipt = c->receipt;

    if (c->err.status)
        log_line(LOG_ERROR, "folder of a deleted partition stays", "topic=%.*s partition=%d reason=%s", STR_ARG(c->bp->topic), c->bp->key.index, c->err.text);
    if (c->err.status == STATUS_IO || c->err.status == STATUS_NO_SPACE)
        broker_disk_failed(c->b, &c->err);
    partition_free(c->b, c->bp);
    mem_free(c);
    receipt_less(receipt);
}

static void closing_stopped(struct shard *here, struct mail *mail)
{
    struct closing *c = LIST_ENTRY(mail, struct closing, stopped);

    c->job.work = closing_work;
    c->job.done = closing_done;
    io_job_submit(shard_io(here), &c->job);
}

static void partition_end(struct broker_shard *b, struct broker_partition *bp)
{
    struct closing *c = mem_alloc(1, sizeof *c);

    if (!c) {
        shard_starved(b, "close", bp->topic, bp->key.index);
        return;
    }
    c->b = b;
    c->bp = bp;
    c->receipt = b->receipt;
    c->stopped.run = closing_stopped;
    b->receipt->pending++;
    bp->closing = true;
    if (b->groups && bp->partition && str_is(bp->topic, OFFSETS_TOPIC))
        groups_partition_closing(b->groups, bp->key.index);
    if (bp->partition)
        partition_stop(bp->partition, &c->stopped);
    else
        shard_post(b->shard, b->shard, &c->stopped);
}

/* ---- changes ---- */

static void partition_reconfigure(struct broker_shard *b, struct broker_partition *bp)
{
    struct partition_config config;

    if (!bp->partition)
        return;
    config_topic(b->broker->config, b->image, bp->topic, &config);
    partition_configure(bp->partition, &config);
}

static void config_changed(struct broker_shard *b, const struct image_change *change)
{
    if (change->config_type != RESOURCE_TOPIC && change->config_type != RESOURCE_BROKER)
        return;
    for (struct broker_partition *bp = broker_partition_next(b, NULL); bp; bp = broker_partition_next(b, bp))
        if (change->config_type == RESOURCE_BROKER || str_equal(bp->topic, change->config_name))
            partition_reconfigure(b, bp);
}

static void topic_deleted(struct broker_shard *b, const struct image_topic *topic)
{
    for (int32_t i = 0; i < topic->count; i++) {
        struct broker_partition *bp = broker_partition_any(b, topic->id, i);

        if (bp)
            partition_end(b, bp);
    }
    if (b->groups)
        groups_topic_deleted(b->groups, topic->id, topic->name);
    if (b->checkpoints)
        checkpoints_hurry(b->checkpoints);
}

static void image_changed(void *context, const struct image *image, const struct image_change *change)
{
    struct broker_shard *b = context;
    struct partition *p;

    switch (change->kind) {
    case IMAGE_PARTITION_CREATED:
        if (broker_partition_shard(b->broker, change->topic->id, change->partition) == shard_id(b->shard))
            partition_start(b, change->topic, change->partition);
        break;
    case IMAGE_PARTITION_CHANGED:
        p = broker_partition(b, change->topic->id, change->partition);
        if (p)
            partition_set_leader_epoch(p, image_partition(change->topic, change->partition)->leader_epoch);
        break;
    case IMAGE_TOPIC_DELETED:
        topic_deleted(b, change->topic);
        break;
    case IMAGE_CONFIG_CHANGED:
        config_changed(b, change);
        break;
    case IMAGE_TOPIC_CREATED:
    case IMAGE_BROKERS_CHANGED:
        break;
    }
}

void broker_listen(struct broker_shard *b)
{
    b->image->changed = image_changed;
    b->image->context = b;
}

void broker_apply(struct broker_shard *b, struct bytes_view batch, struct metadata_receipt *receipt)
{
    struct err err;

    receipt->pending = 1;
    b->receipt = receipt;
    if (image_apply_batch(b->image, batch, &err)) {
        ASSERT(err.status == STATUS_NO_MEMORY); /* it applied to the controller's image */
        b->broker->failed(b->shard, &err);
        return;
    }
    b->receipt = NULL;
    receipt_less(receipt);
}

void broker_forget_partition(struct broker_shard *b, struct broker_partition *bp)
{
    partition_free(b, bp);
}
