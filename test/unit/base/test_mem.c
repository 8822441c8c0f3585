/* SPDX-License-Identifier: Apache-2.0
 * The door to the allocator: zeroes, products that overflow, the injected failure.
 */
#include "base/mem.h"

#include "base/crc32c.h"
#include "base/stream.h"
#include "test/unit/cm.h"

static void test_alloc_zeroes_and_checks_the_product(void **state)
{
    volatile size_t huge = SIZE_MAX / 2 + 1; /* hidden from the compiler, which would warn */
    uint8_t *block = mem_alloc(100, 10);

    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(block[i], 0);
    mem_free(block);
    assert_null(mem_alloc(huge, 2));
    assert_null(mem_resize(NULL, huge, 2));
    block = mem_alloc(0, 10);
    assert_non_null(block);
    mem_free(block);
    mem_free(NULL);
}

static void test_copy_ends_with_zero(void **state)
{
    char *copy = mem_copy("abc", 2), *empty = mem_copy(NULL, 0);

    assert_string_equal(copy, "ab");
    assert_string_equal(empty, "");
    mem_free(copy);
    mem_free(empty);
    assert_null(mem_copy("", SIZE_MAX));
}

static void test_the_nth_allocation_fails_once(void **state)
{
    void *first, *third, *resized;

    mem_fail_at(2);
    first = mem_alloc(1, 1);
    assert_non_null(first);
    assert_null(mem_alloc(1, 1));
    third = mem_copy("", 0);
    assert_non_null(third);
    mem_fail_at(1);
    assert_null(mem_resize(first, 10, 1));
    resized = mem_resize(first, 10, 1);
    assert_non_null(resized);
    mem_free(resized);
    mem_free(third);
}

/* What a user holds is counted, what others do is not; beyond its limit there is no memory for it. */
static void test_users(void **state)
{
    struct mem_user user = {0}, other = {0};
    void *nobodys = mem_alloc(1, 1000), *block, *larger;
    size_t held;

    assert_null(mem_enter(&user));
    block = mem_alloc(1, 1000);
    held = user.held;
    assert_in_range(held, 1000, 1100);
    assert_ptr_equal(mem_enter(&other), &user);
    larger = mem_alloc(1, 1);
    assert_ptr_equal(mem_enter(&user), &other);
    assert_int_equal(user.held, held);
    user.max = 4096;
    assert_false(mem_crowded());
    assert_null(mem_alloc(1, 4000));
    assert_null(mem_resize(block, 1, 4200));
    block = mem_resize(block, 1, 3800);
    assert_in_range(user.held, 3800, 4096);
    assert_true(mem_crowded());
    mem_free(block);
    assert_int_equal(user.held, 0);
    (void)mem_enter(&other);
    mem_free(larger);
    (void)mem_enter(NULL);
    assert_int_equal(other.held, 0);
    assert_false(mem_crowded());
    mem_free(nobodys);
}

/* Check values of the catalogue of CRC algorithms, and of RFC 3720 B.4. */
static void test_crcs(void **state)
{
    static const uint8_t zeros[32];
    static uint8_t bytes[70000];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 256);
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(zeros, sizeof zeros), 0x8a9136aa);
    assert_int_equal(crc32c("", 0), 0);
    assert_int_equal(crc32c_extend(crc32c("1234", 4), "56789", 5), 0xe3069283);
    assert_int_equal(crc32c_join(crc32c("1234", 4), crc32c("56789", 5), 5), 0xe3069283);
    assert_int_equal(crc32c_join(crc32c("", 0), 0xe3069283, 9), 0xe3069283);
    assert_int_equal(crc32c_join(0xe3069283, 0, 0), 0xe3069283);
    assert_int_equal(crc32c_join(0xe3069283, 0x8a9136aa, (size_t)1 << 40 | 32), crc32c_join(crc32c_join(0xe3069283, 0, (size_t)1 << 40), 0x8a9136aa, 32));
    for (size_t size = 0; size <= sizeof bytes; size = 2 * size + 1)
        assert_int_equal(crc32c_join(0xe3069283, crc32c(bytes, size), size), crc32c_extend(0xe3069283, bytes, size));
    assert_int_equal(crc32_legacy("123456789", 9), 0xcbf43926);
}

static void test_stream_copies_every_byte_and_no_more(void **state)
{
    uint8_t from[3000], to[3000];

    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)(i * 7 + i / 256 + 1);
    for (size_t at = 0; at < 130; at++)
        for (size_t size = 0; size < sizeof to - 140; size += size < 200 || size > 2000 ? 13 : 301) {
            memset(to, 0, sizeof to);
            stream_copy(to + at, from + at % 7, size);
            assert_memory_equal(to + at, from + at % 7, size);
            assert_true(to[at + size] == 0 && (!at || to[at - 1] == 0));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc_zeroes_and_checks_the_product),
        cmocka_unit_test(test_copy_ends_with_zero),
        cmocka_unit_test(test_the_nth_allocation_fails_once),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_crcs),
        cmocka_unit_test(test_stream_copies_every_byte_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
