/* SPDX-License-Identifier: Apache-2.0
 * What a compaction leaves of any batches: they read, keep their places, and hold some of the records that were there.
 *
 *   byte 0   bits 0-2: room for keys; bit 3: producer 5 wrote last at offset 5; bit 4: producer 7 aborted what it began at offset 0
 *   byte 1   offset up to which it is cleaned, and byte 2 from which on
 *   rest     batches one behind the other; their checksums are mended
 */
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/writer.h"
#include "store/clean_batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BATCHES_MAX = 64, HEAD = 3 };

struct batches {
    struct batch_head heads[BATCHES_MAX];
    struct bytes_view bytes[BATCHES_MAX];
    size_t count;
};

static void mend(uint8_t *bytes, size_t size)
{
    struct writer w;

    writer_init(&w, bytes + BATCH_CRC_AT, 4);
    writer_u32(&w, crc32c(bytes + BATCH_ATTRIBUTES_AT, size - BATCH_ATTRIBUTES_AT));
}

/* Those that the store would take for batches (scan.c), with offsets that grow. */
static void split(struct batches *b, uint8_t *bytes, size_t size)
{
    int64_t next = 0, last;

    while (b->count < BATCHES_MAX) {
        struct batch_head *head = &b->heads[b->count];
        if (!batch_head_read((struct bytes_view){bytes, size}, head) || head->magic != 2 || head->length < BATCH_OVERHEAD - BATCH_PREFIX || batch_size(head) > size ||
            head->base_offset < next || head->last_offset_delta < 0 || __builtin_add_overflow(head->base_offset, head->last_offset_delta, &last) || last >= INT64_MAX)
            return;
        mend(bytes, batch_size(head));
        b->bytes[b->count++] = (struct bytes_view){bytes, batch_size(head)};
        bytes += batch_size(head);
        size -= batch_size(head);
        next = last + 1;
    }
}

static uint64_t count_records(const struct clean_out *out)
{
    struct bytes_view left = {out->bytes, out->size};
    struct batch_head head;
    uint64_t count = 0;
    size_t size;

    for (; left.size; left.data += size, left.size -= size) {
        struct record_cursor *cursor;
        struct record record;
        struct arena arena;
        bool more = true;
        if (batch_check_crc(left, &size) || !batch_head_read(left, &head))
            abort();
        arena_init(&arena, 1 << 24);
        cursor = record_cursor_new(&arena, left, 1 << 24);
        while (cursor && !record_next(cursor, &record, &more) && more) {
            if (record.offset < head.base_offset || record.offset > batch_last_offset(&head))
                abort();
            count++;
        }
        if (cursor && more)
            abort();
        record_cursor_free(cursor);
        arena_free(&arena);
    }
    return count;
}

/* false: one of them does not read, and all of it is left alone. */
static bool clean_all(const struct batches *b, struct clean_txns *txns, const struct clean_rules *rules, struct clean_out *out)
{
    for (size_t i = 0; i < b->count; i++) {
        size_t from = out->size;
        struct batch_head head;
        struct err err;
        if (clean_batch(rules, txns, &b->heads[i], b->bytes[i], out, &err))
            return false;
        if (out->size > from && (!batch_head_read((struct bytes_view){out->bytes + from, out->size - from}, &head) || batch_size(&head) != out->size - from ||
                                 head.base_offset != b->heads[i].base_offset || head.last_offset_delta != b->heads[i].last_offset_delta ||
                                 head.base_sequence != b->heads[i].base_sequence || head.producer_id != b->heads[i].producer_id))
            abort();
    }
    return true;
}

static void begin_txns(struct clean_txns *txns, bool aborted)
{
    struct aborted one = {.producer_id = 7, .first_offset = 0, .last_offset = 9, .last_stable = 10};
    struct err err;

    clean_txns_init(txns, 1);
    if (aborted && clean_txns_add(txns, &(struct txnindex){.list = &one, .count = 1, .capacity = 1}, 0, INT64_MAX, &err))
        abort();
    clean_txns_sort(txns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct clean_producer producer = {.id = 5, .recent = 5};
    struct clean_rules rules = {.now_ms = 2000, .delete_retention_ms = 500, .producers = &producer};
    struct clean_out out = {0};
    struct batches b = {0};
    struct clean_txns txns;
    struct keymap keys;
    bool full = false, reads = true;
    uint8_t *bytes;
    struct err err;

    if (size < HEAD)
        return 0;
    bytes = mem_copy(data + HEAD, size - HEAD);
    if (!bytes || !keymap_init(&keys, 100, (size_t)(data[0] & 7) * KEYMAP_SLOT_BYTES, 0.9, (const uint64_t[2]){1, 2}))
        abort();
    split(&b, bytes, size - HEAD);
    begin_txns(&txns, data[0] & 16);
    rules.mapped = data[2];
    for (size_t i = 0; i < b.count && reads && !full; i++)
        reads = !clean_batch_map(&keys, &txns, &b.heads[i], b.bytes[i], data[2], &rules.mapped, &full, &err);
    clean_txns_free(&txns);
    begin_txns(&txns, data[0] & 16);
    rules.keys = &keys;
    rules.end = data[1];
    rules.producers_count = data[0] >> 3 & 1;
    if (reads && clean_all(&b, &txns, &rules, &out) && count_records(&out) != out.kept)
        abort();
    clean_txns_free(&txns);
    clean_out_free(&out);
    keymap_free(&keys);
    mem_free(bytes);
    return 0;
}
