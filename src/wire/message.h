/* SPDX-License-Identifier: Apache-2.0
 * What every generated message shares: the types of its fields, and a description by which code can handle any message.
 *
 * The build makes wire/api/<x>.h, wire/record/<x>.h and wire/header/<x>.h from schema/ (schema/README.md gives the
 * naming rules). Each message has a struct and, as thin wrappers over the functions below, <name>_decode, _size,
 * _encode and _print.
 *
 * 1. Decoding borrows: strings, bytes and records point into the bytes read; arrays and nested structs are in the
 *    arena. Both outlive the message. The caller asks reader_done after it, which demands that every byte was consumed.
 * 2. A field that the version does not have gets its default when decoded and is left out when encoded.
 * 3. Null where the version knows no null is refused when decoded and written as empty when encoded.
 * 4. Tagged fields that the schema does not know are kept and written again (unless unknown_tags is NULL).
 * 5. The sizer is the encoder run without a buffer, so the two cannot differ.
 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include "base/arena.h"
#include "base/reader.h"
#include "base/status.h"
#include "base/writer.h"

/* A field of record batches. With a source, `size` bytes of it are spliced into the output in place of being copied
 * (writer_splice): the encoder then uses the node, even of a const message. Without one `data` is copied, NULL: null. */
struct wire_records {
    const uint8_t *data;
    size_t size;
    const void *source;
    struct writer_splice node;
};

/* A tagged field that the schema does not know, in ascending order of tags. */
struct wire_tag {
    const struct wire_tag *next;
    uint32_t tag;
    struct bytes_view value;
};

struct decoder;
struct encoder;
struct printer;

enum message_kind {
    MESSAGE_REQUEST,
    MESSAGE_RESPONSE,
    MESSAGE_HEADER,
    MESSAGE_DATA,     /* a record or file that is found by its place alone */
    MESSAGE_METADATA, /* from here on `key` tells the messages of one kind apart, in front of the version */
    MESSAGE_GROUP_KEY,
    MESSAGE_GROUP_VALUE,
    MESSAGE_SHARE_KEY,
    MESSAGE_SHARE_VALUE,
    MESSAGE_TRANSACTION_KEY,
    MESSAGE_TRANSACTION_VALUE,
    MESSAGE_REMOTE,
};

struct message {
    const char *name; /* as Kafka spells it */
    enum message_kind kind;
    int16_t key;                      /* -1: none */
    int16_t version_min, version_max; /* both included */
    int16_t flexible;                 /* the first flexible version; above version_max when there is none */
    size_t size;                      /* of the struct */
    void (*decode)(struct decoder *d, void *out);
    void (*encode)(struct encoder *e, const void *in);
    void (*print)(struct printer *p, const void *in);
};

static inline bool message_has_version(const struct message *m, int16_t version)
{
    return version >= m->version_min && version <= m->version_max;
}

/* UNSUPPORTED_VERSION, MALFORMED, or NO_MEMORY when the arena's limit was reached. On failure *out is not to be read. */
enum status message_decode(const struct message *m, struct reader *r, int16_t version, struct arena *arena,
                           void *out) MUST_CHECK;

/* Bytes that message_encode writes into the buffer. Spliced records are not among them: who sends adds the sizes of
 * w->splices. */
size_t message_size(const struct message *m, int16_t version, const void *in);
void message_encode(const struct message *m, struct writer *w, int16_t version, const void *in);

/* Readable text on one line, without the contents of bytes; cut at the capacity and terminated (if that is not 0).
 * Returns the size of the whole. */
size_t message_print(const struct message *m, int16_t version, const void *in, char *text, size_t capacity);

#endif
