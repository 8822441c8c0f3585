/* SPDX-License-Identifier: Apache-2.0
 * See properties.h. Read in two steps, as java.util.Properties.load does: a logical line with its continuations joined
 * (escapes still in it), then key and value cut out of it and unescaped.
 */
#include "meta/properties.h"

void properties_init(struct properties *p, struct arena *arena, struct str_view text)
{
    *p = (struct properties){.text = text, .arena = arena, .line = 0};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static bool is_end(char c)
{
    return c == '\n' || c == '\r';
}

static void step(struct properties *p, size_t n)
{
    p->text.data += n;
    p->text.size -= n;
}

static void skip_blanks(struct properties *p)
{
    while (p->text.size && is_blank(*p->text.data))
        step(p, 1);
}

/* Over one line end: \n, \r or \r\n. */
static void skip_end(struct properties *p)
{
    if (!p->text.size)
        return;
    step(p, p->text.data[0] == '\r' && p->text.size > 1 && p->text.data[1] == '\n' ? 2 : 1);
}

static size_t natural_size(struct str_view text)
{
    size_t n = 0;

    while (n < text.size && !is_end(text.data[n]))
        n++;
    return n;
}

/* To the first character of the next logical line; false: there is none. */
static bool find_line(struct properties *p, unsigned *line)
{
    for (;; skip_end(p)) {
        ++*line;
        skip_blanks(p);
        if (!p->text.size)
            return false;
        if (*p->text.data == '#' || *p->text.data == '!')
            step(p, natural_size(p->text));
        else if (!is_end(*p->text.data))
            return true;
    }
}

static bool ends_in_backslash(struct str_view text)
{
    size_t n = 0;

    while (n < text.size && text.data[text.size - 1 - n] == '\\')
        n++;
    return n % 2 == 1;
}

/* The logical line that begins here: its natural lines joined, in the arena, with room for a zero byte. */
static char *join_line(struct properties *p, size_t *size, unsigned *line)
{
    struct properties ahead = *p;
    size_t room = 1;
    char *to;

    for (bool more = true; more; skip_end(&ahead)) {
        struct str_view part = {ahead.text.data, natural_size(ahead.text)};

        more = ends_in_backslash(part) && part.size < ahead.text.size;
        room += part.size;
        step(&ahead, part.size);
    }
    to = arena_alloc(p->arena, room, 1);
    *size = 0;
    for (bool more = to != NULL; more; *line += more) {
        struct str_view part = {p->text.data, natural_size(p->text)};

        more = ends_in_backslash(part) && part.size < p->text.size;
        step(p, part.size);
        part.size -= ends_in_backslash(part);
        memcpy(to + *size, part.data, part.size);
        *size += part.size;
        skip_end(p);
        if (more)
            skip_blanks(p);
    }
    return to;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool hex_unit(const char *at, size_t left, uint32_t *unit)
{
    *unit = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = i < left ? hex_digit(at[i]) : -1;

        if (digit < 0)
            return false;
        *unit = *unit << 4 | (uint32_t)digit;
    }
    return true;
}

static size_t put_utf8(char *to, uint32_t c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    if (n == 1) {
        to[0] = (char)c;
        return 1;
    }
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)((0xf0 << (4 - n) & 0xff) | c);
    return n;
}

/* \u and four hex digits at `at` (behind the u); a surrogate pair is one character, a lone surrogate the replacement character. Returns
 * the bytes read, 0 when malformed. */
static size_t unicode_escape(const char *at, size_t left, uint32_t *c)
{
    uint32_t low;

    if (!hex_unit(at, left, c))
        return 0;
    if (*c < 0xd800 || *c > 0xdfff)
        return 4;
    if (*c < 0xdc00 && left >= 10 && at[4] == '\\' && at[5] == 'u' && hex_unit(at + 6, left - 6, &low) &&
        low >= 0xdc00 && low <= 0xdfff) {
        *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
        return 10;
    }
    *c = 0xfffd;
    return 4;
}

/* In place: what is unescaped is never longer. */
static bool unescape(char *text, size_t *size)
{
    size_t out = 0;

    for (size_t i = 0; i < *size; i++) {
        char c = text[i];
        uint32_t unit;

        if (c != '\\' || ++i == *size) {
            text[out++] = c;
            continue;
        }
        switch (c = text[i]) {
        case 'u': {
            size_t n = unicode_escape(text + i + 1, *size - i - 1, &unit);

            if (!n)
                return false;
            i += n;
            out += put_utf8(text + out, unit);
            continue;
        }
        case 't':
            c = '\t';
            break;
        case 'n':
            c = '\n';
            break;
        case 'r':
            c = '\r';
            break;
        case 'f':
            c = '\f';
            break;
        default:
            break;
        }
        text[out++] = c;
    }
    *size = out;
    return true;
}

/* Where the key ends and the value begins. */
static void split(const char *line, size_t size, size_t *key_end, size_t *value_at)
{
    size_t i = 0;

    while (i < size && line[i] != '=' && line[i] != ':' && !is_blank(line[i]))
        i += line[i] == '\\' && i + 1 < size ? 2 : 1;
    *key_end = i;
    while (i < size && is_blank(line[i]))
        i++;
    if (i < size && (line[i] == '=' || line[i] == ':'))
        i++;
    while (i < size && is_blank(line[i]))
        i++;
    *value_at = i;
}

enum status properties_next(struct properties *p, struct str_view *key, struct str_view *value, bool *more,
                            struct err *err)
{
    size_t size, key_end, value_at, value_size;
    char *text;

    *more = find_line(p, &p->line);
    if (!*more)
        return STATUS_OK;
    *value = *key = STR_NULL;
    text = join_line(p, &size, &p->line);
    if (!text)
        return err_set(err, STATUS_NO_MEMORY, "no memory for line %u", p->line);
    split(text, size, &key_end, &value_at);
    value_size = size - value_at;
    if (!unescape(text, &key_end) || !unescape(text + value_at, &value_size))
        return err_set(err, STATUS_INVALID, "line %u: malformed \\uxxxx encoding", p->line);
    text[value_at + value_size] = 0;
    *key = (struct str_view){text, key_end};
    *value = (struct str_view){text + value_at, value_size};
    return STATUS_OK;
}

static bool parse_id(struct str_view text, int32_t *id)
{
    int64_t value = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || (value = value * 10 + text.data[i] - '0') > INT32_MAX)
            return false;
    }
    *id = (int32_t)value;
    return text.size > 0;
}

static enum status meta_property(struct meta_properties *out, struct str_view key, struct str_view value,
                                 unsigned *seen, struct err *err)
{
    bool good = true;

    if (str_is(key, "version") && str_is(value, "0"))
        return err_set(err, STATUS_UNSUPPORTED_VERSION, "%s: of a Kafka with ZooKeeper: migrate it to KRaft with Kafka 3.9 first", META_PROPERTIES_FILE);
    if (str_is(key, "version")) {
        good = str_is(value, "1");
        *seen |= 1;
    } else if (str_is(key, "cluster.id")) {
        good = value.size > 0 && value.size < sizeof out->cluster_id && !memchr(value.data, 0, value.size);
        if (good)
            memcpy(out->cluster_id, value.data, value.size);
        *seen |= 2;
    } else if (str_is(key, "node.id")) {
        good = parse_id(value, &out->node_id);
        *seen |= 4;
    } else if (str_is(key, "directory.id")) {
        good = uuid_parse(value, &out->directory_id);
    }
    if (!good)
        return err_set(err, STATUS_CORRUPT, "%s: bad " STR_FMT " '" STR_FMT "'", META_PROPERTIES_FILE, STR_ARG(key),
                       STR_ARG(value));
    return STATUS_OK;
}

enum status meta_properties_parse(struct str_view text, struct meta_properties *out, struct err *err)
{
    struct arena arena;
    struct properties p;
    enum status status = STATUS_OK;
    unsigned seen = 0;
    bool more = true;

    *out = (struct meta_properties){.node_id = -1};
    arena_init(&arena, 64 * 1024);
    properties_init(&p, &arena, text);
    while (status == STATUS_OK && more) {
        struct str_view key, value;

        status = properties_next(&p, &key, &value, &more, err);
        if (status == STATUS_OK && more)
            status = meta_property(out, key, value, &seen, err);
    }
    if (status == STATUS_OK && seen != 7)
        status =
            err_set(err, STATUS_CORRUPT, "%s: version, cluster.id and node.id are not all there", META_PROPERTIES_FILE);
    arena_free(&arena);
    return status;
}

size_t meta_properties_format(const struct meta_properties *meta, char text[static META_PROPERTIES_SIZE])
{
    char directory[UUID_TEXT_SIZE];
    int n;

    uuid_format(meta->directory_id, directory);
    n = snprintf(text, META_PROPERTIES_SIZE, "version=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n",
                 meta->cluster_id, meta->node_id, directory);
    return (size_t)n;
}
