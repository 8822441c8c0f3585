/* SPDX-License-Identifier: Apache-2.0
 * What drives shards: only for rt/run.c (a thread each, real time) and sim/ (all in one thread, virtual time).
 *
 * The driver makes the shards, then repeats for each: shard_turn with the time; unless shard_next_us says "at once", shard_sleep; and
 * when that is true, wait for I/O, for shard_next_us, or for the backend's wake.
 */
#ifndef RT_WORLD_H
#define RT_WORLD_H

#include "base/err.h"
#include "rt/shard.h"

struct shard_set { /* made by the driver; outlives its shards */
    unsigned count;
    struct shard **shards;
};

/* NULL: no memory. `io` (which is told its shard) and `fs` are borrowed. */
struct shard *shard_new(const struct shard_set *set, unsigned id, struct io *io, struct fs *fs, uint64_t now_us, int64_t wall_ms);
void shard_free(struct shard *shard);

/* Steps 1 to 5 of shard.h. */
void shard_turn(struct shard *shard, uint64_t now_us, int64_t wall_ms);

/* Between turns, what this thread calls counts as done by `shard` (NULL: by none); returns whose it was. For tests in the simulator. */
struct shard *shard_enter(struct shard *shard);

#define SHARD_NEVER UINT64_MAX

/* When the next turn is wanted though no I/O and no mail arrives: 0 at once, SHARD_NEVER not at all. */
uint64_t shard_next_us(const struct shard *shard);

/* Before a wait: true when no mail is there; from now on the first mail that arrives calls the backend's wake. */
bool shard_sleep(struct shard *shard) __attribute__((warn_unused_result));

/* rt_stop was called. */
bool shard_stopped(const struct shard *shard);

/* Puts a chain of mail (newest first, linked by next) into a mailbox. From any thread. */
void shard_deliver(struct shard *to, struct mail *newest, struct mail *oldest);

#endif
