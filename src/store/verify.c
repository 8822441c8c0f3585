/* SPDX-License-Identifier: Apache-2.0
 * See verify.h. */
#include "store/verify.h"

#include "base/mem.h"
#include "store/segment.h"

enum { READ_CHUNK = 256 * 1024, MAGIC = 2 };

static void tell(struct verify *v, struct finding finding)
{
    v->findings++;
    v->found(v->context, &finding);
}

/* --- indexes --------------------------------------------------------------------------------------------------------------- */

static uint64_t entry_size(const struct index *ix)
{
    return ix->key_size + INDEX_VALUE;
}

/* The entry is wrong; the others are not looked at. */
static void index_wrong(struct verify *v, struct index *ix, const char *suffix, uint32_t entry, int64_t offset, const char *what)
{
    tell(v, (struct finding){suffix, entry * entry_size(ix), entry_size(ix), offset, STATUS_CORRUPT, what});
    ix->count = 0;
}

/* The batch is the first that does not begin before `at`: what the entries up to there point at is known now. */
static void offsets_check(struct verify *v, uint64_t at, const struct batch_head *head)
{
    struct index_entry entry;

    for (; v->offsets_at < v->offsets.count && index_at(&v->offsets, v->offsets_at, &entry) && (uint64_t)entry.value <= at; v->offsets_at++) {
        int64_t offset = v->base + entry.key;
        if ((uint64_t)entry.value < at && !(v->holes && (uint64_t)entry.value >= v->hole))
            index_wrong(v, &v->offsets, ".index", v->offsets_at, offset, "it points at no batch");
        else if ((uint64_t)entry.value == at && offset < head->base_offset)
            index_wrong(v, &v->offsets, ".index", v->offsets_at, offset, "it names an offset before the batch that it points at");
    }
}

static void times_check(struct verify *v, const struct batch_head *head)
{
    struct index_entry entry;

    for (; v->times_at < v->times.count && index_at(&v->times, v->times_at, &entry) && v->base + entry.value <= batch_last_offset(head); v->times_at++) {
        int64_t offset = v->base + entry.value;
        if (offset < head->base_offset) {
            if (!v->holes)
                index_wrong(v, &v->times, ".timeindex", v->times_at, offset, "it names an offset that no batch has");
        } else if (entry.key != head->max_timestamp || (!v->holes && entry.key < v->max_timestamp)) {
            index_wrong(v, &v->times, ".timeindex", v->times_at, offset, "it tells another timestamp than the batches");
        }
    }
}

/* What the indexes tell of the segment behind its end. */
static void indexes_end(struct verify *v)
{
    struct index_entry entry;

    if (v->offsets_at < v->offsets.count && index_at(&v->offsets, v->offsets_at, &entry) && !v->holes)
        index_wrong(v, &v->offsets, ".index", v->offsets_at, v->base + entry.key, "it points beyond the last batch");
    if (index_last(&v->offsets, &entry) && v->base + entry.key >= v->next && !v->holes)
        index_wrong(v, &v->offsets, ".index", v->offsets.count - 1, v->base + entry.key, "it names an offset beyond the last one");
    if (v->times_at < v->times.count && index_at(&v->times, v->times_at, &entry) && !v->holes)
        index_wrong(v, &v->times, ".timeindex", v->times_at, v->base + entry.value, "it names an offset beyond the last one");
}

static enum status index_begin(struct verify *v, struct index *ix, const char *suffix, struct err *err)
{
    char path[FS_PATH_MAX];
    enum status status = segment_path(path, v->dir, v->base, suffix, err);

    if (!status)
        status = index_load(ix, v->fs, path, err);
    if (status == STATUS_NO_MEMORY || !status)
        return status;
    index_free(ix);
    tell(v, (struct finding){suffix, 0, 0, -1, status == STATUS_IO ? STATUS_IO : STATUS_CORRUPT, status == STATUS_NOT_FOUND ? "it is not there" : err->text});
    return STATUS_OK;
}

/* --- batches --------------------------------------------------------------------------------------------------------------- */

/* A batch at `at` whose offsets go on from `next`. */
static enum status batch_read(struct verify *v, uint64_t at, int64_t next, struct batch_head *head, struct bytes_view *batch, struct err *err)
{
    if (scan_batch(&v->scan, at, head, batch, err))
        return err->status;
    if (head->base_offset < next)
        return err_set(err, STATUS_CORRUPT, "offset %lld goes back: %lld was next", (long long)head->base_offset, (long long)next);
    if (batch_last_offset(head) >= v->limit)
        return err_set(err, STATUS_CORRUPT, "offset %lld reaches into the next segment", (long long)batch_last_offset(head));
    return STATUS_OK;
}

/* Whether a batch that is not to be believed by itself is borne out by what follows it. */
static bool followed(struct verify *v, uint64_t at, const struct batch_head *head)
{
    uint64_t behind = at + batch_size(head);
    struct batch_head next;
    struct bytes_view batch;
    struct err ignored;

    return behind == v->scan.end || !batch_read(v, behind, batch_last_offset(head) + 1, &next, &batch, &ignored);
}

/* A batch that leaves a gap before it, though the one behind it fits without it: its base offset, which no checksum covers, is not what it was. */
static bool astray(struct verify *v, uint64_t at, const struct batch_head *head)
{
    uint64_t behind = at + batch_size(head);
    struct batch_head next;
    struct bytes_view batch;
    struct err ignored;

    if (behind == v->scan.end || scan_head(&v->scan, behind, &next, &ignored))
        return false;
    return next.base_offset <= batch_last_offset(head) && !batch_read(v, behind, v->next, &next, &batch, &ignored);
}

/* The next place where a batch may begin. */
static uint64_t hole_step(struct verify *v, const struct err *why)
{
    bool unreadable = why->status == STATUS_IO, first = unreadable && !v->careful;
    struct batch_head head;
    struct err ignored;

    if (unreadable)
        v->scan.capacity = BATCH_OVERHEAD; /* from now on no more is read at once than is needed */
    v->careful |= unreadable;
    if (first)
        return 0;
    if (!scan_head(&v->scan, v->at, &head, &ignored) && head.base_offset >= v->next && followed(v, v->at, &head))
        return batch_size(&head);
    return unreadable ? FS_BLOCK : 1;
}

/* Steps over bytes at which no batch can begin. */
static void hole_skip(struct verify *v)
{
    uint64_t stop = v->scan.end - v->at < READ_CHUNK ? v->scan.end : v->at + READ_CHUNK;

    for (; v->at < stop; v->at++) {
        struct batch_head head;
        const uint8_t *bytes;
        struct err ignored;
        if (v->scan.end - v->at < BATCH_OVERHEAD)
            v->at = v->scan.end - 1;
        else if (scan_bytes(&v->scan, v->at, BATCH_OVERHEAD, &bytes, &ignored))
            return; /* that is told by who reads it as a batch */
        else if (bytes[BATCH_MAGIC_AT] == MAGIC && batch_head_read((struct bytes_view){bytes, BATCH_OVERHEAD}, &head) && head.base_offset >= v->next &&
                 head.base_offset < v->limit)
            return;
    }
}

static void hole_close(struct verify *v)
{
    if (v->hole == v->at)
        return;
    v->holes = true;
    tell(v, (struct finding){".log", v->hole, v->at - v->hole, v->next, v->why.status, v->why.text});
}

static void batch_take(struct verify *v, const struct batch_head *head, struct bytes_view batch)
{
    hole_close(v);
    if (head->max_timestamp > v->max_timestamp)
        v->max_timestamp = head->max_timestamp;
    offsets_check(v, v->at, head);
    times_check(v, head);
    if (v->seen)
        v->seen(v->context, v->at, head, batch);
    v->batches++;
    v->next = batch_last_offset(head) + 1;
    v->at += batch_size(head);
    v->hole = v->at;
}

/* One batch, or one step through a hole. */
static enum status advance(struct verify *v, struct err *err)
{
    bool lost = v->hole != v->at;
    struct batch_head head;
    struct bytes_view batch;
    struct err why;
    enum status status;

    if (lost)
        hole_skip(v);
    if (v->at == v->scan.end)
        return STATUS_OK;
    status = batch_read(v, v->at, v->next, &head, &batch, &why);
    if (status == STATUS_NO_MEMORY) {
        *err = why;
        return status;
    }
    if (!status && !lost && head.base_offset == v->next) {
        batch_take(v, &head, batch);
        return STATUS_OK;
    }
    if (!status && !lost && astray(v, v->at, &head))
        status = err_set(&why, STATUS_CORRUPT, "offset %lld does not fit: %lld was next, and goes on behind it", (long long)head.base_offset, (long long)v->next);
    else if (!status && (!lost || followed(v, v->at, &head))) {
        status = batch_read(v, v->at, v->next, &head, &batch, &why); /* what follows may have been read over it */
        if (!status)
            batch_take(v, &head, batch);
        return STATUS_OK;
    }
    if (!lost)
        v->why = why;
    v->at += status ? hole_step(v, &why) : 1;
    if (v->at > v->scan.end)
        v->at = v->scan.end;
    return STATUS_OK;
}

/* --- the walk -------------------------------------------------------------------------------------------------------------- */

enum status verify_begin(struct verify *v, struct err *err)
{
    char path[FS_PATH_MAX];
    enum status status;

    v->at = v->hole = v->batches = v->findings = 0;
    v->next = v->base;
    v->max_timestamp = -1;
    v->holes = v->careful = false;
    v->offsets_at = v->times_at = 0;
    index_init(&v->offsets, OFFSET_KEY);
    index_init(&v->times, TIME_KEY);
    v->scan = (struct scan){.capacity = READ_CHUNK, .grows = true};
    if (segment_path(path, v->dir, v->base, ".log", err) || fs_open(v->fs, path, v->aside ? FS_ASIDE : FS_READ, &v->scan.file, err))
        return err->status;
    status = file_size(v->scan.file, &v->scan.end, err);
    v->scan.buffer = mem_alloc(v->scan.capacity, 1);
    if (!status && !v->scan.buffer)
        status = err_set(err, STATUS_NO_MEMORY, "no memory to read %s", path);
    if (!status && v->indexed)
        status = index_begin(v, &v->offsets, ".index", err);
    if (!status && v->indexed)
        status = index_begin(v, &v->times, ".timeindex", err);
    if (status)
        verify_end(v);
    return status;
}

enum status verify_step(struct verify *v, size_t bytes, bool *more, struct err *err)
{
    uint64_t until = v->at + bytes;

    do {
        if (v->at == v->scan.end) {
            hole_close(v);
            v->hole = v->at;
            indexes_end(v);
            *more = false;
            return STATUS_OK;
        }
        if (advance(v, err))
            return err->status;
    } while (v->at < until);
    *more = true;
    return STATUS_OK;
}

void verify_end(struct verify *v)
{
    index_free(&v->offsets);
    index_free(&v->times);
    mem_free(v->scan.buffer);
    if (v->scan.file)
        file_unref(v->scan.file);
    v->scan.file = NULL;
    v->scan.buffer = NULL;
}
