/* SPDX-License-Identifier: Apache-2.0
 * What strangers send (reliability: Framing): lengths that lie, other protocols, versions and keys that do not exist, counts larger than
 * the bytes that are there. The connection is closed or answered as Kafka would, and the node goes on serving others.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/assert.h"
#include "sim/sim_node.h"
#include "wire/api/api_versions.h"
#include "wire/api/metadata.h"
#include "wire/apis.h"

enum { WAIT_US = 5000000, ARENA = 1 << 20 };

/* The node still answers an honest client. */
static void assert_serves(struct sim_node *n)
{
    struct sim_client *c = sim_node_connect(n);
    struct api_versions_request in;
    struct api_versions_response out;
    struct arena arena;

    arena_init(&arena, ARENA);
    api_versions_request_init(&in);
    in.client_software_name = in.client_software_version = STR_LIT("sim");
    assert_int_equal(sim_call(n, c, API_API_VERSIONS, 3, &in, &out, &arena), STATUS_OK);
    assert_int_equal(out.error_code, 0);
    assert_true(out.api_keys_count > 30);
    sim_client_close(c);
    arena_free(&arena);
}

struct stranger {
    const char *name;
    struct bytes_view bytes;
};

#define BYTES(...) {(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})}

static const struct stranger strangers[] = {
    {"length -1", BYTES(0xff, 0xff, 0xff, 0xff)},
    {"length 0", BYTES(0, 0, 0, 0)},
    {"length 2^31-1", BYTES(0x7f, 0xff, 0xff, 0xff, 0, 18)},
    {"length 7: no whole header", BYTES(0, 0, 0, 7, 0, 18, 0, 0, 0, 0, 0)},
    {"HTTP", BYTES('G', 'E', 'T', ' ', '/', ' ', 'H', 'T', 'T', 'P')},
    {"TLS hello", BYTES(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01)},
    {"unknown key", BYTES(0, 0, 0, 10, 0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff)},
    {"key of the controllers' own", BYTES(0, 0, 0, 10, 0, 52, 0, 0, 0, 0, 0, 1, 0xff, 0xff)},
    {"Metadata version 99", BYTES(0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff)},
    {"negative version", BYTES(0, 0, 0, 10, 0, 3, 0xff, 0xff, 0, 0, 0, 1, 0xff, 0xff)},
    {"client id longer than the frame", BYTES(0, 0, 0, 10, 0, 3, 0, 0, 0, 0, 0, 1, 0x7f, 0xff)},
    {"Metadata: 2^31-1 topics in 4 bytes", BYTES(0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff)},
    {"Metadata: -2 topics", BYTES(0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe)},
    {"Metadata 12: overlong varint", BYTES(0, 0, 0, 17, 0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)},
    {"Metadata 12: tag that stands twice", BYTES(0, 0, 0, 19, 0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 2, 1, 0, 1, 0)},
};

static void test_strangers(void **state)
{
    struct sim_node *n = sim_node_new(1, NULL, NULL);

    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        struct sim_client *c = sim_node_connect(n);

        print_message("%s\n", strangers[i].name);
        sim_client_send(c, strangers[i].bytes.data, strangers[i].bytes.size);
        assert_false(sim_client_wait(c, 1, WAIT_US));
        assert_int_not_equal(sim_client_state(c), SIM_CLIENT_OPEN);
        sim_client_close(c);
    }
    assert_serves(n);
    sim_node_stop(n);
}

/* KIP-511: the one request whose unknown version is answered. */
static void test_api_versions_of_the_future(void **state)
{
    static const uint8_t request[] = {0, 0, 0, 11, 0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0};
    struct sim_node *n = sim_node_new(2, NULL, NULL);
    struct sim_client *c = sim_node_connect(n);
    struct api_versions_response out;
    struct arena arena;

    arena_init(&arena, ARENA);
    sim_client_send(c, request, sizeof request);
    assert_int_equal(sim_answer(n, c, API_API_VERSIONS, 0, &out, &arena), STATUS_OK);
    assert_int_equal(out.error_code, STATUS_UNSUPPORTED_VERSION);
    assert_int_equal(out.api_keys_count, 1);
    assert_int_equal(out.api_keys[0].api_key, API_API_VERSIONS);
    arena_free(&arena);
    sim_client_close(c);
    sim_node_stop(n);
}

/* Frames arrive byte by byte, many at once, and are answered in order. */
static void test_pipelined_and_cut(void **state)
{
    struct sim_node *n = sim_node_new(3, NULL, NULL);
    struct sim_client *c = sim_node_connect(n);
    struct api_versions_request in;
    struct arena arena;

    arena_init(&arena, ARENA);
    api_versions_request_init(&in);
    for (int32_t i = 0; i < 40; i++) {
        struct bytes_view bytes = sim_request(API_API_VERSIONS, 0, i, &in, &arena);

        for (size_t at = 0; at < bytes.size; at += i % 2 ? 1 : bytes.size) {
            sim_client_send(c, bytes.data + at, i % 2 ? 1 : bytes.size);
            if (i % 4 == 1)
                sim_run(sim_node_sim(n), 300);
        }
    }
    for (int32_t i = 0; i < 40; i++) {
        struct bytes_view got;
        size_t size;

        assert_true(sim_client_wait(c, 8, WAIT_US));
        got = sim_client_received(c);
        size = (size_t)got.data[2] << 8 | got.data[3];
        assert_int_equal(got.data[7], i); /* the correlation id */
        assert_true(sim_client_wait(c, 4 + size, WAIT_US));
        sim_client_take(c, 4 + size);
    }
    arena_free(&arena);
    sim_client_close(c);
    sim_node_stop(n);
}

/* Exhaustion: thousands of requests whose answers nobody reads. The node stops reading; when the answers are taken, all of them come, in order. */
static void test_unread_answers(void **state)
{
    enum { REQUESTS = 5000 };
    struct sim_node *n = sim_node_new(4, NULL, NULL);
    struct sim_client *c = sim_node_connect(n);
    struct api_versions_request in;
    struct arena arena;

    arena_init(&arena, 4 * ARENA);
    api_versions_request_init(&in);
    for (int32_t i = 0; i < REQUESTS; i++) {
        struct bytes_view bytes = sim_request(API_API_VERSIONS, 0, i, &in, &arena);

        sim_client_send(c, bytes.data, bytes.size);
    }
    sim_run(sim_node_sim(n), WAIT_US);
    assert_serves(n);
    for (int32_t i = 0; i < REQUESTS; i++) {
        struct bytes_view got;
        size_t size;

        assert_true(sim_client_wait(c, 8, WAIT_US));
        got = sim_client_received(c);
        size = (size_t)got.data[2] << 8 | got.data[3];
        assert_int_equal((int32_t)got.data[6] << 8 | got.data[7], i);
        assert_true(sim_client_wait(c, 4 + size, WAIT_US));
        sim_client_take(c, 4 + size);
    }
    arena_free(&arena);
    sim_client_close(c);
    sim_node_stop(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_api_versions_of_the_future),
        cmocka_unit_test(test_pipelined_and_cut),
        cmocka_unit_test(test_unread_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
