/* SPDX-License-Identifier: Apache-2.0
 * A coordinator in a world of its own, so that a test is a trace that can be read: what is asked, time that passes, and
 * what was seen.
 *
 *   JOIN(w, .who = "a", .version = 3);
 *   pass(w, 0);
 *   see(w, "a: join waits\n"
 *          "a: join OK gen=1 range leader=a#1 id=a#1 members=[a#1:]\n");
 *
 * Everything seen is text: one line for each call that waits or is answered and each record that is written, in order.
 * `see` compares what was seen since the last time. Member ids are shown (and given) as <client or instance>#<n>, n
 * counting the JoinGroups of the test. The records are kept: `reload` builds the coordinator anew from them.
 */
#ifndef TEST_COORD_WORLD_H
#define TEST_COORD_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coord/coord.h"

struct world {
    struct coord *coord;
    struct coord_config config;
    uint64_t now_ms;
    int64_t wall_ms;
    struct arena arena; /* of the records of the current step */
    unsigned joins;
    struct call *waiting; /* parked calls */
    char seen[16384];
    size_t seen_size;
    struct {
        int64_t producer_id;
        struct bytes_view key, value;
    } log[1024];
    size_t log_count;
    bool quiet;                /* nothing is seen */
    bool removals;             /* seen too */
    unsigned steps, fail_step; /* in that step (1: the first) ... */
    uint64_t fail_at;          /* ... this allocation fails */
};

struct world *world_new(
    void); /* sessions 10 .. 60 s, no initial delay, size 100, metadata 16, retention 1 h; time 1,000 / 1,000,000 */
void world_free(struct world *w);
void see(struct world *w, const char *expected);
void pass(struct world *w, uint64_t ms); /* time passes; what is due happens at its time */
void reload(struct world *w);            /* the parked calls are answered NOT_COORDINATOR */
void forget(struct world *w);            /* nothing was seen */
void world_log(struct world *w, int64_t producer_id, struct bytes_view key,
               struct bytes_view value); /* for `reload`, as if it had been written; copies */

/* group "g" when none is given; version 0: the newest (V0: 0); generation 0: -1; protocol type "consumer", protocols
 * "range" */
#define V0 1000
struct ask {
    const char *who, *group, *id, *instance, *type, *protocols, *assign, *commit, *topic;
    int version, generation, session_ms, rebalance_ms, partition;
    int64_t retention_ms;
    bool require_stable;
    struct uuid topic_id;
};

void world_join(struct world *w, struct ask a); /* protocols: "range:metadata,sticky" */
void world_sync(struct world *w, struct ask a); /* assign: "a#1=x,b#2=y" */
void world_heartbeat(struct world *w, struct ask a);
void world_leave(struct world *w, struct ask a);  /* id: "a#1,b#2"; instance: as many, or one for all */
void world_commit(struct world *w, struct ask a); /* commit: "t/0=42:metadata,t/1=7" */
void world_fetch(struct world *w, struct ask a);  /* topic NULL: all */
void world_delete_offset(struct world *w, struct ask a);
void world_list(struct world *w, const char *state, const char *type);
void world_describe(struct world *w, struct ask a);
void world_delete_group(struct world *w, const char *group);
void world_expire(struct world *w);
void world_topic_deleted(struct world *w, const char *topic, struct uuid id);

#define JOIN(w, ...) world_join(w, (struct ask){__VA_ARGS__})
#define SYNC(w, ...) world_sync(w, (struct ask){__VA_ARGS__})
#define HEARTBEAT(w, ...) world_heartbeat(w, (struct ask){__VA_ARGS__})
#define LEAVE(w, ...) world_leave(w, (struct ask){__VA_ARGS__})
#define COMMIT(w, ...) world_commit(w, (struct ask){__VA_ARGS__})
#define FETCH(w, ...) world_fetch(w, (struct ask){__VA_ARGS__})
#define DELETE_OFFSET(w, ...) world_delete_offset(w, (struct ask){__VA_ARGS__})
#define DESCRIBE(w, ...) world_describe(w, (struct ask){__VA_ARGS__})

/* One member "a" in a stable group: id a#1, generation 1, assigned "x". Nothing is left to be seen. */
void stable_one(struct world *w);
/* Two members in a stable group: a#1 leads, b#2 follows, generation 2, assigned "x" and "y". */
void stable_two(struct world *w);

#endif
