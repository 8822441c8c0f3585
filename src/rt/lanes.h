/* SPDX-License-Identifier: Apache-2.0
 * The order of jobs with the same lane (io_job.lane): at most one of them is queued or running; it holds the lane, and those
 * that came after wait in its lane_waiting. When it is done the first of them takes the lane over. Constant time a job, no memory of
 * its own but a table of the lanes that are held.
 *
 * Not locked: the caller's lock is (jobs.c), or there is one thread (sim/).
 */
#ifndef RT_LANES_H
#define RT_LANES_H

#include "rt/io.h"

struct lanes {
    struct map held; /* lane → the job that holds it (lane_node) */
};

bool lanes_init(struct lanes *lanes) __attribute__((warn_unused_result)); /* false: no memory */
void lanes_free(struct lanes *lanes);

/* true: the job may run now (and holds its lane, when it has one). false: it waits. */
bool lanes_enter(struct lanes *lanes, struct io_job *job) __attribute__((warn_unused_result));

/* The job's work is done: the next of its lane, which may run now and holds it; NULL when nobody waits. */
struct io_job *lanes_pass(struct lanes *lanes, struct io_job *job) __attribute__((warn_unused_result));

#endif
