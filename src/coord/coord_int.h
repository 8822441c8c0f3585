/* SPDX-License-Identifier: Apache-2.0
 * What a coordinator is made of; coord.h says what it does.
 *
 *   coord ─┬─ groups (by id) ─┬─ ids (every member id handed out) ─── member or nobody yet
 *          │                  ├─ members, in the order in which they joined
 *          │                  ├─ instances (static members by group.instance.id)
 *          │                  └─ topics (by name) ── offsets (by partition)
 *          ├─ deadlines: of member ids (session), of groups (join phase, sync phase)
 *          └─ txn_offsets: committed in transactions that have not ended
 *
 *   state                  becomes                 when (function)
 *   Empty               →  PreparingRebalance      the first member joins (coord__rebalance)
 *   PreparingRebalance  →  CompletingRebalance     all members have joined, or the time is up (coord__join_complete)
 *   PreparingRebalance  →  Empty                   the same, and nobody is left
 *   CompletingRebalance →  Stable                  the leader sent the assignment (coord_sync)
 *   CompletingRebalance →  PreparingRebalance      members changed, or did not sync in time (coord__rebalance)
 *   Stable              →  PreparingRebalance      members changed, or a leader joined again (coord__rebalance)
 *   A group that is deleted is gone: Kafka's state Dead is what an unknown group is called.
 *
 * Invariants
 *   1. A member is in `members`, its id in `ids`; a static one is in `instances` too. `leader` is one of `members`,
 * NULL only when there are none.
 *   2. All members have the group's protocol type, and at least one protocol that every one of them supports.
 *   3. `joining` counts the members with a parked JoinGroup, `pending` the ids without a member, `syncing` the members
 *      that owe a SyncGroup.
 *   4. A JoinGroup is parked only in PreparingRebalance, a SyncGroup only in CompletingRebalance.
 */
#ifndef COORD_INT_H
#define COORD_INT_H

#include "base/assert.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "coord/coord.h"
#include "coord/deadline.h"

/* A new member does not heartbeat while its JoinGroup is parked, nor do we see it go: this long may it take to be let
 * in (Kafka's constant). */
#define NEW_MEMBER_JOIN_TIMEOUT_MS (5 * 60 * 1000)
/* Ids handed out per group that nobody has come back with: what a peer that asks again and again can make us hold. */
#define PENDING_IDS_MAX 10000
/* Tombstones of one call of coord_expire, so that a turn of the loop stays short. */
#define EXPIRE_RECORDS_MAX 5000

struct member_protocol {
    struct str_view name;
    struct bytes_view metadata;
    int32_t votes; /* scratch of coord__protocol_choose; -1: not every member supports it */
};

struct member_id {
    struct map_node node;    /* in group.ids */
    struct deadline session; /* DEADLINE_SESSION */
    struct group *group;
    struct member *member; /* NULL: handed out with MEMBER_ID_REQUIRED, not taken up yet */
    struct str_view text;  /* behind the struct */
};

struct member {
    struct list link;         /* in group.members */
    struct map_node instance; /* in group.instances, when instance_id is not null */
    struct member_id *id;
    struct str_view instance_id; /* null: a dynamic member */
    struct str_view client_id, client_host;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    struct member_protocol *protocols; /* in order of preference; one block with what they name */
    int32_t protocols_count;
    struct bytes_view assignment; /* owned; null: none */
    bool is_new;                  /* has not been through a whole join phase */
    bool owes_sync;
    struct coord_call *join, *sync; /* parked; NULL: none */
};

/* By the protocol that its members speak; only the first is coordinated here. */
enum group_kind { GROUP_CLASSIC, GROUP_CONSUMER, GROUP_SHARE, GROUP_STREAMS };

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE };

struct group {
    struct map_node node; /* in coord.groups */
    struct coord *coord;
    struct str_view id; /* behind the struct */
    enum group_kind kind;
    enum group_state state, previous;
    int64_t state_wall_ms; /* since when; -1: unknown (an old record) */
    int32_t generation;
    struct str_view protocol_type; /* owned; null: offsets were committed, nobody ever joined */
    struct str_view protocol;      /* owned; the chosen one; null: none */
    struct member *leader;
    struct list members;
    struct map ids, instances;
    int32_t members_count, joining, pending, syncing;
    struct deadline join, sync;
    bool initial;      /* the join phase of a group that was empty: it waits for more members to come */
    bool initial_grew; /* ... and one came */
    int64_t initial_delay_ms, initial_left_ms;
    struct map topics;    /* struct offset_topic */
    uint32_t txn_offsets; /* of this group in coord.txn_offsets */
};

struct offset_value {
    int64_t offset;
    int32_t leader_epoch;         /* -1: none */
    int64_t commit_ms, expire_ms; /* expire_ms -1: by the broker's retention */
    struct uuid topic_id;         /* zero: not known */
    int64_t record_offset;        /* where it was read from; -1: committed since */
    struct str_view metadata;     /* owned */
};

struct offset_topic {
    struct map_node node; /* in group.topics */
    struct str_view name; /* behind the struct */
    struct map offsets;   /* struct offset */
};

struct offset {
    struct map_node node; /* in offset_topic.offsets */
    struct offset_topic *topic;
    int32_t partition;
    bool there; /* false: made by a commit that has not succeeded yet */
    struct offset_value value;
    struct offset_value staged; /* by a commit under way; metadata null: none */
};

struct txn_offset {   /* read from the log of a broker with transactions */
    struct list link; /* in coord.txn_offsets */
    int64_t producer_id;
    struct group *group;
    struct str_view topic; /* behind the struct */
    int32_t partition;
    struct offset_value value;
};

struct coord {
    struct coord_config config;
    uint64_t seed;
    struct map groups;
    struct deadlines deadlines;
    struct list txn_offsets;
};

/* What a state allows. The errors are those of a request by a member whose id and generation are right. */
struct group_rules {
    const char *name;
    bool may_rebalance; /* PreparingRebalance may follow */
    enum status heartbeat, sync, commit, delete;
};
extern const struct group_rules coord__rules[];

/* Functions that make or copy something return NULL, or false, when there is no memory; nothing has changed then. */

/* ---- group.c */

struct group *coord__group(const struct coord *c, struct str_view id); /* NULL: unknown */
struct group *coord__group_new(struct coord *c, struct str_view id, int64_t wall_ms);
void coord__group_free(struct group *g); /* nothing is parked (asserted) */
void coord__group_enter(struct group *g, enum group_state state, int64_t wall_ms);
/* A member is subscribed to the topic, as far as we know. */
bool coord__group_reads(const struct group *g, struct str_view topic);
/* Replaces an owned text; null: frees it. */
bool coord__text_set(struct str_view *field, struct str_view text);

/* ---- member.c */

struct member_id *coord__id(const struct group *g, struct str_view text); /* NULL: unknown */
struct member_id *coord__id_new(struct group *g, struct str_view text);   /* pending; unknown before (asserted) */
void coord__id_free(struct member_id *id); /* its member too; nothing parked (asserted) */
struct member *coord__member(const struct group *g, struct str_view text);          /* NULL: unknown, or pending */
struct member *coord__instance(const struct group *g, struct str_view instance_id); /* NULL: unknown */
/* Takes a pending id up; `facts` are copied: all but links and flags. */
struct member *coord__member_new(struct group *g, struct member_id *id, const struct member *facts);
/* What the member has parked is answered with UNKNOWN_MEMBER_ID. */
void coord__member_remove(struct member *m, struct coord_step *step, struct str_view why);
bool coord__member_rename(struct member *m, struct str_view text, struct coord_step *step);
enum status coord__member_check(const struct group *g, struct str_view id, struct str_view instance_id);
void coord__member_heard(struct member *m, uint64_t now_ms); /* its session goes on */
bool coord__member_protocols(struct member *m, const struct member_protocol *protocols, int32_t count);
bool coord__member_assign(struct member *m, struct bytes_view assignment);
struct bytes_view coord__member_metadata(const struct member *m, struct str_view protocol);
bool coord__protocol_common(const struct group *g, struct str_view name); /* every member supports it */
struct str_view coord__protocol_choose(struct group *g);                  /* there are members (asserted) */

/* ---- coord.c */

/* A copy, empty for null; data NULL: no memory. */
struct bytes_view coord__arena_bytes(struct arena *arena, struct bytes_view bytes);

/* ---- join.c */

/* Starts a join phase when the state allows it, else goes on with the one there is. */
void coord__rebalance(struct group *g, struct coord_step *step);
void coord__rebalance_start(struct group *g, struct coord_step *step); /* the state allows it (asserted) */
void coord__join_try(struct group *g, struct coord_step *step);        /* ends the join phase when nobody is missing */
void coord__join_complete(struct group *g, struct coord_step *step);
void coord__join_timeout(struct group *g, struct coord_step *step);
void coord__session_timeout(struct member_id *id, struct coord_step *step);
/* When a JoinGroup is parked. */
void coord__join_answer(struct member *m, struct coord_step *step, enum status status, struct str_view id);

/* ---- sync.c */

/* Every member owes a SyncGroup, for `timeout_ms`. */
void coord__sync_begin(struct group *g, struct coord_step *step, int64_t timeout_ms);
/* Takes all assignments back; parked SyncGroups are told why. */
void coord__sync_reset(struct group *g, struct coord_step *step, enum status status);
void coord__sync_forget(struct group *g); /* nobody owes one any more */
void coord__sync_timeout(struct group *g, struct coord_step *step);
/* When a SyncGroup is parked. */
void coord__sync_answer(struct member *m, struct coord_step *step, enum status status);

/* ---- offsets.c */

struct offset *coord__offset(const struct group *g, struct str_view topic, int32_t partition); /* NULL: none */
struct offset *coord__offset_make(struct group *g, struct str_view topic, int32_t partition);  /* finds or makes */
bool coord__offset_stage(struct offset *o, const struct offset_value *value);                  /* copies */
void coord__offset_take(struct offset *o); /* what is staged becomes the value */
void coord__offset_remove(struct group *g, struct offset *o);
void coord__offsets_free(struct group *g);

/* ---- txn.c */

enum status coord__txn_offset_add(struct group *g, int64_t producer_id, struct str_view topic, int32_t partition,
                                  const struct offset_value *value) MUST_CHECK;
void coord__txn_offset_free(struct txn_offset *t);
void coord__txn_offsets_remove(struct group *g, struct str_view topic, int32_t partition);

/* ---- text.c: Java counts a string in UTF-16 units, and so do its limits and hashes. */

int32_t coord__utf16_size(struct str_view text);
uint32_t coord__java_hash(struct str_view text); /* String.hashCode */

/* ---- records.c */

bool coord__record_group(struct coord_step *step, const struct group *g);
bool coord__record_group_gone(struct coord_step *step, const struct group *g);
bool coord__record_offset(struct coord_step *step, struct str_view group, struct str_view topic, int32_t partition,
                          const struct offset_value *value);
bool coord__record_offset_gone(struct coord_step *step, struct str_view group, struct str_view topic,
                               int32_t partition);

#endif
