/* SPDX-License-Identifier: Apache-2.0
 * See net.h. One acceptor a listener; the sessions stand in one list, bounded by max.connections and by memory (MEMORY_CONNECTIONS), divided among the shards.
 * Who comes when there is no room is let in when another one has gone: until then he waits where the system keeps those that are not accepted.
 */
#include "net/net.h"

#include "base/mem.h"
#include "broker/broker.h"
#include "broker/memory.h"
#include "net/session.h"
#include "rt/log.h"

#include <errno.h>

enum {
    NET_CONNECTIONS_MAX = 65536, /* what max.connections may reach: its default in Kafka is unlimited */
    FULL_AGAIN_MS = 60 * 1000,   /* the operator is told once a minute */
};

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
    size_t count, count_max, memory_max;
    uint64_t full_ms;         /* when that was told last */
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
    broker_at(net->here)->metrics.connections = broker_at(net->here)->metrics.connections_held = broker_at(net->here)->metrics.answers = NULL;
    shard_post(net->here, net->here, net->stopped);
    mem_free(net->acceptors);
    mem_free(net);
}

static bool net_full(struct net *net)
{
    bool memory = net->limits.memory.held + io_sockets_held(shard_io(net->here)) >= net->memory_max;
    uint64_t now_ms = shard_now_ms(net->here);

    if (net->count < net->count_max && !memory)
        return false;
    if (!net->full_ms || now_ms - net->full_ms >= FULL_AGAIN_MS) {
        net->full_ms = now_ms;
        log_line(LOG_WARN, "connections wait until others end", "reason=%s shard=%u connections=%zu", memory ? "barnabas.memory.max" : "max.connections",
                 shard_id(net->here), net->count);
    }
    return true;
}

static void net_accept(struct acceptor *a)
{
    if (a->accepting || net_full(a->net))
        return;
    a->accepting = true;
    io_accept(shard_io(a->net->here), a->socket, &a->accept);
}

static void net_session_gone(struct shard *here, void *context)
{
    struct net *net = context;

    net->count--;
    for (size_t i = 0; !net->stopped && i < net->acceptors_count; i++)
        net_accept(&net->acceptors[i]);
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
    if (net->stopped) {
        io_close(shard_io(here), op->socket, NULL);
        net_free_when_idle(net);
        return;
    }
    if (session_new(here, op->socket, a->listener, &net->limits, &net->sessions, net_session_gone, net))
        net->count++;
    net_accept(a);
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
    net->memory_max = memory_share(broker->config, MEMORY_CONNECTIONS, broker->shards);
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
    for (size_t i = 0; i < net->acceptors_count; i++)
        net_accept(&net->acceptors[i]);
    b->metrics.connections = &net->count;
    b->metrics.connections_held = &net->limits.memory.held;
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
