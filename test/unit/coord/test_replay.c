/* SPDX-License-Identifier: Apache-2.0
 * What is read from __consumer_offsets: one's own records, those of older and newer brokers, and bytes that make no
 * sense.
 */
#include "world.h"

#include "base/mem.h"
#include "base/writer.h"

/* A record of up to 256 bytes, written piece by piece. */
struct piece {
    uint8_t bytes[256];
    struct writer w;
};

static struct writer *start(struct piece *p, int16_t prefix)
{
    writer_init(&p->w, p->bytes, sizeof p->bytes);
    writer_i16(&p->w, prefix);
    return &p->w;
}

static struct bytes_view bytes(const struct piece *p)
{
    return (struct bytes_view){p->bytes, writer_size(&p->w)};
}

static const struct bytes_view gone = {NULL, 0};

static struct bytes_view offset_key(struct piece *p, int16_t kind, const char *group)
{
    struct writer *w = start(p, kind);

    writer_str(w, str_from(group));
    writer_str(w, STR_LIT("t"));
    writer_i32(w, 0);
    return bytes(p);
}

/* Version 0: offset, metadata, commit time. */
static struct bytes_view offset_value(struct piece *p, int64_t offset)
{
    struct writer *w = start(p, 0);

    writer_i64(w, offset);
    writer_str(w, STR_LIT("m"));
    writer_i64(w, 999);
    return bytes(p);
}

static struct bytes_view group_key(struct piece *p, int16_t kind, const char *group)
{
    writer_str(start(p, kind), str_from(group));
    return bytes(p);
}

static void a_stable_group_goes_on(void **state)
{
    struct world *w = world_new();

    stable_two(w);
    COMMIT(w, .who = "a", .id = "a#1", .generation = 2, .commit = "t/0=1:m");
    forget(w);
    reload(w);
    DESCRIBE(w);
    FETCH(w);
    HEARTBEAT(w, .who = "a", .id = "a#1", .generation = 2);
    SYNC(w, .who = "b", .id = "b#2", .generation = 2);
    see(w, "group g OK Stable consumer/range [a#1(a/127.0.0.1):ma=x b#2(b/127.0.0.1):mb=y]\n"
           "offsets OK t/0=1:m\n"
           "a: heartbeat OK\n"
           "b: sync OK consumer/range y\n");
    pass(w, 30000); /* sessions began with the load */
    see(w, "record g v3 gen=3 consumer/ leader= at 1030000 []\n");
    world_free(w);
}

static void parked_calls_end_with_the_coordinator(void **state)
{
    struct world *w = world_new();

    stable_one(w);
    JOIN(w, .who = "b", .version = 3);
    reload(w);
    see(w, "b: waits\n"
           "b: join NOT_COORDINATOR id=b#2\n");
    world_free(w);
}

static void the_offsets_of_old_brokers(void **state)
{
    struct world *w = world_new();
    struct piece key, value;

    world_log(w, -1, offset_key(&key, 0, "g"), offset_value(&value, 5));
    world_log(w, -1, offset_key(&key, 1, "h"), offset_value(&value, 6));
    world_log(w, -1, offset_key(&key, 1, "i"), offset_value(&value, 7));
    world_log(w, -1, offset_key(&key, 1, "i"), gone);
    reload(w);
    FETCH(w);
    FETCH(w, .group = "h");
    FETCH(w, .group = "i");
    see(w, "offsets OK t/0=5:m\n"
           "offsets OK t/0=6:m\n"
           "offsets OK\n");
    world_free(w);
}

static void kinds_that_nobody_knows_are_passed_over(void **state)
{
    struct world *w = world_new();
    struct piece key, value;

    world_log(w, -1, group_key(&key, 99, "g"), offset_value(&value, 5));
    world_log(w, -1, group_key(&key, 5, "g"), offset_value(&value, 5)); /* a member of a KIP-848 group */
    reload(w);
    world_list(w, NULL, NULL);
    see(w, "list OK\n");
    world_free(w);
}

static void groups_of_other_kinds_are_left_alone(void **state)
{
    struct world *w = world_new();
    struct piece key, value;

    world_log(w, -1, group_key(&key, 3, "c"), offset_value(&value, 5));
    world_log(w, -1, offset_key(&key, 1, "c"), offset_value(&value, 5));
    world_log(w, -1, group_key(&key, 11, "s"), offset_value(&value, 5));
    reload(w);
    world_list(w, NULL, "Share");
    world_list(w, " EMPTY ", "consumer");
    world_list(w, "Stable", NULL);
    JOIN(w, .who = "a", .group = "c");
    HEARTBEAT(w, .who = "a", .group = "c", .id = "a#1", .generation = 1);
    COMMIT(w, .who = "a", .group = "c", .id = "a#1", .generation = 1, .commit = "t/0=1");
    DESCRIBE(w, .group = "c");
    DESCRIBE(w, .group = "c", .version = 5);
    DESCRIBE(w, .group = "d");
    world_delete_group(w, "c");
    FETCH(w, .group = "c");
    see(w, "list OK s:share:Empty:share\n"
           "list OK c:consumer:Empty:consumer\n"
           "list OK\n"
           "a: join INCONSISTENT_GROUP_PROTOCOL id=\n"
           "a: heartbeat UNKNOWN_MEMBER_ID\n"
           "a: commit UNKNOWN_MEMBER_ID\n"
           "group c GROUP_ID_NOT_FOUND Dead / [] Group c is not a classic group.\n"
           "group c OK Dead / []\n"
           "group d GROUP_ID_NOT_FOUND Dead / [] Group d not found.\n"
           "delete group NON_EMPTY_GROUP\n"
           "offsets OK t/0=5:m\n");
    world_log(w, -1, group_key(&key, 3, "c"), gone);
    world_log(w, -1, group_key(&key, 11, "s"), gone);
    reload(w);
    world_list(w, NULL, NULL);
    FETCH(w, .group = "c");
    see(w, "list OK c::Empty:classic\n"
           "offsets OK t/0=5:m\n");
    world_free(w);
}

/* The message that names it must still be a string of the protocol. */
static void the_longest_group_id(void **state)
{
    static char name[INT16_MAX];
    struct str_view id = {name, sizeof name}, message;
    struct arena arena;

    memset(name, 'g', sizeof name);
    arena_init(&arena, 1 << 20);
    message = coord_not_found(id, "not found", &arena);
    assert_true(message.data && message.size <= INT16_MAX);
    assert_memory_equal(message.data + message.size - 11, " not found.", 11);
    arena_free(&arena);
}

static void offsets_in_a_transaction_wait_for_its_end(void **state)
{
    struct world *w = world_new();
    struct piece key, value;
    struct bytes_view k = offset_key(&key, 1, "g"), v = offset_value(&value, 5);

    assert_int_equal(0, coord_replay(w->coord, 10, -1, 0, k, v));
    v = offset_value(&value, 6);
    assert_int_equal(0, coord_replay(w->coord, 11, 7, 0, k, v));
    FETCH(w, .topic = "t");
    FETCH(w, .topic = "t", .require_stable = true);
    assert_int_equal(0, coord_replay_txn_end(w->coord, 8, true)); /* somebody else's */
    FETCH(w, .topic = "t", .require_stable = true);
    assert_int_equal(0, coord_replay_txn_end(w->coord, 7, true));
    FETCH(w, .topic = "t", .require_stable = true);
    assert_int_equal(0, coord_replay(w->coord, 13, 7, 0, k, v));
    v = offset_value(&value, 8);
    assert_int_equal(0, coord_replay(w->coord, 14, -1, 0, k, v)); /* later, outside of it */
    assert_int_equal(0, coord_replay_txn_end(w->coord, 7, true));
    FETCH(w, .topic = "t", .require_stable = true);
    v = offset_value(&value, 9);
    assert_int_equal(0, coord_replay(w->coord, 15, 7, 0, k, v));
    assert_int_equal(0, coord_replay_txn_end(w->coord, 7, false));
    FETCH(w, .topic = "t", .require_stable = true);
    assert_int_equal(0, coord_replay(w->coord, 16, 7, 0, k, v)); /* one that never ends: freed with the group */
    see(w, "offsets OK t/0=5:m\n"
           "offsets OK t/0=-1: UNSTABLE_OFFSET_COMMIT\n"
           "offsets OK t/0=-1: UNSTABLE_OFFSET_COMMIT\n"
           "offsets OK t/0=6:m\n"
           "offsets OK t/0=8:m\n"
           "offsets OK t/0=8:m\n");
    world_free(w);
}

static void bytes_that_make_no_sense(void **state)
{
    struct world *w = world_new();
    struct piece key, value;
    struct bytes_view k, v = offset_value(&value, 5);

    assert_int_equal(STATUS_CORRUPT, coord_replay(w->coord, 0, -1, 0, gone, v));
    k = offset_key(&key, 1, "g");
    for (size_t size = 0; size < k.size; size++)
        assert_int_equal(STATUS_CORRUPT, coord_replay(w->coord, 0, -1, 0, (struct bytes_view){k.data, size}, v));
    for (size_t size = 0; size < v.size; size++)
        assert_int_equal(STATUS_CORRUPT, coord_replay(w->coord, 0, -1, 0, k, (struct bytes_view){v.data, size}));
    value.bytes[1] = 77;
    assert_int_equal(STATUS_UNSUPPORTED_VERSION, coord_replay(w->coord, 0, -1, 0, k, v));
    k = group_key(&key, 2, "g");
    value.bytes[1] = 3;
    assert_int_equal(STATUS_CORRUPT, coord_replay(w->coord, 0, -1, 0, k, v));
    world_free(w);
}

static void the_same_member_twice_in_a_record(void **state)
{
    struct world *w = world_new();
    struct piece key, value;
    struct bytes_view k = group_key(&key, 2, "g");
    struct writer *out = start(&value, 0);

    writer_str(out, STR_LIT("consumer"));
    writer_i32(out, 1);
    writer_str(out, STR_LIT("range"));
    writer_str(out, STR_LIT("m"));
    writer_i32(out, 2);
    for (int i = 0; i < 2; i++) {
        writer_str(out, STR_LIT("m"));
        writer_str(out, STR_LIT("client"));
        writer_str(out, STR_LIT("host"));
        writer_i32(out, 10000);
        writer_bytes(out, (struct bytes_view){(const uint8_t *)"s", 1});
        writer_bytes(out, (struct bytes_view){(const uint8_t *)"a", 1});
    }
    assert_int_equal(STATUS_CORRUPT, coord_replay(w->coord, 0, -1, 0, k, bytes(&value)));
    world_free(w);
}

/* Values of java.lang.String.hashCode. */
static void groups_are_where_kafka_has_them(void **state)
{
    assert_int_equal(0, coord_partition_of(STR_LIT(""), 50));
    assert_int_equal(97 % 50, coord_partition_of(STR_LIT("a"), 50));
    assert_int_equal(99162322 % 50, coord_partition_of(STR_LIT("hello"), 50));
    assert_int_equal(1772899 % 50, coord_partition_of(STR_LIT("\xf0\x9f\x98\x80"), 50)); /* D83D DE00 */
    assert_int_equal(0, coord_partition_of(STR_LIT("polygenelubricants"), 50));          /* INT_MIN */
    assert_int_equal(0xfffd % 50, coord_partition_of(STR_LIT("\xff"), 50));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stable_group_goes_on),
        cmocka_unit_test(parked_calls_end_with_the_coordinator),
        cmocka_unit_test(the_offsets_of_old_brokers),
        cmocka_unit_test(kinds_that_nobody_knows_are_passed_over),
        cmocka_unit_test(groups_of_other_kinds_are_left_alone),
        cmocka_unit_test(the_longest_group_id),
        cmocka_unit_test(offsets_in_a_transaction_wait_for_its_end),
        cmocka_unit_test(bytes_that_make_no_sense),
        cmocka_unit_test(the_same_member_twice_in_a_record),
        cmocka_unit_test(groups_are_where_kafka_has_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
