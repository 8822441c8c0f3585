/* SPDX-License-Identifier: Apache-2.0
 * See journal.h: what journals hold goes into the segments that it was written for.
 *
 * A file is searched for whole groups of its own id, wherever one may begin: the id is random, so bytes of a producer are never taken for one. The group with
 * the highest sequence is the last one that was written; it names the oldest that is needed, and all between must be there. What does not
 * read behind the last one is its successor, torn: it was never acknowledged. (The last group itself, gone bad later, looks the same.)
 *
 * At the start only that is done, and it is noted where the frames of each log are. They are applied when the log is to be opened: so a start takes as
 * long as the journals are large, whatever they hold. Until all have been, the files stay, beside the journals of the new life; a start after that finds them all.
 *
 * A frame is passed over when its segment is not the folder's last one (then it was synced before the next was made). Writing it again does no
 * harm where it is there already; where another whole batch stands, somebody else wrote this log after us, and the log is refused. A folder
 * that is not there was not yet made: its first frame begins at byte 0, else it was lost.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/reader.h"
#include "rt/log.h"
#include "store/journal.h"
#include "store/segment.h"
#include "store/text.h"
#include "wire/records.h"

enum {
    METADATA_MAX = 4096,
    CHECKED_FROM = 16,       /* base offset and epoch before it are outside a batch's CRC: they may be torn */
    GROUP_MAX = 4 << 20,     /* none that we write is larger */
    GROUPS_FIRST = 1024,
    WINDOW = 4 * GROUP_MAX,  /* of a file that is searched */
};

struct group {
    uint64_t sequence, oldest, at; /* at: in the file */
    uint32_t size, frames;
    unsigned before; /* groups that were under way when it was written */
};

struct frame {
    struct uuid topic_id;
    struct str_view name;
    int64_t base;
    uint64_t position;
    struct bytes_view bytes;
};

/* Where a frame's bytes are. */
struct place {
    int64_t base;
    uint64_t position, at; /* at: in the file */
    uint32_t size;
    uint16_t file;
    size_t before;         /* of the same log; NONE: the first */
};

#define NONE SIZE_MAX

/* A log that frames are for: by its topic id and its folder's name. */
struct target {
    struct map_node node;
    size_t last, count;    /* places */
    size_t key_size;
    uint8_t key[];
};

struct source {
    char *name;
    struct file *file;
};

struct journal_recovery {
    struct fs *fs;
    const char *dir;
    struct source *sources;
    size_t sources_count;
    struct place *places;
    size_t count, capacity;
    struct map targets;
    size_t logs;           /* targets that have places */
};

/* What stands in a file, until it is known which groups are needed: whose its places are, the last ones of the recovery's. */
struct noting {
    struct journal_recovery *recovery;
    uint64_t oldest;       /* groups before it are not needed */
    struct noted {
        struct target *target;
        uint64_t sequence; /* of the group */
    } *list;
    size_t from, capacity; /* the first one's place */
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
    *group = (struct group){0};
    group->sequence = (uint64_t)reader_i64(&r);
    group->oldest = (uint64_t)reader_i64(&r);
    group->size = reader_u32(&r);
    group->frames = reader_u32(&r);
    group->before = group->frames >> JOURNAL_FRAMES_BITS;
    group->frames &= (1u << JOURNAL_FRAMES_BITS) - 1;
    if (r.bad || magic != JOURNAL_MAGIC || !ours)
        return false;
    if (group->size >= JOURNAL_GROUP_HEAD && group->size <= left && group->size <= GROUP_MAX && crc32c(at + 8, group->size - 8) == crc)
        return true;
    if (group->sequence > *torn)
        *torn = group->sequence;
    return false;
}

/* Groups of a file, in order. Free the list with mem_free. */
struct groups {
    struct group *list;
    size_t count, capacity;
};

static enum status group_add(struct groups *groups, const struct group *group, struct err *err)
{
    size_t capacity = groups->capacity ? groups->capacity * 2 : GROUPS_FIRST;
    struct group *list = groups->count < groups->capacity ? groups->list : mem_resize(groups->list, capacity, sizeof *list);

    if (!list)
        return err_set(err, STATUS_NO_MEMORY, "no memory for %zu groups", capacity);
    if (groups->count == groups->capacity)
        groups->capacity = capacity;
    groups->list = list;
    list[groups->count++] = *group;
    return STATUS_OK;
}

static int group_order(const void *a, const void *b)
{
    const struct group *x = a, *y = b;

    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

/* A part of a file in memory. */
struct window {
    struct file *file;
    void *block;
    uint8_t *bytes;        /* in it, and FS_DIRECT can read there */
    uint64_t from, size, file_size;
};

/* Has at least a group's bytes from `at` on, as far as the file goes. */
static enum status window_move(struct window *w, uint64_t at, struct err *err)
{
    uint64_t end = w->from + w->size, from = at / FS_BLOCK * FS_BLOCK, wanted = w->file_size - from < WINDOW ? w->file_size - from : WINDOW;
    size_t kept, got;

    if (at >= w->from && (end == w->file_size || (end >= at && end - at >= GROUP_MAX)))
        return STATUS_OK;
    kept = from >= w->from && from < end ? (size_t)(end - from) : 0;
    memmove(w->bytes, w->bytes + w->size - kept, kept);
    if (file_read(w->file, from + kept, w->bytes + kept, (size_t)wanted - kept, &got, err))
        return err->status;
    w->from = from;
    w->size = kept + got;
    if (w->size < wanted)
        w->file_size = from + w->size;
    return STATUS_OK;
}

/* Memory for a part of its file: mem_free it. */
static enum status window_new(struct window *w, struct err *err)
{
    if (file_size(w->file, &w->file_size, err))
        return err->status;
    w->block = mem_resize(NULL, 1, (w->file_size < WINDOW ? (size_t)w->file_size : WINDOW) + FS_BLOCK); /* not zeroed */
    if (!w->block)
        return err_set(err, STATUS_NO_MEMORY, "no memory for a journal");
    w->bytes = fs_aligned(w->block);
    return STATUS_OK;
}

static enum status group_note(struct noting *n, const struct group *group, const uint8_t *bytes, struct err *err);

/* All whole groups of the file, in order: where none begins one may at the next place. `noting` NULL: their frames are not noted. */
static enum status groups_find(struct window *w, uint64_t id, struct noting *noting, struct groups *groups, uint64_t *torn, struct err *err)
{
    for (uint64_t at = FS_BLOCK; at + JOURNAL_GROUP_HEAD <= w->file_size;) {
        struct group group;
        const uint8_t *bytes;
        if (window_move(w, at, err))
            return err->status;
        if (at + JOURNAL_GROUP_HEAD > w->file_size)
            break;
        bytes = w->bytes + (at - w->from);
        if (!group_read(bytes, (size_t)(w->size - (at - w->from)), id, &group, torn)) {
            at += JOURNAL_ALIGN;
            continue;
        }
        group.at = at;
        if (group_add(groups, &group, err) || (noting && group_note(noting, &group, bytes, err)))
            return err_wrap(err, "group %llu", (unsigned long long)group.sequence);
        at += (group.size + (uint64_t)JOURNAL_ALIGN - 1) / JOURNAL_ALIGN * JOURNAL_ALIGN;
    }
    if (groups->count)
        qsort(groups->list, groups->count, sizeof *groups->list, group_order);
    return STATUS_OK;
}

/* The groups that are needed: the last `*needed` of *count. What was under way together with one that is not there does not count: *torn is that one. */
static enum status groups_choose(const struct group *groups, size_t *count, size_t *needed, uint64_t *torn, struct err *err)
{
    const struct group *last = *count ? &groups[*count - 1] : NULL;
    uint64_t landed, end, wanted;

    *needed = 0;
    if (!last)
        return STATUS_OK;
    if (last->oldest > last->sequence || last->before >= last->sequence)
        return err_set(err, STATUS_CORRUPT, "group %llu does not read", (unsigned long long)last->sequence);
    landed = last->sequence - last->before - 1; /* when it was written, and all before that one */
    for (size_t i = *count; i-- && groups[i].sequence > landed + 1;)
        if (!i || groups[i - 1].sequence + 1 != groups[i].sequence) {
            *torn = groups[i].sequence - 1;
            *count = i;
        }
    end = *count ? groups[*count - 1].sequence : landed;
    wanted = last->oldest <= end ? end - last->oldest + 1 : 0; /* no sequence stands twice */
    if (end < landed || wanted > *count || (wanted && groups[*count - wanted].sequence != last->oldest))
        return err_set(err, STATUS_CORRUPT, "of the groups %llu to %llu some are broken", (unsigned long long)last->oldest, (unsigned long long)last->sequence);
    *needed = (size_t)wanted;
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

/* --- looking --------------------------------------------------------------------------------------------------------------- */

static enum status group_look(const struct group *group, const uint8_t *bytes, size_t size, const struct journal_look *look, struct err *err)
{
    struct frame frame;
    struct reader r;

    look->group(look->context, group->sequence, group->oldest, group->at, group->size, group->frames);
    reader_init(&r, bytes + JOURNAL_GROUP_HEAD, size < group->size ? 0 : group->size - JOURNAL_GROUP_HEAD);
    for (uint32_t i = 0; i < group->frames; i++) {
        if (!frame_read(&r, &frame) || batches_end(frame.bytes) < 0)
            return err_set(err, STATUS_CORRUPT, "group %llu: frame %u does not read", (unsigned long long)group->sequence, i);
        look->frame(look->context, frame.topic_id, frame.name, frame.base, frame.position, frame.bytes);
    }
    return STATUS_OK;
}

static enum status file_look(struct window *w, struct groups *groups, const struct journal_look *look, struct err *err)
{
    size_t needed, got;
    uint64_t id, torn = 0;

    if (window_move(w, 0, err))
        return err->status;
    if (!head_read(w->bytes, (size_t)w->size, &id))
        return err_set(err, STATUS_CORRUPT, "its head does not read");
    if (groups_find(w, id, NULL, groups, &torn, err))
        return err->status;
    for (size_t i = 0; i < groups->count; i++) {
        const struct group *group = &groups->list[i];
        if (file_read(w->file, group->at, w->bytes, group->size, &got, err) || group_look(group, w->bytes, got, look, err))
            return err->status;
    }
    return groups_choose(groups->list, &groups->count, &needed, &torn, err);
}

enum status journal_look(struct fs *fs, const char *path, const struct journal_look *look, struct err *err)
{
    struct window w = {0};
    struct groups groups = {0};
    enum status status;

    if (fs_open(fs, path, FS_READ, &w.file, err))
        return err->status;
    status = window_new(&w, err);
    if (!status)
        status = file_look(&w, &groups, look, err);
    file_unref(w.file);
    mem_free(w.block);
    mem_free(groups.list);
    return status;
}

/* --- noting ---------------------------------------------------------------------------------------------------------------- */

enum { KEY_MAX = 16 + JOURNAL_NAME_MAX };

static size_t key_of(uint8_t key[static KEY_MAX], struct uuid topic_id, struct str_view name)
{
    ASSERT(name.size <= JOURNAL_NAME_MAX);
    memcpy(key, topic_id.b, sizeof topic_id.b);
    memcpy(key + sizeof topic_id.b, name.data, name.size);
    return sizeof topic_id.b + name.size;
}

static struct target *target_find(const struct journal_recovery *r, struct uuid topic_id, struct str_view name)
{
    uint8_t key[KEY_MAX];
    struct map_node *node = name.size > JOURNAL_NAME_MAX ? NULL : map_get(&r->targets, key, key_of(key, topic_id, name));

    return node ? MAP_ENTRY(node, struct target, node) : NULL;
}

/* NULL: nothing of it is needed. */
static struct target *target_needed(const struct journal_recovery *r, struct uuid topic_id, const char *name)
{
    struct target *target = r ? target_find(r, topic_id, str_from(name)) : NULL;

    return target && target->count ? target : NULL;
}

/* NULL: no memory. */
static struct target *target_of(struct journal_recovery *r, const struct frame *frame)
{
    struct target *target = target_find(r, frame->topic_id, frame->name);
    uint8_t key[KEY_MAX];

    if (target)
        return target;
    target = mem_alloc(1, sizeof *target + sizeof frame->topic_id + frame->name.size);
    if (!target)
        return NULL;
    target->last = NONE;
    target->key_size = key_of(key, frame->topic_id, frame->name);
    memcpy(target->key, key, target->key_size);
    if (map_put(&r->targets, &target->node, target->key, target->key_size))
        return target;
    mem_free(target);
    return NULL;
}

/* One more place, and whose it is: room for both. */
static enum status noting_room(struct noting *n, struct err *err)
{
    struct journal_recovery *r = n->recovery;
    size_t capacity = r->capacity ? 2 * r->capacity : 1024;

    if (r->count == r->capacity) {
        struct place *places = mem_resize(r->places, capacity, sizeof *places);
        if (!places)
            return err_set(err, STATUS_NO_MEMORY, "no memory for %zu frames", capacity);
        r->places = places;
        r->capacity = capacity;
    }
    if (r->count - n->from == n->capacity) {
        struct noted *list = mem_resize(n->list, r->capacity - n->from, sizeof *list);
        if (!list)
            return err_set(err, STATUS_NO_MEMORY, "no memory for %zu frames", capacity);
        n->list = list;
        n->capacity = r->capacity - n->from;
    }
    return STATUS_OK;
}

static enum status frame_note(struct noting *n, const struct group *group, const struct frame *frame, const uint8_t *bytes, struct err *err)
{
    struct journal_recovery *r = n->recovery;
    struct target *target;

    if (frame->name.size > JOURNAL_NAME_MAX)
        return err_set(err, STATUS_CORRUPT, "a frame's name is too long");
    if (noting_room(n, err))
        return err->status;
    target = target_of(r, frame);
    if (!target)
        return err_set(err, STATUS_NO_MEMORY, "no memory for a log");
    n->list[r->count - n->from] = (struct noted){target, group->sequence};
    r->places[r->count++] = (struct place){.base = frame->base, .position = frame->position, .at = group->at + (uint64_t)(frame->bytes.data - bytes),
                                           .size = (uint32_t)frame->bytes.size, .file = (uint16_t)(r->sources_count - 1)};
    return STATUS_OK;
}

/* Whether it is needed the last one tells, which may come later. */
static enum status group_note(struct noting *n, const struct group *group, const uint8_t *bytes, struct err *err)
{
    struct reader reader;
    struct frame frame;

    if (group->sequence < n->oldest)
        return STATUS_OK;
    if (group->oldest > n->oldest)
        n->oldest = group->oldest;
    reader_init(&reader, bytes + JOURNAL_GROUP_HEAD, group->size - JOURNAL_GROUP_HEAD);
    for (uint32_t i = 0; i < group->frames; i++) {
        if (!frame_read(&reader, &frame))
            return err_set(err, STATUS_CORRUPT, "a frame is cut off");
        if (frame_note(n, group, &frame, bytes, err))
            return err->status;
    }
    return reader_done(&reader) ? err_set(err, STATUS_CORRUPT, "bytes behind the last frame") : STATUS_OK;
}

/* Those of the groups from `first` to `last` stay, each known to its target. */
static void noting_end(struct noting *n, uint64_t first, uint64_t last)
{
    struct journal_recovery *r = n->recovery;
    size_t count = n->from;

    for (size_t i = n->from; i < r->count; i++) {
        struct target *target = n->list[i - n->from].target;
        uint64_t sequence = n->list[i - n->from].sequence;

        if (sequence < first || sequence > last)
            continue;
        r->places[count] = r->places[i];
        r->places[count].before = target->last;
        target->last = count++;
        r->logs += !target->count++;
    }
    r->count = count;
}

static enum status groups_note(struct journal_recovery *r, struct window *w, uint64_t id, struct err *err)
{
    struct noting n = {.recovery = r, .from = r->count};
    struct groups groups = {0};
    size_t needed;
    uint64_t torn = 0, last;
    enum status status = groups_find(w, id, &n, &groups, &torn, err);

    if (!status)
        status = groups_choose(groups.list, &groups.count, &needed, &torn, err);
    last = groups.count ? groups.list[groups.count - 1].sequence : 0;
    if (!status && torn > last) /* it went bad, or more likely it was being written */
        log_line(LOG_WARN, "journal ends with a torn group: ignored", "dir=%s file=%s group=%llu", r->dir, r->sources[r->sources_count - 1].name, (unsigned long long)torn);
    if (!status)
        noting_end(&n, needed ? groups.list[groups.count - needed].sequence : UINT64_MAX, needed ? last : 0);
    mem_free(groups.list);
    mem_free(n.list);
    return status;
}

static enum status source_note(struct journal_recovery *r, const char *path, struct err *err)
{
    struct window w = {0};
    enum status status;
    uint64_t id;

    if (fs_open(r->fs, path, FS_READ | FS_DIRECT, &w.file, err))
        return err->status;
    status = window_new(&w, err);
    if (!status)
        status = window_move(&w, 0, err);
    if (!status)
        status = head_read(w.bytes, (size_t)w.size, &id) ? groups_note(r, &w, id, err) : err_set(err, STATUS_CORRUPT, "its head does not read");
    file_unref(w.file);
    mem_free(w.block);
    return status;
}

static enum status source_add(struct journal_recovery *r, const char *name, size_t size, struct err *err)
{
    struct source *sources = r->sources_count < UINT16_MAX ? mem_resize(r->sources, r->sources_count + 1, sizeof *sources) : NULL;

    if (!sources)
        return err_set(err, STATUS_NO_MEMORY, "no memory for %zu journals", r->sources_count);
    r->sources = sources;
    sources[r->sources_count] = (struct source){.name = mem_copy(name, size)};
    return sources[r->sources_count++].name ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "no memory for a name");
}

static enum status source_open(struct journal_recovery *r, const char *name, struct err *err)
{
    char path[FS_PATH_MAX];

    if (source_add(r, name, strlen(name), err))
        return err->status;
    if (snprintf(path, sizeof path, "%s/%s", r->dir, name) >= (int)sizeof path)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", r->dir);
    if (fs_open(r->fs, path, FS_READ, &r->sources[r->sources_count - 1].file, err) || source_note(r, path, err))
        return err_wrap(err, "%s", name);
    return STATUS_OK;
}

/* --- files ----------------------------------------------------------------------------------------------------------------- */

static bool ends(const char *name, const char *suffix)
{
    size_t size = strlen(name), end = strlen(suffix);

    return size > end && strcmp(name + size - end, suffix) == 0;
}

static enum status source_remove(const struct journal_recovery *r, const char *name, const char *suffix, struct err *err)
{
    char path[FS_PATH_MAX];
    enum status status;

    if (snprintf(path, sizeof path, "%s/%s%s", r->dir, name, suffix) >= (int)sizeof path)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", r->dir);
    status = fs_remove(r->fs, path, err);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* A journal should be there, of this size; `before` is the name before this one. One that is not there was lost, or was just to be removed. */
static enum status miss(struct journal_recovery *r, const char *needed, const char *before, struct err *err)
{
    size_t name_size = strlen(needed) - strlen(JOURNAL_NEEDED), text_size;
    bool there = before && strlen(before) == name_size && strncmp(before, needed, name_size) == 0;
    char path[FS_PATH_MAX], *text;
    struct str_view word;
    int64_t expected = 0;
    uint64_t size;
    enum status status;

    if (!there) {
        log_line(LOG_WARN, "journal is lost, and what it held", "dir=%s file=%.*s", r->dir, (int)name_size, needed);
        return source_add(r, needed, name_size, err);
    }
    if (snprintf(path, sizeof path, "%s/%s", r->dir, needed) >= (int)sizeof path)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", r->dir);
    if (fs_read_file(r->fs, path, METADATA_MAX, &text, &text_size, err))
        return err->status;
    word = (struct str_view){text, text_size};
    status = text_number(&word, &expected) ? STATUS_OK : err_set(err, STATUS_CORRUPT, "%s tells no size", path);
    mem_free(text);
    if (!status)
        status = file_size(r->sources[r->sources_count - 1].file, &size, err);
    if (!status && size != (uint64_t)expected)
        status = err_set(err, STATUS_CORRUPT, "%s has %llu bytes of %lld", before, (unsigned long long)size, (long long)expected);
    return status;
}

static enum status names_note(struct journal_recovery *r, struct err *err)
{
    char **names;
    size_t count;
    enum status status = fs_list(r->fs, r->dir, &names, &count, err);

    if (status)
        return status;
    for (size_t i = 0; i < count && !status; i++) {
        if (!journal_named(names[i]))
            continue;
        if (ends(names[i], ".tmp"))
            status = source_remove(r, names[i], "", err);
        else
            status = ends(names[i], JOURNAL_NEEDED) ? miss(r, names[i], i ? names[i - 1] : NULL, err) : source_open(r, names[i], err);
    }
    mem_free(names);
    return status;
}

enum status journal_recovery_new(struct fs *fs, const char *dir, struct journal_recovery **out, struct err *err)
{
    struct journal_recovery *r = mem_alloc(1, sizeof *r);
    enum status status;

    if (!r)
        return err_set(err, STATUS_NO_MEMORY, "no memory for the journals");
    r->fs = fs;
    r->dir = dir;
    map_init(&r->targets, 0);
    status = names_note(r, err);
    if (!status && r->count)
        log_line(LOG_INFO, "journals read", "dir=%s frames=%zu logs=%zu", dir, r->count, r->logs);
    *out = !status && r->sources_count ? r : NULL;
    if (!*out)
        journal_recovery_free(r);
    return status;
}

void journal_recovery_free(struct journal_recovery *r)
{
    if (!r)
        return;
    for (struct map_node *node = map_first(&r->targets), *next; node; node = next) {
        next = map_next(&r->targets, node);
        mem_free(MAP_ENTRY(node, struct target, node));
    }
    map_free(&r->targets);
    for (size_t i = 0; i < r->sources_count; i++) {
        if (r->sources[i].file)
            file_unref(r->sources[i].file);
        mem_free(r->sources[i].name);
    }
    mem_free(r->sources);
    mem_free(r->places);
    mem_free(r);
}

/* --- applying -------------------------------------------------------------------------------------------------------------- */

struct applying {
    const struct journal_recovery *recovery;
    bool durable;             /* on return; else with the volume */
    char folder[FS_PATH_MAX];
    struct uuid topic_id;     /* of the folder; zero: it names none that reads */
    bool folder_there;
    int64_t base;             /* of the last segment; -1: there is none */
    struct file *file;        /* that segment; NULL: not open */
    uint8_t *bytes, *there;   /* the frame, and what stands where it goes */
    size_t capacity;
    int64_t end;              /* behind the last record that was written; -1: none was */
};

static enum status folder_topic_id(struct applying *a, struct err *err)
{
    char path[FS_PATH_MAX], *content;
    size_t size;
    enum status status;
    struct str_view text;

    if (snprintf(path, sizeof path, "%s/partition.metadata", a->folder) >= (int)sizeof path)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", a->folder);
    status = fs_read_file(a->recovery->fs, path, METADATA_MAX, &content, &size, err);
    if (status)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    text = (struct str_view){content, size};
    for (struct str_view word = text_word(&text); word.size; word = text_word(&text)) {
        if (str_is(word, "topic_id:") && !uuid_parse(text_word(&text), &a->topic_id))
            a->topic_id = (struct uuid){{0}}; /* torn: it was being made */
    }
    mem_free(content);
    return status;
}

static enum status folder_know(struct applying *a, struct err *err)
{
    char **names;
    size_t count;

    a->base = -1;
    a->folder_there = fs_exists(a->recovery->fs, a->folder);
    if (!a->folder_there)
        return STATUS_OK;
    if (folder_topic_id(a, err) || fs_list(a->recovery->fs, a->folder, &names, &count, err))
        return err->status;
    for (size_t i = 0; i < count; i++) { /* in order: the last one counts */
        int64_t base;
        if (segment_named(names[i], ".log", &base))
            a->base = base;
    }
    mem_free(names);
    return STATUS_OK;
}

static enum status metadata_make(const struct applying *a, struct uuid topic_id, struct err *err)
{
    char path[FS_PATH_MAX], id[UUID_TEXT_SIZE], text[64];
    int n;

    uuid_format(topic_id, id);
    n = snprintf(text, sizeof text, "version: 0\ntopic_id: %s\n", id);
    if (snprintf(path, sizeof path, "%s/partition.metadata", a->folder) >= (int)sizeof path)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", a->folder);
    return fs_put_file(a->recovery->fs, path, text, (size_t)n, err);
}

/* Of a log's folder, its partition.metadata and its last segment any may be missing: they are made long after the first append was acknowledged, and not
 * synced at once. What partition.metadata says need not be here, either, as long as the journal is there. */
static enum status folder_complete(struct applying *a, struct uuid topic_id, const struct place *place, struct err *err)
{
    struct fs *fs = a->recovery->fs;
    char path[FS_PATH_MAX];

    if ((!a->folder_there && fs_mkdir(fs, a->folder, err)) || (uuid_is_zero(a->topic_id) && metadata_make(a, topic_id, err)))
        return err->status;
    if (segment_path(path, a->folder, place->base, ".log", err) || fs_open(fs, path, a->base < place->base ? FS_CREATE : FS_WRITE, &a->file, err))
        return err->status;
    a->base = place->base;
    if (!a->durable)
        return STATUS_OK;
    return fs_sync_dir(fs, a->folder, err) ? err->status : fs_sync_dir(fs, a->recovery->dir, err);
}

static enum status segment_ready(struct applying *a, struct uuid topic_id, const struct place *place, struct err *err)
{
    bool next = place->base > a->base;

    if (next && place->position)
        return err_set(err, STATUS_CORRUPT, "segment %lld is not there", (long long)place->base);
    if (next && a->file) { /* the one before is whole */
        if (file_sync(a->file, err))
            return err->status;
        file_unref(a->file);
        a->file = NULL;
    }
    return a->file ? STATUS_OK : folder_complete(a, topic_id, place, err);
}

static enum status frame_load(struct applying *a, const struct place *place, struct err *err)
{
    size_t got;

    if (place->size > a->capacity) {
        uint8_t *bytes = mem_resize(a->bytes, place->size, 2);
        if (!bytes)
            return err_set(err, STATUS_NO_MEMORY, "no memory for %u bytes", place->size);
        a->bytes = bytes;
        a->capacity = place->size;
    }
    a->there = a->bytes + a->capacity;
    if (file_read(a->recovery->sources[place->file].file, place->at, a->bytes, place->size, &got, err))
        return err->status;
    return got == place->size ? STATUS_OK : err_set(err, STATUS_CORRUPT, "the journal is shorter than it was");
}

/* What stands in the frame's place is the frame, or a part of it, or nothing whole: no records that somebody else wrote. */
static enum status place_check(struct applying *a, const struct place *place, struct err *err)
{
    size_t got, whole;
    uint64_t size;

    if (file_size(a->file, &size, err))
        return err->status;
    if (size < place->position)
        return err_set(err, STATUS_CORRUPT, "the segment ends at byte %llu, before %llu: synced records are gone", (unsigned long long)size,
                       (unsigned long long)place->position);
    if (file_read(a->file, place->position, a->there, place->size, &got, err))
        return err->status;
    if (!batch_check_crc((struct bytes_view){a->there, got}, &whole) && (whole > place->size || memcmp(a->there + CHECKED_FROM, a->bytes + CHECKED_FROM, whole - CHECKED_FROM) != 0))
        return err_set(err, STATUS_CORRUPT, "other records than the journal's stand at byte %llu", (unsigned long long)place->position);
    return STATUS_OK;
}

static enum status frame_apply(struct applying *a, struct uuid topic_id, const struct place *place, struct err *err)
{
    struct bytes_view bytes;
    int64_t end;

    if (place->base < a->base)
        return STATUS_OK;
    if (frame_load(a, place, err))
        return err->status;
    bytes = (struct bytes_view){a->bytes, place->size};
    end = batches_end(bytes);
    if (end < 0)
        return err_set(err, STATUS_CORRUPT, "a frame is not made of batches");
    if (segment_ready(a, topic_id, place, err) || place_check(a, place, err))
        return err->status;
    if (a->end < end)
        a->end = end;
    /* Also when it is there: after a failed sync the system takes for written what is not. */
    return file_write(a->file, place->position, &bytes, 1, err);
}

static int place_order(const void *a, const void *b)
{
    const struct place *x = *(const struct place *const *)a, *y = *(const struct place *const *)b;

    if (x->base != y->base)
        return x->base < y->base ? -1 : 1;
    return x->position < y->position ? -1 : x->position > y->position;
}

/* Several lives may have left frames of one log: they follow each other as their bytes do. */
static enum status frames_apply(struct applying *a, const struct target *target, struct uuid topic_id, struct err *err)
{
    const struct journal_recovery *r = a->recovery;
    const struct place **places = mem_alloc(target->count, sizeof *places);
    enum status status = places ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "no memory for %zu frames", target->count);
    size_t count = 0;

    for (size_t i = target->last; places && i != NONE; i = r->places[i].before)
        places[count++] = &r->places[i];
    if (places)
        qsort(places, count, sizeof *places, place_order);
    for (size_t i = 0; i < count && !status; i++)
        status = frame_apply(a, topic_id, places[i], err);
    if (!status && a->file && a->durable)
        status = file_sync(a->file, err);
    mem_free(places);
    return status;
}

bool journal_recovery_holds(const struct journal_recovery *r, struct uuid topic_id, const char *name)
{
    return target_needed(r, topic_id, name);
}

uint64_t journal_recovery_bytes(const struct journal_recovery *r, struct uuid topic_id, const char *name)
{
    const struct target *target = target_needed(r, topic_id, name);
    uint64_t bytes = 0;

    for (size_t i = target ? target->last : NONE; i != NONE; i = r->places[i].before)
        bytes += r->places[i].size;
    return bytes;
}

/* The size of the log's last segment, whose base is a->base. */
static enum status last_size(struct applying *a, uint64_t *size, struct err *err)
{
    char path[FS_PATH_MAX];
    enum status status;

    *size = 0;
    if (a->base < 0)
        return STATUS_OK;
    if (segment_path(path, a->folder, a->base, ".log", err) || fs_open(a->recovery->fs, path, FS_READ, &a->file, err))
        return err->status;
    status = file_size(a->file, size, err);
    file_unref(a->file);
    return status;
}

enum status journal_recovery_growth(const struct journal_recovery *r, struct uuid topic_id, const char *name, uint64_t *bytes, struct err *err)
{
    const struct target *target = target_needed(r, topic_id, name);
    struct applying a = {.recovery = r};
    uint64_t size, behind = 0;

    *bytes = 0;
    if (!target)
        return STATUS_OK;
    if (snprintf(a.folder, sizeof a.folder, "%s/%s", r->dir, name) >= (int)sizeof a.folder)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", r->dir);
    if (folder_know(&a, err) || last_size(&a, &size, err))
        return err->status;
    for (size_t i = target->last; i != NONE; i = r->places[i].before) {
        const struct place *place = &r->places[i];

        if (place->base > a.base)
            *bytes += place->size;
        else if (place->base == a.base && place->position + place->size > size + behind)
            behind = place->position + place->size - size;
    }
    *bytes += behind;
    return STATUS_OK;
}

enum status journal_recovery_apply(const struct journal_recovery *r, struct uuid topic_id, const char *name, bool durable, int64_t *recovery_point,
                                   struct err *err)
{
    const struct target *target = target_needed(r, topic_id, name);
    struct applying a = {.recovery = r, .durable = durable, .end = -1};
    enum status status;

    if (!target)
        return STATUS_OK;
    if (snprintf(a.folder, sizeof a.folder, "%s/%s", r->dir, name) >= (int)sizeof a.folder)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", r->dir);
    status = folder_know(&a, err);
    if (!status && !uuid_is_zero(a.topic_id) && !uuid_equal(a.topic_id, topic_id))
        return err_set(err, STATUS_INCONSISTENT_TOPIC_ID, "%s is another topic's", a.folder);
    if (!status)
        status = frames_apply(&a, target, topic_id, err);
    if (a.file)
        file_unref(a.file);
    mem_free(a.bytes);
    if (!status && *recovery_point < a.end)
        *recovery_point = a.end;
    return status ? err_wrap(err, "replay the journal to %s", a.folder) : STATUS_OK;
}

enum status journal_recovery_end(const struct journal_recovery *r, struct err *err)
{
    for (size_t i = 0; i < r->sources_count; i++) /* that one is needed goes before it does */
        if (source_remove(r, r->sources[i].name, JOURNAL_NEEDED, err) || source_remove(r, r->sources[i].name, "", err))
            return err->status;
    return fs_sync_dir(r->fs, r->dir, err);
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
