/* SPDX-License-Identifier: Apache-2.0
 * Whether what the disk gave is what was written: of a segment's regions (segment.h), which are good and which are not.
 *
 * A batch is good when its checksum is right and it stands between its neighbours. Its base offset is outside the checksum, its number of offsets inside: so one
 * too low overlaps the batch before, one too high the batch behind, and when that does not read, only a batch that follows closely on the one before is believed.
 */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "store/segment.h"

enum { CHECK_CHUNK = 128 * 1024, SPARE_CHUNK = 4096 }; /* read at once; without memory */

/* --- batches --------------------------------------------------------------------------------------------------------------- */

static enum status check_crc(struct scan *s, uint64_t position, const struct batch_head *head, struct err *err)
{
    uint64_t at = position + BATCH_ATTRIBUTES_AT, end = position + batch_size(head);
    uint32_t crc = 0;

    while (at < end) {
        uint64_t held = s->at + s->filled;
        size_t size = at >= s->at && at < held ? (size_t)(held - at) : s->capacity;
        const uint8_t *bytes;

        if (size > end - at)
            size = (size_t)(end - at);
        if (scan_bytes(s, at, size, &bytes, err))
            return err->status;
        crc = crc32c_extend(crc, bytes, size);
        at += size;
    }
    if (crc != head->crc)
        return err_set(err, STATUS_CORRUPT, "the batch of offset %lld at byte %llu has a wrong checksum", (long long)head->base_offset, (unsigned long long)position);
    return STATUS_OK;
}

struct check {
    struct scan scan;
    uint64_t before;  /* where the batch before begins */
    int64_t next;     /* the offset behind it */
    bool gap;         /* offsets are missing before it */
};

/* The batch at `at` shows that the one before is in its place, or not. */
static enum status check_place(struct check *c, uint64_t at, struct batch_head *head, uint64_t *good, struct err *err)
{
    enum status status = scan_head(&c->scan, at, head, err);

    *good = status && !c->gap ? at : c->before;
    if (status)
        return status;
    if (head->base_offset < c->next)
        return err_set(err, STATUS_CORRUPT, "offset %lld at byte %llu goes back", (long long)head->base_offset, (unsigned long long)at);
    *good = at;
    return STATUS_OK;
}

static enum status check_batches(struct check *c, uint64_t from, uint64_t to, int64_t limit, uint64_t *good, struct err *err)
{
    struct batch_head head;
    uint64_t at = from;

    for (; at < c->scan.end; at += batch_size(&head)) {
        if (check_place(c, at, &head, good, err))
            return err->status;
        if (at >= to)
            return STATUS_OK;
        if (check_crc(&c->scan, at, &head, err))
            return err->status;
        c->gap = head.base_offset > c->next;
        c->next = batch_last_offset(&head) + 1;
        c->before = at;
    }
    *good = c->next <= limit ? at : c->before;
    return c->next <= limit ? STATUS_OK : err_set(err, STATUS_CORRUPT, "the batch at byte %llu reaches beyond offset %lld", (unsigned long long)c->before, (long long)limit);
}

enum status segment_check(const struct segment *seg, uint64_t from, uint64_t to, uint64_t end, int64_t base, int64_t limit, uint64_t *good, struct err *err)
{
    uint8_t spare[SPARE_CHUNK], *chunk = mem_resize(NULL, CHECK_CHUNK, 1); /* not zeroed */
    struct check check = {.scan = {.file = seg->file, .tail = seg->tail, .end = end, .capacity = chunk ? CHECK_CHUNK : SPARE_CHUNK, .buffer = chunk ? chunk : spare},
                          .before = from, .next = base};
    enum status status;

    *good = from;
    status = check_batches(&check, from, to, limit, good, err);
    mem_free(chunk);
    return status ? err_wrap(err, "segment %lld", (long long)seg->base) : STATUS_OK;
}

uint64_t segment_place(const struct segment *seg, uint64_t at, uint64_t end, int64_t *base)
{
    uint8_t buffer[BATCH_OVERHEAD];
    struct scan scan = {.file = seg->file, .tail = seg->tail, .end = end, .buffer = buffer, .capacity = sizeof buffer};
    struct index_entry entry;
    struct batch_head head;
    struct err err;

    *base = seg->base;
    if (!index_floor_value(&seg->offsets, at < INT32_MAX ? (int32_t)at : INT32_MAX, &entry) || (uint64_t)entry.value >= end)
        return 0;
    if (scan_head(&scan, (uint64_t)entry.value, &head, &err) || batch_last_offset(&head) != seg->base + entry.key)
        return 0;
    *base = head.base_offset;
    return (uint64_t)entry.value;
}

/* --- regions --------------------------------------------------------------------------------------------------------------- */

enum region segment_region(const struct segment *seg, uint64_t at)
{
    size_t i = (size_t)(at / REGION_BYTES);
    enum region is = i < seg->regions_count ? (enum region)seg->regions[i] : REGION_UNKNOWN;

    return is == REGION_UNKNOWN && at / REGION_BYTES * REGION_BYTES >= seg->ours ? REGION_GOOD : is;
}

uint64_t segment_good(const struct segment *seg, uint64_t from, uint64_t to)
{
    uint64_t at = from;

    while (at < to && segment_region(seg, at) == REGION_GOOD)
        at = (at / REGION_BYTES + 1) * REGION_BYTES;
    return (at < to ? at : to) - from;
}

static bool regions_reach(struct segment *seg, size_t count)
{
    uint8_t *regions;

    if (count <= seg->regions_count)
        return true;
    regions = mem_resize(seg->regions, count, 1);
    if (!regions)
        return false;
    memset(regions + seg->regions_count, REGION_UNKNOWN, count - seg->regions_count);
    seg->regions = regions;
    seg->regions_count = (uint32_t)count;
    return true;
}

void segment_settle(struct segment *seg, uint64_t from, uint64_t to, enum region is)
{
    size_t first = (size_t)(from / REGION_BYTES), end = (size_t)((to + REGION_BYTES - 1) / REGION_BYTES);

    if (from < to && regions_reach(seg, end))
        memset(seg->regions + first, is, end - first);
}

void segment_doubt(struct segment *seg, uint64_t from, uint64_t to)
{
    if (from >= to)
        return;
    for (size_t i = (size_t)(from / REGION_BYTES); i < seg->regions_count && i * (uint64_t)REGION_BYTES < to; i++)
        if (seg->regions[i] == REGION_GOOD)
            seg->regions[i] = REGION_UNKNOWN;
    if (seg->ours < to) /* what is oldest goes first */
        seg->ours = (to + REGION_BYTES - 1) / REGION_BYTES * REGION_BYTES;
}
