/* SPDX-License-Identifier: Apache-2.0
 * What the generated codecs are made of; nothing else includes it.
 *
 * A decoder, an encoder and a printer go through a message field by field with the version at hand. In flexible
 * versions lengths and counts are compact and every struct ends in a section of tagged fields: a count, then tag, size
 * and value of each, in ascending order of tags.
 *
 * An encoder without a writer only counts. That is how sizes are found, of a message and of a tagged field.
 */
#ifndef WIRE_CODEC_H
#define WIRE_CODEC_H

#include "wire/message.h"

typedef void decode_fn(struct decoder *d, void *out);
typedef void encode_fn(struct encoder *e, const void *in);
typedef void print_fn(struct printer *p, const void *in);

/* ---- decoding ---- */

struct decoder {
    struct reader *r;
    struct arena *arena;
    int16_t version;
    bool flexible, no_memory;
};

/* Memory for `count` (checked against the bytes left) objects; NULL ends the decoding. */
void *decode_memory(struct decoder *d, int32_t count, size_t size);

static inline bool decode_bool(struct decoder *d)
{
    return reader_i8(d->r) != 0;
}

static inline struct str_view decode_str(struct decoder *d, bool nullable)
{
    struct str_view v = d->flexible ? reader_str_compact(d->r) : reader_str(d->r);

    if (!v.data && !nullable)
        reader_fail(d->r);
    return v;
}

/* A string that is not compact in flexible versions either. */
static inline struct str_view decode_str_plain(struct decoder *d, bool nullable)
{
    struct str_view v = reader_str(d->r);

    if (!v.data && !nullable)
        reader_fail(d->r);
    return v;
}

static inline struct bytes_view decode_bytes(struct decoder *d, bool nullable)
{
    struct bytes_view v = d->flexible ? reader_bytes_compact(d->r) : reader_bytes(d->r);

    if (!v.data && !nullable)
        reader_fail(d->r);
    return v;
}

static inline struct wire_records decode_records(struct decoder *d, bool nullable)
{
    struct bytes_view v = decode_bytes(d, nullable);

    return (struct wire_records){.data = v.data, .size = v.size};
}

static inline int32_t decode_count(struct decoder *d, bool nullable, size_t element_min)
{
    int32_t count = d->flexible ? reader_count_compact(d->r, element_min) : reader_count(d->r, element_min);

    if (count < 0 && !nullable)
        reader_fail(d->r);
    return count;
}

/* Structs, one after the other. */
static inline void *decode_list(struct decoder *d, bool nullable, size_t element_min, size_t size, decode_fn *decode,
                                int32_t *count)
{
    int32_t n = decode_count(d, nullable, element_min);
    char *items = n > 0 ? decode_memory(d, n, size) : NULL;

    *count = n > 0 && !items ? 0 : n;
    for (int32_t i = 0; i < *count && !d->r->bad; i++)
        decode(d, items + (size_t)i * size);
    return items;
}

int8_t *decode_i8s(struct decoder *d, bool nullable, int32_t *count);
int16_t *decode_i16s(struct decoder *d, bool nullable, int32_t *count);
int32_t *decode_i32s(struct decoder *d, bool nullable, int32_t *count);
int64_t *decode_i64s(struct decoder *d, bool nullable, int32_t *count);
struct uuid *decode_uuids(struct decoder *d, bool nullable, int32_t *count);
struct str_view *decode_strs(struct decoder *d, bool nullable, int32_t *count);

/* A struct that may be null: an int8 in front of it, -1 for null and 1 for there; of a tagged one a varint, 0 or 1. */
void *decode_optional(struct decoder *d, bool tagged, size_t size, decode_fn *decode);

/* The tagged section: for (... ; decode_tag(d, &t);) handle t.tag or decode_unknown(d, &t). */
struct decoder_tags {
    const struct wire_tag **unknown; /* where the next one that is not known goes */
    uint32_t left;
    int64_t tag; /* the one to be decoded now; -1 before the first */
    size_t size; /* of its value */
    size_t rest; /* bytes left after its value */
};

struct decoder_tags decode_tags(struct decoder *d, const struct wire_tag **unknown);
bool decode_tag(struct decoder *d, struct decoder_tags *t); /* false: no more, or the section is bad */
void decode_unknown(struct decoder *d, struct decoder_tags *t);
/* The section of a struct that knows no tags. */
void decode_no_tags(struct decoder *d, const struct wire_tag **unknown);

/* ---- encoding ---- */

struct encoder {
    struct writer *w; /* NULL: only count */
    size_t size;
    int16_t version;
    bool flexible;
};

/* An encoder beside `e` that counts what a tagged field will take. */
static inline struct encoder encode_measure(const struct encoder *e)
{
    return (struct encoder){.version = e->version, .flexible = e->flexible};
}

static inline void encode_i8(struct encoder *e, int8_t v)
{
    e->size += 1;
    if (e->w)
        writer_i8(e->w, v);
}

static inline void encode_bool(struct encoder *e, bool v)
{
    encode_i8(e, v);
}

static inline void encode_i16(struct encoder *e, int16_t v)
{
    e->size += 2;
    if (e->w)
        writer_i16(e->w, v);
}

static inline void encode_u16(struct encoder *e, uint16_t v)
{
    encode_i16(e, (int16_t)v);
}

static inline void encode_i32(struct encoder *e, int32_t v)
{
    e->size += 4;
    if (e->w)
        writer_i32(e->w, v);
}

static inline void encode_u32(struct encoder *e, uint32_t v)
{
    encode_i32(e, (int32_t)v);
}

static inline void encode_i64(struct encoder *e, int64_t v)
{
    e->size += 8;
    if (e->w)
        writer_i64(e->w, v);
}

static inline void encode_f64(struct encoder *e, double v)
{
    e->size += 8;
    if (e->w)
        writer_f64(e->w, v);
}

static inline void encode_uuid(struct encoder *e, struct uuid v)
{
    e->size += sizeof v.b;
    if (e->w)
        writer_uuid(e->w, v);
}

static inline void encode_uvarint(struct encoder *e, uint32_t v)
{
    e->size += uvarint_size(v);
    if (e->w)
        writer_uvarint(e->w, v);
}

static inline void encode_raw(struct encoder *e, const void *bytes, size_t size)
{
    e->size += size;
    if (e->w)
        writer_raw(e->w, bytes, size);
}

/* -1 is null, and 0 where there is no null. */
static inline void encode_count(struct encoder *e, int32_t count, bool nullable)
{
    int32_t n = count < 0 && !nullable ? 0 : count;

    if (e->flexible)
        encode_uvarint(e, (uint32_t)n + 1);
    else
        encode_i32(e, n);
}

void encode_str(struct encoder *e, struct str_view v, bool nullable);
void encode_str_plain(struct encoder *e, struct str_view v, bool nullable);
void encode_bytes(struct encoder *e, struct bytes_view v, bool nullable);
void encode_records(struct encoder *e, const struct wire_records *v, bool nullable);

static inline void encode_list(struct encoder *e, const void *items, int32_t count, bool nullable, size_t size,
                               encode_fn *encode)
{
    encode_count(e, count, nullable);
    for (int32_t i = 0; i < count; i++)
        encode(e, (const char *)items + (size_t)i * size);
}

void encode_i8s(struct encoder *e, const int8_t *items, int32_t count, bool nullable);
void encode_i16s(struct encoder *e, const int16_t *items, int32_t count, bool nullable);
void encode_i32s(struct encoder *e, const int32_t *items, int32_t count, bool nullable);
void encode_i64s(struct encoder *e, const int64_t *items, int32_t count, bool nullable);
void encode_uuids(struct encoder *e, const struct uuid *items, int32_t count, bool nullable);
void encode_strs(struct encoder *e, const struct str_view *items, int32_t count, bool nullable);
void encode_optional(struct encoder *e, const void *item, bool tagged, encode_fn *encode); /* NULL: null */

/* The tagged section: encode_tags with the number of known fields that differ from their defaults; for each of them in
 * ascending order encode_tag and its value; encode_tags_end. The unknown ones go between, where their tags belong. */
const struct wire_tag *encode_tags(struct encoder *e, const struct wire_tag *unknown, int known);
void encode_tag(struct encoder *e, const struct wire_tag **unknown, uint32_t tag, size_t size);
void encode_tags_end(struct encoder *e, const struct wire_tag *unknown);
/* The section of a struct that knows no tags. */
void encode_no_tags(struct encoder *e, const struct wire_tag *unknown);

/* ---- printing ---- */

struct printer {
    char *text;
    size_t capacity, size;
    int16_t version;
    bool first; /* nothing stands in the struct or list yet */
};

void print_open(struct printer *p, char bracket);
void print_close(struct printer *p, char bracket);
void print_name(struct printer *p, const char *name); /* with a comma before it where one belongs; "" in lists */
void print_bool(struct printer *p, const char *name, bool v);
void print_int(struct printer *p, const char *name, int64_t v);
void print_f64(struct printer *p, const char *name, double v);
void print_uuid(struct printer *p, const char *name, struct uuid v);
void print_str(struct printer *p, const char *name, struct str_view v);
void print_bytes(struct printer *p, const char *name, const void *data, size_t size); /* the size only */
void print_list(struct printer *p, const char *name, const void *items, int32_t count, size_t size, print_fn *print);
void print_struct(struct printer *p, const char *name, const void *in, print_fn *print);
void print_i8s(struct printer *p, const char *name, const int8_t *items, int32_t count);
void print_i16s(struct printer *p, const char *name, const int16_t *items, int32_t count);
void print_i32s(struct printer *p, const char *name, const int32_t *items, int32_t count);
void print_i64s(struct printer *p, const char *name, const int64_t *items, int32_t count);
void print_uuids(struct printer *p, const char *name, const struct uuid *items, int32_t count);
void print_strs(struct printer *p, const char *name, const struct str_view *items, int32_t count);
void print_tags(struct printer *p, const struct wire_tag *unknown);

#endif
