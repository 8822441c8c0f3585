/* SPDX-License-Identifier: Apache-2.0
 * See wheel.h.
 */
#include "rt/wheel.h"

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
    *wheel = (struct wheel){.now_ms = now_ms};
    list_init(&wheel->due);
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    }
}

/* Only for deadlines after now. */
static unsigned wheel_level(const struct wheel *wheel, uint64_t deadline_ms)
{
    return (63 - (unsigned)__builtin_clzll(deadline_ms ^ wheel->now_ms)) / WHEEL_BITS;
}

static unsigned wheel_slot(unsigned level, uint64_t deadline_ms)
{
    return (unsigned)(deadline_ms >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1);
}

void wheel_add(struct wheel *wheel, struct timer *timer)
{
    if (timer->deadline_ms <= wheel->now_ms) {
        list_push_back(&wheel->due, &timer->link);
    } else {
        unsigned level = wheel_level(wheel, timer->deadline_ms), slot = wheel_slot(level, timer->deadline_ms);
        list_push_back(&wheel->slots[level][slot], &timer->link);
        wheel->used[level] |= UINT64_C(1) << slot;
    }
}

void wheel_remove(struct wheel *wheel, struct timer *timer)
{
    list_remove(&timer->link);
    if (timer->deadline_ms > wheel->now_ms) {
        unsigned level = wheel_level(wheel, timer->deadline_ms), slot = wheel_slot(level, timer->deadline_ms);
        if (list_empty(&wheel->slots[level][slot]))
            wheel->used[level] &= ~(UINT64_C(1) << slot);
    }
}

/* The moment at which time enters the next slot in use, which is in the lowest level that has any; *level, *slot: which. */
static uint64_t wheel_next_slot(const struct wheel *wheel, unsigned *level, unsigned *slot)
{
    for (unsigned n = 0; n < WHEEL_LEVELS; n++) {
        if (wheel->used[n]) {
            unsigned shift = n * WHEEL_BITS, above = shift + WHEEL_BITS;
            uint64_t high = above < 64 ? wheel->now_ms >> above << above : 0;
            *level = n;
            *slot = (unsigned)__builtin_ctzll(wheel->used[n]);
            return high | (uint64_t)*slot << shift;
        }
    }
    return WHEEL_NEVER;
}

void wheel_advance(struct wheel *wheel, uint64_t now_ms, struct list *fired)
{
    unsigned level, slot;

    list_move_all(fired, &wheel->due);
    for (uint64_t next; (next = wheel_next_slot(wheel, &level, &slot)) <= now_ms && next != WHEEL_NEVER;) {
        struct list moving;
        list_init(&moving);
        list_move_all(&moving, &wheel->slots[level][slot]);
        wheel->used[level] &= ~(UINT64_C(1) << slot);
        wheel->now_ms = next;
        for (struct list *node; (node = list_pop_front(&moving));)
            wheel_add(wheel, LIST_ENTRY(node, struct timer, link));
        list_move_all(fired, &wheel->due);
    }
    if (now_ms > wheel->now_ms)
        wheel->now_ms = now_ms;
}

uint64_t wheel_next_ms(const struct wheel *wheel)
{
    unsigned level, slot;

    return list_empty(&wheel->due) ? wheel_next_slot(wheel, &level, &slot) : wheel->now_ms;
}
