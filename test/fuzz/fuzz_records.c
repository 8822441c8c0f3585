/* SPDX-License-Identifier: Apache-2.0
 * Produced bytes of any format. The first byte's low bit says whether the CRCs are made right, so that the fuzzer gets past them; the next
 * whether the bytes are an old message set. What passes the check must be readable, rewritable and servable to old clients.
 */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"
#include "wire/legacy.h"
#include "wire/records.h"

enum { DECOMPRESSED_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_u32(uint8_t *at, uint32_t v)
{
    struct writer w;

    writer_init(&w, at, 4);
    writer_u32(&w, v);
}

static void seal_batch(uint8_t *bytes, size_t size)
{
    if (size < BATCH_OVERHEAD)
        return;
    put_u32(bytes + BATCH_LENGTH_AT, (uint32_t)(size - BATCH_PREFIX));
    put_u32(bytes + BATCH_CRC_AT, crc32c(bytes + BATCH_ATTRIBUTES_AT, size - BATCH_ATTRIBUTES_AT));
}

static void seal_messages(uint8_t *bytes, size_t size)
{
    while (size >= 16) {
        struct reader r;
        int32_t length;

        reader_init(&r, bytes + 8, 4);
        length = reader_i32(&r);
        if (length < 4 || (size_t)length > size - 12)
            return;
        put_u32(bytes + 12, crc32_legacy(bytes + 16, (size_t)length - 4));
        bytes += 12 + length;
        size -= 12 + (size_t)length;
    }
}

/* Every record once; they are as many as the head says. */
static void walk(struct bytes_view batch, const struct batch_facts *facts)
{
    struct arena arena;
    struct record_cursor *cursor;
    struct record record;
    int32_t count = 0;
    bool more;

    arena_init(&arena, 1 << 16);
    cursor = record_cursor_new(&arena, batch, DECOMPRESSED_MAX);
    ASSERT(cursor);
    for (;;) {
        enum status status = record_next(cursor, &record, &more);

        ASSERT(status == STATUS_OK);
        if (!more)
            break;
        count++;
    }
    ASSERT(count == facts->head.count);
    record_cursor_free(cursor);
    arena_free(&arena);
}

static void rewrite(struct bytes_view batch, const struct batch_rules *rules, struct arena *arena)
{
    struct batch_facts facts;
    struct batch_record_error error;
    struct bytes_view out;

    for (int to = 0; to < COMPRESSION_COUNT; to++) {
        enum status status = batch_recompress(batch, (enum compression)to, 1, DECOMPRESSED_MAX, arena, &out);

        ASSERT(status == STATUS_OK);
        status = batch_check(out, rules, &facts, &error);
        ASSERT(status == STATUS_OK);
    }
    for (int8_t magic = 0; magic < 2; magic++) {
        enum status status = legacy_from_batches(batch, magic, 0, SIZE_MAX, DECOMPRESSED_MAX, arena, &out);

        ASSERT(status == STATUS_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct batch_rules rules = {
        .from_client = true,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
        .decompressed_max = DECOMPRESSED_MAX,
    };
    struct batch_facts facts;
    struct batch_record_error error;
    struct bytes_view batch;
    struct arena arena;
    uint8_t *copy;
    enum status status = STATUS_OK;

    if (size < 1 || size > 1 << 16 || !(copy = mem_copy(data + 1, size - 1)))
        return 0;
    if (data[0] & 1)
        (data[0] & 2 ? seal_messages : seal_batch)(copy, size - 1);
    arena_init(&arena, 64 << 20);
    batch = (struct bytes_view){copy, size - 1};
    if (data[0] & 2)
        status = legacy_to_batch(batch, DECOMPRESSED_MAX, &arena, &batch);
    if (!status)
        status = batch_check(batch, &rules, &facts, &error);
    if (!status) {
        walk(batch, &facts);
        rewrite(batch, &rules, &arena);
    }
    arena_free(&arena);
    mem_free(copy);
    return 0;
}
