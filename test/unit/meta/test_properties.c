/* SPDX-License-Identifier: Apache-2.0
 * The text format as java.util.Properties reads it (each line of the table was checked against Java), and
 * meta.properties.
 */
#include "test/unit/cm.h"

#include "base/mem.h"
#include "meta/properties.h"

static void check(const char *text, const char *expected)
{
    struct properties p;
    struct arena arena;
    struct err err = {0};
    char got[512] = "";
    bool more = true;

    arena_init(&arena, 1 << 16);
    properties_init(&p, &arena, str_from(text));
    while (more) {
        struct str_view key, value;
        size_t n = strlen(got);

        assert_int_equal(properties_next(&p, &key, &value, &more, &err), STATUS_OK);
        if (more)
            snprintf(got + n, sizeof got - n, "[" STR_FMT "|" STR_FMT "]", STR_ARG(key), STR_ARG(value));
    }
    assert_string_equal(got, expected);
    arena_free(&arena);
}

static void test_format(void **state)
{
    (void)state;
    check("", "");
    check("a=b", "[a|b]");
    check("a=b\nc=d\r\ne=f\rg=h", "[a|b][c|d][e|f][g|h]");
    check("  a  =  b  ", "[a|b  ]");
    check("a:b", "[a|b]");
    check("a b c", "[a|b c]");
    check("a\tb", "[a|b]");
    check("a", "[a|]");
    check("a=", "[a|]");
    check("=b", "[|b]");
    check("a==b", "[a|=b]");
    check("a = : b", "[a|: b]");
    check("# comment\n! another\n\n   \n  # a=b\nc=d", "[c|d]");
    check("a=b\\\n   c\\\n\td", "[a|bcd]");
    check("a=b\\\r\n  c", "[a|bc]");
    check("a=b\\\\\nc=d", "[a|b\\][c|d]");
    check("a=b\\", "[a|b]");
    check("# comment \\\na=b", "[a|b]");
    check("a\\ b=c", "[a b|c]");
    check("a\\=b=c", "[a=b|c]");
    check("a\\:b:c", "[a:b|c]");
    check("a=\\t\\n\\r\\f\\x\\\"", "[a|\t\n\r\fx\"]");
    check("a=\\u0041\\u00e9\\u20ac\\ud83d\\ude00", "[a|A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80]");
    check("\\u0061=b", "[a|b]");
    check("a=x # y", "[a|x # y]");
    check("a=b\\\n# c", "[a|b# c]");
}

static void test_malformed_unicode(void **state)
{
    static const char *const texts[] = {"a=\\u12", "a=\\u12g4", "a=\\u", "\\uzzzz=b"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct str_view key, value;
        struct properties p;
        struct arena arena;
        struct err err = {0};
        bool more;

        arena_init(&arena, 4096);
        properties_init(&p, &arena, str_from(texts[i]));
        assert_int_equal(properties_next(&p, &key, &value, &more, &err), STATUS_INVALID);
        assert_non_null(strstr(err.text, "line 1"));
        arena_free(&arena);
    }
}

static void test_line_numbers(void **state)
{
    struct str_view key, value;
    struct properties p;
    struct arena arena;
    struct err err = {0};
    bool more;

    (void)state;
    arena_init(&arena, 1 << 16);
    properties_init(&p, &arena, STR_LIT("# x\n\na=b\\\nc\nd=e\n"));
    assert_int_equal(properties_next(&p, &key, &value, &more, &err), STATUS_OK);
    assert_int_equal(properties_next(&p, &key, &value, &more, &err), STATUS_OK);
    assert_int_equal(p.line, 5);
    arena_free(&arena);
}

static void test_meta_properties(void **state)
{
    struct meta_properties meta, again;
    char text[META_PROPERTIES_SIZE];
    struct err err = {0};

    (void)state;
    assert_int_equal(
        meta_properties_parse(
            STR_LIT("#\n#Sat Nov 21 07:23:39 UTC 2026\nnode.id=1\ndirectory.id=ecgSQKwI4XYOmj-DegahQg\nversion=1\n"
                    "cluster.id=MkU3OEVBNTcwNTJENDM2Qg\n"),
            &meta, &err),
        STATUS_OK);
    assert_string_equal(meta.cluster_id, "MkU3OEVBNTcwNTJENDM2Qg");
    assert_int_equal(meta.node_id, 1);
    assert_int_equal(meta_properties_parse((struct str_view){text, meta_properties_format(&meta, text)}, &again, &err),
                     STATUS_OK);
    assert_memory_equal(&meta, &again, sizeof meta);
    assert_int_equal(meta_properties_parse(STR_LIT("version=1\nnode.id=1\n"), &meta, &err), STATUS_CORRUPT);
    assert_int_equal(meta_properties_parse(STR_LIT("version=0\nnode.id=1\ncluster.id=x\n"), &meta, &err),
                     STATUS_UNSUPPORTED_VERSION);
    assert_int_equal(meta_properties_parse(STR_LIT("version=1\nnode.id=x\ncluster.id=x\n"), &meta, &err),
                     STATUS_CORRUPT);
    assert_int_equal(
        meta_properties_parse(STR_LIT("version=1\nnode.id=1\ncluster.id=x\ndirectory.id=?\n"), &meta, &err),
        STATUS_CORRUPT);
    assert_int_equal(meta_properties_parse(STR_LIT(""), &meta, &err), STATUS_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_malformed_unicode),
        cmocka_unit_test(test_line_numbers),
        cmocka_unit_test(test_meta_properties),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
