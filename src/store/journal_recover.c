/* SPDX-License-Identifier: Apache-2.0
 * See journal.h: what a journal holds goes into the segments that it was written for.
 *
 * A file is searched block by block for whole groups of its own id: the id is random, so bytes of a producer are never taken for one. The group with
 * the highest sequence is the last one that was written; it names the oldest that is needed, and all between must be there. What does not
 * read behind the last one is its successor, torn: it was never acknowledged. (The last group itself, gone bad later, looks the same.)
 *
 * A frame is passed over when its folder is gone or has another topic id (a deleted topic; with none yet and no records: one that was about to be made
 * again; with none, though there are records, the id was lost), or when its segment is not the folder's last one
 * (then it was synced before the next was made). Writing it again does no harm where it is there already; where another whole batch stands, somebody
 * else wrote this log after us, and the directory is refused.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "rt/log.h"
#include "store/journal.h"
#include "store/segment.h"
#include "store/text.h"
#include "wire/records.h"

enum { JOURNAL_FILE_MAX = 1 << 30, METADATA_MAX = 4096, CHECKED_FROM = 16 }; /* base offset and epoch before it are outside a batch's CRC: they may be torn */

struct group {
    uint64_t sequence, oldest;
    const uint8_t *at;
    uint32_t size, frames;
};

struct frame {
    struct uuid topic_id;
    struct str_view name;
    int64_t base;
    uint64_t position;
    struct bytes_view bytes;
};

/* A folder that frames are for. */
struct target {
    struct uuid topic_id; /* zero: it names none */
    int64_t base;         /* of its last segment; -1: it has none */
    bool empty;           /* nothing was ever appended */
    bool known, touched;
};

struct replay {
    struct fs *fs;
    const char *dir;
    struct log_dir_entry *entries;
    size_t count;
    struct target *targets; /* of the entries */
    struct file *file;      /* of `opened`, the last one that was written to: frames of a log often follow each other */
    const struct target *opened;
    uint8_t *there;         /* what stands where a frame goes */
    size_t capacity;
    size_t frames;
};

bool journal_named(const char *name)
{
    size_t prefix = sizeof JOURNAL_PREFIX - 1, digits = strncmp(name, JOURNAL_PREFIX, prefix) == 0 ? strspn(name + prefix, "0123456789") : 0;

    return digits && (!name[prefix + digits] || strcmp(name + prefix + digits, ".tmp") == 0 || strcmp(name + prefix + digits, JOURNAL_NEEDED) == 0);
}

/* --- groups ---------------------------------------------------------------------------------------------------------------- */

static bool head_read(const uint8_t *file, size_t size, uint64_t *id)
{
    struct reader r;
    uint32_t magic, crc;

    reader_init(&r, file, size < JOURNAL_HEAD ? 0 : JOURNAL_HEAD);
    magic = reader_u32(&r);
    crc = reader_u32(&r);
    *id = (uint64_t)reader_i64(&r);
    return !reader_done(&r) && magic == JOURNAL_MAGIC && crc == crc32c(file + 8, JOURNAL_HEAD - 8);
}

/* Whether there is a whole one. *torn: the highest sequence of those that are not. */
static bool group_read(const uint8_t *at, size_t left, uint64_t id, struct group *group, uint64_t *torn)
{
    struct reader r;
    uint32_t magic, crc;
    bool ours;

    reader_init(&r, at, left);
    magic = reader_u32(&r);
    crc = reader_u32(&r);
    ours = (uint64_t)reader_i64(&r) == id;
    *group = (struct group){.at = at};
    group->sequence = (uint64_t)reader_i64(&r);
    group->oldest = (uint64_t)reader_i64(&r);
    group->size = reader_u32(&r);
    group->frames = reader_u32(&r);
    if (r.bad || magic != JOURNAL_MAGIC || !ours)
        return false;
    if (group->size >= JOURNAL_GROUP_HEAD && group->size <= left && crc32c(at + 8, group->size - 8) == crc)
        return true;
    if (group->sequence > *torn)
        *torn = group->sequence;
    return false;
}

static int group_order(const void *a, const void *b)
{
    const struct group *x = a, *y = b;

    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

/* All whole groups of the file, in order. */
static size_t groups_find(const uint8_t *file, size_t size, uint64_t id, struct group *groups, uint64_t *torn)
{
    size_t count = 0;

    for (size_t at = FS_BLOCK; at + JOURNAL_GROUP_HEAD <= size;) {
        struct group *group = &groups[count];
        bool found = group_read(file + at, size - at, id, group, torn);
        at += found ? (group->size + (size_t)FS_BLOCK - 1) / FS_BLOCK * FS_BLOCK : FS_BLOCK;
        count += found;
    }
    qsort(groups, count, sizeof *groups, group_order);
    return count;
}

/* The groups that are needed: the last `*needed` of them. */
static enum status groups_choose(const struct group *groups, size_t count, size_t *needed, struct err *err)
{
    const struct group *last = count ? &groups[count - 1] : NULL;

    *needed = 0;
    if (!last)
        return STATUS_OK;
    if (last->oldest > last->sequence || last->sequence - last->oldest >= count)
        return err_set(err, STATUS_CORRUPT, "of the groups %llu to %llu some are broken", (unsigned long long)last->oldest, (unsigned long long)last->sequence);
    *needed = (size_t)(last->sequence - last->oldest) + 1;
    if (groups[count - *needed].sequence != last->oldest) /* no sequence stands twice */
        return err_set(err, STATUS_CORRUPT, "of the groups %llu to %llu some are broken", (unsigned long long)last->oldest, (unsigned long long)last->sequence);
    return STATUS_OK;
}

/* --- targets --------------------------------------------------------------------------------------------------------------- */

static enum status target_topic_id(const struct replay *replay, const char *folder, struct target *target, struct err *err)
{
    char path[FS_PATH_MAX], *content;
    size_t size;
    enum status status;
    struct str_view text;

    if (snprintf(path, sizeof path, "%s/partition.metadata", folder) >= (int)sizeof path)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", folder);
    status = fs_read_file(replay->fs, path, METADATA_MAX, &content, &size, err);
    if (status)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    text = (struct str_view){content, size};
    for (struct str_view word = text_word(&text); word.size; word = text_word(&text)) {
        if (str_is(word, "topic_id:") && !uuid_parse(text_word(&text), &target->topic_id))
            status = err_set(err, STATUS_CORRUPT, "%s names no topic id", path);
    }
    mem_free(content);
    return status;
}

static enum status target_is_empty(const struct replay *replay, const char *folder, struct target *target, struct err *err)
{
    char path[FS_PATH_MAX];
    struct file *file;
    uint64_t size = 0;
    enum status status;

    target->empty = target->base < 0;
    if (target->base != 0)
        return STATUS_OK;
    if (segment_path(path, folder, 0, ".log", err) || fs_open(replay->fs, path, FS_READ, &file, err))
        return err->status;
    status = file_size(file, &size, err);
    file_unref(file);
    target->empty = !size;
    return status;
}

static enum status target_know(const struct replay *replay, const char *folder, struct target *target, struct err *err)
{
    char **names;
    size_t count;

    if (target_topic_id(replay, folder, target, err) || fs_list(replay->fs, folder, &names, &count, err))
        return err->status;
    target->base = -1;
    for (size_t i = 0; i < count; i++) { /* in order: the last one counts */
        int64_t base;
        if (segment_named(names[i], ".log", &base))
            target->base = base;
    }
    mem_free(names);
    target->known = true;
    return target_is_empty(replay, folder, target, err);
}

static struct log_dir_entry *entry_find(const struct replay *replay, struct str_view name)
{
    size_t low = 0, high = replay->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *at = replay->entries[middle].name;
        size_t size = strlen(at);
        int order = memcmp(at, name.data, size < name.size ? size : name.size); /* the frame's may have zeros in it */
        if (!order)
            order = (size > name.size) - (size < name.size);
        if (!order)
            return &replay->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static enum status folder_path(const struct replay *replay, const struct log_dir_entry *entry, char path[static FS_PATH_MAX], struct err *err)
{
    if (snprintf(path, FS_PATH_MAX, "%s/%s", replay->dir, entry->name) >= FS_PATH_MAX)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", replay->dir);
    return STATUS_OK;
}

static void target_close(struct replay *replay)
{
    if (replay->opened)
        file_unref(replay->file);
    replay->opened = NULL;
}

static enum status target_open(struct replay *replay, const struct log_dir_entry *entry, const struct target *target, struct err *err)
{
    char folder[FS_PATH_MAX], path[FS_PATH_MAX];

    if (replay->opened == target)
        return STATUS_OK;
    target_close(replay);
    if (folder_path(replay, entry, folder, err) || segment_path(path, folder, target->base, ".log", err) ||
        fs_open(replay->fs, path, FS_WRITE, &replay->file, err))
        return err->status;
    replay->opened = target;
    return STATUS_OK;
}

/* --- frames ---------------------------------------------------------------------------------------------------------------- */

static bool frame_read(struct reader *r, struct frame *frame)
{
    uint32_t size;
    uint16_t name_size;

    frame->topic_id = reader_uuid(r);
    frame->base = reader_i64(r);
    frame->position = (uint64_t)reader_i64(r);
    size = reader_u32(r);
    name_size = reader_u16(r);
    (void)reader_u16(r);
    frame->name = (struct str_view){(const char *)reader_take(r, name_size), name_size};
    frame->bytes = (struct bytes_view){reader_take(r, size), size};
    return !r->bad && frame->position < INT64_MAX;
}

/* The end of the last batch; -1: they are no batches. */
static int64_t batches_end(struct bytes_view left)
{
    int64_t end = -1;

    while (left.size) {
        struct batch_head head;
        if (left.size < BATCH_OVERHEAD || !batch_head_read(left, &head) || head.length < BATCH_OVERHEAD - BATCH_PREFIX || batch_size(&head) > left.size)
            return -1;
        end = batch_last_offset(&head) + 1;
        left.data += batch_size(&head);
        left.size -= batch_size(&head);
    }
    return end;
}

/* What stands in the frame's place is the frame, or a part of it, or nothing whole: no records that somebody else wrote. */
static enum status place_check(struct replay *replay, const struct frame *frame, struct err *err)
{
    size_t got, whole;
    uint64_t size;

    if (file_size(replay->file, &size, err))
        return err->status;
    if (size < frame->position)
        return err_set(err, STATUS_CORRUPT, "the segment ends at byte %llu, before %llu: synced records are gone", (unsigned long long)size,
                       (unsigned long long)frame->position);
    if (frame->bytes.size > replay->capacity) {
        uint8_t *there = mem_resize(replay->there, frame->bytes.size, 1);
        if (!there)
            return err_set(err, STATUS_NO_MEMORY, "no memory for %zu bytes", frame->bytes.size);
        replay->there = there;
        replay->capacity = frame->bytes.size;
    }
    if (file_read(replay->file, frame->position, replay->there, frame->bytes.size, &got, err))
        return err->status;
    if (!batch_check_crc((struct bytes_view){replay->there, got}, &whole) && memcmp(replay->there + CHECKED_FROM, frame->bytes.data + CHECKED_FROM, whole - CHECKED_FROM) != 0)
        return err_set(err, STATUS_CORRUPT, "other records than the journal's stand at byte %llu", (unsigned long long)frame->position);
    return STATUS_OK;
}

static enum status frame_apply(struct replay *replay, const struct frame *frame, struct err *err)
{
    struct log_dir_entry *entry = entry_find(replay, frame->name);
    struct target *target = entry ? &replay->targets[entry - replay->entries] : NULL;
    int64_t end = batches_end(frame->bytes);
    char folder[FS_PATH_MAX];

    if (!target)
        return STATUS_OK;
    if (folder_path(replay, entry, folder, err) || (!target->known && target_know(replay, folder, target, err)))
        return err->status;
    if (uuid_is_zero(target->topic_id) ? target->empty : !uuid_equal(target->topic_id, frame->topic_id))
        return STATUS_OK;
    if (frame->base < target->base)
        return STATUS_OK;
    if (frame->base > target->base || end < 0)
        return err_set(err, STATUS_CORRUPT, "%s", end < 0 ? "a frame is not made of batches" : "the segment is not there");
    if (target_open(replay, entry, target, err) || place_check(replay, frame, err))
        return err->status;
    replay->frames++;
    target->touched = true;
    if (entry->recovery_point < end)
        entry->recovery_point = end; /* true after the sync, and of use only then */
    /* Also when it is there: after a failed sync the system takes for written what is not. */
    return file_write(replay->file, frame->position, &frame->bytes, 1, err);
}

static enum status group_apply(struct replay *replay, const struct group *group, struct err *err)
{
    struct reader r;
    struct frame frame;

    reader_init(&r, group->at + JOURNAL_GROUP_HEAD, group->size - JOURNAL_GROUP_HEAD);
    for (uint32_t i = 0; i < group->frames; i++) {
        if (!frame_read(&r, &frame))
            return err_set(err, STATUS_CORRUPT, "a frame is cut off");
        if (frame_apply(replay, &frame, err))
            return err_wrap(err, STR_FMT ", segment %lld", STR_ARG(frame.name), (long long)frame.base);
    }
    return reader_done(&r) ? err_set(err, STATUS_CORRUPT, "bytes behind the last frame") : STATUS_OK;
}

/* --- files ----------------------------------------------------------------------------------------------------------------- */

static enum status content_replay(struct replay *replay, const char *name, const uint8_t *file, size_t size, struct err *err)
{
    struct group *groups;
    size_t count, needed;
    uint64_t id, torn = 0;
    enum status status;

    if (!head_read(file, size, &id))
        return err_set(err, STATUS_CORRUPT, "its head does not read");
    groups = mem_alloc(size / FS_BLOCK + 1, sizeof *groups);
    if (!groups)
        return err_set(err, STATUS_NO_MEMORY, "no memory");
    count = groups_find(file, size, id, groups, &torn);
    status = groups_choose(groups, count, &needed, err);
    if (!status && torn > (count ? groups[count - 1].sequence : 0)) /* it went bad, or more likely it was being written */
        log_line(LOG_WARN, "journal ends with a torn group: ignored", "dir=%s file=%s group=%llu", replay->dir, name, (unsigned long long)torn);
    for (size_t i = count - (status ? 0 : needed); i < count && !status; i++) {
        status = group_apply(replay, &groups[i], err);
        if (status)
            (void)err_wrap(err, "group %llu", (unsigned long long)groups[i].sequence);
    }
    mem_free(groups);
    return status;
}

static enum status file_replay(struct replay *replay, const char *name, struct err *err)
{
    char path[FS_PATH_MAX], *content;
    size_t size;
    enum status status;

    if (snprintf(path, sizeof path, "%s/%s", replay->dir, name) >= (int)sizeof path)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", replay->dir);
    if (fs_read_file(replay->fs, path, JOURNAL_FILE_MAX, &content, &size, err))
        return err->status;
    status = content_replay(replay, name, (const uint8_t *)content, size, err);
    mem_free(content);
    return status ? err_wrap(err, "%s", name) : STATUS_OK;
}

static enum status group_look(const struct group *group, const uint8_t *file, const struct journal_look *look, struct err *err)
{
    struct frame frame;
    struct reader r;

    look->group(look->context, group->sequence, group->oldest, (uint64_t)(group->at - file), group->size, group->frames);
    reader_init(&r, group->at + JOURNAL_GROUP_HEAD, group->size - JOURNAL_GROUP_HEAD);
    for (uint32_t i = 0; i < group->frames; i++) {
        if (!frame_read(&r, &frame) || batches_end(frame.bytes) < 0)
            return err_set(err, STATUS_CORRUPT, "group %llu: frame %u does not read", (unsigned long long)group->sequence, i);
        look->frame(look->context, frame.topic_id, frame.name, frame.base, frame.position, frame.bytes);
    }
    return STATUS_OK;
}

enum status journal_look(struct fs *fs, const char *path, const struct journal_look *look, struct err *err)
{
    enum status status = STATUS_OK;
    struct group *groups = NULL;
    size_t size, count = 0, needed;
    uint64_t id, torn = 0;
    char *content;

    if (fs_read_file(fs, path, JOURNAL_FILE_MAX, &content, &size, err))
        return err->status;
    if (!head_read((const uint8_t *)content, size, &id))
        status = err_set(err, STATUS_CORRUPT, "its head does not read");
    else if (!(groups = mem_alloc(size / FS_BLOCK + 1, sizeof *groups)))
        status = err_set(err, STATUS_NO_MEMORY, "no memory");
    if (groups)
        count = groups_find((const uint8_t *)content, size, id, groups, &torn);
    for (size_t i = 0; i < count && !status; i++)
        status = group_look(&groups[i], (const uint8_t *)content, look, err);
    if (!status)
        status = groups_choose(groups, count, &needed, err);
    mem_free(groups);
    mem_free(content);
    return status;
}

static bool ends(const char *name, const char *suffix)
{
    size_t size = strlen(name), end = strlen(suffix);

    return size > end && strcmp(name + size - end, suffix) == 0;
}

/* A journal should be there, of this size; `before` is the name before this one. One that is not there was lost, or was just to be removed. */
static enum status miss(const struct replay *replay, const char *needed, const char *before, struct err *err)
{
    size_t name_size = strlen(needed) - strlen(JOURNAL_NEEDED), text_size;
    bool there = before && strlen(before) == name_size && strncmp(before, needed, name_size) == 0;
    char path[FS_PATH_MAX], *text;
    struct str_view word;
    struct file *file;
    int64_t expected = 0;
    uint64_t size;
    enum status status;

    if (!there) {
        log_line(LOG_WARN, "journal is lost, and what it held", "dir=%s file=%.*s", replay->dir, (int)name_size, needed);
        return STATUS_OK;
    }
    if (snprintf(path, sizeof path, "%s/%s", replay->dir, needed) >= (int)sizeof path)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", replay->dir);
    if (fs_read_file(replay->fs, path, METADATA_MAX, &text, &text_size, err))
        return err->status;
    word = (struct str_view){text, text_size};
    status = text_number(&word, &expected) ? STATUS_OK : err_set(err, STATUS_CORRUPT, "%s tells no size", path);
    mem_free(text);
    if (status)
        return status;
    (void)snprintf(path, sizeof path, "%s/%s", replay->dir, before);
    if (fs_open(replay->fs, path, FS_READ, &file, err))
        return err->status;
    status = file_size(file, &size, err);
    file_unref(file);
    if (!status && size != (uint64_t)expected)
        status = err_set(err, STATUS_CORRUPT, "%s has %llu bytes of %lld", path, (unsigned long long)size, (long long)expected);
    return status;
}

static enum status names_replay(struct replay *replay, struct err *err)
{
    char **names;
    size_t count;
    enum status status = fs_list(replay->fs, replay->dir, &names, &count, err);

    if (status)
        return status;
    for (size_t i = 0; i < count && !status; i++) {
        if (!journal_named(names[i]) || ends(names[i], ".tmp"))
            continue;
        status = ends(names[i], JOURNAL_NEEDED) ? miss(replay, names[i], i ? names[i - 1] : NULL, err) : file_replay(replay, names[i], err);
    }
    mem_free(names);
    return status;
}

static enum status targets_sync(struct replay *replay, struct err *err)
{
    for (size_t i = 0; i < replay->count; i++) {
        if (!replay->targets[i].touched)
            continue;
        if (target_open(replay, &replay->entries[i], &replay->targets[i], err) || file_sync(replay->file, err))
            return err->status;
    }
    return STATUS_OK;
}

enum status journal_replay(struct fs *fs, const char *dir, struct log_dir_entry *entries, size_t count, struct err *err)
{
    struct replay replay = {.fs = fs, .dir = dir, .entries = entries, .count = count};
    enum status status = STATUS_OK;

    replay.targets = mem_alloc(count, sizeof *replay.targets);
    if (!replay.targets)
        return err_set(err, STATUS_NO_MEMORY, "no memory for the journals");
    status = names_replay(&replay, err);
    if (!status)
        status = targets_sync(&replay, err);
    if (!status && replay.frames)
        log_line(LOG_INFO, "journals replayed", "dir=%s frames=%zu", dir, replay.frames);
    target_close(&replay);
    mem_free(replay.there);
    mem_free(replay.targets);
    return status;
}

enum status journal_remove_all(struct fs *fs, const char *dir, struct err *err)
{
    char path[FS_PATH_MAX], **names;
    size_t count, removed = 0;
    enum status status = fs_list(fs, dir, &names, &count, err);

    if (status)
        return status;
    for (size_t i = count; i-- && !status;) { /* that one is needed goes before it does */
        if (!journal_named(names[i]))
            continue;
        if (snprintf(path, sizeof path, "%s/%s", dir, names[i]) >= (int)sizeof path)
            status = err_set(err, STATUS_INVALID, "%s: the path is too long", dir);
        else
            status = fs_remove(fs, path, err);
        removed++;
    }
    mem_free(names);
    return status || !removed ? status : fs_sync_dir(fs, dir, err);
}
