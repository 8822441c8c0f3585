/* SPDX-License-Identifier: Apache-2.0
 * Records of the metadata log on their way from a decision into a batch.
 *
 * The value of such a record: uvarint frame version (1), uvarint record type, uvarint version of the type, the fields
 * (schema/record). The key is null.
 */
#ifndef META_RECORDS_H
#define META_RECORDS_H

#include "base/arena.h"
#include "base/status.h"
#include "wire/message.h"

enum { META_FRAME_VERSION = 1 };

struct meta_records {
    struct arena *arena; /* everything below lives there */
    struct bytes_view *values;
    size_t count, capacity;
    size_t bytes; /* of all values */
    bool failed;  /* the arena had no more room: nothing may be appended */
};

void meta_records_init(struct meta_records *records, struct arena *arena);

/* Frames and encodes a record of schema/record. STATUS_NO_MEMORY. */
enum status meta_records_put(struct meta_records *records, const struct message *message, int16_t version,
                             const void *in) MUST_CHECK;

/* Room for one more value of `size` bytes, framed by the caller; NULL (and failed) when the arena is full. */
uint8_t *meta_records_add(struct meta_records *records, size_t size);

/* All of them as one v2 batch in the arena, at consecutive offsets from base_offset on. STATUS_NO_MEMORY. */
enum status meta_records_batch(const struct meta_records *records, int64_t base_offset, int32_t epoch, int64_t wall_ms,
                               struct bytes_view *batch) MUST_CHECK;

#endif
