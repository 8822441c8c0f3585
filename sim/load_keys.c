/* SPDX-License-Identifier: Apache-2.0
 * The compacted topic: how it is made, its records, and its tombstones.
 *
 * A record's key and whether it is a tombstone follow from its value's number (op_key, op_is_tombstone), which stands in a header, for a tombstone has
 * no value. The checkers judge which records may be missing (checkers_keys.c). What they cannot know is the node's clock: a
 * batch that was cleaned says until when its tombstones stay at least (its delete horizon, KIP-534). One that was seen in such a batch is promised until then, as
 * long as the clock does not jump and nothing newer of its key is sent.
 */
#include "sim/load_int.h"

enum { HEADER_SIZE = 12, KEY_SIZE = 8, PAD_MAX = 60 };

static void put_u64(uint8_t *bytes, uint64_t value)
{
    for (unsigned k = 0; k < 8; k++)
        bytes[k] = (uint8_t)(value >> (56 - 8 * k));
}

static uint64_t get_u64(const uint8_t *bytes)
{
    uint64_t value = 0;

    for (unsigned k = 0; k < 8; k++)
        value = value << 8 | bytes[k];
    return value;
}

/* --- the topic --- */

void keys_choose_settings(struct load *load)
{
    static const int retention_ms[] = {1000, 10000, 60000}, lag_max_ms[] = {3000, 20000, 600000}, roll_ms[] = {3000, 20000, 600000};
    struct key_setting *s = load->key_settings;
    bool shrinks = load_chance(load, 25);
    size_t n = 0;

    load->key_segment_bytes = 1000 + (int64_t)load_random(load, 6000);
    load->keys_shrink = shrinks;
    snprintf(s[n].value, sizeof s[n].value, "%s", shrinks ? "compact,delete" : "compact");
    s[n++].name = "cleanup.policy";
    snprintf(s[n].value, sizeof s[n].value, "%d", (int)load->key_segment_bytes);
    s[n++].name = "internal.segment.bytes";
    snprintf(s[n].value, sizeof s[n].value, "0.%d", 1 + (int)load_random(load, 5));
    s[n++].name = "min.cleanable.dirty.ratio";
    snprintf(s[n].value, sizeof s[n].value, "%d", retention_ms[load_random(load, 3)]);
    s[n++].name = "delete.retention.ms";
    snprintf(s[n].value, sizeof s[n].value, "%d", lag_max_ms[load_random(load, 3)]);
    s[n++].name = "max.compaction.lag.ms";
    snprintf(s[n].value, sizeof s[n].value, "%d", (int)load_random(load, 2) * 2000);
    s[n++].name = "min.compaction.lag.ms";
    snprintf(s[n].value, sizeof s[n].value, "%d", roll_ms[load_random(load, 3)]);
    s[n++].name = "segment.ms";
    snprintf(s[n].value, sizeof s[n].value, "%d", 20000 + (int)load_random(load, 60000));
    s[n++].name = "retention.bytes";
    ASSERT(n == KEY_SETTINGS);
}

void keys_made(struct load *load, struct topic *topic)
{
    load->keyed = topic;
    topic->lasting = topic->compacted = true;
    topic->trimmed = load->keys_shrink;
    for (int32_t i = 0; i < TOPIC_PARTITIONS_MAX; i++) {
        load->compacted[partition_number(topic, i)] = true;
        load->shrinks[partition_number(topic, i)] = load->keys_shrink;
    }
}

/* --- records --- */

void keys_add(struct batch_builder *b, int32_t at, uint64_t value, int64_t timestamp)
{
    uint8_t header[HEADER_SIZE] = {2, 2, 'v', 16}, key[KEY_SIZE], bytes[PAD_MAX] = {0}; /* one header, a key of one byte, a value of eight: as zigzag */
    bool added;

    put_u64(header + 4, value);
    put_u64(key, op_key(value));
    added = batch_builder_add(b, at, timestamp, (struct bytes_view){key, sizeof key},
                              op_is_tombstone(value) ? (struct bytes_view){NULL, 0} : (struct bytes_view){bytes, value * 37 % PAD_MAX}, (struct bytes_view){header, sizeof header});
    ASSERT(added);
}

bool keys_read(const struct record *record, uint64_t *value)
{
    if (record->headers.size != HEADER_SIZE || record->key.size != KEY_SIZE)
        return false;
    *value = get_u64(record->headers.data + 4);
    return get_u64(record->key.data) == op_key(*value) && !record->value.data == op_is_tombstone(*value) &&
           (!record->value.data || record->value.size == *value * 37 % PAD_MAX);
}

/* --- tombstones --- */

static int64_t clock_shift(const struct load *load)
{
    return sim_wall_ms(load->sim) - sim_true_wall_ms(load->sim);
}

void keys_saw(struct load *load, uint32_t partition, const struct batch_head *head, int64_t offset, uint64_t value)
{
    load->counts.compacted_met += head->count <= head->last_offset_delta;
    if (!op_is_tombstone(value) || !(head->attributes & BATCH_DELETE_HORIZON))
        return;
    for (size_t i = 0; i < PROMISES; i++)
        if (load->promises[i].value == value)
            return;
    load->promises[load->promises_made++ % PROMISES] =
        (struct promise){.value = value, .partition = partition, .offset = offset, .until_ms = head->base_timestamp, .shift_ms = clock_shift(load)};
}

/* Its key has something newer. */
static bool is_superseded(const struct load *load, const struct promise *p)
{
    for (size_t i = load->history.count; i--;) {
        const struct op *op = &load->history.ops[i];
        if (op->kind != OP_SEND || op->partition != p->partition || op->value >> 32 != p->value >> 32)
            continue;
        for (uint64_t value = op->value; value < op->value + op->count; value++)
            if (value > p->value && op_key(value) == op_key(p->value))
                return true;
        if (op->value <= p->value)
            return false;
    }
    return false;
}

static bool is_sighted(const struct load *load, const struct op *poll, int64_t offset)
{
    for (size_t i = 0; i < poll->sightings_count; i++) {
        const struct sighting *it = &load->history.sightings[poll->sightings + i];
        if (it->offset <= offset && offset - it->offset < (int64_t)it->count)
            return true;
    }
    return false;
}

void keys_polled(struct client *c, const struct op *poll)
{
    struct load *load = c->load;

    for (size_t i = 0; i < PROMISES; i++) {
        struct promise *p = &load->promises[i];
        bool passed = p->value && p->partition == poll->partition && p->offset >= poll->offset && p->offset >= poll->start_offset && p->offset < poll->next;
        if (!passed || is_sighted(load, poll, p->offset))
            continue;
        if (p->shift_ms == clock_shift(load) && !is_superseded(load, p)) {
            if (sim_wall_ms(load->sim) < p->until_ms)
                load_broken(c, "tombstone", "%s-%d: the tombstone at %lld was to stay until %lld, and is gone", topic_of(load, p->partition)->name, index_of(p->partition),
                            (long long)p->offset, (long long)p->until_ms);
            load->counts.tombstones_met++;
        }
        *p = (struct promise){0};
    }
}
