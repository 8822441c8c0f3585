/* SPDX-License-Identifier: Apache-2.0
 * Between sim.c (time, shards, jobs) and net.c (sockets).
 *
 * An event lives in the object that it concerns. `run` may free it.
 */
#ifndef SIM_SIM_INT_H
#define SIM_SIM_INT_H

#include "rt/io_backend.h"
#include "rt/lanes.h"
#include "sim/memory.h"
#include "sim/sim.h"

struct sim_event {
    uint64_t at_us, order; /* of equal times the one that was scheduled first is first */
    void (*run)(struct sim *sim, struct sim_event *event);
    void (*drop)(struct sim *sim, struct sim_event *event); /* the world, or the node that it is part of, ends before it ran */
    bool of_node;
};

struct sim_shard {
    struct io io;
    struct sim *sim;
    struct shard *shard; /* NULL: the node does not run */
    struct lanes lanes;
    uint64_t turn_us; /* of the next turn; SHARD_NEVER: none is due */
    struct mail start;
};

struct sim {
    struct sim_options options;
    struct shard_set *set;
    struct sim_shard *shards;
    struct fs *fs;
    struct memory *memory; /* of the node's life; NULL: nobody's */
    uint64_t now_us, random, hash;
    uint64_t paused_us; /* the node stands still until then */
    int ran; /* sim_ran */
    int64_t wall_shift_ms;
    unsigned stalls; /* of jobs, to come */
    uint32_t stall_us_max;

    struct sim_event **events; /* a heap: the earliest is first */
    size_t events_count, events_room;
    uint64_t events_order;

    struct list listeners, connections; /* net.c's */
    uint16_t port_last;
};

/* Memory that is always there, and not the node's: a failure that a test injected is not meant for the world. Zeroed. */
void *sim__alloc(size_t count, size_t size);

uint64_t sim__random_below(struct sim *sim, uint64_t bound); /* 0 .. bound - 1; bound > 0 */
void sim__note(struct sim *sim, uint64_t what, const void *bytes, size_t size); /* into the hash */
void sim__schedule(struct sim *sim, struct sim_event *event, uint64_t at_us);

/* The completion's shard has its next turn soon. */
void sim__complete(struct io *io, struct io_op *op, int64_t result);

struct sim *sim__of(struct io *io);

/* The network's part of the backend. */
enum status sim__listen(struct io *io, const char *host, uint16_t port, struct io_socket **listener, uint16_t *bound, struct err *err);
void sim__accept(struct io_socket *listener, struct io_op *op);
void sim__connect(struct io *io, const char *host, uint16_t port, struct io_op *op);
void sim__recv(struct io_socket *socket, struct io_op *op);
void sim__send(struct io_socket *socket, struct io_op *op);
void sim__close(struct io_socket *socket);
void sim__net_free(struct sim *sim);
void sim__net_kill(struct sim *sim); /* the node's ends of connections, and its listeners */

#endif
