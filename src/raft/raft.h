/* SPDX-License-Identifier: Apache-2.0
 * KRaft for a quorum of one, as a pure step machine: state and event in, effects out. The caller owns disk and time.
 *
 *   raft_start   → the state to write durably, then LeaderChange to append
 *   append       → raft_appended(end)
 *   disk         → raft_durable(end) → the high watermark: what is durable on the only voter is committed
 *
 * Invariants (KIP-595): the epoch only grows, and grows durably before anything of it is appended; the epoch of the log
 * is never above that of quorum-state; the high watermark moves only once the epoch's own first record is durable. The
 * only voter is this node: the configuration refuses others.
 *
 * The file quorum-state is one line of JSON, in two versions as kraft.version is:
 *   0
 * {"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}
 *   1  {"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}
 */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H

#include "base/err.h"
#include "base/view.h"

#define QUORUM_STATE_FILE "quorum-state"
#define QUORUM_STATE_SIZE 512 /* the text of a quorum of one fits */

struct quorum_state {
    int32_t leader_id, leader_epoch, voted_id; /* -1: none */
    struct uuid voted_directory;               /* zero: none */
    int16_t version;
    int32_t voters;                            /* of version 0, when it is read: how many */
};

/* Reads any quorum-state of Kafka's. STATUS_CORRUPT. */
enum status quorum_state_parse(struct str_view text, struct quorum_state *out, struct err *err) MUST_CHECK;
size_t quorum_state_format(const struct quorum_state *state, int32_t node_id, char text[static QUORUM_STATE_SIZE]);

struct raft {
    int32_t node_id;
    int16_t kraft_version; /* 0: the voters stand in the configuration; 1: in the log (KIP-853) */
    int32_t epoch;         /* -1 before raft_start */
    int64_t epoch_start;   /* offset of the LeaderChange record */
    int64_t end, high_watermark;
};

/* The leader's first act. `saved` is what quorum-state says (NULL: no file), `log_epoch` the last epoch in the log and
 * the snapshot (0: none), `log_end` the log's end. After it: write `state` durably, then append the LeaderChange batch
 * of raft_leader_change at log_end. */
void raft_start(struct raft *raft, int32_t node_id, int16_t kraft_version, const struct quorum_state *saved,
                int32_t log_epoch, int64_t log_end, struct quorum_state *state);

/* Key and value of the control record that opens the epoch (LeaderChangeMessage). */
#define LEADER_CHANGE_SIZE 32
struct raft_control {
    uint8_t key[4];
    uint8_t value[LEADER_CHANGE_SIZE];
    size_t value_size;
};
void raft_leader_change(const struct raft *raft, struct raft_control *out);

void raft_appended(struct raft *raft, int64_t end);
/* Everything below `end` is on disk. True when the high watermark moved. */
bool raft_durable(struct raft *raft, int64_t end);

#endif
