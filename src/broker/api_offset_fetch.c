/* SPDX-License-Identifier: Apache-2.0
 * OffsetFetch (9): where groups have got to. Several groups since version 8; older requests are served as one group of
 * a newer one.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/groups.h"
#include "wire/api/offset_fetch.h"

enum {
    ERROR_SINCE = 2, /* before it, an error of the group stands at each partition */
    GROUPS_SINCE = 8,
    TOPIC_ID_SINCE = 10,
};

static void fetch_visit(struct tour *tour, struct coord *coord, struct coord_step *step)
{
    const struct request *r = tour->request;
    const struct offset_fetch_request *in = r->in;
    struct offset_fetch_response *out = tour->out;

    coord_offset_fetch(coord, &in->groups[tour->at], r->version, in->require_stable, tour->call.arena,
                       &out->groups[tour->at]);
    tour_answered(tour, step);
}

static void fetch_refuse(struct tour *tour, enum status status)
{
    const struct offset_fetch_request *in = tour->request->in;
    struct offset_fetch_response *out = tour->out;

    offset_fetch_response_group_init(&out->groups[tour->at]);
    out->groups[tour->at].group_id = in->groups[tour->at].group_id;
    out->groups[tour->at].error_code = status_wire(status);
}

/* ---- version 10: topics by id ---- */

/* The names are copied: the image is this shard's, and the request goes on to another. */
static bool fetch_name_topics(struct request *r, struct offset_fetch_request_group *group)
{
    const struct image *image = broker_at(r->here)->image;

    for (int32_t t = 0; t < group->topics_count; t++) {
        const struct image_topic *topic = image_topic_by_id(image, group->topics[t].topic_id);

        group->topics[t].name = topic ? arena_str(&r->arena, topic->name) : STR_NULL;
        if (topic && !group->topics[t].name.data)
            return false;
    }
    return true;
}

/* All offsets were asked for: topics that are not there any more have no id, and are left out. */
static void fetch_identify_topics(const struct image *image, struct offset_fetch_response_group *group)
{
    int32_t kept = 0;

    for (int32_t t = 0; t < group->topics_count; t++) {
        const struct image_topic *topic = image_topic(image, group->topics[t].name);

        if (topic) {
            group->topics[kept] = group->topics[t];
            group->topics[kept++].topic_id = topic->id;
        }
    }
    group->topics_count = kept;
}

/* ---- before version 8: one group ---- */

static bool fetch_as_group(struct request *r, struct offset_fetch_request *in)
{
    struct offset_fetch_request_group *group = REQUEST_ALLOC(r, struct offset_fetch_request_group, 1);
    struct offset_fetch_request_group_topic *topics =
        REQUEST_ALLOC(r, struct offset_fetch_request_group_topic, in->topics_count < 0 ? 0 : in->topics_count);

    if (!group || !topics)
        return false;
    offset_fetch_request_group_init(group);
    group->group_id = in->group_id;
    group->topics = topics;
    group->topics_count = in->topics_count;
    for (int32_t t = 0; t < in->topics_count; t++) {
        offset_fetch_request_group_topic_init(&topics[t]);
        topics[t].name = in->topics[t].name;
        topics[t].partition_indexes = in->topics[t].partition_indexes;
        topics[t].partition_indexes_count = in->topics[t].partition_indexes_count;
    }
    in->groups = group;
    in->groups_count = 1;
    return true;
}

static bool fetch_old_topic(struct arena *arena, const struct offset_fetch_response_group_topic *from,
                            struct offset_fetch_response_topic *to)
{
    offset_fetch_response_topic_init(to);
    to->name = from->name;
    to->partitions = arena_alloc(arena, (size_t)from->partitions_count, sizeof *to->partitions);
    if (!to->partitions)
        return false;
    to->partitions_count = from->partitions_count;
    for (int32_t i = 0; i < from->partitions_count; i++) {
        offset_fetch_response_topic_partition_init(&to->partitions[i]);
        to->partitions[i].partition_index = from->partitions[i].partition_index;
        to->partitions[i].committed_offset = from->partitions[i].committed_offset;
        to->partitions[i].committed_leader_epoch = from->partitions[i].committed_leader_epoch;
        to->partitions[i].metadata = from->partitions[i].metadata;
        to->partitions[i].error_code = from->partitions[i].error_code;
    }
    return true;
}

/* Version 0 and 1: each partition that was asked for has the group's error. */
static bool fetch_spread_error(struct arena *arena, const struct offset_fetch_request_topic *from, int16_t error,
                               struct offset_fetch_response_topic *to)
{
    offset_fetch_response_topic_init(to);
    to->name = from->name;
    to->partitions = arena_alloc(arena, (size_t)from->partition_indexes_count, sizeof *to->partitions);
    if (!to->partitions)
        return false;
    to->partitions_count = from->partition_indexes_count;
    for (int32_t i = 0; i < from->partition_indexes_count; i++) {
        offset_fetch_response_topic_partition_init(&to->partitions[i]);
        to->partitions[i].partition_index = from->partition_indexes[i];
        to->partitions[i].committed_offset = -1;
        to->partitions[i].metadata = STR_LIT("");
        to->partitions[i].error_code = error;
    }
    return true;
}

static bool fetch_as_old(struct tour *tour)
{
    const struct offset_fetch_request *in = tour->request->in;
    struct offset_fetch_response *out = tour->out;
    const struct offset_fetch_response_group *group = &out->groups[0];
    bool spread = group->error_code && tour->request->version < ERROR_SINCE;
    int32_t count = spread ? in->topics_count : group->topics_count;

    out->error_code = group->error_code;
    out->topics = arena_alloc(tour->call.arena, (size_t)count, sizeof *out->topics);
    if (!out->topics)
        return false;
    for (; out->topics_count < count; out->topics_count++) {
        struct offset_fetch_response_topic *to = &out->topics[out->topics_count];

        if (!(spread ? fetch_spread_error(tour->call.arena, &in->topics[out->topics_count], group->error_code, to)
                     : fetch_old_topic(tour->call.arena, &group->topics[out->topics_count], to)))
            return false;
    }
    return true;
}

static bool fetch_finish(struct tour *tour)
{
    const struct request *r = tour->request;
    const struct offset_fetch_request *in = r->in;
    struct offset_fetch_response *out = tour->out;

    for (int32_t i = 0; r->version >= TOPIC_ID_SINCE && i < in->groups_count; i++) {
        if (in->groups[i].topics_count < 0)
            fetch_identify_topics(broker_at(r->here)->image, &out->groups[i]);
    }
    return r->version >= GROUPS_SINCE || fetch_as_old(tour);
}

static const struct tour_verb fetch_verb = {fetch_visit, fetch_refuse, fetch_finish};

void api_offset_fetch(struct request *r)
{
    struct offset_fetch_request *in = r->in;
    struct offset_fetch_response *out = REQUEST_ALLOC(r, struct offset_fetch_response, 1);
    bool enough = out && (r->version >= GROUPS_SINCE || fetch_as_group(r, in));
    struct str_view *ids = enough ? REQUEST_ALLOC(r, struct str_view, in->groups_count) : NULL;

    if (ids) {
        offset_fetch_response_init(out);
        out->groups = REQUEST_ALLOC(r, struct offset_fetch_response_group, in->groups_count);
        out->groups_count = in->groups_count;
    }
    enough = ids && out->groups;
    for (int32_t i = 0; enough && i < in->groups_count; i++) {
        ids[i] = in->groups[i].group_id;
        enough = r->version < TOPIC_ID_SINCE || fetch_name_topics(r, &in->groups[i]);
    }
    if (enough)
        groups_tour(r, &fetch_verb, out, ids, (size_t)in->groups_count);
    else
        request_close(r, "no memory");
}
