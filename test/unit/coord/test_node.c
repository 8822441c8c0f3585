/* SPDX-License-Identifier: Apache-2.0
 * Groups on a whole node in the simulated world: coordinators on both shards, their loading, their appends; and lives
 * of groups drawn at random, of which it must hold that everybody is answered, that a generation is one, and that what
 * was committed stays.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "rt/fs.h"
#include "rt/fs_mem.h"
#include "sim/sim_node.h"
#include "wire/api/create_topics.h"
#include "wire/api/delete_groups.h"
#include "wire/api/delete_topics.h"
#include "wire/api/describe_groups.h"
#include "wire/api/find_coordinator.h"
#include "wire/api/heartbeat.h"
#include "wire/api/join_group.h"
#include "wire/api/leave_group.h"
#include "wire/api/list_groups.h"
#include "wire/api/offset_commit.h"
#include "wire/api/offset_fetch.h"
#include "wire/api/sync_group.h"
#include "wire/apis.h"

enum { ARENA = 64 << 20, PARTITIONS = 6, MEMBERS = 5, ROUNDS = 12, SEEDS = 12 };

struct world {
    struct sim_node *n;
    struct sim_client *c;
    struct arena arena;
};

/* Retries while a coordinator is not there yet. */
#define CALL(w, key, version, in, out) assert_int_equal(0, sim_call((w)->n, (w)->c, key, version, in, out, &(w)->arena))

static bool wait_for(int16_t error)
{
    return error == STATUS_COORDINATOR_LOAD_IN_PROGRESS || error == STATUS_COORDINATOR_NOT_AVAILABLE ||
           error == STATUS_NOT_COORDINATOR;
}

static void world_open(struct world *w, uint64_t seed, struct fs *fs)
{
    struct find_coordinator_request in;
    struct find_coordinator_response out;

    w->n = sim_node_new(seed, fs, "offsets.topic.num.partitions=7", "group.min.session.timeout.ms=10", NULL);
    w->c = sim_node_connect(w->n);
    arena_init(&w->arena, ARENA);
    find_coordinator_request_init(&in);
    in.key = STR_LIT("any");
    do {
        CALL(w, API_FIND_COORDINATOR, 3, &in, &out);
    } while (wait_for(out.error_code));
    assert_int_equal(0, out.error_code);
    assert_int_equal(1, out.node_id);
}

static void world_close(struct world *w)
{
    sim_client_close(w->c);
    sim_node_stop(w->n);
    arena_free(&w->arena);
}

static void make_topic(struct world *w)
{
    struct create_topics_request_topic topic;
    struct create_topics_request in;
    struct create_topics_response out;

    create_topics_request_init(&in);
    create_topics_request_topic_init(&topic);
    topic.name = STR_LIT("t");
    topic.num_partitions = PARTITIONS;
    topic.replication_factor = 1;
    in.topics = &topic;
    in.topics_count = 1;
    CALL(w, API_CREATE_TOPICS, 5, &in, &out);
    assert_int_equal(0, out.topics[0].error_code);
}

static struct offset_commit_request commit_of(struct arena *arena, struct str_view group, struct str_view member,
                                              int32_t generation, int32_t partition, int64_t offset)
{
    struct offset_commit_request_topic *topic = arena_alloc(arena, 1, sizeof *topic);
    struct offset_commit_request in;

    offset_commit_request_init(&in);
    offset_commit_request_topic_init(topic);
    topic->partitions = arena_alloc(arena, 1, sizeof *topic->partitions);
    offset_commit_request_partition_init(topic->partitions);
    topic->name = STR_LIT("t");
    topic->partitions_count = 1;
    topic->partitions->partition_index = partition;
    topic->partitions->committed_offset = offset;
    topic->partitions->committed_metadata = STR_LIT("m");
    in.group_id = group;
    in.member_id = member;
    in.generation_id_or_member_epoch = generation;
    in.topics = topic;
    in.topics_count = 1;
    return in;
}

static int16_t commit(struct world *w, struct str_view group, int32_t partition, int64_t offset)
{
    struct offset_commit_request in = commit_of(&w->arena, group, STR_LIT(""), -1, partition, offset);
    struct offset_commit_response out;

    CALL(w, API_OFFSET_COMMIT, 8, &in, &out);
    return out.topics[0].partitions[0].error_code;
}

/* The committed offset; -1: none. */
static int64_t committed(struct world *w, struct str_view group, int32_t partition)
{
    struct offset_fetch_request_topic topic = {
        .name = STR_LIT("t"), .partition_indexes = &partition, .partition_indexes_count = 1};
    struct offset_fetch_request in;
    struct offset_fetch_response out;

    offset_fetch_request_init(&in);
    in.group_id = group;
    in.topics = &topic;
    in.topics_count = 1;
    do {
        CALL(w, API_OFFSET_FETCH, 5, &in, &out);
    } while (wait_for(out.error_code));
    assert_int_equal(0, out.error_code);
    assert_int_equal(0, out.topics[0].partitions[0].error_code);
    return out.topics[0].partitions[0].committed_offset;
}

static int32_t groups_listed(struct world *w)
{
    struct list_groups_request in;
    struct list_groups_response out;

    list_groups_request_init(&in);
    do {
        CALL(w, API_LIST_GROUPS, 5, &in, &out);
    } while (wait_for(out.error_code));
    assert_int_equal(0, out.error_code);
    return out.groups_count;
}

static void offsets_of_many_groups_survive_a_restart(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w;

    world_open(&w, 1, fs);
    make_topic(&w);
    for (int i = 0; i < 40; i++)
        assert_int_equal(0, commit(&w, arena_format(&w.arena, "group-%d", i), i % PARTITIONS, 1000 + i));
    assert_int_equal(40, groups_listed(&w));
    world_close(&w);

    world_open(&w, 2, fs);
    for (int i = 0; i < 40; i++)
        assert_int_equal(1000 + i, committed(&w, arena_format(&w.arena, "group-%d", i), i % PARTITIONS));
    assert_int_equal(40, groups_listed(&w));
    world_close(&w);
    fs_free(fs);
}

static void one_request_visits_many_coordinators(void **state)
{
    struct str_view names[21];
    struct describe_groups_request describe = {.groups = names, .groups_count = 21};
    struct describe_groups_response described;
    struct delete_groups_request delete = {.groups_names = names, .groups_names_count = 21};
    struct delete_groups_response deleted;
    struct world w;

    world_open(&w, 3, NULL);
    make_topic(&w);
    for (int i = 0; i < 20; i++) {
        names[i] = arena_format(&w.arena, "group-%d", i);
        assert_int_equal(0, commit(&w, names[i], 0, i));
    }
    names[20] = names[3]; /* twice */
    CALL(&w, API_DESCRIBE_GROUPS, 6, &describe, &described);
    assert_int_equal(21, described.groups_count);
    for (int i = 0; i < 21; i++) {
        assert_int_equal(0, described.groups[i].error_code);
        assert_true(str_equal(names[i], described.groups[i].group_id));
        assert_true(str_is(described.groups[i].group_state, "Empty"));
    }
    CALL(&w, API_DELETE_GROUPS, 2, &delete, &deleted);
    assert_int_equal(20, deleted.results_count);
    for (int i = 0; i < 20; i++)
        assert_int_equal(0, deleted.results[i].error_code);
    assert_int_equal(0, groups_listed(&w));
    world_close(&w);
}

static void offsets_go_with_their_topic(void **state)
{
    struct str_view name = STR_LIT("t");
    struct delete_topics_request in;
    struct delete_topics_response out;
    struct world w;

    world_open(&w, 4, NULL);
    make_topic(&w);
    assert_int_equal(0, commit(&w, STR_LIT("g"), 0, 42));
    delete_topics_request_init(&in);
    in.topic_names = &name;
    in.topic_names_count = 1;
    CALL(&w, API_DELETE_TOPICS, 5, &in, &out);
    assert_int_equal(0, out.responses[0].error_code);
    make_topic(&w);
    assert_int_equal(-1, committed(&w, STR_LIT("g"), 0));
    world_close(&w);
}

/* ---- lives at random ---- */

struct life {
    struct sim_client *c;
    struct str_view id; /* "" before the first JoinGroup */
    int32_t generation;
    bool asked, leads;
    char assigned[64];
};

struct lives {
    struct world w;
    struct life life[MEMBERS];
    int64_t committed[PARTITIONS];
    struct join_group_response joined[MEMBERS];
    unsigned generations, assignments, commits; /* that somebody got */
};

static bool chance(struct lives *l, unsigned percent)
{
    return sim_random(sim_node_sim(l->w.n)) % 100 < percent;
}

static void send(struct lives *l, struct life *m, int16_t key, int16_t version, const void *request)
{
    struct bytes_view bytes = sim_request(key, version, 0, request, &l->w.arena);

    sim_client_send(m->c, bytes.data, bytes.size);
    m->asked = true;
}

static void answered(struct lives *l, struct life *m, int16_t key, int16_t version, void *response)
{
    assert_int_equal(0, sim_answer(l->w.n, m->c, key, version, response, &l->w.arena));
    m->asked = false;
}

static void reconnect(struct lives *l, struct life *m)
{
    sim_client_reset(m->c);
    sim_client_close(m->c);
    m->c = sim_node_connect(l->w.n);
    m->asked = false;
}

/* Some join, some do not; some lose their connection while their call is parked. */
static void join_some(struct lives *l)
{
    for (int i = 0; i < MEMBERS; i++) {
        struct life *m = &l->life[i];
        struct join_group_request_protocol protocol;
        struct join_group_request in;

        m->generation = -1;
        m->leads = false;
        if (chance(l, 15))
            continue;
        if (chance(l, 10))
            m->id = STR_LIT(""); /* a process that starts over */
        join_group_request_init(&in);
        join_group_request_protocol_init(&protocol);
        protocol.name = STR_LIT("range");
        protocol.metadata = (struct bytes_view){(const uint8_t *)&i, 1};
        in.group_id = STR_LIT("g");
        in.session_timeout_ms = 20000;
        in.rebalance_timeout_ms = 5000;
        in.member_id = m->id;
        in.protocol_type = STR_LIT("consumer");
        in.protocols = &protocol;
        in.protocols_count = 1;
        send(l, m, API_JOIN_GROUP, 3, &in);
        if (chance(l, 5))
            reconnect(l, m);
    }
    for (int i = 0; i < MEMBERS; i++) {
        struct life *m = &l->life[i];

        if (!m->asked)
            continue;
        answered(l, m, API_JOIN_GROUP, 3, &l->joined[i]);
        if (l->joined[i].error_code) {
            assert_true(l->joined[i].error_code == STATUS_UNKNOWN_MEMBER_ID ||
                        l->joined[i].error_code == STATUS_REBALANCE_IN_PROGRESS);
            m->id = STR_LIT("");
            continue;
        }
        m->id = l->joined[i].member_id;
        m->generation = l->joined[i].generation_id;
        m->leads = str_equal(m->id, l->joined[i].leader);
        l->generations += m->leads;
        assert_true(m->leads == (l->joined[i].members_count > 0));
    }
}

/* All that were told the same generation were told the same leader, which was told of all of them. */
static void check_generation(const struct lives *l)
{
    for (int i = 0; i < MEMBERS; i++) {
        for (int k = 0; k < MEMBERS; k++) {
            bool known = false;

            if (l->life[i].generation < 0 || l->life[i].generation != l->life[k].generation)
                continue;
            assert_true(str_equal(l->joined[i].leader, l->joined[k].leader));
            for (int32_t j = 0; j < l->joined[i].members_count; j++)
                known |= str_equal(l->joined[i].members[j].member_id, l->life[k].id);
            assert_true(known || !l->life[i].leads);
        }
    }
}

static void sync_some(struct lives *l)
{
    for (int i = 0; i < MEMBERS; i++) {
        struct life *m = &l->life[i];
        struct sync_group_request in;

        if (m->generation < 0 || chance(l, 10))
            continue;
        sync_group_request_init(&in);
        in.group_id = STR_LIT("g");
        in.generation_id = m->generation;
        in.member_id = m->id;
        in.assignments_count = l->joined[i].members_count;
        in.assignments = arena_alloc(&l->w.arena, (size_t)in.assignments_count, sizeof *in.assignments);
        for (int32_t k = 0; k < in.assignments_count; k++) {
            struct str_view id = l->joined[i].members[k].member_id,
                            text = arena_format(&l->w.arena, "%d:" STR_FMT, m->generation, STR_ARG(id));

            sync_group_request_assignment_init(&in.assignments[k]);
            in.assignments[k].member_id = id;
            in.assignments[k].assignment = (struct bytes_view){(const uint8_t *)text.data, text.size};
        }
        send(l, m, API_SYNC_GROUP, 3, &in);
    }
    for (int i = 0; i < MEMBERS; i++) {
        struct life *m = &l->life[i];
        struct sync_group_response out;
        struct str_view want;

        if (!m->asked)
            continue;
        answered(l, m, API_SYNC_GROUP, 3, &out);
        if (out.error_code) {
            m->generation = -1;
            continue;
        }
        want = arena_format(&l->w.arena, "%d:" STR_FMT, m->generation, STR_ARG(m->id));
        assert_int_equal(want.size, out.assignment.size);
        assert_memory_equal(want.data, out.assignment.data, want.size);
        l->assignments++;
    }
}

static void commit_some(struct lives *l, int64_t offset)
{
    for (int i = 0; i < MEMBERS; i++) {
        struct life *m = &l->life[i];
        int32_t partition = (int32_t)(sim_random(sim_node_sim(l->w.n)) % PARTITIONS);
        struct offset_commit_request in;
        struct offset_commit_response out;

        if (m->generation < 0)
            continue;
        in = commit_of(&l->w.arena, STR_LIT("g"), m->id, m->generation, partition, offset + i);
        send(l, m, API_OFFSET_COMMIT, 8, &in);
        answered(l, m, API_OFFSET_COMMIT, 8, &out);
        if (!out.topics[0].partitions[0].error_code) {
            l->committed[partition] = offset + i;
            l->commits++;
        }
    }
}

static void leave_some(struct lives *l)
{
    for (int i = 0; i < MEMBERS; i++) {
        struct life *m = &l->life[i];
        struct leave_group_request in;
        struct leave_group_response out;

        if (!m->id.size || !chance(l, 10))
            continue;
        leave_group_request_init(&in);
        in.group_id = STR_LIT("g");
        in.member_id = m->id;
        send(l, m, API_LEAVE_GROUP, 1, &in);
        answered(l, m, API_LEAVE_GROUP, 1, &out);
        m->id = STR_LIT("");
    }
}

static void live(uint64_t seed, unsigned *generations, unsigned *assignments, unsigned *commits)
{
    struct fs *fs = fs_mem_new();
    struct lives l = {.committed = {-1, -1, -1, -1, -1, -1}};

    world_open(&l.w, seed, fs);
    make_topic(&l.w);
    for (int i = 0; i < MEMBERS; i++)
        l.life[i] = (struct life){.c = sim_node_connect(l.w.n), .id = STR_LIT("")};
    for (int round = 0; round < ROUNDS; round++) {
        join_some(&l);
        check_generation(&l);
        sync_some(&l);
        commit_some(&l, round * 100);
        leave_some(&l);
        if (chance(&l, 20))
            sim_run(sim_node_sim(l.w.n), sim_random(sim_node_sim(l.w.n)) % 30000000);
    }
    *generations += l.generations;
    *assignments += l.assignments;
    *commits += l.commits;
    for (int i = 0; i < MEMBERS; i++)
        sim_client_close(l.life[i].c);
    world_close(&l.w);

    world_open(&l.w, seed + 1000, fs);
    for (int32_t p = 0; p < PARTITIONS; p++)
        assert_int_equal(l.committed[p], committed(&l.w, STR_LIT("g"), p));
    world_close(&l.w);
    fs_free(fs);
}

static void lives_at_random(void **state)
{
    unsigned generations = 0, assignments = 0, commits = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        live(seed, &generations, &assignments, &commits);
    /* They lived: a round without any of these is the exception. */
    assert_true(generations >= SEEDS * ROUNDS / 2 && assignments >= SEEDS * ROUNDS && commits >= SEEDS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_of_many_groups_survive_a_restart),
        cmocka_unit_test(one_request_visits_many_coordinators),
        cmocka_unit_test(offsets_go_with_their_topic),
        cmocka_unit_test(lives_at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
