/* SPDX-License-Identifier: Apache-2.0
 * A whole life of a group, again and again, with each allocation of each step failing once: every call is answered, and
 * the group goes on.
 */
#include "base/mem.h"
#include "world.h"

enum { STEPS = 13, ALLOCATIONS = 24 };

static void live(struct world *w)
{
    JOIN(w, .who = "a", .version = 3, .protocols = "range:ma,sticky:sa");
    JOIN(w, .who = "s", .instance = "i", .protocols = "range:ms");
    JOIN(w, .who = "b", .protocols = "range:mb");
    JOIN(w, .who = "b", .id = "b#3", .protocols = "range:mb");
    pass(w, 0);
    SYNC(w, .who = "s", .id = "i#2", .instance = "i", .generation = 1);
    SYNC(w, .who = "a", .id = "a#1", .generation = 1, .assign = "a#1=x,i#2=y,b#3=z");
    JOIN(w, .who = "s", .instance = "i", .protocols = "range:ms"); /* a static member restarts */
    COMMIT(w, .who = "a", .id = "a#1", .generation = 1, .commit = "t/0=1:m,t/1=2,u/0=3,t/0=4");
    COMMIT(w, .who = "-", .group = "h", .commit = "t/0=1:m,t/1=2");
    DELETE_OFFSET(w, .group = "h", .topic = "t", .partition = 1);
    world_delete_group(w, "h");
    LEAVE(w, .who = "-", .id = "a#1,b#3,i#5", .instance = "");
}

static void each_allocation_fails_once(void **state)
{
    for (unsigned step = 1; step <= STEPS; step++) {
        for (uint64_t n = 1; n <= ALLOCATIONS; n++) {
            struct world *w = world_new();

            w->fail_step = step;
            w->fail_at = n;
            live(w);
            w->fail_step = 0;
            pass(w, 600 * 1000); /* whoever is left times out */
            assert_null(w->waiting);
            forget(w);
            JOIN(w, .who = "z", .version = 3);
            pass(w, 0);
            assert_non_null(strstr(w->seen, "z: join OK "));
            forget(w);
            reload(w);
            COMMIT(w, .who = "-", .group = "h", .commit = "t/0=7");
            FETCH(w, .group = "h", .topic = "t");
            assert_non_null(strstr(w->seen, "-: commit OK\noffsets OK t/0=7:\n"));
            world_free(w);
        }
    }
}

/* A commit that fails in the middle has committed nothing, not even what did fit. */
static void a_commit_is_whole_or_not_at_all(void **state)
{
    bool failed = false, succeeded = false;

    for (uint64_t n = 1; n <= 40; n++) {
        struct world *w = world_new();

        COMMIT(w, .who = "-", .commit = "t/0=1");
        forget(w);
        w->fail_step = 2;
        w->fail_at = n;
        COMMIT(w, .who = "-", .commit = "t/0=2,t/1=2,u/0=2,t/0=3");
        w->fail_step = 0;
        FETCH(w, .topic = "t", .partition = 0);
        FETCH(w, .topic = "t", .partition = 1);
        FETCH(w, .topic = "u", .partition = 0);
        if (strstr(w->seen, "COORDINATOR_NOT_AVAILABLE")) {
            failed = true;
            see(w, "-: commit COORDINATOR_NOT_AVAILABLE COORDINATOR_NOT_AVAILABLE COORDINATOR_NOT_AVAILABLE "
                   "COORDINATOR_NOT_AVAILABLE\n"
                   "offsets OK t/0=1:\n"
                   "offsets OK t/1=-1:\n"
                   "offsets OK u/0=-1:\n");
        } else {
            succeeded = true;
            see(w, "record g t/0 v4 =2: at 1000000\n"
                   "record g t/1 v4 =2: at 1000000\n"
                   "record g u/0 v4 =2: at 1000000\n"
                   "record g t/0 v4 =3: at 1000000\n"
                   "-: commit OK OK OK OK\n"
                   "offsets OK t/0=3:\n"
                   "offsets OK t/1=2:\n"
                   "offsets OK u/0=2:\n");
        }
        world_free(w);
    }
    assert_true(failed && succeeded);
}

/* With three quarters of its memory taken nothing new is begun, and what there is goes on. */
static void a_crowded_coordinator_goes_on(void **state)
{
    struct mem_user user = {0};
    struct world *w;

    (void)mem_enter(&user);
    w = world_new();
    JOIN(w, .who = "a", .version = 3, .protocols = "range:ma");
    pass(w, 0);
    SYNC(w, .who = "a", .id = "a#1", .generation = 1, .assign = "a#1=x");
    COMMIT(w, .who = "a", .id = "a#1", .generation = 1, .commit = "t/0=1:m");
    forget(w);
    user.max = user.held / 3 * 4;
    COMMIT(w, .who = "a", .id = "a#1", .generation = 1, .commit = "t/0=2:other");
    assert_non_null(strstr(w->seen, "a: commit OK\n"));
    forget(w);
    COMMIT(w, .who = "a", .id = "a#1", .generation = 1, .commit = "t/1=2");
    COMMIT(w, .who = "-", .group = "h", .commit = "t/0=7");
    see(w, "a: commit COORDINATOR_NOT_AVAILABLE\n"
           "-: commit COORDINATOR_NOT_AVAILABLE\n");
    JOIN(w, .who = "b", .version = 3, .protocols = "range:mb");
    assert_non_null(strstr(w->seen, "b: join COORDINATOR_NOT_AVAILABLE"));
    forget(w);
    JOIN(w, .who = "a", .id = "a#1", .version = 3, .protocols = "range:mb");
    pass(w, 0);
    assert_non_null(strstr(w->seen, "a: join OK "));
    forget(w);
    user.max = 0;
    COMMIT(w, .who = "-", .group = "h", .commit = "t/0=7");
    assert_non_null(strstr(w->seen, "-: commit OK\n"));
    forget(w);
    LEAVE(w, .who = "-", .id = "a#1", .instance = "");
    forget(w);
    world_free(w);
    (void)mem_enter(NULL);
    assert_int_equal(user.held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails_once),
        cmocka_unit_test(a_commit_is_whole_or_not_at_all),
        cmocka_unit_test(a_crowded_coordinator_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
