/* SPDX-License-Identifier: Apache-2.0
 * See compress.h. One row of `codecs` per codec: open, read, close, bound, compress; everything else asks the table.
 *
 * Snappy's xerial framing (what Java's snappy writes): 8 bytes 0x82 "SNAPPY" 0, i32 version, i32 least compatible version, then blocks
 * of i32 size and raw snappy; the header may come again between blocks. Without the first 8 bytes the whole input is one
 * raw block, as C and Go clients send.
 */
#include "wire/compress.h"

#include <limits.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"

enum {
    SNAPPY_HEADER = 16,
    SNAPPY_BLOCK = 32 << 10, /* as snappy-java */
    SNAPPY_RATIO_MAX = 32,   /* a copy makes at most 64 bytes of 3 */
    LZ4_MAGIC_SIZE = 4,
    DECOMPRESS_ALL_FIRST = 64 << 10,
    LZ4_LEVEL_FAST = 9,      /* Kafka's default level stands for the fast compressor */
};

static const uint8_t snappy_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

struct decompressor {
    const struct codec *codec;
    struct reader in;
    size_t output_left;
    union {
        struct {
            z_stream stream;
            bool member_done;
        } gzip;
        struct {
            uint8_t *block; /* decompressed; grows to the largest */
            size_t capacity, size, at;
            bool framed;
        } snappy;
        struct {
            LZ4F_dctx *context;
            bool done;
        } lz4;
        struct {
            ZSTD_DCtx *context;
            bool frame_done;
        } zstd;
    };
};

struct codec {
    int level_default, level_min, level_max;
    enum status (*open)(struct decompressor *d);
    enum status (*read)(struct decompressor *d, uint8_t *out, size_t size, size_t *produced);
    void (*close)(struct decompressor *d);
    size_t (*bound)(size_t size);
    enum status (*compress)(int level, struct bytes_view in, uint8_t *out, size_t out_size, size_t *produced);
};

/* The library counts in 32 bits. */
static unsigned uint_clamp(size_t n)
{
    return n > UINT_MAX ? UINT_MAX : (unsigned)n;
}

static enum status gzip_open(struct decompressor *d)
{
    return inflateInit2(&d->gzip.stream, 15 + 16) == Z_OK ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status gzip_read(struct decompressor *d, uint8_t *out, size_t size, size_t *produced)
{
    z_stream *z = &d->gzip.stream;

    for (;;) {
        unsigned in = uint_clamp(d->in.left), room = uint_clamp(size);
        int result;

        if (d->gzip.member_done && in == 0)
            return STATUS_OK;
        if (d->gzip.member_done && inflateReset(z) != Z_OK) /* members may follow each other */
            return STATUS_CORRUPT_MESSAGE;
        z->next_in = (z_const Bytef *)(uintptr_t)d->in.at;
        z->avail_in = in;
        z->next_out = out;
        z->avail_out = room;
        result = inflate(z, Z_NO_FLUSH);
        if (result == Z_MEM_ERROR)
            return STATUS_NO_MEMORY;
        if (result != Z_OK && result != Z_STREAM_END)
            return STATUS_CORRUPT_MESSAGE;
        reader_take(&d->in, in - z->avail_in);
        d->gzip.member_done = result == Z_STREAM_END;
        *produced = room - z->avail_out;
        if (*produced)
            return STATUS_OK;
    }
}

static void gzip_close(struct decompressor *d)
{
    inflateEnd(&d->gzip.stream);
}

static size_t gzip_bound(size_t size)
{
    return compressBound(size) + 18; /* a gzip header is longer than zlib's */
}

static enum status gzip_compress(int level, struct bytes_view in, uint8_t *out, size_t out_size, size_t *produced)
{
    z_stream z = {0};
    int result;

    if (in.size > UINT_MAX || out_size > UINT_MAX)
        return STATUS_MESSAGE_TOO_LARGE;
    if (deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return STATUS_NO_MEMORY;
    z.next_in = (z_const Bytef *)(uintptr_t)in.data;
    z.avail_in = (unsigned)in.size;
    z.next_out = out;
    z.avail_out = (unsigned)out_size;
    result = deflate(&z, Z_FINISH);
    *produced = out_size - z.avail_out;
    deflateEnd(&z);
    ASSERT(result == Z_STREAM_END);
    return STATUS_OK;
}

/* Steps over a xerial header when one is there. */
static bool snappy_header(struct reader *in)
{
    if (in->left < SNAPPY_HEADER || memcmp(in->at, snappy_magic, sizeof snappy_magic) != 0)
        return false;
    reader_take(in, SNAPPY_HEADER);
    return true;
}

static enum status snappy_open(struct decompressor *d)
{
    d->snappy.framed = snappy_header(&d->in);
    return STATUS_OK;
}

static enum status snappy_block(struct decompressor *d, const uint8_t *in, size_t in_size)
{
    size_t size;

    if (snappy_uncompressed_length((const char *)in, in_size, &size) != SNAPPY_OK || size / SNAPPY_RATIO_MAX > in_size)
        return STATUS_CORRUPT_MESSAGE;
    if (size > d->output_left)
        return STATUS_MESSAGE_TOO_LARGE;
    if (size > d->snappy.capacity) {
        uint8_t *block = mem_resize(d->snappy.block, size, 1);

        if (!block)
            return STATUS_NO_MEMORY;
        d->snappy.block = block;
        d->snappy.capacity = size;
    }
    if (snappy_uncompress((const char *)in, in_size, (char *)d->snappy.block, &size) != SNAPPY_OK)
        return STATUS_CORRUPT_MESSAGE;
    d->snappy.at = 0;
    d->snappy.size = size;
    return STATUS_OK;
}

static enum status snappy_read(struct decompressor *d, uint8_t *out, size_t size, size_t *produced)
{
    while (d->snappy.at == d->snappy.size && d->in.left) {
        const uint8_t *block;
        size_t block_size = d->in.left;
        enum status status;

        if (d->snappy.framed) {
            int32_t framed_size;

            if (snappy_header(&d->in))
                continue;
            framed_size = reader_i32(&d->in);
            if (framed_size < 0)
                return STATUS_CORRUPT_MESSAGE;
            block_size = (size_t)framed_size;
        }
        block = reader_take(&d->in, block_size);
        if (!block)
            return STATUS_CORRUPT_MESSAGE;
        status = snappy_block(d, block, block_size);
        if (status)
            return status;
    }
    if (d->in.bad)
        return STATUS_CORRUPT_MESSAGE;
    *produced = d->snappy.size - d->snappy.at < size ? d->snappy.size - d->snappy.at : size;
    if (*produced)
        memcpy(out, d->snappy.block + d->snappy.at, *produced);
    d->snappy.at += *produced;
    return STATUS_OK;
}

static void snappy_close(struct decompressor *d)
{
    mem_free(d->snappy.block);
}

static size_t snappy_bound(size_t size)
{
    size_t blocks = size / SNAPPY_BLOCK + 1;

    return SNAPPY_HEADER + blocks * (4 + snappy_max_compressed_length(SNAPPY_BLOCK));
}

static enum status snappy_compress_framed(int level, struct bytes_view in, uint8_t *out, size_t out_size, size_t *produced)
{
    struct writer w;

    writer_init(&w, out, out_size);
    writer_raw(&w, snappy_magic, sizeof snappy_magic);
    writer_i32(&w, 1);
    writer_i32(&w, 1);
    for (size_t at = 0; at < in.size; at += SNAPPY_BLOCK) {
        size_t block = in.size - at < SNAPPY_BLOCK ? in.size - at : SNAPPY_BLOCK;
        size_t size = snappy_max_compressed_length(block);
        uint8_t *size_at = writer_skip(&w, 4);
        struct writer size_writer;
        snappy_status result;

        ASSERT(size <= (size_t)(w.end - w.at));
        result = snappy_compress((const char *)in.data + at, block, (char *)w.at, &size);
        ASSERT(result == SNAPPY_OK);
        writer_init(&size_writer, size_at, 4);
        writer_i32(&size_writer, (int32_t)size);
        writer_skip(&w, size);
    }
    *produced = writer_size(&w);
    return STATUS_OK;
}

/* xxHash32 of fewer than 16 bytes, seed 0: the checksum of frame headers, which liblz4 keeps to itself. */
static uint32_t xxh32_short(const uint8_t *bytes, size_t size)
{
    const uint32_t p1 = 2654435761u, p2 = 2246822519u, p3 = 3266489917u, p4 = 668265263u, p5 = 374761393u;
    uint32_t h = p5 + (uint32_t)size;
    size_t at = 0;

    for (; at + 4 <= size; at += 4) {
        uint32_t word;

        memcpy(&word, bytes + at, 4);
        h += word * p3;
        h = (h << 17 | h >> 15) * p4;
    }
    for (; at < size; at++) {
        h += bytes[at] * p5;
        h = (h << 11 | h >> 21) * p1;
    }
    h = (h ^ h >> 15) * p2;
    h = (h ^ h >> 13) * p3;
    return h ^ h >> 16;
}

void lz4_break_checksum(uint8_t *frame, size_t size)
{
    ASSERT(size > LZ4_MAGIC_SIZE + 2 && !(frame[LZ4_MAGIC_SIZE] & 0x09)); /* no content size, no dictionary */
    frame[LZ4_MAGIC_SIZE + 2] = (uint8_t)(xxh32_short(frame, LZ4_MAGIC_SIZE + 2) >> 8);
}

/* The header is parsed from a copy with the right checksum, so that frames with Kafka's old one pass: the batch's CRC protects it. */
static enum status lz4_open(struct decompressor *d)
{
    size_t size = LZ4F_headerSize(d->in.at, d->in.left), consumed;
    uint8_t header[LZ4F_HEADER_SIZE_MAX];
    LZ4F_frameInfo_t info;

    if (LZ4F_isError(size) || size > d->in.left || size > sizeof header || size < LZ4F_HEADER_SIZE_MIN)
        return STATUS_CORRUPT_MESSAGE;
    memcpy(header, d->in.at, size);
    header[size - 1] = (uint8_t)(xxh32_short(header + LZ4_MAGIC_SIZE, size - LZ4_MAGIC_SIZE - 1) >> 8);
    if (LZ4F_isError(LZ4F_createDecompressionContext(&d->lz4.context, LZ4F_VERSION)))
        return STATUS_NO_MEMORY;
    consumed = size;
    if (LZ4F_isError(LZ4F_getFrameInfo(d->lz4.context, &info, header, &consumed)) || consumed != size)
        return STATUS_CORRUPT_MESSAGE;
    reader_take(&d->in, size);
    return info.blockMode == LZ4F_blockIndependent && info.frameType == LZ4F_frame ? STATUS_OK
                                                                                  : STATUS_CORRUPT_MESSAGE;
}

static enum status lz4_read(struct decompressor *d, uint8_t *out, size_t size, size_t *produced)
{
    while (!d->lz4.done) {
        size_t in = d->in.left, room = size;
        size_t hint = LZ4F_decompress(d->lz4.context, out, &room, d->in.at, &in, NULL);

        if (LZ4F_isError(hint))
            return STATUS_CORRUPT_MESSAGE;
        if (in == 0 && room == 0 && hint != 0) /* it wants bytes that are not there */
            return STATUS_CORRUPT_MESSAGE;
        reader_take(&d->in, in);
        d->lz4.done = hint == 0;
        *produced = room;
        if (room)
            return STATUS_OK;
    }
    return d->in.left ? STATUS_CORRUPT_MESSAGE : STATUS_OK;
}

static void lz4_close(struct decompressor *d)
{
    LZ4F_freeDecompressionContext(d->lz4.context);
}

static LZ4F_preferences_t lz4_preferences(int level)
{
    return (LZ4F_preferences_t){
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = level == LZ4_LEVEL_FAST ? 0 : level,
    };
}

static size_t lz4_bound(size_t size)
{
    LZ4F_preferences_t preferences = lz4_preferences(LZ4_LEVEL_FAST);

    return LZ4F_compressFrameBound(size, &preferences);
}

static enum status lz4_compress(int level, struct bytes_view in, uint8_t *out, size_t out_size, size_t *produced)
{
    LZ4F_preferences_t preferences = lz4_preferences(level);
    /* The one-shot call shrinks the block size to the input, as it wants: readers follow the header. */
    size_t size = LZ4F_compressFrame(out, out_size, in.data, in.size, &preferences);

    if (LZ4F_isError(size))
        return STATUS_NO_MEMORY;
    *produced = size;
    return STATUS_OK;
}

static enum status zstd_open(struct decompressor *d)
{
    d->zstd.context = ZSTD_createDCtx();
    if (!d->zstd.context)
        return STATUS_NO_MEMORY;
    return ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd.context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX))
               ? STATUS_UNKNOWN_SERVER_ERROR
               : STATUS_OK;
}

static enum status zstd_read(struct decompressor *d, uint8_t *out, size_t size, size_t *produced)
{
    for (;;) {
        ZSTD_inBuffer in = {d->in.at, d->in.left, 0};
        ZSTD_outBuffer room = {out, size, 0};
        size_t hint;

        if (in.size == 0 && d->zstd.frame_done)
            return STATUS_OK;
        hint = ZSTD_decompressStream(d->zstd.context, &room, &in);
        if (ZSTD_isError(hint))
            return STATUS_CORRUPT_MESSAGE;
        if (in.pos == 0 && room.pos == 0)
            return STATUS_CORRUPT_MESSAGE;
        reader_take(&d->in, in.pos);
        d->zstd.frame_done = hint == 0;
        *produced = room.pos;
        if (room.pos)
            return STATUS_OK;
    }
}

static void zstd_close(struct decompressor *d)
{
    ZSTD_freeDCtx(d->zstd.context);
}

static size_t zstd_bound(size_t size)
{
    return ZSTD_compressBound(size);
}

static enum status zstd_compress(int level, struct bytes_view in, uint8_t *out, size_t out_size, size_t *produced)
{
    size_t size = ZSTD_compress(out, out_size, in.data, in.size, level);

    if (ZSTD_isError(size))
        return STATUS_NO_MEMORY;
    *produced = size;
    return STATUS_OK;
}

static const struct codec codecs[COMPRESSION_COUNT] = {
    [COMPRESSION_GZIP] = {Z_DEFAULT_COMPRESSION, Z_DEFAULT_COMPRESSION, 9, gzip_open, gzip_read, gzip_close, gzip_bound, gzip_compress},
    [COMPRESSION_SNAPPY] = {0, 0, 0, snappy_open, snappy_read, snappy_close, snappy_bound, snappy_compress_framed},
    [COMPRESSION_LZ4] = {LZ4_LEVEL_FAST, 1, 12, lz4_open, lz4_read, lz4_close, lz4_bound, lz4_compress},
    [COMPRESSION_ZSTD] = {3, -131072, 22, zstd_open, zstd_read, zstd_close, zstd_bound, zstd_compress},
};

static const struct codec *codec_of(enum compression codec)
{
    ASSERT(codec > COMPRESSION_NONE && codec < COMPRESSION_COUNT);
    return &codecs[codec];
}

enum status decompressor_open(struct decompressor **out, enum compression codec, struct bytes_view in, size_t output_max)
{
    struct decompressor *d = mem_alloc(1, sizeof *d);
    enum status status;

    *out = NULL;
    if (!d)
        return STATUS_NO_MEMORY;
    d->codec = codec_of(codec);
    d->output_left = output_max;
    reader_init(&d->in, in.data, in.size);
    status = d->codec->open(d);
    if (status) {
        decompressor_close(d);
        return status;
    }
    *out = d;
    return STATUS_OK;
}

enum status decompressor_read(struct decompressor *d, uint8_t *out, size_t size, size_t *produced)
{
    enum status status;

    ASSERT(size > 0);
    *produced = 0;
    status = d->codec->read(d, out, size, produced);
    if (!status && *produced > d->output_left)
        status = STATUS_MESSAGE_TOO_LARGE;
    if (status) {
        *produced = 0;
        return status;
    }
    d->output_left -= *produced;
    return STATUS_OK;
}

void decompressor_close(struct decompressor *d)
{
    if (d)
        d->codec->close(d);
    mem_free(d);
}

enum status decompress_all(enum compression codec, struct bytes_view in, size_t output_max, uint8_t **out, size_t *out_size)
{
    struct decompressor *d;
    uint8_t *block = NULL;
    size_t size = 0, capacity = 0, produced;
    enum status status = decompressor_open(&d, codec, in, output_max);

    if (status)
        return status;
    do {
        if (size == capacity) {
            size_t larger = capacity ? 2 * capacity : DECOMPRESS_ALL_FIRST;
            uint8_t *resized = mem_resize(block, larger, 1);

            if (!resized) {
                status = STATUS_NO_MEMORY;
                break;
            }
            block = resized;
            capacity = larger;
        }
        status = decompressor_read(d, block + size, capacity - size, &produced);
        size += produced;
    } while (!status && produced);
    decompressor_close(d);
    if (status) {
        mem_free(block);
        return status;
    }
    *out = block;
    *out_size = size;
    return STATUS_OK;
}

int compression_level_default(enum compression codec)
{
    return codec == COMPRESSION_NONE ? 0 : codec_of(codec)->level_default;
}

size_t compression_bound(enum compression codec, size_t size)
{
    return codec_of(codec)->bound(size);
}

enum status compress_bytes(enum compression codec, int level, struct bytes_view in, uint8_t *out, size_t out_size, size_t *produced)
{
    const struct codec *c = codec_of(codec);

    ASSERT(out_size >= c->bound(in.size));
    level = level < c->level_min ? c->level_min : level > c->level_max ? c->level_max : level;
    return c->compress(level, in, out, out_size, produced);
}
