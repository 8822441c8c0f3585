/* SPDX-License-Identifier: Apache-2.0
 * See journal.h: making it, filling it, and syncing what it owes.
 *
 *   state   NONE ──enough commits──> MAKING ──done──> READY
 *                                       └──failed──> REFUSED: the slow way, for good
 */
#include "store/journal.h"

#include "base/assert.h"
#include "base/bug.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/stream.h"
#include "base/writer.h"
#include "rt/log.h"
#include "store/log_int.h"

enum {
    COMMITS_FIRST = 64,            /* that go the slow way before a journal is made: a broker that only starts and stops makes none */
    WRITES = 2,                    /* under way at a time */
    GROUPS = 2 * WRITES,           /* they, and one that gathers; and those whose commits are told how it went, while the next one is written already */
    LARGE_SHARE = 32,              /* of a buffer: 64 KiB. A group with as much need not wait for the one before it; smaller ones gather, and cost less */
    FEED = 512,                    /* logs that are looked at, or spilled, at a time when the journal wants its half back */
    CARRY_BYTES = 1 << 10,         /* a tail of as many is taken over to the other half */
    CARRY_MORE = 16 << 10,         /* what a group takes of them */
    HEAD_ROOM = FS_BLOCK,
    BUFFER_BYTES = (2 << 20) + FS_BLOCK,
};

struct half {
    uint64_t first;   /* sequence of the first group in it; 0: it never had one */
    struct list logs; /* that it owes: log.journal_halves[.] */
};

struct group {
    struct io_write write;
    struct journal *journal;
    struct list commits;
    struct log *teller;       /* who waits for what it tells, when it has no commits: not idle until it landed */
    struct list carried;      /* logs whose tails it takes over from the other half: log.journal_halves of that one */
    bool landed;              /* its write ended */
    bool stuck;               /* it found no space, where the file system copies what is written over: it is tried again */
    uint8_t *buffer;          /* from a block's beginning: what stands in that block before the group, and the group */
    uint8_t *bytes;           /* the group's own */
    size_t filled;            /* of them */
    uint32_t frames, frames_crc;
};

struct journal {
    struct store *store;
    const char *dir;
    size_t half_size, capacity; /* capacity: of the buffer, the largest group */
    enum { NONE, MAKING, READY, REFUSED } state;
    unsigned commits;         /* while NONE */
    bool kept;                /* a log was not closed well: the file stays for the next start */
    char path[FS_PATH_MAX];
    struct file *file, *volume;
    uint64_t id, sequence;    /* sequence: of the last group that was written, or is */
    struct half halves[2];
    unsigned current;
    uint64_t used;            /* bytes of the current half: where the next group begins */
    uint8_t *block;           /* the groups' buffers are its aligned part */

    struct io_job job;        /* the making */
    struct log *maker;        /* whose commit was the one too many: not idle until the file is made */
    enum status status;       /* of it */
    struct err err;
    struct group groups[GROUPS]; /* by sequence, in turn */
    bool open;                /* the next one takes commits */
    unsigned writing;         /* the last ones, in order: one that landed before another that has not waits for it */
    bool failed;              /* one of them: none is written after it */
    bool told;                /* the last one tells that the other half is not needed */

    struct list small;        /* logs of the half that is not filled, whose tails are to be taken over from it */
    size_t waits;             /* logs of that half that were asked to sync, and have not yet (log.journal_waits) */
};

static uint64_t whole(uint64_t size, unsigned unit)
{
    return (size + unit - 1) / unit * unit;
}

static struct group *next_group(struct journal *j)
{
    return &j->groups[(j->sequence + 1) % GROUPS];
}

static struct group *last_group(struct journal *j)
{
    return &j->groups[j->sequence % GROUPS];
}

/* Of those that are written. */
static struct group *first_group(struct journal *j)
{
    return &j->groups[(j->sequence + 1 - j->writing) % GROUPS];
}

struct journal *journal_new(struct store *store, const char *dir, size_t size)
{
    struct journal *j = mem_alloc(1, sizeof *j);

    if (!j)
        return NULL;
    j->store = store;
    j->dir = dir;
    j->half_size = size / 2 / FS_BLOCK * FS_BLOCK;
    j->capacity = j->half_size / 4 / FS_BLOCK * FS_BLOCK < BUFFER_BYTES ? j->half_size / 4 / FS_BLOCK * FS_BLOCK : BUFFER_BYTES;
    list_init(&j->halves[0].logs);
    list_init(&j->halves[1].logs);
    list_init(&j->small);
    for (size_t i = 0; i < GROUPS; i++) {
        list_init(&j->groups[i].commits);
        list_init(&j->groups[i].carried);
        j->groups[i].journal = j;
    }
    return j;
}

/* First, so that a journal is not missed. */
static enum status remove_needed(const struct journal *j, struct fs *fs, struct err *err)
{
    char needed[FS_PATH_MAX];

    if (snprintf(needed, sizeof needed, "%s" JOURNAL_NEEDED, j->path) >= (int)sizeof needed)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", j->path);
    return fs_remove(fs, needed, err);
}

void journal_free(struct journal *j)
{
    struct fs *fs;
    struct err err;

    if (!j)
        return;
    ASSERT(!j->writing && list_empty(&next_group(j)->commits) && j->state != MAKING);
    fs = shard_fs(store__shard(j->store));
    if (j->file) {
        file_unref(j->file);
        if (!j->kept && (remove_needed(j, fs, &err) || fs_remove(fs, j->path, &err) || fs_sync_dir(fs, j->dir, &err)))
            log_line(LOG_WARN, "journal not removed", "file=%s reason=%s", j->path, err.text);
    }
    if (j->volume)
        file_unref(j->volume);
    mem_free(j->block);
    mem_free(j);
}

/* --- making ---------------------------------------------------------------------------------------------------------------- */

/* Blocks that were never written cost the file system a commit each when they are: so all are, here, and then the head. */
static enum status make_content(struct journal *j, struct file *file, struct err *err)
{
    uint64_t size = HEAD_ROOM + 2 * (uint64_t)j->half_size;
    uint8_t *head = j->groups[0].buffer;
    struct writer w;

    for (uint64_t at = 0, step; at < size; at += step) {
        step = size - at < j->capacity ? size - at : j->capacity;
        if (file_write(file, at, &(struct bytes_view){j->groups[0].buffer, (size_t)step}, 1, err))
            return err->status;
    }
    writer_init(&w, head, JOURNAL_HEAD);
    writer_u32(&w, JOURNAL_MAGIC);
    writer_u32(&w, 0);
    writer_i64(&w, (int64_t)j->id);
    writer_init(&w, head + 4, 4);
    writer_u32(&w, crc32c(head + 8, JOURNAL_HEAD - 8));
    return file_write(file, 0, &(struct bytes_view){head, HEAD_ROOM}, 1, err);
}

/* The first name of this shard that no journal of a life before has. */
static enum status make_name(struct journal *j, char needed[static FS_PATH_MAX], struct err *err)
{
    struct fs *fs = shard_fs(store__shard(j->store));

    for (unsigned n = shard_id(store__shard(j->store));; n += JOURNAL_NUMBERS) {
        if (snprintf(j->path, sizeof j->path, "%s/" JOURNAL_PREFIX "%u", j->dir, n) >= (int)sizeof j->path ||
            snprintf(needed, FS_PATH_MAX, "%s" JOURNAL_NEEDED, j->path) >= FS_PATH_MAX)
            return err_set(err, STATUS_INVALID, "%s: the path is too long", j->dir);
        if (!fs_exists(fs, j->path) && !fs_exists(fs, needed))
            return STATUS_OK;
    }
}

/* Under another name until it is whole, so that who finds a journal finds a whole one. The volume is open before anything is spilled, so that no
 * failure of writing it is missed. */
static enum status make_file(struct journal *j, struct err *err)
{
    struct fs *fs = shard_fs(store__shard(j->store));
    char path[FS_PATH_MAX], needed[FS_PATH_MAX], size[32];
    int n = snprintf(size, sizeof size, "%zu\n", HEAD_ROOM + 2 * j->half_size);
    struct err ignored;
    struct file *file;

    if (make_name(j, needed, err))
        return err->status;
    if (snprintf(path, sizeof path, "%s.tmp", j->path) >= (int)sizeof path)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", j->path);
    if (fs_open(fs, j->dir, FS_VOLUME, &j->volume, err) || fs_open(fs, path, FS_CREATE | FS_DURABLE, &file, err))
        return err->status;
    if (make_content(j, file, err) || fs_rename(fs, path, j->path, err) || fs_write_file(fs, needed, size, (size_t)n, err)) {
        file_unref(file);
        if (fs_remove(fs, path, &ignored) && fs_remove(fs, j->path, &ignored))
            (void)err_wrap(err, "%s is left", path);
        return err->status;
    }
    j->file = file;
    return STATUS_OK;
}

static void make_work(struct io_job *job)
{
    struct journal *j = LIST_ENTRY(job, struct journal, job);

    j->status = make_file(j, &j->err);
}

static void make_done(struct shard *here, struct io_job *job)
{
    struct journal *j = LIST_ENTRY(job, struct journal, job);
    struct log *maker = j->maker;

    j->state = j->status ? REFUSED : READY;
    if (j->status)
        log_line(LOG_WARN, "no journal: each log syncs for itself", "dir=%s reason=%s", j->dir, j->err.text);
    else
        log_line(LOG_INFO, "journal made", "file=%s bytes=%zu", j->path, HEAD_ROOM + 2 * j->half_size);
    j->maker = NULL;
    maker->jobs--;
    log__check_idle(maker);
}

static void make(struct journal *j, struct log *maker)
{
    struct shard *shard = store__shard(j->store);

    j->block = store__take_room(maker->home, HEAD_ROOM + 2 * j->half_size) ? mem_alloc(GROUPS * (j->capacity + FS_BLOCK) + FS_BLOCK, 1) : NULL;
    if (!j->block) {
        j->commits = 0;
        return;
    }
    for (size_t i = 0; i < GROUPS; i++)
        j->groups[i].buffer = fs_aligned(j->block) + i * (j->capacity + FS_BLOCK);
    j->id = shard_random(shard);
    j->state = MAKING;
    j->maker = maker;
    maker->jobs++;
    j->job = (struct io_job){.work = make_work, .done = make_done, .lane = j};
    io_job_submit(shard_io(shard), &j->job);
}

/* --- syncing what it owes -------------------------------------------------------------------------------------------------- */

bool journal_owes(const struct log *log)
{
    return log->home->journal && log->synced < log->durable;
}

static void waits_no_more(struct log *log)
{
    struct journal *j = log->home->journal;

    if (!log->journal_waits)
        return;
    log->journal_waits = false;
    if (!--j->waits)
        store__commit_waiting(j->store);
}

void journal_forget(struct log *log)
{
    struct journal *j = log->home->journal;

    if (!log->work)
        return;
    if (journal_owes(log) && !log->discarded)
        j->kept = true;
    list_remove(&log->work->journal_halves[0]);
    list_remove(&log->work->journal_halves[1]);
    waits_no_more(log);
}

struct file *journal_volume(const struct journal *j)
{
    return j ? j->volume : NULL;
}

static struct str_view log_name(const struct log *log)
{
    return str_from(strrchr(log->dir, '/') + 1);
}

static bool other_half_free(const struct journal *j)
{
    bool carries = false;

    for (unsigned i = 0; i < GROUPS; i++)
        carries |= !list_empty(&j->groups[i].carried);
    return !j->kept && list_empty(&j->halves[!j->current].logs) && list_empty(&j->small) && !carries && !j->waits;
}

/* But for a group that says no more than that the other half is not needed. Each may have to begin a block later. */
static bool half_is_full(const struct journal *j)
{
    return j->half_size - j->used < j->capacity + 3 * FS_BLOCK;
}

/* So much of the half is filled that what is not yet taken over to it is spilled: else it would be full before the other one is free. */
static bool is_late(const struct journal *j)
{
    return j->used > j->half_size / 4 * 3 || half_is_full(j);
}

/* All that the journal owes it is in its tail, and is little. */
static bool may_carry(const struct journal *j, const struct log *log)
{
    const struct tail *tail = &log->work->tail;

    return journal_owes(log) && log->spilled == log->synced && tail->end - tail->from <= CARRY_BYTES && log_name(log).size <= JOURNAL_NAME_MAX && !is_late(j);
}

static void ask_sync(struct journal *j, struct log *log)
{
    if (!journal_owes(log))
        return;
    log->journal_waits = true;
    j->waits++;
    log__sync(log);
}

static struct log *other_half_log(const struct journal *j, struct list *node)
{
    return LIST_ENTRY(node, struct log_work, journal_halves[!j->current])->log;
}

/* The logs of the half, some at a time: their spills run while more are asked. */
void journal_feed(struct journal *j)
{
    struct list *logs = j ? &j->halves[!j->current].logs : NULL;

    for (unsigned looks = 0; j && looks < FEED && j->waits < FEED && !list_empty(logs); looks++) {
        struct list *node = list_pop_front(logs);
        if (may_carry(j, other_half_log(j, node)))
            list_push_back(&j->small, node);
        else
            ask_sync(j, other_half_log(j, node));
    }
    while (j && is_late(j) && j->waits < FEED && !list_empty(&j->small))
        ask_sync(j, other_half_log(j, list_pop_front(&j->small)));
}

void journal_synced(struct log *log)
{
    if (log->synced >= log->work->sync_to)
        waits_no_more(log);
}

/* --- a group --------------------------------------------------------------------------------------------------------------- */

/* Not while a group is under way: what it brings belongs to the half that it is written to. */
static void half_change(struct journal *j)
{
    j->current = !j->current;
    j->used = 0;
    j->halves[j->current].first = j->sequence + 1;
}

static void group_write(struct journal *j);

void journal_begin(struct journal *j)
{
    struct group *group;

    if (!j || j->state != READY || j->open)
        return;
    journal_feed(j);
    if (half_is_full(j) && !j->writing && !j->failed && other_half_free(j) && j->told)
        half_change(j);
    group = next_group(j);
    group->bytes = group->buffer + j->used % FS_BLOCK;
    group->filled = JOURNAL_GROUP_HEAD;
    group->frames = group->frames_crc = 0;
    j->open = !half_is_full(j);
}

/* The last group of a half tells that the other one is not needed before that one is written over: else a crash that tears what is written there would leave one that
 * is missed. */
void journal_awaited(struct journal *j, struct log *log)
{
    if (!j || j->state != READY || j->open || list_empty(&log->work->queue) || !half_is_full(j) || j->writing || j->failed || !other_half_free(j) || j->told)
        return;
    next_group(j)->teller = log;
    log->jobs++;
    group_write(j);
}

/* Half of a buffer: what one log brings, and what a group has that takes no more. */
static size_t share(const struct journal *j)
{
    return (j->capacity - FS_BLOCK) / 2;
}

size_t journal_enough(const struct journal *j)
{
    return j ? share(j) / 2 : BUFFER_BYTES / 4;
}

bool journal_busy(struct journal *j)
{
    if (!j || j->state != READY)
        return false;
    return j->open ? next_group(j)->filled >= share(j) : !j->kept; /* what is kept must not be written over: there will be no room */
}

bool journal_rolls(const struct journal *j)
{
    return j && j->state == READY && !j->kept;
}

size_t journal_takes(const struct journal *j)
{
    return journal_rolls(j) ? share(j) : 0;
}

static size_t frame_size(const struct log *log, size_t size)
{
    return JOURNAL_FRAME_HEAD + log_name(log).size + size;
}

/* Its head, before `size` bytes: where they go. */
static uint8_t *frame_begin(struct group *group, const struct log *log, int64_t base, uint64_t position, size_t size)
{
    struct str_view name = log_name(log);
    struct writer w;

    writer_init(&w, group->bytes + group->filled, frame_size(log, 0));
    writer_uuid(&w, log->topic_id);
    writer_i64(&w, base);
    writer_i64(&w, (int64_t)position);
    writer_u32(&w, (uint32_t)size);
    writer_u16(&w, (uint16_t)name.size);
    writer_u16(&w, 0);
    writer_raw(&w, name.data, name.size);
    group->frames_crc = crc32c_extend(group->frames_crc, w.start, writer_size(&w));
    group->filled += frame_size(log, size);
    group->frames++;
    return group->bytes + group->filled - size;
}

/* The batches go to the group, which only the disk will read, and to the tail. */
static void frame_write(struct group *group, const struct commit *c, uint8_t *room)
{
    uint8_t *to = frame_begin(group, c->log, c->base, c->position, c->size);

    for (unsigned i = 0; i < c->pieces_count; room += c->pieces[i].size, to += c->pieces[i++].size) {
        group->frames_crc = crc32c_extend(group->frames_crc, c->pieces[i].data, c->pieces[i].size);
        stream_copy(to, c->pieces[i].data, c->pieces[i].size);
        memcpy(room, c->pieces[i].data, c->pieces[i].size);
    }
}

/* The half that is filled has bytes of the log. */
static void half_owes(struct journal *j, struct log *log)
{
    if (list_empty(&log->work->journal_halves[j->current]))
        list_push_back(&j->halves[j->current].logs, &log->work->journal_halves[j->current]);
}

bool journal_take(struct journal *j, struct commit *c)
{
    struct log *log = c->log;
    struct group *group;
    uint8_t *room;

    if (!j || !c->sync)
        return false;
    if (j->state == NONE && ++j->commits == COMMITS_FIRST)
        make(j, log);
    if (!j->open || c->make || !c->pieces_count || c->size > share(j))
        return false;
    group = next_group(j);
    if (frame_size(log, c->size) > j->capacity - group->filled || log_name(log).size > JOURNAL_NAME_MAX)
        return false;
    room = tail_room(&log->work->tail, c->size);
    if (!room)
        return false;
    frame_write(group, c, room);
    list_push_back(&group->commits, &c->link);
    half_owes(j, log);
    return true;
}

static void frame_carry(struct group *group, const struct log *log, size_t size)
{
    const struct tail *tail = &log->work->tail;
    uint8_t *to = frame_begin(group, log, log->writing->base, tail->from, size);

    tail_copy(tail, to);
    group->frames_crc = crc32c_extend(group->frames_crc, to, size);
}

/* Small tails of the other half. The sooner all are done the less a start has to read. */
static void group_carry(struct journal *j, struct group *group)
{
    size_t most = group->filled + CARRY_MORE;

    if (most > j->capacity)
        most = j->capacity;
    while (!list_empty(&j->small)) {
        struct list *node = j->small.next;
        struct log *log = other_half_log(j, node);
        size_t size = (size_t)(log->work->tail.end - log->work->tail.from);
        if (may_carry(j, log) && frame_size(log, size) > most - group->filled)
            return;
        list_remove(node);
        if (may_carry(j, log)) {
            frame_carry(group, log, size);
            list_push_back(&group->carried, node);
        } else {
            ask_sync(j, log);
        }
    }
}

/* It landed, and all before it. */
static void group_carried(struct journal *j, struct group *group)
{
    for (struct list *node = list_pop_front(&group->carried); node; node = list_pop_front(&group->carried))
        half_owes(j, other_half_log(j, node));
}

/* The other half may not be free, and yet have had no group: in a journal that is kept. */
static uint64_t oldest_needed(const struct journal *j)
{
    const struct half *other = &j->halves[!j->current];

    return other->first && !other_half_free(j) ? other->first : j->halves[j->current].first;
}

/* Its head. `before`: groups that may not be there yet when it is. */
static void group_finish(const struct journal *j, const struct group *group, uint64_t oldest, uint32_t before)
{
    struct writer w;

    writer_init(&w, group->bytes + 8, JOURNAL_GROUP_HEAD - 8);
    writer_i64(&w, (int64_t)j->id);
    writer_i64(&w, (int64_t)j->sequence);
    writer_i64(&w, (int64_t)oldest);
    writer_u32(&w, (uint32_t)group->filled);
    writer_u32(&w, before << JOURNAL_FRAMES_BITS | group->frames);
    writer_init(&w, group->bytes, 8);
    writer_u32(&w, JOURNAL_MAGIC);
    writer_u32(&w, crc32c_join(crc32c(group->bytes + 8, JOURNAL_GROUP_HEAD - 8), group->frames_crc, group->filled - JOURNAL_GROUP_HEAD));
}

/* Where it goes: behind what landed before it, whose last block is written once more, with the same bytes; a block later when that is still under way, as of
 * two writes of a block nobody knows which one comes last. */
static uint64_t group_place(struct journal *j, struct group *group)
{
    size_t before = (size_t)(group->bytes - group->buffer), end = before + group->filled;
    const struct group *last = last_group(j);
    uint64_t at = j->used / FS_BLOCK * FS_BLOCK;

    ASSERT(before == j->used % FS_BLOCK);
    if (j->writing && before) {
        memset(group->buffer, 0, before);
        at += FS_BLOCK;
    } else if (before) {
        memcpy(group->buffer, last->buffer + (size_t)(last->bytes - last->buffer + last->filled) / FS_BLOCK * FS_BLOCK, before);
    }
    memset(group->buffer + end, 0, whole(end, FS_BLOCK) - end);
    j->used = whole(at + end, JOURNAL_ALIGN);
    return HEAD_ROOM + j->current * j->half_size + at;
}

static void group_written(struct shard *here, struct io_write *write);

static void group_write(struct journal *j)
{
    struct group *group = next_group(j);
    uint64_t oldest, at;
    size_t size;

    j->open = false;
    group_carry(j, group);
    at = group_place(j, group);
    size = (size_t)whole((size_t)(group->bytes - group->buffer) + group->filled, FS_BLOCK);
    if (!j->sequence)
        j->halves[0].first = 1;
    j->sequence++;
    oldest = oldest_needed(j);
    j->told = oldest == j->halves[j->current].first;
    group_finish(j, group, oldest, j->writing);
    group->write = (struct io_write){.done = group_written, .file = j->file, .offset = at, .bytes = {group->buffer, BUG(ETCD_14370) ? 0 : size}};
    group->landed = false;
    j->writing++;
    io_write(shard_io(store__shard(j->store)), &group->write);
}

static void group_end(struct shard *here, struct group *group, enum status status, const struct err *err)
{
    struct log *teller = group->teller;

    if (status)
        store__dir_failed(store__dir_find(group->journal->store, group->journal->dir), err);
    for (struct list *node = list_pop_front(&group->commits); node; node = list_pop_front(&group->commits)) {
        struct commit *c = LIST_ENTRY(node, struct commit, link);
        c->status = status;
        log__commit_done(here, c);
    }
    if (teller) {
        group->teller = NULL;
        teller->jobs--;
        log__check_idle(teller);
    }
}

/* Those that landed, in order, and behind one that failed all: what it was to be for the disk, nobody may know. */
static void groups_end(struct shard *here, struct journal *j, struct group *group, unsigned count)
{
    for (; count; count--, group = &j->groups[(group - j->groups + 1) % GROUPS])
        group_end(here, group, group->write.status, &group->write.err);
    if (j->failed && !j->writing)
        group_end(here, next_group(j), STATUS_KAFKA_STORAGE_ERROR, NULL);
}

/* The next one begins before anybody is told of those that landed: the disk does not wait for what they do. */
static void group_written(struct shard *here, struct io_write *write)
{
    struct group *group = LIST_ENTRY(write, struct group, write), *first;
    struct journal *j = group->journal;
    struct store_dir *dir = store__dir_find(j->store, j->dir);
    unsigned landed = 0;

    if (fs_may_retry(write->status) && !dir->offline && !group->stuck) {
        group->stuck = true;
        store__no_space(dir, &write->err);
        return;
    }
    group->landed = true;
    group->stuck = false;
    j->failed |= write->status != STATUS_OK;
    for (first = first_group(j); j->writing && first_group(j)->landed; landed++) {
        group_carried(j, first_group(j));
        j->writing--;
    }
    journal_submit(j);
    groups_end(here, j, first, landed);
    store__commit_waiting(j->store);
}

void journal_retry(struct journal *j)
{
    for (unsigned i = 0; j && i < GROUPS; i++) {
        struct io_write *write = &j->groups[i].write;
        if (!j->groups[i].stuck)
            continue;
        j->groups[i].stuck = false;
        *write = (struct io_write){.done = group_written, .file = write->file, .offset = write->offset, .bytes = write->bytes};
        io_write(shard_io(store__shard(j->store)), write);
    }
}

void journal_give_up(struct journal *j)
{
    for (unsigned i = 0; j && i < GROUPS; i++)
        if (j->groups[i].stuck)
            group_written(store__shard(j->store), &j->groups[i].write);
}

/* Whether one may begin beside those that are under way. */
static bool may_begin(struct journal *j)
{
    return !j->writing || (j->writing < WRITES && next_group(j)->filled >= j->capacity / LARGE_SHARE);
}

void journal_submit(struct journal *j)
{
    if (j && j->open && !j->failed && may_begin(j) && !list_empty(&next_group(j)->commits))
        group_write(j);
}
