/* SPDX-License-Identifier: Apache-2.0
 * See carry.h. */
#include "meta/carry.h"

#include "meta/decide.h"
#include "wire/record/voters_record.h"

enum { VOTERS_MEMORY_MAX = 1 << 20 };

static enum status features_carriable(const struct image *image, struct err *err)
{
    for (size_t i = 0; i < image->features_count; i++) {
        const struct image_feature *f = &image->features[i];
        int16_t min = 0, max = 0;

        if (!decide_supports(f->name, &min, &max))
            return err_set(err, STATUS_UNSUPPORTED_VERSION, "feature " STR_FMT " is not known: written by a newer Kafka?", STR_ARG(f->name));
        if (f->level > max)
            return err_set(err, STATUS_UNSUPPORTED_VERSION, STR_FMT " is %d, and %d is the newest that is known: downgrade it with kafka-features.sh first",
                           STR_ARG(f->name), f->level, max);
        if (f->level < min)
            return err_set(err, STATUS_UNSUPPORTED_VERSION, STR_FMT " is %d, and %d is the oldest that is known: upgrade it with kafka-features.sh first",
                           STR_ARG(f->name), f->level, min);
    }
    return STATUS_OK;
}

/* Of a quorum whose voters stand in the log (KIP-853). */
static enum status voters_carriable(const struct image *image, int32_t node_id, struct err *err)
{
    struct voters_record record;
    struct arena arena;
    enum status status;
    struct reader r;

    if (!image->voters.data)
        return STATUS_OK;
    arena_init(&arena, VOTERS_MEMORY_MAX);
    reader_init(&r, image->voters.data, image->voters.size);
    status = voters_record_decode(&r, 0, &arena, &record);
    if (status)
        (void)err_set(err, status, "the voters of the metadata quorum do not decode");
    else if (record.voters_count != 1 || record.voters[0].voter_id != node_id)
        status = err_set(err, STATUS_UNSUPPORTED_VERSION, "the metadata quorum has %d voters and is not of node %d alone: remove the others from it first",
                         record.voters_count, node_id);
    arena_free(&arena);
    return status;
}

static enum status brokers_carriable(const struct image *image, int32_t node_id, struct err *err)
{
    for (const struct image_broker *b = image->brokers; b; b = b->next) {
        if (b->record.broker_id != node_id)
            return err_set(err, STATUS_UNSUPPORTED_VERSION, "broker %d is registered beside node %d: move its partitions and unregister it first",
                           b->record.broker_id, node_id);
    }
    return STATUS_OK;
}

static enum status topic_carriable(const struct image *image, const struct image_topic *topic, int32_t node_id, struct err *err)
{
    const struct image_config *config = image_config(image, RESOURCE_TOPIC, topic->name);

    if (str_is(image_config_value(config, STR_LIT("remote.storage.enable")), "true"))
        return err_set(err, STATUS_UNSUPPORTED_VERSION, "topic " STR_FMT " has tiered storage, and a part of its records is not here: disable it first", STR_ARG(topic->name));
    for (int32_t i = 0; i < topic->count; i++) {
        struct image_nodes replicas = image_replicas(&topic->partitions[i]);

        if (replicas.count != 1 || replicas.ids[0] != node_id)
            return err_set(err, STATUS_UNSUPPORTED_VERSION, "partition " STR_FMT "-%d is not of node %d alone: move it there first", STR_ARG(topic->name), i, node_id);
    }
    return STATUS_OK;
}

enum status image_carriable(const struct image *image, int32_t node_id, struct err *err)
{
    if (features_carriable(image, err) || voters_carriable(image, node_id, err) || brokers_carriable(image, node_id, err))
        return err->status;
    for (const struct image_topic *t = image_topic_first(image); t; t = image_topic_next(image, t)) {
        if (topic_carriable(image, t, node_id, err))
            return err->status;
    }
    return STATUS_OK;
}
