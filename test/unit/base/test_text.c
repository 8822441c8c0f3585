/* SPDX-License-Identifier: Apache-2.0
 * Errors told from the outside in, status codes, views of text, the text form of ids.
 */
#include <errno.h>

#include "base/err.h"
#include "base/view.h"
#include "test/unit/cm.h"

static void test_errors_read_from_the_outside_in(void **state)
{
    struct err err;

    assert_int_equal(err_sys(&err, STATUS_NOT_FOUND, ENOENT, "open %s", "/x"), STATUS_NOT_FOUND);
    assert_string_equal(err.text, "open /x: No such file or directory");
    assert_int_equal(err.sys, ENOENT);
    assert_int_equal(err_wrap(&err, "load %d", 7), STATUS_NOT_FOUND);
    assert_string_equal(err.text, "load 7: open /x: No such file or directory");
    assert_int_equal(err_set(&err, STATUS_CORRUPT, "bad"), STATUS_CORRUPT);
    assert_int_equal(err.sys, 0);
}

static void test_errors_are_cut(void **state)
{
    struct err err;

    err_set(&err, STATUS_IO, "%1000d", 1);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    err_wrap(&err, "outside");
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    assert_memory_equal(err.text, "outside: ", 9);
    err_sys(&err, STATUS_IO, EIO, "%1000d", 1);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

static void test_statuses(void **state)
{
    assert_string_equal(status_name(STATUS_OFFSET_OUT_OF_RANGE), "OFFSET_OUT_OF_RANGE");
    assert_string_equal(status_name((enum status)12345), "UNKNOWN");
    assert_true(status_retriable(STATUS_CORRUPT_MESSAGE));
    assert_false(status_retriable(STATUS_OFFSET_OUT_OF_RANGE));
    assert_int_equal(status_wire(STATUS_OK), 0);
    assert_int_equal(status_wire(STATUS_OFFSET_OUT_OF_RANGE), 1);
    assert_int_equal(status_wire(STATUS_IO), STATUS_KAFKA_STORAGE_ERROR);
    assert_true(status_wire(STATUS_MALFORMED) > -100);
}

static void test_views(void **state)
{
    assert_true(str_is(STR_LIT("ab"), "ab"));
    assert_false(str_equal(STR_NULL, STR_LIT("")));
    assert_true(str_equal(STR_NULL, STR_NULL));
    assert_true(str_order(STR_LIT("a"), STR_LIT("ab")) < 0);
    assert_true(str_order(STR_LIT("b"), STR_LIT("ab")) > 0);
    assert_true(str_order(STR_LIT(""), STR_NULL) == 0);
}

static void test_ids_as_kafka_writes_them(void **state)
{
    /* org.apache.kafka.common.Uuid.METADATA_TOPIC_ID is new Uuid(0, 1). */
    struct uuid id = {{[15] = 1}}, back;
    char text[UUID_TEXT_SIZE];

    uuid_format(id, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAQ");
    for (unsigned round = 0; round < 256; round++) {
        for (unsigned i = 0; i < sizeof id.b; i++)
            id.b[i] = (uint8_t)(round * 31 + i * 17);
        uuid_format(id, text);
        assert_true(uuid_parse(str_from(text), &back));
        assert_true(uuid_equal(id, back));
    }
    assert_false(uuid_parse(STR_LIT("AAAAAAAAAAAAAAAAAAAAA"), &back));
    assert_false(uuid_parse(STR_LIT("AAAAAAAAAAAAAAAAAAAAAQ="), &back));
    assert_false(uuid_parse(STR_LIT("AAAAAAAAAAAAAAAAAAAA+Q"), &back));
    assert_false(uuid_parse(STR_LIT("AAAAAAAAAAAA\0AAAAAAAAQ"), &back));
    assert_true(uuid_is_zero((struct uuid){{0}}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_read_from_the_outside_in),
        cmocka_unit_test(test_errors_are_cut),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_ids_as_kafka_writes_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
