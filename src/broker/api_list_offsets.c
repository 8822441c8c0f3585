/* SPDX-License-Identifier: Apache-2.0
 * ListOffsets (2): the offset of a time, or of one of the special ones (first, last, greatest timestamp ...), on the partition's shard.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "wire/api/list_offsets.h"

struct list_offsets_part {
    struct partition_list_offset ask;
    struct uuid topic_id;
    int32_t index;
    unsigned shard;
    struct leg *leg;
    bool settled;
    bool dropped;  /* it stood in the request before */
    int64_t start, old[2]; /* for version 0 */
};

struct list_offsets {
    struct list_offsets_part *parts;
    size_t count;
};

/* The first version of each special timestamp; others below zero do not exist. */
static const struct {
    int64_t timestamp;
    int16_t version_min;
} specials[] = {{OFFSET_LATEST, 0}, {OFFSET_EARLIEST, 0}, {OFFSET_MAX_TIMESTAMP, 7}, {OFFSET_EARLIEST_LOCAL, 8}, {OFFSET_LATEST_TIERED, 9}, {OFFSET_EARLIEST_PENDING_UPLOAD, 11}};

static bool timestamp_known(int64_t timestamp, int16_t version)
{
    if (timestamp >= 0)
        return true;
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (specials[i].timestamp == timestamp)
            return version >= specials[i].version_min;
    return false;
}

/* Version 0 wants a list: where the time is, and where the log begins. */
static void list_offsets_old(struct list_offsets_part *part, int32_t max, struct list_offsets_response_partition *out)
{
    int64_t *offsets = out->old_style_offsets = part->old;

    if (out->error_code || max < 1)
        return;
    offsets[out->old_style_offsets_count++] = part->ask.offset;
    if (part->ask.offset > part->start && max > 1)
        offsets[out->old_style_offsets_count++] = part->start;
}

static void list_offsets_answer(struct request *r)
{
    const struct list_offsets_request *in = r->in;
    const struct list_offsets *l = r->state;
    struct list_offsets_part *part = l->parts;
    struct list_offsets_response out;

    list_offsets_response_init(&out);
    out.topics = REQUEST_ALLOC(r, struct list_offsets_response_topic, in->topics_count);
    if (!out.topics) {
        request_close(r, "no memory");
        return;
    }
    out.topics_count = in->topics_count;
    for (int32_t t = 0; t < in->topics_count; t++) {
        const struct list_offsets_request_topic *topic = &in->topics[t];
        struct list_offsets_response_topic *to = &out.topics[t];

        to->name = topic->name;
        to->partitions = REQUEST_ALLOC(r, struct list_offsets_response_partition, topic->partitions_count);
        if (!to->partitions) {
            request_close(r, "no memory");
            return;
        }
        for (int32_t i = 0; i < topic->partitions_count; i++, part++) {
            struct list_offsets_response_partition *p = &to->partitions[to->partitions_count];

            if (part->dropped)
                continue;
            to->partitions_count++;
            list_offsets_response_partition_init(p);
            p->partition_index = topic->partitions[i].partition_index;
            p->error_code = status_wire(part->ask.status);
            p->timestamp = part->ask.found_timestamp;
            p->offset = part->ask.offset;
            p->leader_epoch = part->ask.leader_epoch;
            if (r->version == 0)
                list_offsets_old(part, topic->partitions[i].max_num_offsets, p);
        }
    }
    request_reply(r, &out);
}

static void list_offsets_warmed(struct shard *here, struct partition_list_offset *ask);

static void list_offsets_ask(struct leg *leg, struct list_offsets_part *part)
{
    struct partition *p = broker_partition(broker_at(leg_shard(leg)), part->topic_id, part->index, &part->ask.status);

    if (!p)
        return;
    partition_list_offset(p, &part->ask);
    if (part->ask.status == STATUS_NOT_CACHED) {
        part->leg = leg;
        leg->pending++;
        partition_list_offset_warm(p, &part->ask, list_offsets_warmed);
        return;
    }
    part->start = partition_start_offset(p);
    if (leg->request->version == 0 && part->ask.status == STATUS_OK && part->ask.offset < 0)
        part->ask.offset = partition_high_watermark(p); /* nothing that late: the list begins at the end */
}

/* A part of it came from the disk. */
static void list_offsets_warmed(struct shard *here, struct partition_list_offset *ask)
{
    struct list_offsets_part *part = LIST_ENTRY(ask, struct list_offsets_part, ask);
    struct leg *leg = part->leg;
    const struct list_offsets *l = leg->request->state;

    if (ask->status == STATUS_OK)
        list_offsets_ask(leg, part);
    if (--leg->pending == 0 && leg->at == l->count)
        leg_finish(leg);
}

static void list_offsets_leg(struct leg *leg)
{
    const struct list_offsets *l = leg->request->state;
    struct broker_shard *b = broker_at(leg_shard(leg));

    for (; leg->at < l->count; leg->at++) {
        struct list_offsets_part *part = &l->parts[leg->at];

        if (part->settled || part->shard != leg->shard)
            continue;
        if (broker_partition_wakes(b, part->topic_id, part->index, &leg->mail))
            return; /* and on from here */
        list_offsets_ask(leg, part);
    }
    if (!leg->pending)
        leg_finish(leg);
}

static bool list_offsets_topic(struct request *r, struct list_offsets *l, const struct list_offsets_request_topic *in, uint64_t *shards)
{
    const struct list_offsets_request *request = r->in;
    const struct broker_shard *b = broker_at(r->here);
    const struct image_topic *topic = image_topic(b->image, in->name);
    struct list_offsets_part **seen = REQUEST_ALLOC(r, struct list_offsets_part *, topic ? topic->count : 0);

    for (int32_t i = 0; seen && i < in->partitions_count; i++) {
        const struct list_offsets_request_partition *from = &in->partitions[i];
        struct list_offsets_part *part = &l->parts[l->count++];

        part->index = from->partition_index;
        part->ask = (struct partition_list_offset){.timestamp = from->timestamp,
                                                   .current_leader_epoch = from->current_leader_epoch,
                                                   .isolation = request->isolation_level == 1 ? ISOLATION_COMMITTED : ISOLATION_UNCOMMITTED,
                                                   .offset = -1,
                                                   .found_timestamp = -1,
                                                   .leader_epoch = -1};
        part->settled = true;
        if (!topic || !image_partition(topic, from->partition_index)) {
            part->ask.status = STATUS_UNKNOWN_TOPIC_OR_PARTITION;
        } else if (seen[from->partition_index]) { /* Kafka refuses a partition that stands twice, and answers it once */
            part->dropped = true;
            seen[from->partition_index]->settled = true;
            seen[from->partition_index]->ask.status = STATUS_INVALID_REQUEST;
        } else if (!timestamp_known(from->timestamp, r->version)) {
            part->ask.status = STATUS_UNSUPPORTED_VERSION;
        } else {
            seen[from->partition_index] = part;
            part->settled = false;
            part->topic_id = topic->id;
            part->shard = broker_partition_shard(b->broker, topic->id, from->partition_index);
            *shards |= (uint64_t)1 << part->shard;
        }
    }
    return seen != NULL;
}

void api_list_offsets(struct request *r)
{
    const struct list_offsets_request *in = r->in;
    struct list_offsets *l = REQUEST_ALLOC(r, struct list_offsets, 1);
    uint64_t shards = 0;
    size_t n = 0;

    for (int32_t t = 0; t < in->topics_count; t++)
        n += (size_t)in->topics[t].partitions_count;
    if (!l || !(l->parts = REQUEST_ALLOC(r, struct list_offsets_part, n))) {
        request_close(r, "no memory");
        return;
    }
    r->state = l;
    for (int32_t t = 0; t < in->topics_count; t++)
        if (!list_offsets_topic(r, l, &in->topics[t], &shards)) {
            request_close(r, "no memory");
            return;
        }
    request_scatter(r, shards, list_offsets_leg, list_offsets_answer);
}
