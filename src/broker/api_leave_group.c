/* SPDX-License-Identifier: Apache-2.0
 * LeaveGroup (13): members leave a classic group, or an administrator removes static ones.
 */
#include "broker/api.h"
#include "broker/groups.h"
#include "wire/api/leave_group.h"

enum { BATCHED_SINCE = 3 };

static void leave_visit(struct tour *tour, struct coord *coord, struct coord_step *step)
{
    coord_leave(coord, step, tour->request->in, &tour->call);
}

static void leave_refuse(struct tour *tour, enum status status)
{
    struct leave_group_response *out = tour->out;

    leave_group_response_init(out);
    out->error_code = status_wire(status);
}

/* Before version 3 there is one member, and its error is the answer's. */
static bool leave_finish(struct tour *tour)
{
    struct leave_group_response *out = tour->out;

    if (tour->request->version < BATCHED_SINCE && !out->error_code && out->members_count)
        out->error_code = out->members[0].error_code;
    return true;
}

static const struct tour_verb leave_verb = {leave_visit, leave_refuse, leave_finish};

void api_leave_group(struct request *r)
{
    struct leave_group_request *in = r->in;
    struct leave_group_response *out = REQUEST_ALLOC(r, struct leave_group_response, 1);
    struct leave_group_request_member *one = REQUEST_ALLOC(r, struct leave_group_request_member, 1);

    if (!out || !one) {
        request_close(r, "no memory");
        return;
    }
    if (r->version < BATCHED_SINCE) {
        leave_group_request_member_init(one);
        one->member_id = in->member_id;
        in->members = one;
        in->members_count = 1;
    }
    leave_group_response_init(out);
    groups_tour(r, &leave_verb, out, &in->group_id, 1);
}
