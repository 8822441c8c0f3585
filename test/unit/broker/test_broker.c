/* SPDX-License-Identifier: Apache-2.0
 * A whole node and its clients in one thread: topics, produce, fetch, idempotence, long polls, restarts.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/assert.h"
#include "rt/fs.h"
#include "sim/sim_node.h"
#include "wire/api/create_topics.h"
#include "wire/api/delete_topics.h"
#include "wire/api/fetch.h"
#include "wire/api/init_producer_id.h"
#include "wire/api/list_offsets.h"
#include "wire/api/metadata.h"
#include "wire/api/produce.h"
#include "wire/apis.h"
#include "wire/records.h"

enum { ARENA = 16 << 20, PRODUCE = 9, FETCH = 12 };

struct world {
    struct sim_node *n;
    struct sim_client *c;
    struct arena arena;
};

static void world_open(struct world *w, uint64_t seed, struct fs *fs)
{
    w->n = sim_node_new(seed, fs, NULL);
    w->c = sim_node_connect(w->n);
    arena_init(&w->arena, ARENA);
}

static void world_close(struct world *w)
{
    sim_client_close(w->c);
    sim_node_stop(w->n);
    arena_free(&w->arena);
}

static int16_t create_topic(struct world *w, const char *name, int32_t partitions)
{
    struct create_topics_request_topic topic;
    struct create_topics_request in;
    struct create_topics_response out;

    create_topics_request_init(&in);
    create_topics_request_topic_init(&topic);
    topic.name = str_from(name);
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    in.topics = &topic;
    in.topics_count = 1;
    assert_int_equal(sim_call(w->n, w->c, API_CREATE_TOPICS, 7, &in, &out, &w->arena), STATUS_OK);
    assert_int_equal(out.topics_count, 1);
    return out.topics[0].error_code;
}

static int16_t delete_topic(struct world *w, const char *name)
{
    struct str_view names[] = {str_from(name)};
    struct delete_topics_request in;
    struct delete_topics_response out;

    delete_topics_request_init(&in);
    in.topic_names = names;
    in.topic_names_count = 1;
    assert_int_equal(sim_call(w->n, w->c, API_DELETE_TOPICS, 5, &in, &out, &w->arena), STATUS_OK);
    return out.responses[0].error_code;
}

struct producer {
    int64_t id;
    int16_t epoch;
    int32_t sequence;
};

static const struct producer nobody = {-1, -1, -1};

static struct bytes_view batch_of(struct world *w, const char *value, int32_t count, struct producer producer)
{
    struct batch_builder b;
    size_t size = BATCH_OVERHEAD + (size_t)count * (strlen(value) + 32);
    uint8_t *bytes = arena_alloc(&w->arena, size, 1);

    assert_non_null(bytes);
    batch_builder_init(&b, bytes, size, 0);
    for (int32_t i = 0; i < count; i++)
        assert_true(batch_builder_add(&b, i, 1700000000000 + i, (struct bytes_view){0}, (struct bytes_view){(const uint8_t *)value, strlen(value)},
                                      (struct bytes_view){0}));
    return batch_builder_finish(&b, 0, -1, producer.id, producer.epoch, producer.sequence);
}

static struct bytes_view produce_request_of(struct world *w, const char *topic, int32_t partition, struct bytes_view batch)
{
    struct produce_request_partition_data data;
    struct produce_request_topic_data to;
    struct produce_request in;

    produce_request_init(&in);
    produce_request_topic_data_init(&to);
    produce_request_partition_data_init(&data);
    data.index = partition;
    data.records.data = batch.data;
    data.records.size = batch.size;
    to.name = str_from(topic);
    to.partition_data = &data;
    to.partition_data_count = 1;
    in.acks = -1;
    in.timeout_ms = 30000;
    in.topic_data = &to;
    in.topic_data_count = 1;
    return sim_request(API_PRODUCE, PRODUCE, 5, &in, &w->arena);
}

static struct produce_response_partition_response produce_batch(struct world *w, const char *topic, int32_t partition, struct bytes_view batch)
{
    struct bytes_view request = produce_request_of(w, topic, partition, batch);
    struct produce_response out;

    sim_client_send(w->c, request.data, request.size);
    assert_int_equal(sim_answer(w->n, w->c, API_PRODUCE, PRODUCE, &out, &w->arena), STATUS_OK);
    assert_int_equal(out.responses_count, 1);
    return out.responses[0].partition_responses[0];
}

static int64_t produce(struct world *w, const char *topic, int32_t partition, const char *value, int32_t count)
{
    struct produce_response_partition_response r = produce_batch(w, topic, partition, batch_of(w, value, count, nobody));

    assert_int_equal(r.error_code, 0);
    return r.base_offset;
}

static struct bytes_view fetch_request_of(struct world *w, const char *topic, int32_t partition, int64_t offset, int32_t wait_ms)
{
    struct fetch_request_partition want;
    struct fetch_request_topic from;
    struct fetch_request in;

    fetch_request_init(&in);
    fetch_request_topic_init(&from);
    fetch_request_partition_init(&want);
    in.replica_id = -1;
    in.max_wait_ms = wait_ms;
    in.min_bytes = 1;
    in.max_bytes = 1 << 20;
    in.session_epoch = -1;
    want.partition = partition;
    want.fetch_offset = offset;
    want.partition_max_bytes = 1 << 20;
    from.topic = str_from(topic);
    from.partitions = &want;
    from.partitions_count = 1;
    in.topics = &from;
    in.topics_count = 1;
    return sim_request(API_FETCH, FETCH, 77, &in, &w->arena);
}

/* Partitions 0 .. count - 1 from their offsets on; waits for the first data. */
static struct fetch_response fetch_all(struct world *w, const char *topic, const int64_t *offsets, int32_t count, int32_t wait_ms)
{
    struct fetch_request_partition *want = arena_alloc(&w->arena, (size_t)count, sizeof *want);
    struct fetch_request_topic from;
    struct fetch_request in;
    struct fetch_response out;

    assert_non_null(want);
    fetch_request_init(&in);
    fetch_request_topic_init(&from);
    for (int32_t i = 0; i < count; i++) {
        fetch_request_partition_init(&want[i]);
        want[i].partition = i;
        want[i].fetch_offset = offsets[i];
        want[i].partition_max_bytes = 1 << 20;
    }
    in.replica_id = -1;
    in.max_wait_ms = wait_ms;
    in.min_bytes = 1;
    in.max_bytes = 1 << 20;
    in.session_epoch = -1;
    from.topic = str_from(topic);
    from.partitions = want;
    from.partitions_count = count;
    in.topics = &from;
    in.topics_count = 1;
    assert_int_equal(sim_call(w->n, w->c, API_FETCH, FETCH, &in, &out, &w->arena), STATUS_OK);
    assert_int_equal(out.responses_count, 1);
    assert_int_equal(out.responses[0].partitions_count, count);
    return out;
}

static struct fetch_response_partition fetch_answer_of(struct world *w, struct sim_client *c)
{
    struct fetch_response out;

    assert_int_equal(sim_answer(w->n, c, API_FETCH, FETCH, &out, &w->arena), STATUS_OK);
    assert_int_equal(out.error_code, 0);
    assert_int_equal(out.responses_count, 1);
    return out.responses[0].partitions[0];
}

static struct fetch_response_partition fetch(struct world *w, const char *topic, int32_t partition, int64_t offset)
{
    struct bytes_view request = fetch_request_of(w, topic, partition, offset, 0);

    sim_client_send(w->c, request.data, request.size);
    return fetch_answer_of(w, w->c);
}

static void assert_first_value(struct world *w, const struct fetch_response_partition *p, const char *value)
{
    struct bytes_view batch = {p->records.data, p->records.size};
    struct record_cursor *cursor;
    struct record record;
    size_t size;
    bool more;

    assert_int_equal(p->error_code, 0);
    assert_int_equal(batch_check_crc(batch, &size), STATUS_OK);
    cursor = record_cursor_new(&w->arena, (struct bytes_view){batch.data, size}, 1 << 20);
    assert_non_null(cursor);
    assert_int_equal(record_next(cursor, &record, &more), STATUS_OK);
    assert_true(more);
    assert_int_equal(record.value.size, strlen(value));
    assert_memory_equal(record.value.data, value, record.value.size);
    record_cursor_free(cursor);
}

/* ---- tests ---- */

static void test_produce_and_fetch(void **state)
{
    struct fetch_response_partition got;
    struct world w;

    world_open(&w, 11, NULL);
    assert_int_equal(create_topic(&w, "orders", 3), 0);
    for (int32_t p = 0; p < 3; p++) {
        assert_int_equal(produce(&w, "orders", p, "first", 2), 0);
        assert_int_equal(produce(&w, "orders", p, "second", 3), 2);
        got = fetch(&w, "orders", p, 2);
        assert_int_equal(got.high_watermark, 5);
        assert_first_value(&w, &got, "second");
        got = fetch(&w, "orders", p, 5);
        assert_int_equal(got.error_code, 0);
        assert_int_equal(got.records.size, 0);
        got = fetch(&w, "orders", p, 6);
        assert_int_equal(got.error_code, STATUS_OFFSET_OUT_OF_RANGE);
    }
    got = fetch(&w, "orders", 3, 0);
    assert_int_equal(got.error_code, STATUS_UNKNOWN_TOPIC_OR_PARTITION);
    world_close(&w);
}

/* Invariant 16: a duplicate is answered with the original offset; a gap is refused. Also after a restart. */
static void test_idempotence(void **state)
{
    struct fs *fs = fs_mem_new();
    struct init_producer_id_request in;
    struct init_producer_id_response out;
    struct produce_response_partition_response r;
    struct producer p;
    struct world w;

    world_open(&w, 12, fs);
    assert_int_equal(create_topic(&w, "t", 1), 0);
    init_producer_id_request_init(&in);
    in.transactional_id = STR_NULL;
    assert_int_equal(sim_call(w.n, w.c, API_INIT_PRODUCER_ID, 4, &in, &out, &w.arena), STATUS_OK);
    assert_int_equal(out.error_code, 0);
    p = (struct producer){out.producer_id, out.producer_epoch, 0};
    for (int i = 0; i < 2; i++) {
        r = produce_batch(&w, "t", 0, batch_of(&w, "once", 5, p));
        assert_int_equal(r.error_code, 0);
        assert_int_equal(r.base_offset, 0);
    }
    p.sequence = 6;
    r = produce_batch(&w, "t", 0, batch_of(&w, "gap", 1, p));
    assert_int_equal(r.error_code, STATUS_OUT_OF_ORDER_SEQUENCE_NUMBER);
    world_close(&w);

    world_open(&w, 13, fs);
    p.sequence = 0;
    r = produce_batch(&w, "t", 0, batch_of(&w, "once", 5, p));
    assert_int_equal(r.error_code, 0);
    assert_int_equal(r.base_offset, 0);
    p.sequence = 5;
    r = produce_batch(&w, "t", 0, batch_of(&w, "next", 1, p));
    assert_int_equal(r.base_offset, 5);
    world_close(&w);
    fs_free(fs);
}

/* Traps row 6: max_wait is kept, and data ends the wait. */
static void test_long_poll(void **state)
{
    struct fetch_response_partition got;
    struct bytes_view request;
    struct sim_client *reader;
    struct world w;
    uint64_t before;

    world_open(&w, 14, NULL);
    assert_int_equal(create_topic(&w, "t", 4), 0);
    reader = sim_node_connect(w.n);
    for (int32_t p = 0; p < 4; p++) {
        request = fetch_request_of(&w, "t", p, 0, 60000);
        before = sim_now_us(sim_node_sim(w.n));
        sim_client_send(reader, request.data, request.size);
        sim_run(sim_node_sim(w.n), 1000000);
        assert_int_equal(sim_client_received(reader).size, 0);
        produce(&w, "t", p, "wake", 1);
        got = fetch_answer_of(&w, reader);
        assert_first_value(&w, &got, "wake");
        assert_true(sim_now_us(sim_node_sim(w.n)) - before < 2000000);
    }
    request = fetch_request_of(&w, "t", 0, 1, 500);
    before = sim_now_us(sim_node_sim(w.n));
    sim_client_send(reader, request.data, request.size);
    got = fetch_answer_of(&w, reader);
    assert_int_equal(got.records.size, 0);
    assert_true(sim_now_us(sim_node_sim(w.n)) - before >= 499000); /* time goes by milliseconds */

    request = fetch_request_of(&w, "t", 0, 1, INT32_MAX); /* parked for weeks: its client goes away */
    sim_client_send(reader, request.data, request.size);
    sim_run(sim_node_sim(w.n), 1000000);
    sim_client_reset(reader);
    sim_run(sim_node_sim(w.n), 1000000);
    sim_client_close(reader);
    world_close(&w); /* and the stop does not wait for it */
}

/* A partition's maximum below the request's minimum does not make the reader wait: there is more than it may have (redpanda#28501). */
static void test_minimum_above_maximum(void **state)
{
    struct fetch_request_partition want;
    struct fetch_request_topic from;
    struct fetch_request in;
    struct fetch_response out;
    struct world w;
    uint64_t before;

    world_open(&w, 15, NULL);
    assert_int_equal(create_topic(&w, "t", 1), 0);
    for (int i = 0; i < 20; i++)
        produce(&w, "t", 0, "0123456789", 10);
    fetch_request_init(&in);
    fetch_request_topic_init(&from);
    fetch_request_partition_init(&want);
    want.partition_max_bytes = 500;
    from.topic = STR_LIT("t");
    from.partitions = &want;
    from.partitions_count = 1;
    in.replica_id = -1;
    in.max_wait_ms = 60000;
    in.min_bytes = 1 << 20;
    in.max_bytes = 1 << 20;
    in.topics = &from;
    in.topics_count = 1;
    before = sim_now_us(sim_node_sim(w.n));
    assert_int_equal(sim_call(w.n, w.c, API_FETCH, FETCH, &in, &out, &w.arena), STATUS_OK);
    assert_true(out.responses[0].partitions[0].records.size > 0);
    assert_true(sim_now_us(sim_node_sim(w.n)) - before < 1000000);
    world_close(&w);
}

/* Appends that become durable in any order while a reader of all partitions, of both shards, arms its waiters: it hears of each at once, and
 * never waits for max_wait with data there. */
static void test_wakes_race(void **state)
{
    enum { SEEDS = 60, ROUNDS = 8, PARTITIONS = 6 };

    for (uint64_t seed = 1000; seed < 1000 + SEEDS; seed++) {
        struct sim_client *producer;
        int64_t next[PARTITIONS] = {0};
        struct world w;
        uint64_t start;

        world_open(&w, seed, NULL);
        producer = sim_node_connect(w.n);
        assert_int_equal(create_topic(&w, "t", PARTITIONS), 0);
        start = sim_now_us(sim_node_sim(w.n));
        for (int round = 0; round < ROUNDS; round++) {
            int seen = 0;

            for (int32_t p = 0; p < PARTITIONS; p++) {
                struct bytes_view request = produce_request_of(&w, "t", p, batch_of(&w, "x", 1, nobody));

                sim_client_send(producer, request.data, request.size);
            }
            while (seen < PARTITIONS) {
                struct fetch_response out = fetch_all(&w, "t", next, PARTITIONS, 60000);

                for (int32_t i = 0; i < PARTITIONS; i++)
                    if (out.responses[0].partitions[i].records.size) {
                        next[i] = out.responses[0].partitions[i].high_watermark;
                        seen++;
                    }
            }
        }
        assert_true(sim_now_us(sim_node_sim(w.n)) - start < 1000000);
        sim_client_close(producer);
        world_close(&w);
    }
}

static void test_restart(void **state)
{
    struct fs *fs = fs_mem_new();
    struct fetch_response_partition got;
    struct world w;

    for (int round = 0; round < 3; round++) {
        world_open(&w, 20 + (uint64_t)round, fs);
        assert_int_equal(create_topic(&w, "kept", 8), round ? STATUS_TOPIC_ALREADY_EXISTS : 0);
        for (int32_t p = 0; p < 8; p++) {
            assert_int_equal(produce(&w, "kept", p, round ? "later" : "early", 4), 4 * round);
            got = fetch(&w, "kept", p, 0);
            assert_first_value(&w, &got, "early");
        }
        world_close(&w);
    }
    fs_free(fs);
}

/* Traps row 8: a topic that is made again under its name is another topic. */
static void test_delete_and_recreate(void **state)
{
    struct fetch_response_partition got;
    struct world w;

    world_open(&w, 30, NULL);
    for (int round = 0; round < 4; round++) {
        assert_int_equal(create_topic(&w, "again", 5), 0);
        for (int32_t p = 0; p < 5; p++)
            assert_int_equal(produce(&w, "again", p, "x", 1), 0);
        assert_int_equal(delete_topic(&w, "again"), 0);
        got = fetch(&w, "again", 0, 0);
        assert_int_equal(got.error_code, STATUS_UNKNOWN_TOPIC_OR_PARTITION);
    }
    assert_int_equal(delete_topic(&w, "again"), STATUS_UNKNOWN_TOPIC_OR_PARTITION);
    world_close(&w);
}

/* Names that are no names (reliability: Framing): refused by name, and nothing of them reaches the disk. */
static void test_topic_names(void **state)
{
    char longest[251] = {0};
    const char *bad[] = {"", ".", "..", "../up", "a/b", "sp ace", "nul\x01", "\xff\xfe", "\xc3\xa4", longest};
    struct world w;

    memset(longest, 'x', 250);
    world_open(&w, 60, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(create_topic(&w, bad[i], 1), STATUS_INVALID_TOPIC_EXCEPTION);
    longest[249] = 0;
    assert_int_equal(create_topic(&w, longest, 1), 0);
    assert_int_equal(produce(&w, longest, 0, "fits", 1), 0);
    assert_int_equal(create_topic(&w, "a.b", 1), 0);
    assert_int_equal(create_topic(&w, "a_b", 1), STATUS_INVALID_TOPIC_EXCEPTION); /* they would be one metric */
    world_close(&w);
}

/* Traps row 5: a topic that Metadata makes serves at once. */
static void test_auto_creation(void **state)
{
    struct metadata_request_topic topic;
    struct metadata_request in;
    struct metadata_response out;
    struct world w;

    world_open(&w, 40, NULL);
    metadata_request_init(&in);
    metadata_request_topic_init(&topic);
    topic.name = STR_LIT("made");
    in.topics = &topic;
    in.topics_count = 1;
    in.allow_auto_topic_creation = true;
    assert_int_equal(sim_call(w.n, w.c, API_METADATA, 9, &in, &out, &w.arena), STATUS_OK);
    assert_int_equal(out.topics[0].error_code, 0);
    assert_int_equal(out.topics[0].partitions_count, 1);
    assert_int_equal(produce(&w, "made", 0, "at once", 1), 0);
    topic.name = STR_LIT("bad/name");
    assert_int_equal(sim_call(w.n, w.c, API_METADATA, 9, &in, &out, &w.arena), STATUS_OK);
    assert_int_equal(out.topics[0].error_code, STATUS_INVALID_TOPIC_EXCEPTION);
    world_close(&w);
}

/* Invariant 25: same seed, same events. */
static void test_replay(void **state)
{
    uint64_t hashes[2];

    for (int i = 0; i < 2; i++) {
        struct world w;

        world_open(&w, 50, NULL);
        assert_int_equal(create_topic(&w, "same", 3), 0);
        produce(&w, "same", 1, "x", 7);
        hashes[i] = sim_hash(sim_node_sim(w.n));
        world_close(&w);
    }
    assert_int_equal(hashes[0], hashes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_produce_and_fetch), cmocka_unit_test(test_idempotence),    cmocka_unit_test(test_long_poll),      cmocka_unit_test(test_wakes_race),     cmocka_unit_test(test_minimum_above_maximum),
        cmocka_unit_test(test_restart),           cmocka_unit_test(test_delete_and_recreate), cmocka_unit_test(test_auto_creation),
        cmocka_unit_test(test_topic_names),         cmocka_unit_test(test_replay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
