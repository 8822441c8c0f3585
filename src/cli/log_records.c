/* SPDX-License-Identifier: Apache-2.0
 * The records of a batch as rows. Those that brokers write for themselves are decoded by the schema: control records, and the records of the internal
 * topics, each of which has a way of its own to tell which message its bytes are.
 */
#include "base/arena.h"
#include "base/reader.h"
#include "cli/log_int.h"
#include "wire/apis.h"

enum { ARENA_MAX = 256 << 20, TEXT_MAX = 1 << 20 };

static void show(const struct cli_rows *rows, const char *field, const struct message *m, int16_t version, struct reader *r)
{
    struct arena arena;
    void *decoded;
    char *text;
    size_t size;

    if (!m || !message_has_version(m, version))
        return;
    arena_init(&arena, ARENA_MAX);
    decoded = arena_alloc(&arena, 1, m->size);
    if (decoded && !message_decode(m, r, version, &arena, decoded)) {
        size = message_print(m, version, decoded, NULL, 0);
        size = size < TEXT_MAX ? size : TEXT_MAX;
        text = arena_alloc(&arena, 1, size + 1);
        if (text) {
            (void)message_print(m, version, decoded, text, size + 1);
            cli__row_text(rows, field, (struct str_view){text, size});
        }
    }
    arena_free(&arena);
}

/* Coordinators: the key begins with its kind, the value with its version. */
static void show_keyed(const struct cli_rows *rows, enum message_kind key_kind, enum message_kind value_kind, const struct record *record)
{
    struct reader key, value;
    int16_t kind;

    reader_init(&key, record->key.data, record->key.size);
    kind = reader_i16(&key);
    if (key.bad)
        return;
    show(rows, "decoded_key", message_of(key_kind, kind), 0, &key);
    if (!record->value.data)
        return;
    reader_init(&value, record->value.data, record->value.size);
    show(rows, "decoded_value", message_of(value_kind, kind), reader_i16(&value), &value);
}

/* Metadata: frame version, kind and version before the message. */
static void show_metadata(const struct cli_rows *rows, const struct record *record)
{
    struct reader value;
    uint32_t frame, kind, version;

    reader_init(&value, record->value.data, record->value.size);
    frame = reader_uvarint(&value);
    kind = reader_uvarint(&value);
    version = reader_uvarint(&value);
    if (!value.bad && frame <= 1 && kind <= INT16_MAX && version <= INT16_MAX)
        show(rows, "decoded_value", message_of(MESSAGE_METADATA, (int16_t)kind), (int16_t)version, &value);
}

static void show_control(const struct cli_rows *rows, const struct record *record)
{
    static const struct {
        const char *type, *message;
    } controls[] = {
        {"ABORT", "EndTxnMarker"}, {"COMMIT", "EndTxnMarker"}, {"LEADER_CHANGE", "LeaderChangeMessage"}, {"SNAPSHOT_HEADER", "SnapshotHeaderRecord"},
        {"SNAPSHOT_FOOTER", "SnapshotFooterRecord"}, {"KRAFT_VERSION", "KRaftVersionRecord"}, {"KRAFT_VOTERS", "VotersRecord"},
    };
    const struct message *m;
    struct reader r;
    int16_t type, version = 0;

    reader_init(&r, record->key.data, record->key.size);
    (void)reader_i16(&r);
    type = reader_i16(&r);
    if (r.bad || type < 0 || type >= (int16_t)(sizeof controls / sizeof *controls))
        return;
    cli__row_text(rows, "control", str_from(controls[type].type));
    m = message_find(str_from(controls[type].message));
    reader_init(&r, record->value.data, record->value.size);
    if (type < 2)
        version = reader_i16(&r); /* the others have it within */
    show(rows, "decoded_value", m, version, &r);
}

static void show_internal(const struct cli_rows *rows, struct str_view topic, bool control, const struct record *record)
{
    if (control)
        show_control(rows, record);
    else if (str_is(topic, "__consumer_offsets"))
        show_keyed(rows, MESSAGE_GROUP_KEY, MESSAGE_GROUP_VALUE, record);
    else if (str_is(topic, "__transaction_state"))
        show_keyed(rows, MESSAGE_TRANSACTION_KEY, MESSAGE_TRANSACTION_VALUE, record);
    else if (str_is(topic, "__share_group_state"))
        show_keyed(rows, MESSAGE_SHARE_KEY, MESSAGE_SHARE_VALUE, record);
    else if (str_is(topic, "__cluster_metadata"))
        show_metadata(rows, record);
}

/* A row of its own, behind its record's. */
static void show_headers(const struct cli_rows *rows, const struct record *record)
{
    struct reader r;

    reader_init(&r, record->headers.data, record->headers.size);
    (void)reader_varint(&r);
    for (int32_t i = 0; i < record->headers_count && !r.bad; i++) {
        int32_t key_size = reader_varint(&r), value_size;
        const uint8_t *key = key_size < 0 ? NULL : reader_take(&r, (size_t)key_size), *value;
        value_size = reader_varint(&r);
        value = value_size < 0 ? NULL : reader_take(&r, (size_t)value_size);
        if (r.bad)
            return;
        cli__row(rows, "header");
        cli__row_number(rows, "offset", record->offset);
        cli__row_bytes(rows, "key", (struct bytes_view){key, key ? (size_t)key_size : 0});
        cli__row_bytes(rows, "value", (struct bytes_view){value, value ? (size_t)value_size : 0});
        cli__row_end(rows);
    }
}

static void show_record(const struct cli_rows *rows, struct str_view topic, bool control, const struct record *record)
{
    cli__row(rows, "record");
    cli__row_number(rows, "offset", record->offset);
    cli__row_number(rows, "timestamp", record->timestamp);
    cli__row_number(rows, "key_size", record->key.data ? (int64_t)record->key.size : -1);
    cli__row_number(rows, "value_size", record->value.data ? (int64_t)record->value.size : -1);
    cli__row_bytes(rows, "key", record->key);
    cli__row_bytes(rows, "value", record->value);
    show_internal(rows, topic, control, record);
    cli__row_end(rows);
    show_headers(rows, record);
}

enum status log__records(const struct cli_rows *rows, struct str_view topic, struct bytes_view batch, const struct log_range *range, uint64_t *count)
{
    struct record_cursor *cursor;
    struct batch_head head;
    struct arena arena;
    struct record record;
    enum status status;
    bool more = true;

    arena_init(&arena, DECOMPRESSED_MAX);
    cursor = record_cursor_new(&arena, batch, DECOMPRESSED_MAX);
    status = cursor && batch_head_read(batch, &head) ? STATUS_OK : STATUS_NO_MEMORY;
    while (!status && !(status = record_next(cursor, &record, &more)) && more) {
        ++*count;
        if (rows && record.offset >= range->offset_from && record.offset < range->offset_to && record.timestamp >= range->time_from &&
            record.timestamp < range->time_to)
            show_record(rows, topic, head.attributes & BATCH_CONTROL, &record);
    }
    record_cursor_free(cursor);
    arena_free(&arena);
    return status;
}
