/* SPDX-License-Identifier: Apache-2.0
 * What the tests of record batches share: Kafka's bytes from golden/, the records that are in them, and rules that allow
 * everything.
 */
#ifndef TEST_RECORDS_FIXTURE_H
#define TEST_RECORDS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/legacy.h"
#include "wire/records.h"

#define GOLDEN_TIME 1700000000000
#define GOLDEN_LARGE 100000

static const struct batch_rules rules_any = {
    .from_client = true,
    .timestamp_before_max_ms = INT64_MAX,
    .timestamp_after_max_ms = INT64_MAX,
    .decompressed_max = 1 << 20,
};

/* The caller frees data with mem_free. */
static inline struct bytes_view golden_read(const char *name)
{
    char path[512];
    uint8_t *bytes = mem_alloc(1 << 16, 1);
    size_t size;
    FILE *file;

    snprintf(path, sizeof path, GOLDEN_DIR "/%s.bin", name);
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_non_null(bytes);
    size = fread(bytes, 1, 1 << 16, file);
    fclose(file);
    assert_true(size > 0);
    return (struct bytes_view){bytes, size};
}

static inline void golden_free(struct bytes_view bytes)
{
    mem_free((void *)(uintptr_t)bytes.data);
}

static inline struct bytes_view bytes_of(const char *text)
{
    return (struct bytes_view){(const uint8_t *)text, text ? strlen(text) : 0};
}

static inline void assert_bytes(struct bytes_view got, struct bytes_view expected)
{
    assert_int_equal(got.data == NULL, expected.data == NULL);
    assert_int_equal(got.size, expected.size);
    if (expected.size)
        assert_memory_equal(got.data, expected.data, expected.size);
}

/* Checks the batch and that it holds the records of Golden.java; `magic` says what of them survived. */
static inline void golden_assert(struct bytes_view batch, int magic)
{
    static const struct {
        const char *key, *value;
        int64_t time;
        int32_t headers_count;
        const char *headers;
        size_t headers_size;
    } expected[] = {
        {"key", "value", 0, 2, "\4\2h\2x\10none\1", 11},
        {NULL, "no key", 5000, 0, "\0", 1},
        {"tombstone", NULL, -3, 0, "\0", 1},
        {"", "", 0, 1, "\2\0\0", 3},
        {"large", NULL, 1, 0, "\0", 1},
    };
    struct batch_rules rules = rules_any;
    struct batch_facts facts;
    struct batch_record_error error;
    struct record_cursor *cursor;
    struct arena arena;
    struct record record;
    bool more;

    rules.from_client = false; /* one of them is transactional */
    assert_int_equal(batch_check(batch, &rules, &facts, &error), STATUS_OK);
    assert_int_equal(facts.size, batch.size);
    assert_in_range(facts.head.count, 4, 5);
    assert_int_equal(facts.max_timestamp, magic ? GOLDEN_TIME + 5000 : -1);
    assert_int_equal(facts.head.max_timestamp, facts.max_timestamp);
    assert_int_equal(facts.max_timestamp_offset_delta, magic ? 1 : 0);
    arena_init(&arena, 1 << 20);
    cursor = record_cursor_new(&arena, batch, 1 << 20);
    assert_non_null(cursor);
    for (int32_t i = 0; i < facts.head.count; i++) {
        assert_int_equal(record_next(cursor, &record, &more), STATUS_OK);
        assert_true(more);
        assert_int_equal(record.offset, i);
        assert_int_equal(record.timestamp, magic ? GOLDEN_TIME + expected[i].time : -1);
        assert_bytes(record.key, bytes_of(expected[i].key));
        if (i == 4) {
            assert_int_equal(record.value.size, GOLDEN_LARGE);
            for (int at = 0; at < GOLDEN_LARGE; at++)
                assert_int_equal(record.value.data[at], at % 251);
        } else {
            assert_bytes(record.value, bytes_of(expected[i].value));
        }
        if (magic == 2) {
            assert_int_equal(record.headers_count, expected[i].headers_count);
            assert_bytes(record.headers, (struct bytes_view){(const uint8_t *)expected[i].headers, expected[i].headers_size});
        } else {
            assert_int_equal(record.headers_count, 0);
        }
    }
    assert_int_equal(record_next(cursor, &record, &more), STATUS_OK);
    assert_false(more);
    record_cursor_free(cursor);
    arena_free(&arena);
}

#endif
