/* SPDX-License-Identifier: Apache-2.0
 * The wheel against a plain list of deadlines, near and very far, with time in small and huge steps.
 */
#include "rt/wheel.h"

#include "test/unit/cm.h"

enum { COUNT = 300 };

static uint64_t random_state = 7;

static uint64_t next_random(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 11;
}

/* A distance of any size: 1 ms to about 2^50. */
static uint64_t random_distance(void)
{
    return 1 + (next_random() & ((UINT64_C(1) << next_random() % 50) - 1));
}

static struct timer timers[COUNT];

static uint64_t earliest(void)
{
    uint64_t first = WHEEL_NEVER;

    for (unsigned i = 0; i < COUNT; i++) {
        if (timers[i].armed && timers[i].deadline_ms < first)
            first = timers[i].deadline_ms;
    }
    return first;
}

/* All that are due, none that is not, in order. */
static void advance(struct wheel *wheel, uint64_t now_ms)
{
    struct list fired;
    uint64_t last = 0;

    list_init(&fired);
    wheel_advance(wheel, now_ms, &fired);
    for (struct list *node; (node = list_pop_front(&fired));) {
        struct timer *timer = LIST_ENTRY(node, struct timer, link);
        assert_true(timer->armed);
        assert_true(timer->deadline_ms <= now_ms);
        assert_true(timer->deadline_ms >= last);
        last = timer->deadline_ms;
        timer->armed = false;
    }
    assert_true(earliest() > now_ms);
}

static void change_one(struct wheel *wheel)
{
    struct timer *timer = &timers[next_random() % COUNT];

    if (timer->armed) {
        wheel_remove(wheel, timer);
        timer->armed = false;
    } else {
        timer->deadline_ms = wheel->now_ms + random_distance();
        timer->armed = true;
        wheel_add(wheel, timer);
    }
}

static void test_against_a_list(void **state)
{
    struct wheel wheel;

    wheel_init(&wheel, 12345);
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t first;
        for (unsigned i = 0; i < next_random() % 8; i++)
            change_one(&wheel);
        first = earliest();
        assert_true(wheel_next_ms(&wheel) <= first);
        assert_true(wheel_next_ms(&wheel) > wheel.now_ms);
        if (round % 4 == 0 && first != WHEEL_NEVER)
            advance(&wheel, first);
        else
            advance(&wheel, wheel.now_ms + random_distance() % (round % 2 ? 100 : 1000000));
    }
}

/* Following wheel_next_ms alone reaches every deadline, never late, in few steps. */
static void test_next_leads_to_each_deadline(void **state)
{
    struct wheel wheel;
    struct timer timer = {.deadline_ms = 0};

    for (unsigned round = 0; round < 2000; round++) {
        uint64_t start = next_random();
        unsigned steps = 0;
        wheel_init(&wheel, start);
        timer.deadline_ms = start + random_distance();
        wheel_add(&wheel, &timer);
        for (bool fired = false; !fired; steps++) {
            struct list due;
            uint64_t next = wheel_next_ms(&wheel);
            list_init(&due);
            assert_true(next <= timer.deadline_ms);
            wheel_advance(&wheel, next, &due);
            fired = !list_empty(&due);
            assert_true(fired == (next == timer.deadline_ms));
            list_remove(&timer.link);
            if (!fired)
                wheel_add(&wheel, &timer);
        }
        assert_in_range(steps, 1, WHEEL_LEVELS);
    }
}

static void test_past_deadlines_are_due_at_once(void **state)
{
    struct wheel wheel;
    struct timer timer = {.deadline_ms = 5};
    struct list fired;

    wheel_init(&wheel, 100);
    list_init(&fired);
    assert_true(wheel_next_ms(&wheel) == WHEEL_NEVER);
    wheel_add(&wheel, &timer);
    assert_true(wheel_next_ms(&wheel) <= 100);
    wheel_advance(&wheel, 100, &fired);
    assert_ptr_equal(list_pop_front(&fired), &timer.link);
    wheel_add(&wheel, &timer);
    wheel_remove(&wheel, &timer);
    assert_true(wheel_next_ms(&wheel) == WHEEL_NEVER);
}

static void test_the_far_end_of_time(void **state)
{
    struct wheel wheel;
    struct timer last = {.deadline_ms = UINT64_MAX}, almost = {.deadline_ms = UINT64_MAX - 1};
    struct list fired;

    wheel_init(&wheel, 0);
    list_init(&fired);
    wheel_add(&wheel, &last);
    wheel_add(&wheel, &almost);
    wheel_advance(&wheel, UINT64_MAX - 2, &fired);
    assert_true(list_empty(&fired));
    wheel_advance(&wheel, UINT64_MAX - 1, &fired);
    assert_ptr_equal(list_pop_front(&fired), &almost.link);
    assert_true(list_empty(&fired));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_list),
        cmocka_unit_test(test_next_leads_to_each_deadline),
        cmocka_unit_test(test_past_deadlines_are_due_at_once),
        cmocka_unit_test(test_the_far_end_of_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
