/* SPDX-License-Identifier: Apache-2.0
 * See dir.h. A checkpoint that does not read is as good as none: it is named in a warning, and what it would have told is
 * unknown (-1), so that recovery looks at the data itself.
 */
#include "store/dir.h"

#include <stdlib.h>

#include "base/bug.h"
#include "base/mem.h"
#include "rt/log.h"
#include "store/journal.h"
#include "store/text.h"

enum { START_BYTES = 64 << 20, START_KEEPS = 1 << 20, START_NEEDS = 128 << 10, CHECKPOINT_MAX = 64 << 20, CHECKPOINT_LINE_MAX = 300, TOPIC_MAX = 249, NAME_MAX_BYTES = 255, STRAYS_MAX = 1000 };

static const char lock_name[] = ".lock", clean_name[] = LOG_DIR_CLEAN;

/* What else stands at the root of a log directory, without a word. */
static const char *const root_files[] = {
    lock_name, clean_name, "meta.properties", "bootstrap.checkpoint", "cleaner-offset-checkpoint", "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint", "replication-offset-checkpoint", ".kafka_bootstrap", "lost+found",
};

struct log_dir {
    struct fs *fs;
    char *path;
    struct file *lock, *volume;
    bool released;                     /* what the blocks of the lock file reserve, but for the next start's part */
    bool clean;
    struct journal_recovery *recovery; /* NULL: there were no journals */
    struct log_dir_entry *entries; /* in the byte order of their names */
    size_t count;
    struct log_dir_entry *futures;
    size_t futures_count;
};

static enum status join(char out[static FS_PATH_MAX], const char *dir, const char *name, struct err *err)
{
    if (snprintf(out, FS_PATH_MAX, "%s/%s", dir, name) >= FS_PATH_MAX)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", dir);
    return STATUS_OK;
}

/* --- folders --------------------------------------------------------------------------------------------------------------- */

static bool topic_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool log_dir_partition_named(const char *name, struct str_view *topic, int32_t *partition)
{
    const char *dash = strrchr(name, '-');
    int64_t number;

    if (!dash || dash == name || dash - name > TOPIC_MAX || !text_to_number(str_from(dash + 1), &number))
        return false;
    if (number < 0 || number > INT32_MAX || (dash[1] == '0' && dash[2]))
        return false;
    for (const char *c = name; c < dash; c++) {
        if (!topic_char(*c))
            return false;
    }
    *topic = (struct str_view){name, (size_t)(dash - name)};
    *partition = (int32_t)number;
    return true;
}

static bool entry_parse(const char *name, struct log_dir_entry *entry)
{
    *entry = (struct log_dir_entry){.recovery_point = -1, .log_start = -1, .cleaned = -1};
    return log_dir_partition_named(name, &entry->topic, &entry->partition);
}

bool log_dir_root_named(const char *name)
{
    if (journal_named(name))
        return true;
    for (size_t i = 0; i < sizeof root_files / sizeof *root_files; i++) {
        if (strcmp(name, root_files[i]) == 0)
            return true;
    }
    return false;
}

static bool name_ends(const char *name, const char *suffix)
{
    size_t size = strlen(name), end = strlen(suffix);

    return size > end && strcmp(name + size - end, suffix) == 0;
}

bool log_dir_file_named(const char *name)
{
    static const char *const names[] = {"leader-epoch-checkpoint", "partition.metadata", "quorum-state"};
    static const char *const suffixes[] = {".log", ".index", ".timeindex", ".txnindex", ".snapshot", ".checkpoint", ".deleted", ".cleaned", ".swap", ".tmp", ".cut"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (name_ends(name, suffixes[i]))
            return true;
    return false;
}

/* Its name is "<topic>-<partition>.<hex>-future". */
static enum status dir_see_future(struct log_dir *dir, const char *name, struct err *err)
{
    struct log_dir_entry *future = &dir->futures[dir->futures_count];
    char *dot;

    *future = (struct log_dir_entry){.name = mem_copy(name, strlen(name))};
    if (!future->name)
        return err_set(err, STATUS_NO_MEMORY, "no memory for a partition");
    dot = strrchr(future->name, '.');
    if (dot)
        *dot = 0;
    if (dot && log_dir_partition_named(future->name, &future->topic, &future->partition)) {
        *dot = '.';
        dir->futures_count++;
        return STATUS_OK;
    }
    mem_free(future->name);
    log_line(LOG_WARN, "not a partition: left alone", "dir=%s name=%s", dir->path, name);
    return STATUS_OK;
}

static enum status dir_see(struct log_dir *dir, const char *name, struct err *err)
{
    struct log_dir_entry *entry = &dir->entries[dir->count];
    char path[FS_PATH_MAX];

    if (name_ends(name, "-future"))
        return dir_see_future(dir, name, err);

    if (name_ends(name, "-delete"))
        return join(path, dir->path, name, err) ? err->status : fs_remove_tree(dir->fs, path, err);
    if (!entry_parse(name, entry)) {
        if (!log_dir_root_named(name))
            log_line(LOG_WARN, "not a partition: left alone", "dir=%s name=%s", dir->path, name);
        return STATUS_OK;
    }
    entry->name = mem_copy(name, strlen(name));
    if (!entry->name)
        return err_set(err, STATUS_NO_MEMORY, "no memory for a partition");
    entry->topic.data = entry->name;
    dir->count++;
    return STATUS_OK;
}

static enum status dir_list(struct log_dir *dir, struct err *err)
{
    char **names;
    size_t count;
    enum status status = fs_list(dir->fs, dir->path, &names, &count, err);

    if (status)
        return status;
    dir->entries = mem_alloc(count, sizeof *dir->entries);
    dir->futures = mem_alloc(count, sizeof *dir->futures);
    if (!dir->entries || !dir->futures)
        status = err_set(err, STATUS_NO_MEMORY, "no memory for %zu names", count);
    for (size_t i = 0; i < count && !status; i++)
        status = dir_see(dir, names[i], err);
    mem_free(names);
    return status;
}

/* --- checkpoints ----------------------------------------------------------------------------------------------------------- */

static int entry_order(const void *a, const void *b)
{
    return strcmp(((const struct log_dir_entry *)a)->name, ((const struct log_dir_entry *)b)->name);
}

/* Not every line has a folder: a topic may be gone. */
static struct log_dir_entry *dir_find(const struct log_dir *dir, struct str_view topic, int64_t partition)
{
    char name[NAME_MAX_BYTES + 1];
    struct log_dir_entry key = {.name = name};

    if (topic.size > TOPIC_MAX)
        return NULL;
    (void)snprintf(name, sizeof name, STR_FMT "-%lld", STR_ARG(topic), (long long)partition);
    return bsearch(&key, dir->entries, dir->count, sizeof key, entry_order);
}

bool checkpoint_read(struct str_view text, void (*each)(void *context, const struct checkpoint_entry *entry), void *context)
{
    int64_t version, count, partition, offset;

    if (!text_number(&text, &version) || version != 0 || !text_number(&text, &count) || count < 0)
        return false;
    for (; count > 0; count--) {
        struct str_view topic = text_word(&text);
        if (!topic.size || !text_number(&text, &partition) || !text_number(&text, &offset) || partition < 0 || partition > INT32_MAX)
            return false;
        if (each)
            each(context, &(struct checkpoint_entry){topic, (int32_t)partition, offset});
    }
    return text_word(&text).size == 0;
}

struct learning { /* a field of the entries, from a checkpoint */
    struct log_dir *dir;
    size_t field;
};

static void checkpoint_learn(void *context, const struct checkpoint_entry *line)
{
    const struct learning *learning = context;
    struct log_dir_entry *entry = dir_find(learning->dir, line->topic, line->partition);

    if (entry)
        *(int64_t *)(void *)((char *)entry + learning->field) = line->offset;
}

/* Nothing of a broken one is believed. */
static enum status dir_read_checkpoint(struct log_dir *dir, const char *file, size_t field, struct err *err)
{
    struct learning learning = {dir, field};
    char path[FS_PATH_MAX], *content;
    size_t size;
    enum status status = join(path, dir->path, file, err);

    if (!status)
        status = fs_read_file(dir->fs, path, CHECKPOINT_MAX, &content, &size, err);
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (status && status != STATUS_CORRUPT)
        return status;
    if (status == STATUS_CORRUPT || !checkpoint_read((struct str_view){content, size}, NULL, NULL))
        log_line(LOG_WARN, "checkpoint does not read: ignored", "file=%s", path);
    else
        (void)!checkpoint_read((struct str_view){content, size}, checkpoint_learn, &learning);
    if (!status)
        mem_free(content);
    return STATUS_OK;
}

enum status log_dir_write_checkpoint(struct log_dir *dir, const char *file, const struct checkpoint_entry *entries, size_t count, struct err *err)
{
    size_t used, capacity = (count + 1) * CHECKPOINT_LINE_MAX;
    char path[FS_PATH_MAX], *text = mem_alloc(count + 1, CHECKPOINT_LINE_MAX);
    enum status status;

    if (!text)
        return err_set(err, STATUS_NO_MEMORY, "%s: no memory for %zu lines", file, count);
    used = (size_t)snprintf(text, capacity, "0\n%zu\n", count);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, capacity - used, STR_FMT " %d %lld\n", STR_ARG(entries[i].topic), entries[i].partition, (long long)entries[i].offset);
    status = join(path, dir->path, file, err);
    if (!status)
        status = fs_write_file(dir->fs, path, text, used, err);
    mem_free(text);
    return status;
}

/* --- opening and closing --------------------------------------------------------------------------------------------------- */

static enum status dir_lock(struct log_dir *dir, struct err *err)
{
    char path[FS_PATH_MAX];

    if (join(path, dir->path, lock_name, err) || fs_open(dir->fs, path, FS_CREATE, &dir->lock, err))
        return err->status;
    if (file_lock(dir->lock, err))
        return err->status == STATUS_EXISTS ? err_set(err, STATUS_EXISTS, "another process has %s", path) : err->status;
    return fs_open(dir->fs, dir->path, FS_VOLUME, &dir->volume, err);
}

/* What the lock file reserves goes, but for what the next start may need. On a file system that cannot reserve, all of it is free. */
static enum status dir_give_back(struct log_dir *dir, struct err *err)
{
    uint64_t free, total, keep;
    struct err ignored;

    if (file_truncate(dir->lock, 0, err) || fs_space(dir->fs, dir->path, &free, &total, err))
        return err->status;
    keep = free > 2 * START_NEEDS ? free - START_NEEDS : free / 2;
    dir->released = true;
    if (keep && file_allocate(dir->lock, keep < START_KEEPS ? keep : START_KEEPS, &ignored))
        (void)!file_truncate(dir->lock, 0, &ignored);
    return STATUS_OK;
}

/* A start needs some space: for what is torn, for what the journal has, for the metadata log. On a full disk it gets the reserve. */
static enum status dir_make_room(struct log_dir *dir, struct err *err)
{
    uint64_t free, total;

    if (fs_space(dir->fs, dir->path, &free, &total, err))
        return err->status;
    return free >= START_BYTES ? STATUS_OK : dir_give_back(dir, err);
}

/* A directory that is not yet formatted may be new, with its parents: they become durable before anything is put into it. */
static enum status dir_make(struct log_dir *dir, struct err *err)
{
    char path[FS_PATH_MAX];

    if (fs_mkdir(dir->fs, dir->path, err) || join(path, dir->path, "meta.properties", err))
        return err->status;
    if (fs_exists(dir->fs, path))
        return STATUS_OK;
    for (const char *slash = strchr(dir->path, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t size = slash > dir->path ? (size_t)(slash - dir->path) : 1;
        memcpy(path, dir->path, size);
        path[size] = 0;
        if (fs_sync_dir(dir->fs, path, err))
            return err->status;
    }
    return dir->path[0] == '/' ? STATUS_OK : fs_sync_dir(dir->fs, ".", err);
}

/* After a clean stop a journal is of no use, and who came after it, Kafka perhaps, has written more. */
static enum status dir_journals(struct log_dir *dir, struct err *err)
{
    char path[FS_PATH_MAX];

    if (join(path, dir->path, clean_name, err))
        return err->status;
    dir->clean = fs_exists(dir->fs, path);
    if (dir->clean)
        return STATUS_OK;
    if (!BUG(KAFKA_10471) && fs_sync_dir(dir->fs, dir->path, err)) /* what a killed process had not come to sync */
        return err->status;
    return journal_recovery_new(dir->fs, dir->path, &dir->recovery, err);
}

enum status log_dir_begin(struct log_dir *dir, struct err *err)
{
    char path[FS_PATH_MAX];

    if (!dir->clean)
        return STATUS_OK;
    if (join(path, dir->path, clean_name, err) || journal_remove_all(dir->fs, dir->path, err) || fs_remove(dir->fs, path, err))
        return err->status;
    return BUG(KAFKA_10471) ? STATUS_OK : fs_sync_dir(dir->fs, dir->path, err);
}

static enum status dir_load(struct log_dir *dir, struct err *err)
{
    if (dir_make(dir, err) || dir_lock(dir, err) || dir_list(dir, err) || dir_make_room(dir, err))
        return err->status;
    if (dir_read_checkpoint(dir, "recovery-point-offset-checkpoint", offsetof(struct log_dir_entry, recovery_point), err) ||
        dir_read_checkpoint(dir, "log-start-offset-checkpoint", offsetof(struct log_dir_entry, log_start), err) ||
        dir_read_checkpoint(dir, "cleaner-offset-checkpoint", offsetof(struct log_dir_entry, cleaned), err))
        return err->status;
    return dir_journals(dir, err);
}

enum status log_dir_open(struct fs *fs, const char *path, struct log_dir **out, struct err *err)
{
    struct log_dir *dir = mem_alloc(1, sizeof *dir);
    enum status status;

    if (!dir)
        return err_set(err, STATUS_NO_MEMORY, "open log directory %s: no memory", path);
    dir->fs = fs;
    dir->path = mem_copy(path, strlen(path));
    status = dir->path ? dir_load(dir, err) : err_set(err, STATUS_NO_MEMORY, "no memory");
    if (status) {
        log_dir_close(dir);
        return err_wrap(err, "open log directory %s", path);
    }
    *out = dir;
    return STATUS_OK;
}

/* On a full disk the metadata comes first: what a journal holds of the others waits for space for all of it. What their files have already is only written once more. */
static enum status dir_affords(const struct log_dir *dir, const char *folder, struct uuid topic_id, struct err *err)
{
    uint64_t free, total, bytes = journal_recovery_bytes(dir->recovery, topic_id, folder);

    if (!bytes)
        return STATUS_OK;
    if (fs_space(dir->fs, dir->path, &free, &total, err))
        return err->status;
    if (free >= bytes + START_NEEDS / 2)
        return STATUS_OK;
    if (journal_recovery_growth(dir->recovery, topic_id, folder, &bytes, err))
        return err->status;
    if (!bytes || free >= bytes + START_NEEDS / 2)
        return STATUS_OK;
    return err_set(err, STATUS_NO_SPACE, "%llu bytes of the journals wait for space", (unsigned long long)bytes);
}

enum status log_dir_recover(const struct log_dir *dir, const char *folder, struct uuid topic_id, bool durable, int64_t *recovery_point, struct err *err)
{
    if (dir_affords(dir, folder, topic_id, err))
        return err->status;
    return journal_recovery_apply(dir->recovery, topic_id, folder, durable, recovery_point, err);
}

bool log_dir_recovers(const struct log_dir *dir, const char *folder, struct uuid topic_id)
{
    return journal_recovery_holds(dir->recovery, topic_id, folder);
}

enum status log_dir_recovered(const struct log_dir *dir, struct err *err)
{
    if (!dir->recovery)
        return STATUS_OK;
    return file_sync(dir->volume, err) ? err->status : journal_recovery_end(dir->recovery, err);
}

void log_dir_close(struct log_dir *dir)
{
    journal_recovery_free(dir->recovery);
    for (size_t i = 0; i < dir->count; i++)
        mem_free(dir->entries[i].name);
    for (size_t i = 0; i < dir->futures_count; i++)
        mem_free(dir->futures[i].name);
    mem_free(dir->futures);
    mem_free(dir->entries);
    if (dir->lock)
        file_unref(dir->lock);
    if (dir->volume)
        file_unref(dir->volume);
    mem_free(dir->path);
    mem_free(dir);
}

const char *log_dir_path(const struct log_dir *dir)
{
    return dir->path;
}

bool log_dir_clean(const struct log_dir *dir)
{
    return dir->clean;
}

const struct log_dir_entry *log_dir_entries(const struct log_dir *dir, size_t *count)
{
    *count = dir->count;
    return dir->entries;
}

const struct log_dir_entry *log_dir_futures(const struct log_dir *dir, size_t *count)
{
    *count = dir->futures_count;
    return dir->futures;
}

/* Cut as Kafka's, when it would be too long; partition.metadata tells whose it is, then. */
void log_dir_future_name(char name[static LOG_DIR_NAME_SIZE], struct str_view topic, int32_t partition, struct uuid topic_id)
{
    char suffix[64], hex[2 * sizeof topic_id.b + 1];
    size_t room;

    for (size_t i = 0; i < sizeof topic_id.b; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", topic_id.b[i]);
    room = NAME_MAX_BYTES - (size_t)snprintf(suffix, sizeof suffix, "-%d.%s-future", partition, hex);
    (void)snprintf(name, LOG_DIR_NAME_SIZE, "%.*s%s", (int)(topic.size < room ? topic.size : room), topic.data, suffix);
}

enum status log_dir_adopt(struct log_dir *dir, const char *future, const char *name, struct err *err)
{
    char from[FS_PATH_MAX], to[FS_PATH_MAX];

    if (join(from, dir->path, future, err) || join(to, dir->path, name, err) || fs_rename(dir->fs, from, to, err))
        return err->status;
    return fs_sync_dir(dir->fs, dir->path, err);
}

enum status log_dir_reserve(struct log_dir *dir, uint64_t size, struct err *err)
{
    dir->released = false;
    return file_allocate(dir->lock, size, err);
}

enum status log_dir_release(struct log_dir *dir, struct err *err)
{
    return dir->released ? STATUS_OK : dir_give_back(dir, err);
}

enum status log_dir_mark_clean(struct log_dir *dir, int64_t broker_epoch, struct err *err)
{
    char path[FS_PATH_MAX], content[64];
    int n = snprintf(content, sizeof content, "{\"version\":0,\"brokerEpoch\":%lld}", (long long)broker_epoch);

    if (join(path, dir->path, clean_name, err) || file_sync(dir->volume, err))
        return err->status;
    return fs_write_file(dir->fs, path, content, (size_t)n, err);
}

/* --- removing a partition -------------------------------------------------------------------------------------------------- */

struct uuid log_dir_topic_id(const struct log_dir *dir, const char *folder)
{
    char path[FS_PATH_MAX], *content;
    struct uuid id = {{0}};
    struct err err;
    size_t size;

    if (snprintf(path, sizeof path, "%s/%s/partition.metadata", dir->path, folder) >= FS_PATH_MAX || fs_read_file(dir->fs, path, 4096, &content, &size, &err))
        return id;
    struct str_view text = {content, size};
    for (struct str_view word = text_word(&text); word.size; word = text_word(&text)) {
        if (str_is(word, "topic_id:") && !uuid_parse(text_word(&text), &id))
            id = (struct uuid){{0}};
    }
    mem_free(content);
    return id;
}

/* The topic id in hex: unique to this life of the name, so that a second one may be on its way out before the first has gone. */
static void folder_id(const struct log_dir *dir, const char *folder, char hex[static 33])
{
    struct uuid id = log_dir_topic_id(dir, folder);

    for (size_t i = 0; i < sizeof id.b; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", id.b[i]);
}

/* Where a partition's folder is, and where it goes: beside, with Kafka's name for it. `why`: "delete", "stray". */
static enum status folder_leaves(const struct log_dir *dir, const char *name, const char *hex, const char *why, char from[static FS_PATH_MAX], char to[static FS_PATH_MAX],
                                 struct err *err)
{
    enum { SUFFIX_MAX = sizeof "-2147483647." + 48 + sizeof "-delete" };
    char suffix[SUFFIX_MAX];
    struct log_dir_entry entry;
    size_t room;
    int n;

    if (!entry_parse(name, &entry))
        return err_set(err, STATUS_INVALID, "%s is no partition's folder", name);
    if (join(from, dir->path, name, err))
        return err->status;
    room = NAME_MAX_BYTES - (size_t)snprintf(suffix, sizeof suffix, "-%d.%s-%s", entry.partition, hex, why);
    n = snprintf(to, FS_PATH_MAX, "%s/%.*s%s", dir->path, (int)(entry.topic.size < room ? entry.topic.size : room), name, suffix);
    return n < FS_PATH_MAX ? STATUS_OK : err_set(err, STATUS_INVALID, "%s: the path is too long", dir->path);
}

enum status log_dir_remove_partition(struct log_dir *dir, const char *name, struct err *err)
{
    char from[FS_PATH_MAX], to[FS_PATH_MAX], hex[33];
    enum status status;

    folder_id(dir, name, hex);
    if (folder_leaves(dir, name, hex, "delete", from, to, err))
        return err->status;
    status = fs_rename(dir->fs, from, to, err);
    if (status == STATUS_NO_SPACE) /* for the longer name */
        return fs_remove_tree(dir->fs, from, err);
    if (status || fs_sync_dir(dir->fs, dir->path, err))
        return err->status;
    return fs_remove_tree(dir->fs, to, err);
}

enum status log_dir_put_aside(struct log_dir *dir, const char *name, struct err *err)
{
    char from[FS_PATH_MAX], to[FS_PATH_MAX], hex[33], id[48];

    folder_id(dir, name, hex);
    (void)snprintf(id, sizeof id, "%s", hex);
    for (unsigned i = 1; i <= STRAYS_MAX; i++) {
        if (folder_leaves(dir, name, id, "stray", from, to, err))
            return err->status;
        if (!fs_exists(dir->fs, to)) {
            log_line(LOG_WARN, "a folder of another topic is put aside", "folder=%s name=%s", from, to);
            return fs_rename(dir->fs, from, to, err) ? err->status : fs_sync_dir(dir->fs, dir->path, err);
        }
        (void)snprintf(id, sizeof id, "%s.%u", hex, i);
    }
    return err_set(err, STATUS_INVALID, "%s: too many of its name were put aside", from);
}
