/* SPDX-License-Identifier: Apache-2.0
 * What io.h calls and a world implements (io_epoll.c: the machine's; sim/: the simulator's), and what both share: receive buffers and
 * the queue of completions.
 *
 * A backend embeds struct io and struct io_socket at the head of its own. It never runs a completion: it hands each to io__complete,
 * and the shard's next turn runs it. An operation that is in the queue keeps its result, also when its socket is closed meanwhile.
 */
#ifndef RT_IO_BACKEND_H
#define RT_IO_BACKEND_H

#include "base/mem.h"
#include "rt/io.h"
#include "rt/shard.h"

struct io_backend {
    enum status (*listen)(struct io *io, const char *host, uint16_t port, struct io_socket **listener, uint16_t *bound, struct err *err);
    void (*connect)(struct io *io, const char *host, uint16_t port, struct io_op *op);
    void (*accept)(struct io_socket *listener, struct io_op *op);
    void (*recv)(struct io_socket *socket, struct io_op *op); /* into op->to, up to op->size; op->to NULL: bring a buffer */
    void (*send)(struct io_socket *socket, struct io_op *op); /* op->pieces */
    void (*close)(struct io_socket *socket); /* completes what is outstanding with -ECANCELED, frees the socket */
    void (*job_submit)(struct io *io, struct io_job *job);
    bool (*write)(struct io *io, struct io_write *write); /* false: not in a way of its own. It ends in jobs_done. May be NULL */
    void (*wake)(struct io *io); /* from any thread: the shard's wait ends soon */
    void (*entropy)(struct io *io, void *bytes, size_t size);
};

enum { IO_BUFFERS_SPARE = 32 }; /* pooled buffers that are kept for reuse: 2 MiB */

struct io {
    const struct io_backend *backend;
    struct shard *shard;
    struct list completed, jobs_done; /* io_op.link, io_job.link */
    size_t buffers_budget, buffers_used; /* bytes of the buffers that somebody holds; the spare ones do not count */
    struct mem_user sockets;          /* what the backend holds for them */
    unsigned spare_count;
    struct io_buffer *spare[IO_BUFFERS_SPARE];
};

struct io_socket {
    struct io *io;
    char peer[IO_ADDRESS_SIZE]; /* what io_peer_address tells */
};

void io__init(struct io *io, const struct io_backend *backend, size_t buffers_budget);
void io__destroy(struct io *io); /* completions that did not run any more are dropped, with their buffers */

void io__complete(struct io *io, struct io_op *op, int64_t result);

/* A job is finished (from any thread): its `done` runs on the io's shard. */
void io__job_finished(struct io *io, struct io_job *job);

/* For the shard: step 3 of its turn. What they complete runs in the next turn. */
void io__run_completions(struct io *io);
bool io__completions_pending(const struct io *io);

/* Bytes of all pieces. */
size_t io__pieces_size(const struct io_piece *pieces, unsigned count);

/* Steps op->pieces over `sent` bytes, op->progress being what was sent of the first one left; pieces of size 0 are dropped. */
void io__send_advance(struct io_op *op, size_t sent);

#endif
