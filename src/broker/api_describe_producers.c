/* SPDX-License-Identifier: Apache-2.0
 * DescribeProducers (61): who produced idempotently to a partition and is still remembered, told by its shard.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "meta/decide.h"
#include "wire/api/describe_producers.h"

enum {
    PRODUCERS_MAX = 1000 /* told of one partition: a leg may not allocate, so there is room for as many beforehand */
};

struct asked {
    struct describe_producers_response_partition *out;
    struct partition_producer *producers;
    struct uuid topic_id;
    size_t count;
    unsigned shard;
};

struct asking {
    struct describe_producers_response out;
    struct asked *items;
    size_t count;
};

static bool put_producers(struct request *r, const struct asked *item)
{
    struct describe_producers_response_partition *out = item->out;

    out->active_producers = REQUEST_ALLOC(r, struct describe_producers_response_active_producer, item->count);
    if (!out->active_producers)
        return false;
    for (size_t i = 0; i < item->count; i++) {
        const struct partition_producer *from = &item->producers[i];

        out->active_producers[out->active_producers_count++] = (struct describe_producers_response_active_producer){
            .producer_id = from->producer_id,
            .producer_epoch = from->producer_epoch,
            .last_sequence = from->last_sequence,
            .last_timestamp = from->last_timestamp,
            .coordinator_epoch = from->coordinator_epoch,
            .current_txn_start_offset = from->transaction_start_offset,
        };
    }
    return true;
}

static void answer(struct request *r)
{
    const struct asking *all = r->state;
    bool good = true;

    for (size_t i = 0; good && i < all->count; i++)
        good = put_producers(r, &all->items[i]);
    if (good)
        request_reply(r, r->state);
    else
        request_close(r, "no memory");
}

static void ask(struct leg *leg)
{
    struct asking *all = leg->request->state;
    struct broker_shard *b = broker_at(leg_shard(leg));

    for (; leg->at < all->count; leg->at++) {
        struct asked *item = &all->items[leg->at];
        struct partition *p;
        enum status why;
        size_t known;

        if (item->shard != leg->shard)
            continue;
        if (broker_partition_wakes(b, item->topic_id, item->out->partition_index, &leg->mail))
            return; /* and on from here */
        p = broker_partition(b, item->topic_id, item->out->partition_index, &why);
        if (!p) {
            item->out->error_code = status_wire(why);
            continue;
        }
        known = partition_producers(p, item->producers, PRODUCERS_MAX);
        item->count = known < PRODUCERS_MAX ? known : PRODUCERS_MAX;
    }
    leg_finish(leg);
}

static enum status topic_problem(struct request *r, struct str_view name, const struct image_topic *topic,
                                 struct str_view *message)
{
    enum status status = topic_name_check(name, &r->arena, message);

    if (status != STATUS_OK || topic)
        return status;
    *message = STR_LIT("This server does not host this topic-partition.");
    return STATUS_UNKNOWN_TOPIC_OR_PARTITION;
}

static bool collect_topic(struct request *r, struct asking *all, const struct describe_producers_request_topic *in,
                          uint64_t *shards)
{
    const struct broker_shard *b = broker_at(r->here);
    const struct image_topic *topic = image_topic(b->image, in->name);
    struct describe_producers_response_topic *out = &all->out.topics[all->out.topics_count++];
    struct str_view message;
    enum status problem = topic_problem(r, in->name, topic, &message);

    out->name = in->name;
    out->partitions = REQUEST_ALLOC(r, struct describe_producers_response_partition, in->partition_indexes_count);
    if (!out->partitions)
        return false;
    for (int32_t i = 0; i < in->partition_indexes_count; i++) {
        struct describe_producers_response_partition *partition = &out->partitions[out->partitions_count++];
        struct asked *item = &all->items[all->count];

        describe_producers_response_partition_init(partition);
        partition->partition_index = in->partition_indexes[i];
        if (problem != STATUS_OK || !image_partition(topic, partition->partition_index)) {
            partition->error_code = status_wire(problem != STATUS_OK ? problem : STATUS_UNKNOWN_TOPIC_OR_PARTITION);
            partition->error_message = message;
            continue;
        }
        *item = (struct asked){.out = partition,
                               .topic_id = topic->id,
                               .producers = REQUEST_ALLOC(r, struct partition_producer, PRODUCERS_MAX)};
        if (!item->producers)
            return false;
        item->shard = broker_partition_shard(b->broker, topic->id, partition->partition_index);
        *shards |= (uint64_t)1 << item->shard;
        all->count++;
    }
    return true;
}

void api_describe_producers(struct request *r)
{
    const struct describe_producers_request *in = r->in;
    struct asking *all = REQUEST_ALLOC(r, struct asking, 1);
    uint64_t shards = 0;
    size_t n = 0;
    bool good = all != NULL;

    for (int32_t t = 0; t < in->topics_count; t++)
        n += (size_t)in->topics[t].partition_indexes_count;
    if (good) {
        r->state = all;
        describe_producers_response_init(&all->out);
        all->items = REQUEST_ALLOC(r, struct asked, n);
        all->out.topics = REQUEST_ALLOC(r, struct describe_producers_response_topic, in->topics_count);
        good = all->items && all->out.topics;
    }
    for (int32_t t = 0; good && t < in->topics_count; t++)
        good = collect_topic(r, all, &in->topics[t], &shards);
    if (good)
        request_scatter(r, shards, ask, answer);
    else
        request_close(r, "no memory");
}
