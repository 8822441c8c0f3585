/* SPDX-License-Identifier: Apache-2.0
 * OffsetForLeaderEpoch (23, KIP-320): where an epoch of a partition ended, so that a reader finds out whether its past still stands.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "wire/api/offset_for_leader_epoch.h"

struct epoch_part {
    struct uuid topic_id;
    unsigned shard;
    bool settled;
    const struct offset_for_leader_epoch_request_partition *ask;
    struct offset_for_leader_epoch_response_partition *out;
};

struct epochs {
    struct epoch_part *parts;
    size_t count;
    struct offset_for_leader_epoch_response out;
};

static void epochs_leg(struct leg *leg)
{
    const struct epochs *e = leg->request->state;
    struct broker_shard *b = broker_at(leg_shard(leg));

    for (; leg->at < e->count; leg->at++) {
        struct epoch_part *part = &e->parts[leg->at];
        struct partition *p;
        enum status s;

        if (part->settled || part->shard != leg->shard)
            continue;
        if (broker_partition_wakes(b, part->topic_id, part->ask->partition, &leg->mail))
            return; /* and on from here */
        p = broker_partition(b, part->topic_id, part->ask->partition, &s);
        if (p)
            s = partition_epoch_end(p, part->ask->current_leader_epoch, part->ask->leader_epoch, &part->out->leader_epoch, &part->out->end_offset);
        part->out->error_code = status_wire(s);
    }
    leg_finish(leg);
}

static void epochs_answer(struct request *r)
{
    struct epochs *e = r->state;

    request_reply(r, &e->out);
}

static bool epochs_topic(struct request *r, struct epochs *e, const struct offset_for_leader_epoch_request_topic *in,
                         struct offset_for_leader_epoch_response_topic *out, uint64_t *shards)
{
    const struct broker_shard *b = broker_at(r->here);
    const struct image_topic *topic = image_topic(b->image, in->topic);

    out->topic = in->topic;
    out->partitions = REQUEST_ALLOC(r, struct offset_for_leader_epoch_response_partition, in->partitions_count);
    if (!out->partitions)
        return false;
    out->partitions_count = in->partitions_count;
    for (int32_t i = 0; i < in->partitions_count; i++) {
        struct epoch_part *part = &e->parts[e->count++];

        part->ask = &in->partitions[i];
        part->out = &out->partitions[i];
        offset_for_leader_epoch_response_partition_init(part->out);
        part->out->partition = part->ask->partition;
        if (!topic || !image_partition(topic, part->ask->partition)) {
            part->settled = true;
            part->out->error_code = status_wire(STATUS_UNKNOWN_TOPIC_OR_PARTITION);
            continue;
        }
        part->topic_id = topic->id;
        part->shard = broker_partition_shard(b->broker, topic->id, part->ask->partition);
        *shards |= (uint64_t)1 << part->shard;
    }
    return true;
}

void api_offset_for_leader_epoch(struct request *r)
{
    const struct offset_for_leader_epoch_request *in = r->in;
    struct epochs *e = REQUEST_ALLOC(r, struct epochs, 1);
    uint64_t shards = 0;
    size_t n = 0;

    for (int32_t t = 0; t < in->topics_count; t++)
        n += (size_t)in->topics[t].partitions_count;
    if (!e || !(e->parts = REQUEST_ALLOC(r, struct epoch_part, n)) ||
        !(e->out.topics = REQUEST_ALLOC(r, struct offset_for_leader_epoch_response_topic, in->topics_count))) {
        request_close(r, "no memory");
        return;
    }
    r->state = e;
    e->out.topics_count = in->topics_count;
    for (int32_t t = 0; t < in->topics_count; t++)
        if (!epochs_topic(r, e, &in->topics[t], &e->out.topics[t], &shards)) {
            request_close(r, "no memory");
            return;
        }
    request_scatter(r, shards, epochs_leg, epochs_answer);
}
