/* SPDX-License-Identifier: Apache-2.0
 * One client's connection: frames in, requests to the broker, answers out in the order of the requests.
 *
 * Frames are parsed where they were received: a request holds a reference to the buffer that it lies in. A frame that is not whole moves to
 * a buffer of its own, which grows with the bytes that are there, never by the length that the peer claims. While nothing is unparsed, no buffer is held.
 *
 * Requests of one connection run one after the other, as clients expect of Kafka, but for those whose API says `pipelined` (Produce): they
 * run together, so that many share one commit. Answers that are ready in one turn leave in one send.
 *
 * Bounds: SESSION_REQUESTS_MAX requests and SESSION_BYTES_MAX bytes (or one request) under way; then the peer is not read. A frame
 * over frame_max, a negative one, an unreadable header, an unknown key or version close the connection with a log line.
 * Idle for connections.max.idle.ms: closed.
 */
#ifndef NET_SESSION_H
#define NET_SESSION_H

#include "base/list.h"
#include "base/mem.h"
#include "rt/io.h"
#include "rt/shard.h"

struct listener;
struct session;

/* Of all sessions of a shard. */
struct session_limits {
    size_t frame_max;    /* socket.request.max.bytes, and no more than may be held at all */
    int64_t idle_ms_max; /* connections.max.idle.ms; negative: never */
    size_t answers_max;  /* bytes of answers that are not yet sent: when they are reached, no request begins, and who does not take his for long is closed */
    size_t answers;
    struct list *sessions; /* all of them */
    struct mem_user memory; /* what they hold, but for their requests */
};

/* Takes the socket. `owner` is the list that the session stands in until it is gone; `gone` runs then (the session is freed). NULL: no
 * memory, the socket is closed. The limits are borrowed. */
struct session *session_new(struct shard *here, struct io_socket *socket, const struct listener *listener, struct session_limits *limits,
                            struct list *owner, void (*gone)(struct shard *here, void *context), void *context);

/* Ends it: requests under way are cancelled, their answers dropped. Harmless twice. */
void session_close(struct session *s);
struct session *session_of(struct list *node);
/* What it holds at the moment: requests that are not answered yet; and whether buffers, with bytes that are no whole frame, or for answers that a peer does
 * not take. */
unsigned session_requests(const struct session *s);
bool session_holds(const struct session *s);

#endif
