/* SPDX-License-Identifier: Apache-2.0
 * See checkpoints.h. A round: shard 0 mails every shard, each fills its rows, shard 0 hands them all to a job that writes the files.
 */
#include "broker/checkpoints.h"

#include "base/mem.h"
#include "broker/dirs.h"
#include "rt/io.h"
#include "rt/log.h"
#include "store/clean.h"

enum { RETRY_MS = 100 };

struct checkpoint_leg {
    struct mail mail;
    struct checkpoints *owner;
    unsigned shard;
    bool failed;
};

struct checkpoints {
    struct broker_shard *b;
    struct timer timer;
    struct io_job job;
    struct checkpoint_leg *legs;
    struct checkpoint_rows *rows; /* one set a shard */
    unsigned out;
    bool busy, again;
    bool failed; /* no memory for the last round */
    struct err *errs; /* one a log directory */
    uint64_t dirs; /* those that work */
    struct mail *stopped;
};

/* ---- rows ---- */

/* What is known of one that was not woken yet goes on to be known; of its high watermark, that it is not before what was synced. */
static struct checkpoint_row row_of(const struct broker_partition *bp)
{
    struct log *log = bp->partition ? partition_log(bp->partition) : NULL;
    struct checkpoint_row row = {.index = bp->key.index, .dir = bp->dir, .recovery = bp->recovery_point, .start = bp->log_start, .high_watermark = bp->recovery_point,
                                 .cleaned = bp->cleaned};

    if (log)
        row = (struct checkpoint_row){.index = bp->key.index, .dir = bp->dir, .recovery = log_recovery_point(log), .start = log_start_offset(log),
                                      .high_watermark = partition_high_watermark(bp->partition), .cleaned = log_cleaned_offset(log)};
    return row;
}

bool checkpoint_rows_add(struct checkpoint_rows *rows, const struct broker_partition *bp)
{
    struct checkpoint_row row = row_of(bp);

    if (row.recovery < 0 || row.start < 0) /* nothing is known */
        return true;
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity ? 2 * rows->capacity : 64;
        struct checkpoint_row *grown = mem_resize(rows->rows, capacity, sizeof *grown);

        if (!grown)
            return false;
        rows->rows = grown;
        rows->capacity = capacity;
    }
    row.topic = mem_copy(bp->topic.data, bp->topic.size);
    if (!row.topic)
        return false;
    rows->rows[rows->count++] = row;
    return true;
}

void checkpoint_rows_free(struct checkpoint_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        mem_free(rows->rows[i].topic);
    mem_free(rows->rows);
    *rows = (struct checkpoint_rows){0};
}

static int64_t row_recovery(const struct checkpoint_row *row)
{
    return row->recovery;
}

static int64_t row_start(const struct checkpoint_row *row)
{
    return row->start;
}

static int64_t row_high_watermark(const struct checkpoint_row *row)
{
    return row->high_watermark;
}

static int64_t row_cleaned(const struct checkpoint_row *row)
{
    return row->cleaned;
}

static const struct {
    const char *file;
    int64_t (*offset)(const struct checkpoint_row *row); /* -1: no line */
} checkpoint_files[] = {
    {"recovery-point-offset-checkpoint", row_recovery},
    {"log-start-offset-checkpoint", row_start}, /* all of them: one that Kafka would leave out tells whether the first segment is there */
    {"replication-offset-checkpoint", row_high_watermark},
    {"cleaner-offset-checkpoint", row_cleaned},
};

enum status checkpoint_rows_write(struct log_dir *log_dir, unsigned dir, const struct checkpoint_rows *sets, size_t sets_count, struct err *err)
{
    struct checkpoint_entry *entries;
    enum status s = STATUS_OK;
    size_t total = 0;

    for (size_t i = 0; i < sets_count; i++)
        total += sets[i].count;
    entries = mem_alloc(total, sizeof *entries);
    if (!entries)
        return err_set(err, STATUS_NO_MEMORY, "no memory for %zu checkpoints", total);
    for (size_t f = 0; s == STATUS_OK && f < sizeof checkpoint_files / sizeof *checkpoint_files; f++) {
        size_t count = 0;

        for (size_t i = 0; i < sets_count; i++)
            for (size_t j = 0; j < sets[i].count; j++) {
                const struct checkpoint_row *row = &sets[i].rows[j];
                int64_t offset = checkpoint_files[f].offset(row);

                if (offset >= 0 && row->dir == dir)
                    entries[count++] = (struct checkpoint_entry){str_from(row->topic), row->index, offset};
            }
        s = log_dir_write_checkpoint(log_dir, checkpoint_files[f].file, entries, count, err);
    }
    mem_free(entries);
    return s;
}

/* ---- rounds ---- */

static void checkpoints_round(struct shard *here, struct timer *timer);

static void checkpoints_arm(struct checkpoints *c)
{
    uint64_t wait_ms = (uint64_t)config_i64(c->b->broker->config, CONFIG_LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS);

    if (c->again || c->failed) /* the round that failed may have been one in a hurry */
        wait_ms = c->failed ? RETRY_MS : 0;
    c->again = false;
    timer_set(c->b->shard, &c->timer, shard_now_ms(c->b->shard) + wait_ms, checkpoints_round);
}

void checkpoints_hurry(struct checkpoints *c)
{
    c->again = true;
    if (!c->busy && !c->stopped)
        checkpoints_arm(c);
}

static void checkpoints_end(struct checkpoints *c)
{
    for (unsigned i = 0; i < c->b->broker->shards; i++)
        checkpoint_rows_free(&c->rows[i]);
    c->busy = false;
    if (c->stopped)
        shard_post(c->b->shard, c->b->shard, c->stopped);
    else
        checkpoints_arm(c);
}

static void checkpoints_write(struct io_job *job)
{
    struct checkpoints *c = LIST_ENTRY(job, struct checkpoints, job);

    const struct broker *broker = c->b->broker;

    for (unsigned i = 0; i < broker->dirs_count; i++)
        c->errs[i].status = c->dirs >> i & 1 ? checkpoint_rows_write(broker->dirs[i].log_dir, i, c->rows, broker->shards, &c->errs[i]) : STATUS_OK;
}

static void checkpoints_written(struct shard *here, struct io_job *job)
{
    struct checkpoints *c = LIST_ENTRY(job, struct checkpoints, job);

    for (unsigned i = 0; i < c->b->broker->dirs_count; i++) {
        c->failed |= c->errs[i].status == STATUS_NO_MEMORY;
        if (c->errs[i].status == STATUS_NO_MEMORY)
            log_line(LOG_ERROR, "checkpoints are not written", "reason=%s", c->errs[i].text);
        else if (c->errs[i].status)
            broker_dir_failed(c->b, i, &c->errs[i]);
    }
    checkpoints_end(c);
}

static void checkpoints_back(struct shard *here, struct mail *mail)
{
    struct checkpoints *c = LIST_ENTRY(mail, struct checkpoint_leg, mail)->owner;

    if (--c->out)
        return;
    for (unsigned i = 0; i < c->b->broker->shards; i++)
        if (c->legs[i].failed || c->stopped) {
            c->failed = c->legs[i].failed;
            checkpoints_end(c);
            return;
        }
    c->failed = false;
    c->dirs = 0;
    for (unsigned i = 0; i < c->b->broker->dirs_count; i++)
        c->dirs |= (uint64_t)!dir_is_offline(c->b, i) << i;
    c->job.work = checkpoints_write;
    c->job.done = checkpoints_written;
    io_job_submit(shard_io(here), &c->job);
}

static void checkpoints_collect(struct shard *here, struct mail *mail)
{
    struct checkpoint_leg *leg = LIST_ENTRY(mail, struct checkpoint_leg, mail);
    struct broker_shard *b = broker_at(here);

    leg->failed = false;
    for (struct broker_partition *bp = broker_partition_next(b, NULL); bp && !leg->failed; bp = broker_partition_next(b, bp))
        if (bp->life != PARTITION_ENDING)
            leg->failed = !checkpoint_rows_add(&leg->owner->rows[leg->shard], bp);
    leg->mail.run = checkpoints_back;
    shard_post(here, leg->owner->b->shard, &leg->mail);
}

static void checkpoints_round(struct shard *here, struct timer *timer)
{
    struct checkpoints *c = LIST_ENTRY(timer, struct checkpoints, timer);

    c->busy = true;
    c->out = c->b->broker->shards;
    for (unsigned i = 0; i < c->b->broker->shards; i++) {
        c->legs[i] = (struct checkpoint_leg){.mail.run = checkpoints_collect, .owner = c, .shard = i};
        shard_post(here, shard_peer(here, i), &c->legs[i].mail);
    }
}

struct checkpoints *checkpoints_new(struct broker_shard *b)
{
    struct checkpoints *c = mem_alloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->b = b;
    c->legs = mem_alloc(b->broker->shards, sizeof *c->legs);
    c->rows = mem_alloc(b->broker->shards, sizeof *c->rows);
    c->errs = mem_alloc(b->broker->dirs_count, sizeof *c->errs);
    if (!c->legs || !c->rows || !c->errs) {
        checkpoints_free(c);
        return NULL;
    }
    checkpoints_arm(c);
    return c;
}

void checkpoints_stop(struct checkpoints *c, struct mail *done)
{
    c->stopped = done;
    timer_cancel(c->b->shard, &c->timer);
    if (!c->busy)
        shard_post(c->b->shard, c->b->shard, done);
}

void checkpoints_free(struct checkpoints *c)
{
    mem_free(c->errs);
    mem_free(c->legs);
    mem_free(c->rows);
    mem_free(c);
}
