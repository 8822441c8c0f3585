/* SPDX-License-Identifier: Apache-2.0
 * Traces of committed offsets: who may commit, what is read back, what goes when.
 */
#include "world.h"

static const struct uuid id_1 = {{1}}, id_2 = {{2}};

static void without_a_group(void **state)
{
    struct world *w = world_new();

    COMMIT(w, .who = "-", .commit = "t/0=42:here,t/1=7,u/0=0");
    see(w, "record g t/0 v4 =42:here at 1000000\n"
           "record g t/1 v4 =7: at 1000000\n"
           "record g u/0 v4 =0: at 1000000\n"
           "-: commit OK OK OK\n");
    FETCH(w, .topic = "t", .partition = 0);
    FETCH(w, .topic = "t", .partition = 2);
    FETCH(w, .topic = "v", .partition = 0);
    FETCH(w, .group = "other", .topic = "t", .partition = 0);
    FETCH(w, .topic = "t", .partition = 2, .version = V0);
    see(w, "offsets OK t/0=42:here\n"
           "offsets OK t/2=-1:\n"
           "offsets OK v/0=-1:\n"
           "offsets OK t/0=-1:\n"
           "offsets OK t/2=-1: UNKNOWN_TOPIC_OR_PARTITION\n");
    COMMIT(w, .who = "-", .commit = "t/0=1,t/0=2"); /* the last one counts */
    COMMIT(w, .who = "-", .group = "h", .commit = "t/0=3");
    forget(w);
    FETCH(w, .topic = "t", .partition = 0);
    FETCH(w, .group = "h");
    FETCH(w, .group = "unknown");
    DESCRIBE(w);
    see(w, "offsets OK t/0=2:\n"
           "offsets OK t/0=3:\n"
           "offsets OK\n"
           "group g OK Empty / []\n");
    world_free(w);
}

static void of_a_member_in_each_state(void **state)
{
    struct world *w = world_new();

    COMMIT(w, .who = "a", .id = "a#1", .generation = 1, .commit = "t/0=1", .version = 8);
    COMMIT(w, .who = "a", .id = "a#1", .generation = 1, .commit = "t/0=1", .version = 9);
    see(w, "a: commit ILLEGAL_GENERATION\n"
           "a: commit GROUP_ID_NOT_FOUND\n");
    stable_one(w);
    COMMIT(w, .who = "a", .id = "a#1", .generation = 1, .commit = "t/0=1");
    COMMIT(w, .who = "a", .id = "a#1", .generation = 2, .commit = "t/0=2");
    COMMIT(w, .who = "a", .id = "a#9", .generation = 1, .commit = "t/0=2");
    COMMIT(w, .who = "a", .id = "a#1", .commit = "t/0=2");
    COMMIT(w, .who = "-", .commit = "t/0=2"); /* nobody but members while there are some */
    COMMIT(w, .who = "a", .id = "a#1", .generation = 1, .instance = "i", .commit = "t/0=2");
    see(w, "record g t/0 v4 =1: at 1000000\n"
           "a: commit OK\n"
           "a: commit ILLEGAL_GENERATION\n"
           "a: commit UNKNOWN_MEMBER_ID\n"
           "a: commit ILLEGAL_GENERATION\n"
           "-: commit UNKNOWN_MEMBER_ID\n"
           "a: commit UNKNOWN_MEMBER_ID\n");
    JOIN(w, .who = "b", .version = 3); /* preparing: commit before you join again */
    COMMIT(w, .who = "a", .id = "a#1", .generation = 1, .commit = "t/0=3");
    see(w, "b: waits\n"
           "record g t/0 v4 =3: at 1000000\n"
           "a: commit OK\n");
    JOIN(w, .who = "a", .id = "a#1");
    forget(w);
    COMMIT(w, .who = "a", .id = "a#1", .generation = 2, .commit = "t/0=4"); /* completing */
    see(w, "a: commit REBALANCE_IN_PROGRESS\n");
    LEAVE(w, .id = "a#1,b#2");
    forget(w);
    COMMIT(w, .who = "a", .id = "a#1", .generation = 3, .commit = "t/0=5"); /* empty */
    COMMIT(w, .who = "-", .commit = "t/0=6");
    see(w, "a: commit UNKNOWN_MEMBER_ID\n"
           "record g t/0 v4 =6: at 1000000\n"
           "-: commit OK\n");
    world_free(w);
}

static void a_commit_is_a_sign_of_life(void **state)
{
    struct world *w = world_new();

    stable_one(w);
    pass(w, 29999);
    COMMIT(w, .who = "a", .id = "a#1", .generation = 1, .commit = "t/0=1");
    pass(w, 29999);
    HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 1);
    see(w, "record g t/0 v4 =1: at 1029999\n"
           "a: commit OK\n"
           "a: heartbeat OK\n");
    world_free(w);
}

static void each_partition_has_its_error(void **state)
{
    struct world *w = world_new();

    COMMIT(w, .who = "-", .commit = "!no/0=1,t/0=2:0123456789abcdef0,t/1=3:0123456789abcdef");
    see(w, "record g t/1 v4 =3:0123456789abcdef at 1000000\n"
           "-: commit UNKNOWN_TOPIC_OR_PARTITION OFFSET_METADATA_TOO_LARGE OK\n");
    COMMIT(w, .who = "-",
           .commit = "t/"
                     "0=2:"
                     "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"
                     "\xf0\x9f\x98\x80\xc3\xa9\xc3\xa9");
    COMMIT(w, .who = "-",
           .commit = "t/"
                     "0=2:"
                     "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"
                     "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xc3\xa9");
    assert_non_null(
        strstr(w->seen, "-: commit OK\n-: commit OFFSET_METADATA_TOO_LARGE\n")); /* 7 * 2 + 2 and 8 * 2 + 1 units */
    forget(w);
    COMMIT(w, .who = "-", .group = "h", .commit = "!no/0=1");
    world_list(w, NULL, NULL);
    see(w, "-: commit UNKNOWN_TOPIC_OR_PARTITION\n"
           "list OK g::Empty:classic\n");
    world_free(w);
}

static void topics_are_told_apart_by_id(void **state)
{
    struct world *w = world_new();

    COMMIT(w, .who = "-", .commit = "t/0=1", .topic_id = id_1);
    forget(w);
    FETCH(w, .topic = "t", .topic_id = id_1);
    FETCH(w, .topic = "t", .topic_id = id_2);
    FETCH(w, .topic = "t");
    FETCH(w, .topic = "", .topic_id = id_2); /* nobody knows this id */
    see(w, "offsets OK t/0=1:\n"
           "offsets OK t/0=-1:\n"
           "offsets OK t/0=1:\n"
           "offsets OK /0=-1: UNKNOWN_TOPIC_ID\n");
    reload(w);
    world_topic_deleted(w, "t", id_2);
    see(w, "");
    world_topic_deleted(w, "t", id_1);
    see(w, "record g t/0 gone\n");
    FETCH(w, .topic = "t");
    see(w, "offsets OK t/0=-1:\n");
    world_free(w);
}

static void deleting_one(void **state)
{
    struct world *w = world_new();

    DELETE_OFFSET(w, .group = "", .topic = "t");
    DELETE_OFFSET(w, .topic = "t");
    see(w, "-: delete INVALID_GROUP_ID\n"
           "-: delete GROUP_ID_NOT_FOUND\n");
    COMMIT(w, .who = "-", .commit = "t/0=1,u/0=2");
    forget(w);
    DELETE_OFFSET(w, .topic = "t");
    DELETE_OFFSET(w, .topic = "t");
    see(w, "record g t/0 gone\n"
           "-: delete OK OK\n"
           "-: delete OK OK\n");
    /* A consumer group keeps what it reads: version 0, one topic "u", no user data. */
    JOIN(w, .who = "c", .group = "k", .version = 3, .type = "connect");
    JOIN(w, .who = "a", .version = 3, .protocols = "range:?");
    pass(w, 0);
    forget(w);
    DELETE_OFFSET(w, .group = "k", .topic = "t");
    DELETE_OFFSET(w, .topic = "u"); /* what does not decode may read anything */
    see(w, "-: delete NON_EMPTY_GROUP\n"
           "-: delete OK GROUP_SUBSCRIBED_TO_TOPIC\n");
    world_free(w);
}

static void deleting_a_group(void **state)
{
    struct world *w = world_new();

    stable_one(w);
    COMMIT(w, .who = "a", .id = "a#1", .generation = 1, .commit = "t/0=1");
    forget(w);
    world_delete_group(w, "g");
    world_delete_group(w, "other");
    LEAVE(w, .who = "a", .id = "a#1");
    world_delete_group(w, "g");
    see(w, "delete group NON_EMPTY_GROUP\n"
           "delete group GROUP_ID_NOT_FOUND\n"
           "record g v3 gen=2 consumer/ leader= at 1000000 []\n"
           "a: leave OK OK\n"
           "record g t/0 gone\n"
           "record g gone\n"
           "delete group OK\n");
    reload(w);
    world_list(w, NULL, NULL);
    see(w, "list OK\n");
    world_free(w);
}

static void expiry_of_a_simple_group(void **state)
{
    struct world *w = world_new();

    COMMIT(w, .who = "-", .commit = "t/0=1");
    pass(w, 1800 * 1000);
    COMMIT(w, .who = "-", .commit = "t/1=1");
    pass(w, 1800 * 1000 - 1);
    forget(w);
    world_expire(w);
    see(w, "");
    pass(w, 1);
    world_expire(w);
    see(w, "record g t/0 gone\n");
    pass(w, 1800 * 1000);
    world_expire(w);
    see(w, "record g t/1 gone\n"
           "record g gone\n");
    world_free(w);
}

static void expiry_begins_when_the_group_is_empty(void **state)
{
    struct world *w = world_new();

    stable_one(w); /* its subscription does not decode: nothing expires */
    COMMIT(w, .who = "a", .id = "a#1", .generation = 1, .commit = "t/0=1");
    for (int i = 0; i < 400; i++) {
        pass(w, 10000);
        HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 1);
        forget(w);
    }
    world_expire(w);
    see(w, "");
    LEAVE(w, .who = "a", .id = "a#1");
    forget(w);
    reload(w);
    pass(w, 3600 * 1000 - 1);
    world_expire(w);
    see(w, "");
    pass(w, 1);
    world_expire(w);
    see(w, "record g t/0 gone\n"
           "record g gone\n");
    world_free(w);
}

static void the_client_s_own_retention(void **state)
{
    struct world *w = world_new();

    COMMIT(w, .who = "-", .commit = "t/0=1", .retention_ms = 5000, .version = 4);
    see(w, "record g t/0 v1 =1: at 1000000 until 1005000\n"
           "-: commit OK\n");
    reload(w);
    pass(w, 4999);
    world_expire(w);
    see(w, "");
    pass(w, 1);
    world_expire(w);
    see(w, "record g t/0 gone\n"
           "record g gone\n");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_group),
        cmocka_unit_test(of_a_member_in_each_state),
        cmocka_unit_test(a_commit_is_a_sign_of_life),
        cmocka_unit_test(each_partition_has_its_error),
        cmocka_unit_test(topics_are_told_apart_by_id),
        cmocka_unit_test(deleting_one),
        cmocka_unit_test(deleting_a_group),
        cmocka_unit_test(expiry_of_a_simple_group),
        cmocka_unit_test(expiry_begins_when_the_group_is_empty),
        cmocka_unit_test(the_client_s_own_retention),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
