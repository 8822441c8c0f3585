/* SPDX-License-Identifier: Apache-2.0
 * See sim.h: the driver (rt/world.h) of the simulated world: virtual time, the turns of the shards, jobs.
 *
 * A shard's turn is due when something was completed for it or posted to it, or when its next timer is. It takes a little time
 * (drawn), so that time passes also for shards that are always busy. A job's work and its completion are one event, some time (drawn)
 * after it was submitted and its lane was free.
 */
#include "sim/sim.h"

#include "base/assert.h"
#include "base/mem.h"
#include "rt/run.h"
#include "rt/world.h"
#include "sim/sim_int.h"

enum {
    START_US = 1000000,   /* monotonic time does not start at 0 */
    STALL_US_MIN = 10000,
};
static const int64_t START_WALL_MS = 1700000000000;   /* 2023-11-14 */
static const struct io_backend sim_backend;

/* --- chance --- */

void *sim__alloc(size_t count, size_t size)
{
    struct memory *outer = memory_enter(NULL);
    void *block = mem_alloc(count, size);

    if (!block)
        block = mem_alloc(count, size); /* only one allocation was to fail */
    memory_enter(outer);
    ASSERT(block);
    return block;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t sim_random(struct sim *sim)
{
    uint64_t z = sim->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t sim__random_below(struct sim *sim, uint64_t bound)
{
    return (uint64_t)((__uint128_t)sim_random(sim) * bound >> 64);
}

void sim__note(struct sim *sim, uint64_t what, const void *bytes, size_t size)
{
    uint64_t words[] = {sim->hash, sim->now_us, what};

    sim->hash = hash_bytes(hash_bytes(0, words, sizeof words), bytes, size);
}

uint64_t sim_hash(const struct sim *sim)
{
    return sim->hash;
}

/* --- events --- */

static bool event_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

static void put_event(struct sim *sim, struct sim_event *event)
{
    size_t at = sim->events_count++;

    for (; at && event_before(event, sim->events[(at - 1) / 2]); at = (at - 1) / 2)
        sim->events[at] = sim->events[(at - 1) / 2];
    sim->events[at] = event;
}

void sim__schedule(struct sim *sim, struct sim_event *event, uint64_t at_us)
{
    size_t count = sim->events_count;

    if (count == sim->events_room) {
        size_t room = count * 2 + 64;
        struct sim_event **events = sim__alloc(room, sizeof(struct sim_event *));
        if (count)
            memcpy(events, sim->events, count * sizeof(struct sim_event *));
        mem_free(sim->events);
        sim->events = events;
        sim->events_room = room;
    }
    event->at_us = at_us;
    event->order = sim->events_order++;
    put_event(sim, event);
}

/* The events that are part of the node do not happen any more. */
static void drop_events_of_node(struct sim *sim)
{
    size_t count = sim->events_count;

    sim->events_count = 0; /* put_event fills what was read already */
    for (size_t i = 0; i < count; i++) {
        struct sim_event *event = sim->events[i];
        if (event->of_node)
            event->drop(sim, event);
        else
            put_event(sim, event);
    }
}

struct alarm {
    struct sim_event event;
    void (*run)(void *context);
    void *context;
};

static void alarm_drop(struct sim *sim, struct sim_event *event)
{
    mem_free(event);
}

static void alarm_run(struct sim *sim, struct sim_event *event)
{
    struct alarm *alarm = LIST_ENTRY(event, struct alarm, event), it = *alarm;

    mem_free(alarm);
    it.run(it.context);
}

void sim_at(struct sim *sim, uint64_t at_us, void (*run)(void *context), void *context)
{
    struct alarm *alarm = sim__alloc(1, sizeof *alarm);

    *alarm = (struct alarm){.event = {.run = alarm_run, .drop = alarm_drop}, .run = run, .context = context};
    sim__schedule(sim, &alarm->event, at_us);
}

static struct sim_event *pop_event(struct sim *sim)
{
    struct sim_event *first = sim->events[0], *last = sim->events[--sim->events_count];
    size_t at = 0, child;

    while ((child = at * 2 + 1) < sim->events_count) {
        if (child + 1 < sim->events_count && event_before(sim->events[child + 1], sim->events[child]))
            child++;
        if (event_before(last, sim->events[child]))
            break;
        sim->events[at] = sim->events[child];
        at = child;
    }
    sim->events[at] = last;
    return first;
}

/* --- shards --- */

static struct sim_shard *shard_of(struct io *io)
{
    return (struct sim_shard *)(void *)io;
}

struct sim *sim__of(struct io *io)
{
    return shard_of(io)->sim;
}

static void turn_soon(struct sim_shard *s)
{
    uint64_t at;

    if (!s->shard)
        return;
    at = s->sim->now_us + 1 + sim__random_below(s->sim, s->sim->options.turn_us_max);
    if (at < s->turn_us)
        s->turn_us = at;
}

static void turn(struct sim_shard *s)
{
    struct sim *sim = s->sim;
    uint64_t next_us;

    struct memory *outer;

    s->turn_us = SHARD_NEVER;
    sim__note(sim, shard_id(s->shard), "turn", 4);
    outer = memory_enter(sim->memory);
    shard_turn(s->shard, sim->now_us, sim_wall_ms(sim));
    memory_enter(outer);
    if (shard_stopped(s->shard))
        return;
    next_us = shard_next_us(s->shard);
    if (next_us <= sim->now_us || !shard_sleep(s->shard))
        turn_soon(s);
    else if (next_us < s->turn_us)
        s->turn_us = next_us;
}

void sim__complete(struct io *io, struct io_op *op, int64_t result)
{
    io__complete(io, op, result);
    turn_soon(shard_of(io));
}

static void sim_wake(struct io *io)
{
    turn_soon(shard_of(io));
}

static void sim_entropy(struct io *io, void *bytes, size_t size)
{
    uint8_t *at = bytes;

    for (; size; size--)
        *at++ = (uint8_t)(sim_random(sim__of(io)) >> 56);
}

struct shard *sim_shard(struct sim *sim, unsigned id)
{
    ASSERT(id < sim->set->count);
    return sim->set->shards[id];
}

struct fs *sim_fs(struct sim *sim)
{
    return sim->fs;
}

uint64_t sim_now_us(const struct sim *sim)
{
    return sim->now_us;
}

int64_t sim_true_wall_ms(const struct sim *sim)
{
    return START_WALL_MS + (int64_t)(sim->now_us / 1000);
}

int64_t sim_wall_ms(const struct sim *sim)
{
    return sim_true_wall_ms(sim) + sim->wall_shift_ms;
}

bool sim_stopped(const struct sim *sim)
{
    return shard_stopped(sim->set->shards[0]);
}

int sim_ran(const struct sim *sim)
{
    return sim->ran;
}

void sim_pause(struct sim *sim, uint64_t us)
{
    if (sim->now_us + us > sim->paused_us)
        sim->paused_us = sim->now_us + us;
}

void sim_shift_wall(struct sim *sim, int64_t ms)
{
    sim->wall_shift_ms += ms;
}

void sim_set_network(struct sim *sim, uint32_t latency_us_max, unsigned split_percent)
{
    sim->options.latency_us_max = latency_us_max;
    sim->options.split_percent = split_percent;
}

void sim_set_job_time(struct sim *sim, uint32_t job_us_max)
{
    sim->options.job_us_max = job_us_max;
}

void sim_stall_jobs(struct sim *sim, unsigned count, uint32_t stall_us_max)
{
    sim->stalls = count;
    sim->stall_us_max = stall_us_max;
}

/* --- jobs --- */

struct sim_job {
    struct sim_event event;
    struct sim_shard *shard;
    struct io_job *job;
};

static void job_drop(struct sim *sim, struct sim_event *event)
{
    mem_free(event);
}

static void job_schedule(struct sim_shard *s, struct io_job *job);

static void job_run(struct sim *sim, struct sim_event *event)
{
    struct sim_job *it = LIST_ENTRY(event, struct sim_job, event);
    struct sim_shard *s = it->shard;
    struct io_job *job = it->job, *next;
    struct memory *memory;
    struct shard *outer;

    if (sim->now_us < sim->paused_us) {
        sim__schedule(sim, event, sim->paused_us);
        return;
    }
    mem_free(it);
    sim__note(sim, shard_id(s->shard), "job", 3);
    outer = shard_enter(NULL); /* it runs on no shard */
    memory = memory_enter(sim->memory);
    job->work(job);
    memory_enter(memory);
    shard_enter(outer);
    next = lanes_pass(&s->lanes, job);
    io__job_finished(&s->io, job);
    if (next)
        job_schedule(s, next);
}

static uint64_t stall_us(struct sim *sim)
{
    if (!sim->stalls)
        return 0;
    sim->stalls--;
    return STALL_US_MIN + sim__random_below(sim, sim->stall_us_max);
}

static void job_schedule(struct sim_shard *s, struct io_job *job)
{
    struct sim_job *it = sim__alloc(1, sizeof *it);

    *it = (struct sim_job){.event = {.run = job_run, .drop = job_drop, .of_node = true}, .shard = s, .job = job};
    sim__schedule(s->sim, &it->event, s->sim->now_us + 1 + sim__random_below(s->sim, s->sim->options.job_us_max) + stall_us(s->sim));
}

static void sim_job_submit(struct io *io, struct io_job *job)
{
    if (lanes_enter(&shard_of(io)->lanes, job))
        job_schedule(shard_of(io), job);
}

/* --- time --- */

/* The next thing that happens, when it happens until then. */
static bool step(struct sim *sim, uint64_t until_us)
{
    struct sim_shard *next = NULL;
    uint64_t at_us = sim->events_count ? sim->events[0]->at_us : SHARD_NEVER;

    for (unsigned i = 0; i < sim->set->count; i++) {
        struct sim_shard *s = &sim->shards[i];
        uint64_t turn_us = s->turn_us < sim->paused_us ? sim->paused_us : s->turn_us;
        if (turn_us < at_us && !shard_stopped(s->shard)) {
            at_us = turn_us;
            next = s;
        }
    }
    if (at_us > until_us || (!next && !sim->events_count))
        return false;
    if (at_us > sim->now_us)
        sim->now_us = at_us;
    sim->ran = next ? (int)shard_id(next->shard) : -1;
    if (next) {
        turn(next);
    } else {
        struct sim_event *event = pop_event(sim);
        event->run(sim, event);
    }
    return true;
}

bool sim_run_until(struct sim *sim, bool (*condition)(void *context), void *context, uint64_t us)
{
    uint64_t until_us = sim->now_us + us;
    bool holds;

    turn_soon(&sim->shards[0]); /* the test may have set a timer or posted mail as shard 0 */
    while (!(holds = condition(context)) && step(sim, until_us))
        ;
    if (!holds)
        sim->now_us = until_us;
    return holds;
}

static bool never(void *context)
{
    return false;
}

void sim_run(struct sim *sim, uint64_t us)
{
    bool holds = sim_run_until(sim, never, NULL, us);

    ASSERT(!holds);
}

/* --- life --- */

/* The first mail in each mailbox; as in rt/run.c shard 0 has its first turn before the others. */
static void start_arrives(struct shard *shard, struct mail *mail)
{
    struct sim *sim = LIST_ENTRY(mail, struct sim_shard, start)->sim;

    sim->options.on_start(shard, sim->options.context);
    for (unsigned i = 1; i < sim->set->count && shard_id(shard) == 0; i++)
        turn_soon(&sim->shards[i]);
}

static void shard_make(struct sim *sim, unsigned id)
{
    struct sim_shard *s = &sim->shards[id];
    bool made = lanes_init(&s->lanes);

    ASSERT(made);
    io__init(&s->io, &sim_backend, sim->options.buffer_budget);
    s->turn_us = id == 0 || !sim->options.on_start ? sim->now_us : SHARD_NEVER;
    s->start.run = start_arrives;
    s->shard = shard_new(sim->set, id, &s->io, sim->fs, sim->now_us, sim_wall_ms(sim));
    ASSERT(s->shard);
    sim->set->shards[id] = s->shard;
    if (sim->options.on_start)
        shard_deliver(s->shard, &s->start, &s->start);
}

static void shards_make(struct sim *sim)
{
    for (unsigned i = 0; i < sim->set->count; i++)
        shard_make(sim, i);
    shard_enter(sim->set->shards[0]);
}

static void shards_free(struct sim *sim)
{
    for (unsigned i = 0; i < sim->set->count && sim->shards[i].shard; i++) {
        struct sim_shard *s = &sim->shards[i];
        io__destroy(&s->io);
        lanes_free(&s->lanes);
        shard_free(s->shard);
        *s = (struct sim_shard){.sim = sim, .turn_us = SHARD_NEVER};
        sim->set->shards[i] = NULL;
    }
    shard_enter(NULL);
}

void sim_kill(struct sim *sim)
{
    drop_events_of_node(sim);
    sim__net_kill(sim);
    shards_free(sim);
    sim->memory = NULL;
    sim->paused_us = 0;
    sim__note(sim, 0, "kill", 4);
}

void sim_revive(struct sim *sim, struct fs *fs, struct memory *memory, void (*on_start)(struct shard *shard, void *context), void *context)
{
    sim->options.on_start = on_start;
    sim->options.context = context;
    sim->fs = fs;
    sim->memory = memory;
    shards_make(sim);
}

static void default_to(uint32_t *option, uint32_t value)
{
    if (!*option)
        *option = value;
}

struct sim *sim_new(uint64_t seed, const struct sim_options *options)
{
    struct sim *sim = sim__alloc(1, sizeof *sim);

    sim->options = *options;
    default_to(&sim->options.shards, 1);
    default_to(&sim->options.latency_us_max, 200);
    default_to(&sim->options.job_us_max, 500);
    default_to(&sim->options.turn_us_max, 10);
    default_to(&sim->options.window, 64 * 1024);
    if (!sim->options.buffer_budget)
        sim->options.buffer_budget = 64 * 1024 * 1024;
    sim->random = seed;
    sim->now_us = START_US;
    sim->fs = options->fs ? options->fs : fs_mem_new();
    ASSERT(sim->fs);
    list_init(&sim->listeners);
    list_init(&sim->connections);
    sim->shards = sim__alloc(sim->options.shards, sizeof *sim->shards);
    sim->set = sim__alloc(1, sizeof *sim->set);
    sim->set->shards = sim__alloc(sim->options.shards, sizeof(struct shard *));
    sim->set->count = sim->options.shards;
    for (unsigned i = 0; i < sim->set->count; i++)
        sim->shards[i].sim = sim;
    shards_make(sim);
    return sim;
}

void sim_free(struct sim *sim)
{
    if (!sim)
        return;
    while (sim->events_count) {
        struct sim_event *event = pop_event(sim);
        event->drop(sim, event);
    }
    sim__net_free(sim);
    shards_free(sim);
    if (!sim->options.fs)
        fs_free(sim->fs);
    mem_free(sim->set->shards);
    mem_free(sim->set);
    mem_free(sim->shards);
    mem_free(sim->events);
    mem_free(sim);
}

static const struct io_backend sim_backend = {
    .listen = sim__listen,
    .connect = sim__connect,
    .accept = sim__accept,
    .recv = sim__recv,
    .send = sim__send,
    .close = sim__close,
    .job_submit = sim_job_submit,
    .wake = sim_wake,
    .entropy = sim_entropy,
};
