/* SPDX-License-Identifier: Apache-2.0
 * See store.h. */
#include "base/mem.h"
#include "rt/log.h"
#include "store/files.h"
#include "store/log_int.h"
#include "store/warm.h"

struct store {
    struct shard *shard;
    enum durability durability;
    struct list wanting; /* logs with work for a commit */
    struct mail turn_end;
    bool turn_end_asked;
    struct list dirs;
    size_t journal_size; /* 0: no journals */
    size_t tails, tails_max; /* bytes of all logs' */
    struct commit reserve; /* for who has no memory for one */
    bool reserve_used;
    size_t rested;         /* logs, since it was asked */
    struct store_written written;
    struct files files;
    struct warms warms;
    void (*offline)(struct shard *here, const char *log_dir, const struct err *why);
    void (*look)(struct shard *here, const char *log_dir); /* for space */
};

struct store *store_new(struct shard *shard, enum durability durability)
{
    struct store *store = mem_alloc(1, sizeof *store);

    if (!store)
        return NULL;
    store->shard = shard;
    store->durability = durability;
    store->tails_max = STORE_TAILS_SIZE / shard_count(shard);
    list_init(&store->wanting);
    list_init(&store->dirs);
    files_init(&store->files, STORE_FILES, STORE_INDEXES);
    warms_init(&store->warms);
    return store;
}

void store_free(struct store *store)
{
    for (struct list *node = list_pop_front(&store->dirs); node; node = list_pop_front(&store->dirs)) {
        struct store_dir *dir = LIST_ENTRY(node, struct store_dir, link);
        journal_free(dir->journal);
        mem_free(dir);
    }
    mem_free(store);
}

struct shard *store__shard(const struct store *store)
{
    return store->shard;
}

enum durability store__durability(const struct store *store)
{
    return store->durability;
}

void store_limit_tails(struct store *store, size_t bytes)
{
    store->tails_max = bytes;
}

size_t store__tails_max(const struct store *store)
{
    return store->tails_max;
}

size_t *store__tails(struct store *store)
{
    return &store->tails;
}

void store__rests(struct store *store)
{
    store->rested++;
}

size_t *store_rested(struct store *store)
{
    return &store->rested;
}

unsigned store_warms_most(const struct store *store)
{
    return store->files.count_max / 4 + 1;
}

void store_limit_indexes(struct store *store, size_t bytes)
{
    store->files.bytes_max = bytes;
}

size_t store_tails_held(const struct store *store)
{
    return store->tails;
}

size_t store_indexes_held(const struct store *store)
{
    return store->files.bytes;
}

void store__wrote(struct store *store, size_t size, bool journaled)
{
    if (journaled)
        store->written.journaled += size;
    else
        store->written.direct += size;
}

struct store_written store_written(const struct store *store)
{
    return store->written;
}

struct files *store__files(struct store *store)
{
    return &store->files;
}

struct warms *store__warms(struct store *store)
{
    return &store->warms;
}

void store_limit_files(struct store *store, unsigned files)
{
    store->files.count_max = files;
}

void store_use_journal(struct store *store, size_t size)
{
    store->journal_size = size;
}

/* --- commits --------------------------------------------------------------------------------------------------------------- */

static void turn_end(struct log *log)
{
    log__spill_go_on(log); /* what is held waited for space, or is to fail with the rest */
    if (log__offline(log)) {
        log__fail_queue(log);
        return;
    }
    if (journal_busy(log->home->journal)) {
        journal_awaited(log->home->journal, log);
        store__stays_wanting(log);
    } else if (log__must_wait(log) || !log__commit(log)) {
        store__stays_wanting(log);
    }
    if (log->idle)
        log__check_idle(log);
}

static void store_turn_end(struct shard *here, struct mail *mail)
{
    struct store *store = LIST_ENTRY(mail, struct store, turn_end);
    struct list wanting;

    store->turn_end_asked = false;
    list_init(&wanting);
    list_move_all(&wanting, &store->wanting);
    LIST_EACH(at, &store->dirs)
        journal_begin(LIST_ENTRY(at, struct store_dir, link)->journal);
    for (struct list *node = list_pop_front(&wanting); node; node = list_pop_front(&wanting))
        turn_end(LIST_ENTRY(node, struct log_work, store_link)->log);
    LIST_EACH(at, &store->dirs)
        journal_submit(LIST_ENTRY(at, struct store_dir, link)->journal);
}

static void ask_turn_end(struct store *store)
{
    if (store->turn_end_asked)
        return;
    store->turn_end_asked = true;
    store->turn_end.run = store_turn_end;
    shard_at_turn_end(store->shard, &store->turn_end);
}

void store__stays_wanting(struct log *log)
{
    if (log->work && list_empty(&log->work->store_link)) /* without it there is nothing to commit */
        list_push_back(&log->store->wanting, &log->work->store_link);
}

void store__wants_commit(struct log *log)
{
    store__stays_wanting(log);
    ask_turn_end(log->store);
}

void store__commit_waiting(struct store *store)
{
    if (!list_empty(&store->wanting))
        ask_turn_end(store);
}

struct commit *store__commit_new(struct store *store)
{
    struct commit *c = mem_alloc(1, sizeof *c);

    if (c || store->reserve_used)
        return c;
    store->reserve_used = true;
    store->reserve = (struct commit){0};
    return &store->reserve;
}

void store__commit_free(struct store *store, struct commit *c)
{
    if (c != &store->reserve) {
        mem_free(c);
        return;
    }
    store->reserve_used = false;
    store__commit_waiting(store);
}

/* --- log directories ------------------------------------------------------------------------------------------------------- */

struct store_dir *store__dir_new(const char *log_dir)
{
    const char *slash = strrchr(log_dir, '/');
    size_t size = slash ? (size_t)(slash - log_dir) : 0;
    struct store_dir *dir = mem_alloc(1, sizeof *dir + size + 1);

    if (!dir)
        return NULL;
    list_init(&dir->link);
    list_init(&dir->tails);
    list_init(&dir->to_spill);
    list_init(&dir->to_sync);
    dir->size = size;
    memcpy(dir->path, log_dir, size);
    return dir;
}

struct store_dir *store__dir_find(const struct store *store, const char *path)
{
    LIST_EACH(node, &store->dirs) {
        struct store_dir *dir = LIST_ENTRY(node, struct store_dir, link);
        if (strcmp(dir->path, path) == 0)
            return dir;
    }
    return NULL;
}

struct store_dir *store__dir_adopt(struct store *store, struct store_dir *fresh)
{
    struct store_dir *dir = store__dir_find(store, fresh->path);

    if (dir) {
        mem_free(fresh);
        return dir;
    }
    if (store->journal_size && store->durability == DURABILITY_SYNC)
        fresh->journal = journal_new(store, fresh->path, store->journal_size); /* without memory, none */
    fresh->store = store;
    list_push_back(&store->dirs, &fresh->link);
    store__space_unknown(fresh);
    return fresh;
}

/* Who waits for a spill or a sync there waits no more. */
static void dir_failed(struct store_dir *dir)
{
    dir->offline = true;
    LIST_EACH(node, &dir->to_spill)
        store__stays_wanting(LIST_ENTRY(node, struct log_work, tail_link)->log);
    LIST_EACH(node, &dir->to_sync)
        store__stays_wanting(LIST_ENTRY(node, struct log_work, sync_link)->log);
    store__commit_waiting(dir->store);
}

void store__dir_failed(struct store_dir *dir, const struct err *why)
{
    if (dir->offline)
        return;
    log_line(LOG_ERROR, "log directory offline", "dir=%s reason=%s", dir->path, why->text);
    dir_failed(dir);
    if (dir->store->offline)
        dir->store->offline(dir->store->shard, dir->path, why);
}

void store__failed(struct log *log, enum status status, const struct err *why)
{
    struct err unknown;

    if (log__offline(log))
        return;
    if (!why) {
        (void)err_set(&unknown, status, "%s: no memory for the reason", log->dir);
        why = &unknown;
    }
    store__dir_failed(log->home, why);
}

void store_on_offline(struct store *store, void (*offline)(struct shard *here, const char *log_dir, const struct err *why))
{
    store->offline = offline;
}

void store_fail_dir(struct store *store, const char *log_dir)
{
    struct store_dir *dir = store__dir_find(store, log_dir);

    if (dir)
        dir_failed(dir);
}

bool store_dir_offline(const struct store *store, const char *log_dir)
{
    const struct store_dir *dir = store__dir_find(store, log_dir);

    return dir && dir->offline;
}

/* --- space ----------------------------------------------------------------------------------------------------------------- */

void store_on_space(struct store *store, void (*look)(struct shard *here, const char *log_dir))
{
    store->look = look;
}

void store__ask_space(struct store_dir *dir)
{
    if (dir->asked || !dir->store->look)
        return;
    dir->asked = true;
    dir->store->look(dir->store->shard, dir->path);
}
