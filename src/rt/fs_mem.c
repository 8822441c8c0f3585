/* SPDX-License-Identifier: Apache-2.0
 * A file system in memory: `--memory`, unit tests, and (with faults, fs_mem.h) the simulator.
 *
 * A tree of nodes; a directory maps names to nodes, a file is one block of bytes that doubles. A node is counted by its place in
 * the tree and by each open file, so that a removed file lives on for those who have it open. One lock for everything (docs/locks.md): jobs of
 * several threads and shards meet here, and each holds it for a copy at most. Every path starts at the root, with or without a slash.
 */
#include "rt/fs_mem.h"

#include <errno.h>
#include <pthread.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/mem.h"
#include "rt/fs_backend.h"

enum { FILE_ROOM_MIN = 256 };
static const uint64_t MEM_SPACE = UINT64_C(1) << 40; /* what fs_space answers as total */

struct node {
    struct map_node link; /* in the parent's children, while it has a parent */
    struct node *parent;  /* NULL: the root, or removed */
    unsigned refs;
    bool directory, locked;
    struct map children;
    char *name;
    uint8_t *bytes;
    size_t size, room;
};

struct mem_file {
    struct file file;
    struct mem_fs *fs;
    struct node *node;
    bool holds_lock;
};

struct mem_fs {
    struct fs fs;
    pthread_mutex_t lock; /* everything below, and all nodes */
    struct node *root;
    uint64_t used; /* bytes of all files */
    int (*fault)(void *context, enum fs_call call, const char *path);
    void *context;
};

static const struct fs_backend mem_backend;

static struct mem_fs *mem_of(struct fs *fs)
{
    return (struct mem_fs *)(void *)fs;
}

static struct mem_file *mem_file_of(struct file *file)
{
    return (struct mem_file *)(void *)file;
}

/* --- nodes --- */

static struct node *node_new(const char *name, size_t size, bool directory)
{
    struct node *node = mem_alloc(1, sizeof *node);

    if (!node)
        return NULL;
    node->name = mem_copy(name, size);
    if (!node->name) {
        mem_free(node);
        return NULL;
    }
    node->refs = 1;
    node->directory = directory;
    map_init(&node->children, 0);
    return node;
}

static void node_unref(struct mem_fs *mem, struct node *node)
{
    if (--node->refs)
        return;
    mem->used -= node->size;
    map_free(&node->children);
    mem_free(node->bytes);
    mem_free(node->name);
    mem_free(node);
}

static void node_detach(struct node *node)
{
    map_remove(&node->parent->children, &node->link);
    node->parent = NULL;
}

static bool node_attach(struct node *parent, struct node *node)
{
    if (!map_put(&parent->children, &node->link, node->name, strlen(node->name)))
        return false;
    node->parent = parent;
    return true;
}

static struct node *node_child(struct node *parent, const char *name, size_t size)
{
    struct map_node *found = map_get(&parent->children, name, size);

    return found ? MAP_ENTRY(found, struct node, link) : NULL;
}

static void node_free_tree(struct mem_fs *mem, struct node *node)
{
    struct map_node *child;

    while ((child = map_first(&node->children))) {
        map_remove(&node->children, child);
        node_free_tree(mem, MAP_ENTRY(child, struct node, link));
    }
    node_unref(mem, node);
}

/* --- paths --- */

/* The next name of *path, which is moved behind it; false at the end. Empty names and "." are passed over. */
static bool path_next(const char **path, const char **name, size_t *size)
{
    do {
        *path += strspn(*path, "/");
        *name = *path;
        *size = strcspn(*path, "/");
        *path += *size;
    } while (*size == 1 && **name == '.');
    return *size > 0;
}

/* The node, or NULL. *parent: the directory that it is or would be in (NULL: there is none); *name, *name_size: its last name. */
static struct node *find(struct mem_fs *mem, const char *path, struct node **parent, const char **name, size_t *name_size)
{
    struct node *at = mem->root;
    const char *next;
    size_t next_size;

    *parent = NULL;
    *name_size = 0;
    while (path_next(&path, &next, &next_size)) {
        *parent = at && at->directory ? at : NULL;
        *name = next;
        *name_size = next_size;
        at = *parent ? node_child(*parent, next, next_size) : NULL;
    }
    return at;
}

static struct node *find_node(struct mem_fs *mem, const char *path)
{
    struct node *parent;
    const char *name;
    size_t size;

    return find(mem, path, &parent, &name, &size);
}

/* Takes the lock and asks for a fault: the errno to fail with, or 0. */
static int enter(struct mem_fs *mem, enum fs_call call, const char *path)
{
    pthread_mutex_lock(&mem->lock);
    return mem->fault ? mem->fault(mem->context, call, path) : 0;
}

static enum status leave(struct mem_fs *mem, int failed, const char *action, const char *path, struct err *err)
{
    pthread_mutex_unlock(&mem->lock);
    return failed ? fs__failed(err, failed, action, path) : STATUS_OK;
}

/* --- the file system --- */

struct fs *fs_mem_new(void)
{
    struct mem_fs *mem = mem_alloc(1, sizeof *mem);

    if (!mem)
        return NULL;
    mem->fs.backend = &mem_backend;
    mem->root = node_new("", 0, true);
    if (!mem->root) {
        mem_free(mem);
        return NULL;
    }
    pthread_mutex_init(&mem->lock, NULL);
    return &mem->fs;
}

static void mem_fs_free(struct fs *fs)
{
    struct mem_fs *mem = mem_of(fs);

    node_free_tree(mem, mem->root);
    pthread_mutex_destroy(&mem->lock);
    mem_free(mem);
}

void fs_mem_set_fault(struct fs *fs, int (*fault)(void *context, enum fs_call call, const char *path), void *context)
{
    struct mem_fs *mem = mem_of(fs);

    pthread_mutex_lock(&mem->lock);
    mem->fault = fault;
    mem->context = context;
    pthread_mutex_unlock(&mem->lock);
}

/* A new node at the end of a path that `find` did not find; NULL and *failed. */
static struct node *make(struct mem_fs *mem, struct node *parent, const char *name, size_t size, bool directory, int *failed)
{
    struct node *node = parent ? node_new(name, size, directory) : NULL;

    *failed = parent ? 0 : ENOENT;
    if (node && !node_attach(parent, node)) {
        node_unref(mem, node);
        node = NULL;
    }
    if (parent && !node)
        *failed = ENOMEM;
    return node;
}

static enum status mem_open(struct fs *fs, const char *path, unsigned flags, struct file **out, struct err *err)
{
    struct mem_fs *mem = mem_of(fs);
    struct mem_file *file = mem_alloc(1, sizeof *file);
    struct node *parent, *node = NULL;
    const char *name;
    size_t size;
    int failed = enter(mem, FS_CALL_OPEN, path);

    if (!failed && (!file || !file__init(&file->file, &mem_backend, -1, path)))
        failed = ENOMEM;
    if (failed)
        goto out;
    node = find(mem, path, &parent, &name, &size);
    if (node && (flags & FS_EXCLUSIVE))
        failed = EEXIST;
    else if (node && node->directory != !!(flags & FS_VOLUME))
        failed = node->directory ? EISDIR : ENOTDIR;
    else if (!node && !(flags & FS_CREATE))
        failed = ENOENT;
    else if (!node)
        node = make(mem, parent, name, size, false, &failed);
    if (failed)
        goto out;
    node->refs++;
    file->fs = mem;
    file->node = node;
    *out = &file->file;
    file = NULL;
out:
    if (file)
        mem_free(file->file.path);
    mem_free(file);
    return leave(mem, failed, "open", path, err);
}

static enum status mem_mkdir(struct fs *fs, const char *path, struct err *err)
{
    struct mem_fs *mem = mem_of(fs);
    struct node *at = mem->root;
    const char *rest = path, *name;
    size_t size;
    int failed = enter(mem, FS_CALL_MKDIR, path);

    while (!failed && path_next(&rest, &name, &size)) {
        struct node *child = node_child(at, name, size);
        if (!child)
            child = make(mem, at, name, size, true, &failed);
        else if (!child->directory)
            failed = ENOTDIR;
        at = child;
    }
    return leave(mem, failed, "make directory", path, err);
}

/* What stands in the way of renaming `node` to where `target` (or NULL) is in `parent`: an errno, or 0. */
static int rename_obstacle(const struct node *node, const struct node *target, const struct node *parent)
{
    if (!node || !parent)
        return ENOENT;
    for (; parent; parent = parent->parent) {
        if (parent == node)
            return EINVAL; /* into itself */
    }
    if (!node->parent)
        return EBUSY; /* the root */
    if (!target)
        return 0;
    if (node->directory && !target->directory)
        return ENOTDIR;
    if (!node->directory && target->directory)
        return EISDIR;
    return target->children.count ? ENOTEMPTY : 0;
}

static enum status mem_rename(struct fs *fs, const char *from, const char *to, struct err *err)
{
    struct mem_fs *mem = mem_of(fs);
    struct node *node, *target, *parent, *old_parent;
    const char *name;
    char *spare = NULL, *old_name;
    size_t size;
    int failed = enter(mem, FS_CALL_RENAME, to);

    if (failed)
        goto out;
    node = find_node(mem, from);
    target = find(mem, to, &parent, &name, &size);
    failed = rename_obstacle(node, target, parent);
    if (failed || node == target)
        goto out;
    spare = mem_copy(name, size);
    if (!spare) {
        failed = ENOMEM;
        goto out;
    }
    if (target) {
        node_detach(target);
        node_unref(mem, target);
    }
    old_parent = node->parent;
    old_name = node->name;
    node_detach(node);
    node->name = spare;
    spare = old_name;
    if (!node_attach(parent, node)) {
        bool back;
        spare = node->name;
        node->name = old_name;
        back = node_attach(old_parent, node);
        ASSERT(back); /* only a directory's first entry needs memory, and this was not it */
        failed = ENOMEM;
    }
out:
    mem_free(spare);
    return leave(mem, failed, "rename to", to, err);
}

static enum status mem_remove(struct fs *fs, const char *path, struct err *err)
{
    struct mem_fs *mem = mem_of(fs);
    struct node *node;
    int failed = enter(mem, FS_CALL_REMOVE, path);

    if (!failed) {
        node = find_node(mem, path);
        if (!node)
            failed = ENOENT;
        else if (!node->parent)
            failed = EBUSY;
        else if (node->children.count)
            failed = ENOTEMPTY;
        else {
            node_detach(node);
            node_unref(mem, node);
        }
    }
    return leave(mem, failed, "remove", path, err);
}

static enum status mem_sync_dir(struct fs *fs, const char *path, struct err *err)
{
    struct mem_fs *mem = mem_of(fs);
    int failed = enter(mem, FS_CALL_SYNC_DIR, path);

    if (!failed) {
        const struct node *node = find_node(mem, path);
        failed = !node ? ENOENT : node->directory ? 0 : ENOTDIR;
    }
    return leave(mem, failed, "sync directory", path, err);
}

static bool mem_exists(struct fs *fs, const char *path)
{
    struct mem_fs *mem = mem_of(fs);
    bool found;

    pthread_mutex_lock(&mem->lock);
    found = find_node(mem, path);
    pthread_mutex_unlock(&mem->lock);
    return found;
}

static enum status mem_space(struct fs *fs, const char *path, uint64_t *free, uint64_t *total, struct err *err)
{
    struct mem_fs *mem = mem_of(fs);

    pthread_mutex_lock(&mem->lock);
    *total = MEM_SPACE;
    *free = MEM_SPACE - mem->used;
    pthread_mutex_unlock(&mem->lock);
    return STATUS_OK;
}

static int gather_names(struct node *directory, char ***names, size_t *count)
{
    struct fs__names gathered = {0};

    for (struct map_node *at = map_first(&directory->children); at; at = map_next(&directory->children, at)) {
        if (!fs__names_add(&gathered, MAP_ENTRY(at, struct node, link)->name)) {
            mem_free(gathered.text);
            return ENOMEM;
        }
    }
    return fs__names_finish(&gathered, names, count) ? 0 : ENOMEM;
}

static enum status mem_list(struct fs *fs, const char *path, char ***names, size_t *count, struct err *err)
{
    struct mem_fs *mem = mem_of(fs);
    int failed = enter(mem, FS_CALL_LIST, path);

    if (!failed) {
        struct node *node = find_node(mem, path);
        failed = !node ? ENOENT : node->directory ? gather_names(node, names, count) : ENOTDIR;
    }
    return leave(mem, failed, "list", path, err);
}

/* --- open files --- */

static void mem_file_close(struct file *file)
{
    struct mem_file *open = mem_file_of(file);

    pthread_mutex_lock(&open->fs->lock);
    if (open->holds_lock)
        open->node->locked = false;
    node_unref(open->fs, open->node);
    pthread_mutex_unlock(&open->fs->lock);
    mem_free(open);
}

static enum status mem_file_read(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err)
{
    struct mem_file *open = mem_file_of(file);
    int failed = enter(open->fs, FS_CALL_READ, file->path);

    *got = 0;
    if (!failed && offset < open->node->size) {
        size_t left = open->node->size - (size_t)offset;
        *got = size < left ? size : left;
        memcpy(to, open->node->bytes + offset, *got);
    }
    return leave(open->fs, failed, "read", file->path, err);
}

/* Grows or cuts; new bytes are zero. */
static int node_resize(struct mem_fs *mem, struct node *node, uint64_t size)
{
    if (size > MEM_SPACE || (size > node->size && size - node->size > MEM_SPACE - mem->used))
        return ENOSPC;
    if (size > node->room) {
        size_t room = node->room * 2 > size ? node->room * 2 : (size_t)size;
        uint8_t *bytes = mem_resize(node->bytes, room > FILE_ROOM_MIN ? room : FILE_ROOM_MIN, 1);
        if (!bytes)
            return ENOMEM;
        node->bytes = bytes;
        node->room = room > FILE_ROOM_MIN ? room : FILE_ROOM_MIN;
    }
    if (size > node->size)
        memset(node->bytes + node->size, 0, (size_t)size - node->size);
    mem->used += size - node->size;
    node->size = (size_t)size;
    return 0;
}

static enum status mem_file_write(struct file *file, uint64_t offset, const struct bytes_view *pieces, unsigned count, struct err *err)
{
    struct mem_file *open = mem_file_of(file);
    int failed = enter(open->fs, FS_CALL_WRITE, file->path);
    uint64_t end = offset;

    for (unsigned i = 0; i < count; i++)
        end += pieces[i].size;
    if (!failed && end > open->node->size)
        failed = node_resize(open->fs, open->node, end);
    for (unsigned i = 0; i < count && !failed; i++) {
        if (pieces[i].size)
            memcpy(open->node->bytes + offset, pieces[i].data, pieces[i].size);
        offset += pieces[i].size;
    }
    return leave(open->fs, failed, "write", file->path, err);
}

static enum status mem_file_sync(struct file *file, struct err *err)
{
    struct mem_file *open = mem_file_of(file);

    return leave(open->fs, enter(open->fs, FS_CALL_SYNC, file->path), "sync", file->path, err);
}

static enum status mem_file_truncate(struct file *file, uint64_t size, struct err *err)
{
    struct mem_file *open = mem_file_of(file);
    int failed = enter(open->fs, FS_CALL_TRUNCATE, file->path);

    if (!failed)
        failed = node_resize(open->fs, open->node, size);
    return leave(open->fs, failed, "truncate", file->path, err);
}

static enum status mem_file_size(struct file *file, uint64_t *size, struct err *err)
{
    struct mem_file *open = mem_file_of(file);
    int failed = enter(open->fs, FS_CALL_SIZE, file->path);

    *size = open->node->size;
    return leave(open->fs, failed, "ask the size of", file->path, err);
}

static enum status mem_file_lock(struct file *file, struct err *err)
{
    struct mem_file *open = mem_file_of(file);
    int failed = enter(open->fs, FS_CALL_LOCK, file->path);

    if (!failed && open->node->locked && !open->holds_lock)
        failed = EEXIST;
    if (!failed)
        open->node->locked = open->holds_lock = true;
    return leave(open->fs, failed, "lock", file->path, err);
}

static const struct fs_backend mem_backend = {
    .free = mem_fs_free,
    .open = mem_open,
    .mkdir = mem_mkdir,
    .rename = mem_rename,
    .remove = mem_remove,
    .sync_dir = mem_sync_dir,
    .exists = mem_exists,
    .space = mem_space,
    .list = mem_list,
    .file_close = mem_file_close,
    .file_read = mem_file_read,
    .file_write = mem_file_write,
    .file_sync = mem_file_sync,
    .file_truncate = mem_file_truncate,
    .file_size = mem_file_size,
    .file_lock = mem_file_lock,
};
