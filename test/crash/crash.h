/* SPDX-License-Identifier: Apache-2.0
 * Crash states: a workload runs on a simulated disk (sim/disk.h); before each of its file operations every state that a crash may leave at that
 * moment is made, and the workload's check recovers the production code on it.
 *
 * A state is named by workload, seed, point (the number of the operation) and state (the number of the outcome there), so that one line
 * replays it. Where a point has more outcomes than the limit, the extremes are taken (all, none, all but one, only one of what was not synced) and
 * a seeded sample of the others.
 */
#ifndef TEST_CRASH_CRASH_H
#define TEST_CRASH_CRASH_H

#include "base/err.h"
#include "sim/disk.h"

struct crash_set { /* of hashes */
    uint64_t *slots;
    size_t count, room;
};

struct crash {
    const struct crash_workload *workload;
    uint64_t seed;
    uint64_t limit;            /* states a point */
    uint64_t target;           /* distinct states; then the run only goes to its end */
    uint64_t only_point;       /* 0: all */
    int64_t only_state;        /* -1: all */
    uint64_t point, random;
    uint64_t promise;          /* the workload counts what it was promised: a known state is checked again after a new promise */
    uint64_t failed;
    struct crash_set *states, checked;
    char failure[512];         /* why the check said no */
};

struct crash_workload {
    const char *name;
    void (*run)(struct crash *c, struct fs *disk, void **model);      /* sets *model before the first operation; frees it */
    bool (*check)(struct crash *c, const void *model, struct fs *disk); /* the state is the check's to change, not to free */
};

extern const struct crash_workload crash_clean, crash_log, crash_node;

uint64_t crash_random(struct crash *c, uint64_t bound); /* the workload's own choices: 0 .. bound - 1 */
bool crash_failure(struct crash *c, const char *format, ...) __attribute__((format(printf, 2, 3))); /* false */

#endif
