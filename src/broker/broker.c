/* SPDX-License-Identifier: Apache-2.0
 * What the metadata says, done on one shard: see broker.h. A batch of records that the metadata log distributes is applied to the shard's
 * image; each change that touches a partition of ours begins, ends or reconfigures it (partitions.h).
 *
 * The receipt of the batch comes back when all of that is done, so CreateTopics answers when its partitions are there to be asked, and a topic's
 * folder is gone before another one can take its name.
 */
#include "broker/broker.h"

#include "broker/checkpoints.h"
#include "broker/dirs.h"
#include "broker/metadata_int.h"
#include "broker/partitions.h"

/* The metadata says what this shard has no memory to do: it cannot go on. The next start does it. */
static void shard_did(struct broker_shard *b, enum status status, const struct err *err)
{
    if (status)
        b->broker->failed(b->shard, err);
}

static void partition_reconfigure(struct broker_shard *b, struct broker_partition *bp)
{
    struct err err;

    if (bp->life == PARTITION_AWAKE && !broker_configure_partition(b, bp)) /* else it learns it when it wakes */
        shard_did(b, err_set(&err, STATUS_NO_MEMORY, "no memory to configure partition " STR_FMT "-%d", STR_ARG(bp->topic), bp->key.index), &err);
}

static void config_changed(struct broker_shard *b, const struct image_change *change)
{
    if (change->config_type != RESOURCE_TOPIC && change->config_type != RESOURCE_BROKER)
        return;
    if (change->config_type == RESOURCE_BROKER && b->metadata)
        metadata_dirs_changed(b->metadata); /* cordoned.log.dirs, perhaps */
    for (struct broker_partition *bp = broker_partition_next(b, NULL); bp; bp = broker_partition_next(b, bp))
        if (change->config_type == RESOURCE_BROKER || str_equal(bp->topic, change->config_name))
            partition_reconfigure(b, bp);
}

static void partition_created(struct broker_shard *b, const struct image_topic *topic, int32_t index)
{
    struct err err;

    if (broker_partition_shard(b->broker, topic->id, index) == shard_id(b->shard))
        shard_did(b, broker_add_partition(b, topic, index, dirs_locate_new(b->broker, topic, index), NULL, b->receipt, &err), &err);
}

static void topic_deleted(struct broker_shard *b, const struct image_topic *topic)
{
    for (int32_t i = 0; i < topic->count; i++) {
        struct broker_partition *bp = broker_partition_any(b, topic->id, i);
        struct err err;

        if (bp)
            shard_did(b, broker_end_partition(b, bp, b->receipt, &err), &err);
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
    enum status why;

    switch (change->kind) {
    case IMAGE_PARTITION_CREATED:
        partition_created(b, change->topic, change->partition);
        break;
    case IMAGE_PARTITION_CHANGED:
        p = broker_partition(b, change->topic->id, change->partition, &why);
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
