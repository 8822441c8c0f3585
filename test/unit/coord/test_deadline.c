/* SPDX-License-Identifier: Apache-2.0
 * The heap of deadlines against the plainest thing that could be right: looking at all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coord/deadline.h"

enum { COUNT = 300, ROUNDS = 200000 };

static uint64_t earliest(const struct deadline *all)
{
    uint64_t at = UINT64_MAX;

    for (int i = 0; i < COUNT; i++) {
        if (all[i].armed && all[i].at_ms < at)
            at = all[i].at_ms;
    }
    return at;
}

static void as_if_all_were_looked_at(void **state)
{
    static struct deadline all[COUNT];
    struct deadlines heap = {NULL};
    uint64_t random = 88172645463325252u, now = 0;

    for (int i = 0; i < ROUNDS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if (random % 8 < 5) {
            deadline_set(&heap, &all[random / 8 % COUNT], now + random / 4096 % 1000);
        } else if (random % 8 < 7) {
            deadline_cancel(&heap, &all[random / 8 % COUNT]);
        } else {
            uint64_t want = earliest(all), at = want;
            struct deadline *due;

            now += random / 4096 % 20;
            due = deadline_take(&heap, now);
            assert_true((due != NULL) == (at <= now));
            if (due) {
                assert_int_equal(want, due->at_ms);
                assert_false(due->armed);
            }
        }
        if (i % 64 == 0)
            assert_int_equal(earliest(all), heap.earliest ? heap.earliest->at_ms : UINT64_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_if_all_were_looked_at)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
