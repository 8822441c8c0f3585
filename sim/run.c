/* SPDX-License-Identifier: Apache-2.0
 * See run.h. The driver stands outside the world: it looks at the node after each event, buries it when it is dead, and boots it again.
 */
#include "sim/run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/mem.h"
#include "rt/log.h"
#include "sim/dirs.h"
#include "sim/disk.h"
#include "sim/faults.h"
#include "sim/invariants.h"
#include "sim/sim_int.h"

enum {
    BOOT_US_MAX = 180000000,  /* and as long for a clean stop: calls of the disk stall */
    CALM_US = 10000000,       /* the load goes on, without faults */
    FINISH_US_MAX = 120000000,
    AUDIT_US_MAX = 600000000,
    CHOICES_MAX = 1 << 18,    /* of a disk whose power fails */
};

struct run {
    const struct run_options *options;
    struct run_result result;
    struct sim *sim;
    struct fs *disk;
    struct life *life; /* NULL: it is down, until `up_us` */
    struct load *load;
    struct invariants *invariants;
    struct profile profile;
    struct dirs dirs;
    const char *dir_settings[3];
    struct disk_faults faults; /* of the disk, until ill_until_us; 0: it is well */
    uint64_t ill_until_us;
    uint64_t up_us, life_us;    /* life_us: since when its state is what it is */
    enum life_state seen;
    bool over; /* a promise was broken so badly that going on makes no sense, or beyond the promises the node does not start any more */
    bool calm;
    bool rotten, reported; /* beyond the promises: something is broken; the broker said that something is */
};

static void tell(void *context, const char *line)
{
    const struct run *r = context;

    if (r->options->tell)
        r->options->tell(sim_now_us(r->sim), line);
}

static void tell_format(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell_format(struct run *r, const char *format, ...)
{
    char line[300];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    tell(r, line);
}

/* Beyond the promise: a consequence of what the broker reported. */
static bool is_excused(const struct run *r, const char *rule)
{
    static const char *const rules[] = {"topic-lost", "out-of-range", "sequence", "start-offset", "unread", "unresolved", "late", "starved", "epoch-end", "fenced",
                                        "setting", "described"};

    for (size_t i = 0; r->reported && i < sizeof rules / sizeof *rules; i++)
        if (!strcmp(rule, rules[i]))
            return true;
    return false;
}

static void broken(void *context, const char *rule, const char *what)
{
    struct run *r = context;

    if (is_excused(r, rule)) {
        tell_format(r, "EXCUSED %s: %s", rule, what);
        return;
    }
    tell_format(r, "BROKEN %s: %s", rule, what);
    if (r->result.broken++ < 20)
        r->options->broken(r->options->seed, rule, what);
}

/* The node's log from warnings on. That a call failed is no news of lost records, and what a dead one says nobody hears. */
static void hear(void *context, const char *line)
{
    static const int failures[] = {EIO, ENOSPC, EMFILE};
    struct run *r = context;

    if (r->life && life_state(r->life) == LIFE_DEAD)
        return;
    tell_format(r, "THE NODE says: %s", strstr(line, "level="));
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        if (strstr(line, strerror(failures[i])))
            return;
    if (!r->rotten) {
        if (strstr(line, "a file went bad"))
            broken(r, "scrub", line);
        return;
    }
    r->reported = true;
    load_report(r->load, line);
}

/* A log directory that fails takes down its own partitions, and no others. */
static void refused(void *context, struct uuid topic_id, int32_t index)
{
    struct run *r = context;
    const char *dir;

    if (!r->life || life_state(r->life) != LIFE_READY || life_is_ill(r->life) || r->rotten)
        return;
    r->result.refusals++;
    dir = invariants_dir(r->invariants, topic_id, index);
    if (dir && dirs_has(&r->dirs, dir))
        broken(r, "log-dir", dir);
}

/* After each event. */
static bool needs_attention(void *context)
{
    struct run *r = context;
    uint64_t before = r->result.broken;

    if (!r->life)
        return false;
    if (life_state(r->life) == LIFE_READY && r->seen == LIFE_READY && !r->rotten)
        invariants_event(r->invariants, r->disk);
    r->over = r->over || r->result.broken > before;
    return r->over || life_state(r->life) != r->seen;
}

/* --- lives --- */

static void note_rot(struct run *r, const struct fault *fault)
{
    static const char *const names[] = {"a bit flips", "a sector becomes zeros", "the end is lost", "an old version comes back", "the name is lost"};

    if (!fault->rotten)
        return;
    tell_format(r, "THE DISK rots: %s: %s", fault->rotten, names[fault->how]);
    r->rotten = true;
}

static void boot(struct run *r)
{
    struct life_options how = {.sim = r->sim, .disk = r->disk, .settings = r->profile.settings, .dirs = r->dir_settings, .seed = sim_random(r->sim), .shards = r->profile.shards,
                               .may_fail = r->ill_until_us};

    if (r->options->beyond && !r->calm && sim__random_below(r->sim, 8) == 0) {
        struct fault fault = fault_rot(r->sim, r->disk);
        note_rot(r, &fault);
    }
    const char *missing = dirs_boot(&r->dirs, r->sim, r->calm);
    if (missing)
        tell_format(r, "THE DISK misses %s", missing);
    how.may_fail |= dirs_are_needed(&r->dirs);
    how.may_fail |= r->rotten; /* what a broken partition leaves in a journal keeps it from a clean stop */
    if (sim__random_below(r->sim, 8) == 0)
        how.die_at = 1 + sim__random_below(r->sim, 30); /* during recovery */
    if (sim__random_below(r->sim, 8) == 0)
        faults_starve(r->sim, &how.starve_at, &how.starve_count);
    tell(r, how.die_at ? "THE NODE boots, and will die at a call of its disk" : "THE NODE boots");
    if (how.starve_count)
        tell_format(r, "THE NODE will not get its allocation %" PRIu64 " and %" PRIu64 " more", how.starve_at, how.starve_count - 1);
    r->result.lives++;
    r->life = life_begin(&how);
    r->seen = LIFE_BOOTING;
    r->life_us = sim_now_us(r->sim);
}

static void bury(struct run *r, uint64_t down_us)
{
    size_t forgotten;
    char text[80];

    if (life_state(r->life) == LIFE_READY && !r->rotten) /* what is inside is compared with the disk */
        invariants_depth(r->invariants, r->disk);
    forgotten = life_end(r->life);
    r->life = NULL;
    r->up_us = sim_now_us(r->sim) + down_us;
    if (r->faults.no_files_at) { /* the next process has none open */
        r->faults.no_files_at = 0;
        disk_set_faults(r->disk, &r->faults);
    }
    if (forgotten) {
        snprintf(text, sizeof text, "after a clean stop %zu bytes were not given back", forgotten);
        broken(r, "memory", text);
    }
}

static void disk_falls_ill(struct run *r, const struct fault *fault)
{
    r->faults = fault->disk;
    r->ill_until_us = sim_now_us(r->sim) + fault->ill_us;
    disk_set_faults(r->disk, &r->faults);
    life_fall_ill(r->life);
}

static void disk_gets_well(struct run *r)
{
    if (r->ill_until_us)
        tell(r, "THE DISK is well again");
    r->ill_until_us = 0;
    r->faults = (struct disk_faults){0};
    disk_set_faults(r->disk, &r->faults);
}

/* The power failed: what was not synced is there or not, each part for itself. */
static void lose_unsynced(struct run *r)
{
    uint32_t *outcomes = sim__alloc(CHOICES_MAX, sizeof *outcomes);
    size_t count = disk_choices(r->disk, outcomes, CHOICES_MAX);
    unsigned how = (unsigned)sim__random_below(r->sim, 3); /* all as synced, all as written, or each by chance */
    struct fs *after;

    for (size_t i = 0; i < count; i++)
        outcomes[i] = how == 0 ? 0 : how == 1 ? outcomes[i] - 1 : (uint32_t)sim__random_below(r->sim, outcomes[i]);
    after = disk_crash(r->disk, outcomes);
    ASSERT(after);
    fs_free(r->disk);
    r->disk = after;
    disk_set_faults(r->disk, &r->faults);
    disk_on_call(r->disk, dirs_judge_call, &r->dirs);
    mem_free(outcomes);
    tell_format(r, "THE DISK had %zu open choices", count);
}

/* The node's state is another one, or has been the same for too long. */
static void attend(struct run *r)
{
    static const char *const names[] = {"boots", "is ready", "stops", "has stopped", "is dead", "has failed"};
    uint64_t now = sim_now_us(r->sim);

    if (!r->life) {
        if (now >= r->up_us)
            boot(r);
        return;
    }
    if (r->seen != life_state(r->life)) {
        r->seen = life_state(r->life);
        r->life_us = now;
        tell_format(r, "THE NODE %s", names[r->seen]);
        if (r->seen == LIFE_READY && !r->rotten)
            invariants_ready(r->invariants, r->disk);
    }
    if (r->seen == LIFE_DEAD || r->seen == LIFE_STOPPED)
        bury(r, 1 + sim__random_below(r->sim, 3000000));
    if (r->seen == LIFE_DEAD && sim__random_below(r->sim, 3) == 0)
        lose_unsynced(r); /* the whole machine died */
    if (r->seen == LIFE_FAILED && life_failed_well(r->life)) {
        tell_format(r, "THE NODE said why: %s", life_error(r->life));
        bury(r, 1 + sim__random_below(r->sim, 5000000));
        return;
    }
    if (r->seen == LIFE_FAILED && r->rotten && life_error(r->life)[0]) {
        tell_format(r, "THE NODE said why, and nobody can help it: %s", life_error(r->life));
        load_report_all(r->load);
        r->over = true;
    } else if (r->seen == LIFE_FAILED) {
        broken(r, "node", life_error(r->life));
        r->over = true;
    }
    if ((r->seen == LIFE_BOOTING || r->seen == LIFE_STOPPING) && now > r->life_us + BOOT_US_MAX && now > r->sim->paused_us + BOOT_US_MAX) {
        broken(r, "hang", r->seen == LIFE_BOOTING ? "the node does not get ready" : "the node does not stop");
        r->over = true;
    }
}

/* Lets time pass, keeping the node alive, until the condition holds (NULL: never) or it is `until_us`. */
static bool live(struct run *r, bool (*condition)(void *context), void *context, uint64_t until_us)
{
    while (!r->over && sim_now_us(r->sim) < until_us && !(condition && condition(context))) {
        uint64_t slice_us = until_us - sim_now_us(r->sim);
        if (slice_us > 100000)
            slice_us = 100000;
        if (r->ill_until_us && sim_now_us(r->sim) >= r->ill_until_us)
            disk_gets_well(r);
        if (!sim_run_until(r->sim, needs_attention, r, slice_us) && r->life && life_state(r->life) == r->seen && r->seen == LIFE_READY)
            continue;
        attend(r);
    }
    return condition && condition(context);
}

static bool is_ready(void *context)
{
    const struct run *r = context;

    return r->life && life_state(r->life) == LIFE_READY;
}

static bool is_at_rest(void *context)
{
    const struct run *r = context;

    return is_ready(context) && invariants_rests(r->invariants);
}

static bool is_down(void *context)
{
    return !((const struct run *)context)->life;
}

/* --- the acts --- */

/* Before anybody sends: some logs go on where few offsets are left. */
static void begin_far(struct run *r)
{
    if (!live(r, load_has_topics, r->load, sim_now_us(r->sim) + BOOT_US_MAX))
        return;
    if (r->life)
        bury(r, 1000);
    load_begin_far(r->load, r->disk);
    tell(r, "THE DISK has logs that begin near the end of offsets");
}

static void strike(struct run *r)
{
    struct fault fault = fault_strike(r->sim, r->load, r->life, r->disk, r->options->beyond);

    r->result.faults++;
    tell_format(r, "FAULT %s", fault.name);
    note_rot(r, &fault);
    if (fault.ill_us)
        disk_falls_ill(r, &fault);
    if (fault.dir_fails) {
        tell_format(r, "THE DISK has lost %s", dirs_fail(&r->dirs, r->sim));
        life_lose_dir(r->life);
    }
    if (dirs_are_needed(&r->dirs))
        life_fall_ill(r->life);
    if (fault.end)
        bury(r, fault.down_us);
    if (fault.end == END_POWER)
        lose_unsynced(r);
}

static void under_faults(struct run *r)
{
    uint64_t end_us = sim_now_us(r->sim) + r->options->us;

    while (!r->over && sim_now_us(r->sim) < end_us) {
        uint64_t next_us = sim_now_us(r->sim) + 1 + sim__random_below(r->sim, FAULT_GAP_S_MAX * UINT64_C(1000000));
        live(r, NULL, NULL, next_us < end_us ? next_us : end_us);
        if (!r->over && is_ready(r))
            strike(r);
    }
}

static void in_calm(struct run *r)
{
    tell(r, "CALM from now on nothing is wrong");
    r->calm = true;
    faults_heal(r->sim);
    disk_gets_well(r);
    dirs_return(&r->dirs);
    if (is_ready(r) && invariants_dirs_offline(r->invariants)) {
        tell(r, "THE NODE is killed, so that it has all its log directories");
        bury(r, 1000);
    }
    for (int i = 0; i < 8 && !r->over && !live(r, is_ready, r, sim_now_us(r->sim) + BOOT_US_MAX * 2); i++)
        ; /* deaths that were set before may still come */
    if (r->over)
        return;
    if (!is_ready(r)) {
        broken(r, "liveness", "the node is not there");
        r->over = true;
        return;
    }
    life_die_at(r->life, 1 + (UINT64_C(1) << 60));
    life_starve(r->life, 0, 0);
    load_calm(r->load);
    live(r, NULL, NULL, sim_now_us(r->sim) + CALM_US);
    load_finish(r->load);
    if (!live(r, load_is_finished, r->load, sim_now_us(r->sim) + FINISH_US_MAX) && !r->over) {
        broken(r, "unresolved", "not everything resolves:");
        load_describe(r->load, tell, r);
    }
    if (!r->rotten && !live(r, is_at_rest, r, sim_now_us(r->sim) + FINISH_US_MAX) && !r->over)
        invariants_rest(r->invariants);
}

static void audit(struct run *r)
{
    if (!live(r, is_ready, r, sim_now_us(r->sim) + AUDIT_US_MAX))
        return;
    if (sim__random_below(r->sim, 2)) {
        tell(r, "THE NODE is killed before the audit");
        bury(r, 1000);
    } else {
        life_stop(r->life);
        live(r, is_down, r, sim_now_us(r->sim) + BOOT_US_MAX * 2);
    }
    live(r, is_ready, r, sim_now_us(r->sim) + AUDIT_US_MAX);
    if (r->over)
        return;
    tell(r, "AUDIT");
    load_audit(r->load);
    if (!live(r, load_is_audited, r->load, sim_now_us(r->sim) + AUDIT_US_MAX) && !r->over)
        broken(r, "liveness", "the audit does not end");
    if (!r->over && is_ready(r)) {
        life_stop(r->life);
        live(r, is_down, r, sim_now_us(r->sim) + BOOT_US_MAX * 2);
    }
}

struct run_result run_seed(const struct run_options *options)
{
    struct run r = {.options = options, .disk = disk_new(options->seed, options->seed & 1 ? DISK_PAGE : DISK_SECTOR)};
    struct load_options load = {.producers = 3, .once = 4, .keyed = 2, .readers = 4, .members = 5, .admins = 2, .groups = 2, .broken = broken, .context = &r};
    struct sim *sim;

    ASSERT(r.disk);
    r.sim = sim = sim_new(options->seed, &(struct sim_options){.fs = r.disk, .shards = 1 + (unsigned)(options->seed % 3)});
    sim_kill(sim);
    profile_choose(&r.profile, sim);
    arena_set_block(r.profile.arena_block);
    disk_set_memory(r.disk, r.profile.forgets);
    dirs_choose(&r.dirs, sim, r.dir_settings);
    r.profile.far &= r.dirs.count == 1; /* else the folder would have to be in the directory that the metadata chose */
    disk_on_call(r.disk, dirs_judge_call, &r.dirs);
    load.refused = refused;
    load.dirs = r.dirs.count;
    r.profile.shards = 1 + (unsigned)(options->seed % 3);
    load.sim = sim;
    load.near_wrap = r.profile.near_wrap;
    load.far = r.profile.far;
    load.wide = r.profile.wide;
    load.fetch_bytes = r.profile.fetch_bytes;
    load.tell = options->tell ? tell : NULL;
    load.beyond = options->beyond;
    r.load = load_new(&load);
    r.invariants = invariants_new(&(struct invariants_options){.sim = sim, .seed = options->seed, .broken = broken, .context = &r});
    log_set_listener(hear, &r);
    boot(&r);
    if (r.profile.far)
        begin_far(&r);
    under_faults(&r);
    if (!r.over)
        in_calm(&r);
    if (!r.over)
        audit(&r);
    if (!r.over || r.rotten)
        history_check(load_history(r.load), broken, &r);
    if (r.life)
        life_end(r.life);
    log_set_listener(NULL, NULL);
    r.result.hash = sim_hash(sim);
    r.result.simulated_us = sim_now_us(sim);
    r.result.counts = load_counts(r.load);
    r.result.operations = load_history(r.load)->count;
    r.result.waits = disk_waits(r.disk);
    r.result.rare = invariants_counts(r.invariants);
    invariants_free(r.invariants);
    sim_free(sim);
    load_free(r.load);
    fs_free(r.disk);
    return r.result;
}
