/* SPDX-License-Identifier: Apache-2.0
 * A shard: one thread, one loop, and everything that the thread owns. Nothing else is shared between shards but mail.
 *
 * One turn of the loop:
 *   1. mail that arrived runs, in order of arrival per sender
 *   2. timers that are due fire
 *   3. completions of I/O and jobs run (they were gathered while waiting)
 *   4. end-of-turn work runs once (the store commits what this turn appended)
 *   5. outgoing mail is flushed, one wake-up per receiver
 *   6. the loop waits: until I/O, mail or the next timer
 * All callbacks run at the top of the loop, never inside a call that somebody makes: a callee that has its answer at once still
 * delivers it by a completion or mail. Who holds a callback's object may therefore free it in the callback.
 *
 * Time is read once per turn. Monotonic time drives every timeout; wall time only stamps records.
 *
 * The same shards run in production (a thread each, real clock) and in the simulator (all in one thread, virtual time):
 * they see the world only through struct io (io.h) and struct fs (fs.h).
 */
#ifndef RT_SHARD_H
#define RT_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/view.h"

struct shard;
struct io;
struct fs;

/* A message from shard to shard, embedded in the object that travels. From post to run it and what it points at belong to the
 * receiver; a reply is the same object posted back with another `run`. */
struct mail {
    struct mail *next;
    void (*run)(struct shard *here, struct mail *mail);
};

/* A deadline, embedded in the object that waits. Zero it before the first use. */
struct timer {
    struct list link;
    uint64_t deadline_ms;
    bool armed;
    void (*fire)(struct shard *here, struct timer *timer);
};

unsigned shard_id(const struct shard *shard); /* 0 .. shard_count - 1 */
unsigned shard_count(const struct shard *shard);
struct shard *shard_peer(struct shard *shard, unsigned id); /* any shard of the same set, itself included: only to post to */
struct io *shard_io(struct shard *shard);
struct fs *shard_fs(struct shard *shard);

/* What the broker keeps per shard (one pointer, set once by who starts the shards). */
void *shard_context(struct shard *shard);
void shard_set_context(struct shard *shard, void *context);

/* Asserts that the caller runs on this shard. */
void shard_assert(const struct shard *shard);

/* Posts to any shard, also to oneself: it runs in a later step of this turn or in the next turn, never inside this call. */
void shard_post(struct shard *from, struct shard *to, struct mail *mail);

/* Runs `mail` once in step 4 of this turn; mail of the same turn runs in order of the calls. */
void shard_at_turn_end(struct shard *shard, struct mail *mail);

uint64_t shard_now_ms(const struct shard *shard);  /* monotonic */
uint64_t shard_now_us(const struct shard *shard);  /* monotonic */
int64_t shard_wall_ms(const struct shard *shard);  /* since 1970, UTC */
uint64_t shard_random(struct shard *shard);        /* seeded from the world: unpredictable in production, replayable in the simulator */
struct uuid shard_random_uuid(struct shard *shard); /* version 4; never one whose text begins with '-' (Kafka avoids those) */

/* Arms (or re-arms) the timer. A deadline in the past fires in the next turn. Precision: 1 ms. */
void timer_set(struct shard *shard, struct timer *timer, uint64_t deadline_ms, void (*fire)(struct shard *, struct timer *));
void timer_cancel(struct shard *shard, struct timer *timer); /* harmless when it is not armed */

#endif
