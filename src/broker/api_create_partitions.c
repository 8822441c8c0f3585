/* SPDX-License-Identifier: Apache-2.0
 * CreatePartitions (37): decided on shard 0, answered when the new partitions serve.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "meta/decide.h"
#include "wire/api/create_partitions.h"

static void answer(struct request *r)
{
    request_reply(r, r->state);
}

static void decide(struct request *r)
{
    struct decision d = metadata_decision(broker_at(r->here)->metadata, &r->arena);
    struct create_partitions_response *out = REQUEST_ALLOC(r, struct create_partitions_response, 1);

    r->state = out;
    if (!out || decide_create_partitions(&d, r->in, out) != STATUS_OK)
        request_close(r, "no memory");
    else
        request_commit(r, &d.records, answer);
}

void api_create_partitions(struct request *r)
{
    request_move(r, 0, decide);
}
