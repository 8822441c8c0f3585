/* SPDX-License-Identifier: Apache-2.0
 * The threads of one shard that do what may block (struct io_job of io.h).
 */
#ifndef RT_JOBS_H
#define RT_JOBS_H

#include "base/err.h"
#include "rt/io.h"

struct jobs;

/* `finished` is called on the worker's thread after each job's work. */
enum status jobs_new(unsigned threads, struct io *io, void (*finished)(struct io *io, struct io_job *job), struct jobs **jobs, struct err *err) MUST_CHECK;
void jobs_submit(struct jobs *jobs, struct io_job *job);
void jobs_free(struct jobs *jobs); /* after the work of every job that was submitted; NULL is allowed */

#endif
