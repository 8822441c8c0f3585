/* SPDX-License-Identifier: Apache-2.0
 * One who writes to many partitions at once: a record to each of up to CROWD_BATCHES partitions of a wide topic, in one request. What it does not hear of, it
 * does not send again. So many tails and journal frames are of different logs, and most logs sleep until somebody comes.
 */
#include "sim/load_int.h"
#include "wire/api/produce.h"

enum { CROWD_BATCHES = 128, RECORD_BYTES = BATCH_OVERHEAD + 64 };

struct crowd {
    struct client c;
    uint64_t next_value;
};

static struct crowd *crowd_of(struct client *c)
{
    return (struct crowd *)(void *)c;
}

static void crowd_init(struct client *c)
{
    crowd_of(c)->next_value = (uint64_t)(c->id + 1) << 32;
}

static void learn_answer(struct client *c, size_t at, const struct produce_response_partition_response *answer)
{
    struct load *load = c->load;
    struct op *op = &load->history.ops[at];

    if (answer->error_code) {
        load_tell(c, "hears that %llx failed: status %d", (unsigned long long)op->value, answer->error_code);
        load_refused(c, op->partition, answer->error_code);
        if (answer->error_code == STATUS_UNKNOWN_TOPIC_ID || answer->error_code == STATUS_UNKNOWN_TOPIC_OR_PARTITION)
            load_broken(c, "topic-lost", "%s-%d is there, and was answered with status %d", topic_of(load, op->partition)->name, index_of(op->partition), answer->error_code);
        return;
    }
    op->offset = answer->base_offset;
    history_end(&load->history, at, OP_OK);
    load_acked(load, op->partition, op->offset + op->count);
}

static void on_produced(struct client *c, const struct call *call, const void *response)
{
    const struct produce_response *out = response;
    const struct produce_response_response *topic = out && out->responses_count == 1 ? &out->responses[0] : NULL;

    if (!out)
        return;
    if (!topic || topic->partition_responses_count != (int32_t)call->ops)
        load_broken(c, "protocol", "%u partitions were written to, and %d are told", call->ops, topic ? topic->partition_responses_count : 0);
    for (int32_t i = 0; topic && i < topic->partition_responses_count; i++) {
        const struct produce_response_partition_response *answer = &topic->partition_responses[i];
        uint32_t partition = topic_of(c->load, c->load->history.ops[call->op].partition)->base + (uint32_t)answer->index;
        size_t at = fetch_op(c->load, call, partition);
        if (at < call->op + call->ops)
            learn_answer(c, at, answer);
        else
            load_broken(c, "protocol", "partition %d was not written to, and is told", answer->index);
    }
    client_sleep(c, 1500000);
}

/* One record. */
static struct bytes_view write_batch(struct crowd *w, uint32_t partition, uint8_t bytes[static RECORD_BYTES])
{
    struct load *load = w->c.load;
    struct op op = {.kind = OP_SEND, .process = w->c.id, .partition = partition, .value = w->next_value++, .count = 1, .offset = -1,
                    .timestamp = sim_true_wall_ms(load->sim)};
    uint8_t value[8];
    struct batch_builder b;
    bool added;

    for (unsigned k = 0; k < 8; k++)
        value[k] = (uint8_t)(op.value >> (56 - 8 * k));
    batch_builder_init(&b, bytes, RECORD_BYTES, 0);
    added = batch_builder_add(&b, 0, op.timestamp, (struct bytes_view){NULL, 0}, (struct bytes_view){value, sizeof value}, (struct bytes_view){NULL, 0});
    ASSERT(added);
    history_begin(&load->history, op);
    load->sent[partition]++;
    return batch_builder_finish(&b, 0, -1, -1, -1, -1);
}

static void crowd_wake(struct client *c)
{
    struct load *load = c->load;
    static uint8_t bytes[CROWD_BATCHES][RECORD_BYTES];
    struct produce_request_partition_data data[CROWD_BATCHES];
    struct produce_request_topic_data to;
    struct produce_request in;
    const struct topic *topic = load->wide_count ? load->wide[load_random(load, load->wide_count)] : NULL;
    uint64_t count = 1 + load_random(load, load_chance(load, 50) ? 8 : CROWD_BATCHES), first;
    struct call *call;
    size_t op;

    if (load->finishing || !client_idle(c) || !client_connected(c))
        return;
    if (!topic) {
        client_sleep(c, 1000000);
        return;
    }
    produce_request_init(&in);
    produce_request_topic_data_init(&to);
    count = count < (uint64_t)topic->partitions ? count : (uint64_t)topic->partitions;
    first = load_random(load, (uint64_t)topic->partitions);
    op = load->history.count;
    for (size_t i = 0; i < count; i++) {
        int32_t index = (int32_t)((first + i) % (uint64_t)topic->partitions);
        struct bytes_view batch = write_batch(crowd_of(c), partition_number(topic, index), bytes[i]);
        produce_request_partition_data_init(&data[i]);
        data[i].index = index;
        data[i].records = (struct wire_records){.data = batch.data, .size = batch.size};
    }
    to.name = str_from(topic->name);
    to.topic_id = topic->id;
    to.partition_data = data;
    to.partition_data_count = (int32_t)count;
    in.acks = load_chance(load, 50) ? 1 : -1;
    in.timeout_ms = 30000;
    in.topic_data = &to;
    in.topic_data_count = 1;
    load_tell(c, "sends to %d partitions of %s, from %d on", (int)count, topic->name, (int)first);
    call = client_call(c, API_PRODUCE, (int16_t)(3 + load_random(load, 11)), &in, on_produced);
    call->op = op;
    call->ops = (unsigned)count;
}

const struct client_kind crowd_kind = {"crowd", sizeof(struct crowd), crowd_init, crowd_wake, NULL};
