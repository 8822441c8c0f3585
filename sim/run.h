/* SPDX-License-Identifier: Apache-2.0
 * One seed: a world, a node with its lives, clients, faults, and at the end the verdict.
 *
 *   load under faults ─→ calm: every request resolves ─→ the node dies or stops once more ─→ audit: everything is read ─→ clean stop ─→ history_check
 */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/invariants.h"
#include "sim/load.h"

struct run_options {
    uint64_t seed;
    uint64_t us; /* of load under faults */
    bool beyond; /* faults that no promise holds under: files rot. What is lost has to be reported, and nothing that is not reported may be wrong */
    void (*tell)(uint64_t now_us, const char *line);            /* the story; NULL: untold */
    void (*broken)(uint64_t seed, const char *rule, const char *what); /* each broken promise, as it is found */
};

struct run_result {
    uint64_t hash, simulated_us, operations, faults, lives, broken;
    uint64_t waits; /* reads that were told that they would have to wait for the disk */
    uint64_t refusals; /* that were right: of partitions whose log directory was away */
    struct load_counts counts;
    struct invariants_counts rare;
};

struct run_result run_seed(const struct run_options *options);

#endif
