/* SPDX-License-Identifier: Apache-2.0
 * The network, and work that may block, as one shard sees them: operations with a completion that the caller owns.
 *
 * Every operation takes a struct io_op (or io_job) that lives in the caller's object. From the call until `done` runs, neither it
 * nor the memory that it names is touched or reused, cancelled or not. `done` runs at the top of the loop. One operation of
 * a kind (one receive, one send) may be outstanding per socket.
 *
 * Results: `result` is 0 or more on success (bytes), a negative errno on failure. A failed socket stays failed; its owner
 * closes it. io_close completes every outstanding operation of the socket with -ECANCELED before its own `done`.
 *
 * Backends: epoll (rt/io_epoll.c) with a few threads for jobs, and the simulator's (sim/). Both implement rt/io_backend.h.
 */
#ifndef RT_IO_H
#define RT_IO_H

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "base/view.h"
#include "rt/shard.h"

struct io_socket; /* opaque: a listener or a connection */
struct file;      /* fs.h */

/* Received bytes: counted, not atomically: all holders are on one shard. Freed (back to the shard's pool) with the last reference. */
struct io_buffer {
    struct io *io;
    uint32_t refs;
    uint32_t size; /* bytes that data has room for */
    uint8_t data[];
};

#define IO_BUFFER_SIZE (64 * 1024 - 64) /* room of a pooled buffer */

size_t io_buffers_held(const struct io *io); /* bytes of those that somebody has, and of the spare ones */
size_t io_sockets_held(const struct io *io); /* bytes that the backend has for the sockets there are */
/* A buffer with room for at least `size` bytes: a pooled one when it fits, else one of its own. NULL: no memory within the budget. One reference. */
struct io_buffer *io_buffer_new(struct io *io, size_t size) __attribute__((warn_unused_result));
struct io_buffer *io_buffer_ref(struct io_buffer *buffer);
void io_buffer_unref(struct io_buffer *buffer);

struct io_op {
    struct list link; /* the backend's while the operation is outstanding */
    void (*done)(struct shard *here, struct io_op *op);
    int64_t result;
    struct io_socket *socket;   /* accept: the new connection; else the socket of the operation */
    struct io_buffer *buffer;   /* io_recv: where the bytes are; the completion's reader owns this reference */
    void *to;                   /* backend's */
    size_t size, progress;      /* backend's */
    const struct io_piece *pieces;
    unsigned pieces_count;
};

/* One piece of what is sent: memory, or a range of a file (sent without copying where the backend can). */
struct io_piece {
    const void *data;  /* NULL: from the file */
    struct file *file;
    uint64_t offset;   /* in the file */
    size_t size;
};

/* Where a peer is, as text "127.0.0.1" or "::1" without port. */
#define IO_ADDRESS_SIZE 64

/* Listens on host (NULL or "": all addresses, IPv6 and IPv4) and port (0: any; *bound tells which). Every shard listens by itself on the same
 * port (SO_REUSEPORT); with port 0 the first shard's bound port is passed to the others. */
enum status io_listen(struct io *io, const char *host, uint16_t port, struct io_socket **listener, uint16_t *bound, struct err *err) MUST_CHECK;

/* Completes with result 0 and op->socket = the new connection, no-delay set. EMFILE and the like are retried inside after a pause. */
void io_accept(struct io *io, struct io_socket *listener, struct io_op *op);
void io_peer_address(const struct io_socket *socket, char text[static IO_ADDRESS_SIZE]);

/* For clients in the simulator and the tests. Completes when connected, with op->socket. */
void io_connect(struct io *io, const char *host, uint16_t port, struct io_op *op);

/* Receives what is there, at least one byte. result 0: the peer ended its side.
 * io_recv brings a buffer with room for `size` (op->buffer; taken only when bytes are there, so that an idle connection holds none; -ENOMEM when the budget is spent).
 * io_recv_into fills the caller's memory, up to `size`. */
void io_recv(struct io *io, struct io_socket *socket, struct io_op *op, size_t size);
void io_recv_into(struct io *io, struct io_socket *socket, struct io_op *op, void *to, size_t size);

/* Sends all pieces in order; completes when everything was taken by the kernel, or failed. The array and what it names are borrowed until then. */
void io_send(struct io *io, struct io_socket *socket, struct io_op *op, const struct io_piece *pieces, unsigned count);

/* Closes; outstanding operations complete with -ECANCELED, then op->done (op may be NULL: nobody waits). The handle is gone after this call. */
void io_close(struct io *io, struct io_socket *socket, struct io_op *op);

/* Work that blocks (files, mostly), run off the loop by a small pool of threads (in the simulator: at a later virtual time).
 * `work` may call only fs.h and pure functions, on memory that the job lends it until `done` runs on the shard that submitted it. Jobs
 * of one shard with the same non-NULL `lane` run one after the other in order, and so do their `done`s; others in any order, at the same time. */
struct io_job {
    void (*work)(struct io_job *job);
    void (*done)(struct shard *here, struct io_job *job);
    const void *lane;
    bool urgent;               /* somebody waits for it: before those that are not */
    struct list link;          /* this and below: the backend's while the job is outstanding */
    struct list lane_waiting;  /* the jobs of the same lane that come after this one */
    struct map_node lane_node; /* this job holds its lane */
    struct mail finished;
};

void io_job_submit(struct io *io, struct io_job *job);

/* A write to a file that is open FS_DURABLE: on the disk when `done` runs. A job, or less where the backend can do it without a thread. Several may be under way,
 * and end in any order. */
struct io_write {
    void (*done)(struct shard *here, struct io_write *write);
    struct file *file; /* borrowed, as the bytes are */
    uint64_t offset;
    struct bytes_view bytes;
    enum status status;
    struct err err;      /* when it failed */
    struct io_job job;   /* this and below: the backend's */
    size_t progress;
};

void io_write(struct io *io, struct io_write *write);

#endif
