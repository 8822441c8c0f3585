/* SPDX-License-Identifier: Apache-2.0
 * The machine's sockets and job threads for one shard (io_epoll.c). For run.c.
 */
#ifndef RT_IO_EPOLL_H
#define RT_IO_EPOLL_H

#include "base/err.h"
#include "rt/io.h"

/* Something whose readiness epoll reports. `ready` runs while the shard waits: it may complete operations and post nothing else. */
struct epoll_source {
    void (*ready)(struct epoll_source *source, uint32_t events);
};

enum status io_epoll_new(size_t buffers_budget, unsigned job_threads, struct io **io, struct err *err) MUST_CHECK;

/* Ends the job threads. Before the shard and its mailbox go. */
void io_epoll_stop_jobs(struct io *io);
void io_epoll_free(struct io *io); /* closes every socket that is still open; NULL is allowed */

enum status io_epoll_watch(struct io *io, int fd, struct epoll_source *source, struct err *err) MUST_CHECK;

/* Gathers what is ready; blocks for at most timeout_us (UINT64_MAX: for ever) until something is, or io is woken. */
void io_epoll_wait(struct io *io, uint64_t timeout_us);

#endif
