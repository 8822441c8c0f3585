/* SPDX-License-Identifier: Apache-2.0
 * SyncGroup and the sync phase: the leader sends what each member is assigned, the others wait for it; and the small
 * requests of members, Heartbeat and LeaveGroup.
 *
 * A member that has not sent its SyncGroup when the rebalance timeout is over is removed, even if the group is stable
 * by then.
 */
#include "base/bug.h"
#include "coord/coord_int.h"
#include "wire/api/heartbeat.h"
#include "wire/api/leave_group.h"
#include "wire/api/sync_group.h"

enum { PROTOCOL_REQUIRED_SINCE = 5 }; /* version of SyncGroup (KIP-559) */

static void answer(struct coord_call *call, struct coord_step *step, enum status status)
{
    struct sync_group_response *out = call->out;

    out->error_code = status_wire(status);
    if (!out->assignment.data)
        out->assignment = (struct bytes_view){(const uint8_t *)"", 0};
    list_push_back(&step->answers, &call->link);
}

static void answer_assignment(const struct member *m, struct coord_call *call, struct coord_step *step)
{
    const struct group *g = m->id->group;
    struct sync_group_response *out = call->out;

    out->protocol_type = arena_str(call->arena, g->protocol_type);
    out->protocol_name = arena_str(call->arena, g->protocol);
    out->assignment = coord__arena_bytes(call->arena, m->assignment);
    if (!out->protocol_type.data || !out->protocol_name.data || !out->assignment.data) {
        sync_group_response_init(out);
        answer(call, step, STATUS_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    answer(call, step, STATUS_OK);
}

void coord__sync_answer(struct member *m, struct coord_step *step, enum status status)
{
    struct coord_call *call = m->sync;

    if (call) {
        m->sync = NULL;
        answer(call, step, status);
    }
}

/* ---- the sync phase ---- */

static void owes(struct member *m, bool yes)
{
    struct group *g = m->id->group;

    g->syncing += yes - m->owes_sync;
    m->owes_sync = yes;
    if (!g->syncing)
        deadline_cancel(&g->coord->deadlines, &g->sync);
}

void coord__sync_begin(struct group *g, struct coord_step *step, int64_t timeout_ms)
{
    LIST_EACH(at, &g->members)
    {
        owes(LIST_ENTRY(at, struct member, link), true);
    }
    if (!BUG(KAFKA_12890))
        deadline_set(&g->coord->deadlines, &g->sync, step->now_ms + (uint64_t)timeout_ms);
}

void coord__sync_forget(struct group *g)
{
    LIST_EACH(at, &g->members)
    {
        owes(LIST_ENTRY(at, struct member, link), false);
    }
    deadline_cancel(&g->coord->deadlines, &g->sync);
}

void coord__sync_reset(struct group *g, struct coord_step *step, enum status status)
{
    LIST_EACH(at, &g->members)
    {
        struct member *m = LIST_ENTRY(at, struct member, link);

        (void)coord__member_assign(m, (struct bytes_view){NULL, 0}); /* to nothing: cannot fail */
        if (m->sync)
            coord__member_heard(m, step->now_ms);
        coord__sync_answer(m, step, status);
    }
}

void coord__sync_timeout(struct group *g, struct coord_step *step)
{
    if (!g->syncing) /* who owed one has left */
        return;
    for (struct list *at = g->members.next, *next; at != &g->members; at = next) {
        struct member *m = LIST_ENTRY(at, struct member, link);

        next = at->next;
        if (m->owes_sync)
            coord__member_remove(m, step, STR_LIT("sent no SyncGroup within the rebalance timeout"));
    }
    coord__rebalance_start(g, step);
}

/* Every member gets what the leader says, or nothing. False: no memory; some assignments may have changed, none was
 * told. */
static bool assign(struct group *g, const struct sync_group_request *in)
{
    LIST_EACH(at, &g->members)
    {
        (void)coord__member_assign(LIST_ENTRY(at, struct member, link), (struct bytes_view){NULL, 0});
    }
    for (int32_t i = 0; i < in->assignments_count; i++) {
        struct member *m = coord__member(g, in->assignments[i].member_id);

        if (m && !coord__member_assign(m, in->assignments[i].assignment))
            return false;
    }
    return true;
}

static void leader_synced(struct group *g, struct coord_step *step, const struct sync_group_request *in)
{
    coord__group_enter(g, GROUP_STABLE, step->wall_ms);
    if (!assign(g, in) || !coord__record_group(step, g)) {
        g->state = GROUP_COMPLETING;
        coord__sync_reset(g, step, STATUS_COORDINATOR_NOT_AVAILABLE);
        coord__rebalance_start(g, step);
        return;
    }
    LIST_EACH(at, &g->members)
    {
        struct member *m = LIST_ENTRY(at, struct member, link);
        struct coord_call *call = m->sync;

        if (!call)
            continue;
        m->sync = NULL;
        coord__member_heard(m, step->now_ms);
        answer_assignment(m, call, step);
    }
}

static bool differs(struct str_view asked, struct str_view has)
{
    return asked.data && has.data && !str_equal(asked, has);
}

static enum status check_sync(const struct group *g, const struct sync_group_request *in, int16_t version)
{
    enum status status;

    if (version >= PROTOCOL_REQUIRED_SINCE && (!in->protocol_type.data || !in->protocol_name.data))
        return STATUS_INCONSISTENT_GROUP_PROTOCOL;
    if (!in->group_id.size)
        return STATUS_INVALID_GROUP_ID;
    if (!g || g->kind != GROUP_CLASSIC || g->state == GROUP_EMPTY)
        return STATUS_UNKNOWN_MEMBER_ID;
    status = coord__member_check(g, in->member_id, in->group_instance_id);
    if (status)
        return status;
    if (in->generation_id != g->generation)
        return STATUS_ILLEGAL_GENERATION;
    if (differs(in->protocol_type, g->protocol_type) || differs(in->protocol_name, g->protocol))
        return STATUS_INCONSISTENT_GROUP_PROTOCOL;
    return coord__rules[g->state].sync;
}

void coord_sync(struct coord *c, struct coord_step *step, const struct sync_group_request *in, int16_t version,
                struct coord_call *call)
{
    struct group *g = coord__group(c, in->group_id);
    enum status status = check_sync(g, in, version);
    struct member *m;

    if (status) {
        answer(call, step, status);
        return;
    }
    m = coord__member(g, in->member_id);
    owes(m, false);
    if (g->state == GROUP_STABLE) {
        answer_assignment(m, call, step);
        return;
    }
    /* The same member asks again, on another connection: nobody waits for the older call any more, but it must end. */
    coord__sync_answer(m, step, STATUS_REBALANCE_IN_PROGRESS);
    m->sync = call;
    if (m == g->leader)
        leader_synced(g, step, in);
}

/* ---- Heartbeat ---- */

static enum status heartbeat(const struct coord *c, const struct coord_step *step, const struct heartbeat_request *in)
{
    struct group *g = coord__group(c, in->group_id);
    enum status status;

    if (!in->group_id.size)
        return STATUS_INVALID_GROUP_ID;
    if (!g || g->kind != GROUP_CLASSIC)
        return STATUS_UNKNOWN_MEMBER_ID;
    status = coord__member_check(g, in->member_id, in->group_instance_id);
    if (status)
        return status;
    if (in->generation_id != g->generation)
        return STATUS_ILLEGAL_GENERATION;
    coord__member_heard(coord__member(g, in->member_id), step->now_ms);
    return coord__rules[g->state].heartbeat;
}

void coord_heartbeat(struct coord *c, struct coord_step *step, const struct heartbeat_request *in,
                     struct coord_call *call)
{
    struct heartbeat_response *out = call->out;

    out->error_code = status_wire(heartbeat(c, step, in));
    list_push_back(&step->answers, &call->link);
}

/* ---- LeaveGroup ---- */

/* One member leaves; an administrator removes a static one by its instance id alone. */
static enum status leave(struct group *g, struct coord_step *step, const struct leave_group_request_member *who)
{
    struct member_id *id = coord__id(g, who->member_id);
    enum status status;
    struct member *m;

    if (!who->member_id.size) {
        m = who->group_instance_id.data ? coord__instance(g, who->group_instance_id) : NULL;
        if (!m)
            return STATUS_UNKNOWN_MEMBER_ID;
        coord__member_remove(m, step, who->reason.data ? who->reason : STR_LIT("was removed by its instance id"));
        return STATUS_OK;
    }
    if (id && !id->member) {
        coord__id_free(id);
        return STATUS_OK;
    }
    status = coord__member_check(g, who->member_id, who->group_instance_id);
    if (status)
        return status;
    coord__member_remove(id->member, step, who->reason.data ? who->reason : STR_LIT("left"));
    return STATUS_OK;
}

void coord_leave(struct coord *c, struct coord_step *step, const struct leave_group_request *in,
                 struct coord_call *call)
{
    struct group *g = coord__group(c, in->group_id);
    struct leave_group_response *out = call->out;
    bool left = false;

    list_push_back(&step->answers, &call->link);
    if (!in->group_id.size) {
        out->error_code = STATUS_INVALID_GROUP_ID;
        return;
    }
    out->members = arena_alloc(call->arena, (size_t)in->members_count, sizeof *out->members);
    if (!out->members) {
        out->error_code = STATUS_COORDINATOR_NOT_AVAILABLE;
        return;
    }
    out->members_count = in->members_count;
    for (int32_t i = 0; i < in->members_count; i++) {
        enum status status = g && g->kind == GROUP_CLASSIC ? leave(g, step, &in->members[i]) : STATUS_UNKNOWN_MEMBER_ID;

        leave_group_response_member_init(&out->members[i]);
        out->members[i].member_id = in->members[i].member_id;
        out->members[i].group_instance_id = in->members[i].group_instance_id;
        out->members[i].error_code = status_wire(status);
        left |= !status;
    }
    if (left && g->state != GROUP_EMPTY)
        coord__rebalance(g, step);
}
