/* SPDX-License-Identifier: Apache-2.0
 * Incremental fetch sessions (KIP-227): what a consumer asked for last time, so that it need not say it again.
 *
 *   (id 0, epoch -1)  no session                     (id 0, epoch 0)   a new one, every partition answered
 *   (id, epoch n)     n = 1 .. 2^31-1, then 1 again; only what changed is sent, in both directions
 *   (id, epoch -1 or 0) closes it
 *
 * A session belongs to the shard of its connection: a client that comes back on another one gets FETCH_SESSION_ID_NOT_FOUND and starts
 * anew, as it does after an eviction. Bounded by max.incremental.fetch.session.cache.slots and by memory (MEMORY_SESSIONS), divided among the shards;
 * when full, the one that was used least recently goes, if it was idle for two minutes, else the new client gets none. One that has no memory to grow goes itself.
 */
#ifndef BROKER_FETCH_SESSIONS_H
#define BROKER_FETCH_SESSIONS_H

#include "base/list.h"
#include "base/map.h"
#include "base/status.h"
#include "rt/shard.h"

struct arena;
struct fetch_request;
struct fetch_sessions;

/* One partition of a session; also, in the request's arena, of a fetch without one. */
struct fetch_want {
    struct list link;       /* of the session, in the order in which they are served */
    struct map_node node;   /* key: topic id or name, and index */
    struct str_view topic;  /* null when fetched by id */
    struct uuid topic_id;   /* zero when fetched by name */
    int32_t index;
    int64_t offset;
    int32_t bytes_max, leader_epoch, last_epoch;
    int64_t told_high_watermark, told_start; /* in the last answer; -1: none */
};

struct fetch_session {
    struct map_node node;  /* by id */
    struct list recent;    /* least recently used first */
    struct list wants;
    struct map by_key;
    int32_t id, epoch;     /* the epoch that the next request must have */
    bool by_id;            /* topics by id (Fetch 13+) */
    bool busy;             /* a fetch of it is under way: it is not evicted */
    bool gone;             /* closed meanwhile: freed when that fetch ends */
    uint64_t used_ms;
};

struct fetch_sessions *fetch_sessions_new(struct shard *here, size_t slots, size_t bytes_max, int64_t idle_ms_min);
void fetch_sessions_free(struct fetch_sessions *sessions);
size_t fetch_sessions_memory(const struct fetch_sessions *sessions); /* bytes that they hold */

/* What a request means: the wants to serve, in order. `session` NULL: none. `full`: all of them are answered, changed or not. */
struct fetch_plan {
    struct fetch_session *session;
    bool full;
    bool create; /* make a session of these wants when answering */
    struct fetch_want **wants;
    size_t count;
};

/* FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR: the answer's top-level error. NO_MEMORY. */
enum status fetch_sessions_plan(struct fetch_sessions *sessions, const struct fetch_request *in, int16_t version, struct arena *arena,
                                struct fetch_plan *plan) MUST_CHECK;

/* When the answer is known: makes the session that the plan asks for (NULL: no room). */
struct fetch_session *fetch_sessions_create(struct fetch_sessions *sessions, const struct fetch_plan *plan, bool by_id);
/* The fetch under way has been answered. */
void fetch_session_release(struct fetch_sessions *sessions, struct fetch_session *session);
/* To the end of the order: it was served, others come first next time. */
void fetch_session_rotate(struct fetch_session *session, struct fetch_want *want);

#endif
