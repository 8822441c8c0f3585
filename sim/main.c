/* SPDX-License-Identifier: Apache-2.0
 * simulate: runs seeds, one line each; tells the story of one.
 *
 *   simulate [--minutes M] [--beyond] [--story] [--log] SEED [COUNT]
 *
 * Every seed is announced before it runs, so that one which ends the process is known, too. Of every hundred one is run twice and the hashes
 * are compared (invariant 25).
 */
#include <errno.h>
#include <inttypes.h>

#include "base/mem.h"
#include "rt/log.h"
#include "sim/memory.h"
#include "sim/run.h"

enum { REPLAY_EVERY = 100 };

static void print_story(uint64_t now_us, const char *line)
{
    printf("%12.6f  %s\n", (double)now_us / 1e6, line);
}

static void print_broken(uint64_t seed, const char *rule, const char *what)
{
    printf("BROKEN seed=%" PRIu64 " rule=%s %s\n", seed, rule, what);
}

static bool number(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return !errno && end != text && !*end;
}

static bool same_again(const struct run_options *options, uint64_t hash)
{
    struct run_options again = *options;
    struct run_result result;

    again.tell = NULL;
    result = run_seed(&again);
    if (result.hash != hash)
        printf("BROKEN seed=%" PRIu64 " rule=replay %016" PRIx64 " became %016" PRIx64 "\n", options->seed, hash, result.hash);
    return result.hash == hash;
}

int main(int argc, char **argv)
{
    struct run_options options = {.us = 600 * UINT64_C(1000000), .broken = print_broken};
    uint64_t first = 0, count = 1, minutes = 10, failed = 0;
    int at = 1;
    bool fine = true, log = false;

    for (; at < argc && argv[at][0] == '-'; at++) {
        if (!strcmp(argv[at], "--minutes") && at + 1 < argc)
            fine = fine && number(argv[++at], &minutes) && minutes <= 10000000;
        else if (!strcmp(argv[at], "--story"))
            options.tell = print_story;
        else if (!strcmp(argv[at], "--beyond"))
            options.beyond = true;
        else if (!strcmp(argv[at], "--log"))
            log = true;
        else
            fine = false;
    }
    fine = fine && at < argc && number(argv[at++], &first) && (at == argc || number(argv[at++], &count)) && at == argc;
    if (!fine) {
        fprintf(stderr, "usage: simulate [--minutes M] [--beyond] [--story] [--log] SEED [COUNT]\n");
        return 2;
    }
    memory_install();
    log_set_level(log ? LOG_INFO : LOG_FATAL);
    options.us = minutes * 60 * 1000000;
    for (uint64_t i = 0; i < count; i++) {
        struct run_result result;
        bool good;
        options.seed = first + i;
        printf("seed=%" PRIu64 "\n", options.seed);
        fflush(stdout);
        result = run_seed(&options);
        good = !result.broken;
        if (i % REPLAY_EVERY == REPLAY_EVERY - 1 || (i + 1 == count && count > 1))
            good = same_again(&options, result.hash) && good;
        printf("seed=%" PRIu64 " %s simulated_s=%" PRIu64 " requests=%" PRIu64 " operations=%" PRIu64 " faults=%" PRIu64 " lives=%" PRIu64
               " sequence_ends=%" PRIu64 " epoch_ends=%" PRIu64 " offset_ends=%" PRIu64 " compacted_met=%" PRIu64 " tombstones_met=%" PRIu64 " wakes_met=%" PRIu64 " replays_met=%" PRIu64 " folders_met=%" PRIu64 " spills_met=%" PRIu64 " blocks_met=%" PRIu64 " refusals_met=%" PRIu64 " moves_met=%" PRIu64 " settings_judged=%" PRIu64 " members_judged=%" PRIu64
               " waits=%" PRIu64 " hash=%016" PRIx64 "\n",
               options.seed, good ? "fine" : "FAILED", result.simulated_us / 1000000, result.counts.requests, result.operations, result.faults, result.lives,
               result.counts.sequence_ends, result.counts.epoch_ends, result.counts.offset_ends, result.counts.compacted_met, result.counts.tombstones_met,
               result.rare.wakes, result.rare.replays, result.rare.folders, result.rare.spills, result.rare.blocks, result.refusals, result.rare.moves, result.counts.settings_judged,
               result.counts.members_judged, result.waits, result.hash);
        fflush(stdout);
        failed += !good;
    }
    return failed ? 1 : 0;
}
