/* SPDX-License-Identifier: Apache-2.0
 * See moving.h. One struct move from the request to the end; its job, its timer and its mail are out one at a time.
 */
#include "broker/moving.h"

#include "base/mem.h"
#include "broker/checkpoints.h"
#include "broker/dirs.h"
#include "broker/metadata_int.h"
#include "broker/partitions.h"
#include "rt/io.h"
#include "rt/log.h"
#include "store/clean.h"
#include "store/folder_copy.h"

enum {
    SLICE = 4 << 20,           /* bytes that one job copies */
    LAST_BYTES = 4 << 20,      /* when a round copied no more than that, the next one is the last */
    ROUNDS_MAX = 10,           /* whatever is appended meanwhile */
    LOOK_AGAIN_MS = 20,        /* whether it is awake, whether there is memory */
    DECISION_MAX = 1 << 20,
};

struct move {
    struct list link; /* b->moves */
    struct broker_shard *b;
    struct broker_partition *bp;
    struct partition *partition; /* while a job closes it */
    unsigned to, then;         /* then: where to go after this one ended; DIR_UNKNOWN: nowhere */
    struct log_dir *source, *target;
    char folder[FOLDER_NAME_SIZE], future[LOG_DIR_NAME_SIZE];
    bool resting;              /* the last round, and what follows */
    bool ends;                 /* it was called off */
    struct closing *closing;   /* its topic was deleted; NULL: no */
    struct timer timer;
    struct mail mail;
    struct io_job job;
    bool out;                  /* the job is */
    struct folder_copy copy;
    bool copying, over, whole; /* the copy was begun; the round has ended; there is a folder to adopt */
    bool closed;               /* the partition, well */
    bool owed;                 /* its files lacked some of what is durable when it rested */
    int64_t end;               /* of its log */
    unsigned rounds;
    uint64_t copied;           /* in rounds that ended */
    int64_t size, reached;     /* as far as it is known here */
    struct arena arena;        /* of the decision */
    struct metadata_commit commit;
    struct err err;
};

static void move_look(struct shard *here, struct timer *timer);

static void look_later(struct move *m, uint64_t wait_ms)
{
    timer_set(m->b->shard, &m->timer, shard_now_ms(m->b->shard) + wait_ms, move_look);
}

static void moves_next(struct broker_shard *b)
{
    struct move *m = list_empty(&b->moves) ? NULL : LIST_ENTRY(b->moves.next, struct move, link);

    if (m && !m->out && !b->moves_stopped)
        look_later(m, 0);
}

static void move_submit(struct move *m, void (*work)(struct io_job *job), void (*done)(struct shard *here, struct io_job *job))
{
    m->err.status = STATUS_OK;
    m->out = true;
    m->job = (struct io_job){.work = work, .done = done, .lane = m->job.lane};
    io_job_submit(shard_io(m->b->shard), &m->job);
}

static void path_of(char path[static FS_PATH_MAX], const struct log_dir *dir, const char *name)
{
    if (snprintf(path, FS_PATH_MAX, "%s/%s", log_dir_path(dir), name) >= FS_PATH_MAX)
        path[0] = 0; /* opening the partition said so before */
}

/* ---- the end ---- */

static void move_free(struct move *m)
{
    struct broker_shard *b = m->b;
    struct broker_partition *bp = m->bp;
    struct uuid topic_id = bp->key.topic_id;
    struct closing *closing = m->closing;
    bool first = b->moves.next == &m->link;
    unsigned then = m->then;
    int32_t index = bp->key.index;

    bp->move = NULL;
    list_remove(&m->link);
    timer_cancel(b->shard, &m->timer);
    mem_free(m);
    if (closing)
        broker_partition_close(closing);
    else if (then != DIR_UNKNOWN && broker_move_partition(b, topic_id, index, then))
        log_line(LOG_WARN, "partition does not move", "partition=%d to=%s", index, b->broker->dirs[then].path);
    if (b->moves_stopped)
        moves_stop(b, b->moves_stopped);
    else if (first)
        moves_next(b);
}

static void drop_work(struct io_job *job)
{
    struct move *m = LIST_ENTRY(job, struct move, job);
    char path[FS_PATH_MAX];

    folder_copy_end(&m->copy);
    path_of(path, m->target, m->future);
    if (fs_exists(m->b->broker->fs, path))
        m->err.status = fs_remove_tree(m->b->broker->fs, path, &m->err);
}

static void drop_done(struct shard *here, struct io_job *job)
{
    struct move *m = LIST_ENTRY(job, struct move, job);

    m->out = false;
    if (m->err.status)
        log_line(LOG_WARN, "copy of a partition stays", "dir=%s name=%s reason=%s", log_dir_path(m->target), m->future, m->err.text);
    move_free(m);
}

/* It stays where it is. */
static void move_drop(struct move *m)
{
    m->resting = false;
    m->ends = true;
    move_submit(m, drop_work, drop_done);
}

static void move_failed(struct move *m)
{
    log_line(LOG_ERROR, "partition does not move", "folder=%s to=%s reason=%s", m->folder, log_dir_path(m->target), m->err.text);
    if (m->err.status == STATUS_IO && !m->copy.reads)
        broker_dir_failed(m->b, m->to, &m->err);
}

/* ---- decided: the copy takes its place ---- */

static void hurry(struct broker_shard *b);

static void hurry_back(struct shard *here, struct mail *mail)
{
    struct broker_shard *b = broker_at(here);
    bool again = b->hurry_again;

    b->hurry_asked = b->hurry_again = false;
    if (again)
        hurry(b);
}

/* On shard 0. */
static void hurry_arrived(struct shard *here, struct mail *mail)
{
    struct broker_shard *from = LIST_ENTRY(mail, struct broker_shard, hurry);

    if (broker_at(here)->checkpoints)
        checkpoints_hurry(broker_at(here)->checkpoints);
    mail->run = hurry_back;
    shard_post(here, shard_peer(here, shard_id(from->shard)), mail);
}

/* The checkpoints of the new directory do not know the partition: where its log starts is told by nothing else. */
static void hurry(struct broker_shard *b)
{
    b->hurry_again = b->hurry_asked;
    if (b->hurry_asked)
        return;
    b->hurry_asked = true;
    b->hurry.run = hurry_arrived;
    shard_post(b->shard, shard_peer(b->shard, 0), &b->hurry);
}

static void adopt_work(struct io_job *job)
{
    struct move *m = LIST_ENTRY(job, struct move, job);
    struct err err;

    folder_copy_end(&m->copy);
    if (!m->whole)
        return;
    if (log_dir_remove_partition(m->source, m->folder, &err))
        log_line(LOG_ERROR, "folder of a partition that moved stays", "dir=%s folder=%s reason=%s", log_dir_path(m->source), m->folder, err.text);
    m->err.status = log_dir_adopt(m->target, m->future, m->folder, &m->err);
}

static void adopt_done(struct shard *here, struct io_job *job)
{
    struct move *m = LIST_ENTRY(job, struct move, job);
    struct broker_shard *b = m->b;
    struct broker_partition *bp = m->bp;

    m->out = false;
    bp->dir = (uint8_t)m->to;
    if (m->err.status)
        broker_dir_failed(b, m->to, &m->err);
    else
        log_line(LOG_INFO, "partition moved", "folder=%s from=%s to=%s bytes=%llu", m->folder, log_dir_path(m->source), log_dir_path(m->target),
                 (unsigned long long)m->copied);
    move_free(m);
    broker_partition_resume(b, bp, false);
    hurry(b);
}

static void decision_back(struct shard *here, struct mail *mail)
{
    struct move *m = LIST_ENTRY(mail, struct move, mail);
    struct broker_partition *bp = m->bp;

    if (m->err.status == STATUS_OK) {
        move_submit(m, adopt_work, adopt_done);
        return;
    }
    move_failed(m);
    broker_partition_resume(m->b, bp, false);
    move_drop(m);
}

static void decision_send_back(struct move *m, struct shard *here)
{
    m->mail.run = decision_back;
    shard_post(here, m->b->shard, &m->mail);
}

static void decision_made(struct shard *here, struct metadata_commit *commit)
{
    struct move *m = LIST_ENTRY(commit, struct move, commit);

    arena_free(&m->arena);
    decision_send_back(m, here);
}

/* On shard 0. */
static void decision_asked(struct shard *here, struct mail *mail)
{
    struct move *m = LIST_ENTRY(mail, struct move, mail);
    struct broker *broker = m->b->broker;
    struct metadata *metadata = broker_at(here)->metadata;
    const struct image_topic *topic = metadata ? image_topic_by_id(metadata_image(metadata), m->bp->key.topic_id) : NULL;
    struct decision d;

    if (!topic) {
        (void)err_set(&m->err, STATUS_UNKNOWN_TOPIC_OR_PARTITION, "its topic was deleted");
        decision_send_back(m, here);
        return;
    }
    arena_init(&m->arena, DECISION_MAX);
    d = metadata_decision(metadata, &m->arena);
    if (decide_move(&d, broker->node_id, topic, m->bp->key.index, broker->dirs[m->to].id) == STATUS_OK) {
        m->commit = (struct metadata_commit){.records = d.records.values, .count = d.records.count, .done = decision_made};
        if (metadata_commit(metadata, &m->commit) == STATUS_OK)
            return;
    }
    arena_free(&m->arena);
    (void)err_set(&m->err, STATUS_NO_MEMORY, "no memory to decide it");
    decision_send_back(m, here);
}

/* ---- the last round ---- */

static enum status last_round(struct move *m, struct err *err)
{
    char from[FS_PATH_MAX], to[FS_PATH_MAX];
    struct fs *fs = m->b->broker->fs;
    bool over = false;

    path_of(from, m->source, m->folder);
    path_of(to, m->target, m->future);
    m->copy.reads = true;
    m->whole = fs_exists(fs, from);
    if (!m->whole)
        return STATUS_OK; /* nothing was written to it yet */
    if (!m->copying && folder_copy_begin(&m->copy, fs, from, to, err))
        return err->status;
    m->copying = true;
    if (folder_copy_round(&m->copy, true, err))
        return err->status;
    while (!over)
        if (folder_copy_step(&m->copy, SLICE, &over, err))
            return err->status;
    m->copied += m->copy.moved;
    return STATUS_OK;
}

/* A folder of its name may stand there: of a deleted namesake, or of the partition itself, left when it moved away from a directory that then failed. It goes
 * before the move is decided: a start would take it for the partition. */
static enum status make_way(struct move *m, struct err *err)
{
    char path[FS_PATH_MAX];

    path_of(path, m->target, m->folder);
    if (!fs_exists(m->b->broker->fs, path))
        return STATUS_OK;
    log_line(LOG_WARN, "a folder that is no partition's makes way", "dir=%s folder=%s", log_dir_path(m->target), m->folder);
    m->copy.reads = false;
    return log_dir_remove_partition(m->target, m->folder, err);
}

static void last_work(struct io_job *job)
{
    struct move *m = LIST_ENTRY(job, struct move, job);

    m->closed = !m->partition || partition_close(m->partition, true);
    m->copy.reads = true;
    m->err.status = m->closed ? make_way(m, &m->err) : err_set(&m->err, STATUS_KAFKA_STORAGE_ERROR, "it does not close");
    if (m->err.status == STATUS_OK)
        m->err.status = last_round(m, &m->err);
}

static void last_done(struct shard *here, struct io_job *job)
{
    struct move *m = LIST_ENTRY(job, struct move, job);
    struct broker_partition *bp = m->bp;

    m->out = false;
    if (m->partition)
        bp->clean = m->closed;
    if (m->partition && m->closed)
        bp->recovery_point = m->end;
    m->partition = NULL;
    bp->folder = m->whole || !m->closed;
    if (m->err.status == STATUS_OK) {
        m->mail.run = decision_asked;
        shard_post(here, shard_peer(here, 0), &m->mail);
        return;
    }
    move_failed(m);
    broker_partition_resume(m->b, bp, !m->closed && m->owed);
    move_drop(m);
}

static void move_rested(struct shard *here, struct mail *mail)
{
    struct move *m = LIST_ENTRY(mail, struct move, mail);
    struct broker_partition *bp = m->bp;
    struct log *log = bp->partition ? partition_log(bp->partition) : NULL;

    if (log) {
        bp->recovery_point = log_recovery_point(log); /* a full disk may keep it from being closed */
        m->end = log_end_offset(log);
        m->owed = log_recovery_point(log) < log_durable_offset(log);
        bp->log_start = log_start_offset(log);
        bp->cleaned = log_cleaned_offset(log);
    }
    m->partition = bp->partition;
    bp->partition = NULL;
    broker_partition_count(m->b, bp);
    move_submit(m, last_work, last_done);
}

static void move_rest(struct move *m)
{
    m->mail.run = move_rested;
    m->resting = true;
    if (broker_partition_rest(m->b, m->bp, &m->mail) == STATUS_OK)
        return;
    m->resting = false;
    look_later(m, LOOK_AGAIN_MS);
}

/* ---- copying ---- */

static enum status copy_slice(struct move *m, struct err *err)
{
    char from[FS_PATH_MAX], to[FS_PATH_MAX];
    struct fs *fs = m->b->broker->fs;

    path_of(from, m->source, m->folder);
    path_of(to, m->target, m->future);
    if (!m->copying && !fs_exists(fs, from))
        return STATUS_OK; /* the last round will see */
    if (!m->copying && folder_copy_begin(&m->copy, fs, from, to, err))
        return err->status;
    m->copying = true;
    if (m->over && folder_copy_round(&m->copy, false, err))
        return err->status;
    return folder_copy_step(&m->copy, SLICE, &m->over, err);
}

static void copy_work(struct io_job *job)
{
    struct move *m = LIST_ENTRY(job, struct move, job);

    m->err.status = copy_slice(m, &m->err); /* what was overcome on the way is in it, too */
}

static void copy_done(struct shard *here, struct io_job *job)
{
    struct move *m = LIST_ENTRY(job, struct move, job);
    int64_t rate = config_broker_i64(m->b->broker->config, m->b->image, CONFIG_REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND);
    uint64_t pause_ms = rate > 0 ? (uint64_t)SLICE * 1000 / (uint64_t)rate : 1000;

    m->out = false;
    m->size = (int64_t)(m->copied + m->copy.moved);
    m->reached = m->copy.reached;
    if (m->err.status == STATUS_OK && m->over) {
        m->copied += m->copy.moved;
        m->rounds++;
    }
    if (m->err.status) {
        move_failed(m);
        m->ends = true;
        pause_ms = 0;
    }
    if (m->b->moves_stopped)
        moves_stop(m->b, m->b->moves_stopped);
    else
        look_later(m, pause_ms);
}

static void move_wake(struct move *m)
{
    (void)!broker_partition_wakes(m->b, m->bp->key.topic_id, m->bp->key.index, NULL);
    look_later(m, LOOK_AGAIN_MS);
}

/* What is to be done next. */
static void move_look(struct shard *here, struct timer *timer)
{
    struct move *m = LIST_ENTRY(timer, struct move, timer);
    struct broker_shard *b = m->b;
    struct broker_partition *bp = m->bp;

    if (m->ends || dir_is_offline(b, bp->dir) || dir_is_offline(b, m->to) || bp->life == PARTITION_BROKEN || bp->life == PARTITION_ENDING)
        move_drop(m);
    else if (bp->life == PARTITION_ASLEEP && !bp->folder)
        move_rest(m);
    else if (bp->life != PARTITION_AWAKE)
        move_wake(m);
    else if (partition_is_being_cleaned(bp->partition))
        look_later(m, LOOK_AGAIN_MS);
    else if (m->over && ((m->rounds && m->copy.moved <= LAST_BYTES) || m->rounds >= ROUNDS_MAX))
        move_rest(m);
    else
        move_submit(m, copy_work, copy_done);
}

/* ---- faces ---- */

static struct move *move_new(struct broker_shard *b, struct broker_partition *bp, unsigned to)
{
    struct move *m = mem_alloc(1, sizeof *m);

    if (!m)
        return NULL;
    m->b = b;
    m->bp = bp;
    m->to = to;
    m->then = DIR_UNKNOWN;
    m->source = b->broker->dirs[bp->dir].log_dir;
    m->target = b->broker->dirs[to].log_dir;
    m->over = true;
    m->reached = -1;
    broker_folder_name(m->folder, bp->topic, bp->key.index);
    log_dir_future_name(m->future, bp->topic, bp->key.index, bp->key.topic_id);
    bp->move = m;
    return m;
}

enum status broker_move_partition(struct broker_shard *b, struct uuid topic_id, int32_t index, unsigned to)
{
    struct broker_partition *bp = broker_partition_any(b, topic_id, index);
    struct move *m = bp ? bp->move : NULL;

    if (!bp || bp->life == PARTITION_ENDING || b->moves_stopped || (m && (m->resting || m->closing)))
        return STATUS_REPLICA_NOT_AVAILABLE;
    if (dir_is_offline(b, bp->dir) || dir_is_offline(b, to) || bp->life == PARTITION_BROKEN)
        return STATUS_KAFKA_STORAGE_ERROR;
    if (m) {
        m->ends = m->to != to;
        m->then = m->ends && to != bp->dir ? to : DIR_UNKNOWN;
        return STATUS_OK;
    }
    if (to == bp->dir)
        return STATUS_OK;
    m = move_new(b, bp, to);
    if (!m)
        return STATUS_NO_MEMORY;
    list_push_back(&b->moves, &m->link);
    if (b->moves.next == &m->link)
        moves_next(b);
    return STATUS_OK;
}

bool broker_move_seen(struct broker_shard *b, struct uuid topic_id, int32_t index, struct move_view *view)
{
    struct broker_partition *bp = broker_partition_any(b, topic_id, index);
    const struct move *m = bp ? bp->move : NULL;
    int64_t reached;

    if (!m || m->ends)
        return false;
    *view = (struct move_view){.to = m->to, .size = m->size};
    if (!bp->partition || m->resting)
        return true;
    reached = m->reached > partition_start_offset(bp->partition) ? m->reached : partition_start_offset(bp->partition);
    view->lag = partition_end_offset(bp->partition) - reached;
    return true;
}

void move_gives_way(struct move *m, struct closing *closing)
{
    m->closing = closing;
    m->ends = true;
    if (m->b->moves.next != &m->link && !m->out) /* not in its turn: the first one's decision may wait for this deletion */
        move_drop(m);
}

void moves_resume(struct broker_shard *b)
{
    for (size_t i = 0; i < b->broker->resumes_count; i++) {
        const struct broker_resume *resume = &b->broker->resumes[i];

        if (broker_partition_shard(b->broker, resume->topic_id, resume->index) == shard_id(b->shard) &&
            broker_move_partition(b, resume->topic_id, resume->index, resume->to))
            log_line(LOG_WARN, "a move is not taken up again", "partition=%d to=%s", resume->index, b->broker->dirs[resume->to].path);
    }
}

/* ---- the stop ---- */

/* Half a copy is of no use to the next start, but that there is one. */
static void empty_work(struct io_job *job)
{
    struct move *m = LIST_ENTRY(job, struct move, job);
    char from[FS_PATH_MAX], to[FS_PATH_MAX];
    struct fs *fs = m->b->broker->fs;

    folder_copy_end(&m->copy);
    path_of(from, m->source, m->folder);
    path_of(to, m->target, m->future);
    if (m->ends || !fs_exists(fs, from))
        m->err.status = fs_exists(fs, to) ? fs_remove_tree(fs, to, &m->err) : STATUS_OK;
    else
        m->err.status = folder_copy_begin(&m->copy, fs, from, to, &m->err);
    folder_copy_end(&m->copy);
}

void moves_stop(struct broker_shard *b, struct mail *done)
{
    b->moves_stopped = done;
    if (b->moves_ended_posted)
        return;
    LIST_EACH(node, &b->moves) {
        struct move *m = LIST_ENTRY(node, struct move, link);

        if (m->resting)
            continue; /* its partition waits for it, and the stop for the partition */
        timer_cancel(b->shard, &m->timer);
        if (!m->out)
            move_submit(m, empty_work, drop_done);
        return;
    }
    b->moves_ended_posted = true;
    shard_post(b->shard, b->shard, done);
}
