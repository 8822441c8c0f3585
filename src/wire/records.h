/* SPDX-License-Identifier: Apache-2.0
 * Record batches, format v2 (magic 2, KIP-98): the unit that is produced, stored, served and replicated, byte for byte.
 *
 *   offset  bytes  field
 *        0      8  base offset            ┐ outside the CRC: the broker sets them
 *        8      4  batch length (after it)│ without recomputing it
 *       12      4  partition leader epoch ┘
 *       16      1  magic
 *       17      4  CRC-32C of everything from 21 on
 *       21      2  attributes: 0-2 compression, 3 timestamp type, 4 transactional, 5 control, 6 has a delete horizon
 *       23      4  last offset delta
 *       27      8  base timestamp (or the delete horizon)
 *       35      8  max timestamp
 *       43      8  producer id
 *       51      2  producer epoch
 *       53      4  base sequence
 *       57      4  record count
 *       61         records, compressed as one stream
 *
 * A record: varint length, i8 attributes, varlong timestamp delta, varint offset delta, varint key size and key, varint value
 * size and value (-1: null), varint header count, then per header key size, key, value size, value (KIP-82).
 *
 * Everything here works on bytes in place and takes no memory but where a function says so.
 */
#ifndef WIRE_RECORDS_H
#define WIRE_RECORDS_H

#include "base/arena.h"
#include "base/status.h"
#include "base/view.h"
#include "wire/compress.h"

#define BATCH_OVERHEAD 61   /* bytes of a batch before its records */
#define BATCH_PREFIX 12 /* base offset and length: the length counts what follows */
#define BATCH_LENGTH_AT 8
#define BATCH_EPOCH_AT 12
#define BATCH_MAGIC_AT 16
#define BATCH_CRC_AT 17
#define BATCH_ATTRIBUTES_AT 21 /* the CRC covers from here on */
#define BATCH_MAX_TIMESTAMP_AT 35

enum {
    BATCH_COMPRESSION_MASK = 7,
    BATCH_LOG_APPEND_TIME = 8,
    BATCH_TRANSACTIONAL = 16,
    BATCH_CONTROL = 32,
    BATCH_DELETE_HORIZON = 64,
};

/* The fixed head of a batch, in host order. */
struct batch_head {
    int64_t base_offset;
    int32_t length; /* as on the wire: total bytes minus BATCH_PREFIX */
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp, max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t count;
};

/* Reads the head of the batch that starts at `bytes`. False: fewer than BATCH_OVERHEAD bytes. Nothing is judged. */
bool batch_head_read(struct bytes_view bytes, struct batch_head *head) __attribute__((warn_unused_result));

static inline size_t batch_size(const struct batch_head *head) /* total bytes; the length was checked to be sane before */
{
    return (size_t)head->length + BATCH_PREFIX;
}

static inline int64_t batch_last_offset(const struct batch_head *head)
{
    return head->base_offset + head->last_offset_delta;
}

/* Patches in place what lies outside the CRC. */
void batch_set_base_offset(uint8_t *batch, int64_t base_offset);
void batch_set_leader_epoch(uint8_t *batch, int32_t leader_epoch);
/* Sets timestamp type LogAppendTime and the max timestamp, and computes the CRC anew. */
void batch_set_append_time(uint8_t *batch, size_t size, int64_t wall_ms);
/* Sets timestamp type CreateTime and the max timestamp: clients do send others than they mean, and Kafka mends them
 * (batch_facts.max_timestamp). Computes the CRC anew. */
void batch_set_create_time(uint8_t *batch, size_t size, int64_t max_timestamp);

/* What the topic demands of a batch, and what the check found. */
struct batch_rules {
    bool compacted;                     /* every record needs a key */
    bool from_client;                   /* control and transactional batches are refused */
    int64_t now_ms;                     /* wall time */
    int64_t timestamp_before_max_ms;    /* message.timestamp.before.max.ms; INT64_MAX: any */
    int64_t timestamp_after_max_ms;
    bool append_time;                   /* timestamps are not judged: they are replaced; clients must not say that they were */
    size_t decompressed_max;            /* most bytes that the records may decompress to */
};

struct batch_record_error { /* for ProduceResponse.RecordErrors: of the first record whose key or timestamp is refused */
    int32_t batch_index; /* index of the record in the batch; -1: the batch as a whole is bad */
    const char *message; /* static */
};

struct batch_facts {
    struct batch_head head;
    size_t size;                 /* total bytes */
    int64_t max_timestamp;       /* of the records: may differ from what the head says */
    int32_t max_timestamp_offset_delta; /* offset delta of the (first) record with it */
    size_t records_size;         /* decompressed */
};

/* Checks one whole batch: length, magic 2, CRC, attributes, counts, offset deltas 0..n-1, sizes, every record, timestamps, keys; exactly
 * `bytes.size` bytes. Compressed records are streamed through a window of some 64 KiB beside the codec's own, whatever they say of their
 * sizes. In the order and with the errors of Kafka's LogValidator: INVALID_RECORD, CORRUPT_MESSAGE, UNSUPPORTED_COMPRESSION_TYPE, INVALID_TIMESTAMP,
 * MESSAGE_TOO_LARGE (of the decompressed size; max.message.bytes is the caller's), NO_MEMORY. Fills *facts on success, *error on failure. */
enum status batch_check(struct bytes_view bytes, const struct batch_rules *rules, struct batch_facts *facts,
                        struct batch_record_error *error) MUST_CHECK;

/* All records of a batch whose key or timestamp batch_check refuses, in the arena; the check found the first. STATUS_NO_MEMORY. */
enum status batch_record_errors(struct bytes_view bytes, const struct batch_rules *rules, struct arena *arena,
                                struct batch_record_error **errors, int32_t *count) MUST_CHECK;

/* Length, magic and CRC only: what recovery asks of a batch on disk. `bytes` may be longer than the batch; *size gets its total. */
enum status batch_check_crc(struct bytes_view bytes, size_t *size) MUST_CHECK;

/* The end of a producer's transaction: the record of a control batch. */
enum { MARKER_ABORT = 0, MARKER_COMMIT = 1 };

struct batch_marker {
    int16_t type; /* -1: none of them */
    int32_t coordinator_epoch;
};

/* Of a whole control batch; of an empty one compaction has left but the head. false: it is no control batch, or does not read. */
bool batch_marker_read(struct bytes_view batch, struct batch_marker *marker) __attribute__((warn_unused_result));

/* Records one by one. Decompression is streamed: the memory is a window that grows to the largest record, and the codec's own. */
struct record {
    int64_t offset, timestamp;
    struct bytes_view key, value; /* data NULL: null; valid until the next call of record_next */
    struct bytes_view headers;    /* raw: count varint and headers */
    int32_t headers_count;
};

struct record_cursor; /* opaque */

/* NULL: no memory or the codec refused. The batch was checked (batch_check or batch_check_crc) before; more may follow it. */
struct record_cursor *record_cursor_new(struct arena *arena, struct bytes_view batch, size_t decompressed_max);
/* STATUS_OK and *more = false at the end; STATUS_CORRUPT_MESSAGE on bad bytes, MESSAGE_TOO_LARGE past decompressed_max. */
enum status record_next(struct record_cursor *cursor, struct record *record, bool *more) MUST_CHECK;
void record_cursor_free(struct record_cursor *cursor); /* what is not in the arena; NULL is allowed */

/* Builds one uncompressed batch (for internal topics, the metadata log, format conversion). */
struct batch_builder {
    uint8_t *bytes; /* caller's buffer */
    size_t size, capacity;
    int64_t base_timestamp, max_timestamp;
    int32_t count, last_offset_delta;
    int16_t attributes;
    bool based; /* the base timestamp was given */
};

void batch_builder_init(struct batch_builder *b, void *buffer, size_t capacity, int16_t attributes);
/* Before the first record: timestamps are counted from this one, a delete horizon perhaps (KIP-534). */
void batch_builder_set_base(struct batch_builder *b, int64_t base_timestamp);
/* Bytes that a record will take, so that a buffer can be sized; headers NULL-able raw view as in struct record. */
size_t batch_record_size(int32_t offset_delta, int64_t timestamp_delta, struct bytes_view key, struct bytes_view value, struct bytes_view headers);
/* False: it does not fit; nothing changed. The first record's timestamp is the base timestamp. offset_delta must grow. */
bool batch_builder_add(struct batch_builder *b, int32_t offset_delta, int64_t timestamp, struct bytes_view key,
                       struct bytes_view value, struct bytes_view headers) __attribute__((warn_unused_result));
/* Writes the head and the CRC; returns the whole batch. Producer id -1, epoch -1, sequence -1 for batches of no producer. */
struct bytes_view batch_builder_finish(struct batch_builder *b, int64_t base_offset, int32_t leader_epoch,
                                       int64_t producer_id, int16_t producer_epoch, int32_t base_sequence);

/* The same records under another codec (topic compression.type other than `producer`); level as in Kafka's
 * compression.*.level. The result is in the arena. */
enum status batch_recompress(struct bytes_view batch, enum compression to, int level, size_t decompressed_max,
                             struct arena *arena, struct bytes_view *out) MUST_CHECK;

#endif
