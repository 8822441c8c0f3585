/* SPDX-License-Identifier: Apache-2.0
 * The simulated network: connections of two ends and two pipes, one a direction.
 *
 *   sender ──► pipe:  | taken by the reader | arrived, unread | on its way |
 *                     0                   start            arrived        end
 *
 * What a sender writes is in the pipe at once and arrives some time (drawn) later, in order; the end of a stream and a reset travel as
 * bytes do. A shard's sender waits while `window` bytes are on their way or unread; a test's client never does. As in TCP: who closes
 * with unread bytes, or is sent bytes after it closed, answers with a reset.
 *
 * A connection lives while an end is open or something of it is under way.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/mem.h"
#include "sim/sim_int.h"

enum { PORT_FIRST = 32768 }; /* of the ports that port 0 stands for */

struct pipe {
    uint8_t *bytes;
    size_t start, arrived, end, room;
    uint64_t last_us; /* when what was last put in arrives */
    bool ended;       /* the end of the stream has arrived */
};

struct sim_socket {
    struct io_socket socket;
    bool listens; /* a struct listener, else a struct end */
};

struct listener {
    struct sim_socket base;
    struct list link; /* sim.listeners */
    uint16_t port;
    struct list backlog; /* end.link */
    struct io_op *accept;
};

struct end { /* of a shard, or of a test's client: then it has no io */
    struct sim_socket base;
    struct connection *connection;
    struct list link;  /* in a backlog, until it is accepted */
    bool open, ending; /* ending: it sends no more */
    bool vanished;     /* nothing is sent any more, a reset neither */
    int failed;
    void (*notify)(void *context); /* of a client */
    void *context;
    struct io_op *recv, *send, *connect; /* outstanding */
};

struct connection {
    struct list link; /* sim.connections */
    struct sim *sim;
    unsigned uses;         /* open ends, and packets under way */
    struct end ends[2];    /* the first is who connected */
    struct pipe pipes[2];  /* ends[i] sends into pipes[i] */
};

enum packet_kind { PACKET_OPEN, PACKET_OPENED, PACKET_DATA, PACKET_END, PACKET_RESET };

struct packet {
    struct sim_event event;
    struct connection *connection;
    unsigned from; /* ends[from] sent it */
    enum packet_kind kind;
    uint16_t port; /* PACKET_OPEN */
    size_t size;   /* PACKET_DATA */
};

static struct listener *listener_of(struct io_socket *socket)
{
    return (struct listener *)(void *)socket;
}

static struct end *end_of(struct io_socket *socket)
{
    return (struct end *)(void *)socket;
}

static unsigned side_of(const struct end *end)
{
    return end == &end->connection->ends[1];
}

static struct end *peer_of(struct end *end)
{
    return &end->connection->ends[!side_of(end)];
}

/* --- connections --- */

static struct connection *connection_new(struct sim *sim)
{
    struct connection *c = sim__alloc(1, sizeof *c);

    c->sim = sim;
    for (unsigned i = 0; i < 2; i++) {
        c->ends[i].connection = c;
        list_init(&c->ends[i].link);
        memcpy(c->ends[i].base.socket.peer, "127.0.0.1", sizeof "127.0.0.1");
    }
    list_push_back(&sim->connections, &c->link);
    return c;
}

static void connection_free(struct connection *c)
{
    list_remove(&c->link);
    mem_free(c->pipes[0].bytes);
    mem_free(c->pipes[1].bytes);
    mem_free(c);
}

static void connection_unuse(struct connection *c)
{
    if (--c->uses == 0)
        connection_free(c);
}

static void end_open(struct end *end, struct io *io)
{
    end->base.socket.io = io;
    end->open = true;
    end->connection->uses++;
}

static void end_complete(struct end *end, struct io_op **op, int64_t result)
{
    struct io_op *it = *op;

    if (it) {
        *op = NULL;
        sim__complete(end->base.socket.io, it, result);
    }
}

static void end_fail(struct end *end, int failed)
{
    if (!end->open || end->failed)
        return;
    end->failed = failed;
    end_complete(end, &end->recv, -failed);
    end_complete(end, &end->send, -failed);
    end_complete(end, &end->connect, -failed);
}

/* --- packets --- */

static void packet_drop(struct sim *sim, struct sim_event *event)
{
    mem_free(event);
}

static void packet_arrives(struct sim *sim, struct sim_event *event);

static void packet_send(struct end *from, struct packet what)
{
    struct connection *c = from->connection;
    struct pipe *pipe = &c->pipes[side_of(from)];
    uint64_t at_us = c->sim->now_us + 1 + sim__random_below(c->sim, c->sim->options.latency_us_max);
    struct packet *packet;

    if (from->vanished)
        return;
    packet = sim__alloc(1, sizeof *packet);
    *packet = what;
    packet->event = (struct sim_event){.run = packet_arrives, .drop = packet_drop};
    packet->connection = c;
    packet->from = side_of(from);
    c->uses++;
    if (at_us > pipe->last_us)
        pipe->last_us = at_us;
    sim__schedule(c->sim, &packet->event, pipe->last_us);
}

static void try_recv(struct end *end);

static void data_arrives(struct end *to, struct pipe *pipe, size_t size)
{
    sim__note(to->connection->sim, PACKET_DATA, pipe->bytes + pipe->arrived, size);
    pipe->arrived += size;
    if (to->open)
        try_recv(to);
    else
        packet_send(to, (struct packet){.kind = PACKET_RESET});
}

static void reset_arrives(struct end *to)
{
    bool refused = to->connect;

    end_fail(to, refused ? ECONNREFUSED : ECONNRESET);
    if (refused) { /* nobody got the socket */
        to->open = false;
        connection_unuse(to->connection);
    }
}

static void open_arrives(struct end *from, uint16_t port);

static void packet_arrives(struct sim *sim, struct sim_event *event)
{
    struct packet *packet = LIST_ENTRY(event, struct packet, event), it = *packet;
    struct connection *c = it.connection;
    struct end *to = &c->ends[!it.from];

    mem_free(packet);
    sim__note(sim, it.kind, "packet", 6);
    switch (it.kind) {
    case PACKET_OPEN:
        open_arrives(&c->ends[it.from], it.port);
        break;
    case PACKET_OPENED:
        if (to->connect)
            to->connect->socket = &to->base.socket;
        end_complete(to, &to->connect, 0);
        break;
    case PACKET_DATA:
        data_arrives(to, &c->pipes[it.from], it.size);
        break;
    case PACKET_END:
        c->pipes[it.from].ended = true;
        if (to->open)
            try_recv(to);
        break;
    case PACKET_RESET:
        reset_arrives(to);
        break;
    }
    if (to->open && to->notify)
        to->notify(to->context);
    connection_unuse(c);
}

/* --- listening and connecting --- */

static void try_accept(struct listener *listener)
{
    struct list *node = listener->accept ? list_pop_front(&listener->backlog) : NULL;

    if (node) {
        struct io_op *op = listener->accept;
        op->socket = &LIST_ENTRY(node, struct end, link)->base.socket;
        listener->accept = NULL;
        sim__complete(listener->base.socket.io, op, 0);
    }
}

/* One of those that listen on the port, which is drawn; NULL: nobody does. */
static struct listener *find_listener(struct sim *sim, uint16_t port)
{
    struct listener *found = NULL;
    unsigned seen = 0;

    LIST_EACH (node, &sim->listeners) {
        struct listener *listener = LIST_ENTRY(node, struct listener, link);
        if (listener->port == port && sim__random_below(sim, ++seen) == 0)
            found = listener;
    }
    return found;
}

static void open_arrives(struct end *from, uint16_t port)
{
    struct end *to = peer_of(from);
    struct listener *listener = find_listener(from->connection->sim, port);

    if (!listener) {
        packet_send(to, (struct packet){.kind = PACKET_RESET});
        return;
    }
    end_open(to, listener->base.socket.io);
    list_push_back(&listener->backlog, &to->link);
    packet_send(to, (struct packet){.kind = PACKET_OPENED});
    try_accept(listener);
}

enum status sim__listen(struct io *io, const char *host, uint16_t port, struct io_socket **out, uint16_t *bound, struct err *err)
{
    struct sim *sim = sim__of(io);
    struct listener *listener = sim__alloc(1, sizeof *listener);

    listener->base = (struct sim_socket){.socket = {.io = io}, .listens = true};
    if (!port)
        port = (uint16_t)(PORT_FIRST + sim->port_last++);
    listener->port = *bound = port;
    list_init(&listener->backlog);
    list_push_back(&sim->listeners, &listener->link);
    *out = &listener->base.socket;
    return STATUS_OK;
}

void sim__accept(struct io_socket *socket, struct io_op *op)
{
    struct listener *listener = listener_of(socket);

    ASSERT(listener->base.listens && !listener->accept);
    listener->accept = op;
    try_accept(listener);
}

void sim__connect(struct io *io, const char *host, uint16_t port, struct io_op *op)
{
    struct connection *c = connection_new(sim__of(io));

    end_open(&c->ends[0], io);
    c->ends[0].connect = op;
    packet_send(&c->ends[0], (struct packet){.kind = PACKET_OPEN, .port = port});
}

/* --- sending --- */

static uint8_t *pipe_room(struct pipe *pipe, size_t size)
{
    if (pipe->start == pipe->end) {
        pipe->start = pipe->arrived = pipe->end = 0;
    } else if (pipe->start > pipe->room / 2) {
        memmove(pipe->bytes, pipe->bytes + pipe->start, pipe->end - pipe->start);
        pipe->arrived -= pipe->start;
        pipe->end -= pipe->start;
        pipe->start = 0;
    }
    if (size > pipe->room - pipe->end) {
        size_t room = pipe->room * 2 + size;
        uint8_t *bytes = sim__alloc(room, 1);
        if (pipe->end)
            memcpy(bytes, pipe->bytes, pipe->end);
        mem_free(pipe->bytes);
        pipe->bytes = bytes;
        pipe->room = room;
    }
    return pipe->bytes + pipe->end;
}

/* `size` bytes were put where pipe_room said. */
static void pipe_put(struct end *from, size_t size)
{
    from->connection->pipes[side_of(from)].end += size;
    packet_send(from, (struct packet){.kind = PACKET_DATA, .size = size});
}

/* Bytes of the first piece that is left; 0: its file is too short or unreadable. */
static size_t piece_copy(const struct io_op *op, uint8_t *to, size_t size)
{
    const struct io_piece *piece = op->pieces;
    struct err ignored;
    size_t got;

    if (size > piece->size - op->progress)
        size = piece->size - op->progress;
    if (!piece->data)
        return file_read(piece->file, piece->offset + op->progress, to, size, &got, &ignored) == STATUS_OK ? got : 0;
    memcpy(to, (const uint8_t *)piece->data + op->progress, size);
    return size;
}

static void try_send(struct end *end)
{
    struct io_op *op = end->send;
    struct pipe *pipe = &end->connection->pipes[side_of(end)];
    size_t window = end->connection->sim->options.window;

    while (op && op->pieces_count && pipe->end - pipe->start < window) {
        size_t room = window - (pipe->end - pipe->start);
        size_t n = piece_copy(op, pipe_room(pipe, room), room);
        if (!n) { /* the peer has a part of it, and gets no more */
            packet_send(end, (struct packet){.kind = PACKET_RESET});
            end_fail(end, EIO);
            return;
        }
        pipe_put(end, n);
        io__send_advance(op, n);
    }
    if (op && !op->pieces_count)
        end_complete(end, &end->send, (int64_t)op->size);
}

void sim__send(struct io_socket *socket, struct io_op *op)
{
    struct end *end = end_of(socket);

    ASSERT(!end->base.listens && !end->send);
    end->send = op;
    if (end->failed)
        end_complete(end, &end->send, -end->failed);
    else
        try_send(end);
}

/* --- receiving --- */

static void taken(struct end *end, size_t size)
{
    struct end *peer = peer_of(end);

    end->connection->pipes[side_of(peer)].start += size;
    if (peer->open)
        try_send(peer);
}

/* How much of `size` bytes a receive gets. */
static size_t split(struct sim *sim, size_t size)
{
    if (size > 1 && sim__random_below(sim, 100) < sim->options.split_percent)
        return 1 + (size_t)sim__random_below(sim, sim__random_below(sim, 2) && size > 16 ? 16 : size - 1);
    return size;
}

static void try_recv(struct end *end)
{
    struct io_op *op = end->recv;
    struct pipe *pipe = &end->connection->pipes[!side_of(end)];
    size_t size = pipe->arrived - pipe->start;

    if (!op)
        return;
    if (!size) {
        if (pipe->ended)
            end_complete(end, &end->recv, 0);
        return;
    }
    if (!op->to) {
        struct memory *outer = memory_enter(end->connection->sim->memory);
        op->buffer = io_buffer_new(end->base.socket.io, op->size);
        memory_enter(outer);
        if (!op->buffer) {
            end_complete(end, &end->recv, -ENOMEM);
            return;
        }
    }
    size = split(end->connection->sim, size < op->size ? size : op->size);
    memcpy(op->to ? op->to : op->buffer->data, pipe->bytes + pipe->start, size);
    end_complete(end, &end->recv, (int64_t)size);
    taken(end, size);
}

void sim__recv(struct io_socket *socket, struct io_op *op)
{
    struct end *end = end_of(socket);

    ASSERT(!end->base.listens && !end->recv);
    end->recv = op;
    if (end->failed)
        end_complete(end, &end->recv, -end->failed);
    else
        try_recv(end);
}

/* --- closing --- */

static void end_sending(struct end *end)
{
    if (!end->ending && !end->failed)
        packet_send(end, (struct packet){.kind = PACKET_END});
    end->ending = true;
}

static void end_reset(struct end *end)
{
    if (!end->failed)
        packet_send(end, (struct packet){.kind = PACKET_RESET});
    end_fail(end, ECONNRESET);
}

static void end_close(struct end *end)
{
    const struct pipe *in = &end->connection->pipes[!side_of(end)];

    if (in->arrived > in->start && !end->failed)
        packet_send(end, (struct packet){.kind = PACKET_RESET});
    else
        end_sending(end);
    end_fail(end, ECANCELED);
    end->open = false;
    connection_unuse(end->connection);
}

static void listener_close(struct listener *listener)
{
    for (struct list *node; (node = list_pop_front(&listener->backlog));)
        end_close(LIST_ENTRY(node, struct end, link));
    if (listener->accept)
        sim__complete(listener->base.socket.io, listener->accept, -ECANCELED);
    list_remove(&listener->link);
    mem_free(listener);
}

void sim__close(struct io_socket *socket)
{
    if (((struct sim_socket *)(void *)socket)->listens)
        listener_close(listener_of(socket));
    else
        end_close(end_of(socket));
}

void sim__net_free(struct sim *sim)
{
    for (struct list *node; (node = list_pop_front(&sim->listeners));)
        mem_free(LIST_ENTRY(node, struct listener, link));
    while (!list_empty(&sim->connections))
        connection_free(LIST_ENTRY(sim->connections.next, struct connection, link));
}

/* The end's process is gone, without a word of its own; its kernel resets the connection. */
static void end_kill(struct end *end)
{
    if (!end->failed)
        packet_send(end, (struct packet){.kind = PACKET_RESET});
    end->recv = end->send = end->connect = NULL;
    list_remove(&end->link);
    end->open = false;
    connection_unuse(end->connection);
}

void sim__net_kill(struct sim *sim)
{
    struct list *node = sim->connections.next;

    while (node != &sim->connections) {
        struct connection *c = LIST_ENTRY(node, struct connection, link);
        bool dies[2];
        node = node->next;
        for (unsigned i = 0; i < 2; i++)
            dies[i] = c->ends[i].open && c->ends[i].base.socket.io;
        c->uses++;
        for (unsigned i = 0; i < 2; i++)
            if (dies[i])
                end_kill(&c->ends[i]);
        connection_unuse(c);
    }
    while ((node = list_pop_front(&sim->listeners)))
        mem_free(LIST_ENTRY(node, struct listener, link));
}

void sim_break_connections(struct sim *sim)
{
    LIST_EACH (node, &sim->connections) {
        struct connection *c = LIST_ENTRY(node, struct connection, link);
        end_fail(&c->ends[0], ECONNRESET);
        end_fail(&c->ends[1], ECONNRESET);
    }
}

/* --- clients --- */

static struct end *client_end(const struct sim_client *client)
{
    union {
        const struct sim_client *handle;
        struct end *end;
    } same = {.handle = client}; /* the handle of an end that has no io */

    return same.end;
}

struct sim_client *sim_connect(struct sim *sim, uint16_t port)
{
    struct connection *c;

    if (!find_listener(sim, port))
        return NULL;
    c = connection_new(sim);
    end_open(&c->ends[0], NULL);
    packet_send(&c->ends[0], (struct packet){.kind = PACKET_OPEN, .port = port});
    return (struct sim_client *)(void *)&c->ends[0];
}

void sim_client_notify(struct sim_client *client, void (*notify)(void *context), void *context)
{
    struct end *end = client_end(client);

    end->notify = notify;
    end->context = context;
}

void sim_client_send(struct sim_client *client, const void *bytes, size_t size)
{
    struct end *end = client_end(client);

    ASSERT(!end->ending);
    if (!size || end->failed)
        return;
    memcpy(pipe_room(&end->connection->pipes[side_of(end)], size), bytes, size);
    pipe_put(end, size);
}

struct bytes_view sim_client_received(const struct sim_client *client)
{
    const struct pipe *pipe = &client_end(client)->connection->pipes[1];

    if (!pipe->bytes)
        return (struct bytes_view){NULL, 0};
    return (struct bytes_view){pipe->bytes + pipe->start, pipe->arrived - pipe->start};
}

void sim_client_take(struct sim_client *client, size_t size)
{
    ASSERT(size <= sim_client_received(client).size);
    taken(client_end(client), size);
}

enum sim_client_state sim_client_state(const struct sim_client *client)
{
    const struct end *end = client_end(client);

    if (end->failed)
        return SIM_CLIENT_RESET;
    return end->connection->pipes[1].ended ? SIM_CLIENT_ENDED : SIM_CLIENT_OPEN;
}

struct wait {
    const struct sim_client *client;
    size_t size;
};

static bool wait_is_over(void *context)
{
    const struct wait *wait = context;

    return sim_client_received(wait->client).size >= wait->size || sim_client_state(wait->client) != SIM_CLIENT_OPEN;
}

bool sim_client_wait(struct sim_client *client, size_t size, uint64_t us)
{
    struct wait wait = {client, size};

    return sim_run_until(client_end(client)->connection->sim, wait_is_over, &wait, us) && sim_client_received(client).size >= size;
}

void sim_client_end(struct sim_client *client)
{
    end_sending(client_end(client));
}

void sim_client_reset(struct sim_client *client)
{
    end_reset(client_end(client));
}

void sim_client_close(struct sim_client *client)
{
    end_close(client_end(client));
}

void sim_client_vanish(struct sim_client *client)
{
    struct end *end = client_end(client);

    end->vanished = true;
    end->open = false;
    connection_unuse(end->connection);
}
