/* SPDX-License-Identifier: Apache-2.0
 * See lanes.h.
 */
#include "rt/lanes.h"

#include "base/assert.h"

bool lanes_init(struct lanes *lanes)
{
    struct map_node node;
    bool made;

    map_init(&lanes->held, 0); /* the keys are addresses of ours: nobody chooses collisions */
    made = map_put(&lanes->held, &node, "", 0);
    if (made)
        map_remove(&lanes->held, &node);
    return made;
}

void lanes_free(struct lanes *lanes)
{
    map_free(&lanes->held);
}

static void lanes_hold(struct lanes *lanes, struct io_job *job)
{
    bool put = map_put(&lanes->held, &job->lane_node, &job->lane, sizeof job->lane);

    ASSERT(put); /* lanes_init made the table, and one that cannot grow still works */
}

bool lanes_enter(struct lanes *lanes, struct io_job *job)
{
    struct map_node *holder;

    list_init(&job->lane_waiting);
    if (!job->lane)
        return true;
    holder = map_get(&lanes->held, &job->lane, sizeof job->lane);
    if (!holder) {
        lanes_hold(lanes, job);
        return true;
    }
    list_push_back(&MAP_ENTRY(holder, struct io_job, lane_node)->lane_waiting, &job->link);
    return false;
}

struct io_job *lanes_pass(struct lanes *lanes, struct io_job *job)
{
    struct io_job *next;

    if (!job->lane)
        return NULL;
    map_remove(&lanes->held, &job->lane_node);
    if (list_empty(&job->lane_waiting))
        return NULL;
    next = LIST_ENTRY(list_pop_front(&job->lane_waiting), struct io_job, link);
    list_move_all(&next->lane_waiting, &job->lane_waiting);
    lanes_hold(lanes, next);
    return next;
}
