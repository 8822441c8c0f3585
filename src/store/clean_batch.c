/* SPDX-License-Identifier: Apache-2.0
 * See clean_batch.h. The rules are those of Kafka's Cleaner and MemoryRecords.filterTo. */
#include "store/clean_batch.h"

#include "base/assert.h"
#include "base/bug.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/writer.h"

enum {
    DECOMPRESSED_MAX = INT32_MAX - BATCH_OVERHEAD,
    ARENA_MAX = INT32_MAX, /* a plain batch and a cursor */
    REWRITE_SPARE = 16,    /* bytes that a record may grow: its timestamp is counted from elsewhere */
    OUT_FIRST = 64 << 10,
    KEEP_FIRST = 256,
};

void clean_out_free(struct clean_out *out)
{
    mem_free(out->bytes);
    mem_free(out->keep);
    *out = (struct clean_out){0};
}

/* Room for `size` bytes behind what is there. */
static enum status out_room(struct clean_out *out, size_t size, struct err *err)
{
    size_t capacity = out->capacity ? out->capacity : OUT_FIRST;
    uint8_t *bytes;

    if (size <= out->capacity - out->size)
        return STATUS_OK;
    while (capacity - out->size < size)
        capacity *= 2;
    bytes = mem_resize(out->bytes, capacity, 1);
    if (!bytes)
        return err_set(err, STATUS_NO_MEMORY, "no memory for %zu bytes", capacity);
    out->bytes = bytes;
    out->capacity = capacity;
    return STATUS_OK;
}

/* Room to judge the record `at`. */
static enum status out_keep_room(struct clean_out *out, size_t at, struct err *err)
{
    size_t capacity = at ? 2 * at : KEEP_FIRST;
    uint8_t *keep;

    if (at < out->keep_capacity)
        return STATUS_OK;
    keep = mem_resize(out->keep, capacity, 1);
    if (!keep)
        return err_set(err, STATUS_NO_MEMORY, "no memory for %zu records", capacity);
    out->keep = keep;
    out->keep_capacity = capacity;
    return STATUS_OK;
}

static enum status out_whole(struct clean_out *out, struct bytes_view batch, struct err *err)
{
    if (out_room(out, batch.size, err))
        return err->status;
    memcpy(out->bytes + out->size, batch.data, batch.size);
    out->size += batch.size;
    return STATUS_OK;
}

static enum status bad_records(const struct batch_head *head, enum status status, struct err *err)
{
    return err_set(err, status == STATUS_NO_MEMORY ? status : STATUS_CORRUPT, "the records at offset %lld do not read: %s", (long long)head->base_offset, status_name(status));
}

/* The next record, which lies in its batch. */
static enum status next_record(struct record_cursor *cursor, const struct batch_head *head, struct record *record, bool *more, struct err *err)
{
    enum status status = record_next(cursor, record, more);

    if (!status && *more && (record->offset < head->base_offset || record->offset > batch_last_offset(head)))
        status = STATUS_CORRUPT_MESSAGE;
    return status ? bad_records(head, status, err) : STATUS_OK;
}

/* --- judging --------------------------------------------------------------------------------------------------------------- */

struct verdict {
    bool gone;         /* the whole batch, by its transaction */
    bool spent_marker; /* nothing is left that it marks */
    bool stays;        /* as an empty one, when no record does */
    size_t count, kept;
    bool tombstones;   /* among the kept */
};

static const struct clean_producer *producer_find(const struct clean_rules *rules, int64_t id)
{
    size_t low = 0, high = rules->producers_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rules->producers[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < rules->producers_count && rules->producers[low].id == id ? &rules->producers[low] : NULL;
}

/* A batch that may be sent again, or by which its producer's next sequence is known. */
static bool recent_of_producer(const struct clean_rules *rules, const struct batch_head *head)
{
    const struct clean_producer *producer = head->producer_id >= 0 ? producer_find(rules, head->producer_id) : NULL;

    if (!producer)
        return false;
    if (producer->recent >= 0)
        return !(head->attributes & BATCH_CONTROL) && batch_last_offset(head) >= producer->recent;
    return head->attributes & BATCH_CONTROL && head->producer_epoch == producer->epoch;
}

static bool horizon_passed(const struct clean_rules *rules, const struct batch_head *head)
{
    return head->attributes & BATCH_DELETE_HORIZON && head->base_timestamp <= rules->now_ms;
}

static bool record_stays(const struct clean_rules *rules, const struct batch_head *head, const struct record *record, struct clean_out *out)
{
    if (head->attributes & BATCH_CONTROL || record->offset >= rules->mapped)
        return true;
    if (!record->key.data) {
        out->nameless++;
        return false;
    }
    return record->offset >= keymap_get(rules->keys, record->key) && (record->value.data || !horizon_passed(rules, head));
}

static enum status read_marker(const struct batch_head *head, struct bytes_view batch, struct batch_marker *marker, struct err *err)
{
    return batch_marker_read(batch, marker) ? STATUS_OK : bad_records(head, STATUS_CORRUPT_MESSAGE, err);
}

static enum status judge_marker(struct clean_txns *txns, const struct clean_rules *rules, const struct batch_head *head, struct bytes_view batch, struct verdict *v,
                                struct err *err)
{
    struct batch_marker marker;

    if (read_marker(head, batch, &marker, err) || clean_txns_marker(txns, head, &marker, &v->spent_marker, err))
        return err->status;
    v->gone = v->spent_marker && horizon_passed(rules, head);
    return STATUS_OK;
}

static enum status judge_records(const struct clean_rules *rules, const struct batch_head *head, struct record_cursor *cursor, struct verdict *v, struct clean_out *out,
                                 struct err *err)
{
    struct record record;
    bool more;
    enum status status;

    while (!(status = next_record(cursor, head, &record, &more, err)) && more) {
        bool stays = !v->gone && record_stays(rules, head, &record, out);
        if (out_keep_room(out, v->count, err))
            return err->status;
        out->keep[v->count++] = stays;
        v->kept += stays;
        v->tombstones |= stays && !record.value.data;
    }
    return status;
}

static struct record_cursor *cursor_on(struct arena *arena, struct bytes_view batch)
{
    return record_cursor_new(arena, batch, DECOMPRESSED_MAX);
}

/* Which records stay, in out->keep. */
static enum status judge(const struct clean_rules *rules, struct clean_txns *txns, const struct batch_head *head, struct bytes_view batch, struct arena *arena,
                         struct verdict *v, struct clean_out *out, struct err *err)
{
    struct record_cursor *cursor = cursor_on(arena, batch);
    enum status status = cursor ? STATUS_OK : bad_records(head, STATUS_NO_MEMORY, err);

    *v = (struct verdict){.stays = recent_of_producer(rules, head) || batch_last_offset(head) + 1 == rules->end};
    if (!status)
        status = head->attributes & BATCH_CONTROL ? judge_marker(txns, rules, head, batch, v, err) : clean_txns_batch(txns, head, &v->gone, err);
    if (!status)
        status = judge_records(rules, head, cursor, v, out, err);
    record_cursor_free(cursor);
    return status;
}

/* --- writing --------------------------------------------------------------------------------------------------------------- */

/* As Kafka's writeEmptyHeader. */
static enum status out_empty(const struct batch_head *head, struct clean_out *out, struct err *err)
{
    uint8_t *bytes;
    struct writer w;

    if (out_room(out, BATCH_OVERHEAD, err))
        return err->status;
    bytes = out->bytes + out->size;
    writer_init(&w, bytes, BATCH_OVERHEAD);
    writer_i64(&w, head->base_offset);
    writer_i32(&w, BATCH_OVERHEAD - BATCH_PREFIX);
    writer_i32(&w, head->leader_epoch);
    writer_i8(&w, 2);
    writer_skip(&w, 4);
    writer_i16(&w, head->attributes & (BATCH_LOG_APPEND_TIME | BATCH_TRANSACTIONAL | BATCH_CONTROL));
    writer_i32(&w, head->last_offset_delta);
    writer_i64(&w, -1);
    writer_i64(&w, head->max_timestamp);
    writer_i64(&w, head->producer_id);
    writer_i16(&w, head->producer_epoch);
    writer_i32(&w, head->base_sequence);
    writer_i32(&w, 0);
    writer_init(&w, bytes + BATCH_CRC_AT, 4);
    writer_u32(&w, crc32c(bytes + BATCH_ATTRIBUTES_AT, BATCH_OVERHEAD - BATCH_ATTRIBUTES_AT));
    out->size += BATCH_OVERHEAD;
    return STATUS_OK;
}

/* The kept records, uncompressed. *fits false: a timestamp is too far from the horizon to be counted from it. */
static enum status build(struct batch_builder *b, const struct batch_head *head, struct bytes_view plain, const struct clean_out *out, struct arena *arena, bool *fits,
                         struct err *err)
{
    struct record_cursor *cursor = cursor_on(arena, plain);
    enum status status = cursor ? STATUS_OK : bad_records(head, STATUS_NO_MEMORY, err);
    struct record record;
    int64_t delta;
    bool more;

    for (size_t i = 0; !status && *fits; i++) {
        status = next_record(cursor, head, &record, &more, err);
        if (status || !more)
            break;
        if (!out->keep[i])
            continue;
        *fits = (b->count == 0 && !b->based) || !__builtin_sub_overflow(record.timestamp, b->base_timestamp, &delta);
        if (*fits && (record.offset - head->base_offset <= b->last_offset_delta ||
                      !batch_builder_add(b, (int32_t)(record.offset - head->base_offset), record.timestamp, record.key, record.value, record.headers)))
            status = bad_records(head, STATUS_CORRUPT_MESSAGE, err);
    }
    record_cursor_free(cursor);
    return status;
}

/* The built batch in the codec that it came in. */
static enum status out_built(struct batch_builder *b, const struct batch_head *head, struct arena *arena, struct clean_out *out, struct err *err)
{
    enum compression codec = (enum compression)(head->attributes & BATCH_COMPRESSION_MASK);
    struct bytes_view built;
    enum status status;

    b->last_offset_delta = head->last_offset_delta;
    if (head->attributes & BATCH_LOG_APPEND_TIME)
        b->max_timestamp = head->max_timestamp;
    built = batch_builder_finish(b, head->base_offset, head->leader_epoch, head->producer_id, head->producer_epoch, head->base_sequence);
    if (codec == COMPRESSION_NONE)
        return out_whole(out, built, err);
    status = batch_recompress(built, codec, compression_level_default(codec), DECOMPRESSED_MAX, arena, &built);
    return status ? bad_records(head, status, err) : out_whole(out, built, err);
}

/* A sparse batch, or one with a new delete horizon. */
static enum status out_rewritten(const struct clean_rules *rules, const struct batch_head *head, struct bytes_view batch, struct bytes_view plain, bool new_horizon,
                                 size_t kept, struct arena *arena, struct clean_out *out, struct err *err)
{
    size_t room = plain.size + kept * REWRITE_SPARE;
    uint8_t *buffer = mem_alloc(room, 1);
    int16_t attributes = head->attributes & ~(BATCH_COMPRESSION_MASK | BATCH_DELETE_HORIZON);
    bool horizon = new_horizon || head->attributes & BATCH_DELETE_HORIZON, fits = true;
    struct batch_builder b;
    enum status status;

    if (!buffer)
        return err_set(err, STATUS_NO_MEMORY, "no memory for a batch of %zu bytes", room);
    batch_builder_init(&b, buffer, room, horizon ? attributes | BATCH_DELETE_HORIZON : attributes);
    if (horizon)
        batch_builder_set_base(&b, new_horizon ? (BUG(KAFKA_4545) ? head->max_timestamp : rules->now_ms) + rules->delete_retention_ms : head->base_timestamp);
    status = build(&b, head, plain, out, arena, &fits, err);
    if (!status)
        status = fits ? out_built(&b, head, arena, out, err) : out_whole(out, batch, err);
    mem_free(buffer);
    return status;
}

static enum status filter(const struct clean_rules *rules, struct clean_txns *txns, const struct batch_head *head, struct bytes_view batch, struct arena *arena,
                          struct clean_out *out, struct err *err)
{
    struct bytes_view plain = batch;
    struct verdict v;
    bool new_horizon;

    if (head->attributes & BATCH_COMPRESSION_MASK && head->count) {
        enum status status = batch_recompress(batch, COMPRESSION_NONE, 0, DECOMPRESSED_MAX, arena, &plain);
        if (status)
            return bad_records(head, status, err);
    }
    if (judge(rules, txns, head, plain, arena, &v, out, err))
        return err->status;
    out->records += v.count;
    out->kept += v.kept;
    if (!v.kept)
        return v.stays ? out_empty(head, out, err) : STATUS_OK;
    new_horizon = (v.tombstones || v.spent_marker) && !(head->attributes & BATCH_DELETE_HORIZON);
    if (v.kept == v.count && !new_horizon)
        return out_whole(out, batch, err);
    return out_rewritten(rules, head, batch, plain, new_horizon, v.kept, arena, out, err);
}

enum status clean_batch(const struct clean_rules *rules, struct clean_txns *txns, const struct batch_head *head, struct bytes_view batch, struct clean_out *out, struct err *err)
{
    struct arena arena;
    enum status status;

    arena_init(&arena, (size_t)2 * ARENA_MAX);
    status = filter(rules, txns, head, batch, &arena, out, err);
    arena_free(&arena);
    return status;
}

/* --- mapping --------------------------------------------------------------------------------------------------------------- */

static enum status map_records(struct keymap *keys, const struct batch_head *head, struct record_cursor *cursor, int64_t from, int64_t *mapped, bool *full, struct err *err)
{
    struct record record;
    bool more;
    enum status status;

    while (!(status = next_record(cursor, head, &record, &more, err)) && more) {
        if (record.offset < from)
            continue;
        if (record.key.data && !keymap_put(keys, record.key, record.offset)) {
            *full = true;
            return STATUS_OK;
        }
        *mapped = record.offset + 1;
    }
    return status;
}

static enum status map_marker(struct clean_txns *txns, const struct batch_head *head, struct bytes_view batch, struct err *err)
{
    struct batch_marker marker;
    bool ignored;

    return read_marker(head, batch, &marker, err) ? err->status : clean_txns_marker(txns, head, &marker, &ignored, err);
}

enum status clean_batch_map(struct keymap *keys, struct clean_txns *txns, const struct batch_head *head, struct bytes_view batch, int64_t from, int64_t *mapped, bool *full,
                            struct err *err)
{
    struct record_cursor *cursor;
    struct arena arena;
    bool aborted = false;
    enum status status;

    arena_init(&arena, ARENA_MAX);
    cursor = cursor_on(&arena, batch);
    if (!cursor)
        status = bad_records(head, STATUS_NO_MEMORY, err);
    else if (head->attributes & BATCH_CONTROL)
        status = map_marker(txns, head, batch, err);
    else
        status = clean_txns_batch(txns, head, &aborted, err);
    if (!status && !aborted && !(head->attributes & BATCH_CONTROL))
        status = map_records(keys, head, cursor, from, mapped, full, err);
    if (!status && !*full && batch_last_offset(head) >= *mapped)
        *mapped = batch_last_offset(head) + 1;
    record_cursor_free(cursor);
    arena_free(&arena);
    return status;
}
