/* SPDX-License-Identifier: Apache-2.0
 * See net.h. One acceptor a listener; the sessions stand in one list, bounded by max.connections divided among the shards.
 */
#include "net/net.h"

#include "base/mem.h"
#include "broker/broker.h"
#include "broker/memory.h"
#include "net/session.h"
#include "rt/log.h"

#include <errno.h>

enum { NET_CONNECTIONS_MAX = 65536 }; /* what max.connections may reach: its default in Kafka is unlimited */

struct acceptor {
    struct net *net;
    struct io_socket *socket; /* NULL: stopped */
    const struct listener *listener;
    struct io_op accept;
    bool accepting;
};

struct net {
    struct shard *here;
    struct acceptor *acceptors;
    size_t acceptors_count;
    struct list sessions;
    size_t count, count_max;
    struct session_limits limits;
    struct mail *stopped; /* not NULL: stopping */
};

static void net_free_when_idle(struct net *net)
{
    if (!net->stopped || !list_empty(&net->sessions))
        return;
    for (size_t i = 0; i < net->acceptors_count; i++)
        if (net->acceptors[i].accepting)
            return;
    broker_at(net->here)->metrics.connections = broker_at(net->here)->metrics.answers = NULL;
    shard_post(net->here, net->here, net->stopped);
    mem_free(net->acceptors);
    mem_free(net);
}

static void net_session_gone(struct shard *here, void *context)
{
    struct net *net = context;

    net->count--;
    net_free_when_idle(net);
}

static void net_accepted(struct shard *here, struct io_op *op)
{
    struct acceptor *a = LIST_ENTRY(op, struct acceptor, accept);
    struct net *net = a->net;

    a->accepting = false;
    if (op->result < 0) {
        if (op->result != -ECANCELED)
            log_line(LOG_ERROR, "accept failed", "listener=%.*s error=%s", STR_ARG(a->listener->name), strerror((int)-op->result));
        net_free_when_idle(net);
        return;
    }
    if (net->stopped || net->count >= net->count_max) {
        if (!net->stopped)
            log_line(LOG_WARN, "connection refused", "listener=%.*s reason=max.connections connections=%zu", STR_ARG(a->listener->name), net->count);
        io_close(shard_io(here), op->socket, NULL);
    } else if (session_new(here, op->socket, a->listener, &net->limits, &net->sessions, net_session_gone, net)) {
        net->count++;
    }
    if (net->stopped) {
        net_free_when_idle(net);
        return;
    }
    a->accepting = true;
    io_accept(shard_io(here), a->socket, &a->accept);
}

enum status net_start(struct broker_shard *b, struct net **out, struct err *err)
{
    struct broker *broker = b->broker;
    struct net *net = mem_alloc(1, sizeof *net);
    int64_t connections = config_i64(broker->config, CONFIG_MAX_CONNECTIONS);

    if (!net || !(net->acceptors = mem_alloc(broker->listeners_count, sizeof *net->acceptors))) {
        mem_free(net);
        return err_set(err, STATUS_NO_MEMORY, "no memory for %zu listeners", broker->listeners_count);
    }
    net->here = b->shard;
    net->limits.frame_max = (size_t)config_i64(broker->config, CONFIG_SOCKET_REQUEST_MAX_BYTES);
    if (net->limits.frame_max > memory_share(broker->config, MEMORY_REQUESTS, broker->shards) / 2) /* it grows by copying */
        net->limits.frame_max = memory_share(broker->config, MEMORY_REQUESTS, broker->shards) / 2;
    net->limits.sessions = &net->sessions;
    net->limits.answers_max = memory_share(broker->config, MEMORY_ANSWERS, broker->shards);
    net->limits.idle_ms_max = config_i64(broker->config, CONFIG_CONNECTIONS_MAX_IDLE_MS);
    if (broker->connections && connections > broker->connections)
        connections = broker->connections; /* the system has no descriptors for more */
    net->count_max = (size_t)(connections < NET_CONNECTIONS_MAX ? connections : NET_CONNECTIONS_MAX) / broker->shards + 1;
    list_init(&net->sessions);
    for (size_t i = 0; i < broker->listeners_count; i++) {
        struct acceptor *a = &net->acceptors[net->acceptors_count];
        struct listener *l = &broker->listeners[i];
        uint16_t bound = 0;
        enum status s = io_listen(shard_io(b->shard), l->host, l->port, &a->socket, &bound, err);

        if (s) {
            for (size_t j = 0; j < net->acceptors_count; j++)
                io_close(shard_io(b->shard), net->acceptors[j].socket, NULL);
            mem_free(net->acceptors);
            mem_free(net);
            return err_wrap(err, "listener " STR_FMT, STR_ARG(l->name));
        }
        if (shard_id(b->shard) == 0) {
            l->port = bound;
            if (l->advertised_port == 0)
                l->advertised_port = bound;
        }
        a->net = net;
        a->listener = l;
        a->accept.done = net_accepted;
        net->acceptors_count++;
    }
    for (size_t i = 0; i < net->acceptors_count; i++) {
        net->acceptors[i].accepting = true;
        io_accept(shard_io(b->shard), net->acceptors[i].socket, &net->acceptors[i].accept);
    }
    b->metrics.connections = &net->count;
    b->metrics.answers = &net->limits.answers;
    *out = net;
    return STATUS_OK;
}

void net_stop(struct net *net, struct mail *done)
{
    net->stopped = done;
    for (size_t i = 0; i < net->acceptors_count; i++)
        io_close(shard_io(net->here), net->acceptors[i].socket, NULL);
    for (struct list *node = net->sessions.next, *next; node != &net->sessions; node = next) {
        next = node->next;
        session_close(session_of(node));
    }
    net_free_when_idle(net);
}

struct net_load net_load(const struct net *net)
{
    struct net_load load = {.sessions = net->count};

    LIST_EACH(node, &net->sessions) {
        load.holding += session_holds(session_of(node));
        load.requests += session_requests(session_of(node));
    }
    return load;
}
