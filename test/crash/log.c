/* SPDX-License-Identifier: Apache-2.0
 * One partition in a log directory: appends in groups by idempotent and other producers, epochs, rolls, deleted records, checkpoints,
 * clean stops and starts.
 *
 * The model is what was appended, in order, and how far that was acknowledged. After a crash the log must hold a prefix of it that has
 * everything acknowledged, and all that is derived from the log (indexes, epochs, producers' state) must be what a plain scan gives.
 */
#include "crash.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/map.h"
#include "base/mem.h"
#include "partition/partition.h"
#include "sim/sim.h"
#include "store/dir.h"

enum {
    STEPS = 24, GROUP_MAX = 5, BATCHES_MAX = STEPS * (GROUP_MAX + 1), RECORDS_MAX = 4, VALUE_MAX = 700,
    PRODUCERS = 2, FIRST_PRODUCER = 100, PRODUCER_LAST = 5, /* batches that are known again */
    WINDOW_MS = 400,   /* of timestamps */
    JOURNAL = 64 << 10, /* not made before many commits; but a group of 1 KiB goes straight to the segment, in blocks */
    INTERRUPTED = 8,   /* one state in as many is also checked with power cuts during its first start, and with something broken */
};
static const int64_t WALL_MS = 1700000000000;
static const uint64_t SOON_US = 60000000;

struct log_batch {
    int64_t base, last, timestamp; /* timestamp: of its first record; each later one is 1 greater */
    int64_t producer_id;           /* -1: none */
    int32_t epoch, sequence;
    size_t size;
    uint32_t crc;                  /* of all its bytes */
};

struct log_model {
    struct log_batch batches[BATCHES_MAX];
    size_t count;
    int64_t acked, start; /* start: the greatest that DeleteRecords was told */
    int32_t epoch;
    int32_t sequences[PRODUCERS];
};

/* --- a partition that is open ---------------------------------------------------------------------------------------------- */

struct bench {
    struct fs *fs;
    struct log_dir *dir;
    struct partition *p;
    struct sim *sim;
    struct store *store;
};

static const struct partition_config config = {
    .log = {.segment_bytes = 6000, .segment_ms = 604800000, .segment_index_bytes = 10 << 20, .index_interval_bytes = 300, .retention_bytes = -1,
            .retention_ms = -1, .file_delete_delay_ms = 0, .deletes = true},
    .message_bytes_max = 5000, .decompressed_bytes_max = 1 << 20, .timestamp_before_max_ms = INT64_MAX, .timestamp_after_max_ms = INT64_MAX,
    .compression = -1, .producer_id_expiration_ms = 86400000};

static enum status bench_open(struct bench *b, struct fs *fs, int32_t epoch, struct err *err)
{
    struct partition_open how = {.fs = fs, .log_dir = "/data", .topic = STR_LIT("t"), .topic_id = {{1}}, .leader_epoch = epoch, .config = &config,
                                 .recovery_point = -1, .log_start = -1, .wall_ms = WALL_MS, .seed = 7};
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
    }
    status = log_dir_recover(b->dir, "t-0", how.topic_id, true, &how.recovery_point, err);
    if (!status)
        status = partition_open(&how, &b->p, err);
    if (status)
        log_dir_close(b->dir);
    return status;
}

static void bench_attach(struct bench *b, uint64_t seed)
{
    b->sim = sim_new(seed, &(struct sim_options){.fs = b->fs});
    b->store = store_new(sim_shard(b->sim, 0), DURABILITY_SYNC);
    ASSERT(b->store);
    if (seed % 2)
        store_use_journal(b->store, JOURNAL);
    partition_attach(b->p, sim_shard(b->sim, 0), b->store, NULL);
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
    struct checkpoint_entry entry = {STR_LIT("t"), 0, log_recovery_point(partition_log(b->p))};
    struct err err;
    enum status status = log_dir_write_checkpoint(b->dir, "recovery-point-offset-checkpoint", &entry, 1, &err);

    ASSERT(status == STATUS_OK);
    entry.offset = partition_start_offset(b->p);
    status = log_dir_write_checkpoint(b->dir, "log-start-offset-checkpoint", &entry, 1, &err);
    ASSERT(status == STATUS_OK);
}

static void bench_close(struct bench *b, bool clean)
{
    struct flag flag = {.mail.run = set_flag};
    struct checkpoint_entry entry = {STR_LIT("t"), 0, 0};
    int64_t start = partition_start_offset(b->p);
    struct err err;
    enum status status = STATUS_OK;
    bool saved = true;

    if (b->sim) {
        partition_stop(b->p, &flag.mail);
        saved = sim_run_until(b->sim, is_set, &flag.set, SOON_US);
        ASSERT(saved);
        entry.offset = log_recovery_point(partition_log(b->p));
    }
    saved = partition_close(b->p, clean);
    ASSERT(saved);
    if (clean)
        status = log_dir_write_checkpoint(b->dir, "recovery-point-offset-checkpoint", &entry, 1, &err);
    entry.offset = start;
    if (clean && !status)
        status = log_dir_write_checkpoint(b->dir, "log-start-offset-checkpoint", &entry, 1, &err);
    if (clean && !status)
        status = log_dir_mark_clean(b->dir, -1, &err);
    ASSERT(status == STATUS_OK);
    log_dir_close(b->dir);
    if (b->sim) {
        store_free(b->store);
        sim_free(b->sim);
    }
}

/* --- the run --------------------------------------------------------------------------------------------------------------- */

struct put {
    struct partition_append append;
    struct arena arena;
    uint8_t bytes[BATCH_OVERHEAD + RECORDS_MAX * (VALUE_MAX + 64)];
    struct crash *crash;
    struct log_model *model;
    unsigned *waiting;
};

static void put_done(struct shard *here, struct partition_append *append)
{
    struct put *put = (struct put *)(void *)append;

    if (append->status == STATUS_OK) {
        put->model->acked = append->log.last_offset + 1;
        put->crash->promise++;
    }
    --*put->waiting;
    arena_free(&put->arena);
    mem_free(put);
}

/* A batch that is not like any other. */
static struct bytes_view batch_fill(uint8_t *bytes, size_t capacity, struct crash *c, const struct log_batch *like, int32_t count)
{
    uint8_t value[VALUE_MAX];
    struct batch_builder b;

    batch_builder_init(&b, bytes, capacity, 0);
    for (int32_t i = 0; i < count; i++) {
        size_t size = crash_random(c, 3) ? crash_random(c, 60) : crash_random(c, VALUE_MAX);
        bool fits;
        memset(value, crash_random(c, 4) ? (int)crash_random(c, 256) : 0, size);
        fits = batch_builder_add(&b, i, like->timestamp + i, (struct bytes_view){NULL, 0}, (struct bytes_view){value, size}, (struct bytes_view){NULL, 0});
        ASSERT(fits);
    }
    return batch_builder_finish(&b, 0, -1, like->producer_id, like->producer_id < 0 ? -1 : 0, like->sequence);
}

static void put_one(struct crash *c, struct bench *b, struct log_model *model, unsigned *waiting)
{
    struct put *put = mem_alloc(1, sizeof *put);
    struct log_batch *batch = &model->batches[model->count++];
    int32_t count = 1 + (int32_t)crash_random(c, RECORDS_MAX);
    uint64_t producer = crash_random(c, PRODUCERS + 1);
    struct bytes_view bytes;

    ASSERT(put && model->count <= BATCHES_MAX);
    *batch = (struct log_batch){.timestamp = WALL_MS + (int64_t)crash_random(c, WINDOW_MS), .producer_id = -1, .sequence = -1, .epoch = model->epoch};
    if (producer < PRODUCERS) {
        batch->producer_id = FIRST_PRODUCER + (int64_t)producer;
        batch->sequence = model->sequences[producer];
        model->sequences[producer] += count;
    }
    bytes = batch_fill(put->bytes, sizeof put->bytes, c, batch, count);
    arena_init(&put->arena, 1 << 20);
    put->crash = c;
    put->model = model;
    put->waiting = waiting;
    ++*waiting;
    put->append = (struct partition_append){.done = put_done, .records = put->bytes, .size = bytes.size, .arena = &put->arena, .from_client = true};
    partition_append(b->p, &put->append);
    if (put->append.status) { /* its answer is on the way */
        model->count--;
        return;
    }
    batch->base = put->append.base_offset;
    batch->last = batch->base + count - 1;
    batch->size = bytes.size;
    batch->crc = crc32c(put->bytes, bytes.size);
}

static bool none_waiting(void *context)
{
    return *(unsigned *)context == 0;
}

static void wait_for(struct bench *b, unsigned *waiting)
{
    bool all = sim_run_until(b->sim, none_waiting, waiting, SOON_US);

    ASSERT(all);
}

static void put_group(struct crash *c, struct bench *b, struct log_model *model)
{
    uint64_t count = 1 + crash_random(c, GROUP_MAX);
    unsigned waiting = 0;

    for (uint64_t i = 0; i < count; i++)
        put_one(c, b, model, &waiting);
    if (crash_random(c, 3) == 0) { /* more arrive while the first are on their way */
        sim_run(b->sim, 20);
        put_one(c, b, model, &waiting);
    }
    wait_for(b, &waiting);
}

static void delete_some(struct crash *c, struct bench *b, struct log_model *model)
{
    int64_t start = partition_start_offset(b->p), low;
    int64_t to = start + (int64_t)crash_random(c, (uint64_t)(partition_high_watermark(b->p) - start) + 1);
    enum status status = partition_delete_records(b->p, to, &low);

    ASSERT(status == STATUS_OK && low == to);
    model->start = to;
    if (crash_random(c, 2))
        bench_checkpoint(b);
    partition_housekeep(b->p, WALL_MS);
    sim_run(b->sim, 10000);
    partition_housekeep(b->p, WALL_MS + 1);
    sim_run(b->sim, 10000);
}

/* A start found the log to end here: that counts from now on, whether it was acknowledged or not. */
static void model_found(struct crash *c, struct log_model *model, int64_t end)
{
    ASSERT(end >= model->acked);
    model->acked = end;
    c->promise++;
    while (model->count && model->batches[model->count - 1].last >= end) {
        const struct log_batch *gone = &model->batches[--model->count];
        if (gone->producer_id >= 0)
            model->sequences[gone->producer_id - FIRST_PRODUCER] = gone->sequence;
    }
}

static void restart(struct crash *c, struct bench *b, struct log_model *model, bool clean)
{
    struct fs *fs = b->fs;
    struct err err = {0};
    enum status status;

    bench_close(b, clean);
    status = bench_open(b, fs, model->epoch, &err);
    if (status)
        fprintf(stderr, "%s\n", err.text);
    ASSERT(status == STATUS_OK);
    model_found(c, model, partition_end_offset(b->p));
    bench_attach(b, crash_random(c, UINT64_MAX));
}

/* Appends that fail with their sync; the process is started again, the system is not. */
static void fail_sync(struct crash *c, struct bench *b, struct log_model *model)
{
    uint32_t keeps = crash_random(c, 2) ? 1000000 : 0;

    disk_set_faults(b->fs, &(struct disk_faults){.sync_keeps = keeps, .sync_drops = 1000000 - keeps});
    put_group(c, b, model);
    disk_set_faults(b->fs, &(struct disk_faults){0});
    restart(c, b, model, false);
}

static void step(struct crash *c, struct bench *b, struct log_model *model)
{
    switch (crash_random(c, 14)) {
    case 0:
        partition_set_leader_epoch(b->p, ++model->epoch);
        break;
    case 1:
        delete_some(c, b, model);
        break;
    case 2:
        bench_checkpoint(b);
        break;
    case 3:
        restart(c, b, model, true);
        break;
    case 4:
        restart(c, b, model, false);
        break;
    case 5:
        fail_sync(c, b, model);
        break;
    default:
        put_group(c, b, model);
        break;
    }
}

static void log_run(struct crash *c, struct fs *disk, void **out)
{
    struct log_model *model = mem_alloc(1, sizeof *model);
    struct err err = {0};
    struct bench b;
    enum status status;

    ASSERT(model);
    *out = model;
    status = bench_open(&b, disk, 0, &err);
    ASSERT(status == STATUS_OK);
    bench_attach(&b, c->seed);
    for (int i = 0; i < STEPS; i++)
        step(c, &b, model);
    bench_close(&b, true);
    mem_free(model);
}

/* --- the check ------------------------------------------------------------------------------------------------------------- */

/* What a plain scan of the files finds: the batches [first, end) of the model, and where each is. */
struct found {
    size_t first, end;
    int64_t last_segment;         /* base of the last one that has a batch */
    uint64_t position[BATCHES_MAX];
};

static bool scan_batches(struct crash *c, const struct log_model *model, int64_t base, struct bytes_view bytes, struct found *found)
{
    struct batch_head head;
    uint64_t at = 0;
    size_t size;

    for (; batch_head_read((struct bytes_view){bytes.data + at, bytes.size - at}, &head) &&
           batch_check_crc((struct bytes_view){bytes.data + at, bytes.size - at}, &size) == STATUS_OK; at += size) {
        const struct log_batch *batch;
        if (found->first == found->end) { /* the first of all */
            while (found->first < model->count && model->batches[found->first].base != base)
                found->first++;
            found->end = found->first;
        }
        batch = &model->batches[found->end];
        if (found->end == model->count || batch->size != size || batch->crc != crc32c(bytes.data + at, size))
            return crash_failure(c, "segment %lld has at byte %llu another batch (offset %lld) than was appended", (long long)base, (unsigned long long)at,
                                 (long long)head.base_offset);
        found->position[found->end++] = at;
        found->last_segment = base;
    }
    return true;
}

static bool scan_files(struct crash *c, const struct log_model *model, const struct bench *b, struct found *found)
{
    const char *dir = log_directory(partition_log(b->p));
    char path[FS_PATH_MAX], **names, *content;
    struct err err = {0};
    size_t count, size;
    bool ok = true;

    *found = (struct found){0};
    if (fs_list(b->fs, dir, &names, &count, &err))
        return crash_failure(c, "%s", err.text);
    for (size_t i = 0; i < count && ok; i++) {
        if (strlen(names[i]) != 24 || strcmp(names[i] + 20, ".log") != 0)
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        if (fs_read_file(b->fs, path, 1 << 24, &content, &size, &err)) {
            ok = crash_failure(c, "%s", err.text);
            break;
        }
        ok = scan_batches(c, model, strtoll(names[i], NULL, 10), (struct bytes_view){(uint8_t *)content, size}, found);
        mem_free(content);
    }
    mem_free(names);
    return ok;
}

/* Nothing acknowledged is lost, duplicated or in another order. */
static bool check_offsets(struct crash *c, const struct log_model *model, struct log *log, const struct found *found)
{
    int64_t start = log_start_offset(log), end = log_end_offset(log);

    if (end < model->acked)
        return crash_failure(c, "the log ends at %lld, but %lld was acknowledged", (long long)end, (long long)model->acked);
    if (start > model->start)
        return crash_failure(c, "the log starts at %lld, but records were deleted to %lld only", (long long)start, (long long)model->start);
    if (found->end == found->first)
        return start == end || crash_failure(c, "no batches, but offsets %lld to %lld", (long long)start, (long long)end);
    if (model->batches[found->first].base > start)
        return crash_failure(c, "the log starts at %lld, its first batch at %lld", (long long)start, (long long)model->batches[found->first].base);
    if (model->batches[found->end - 1].last + 1 != end)
        return crash_failure(c, "the log ends at %lld, its last batch at %lld", (long long)end, (long long)model->batches[found->end - 1].last);
    return true;
}

/* invariant 20: offsets */
static bool check_reads(struct crash *c, const struct log_model *model, struct log *log, const struct found *found)
{
    for (size_t i = found->first; i < found->end; i++) {
        const struct log_batch *batch = &model->batches[i];
        for (int64_t offset = batch->base; offset <= batch->last; offset++) {
            struct log_slice slice;
            struct err err = {0};
            enum status status;
            if (offset < log_start_offset(log))
                continue;
            status = log_read(log, offset, INT64_MAX, 100, true, &slice, &err);
            if (slice.file)
                file_unref(slice.file);
            if (status || !slice.size || slice.base_offset > batch->base || slice.position > found->position[i] ||
                (offset == batch->base && slice.position != found->position[i]))
                return crash_failure(c, "offset %lld reads from byte %llu (%s), but is at %llu", (long long)offset, (unsigned long long)slice.position,
                                     status_name(status), (unsigned long long)found->position[i]);
        }
    }
    return true;
}

/* invariant 20: the first record at or after a time */
static bool check_time(struct crash *c, const struct log_model *model, struct log *log, const struct found *found, int64_t time)
{
    int64_t expected = -1, offset, timestamp;
    int32_t epoch;
    struct err err = {0};

    for (size_t i = found->first; i < found->end && expected < 0; i++) {
        const struct log_batch *batch = &model->batches[i];
        int64_t delta = time > batch->timestamp ? time - batch->timestamp : 0;
        if (batch->base + delta < log_start_offset(log))
            delta = log_start_offset(log) - batch->base;
        if (batch->base + delta <= batch->last)
            expected = batch->base + delta;
    }
    if (log_find_timestamp(log, time, &offset, &timestamp, &epoch, &err))
        return crash_failure(c, "time %lld: %s", (long long)time, err.text);
    if (offset != expected)
        return crash_failure(c, "time %lld is found at offset %lld, but is at %lld", (long long)time, (long long)offset, (long long)expected);
    return true;
}

static bool check_times(struct crash *c, const struct log_model *model, struct log *log, const struct found *found)
{
    for (int64_t time = 0; time <= WINDOW_MS + RECORDS_MAX; time += 50) {
        if (!check_time(c, model, log, found, WALL_MS + time))
            return false;
    }
    return true;
}

/* invariant 11 */
static bool check_epochs(struct crash *c, const struct log_model *model, struct log *log, const struct found *found)
{
    for (size_t i = found->first; i < found->end; i++) {
        const struct log_batch *batch = &model->batches[i];
        int64_t expected = log_end_offset(log), end;
        int32_t epoch;
        if (batch->last < log_start_offset(log))
            continue;
        for (size_t j = i; j < found->end && expected == log_end_offset(log); j++)
            expected = model->batches[j].epoch > batch->epoch ? model->batches[j].base : expected;
        log_epoch_end(log, batch->epoch, &epoch, &end);
        if (epoch != batch->epoch || end != expected || log_epoch_at(log, batch->last) != batch->epoch)
            return crash_failure(c, "epoch %d of offset %lld: known as %d, ends at %lld (%d), not at %lld", batch->epoch, (long long)batch->last,
                                 log_epoch_at(log, batch->last), (long long)end, epoch, (long long)expected);
    }
    return true;
}

static bool check_log(struct crash *c, const struct log_model *model, const struct bench *b, struct found *found)
{
    struct log *log = partition_log(b->p);

    return scan_files(c, model, b, found) && check_offsets(c, model, log, found) && check_reads(c, model, log, found) &&
           check_times(c, model, log, found) && check_epochs(c, model, log, found);
}

/* Whether every file of `a` is the same in `b`. A time index that a clean stop has ended is one entry longer than one that was built anew. */
static bool check_same(struct crash *c, struct fs *a, struct fs *b, const char *dir)
{
    char path[FS_PATH_MAX], **names, *one, *other;
    size_t count, size, other_size;
    struct err err = {0};
    bool same = true;

    if (fs_list(a, dir, &names, &count, &err))
        return crash_failure(c, "%s", err.text);
    for (size_t i = 0; i < count && same; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        if (strstr(path, ".timeindex"))
            continue;
        if (fs_read_file(a, path, 1 << 24, &one, &size, &err)) {
            same = check_same(c, a, b, path);
            continue;
        }
        if (fs_read_file(b, path, 1 << 24, &other, &other_size, &err)) {
            same = crash_failure(c, "a second start: %s", err.text);
        } else {
            if (size != other_size || memcmp(one, other, size) != 0)
                same = crash_failure(c, "a second start changes %s, %zu and %zu bytes", path, size, other_size);
            mem_free(other);
        }
        mem_free(one);
    }
    mem_free(names);
    return same;
}

/* What a second start finds, also when the power fails right after the first: the same. */
static bool check_again(struct crash *c, const struct log_model *model, struct bench *b, struct found *found)
{
    uint32_t outcomes[1024];
    size_t count = disk_choices(b->fs, outcomes, 1024);
    int64_t start = partition_start_offset(b->p), end = partition_end_offset(b->p);
    struct bench again;
    struct err err = {0};
    struct fs *cut;
    bool ok;

    memset(outcomes, 0, count * sizeof *outcomes);
    cut = disk_crash(b->fs, outcomes);
    ok = !bench_open(&again, cut, model->epoch, &err) || crash_failure(c, "a second start: %s", err.text);
    if (ok) {
        if (partition_end_offset(again.p) != end || partition_start_offset(again.p) != start)
            ok = crash_failure(c, "a second start finds offsets %lld to %lld instead of %lld to %lld", (long long)partition_start_offset(again.p),
                               (long long)partition_end_offset(again.p), (long long)start, (long long)end);
        ok = ok && check_same(c, b->fs, cut, "/data") && check_same(c, cut, b->fs, "/data") && (!found || check_log(c, model, &again, found));
        bench_close(&again, false);
    }
    fs_free(cut);
    return ok;
}

struct answer {
    struct partition_append append;
    bool done;
};

static void answered(struct shard *here, struct partition_append *append)
{
    ((struct answer *)(void *)append)->done = true;
}

/* Produces a batch of `count` records; the offset that it gets, or minus the status. */
static int64_t produce(struct bench *b, const struct log_batch *like, int32_t count)
{
    uint8_t bytes[BATCH_OVERHEAD + RECORDS_MAX * 64];
    struct batch_builder builder;
    const struct bytes_view none = {NULL, 0};
    struct answer answer = {.done = false};
    struct bytes_view batch;
    struct arena arena;
    bool ok = true;

    batch_builder_init(&builder, bytes, sizeof bytes, 0);
    for (int32_t i = 0; i < count; i++)
        ok = ok && batch_builder_add(&builder, i, like->timestamp + i, none, none, none);
    ASSERT(ok);
    batch = batch_builder_finish(&builder, 0, -1, like->producer_id, 0, like->sequence);
    arena_init(&arena, 1 << 20);
    answer.append = (struct partition_append){.done = answered, .records = bytes, .size = batch.size, .arena = &arena, .from_client = true};
    partition_append(b->p, &answer.append);
    ok = sim_run_until(b->sim, is_set, &answer.done, SOON_US);
    ASSERT(ok);
    arena_free(&arena);
    return answer.append.status ? -(int64_t)answer.append.status : answer.append.base_offset;
}

/* invariant 16, of one producer: the last five batches of the last segment are answered as they were, and the next one is taken. */
static bool check_producer(struct crash *c, const struct log_model *model, struct bench *b, const struct found *found, int64_t id)
{
    struct log_batch next;
    unsigned known = 0;
    int64_t offset, end;

    for (size_t i = found->end; i-- > found->first && known < PRODUCER_LAST;) {
        const struct log_batch *batch = &model->batches[i];
        if (batch->producer_id != id)
            continue;
        if (known && batch->base < found->last_segment)
            break;
        if (!known++) {
            next = *batch;
            next.sequence += (int32_t)(batch->last - batch->base) + 1;
        }
        offset = produce(b, batch, (int32_t)(batch->last - batch->base) + 1);
        if (offset != batch->base)
            return crash_failure(c, "producer %lld: sequence %d is at offset %lld, but is answered with %lld", (long long)id, batch->sequence,
                                 (long long)batch->base, (long long)offset);
    }
    end = partition_end_offset(b->p);
    offset = known ? produce(b, &next, 1) : end;
    return offset == end || crash_failure(c, "producer %lld: the next sequence %d gets %lld instead of offset %lld", (long long)id, next.sequence,
                                          (long long)offset, (long long)end);
}

static bool check_producers(struct crash *c, const struct log_model *model, struct bench *b, const struct found *found)
{
    bench_attach(b, c->point);
    for (int64_t id = FIRST_PRODUCER; id < FIRST_PRODUCER + PRODUCERS; id++) {
        if (!check_producer(c, model, b, found, id))
            return false;
    }
    return true;
}

/* Power cuts while the first start goes on. */
struct interrupted {
    struct crash *crash;
    const struct log_model *model;
    struct fs *fs;
    struct found *found;
    bool ok;
};

static int interrupt(void *context, enum fs_call call, const char *path)
{
    struct interrupted *it = context;
    uint32_t outcomes[1024];
    struct err err = {0};
    struct bench b;
    struct fs *cut;

    if (!it->ok || call == FS_CALL_OPEN || call == FS_CALL_READ || call == FS_CALL_LIST || call == FS_CALL_SIZE || call == FS_CALL_LOCK)
        return 0;
    for (unsigned way = 0; way < 3 && it->ok; way++) {
        size_t count = disk_choices(it->fs, outcomes, 1024);
        for (size_t i = 0; i < count; i++)
            outcomes[i] = way == 0 ? 0 : way == 1 ? (i + it->crash->point) % 2 * (outcomes[i] - 1) : (i + it->crash->point + 1) % 2 * (outcomes[i] - 1);
        cut = disk_crash(it->fs, outcomes);
        it->ok = !bench_open(&b, cut, it->model->epoch, &err) || crash_failure(it->crash, "a start after an interrupted one: %s", err.text);
        if (it->ok) {
            it->ok = check_log(it->crash, it->model, &b, it->found);
            bench_close(&b, false);
        }
        fs_free(cut);
    }
    return 0;
}

static bool check_interrupted(struct crash *c, const struct log_model *model, struct fs *disk, struct found *found)
{
    struct interrupted it = {.crash = c, .model = model, .fs = disk_crash(disk, NULL), .found = found, .ok = true};
    struct err err = {0};
    struct bench b;

    disk_on_call(it.fs, interrupt, &it);
    if (bench_open(&b, it.fs, model->epoch, &err))
        it.ok = it.ok && crash_failure(c, "%s", err.text);
    else
        bench_close(&b, false);
    fs_free(it.fs);
    return it.ok;
}

/* Beyond what is promised: something on the disk breaks. Then a start may refuse, but neither end in disorder nor show what was never written. */
static bool check_rot(struct crash *c, const struct log_model *model, struct fs *disk)
{
    static const char *const suffixes[] = {".log", ".index", ".timeindex", ".snapshot", "checkpoint", ".metadata"};
    uint64_t hash = disk_hash(disk) / INTERRUPTED;
    struct fs *broken = disk_crash(disk, NULL);
    struct log_slice slice;
    struct err err = {0};
    struct bench b;
    bool ok = true;

    if (disk_rot(broken, hash & 1 ? DISK_FLIP : DISK_ZERO, suffixes[hash / 2 % (sizeof suffixes / sizeof *suffixes)]) &&
        !bench_open(&b, broken, model->epoch, &err)) {
        struct log *log = partition_log(b.p);
        int64_t end = model->count ? model->batches[model->count - 1].last + 1 : 0, offset, time;
        int32_t epoch;
        if (log_start_offset(log) > log_end_offset(log))
            ok = crash_failure(c, "a broken log starts at %lld and ends at %lld", (long long)log_start_offset(log), (long long)log_end_offset(log));
        for (int64_t at = log_start_offset(log); at < end && !log_read(log, at, INT64_MAX, 100, true, &slice, &err); at++) {
            if (slice.file)
                file_unref(slice.file);
        }
        (void)!log_find_timestamp(log, WALL_MS + WINDOW_MS / 2, &offset, &time, &epoch, &err);
        bench_close(&b, false);
    }
    fs_free(broken);
    return ok;
}

static bool log_check(struct crash *c, const void *context, struct fs *disk)
{
    const struct log_model *model = context;
    static struct found found;
    struct bench b;
    struct err err = {0};
    bool ok;

    if (disk_hash(disk) % INTERRUPTED == 0 && (!check_interrupted(c, model, disk, &found) || !check_rot(c, model, disk)))
        return false;
    if (bench_open(&b, disk, model->epoch, &err))
        return crash_failure(c, "%s", err.text);
    ok = check_log(c, model, &b, &found) && check_again(c, model, &b, &found) &&
         check_producers(c, model, &b, &found) && check_again(c, model, &b, NULL);
    bench_close(&b, false);
    return ok;
}

const struct crash_workload crash_log = {"log", log_run, log_check};
