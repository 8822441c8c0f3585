/* SPDX-License-Identifier: Apache-2.0
 * See disk.h.
 *
 * A node is a file or a directory, counted by the entries and the open files that lead to it. Each has two faces, what a process sees (now) and
 * what survives (kept), and the list of changes that lead from the second to the first. A sync applies the list to `kept`; a crash
 * applies as much of it as the outcomes say:
 *
 *   file        kept ──write, truncate──> now     a choice for each unit that a change touches (how many of those changes it has seen),
 *                                                 and one for the size
 *   directory   kept ──entry changes───> now      a choice for each change
 *
 * What is written through a file that is open FS_DURABLE is synced by itself: not what others wrote to the file before.
 *
 * Each directory of the root is a file system of its own, but for the space. A sync that failed is told once to everybody who has the file, or the file system,
 * open, as Linux does: who syncs what another one's sync has lost is not told that all is well.
 */
#include "sim/disk.h"

#include <errno.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "rt/fs_backend.h"
#include "sim/sim_int.h"

enum { MILLION = 1000000, STEPS_MAX = 4096 };
static const uint64_t DISK_SPACE = UINT64_C(1) << 40;

struct content {
    uint8_t *data;
    size_t size, room;
};

struct change { /* of a file */
    uint64_t offset;
    size_t size, was; /* was: the file's size before */
    uint8_t *bytes;   /* NULL: the file ends at `offset` from now on */
};

struct entry { /* of a directory; as a change: `gone` leaves it, then `name` leads to the node. Either may be NULL */
    char *gone, *name;
    struct node *node;
};

struct table { /* of entries, or of changes to them */
    struct entry *list;
    size_t count, room;
};

struct node {
    struct list link; /* the disk's, in order of creation */
    struct node *volume; /* the directory of the root that it is in, or is; of the root's own files and of itself, the root */
    unsigned links, opens;
    bool directory, locked;
    unsigned errors, told; /* syncs that failed (of a volume: of what is in it), and how many of them somebody heard of */
    struct content now, kept;
    uint64_t cached_from, cached_to; /* what of `now` is in memory */
    struct change *changes;
    size_t changes_count, changes_room;
    struct table now_entries, kept_entries, entry_changes;
    struct node *twin; /* while the disk is copied */
};

struct disk {
    struct fs fs;
    uint64_t random;
    uint32_t unit;
    struct list nodes;
    struct node *root;
    int (*hook)(void *context, enum fs_call call, const char *path);
    void *context;
    struct disk_faults faults;
    bool full;
    char rotten[FS_PATH_MAX];
    char replaced_path[FS_PATH_MAX]; /* a file that a rename replaced, and what it was */
    struct content replaced;
    uint64_t replacements;
    uint32_t forgets;
    uint64_t waits;
};

struct disk_file {
    struct file file;
    struct disk *disk;
    struct node *node;
    unsigned heard; /* of node->errors */
    bool holds_lock, direct; /* direct: FS_DURABLE */
    uint64_t from, to;       /* what was written through it, and the sync that follows is of; equal: nothing */
};

static const struct fs_backend disk_backend;

static struct disk *disk_of(struct fs *fs)
{
    return (struct disk *)(void *)fs;
}

static struct disk_file *disk_file_of(struct file *file)
{
    return (struct disk_file *)(void *)file;
}

/* --- chance ---------------------------------------------------------------------------------------------------------------- */

/* SplitMix64, as sim.c's; below `bound`. */
static uint64_t draw(struct disk *disk, uint64_t bound)
{
    uint64_t z = disk->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint64_t)((__uint128_t)(z ^ z >> 31) * bound >> 64);
}

static bool happens(struct disk *disk, uint32_t millionths)
{
    return millionths && draw(disk, MILLION) < millionths;
}

static bool nth(uint64_t *at)
{
    return *at && --*at == 0;
}

/* --- memory ---------------------------------------------------------------------------------------------------------------- */

/* Room for one more in a list of `size` byte elements. */
static void *grown(void *list, size_t count, size_t *room, size_t size)
{
    void *larger;

    if (count < *room)
        return list;
    *room = *room * 2 + 4;
    larger = sim__alloc(*room, size);
    if (count)
        memcpy(larger, list, count * size);
    mem_free(list);
    return larger;
}

static void *copied(const void *bytes, size_t size)
{
    uint8_t *copy = sim__alloc(size + 1, 1);

    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

static void content_resize(struct content *c, size_t size)
{
    if (size > c->room) {
        size_t room = c->room * 2 > size ? c->room * 2 : size;
        uint8_t *data = sim__alloc(room, 1);
        if (c->size)
            memcpy(data, c->data, c->size);
        mem_free(c->data);
        c->data = data;
        c->room = room;
    }
    if (size > c->size)
        memset(c->data + c->size, 0, size - c->size);
    c->size = size;
}

static void content_copy(struct content *to, const struct content *from)
{
    *to = (struct content){0};
    content_resize(to, from->size);
    if (from->size)
        memcpy(to->data, from->data, from->size);
}

/* --- changes of a file ----------------------------------------------------------------------------------------------------- */

static size_t size_after(const struct change *change)
{
    return change->bytes && change->offset + change->size < change->was ? change->was : (size_t)change->offset + change->size;
}

/* The bytes that the change gives new values: those before it ended, beyond a new end. */
static uint64_t change_end(const struct change *change)
{
    return change->bytes ? change->offset + change->size : change->was;
}

/* As much of the change as lies in [from, to), within the content's size. */
static void change_apply_between(struct content *c, const struct change *change, uint64_t from, uint64_t to)
{
    uint64_t end = change_end(change);

    if (from < change->offset)
        from = change->offset;
    if (to > end)
        to = end;
    if (from >= to)
        return;
    if (change->bytes)
        memcpy(c->data + from, change->bytes + (from - change->offset), to - from);
    else
        memset(c->data + from, 0, to - from);
}

static void change_apply(struct content *c, const struct change *change)
{
    content_resize(c, size_after(change));
    if (change->bytes)
        change_apply_between(c, change, 0, UINT64_MAX);
}

static void node_change(struct node *node, uint64_t offset, size_t size, uint8_t *bytes)
{
    node->changes = grown(node->changes, node->changes_count, &node->changes_room, sizeof *node->changes);
    node->changes[node->changes_count] = (struct change){offset, size, node->now.size, bytes};
    change_apply(&node->now, &node->changes[node->changes_count++]);
}

static void changes_forget(struct node *node)
{
    for (size_t i = 0; i < node->changes_count; i++)
        mem_free(node->changes[i].bytes);
    node->changes_count = 0;
}

static void node_sync(struct node *node)
{
    for (size_t i = 0; i < node->changes_count; i++)
        change_apply(&node->kept, &node->changes[i]);
    changes_forget(node);
}

/* A part of a change that was not synced stays one, of a file that has its size already. */
static void change_part(struct node *node, const struct change *change, uint64_t from, uint64_t to)
{
    if (from < to)
        node_change(node, from, to - from, copied(change->bytes + (from - change->offset), to - from));
}

/* What was written in [from, to): that is there now, and the file is as long as that needs. */
static void node_sync_range(struct node *node, uint64_t from, uint64_t to)
{
    struct change *changes = node->changes;
    size_t count = node->changes_count;

    for (size_t i = 0; i < count; i++) {
        if (!changes[i].bytes) { /* it was cut, which its file system's journal tells in order */
            node_sync(node);
            return;
        }
    }
    node->changes = NULL;
    node->changes_count = node->changes_room = 0;
    content_resize(&node->kept, node->now.size);
    for (size_t i = 0; i < count; i++) {
        uint64_t end = change_end(&changes[i]);
        change_apply_between(&node->kept, &changes[i], from, to);
        change_part(node, &changes[i], changes[i].offset, end < from ? end : from);
        change_part(node, &changes[i], changes[i].offset > to ? changes[i].offset : to, end);
        mem_free(changes[i].bytes);
    }
    mem_free(changes);
}

static uint32_t changes_touching(const struct node *node, uint64_t from, uint64_t to)
{
    uint32_t count = 0;

    for (size_t i = 0; i < node->changes_count; i++)
        count += node->changes[i].offset < to && change_end(&node->changes[i]) > from;
    return count;
}

/* The greatest size on the way from kept to now. */
static size_t node_span(const struct node *node)
{
    size_t span = node->kept.size;

    for (size_t i = 0; i < node->changes_count; i++)
        span = size_after(&node->changes[i]) > span ? size_after(&node->changes[i]) : span;
    return span;
}

/* The sizes that the file had on the way; one that grew by more than a unit may stop at every unit (as far as there is room to say so). */
static uint32_t node_sizes(const struct node *node, uint32_t unit, size_t sizes[static STEPS_MAX])
{
    uint32_t count = 0;

    sizes[count++] = node->kept.size;
    for (size_t i = 0; i < node->changes_count; i++) {
        size_t was = node->changes[i].was, after = size_after(&node->changes[i]);
        for (size_t at = (was / unit + 1) * unit; at < after && count < STEPS_MAX / 2; at += unit)
            sizes[count++] = at;
        if (count == STEPS_MAX)
            sizes[count - 1] = after;
        else if (after != sizes[count - 1])
            sizes[count++] = after;
    }
    return count;
}

/* --- entries --------------------------------------------------------------------------------------------------------------- */

static void table_add(struct table *table, const char *gone, const char *name, struct node *node)
{
    table->list = grown(table->list, table->count, &table->room, sizeof *table->list);
    table->list[table->count++] = (struct entry){gone ? copied(gone, strlen(gone)) : NULL, name ? copied(name, strlen(name)) : NULL, node};
    if (node)
        node->links++;
}

static struct entry *table_find(const struct table *table, const char *name, size_t size)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strlen(table->list[i].name) == size && memcmp(table->list[i].name, name, size) == 0)
            return &table->list[i];
    }
    return NULL;
}

static void node_unlink(struct node *node);

static void entry_free(const struct entry *entry)
{
    mem_free(entry->gone);
    mem_free(entry->name);
    if (entry->node)
        node_unlink(entry->node);
}

static void table_remove(struct table *table, const char *name)
{
    struct entry *entry = table_find(table, name, strlen(name));

    if (!entry)
        return;
    entry_free(entry);
    *entry = table->list[--table->count];
}

static void table_clear(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        entry_free(&table->list[i]);
    table->count = 0;
}

static void table_free(struct table *table)
{
    table_clear(table);
    mem_free(table->list);
    *table = (struct table){0};
}

static void entry_apply(struct table *table, const struct entry *change)
{
    if (change->name) {
        table_remove(table, change->name);
        table_add(table, NULL, change->name, change->node);
    }
    if (change->gone)
        table_remove(table, change->gone);
}

static void directory_change(struct node *directory, const char *gone, const char *name, struct node *node)
{
    table_add(&directory->entry_changes, gone, name, node);
    entry_apply(&directory->now_entries, &directory->entry_changes.list[directory->entry_changes.count - 1]);
}

static void directory_sync(struct node *directory)
{
    for (size_t i = 0; i < directory->entry_changes.count; i++)
        entry_apply(&directory->kept_entries, &directory->entry_changes.list[i]);
    table_clear(&directory->entry_changes);
}

/* --- nodes ----------------------------------------------------------------------------------------------------------------- */

/* volume NULL: its own. */
static struct node *node_new(struct disk *disk, struct node *volume, bool directory)
{
    struct node *node = sim__alloc(1, sizeof *node);

    node->volume = volume ? volume : node;
    node->directory = directory;
    list_push_back(&disk->nodes, &node->link);
    return node;
}

static void node_free(struct node *node)
{
    list_remove(&node->link);
    changes_forget(node);
    mem_free(node->changes);
    mem_free(node->now.data);
    mem_free(node->kept.data);
    table_free(&node->now_entries);
    table_free(&node->kept_entries);
    table_free(&node->entry_changes);
    mem_free(node);
}

static void node_settle(struct node *node)
{
    if (!node->links && !node->opens)
        node_free(node);
}

static void node_unlink(struct node *node)
{
    node->links--;
    node_settle(node);
}

/* --- paths ----------------------------------------------------------------------------------------------------------------- */

/* The node, or NULL. *parent: the directory that it is or would be in (NULL: none); name: its last name. */
static struct node *find(struct disk *disk, const char *path, struct node **parent, char name[static FS_PATH_MAX])
{
    struct node *at = disk->root;

    *parent = NULL;
    name[0] = 0;
    for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
        size_t size = strcspn(path, "/");
        struct entry *entry;
        ASSERT(size < FS_PATH_MAX);
        if (size == 1 && *path == '.') {
            path++;
            continue;
        }
        *parent = at && at->directory ? at : NULL;
        memcpy(name, path, size);
        name[size] = 0;
        entry = *parent ? table_find(&(*parent)->now_entries, name, size) : NULL;
        at = entry ? entry->node : NULL;
        path += size;
    }
    return at;
}

static struct node *find_node(struct disk *disk, const char *path)
{
    char name[FS_PATH_MAX];
    struct node *parent;

    return find(disk, path, &parent, name);
}

static int enter(struct disk *disk, enum fs_call call, const char *path)
{
    return disk->hook ? disk->hook(disk->context, call, path) : 0;
}

static enum status leave(int failed, const char *action, const char *path, struct err *err)
{
    return failed ? fs__failed(err, failed, action, path) : STATUS_OK;
}

/* --- the file system ------------------------------------------------------------------------------------------------------- */

struct fs *disk_new(uint64_t seed, uint32_t unit)
{
    struct disk *disk = sim__alloc(1, sizeof *disk);

    disk->fs.backend = &disk_backend;
    disk->random = seed;
    disk->unit = unit;
    list_init(&disk->nodes);
    disk->root = node_new(disk, NULL, true);
    disk->root->links = 1;
    return &disk->fs;
}

/* Files that are still open (of a process that was cut off) live on without the disk's list. */
static void disk_free(struct fs *fs)
{
    struct disk *disk = disk_of(fs);

    mem_free(disk->replaced.data);
    node_unlink(disk->root);
    for (struct list *node = list_pop_front(&disk->nodes); node; node = list_pop_front(&disk->nodes))
        list_init(node);
    mem_free(disk);
}

/* A process that opens the volume begins: of what failed before, it hears nothing. (On Linux it may, once, and would begin again.) */
static struct node *volume_begin(struct disk *disk, struct node *volume)
{
    LIST_EACH(link, &disk->nodes) {
        struct node *node = LIST_ENTRY(link, struct node, link);

        if (node->volume == volume)
            node->told = node->errors;
    }
    return volume;
}

static enum status disk_open(struct fs *fs, const char *path, unsigned flags, struct file **out, struct err *err)
{
    struct disk *disk = disk_of(fs);
    struct disk_file *file;
    char name[FS_PATH_MAX];
    struct node *parent, *node;
    int failed = enter(disk, FS_CALL_OPEN, path);

    if (!failed && nth(&disk->faults.no_files_at))
        failed = EMFILE;
    if (failed)
        return leave(failed, "open", path, err);
    node = find(disk, path, &parent, name);
    if (node && (flags & FS_EXCLUSIVE))
        failed = EEXIST;
    else if (node && node->directory != !!(flags & FS_VOLUME))
        failed = node->directory ? EISDIR : ENOTDIR;
    else if (!node && (!(flags & FS_CREATE) || !parent))
        failed = ENOENT;
    if (failed)
        return leave(failed, "open", path, err);
    file = mem_alloc(1, sizeof *file);
    if (!file || !file__init(&file->file, &disk_backend, -1, path)) {
        mem_free(file);
        return leave(ENOMEM, "open", path, err);
    }
    if (!node) {
        node = node_new(disk, parent->volume, false);
        directory_change(parent, NULL, name, node);
    }
    if (node->directory)
        node = volume_begin(disk, node->volume);
    node->opens++;
    file->disk = disk;
    file->node = node;
    file->heard = node->told;
    file->direct = flags & FS_DURABLE;
    *out = &file->file;
    return STATUS_OK;
}

static enum status disk_mkdir(struct fs *fs, const char *path, struct err *err)
{
    struct disk *disk = disk_of(fs);
    char part[FS_PATH_MAX], name[FS_PATH_MAX];
    struct node *parent, *node;
    int failed = enter(disk, FS_CALL_MKDIR, path);

    for (size_t end = 1; !failed && end <= strlen(path); end++) {
        if (path[end] && path[end] != '/')
            continue;
        ASSERT(end < sizeof part);
        memcpy(part, path, end);
        part[end] = 0;
        node = find(disk, part, &parent, name);
        if (node && !node->directory)
            failed = ENOTDIR;
        else if (!node)
            directory_change(parent, NULL, name, node_new(disk, parent == disk->root ? NULL : parent->volume, true));
    }
    return leave(failed, "make directory", path, err);
}

/* One of those that a rename replaced, for DISK_STALE: each is equally likely. */
static void remember_replaced(struct disk *disk, const char *path, const struct node *node)
{
    if (draw(disk, ++disk->replacements))
        return;
    ASSERT(strlen(path) < sizeof disk->replaced_path);
    memcpy(disk->replaced_path, path, strlen(path) + 1);
    mem_free(disk->replaced.data);
    content_copy(&disk->replaced, &node->now);
}

/* Within one directory, as all renames here are. */
static enum status disk_rename(struct fs *fs, const char *from, const char *to, struct err *err)
{
    struct disk *disk = disk_of(fs);
    char old_name[FS_PATH_MAX], name[FS_PATH_MAX];
    struct node *node, *target, *old_parent, *parent;
    int failed = enter(disk, FS_CALL_RENAME, to);

    node = find(disk, from, &old_parent, old_name);
    target = find(disk, to, &parent, name);
    if (!failed && (!node || !parent))
        failed = ENOENT;
    if (!failed && target && (target->directory != node->directory || target->now_entries.count))
        failed = target->directory ? ENOTEMPTY : ENOTDIR;
    if (!failed && node != target) {
        ASSERT(parent == old_parent);
        if (target && !target->directory)
            remember_replaced(disk, to, target);
        directory_change(parent, old_name, name, node);
    }
    return leave(failed, "rename to", to, err);
}

static enum status disk_remove(struct fs *fs, const char *path, struct err *err)
{
    struct disk *disk = disk_of(fs);
    char name[FS_PATH_MAX];
    struct node *node, *parent;
    int failed = enter(disk, FS_CALL_REMOVE, path);

    node = find(disk, path, &parent, name);
    if (!failed)
        failed = !node ? ENOENT : !parent ? EBUSY : node->now_entries.count ? ENOTEMPTY : 0;
    if (!failed)
        directory_change(parent, name, NULL, NULL);
    return leave(failed, "remove", path, err);
}

static enum status disk_sync_dir(struct fs *fs, const char *path, struct err *err)
{
    struct disk *disk = disk_of(fs);
    int failed = enter(disk, FS_CALL_SYNC_DIR, path);
    struct node *node = find_node(disk, path);

    if (!failed)
        failed = !node ? ENOENT : node->directory ? 0 : ENOTDIR;
    if (!failed && (happens(disk, disk->faults.sync_keeps) || happens(disk, disk->faults.sync_drops)))
        failed = EIO; /* the changes stay open */
    if (!failed)
        directory_sync(node);
    return leave(failed, "sync directory", path, err);
}

static bool disk_exists(struct fs *fs, const char *path)
{
    return find_node(disk_of(fs), path);
}

static enum status disk_space(struct fs *fs, const char *path, uint64_t *free, uint64_t *total, struct err *err)
{
    *total = DISK_SPACE;
    *free = disk_of(fs)->full ? 0 : DISK_SPACE / 2;
    return STATUS_OK;
}

static enum status disk_list(struct fs *fs, const char *path, char ***names, size_t *count, struct err *err)
{
    struct disk *disk = disk_of(fs);
    int failed = enter(disk, FS_CALL_LIST, path);
    struct node *node = find_node(disk, path);
    struct fs__names gathered = {0};

    if (!failed)
        failed = !node ? ENOENT : node->directory ? 0 : ENOTDIR;
    for (size_t i = 0; !failed && i < node->now_entries.count; i++) {
        if (!fs__names_add(&gathered, node->now_entries.list[i].name))
            failed = ENOMEM;
    }
    if (failed)
        mem_free(gathered.text);
    else if (!fs__names_finish(&gathered, names, count))
        failed = ENOMEM;
    return leave(failed, "list", path, err);
}

/* --- open files ------------------------------------------------------------------------------------------------------------ */

static void disk_file_close(struct file *file)
{
    struct disk_file *open = disk_file_of(file);

    if (open->holds_lock)
        open->node->locked = false;
    open->node->opens--;
    node_settle(open->node);
    mem_free(open);
}

/* It is read, or written, and in memory from now on. One range is: what was there before stays only where it is the same or next to it. */
static void node_cache(struct node *node, uint64_t from, uint64_t to)
{
    if (from > node->cached_to || to < node->cached_from) {
        node->cached_from = from;
        node->cached_to = to;
        return;
    }
    node->cached_from = from < node->cached_from ? from : node->cached_from;
    node->cached_to = to > node->cached_to ? to : node->cached_to;
}

static enum status disk_file_read(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err)
{
    struct disk_file *open = disk_file_of(file);
    const struct content *now = &open->node->now;
    int failed = enter(open->disk, FS_CALL_READ, file->path);

    *got = 0;
    if (!failed && happens(open->disk, open->disk->faults.read_fails))
        failed = EIO;
    if (!failed && offset < now->size) {
        *got = size < now->size - offset ? size : now->size - (size_t)offset;
        memcpy(to, now->data + offset, *got);
        node_cache(open->node, offset, offset + *got);
    }
    return leave(failed, "read", file->path, err);
}

static size_t disk_file_cached(struct file *file, uint64_t offset, size_t size)
{
    struct disk_file *open = disk_file_of(file);
    struct node *node = open->node;

    if (happens(open->disk, open->disk->forgets))
        node->cached_from = node->cached_to = 0;
    if (offset >= node->now.size || (offset >= node->cached_from && offset + size <= node->cached_to))
        return size;
    open->disk->waits++;
    return offset >= node->cached_from && offset < node->cached_to ? (size_t)(node->cached_to - offset) : 0;
}

static enum status disk_file_read_cached(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err)
{
    const struct node *node = disk_file_of(file)->node;
    size_t left = offset < node->now.size ? (size_t)(node->now.size - offset) : 0, wanted = size < left ? size : left, there = disk_file_cached(file, offset, wanted);
    enum status status = disk_file_read(file, offset, to, there < wanted ? there : wanted, got, err);

    return !status && there < wanted ? err_set(err, STATUS_NOT_CACHED, "%s is not in memory", file->path) : status;
}

static enum status disk_file_write(struct file *file, uint64_t offset, const struct bytes_view *pieces, unsigned count, struct err *err)
{
    struct disk_file *open = disk_file_of(file);
    struct disk *disk = open->disk;
    int failed = enter(disk, FS_CALL_WRITE, file->path);
    size_t size = 0, at = 0;
    uint8_t *bytes;

    if (failed)
        return leave(failed, "write", file->path, err);
    for (unsigned i = 0; i < count; i++)
        size += pieces[i].size;
    if (!size)
        return STATUS_OK;
    bytes = sim__alloc(size, 1);
    for (unsigned i = 0; i < count; at += pieces[i++].size) {
        if (pieces[i].size)
            memcpy(bytes + at, pieces[i].data, pieces[i].size);
    }
    disk->full |= nth(&disk->faults.no_space_at);
    if (disk->full && offset + size > open->node->now.size) /* what is there already needs none */
        failed = ENOSPC;
    else if (happens(disk, disk->faults.write_short))
        failed = EIO;
    if (failed)
        size = (size_t)draw(disk, size);
    if (size) {
        node_change(open->node, offset, size, bytes);
        node_cache(open->node, offset, offset + size);
        open->from = open->direct ? offset : 0;
        open->to = open->direct ? offset + size : 0;
    } else
        mem_free(bytes);
    return leave(failed, "write", file->path, err);
}

/* What a failed sync leaves: some of what was written is on the disk; the rest is forgotten, though readers may still see it. (Ends that were cut
 * are in the file system's journal, and there.) */
static void sync_fail(struct disk *disk, struct node *node, bool drops)
{
    size_t size = node->kept.size;

    node->errors++;
    node->volume->errors += node->volume != node;
    for (size_t i = 0; i < node->changes_count; i++) {
        const struct change *change = &node->changes[i];
        if (!change->bytes) {
            change_apply(&node->kept, change);
            size = node->kept.size;
            continue;
        }
        content_resize(&node->kept, size_after(change) > node->kept.size ? size_after(change) : node->kept.size);
        for (uint64_t at = change->offset / disk->unit * disk->unit; at < change_end(change); at += disk->unit) {
            if (!draw(disk, 2))
                continue;
            change_apply_between(&node->kept, change, at, at + disk->unit);
            if (at + disk->unit > size)
                size = at + disk->unit < size_after(change) ? (size_t)at + disk->unit : size_after(change);
        }
    }
    content_resize(&node->kept, size);
    changes_forget(node);
    if (!drops)
        return;
    mem_free(node->now.data);
    content_copy(&node->now, &node->kept);
}

static void file_sync_or_fail(struct disk *disk, struct node *node, bool keeps, bool drops)
{
    if (keeps || drops)
        sync_fail(disk, node, drops);
    else
        node_sync(node);
}

/* Of all nodes some are synced before one fails; the changes of a directory stay open, then. */
static void node_sync_or_fail(struct disk *disk, struct node *node, bool keeps, bool drops)
{
    bool fails = (keeps || drops) && draw(disk, 2);

    if (!node->directory)
        file_sync_or_fail(disk, node, fails && keeps, fails && drops);
    else if (!fails)
        directory_sync(node);
}

static void volume_sync_or_fail(struct disk *disk, const struct node *volume, bool keeps, bool drops)
{
    for (struct list *link = disk->nodes.prev, *next; link != &disk->nodes; link = next) { /* what a directory lets go is younger than it */
        struct node *node = LIST_ENTRY(link, struct node, link);

        next = link->prev;
        if (node->volume == volume)
            node_sync_or_fail(disk, node, keeps, drops);
    }
}

static enum status disk_file_sync(struct file *file, struct err *err)
{
    struct disk_file *open = disk_file_of(file);
    struct disk *disk = open->disk;
    int failed = enter(disk, FS_CALL_SYNC, file->path);
    bool keeps, drops;

    if (failed)
        return leave(failed, "sync", file->path, err);
    keeps = happens(disk, disk->faults.sync_keeps);
    drops = happens(disk, disk->faults.sync_drops);
    if (open->node->directory)
        volume_sync_or_fail(disk, open->node, keeps, drops);
    else if (open->from < open->to && !keeps && !drops)
        node_sync_range(open->node, open->from, open->to);
    else
        file_sync_or_fail(disk, open->node, keeps, drops);
    if (keeps || drops || open->heard != open->node->errors)
        failed = EIO;
    open->heard = open->node->told = open->node->errors;
    open->from = open->to = 0;
    return leave(failed, "sync", file->path, err);
}

static enum status disk_file_truncate(struct file *file, uint64_t size, struct err *err)
{
    struct disk_file *open = disk_file_of(file);
    int failed = enter(open->disk, FS_CALL_TRUNCATE, file->path);

    if (!failed && size != open->node->now.size)
        node_change(open->node, size, 0, NULL);
    return leave(failed, "truncate", file->path, err);
}

static enum status disk_file_size(struct file *file, uint64_t *size, struct err *err)
{
    struct disk_file *open = disk_file_of(file);

    *size = open->node->now.size;
    return leave(enter(open->disk, FS_CALL_SIZE, file->path), "ask the size of", file->path, err);
}

static enum status disk_file_lock(struct file *file, struct err *err)
{
    struct disk_file *open = disk_file_of(file);
    int failed = enter(open->disk, FS_CALL_LOCK, file->path);

    if (!failed && open->node->locked && !open->holds_lock)
        failed = EEXIST;
    if (!failed)
        open->node->locked = open->holds_lock = true;
    return leave(failed, "lock", file->path, err);
}

/* --- crashes --------------------------------------------------------------------------------------------------------------- */

/* Calls for each choice, in a fixed order, until there are none: the outcomes of one node. */
static size_t node_choices(const struct node *node, uint32_t unit, uint32_t *outcomes, size_t max)
{
    size_t sizes[STEPS_MAX], count = 0, span = node_span(node);
    uint32_t n;

    for (size_t i = 0; i < node->entry_changes.count; i++) {
        ASSERT(count < max);
        outcomes[count++] = 2;
    }
    for (uint64_t at = 0; node->changes_count && at < span; at += unit) {
        n = changes_touching(node, at, at + unit);
        ASSERT(!n || count < max);
        if (n)
            outcomes[count++] = n + 1;
    }
    n = node_sizes(node, unit, sizes);
    ASSERT(n < 2 || count < max);
    if (n > 1)
        outcomes[count++] = n;
    return count;
}

size_t disk_choices(struct fs *fs, uint32_t *outcomes, size_t max)
{
    struct disk *disk = disk_of(fs);
    size_t count = 0;

    LIST_EACH(link, &disk->nodes) {
        const struct node *node = LIST_ENTRY(link, struct node, link);
        if (node->links)
            count += node_choices(node, disk->unit, outcomes + count, max - count);
    }
    return count;
}

/* The file as the outcomes have it. Returns those of the next node. */
static const uint32_t *content_crash(const struct node *node, uint32_t unit, const uint32_t *outcomes, struct content *out)
{
    size_t sizes[STEPS_MAX], span = node_span(node);
    uint32_t n;

    content_copy(out, &node->kept);
    content_resize(out, span);
    for (uint64_t at = 0; node->changes_count && at < span; at += unit) {
        uint32_t seen = changes_touching(node, at, at + unit) ? *outcomes++ : 0;
        for (size_t i = 0; seen; i++) {
            const struct change *change = &node->changes[i];
            if (change->offset >= at + unit || change_end(change) <= at)
                continue;
            change_apply_between(out, change, at, at + unit);
            seen--;
        }
    }
    n = node_sizes(node, unit, sizes);
    content_resize(out, n > 1 ? sizes[*outcomes++] : sizes[0]);
    return outcomes;
}

static const uint32_t *node_crash(const struct node *node, uint32_t unit, const uint32_t *outcomes)
{
    struct node *twin = node->twin;

    for (size_t i = 0; i < node->kept_entries.count; i++)
        table_add(&twin->kept_entries, NULL, node->kept_entries.list[i].name, node->kept_entries.list[i].node->twin);
    for (size_t i = 0; i < node->entry_changes.count; i++) {
        const struct entry *change = &node->entry_changes.list[i];
        struct entry mine = {change->gone, change->name, change->node ? change->node->twin : NULL};
        if (*outcomes++)
            entry_apply(&twin->kept_entries, &mine);
    }
    for (size_t i = 0; i < twin->kept_entries.count; i++)
        table_add(&twin->now_entries, NULL, twin->kept_entries.list[i].name, twin->kept_entries.list[i].node);
    outcomes = content_crash(node, unit, outcomes, &twin->now);
    content_copy(&twin->kept, &twin->now);
    return outcomes;
}

static void table_kill(struct table *to, const struct table *from)
{
    for (size_t i = 0; i < from->count; i++)
        table_add(to, from->list[i].gone, from->list[i].name, from->list[i].node ? from->list[i].node->twin : NULL);
}

static void node_kill(const struct node *node)
{
    struct node *twin = node->twin;

    table_kill(&twin->kept_entries, &node->kept_entries);
    table_kill(&twin->now_entries, &node->now_entries);
    table_kill(&twin->entry_changes, &node->entry_changes);
    content_copy(&twin->kept, &node->kept);
    content_copy(&twin->now, &node->now);
    twin->changes = sim__alloc(node->changes_count, sizeof *twin->changes);
    twin->changes_count = twin->changes_room = node->changes_count;
    for (size_t i = 0; i < node->changes_count; i++) {
        twin->changes[i] = node->changes[i];
        if (node->changes[i].bytes)
            twin->changes[i].bytes = copied(node->changes[i].bytes, node->changes[i].size);
    }
}

struct fs *disk_crash(struct fs *fs, const uint32_t *outcomes)
{
    struct disk *disk = disk_of(fs), *crashed = disk_of(disk_new(disk->random, disk->unit));
    struct list *link, *next;

    crashed->full = disk->full;
    crashed->forgets = disk->forgets;
    crashed->waits = disk->waits;
    memcpy(crashed->replaced_path, disk->replaced_path, sizeof disk->replaced_path);
    content_copy(&crashed->replaced, &disk->replaced);
    crashed->replacements = disk->replacements;
    disk->root->twin = crashed->root;
    LIST_EACH(each, &disk->nodes) {
        struct node *node = LIST_ENTRY(each, struct node, link);
        if (node != disk->root && node->links)
            node->twin = node_new(crashed, node->volume == node ? NULL : node->volume->twin, node->directory);
        if (node->links)
            node->twin->opens = 1; /* held until all entries are there */
    }
    LIST_EACH(each, &disk->nodes) {
        const struct node *node = LIST_ENTRY(each, struct node, link);
        if (!node->links)
            continue;
        if (outcomes)
            outcomes = node_crash(node, disk->unit, outcomes);
        else
            node_kill(node);
    }
    for (link = crashed->nodes.prev; link != &crashed->nodes; link = next) { /* a child is younger than its directory, so it is not `next` */
        struct node *twin = LIST_ENTRY(link, struct node, link);
        next = link->prev;
        twin->opens = 0;
        node_settle(twin);
    }
    return &crashed->fs;
}

/* --- looking in, and breaking ---------------------------------------------------------------------------------------------- */

static uint64_t node_hash(const struct node *node)
{
    uint64_t hash = hash_bytes(node->directory, node->now.data ? node->now.data : (const uint8_t *)"", node->now.size);

    for (size_t i = 0; i < node->now_entries.count; i++) { /* in any order */
        const struct entry *entry = &node->now_entries.list[i];
        hash += hash_bytes(node_hash(entry->node), entry->name, strlen(entry->name));
    }
    return hash;
}

uint64_t disk_hash(struct fs *fs)
{
    return node_hash(disk_of(fs)->root);
}

bool disk_look(struct fs *fs, const char *path, struct bytes_view *now, struct bytes_view *kept)
{
    const struct node *node = find_node(disk_of(fs), path), *at = disk_of(fs)->root;

    if (!node || node->directory)
        return false;
    for (path += strspn(path, "/"); at && *path; path += strspn(path, "/")) {
        size_t size = strcspn(path, "/");
        const struct entry *entry = table_find(&at->kept_entries, path, size);
        at = entry ? entry->node : NULL;
        path += size;
    }
    *now = (struct bytes_view){node->now.data, node->now.size};
    *kept = at == node ? (struct bytes_view){node->kept.data, node->kept.size} : (struct bytes_view){NULL, 0};
    return true;
}

void disk_on_call(struct fs *fs, int (*hook)(void *context, enum fs_call call, const char *path), void *context)
{
    disk_of(fs)->hook = hook;
    disk_of(fs)->context = context;
}

void disk_set_memory(struct fs *fs, uint32_t forgets)
{
    disk_of(fs)->forgets = forgets;
}

uint64_t disk_waits(struct fs *fs)
{
    return disk_of(fs)->waits;
}

void disk_set_faults(struct fs *fs, const struct disk_faults *faults)
{
    disk_of(fs)->faults = *faults;
    disk_of(fs)->full = false;
}

struct pick { /* of the files that fit each is equally likely */
    struct disk *disk;
    enum disk_rot how;
    const char *suffix;
    uint64_t fit;
    struct node *parent, *node;
    const char *name;
    bool cached;
};

static bool name_ends(const char *name, const char *suffix)
{
    size_t size = strlen(name), end = strlen(suffix);

    return size >= end && strcmp(name + size - end, suffix) == 0;
}

static bool is_last_log(const struct node *directory, const char *name)
{
    if (!name_ends(name, ".log"))
        return false;
    for (size_t i = 0; i < directory->now_entries.count; i++) {
        const char *other = directory->now_entries.list[i].name;
        if (name_ends(other, ".log") && strcmp(other, name) > 0)
            return false;
    }
    return true;
}

static void pick_below(struct pick *pick, struct node *directory, const char *path)
{
    struct disk *disk = pick->disk;
    char below[FS_PATH_MAX];

    for (size_t i = 0; i < directory->now_entries.count; i++) {
        const struct entry *entry = &directory->now_entries.list[i];
        int n = snprintf(below, sizeof below, "%s/%s", path, entry->name);
        ASSERT(n > 0 && (size_t)n < sizeof below);
        if (entry->node->directory) {
            pick_below(pick, entry->node, below);
        } else if (entry->node->kept.size && name_ends(entry->name, pick->suffix) && !(pick->how == DISK_LOSE && is_last_log(directory, entry->name)) &&
                   draw(disk, ++pick->fit) == 0) {
            pick->parent = directory;
            pick->node = entry->node;
            pick->cached = entry->node->opens && is_last_log(directory, entry->name);
            pick->name = entry->name;
            memcpy(disk->rotten, below, (size_t)n + 1);
        }
    }
}

static void content_rot(struct content *c, enum disk_rot how, size_t at, uint8_t flip)
{
    size_t sector = at / DISK_SECTOR * DISK_SECTOR;

    if (how == DISK_FLIP && at < c->size)
        c->data[at] = (uint8_t)(c->data[at] ^ flip);
    else if (how == DISK_ZERO && sector < c->size)
        memset(c->data + sector, 0, c->size - sector < DISK_SECTOR ? c->size - sector : DISK_SECTOR);
    else if (how == DISK_CUT && at < c->size)
        content_resize(c, at ? at : 1);
}

static void content_replace(struct content *c, const struct content *with)
{
    mem_free(c->data);
    content_copy(c, with);
}

static const char *disk_make_stale(struct disk *disk, const char *suffix)
{
    struct node *node = disk->replacements && name_ends(disk->replaced_path, suffix) ? find_node(disk, disk->replaced_path) : NULL;

    if (!node)
        return NULL;
    changes_forget(node);
    content_replace(&node->kept, &disk->replaced);
    content_replace(&node->now, &disk->replaced);
    node->cached_from = node->cached_to = 0;
    return disk->replaced_path;
}

const char *disk_rot(struct fs *fs, enum disk_rot how, const char *suffix)
{
    struct disk *disk = disk_of(fs);
    struct pick pick = {.disk = disk, .how = how, .suffix = suffix};
    uint8_t flip;
    size_t at;

    if (how == DISK_STALE)
        return disk_make_stale(disk, suffix);
    pick_below(&pick, disk->root, "");
    if (!pick.node)
        return NULL;
    at = (size_t)draw(disk, pick.node->kept.size);
    flip = (uint8_t)(how == DISK_FLIP ? 1U << draw(disk, 8) : 0);
    if (how == DISK_LOSE) {
        char *name = copied(pick.name, strlen(pick.name)); /* the entry that it is in goes */
        table_remove(&pick.parent->kept_entries, name);
        table_remove(&pick.parent->now_entries, name);
        mem_free(name);
    } else {
        content_rot(&pick.node->kept, how, at, flip);
        pick.node->cached_from = pick.node->cached_to = 0; /* what is in memory did not rot */
        if (!pick.cached)
            content_rot(&pick.node->now, how, at, flip);
    }
    return disk->rotten;
}

static const struct fs_backend disk_backend = {
    .free = disk_free,
    .open = disk_open,
    .mkdir = disk_mkdir,
    .rename = disk_rename,
    .remove = disk_remove,
    .sync_dir = disk_sync_dir,
    .exists = disk_exists,
    .space = disk_space,
    .list = disk_list,
    .file_close = disk_file_close,
    .file_read = disk_file_read,
    .file_read_cached = disk_file_read_cached,
    .file_cached = disk_file_cached,
    .file_write = disk_file_write,
    .file_sync = disk_file_sync,
    .file_truncate = disk_file_truncate,
    .file_size = disk_file_size,
    .file_lock = disk_file_lock,
};
