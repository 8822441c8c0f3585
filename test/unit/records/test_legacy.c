/* SPDX-License-Identifier: Apache-2.0
 * Old message sets: what is refused, and what a fetch of them gets. The good cases are in test_golden.c.
 */
#include "base/crc32c.h"
#include "base/writer.h"
#include "fixture.h"

enum { ROOM = 4096 };

static const struct bytes_view null_bytes = {NULL, 0};

/* One message at the end of the set; `attributes` as they are. */
static void put_message(struct writer *w, int64_t offset, int8_t magic, int8_t attributes, struct bytes_view key, struct bytes_view value)
{
    size_t size = (magic ? 22 : 14) + key.size + value.size;
    struct writer crc;

    writer_i64(w, offset);
    writer_i32(w, (int32_t)size);
    writer_init(&crc, writer_skip(w, 4), 4);
    writer_i8(w, magic);
    writer_i8(w, attributes);
    if (magic)
        writer_i64(w, 1000 + offset);
    writer_bytes(w, key);
    writer_bytes(w, value);
    writer_u32(&crc, crc32_legacy(crc.end, size - 4));
}

static enum status convert(const struct writer *w)
{
    struct bytes_view batch;
    struct arena arena;
    enum status status;

    arena_init(&arena, 1 << 20);
    status = legacy_to_batch((struct bytes_view){w->start, writer_size(w)}, 1 << 20, &arena, &batch);
    arena_free(&arena);
    return status;
}

static void refuses(void **state)
{
    uint8_t room[ROOM];
    struct writer w;

    writer_init(&w, room, ROOM);
    assert_int_equal(convert(&w), STATUS_INVALID_RECORD); /* empty */
    put_message(&w, 0, 1, 0, null_bytes, bytes_of("v"));
    assert_int_equal(convert(&w), STATUS_OK);
    put_message(&w, 1, 0, 0, null_bytes, bytes_of("v"));
    assert_int_equal(convert(&w), STATUS_INVALID_RECORD); /* two magics */

    writer_init(&w, room, ROOM);
    put_message(&w, 0, 2, 0, null_bytes, bytes_of("v"));
    assert_int_equal(convert(&w), STATUS_CORRUPT_MESSAGE); /* magic 2 is no message */

    writer_init(&w, room, ROOM);
    put_message(&w, 0, 1, 8, null_bytes, bytes_of("v"));
    assert_int_equal(convert(&w), STATUS_INVALID_TIMESTAMP); /* append time */

    writer_init(&w, room, ROOM);
    put_message(&w, 0, 1, 4, null_bytes, bytes_of("v"));
    assert_int_equal(convert(&w), STATUS_UNSUPPORTED_COMPRESSION_TYPE); /* zstd */

    writer_init(&w, room, ROOM);
    put_message(&w, 0, 1, 1, null_bytes, null_bytes);
    assert_int_equal(convert(&w), STATUS_INVALID_RECORD); /* wraps null */

    writer_init(&w, room, ROOM);
    put_message(&w, 0, 1, 1, null_bytes, bytes_of("not gzip"));
    assert_int_equal(convert(&w), STATUS_INVALID_RECORD);
}

static void refuses_any_bit(void **state)
{
    uint8_t room[ROOM];
    struct writer w;

    writer_init(&w, room, ROOM);
    put_message(&w, 0, 1, 0, bytes_of("k"), bytes_of("v"));
    for (size_t at = 12; at < writer_size(&w); at++) {
        room[at] ^= 4;
        assert_int_equal(convert(&w), STATUS_CORRUPT_MESSAGE);
        room[at] ^= 4;
    }
    for (size_t cut = 1; cut < writer_size(&w); cut++) {
        struct writer part = w;

        part.at = w.start + cut;
        assert_int_equal(convert(&part), STATUS_CORRUPT_MESSAGE);
    }
    assert_int_equal(convert(&w), STATUS_OK);
}

/* A wrapper beside other messages, and a wrapper in a wrapper. */
static void refuses_wrappers_in_company(void **state)
{
    struct bytes_view set = golden_read("v1-gzip");
    uint8_t room[ROOM], packed[ROOM];
    struct writer w;
    size_t size = 0;

    writer_init(&w, room, ROOM);
    writer_raw(&w, set.data, set.size);
    put_message(&w, 9, 1, 0, null_bytes, bytes_of("v"));
    assert_int_equal(convert(&w), STATUS_INVALID_RECORD);

    writer_init(&w, room, ROOM);
    put_message(&w, 9, 1, 0, null_bytes, bytes_of("v"));
    writer_raw(&w, set.data, set.size);
    assert_int_equal(convert(&w), STATUS_INVALID_RECORD);

    assert_int_equal(compress_bytes(COMPRESSION_GZIP, 1, set, packed, sizeof packed, &size), STATUS_OK);
    writer_init(&w, room, ROOM);
    put_message(&w, 4, 1, 1, null_bytes, (struct bytes_view){packed, size});
    assert_int_equal(convert(&w), STATUS_INVALID_RECORD);
    golden_free(set);
}

static void caps_what_comes_out(void **state)
{
    struct bytes_view set = golden_read("v1-snappy"), batch;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    assert_int_equal(legacy_to_batch(set, 1000, &arena, &batch), STATUS_MESSAGE_TOO_LARGE);
    arena_free(&arena);
    golden_free(set);
}

/* Three batches of two records at 10, 20 and 30, the second a control batch. */
static struct bytes_view three_batches(uint8_t room[ROOM])
{
    size_t size = 0;

    for (int64_t base = 10; base <= 30; base += 10) {
        struct batch_builder b;

        batch_builder_init(&b, room + size, ROOM - size, base == 20 ? BATCH_CONTROL : 0);
        assert_true(batch_builder_add(&b, 0, 7, bytes_of("k"), bytes_of("v"), null_bytes));
        assert_true(batch_builder_add(&b, 4, 9, bytes_of("k"), bytes_of("v"), null_bytes));
        size += batch_builder_finish(&b, base, 0, -1, -1, -1).size;
    }
    return (struct bytes_view){room, size};
}

static void serves_from_an_offset_within_a_size(void **state)
{
    enum { MESSAGE = 36 }; /* magic 1 with a byte of key and a byte of value */
    static const struct {
        int64_t from;
        size_t cut, size_max, expected;
    } rows[] = {
        {0, 0, ROOM, 4 * MESSAGE},
        {11, 0, ROOM, 3 * MESSAGE},
        {15, 0, ROOM, 2 * MESSAGE},
        {34, 0, ROOM, 1 * MESSAGE},
        {35, 0, ROOM, 0},
        {0, 0, 1, 2 * MESSAGE},
        {0, 0, 4 * MESSAGE - 1, 2 * MESSAGE},
        {0, 0, 4 * MESSAGE, 4 * MESSAGE},
        {0, 1, ROOM, 2 * MESSAGE}, /* the last batch is not complete */
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t room[ROOM];
        struct bytes_view batches = three_batches(room), set;
        struct arena arena;

        arena_init(&arena, 1 << 20);
        batches.size -= rows[i].cut;
        assert_int_equal(legacy_from_batches(batches, 1, rows[i].from, rows[i].size_max, ROOM, &arena, &set), STATUS_OK);
        assert_int_equal(set.size, rows[i].expected);
        arena_free(&arena);
    }
}

static void never_serves_a_bad_checksum(void **state)
{
    uint8_t room[ROOM];
    struct bytes_view batches = three_batches(room), set;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    room[batches.size - 1] ^= 1;
    assert_int_equal(legacy_from_batches(batches, 0, 0, ROOM, ROOM, &arena, &set), STATUS_CORRUPT_MESSAGE);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_any_bit),
        cmocka_unit_test(refuses_wrappers_in_company),
        cmocka_unit_test(caps_what_comes_out),
        cmocka_unit_test(serves_from_an_offset_within_a_size),
        cmocka_unit_test(never_serves_a_bad_checksum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
