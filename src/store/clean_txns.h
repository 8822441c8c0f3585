/* SPDX-License-Identifier: Apache-2.0
 * Transactions as a compaction needs them: which batches were aborted, and which markers have nothing left to mark (KIP-98, KIP-534).
 *
 * The walk goes over the log's batches in order. What was aborted, the .txnindex files say; a marker ends its producer's transaction. A marker
 * may go once no batch of its transaction is before it any more, and its delete horizon has passed.
 */
#ifndef STORE_CLEAN_TXNS_H
#define STORE_CLEAN_TXNS_H

#include "base/err.h"
#include "base/map.h"
#include "store/txnindex.h"
#include "wire/records.h"

struct clean_txns {
    struct txnindex aborted; /* by first offset, once the walk begins */
    size_t begun;            /* so many of them the walk has come to */
    struct map open;         /* struct clean_txn by producer id */
    struct txnindex kept;    /* whose marker stays and has something to mark: for the new segment */
};

void clean_txns_init(struct clean_txns *txns, uint64_t seed);
void clean_txns_free(struct clean_txns *txns);

/* Before the walk: those that have records in [from, to). */
enum status clean_txns_add(struct clean_txns *txns, const struct txnindex *aborted, int64_t from, int64_t to, struct err *err) MUST_CHECK;
void clean_txns_sort(struct clean_txns *txns);

/* The walk is at this batch. *gone: of a batch of data, that it was aborted; of a marker, that nothing is left that it marks. */
enum status clean_txns_batch(struct clean_txns *txns, const struct batch_head *head, bool *gone, struct err *err) MUST_CHECK;
enum status clean_txns_marker(struct clean_txns *txns, const struct batch_head *head, const struct batch_marker *marker, bool *gone, struct err *err) MUST_CHECK;

#endif
