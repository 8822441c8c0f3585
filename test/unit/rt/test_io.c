/* SPDX-License-Identifier: Apache-2.0
 * Sockets in both worlds: an echo of many sizes, pieces of memory and files, back pressure, ends and failures, cancelling, the
 * buffer budget, several shards on one port.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "rt/fs_backend.h"
#include "rt/io_backend.h"
#include "worlds.h"

/* The scenario at hand: one listener, and what its connections do. */
static struct {
    struct io_socket *listener;
    struct io_op accept;
    uint16_t port;
    void (*accepted)(struct shard *here, struct io_socket *socket);
} server;

static void on_accept(struct shard *here, struct io_op *op)
{
    struct io_socket *socket = op->socket;
    char address[IO_ADDRESS_SIZE];

    ASSERT(op->result == 0 || op->result == -ECANCELED);
    if (op->result)
        return;
    io_peer_address(socket, address);
    ASSERT(strcmp(address, "127.0.0.1") == 0);
    io_accept(shard_io(here), server.listener, op); /* first: what follows may close the listener */
    server.accepted(here, socket);
}

static void serve(struct shard *shard, void (*accepted)(struct shard *here, struct io_socket *socket))
{
    struct err err;

    server.accepted = accepted;
    ASSERT(io_listen(shard_io(shard), "127.0.0.1", 0, &server.listener, &server.port, &err) == STATUS_OK);
    ASSERT(server.port > 0);
    server.accept.done = on_accept;
    io_accept(shard_io(shard), server.listener, &server.accept);
}

static void stop_serving(struct shard *here)
{
    io_close(shard_io(here), server.listener, NULL);
    ASSERT(shard_io(here)->buffers_used == 0);
    rt_stop(here);
}

/* --- echo --- */

enum { CLIENTS = 20, ROUNDS = 30, ECHO_MAX = 300000 };

struct echo { /* a server's connection: sends back what it gets, piece by piece */
    struct io_socket *socket;
    struct io_op recv, send;
    struct io_piece piece;
};

static void echo_recv(struct shard *here, struct io_op *op);

static void echo_send(struct shard *here, struct io_op *op)
{
    struct echo *e = LIST_ENTRY(op, struct echo, send);

    ASSERT(op->result == (int64_t)e->piece.size);
    io_buffer_unref(e->recv.buffer);
    io_recv(shard_io(here), e->socket, &e->recv, IO_BUFFER_SIZE);
}

static void echo_recv(struct shard *here, struct io_op *op)
{
    struct echo *e = LIST_ENTRY(op, struct echo, recv);

    ASSERT(op->result >= 0 && op->socket == e->socket);
    if (op->result == 0) {
        ASSERT(!op->buffer);
        io_close(shard_io(here), e->socket, NULL);
        mem_free(e);
        return;
    }
    e->piece = (struct io_piece){.data = op->buffer->data, .size = (size_t)op->result};
    io_send(shard_io(here), e->socket, &e->send, &e->piece, 1);
}

static void echo_accepted(struct shard *here, struct io_socket *socket)
{
    struct echo *e = mem_alloc(1, sizeof *e);

    e->socket = socket;
    e->recv.done = echo_recv;
    e->send.done = echo_send;
    io_recv(shard_io(here), socket, &e->recv, IO_BUFFER_SIZE);
}

struct client { /* sends rounds of random bytes and expects them back */
    struct io_socket *socket;
    struct io_op send, recv;
    struct io_piece piece;
    unsigned rounds;
    size_t got;
    bool sent;
    uint8_t *out, *in;
};

static unsigned clients_left;

static void client_round(struct shard *here, struct client *c)
{
    static const size_t sizes[] = {1, 100, 5000, IO_BUFFER_SIZE, ECHO_MAX};

    c->piece = (struct io_piece){.data = c->out, .size = sizes[shard_random(here) % 5]};
    for (size_t i = 0; i < c->piece.size; i++)
        c->out[i] = (uint8_t)(i * 31 + c->rounds);
    c->got = 0;
    c->sent = false;
    io_send(shard_io(here), c->socket, &c->send, &c->piece, 1);
    io_recv_into(shard_io(here), c->socket, &c->recv, c->in, ECHO_MAX);
}

static void client_next(struct shard *here, struct client *c)
{
    if (!c->sent || c->got < c->piece.size)
        return;
    ASSERT(memcmp(c->in, c->out, c->got) == 0);
    if (++c->rounds < ROUNDS) {
        client_round(here, c);
        return;
    }
    io_close(shard_io(here), c->socket, NULL);
    mem_free(c->out);
    mem_free(c->in);
    mem_free(c);
    clients_left--;
}

static void client_sent(struct shard *here, struct io_op *op)
{
    struct client *c = LIST_ENTRY(op, struct client, send);

    ASSERT(op->result == (int64_t)c->piece.size);
    c->sent = true;
    client_next(here, c);
}

static void client_got(struct shard *here, struct io_op *op)
{
    struct client *c = LIST_ENTRY(op, struct client, recv);

    ASSERT(op->result > 0 && !op->buffer);
    c->got += (size_t)op->result;
    if (c->got < c->piece.size)
        io_recv_into(shard_io(here), c->socket, op, c->in + c->got, ECHO_MAX - c->got);
    client_next(here, c);
}

static void client_connected(struct shard *here, struct io_op *op)
{
    struct client *c = LIST_ENTRY(op, struct client, recv);

    ASSERT(op->result == 0);
    c->socket = op->socket;
    c->recv.done = client_got;
    client_round(here, c);
}

/* Stops when nothing is left: the server has seen each end and holds no buffer. */
static void watch_clients(struct shard *here, struct timer *timer)
{
    if (clients_left || shard_io(here)->buffers_used)
        timer_set(here, timer, shard_now_ms(here) + 5, watch_clients);
    else
        stop_serving(here);
}

static struct timer watch;

static void start_echo(struct shard *shard, void *context)
{
    serve(shard, echo_accepted);
    clients_left = CLIENTS;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = mem_alloc(1, sizeof *c);
        c->out = mem_alloc(ECHO_MAX, 1);
        c->in = mem_alloc(ECHO_MAX, 1);
        c->send.done = client_sent;
        c->recv.done = client_connected;
        io_connect(shard_io(shard), "127.0.0.1", server.port, &c->recv);
    }
    timer_set(shard, &watch, shard_now_ms(shard) + 50, watch_clients);
}

static void test_echo(void **state)
{
    run_scenario(state, &(struct scenario){.shards = 1, .buffer_budget = 1 << 24, .start = start_echo});
    assert_int_equal(clients_left, 0);
}

/* --- a pair of connections, one of each side, for what follows --- */

static struct {
    struct io_socket *here, *there; /* the client's end, the server's */
    struct io_op connect;
    void (*ready)(struct shard *shard);
} pair;

static void pair_complete(struct shard *shard)
{
    if (pair.here && pair.there)
        pair.ready(shard);
}

static void pair_accepted(struct shard *shard, struct io_socket *socket)
{
    pair.there = socket;
    pair_complete(shard);
}

static void pair_connected(struct shard *shard, struct io_op *op)
{
    ASSERT(op->result == 0);
    pair.here = op->socket;
    pair_complete(shard);
}

static void start_pair(struct shard *shard, void (*ready)(struct shard *shard))
{
    memset(&pair, 0, sizeof pair);
    pair.ready = ready;
    pair.connect.done = pair_connected;
    serve(shard, pair_accepted);
    io_connect(shard_io(shard), "localhost", server.port, &pair.connect);
}

static void end_pair(struct shard *shard)
{
    if (pair.here)
        io_close(shard_io(shard), pair.here, NULL);
    if (pair.there)
        io_close(shard_io(shard), pair.there, NULL);
    stop_serving(shard);
}

static struct io_op op_here, op_there, op_close;
static char text_in[4096];
static size_t text_in_size;

/* --- pieces --- */

static struct file *piece_file;
static struct io_piece pieces[200];
static char expected[4096];

static void pieces_received(struct shard *shard, struct io_op *op)
{
    ASSERT(op->result > 0);
    text_in_size += (size_t)op->result;
    if (text_in_size < strlen(expected)) {
        io_recv_into(shard_io(shard), pair.there, &op_there, text_in + text_in_size, sizeof text_in - text_in_size);
        return;
    }
    end_pair(shard);
}

static void pieces_sent(struct shard *shard, struct io_op *op)
{
    ASSERT(op->result == (int64_t)strlen(expected));
}

static void pieces_ready(struct shard *shard)
{
    unsigned n = 0;

    memset(expected, 0, sizeof expected);
    pieces[n++] = (struct io_piece){.data = "", .size = 0};
    for (unsigned i = 0; i < 150; i++) { /* more than one call takes */
        pieces[n++] = (struct io_piece){.data = "ab", .size = 2};
        (void)snprintf(expected + strlen(expected), 8, "ab");
    }
    pieces[n++] = (struct io_piece){.file = piece_file, .offset = 2, .size = 3};
    pieces[n++] = (struct io_piece){.file = piece_file, .offset = 0, .size = 0};
    pieces[n++] = (struct io_piece){.data = "xyz", .size = 3};
    pieces[n++] = (struct io_piece){.file = piece_file, .offset = 9, .size = 1};
    (void)snprintf(expected + strlen(expected), 16, "234xyz9");
    op_here.done = pieces_sent;
    op_there.done = pieces_received;
    text_in_size = 0;
    io_send(shard_io(shard), pair.here, &op_here, pieces, n);
    io_recv_into(shard_io(shard), pair.there, &op_there, text_in, sizeof text_in);
}

static void start_pieces(struct shard *shard, void *context)
{
    start_pair(shard, pieces_ready);
}

static struct file *ten_digits(struct fs *fs, const char *path)
{
    struct bytes_view digits = {(const uint8_t *)"0123456789", 10};
    struct file *file;
    struct err err;

    assert_int_equal(fs_open(fs, path, FS_CREATE, &file, &err), STATUS_OK);
    assert_int_equal(file_write(file, 0, &digits, 1, &err), STATUS_OK);
    return file;
}

static void test_pieces(void **state)
{
    char path[] = "/tmp/barnabas-test-XXXXXX";
    struct fs *mem = fs_mem_new(), *posix = fs_posix_new();
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    for (unsigned i = 0; i < 2; i++) { /* by sendfile, and from a file that has no descriptor */
        piece_file = i ? ten_digits(mem, "f") : ten_digits(posix, path);
        run_scenario(state, &(struct scenario){.shards = 1, .buffer_budget = 1 << 20, .start = start_pieces});
        assert_int_equal(text_in_size, strlen(expected));
        assert_memory_equal(text_in, expected, text_in_size);
        file_unref(piece_file);
    }
    unlink(path);
    fs_free(mem);
    fs_free(posix);
}

/* --- a file that is shorter than promised fails the connection --- */

static void short_sent(struct shard *shard, struct io_op *op)
{
    ASSERT(op->result == -EIO);
    end_pair(shard);
}

static void short_ready(struct shard *shard)
{
    pieces[0] = (struct io_piece){.file = piece_file, .offset = 5, .size = 100};
    op_here.done = short_sent;
    io_send(shard_io(shard), pair.here, &op_here, pieces, 1);
}

static void start_short(struct shard *shard, void *context)
{
    start_pair(shard, short_ready);
}

static void test_a_file_that_is_too_short(void **state)
{
    struct fs *mem = fs_mem_new();

    piece_file = ten_digits(mem, "f");
    run_scenario(state, &(struct scenario){.shards = 1, .buffer_budget = 1 << 20, .start = start_short});
    file_unref(piece_file);
    fs_free(mem);
}

/* --- a file that is not in the page cache is read by jobs; the connection may close meanwhile --- */

enum { COLD = 3 * 1024 * 1024 + 5 };

static size_t cold_got;
static bool cold_close;

static void cold_received(struct shard *shard, struct io_op *op)
{
    ASSERT(op->result > 0);
    for (size_t i = 0; i < (size_t)op->result; i++)
        ASSERT(op->buffer->data[i] == (uint8_t)((cold_got + i) % 251));
    cold_got += (size_t)op->result;
    io_buffer_unref(op->buffer);
    if (cold_got < COLD)
        io_recv(shard_io(shard), pair.there, &op_there, IO_BUFFER_SIZE);
    else
        end_pair(shard);
}

static void cold_sent(struct shard *shard, struct io_op *op)
{
    ASSERT(op->result == COLD || op->result == -ECANCELED);
    if (cold_close)
        end_pair(shard);
}

static void cold_ready(struct shard *shard)
{
    cold_got = 0;
    pieces[0] = (struct io_piece){.file = piece_file, .size = COLD};
    op_here.done = cold_sent;
    op_there.done = cold_received;
    io_send(shard_io(shard), pair.here, &op_here, pieces, 1);
    if (cold_close) {
        io_close(shard_io(shard), pair.here, NULL);
        pair.here = NULL;
    } else {
        io_recv(shard_io(shard), pair.there, &op_there, IO_BUFFER_SIZE);
    }
}

static void start_cold(struct shard *shard, void *context)
{
    start_pair(shard, cold_ready);
}

static void test_a_cold_file(void **state)
{
    char path[] = "/tmp/barnabas-test-XXXXXX";
    struct fs *posix = fs_posix_new();
    uint8_t *bytes = mem_alloc(COLD, 1);
    struct err err;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    for (size_t i = 0; i < COLD; i++)
        bytes[i] = (uint8_t)(i % 251);
    assert_int_equal(fs_open(posix, path, FS_WRITE, &piece_file, &err), STATUS_OK);
    assert_int_equal(file_write(piece_file, 0, &(struct bytes_view){bytes, COLD}, 1, &err), STATUS_OK);
    assert_int_equal(file_sync(piece_file, &err), STATUS_OK);
    assert_int_equal(file_cached(piece_file, 0, COLD), COLD);
    for (unsigned i = 0; i < 2; i++) {
        cold_close = i;
        assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0); /* advice: on tmpfs it stays cached */
        run_scenario(state, &(struct scenario){.shards = 1, .buffer_budget = 1 << 20, .start = start_cold});
    }
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    fs_posix__warm(piece_file, 0, COLD);
    assert_int_equal(file_cached(piece_file, 0, COLD), COLD);
    close(fd);
    unlink(path);
    file_unref(piece_file);
    mem_free(bytes);
    fs_free(posix);
}

/* --- back pressure: a send waits until the peer reads --- */

enum { LARGE = 32 * 1024 * 1024 };

static uint8_t *large;
static size_t large_got;
static bool large_sent;
static struct timer later;

static void large_received(struct shard *shard, struct io_op *op)
{
    ASSERT(op->result > 0);
    for (size_t i = 0; i < (size_t)op->result; i += 997)
        ASSERT(op->buffer->data[i] == (uint8_t)((large_got + i) >> 8));
    large_got += (size_t)op->result;
    io_buffer_unref(op->buffer);
    if (large_got < LARGE)
        io_recv(shard_io(shard), pair.there, &op_there, IO_BUFFER_SIZE);
    else if (large_sent)
        end_pair(shard);
}

static void large_was_sent(struct shard *shard, struct io_op *op)
{
    ASSERT(op->result == LARGE && large_got > 0);
    large_sent = true;
    if (large_got == LARGE)
        end_pair(shard);
}

static void begin_to_read(struct shard *shard, struct timer *timer)
{
    ASSERT(!large_sent); /* it has waited */
    op_there.done = large_received;
    io_recv(shard_io(shard), pair.there, &op_there, IO_BUFFER_SIZE);
}

static void large_ready(struct shard *shard)
{
    pieces[0] = (struct io_piece){.data = large, .size = LARGE};
    op_here.done = large_was_sent;
    io_send(shard_io(shard), pair.here, &op_here, pieces, 1);
    timer_set(shard, &later, shard_now_ms(shard) + 20, begin_to_read);
}

static void start_large(struct shard *shard, void *context)
{
    start_pair(shard, large_ready);
}

static void test_back_pressure(void **state)
{
    large = mem_alloc(LARGE, 1);
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (uint8_t)(i >> 8);
    large_got = 0;
    large_sent = false;
    run_scenario(state, &(struct scenario){.shards = 1, .buffer_budget = 1 << 20, .start = start_large});
    assert_int_equal(large_got, LARGE);
    mem_free(large);
}

/* --- closing cancels what is outstanding, first; an idle connection holds no buffer --- */

static char closing[64];

static void closing_note(struct shard *shard, const struct io_op *op, const char *what)
{
    size_t size = strlen(closing);

    (void)snprintf(closing + size, sizeof closing - size, "%s%d ", what, (int)op->result);
}

static void closing_recv(struct shard *shard, struct io_op *op)
{
    closing_note(shard, op, "recv");
}

static void closing_send(struct shard *shard, struct io_op *op)
{
    closing_note(shard, op, "send");
}

static void closed(struct shard *shard, struct io_op *op)
{
    closing_note(shard, op, "close");
    pair.here = NULL;
    end_pair(shard);
}

static void close_it(struct shard *shard, struct timer *timer)
{
    ASSERT(shard_io(shard)->buffers_used == 0);
    op_close.done = closed;
    io_close(shard_io(shard), pair.here, &op_close);
    ASSERT(!*closing); /* never inside the call */
}

static void closing_ready(struct shard *shard)
{
    pieces[0] = (struct io_piece){.data = large, .size = LARGE};
    op_here.done = closing_recv;
    op_there.done = closing_send;
    io_recv(shard_io(shard), pair.here, &op_here, IO_BUFFER_SIZE);
    io_send(shard_io(shard), pair.here, &op_there, pieces, 1);
    timer_set(shard, &later, shard_now_ms(shard) + 10, close_it);
}

static void start_closing(struct shard *shard, void *context)
{
    start_pair(shard, closing_ready);
}

static void test_closing_cancels(void **state)
{
    char wanted[64];

    large = mem_alloc(LARGE, 1);
    memset(closing, 0, sizeof closing);
    run_scenario(state, &(struct scenario){.shards = 1, .buffer_budget = 1 << 20, .start = start_closing});
    (void)snprintf(wanted, sizeof wanted, "recv%d send%d close0 ", -ECANCELED, -ECANCELED);
    assert_string_equal(closing, wanted);
    mem_free(large);
}

/* --- the peer's end, with data before it --- */

static void end_received(struct shard *shard, struct io_op *op)
{
    ASSERT(op->result >= 0);
    text_in_size += (size_t)op->result;
    if (op->result)
        io_recv_into(shard_io(shard), pair.there, &op_there, text_in, sizeof text_in);
    else
        end_pair(shard);
}

static void end_sent(struct shard *shard, struct io_op *op)
{
    ASSERT(op->result == 3);
    io_close(shard_io(shard), pair.here, NULL);
    pair.here = NULL;
}

static void read_to_the_end(struct shard *shard, struct timer *timer)
{
    io_recv_into(shard_io(shard), pair.there, &op_there, text_in, sizeof text_in);
}

static void end_ready(struct shard *shard)
{
    text_in_size = 0;
    pieces[0] = (struct io_piece){.data = "end", .size = 3};
    op_here.done = end_sent;
    op_there.done = end_received;
    io_send(shard_io(shard), pair.here, &op_here, pieces, 1);
    timer_set(shard, &later, shard_now_ms(shard) + 10, read_to_the_end); /* data and end are both there: one edge for two */
}

static void start_end(struct shard *shard, void *context)
{
    start_pair(shard, end_ready);
}

static void test_data_before_the_end(void **state)
{
    run_scenario(state, &(struct scenario){.shards = 1, .buffer_budget = 1 << 20, .start = start_end});
    assert_int_equal(text_in_size, 3);
}

/* --- a budget that is spent --- */

static struct io_buffer *hog;

static void budget_received(struct shard *shard, struct io_op *op)
{
    if (hog) {
        ASSERT(op->result == -ENOMEM && !op->buffer);
        io_buffer_unref(hog);
        hog = NULL;
        io_recv(shard_io(shard), pair.there, &op_there, IO_BUFFER_SIZE); /* nothing was lost */
        return;
    }
    ASSERT(op->result == 3 && memcmp(op->buffer->data, "abc", 3) == 0);
    io_buffer_unref(op->buffer);
    end_pair(shard);
}

static void budget_sent(struct shard *shard, struct io_op *op)
{
    ASSERT(op->result == 3);
}

static void budget_ready(struct shard *shard)
{
    struct io *io = shard_io(shard);

    ASSERT(!io_buffer_new(io, 3 * IO_BUFFER_SIZE));
    hog = io_buffer_new(io, 2 * IO_BUFFER_SIZE); /* all of it */
    ASSERT(hog && hog->size == 2 * IO_BUFFER_SIZE && !io_buffer_new(io, 1));
    pieces[0] = (struct io_piece){.data = "abc", .size = 3};
    op_here.done = budget_sent;
    op_there.done = budget_received;
    io_send(io, pair.here, &op_here, pieces, 1);
    io_recv(io, pair.there, &op_there, IO_BUFFER_SIZE);
}

static void start_budget(struct shard *shard, void *context)
{
    start_pair(shard, budget_ready);
}

static void test_a_budget_that_is_spent(void **state)
{
    run_scenario(state, &(struct scenario){.shards = 1, .buffer_budget = 2 * IO_BUFFER_SIZE, .start = start_budget});
    assert_null(hog);
}

/* --- nobody listens --- */

static void refused(struct shard *shard, struct io_op *op)
{
    ASSERT(op->result == -ECONNREFUSED && !op->socket);
    rt_stop(shard);
}

static void start_refused(struct shard *shard, void *context)
{
    serve(shard, pair_accepted);
    io_close(shard_io(shard), server.listener, NULL); /* its port is free now */
    op_here.done = refused;
    io_connect(shard_io(shard), "127.0.0.1", server.port, &op_here);
}

static void test_nobody_listens(void **state)
{
    run_scenario(state, &(struct scenario){.shards = 1, .start = start_refused});
}

static void start_twice(struct shard *shard, void *context)
{
    struct io_socket *listener;
    struct err err;

    ASSERT(io_listen(shard_io(shard), "256.1.1.1", 1, &listener, &server.port, &err) == STATUS_IO);
    ASSERT(strstr(err.text, "listen on 256.1.1.1"));
    rt_stop(shard);
}

static void test_listening_nowhere(void **state)
{
    run_scenario(state, &(struct scenario){.shards = 1, .start = start_twice});
}

/* --- descriptors run out: the connection is accepted when there are some again --- */

static struct rlimit files_before;
static bool stop_while_out;

static void out_ready(struct shard *shard)
{
    ASSERT(getrlimit(RLIMIT_NOFILE, &files_before) == 0 && files_before.rlim_cur > 10);
    end_pair(shard);
}

static void files_again(struct shard *shard, struct timer *timer)
{
    ASSERT(!pair.there);
    ASSERT(setrlimit(RLIMIT_NOFILE, &files_before) == 0);
    if (stop_while_out)
        rt_stop(shard); /* the listener still pauses */
}

static void start_out_of_files(struct shard *shard, void *context)
{
    struct rlimit none = files_before;
    int next;

    start_pair(shard, out_ready);
    next = dup(STDERR_FILENO); /* what the next descriptor would be */
    close(next);
    none.rlim_cur = (rlim_t)next;
    ASSERT(setrlimit(RLIMIT_NOFILE, &none) == 0);
    timer_set(shard, &later, shard_now_ms(shard) + 30, files_again);
}

static void test_descriptors_run_out(void **state)
{
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files_before), 0);
    for (unsigned i = 0; i < 2; i++) {
        stop_while_out = i;
        run_scenario(state, &(struct scenario){.shards = 1, .buffer_budget = 1 << 20, .start = start_out_of_files});
        assert_true(stop_while_out || pair.there);
    }
}

/* --- several shards on one port --- */

enum { PORT_SHARDS = 3, PORT_CONNECTIONS = 60 };

static struct port_shard {
    struct io_socket *listener;
    struct io_op accept;
    struct mail accepted;
    unsigned count;
} port_shards[PORT_SHARDS];
static unsigned port_accepted, port_listening;
static struct io_op port_connects[PORT_CONNECTIONS];
static struct mail port_listens[PORT_SHARDS];

static void port_connected(struct shard *shard, struct io_op *op)
{
    ASSERT(op->result == 0); /* the end of the run closes it */
}

static void one_more_listens(struct shard *shard, struct mail *mail)
{
    if (++port_listening < PORT_SHARDS)
        return;
    for (unsigned i = 0; i < PORT_CONNECTIONS; i++) {
        port_connects[i].done = port_connected;
        io_connect(shard_io(shard), "127.0.0.1", server.port, &port_connects[i]);
    }
}

static void accept_next(struct shard *shard, struct mail *mail)
{
    struct port_shard *p = LIST_ENTRY(mail, struct port_shard, accepted);

    io_accept(shard_io(shard), p->listener, &p->accept);
}

static void told(struct shard *shard, struct mail *mail)
{
    struct port_shard *p = LIST_ENTRY(mail, struct port_shard, accepted);

    if (++port_accepted == PORT_CONNECTIONS)
        rt_stop(shard);
    p->accepted.run = accept_next;
    shard_post(shard, shard_peer(shard, (unsigned)(p - port_shards)), &p->accepted);
}

static void port_accept(struct shard *shard, struct io_op *op)
{
    struct port_shard *p = &port_shards[shard_id(shard)];

    ASSERT(op->result == 0);
    p->count++;
    p->accepted.run = told;
    shard_post(shard, shard_peer(shard, 0), &p->accepted);
}

static void start_port(struct shard *shard, void *context)
{
    unsigned id = shard_id(shard);
    struct port_shard *p = &port_shards[id];
    uint16_t bound;
    struct err err;

    if (id == 0)
        server.port = 0;
    ASSERT(io_listen(shard_io(shard), "127.0.0.1", server.port, &p->listener, &bound, &err) == STATUS_OK);
    if (id == 0)
        server.port = bound;
    ASSERT(bound == server.port);
    p->accept.done = port_accept;
    io_accept(shard_io(shard), p->listener, &p->accept);
    port_listens[id].run = one_more_listens;
    shard_post(shard, shard_peer(shard, 0), &port_listens[id]);
}

static void test_shards_share_a_port(void **state)
{
    unsigned total = 0;

    memset(port_shards, 0, sizeof port_shards);
    port_accepted = port_listening = 0;
    run_scenario(state, &(struct scenario){.shards = PORT_SHARDS, .start = start_port});
    for (unsigned i = 0; i < PORT_SHARDS; i++) {
        assert_true(port_shards[i].count > 0);
        total += port_shards[i].count;
    }
    assert_int_equal(total, PORT_CONNECTIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH_WORLDS(test_echo),
        IN_BOTH_WORLDS(test_pieces),
        IN_BOTH_WORLDS(test_a_file_that_is_too_short),
        IN_BOTH_WORLDS(test_a_cold_file),
        IN_BOTH_WORLDS(test_back_pressure),
        IN_BOTH_WORLDS(test_closing_cancels),
        IN_BOTH_WORLDS(test_data_before_the_end),
        IN_BOTH_WORLDS(test_a_budget_that_is_spent),
        IN_BOTH_WORLDS(test_nobody_listens),
        {"test_listening_nowhere (real)", test_listening_nowhere, NULL, NULL, &world_real},
        {"test_descriptors_run_out (real)", test_descriptors_run_out, NULL, NULL, &world_real},
        IN_BOTH_WORLDS(test_shards_share_a_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
