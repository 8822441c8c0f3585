/* SPDX-License-Identifier: Apache-2.0
 * io.h over epoll: completions made of readiness.
 *
 * Each socket is registered once, edge-triggered, for all it may ever wait for; from then on epoll costs no call but the wait. The socket
 * remembers what the kernel last said of it:
 *   readable  a receive (or accept) may find something: try it before waiting
 *   writable  a send may find room
 *   ended     the peer closed its side: data that is read short may still be followed by the end, for which no edge comes
 * An operation is tried at once and only left to wait when the kernel says EAGAIN. A receive that got less than it asked for has drained
 * the socket (epoll(7)), so the next one does not try in vain: a request and its answer cost one recv, one send and a share of one wait.
 *
 * A receive takes its buffer when the socket is readable and gives it back on EAGAIN, so an idle connection holds none.
 * A small range of a file that is cached leaves with the bytes before and after it, in one call. A larger one is sent by sendfile, in
 * chunks that are probed first: one that is not in the page cache is read by a job (struct warming), and
 * the send goes on when that is done. So a reader of old data does not hold up its shard.
 *
 * Nothing here runs a completion: the kernel's events only change sockets and fill io->completed. So a socket may be freed
 * at once when it is closed: no event of it can still be in hand.
 */
#include "rt/io_epoll.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "rt/fs_backend.h"
#include "rt/io_backend.h"
#include "rt/jobs.h"
#include "rt/uring.h"

enum {
    EVENTS_MAX = 256,        /* of one wait */
    PIECES_MAX = 64,         /* of one sendmsg */
    BOUNCE_SIZE = 16 * 1024, /* for ranges of files that are copied */
    FILE_CHUNK = 256 * 1024, /* that is probed and sent at once */
    BACKLOG = 1024,
    ACCEPT_PAUSE_MS = 100, /* when descriptors or memory have run out */
};

struct epoll_io {
    struct io io;
    int epoll, wake;
    struct epoll_source wake_source;
    struct jobs *jobs;
    struct uring *uring; /* NULL: the kernel gives none */
    struct epoll_source uring_source;
    struct list sockets, warmings;
};

/* A chunk on its way into the page cache. Its socket may be closed meanwhile. */
struct warming {
    struct io_job job;
    struct list link; /* epoll_io.warmings */
    struct epoll_socket *socket; /* NULL: closed */
    struct file *file;           /* counted */
    uint64_t offset;
    size_t size;
};

struct epoll_socket {
    struct io_socket socket;
    struct epoll_source source;
    struct list link; /* epoll_io.sockets */
    int fd;
    int failed; /* the errno of the first failure: every later operation's */
    bool readable, writable, ended;
    bool warmed; /* the next chunk of a file was just read: it is not probed again */
    struct io_op *recv, *send;       /* outstanding; a listener's accept is its recv, a connect is the new socket's send */
    void (*try_recv)(struct epoll_socket *s); /* accept, or receive */
    void (*try_send)(struct epoll_socket *s); /* finish connecting, or send */
    struct warming *warming;         /* its send waits for this */
    struct timer pause;              /* of a listener */
};

static const struct io_backend epoll_backend;

static struct epoll_io *epoll_of(struct io *io)
{
    return (struct epoll_io *)(void *)io;
}

static struct epoll_socket *socket_of(struct io_socket *socket)
{
    return (struct epoll_socket *)(void *)socket;
}

/* --- sockets --- */

static void recv_completed(struct epoll_socket *s, int64_t result)
{
    struct io_op *op = s->recv;

    s->recv = NULL;
    io__complete(s->socket.io, op, result);
}

static void send_completed(struct epoll_socket *s, int64_t result)
{
    struct io_op *op = s->send;

    s->send = NULL;
    s->warmed = false;
    io__complete(s->socket.io, op, result);
}

static void socket_ready(struct epoll_source *source, uint32_t events)
{
    struct epoll_socket *s = LIST_ENTRY(source, struct epoll_socket, source);

    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        s->ended = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        s->readable = true;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        s->writable = true;
    if (s->recv && s->readable)
        s->try_recv(s);
    if (s->send && s->writable && !s->warming)
        s->try_send(s);
}

static void try_recv(struct epoll_socket *s);
static void try_send(struct epoll_socket *s);

static struct epoll_socket *socket_alloc(struct io *io)
{
    struct mem_user *user = mem_enter(&io->sockets);
    struct epoll_socket *s = mem_alloc(1, sizeof *s);

    (void)mem_enter(user);
    return s;
}

static void socket_free(struct io *io, struct epoll_socket *s)
{
    struct mem_user *user = mem_enter(&io->sockets);

    mem_free(s);
    (void)mem_enter(user);
}

/* Takes over fd, also on failure. 0 or an errno. */
static int socket_new(struct epoll_io *io, int fd, struct epoll_socket **out)
{
    struct epoll_socket *s = socket_alloc(&io->io);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    int failed = 0;

    if (!s) {
        close(fd);
        return ENOMEM;
    }
    s->socket.io = &io->io;
    s->source.ready = socket_ready;
    s->fd = fd;
    s->try_recv = try_recv;
    s->try_send = try_send;
    event.data.ptr = &s->source;
    if (epoll_ctl(io->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        failed = errno;
        close(fd);
        socket_free(&io->io, s);
        return failed;
    }
    list_push_back(&io->sockets, &s->link);
    *out = s;
    return 0;
}

static void epoll_close(struct io_socket *socket)
{
    struct epoll_socket *s = socket_of(socket);

    if (s->recv)
        recv_completed(s, -ECANCELED);
    if (s->send)
        send_completed(s, -ECANCELED);
    if (s->warming)
        s->warming->socket = NULL;
    if (s->pause.armed)
        timer_cancel(socket->io->shard, &s->pause);
    list_remove(&s->link);
    close(s->fd); /* and epoll forgets it: the descriptor is never duplicated */
    socket_free(socket->io, s);
}

static void address_format(const struct sockaddr_storage *address, char text[static IO_ADDRESS_SIZE])
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, text, IO_ADDRESS_SIZE);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
            inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, text, IO_ADDRESS_SIZE);
        else
            inet_ntop(AF_INET6, &in6->sin6_addr, text, IO_ADDRESS_SIZE);
    }
}

/* --- listening --- */

/* A bound and listening descriptor, or -1 and errno. The first shard's bind fails when anybody listens there, another broker of the same user
 * too: it shares the port only from then on, with the shards that come after it. */
static int listen_on(const struct sockaddr *address, socklen_t size, bool first)
{
    const int yes = 1, no = 0;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), failed;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        (first || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) == 0) &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0 && /* accepted sockets inherit it */
        (address->sa_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) == 0) &&
        bind(fd, address, size) == 0 && (!first || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) == 0) && listen(fd, BACKLOG) == 0)
        return fd;
    failed = errno;
    close(fd);
    errno = failed;
    return -1;
}

/* host NULL or "": everywhere, over IPv6 when the machine has it. */
static int listen_at(const char *host, uint16_t port, bool first, struct err *err)
{
    struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    char service[8];
    int fd = -1, failed;

    if (!host || !*host) {
        fd = listen_on((struct sockaddr *)&any6, sizeof any6, first);
        if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
            fd = listen_on((struct sockaddr *)&any, sizeof any, first);
        if (fd < 0)
            err_sys(err, STATUS_IO, errno, "listen on port %u", port);
        return fd;
    }
    (void)snprintf(service, sizeof service, "%u", port);
    failed = getaddrinfo(host, service, &hints, &found);
    if (failed) {
        err_set(err, STATUS_IO, "listen on %s: %s", host, gai_strerror(failed));
        return -1;
    }
    for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
        fd = listen_on(at->ai_addr, at->ai_addrlen, first);
    if (fd < 0)
        err_sys(err, STATUS_IO, errno, "listen on %s port %u", host, port);
    freeaddrinfo(found);
    return fd;
}

static void try_accept(struct epoll_socket *s);

static enum status epoll_listen(struct io *io, const char *host, uint16_t port, struct io_socket **listener, uint16_t *bound, struct err *err)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    struct epoll_socket *s;
    int fd = listen_at(host, port, shard_id(io->shard) == 0, err), failed;

    if (fd < 0)
        return err->status;
    getsockname(fd, (struct sockaddr *)&address, &size);
    failed = socket_new(epoll_of(io), fd, &s);
    if (failed)
        return err_sys(err, STATUS_IO, failed, "listen on port %u", port);
    s->try_recv = try_accept;
    s->readable = true;
    *listener = &s->socket;
    *bound = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port : ((struct sockaddr_in *)&address)->sin_port);
    return STATUS_OK;
}

static void accept_again(struct shard *here, struct timer *timer)
{
    struct epoll_socket *s = LIST_ENTRY(timer, struct epoll_socket, pause);

    if (s->recv)
        try_accept(s);
}

static bool accept_is_exhausted(int failed)
{
    return failed == EMFILE || failed == ENFILE || failed == ENOBUFS || failed == ENOMEM;
}

static void try_accept(struct epoll_socket *s)
{
    struct sockaddr_storage address = {0};
    struct io *io = s->socket.io;
    struct epoll_socket *connection;
    socklen_t size = sizeof address;
    int fd, failed;

    do { /* a connection that is already gone again says so here (ECONNABORTED and others): the next one */
        fd = accept4(s->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && errno != EAGAIN && errno != EBADF && errno != EINVAL && !accept_is_exhausted(errno));
    failed = fd < 0 ? errno : socket_new(epoll_of(io), fd, &connection);
    if (failed == EAGAIN) {
        s->readable = false;
    } else if (accept_is_exhausted(failed)) {
        timer_set(io->shard, &s->pause, shard_now_ms(io->shard) + ACCEPT_PAUSE_MS, accept_again);
    } else if (failed) {
        recv_completed(s, -failed);
    } else {
        connection->readable = connection->writable = true;
        address_format(&address, connection->socket.peer);
        s->recv->socket = &connection->socket;
        recv_completed(s, 0);
    }
}

static void epoll_accept(struct io_socket *listener, struct io_op *op)
{
    struct epoll_socket *s = socket_of(listener);

    ASSERT(!s->recv && s->try_recv == try_accept);
    s->recv = op;
    if (s->readable && !s->pause.armed)
        try_accept(s);
}

/* --- connecting --- */

static void try_connect(struct epoll_socket *s)
{
    socklen_t size = sizeof s->failed;

    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &s->failed, &size);
    s->try_send = try_send;
    if (!s->failed) {
        s->send->socket = &s->socket;
        send_completed(s, 0);
    } else {
        send_completed(s, -s->failed);
        epoll_close(&s->socket); /* nobody has it */
    }
}

static int connect_to(struct epoll_io *io, const struct addrinfo *to, struct io_op *op)
{
    const int yes = 1;
    struct epoll_socket *s;
    int failed, fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* for speed only */
    if (connect(fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS) {
        failed = errno;
        close(fd);
        return failed;
    }
    failed = socket_new(io, fd, &s);
    if (failed)
        return failed;
    address_format((const struct sockaddr_storage *)(const void *)to->ai_addr, s->socket.peer);
    s->send = op;
    s->try_send = try_connect;
    return 0;
}

/* A name (not an address) is looked up here and may take its time. */
static void epoll_connect(struct io *io, const char *host, uint16_t port, struct io_op *op)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    char service[8];
    int failed;

    (void)snprintf(service, sizeof service, "%u", port);
    failed = getaddrinfo(host, service, &hints, &found) ? EHOSTUNREACH : 0;
    if (!failed) {
        failed = connect_to(epoll_of(io), found, op);
        freeaddrinfo(found);
    }
    if (failed)
        io__complete(io, op, -failed);
}

/* --- receiving --- */

static void try_recv(struct epoll_socket *s)
{
    struct io_op *op = s->recv;
    struct io_buffer *buffer = NULL;
    void *to = op->to;
    ssize_t n;

    if (!to) {
        buffer = io_buffer_new(s->socket.io, op->size);
        if (!buffer) {
            recv_completed(s, -ENOMEM);
            return;
        }
        to = buffer->data;
    }
    n = recv(s->fd, to, op->size, 0);
    if (n > 0) {
        op->buffer = buffer;
        s->readable = (size_t)n == op->size || s->ended;
        recv_completed(s, n);
        return;
    }
    if (buffer)
        io_buffer_unref(buffer);
    if (n == 0) {
        recv_completed(s, 0);
    } else if (errno == EAGAIN) {
        s->readable = false;
    } else {
        s->failed = errno;
        recv_completed(s, -s->failed);
    }
}

static void epoll_recv(struct io_socket *socket, struct io_op *op)
{
    struct epoll_socket *s = socket_of(socket);

    ASSERT(!s->recv);
    s->recv = op;
    if (s->failed)
        recv_completed(s, -s->failed);
    else if (s->readable)
        try_recv(s);
}

/* --- sending --- */

/* Small ranges of a file are copied, when they are cached, so that they leave with what stands around them. Bytes copied; 0: not this way. */
static size_t copy_range(const struct io_piece *piece, size_t skip, uint8_t *to, size_t room)
{
    size_t left = piece->size - skip, got;
    struct err ignored;

    if (piece->file->fd >= 0)
        return left <= room && !file_read_cached(piece->file, piece->offset + skip, to, left, &got, &ignored) && got == left ? left : 0;
    return file_read(piece->file, piece->offset + skip, to, left < room ? left : room, &got, &ignored) == STATUS_OK ? got : 0;
}

/* NULL: it has to be read. */
static const uint8_t *piece_memory(const struct io_piece *piece)
{
    if (piece->data)
        return piece->data;
    return piece->file->backend->file_memory ? piece->file->backend->file_memory(piece->file, piece->offset, piece->size) : NULL;
}

/* The head of what is left, up to the first range that has to be sent by send_range, with one call: the pieces in memory as they are. Bytes
 * sent, or -1 and errno; 0: such a range comes first. */
static ssize_t send_gathered(const struct epoll_socket *s, const struct io_op *op)
{
    uint8_t bounce[BOUNCE_SIZE];
    struct iovec vec[PIECES_MAX];
    struct msghdr message = {.msg_iov = vec};
    size_t skip = op->progress, copied = 0;
    bool whole = true;
    unsigned n = 0;

    for (; whole && n < op->pieces_count && n < PIECES_MAX; n++, skip = 0) {
        const struct io_piece *piece = &op->pieces[n];
        size_t left = piece->size - skip;
        const uint8_t *memory = left ? piece_memory(piece) : NULL;
        if (memory || !left) {
            union {
                const void *in;
                void *out;
            } data = {.in = left ? memory + skip : NULL}; /* the kernel only reads it, but iovec has no const */
            vec[n] = (struct iovec){data.out, left};
        } else {
            size_t size = copy_range(piece, skip, bounce + copied, sizeof bounce - copied);
            if (!size)
                break;
            vec[n] = (struct iovec){bounce + copied, size};
            copied += size;
            whole = size == left;
        }
    }
    if (!n)
        return 0;
    message.msg_iovlen = n;
    return sendmsg(s->fd, &message, MSG_NOSIGNAL | (whole && n == op->pieces_count ? 0 : MSG_MORE));
}

/* --- files that are not in the page cache --- */

static void warming_free(struct warming *w)
{
    list_remove(&w->link);
    file_unref(w->file);
    mem_free(w);
}

static void warming_work(struct io_job *job)
{
    const struct warming *w = LIST_ENTRY(job, struct warming, job);

    fs_posix__warm(w->file, w->offset, w->size);
}

static void warming_done(struct shard *here, struct io_job *job)
{
    struct warming *w = LIST_ENTRY(job, struct warming, job);

    if (w->socket) {
        w->socket->warming = NULL;
        w->socket->warmed = true;
        try_send(w->socket);
    }
    warming_free(w);
}

/* Without memory for it the send reads the disk itself. */
static bool warming_start(struct epoll_socket *s, struct file *file, uint64_t offset, size_t size)
{
    struct epoll_io *io = epoll_of(s->socket.io);
    struct warming *w = mem_alloc(1, sizeof *w);

    if (!w)
        return false;
    w->job = (struct io_job){.work = warming_work, .done = warming_done};
    w->socket = s;
    w->file = file_ref(file);
    w->offset = offset;
    w->size = size;
    s->warming = w;
    list_push_back(&io->warmings, &w->link);
    jobs_submit(io->jobs, &w->job);
    return true;
}

/* A chunk of the range that comes first; 0: its file ended too early. EINPROGRESS: the send waits for the disk. */
static ssize_t send_range(struct epoll_socket *s, const struct io_op *op)
{
    const struct io_piece *piece = op->pieces;
    off_t offset = (off_t)(piece->offset + op->progress);
    size_t left = piece->size - op->progress, size = left < FILE_CHUNK ? left : FILE_CHUNK;

    if (piece->file->fd < 0)
        return 0;
    if (!s->warmed && file_cached(piece->file, (uint64_t)offset, size) < size && warming_start(s, piece->file, (uint64_t)offset, size)) {
        errno = EINPROGRESS;
        return -1;
    }
    s->warmed = false; /* once is enough, also where the cache cannot hold it */
    return sendfile(s->fd, piece->file->fd, &offset, size);
}

static void try_send(struct epoll_socket *s)
{
    struct io_op *op = s->send;

    while (op->pieces_count) {
        ssize_t n = send_gathered(s, op);
        if (n == 0)
            n = send_range(s, op);
        if (n < 0 && errno == EINPROGRESS)
            return;
        if (n < 0 && errno == EAGAIN) {
            s->writable = false;
            return;
        }
        if (n <= 0) { /* 0: a file that is shorter than what was promised of it */
            s->failed = n < 0 ? errno : EIO;
            send_completed(s, -s->failed);
            return;
        }
        io__send_advance(op, (size_t)n);
    }
    send_completed(s, (int64_t)op->size);
}

static void epoll_send(struct io_socket *socket, struct io_op *op)
{
    struct epoll_socket *s = socket_of(socket);

    ASSERT(!s->send);
    s->send = op;
    if (s->failed)
        send_completed(s, -s->failed);
    else if (s->writable)
        try_send(s);
}

/* --- jobs, waking, entropy --- */

static void epoll_job_submit(struct io *io, struct io_job *job)
{
    jobs_submit(epoll_of(io)->jobs, job);
}

static bool epoll_write(struct io *io, struct io_write *write)
{
    struct uring *uring = epoll_of(io)->uring;

    return uring && uring_write(uring, write);
}

static void uring_ready(struct epoll_source *source, uint32_t events)
{
    uring_reap(LIST_ENTRY(source, struct epoll_io, uring_source)->uring);
}

/* The counter is never read: it is registered edge-triggered, so each write is an event, and 2^64 of them do not come. */
static void epoll_wake(struct io *io)
{
    const uint64_t one = 1;
    ssize_t n = write(epoll_of(io)->wake, &one, sizeof one);

    ASSERT(n == sizeof one);
}

static void woken(struct epoll_source *source, uint32_t events)
{
}

static void epoll_entropy(struct io *io, void *bytes, size_t size)
{
    ssize_t n = getrandom(bytes, size, 0); /* up to 256 bytes come whole; more may be cut by a signal */

    ASSERT(n == (ssize_t)size);
}

/* --- life --- */

enum status io_epoll_new(size_t buffers_budget, unsigned job_threads, struct io **out, struct err *err)
{
    struct epoll_io *io = mem_alloc(1, sizeof *io);
    enum status status = STATUS_NO_MEMORY;

    if (!io)
        return err_set(err, status, "start a shard: no memory");
    io__init(&io->io, &epoll_backend, buffers_budget);
    list_init(&io->sockets);
    list_init(&io->warmings);
    io->wake_source.ready = woken;
    io->epoll = epoll_create1(EPOLL_CLOEXEC);
    io->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (io->epoll < 0 || io->wake < 0)
        status = err_sys(err, STATUS_IO, errno, "start a shard: make an epoll and an eventfd");
    else
        status = io_epoll_watch(&io->io, io->wake, &io->wake_source, err);
    if (status == STATUS_OK)
        status = jobs_new(job_threads, &io->io, io__job_finished, &io->jobs, err);
    if (status == STATUS_OK && (io->uring = uring_new(&io->io))) {
        io->uring_source.ready = uring_ready;
        status = io_epoll_watch(&io->io, uring_descriptor(io->uring), &io->uring_source, err);
    }
    if (status == STATUS_OK)
        *out = &io->io;
    else
        io_epoll_free(&io->io);
    return status;
}

void io_epoll_stop_jobs(struct io *io)
{
    uring_free(epoll_of(io)->uring);
    epoll_of(io)->uring = NULL;
    jobs_free(epoll_of(io)->jobs);
    epoll_of(io)->jobs = NULL;
}

void io_epoll_free(struct io *io)
{
    struct epoll_io *epoll = io ? epoll_of(io) : NULL;

    if (!epoll)
        return;
    io_epoll_stop_jobs(io);
    while (!list_empty(&epoll->sockets))
        epoll_close(&LIST_ENTRY(epoll->sockets.next, struct epoll_socket, link)->socket);
    while (!list_empty(&epoll->warmings))
        warming_free(LIST_ENTRY(epoll->warmings.next, struct warming, link));
    if (epoll->wake >= 0)
        close(epoll->wake);
    if (epoll->epoll >= 0)
        close(epoll->epoll);
    io__destroy(io);
    mem_free(epoll);
}

enum status io_epoll_watch(struct io *io, int fd, struct epoll_source *source, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = source};

    if (epoll_ctl(epoll_of(io)->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        return err_sys(err, STATUS_IO, errno, "watch a descriptor");
    return STATUS_OK;
}

void io_epoll_wait(struct io *io, uint64_t timeout_us)
{
    struct epoll_event events[EVENTS_MAX];
    const uint64_t longest = 3600 * UINT64_C(1000000);
    int timeout_ms = (int)(((timeout_us < longest ? timeout_us : longest) + 999) / 1000);
    int n = epoll_wait(epoll_of(io)->epoll, events, EVENTS_MAX, timeout_ms);

    ASSERT(n >= 0 || errno == EINTR);
    for (int i = 0; i < n; i++) {
        struct epoll_source *source = events[i].data.ptr;
        source->ready(source, events[i].events);
    }
}

static const struct io_backend epoll_backend = {
    .listen = epoll_listen,
    .connect = epoll_connect,
    .accept = epoll_accept,
    .recv = epoll_recv,
    .send = epoll_send,
    .close = epoll_close,
    .job_submit = epoll_job_submit,
    .write = epoll_write,
    .wake = epoll_wake,
    .entropy = epoll_entropy,
};
