/* SPDX-License-Identifier: Apache-2.0
 * barnabas log segments: a row for each segment, from the heads of its batches, and one for each partition.
 */
#include "base/mem.h"
#include "cli/log_int.h"
#include "store/index.h"
#include "store/scan.h"
#include "store/segment.h"

enum { READ_CHUNK = 64 * 1024 };

struct walked {
    uint64_t size, batches;
    int64_t end, first_timestamp, max_timestamp;
    const char *state; /* how the walk ended */
};

struct segments {
    struct fs *fs;
    struct cli_rows rows;
    bool failed;
};

static void walk(struct scan *scan, struct walked *out)
{
    struct batch_head head;
    struct err err;

    out->first_timestamp = out->max_timestamp = -1;
    out->state = "ok";
    for (uint64_t at = 0; at < scan->end; at += batch_size(&head)) {
        if (scan_head(scan, at, &head, &err) || head.base_offset < out->end) {
            out->state = "broken";
            return;
        }
        if (!out->batches++)
            out->first_timestamp = head.max_timestamp;
        if (head.max_timestamp > out->max_timestamp)
            out->max_timestamp = head.max_timestamp;
        out->end = batch_last_offset(&head) + 1;
        scan->capacity = batch_size(&head) < READ_CHUNK / 4 ? READ_CHUNK : BATCH_OVERHEAD; /* of large ones the heads alone are read */
    }
}

/* ok, missing or broken; *entries: how many. */
static const char *index_state(struct fs *fs, const char *dir, int64_t base, uint8_t key_size, uint32_t *entries)
{
    char path[FS_PATH_MAX];
    struct index index;
    struct err err;
    enum status status;

    index_init(&index, key_size);
    status = segment_path(path, dir, base, key_size == OFFSET_KEY ? ".index" : ".timeindex", &err);
    if (!status)
        status = index_load(&index, fs, path, &err);
    *entries = index.count;
    index_free(&index);
    return !status ? "ok" : status == STATUS_NOT_FOUND ? "missing" : "broken";
}

static void show_index(const struct segments *s, const char *dir, int64_t base, uint8_t key_size)
{
    uint32_t entries;
    const char *state = index_state(s->fs, dir, base, key_size, &entries);

    cli__row_text(&s->rows, key_size == OFFSET_KEY ? "index" : "timeindex", str_from(state));
    cli__row_number(&s->rows, key_size == OFFSET_KEY ? "index_entries" : "timeindex_entries", entries);
}

static bool show_segment(const struct segments *s, const struct log_folder *folder, int64_t base, struct walked *out)
{
    uint8_t buffer[READ_CHUNK];
    struct scan scan = {.buffer = buffer, .capacity = sizeof buffer};
    char path[FS_PATH_MAX];
    struct err err;
    enum status status;

    *out = (struct walked){.end = base};
    if (segment_path(path, folder->path, base, ".log", &err) || fs_open(s->fs, path, FS_READ, &scan.file, &err)) {
        cli__say("%s", err.text);
        return false;
    }
    status = file_size(scan.file, &scan.end, &err);
    out->size = scan.end;
    if (!status)
        walk(&scan, out);
    file_unref(scan.file);
    cli__row(&s->rows, "segment");
    cli__row_text(&s->rows, "folder", str_from(folder->name));
    cli__row_number(&s->rows, "base", base);
    cli__row_number(&s->rows, "end", out->end);
    cli__row_number(&s->rows, "size", (int64_t)out->size);
    cli__row_number(&s->rows, "batches", (int64_t)out->batches);
    cli__row_number(&s->rows, "first_timestamp", out->first_timestamp);
    cli__row_number(&s->rows, "max_timestamp", out->max_timestamp);
    cli__row_text(&s->rows, "log", str_from(out->state));
    show_index(s, folder->path, base, OFFSET_KEY);
    show_index(s, folder->path, base, TIME_KEY);
    cli__row_end(&s->rows);
    return true;
}

static void show_folder(void *context, const struct log_folder *folder)
{
    struct segments *s = context;
    struct walked all = {.max_timestamp = -1}, one;

    for (size_t i = 0; i < folder->count; i++) {
        if (!show_segment(s, folder, folder->bases[i], &one)) {
            s->failed = true;
            continue;
        }
        all.size += one.size;
        all.batches += one.batches;
        all.end = one.end;
        if (one.max_timestamp > all.max_timestamp)
            all.max_timestamp = one.max_timestamp;
    }
    cli__row(&s->rows, "partition");
    cli__row_text(&s->rows, "folder", str_from(folder->name));
    cli__row_number(&s->rows, "segments", (int64_t)folder->count);
    cli__row_number(&s->rows, "base", folder->count ? folder->bases[0] : 0);
    cli__row_number(&s->rows, "end", all.end);
    cli__row_number(&s->rows, "size", (int64_t)all.size);
    cli__row_number(&s->rows, "batches", (int64_t)all.batches);
    cli__row_number(&s->rows, "max_timestamp", all.max_timestamp);
    cli__row_end(&s->rows);
}

enum cli_exit log__segments(const struct cli_args *args)
{
    struct segments s = {.fs = fs_posix_new(), .rows = {stdout, args->of[OPT_JSON].given, NULL}};
    bool ok = true;

    if (!s.fs)
        return cli__fail("no memory");
    for (int i = 0; i < args->arguments_count; i++)
        ok = log__each_folder(s.fs, args->arguments[i], show_folder, &s) && ok;
    fs_free(s.fs);
    return ok && !s.failed ? CLI_DONE : CLI_FAILED;
}
