/* SPDX-License-Identifier: Apache-2.0
 * See producers.h. */
#include "partition/producers.h"

#include "base/assert.h"
#include "base/bug.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"

enum { SNAPSHOT_VERSION = 1, SNAPSHOT_HEAD = 6, SNAPSHOT_ENTRY = 46 };

/* --- refusals -------------------------------------------------------------------------------------------------------------- */

/* id -1: of any producer. NULL: there is none. */
static struct refusal *refusal_of(const struct producers *set, int64_t id)
{
    for (unsigned i = 0; set->shared && set->shared->refused_count && i < REFUSALS; i++) {
        struct refusal *refusal = &set->shared->refused[i];
        if (refusal->of == set && (refusal->id == id || id < 0))
            return refusal;
    }
    return NULL;
}

/* id -1: those of all. */
static void refusals_forget(struct producers *set, int64_t id)
{
    for (struct refusal *refusal = refusal_of(set, id); refusal; refusal = refusal_of(set, id)) {
        refusal->of = NULL;
        set->shared->refused_count--;
    }
}

void producers_attach(struct producers *set, struct producers_shared *shared)
{
    set->shared = shared;
    if (shared)
        shared->count += set->map.count;
}

void producers_detach(struct producers *set)
{
    refusals_forget(set, -1);
    if (set->shared)
        set->shared->count -= set->map.count;
    set->shared = NULL;
}

/* --- the set --------------------------------------------------------------------------------------------------------------- */

void producers_init(struct producers *set, uint64_t seed)
{
    *set = (struct producers){0};
    map_init(&set->map, seed);
}

void producers_free(struct producers *set)
{
    struct map_node *node = map_first(&set->map);

    while (node) {
        struct map_node *next = map_next(&set->map, node);
        mem_free(MAP_ENTRY(node, struct producer, node));
        node = next;
    }
    map_free(&set->map);
}

static struct producer *producers_find(const struct producers *set, int64_t id)
{
    struct map_node *node = map_get(&set->map, &id, sizeof id);

    return node ? MAP_ENTRY(node, struct producer, node) : NULL;
}

struct producer *producers_get(struct producers *set, int64_t id)
{
    struct producer *p = producers_find(set, id);

    if (p)
        return p;
    if (set->shared && set->shared->max && set->shared->count >= set->shared->max)
        return NULL;
    p = mem_alloc(1, sizeof *p);
    if (!p)
        return NULL;
    *p = (struct producer){.id = id, .epoch = -1, .coordinator_epoch = -1, .last_timestamp = -1, .transaction_start = -1};
    if (!map_put(&set->map, &p->node, &p->id, sizeof p->id)) {
        mem_free(p);
        return NULL;
    }
    refusals_forget(set, id);
    if (set->shared)
        set->shared->count++;
    return p;
}

/* --- sequences: 0 .. INT32_MAX, then 0 again ------------------------------------------------------------------------------- */

static int32_t sequence_add(int32_t sequence, int32_t n)
{
    return sequence < 0 ? sequence : (int32_t)(((uint32_t)sequence + (uint32_t)n) & (BUG(KAFKA_7692) ? UINT32_MAX : INT32_MAX));
}

int32_t producer_batch_first_sequence(const struct producer_batch *batch)
{
    return batch->last_sequence < 0 ? batch->last_sequence : (int32_t)(((uint32_t)batch->last_sequence - (uint32_t)batch->offset_delta) & INT32_MAX);
}

static int32_t last_sequence(const struct producer *p)
{
    return p->count ? p->batches[p->count - 1].last_sequence : -1;
}

/* --- checking -------------------------------------------------------------------------------------------------------------- */

static const struct producer_batch *duplicate_of(const struct producer *p, const struct batch_head *head)
{
    int32_t last = sequence_add(head->base_sequence, head->last_offset_delta);

    for (unsigned i = BUG(KAFKA_5494) && p->count ? p->count - 1 : 0; i < p->count && p->epoch == head->producer_epoch && !BUG(REDPANDA_3039); i++) {
        const struct producer_batch *batch = &p->batches[i];
        if (batch->last_sequence == last && producer_batch_first_sequence(batch) == head->base_sequence)
            return batch;
    }
    return NULL;
}

/* A producer that is not known: its records may be gone by retention, so any sequence may be the next, but for one. */
static enum status check_unknown(const struct producers *set, const struct batch_head *head, const char **message)
{
    const struct refusal *refusal = refusal_of(set, head->producer_id);

    if (!refusal || refusal->epoch != head->producer_epoch || refusal->sequence == head->base_sequence)
        return STATUS_OK;
    *message = "Out of order sequence number for the producer";
    return STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

void producers_refuse(struct producers *set, const struct batch_head *head)
{
    struct refusal *refusal = refusal_of(set, head->producer_id);

    if (!set->shared || producers_find(set, head->producer_id) || (refusal && refusal->epoch == head->producer_epoch))
        return; /* one that follows it, or it again */
    if (!refusal) {
        refusal = &set->shared->refused[set->shared->refused_next++ % REFUSALS];
        set->shared->refused_count += !refusal->of;
    }
    *refusal = (struct refusal){set, head->producer_id, head->base_sequence, head->producer_epoch};
}

enum status producers_check(const struct producers *set, const struct batch_head *head, const struct producer_batch **duplicate, const char **message)
{
    const struct producer *p = producers_find(set, head->producer_id);

    *duplicate = NULL;
    if (!p || p->epoch < 0)
        return BUG(KAFKA_6003) && head->base_sequence ? STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER : check_unknown(set, head, message);
    *duplicate = duplicate_of(p, head);
    if (*duplicate)
        return STATUS_OK;
    if (head->producer_epoch < p->epoch) {
        *message = "The producer attempted to append with an old epoch";
        return STATUS_INVALID_PRODUCER_EPOCH;
    }
    if (head->producer_epoch > p->epoch && head->base_sequence != 0) {
        *message = "Invalid sequence number for the new epoch of the producer";
        return STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    if (head->producer_epoch == p->epoch && head->base_sequence != (p->count ? sequence_add(last_sequence(p), 1) : 0)) {
        *message = "Out of order sequence number for the producer";
        return STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    return STATUS_OK;
}

/* --- noting ---------------------------------------------------------------------------------------------------------------- */

static void producer_begin_epoch(struct producer *p, int16_t epoch)
{
    if (p->epoch != epoch)
        p->count = 0;
    p->epoch = epoch;
}

static struct producer_batch batch_of(const struct batch_head *head)
{
    return (struct producer_batch){.last_sequence = sequence_add(head->base_sequence, head->last_offset_delta),
        .offset_delta = head->last_offset_delta, .last_offset = batch_last_offset(head), .timestamp = head->max_timestamp};
}

void producer_note(struct producer *p, const struct batch_head *head, const struct batch_marker *marker, int64_t now_ms)
{
    producer_begin_epoch(p, head->producer_epoch);
    p->last_timestamp = head->max_timestamp;
    p->seen_ms = now_ms;
    if (marker) {
        p->transaction_start = -1;
        p->coordinator_epoch = marker->coordinator_epoch;
        return;
    }
    if (head->attributes & BATCH_TRANSACTIONAL && p->transaction_start < 0)
        p->transaction_start = head->base_offset;
    if (p->count == PRODUCER_BATCHES)
        memmove(p->batches, p->batches + 1, --p->count * sizeof *p->batches);
    p->batches[p->count++] = batch_of(head);
}

void producers_recall(struct producers *set, const struct batch_head *head)
{
    struct producer *p = producers_find(set, head->producer_id);

    if (!p || !p->count || p->epoch != head->producer_epoch || head->attributes & BATCH_CONTROL)
        return;
    if (batch_last_offset(head) >= p->batches[p->count - 1].last_offset)
        return; /* the snapshot's own */
    if (p->count == PRODUCER_BATCHES)
        memmove(p->batches, p->batches + 1, --p->count * sizeof *p->batches);
    p->batches[p->count] = p->batches[p->count - 1];
    p->batches[p->count++ - 1] = batch_of(head);
}

void producers_expire(struct producers *set, int64_t now_ms, int64_t expiration_ms)
{
    struct map_node *node = map_first(&set->map);

    while (node) {
        struct map_node *next = map_next(&set->map, node);
        struct producer *p = MAP_ENTRY(node, struct producer, node);
        int64_t last = p->seen_ms > p->last_timestamp ? p->seen_ms : p->last_timestamp;
        if (p->transaction_start < 0 && now_ms - last >= expiration_ms) {
            map_remove(&set->map, node);
            if (set->shared)
                set->shared->count--;
            mem_free(p);
        }
        node = next;
    }
}

/* --- snapshots ------------------------------------------------------------------------------------------------------------- */

static void entry_encode(struct writer *w, const struct producer *p)
{
    const struct producer_batch none = {.last_sequence = -1, .last_offset = -1};
    const struct producer_batch *last = p->count ? &p->batches[p->count - 1] : &none;

    writer_i64(w, p->id);
    writer_i16(w, p->epoch);
    writer_i32(w, last->last_sequence);
    writer_i64(w, last->last_offset);
    writer_i32(w, last->offset_delta);
    writer_i64(w, p->last_timestamp);
    writer_i32(w, p->coordinator_epoch);
    writer_i64(w, p->transaction_start);
}

struct bytes_view producers_encode(const struct producers *set)
{
    size_t capacity = SNAPSHOT_HEAD + 4 + set->map.count * SNAPSHOT_ENTRY;
    uint8_t *bytes = mem_alloc(capacity, 1);
    struct writer w;
    int32_t count = 0;

    if (!bytes)
        return (struct bytes_view){NULL, 0};
    writer_init(&w, bytes + SNAPSHOT_HEAD + 4, capacity - SNAPSHOT_HEAD - 4);
    for (struct map_node *node = map_first(&set->map); node; node = map_next(&set->map, node)) {
        const struct producer *p = MAP_ENTRY(node, struct producer, node);
        if (p->epoch < 0)
            continue; /* its first batch is being appended */
        entry_encode(&w, p);
        count++;
    }
    capacity = SNAPSHOT_HEAD + 4 + writer_size(&w);
    writer_init(&w, bytes + SNAPSHOT_HEAD, 4);
    writer_i32(&w, count);
    writer_init(&w, bytes, SNAPSHOT_HEAD);
    writer_i16(&w, SNAPSHOT_VERSION);
    writer_u32(&w, crc32c(bytes + SNAPSHOT_HEAD, capacity - SNAPSHOT_HEAD));
    return (struct bytes_view){bytes, capacity};
}

static enum status entry_decode(struct producers *set, struct reader *r, int64_t now_ms)
{
    struct producer *p = producers_get(set, reader_i64(r));
    struct producer_batch last;

    if (!p)
        return STATUS_NO_MEMORY;
    p->epoch = reader_i16(r);
    last.last_sequence = reader_i32(r);
    last.last_offset = reader_i64(r);
    last.offset_delta = reader_i32(r);
    last.timestamp = p->last_timestamp = reader_i64(r);
    p->coordinator_epoch = reader_i32(r);
    p->transaction_start = reader_i64(r);
    p->seen_ms = now_ms;
    p->count = last.last_offset >= 0 && last.offset_delta >= 0;
    p->batches[0] = last;
    return r->bad ? STATUS_CORRUPT : STATUS_OK;
}

enum status producers_decode(struct producers *set, struct bytes_view content, int64_t now_ms)
{
    enum status status = STATUS_OK;
    struct reader r;
    int32_t count;

    ASSERT(!set->map.count);
    reader_init(&r, content.data, content.size);
    if (reader_i16(&r) != SNAPSHOT_VERSION || reader_u32(&r) != crc32c(r.at, r.left) || r.bad)
        return STATUS_CORRUPT;
    count = reader_count(&r, SNAPSHOT_ENTRY);
    for (int32_t i = 0; i < count && !status; i++)
        status = entry_decode(set, &r, now_ms);
    if (!status && (count < 0 || reader_done(&r)))
        status = STATUS_CORRUPT;
    if (status) {
        uint64_t seed = set->map.seed;
        producers_free(set);
        producers_init(set, seed);
    }
    return status;
}
