/* SPDX-License-Identifier: Apache-2.0
 * DeleteRecords (21): moves the start of partitions forward, each on its own shard.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/topics.h"
#include "wire/api/delete_records.h"

struct deletion {
    struct delete_records_response_partition *out;
    struct uuid topic_id;
    int64_t offset;
    unsigned shard;
};

struct deletions {
    struct delete_records_response out;
    struct deletion *items; /* those that a shard must do */
    size_t count;
};

static void answer(struct request *r)
{
    struct deletions *all = r->state;

    request_reply(r, &all->out);
}

static void delete_leg(struct leg *leg)
{
    struct deletions *all = leg->request->state;
    struct broker_shard *b = broker_at(leg_shard(leg));

    for (; leg->at < all->count; leg->at++) {
        struct deletion *item = &all->items[leg->at];
        struct partition *p;
        int64_t low = -1;
        enum status status;

        if (item->shard != leg->shard)
            continue;
        if (broker_partition_wakes(b, item->topic_id, item->out->partition_index, &leg->mail))
            return; /* and on from here */
        p = broker_partition(b, item->topic_id, item->out->partition_index, &status);
        if (p)
            status = partition_delete_records(p, item->offset, &low);
        item->out->error_code = status_wire(status);
        item->out->low_watermark = status == STATUS_OK ? low : -1;
    }
    leg_finish(leg);
}

/* What Kafka refuses for a whole topic: its own topics, and those that are compacted only. */
static enum status topic_problem(const struct broker_shard *b, struct str_view name, const struct image_topic *topic)
{
    struct str_view policy;

    if (topic_is_internal(name))
        return STATUS_INVALID_TOPIC_EXCEPTION;
    if (!topic)
        return STATUS_UNKNOWN_TOPIC_OR_PARTITION;
    policy = config_topic_str(b->broker->config, b->image, name, TOPIC_CLEANUP_POLICY);
    while (policy.size) {
        if (str_is(config_list_next(&policy), "delete"))
            return STATUS_OK;
    }
    return STATUS_POLICY_VIOLATION;
}

static bool collect_topic(struct request *r, struct deletions *all, const struct delete_records_request_topic *in,
                          uint64_t *shards)
{
    const struct broker_shard *b = broker_at(r->here);
    const struct image_topic *topic = image_topic(b->image, in->name);
    struct delete_records_response_topic *out = &all->out.topics[all->out.topics_count++];
    enum status problem = topic_problem(b, in->name, topic);

    out->name = in->name;
    out->partitions = REQUEST_ALLOC(r, struct delete_records_response_partition, in->partitions_count);
    if (!out->partitions)
        return false;
    for (int32_t i = 0; i < in->partitions_count; i++) {
        struct delete_records_response_partition *partition = &out->partitions[out->partitions_count++];
        int32_t index = in->partitions[i].partition_index;
        bool there = image_partition(topic, index);

        delete_records_response_partition_init(partition);
        partition->partition_index = index;
        partition->low_watermark = -1;
        partition->error_code = status_wire(problem != STATUS_OK ? problem
                                            : there              ? STATUS_OK
                                                                 : STATUS_UNKNOWN_TOPIC_OR_PARTITION);
        if (partition->error_code)
            continue;
        all->items[all->count] = (struct deletion){partition, topic->id, in->partitions[i].offset,
                                                   broker_partition_shard(b->broker, topic->id, index)};
        *shards |= (uint64_t)1 << all->items[all->count++].shard;
    }
    return true;
}

void api_delete_records(struct request *r)
{
    const struct delete_records_request *in = r->in;
    struct deletions *all = REQUEST_ALLOC(r, struct deletions, 1);
    uint64_t shards = 0;
    size_t n = 0;
    bool good = all != NULL;

    for (int32_t t = 0; t < in->topics_count; t++)
        n += (size_t)in->topics[t].partitions_count;
    if (good) {
        r->state = all;
        delete_records_response_init(&all->out);
        all->items = REQUEST_ALLOC(r, struct deletion, n);
        all->out.topics = REQUEST_ALLOC(r, struct delete_records_response_topic, in->topics_count);
        good = all->items && all->out.topics;
    }
    for (int32_t t = 0; good && t < in->topics_count; t++)
        good = collect_topic(r, all, &in->topics[t], &shards);
    if (good)
        request_scatter(r, shards, delete_leg, answer);
    else
        request_close(r, "no memory");
}
