/* SPDX-License-Identifier: Apache-2.0
 * Members of a group, the ids that are handed out to them, and the protocol that they agree on.
 */
#include "coord/coord_int.h"

struct member_id *coord__id_new(struct group *g, struct str_view text)
{
    struct member_id *id = mem_crowded() ? NULL : mem_alloc(1, sizeof *id + text.size);
    char *bytes;

    if (!id)
        return NULL;
    bytes = (char *)(id + 1);
    if (text.size)
        memcpy(bytes, text.data, text.size);
    *id = (struct member_id){.group = g, .text = {bytes, text.size}};
    id->session.kind = DEADLINE_SESSION;
    if (!map_put(&g->ids, &id->node, bytes, text.size)) {
        mem_free(id);
        return NULL;
    }
    g->pending++;
    return id;
}

static void member_free(struct member *m)
{
    mem_free((void *)(uintptr_t)m->instance_id.data);
    mem_free((void *)(uintptr_t)m->client_id.data);
    mem_free((void *)(uintptr_t)m->client_host.data);
    mem_free((void *)(uintptr_t)m->assignment.data);
    mem_free(m->protocols);
    mem_free(m);
}

static void id_drop(struct member_id *id)
{
    deadline_cancel(&id->group->coord->deadlines, &id->session);
    map_remove(&id->group->ids, &id->node);
    mem_free(id);
}

/* Takes the member out of everything that counts it. */
static void member_unlink(struct member *m, struct group *g)
{
    ASSERT(!m->join && !m->sync);
    list_remove(&m->link);
    g->members_count--;
    if (m->owes_sync)
        g->syncing--;
    if (m->instance_id.data)
        map_remove(&g->instances, &m->instance);
    if (g->leader == m)
        g->leader = list_empty(&g->members) ? NULL : LIST_ENTRY(g->members.next, struct member, link);
}

void coord__id_free(struct member_id *id)
{
    struct member *m = id->member;

    if (m) {
        member_unlink(m, id->group);
        member_free(m);
    } else {
        id->group->pending--;
    }
    id_drop(id);
}

struct member_id *coord__id(const struct group *g, struct str_view text)
{
    struct map_node *node = map_get(&g->ids, text.data, text.size);

    return node ? MAP_ENTRY(node, struct member_id, node) : NULL;
}

struct member *coord__member(const struct group *g, struct str_view text)
{
    struct member_id *id = coord__id(g, text);

    return id ? id->member : NULL;
}

struct member *coord__instance(const struct group *g, struct str_view instance_id)
{
    struct map_node *node = map_get(&g->instances, instance_id.data, instance_id.size);

    return node ? MAP_ENTRY(node, struct member, instance) : NULL;
}

struct member *coord__member_new(struct group *g, struct member_id *id, const struct member *facts)
{
    struct member *m = mem_alloc(1, sizeof *m);

    if (!m)
        return NULL;
    m->id = id;
    m->session_timeout_ms = facts->session_timeout_ms;
    m->rebalance_timeout_ms = facts->rebalance_timeout_ms;
    if (!coord__text_set(&m->instance_id, facts->instance_id) || !coord__text_set(&m->client_id, facts->client_id) ||
        !coord__text_set(&m->client_host, facts->client_host) || !coord__member_assign(m, facts->assignment) ||
        !coord__member_protocols(m, facts->protocols, facts->protocols_count) ||
        (m->instance_id.data && !map_put(&g->instances, &m->instance, m->instance_id.data, m->instance_id.size))) {
        member_free(m);
        return NULL;
    }
    list_push_back(&g->members, &m->link);
    g->members_count++;
    g->pending--;
    id->member = m;
    if (!g->leader)
        g->leader = m;
    return m;
}

static void tell(const struct member *m, struct coord_step *step, struct str_view why)
{
    struct coord_removal *r = arena_alloc(step->arena, 1, sizeof *r);

    if (!r)
        return;
    r->group = arena_str(step->arena, m->id->group->id);
    r->member = arena_str(step->arena, m->id->text);
    r->client_id = arena_str(step->arena, m->client_id);
    r->host = arena_str(step->arena, m->client_host);
    r->why = arena_str(step->arena, why);
    if (r->group.data && r->member.data && r->client_id.data && r->host.data && r->why.data)
        list_push_back(&step->removals, &r->link);
}

void coord__member_remove(struct member *m, struct coord_step *step, struct str_view why)
{
    tell(m, step, why);
    coord__join_answer(m, step, STATUS_UNKNOWN_MEMBER_ID, STR_LIT(""));
    coord__sync_answer(m, step, STATUS_UNKNOWN_MEMBER_ID);
    coord__id_free(m->id);
}

/* The member keeps its place, its role and its assignment; who waits under the old id is fenced. */
bool coord__member_rename(struct member *m, struct str_view text, struct coord_step *step)
{
    struct member_id *old = m->id, *id = coord__id_new(old->group, text);

    if (!id)
        return false;
    coord__join_answer(m, step, STATUS_FENCED_INSTANCE_ID, old->text);
    coord__sync_answer(m, step, STATUS_FENCED_INSTANCE_ID);
    id->group->pending--;
    id->member = m;
    m->id = id;
    id_drop(old);
    return true;
}

enum status coord__member_check(const struct group *g, struct str_view id, struct str_view instance_id)
{
    if (instance_id.data) {
        const struct member *m = coord__instance(g, instance_id);

        if (!m)
            return STATUS_UNKNOWN_MEMBER_ID;
        if (!str_equal(m->id->text, id))
            return STATUS_FENCED_INSTANCE_ID;
    }
    return coord__member(g, id) ? STATUS_OK : STATUS_UNKNOWN_MEMBER_ID;
}

void coord__member_heard(struct member *m, uint64_t now_ms)
{
    deadline_set(&m->id->group->coord->deadlines, &m->id->session, now_ms + (uint64_t)m->session_timeout_ms);
}

bool coord__member_protocols(struct member *m, const struct member_protocol *protocols, int32_t count)
{
    size_t size = (size_t)count * sizeof *protocols;
    struct member_protocol *copy;
    uint8_t *bytes;

    for (int32_t i = 0; i < count; i++)
        size += protocols[i].name.size + protocols[i].metadata.size;
    copy = mem_alloc(1, size + 1); /* a view into it must not be null, however little there is */
    if (!copy)
        return false;
    bytes = (uint8_t *)(copy + count);
    for (int32_t i = 0; i < count; i++) {
        struct str_view name = protocols[i].name;
        struct bytes_view metadata = protocols[i].metadata;

        if (name.size)
            memcpy(bytes, name.data, name.size);
        copy[i].name = (struct str_view){(char *)bytes, name.size};
        bytes += name.size;
        if (metadata.size)
            memcpy(bytes, metadata.data, metadata.size);
        copy[i].metadata = (struct bytes_view){bytes, metadata.size};
        bytes += metadata.size;
    }
    mem_free(m->protocols);
    m->protocols = copy;
    m->protocols_count = count;
    return true;
}

bool coord__member_assign(struct member *m, struct bytes_view assignment)
{
    uint8_t *copy = NULL;

    if (assignment.size && !(copy = mem_copy(assignment.data, assignment.size)))
        return false;
    mem_free((void *)(uintptr_t)m->assignment.data);
    m->assignment = (struct bytes_view){copy, assignment.size};
    return true;
}

static struct member_protocol *member_protocol(const struct member *m, struct str_view name)
{
    for (int32_t i = 0; i < m->protocols_count; i++) {
        if (str_equal(m->protocols[i].name, name))
            return &m->protocols[i];
    }
    return NULL;
}

struct bytes_view coord__member_metadata(const struct member *m, struct str_view protocol)
{
    const struct member_protocol *p = member_protocol(m, protocol);

    return p ? p->metadata : (struct bytes_view){(const uint8_t *)"", 0};
}

bool coord__protocol_common(const struct group *g, struct str_view name)
{
    LIST_EACH(at, &g->members)
    {
        if (!member_protocol(LIST_ENTRY(at, struct member, link), name))
            return false;
    }
    return true;
}

/* Where java.util.HashMap has a string among a few: the order in which Kafka finds protocols with equal votes. */
static uint32_t bucket(struct str_view name)
{
    uint32_t hash = coord__java_hash(name);

    return (hash ^ hash >> 16) & 15;
}

static bool preferred(const struct member_protocol *a, const struct member_protocol *b)
{
    return a->votes != b->votes ? a->votes > b->votes : bucket(a->name) < bucket(b->name);
}

/* Each member votes for the first protocol of its list that all support; the most votes win. They are counted in the
 * first member's list, since what all support is in it. */
struct str_view coord__protocol_choose(struct group *g)
{
    struct member *first = LIST_ENTRY(g->members.next, struct member, link);
    const struct member_protocol *best = NULL;

    ASSERT(!list_empty(&g->members));
    for (int32_t i = 0; i < first->protocols_count; i++)
        first->protocols[i].votes = coord__protocol_common(g, first->protocols[i].name) ? 0 : -1;
    LIST_EACH(at, &g->members)
    {
        const struct member *m = LIST_ENTRY(at, struct member, link);

        for (int32_t i = 0; i < m->protocols_count; i++) {
            struct member_protocol *p = member_protocol(first, m->protocols[i].name);

            if (p && p->votes >= 0) {
                p->votes++;
                break;
            }
        }
    }
    for (int32_t i = 0; i < first->protocols_count; i++) {
        if (!best || preferred(&first->protocols[i], best))
            best = &first->protocols[i];
    }
    ASSERT(best && best->votes > 0);
    return best->name;
}
