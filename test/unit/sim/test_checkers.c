/* SPDX-License-Identifier: Apache-2.0
 * Every rule of sim/checkers.h: a history that breaks it and no other, and one without fault.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "sim/checkers.h"

struct verdict {
    char rules[200];
};

static void note(void *context, const char *rule, const char *what)
{
    struct verdict *v = context;
    size_t size = strlen(v->rules);

    snprintf(v->rules + size, sizeof v->rules - size, "%s%s", size ? " " : "", rule);
}

static size_t did(struct history *h, struct op op, enum op_outcome outcome)
{
    size_t index = history_begin(h, op);

    if (outcome != OP_OPEN)
        history_end(h, index, outcome);
    return index;
}

static size_t sent(struct history *h, uint32_t process, uint64_t value, uint32_t count, int64_t offset)
{
    return did(h, (struct op){.kind = OP_SEND, .once = true, .process = process, .value = value, .count = count, .offset = offset}, offset < 0 ? OP_OPEN : OP_OK);
}

/* A poll from `offset` that sees one value after the other, up to a 0. */
static void polled(struct history *h, bool last, int64_t offset, int64_t high_watermark, const uint64_t *values)
{
    size_t index = history_begin(h, (struct op){.kind = OP_POLL, .process = 9, .offset = offset, .high_watermark = high_watermark, .last = last});

    for (; *values; values++, offset++)
        if (*values != UINT64_MAX) /* a hole */
            history_sight(h, index, offset, *values, 1);
    history_end(h, index, OP_OK);
}

#define POLLED(h, offset, high, ...) polled(h, false, offset, high, (const uint64_t[]){__VA_ARGS__, 0})
#define READ_ALL(h, high, ...) polled(h, true, 0, high, (const uint64_t[]){__VA_ARGS__, 0})

static void assert_rules(struct history *h, const char *rules)
{
    struct verdict v = {""};

    h->partitions = 1;
    history_check(h, note, &v);
    assert_string_equal(v.rules, rules);
    history_free(h);
}

static void test_faultless(void **state)
{
    struct history h = {0};

    sent(&h, 1, 100, 2, 0);
    sent(&h, 1, 102, 1, -1); /* nobody knows; it is there */
    sent(&h, 2, 200, 1, 3);
    sent(&h, 2, 201, 1, -1); /* nobody knows; it is not */
    POLLED(&h, 1, 4, 101, 102, 200);
    READ_ALL(&h, 4, 100, 101, 102, 200);
    assert_rules(&h, "");
}

static void test_log(void **state)
{
    struct history h = {0};

    sent(&h, 1, 100, 1, 0);
    sent(&h, 2, 200, 1, 0);
    READ_ALL(&h, 1, 100);
    assert_rules(&h, "inconsistent-offsets lost-write");

    sent(&h, 1, 100, 1, 0);
    READ_ALL(&h, 2, 100, 100);
    assert_rules(&h, "duplicate");

    sent(&h, 1, 100, 1, -1);
    sent(&h, 1, 101, 1, -1);
    READ_ALL(&h, 2, 101, 100);
    assert_rules(&h, "reordered");

    READ_ALL(&h, 1, 100);
    assert_rules(&h, "phantom");

    did(&h, (struct op){.kind = OP_SEND, .value = 100, .count = 1, .offset = -1}, OP_REFUSED);
    READ_ALL(&h, 1, 100);
    assert_rules(&h, "G1a");
}

static void test_last_read(void **state)
{
    struct history h = {0};

    sent(&h, 1, 100, 2, 0);
    READ_ALL(&h, 2, 100, UINT64_MAX, 0);
    assert_rules(&h, "unread"); /* it did not come to its end: nothing is said of losses */

    sent(&h, 1, 100, 1, 0);
    assert_rules(&h, "unread");

    sent(&h, 1, 100, 2, 0);
    POLLED(&h, 0, 2, 100, 101);
    READ_ALL(&h, 1, 100);
    assert_rules(&h, "unseen high-watermark");

    sent(&h, 1, 100, 3, 0);
    READ_ALL(&h, 3, 100, UINT64_MAX, 102);
    assert_rules(&h, "lost-write int-poll-skip");

    sent(&h, 1, 103, 1, 3); /* three last reads disagree on all of it, and one of them ends just before it */
    polled(&h, true, 1, 5, (const uint64_t[]){100, 101, 102, 0});
    polled(&h, true, 2, 5, (const uint64_t[]){100, 101, 102, 0});
    polled(&h, true, 2, 3, (const uint64_t[]){102, 0});
    assert_rules(&h, "phantom phantom phantom inconsistent-offsets inconsistent-offsets unseen high-watermark");
}

static void test_polls(void **state)
{
    struct history h = {0};
    size_t index;

    sent(&h, 1, 100, 3, 0);
    POLLED(&h, 0, 3, 100, UINT64_MAX, 102);
    READ_ALL(&h, 3, 100, 101, 102);
    assert_rules(&h, "int-poll-skip");

    sent(&h, 1, 100, 3, 0);
    POLLED(&h, 0, 3, UINT64_MAX, 101, 102);
    READ_ALL(&h, 3, 100, 101, 102);
    assert_rules(&h, "poll-skip");

    sent(&h, 1, 100, 2, 0);
    index = history_begin(&h, (struct op){.kind = OP_POLL, .process = 9, .offset = 0, .high_watermark = 2});
    history_sight(&h, index, 1, 101, 1);
    history_sight(&h, index, 0, 100, 1);
    history_end(&h, index, OP_OK);
    READ_ALL(&h, 2, 100, 101);
    assert_rules(&h, "poll-skip int-nonmonotonic-poll");

    sent(&h, 1, 100, 2, 0);
    POLLED(&h, 0, 2, 100, 101);
    h.ops[h.count - 1].offset = 1;
    READ_ALL(&h, 2, 100, 101);
    assert_rules(&h, "nonmonotonic-poll");

    sent(&h, 1, 100, 2, -1);
    POLLED(&h, 0, 1, 100, 101);
    READ_ALL(&h, 2, 100, 101);
    assert_rules(&h, "beyond-high-watermark");

    did(&h, (struct op){.kind = OP_DELETE, .offset = 1}, OP_OK);
    sent(&h, 1, 100, 2, 0);
    READ_ALL(&h, 2, 100, 101);
    h.ops[h.count - 1].start_offset = 2;
    assert_rules(&h, "start-offset");
}

static void test_sends(void **state)
{
    struct history h = {0};

    did(&h, (struct op){.kind = OP_SEND, .process = 1, .value = 100, .count = 1, .offset = 1}, OP_OK);
    did(&h, (struct op){.kind = OP_SEND, .process = 1, .value = 101, .count = 1, .offset = 0}, OP_OK);
    READ_ALL(&h, 2, 101, 100);
    assert_rules(&h, "nonmonotonic-send");

    sent(&h, 1, 100, 2, -1);
    READ_ALL(&h, 2, 101, 100);
    assert_rules(&h, "int-nonmonotonic-send");
}

static void test_times(void **state)
{
    const struct op send = {.kind = OP_SEND, .value = 100, .count = 3, .offset = 0, .timestamp = 1000}, second = {.kind = OP_FIND, .timestamp = 1001, .offset = 1, .found = 1001},
                    third = {.kind = OP_FIND, .timestamp = 1001, .offset = 2, .found = 1002}, none = {.kind = OP_FIND, .timestamp = 1001, .offset = -1, .found = -1},
                    wrong = {.kind = OP_FIND, .timestamp = 1001, .offset = 1, .found = 1002}, last = {.kind = OP_FIND, .timestamp = -3, .offset = 2, .found = 1002},
                    first = {.kind = OP_FIND, .timestamp = -3, .offset = 0, .found = 1000};
    const struct op *bad[] = {&third, &wrong};
    struct history h = {0};

    did(&h, none, OP_OK); /* nothing was there yet */
    did(&h, send, OP_OK);
    did(&h, second, OP_OK);
    did(&h, last, OP_OK);
    READ_ALL(&h, 3, 100, 101, 102);
    assert_rules(&h, "");

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        did(&h, send, OP_OK);
        did(&h, *bad[i], OP_OK);
        READ_ALL(&h, 3, 100, 101, 102);
        assert_rules(&h, "time-lookup");
    }
    did(&h, send, OP_OK);
    did(&h, first, OP_OK);
    did(&h, none, OP_OK);
    READ_ALL(&h, 3, 100, 101, 102);
    assert_rules(&h, "time-lookup time-lookup time-lookup time-lookup"); /* each record that is later, or as late */
}

static void test_groups(void **state)
{
    const struct op commit = {.kind = OP_COMMIT, .group = 1, .generation = 3, .offset = 5}, later = {.kind = OP_COMMIT, .group = 1, .generation = 3, .offset = 7},
                    told = {.kind = OP_COMMITTED, .group = 1, .offset = 5}, nothing = {.kind = OP_COMMITTED, .group = 1, .offset = -1},
                    forgotten = {.kind = OP_FORGET, .group = 1, .offset = -1}, dissolved = {.kind = OP_FORGET, .group = 1, .offset = -1, .whole = true},
                    owned = {.kind = OP_OWN, .process = 1, .group = 1, .generation = 4}, also = {.kind = OP_OWN, .process = 2, .group = 1, .generation = 4};
    struct history h = {0};

    did(&h, commit, OP_OK);
    did(&h, later, OP_OPEN); /* may come true at any time, or never */
    did(&h, told, OP_OK);
    READ_ALL(&h, 0, UINT64_MAX);
    assert_rules(&h, "");

    did(&h, commit, OP_OK);
    did(&h, later, OP_OK);
    did(&h, told, OP_OK);
    did(&h, nothing, OP_OK);
    READ_ALL(&h, 0, UINT64_MAX);
    assert_rules(&h, "commit-lost commit-lost");

    did(&h, told, OP_OK);
    READ_ALL(&h, 0, UINT64_MAX);
    assert_rules(&h, "commit-phantom");

    did(&h, commit, OP_OK);
    did(&h, forgotten, OP_OPEN); /* may come true at any time, or never */
    did(&h, told, OP_OK);
    did(&h, nothing, OP_OK);
    READ_ALL(&h, 0, UINT64_MAX);
    assert_rules(&h, "");

    did(&h, commit, OP_OK);
    did(&h, forgotten, OP_OK);
    did(&h, told, OP_OK);
    READ_ALL(&h, 0, UINT64_MAX);
    assert_rules(&h, "commit-lost");

    did(&h, owned, OP_OK);
    did(&h, dissolved, OP_OK); /* generations begin anew */
    did(&h, also, OP_OK);
    did(&h, commit, OP_OK);
    READ_ALL(&h, 0, UINT64_MAX);
    assert_rules(&h, "stale-generation");

    did(&h, owned, OP_OK);
    did(&h, also, OP_OK);
    READ_ALL(&h, 0, UINT64_MAX);
    assert_rules(&h, "two-owners");

    did(&h, owned, OP_OK);
    did(&h, commit, OP_OK);
    READ_ALL(&h, 0, UINT64_MAX);
    assert_rules(&h, "stale-generation");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faultless), cmocka_unit_test(test_log),   cmocka_unit_test(test_last_read),
        cmocka_unit_test(test_polls),     cmocka_unit_test(test_sends), cmocka_unit_test(test_groups),
        cmocka_unit_test(test_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
