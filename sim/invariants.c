/* SPDX-License-Identifier: Apache-2.0
 * See invariants.h: the table, what is remembered, and who is looked at when.
 */
#include "sim/invariants.h"

#include <inttypes.h>
#include <stdarg.h>

#include "base/assert.h"
#include "base/mem.h"
#include "broker/dirs.h"
#include "broker/partitions.h"
#include "node.h"
#include "rt/world.h"
#include "sim/invariants_int.h"

enum {
    DEPTH_EVERY = 1024,  /* turns, about, from one log in depth to the next one */
    SPILL_MANY = 100,    /* logs of one job */
    DEPTH_RECORDS = 512, /* a log of twice as many is looked at half as often, and so on: as much work for every log */
};

void invariant_broken(const struct look *look, const char *format, ...)
{
    char rule[80], what[400];
    va_list args;
    int n = look->bp    ? snprintf(what, sizeof what, STR_FMT "-%d: ", STR_ARG(look->bp->topic), look->bp->key.index)
            : look->log ? snprintf(what, sizeof what, "%s: ", METADATA_DIR)
                        : 0;

    snprintf(rule, sizeof rule, "%u:%s", look->at->number, look->at->name);
    va_start(args, format);
    vsnprintf(what + n, sizeof what - (size_t)n, format, args);
    va_end(args);
    look->v->options.broken(look->v->options.context, rule, what);
}

/* --- after each event: a log --- */

static void check_watermarks(const struct look *look)
{
    const struct seen *seen = look->seen;
    const struct log *log = look->log;

    if (log->start > look->high || look->high > log->durable || log->durable > log->end)
        invariant_broken(look, "start %" PRId64 ", high watermark %" PRId64 ", durable %" PRId64 ", end %" PRId64, log->start, look->high, log->durable, log->end);
    if (log->start < seen->start || look->high < seen->high || log->durable < seen->durable || log->end < seen->end)
        invariant_broken(look, "went back: start %" PRId64 " to %" PRId64 ", high watermark %" PRId64 " to %" PRId64 ", durable %" PRId64 " to %" PRId64 ", end %" PRId64
                               " to %" PRId64, seen->start, log->start, seen->high, look->high, seen->durable, log->durable, seen->end, log->end);
    if (look->bp && partition_last_stable(look->bp->partition) > look->high)
        invariant_broken(look, "last stable %" PRId64 ", high watermark %" PRId64, partition_last_stable(look->bp->partition), look->high);
}

static void check_synced(const struct look *look)
{
    const struct log *log = look->log;

    if (log->synced > log->durable || log->synced < look->seen->synced)
        invariant_broken(look, "synced %" PRId64 " (it was %" PRId64 "), durable %" PRId64, log->synced, look->seen->synced, log->durable);
    if (log->synced < log->durable && !log->home->journal)
        invariant_broken(look, "durable %" PRId64 ", synced %" PRId64 ", and no journal", log->durable, log->synced);
}

static void check_metadata_watermark(const struct look *look)
{
    const struct raft *raft = look->bp ? NULL : &look->b->metadata->raft;

    if (!raft)
        return;
    if (raft->high_watermark > look->log->durable || raft->end > look->log->end || raft->high_watermark > raft->end)
        invariant_broken(look, "committed %" PRId64 ", end %" PRId64 "; the log: durable %" PRId64 ", end %" PRId64, raft->high_watermark, raft->end, look->log->durable,
                         look->log->end);
}

static void check_leader_epoch(const struct look *look)
{
    int32_t epoch = look->bp ? look->bp->partition->leader_epoch : look->b->metadata->raft.epoch;

    if (epoch < look->seen->epoch)
        invariant_broken(look, "epoch %d after %d", epoch, look->seen->epoch);
    if (log_latest_epoch(look->log) > epoch)
        invariant_broken(look, "epoch %d in the log of a leader of epoch %d", log_latest_epoch(look->log), epoch);
}

static void check_offline(const struct look *look)
{
    const struct seen *seen = look->seen;

    if (seen->offline && (!log_offline(look->log) || look->high != seen->high || look->log->durable != seen->durable))
        invariant_broken(look, "its disk has failed, and it goes on: durable %" PRId64 " to %" PRId64, seen->durable, look->log->durable);
}

/* --- a node that got ready, one at rest --- */

static void check_epochs_grow(const struct look *look)
{
    struct invariants *v = look->v;
    int32_t epoch = look->b->metadata->raft.epoch;

    if (epoch <= v->quorum_epoch)
        invariant_broken(look, "the quorum's epoch is %d, and was %d in the life before", epoch, v->quorum_epoch);
    v->quorum_epoch = epoch;
}

static void check_broker_epoch_grows(const struct look *look)
{
    struct invariants *v = look->v;
    int64_t epoch = look->b->broker->broker_epoch;

    if (epoch <= v->broker_epoch)
        invariant_broken(look, "the broker's epoch is %" PRId64 ", and was %" PRId64 " in the life before", epoch, v->broker_epoch);
    v->broker_epoch = epoch;
}

/* Whether nothing is under way on a shard; else *what is. */
static bool rests(const struct sim *sim, unsigned shard, const char **what)
{
    struct broker_shard *b = broker_at(sim->shards[shard].shard);
    struct net_load load = node_load(b->node, shard);

    *what = load.requests ? "requests" : sim->shards[shard].io.buffers_used && !load.holding ? "buffers that nobody has" : NULL;
    for (struct broker_partition *bp = broker_partition_next(b, NULL); bp && !*what; bp = broker_partition_next(b, bp)) {
        const struct partition *p = bp->partition;
        if (p && (!list_empty(&p->waiters) || !list_empty(&p->held)))
            *what = "somebody who waits at a partition";
    }
    return !*what;
}

static void check_parked(const struct look *look)
{
    const struct sim *sim = look->v->options.sim;
    const char *what;

    for (unsigned i = 0; i < sim->set->count; i++)
        if (!rests(sim, i, &what))
            invariant_broken(look, "shard %u has %s", i, what);
}

/* --- the table --- */

const struct invariant invariants_table[] = {
    {1, "one-leader", WAITING, "a cluster", NULL},
    {2, "epochs-grow", AT_READY, NULL, check_epochs_grow},
    {3, "equal-prefixes", WAITING, "a cluster", NULL},
    {4, "metadata-high-watermark", AFTER_EVENT, NULL, check_metadata_watermark},
    {5, "nothing-lost", AT_DEPTH, NULL, check_nothing_lost},
    {5, "no-hole", AT_DEPTH, NULL, check_no_hole},
    {6, "equal-images", AT_DEPTH, NULL, check_images},
    {6, "image-replay", AT_DEPTH, NULL, check_image_replay},
    {7, "voter-changes", WAITING, "a cluster", NULL},
    {8, "isr-has-all", WAITING, "a cluster", NULL},
    {9, "elr", WAITING, "a cluster", NULL},
    {10, "isr-admission", WAITING, "a cluster", NULL},
    {11, "epoch-cache", AT_DEPTH, NULL, check_epoch_cache},
    {11, "truncation", WAITING, "a cluster", NULL},
    {12, "unclean-replicas", WAITING, "a cluster", NULL},
    {13, "equal-replicas", WAITING, "a cluster", NULL},
    {13, "compaction", AT_DEPTH, NULL, check_compaction},
    {13, "keys", ELSEWHERE, "checkers.c: key-lost, key-back; load.c: tombstone", NULL},
    {14, "watermarks", AFTER_EVENT, NULL, check_watermarks},
    {14, "high-watermark", ELSEWHERE, "checkers.c: high-watermark, beyond-high-watermark", NULL},
    {15, "synced", AFTER_EVENT, NULL, check_synced},
    {15, "on-disk", AT_DEPTH, NULL, check_on_disk},
    {15, "acknowledged", ELSEWHERE, "checkers.c: lost-write", NULL},
    {16, "sequences", AT_DEPTH, NULL, check_sequences},
    {16, "producers", AT_DEPTH, NULL, check_producers},
    {16, "duplicates", ELSEWHERE, "checkers.c: duplicate, reordered", NULL},
    {17, "leader-epoch", AFTER_EVENT, NULL, check_leader_epoch},
    {17, "broker-epoch", AT_READY, NULL, check_broker_epoch_grows},
    {17, "group-generation", ELSEWHERE, "checkers.c: stale-generation", NULL},
    {18, "transactions", WAITING, "transactions", NULL},
    {19, "group-replay", AT_DEPTH, NULL, check_group_replay},
    {19, "owners-and-offsets", ELSEWHERE, "checkers.c: two-owners, commit-lost, commit-phantom", NULL},
    {20, "indexes", AT_DEPTH, NULL, check_indexes},
    {20, "aborted-index", WAITING, "transactions", NULL},
    {21, "checksums", AT_DEPTH, NULL, check_sums},
    {21, "served", ELSEWHERE, "load.c: corrupt", NULL},
    {22, "failed-disk", AFTER_EVENT, NULL, check_offline},
    {23, "full-disk", ELSEWHERE, "faults.c, run.c: a node goes on when there is room again", NULL},
    {24, "parked", AT_REST, NULL, check_parked},
    {24, "memory", ELSEWHERE, "run.c: memory, and open files", NULL},
    {24, "once", ELSEWHERE, "load.c: protocol, no-answer", NULL},
    {25, "replay", ELSEWHERE, "main.c: one of a hundred seeds runs twice", NULL},
    {26, "histories", ELSEWHERE, "checkers.c", NULL},
    {27, "delayed-end-txn", WAITING, "transactions", NULL},
    {28, "liveness", ELSEWHERE, "run.c: liveness; load.c: no-answer", NULL},
    {28, "elections", WAITING, "a cluster", NULL},
};
const size_t invariants_count = sizeof invariants_table / sizeof *invariants_table;

static void check_all(struct look *look, enum invariant_time time)
{
    for (size_t i = 0; i < invariants_count; i++) {
        look->at = &invariants_table[i];
        if (look->at->time == time)
            look->at->check(look);
    }
}

/* --- what was seen --- */

static struct seen *seen_of(struct invariants *v, struct uuid topic_id, int32_t index)
{
    struct seen wanted = {.key = {topic_id, index}}, *seen;
    struct map_node *node = map_get(&v->seen, &wanted.key, sizeof wanted.key);
    bool put;

    if (node)
        return MAP_ENTRY(node, struct seen, node);
    seen = sim__alloc(1, sizeof *seen);
    seen->key = wanted.key;
    put = map_put(&v->seen, &seen->node, &seen->key, sizeof seen->key);
    ASSERT(put);
    return seen;
}

/* The slot's, when it is still that log's; else the log's own, as one that was not met in this life. */
static struct seen *seen_at(struct invariants *v, unsigned shard, size_t slot, struct look *look)
{
    struct shard_seen *s = &v->shards[shard];
    struct uuid topic_id = look->bp ? look->bp->key.topic_id : METADATA_TOPIC_ID;
    int32_t index = look->bp ? look->bp->key.index : 0;
    struct seen *seen;

    while (slot >= s->count) {
        if (s->count == s->room) {
            s->room = s->room * 2 + 16;
            s->list = mem_resize(s->list, s->room, sizeof(struct seen *));
            ASSERT(s->list);
        }
        s->list[s->count++] = NULL;
    }
    seen = s->list[slot];
    if (seen && seen->log == look->log && seen->key.index == index && uuid_equal(seen->key.topic_id, topic_id))
        return seen;
    s->list[slot] = seen = seen_of(v, topic_id, index);
    if (seen->log != look->log) {
        seen->log = look->log;
        seen->start = seen->synced = seen->high = seen->durable = seen->end = -1;
        seen->offline = seen->unmade = false;
        v->counts.wakes += look->bp && look->log->end > look->log->start;
        v->counts.moves += look->bp && seen->dir && seen->dir != look->bp->dir + 1u;
        seen->dir = look->bp ? look->bp->dir + 1u : 0;
    }
    return seen;
}

static bool has_changed(const struct look *look)
{
    const struct seen *seen = look->seen;
    const struct log *log = look->log;

    return log->end != seen->end || log->durable != seen->durable || log->synced != seen->synced || look->high != seen->high || log->start != seen->start || seen->offline ||
           log_offline(log);
}

static bool writes_block(const struct log *log)
{
    return log->work && log->work->direct && log->work->direct->block;
}

static void look_after_event(struct look *look)
{
    struct seen *seen = look->seen;
    const struct spill *spill = &look->log->home->spill;

    look->v->counts.folders += seen->unmade && !look->log->unmade;
    seen->unmade = look->log->unmade;
    look->v->counts.blocks += writes_block(look->log) && !seen->block;
    seen->block = writes_block(look->log);
    look->v->spills |= spill->busy && spill->count >= SPILL_MANY;
    if (!has_changed(look))
        return;
    check_all(look, AFTER_EVENT);
    seen->start = look->log->start;
    seen->synced = look->log->synced;
    seen->high = look->high;
    seen->durable = look->log->durable;
    seen->end = look->log->end;
    seen->offline = log_offline(look->log);
    seen->epoch = look->bp ? look->bp->partition->leader_epoch : look->b->metadata->raft.epoch;
}

static void look_in_depth(struct look *look)
{
    struct invariants *v = look->v;

    v->looks++;
    if (hash_bytes(v->options.seed, &v->looks, sizeof v->looks) % (1 + (uint64_t)(look->log->end - look->log->start) / DEPTH_RECORDS) == 0 && invariants__scan(look))
        check_all(look, AT_DEPTH);
}

/* --- who is looked at --- */

/* Each log of a shard: the metadata log first, where it is. */
static void each_log(struct invariants *v, struct fs *disk, unsigned shard, void (*visit)(struct look *look))
{
    struct sim *sim = v->options.sim;
    struct shard *outer = shard_enter(sim_shard(sim, shard));
    struct look look = {.v = v, .disk = disk, .b = broker_at(sim_shard(sim, shard))};
    size_t slot = 0;

    if (look.b->metadata) {
        look.log = look.b->metadata->log;
        look.high = look.b->metadata->raft.high_watermark;
        look.seen = seen_at(v, shard, slot++, &look);
        visit(&look);
    }
    while ((look.bp = broker_partition_next(look.b, look.bp))) {
        if (look.bp->life != PARTITION_AWAKE)
            continue;
        look.log = look.bp->partition->log;
        look.high = partition_high_watermark(look.bp->partition);
        look.seen = seen_at(v, shard, slot++, &look);
        visit(&look);
    }
    shard_enter(outer);
}

static void look_at_one(struct look *look)
{
    if (look->v->depth_left-- == 0)
        look_in_depth(look);
}

/* In depth of one log, any of the shard's. */
static void depth_of_one(struct invariants *v, struct fs *disk, unsigned shard)
{
    uint64_t drawn = hash_bytes(v->options.seed, &v->turns, sizeof v->turns);

    v->depth_left = (size_t)(drawn >> 32) % (v->shards[shard].count + 1);
    v->depth_at = v->turns + 1 + (drawn & UINT32_MAX) % (2 * DEPTH_EVERY);
    each_log(v, disk, shard, look_at_one);
}

/* What the shard's last turn brought. */
static void count_rare(struct invariants *v, unsigned shard)
{
    const struct broker_shard *b = broker_at(sim_shard(v->options.sim, shard));
    struct shard_seen *s = &v->shards[shard];

    v->counts.replays += b->unknown < s->unknown ? s->unknown - b->unknown : 0;
    v->counts.spills += v->spills && !s->spills;
    s->unknown = b->unknown;
    s->spills = v->spills;
}

struct invariants_counts invariants_counts(const struct invariants *v)
{
    return v->counts;
}

void invariants_event(struct invariants *v, struct fs *disk)
{
    int shard = sim_ran(v->options.sim);

    if (shard < 0)
        return;
    v->spills = false;
    each_log(v, disk, (unsigned)shard, look_after_event);
    count_rare(v, (unsigned)shard);
    if (++v->turns >= v->depth_at)
        depth_of_one(v, disk, (unsigned)shard);
}

void invariants_depth(struct invariants *v, struct fs *disk)
{
    for (unsigned i = 0; i < v->options.sim->set->count; i++)
        each_log(v, disk, i, look_in_depth);
}

static void look_at_node(struct invariants *v, struct fs *disk, enum invariant_time time)
{
    struct sim *sim = v->options.sim;
    struct shard *outer = shard_enter(sim_shard(sim, 0));
    struct look look = {.v = v, .disk = disk, .b = broker_at(sim_shard(sim, 0))};

    check_all(&look, time);
    shard_enter(outer);
}

void invariants_ready(struct invariants *v, struct fs *disk)
{
    for (struct map_node *node = map_first(&v->seen); node; node = map_next(&v->seen, node))
        MAP_ENTRY(node, struct seen, node)->log = NULL;
    for (unsigned i = 0; i < SHARDS_MAX; i++) {
        v->shards[i].count = v->shards[i].unknown = 0;
        v->shards[i].spills = false;
    }
    look_at_node(v, disk, AT_READY);
    invariants_depth(v, disk);
}

bool invariants_rests(const struct invariants *v)
{
    const struct sim *sim = v->options.sim;
    const char *what;

    for (unsigned i = 0; i < sim->set->count; i++)
        if (!rests(sim, i, &what))
            return false;
    return true;
}

void invariants_rest(struct invariants *v)
{
    look_at_node(v, NULL, AT_REST);
}

const char *invariants_dir(const struct invariants *v, struct uuid topic_id, int32_t index)
{
    const struct broker *broker = broker_at(sim_shard(v->options.sim, 0))->broker;
    struct broker_shard *b = broker->by_shard[broker_partition_shard(broker, topic_id, index)];
    const struct broker_partition *bp = broker_partition_any(b, topic_id, index);

    return bp && !dir_is_offline(b, bp->dir) ? broker->dirs[bp->dir].path : NULL;
}

bool invariants_dirs_offline(const struct invariants *v)
{
    const struct broker *broker = broker_at(sim_shard(v->options.sim, 0))->broker;

    for (unsigned i = 0; i < broker->shards; i++)
        if (broker->by_shard[i]->offline)
            return true;
    return false;
}

struct invariants *invariants_new(const struct invariants_options *options)
{
    struct invariants *v = sim__alloc(1, sizeof *v);

    v->options = *options;
    v->quorum_epoch = -1;
    v->broker_epoch = -1;
    v->depth_at = DEPTH_EVERY;
    map_init(&v->seen, options->seed);
    for (size_t i = 0; i < IMAGES_MAX; i++)
        v->images[i].offset = -1;
    return v;
}

void invariants_free(struct invariants *v)
{
    for (struct map_node *node = map_first(&v->seen), *next; node; node = next) {
        next = map_next(&v->seen, node);
        mem_free(MAP_ENTRY(node, struct seen, node));
    }
    map_free(&v->seen);
    for (unsigned i = 0; i < SHARDS_MAX; i++)
        mem_free(v->shards[i].list);
    mem_free(v->batches);
    mem_free(v);
}
