/* SPDX-License-Identifier: Apache-2.0
 * JoinGroup (11): becoming a member of a classic group, or coming back in a rebalance.
 */
#include "broker/api.h"
#include "broker/groups.h"
#include "wire/api/join_group.h"

enum { NULL_PROTOCOL_SINCE = 7 };

static void join_visit(struct tour *tour, struct coord *coord, struct coord_step *step)
{
    const struct request *r = tour->request;
    struct coord_client client = {
        .version = r->version,
        .client_id = r->client_id,
        .host = arena_format(&tour->arena, "/%s", r->peer), /* as Java prints an address */
        .uuid = shard_random_uuid(r->here),
    };

    if (!client.host.data)
        client.host = STR_LIT("");
    coord_join(coord, step, r->in, &client, &tour->call);
}

static void join_refuse(struct tour *tour, enum status status)
{
    const struct join_group_request *in = tour->request->in;
    struct join_group_response *out = tour->out;

    join_group_response_init(out);
    out->error_code = status_wire(status);
    out->member_id = in->member_id;
}

/* No protocol is null since version 7, empty before. */
static bool join_finish(struct tour *tour)
{
    struct join_group_response *out = tour->out;

    if (tour->request->version >= NULL_PROTOCOL_SINCE && !out->protocol_name.size)
        out->protocol_name = STR_NULL;
    return true;
}

static const struct tour_verb join_verb = {join_visit, join_refuse, join_finish};

void api_join_group(struct request *r)
{
    const struct join_group_request *in = r->in;
    struct join_group_response *out = REQUEST_ALLOC(r, struct join_group_response, 1);

    if (!out) {
        request_close(r, "no memory");
        return;
    }
    join_group_response_init(out);
    groups_tour(r, &join_verb, out, &in->group_id, 1);
}
