/* SPDX-License-Identifier: Apache-2.0
 * See clean_txns.h. */
#include "store/clean_txns.h"

#include <stdlib.h>

#include "base/mem.h"
/* What the walk knows of a producer: a transaction of it was found aborted, or (nothing says so) will have been committed. */
struct clean_txn {
    struct map_node node;
    int64_t producer_id;
    bool aborted, committed;
    bool seen; /* a batch of the aborted one */
    struct aborted what;
};

void clean_txns_init(struct clean_txns *txns, uint64_t seed)
{
    *txns = (struct clean_txns){0};
    map_init(&txns->open, seed);
}

void clean_txns_free(struct clean_txns *txns)
{
    for (struct map_node *node = map_first(&txns->open), *next; node; node = next) {
        next = map_next(&txns->open, node);
        mem_free(MAP_ENTRY(node, struct clean_txn, node));
    }
    map_free(&txns->open);
    txnindex_free(&txns->aborted);
    txnindex_free(&txns->kept);
    *txns = (struct clean_txns){0};
}

static enum status add(struct txnindex *list, const struct aborted *aborted, struct err *err)
{
    if (!txnindex_reserve(list, 1))
        return err_set(err, STATUS_NO_MEMORY, "no memory for the aborted transactions");
    list->list[list->count++] = *aborted;
    return STATUS_OK;
}

enum status clean_txns_add(struct clean_txns *txns, const struct txnindex *aborted, int64_t from, int64_t to, struct err *err)
{
    const struct aborted *one;
    bool complete;
    size_t at = 0;

    while ((one = txnindex_next(aborted, &at, from, to, &complete))) {
        if (add(&txns->aborted, one, err))
            return err->status;
    }
    return STATUS_OK;
}

static int by_first_offset(const void *a, const void *b)
{
    const struct aborted *x = a, *y = b;

    return (x->first_offset > y->first_offset) - (x->first_offset < y->first_offset);
}

void clean_txns_sort(struct clean_txns *txns)
{
    if (txns->aborted.count)
        qsort(txns->aborted.list, txns->aborted.count, sizeof *txns->aborted.list, by_first_offset);
}

/* --- the walk -------------------------------------------------------------------------------------------------------------- */

static struct clean_txn *find(const struct clean_txns *txns, int64_t producer_id)
{
    struct map_node *node = map_get(&txns->open, &producer_id, sizeof producer_id);

    return node ? MAP_ENTRY(node, struct clean_txn, node) : NULL;
}

/* NULL: no memory. */
static struct clean_txn *get(struct clean_txns *txns, int64_t producer_id)
{
    struct clean_txn *txn = find(txns, producer_id);

    if (txn)
        return txn;
    txn = mem_alloc(1, sizeof *txn);
    if (!txn)
        return NULL;
    txn->producer_id = producer_id;
    if (map_put(&txns->open, &txn->node, &txn->producer_id, sizeof txn->producer_id))
        return txn;
    mem_free(txn);
    return NULL;
}

static void forget(struct clean_txns *txns, struct clean_txn *txn)
{
    if (txn->aborted || txn->committed)
        return;
    map_remove(&txns->open, &txn->node);
    mem_free(txn);
}

/* Aborted transactions that begin at or before the offset have begun. */
static enum status begin_until(struct clean_txns *txns, int64_t offset, struct err *err)
{
    for (; txns->begun < txns->aborted.count && txns->aborted.list[txns->begun].first_offset <= offset; txns->begun++) {
        const struct aborted *what = &txns->aborted.list[txns->begun];
        struct clean_txn *txn = get(txns, what->producer_id);
        if (!txn)
            return err_set(err, STATUS_NO_MEMORY, "no memory for a transaction");
        if (txn->aborted)
            continue;
        txn->aborted = true;
        txn->seen = false;
        txn->what = *what;
    }
    return STATUS_OK;
}

enum status clean_txns_batch(struct clean_txns *txns, const struct batch_head *head, bool *gone, struct err *err)
{
    struct clean_txn *txn;

    *gone = false;
    if (begin_until(txns, batch_last_offset(head), err))
        return err->status;
    if (!(head->attributes & BATCH_TRANSACTIONAL))
        return STATUS_OK;
    txn = get(txns, head->producer_id);
    if (!txn)
        return err_set(err, STATUS_NO_MEMORY, "no memory for a transaction");
    *gone = txn->aborted;
    if (txn->aborted)
        txn->seen = true;
    else
        txn->committed = true;
    return STATUS_OK;
}

static enum status marker_abort(struct clean_txns *txns, struct clean_txn *txn, int64_t offset, bool *gone, struct err *err)
{
    *gone = !txn || !txn->aborted || !txn->seen;
    if (!*gone) {
        txn->what.last_offset = offset;
        if (add(&txns->kept, &txn->what, err))
            return err->status;
    }
    if (txn) {
        txn->aborted = false;
        forget(txns, txn);
    }
    return STATUS_OK;
}

static void marker_commit(struct clean_txns *txns, struct clean_txn *txn, bool *gone)
{
    *gone = !txn || !txn->committed;
    if (txn) {
        txn->committed = false;
        forget(txns, txn);
    }
}

enum status clean_txns_marker(struct clean_txns *txns, const struct batch_head *head, const struct batch_marker *marker, bool *gone, struct err *err)
{
    struct clean_txn *txn;

    if (begin_until(txns, batch_last_offset(head), err))
        return err->status;
    txn = find(txns, head->producer_id);
    *gone = head->count == 0; /* emptied before */
    if (marker->type == MARKER_ABORT)
        return marker_abort(txns, txn, batch_last_offset(head), gone, err);
    if (marker->type == MARKER_COMMIT)
        marker_commit(txns, txn, gone);
    return STATUS_OK;
}
