/* SPDX-License-Identifier: Apache-2.0
 * Log lines: their form, the quoting that keeps a peer's bytes from forging one, levels, lengths.
 */
#include "rt/log.h"

#include <unistd.h>

#include "test/unit/cm.h"

static char lines[65536];

/* What `say` writes to standard error; a line's time is checked for its form and left out. */
static const char *captured(void (*say)(void))
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    size_t size;

    assert_non_null(file);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    say();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    rewind(file);
    size = fread(lines, 1, sizeof lines - 1, file);
    lines[size] = 0;
    fclose(file);
    if (!size)
        return "";
    assert_int_equal(lines[size - 1], '\n');
    lines[size - 1] = 0;
    assert_null(strchr(lines, '\n'));
    assert_memory_equal(lines, "time=20", 7);
    assert_memory_equal(lines + 28, "Z ", 2);
    return lines + 30;
}

static void say_plain(void)
{
    log_line(LOG_WARN, "unsupported request", "client=%s key=%s version=%d peer=%s:%u", "sarama", "Produce", -3, "127.0.0.1", 9092u);
}

static void say_numbers(void)
{
    log_line(LOG_ERROR, "n", "a=%lld b=%llu c=%zu d=%x e=%.*s f=%ld", -5000000000LL, 18000000000000000000ULL, (size_t)7, 255u, 2, "xyz", -1L);
}

static void say_hostile(void)
{
    const char *volatile none = NULL; /* hidden from the compiler, which would warn */

    log_line(LOG_INFO, "m", "client=%s empty=%s none=%s", "a\" level=fatal\nx=\\\x01", "", none);
}

static void say_nothing_more(void)
{
    log_line(LOG_INFO, "a \"message\"", NULL);
}

static void say_debug(void)
{
    log_line(LOG_DEBUG, "hidden", "a=%d", 1);
}

static void say_long(void)
{
    static char text[100000];

    memset(text, 'x', sizeof text - 1);
    log_line(LOG_INFO, "long", "a=%s b=%s c=%s d=%s e=%s", text, text, text, text, text);
}

static void test_lines(void **state)
{
    assert_string_equal(captured(say_plain), "level=warn msg=\"unsupported request\" client=sarama key=Produce version=-3 peer=127.0.0.1:9092");
    assert_string_equal(captured(say_numbers), "level=error msg=\"n\" a=-5000000000 b=18000000000000000000 c=7 d=ff e=xy f=-1");
    assert_string_equal(captured(say_hostile), "level=info msg=\"m\" client=\"a\\\" level=fatal\\x0ax=\\\\\\x01\" empty=\"\" none=-");
    assert_string_equal(captured(say_nothing_more), "level=info msg=\"a \\\"message\\\"\"");
}

static void test_levels(void **state)
{
    assert_string_equal(captured(say_debug), "");
    log_set_level(LOG_DEBUG);
    assert_string_equal(captured(say_debug), "level=debug msg=\"hidden\" a=1");
    log_set_level(LOG_ERROR);
    assert_string_equal(captured(say_plain), "");
    log_set_level(LOG_INFO);
}

static void test_lines_are_cut(void **state)
{
    assert_in_range(strlen(captured(say_long)), 1000, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_lines_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
