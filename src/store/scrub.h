/* SPDX-License-Identifier: Apache-2.0
 * The scrubber of a log directory: in the background it reads every segment that is no longer written to (verify.h), again and again, so that what rotted is known
 * before somebody needs it.
 *
 *   resting ──interval──> round: folder by folder, segment by segment, a job a step; between two steps as long as the rate demands ──> resting
 *
 * It goes by the files, not by open logs, so that a partition that sleeps is read, too. A segment may go, or another may take its name, while it is read: so what
 * is wrong is looked at a second time, from the folder's names on, and told when it is still wrong. Each finding is logged once.
 *
 * At most one job of it is under way. The page cache stays as it was; what is there already is checked there. Nothing is written.
 */
#ifndef STORE_SCRUB_H
#define STORE_SCRUB_H

#include "rt/shard.h"
#include "store/verify.h"

struct scrub;

struct scrub_options {
    const char *dir;           /* borrowed */
    uint64_t bytes_per_second; /* at least 1 */
    uint64_t interval_ms;      /* from the beginning of a round to the next one's, unless that takes longer */
    /* On the shard: each finding of each round; what it points at is for the call. */
    void (*found)(struct shard *here, void *context, const char *folder, int64_t base, const struct finding *finding);
    void *context;
};

struct scrub_counts { /* since the start */
    uint64_t rounds, segments, bytes, findings;
};

struct scrub *scrub_new(struct shard *shard, const struct scrub_options *options) __attribute__((warn_unused_result)); /* NULL: no memory */
void scrub_start(struct scrub *scrub);                   /* rests a minute, at most, first */
void scrub_stop(struct scrub *scrub, struct mail *done); /* posted when nothing is under way */
void scrub_free(struct scrub *scrub);                    /* after that */
struct scrub_counts scrub_counts(const struct scrub *scrub);

#endif
