/* SPDX-License-Identifier: Apache-2.0
 * See raft.h.
 */
#include "raft/raft.h"

#include "base/assert.h"
#include "base/bug.h"
#include "base/writer.h"

enum { CONTROL_LEADER_CHANGE = 2 };

void raft_start(struct raft *raft, int32_t node_id, int16_t kraft_version, const struct quorum_state *saved,
                int32_t log_epoch, int64_t log_end, struct quorum_state *state)
{
    int32_t before = saved && saved->leader_epoch > log_epoch ? saved->leader_epoch : log_epoch;

    ASSERT(before < INT32_MAX);
    *raft = (struct raft){.node_id = node_id,
                          .kraft_version = kraft_version,
                          .epoch = before + !BUG(KAFKA_10527),
                          .epoch_start = log_end,
                          .end = log_end,
                          .high_watermark = 0};
    *state = (struct quorum_state){
        .leader_id = node_id, .leader_epoch = raft->epoch, .voted_id = -1, .version = kraft_version > 0};
}

/* A list of one voter: this node. */
static void put_voters(struct writer *w, const struct raft *raft)
{
    writer_count_compact(w, 1);
    writer_i32(w, raft->node_id);
    writer_uvarint(w, 0);
}

void raft_leader_change(const struct raft *raft, struct raft_control *out)
{
    struct writer w;

    writer_init(&w, out->key, sizeof out->key);
    writer_i16(&w, 0);
    writer_i16(&w, CONTROL_LEADER_CHANGE);
    writer_init(&w, out->value, sizeof out->value);
    writer_i16(&w, 0); /* also with kraft.version 1: Kafka 4.3 writes no other, and its dump tool reads no other */
    writer_i32(&w, raft->node_id);
    put_voters(&w, raft);
    put_voters(&w, raft); /* who granted their votes */
    writer_uvarint(&w, 0);
    out->value_size = writer_size(&w);
}

void raft_appended(struct raft *raft, int64_t end)
{
    ASSERT(end >= raft->end);
    raft->end = end;
}

bool raft_durable(struct raft *raft, int64_t end)
{
    ASSERT(end <= raft->end);
    if (end <= raft->high_watermark || end <= raft->epoch_start) /* an epoch commits by its own first record */
        return false;
    raft->high_watermark = end;
    return true;
}
