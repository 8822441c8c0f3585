/* SPDX-License-Identifier: Apache-2.0
 * Offsets that were committed in a transaction: read from the log of a broker that has transactions, and held back
 * until the transaction's end is read. None is made here.
 */
#include "coord/coord_int.h"

void coord__txn_offset_free(struct txn_offset *t)
{
    t->group->txn_offsets--;
    list_remove(&t->link);
    (void)coord__text_set(&t->value.metadata, STR_NULL);
    mem_free(t);
}

enum status coord__txn_offset_add(struct group *g, int64_t producer_id, struct str_view topic, int32_t partition,
                                  const struct offset_value *value)
{
    struct txn_offset *t = mem_alloc(1, sizeof *t + topic.size);
    char *text;

    if (!t)
        return STATUS_NO_MEMORY;
    text = (char *)(t + 1);
    if (topic.size)
        memcpy(text, topic.data, topic.size);
    *t = (struct txn_offset){
        .producer_id = producer_id, .group = g, .topic = {text, topic.size}, .partition = partition, .value = *value};
    t->value.metadata = STR_NULL;
    if (!coord__text_set(&t->value.metadata, value->metadata)) {
        mem_free(t);
        return STATUS_NO_MEMORY;
    }
    list_push_back(&g->coord->txn_offsets, &t->link);
    g->txn_offsets++;
    return STATUS_OK;
}

void coord__txn_offsets_remove(struct group *g, struct str_view topic, int32_t partition)
{
    struct list *head = &g->coord->txn_offsets;

    for (struct list *at = head->next, *next; g->txn_offsets && at != head; at = next) {
        struct txn_offset *t = LIST_ENTRY(at, struct txn_offset, link);

        next = at->next;
        if (t->group == g && t->partition == partition && str_equal(t->topic, topic))
            coord__txn_offset_free(t);
    }
}

/* An offset that was committed later, outside of the transaction, is not overwritten. */
static enum status apply(const struct txn_offset *t)
{
    struct offset *o = coord__offset_make(t->group, t->topic, t->partition);

    if (!o || (o->there && o->value.record_offset > t->value.record_offset))
        return o ? STATUS_OK : STATUS_NO_MEMORY;
    if (!coord__offset_stage(o, &t->value))
        return STATUS_NO_MEMORY;
    coord__offset_take(o);
    return STATUS_OK;
}

enum status coord_replay_txn_end(struct coord *c, int64_t producer_id, bool committed)
{
    for (struct list *at = c->txn_offsets.next, *next; at != &c->txn_offsets; at = next) {
        struct txn_offset *t = LIST_ENTRY(at, struct txn_offset, link);
        enum status status;

        next = at->next;
        if (t->producer_id != producer_id)
            continue;
        status = committed ? apply(t) : STATUS_OK;
        if (status)
            return status;
        coord__txn_offset_free(t);
    }
    return STATUS_OK;
}
