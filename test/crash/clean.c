/* SPDX-License-Identifier: Apache-2.0
 * A compacted log: keyed appends and tombstones, checkpoints, compactions with much or little memory, clean stops and starts.
 *
 * The model is what was appended, and how far that was acknowledged. After a crash every record that is there is one of the model's, in order, and
 * of each key the latest is what the model says: a value, or, of a key that was deleted, its tombstone or nothing. An older value is never the latest again.
 */
#include "crash.h"

#include "base/assert.h"
#include "base/mem.h"
#include "sim/sim.h"
#include "store/clean.h"
#include "store/dir.h"
#include "store/store.h"

enum { STEPS = 16, BATCHES_MAX = 8, RECORDS_MAX = 5, MODEL_MAX = STEPS * BATCHES_MAX * RECORDS_MAX, KEYS = 12, VALUE_MAX = 120 };
static const int64_t WALL_MS = 1700000000000;
static const uint64_t SOON_US = 60000000;

struct clean_model {
    struct {
        uint8_t key;
        bool tombstone;
        uint32_t value;
    } records[MODEL_MAX]; /* by offset */
    int64_t end, acked, now;
};

struct bench {
    struct fs *fs;
    struct log_dir *dir;
    struct log *log;
    struct sim *sim;
    struct store *store;
};

/* --- a log that is open ---------------------------------------------------------------------------------------------------- */

static const struct log_config config = {.segment_bytes = 1500, .segment_ms = 604800000, .segment_index_bytes = 10 << 20, .index_interval_bytes = 300,
    .retention_bytes = -1, .retention_ms = -1, .file_delete_delay_ms = 0, .compacts = true, .compaction_lag_max_ms = INT64_MAX, .delete_retention_ms = 1000};

static enum status bench_open(struct bench *b, struct fs *fs, struct err *err)
{
    struct log_open how = {.fs = fs, .dir = "/data/t-0", .topic_id = {{1}}, .recovery_point = -1, .log_start = -1, .cleaned = -1, .now_ms = WALL_MS,
        .config = &config};
    const struct log_dir_entry *entries;
    enum status status;
    size_t count;

    *b = (struct bench){.fs = fs};
    status = log_dir_open(fs, "/data", &b->dir, err);
    if (status == STATUS_OK)
        status = log_dir_begin(b->dir, err);
    if (status)
        return status;
    entries = log_dir_entries(b->dir, &count);
    if (count) {
        how.clean = log_dir_clean(b->dir);
        how.recovery_point = entries[0].recovery_point;
        how.log_start = entries[0].log_start;
        how.cleaned = entries[0].cleaned;
    }
    status = log_open(&how, &b->log, err);
    if (status)
        log_dir_close(b->dir);
    return status;
}

static void bench_attach(struct bench *b, uint64_t seed)
{
    b->sim = sim_new(seed, &(struct sim_options){.fs = b->fs});
    b->store = store_new(sim_shard(b->sim, 0), DURABILITY_SYNC);
    ASSERT(b->store);
    log_attach(b->log, b->store);
}

struct flag {
    struct mail mail;
    bool set;
};

static void set_flag(struct shard *here, struct mail *mail)
{
    ((struct flag *)(void *)mail)->set = true;
}

static bool is_set(void *context)
{
    return *(bool *)context;
}

static void bench_checkpoint(struct bench *b)
{
    const struct {
        const char *file;
        int64_t offset;
    } files[] = {{"recovery-point-offset-checkpoint", log_recovery_point(b->log)}, {"log-start-offset-checkpoint", log_start_offset(b->log)},
                 {"cleaner-offset-checkpoint", log_cleaned_offset(b->log)}};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct checkpoint_entry entry = {STR_LIT("t"), 0, files[i].offset};
        struct err err;
        enum status status = log_dir_write_checkpoint(b->dir, files[i].file, &entry, files[i].offset >= 0, &err);
        ASSERT(status == STATUS_OK);
    }
}

static void bench_close(struct bench *b, bool clean)
{
    struct flag flag = {.mail.run = set_flag};
    struct err err;
    enum status status;
    bool idle;

    log_when_idle(b->log, &flag.mail);
    idle = sim_run_until(b->sim, is_set, &flag.set, SOON_US);
    ASSERT(idle);
    if (clean)
        bench_checkpoint(b);
    status = log_close(b->log, clean, &err);
    if (clean && !status)
        status = log_dir_mark_clean(b->dir, -1, &err);
    ASSERT(status == STATUS_OK);
    log_dir_close(b->dir);
    store_free(b->store);
    sim_free(b->sim);
}

/* --- the run --------------------------------------------------------------------------------------------------------------- */

struct put {
    struct log_append append;
    uint8_t bytes[BATCH_OVERHEAD + RECORDS_MAX * (VALUE_MAX + 64)];
    struct crash *crash;
    struct clean_model *model;
    bool done;
};

static void put_done(struct shard *here, struct log_append *append)
{
    struct put *put = (struct put *)(void *)append;

    ASSERT(!append->status);
    put->model->acked = append->last_offset + 1;
    put->crash->promise++;
    put->done = true;
}

static void put_batch(struct crash *c, struct bench *b, struct clean_model *model)
{
    struct put *put = mem_alloc(1, sizeof *put);
    int32_t count = 1 + (int32_t)crash_random(c, RECORDS_MAX);
    struct batch_builder builder;
    struct bytes_view batch;
    bool all;

    ASSERT(put && model->end + count <= MODEL_MAX);
    put->crash = c;
    put->model = model;
    batch_builder_init(&builder, put->bytes, sizeof put->bytes, 0);
    for (int32_t i = 0; i < count; i++) {
        uint8_t key = (uint8_t)crash_random(c, KEYS), value[VALUE_MAX] = {0};
        uint32_t number = (uint32_t)crash_random(c, UINT32_MAX);
        bool tombstone = crash_random(c, 4) == 0, fits;
        memcpy(value, &number, sizeof number);
        model->records[model->end + i].key = key;
        model->records[model->end + i].tombstone = tombstone;
        model->records[model->end + i].value = number;
        fits = batch_builder_add(&builder, i, model->now, (struct bytes_view){&key, 1}, (struct bytes_view){tombstone ? NULL : value, tombstone ? 0 : sizeof value},
                                 (struct bytes_view){NULL, 0});
        ASSERT(fits);
    }
    batch = batch_builder_finish(&builder, model->end, 0, -1, -1, -1);
    put->append = (struct log_append){.done = put_done, .bytes = batch, .base_offset = model->end, .last_offset = model->end + count - 1, .max_timestamp = model->now,
                                      .max_timestamp_offset = model->end + count - 1};
    model->end += count;
    ASSERT(log_reserve(b->log));
    log_append(b->log, &put->append);
    all = sim_run_until(b->sim, is_set, &put->done, SOON_US);
    ASSERT(all);
    mem_free(put);
}

struct run {
    struct log_clean clean;
    bool done;
};

static void run_done(struct shard *here, struct log_clean *clean)
{
    ((struct run *)(void *)clean)->done = true;
}

static void compact(struct crash *c, struct bench *b, struct clean_model *model)
{
    struct run run = {.clean = {.stable = log_end_offset(b->log), .wall_ms = model->now, .key_memory = crash_random(c, 2) ? 1 << 16 : 5 * KEYMAP_SLOT_BYTES,
                                .key_load = 0.9, .bytes_per_second = 1e9, .done = run_done}};
    bool done;

    if (!log_clean(b->log, &run.clean))
        return;
    done = sim_run_until(b->sim, is_set, &run.done, SOON_US);
    ASSERT(done && !run.clean.status && run.clean.complete);
    if (crash_random(c, 2))
        bench_checkpoint(b);
    log_housekeep(b->log, model->now + 1);
    sim_run(b->sim, 10000);
}

static void restart(struct crash *c, struct bench *b, bool clean)
{
    struct fs *fs = b->fs;
    struct err err = {0};
    enum status status;

    bench_close(b, clean);
    status = bench_open(b, fs, &err);
    if (status)
        fprintf(stderr, "%s\n", err.text);
    ASSERT(status == STATUS_OK);
    bench_attach(b, crash_random(c, UINT64_MAX));
}

static void step(struct crash *c, struct bench *b, struct clean_model *model)
{
    uint64_t what = crash_random(c, 9);

    model->now += (int64_t)crash_random(c, 3) * 600;
    if (what < 3)
        compact(c, b, model);
    else if (what == 3)
        restart(c, b, crash_random(c, 2));
    else if (what == 4)
        bench_checkpoint(b);
    else
        for (uint64_t i = crash_random(c, BATCHES_MAX); i-- > 0;)
            put_batch(c, b, model);
}

static void clean_run(struct crash *c, struct fs *disk, void **out)
{
    struct clean_model *model = mem_alloc(1, sizeof *model);
    struct err err = {0};
    struct bench b;
    enum status status;

    ASSERT(model);
    model->now = WALL_MS;
    *out = model;
    status = bench_open(&b, disk, &err);
    ASSERT(status == STATUS_OK);
    bench_attach(&b, c->seed);
    for (int i = 0; i < STEPS; i++)
        step(c, &b, model);
    bench_close(&b, true);
    mem_free(model);
}

/* --- the check ------------------------------------------------------------------------------------------------------------- */

struct latest {
    int64_t next;           /* offset */
    int64_t at[KEYS];       /* -1: no record of the key */
};

static bool check_record(struct crash *c, const struct clean_model *model, const struct record *r, struct latest *latest)
{
    uint32_t value;

    if (r->offset < latest->next || r->offset >= model->end)
        return crash_failure(c, "there is a record at %lld, after %lld", (long long)r->offset, (long long)latest->next);
    if (r->key.size != 1 || r->key.data[0] != model->records[r->offset].key || !r->value.data != model->records[r->offset].tombstone)
        return crash_failure(c, "the record at %lld is another one", (long long)r->offset);
    if (r->value.data)
        memcpy(&value, r->value.data, sizeof value);
    if (r->value.data && (r->value.size != VALUE_MAX || value != model->records[r->offset].value))
        return crash_failure(c, "the record at %lld has another value", (long long)r->offset);
    latest->next = r->offset + 1;
    latest->at[r->key.data[0]] = r->offset;
    return true;
}

static bool check_slice(struct crash *c, const struct clean_model *model, const struct log_slice *slice, struct latest *latest, int64_t *next)
{
    uint8_t *bytes = mem_alloc(slice->size, 1);
    struct record_cursor *cursor;
    struct batch_head head;
    struct record record;
    struct arena arena;
    struct err err;
    size_t got;
    bool more = true, ok = true;

    ASSERT(bytes);
    if (file_read(slice->file, slice->position, bytes, slice->size, &got, &err) || !batch_head_read((struct bytes_view){bytes, got}, &head))
        ok = crash_failure(c, "the slice at %lld does not read", (long long)slice->base_offset);
    arena_init(&arena, 1 << 20);
    cursor = ok ? record_cursor_new(&arena, (struct bytes_view){bytes, got}, 1 << 20) : NULL;
    while (ok && more) {
        if (!cursor || record_next(cursor, &record, &more))
            ok = crash_failure(c, "the batch at %lld does not read", (long long)slice->base_offset);
        else if (more)
            ok = check_record(c, model, &record, latest);
    }
    *next = batch_last_offset(&head) + 1;
    record_cursor_free(cursor);
    arena_free(&arena);
    mem_free(bytes);
    return ok;
}

static bool check_latest(struct crash *c, const struct clean_model *model, const struct latest *latest, int64_t end)
{
    int64_t want[KEYS];

    for (int k = 0; k < KEYS; k++)
        want[k] = -1;
    for (int64_t offset = 0; offset < end; offset++)
        want[model->records[offset].key] = offset;
    for (int k = 0; k < KEYS; k++) {
        bool deleted = want[k] < 0 || model->records[want[k]].tombstone;
        if (latest->at[k] != want[k] && !(deleted && latest->at[k] < 0))
            return crash_failure(c, "key %d: the latest is at %lld, it should be at %lld", k, (long long)latest->at[k], (long long)want[k]);
    }
    return true;
}

static bool check_log(struct crash *c, const struct clean_model *model, struct log *log)
{
    struct latest latest = {0};
    int64_t next = log_start_offset(log);
    bool ok = true;

    for (int k = 0; k < KEYS; k++)
        latest.at[k] = -1;
    if (log_end_offset(log) < model->acked || log_end_offset(log) > model->end)
        return crash_failure(c, "the log ends at %lld, but %lld was acknowledged", (long long)log_end_offset(log), (long long)model->acked);
    while (ok && next < log_end_offset(log)) {
        struct log_slice slice;
        struct err err = {0};
        if (log_read(log, next, INT64_MAX, 1, true, &slice, &err) || !slice.size)
            return crash_failure(c, "offset %lld does not read: %s", (long long)next, err.text);
        ok = check_slice(c, model, &slice, &latest, &next);
        file_unref(slice.file);
    }
    return ok && check_latest(c, model, &latest, log_end_offset(log));
}

static bool clean_check(struct crash *c, const void *context, struct fs *disk)
{
    struct clean_model model = *(const struct clean_model *)context;
    struct err err = {0};
    struct bench b;
    bool ok;

    if (bench_open(&b, disk, &err))
        return crash_failure(c, "%s", err.text);
    ok = check_log(c, &model, b.log);
    bench_attach(&b, 1);
    if (ok) { /* and it can be compacted */
        model.now += 5000;
        compact(c, &b, &model);
        ok = check_log(c, &model, b.log);
    }
    bench_close(&b, true);
    return ok;
}

const struct crash_workload crash_clean = {"clean", clean_run, clean_check};
