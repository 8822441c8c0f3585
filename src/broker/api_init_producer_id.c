/* SPDX-License-Identifier: Apache-2.0
 * InitProducerId (22): producer ids for idempotent producers, from blocks that the metadata log hands out (so that no id is
 * ever given twice). Shard 0 holds the current block; whoever finds it empty waits for the next one.
 *
 * A transactional id is refused: transactions are not served.
 */
#include "base/mem.h"
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/producer_ids.h"
#include "wire/api/init_producer_id.h"

struct producer_ids {
    struct broker_shard *b;
    int64_t next, end;
    struct list waiting; /* struct producer_wait */
    bool fetching;
    struct arena arena;
    struct metadata_commit commit;
    int64_t block;
};

struct producer_wait {
    struct list link;
    struct request *request;
};

struct producer_ids *producer_ids_new(struct broker_shard *b)
{
    struct producer_ids *ids = mem_alloc(1, sizeof *ids);

    if (!ids)
        return NULL;
    ids->b = b;
    list_init(&ids->waiting);
    arena_init(&ids->arena, 64 * 1024);
    return ids;
}

void producer_ids_free(struct producer_ids *ids)
{
    arena_free(&ids->arena);
    mem_free(ids);
}

static void init_producer_id_answer(struct request *r, enum status status, int64_t id)
{
    struct init_producer_id_response out;

    init_producer_id_response_init(&out);
    out.error_code = status_wire(status);
    out.producer_id = status ? -1 : id;
    out.producer_epoch = status ? -1 : 0;
    request_reply(r, &out);
}

static void producer_ids_fetch(struct producer_ids *ids);

static void producer_ids_arrived(struct shard *here, struct metadata_commit *commit)
{
    struct producer_ids *ids = LIST_ENTRY(commit, struct producer_ids, commit);
    struct list *node;

    arena_free(&ids->arena);
    ids->fetching = false;
    ids->next = ids->block;
    ids->end = ids->block + PRODUCER_IDS;
    while (ids->next < ids->end && (node = list_pop_front(&ids->waiting)))
        init_producer_id_answer(LIST_ENTRY(node, struct producer_wait, link)->request, STATUS_OK, ids->next++);
    if (!list_empty(&ids->waiting))
        producer_ids_fetch(ids);
}

static void producer_ids_fetch(struct producer_ids *ids)
{
    struct decision d = metadata_decision(ids->b->metadata, &ids->arena);
    struct list *node;

    if (ids->fetching)
        return;
    if (!decide_producer_ids(&d, ids->b->broker->node_id, &ids->block) && !d.records.failed) {
        ids->commit = (struct metadata_commit){.records = d.records.values, .count = d.records.count, .done = producer_ids_arrived};
        ids->fetching = !metadata_commit(ids->b->metadata, &ids->commit);
    }
    if (ids->fetching)
        return;
    arena_free(&ids->arena);
    while ((node = list_pop_front(&ids->waiting)))
        init_producer_id_answer(LIST_ENTRY(node, struct producer_wait, link)->request, STATUS_COORDINATOR_LOAD_IN_PROGRESS, -1);
}

static void init_producer_id_take(struct request *r)
{
    struct producer_ids *ids = broker_at(r->here)->producer_ids;
    struct producer_wait *wait;

    if (ids->next < ids->end) {
        init_producer_id_answer(r, STATUS_OK, ids->next++);
        return;
    }
    wait = REQUEST_ALLOC(r, struct producer_wait, 1);
    if (!wait) {
        request_close(r, "no memory");
        return;
    }
    wait->request = r;
    list_push_back(&ids->waiting, &wait->link);
    producer_ids_fetch(ids);
}

void api_init_producer_id(struct request *r)
{
    const struct init_producer_id_request *in = r->in;

    if ((in->producer_id == -1) != (in->producer_epoch == -1))
        init_producer_id_answer(r, STATUS_INVALID_REQUEST, -1);
    else if (in->transactional_id.data)
        init_producer_id_answer(r, in->transactional_id.size ? STATUS_UNSUPPORTED_VERSION : STATUS_INVALID_REQUEST, -1);
    else
        request_move(r, 0, init_producer_id_take);
}
