/* SPDX-License-Identifier: Apache-2.0
 * What befalls the node, its network and its clients (sim/run.c keeps the node alive).
 */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "sim/life.h"
#include "sim/load.h"

enum { FAULT_GAP_S_MAX = 30 }; /* between two faults: every 15 s on the average */

/* Rare paths made common, chosen once for a seed. */
struct profile {
    unsigned shards;
    bool near_wrap;
    int32_t fetch_bytes;
    const char *settings[24]; /* key=value, up to a NULL */
    char text[24][80];
};
void profile_choose(struct profile *profile, struct sim *sim);

enum fault_end { END_NOT, END_KILL, END_POWER }; /* of the node's life, at once */

/* One fault. Its name, for the story. `life` is READY. `down_us`: how long the node is to be gone when it is at an end. */
const char *fault_strike(struct sim *sim, struct load *load, struct life *life, enum fault_end *end, uint64_t *down_us);

/* The world as it is when nothing is wrong. */
void faults_heal(struct sim *sim);

#endif
