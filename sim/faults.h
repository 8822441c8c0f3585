/* SPDX-License-Identifier: Apache-2.0
 * What befalls the node, its network and its clients (sim/run.c keeps the node alive).
 */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "sim/disk.h"
#include "sim/life.h"
#include "sim/load.h"

enum { FAULT_GAP_S_MAX = 30 }; /* between two faults: every 15 s on the average */

/* Rare paths made common, chosen once for a seed. */
struct profile {
    unsigned shards;
    uint32_t forgets;         /* disk_set_memory */
    bool near_wrap, far, wide;
    int32_t fetch_bytes;
    size_t arena_block;
    const char *settings[32]; /* key=value, up to a NULL */
    char text[32][80];
};
void profile_choose(struct profile *profile, struct sim *sim);

enum fault_end { END_NOT, END_KILL, END_POWER }; /* of the node's life, at once */

struct fault {
    const char *name;          /* for the story */
    enum fault_end end;
    uint64_t down_us;          /* how long the node is to be gone when it is at an end */
    struct disk_faults disk;   /* of the disk from now on */
    uint64_t ill_us;           /* for so long; 0: the disk stays as it is */
    bool dir_fails;            /* a log directory is away from now on (dirs.h) */
    enum disk_rot how;
    const char *rotten;        /* the file that is not what was written any more, until the disk's next call; NULL: none */
};

/* One fault. `life` is READY. `beyond`: also those that nothing is promised under, on this disk. */
struct fault fault_strike(struct sim *sim, struct load *load, struct life *life, struct fs *disk, bool beyond);

/* While the node is down: its disk rots, for all that nobody looks. */
struct fault fault_rot(struct sim *sim, struct fs *disk);

/* Which allocations fail when memory is short: from which one on, how many. */
void faults_starve(struct sim *sim, uint64_t *at, uint64_t *count);

/* The world as it is when nothing is wrong. */
void faults_heal(struct sim *sim);

#endif
