/* SPDX-License-Identifier: Apache-2.0
 * See epochs.h. */
#include "store/epochs.h"

#include "base/mem.h"
#include "store/text.h"

enum { LINE_MAX_BYTES = 40 }; /* "-2147483648 -9223372036854775808\n" and a zero */

bool epochs_reserve(struct epochs *e, size_t more)
{
    size_t capacity = e->capacity * 2 > e->count + more ? e->capacity * 2 : e->count + more;
    struct log_epoch *list;

    if (e->count + more <= e->capacity)
        return true;
    list = mem_resize(e->list, capacity, sizeof *list);
    if (!list)
        return false;
    e->list = list;
    e->capacity = (uint32_t)capacity & INT32_MAX;
    return true;
}

void epochs_free(struct epochs *e)
{
    mem_free(e->list);
    *e = (struct epochs){0};
}

void epochs_assign(struct epochs *e, int32_t epoch, int64_t start)
{
    if (epoch < 0 || start < 0)
        return;
    if (e->count && e->list[e->count - 1].epoch == epoch && e->list[e->count - 1].start_offset <= start)
        return;
    while (e->count && (e->list[e->count - 1].epoch >= epoch || e->list[e->count - 1].start_offset >= start))
        e->count--;
    e->dirty = true;
    if (!epochs_reserve(e, 1)) /* the oldest gives way, and is then answered as older than the log */
        memmove(e->list, e->list + 1, --e->count * sizeof *e->list);
    e->list[e->count++] = (struct log_epoch){epoch, start};
}

void epochs_cut_end(struct epochs *e, int64_t end)
{
    while (e->count && e->list[e->count - 1].start_offset >= end) {
        e->count--;
        e->dirty = true;
    }
}

void epochs_cut_start(struct epochs *e, int64_t start)
{
    size_t gone = 0;

    while (gone + 1 < e->count && e->list[gone + 1].start_offset <= start)
        gone++;
    if (gone)
        memmove(e->list, e->list + gone, (e->count - gone) * sizeof *e->list);
    e->count -= (uint32_t)gone;
    e->dirty |= gone > 0;
    if (e->count && e->list[0].start_offset < start) {
        e->list[0].start_offset = start;
        e->dirty = true;
    }
}

int32_t epochs_latest(const struct epochs *e)
{
    return e->count ? e->list[e->count - 1].epoch : -1;
}

int32_t epochs_at(const struct epochs *e, int64_t offset)
{
    size_t i = e->count;

    while (i && e->list[i - 1].start_offset > offset)
        i--;
    return i ? e->list[i - 1].epoch : -1;
}

void epochs_end(const struct epochs *e, int32_t epoch, int64_t log_end, int32_t *found, int64_t *end)
{
    size_t above = 0; /* the first entry of a greater epoch */

    *found = -1;
    *end = -1;
    while (above < e->count && e->list[above].epoch <= epoch)
        above++;
    if (epoch < 0 || (above == e->count && epochs_latest(e) != epoch))
        return; /* an epoch that we have not seen */
    *found = above ? e->list[above - 1].epoch : epoch;
    *end = above < e->count ? e->list[above].start_offset : log_end;
}

enum status epochs_parse(struct epochs *e, struct str_view text, struct err *err)
{
    int64_t version, count, epoch, start;

    if (!text_number(&text, &version) || version != 0 || !text_number(&text, &count) || count < 0 || (uint64_t)count > text.size / 4)
        return err_set(err, STATUS_CORRUPT, "no checkpoint of version 0");
    for (int64_t i = 0; i < count; i++) {
        if (!text_number(&text, &epoch) || !text_number(&text, &start) || epoch < 0 || epoch > INT32_MAX || start < 0)
            return err_set(err, STATUS_CORRUPT, "line %lld is no epoch and offset", (long long)i + 3);
        if (!epochs_reserve(e, 1))
            return err_set(err, STATUS_NO_MEMORY, "no memory for the epochs");
        epochs_assign(e, (int32_t)epoch, start);
    }
    e->dirty = e->count != count; /* some did not grow */
    return STATUS_OK;
}

struct str_view epochs_format(const struct epochs *e)
{
    size_t capacity = (e->count + 2) * LINE_MAX_BYTES, used;
    char *text = mem_alloc(capacity, 1);

    if (!text)
        return STR_NULL;
    used = (size_t)snprintf(text, capacity, "0\n%u\n", e->count);
    for (size_t i = 0; i < e->count; i++)
        used += (size_t)snprintf(text + used, capacity - used, "%d %lld\n", e->list[i].epoch, (long long)e->list[i].start_offset);
    return (struct str_view){text, used};
}
