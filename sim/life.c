/* SPDX-License-Identifier: Apache-2.0
 * See life.h. Between the node and its disk stands a file system that passes every call on: it counts those that change the disk, keeps
 * the disk's own memory apart from the node's, knows which files are open when the node dies, and lets nothing through from a dead one.
 */
#include "sim/life.h"

#include <errno.h>

#include "base/assert.h"
#include "base/mem.h"
#include "node.h"
#include "rt/fs_backend.h"
#include "sim/memory.h"
#include "sim/sim_int.h"

struct life {
    struct fs fs; /* first: the node's disk */
    struct sim *sim;
    struct fs *disk;
    struct memory memory;
    struct node *node;
    struct config *config;
    enum life_state state;
    uint64_t calls, die_at;
    bool may_fail, may_not_save, was_ready;
    struct list files; /* life_file.link */
    struct err err;
};

struct life_file {
    struct file file; /* first */
    struct life *life;
    struct file *inner;
    struct list link;
};

/* --- the disk as the node sees it --- */

static struct life *life_of(struct fs *fs)
{
    return (struct life *)(void *)fs;
}

static struct life_file *file_of(struct file *file)
{
    return (struct life_file *)(void *)file;
}

/* A call that changes the disk begins. false: the node is dead, or dies at it. */
static bool lives_on(struct life *life)
{
    if (life->state != LIFE_DEAD && ++life->calls == life->die_at)
        life->state = LIFE_DEAD;
    return life->state != LIFE_DEAD;
}

static enum status dead(struct err *err)
{
    return err_set(err, STATUS_IO, "the node is dead");
}

static void life_fs_free(struct fs *fs)
{
    assert_failed("a life's disk is not the node's to free", __FILE__, __LINE__);
}

static enum status life_open(struct fs *fs, const char *path, unsigned flags, struct file **out, struct err *err)
{
    struct life *life = life_of(fs);
    struct memory *outer;
    struct life_file *file;
    struct file *inner;
    enum status s;
    bool named;

    if (!memory_try(&life->memory)) /* a file that is open takes memory, which is the disk's here */
        return err_set(err, STATUS_NO_MEMORY, "open %s: no memory", path);
    if (flags & FS_CREATE ? !lives_on(life) : life->state == LIFE_DEAD)
        return dead(err);
    outer = memory_enter(NULL);
    s = fs_open(life->disk, path, flags, &inner, err);
    if (s == STATUS_OK) {
        file = sim__alloc(1, sizeof *file);
        named = file__init(&file->file, fs->backend, -1, path);
        ASSERT(named);
        file->life = life;
        file->inner = inner;
        list_push_back(&life->files, &file->link);
        *out = &file->file;
    }
    memory_enter(outer);
    return s;
}

#define PASS_ON(life, changes, call)               \
    do {                                           \
        struct memory *outer;                      \
        enum status s;                             \
        if ((changes) && !lives_on(life))          \
            return dead(err);                      \
        outer = memory_enter(NULL);                \
        s = (call);                                \
        memory_enter(outer);                       \
        return s;                                  \
    } while (0)

static enum status life_mkdir(struct fs *fs, const char *path, struct err *err)
{
    PASS_ON(life_of(fs), true, fs_mkdir(life_of(fs)->disk, path, err));
}

static enum status life_rename(struct fs *fs, const char *from, const char *to, struct err *err)
{
    PASS_ON(life_of(fs), true, fs_rename(life_of(fs)->disk, from, to, err));
}

static enum status life_remove(struct fs *fs, const char *path, struct err *err)
{
    PASS_ON(life_of(fs), true, fs_remove(life_of(fs)->disk, path, err));
}

static enum status life_sync_dir(struct fs *fs, const char *path, struct err *err)
{
    PASS_ON(life_of(fs), true, fs_sync_dir(life_of(fs)->disk, path, err));
}

static bool life_exists(struct fs *fs, const char *path)
{
    return fs_exists(life_of(fs)->disk, path);
}

static enum status life_space(struct fs *fs, const char *path, uint64_t *free_bytes, uint64_t *total, struct err *err)
{
    PASS_ON(life_of(fs), false, fs_space(life_of(fs)->disk, path, free_bytes, total, err));
}

/* The names are the caller's, so they are made as the node's. */
static enum status life_list(struct fs *fs, const char *path, char ***names, size_t *count, struct err *err)
{
    return fs_list(life_of(fs)->disk, path, names, count, err);
}

static void file_forget(struct life_file *file)
{
    struct memory *outer = memory_enter(NULL);

    file_unref(file->inner);
    list_remove(&file->link);
    mem_free(file);
    memory_enter(outer);
}

static void life_file_close(struct file *file)
{
    file_forget(file_of(file));
}

static enum status life_file_read(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err)
{
    PASS_ON(file_of(file)->life, false, file_read(file_of(file)->inner, offset, to, size, got, err));
}

static enum status life_file_read_cached(struct file *file, uint64_t offset, void *to, size_t size, size_t *got, struct err *err)
{
    PASS_ON(file_of(file)->life, false, file_read_cached(file_of(file)->inner, offset, to, size, got, err));
}

static size_t life_file_cached(struct file *file, uint64_t offset, size_t size)
{
    return file_cached(file_of(file)->inner, offset, size);
}

static enum status life_file_write(struct file *file, uint64_t offset, const struct bytes_view *pieces, unsigned count, struct err *err)
{
    struct life *life = file_of(file)->life;
    struct memory *outer = memory_enter(NULL);
    bool was_dead = life->state == LIFE_DEAD, all = lives_on(life);
    enum status s = STATUS_OK;

    if (all) {
        s = file_write(file_of(file)->inner, offset, pieces, count, err);
    } else if (!was_dead && count) { /* the kernel had taken a part of it */
        struct bytes_view part = {pieces[0].data, (size_t)sim__random_below(life->sim, pieces[0].size + 1)};
        s = file_write(file_of(file)->inner, offset, &part, 1, err);
    }
    memory_enter(outer);
    return all ? s : dead(err);
}

static enum status life_file_sync(struct file *file, struct err *err)
{
    PASS_ON(file_of(file)->life, true, file_sync(file_of(file)->inner, err));
}

static enum status life_file_truncate(struct file *file, uint64_t size, struct err *err)
{
    PASS_ON(file_of(file)->life, true, file_truncate(file_of(file)->inner, size, err));
}

static enum status life_file_size(struct file *file, uint64_t *size, struct err *err)
{
    PASS_ON(file_of(file)->life, false, file_size(file_of(file)->inner, size, err));
}

static enum status life_file_lock(struct file *file, struct err *err)
{
    PASS_ON(file_of(file)->life, false, file_lock(file_of(file)->inner, err));
}

static const struct fs_backend life_backend = {
    .free = life_fs_free,
    .open = life_open,
    .mkdir = life_mkdir,
    .rename = life_rename,
    .remove = life_remove,
    .sync_dir = life_sync_dir,
    .exists = life_exists,
    .space = life_space,
    .list = life_list,
    .file_close = life_file_close,
    .file_read = life_file_read,
    .file_read_cached = life_file_read_cached,
    .file_cached = life_file_cached,
    .file_write = life_file_write,
    .file_sync = life_file_sync,
    .file_truncate = life_file_truncate,
    .file_size = life_file_size,
    .file_lock = life_file_lock,
};

/* --- the node --- */

static void on_ready(struct node *node, void *context)
{
    struct life *life = context;

    if (life->state == LIFE_BOOTING)
        life->state = LIFE_READY;
    life->was_ready = true;
}

static void on_stopped(struct node *node, void *context)
{
    struct life *life = context;

    if (life->state == LIFE_STOPPING)
        life->state = LIFE_STOPPED;
}

static void fail(struct life *life, const struct err *err)
{
    if (life->state == LIFE_DEAD || life->state == LIFE_FAILED)
        return;
    life->state = LIFE_FAILED;
    life->err = *err;
}

static void on_failed(struct node *node, const struct err *err, void *context)
{
    fail(context, err);
}

static void start_shard(struct shard *shard, void *context)
{
    node_start_shard(((struct life *)context)->node, shard);
}

static enum status open_node(struct life *life, const struct life_options *how, struct err *err)
{
    struct node_hooks hooks = {.ready = on_ready, .stopped = on_stopped, .failed = on_failed, .context = life};
    struct broker_options options = {.shards = how->shards, .wall_ms = sim_wall_ms(how->sim), .host = "localhost", .fs = &life->fs,
                                     .journal = how->seed % 4 ? (size_t)64 << 10 << how->seed % 4 : 0,
                                     .files = how->seed % 3 ? 0 : 4};
    enum status s;

    life->config = options.config = config_new();
    if (!life->config)
        return err_set(err, STATUS_NO_MEMORY, "no memory");
    memcpy(options.entropy, &how->seed, sizeof how->seed);
    s = config_set_builtin(life->config, err);
    if (s == STATUS_OK)
        s = config_set(life->config, STR_LIT("log.dirs=" LIFE_DIR), err);
    for (const char *const *set = how->dirs; s == STATUS_OK && set && *set; set++)
        s = config_set(life->config, str_from(*set), err);
    for (const char *const *set = how->settings; s == STATUS_OK && *set; set++)
        s = config_set(life->config, str_from(*set), err);
    if (s == STATUS_OK)
        s = config_finish(life->config, err);
    return s ? s : node_open(&options, &hooks, &life->node, err);
}

struct life *life_begin(const struct life_options *options)
{
    struct life *life = sim__alloc(1, sizeof *life);
    struct memory *outer;
    struct err err;

    life->fs.backend = &life_backend;
    life->sim = options->sim;
    life->disk = options->disk;
    life->die_at = options->die_at;
    life->may_fail = options->may_fail;
    list_init(&life->files);
    memory_init(&life->memory);
    memory_fail(&life->memory, options->starve_at, options->starve_count);
    outer = memory_enter(&life->memory);
    if (open_node(life, options, &err))
        fail(life, &err);
    memory_enter(outer);
    if (life->node)
        sim_revive(life->sim, &life->fs, &life->memory, start_shard, life);
    return life;
}

enum life_state life_state(const struct life *life)
{
    return life->state;
}

void life_die_at(struct life *life, uint64_t calls)
{
    life->die_at = life->calls + calls;
}

uint64_t life_calls(const struct life *life)
{
    return life->calls;
}

void life_starve(struct life *life, uint64_t n, uint64_t count)
{
    memory_fail(&life->memory, n, count);
}

bool life_starved(const struct life *life)
{
    return life->memory.failed;
}

uint64_t life_allocations(const struct life *life)
{
    return life->memory.calls;
}

const char *life_error(const struct life *life)
{
    return life->err.text;
}

void life_fall_ill(struct life *life)
{
    life->may_fail = true;
}

void life_lose_dir(struct life *life)
{
    life->may_not_save = true;
}

bool life_is_ill(const struct life *life)
{
    return life->may_fail || life_starved(life);
}

bool life_failed_well(const struct life *life)
{
    if (life->err.status == STATUS_NO_MEMORY)
        return life_starved(life);
    if (life->err.status == STATUS_NO_SPACE) /* a node that runs waits for space; one that boots may need some to know what it has */
        return life->may_fail && !life->was_ready;
    return life->may_fail && (life->err.status == STATUS_IO || life->err.status == STATUS_KAFKA_STORAGE_ERROR);
}

void life_stop(struct life *life)
{
    struct memory *outer = memory_enter(&life->memory);

    ASSERT(life->state == LIFE_READY);
    life->state = LIFE_STOPPING;
    node_stop(life->node);
    memory_enter(outer);
}

static size_t files_open(const struct life *life)
{
    size_t count = 0;

    LIST_EACH(node, &life->files)
        count++;
    return count;
}

/* A clean stop's last steps; what is not given back is what the node forgot. */
static size_t close_node(struct life *life)
{
    struct memory *outer = memory_enter(&life->memory);
    enum status s = node_close(life->node, &life->err);

    ASSERT(s == STATUS_OK || life->state == LIFE_DEAD || life->may_fail || life->may_not_save || life_starved(life)); /* it may die at its last call */
    config_free(life->config);
    memory_enter(outer);
    sim_kill(life->sim);
    return s == STATUS_OK ? life->memory.bytes + files_open(life) * sizeof(struct life_file) : 0;
}

size_t life_end(struct life *life)
{
    size_t forgotten = 0;

    if (life->state == LIFE_STOPPED)
        forgotten = close_node(life);
    else
        sim_kill(life->sim);
    life->state = LIFE_DEAD;
    while (!list_empty(&life->files)) {
        struct life_file *file = LIST_ENTRY(life->files.next, struct life_file, link);
        mem_free(file->file.path);
        file_forget(file);
    }
    memory_drop(&life->memory);
    mem_free(life);
    return forgotten;
}
