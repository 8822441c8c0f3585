/* SPDX-License-Identifier: Apache-2.0
 * The shell around the group coordinators (coord/coord.h): a coordinator for each partition of __consumer_offsets that
 * this shard owns, with its loading, its appends, its timer, and the requests that visit it.
 *
 * A request makes a tour: it visits the coordinator of each of its groups in turn, on whatever shard that is, and is
 * answered when the last visit is over. A visit is one step of the coordinator; it is over when the coordinator has
 * answered and everything that was appended before that is durable. Most tours have one stop.
 *
 *   handler ─ groups_tour ─→ [ move to the stop's shard ─→ visit ─→ (parked) ─→ answered ─→ durable ] … ─→ reply
 *                                      └→ refuse: no coordinator there, still loading, append failed
 */
#ifndef BROKER_GROUPS_H
#define BROKER_GROUPS_H

#include "broker/request.h"
#include "coord/coord.h"

struct groups;
struct tour;

/* What an API does on its tour. */
struct tour_verb {
    /* One stop: a call into the coordinator that ends with tour->call among the answers of the step, now or later. Runs
     * on the coordinator's shard. */
    void (*visit)(struct tour *tour, struct coord *coord, struct coord_step *step);
    /* The stop has this answer instead, whatever `visit` has left in `out`. */
    void (*refuse)(struct tour *tour, enum status status);
    /* The last hand at `out` before it is sent; NULL: none. False: no memory, the connection is closed. */
    bool (*finish)(struct tour *tour);
};

struct tour {
    struct coord_call call; /* call.arena: takes answers of any size, freed after the reply */
    struct request *request;
    const struct tour_verb *verb;
    void *out; /* the API's response; also call.out */
    size_t at; /* the stop that the request is at */
    /* private */
    struct arena arena;
    struct tour_stop *stops;
    size_t stops_count;
    uint64_t barrier; /* the coordinator's last append that must be durable */
};

/* Makes the tour (r->state): `groups` are the group ids of the stops, in order. Call it last. */
void groups_tour(struct request *r, const struct tour_verb *verb, void *out, const struct str_view *groups,
                 size_t count);
/* The same to all coordinators there are. */
void groups_tour_all(struct request *r, const struct tour_verb *verb, void *out);

/* What their coordinators hold: a user of memory (memory.h). Groups, members and offsets that are there may take what is left of it when no new ones are let in. */
size_t groups_memory(const struct groups *g);

/* The machine of a partition's coordinator, to look at: NULL unless it is active and all that it appended is durable. */
const struct coord *groups_coord(const struct groups *g, int32_t index);

/* Ends a visit whose answer is there at once. */
static inline void tour_answered(struct tour *tour, struct coord_step *step)
{
    list_push_back(&step->answers, &tour->call.link);
}

#endif
