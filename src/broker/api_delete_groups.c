/* SPDX-License-Identifier: Apache-2.0
 * DeleteGroups (42): groups that are empty go, and their offsets with them.
 */
#include "base/map.h"
#include "broker/api.h"
#include "broker/groups.h"
#include "wire/api/delete_groups.h"

static struct delete_groups_response_result *delete_result(struct tour *tour)
{
    const struct delete_groups_request *in = tour->request->in;
    struct delete_groups_response *out = tour->out;
    struct delete_groups_response_result *result = &out->results[tour->at];

    delete_groups_response_result_init(result);
    result->group_id = in->groups_names[tour->at];
    return result;
}

static void delete_visit(struct tour *tour, struct coord *coord, struct coord_step *step)
{
    struct delete_groups_response_result *result = delete_result(tour);
    enum status status = coord_delete_group(coord, step, result->group_id);

    result->error_code = status_wire(status);
    if (status == STATUS_GROUP_ID_NOT_FOUND)
        result->error_message = coord_not_found(result->group_id, "not found", tour->call.arena);
    else if (status == STATUS_NON_EMPTY_GROUP)
        result->error_message = STR_LIT("The group is not empty.");
    tour_answered(tour, step);
}

static void delete_refuse(struct tour *tour, enum status status)
{
    delete_result(tour)->error_code = status_wire(status);
}

static const struct tour_verb delete_verb = {delete_visit, delete_refuse, NULL};

/* A group that is named twice is deleted once. False: no memory. */
static bool keep_distinct(struct request *r, struct delete_groups_request *in)
{
    struct map_node *nodes = REQUEST_ALLOC(r, struct map_node, in->groups_names_count);
    bool enough = nodes != NULL;
    struct map seen;
    int32_t kept = 0;

    map_init(&seen, shard_random(r->here));
    for (int32_t i = 0; enough && i < in->groups_names_count; i++) {
        struct str_view name = in->groups_names[i];

        if (map_get(&seen, name.data, name.size))
            continue;
        enough = map_put(&seen, &nodes[kept], name.data, name.size);
        in->groups_names[kept++] = name;
    }
    in->groups_names_count = kept;
    map_free(&seen);
    return enough;
}

void api_delete_groups(struct request *r)
{
    struct delete_groups_request *in = r->in;
    struct delete_groups_response *out = REQUEST_ALLOC(r, struct delete_groups_response, 1);

    if (out && keep_distinct(r, in)) {
        delete_groups_response_init(out);
        out->results = REQUEST_ALLOC(r, struct delete_groups_response_result, in->groups_names_count);
        out->results_count = in->groups_names_count;
    }
    if (!out || !out->results) {
        request_close(r, "no memory");
        return;
    }
    groups_tour(r, &delete_verb, out, in->groups_names, (size_t)in->groups_names_count);
}
