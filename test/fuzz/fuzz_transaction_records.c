/* SPDX-License-Identifier: Apache-2.0
 * What a transaction coordinator writes to __transaction_state: a sequence of records, each
 *
 *   u8 flags (1: value null), u8 size of the key, u16 size of the value, key, value
 *
 * They go into a batch, which `barnabas log dump` tells: every record is a row, whatever its bytes. And what the schema decodes is the same after it was
 * written and read again: a coordinator that takes over knows what the one before it knew.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/reader.h"
#include "cli/log_int.h"
#include "wire/record/transaction_log_key.h"
#include "wire/record/transaction_log_value.h"
#include "wire/records.h"

enum { BATCH_MAX = 1 << 20, MEMORY_MAX = 16 << 20, LINE_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool take(struct reader *in, struct bytes_view *key, struct bytes_view *value)
{
    uint8_t flags = (uint8_t)reader_i8(in), key_size = (uint8_t)reader_i8(in);
    uint16_t value_size = reader_u16(in);

    *key = (struct bytes_view){reader_take(in, key_size), key_size};
    *value = (struct bytes_view){reader_take(in, value_size), value_size};
    if (flags & 1)
        *value = (struct bytes_view){NULL, 0};
    return !in->bad;
}

/* A version, and a message of it, are the same when they were written and read again. */
static void judge(const struct message *m, struct bytes_view bytes, struct arena *arena)
{
    void *first = arena_alloc(arena, 1, m->size), *second = arena_alloc(arena, 1, m->size);
    char texts[2][LINE_MAX];
    struct reader r;
    struct writer w;
    int16_t version;
    uint8_t *again;
    size_t size;

    reader_init(&r, bytes.data, bytes.size);
    version = reader_i16(&r);
    if (!first || !second || r.bad || !message_has_version(m, version) || message_decode(m, &r, version, arena, first) || reader_done(&r))
        return;
    size = message_size(m, version, first);
    again = arena_alloc(arena, size + 1, 1);
    if (!again)
        return;
    writer_init(&w, again, size);
    message_encode(m, &w, version, first);
    ASSERT(writer_size(&w) == size);
    reader_init(&r, again, size);
    ASSERT(!message_decode(m, &r, version, arena, second) && !reader_done(&r));
    (void)message_print(m, version, first, texts[0], sizeof texts[0]);
    (void)message_print(m, version, second, texts[1], sizeof texts[1]);
    ASSERT(strcmp(texts[0], texts[1]) == 0);
}

static void tell(struct bytes_view batch, uint64_t records)
{
    const struct log_range all = {.offset_to = INT64_MAX, .time_from = INT64_MIN, .time_to = INT64_MAX};
    struct cli_rows rows = {.json = true};
    uint64_t count = 0, lines = 0;
    char *text = NULL;
    size_t size = 0;

    rows.out = open_memstream(&text, &size);
    ASSERT(rows.out && log__records(&rows, STR_LIT("__transaction_state"), batch, &all, &count) == STATUS_OK);
    fclose(rows.out);
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    free(text);
    ASSERT(count == records && lines == records);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t buffer[BATCH_MAX];
    const struct bytes_view none = {NULL, 0};
    struct bytes_view key, value;
    struct batch_builder b;
    struct arena arena;
    struct reader in;
    int32_t records = 0;

    arena_init(&arena, MEMORY_MAX);
    reader_init(&in, bytes, size);
    batch_builder_init(&b, buffer, sizeof buffer, 0);
    while (in.left && take(&in, &key, &value) && batch_builder_add(&b, records, records, key, value, none)) {
        judge(&transaction_log_key_message, key, &arena);
        judge(&transaction_log_value_message, value, &arena);
        records++;
    }
    if (records)
        tell(batch_builder_finish(&b, 0, -1, -1, -1, -1), (uint64_t)records);
    arena_free(&arena);
    return 0;
}
