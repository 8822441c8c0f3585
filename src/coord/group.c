/* SPDX-License-Identifier: Apache-2.0
 * Groups: what their states allow, how they come and go.
 */
#include "base/reader.h"
#include "coord/coord_int.h"

const struct group_rules coord__rules[] = {
    [GROUP_EMPTY] = {"Empty", true, STATUS_UNKNOWN_MEMBER_ID, STATUS_UNKNOWN_MEMBER_ID, STATUS_OK, STATUS_OK},
    [GROUP_PREPARING] = {"PreparingRebalance", false, STATUS_REBALANCE_IN_PROGRESS, STATUS_REBALANCE_IN_PROGRESS,
                         STATUS_OK, STATUS_NON_EMPTY_GROUP},
    [GROUP_COMPLETING] = {"CompletingRebalance", true, STATUS_OK, STATUS_OK, STATUS_REBALANCE_IN_PROGRESS,
                          STATUS_NON_EMPTY_GROUP},
    [GROUP_STABLE] = {"Stable", true, STATUS_OK, STATUS_OK, STATUS_OK, STATUS_NON_EMPTY_GROUP},
};

struct group *coord__group(const struct coord *c, struct str_view id)
{
    struct map_node *node = map_get(&c->groups, id.data, id.size);

    return node ? MAP_ENTRY(node, struct group, node) : NULL;
}

struct group *coord__group_new(struct coord *c, struct str_view id, int64_t wall_ms)
{
    struct group *g = mem_crowded() ? NULL : mem_alloc(1, sizeof *g + id.size);
    char *text;

    if (!g)
        return NULL;
    text = (char *)(g + 1);
    if (id.size)
        memcpy(text, id.data, id.size);
    *g = (struct group){.coord = c, .id = {text, id.size}, .state_wall_ms = wall_ms};
    g->join.kind = DEADLINE_JOIN;
    g->sync.kind = DEADLINE_SYNC;
    list_init(&g->members);
    map_init(&g->ids, c->seed);
    map_init(&g->instances, c->seed);
    map_init(&g->topics, c->seed);
    if (!map_put(&c->groups, &g->node, text, id.size)) {
        mem_free(g);
        return NULL;
    }
    return g;
}

static void txn_offsets_free(struct group *g)
{
    struct list *head = &g->coord->txn_offsets;

    for (struct list *at = head->next, *next; g->txn_offsets && at != head; at = next) {
        struct txn_offset *t = LIST_ENTRY(at, struct txn_offset, link);

        next = at->next;
        if (t->group == g)
            coord__txn_offset_free(t);
    }
}

void coord__group_free(struct group *g)
{
    struct map_node *node;

    while ((node = map_first(&g->ids)))
        coord__id_free(MAP_ENTRY(node, struct member_id, node));
    ASSERT(list_empty(&g->members));
    map_free(&g->ids);
    map_free(&g->instances);
    txn_offsets_free(g);
    coord__offsets_free(g);
    deadline_cancel(&g->coord->deadlines, &g->join);
    deadline_cancel(&g->coord->deadlines, &g->sync);
    coord__text_set(&g->protocol_type, STR_NULL);
    coord__text_set(&g->protocol, STR_NULL);
    map_remove(&g->coord->groups, &g->node);
    mem_free(g);
}

void coord__group_enter(struct group *g, enum group_state state, int64_t wall_ms)
{
    ASSERT(state != GROUP_PREPARING || coord__rules[g->state].may_rebalance);
    g->previous = g->state;
    g->state = state;
    g->state_wall_ms = wall_ms;
}

bool coord__text_set(struct str_view *field, struct str_view text)
{
    char *copy = NULL;

    if (text.data && !(copy = mem_copy(text.data, text.size)))
        return false;
    mem_free((void *)(uintptr_t)field->data);
    *field = (struct str_view){copy, text.size};
    return true;
}

/* Whether a subscription of the consumer protocol (its version 0, the prefix of all) names the topic. True when it does
 * not decode: then we do not know, and must not take offsets away. */
static bool subscription_names(struct bytes_view subscription, struct str_view topic)
{
    struct reader r;
    int32_t count;

    reader_init(&r, subscription.data, subscription.size);
    reader_i16(&r);
    count = reader_count(&r, 2);
    for (int32_t i = 0; i < count && !r.bad; i++) {
        if (str_equal(reader_str(&r), topic))
            return true;
    }
    return r.bad || count < 0;
}

bool coord__group_reads(const struct group *g, struct str_view topic)
{
    if (!str_is(g->protocol_type, "consumer"))
        return false;
    LIST_EACH(at, &g->members)
    {
        const struct member *m = LIST_ENTRY(at, struct member, link);

        if (!g->protocol.data || subscription_names(coord__member_metadata(m, g->protocol), topic))
            return true;
    }
    return false;
}
