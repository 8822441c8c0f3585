/* SPDX-License-Identifier: Apache-2.0
 * FindCoordinator (10): which node coordinates a group. The first question of that kind makes __consumer_offsets, and
 * is answered when it serves. Transactions and share groups have no coordinator here.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/topics.h"
#include "coord/coord.h"
#include "wire/api/find_coordinator.h"

enum {
    BATCHED_SINCE = 4,
    SHARE_SINCE = 6,

    TYPE_GROUP = 0,
    TYPE_TRANSACTION = 1,
    TYPE_SHARE = 2,
};

/* What clients are told beside the code: always in versions 1 to 3, later of a request that makes no sense. */
static struct str_view message_of_status(enum status status)
{
    if (status == STATUS_OK)
        return STR_LIT("NONE");
    if (status == STATUS_COORDINATOR_NOT_AVAILABLE)
        return STR_LIT("The coordinator is not available.");
    return STR_LIT("This most likely occurs because of a request being malformed by the client library or the message "
                   "was sent to an incompatible "
                   "broker. See the broker logs for more details.");
}

static enum status find(const struct request *r, struct str_view key)
{
    const struct find_coordinator_request *in = r->in;
    const struct broker_shard *b = broker_at(r->here);
    const struct image_topic *topic = image_topic(b->image, STR_LIT(OFFSETS_TOPIC));
    const struct image_partition *p;

    if (in->key_type == TYPE_TRANSACTION || (in->key_type == TYPE_SHARE && r->version >= SHARE_SINCE))
        return STATUS_COORDINATOR_NOT_AVAILABLE;
    if (in->key_type != TYPE_GROUP)
        return STATUS_INVALID_REQUEST;
    p = topic ? image_partition(topic, coord_partition_of(key, topic->count)) : NULL;
    return p && p->leader == b->broker->node_id ? STATUS_OK : STATUS_COORDINATOR_NOT_AVAILABLE;
}

static void find_one(const struct request *r, struct str_view key, struct find_coordinator_response_coordinator *out)
{
    enum status status = find(r, key);

    find_coordinator_response_coordinator_init(out);
    out->key = key;
    out->error_code = status_wire(status);
    out->error_message = status == STATUS_INVALID_REQUEST ? message_of_status(status) : STR_LIT("");
    out->node_id = status ? -1 : broker_at(r->here)->broker->node_id;
    out->host = status ? STR_LIT("") : str_from(r->listener->advertised_host);
    out->port = status ? -1 : r->listener->advertised_port;
}

static void find_answer(struct request *r)
{
    const struct find_coordinator_request *in = r->in;
    struct find_coordinator_response out;
    struct find_coordinator_response_coordinator one;

    find_coordinator_response_init(&out);
    if (r->version < BATCHED_SINCE) {
        find_one(r, in->key, &one);
        out.error_code = one.error_code;
        out.error_message = message_of_status((enum status)one.error_code);
        out.node_id = one.node_id;
        out.host = one.host;
        out.port = one.port;
        request_reply(r, &out);
        return;
    }
    out.coordinators = REQUEST_ALLOC(r, struct find_coordinator_response_coordinator, in->coordinator_keys_count);
    if (!out.coordinators) {
        request_close(r, "no memory");
        return;
    }
    out.coordinators_count = in->coordinator_keys_count;
    for (int32_t i = 0; i < in->coordinator_keys_count; i++)
        find_one(r, in->coordinator_keys[i], &out.coordinators[i]);
    request_reply(r, &out);
}

/* What one FindCoordinator makes. */
struct find_make {
    struct topics_make make;
    struct str_view name;
    enum status status;
};

void api_find_coordinator(struct request *r)
{
    const struct find_coordinator_request *in = r->in;
    struct find_make *m;

    if (in->key_type != TYPE_GROUP || image_topic(broker_at(r->here)->image, STR_LIT(OFFSETS_TOPIC))) {
        find_answer(r);
        return;
    }
    m = REQUEST_ALLOC(r, struct find_make, 1);
    if (!m) {
        request_close(r, "no memory");
        return;
    }
    m->name = STR_LIT(OFFSETS_TOPIC);
    m->make = (struct topics_make){.names = &m->name, .statuses = &m->status, .count = 1, .then = find_answer};
    topics_make(r, &m->make);
}
