/* SPDX-License-Identifier: Apache-2.0
 * Standalone readers: from any offset on, some steps, then elsewhere. Also with incremental fetch sessions (KIP-227).
 */
#include "sim/load_int.h"
#include "wire/api/fetch.h"
#include "wire/api/list_offsets.h"
#include "wire/api/offset_for_leader_epoch.h"

struct wanderer {
    struct client c;
    int16_t version;
    struct topic *topic; /* NULL: it has to choose */
    struct fetch_want wants[TOPIC_PARTITIONS_MAX];
    int32_t first; /* the index of the first of them: of a wide topic it reads a few */
    size_t count;
    unsigned steps; /* left */
    bool positioned, session;
    int32_t session_id, session_epoch;
};

static struct wanderer *reader_of(struct client *c)
{
    return (struct wanderer *)(void *)c;
}

static void choose(struct wanderer *r)
{
    struct load *load = r->c.load;

    r->version = (int16_t)(4 + load_random(load, 14));
    if (load->wide_count && load_chance(load, 30))
        r->topic = load->wide[load_random(load, load->wide_count)];
    else
        r->topic = load->keyed && load_chance(load, 30) ? load->keyed : topic_any(load, r->version < 13);
    r->positioned = false;
    r->steps = 1 + (unsigned)load_random(load, 30);
    r->session = r->version >= 7 && load_chance(load, 60);
    r->session_id = 0;
    r->session_epoch = r->session ? 0 : -1;
    r->first = 0;
    r->count = r->topic ? (size_t)r->topic->partitions : 0;
    if (r->count > TOPIC_PARTITIONS_MAX) {
        r->first = (int32_t)load_random(load, r->count - TOPIC_PARTITIONS_MAX + 1);
        r->count = TOPIC_PARTITIONS_MAX;
    }
    for (size_t i = 0; i < r->count; i++)
        r->wants[i].partition = partition_number(r->topic, r->first + (int32_t)i);
}

/* Its place among what it reads; NULL: it was not asked for. */
static struct fetch_want *want_of(struct wanderer *r, int32_t index)
{
    return index >= r->first && (size_t)(index - r->first) < r->count ? &r->wants[index - r->first] : NULL;
}

/* --- where to begin --- */

static void on_offsets(struct client *c, const struct call *call, const void *response)
{
    const struct list_offsets_response *out = response;
    struct wanderer *r = reader_of(c);

    if (!out || out->topics_count != 1) {
        r->topic = NULL;
        return;
    }
    for (int32_t i = 0; i < out->topics[0].partitions_count; i++) {
        const struct list_offsets_response_partition *p = &out->topics[0].partitions[i];
        struct fetch_want *want = want_of(r, p->partition_index);
        size_t op = want ? fetch_op(c->load, call, want->partition) : 0;
        int64_t first = want ? c->load->first[want->partition] : 0;
        if (p->error_code || !want || op == call->op + call->ops) {
            r->topic = NULL;
            break;
        }
        if (call->note && c->load->history.ops[op].kind == OP_FIND) {
            c->load->history.ops[op].found = p->timestamp;
            c->load->history.ops[op].offset = p->offset;
            history_end(&c->load->history, op, OP_OK);
            want->offset = p->offset < 0 ? first : p->offset;
        } else if (call->note) { /* asked for the end */
            struct op *it = &c->load->history.ops[op];
            it->offset = it->high_watermark = p->offset;
            it->start_offset = -1;
            history_end(&c->load->history, op, OP_OK);
            want->offset = first + (int64_t)load_random(c->load, (uint64_t)(p->offset - first) + 1);
        } else {
            want->offset = p->offset < 0 ? first : p->offset;
        }
    }
    ops_refused(c->load, call);
    r->positioned = r->topic;
    client_sleep(c, 200000);
}

static void ask_offsets(struct wanderer *r)
{
    struct load *load = r->c.load;
    struct list_offsets_request_partition partitions[TOPIC_PARTITIONS_MAX];
    struct list_offsets_request_topic topic;
    struct list_offsets_request in;
    enum { END, START, TIME, GREATEST } what = load_chance(load, 50) ? r->topic->compacted ? START : END : (int)load_random(load, 4);
    const int64_t timestamps[] = {-1, -2, sim_true_wall_ms(load->sim) - (int64_t)load_random(load, 600000), -3};
    int16_t version_min = what == GREATEST ? 7 : 1;
    struct call *call;

    list_offsets_request_init(&in);
    list_offsets_request_topic_init(&topic);
    in.replica_id = -1;
    in.topics = &topic;
    in.topics_count = 1;
    topic.name = str_from(r->topic->name);
    topic.partitions = partitions;
    topic.partitions_count = (int32_t)r->count;
    for (size_t i = 0; i < r->count; i++) {
        list_offsets_request_partition_init(&partitions[i]);
        partitions[i].partition_index = r->first + (int32_t)i;
        partitions[i].timestamp = timestamps[what];
    }
    call = client_call(&r->c, API_LIST_OFFSETS, (int16_t)(version_min + load_random(load, 10 - (uint64_t)version_min)), &in, on_offsets);
    call->note = what != START && r->topic->lasting;
    call->op = load->history.count;
    call->ops = (unsigned)r->count;
    for (size_t i = 0; i < r->count; i++)
        history_begin(&load->history, (struct op){.kind = what == TIME || what == GREATEST ? OP_FIND : OP_POLL, .process = r->c.id,
                                                  .partition = r->wants[i].partition, .timestamp = timestamps[what]});
}

/* --- where an epoch ends: the only one that there is, when no log directory fails, so at the log's end, which may be ahead of the high watermark --- */

static void on_epochs(struct client *c, const struct call *call, const void *response)
{
    const struct offset_for_leader_epoch_response *out = response;
    const struct wanderer *r = reader_of(c);

    for (int32_t i = 0; out && out->topics_count == 1 && i < out->topics[0].partitions_count; i++) {
        const struct offset_for_leader_epoch_response_partition *p = &out->topics[0].partitions[i];
        int64_t least = load_acked_long_ago(c->load, partition_number(r->topic, p->partition));
        if (!p->error_code && c->load->options.dirs < 2 && (p->end_offset < least || (call->version > 0 && p->leader_epoch)))
            load_broken(c, "epoch-end", "%s-%d: the epoch %d is told to end at %lld, and the log went to %lld long ago", r->topic->name, p->partition, p->leader_epoch,
                        (long long)p->end_offset, (long long)least);
    }
    if (out)
        client_sleep(c, 200000);
}

static void ask_epochs(struct wanderer *r)
{
    struct load *load = r->c.load;
    struct offset_for_leader_epoch_request_partition partitions[TOPIC_PARTITIONS_MAX];
    struct offset_for_leader_epoch_request_topic topic;
    struct offset_for_leader_epoch_request in;

    offset_for_leader_epoch_request_init(&in);
    offset_for_leader_epoch_request_topic_init(&topic);
    in.topics = &topic;
    in.topics_count = 1;
    topic.topic = str_from(r->topic->name);
    topic.partitions = partitions;
    topic.partitions_count = (int32_t)r->count;
    for (size_t i = 0; i < r->count; i++) {
        offset_for_leader_epoch_request_partition_init(&partitions[i]);
        partitions[i].partition = r->first + (int32_t)i;
    }
    client_call(&r->c, API_OFFSET_FOR_LEADER_EPOCH, (int16_t)load_random(load, 5), &in, on_epochs);
}

/* --- reading --- */

static void learn_partition(struct wanderer *r, const struct call *call, struct fetch_want *want, const struct fetch_response_partition *p)
{
    struct client *c = &r->c;
    size_t op = fetch_op(c->load, call, want->partition);

    if (op == call->op + call->ops) { /* of a session: this fetch had nothing new to say of it */
        op = history_begin(&c->load->history, (struct op){.kind = OP_POLL, .process = c->id, .partition = want->partition, .offset = want->offset});
        c->load->history.ops[op].begun = c->load->history.ops[call->op].begun;
    }
    want->offset = fetch_learn(c, op, p);
    if (!p->error_code)
        return;
    load_tell(c, "hears of %s-%d: status %d", r->topic->name, p->partition_index, p->error_code);
    if (p->error_code == STATUS_OFFSET_OUT_OF_RANGE && r->topic->lasting && !r->topic->trimmed)
        load_broken(c, "out-of-range", "%s-%d, offset %lld, which was there", r->topic->name, p->partition_index, (long long)want->offset);
    if ((p->error_code == STATUS_UNKNOWN_TOPIC_OR_PARTITION || p->error_code == STATUS_UNKNOWN_TOPIC_ID) && !r->topic->gone)
        load_broken(c, "topic-lost", "%s-%d is there, and was answered with status %d", r->topic->name, p->partition_index, p->error_code);
    r->steps = 0;
}

static void on_fetched(struct client *c, const struct call *call, const void *response)
{
    const struct fetch_response *out = response;
    struct wanderer *r = reader_of(c);

    if (!out || out->error_code) {
        ops_refused(c->load, call);
        r->session_id = 0;
        r->session_epoch = r->session ? 0 : -1;
        if (out)
            client_sleep(c, 1500000);
        return;
    }
    for (int32_t i = 0; i < out->responses_count; i++)
        for (int32_t k = 0; k < out->responses[i].partitions_count; k++) {
            const struct fetch_response_partition *p = &out->responses[i].partitions[k];
            struct fetch_want *want = want_of(r, p->partition_index);
            if (want)
                learn_partition(r, call, want, p);
            else
                load_broken(c, "protocol", "a partition that was not asked for");
        }
    fetch_judge(c, call, out, r->session_epoch <= 0);
    ops_refused(c->load, call);
    if (r->session) {
        r->session = out->session_id;
        r->session_id = out->session_id;
        r->session_epoch = out->session_id ? r->session_epoch + 1 : -1;
    }
    client_sleep(c, 1500000);
}

static void reader_wake(struct client *c)
{
    struct wanderer *r = reader_of(c);
    struct load *load = c->load;

    if (load->finishing || !client_idle(c) || !client_connected(c))
        return;
    if (!r->topic || !r->steps-- || r->topic->gone)
        choose(r);
    if (!r->topic) {
        client_sleep(c, 1000000);
        return;
    }
    if (!r->positioned) {
        ask_offsets(r);
        return;
    }
    if (r->topic->lasting && load_chance(load, 3)) {
        ask_epochs(r);
        return;
    }
    load_tell(c, "reads %s from %lld on", r->topic->name, (long long)r->wants[0].offset);
    fetch_call(c, r->version, r->wants, r->count, (int32_t)load_random(load, load_chance(load, 20) ? 10000 : 300),
               1 + (int32_t)load_random(load, (uint64_t)load->options.fetch_bytes), r->session_id, r->session_epoch, false, on_fetched);
}

const struct client_kind reader_kind = {"reader", sizeof(struct wanderer), NULL, reader_wake, NULL};
