/* SPDX-License-Identifier: Apache-2.0
 * See transactions.h. */
#include "partition/transactions.h"

#include "base/assert.h"
#include "base/mem.h"

enum { CAPACITY_FIRST = 4 };

void transactions_free(struct transactions *set)
{
    mem_free(set->list);
    *set = (struct transactions){0};
}

bool transactions_reserve(struct transactions *set)
{
    uint32_t capacity = set->capacity ? set->capacity * 2 : CAPACITY_FIRST;
    struct transaction *list;

    if (set->count < set->capacity)
        return true;
    list = mem_resize(set->list, capacity, sizeof *list);
    if (!list)
        return false;
    set->list = list;
    set->capacity = capacity;
    return true;
}

void transactions_begin(struct transactions *set, int64_t producer_id, int64_t first_offset)
{
    size_t at = set->count;

    ASSERT(set->count < set->capacity);
    for (; at && set->list[at - 1].first_offset > first_offset; at--) /* only a snapshot tells them in another order */
        set->list[at] = set->list[at - 1];
    set->list[at] = (struct transaction){producer_id, first_offset, -1};
    set->count++;
}

/* Where the last stable offset is once `ended` has its marker: at the first one that stays open, or right behind the marker. */
static int64_t stable_after(const struct transactions *set, const struct transaction *ended)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->list[i].last_offset < 0)
            return set->list[i].first_offset;
    }
    return ended->last_offset + 1;
}

bool transactions_end(struct transactions *set, int64_t producer_id, int64_t marker_offset, struct aborted *out)
{
    for (size_t i = 0; i < set->count; i++) {
        struct transaction *t = &set->list[i];

        if (t->producer_id != producer_id || t->last_offset >= 0)
            continue;
        t->last_offset = marker_offset;
        *out = (struct aborted){producer_id, t->first_offset, marker_offset, stable_after(set, t)};
        return true;
    }
    return false;
}

void transactions_settle(struct transactions *set, int64_t durable)
{
    uint32_t kept = 0;

    for (size_t i = 0; i < set->count; i++) {
        if (set->list[i].last_offset < 0 || set->list[i].last_offset >= durable)
            set->list[kept++] = set->list[i];
    }
    set->count = kept;
}

int64_t transactions_stable(const struct transactions *set, int64_t limit)
{
    return set->count && set->list[0].first_offset < limit ? set->list[0].first_offset : limit;
}
