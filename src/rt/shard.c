/* SPDX-License-Identifier: Apache-2.0
 * See shard.h and world.h.
 *
 * A mailbox is one atomic word: NULL (empty, its shard is awake), &asleep (empty, its shard waits), or the newest mail of
 * a chain. A sender gathers a turn's mail for one receiver in a chain and puts it in front with one compare-and-swap (release); the
 * receiver takes everything with one exchange (acquire) and turns it round. Nobody takes a part, so there is no ABA. Who finds &asleep
 * there has to wake the receiver: one wake-up a sleep, none for a shard that is busy.
 *
 * rt_stop's flag is stored before the wake and read after it; it needs no order of its own.
 */
#include <stdatomic.h>

#include "base/assert.h"
#include "base/mem.h"
#include "rt/io_backend.h"
#include "rt/run.h"
#include "rt/wheel.h"
#include "rt/world.h"

struct outbox {
    struct mail *newest, *oldest;
};

enum { RANDOM_WORDS = 64 };

struct shard {
    struct mail *_Atomic mailbox; /* these two are what other threads touch */
    atomic_bool stopped;
    uint8_t gap[128]; /* and stand on cache lines of their own */

    unsigned id;
    unsigned random_left; /* words of random[] not yet used */
    const struct shard_set *set;
    struct io *io;
    struct fs *fs;
    void *context;
    uint64_t now_us;
    int64_t wall_ms;
    bool outboxes_used;
    struct outbox *outboxes; /* one a shard of the set */
    struct mail *turn_end, **turn_end_tail;
    struct wheel wheel;
    uint64_t random[RANDOM_WORDS];
};

static struct mail asleep;
static _Thread_local struct shard *current; /* whose turn it is in this thread */

struct shard *shard_new(const struct shard_set *set, unsigned id, struct io *io, struct fs *fs, uint64_t now_us, int64_t wall_ms)
{
    struct shard *shard = mem_alloc(1, sizeof *shard);

    if (!shard)
        return NULL;
    shard->id = id;
    shard->set = set;
    shard->io = io;
    shard->fs = fs;
    shard->now_us = now_us;
    shard->wall_ms = wall_ms;
    shard->turn_end_tail = &shard->turn_end;
    wheel_init(&shard->wheel, now_us / 1000);
    shard->outboxes = mem_alloc(set->count, sizeof *shard->outboxes);
    if (!shard->outboxes) {
        mem_free(shard);
        return NULL;
    }
    io->shard = shard;
    return shard;
}

void shard_free(struct shard *shard)
{
    if (!shard)
        return;
    mem_free(shard->outboxes);
    mem_free(shard);
}

unsigned shard_id(const struct shard *shard)
{
    return shard->id;
}

unsigned shard_count(const struct shard *shard)
{
    return shard->set->count;
}

struct shard *shard_peer(struct shard *shard, unsigned id)
{
    ASSERT(id < shard->set->count);
    return shard->set->shards[id];
}

struct io *shard_io(struct shard *shard)
{
    return shard->io;
}

struct fs *shard_fs(struct shard *shard)
{
    return shard->fs;
}

void *shard_context(struct shard *shard)
{
    return shard->context;
}

void shard_set_context(struct shard *shard, void *context)
{
    shard->context = context;
}

void shard_assert(const struct shard *shard)
{
    ASSERT(current == shard);
}

/* --- time and randomness --- */

uint64_t shard_now_ms(const struct shard *shard)
{
    return shard->now_us / 1000;
}

uint64_t shard_now_us(const struct shard *shard)
{
    return shard->now_us;
}

int64_t shard_wall_ms(const struct shard *shard)
{
    return shard->wall_ms;
}

uint64_t shard_random(struct shard *shard)
{
    if (!shard->random_left) {
        shard->io->backend->entropy(shard->io, shard->random, sizeof shard->random);
        shard->random_left = RANDOM_WORDS;
    }
    return shard->random[--shard->random_left];
}

struct uuid shard_random_uuid(struct shard *shard)
{
    struct uuid id;

    do {
        uint64_t words[2] = {shard_random(shard), shard_random(shard)};
        memcpy(id.b, words, sizeof id.b);
        id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x40); /* RFC 4122: version 4 */
        id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80); /* and variant 1 */
    } while (id.b[0] >> 2 == 62); /* base64's '-' comes first */
    return id;
}

/* --- timers --- */

void timer_set(struct shard *shard, struct timer *timer, uint64_t deadline_ms, void (*fire)(struct shard *, struct timer *))
{
    shard_assert(shard);
    timer_cancel(shard, timer);
    timer->deadline_ms = deadline_ms;
    timer->fire = fire;
    timer->armed = true;
    wheel_add(&shard->wheel, timer);
}

void timer_cancel(struct shard *shard, struct timer *timer)
{
    if (!timer->armed)
        return;
    shard_assert(shard);
    wheel_remove(&shard->wheel, timer);
    timer->armed = false;
}

static void run_timers(struct shard *shard)
{
    struct list fired;

    list_init(&fired);
    wheel_advance(&shard->wheel, shard->now_us / 1000, &fired);
    for (struct list *node; (node = list_pop_front(&fired));) { /* one that fires may cancel another of them */
        struct timer *timer = LIST_ENTRY(node, struct timer, link);
        timer->armed = false;
        timer->fire(shard, timer);
    }
}

/* --- mail --- */

void shard_post(struct shard *from, struct shard *to, struct mail *mail)
{
    struct outbox *outbox = &from->outboxes[to->id];

    shard_assert(from);
    mail->next = outbox->newest;
    if (!outbox->newest)
        outbox->oldest = mail;
    outbox->newest = mail;
    from->outboxes_used = true;
}

void shard_deliver(struct shard *to, struct mail *newest, struct mail *oldest)
{
    struct mail *head = atomic_load_explicit(&to->mailbox, memory_order_relaxed);

    do {
        oldest->next = head == &asleep ? NULL : head;
    } while (!atomic_compare_exchange_weak_explicit(&to->mailbox, &head, newest, memory_order_release, memory_order_relaxed));
    if (head == &asleep)
        to->io->backend->wake(to->io);
}

static void flush_outboxes(struct shard *shard)
{
    if (!shard->outboxes_used)
        return;
    shard->outboxes_used = false;
    for (unsigned i = 0; i < shard->set->count; i++) {
        struct outbox outbox = shard->outboxes[i];
        if (outbox.newest) {
            shard->outboxes[i] = (struct outbox){0};
            shard_deliver(shard->set->shards[i], outbox.newest, outbox.oldest);
        }
    }
}

bool shard_sleep(struct shard *shard)
{
    struct mail *empty = NULL;

    return atomic_compare_exchange_strong_explicit(&shard->mailbox, &empty, &asleep, memory_order_acq_rel, memory_order_relaxed);
}

static void run_mail(struct shard *shard)
{
    struct mail *mail = atomic_exchange_explicit(&shard->mailbox, NULL, memory_order_acquire);
    struct mail *oldest = NULL;

    if (mail == &asleep)
        return;
    while (mail) {
        struct mail *next = mail->next;
        mail->next = oldest;
        oldest = mail;
        mail = next;
    }
    while (oldest) {
        struct mail *next = oldest->next;
        oldest->run(shard, oldest);
        oldest = next;
    }
}

void shard_at_turn_end(struct shard *shard, struct mail *mail)
{
    shard_assert(shard);
    mail->next = NULL;
    *shard->turn_end_tail = mail;
    shard->turn_end_tail = &mail->next;
}

/* What is added by it runs at the end of the next turn. */
static void run_turn_end(struct shard *shard)
{
    struct mail *mail = shard->turn_end;

    shard->turn_end = NULL;
    shard->turn_end_tail = &shard->turn_end;
    while (mail) {
        struct mail *next = mail->next;
        mail->run(shard, mail);
        mail = next;
    }
}

/* --- turns --- */

struct shard *shard_enter(struct shard *shard)
{
    struct shard *outer = current;

    current = shard;
    return outer;
}

void shard_turn(struct shard *shard, uint64_t now_us, int64_t wall_ms)
{
    struct shard *outer = shard_enter(shard);

    if (now_us > shard->now_us)
        shard->now_us = now_us;
    shard->wall_ms = wall_ms;
    run_mail(shard);
    run_timers(shard);
    io__run_completions(shard->io);
    run_turn_end(shard);
    flush_outboxes(shard);
    shard_enter(outer);
}

uint64_t shard_next_us(const struct shard *shard)
{
    uint64_t next_ms;

    if (shard->turn_end || io__completions_pending(shard->io))
        return 0;
    next_ms = wheel_next_ms(&shard->wheel);
    if (next_ms == WHEEL_NEVER || next_ms > SHARD_NEVER / 1000)
        return SHARD_NEVER;
    return next_ms * 1000;
}

void rt_stop(struct shard *shard)
{
    for (unsigned i = 0; i < shard->set->count; i++) {
        struct shard *peer = shard->set->shards[i];
        atomic_store_explicit(&peer->stopped, true, memory_order_release);
        peer->io->backend->wake(peer->io);
    }
}

bool shard_stopped(const struct shard *shard)
{
    return atomic_load_explicit(&shard->stopped, memory_order_acquire);
}
