/* SPDX-License-Identifier: Apache-2.0
 * The simulated world: shards, their network, their disk and their clock in one thread, replayable from a seed.
 *
 * What runs is the production code: it sees the world only through rt/io.h and rt/fs.h. Time is virtual and passes only between
 * events; what happens next is the earliest event, and everything that the real world leaves open (how long a packet or a job takes,
 * where a stream is cut, which of two shards is first, what shard_random yields) is drawn from one generator. Same seed, same
 * options, same calls: same events, so the same sim_hash.
 *
 * A test is a plain function: it makes a world, and between the runs that it asks for (sim_run, sim_client_wait) its own code counts as
 * shard 0's. Clients are the test's: they do not block and have no shard.
 *
 *     struct sim *sim = sim_new(seed, &(struct sim_options){.shards = 2, .on_start = start_broker});
 *     struct sim_client *client = sim_connect(sim, 9092);
 *     sim_client_send(client, request, sizeof request);
 *     if (sim_client_wait(client, 4, 1000000)) ...
 *     sim_free(sim);
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/view.h"
#include "rt/fs.h"
#include "rt/shard.h"

struct memory;
struct sim;
struct sim_client;

struct sim_options {                  /* a 0 stands for what is said in brackets */
    unsigned shards;                  /* (1) */
    struct fs *fs;                    /* borrowed (an empty one in memory, the world's own) */
    size_t buffer_budget;             /* bytes of receive buffers per shard (64 MiB) */
    uint32_t latency_us_max;          /* of a packet (200) */
    uint32_t job_us_max;              /* until a job runs (500) */
    uint32_t turn_us_max;             /* that a turn takes (10) */
    uint32_t window;                  /* bytes on their way or unread before a sender has to wait (64 KiB) */
    unsigned split_percent;           /* of the receives get only a part of what is there (none) */
    void (*on_start)(struct shard *shard, void *context); /* as in rt_run; NULL: nothing */
    void *context;
};

struct sim *sim_new(uint64_t seed, const struct sim_options *options);

/* Everything at once, wherever it stands: completions that are outstanding never run. */
void sim_free(struct sim *sim);

struct shard *sim_shard(struct sim *sim, unsigned id);
struct fs *sim_fs(struct sim *sim);
uint64_t sim_now_us(const struct sim *sim);
uint64_t sim_random(struct sim *sim);     /* for the test's own choices */
uint64_t sim_hash(const struct sim *sim); /* of every event until now */
bool sim_stopped(const struct sim *sim);  /* rt_stop was called */
int sim_ran(const struct sim *sim);       /* the shard whose turn the last event was; -1: it was none's, so no shard's state has changed */

/* Lets `us` of virtual time pass. */
void sim_run(struct sim *sim, uint64_t us);

/* Lets time pass until condition(context) holds, but `us` at most. Whether it holds. */
bool sim_run_until(struct sim *sim, bool (*condition)(void *context), void *context, uint64_t us) __attribute__((warn_unused_result));

/* Resets every connection, as when a cable is pulled. */
void sim_break_connections(struct sim *sim);

/* Calls run(context) at that time, from the top of the world's loop. */
void sim_at(struct sim *sim, uint64_t at_us, void (*run)(void *context), void *context);

/* --- what befalls the node --- */

/* All shards end at once, as by SIGKILL: nothing that they have under way goes on, and the peers of their connections are reset. The world
 * and its clients live on. What the shards held is the caller's to free (memory.h). */
void sim_kill(struct sim *sim);

/* New shards in the place of those that were killed. `memory` (NULL: nobody's) is charged with what they allocate; they themselves are the world's. */
void sim_revive(struct sim *sim, struct fs *fs, struct memory *memory, void (*on_start)(struct shard *shard, void *context), void *context);

void sim_pause(struct sim *sim, uint64_t us);         /* as by SIGSTOP and, later, SIGCONT */
void sim_shift_wall(struct sim *sim, int64_t ms);     /* the wall clock jumps; monotonic time does not */
int64_t sim_wall_ms(const struct sim *sim);           /* as the node sees it */
int64_t sim_true_wall_ms(const struct sim *sim);      /* without the jumps: the clients' clock */
void sim_set_network(struct sim *sim, uint32_t latency_us_max, unsigned split_percent);
void sim_set_job_time(struct sim *sim, uint32_t job_us_max);
void sim_stall_jobs(struct sim *sim, unsigned count, uint32_t stall_us_max); /* each of the next ones takes so much longer; at least 10 ms */

/* --- clients --- */

enum sim_client_state {
    SIM_CLIENT_OPEN,
    SIM_CLIENT_ENDED, /* the broker closed; what it sent before can still be taken */
    SIM_CLIENT_RESET,
};

/* NULL: nobody listens there. The broker learns of it later. */
struct sim_client *sim_connect(struct sim *sim, uint16_t port) __attribute__((warn_unused_result));

/* Calls notify(context) when something arrived for the client: bytes, the end, a reset. It may close the client. */
void sim_client_notify(struct sim_client *client, void (*notify)(void *context), void *context);

void sim_client_send(struct sim_client *client, const void *bytes, size_t size); /* copies; never waits */
struct bytes_view sim_client_received(const struct sim_client *client);          /* until the next call that lets time pass */
void sim_client_take(struct sim_client *client, size_t size);                    /* `size` of these were read */
enum sim_client_state sim_client_state(const struct sim_client *client);

/* Lets time pass until `size` bytes are there. false: the connection is over before, or `us` have passed. */
bool sim_client_wait(struct sim_client *client, size_t size, uint64_t us) __attribute__((warn_unused_result));

void sim_client_end(struct sim_client *client);   /* sends no more, still receives */
void sim_client_reset(struct sim_client *client); /* loses what is on its way */
void sim_client_close(struct sim_client *client); /* as a process that ends; the client is gone */
void sim_client_vanish(struct sim_client *client); /* as a machine that loses power: the node hears nothing, ever; the client is gone */

#endif
