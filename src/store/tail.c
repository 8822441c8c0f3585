/* SPDX-License-Identifier: Apache-2.0
 * See tail.h. A chunk's place and room never change, and its bytes only once, before anybody is told of them: so other shards may send from it, and
 * a job may write it, while the log's shard adds to it.
 */
#include "store/tail.h"

#include "base/assert.h"
#include "base/mem.h"
#include "rt/fs_backend.h"

enum { CHUNK_MAX = 1 << 20, PIECES = 16 };

struct tail_chunk {
    struct file file; /* first */
    struct tail_chunk *next; /* in the tail; NULL: the last one */
    uint64_t position;
    size_t room, used; /* used: with what is not of the tail yet */
    uint8_t *data;     /* behind it */
    bool begun;        /* a block: what its first one had before is in it */
};

/* --- chunks as files --- */

static const struct tail_chunk *chunk_of(const struct file *file)
{
    return (const struct tail_chunk *)(const void *)file;
}

static void chunk_close(struct file *file)
{
    mem_free(file);
}

static const uint8_t *chunk_memory(const struct file *file, uint64_t offset, size_t size)
{
    const struct tail_chunk *chunk = chunk_of(file);

    ASSERT(offset >= chunk->position && offset + size <= chunk->position + chunk->room);
    return chunk->data + (offset - chunk->position);
}

static enum status chunk_read(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err)
{
    memcpy(to, chunk_memory(file, offset, size), size);
    *got = size;
    return STATUS_OK;
}

/* What else can be done with a file is not done with this one. */
static const struct fs_backend chunk_backend = {.file_close = chunk_close, .file_read = chunk_read, .file_memory = chunk_memory};

/* slack: bytes behind the room. */
static struct tail_chunk *chunk_new(uint64_t position, size_t room, size_t slack)
{
    struct tail_chunk *chunk = mem_resize(NULL, 1, sizeof *chunk + room + slack); /* not zeroed */

    if (!chunk || !file__init(&chunk->file, &chunk_backend, -1, NULL))
        return NULL;
    chunk->next = NULL;
    chunk->position = position;
    chunk->room = room;
    chunk->used = 0;
    chunk->data = (uint8_t *)(chunk + 1);
    return chunk;
}

/* --- a row of files --- */

struct span {
    struct file file; /* first */
    uint64_t end;
    unsigned count;
    struct {
        struct file *file;
        uint64_t from;
    } parts[];
};

static void span_close(struct file *file)
{
    struct span *span = (struct span *)(void *)file;

    for (unsigned i = 0; i < span->count; i++)
        file_unref(span->parts[i].file);
    mem_free(span);
}

static struct file *span_part(struct file *file, uint64_t offset, size_t *size)
{
    const struct span *span = (const struct span *)(const void *)file;
    unsigned i = 0;
    uint64_t end;

    ASSERT(offset >= span->parts[0].from && offset <= span->end);
    while (i + 1 < span->count && span->parts[i + 1].from <= offset)
        i++;
    end = i + 1 < span->count ? span->parts[i + 1].from : span->end;
    if (*size > end - offset)
        *size = (size_t)(end - offset);
    return span->parts[i].file;
}

static enum status span_read(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err)
{
    for (*got = 0; *got < size;) {
        size_t step = size - *got, done;
        struct file *part = span_part(file, offset + *got, &step);

        if (!step)
            break;
        if (file_read(part, offset + *got, (uint8_t *)to + *got, step, &done, err))
            return err->status;
        *got += done;
        if (done < step)
            break;
    }
    return STATUS_OK;
}

static const struct fs_backend span_backend = {.file_close = span_close, .file_part = span_part, .file_read = span_read};

/* --- the tail --- */

void tail_init(struct tail *tail, uint64_t at, size_t *held)
{
    *tail = (struct tail){.from = at, .end = at, .taken = at, .held = held};
}

static size_t chunk_cost(const struct tail_chunk *chunk)
{
    return sizeof *chunk + chunk->room;
}

void tail_drop(struct tail *tail, struct tail_chunk *chunk)
{
    *tail->held -= chunk_cost(chunk);
    file_unref(&chunk->file);
}

static void drop_first(struct tail *tail)
{
    struct tail_chunk *chunk = tail->first;

    tail->first = chunk->next;
    if (!tail->first)
        tail->last = NULL;
    tail_drop(tail, chunk);
}

static void drop_kept(struct tail *tail)
{
    if (tail->kept)
        tail_drop(tail, tail->kept);
    tail->kept = NULL;
}

void tail_free(struct tail *tail)
{
    drop_kept(tail);
    while (tail->first)
        drop_first(tail);
}

/* Room for what comes, and as much again as there was before. */
static size_t room_for(const struct tail *tail, size_t size)
{
    uint64_t room = tail->taken - tail->from;

    if (room > CHUNK_MAX)
        room = CHUNK_MAX;
    return room < size ? size : (size_t)room;
}

static struct tail_chunk *add_chunk(struct tail *tail, size_t size)
{
    size_t room = room_for(tail, size);
    struct tail_chunk *chunk = tail->taken - tail->from + room <= TAIL_ROOM_MAX ? chunk_new(tail->taken, room, 0) : NULL;

    if (!chunk)
        return NULL;
    *tail->held += chunk_cost(chunk);
    if (tail->last)
        tail->last->next = chunk;
    else
        tail->first = chunk;
    return tail->last = chunk;
}

uint8_t *tail_room(struct tail *tail, size_t size)
{
    struct tail_chunk *chunk = tail->last;

    if (!chunk || chunk->room - chunk->used < size)
        chunk = add_chunk(tail, size);
    if (!chunk)
        return NULL;
    chunk->used += size;
    tail->taken += size;
    return chunk->data + (chunk->used - size);
}

void tail_grow(struct tail *tail, size_t size)
{
    tail->end += size;
}

/* Not the last ones when commits have room in them. */
void tail_cut(struct tail *tail, uint64_t to)
{
    ASSERT(to >= tail->from && to <= tail->end);
    if (to > tail->from)
        drop_kept(tail);
    tail->from = to;
    while (tail->first && tail->first->position + tail->first->used <= to)
        drop_first(tail);
}

void tail_move(struct tail *tail, uint64_t at)
{
    ASSERT(tail->from == tail->taken && !tail->first);
    drop_kept(tail);
    tail->from = tail->end = tail->taken = at;
}

/* --- blocks --- */

struct tail_chunk *tail_block(struct tail *tail, uint64_t at, size_t size, size_t held_max)
{
    size_t before = at % FS_BLOCK, room = (before + size + FS_BLOCK - 1) / FS_BLOCK * FS_BLOCK;
    const struct tail_chunk *kept = tail->kept;
    struct tail_chunk *chunk = *tail->held + room <= held_max ? chunk_new(at - before, room, FS_BLOCK) : NULL;

    if (!chunk)
        return NULL;
    *tail->held += chunk_cost(chunk);
    chunk->data = fs_aligned(chunk->data);
    chunk->used = before;
    chunk->begun = kept && kept->position <= chunk->position && kept->position + kept->used == at;
    if (chunk->begun)
        memcpy(chunk->data, kept->data + (chunk->position - kept->position), before);
    return chunk;
}

enum status tail_block_write(struct tail_chunk *chunk, struct file *disk, struct file *direct, const struct bytes_view *pieces, unsigned count, struct err *err)
{
    size_t size = chunk->used, got = size;

    if (!chunk->begun && size && file_read(disk, chunk->position, chunk->data, size, &got, err))
        return err->status;
    if (got < size)
        return err_set(err, STATUS_IO, "the segment is shorter than what was written to it");
    for (unsigned i = 0; i < count; size += pieces[i++].size)
        memcpy(chunk->data + size, pieces[i].data, pieces[i].size);
    memset(chunk->data + size, 0, chunk->room - size);
    return file_write(direct, chunk->position, &(struct bytes_view){chunk->data, chunk->room}, 1, err);
}

bool tail_keep(struct tail *tail, struct tail_chunk *chunk, size_t size, size_t held_max)
{
    uint64_t from = tail->end;

    chunk->used += size;
    tail_move(tail, from + size);
    if (*tail->held > held_max) {
        tail_drop(tail, chunk);
    } else {
        tail->kept = chunk;
        tail->kept_from = from;
    }
    return tail->end % FS_BLOCK;
}

uint64_t tail_begin(const struct tail *tail)
{
    return tail->kept ? tail->kept_from : tail->from;
}

/* Where the bytes of the tail that the chunk holds end. */
static uint64_t chunk_end(const struct tail *tail, const struct tail_chunk *chunk)
{
    return chunk->next && chunk->next->position < tail->end ? chunk->next->position : tail->end;
}

struct file *tail_source(const struct tail *tail, struct file *disk, uint64_t position, uint64_t *left)
{
    struct file *source = disk;
    uint64_t end = tail_begin(tail);

    if (position >= end && tail->kept) {
        source = &tail->kept->file;
        end = tail->from;
    }
    for (struct tail_chunk *chunk = tail->first; chunk && position >= end; chunk = chunk->next) {
        source = &chunk->file;
        end = chunk_end(tail, chunk);
    }
    if (position < end && *left > end - position)
        *left = end - position;
    return source;
}

void tail_copy(const struct tail *tail, uint8_t *to)
{
    const struct tail_chunk *chunk = tail->first;

    for (uint64_t at = tail->from; at < tail->end; chunk = chunk->next) {
        uint64_t end = chunk_end(tail, chunk);
        memcpy(to, chunk->data + (at - chunk->position), (size_t)(end - at));
        to += end - at;
        at = end;
    }
}

static unsigned chunks_count(const struct tail *tail)
{
    unsigned count = 0;

    for (const struct tail_chunk *chunk = tail->first; chunk; chunk = chunk->next)
        count++;
    return count;
}

struct file *tail_span(const struct tail *tail, struct file *disk, uint64_t from, uint64_t to)
{
    uint64_t left = to - from;
    struct file *source = tail_source(tail, disk, from, &left);
    struct span *span;

    if (left == to - from)
        return file_ref(source);
    span = mem_alloc(1, sizeof *span + (chunks_count(tail) + 2) * sizeof *span->parts);
    if (!span || !file__init(&span->file, &span_backend, -1, "the segment and its tail")) {
        mem_free(span);
        return NULL;
    }
    span->end = to;
    for (uint64_t at = from; at < to; at += left) {
        left = to - at;
        span->parts[span->count].from = at;
        span->parts[span->count++].file = file_ref(tail_source(tail, disk, at, &left));
    }
    return &span->file;
}

enum status tail_write(const struct tail_chunk *chunk, const struct tail_chunk *last, struct file *disk, uint64_t from, uint64_t to, struct err *err)
{
    struct bytes_view pieces[PIECES];

    while (from < to) {
        uint64_t at = from;
        unsigned count = 0;
        for (; from < to && count < PIECES; chunk = chunk == last ? chunk : chunk->next) {
            uint64_t end = chunk != last && chunk->next->position < to ? chunk->next->position : to;
            pieces[count++] = (struct bytes_view){chunk->data + (from - chunk->position), (size_t)(end - from)};
            from = end;
        }
        if (file_write(disk, at, pieces, count, err))
            return err->status;
    }
    return STATUS_OK;
}
