/* SPDX-License-Identifier: Apache-2.0
 * Arenas: zeroed and aligned memory, the limit, overflow of sizes, failing allocations, use after arena_free.
 */
#include "base/arena.h"

#include "base/mem.h"
#include "test/unit/cm.h"

static void test_memory_is_zeroed_aligned_and_apart(void **state)
{
    struct arena arena;
    uint8_t *pieces[500];

    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < 500; i++) {
        pieces[i] = arena_alloc(&arena, i, 3);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        for (size_t k = 0; k < i * 3; k++)
            assert_int_equal(pieces[i][k], 0);
        memset(pieces[i], (int)(i % 251 + 1), i * 3);
    }
    for (size_t i = 0; i < 500; i++) {
        for (size_t k = 0; k < i * 3; k++)
            assert_int_equal(pieces[i][k], i % 251 + 1);
    }
    arena_free(&arena);
}

static void test_limit_is_exact(void **state)
{
    struct arena arena;

    arena_init(&arena, 64);
    assert_non_null(arena_alloc(&arena, 1, 32));
    assert_non_null(arena_alloc(&arena, 2, 16));
    assert_null(arena_alloc(&arena, 1, 1));
    assert_non_null(arena_alloc(&arena, 0, 8));
    arena_free(&arena);
    assert_int_equal(arena.used, 0);
    assert_non_null(arena_alloc(&arena, 1, 64)); /* usable again */
    assert_null(arena_alloc(&arena, 1, 65));
    arena_free(&arena);
}

static void test_huge_sizes_are_refused(void **state)
{
    volatile size_t half = SIZE_MAX / 2 + 1, most = SIZE_MAX; /* hidden from the compiler, which would warn */
    struct arena arena;

    arena_init(&arena, SIZE_MAX / 2);
    assert_null(arena_alloc(&arena, half, 2));
    assert_null(arena_alloc(&arena, most, 1));
    assert_null(arena_alloc(&arena, most - 8, 1));
    assert_int_equal(arena.used, 0);
    arena_free(&arena);
}

static void test_large_objects_leave_the_current_block(void **state)
{
    struct arena arena;
    uint8_t *first, *second;

    arena_init(&arena, 1 << 20);
    first = arena_alloc(&arena, 1, 16);
    assert_non_null(arena_alloc(&arena, 1, 100000));
    second = arena_alloc(&arena, 1, 16);
    assert_ptr_equal(second, first + 16);
    arena_free(&arena);
}

static void test_text(void **state)
{
    struct arena arena;
    struct str_view text;

    arena_init(&arena, 1 << 16);
    text = arena_str(&arena, STR_LIT("topic"));
    assert_true(str_is(text, "topic"));
    assert_int_equal(text.data[5], 0);
    assert_true(str_is(arena_str(&arena, STR_LIT("")), ""));
    assert_true(str_is(arena_format(&arena, "%s-%d", "a", 7), "a-7"));
    assert_int_equal(arena_format(&arena, "%2000d", 1).size, 2000);
    assert_int_equal(arena_format(&arena, "%40000d", 1).size, INT16_MAX); /* cut */
    arena_free(&arena);
}

static void test_failed_allocations_yield_null(void **state)
{
    struct arena arena;

    arena_init(&arena, 1 << 20);
    mem_fail_at(1);
    assert_null(arena_alloc(&arena, 1, 1));
    assert_int_equal(arena.used, 0);
    mem_fail_at(1);
    assert_null(arena_str(&arena, STR_LIT("x")).data);
    assert_non_null(arena_alloc(&arena, 1, 1)); /* later ones succeed */
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(test_limit_is_exact),
        cmocka_unit_test(test_huge_sizes_are_refused),
        cmocka_unit_test(test_large_objects_leave_the_current_block),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_failed_allocations_yield_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
