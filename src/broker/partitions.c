/* SPDX-License-Identifier: Apache-2.0
 * See partitions.h.
 */
#include "broker/partitions.h"

#include "base/bug.h"
#include "base/mem.h"
#include "broker/checkpoints.h"
#include "broker/config_shared.h"
#include "broker/dirs.h"
#include "broker/metadata_int.h"
#include "broker/moving.h"
#include "broker/topics.h"
#include "rt/io.h"
#include "rt/log.h"

enum {
    WAKE_AGAIN_MS = 100,     /* after there was no memory for it */
    WAKE_FULL_MS = 1000,     /* after there was no space for it */
    WAKE_ALL_PAUSE_MS = 1,   /* between one and the next, in the background */
};

struct closing {
    struct mail stopped;
    struct io_job job;
    struct broker_shard *b;
    struct broker_partition *bp;
    struct log_dir *dir; /* NULL: it does not work, and the folder stays */
    struct metadata_receipt *receipt;
    struct err err;
};

/* While it is WAKING. */
struct opening {
    struct io_job job;
    struct broker_shard *b;
    struct broker_partition *bp;
    struct partition_open how;
    struct partition *partition;
    struct mail *first, **last;      /* those who wait */
    struct metadata_receipt *receipt; /* NULL: none */
    struct closing *closing;         /* the topic was deleted meanwhile; NULL: no */
    bool background;
    struct err err;
};

/* ---- finding ---- */

unsigned broker_partition_shard(const struct broker *broker, struct uuid topic_id, int32_t index)
{
    struct { struct uuid topic_id; int32_t index; } key = {topic_id, index};

    return (unsigned)(hash_bytes(0, &key, sizeof key) % broker->shards);
}

struct broker_partition *broker_partition_any(struct broker_shard *b, struct uuid topic_id, int32_t index)
{
    struct { struct uuid topic_id; int32_t index; } key = {topic_id, index};
    struct map_node *node = map_get(&b->partitions, &key, sizeof key);

    return node ? MAP_ENTRY(node, struct broker_partition, node) : NULL;
}

static bool partition_offline(const struct broker_shard *b, const struct broker_partition *bp)
{
    return dir_is_offline(b, bp->dir);
}

struct partition *broker_partition(struct broker_shard *b, struct uuid topic_id, int32_t index, enum status *why)
{
    struct broker_partition *bp = broker_partition_any(b, topic_id, index);

    *why = STATUS_OK;
    if (bp && bp->life == PARTITION_AWAKE && !partition_offline(b, bp))
        return bp->partition;
    *why = bp && (bp->life == PARTITION_BROKEN || partition_offline(b, bp)) ? STATUS_KAFKA_STORAGE_ERROR : STATUS_NOT_LEADER_OR_FOLLOWER;
    return NULL;
}

unsigned broker_partition_dir(struct broker_shard *b, struct uuid topic_id, int32_t index)
{
    struct broker_partition *bp = broker_partition_any(b, topic_id, index);

    return bp ? bp->dir : DIR_UNKNOWN;
}

struct broker_partition *broker_partition_next(struct broker_shard *b, struct broker_partition *after)
{
    struct map_node *node = after ? map_next(&b->partitions, &after->node) : map_first(&b->partitions);

    return node ? MAP_ENTRY(node, struct broker_partition, node) : NULL;
}

/* ---- there, asleep ---- */

/* After an unclean stop it was looked at: what its files lack now, they have lost. When that is so of all of them, they may be scrubbed. */
static void partition_judged(struct broker_shard *b, struct broker_partition *bp)
{
    if (!bp->doubtful)
        return;
    bp->doubtful = false;
    if (--b->doubtful == 0 && !b->stopped)
        broker_judged(b);
}

/* What there is of it after an unclean stop is known, and whole, or it is gone. When that is so of all of them, the journals that tell it may go. */
static void partition_known(struct broker_shard *b, struct broker_partition *bp)
{
    partition_judged(b, bp);
    if (!bp->unknown)
        return;
    bp->unknown = false;
    if (--b->unknown == 0 && !b->stopped)
        broker_recovered(b);
}

static void partition_lives(struct broker_shard *b, struct broker_partition *bp, enum partition_life life)
{
    b->lives[bp->life]--;
    b->lives[life]++;
    bp->life = life;
}

void broker_partition_count(struct broker_shard *b, struct broker_partition *bp)
{
    b->partitions_held.held -= bp->counted;
    bp->counted = bp->partition ? (uint32_t)partition_memory(bp->partition) : 0;
    b->partitions_held.held += bp->counted;
}

static struct broker_partition *partition_make(struct broker_shard *b, const struct image_topic *topic, int32_t index)
{
    struct broker_partition *bp = mem_alloc(1, sizeof *bp);
    char *name = mem_copy(topic->name.data, topic->name.size);

    if (bp && name) {
        bp->topic = (struct str_view){name, topic->name.size};
        bp->key.topic_id = topic->id;
        bp->key.index = index;
        bp->recovery_point = bp->log_start = bp->cleaned = -1;
        list_init(&bp->asleep);
        if (map_put(&b->partitions, &bp->node, &bp->key, sizeof bp->key)) {
            b->lives[PARTITION_ASLEEP]++;
            return bp;
        }
    }
    mem_free(bp);
    mem_free(name);
    return NULL;
}

static struct broker_partition *partition_new(struct broker_shard *b, const struct image_topic *topic, int32_t index)
{
    struct mem_user *user = mem_enter(&b->partitions_held);
    struct broker_partition *bp = partition_make(b, topic, index);

    (void)mem_enter(user);
    return bp;
}

static void partition_free(struct broker_shard *b, struct broker_partition *bp)
{
    struct mem_user *user;

    partition_known(b, bp);
    list_remove(&bp->asleep);
    config_unshare(&b->configs, bp->config);
    map_remove(&b->partitions, &bp->node);
    b->lives[bp->life]--;
    b->partitions_held.held -= bp->counted;
    user = mem_enter(&b->partitions_held);
    mem_free((char *)(uintptr_t)bp->topic.data);
    mem_free(bp);
    (void)mem_enter(user);
}

void receipt_less(struct metadata_receipt *receipt)
{
    if (--receipt->pending == 0)
        receipt->applied(receipt);
}

/* A coordinator is to be there before somebody looks for it. */
static bool partition_coordinates(const struct broker_partition *bp)
{
    return str_is(bp->topic, OFFSETS_TOPIC);
}

/* ---- waking ---- */

bool broker_configure_partition(struct broker_shard *b, struct broker_partition *bp)
{
    struct partition_config config;
    const struct partition_config *shared;

    config_topic(b->broker->config, b->image, bp->topic, &config);
    shared = config_share(&b->configs, &config);
    if (!shared)
        return false;
    if (bp->partition)
        partition_configure(bp->partition, shared);
    config_unshare(&b->configs, bp->config);
    bp->config = shared;
    return true;
}

/* Where it is, and what is known of it there. */
static void partition_place(struct broker_shard *b, const struct broker_partition *bp, struct partition_open *how)
{
    const struct image_topic *topic = image_topic_by_id(b->image, bp->key.topic_id); /* NULL: it was deleted meanwhile */

    *how = (struct partition_open){.fs = b->broker->fs,
                                   .log_dir = b->broker->dirs[bp->dir].path,
                                   .topic = bp->topic,
                                   .topic_id = bp->key.topic_id,
                                   .index = bp->key.index,
                                   .leader_epoch = topic ? image_partition(topic, bp->key.index)->leader_epoch : 0,
                                   .config = bp->config,
                                   .fresh = !bp->folder,
                                   .clean = bp->clean != BUG(KAFKA_673),
                                   .recovery_point = bp->recovery_point,
                                   .log_start = bp->log_start,
                                   .cleaned = bp->cleaned,
                                   .wall_ms = shard_wall_ms(b->shard),
                                   .seed = shard_random(b->shard)};
}

/* false: no memory. */
static bool partition_describe(struct broker_shard *b, struct broker_partition *bp, struct partition_open *how)
{
    if (!broker_configure_partition(b, bp))
        return false;
    partition_place(b, bp, how);
    return true;
}

void broker_folder_name(char folder[static FOLDER_NAME_SIZE], struct str_view topic, int32_t index)
{
    snprintf(folder, FOLDER_NAME_SIZE, STR_FMT "-%d", STR_ARG(topic), index);
}

static enum status partition_try(struct log_dir *dir, struct partition_open *how, const char *folder, bool durable, struct partition **partition, struct err *err)
{
    enum status status;

    how->checkpointed = how->recovery_point;
    status = log_dir_recover(dir, folder, how->topic_id, durable, &how->recovery_point, err);
    return status ? status : partition_open(how, partition, err);
}

/* A folder of that name with another topic's id is of a topic that was deleted while the node was down, or its id rotted. */
static enum status partition_load(struct log_dir *dir, struct partition_open *how, bool durable, struct partition **partition, struct err *err)
{
    char folder[FOLDER_NAME_SIZE];
    enum status status;

    broker_folder_name(folder, how->topic, how->index);
    status = partition_try(dir, how, folder, durable, partition, err);
    if (status != STATUS_INCONSISTENT_TOPIC_ID)
        return status;
    status = log_dir_put_aside(dir, folder, err);
    how->recovery_point = how->log_start = how->cleaned = -1; /* were that one's, too */
    how->fresh = true;
    return status ? status : partition_try(dir, how, folder, durable, partition, err);
}

static void opening_work(struct io_job *job)
{
    struct opening *o = LIST_ENTRY(job, struct opening, job);

    if (o->err.status == STATUS_OK)
        o->err.status = partition_load(o->b->broker->dirs[o->bp->dir].log_dir, &o->how, true, &o->partition, &o->err);
}

/* What the metadata said while it was opened is heeded, too. false: no memory. */
static bool partition_serve(struct broker_shard *b, struct broker_partition *bp, struct partition *partition)
{
    const struct image_topic *topic = image_topic_by_id(b->image, bp->key.topic_id);

    bp->partition = partition;
    partition_lives(b, bp, PARTITION_AWAKE);
    bp->folder = true;
    partition_known(b, bp);
    partition_attach(partition, b->shard, b->store, &b->producers);
    broker_partition_count(b, bp);
    if (topic) {
        if (!broker_configure_partition(b, bp))
            return false;
        partition_set_leader_epoch(partition, image_partition(topic, bp->key.index)->leader_epoch);
    }
    return !partition_coordinates(bp) || b->groups_stopped || partition_offline(b, bp) || groups_partition_opened(b->groups, bp->key.index, partition);
}

static void wake_all_later(struct broker_shard *b, uint64_t not_before_ms);

/* A partition whose files are broken does not serve; the others do. A disk that does not work fails as a whole. */
static void partition_refused(struct broker_shard *b, struct broker_partition *bp, const struct err *err)
{
    partition_lives(b, bp, PARTITION_BROKEN);
    log_line(LOG_ERROR, "partition does not open", "topic=%.*s partition=%d reason=%s", STR_ARG(bp->topic), bp->key.index, err->text);
    if (err->status == STATUS_IO)
        broker_dir_failed(b, bp->dir, err);
    if (!fs_may_retry(err->status) || partition_offline(b, bp)) {
        partition_judged(b, bp);
        return;
    }
    partition_lives(b, bp, PARTITION_ASLEEP); /* it is not known to be broken */
    bp->again_ms = shard_now_ms(b->shard) + (err->status == STATUS_NO_SPACE ? WAKE_FULL_MS : WAKE_AGAIN_MS);
    if (!bp->folder && !partition_coordinates(bp))
        return;
    list_push_back(&b->asleep, &bp->asleep);
    wake_all_later(b, 0);
}

static void closing_start(struct closing *c);
static void partition_halt(struct broker_shard *b, struct broker_partition *bp);
static void halted(struct broker_shard *b);

/* What this shard has no memory to do for its metadata: it cannot go on. The next start does it. */
static void shard_starved(struct broker_shard *b, const struct broker_partition *bp)
{
    struct err err;

    (void)err_set(&err, STATUS_NO_MEMORY, "no memory for the coordinator of partition " STR_FMT "-%d", STR_ARG(bp->topic), bp->key.index);
    b->broker->failed(b->shard, &err);
}

static void opening_done(struct shard *here, struct io_job *job)
{
    struct opening *o = LIST_ENTRY(job, struct opening, job);
    struct broker_partition *bp = o->bp;
    struct broker_shard *b = o->b;
    struct mail *next;

    bp->opening = NULL;
    if (o->err.status)
        partition_refused(b, bp, &o->err);
    else if (!partition_serve(b, bp, o->partition))
        shard_starved(b, bp);
    for (struct mail *mail = o->first; mail; mail = next) {
        next = mail->next;
        mail->run(here, mail);
    }
    if (o->receipt)
        receipt_less(o->receipt);
    if (o->closing)
        closing_start(o->closing);
    else if (b->stopped && bp->life == PARTITION_AWAKE)
        partition_halt(b, bp);
    if (o->background)
        wake_all_later(b, 0);
    if (b->stopped)
        halted(b);
    mem_free(o);
}

/* From now on who asks for it waits. NULL: no memory. */
static struct opening *opening_new(struct broker_shard *b, struct broker_partition *bp)
{
    struct opening *o = mem_alloc(1, sizeof *o);

    if (!o || !partition_describe(b, bp, &o->how)) {
        mem_free(o);
        return NULL;
    }
    o->job = (struct io_job){.work = opening_work, .done = opening_done};
    o->b = b;
    o->bp = bp;
    o->last = &o->first;
    bp->opening = o;
    partition_lives(b, bp, PARTITION_WAKING);
    list_remove(&bp->asleep);
    return o;
}

/* STATUS_NO_MEMORY: it is asleep as before. */
static enum status partition_wake(struct broker_shard *b, struct broker_partition *bp, struct metadata_receipt *receipt, bool background)
{
    struct opening *o = opening_new(b, bp);

    if (!o) {
        bp->again_ms = shard_now_ms(b->shard) + WAKE_AGAIN_MS;
        return STATUS_NO_MEMORY;
    }
    o->receipt = receipt;
    o->background = background;
    io_job_submit(shard_io(b->shard), &o->job);
    return STATUS_OK;
}

bool broker_partition_wakes(struct broker_shard *b, struct uuid topic_id, int32_t index, struct mail *mail)
{
    struct broker_partition *bp = broker_partition_any(b, topic_id, index);

    if (!bp || bp->life == PARTITION_AWAKE || partition_offline(b, bp))
        return false;
    if (bp->life == PARTITION_ASLEEP && !b->stopped && shard_now_ms(b->shard) >= bp->again_ms && partition_wake(b, bp, NULL, false))
        return false;
    if (bp->life != PARTITION_WAKING)
        return false;
    if (mail) {
        mail->next = NULL;
        *bp->opening->last = mail;
        bp->opening->last = &mail->next;
    }
    return true;
}

/* ---- resting, while it moves ---- */

enum status broker_partition_rest(struct broker_shard *b, struct broker_partition *bp, struct mail *rested)
{
    if (!opening_new(b, bp))
        return STATUS_NO_MEMORY;
    if (!bp->partition) {
        shard_post(b->shard, b->shard, rested);
        return STATUS_OK;
    }
    if (partition_coordinates(bp))
        groups_partition_closing(b->groups, bp->key.index);
    partition_stop(bp->partition, rested);
    return STATUS_OK;
}

void broker_partition_resume(struct broker_shard *b, struct broker_partition *bp, bool owed)
{
    struct opening *o = bp->opening;

    partition_place(b, bp, &o->how);
    if (owed) {
        b->unsaved |= (uint64_t)1 << (bp->dir % DIRS_MAX); /* after a clean stop the journal would not be read */
        (void)err_set(&o->err, STATUS_KAFKA_STORAGE_ERROR, "its files lack what the journal has, which the next start gives them");
    } else if (partition_offline(b, bp)) {
        (void)err_set(&o->err, STATUS_KAFKA_STORAGE_ERROR, "its log directory is offline");
    }
    io_job_submit(shard_io(b->shard), &o->job);
}

/* ---- waking all ---- */

static void wake_one(struct shard *here, struct timer *timer)
{
    struct broker_shard *b = LIST_ENTRY(timer, struct broker_shard, waker);
    struct list *node = list_pop_front(&b->asleep);
    struct broker_partition *bp = node ? LIST_ENTRY(node, struct broker_partition, asleep) : NULL;

    if (!bp)
        return;
    if (shard_now_ms(here) >= bp->again_ms && !partition_wake(b, bp, NULL, true))
        return;
    list_push_back(&b->asleep, &bp->asleep);
    wake_all_later(b, bp->again_ms);
}

static void wake_all_later(struct broker_shard *b, uint64_t not_before_ms)
{
    uint64_t soon_ms = shard_now_ms(b->shard) + WAKE_ALL_PAUSE_MS;

    if (!b->stopped)
        timer_set(b->shard, &b->waker, soon_ms > not_before_ms ? soon_ms : not_before_ms, wake_one);
}

void broker_wake_all(struct broker_shard *b)
{
    if (!b->unknown)
        broker_recovered(b);
    if (!b->doubtful)
        broker_judged(b);
    wake_all_later(b, 0);
}

/* ---- beginning ---- */

/* It may have been killed before it had a folder. */
static bool partition_journaled(const struct broker_shard *b, const struct broker_partition *bp)
{
    char folder[FOLDER_NAME_SIZE];

    broker_folder_name(folder, bp->topic, bp->key.index);
    return log_dir_recovers(b->broker->dirs[bp->dir].log_dir, folder, bp->key.topic_id);
}

enum status broker_add_partition(struct broker_shard *b, const struct image_topic *topic, int32_t index, unsigned dir, const struct log_dir_entry *entry,
                                 struct metadata_receipt *receipt, struct err *err)
{
    struct broker_partition *bp = partition_new(b, topic, index);

    if (bp)
        bp->dir = (uint8_t)dir;
    if (bp && partition_offline(b, bp))
        return STATUS_OK;
    if (bp && entry) {
        bp->clean = log_dir_clean(b->broker->dirs[dir].log_dir);
        bp->recovery_point = entry->recovery_point;
        bp->log_start = entry->log_start;
        bp->cleaned = entry->cleaned;
    }
    if (bp && (entry || (!receipt && partition_journaled(b, bp)))) {
        bp->folder = true;
        bp->unknown = bp->doubtful = !bp->clean;
        b->unknown += bp->unknown;
        b->doubtful += bp->doubtful;
        list_push_back(&b->asleep, &bp->asleep);
    }
    if (bp && (!partition_coordinates(bp) || !partition_wake(b, bp, receipt, false))) {
        if (receipt && bp->life == PARTITION_WAKING)
            receipt->pending++;
        return STATUS_OK;
    }
    return err_set(err, STATUS_NO_MEMORY, "no memory for partition " STR_FMT "-%d", STR_ARG(topic->name), index);
}

/* ---- ending: the topic was deleted ---- */

static void closing_work(struct io_job *job)
{
    struct closing *c = LIST_ENTRY(job, struct closing, job);
    char folder[FOLDER_NAME_SIZE];

    if (c->bp->partition)
        (void)partition_close(c->bp->partition, false);
    broker_folder_name(folder, c->bp->topic, c->bp->key.index);
    c->err.status = c->dir ? log_dir_remove_partition(c->dir, folder, &c->err) : STATUS_OK;
}

static void closing_done(struct shard *here, struct io_job *job)
{
    struct closing *c = LIST_ENTRY(job, struct closing, job);
    struct metadata_receipt *receipt = c->receipt;

    if (c->err.status && c->err.status != STATUS_NOT_FOUND) /* never written to */
        log_line(LOG_ERROR, "folder of a deleted partition stays", "topic=%.*s partition=%d reason=%s", STR_ARG(c->bp->topic), c->bp->key.index, c->err.text);
    if (c->err.status == STATUS_IO)
        broker_dir_failed(c->b, c->bp->dir, &c->err);
    partition_free(c->b, c->bp);
    mem_free(c);
    receipt_less(receipt);
}

static void closing_stopped(struct shard *here, struct mail *mail)
{
    struct closing *c = LIST_ENTRY(mail, struct closing, stopped);

    if (!partition_offline(c->b, c->bp))
        c->dir = c->b->broker->dirs[c->bp->dir].log_dir;
    c->job.work = closing_work;
    c->job.done = closing_done;
    io_job_submit(shard_io(here), &c->job);
}

static void closing_begin(struct closing *c)
{
    struct broker_shard *b = c->b;
    struct broker_partition *bp = c->bp;

    partition_lives(b, bp, PARTITION_ENDING);
    list_remove(&bp->asleep);
    if (bp->partition && partition_coordinates(bp))
        groups_partition_closing(b->groups, bp->key.index);
    if (bp->partition) {
        partition_discard(bp->partition);
        partition_stop(bp->partition, &c->stopped);
    } else {
        shard_post(b->shard, b->shard, &c->stopped);
    }
}

/* A move lets go of it first. */
static void closing_start(struct closing *c)
{
    partition_lives(c->b, c->bp, PARTITION_ENDING);
    if (c->bp->move)
        move_gives_way(c->bp->move, c);
    else
        closing_begin(c);
}

void broker_partition_close(struct closing *c)
{
    closing_begin(c);
}

enum status broker_end_partition(struct broker_shard *b, struct broker_partition *bp, struct metadata_receipt *receipt, struct err *err)
{
    struct closing *c;

    if (bp->life == PARTITION_ASLEEP && !bp->folder && !bp->move) {
        partition_free(b, bp);
        return STATUS_OK;
    }
    c = mem_alloc(1, sizeof *c);
    if (!c)
        return err_set(err, STATUS_NO_MEMORY, "no memory to close partition " STR_FMT "-%d", STR_ARG(bp->topic), bp->key.index);
    *c = (struct closing){.b = b, .bp = bp, .receipt = receipt, .stopped.run = closing_stopped};
    receipt->pending++;
    if (bp->life == PARTITION_WAKING)
        bp->opening->closing = c;
    else
        closing_start(c);
    return STATUS_OK;
}

/* ---- its log directory failed ---- */

void broker_dir_lost(struct broker_shard *b, unsigned dir)
{
    for (struct broker_partition *bp = broker_partition_next(b, NULL); bp; bp = broker_partition_next(b, bp)) {
        if (bp->dir != dir)
            continue;
        partition_known(b, bp); /* its journal stays for the next start */
        list_remove(&bp->asleep);
        if (bp->life == PARTITION_AWAKE && partition_coordinates(bp))
            groups_partition_closing(b->groups, bp->key.index);
        if (bp->life == PARTITION_AWAKE)
            partition_lost(bp->partition);
    }
}

/* ---- the stop ---- */

static void halted(struct broker_shard *b)
{
    if (--b->stopping == 0)
        shard_post(b->shard, b->shard, b->stopped);
}

static void partition_halted(struct shard *here, struct mail *mail)
{
    halted(broker_at(here));
}

static void partition_halt(struct broker_shard *b, struct broker_partition *bp)
{
    partition_lives(b, bp, PARTITION_ENDING);
    bp->halted.run = partition_halted;
    b->stopping++;
    partition_stop(bp->partition, &bp->halted);
}

void broker_stop_partitions(struct broker_shard *b, struct mail *done)
{
    b->stopped = done;
    b->stopping = 1;
    timer_cancel(b->shard, &b->waker);
    for (struct broker_partition *bp = broker_partition_next(b, NULL); bp; bp = broker_partition_next(b, bp)) {
        if (bp->life == PARTITION_AWAKE)
            partition_halt(b, bp);
        else if (bp->life == PARTITION_WAKING)
            b->stopping++; /* opening_done halts it */
    }
    halted(b);
}

/* ---- the stop: saving ---- */

/* One that was never woken since the broker was killed: what a clean stop leaves has to be made first. false: it could not be. */
static bool partition_recover(struct broker_shard *b, struct broker_partition *bp)
{
    struct partition_open how;
    struct err err;

    if (!partition_describe(b, bp, &how))
        return false;
    if (!partition_load(b->broker->dirs[bp->dir].log_dir, &how, false, &bp->partition, &err))
        return true;
    log_line(LOG_ERROR, "partition does not open", "topic=%.*s partition=%d reason=%s", STR_ARG(bp->topic), bp->key.index, err.text);
    return err.status != STATUS_IO && !fs_may_retry(err.status);
}

static bool partition_save(struct broker_shard *b, struct broker_partition *bp)
{
    bool saved = bp->life != PARTITION_ASLEEP || !bp->folder || bp->clean || partition_recover(b, bp);

    if (!bp->partition && partition_journaled(b, bp)) /* the journal still has something of it */
        saved = false;
    saved &= checkpoint_rows_add(&b->rows, bp);
    return (!bp->partition || partition_close(bp->partition, true)) && saved;
}

void broker_close_partitions(struct broker_shard *b)
{
    for (struct broker_partition *bp = broker_partition_next(b, NULL), *next; bp; bp = next) {
        bool saved = true;

        next = broker_partition_next(b, bp);
        if (partition_offline(b, bp))
            saved = !bp->partition || partition_close(bp->partition, false);
        else
            saved = partition_save(b, bp);
        b->unsaved |= (uint64_t)!saved << (bp->dir % DIRS_MAX);
        partition_free(b, bp);
    }
    (void)mem_enter(&b->partitions_held);
    map_free(&b->partitions);
    (void)mem_enter(NULL);
    ASSERT(b->partitions_held.held == 0);
    map_free(&b->configs);
}
