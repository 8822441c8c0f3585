/* SPDX-License-Identifier: Apache-2.0
 * See log.h. A line is made on the stack and written with one call. The pairs' format is walked here: what stands literally in it
 * is the caller's and copied; what a conversion yields is data and quoted when it has to be. A value reaches from the '=' to the next space
 * of the format, so that "at=%s:%d" is one value.
 */
#include "rt/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/view.h"

enum { LINE_MAX_SIZE = 4096, VALUE_MAX_SIZE = 1024 };

static _Atomic(enum log_level) level_min = LOG_INFO; /* relaxed: a line more or less is no harm */

static void (*hear)(void *context, const char *line);
static void *hear_context;

struct text { /* what does not fit is dropped */
    char *bytes;
    size_t used, room;
};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&level_min, level, memory_order_relaxed);
}

void log_set_listener(void (*listener)(void *context, const char *line), void *context)
{
    hear = listener;
    hear_context = context;
}

static void text_add(struct text *text, const char *bytes, size_t size)
{
    size_t left = text->room - text->used;

    if (size > left)
        size = left;
    if (size)
        memcpy(text->bytes + text->used, bytes, size);
    text->used += size;
}

static void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void text_format(struct text *text, const char *format, ...)
{
    char part[VALUE_MAX_SIZE];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(part, sizeof part, format, args);
    va_end(args);
    if (n > 0)
        text_add(text, part, (size_t)n < sizeof part ? (size_t)n : sizeof part - 1);
}

/* A value as it is when it is one plain word, else in quotes with escapes. */
static void text_add_value(struct text *text, const char *bytes, size_t size, bool quote)
{
    quote = quote || size == 0;
    for (size_t i = 0; i < size && !quote; i++)
        quote = bytes[i] <= ' ' || bytes[i] >= 127 || strchr("\"\\=", bytes[i]); /* a byte above 127 is negative */
    if (quote)
        text_add(text, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        uint8_t c = (uint8_t)bytes[i];
        if (c == '"' || c == '\\')
            text_format(text, "\\%c", c);
        else if (c < ' ' || c == 127)
            text_format(text, "\\x%02x", c);
        else
            text_add(text, bytes + i, 1);
    }
    if (quote)
        text_add(text, "\"", 1);
}

/* One conversion of the format (which stands behind its '%'), its argument taken from args; returns what follows it. */
static const char *text_convert(struct text *text, const char *format, va_list *args)
{
    bool width_long = false, width_size = false;

    if (strncmp(format, ".*s", 3) == 0) {
        int size = va_arg(*args, int);
        const char *bytes = va_arg(*args, const char *);
        text_add(text, bytes, size > 0 ? (size_t)size : 0);
        return format + 3;
    }
    for (; *format == 'l' || *format == 'z'; format++) {
        width_long = width_long || *format == 'l'; /* long and long long are one on our machines */
        width_size = width_size || *format == 'z';
    }
    switch (*format) {
    case 's': {
        const char *string = va_arg(*args, const char *);
        string = string ? string : "-";
        text_add(text, string, strlen(string));
        break;
    }
    case 'd':
        text_format(text, "%lld", width_long || width_size ? va_arg(*args, long long) : (long long)va_arg(*args, int));
        break;
    case 'u':
    case 'x': {
        unsigned long long value = width_long || width_size ? va_arg(*args, unsigned long long) : va_arg(*args, unsigned);
        text_format(text, *format == 'u' ? "%llu" : "%llx", value);
        break;
    }
    default:
        ASSERT(false && "a conversion that log.h does not name");
    }
    return format + 1;
}

static void text_pairs(struct text *line, const char *pairs, va_list *args)
{
    while (pairs && *pairs) {
        char bytes[VALUE_MAX_SIZE];
        struct text value = {bytes, 0, sizeof bytes};
        size_t key = strcspn(pairs, "=");
        text_add(line, " ", 1);
        text_add(line, pairs, key);
        pairs += key;
        if (*pairs == '=')
            pairs++;
        while (*pairs && *pairs != ' ') {
            if (*pairs == '%')
                pairs = text_convert(&value, pairs + 1, args);
            else
                text_add(&value, pairs++, 1);
        }
        text_add(line, "=", 1);
        text_add_value(line, value.bytes, value.used, false);
        pairs += strspn(pairs, " ");
    }
}

static void text_time(struct text *line)
{
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    text_format(line, "time=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                utc.tm_min, utc.tm_sec, now.tv_nsec / 1000000);
}

void log_line(enum log_level level, const char *message, const char *pairs, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error", "fatal"};
    char bytes[LINE_MAX_SIZE];
    struct text line = {bytes, 0, sizeof bytes - 1};
    bool written = level >= atomic_load_explicit(&level_min, memory_order_relaxed), heard = hear && level >= LOG_WARN;
    va_list args;

    if (!written && !heard)
        return;
    text_time(&line);
    text_format(&line, " level=%s msg=", names[level]);
    text_add_value(&line, message, strlen(message), true);
    va_start(args, pairs);
    text_pairs(&line, pairs, &args);
    va_end(args);
    bytes[line.used] = 0;
    if (heard)
        hear(hear_context, bytes);
    bytes[line.used++] = '\n';
    if (written && write(STDERR_FILENO, bytes, line.used) < 0)
        return; /* there is nobody left to tell */
}
