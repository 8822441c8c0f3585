/* SPDX-License-Identifier: Apache-2.0
 * See faults.h: one table of faults, each with its weight.
 */
#include "sim/faults.h"

#include <stdarg.h>

#include "base/assert.h"

#include "sim/sim_int.h"

struct strike {
    struct sim *sim;
    struct load *load;
    struct life *life;
    struct fs *disk;
    struct fault fault;
};

static uint64_t below(struct strike *s, uint64_t bound)
{
    return sim__random_below(s->sim, bound);
}

static void break_some(struct strike *s)
{
    load_break(s->load, 1 + (unsigned)below(s, 100));
}

static void cut_some(struct strike *s)
{
    load_cut(s->load, 1 + (unsigned)below(s, 100));
}

static void vanish_some(struct strike *s)
{
    load_vanish(s->load, 1 + (unsigned)below(s, 60));
}

static void break_all(struct strike *s)
{
    load_break(s->load, 100);
}

static void kill_now(struct strike *s)
{
    s->fault.end = END_KILL;
    s->fault.down_us = 1 + below(s, 3000000);
}

static void cut_power(struct strike *s)
{
    s->fault.end = END_POWER;
    s->fault.down_us = 1 + below(s, 10000000);
}

static void kill_at_call(struct strike *s)
{
    life_die_at(s->life, 1 + below(s, below(s, 2) ? 20 : 400));
}

static void stop_cleanly(struct strike *s)
{
    life_stop(s->life);
}

static void stop_and_die(struct strike *s)
{
    life_stop(s->life);
    life_die_at(s->life, 1 + below(s, 100));
}

static void pause_node(struct strike *s)
{
    sim_pause(s->sim, 1 + below(s, below(s, 2) ? 500000 : 15000000));
}

/* To within ten days of the clients' clock, so that no two moments are further apart than producer ids are kept (24 days: the key is an int). */
static void jump_clock(struct strike *s)
{
    const int64_t days10 = (int64_t)10 * 24 * 3600 * 1000;
    int64_t ahead = (int64_t)below(s, (uint64_t)days10 * 2) - days10;

    sim_shift_wall(s->sim, ahead - (sim_wall_ms(s->sim) - sim_true_wall_ms(s->sim)));
}

/* Early ones as likely as late ones: a boot makes some thousands, an hour under load some millions. */
static uint64_t some_allocation(struct sim *sim)
{
    return 1 + sim__random_below(sim, UINT64_C(1) << sim__random_below(sim, 17));
}

static uint64_t some_time(struct sim *sim)
{
    return 2 + sim__random_below(sim, UINT64_C(1) << sim__random_below(sim, 12));
}

void faults_starve(struct sim *sim, uint64_t *at, uint64_t *count)
{
    *at = some_allocation(sim);
    *count = sim__random_below(sim, 2) ? 1 : some_time(sim);
}

static void fail_allocation(struct strike *s)
{
    life_starve(s->life, some_allocation(s->sim), 1);
}

static void starve(struct strike *s)
{
    life_starve(s->life, some_allocation(s->sim), some_time(s->sim));
}

static void stop_and_starve(struct strike *s)
{
    life_stop(s->life);
    life_starve(s->life, 1 + below(s, 200), 1 + below(s, 3));
}

static void change_network(struct strike *s)
{
    static const uint32_t latency[] = {50, 200, 5000, 100000};

    sim_set_network(s->sim, latency[below(s, 4)], (unsigned)below(s, 3) * 50);
}

static void change_disk(struct strike *s)
{
    static const uint32_t job[] = {50, 500, 20000, 200000};

    sim_set_job_time(s->sim, job[below(s, 4)]);
}

static void stall_disk(struct strike *s)
{
    sim_stall_jobs(s->sim, 1 + (unsigned)below(s, 4), below(s, 2) ? 1000000 : 30000000);
}

/* --- a disk that is ill for a while --- */

static void fail_reads(struct strike *s)
{
    s->fault.disk.read_fails = 1000 + (uint32_t)below(s, 100000);
    s->fault.ill_us = 1 + below(s, 20000000);
}

static void fail_writes(struct strike *s)
{
    s->fault.disk.write_short = 10000 + (uint32_t)below(s, 500000);
    s->fault.ill_us = 1 + below(s, 10000000);
}

static void fail_syncs(struct strike *s)
{
    uint32_t often = UINT32_C(1000) << below(s, 11); /* one alone in a stop's hundreds, as likely as nearly all */

    *(below(s, 2) ? &s->fault.disk.sync_keeps : &s->fault.disk.sync_drops) = often;
    s->fault.ill_us = 1 + below(s, 10000000);
}

static void stop_and_fail(struct strike *s)
{
    fail_syncs(s);
    life_stop(s->life);
}

static void fill_disk(struct strike *s)
{
    s->fault.disk.no_space_at = 1 + below(s, 200);
    s->fault.ill_us = 1 + below(s, 40000000);
}

static void refuse_open(struct strike *s)
{
    s->fault.disk.no_files_at = 1 + below(s, 40);
    s->fault.ill_us = 1 + below(s, 60000000);
}

static void fail_dir(struct strike *s)
{
    s->fault.dir_fails = true;
}

/* --- beyond what is promised --- */

/* What rots. Kafka's format for the start of a log has no checksum, and nothing else tells it: a digit that became another one is not to be
 * found out. So that file is broken in any other way only. */
static void rot(struct strike *s)
{
    static const char *const files[] = {".log",    ".log",     ".log",       ".index",  ".timeindex", ".snapshot", "recovery-point-offset-checkpoint",
                                        "-epoch-checkpoint", ".checkpoint", "partition.metadata", "meta.properties", "quorum-state", "barnabas-journal.0",
                                        "barnabas-journal.1", ".kafka_cleanshutdown", "log-start-offset-checkpoint"};
    const size_t count = sizeof files / sizeof *files;
    size_t file = (size_t)below(s, count);
    enum disk_rot how = (enum disk_rot)below(s, DISK_LOSE + 1);

    if (file == count - 1 && how == DISK_FLIP)
        how = DISK_LOSE;
    s->fault.rotten = disk_rot(s->disk, how, files[file]);
    s->fault.how = how;
}

static const struct {
    const char *name;
    unsigned weight;
    void (*strike)(struct strike *s);
} faults[] = {
    {"some connections break", 4, break_some},
    {"some requests are cut off", 4, cut_some},
    {"some clients vanish", 2, vanish_some},
    {"all connections break", 1, break_all},
    {"the node is killed", 3, kill_now},
    {"the power fails", 4, cut_power},
    {"the node will die at a call of its disk", 4, kill_at_call},
    {"the node is stopped", 4, stop_cleanly},
    {"the node will die while it stops", 1, stop_and_die},
    {"an allocation will fail", 4, fail_allocation},
    {"memory will be short for a while", 3, starve},
    {"memory will be short while the node stops", 1, stop_and_starve},
    {"the node is paused", 2, pause_node},
    {"the wall clock jumps", 2, jump_clock},
    {"the network changes", 3, change_network},
    {"the disk's speed changes", 2, change_disk},
    {"some calls of the disk stall", 2, stall_disk},
    {"reads fail now and then", 1, fail_reads},
    {"writes fail now and then", 1, fail_writes},
    {"syncs fail now and then", 2, fail_syncs},
    {"the node is stopped while syncs fail", 1, stop_and_fail},
    {"the disk will be full", 1, fill_disk},
    {"a file will not open: too many are", 1, refuse_open},
    {"a log directory fails", 3, fail_dir},
    {"the disk rots", 12, rot}, /* the last one: beyond what is promised */
};

struct fault fault_strike(struct sim *sim, struct load *load, struct life *life, struct fs *disk, bool beyond)
{
    struct strike s = {.sim = sim, .load = load, .life = life, .disk = disk};
    size_t count = sizeof faults / sizeof *faults - !beyond, i;
    unsigned all = 0, drawn;

    for (i = 0; i < count; i++)
        all += faults[i].weight;
    drawn = (unsigned)below(&s, all);
    for (i = 0; drawn >= faults[i].weight; i++)
        drawn -= faults[i].weight;
    faults[i].strike(&s);
    s.fault.name = faults[i].name;
    return s.fault;
}

struct fault fault_rot(struct sim *sim, struct fs *disk)
{
    struct strike s = {.sim = sim, .disk = disk};

    rot(&s);
    return s.fault;
}

void faults_heal(struct sim *sim)
{
    sim_set_network(sim, 200, 0);
    sim_set_job_time(sim, 500);
    sim_stall_jobs(sim, 0, 0);
}

/* --- profiles --- */

static void set(struct profile *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void set(struct profile *p, const char *format, ...)
{
    size_t at = 0;
    va_list args;

    while (p->settings[at])
        at++;
    ASSERT(at + 1 < sizeof p->settings / sizeof *p->settings);
    va_start(args, format);
    vsnprintf(p->text[at], sizeof p->text[at], format, args);
    va_end(args);
    p->settings[at] = p->text[at];
}

void profile_choose(struct profile *p, struct sim *sim)
{
    *p = (struct profile){.shards = 1 + (unsigned)sim__random_below(sim, 3)};
    p->near_wrap = sim__random_below(sim, 4) == 0;
    p->far = sim__random_below(sim, 4) == 0;
    p->wide = sim__random_below(sim, 8) == 0;
    p->arena_block = sim__random_below(sim, 4) ? 4096 : 0; /* each object an allocation */
    p->forgets = sim__random_below(sim, 2) ? 0 : (uint32_t)sim__random_below(sim, 200000);
    p->fetch_bytes = sim__random_below(sim, 2) ? 1 << 20 : 2000;
    set(p, "offsets.topic.num.partitions=%d", 1 + (int)sim__random_below(sim, 4));
    set(p, "offsets.topic.compression.codec=%d", (int)sim__random_below(sim, 5));
    set(p, "log.roll.ms=%d", sim__random_below(sim, 2) ? 20000 : 604800000);
    set(p, "log.cleaner.backoff.ms=%d", sim__random_below(sim, 2) ? 500 : 15000);
    set(p, "log.cleaner.dedupe.buffer.size=%d", sim__random_below(sim, 2) ? (int)sim__random_below(sim, 2000) : 134217728);
    set(p, "log.cleaner.io.max.bytes.per.second=%d", sim__random_below(sim, 2) ? 10000 : 1 << 30);
    set(p, "log.cleaner.min.cleanable.ratio=0.%d", (int)sim__random_below(sim, 6));
    set(p, "log.cleaner.delete.retention.ms=%d", sim__random_below(sim, 2) ? 1000 : 86400000);
    set(p, "group.initial.rebalance.delay.ms=%d", (int)sim__random_below(sim, 2) * 3000);
    set(p, "max.incremental.fetch.session.cache.slots=%d", sim__random_below(sim, 2) ? 4 : 1000);
    set(p, "metadata.log.max.record.bytes.between.snapshots=%d", sim__random_below(sim, 2) ? 2000 : 200000);
    set(p, "internal.metadata.log.segment.bytes=%d", sim__random_below(sim, 2) ? 2000 : 1000000);
    set(p, "log.flush.offset.checkpoint.interval.ms=%d", sim__random_below(sim, 2) ? 3000 : 60000);
    set(p, "log.index.interval.bytes=%d", sim__random_below(sim, 2) ? (int)sim__random_below(sim, 500) : 4096);
    set(p, "log.segment.delete.delay.ms=%d", sim__random_below(sim, 2) ? 100 : 60000);
    set(p, "log.retention.check.interval.ms=%d", sim__random_below(sim, 2) ? 5000 : 300000);
    set(p, "barnabas.scrub.interval.ms=%d", sim__random_below(sim, 2) ? 1000 : 60000);
    set(p, "barnabas.scrub.bytes.per.second=%d", sim__random_below(sim, 4) ? 1 << 20 : 0);
    /* the wall clock jumps by days: nothing may go because of its age */
    set(p, "log.retention.ms=-1");
    set(p, "offsets.retention.minutes=2147483647");
    set(p, "offsets.retention.check.interval.ms=2147483647");
    set(p, "producer.id.expiration.ms=2147483647");
    set(p, "log.message.timestamp.after.max.ms=9223372036854775807");
}
