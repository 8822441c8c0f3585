/* SPDX-License-Identifier: Apache-2.0
 * What a log does about what the scrubber found in one of its cold segments: an index that is wrong is built anew from the batches, in a job; of batches that are bad
 * it is remembered that they are, so that they are not served from what is in memory either. A .log itself is not changed by itself.
 *
 * The job has the lane of the graves (trim.c), so that no file of a segment comes back that was just removed.
 */
#include "base/mem.h"
#include "rt/log.h"
#include "store/log_int.h"
#include "store/verify.h"
#include "store/warm.h"

enum { STEP_BYTES = 1 << 20 };

struct heal {
    struct io_job job;
    struct log *log;
    struct segment *fresh; /* gets the batches, and with them the indexes */
    int64_t limit, interval;
    enum status status;
    struct err err;
};

static void heal_found(void *context, const struct finding *finding)
{
    /* A hole: what reads is indexed. */
}

static void heal_seen(void *context, uint64_t position, const struct batch_head *head, struct bytes_view batch)
{
    struct heal *heal = context;

    heal->fresh->size = position;
    segment_note(heal->fresh, head, heal->interval);
}

static enum status heal_read(struct heal *heal, struct err *err)
{
    struct verify v = {.fs = heal->log->fs, .dir = heal->log->dir, .base = heal->fresh->base, .limit = heal->limit, .aside = true,
                       .found = heal_found, .seen = heal_seen, .context = heal};
    enum status status = verify_begin(&v, err);

    if (status)
        return status;
    for (bool more = true; more && !status;)
        status = verify_step(&v, STEP_BYTES, &more, err);
    verify_end(&v);
    return status || segment_seal(heal->fresh) ? status : err_set(err, STATUS_NO_MEMORY, "no memory for an index");
}

static void heal_work(struct io_job *job)
{
    struct heal *heal = LIST_ENTRY(job, struct heal, job);
    struct log *log = heal->log;

    heal->status = heal_read(heal, &heal->err);
    if (!heal->status)
        heal->status = segment_save(heal->fresh, log->fs, log->dir, &heal->err);
    if (!heal->status)
        heal->status = fs_sync_dir(log->fs, log->dir, &heal->err);
}

static struct segment *cold_segment(const struct log *log, int64_t base)
{
    struct segment *seg = log->segments[log__segment_at(log, base)];

    return seg->base == base && seg->cold ? seg : NULL;
}

/* What cannot be read is no reason to give the directory up, and neither is what there is no room for; what cannot be written is. */
static void heal_done(struct shard *here, struct io_job *job)
{
    struct heal *heal = LIST_ENTRY(job, struct heal, job);
    struct log *log = heal->log;
    struct segment *seg = cold_segment(log, heal->fresh->base);

    log->jobs--;
    if (heal->status)
        log_line(LOG_WARN, "indexes are not built anew", "dir=%s segment=%lld reason=%s", log->dir, (long long)heal->fresh->base, heal->err.text);
    else
        log_line(LOG_INFO, "indexes built anew", "dir=%s segment=%lld", log->dir, (long long)heal->fresh->base);
    if (seg && !heal->status) { /* the next reader opens the new ones */
        warm_forget(seg);
        segment_close(seg);
    }
    segment_free(heal->fresh);
    mem_free(heal);
    log__check_idle(log);
}

static void heal_indexes(struct log *log, const struct segment *seg)
{
    struct heal *heal = mem_alloc(1, sizeof *heal);

    if (!heal)
        return; /* the next round finds it again */
    heal->log = log;
    heal->fresh = segment_new(seg->base, 0);
    heal->limit = log->segments[log__segment_at(log, seg->base) + 1]->base;
    heal->interval = log->config->index_interval_bytes;
    if (!heal->fresh) {
        mem_free(heal);
        return;
    }
    log->jobs++;
    heal->job = (struct io_job){.work = heal_work, .done = heal_done, .lane = log};
    io_job_submit(shard_io(store__shard(log->store)), &heal->job);
}

void log_heal(struct log *log, int64_t base, const struct finding *finding)
{
    struct segment *seg = cold_segment(log, base);

    if (!seg || log__offline(log) || finding->status != STATUS_CORRUPT || log->clean) /* a compaction writes indexes of its own */
        return;
    if (strcmp(finding->suffix, ".log") != 0)
        heal_indexes(log, seg);
    else
        segment_settle(seg, finding->position, finding->position + finding->size, REGION_BAD);
}
