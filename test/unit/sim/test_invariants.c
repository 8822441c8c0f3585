/* SPDX-License-Identifier: Apache-2.0
 * Every white-box invariant that is on (sim/invariants.c): a node that works keeps it, and one with something broken inside does not.
 */
#include "../cm.h"

#include "base/mem.h"
#include "coord/coord_int.h"
#include "broker/groups.h"
#include "rt/log.h"
#include "rt/world.h"
#include "sim/disk.h"
#include "sim/invariants_int.h"
#include "sim/load.h"
#include "sim/sim_node.h"

enum { SHARDS = 2 };

struct world {
    struct fs *disk;
    struct sim_node *n;
    struct sim *sim;
    struct load *load;
    struct invariants *v;
    char rules[4000]; /* broken */
};

static void note(void *context, const char *rule, const char *what)
{
    struct world *w = context;
    size_t size = strlen(w->rules);

    if (!strstr(w->rules, rule))
        snprintf(w->rules + size, sizeof w->rules - size, "%s ", rule);
}

static void not_yet(void *context, const char *rule, const char *what)
{
    fail_msg("%s: %s", rule, what);
}

/* Without what was seen until now. */
static void remember_anew(struct world *w)
{
    if (w->v)
        invariants_free(w->v);
    w->v = invariants_new(&(struct invariants_options){.sim = w->sim, .broken = note, .context = w});
    w->rules[0] = 0;
    invariants_ready(w->v, w->disk);
    assert_string_equal(w->rules, "");
}

static struct log *log_of(struct world *w);

static void world_open(struct world *w)
{
    struct load_options load = {.producers = 2, .once = 2, .readers = 1, .members = 2, .admins = 1, .groups = 1, .fetch_bytes = 1 << 20, .broken = not_yet};

    *w = (struct world){.disk = disk_new(1, DISK_SECTOR)};
    w->n = sim_node_new(1, w->disk, "offsets.topic.num.partitions=1", "log.index.interval.bytes=100", "metadata.log.max.record.bytes.between.snapshots=2000", NULL);
    w->sim = load.sim = sim_node_sim(w->n);
    w->load = load_new(&load);
    sim_run(w->sim, 60000000);
    load_finish(w->load);
    assert_true(sim_run_until(w->sim, load_is_finished, w->load, 60000000));
    sim_run(w->sim, 20000000);
    log__sync(log_of(w)); /* what is to be broken is in its files */
    sim_run(w->sim, 1000000);
    remember_anew(w);
}

static void world_close(struct world *w)
{
    invariants_free(w->v);
    sim_node_stop(w->n); /* the load's clients go with the world */
    load_free(w->load);
    fs_free(w->disk);
}

enum { LOOKS = 8 };

/* All that is looked at of a node, but for what is remembered of the life before. */
static void look(struct world *w)
{
    for (w->sim->ran = 0; w->sim->ran < SHARDS; w->sim->ran++)
        invariants_event(w->v, w->disk);
    for (unsigned i = 0; i < LOOKS; i++) /* at a long log not each time */
        invariants_depth(w->v, w->disk);
    invariants_rest(w->v);
}

/* --- parts of the node --- */

static struct broker *broker(struct world *w)
{
    return broker_at(sim_shard(w->sim, 0))->broker;
}

static struct metadata *metadata(struct world *w)
{
    return broker(w)->by_shard[0]->metadata;
}

/* A partition of a topic that has all that there is to break, or the one of groups. */
static bool serves(const struct broker_partition *bp, bool groups)
{
    const struct partition *p = bp->partition;

    if (!p)
        return false;
    if (groups || str_is(bp->topic, "__consumer_offsets"))
        return groups && str_is(bp->topic, "__consumer_offsets");
    return p->producers.map.count && p->log->last->offsets.count && p->log->last->times.count;
}

static struct broker_partition *partition_of(struct world *w, bool groups)
{
    struct broker_partition *most = NULL;

    for (unsigned i = 0; i < SHARDS; i++)
        for (struct broker_partition *bp = broker_partition_next(broker(w)->by_shard[i], NULL); bp; bp = broker_partition_next(broker(w)->by_shard[i], bp))
            if (serves(bp, groups) && (!most || bp->partition->log->count > most->partition->log->count))
                most = bp;
    assert_non_null(most);
    return most;
}

static struct log *log_of(struct world *w)
{
    return partition_of(w, false)->partition->log;
}

static struct bytes_view *file_of(struct world *w, const struct log *log, const struct segment *seg, const char *suffix, struct bytes_view pair[2])
{
    char path[FS_PATH_MAX];
    struct err err;

    assert_int_equal(segment_path(path, log->dir, seg->base, suffix, &err), STATUS_OK);
    assert_true(disk_look(w->disk, path, &pair[0], &pair[1]));
    return pair;
}

static void flip(struct bytes_view bytes, size_t at)
{
    assert_true(at < bytes.size);
    ((uint8_t *)(uintptr_t)bytes.data)[at] ^= 1;
}

static struct producer *producer_of(struct world *w)
{
    struct producer *p = MAP_ENTRY(map_first(&partition_of(w, false)->partition->producers.map), struct producer, node);

    assert_true(p->count);
    return p;
}

/* --- what is broken, and mended: `by` is 1, then -1 --- */

static void break_commit(struct world *w, int by)
{
    metadata(w)->raft.high_watermark += by;
}

static void break_high_watermark(struct world *w, int by)
{
    log_of(w)->durable += by;
}

static void break_end(struct world *w, int by)
{
    log_of(w)->end -= by;
    log_of(w)->durable -= by;
}

static void break_synced(struct world *w, int by)
{
    log_of(w)->synced += by * INT64_C(1000000); /* beyond what is durable */
}

static void break_leader_epoch(struct world *w, int by)
{
    partition_of(w, false)->partition->leader_epoch -= by;
    log_of(w)->start += by; /* so that it is looked at */
}

static void break_failed_disk(struct world *w, int by)
{
    struct log *log = log_of(w);
    struct store_dir *home = log->home;

    home->offline = true;
    look(w); /* it is seen */
    home->offline = by < 0;
    if (by < 0) {
        home->offline = false;
        invariants_ready(w->v, w->disk);
    }
}

static void break_sum(struct world *w, int by)
{
    struct log *log = log_of(w);
    struct bytes_view pair[2];

    flip(*file_of(w, log, log->segments[0], ".log", pair), BATCH_OVERHEAD + 3);
}

/* The first batch of the log that has none, and none behind it, has a delete horizon at once, its first timestamp: no time for its tombstones. */
static void break_horizon(struct world *w, int by)
{
    static uint8_t *attributes; /* of that one */
    struct log *log = log_of(w);
    struct bytes_view pair[2];
    struct batch_head head;

    for (size_t i = 0; i < log->count && by > 0; i++) {
        file_of(w, log, log->segments[i], ".log", pair);
        for (size_t at = 0; at < log->segments[i]->size; at += batch_size(&head)) {
            assert_true(batch_head_read((struct bytes_view){pair[0].data + at, pair[0].size - at}, &head));
            if (head.base_offset < log->start || head.attributes & BATCH_DELETE_HORIZON)
                attributes = NULL;
            else if (!attributes)
                attributes = (uint8_t *)(uintptr_t)pair[0].data + at + BATCH_ATTRIBUTES_AT + 1;
        }
    }
    assert_non_null(attributes);
    *attributes ^= BATCH_DELETE_HORIZON;
}

static void break_kept(struct world *w, int by)
{
    struct log *log = log_of(w);
    struct bytes_view pair[2];

    file_of(w, log, log->segments[0], ".log", pair);
    flip(pair[1], BATCH_OVERHEAD + 3);
}

static void break_batch(struct world *w, int by)
{
    struct log *log = log_of(w);
    struct bytes_view pair[2];
    struct batch_head head;
    size_t last = 0;

    file_of(w, log, log->last, ".log", pair);
    for (size_t at = 0; at < log->last->size; at += batch_size(&head)) {
        assert_true(batch_head_read((struct bytes_view){pair[0].data + at, pair[0].size - at}, &head));
        last = at;
    }
    flip(pair[0], last + BATCH_CRC_AT);
}

/* Of the last batch that has one. */
static void break_sequence(struct world *w, int by)
{
    struct log *log = log_of(w);
    struct bytes_view pair[2];
    struct batch_head head;

    for (size_t i = log->count; i--;) {
        size_t last = SIZE_MAX;
        file_of(w, log, log->segments[i], ".log", pair);
        for (size_t at = 0; at < log->segments[i]->size; at += batch_size(&head)) {
            assert_true(batch_head_read((struct bytes_view){pair[0].data + at, pair[0].size - at}, &head));
            if (head.producer_id >= 0)
                last = at;
        }
        if (last != SIZE_MAX) {
            flip(pair[0], last + 53 + 1);
            return;
        }
    }
    fail_msg("no batch has a sequence");
}

static void break_producer(struct world *w, int by)
{
    producer_of(w)->batches[producer_of(w)->count - 1].last_sequence += by;
}

static void break_epoch_cache(struct world *w, int by)
{
    log_of(w)->epochs.list[0].epoch -= by;
}

static void break_index(struct world *w, int by)
{
    struct index *ix = &log_of(w)->last->offsets;

    assert_true(ix->resident && ix->count);
    ix->bytes[3] ^= 1;
}

static void break_time_index(struct world *w, int by)
{
    struct index *ix = &log_of(w)->last->times;

    assert_true(ix->resident && ix->count);
    ix->bytes[7] ^= 1;
}

static void break_group(struct world *w, int by)
{
    struct broker_partition *bp = partition_of(w, true);
    unsigned shard = broker_partition_shard(broker(w), bp->key.topic_id, 0);
    const struct coord *c = groups_coord(broker(w)->by_shard[shard]->groups, 0);
    const struct group *g;
    struct offset_topic *t;

    assert_non_null(c);
    g = coord__group(c, STR_LIT("g0"));
    assert_non_null(g);
    t = MAP_ENTRY(map_first(&g->topics), struct offset_topic, node);
    MAP_ENTRY(map_first(&t->offsets), struct offset, node)->value.offset += by;
}

static void break_image(struct world *w, int by)
{
    broker(w)->by_shard[1]->image->next_producer_id += by;
}

/* All images at once: only the log knows better. */
static void break_images(struct world *w, int by)
{
    for (unsigned i = 0; i < SHARDS; i++)
        broker(w)->by_shard[i]->image->next_producer_id += by;
    for (size_t i = 0; i < IMAGES_MAX; i++)
        w->v->images[i].offset = -1;
}

static void break_waiters(struct world *w, int by)
{
    static struct list nobody;
    struct partition *p = partition_of(w, false)->partition;

    if (by > 0)
        list_push_back(&p->waiters, &nobody);
    else
        list_remove(&nobody);
}

static void break_buffers(struct world *w, int by)
{
    w->sim->shards[0].io.buffers_used += (size_t)by;
}

static const struct {
    const char *rule;
    void (*tamper)(struct world *w, int by);
} cases[] = {
    {"4:metadata-high-watermark", break_commit},
    {"14:watermarks", break_high_watermark},
    {"14:watermarks", break_end},
    {"5:nothing-lost", break_end},
    {"5:no-hole", break_end},
    {"5:nothing-lost", break_batch},
    {"6:image-replay", break_images},
    {"6:equal-images", break_image},
    {"11:epoch-cache", break_epoch_cache},
    {"13:compaction", break_horizon},
    {"15:synced", break_synced},
    {"15:on-disk", break_kept},
    {"16:sequences", break_sequence},
    {"16:producers", break_producer},
    {"17:leader-epoch", break_leader_epoch},
    {"19:group-replay", break_group},
    {"20:indexes", break_index},
    {"20:indexes", break_time_index},
    {"21:checksums", break_sum},
    {"22:failed-disk", break_failed_disk},
    {"24:parked", break_waiters},
    {"24:parked", break_buffers},
};

static bool covered(const struct invariant *it)
{
    char rule[80];

    snprintf(rule, sizeof rule, "%u:%s", it->number, it->name);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!strcmp(cases[i].rule, rule))
            return true;
    return it->time == AT_READY; /* test_lives */
}

static void test_each_can_fail(void **state)
{
    struct world w;

    world_open(&w);
    look(&w);
    assert_string_equal(w.rules, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cases[i].tamper(&w, 1);
        look(&w);
        if (!strstr(w.rules, cases[i].rule))
            fail_msg("case %zu: %s was not noticed, but %s", i, cases[i].rule, w.rules);
        cases[i].tamper(&w, -1);
        remember_anew(&w);
        look(&w);
        assert_string_equal(w.rules, "");
    }
    world_close(&w);
}

static void test_lives(void **state)
{
    struct world w;

    world_open(&w);
    invariants_ready(w.v, w.disk); /* as if another life had the same epochs */
    assert_string_equal(w.rules, "2:epochs-grow 17:broker-epoch ");
    world_close(&w);
}

static void test_table(void **state)
{
    unsigned number = 0;

    for (size_t i = 0; i < invariants_count; i++) {
        const struct invariant *it = &invariants_table[i];
        assert_true(it->number == number || it->number == number + 1);
        number = it->number;
        assert_int_equal(it->check == NULL, it->time == ELSEWHERE || it->time == WAITING);
        assert_int_equal(it->where != NULL, it->time == ELSEWHERE || it->time == WAITING);
        if (it->check && !covered(it))
            fail_msg("%u:%s has no test that shows that it can fail", it->number, it->name);
    }
    assert_int_equal(number, 28);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_each_can_fail), cmocka_unit_test(test_lives)};

    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
