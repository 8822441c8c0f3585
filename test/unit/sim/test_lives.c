/* SPDX-License-Identifier: Apache-2.0
 * Runs of the whole simulation: the same seed is the same run (invariant 25), and a life's memory goes with it.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/mem.h"
#include "rt/log.h"
#include "sim/memory.h"
#include "sim/run.h"

static void never(uint64_t seed, const char *rule, const char *what)
{
    fail_msg("seed %llu: %s: %s", (unsigned long long)seed, rule, what);
}

static void test_same_seed_same_run(void **state)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct run_options options = {.seed = seed, .us = 60000000, .broken = never};
        struct run_result once = run_seed(&options), again = run_seed(&options);

        assert_int_equal(once.hash, again.hash);
        assert_int_equal(once.counts.requests, again.counts.requests);
        assert_true(once.counts.requests > 10 * 60);
    }
}

static void test_memory_of_a_life(void **state)
{
    struct memory life;
    struct memory *outer;
    char *its, *world = mem_alloc(10, 1);

    memory_init(&life);
    outer = memory_enter(&life);
    its = mem_copy("abc", 3);
    its = mem_resize(its, 100, 1);
    assert_string_equal(its, "abc");
    mem_free(world); /* each block knows whose it is */
    memory_enter(outer);
    assert_int_equal(life.bytes, 100);
    mem_free(its);
    assert_int_equal(life.bytes, 0);
    memory_enter(&life);
    its = mem_alloc(1, 1);
    assert_non_null(its);
    memory_enter(NULL);
    memory_drop(&life); /* a leak would be told by the sanitizer */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_seed_same_run), cmocka_unit_test(test_memory_of_a_life)};

    memory_install();
    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
