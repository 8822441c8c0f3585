/* SPDX-License-Identifier: Apache-2.0
 * When what is compacted: each shard looks for its filthiest log now and then (log.cleaner.backoff.ms) and cleans it, one log at a time; of all shards together
 * as many clean as log.cleaner.threads says, and share log.cleaner.dedupe.buffer.size and log.cleaner.io.max.bytes.per.second.
 */
#ifndef BROKER_CLEANER_H
#define BROKER_CLEANER_H

#include "broker/broker.h"

/* One a shard. NULL: no memory. Nothing is cleaned before cleaner_start, nor when log.cleaner.enable is false. */
struct cleaner *cleaner_new(struct broker_shard *b);
void cleaner_start(struct cleaner *c);
void cleaner_stop(struct cleaner *c); /* no other run begins; one that is under way ends with its partition */
size_t cleaner_holds(const struct cleaner *c); /* bytes for the keys of the run that is under way */
void cleaner_free(struct cleaner *c); /* after all shards have ended; NULL is allowed */

#endif
