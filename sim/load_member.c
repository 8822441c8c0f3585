/* SPDX-License-Identifier: Apache-2.0
 * Members of classic groups. They read the lasting topics; an assignment is a list of partition numbers, one byte each, that the leader
 * deals out. A member that was told that its time is over begins anew, as clients do. Every second one is static (KIP-345): now and then it
 * comes back as after a restart, without its id.
 *
 *   OUT ─ JoinGroup ─→ JOINED ─ SyncGroup ─→ OWNING ─ OffsetFetch ─→ READING: fetch, commit, heartbeat
 */
#include "sim/load_int.h"
#include "wire/api/fetch.h"
#include "wire/api/find_coordinator.h"
#include "wire/api/heartbeat.h"
#include "wire/api/join_group.h"
#include "wire/api/leave_group.h"
#include "wire/api/offset_commit.h"
#include "wire/api/offset_fetch.h"
#include "wire/api/sync_group.h"

enum { LOST_US = 60000000 }; /* so long a request may still be on its way */
enum { IDLE_US = 60000000 }; /* after which a member that sends no SyncGroup is out: its rebalance timeout, and all that a fault may add */
enum { ID_SIZE = 128, MEMBERS_MAX = 32, OWNED_MAX = LASTING_TOPICS * TOPIC_PARTITIONS_MAX };

enum member_state { MEMBER_OUT, MEMBER_JOINED, MEMBER_OWNING, MEMBER_READING };

struct member {
    struct client c;
    enum member_state state;
    uint32_t group;
    char group_id[16], id[ID_SIZE], instance[16]; /* instance: "" of a dynamic one */
    uint64_t lost_us; /* when it did not hear what became of a JoinGroup */
    int32_t generation;
    char others[MEMBERS_MAX][ID_SIZE]; /* of a leader */
    size_t others_count;
    bool leads, asked_coordinator;
    unsigned idles; /* on this connection it sends heartbeats instead of its SyncGroup; 0: on none */
    uint64_t joined_us;
    struct fetch_want owned[OWNED_MAX];
    size_t owned_count, at; /* at: of owned, being read */
    uint64_t beat_us;
    uint64_t synced_us; /* when it was dealt what it owns */
    const char *doubt;  /* member_doubt, at doubt_us; NULL: none */
    uint64_t doubt_us;
    unsigned doubt_connections; /* the client's, then: a node that was killed since has its coordinator's last synced generation again */
};

static struct member *member_of(struct client *c)
{
    return (struct member *)(void *)c;
}

static void member_init(struct client *c)
{
    struct member *m = member_of(c);

    m->group = (uint32_t)load_random(c->load, c->load->options.groups);
    snprintf(m->group_id, sizeof m->group_id, "g%u", m->group);
    if (c->id % 2)
        snprintf(m->instance, sizeof m->instance, "s%u", c->id);
}

static struct str_view instance_of(const struct member *m)
{
    return m->instance[0] ? str_from(m->instance) : STR_NULL;
}

static void keep_id(char to[ID_SIZE], struct str_view id)
{
    ASSERT(id.size < ID_SIZE);
    memcpy(to, id.data, id.size);
    to[id.size] = 0;
}

/* What an error says of the membership. */
static void on_error(struct member *m, int16_t error)
{
    load_tell(&m->c, "of %s, generation %d, hears status %d", m->group_id, m->generation, error);
    if (error == STATUS_FENCED_INSTANCE_ID && m->state >= MEMBER_OWNING && m->c.load->sim->now_us > m->lost_us + LOST_US)
        load_broken(&m->c, "fenced", "%s of %s, generation %d, is the only one of its instance, and was told that another has come", m->id, m->group_id, m->generation);
    if (error == STATUS_UNKNOWN_MEMBER_ID || error == STATUS_FENCED_INSTANCE_ID)
        m->id[0] = 0;
    if (error != STATUS_COORDINATOR_LOAD_IN_PROGRESS && error != STATUS_COORDINATOR_NOT_AVAILABLE && error != STATUS_NOT_COORDINATOR)
        m->state = MEMBER_OUT;
    client_sleep(&m->c, 500000);
}

/* --- what others are told of it --- */

bool member_look(struct client *c, struct member_view *view)
{
    const struct member *m = member_of(c);

    if (c->kind != &member_kind || m->state < MEMBER_OWNING)
        return false;
    *view = (struct member_view){m->group, m->id, m->synced_us, m->owned, m->owned_count};
    return true;
}

void member_doubt(struct client *c, const char *what)
{
    struct member *m = member_of(c);

    m->doubt = c->load->options.dirs > 1 ? NULL : what; /* its coordinator's log may have been away for a while */
    m->doubt_us = c->load->sim->now_us;
    m->doubt_connections = c->connections;
}

/* A commit was accepted. (A heartbeat says nothing: while a coordinator loads, all are.) */
static void judge_doubt(struct member *m, const struct call *call)
{
    if (call->begun_us <= m->doubt_us || m->generation != (int32_t)call->note)
        return;
    if (m->doubt && m->doubt_connections == m->c.connections)
        load_broken(&m->c, "described", "%s of %s, generation %d: %s", m->id, m->group_id, m->generation, m->doubt);
    m->doubt = NULL;
}

/* --- joining --- */

static void on_joined(struct client *c, const struct call *call, const void *response)
{
    const struct join_group_response *out = response;
    struct member *m = member_of(c);

    if (!out) {
        m->lost_us = c->load->sim->now_us;
        return;
    }
    if (out->error_code == STATUS_MEMBER_ID_REQUIRED)
        keep_id(m->id, out->member_id);
    if (out->error_code) {
        on_error(m, out->error_code);
        return;
    }
    keep_id(m->id, out->member_id);
    /* In a generation that is new: who joins again needs no SyncGroup, and a coordinator that loads its group knows nothing of who owes one. */
    m->idles = m->generation != out->generation_id && load_chance(c->load, 3) ? c->connections : 0;
    m->generation = out->generation_id;
    m->doubt = NULL;
    m->leads = str_equal(out->leader, out->member_id);
    m->others_count = 0;
    for (int32_t i = 0; m->leads && i < out->members_count && i < MEMBERS_MAX; i++)
        keep_id(m->others[m->others_count++], out->members[i].member_id);
    m->state = MEMBER_JOINED;
    m->joined_us = c->load->sim->now_us;
    load_tell(c, "joined %s, generation %d%s", m->group_id, m->generation, m->leads ? ", and leads" : "");
    client_sleep(c, load_chance(c->load, 5) ? 3000000 : 20000);
}

static void join(struct member *m)
{
    struct join_group_request_protocol protocol;
    struct join_group_request in;

    join_group_request_init(&in);
    join_group_request_protocol_init(&protocol);
    protocol.name = STR_LIT("range");
    protocol.metadata = (struct bytes_view){(const uint8_t *)"", 0};
    in.group_id = str_from(m->group_id);
    in.member_id = str_from(m->id);
    in.session_timeout_ms = 6000;
    in.rebalance_timeout_ms = 10000; /* IDLE_US */
    in.protocol_type = STR_LIT("consumer");
    in.protocols = &protocol;
    in.protocols_count = 1;
    in.group_instance_id = instance_of(m);
    client_call(&m->c, API_JOIN_GROUP, (int16_t)(m->instance[0] ? 5 + load_random(m->c.load, 5) : load_random(m->c.load, 10)), &in, on_joined);
}

static void on_synced(struct client *c, const struct call *call, const void *response)
{
    const struct sync_group_response *out = response;
    struct load *load = c->load;
    struct member *m = member_of(c);

    if (!out || m->generation != (int32_t)call->note)
        return;
    if (out->error_code) {
        on_error(m, out->error_code);
        return;
    }
    if (!out->assignment.size)
        load_broken(c, "unassigned", "%s of %s, generation %d, was dealt nothing, though there is more than enough for all", m->id, m->group_id, m->generation);
    m->owned_count = 0;
    for (size_t i = 0; i < out->assignment.size && i < OWNED_MAX; i++) {
        uint32_t partition = out->assignment.data[i];
        size_t op = history_begin(&load->history, (struct op){.kind = OP_OWN, .process = c->id, .partition = partition, .group = m->group, .generation = m->generation});
        history_end(&load->history, op, OP_OK);
        m->owned[m->owned_count++] = (struct fetch_want){.partition = partition};
    }
    load_tell(c, "owns %zu partitions in %s, generation %d", m->owned_count, m->group_id, m->generation);
    m->state = m->owned_count ? MEMBER_OWNING : MEMBER_READING;
    m->beat_us = m->synced_us = load->sim->now_us;
    m->doubt = NULL;
    client_sleep(c, 20000);
}

static void sync_group(struct member *m)
{
    struct sync_group_request_assignment assignments[MEMBERS_MAX];
    uint8_t dealt[MEMBERS_MAX][OWNED_MAX];
    struct sync_group_request in;
    size_t dealt_count = 0;

    sync_group_request_init(&in);
    in.group_id = str_from(m->group_id);
    in.member_id = str_from(m->id);
    in.generation_id = m->generation;
    in.group_instance_id = instance_of(m);
    in.protocol_type = STR_LIT("consumer");
    in.protocol_name = STR_LIT("range");
    in.assignments = assignments;
    for (size_t i = 0; m->leads && i < m->others_count; i++) {
        sync_group_request_assignment_init(&assignments[i]);
        assignments[i].member_id = str_from(m->others[i]);
        assignments[i].assignment = (struct bytes_view){dealt[i], 0};
        in.assignments_count++;
    }
    for (size_t t = 0; in.assignments_count && t < LASTING_TOPICS; t++)
        for (uint32_t p = 0; p < LASTING_PARTITIONS; p++) {
            size_t to = dealt_count++ % m->others_count;
            dealt[to][assignments[to].assignment.size++] = (uint8_t)(t * TOPIC_PARTITIONS_MAX + p);
        }
    client_call(&m->c, API_SYNC_GROUP, (int16_t)load_random(m->c.load, 6), &in, on_synced)->note = (uint64_t)m->generation;
}

/* --- where the group is --- */

static void on_committed_offsets(struct client *c, const struct call *call, const void *response)
{
    const struct offset_fetch_response *out = response;
    struct load *load = c->load;
    struct member *m = member_of(c);
    int16_t error = out && call->version >= 2 ? out->error_code : 0;

    for (int32_t i = 0; out && !error && i < out->topics_count; i++) {
        const struct offset_fetch_response_topic_partition *p = &out->topics[i].partitions[0];
        error = p->error_code;
        if (error)
            break;
        load->history.ops[call->op + (size_t)i].offset = p->committed_offset;
        history_end(&load->history, call->op + (size_t)i, OP_OK);
        m->owned[i].offset = p->committed_offset < 0 ? load->first[m->owned[i].partition] : p->committed_offset;
    }
    ops_refused(load, call);
    if (!out)
        return;
    if (error) {
        on_error(m, error);
        return;
    }
    m->state = MEMBER_READING;
    client_sleep(c, 20000);
}

/* One topic an element, so that the answer has the order of `owned`. */
static void ask_committed(struct member *m)
{
    struct load *load = m->c.load;
    struct offset_fetch_request_topic topics[OWNED_MAX];
    int32_t indexes[OWNED_MAX];
    struct offset_fetch_request in;
    struct call *call;

    offset_fetch_request_init(&in);
    in.group_id = str_from(m->group_id);
    in.topics = topics;
    in.topics_count = (int32_t)m->owned_count;
    for (size_t i = 0; i < m->owned_count; i++) {
        offset_fetch_request_topic_init(&topics[i]);
        indexes[i] = index_of(m->owned[i].partition);
        topics[i].name = str_from(topic_of(load, m->owned[i].partition)->name);
        topics[i].partition_indexes = &indexes[i];
        topics[i].partition_indexes_count = 1;
    }
    call = client_call(&m->c, API_OFFSET_FETCH, (int16_t)(1 + load_random(load, 7)), &in, on_committed_offsets);
    call->op = load->history.count;
    call->ops = (unsigned)m->owned_count;
    for (size_t i = 0; i < m->owned_count; i++)
        history_begin(&load->history, (struct op){.kind = OP_COMMITTED, .process = m->c.id, .partition = m->owned[i].partition, .group = m->group});
}

/* --- reading and committing --- */

static void on_committed(struct client *c, const struct call *call, const void *response)
{
    const struct offset_commit_response *out = response;
    struct member *m = member_of(c);
    int16_t error;

    if (!out) { /* nobody knows: it looks where the group is */
        m->state = m->state == MEMBER_READING ? MEMBER_OWNING : m->state;
        return;
    }
    error = out->topics[0].partitions[0].error_code;
    if (!error) {
        history_end(&c->load->history, call->op, OP_OK);
        judge_doubt(m, call);
    } else if (error == STATUS_ILLEGAL_GENERATION || error == STATUS_UNKNOWN_MEMBER_ID || error == STATUS_REBALANCE_IN_PROGRESS ||
             error == STATUS_COORDINATOR_LOAD_IN_PROGRESS) { /* what a coordinator had under way when it stopped being one may be done */
        history_end(&c->load->history, call->op, OP_REFUSED);
    }
    if (error)
        on_error(m, error);
    else
        client_sleep(c, 1000000);
}

static void commit(struct member *m)
{
    const struct fetch_want *want = &m->owned[m->at];
    struct load *load = m->c.load;
    int32_t generation = m->generation - load_chance(load, 2); /* a delayed one: it must be refused */
    struct offset_commit_request_partition partition;
    struct offset_commit_request_topic topic;
    struct offset_commit_request in;
    struct call *call;

    offset_commit_request_init(&in);
    offset_commit_request_topic_init(&topic);
    offset_commit_request_partition_init(&partition);
    partition.partition_index = index_of(want->partition);
    partition.committed_offset = want->offset;
    partition.committed_metadata = STR_LIT("");
    topic.name = str_from(topic_of(load, want->partition)->name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    in.group_id = str_from(m->group_id);
    in.member_id = str_from(m->id);
    in.generation_id_or_member_epoch = generation;
    in.group_instance_id = instance_of(m);
    in.topics = &topic;
    in.topics_count = 1;
    load_tell(&m->c, "commits %lld of %s-%d for %s, generation %d", (long long)want->offset, topic_of(load, want->partition)->name, partition.partition_index, m->group_id,
              generation);
    call = client_call(&m->c, API_OFFSET_COMMIT, (int16_t)(2 + load_random(load, 8)), &in, on_committed);
    call->ops = 1;
    call->note = (uint64_t)generation;
    call->op = history_begin(&load->history, (struct op){.kind = OP_COMMIT, .process = m->c.id, .partition = want->partition, .group = m->group,
                                                         .generation = generation, .offset = want->offset});
}

static void on_read(struct client *c, const struct call *call, const void *response)
{
    const struct fetch_response *out = response;
    struct member *m = member_of(c);
    struct fetch_want *want = &m->owned[m->at];

    if (out && !out->error_code && out->responses_count == 1 && out->responses[0].partitions_count == 1) {
        const struct fetch_response_partition *p = &out->responses[0].partitions[0];
        want->offset = fetch_learn(c, call->op, p);
        fetch_judge(c, call, out, true);
        if (p->error_code == STATUS_OFFSET_OUT_OF_RANGE)
            want->offset = p->log_start_offset > 0 ? p->log_start_offset : c->load->first[want->partition];
        client_sleep(c, 1000000);
    } else {
        ops_refused(c->load, call);
        if (out)
            client_sleep(c, 1000000);
    }
}

static void on_beat(struct client *c, const struct call *call, const void *response)
{
    const struct heartbeat_response *out = response;
    struct member *m = member_of(c);

    if (out && out->error_code) {
        on_error(m, out->error_code);
    } else if (out) {
        if (m->state == MEMBER_JOINED && m->idles == c->connections && c->load->sim->now_us > m->joined_us + IDLE_US)
            load_broken(c, "idle", "%s of %s, generation %d, never sent its SyncGroup, and is still a member", m->id, m->group_id, m->generation);
        client_sleep(c, m->state == MEMBER_JOINED ? 3000000 : 200000);
    }
}

static void beat(struct member *m)
{
    struct heartbeat_request in;

    heartbeat_request_init(&in);
    in.group_id = str_from(m->group_id);
    in.member_id = str_from(m->id);
    in.generation_id = m->generation;
    in.group_instance_id = instance_of(m);
    m->beat_us = m->c.load->sim->now_us;
    client_call(&m->c, API_HEARTBEAT, (int16_t)load_random(m->c.load, 5), &in, on_beat);
}

static void on_left(struct client *c, const struct call *call, const void *response)
{
    if (response)
        client_sleep(c, 5000000);
}

static void leave(struct member *m)
{
    struct leave_group_request_member member;
    struct leave_group_request in;

    leave_group_request_init(&in);
    leave_group_request_member_init(&member);
    member.member_id = in.member_id = str_from(m->id);
    in.group_id = str_from(m->group_id);
    in.members = &member;
    in.members_count = 1;
    load_tell(&m->c, "leaves %s", m->group_id);
    client_call(&m->c, API_LEAVE_GROUP, (int16_t)load_random(m->c.load, 6), &in, on_left);
    m->state = MEMBER_OUT;
    m->id[0] = 0;
}

static void on_coordinator(struct client *c, const struct call *call, const void *response)
{
    const struct find_coordinator_response *out = response;

    if (!out)
        return;
    member_of(c)->asked_coordinator = !out->error_code;
    client_sleep(c, 300000);
}

static void find_coordinator(struct member *m)
{
    struct find_coordinator_request in;

    find_coordinator_request_init(&in);
    in.key = str_from(m->group_id);
    client_call(&m->c, API_FIND_COORDINATOR, (int16_t)load_random(m->c.load, 4), &in, on_coordinator);
}

/* A static member begins anew, as after a restart. */
static void come_back(struct member *m, uint64_t us_max)
{
    load_tell(&m->c, "of %s comes back as after a restart", m->group_id);
    m->id[0] = 0;
    m->state = MEMBER_OUT;
    client_sleep(&m->c, us_max);
}

static void read_on(struct member *m)
{
    struct load *load = m->c.load;

    if (load->sim->now_us - m->beat_us > 2000000 || !m->owned_count) {
        beat(m);
    } else if (load_chance(load, 40)) {
        commit(m);
    } else if (load_chance(load, 1) && !m->instance[0]) {
        leave(m);
    } else if (load_chance(load, 2) && m->instance[0]) {
        come_back(m, 2000000);
    } else if (load_chance(load, 10)) {
        ask_committed(m);
    } else {
        m->at = (size_t)load_random(load, m->owned_count);
        fetch_call(&m->c, (int16_t)(4 + load_random(load, 14)), &m->owned[m->at], 1, (int32_t)load_random(load, 1000),
                   1 + (int32_t)load_random(load, (uint64_t)load->options.fetch_bytes), 0, -1, false, on_read);
    }
}

static void member_wake(struct client *c)
{
    struct member *m = member_of(c);

    if (c->load->finishing || !client_idle(c) || !client_connected(c))
        return;
    if (c->load->topics_count < LASTING_TOPICS) {
        client_sleep(c, 1000000);
        return;
    }
    if (!m->asked_coordinator) {
        find_coordinator(m);
        return;
    }
    switch (m->state) {
    case MEMBER_OUT:
        join(m);
        break;
    case MEMBER_JOINED:
        if (m->instance[0] && load_chance(c->load, 10))
            come_back(m, 20000);
        else if (m->idles == c->connections)
            beat(m);
        else
            sync_group(m);
        break;
    case MEMBER_OWNING:
        ask_committed(m);
        break;
    case MEMBER_READING:
        read_on(m);
        break;
    }
}

const struct client_kind member_kind = {"member", sizeof(struct member), member_init, member_wake, NULL};
