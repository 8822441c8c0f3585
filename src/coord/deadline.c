/* SPDX-License-Identifier: Apache-2.0
 * See deadline.h. Fredman, Sedgewick, Sleator, Tarjan: The pairing heap (1986).
 */
#include "coord/deadline.h"

#include <stddef.h>

/* Two heaps into one: the later root becomes the first child of the earlier. */
static struct deadline *meld(struct deadline *a, struct deadline *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->at_ms < a->at_ms) {
        struct deadline *swap = a;
        a = b;
        b = swap;
    }
    b->next = a->child;
    b->prev = a;
    if (a->child)
        a->child->prev = b;
    a->child = b;
    return a;
}

/* The children of a removed node into one heap: pairs from left to right, then the pairs from right to left. */
static struct deadline *meld_children(struct deadline *child)
{
    struct deadline *pairs = NULL, *all = NULL;

    while (child) {
        struct deadline *a = child, *b = a->next;

        child = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct deadline *a = pairs;

        pairs = a->next;
        a->next = NULL;
        all = meld(all, a);
    }
    return all;
}

static void unlink_node(struct deadline *node)
{
    if (node->prev->child == node)
        node->prev->child = node->next;
    else
        node->prev->next = node->next;
    if (node->next)
        node->next->prev = node->prev;
}

void deadline_cancel(struct deadlines *heap, struct deadline *deadline)
{
    struct deadline *children;

    if (!deadline->armed)
        return;
    children = meld_children(deadline->child);
    if (heap->earliest == deadline) {
        heap->earliest = children;
    } else {
        unlink_node(deadline);
        heap->earliest = meld(heap->earliest, children);
    }
    deadline->child = deadline->next = deadline->prev = NULL;
    deadline->armed = false;
}

void deadline_set(struct deadlines *heap, struct deadline *deadline, uint64_t at_ms)
{
    deadline_cancel(heap, deadline);
    deadline->at_ms = at_ms;
    deadline->armed = true;
    heap->earliest = meld(heap->earliest, deadline);
}

struct deadline *deadline_take(struct deadlines *heap, uint64_t now_ms)
{
    struct deadline *due = heap->earliest;

    if (!due || due->at_ms > now_ms)
        return NULL;
    deadline_cancel(heap, due);
    return due;
}
