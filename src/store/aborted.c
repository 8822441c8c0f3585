/* SPDX-License-Identifier: Apache-2.0
 * The aborted transactions of a log: read from its segments' .txnindex files, learnt again from the batches where those cannot be believed, and told
 * to those who read committed records.
 *
 * Those of segments that are not cold, and of others that have few, are in memory: readers wait for no file. They are saved with the indexes, at a roll
 * and at a clean stop. So a file can be believed as far as a producer snapshot can that is not newer: after anything but a clean stop, the batches from a
 * snapshot at or before the recovery point on are told again (log_replay), and log_learn_aborted replaces what is there.
 */
#include "store/log_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "rt/log.h"

static int64_t segment_end(const struct log *log, size_t i)
{
    return i + 1 < log->count ? log->segments[i + 1]->base : INT64_MAX;
}

/* --- opening --------------------------------------------------------------------------------------------------------------- */

/* The segment's file, to memory. One that does not read is as good as none. */
static enum status load(struct log *log, size_t i, struct err *err)
{
    struct segment *seg = log->segments[i];
    enum status status = segment_know_aborted(seg, log->fs, log->dir, segment_end(log, i), err);

    if (status != STATUS_CORRUPT)
        return status;
    log_line(LOG_WARN, "aborted transactions do not read: the batches tell them", "reason=%s", err->text);
    log->aborted_lost = true;
    if (log->aborted_known > seg->base)
        log->aborted_known = seg->base;
    return STATUS_OK;
}

enum status log__load_aborted(struct log *log, bool clean, int64_t recovery_point, struct err *err)
{
    log->aborted_known = !clean && recovery_point >= 0 ? recovery_point : INT64_MAX;
    for (size_t i = 0; i < log->count; i++) {
        if (load(log, i, err))
            return err->status;
    }
    return STATUS_OK;
}

int64_t log_aborted_known(const struct log *log)
{
    return log->aborted_known < log->end ? log->aborted_known : log->end;
}

bool log_aborted_lost(const struct log *log)
{
    return log->aborted_lost;
}

static bool same(const struct aborted *a, const struct aborted *b)
{
    return a->producer_id == b->producer_id && a->first_offset == b->first_offset && a->last_offset == b->last_offset && a->last_stable == b->last_stable;
}

/* Of one segment: those from `from` on are the `count` of the list. */
static enum status segment_learn(struct log *log, size_t i, int64_t from, const struct aborted *list, size_t count, struct err *err)
{
    struct segment *seg = log->segments[i];
    struct txnindex *ix = &seg->aborted;
    char path[FS_PATH_MAX];
    size_t kept = 0, equal = 0;

    if (load(log, i, err))
        return err->status;
    while (kept < ix->count && ix->list[kept].last_offset < from)
        kept++;
    while (equal < count && kept + equal < ix->count && same(&list[equal], &ix->list[kept + equal]))
        equal++;
    if (!log->aborted_lost && equal == count && kept + equal == ix->count)
        return STATUS_OK;
    txnindex_cut(ix, from);
    if (!txnindex_reserve(ix, count))
        return err_set(err, STATUS_NO_MEMORY, "%s: no memory for %zu aborted transactions", log->dir, count);
    for (size_t k = 0; k < count; k++)
        txnindex_add(ix, &list[k]);
    seg->aborts_known = true;
    if (!seg->cold || (!seg->aborts && !count))
        return STATUS_OK;
    seg->aborts = true;
    return segment_path(path, log->dir, seg->base, ".txnindex", err) ? err->status : txnindex_save(ix, log->fs, path, err);
}

enum status log_learn_aborted(struct log *log, int64_t from, const struct aborted *list, size_t count, struct err *err)
{
    size_t taken = 0;

    for (size_t i = log__segment_at(log, from); i < log->count; i++) {
        size_t here = 0;
        enum status status;

        while (taken + here < count && list[taken + here].last_offset < segment_end(log, i))
            here++;
        status = segment_learn(log, i, from, here ? &list[taken] : NULL, here, err);
        segment_forget_aborted(log->segments[i]);
        if (status)
            return status;
        taken += here;
    }
    ASSERT(taken == count);
    return STATUS_OK;
}

/* --- appending ------------------------------------------------------------------------------------------------------------- */

bool log_reserve_aborted(struct log *log)
{
    return txnindex_reserve(&log->last->aborted, 1);
}

void log_add_aborted(struct log *log, const struct aborted *aborted)
{
    ASSERT(aborted->last_offset >= log->last->base && aborted->last_offset < log->end);
    txnindex_add(&log->last->aborted, aborted);
}

/* --- asking ---------------------------------------------------------------------------------------------------------------- */

static bool collect(struct txnindex *out, const struct txnindex *in, int64_t from, int64_t to, bool *complete)
{
    const struct aborted *aborted;
    size_t at = 0;

    while ((aborted = txnindex_next(in, &at, from, to, complete))) {
        if (!txnindex_reserve(out, 1))
            return false;
        txnindex_add(out, aborted);
    }
    return true;
}

/* What a reader had brought for it stays until the segment is closed. */
static enum status collect_segment(struct log *log, size_t i, int64_t from, int64_t to, struct log_warm *reader, struct txnindex *out, bool *complete, struct err *err)
{
    struct segment *seg = log->segments[i];
    bool known = !seg->aborts || seg->aborts_known;
    enum status status = STATUS_OK;

    if (!known && reader && reader->aborted_tries++ < WARM_TRIES)
        return log__lacks(reader, seg, LOG_ABORTED, err);
    if (!known)
        status = segment_know_aborted(seg, log->fs, log->dir, segment_end(log, i), err);
    if (!status && !collect(out, &seg->aborted, from, to, complete))
        status = err_set(err, STATUS_NO_MEMORY, "no memory for the aborted transactions");
    if (!known)
        segment_forget_aborted(seg);
    return status;
}

enum status log_aborted(struct log *log, int64_t from, int64_t to, struct log_warm *reader, struct txnindex *out, struct err *err)
{
    bool complete = from >= to;

    *out = (struct txnindex){0};
    for (size_t i = log__segment_at(log, from); i < log->count && !complete; i++) {
        enum status status = collect_segment(log, i, from, to, reader, out, &complete, err);
        if (status) {
            txnindex_free(out);
            return status;
        }
    }
    if (reader)
        reader->aborted_tries = 0;
    return STATUS_OK;
}

int64_t log_slice_limit(struct log *log, const struct log_slice *slice)
{
    size_t i = log__segment_at(log, slice->base_offset);
    struct segment *seg = log->segments[i];
    uint64_t end = slice->position + slice->size;
    struct index_entry entry;
    struct err ignored;

    if (end < seg->size && end <= INT32_MAX && (!seg->cold || !log__open_segment(log, seg, NULL, &ignored)) && index_ceiling_value(&seg->offsets, (int32_t)end, &entry))
        return seg->base + entry.key;
    return i + 1 < log->count ? segment_end(log, i) : log->end;
}
