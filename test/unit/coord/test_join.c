/* SPDX-License-Identifier: Apache-2.0
 * Traces of the join phase: who gets in, when the phase ends, which protocol is chosen.
 */
#include "world.h"

static void alone(void **state)
{
    struct world *w = world_new();

    JOIN(w, .who = "a", .version = 3, .protocols = "range:ma,sticky:sa");
    see(w, "record g v3 gen=0 / leader= at 1000000 []\n"
           "a: waits\n");
    pass(w, 0);
    see(w, "a: join OK gen=1 range leader=a#1 id=a#1 members=[a#1:ma]\n");
    SYNC(w, .who = "a", .id = "a#1", .generation = 1, .assign = "a#1=x");
    see(w, "record g v3 gen=1 consumer/range leader=a#1 at 1000000 [a#1=x]\n"
           "a: sync OK consumer/range x\n");
    world_free(w);
}

static void member_id_is_required_since_4(void **state)
{
    struct world *w = world_new();

    JOIN(w, .who = "a", .version = 4);
    see(w, "record g v3 gen=0 / leader= at 1000000 []\n"
           "a: join MEMBER_ID_REQUIRED id=a#1\n");
    JOIN(w, .who = "a", .id = "a#1", .version = 4);
    pass(w, 0);
    see(w, "a: waits\n"
           "a: join OK gen=1 range leader=a#1 id=a#1 members=[a#1:]\n");
    world_free(w);
}

static void an_id_that_nobody_takes_up_expires(void **state)
{
    struct world *w = world_new();

    JOIN(w, .who = "a", .session_ms = 10000);
    forget(w);
    pass(w, 10000);
    JOIN(w, .who = "a", .id = "a#1");
    see(w, "a: join UNKNOWN_MEMBER_ID id=a#1\n");
    world_free(w);
}

static void a_pending_id_holds_the_join_phase(void **state)
{
    struct world *w = world_new();

    stable_one(w);
    JOIN(w, .who = "b", .session_ms = 10000);
    see(w, "b: join MEMBER_ID_REQUIRED id=b#2\n");
    JOIN(w, .who = "a", .id = "a#1", .session_ms = 30000);
    see(w, "a: waits\n");
    pass(w, 9999);
    see(w, "");
    pass(w, 1);
    see(w, "a: join OK gen=2 range leader=a#1 id=a#1 members=[a#1:]\n");
    world_free(w);
}

static void refusals(void **state)
{
    struct world *w = world_new();

    JOIN(w, .who = "a", .group = "");
    JOIN(w, .who = "a", .session_ms = 9999);
    JOIN(w, .who = "a", .session_ms = 60001);
    JOIN(w, .who = "a", .id = "zombie");
    see(w, "a: join INVALID_GROUP_ID id=\n"
           "a: join INVALID_SESSION_TIMEOUT id=\n"
           "a: join INVALID_SESSION_TIMEOUT id=\n"
           "a: join UNKNOWN_MEMBER_ID id=zombie\n");
    JOIN(w, .who = "a", .type = "");
    JOIN(w, .who = "a", .protocols = "");
    see(w, "record g v3 gen=0 / leader= at 1000000 []\n"
           "a: join INCONSISTENT_GROUP_PROTOCOL id=\n"
           "a: join INCONSISTENT_GROUP_PROTOCOL id=\n");
    stable_one(w);
    JOIN(w, .who = "b", .type = "connect");
    JOIN(w, .who = "b", .protocols = "sticky");
    JOIN(w, .who = "b", .id = "b#9");
    see(w, "b: join INCONSISTENT_GROUP_PROTOCOL id=\n"
           "b: join INCONSISTENT_GROUP_PROTOCOL id=\n"
           "b: join UNKNOWN_MEMBER_ID id=b#9\n");
    world_free(w);
}

static void a_second_member_makes_the_first_join_again(void **state)
{
    struct world *w = world_new();

    stable_one(w);
    JOIN(w, .who = "b", .version = 3, .protocols = "range:mb");
    HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 1);
    see(w, "b: waits\n"
           "a: heartbeat REBALANCE_IN_PROGRESS\n");
    JOIN(w, .who = "a", .id = "a#1", .protocols = "range:ma");
    see(w, "a: join OK gen=2 range leader=a#1 id=a#1 members=[a#1:ma b#2:mb]\n"
           "b: join OK gen=2 range leader=a#1 id=b#2\n");
    HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 2);
    HEARTBEAT(w, .who = "b", .id = "b#2", .generation = 1);
    see(w, "a: heartbeat OK\n"
           "b: heartbeat ILLEGAL_GENERATION\n");
    world_free(w);
}

static void who_does_not_come_back_in_time_is_out(void **state)
{
    struct world *w = world_new();

    stable_one(w);
    JOIN(w, .who = "b", .version = 3, .rebalance_ms = 20000);
    for (int i = 0; i < 59; i++) { /* a heartbeats but never joins: its own timeout is 60 s */
        pass(w, 1000);
        w->quiet = true;
        HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 1);
        w->quiet = false;
    }
    see(w, "b: waits\n");
    pass(w, 1000);
    see(w, "b: join OK gen=2 range leader=b#2 id=b#2 members=[b#2:]\n");
    HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 1);
    see(w, "a: heartbeat UNKNOWN_MEMBER_ID\n");
    world_free(w);
}

static void the_session_ends_without_heartbeats(void **state)
{
    struct world *w = world_new();

    stable_two(w);
    pass(w, 29999);
    HEARTBEAT(w, .who = "b", .id = "b#2", .generation = 2);
    see(w, "b: heartbeat OK\n");
    pass(w, 1);
    DESCRIBE(w);
    see(w, "group g OK PreparingRebalance consumer/ [b#2(b/127.0.0.1):=y]\n");
    pass(w, 30000);
    see(w, "record g v3 gen=3 consumer/ leader= at 1059999 []\n");
    world_free(w);
}

static void a_new_member_waits_at_most_5_minutes(void **state)
{
    struct world *w = world_new();

    w->config.initial_rebalance_delay_ms = 0;
    stable_one(w);
    JOIN(w, .who = "a", .id = "a#1", .rebalance_ms = 600000);
    pass(w, 0);
    SYNC(w, .who = "a", .id = "a#1", .generation = 2);
    forget(w);
    JOIN(w, .who = "b", .version = 3);
    for (int i = 0; i < 30; i++) {
        pass(w, 10000);
        if (i < 29)
            HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 2);
    }
    w->seen[w->seen_size] = 0;
    assert_non_null(strstr(w->seen, "b: join UNKNOWN_MEMBER_ID id=\n"));
    world_free(w);
}

static void the_votes_choose_the_protocol(void **state)
{
    struct world *w = world_new();

    JOIN(w, .who = "a", .version = 3, .protocols = "x,y,z");
    JOIN(w, .who = "b", .version = 3, .protocols = "y,z,x");
    JOIN(w, .who = "c", .version = 3, .protocols = "w,z,y");
    forget(w);
    pass(w, 0);
    see(w, "a: join OK gen=1 y leader=a#1 id=a#1 members=[a#1: b#2: c#3:]\n"
           "b: join OK gen=1 y leader=a#1 id=b#2\n"
           "c: join OK gen=1 y leader=a#1 id=c#3\n");
    world_free(w);
}

/* The ids that are made for the same endless client id differ, and are strings of the protocol. */
static void the_longest_client_id(void **state)
{
    static char name[INT16_MAX + 1];
    struct world *w = world_new();

    memset(name, 'c', INT16_MAX);
    w->quiet = true;
    JOIN(w, .who = name, .version = 3);
    JOIN(w, .who = name, .version = 3);
    JOIN(w, .who = name);
    pass(w, 0);
    assert_null(w->waiting); /* two are members, one has an id */
    reload(w);
    world_free(w);
}

static void equal_votes_fall_as_in_kafka(void **state)
{
    struct world *w = world_new();

    JOIN(w, .who = "a", .version = 3, .protocols = "range,sticky");
    JOIN(w, .who = "b", .version = 3, .protocols = "sticky,range");
    forget(w);
    pass(w, 0);
    see(w, "a: join OK gen=1 sticky leader=a#1 id=a#1 members=[a#1: b#2:]\n"
           "b: join OK gen=1 sticky leader=a#1 id=b#2\n");
    world_free(w);
}

static void the_initial_delay_grows_with_members(void **state)
{
    struct world *w = world_new();

    w->config.initial_rebalance_delay_ms = 3000;
    reload(w);
    JOIN(w, .who = "a", .version = 3, .rebalance_ms = 8000);
    forget(w);
    pass(w, 2999);
    JOIN(w, .who = "b", .version = 3, .rebalance_ms = 8000);
    see(w, "b: waits\n");
    pass(w, 3000); /* 3 s, and 3 s more because b came */
    see(w, "");
    pass(w, 1);
    see(w, "a: join OK gen=1 range leader=a#1 id=a#1 members=[a#1: b#2:]\n"
           "b: join OK gen=1 range leader=a#1 id=b#2\n");
    world_free(w);
}

static void the_initial_delay_ends_with_the_rebalance_timeout(void **state)
{
    struct world *w = world_new();

    w->config.initial_rebalance_delay_ms = 3000;
    reload(w);
    JOIN(w, .who = "a", .version = 3, .rebalance_ms = 5000);
    for (int i = 0; i < 4; i++) {
        pass(w, 1249);
        JOIN(w, .who = "b", .version = 3, .rebalance_ms = 5000);
    }
    forget(w);
    pass(w, 3);
    see(w, "");
    pass(w, 1);
    assert_non_null(strstr(w->seen, "a: join OK gen=1"));
    world_free(w);
}

static void the_size_is_limited(void **state)
{
    struct world *w = world_new();

    w->config.group_size_max = 1;
    reload(w);
    stable_one(w);
    JOIN(w, .who = "b", .version = 3);
    see(w, "b: join GROUP_MAX_SIZE_REACHED id=\n");
    JOIN(w, .who = "a", .id = "a#1", .protocols = "range:new");
    see(w, "a: join OK gen=2 range leader=a#1 id=a#1 members=[a#1:new]\n");
    world_free(w);
}

static void a_group_over_a_lowered_limit_loses_who_comes_last(void **state)
{
    struct world *w = world_new();

    stable_two(w);
    w->config.group_size_max = 1;
    reload(w);
    JOIN(w, .who = "b", .id = "b#2");
    JOIN(w, .who = "a", .id = "a#1");
    pass(w, 60000);
    see(w, "b: waits\n"
           "a: join GROUP_MAX_SIZE_REACHED id=\n"
           "b: join OK gen=3 range leader=b#2 id=b#2 members=[b#2:]\n");
    world_free(w);
}

static void joining_again_in_each_state(void **state)
{
    struct world *w = world_new();

    stable_two(w);
    JOIN(w, .who = "b", .id = "b#2", .protocols = "range:mb"); /* a follower, unchanged: the generation as it is */
    see(w, "b: join OK gen=2 range leader=a#1 id=b#2\n");
    JOIN(w, .who = "b", .id = "b#2", .protocols = "range:other"); /* changed: a rebalance */
    see(w, "b: waits\n");
    JOIN(w, .who = "b", .id = "b#2",
         .protocols = "range:third"); /* again, from another connection: the older call ends */
    see(w, "b: join REBALANCE_IN_PROGRESS id=b#2\n"
           "b: waits\n");
    JOIN(w, .who = "a", .id = "a#1", .protocols = "range:ma");
    see(w, "a: join OK gen=3 range leader=a#1 id=a#1 members=[a#1:ma b#2:third]\n"
           "b: join OK gen=3 range leader=a#1 id=b#2\n");
    JOIN(w, .who = "a", .id = "a#1", .protocols = "range:ma"); /* the answer was lost: it gets the same again */
    JOIN(w, .who = "b", .id = "b#2", .protocols = "range:third");
    see(w, "a: join OK gen=3 range leader=a#1 id=a#1 members=[a#1:ma b#2:third]\n"
           "b: join OK gen=3 range leader=a#1 id=b#2\n");
    JOIN(w, .who = "b", .id = "b#2", .protocols = "range:fourth"); /* not the same: start over */
    JOIN(w, .who = "a", .id = "a#1", .protocols = "range:ma");
    see(w, "b: waits\n"
           "a: join OK gen=4 range leader=a#1 id=a#1 members=[a#1:ma b#2:fourth]\n"
           "b: join OK gen=4 range leader=a#1 id=b#2\n");
    SYNC(w, .who = "a", .id = "a#1", .generation = 4);
    forget(w);
    JOIN(w, .who = "a", .id = "a#1",
         .protocols = "range:ma"); /* the leader, stable and unchanged: topics may have changed */
    see(w, "a: waits\n");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone),
        cmocka_unit_test(member_id_is_required_since_4),
        cmocka_unit_test(an_id_that_nobody_takes_up_expires),
        cmocka_unit_test(a_pending_id_holds_the_join_phase),
        cmocka_unit_test(refusals),
        cmocka_unit_test(a_second_member_makes_the_first_join_again),
        cmocka_unit_test(who_does_not_come_back_in_time_is_out),
        cmocka_unit_test(the_session_ends_without_heartbeats),
        cmocka_unit_test(a_new_member_waits_at_most_5_minutes),
        cmocka_unit_test(the_votes_choose_the_protocol),
        cmocka_unit_test(the_longest_client_id),
        cmocka_unit_test(equal_votes_fall_as_in_kafka),
        cmocka_unit_test(the_initial_delay_grows_with_members),
        cmocka_unit_test(the_initial_delay_ends_with_the_rebalance_timeout),
        cmocka_unit_test(the_size_is_limited),
        cmocka_unit_test(a_group_over_a_lowered_limit_loses_who_comes_last),
        cmocka_unit_test(joining_again_in_each_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
