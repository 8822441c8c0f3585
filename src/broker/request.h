/* SPDX-License-Identifier: Apache-2.0
 * A request on its way through the broker, and the way of its answer back.
 *
 * One owner at a time: the request, its arena and the body that its decoded form points into belong to the shard that it is on
 * (`here`). It moves as mail:
 *   request_move     goes to one other shard, wholly (the controller's, a coordinator's), and works on there
 *   request_scatter  lends itself to several shards at once, each working on the items that are its own, until all are back
 *   request_reply    encodes the answer and takes it home to the connection, from wherever the request is
 * Every request ends with exactly one request_reply, request_reply_none or request_close (invariant 24).
 */
#ifndef BROKER_REQUEST_H
#define BROKER_REQUEST_H

#include "base/arena.h"
#include "base/writer.h"
#include "rt/io.h"
#include "rt/shard.h"

struct service;
struct topics_make;
struct listener;
struct request;
struct wire_range;

/* One shard's part of a scattered request. Its work may end at once or later (appends that become durable). */
struct leg {
    struct mail mail; /* the worker may hang it up somewhere while it works: when it runs there, so does the work, again */
    struct request *request;
    unsigned shard;   /* where it works */
    unsigned pending; /* the worker's: what it still waits for */
    size_t at;        /* the worker's: the item that it is at */
};

enum request_end {
    REQUEST_ANSWERED,   /* reply is set */
    REQUEST_UNANSWERED, /* no bytes leave, the connection goes on (acks=0) */
    REQUEST_CLOSES,     /* the connection is closed: what Kafka does with a request that it cannot read */
};

struct request {
    /* set by the session, constant */
    struct shard *home;             /* the connection's */
    const struct service *service;
    int16_t version;
    int32_t correlation_id;
    struct str_view client_id;      /* data NULL: none */
    const struct listener *listener;
    const char *peer;               /* address as text */
    bool abandoned;                 /* home only: the connection is gone, nobody reads the answer */
    void (*ended)(struct request *r, enum request_end end); /* on home, at the top of the loop or from within the handler's own call */
    struct io_buffer *body;         /* owns the bytes of the request; home's reference */

    /* while it is served */
    struct shard *here;
    struct arena arena;
    void *in;                       /* decoded body: the API's generated request struct, in the arena */
    void *state;                    /* the handler's, in the arena */
    struct topics_make *topics_make; /* topics.c's */
    void (*cancel)(struct request *r); /* on home; NULL: none. Called once when the connection goes away, so that a parked request ends early */

    /* the answer: what the session sends, length prefix and header included */
    struct io_piece *reply;
    unsigned reply_count;
    uint8_t *reply_bytes; /* what its memory pieces point into */
    size_t reply_size;    /* of those */
    struct wire_range *ranges; /* what its file pieces name (broker/api.h) */

    /* private to request.c */
    struct mail mail;
    void (*step)(struct request *r);
    struct leg *legs;
    unsigned legs_out;
    void (*work)(struct leg *leg);
    enum request_end end;
    struct list link; /* the session's */
};

/* Goes to `shard` and runs `step` there (by mail; when it is there already, at once: call it last). */
void request_move(struct request *r, unsigned shard, void (*step)(struct request *r));

/* Runs `work` on each shard whose bit is set, then `gathered` on the shard that called, when every leg has finished. Legs touch only
 * items of their own shard and allocate nothing from the arena. Both may run before this returns: call it last. `shards` may be 0. */
void request_scatter(struct request *r, uint64_t shards, void (*work)(struct leg *leg), void (*gathered)(struct request *r));
void leg_finish(struct leg *leg); /* on the leg's shard, once; the leg is gone after it */
struct shard *leg_shard(const struct leg *leg);

/* Answers with `out`, the API's generated response struct: encoded at once (the struct and what it names may go), sent from home. Records fields
 * may name a struct wire_range (broker/api.h) as their source, which is sent from its file. Call it last. */
void request_reply(struct request *r, void *out);
void request_reply_none(struct request *r);
void request_close(struct request *r, const char *why); /* logs with client, key, version; the connection is closed */

void request_init(struct request *r, struct shard *home, size_t arena_max);
void request_free(struct request *r); /* on home: arena, files of the reply, the body */

/* Zeroed objects in the request's arena; NULL: the arena's limit. A handler that gets NULL answers request_close(r, "no memory"). */
#define REQUEST_ALLOC(r, type, count) ((type *)arena_alloc(&(r)->arena, (size_t)(count), sizeof(type)))

#endif
