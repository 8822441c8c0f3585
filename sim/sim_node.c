/* SPDX-License-Identifier: Apache-2.0
 * See sim_node.h.
 */
#include "sim/sim_node.h"

#include <stdarg.h>

#include "base/assert.h"
#include "base/mem.h"
#include "node.h"
#include "wire/apis.h"
#include "wire/header/request_header.h"
#include "wire/header/response_header.h"

enum {
    BOOT_US_MAX = 60000000,
    ANSWER_US_MAX = 120000000,
    SIM_PORT = 9092,
    SIM_SHARDS = 2,
};

struct sim_node {
    struct sim *sim;
    struct node *node;
    struct config *config;
    struct fs *fs; /* its own, or NULL */
    bool ready, stopped;
    int32_t correlation_id;
};

static void on_ready(struct node *node, void *context)
{
    ((struct sim_node *)context)->ready = true;
}

static void on_stopped(struct node *node, void *context)
{
    ((struct sim_node *)context)->stopped = true;
}

static void on_failed(struct node *node, const struct err *err, void *context)
{
    fprintf(stderr, "the node failed: %s\n", err->text);
    assert_failed("the node starts", __FILE__, __LINE__);
}

static bool is_ready(void *context)
{
    return ((struct sim_node *)context)->ready;
}

static bool is_stopped(void *context)
{
    return ((struct sim_node *)context)->stopped;
}

static void on_start(struct shard *shard, void *context)
{
    node_start_shard(((struct sim_node *)context)->node, shard);
}

struct sim_node *sim_node_new(uint64_t seed, struct fs *fs, ...)
{
    struct sim_node *n = mem_alloc(1, sizeof *n);
    struct sim_options world = {.shards = SIM_SHARDS, .fs = fs, .on_start = on_start, .context = n};
    struct node_hooks hooks = {.ready = on_ready, .stopped = on_stopped, .failed = on_failed, .context = n};
    struct broker_options options = {.shards = SIM_SHARDS, .wall_ms = 1700000000000, .host = "localhost"};
    struct err err;
    const char *set;
    enum status s;
    va_list sets;

    ASSERT(n && (n->config = config_new()) != NULL);
    s = config_set_builtin(n->config, &err);
    if (s == STATUS_OK)
        s = config_set(n->config, STR_LIT("log.dirs=/data"), &err);
    va_start(sets, fs);
    while (s == STATUS_OK && (set = va_arg(sets, const char *)))
        s = config_set(n->config, str_from(set), &err);
    va_end(sets);
    if (s == STATUS_OK)
        s = config_finish(n->config, &err);
    ASSERT(s == STATUS_OK);
    if (!fs)
        ASSERT((world.fs = n->fs = fs = fs_mem_new()) != NULL);
    memcpy(options.entropy, &seed, sizeof seed);
    options.config = n->config;
    options.fs = fs;
    s = node_open(&options, &hooks, &n->node, &err);
    if (s)
        fprintf(stderr, "%s\n", err.text);
    ASSERT(s == STATUS_OK);
    n->sim = sim_new(seed, &world);
    ASSERT(n->sim && sim_run_until(n->sim, is_ready, n, BOOT_US_MAX));
    return n;
}

struct sim *sim_node_sim(struct sim_node *n)
{
    return n->sim;
}

struct sim_client *sim_node_connect(struct sim_node *n)
{
    struct sim_client *c = sim_connect(n->sim, SIM_PORT);

    ASSERT(c);
    return c;
}

void sim_node_stop(struct sim_node *n)
{
    struct err err;
    enum status s;

    node_stop(n->node);
    ASSERT(sim_run_until(n->sim, is_stopped, n, BOOT_US_MAX));
    s = node_close(n->node, &err);
    if (s)
        fprintf(stderr, "%s\n", err.text);
    ASSERT(s == STATUS_OK);
    sim_free(n->sim);
    if (n->fs)
        fs_free(n->fs);
    config_free(n->config);
    mem_free(n);
}

struct bytes_view sim_request(int16_t key, int16_t version, int32_t correlation_id, const void *request, struct arena *arena)
{
    const struct api *api = api_find(key);
    int16_t header_version = api_request_header_version(api, version);
    struct request_header header;
    struct writer w;
    size_t size;
    uint8_t *bytes;

    request_header_init(&header);
    header.request_api_key = key;
    header.request_api_version = version;
    header.correlation_id = correlation_id;
    header.client_id = STR_LIT("sim");
    size = request_header_size(&header, header_version) + message_size(api->request, version, request);
    bytes = arena_alloc(arena, 4 + size, 1);
    ASSERT(bytes);
    writer_init(&w, bytes, 4 + size);
    writer_i32(&w, (int32_t)size);
    request_header_encode(&w, header_version, &header);
    message_encode(api->request, &w, version, request);
    return (struct bytes_view){bytes, 4 + size};
}

enum status sim_answer(struct sim_node *n, struct sim_client *c, int16_t key, int16_t version, void *response, struct arena *arena)
{
    const struct api *api = api_find(key);
    struct response_header header;
    struct bytes_view got;
    struct reader r;
    uint8_t *bytes;
    size_t size;
    enum status s;

    if (!sim_client_wait(c, 4, ANSWER_US_MAX))
        return STATUS_NETWORK_EXCEPTION;
    got = sim_client_received(c);
    size = (size_t)got.data[0] << 24 | (size_t)got.data[1] << 16 | (size_t)got.data[2] << 8 | got.data[3];
    if (!sim_client_wait(c, 4 + size, ANSWER_US_MAX))
        return STATUS_NETWORK_EXCEPTION;
    got = sim_client_received(c);
    bytes = arena_alloc(arena, size, 1);
    ASSERT(bytes);
    memcpy(bytes, got.data + 4, size);
    sim_client_take(c, 4 + size);
    reader_init(&r, bytes, size);
    s = response_header_decode(&r, api_response_header_version(api, version), arena, &header);
    if (s == STATUS_OK)
        s = message_decode(api->response, &r, version, arena, response);
    return s ? s : reader_done(&r);
}

enum status sim_call(struct sim_node *n, struct sim_client *c, int16_t key, int16_t version, const void *request, void *response, struct arena *arena)
{
    struct bytes_view bytes = sim_request(key, version, n->correlation_id++, request, arena);

    sim_client_send(c, bytes.data, bytes.size);
    return sim_answer(n, c, key, version, response, arena);
}
