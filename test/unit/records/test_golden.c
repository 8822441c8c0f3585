/* SPDX-License-Identifier: Apache-2.0
 * Bytes that Kafka's own code made (Golden.java): read, rewritten under every codec, and taken through the old formats and back.
 */
#include "fixture.h"

static const char *const v2_names[] = {"v2-none", "v2-gzip", "v2-snappy", "v2-lz4", "v2-zstd"};
static const char *const legacy_names[2][4] = {{"v0-none", "v0-gzip", "v0-snappy", "v0-lz4"},
                                               {"v1-none", "v1-gzip", "v1-snappy", "v1-lz4"}};

static void reads_every_codec(void **state)
{
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct bytes_view batch = golden_read(v2_names[codec]);

        golden_assert(batch, 2);
        golden_free(batch);
    }
}

static void reads_the_head(void **state)
{
    struct bytes_view batch = golden_read("v2-transactional");
    struct batch_head head;

    golden_assert(batch, 2);
    assert_true(batch_head_read(batch, &head));
    assert_int_equal(head.base_offset, 0);
    assert_int_equal(batch_size(&head), batch.size);
    assert_int_equal(head.leader_epoch, 7);
    assert_int_equal(head.magic, 2);
    assert_int_equal(head.attributes, BATCH_TRANSACTIONAL);
    assert_int_equal(batch_last_offset(&head), 3);
    assert_int_equal(head.base_timestamp, GOLDEN_TIME);
    assert_int_equal(head.producer_id, 4711);
    assert_int_equal(head.producer_epoch, 3);
    assert_int_equal(head.base_sequence, 99);
    assert_int_equal(head.count, 4);
    golden_free(batch);
}

static void recompresses_from_and_to_every_codec(void **state)
{
    for (int from = 0; from < COMPRESSION_COUNT; from++) {
        struct bytes_view batch = golden_read(v2_names[from]);

        for (int to = 0; to < COMPRESSION_COUNT; to++) {
            struct bytes_view out;
            struct arena arena;
            struct batch_head head;

            arena_init(&arena, 1 << 20);
            assert_int_equal(batch_recompress(batch, (enum compression)to, compression_level_default((enum compression)to),
                                              1 << 20, &arena, &out), STATUS_OK);
            assert_true(batch_head_read(out, &head));
            assert_int_equal(head.attributes & BATCH_COMPRESSION_MASK, to);
            golden_assert(out, 2);
            arena_free(&arena);
        }
        golden_free(batch);
    }
}

static void takes_message_sets(void **state)
{
    for (int magic = 0; magic < 2; magic++) {
        for (int codec = 0; codec < COMPRESSION_ZSTD; codec++) {
            struct bytes_view set = golden_read(legacy_names[magic][codec]), batch;
            struct batch_head head;
            struct arena arena;

            arena_init(&arena, 1 << 20);
            assert_int_equal(legacy_to_batch(set, 1 << 20, &arena, &batch), STATUS_OK);
            assert_true(batch_head_read(batch, &head));
            assert_int_equal(head.attributes, codec);
            assert_int_equal(head.producer_id, -1);
            golden_assert(batch, magic);
            arena_free(&arena);
            golden_free(set);
        }
    }
}

/* Plain sets are Kafka's to the byte; compressed ones come back as the same records. */
static void serves_message_sets(void **state)
{
    for (int magic = 0; magic < 2; magic++) {
        for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
            struct bytes_view from = golden_read(v2_names[codec]), set, batch;
            struct arena arena;

            arena_init(&arena, 1 << 20);
            assert_int_equal(legacy_from_batches(from, (int8_t)magic, 0, 1 << 20, 1 << 20, &arena, &set), STATUS_OK);
            if (codec == COMPRESSION_NONE) {
                struct bytes_view expected = golden_read(legacy_names[magic][codec]);

                assert_bytes(set, expected);
                golden_free(expected);
            }
            assert_int_equal(legacy_to_batch(set, 1 << 20, &arena, &batch), STATUS_OK);
            golden_assert(batch, magic);
            arena_free(&arena);
            golden_free(from);
        }
    }
}

/* Offset 8 and on: size, CRC, magic and attributes of the wrapper, [timestamp,] null key, value size: then the LZ4 frame's header. */
static void breaks_the_lz4_checksum_as_kafka_does(void **state)
{
    for (int magic = 0; magic < 2; magic++) {
        struct bytes_view from = golden_read("v2-lz4"), expected = golden_read(legacy_names[magic][COMPRESSION_LZ4]), set;
        size_t frame_at = magic ? 34 : 26;
        struct arena arena;

        arena_init(&arena, 1 << 20);
        assert_int_equal(legacy_from_batches(from, (int8_t)magic, 0, 1 << 20, 1 << 20, &arena, &set), STATUS_OK);
        assert_memory_equal(set.data + frame_at, expected.data + frame_at, 7);
        arena_free(&arena);
        golden_free(from);
        golden_free(expected);
    }
}

/* With WRITE_DIR in the environment, what ours writes is left there for `Golden.java read`. */
static void leaves_files_for_kafka(void **state)
{
    const char *dir = getenv("WRITE_DIR");

    if (!dir)
        skip();
    for (int i = 0; i < COMPRESSION_COUNT * 3; i++) {
        int codec = i / 3, magic = i % 3;
        struct bytes_view from = golden_read(magic == 2 ? v2_names[0] : v2_names[codec]), out;
        struct arena arena;
        char path[512];
        FILE *file;

        arena_init(&arena, 1 << 20);
        if (magic == 2)
            assert_int_equal(batch_recompress(from, (enum compression)codec, 1, 1 << 20, &arena, &out), STATUS_OK);
        else
            assert_int_equal(legacy_from_batches(from, (int8_t)magic, 1, 1 << 20, 1 << 20, &arena, &out), STATUS_OK);
        snprintf(path, sizeof path, "%s/v%d-%s", dir, magic, v2_names[codec] + 3);
        file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(out.data, 1, out.size, file), out.size);
        fclose(file);
        arena_free(&arena);
        golden_free(from);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_codec),
        cmocka_unit_test(reads_the_head),
        cmocka_unit_test(recompresses_from_and_to_every_codec),
        cmocka_unit_test(takes_message_sets),
        cmocka_unit_test(serves_message_sets),
        cmocka_unit_test(breaks_the_lz4_checksum_as_kafka_does),
        cmocka_unit_test(leaves_files_for_kafka),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
