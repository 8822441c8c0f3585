/* SPDX-License-Identifier: Apache-2.0
 * The scrubber of the log directory (store/scrub.h): it runs on shard 0, and what it finds goes to the shard that has the partition. With
 * barnabas.scrub.bytes.per.second=0 there is none.
 */
#ifndef BROKER_SCRUBBING_H
#define BROKER_SCRUBBING_H

#include "broker/broker.h"

struct scrub;

/* *scrub NULL, also when there is to be none. STATUS_NO_MEMORY. */
enum status scrubbing_begin(struct broker_shard *b, struct scrub **scrub) MUST_CHECK;

#endif
