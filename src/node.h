/* SPDX-License-Identifier: Apache-2.0
 * A node: the broker and its listeners on a set of shards, from the first to the last moment. `barnabas serve` runs it on threads,
 * the simulator on virtual ones.
 *
 *   node_open → on each shard node_start_shard → ... ready → node_stop → ... stopped → node_close
 */
#ifndef NODE_H
#define NODE_H

#include "broker/lifecycle.h"
#include "net/net.h"

struct node;

struct node_hooks {
    void (*ready)(struct node *node, void *context);                          /* on shard 0: every listener accepts */
    void (*stopped)(struct node *node, void *context);                        /* on shard 0: nothing runs any more; the shards may end */
    void (*failed)(struct node *node, const struct err *err, void *context);  /* on any shard, instead of one of the others */
    void *context;
};

enum status node_open(const struct broker_options *options, const struct node_hooks *hooks, struct node **node, struct err *err) MUST_CHECK;

/* First thing on each shard; shard 0 before the others. */
void node_start_shard(struct node *node, struct shard *shard);

/* On shard 0, once; also before it is ready. */
void node_stop(struct node *node);

/* After `stopped`, when no shard runs any more. Frees the node. */
enum status node_close(struct node *node, struct err *err) MUST_CHECK;

const struct listener *node_listeners(const struct node *node, size_t *count);
const char *node_cluster_id(const struct node *node);
const struct broker *node_broker(const struct node *node);
/* What the connections of a shard hold; on it, while the node is ready. */
struct net_load node_load(const struct node *node, unsigned shard);

#endif
