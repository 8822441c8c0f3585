/* SPDX-License-Identifier: Apache-2.0
 * The map against a plain array, its walks, and what it does without memory. The ring beside it.
 */
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "test/unit/cm.h"

enum { COUNT = 2000 };

struct object {
    struct map_node node;
    uint32_t key;
    bool in;
};

static void check(const struct map *map, struct object *objects)
{
    size_t in = 0, walked = 0;

    for (unsigned i = 0; i < COUNT; i++) {
        struct map_node *found = map_get(map, &objects[i].key, sizeof objects[i].key);
        assert_ptr_equal(found, objects[i].in ? &objects[i].node : NULL);
        in += objects[i].in;
    }
    assert_int_equal(map->count, in);
    for (struct map_node *node = map_first(map); node; node = map_next(map, node)) {
        assert_true(MAP_ENTRY(node, struct object, node)->in);
        walked++;
    }
    assert_int_equal(walked, in);
}

static void test_against_an_array(void **state)
{
    static struct object objects[COUNT];
    struct map map;
    uint64_t random = 1;

    map_init(&map, 42);
    for (uint32_t i = 0; i < COUNT; i++)
        objects[i].key = i * 7919;
    for (unsigned round = 0; round < 40000; round++) {
        struct object *o;
        random = random * 6364136223846793005u + 1442695040888963407u;
        o = &objects[(random >> 33) % COUNT];
        if (o->in)
            map_remove(&map, &o->node);
        else
            assert_true(map_put(&map, &o->node, &o->key, sizeof o->key));
        o->in = !o->in;
        if (round % 8000 == 0)
            check(&map, objects);
    }
    check(&map, objects);
    map_free(&map);
}

static void test_removing_while_walking(void **state)
{
    struct object objects[100];
    struct map map;

    map_init(&map, 1);
    for (uint32_t i = 0; i < 100; i++) {
        objects[i].key = i;
        assert_true(map_put(&map, &objects[i].node, &objects[i].key, sizeof objects[i].key));
    }
    for (struct map_node *node = map_first(&map), *next; node; node = next) {
        next = map_next(&map, node);
        map_remove(&map, node);
    }
    assert_int_equal(map.count, 0);
    assert_null(map_first(&map));
    map_free(&map);
}

static void test_keys_of_any_size(void **state)
{
    struct map_node nodes[40];
    static const char text[41] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmn";
    struct map map;

    map_init(&map, 7);
    for (size_t i = 0; i < 40; i++)
        assert_true(map_put(&map, &nodes[i], text, i)); /* prefixes of each other, the empty one too */
    for (size_t i = 0; i < 40; i++)
        assert_ptr_equal(map_get(&map, text, i), &nodes[i]);
    assert_null(map_get(&map, "x", 1));
    map_free(&map);
}

static void test_without_memory(void **state)
{
    static struct object objects[100];
    struct map map;

    map_init(&map, 1);
    mem_fail_at(1);
    assert_false(map_put(&map, &objects[0].node, &objects[0].key, sizeof objects[0].key));
    assert_int_equal(map.count, 0);
    for (uint32_t i = 0; i < 100; i++) {
        objects[i].key = i;
        if (i)
            mem_fail_at(1); /* it cannot grow, but goes on */
        assert_true(map_put(&map, &objects[i].node, &objects[i].key, sizeof objects[i].key));
    }
    mem_fail_at(0);
    assert_int_equal(map.slots_count, 16);
    for (uint32_t i = 0; i < 100; i++)
        assert_ptr_equal(map_get(&map, &i, sizeof i), &objects[i].node);
    map_free(&map);
}

static void test_hash_depends_on_seed_size_and_every_byte(void **state)
{
    uint8_t bytes[24] = {0};
    uint64_t plain = hash_bytes(1, bytes, sizeof bytes);

    assert_true(plain == hash_bytes(1, bytes, sizeof bytes));
    assert_true(plain != hash_bytes(2, bytes, sizeof bytes));
    assert_true(plain != hash_bytes(1, bytes, sizeof bytes - 1));
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = 1;
        assert_true(plain != hash_bytes(1, bytes, sizeof bytes));
        bytes[i] = 0;
    }
}

static void test_ring(void **state)
{
    struct list a, b, nodes[4];

    list_init(&a);
    list_init(&b);
    for (unsigned i = 0; i < 4; i++)
        list_push_back(i < 2 ? &a : &b, &nodes[i]);
    list_move_all(&a, &b);
    assert_true(list_empty(&b));
    list_remove(&nodes[1]);
    list_remove(&nodes[1]); /* harmless */
    list_push_front(&a, &nodes[1]);
    assert_ptr_equal(list_pop_front(&a), &nodes[1]);
    assert_ptr_equal(list_pop_front(&a), &nodes[0]);
    assert_ptr_equal(list_pop_front(&a), &nodes[2]);
    assert_ptr_equal(list_pop_front(&a), &nodes[3]);
    assert_null(list_pop_front(&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_an_array),
        cmocka_unit_test(test_removing_while_walking),
        cmocka_unit_test(test_keys_of_any_size),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_hash_depends_on_seed_size_and_every_byte),
        cmocka_unit_test(test_ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
