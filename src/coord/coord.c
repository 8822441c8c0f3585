/* SPDX-License-Identifier: Apache-2.0
 * The coordinator as a whole: its life, its deadlines.
 */
#include "coord/coord_int.h"

/* Deadlines of one call of coord_tick, so that a turn of the loop stays short. */
#define TICK_DEADLINES_MAX 1000

struct coord *coord_new(const struct coord_config *config, uint64_t seed)
{
    struct coord *c = mem_alloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->config = *config;
    c->seed = seed;
    map_init(&c->groups, seed);
    list_init(&c->txn_offsets);
    return c;
}

void coord_free(struct coord *c)
{
    struct map_node *node;

    if (!c)
        return;
    while ((node = map_first(&c->groups)))
        coord__group_free(MAP_ENTRY(node, struct group, node));
    map_free(&c->groups);
    mem_free(c);
}

void coord_step_init(struct coord_step *step, uint64_t now_ms, int64_t wall_ms, struct arena *arena)
{
    *step = (struct coord_step){.now_ms = now_ms, .wall_ms = wall_ms, .arena = arena};
    list_init(&step->answers);
    list_init(&step->removals);
}

struct bytes_view coord__arena_bytes(struct arena *arena, struct bytes_view bytes)
{
    struct str_view copy = arena_str(arena, (struct str_view){bytes.data ? (const char *)bytes.data : "", bytes.size});

    return (struct bytes_view){(const uint8_t *)copy.data, copy.size};
}

static void loaded(struct group *g, struct coord_step *step)
{
    LIST_EACH(at, &g->members)
    {
        coord__member_heard(LIST_ENTRY(at, struct member, link), step->now_ms);
    }
    if (g->members_count > g->coord->config.group_size_max) /* the limit was lowered: who comes last stays out */
        coord__rebalance_start(g, step);
}

void coord_loaded(struct coord *c, struct coord_step *step)
{
    for (struct map_node *node = map_first(&c->groups); node; node = map_next(&c->groups, node))
        loaded(MAP_ENTRY(node, struct group, node), step);
}

uint64_t coord_deadline(const struct coord *c)
{
    return c->deadlines.earliest ? c->deadlines.earliest->at_ms : UINT64_MAX;
}

void coord_tick(struct coord *c, struct coord_step *step)
{
    struct deadline *due;

    for (int i = 0; i < TICK_DEADLINES_MAX && (due = deadline_take(&c->deadlines, step->now_ms)); i++) {
        switch (due->kind) {
        case DEADLINE_SESSION:
            coord__session_timeout(LIST_ENTRY(due, struct member_id, session), step);
            break;
        case DEADLINE_JOIN:
            coord__join_timeout(LIST_ENTRY(due, struct group, join), step);
            break;
        case DEADLINE_SYNC:
            coord__sync_timeout(LIST_ENTRY(due, struct group, sync), step);
            break;
        }
    }
}

static void resign(struct group *g, struct coord_step *step, enum status status)
{
    LIST_EACH(at, &g->members)
    {
        struct member *m = LIST_ENTRY(at, struct member, link);

        coord__join_answer(m, step, status, m->id->text);
        coord__sync_answer(m, step, status);
    }
}

void coord_resign(struct coord *c, struct coord_step *step, enum status status)
{
    for (struct map_node *node = map_first(&c->groups); node; node = map_next(&c->groups, node))
        resign(MAP_ENTRY(node, struct group, node), step, status);
}
