/* SPDX-License-Identifier: Apache-2.0
 * A whole node: topics made and deleted, an idempotent and a plain producer, deleted records, committed offsets, changed configuration, a clean
 * stop and start in the middle. Only what a client sees is checked: a node boots on every state, whatever was acknowledged is there, in order and once.
 */
#include "crash.h"

#include "base/assert.h"
#include "base/mem.h"
#include "sim/sim_node.h"
#include "wire/api/create_topics.h"
#include "wire/api/delete_records.h"
#include "wire/api/delete_topics.h"
#include "wire/api/fetch.h"
#include "wire/api/find_coordinator.h"
#include "wire/api/init_producer_id.h"
#include "wire/api/metadata.h"
#include "wire/api/offset_commit.h"
#include "wire/api/offset_fetch.h"
#include "wire/api/produce.h"
#include "wire/apis.h"
#include "wire/records.h"

enum { NODE_STEPS = 16, RECORDS_MAX = 3, FLIGHT = 3, BATCHES_MAX = NODE_STEPS * FLIGHT, ONCE = 0, PLAIN = 1, PARTITIONS = 2, ARENA = 64 << 20 };
static const int64_t WALL_MS = 1700000000000;

struct node_batch {
    int64_t base;
    int32_t count;
};

struct node_partition { /* a record's value is its offset */
    struct node_batch batches[BATCHES_MAX];
    size_t count;
    int64_t acked, sent, start;
};

enum topic { TOPIC_NEVER, TOPIC_MAYBE, TOPIC_THERE, TOPIC_MAYBE_GONE, TOPIC_GONE };

struct node_model {
    struct node_partition partitions[PARTITIONS];
    enum topic main, other;
    int64_t committed, committing; /* -1: nothing */
    int64_t producer_id;
    int16_t producer_epoch;
};

/* --- calls ----------------------------------------------------------------------------------------------------------------- */

struct node_world {
    struct sim_node *n;
    struct sim_client *c;
    struct arena arena;
};

static void world_open(struct node_world *w, uint64_t seed, struct fs *fs)
{
    w->n = sim_node_new(seed, fs, "offsets.topic.num.partitions=1", "log.roll.ms=2500", "log.index.interval.bytes=100", NULL);
    w->c = sim_node_connect(w->n);
    arena_init(&w->arena, ARENA);
}

static void world_close(struct node_world *w)
{
    sim_client_close(w->c);
    sim_node_stop(w->n);
    arena_free(&w->arena);
}

static void call(struct node_world *w, int16_t key, int16_t version, const void *in, void *out)
{
    enum status status = sim_call(w->n, w->c, key, version, in, out, &w->arena);

    ASSERT(status == STATUS_OK);
}

static int16_t create_topic(struct node_world *w, const char *name)
{
    struct create_topics_request_topic topic;
    struct create_topics_request in;
    struct create_topics_response out;

    create_topics_request_init(&in);
    create_topics_request_topic_init(&topic);
    topic.name = str_from(name);
    topic.num_partitions = PARTITIONS;
    topic.replication_factor = 1;
    in.topics = &topic;
    in.topics_count = 1;
    call(w, API_CREATE_TOPICS, 7, &in, &out);
    return out.topics[0].error_code;
}

static int16_t delete_topic(struct node_world *w, const char *name)
{
    struct str_view names[] = {str_from(name)};
    struct delete_topics_request in;
    struct delete_topics_response out;

    delete_topics_request_init(&in);
    in.topic_names = names;
    in.topic_names_count = 1;
    call(w, API_DELETE_TOPICS, 5, &in, &out);
    return out.responses[0].error_code;
}

static bool topic_there(struct node_world *w, const char *name)
{
    struct metadata_request_topic topic;
    struct metadata_request in;
    struct metadata_response out;

    metadata_request_init(&in);
    metadata_request_topic_init(&topic);
    topic.name = str_from(name);
    in.topics = &topic;
    in.topics_count = 1;
    in.allow_auto_topic_creation = false;
    call(w, API_METADATA, 12, &in, &out);
    return out.topics[0].error_code == 0;
}

/* Values are the offsets from `base` on. */
static struct bytes_view batch_of(struct node_world *w, const struct node_model *model, int partition, int64_t base, int32_t count)
{
    size_t capacity = BATCH_OVERHEAD + (size_t)count * 200;
    uint8_t *bytes = arena_alloc(&w->arena, capacity, 1), value[150] = {0};
    const struct bytes_view none = {NULL, 0};
    struct batch_builder b;
    bool fits = bytes, once = partition == ONCE;

    batch_builder_init(&b, bytes, capacity, 0);
    for (int32_t i = 0; i < count && fits; i++) {
        int64_t offset = base + i;
        memcpy(value, &offset, sizeof offset);
        fits = batch_builder_add(&b, i, WALL_MS + offset * 200, none, (struct bytes_view){value, sizeof value}, none);
    }
    ASSERT(fits);
    return batch_builder_finish(&b, 0, -1, once ? model->producer_id : -1, once ? model->producer_epoch : -1, once ? (int32_t)base : -1);
}

static void produce_send(struct node_world *w, int partition, struct bytes_view batch)
{
    struct produce_request_partition_data data;
    struct produce_request_topic_data to;
    struct produce_request in;
    struct bytes_view request;

    produce_request_init(&in);
    produce_request_topic_data_init(&to);
    produce_request_partition_data_init(&data);
    data.index = partition;
    data.records.data = batch.data;
    data.records.size = batch.size;
    to.name = STR_LIT("t");
    to.partition_data = &data;
    to.partition_data_count = 1;
    in.acks = -1;
    in.timeout_ms = 30000;
    in.topic_data = &to;
    in.topic_data_count = 1;
    request = sim_request(API_PRODUCE, 9, 5, &in, &w->arena);
    sim_client_send(w->c, request.data, request.size);
}

/* The base offset, or minus the error. */
static int64_t produce_answer(struct node_world *w)
{
    struct produce_response out;
    enum status status = sim_answer(w->n, w->c, API_PRODUCE, 9, &out, &w->arena);

    ASSERT(status == STATUS_OK && out.responses_count == 1);
    if (out.responses[0].partition_responses[0].error_code)
        return -(int64_t)out.responses[0].partition_responses[0].error_code;
    return out.responses[0].partition_responses[0].base_offset;
}

static int64_t delete_records(struct node_world *w, int32_t partition, int64_t offset)
{
    struct delete_records_request_partition of;
    struct delete_records_request_topic topic;
    struct delete_records_request in;
    struct delete_records_response out;

    delete_records_request_init(&in);
    delete_records_request_topic_init(&topic);
    delete_records_request_partition_init(&of);
    of.partition_index = partition;
    of.offset = offset;
    topic.name = STR_LIT("t");
    topic.partitions = &of;
    topic.partitions_count = 1;
    in.topics = &topic;
    in.topics_count = 1;
    in.timeout_ms = 1000;
    call(w, API_DELETE_RECORDS, 2, &in, &out);
    ASSERT(out.topics[0].partitions[0].error_code == 0);
    return out.topics[0].partitions[0].low_watermark;
}

static void init_producer(struct node_world *w, struct node_model *model)
{
    struct init_producer_id_request in;
    struct init_producer_id_response out;

    init_producer_id_request_init(&in);
    in.transactional_id = STR_NULL;
    call(w, API_INIT_PRODUCER_ID, 4, &in, &out);
    ASSERT(out.error_code == 0);
    model->producer_id = out.producer_id;
    model->producer_epoch = out.producer_epoch;
}

static bool try_again(int16_t error)
{
    return error == STATUS_COORDINATOR_LOAD_IN_PROGRESS || error == STATUS_COORDINATOR_NOT_AVAILABLE || error == STATUS_NOT_COORDINATOR;
}

static void find_group(struct node_world *w)
{
    struct find_coordinator_request in;
    struct find_coordinator_response out;

    do {
        find_coordinator_request_init(&in);
        in.key = STR_LIT("g");
        call(w, API_FIND_COORDINATOR, 3, &in, &out);
    } while (try_again(out.error_code));
    ASSERT(out.error_code == 0);
}

static void commit_offset(struct node_world *w, int64_t offset)
{
    struct offset_commit_request_partition of;
    struct offset_commit_request_topic topic;
    struct offset_commit_request in;
    struct offset_commit_response out;

    offset_commit_request_init(&in);
    offset_commit_request_topic_init(&topic);
    offset_commit_request_partition_init(&of);
    of.committed_offset = offset;
    of.committed_metadata = STR_LIT("");
    topic.name = STR_LIT("t");
    topic.partitions = &of;
    topic.partitions_count = 1;
    in.group_id = STR_LIT("g");
    in.member_id = STR_LIT("");
    in.generation_id_or_member_epoch = -1;
    in.topics = &topic;
    in.topics_count = 1;
    do {
        call(w, API_OFFSET_COMMIT, 8, &in, &out);
    } while (try_again(out.topics[0].partitions[0].error_code));
    ASSERT(out.topics[0].partitions[0].error_code == 0);
}

static int64_t committed_offset(struct node_world *w)
{
    int32_t partition = 0;
    struct offset_fetch_request_topic topic = {.name = STR_LIT("t"), .partition_indexes = &partition, .partition_indexes_count = 1};
    struct offset_fetch_request in;
    struct offset_fetch_response out;

    offset_fetch_request_init(&in);
    in.group_id = STR_LIT("g");
    in.topics = &topic;
    in.topics_count = 1;
    do {
        call(w, API_OFFSET_FETCH, 5, &in, &out);
    } while (try_again(out.error_code));
    ASSERT(out.error_code == 0);
    return out.topics[0].partitions[0].committed_offset;
}

static struct fetch_response_partition fetch(struct node_world *w, int32_t partition, int64_t offset)
{
    struct fetch_request_partition want;
    struct fetch_request_topic from;
    struct fetch_request in;
    struct fetch_response out;

    fetch_request_init(&in);
    fetch_request_topic_init(&from);
    fetch_request_partition_init(&want);
    in.replica_id = -1;
    in.max_bytes = 1 << 20;
    in.session_epoch = -1;
    want.partition = partition;
    want.fetch_offset = offset;
    want.partition_max_bytes = 1 << 20;
    from.topic = STR_LIT("t");
    from.partitions = &want;
    from.partitions_count = 1;
    in.topics = &from;
    in.topics_count = 1;
    call(w, API_FETCH, 12, &in, &out);
    ASSERT(out.error_code == 0);
    return out.responses[0].partitions[0];
}

/* --- the run --------------------------------------------------------------------------------------------------------------- */

static void produce_some(struct crash *c, struct node_world *w, struct node_model *model)
{
    int partition = crash_random(c, 3) ? ONCE : PLAIN;
    struct node_partition *p = &model->partitions[partition];
    uint64_t flight = 1 + crash_random(c, FLIGHT);

    for (uint64_t i = 0; i < flight; i++) {
        struct node_batch *batch = &p->batches[p->count++];
        *batch = (struct node_batch){p->sent, 1 + (int32_t)crash_random(c, RECORDS_MAX)};
        p->sent += batch->count;
        produce_send(w, partition, batch_of(w, model, partition, batch->base, batch->count));
    }
    for (uint64_t i = flight; i > 0; i--) {
        const struct node_batch *batch = &p->batches[p->count - i];
        int64_t offset = produce_answer(w);
        ASSERT(offset == batch->base);
        p->acked = batch->base + batch->count;
        c->promise++;
    }
}

static void delete_some(struct crash *c, struct node_world *w, struct node_model *model)
{
    struct node_partition *p = &model->partitions[PLAIN];
    int64_t to = p->start + (int64_t)crash_random(c, (uint64_t)(p->acked - p->start) + 1), low;

    p->start = to;
    low = delete_records(w, PLAIN, to);
    ASSERT(low == to);
}

static void other_topic(struct crash *c, struct node_world *w, struct node_model *model)
{
    bool make = model->other == TOPIC_NEVER || model->other == TOPIC_GONE;
    int16_t error;

    model->other = make ? TOPIC_MAYBE : TOPIC_MAYBE_GONE;
    c->promise++;
    error = make ? create_topic(w, "other") : delete_topic(w, "other");
    ASSERT(error == 0);
    model->other = make ? TOPIC_THERE : TOPIC_GONE;
    c->promise++;
}

static void commit_some(struct crash *c, struct node_world *w, struct node_model *model)
{
    model->committing = model->committed + 1 + (int64_t)crash_random(c, 5);
    find_group(w);
    commit_offset(w, model->committing);
    model->committed = model->committing;
    c->promise++;
}

static void node_step(struct crash *c, struct node_world *w, struct node_model *model, struct fs *disk)
{
    switch (crash_random(c, 10)) {
    case 0:
        delete_some(c, w, model);
        break;
    case 1:
        other_topic(c, w, model);
        break;
    case 2:
    case 3:
        commit_some(c, w, model);
        break;
    case 4:
        world_close(w);
        world_open(w, crash_random(c, UINT64_MAX), disk);
        break;
    case 5:
        sim_run(sim_node_sim(w->n), 65000000); /* checkpoints */
        break;
    default:
        produce_some(c, w, model);
        break;
    }
}

static void node_run(struct crash *c, struct fs *disk, void **out)
{
    struct node_model *model = mem_alloc(1, sizeof *model);
    struct node_world w;
    int16_t error;

    ASSERT(model);
    *out = model;
    model->committed = model->committing = -1;
    world_open(&w, c->seed, disk);
    model->main = TOPIC_MAYBE;
    error = create_topic(&w, "t");
    ASSERT(error == 0);
    model->main = TOPIC_THERE;
    c->promise++;
    init_producer(&w, model);
    for (int i = 0; i < NODE_STEPS; i++)
        node_step(c, &w, model, disk);
    world_close(&w);
    mem_free(model);
}

/* --- the check ------------------------------------------------------------------------------------------------------------- */

static bool check_topic(struct crash *c, struct node_world *w, const char *name, enum topic state)
{
    bool there = topic_there(w, name);

    if (there ? state == TOPIC_NEVER || state == TOPIC_GONE : state == TOPIC_THERE)
        return crash_failure(c, "topic %s is %s", name, there ? "there" : "not there");
    return true;
}

/* The values from *at on are the offsets. */
static bool check_batches(struct crash *c, struct node_world *w, int32_t partition, struct bytes_view bytes, int64_t *at)
{
    size_t size = 0;

    for (; bytes.size && batch_check_crc(bytes, &size) == STATUS_OK; bytes.data += size, bytes.size -= size) {
        struct record_cursor *cursor = record_cursor_new(&w->arena, (struct bytes_view){bytes.data, size}, 1 << 20);
        struct record record;
        bool more = true;
        ASSERT(cursor);
        while (!record_next(cursor, &record, &more) && more) {
            int64_t value;
            memcpy(&value, record.value.data, sizeof value);
            if (record.offset < *at)
                continue;
            if (record.offset != *at || value != *at)
                return crash_failure(c, "partition %d has at offset %lld, after %lld, the record %lld", partition, (long long)record.offset,
                                     (long long)*at - 1, (long long)value);
            ++*at;
        }
        record_cursor_free(cursor);
    }
    return true;
}

static bool check_partition(struct crash *c, struct node_world *w, const struct node_model *model, int32_t partition)
{
    const struct node_partition *p = &model->partitions[partition];
    struct fetch_response_partition got = fetch(w, partition, p->start);
    int64_t at = p->start;

    while (!got.error_code && got.records.size) {
        int64_t before = at;
        if (!check_batches(c, w, partition, (struct bytes_view){got.records.data, got.records.size}, &at))
            return false;
        if (at == before)
            break;
        got = fetch(w, partition, at);
    }
    if (got.error_code)
        return crash_failure(c, "partition %d at offset %lld: %s", partition, (long long)at, status_name((enum status)got.error_code));
    if (at < p->acked || at > p->sent || got.high_watermark != at || got.log_start_offset > p->start)
        return crash_failure(c, "partition %d starts at %lld, reads to %lld of %lld; acknowledged was %lld, sent %lld", partition, (long long)got.log_start_offset,
                             (long long)at, (long long)got.high_watermark, (long long)p->acked, (long long)p->sent);
    return true;
}

/* The last batch again, and the next one. */
static bool check_once(struct crash *c, struct node_world *w, const struct node_model *model)
{
    const struct node_partition *p = &model->partitions[ONCE];
    int64_t end = fetch(w, ONCE, p->acked).high_watermark, offset;

    for (size_t i = 0; i < p->count; i++) {
        if (p->batches[i].base + p->batches[i].count != end)
            continue;
        produce_send(w, ONCE, batch_of(w, model, ONCE, p->batches[i].base, p->batches[i].count));
        offset = produce_answer(w);
        if (offset != p->batches[i].base)
            return crash_failure(c, "the batch at offset %lld, sent again, is answered with %lld", (long long)p->batches[i].base, (long long)offset);
    }
    if (!p->count)
        return true;
    produce_send(w, ONCE, batch_of(w, model, ONCE, end, 1));
    offset = produce_answer(w);
    return offset == end || crash_failure(c, "the next sequence is answered with %lld instead of %lld", (long long)offset, (long long)end);
}

static bool check_node(struct crash *c, struct node_world *w, const struct node_model *model)
{
    int64_t committed;

    if (!check_topic(c, w, "t", model->main) || !check_topic(c, w, "other", model->other))
        return false;
    if (model->main != TOPIC_THERE)
        return true;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        if (!check_partition(c, w, model, i))
            return false;
    }
    if (model->committed >= 0) {
        committed = committed_offset(w);
        if (committed != model->committed && committed != model->committing)
            return crash_failure(c, "committed was %lld, it is %lld", (long long)model->committed, (long long)committed);
    }
    return check_once(c, w, model);
}

static bool node_check(struct crash *c, const void *context, struct fs *disk)
{
    struct node_world w;
    bool ok;

    world_open(&w, c->point, disk);
    ok = check_node(c, &w, context);
    world_close(&w);
    return ok;
}

const struct crash_workload crash_node = {"node", node_run, node_check};
