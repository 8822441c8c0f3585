/* SPDX-License-Identifier: Apache-2.0
 * See disk_space.h. */
#include "broker/disk_space.h"

#include "base/mem.h"
#include "broker/dirs.h"
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

struct disk_space { /* of one log directory */
    struct broker_shard *b;
    struct disk_spaces *all;
    struct log_dir *dir;
    const char *path;
    bool left; /* it does not work */
    struct timer timer;
    struct io_job job;
    struct space_leg legs[SHARDS_MAX];
    struct store_space found;
    uint64_t looked_ms, free, total, reserve;
    bool low, busy, again;
    enum { TAKEN_UNKNOWN, TAKEN, GIVEN_BACK, NOT_TAKEN } taken; /* UNKNOWN: by an earlier process, perhaps. NOT: the file system cannot */
    unsigned out;
    struct err err;
};

struct disk_spaces {
    struct broker_shard *b;
    struct mail *stopped;
    unsigned busy; /* looks under way */
    unsigned count;
    struct disk_space of[];
};

/* ---- a look, in a job ---- */

static uint64_t reserve_of(const struct disk_space *s)
{
    uint64_t asked = (uint64_t)config_i64(s->b->broker->config, CONFIG_BARNABAS_DISK_RESERVE);

    return asked < s->total / VOLUME_SHARE ? asked : s->total / VOLUME_SHARE;
}

static enum status look(struct disk_space *s)
{
    if (fs_space(s->b->broker->fs, log_dir_path(s->dir), &s->free, &s->total, &s->err))
        return s->err.status;
    s->reserve = reserve_of(s);
    return STATUS_OK;
}

static void take(struct disk_space *s)
{
    struct err err;

    s->taken = log_dir_reserve(s->dir, s->reserve / TAKEN_SHARE, &err) ? NOT_TAKEN : TAKEN;
    if (s->taken == NOT_TAKEN)
        log_line(LOG_INFO, "no space is set aside for a full disk", "reason=%s", err.text);
}

static void give_back(struct disk_space *s)
{
    struct err err;

    if (log_dir_release(s->dir, &err))
        log_line(LOG_WARN, "the space that was set aside is not given back", "reason=%s", err.text);
    else
        log_line(LOG_WARN, "the disk is full: the space that was set aside is given back", "dir=%s", log_dir_path(s->dir));
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
    struct disk_spaces *all = s->all;

    s->busy = false;
    if (--all->busy == 0 && all->stopped)
        shard_post(s->b->shard, s->b->shard, all->stopped);
    if (!all->stopped && !s->left)
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
        store_space(b->store, s->path, &s->found);
    if (s->found.low && b->housekeeping.armed && b->housekeeping.deadline_ms > shard_now_ms(here) + RETENTION_MS)
        timer_set(here, &b->housekeeping, shard_now_ms(here) + RETENTION_MS, b->housekeeping.fire);
    mail->run = leg_back;
    shard_post(here, s->b->shard, mail);
}

static void tell(struct disk_space *s)
{
    unsigned shards = s->b->broker->shards;

    /* directories may share a volume */
    s->found = (struct store_space){.room = ((int64_t)s->free - (int64_t)s->reserve) / (int64_t)shards / (int64_t)s->all->count, .low = s->low, .any = s->free >= WRITE_BYTES_MIN};
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
                 "dir=%s free=%llu reserve=%llu", log_dir_path(s->dir), (unsigned long long)s->free, (unsigned long long)s->reserve);
    s->low = low;
}

static void show(const struct disk_space *s)
{
    struct metrics_dir *to = &s->b->metrics.dirs[s - s->all->of];

    gauge_set(&to->free, s->free);
    gauge_set(&to->total, s->total);
    gauge_set(&to->reserve, s->reserve);
    gauge_set(&to->low, s->low);
}

static void look_done(struct shard *here, struct io_job *job)
{
    struct disk_space *s = LIST_ENTRY(job, struct disk_space, job);

    s->looked_ms = shard_now_ms(here);
    if (s->err.status)
        log_line(LOG_WARN, "the space of the disk is not known", "reason=%s", s->err.text);
    if (s->err.status || s->all->stopped || s->left) {
        look_end(s);
        return;
    }
    judge(s);
    show(s);
    tell(s);
}

static void look_start(struct shard *here, struct timer *timer)
{
    struct disk_space *s = LIST_ENTRY(timer, struct disk_space, timer);

    s->busy = true;
    s->all->busy++;
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
        disk_space_ask(here, NULL);
}

/* On shard 0. */
static void ask_arrived(struct shard *here, struct mail *mail)
{
    struct broker_shard *from = LIST_ENTRY(mail, struct broker_shard, look);
    struct disk_spaces *all = broker_at(here)->spaces;

    mail->run = ask_back;
    shard_post(here, shard_peer(here, shard_id(from->shard)), mail);
    for (unsigned i = 0; all && !all->stopped && i < all->count; i++) {
        struct disk_space *s = &all->of[i];

        s->again = s->busy; /* that look may have come too early */
        if (!s->busy && !s->left)
            arm(s, LOOK_GAP_MS);
    }
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

struct disk_spaces *disk_spaces_new(struct broker_shard *b)
{
    const struct broker *broker = b->broker;
    struct disk_spaces *all = mem_alloc(1, sizeof *all + broker->dirs_count * sizeof all->of[0]);

    if (!all)
        return NULL;
    all->b = b;
    all->count = broker->dirs_count;
    for (unsigned i = 0; i < all->count; i++) {
        struct disk_space *s = &all->of[i];

        *s = (struct disk_space){.b = b, .all = all, .dir = broker->dirs[i].log_dir, .path = broker->dirs[i].path, .left = dir_is_offline(b, i)};
        if (!s->left)
            arm(s, 0);
    }
    return all;
}

bool disk_space_is_low(const struct disk_spaces *all, unsigned dir)
{
    return all->of[dir].low;
}

void disk_spaces_leave(struct disk_spaces *all, unsigned dir)
{
    all->of[dir].left = true;
    timer_cancel(all->b->shard, &all->of[dir].timer);
}

void disk_spaces_stop(struct disk_spaces *all, struct mail *done)
{
    all->stopped = done;
    for (unsigned i = 0; i < all->count; i++)
        timer_cancel(all->b->shard, &all->of[i].timer);
    if (!all->busy)
        shard_post(all->b->shard, all->b->shard, done);
}

void disk_spaces_free(struct disk_spaces *all)
{
    mem_free(all);
}
