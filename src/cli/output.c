/* SPDX-License-Identifier: Apache-2.0
 * What a person sees beside the data: messages, counts, progress, tables; and the signals that end a stream.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli_int.h"
#include "rt/run.h"

enum { PROGRESS_INTERVAL_MS = 200 };

static volatile sig_atomic_t interrupted;
static bool progress_shown;

static void say(const char *format, va_list args)
{
    cli__progress_clear();
    fputs("barnabas: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void cli__say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
}

enum cli_exit cli__fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    return CLI_FAILED;
}

const char *cli__number(uint64_t n, char text[static CLI_NUMBER_SIZE])
{
    char digits[CLI_NUMBER_SIZE];
    size_t count = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, n), out = 0;

    for (size_t i = 0; i < count; i++) {
        if (i && (count - i) % 3 == 0)
            text[out++] = ',';
        text[out++] = digits[i];
    }
    text[out] = '\0';
    return text;
}

void cli__progress(const char *verb, uint64_t records, uint64_t bytes)
{
    static int64_t shown_ms;
    char record_text[CLI_NUMBER_SIZE], byte_text[CLI_NUMBER_SIZE];
    int64_t now_ms;

    if (!isatty(STDERR_FILENO))
        return;
    now_ms = rt_wall_ms();
    if (now_ms - shown_ms < PROGRESS_INTERVAL_MS && now_ms >= shown_ms)
        return;
    shown_ms = now_ms;
    progress_shown = true;
    fprintf(stderr, "\r\033[K%s %s records, %s bytes", verb, cli__number(records, record_text), cli__number(bytes, byte_text));
    fflush(stderr);
}

void cli__progress_clear(void)
{
    if (progress_shown)
        fputs("\r\033[K", stderr);
    progress_shown = false;
}

static void on_signal(int signal)
{
    interrupted = 1;
}

void cli__catch_signals(void)
{
    struct sigaction catch = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN}; /* no SA_RESTART */

    sigaction(SIGINT, &catch, NULL);
    sigaction(SIGTERM, &catch, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

bool cli__interrupted(void)
{
    return interrupted;
}

void cli__table_init(struct cli_table *table, size_t columns)
{
    *table = (struct cli_table){.columns = columns};
}

void cli__cell(struct cli_table *table, const char *format, ...)
{
    char text[1024];
    va_list args;
    char **cells = table->cells;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if ((table->count & (table->count - 1)) == 0) /* full at each power of two */
        cells = mem_resize(cells, table->count ? 2 * table->count : 1, sizeof *cells);
    if (cells) {
        table->cells = cells;
        cells[table->count] = mem_copy(text, strlen(text));
    }
    if (!cells || !cells[table->count])
        table->failed = true;
    else
        table->count++;
}

static size_t column_width(const struct cli_table *table, size_t column)
{
    size_t width = 0;

    for (size_t i = column; i < table->count; i += table->columns)
        width = strlen(table->cells[i]) > width ? strlen(table->cells[i]) : width;
    return width;
}

void cli__table_print(struct cli_table *table)
{
    size_t widths[16] = {0};

    for (size_t column = 0; column < table->columns && column < 16; column++)
        widths[column] = column_width(table, column);
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        bool last = column + 1 == table->columns;

        printf("%-*s%s", last ? 0 : (int)widths[column], table->cells[i], last ? "\n" : "  ");
    }
    if (table->failed)
        cli__say("no memory: the table is not complete");
    for (size_t i = 0; i < table->count; i++)
        mem_free(table->cells[i]);
    mem_free(table->cells);
    *table = (struct cli_table){0};
}
