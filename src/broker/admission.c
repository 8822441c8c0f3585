/* SPDX-License-Identifier: Apache-2.0
 * See admission.h. The identity (meta.properties), the quorum, and all that the metadata log says, read as it stands in its files.
 *
 * A directory with a journal is ours and was not stopped cleanly: what it says was judged when it was opened, and the newest of it is in the journal.
 * After a clean stop everything must read; of what was not stopped cleanly, what does not is not judged here: opening does.
 */
#include "broker/admission.h"

#include "base/mem.h"
#include "meta/carry.h"
#include "meta/snapshot.h"
#include "raft/raft.h"
#include "store/dir.h"
#include "store/journal.h"
#include "store/scan.h"

enum { TEXT_MAX = 1 << 20, BOOTSTRAP_MAX = 16 << 20, SCAN_CHUNK = 1 << 16, SEED = 0 };

/* data NULL: it is not there. The caller frees it. */
static enum status read_whole(struct fs *fs, const char *dir, const char *name, struct str_view *text, struct err *err)
{
    char path[FS_PATH_MAX], *content = NULL;
    size_t size = 0;
    enum status s;

    *text = STR_NULL;
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", dir);
    s = fs_read_file(fs, path, TEXT_MAX, &content, &size, err);
    if (s == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (s == STATUS_OK)
        *text = (struct str_view){content, size};
    return s;
}

static enum status admit_identity(struct fs *fs, const char *dir, int32_t node_id, struct directory_known *known, struct err *err)
{
    struct str_view text;
    enum status s = read_whole(fs, dir, META_PROPERTIES_FILE, &text, err);

    known->formatted = text.data != NULL;
    if (s || !known->formatted)
        return s;
    s = meta_properties_parse(text, &known->meta, err);
    mem_free((void *)(uintptr_t)text.data);
    if (s == STATUS_OK && known->meta.node_id != node_id)
        s = err_set(err, STATUS_INVALID, "%s belongs to node %d, but node.id is %d", dir, known->meta.node_id, node_id);
    return s;
}

/* What is there belongs to somebody, but nothing says to whom. */
static enum status admit_unformatted(struct fs *fs, const char *dir, struct err *err)
{
    struct str_view topic;
    int32_t partition;
    char **names;
    size_t count;
    enum status s = fs_exists(fs, dir) ? fs_list(fs, dir, &names, &count, err) : STATUS_NOT_FOUND;

    if (s)
        return s == STATUS_NOT_FOUND ? STATUS_OK : s;
    for (size_t i = 0; s == STATUS_OK && i < count; i++)
        if (log_dir_partition_named(names[i], &topic, &partition))
            s = err_set(err, STATUS_INVALID, "%s has partitions but no " META_PROPERTIES_FILE ": it is not formatted anew", dir);
    mem_free(names);
    return s;
}

static enum status has_journal(struct fs *fs, const char *dir, bool *has, struct err *err)
{
    char **names;
    size_t count;
    enum status s = fs_list(fs, dir, &names, &count, err);

    *has = false;
    if (s)
        return s;
    for (size_t i = 0; i < count; i++)
        *has |= journal_named(names[i]);
    mem_free(names);
    return STATUS_OK;
}

/* Of a quorum whose voters stand in the configuration: the file tells them. */
static enum status admit_quorum(struct fs *fs, const char *dir, struct err *err)
{
    struct quorum_state state;
    struct str_view text;
    enum status s = read_whole(fs, dir, QUORUM_STATE_FILE, &text, err);

    if (s || !text.data)
        return s;
    s = quorum_state_parse(text, &state, err);
    mem_free((void *)(uintptr_t)text.data);
    if (s == STATUS_OK && state.voters > 1)
        s = err_set(err, STATUS_UNSUPPORTED_VERSION, "the metadata quorum has %d voters: only a quorum of one can be carried on", state.voters);
    return s;
}

/* ---- the metadata log ---- */

/* Applies the batches of one segment from image->offset on. *torn: one does not read, and what follows it is not looked at; in a log that was stopped cleanly none
 * may be so. */
static enum status apply_segment(struct fs *fs, const char *path, struct image *image, bool clean, bool *torn, struct err *err)
{
    struct scan scan = {.capacity = SCAN_CHUNK, .grows = true};
    enum status s = fs_open(fs, path, FS_READ, &scan.file, err);
    uint64_t at = 0;

    if (s)
        return s;
    scan.buffer = mem_alloc(scan.capacity, 1);
    s = scan.buffer ? file_size(scan.file, &scan.end, err) : err_set(err, STATUS_NO_MEMORY, "no memory to read %s", path);
    while (s == STATUS_OK && at < scan.end) {
        struct bytes_view batch;
        struct batch_head head;

        s = scan_batch(&scan, at, &head, &batch, err);
        *torn = s == STATUS_CORRUPT;
        if (s)
            break;
        if (batch_last_offset(&head) > image->offset)
            s = image_apply_batch(image, batch, err);
        at += batch_size(&head);
    }
    mem_free(scan.buffer);
    file_unref(scan.file);
    if (*torn && clean)
        return err_wrap(err, "%s", path);
    return *torn ? STATUS_OK : s;
}

static bool is_segment(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && strcmp(dot, ".log") == 0;
}

static enum status apply_log(struct fs *fs, const char *dir, struct image *image, bool clean, struct err *err)
{
    char **names, path[FS_PATH_MAX];
    bool torn = false;
    size_t count;
    enum status s = fs_list(fs, dir, &names, &count, err);

    if (s)
        return s;
    for (size_t i = 0; s == STATUS_OK && !torn && i < count; i++) { /* sorted: in the order of offsets */
        if (!is_segment(names[i]))
            continue;
        if (snprintf(path, sizeof path, "%s/%s", dir, names[i]) >= (int)sizeof path)
            s = err_set(err, STATUS_INVALID, "%s: the path is too long", dir);
        else
            s = apply_segment(fs, path, image, clean, &torn, err);
    }
    mem_free(names);
    return s;
}

/* A log that says nothing yet begins with these. */
static enum status apply_bootstrap(struct fs *fs, const char *dir, struct image *image, struct err *err)
{
    struct meta_records records;
    struct str_view bytes;
    struct arena arena;
    bool told = image_feature_level(image, "metadata.version") > 0;
    enum status s;

    s = read_whole(fs, dir, BOOTSTRAP_FILE, &bytes, err);
    if (s || !bytes.data)
        return s;
    arena_init(&arena, BOOTSTRAP_MAX);
    meta_records_init(&records, &arena);
    s = bootstrap_decode((struct bytes_view){(const uint8_t *)bytes.data, bytes.size}, &records, err);
    for (size_t i = 0; s == STATUS_OK && i < records.count && !told; i++)
        s = image_apply(image, records.values[i], err);
    arena_free(&arena);
    mem_free((void *)(uintptr_t)bytes.data);
    return s;
}

static enum status admit_metadata(struct fs *fs, const char *dir, int32_t node_id, struct err *err)
{
    char log[FS_PATH_MAX], marker[FS_PATH_MAX];
    struct snapshot_id id;
    struct image image;
    bool found;
    enum status s = STATUS_OK;

    if (snprintf(log, sizeof log, "%s/%s", dir, METADATA_DIR) >= (int)sizeof log || snprintf(marker, sizeof marker, "%s/" LOG_DIR_CLEAN, dir) >= (int)sizeof marker)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", dir);
    image_init(&image, SEED, NULL, NULL);
    if (fs_exists(fs, log)) {
        s = admit_quorum(fs, log, err);
        if (s == STATUS_OK)
            s = snapshot_load(fs, log, &image, &found, &id, err);
        if (s == STATUS_OK)
            s = apply_log(fs, log, &image, fs_exists(fs, marker), err);
    }
    if (s == STATUS_OK)
        s = apply_bootstrap(fs, dir, &image, err);
    if (s == STATUS_OK)
        s = image_carriable(&image, node_id, err);
    image_free(&image);
    return s;
}

enum status directory_admit(struct fs *fs, const char *dir, int32_t node_id, bool metadata, struct directory_known *known, struct err *err)
{
    bool journal = false;
    enum status s;

    known->path = dir;
    s = admit_identity(fs, dir, node_id, known, err);
    if (s == STATUS_OK && !known->formatted)
        s = admit_unformatted(fs, dir, err);
    if (s == STATUS_OK && known->formatted && metadata)
        s = has_journal(fs, dir, &journal, err);
    if (s == STATUS_OK && known->formatted && metadata && !journal)
        s = admit_metadata(fs, dir, node_id, err);
    return s;
}

static enum status admit_together(const struct directory_known *a, const struct directory_known *b, struct err *err)
{
    if (strcmp(a->meta.cluster_id, b->meta.cluster_id) != 0)
        return err_set(err, STATUS_INVALID, "%s belongs to cluster %s, but %s to %s", a->path, a->meta.cluster_id, b->path, b->meta.cluster_id);
    if (uuid_equal(a->meta.directory_id, b->meta.directory_id) && !uuid_is_zero(a->meta.directory_id))
        return err_set(err, STATUS_INVALID, "%s and %s have the same directory.id: they are one directory, or a copy of it", a->path, b->path);
    return STATUS_OK;
}

enum status directories_admit(const struct directory_known *known, unsigned count, unsigned metadata, struct err *err)
{
    for (unsigned i = 0; i < count; i++) {
        if (known[i].formatted && !known[metadata].formatted)
            return err_set(err, STATUS_INVALID, "%s is formatted, but %s, where the metadata log is to be, is not", known[i].path, known[metadata].path);
        for (unsigned j = 0; j < i; j++)
            if (known[i].formatted && known[j].formatted && admit_together(&known[j], &known[i], err))
                return err->status;
    }
    return STATUS_OK;
}
