/* SPDX-License-Identifier: Apache-2.0
 * Traces of static members (KIP-345): a restart of one is no rebalance, a second one with the same instance id fences
 * the first.
 */
#include "world.h"

/* i leads (instance "i", id i#1), j follows (instance "j", id j#2), generation 1, stable. */
static struct world *two_static(void)
{
    struct world *w = world_new();

    JOIN(w, .who = "a", .instance = "i", .protocols = "range:mi");
    JOIN(w, .who = "b", .instance = "j", .protocols = "range:mj");
    pass(w, 0);
    SYNC(w, .who = "b", .id = "j#2", .instance = "j", .generation = 1);
    SYNC(w, .who = "a", .id = "i#1", .instance = "i", .generation = 1, .assign = "i#1=x,j#2=y");
    see(w, "record g v3 gen=0 / leader= at 1000000 []\n"
           "a: waits\n"
           "b: waits\n"
           "a: join OK gen=1 range leader=i#1 id=i#1 members=[i#1@i:mi j#2@j:mj]\n"
           "b: join OK gen=1 range leader=i#1 id=j#2\n"
           "b: waits\n"
           "record g v3 gen=1 consumer/range leader=i#1 at 1000000 [i#1=x j#2=y]\n"
           "a: sync OK consumer/range x\n"
           "b: sync OK consumer/range y\n");
    return w;
}

static void a_follower_restarts(void **state)
{
    struct world *w = two_static();

    JOIN(w, .who = "b", .instance = "j", .protocols = "range:mj");
    see(w, "record g v3 gen=1 consumer/range leader=i#1 at 1000000 [i#1=x j#3=y]\n"
           "b: join OK gen=1 range leader=i#1 id=j#3\n");
    SYNC(w, .who = "b", .id = "j#3", .instance = "j", .generation = 1);
    HEARTBEAT(w, .who = "old", .id = "j#2", .instance = "j", .generation = 1);
    HEARTBEAT(w, .who = "old", .id = "j#2", .generation = 1);
    COMMIT(w, .who = "old", .id = "j#2", .instance = "j", .generation = 1, .commit = "t/0=1");
    SYNC(w, .who = "old", .id = "j#2", .instance = "j", .generation = 1);
    JOIN(w, .who = "old", .id = "j#2", .instance = "j", .protocols = "range:mj");
    LEAVE(w, .who = "old", .id = "j#2", .instance = "j");
    see(w, "b: sync OK consumer/range y\n"
           "old: heartbeat FENCED_INSTANCE_ID\n"
           "old: heartbeat UNKNOWN_MEMBER_ID\n"
           "old: commit FENCED_INSTANCE_ID\n"
           "old: sync FENCED_INSTANCE_ID\n"
           "old: join FENCED_INSTANCE_ID id=j#2\n"
           "old: leave OK FENCED_INSTANCE_ID\n");
    world_free(w);
}

static void the_leader_restarts(void **state)
{
    struct world *w = two_static();

    JOIN(w, .who = "a", .instance = "i", .protocols = "range:mi", .version = 9); /* knows that it need not assign */
    see(w, "record g v3 gen=1 consumer/range leader=i#3 at 1000000 [i#3=x j#2=y]\n"
           "a: join OK gen=1 range leader=i#3 id=i#3 skip members=[i#3@i:mi j#2@j:mj]\n");
    JOIN(w, .who = "a", .instance = "i", .protocols = "range:mi",
         .version = 8); /* would assign if it knew that it leads */
    see(w, "record g v3 gen=1 consumer/range leader=i#4 at 1000000 [i#4=x j#2=y]\n"
           "a: join OK gen=1 range leader=i#3 id=i#4\n");
    world_free(w);
}

static void a_restart_that_changes_the_protocol_rebalances(void **state)
{
    struct world *w = world_new();

    JOIN(w, .who = "a", .instance = "i", .protocols = "range,sticky");
    pass(w, 0);
    SYNC(w, .who = "a", .id = "i#1", .generation = 1);
    forget(w);
    JOIN(w, .who = "a", .instance = "i", .protocols = "sticky,range");
    see(w, "a: join OK gen=2 sticky leader=i#2 id=i#2 members=[i#2@i:]\n");
    world_free(w);
}

static void a_restart_while_syncing_rebalances(void **state)
{
    struct world *w = two_static();

    JOIN(w, .who = "a", .id = "i#1", .instance = "i", .protocols = "range:new");
    JOIN(w, .who = "b", .id = "j#2", .instance = "j", .protocols = "range:mj");
    SYNC(w, .who = "b", .id = "j#2", .instance = "j", .generation = 2);
    forget(w);
    JOIN(w, .who = "b2", .instance = "j", .protocols = "range:mj");
    see(w, "b: sync FENCED_INSTANCE_ID\n"
           "b2: waits\n");
    SYNC(w, .who = "a", .id = "i#1", .instance = "i", .generation = 2);
    see(w, "a: sync REBALANCE_IN_PROGRESS\n");
    world_free(w);
}

static void a_restart_while_joining_fences_the_older_call(void **state)
{
    struct world *w = two_static();

    JOIN(w, .who = "b", .id = "j#2", .instance = "j", .protocols = "range:new");
    JOIN(w, .who = "b2", .instance = "j", .protocols = "range:new");
    see(w, "b: waits\n"
           "b: join FENCED_INSTANCE_ID id=j#2\n"
           "b2: waits\n");
    JOIN(w, .who = "a", .id = "i#1", .instance = "i", .protocols = "range:mi");
    see(w, "a: join OK gen=2 range leader=i#1 id=i#1 members=[i#1@i:mi j#4@j:new]\n"
           "b2: join OK gen=2 range leader=i#1 id=j#4\n");
    world_free(w);
}

static void an_absent_static_member_stays_until_its_session_ends(void **state)
{
    struct world *w = two_static();

    JOIN(w, .who = "a", .id = "i#1", .instance = "i", .protocols = "range:new", .rebalance_ms = 15000,
         .session_ms = 60000);
    forget(w);
    pass(w, 29999);
    see(w, "");
    DESCRIBE(w);
    see(w, "group g OK PreparingRebalance consumer/ [i#1@i(a/127.0.0.1):=x j#2@j(b/127.0.0.1):=y]\n");
    pass(w, 1);
    see(w, "a: join OK gen=2 range leader=i#1 id=i#1 members=[i#1@i:new]\n");
    world_free(w);
}

static void an_administrator_removes_by_instance(void **state)
{
    struct world *w = two_static();

    LEAVE(w, .who = "-", .id = ",i#1", .instance = "j,k");
    LEAVE(w, .who = "-", .instance = "k");
    see(w, "-: leave OK OK UNKNOWN_MEMBER_ID\n"
           "-: leave OK UNKNOWN_MEMBER_ID\n");
    DESCRIBE(w);
    see(w, "group g OK PreparingRebalance consumer/ [i#1@i(a/127.0.0.1):=x]\n");
    world_free(w);
}

static void static_members_survive_a_reload(void **state)
{
    struct world *w = two_static();

    reload(w);
    JOIN(w, .who = "b", .instance = "j", .protocols = "range:mj");
    see(w, "record g v3 gen=1 consumer/range leader=i#1 at 1000000 [i#1=x j#3=y]\n"
           "b: join OK gen=1 range leader=i#1 id=j#3\n");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_follower_restarts),
        cmocka_unit_test(the_leader_restarts),
        cmocka_unit_test(a_restart_that_changes_the_protocol_rebalances),
        cmocka_unit_test(a_restart_while_syncing_rebalances),
        cmocka_unit_test(a_restart_while_joining_fences_the_older_call),
        cmocka_unit_test(an_absent_static_member_stays_until_its_session_ends),
        cmocka_unit_test(an_administrator_removes_by_instance),
        cmocka_unit_test(static_members_survive_a_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
