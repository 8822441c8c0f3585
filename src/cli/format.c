/* SPDX-License-Identifier: Apache-2.0
 * How a record is written: its value, a line; by a format text of %-letters; or as JSON.
 */
#include <inttypes.h>

#include "cli/cli_int.h"

static void put(FILE *out, const void *bytes, size_t size)
{
    if (size)
        fwrite(bytes, 1, size, out);
}

static void put_or_null(FILE *out, const void *bytes, size_t size, const char *null_text)
{
    if (bytes)
        put(out, bytes, size);
    else if (null_text)
        fputs(null_text, out);
}

/* Calls `each` for every header, in order. */
static void each_header(const rd_kafka_message_t *message, FILE *out,
                        void (*each)(FILE *out, size_t index, const char *name, const void *value, size_t size))
{
    rd_kafka_headers_t *headers;
    const void *value;
    const char *name;
    size_t size;

    if (rd_kafka_message_headers(message, &headers))
        return;
    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++)
        each(out, i, name, value, size);
}

/* JSON */

/* The bytes of the UTF-8 character that starts at `at`, 0 when it is none (overlong and surrogates are none). */
static size_t utf8_size(const uint8_t *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = *at < 0x80 ? 1 : *at >> 5 == 6 ? 2 : *at >> 4 == 14 ? 3 : *at >> 3 == 30 ? 4 : 0;
    uint32_t c;

    if (size <= 1 || size > left)
        return size == 1;
    c = *at & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        c = c << 6 | (at[i] & 0x3f);
    }
    return c < least[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : size;
}

static bool is_text(const uint8_t *bytes, size_t size)
{
    for (size_t at = 0, step; at < size; at += step) {
        step = utf8_size(bytes + at, size - at);
        if (!step)
            return false;
    }
    return true;
}

static void json_base64(FILE *out, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    fputs("{\"base64\":\"", out);
    for (size_t at = 0; at < size; at += 3) {
        size_t some = size - at < 3 ? size - at : 3;
        uint32_t word = (uint32_t)bytes[at] << 16 | (uint32_t)(some > 1 ? bytes[at + 1] : 0) << 8 | (some > 2 ? bytes[at + 2] : 0);

        for (size_t i = 0; i < 4; i++)
            fputc(i <= some ? digits[word >> (18 - 6 * i) & 63] : '=', out);
    }
    fputs("\"}", out);
}

void cli__json_value(FILE *out, const void *bytes, size_t size)
{
    static const char escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* a character, its letter */
    const uint8_t *at = bytes;

    if (!bytes) {
        fputs("null", out);
        return;
    }
    if (!is_text(bytes, size)) {
        json_base64(out, bytes, size);
        return;
    }
    fputc('"', out);
    for (const uint8_t *end = at + size; at < end; at++) {
        const char *escape = *at && *at != '"' && *at >= ' ' && *at != '\\' ? NULL : *at ? strchr(escapes, *at) : NULL;

        if (escape)
            fprintf(out, "\\%c", escape[1]);
        else if (*at < ' ')
            fprintf(out, "\\u%04x", *at);
        else
            fputc(*at, out);
    }
    fputc('"', out);
}

static void json_header(FILE *out, size_t index, const char *name, const void *value, size_t size)
{
    fputs(index ? ",[" : "[", out);
    cli__json_value(out, name, strlen(name));
    fputc(',', out);
    cli__json_value(out, value, size);
    fputc(']', out);
}

static void print_json(const rd_kafka_message_t *message, FILE *out)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(message, &type);
    const char *topic = rd_kafka_topic_name(message->rkt);

    fputs("{\"topic\":", out);
    cli__json_value(out, topic, strlen(topic));
    fprintf(out, ",\"partition\":%" PRId32 ",\"offset\":%" PRId64 ",\"timestamp\":%" PRId64 ",\"key\":", message->partition,
            message->offset, type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp);
    cli__json_value(out, message->key, message->key_len);
    fputs(",\"value\":", out);
    cli__json_value(out, message->payload, message->len);
    fputs(",\"headers\":[", out);
    each_header(message, out, json_header);
    fputs("]}\n", out);
}

/* Format texts */

static void format_header(FILE *out, size_t index, const char *name, const void *value, size_t size)
{
    fprintf(out, "%s%s=", index ? "," : "", name);
    put_or_null(out, value, size, "NULL");
}

static void print_letter(const struct cli_format *format, char letter, const rd_kafka_message_t *message, FILE *out)
{
    switch (letter) {
    case 't':
        fputs(rd_kafka_topic_name(message->rkt), out);
        break;
    case 'p':
        fprintf(out, "%" PRId32, message->partition);
        break;
    case 'o':
        fprintf(out, "%" PRId64, message->offset);
        break;
    case 'T':
        fprintf(out, "%" PRId64, rd_kafka_message_timestamp(message, NULL));
        break;
    case 'k':
        put_or_null(out, message->key, message->key_len, format->null_text);
        break;
    case 'v':
        put_or_null(out, message->payload, message->len, format->null_text);
        break;
    case 'K':
        fprintf(out, "%zd", message->key ? (ssize_t)message->key_len : -1);
        break;
    case 'V':
        fprintf(out, "%zd", message->payload ? (ssize_t)message->len : -1);
        break;
    case 'h':
        each_header(message, out, format_header);
        break;
    default:
        fputc(letter, out);
    }
}

static const char format_letters[] = "tpoTkvKVh%";
static const char format_escapes[] = "n\nr\rt\t0\0\\\\"; /* a letter, its character */

/* What \letter stands for, or NULL. */
static const char *escaped(char letter)
{
    for (size_t i = 0; i + 1 < sizeof format_escapes; i += 2)
        if (format_escapes[i] == letter)
            return &format_escapes[i + 1];
    return NULL;
}

const char *cli__format_check(const char *text)
{
    for (; *text; text++) {
        if (*text == '%' && (!*++text || !strchr(format_letters, *text)))
            return "a % must be followed by one of tpoTkvKVh%";
        if (*text == '\\' && (!*++text || !escaped(*text)))
            return "a \\ must be followed by one of nrt0\\";
    }
    return NULL;
}

static void print_format(const struct cli_format *format, const rd_kafka_message_t *message, FILE *out)
{
    for (const char *at = format->text; *at; at++) {
        if (*at == '%')
            print_letter(format, *++at, message, out);
        else if (*at == '\\')
            fputc(*escaped(*++at), out);
        else
            fputc(*at, out);
    }
}

static void print_plain(const struct cli_format *format, const rd_kafka_message_t *message, FILE *out)
{
    if (format->key_separator) {
        put_or_null(out, message->key, message->key_len, format->null_text);
        fputs(format->key_separator, out);
    }
    put_or_null(out, message->payload, message->len, format->null_text);
    fputc('\n', out);
}

void cli__record_print(const struct cli_format *format, const rd_kafka_message_t *message, FILE *out)
{
    switch (format->layout) {
    case LAYOUT_PLAIN:
        print_plain(format, message, out);
        break;
    case LAYOUT_FORMAT:
        print_format(format, message, out);
        break;
    case LAYOUT_JSON:
        print_json(message, out);
        break;
    }
}
