/* SPDX-License-Identifier: Apache-2.0
 * Histories, and what must hold of every one of them: the black-box half of the simulator, also for runs of the real binary.
 *
 * A history is what clients saw: operations with the moments at which they began and ended, and nothing of the broker's inside. Times are
 * any numbers that grow. An operation that nobody knows the end of stays OPEN: it may have happened at any time after it began, or never.
 *
 * What must hold is a table (history_rules). The names are those of Jepsen's workload for Kafka, where it has one; of its catalogue are allowed: G0,
 * int-send-skip (others' records stand between), G1c with ww edges, and under subscribe poll-skip and nonmonotonic-poll (`follows` says that a
 * process reads on by itself). A history of a partition is judged by its last read, which has to come to the end.
 *
 * A partition may be compacted: then what a value is tells its key and whether it is a tombstone (op_key, op_is_tombstone), and records of which a newer
 * one of their key was sent may be missing (checkers_keys.c).
 */
#ifndef SIM_CHECKERS_H
#define SIM_CHECKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum op_kind {
    OP_SEND,      /* value, count; offset, timestamp: of the first; op_timestamp tells those of the others */
    OP_POLL,      /* offset: asked; high_watermark, start_offset: told; sightings */
    OP_COMMIT,    /* group, generation, offset */
    OP_COMMITTED, /* group; offset: told, -1 none */
    OP_OWN,       /* group, generation: the process was assigned the partition */
    OP_DELETE,    /* offset: records below it are to go */
    OP_FORGET,    /* group; offset -1; whole: of a group that is deleted, else just of the offset that was committed here */
    OP_FIND,      /* timestamp: asked, -3 for the greatest; offset: told, -1 none; found: its timestamp, as told */
};

enum op_outcome { OP_OPEN, OP_OK, OP_REFUSED };

struct op {
    enum op_kind kind;
    enum op_outcome outcome;
    bool once;     /* SEND: of an idempotent producer */
    bool follows;  /* POLL: from where the process's poll before ended */
    bool whole;    /* FORGET: with all that the group is */
    bool last;     /* POLL: part of the read of everything, at the end */
    uint32_t process, partition, group;
    int32_t generation;
    uint32_t count;
    uint64_t begun, ended;
    uint64_t value;
    int64_t offset, high_watermark, start_offset;
    int64_t next;  /* POLL: where it goes on; 0: behind its last record */
    int64_t timestamp, found;
    size_t sightings, sightings_count; /* in history.sightings */
};

/* Of the n-th record of a SEND: it goes back now and then, as a producer's clock may. */
static inline int64_t op_timestamp(const struct op *op, uint32_t n)
{
    return op->timestamp + n % 3;
}

enum { OP_KEYS = 64 }; /* of a process */

/* Of a compacted partition. A process has keys of its own, in which its values grow: half of them go to the first four, a quarter to the next four, and
 * so on, so that what was written last of a key may be new or very old. One in eight is a tombstone. */
static inline uint64_t op_mixed(uint64_t value)
{
    uint64_t mixed = (value + 1) * UINT64_C(0x9E3779B97F4A7C15);

    return (mixed ^ mixed >> 32) * UINT64_C(0x9E3779B97F4A7C15);
}

static inline uint64_t op_key(uint64_t value)
{
    uint64_t mixed = op_mixed(value);

    return (value >> 32) * OP_KEYS + (uint64_t)__builtin_ctz((unsigned)(mixed >> 32 & 0x7fff) | 0x8000) * 4 + (mixed >> 48 & 3);
}

static inline bool op_is_tombstone(uint64_t value)
{
    return op_mixed(value) >> 61 == 0;
}

struct sighting { /* of records one behind the other, whose values are, too */
    int64_t offset;
    uint64_t value, count;
};

struct history {
    struct op *ops;
    size_t count, room;
    struct sighting *sightings;
    size_t sightings_count, sightings_room;
    uint64_t clock;      /* of history_begin and history_end */
    uint32_t partitions; /* op.partition is below it */
    const int64_t *first; /* by partition: where its log began. NULL: all at 0 */
    const bool *compacted; /* by partition. NULL: none */
    const bool *shrinks;   /* by partition: its oldest records go, whatever they are (retention). NULL: none */
    const bool *dropped; /* by partition: somebody tried to delete its topic, so the last read may miss it */
    const bool *reported; /* by partition: the broker said that records of it are broken or lost; only what nobody sent is still wrong. NULL: none */
    bool groups_reported; /* the same for what groups committed */
};

/* The index of an operation that begins now. */
size_t history_begin(struct history *h, struct op op);
/* It ended now, as h->ops[index] says. */
void history_end(struct history *h, size_t index, enum op_outcome outcome);
/* Adds to a poll; the polls' sightings are added one poll after the other. */
void history_sight(struct history *h, size_t index, int64_t offset, uint64_t value, uint64_t count);
void history_free(struct history *h);

struct history_rule {
    const char *name;
    const char *invariants; /* their numbers */
    const char *what;
    const char *waits_for; /* NULL: it is judged */
};
extern const struct history_rule history_rules[];
extern const size_t history_rules_count;

/* Calls `broken` for each rule that is broken, with what breaks it. How often. */
size_t history_check(const struct history *h, void (*broken)(void *context, const char *rule, const char *what), void *context);

#endif
