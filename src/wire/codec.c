/* SPDX-License-Identifier: Apache-2.0
 * See message.h and codec.h. Scalar arrays differ in nothing but their element, so one macro writes the three functions
 * of each.
 */
#include "wire/codec.h"

#include <inttypes.h>
#include <stdarg.h>

/* ---- decoding ---- */

void *decode_memory(struct decoder *d, int32_t count, size_t size)
{
    void *memory = arena_alloc(d->arena, (size_t)count, size);

    if (!memory) {
        d->no_memory = true;
        reader_fail(d->r);
    }
    return memory;
}

void *decode_optional(struct decoder *d, bool tagged, size_t size, decode_fn *decode)
{
    bool there = tagged ? reader_uvarint(d->r) > 0 : reader_i8(d->r) >= 0;
    void *item = there && !d->r->bad ? decode_memory(d, 1, size) : NULL;

    if (item)
        decode(d, item);
    return item;
}

struct decoder_tags decode_tags(struct decoder *d, const struct wire_tag **unknown)
{
    struct decoder_tags t = {.unknown = unknown, .tag = -1};

    *unknown = NULL;
    t.left = reader_uvarint(d->r);
    if (t.left > d->r->left / 2) /* a tag and a size take a byte each at least */
        reader_fail(d->r);
    t.rest = d->r->left;
    return t;
}

bool decode_tag(struct decoder *d, struct decoder_tags *t)
{
    uint32_t tag;

    if (d->r->left != t->rest) /* the value before was longer or shorter than its size said */
        reader_fail(d->r);
    if (d->r->bad || t->left == 0)
        return false;
    t->left--;
    tag = reader_uvarint(d->r);
    t->size = reader_uvarint(d->r);
    if (tag <= t->tag || t->size > d->r->left)
        reader_fail(d->r);
    t->tag = tag;
    t->rest = d->r->left - t->size;
    return !d->r->bad;
}

void decode_unknown(struct decoder *d, struct decoder_tags *t)
{
    struct wire_tag *item = decode_memory(d, 1, sizeof *item);

    if (!item)
        return;
    item->tag = (uint32_t)t->tag;
    item->value = (struct bytes_view){reader_take(d->r, t->size), t->size};
    *t->unknown = item;
    t->unknown = &item->next;
}

void decode_no_tags(struct decoder *d, const struct wire_tag **unknown)
{
    for (struct decoder_tags t = decode_tags(d, unknown); decode_tag(d, &t);)
        decode_unknown(d, &t);
}

/* ---- encoding ---- */

static void encode_sized(struct encoder *e, struct bytes_view v, bool nullable)
{
    bool null = !v.data && nullable;

    if (e->flexible)
        encode_uvarint(e, null ? 0 : (uint32_t)v.size + 1);
    else
        encode_i32(e, null ? -1 : (int32_t)v.size);
}

void encode_str_plain(struct encoder *e, struct str_view v, bool nullable)
{
    ASSERT(v.size <= INT16_MAX);
    encode_i16(e, !v.data && nullable ? -1 : (int16_t)v.size);
    encode_raw(e, v.data, v.size);
}

void encode_str(struct encoder *e, struct str_view v, bool nullable)
{
    if (!e->flexible) {
        encode_str_plain(e, v, nullable);
        return;
    }
    ASSERT(v.size <= INT16_MAX);
    encode_uvarint(e, !v.data && nullable ? 0 : (uint32_t)v.size + 1);
    encode_raw(e, v.data, v.size);
}

void encode_bytes(struct encoder *e, struct bytes_view v, bool nullable)
{
    ASSERT(v.size < INT32_MAX);
    encode_sized(e, v, nullable);
    encode_raw(e, v.data, v.size);
}

void encode_records(struct encoder *e, const struct wire_records *v, bool nullable)
{
    /* The node is the output's, lent by the message: the one part of a const message that is written to. */
    struct writer_splice *node = (struct writer_splice *)(uintptr_t)&v->node;

    if (!v->source) {
        encode_bytes(e, (struct bytes_view){v->data, v->size}, nullable);
        return;
    }
    ASSERT(v->size < INT32_MAX);
    encode_sized(e, (struct bytes_view){v->source, v->size}, nullable);
    if (e->w)
        writer_splice(e->w, node, v->source, v->size);
}

void encode_optional(struct encoder *e, const void *item, bool tagged, encode_fn *encode)
{
    encode_i8(e, item ? 1 : tagged ? 0 : -1);
    if (item)
        encode(e, item);
}

const struct wire_tag *encode_tags(struct encoder *e, const struct wire_tag *unknown, int known)
{
    uint32_t count = (uint32_t)known;

    for (const struct wire_tag *t = unknown; t; t = t->next)
        count++;
    encode_uvarint(e, count);
    return unknown;
}

static void encode_unknown(struct encoder *e, const struct wire_tag *t)
{
    encode_uvarint(e, t->tag);
    encode_uvarint(e, (uint32_t)t->value.size);
    encode_raw(e, t->value.data, t->value.size);
}

void encode_tag(struct encoder *e, const struct wire_tag **unknown, uint32_t tag, size_t size)
{
    for (; *unknown && (*unknown)->tag < tag; *unknown = (*unknown)->next)
        encode_unknown(e, *unknown);
    ASSERT(size <= INT32_MAX);
    encode_uvarint(e, tag);
    encode_uvarint(e, (uint32_t)size);
}

void encode_tags_end(struct encoder *e, const struct wire_tag *unknown)
{
    for (; unknown; unknown = unknown->next)
        encode_unknown(e, unknown);
}

void encode_no_tags(struct encoder *e, const struct wire_tag *unknown)
{
    encode_tags_end(e, encode_tags(e, unknown, 0));
}

/* ---- printing ---- */

static void print_text(struct printer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print_text(struct printer *p, const char *format, ...)
{
    size_t room = p->size < p->capacity ? p->capacity - p->size : 0;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(room ? p->text + p->size : NULL, room, format, args);
    va_end(args);
    if (n > 0)
        p->size += (size_t)n;
}

void print_name(struct printer *p, const char *name)
{
    print_text(p, "%s%s%s", p->first ? "" : ", ", name, *name ? "=" : "");
    p->first = false;
}

void print_open(struct printer *p, char bracket)
{
    print_text(p, "%c", bracket);
    p->first = true;
}

void print_close(struct printer *p, char bracket)
{
    print_text(p, "%c", bracket);
    p->first = false;
}

void print_bool(struct printer *p, const char *name, bool v)
{
    print_name(p, name);
    print_text(p, "%s", v ? "true" : "false");
}

void print_int(struct printer *p, const char *name, int64_t v)
{
    print_name(p, name);
    print_text(p, "%" PRId64, v);
}

void print_f64(struct printer *p, const char *name, double v)
{
    print_name(p, name);
    print_text(p, "%g", v);
}

void print_uuid(struct printer *p, const char *name, struct uuid v)
{
    char text[UUID_TEXT_SIZE];

    uuid_format(v, text);
    print_name(p, name);
    print_text(p, "%s", text);
}

void print_str(struct printer *p, const char *name, struct str_view v)
{
    print_name(p, name);
    if (!v.data) {
        print_text(p, "null");
        return;
    }
    print_text(p, "\"");
    for (size_t i = 0; i < v.size; i++)
        if (v.data[i] >= ' ' && v.data[i] != '"' && v.data[i] != '\\' && v.data[i] != 127)
            print_text(p, "%c", v.data[i]);
        else
            print_text(p, "\\x%02x", (unsigned)(uint8_t)v.data[i]);
    print_text(p, "\"");
}

void print_bytes(struct printer *p, const char *name, const void *data, size_t size)
{
    print_name(p, name);
    if (data)
        print_text(p, "<%zu bytes>", size);
    else
        print_text(p, "null");
}

void print_struct(struct printer *p, const char *name, const void *in, print_fn *print)
{
    print_name(p, name);
    if (!in) {
        print_text(p, "null");
        return;
    }
    print_open(p, '{');
    print(p, in);
    print_close(p, '}');
}

/* False, and all is said, when the list is null. */
static bool print_list_open(struct printer *p, const char *name, int32_t count)
{
    print_name(p, name);
    if (count < 0)
        print_text(p, "null");
    else
        print_open(p, '[');
    return count >= 0;
}

void print_list(struct printer *p, const char *name, const void *items, int32_t count, size_t size, print_fn *print)
{
    if (!print_list_open(p, name, count))
        return;
    for (int32_t i = 0; i < count; i++)
        print_struct(p, "", (const char *)items + (size_t)i * size, print);
    print_close(p, ']');
}

void print_tags(struct printer *p, const struct wire_tag *unknown)
{
    for (; unknown; unknown = unknown->next) {
        print_name(p, "");
        print_text(p, "tag %" PRIu32 "=<%zu bytes>", unknown->tag, unknown->value.size);
    }
}

/* ---- arrays of scalars ---- */

#define SCALAR_ARRAY(plural, type, element_min, decode_one, encode_one, print_one)             \
    type *decode_##plural(struct decoder *d, bool nullable, int32_t *count)                    \
    {                                                                                          \
        int32_t n = decode_count(d, nullable, element_min);                                    \
        type *items = n > 0 ? decode_memory(d, n, sizeof *items) : NULL;                       \
                                                                                               \
        *count = n > 0 && !items ? 0 : n;                                                      \
        for (int32_t i = 0; i < *count; i++)                                                   \
            items[i] = decode_one;                                                             \
        return items;                                                                          \
    }                                                                                          \
                                                                                               \
    void encode_##plural(struct encoder *e, const type *items, int32_t count, bool nullable)   \
    {                                                                                          \
        encode_count(e, count, nullable);                                                      \
        for (int32_t i = 0; i < count; i++)                                                    \
            encode_one;                                                                        \
    }                                                                                          \
                                                                                               \
    void print_##plural(struct printer *p, const char *name, const type *items, int32_t count) \
    {                                                                                          \
        if (!print_list_open(p, name, count))                                                  \
            return;                                                                            \
        for (int32_t i = 0; i < count; i++)                                                    \
            print_one(p, "", items[i]);                                                        \
        print_close(p, ']');                                                                   \
    }

SCALAR_ARRAY(i8s, int8_t, 1, reader_i8(d->r), encode_i8(e, items[i]), print_int)
SCALAR_ARRAY(i16s, int16_t, 2, reader_i16(d->r), encode_i16(e, items[i]), print_int)
SCALAR_ARRAY(i32s, int32_t, 4, reader_i32(d->r), encode_i32(e, items[i]), print_int)
SCALAR_ARRAY(i64s, int64_t, 8, reader_i64(d->r), encode_i64(e, items[i]), print_int)
SCALAR_ARRAY(uuids, struct uuid, 16, reader_uuid(d->r), encode_uuid(e, items[i]), print_uuid)
SCALAR_ARRAY(strs, struct str_view, 1, decode_str(d, false), encode_str(e, items[i], false), print_str)

/* ---- whole messages ---- */

enum status message_decode(const struct message *m, struct reader *r, int16_t version, struct arena *arena, void *out)
{
    struct decoder d = {.r = r, .arena = arena, .version = version, .flexible = version >= m->flexible};

    if (!message_has_version(m, version))
        return STATUS_UNSUPPORTED_VERSION;
    m->decode(&d, out);
    if (d.no_memory)
        return STATUS_NO_MEMORY;
    return r->bad ? STATUS_MALFORMED : STATUS_OK;
}

static size_t message_write(const struct message *m, struct writer *w, int16_t version, const void *in)
{
    struct encoder e = {.w = w, .version = version, .flexible = version >= m->flexible};

    ASSERT(message_has_version(m, version));
    m->encode(&e, in);
    return e.size;
}

size_t message_size(const struct message *m, int16_t version, const void *in)
{
    return message_write(m, NULL, version, in);
}

void message_encode(const struct message *m, struct writer *w, int16_t version, const void *in)
{
    message_write(m, w, version, in);
}

size_t message_print(const struct message *m, int16_t version, const void *in, char *text, size_t capacity)
{
    struct printer p = {.text = text, .capacity = capacity, .version = version, .first = true};

    print_text(&p, "%s(%d)", m->name, version);
    print_open(&p, '{');
    m->print(&p, in);
    print_close(&p, '}');
    return p.size;
}
