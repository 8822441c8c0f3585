/* SPDX-License-Identifier: Apache-2.0
 * DescribeGroups (15): the state and the members of classic groups.
 */
#include "broker/api.h"
#include "broker/groups.h"
#include "wire/api/describe_groups.h"

/* Without an authorizer everybody may do everything to a group: read, delete, describe, describe configs, alter configs
 * (KIP-430). */
enum { OPERATIONS_GROUP = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11 };

static void describe_visit(struct tour *tour, struct coord *coord, struct coord_step *step)
{
    const struct request *r = tour->request;
    const struct describe_groups_request *in = r->in;
    struct describe_groups_response *out = tour->out;
    struct describe_groups_response_group *group = &out->groups[tour->at];

    describe_groups_response_group_init(group);
    if (coord_describe(coord, in->groups[tour->at], r->version, tour->call.arena, group)) {
        group->error_code = STATUS_COORDINATOR_NOT_AVAILABLE;
        group->members_count = 0;
    }
    if (in->include_authorized_operations && !group->error_code)
        group->authorized_operations = OPERATIONS_GROUP;
    tour_answered(tour, step);
}

static void describe_refuse(struct tour *tour, enum status status)
{
    const struct describe_groups_request *in = tour->request->in;
    struct describe_groups_response *out = tour->out;
    struct describe_groups_response_group *group = &out->groups[tour->at];

    describe_groups_response_group_init(group);
    group->group_id = in->groups[tour->at];
    group->error_code = status_wire(status);
}

static const struct tour_verb describe_verb = {describe_visit, describe_refuse, NULL};

void api_describe_groups(struct request *r)
{
    const struct describe_groups_request *in = r->in;
    struct describe_groups_response *out = REQUEST_ALLOC(r, struct describe_groups_response, 1);

    if (out) {
        describe_groups_response_init(out);
        out->groups = REQUEST_ALLOC(r, struct describe_groups_response_group, in->groups_count);
        out->groups_count = in->groups_count;
    }
    if (!out || !out->groups) {
        request_close(r, "no memory");
        return;
    }
    groups_tour(r, &describe_verb, out, in->groups, (size_t)in->groups_count);
}
