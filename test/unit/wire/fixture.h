/* SPDX-License-Identifier: Apache-2.0
 * What the tests of the codecs share: cmocka, and messages decoded from bytes and encoded into a buffer.
 */
#ifndef TEST_UNIT_WIRE_FIXTURE_H
#define TEST_UNIT_WIRE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/message.h"

/* The bytes of a string literal or an array that holds one, zero bytes included, as pointer and size. */
#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

/* Decodes all of the bytes. */
static inline enum status decode(const struct message *m, int16_t version, const uint8_t *bytes, size_t size,
                                 struct arena *arena, void *out)
{
    struct reader r;
    enum status status;

    reader_init(&r, bytes, size);
    status = message_decode(m, &r, version, arena, out);
    return status == STATUS_OK ? reader_done(&r) : status;
}

/* Encodes into a new buffer of exactly the size that the sizer says. Free with mem_free. */
static inline struct bytes_view encode(const struct message *m, int16_t version, const void *in)
{
    size_t size = message_size(m, version, in);
    uint8_t *bytes = mem_alloc(size + 1, 1);
    struct writer w;

    assert_non_null(bytes);
    writer_init(&w, bytes, size);
    message_encode(m, &w, version, in);
    assert_int_equal(writer_size(&w), size);
    return (struct bytes_view){bytes, size};
}

static inline void assert_encodes(const struct message *m, int16_t version, const void *in, const uint8_t *bytes,
                                  size_t size)
{
    struct bytes_view got = encode(m, version, in);

    assert_int_equal(got.size, size);
    assert_memory_equal(got.data, bytes, size);
    mem_free((void *)(uintptr_t)got.data);
}

#endif
