/* SPDX-License-Identifier: Apache-2.0
 * See clean_swap.h. */
#include "store/clean_swap.h"

#include "base/bug.h"
#include "rt/log.h"
#include "store/scan.h"
#include "store/segment.h"
#include "store/text.h"

enum { DIGITS = 20, WALK_CHUNK = 8192 };

const char *const segment_files[SEGMENT_FILES] = {".log", ".index", ".timeindex", ".txnindex", ".snapshot"};

/* --- steps ----------------------------------------------------------------------------------------------------------------- */

/* <base><suffix><was> becomes <base><suffix><is>, when it is there. */
static enum status rename_file(struct fs *fs, const char *dir, int64_t base, const char *suffix, const char *was, const char *is, struct err *err)
{
    char path[FS_PATH_MAX], from[FS_PATH_MAX], to[FS_PATH_MAX];
    enum status status = segment_path(path, dir, base, suffix, err);

    if (status)
        return status;
    if (snprintf(from, sizeof from, "%s%s", path, was) >= (int)sizeof from || snprintf(to, sizeof to, "%s%s", path, is) >= (int)sizeof to)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", dir);
    status = fs_rename(fs, from, to, err);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status; /* not every segment has every file */
}

/* A sync is not tried again, whatever made it fail; names for which there was no room are. */
static enum status sync_names(struct fs *fs, const char *dir, struct err *err)
{
    enum status status = fs_sync_dir(fs, dir, err);

    if (!fs_may_retry(status))
        return status;
    err->status = STATUS_IO;
    return STATUS_IO;
}

enum status clean_swap_ready(struct fs *fs, const char *dir, int64_t base, struct err *err)
{
    for (size_t i = SEGMENT_FILES_DATA; i-- > 0;) {
        if (rename_file(fs, dir, base, segment_files[i], ".cleaned", ".swap", err))
            return err->status;
    }
    return sync_names(fs, dir, err);
}

enum status clean_swap_retire(struct fs *fs, const char *dir, int64_t base, bool with_snapshot, struct err *err)
{
    for (size_t i = 0; i < (with_snapshot ? SEGMENT_FILES : SEGMENT_FILES_DATA); i++) {
        if (rename_file(fs, dir, base, segment_files[i], "", ".deleted", err))
            return err->status;
    }
    return STATUS_OK;
}

enum status clean_swap_finish(struct fs *fs, const char *dir, int64_t base, struct err *err)
{
    if (sync_names(fs, dir, err) || rename_file(fs, dir, base, segment_files[0], ".swap", "", err) || sync_names(fs, dir, err))
        return err->status;
    for (size_t i = 1; i < SEGMENT_FILES_DATA; i++) {
        if (rename_file(fs, dir, base, segment_files[i], ".swap", "", err))
            return err->status;
    }
    return sync_names(fs, dir, err);
}

static enum status remove_file(struct fs *fs, const char *dir, const char *name, struct err *err)
{
    char path[FS_PATH_MAX];
    enum status status;

    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return err_set(err, STATUS_INVALID, "%s: the path is too long", dir);
    status = fs_remove(fs, path, err);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status clean_swap_discard(struct fs *fs, const char *dir, int64_t base, struct err *err)
{
    for (size_t i = 0; i < SEGMENT_FILES_DATA; i++) {
        char name[64];
        snprintf(name, sizeof name, "%020lld%s.cleaned", (long long)base, segment_files[i]);
        if (remove_file(fs, dir, name, err))
            return err->status;
    }
    return STATUS_OK;
}

/* --- after a crash --------------------------------------------------------------------------------------------------------- */

/* A file's place: "<20 digits><suffix><state>". false: it is another kind of file. */
static bool name_parse(const char *name, int64_t *base, const char **rest)
{
    *rest = name + DIGITS;
    return strlen(name) > DIGITS && text_to_number((struct str_view){name, DIGITS}, base) && *base >= 0;
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t size = strlen(name), end = strlen(suffix);

    return size >= end && strcmp(name + size - end, suffix) == 0;
}

/* The offset behind the last batch of a .log.swap. */
static enum status swap_end(struct fs *fs, const char *dir, int64_t base, int64_t *end, struct err *err)
{
    char path[FS_PATH_MAX];
    uint8_t buffer[WALK_CHUNK];
    struct scan scan = {.buffer = buffer, .capacity = sizeof buffer};
    struct batch_head head;
    enum status status;

    *end = base;
    if (segment_path(path, dir, base, ".log.swap", err) || fs_open(fs, path, FS_READ, &scan.file, err))
        return err->status;
    status = file_size(scan.file, &scan.end, err);
    for (uint64_t at = 0; !status && at < scan.end; at += batch_size(&head)) {
        status = scan_head(&scan, at, &head, err);
        if (!status)
            *end = batch_last_offset(&head) + 1;
    }
    file_unref(scan.file);
    return status;
}

/* The old segments that a .swap covers go: those that begin in it. */
static enum status remove_covered(struct fs *fs, const char *dir, int64_t base, char *const *names, size_t count, struct err *err)
{
    int64_t end, at;
    const char *rest;
    enum status status = swap_end(fs, dir, base, &end, err);

    for (size_t i = 0; i < count && !status; i++) {
        if (!name_parse(names[i], &at, &rest) || at < base || (at >= end && at > base))
            continue;
        for (size_t f = 0; f < SEGMENT_FILES && !status; f++) {
            if (strcmp(rest, segment_files[f]) == 0 && (at > base || f < SEGMENT_FILES_DATA))
                status = remove_file(fs, dir, names[i], err);
        }
    }
    return status;
}

static int64_t first_cleaned(char *const *names, size_t count)
{
    int64_t first = INT64_MAX, base;
    const char *rest;

    for (size_t i = 0; i < count; i++) {
        if (name_parse(names[i], &base, &rest) && ends_with(rest, ".cleaned") && base < first)
            first = base;
    }
    return first;
}

/* What was not yet complete; also a .swap of which other files are still .cleaned. */
static enum status remove_unfinished(struct fs *fs, const char *dir, int64_t cleaned, char *const *names, size_t count, struct err *err)
{
    const char *rest;
    int64_t base;

    for (size_t i = 0; i < count; i++) {
        if (name_parse(names[i], &base, &rest) && (ends_with(rest, ".cleaned") || (ends_with(rest, ".swap") && base >= cleaned)) &&
            remove_file(fs, dir, names[i], err))
            return err->status;
    }
    return sync_names(fs, dir, err);
}

enum status clean_swap_recover(struct fs *fs, const char *dir, char *const *names, size_t count, bool *changed, struct err *err)
{
    int64_t cleaned = first_cleaned(names, count), base;
    const char *rest;

    *changed = cleaned < INT64_MAX;
    if (*changed && remove_unfinished(fs, dir, cleaned, names, count, err))
        return err->status;
    for (size_t i = 0; i < count; i++) {
        if (name_parse(names[i], &base, &rest) && strcmp(rest, ".log.swap") == 0 && base < cleaned && !BUG(KAFKA_2118) && remove_covered(fs, dir, base, names, count, err))
            return err->status;
    }
    for (size_t i = 0; i < count; i++) {
        if (!name_parse(names[i], &base, &rest) || !ends_with(rest, ".swap") || base >= cleaned)
            continue;
        *changed = true;
        log_line(LOG_INFO, "compaction completed", "dir=%s file=%s", dir, names[i]);
        if (clean_swap_finish(fs, dir, base, err))
            return err->status;
    }
    return STATUS_OK;
}
