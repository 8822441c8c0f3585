/* SPDX-License-Identifier: Apache-2.0
 * The scrubbers of the log directories (store/scrub.h): they run on shard 0, and what they find goes to the shard that has the partition. With
 * barnabas.scrub.bytes.per.second=0 there are none.
 */
#ifndef BROKER_SCRUBBING_H
#define BROKER_SCRUBBING_H

#include "broker/broker.h"
#include "store/scrub.h"

struct scrubbing;

/* On shard 0. *scrubbing NULL, also when there is to be none. STATUS_NO_MEMORY. */
enum status scrubbing_begin(struct broker_shard *b, struct scrubbing **scrubbing) MUST_CHECK;
void scrubbing_start(struct scrubbing *scrubbing);                           /* every partition was looked at: what its files lack now is lost */
void scrubbing_leave(struct scrubbing *scrubbing, unsigned dir);             /* that one failed */
void scrubbing_stop(struct scrubbing *scrubbing, struct mail *done);         /* posted when nothing is under way */
struct scrub_counts scrubbing_counts(const struct scrubbing *scrubbing);     /* of all of them; NULL is fine */
void scrubbing_free(struct scrubbing *scrubbing);                            /* after that; NULL is fine */

#endif
