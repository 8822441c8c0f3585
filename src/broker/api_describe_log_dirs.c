/* SPDX-License-Identifier: Apache-2.0
 * DescribeLogDirs (35): the log directories, their volumes, and the size of each partition in them, which its shard tells. What is in a directory that does not
 * work nobody can tell: it has an error instead.
 */
#include "broker/api.h"
#include "broker/dirs.h"
#include "broker/moving.h"
#include "wire/api/describe_log_dirs.h"

struct measured { /* a partition; those of a topic stand together */
    struct str_view topic; /* in the arena: it may be deleted meanwhile */
    struct uuid topic_id;
    int32_t index;
    unsigned shard;
    unsigned dir; /* DIR_UNKNOWN: in none that works */
    int64_t size;
    bool moves;
    struct move_view move; /* when it does */
};

struct measurement {
    struct describe_log_dirs_response out;
    struct measured *items;
    size_t count;
    uint64_t shards;
};

/* ---- on the partitions' shards ---- */

static void measure(struct leg *leg)
{
    const struct measurement *m = leg->request->state;
    struct broker_shard *b = broker_at(leg_shard(leg));

    for (; leg->at < m->count; leg->at++) {
        struct measured *item = &m->items[leg->at];
        const struct partition *p;
        enum status why;

        if (item->shard != leg->shard)
            continue;
        if (broker_partition_wakes(b, item->topic_id, item->index, &leg->mail))
            return; /* and on from here */
        p = broker_partition(b, item->topic_id, item->index, &why);
        item->size = p ? (int64_t)partition_size(p) : 0;
        item->moves = broker_move_seen(b, item->topic_id, item->index, &item->move);
        item->dir = why == STATUS_KAFKA_STORAGE_ERROR ? DIR_UNKNOWN : broker_partition_dir(b, item->topic_id, item->index);
    }
    leg_finish(leg);
}

/* ---- the answer ---- */

/* How often it is in that directory: itself, or what is to be it. */
static unsigned places(const struct measured *item, unsigned dir)
{
    return (item->dir == dir) + (item->moves && item->move.to == dir);
}

static void put_partition(const struct measured *item, unsigned dir, struct describe_log_dirs_response_topic *topic)
{
    struct describe_log_dirs_response_partition *out = &topic->partitions[topic->partitions_count++];

    describe_log_dirs_response_partition_init(out);
    out->partition_index = item->index;
    out->is_future_key = item->dir != dir;
    out->partition_size = out->is_future_key ? item->move.size : item->size;
    out->offset_lag = out->is_future_key ? item->move.lag : 0;
}

/* The items of one directory, in topics. */
static bool put_topics(struct request *r, const struct measurement *m, unsigned dir, struct describe_log_dirs_response_result *out)
{
    struct describe_log_dirs_response_partition *partitions;
    const struct measured *last = NULL;
    size_t topics = 0, count = 0;

    for (size_t i = 0; i < m->count; i++) {
        if (!places(&m->items[i], dir))
            continue;
        topics += !last || !uuid_equal(m->items[i].topic_id, last->topic_id);
        last = &m->items[i];
        count++;
    }
    out->topics = REQUEST_ALLOC(r, struct describe_log_dirs_response_topic, topics);
    partitions = REQUEST_ALLOC(r, struct describe_log_dirs_response_partition, count);
    if (!out->topics || !partitions)
        return false;
    last = NULL;
    for (size_t i = 0; i < m->count; i++) {
        const struct measured *item = &m->items[i];

        if (!places(item, dir))
            continue;
        if (!last || !uuid_equal(item->topic_id, last->topic_id)) {
            struct describe_log_dirs_response_topic *topic = &out->topics[out->topics_count++];

            describe_log_dirs_response_topic_init(topic);
            topic->name = item->topic;
            topic->partitions = partitions;
        }
        last = item;
        put_partition(item, dir, &out->topics[out->topics_count - 1]);
        partitions++;
    }
    return true;
}

static void put_space(const struct broker *broker, struct describe_log_dirs_response_result *out)
{
    uint64_t usable, total;
    struct err ignored; /* the sizes stay unknown: -1 */

    if (fs_space(broker->fs, out->log_dir.data, &usable, &total, &ignored) != STATUS_OK)
        return;
    out->total_bytes = (int64_t)total;
    out->usable_bytes = (int64_t)usable;
}

static bool put_dirs(struct request *r, struct measurement *m)
{
    const struct broker_shard *b = broker_at(r->here);
    const struct broker *broker = b->broker;

    m->out.results = REQUEST_ALLOC(r, struct describe_log_dirs_response_result, broker->dirs_count);
    for (unsigned i = 0; m->out.results && i < broker->dirs_count; i++) {
        struct describe_log_dirs_response_result *out = &m->out.results[m->out.results_count];

        if (!broker->dirs[i].partitions)
            continue;
        m->out.results_count++;
        describe_log_dirs_response_result_init(out);
        out->log_dir = str_from(broker->dirs[i].path);
        if (dir_is_offline(b, i)) {
            out->error_code = status_wire(STATUS_KAFKA_STORAGE_ERROR);
            continue;
        }
        out->is_cordoned = dir_is_cordoned(b, i);
        put_space(broker, out);
        if (!put_topics(r, m, i, out))
            return false;
    }
    return m->out.results != NULL;
}

static void answer(struct request *r)
{
    struct measurement *m = r->state;

    if (put_dirs(r, m))
        request_reply(r, &m->out);
    else
        request_close(r, "no memory");
}

/* ---- the question ---- */

static void ask_partition(struct measurement *m, const struct broker *broker, const struct image_topic *topic, struct str_view name, int32_t index)
{
    struct measured *item = &m->items[m->count];

    if (!image_partition(topic, index))
        return;
    *item = (struct measured){.topic = name, .topic_id = topic->id, .index = index, .shard = broker_partition_shard(broker, topic->id, index)};
    m->shards |= (uint64_t)1 << item->shard;
    m->count++;
}

static bool ask_all(struct request *r, struct measurement *m)
{
    const struct image *image = broker_at(r->here)->image;

    m->items = REQUEST_ALLOC(r, struct measured, image->partitions_count);
    for (const struct image_topic *topic = image_topic_first(image); m->items && topic; topic = image_topic_next(image, topic)) {
        struct str_view name = arena_str(&r->arena, topic->name);

        for (int32_t i = 0; name.data && i < topic->count; i++)
            ask_partition(m, broker_at(r->here)->broker, topic, name, i);
        if (!name.data)
            return false;
    }
    return m->items != NULL;
}

static bool ask_some(struct request *r, struct measurement *m)
{
    const struct describe_log_dirs_request *in = r->in;
    const struct image *image = broker_at(r->here)->image;
    size_t n = 0;

    for (int32_t i = 0; i < in->topics_count; i++)
        n += (size_t)in->topics[i].partitions_count;
    m->items = REQUEST_ALLOC(r, struct measured, n);
    for (int32_t i = 0; m->items && i < in->topics_count; i++) {
        const struct image_topic *topic = image_topic(image, in->topics[i].topic);

        for (int32_t j = 0; topic && j < in->topics[i].partitions_count; j++)
            ask_partition(m, broker_at(r->here)->broker, topic, in->topics[i].topic, in->topics[i].partitions[j]);
    }
    return m->items != NULL;
}

void api_describe_log_dirs(struct request *r)
{
    const struct describe_log_dirs_request *in = r->in;
    struct measurement *m = REQUEST_ALLOC(r, struct measurement, 1);

    r->state = m;
    if (m)
        describe_log_dirs_response_init(&m->out);
    if (m && (in->topics_count < 0 ? ask_all(r, m) : ask_some(r, m)))
        request_scatter(r, m->shards, measure, answer);
    else
        request_close(r, "no memory");
}
