/* SPDX-License-Identifier: Apache-2.0
 * Logs with a journal, over many lives: each ends at some file operation by a kill or a power cut that leaves any of the states that it
 * may, and the next one, with another number of shards, finds everything that was acknowledged, and nothing that was never appended.
 */
#include <errno.h>

#include "base/crc32c.h"
#include "base/reader.h"
#include "sim/disk.h"
#include "store/journal.h"
#include "store/log_int.h"
#include "world.h"

enum { FEW = 4, LOGS = 48, SHARDS_MOST = 3, LIVES = 5, OFFSETS = 6000, JOURNAL = 128 << 10, OUTCOMES = 1 << 16, VALUE_MOST = 900 };

/* Of the batch at an offset (each is of one record) only its life is left open: what it holds follows from both. */
struct model_log {
    int64_t acked, end;
    uint8_t life[OFFSETS];
    uint8_t topic; /* a deleted log comes back with another id */
    bool gone;     /* between the two */
};

struct model {
    struct model_log logs[LOGS];
    unsigned count; /* of logs: a few, or more than are synced one by one */
    bool fresh;     /* logs that have no folder get it late */
    uint64_t random;
    uint8_t life;
};

static uint64_t draw(struct model *m, uint64_t bound)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (m->random >> 33) % bound;
}

static struct batch_spec spec_of(int64_t offset, uint8_t life)
{
    return (struct batch_spec){.base_offset = offset, .value_size = (size_t)((offset * 131 + life * 17) % VALUE_MOST), .timestamp = WORLD_WALL + offset * 10 + life};
}

/* --- a life ---------------------------------------------------------------------------------------------------------------- */

struct life {
    struct model *model;
    struct fs *disk;
    struct sim *sim;
    unsigned shards;
    struct log_dir *dir;
    struct store *stores[SHARDS_MOST];
    struct log *logs[LOGS];
    unsigned waiting;
    bool failed;
    uint64_t calls, crash_at; /* 0: never */
    bool cut;                 /* the power, not the process */
    struct fs *left;          /* what the crash leaves, and the model then */
    struct model then;
};

static int on_call(void *context, enum fs_call call, const char *path)
{
    static uint32_t outcomes[OUTCOMES];
    struct life *life = context;
    size_t count;
    uint64_t how;

    if (++life->calls != life->crash_at)
        return 0;
    life->then = *life->model;
    how = draw(&life->then, 4); /* nothing of what was not synced, all of it, or each by chance */
    count = life->cut ? disk_choices(life->disk, outcomes, OUTCOMES) : 0;
    assert_true(count < OUTCOMES);
    for (size_t i = 0; i < count; i++)
        outcomes[i] = how == 0 ? 0 : how == 1 ? outcomes[i] - 1 : (uint32_t)draw(&life->then, outcomes[i]);
    life->left = disk_crash(life->disk, life->cut ? outcomes : NULL);
    return 0;
}

/* Runs something on the shard of a log, and waits until it ran. */
struct errand {
    struct mail mail;
    void (*run)(struct life *life, unsigned which);
    struct life *life;
    unsigned which;
    bool done;
};

static void errand_run(struct shard *here, struct mail *mail)
{
    struct errand *errand = LIST_ENTRY(mail, struct errand, mail);

    errand->run(errand->life, errand->which);
    errand->done = true;
}

static void on_shard(struct life *life, unsigned which, void (*run)(struct life *life, unsigned which))
{
    struct errand errand = {.mail.run = errand_run, .run = run, .life = life, .which = which};

    shard_post(sim_shard(life->sim, 0), sim_shard(life->sim, which % life->shards), &errand.mail);
    assert_true(sim_run_until(life->sim, world_is_set, &errand.done, WORLD_SOON));
}

struct put {
    struct mail mail;
    struct log_append append;
    struct bytes_view batch;
    struct life *life;
    unsigned log;
};

static void put_done(struct shard *here, struct log_append *done)
{
    struct put *put = LIST_ENTRY(done, struct put, append);
    struct model_log *log = &put->life->model->logs[put->log];

    if (done->status) {
        put->life->failed = true;
    } else {
        assert_int_equal(log->acked, done->base_offset);
        log->acked = done->last_offset + 1;
    }
    put->life->waiting--;
    mem_free((void *)(uintptr_t)put->batch.data);
    mem_free(put);
}

static void put_arrived(struct shard *here, struct mail *mail)
{
    struct put *put = LIST_ENTRY(mail, struct put, mail);
    struct life *life = put->life;
    unsigned which = put->log;
    struct model_log *log = &life->model->logs[which];
    int64_t offset = log_end_offset(life->logs[which]);

    assert_true(offset < OFFSETS && offset == log->end);
    put->batch = world_batch(spec_of(offset, life->model->life));
    put->append = (struct log_append){.done = put_done, .bytes = put->batch, .base_offset = offset, .last_offset = offset,
                                      .max_timestamp = WORLD_WALL + offset, .max_timestamp_offset = offset};
    log->life[offset] = life->model->life;
    log->end = offset + 1;
    assert_true(log_reserve(life->logs[which]));
    log_append(life->logs[which], &put->append);
}

static void put_one(struct life *life, unsigned which)
{
    struct put *put = world_alloc(sizeof *put);

    put->life = life;
    put->log = which;
    put->mail.run = put_arrived;
    life->waiting++;
    shard_post(sim_shard(life->sim, 0), sim_shard(life->sim, which % life->shards), &put->mail);
}

static bool none_waiting(void *context)
{
    return ((struct life *)context)->waiting == 0;
}

static void log_path(char path[static 64], unsigned which)
{
    snprintf(path, 64, "/data/t%u-0", which);
}

static void open_one(struct life *life, unsigned which, const struct log_dir_entry *entry)
{
    static struct log_config config;
    struct log_open open = {.fs = life->disk, .topic_id = {{1, (uint8_t)which, life->model->logs[which].topic}}, .config = &config, .now_ms = WORLD_WALL,
                            .clean = log_dir_clean(life->dir), .fresh = life->model->fresh, .recovery_point = entry ? entry->recovery_point : -1, .log_start = -1};
    struct err err;
    char path[64];

    log_path(path, which);
    open.dir = path;
    config = world_config;
    config.segment_bytes = 40000;
    if (log_dir_recover(life->dir, strrchr(path, '/') + 1, open.topic_id, true, &open.recovery_point, &err) || log_open(&open, &life->logs[which], &err))
        fail_msg("%s", err.text);
    log_attach(life->logs[which], life->stores[which % life->shards]);
}

/* What is there is what the model says, and counts from now on. */
static void check_one(struct life *life, unsigned which)
{
    struct model_log *log = &life->model->logs[which];
    int64_t end = log_end_offset(life->logs[which]);
    uint8_t there[BATCH_OVERHEAD + VALUE_MOST + 64];

    if (end < log->acked || end > log->end)
        fail_msg("log %u ends at %lld, acknowledged were %lld of %lld", which, (long long)end, (long long)log->acked, (long long)log->end);
    for (int64_t offset = log_start_offset(life->logs[which]); offset < end; offset++) {
        struct bytes_view batch = world_batch(spec_of(offset, log->life[offset]));
        struct log_slice slice;
        struct err err;
        size_t got;
        assert_int_equal(log_read(life->logs[which], offset, offset + 1, 1, true, &slice, &err), STATUS_OK);
        assert_int_equal(slice.size, batch.size);
        assert_int_equal(file_read(slice.file, slice.position, there, batch.size, &got, &err), STATUS_OK);
        assert_memory_equal(there, batch.data, batch.size);
        file_unref(slice.file);
        mem_free((void *)(uintptr_t)batch.data);
    }
    log->acked = log->end = end;
}

static void life_begin(struct life *life, struct model *model, struct fs *disk, unsigned shards)
{
    const struct log_dir_entry *entries;
    struct err err;
    size_t count;

    *life = (struct life){.model = model, .disk = disk, .shards = shards};
    model->life++;
    if (log_dir_open(disk, "/data", &life->dir, &err) || log_dir_begin(life->dir, &err))
        fail_msg("life %u: %s", model->life, err.text);
    life->sim = sim_new(draw(model, 1 << 20), &(struct sim_options){.fs = disk, .shards = shards});
    for (unsigned i = 0; i < shards; i++) {
        life->stores[i] = store_new(sim_shard(life->sim, i), DURABILITY_SYNC);
        store_use_journal(life->stores[i], JOURNAL);
    }
    entries = log_dir_entries(life->dir, &count);
    for (unsigned which = 0; which < model->count; which++) {
        const struct log_dir_entry *entry = NULL;
        char path[64];
        log_path(path, which);
        for (size_t i = 0; i < count; i++) {
            if (strcmp(entries[i].name, path + sizeof "/data") == 0)
                entry = &entries[i];
        }
        if (model->logs[which].gone) {
            if (entry)
                assert_int_equal(log_dir_remove_partition(life->dir, entry->name, &err), STATUS_OK);
            model->logs[which] = (struct model_log){.topic = (uint8_t)(model->logs[which].topic + 1)};
            entry = NULL;
        }
        open_one(life, which, entry);
        check_one(life, which);
    }
    if (draw(model, 2)) /* else they stay, and the next life finds two sets */
        assert_int_equal(log_dir_recovered(life->dir, &err), STATUS_OK);
}

static void life_write_checkpoint(struct life *life, unsigned without)
{
    struct checkpoint_entry entries[LOGS];
    char names[LOGS][8];
    struct err err;

    for (unsigned i = 0; i < life->model->count; i++) {
        snprintf(names[i], sizeof names[i], "t%u", i);
        entries[i] = (struct checkpoint_entry){str_from(names[i]), 0, i == without ? 0 : log_recovery_point(life->logs[i])};
    }
    assert_int_equal(log_dir_write_checkpoint(life->dir, "recovery-point-offset-checkpoint", entries, life->model->count, &err), STATUS_OK);
}

static struct world_flag idle_flag;

static void ask_idle(struct life *life, unsigned which)
{
    log_when_idle(life->logs[which], &idle_flag.mail);
}

static void wait_idle(struct life *life, unsigned which)
{
    idle_flag = (struct world_flag){.mail.run = world_set_flag};
    on_shard(life, which, ask_idle);
    assert_true(sim_run_until(life->sim, world_is_set, &idle_flag.set, WORLD_SOON));
}

static void housekeep(struct life *life, unsigned which)
{
    log_housekeep(life->logs[which], WORLD_WALL);
}

/* A topic is deleted, and made again with another id. */
static void renew(struct life *life, unsigned which)
{
    enum status status;
    struct err err;
    char path[64];

    log_discard(life->logs[which]);
    wait_idle(life, which);
    life_write_checkpoint(life, which);
    assert_int_equal(log_close(life->logs[which], false, &err), STATUS_OK);
    log_path(path, which);
    life->model->logs[which].gone = true;
    status = log_dir_remove_partition(life->dir, path + sizeof "/data", &err);
    assert_true(status == STATUS_OK || (status == STATUS_NOT_FOUND && life->model->fresh));
    life->model->logs[which] = (struct model_log){.topic = (uint8_t)(life->model->logs[which].topic + 1)};
    open_one(life, which, NULL);
}

static void life_work(struct life *life, unsigned steps)
{
    disk_on_call(life->disk, on_call, life);
    for (unsigned step = 0; step < steps && !life->failed && !life->left; step++) {
        unsigned puts = 1 + (unsigned)draw(life->model, 12);
        for (unsigned i = 0; i < puts; i++)
            put_one(life, (unsigned)draw(life->model, life->model->count));
        if (draw(life->model, 3) == 0) {
            sim_run(life->sim, 300);
            put_one(life, 0);
        }
        assert_true(sim_run_until(life->sim, none_waiting, life, WORLD_SOON));
        if (draw(life->model, 20) == 0)
            life_write_checkpoint(life, LOGS);
        if (draw(life->model, 40) == 0)
            on_shard(life, (unsigned)draw(life->model, life->model->count), housekeep);
        if (draw(life->model, 150) == 0 && life->crash_at && !life->left)
            renew(life, (unsigned)draw(life->model, life->model->count));
    }
}

static bool journals_left(struct fs *fs)
{
    return fs_exists(fs, "/data/barnabas-journal.0") || fs_exists(fs, "/data/barnabas-journal.1") || fs_exists(fs, "/data/barnabas-journal.2");
}

static void life_end(struct life *life)
{
    struct err err;
    bool saved = true;

    for (unsigned i = 0; i < life->model->count; i++)
        wait_idle(life, i);
    life_write_checkpoint(life, LOGS);
    for (unsigned i = 0; i < life->model->count; i++)
        saved &= !log_close(life->logs[i], true, &err);
    for (unsigned i = 0; i < life->shards; i++)
        store_free(life->stores[i]);
    if (saved) {
        assert_int_equal(log_dir_recovered(life->dir, &err), STATUS_OK);
        assert_false(journals_left(life->disk));
        assert_int_equal(log_dir_mark_clean(life->dir, -1, &err), STATUS_OK);
    }
    disk_on_call(life->disk, NULL, NULL);
    log_dir_close(life->dir);
    sim_free(life->sim);
}

static unsigned journals_seen;

static void live(uint64_t seed, uint32_t unit)
{
    static struct model model;
    static struct life life;
    struct fs *disk = disk_new(seed, unit);

    memset(&model, 0, sizeof model);
    model.random = seed * 2654435761u + 1;
    model.count = seed % 4 / 2 ? LOGS : FEW;
    model.fresh = seed % 8 / 4;
    for (unsigned n = 0; n < LIVES; n++) {
        bool crashes = draw(&model, 6) != 0;
        life_begin(&life, &model, disk, 1 + (unsigned)draw(&model, SHARDS_MOST));
        life.crash_at = crashes ? 1 + draw(&model, draw(&model, 2) ? 2500 : 600) : 0;
        life.cut = draw(&model, 3) != 0;
        life_work(&life, crashes ? 400 : 60);
        life_end(&life);
        if (getenv("SEED"))
            print_message("life %u: crash=%llu cut=%d calls=%llu left=%d\n", model.life, (unsigned long long)life.crash_at, life.cut, (unsigned long long)life.calls, life.left != NULL);
        if (life.left) {
            model = life.then;
            fs_free(disk);
            disk = life.left;
            journals_seen += journals_left(disk);
        }
    }
    fs_free(disk);
}

static void test_lives(void **state)
{
    const char *one = getenv("SEED");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1, count = getenv("COUNT") ? strtoull(getenv("COUNT"), NULL, 10) : 40;

    for (uint64_t seed = first; seed < first + (one ? 1 : count); seed++) {
        live(seed, seed % 2 ? DISK_SECTOR : DISK_PAGE);
    }
    print_message("%u crashes left a journal\n", journals_seen);
}

/* --- what a disk may do to a journal --------------------------------------------------------------------------------------- */

#define FOLDER "/data/t-0"
#define SEGMENT FOLDER "/00000000000000000000.log"
#define JOURNAL_FILE "/data/barnabas-journal.0"

enum { PUTS = 300, GROUPS_MOST = 64 };

static const struct log_open plain = {.dir = FOLDER, .topic_id = {{9}}, .now_ms = WORLD_WALL, .recovery_point = -1, .log_start = -1};

static enum status plain_open(struct fs *fs, struct log **log, struct err *err)
{
    struct log_open open = plain;
    struct log_dir *dir;
    enum status status = log_dir_open(fs, "/data", &dir, err);

    if (status || log_dir_begin(dir, err))
        return err->status;
    open.fs = fs;
    open.config = &world_config;
    status = log_dir_recover(dir, strrchr(FOLDER, '/') + 1, open.topic_id, true, &open.recovery_point, err);
    if (!status)
        status = log_open(&open, log, err);
    if (!status)
        status = log_dir_recovered(dir, err);
    log_dir_close(dir);
    return status;
}

static enum status plain_put(struct world *w, struct log *log)
{
    return world_put(w, log, spec_of(log_end_offset(log), 1));
}

struct content {
    char *bytes;
    size_t size;
};

/* Without waiting until the log is idle, for then all of it is synced. */
static void plain_fill(struct world *w, struct log *log)
{
    for (unsigned i = 0; i < PUTS; i++) {
        enum status worst = STATUS_OK;
        unsigned done = 0;
        world_queue(log, spec_of(log_end_offset(log), 1), &done, &worst);
        while (!done)
            sim_run(w->sim, 100);
        assert_int_equal(worst, STATUS_OK);
    }
}

static struct content content_of(struct fs *fs, const char *path)
{
    struct content content;
    struct err err;

    assert_int_equal(fs_read_file(fs, path, 1 << 30, &content.bytes, &content.size, &err), STATUS_OK);
    return content;
}

/* The files of a log of PUTS batches, each a group of its own, as a power cut leaves them that takes all of the segment that it may. */
struct image {
    struct content journal, metadata, segment;
    struct { /* of the groups that are needed, oldest first */
        size_t at, size;
    } groups[GROUPS_MOST];
    size_t count, unneeded; /* where in the file a group begins that is not */
};

static uint64_t number(const char *at)
{
    struct reader r;

    reader_init(&r, at, 8);
    return (uint64_t)reader_i64(&r);
}

static void image_find(struct image *image)
{
    uint64_t last = 0, oldest = 0, position;

    for (size_t at = FS_BLOCK; at < image->journal.size; at += JOURNAL_ALIGN) {
        const char *group = image->journal.bytes + at;
        if (memcmp(group, "BNJ1", 4) == 0 && number(group + 16) > last) {
            last = number(group + 16);
            oldest = number(group + 24);
        }
    }
    image->count = last - oldest + 1;
    if (image->count <= 2 || image->count >= GROUPS_MOST)
        fail_msg("%zu groups are needed", image->count);
    for (size_t at = FS_BLOCK; at < image->journal.size; at += JOURNAL_ALIGN) {
        const char *group = image->journal.bytes + at;
        if (memcmp(group, "BNJ1", 4) != 0)
            continue;
        if (number(group + 16) < oldest) {
            image->unneeded = at;
            continue;
        }
        image->groups[number(group + 16) - oldest].at = at;
        image->groups[number(group + 16) - oldest].size = number(group + 32) >> 32;
    }
    assert_true(image->unneeded);
    position = number(image->journal.bytes + image->groups[0].at + JOURNAL_GROUP_HEAD + 24);
    assert_true(position < image->segment.size);
    image->segment.size = position;
}

static bool offline_seen;

static void note_offline(struct shard *here, const char *log_dir, const struct err *why)
{
    offline_seen = true;
}

static struct world plain_world(struct fs *fs)
{
    struct world w = world_begin(fs, DURABILITY_SYNC);

    store_use_journal(w.store, JOURNAL);
    store_on_offline(w.store, note_offline);
    offline_seen = false;
    return w;
}

static void image_make(struct image *image)
{
    struct fs *fs = fs_mem_new();
    struct world w = plain_world(fs);
    struct log *log;
    struct err err;

    memset(image, 0, sizeof *image);
    assert_int_equal(plain_open(fs, &log, &err), STATUS_OK);
    log_attach(log, w.store);
    plain_fill(&w, log);
    image->journal = content_of(fs, JOURNAL_FILE);
    image->metadata = content_of(fs, FOLDER "/partition.metadata");
    image->segment = content_of(fs, SEGMENT);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
    image_find(image);
}

static void image_free(struct image *image)
{
    mem_free(image->journal.bytes);
    mem_free(image->metadata.bytes);
    mem_free(image->segment.bytes);
}

static void put_file(struct fs *fs, const char *path, const struct content *content)
{
    struct err err;

    assert_int_equal(fs_write_file(fs, path, content->bytes, content->size, &err), STATUS_OK);
}

static struct fs *image_files(const struct image *image)
{
    struct fs *fs = fs_mem_new();
    struct err err;

    assert_int_equal(fs_mkdir(fs, FOLDER, &err), STATUS_OK);
    put_file(fs, FOLDER "/partition.metadata", &image->metadata);
    put_file(fs, SEGMENT, &image->segment);
    put_file(fs, JOURNAL_FILE, &image->journal);
    return fs;
}

/* The end of the log after recovery; -1: refused. */
static int64_t image_recover(const struct image *image, unsigned times)
{
    struct fs *fs = image_files(image);
    struct log *log;
    struct err err;
    int64_t end = -1;
    enum status status = STATUS_OK;

    for (unsigned i = 0; i < times && !status; i++) {
        put_file(fs, JOURNAL_FILE, &image->journal);
        status = plain_open(fs, &log, &err);
        if (!status) {
            end = log_end_offset(log);
            assert_int_equal(log_close(log, false, &err), STATUS_OK);
            assert_false(fs_exists(fs, JOURNAL_FILE));
        }
    }
    if (status)
        assert_int_equal(status, STATUS_CORRUPT);
    fs_free(fs);
    return status ? -1 : end;
}

static void test_torn_at_every_byte(void **state)
{
    struct image image;
    size_t at, size;

    image_make(&image);
    assert_int_equal(image_recover(&image, 1), PUTS);
    assert_int_equal(image_recover(&image, 3), PUTS);
    at = image.groups[image.count - 1].at;
    size = image.groups[image.count - 1].size;
    assert_true((at - 1) / FS_BLOCK == at / FS_BLOCK); /* it is in the block of the group before it */
    for (size_t i = 0; i < size; i++) {
        image.journal.bytes[at + i] ^= 0x20;
        assert_int_equal(image_recover(&image, 1), PUTS - 1);
        image.journal.bytes[at + i] ^= 0x20;
    }
    for (size_t i = size; i-- > 0;) { /* zeros from there on */
        image.journal.bytes[at + i] = 0;
        if (number(image.journal.bytes + at) >> 32 == JOURNAL_MAGIC || i < 4)
            assert_true(image_recover(&image, 1) >= PUTS - 1);
    }
    assert_int_equal(image_recover(&image, 1), PUTS - 1);
    image_free(&image);
}

static void test_broken_before_the_end(void **state)
{
    struct image image;

    image_make(&image);
    for (size_t i = 0; i + 1 < image.count; i++) {
        image.journal.bytes[image.groups[i].at + 50] ^= 1;
        assert_int_equal(image_recover(&image, 1), -1);
        image.journal.bytes[image.groups[i].at + 50] ^= 1;
    }
    image.journal.bytes[image.unneeded + 50] ^= 1;
    assert_int_equal(image_recover(&image, 1), PUTS);
    image.journal.bytes[5] ^= 1; /* the head */
    assert_int_equal(image_recover(&image, 1), -1);
    image.journal.bytes[5] ^= 1;
    image.segment.size--; /* synced bytes are gone */
    assert_int_equal(image_recover(&image, 1), -1);
    image_free(&image);
}

/* What says that there is to be a journal says how large: another size is none that was made whole. */
static void test_another_size(void **state)
{
    struct image image;

    image_make(&image);
    for (int more = -1; more <= 1; more++) {
        struct fs *fs = image_files(&image);
        struct content needed;
        char text[32];
        struct log *log;
        struct err err;

        needed.size = (size_t)snprintf(text, sizeof text, "%zu\n", image.journal.size - (size_t)more);
        needed.bytes = text;
        put_file(fs, JOURNAL_FILE JOURNAL_NEEDED, &needed);
        assert_int_equal(plain_open(fs, &log, &err), more ? STATUS_CORRUPT : STATUS_OK);
        assert_true(fs_exists(fs, JOURNAL_FILE) == (more != 0));
        if (!more)
            assert_int_equal(log_close(log, false, &err), STATUS_OK);
        fs_free(fs);
    }
    image_free(&image);
}

/* As if so many groups before it had been under way when it was written. */
static void say_before(struct image *image, size_t group, uint8_t before)
{
    char *at = image->journal.bytes + image->groups[group].at;
    uint32_t crc;

    at[JOURNAL_GROUP_HEAD - 4] = (char)before;
    crc = __builtin_bswap32(crc32c(at + 8, image->groups[group].size - 8));
    memcpy(at + 4, &crc, sizeof crc);
}

static void test_torn_before_a_whole_one(void **state)
{
    struct image image;
    size_t last;

    image_make(&image);
    last = image.count - 1;
    say_before(&image, last, 1);
    assert_int_equal(image_recover(&image, 1), PUTS);
    image.journal.bytes[image.groups[last - 1].at + 50] ^= 1;
    assert_int_equal(image_recover(&image, 1), PUTS - 2);
    assert_int_equal(image_recover(&image, 3), PUTS - 2);
    say_before(&image, last, 0);
    assert_int_equal(image_recover(&image, 1), -1);
    say_before(&image, last, 2);
    assert_int_equal(image_recover(&image, 1), PUTS - 2);
    image.journal.bytes[image.groups[last - 2].at + 50] ^= 1;
    assert_int_equal(image_recover(&image, 1), PUTS - 3);
    say_before(&image, last, 1);
    assert_int_equal(image_recover(&image, 1), -1);
    say_before(&image, last, 255); /* more than there were */
    assert_int_equal(image_recover(&image, 1), -1);
    image_free(&image);
}

/* Nothing is replayed after a clean stop; a folder that is gone is missed; records that somebody else wrote in their place are not. */
static void test_whose_records(void **state)
{
    struct image image;
    struct fs *fs;
    struct log *log;
    struct err err;
    struct bytes_view batch = world_batch(spec_of(0, 2));
    struct content other, nothing = {"", 0};

    image_make(&image);
    fs = image_files(&image);
    put_file(fs, "/data/.kafka_cleanshutdown", &nothing);
    assert_int_equal(plain_open(fs, &log, &err), STATUS_OK);
    assert_true(log_end_offset(log) < PUTS);
    assert_false(fs_exists(fs, JOURNAL_FILE));
    assert_int_equal(log_close(log, false, &err), STATUS_OK);
    fs_free(fs);

    fs = image_files(&image);
    assert_int_equal(fs_remove_tree(fs, FOLDER, &err), STATUS_OK);
    assert_int_equal(plain_open(fs, &log, &err), STATUS_CORRUPT); /* it had more than the journal has */
    assert_false(fs_exists(fs, FOLDER));
    fs_free(fs);

    other.size = image.segment.size + batch.size;
    other.bytes = world_alloc(other.size);
    memcpy(other.bytes, image.segment.bytes, image.segment.size);
    memcpy(other.bytes + image.segment.size, batch.data, batch.size);
    fs = image_files(&image);
    put_file(fs, SEGMENT, &other);
    assert_int_equal(plain_open(fs, &log, &err), STATUS_CORRUPT);
    fs_free(fs);
    mem_free(other.bytes);
    mem_free((void *)(uintptr_t)batch.data);
    image_free(&image);
}

/* --- what fails ------------------------------------------------------------------------------------------------------------ */

static int fail_journal(void *context, enum fs_call call, const char *path)
{
    return call == FS_CALL_WRITE && strstr(path, JOURNAL_PREFIX) ? *(int *)context : 0;
}

static void test_no_space_for_it(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = plain_world(fs);
    struct log *log;
    struct err err;
    int error = ENOSPC;

    fs_mem_set_fault(fs, fail_journal, &error);
    assert_int_equal(plain_open(fs, &log, &err), STATUS_OK);
    log_attach(log, w.store);
    for (unsigned i = 0; i < PUTS; i++)
        assert_int_equal(plain_put(&w, log), STATUS_OK);
    assert_false(fs_exists(fs, JOURNAL_FILE) || fs_exists(fs, JOURNAL_FILE ".tmp"));
    assert_false(offline_seen);
    world_close_log(&w, log, true);
    world_end(&w);
    fs_free(fs);
}

static void test_write_fails(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = plain_world(fs);
    struct log *log;
    struct err err;
    int error = EIO;

    assert_int_equal(plain_open(fs, &log, &err), STATUS_OK);
    log_attach(log, w.store);
    plain_fill(&w, log);
    assert_true(fs_exists(fs, JOURNAL_FILE));
    fs_mem_set_fault(fs, fail_journal, &error);
    assert_int_equal(plain_put(&w, log), STATUS_KAFKA_STORAGE_ERROR);
    fs_mem_set_fault(fs, NULL, NULL);
    assert_true(offline_seen);
    assert_int_equal(plain_put(&w, log), STATUS_KAFKA_STORAGE_ERROR);
    assert_int_not_equal(log_close(log, true, &err), STATUS_OK);
    world_end(&w);
    assert_true(fs_exists(fs, JOURNAL_FILE)); /* it may be needed */
    assert_int_equal(plain_open(fs, &log, &err), STATUS_OK);
    assert_true(log_end_offset(log) >= PUTS);
    assert_int_equal(log_close(log, false, &err), STATUS_OK);
    fs_free(fs);
}

static struct store *full;
static bool no_room;

static void look_for_space(struct shard *here, const char *log_dir)
{
}

static void look_again(struct world *w)
{
    store_space(full, "/data", &(struct store_space){.room = 1 << 20, .any = !no_room});
    sim_run(w->sim, 1000000);
}

/* A file system that copies what is written over may find no space for the journal: then it waits, as all else does; a stop ends all the same. */
static void full_journal(bool for_good)
{
    struct fs *fs = fs_mem_new();
    struct world w = plain_world(fs);
    struct world_flag idle = {.mail.run = world_set_flag};
    enum status worst = STATUS_OK;
    unsigned done = 0;
    struct log *log;
    struct err err;
    int error = ENOSPC;

    full = w.store;
    store_on_space(w.store, look_for_space);
    assert_int_equal(plain_open(fs, &log, &err), STATUS_OK);
    log_attach(log, w.store);
    plain_fill(&w, log);
    fs_mem_set_fault(fs, fail_journal, &error);
    world_queue(log, spec_of(log_end_offset(log), 1), &done, &worst);
    sim_run(w.sim, 1000000);
    assert_int_equal(done, 0);
    assert_false(log_take_room(log, 1));
    no_room = true;
    look_again(&w);
    assert_int_equal(done, 0);
    log_when_idle(log, &idle.mail);
    if (for_good) {
        look_again(&w);
        assert_true(idle.set && offline_seen && worst == STATUS_KAFKA_STORAGE_ERROR);
        fs_mem_set_fault(fs, NULL, NULL);
        assert_int_not_equal(log_close(log, true, &err), STATUS_OK);
    } else {
        no_room = false;
        fs_mem_set_fault(fs, NULL, NULL);
        look_again(&w);
        look_again(&w);
        assert_true(idle.set && !offline_seen && done == 1 && worst == STATUS_OK);
        assert_int_equal(log_durable_offset(log), PUTS + 1);
        assert_int_equal(log_close(log, true, &err), STATUS_OK);
    }
    world_end(&w);
    fs_free(fs);
}

static void test_full_for_a_while(void **state)
{
    full_journal(false);
}

static void test_full_for_good(void **state)
{
    full_journal(true);
}

/* --- many that roll -------------------------------------------------------------------------------------------------------- */

enum { MANY = 64 };

static int count_syncs(void *context, enum fs_call call, const char *path)
{
    *(unsigned *)context += call == FS_CALL_SYNC_DIR || (call == FS_CALL_SYNC && !strstr(path, JOURNAL_PREFIX));
    return 0;
}

static void put_to_all(struct world *w, struct log *const *logs, int64_t timestamp)
{
    enum status worst = STATUS_OK;
    unsigned done = 0;

    for (unsigned i = 0; i < MANY; i++)
        world_queue(logs[i], (struct batch_spec){.base_offset = log_end_offset(logs[i]), .timestamp = timestamp}, &done, &worst);
    while (done < MANY)
        sim_run(w->sim, 100);
    assert_int_equal(worst, STATUS_OK);
}

static void open_many(struct world *w, struct log **logs, const struct log_config *config, bool clean)
{
    char dir[MANY][32];

    for (unsigned i = 0; i < MANY; i++) {
        struct log_open how = plain;
        (void)snprintf(dir[i], sizeof dir[i], "/data/t-%u", i);
        how.fs = w->fs;
        how.dir = dir[i];
        how.config = config;
        how.clean = clean;
        logs[i] = world_open_log(w, &how);
    }
}

/* Logs that roll at one moment share their syncs; the new segments' files come when something is written to them, or when nothing comes. */
static void test_rolls_together(void **state)
{
    struct fs *fs = fs_mem_new();
    struct world w = plain_world(fs);
    struct log_config config = world_config;
    struct log *logs[MANY];
    unsigned syncs = 0;

    open_many(&w, logs, &config, false);
    for (unsigned i = 0; i < 3; i++)
        put_to_all(&w, logs, WORLD_WALL);
    assert_true(fs_exists(fs, JOURNAL_FILE));
    fs_mem_set_fault(fs, count_syncs, &syncs);
    config.segment_ms = config.retention_ms = 0;
    put_to_all(&w, logs, WORLD_WALL + 1);
    assert_true(syncs < MANY / 4);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(logs[i]->count, 2);
        assert_true(logs[i]->segments[0]->cold);
        assert_false(logs[i]->last->made);
        log_housekeep(logs[i], WORLD_WALL + 1000); /* the old one stays, until the new one is there; and that is too old, too */
        assert_int_equal(log_start_offset(logs[i]), 0);
    }
    sim_run(w.sim, 10000000);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(logs[i]->count, 3);
        assert_true(log__there(logs[i]));
        assert_int_equal(logs[i]->last->size, 0);
        log_housekeep(logs[i], WORLD_WALL + 1000);
        assert_int_equal(log_start_offset(logs[i]), 4);
    }
    for (unsigned i = 0; i < MANY; i++)
        world_close_log(&w, logs[i], true);
    world_end(&w);
    w = plain_world(fs);
    open_many(&w, logs, &config, true);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(log_end_offset(logs[i]), 4);
        world_close_log(&w, logs[i], true);
    }
    world_end(&w);
    fs_free(fs);
}

/* Logs that roll at one moment, and so long after it their directory fails, as when another shard's disk job failed. false: they were done before. */
static bool fail_while_rolling(uint64_t us)
{
    struct fs *fs = fs_mem_new();
    struct world w = plain_world(fs);
    struct log_config config = world_config;
    struct log *logs[MANY];
    enum status worst = STATUS_OK;
    unsigned done = 0;
    struct err err;
    bool under_way;

    open_many(&w, logs, &config, false);
    for (unsigned i = 0; i < 3; i++)
        put_to_all(&w, logs, WORLD_WALL);
    config.segment_ms = 0;
    for (unsigned i = 0; i < MANY; i++)
        world_queue(logs[i], (struct batch_spec){.base_offset = log_end_offset(logs[i]), .timestamp = WORLD_WALL + 1}, &done, &worst);
    sim_run(w.sim, us);
    under_way = done < MANY;
    store_fail_dir(w.store, "/data");
    sim_run(w.sim, WORLD_SOON);
    assert_int_equal(done, MANY);
    assert_int_equal(worst, under_way ? STATUS_KAFKA_STORAGE_ERROR : STATUS_OK);
    for (unsigned i = 0; i < MANY; i++)
        (void)(log_close(logs[i], false, &err) != STATUS_OK);
    world_end(&w);
    fs_free(fs);
    return under_way;
}

static void test_fails_while_rolling(void **state)
{
    uint64_t us = 0;

    while (fail_while_rolling(us))
        us += 10;
    assert_true(us > 100); /* at many moments */
}

/* --- what is taken over ---------------------------------------------------------------------------------------------------- */

enum { ROUNDS = 40, LOST_MOST = 600 };

static int lose_one(void *context, enum fs_call call, const char *path)
{
    unsigned *left = context;

    return call == FS_CALL_WRITE && strstr(path, JOURNAL_FILE) && *left && !--*left ? EIO : 0;
}

static void recover_many(struct fs *fs, const unsigned *acked)
{
    struct log_dir *dir;
    struct err err;

    assert_int_equal(log_dir_open(fs, "/data", &dir, &err), STATUS_OK);
    assert_int_equal(log_dir_begin(dir, &err), STATUS_OK);
    for (unsigned i = 0; i < MANY; i++) {
        struct log_open how = plain;
        char path[32];
        struct log *log;
        (void)snprintf(path, sizeof path, "/data/t-%u", i);
        how.fs = fs;
        how.dir = path;
        how.config = &world_config;
        if (log_dir_recover(dir, strrchr(path, '/') + 1, how.topic_id, true, &how.recovery_point, &err) || (fs_exists(fs, path) && log_open(&how, &log, &err)))
            fail_msg("%s", err.text);
        if (!fs_exists(fs, path)) {
            assert_int_equal(acked[i], 0);
            continue;
        }
        assert_true(log_end_offset(log) >= acked[i]);
        assert_int_equal(log_close(log, false, &err), STATUS_OK);
    }
    log_dir_close(dir);
}

/* One write of the journal is lost, while another beside it may not be: what was acknowledged is in that half or in the other. */
static bool lose(unsigned which)
{
    struct fs *fs = fs_mem_new();
    struct world w = plain_world(fs);
    struct log *logs[MANY];
    unsigned done[MANY] = {0}, acked[MANY] = {0}, left = which;
    enum status worst[MANY] = {STATUS_OK};
    struct err err;

    open_many(&w, logs, &world_config, false);
    fs_mem_set_fault(fs, lose_one, &left);
    for (unsigned i = 0; i < ROUNDS * MANY && !offline_seen; i++) {
        unsigned log = i % MANY;
        world_queue(logs[log], (struct batch_spec){.base_offset = log_end_offset(logs[log]), .value_size = 20, .timestamp = WORLD_WALL}, &done[log], &worst[log]);
        if (i % 4 == which % 4)
            sim_run(w.sim, 100);
        for (unsigned k = 0; k < MANY; k++)
            acked[k] = worst[k] ? acked[k] : done[k];
    }
    sim_run(w.sim, 1000000);
    for (unsigned k = 0; k < MANY; k++) {
        acked[k] = worst[k] ? acked[k] : done[k];
        (void)(log_close(logs[k], false, &err) != STATUS_OK);
    }
    world_end(&w);
    fs_mem_set_fault(fs, NULL, NULL);
    if (!left)
        recover_many(fs, acked);
    fs_free(fs);
    return !left;
}

/* What waits for the disk is much: it goes to the segment in blocks, behind what the journal took and nobody synced there. */
static void test_straight(void **state)
{
    enum { TOGETHER = 12 };
    struct fs *fs = disk_new(3, DISK_SECTOR);
    struct world w = plain_world(fs);
    struct bytes_view now, kept;
    struct log_slice slice;
    enum status worst = STATUS_OK;
    unsigned done = 0, padded = 0;
    struct log *log;
    int64_t end;
    struct err err;

    assert_int_equal(plain_open(fs, &log, &err), STATUS_OK);
    log_attach(log, w.store);
    plain_fill(&w, log);
    for (unsigned round = 0; round < 20; round++) {
        for (int left = TOGETHER; left; left -= !log->work->straight) { /* one by one: a large one may still be */
            end = log_end_offset(log);
            world_queue(log, spec_of(end, 1), &done, &worst);
            while (log->durable == end)
                sim_run(w.sim, 100);
        }
        assert_true(log->synced < log->durable); /* the journal has it */
        for (int i = 1; i <= TOGETHER; i++)
            world_queue(log, spec_of(end + i, 1), &done, &worst);
        while (log->durable <= end + TOGETHER)
            sim_run(w.sim, 100);
        assert_int_equal(worst, STATUS_OK);
        assert_int_equal(log->durable, end + 1 + TOGETHER);
        assert_true(log->synced > end && log->spilled == log->synced); /* the last few may be the journal's again */
        assert_true(disk_look(fs, SEGMENT, &now, &kept) && kept.size >= log->work->tail.from && kept.size < log->work->tail.from + FS_BLOCK);
        assert_memory_equal(now.data, kept.data, log->work->tail.from);
        padded += log->padded;
        for (int64_t offset = end; offset < log->durable; offset += 3) { /* from wherever it is */
            assert_int_equal(log_read(log, offset, INT64_MAX, 1 << 20, true, &slice, &err), STATUS_OK);
            assert_int_equal(slice.base_offset, offset);
            assert_true(slice.size > 0);
            file_unref(slice.file);
        }
    }
    assert_true(padded > 10);
    for (unsigned round = 0; round < 2; round++) { /* by turns to a clean stop, and to its rest */
        do {
            end = log_end_offset(log);
            for (int i = 0; i < TOGETHER; i++)
                world_queue(log, spec_of(end + i, 1), &done, &worst);
            while (log->durable < end + TOGETHER)
                sim_run(w.sim, 100);
        } while (!log->padded);
        for (unsigned i = 0; i < 4 && !round; i++) {
            log_housekeep(log, WORLD_WALL);
            sim_run(w.sim, 1000000);
        }
        assert_true(disk_look(fs, SEGMENT, &now, &kept) && (now.size == log_size(log)) == !round);
        assert_true(!!log->work == round);
    }
    end = log_end_offset(log);
    world_close_log(&w, log, true);
    assert_true(disk_look(fs, SEGMENT, &now, &kept) && now.size % FS_BLOCK != 0);
    assert_int_equal(plain_open(fs, &log, &err), STATUS_OK);
    assert_int_equal(log_end_offset(log), end);
    assert_int_equal(log_size(log), now.size);
    assert_int_equal(log_close(log, true, &err), STATUS_OK);
    world_end(&w);
    fs_free(fs);
}

static void test_lost_beside_another(void **state)
{
    unsigned which = 1;

    while (which < LOST_MOST && lose(which))
        which++;
    assert_true(which > 100); /* several laps */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torn_at_every_byte),
        cmocka_unit_test(test_torn_before_a_whole_one),
        cmocka_unit_test(test_broken_before_the_end),
        cmocka_unit_test(test_another_size),
        cmocka_unit_test(test_whose_records),
        cmocka_unit_test(test_no_space_for_it),
        cmocka_unit_test(test_write_fails),
        cmocka_unit_test(test_full_for_a_while),
        cmocka_unit_test(test_full_for_good),
        cmocka_unit_test(test_rolls_together),
        cmocka_unit_test(test_fails_while_rolling),
        cmocka_unit_test(test_straight),
        cmocka_unit_test(test_lost_beside_another),
        cmocka_unit_test(test_lives),
    };

    log_set_level(getenv("SEED") ? LOG_INFO : LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
