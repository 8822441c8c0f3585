/* SPDX-License-Identifier: Apache-2.0
 * Reader and writer: what one writes the other reads; no read passes the end; a failure sticks; counts and varints that lie are bad.
 */
#include "base/reader.h"
#include "base/writer.h"
#include "test/unit/cm.h"

static const struct uuid some_id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static size_t write_everything(uint8_t *room, size_t size)
{
    struct writer w;

    writer_init(&w, room, size);
    writer_i8(&w, -2);
    writer_i16(&w, INT16_MIN);
    writer_u16(&w, UINT16_MAX);
    writer_i32(&w, INT32_MIN);
    writer_u32(&w, UINT32_MAX);
    writer_i64(&w, INT64_MIN);
    writer_f64(&w, -1.5);
    writer_uuid(&w, some_id);
    writer_uvarint(&w, 300);
    writer_uvarlong(&w, UINT64_MAX);
    writer_varint(&w, INT32_MIN);
    writer_varlong(&w, INT64_MIN);
    writer_str(&w, STR_LIT("plain"));
    writer_str(&w, STR_NULL);
    writer_str_compact(&w, STR_LIT(""));
    writer_str_compact(&w, STR_NULL);
    writer_bytes(&w, (struct bytes_view){(const uint8_t *)"ab", 2});
    writer_bytes_compact(&w, (struct bytes_view){NULL, 0});
    writer_count(&w, -1);
    writer_count_compact(&w, 2);
    writer_raw(&w, "xy", 2);
    return writer_size(&w);
}

static void test_round_trip(void **state)
{
    uint8_t room[256];
    struct reader r;
    struct bytes_view bytes;

    reader_init(&r, room, write_everything(room, sizeof room));
    assert_int_equal(reader_i8(&r), -2);
    assert_int_equal(reader_i16(&r), INT16_MIN);
    assert_int_equal(reader_u16(&r), UINT16_MAX);
    assert_int_equal(reader_i32(&r), INT32_MIN);
    assert_int_equal(reader_u32(&r), UINT32_MAX);
    assert_int_equal(reader_i64(&r), INT64_MIN);
    assert_true(reader_f64(&r) == -1.5);
    assert_true(uuid_equal(reader_uuid(&r), some_id));
    assert_int_equal(reader_uvarint(&r), 300);
    assert_true(reader_uvarlong(&r) == UINT64_MAX);
    assert_int_equal(reader_varint(&r), INT32_MIN);
    assert_int_equal(reader_varlong(&r), INT64_MIN);
    assert_true(str_is(reader_str(&r), "plain"));
    assert_null(reader_str(&r).data);
    assert_true(str_is(reader_str_compact(&r), ""));
    assert_null(reader_str_compact(&r).data);
    bytes = reader_bytes(&r);
    assert_int_equal(bytes.size, 2);
    assert_memory_equal(bytes.data, "ab", 2);
    assert_null(reader_bytes_compact(&r).data);
    assert_int_equal(reader_count(&r, 1), -1);
    assert_int_equal(reader_count_compact(&r, 1), 2);
    assert_non_null(reader_take(&r, 2));
    assert_int_equal(reader_done(&r), STATUS_OK);
}

static void test_wire_bytes_are_big_endian(void **state)
{
    uint8_t room[14];
    struct writer w;

    writer_init(&w, room, sizeof room);
    writer_i16(&w, 0x0102);
    writer_i32(&w, 0x03040506);
    writer_i64(&w, 0x0708090a0b0c0d0e);
    for (unsigned i = 0; i < sizeof room; i++)
        assert_int_equal(room[i], i + 1);
}

/* Every prefix of good bytes is bad, stays within its bounds (the sanitizer watches an exact copy), and yields zeros at its end. */
static void read_prefix(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = test_malloc(size + 1);
    struct reader r;

    memcpy(copy, bytes, size);
    reader_init(&r, copy, size);
    (void)reader_i8(&r), (void)reader_i16(&r), (void)reader_u16(&r), (void)reader_i32(&r), (void)reader_u32(&r), (void)reader_i64(&r);
    (void)reader_f64(&r), (void)reader_uuid(&r), (void)reader_uvarint(&r), (void)reader_uvarlong(&r), (void)reader_varint(&r);
    (void)reader_varlong(&r), (void)reader_str(&r), (void)reader_str(&r), (void)reader_str_compact(&r), (void)reader_str_compact(&r);
    (void)reader_bytes(&r), (void)reader_bytes_compact(&r), (void)reader_count(&r, 1), (void)reader_count_compact(&r, 1);
    (void)reader_take(&r, 2);
    assert_int_equal(reader_done(&r), STATUS_MALFORMED);
    assert_int_equal(reader_i64(&r), 0);
    assert_null(reader_take(&r, 0));
    test_free(copy);
}

static void test_every_prefix_is_bad(void **state)
{
    uint8_t room[256];
    size_t size = write_everything(room, sizeof room);

    for (size_t n = 0; n < size; n++)
        read_prefix(room, n);
}

static void test_left_over_bytes_are_bad(void **state)
{
    struct reader r;

    reader_init(&r, "\0", 2);
    (void)reader_i8(&r);
    assert_int_equal(reader_done(&r), STATUS_MALFORMED);
}

static struct reader reader_on(const char *bytes, size_t size)
{
    struct reader r;

    reader_init(&r, bytes, size);
    return r;
}

static void test_varints_that_overflow_are_bad(void **state)
{
    struct reader five = reader_on("\xff\xff\xff\xff\x0f", 5), six = reader_on("\x80\x80\x80\x80\x80\x00", 6), high = reader_on("\xff\xff\xff\xff\x10", 5);
    struct reader ten = reader_on("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10), over = reader_on("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
    struct reader eleven = reader_on("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11);

    assert_true(reader_uvarint(&five) == UINT32_MAX && !five.bad);
    assert_true(reader_uvarint(&six) == 0 && six.bad);
    assert_true(reader_uvarint(&high) == 0 && high.bad);
    assert_true(reader_uvarlong(&ten) == UINT64_MAX && !ten.bad);
    assert_true(reader_uvarlong(&over) == 0 && over.bad);
    assert_true(reader_uvarlong(&eleven) == 0 && eleven.bad);
}

static void test_counts_are_bounded_by_the_bytes_left(void **state)
{
    struct reader fits = reader_on("\0\0\0\2abcdefgh", 12), over = reader_on("\0\0\0\3abcdefgh", 12);
    struct reader huge = reader_on("\x7f\xff\xff\xff", 4), negative = reader_on("\xff\xff\xff\xfe", 4);
    struct reader compact = reader_on("\xff\xff\xff\xff\x0f", 5), null = reader_on("\0", 1);

    assert_true(reader_count(&fits, 4) == 2 && !fits.bad);
    assert_true(reader_count(&over, 4) == 0 && over.bad);
    assert_true(reader_count(&huge, 1) == 0 && huge.bad);
    assert_true(reader_count(&negative, 1) == 0 && negative.bad);
    assert_true(reader_count_compact(&compact, 1) == 0 && compact.bad);
    assert_true(reader_count_compact(&null, 1) == -1 && !null.bad);
}

static void test_lengths_that_lie_are_bad(void **state)
{
    struct reader below = reader_on("\xff\xfe", 2), beyond = reader_on("\0\3ab", 4), bytes = reader_on("\x7f\xff\xff\xff" "ab", 6);
    struct reader text = reader_on("\x81\x80\x02", 3); /* a compact string of 32768 bytes: over what a string may have */

    assert_true(!reader_str(&below).data && below.bad);
    assert_true(!reader_str(&beyond).data && beyond.bad);
    assert_true(!reader_bytes(&bytes).data && bytes.bad);
    assert_true(!reader_str_compact(&text).data && text.bad);
}

static void test_varint_sizes(void **state)
{
    static const int32_t values[] = {0, 1, -1, 63, 64, -64, -65, 8191, 8192, INT32_MAX, INT32_MIN};
    uint8_t room[16];

    for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct writer w;
        writer_init(&w, room, sizeof room);
        writer_varint(&w, values[i]);
        assert_int_equal(writer_size(&w), varint_size(values[i]));
        writer_init(&w, room, sizeof room);
        writer_varlong(&w, values[i]);
        assert_int_equal(writer_size(&w), varlong_size(values[i]));
    }
    assert_int_equal(varlong_size(INT64_MIN), 10);
    assert_int_equal(uvarint_size(127), 1);
    assert_int_equal(uvarint_size(128), 2);
}

static void test_splices_note_where_they_stand(void **state)
{
    uint8_t room[8];
    struct writer_splice first, second;
    struct writer w;

    writer_init(&w, room, sizeof room);
    writer_i32(&w, 1);
    writer_splice(&w, &first, "source", 100);
    writer_i8(&w, 1);
    writer_splice(&w, &second, room, 7);
    assert_ptr_equal(w.splices, &first);
    assert_true(first.at == 4 && first.size == 100 && first.next == &second);
    assert_true(second.at == 5 && second.source == room && !second.next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_wire_bytes_are_big_endian),
        cmocka_unit_test(test_every_prefix_is_bad),
        cmocka_unit_test(test_left_over_bytes_are_bad),
        cmocka_unit_test(test_varints_that_overflow_are_bad),
        cmocka_unit_test(test_counts_are_bounded_by_the_bytes_left),
        cmocka_unit_test(test_lengths_that_lie_are_bad),
        cmocka_unit_test(test_varint_sizes),
        cmocka_unit_test(test_splices_note_where_they_stand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
