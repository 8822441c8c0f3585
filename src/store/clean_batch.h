/* SPDX-License-Identifier: Apache-2.0
 * What a compaction leaves of one batch: all of it, byte for byte; a sparse one, whose records keep their offsets; an empty one, which
 * says only which offsets and sequences there were; or nothing.
 *
 * A batch keeps its base offset, last offset and base sequence, so that its producer's next sequence stays known; a recent one of its producer stays as an empty one at
 * least, so that it is known when it is sent again. When a tombstone, or a marker that marks
 * nothing any more, is seen first, the batch gets its delete horizon: the time from which on it may go, in the place of the base timestamp (attribute bit 6, KIP-534).
 */
#ifndef STORE_CLEAN_BATCH_H
#define STORE_CLEAN_BATCH_H

#include "base/err.h"
#include "store/clean_txns.h"
#include "store/keymap.h"
#include "wire/records.h"

struct clean_producer { /* what the log has of one that may be sent again */
    int64_t id;
    int64_t recent; /* its batches of data that end here or later; -1: there is only a marker */
    int16_t epoch;
};

struct clean_rules {
    const struct keymap *keys;
    int64_t mapped;              /* offset from which on the map knows nothing: records there stay */
    int64_t end;                 /* of what may be cleaned: the batch that ends there stays, empty perhaps, so that the log keeps its offsets */
    int64_t now_ms, delete_retention_ms;
    const struct clean_producer *producers; /* by id */
    size_t producers_count;
};

/* Batches one behind the other, in memory that grows. */
struct clean_out {
    uint8_t *bytes;
    size_t size, capacity;
    uint8_t *keep;              /* a byte a record of the batch at hand */
    size_t keep_capacity;
    uint64_t records, kept;     /* so far */
    uint64_t nameless;          /* records without a key, that went */
};
void clean_out_free(struct clean_out *out);

/* Adds what is left of the batch (whose checksum was checked) to `out`. STATUS_CORRUPT: its records do not read. */
enum status clean_batch(const struct clean_rules *rules, struct clean_txns *txns, const struct batch_head *head, struct bytes_view batch, struct clean_out *out,
                        struct err *err) MUST_CHECK;

/* Puts the keys of its records from `from` on into the map; *mapped: the offset behind the last of them. *full: there is no room for the next one. */
enum status clean_batch_map(struct keymap *keys, struct clean_txns *txns, const struct batch_head *head, struct bytes_view batch, int64_t from, int64_t *mapped, bool *full,
                            struct err *err) MUST_CHECK;

#endif
