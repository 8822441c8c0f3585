/* SPDX-License-Identifier: Apache-2.0
 * Heartbeat (12): a member of a classic group is alive, and hears of rebalances.
 */
#include "broker/api.h"
#include "broker/groups.h"
#include "wire/api/heartbeat.h"

static void heartbeat_visit(struct tour *tour, struct coord *coord, struct coord_step *step)
{
    coord_heartbeat(coord, step, tour->request->in, &tour->call);
}

/* While the group is being read, its members are taken to be well. */
static void heartbeat_refuse(struct tour *tour, enum status status)
{
    struct heartbeat_response *out = tour->out;

    out->error_code = status == STATUS_COORDINATOR_LOAD_IN_PROGRESS ? 0 : status_wire(status);
}

static const struct tour_verb heartbeat_verb = {heartbeat_visit, heartbeat_refuse, NULL};

void api_heartbeat(struct request *r)
{
    const struct heartbeat_request *in = r->in;
    struct heartbeat_response *out = REQUEST_ALLOC(r, struct heartbeat_response, 1);

    if (!out) {
        request_close(r, "no memory");
        return;
    }
    heartbeat_response_init(out);
    groups_tour(r, &heartbeat_verb, out, &in->group_id, 1);
}
