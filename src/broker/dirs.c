/* SPDX-License-Identifier: Apache-2.0
 * See dirs.h. All are judged before one is changed: a directory of another cluster beside ours leaves both as they were.
 */
#include "broker/dirs.h"

#include "base/mem.h"
#include "broker/admission.h"
#include "broker/disk_space.h"
#include "broker/lifecycle.h"
#include "broker/metadata_int.h"
#include "broker/partitions.h"
#include "broker/scrubbing.h"
#include "meta/snapshot.h"
#include "rt/log.h"

enum { SMALL_FILE_MAX = 1024 * 1024 };

struct broker_entry { /* a partition's folder, by its name */
    struct map_node node;
    const struct log_dir_entry *entry;
    uint8_t dir;
};

/* ---- identity ---- */

static void uuid_from(struct uuid *id, const uint8_t bytes[static 16])
{
    memcpy(id->b, bytes, 16);
    id->b[6] = (uint8_t)((id->b[6] & 15) | 64);  /* version 4 */
    id->b[8] = (uint8_t)((id->b[8] & 63) | 128); /* RFC 4122 */
    id->b[0] &= 127;                             /* its text begins with a letter: never with '-' */
}

/* The first 16 bytes of the entropy are the cluster's; each directory has what follows, stirred with its place. */
static struct uuid directory_id(const uint8_t entropy[static 32], unsigned place)
{
    uint64_t halves[2] = {hash_bytes(place, entropy + 16, 16), hash_bytes(~(uint64_t)place, entropy + 16, 16)};
    struct uuid id;

    uuid_from(&id, (const uint8_t *)halves);
    return id;
}

static enum status dir_write(const struct broker *broker, const struct broker_dir *dir, const char *file, const void *bytes, size_t size, struct err *err)
{
    char path[FS_PATH_MAX + 64];

    snprintf(path, sizeof path, "%s/%s", dir->path, file);
    return fs_write_file(broker->fs, path, bytes, size, err);
}

/* A directory that is new, or has no id yet (before KIP-858). The metadata log's gets what a fresh log begins with, and meta.properties last: it says that all is there. */
static enum status dir_format(struct broker *broker, struct broker_dir *dir, const struct broker_options *o, bool bootstraps, struct err *err)
{
    unsigned place = (unsigned)(dir - broker->dirs);
    struct meta_properties meta = {.node_id = broker->node_id, .directory_id = directory_id(o->entropy, place)};
    char text[META_PROPERTIES_SIZE];
    struct bytes_view bootstrap;
    enum status s = STATUS_OK;

    memcpy(meta.cluster_id, broker->cluster_id, sizeof meta.cluster_id);
    if (bootstraps && bootstrap_encode(o->wall_ms, &broker->arena, &bootstrap))
        return err_set(err, STATUS_NO_MEMORY, "no memory to format");
    if (bootstraps)
        s = dir_write(broker, dir, BOOTSTRAP_FILE, bootstrap.data, bootstrap.size, err);
    if (s == STATUS_OK)
        s = dir_write(broker, dir, META_PROPERTIES_FILE, text, meta_properties_format(&meta, text), err);
    if (s)
        return s;
    dir->id = meta.directory_id;
    log_line(LOG_INFO, "formatted", "directory=%s cluster=%s node=%d", dir->path, meta.cluster_id, meta.node_id);
    return STATUS_OK;
}

static enum status read_bootstrap(struct broker *broker, struct err *err)
{
    char path[FS_PATH_MAX + 64], *content = NULL;
    struct str_view kept;
    size_t size = 0;
    enum status s;

    meta_records_init(&broker->bootstrap, &broker->arena);
    snprintf(path, sizeof path, "%s/%s", broker->dirs[broker->metadata_dir].path, BOOTSTRAP_FILE);
    s = fs_read_file(broker->fs, path, SMALL_FILE_MAX, &content, &size, err);
    if (s)
        return s == STATUS_NOT_FOUND ? STATUS_OK : s;
    kept = arena_str(&broker->arena, (struct str_view){content, size});
    mem_free(content);
    if (!kept.data)
        return err_set(err, STATUS_NO_MEMORY, "no memory for %s", path);
    return bootstrap_decode((struct bytes_view){(const uint8_t *)kept.data, kept.size}, &broker->bootstrap, err);
}

/* ---- opening ---- */

static enum status dirs_list(struct broker *broker, struct err *err)
{
    const char *metadata = config_metadata_dir(broker->config), *path;
    size_t count = 0;

    while (config_log_dir(broker->config, count))
        count++;
    broker->dirs = arena_alloc(&broker->arena, count + 1, sizeof *broker->dirs);
    if (!broker->dirs)
        return err_set(err, STATUS_NO_MEMORY, "no memory for log directories");
    broker->metadata_dir = DIR_UNKNOWN;
    for (size_t i = 0; (path = config_log_dir(broker->config, i)); i++) {
        broker->dirs[i] = (struct broker_dir){.path = path, .partitions = true};
        if (strcmp(path, metadata) == 0)
            broker->metadata_dir = (unsigned)i;
        broker->dirs_count++;
    }
    if (broker->metadata_dir == DIR_UNKNOWN) {
        broker->metadata_dir = broker->dirs_count++;
        broker->dirs[broker->metadata_dir] = (struct broker_dir){.path = metadata};
    }
    return STATUS_OK;
}

/* Whether the disk is what failed, and the start goes on without it. */
static bool dir_skipped(const struct broker *broker, const struct broker_dir *dir, const struct err *err)
{
    if (dir == &broker->dirs[broker->metadata_dir] || (err->status != STATUS_IO && err->status != STATUS_NO_SPACE && err->status != STATUS_NOT_FOUND))
        return false;
    log_line(LOG_ERROR, "log directory offline", "dir=%s reason=%s", dir->path, err->text);
    return true;
}

/* `known`: of directories that are formatted; a skipped one is not looked at again. */
static enum status dirs_admit(struct broker *broker, struct directory_known known[static DIRS_MAX], struct err *err)
{
    for (unsigned i = 0; i < broker->dirs_count; i++) {
        struct broker_dir *dir = &broker->dirs[i];
        enum status s = directory_admit(broker->fs, dir->path, broker->node_id, i == broker->metadata_dir, &known[i], err);

        known[i].skipped = s && dir_skipped(broker, dir, err);
        if (s && !known[i].skipped)
            return err_wrap(err, "open %s", dir->path);
    }
    return directories_admit(known, broker->dirs_count, broker->metadata_dir, err);
}

static enum status dir_open(struct broker *broker, struct broker_dir *dir, const struct directory_known *known, const struct broker_options *o, struct err *err)
{
    bool metadata = dir == &broker->dirs[broker->metadata_dir];
    enum status s = log_dir_open(broker->fs, dir->path, &dir->log_dir, err);

    dir->id = known->meta.directory_id;
    if (s == STATUS_OK && uuid_is_zero(dir->id))
        s = dir_format(broker, dir, o, metadata && !known->formatted, err);
    if (s && dir->log_dir) {
        log_dir_close(dir->log_dir);
        dir->log_dir = NULL;
    }
    return s;
}

enum status dirs_open(struct broker *broker, const struct broker_options *o, struct err *err)
{
    struct directory_known known[DIRS_MAX] = {0};
    bool any = false;
    struct uuid cluster;

    if (dirs_list(broker, err) || dirs_admit(broker, known, err))
        return err->status;
    uuid_from(&cluster, o->entropy);
    uuid_format(cluster, broker->cluster_id);
    for (unsigned i = 0; i < broker->dirs_count; i++)
        if (known[i].formatted)
            memcpy(broker->cluster_id, known[i].meta.cluster_id, sizeof broker->cluster_id);
    for (unsigned n = 0; n < broker->dirs_count; n++) {
        unsigned i = (broker->metadata_dir + n) % broker->dirs_count; /* the metadata log's first: beside it the others may be new */
        struct broker_dir *dir = &broker->dirs[i];

        if (!known[i].skipped && dir_open(broker, dir, &known[i], o, err) && !dir_skipped(broker, dir, err))
            return err_wrap(err, "open %s", dir->path);
        any |= dir->log_dir && dir->partitions;
    }
    if (!any)
        return err_set(err, STATUS_IO, "no directory of log.dirs can be opened");
    return read_bootstrap(broker, err);
}

void dirs_close(struct broker *broker)
{
    map_free(&broker->entries);
    for (unsigned i = 0; i < broker->dirs_count; i++)
        if (broker->dirs[i].log_dir)
            log_dir_close(broker->dirs[i].log_dir);
}

/* ---- what they hold ---- */

static bool is_stranger(struct uuid id, const struct image_topic *topic)
{
    return !uuid_is_zero(id) && !uuid_equal(id, topic->id);
}

/* Two folders of the same name: one of them, or both, may be of topics that were deleted while their directory was away. `one` gets what counts. */
static enum status entry_choose(const struct broker *broker, const struct image *image, struct broker_entry *one, struct broker_entry *other, struct err *err)
{
    const struct image_topic *topic = image_topic(image, one->entry->topic);
    struct log_dir *first = broker->dirs[one->dir].log_dir, *second = broker->dirs[other->dir].log_dir;
    unsigned named = DIR_UNKNOWN;

    if (!topic || is_stranger(log_dir_topic_id(first, one->entry->name), topic)) {
        one->entry = other->entry;
        one->dir = other->dir;
        return STATUS_OK;
    }
    if (is_stranger(log_dir_topic_id(second, other->entry->name), topic))
        return STATUS_OK;
    if (image_partition(topic, one->entry->partition)) /* a directory failed when it was to be removed there, after a move */
        named = dirs_by_id(broker, image_directory_of(image_partition(topic, one->entry->partition), broker->node_id));
    if (named == one->dir || named == other->dir) {
        log_line(LOG_WARN, "partition in two directories", "folder=%s used=%s", one->entry->name, broker->dirs[named].path);
        *one = named == one->dir ? *one : (struct broker_entry){.node = one->node, .entry = other->entry, .dir = other->dir};
        return STATUS_OK;
    }
    return err_set(err, STATUS_INCONSISTENT_TOPIC_ID, "%s is in both %s and %s: one of the two has to be taken away", one->entry->name, log_dir_path(first), log_dir_path(second));
}

static enum status dirs_list_entries(struct broker *broker, const struct image *image, struct err *err)
{
    for (unsigned d = 0; d < broker->dirs_count; d++) {
        size_t count = 0;
        const struct log_dir_entry *entries = broker->dirs[d].log_dir ? log_dir_entries(broker->dirs[d].log_dir, &count) : NULL;
        struct broker_entry *nodes = arena_alloc(&broker->arena, count, sizeof *nodes);

        for (size_t i = 0; nodes && broker->dirs[d].partitions && i < count; i++) {
            size_t size = strlen(entries[i].name);
            struct map_node *twin = map_get(&broker->entries, entries[i].name, size);

            nodes[i] = (struct broker_entry){.entry = &entries[i], .dir = (uint8_t)d};
            if (twin && entry_choose(broker, image, MAP_ENTRY(twin, struct broker_entry, node), &nodes[i], err))
                return err->status;
            if (!twin && !map_put(&broker->entries, &nodes[i].node, entries[i].name, size))
                nodes = NULL;
        }
        if (!nodes)
            return err_set(err, STATUS_NO_MEMORY, "no memory for %zu partitions", count);
    }
    return STATUS_OK;
}

/* What a move left that was decided: the old folder goes, the copy takes its name, and is known by what the old one's checkpoints say. */
static enum status future_adopt(struct broker *broker, unsigned d, const struct log_dir_entry *future, const char *folder, struct map_node *node, struct err *err)
{
    struct broker_entry *entry = node ? MAP_ENTRY(node, struct broker_entry, node) : arena_alloc(&broker->arena, 1, sizeof *entry);
    struct log_dir_entry *unknown = arena_alloc(&broker->arena, 1, sizeof *unknown);
    const char *name = arena_str(&broker->arena, str_from(folder)).data;

    if (!entry || !unknown || !name)
        return err_set(err, STATUS_NO_MEMORY, "no memory for %s", folder);
    if (node && log_dir_remove_partition(broker->dirs[entry->dir].log_dir, folder, err))
        return err->status;
    if (log_dir_adopt(broker->dirs[d].log_dir, future->name, folder, err))
        return err->status;
    log_line(LOG_INFO, "a move is completed", "folder=%s to=%s", folder, broker->dirs[d].path);
    *unknown = (struct log_dir_entry){.name = (char *)(uintptr_t)name, .topic = {name, (size_t)(strrchr(name, '-') - name)}, .partition = future->partition, .recovery_point = -1, .log_start = -1, .cleaned = -1};
    entry->entry = node ? entry->entry : unknown;
    entry->dir = (uint8_t)d;
    return node || map_put(&broker->entries, &entry->node, name, strlen(name)) ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "no memory for %s", folder);
}

/* Half a copy, ours or one of Kafka's (which may lack what was appended last, whatever the metadata says): begun anew. */
static enum status future_resume(struct broker *broker, unsigned d, const struct log_dir_entry *future, struct uuid topic_id, struct err *err)
{
    char path[FS_PATH_MAX];

    if (snprintf(path, sizeof path, "%s/%s", broker->dirs[d].path, future->name) >= (int)sizeof path)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", broker->dirs[d].path);
    broker->resumes[broker->resumes_count++] = (struct broker_resume){.topic_id = topic_id, .index = future->partition, .to = d};
    return fs_remove_tree(broker->fs, path, err);
}

static enum status future_settle(struct broker *broker, const struct image *image, unsigned d, const struct log_dir_entry *future, struct err *err)
{
    struct log_dir *log_dir = broker->dirs[d].log_dir;
    struct uuid id = log_dir_topic_id(log_dir, future->name);
    bool made = !uuid_is_zero(id); /* the first thing in a copy tells whose it is; a kill may have been quicker */
    const struct image_topic *topic = made ? image_topic_by_id(image, id) : image_topic(image, future->topic);
    const struct image_partition *p = topic ? image_partition(topic, future->partition) : NULL;
    char folder[FOLDER_NAME_SIZE], ours[LOG_DIR_NAME_SIZE];
    struct map_node *node;

    if (p)
        log_dir_future_name(ours, topic->name, future->partition, topic->id);
    if (!p || (!made && strcmp(ours, future->name) != 0)) {
        log_line(LOG_WARN, "copy of no partition: left alone", "dir=%s name=%s", broker->dirs[d].path, future->name);
        return STATUS_OK;
    }
    broker_folder_name(folder, topic->name, future->partition);
    node = map_get(&broker->entries, folder, strlen(folder));
    if (node && MAP_ENTRY(node, struct broker_entry, node)->dir == d)
        node = NULL;
    else if (made && strcmp(ours, future->name) == 0 && uuid_equal(image_directory_of(p, broker->node_id), broker->dirs[d].id))
        return future_adopt(broker, d, future, folder, node, err);
    return node ? future_resume(broker, d, future, topic->id, err) : STATUS_OK;
}

/* From here on they are changed. *again: one of them fails, and is left out. */
static enum status dirs_begin(struct broker *broker, bool *again, struct err *err)
{
    *again = false;
    for (unsigned d = 0; d < broker->dirs_count; d++) {
        struct broker_dir *dir = &broker->dirs[d];

        if (!dir->log_dir || log_dir_begin(dir->log_dir, err) == STATUS_OK)
            continue;
        if (!dir_skipped(broker, dir, err))
            return err->status;
        log_dir_close(dir->log_dir);
        dir->log_dir = NULL;
        *again = true;
    }
    return STATUS_OK;
}

/* A folder that is not where the metadata says may be of a namesake that was deleted while its directory was away: it is put aside, and not taken for the
 * partition's, of which a journal elsewhere may have the records. */
static void strangers_leave(struct broker *broker, const struct image *image)
{
    char folder[FOLDER_NAME_SIZE];
    struct err err;

    for (struct image_topic *t = image_topic_first(image); t && broker->dirs_count > 1; t = image_topic_next(image, t))
        for (int32_t i = 0; i < t->count; i++) {
            struct map_node *node;
            struct log_dir *dir;

            broker_folder_name(folder, t->name, i);
            node = map_get(&broker->entries, folder, strlen(folder));
            if (!node || MAP_ENTRY(node, struct broker_entry, node)->dir == dirs_locate_new(broker, t, i))
                continue;
            dir = broker->dirs[MAP_ENTRY(node, struct broker_entry, node)->dir].log_dir;
            if (!is_stranger(log_dir_topic_id(dir, folder), t))
                continue;
            map_remove(&broker->entries, node);
            if (log_dir_put_aside(dir, folder, &err))
                log_line(LOG_WARN, "folder of another topic stays", "dir=%s folder=%s reason=%s", log_dir_path(dir), folder, err.text);
        }
}

enum status dirs_index(struct broker *broker, const struct image *image, struct err *err)
{
    size_t futures = 0, count = 0;
    bool again;

    map_init(&broker->entries, broker->seed);
    if (dirs_list_entries(broker, image, err) || dirs_begin(broker, &again, err))
        return err->status;
    if (again) {
        map_free(&broker->entries);
        map_init(&broker->entries, broker->seed);
    }
    if (again && dirs_list_entries(broker, image, err))
        return err->status;
    strangers_leave(broker, image);
    for (unsigned d = 0; d < broker->dirs_count; d++) {
        count = 0;
        if (broker->dirs[d].log_dir)
            (void)log_dir_futures(broker->dirs[d].log_dir, &count);
        futures += count;
    }
    broker->resumes = arena_alloc(&broker->arena, futures, sizeof *broker->resumes);
    if (!broker->resumes)
        return err_set(err, STATUS_NO_MEMORY, "no memory for %zu moves", futures);
    for (unsigned d = 0; d < broker->dirs_count; d++) {
        const struct log_dir_entry *list = broker->dirs[d].log_dir ? log_dir_futures(broker->dirs[d].log_dir, &count) : NULL;

        for (size_t i = 0; list && broker->dirs[d].partitions && i < count; i++)
            if (future_settle(broker, image, d, &list[i], err))
                return err->status;
    }
    return STATUS_OK;
}

unsigned dirs_by_path(const struct broker *broker, const char *path)
{
    for (unsigned i = 0; i < broker->dirs_count; i++)
        if (strcmp(broker->dirs[i].path, path) == 0)
            return i;
    return DIR_UNKNOWN;
}

unsigned dirs_by_id(const struct broker *broker, struct uuid id)
{
    for (unsigned i = 0; i < broker->dirs_count; i++)
        if (broker->dirs[i].partitions && !uuid_is_zero(id) && uuid_equal(broker->dirs[i].id, id))
            return i;
    return DIR_UNKNOWN;
}

/* Of a partition without a folder that the metadata puts nowhere: the first, if all of them can be seen to have none. */
static unsigned dirs_first(const struct broker *broker)
{
    for (unsigned i = 0; i < broker->dirs_count; i++)
        if (!broker->dirs[i].log_dir)
            return DIR_UNKNOWN;
    return 0;
}

unsigned dirs_locate_new(const struct broker *broker, const struct image_topic *topic, int32_t index)
{
    struct uuid id = image_directory_of(image_partition(topic, index), broker->node_id);

    return directory_is_reserved(id) ? dirs_first(broker) : dirs_by_id(broker, id);
}

unsigned dirs_locate(const struct broker *broker, const struct image_topic *topic, int32_t index, const struct log_dir_entry **entry)
{
    char folder[FOLDER_NAME_SIZE];
    struct map_node *node;

    broker_folder_name(folder, topic->name, index);
    node = map_get(&broker->entries, folder, strlen(folder));
    *entry = node ? MAP_ENTRY(node, struct broker_entry, node)->entry : NULL;
    return node ? MAP_ENTRY(node, struct broker_entry, node)->dir : dirs_locate_new(broker, topic, index);
}

bool dir_is_cordoned(const struct broker_shard *b, unsigned dir)
{
    struct str_view list = config_broker_str(b->broker->config, b->image, CONFIG_CORDONED_LOG_DIRS);

    while (list.size) {
        struct str_view path = config_list_next(&list);

        if (str_is(path, "*") || str_is(config_plain_dir(path), b->broker->dirs[dir].path))
            return true;
    }
    return false;
}

bool dirs_online(const struct broker_shard *b, struct arena *arena, struct decide_dirs *dirs)
{
    struct uuid *ids = arena_alloc(arena, b->broker->dirs_count, sizeof *ids), *cordoned = arena_alloc(arena, b->broker->dirs_count, sizeof *cordoned);

    dirs->ids = ids;
    dirs->cordoned = cordoned;
    dirs->count = dirs->cordoned_count = 0;
    for (unsigned i = 0; ids && cordoned && i < b->broker->dirs_count; i++) {
        if (!b->broker->dirs[i].partitions || dir_is_offline(b, i))
            continue;
        ids[dirs->count++] = b->broker->dirs[i].id;
        if (dir_is_cordoned(b, i))
            cordoned[dirs->cordoned_count++] = b->broker->dirs[i].id;
    }
    return ids && cordoned;
}

/* ---- failing ---- */

/* Whether the broker goes on without those. */
static bool dirs_suffice(const struct broker_shard *b)
{
    for (unsigned i = 0; i < b->broker->dirs_count; i++)
        if (b->broker->dirs[i].partitions && !dir_is_offline(b, i))
            return !dir_is_offline(b, b->broker->metadata_dir);
    return false;
}

/* This shard does nothing with it any more. */
static void dir_leave(struct broker_shard *b, unsigned dir)
{
    b->offline |= (uint64_t)1 << dir;
    if (b->store)
        store_fail_dir(b->store, b->broker->dirs[dir].path);
    if (b->spaces)
        disk_spaces_leave(b->spaces, dir);
    if (b->scrubbing)
        scrubbing_leave(b->scrubbing, dir);
    broker_dir_lost(b, dir);
}

static void dir_hear_offline(struct shard *here, struct mail *mail)
{
    struct broker_shard *b = broker_at(here);

    for (unsigned i = 0; i < b->broker->dirs_count; i++)
        if (mail == &b->broker->dirs[i].offline[shard_id(here)] && !dir_is_offline(b, i))
            dir_leave(b, i);
}

/* On shard 0: all of them are told, each by a mail of its own that is used once. */
static void dir_tell(struct broker_shard *b, unsigned place)
{
    struct broker_dir *dir = &b->broker->dirs[place];

    if (dir->told)
        return;
    dir->told = true;
    if (!dir_is_offline(b, place))
        dir_leave(b, place);
    for (unsigned i = 0; i < b->broker->shards; i++) {
        dir->offline[i].run = dir_hear_offline;
        shard_post(b->shard, shard_peer(b->shard, i), &dir->offline[i]);
    }
    if (b->metadata)
        metadata_dirs_changed(b->metadata);
}

static void dir_hear_failed(struct shard *here, struct mail *mail)
{
    struct broker_shard *b = broker_at(here);

    for (unsigned i = 0; i < b->broker->dirs_count; i++)
        for (unsigned from = 0; from < b->broker->shards; from++)
            if (mail == &b->broker->dirs[i].failed[from])
                dir_tell(b, i);
}

static void dir_fail(struct broker_shard *b, unsigned dir, const struct err *why)
{
    struct mail *mail = &b->broker->dirs[dir].failed[shard_id(b->shard)];

    mail->run = dir_hear_failed;
    shard_post(b->shard, shard_peer(b->shard, 0), mail); /* before the news that this shard has nothing to recover any more: its journals stay */
    dir_leave(b, dir);
    if (!dirs_suffice(b))
        b->broker->failed(b->shard, why);
}

static void store_found(struct shard *here, const char *path, const struct err *why)
{
    struct broker_shard *b = broker_at(here);
    unsigned dir = dirs_by_path(b->broker, path);

    if (!dir_is_offline(b, dir))
        dir_fail(b, dir, why);
}

void broker_dir_failed(struct broker_shard *b, unsigned dir, const struct err *why)
{
    if (dir_is_offline(b, dir))
        return;
    if (fs_may_retry(why->status)) { /* nothing is lost, and what was to be written is tried again */
        log_line(LOG_ERROR, "no room: it is tried again", "dir=%s reason=%s", b->broker->dirs[dir].path, why->text);
        return;
    }
    log_line(LOG_ERROR, "log directory offline", "dir=%s reason=%s", b->broker->dirs[dir].path, why->text);
    dir_fail(b, dir, why);
}

void dirs_start_shard(struct broker_shard *b)
{
    for (unsigned i = 0; i < b->broker->dirs_count; i++)
        if (!b->broker->dirs[i].log_dir)
            b->offline |= (uint64_t)1 << i;
    store_on_offline(b->store, store_found);
}
