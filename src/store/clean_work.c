/* SPDX-License-Identifier: Apache-2.0
 * See clean_int.h: the steps of a run that read and write files, a batch or a file at a time. */
#include "store/clean_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "store/clean_swap.h"

enum {
    SLICE_BYTES = 4 << 20,   /* read in one job: some ten milliseconds, so that others have the thread in between */
    READ_CHUNK = 1 << 20,
    FLUSH_BYTES = 1 << 20,
};

/* --- reading --------------------------------------------------------------------------------------------------------------- */

static void part_close(struct clean *c)
{
    if (c->scan.file)
        file_unref(c->scan.file);
    c->scan.file = NULL;
    c->scan.filled = 0;
}

static enum status part_open(struct clean *c)
{
    const struct clean_part *part = &c->parts[c->part];
    char path[FS_PATH_MAX];

    c->position = 0;
    c->next = part->base;
    c->scan.end = part->size;
    if (!c->scan.buffer) {
        c->scan.buffer = mem_alloc(READ_CHUNK, 1);
        c->scan.capacity = READ_CHUNK;
        c->scan.grows = true;
    }
    if (!c->scan.buffer)
        return err_set(&c->err, STATUS_NO_MEMORY, "no memory to read");
    c->unreadable = true;
    if (segment_path(path, c->log->dir, part->base, ".log", &c->err) || fs_open(c->log->fs, path, FS_READ, &c->scan.file, &c->err))
        return c->err.status;
    c->unreadable = false;
    return STATUS_OK;
}

/* The next batch of the part at hand; it has to be of its segment. */
static enum status next_batch(struct clean *c, struct batch_head *head, struct bytes_view *batch)
{
    const struct clean_part *part = &c->parts[c->part];

    c->unreadable = true;
    if (scan_batch(&c->scan, c->position, head, batch, &c->err))
        return err_wrap(&c->err, "segment %lld", (long long)part->base);
    if (head->base_offset < c->next || batch_last_offset(head) >= part->next)
        return err_set(&c->err, STATUS_CORRUPT, "segment %lld: offset %lld at byte %llu does not belong there", (long long)part->base, (long long)head->base_offset,
                       (unsigned long long)c->position);
    c->unreadable = false;
    c->next = batch_last_offset(head) + 1;
    c->position += batch->size;
    c->slice += batch->size;
    c->stats.bytes_read += batch->size;
    return STATUS_OK;
}

/* --- transactions ---------------------------------------------------------------------------------------------------------- */

/* The aborted ones of a cold segment, if it has any. */
static enum status load_aborted(struct clean *c, const struct clean_part *part, int64_t from, int64_t to)
{
    struct segment seg = {.base = part->base, .aborts = part->aborts};
    enum status status = segment_know_aborted(&seg, c->log->fs, c->log->dir, part->next, &c->err);

    if (!status)
        status = clean_txns_add(&c->txns, &seg.aborted, from, to, &c->err);
    txnindex_free(&seg.aborted);
    return status;
}

/* The aborted ones among [from, to): their markers may be in later segments. */
static enum status load_txns(struct clean *c, int64_t from, int64_t to)
{
    clean_txns_free(&c->txns);
    clean_txns_init(&c->txns, c->seed[2]);
    c->unreadable = true;
    for (size_t i = 0; i < c->all; i++) {
        if (c->parts[i].next > from && load_aborted(c, &c->parts[i], from, to))
            return c->err.status;
    }
    c->unreadable = false;
    if (clean_txns_add(&c->txns, &c->recent, from, to, &c->err))
        return c->err.status;
    clean_txns_sort(&c->txns);
    return STATUS_OK;
}

/* --- the map --------------------------------------------------------------------------------------------------------------- */

static enum status step_load(struct clean *c)
{
    if (!keymap_init(&c->keys, (uint64_t)(c->to - c->from), c->order->key_memory, c->order->key_load, c->seed))
        return err_set(&c->err, STATUS_NO_MEMORY, "no memory for keys");
    while (c->parts[c->part].next <= c->from)
        c->part++;
    c->mapped = c->from;
    c->step = CLEAN_MAP;
    return load_txns(c, c->from, c->to);
}

/* From here on it is known what may go. */
static enum status map_end(struct clean *c)
{
    part_close(c);
    c->part = 0;
    c->step = CLEAN_GROUP;
    c->rules = (struct clean_rules){.keys = &c->keys, .mapped = c->mapped, .end = c->to, .now_ms = c->order->wall_ms,
        .delete_retention_ms = c->config.delete_retention_ms, .producers = c->order->producers, .producers_count = c->order->producers_count};
    while (c->covered < c->count && c->parts[c->covered].base < c->mapped)
        c->covered++;
    return load_txns(c, c->parts[0].base, c->covered ? c->parts[c->covered - 1].next : c->mapped);
}

static enum status step_map(struct clean *c)
{
    struct batch_head head;
    struct bytes_view batch;
    bool full = false;

    if (c->part == c->count)
        return map_end(c);
    if (!c->scan.file)
        return part_open(c);
    if (c->position == c->scan.end) { /* what its last offsets were is gone */
        if (c->mapped < c->parts[c->part].next)
            c->mapped = c->parts[c->part].next;
        part_close(c);
        c->part++;
        return STATUS_OK;
    }
    if (next_batch(c, &head, &batch))
        return c->err.status;
    if (clean_batch_map(&c->keys, &c->txns, &head, batch, c->from, &c->mapped, &full, &c->err)) {
        c->unreadable = c->err.status == STATUS_CORRUPT;
        return c->err.status;
    }
    return full ? map_end(c) : STATUS_OK;
}

/* --- groups ---------------------------------------------------------------------------------------------------------------- */

static enum status index_bytes(struct clean *c, int64_t base, const char *suffix, uint64_t *bytes)
{
    char path[FS_PATH_MAX];
    struct file *file;
    enum status status;

    *bytes = 0;
    if (segment_path(path, c->log->dir, base, suffix, &c->err))
        return c->err.status;
    status = fs_open(c->log->fs, path, FS_READ, &file, &c->err);
    if (status)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    status = file_size(file, bytes, &c->err);
    file_unref(file);
    return status;
}

struct group_size {
    uint64_t log, offsets, times;
};

static enum status part_size(struct clean *c, size_t i, struct group_size *size)
{
    size->log = c->parts[i].size;
    if (index_bytes(c, c->parts[i].base, ".index", &size->offsets))
        return c->err.status;
    return index_bytes(c, c->parts[i].base, ".timeindex", &size->times);
}

/* Parts that fit into one segment, by their sizes before. */
static enum status group_measure(struct clean *c)
{
    struct group_size sum, next;
    uint64_t index_max = (uint64_t)c->config.segment_index_bytes;

    if (part_size(c, c->group, &sum))
        return c->err.status;
    for (c->group_end = c->group + 1; c->group_end < c->covered; c->group_end++) {
        const struct clean_part *part = &c->parts[c->group_end];
        if (part_size(c, c->group_end, &next))
            return c->err.status;
        sum = (struct group_size){sum.log + next.log, sum.offsets + next.offsets, sum.times + next.times};
        if (sum.log > (uint64_t)c->config.segment_bytes || sum.offsets > index_max || sum.times > index_max ||
            (part->size && part->next - 1 - c->parts[c->group].base > INT32_MAX))
            break;
    }
    return STATUS_OK;
}

static enum status cleaned_path(struct clean *c, char path[static FS_PATH_MAX], const char *suffix)
{
    return segment_path(path, c->log->dir, c->parts[c->group].base, suffix, &c->err);
}

static enum status step_group(struct clean *c)
{
    char path[FS_PATH_MAX];

    c->group = c->part;
    if (c->group == c->covered) {
        c->step = CLEAN_END;
        c->complete = true;
        return STATUS_OK;
    }
    c->made = segment_new(c->parts[c->group].base, c->created_ms);
    if (!c->made)
        return err_set(&c->err, STATUS_NO_MEMORY, "no memory for a segment");
    c->made->made = true;
    c->flushed = 0;
    c->out.size = 0;
    c->step = CLEAN_REWRITE;
    if (group_measure(c) || cleaned_path(c, path, ".log.cleaned") || fs_open(c->log->fs, path, FS_CREATE, &c->made->file, &c->err))
        return c->err.status;
    return file_truncate(c->made->file, 0, &c->err);
}

/* --- rewriting ------------------------------------------------------------------------------------------------------------- */

static enum status flush(struct clean *c)
{
    struct bytes_view piece = {c->out.bytes, c->out.size};

    if (!piece.size)
        return STATUS_OK;
    if (file_write(c->made->file, c->flushed, &piece, 1, &c->err))
        return c->err.status;
    file_begin_sync(c->made->file, c->flushed, piece.size);
    c->flushed += piece.size;
    c->slice += piece.size;
    c->out.size = 0;
    return STATUS_OK;
}

/* What was added behind `from` is one batch, or nothing. */
static void note(struct clean *c, size_t from)
{
    struct batch_head head;

    if (c->out.size == from)
        return;
    ASSERT(batch_head_read((struct bytes_view){c->out.bytes + from, c->out.size - from}, &head));
    segment_note(c->made, &head, c->config.index_interval_bytes);
}

static enum status step_rewrite(struct clean *c)
{
    size_t from = c->out.size;
    struct batch_head head;
    struct bytes_view batch;

    if (c->part == c->group_end) {
        c->step = CLEAN_SEAL;
        return flush(c);
    }
    if (!c->scan.file)
        return part_open(c);
    if (c->position == c->scan.end) {
        c->stats.bytes_before += c->scan.end;
        part_close(c);
        c->part++;
        return STATUS_OK;
    }
    if (next_batch(c, &head, &batch))
        return c->err.status;
    if (clean_batch(&c->rules, &c->txns, &head, batch, &c->out, &c->err)) {
        c->unreadable = c->err.status == STATUS_CORRUPT;
        return c->err.status;
    }
    note(c, from);
    return c->out.size >= FLUSH_BYTES ? flush(c) : STATUS_OK;
}

/* All files of the new segment, whole and synced. */
static enum status step_seal(struct clean *c)
{
    char offsets[FS_PATH_MAX], times[FS_PATH_MAX], txns[FS_PATH_MAX];

    if (!segment_seal(c->made))
        return err_set(&c->err, STATUS_NO_MEMORY, "no memory for an index");
    if (file_sync(c->made->file, &c->err) || cleaned_path(c, offsets, ".index.cleaned") || cleaned_path(c, times, ".timeindex.cleaned") ||
        cleaned_path(c, txns, ".txnindex.cleaned"))
        return c->err.status;
    c->made->aborted = c->txns.kept;
    c->made->aborts = c->made->aborted.count > 0;
    c->txns.kept = (struct txnindex){0};
    if (index_save(&c->made->offsets, c->log->fs, offsets, &c->err) || index_save(&c->made->times, c->log->fs, times, &c->err) ||
        (c->made->aborts && txnindex_save(&c->made->aborted, c->log->fs, txns, &c->err)))
        return c->err.status;
    c->stats.bytes_after += c->made->size;
    c->step = CLEAN_READY;
    return STATUS_OK;
}

/* From here on there is no way back. */
static enum status step_ready(struct clean *c)
{
    enum status status = clean_swap_ready(c->log->fs, c->log->dir, c->made->base, &c->err);

    if (!status)
        c->step = CLEAN_SWAP;
    return status;
}

/* --- the old segments ------------------------------------------------------------------------------------------------------ */

/* One a step; c->part counts from the group's first. */
static enum status step_retire(struct clean *c)
{
    if (c->part < c->group_end) {
        c->slice += SLICE_BYTES / 64; /* a rename costs, too */
        if (clean_swap_retire(c->log->fs, c->log->dir, c->parts[c->part].base, c->part > c->group, &c->err))
            return c->err.status;
        c->part++;
        return STATUS_OK;
    }
    if (clean_swap_finish(c->log->fs, c->log->dir, c->made->base, &c->err))
        return c->err.status;
    c->step = CLEAN_COLD;
    return STATUS_OK;
}

static enum status step_discard(struct clean *c)
{
    int64_t base = c->made->base;
    struct err err; /* why the run is given up is not forgotten for it */

    segment_free(c->made);
    c->made = NULL;
    c->step = CLEAN_END;
    if (clean_swap_discard(c->log->fs, c->log->dir, base, &err) == STATUS_OK)
        return STATUS_OK;
    c->err = err;
    return err.status;
}

/* --- slices ---------------------------------------------------------------------------------------------------------------- */

static bool is_files_work(enum clean_step step)
{
    return step != CLEAN_SWAP && step != CLEAN_COLD && step != CLEAN_END;
}

void clean__slice(struct clean *c)
{
    static enum status (*const steps[])(struct clean *c) = {
        [CLEAN_LOAD] = step_load, [CLEAN_MAP] = step_map, [CLEAN_GROUP] = step_group, [CLEAN_REWRITE] = step_rewrite,
        [CLEAN_SEAL] = step_seal, [CLEAN_READY] = step_ready, [CLEAN_RETIRE] = step_retire, [CLEAN_DISCARD] = step_discard,
    };

    c->slice = 0;
    while (!c->status && is_files_work(c->step) && c->slice < SLICE_BYTES)
        c->status = steps[c->step](c);
}

void clean__close(struct clean *c)
{
    part_close(c);
    mem_free(c->scan.buffer);
    keymap_free(&c->keys);
    clean_txns_free(&c->txns);
    txnindex_free(&c->recent);
    clean_out_free(&c->out);
    if (c->made)
        segment_free(c->made);
    mem_free(c->order->producers);
    c->order->producers = NULL;
}
