/* SPDX-License-Identifier: Apache-2.0
 * DescribeLogDirs (35): the log directory, its volume, and the size of each partition, which its shard tells.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "wire/api/describe_log_dirs.h"

struct measured {
    struct describe_log_dirs_response_partition *out;
    struct uuid topic_id;
    unsigned shard;
};

struct measurement {
    struct describe_log_dirs_response out;
    struct describe_log_dirs_response_result dir;
    struct measured *items;
    size_t count;
    uint64_t shards;
};

static void answer(struct request *r)
{
    struct measurement *m = r->state;

    request_reply(r, &m->out);
}

static void measure(struct leg *leg)
{
    const struct measurement *m = leg->request->state;
    struct broker_shard *b = broker_at(leg_shard(leg));

    for (; leg->at < m->count; leg->at++) {
        const struct measured *item = &m->items[leg->at];
        const struct partition *p;

        if (item->shard != leg->shard)
            continue;
        if (broker_partition_wakes(b, item->topic_id, item->out->partition_index, &leg->mail))
            return; /* and on from here */
        p = broker_partition(b, item->topic_id, item->out->partition_index);
        item->out->partition_size = p ? (int64_t)partition_size(p) : 0;
    }
    leg_finish(leg);
}

static void put_partition(struct measurement *m, const struct broker *broker, const struct image_topic *topic,
                          int32_t index, struct describe_log_dirs_response_topic *out)
{
    struct describe_log_dirs_response_partition *partition;

    if (!image_partition(topic, index))
        return;
    partition = &out->partitions[out->partitions_count++];
    describe_log_dirs_response_partition_init(partition);
    partition->partition_index = index;
    m->items[m->count] = (struct measured){partition, topic->id, broker_partition_shard(broker, topic->id, index)};
    m->shards |= (uint64_t)1 << m->items[m->count++].shard;
}

/* `indexes` of the topic; NULL: all of them. */
static bool put_topic(struct request *r, struct measurement *m, const struct image_topic *topic, const int32_t *indexes,
                      int32_t count)
{
    struct describe_log_dirs_response_topic *out = &m->dir.topics[m->dir.topics_count];

    out->name = topic->name;
    out->partitions = REQUEST_ALLOC(r, struct describe_log_dirs_response_partition, count);
    if (!out->partitions)
        return false;
    for (int32_t i = 0; i < count; i++)
        put_partition(m, broker_at(r->here)->broker, topic, indexes ? indexes[i] : i, out);
    m->dir.topics_count += out->partitions_count > 0;
    return true;
}

static bool put_all(struct request *r, struct measurement *m)
{
    const struct image *image = broker_at(r->here)->image;
    bool good;

    m->dir.topics = REQUEST_ALLOC(r, struct describe_log_dirs_response_topic, image->topics_by_name.count);
    m->items = REQUEST_ALLOC(r, struct measured, image->partitions_count);
    good = m->dir.topics && m->items;
    for (const struct image_topic *topic = image_topic_first(image); good && topic;
         topic = image_topic_next(image, topic))
        good = put_topic(r, m, topic, NULL, topic->count);
    return good;
}

static bool put_asked(struct request *r, struct measurement *m)
{
    const struct describe_log_dirs_request *in = r->in;
    const struct image *image = broker_at(r->here)->image;
    size_t n = 0;
    bool good;

    for (int32_t i = 0; i < in->topics_count; i++)
        n += (size_t)in->topics[i].partitions_count;
    m->dir.topics = REQUEST_ALLOC(r, struct describe_log_dirs_response_topic, in->topics_count);
    m->items = REQUEST_ALLOC(r, struct measured, n);
    good = m->dir.topics && m->items;
    for (int32_t i = 0; good && i < in->topics_count; i++) {
        const struct image_topic *topic = image_topic(image, in->topics[i].topic);

        good = !topic || put_topic(r, m, topic, in->topics[i].partitions, in->topics[i].partitions_count);
    }
    return good;
}

static void put_space(const struct broker *broker, struct describe_log_dirs_response_result *out)
{
    uint64_t usable, total;
    struct err ignored; /* the sizes stay unknown: -1 */

    if (fs_space(broker->fs, log_dir_path(broker->dir), &usable, &total, &ignored) != STATUS_OK)
        return;
    out->total_bytes = (int64_t)total;
    out->usable_bytes = (int64_t)usable;
}

void api_describe_log_dirs(struct request *r)
{
    const struct describe_log_dirs_request *in = r->in;
    const struct broker_shard *b = broker_at(r->here);
    struct measurement *m = REQUEST_ALLOC(r, struct measurement, 1);

    r->state = m;
    if (m) {
        describe_log_dirs_response_init(&m->out);
        describe_log_dirs_response_result_init(&m->dir);
        m->out.results = &m->dir;
        m->out.results_count = 1;
        m->dir.log_dir = str_from(log_dir_path(b->broker->dir));
        put_space(b->broker, &m->dir);
        if (store_dir_offline(b->store, log_dir_path(b->broker->dir)))
            m->dir.error_code = status_wire(STATUS_KAFKA_STORAGE_ERROR);
    }
    if (m && (in->topics_count < 0 ? put_all(r, m) : put_asked(r, m)))
        request_scatter(r, m->shards, measure, answer);
    else
        request_close(r, "no memory");
}
