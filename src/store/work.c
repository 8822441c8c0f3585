/* SPDX-License-Identifier: Apache-2.0
 * When a log has what only a log that is written to needs (struct log_work), and when not: from the first append until log_housekeep finds that
 * nothing came since the last time, nothing is under way and all of it is synced.
 */
#include "base/mem.h"
#include "store/log_int.h"

bool log_reserve(struct log *log)
{
    struct log_work *work = log->work ? NULL : mem_alloc(1, sizeof *work);

    if (!work)
        return log->work;
    work->log = log;
    work->taken = log->end;
    work->flushed_ms = shard_now_ms(store__shard(log->store));
    list_init(&work->queue);
    list_init(&work->store_link);
    list_init(&work->tail_link);
    list_init(&work->sync_link);
    list_init(&work->journal_halves[0]);
    list_init(&work->journal_halves[1]);
    tail_init(&work->tail, log->written, store__tails(log->store));
    log->writing->tail = &work->tail;
    log->work = work;
    return true;
}

void log__work_free(struct log *log)
{
    if (!log->work)
        return;
    list_remove(&log->work->store_link);
    tail_free(&log->work->tail);
    log->writing->tail = NULL;
    mem_free(log->work);
    log->work = NULL;
}

void log__rest(struct log *log)
{
    const struct log_work *work = log->work;

    if (!work || log->idle || log__offline(log) || !log__idle(log) || journal_owes(log) || work->tail.first || !list_empty(&work->store_link) ||
        !list_empty(&work->tail_link) || !list_empty(&work->sync_link))
        return;
    journal_forget(log);
    log__work_free(log);
    store__rests(log->store);
}
