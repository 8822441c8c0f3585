/* SPDX-License-Identifier: Apache-2.0
 * DeleteTopics (20): decided on shard 0, answered when the partitions are gone from every shard.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "meta/decide.h"
#include "wire/api/delete_topics.h"

static void answer(struct request *r)
{
    request_reply(r, r->state);
}

static void decide(struct request *r)
{
    struct decision d = metadata_decision(broker_at(r->here)->metadata, &r->arena);
    struct delete_topics_response *out = REQUEST_ALLOC(r, struct delete_topics_response, 1);

    r->state = out;
    if (!out || decide_delete_topics(&d, r->in, r->version, out) != STATUS_OK)
        request_close(r, "no memory");
    else
        request_commit(r, &d.records, answer);
}

void api_delete_topics(struct request *r)
{
    request_move(r, 0, decide);
}
