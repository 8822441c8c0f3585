/* SPDX-License-Identifier: Apache-2.0
 * The listeners of one shard and the connections that they accepted. Every shard listens on every port; the kernel spreads the connections.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "base/err.h"
#include "rt/shard.h"

struct broker_shard;
struct net;

/* Binds and accepts. Shard 0 first: it writes the bound ports into the broker's listeners (port 0), before the other shards bind. */
enum status net_start(struct broker_shard *b, struct net **net, struct err *err) MUST_CHECK;

/* Accepts no more, ends the connections; `done` runs (posted) when the last is gone, and the net is freed. */
void net_stop(struct net *net, struct mail *done);

/* What its connections hold at the moment. */
struct net_load {
    size_t sessions, holding, requests; /* holding: of the sessions, those that hold buffers; requests: not answered yet */
};
struct net_load net_load(const struct net *net);

#endif
