/* SPDX-License-Identifier: Apache-2.0
 * Records of the metadata log on their way from the controller into a batch.
 *
 * The value of such a record: uvarint frame version (1), uvarint record type, uvarint version of the type, the fields
 * (schema/records). The key is null.
 */
#ifndef META_RECORDS_H
#define META_RECORDS_H

#include "base/arena.h"
#include "base/status.h"

struct meta_records {
    struct arena *arena; /* everything below lives there */
    struct bytes_view *values;
    size_t count, capacity;
    size_t bytes;        /* of all values */
    bool failed;         /* the arena had no more room: nothing may be appended */
};

void meta_records_init(struct meta_records *records, struct arena *arena);

/* Room for one more value of `size` bytes, to be filled; NULL (and failed) when the arena is full. */
uint8_t *meta_records_add(struct meta_records *records, size_t size);

/* All of them as one v2 batch in the arena, at consecutive offsets from base_offset on. STATUS_NO_MEMORY. */
enum status meta_records_batch(const struct meta_records *records, int64_t base_offset, int32_t epoch, int64_t wall_ms, struct bytes_view *batch) MUST_CHECK;

#endif
