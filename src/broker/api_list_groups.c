/* SPDX-License-Identifier: Apache-2.0
 * ListGroups (16): the groups of all coordinators, by state and type.
 */
#include "broker/api.h"
#include "broker/groups.h"
#include "wire/api/list_groups.h"

static void list_visit(struct tour *tour, struct coord *coord, struct coord_step *step)
{
    struct list_groups_response *out = tour->out;

    if (coord_list(coord, tour->request->in, tour->call.arena, out))
        out->error_code = STATUS_COORDINATOR_NOT_AVAILABLE;
    tour_answered(tour, step);
}

/* What is coordinated elsewhere, or not at all, is not ours to list; what is still being read might be. */
static void list_refuse(struct tour *tour, enum status status)
{
    struct list_groups_response *out = tour->out;

    if (status != STATUS_NOT_COORDINATOR)
        out->error_code = status_wire(status);
}

static bool list_finish(struct tour *tour)
{
    struct list_groups_response *out = tour->out;

    if (out->error_code)
        out->groups_count = 0;
    return true;
}

static const struct tour_verb list_verb = {list_visit, list_refuse, list_finish};

void api_list_groups(struct request *r)
{
    struct list_groups_response *out = REQUEST_ALLOC(r, struct list_groups_response, 1);

    if (!out) {
        request_close(r, "no memory");
        return;
    }
    list_groups_response_init(out);
    groups_tour_all(r, &list_verb, out);
}
