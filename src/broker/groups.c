/* SPDX-License-Identifier: Apache-2.0
 * See groups.h. The life of a coordinator:
 *
 *   loading ─→ active ─→ broken (an append failed) ─→ loading again, once no append is under way
 *      └─→ dead (it does not load) ←─┘ the log directory is lost
 *   without memory, or an open file to be had, it stays loading, and begins again a little later
 *   and from any of them: closing, when its partition closes; freed once nothing of it is under way
 *
 * Invariants
 *   1. `waiting` holds the tours whose visit is answered, in order of their barriers: they leave from the front, as
 *      appends become durable.
 *   2. Appends complete in the order in which they were made (log.h), so `durable` only grows.
 *   3. Replies leave from the top of the loop (`flush` is mail), never from within a step: a reply may bring the next
 *      request of its connection.
 *   4. `busy` counts what holds a pointer to the coordinator: appends, the flush mail, a load.
 */
#include "broker/groups.h"
#include "broker/dirs.h"
#include "broker/partitions.h"

#include "base/bug.h"
#include "base/mem.h"
#include "base/reader.h"
#include "broker/broker.h"
#include "broker/topics.h"
#include "rt/fs.h"
#include "rt/io.h"
#include "rt/log.h"
#include "wire/records.h"

enum {
    RECORDS_ARENA_MAX = 256 * 1024 * 1024, /* of one step: the largest group there can be, with its assignment */
    ANSWER_ARENA_MAX = 256 * 1024 * 1024,  /* of one request's answer: what its leader gets of it, or all its offsets */
    LOAD_BYTES = 1024 * 1024,              /* read at once (a batch that is larger comes whole) */
    LOAD_BATCH_MAX = 256 * 1024 * 1024,    /* decompressed */
    EXPIRE_AGAIN_MS = 10,                  /* when one turn was not enough */
    CROWDED_AGAIN_MS = 60 * 1000,          /* the operator is told once a minute */
    LOAD_AGAIN_MS = 100,                   /* when there was no memory, or too many files were open */
};

enum coordinator_state { COORDINATOR_LOADING, COORDINATOR_ACTIVE, COORDINATOR_BROKEN, COORDINATOR_DEAD };

struct coordinator {
    struct map_node node; /* in groups.coordinators, unless it is closing */
    int32_t index;
    struct groups *groups;
    struct shard *shard;
    struct partition *partition;
    enum coordinator_state state;
    bool closing;
    struct coord *coord;        /* when active */
    struct timer timer;         /* the coordinator's next deadline */
    struct list waiting;        /* struct tour, by its call's link */
    uint64_t appended, durable; /* numbers of the last append made, and of the last one that is durable */
    unsigned appending;
    struct mail flush;
    bool flush_posted;
    unsigned busy;
};

struct groups {
    struct broker_shard *b;
    struct coord_config config;
    struct mem_user memory;  /* what active coordinators hold: entered around their steps */
    uint64_t crowded_ms;     /* when that was told last */
    struct map coordinators; /* by partition index */
    unsigned closing;        /* coordinators that are not among them any more, and not yet freed */
    struct mail *idle;       /* NULL: nobody waits for them */
    struct timer expiry;
};

struct append {
    struct partition_append append;
    struct arena rewrite; /* the partition's, should it recompress */
    struct coordinator *coordinator;
    uint64_t number;
    uint8_t bytes[];
};

struct load {
    struct io_job job;
    struct coordinator *coordinator;
    struct coord *coord;
    struct mem_user memory; /* the coord's, until it is active: what the log has is loaded, whatever it takes */
    int64_t next, end; /* offsets */
    struct partition_read read;
    struct log_slice slice;
    struct err err;
};

struct tour_stop {
    int32_t index;
    unsigned shard;
};

static void coordinator_load(struct coordinator *c);

/* ---- tours ---- */

static struct coordinator *coordinator_find(const struct groups *g, int32_t index)
{
    struct map_node *node = map_get(&g->coordinators, &index, sizeof index);

    return node ? MAP_ENTRY(node, struct coordinator, node) : NULL;
}

/* Its partition is not open yet; also one that has to be tried again. */
static bool partition_to_open(struct broker_shard *b, int32_t index)
{
    const struct image_topic *topic = image_topic(b->image, STR_LIT(OFFSETS_TOPIC));
    const struct broker_partition *bp = topic ? broker_partition_any(b, topic->id, index) : NULL;

    if (!bp || dir_is_offline(b, bp->dir))
        return false;
    return broker_partition_wakes(b, topic->id, index, NULL) || bp->life == PARTITION_ASLEEP;
}

const struct coord *groups_coord(const struct groups *g, int32_t index)
{
    const struct coordinator *c = coordinator_find(g, index);

    return c && c->state == COORDINATOR_ACTIVE && !c->appending ? c->coord : NULL;
}

static void tour_end(struct tour *tour)
{
    bool enough = !tour->verb->finish || tour->verb->finish(tour);
    struct arena arena = tour->arena; /* the request, and the tour with it, is gone with the reply */

    if (enough)
        request_reply(tour->request, tour->out);
    else
        request_close(tour->request, "no memory");
    arena_free(&arena);
}

static void coordinator_visit(struct coordinator *c, struct tour *tour);

/* On to the next stop that is not refused at once; the visit goes on from there. */
static void tour_go(struct request *r)
{
    struct tour *tour = r->state;

    for (; tour->at < tour->stops_count; tour->at++) {
        const struct tour_stop *stop = &tour->stops[tour->at];
        struct coordinator *c;
        bool loading;

        if (stop->shard != shard_id(r->here)) {
            request_move(r, stop->shard, tour_go);
            return;
        }
        c = coordinator_find(broker_at(r->here)->groups, stop->index);
        if (c && c->state == COORDINATOR_ACTIVE) {
            coordinator_visit(c, tour);
            return;
        }
        loading = c ? c->state == COORDINATOR_LOADING || c->state == COORDINATOR_BROKEN : partition_to_open(broker_at(r->here), stop->index);
        tour->verb->refuse(tour, loading ? STATUS_COORDINATOR_LOAD_IN_PROGRESS : STATUS_NOT_COORDINATOR);
    }
    tour_end(tour);
}

static struct tour *tour_new(struct request *r, const struct tour_verb *verb, void *out, size_t count)
{
    struct tour *tour = REQUEST_ALLOC(r, struct tour, 1);
    struct tour_stop *stops = REQUEST_ALLOC(r, struct tour_stop, count);

    if (!tour || !stops) {
        request_close(r, "no memory");
        return NULL;
    }
    *tour = (struct tour){.request = r, .verb = verb, .out = out, .stops = stops, .stops_count = count};
    arena_init(&tour->arena, ANSWER_ARENA_MAX);
    list_init(&tour->call.link);
    tour->call.arena = &tour->arena;
    tour->call.out = out;
    r->state = tour;
    return tour;
}

void groups_tour(struct request *r, const struct tour_verb *verb, void *out, const struct str_view *groups,
                 size_t count)
{
    const struct broker_shard *b = broker_at(r->here);
    const struct image_topic *topic = image_topic(b->image, STR_LIT(OFFSETS_TOPIC));
    struct tour *tour = tour_new(r, verb, out, count);

    if (!tour)
        return;
    for (size_t i = 0; i < count; i++) {
        if (topic) {
            tour->stops[i].index = coord_partition_of(groups[i], topic->count);
            tour->stops[i].shard = broker_partition_shard(b->broker, topic->id, tour->stops[i].index);
        } else { /* nobody coordinates anything yet */
            tour->stops[i] = (struct tour_stop){-1, shard_id(r->here)};
        }
    }
    tour_go(r);
}

void groups_tour_all(struct request *r, const struct tour_verb *verb, void *out)
{
    const struct broker_shard *b = broker_at(r->here);
    const struct image_topic *topic = image_topic(b->image, STR_LIT(OFFSETS_TOPIC));
    struct tour *tour = tour_new(r, verb, out, topic ? (size_t)topic->count : 0);

    if (!tour)
        return;
    for (size_t i = 0; i < tour->stops_count; i++)
        tour->stops[i] = (struct tour_stop){(int32_t)i, broker_partition_shard(b->broker, topic->id, (int32_t)i)};
    tour_go(r);
}

/* ---- answers ---- */

static struct tour *tour_waiting(const struct coordinator *c)
{
    return LIST_ENTRY(c->waiting.next, struct tour, call.link);
}

static void groups_check_idle(struct groups *g)
{
    struct mail *idle = g->idle;

    if (!idle || g->closing)
        return;
    g->idle = NULL;
    shard_post(g->b->shard, g->b->shard, idle);
}

static void coordinator_unbusy(struct coordinator *c)
{
    c->busy--;
    if (c->closing && !c->busy) {
        ASSERT(list_empty(&c->waiting) && !c->coord);
        c->groups->closing--;
        groups_check_idle(c->groups);
        mem_free(c);
    }
}

static void coordinator_flush(struct shard *here, struct mail *mail)
{
    struct coordinator *c = LIST_ENTRY(mail, struct coordinator, flush);

    c->flush_posted = false;
    while (!list_empty(&c->waiting) && tour_waiting(c)->barrier <= c->durable) {
        struct tour *tour = tour_waiting(c);

        list_remove(&tour->call.link);
        tour->at++;
        tour_go(tour->request);
    }
    coordinator_unbusy(c);
}

static void coordinator_flush_later(struct coordinator *c)
{
    if (c->flush_posted || list_empty(&c->waiting) || tour_waiting(c)->barrier > c->durable)
        return;
    c->flush_posted = true;
    c->flush.run = coordinator_flush;
    c->busy++;
    shard_post(c->shard, c->shard, &c->flush);
}

/* Gives the state up: everybody who waits or is parked is refused. */
static void coordinator_drop(struct coordinator *c)
{
    struct coord_step step;

    coord_step_init(&step, 0, 0, NULL);
    list_move_all(&step.answers, &c->waiting);
    if (c->coord) {
        (void)mem_enter(&c->groups->memory);
        coord_resign(c->coord, &step, STATUS_NOT_COORDINATOR);
        coord_free(c->coord);
        (void)mem_enter(NULL);
        c->coord = NULL;
    }
    timer_cancel(c->shard, &c->timer);
    list_move_all(&c->waiting, &step.answers);
    LIST_EACH(at, &c->waiting)
    {
        struct tour *tour = LIST_ENTRY(at, struct tour, call.link);

        tour->verb->refuse(tour, STATUS_NOT_COORDINATOR);
        tour->barrier = 0;
    }
    coordinator_flush_later(c);
}

/* ---- appends ---- */

static void coordinator_recover(struct coordinator *c)
{
    if (c->state == COORDINATOR_BROKEN && !c->appending)
        coordinator_load(c);
}

static void coordinator_break(struct coordinator *c, enum status status)
{
    if (c->state == COORDINATOR_ACTIVE) {
        log_line(LOG_ERROR, "group coordinator lost an append", "partition=%d reason=%s", c->index,
                 status_name(status));
        c->state = status == STATUS_KAFKA_STORAGE_ERROR ? COORDINATOR_DEAD : COORDINATOR_BROKEN;
        coordinator_drop(c);
    }
    coordinator_recover(c);
}

static void coordinator_appended(struct shard *here, struct partition_append *append)
{
    struct append *a = LIST_ENTRY(append, struct append, append);
    struct coordinator *c = a->coordinator;

    c->appending--;
    if (append->status) {
        coordinator_break(c, append->status);
    } else if (c->state == COORDINATOR_ACTIVE) {
        c->durable = a->number;
        coordinator_flush_later(c);
    } else {
        coordinator_recover(c);
    }
    arena_free(&a->rewrite);
    mem_free(a);
    coordinator_unbusy(c);
}

static const struct bytes_view no_headers = {NULL, 0};

/* One batch of a step's records, as the partition takes it. NULL: no memory. */
static struct append *append_new(const struct coord_step *step)
{
    size_t size = BATCH_OVERHEAD;
    struct batch_builder builder;
    struct append *a;

    for (size_t i = 0; i < step->records_count; i++)
        size += batch_record_size((int32_t)i, 0, step->records[i].key, step->records[i].value, no_headers);
    a = mem_alloc(1, sizeof *a + size);
    if (!a)
        return NULL;
    batch_builder_init(&builder, a->bytes, size, COMPRESSION_NONE);
    for (size_t i = 0; i < step->records_count; i++) {
        bool fits = batch_builder_add(&builder, (int32_t)i, step->wall_ms, step->records[i].key, step->records[i].value,
                                      no_headers);

        ASSERT(fits);
    }
    a->append.size = batch_builder_finish(&builder, 0, 0, -1, -1, -1).size;
    a->append.records = a->bytes;
    return a;
}

/* As offsets.topic.compression.codec says. */
static enum status append_compress(struct append *a, enum compression codec)
{
    struct bytes_view out;
    enum status status;

    if (codec == COMPRESSION_NONE)
        return STATUS_OK;
    status = batch_recompress((struct bytes_view){a->append.records, a->append.size}, codec, compression_level_default(codec), a->append.size, &a->rewrite, &out);
    if (status)
        return status;
    a->append.records = (uint8_t *)(uintptr_t)out.data; /* in the append's arena: ours to write */
    a->append.size = out.size;
    return STATUS_OK;
}

static void coordinator_append(struct coordinator *c, const struct coord_step *step)
{
    enum compression codec = (enum compression)config_i64(c->groups->b->broker->config, CONFIG_OFFSETS_TOPIC_COMPRESSION_CODEC);
    struct append *a = append_new(step);
    enum status status = STATUS_NO_MEMORY;

    if (a) {
        arena_init(&a->rewrite, RECORDS_ARENA_MAX);
        status = append_compress(a, codec);
    }
    if (status) {
        if (a)
            arena_free(&a->rewrite);
        mem_free(a);
        coordinator_break(c, status);
        return;
    }
    a->coordinator = c;
    a->number = ++c->appended;
    a->append.arena = &a->rewrite;
    a->append.done = coordinator_appended;
    c->appending++;
    c->busy++;
    partition_append(c->partition, &a->append);
}

/* ---- steps ---- */

static void coordinator_tick(struct shard *here, struct timer *timer);

static void coordinator_begin(const struct coordinator *c, struct coord_step *step, struct arena *arena)
{
    (void)mem_enter(&c->groups->memory);
    arena_init(arena, RECORDS_ARENA_MAX);
    coord_step_init(step, shard_now_ms(c->shard), shard_wall_ms(c->shard), arena);
}

static void log_removals(struct coord_step *step)
{
    LIST_EACH(at, &step->removals)
    {
        const struct coord_removal *r = LIST_ENTRY(at, struct coord_removal, link);

        log_line(LOG_INFO, "member leaves its group", "group=%.*s member=%.*s client=%.*s host=%.*s reason=%.*s",
                 STR_ARG(r->group), STR_ARG(r->member), STR_ARG(r->client_id), STR_ARG(r->host), STR_ARG(r->why));
    }
}

/* The user of memory is left; it may be that something was refused. */
static void groups_leave_memory(struct groups *g)
{
    bool crowded = mem_crowded();
    uint64_t now_ms = shard_now_ms(g->b->shard);

    (void)mem_enter(NULL);
    if (!crowded || (g->crowded_ms && now_ms - g->crowded_ms < CROWDED_AGAIN_MS))
        return;
    g->crowded_ms = now_ms;
    log_line(LOG_WARN, "new groups, members and offsets are refused", "reason=barnabas.memory.max shard=%u bytes=%zu max=%zu", shard_id(g->b->shard), g->memory.held,
             g->memory.max);
}

/* What follows from a step. An answer waits for every append up to the step's own. */
static void coordinator_finish(struct coordinator *c, struct coord_step *step)
{
    uint64_t deadline = coord_deadline(c->coord), barrier = c->appended + (step->records_count != 0 && !BUG(KAFKA_2017));

    groups_leave_memory(c->groups);
    if (deadline != UINT64_MAX && (!c->timer.armed || deadline < c->timer.deadline_ms))
        timer_set(c->shard, &c->timer, deadline, coordinator_tick);
    LIST_EACH(at, &step->answers)
    {
        LIST_ENTRY(at, struct tour, call.link)->barrier = barrier;
    }
    list_move_all(&c->waiting, &step->answers);
    if (step->records_count)
        coordinator_append(c, step);
    coordinator_flush_later(c);
    log_removals(step);
    arena_free(step->arena);
}

static void coordinator_visit(struct coordinator *c, struct tour *tour)
{
    struct coord_step step;
    struct arena arena;

    coordinator_begin(c, &step, &arena);
    tour->verb->visit(tour, c->coord, &step);
    coordinator_finish(c, &step);
}

static void coordinator_tick(struct shard *here, struct timer *timer)
{
    struct coordinator *c = LIST_ENTRY(timer, struct coordinator, timer);
    struct coord_step step;
    struct arena arena;

    coordinator_begin(c, &step, &arena);
    coord_tick(c->coord, &step);
    coordinator_finish(c, &step);
}

/* ---- loading ---- */

/* The end of a transaction, as a control record says: i16 version, i16 type (0 abort, 1 commit). */
static enum status load_control(struct load *l, int64_t producer_id, const struct record *record)
{
    struct reader key;
    int16_t type;

    reader_init(&key, record->key.data, record->key.size);
    reader_i16(&key);
    type = reader_i16(&key);
    if (key.bad)
        return STATUS_CORRUPT;
    return type == 0 || type == 1 ? coord_replay_txn_end(l->coord, producer_id, type == 1) : STATUS_OK;
}

static enum status load_record(struct load *l, const struct batch_head *head, const struct record *record)
{
    enum status status;

    (void)mem_enter(&l->memory);
    status = head->attributes & BATCH_CONTROL
                 ? load_control(l, head->producer_id, record)
                 : coord_replay(l->coord, record->offset, head->attributes & BATCH_TRANSACTIONAL ? head->producer_id : -1,
                                record->timestamp, record->key, record->value);
    (void)mem_enter(NULL);
    return status;
}

static enum status load_batch(struct load *l, struct bytes_view batch, const struct batch_head *head)
{
    struct record_cursor *cursor;
    struct record record;
    struct arena arena;
    enum status status;
    bool more = true;

    arena_init(&arena, LOAD_BATCH_MAX);
    cursor = record_cursor_new(&arena, batch, LOAD_BATCH_MAX);
    status = cursor ? STATUS_OK : STATUS_NO_MEMORY;
    while (!status && more) {
        status = record_next(cursor, &record, &more);
        if (!status && more && record.offset >= l->next)
            status = load_record(l, head, &record);
    }
    record_cursor_free(cursor);
    arena_free(&arena);
    l->next = batch_last_offset(head) + 1;
    return status;
}

/* Whole batches; what is cut at the end comes again with the next piece. */
static enum status load_bytes(struct load *l, struct bytes_view bytes)
{
    struct batch_head head;
    enum status status = STATUS_OK;
    size_t size;

    while (!status && batch_head_read(bytes, &head) && head.length > 0 && batch_size(&head) <= bytes.size) {
        status = batch_check_crc(bytes, &size);
        if (!status)
            status = load_batch(l, (struct bytes_view){bytes.data, size}, &head);
        bytes.data += batch_size(&head);
        bytes.size -= batch_size(&head);
    }
    return status;
}

static void load_work(struct io_job *job)
{
    struct load *l = LIST_ENTRY(job, struct load, job);
    int64_t from = l->next;
    uint8_t *bytes = mem_alloc(1, l->slice.size);
    size_t got = 0;
    enum status status;

    l->err.status = STATUS_OK;
    if (!bytes) {
        (void)err_set(&l->err, STATUS_NO_MEMORY, "no memory for %zu bytes", l->slice.size);
        return;
    }
    if (file_read(l->slice.file, l->slice.position, bytes, l->slice.size, &got, &l->err) == STATUS_OK) {
        status = load_bytes(l, (struct bytes_view){bytes, got});
        if (!status && l->next == from)
            status = STATUS_CORRUPT;
        if (status)
            (void)err_set(&l->err, status, "%s at or after offset %lld", status_name(status), (long long)l->next);
    }
    mem_free(bytes);
}

static void load_end(struct load *l)
{
    struct coordinator *c = l->coordinator;

    (void)mem_enter(&l->memory);
    coord_free(l->coord);
    (void)mem_enter(NULL);
    ASSERT(l->memory.held == 0);
    mem_free(l);
    coordinator_unbusy(c);
}

static void coordinator_load_again(struct shard *here, struct timer *timer)
{
    coordinator_load(LIST_ENTRY(timer, struct coordinator, timer));
}

static void coordinator_load_later(struct coordinator *c)
{
    timer_set(c->shard, &c->timer, shard_now_ms(c->shard) + LOAD_AGAIN_MS, coordinator_load_again);
}

static void load_failed(struct load *l)
{
    struct broker_shard *b = l->coordinator->groups->b;

    log_line(LOG_ERROR, "group coordinator does not load", "partition=%d reason=%s", l->coordinator->index,
             l->err.text);
    if (fs_may_retry(l->err.status))
        coordinator_load_later(l->coordinator);
    else
        l->coordinator->state = COORDINATOR_DEAD;
    if (l->err.status == STATUS_IO || l->err.status == STATUS_KAFKA_STORAGE_ERROR) /* nobody would load it again */
        broker_dir_failed(b, broker_partition_any(b, partition_topic_id(l->coordinator->partition), l->coordinator->index)->dir, &l->err);
    load_end(l);
}

static void load_succeeded(struct load *l)
{
    struct coordinator *c = l->coordinator;
    struct coord_step step;
    struct arena arena;

    c->coord = l->coord;
    l->coord = NULL;
    c->groups->memory.held += l->memory.held;
    l->memory.held = 0;
    c->state = COORDINATOR_ACTIVE;
    coordinator_begin(c, &step, &arena);
    coord_loaded(c->coord, &step);
    coordinator_finish(c, &step);
    load_end(l);
}

static void load_done(struct shard *here, struct io_job *job);
static void load_go(struct load *l);

static void load_unread(struct load *l)
{
    (void)err_set(&l->err, l->read.status ? l->read.status : STATUS_CORRUPT, "nothing to read at offset %lld", (long long)l->next);
    load_failed(l);
}

static void load_warmed(struct shard *here, struct partition_read *read)
{
    struct load *l = LIST_ENTRY(read, struct load, read);

    if (read->status && !l->coordinator->closing)
        load_unread(l);
    else
        load_go(l);
}

static void load_go(struct load *l)
{
    struct coordinator *c = l->coordinator;
    struct partition_read *read = &l->read;

    if (c->closing) {
        load_end(l);
        return;
    }
    if (l->next >= l->end && !BUG(KAFKA_9065)) {
        load_succeeded(l);
        return;
    }
    read->offset = l->next;
    partition_read(c->partition, read);
    if (read->status == STATUS_NOT_CACHED) {
        partition_read_warm(c->partition, read, load_warmed);
        return;
    }
    if (read->status || !read->slice.size) {
        load_unread(l);
        return;
    }
    l->slice = read->slice;
    l->job.work = load_work;
    l->job.done = load_done;
    io_job_submit(shard_io(c->shard), &l->job);
}

static void load_done(struct shard *here, struct io_job *job)
{
    struct load *l = LIST_ENTRY(job, struct load, job);

    file_unref(l->slice.file);
    if (l->err.status && !l->coordinator->closing)
        load_failed(l);
    else
        load_go(l);
}

static void coordinator_load(struct coordinator *c)
{
    struct load *l = mem_alloc(1, sizeof *l);
    struct coord *coord;

    (void)mem_enter(l ? &l->memory : NULL);
    coord = l ? coord_new(&c->groups->config, shard_random(c->shard)) : NULL;
    (void)mem_enter(NULL);
    c->state = COORDINATOR_LOADING;
    if (!coord) {
        log_line(LOG_ERROR, "group coordinator does not load", "partition=%d reason=%s", c->index, "no memory");
        mem_free(l);
        coordinator_load_later(c);
        return;
    }
    c->busy++;
    l->coordinator = c;
    l->coord = coord;
    l->read = (struct partition_read){.current_leader_epoch = -1,
                                      .last_fetched_epoch = -1,
                                      .size_max = BUG(KAFKA_7286) ? LOAD_BYTES / 4096 : LOAD_BYTES,
                                      .at_least_one = !BUG(KAFKA_7286)};
    l->next = partition_start_offset(c->partition);
    l->end = partition_high_watermark(c->partition);
    load_go(l);
}

/* ---- what the broker tells ---- */

bool groups_partition_opened(struct groups *g, int32_t index, struct partition *partition)
{
    struct coordinator *c = mem_alloc(1, sizeof *c);

    if (c) {
        c->index = index;
        c->groups = g;
        c->shard = g->b->shard;
        c->partition = partition;
        list_init(&c->waiting);
    }
    if (!c || !map_put(&g->coordinators, &c->node, &c->index, sizeof c->index)) {
        mem_free(c);
        return false;
    }
    coordinator_load(c);
    return true;
}

void groups_partition_closing(struct groups *g, int32_t index)
{
    struct coordinator *c = coordinator_find(g, index);

    if (!c)
        return;
    map_remove(&g->coordinators, &c->node);
    g->closing++;
    c->busy++;
    c->closing = true;
    c->state = COORDINATOR_DEAD;
    coordinator_drop(c);
    coordinator_unbusy(c);
}

void groups_topic_deleted(struct groups *g, struct uuid topic_id, struct str_view topic)
{
    for (struct map_node *node = map_first(&g->coordinators); node; node = map_next(&g->coordinators, node)) {
        struct coordinator *c = MAP_ENTRY(node, struct coordinator, node);
        struct coord_step step;
        struct arena arena;

        if (c->state != COORDINATOR_ACTIVE)
            continue;
        coordinator_begin(c, &step, &arena);
        coord_topic_deleted(c->coord, &step, topic_id, topic);
        coordinator_finish(c, &step);
    }
}

/* ---- expiry ---- */

static bool coordinator_expire(struct coordinator *c)
{
    struct coord_step step;
    struct arena arena;
    bool more;

    coordinator_begin(c, &step, &arena);
    more = coord_expire(c->coord, &step);
    coordinator_finish(c, &step);
    return more;
}

static void groups_expire(struct shard *here, struct timer *timer)
{
    struct groups *g = LIST_ENTRY(timer, struct groups, expiry);
    int64_t interval = config_i64(g->b->broker->config, CONFIG_OFFSETS_RETENTION_CHECK_INTERVAL_MS);

    for (struct map_node *node = map_first(&g->coordinators); node; node = map_next(&g->coordinators, node)) {
        struct coordinator *c = MAP_ENTRY(node, struct coordinator, node);

        if (c->state == COORDINATOR_ACTIVE && coordinator_expire(c) && interval > EXPIRE_AGAIN_MS)
            interval = EXPIRE_AGAIN_MS;
    }
    timer_set(here, &g->expiry, shard_now_ms(here) + (uint64_t)interval, groups_expire);
}

/* ---- a shard's ---- */

static void groups_configure(const struct config *config, struct coord_config *out)
{
    int64_t delay_ms = config_i64(config, CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS);

    *out = (struct coord_config){
        .session_timeout_min_ms = (int32_t)config_i64(config, CONFIG_GROUP_MIN_SESSION_TIMEOUT_MS),
        .session_timeout_max_ms = (int32_t)config_i64(config, CONFIG_GROUP_MAX_SESSION_TIMEOUT_MS),
        .initial_rebalance_delay_ms = delay_ms > 0 ? (int32_t)delay_ms : 0,
        .group_size_max = (int32_t)config_i64(config, CONFIG_GROUP_MAX_SIZE),
        .offset_metadata_max = (int32_t)config_i64(config, CONFIG_OFFSET_METADATA_MAX_BYTES),
        .offsets_retention_ms = config_i64(config, CONFIG_OFFSETS_RETENTION_MINUTES) * 60 * 1000,
    };
}

struct groups *groups_new(struct broker_shard *b)
{
    struct groups *g = mem_alloc(1, sizeof *g);

    if (!g)
        return NULL;
    g->b = b;
    map_init(&g->coordinators, shard_random(b->shard));
    groups_configure(b->broker->config, &g->config);
    g->memory.max = memory_share(b->broker->config, MEMORY_GROUPS, b->broker->shards);
    timer_set(b->shard, &g->expiry,
              shard_now_ms(b->shard) +
                  (uint64_t)config_i64(b->broker->config, CONFIG_OFFSETS_RETENTION_CHECK_INTERVAL_MS),
              groups_expire);
    return g;
}

size_t groups_memory(const struct groups *g)
{
    return g->memory.held;
}

void groups_when_idle(struct groups *g, struct mail *mail)
{
    g->idle = mail;
    groups_check_idle(g);
}

void groups_free(struct groups *g)
{
    struct map_node *node;

    if (!g)
        return;
    while ((node = map_first(&g->coordinators)))
        groups_partition_closing(g, MAP_ENTRY(node, struct coordinator, node)->index);
    ASSERT(g->memory.held == 0);
    timer_cancel(g->b->shard, &g->expiry);
    map_free(&g->coordinators);
    mem_free(g);
}
