/* SPDX-License-Identifier: Apache-2.0
 * See crash.h.
 *
 *   crashpoints [--workload log|clean|node] [--states N] [--seconds N] [--limit N]     seeds 1, 2, ... until N distinct states, or time, are used up
 *   crashpoints --workload W --seed S [--point P --state K]                      one seed, one state
 *
 * Ends with `N states, N failed`.
 */
#include "crash.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/mem.h"
#include "rt/log.h"
#include "rt/world.h"

enum { CHOICES_MAX = 8192, FAILURES_MAX = 5 };

static char replay[256]; /* the state that is being checked */
static void *model;

/* --- sets of hashes -------------------------------------------------------------------------------------------------------- */

static bool set_put(struct crash_set *set, uint64_t hash)
{
    size_t at;

    if (set->count * 2 >= set->room) {
        struct crash_set larger = {.room = set->room ? set->room * 2 : 1024};
        larger.slots = mem_alloc(larger.room, sizeof *larger.slots);
        ASSERT(larger.slots);
        for (size_t i = 0; i < set->room; i++) {
            if (set->slots[i])
                (void)set_put(&larger, set->slots[i]);
        }
        mem_free(set->slots);
        *set = larger;
    }
    hash += hash == 0;
    for (at = hash % set->room; set->slots[at]; at = (at + 1) % set->room) {
        if (set->slots[at] == hash)
            return false;
    }
    set->slots[at] = hash;
    set->count++;
    return true;
}

/* --- chance ---------------------------------------------------------------------------------------------------------------- */

static uint64_t below(uint64_t *random, uint64_t bound)
{
    *random = hash_bytes(*random, "next", 4);
    return (uint64_t)((__uint128_t)*random * bound >> 64);
}

uint64_t crash_random(struct crash *c, uint64_t bound)
{
    return below(&c->random, bound);
}

bool crash_failure(struct crash *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(c->failure, sizeof c->failure, format, args);
    va_end(args);
    return false;
}

/* --- one point ------------------------------------------------------------------------------------------------------------- */

struct choices {
    uint32_t most[CHOICES_MAX], outcomes[CHOICES_MAX]; /* most: the number of outcomes */
    size_t count;
    uint64_t product; /* saturated */
};

static void choices_at(struct fs *disk, struct choices *choices)
{
    choices->count = disk_choices(disk, choices->most, CHOICES_MAX);
    choices->product = 1;
    for (size_t i = 0; i < choices->count; i++) {
        if (__builtin_mul_overflow(choices->product, choices->most[i], &choices->product))
            choices->product = UINT64_MAX;
    }
}

/* Outcome `state` of all. */
static void choose_nth(struct choices *choices, uint64_t state)
{
    for (size_t i = 0; i < choices->count; i++) {
        choices->outcomes[i] = (uint32_t)(state % choices->most[i]);
        state /= choices->most[i];
    }
}

/* Sample `state`: nothing, everything, everything but one, one only, and then by chance, with much or little of it there. */
static void choose_sample(const struct crash *c, struct choices *choices, uint64_t state)
{
    uint64_t random = hash_bytes(c->seed, &(uint64_t[]){c->point, state}, 16), there = below(&random, 101);
    uint64_t one = (state - 2) % choices->count;
    bool single = state >= 2 && state < 2 + 2 * choices->count, but_one = state < 2 + choices->count;

    for (size_t i = 0; i < choices->count; i++) {
        uint32_t last = choices->most[i] - 1;
        if (state < 2)
            choices->outcomes[i] = state ? last : 0;
        else if (single)
            choices->outcomes[i] = (i == one) == but_one ? 0 : last;
        else
            choices->outcomes[i] = below(&random, 100) < there ? last : (uint32_t)below(&random, choices->most[i]);
    }
}

static void crash_check(struct crash *c, struct fs *disk, uint64_t state)
{
    uint64_t key[] = {disk_hash(disk), c->promise};
    struct shard *outer;

    (void)set_put(c->states, key[0]);
    if (!set_put(&c->checked, hash_bytes(0, key, sizeof key)) && !c->only_point)
        return;
    outer = shard_enter(NULL);
    (void)snprintf(replay, sizeof replay, "script/crashpoints --workload %s --seed %llu --limit %llu --point %llu --state %llu\n", c->workload->name,
                   (unsigned long long)c->seed, (unsigned long long)c->limit, (unsigned long long)c->point, (unsigned long long)state);
    if (!c->workload->check(c, model, disk)) {
        c->failed++;
        printf("FAIL %s\n     %s", c->failure, replay);
        fflush(stdout);
    }
    replay[0] = 0;
    shard_enter(outer);
}

/* The outcomes of a power cut, and behind them the kill. */
static void crash_point(struct crash *c, struct fs *disk)
{
    static struct choices choices;
    uint64_t count;

    choices_at(disk, &choices);
    count = choices.product < c->limit ? choices.product : c->limit;
    for (uint64_t state = 0; state <= count; state++) {
        struct fs *crashed;
        if ((c->only_state >= 0 && state != (uint64_t)c->only_state) || c->failed >= FAILURES_MAX)
            continue;
        if (choices.product <= c->limit)
            choose_nth(&choices, state);
        else
            choose_sample(c, &choices, state);
        crashed = disk_crash(disk, state < count ? choices.outcomes : NULL);
        crash_check(c, crashed, state);
        fs_free(crashed);
    }
}

struct watched {
    struct crash *crash;
    struct fs *disk;
};

/* What makes a file is seen at the next call. */
static int on_call(void *context, enum fs_call call, const char *path)
{
    const struct watched *w = context;
    struct crash *c = w->crash;

    if (call == FS_CALL_OPEN || call == FS_CALL_READ || call == FS_CALL_LIST || call == FS_CALL_SIZE || call == FS_CALL_LOCK)
        return 0;
    c->point++;
    if ((!c->only_point || c->point == c->only_point) && c->states->count < c->target)
        crash_point(c, w->disk);
    return 0;
}

/* --- runs ------------------------------------------------------------------------------------------------------------------ */

static uint64_t crash_run(struct crash *c)
{
    struct fs *disk = disk_new(c->seed, c->seed % 4 ? DISK_SECTOR : DISK_PAGE);
    struct watched watched = {c, disk};

    c->random = c->seed;
    c->point = c->promise = c->failed = 0;
    c->checked = (struct crash_set){0};
    disk_on_call(disk, on_call, &watched);
    c->workload->run(c, disk, &model);
    disk_on_call(disk, NULL, NULL);
    mem_free(c->checked.slots);
    fs_free(disk);
    return c->failed;
}

static void on_abort(int signal)
{
    static const char text[] = "aborted while checking: ";

    if (replay[0] && write(STDERR_FILENO, text, sizeof text - 1) > 0)
        (void)!write(STDERR_FILENO, replay, strlen(replay));
}

static long long number(const char *text)
{
    char *end;
    long long n = strtoll(text, &end, 10);

    if (*end || end == text) {
        fprintf(stderr, "%s is no number\n", text);
        exit(2);
    }
    return n;
}

int main(int argc, char **argv)
{
    const struct crash_workload *const workloads[] = {&crash_log, &crash_clean, &crash_node};
    struct crash_set states = {0};
    struct crash c = {.limit = 300, .target = UINT64_MAX, .only_state = -1, .states = &states};
    const struct crash_workload *only = NULL;
    uint64_t failed = 0, seconds = 600, runs = 0;
    time_t start = time(NULL);
    bool one;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--workload") == 0)
            only = strcmp(argv[i + 1], "log") == 0 ? &crash_log : &crash_node;
        else if (strcmp(argv[i], "--states") == 0)
            c.target = (uint64_t)number(argv[i + 1]);
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = (uint64_t)number(argv[i + 1]);
        else if (strcmp(argv[i], "--limit") == 0)
            c.limit = (uint64_t)number(argv[i + 1]);
        else if (strcmp(argv[i], "--seed") == 0)
            c.seed = (uint64_t)number(argv[i + 1]);
        else if (strcmp(argv[i], "--point") == 0)
            c.only_point = (uint64_t)number(argv[i + 1]);
        else if (strcmp(argv[i], "--state") == 0)
            c.only_state = number(argv[i + 1]);
    }
    log_set_level(c.only_point ? LOG_DEBUG : LOG_FATAL);
    (void)signal(SIGABRT, on_abort);
    one = c.seed > 0;
    for (c.seed += !one; states.count < c.target && (uint64_t)(time(NULL) - start) < seconds && !failed; c.seed++) {
        for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
            c.workload = workloads[i];
            if (only && only != c.workload)
                continue;
            failed += crash_run(&c);
            runs++;
        }
        if (one)
            break;
    }
    printf("%zu states, %llu failed (%llu runs, %lld s)\n", states.count, (unsigned long long)failed, (unsigned long long)runs, (long long)(time(NULL) - start));
    mem_free(states.slots);
    return failed > 0;
}
