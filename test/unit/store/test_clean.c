/* SPDX-License-Identifier: Apache-2.0
 * Compaction against a naive model: random logs with keys, tombstones, codecs, producers and transactions, cleaned in several runs with memory for all
 * keys or for a few, and read back record by record; and the steps of the swap, each interrupted.
 */
#include <errno.h>

#include "base/crc32c.h"
#include "store/clean.h"
#include "store/clean_swap.h"
#include "store/log_int.h"
#include "world.h"

#define DIR_PATH "/data/t-0"

enum { RECORDS_MAX = 4096, KEYS = 23, PRODUCERS = 5, HOUR = 3600000 };

/* --- chance ---------------------------------------------------------------------------------------------------------------- */

static uint64_t chance_state;

static uint64_t chance(uint64_t below)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return chance_state % below;
}

/* --- the model ------------------------------------------------------------------------------------------------------------- */

struct model_batch {
    int64_t base, last, horizon; /* horizon -1: none */
    int64_t producer;
    int32_t sequence;
    bool transactional, control, commit, aborted; /* aborted: its transaction will be */
};

struct model_record {
    int64_t offset, timestamp;
    int batch, key, value; /* key -1: null; value -1: null */
    bool gone;
};

struct model {
    struct model_batch batches[RECORDS_MAX];
    struct model_record records[RECORDS_MAX];
    int batches_count, records_count;
    int32_t sequences[PRODUCERS];
    int open_from[PRODUCERS];   /* first batch of the open transaction; -1: none */
    int64_t last_data[PRODUCERS];
    int64_t now;
    struct aborted aborted[RECORDS_MAX];
    int aborted_count;
};

static struct model model;

static void model_begin(void)
{
    memset(&model, 0, sizeof model);
    for (int i = 0; i < PRODUCERS; i++) {
        model.open_from[i] = -1;
        model.last_data[i] = -1;
    }
    model.now = WORLD_WALL;
}

static bool model_latest(const struct model_record *r, int64_t from, int64_t to)
{
    for (int i = 0; i < model.records_count; i++) {
        const struct model_record *other = &model.records[i];
        if (!other->gone && other->key == r->key && other->offset > r->offset && other->offset >= from && other->offset < to && !model.batches[other->batch].aborted)
            return false;
    }
    return true;
}

static bool model_stays(const struct model_record *r, int64_t from, int64_t to, int64_t cover)
{
    const struct model_batch *b = &model.batches[r->batch];

    if (b->aborted && r->offset < cover)
        return false;
    if (r->offset >= to || b->control)
        return true;
    if (r->key < 0 || !model_latest(r, from, to))
        return false;
    return r->value >= 0 || b->horizon < 0 || b->horizon > model.now;
}

/* Segments before `cover` were written anew. Markers are not modelled. */
static void model_clean(int64_t from, int64_t to, int64_t cover, int64_t retention)
{
    bool stays[RECORDS_MAX];

    for (int i = 0; i < model.records_count; i++)
        stays[i] = !model.records[i].gone && model_stays(&model.records[i], from, to, cover);
    for (int i = 0; i < model.records_count; i++) {
        struct model_record *r = &model.records[i];
        struct model_batch *b = &model.batches[r->batch];
        r->gone = !stays[i];
        if (!r->gone && !b->control && r->value < 0 && b->horizon < 0 && r->offset < cover)
            b->horizon = model.now + retention;
    }
}

/* --- writing --------------------------------------------------------------------------------------------------------------- */

static struct bytes_view text_of(char text[static 16], char kind, int number)
{
    if (number < 0)
        return (struct bytes_view){NULL, 0};
    return (struct bytes_view){(const uint8_t *)text, (size_t)snprintf(text, 16, "%c%d", kind, number)};
}

static void put(struct world *w, struct log *log, struct bytes_view batch)
{
    struct world_append *a = world_alloc(sizeof *a);
    struct batch_head head;
    enum status worst = STATUS_OK;
    unsigned done = 0;

    assert_true(batch_head_read(batch, &head));
    a->batch = (struct bytes_view){world_alloc(batch.size), batch.size};
    memcpy((void *)(uintptr_t)a->batch.data, batch.data, batch.size);
    a->done = &done;
    a->worst = &worst;
    a->append = (struct log_append){.done = world_appended, .bytes = a->batch, .base_offset = head.base_offset, .last_offset = batch_last_offset(&head),
        .max_timestamp = head.max_timestamp, .max_timestamp_offset = batch_last_offset(&head), .leader_epoch = head.leader_epoch};
    assert_true(log_reserve(log));
    log_append(log, &a->append);
    world_idle(w, log);
    assert_int_equal(done, 1);
    assert_int_equal(worst, STATUS_OK);
}

static void put_data(struct world *w, struct log *log)
{
    int64_t producer = (int64_t)chance(PRODUCERS + 2);
    int count = 1 + (int)chance(6), codec = (int)chance(5);
    bool named = producer < PRODUCERS, transactional = named && producer < 2;
    uint8_t buffer[2048];
    struct batch_builder b;
    struct bytes_view batch;
    struct arena arena;
    struct model_batch *mb = &model.batches[model.batches_count];

    batch_builder_init(&b, buffer, sizeof buffer, transactional ? BATCH_TRANSACTIONAL : 0);
    *mb = (struct model_batch){.base = log_end_offset(log), .last = log_end_offset(log) + count - 1, .horizon = -1, .producer = named ? producer : -1,
                               .sequence = named ? model.sequences[producer] : -1, .transactional = transactional};
    for (int i = 0; i < count; i++) {
        struct model_record *r = &model.records[model.records_count++];
        char key[16], value[16];
        *r = (struct model_record){.offset = mb->base + i, .timestamp = model.now + (int64_t)chance(1000), .batch = model.batches_count,
                                   .key = chance(40) ? (int)chance(KEYS) : -1, .value = chance(5) ? (int)chance(1000000) : -1};
        assert_true(batch_builder_add(&b, i, r->timestamp, text_of(key, 'k', r->key), text_of(value, 'v', r->value), (struct bytes_view){NULL, 0}));
    }
    batch = batch_builder_finish(&b, mb->base, 3, named ? producer : -1, named ? 0 : -1, mb->sequence);
    arena_init(&arena, 1 << 20);
    if (codec)
        assert_int_equal(batch_recompress(batch, (enum compression)codec, compression_level_default((enum compression)codec), 1 << 20, &arena, &batch), STATUS_OK);
    put(w, log, batch);
    arena_free(&arena);
    if (named) {
        model.sequences[producer] += count;
        model.last_data[producer] = mb->last;
    }
    if (transactional && model.open_from[producer] < 0)
        model.open_from[producer] = model.batches_count;
    model.batches_count++;
}

static int64_t first_unstable(const struct log *log)
{
    int64_t stable = log_end_offset(log);

    for (int i = 0; i < PRODUCERS; i++)
        if (model.open_from[i] >= 0 && model.batches[model.open_from[i]].base < stable)
            stable = model.batches[model.open_from[i]].base;
    return stable;
}

static void note_aborted(struct log *log, int64_t producer, int64_t first, int64_t last)
{
    struct aborted *aborted = &model.aborted[model.aborted_count++];

    *aborted = (struct aborted){.producer_id = producer, .first_offset = first, .last_offset = last, .last_stable = first_unstable(log)};
    log_add_aborted(log, aborted);
}

static void put_marker(struct world *w, struct log *log, int64_t producer)
{
    bool commit = chance(2);
    int64_t first;
    uint8_t buffer[256], key[4] = {0, 0, 0, commit}, value[6] = {0};
    struct batch_builder b;
    struct model_batch *mb = &model.batches[model.batches_count];

    *mb = (struct model_batch){.base = log_end_offset(log), .last = log_end_offset(log), .horizon = -1, .producer = producer, .sequence = -1,
                               .transactional = true, .control = true, .commit = commit};
    for (int i = model.open_from[producer]; i < model.batches_count; i++)
        if (model.batches[i].producer == producer && !model.batches[i].control)
            model.batches[i].aborted = !commit;
    model.records[model.records_count++] = (struct model_record){.offset = mb->base, .timestamp = model.now, .batch = model.batches_count, .key = -2, .value = -2};
    batch_builder_init(&b, buffer, sizeof buffer, BATCH_TRANSACTIONAL | BATCH_CONTROL);
    assert_true(batch_builder_add(&b, 0, model.now, (struct bytes_view){key, sizeof key}, (struct bytes_view){value, sizeof value}, (struct bytes_view){NULL, 0}));
    assert_true(log_reserve_aborted(log));
    put(w, log, batch_builder_finish(&b, mb->base, 3, producer, 0, -1));
    first = model.batches[model.open_from[producer]].base;
    model.open_from[producer] = -1;
    if (!commit)
        note_aborted(log, producer, first, mb->base);
    model.batches_count++;
}

static void fill(struct world *w, struct log *log, int batches)
{
    for (int i = 0; i < batches; i++) {
        int64_t producer = (int64_t)chance(2);
        if (model.open_from[producer] >= 0 && chance(4) == 0)
            put_marker(w, log, producer);
        else
            put_data(w, log);
        model.now += (int64_t)chance(50);
    }
}

/* --- cleaning -------------------------------------------------------------------------------------------------------------- */

struct run {
    struct log_clean clean;
    bool done;
};

static void run_done(struct shard *here, struct log_clean *clean)
{
    ((struct run *)(void *)clean)->done = true;
}

static void run_prepare(struct run *run, struct log *log, size_t memory)
{
    *run = (struct run){.clean = {.stable = first_unstable(log), .wall_ms = model.now, .key_memory = memory, .key_load = 0.9, .bytes_per_second = 1e9, .done = run_done}};
    run->clean.producers = world_alloc(PRODUCERS * sizeof *run->clean.producers);
    for (int i = PRODUCERS - 1; i >= 0; i--)
        if (model.last_data[i] >= 0)
            run->clean.producers[run->clean.producers_count++] = (struct clean_producer){.id = i, .recent = model.last_data[i]};
}

/* The end of the segment that has the offset before `to`. */
static int64_t segment_end(const int64_t *bases, size_t count, int64_t to)
{
    for (size_t i = 0; i < count; i++)
        if (bases[i] >= to)
            return bases[i];
    return INT64_MAX;
}

/* false: nothing was dirty. */
static bool clean_once(struct world *w, struct log *log, size_t memory, struct log_clean_stats *stats)
{
    int64_t bases[1024];
    size_t count = log->count;
    struct run run;

    assert_true(count < 1024);
    for (size_t i = 0; i < count; i++)
        bases[i] = log->segments[i]->base;

    run_prepare(&run, log, memory);
    if (!log_clean(log, &run.clean)) {
        mem_free(run.clean.producers);
        return false;
    }
    assert_true(sim_run_until(w->sim, world_is_set, &run.done, WORLD_SOON));
    assert_int_equal(run.clean.status, STATUS_OK);
    assert_true(run.clean.complete);
    *stats = run.clean.stats;
    assert_true(stats->to > stats->from);
    assert_int_equal(log_cleaned_offset(log), stats->to);
    model_clean(stats->from, stats->to, segment_end(bases, count, stats->to), HOUR);
    return true;
}

static void check_log(struct log *log);

static void clean_all(struct world *w, struct log *log, size_t memory)
{
    struct log_clean_stats stats;

    while (clean_once(w, log, memory, &stats))
        check_log(log);
}

/* --- reading back ---------------------------------------------------------------------------------------------------------- */

struct check {
    int at;                  /* of the model's records */
    int64_t next;            /* offset */
    int64_t seen[PRODUCERS]; /* last offsets of their batches of data */
    int32_t sequence_end[PRODUCERS];
};

static void check_record(struct check *c, const struct batch_head *head, const struct record *r)
{
    const struct model_record *m;
    char key[16], value[16];
    struct bytes_view k, v;

    if (head->attributes & BATCH_CONTROL)
        return;
    while (c->at < model.records_count && (model.records[c->at].gone || model.batches[model.records[c->at].batch].control))
        c->at++;
    assert_true(c->at < model.records_count);
    m = &model.records[c->at++];
    assert_int_equal(r->offset, m->offset);
    assert_int_equal(r->timestamp, m->timestamp);
    k = text_of(key, 'k', m->key);
    v = text_of(value, 'v', m->value);
    assert_int_equal(!r->key.data, !k.data);
    assert_int_equal(!r->value.data, !v.data);
    assert_int_equal(r->key.size, k.size);
    assert_int_equal(r->value.size, v.size);
    assert_true(!k.size || !memcmp(k.data, r->key.data, k.size));
    assert_true(!v.size || !memcmp(v.data, r->value.data, v.size));
}

static const struct model_batch *batch_at(int64_t base)
{
    for (int i = 0; i < model.batches_count; i++)
        if (model.batches[i].base == base)
            return &model.batches[i];
    fail_msg("no batch began at %lld", (long long)base);
    return NULL;
}

static void check_batch(struct check *c, struct bytes_view bytes, const struct batch_head *head)
{
    const struct model_batch *b = batch_at(head->base_offset);
    struct record_cursor *cursor;
    struct record record;
    struct arena arena;
    size_t size;
    bool more;

    assert_int_equal(batch_check_crc(bytes, &size), STATUS_OK);
    assert_int_equal(batch_last_offset(head), b->last);
    assert_int_equal(head->producer_id, b->producer);
    assert_int_equal(head->base_sequence, b->sequence);
    assert_int_equal(head->leader_epoch, 3);
    assert_true(head->base_offset >= c->next);
    c->next = b->last + 1;
    if (b->producer >= 0 && !b->control)
        c->seen[b->producer] = b->last;
    arena_init(&arena, 1 << 22);
    cursor = record_cursor_new(&arena, bytes, 1 << 20);
    assert_non_null(cursor);
    for (;;) {
        assert_int_equal(record_next(cursor, &record, &more), STATUS_OK);
        if (!more)
            break;
        check_record(c, head, &record);
    }
    record_cursor_free(cursor);
    arena_free(&arena);
}

/* All that log_read gives, from the start on. */
static void check_log(struct log *log)
{
    struct check c = {0};
    int64_t offset = log_start_offset(log);

    for (int i = 0; i < PRODUCERS; i++)
        c.seen[i] = -1;
    while (offset < log_end_offset(log)) {
        struct log_slice slice;
        struct batch_head head;
        uint8_t bytes[8192];
        size_t got;
        struct err err = {0};
        if (log_read(log, offset, INT64_MAX, 1, true, &slice, &err))
            fail_msg("%s", err.text);
        assert_true(slice.size > 0 && slice.size <= sizeof bytes);
        assert_int_equal(file_read(slice.file, slice.position, bytes, slice.size, &got, &err), STATUS_OK);
        file_unref(slice.file);
        assert_true(batch_head_read((struct bytes_view){bytes, got}, &head));
        assert_int_equal(head.base_offset, slice.base_offset);
        assert_true(batch_last_offset(&head) >= offset);
        check_batch(&c, (struct bytes_view){bytes, got}, &head);
        offset = batch_last_offset(&head) + 1;
    }
    while (c.at < model.records_count && (model.records[c.at].gone || model.batches[model.records[c.at].batch].control))
        c.at++;
    assert_int_equal(c.at, model.records_count);
    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(c.seen[i], model.last_data[i]);
}

/* Times, as a walk over all records finds them. */
static void check_times(struct log *log)
{
    for (int64_t time = WORLD_WALL; time < model.now; time += 997) {
        int64_t offset, found, expected = -1;
        int32_t epoch;
        struct err err;
        for (int i = 0; i < model.records_count && expected < 0; i++)
            if (!model.records[i].gone && !model.batches[model.records[i].batch].control && model.records[i].timestamp >= time)
                expected = model.records[i].offset;
        assert_int_equal(log_find_timestamp(log, time, &offset, &found, &epoch, &err), STATUS_OK);
        if (offset != expected) { /* a marker may come first */
            assert_true(offset >= 0 && (expected < 0 || offset < expected));
            assert_true(batch_at(offset)->control);
        }
    }
}

/* --- worlds ---------------------------------------------------------------------------------------------------------------- */

static struct log_open how_on(struct fs *fs, bool clean)
{
    static struct log_config config;
    struct log_open how = {.fs = fs, .dir = DIR_PATH, .topic_id = {{1, 2, 3}}, .config = &config, .now_ms = WORLD_WALL, .recovery_point = -1, .log_start = -1,
                           .cleaned = -1, .clean = clean};

    config = world_config;
    config.segment_bytes = 3000;
    config.index_interval_bytes = 200;
    config.compacts = true;
    config.deletes = false;
    config.cleanable_ratio_min = 0.5;
    config.compaction_lag_max_ms = INT64_MAX;
    config.delete_retention_ms = HOUR;
    return how;
}

/* After anything but a clean stop the last segment's aborted transactions are learnt again: the partition room's work. */
static struct log *open_again(struct world *w, bool clean, int64_t cleaned)
{
    struct log_open how = how_on(w->fs, clean);
    struct err err = {0};
    struct log *log;
    int64_t from;
    int first = 0;

    how.cleaned = cleaned;
    if (log_open(&how, &log, &err))
        fail_msg("%s", err.text);
    from = log->last->base;
    while (first < model.aborted_count && model.aborted[first].last_offset < from)
        first++;
    if (!clean && log_learn_aborted(log, from, model.aborted + first, (size_t)(model.aborted_count - first), &err))
        fail_msg("%s", err.text);
    log_attach(log, w->store);
    return log;
}

static struct log *reopen(struct world *w, struct log *log, bool clean)
{
    int64_t cleaned = log_cleaned_offset(log);

    world_close_log(w, log, clean);
    return open_again(w, clean, cleaned);
}

static size_t count_names(struct fs *fs, const char *suffix)
{
    char **names;
    size_t count, n = 0;
    struct err err;

    assert_int_equal(fs_list(fs, DIR_PATH, &names, &count, &err), STATUS_OK);
    for (size_t i = 0; i < count; i++)
        n += strlen(names[i]) > strlen(suffix) && strcmp(names[i] + strlen(names[i]) - strlen(suffix), suffix) == 0;
    mem_free(names);
    return n;
}

/* --- tests ----------------------------------------------------------------------------------------------------------------- */

static void one_life(uint64_t seed, size_t memory)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open how = how_on(fs, false);
    struct log *log = world_open_log(&w, &how);

    chance_state = seed;
    model_begin();
    for (int turn = 0; turn < 4; turn++) {
        fill(&w, log, 60 + (int)chance(100));
        clean_all(&w, log, memory);
        check_log(log);
        check_times(log);
        if (turn % 2)
            log = reopen(&w, log, chance(2));
        check_log(log);
        assert_int_equal(count_names(fs, ".cleaned") + count_names(fs, ".swap"), 0);
        model.now += (int64_t)chance(2) * 2 * HOUR;
    }
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

static void test_against_model(void **state)
{
    for (uint64_t seed = 1; seed <= 12; seed++)
        one_life(seed * 0x9e3779b97f4a7c15, 1 << 20);
}

static void test_little_memory(void **state)
{
    for (uint64_t seed = 1; seed <= 12; seed++)
        one_life(seed * 0x9e3779b97f4a7c15, KEYMAP_SLOT_BYTES * (size_t)(seed % 12));
}

/* --- failures -------------------------------------------------------------------------------------------------------------- */

struct fault {
    unsigned calls, at; /* from the at-th call on all fail, or only that one */
    bool once;
    int error;
};

static int fault_call(void *context, enum fs_call call, const char *path)
{
    struct fault *f = context;

    f->calls++;
    return (f->once ? f->calls == f->at : f->calls >= f->at) ? f->error : 0;
}

struct latest {
    int64_t offset[KEYS];
    int64_t next;
};

static void see_record(struct latest *latest, const struct record *r)
{
    for (int i = 0; i < model.records_count; i++) {
        const struct model_record *m = &model.records[i];
        if (m->offset != r->offset)
            continue;
        assert_false(m->gone);
        assert_int_equal(m->timestamp, r->timestamp);
        if (m->key >= 0 && !model.batches[m->batch].aborted)
            latest->offset[m->key] = m->offset;
        return;
    }
    fail_msg("offset %lld was never written", (long long)r->offset);
}

static void see_slice(struct latest *latest, const struct log_slice *slice)
{
    struct record_cursor *cursor;
    struct batch_head head;
    struct record record;
    struct arena arena;
    uint8_t bytes[8192];
    struct err err;
    size_t got;
    bool more;

    assert_int_equal(file_read(slice->file, slice->position, bytes, slice->size, &got, &err), STATUS_OK);
    assert_true(batch_head_read((struct bytes_view){bytes, got}, &head));
    arena_init(&arena, 1 << 22);
    cursor = record_cursor_new(&arena, (struct bytes_view){bytes, got}, 1 << 20);
    assert_non_null(cursor);
    while (!record_next(cursor, &record, &more) && more)
        see_record(latest, &record);
    assert_false(more);
    record_cursor_free(cursor);
    arena_free(&arena);
    latest->next = batch_last_offset(&head) + 1;
}

/* The latest value of each key is there, whatever else still is. */
static void check_nothing_lost(struct log *log)
{
    struct latest latest = {.next = log_start_offset(log)};

    for (int k = 0; k < KEYS; k++)
        latest.offset[k] = -1;
    while (latest.next < log_end_offset(log)) {
        struct log_slice slice;
        struct err err = {0};
        if (log_read(log, latest.next, INT64_MAX, 1, true, &slice, &err))
            fail_msg("%s", err.text);
        see_slice(&latest, &slice);
        file_unref(slice.file);
    }
    for (int i = model.records_count - 1; i >= 0; i--) {
        const struct model_record *m = &model.records[i];
        if (m->key < 0 || latest.offset[m->key] == INT64_MAX || model.batches[m->batch].aborted)
            continue;
        assert_int_equal(latest.offset[m->key], m->offset);
        latest.offset[m->key] = INT64_MAX;
    }
}

/* A run that the disk ends at its n-th call; the next start reads everything, and cleans it. false: there are fewer calls. */
static bool interrupted_life(unsigned at, bool once, int error)
{
    struct fs *fs = fs_mem_new();
    struct world w = world_begin(fs, DURABILITY_SYNC);
    struct log_open how = how_on(fs, false);
    struct fault fault = {.at = at, .once = once, .error = error};
    struct log *log = world_open_log(&w, &how);
    struct run run;
    struct err err;
    bool began;

    chance_state = 77;
    model_begin();
    fill(&w, log, 60);
    run_prepare(&run, log, 1 << 20);
    fs_mem_set_fault(fs, fault_call, &fault);
    began = log_clean(log, &run.clean);
    assert_true(began);
    assert_true(sim_run_until(w.sim, world_is_set, &run.done, WORLD_SOON));
    fs_mem_set_fault(fs, NULL, NULL);
    if (run.clean.complete && log_offline(log))
        fail_msg("a complete run on a disk that failed");
    if (!log_offline(log)) {
        check_nothing_lost(log);
        assert_int_equal(count_names(fs, ".cleaned") + count_names(fs, ".swap"), 0);
    }
    world_idle(&w, log);
    assert_int_equal(log_close(log, false, &err), STATUS_OK);
    world_end(&w);
    w = world_begin(fs, DURABILITY_SYNC);
    log = open_again(&w, false, -1);
    check_nothing_lost(log);
    assert_int_equal(count_names(fs, ".cleaned") + count_names(fs, ".swap") + count_names(fs, ".deleted"), 0);
    clean_all(&w, log, 1 << 20);
    check_log(log);
    log = reopen(&w, log, true);
    check_log(log);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
    return fault.calls >= at;
}

static void test_interrupted(void **state)
{
    for (unsigned at = 1; interrupted_life(at, false, EIO); at++)
        ;
    for (unsigned at = 1; interrupted_life(at, true, EIO); at++)
        ;
    for (unsigned at = 1; interrupted_life(at, true, ENOSPC); at++)
        ;
}

/* It may be stopped at any moment, and the log closes. */
static void test_stopped(void **state)
{
    for (int steps = 0; steps < 40; steps++) {
        struct fs *fs = fs_mem_new();
        struct world w = world_begin(fs, DURABILITY_SYNC);
        struct log_open how = how_on(fs, false);
        struct log *log = world_open_log(&w, &how);
        struct run run;

        chance_state = 5;
        model_begin();
        fill(&w, log, 60);
        run_prepare(&run, log, 1 << 20);
        run.clean.bytes_per_second = 1e6;
        assert_true(log_clean(log, &run.clean));
        sim_run(w.sim, (uint64_t)steps * 50);
        world_close_log(&w, log, true);
        assert_true(run.done);
        assert_int_equal(count_names(fs, ".cleaned") + count_names(fs, ".swap"), 0);
        log = world_open_log(&w, &how);
        check_nothing_lost(log);
        world_close_log(&w, log, true);
        world_end(&w);
        fs_free(fs);
    }
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_little_memory),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
