/* SPDX-License-Identifier: Apache-2.0
 * Produce (0): each partition's batch goes to the shard that owns it, which appends it; the answer leaves when all are durable.
 *
 *   home: resolve topics, judge what the request alone tells, convert old formats → legs: partition_append → home: answer
 *
 * The batch stays where it was received: the request's body is held until the last append has completed. Versions 0-2 bring message sets (magic 0 and
 * 1), converted here. acks=0 has no answer; when something failed, the connection is closed, so that the client learns of it.
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/topics.h"
#include "wire/api/produce.h"
#include "wire/legacy.h"

struct produce_part {
    struct partition_append append;
    struct mail woken;
    struct leg *leg;
    struct uuid topic_id;
    int32_t index;
    unsigned shard;
    bool settled; /* append.status was decided without an append */
};

enum {
    LEGACY_DECOMPRESSED_MAX = 256 * 1024 * 1024, /* of a message set: the arena bounds it further */
    PRODUCE_REWRITE_MAX = 256 * 1024 * 1024,     /* of a leg: recompression under the topic's codec */
};

struct produce {
    struct produce_part *parts; /* in the order of the request */
    struct arena *arenas;       /* one a shard: what a leg rewrites */
    int32_t count;
    enum status refused;        /* the request as a whole */
};

static void produce_settle(struct produce_part *part, enum status status, const char *message)
{
    part->settled = true;
    part->append.status = status;
    part->append.message = message;
    part->append.base_offset = -1;
    part->append.append_time_ms = -1;
    part->append.start_offset = -1;
}

/* ---- the answer ---- */

/* Kafka tells where the log starts of what it took or refused for its records, times or sequence; else (bytes that are not one batch) it has not looked. */
static bool produce_tells_start(const struct partition_append *a, int16_t version)
{
    struct batch_head head;
    bool one = a->records && batch_head_read((struct bytes_view){a->records, a->size}, &head) && head.length >= 0 && batch_size(&head) == a->size;

    return a->status == STATUS_OK || a->errors_count || (one && a->status == STATUS_INVALID_RECORD) ||
           (a->status == STATUS_UNSUPPORTED_COMPRESSION_TYPE && version >= 7) || a->status == STATUS_INVALID_TIMESTAMP || a->status == STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER ||
           a->status == STATUS_INVALID_PRODUCER_EPOCH || a->status == STATUS_UNKNOWN_PRODUCER_ID;
}

static void produce_answer_partition(struct request *r, const struct produce_part *part, struct produce_response_partition_response *out)
{
    const struct partition_append *a = &part->append;

    produce_response_partition_response_init(out);
    out->index = part->index;
    out->error_code = status_wire(a->status);
    out->base_offset = a->base_offset;
    out->log_append_time_ms = a->append_time_ms;
    out->log_start_offset = produce_tells_start(a, r->version) ? a->start_offset : -1;
    if (a->message)
        out->error_message = str_from(a->message);
    if (a->errors_count == 0)
        return;
    out->record_errors = REQUEST_ALLOC(r, struct produce_response_record_error, a->errors_count);
    for (; out->record_errors && out->record_errors_count < a->errors_count; out->record_errors_count++) {
        const struct batch_record_error *error = &a->errors[out->record_errors_count];

        out->record_errors[out->record_errors_count] =
            (struct produce_response_record_error){.batch_index = error->batch_index, .batch_index_error_message = str_from(error->message)};
    }
}

static void produce_answer(struct request *r)
{
    const struct produce_request *in = r->in;
    struct produce *p = r->state;
    struct produce_part *part = p->parts;
    struct produce_response out;

    produce_response_init(&out);
    out.responses = REQUEST_ALLOC(r, struct produce_response_response, in->topic_data_count);
    if (!out.responses) {
        request_close(r, "no memory");
        return;
    }
    out.responses_count = in->topic_data_count;
    for (int32_t t = 0; t < in->topic_data_count; t++) {
        const struct produce_request_topic_data *topic = &in->topic_data[t];
        struct produce_response_response *to = &out.responses[t];

        to->name = topic->name;
        to->topic_id = topic->topic_id;
        to->partition_responses = REQUEST_ALLOC(r, struct produce_response_partition_response, topic->partition_data_count);
        if (!to->partition_responses) {
            request_close(r, "no memory");
            return;
        }
        to->partition_responses_count = topic->partition_data_count;
        for (int32_t i = 0; i < topic->partition_data_count; i++)
            produce_answer_partition(r, part++, &to->partition_responses[i]);
    }
    request_reply(r, &out);
}

static void produce_end(struct request *r)
{
    const struct produce_request *in = r->in;
    const struct produce *p = r->state;

    if (in->acks != 0) {
        produce_answer(r);
        return;
    }
    for (int32_t i = 0; i < p->count; i++)
        if (p->parts[i].append.status) {
            request_close(r, status_name(p->parts[i].append.status));
            return;
        }
    request_reply_none(r);
}

static void produce_gathered(struct request *r)
{
    const struct produce *p = r->state;
    struct arena *arenas = p->arenas;
    unsigned shards = shard_count(r->here);

    produce_end(r); /* the answer is encoded: nothing of it points into the legs' arenas any more */
    for (unsigned i = 0; i < shards; i++)
        arena_free(&arenas[i]);
}

/* ---- on the partition's shard ---- */

static void produce_leg_less(struct leg *leg)
{
    if (--leg->pending == 0)
        leg_finish(leg);
}

static void produce_appended(struct shard *here, struct partition_append *append)
{
    produce_leg_less(LIST_ENTRY(append, struct produce_part, append)->leg);
}

static void produce_append(struct broker_shard *b, struct produce_part *part)
{
    enum status why;
    struct partition *partition = broker_partition(b, part->topic_id, part->index, &why);

    if (partition) {
        partition_append(partition, &part->append);
    } else {
        produce_settle(part, why, NULL);
        produce_leg_less(part->leg);
    }
}

static void produce_woken(struct shard *here, struct mail *mail)
{
    produce_append(broker_at(here), LIST_ENTRY(mail, struct produce_part, woken));
}

/* Each part waits for its own partition to wake: the batches of one producer arrive there in the order in which they were sent. */
static void produce_leg(struct leg *leg)
{
    struct produce *p = leg->request->state;
    struct broker_shard *b = broker_at(leg_shard(leg));

    leg->pending = 1;
    for (int32_t i = 0; i < p->count; i++) {
        struct produce_part *part = &p->parts[i];

        if (part->settled || part->shard != leg->shard)
            continue;
        leg->pending++;
        part->leg = leg;
        part->append.arena = &p->arenas[leg->shard];
        part->append.done = produce_appended;
        part->woken.run = produce_woken;
        if (!broker_partition_wakes(b, part->topic_id, part->index, &part->woken))
            produce_append(b, part);
    }
    produce_leg_less(leg);
}

/* ---- what the request alone tells ---- */

/* What Kafka's ProduceRequest.validateRecords says before the batch itself is looked at (batch_check): there is one, and zstd only since version 7. */
static void produce_check_v2(struct produce_part *part, int16_t version)
{
    struct batch_head head;

    if (!part->append.records || !batch_head_read((struct bytes_view){part->append.records, part->append.size}, &head)) {
        produce_settle(part, STATUS_INVALID_RECORD, "a Produce request has at least one whole record batch per partition");
    } else if (version < 7 && (head.attributes & BATCH_COMPRESSION_MASK) == COMPRESSION_ZSTD) {
        produce_settle(part, STATUS_UNSUPPORTED_COMPRESSION_TYPE, "zstd compression needs Produce version 7 or above");
    }
}

static void produce_convert(struct request *r, struct produce_part *part)
{
    struct bytes_view batch;
    enum status s = STATUS_INVALID_RECORD;
    struct bytes_view set = {part->append.records, part->append.size};

    if (set.data && set.size)
        s = legacy_to_batch(set, LEGACY_DECOMPRESSED_MAX, &r->arena, &batch);
    if (s) {
        produce_settle(part, s, NULL);
        return;
    }
    part->append.records = (uint8_t *)(uintptr_t)batch.data; /* in the arena: ours to patch */
    part->append.size = batch.size;
}

static void produce_part(struct request *r, const struct image_topic *topic, enum status missing, const struct produce_request_partition_data *data,
                         struct produce_part *part)
{
    const struct produce_request *in = r->in;
    const struct broker_shard *b = broker_at(r->here);
    const struct produce *p = r->state;

    part->index = data->index;
    part->append.records = (uint8_t *)(uintptr_t)data->records.data; /* in the body's buffer: ours to patch */
    part->append.size = data->records.size;
    part->append.from_client = true;
    if (in->acks < -1 || in->acks > 1) {
        produce_settle(part, STATUS_INVALID_REQUIRED_ACKS, NULL);
    } else if (p->refused) {
        produce_settle(part, p->refused, NULL);
    } else if (!topic || !image_partition(topic, data->index)) {
        produce_settle(part, topic ? STATUS_UNKNOWN_TOPIC_OR_PARTITION : missing, NULL);
    } else if (topic_is_internal(topic->name) && !str_is(r->client_id, "__admin_client")) {
        produce_settle(part, STATUS_INVALID_TOPIC_EXCEPTION, NULL);
    } else {
        part->topic_id = topic->id;
        part->shard = broker_partition_shard(b->broker, topic->id, data->index);
        if (r->version < 3)
            produce_convert(r, part);
        else
            produce_check_v2(part, r->version);
    }
}

static bool produce_has_transactions(const struct produce_request *in)
{
    for (int32_t t = 0; t < in->topic_data_count; t++)
        for (int32_t i = 0; i < in->topic_data[t].partition_data_count; i++) {
            const struct wire_records *records = &in->topic_data[t].partition_data[i].records;
            struct batch_head head;

            if (batch_head_read((struct bytes_view){records->data, records->size}, &head) && head.magic == 2 && head.attributes & BATCH_TRANSACTIONAL)
                return true;
        }
    return false;
}

void api_produce(struct request *r)
{
    const struct produce_request *in = r->in;
    const struct broker_shard *b = broker_at(r->here);
    struct produce *p = REQUEST_ALLOC(r, struct produce, 1);
    uint64_t shards = 0;
    int32_t n = 0;

    for (int32_t t = 0; t < in->topic_data_count; t++)
        n += in->topic_data[t].partition_data_count;
    if (!p || !(p->parts = REQUEST_ALLOC(r, struct produce_part, n)) || !(p->arenas = REQUEST_ALLOC(r, struct arena, shard_count(r->here)))) {
        request_close(r, "no memory");
        return;
    }
    r->state = p;
    p->count = n;
    if (produce_has_transactions(in)) /* no transactional id is known here: InitProducerId hands none out */
        p->refused = in->transactional_id.data ? STATUS_INVALID_TXN_STATE : STATUS_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    for (unsigned i = 0; i < shard_count(r->here); i++)
        arena_init(&p->arenas[i], PRODUCE_REWRITE_MAX);
    n = 0;
    for (int32_t t = 0; t < in->topic_data_count; t++) {
        const struct produce_request_topic_data *topic = &in->topic_data[t];
        bool by_id = r->version >= 13;
        const struct image_topic *found = by_id ? image_topic_by_id(b->image, topic->topic_id) : image_topic(b->image, topic->name);

        for (int32_t i = 0; i < topic->partition_data_count; i++, n++) {
            produce_part(r, found, by_id ? STATUS_UNKNOWN_TOPIC_ID : STATUS_UNKNOWN_TOPIC_OR_PARTITION, &topic->partition_data[i], &p->parts[n]);
            if (!p->parts[n].settled)
                shards |= (uint64_t)1 << p->parts[n].shard;
        }
    }
    request_scatter(r, shards, produce_leg, produce_gathered);
}
