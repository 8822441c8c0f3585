/* SPDX-License-Identifier: Apache-2.0
 * Durable writes by io_uring: submitted by the shard, told to the shard, and no thread in between. For io_epoll.c.
 *
 * The descriptor of the ring is readable when a write is done, so epoll waits for it as for everything else. Where the kernel has no io_uring, or
 * forbids it, as containers do, such writes are jobs.
 */
#ifndef RT_URING_H
#define RT_URING_H

#include "rt/io.h"

struct uring;

struct uring *uring_new(struct io *io) __attribute__((warn_unused_result)); /* NULL: there is none to be had */
void uring_free(struct uring *uring); /* after every write that was submitted; NULL is allowed */
int uring_descriptor(const struct uring *uring);

/* false: not this one, or not now: it is to be a job. */
bool uring_write(struct uring *uring, struct io_write *write) __attribute__((warn_unused_result));
void uring_reap(struct uring *uring); /* hands over what is done */

#endif
