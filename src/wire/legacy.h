/* SPDX-License-Identifier: Apache-2.0
 * Record formats of old clients (magic 0 and 1, before Kafka 0.11), converted at the edge: what is stored is always format v2.
 *
 * A message set is a sequence of: i64 offset, i32 size, u32 CRC-32, i8 magic, i8 attributes, [magic 1: i64 timestamp], i32 key size
 * and key, i32 value size and value. Compressed messages wrap a whole message set in their value (absolute inner offsets for magic 0,
 * relative ones for magic 1). LZ4 frames of magic 0 have Kafka's broken header checksum (KAFKA-3160).
 */
#ifndef WIRE_LEGACY_H
#define WIRE_LEGACY_H

#include "wire/records.h"

/* Magic 0/1 message set → one v2 batch in the arena (compressed with the codec that it came in; base offset 0, offset deltas 0..n-1).
 * CORRUPT_MESSAGE, INVALID_RECORD, INVALID_TIMESTAMP, UNSUPPORTED_COMPRESSION_TYPE, MESSAGE_TOO_LARGE as Kafka answers them. Messages of magic 0
 * get timestamp -1. Keys and the age of timestamps are judged by batch_check of the result. */
enum status legacy_to_batch(struct bytes_view set, size_t decompressed_max, struct arena *arena, struct bytes_view *batch) MUST_CHECK;

/* Whether a message of magic 0 or 1, its checksum right, begins there. */
bool legacy_begins(struct bytes_view bytes) __attribute__((warn_unused_result));

/* v2 batches → message set of `magic` 0 or 1 with the records from `from_offset` on: at most `size_max` bytes, but at least the first batch
 * that has any. The codec stays but for zstd, which the old formats do not know: its records are served plain. Control batches and
 * headers are lost, as in Kafka's down-conversion. A last batch that is not complete is left out. */
enum status legacy_from_batches(struct bytes_view batches, int8_t magic, int64_t from_offset, size_t size_max,
                                size_t decompressed_max, struct arena *arena, struct bytes_view *set) MUST_CHECK;

#endif
