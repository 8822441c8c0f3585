/* SPDX-License-Identifier: Apache-2.0
 * Records of the metadata log: any bytes are applied or refused with a reason; what was applied survives a snapshot.
 * The input is records one behind the other, each with its size in two bytes in front.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "base/reader.h"
#include "meta/snapshot.h"
#include "raft/raft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_snapshot(const struct image *image)
{
    struct image again;
    struct err err = {0};
    uint8_t *bytes;
    size_t size;

    ASSERT(snapshot_encode(image, 1, &bytes, &size) == STATUS_OK);
    image_init(&again, 2, NULL, NULL);
    ASSERT(snapshot_decode((struct bytes_view){bytes, size}, (struct snapshot_id){1, 1}, &again, &err) == STATUS_OK);
    ASSERT(again.topics_by_name.count == image->topics_by_name.count &&
           again.partitions_count == image->partitions_count);
    ASSERT(again.configs.count == image->configs.count && again.carried.count == image->carried.count);
    ASSERT(again.features_count == image->features_count);
    image_free(&again);
    mem_free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct quorum_state state;
    struct reader r;
    struct image image;
    struct err err = {0};
    enum status status = STATUS_OK;

    image_init(&image, 1, NULL, NULL);
    reader_init(&r, data, size);
    while (status == STATUS_OK && r.left >= 2) {
        size_t n = reader_u16(&r);
        const uint8_t *record = reader_take(&r, n);

        status = record ? image_apply(&image, (struct bytes_view){record, n}, &err) : STATUS_MALFORMED;
        ASSERT(status == STATUS_OK || status == STATUS_MALFORMED || err.text[0]);
    }
    if (status == STATUS_OK)
        check_snapshot(&image);
    image_free(&image);
    (void)quorum_state_parse((struct str_view){(const char *)data, size}, &state, &err);
    return 0;
}
