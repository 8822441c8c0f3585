/* SPDX-License-Identifier: Apache-2.0
 * The group coordinator of one partition of __consumer_offsets, as a pure step machine: no I/O, no clock, no
 * randomness.
 *
 *   request, deadline, deleted topic ─→ coord_*(coord, step, …) ─→ step: records to append, calls to answer
 *
 * Each step changes the state at once and leaves in `step` what follows: records that the shell appends to the
 * partition as one batch, and calls that have their answer. The shell sends an answer only when every record that was
 * appended before it is durable, those of its own step included: so nobody ever sees what a crash could take back, and
 * the machine needs to know nothing of appends. When an append fails, the shell answers what waits with an error, drops
 * the coordinator and loads it anew (coord_resign, coord_free).
 *
 * A call that is not among the answers of its step is parked (JoinGroup until the group is complete, SyncGroup until
 * the leader sent the assignment) and comes out of a later step. Classic groups are those of Kafka 4.3's
 * GroupMetadataManager, state by state and error by error. Groups of other kinds (KIP-848, KIP-932, KIP-1071) are known
 * by name, and left alone.
 *
 * Memory: a failed allocation never leaves a half-made change; the call is answered with COORDINATOR_NOT_AVAILABLE. So is what would make a group, a
 * member or an offset that was not there, while the memory is crowded (mem_crowded, base/mem.h): those that are there go on.
 */
#ifndef COORD_COORD_H
#define COORD_COORD_H

#include "base/arena.h"
#include "base/list.h"
#include "base/status.h"
#include "base/view.h"

struct coord;

struct coord_config {
    int32_t session_timeout_min_ms,
        session_timeout_max_ms;         /* group.min.session.timeout.ms, group.max.session.timeout.ms */
    int32_t initial_rebalance_delay_ms; /* group.initial.rebalance.delay.ms */
    int32_t group_size_max;             /* group.max.size */
    int32_t offset_metadata_max;        /* offset.metadata.max.bytes, in UTF-16 units as in Kafka */
    int64_t offsets_retention_ms;       /* offsets.retention.minutes */
};

/* A request that waits for its answer, embedded in the shell's object. */
struct coord_call {
    struct list link;    /* the coordinator's while it is parked, then among the answers of a step */
    struct arena *arena; /* takes what the answer names */
    void *out; /* the API's generated response, initialised by the shell, filled when the call is among the answers */
};

struct coord_record {
    struct bytes_view key, value; /* value null: a tombstone */
};

/* A member that is none any more, told to the operator: he sees why a group rebalanced. */
struct coord_removal {
    struct list link;
    struct str_view group, member, client_id, host, why;
};

/* One step: when it happens, and what comes of it. */
struct coord_step {
    uint64_t now_ms;      /* monotonic: deadlines */
    int64_t wall_ms;      /* since 1970: what is written into records */
    struct arena *arena;  /* takes records and removals; the shell's */
    struct list answers;  /* struct coord_call */
    struct list removals; /* struct coord_removal; those that there was memory for */
    struct coord_record *records;
    size_t records_count, records_capacity;
};

void coord_step_init(struct coord_step *step, uint64_t now_ms, int64_t wall_ms, struct arena *arena);

struct coord *coord_new(const struct coord_config *config, uint64_t seed); /* NULL: no memory */
void coord_free(struct coord *c);                                          /* nothing is parked (asserted) */

/* Loading: each record of the partition in order, then coord_loaded once, which starts the sessions of the members that
 * were read. producer_id -1: not of a transaction. Kinds of records that this coordinator does not act upon are passed
 * over. STATUS_CORRUPT: the bytes of a kind that it does; STATUS_NO_MEMORY. After a failure the coordinator is good for
 * nothing but coord_free. */
enum status coord_replay(struct coord *c, int64_t offset, int64_t producer_id, int64_t wall_ms, struct bytes_view key,
                         struct bytes_view value) MUST_CHECK;
enum status coord_replay_txn_end(struct coord *c, int64_t producer_id, bool committed) MUST_CHECK;
void coord_loaded(struct coord *c, struct coord_step *step);

/* Which partition a group belongs to: Java's String.hashCode, made positive, modulo the number of partitions. */
int32_t coord_partition_of(struct str_view group_id, int32_t partitions);

/* When coord_tick wants to be called; UINT64_MAX: not before another step. */
uint64_t coord_deadline(const struct coord *c);
void coord_tick(struct coord *c, struct coord_step *step); /* what is due; bounded: ask coord_deadline again */

/* Everything parked is answered with `status`. */
void coord_resign(struct coord *c, struct coord_step *step, enum status status);

/* Who is calling. The uuid is a fresh random one: a member id is made of it. */
struct coord_client {
    int16_t version; /* of the request */
    struct str_view client_id, host;
    struct uuid uuid;
};

struct join_group_request;
struct sync_group_request;
struct heartbeat_request;
struct leave_group_request;
struct offset_commit_request;
struct offset_delete_request;
struct offset_fetch_request_group;
struct offset_fetch_response_group;
struct list_groups_request;
struct list_groups_response;
struct describe_groups_response_group;

void coord_join(struct coord *c, struct coord_step *step, const struct join_group_request *in,
                const struct coord_client *client, struct coord_call *call);
void coord_sync(struct coord *c, struct coord_step *step, const struct sync_group_request *in, int16_t version,
                struct coord_call *call);
void coord_heartbeat(struct coord *c, struct coord_step *step, const struct heartbeat_request *in,
                     struct coord_call *call);
/* Versions 0-2 come as one element of `members`, as in version 3. */
void coord_leave(struct coord *c, struct coord_step *step, const struct leave_group_request *in,
                 struct coord_call *call);

/* The answer has the shape of the request already: topics and partitions in the same order; those with an error are
 * passed over. Names and topic ids of the topics are both set in `in`, whichever the client gave. */
void coord_offset_commit(struct coord *c, struct coord_step *step, const struct offset_commit_request *in,
                         int16_t version, struct coord_call *call);
void coord_offset_delete(struct coord *c, struct coord_step *step, const struct offset_delete_request *in,
                         struct coord_call *call);

/* One group of an OffsetFetch, in the form of version 8 and later. No list of topics (count -1): all offsets. A topic
 * of `in` with a null name is one whose id nobody knows. On failure `out` has the error. */
void coord_offset_fetch(struct coord *c, const struct offset_fetch_request_group *in, int16_t version,
                        bool require_stable, struct arena *arena, struct offset_fetch_response_group *out);

/* STATUS_NO_MEMORY. */
enum status coord_list(const struct coord *c, const struct list_groups_request *in, struct arena *arena,
                       struct list_groups_response *out) MUST_CHECK;
enum status coord_describe(const struct coord *c, struct str_view group_id, int16_t version, struct arena *arena,
                           struct describe_groups_response_group *out) MUST_CHECK;

/* What clients are told of a group that is not there: "Group <id> not found.", for one. data NULL: no memory. */
struct str_view coord_not_found(struct str_view group_id, const char *why, struct arena *arena);

/* The group, which is empty, and its offsets. */
enum status coord_delete_group(struct coord *c, struct coord_step *step, struct str_view group_id) MUST_CHECK;

/* Every offsets.retention.check.interval.ms: offsets whose time is up go, and groups that are empty of members and
 * offsets. true: there is more to do, call it again in another step. */
bool coord_expire(struct coord *c, struct coord_step *step);
/* The topic is gone, and with it what was committed for it. */
void coord_topic_deleted(struct coord *c, struct coord_step *step, struct uuid id, struct str_view name);

#endif
