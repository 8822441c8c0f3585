/* SPDX-License-Identifier: Apache-2.0
 * A build that is tested has no bug of the bank in it.
 */
#include "base/bug.h"
#include "test/unit/cm.h"

static void none_is_seeded(void **state)
{
    assert_true(BUG(none));
    assert_false(BUG(KAFKA_673));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_seeded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
