/* SPDX-License-Identifier: Apache-2.0
 * wire-roundtrip: decodes and encodes again what it is given, so that another implementation of the protocol can judge
 * our codecs.
 *
 * Standard input, any number of frames, big-endian:
 *   u8 'q' (request) or 'r' (response), i16 API key, i16 version, i32 length, body: the message without its header
 *   u8 'm' (message by name), i16 version, i32 length, body: i16 size of a name and the name as Kafka spells it
 *          ("OffsetCommitValue", "RequestHeader", "FetchResponse"), then the message; the length counts all of that
 * Standard output, for each frame in order, flushed before the next one is read:
 *   i32 status, i32 length, body: status 0 and the message encoded anew, or the decode error and length 0
 * The decoder must consume the whole body. A version that the message lacks and an unknown key or name are
 * UNSUPPORTED_VERSION (35). It ends with 0 at the end of input, with 1 when a frame is cut off or of no known kind, or
 * when memory fails.
 */
#include "base/mem.h"
#include "wire/apis.h"

enum { ARENA_MAX = 1 << 30 };

static int fail(const char *what)
{
    fprintf(stderr, "wire-roundtrip: %s\n", what);
    return 1;
}

/* The message that a 'q' or 'r' frame is about, from its key. */
static const struct message *by_key(int kind, int16_t key)
{
    const struct api *api = api_find(key);

    if (!api)
        return NULL;
    return kind == 'q' ? api->request : api->response;
}

static void put_answer(enum status status, const uint8_t *body, size_t size)
{
    uint8_t head[8];
    struct writer w;

    writer_init(&w, head, sizeof head);
    writer_i32(&w, (int32_t)status);
    writer_i32(&w, (int32_t)size);
    fwrite(head, sizeof head, 1, stdout);
    fwrite(body, 1, size, stdout);
    fflush(stdout);
}

/* Decodes the reader's rest, encodes and answers. */
static bool serve(const struct message *m, int16_t version, struct reader *r, struct arena *arena)
{
    enum status status = m ? STATUS_OK : STATUS_UNSUPPORTED_VERSION;
    uint8_t *body = NULL;
    struct writer w;
    size_t size = 0;
    void *value = m ? arena_alloc(arena, 1, m->size) : NULL;

    if (m && !value)
        status = STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        status = message_decode(m, r, version, arena, value);
    if (status == STATUS_OK)
        status = reader_done(r);
    if (status == STATUS_OK) {
        size = message_size(m, version, value);
        body = mem_alloc(size, 1);
        if (!body)
            return false;
        writer_init(&w, body, size);
        message_encode(m, &w, version, value);
        ASSERT(writer_size(&w) == size);
    }
    put_answer(status, body, size);
    mem_free(body);
    return true;
}

static int frame(int kind)
{
    size_t head_size = kind == 'm' ? 6 : 8;
    uint8_t head[8], *bytes;
    struct reader r;
    struct arena arena;
    int16_t key, version;
    int32_t length;
    const struct message *m;
    bool served;

    if (kind != 'q' && kind != 'r' && kind != 'm')
        return fail("a frame that begins neither with q nor r nor m");
    if (fread(head, 1, head_size, stdin) != head_size)
        return fail("a frame is cut off");
    reader_init(&r, head, head_size);
    key = kind == 'm' ? -1 : reader_i16(&r);
    version = reader_i16(&r);
    length = reader_i32(&r);
    bytes = length < 0 ? NULL : mem_alloc((size_t)length + 1, 1);
    if (!bytes)
        return fail("a frame's length is negative or beyond the memory");
    if (fread(bytes, 1, (size_t)length, stdin) != (size_t)length) {
        mem_free(bytes);
        return fail("a frame is cut off");
    }
    arena_init(&arena, ARENA_MAX);
    reader_init(&r, bytes, (size_t)length);
    m = kind == 'm' ? message_find(reader_str(&r)) : by_key(kind, key);
    served = serve(m, version, &r, &arena);
    arena_free(&arena);
    mem_free(bytes);
    return served ? 0 : fail("no memory");
}

int main(void)
{
    int kind, status = 0;

    while (status == 0 && (kind = getchar()) != EOF)
        status = frame(kind);
    return status;
}
