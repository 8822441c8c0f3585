/* SPDX-License-Identifier: Apache-2.0
 * SyncGroup (14): the leader sends the assignment of a new generation, the others wait for theirs.
 */
#include "broker/api.h"
#include "broker/groups.h"
#include "wire/api/sync_group.h"

static void sync_visit(struct tour *tour, struct coord *coord, struct coord_step *step)
{
    coord_sync(coord, step, tour->request->in, tour->request->version, &tour->call);
}

static void sync_refuse(struct tour *tour, enum status status)
{
    struct sync_group_response *out = tour->out;

    sync_group_response_init(out);
    out->error_code = status_wire(status);
}

static const struct tour_verb sync_verb = {sync_visit, sync_refuse, NULL};

void api_sync_group(struct request *r)
{
    const struct sync_group_request *in = r->in;
    struct sync_group_response *out = REQUEST_ALLOC(r, struct sync_group_response, 1);

    if (!out) {
        request_close(r, "no memory");
        return;
    }
    sync_group_response_init(out);
    groups_tour(r, &sync_verb, out, &in->group_id, 1);
}
