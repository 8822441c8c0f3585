/* SPDX-License-Identifier: Apache-2.0
 * barnabas log repair: a stopped data directory is put right as far as its batches tell how.
 *
 *   index, time index       wrong or missing: built anew
 *   leader-epoch-checkpoint  does not read, or tells other epochs than the batches: built anew
 *   torn end                 of the last segment, with nothing behind it that reads: cut
 *   a hole                   anything else that does not read: stays and is told, for what follows was acknowledged. --force takes it out
 *
 * Invariants
 * 1. What is taken out of a .log stands durably beside it, as <segment>.log.<position>.cut, before the .log changes.
 * 2. A .log changes by its end being cut, or by another taking its name: no crash leaves half of a repair.
 * 3. While a journal holds what segments lack, no .log is changed: a start of the broker puts that back, and needs the places as they are.
 */
#include "base/mem.h"
#include "cli/log_int.h"
#include "store/journal.h"
#include "store/segment.h"
#include "store/verify.h"

enum { STEP = 1 << 20, INDEX_INTERVAL = 4096 }; /* index.interval.bytes' default: what the topic has is not known here */

struct hole {
    uint64_t position, size;
};

struct repair {
    struct fs *fs;
    struct cli_rows rows;
    const struct cli_args *args;
    bool dry, force, journal;
    uint64_t mended, left;
    bool failed;

    /* of the segment that is looked at */
    const char *dir;
    int64_t base;
    struct segment *fresh;    /* as its batches make it */
    struct hole *holes;
    size_t holes_count;
    bool indexes_wrong, no_memory;
    struct epochs epochs, learned;
    bool epochs_wrong;
};

static void tell(struct repair *r, const char *kind, const char *file, const struct hole *at, const char *what)
{
    cli__row(&r->rows, kind);
    cli__row_text(&r->rows, "file", str_from(file));
    if (at) {
        cli__row_number(&r->rows, "position", (int64_t)at->position);
        cli__row_number(&r->rows, "size", (int64_t)at->size);
    }
    cli__row_text(&r->rows, "what", str_from(what));
    cli__row_end(&r->rows);
}

static void tell_mended(struct repair *r, const char *file, const struct hole *at, const char *what)
{
    r->mended++;
    tell(r, r->dry ? "would_mend" : "mended", file, at, what);
}

static void tell_left(struct repair *r, const char *file, const struct hole *at, const char *what)
{
    r->left++;
    tell(r, "left", file, at, what);
}

static bool fail(struct repair *r, const struct err *err)
{
    cli__say("%s", err->text);
    r->failed = true;
    return false;
}

/* --- what a segment is like ------------------------------------------------------------------------------------------------ */

static void found(void *context, const struct finding *finding)
{
    struct repair *r = context;
    struct hole *holes = r->holes;

    if (strcmp(finding->suffix, ".log") != 0) {
        r->indexes_wrong = true;
        return;
    }
    if ((r->holes_count & (r->holes_count - 1)) == 0) /* full at each power of two */
        holes = mem_resize(holes, r->holes_count ? 2 * r->holes_count : 1, sizeof *holes);
    if (!holes) {
        r->no_memory = true;
        return;
    }
    r->holes = holes;
    holes[r->holes_count++] = (struct hole){finding->position, finding->size};
}

static bool takes_out(const struct repair *r)
{
    return r->force && !r->journal;
}

static void seen(void *context, uint64_t position, const struct batch_head *head, struct bytes_view batch)
{
    struct repair *r = context;
    int32_t told = epochs_at(&r->epochs, head->base_offset);

    if (!takes_out(r))
        r->fresh->size = position; /* a hole before it keeps its place */
    segment_note(r->fresh, head, INDEX_INTERVAL);
    r->epochs_wrong |= told >= 0 && told != head->leader_epoch;
    if (head->leader_epoch <= epochs_latest(&r->learned))
        return;
    if (epochs_reserve(&r->learned, 1))
        epochs_assign(&r->learned, head->leader_epoch, head->base_offset);
    else
        r->no_memory = true;
}

static bool look(struct repair *r, int64_t limit)
{
    struct verify v = {.fs = r->fs, .dir = r->dir, .base = r->base, .limit = limit, .indexed = true, .found = found, .seen = seen, .context = r};
    struct err err;
    bool more = true;
    enum status status = verify_begin(&v, &err);

    if (status)
        return fail(r, &err);
    while (!status && more)
        status = verify_step(&v, STEP, &more, &err);
    verify_end(&v);
    if (!status && r->no_memory)
        status = err_set(&err, STATUS_NO_MEMORY, "%s: no memory", r->dir);
    return status ? fail(r, &err) : true;
}

/* --- the log --------------------------------------------------------------------------------------------------------------- */

static enum status copy(struct file *from, uint64_t position, uint64_t size, struct file *to, uint64_t at, struct err *err)
{
    uint8_t *buffer = mem_alloc(STEP, 1);
    enum status status = buffer ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "no memory to copy");

    while (!status && size) {
        struct bytes_view piece = {buffer, size < STEP ? (size_t)size : STEP};
        size_t got;
        status = file_read(from, position, buffer, piece.size, &got, err);
        piece.size = got;
        if (!status && !got)
            status = err_set(err, STATUS_IO, "the file became shorter");
        if (!status)
            status = file_write(to, at, &piece, 1, err);
        position += got;
        at += got;
        size -= got;
    }
    mem_free(buffer);
    return status;
}

static enum status keep_beside(struct repair *r, const char *path, struct file *log, const struct hole *hole, struct err *err)
{
    char beside[FS_PATH_MAX];
    struct file *file;
    enum status status;

    if (snprintf(beside, sizeof beside, "%s.%llu.cut", path, (unsigned long long)hole->position) >= (int)sizeof beside)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", path);
    status = fs_open(r->fs, beside, FS_CREATE | FS_EXCLUSIVE, &file, err);
    if (status)
        return status;
    status = copy(log, hole->position, hole->size, file, 0, err);
    if (!status)
        status = file_sync(file, err);
    file_unref(file);
    return status ? status : fs_sync_dir(r->fs, r->dir, err);
}

/* Another file, without the holes, takes the name. */
static enum status rewrite(struct repair *r, const char *path, struct file *log, uint64_t size, struct err *err)
{
    char temporary[FS_PATH_MAX];
    struct file *file;
    uint64_t from = 0, at = 0;
    enum status status;

    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", path);
    status = fs_open(r->fs, temporary, FS_CREATE, &file, err);
    if (status)
        return status;
    status = file_truncate(file, 0, err);
    for (size_t i = 0; i <= r->holes_count && !status; i++) {
        uint64_t to = i < r->holes_count ? r->holes[i].position : size;
        status = copy(log, from, to - from, file, at, err);
        at += to - from;
        from = i < r->holes_count ? to + r->holes[i].size : size;
    }
    if (!status)
        status = file_sync(file, err);
    file_unref(file);
    if (!status)
        status = fs_rename(r->fs, temporary, path, err);
    return status ? status : fs_sync_dir(r->fs, r->dir, err);
}

static enum status cut_end(struct file *log, uint64_t at, struct err *err)
{
    return file_truncate(log, at, err) ? err->status : file_sync(log, err);
}

static enum status take_out(struct repair *r, const char *path, bool torn_only, struct err *err)
{
    struct file *log;
    uint64_t size = 0;
    enum status status = fs_open(r->fs, path, FS_WRITE, &log, err);

    if (status)
        return status;
    status = file_size(log, &size, err);
    for (size_t i = torn_only ? r->holes_count - 1 : 0; i < r->holes_count && !status; i++)
        status = keep_beside(r, path, log, &r->holes[i], err);
    if (!status)
        status = torn_only ? cut_end(log, r->holes[r->holes_count - 1].position, err) : rewrite(r, path, log, size, err);
    file_unref(log);
    return status;
}

/* What happens to the holes; *changed: the log does. */
static bool mend_log(struct repair *r, bool last, uint64_t size, bool *changed)
{
    const struct hole *end = r->holes_count ? &r->holes[r->holes_count - 1] : NULL;
    bool torn = last && end && end->position + end->size == size, all = takes_out(r);
    char path[FS_PATH_MAX];
    struct err err;

    *changed = false;
    if (!end)
        return true;
    if (segment_path(path, r->dir, r->base, ".log", &err))
        return fail(r, &err);
    *changed = !r->journal && (all || torn);
    if (*changed && !r->dry && take_out(r, path, !all, &err))
        return fail(r, &err);
    for (size_t i = 0; i < r->holes_count; i++) {
        bool cuts = torn && i + 1 == r->holes_count;
        if (r->journal)
            tell_left(r, path, &r->holes[i], "it does not read; a journal is there: start the broker once, and stop it");
        else if (all || cuts)
            tell_mended(r, path, &r->holes[i], cuts ? "a torn end: cut, and kept beside" : "it does not read: taken out, and kept beside");
        else
            tell_left(r, path, &r->holes[i], "it does not read, and stays: --force takes it out");
    }
    return true;
}

/* --- a segment ------------------------------------------------------------------------------------------------------------- */

static bool mend_indexes(struct repair *r)
{
    char path[FS_PATH_MAX];
    struct err err;

    if (segment_path(path, r->dir, r->base, ".index", &err))
        return fail(r, &err);
    if (!r->dry && (!segment_seal(r->fresh) || segment_save(r->fresh, r->fs, r->dir, &err) || fs_sync_dir(r->fs, r->dir, &err)))
        return fail(r, &err);
    tell_mended(r, path, NULL, "the indexes are built anew");
    return true;
}

static bool segment_size(struct repair *r, uint64_t *size)
{
    char path[FS_PATH_MAX];
    struct file *file;
    struct err err;
    enum status status;

    if (segment_path(path, r->dir, r->base, ".log", &err) || fs_open(r->fs, path, FS_READ, &file, &err))
        return fail(r, &err);
    status = file_size(file, size, &err);
    file_unref(file);
    return status ? fail(r, &err) : true;
}

static void repair_segment(struct repair *r, int64_t base, int64_t limit)
{
    uint64_t size;
    bool changed;

    r->base = base;
    r->fresh = segment_new(base, 0);
    r->holes_count = 0;
    r->indexes_wrong = r->no_memory = !r->fresh;
    if (r->fresh && segment_size(r, &size) && look(r, limit) && mend_log(r, limit == INT64_MAX, size, &changed) && (changed || r->indexes_wrong))
        (void)mend_indexes(r);
    r->failed |= !r->fresh;
    if (r->fresh)
        segment_free(r->fresh);
    mem_free(r->holes);
    r->holes = NULL;
}

/* --- epochs ---------------------------------------------------------------------------------------------------------------- */

static void read_epochs(struct repair *r)
{
    char path[FS_PATH_MAX], *content;
    struct err err;
    size_t size;

    r->epochs_wrong = false;
    if (!log__path(path, r->dir, "leader-epoch-checkpoint") || fs_read_file(r->fs, path, SMALL_FILE_MAX, &content, &size, &err))
        return;
    r->epochs_wrong = epochs_parse(&r->epochs, (struct str_view){content, size}, &err) != STATUS_OK;
    if (r->epochs_wrong)
        epochs_cut_end(&r->epochs, 0);
    mem_free(content);
}

static bool mend_epochs(struct repair *r)
{
    char path[FS_PATH_MAX];
    struct str_view text;
    struct err err;
    enum status status;

    if (!r->epochs_wrong || !log__path(path, r->dir, "leader-epoch-checkpoint"))
        return true;
    tell_mended(r, path, NULL, "the epochs are taken from the batches");
    if (r->dry)
        return true;
    text = epochs_format(&r->learned);
    status = text.data ? fs_write_file(r->fs, path, text.data, text.size, &err) : err_set(&err, STATUS_NO_MEMORY, "%s: no memory", path);
    mem_free((void *)(uintptr_t)text.data);
    return status ? fail(r, &err) : true;
}

/* --- the directory --------------------------------------------------------------------------------------------------------- */

static bool chosen(const struct repair *r, const char *folder)
{
    for (int i = 1; i < r->args->arguments_count; i++)
        if (strcmp(r->args->arguments[i], folder) == 0)
            return true;
    return r->args->arguments_count == 1;
}

static void repair_folder(void *context, const struct log_folder *folder)
{
    struct repair *r = context;

    if (!chosen(r, folder->name))
        return;
    for (size_t i = 0; i < folder->names_count; i++)
        if (log__ends(folder->names[i], ".swap")) {
            tell_left(r, folder->path, NULL, "a compaction did not end: a start ends it");
            return;
        }
    r->dir = folder->path;
    read_epochs(r);
    for (size_t i = 0; i < folder->count; i++)
        repair_segment(r, folder->bases[i], i + 1 < folder->count ? folder->bases[i + 1] : INT64_MAX);
    (void)mend_epochs(r);
    epochs_free(&r->epochs);
    epochs_free(&r->learned);
}

/* Takes the directory for ourselves. */
static bool lock(struct repair *r, const char *dir, struct file **file)
{
    char path[FS_PATH_MAX];
    struct err err;

    if (!log__path(path, dir, ".lock"))
        return false;
    if (r->dry && !fs_exists(r->fs, path))
        return true;
    if (fs_open(r->fs, path, r->dry ? FS_WRITE : FS_CREATE, file, &err))
        return fail(r, &err);
    if (file_lock(*file, &err)) {
        cli__say("%s is in use: stop its broker first", dir);
        return false;
    }
    return true;
}

static bool journal_there(struct repair *r, const char *dir)
{
    char path[FS_PATH_MAX], **names;
    bool there = false;
    struct err err;
    size_t count;

    if (log__path(path, dir, LOG_DIR_CLEAN) && fs_exists(r->fs, path))
        return false;
    if (fs_list(r->fs, dir, &names, &count, &err))
        return !fail(r, &err);
    for (size_t i = 0; i < count; i++)
        there |= journal_named(names[i]);
    mem_free(names);
    return there;
}

enum cli_exit log__repair(const struct cli_args *args)
{
    struct repair r = {.fs = fs_posix_new(), .rows = {stdout, args->of[OPT_JSON].given, NULL}, .args = args, .dry = args->of[OPT_DRY_RUN].given,
                       .force = args->of[OPT_FORCE].given};
    const char *dir = args->arguments[0];
    struct file *file = NULL;
    bool ok;

    if (!r.fs)
        return cli__fail("no memory");
    ok = lock(&r, dir, &file);
    if (ok) {
        r.journal = journal_there(&r, dir);
        ok = log__each_folder(r.fs, dir, repair_folder, &r);
        cli__row(&r.rows, "repaired");
        cli__row_number(&r.rows, r.dry ? "would_mend" : "mended", (int64_t)r.mended);
        cli__row_number(&r.rows, "left", (int64_t)r.left);
        cli__row_end(&r.rows);
    }
    if (file)
        file_unref(file);
    fs_free(r.fs);
    return ok && !r.failed && !r.left && !(r.dry && r.mended) ? CLI_DONE : CLI_FAILED;
}
