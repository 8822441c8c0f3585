/* SPDX-License-Identifier: Apache-2.0
 * The .checkpoint files of metadata: a snapshot of the metadata log, and bootstrap.checkpoint. Byte 0: 1 for the latter; 2: the checksums are mended, so
 * that what stands behind them is reached. What is taken makes an image that can be written and taken again.
 */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/writer.h"
#include "meta/snapshot.h"
#include "wire/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend_checksums(uint8_t *bytes, size_t size)
{
    struct batch_head head;

    while (batch_head_read((struct bytes_view){bytes, size}, &head) && head.length >= BATCH_OVERHEAD - BATCH_PREFIX && batch_size(&head) <= size) {
        struct writer w;
        writer_init(&w, bytes + BATCH_CRC_AT, 4);
        writer_u32(&w, crc32c(bytes + BATCH_ATTRIBUTES_AT, batch_size(&head) - BATCH_ATTRIBUTES_AT));
        bytes += batch_size(&head);
        size -= batch_size(&head);
    }
}

static void judge_snapshot(struct bytes_view bytes)
{
    struct image image, again;
    struct err err = {0};
    uint8_t *encoded;
    size_t size;

    image_init(&image, 1, NULL, NULL);
    image_init(&again, 2, NULL, NULL);
    if (snapshot_decode(bytes, (struct snapshot_id){100, 3}, &image, &err)) {
        ASSERT(err.text[0]);
    } else {
        ASSERT(snapshot_encode(&image, 1, &encoded, &size) == STATUS_OK);
        ASSERT(snapshot_decode((struct bytes_view){encoded, size}, (struct snapshot_id){100, 3}, &again, &err) == STATUS_OK);
        ASSERT(again.topics_by_id.count == image.topics_by_id.count && again.partitions_count == image.partitions_count && again.carried.count == image.carried.count);
        mem_free(encoded);
    }
    image_free(&image);
    image_free(&again);
}

static void judge_bootstrap(struct bytes_view bytes)
{
    struct meta_records records;
    struct arena arena;
    struct err err = {0};

    arena_init(&arena, 64 << 20);
    meta_records_init(&records, &arena);
    if (bootstrap_decode(bytes, &records, &err))
        ASSERT(err.text[0]);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;

    if (!size)
        return 0;
    copy = mem_copy(data + 1, size - 1);
    ASSERT(copy);
    if (data[0] & 2)
        mend_checksums(copy, size - 1);
    if (data[0] & 1)
        judge_bootstrap((struct bytes_view){copy, size - 1});
    else
        judge_snapshot((struct bytes_view){copy, size - 1});
    mem_free(copy);
    return 0;
}
