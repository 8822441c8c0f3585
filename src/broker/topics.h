/* SPDX-License-Identifier: Apache-2.0
 * What every API knows of topics: which are the broker's own, and how one that is missing comes into being.
 */
#ifndef BROKER_TOPICS_H
#define BROKER_TOPICS_H

#include "base/status.h"
#include "broker/request.h"

#define OFFSETS_TOPIC "__consumer_offsets"
#define TRANSACTIONS_TOPIC "__transaction_state"
#define SHARE_STATE_TOPIC "__share_group_state"

bool topic_is_internal(struct str_view name);

/* Makes topics that are not there (auto.create.topics.enable is the caller's to ask; internal topics get their own partitions and
 * configuration). r goes to shard 0 and back to the shard that called; there `then` runs. statuses[i]: STATUS_OK (made, or somebody
 * else made it: it serves), else the reason. The order of the names is kept. */
struct topics_make {
    const struct str_view *names;
    enum status *statuses; /* as many: the caller's, in the request's arena */
    size_t count;
    void (*then)(struct request *r);
    unsigned back; /* private */
};
void topics_make(struct request *r, struct topics_make *make);

#endif
