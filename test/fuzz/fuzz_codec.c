/* SPDX-License-Identifier: Apache-2.0
 * Every codec: two bytes choose the message, one the version, the rest is the message. What decodes must encode to
 * bytes that decode and encode to themselves, and be printable into any buffer.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "wire/apis.h"

enum { MEMORY_MAX = 1 << 22, TEXT_MAX = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool decode(const struct message *m, int16_t version, struct bytes_view bytes, struct arena *arena, void *out)
{
    struct reader r;

    reader_init(&r, bytes.data, bytes.size);
    return message_decode(m, &r, version, arena, out) == STATUS_OK && reader_done(&r) == STATUS_OK;
}

static struct bytes_view encode(const struct message *m, int16_t version, const void *in, struct arena *arena)
{
    size_t size = message_size(m, version, in);
    uint8_t *bytes = arena_alloc(arena, size + 1, 1);
    struct writer w;

    ASSERT(bytes);
    writer_init(&w, bytes, size);
    message_encode(m, &w, version, in);
    ASSERT(writer_size(&w) == size);
    return (struct bytes_view){bytes, size};
}

static void judge(const struct message *m, int16_t version, struct bytes_view bytes, struct arena *arena)
{
    struct arena ours; /* the encoded bytes, and what is decoded from them: larger than what the input may take */
    char text[TEXT_MAX];
    void *first = mem_alloc(1, m->size), *second = mem_alloc(1, m->size);

    arena_init(&ours, 4 * (size_t)MEMORY_MAX);
    ASSERT(first && second);
    if (decode(m, version, bytes, arena, first)) {
        struct bytes_view once = encode(m, version, first, &ours), twice;

        ASSERT(decode(m, version, once, &ours, second));
        twice = encode(m, version, second, &ours);
        ASSERT(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
        ASSERT(message_print(m, version, first, text, sizeof text) > 0);
    }
    arena_free(&ours);
    mem_free(first);
    mem_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct message *m;
    struct arena arena;
    int16_t version;

    if (size < 3)
        return 0;
    m = message_table[(size_t)(data[0] << 8 | data[1]) % message_table_size];
    version = (int16_t)(m->version_min + data[2] % (m->version_max - m->version_min + 1));
    arena_init(&arena, MEMORY_MAX);
    judge(m, version, (struct bytes_view){data + 3, size - 3}, &arena);
    arena_free(&arena);
    return 0;
}
