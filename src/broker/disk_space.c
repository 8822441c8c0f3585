/* SPDX-License-Identifier: Apache-2.0
 * See disk_space.h. */
#include "broker/disk_space.h"

#include "base/mem.h"
#include "rt/io.h"
#include "rt/log.h"

enum {
    LOOK_GAP_MS = 50,           /* between two that were asked for */
    LOOK_NEAR_MS = 500,         /* by the timer, when the reserve is reached */
    LOOK_FAR_MS = 30000,        /* when FAR times as much is free */
    FAR = 8,
    VOLUME_SHARE = 10,          /* the reserve of a small volume is a tenth of it */
    TAKEN_SHARE = 4,            /* of the reserve: as much is taken for good */
    GIVEN_BACK_SHARE = 16,      /* of the reserve: when less is free */
    ENOUGH_SHARE = 8,           /* of the reserve: so much more must be free before produce goes on */
    WRITE_BYTES_MIN = 64 << 10, /* with less, nothing is tried again */
    RETENTION_MS = 5000,        /* below the reserve what has expired goes sooner than log.retention.check.interval.ms says */
};

struct space_leg { /* to a shard and back */
    struct mail mail;
    struct disk_space *owner;
};

struct disk_space {
    struct broker_shard *b;
    struct timer timer;
    struct io_job job;
    struct space_leg legs[SHARDS_MAX];
    struct store_space found;
    uint64_t looked_ms, free, total, reserve;
    bool low, busy, again;
    enum { TAKEN_UNKNOWN, TAKEN, GIVEN_BACK, NOT_TAKEN } taken; /* UNKNOWN: by an earlier process, perhaps. NOT: the file system cannot */
    unsigned out;
    struct err err;
    struct mail *stopped;
};

/* ---- a look, in a job ---- */

static uint64_t reserve_of(const struct disk_space *s)
{
    uint64_t asked = (uint64_t)config_i64(s->b->broker->config, CONFIG_BARNABAS_DISK_RESERVE);

    return asked < s->total / VOLUME_SHARE ? asked : s->total / VOLUME_SHARE;
}

static enum status look(struct disk_space *s)
{
    const struct broker *broker = s->b->broker;

    if (fs_space(broker->fs, log_dir_path(broker->dir), &s->free, &s->total, &s->err))
        return s->err.status;
    s->reserve = reserve_of(s);
    return STATUS_OK;
}

static void take(struct disk_space *s)
{
    struct err err;

    s->taken = log_dir_reserve(s->b->broker->dir, s->reserve / TAKEN_SHARE, &err) ? NOT_TAKEN : TAKEN;
    if (s->taken == NOT_TAKEN)
        log_line(LOG_INFO, "no space is set aside for a full disk", "reason=%s", err.text);
}

static void give_back(struct disk_space *s)
{
    struct err err;

    if (log_dir_release(s->b->broker->dir, &err))
        log_line(LOG_WARN, "the space that was set aside is not given back", "reason=%s", err.text);
    else
        log_line(LOG_WARN, "the disk is full: the space that was set aside is given back", "dir=%s", log_dir_path(s->b->broker->dir));
    s->taken = GIVEN_BACK;
}

static void look_work(struct io_job *job)
{
    struct disk_space *s = LIST_ENTRY(job, struct disk_space, job);
    bool changed = true;

    s->err.status = STATUS_OK;
    if (look(s) || s->reserve == 0)
        return;
    if (s->free < s->reserve / GIVEN_BACK_SHARE && s->taken != GIVEN_BACK && s->taken != NOT_TAKEN)
        give_back(s);
    else if (s->free >= s->reserve + s->reserve / TAKEN_SHARE && s->taken != TAKEN && s->taken != NOT_TAKEN)
        take(s);
    else
        changed = false;
    if (changed)
        (void)look(s); /* its error is in s->err */
}

/* ---- rounds ---- */

static void look_start(struct shard *here, struct timer *timer);

static void arm(struct disk_space *s, uint64_t wait_ms)
{
    timer_set(s->b->shard, &s->timer, s->looked_ms + wait_ms, look_start);
}

static uint64_t wait_ms(const struct disk_space *s)
{
    uint64_t above = s->free > s->reserve ? s->free - s->reserve : 0, far = s->reserve * FAR;

    if (s->low)
        return LOOK_NEAR_MS;
    return above >= far ? LOOK_FAR_MS : LOOK_NEAR_MS + (LOOK_FAR_MS - LOOK_NEAR_MS) * above / far;
}

static void look_end(struct disk_space *s)
{
    s->busy = false;
    if (s->stopped)
        shard_post(s->b->shard, s->b->shard, s->stopped);
    else
        arm(s, s->again ? LOOK_GAP_MS : s->err.status ? LOOK_FAR_MS : wait_ms(s));
}

static void leg_back(struct shard *here, struct mail *mail)
{
    struct disk_space *s = LIST_ENTRY(mail, struct space_leg, mail)->owner;

    if (--s->out == 0)
        look_end(s);
}

static void leg_arrived(struct shard *here, struct mail *mail)
{
    const struct disk_space *s = LIST_ENTRY(mail, struct space_leg, mail)->owner;
    struct broker_shard *b = broker_at(here);

    if (b->store)
        store_space(b->store, log_dir_path(b->broker->dir), &s->found);
    if (s->found.low && b->housekeeping.armed && b->housekeeping.deadline_ms > shard_now_ms(here) + RETENTION_MS)
        timer_set(here, &b->housekeeping, shard_now_ms(here) + RETENTION_MS, b->housekeeping.fire);
    mail->run = leg_back;
    shard_post(here, s->b->shard, mail);
}

static void tell(struct disk_space *s)
{
    unsigned shards = s->b->broker->shards;

    s->found = (struct store_space){.room = ((int64_t)s->free - (int64_t)s->reserve) / shards, .low = s->low, .any = s->free >= WRITE_BYTES_MIN};
    s->out = shards;
    for (unsigned i = 0; i < shards; i++) {
        s->legs[i] = (struct space_leg){.mail.run = leg_arrived, .owner = s};
        shard_post(s->b->shard, shard_peer(s->b->shard, i), &s->legs[i].mail);
    }
}

static void judge(struct disk_space *s)
{
    bool low = s->free < s->reserve + (s->low ? s->reserve / ENOUGH_SHARE : 0);

    if (low != s->low)
        log_line(low ? LOG_ERROR : LOG_INFO, low ? "the disk is nearly full: produce is refused" : "the disk has space again: produce goes on",
                 "dir=%s free=%llu reserve=%llu", log_dir_path(s->b->broker->dir), (unsigned long long)s->free, (unsigned long long)s->reserve);
    s->low = low;
}

static void look_done(struct shard *here, struct io_job *job)
{
    struct disk_space *s = LIST_ENTRY(job, struct disk_space, job);

    s->looked_ms = shard_now_ms(here);
    if (s->err.status)
        log_line(LOG_WARN, "the space of the disk is not known", "reason=%s", s->err.text);
    if (s->err.status || s->stopped) {
        look_end(s);
        return;
    }
    judge(s);
    tell(s);
}

static void look_start(struct shard *here, struct timer *timer)
{
    struct disk_space *s = LIST_ENTRY(timer, struct disk_space, timer);

    s->busy = true;
    s->again = false;
    s->job = (struct io_job){.work = look_work, .done = look_done};
    io_job_submit(shard_io(here), &s->job);
}

/* ---- asking ---- */

static void ask_back(struct shard *here, struct mail *mail)
{
    struct broker_shard *b = broker_at(here);
    bool again = b->look_again;

    b->look_asked = b->look_again = false;
    if (again)
        disk_space_ask(here, log_dir_path(b->broker->dir));
}

/* On shard 0. */
static void ask_arrived(struct shard *here, struct mail *mail)
{
    struct broker_shard *from = LIST_ENTRY(mail, struct broker_shard, look);
    struct disk_space *s = broker_at(here)->space;

    mail->run = ask_back;
    shard_post(here, shard_peer(here, shard_id(from->shard)), mail);
    if (!s || s->stopped)
        return;
    s->again = s->busy; /* that look may have come too early */
    if (!s->busy)
        arm(s, LOOK_GAP_MS);
}

void disk_space_ask(struct shard *here, const char *log_dir)
{
    struct broker_shard *b = broker_at(here);

    b->look_again = b->look_asked; /* that may have been heard too early */
    if (b->look_asked)
        return;
    b->look_asked = true;
    b->look.run = ask_arrived;
    shard_post(here, shard_peer(here, 0), &b->look);
}

/* ---- beginning and end ---- */

struct disk_space *disk_space_new(struct broker_shard *b)
{
    struct disk_space *s = mem_alloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->b = b;
    arm(s, 0);
    return s;
}

void disk_space_stop(struct disk_space *s, struct mail *done)
{
    s->stopped = done;
    timer_cancel(s->b->shard, &s->timer);
    if (!s->busy)
        shard_post(s->b->shard, s->b->shard, done);
}

void disk_space_free(struct disk_space *s)
{
    mem_free(s);
}
