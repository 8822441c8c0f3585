/* SPDX-License-Identifier: Apache-2.0
 * See records.h: the heads of batches, what is patched in them, and the check of one. The records within are cursor.c's.
 */
#include "wire/records.h"

#include "base/crc32c.h"
#include "base/reader.h"
#include "base/writer.h"
#include "wire/cursor_int.h"

enum {
    LEGACY_OVERHEAD = 14, /* the least length of a message of any format */
    LEGACY_HEAD = 17,     /* up to the magic byte */
};

bool batch_head_read(struct bytes_view bytes, struct batch_head *head)
{
    struct reader r;

    if (bytes.size < BATCH_OVERHEAD)
        return false;
    reader_init(&r, bytes.data, BATCH_OVERHEAD);
    head->base_offset = reader_i64(&r);
    head->length = reader_i32(&r);
    head->leader_epoch = reader_i32(&r);
    head->magic = reader_i8(&r);
    head->crc = reader_u32(&r);
    head->attributes = reader_i16(&r);
    head->last_offset_delta = reader_i32(&r);
    head->base_timestamp = reader_i64(&r);
    head->max_timestamp = reader_i64(&r);
    head->producer_id = reader_i64(&r);
    head->producer_epoch = reader_i16(&r);
    head->base_sequence = reader_i32(&r);
    head->count = reader_i32(&r);
    return true;
}

void batch_set_base_offset(uint8_t *batch, int64_t base_offset)
{
    struct writer w;

    writer_init(&w, batch, 8);
    writer_i64(&w, base_offset);
}

void batch_set_leader_epoch(uint8_t *batch, int32_t leader_epoch)
{
    struct writer w;

    writer_init(&w, batch + BATCH_EPOCH_AT, 4);
    writer_i32(&w, leader_epoch);
}

static void set_time(uint8_t *batch, size_t size, uint8_t type, int64_t max_timestamp)
{
    uint8_t *attributes = batch + BATCH_ATTRIBUTES_AT + 1; /* the low byte */
    struct writer w;

    ASSERT(size >= BATCH_OVERHEAD);
    *attributes = (uint8_t)((*attributes & ~BATCH_LOG_APPEND_TIME) | type);
    writer_init(&w, batch + BATCH_MAX_TIMESTAMP_AT, 8);
    writer_i64(&w, max_timestamp);
    writer_init(&w, batch + BATCH_CRC_AT, 4);
    writer_u32(&w, crc32c(batch + BATCH_ATTRIBUTES_AT, size - BATCH_ATTRIBUTES_AT));
}

void batch_set_create_time(uint8_t *batch, size_t size, int64_t max_timestamp)
{
    set_time(batch, size, 0, max_timestamp);
}

void batch_set_append_time(uint8_t *batch, size_t size, int64_t wall_ms)
{
    set_time(batch, size, BATCH_LOG_APPEND_TIME, wall_ms);
}

enum status batch_check_crc(struct bytes_view bytes, size_t *size)
{
    struct batch_head head;

    if (!batch_head_read(bytes, &head) || head.length < BATCH_OVERHEAD - BATCH_PREFIX || batch_size(&head) > bytes.size ||
        head.magic != 2 || head.crc != crc32c(bytes.data + BATCH_ATTRIBUTES_AT, batch_size(&head) - BATCH_ATTRIBUTES_AT))
        return STATUS_CORRUPT_MESSAGE;
    *size = batch_size(&head);
    return STATUS_OK;
}

/* The record: size, attributes, timestamp and offset deltas, then key and value, each with its size. */
bool batch_marker_read(struct bytes_view batch, struct batch_marker *marker)
{
    struct batch_head head;
    struct reader r;

    *marker = (struct batch_marker){.type = -1, .coordinator_epoch = -1};
    if (!batch_head_read(batch, &head) || !(head.attributes & BATCH_CONTROL) || head.attributes & BATCH_COMPRESSION_MASK)
        return false;
    if (!head.count)
        return true;
    reader_init(&r, batch.data + BATCH_OVERHEAD, batch.size - BATCH_OVERHEAD);
    (void)reader_varint(&r);
    (void)reader_i8(&r);
    (void)reader_varlong(&r);
    (void)reader_varint(&r);
    (void)reader_varint(&r);
    (void)reader_i16(&r); /* version */
    marker->type = reader_i16(&r);
    if (marker->type != MARKER_ABORT && marker->type != MARKER_COMMIT) {
        marker->type = -1;
        return !r.bad;
    }
    (void)reader_varint(&r);
    (void)reader_i16(&r);
    marker->coordinator_epoch = reader_i32(&r);
    return !r.bad;
}

static enum status reject(struct batch_record_error *error, enum status status, int32_t index, const char *message)
{
    *error = (struct batch_record_error){index, message};
    return status;
}

/* A batch, all of it. As Kafka's input stream finds it: no complete batch is no batch. */
static enum status check_frame(struct bytes_view bytes, struct batch_head *head, struct batch_record_error *error)
{
    struct reader r;
    int32_t length;
    int8_t magic;

    if (bytes.size < LEGACY_HEAD)
        return reject(error, STATUS_INVALID_RECORD, -1, "There must be a record batch");
    reader_init(&r, bytes.data + BATCH_LENGTH_AT, LEGACY_HEAD - BATCH_LENGTH_AT);
    length = reader_i32(&r);
    magic = (int8_t)bytes.data[BATCH_MAGIC_AT];
    if (length < LEGACY_OVERHEAD || magic < 0 || magic > 2)
        return reject(error, STATUS_CORRUPT_MESSAGE, -1, "The batch has an impossible length or magic");
    if ((size_t)length + BATCH_PREFIX > bytes.size)
        return reject(error, STATUS_INVALID_RECORD, -1, "The record batch is longer than the bytes that were sent");
    if (magic != 2)
        return reject(error, STATUS_INVALID_RECORD, -1, "Only record batches with magic version 2 are allowed");
    if (length < BATCH_OVERHEAD - BATCH_PREFIX || !batch_head_read(bytes, head))
        return reject(error, STATUS_CORRUPT_MESSAGE, -1, "The batch is shorter than its head");
    return STATUS_OK;
}

static enum status check_head(const struct batch_head *head, const struct batch_rules *rules, struct batch_record_error *error)
{
    const char *wrong = NULL;

    if (rules->from_client && head->attributes & BATCH_TRANSACTIONAL)
        return reject(error, STATUS_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, -1, "Transactional records need an open transaction");
    if ((head->attributes & BATCH_COMPRESSION_MASK) >= COMPRESSION_COUNT)
        return reject(error, STATUS_UNSUPPORTED_COMPRESSION_TYPE, -1, "The batch has an unknown compression type");
    if (head->last_offset_delta < 0)
        wrong = "The batch has an invalid offset range";
    else if (head->count <= 0)
        wrong = "The batch has an invalid record count";
    else if (head->last_offset_delta != head->count - 1)
        wrong = "The batch has an offset range and a record count that contradict each other";
    else if (rules->from_client && head->attributes & BATCH_CONTROL)
        wrong = "Clients are not allowed to write control records";
    else if (rules->from_client && head->producer_id >= 0 && head->base_sequence < 0)
        wrong = "The batch has a producer id and a negative sequence number";
    if (wrong)
        return reject(error, STATUS_INVALID_RECORD, -1, wrong);
    if (rules->from_client && head->attributes & BATCH_LOG_APPEND_TIME && (rules->append_time || head->max_timestamp == -1))
        return reject(error, STATUS_INVALID_TIMESTAMP, 0, "Producers must not set the timestamp type to LogAppendTime");
    return STATUS_OK;
}

static bool timestamp_allowed(int64_t timestamp, const struct batch_rules *rules)
{
    int64_t age;

    if (rules->append_time || timestamp == -1)
        return true;
    if (__builtin_sub_overflow(rules->now_ms, timestamp, &age))
        age = timestamp < 0 ? INT64_MAX : -INT64_MAX;
    return age <= rules->timestamp_before_max_ms && -age <= rules->timestamp_after_max_ms;
}

/* What the rules say of one record. */
static enum status check_record(const struct record *record, int32_t index, const struct batch_rules *rules, struct batch_record_error *error)
{
    if (rules->compacted && !record->key.data)
        return reject(error, STATUS_INVALID_RECORD, index, "A compacted topic cannot accept a record without a key");
    if (!timestamp_allowed(record->timestamp, rules))
        return reject(error, STATUS_INVALID_TIMESTAMP, index, "The timestamp of the record is out of the allowed range");
    return STATUS_OK;
}

static enum status check_records(struct record_cursor *c, const struct batch_rules *rules, struct batch_facts *facts,
                                 struct batch_record_error *error)
{
    struct record record;

    facts->max_timestamp = INT64_MIN;
    for (int32_t i = 0; i < c->head.count; i++) {
        enum status status = cursor__step(c, &record);

        if (status)
            return reject(error, status, -1, c->why);
        if (c->offset_delta != i)
            return reject(error, STATUS_INVALID_RECORD, -1, "The offsets of the records in the batch must be consecutive");
        status = check_record(&record, i, rules, error);
        if (status)
            return status;
        if (record.timestamp > facts->max_timestamp) {
            facts->max_timestamp = record.timestamp;
            facts->max_timestamp_offset_delta = i;
        }
    }
    facts->records_size = c->consumed;
    if (cursor__end(c))
        return reject(error, c->status, -1, c->why);
    return STATUS_OK;
}

enum status batch_check(struct bytes_view bytes, const struct batch_rules *rules, struct batch_facts *facts,
                        struct batch_record_error *error)
{
    struct record_cursor c;
    enum status status;

    *facts = (struct batch_facts){.size = bytes.size};
    status = check_frame(bytes, &facts->head, error);
    if (status)
        return status;
    if (rules->from_client && facts->head.base_offset != 0)
        return reject(error, STATUS_INVALID_RECORD, -1, "The base offset of a produced batch must be 0");
    if (facts->head.crc != crc32c(bytes.data + BATCH_ATTRIBUTES_AT, batch_size(&facts->head) - BATCH_ATTRIBUTES_AT))
        return reject(error, STATUS_CORRUPT_MESSAGE, -1, "The batch does not match its checksum");
    if (batch_size(&facts->head) != bytes.size)
        return reject(error, STATUS_INVALID_RECORD, -1, "There must be exactly one record batch");
    status = check_head(&facts->head, rules, error);
    if (status)
        return status;
    status = cursor__open(&c, bytes, &facts->head, rules->decompressed_max, false);
    if (status) {
        status = reject(error, status, -1, "The records do not decompress");
    } else {
        status = check_records(&c, rules, facts, error);
        cursor__close(&c);
    }
    /* The checksum held: the records were sent like this, and sending them again would not help. */
    if (status == STATUS_CORRUPT_MESSAGE)
        return STATUS_INVALID_RECORD;
    if (status == STATUS_MESSAGE_TOO_LARGE)
        error->message = "The records decompress to more bytes than the topic allows";
    return status;
}

enum status batch_record_errors(struct bytes_view bytes, const struct batch_rules *rules, struct arena *arena,
                                struct batch_record_error **errors, int32_t *count)
{
    struct batch_head head;
    struct record_cursor c;
    struct record record;
    enum status status = STATUS_CORRUPT_MESSAGE;

    *count = 0;
    if (batch_head_read(bytes, &head))
        status = cursor__open(&c, bytes, &head, rules->decompressed_max, false);
    if (status)
        return status;
    *errors = head.count > 0 ? arena_alloc(arena, (size_t)head.count, sizeof **errors) : NULL;
    status = *errors ? STATUS_OK : STATUS_NO_MEMORY;
    for (int32_t i = 0; status == STATUS_OK && i < head.count && cursor__step(&c, &record) == STATUS_OK; i++)
        if (check_record(&record, i, rules, &(*errors)[*count]))
            ++*count;
    cursor__close(&c);
    return status;
}
