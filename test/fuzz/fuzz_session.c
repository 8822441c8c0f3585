/* SPDX-License-Identifier: Apache-2.0
 * Bytes of a stranger against a whole node in the simulated world. The first byte cuts the rest into pieces of that size, sent some
 * virtual time apart. The corpus is the traffic of real clients (kcat, kafka-python, our own commands). The node must stay up, answer or close, and stop cleanly.
 */
#include "sim/sim_node.h"

#include "rt/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_node *n;
    struct sim_client *c;
    size_t step;

    if (size < 2)
        return 0;
    log_set_level(LOG_FATAL);
    n = sim_node_new(7, NULL, "log.segment.bytes=1048576", NULL);
    c = sim_node_connect(n);
    step = data[0] ? (size_t)data[0] * 8 : size;
    for (size_t at = 1; at < size; at += step) {
        sim_client_send(c, data + at, step < size - at ? step : size - at);
        sim_run(sim_node_sim(n), 2000);
    }
    sim_run(sim_node_sim(n), 200000);
    sim_client_close(c);
    sim_node_stop(n);
    return 0;
}
