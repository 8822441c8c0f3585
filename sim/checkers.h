/* SPDX-License-Identifier: Apache-2.0
 * Histories, and what must hold of every one of them: the black-box half of the simulator, also for runs of the real binary.
 *
 * A history is what clients saw: operations with the moments at which they began and ended, and nothing of the broker's inside. Times are
 * any numbers that grow. An operation that nobody knows the end of stays OPEN: it may have happened at any time after it began, or never.
 *
 * The rules (numbers are those of invariants; the names Jepsen's, of its workload for Kafka):
 *
 *   inconsistent-offsets   two values at one offset                                       26
 *   duplicate              one value, sent by an idempotent producer, at two offsets       16, 26
 *   reordered              an idempotent producer's values stand in another order than sent 16
 *   phantom                a value that nobody sent, or whose sending was refused (G1a)     26
 *   lost-write             acknowledged, not deleted, and not there in the last read        15, 26
 *   unread                 the last read of a partition did not come to its end             28
 *   poll-skip              a reader passed over a record that is there                      26
 *   nonmonotonic-poll      a reader got a record a second time                              26
 *   nonmonotonic-send      a later send of one producer stands before an earlier one        26
 *   beyond-high-watermark  a record was read that is not below the high watermark           14
 *   high-watermark         it went back, or is behind what was acknowledged                 14, 15
 *   start-offset           the log begins further on than anybody deleted                   13
 *   commit-lost            a committed offset is told that a later accepted commit replaced  19
 *   commit-phantom         a committed offset is told that nobody committed                  19
 *   two-owners             two members own a partition in one generation                    19
 *   stale-generation       a commit was accepted from a generation that was over            17
 */
#ifndef SIM_CHECKERS_H
#define SIM_CHECKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum op_kind {
    OP_SEND,      /* value, count; offset: of the first */
    OP_POLL,      /* offset: asked; high_watermark, start_offset: told; sightings */
    OP_COMMIT,    /* group, generation, offset */
    OP_COMMITTED, /* group; offset: told, -1 none */
    OP_OWN,       /* group, generation: the process was assigned the partition */
    OP_DELETE,    /* offset: records below it are to go */
};

enum op_outcome { OP_OPEN, OP_OK, OP_REFUSED };

struct op {
    enum op_kind kind;
    enum op_outcome outcome;
    bool once;     /* SEND: of an idempotent producer */
    bool follows;  /* POLL: from where the process's poll before ended */
    bool last;     /* POLL: part of the read of everything, at the end */
    uint32_t process, partition, group;
    int32_t generation;
    uint32_t count;
    uint64_t begun, ended;
    uint64_t value;
    int64_t offset, high_watermark, start_offset;
    size_t sightings, sightings_count; /* in history.sightings */
};

struct sighting {
    int64_t offset;
    uint64_t value;
};

struct history {
    struct op *ops;
    size_t count, room;
    struct sighting *sightings;
    size_t sightings_count, sightings_room;
    uint64_t clock;      /* of history_begin and history_end */
    uint32_t partitions; /* op.partition is below it */
    const bool *dropped; /* by partition: somebody tried to delete its topic, so the last read may miss it */
};

/* The index of an operation that begins now. */
size_t history_begin(struct history *h, struct op op);
/* It ended now, as h->ops[index] says. */
void history_end(struct history *h, size_t index, enum op_outcome outcome);
/* Adds to a poll; the polls' sightings are added one poll after the other. */
void history_sight(struct history *h, size_t index, int64_t offset, uint64_t value);
void history_free(struct history *h);

/* Calls `broken` for each rule that is broken, with what breaks it. How often. */
size_t history_check(const struct history *h, void (*broken)(void *context, const char *rule, const char *what), void *context);

#endif
