/* SPDX-License-Identifier: Apache-2.0
 * The last client: reads every partition that is to be there from its start to its end, and what each group committed.
 */
#include "sim/load_int.h"
#include "wire/api/fetch.h"
#include "wire/api/list_offsets.h"
#include "wire/api/offset_fetch.h"

enum { PATIENCE = 10 };

struct audit {
    struct client c;
    uint32_t partition; /* being read */
    int64_t next;       /* -1: its start is to be asked for */
    uint32_t group;     /* being asked about, when all partitions are read */
    unsigned patience;  /* how often a partition may not be ready yet */
};

static struct audit *audit_of(struct client *c)
{
    return (struct audit *)(void *)c;
}

static void audit_init(struct client *c)
{
    audit_of(c)->next = -1;
    audit_of(c)->patience = PATIENCE;
}

static void next_partition(struct audit *a)
{
    a->partition++;
    a->next = -1;
    a->patience = PATIENCE;
}

/* Memory may have been short when it was to be opened, or read. */
static bool not_ready(struct audit *a, int16_t error)
{
    if ((error != STATUS_NOT_LEADER_OR_FOLLOWER && error != STATUS_KAFKA_STORAGE_ERROR) || !a->patience)
        return false;
    a->patience--;
    return true;
}

static void on_start(struct client *c, const struct call *call, const void *response)
{
    const struct list_offsets_response *out = response;
    struct audit *a = audit_of(c);

    if (!out)
        return;
    if (not_ready(a, out->topics[0].partitions[0].error_code)) {
        client_sleep(c, 1000000);
        return;
    }
    if (out->topics[0].partitions[0].error_code) {
        load_broken(c, "unread", "%s-%d has no start: status %d", topic_of(c->load, a->partition)->name, index_of(a->partition), out->topics[0].partitions[0].error_code);
        next_partition(a);
    } else {
        a->next = out->topics[0].partitions[0].offset;
    }
    client_sleep(c, 1000);
}

static void ask_start(struct audit *a)
{
    struct list_offsets_request_partition partition;
    struct list_offsets_request_topic topic;
    struct list_offsets_request in;

    list_offsets_request_init(&in);
    list_offsets_request_topic_init(&topic);
    list_offsets_request_partition_init(&partition);
    in.replica_id = -1;
    in.topics = &topic;
    in.topics_count = 1;
    topic.name = str_from(topic_of(a->c.load, a->partition)->name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    partition.partition_index = index_of(a->partition);
    partition.timestamp = -2;
    client_call(&a->c, API_LIST_OFFSETS, 9, &in, on_start);
}

static void on_part(struct client *c, const struct call *call, const void *response)
{
    const struct fetch_response *out = response;
    const struct fetch_response_partition *p;
    struct audit *a = audit_of(c);

    if (!out)
        return;
    if (out->error_code || out->responses_count != 1 || out->responses[0].partitions_count != 1) {
        load_broken(c, "protocol", "a fetch without a session was answered with status %d", out->error_code);
        next_partition(a);
        client_sleep(c, 1000);
        return;
    }
    p = &out->responses[0].partitions[0];
    if (not_ready(a, p->error_code)) {
        ops_refused(c->load, call);
        client_sleep(c, 1000000);
        return;
    }
    if (p->error_code) {
        load_broken(c, "unread", "%s-%d, offset %lld: status %d", topic_of(c->load, a->partition)->name, index_of(a->partition), (long long)a->next, p->error_code);
        ops_refused(c->load, call);
        next_partition(a);
    } else {
        int64_t next = fetch_learn(c, call->op, p);
        bool over = next >= p->high_watermark || next == a->next;
        a->next = next;
        if (over)
            next_partition(a);
    }
    client_sleep(c, 1000);
}

static void on_group(struct client *c, const struct call *call, const void *response)
{
    const struct offset_fetch_response *out = response;
    struct audit *a = audit_of(c);

    for (int32_t i = 0; out && !out->error_code && i < out->topics_count; i++)
        for (int32_t k = 0; k < out->topics[i].partitions_count; k++) {
            size_t op = call->op + (size_t)i * LASTING_PARTITIONS + (size_t)k;
            if (out->topics[i].partitions[k].error_code)
                continue;
            c->load->history.ops[op].offset = out->topics[i].partitions[k].committed_offset;
            history_end(&c->load->history, op, OP_OK);
        }
    ops_refused(c->load, call);
    if (!out)
        return;
    a->group += !out->error_code || c->load->history.groups_reported;
    client_sleep(c, out->error_code ? 500000 : 1000);
}

static void ask_group(struct audit *a)
{
    struct load *load = a->c.load;
    struct offset_fetch_request_topic topics[LASTING_TOPICS];
    int32_t indexes[LASTING_PARTITIONS];
    char name[16];
    struct offset_fetch_request in;
    struct call *call;

    offset_fetch_request_init(&in);
    snprintf(name, sizeof name, "g%u", a->group);
    in.group_id = str_from(name);
    in.topics = topics;
    in.topics_count = LASTING_TOPICS;
    for (int32_t i = 0; i < LASTING_PARTITIONS; i++)
        indexes[i] = i;
    for (int32_t i = 0; i < LASTING_TOPICS; i++) {
        offset_fetch_request_topic_init(&topics[i]);
        topics[i].name = str_from(load->topics[i].name);
        topics[i].partition_indexes = indexes;
        topics[i].partition_indexes_count = LASTING_PARTITIONS;
    }
    call = client_call(&a->c, API_OFFSET_FETCH, 7, &in, on_group);
    call->op = load->history.count;
    call->ops = LASTING_TOPICS * LASTING_PARTITIONS;
    for (uint32_t i = 0; i < call->ops; i++)
        history_begin(&load->history, (struct op){.kind = OP_COMMITTED, .process = a->c.id, .group = a->group,
                                                  .partition = i / LASTING_PARTITIONS * TOPIC_PARTITIONS_MAX + i % LASTING_PARTITIONS});
}

static void audit_wake(struct client *c)
{
    struct audit *a = audit_of(c);
    struct load *load = c->load;

    if (!load->auditing || load->audited || !client_idle(c) || !client_connected(c))
        return;
    while (a->partition < load->history.partitions && load->dropped[a->partition])
        a->partition++;
    if (a->partition < load->history.partitions && a->next < 0) {
        ask_start(a);
    } else if (a->partition < load->history.partitions) {
        struct fetch_want want = {a->partition, a->next};
        fetch_call(c, 17, &want, 1, 0, 1 << 20, 0, -1, true, on_part);
    } else if (load->topics_count >= LASTING_TOPICS && a->group < load->options.groups + SIMPLE_GROUPS) {
        ask_group(a);
    } else {
        load->audited = true;
    }
}

const struct client_kind audit_kind = {"audit", sizeof(struct audit), audit_init, audit_wake, NULL};
