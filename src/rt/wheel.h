/* SPDX-License-Identifier: Apache-2.0
 * A shard's timers: a hierarchical wheel. Setting and cancelling cost the same however many there are; no tick runs
 * while nothing is due.
 *
 * Level n has 64 slots of 64^n ms. A timer stands in the level of the highest 6-bit digit in which its deadline differs from `now`, in
 * the slot that this digit names. Invariant: that is true of every timer at every moment, so where a timer stands follows from
 * its deadline alone, and all slots in use of a level lie after now's own digit. When time enters a slot of a level above 0 its timers
 * move down; when it enters one of level 0 they are due. What was set for a past moment stands in `due`.
 */
#ifndef RT_WHEEL_H
#define RT_WHEEL_H

#include "rt/shard.h"

enum { WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = (64 + WHEEL_BITS - 1) / WHEEL_BITS };

struct wheel {
    uint64_t now_ms;
    uint64_t used[WHEEL_LEVELS]; /* a bit a slot that is not empty */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
    struct list due;
};

#define WHEEL_NEVER UINT64_MAX

void wheel_init(struct wheel *wheel, uint64_t now_ms);
void wheel_add(struct wheel *wheel, struct timer *timer); /* its deadline is set; it is not in the wheel */
void wheel_remove(struct wheel *wheel, struct timer *timer);

/* Moves time on (never back) and appends the timers that are due to `fired`, in order of their deadlines. */
void wheel_advance(struct wheel *wheel, uint64_t now_ms, struct list *fired);

/* When wheel_advance should be called next, at the latest: the next deadline or, before it, the moment when timers move down a level. */
uint64_t wheel_next_ms(const struct wheel *wheel);

#endif
