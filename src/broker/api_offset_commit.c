/* SPDX-License-Identifier: Apache-2.0
 * OffsetCommit (8): where a group has got to. What exists is judged here by the image, who may commit by the group's
 * coordinator.
 *
 * Topics come by name, since version 10 by id. Either way the offset is kept with both, so that it does not pass to
 * another topic of that name.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/groups.h"
#include "wire/api/offset_commit.h"

enum { TOPIC_ID_SINCE = 10 };

static void commit_visit(struct tour *tour, struct coord *coord, struct coord_step *step)
{
    coord_offset_commit(coord, step, tour->request->in, tour->request->version, &tour->call);
}

/* Also what went well before the append was lost is refused; what does not exist stays so. */
static void commit_refuse(struct tour *tour, enum status status)
{
    const struct offset_commit_response *out = tour->out;

    for (int32_t t = 0; t < out->topics_count; t++) {
        for (int32_t p = 0; p < out->topics[t].partitions_count; p++) {
            if (!out->topics[t].partitions[p].error_code)
                out->topics[t].partitions[p].error_code = status_wire(status);
        }
    }
}

static const struct tour_verb commit_verb = {commit_visit, commit_refuse, NULL};

/* The answer in the shape of the request; partitions that do not exist have their error. Counts those that do. False:
 * no memory. */
static bool commit_shape(struct request *r, struct offset_commit_request_topic *in,
                         struct offset_commit_response_topic *out, size_t *exist)
{
    const struct image *image = broker_at(r->here)->image;
    bool by_id = r->version >= TOPIC_ID_SINCE;
    const struct image_topic *topic = by_id ? image_topic_by_id(image, in->topic_id) : image_topic(image, in->name);
    enum status missing = by_id && !topic ? STATUS_UNKNOWN_TOPIC_ID : STATUS_UNKNOWN_TOPIC_OR_PARTITION;

    offset_commit_response_topic_init(out);
    out->name = in->name;
    out->topic_id = in->topic_id;
    out->partitions = REQUEST_ALLOC(r, struct offset_commit_response_partition, in->partitions_count);
    if (!out->partitions)
        return false;
    out->partitions_count = in->partitions_count;
    for (int32_t i = 0; i < in->partitions_count; i++) {
        bool there = topic && image_partition(topic, in->partitions[i].partition_index);

        offset_commit_response_partition_init(&out->partitions[i]);
        out->partitions[i].partition_index = in->partitions[i].partition_index;
        out->partitions[i].error_code = there ? 0 : status_wire(missing);
        *exist += there;
    }
    if (topic) {
        if (by_id) /* a copy: the image is this shard's, and the request goes on to another */
            in->name = arena_str(&r->arena, topic->name);
        in->topic_id = topic->id;
    }
    return in->name.data;
}

void api_offset_commit(struct request *r)
{
    struct offset_commit_request *in = r->in;
    struct offset_commit_response *out = REQUEST_ALLOC(r, struct offset_commit_response, 1);
    size_t exist = 0;

    if (!out) {
        request_close(r, "no memory");
        return;
    }
    offset_commit_response_init(out);
    out->topics = REQUEST_ALLOC(r, struct offset_commit_response_topic, in->topics_count);
    for (; out->topics && out->topics_count < in->topics_count; out->topics_count++) {
        if (!commit_shape(r, &in->topics[out->topics_count], &out->topics[out->topics_count], &exist))
            out->topics = NULL;
    }
    if (!out->topics) {
        request_close(r, "no memory");
        return;
    }
    if (exist)
        groups_tour(r, &commit_verb, out, &in->group_id, 1);
    else
        request_reply(r, out);
}
