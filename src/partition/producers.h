/* SPDX-License-Identifier: Apache-2.0
 * What a partition remembers of the producers that write to it (KIP-98): the epoch, and the last five batches of each, so that a
 * batch that is sent again is answered with the offset that it has, and one that is missing before it is noticed.
 *
 * The memory is a function of the log: it is noted batch by batch, saved as a snapshot beside the segments, and rebuilt from the newest
 * snapshot and the heads of the batches after it. A snapshot holds one batch of each producer; the four before it are recalled from the
 * heads before the snapshot, so that five batches in flight survive a clean restart too.
 *
 * Snapshot (big-endian): i16 version 1, u32 CRC-32C of what follows, i32 count, then for each producer
 *   i64 id, i16 epoch, i32 last sequence, i64 last offset, i32 offset delta, i64 timestamp, i32 coordinator epoch, i64 start of its open transaction
 */
#ifndef PARTITION_PRODUCERS_H
#define PARTITION_PRODUCERS_H

#include "base/map.h"
#include "base/status.h"
#include "wire/records.h"

enum { PRODUCER_BATCHES = 5, REFUSALS = 1024 };

struct producer_batch {
    int32_t last_sequence, offset_delta; /* -1: it has no sequence (the broker's own) */
    int64_t last_offset, timestamp;
};

struct producer {
    struct map_node node; /* by id */
    int64_t id;
    int16_t epoch;             /* -1: nothing is known yet */
    int32_t coordinator_epoch;
    int64_t last_timestamp;    /* as its records say */
    int64_t seen_ms;           /* wall time when it last wrote, as far as this process knows */
    int64_t transaction_start; /* -1: none is open */
    unsigned count;            /* batches, oldest first */
    struct producer_batch batches[PRODUCER_BATCHES];
};

/* What the partitions of a shard share. All zero: nothing refused, and no bound. */
struct producers_shared {
    size_t count, max; /* producers that they know; 0: as many as come */
    /* First batches of producers that nobody knew, which were refused for want of memory or space: those that follow them in flight are not the first. There
     * is no memory to ask for then, so the oldest gives way. */
    unsigned refused_next, refused_count;
    struct refusal {
        const struct producers *of; /* NULL: none */
        int64_t id;
        int32_t sequence;
        int16_t epoch;
    } refused[REFUSALS];
};

struct producers {
    struct map map;
    struct producers_shared *shared; /* NULL: alone */
};

void producers_init(struct producers *set, uint64_t seed);
void producers_free(struct producers *set);

/* On the shard: it counts among the shard's, or no more. Any thread may have the set before and after. */
void producers_attach(struct producers *set, struct producers_shared *shared);
void producers_detach(struct producers *set);

/* May the batch be appended? STATUS_OK with *duplicate set: it is there already; else Kafka's error and a static message. */
enum status producers_check(const struct producers *set, const struct batch_head *head, const struct producer_batch **duplicate, const char **message) MUST_CHECK;

/* The producer's entry, made when there is none; NULL: no memory, or there are as many as there may be. */
struct producer *producers_get(struct producers *set, int64_t id) __attribute__((warn_unused_result));
/* The batch was refused for want of memory or space: if it was the first of its producer, those that follow it in flight are not. */
void producers_refuse(struct producers *set, const struct batch_head *head);
/* The batch was appended; marker: NULL, or the end of a transaction that it is. */
void producer_note(struct producer *producer, const struct batch_head *head, const struct batch_marker *marker, int64_t now_ms);
/* A batch from before the snapshot that the entry came from. */
void producers_recall(struct producers *set, const struct batch_head *head);

/* Forgets who has not written for so long, neither by the clock nor by its records. */
void producers_expire(struct producers *set, int64_t now_ms, int64_t expiration_ms);

/* mem_alloc'd; data NULL: no memory. */
struct bytes_view producers_encode(const struct producers *set) __attribute__((warn_unused_result));
/* Into an empty set. STATUS_CORRUPT leaves it empty. */
enum status producers_decode(struct producers *set, struct bytes_view content, int64_t now_ms) MUST_CHECK;

int32_t producer_batch_first_sequence(const struct producer_batch *batch);

#endif
