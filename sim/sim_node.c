/* SPDX-License-Identifier: Apache-2.0
 * See sim_node.h.
 */
#include "sim/sim_node.h"

#include <stdarg.h>

#include "base/assert.h"
#include "base/mem.h"
#include "sim/life.h"
#include "wire/apis.h"
#include "wire/header/request_header.h"
#include "wire/header/response_header.h"

enum {
    BOOT_US_MAX = 60000000,
    ANSWER_US_MAX = 120000000,
    SIM_SHARDS = 2,
    SETTINGS_MAX = 32,
};

struct sim_node {
    struct sim *sim;
    struct life *life;
    struct fs *fs; /* its own, or NULL */
    int32_t correlation_id;
};

static bool is_settled(void *context)
{
    enum life_state state = life_state(((struct sim_node *)context)->life);

    return state != LIFE_BOOTING && state != LIFE_STOPPING;
}

/* Lets time pass until the node is as it should be (asserted). */
static void settle(struct sim_node *n, enum life_state state)
{
    bool settled = sim_run_until(n->sim, is_settled, n, BOOT_US_MAX);

    if (life_state(n->life) == LIFE_FAILED)
        fprintf(stderr, "the node failed: %s\n", life_error(n->life));
    ASSERT(settled && life_state(n->life) == state);
}

struct sim_node *sim_node_new(uint64_t seed, struct fs *fs, ...)
{
    struct sim_node *n = mem_alloc(1, sizeof *n);
    const char *settings[SETTINGS_MAX] = {NULL};
    struct life_options how = {.disk = fs, .settings = settings, .seed = seed, .shards = SIM_SHARDS};
    size_t count = 0;
    va_list sets;

    ASSERT(n);
    va_start(sets, fs);
    while ((settings[count] = va_arg(sets, const char *)))
        ASSERT(++count < SETTINGS_MAX);
    va_end(sets);
    if (!fs)
        ASSERT((how.disk = n->fs = fs_mem_new()) != NULL);
    how.sim = n->sim = sim_new(seed, &(struct sim_options){.shards = SIM_SHARDS, .fs = how.disk});
    sim_kill(n->sim);
    n->life = life_begin(&how);
    settle(n, LIFE_READY);
    return n;
}

struct sim *sim_node_sim(struct sim_node *n)
{
    return n->sim;
}

struct sim_client *sim_node_connect(struct sim_node *n)
{
    struct sim_client *c = sim_connect(n->sim, LIFE_PORT);

    ASSERT(c);
    return c;
}

void sim_node_stop(struct sim_node *n)
{
    life_stop(n->life);
    settle(n, LIFE_STOPPED);
    life_end(n->life);
    sim_free(n->sim);
    if (n->fs)
        fs_free(n->fs);
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
