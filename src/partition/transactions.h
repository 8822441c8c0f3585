/* SPDX-License-Identifier: Apache-2.0
 * The transactions of a partition that readers of committed records must not look beyond.
 *
 *   first record ──> open ── its marker is appended ──> ended ── the marker is durable ──> forgotten
 *
 * In the order of their first offsets: the first one bounds the last stable offset. An ended one still does until its marker is durable, since after
 * a crash it would be open again. A producer has at most one that is open.
 */
#ifndef PARTITION_TRANSACTIONS_H
#define PARTITION_TRANSACTIONS_H

#include "store/txnindex.h"

struct transaction {
    int64_t producer_id, first_offset;
    int64_t last_offset; /* of its marker; -1: it is open */
};

struct transactions { /* all zero: none */
    struct transaction *list;
    uint32_t count, capacity;
};

void transactions_free(struct transactions *set);
bool transactions_reserve(struct transactions *set) __attribute__((warn_unused_result)); /* room for one more; false: no memory */
void transactions_begin(struct transactions *set, int64_t producer_id, int64_t first_offset); /* there is room (asserted), and none of it is open */
/* The producer's open one ended with the marker at that offset: *out is what is to be told if that aborts it. false: none is open, the marker means nothing. */
bool transactions_end(struct transactions *set, int64_t producer_id, int64_t marker_offset, struct aborted *out);
/* Everything below the offset is durable. */
void transactions_settle(struct transactions *set, int64_t durable);
/* What readers of committed records may see ends here: at the first transaction, or at `limit`. */
int64_t transactions_stable(const struct transactions *set, int64_t limit);

#endif
