/* SPDX-License-Identifier: Apache-2.0
 * See scan.h. */
#include "store/scan.h"

#include "base/assert.h"
#include "base/mem.h"

enum { MAGIC = 2 };

static enum status scan_room(struct scan *s, size_t size, struct err *err)
{
    uint8_t *buffer = s->grows ? mem_resize(s->buffer, size, 1) : NULL;

    if (!buffer)
        return err_set(err, STATUS_NO_MEMORY, "no memory for a batch of %zu bytes", size);
    s->buffer = buffer;
    s->capacity = size;
    s->filled = 0;
    return STATUS_OK;
}

static enum status scan_read(struct scan *s, struct file *file, uint64_t position, size_t wanted, size_t size, struct err *err)
{
    enum status status;

    if (!s->miss)
        return file_read(file, position, s->buffer, wanted, &s->filled, err);
    status = file_read_cached(file, position, s->buffer, wanted, &s->filled, err);
    if (status != STATUS_NOT_CACHED)
        return status;
    if (s->filled >= size)
        return STATUS_OK;
    *s->miss = (struct scan_miss){position, position + size};
    return status;
}

enum status scan_bytes(struct scan *s, uint64_t position, size_t size, const uint8_t **bytes, struct err *err)
{
    uint64_t left = s->end - position;
    struct file *file = s->file;

    ASSERT(position <= s->end && size <= left);
    if (position < s->at || position + size > s->at + s->filled) {
        if (size > s->capacity && scan_room(s, size, err))
            return err->status;
        s->at = position;
        s->filled = 0;
        if (s->tail)
            file = tail_source(s->tail, file, position, &left);
        if (scan_read(s, file, position, left < s->capacity ? (size_t)left : s->capacity, size, err))
            return err->status;
        if (s->filled < size)
            return err_set(err, STATUS_CORRUPT, "the file ends before byte %llu", (unsigned long long)(position + size));
    }
    *bytes = s->buffer + (position - s->at);
    return STATUS_OK;
}

static bool head_sane(const struct batch_head *head, uint64_t left)
{
    int64_t last;

    return head->magic == MAGIC && head->length >= BATCH_OVERHEAD - BATCH_PREFIX && (uint64_t)head->length + BATCH_PREFIX <= left &&
           head->base_offset >= 0 && head->last_offset_delta >= 0 &&
           !__builtin_add_overflow(head->base_offset, head->last_offset_delta, &last) && last < INT64_MAX;
}

enum status scan_head(struct scan *s, uint64_t position, struct batch_head *head, struct err *err)
{
    uint64_t left = s->end - position;
    const uint8_t *bytes;

    if (left < BATCH_OVERHEAD)
        return err_set(err, STATUS_CORRUPT, "%llu bytes at %llu are no batch", (unsigned long long)left, (unsigned long long)position);
    if (scan_bytes(s, position, BATCH_OVERHEAD, &bytes, err))
        return err->status;
    if (!batch_head_read((struct bytes_view){bytes, BATCH_OVERHEAD}, head) || !head_sane(head, left))
        return err_set(err, STATUS_CORRUPT, "no batch at byte %llu", (unsigned long long)position);
    return STATUS_OK;
}

bool scan_is_padding(struct scan *s, uint64_t position)
{
    size_t size = (size_t)(s->end - position);
    const uint8_t *bytes;
    struct err ignored;
    uint8_t any = 0;

    if (s->end % FS_BLOCK || s->end - position >= FS_BLOCK || scan_bytes(s, position, size, &bytes, &ignored))
        return false;
    for (size_t i = 0; i < size; i++)
        any |= bytes[i];
    return !any;
}

enum status scan_batch(struct scan *s, uint64_t position, struct batch_head *head, struct bytes_view *batch, struct err *err)
{
    const uint8_t *bytes;
    size_t size;

    if (scan_head(s, position, head, err) || scan_bytes(s, position, batch_size(head), &bytes, err))
        return err->status;
    *batch = (struct bytes_view){bytes, batch_size(head)};
    if (batch_check_crc(*batch, &size) || size != batch->size)
        return err_set(err, STATUS_CORRUPT, "the batch at byte %llu has a wrong checksum", (unsigned long long)position);
    return STATUS_OK;
}
