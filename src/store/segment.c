/* SPDX-License-Identifier: Apache-2.0
 * See segment.h. */
#include "store/segment.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/reader.h"
#include "rt/log.h"
#include "store/files.h"
#include "store/text.h"
#include "store/warm.h"
#include "wire/legacy.h"

enum {
    TXNINDEX_MAX = 1 << 30,
    ABORTED_KEPT = 1024, /* 32 KiB: few segments have more */
    FIND_CHUNK = 8192,        /* an index interval and a head: most lookups take one read */
    RECOVER_CHUNK = 1 << 20,
    DIGITS = 20, /* of an offset in a name */
};

struct segment *segment_new(int64_t base, int64_t now_ms)
{
    struct segment *seg = mem_alloc(1, sizeof *seg);

    if (!seg)
        return NULL;
    *seg = (struct segment){.base = base, .first_timestamp = -1, .max_timestamp = -1, .max_timestamp_offset = -1,
                            .created_ms = now_ms, .times_known = true, .first_known = true};
    list_init(&seg->warmings);
    list_init(&seg->used);
    index_init(&seg->offsets, OFFSET_KEY);
    index_init(&seg->times, TIME_KEY);
    return seg;
}

void segment_free(struct segment *seg)
{
    segment_close(seg);
    index_free(&seg->offsets);
    index_free(&seg->times);
    txnindex_free(&seg->aborted);
    warm_forget(seg);
    mem_free(seg->regions);
    mem_free((void *)(uintptr_t)seg->snapshot.data);
    mem_free(seg);
}

enum status segment_path(char path[static FS_PATH_MAX], const char *dir, int64_t base, const char *suffix, struct err *err)
{
    int n = snprintf(path, FS_PATH_MAX, "%s/%020lld%s", dir, (long long)base, suffix);

    if (n < 0 || n >= FS_PATH_MAX)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", dir);
    return STATUS_OK;
}

bool segment_named(const char *name, const char *suffix, int64_t *base)
{
    if (strlen(name) != DIGITS + strlen(suffix) || strcmp(name + DIGITS, suffix) != 0)
        return false;
    return text_to_number((struct str_view){name, DIGITS}, base) && *base >= 0;
}

/* --- appending ------------------------------------------------------------------------------------------------------------- */

static bool segment_index_time(struct segment *seg)
{
    struct index_entry last = {.key = -1};

    if (index_last(&seg->times, &last) && last.key >= seg->max_timestamp)
        return true;
    if (seg->max_timestamp <= last.key || seg->max_timestamp_offset - seg->base > INT32_MAX)
        return true;
    return index_add(&seg->times, (struct index_entry){seg->max_timestamp, (int32_t)(seg->max_timestamp_offset - seg->base)});
}

void segment_note(struct segment *seg, const struct batch_head *head, int64_t index_interval)
{
    int64_t last = batch_last_offset(head);

    if (seg->size == 0)
        seg->first_timestamp = head->max_timestamp;
    if (head->max_timestamp > seg->max_timestamp) {
        seg->max_timestamp = head->max_timestamp;
        seg->max_timestamp_offset = last;
    }
    if (seg->unindexed > (uint64_t)index_interval && seg->size <= INT32_MAX && last - seg->base <= INT32_MAX) {
        (void)index_add(&seg->offsets, (struct index_entry){last - seg->base, (int32_t)seg->size});
        (void)segment_index_time(seg);
        seg->unindexed = 0;
    }
    seg->size += batch_size(head);
    seg->unindexed += batch_size(head);
}

bool segment_seal(struct segment *seg)
{
    return segment_index_time(seg);
}

static enum status save_aborted(const struct segment *seg, struct fs *fs, const char *dir, struct err *err)
{
    char path[FS_PATH_MAX];

    if (!seg->aborts && !seg->aborted.count)
        return STATUS_OK;
    return segment_path(path, dir, seg->base, ".txnindex", err) ? err->status : txnindex_save(&seg->aborted, fs, path, err);
}

enum status segment_save(const struct segment *seg, struct fs *fs, const char *dir, struct err *err)
{
    char path[FS_PATH_MAX];

    if (segment_path(path, dir, seg->base, ".index", err) || index_save(&seg->offsets, fs, path, err))
        return err->status;
    if (segment_path(path, dir, seg->base, ".timeindex", err) || index_save(&seg->times, fs, path, err))
        return err->status;
    return save_aborted(seg, fs, dir, err);
}

enum status segment_put(const struct segment *seg, struct fs *fs, const char *dir, struct err *err)
{
    char path[FS_PATH_MAX];

    if (segment_path(path, dir, seg->base, ".index", err) || index_put(&seg->offsets, fs, path, err))
        return err->status;
    if (segment_path(path, dir, seg->base, ".timeindex", err) || index_put(&seg->times, fs, path, err))
        return err->status;
    return save_aborted(seg, fs, dir, err); /* nothing else tells that it is not whole */
}

enum status segment_trim(const struct segment *seg, struct fs *fs, const char *dir, struct err *err)
{
    char path[FS_PATH_MAX];
    struct file *file;
    enum status status;

    if (segment_path(path, dir, seg->base, ".log", err) || fs_open(fs, path, FS_WRITE, &file, err))
        return err->status;
    status = file_truncate(file, seg->size, err);
    file_unref(file);
    return status;
}

void segment_chill(struct segment *seg)
{
    seg->aborts_known |= !seg->aborts;
    seg->aborts |= seg->aborted.count > 0;
    index_spill(&seg->offsets);
    index_spill(&seg->times);
    seg->cold = true;
    segment_forget_aborted(seg);
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

enum status segment_open(struct segment *seg, struct fs *fs, const char *dir, struct err *err)
{
    char path[FS_PATH_MAX];

    if (!seg->made) /* what it has is in memory */
        return STATUS_OK;
    if (!seg->file && (segment_path(path, dir, seg->base, ".log", err) ||
                       fs_open(fs, path, seg->cold ? FS_READ : FS_WRITE, &seg->file, err)))
        return err->status;
    if (!seg->cold)
        return STATUS_OK;
    if (segment_path(path, dir, seg->base, ".index", err) || index_open(&seg->offsets, fs, path, err) ||
        segment_path(path, dir, seg->base, ".timeindex", err))
        return err->status;
    return index_open(&seg->times, fs, path, err);
}

void segment_close(struct segment *seg)
{
    if (seg->file)
        file_unref(seg->file);
    seg->file = NULL;
    if (seg->cold)
        segment_chill(seg);
    files_forget(seg);
}

/* Offsets only grow. */
static enum status in_place(const struct batch_head *head, int64_t next, uint64_t position, struct err *err)
{
    if (head->base_offset >= next)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, "offset %lld at byte %llu goes back", (long long)head->base_offset, (unsigned long long)position);
}

/* Where a walk to `offset` may begin: the index's place if the batch there is the one that the index means, else the file's beginning. */
static enum status segment_walk_start(const struct segment *seg, struct scan *scan, int64_t offset, uint64_t *position, struct err *err)
{
    struct index_entry entry;
    struct batch_head head;
    enum status status;

    *position = 0;
    if (!index_floor(&seg->offsets, offset - seg->base, &entry) || (uint64_t)entry.value >= scan->end)
        return STATUS_OK;
    status = scan_head(scan, (uint64_t)entry.value, &head, err);
    if (!status && batch_last_offset(&head) == seg->base + entry.key)
        *position = (uint64_t)entry.value;
    return status == STATUS_NOT_CACHED ? status : STATUS_OK;
}

enum status segment_find(const struct segment *seg, int64_t offset, uint64_t end, struct scan_miss *miss, uint64_t *position, struct batch_head *head,
                         struct err *err)
{
    uint8_t buffer[FIND_CHUNK];
    struct scan scan = {.file = seg->file, .miss = miss, .tail = seg->tail, .end = end, .buffer = buffer, .capacity = sizeof buffer};
    int64_t next = seg->base;

    if (segment_walk_start(seg, &scan, offset, position, err))
        return err->status;
    for (; *position < end; *position += batch_size(head)) {
        if (scan_head(&scan, *position, head, err) || in_place(head, next, *position, err))
            return err_wrap(err, "segment %lld", (long long)seg->base);
        next = batch_last_offset(head) + 1;
        if (next > offset)
            break;
    }
    return STATUS_OK;
}

enum status segment_find_timed(const struct segment *seg, const struct index_entry *entry, int64_t from, uint64_t end, struct scan_miss *miss, uint64_t *position,
                               struct batch_head *head, struct err *err)
{
    if (entry && seg->base + entry->value > from) {
        if (segment_find(seg, seg->base + entry->value, end, miss, position, head, err))
            return err->status;
        if (*position < end && head->max_timestamp == entry->key)
            return STATUS_OK;
    }
    return segment_find(seg, from, end, miss, position, head, err);
}

enum status segment_know_times(struct segment *seg, struct err *err)
{
    uint8_t buffer[FIND_CHUNK];
    struct scan scan = {.file = seg->file, .end = seg->size, .buffer = buffer, .capacity = sizeof buffer};
    struct index_entry last;
    struct batch_head head;
    uint64_t at;

    if (seg->times_known)
        return STATUS_OK;
    if (seg->times.count && !index_last(&seg->times, &last))
        return err_set(err, STATUS_IO, "the time index of segment %lld does not read", (long long)seg->base);
    if (segment_find_timed(seg, seg->times.count ? &last : NULL, seg->base, seg->size, NULL, &at, &head, err))
        return err->status;
    for (seg->max_timestamp = seg->max_timestamp_offset = -1; at < seg->size; at += batch_size(&head)) {
        if (scan_head(&scan, at, &head, err))
            return err_wrap(err, "segment %lld", (long long)seg->base);
        if (head.max_timestamp <= seg->max_timestamp)
            continue;
        seg->max_timestamp = head.max_timestamp;
        seg->max_timestamp_offset = batch_last_offset(&head);
    }
    seg->times_known = true;
    return STATUS_OK;
}

enum status segment_know_first(struct segment *seg, struct err *err)
{
    uint8_t buffer[BATCH_OVERHEAD];
    struct scan scan = {.file = seg->file, .end = seg->size, .buffer = buffer, .capacity = sizeof buffer};
    struct batch_head head;

    if (seg->first_known)
        return STATUS_OK;
    if (seg->size && scan_head(&scan, 0, &head, err))
        return err_wrap(err, "segment %lld", (long long)seg->base);
    if (seg->size)
        seg->first_timestamp = head.max_timestamp;
    seg->first_known = true;
    return STATUS_OK;
}

/* --- aborted transactions -------------------------------------------------------------------------------------------------- */

enum status segment_know_aborted(struct segment *seg, struct fs *fs, const char *dir, int64_t end, struct err *err)
{
    char path[FS_PATH_MAX], *content;
    enum status status;
    size_t size;

    if (!seg->aborts || seg->aborts_known || seg->aborted.count)
        return STATUS_OK;
    if (segment_path(path, dir, seg->base, ".txnindex", err) || fs_read_file(fs, path, TXNINDEX_MAX, &content, &size, err))
        return err->status;
    status = txnindex_decode(&seg->aborted, (struct bytes_view){(const uint8_t *)content, size}, seg->base, end, err);
    mem_free(content);
    seg->aborts_known = !status;
    return status ? err_wrap(err, "%s", path) : STATUS_OK;
}

void segment_forget_aborted(struct segment *seg)
{
    if (!seg->cold || seg->aborted.count <= ABORTED_KEPT)
        return;
    txnindex_free(&seg->aborted);
    seg->aborts_known = false;
}

static size_t index_bytes(const struct index *ix)
{
    return ix->capacity * (size_t)(ix->key_size + INDEX_VALUE);
}

size_t segment_bytes(const struct segment *seg)
{
    size_t aborted = seg->aborted.count > ABORTED_KEPT ? seg->aborted.capacity * sizeof *seg->aborted.list : 0;

    return seg->cold ? index_bytes(&seg->offsets) + index_bytes(&seg->times) + aborted : 0; /* of others it is not to be had from a file */
}

/* --- opening --------------------------------------------------------------------------------------------------------------- */

/* Behind the last indexed batch stand the few that are not: their heads tell the end and the greatest timestamp. */
static enum status segment_load_end(struct segment *seg, int64_t *end, struct err *err)
{
    uint8_t buffer[FIND_CHUNK];
    struct scan scan = {.file = seg->file, .end = seg->size, .buffer = buffer, .capacity = sizeof buffer};
    struct batch_head head;
    uint64_t at;

    *end = seg->base;
    if (seg->size && scan_head(&scan, 0, &head, err))
        return err->status;
    if (seg->size)
        seg->first_timestamp = head.max_timestamp;
    if (segment_walk_start(seg, &scan, INT64_MAX, &at, err))
        return err->status;
    for (; at < seg->size; at += batch_size(&head)) {
        if (scan_head(&scan, at, &head, err))
            return err->status;
        if (head.base_offset < *end)
            return err_set(err, STATUS_CORRUPT, "offset %lld at byte %llu goes back", (long long)head.base_offset, (unsigned long long)at);
        *end = batch_last_offset(&head) + 1;
        seg->unindexed += batch_size(&head);
    }
    return STATUS_OK;
}

static enum status segment_load_indexes(struct segment *seg, struct fs *fs, const char *dir, struct err *err)
{
    char path[FS_PATH_MAX];

    if (segment_path(path, dir, seg->base, ".index", err) || index_load(&seg->offsets, fs, path, err) ||
        segment_path(path, dir, seg->base, ".timeindex", err))
        return err->status;
    return index_load(&seg->times, fs, path, err);
}

enum status segment_load(struct segment *seg, struct fs *fs, const char *dir, bool active, int64_t *end, struct err *err)
{
    enum status status;

    seg->made = true;
    seg->times_known = false;
    seg->first_known = active;
    if (active) {
        status = segment_load_indexes(seg, fs, dir, err);
    } else {
        segment_chill(seg);
        status = STATUS_OK;
    }
    if (!status)
        status = segment_open(seg, fs, dir, err);
    if (!status)
        status = file_size(seg->file, &seg->size, err);
    if (!status && active)
        status = segment_load_end(seg, end, err);
    if (!status && active)
        status = segment_know_times(seg, err);
    if (status == STATUS_NOT_FOUND)
        status = STATUS_CORRUPT;
    segment_close(seg);
    segment_doubt(seg, 0, seg->size);
    return status;
}

struct walk { /* positions that the walk over the batches came by */
    uint64_t trusted; /* before the first batch that is not */
    uint64_t last;    /* of the last batch */
};

/* Whether the batch that should stand there says that it goes to the end of the file or beyond: one large batch is a commit of its own. */
static enum status claims_rest(const struct segment *seg, struct scan *scan, bool *claims, struct err *err)
{
    const uint8_t *prefix;
    struct reader r;

    *claims = false;
    if (scan->end - seg->size < BATCH_PREFIX)
        return STATUS_OK;
    if (scan_bytes(scan, seg->size, BATCH_PREFIX, &prefix, err))
        return err->status;
    reader_init(&r, prefix + BATCH_LENGTH_AT, BATCH_PREFIX - BATCH_LENGTH_AT);
    *claims = (uint64_t)reader_u32(&r) + BATCH_PREFIX >= scan->end - seg->size;
    return STATUS_OK;
}

/* Whether a message of Kafka's old formats stands there: an upgraded cluster may still have some. */
static bool is_legacy(struct scan *scan, uint64_t at)
{
    struct bytes_view bytes = {.size = scan->end - at < RECOVER_CHUNK ? (size_t)(scan->end - at) : RECOVER_CHUNK};
    struct err ignored;

    return !scan_bytes(scan, at, bytes.size, &bytes.data, &ignored) && legacy_begins(bytes);
}

/* The walk stopped before the end of the file, for the reason in err. STATUS_OK: nothing from there on was acknowledged. A log has one commit under
 * way, which begins when the one before is durable: what stands behind the hole is torn when one commit may hold all of it, else the hole is rot. */
static enum status segment_judge(const struct segment *seg, const struct segment_recovery *how, struct scan *scan, int64_t end, struct err *err)
{
    uint64_t rest = scan->end - seg->size;
    struct err ignored;
    bool claims;

    if (is_legacy(scan, seg->size))
        return err_set(err, STATUS_UNSUPPORTED_VERSION, "the batch at byte %llu is in a format of before Kafka 0.11: copy the topic with a Kafka that reads it",
                       (unsigned long long)seg->size);
    if (!how->last || end < how->trusted)
        return err->status;
    if (scan_is_padding(scan, seg->size))
        return STATUS_OK;
    if (rest > COMMIT_BYTES_MAX && (claims_rest(seg, scan, &claims, &ignored) || !claims))
        return err_wrap(err, "%llu bytes follow, more than one commit: not cut", (unsigned long long)rest);
    log_line(LOG_WARN, "torn tail cut", "dir=%s segment=%lld position=%llu bytes=%llu reason=%s", how->dir, (long long)seg->base,
             (unsigned long long)seg->size, (unsigned long long)rest, err->text);
    return STATUS_OK;
}

/* Dirties these bytes, so that the next sync writes them. */
static enum status rewrite(struct scan *scan, uint64_t from, uint64_t to, struct err *err)
{
    while (from < to) {
        struct bytes_view piece = {.size = to - from < RECOVER_CHUNK ? (size_t)(to - from) : RECOVER_CHUNK};

        if (scan_bytes(scan, from, piece.size, &piece.data, err) || file_write(scan->file, from, &piece, 1, err))
            return err->status;
        from += piece.size;
    }
    return STATUS_OK;
}

/* What was read may be in memory only: just the process was killed, or a sync failed, after which the system does not write it again by itself. It
 * counts from now on, so what no earlier sync vouches for is written again: as much as one commit may have been (or the last batch, when that is larger). */
static enum status segment_make_durable(const struct segment *seg, struct scan *scan, const struct walk *walk, struct err *err)
{
    uint64_t from = seg->size > COMMIT_BYTES_MAX ? seg->size - COMMIT_BYTES_MAX : 0;

    if (from > walk->last)
        from = walk->last;
    if (rewrite(scan, from > walk->trusted ? from : walk->trusted, seg->size, err) || file_truncate(seg->file, seg->size, err))
        return err->status;
    return file_sync(seg->file, err);
}

static enum status segment_walk(struct segment *seg, const struct segment_recovery *how, struct scan *scan, struct walk *walk, int64_t *end, struct err *err)
{
    while (seg->size < scan->end) {
        struct bytes_view batch;
        struct batch_head head;
        enum status status = scan_head(scan, seg->size, &head, err);

        if (!status && batch_last_offset(&head) >= how->trusted)
            status = scan_batch(scan, seg->size, &head, &batch, err);
        if (!status && head.base_offset < *end)
            status = err_set(err, STATUS_CORRUPT, "offset %lld at byte %llu goes back", (long long)head.base_offset, (unsigned long long)seg->size);
        if (status)
            return status == STATUS_CORRUPT ? segment_judge(seg, how, scan, *end, err) : status;
        if (head.leader_epoch > epochs_latest(how->epochs) && !epochs_reserve(how->epochs, 1))
            return err_set(err, STATUS_NO_MEMORY, "no memory for the epochs");
        walk->last = seg->size;
        segment_note(seg, &head, how->index_interval);
        if (batch_last_offset(&head) < how->trusted)
            walk->trusted = seg->size;
        if (head.leader_epoch > epochs_latest(how->epochs))
            epochs_assign(how->epochs, head.leader_epoch, head.base_offset);
        *end = batch_last_offset(&head) + 1;
    }
    return STATUS_OK;
}

enum status segment_recover(struct segment *seg, const struct segment_recovery *how, int64_t *end, struct err *err)
{
    struct scan scan = {.capacity = RECOVER_CHUNK, .grows = true};
    char path[FS_PATH_MAX];
    struct walk walk = {0};
    enum status status;

    index_free(&seg->offsets);
    index_free(&seg->times);
    index_init(&seg->offsets, OFFSET_KEY);
    index_init(&seg->times, TIME_KEY);
    seg->max_timestamp = seg->max_timestamp_offset = seg->first_timestamp = -1;
    seg->size = seg->unindexed = 0;
    seg->cold = false;
    seg->made = seg->times_known = seg->first_known = true;
    *end = seg->base;
    if (segment_path(path, how->dir, seg->base, ".log", err) || fs_open(how->fs, path, FS_WRITE, &scan.file, err))
        return err->status;
    seg->file = scan.file;
    scan.buffer = mem_alloc(scan.capacity, 1);
    status = scan.buffer ? file_size(scan.file, &scan.end, err) : err_set(err, STATUS_NO_MEMORY, "no memory to recover");
    if (!status)
        status = segment_walk(seg, how, &scan, &walk, end, err);
    if (!status && how->last && scan.end && (*end > how->trusted || seg->size < scan.end))
        status = segment_make_durable(seg, &scan, &walk, err);
    if (!status && !segment_seal(seg))
        status = err_set(err, STATUS_NO_MEMORY, "no memory to recover");
    mem_free(scan.buffer);
    segment_close(seg);
    segment_doubt(seg, 0, seg->size);
    if (status)
        return err_wrap(err, "segment %lld", (long long)seg->base);
    return STATUS_OK;
}
