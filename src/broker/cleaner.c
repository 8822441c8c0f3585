/* SPDX-License-Identifier: Apache-2.0
 * See cleaner.h. A run needs a slot, of which shard 0 has log.cleaner.threads; one mail goes for it and comes back with it:
 *
 *   this shard    timer ──> something is due ──ask──┐         ┌──granted──> a run ──return──┐          ┌──over──> timer
 *   shard 0                                         └─ (wait) ┘                             └──────────┘
 */
#include "broker/cleaner.h"
#include "broker/memory.h"

#include "base/mem.h"
#include "store/clean.h"

static const double LOAD_MIN = 0.1, LOAD_MAX = 0.95; /* of the map: above it a search is long */

struct cleaner {
    struct broker_shard *b;
    struct timer timer;
    struct mail mail;
    struct log_clean run;
    size_t holds;        /* bytes for the keys of the run */
    bool stopped;
    bool worked;         /* the last run did something: there may be more to do */
    struct list link;    /* shard 0's: waits for a slot */
    struct list waiting; /* of shard 0's cleaner: those */
    unsigned granted;    /* of shard 0's cleaner: slots */
};

static int64_t setting(const struct cleaner *c, enum config_key key)
{
    return config_broker_i64(c->b->broker->config, c->b->image, key);
}

static double setting_f64(const struct cleaner *c, enum config_key key)
{
    return config_broker_f64(c->b->broker->config, c->b->image, key);
}

/* Of this shard's partitions that are due the one with the largest share of dirt; NULL: none is due. */
static struct partition *filthiest(struct cleaner *c)
{
    struct partition *found = NULL;
    double ratio, greatest = -1;

    for (struct broker_partition *bp = broker_partition_next(c->b, NULL); bp; bp = broker_partition_next(c->b, bp))
        if (bp->life == PARTITION_AWAKE && !bp->move && partition_is_filthy(bp->partition, shard_wall_ms(c->b->shard), &ratio) && ratio > greatest) {
            greatest = ratio;
            found = bp->partition;
        }
    return found;
}

static void round_begin(struct shard *here, struct timer *timer);

static void arm(struct cleaner *c)
{
    uint64_t wait_ms = c->worked ? 0 : (uint64_t)setting(c, CONFIG_LOG_CLEANER_BACKOFF_MS);

    c->worked = false;
    if (!c->stopped)
        timer_set(c->b->shard, &c->timer, shard_now_ms(c->b->shard) + wait_ms, round_begin);
}

/* --- slots ----------------------------------------------------------------------------------------------------------------- */

/* What all cleaners' maps of keys may have. */
static size_t key_memory(const struct cleaner *c)
{
    const struct broker *broker = c->b->broker;
    size_t most = memory_share(broker->config, MEMORY_CLEANING, broker->shards) * broker->shards;
    int64_t configured = setting(c, CONFIG_LOG_CLEANER_DEDUPE_BUFFER_SIZE);

    return (size_t)configured < most ? (size_t)configured : most;
}

static void slot_granted(struct shard *here, struct mail *mail);

static void grant(struct cleaner *slots, struct cleaner *c)
{
    slots->granted++;
    c->mail.run = slot_granted;
    shard_post(slots->b->shard, shard_peer(slots->b->shard, shard_id(c->b->shard)), &c->mail);
}

static void slot_asked(struct shard *here, struct mail *mail)
{
    struct cleaner *slots = broker_at(here)->cleaner, *c = LIST_ENTRY(mail, struct cleaner, mail);

    if (slots->granted < (unsigned)setting(slots, CONFIG_LOG_CLEANER_THREADS))
        grant(slots, c);
    else
        list_push_back(&slots->waiting, &c->link);
}

static void slot_over(struct shard *here, struct mail *mail)
{
    arm(LIST_ENTRY(mail, struct cleaner, mail));
}

static void slot_returned(struct shard *here, struct mail *mail)
{
    struct cleaner *slots = broker_at(here)->cleaner, *c = LIST_ENTRY(mail, struct cleaner, mail);
    struct list *next;

    slots->granted--;
    while (slots->granted < (unsigned)setting(slots, CONFIG_LOG_CLEANER_THREADS) && (next = list_pop_front(&slots->waiting)))
        grant(slots, LIST_ENTRY(next, struct cleaner, link));
    c->mail.run = slot_over;
    shard_post(here, shard_peer(here, shard_id(c->b->shard)), &c->mail);
}

static void slot_return(struct cleaner *c)
{
    c->mail.run = slot_returned;
    shard_post(c->b->shard, shard_peer(c->b->shard, 0), &c->mail);
}

/* --- runs ------------------------------------------------------------------------------------------------------------------ */

static void count_run(struct broker_shard *b, const struct log_clean_stats *stats)
{
    struct gauge *to = b->metrics.values;

    gauge_add(&to[METRIC_CLEAN_RUNS], 1);
    gauge_add(&to[METRIC_CLEAN_MS], stats->elapsed_ms);
    gauge_add(&to[METRIC_CLEAN_READ], stats->bytes_read);
    gauge_add(&to[METRIC_CLEAN_BYTES_BEFORE], stats->bytes_before);
    gauge_add(&to[METRIC_CLEAN_BYTES_AFTER], stats->bytes_after);
    gauge_add(&to[METRIC_CLEAN_RECORDS_BEFORE], stats->records_before);
    gauge_add(&to[METRIC_CLEAN_RECORDS_AFTER], stats->records_after);
}

static void run_done(struct shard *here, struct log_clean *run)
{
    struct cleaner *c = LIST_ENTRY(run, struct cleaner, run);

    c->worked = !run->status && run->complete;
    c->holds = 0;
    if (!run->status)
        count_run(c->b, &run->stats);
    slot_return(c);
}

static void slot_granted(struct shard *here, struct mail *mail)
{
    struct cleaner *c = LIST_ENTRY(mail, struct cleaner, mail);
    struct partition *p = c->stopped ? NULL : filthiest(c);
    double load = setting_f64(c, CONFIG_LOG_CLEANER_IO_BUFFER_LOAD_FACTOR);
    int64_t threads = setting(c, CONFIG_LOG_CLEANER_THREADS);

    c->run = (struct log_clean){
        .key_memory = key_memory(c) / (size_t)(threads > 0 ? threads : 1),
        .key_load = load < LOAD_MIN ? LOAD_MIN : load > LOAD_MAX ? LOAD_MAX : load,
        .bytes_per_second = setting_f64(c, CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND) / (double)(threads > 0 ? threads : 1),
        .wall_ms = shard_wall_ms(here),
        .done = run_done,
    };
    if (!p || !partition_clean(p, &c->run))
        slot_return(c);
    else
        c->holds = c->run.key_memory;
}

static void round_begin(struct shard *here, struct timer *timer)
{
    struct cleaner *c = LIST_ENTRY(timer, struct cleaner, timer);

    if (!filthiest(c)) {
        arm(c);
        return;
    }
    c->mail.run = slot_asked;
    shard_post(here, shard_peer(here, 0), &c->mail);
}

/* --- life ------------------------------------------------------------------------------------------------------------------ */

struct cleaner *cleaner_new(struct broker_shard *b)
{
    struct cleaner *c = mem_alloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->b = b;
    list_init(&c->link);
    list_init(&c->waiting);
    return c;
}

void cleaner_start(struct cleaner *c)
{
    if (config_bool(c->b->broker->config, CONFIG_LOG_CLEANER_ENABLE))
        arm(c);
}

size_t cleaner_holds(const struct cleaner *c)
{
    return c->holds;
}

void cleaner_stop(struct cleaner *c)
{
    c->stopped = true;
    timer_cancel(c->b->shard, &c->timer);
}

void cleaner_free(struct cleaner *c)
{
    mem_free(c);
}
