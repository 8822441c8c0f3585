/* SPDX-License-Identifier: Apache-2.0
 * Traces of the sync phase, of heartbeats, and of members that leave.
 */
#include "world.h"

/* Both have joined generation 1 and nobody has synced; a#1 leads. */
static struct world *two_joined(void)
{
    struct world *w = world_new();

    JOIN(w, .who = "a", .version = 3, .rebalance_ms = 20000);
    JOIN(w, .who = "b", .version = 3, .rebalance_ms = 20000);
    pass(w, 0);
    forget(w);
    return w;
}

static void the_follower_waits_for_the_leader(void **state)
{
    struct world *w = two_joined();

    SYNC(w, .who = "b", .id = "b#2", .generation = 1);
    see(w, "b: waits\n");
    SYNC(w, .who = "a", .id = "a#1", .generation = 1, .assign = "a#1=x,b#2=y");
    see(w, "record g v3 gen=1 consumer/range leader=a#1 at 1000000 [a#1=x b#2=y]\n"
           "a: sync OK consumer/range x\n"
           "b: sync OK consumer/range y\n");
    SYNC(w, .who = "b", .id = "b#2", .generation = 1); /* the answer was lost */
    see(w, "b: sync OK consumer/range y\n");
    world_free(w);
}

static void who_comes_after_the_leader_does_not_wait(void **state)
{
    struct world *w = two_joined();

    SYNC(w, .who = "a", .id = "a#1", .generation = 1, .assign = "b#2=y,nobody=z");
    SYNC(w, .who = "b", .id = "b#2", .generation = 1);
    see(w, "record g v3 gen=1 consumer/range leader=a#1 at 1000000 [a#1= b#2=y]\n"
           "a: sync OK consumer/range \n"
           "b: sync OK consumer/range y\n");
    world_free(w);
}

static void refusals(void **state)
{
    struct world *w = two_joined();

    SYNC(w, .who = "a", .group = "", .id = "a#1", .generation = 1);
    SYNC(w, .who = "a", .group = "other", .id = "a#1", .generation = 1);
    SYNC(w, .who = "a", .id = "a#7", .generation = 1);
    SYNC(w, .who = "a", .id = "a#1", .generation = 2);
    SYNC(w, .who = "a", .id = "a#1", .generation = 1, .protocols = "sticky");
    SYNC(w, .who = "a", .id = "a#1", .generation = 1, .type = "connect");
    SYNC(w, .who = "a", .id = "a#1", .generation = 1, .instance = "i");
    see(w, "a: sync INVALID_GROUP_ID\n"
           "a: sync UNKNOWN_MEMBER_ID\n"
           "a: sync UNKNOWN_MEMBER_ID\n"
           "a: sync ILLEGAL_GENERATION\n"
           "a: sync INCONSISTENT_GROUP_PROTOCOL\n"
           "a: sync INCONSISTENT_GROUP_PROTOCOL\n"
           "a: sync UNKNOWN_MEMBER_ID\n");
    SYNC(w, .who = "b", .id = "b#2", .generation = 1, .protocols = "range"); /* version 5 must name the type too */
    see(w, "b: sync INCONSISTENT_GROUP_PROTOCOL\n");
    SYNC(w, .who = "b", .id = "b#2", .generation = 1, .protocols = "range", .version = 4);
    SYNC(w, .who = "b", .id = "b#2", .generation = 1); /* again, from another connection */
    see(w, "b: waits\n"
           "b: sync REBALANCE_IN_PROGRESS\n"
           "b: waits\n");
    world_free(w);
}

static void a_join_while_syncing_sends_everybody_back(void **state)
{
    struct world *w = two_joined();

    SYNC(w, .who = "b", .id = "b#2", .generation = 1);
    JOIN(w, .who = "c", .version = 3);
    see(w, "b: waits\n"
           "b: sync REBALANCE_IN_PROGRESS\n"
           "c: waits\n");
    SYNC(w, .who = "a", .id = "a#1", .generation = 1, .assign = "a#1=x");
    see(w, "a: sync REBALANCE_IN_PROGRESS\n");
    world_free(w);
}

static void who_does_not_sync_in_time_is_out(void **state)
{
    struct world *w = two_joined();

    SYNC(w, .who = "a", .id = "a#1", .generation = 1, .assign = "a#1=x,b#2=y");
    forget(w);
    pass(w, 19999);
    HEARTBEAT(w, .who = "b", .id = "b#2", .generation = 1); /* heartbeats do not make up for it */
    pass(w, 1);
    HEARTBEAT(w, .who = "b", .id = "b#2", .generation = 1);
    HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 1);
    see(w, "b: heartbeat OK\n"
           "b: heartbeat UNKNOWN_MEMBER_ID\n"
           "a: heartbeat REBALANCE_IN_PROGRESS\n");
    world_free(w);
}

static void nobody_syncs_in_time(void **state)
{
    struct world *w = two_joined();

    pass(w, 20000);
    see(w, "record g v3 gen=2 consumer/ leader= at 1020000 []\n");
    DESCRIBE(w);
    see(w, "group g OK Empty consumer/ []\n");
    world_free(w);
}

static void heartbeats_in_each_state(void **state)
{
    struct world *w = two_joined();

    HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 1); /* completing */
    SYNC(w, .who = "a", .id = "a#1", .generation = 1);
    SYNC(w, .who = "b", .id = "b#2", .generation = 1);
    forget(w);
    HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 1); /* stable */
    HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 2);
    HEARTBEAT(w, .who = "a", .id = "", .generation = 1);
    HEARTBEAT(w, .who = "a", .group = "", .id = "a#1", .generation = 1);
    HEARTBEAT(w, .who = "a", .group = "other", .id = "a#1", .generation = 1);
    JOIN(w, .who = "b", .id = "b#2", .protocols = "range:new");
    HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 1); /* preparing */
    LEAVE(w, .who = "-", .id = "a#1,b#2");
    HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 1); /* empty */
    see(w, "a: heartbeat OK\n"
           "a: heartbeat ILLEGAL_GENERATION\n"
           "a: heartbeat UNKNOWN_MEMBER_ID\n"
           "a: heartbeat INVALID_GROUP_ID\n"
           "a: heartbeat UNKNOWN_MEMBER_ID\n"
           "b: waits\n"
           "a: heartbeat REBALANCE_IN_PROGRESS\n"
           "record g v3 gen=2 consumer/ leader= at 1000000 []\n"
           "-: leave OK OK OK\n"
           "b: join UNKNOWN_MEMBER_ID id=\n"
           "a: heartbeat UNKNOWN_MEMBER_ID\n");
    world_free(w);
}

static void the_last_one_leaves(void **state)
{
    struct world *w = world_new();

    stable_one(w);
    LEAVE(w, .who = "a", .id = "a#1");
    see(w, "record g v3 gen=2 consumer/ leader= at 1000000 []\n"
           "a: leave OK OK\n");
    LEAVE(w, .who = "a", .id = "a#1");
    LEAVE(w, .who = "a", .group = "", .id = "a#1");
    LEAVE(w, .who = "a", .group = "other", .id = "a#1,a#2");
    see(w, "a: leave OK UNKNOWN_MEMBER_ID\n"
           "a: leave INVALID_GROUP_ID\n"
           "a: leave OK UNKNOWN_MEMBER_ID UNKNOWN_MEMBER_ID\n");
    world_free(w);
}

static void the_leader_leaves(void **state)
{
    struct world *w = world_new();

    stable_two(w);
    LEAVE(w, .who = "a", .id = "a#1");
    HEARTBEAT(w, .who = "b", .id = "b#2", .generation = 2);
    JOIN(w, .who = "b", .id = "b#2");
    see(w, "a: leave OK OK\n"
           "b: heartbeat REBALANCE_IN_PROGRESS\n"
           "b: join OK gen=3 range leader=b#2 id=b#2 members=[b#2:]\n");
    world_free(w);
}

static void a_pending_one_leaves(void **state)
{
    struct world *w = world_new();

    stable_one(w);
    JOIN(w, .who = "b");
    JOIN(w, .who = "a", .id = "a#1", .protocols = "range:other");
    LEAVE(w, .who = "b", .id = "b#2");
    see(w, "b: join MEMBER_ID_REQUIRED id=b#2\n"
           "a: waits\n"
           "b: leave OK OK\n"
           "a: join OK gen=2 range leader=a#1 id=a#1 members=[a#1:other]\n");
    world_free(w);
}

static void one_leaves_while_its_sync_waits(void **state)
{
    struct world *w = two_joined();

    SYNC(w, .who = "b", .id = "b#2", .generation = 1);
    LEAVE(w, .who = "b", .id = "b#2");
    JOIN(w, .who = "a", .id = "a#1");
    see(w, "b: waits\n"
           "b: leave OK OK\n"
           "b: sync UNKNOWN_MEMBER_ID\n"
           "a: join OK gen=2 range leader=a#1 id=a#1 members=[a#1:]\n");
    world_free(w);
}

static void every_removal_is_told_with_its_reason(void **state)
{
    struct world *w = two_joined();

    w->removals = true;
    SYNC(w, .who = "a", .id = "a#1", .generation = 1);
    forget(w);
    pass(w, 20000);
    JOIN(w, .who = "c", .version = 3);
    pass(w, 20000);
    SYNC(w, .who = "c", .id = "c#3", .generation = 2);
    LEAVE(w, .id = "c#3");
    see(w, "removed b#2 of g (b/127.0.0.1): sent no SyncGroup within the rebalance timeout\n"
           "c: waits\n"
           "removed a#1 of g (a/127.0.0.1): sent no heartbeat within its session timeout\n"
           "c: join OK gen=2 range leader=c#3 id=c#3 members=[c#3:]\n"
           "record g v3 gen=2 consumer/range leader=c#3 at 1040000 [c#3=]\n"
           "c: sync OK consumer/range \n"
           "record g v3 gen=3 consumer/ leader= at 1040000 []\n"
           "removed c#3 of g (c/127.0.0.1): left\n"
           "-: leave OK OK\n");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_follower_waits_for_the_leader),
        cmocka_unit_test(who_comes_after_the_leader_does_not_wait),
        cmocka_unit_test(refusals),
        cmocka_unit_test(a_join_while_syncing_sends_everybody_back),
        cmocka_unit_test(who_does_not_sync_in_time_is_out),
        cmocka_unit_test(nobody_syncs_in_time),
        cmocka_unit_test(heartbeats_in_each_state),
        cmocka_unit_test(the_last_one_leaves),
        cmocka_unit_test(the_leader_leaves),
        cmocka_unit_test(a_pending_one_leaves),
        cmocka_unit_test(one_leaves_while_its_sync_waits),
        cmocka_unit_test(every_removal_is_told_with_its_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
