/* SPDX-License-Identifier: Apache-2.0
 * Bytes of a stranger against a whole node in the simulated world. The first byte cuts the rest into pieces of that size, sent some
 * virtual time apart. The corpus is the traffic of real clients (kcat, kafka-python, our own commands). The node must stay up, answer or close, and stop cleanly.
 *
 * To boot takes longer than anything that a stranger sends, so a node meets LIFE_INPUTS of them, one after the other, each on a connection of its own. What it
 * did then depends on all of them: with FUZZ_LIFE=DIRECTORY they are there, 000 and on, and `fuzz_session DIRECTORY/...` in that order is the same life again.
 */
#include "sim/sim_node.h"

#include <stdlib.h>

#include "base/assert.h"
#include "rt/log.h"

enum { LIFE_INPUTS = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sim_node *node; /* NULL: the next input's is a new one */
static unsigned inputs;

static void keep(const uint8_t *data, size_t size)
{
    const char *directory = getenv("FUZZ_LIFE");
    char path[512];
    FILE *file;

    if (!directory)
        return;
    snprintf(path, sizeof path, "%s/%03u", directory, inputs);
    file = fopen(path, "wb");
    ASSERT(file && fwrite(data, 1, size, file) == size);
    fclose(file);
}

static void stop(void)
{
    if (node)
        sim_node_stop(node);
    node = NULL;
    inputs = 0;
}

static void talk(struct sim *sim, struct sim_client *c, const uint8_t *data, size_t size)
{
    size_t step = data[0] ? (size_t)data[0] * 8 : size;

    for (size_t at = 1; at < size; at += step) {
        sim_client_send(c, data + at, step < size - at ? step : size - at);
        sim_run(sim, 2000);
    }
    sim_run(sim, 200000);
    sim_client_close(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (!node) {
        log_set_level(LOG_FATAL);
        node = sim_node_new(7, NULL, "log.segment.bytes=1048576", NULL);
        atexit(stop);
    }
    keep(data, size);
    talk(sim_node_sim(node), sim_node_connect(node), data, size);
    if (++inputs == LIFE_INPUTS)
        stop();
    return 0;
}
