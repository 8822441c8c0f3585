/* SPDX-License-Identifier: Apache-2.0
 * barnabas log dump: what files hold, row by row, as the broker's own readers read them. A table says which name is whose. A file that does not read is told as
 * a row of kind "bad", and makes the exit status 1.
 */
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "cli/log_int.h"
#include "store/dir.h"
#include "store/epochs.h"
#include "store/index.h"
#include "store/journal.h"
#include "store/scan.h"
#include "store/segment.h"
#include "store/txnindex.h"
#include "wire/record/producer_snapshot.h"

enum { READ_CHUNK = 256 * 1024, SNAPSHOT_CRC_FROM = 6 };

struct dump {
    struct fs *fs;
    struct cli_rows rows;
    struct log_range range;
    bool records, bad;
    struct str_view topic; /* of the file's folder */
};

static void dump_bad(struct dump *d, uint64_t position, const char *what)
{
    d->bad = true;
    cli__row(&d->rows, "bad");
    cli__row_number(&d->rows, "position", (int64_t)position);
    cli__row_text(&d->rows, "what", str_from(what));
    cli__row_end(&d->rows);
}

/* --- batches --------------------------------------------------------------------------------------------------------------- */

static void dump_batch(const struct dump *d, uint64_t position, const struct batch_head *h, bool valid)
{
    static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd", "5", "6", "7"};
    const struct cli_rows *rows = &d->rows;

    cli__row(rows, "batch");
    cli__row_number(rows, "base_offset", h->base_offset);
    cli__row_number(rows, "last_offset", batch_last_offset(h));
    cli__row_number(rows, "count", h->count);
    cli__row_number(rows, "position", (int64_t)position);
    cli__row_number(rows, "size", (int64_t)batch_size(h));
    cli__row_number(rows, "leader_epoch", h->leader_epoch);
    cli__row_number(rows, "producer_id", h->producer_id);
    cli__row_number(rows, "producer_epoch", h->producer_epoch);
    cli__row_number(rows, "base_sequence", h->base_sequence);
    cli__row_flag(rows, "transactional", h->attributes & BATCH_TRANSACTIONAL);
    cli__row_flag(rows, "control", h->attributes & BATCH_CONTROL);
    if (h->attributes & BATCH_DELETE_HORIZON)
        cli__row_number(rows, "delete_horizon", h->base_timestamp);
    cli__row_text(rows, "timestamp_type", str_from(h->attributes & BATCH_LOG_APPEND_TIME ? "LogAppendTime" : "CreateTime"));
    cli__row_number(rows, "max_timestamp", h->max_timestamp);
    cli__row_text(rows, "compression", str_from(codecs[h->attributes & BATCH_COMPRESSION_MASK]));
    cli__row_number(rows, "crc", h->crc);
    cli__row_flag(rows, "valid", valid);
    cli__row_end(rows);
}

static bool in_range(const struct dump *d, const struct batch_head *h)
{
    return batch_last_offset(h) >= d->range.offset_from && h->base_offset < d->range.offset_to && h->max_timestamp >= d->range.time_from &&
           h->base_timestamp < d->range.time_to;
}

static enum status batches_walk(struct dump *d, struct scan *scan, struct err *err)
{
    struct bytes_view batch;
    struct batch_head head;
    uint64_t records = 0;

    for (uint64_t at = 0; at < scan->end; at += batch_size(&head)) {
        enum status status;
        if (scan_head(scan, at, &head, err)) {
            if (!scan_is_padding(scan, at))
                dump_bad(d, at, err->text);
            return STATUS_OK; /* where the next one is nobody knows: verify looks for it */
        }
        if (!in_range(d, &head))
            continue;
        status = scan_batch(scan, at, &head, &batch, err);
        dump_batch(d, at, &head, status == STATUS_OK);
        if (status && status != STATUS_CORRUPT)
            return status;
        d->bad |= status != STATUS_OK;
        if (!status && d->records && log__records(&d->rows, d->topic, batch, &d->range, &records))
            dump_bad(d, at, "its records do not read");
    }
    return STATUS_OK;
}

static enum status dump_batches(struct dump *d, const char *path, struct err *err)
{
    struct scan scan = {.capacity = READ_CHUNK, .grows = true};
    enum status status;

    if (fs_open(d->fs, path, FS_READ, &scan.file, err))
        return err->status;
    scan.buffer = mem_alloc(scan.capacity, 1);
    status = scan.buffer ? file_size(scan.file, &scan.end, err) : err_set(err, STATUS_NO_MEMORY, "no memory");
    if (!status)
        status = batches_walk(d, &scan, err);
    mem_free(scan.buffer);
    file_unref(scan.file);
    return status;
}

/* --- indexes --------------------------------------------------------------------------------------------------------------- */

static enum status dump_entries(struct dump *d, const char *path, uint8_t key_size, struct err *err)
{
    const char *name = log__name(path);
    struct index_entry entry;
    struct index index;
    int64_t base = 0;

    (void)!segment_named(name, key_size == OFFSET_KEY ? ".index" : ".timeindex", &base); /* another name: entries are as they stand */
    index_init(&index, key_size);
    if (index_load(&index, d->fs, path, err))
        return err->status;
    for (uint32_t i = 0; i < index.count && index_at(&index, i, &entry); i++) {
        cli__row(&d->rows, key_size == OFFSET_KEY ? "offset_entry" : "time_entry");
        cli__row_number(&d->rows, "offset", base + (key_size == OFFSET_KEY ? entry.key : entry.value));
        if (key_size == OFFSET_KEY)
            cli__row_number(&d->rows, "position", entry.value);
        else
            cli__row_number(&d->rows, "timestamp", entry.key);
        cli__row_end(&d->rows);
    }
    index_free(&index);
    return STATUS_OK;
}

static enum status dump_index(struct dump *d, const char *path, struct err *err)
{
    return dump_entries(d, path, OFFSET_KEY, err);
}

static enum status dump_timeindex(struct dump *d, const char *path, struct err *err)
{
    return dump_entries(d, path, TIME_KEY, err);
}

/* --- small files ----------------------------------------------------------------------------------------------------------- */

static enum status small_file(const struct dump *d, const char *path, char **content, size_t *size, struct err *err)
{
    return fs_read_file(d->fs, path, SMALL_FILE_MAX, content, size, err);
}

static enum status dump_txnindex(struct dump *d, const char *path, struct err *err)
{
    struct txnindex index = {0};
    char *content;
    size_t size;
    enum status status = small_file(d, path, &content, &size, err);

    if (status)
        return status;
    status = txnindex_decode(&index, (struct bytes_view){(const uint8_t *)content, size}, 0, INT64_MAX, err);
    for (size_t i = 0; !status && i < index.count; i++) {
        cli__row(&d->rows, "aborted_transaction");
        cli__row_number(&d->rows, "producer_id", index.list[i].producer_id);
        cli__row_number(&d->rows, "first_offset", index.list[i].first_offset);
        cli__row_number(&d->rows, "last_offset", index.list[i].last_offset);
        cli__row_number(&d->rows, "last_stable_offset", index.list[i].last_stable);
        cli__row_end(&d->rows);
    }
    txnindex_free(&index);
    mem_free(content);
    return status;
}

static void dump_producers(const struct dump *d, const struct producer_snapshot *snapshot)
{
    for (int32_t i = 0; i < snapshot->producer_entries_count; i++) {
        const struct producer_snapshot_producer_entry *p = &snapshot->producer_entries[i];
        cli__row(&d->rows, "producer");
        cli__row_number(&d->rows, "producer_id", p->producer_id);
        cli__row_number(&d->rows, "producer_epoch", p->epoch);
        cli__row_number(&d->rows, "coordinator_epoch", p->coordinator_epoch);
        cli__row_number(&d->rows, "transaction_start", p->current_txn_first_offset);
        cli__row_number(&d->rows, "last_timestamp", p->timestamp);
        cli__row_number(&d->rows, "last_sequence", p->last_sequence);
        cli__row_number(&d->rows, "last_offset", p->last_offset);
        cli__row_number(&d->rows, "offset_delta", p->offset_delta);
        cli__row_end(&d->rows);
    }
}

static enum status dump_snapshot(struct dump *d, const char *path, struct err *err)
{
    struct producer_snapshot snapshot;
    struct arena arena;
    struct reader r;
    char *content;
    size_t size;
    int16_t version;

    if (small_file(d, path, &content, &size, err))
        return err->status;
    arena_init(&arena, (size_t)SMALL_FILE_MAX * 2);
    reader_init(&r, content, size);
    version = reader_i16(&r);
    if (producer_snapshot_decode(&r, version, &arena, &snapshot) || reader_done(&r))
        dump_bad(d, 0, "no snapshot of producers");
    else if (snapshot.crc != crc32c((const uint8_t *)content + SNAPSHOT_CRC_FROM, size - SNAPSHOT_CRC_FROM))
        dump_bad(d, 0, "it has a wrong checksum");
    else
        dump_producers(d, &snapshot);
    arena_free(&arena);
    mem_free(content);
    return STATUS_OK;
}

static enum status dump_epochs(struct dump *d, const char *path, struct err *err)
{
    struct epochs epochs = {0};
    char *content;
    size_t size;
    enum status status = small_file(d, path, &content, &size, err);

    if (status)
        return status;
    status = epochs_parse(&epochs, (struct str_view){content, size}, err);
    for (size_t i = 0; !status && i < epochs.count; i++) {
        cli__row(&d->rows, "epoch");
        cli__row_number(&d->rows, "epoch", epochs.list[i].epoch);
        cli__row_number(&d->rows, "start_offset", epochs.list[i].start_offset);
        cli__row_end(&d->rows);
    }
    epochs_free(&epochs);
    mem_free(content);
    return status;
}

static void dump_checkpoint_line(void *context, const struct checkpoint_entry *entry)
{
    const struct dump *d = context;

    cli__row(&d->rows, "checkpoint");
    cli__row_text(&d->rows, "topic", entry->topic);
    cli__row_number(&d->rows, "partition", entry->partition);
    cli__row_number(&d->rows, "offset", entry->offset);
    cli__row_end(&d->rows);
}

static enum status dump_checkpoint(struct dump *d, const char *path, struct err *err)
{
    char *content;
    size_t size;

    if (small_file(d, path, &content, &size, err))
        return err->status;
    if (size && !checkpoint_read((struct str_view){content, size}, dump_checkpoint_line, d))
        dump_bad(d, 0, "no checkpoint that reads to its end");
    mem_free(content);
    return STATUS_OK;
}

/* partition.metadata, meta.properties, and what Kafka keeps as JSON: a row a line. */
static enum status dump_text(struct dump *d, const char *path, struct err *err)
{
    struct str_view text;
    char *content;

    if (small_file(d, path, &content, &text.size, err))
        return err->status;
    for (text.data = content; text.size;) {
        const char *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size;
        cli__row(&d->rows, "line");
        cli__row_text(&d->rows, "text", (struct str_view){text.data, size});
        cli__row_end(&d->rows);
        size += end != NULL;
        text = (struct str_view){text.data + size, text.size - size};
    }
    mem_free(content);
    return STATUS_OK;
}

/* --- the journal ----------------------------------------------------------------------------------------------------------- */

static void dump_group(void *context, uint64_t sequence, uint64_t oldest, uint64_t position, uint32_t size, uint32_t frames)
{
    const struct dump *d = context;

    cli__row(&d->rows, "group");
    cli__row_number(&d->rows, "sequence", (int64_t)sequence);
    cli__row_number(&d->rows, "oldest", (int64_t)oldest);
    cli__row_number(&d->rows, "position", (int64_t)position);
    cli__row_number(&d->rows, "size", size);
    cli__row_number(&d->rows, "frames", frames);
    cli__row_end(&d->rows);
}

static void dump_frame(void *context, struct uuid topic_id, struct str_view folder, int64_t base, uint64_t position, struct bytes_view batches)
{
    const struct dump *d = context;
    char id[UUID_TEXT_SIZE];
    struct batch_head head;

    uuid_format(topic_id, id);
    cli__row(&d->rows, "frame");
    cli__row_text(&d->rows, "folder", folder);
    cli__row_text(&d->rows, "topic_id", str_from(id));
    cli__row_number(&d->rows, "segment", base);
    cli__row_number(&d->rows, "position", (int64_t)position);
    cli__row_number(&d->rows, "size", (int64_t)batches.size);
    cli__row_end(&d->rows);
    for (; batch_head_read(batches, &head); batches = (struct bytes_view){batches.data + batch_size(&head), batches.size - batch_size(&head)}) {
        size_t size;
        if (in_range(d, &head))
            dump_batch(d, position, &head, batch_check_crc(batches, &size) == STATUS_OK);
        position += batch_size(&head);
    }
}

static enum status dump_journal(struct dump *d, const char *path, struct err *err)
{
    return journal_look(d->fs, path, &(struct journal_look){dump_group, dump_frame, d}, err);
}

/* --- which file is what ---------------------------------------------------------------------------------------------------- */

typedef enum status dump_function(struct dump *d, const char *path, struct err *err);

static const struct {
    const char *suffix;
    dump_function *dump;
} kinds[] = {
    {".log", dump_batches},
    {".checkpoint", dump_batches}, /* snapshots of the metadata, bootstrap.checkpoint */
    {".index", dump_index},
    {".timeindex", dump_timeindex},
    {".txnindex", dump_txnindex},
    {".snapshot", dump_snapshot},
    {"leader-epoch-checkpoint", dump_epochs},
    {"-offset-checkpoint", dump_checkpoint},
    {"partition.metadata", dump_text},
    {"meta.properties", dump_text},
    {LOG_DIR_CLEAN, dump_text},
    {"quorum-state", dump_text},
    {JOURNAL_NEEDED, dump_text},
};

static dump_function *dump_of(const char *name)
{
    static const char *const behind[] = {".deleted", ".cleaned", ".swap"};
    char bare[FS_PATH_MAX];

    snprintf(bare, sizeof bare, "%s", name);
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++)
        if (log__ends(bare, behind[i]))
            bare[strlen(bare) - strlen(behind[i])] = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (log__ends(bare, kinds[i].suffix))
            return kinds[i].dump;
    return journal_named(name) ? dump_journal : NULL;
}

/* The topic whose folder the file is in, so that its records are decoded. */
static struct str_view topic_of(const char *path, char folder[static FS_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    struct str_view topic;
    int32_t partition;

    if (!slash)
        return STR_NULL;
    snprintf(folder, FS_PATH_MAX, "%.*s", (int)(slash - path), path);
    return log_dir_partition_named(log__name(folder), &topic, &partition) ? topic : STR_NULL;
}

static void dump_file(void *context, const char *path)
{
    dump_function *dump = dump_of(log__name(path));
    struct dump *d = context;
    char folder[FS_PATH_MAX];
    struct err err;

    if (!dump)
        return;
    d->topic = topic_of(path, folder);
    d->rows.file = path;
    if (!d->rows.json) {
        cli__row(&d->rows, "file");
        cli__row_text(&d->rows, "path", str_from(path));
        cli__row_end(&d->rows);
    }
    if (dump(d, path, &err))
        dump_bad(d, 0, err.text);
}

/* --from and --to: an offset, or a time. */
static bool range_of(const struct cli_args *args, struct log_range *range)
{
    struct cli_position from = {.kind = POSITION_BEGINNING}, to = {.kind = POSITION_END};

    *range = (struct log_range){0, INT64_MAX, INT64_MIN, INT64_MAX};
    if (args->of[OPT_FROM].given && !cli__position(args->of[OPT_FROM].text, &from))
        return false;
    if (args->of[OPT_TO].given && !cli__position(args->of[OPT_TO].text, &to))
        return false;
    if (from.kind == POSITION_OFFSET)
        range->offset_from = from.value;
    if (from.kind == POSITION_TIME)
        range->time_from = from.value;
    if (from.kind == POSITION_END)
        range->offset_from = INT64_MAX;
    if (to.kind == POSITION_OFFSET)
        range->offset_to = to.value;
    if (to.kind == POSITION_TIME)
        range->time_to = to.value;
    if (to.kind == POSITION_BEGINNING)
        range->offset_to = 0;
    return true;
}

enum cli_exit log__dump(const struct cli_args *args)
{
    struct dump d = {.rows = {stdout, args->of[OPT_JSON].given, NULL}, .records = args->of[OPT_RECORDS].given};
    bool ok = true;

    if (!range_of(args, &d.range))
        return CLI_USAGE;
    d.fs = fs_posix_new();
    if (!d.fs)
        return cli__fail("no memory");
    for (int i = 0; i < args->arguments_count; i++) {
        if (!log__is_folder(d.fs, args->arguments[i]) && !dump_of(log__name(args->arguments[i])))
            ok = (cli__say("%s is no file of a data directory", args->arguments[i]), false);
        else
            ok = log__each_file(d.fs, args->arguments[i], dump_file, &d) && ok;
    }
    fs_free(d.fs);
    return ok && !d.bad ? CLI_DONE : CLI_FAILED;
}
