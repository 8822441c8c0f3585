/* SPDX-License-Identifier: Apache-2.0
 * JoinGroup and the join phase: members come (or come back), the phase ends when all are there or the time is up, and
 * then a new generation begins with the members that are parked.
 *
 * A group that was empty waits initial_rebalance_delay_ms for more members, and again as long as more come, up to the
 * rebalance timeout of its members. Otherwise the phase lasts at most that timeout; dynamic members who did not come
 * back in it are removed, static ones stay.
 */
#include "base/bug.h"
#include "coord/coord_int.h"
#include "wire/api/join_group.h"

enum {
    MEMBER_ID_REQUIRED_SINCE = 4, /* versions of JoinGroup: KIP-394, KIP-814 */
    SKIP_ASSIGNMENT_SINCE = 9,
};

/* Until a join phase that nobody came to, or that there was no memory for, is tried again: at least this. */
#define RETRY_MS_MIN 1000

/* ---- answers ---- */

static void answer(struct coord_call *call, struct coord_step *step, enum status status, struct str_view member_id)
{
    struct join_group_response *out = call->out;

    out->error_code = status_wire(status);
    out->member_id = arena_str(call->arena, member_id);
    if (!out->member_id.data) {
        out->error_code = STATUS_COORDINATOR_NOT_AVAILABLE;
        out->member_id = STR_LIT("");
    }
    list_push_back(&step->answers, &call->link);
}

/* Takes a parked JoinGroup off the member; NULL: there is none. */
static struct coord_call *unpark(struct member *m)
{
    struct coord_call *call = m->join;

    if (call) {
        m->join = NULL;
        m->id->group->joining--;
    }
    return call;
}

static void park(struct member *m, struct coord_call *call, struct coord_step *step)
{
    /* The same member asks again, on another connection: nobody waits for the older call any more, but it must end. */
    coord__join_answer(m, step, STATUS_REBALANCE_IN_PROGRESS, m->id->text);
    m->join = call;
    m->id->group->joining++;
}

void coord__join_answer(struct member *m, struct coord_step *step, enum status status, struct str_view id)
{
    struct coord_call *call = unpark(m);

    if (call)
        answer(call, step, status, id);
}

/* What the leader gets to make the assignment from. */
static bool answer_members(const struct group *g, struct arena *arena, struct join_group_response *out)
{
    int32_t i = 0;

    out->members = arena_alloc(arena, (size_t)g->members_count, sizeof *out->members);
    if (!out->members)
        return false;
    out->members_count = g->members_count;
    LIST_EACH(at, &g->members)
    {
        const struct member *m = LIST_ENTRY(at, struct member, link);
        struct join_group_response_member *to = &out->members[i++];

        join_group_response_member_init(to);
        to->member_id = arena_str(arena, m->id->text);
        if (m->instance_id.data) {
            to->group_instance_id = arena_str(arena, m->instance_id);
            if (!to->group_instance_id.data)
                return false;
        }
        to->metadata = coord__arena_bytes(arena, coord__member_metadata(m, g->protocol));
        if (!to->member_id.data || !to->metadata.data)
            return false;
    }
    return true;
}

/* The generation as it is, told to a member; `leader`: who is said to be it. */
static void answer_generation(const struct member *m, struct coord_call *call, struct coord_step *step,
                              bool with_members, struct str_view leader)
{
    const struct group *g = m->id->group;
    struct join_group_response *out = call->out;

    out->generation_id = g->generation;
    out->protocol_type = arena_str(call->arena, g->protocol_type);
    out->protocol_name = arena_str(call->arena, g->protocol);
    out->leader = arena_str(call->arena, leader);
    if (!out->protocol_type.data || !out->protocol_name.data || !out->leader.data ||
        (with_members && !answer_members(g, call->arena, out))) {
        join_group_response_init(out);
        answer(call, step, STATUS_COORDINATOR_NOT_AVAILABLE, m->id->text);
        return;
    }
    answer(call, step, STATUS_OK, m->id->text);
}

/* ---- the join phase ---- */

static int64_t rebalance_timeout_ms(const struct group *g)
{
    int64_t longest = 0;

    LIST_EACH(at, &g->members)
    {
        const struct member *m = LIST_ENTRY(at, struct member, link);

        if (m->rebalance_timeout_ms > longest)
            longest = m->rebalance_timeout_ms;
    }
    return longest;
}

static bool all_joined(const struct group *g)
{
    return g->joining == g->members_count && g->pending == 0;
}

static void join_deadline(struct group *g, struct coord_step *step, int64_t delay_ms)
{
    deadline_set(&g->coord->deadlines, &g->join, step->now_ms + (uint64_t)delay_ms);
}

/* The joined leader stays; else a member that joined takes over. False: nobody has joined. */
static bool elect_leader(struct group *g)
{
    if (g->leader && g->leader->join)
        return true;
    LIST_EACH(at, &g->members)
    {
        struct member *m = LIST_ENTRY(at, struct member, link);

        if (m->join) {
            g->leader = m;
            return true;
        }
    }
    return false;
}

static void remove_absent(struct group *g, struct coord_step *step)
{
    for (struct list *at = g->members.next, *next; at != &g->members; at = next) {
        struct member *m = LIST_ENTRY(at, struct member, link);

        next = at->next;
        if (!m->join && !m->instance_id.data)
            coord__member_remove(m, step, STR_LIT("did not join again within the rebalance timeout"));
    }
}

static void next_generation(struct group *g, struct coord_step *step, enum group_state state)
{
    g->generation = g->generation == INT32_MAX ? 1 : g->generation + 1;
    g->initial = false;
    coord__group_enter(g, state, step->wall_ms);
}

static void begin_sync(struct group *g, struct coord_step *step)
{
    next_generation(g, step, GROUP_COMPLETING);
    LIST_EACH(at, &g->members)
    {
        struct member *m = LIST_ENTRY(at, struct member, link);
        struct coord_call *call = unpark(m);

        m->is_new = false;
        coord__member_heard(m, step->now_ms);
        if (call)
            answer_generation(m, call, step, m == g->leader, g->leader->id->text);
    }
    coord__sync_begin(g, step, rebalance_timeout_ms(g));
}

void coord__join_complete(struct group *g, struct coord_step *step)
{
    deadline_cancel(&g->coord->deadlines, &g->join);
    remove_absent(g, step);
    if (!g->members_count) {
        coord__text_set(&g->protocol, STR_NULL);
        next_generation(g, step, GROUP_EMPTY);
        /* Should there be no memory for the record, a restart brings the older generation back, and it times out. */
        (void)coord__record_group(step, g);
        return;
    }
    /* Static members may all be away, or there was no memory: later again. Sessions end what does not come back. */
    if (!elect_leader(g) || !coord__text_set(&g->protocol, coord__protocol_choose(g))) {
        int64_t delay = rebalance_timeout_ms(g);

        g->initial = false;
        join_deadline(g, step, delay < RETRY_MS_MIN ? RETRY_MS_MIN : delay);
        return;
    }
    begin_sync(g, step);
}

void coord__join_try(struct group *g, struct coord_step *step)
{
    if (g->state == GROUP_PREPARING && !g->initial && all_joined(g))
        coord__join_complete(g, step);
}

void coord__rebalance_start(struct group *g, struct coord_step *step)
{
    const struct coord_config *config = &g->coord->config;

    if (g->state == GROUP_COMPLETING)
        coord__sync_reset(g, step, STATUS_REBALANCE_IN_PROGRESS);
    coord__sync_forget(g);
    g->initial = g->state == GROUP_EMPTY;
    coord__group_enter(g, GROUP_PREPARING, step->wall_ms);
    if (g->initial) {
        int64_t left = rebalance_timeout_ms(g) - config->initial_rebalance_delay_ms;

        g->initial_grew = false;
        g->initial_delay_ms = config->initial_rebalance_delay_ms;
        g->initial_left_ms = left > 0 ? left : 0;
        join_deadline(g, step, g->initial_delay_ms);
    } else if (all_joined(g)) {
        coord__join_complete(g, step);
    } else {
        join_deadline(g, step, rebalance_timeout_ms(g));
    }
}

void coord__rebalance(struct group *g, struct coord_step *step)
{
    if (coord__rules[g->state].may_rebalance)
        coord__rebalance_start(g, step);
    else
        coord__join_try(g, step);
}

void coord__join_timeout(struct group *g, struct coord_step *step)
{
    if (g->initial && g->initial_grew && g->initial_left_ms) {
        int64_t delay = g->coord->config.initial_rebalance_delay_ms, left = g->initial_left_ms - g->initial_delay_ms;

        g->initial_grew = false;
        g->initial_delay_ms = delay < g->initial_left_ms ? delay : g->initial_left_ms;
        g->initial_left_ms = left > 0 ? left : 0;
        join_deadline(g, step, g->initial_delay_ms);
        return;
    }
    coord__join_complete(g, step);
}

/* Somebody is gone: the join phase may be complete without him, whatever kind it is; outside of it, one begins. */
static void shrunk(struct group *g, struct coord_step *step)
{
    if (g->state == GROUP_PREPARING && all_joined(g))
        coord__join_complete(g, step);
    else if (g->state == GROUP_STABLE || g->state == GROUP_COMPLETING)
        coord__rebalance(g, step);
}

void coord__session_timeout(struct member_id *id, struct coord_step *step)
{
    struct group *g = id->group;
    struct member *m = id->member;

    if (!m) {
        coord__id_free(id);
        if (g->state == GROUP_PREPARING)
            shrunk(g, step);
    } else if (m->is_new ||
               (!m->join && !m->sync)) { /* who is parked cannot heartbeat; a new one may have gone away unseen */
        coord__member_remove(m, step,
                             m->is_new ? STR_LIT("waited too long for the group to let it in")
                                       : STR_LIT("sent no heartbeat within its session timeout"));
        shrunk(g, step);
    }
}

/* ---- who joins ---- */

static bool facts_of(const struct join_group_request *in, const struct coord_client *client, struct arena *arena,
                     struct member *facts)
{
    *facts = (struct member){
        .instance_id = in->group_instance_id,
        .client_id = client->client_id.data ? client->client_id : STR_LIT(""),
        .client_host = client->host,
        .session_timeout_ms = in->session_timeout_ms,
        .rebalance_timeout_ms = client->version == 0 ? in->session_timeout_ms : in->rebalance_timeout_ms,
        .protocols = arena_alloc(arena, (size_t)in->protocols_count, sizeof *facts->protocols),
        .protocols_count = in->protocols_count,
    };
    for (int32_t i = 0; facts->protocols && i < in->protocols_count; i++) {
        facts->protocols[i].name = in->protocols[i].name;
        facts->protocols[i].metadata = in->protocols[i].metadata;
    }
    return facts->protocols;
}

/* "<client id or group.instance.id>-<uuid>", never longer than a string of the protocol may be. data NULL: no memory.
 */
static struct str_view new_member_id(const struct coord_client *client, struct str_view instance_id,
                                     struct arena *arena)
{
    struct str_view name = instance_id.data ? instance_id : client->client_id;
    const uint8_t *u = client->uuid.b;
    char tail[sizeof "-01234567-89ab-cdef-0123-456789abcdef"], *text;
    size_t tail_size = sizeof tail - 1;

    snprintf(tail, sizeof tail, "-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
    if (name.size > INT16_MAX - tail_size)
        name.size = INT16_MAX - tail_size;
    text = arena_alloc(arena, 1, name.size + tail_size);
    if (!text)
        return STR_NULL;
    if (name.size)
        memcpy(text, name.data, name.size);
    memcpy(text + name.size, tail, tail_size);
    return (struct str_view){text, name.size + tail_size};
}

/* Known members up to the limit; those who come while a join phase is on count by what has joined, so that a group that
 * is too large loses who comes last. */
static bool accepts(const struct group *g, struct str_view member_id)
{
    const struct member *m = coord__member(g, member_id);
    int32_t max = g->coord->config.group_size_max;

    switch (g->state) {
    case GROUP_EMPTY:
        return true;
    case GROUP_PREPARING:
        return (m && m->join) || g->joining < max;
    case GROUP_COMPLETING:
    case GROUP_STABLE:
        return m || g->members_count < max;
    }
    return false;
}

static bool supports(const struct group *g, const struct join_group_request *in)
{
    if (g->state == GROUP_EMPTY)
        return in->protocol_type.size && in->protocols_count;
    if (!str_equal(g->protocol_type, in->protocol_type))
        return false;
    for (int32_t i = 0; i < in->protocols_count; i++) {
        if (coord__protocol_common(g, in->protocols[i].name))
            return true;
    }
    return false;
}

static bool same_protocols(const struct member *m, const struct join_group_request *in)
{
    if (m->protocols_count != in->protocols_count)
        return false;
    for (int32_t i = 0; i < m->protocols_count; i++) {
        struct bytes_view a = m->protocols[i].metadata, b = in->protocols[i].metadata;

        if (!str_equal(m->protocols[i].name, in->protocols[i].name) || a.size != b.size ||
            (a.size && memcmp(a.data, b.data, a.size)))
            return false;
    }
    return true;
}

/* A request that may change the group: what the functions below share. */
struct joining {
    struct group *group;
    struct coord_step *step;
    const struct join_group_request *in;
    const struct coord_client *client;
    struct coord_call *call;
    struct member facts;
};

static void refuse(struct joining *j, enum status status, struct str_view member_id)
{
    answer(j->call, j->step, status, member_id);
}

static void add_member(struct joining *j, struct member_id *id)
{
    struct group *g = j->group;
    struct member *m;

    if (!g->members_count && !coord__text_set(&g->protocol_type, j->in->protocol_type)) {
        refuse(j, STATUS_COORDINATOR_NOT_AVAILABLE, id->text);
        return;
    }
    m = coord__member_new(g, id, &j->facts);
    if (!m) {
        refuse(j, STATUS_COORDINATOR_NOT_AVAILABLE, id->text);
        return;
    }
    m->is_new = true;
    if (g->initial)
        g->initial_grew = true;
    park(m, j->call, j->step);
    deadline_set(&g->coord->deadlines, &id->session, j->step->now_ms + NEW_MEMBER_JOIN_TIMEOUT_MS);
    coord__rebalance(g, j->step);
}

static bool update_member(struct joining *j, struct member *m)
{
    if (!coord__member_protocols(m, j->facts.protocols, j->facts.protocols_count)) {
        refuse(j, STATUS_COORDINATOR_NOT_AVAILABLE, m->id->text);
        return false;
    }
    m->session_timeout_ms = j->facts.session_timeout_ms;
    m->rebalance_timeout_ms = j->facts.rebalance_timeout_ms;
    return true;
}

static void update_and_rebalance(struct joining *j, struct member *m)
{
    if (!update_member(j, m))
        return;
    park(m, j->call, j->step);
    coord__rebalance(j->group, j->step);
}

/* The static member of this instance id came back under a new id while the group is stable. When the choice of the
 * protocol stays, so does the generation: it only has to be written down who he is now. */
static void replace_in_stable(struct joining *j, struct member *m, struct str_view old_leader)
{
    struct group *g = j->group;
    bool leads = g->leader == m, skips = j->client->version >= SKIP_ASSIGNMENT_SINCE;
    struct join_group_response *out = j->call->out;

    if (!str_equal(coord__protocol_choose(g), g->protocol)) {
        park(m, j->call, j->step);
        coord__rebalance(g, j->step);
        return;
    }
    if (!BUG(KAFKA_10284) && !coord__record_group(j->step, g)) {
        refuse(j, STATUS_COORDINATOR_NOT_AVAILABLE, STR_LIT(""));
        return;
    }
    out->skip_assignment = skips && leads;
    /* Before version 9 a returning leader is told the id of the old one, so that he does not assign again. */
    answer_generation(m, j->call, j->step, skips && leads, skips ? g->leader->id->text : old_leader);
}

static void replace_static(struct joining *j, struct member *m, struct str_view new_id)
{
    struct group *g = j->group;
    struct str_view old_leader = arena_str(j->call->arena, g->leader->id->text);

    if (!old_leader.data || !coord__member_rename(m, new_id, j->step)) {
        refuse(j, STATUS_COORDINATOR_NOT_AVAILABLE, STR_LIT(""));
        return;
    }
    coord__member_heard(m, j->step->now_ms);
    if (!update_member(j, m))
        return;
    ASSERT(g->state != GROUP_EMPTY);
    switch (g->state) {
    case GROUP_STABLE:
        replace_in_stable(j, m, old_leader);
        return;
    case GROUP_COMPLETING: /* the leader may be assigning to the old id at this moment */
        if (BUG(KAFKA_9801)) {
            replace_in_stable(j, m, old_leader);
            return;
        }
        park(m, j->call, j->step);
        coord__rebalance_start(g, j->step);
        return;
    case GROUP_PREPARING:
        park(m, j->call, j->step);
        coord__join_try(g, j->step);
        return;
    case GROUP_EMPTY:
        return;
    }
}

static void join_new(struct joining *j)
{
    struct group *g = j->group;
    struct str_view instance_id = j->in->group_instance_id, text;
    struct member *known = instance_id.data ? coord__instance(g, instance_id) : NULL;
    struct member_id *id;

    if (!supports(g, j->in)) {
        refuse(j, STATUS_INCONSISTENT_GROUP_PROTOCOL, STR_LIT(""));
        return;
    }
    text = new_member_id(j->client, instance_id, j->call->arena);
    if (text.data && known) {
        replace_static(j, known, text);
        return;
    }
    if (g->pending >= PENDING_IDS_MAX) {
        refuse(j, STATUS_GROUP_MAX_SIZE_REACHED, STR_LIT(""));
        return;
    }
    id = text.data ? coord__id_new(g, text) : NULL;
    if (!id) {
        refuse(j, STATUS_COORDINATOR_NOT_AVAILABLE, STR_LIT(""));
    } else if (instance_id.data || j->client->version < MEMBER_ID_REQUIRED_SINCE) {
        add_member(j, id);
        if (!id->member)
            coord__id_free(id);
    } else {
        deadline_set(&g->coord->deadlines, &id->session, j->step->now_ms + (uint64_t)j->in->session_timeout_ms);
        refuse(j, STATUS_MEMBER_ID_REQUIRED, text);
    }
}

static void join_again(struct joining *j)
{
    struct group *g = j->group;
    struct str_view text = j->in->member_id;
    struct member_id *id = coord__id(g, text);
    enum status status;
    struct member *m;

    if (!supports(g, j->in)) {
        refuse(j, STATUS_INCONSISTENT_GROUP_PROTOCOL, text);
        return;
    }
    if (id && !id->member) { /* ids are handed out to dynamic members only */
        if (j->in->group_instance_id.data)
            refuse(j, STATUS_UNKNOWN_SERVER_ERROR, text);
        else
            add_member(j, id);
        return;
    }
    status = coord__member_check(g, text, j->in->group_instance_id);
    if (status) {
        refuse(j, status, text);
        return;
    }
    m = id->member;
    ASSERT(g->state != GROUP_EMPTY);
    switch (g->state) {
    case GROUP_PREPARING:
        update_and_rebalance(j, m);
        return;
    case GROUP_COMPLETING: /* with the same metadata he just did not get the answer */
        if (same_protocols(m, j->in))
            answer_generation(m, j->call, j->step, m == g->leader, g->leader->id->text);
        else
            update_and_rebalance(j, m);
        return;
    case GROUP_STABLE: /* a leader joins again when what it assigns has changed */
        if (m != g->leader && same_protocols(m, j->in))
            answer_generation(m, j->call, j->step, false, g->leader->id->text);
        else
            update_and_rebalance(j, m);
        return;
    case GROUP_EMPTY:
        return;
    }
}

static void join(struct joining *j)
{
    struct member_id *id = coord__id(j->group, j->in->member_id);

    if (!facts_of(j->in, j->client, j->call->arena, &j->facts)) {
        refuse(j, STATUS_COORDINATOR_NOT_AVAILABLE, j->in->member_id);
    } else if (!accepts(j->group, j->in->member_id)) {
        if (id && id->member)
            coord__member_remove(id->member, j->step, STR_LIT("the group is full"));
        else if (id)
            coord__id_free(id);
        refuse(j, STATUS_GROUP_MAX_SIZE_REACHED, STR_LIT(""));
    } else if (j->in->member_id.size) {
        join_again(j);
    } else {
        join_new(j);
    }
}

/* A group exists from its first JoinGroup on, also on disk: the answer, or the id that it hands out, must survive a
 * restart. */
static void join_first(struct joining *j, struct coord *c)
{
    struct group *g = coord__group_new(c, j->in->group_id, j->step->wall_ms);

    if (!g || !coord__record_group(j->step, g)) {
        if (g)
            coord__group_free(g);
        refuse(j, STATUS_COORDINATOR_NOT_AVAILABLE, j->in->member_id);
        return;
    }
    j->group = g;
    join(j);
}

void coord_join(struct coord *c, struct coord_step *step, const struct join_group_request *in,
                const struct coord_client *client, struct coord_call *call)
{
    struct joining j = {.group = coord__group(c, in->group_id), .step = step, .in = in, .client = client, .call = call};
    const struct coord_config *config = &c->config;

    if (!in->group_id.size)
        refuse(&j, STATUS_INVALID_GROUP_ID, in->member_id);
    else if (in->session_timeout_ms < config->session_timeout_min_ms ||
             in->session_timeout_ms > config->session_timeout_max_ms)
        refuse(&j, STATUS_INVALID_SESSION_TIMEOUT, in->member_id);
    else if (j.group && j.group->kind != GROUP_CLASSIC)
        refuse(&j, STATUS_INCONSISTENT_GROUP_PROTOCOL, STR_LIT(""));
    else if (j.group)
        join(&j);
    else if (in->member_id.size)
        refuse(&j, STATUS_UNKNOWN_MEMBER_ID, in->member_id);
    else
        join_first(&j, c);
}
