/* SPDX-License-Identifier: Apache-2.0
 * From a directory to a log and back: making, recovering, closing.
 *
 * What is there is named by its files: every <20 digits>.log is a segment, in order of its base offset. Segments whose successor
 * begins below the recovery point were synced with their indexes and are believed (an index that is missing or cannot be one is built anew); the
 * others are walked batch by batch. Leftovers of removals (.deleted) and of files that were being written (.tmp) are removed; a compaction that was
 * interrupted, ours or Kafka's, is completed or forgotten (clean_swap.h). Anything else is left alone, and named.
 */
#include "store/log_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "rt/log.h"
#include "store/clean_swap.h"
#include "store/text.h"

enum { METADATA_MAX = 4096, EPOCHS_MAX = 16 << 20, SNAPSHOT_MAX = 256 << 20 };

/* --- names ----------------------------------------------------------------------------------------------------------------- */

static bool name_ends(const char *name, const char *suffix)
{
    size_t size = strlen(name), end = strlen(suffix);

    return size > end && strcmp(name + size - end, suffix) == 0;
}

static enum status join(char path[static FS_PATH_MAX], const char *dir, const char *name, struct err *err)
{
    if (snprintf(path, FS_PATH_MAX, "%s/%s", dir, name) >= FS_PATH_MAX)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", dir);
    return STATUS_OK;
}

/* --- a new log ------------------------------------------------------------------------------------------------------------- */

static struct log *log_new(const struct log_open *how)
{
    size_t size = strlen(how->dir) + 1;
    struct log *log = mem_alloc(1, sizeof *log + size);

    if (!log)
        return NULL;
    *log = (struct log){.fs = how->fs, .config = how->config, .topic_id = how->topic_id, .cleaned = how->cleaned};
    list_init(&log->graves);
    memcpy(log->dir, how->dir, size);
    log->home = store__dir_new(how->dir);
    log->segments = &log->one;
    log->capacity = 1;
    return log;
}

static void log_free(struct log *log)
{
    for (size_t i = 0; i < log->count; i++)
        segment_free(log->segments[i]);
    for (struct list *node = list_pop_front(&log->graves); node; node = list_pop_front(&log->graves))
        mem_free(LIST_ENTRY(node, struct grave, link)); /* the files go when the log is opened again */
    mem_free(log->marks);
    mem_free(log->clean_last);
    if (log->segments != &log->one)
        mem_free(log->segments);
    epochs_free(&log->epochs);
    if (!log->store)
        mem_free(log->home);
    mem_free(log);
}

static enum status log_add_segment(struct log *log, int64_t base, int64_t now_ms, struct err *err)
{
    struct segment *seg = log__segments_room(log) ? segment_new(base, now_ms) : NULL;

    if (!seg)
        return err_set(err, STATUS_NO_MEMORY, "no memory for a segment");
    log->segments[log->count++] = seg;
    return STATUS_OK;
}

/* --- partition.metadata ---------------------------------------------------------------------------------------------------- */

static enum status metadata_check(struct log *log, const char *content, size_t size, struct err *err)
{
    struct str_view text = {content, size};
    struct uuid id;

    for (struct str_view word = text_word(&text); word.size; word = text_word(&text)) {
        if (!str_is(word, "topic_id:"))
            continue;
        if (!uuid_parse(text_word(&text), &id))
            break;
        if (!uuid_is_zero(log->topic_id) && !uuid_equal(id, log->topic_id))
            return err_set(err, STATUS_INCONSISTENT_TOPIC_ID, "partition.metadata names another topic id");
        log->topic_id = id;
        return STATUS_OK;
    }
    return err_set(err, STATUS_CORRUPT, "partition.metadata names no topic id");
}

/* Reads it, or writes it when it is not there (or empty: a crash came between). */
static enum status log_metadata(struct log *log, struct err *err)
{
    char path[FS_PATH_MAX], *content;
    size_t size;
    enum status status;

    if (join(path, log->dir, "partition.metadata", err))
        return err->status;
    status = fs_read_file(log->fs, path, METADATA_MAX, &content, &size, err);
    if (!status) {
        status = size ? metadata_check(log, content, size, err) : STATUS_NOT_FOUND;
        mem_free(content);
    }
    if (status != STATUS_NOT_FOUND || uuid_is_zero(log->topic_id))
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    return log__save_metadata(log, err);
}

/* --- the directory --------------------------------------------------------------------------------------------------------- */

static enum status log_see_file(struct log *log, const char *name, int64_t now_ms, struct err *err)
{
    char path[FS_PATH_MAX];
    int64_t base;

    if (name_ends(name, ".deleted") || name_ends(name, ".tmp"))
        return join(path, log->dir, name, err) ? err->status : fs_remove(log->fs, path, err);
    if (segment_named(name, ".txnindex", &base) && log->count && log->segments[log->count - 1]->base == base)
        log->segments[log->count - 1]->aborts = true; /* the .log's name came before */
    if (!log_dir_file_named(name))
        log_line(LOG_WARN, "not a log's file: left alone", "dir=%s name=%s", log->dir, name);
    return segment_named(name, ".log", &base) ? log_add_segment(log, base, now_ms, err) : STATUS_OK;
}

/* As in Kafka, an index whose segment is not there goes: a crash while segments were removed may have left it, or the segment's name was lost. */
static enum status log_see_orphan(struct log *log, const char *name, struct err *err)
{
    static const char *const suffixes[] = {".index", ".timeindex", ".txnindex"};
    char path[FS_PATH_MAX];
    bool orphan = false;
    int64_t base;

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        orphan |= segment_named(name, suffixes[i], &base) && (!log->count || log->segments[log__segment_at(log, base)]->base != base);
    if (!orphan)
        return STATUS_OK;
    log_line(LOG_WARN, "an index without its segment goes", "dir=%s name=%s", log->dir, name);
    return join(path, log->dir, name, err) ? err->status : fs_remove(log->fs, path, err);
}

static enum status log_see_files(struct log *log, int64_t now_ms, struct err *err)
{
    char **names;
    size_t count;
    bool changed = false;
    enum status status = fs_list(log->fs, log->dir, &names, &count, err);

    if (status)
        return status;
    status = clean_swap_recover(log->fs, log->dir, names, count, &changed, err);
    if (!status && changed) {
        mem_free(names);
        names = NULL;
        status = fs_list(log->fs, log->dir, &names, &count, err);
    }
    for (size_t i = 0; i < count && !status; i++) /* sorted, so the segments are in order */
        status = log_see_file(log, names[i], now_ms, err);
    for (size_t i = 0; i < count && !status; i++)
        status = log_see_orphan(log, names[i], err);
    mem_free(names);
    return status;
}

/* The directory and its first segment, durable on return. */
static enum status log_make(struct log *log, int64_t base, int64_t now_ms, struct err *err)
{
    struct segment *seg;
    struct file *file;

    if (fs_mkdir(log->fs, log->dir, err) || log_add_segment(log, base, now_ms, err))
        return err->status;
    seg = log->segments[log->count - 1];
    if (log__make_segment(log->fs, log->dir, seg, FS_EXCLUSIVE, &file, err))
        return err->status;
    file_unref(file);
    seg->made = true;
    log->end = base;
    if (fs_sync_dir(log->fs, log->dir, err))
        return err->status;
    return log__sync_home(log, err);
}

/* --- segments -------------------------------------------------------------------------------------------------------------- */

static enum status log_recover_segment(struct log *log, size_t i, const struct log_open *how, struct err *err)
{
    struct segment *seg = log->segments[i];
    bool last = i + 1 == log->count;
    struct segment_recovery recovery = {.fs = log->fs, .dir = log->dir, .index_interval = log->config->index_interval_bytes,
        .trusted = how->clean ? INT64_MAX : how->recovery_point, .epochs = &log->epochs, .last = last};
    enum status status = segment_recover(seg, &recovery, &log->end, err);

    if (status)
        return status;
    if (last && seg->size && log->end <= recovery.trusted)
        return STATUS_OK;
    if (last) /* whose name may be in memory only, like what it holds: just the process was killed */
        return fs_sync_dir(log->fs, log->dir, err);
    if (log->end > log->segments[i + 1]->base)
        return err_set(err, STATUS_CORRUPT, "segments %lld and %lld overlap", (long long)seg->base, (long long)log->segments[i + 1]->base);
    if (segment_save(seg, log->fs, log->dir, err) || fs_sync_dir(log->fs, log->dir, err))
        return err->status;
    segment_chill(seg);
    return STATUS_OK;
}

static enum status log_open_segments(struct log *log, const struct log_open *how, struct err *err)
{
    log->as_left = how->clean;
    for (size_t i = 0; i < log->count; i++) {
        bool last = i + 1 == log->count;
        /* something of the next one was synced in its place, so this one's indexes were before it */
        bool known = how->clean || (!last && log->segments[i + 1]->base < how->checkpointed);
        enum status status = known ? segment_load(log->segments[i], log->fs, log->dir, last, &log->end, err) : STATUS_CORRUPT;
        log->as_left = log->as_left && !status;
        if (status == STATUS_CORRUPT)
            status = log_recover_segment(log, i, how, err);
        if (status)
            return status;
    }
    return STATUS_OK;
}

/* Every segment lies before the start that the checkpoint tells: all of it was deleted; the log goes on from there. */
static enum status log_restart_at(struct log *log, int64_t start, int64_t now_ms, struct err *err)
{
    char path[FS_PATH_MAX];

    log_line(LOG_WARN, "log start is beyond the end: the log is emptied", "dir=%s start=%lld end=%lld", log->dir, (long long)start, (long long)log->end);
    for (; log->count; log->count--) {
        struct segment *seg = log->segments[log->count - 1];
        for (size_t i = 0; i < SEGMENT_FILES; i++) {
            enum status status = segment_path(path, log->dir, seg->base, segment_files[i], err);
            if (!status)
                status = fs_remove(log->fs, path, err);
            if (status && status != STATUS_NOT_FOUND)
                return status;
        }
        segment_free(seg);
    }
    return log_make(log, start, now_ms, err);
}

/* --- epochs ---------------------------------------------------------------------------------------------------------------- */

static enum status log_load_epochs(struct log *log, struct err *err)
{
    char path[FS_PATH_MAX], *content;
    size_t size;
    enum status status = log__epochs_path(path, log->dir, err);

    if (!status)
        status = fs_read_file(log->fs, path, EPOCHS_MAX, &content, &size, err);
    if (status)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    status = epochs_parse(&log->epochs, (struct str_view){content, size}, err);
    mem_free(content);
    if (status != STATUS_CORRUPT)
        return status;
    log_line(LOG_WARN, "leader epochs do not read: the batches tell them", "file=%s reason=%s", path, err->text);
    epochs_cut_end(&log->epochs, 0);
    log->epochs.dirty = true;
    return STATUS_OK;
}

/* Whether the batch at the offset, when it is there, is of that epoch. */
static enum status epoch_fits(struct log *log, int64_t offset, int32_t epoch, bool *fits, struct err *err)
{
    struct segment *seg = log->segments[log__segment_at(log, offset)];
    struct batch_head head;
    enum status status;
    uint64_t at;

    status = segment_open(seg, log->fs, log->dir, err);
    if (!status)
        status = segment_find(seg, offset, seg->size, NULL, &at, &head, err);
    if (!status && at < seg->size && head.base_offset <= offset)
        *fits = *fits && head.leader_epoch == epoch;
    segment_close(seg);
    return status;
}

/* The file has no checksum: each epoch's first batch and the log's last one tell whether it is this log's, and of now. */
static enum status log_check_epochs(struct log *log, struct err *err)
{
    bool fits = true;

    for (size_t i = 0; i < log->epochs.count; i++) {
        const struct log_epoch *at = &log->epochs.list[i];
        if (at->start_offset < log->end && epoch_fits(log, at->start_offset, at->epoch, &fits, err))
            return err->status;
    }
    if (log->epochs.count && log->start < log->end && epoch_fits(log, log->end - 1, epochs_at(&log->epochs, log->end - 1), &fits, err))
        return err->status;
    if (fits)
        return STATUS_OK;
    log_line(LOG_WARN, "leader epochs are not the batches': those tell them", "dir=%s", log->dir);
    epochs_cut_end(&log->epochs, 0);
    return STATUS_OK;
}

struct learning {
    struct epochs epochs;
    bool no_memory;
};

static void learn_epoch(void *context, const struct batch_head *head, const struct batch_marker *marker)
{
    struct learning *learning = context;

    if (head->leader_epoch <= epochs_latest(&learning->epochs))
        return;
    if (epochs_reserve(&learning->epochs, 1))
        epochs_assign(&learning->epochs, head->leader_epoch, head->base_offset);
    else
        learning->no_memory = true;
}

/* The file may begin behind the log's start: deleted records come back when the start's checkpoint was not yet written. The batches tell, then. */
static enum status log_complete_epochs(struct log *log, struct err *err)
{
    const struct log_epoch *latest = log->epochs.count ? &log->epochs.list[log->epochs.count - 1] : NULL;
    struct learning learning = {0};
    enum status status;

    if (log->start == log->end || epochs_at(&log->epochs, log->start) >= 0)
        return STATUS_OK;
    status = log_replay(log, log->start, learn_epoch, &learning, err);
    if (!status && (learning.no_memory || !epochs_reserve(&learning.epochs, 1)))
        status = err_set(err, STATUS_NO_MEMORY, "no memory for the epochs");
    if (status) {
        epochs_free(&learning.epochs);
        return status;
    }
    if (latest && latest->epoch > epochs_latest(&learning.epochs))
        epochs_assign(&learning.epochs, latest->epoch, latest->start_offset);
    epochs_free(&log->epochs);
    log->epochs = learning.epochs;
    epochs_cut_start(&log->epochs, log->start);
    return STATUS_OK;
}

/* --- opening --------------------------------------------------------------------------------------------------------------- */

static void log_settle(struct log *log, const struct log_open *how)
{
    log->writing = log->last = log->segments[log->count - 1];
    log->written = log->last->size;
    log->durable = log->synced = log->spilled = log->end;
    log->start = log->segments[0]->base > how->log_start ? log->segments[0]->base : how->log_start;
    for (size_t i = 0; i < log->count; i++)
        log->size += log->segments[i]->size;
    epochs_cut_end(&log->epochs, log->end);
    epochs_cut_start(&log->epochs, log->start);
}

/* What the checkpoints knew and the segments do not have. A kill may have come between a change and its checkpoint, so this is no reason to refuse;
 * but where it is none, records are lost, and that must not go unsaid. */
static void log_compare(const struct log *log, const struct log_open *how)
{
    if (log->end < how->recovery_point)
        log_line(LOG_WARN, "log ends before its recovery point", "dir=%s end=%lld recovery_point=%lld", log->dir, (long long)log->end, (long long)how->recovery_point);
    if (how->log_start >= 0 && log->segments[0]->base > how->log_start)
        log_line(LOG_WARN, "log begins behind its checkpoint", "dir=%s start=%lld checkpoint=%lld", log->dir, (long long)log->segments[0]->base, (long long)how->log_start);
}

static enum status epochs_spare(struct log *log, struct err *err)
{
    return epochs_reserve(&log->epochs, 1) ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "no memory for the epochs");
}

/* Where a log without a segment begins: behind every offset that the checkpoints know of, none of which is given away again. */
static int64_t empty_base(const struct log_open *how)
{
    int64_t known = how->log_start > how->recovery_point ? how->log_start : how->recovery_point;

    return known > 0 ? known : 0;
}

/* In memory only. */
static enum status log_begin(struct log *log, const struct log_open *how, struct err *err)
{
    int64_t base = empty_base(how);

    if (log_add_segment(log, base, how->now_ms, err))
        return err->status;
    log->end = base;
    log->unmade = true;
    log_settle(log, how);
    return epochs_spare(log, err);
}

static enum status log_load(struct log *log, const struct log_open *how, struct err *err)
{
    bool there = fs_exists(log->fs, log->dir);

    if (there && log_see_files(log, how->now_ms, err))
        return err->status;
    if (there && !log->count)
        log_line(LOG_WARN, "log has no segment: it goes on where it was synced, without records", "dir=%s offset=%lld", log->dir, (long long)empty_base(how));
    if (!log->count) {
        if (log_make(log, empty_base(how), how->now_ms, err))
            return err->status;
    } else if (log_load_epochs(log, err) || log__load_aborted(log, how->clean, how->recovery_point, err) || log_open_segments(log, how, err)) {
        return err->status;
    }
    log_compare(log, how);
    if (log->end < how->log_start && log_restart_at(log, how->log_start, how->now_ms, err))
        return err->status;
    if (log_metadata(log, err))
        return err->status;
    log_settle(log, how);
    if (log_check_epochs(log, err) || log_complete_epochs(log, err))
        return err->status;
    log->epochs_unsynced = log->epochs.count > 0; /* who closed it may not have waited for the disk */
    return epochs_spare(log, err);
}

enum status log_open(const struct log_open *how, struct log **out, struct err *err)
{
    struct log *log = log_new(how);
    enum status status;

    if (!log)
        return err_set(err, STATUS_NO_MEMORY, "open log %s: no memory", how->dir);
    if (!log->home)
        status = err_set(err, STATUS_NO_MEMORY, "no memory");
    else
        status = how->fresh && !fs_exists(log->fs, log->dir) ? log_begin(log, how, err) : log_load(log, how, err);
    if (status) {
        log_free(log);
        return err_wrap(err, "open log %s", how->dir);
    }
    *out = log;
    return STATUS_OK;
}

void log_attach(struct log *log, struct store *store)
{
    ASSERT(!log->store);
    log->store = store;
    log->idle = NULL;
    log->home = store__dir_adopt(store, log->home);
}

/* --- closing --------------------------------------------------------------------------------------------------------------- */

static enum status log_put_snapshot(struct log *log, struct err *err)
{
    struct bytes_view content = {NULL, 0};
    char path[FS_PATH_MAX];
    enum status status;

    if (!log->snapshot)
        return STATUS_OK;
    log->snapshot(log->snapshot_context, log->end, &content);
    if (!content.data)
        return STATUS_OK;
    status = segment_path(path, log->dir, log->end, ".snapshot", err);
    if (!status)
        status = fs_put_file(log->fs, path, content.data, content.size, err);
    mem_free((void *)(uintptr_t)content.data);
    return status;
}

static enum status log_put_epochs(struct log *log, struct err *err)
{
    char path[FS_PATH_MAX];
    struct str_view text;
    enum status status;

    if (!log->epochs.dirty)
        return STATUS_OK;
    text = epochs_format(&log->epochs);
    if (!text.data)
        return err_set(err, STATUS_NO_MEMORY, "no memory for the epochs");
    status = log__epochs_path(path, log->dir, err);
    if (!status)
        status = fs_put_file(log->fs, path, text.data, text.size, err);
    mem_free((void *)(uintptr_t)text.data);
    return status;
}

/* What is written here can be made from the batches again, and is, when the directory was not marked clean after it: so it need not be durable before. */
static enum status log_save(struct log *log, struct err *err)
{
    if (!log->as_left && !segment_seal(log->last))
        return err_set(err, STATUS_NO_MEMORY, "no memory for an index");
    if (log->padded && log->spilled == log->end && segment_trim(log->last, log->fs, log->dir, err))
        return err->status;
    if (!log->as_left && (segment_put(log->last, log->fs, log->dir, err) || log_put_snapshot(log, err)))
        return err->status;
    return log_put_epochs(log, err);
}

enum status log_close(struct log *log, bool clean, struct err *err)
{
    enum status status = STATUS_OK;

    ASSERT((!log->work || list_empty(&log->work->queue)) && !log->commits && !log->jobs);
    if (clean && log->store && log__offline(log))
        status = err_set(err, STATUS_KAFKA_STORAGE_ERROR, "the log directory is offline");
    else if (clean && !log->unmade) /* who was never written to has nothing to save */
        status = log_save(log, err);
    if (status)
        (void)err_wrap(err, "close log %s", log->dir);
    log__spill_forget(log);
    journal_forget(log);
    log__work_free(log);
    log_free(log);
    return status;
}

/* --- producer snapshots ---------------------------------------------------------------------------------------------------- */

enum status log_snapshot_read(struct log *log, int64_t at_most, int64_t *offset, struct bytes_view *content, struct err *err)
{
    char path[FS_PATH_MAX], **names, *bytes;
    size_t count, size;
    int64_t found;
    enum status status = log->unmade ? STATUS_NOT_FOUND : fs_list(log->fs, log->dir, &names, &count, err);

    if (status)
        return status;
    *offset = -1;
    for (size_t i = 0; i < count; i++) {
        if (segment_named(names[i], ".snapshot", &found) && found <= at_most && found > *offset)
            *offset = found;
    }
    mem_free(names);
    if (*offset < 0)
        return err_set(err, STATUS_NOT_FOUND, "%s: no producer snapshot", log->dir);
    if (segment_path(path, log->dir, *offset, ".snapshot", err) || fs_read_file(log->fs, path, SNAPSHOT_MAX, &bytes, &size, err))
        return err->status;
    *content = (struct bytes_view){(uint8_t *)bytes, size};
    return STATUS_OK;
}
