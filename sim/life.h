/* SPDX-License-Identifier: Apache-2.0
 * One life of a node in a world that outlives it: from its boot on a disk to a clean stop, or to its death in the middle of anything.
 *
 *   life_begin ─ BOOTING ─→ READY ─ life_stop ─→ STOPPING ─→ STOPPED ┐
 *                   └──────────┴────────────────────┴──→ DEAD, FAILED ┴─ life_end
 *
 * A node dies between two events (life_end, any time), or at the n-th of its calls that change the disk: that call is done in part or
 * not at all, no later one is, and the world is told at the end of the event (DEAD). FAILED: it gave up by itself; it has a reason to only when
 * its disk does not do what it should (may_fail), or when there was no memory (starve).
 */
#ifndef SIM_LIFE_H
#define SIM_LIFE_H

#include "sim/sim.h"

struct life;

enum life_state { LIFE_BOOTING, LIFE_READY, LIFE_STOPPING, LIFE_STOPPED, LIFE_DEAD, LIFE_FAILED };

enum { LIFE_PORT = 9092 };
#define LIFE_DIR "/data"

struct life_options {
    struct sim *sim;             /* without a node: sim_kill */
    struct fs *disk;             /* borrowed */
    const char *const *settings; /* key=value, up to a NULL */
    const char *const *dirs;     /* the same; NULL: one log directory, LIFE_DIR */
    uint64_t seed;
    unsigned shards;
    uint64_t die_at;             /* the call that kills it; 0: none */
    bool may_fail;               /* its disk is ill */
    uint64_t starve_at, starve_count; /* allocations that fail: from which one on, how many (0: none) */
};

struct life *life_begin(const struct life_options *options);
enum life_state life_state(const struct life *life);
void life_die_at(struct life *life, uint64_t calls); /* that many calls from now */
uint64_t life_calls(const struct life *life);        /* that changed the disk, until now */
const char *life_error(const struct life *life);     /* of FAILED */
void life_fall_ill(struct life *life);               /* from now on it may fail */
void life_lose_dir(struct life *life);               /* a log directory fails, which it may notice as late as at its stop; it goes on, and does not stop cleanly */
bool life_is_ill(const struct life *life);           /* it may fail, or memory was short */
bool life_failed_well(const struct life *life);      /* FAILED, as it may: the reason that it gives is the disk, or memory */

/* The n-th allocation from now on fails, and the `count` - 1 after it. count 0: none does. */
void life_starve(struct life *life, uint64_t n, uint64_t count);
bool life_starved(const struct life *life);            /* an allocation failed */
uint64_t life_allocations(const struct life *life);    /* until now, the failed ones, too */

/* Asks a node that is READY for its clean stop. */
void life_stop(struct life *life);

/* Ends it as it stands, and frees it. The bytes that a node which had STOPPED did not give back (0 otherwise); a file that
 * it left open counts, too. */
size_t life_end(struct life *life);

#endif
