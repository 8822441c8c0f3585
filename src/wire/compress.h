/* SPDX-License-Identifier: Apache-2.0
 * The four codecs of record batches, each to Kafka's framing: gzip members; snappy in xerial's blocks, or raw; LZ4 frames of independent
 * blocks; zstd frames.
 *
 * Decompression is a stream with a cap: what comes out is counted, memory is a codec's window and never grows by what the peer
 * claims: a snappy block by no more than its bytes can hold, a zstd window by no more than ZSTD_WINDOW_LOG_MAX.
 * A stream that ends early, or goes on after its end, is STATUS_CORRUPT_MESSAGE; output beyond the cap is STATUS_MESSAGE_TOO_LARGE.
 */
#ifndef WIRE_COMPRESS_H
#define WIRE_COMPRESS_H

#include "base/status.h"
#include "base/view.h"

/* Also the numbers in the attributes of a batch. */
enum compression {
    COMPRESSION_NONE = 0,
    COMPRESSION_GZIP = 1,
    COMPRESSION_SNAPPY = 2,
    COMPRESSION_LZ4 = 3,
    COMPRESSION_ZSTD = 4,
    COMPRESSION_COUNT,
};

/* 128 MiB: the most that a producer of level 22 asks for. Only pages that are written count, and those are at most the cap. */
#define ZSTD_WINDOW_LOG_MAX 27

struct decompressor; /* opaque */

/* Reads `in`, borrowed until the close. `codec` is one of the four (asserted). */
enum status decompressor_open(struct decompressor **out, enum compression codec, struct bytes_view in, size_t output_max) MUST_CHECK;
/* The next bytes, at most `size` (not 0); *produced is 0 only at the end of the stream. */
enum status decompressor_read(struct decompressor *d, uint8_t *out, size_t size, size_t *produced) MUST_CHECK;
void decompressor_close(struct decompressor *d); /* NULL is allowed */

/* The whole stream, in a block that the caller frees (mem_free). */
enum status decompress_all(enum compression codec, struct bytes_view in, size_t output_max, uint8_t **out, size_t *out_size) MUST_CHECK;

/* Kafka's default of compression.<codec>.level. */
int compression_level_default(enum compression codec);
/* The most bytes that `size` bytes may compress to. */
size_t compression_bound(enum compression codec, size_t size);
/* Compresses into `out`, which has room for compression_bound bytes. The level is clamped to what the codec knows. */
enum status compress_bytes(enum compression codec, int level, struct bytes_view in, uint8_t *out, size_t out_size, size_t *produced) MUST_CHECK;

/* KAFKA-3160: the LZ4 frames of message format 0 have a header checksum over too many bytes. This puts it into a frame that
 * compress_bytes made; the decompressor takes either. */
void lz4_break_checksum(uint8_t *frame, size_t size);

#endif
