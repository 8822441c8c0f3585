/* SPDX-License-Identifier: Apache-2.0
 * See session.h. The life of a session:
 *
 *   OPEN     --peer ends, idle, bad frame or request--> DRAINING   requests under way are finished and answered, nothing new is read
 *   OPEN, DRAINING --socket failed, session_close--> CLOSING   the socket is closed, requests under way are cancelled
 *   DRAINING --last answer sent--> CLOSING
 *   CLOSING  --no operation, no request--> freed        (session__free_when_idle)
 *
 * A request stands in `requests` from its frame to the end of its send; its `ended` may run at once or much later.
 */
#include "net/session.h"

#include "base/mem.h"
#include "base/reader.h"
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/dispatch.h"
#include "rt/log.h"

#include <errno.h>

enum {
    SESSION_REQUESTS_MAX = 256,             /* more than any client keeps in flight */
    SESSION_BYTES_MAX = 8 * 1024 * 1024,    /* of frames under way */
    SESSION_PIECES_MAX = 64,                /* pieces of one send */
    SESSION_PIECES_FEW = 3,                 /* that need no memory: of one answer with a file range in it */
    SESSION_FRAME_STEP = 1024 * 1024,       /* a large frame's buffer starts here and doubles */
    SESSION_ROOM_MAX = 8 * IO_BUFFER_SIZE,  /* of a receive */
    SESSION_RETRY_MS = 5,                   /* no memory, by the budget or at all: look again */
    SESSION_SLOW_MS = 2000,                 /* a send that takes longer may be ended when the memory is needed */
    FRAME_PREFIX = 4,
    FRAME_HEADER_MIN = 8,                   /* key, version, correlation id */
};

enum session_state { SESSION_OPEN, SESSION_DRAINING, SESSION_CLOSING };

struct session {
    struct list link;
    struct shard *here;
    struct io_socket *socket; /* NULL once closed */
    const struct listener *listener;
    struct session_limits *limits;
    void (*gone)(struct shard *here, void *context);
    void *context;
    enum session_state state;
    char peer[IO_ADDRESS_SIZE];

    struct io_op receive, send, close;
    bool receiving, sending, closing;
    struct io_buffer *buffer; /* unparsed bytes [at, end) */
    size_t at, end;
    size_t room;              /* of the next buffer: more for who fills it */

    struct list requests;     /* struct session_request, in order */
    unsigned running;         /* of them: not ended */
    unsigned count;
    size_t bytes;             /* of their frames */
    size_t answers;           /* bytes of those that are not yet sent */
    uint64_t send_ms;         /* when the send under way began */
    bool exclusive;           /* what runs allows nothing beside it */

    struct io_piece *pieces;  /* of the send under way: `few`, or allocated */
    struct io_piece few[SESSION_PIECES_FEW];
    unsigned sent_requests;   /* that the send under way completes */
    size_t sent_bytes;

    struct mail flush;        /* at the end of the turn */
    bool flushing;
    struct timer timer;       /* idle, or a retry of a receive */
    uint64_t active_ms;
};

struct session_request {
    struct request request;
    struct session *session;
    size_t frame_size;
    size_t answer_size;  /* bytes that it holds, once ended */
    unsigned next_piece; /* of its reply: the first that no send has taken */
    bool ended;
};

#define REQUEST_OF(node) LIST_ENTRY(node, struct session_request, request.link)

static void session_parse(struct session *s);
static void session_read_later(struct session *s);
static void session_read(struct session *s);

unsigned session_requests(const struct session *s)
{
    return s->running;
}

bool session_holds(const struct session *s)
{
    return s->buffer || s->count;
}

struct session *session_of(struct list *node)
{
    return LIST_ENTRY(node, struct session, link);
}

/* ---- ending ---- */

static void session_pieces_free(struct session *s)
{
    struct mem_user *user = mem_enter(&s->limits->memory);

    if (s->pieces != s->few)
        mem_free(s->pieces);
    (void)mem_enter(user);
    s->pieces = s->few;
}

static void session_free(struct session *s)
{
    void (*gone)(struct shard *, void *) = s->gone;
    struct mem_user *user = mem_enter(&s->limits->memory);
    struct shard *here = s->here;
    void *context = s->context;

    mem_free(s);
    (void)mem_enter(user);
    if (gone)
        gone(here, context);
}

static void session_free_when_idle(struct session *s)
{
    if (s->state != SESSION_CLOSING || s->receiving || s->sending || s->closing || s->flushing || !list_empty(&s->requests))
        return;
    timer_cancel(s->here, &s->timer);
    if (s->buffer)
        io_buffer_unref(s->buffer);
    session_pieces_free(s);
    list_remove(&s->link);
    session_free(s);
}

static void request_done(struct session *s, struct session_request *q)
{
    list_remove(&q->request.link);
    s->count--;
    s->bytes -= q->frame_size;
    s->answers -= q->answer_size;
    s->limits->answers -= q->answer_size;
    request_free(&q->request);
    mem_free(q);
}

static void session_closed(struct shard *here, struct io_op *op)
{
    struct session *s = LIST_ENTRY(op, struct session, close);

    s->closing = false;
    session_free_when_idle(s);
}

static void session_cancel_requests(struct session *s)
{
    for (struct list *node = s->requests.next, *next; node != &s->requests; node = next) {
        struct session_request *q = REQUEST_OF(node);
        void (*cancel)(struct request *) = q->request.cancel;

        next = node->next;
        q->request.abandoned = true;
        q->request.cancel = NULL;
        if (!q->ended && cancel)
            cancel(&q->request);
    }
}

void session_close(struct session *s)
{
    if (s->state == SESSION_CLOSING)
        return;
    s->state = SESSION_CLOSING;
    s->closing = true;
    s->close.done = session_closed;
    io_close(shard_io(s->here), s->socket, &s->close);
    s->socket = NULL;
    session_cancel_requests(s);
    if (!s->flushing) { /* ended requests that no send has taken are dropped there */
        s->flushing = true;
        shard_at_turn_end(s->here, &s->flush);
    }
}

/* Nothing more is read; what runs is finished and answered. */
static void session_drain(struct session *s)
{
    if (s->state != SESSION_OPEN)
        return;
    s->state = SESSION_DRAINING;
    session_cancel_requests(s);
    if (!s->flushing) {
        s->flushing = true;
        shard_at_turn_end(s->here, &s->flush);
    }
}

/* ---- answers ---- */

static void session_sent(struct shard *here, struct io_op *op)
{
    struct session *s = LIST_ENTRY(op, struct session, send);

    s->sending = false;
    session_pieces_free(s);
    for (; s->sent_requests; s->sent_requests--)
        request_done(s, REQUEST_OF(s->requests.next));
    if (op->result < 0)
        session_close(s);
    if (!s->flushing) {
        s->flushing = true;
        shard_at_turn_end(s->here, &s->flush);
    }
}

/* Room for what ended requests have to send, as far as one send takes it; how much there is. */
static unsigned session_pieces_new(struct session *s)
{
    struct mem_user *user;
    unsigned wanted = 0;

    LIST_EACH(node, &s->requests) {
        const struct session_request *q = REQUEST_OF(node);

        if (!q->ended || wanted >= SESSION_PIECES_MAX)
            break;
        wanted += q->request.reply_count - q->next_piece;
    }
    if (wanted > SESSION_PIECES_MAX)
        wanted = SESSION_PIECES_MAX;
    user = mem_enter(&s->limits->memory);
    s->pieces = wanted > SESSION_PIECES_FEW ? mem_alloc(wanted, sizeof *s->pieces) : NULL;
    (void)mem_enter(user);
    if (s->pieces)
        return wanted;
    s->pieces = s->few;
    return SESSION_PIECES_FEW;
}

/* Puts the pieces of ended requests, in order, into one send. */
static unsigned session_gather(struct session *s)
{
    unsigned count = 0, room = session_pieces_new(s);

    LIST_EACH(node, &s->requests) {
        struct session_request *q = REQUEST_OF(node);

        if (!q->ended)
            break;
        if (q->request.end == REQUEST_CLOSES) {
            if (count == 0)
                session_close(s);
            break;
        }
        while (q->request.end == REQUEST_ANSWERED && q->next_piece < q->request.reply_count && count < room)
            s->pieces[count++] = q->request.reply[q->next_piece++];
        if (q->request.end == REQUEST_ANSWERED && q->next_piece < q->request.reply_count)
            break;
        s->sent_requests++;
    }
    return count;
}

static void session_flush(struct shard *here, struct mail *mail)
{
    struct session *s = LIST_ENTRY(mail, struct session, flush);
    unsigned count;

    s->flushing = false;
    if (s->sending)
        return;
    if (s->state == SESSION_CLOSING) {
        while (!list_empty(&s->requests) && REQUEST_OF(s->requests.next)->ended)
            request_done(s, REQUEST_OF(s->requests.next));
        session_free_when_idle(s);
        return;
    }
    s->sent_requests = 0;
    count = session_gather(s);
    if (count == 0)
        session_pieces_free(s);
    if (s->state == SESSION_CLOSING)
        return;
    if (count == 0) {
        for (; s->sent_requests; s->sent_requests--)
            request_done(s, REQUEST_OF(s->requests.next));
        if (s->state == SESSION_DRAINING && list_empty(&s->requests))
            session_close(s);
        else
            session_parse(s);
        return;
    }
    s->sending = true;
    s->send_ms = shard_now_ms(s->here);
    s->send.done = session_sent;
    io_send(shard_io(s->here), s->socket, &s->send, s->pieces, count);
    session_parse(s);
}

static void session_request_ended(struct request *r, enum request_end end)
{
    struct session_request *q = LIST_ENTRY(r, struct session_request, request);
    struct session *s = q->session;

    q->ended = true;
    q->answer_size = r->arena.used + r->reply_size;
    s->answers += q->answer_size;
    s->limits->answers += q->answer_size;
    r->end = end;
    s->running--;
    if (s->running == 0)
        s->exclusive = false;
    if (end == REQUEST_CLOSES) /* what follows it must not be taken either */
        session_drain(s);
    if (!s->flushing) {
        s->flushing = true;
        shard_at_turn_end(s->here, &s->flush);
    }
}

/* ---- frames ---- */

static void session_refuse(struct session *s, const char *why, long long detail)
{
    log_line(LOG_WARN, "connection closed", "peer=%s listener=%.*s reason=%s detail=%lld", s->peer, STR_ARG(s->listener->name), why, detail);
    session_drain(s);
}

/* Header versions 1 and 2 (KIP-482): the client id is never compact; version 2 ends in tags. */
static bool session_header(struct reader *reader, struct request *r, int16_t *key)
{
    *key = reader_i16(reader);
    r->version = reader_i16(reader);
    r->correlation_id = reader_i32(reader);
    r->client_id = reader_str(reader);
    r->service = service_find(*key);
    if (reader->bad || !r->service)
        return false;
    if (r->version >= r->service->api->flexible)
        for (uint32_t tags = reader_uvarint(reader); tags && !reader->bad; tags--) {
            reader_uvarint(reader);
            reader_take(reader, reader_uvarint(reader));
        }
    return !reader->bad;
}

static void session_request(struct session *s, const uint8_t *frame, size_t size)
{
    struct session_request *q = mem_alloc(1, sizeof *q);
    struct request *r;
    struct reader reader;
    int16_t key = -1;

    if (!q) {
        session_refuse(s, "no memory", (long long)size);
        return;
    }
    r = &q->request;
    request_init(r, s->here, dispatch_arena_max(size));
    reader_init(&reader, frame, size);
    if (!session_header(&reader, r, &key)) {
        log_line(LOG_WARN, "unsupported request", "peer=%s key=%d version=%d client=%.*s", s->peer, key, r->version, STR_ARG(r->client_id));
        request_free(r);
        mem_free(q);
        session_drain(s);
        return;
    }
    q->session = s;
    q->frame_size = size + FRAME_PREFIX;
    r->listener = s->listener;
    r->peer = s->peer;
    r->ended = session_request_ended;
    r->body = io_buffer_ref(s->buffer);
    list_push_back(&s->requests, &r->link);
    s->count++;
    s->running++;
    s->bytes += q->frame_size;
    s->exclusive = !r->service->pipelined;
    s->active_ms = shard_now_ms(s->here);
    dispatch(r, (struct bytes_view){reader.at, reader.left});
}

/* May the frame at `frame` start now, beside what runs? */
static bool session_may_start(struct session *s, const uint8_t *frame)
{
    const struct service *service;

    if (s->count >= SESSION_REQUESTS_MAX || (s->count && s->bytes >= SESSION_BYTES_MAX))
        return false;
    if (s->limits->answers >= s->limits->answers_max) {
        session_read_later(s);
        return false;
    }
    if (s->running == 0)
        return true;
    service = service_find((int16_t)(frame[FRAME_PREFIX] << 8 | frame[FRAME_PREFIX + 1]));
    return !s->exclusive && service && service->pipelined;
}

static size_t frame_size_at(const uint8_t *at)
{
    return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3]; /* a negative length is a huge one */
}

/* Starts every frame that is whole and may start; then reads on. */
static void session_parse(struct session *s)
{
    while (s->state == SESSION_OPEN && s->buffer && s->end - s->at >= FRAME_PREFIX) {
        const uint8_t *frame = s->buffer->data + s->at;
        size_t size = frame_size_at(frame);

        if (size > s->limits->frame_max || size < FRAME_HEADER_MIN) {
            session_refuse(s, "frame length out of bounds", (long long)(int32_t)(uint32_t)size);
            return;
        }
        if (s->end - s->at < FRAME_PREFIX + size)
            break;
        if (!session_may_start(s, frame))
            return;
        s->at += FRAME_PREFIX + size;
        session_request(s, frame + FRAME_PREFIX, size);
    }
    session_read(s);
}

/* Who sends a lot is received in large pieces: fewer turns, and fewer frames whose rest has to be moved. */
static void session_adapt(struct session *s)
{
    if (s->end == s->buffer->size && s->room < SESSION_ROOM_MAX)
        s->room *= 2;
    else if (s->end < s->room / 4 && s->room > IO_BUFFER_SIZE)
        s->room /= 2;
}

static void session_received(struct shard *here, struct io_op *op)
{
    struct session *s = LIST_ENTRY(op, struct session, receive);

    s->receiving = false;
    if (!s->buffer && op->buffer) {
        s->buffer = op->buffer;
        s->at = s->end = 0;
    }
    op->buffer = NULL;
    if (s->state != SESSION_OPEN) {
        session_free_when_idle(s);
        return;
    }
    if (op->result == -ENOMEM) {
        s->room = IO_BUFFER_SIZE;
        session_read_later(s);
        return;
    }
    if (op->result < 0) {
        session_close(s);
        return;
    }
    if (op->result == 0) {
        session_drain(s);
        return;
    }
    s->end += (size_t)op->result;
    session_adapt(s);
    s->active_ms = shard_now_ms(here);
    session_parse(s);
}

static void session_retry(struct shard *here, struct timer *timer);
static void session_idle(struct shard *here, struct timer *timer);

static void session_arm_idle(struct session *s)
{
    if (s->limits->idle_ms_max >= 0)
        timer_set(s->here, &s->timer, s->active_ms + (uint64_t)s->limits->idle_ms_max, session_idle);
}

static void session_read_later(struct session *s)
{
    timer_set(s->here, &s->timer, shard_now_ms(s->here) + SESSION_RETRY_MS, session_retry);
}

/* Makes room for the rest of the frame that starts at s->at. False: no memory now. */
static bool session_make_room(struct session *s)
{
    size_t have = s->end - s->at;
    size_t need = have < FRAME_PREFIX ? s->room : FRAME_PREFIX + frame_size_at(s->buffer->data + s->at);
    struct io_buffer *buffer;

    if (need <= s->room)
        need = s->room;
    else if (need > SESSION_FRAME_STEP && need > 2 * have)
        need = 2 * have > SESSION_FRAME_STEP ? 2 * have : SESSION_FRAME_STEP;
    if (s->at == 0 && s->end < s->buffer->size)
        return true;
    buffer = io_buffer_new(shard_io(s->here), need);
    if (!buffer)
        return false;
    memcpy(buffer->data, s->buffer->data + s->at, have);
    io_buffer_unref(s->buffer);
    s->buffer = buffer;
    s->at = 0;
    s->end = have;
    return true;
}

/* Keeps one receive outstanding: also while requests run, so that a peer which goes away is noticed. */
static void session_read(struct session *s)
{
    if (s->state != SESSION_OPEN || s->receiving || s->count >= SESSION_REQUESTS_MAX || (s->count && s->bytes >= SESSION_BYTES_MAX))
        return;
    if (s->buffer && s->at == s->end) {
        io_buffer_unref(s->buffer);
        s->buffer = NULL;
    }
    s->receive.done = session_received;
    if (!s->buffer) {
        s->receiving = true;
        io_recv(shard_io(s->here), s->socket, &s->receive, s->room);
        return;
    }
    if (!session_make_room(s)) {
        s->room = IO_BUFFER_SIZE;
        session_read_later(s);
        return;
    }
    s->receiving = true;
    io_recv_into(shard_io(s->here), s->socket, &s->receive, s->buffer->data + s->end, s->buffer->size - s->end);
}

/* A client that does not take its answers must not keep others from getting theirs: of those that are slow the one that has most goes. */
static void session_relieve(const struct session_limits *limits, uint64_t now_ms)
{
    struct session *most = NULL;

    if (limits->answers < limits->answers_max)
        return;
    LIST_EACH(node, limits->sessions) {
        struct session *s = session_of(node);

        if (s->sending && s->socket && now_ms - s->send_ms >= SESSION_SLOW_MS && (!most || s->answers > most->answers))
            most = s;
    }
    if (!most)
        return;
    log_line(LOG_WARN, "connection closed", "peer=%s reason=\"it does not take its answers, and the memory is needed\" bytes=%zu", most->peer, most->answers);
    session_close(most);
}

static void session_retry(struct shard *here, struct timer *timer)
{
    struct session *s = LIST_ENTRY(timer, struct session, timer);

    session_relieve(s->limits, shard_now_ms(here));
    session_arm_idle(s);
    session_parse(s);
}

static void session_idle(struct shard *here, struct timer *timer)
{
    struct session *s = LIST_ENTRY(timer, struct session, timer);

    if (s->count == 0 && shard_now_ms(here) >= s->active_ms + (uint64_t)s->limits->idle_ms_max)
        session_close(s);
    else {
        if (s->count)
            s->active_ms = shard_now_ms(here);
        session_arm_idle(s);
    }
}

struct session *session_new(struct shard *here, struct io_socket *socket, const struct listener *listener, struct session_limits *limits,
                            struct list *owner, void (*gone)(struct shard *here, void *context), void *context)
{
    struct mem_user *user = mem_enter(&limits->memory);
    struct session *s = mem_alloc(1, sizeof *s);

    (void)mem_enter(user);
    if (!s) {
        io_close(shard_io(here), socket, NULL);
        return NULL;
    }
    s->here = here;
    s->socket = socket;
    s->listener = listener;
    s->limits = limits;
    s->gone = gone;
    s->context = context;
    s->pieces = s->few;
    s->room = IO_BUFFER_SIZE;
    s->flush.run = session_flush;
    s->active_ms = shard_now_ms(here);
    list_init(&s->requests);
    list_push_back(owner, &s->link);
    io_peer_address(socket, s->peer);
    session_arm_idle(s);
    session_read(s);
    return s;
}
