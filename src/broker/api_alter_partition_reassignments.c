/* SPDX-License-Identifier: Apache-2.0
 * AlterPartitionReassignments (45) and ListPartitionReassignments (46): in a cluster of one node nothing can be under way, and what is asked is judged.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "wire/api/alter_partition_reassignments.h"
#include "wire/api/list_partition_reassignments.h"

static void decide(struct request *r)
{
    struct decision d = metadata_decision(broker_at(r->here)->metadata, &r->arena);
    struct alter_partition_reassignments_response out;

    if (decide_reassign(&d, r->in, r->version, &out) == STATUS_OK)
        request_reply(r, &out);
    else
        request_close(r, "no memory");
}

void api_alter_partition_reassignments(struct request *r)
{
    request_move(r, 0, decide);
}

void api_list_partition_reassignments(struct request *r)
{
    struct list_partition_reassignments_response out;

    list_partition_reassignments_response_init(&out);
    request_reply(r, &out);
}
