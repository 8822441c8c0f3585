/* SPDX-License-Identifier: Apache-2.0
 * The codecs' corners: what other clients send, streams that lie, bombs, and a machine without memory.
 */
#include <lz4frame.h>
#include <snappy-c.h>
#include <zstd.h>

#include "fixture.h"

enum { PLAIN = 300000 };

static const enum compression all[] = {COMPRESSION_GZIP, COMPRESSION_SNAPPY, COMPRESSION_LZ4, COMPRESSION_ZSTD};

static struct bytes_view plain_text(void)
{
    uint8_t *bytes = mem_alloc(PLAIN, 1);

    assert_non_null(bytes);
    for (uint32_t i = 0, x = 1; i < PLAIN; i++, x = x * 1664525 + 1013904223)
        bytes[i] = i % 1000 < 700 ? (uint8_t)(i / 1000) : (uint8_t)(x >> 24);
    return (struct bytes_view){bytes, PLAIN};
}

static struct bytes_view compressed(enum compression codec, int level, struct bytes_view plain)
{
    size_t room = compression_bound(codec, plain.size), size = 0;
    uint8_t *out = mem_alloc(room, 1);

    assert_non_null(out);
    assert_int_equal(compress_bytes(codec, level, plain, out, room, &size), STATUS_OK);
    return (struct bytes_view){out, size};
}

static void assert_decompresses(enum compression codec, struct bytes_view in, struct bytes_view expected)
{
    uint8_t *out;
    size_t size;

    assert_int_equal(decompress_all(codec, in, expected.size, &out, &size), STATUS_OK);
    assert_bytes((struct bytes_view){out, size}, expected);
    mem_free(out);
}

static void assert_refuses(enum compression codec, struct bytes_view in, size_t max, enum status expected)
{
    uint8_t *out = NULL;
    size_t size;

    assert_int_equal(decompress_all(codec, in, max, &out, &size), expected);
    assert_null(out);
}

static void round_trips_at_every_level(void **state)
{
    static const int levels[] = {-200000, -1, 0, 1, 3, 9, 12, 17, 1000};
    struct bytes_view plain = plain_text();

    for (size_t i = 0; i < 4; i++) {
        for (size_t level = 0; level < sizeof levels / sizeof *levels; level++) {
            struct bytes_view in = compressed(all[i], levels[level], plain);

            assert_decompresses(all[i], in, plain);
            golden_free(in);
        }
    }
    golden_free(plain);
}

static void nothing_round_trips(void **state)
{
    struct bytes_view plain = {(const uint8_t *)"", 0};

    for (size_t i = 0; i < 4; i++) {
        struct bytes_view in = compressed(all[i], 1, plain);

        assert_decompresses(all[i], in, plain);
        golden_free(in);
    }
}

static void small_reads_see_the_same(void **state)
{
    struct bytes_view plain = plain_text();

    for (size_t i = 0; i < 4; i++) {
        struct bytes_view in = compressed(all[i], 1, plain);
        struct decompressor *d;
        size_t at = 0, produced;
        uint8_t out[777];

        assert_int_equal(decompressor_open(&d, all[i], in, PLAIN), STATUS_OK);
        do {
            assert_int_equal(decompressor_read(d, out, 1 + at % sizeof out, &produced), STATUS_OK);
            assert_memory_equal(out, plain.data + at, produced);
            at += produced;
        } while (produced);
        assert_int_equal(at, PLAIN);
        decompressor_close(d);
        golden_free(in);
    }
    golden_free(plain);
}

static void caps_what_comes_out(void **state)
{
    struct bytes_view plain = plain_text();

    for (size_t i = 0; i < 4; i++) {
        struct bytes_view in = compressed(all[i], 1, plain);

        assert_refuses(all[i], in, PLAIN - 1, STATUS_MESSAGE_TOO_LARGE);
        assert_refuses(all[i], in, 0, STATUS_MESSAGE_TOO_LARGE);
        golden_free(in);
    }
    golden_free(plain);
}

static void refuses_any_cut(void **state)
{
    struct bytes_view plain = {(const uint8_t *)"some text, some text, some text, some text", 42};

    for (size_t i = 0; i < 4; i++) {
        struct bytes_view in = compressed(all[i], 1, plain);

        for (size_t cut = 1; cut < in.size; cut++)
            if (all[i] != COMPRESSION_SNAPPY || cut != 16) /* a header and no block: empty */
                assert_refuses(all[i], (struct bytes_view){in.data, cut}, PLAIN, STATUS_CORRUPT_MESSAGE);
        golden_free(in);
    }
}

static void a_second_stream_may_follow(void **state)
{
    static const struct {
        enum compression codec;
        bool allowed;
    } rows[] = {{COMPRESSION_GZIP, true}, {COMPRESSION_SNAPPY, true}, {COMPRESSION_LZ4, false}, {COMPRESSION_ZSTD, true}};
    struct bytes_view plain = {(const uint8_t *)"twicetwice", 5};

    for (size_t i = 0; i < 4; i++) {
        struct bytes_view in = compressed(rows[i].codec, 1, plain);
        uint8_t twice[256];

        memcpy(twice, in.data, in.size);
        memcpy(twice + in.size, in.data, in.size);
        if (rows[i].allowed)
            assert_decompresses(rows[i].codec, (struct bytes_view){twice, 2 * in.size}, (struct bytes_view){plain.data, 10});
        else
            assert_refuses(rows[i].codec, (struct bytes_view){twice, 2 * in.size}, PLAIN, STATUS_CORRUPT_MESSAGE);
        golden_free(in);
    }
}

static void takes_raw_snappy(void **state)
{
    struct bytes_view plain = plain_text();
    size_t size = snappy_max_compressed_length(plain.size);
    char *raw = mem_alloc(size, 1);

    assert_non_null(raw);
    assert_int_equal(snappy_compress((const char *)plain.data, plain.size, raw, &size), SNAPPY_OK);
    assert_decompresses(COMPRESSION_SNAPPY, (struct bytes_view){(uint8_t *)raw, size}, plain);
    mem_free(raw);
    golden_free(plain);
}

static void snappy_sizes_are_not_believed(void **state)
{
    static const uint8_t claims[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 'x'}; /* raw: 4 GiB in 7 bytes */
    static const char frame[] = "\x82SNAPPY\0\0\0\0\1\0\0\0\1\x7f\xff\xff\xff";
    static const char negative[] = "\x82SNAPPY\0\0\0\0\1\0\0\0\1\x80\0\0\0";

    assert_refuses(COMPRESSION_SNAPPY, (struct bytes_view){claims, sizeof claims}, SIZE_MAX, STATUS_CORRUPT_MESSAGE);
    assert_refuses(COMPRESSION_SNAPPY, (struct bytes_view){(const uint8_t *)frame, 20}, SIZE_MAX, STATUS_CORRUPT_MESSAGE);
    assert_refuses(COMPRESSION_SNAPPY, (struct bytes_view){(const uint8_t *)negative, 20}, SIZE_MAX, STATUS_CORRUPT_MESSAGE);
}

/* liblz4's other frames: with checksums and a content size yes; with blocks that need each other no: Java cannot read them. */
static void takes_lz4_frames_that_java_can_read(void **state)
{
    struct bytes_view plain = plain_text();
    LZ4F_preferences_t preferences = {.frameInfo = {.blockSizeID = LZ4F_max4MB, .blockMode = LZ4F_blockIndependent,
                                                    .contentChecksumFlag = LZ4F_contentChecksumEnabled, .contentSize = PLAIN,
                                                    .blockChecksumFlag = LZ4F_blockChecksumEnabled}};
    size_t room = LZ4F_compressFrameBound(PLAIN, &preferences), size;
    uint8_t *out = mem_alloc(room, 1);

    assert_non_null(out);
    size = LZ4F_compressFrame(out, room, plain.data, PLAIN, &preferences);
    assert_decompresses(COMPRESSION_LZ4, (struct bytes_view){out, size}, plain);
    preferences.frameInfo.blockMode = LZ4F_blockLinked;
    preferences.frameInfo.blockSizeID = LZ4F_max64KB;
    size = LZ4F_compressFrame(out, room, plain.data, PLAIN, &preferences);
    assert_refuses(COMPRESSION_LZ4, (struct bytes_view){out, size}, PLAIN, STATUS_CORRUPT_MESSAGE);
    mem_free(out);
    golden_free(plain);
}

static void limits_the_zstd_window(void **state)
{
    /* magic, a frame header descriptor without content size, window log 28 */
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, (28 - 10) << 3, 0x09, 0, 0, 'x'};
    uint8_t smaller[sizeof frame];

    assert_refuses(COMPRESSION_ZSTD, (struct bytes_view){frame, sizeof frame}, PLAIN, STATUS_CORRUPT_MESSAGE);
    memcpy(smaller, frame, sizeof frame);
    smaller[5] = (20 - 10) << 3;
    assert_decompresses(COMPRESSION_ZSTD, (struct bytes_view){smaller, sizeof smaller}, bytes_of("x"));
}

/* 64 MiB of zeros in one record of a few KiB, in each codec that can: stopped at the cap, without 64 MiB. */
static void stops_bombs(void **state)
{
    size_t size = (64 << 20) + 64;
    uint8_t *room = mem_alloc(BATCH_OVERHEAD + size, 1);
    struct bytes_view zeros = {mem_alloc(64 << 20, 1), 64 << 20}, bomb;
    struct batch_rules rules = rules_any;
    struct batch_builder b;
    struct bytes_view plain;

    assert_non_null(room);
    assert_non_null(zeros.data);
    batch_builder_init(&b, room, BATCH_OVERHEAD + size, 0);
    assert_true(batch_builder_add(&b, 0, 5, (struct bytes_view){NULL, 0}, zeros, (struct bytes_view){NULL, 0}));
    plain = batch_builder_finish(&b, 0, -1, -1, -1, -1);
    for (size_t i = 0; i < 4; i++) {
        struct batch_record_error error;
        struct batch_facts facts;
        struct arena arena;

        arena_init(&arena, 256 << 20);
        assert_int_equal(batch_recompress(plain, all[i], 1, SIZE_MAX, &arena, &bomb), STATUS_OK);
        assert_int_equal(batch_check(bomb, &rules, &facts, &error), STATUS_MESSAGE_TOO_LARGE);
        rules.decompressed_max = size;
        assert_int_equal(batch_check(bomb, &rules, &facts, &error), STATUS_OK); /* through the small window */
        assert_int_equal(facts.records_size, plain.size - BATCH_OVERHEAD);
        rules.decompressed_max = rules_any.decompressed_max;
        arena_free(&arena);
    }
    mem_free(room);
    golden_free(zeros);
}

/* Each allocation of ours fails once; then it works. */
static void survives_without_memory(void **state)
{
    static const char *const names[] = {"v2-gzip", "v2-snappy", "v2-lz4", "v2-zstd", "v1-lz4", "v0-snappy", "v0-none"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct bytes_view in = golden_read(names[i]);
        enum status status = STATUS_NO_MEMORY;

        for (uint64_t n = 1; status == STATUS_NO_MEMORY; n++) {
            struct batch_facts facts;
            struct batch_record_error error;
            struct bytes_view batch = in, set;
            struct arena arena;

            arena_init(&arena, 1 << 20);
            mem_fail_at(n);
            status = STATUS_OK;
            if (names[i][1] != '2')
                status = legacy_to_batch(in, 1 << 20, &arena, &batch);
            if (!status)
                status = batch_check(batch, &rules_any, &facts, &error);
            if (!status)
                status = legacy_from_batches(batch, 1, 0, 1 << 20, 1 << 20, &arena, &set);
            if (!status)
                status = batch_recompress(batch, COMPRESSION_ZSTD, 3, 1 << 20, &arena, &set);
            mem_fail_at(0);
            arena_free(&arena);
            assert_true(n < 100);
        }
        assert_int_equal(status, STATUS_OK);
        golden_free(in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips_at_every_level),
        cmocka_unit_test(nothing_round_trips),
        cmocka_unit_test(small_reads_see_the_same),
        cmocka_unit_test(caps_what_comes_out),
        cmocka_unit_test(refuses_any_cut),
        cmocka_unit_test(a_second_stream_may_follow),
        cmocka_unit_test(takes_raw_snappy),
        cmocka_unit_test(snappy_sizes_are_not_believed),
        cmocka_unit_test(takes_lz4_frames_that_java_can_read),
        cmocka_unit_test(limits_the_zstd_window),
        cmocka_unit_test(stops_bombs),
        cmocka_unit_test(survives_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
