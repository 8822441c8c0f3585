/* SPDX-License-Identifier: Apache-2.0
 * IncrementalAlterConfigs (44): single overrides set, removed, or their lists changed. Decided on shard 0, answered
 * when they hold everywhere.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "meta/decide.h"
#include "wire/api/incremental_alter_configs.h"

static void answer(struct request *r)
{
    request_reply(r, r->state);
}

static void decide(struct request *r)
{
    struct decision d = metadata_decision(broker_at(r->here)->metadata, &r->arena);
    struct incremental_alter_configs_response *out = REQUEST_ALLOC(r, struct incremental_alter_configs_response, 1);

    r->state = out;
    if (!out || decide_incremental_alter_configs(&d, r->in, out) != STATUS_OK)
        request_close(r, "no memory");
    else
        request_commit(r, &d.records, answer);
}

void api_incremental_alter_configs(struct request *r)
{
    request_move(r, 0, decide);
}
