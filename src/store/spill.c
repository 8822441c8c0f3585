/* SPDX-License-Identifier: Apache-2.0
 * The tail's way into the segment: in large pieces, long after its bytes were acknowledged, and one at a time for each log.
 *
 * It is spilled when it is large, when all tails together are, when the log is to be synced (the journal wants its space back, or the log is idle or
 * closed), and before a commit that writes the segment itself: that one is held until the tail is empty. Journaled commits go on meanwhile.
 */
#include "store/log_int.h"

static enum status spill_open(struct spill *s, struct err *err)
{
    char path[FS_PATH_MAX];

    if (s->file)
        return STATUS_OK;
    if (segment_path(path, s->log->dir, s->base, ".log", err))
        return err->status;
    return fs_open(s->log->fs, path, FS_WRITE, &s->file, err);
}

static enum status spill_files(struct spill *s, struct err *err)
{
    if (spill_open(s, err) || tail_write(s->log->tail.chunks, s->chunks, s->file, s->from, s->to, err))
        return err->status;
    if (s->sync)
        return file_sync(s->file, err);
    file_begin_sync(s->file, s->from, s->to - s->from); /* piece by piece: all at once, later, would hold up the journal */
    return STATUS_OK;
}

static void spill_work(struct io_job *job)
{
    struct spill *s = LIST_ENTRY(job, struct spill, job);

    s->status = spill_files(s, &s->log->err);
}

static void spill_done(struct shard *here, struct io_job *job)
{
    struct spill *s = LIST_ENTRY(job, struct spill, job);
    struct log *log = s->log;

    s->busy = false;
    log->jobs--;
    if (s->status) {
        store__failed(log, &log->err);
    } else {
        tail_cut(&log->tail, s->to);
        if (s->file && !log->writing->file)
            log->writing->file = file_ref(s->file);
        if (s->sync && log->synced < s->end)
            log->synced = s->end;
        journal_synced(log);
    }
    if (s->file)
        file_unref(s->file);
    log__spill_go_on(log);
    log__check_idle(log);
}

static void spill_start(struct log *log)
{
    struct spill *s = &log->spill;

    s->job = (struct io_job){.work = spill_work, .done = spill_done};
    s->log = log;
    s->busy = true;
    s->sync = log->spill_syncs;
    s->base = log->writing->base;
    s->file = log->writing->file ? file_ref(log->writing->file) : NULL;
    s->from = log->tail.from;
    s->to = log->tail.end;
    s->chunks = log->tail.count;
    s->end = log->durable;
    log->spill_syncs = false;
    log->jobs++;
    io_job_submit(shard_io(store__shard(log->store)), &s->job);
}

/* The commit that writes the file itself, and another spill, come first. */
static bool file_is_free(const struct log *log)
{
    return !log->spill.busy && (!log->direct || log->held);
}

static bool tail_is_empty(const struct log *log)
{
    return log->tail.from == log->tail.end;
}

void log__spill_go_on(struct log *log)
{
    bool offline = store__offline(log->home);

    if (!file_is_free(log))
        return;
    if (log->held && log->commits == 1 && (offline || tail_is_empty(log)))
        log__commit_submit(log);
    else if (!offline && ((log->held && !tail_is_empty(log)) || (log->spill_syncs && log->synced < log->durable)))
        spill_start(log);
}

void log__spill(struct log *log)
{
    if (file_is_free(log) && !store__offline(log->home) && !tail_is_empty(log))
        spill_start(log);
}

void log__sync(struct log *log)
{
    log->spill_syncs = true;
    log__spill_go_on(log);
}
