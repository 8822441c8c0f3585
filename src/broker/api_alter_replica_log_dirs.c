/* SPDX-License-Identifier: Apache-2.0
 * AlterReplicaLogDirs (34): partitions are to move to other log directories (moving.h). It is answered when that has begun; DescribeLogDirs tells how far it is.
 */
#include "broker/api.h"
#include "broker/dirs.h"
#include "broker/moving.h"
#include "wire/api/alter_replica_log_dirs.h"

struct ordered { /* one partition */
    struct alter_replica_log_dirs_response_partition *out;
    struct uuid topic_id;
    unsigned shard, to;
};

struct orders {
    struct alter_replica_log_dirs_response out;
    struct ordered *items;
    size_t count;
    uint64_t shards;
};

static void answer(struct request *r)
{
    struct orders *o = r->state;

    request_reply(r, &o->out);
}

static void order(struct leg *leg)
{
    const struct orders *o = leg->request->state;

    for (size_t i = 0; i < o->count; i++)
        if (o->items[i].shard == leg->shard)
            o->items[i].out->error_code =
                status_wire(broker_move_partition(broker_at(leg_shard(leg)), o->items[i].topic_id, o->items[i].out->partition_index, o->items[i].to));
    leg_finish(leg);
}

/* What needs no shard to be known. */
static enum status judge(const struct broker_shard *b, unsigned to, const struct image_topic *topic, int32_t index)
{
    if (to == DIR_UNKNOWN || !b->broker->dirs[to].partitions)
        return STATUS_LOG_DIR_NOT_FOUND;
    if (dir_is_offline(b, to))
        return STATUS_KAFKA_STORAGE_ERROR;
    if (!topic || !image_partition(topic, index))
        return STATUS_UNKNOWN_TOPIC_OR_PARTITION;
    return dir_is_cordoned(b, to) ? STATUS_INVALID_REPLICA_ASSIGNMENT : STATUS_OK;
}

static unsigned dir_asked(const struct broker *broker, struct str_view path)
{
    for (unsigned i = 0; i < broker->dirs_count; i++)
        if (str_is(config_plain_dir(path), broker->dirs[i].path))
            return i;
    return DIR_UNKNOWN;
}

static bool put_topic(struct request *r, struct orders *o, unsigned to, const struct alter_replica_log_dirs_request_topic *in)
{
    const struct broker_shard *b = broker_at(r->here);
    const struct image_topic *topic = image_topic(b->image, in->name);
    struct alter_replica_log_dirs_response_result *out = &o->out.results[o->out.results_count++];

    alter_replica_log_dirs_response_result_init(out);
    out->topic_name = in->name;
    out->partitions = REQUEST_ALLOC(r, struct alter_replica_log_dirs_response_partition, in->partitions_count);
    if (!out->partitions)
        return false;
    for (int32_t i = 0; i < in->partitions_count; i++) {
        struct alter_replica_log_dirs_response_partition *partition = &out->partitions[out->partitions_count++];
        enum status status = judge(b, to, topic, in->partitions[i]);

        alter_replica_log_dirs_response_partition_init(partition);
        partition->partition_index = in->partitions[i];
        partition->error_code = status_wire(status);
        if (status)
            continue;
        o->items[o->count] = (struct ordered){partition, topic->id, broker_partition_shard(b->broker, topic->id, in->partitions[i]), to};
        o->shards |= (uint64_t)1 << o->items[o->count++].shard;
    }
    return true;
}

static bool put_all(struct request *r, struct orders *o)
{
    const struct alter_replica_log_dirs_request *in = r->in;
    size_t topics = 0, partitions = 0;

    for (int32_t d = 0; d < in->dirs_count; d++)
        for (int32_t t = 0; t < in->dirs[d].topics_count; t++, topics++)
            partitions += (size_t)in->dirs[d].topics[t].partitions_count;
    o->out.results = REQUEST_ALLOC(r, struct alter_replica_log_dirs_response_result, topics);
    o->items = REQUEST_ALLOC(r, struct ordered, partitions);
    if (!o->out.results || !o->items)
        return false;
    for (int32_t d = 0; d < in->dirs_count; d++) {
        unsigned to = dir_asked(broker_at(r->here)->broker, in->dirs[d].path);

        for (int32_t t = 0; t < in->dirs[d].topics_count; t++)
            if (!put_topic(r, o, to, &in->dirs[d].topics[t]))
                return false;
    }
    return true;
}

void api_alter_replica_log_dirs(struct request *r)
{
    struct orders *o = REQUEST_ALLOC(r, struct orders, 1);

    r->state = o;
    if (o)
        alter_replica_log_dirs_response_init(&o->out);
    if (o && put_all(r, o))
        request_scatter(r, o->shards, order, answer);
    else
        request_close(r, "no memory");
}
