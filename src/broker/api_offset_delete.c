/* SPDX-License-Identifier: Apache-2.0
 * OffsetDelete (47): forgets where a group has got to in some partitions that it does not read.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/groups.h"
#include "wire/api/offset_delete.h"

static void delete_visit(struct tour *tour, struct coord *coord, struct coord_step *step)
{
    coord_offset_delete(coord, step, tour->request->in, &tour->call);
}

static void delete_refuse(struct tour *tour, enum status status)
{
    struct offset_delete_response *out = tour->out;

    out->error_code = status_wire(status);
    out->topics_count = 0;
}

static const struct tour_verb delete_verb = {delete_visit, delete_refuse, NULL};

static bool delete_shape(struct request *r, const struct offset_delete_request_topic *in,
                         struct offset_delete_response_topic *out)
{
    const struct image_topic *topic = image_topic(broker_at(r->here)->image, in->name);

    offset_delete_response_topic_init(out);
    out->name = in->name;
    out->partitions = REQUEST_ALLOC(r, struct offset_delete_response_partition, in->partitions_count);
    if (!out->partitions)
        return false;
    out->partitions_count = in->partitions_count;
    for (int32_t i = 0; i < in->partitions_count; i++) {
        bool there = topic && image_partition(topic, in->partitions[i].partition_index);

        offset_delete_response_partition_init(&out->partitions[i]);
        out->partitions[i].partition_index = in->partitions[i].partition_index;
        out->partitions[i].error_code = there ? 0 : STATUS_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return true;
}

void api_offset_delete(struct request *r)
{
    const struct offset_delete_request *in = r->in;
    struct offset_delete_response *out = REQUEST_ALLOC(r, struct offset_delete_response, 1);

    if (!out) {
        request_close(r, "no memory");
        return;
    }
    offset_delete_response_init(out);
    out->topics = REQUEST_ALLOC(r, struct offset_delete_response_topic, in->topics_count);
    for (; out->topics && out->topics_count < in->topics_count; out->topics_count++) {
        if (!delete_shape(r, &in->topics[out->topics_count], &out->topics[out->topics_count]))
            out->topics = NULL;
    }
    if (!out->topics) {
        request_close(r, "no memory");
        return;
    }
    groups_tour(r, &delete_verb, out, &in->group_id, 1);
}
