/* SPDX-License-Identifier: Apache-2.0
 * A whole node in the simulated world, and a client that speaks to it through the generated codecs.
 *
 *     struct sim_node *n = sim_node_new(seed, NULL, "num.partitions=3", NULL);
 *     struct sim_client *c = sim_node_connect(n);
 *     sim_call(n, c, API_METADATA, 12, &request, &response, &arena);
 *     sim_node_stop(n);
 */
#ifndef SIM_SIM_NODE_H
#define SIM_SIM_NODE_H

#include "base/arena.h"
#include "sim/sim.h"

struct sim_node;

/* Boots on `fs` (NULL: an empty one of its own) with the defaults of `barnabas serve` and these key=value, up to a NULL; asserts that it gets ready. */
struct sim_node *sim_node_new(uint64_t seed, struct fs *fs, ...) __attribute__((sentinel));
struct sim *sim_node_sim(struct sim_node *n);
struct sim_client *sim_node_connect(struct sim_node *n); /* asserts that somebody listens */

/* Stops cleanly (asserted) and frees it. */
void sim_node_stop(struct sim_node *n);

/* Sends one request and waits for its answer, decoded with views that live in the arena. STATUS_NETWORK_EXCEPTION: the node closed the connection. */
enum status sim_call(struct sim_node *n, struct sim_client *c, int16_t key, int16_t version, const void *request, void *response, struct arena *arena) MUST_CHECK;

/* The two halves: a framed request's bytes in the arena; and the next answer. */
struct bytes_view sim_request(int16_t key, int16_t version, int32_t correlation_id, const void *request, struct arena *arena);
enum status sim_answer(struct sim_node *n, struct sim_client *c, int16_t key, int16_t version, void *response, struct arena *arena) MUST_CHECK;

#endif
