/* SPDX-License-Identifier: Apache-2.0
 * barnabas log segments and verify: a data directory as it stands, and what in it does not fit together.
 *
 * Each segment is read by store/verify.h; what goes beyond one is judged here: leader epochs against batches, snapshots and checkpoints against the logs' ends,
 * the journal's groups, whose directory it is. Where a broker runs, or was killed, the last segments and the files that are written at a stop
 * need not be whole: what a start would put right is told as a note, and is no finding.
 */
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "cli/log_int.h"
#include "meta/properties.h"
#include "meta/snapshot.h"
#include "rt/run.h"
#include "store/dir.h"
#include "store/journal.h"
#include "store/segment.h"
#include "store/txnindex.h"
#include "store/verify.h"
#include "wire/record/producer_snapshot.h"

enum { STEP = 1 << 20, SNAPSHOT_CRC_FROM = 6 };

struct end { /* of a partition's log */
    char *name;
    int64_t start, end;
};

struct check {
    struct fs *fs;
    struct cli_rows rows;
    bool records;
    bool clean;           /* stopped, and cleanly: everything is to be in order */
    int64_t rate;         /* bytes a second; 0: as fast as it goes */
    int64_t began_ms;
    uint64_t partitions, segments, batches, records_read, bytes, findings;
    bool failed;          /* something could not be looked at */
    struct end *ends;
    size_t ends_count;

    const struct log_folder *folder; /* of the segment that is read */
    struct verify *at;
    bool torn_allowed;
    struct epochs epochs;            /* what its file says */
    int32_t epoch;                   /* of the last batch */
    bool epochs_told;
};

/* --- telling --------------------------------------------------------------------------------------------------------------- */

static void tell(struct check *c, bool note, const char *path, const struct finding *finding)
{
    const struct cli_rows *rows = &c->rows;

    c->findings += !note;
    cli__progress_clear();
    c->rows.file = path;
    cli__row(rows, note ? "note" : "finding");
    if (!rows->json)
        cli__row_text(rows, "file", str_from(path));
    cli__row_number(rows, "position", (int64_t)finding->position);
    cli__row_number(rows, "size", (int64_t)finding->size);
    cli__row_number(rows, "offset", finding->offset);
    cli__row_text(rows, "what", str_from(finding->what));
    cli__row_end(rows);
    c->rows.file = NULL;
}

static void tell_file(struct check *c, bool note, const char *folder, const char *name, int64_t offset, const char *what)
{
    char path[FS_PATH_MAX];

    if (log__path(path, folder, name))
        tell(c, note, path, &(struct finding){.offset = offset, .what = what});
}

/* --- segments -------------------------------------------------------------------------------------------------------------- */

static void segment_found(void *context, const struct finding *finding)
{
    struct check *c = context;
    char path[FS_PATH_MAX];
    struct err err;
    /* The end of the last segment, and no more than one commit: a start cuts it, or the journal has it. */
    bool torn = c->torn_allowed && strcmp(finding->suffix, ".log") == 0 && finding->position + finding->size == c->at->scan.end && finding->size <= COMMIT_BYTES_MAX;

    if (torn && scan_is_padding(&c->at->scan, finding->position))
        return;
    if (!segment_path(path, c->at->dir, c->at->base, finding->suffix, &err))
        tell(c, torn, path, finding);
}

static void check_epoch(struct check *c, uint64_t position, const struct batch_head *head)
{
    int32_t expected = epochs_at(&c->epochs, head->base_offset);
    char path[FS_PATH_MAX];
    struct err err;

    if (head->leader_epoch < 0) /* of a time before there were any */
        return;
    if (head->leader_epoch < c->epoch && !segment_path(path, c->at->dir, c->at->base, ".log", &err))
        tell(c, false, path, &(struct finding){.position = position, .size = batch_size(head), .offset = head->base_offset, .what = "its leader epoch goes back"});
    c->epoch = head->leader_epoch;
    if (expected < 0 || expected == head->leader_epoch || c->epochs_told)
        return;
    c->epochs_told = true;
    tell_file(c, !c->clean, c->folder->path, "leader-epoch-checkpoint", head->base_offset, "it tells another epoch than the batches");
}

static void segment_seen(void *context, uint64_t position, const struct batch_head *head, struct bytes_view batch)
{
    struct check *c = context;
    char path[FS_PATH_MAX];
    struct err err;

    c->batches++;
    check_epoch(c, position, head);
    if (c->records && log__records(NULL, STR_NULL, batch, NULL, &c->records_read) && !segment_path(path, c->at->dir, c->at->base, ".log", &err))
        tell(c, false, path, &(struct finding){.position = position, .size = batch.size, .offset = head->base_offset, .what = "its records do not read"});
}

/* Waits until so much may have been read. */
static void pace(const struct check *c)
{
    int64_t due = c->rate ? (int64_t)(c->bytes * 1000 / (uint64_t)c->rate) : 0, passed = rt_wall_ms() - c->began_ms;

    if (due > passed && passed >= 0)
        rt_sleep_ms((unsigned)(due - passed));
    cli__progress("verified", c->batches, c->bytes);
}

static int64_t check_segment(struct check *c, const char *dir, int64_t base, int64_t limit)
{
    bool last = limit == INT64_MAX, more = true;
    struct verify v = {.fs = c->fs, .dir = dir, .base = base, .limit = limit, .indexed = !last || c->clean, .found = segment_found, .seen = segment_seen, .context = c};
    enum status status;
    struct err err;

    c->torn_allowed = last && !c->clean;
    c->at = &v;
    status = verify_begin(&v, &err);
    for (uint64_t before = 0; !status && more; before = v.at) {
        status = verify_step(&v, STEP, &more, &err);
        c->bytes += v.at - before;
        pace(c);
    }
    c->segments++;
    if (status && !(status == STATUS_NOT_FOUND && !c->clean)) { /* a broker that runs may have removed it */
        cli__say("%s", err.text);
        c->failed = true;
    }
    if (v.scan.file)
        verify_end(&v);
    return v.next;
}

/* --- a partition ----------------------------------------------------------------------------------------------------------- */

static void read_epochs(struct check *c, const struct log_folder *folder)
{
    char path[FS_PATH_MAX], *content;
    struct err err;
    size_t size;

    c->epoch = -1;
    c->epochs_told = false;
    if (!log__path(path, folder->path, "leader-epoch-checkpoint") || fs_read_file(c->fs, path, SMALL_FILE_MAX, &content, &size, &err))
        return;
    if (epochs_parse(&c->epochs, (struct str_view){content, size}, &err))
        tell(c, false, path, &(struct finding){.offset = -1, .what = err.text});
    mem_free(content);
}

static const char *snapshot_wrong(const char *content, size_t size)
{
    struct producer_snapshot snapshot;
    const char *what = NULL;
    struct arena arena;
    struct reader r;
    int16_t version;

    arena_init(&arena, (size_t)SMALL_FILE_MAX * 2);
    reader_init(&r, content, size);
    version = reader_i16(&r);
    if (producer_snapshot_decode(&r, version, &arena, &snapshot) || reader_done(&r))
        what = "it is no snapshot of producers";
    else if (snapshot.crc != crc32c((const uint8_t *)content + SNAPSHOT_CRC_FROM, size - SNAPSHOT_CRC_FROM))
        what = "it has a wrong checksum";
    arena_free(&arena);
    return what;
}

static void check_snapshot(struct check *c, const struct log_folder *folder, const char *name, int64_t offset, int64_t end)
{
    char path[FS_PATH_MAX], *content;
    const char *what;
    struct err err;
    size_t size;

    if (!log__path(path, folder->path, name) || fs_read_file(c->fs, path, SMALL_FILE_MAX, &content, &size, &err))
        return;
    what = snapshot_wrong(content, size);
    if (what)
        tell(c, false, path, &(struct finding){.size = size, .offset = offset, .what = what});
    else if (offset > end)
        tell(c, !c->clean, path, &(struct finding){.size = size, .offset = offset, .what = "it is of an offset beyond the end of the log"});
    mem_free(content);
}

/* `base` and `end`: of the segment's offsets. */
static void check_aborted(struct check *c, const char *dir, int64_t base, int64_t end)
{
    struct txnindex index = {0};
    char path[FS_PATH_MAX], *content;
    struct err err;
    size_t size;

    if (segment_path(path, dir, base, ".txnindex", &err) || fs_read_file(c->fs, path, SMALL_FILE_MAX, &content, &size, &err))
        return;
    if (txnindex_decode(&index, (struct bytes_view){(const uint8_t *)content, size}, base, end, &err))
        tell(c, c->torn_allowed, path, &(struct finding){.size = size, .offset = -1, .what = err.text});
    txnindex_free(&index);
    mem_free(content);
}

static void check_topic_id(struct check *c, const struct log_folder *folder)
{
    char path[FS_PATH_MAX], *content;
    struct err err;
    size_t size;

    if (!log__path(path, folder->path, "partition.metadata") || fs_read_file(c->fs, path, SMALL_FILE_MAX, &content, &size, &err))
        return;
    if (!strstr(content, "topic_id:") && size)
        tell(c, false, path, &(struct finding){.size = size, .offset = -1, .what = "it names no topic id"});
    mem_free(content);
}

static void check_names(struct check *c, const struct log_folder *folder, int64_t end)
{
    int64_t offset;

    for (size_t i = 0; i < folder->names_count; i++) {
        const char *name = folder->names[i];
        if (segment_named(name, ".snapshot", &offset))
            check_snapshot(c, folder, name, offset, end);
        else if (log__ends(name, ".swap") || log__ends(name, ".cleaned"))
            tell_file(c, true, folder->path, name, -1, "a compaction did not end");
        else if (!log_dir_file_named(name))
            tell_file(c, true, folder->path, name, -1, "it does not belong here");
    }
}

static void keep_end(struct check *c, const struct log_folder *folder, int64_t end)
{
    struct end *ends = c->ends;

    if ((c->ends_count & (c->ends_count - 1)) == 0) /* full at each power of two */
        ends = mem_resize(c->ends, c->ends_count ? 2 * c->ends_count : 1, sizeof *ends);
    if (!ends) {
        c->failed = true;
        return;
    }
    c->ends = ends;
    ends[c->ends_count] = (struct end){mem_copy(folder->name, strlen(folder->name)), folder->count ? folder->bases[0] : 0, end};
    if (ends[c->ends_count].name)
        c->ends_count++;
    else
        c->failed = true;
}

static void check_folder(void *context, const struct log_folder *folder)
{
    struct check *c = context;
    int64_t end = 0;

    c->partitions++;
    c->folder = folder;
    read_epochs(c, folder);
    for (size_t i = 0; i < folder->count; i++) {
        end = check_segment(c, folder->path, folder->bases[i], i + 1 < folder->count ? folder->bases[i + 1] : INT64_MAX);
        check_aborted(c, folder->path, folder->bases[i], end);
    }
    check_names(c, folder, end);
    check_topic_id(c, folder);
    keep_end(c, folder, end);
    epochs_free(&c->epochs);
}

/* --- the directory --------------------------------------------------------------------------------------------------------- */

struct checkpoint {
    struct check *c;
    const char *path;
};

static int end_order(const void *a, const void *b)
{
    return strcmp(((const struct end *)a)->name, ((const struct end *)b)->name);
}

static void check_checkpoint_line(void *context, const struct checkpoint_entry *entry)
{
    struct checkpoint *checkpoint = context;
    struct check *c = checkpoint->c;
    char name[FS_PATH_MAX], what[512];
    struct end key = {.name = name};
    const struct end *end;

    snprintf(name, sizeof name, STR_FMT "-%d", STR_ARG(entry->topic), entry->partition);
    end = bsearch(&key, c->ends, c->ends_count, sizeof key, end_order);
    if (!end || entry->offset <= end->end)
        return; /* a line of a topic that is gone does no harm */
    snprintf(what, sizeof what, "it tells offset %lld of %.250s, which ends at %lld", (long long)entry->offset, name, (long long)end->end);
    tell(c, !c->clean, checkpoint->path, &(struct finding){.offset = entry->offset, .what = what});
}

static void check_checkpoint(struct check *c, const char *path)
{
    struct checkpoint checkpoint = {c, path};
    char *content;
    struct err err;
    size_t size;

    if (fs_read_file(c->fs, path, SMALL_FILE_MAX, &content, &size, &err))
        return;
    if (size && !checkpoint_read((struct str_view){content, size}, NULL, NULL)) /* Kafka makes it empty, and leaves it so for a while */
        tell(c, false, path, &(struct finding){.size = size, .offset = -1, .what = "it is no checkpoint that reads to its end"});
    else
        (void)!checkpoint_read((struct str_view){content, size}, check_checkpoint_line, &checkpoint);
    mem_free(content);
}

static void check_properties(struct check *c, const char *path)
{
    struct meta_properties properties;
    char *content;
    struct err err;
    size_t size;

    if (fs_read_file(c->fs, path, SMALL_FILE_MAX, &content, &size, &err))
        return;
    if (meta_properties_parse((struct str_view){content, size}, &properties, &err))
        tell(c, false, path, &(struct finding){.size = size, .offset = -1, .what = err.text});
    mem_free(content);
}

/* A snapshot of the metadata, or the bootstrap file: only batches, and nothing behind them. */
static void check_metadata_file(struct check *c, const char *path)
{
    struct bytes_view left;
    struct err err;
    char *content;
    size_t size, all;

    if (fs_read_file(c->fs, path, 1 << 30, &content, &all, &err))
        return;
    for (left = (struct bytes_view){(const uint8_t *)content, all}; left.size && !batch_check_crc(left, &size); left.size -= size)
        left.data += size;
    if (left.size)
        tell(c, false, path, &(struct finding){.position = all - left.size, .size = left.size, .offset = -1, .what = "no batch with a right checksum"});
    mem_free(content);
}

static void ignore_group(void *context, uint64_t sequence, uint64_t oldest, uint64_t position, uint32_t size, uint32_t frames)
{
}

static void ignore_frame(void *context, struct uuid topic_id, struct str_view folder, int64_t base, uint64_t position, struct bytes_view batches)
{
}

static void check_journal(struct check *c, const char *path)
{
    struct err err;

    if (journal_look(c->fs, path, &(struct journal_look){ignore_group, ignore_frame, NULL}, &err))
        tell(c, c->clean, path, &(struct finding){.offset = -1, .what = err.text});
}

static void check_root(struct check *c, const char *dir)
{
    char path[FS_PATH_MAX], **names;
    struct str_view topic;
    int32_t partition;
    struct err err;
    size_t count;

    if (fs_list(c->fs, dir, &names, &count, &err))
        return;
    for (size_t i = 0; i < count && log__path(path, dir, names[i]); i++) {
        if (log_dir_partition_named(names[i], &topic, &partition) || log__ends(names[i], "-delete"))
            continue;
        if (log__checkpoint_named(names[i]))
            check_checkpoint(c, path);
        else if (strcmp(names[i], META_PROPERTIES_FILE) == 0)
            check_properties(c, path);
        else if (log__ends(names[i], ".checkpoint"))
            check_metadata_file(c, path);
        else if (journal_named(names[i]) && !log__ends(names[i], ".tmp") && !log__ends(names[i], JOURNAL_NEEDED))
            check_journal(c, path);
        else if (!log_dir_root_named(names[i]))
            tell_file(c, true, dir, names[i], -1, "it does not belong here");
    }
    mem_free(names);
}

/* Whether nobody uses the directory, and who did stopped cleanly. The lock is kept, so that it stays so. */
static bool is_clean(struct check *c, const char *dir, struct file **lock)
{
    char path[FS_PATH_MAX];
    struct err err;

    if (log__path(path, dir, ".lock") && !fs_open(c->fs, path, FS_WRITE, lock, &err) && file_lock(*lock, &err))
        return false;
    return log__path(path, dir, LOG_DIR_CLEAN) && fs_exists(c->fs, path);
}

static bool check_directory(struct check *c, const char *path)
{
    bool root = log__is_folder(c->fs, path), ok;
    struct str_view topic;
    struct file *lock = NULL;
    char above[FS_PATH_MAX];
    const char *dir = path;
    int32_t partition;

    if (log_dir_partition_named(log__name(path), &topic, &partition)) {
        snprintf(above, sizeof above, "%s/..", path);
        dir = above;
        root = false;
    }
    c->clean = is_clean(c, dir, &lock);
    ok = log__each_folder(c->fs, path, check_folder, c);
    if (root)
        check_root(c, dir);
    if (lock)
        file_unref(lock);
    return ok;
}

/* One segment: where its neighbour begins, and how it was left, nobody says. */
static bool check_file(struct check *c, const char *path)
{
    char folder[FS_PATH_MAX];
    const char *name = log__name(path);
    int64_t base;

    if (!segment_named(name, ".log", &base)) {
        cli__say("%s is no segment", path);
        return false;
    }
    snprintf(folder, sizeof folder, "%.*s", name > path ? (int)(name - path - 1) : 1, name > path ? path : ".");
    c->folder = &(struct log_folder){.path = folder};
    c->epoch = -1;
    c->clean = false;
    (void)check_segment(c, folder, base, INT64_MAX);
    return true;
}

static void summary(const struct check *c)
{
    cli__progress_clear();
    cli__row(&c->rows, "verified");
    cli__row_number(&c->rows, "partitions", (int64_t)c->partitions);
    cli__row_number(&c->rows, "segments", (int64_t)c->segments);
    cli__row_number(&c->rows, "batches", (int64_t)c->batches);
    if (c->records)
        cli__row_number(&c->rows, "records", (int64_t)c->records_read);
    cli__row_number(&c->rows, "bytes", (int64_t)c->bytes);
    cli__row_number(&c->rows, "findings", (int64_t)c->findings);
    cli__row_end(&c->rows);
}

enum cli_exit log__verify(const struct cli_args *args)
{
    struct check c = {.rows = {stdout, args->of[OPT_JSON].given, NULL}, .records = args->of[OPT_RECORDS].given, .rate = args->of[OPT_RATE].number << 20};
    bool ok = true;

    c.fs = fs_posix_new();
    if (!c.fs)
        return cli__fail("no memory");
    c.began_ms = rt_wall_ms();
    for (int i = 0; i < args->arguments_count; i++) {
        const char *path = args->arguments[i];
        ok = (log__is_folder(c.fs, path) ? check_directory(&c, path) : check_file(&c, path)) && ok;
    }
    summary(&c);
    for (size_t i = 0; i < c.ends_count; i++)
        mem_free(c.ends[i].name);
    mem_free(c.ends);
    fs_free(c.fs);
    return ok && !c.failed && !c.findings ? CLI_DONE : CLI_FAILED;
}
