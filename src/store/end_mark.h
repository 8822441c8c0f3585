/* SPDX-License-Identifier: Apache-2.0
 * What stands behind the last batch of the active segment: how far the file is durable, and where the last commit began.
 *
 *   offset size
 *        0    8  the next offset
 *        8    4  0: no batch is that short, so that it reads as none (also to Kafka, which cuts it off as a torn tail)
 *       12    8  position where the commit's bytes begin
 *       20    8  position of this mark, where they end
 *       28    4  CRC-32C of everything before
 *
 * A commit writes its batches over the last mark, and a new mark behind them, in one write and one sync; it begins only when the one before
 * is durable. So after a crash (docs/decisions/0006-*.md):
 *   - a mark where the walk over the batches stops: all before it is durable, and nothing behind it was acknowledged
 *   - a mark at the end of the file: what does not read before its commit's begin was durable, and is rot; behind it, the commit is torn
 *   - neither: the last commit was torn together with its mark
 * A sealed segment and one that was stopped cleanly have no mark: their files are Kafka's.
 */
#ifndef STORE_END_MARK_H
#define STORE_END_MARK_H

#include <stdbool.h>
#include <stdint.h>

enum { END_MARK_SIZE = 32 };

struct end_mark {
    int64_t next_offset;
    uint64_t begin, end; /* of the last commit's bytes: positions in the file */
};

void end_mark_encode(const struct end_mark *mark, uint8_t bytes[static END_MARK_SIZE]);
bool end_mark_decode(struct end_mark *mark, const uint8_t bytes[static END_MARK_SIZE]) __attribute__((warn_unused_result)); /* false: it is none */

#endif
