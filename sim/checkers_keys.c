/* SPDX-License-Identifier: Apache-2.0
 * Histories of compacted partitions (invariant 13: compaction keeps each key's latest). A record may be missing as soon as a newer one of its key was sent,
 * or when it is a tombstone; nothing else may. When the newest of a key is missing, all that is older is, too, and stays so: else a key that was deleted would
 * come back.
 *
 * A poll tells of all offsets from where it began to where it goes on. So each is judged by itself, and the last read once more, as a whole: a send whose
 * answer nobody got excuses a missing record, but not one of which nothing newer is there at the end. How long a tombstone stays only the
 * node's clock knows: load.c (tombstone) and invariants_depth.c (13:compaction) judge that.
 */
#include "sim/checkers_int.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/mem.h"

/* A record that is known to be in the log: it was acknowledged, or read. */
struct item {
    int64_t offset;
    uint64_t value, key;
    uint64_t known; /* since when */
    uint64_t gone;  /* since when it is known to be missing */
    size_t place;   /* in keys.by_key */
};

struct keys {
    struct check *c;
    struct item *items;   /* by offset */
    struct item **by_key; /* the same by key and value */
    size_t count;
    struct sent {
        uint64_t value, key, begun;
    } *sent; /* by key and value: what was sent and not refused */
    size_t sent_count;
};

static int by_offset(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return check__order(x->known, y->known);
}

static int by_key(const void *a, const void *b)
{
    const struct item *x = *(const struct item *const *)a, *y = *(const struct item *const *)b;
    int order = check__order(x->key, y->key);

    return order ? order : check__order(x->value, y->value);
}

static int sent_by_key(const void *a, const void *b)
{
    const struct sent *x = a, *y = b;
    int order = check__order(x->key, y->key);

    return order ? order : check__order(x->value, y->value);
}

/* --- what is known --- */

static void add_items(struct keys *k, int64_t offset, uint64_t value, uint64_t count, uint64_t known)
{
    for (uint64_t n = 0; n < count; n++)
        k->items[k->count++] = (struct item){offset + (int64_t)n, value + n, op_key(value + n), known, UINT64_MAX, 0};
}

/* Of one offset the first that was known; that an offset has two values is another rule's. */
static void learn_items(struct keys *k)
{
    const struct check *c = k->c;
    size_t room = 0, kept = 0;

    for (size_t i = 0; i < c->ops_count; i++) {
        room += op_acknowledged(c->ops[i]) ? c->ops[i]->count : 0;
        for (size_t n = 0; n < c->ops[i]->sightings_count; n++)
            room += c->h->sightings[c->ops[i]->sightings + n].count;
    }
    k->items = check__room(room, sizeof *k->items);
    for (size_t i = 0; i < c->ops_count; i++) {
        const struct op *op = c->ops[i];
        if (op_acknowledged(op))
            add_items(k, op->offset, op->value, op->count, op->ended);
        for (size_t n = 0; n < op->sightings_count; n++) {
            const struct sighting *run = &c->h->sightings[op->sightings + n];
            add_items(k, run->offset, run->value, run->count, op->ended);
        }
    }
    qsort(k->items, k->count, sizeof *k->items, by_offset);
    for (size_t i = 0; i < k->count; i++)
        if (!kept || k->items[kept - 1].offset != k->items[i].offset)
            k->items[kept++] = k->items[i];
    k->count = kept;
    k->by_key = check__room(k->count, sizeof *k->by_key);
    for (size_t i = 0; i < k->count; i++)
        k->by_key[i] = &k->items[i];
    qsort(k->by_key, k->count, sizeof *k->by_key, by_key);
    for (size_t i = 0; i < k->count; i++)
        k->by_key[i]->place = i;
}

static void learn_sent(struct keys *k)
{
    const struct check *c = k->c;
    size_t room = 0;

    for (size_t i = 0; i < c->sends_count; i++)
        room += c->sends[i]->count;
    k->sent = check__room(room, sizeof *k->sent);
    for (size_t i = 0; i < c->sends_count; i++)
        for (uint64_t n = 0; c->sends[i]->outcome != OP_REFUSED && n < c->sends[i]->count; n++)
            k->sent[k->sent_count++] = (struct sent){c->sends[i]->value + n, op_key(c->sends[i]->value + n), c->sends[i]->begun};
    qsort(k->sent, k->sent_count, sizeof *k->sent, sent_by_key);
}

/* Index of the first one of its key that was sent after this value; of the next key, when there is none. */
static size_t sent_after(const struct keys *k, uint64_t value)
{
    struct sent wanted = {.value = value, .key = op_key(value)};
    size_t low = 0, high = k->sent_count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (sent_by_key(&k->sent[mid], &wanted) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool is_superseded(const struct keys *k, uint64_t value, uint64_t until)
{
    size_t at = sent_after(k, value);

    return at < k->sent_count && k->sent[at].key == op_key(value) && k->sent[at].begun < until;
}

/* Index of the first item at an offset or behind it. */
static size_t item_at(const struct keys *k, int64_t offset)
{
    size_t low = 0, high = k->count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (k->items[mid].offset < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* --- polls --- */

static bool is_poll(const struct op *op)
{
    return op->kind == OP_POLL && op->outcome == OP_OK;
}

static int64_t poll_end(const struct check *c, const struct op *poll)
{
    if (poll->next)
        return poll->next;
    return poll->sightings_count ? sighting_end(&c->h->sightings[poll->sightings + poll->sightings_count - 1]) : poll->offset;
}

static void miss(struct keys *k, const struct op *poll, struct item *item)
{
    if (item->gone > poll->ended)
        item->gone = poll->ended;
    if (!op_is_tombstone(item->value) && !is_superseded(k, item->value, poll->ended))
        check__broken(k->c, "key-lost", "process %" PRIu32 " read %" PRId64 " to %" PRId64 " without value %" PRIx64 " at offset %" PRId64 ", the newest of its key", poll->process,
                      poll->offset, poll_end(k->c, poll), item->value, item->offset);
}

/* What was known when it began, and is passed over, is missing. */
static void judge_poll(struct keys *k, const struct op *poll)
{
    const struct sighting *runs = poll->sightings_count ? k->c->h->sightings + poll->sightings : NULL;
    int64_t end = poll_end(k->c, poll);
    size_t run = 0;

    for (size_t i = item_at(k, poll->offset > poll->start_offset ? poll->offset : poll->start_offset); i < k->count && k->items[i].offset < end; i++) {
        while (run < poll->sightings_count && sighting_end(&runs[run]) <= k->items[i].offset)
            run++;
        if (k->items[i].known < poll->begun && (run == poll->sightings_count || k->items[i].offset < runs[run].offset))
            miss(k, poll, &k->items[i]);
    }
}

/* The newest of an item's key that was known by then. The items are by key. */
static const struct item *newest_known(const struct keys *k, size_t at, uint64_t until)
{
    size_t end = at, newest = at;

    while (end < k->count && k->by_key[end]->key == k->by_key[at]->key)
        end++;
    for (newest = end - 1; newest > at && k->by_key[newest]->known >= until; newest--)
        ;
    return k->by_key[newest];
}

/* What a crash left half done may come back for a while, but not what was deleted: an older one whose newest is missing. */
static void judge_return(struct keys *k, const struct op *poll)
{
    for (size_t n = 0; n < poll->sightings_count; n++) {
        const struct sighting *run = &k->c->h->sightings[poll->sightings + n];
        for (size_t i = item_at(k, run->offset); i < k->count && k->items[i].offset < sighting_end(run); i++) {
            const struct item *newest = newest_known(k, k->items[i].place, poll->begun);
            if (newest->value > k->items[i].value && newest->gone < poll->begun)
                check__broken(k->c, "key-back", "process %" PRIu32 " got value %" PRIx64 " at offset %" PRId64 ", though %" PRIx64 " at %" PRId64 ", the newest of its key, is gone",
                              poll->process, k->items[i].value, k->items[i].offset, newest->value, newest->offset);
        }
    }
}

/* --- the last read --- */

struct newest { /* of a key, in the last read */
    uint64_t key, value;
};

static int newest_by_key(const void *a, const void *b)
{
    const struct newest *x = a, *y = b;
    int order = check__order(x->key, y->key);

    return order ? order : check__order(y->value, x->value); /* the newest is first */
}

static struct newest *last_read(const struct keys *k, size_t *count, int64_t *start, int64_t *end)
{
    const struct check *c = k->c;
    struct newest *read;
    size_t room = 0;

    for (size_t i = 0; i < c->ops_count; i++)
        for (size_t n = 0; c->ops[i]->last && n < c->ops[i]->sightings_count; n++)
            room += c->h->sightings[c->ops[i]->sightings + n].count;
    read = check__room(room, sizeof *read);
    *count = 0;
    *start = *end = -1;
    for (size_t i = 0; i < c->ops_count; i++) {
        const struct op *op = c->ops[i];
        if (!op->last || !is_poll(op))
            continue;
        *start = op->start_offset;
        *end = poll_end(c, op);
        for (size_t n = 0; n < op->sightings_count; n++)
            for (uint64_t value = c->h->sightings[op->sightings + n].value, of = 0; of < c->h->sightings[op->sightings + n].count; of++)
                read[(*count)++] = (struct newest){op_key(value + of), value + of};
    }
    qsort(read, *count, sizeof *read, newest_by_key);
    return read;
}

static bool is_read(const struct newest *read, size_t count, const struct item *item)
{
    struct newest wanted = {item->key, UINT64_MAX};
    size_t low = 0, high = count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (newest_by_key(&read[mid], &wanted) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < count && read[low].key == item->key && read[low].value >= item->value;
}

/* A newer tombstone, of which nobody knows how long it was there. */
static bool may_be_deleted(const struct keys *k, const struct item *item)
{
    for (size_t at = sent_after(k, item->value); at < k->sent_count && k->sent[at].key == item->key; at++)
        if (op_is_tombstone(k->sent[at].value))
            return true;
    return op_is_tombstone(item->value);
}

static void judge_last_read(struct keys *k)
{
    int64_t start, end;
    size_t count;
    struct newest *read = last_read(k, &count, &start, &end);

    if (end < 0)
        check__broken(k->c, "unread", "the last read did not come to its end");
    for (size_t i = end < 0 ? k->count : item_at(k, start); i < k->count; i++)
        if (!is_read(read, count, &k->items[i]) && !may_be_deleted(k, &k->items[i]))
            check__broken(k->c, k->items[i].offset < end ? "key-lost" : "unseen", "value %" PRIx64 " at offset %" PRId64 ", and nothing newer of its key, is in the last read (%" PRId64
                          " to %" PRId64 ")", k->items[i].value, k->items[i].offset, start, end);
    mem_free(read);
}

void check_keys(struct check *c)
{
    struct keys k = {.c = c};

    learn_items(&k);
    learn_sent(&k);
    for (size_t i = 0; i < c->ops_count; i++)
        if (is_poll(c->ops[i]))
            judge_poll(&k, c->ops[i]);
    for (size_t i = 0; i < c->ops_count; i++)
        if (is_poll(c->ops[i]))
            judge_return(&k, c->ops[i]);
    if (!c->h->dropped || !c->h->dropped[c->partition])
        judge_last_read(&k);
    mem_free(k.items);
    mem_free(k.by_key);
    mem_free(k.sent);
}
