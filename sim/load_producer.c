/* SPDX-License-Identifier: Apache-2.0
 * Producers. A record's value begins with eight bytes: the process and its counter, so that no two are equal and a process's grow.
 *
 * A plain one sends a batch and waits; what it does not hear of, it does not send again. An idempotent one has up to five batches under
 * way, and after any trouble connects anew and sends all of them again, in order, until each has its answer (KIP-98). A keyed one is an idempotent one of the
 * compacted topic (load_keys.c).
 */
#include "sim/load_int.h"
#include "wire/api/init_producer_id.h"
#include "wire/api/produce.h"

enum { WINDOW = 5, BATCH_RECORDS_MAX = 6, PAD_MAX = 200 };

struct batch {
    size_t op;
    uint32_t partition, count;
    uint64_t value;
    int32_t sequence;
    bool sent;    /* and not answered on this connection */
    bool unknown; /* it was sent before, and nobody knows what became of it */
};

struct producer {
    struct client c;
    uint64_t next_value;
    int16_t version;
    int64_t id; /* -1: none yet */
    int16_t epoch;
    uint32_t partition; /* that it sends to */
    bool targeted, used; /* used: under this id something was sent */
    bool known, refused; /* under this id and epoch something was acknowledged; or refused before that, though in order */
    int32_t sequence;   /* the next one there */
    struct batch window[WINDOW];
    unsigned count;
};

static struct producer *producer_of(struct client *c)
{
    return (struct producer *)(void *)c;
}

static bool is_once(const struct client *c)
{
    return c->kind != &producer_kind;
}

static void producer_init(struct client *c)
{
    struct producer *p = producer_of(c);

    p->next_value = (uint64_t)(c->id + 1) << 32;
    p->id = -1;
    p->version = (int16_t)(load_chance(c->load, 40) ? 13 : 3 + load_random(c->load, 10));
}

static int32_t sequence_after(int32_t sequence, uint32_t count)
{
    return sequence > INT32_MAX - (int32_t)count ? (int32_t)count - (INT32_MAX - sequence) - 1 : sequence + (int32_t)count;
}

/* --- sending --- */

static struct bytes_view batch_bytes(struct producer *p, const struct batch *batch, uint8_t *buffer, size_t size)
{
    struct batch_builder b;

    batch_builder_init(&b, buffer, size, 0);
    for (uint32_t i = 0; i < batch->count; i++) {
        uint64_t value = batch->value + i;
        int64_t timestamp = op_timestamp(&p->c.load->history.ops[batch->op], i);
        uint8_t bytes[8 + PAD_MAX] = {0};
        bool added;
        if (p->c.kind == &keyed_kind) {
            keys_add(&b, (int32_t)i, value, timestamp);
            continue;
        }
        for (unsigned k = 0; k < 8; k++)
            bytes[k] = (uint8_t)(value >> (56 - 8 * k));
        added = batch_builder_add(&b, (int32_t)i, timestamp, (struct bytes_view){NULL, 0}, (struct bytes_view){bytes, 8 + value * 37 % PAD_MAX}, (struct bytes_view){NULL, 0});
        ASSERT(added);
    }
    return batch_builder_finish(&b, 0, -1, is_once(&p->c) ? p->id : -1, is_once(&p->c) ? p->epoch : -1, is_once(&p->c) ? batch->sequence : -1);
}

static void on_produced(struct client *c, const struct call *call, const void *response);

static void send_batch(struct producer *p, struct batch *batch, int16_t acks)
{
    const struct topic *topic = topic_of(p->c.load, batch->partition);
    uint8_t buffer[BATCH_OVERHEAD + BATCH_RECORDS_MAX * (PAD_MAX + 64)];
    struct bytes_view bytes = batch_bytes(p, batch, buffer, sizeof buffer);
    struct produce_request_partition_data data;
    struct produce_request_topic_data to;
    struct produce_request in;

    produce_request_init(&in);
    produce_request_topic_data_init(&to);
    produce_request_partition_data_init(&data);
    data.index = index_of(batch->partition);
    data.records = (struct wire_records){.data = bytes.data, .size = bytes.size};
    to.name = str_from(topic->name);
    to.topic_id = topic->id;
    to.partition_data = &data;
    to.partition_data_count = 1;
    in.acks = acks;
    in.timeout_ms = 30000;
    in.topic_data = &to;
    in.topic_data_count = 1;
    batch->sent = acks;
    load_tell(&p->c, "sends %llx and %u more to %s-%d, sequence %d", (unsigned long long)batch->value, batch->count - 1, topic->name, data.index, batch->sequence);
    if (acks) {
        struct call *call = client_call(&p->c, API_PRODUCE, p->version, &in, on_produced);
        call->op = batch->op;
        call->ops = 1;
        call->note = batch->value;
    } else {
        client_send(&p->c, API_PRODUCE, p->version, &in);
    }
}

static bool choose_target(struct producer *p)
{
    struct topic *topic = p->c.kind == &keyed_kind ? p->c.load->keyed : topic_any(p->c.load, p->version < 13);

    if (!topic) {
        client_sleep(&p->c, 1000000);
        return false;
    }
    p->partition = partition_number(topic, (int32_t)load_random(p->c.load, (uint64_t)topic->partitions));
    p->targeted = true;
    return true;
}

static struct batch *new_batch(struct producer *p)
{
    struct load *load = p->c.load;
    struct batch *batch = &p->window[p->count++];

    p->used = true;
    *batch = (struct batch){.partition = p->partition, .count = 1 + (uint32_t)load_random(load, BATCH_RECORDS_MAX), .value = p->next_value, .sequence = p->sequence};
    p->next_value += batch->count;
    p->sequence = sequence_after(p->sequence, batch->count);
    load->sent[p->partition] += batch->count;
    batch->op = history_begin(&load->history, (struct op){.kind = OP_SEND, .once = is_once(&p->c), .process = p->c.id, .partition = batch->partition,
                                                          .value = batch->value, .count = batch->count, .offset = -1,
                                                          .timestamp = sim_true_wall_ms(load->sim)});
    return batch;
}

/* --- answers --- */

static void forget_batch(struct producer *p, unsigned at)
{
    memmove(&p->window[at], &p->window[at + 1], (--p->count - at) * sizeof p->window[0]);
}

/* The partition is no more: what is under way to it will never be known, and the next batch goes elsewhere. */
static void abandon_target(struct producer *p)
{
    p->count = 0;
    p->targeted = false;
    p->id = -1; /* a new one, so that sequences begin anew */
}

/* What a refusal of a batch says of its fate. */
static bool is_refused_for_good(enum status s)
{
    return s == STATUS_UNKNOWN_TOPIC_ID || s == STATUS_UNKNOWN_TOPIC_OR_PARTITION || s == STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER || s == STATUS_MESSAGE_TOO_LARGE;
}

/* There are no more offsets: true when all that was ever sent leaves no room for it. An idempotent one's batch is not there, or this would be the answer
 * to a duplicate. */
static void on_no_offsets(struct producer *p, struct batch *batch)
{
    struct load *load = p->c.load;

    if (load->sent[batch->partition] <= (uint64_t)(INT64_MAX - load->first[batch->partition]))
        load_broken(&p->c, "offset-end", "%llx was refused for want of offsets, which there are", (unsigned long long)batch->value);
    load->counts.offset_ends++;
    history_end(&load->history, batch->op, OP_REFUSED);
    abandon_target(p);
    client_disconnect(&p->c);
}

static void on_trouble(struct producer *p, struct batch *batch, enum status s)
{
    struct load *load = p->c.load;
    struct topic *topic = topic_of(load, batch->partition);

    load_tell(&p->c, "hears that %llx failed: status %d", (unsigned long long)batch->value, s);
    load_refused(&p->c, batch->partition, (int16_t)s);
    if (s == STATUS_UNKNOWN_TOPIC_ID || s == STATUS_UNKNOWN_TOPIC_OR_PARTITION) {
        if (!topic->gone)
            load_broken(&p->c, "topic-lost", "%s is there, and was answered with status %d", topic->name, s);
        if (!batch->unknown)
            history_end(&load->history, batch->op, OP_REFUSED);
        abandon_target(p);
        client_disconnect(&p->c);
        return;
    }
    if (s == STATUS_INVALID_RECORD) {
        on_no_offsets(p, batch);
        return;
    }
    if (!is_once(&p->c)) {
        if (is_refused_for_good(s))
            history_end(&load->history, batch->op, OP_REFUSED);
        p->count = 0;
        return;
    }
    if (s == STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER && p->refused && !p->known) { /* what came after it may have been the first that was accepted */
        abandon_target(p);
        client_disconnect(&p->c);
        return;
    }
    p->refused |= s != STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER;
    if (s == STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER && batch == &p->window[0])
        load_broken(&p->c, "sequence", "%llx, sequence %d, is the next one, and was refused as out of order", (unsigned long long)batch->value, batch->sequence);
    client_disconnect(&p->c); /* and all again, in order */
}

/* What the profile makes common: it is to be seen that it is. */
static void count_ends(struct producer *p, const struct batch *batch)
{
    struct load_counts *counts = &p->c.load->counts;

    counts->sequence_ends += is_once(&p->c) && sequence_after(batch->sequence, batch->count) < batch->sequence;
    counts->epoch_ends += is_once(&p->c) && p->epoch >= INT16_MAX - 1;
}

static void on_produced(struct client *c, const struct call *call, const void *response)
{
    const struct produce_response *out = response;
    const struct produce_response_partition_response *answer;
    struct producer *p = producer_of(c);
    unsigned at = 0;

    while (at < p->count && p->window[at].value != call->note)
        at++;
    if (at == p->count)
        return; /* it was abandoned */
    p->window[at].sent = false;
    if (!out || out->responses_count != 1 || out->responses[0].partition_responses_count != 1) {
        p->window[at].unknown = true;
        if (!is_once(c))
            forget_batch(p, at);
        return;
    }
    answer = &out->responses[0].partition_responses[0];
    if (answer->error_code && answer->error_code != STATUS_DUPLICATE_SEQUENCE_NUMBER) {
        on_trouble(p, &p->window[at], (enum status)answer->error_code);
    } else {
        struct op *op = &c->load->history.ops[call->op];
        op->offset = answer->error_code ? -1 : answer->base_offset;
        bool early = op->offset < c->load->first[op->partition] && !c->load->options.beyond; /* a log that lost its segments begins anew, and says so */
        if (!answer->error_code && (early || op->offset > INT64_MAX - op->count))
            load_broken(c, "offset-end", "%llx is told to be at offset %lld", (unsigned long long)op->value, (long long)op->offset);
        history_end(&c->load->history, call->op, OP_OK);
        p->known = true;
        count_ends(p, &p->window[at]);
        load_acked(c->load, op->partition, op->offset < 0 ? 0 : op->offset + op->count);
        load_tell(c, "hears that %llx is at offset %lld", (unsigned long long)op->value, (long long)op->offset);
        forget_batch(p, at);
    }
    if (c->wire)
        client_sleep(c, 1500000);
}

/* --- waking --- */

static void plain_wake(struct client *c)
{
    struct producer *p = producer_of(c);
    int16_t acks = (int16_t)(load_chance(c->load, 5) ? 0 : load_chance(c->load, 50) ? 1 : -1);

    if (c->load->finishing || !client_idle(c) || !client_connected(c))
        return;
    if ((!p->targeted || load_chance(c->load, 10) || topic_of(c->load, p->partition)->gone) && !choose_target(p))
        return;
    p->count = 0;
    send_batch(p, new_batch(p), acks);
    if (!acks)
        client_sleep(c, 1500000);
}

static void on_id(struct client *c, const struct call *call, const void *response)
{
    const struct init_producer_id_response *out = response;
    struct producer *p = producer_of(c);

    if (!out)
        return;
    if (!out->error_code) {
        p->id = out->producer_id;
        p->known = p->refused = false;
        p->epoch = c->load->options.near_wrap ? (int16_t)(INT16_MAX - load_random(c->load, 4)) : out->producer_epoch;
        p->used = false;
        p->sequence = c->load->options.near_wrap ? INT32_MAX - (int32_t)load_random(c->load, 30) : 0;
        load_tell(c, "is now producer %lld", (long long)p->id);
    }
    client_sleep(c, 100000);
}

static void ask_id(struct client *c)
{
    struct init_producer_id_request in;

    init_producer_id_request_init(&in);
    in.transactional_id = STR_NULL;
    client_call(c, API_INIT_PRODUCER_ID, (int16_t)load_random(c->load, 6), &in, on_id);
}

/* Sequences begin anew: in the producer's next epoch, which it gives itself (KIP-360), or, false, as another producer. */
static bool next_epoch(struct producer *p)
{
    if (p->epoch == INT16_MAX || load_chance(p->c.load, 30))
        return false;
    p->epoch++;
    p->known = p->refused = false;
    p->sequence = 0;
    p->used = false;
    load_tell(&p->c, "is now in epoch %d", p->epoch);
    return true;
}

static void once_wake(struct client *c)
{
    struct producer *p = producer_of(c);
    unsigned burst = load_chance(c->load, 30) ? WINDOW : 1;

    if ((c->load->finishing && !p->count) || !client_connected(c))
        return;
    if (p->id < 0) {
        if (client_idle(c))
            ask_id(c);
        return;
    }
    if (!p->count && p->targeted && load_chance(c->load, 3))
        p->targeted = false;
    if (!p->targeted) {
        if (p->used && !next_epoch(p)) {
            p->id = -1;
            client_sleep(c, 1000);
            return;
        }
        if (!choose_target(p))
            return;
    }
    for (unsigned i = 0; i < p->count && c->wire; i++)
        if (!p->window[i].sent)
            send_batch(p, &p->window[i], -1);
    while (!c->load->finishing && c->wire && burst-- && p->count < WINDOW)
        send_batch(p, new_batch(p), -1);
}

static bool once_finished(const struct client *c)
{
    const struct producer *p = (const struct producer *)(const void *)c;

    return !p->count;
}

const struct client_kind producer_kind = {"producer", sizeof(struct producer), producer_init, plain_wake, NULL};
const struct client_kind once_kind = {"once", sizeof(struct producer), producer_init, once_wake, once_finished};
const struct client_kind keyed_kind = {"keyed", sizeof(struct producer), producer_init, once_wake, once_finished};
