/* SPDX-License-Identifier: Apache-2.0
 * Deadlines in order of time: a pairing heap whose links live in the objects that wait.
 *
 * A heartbeat moves one deadline and a coordinator may hold a hundred thousand of them, so setting one takes constant
 * time, allocates nothing and cannot fail; taking the earliest is O(log n), amortised.
 */
#ifndef COORD_DEADLINE_H
#define COORD_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

enum deadline_kind {
    DEADLINE_SESSION, /* of a member_id: the member was not heard of */
    DEADLINE_JOIN,    /* of a group: the join phase has lasted long enough */
    DEADLINE_SYNC,    /* of a group: so has the sync phase */
};

struct deadline {                         /* zeroed: not armed; only `kind` is the owner's to set */
    struct deadline *child, *next, *prev; /* prev: the left sibling, or the parent of a first child */
    uint64_t at_ms;
    bool armed;
    enum deadline_kind kind;
};

struct deadlines {
    struct deadline *earliest;
};

void deadline_set(struct deadlines *heap, struct deadline *deadline, uint64_t at_ms); /* again: moves it */
void deadline_cancel(struct deadlines *heap, struct deadline *deadline); /* harmless when it is not armed */

/* The earliest one that is due, disarmed; NULL: none is. */
struct deadline *deadline_take(struct deadlines *heap, uint64_t now_ms);

#endif
