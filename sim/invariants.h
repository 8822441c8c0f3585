/* SPDX-License-Identifier: Apache-2.0
 * The white-box half of the simulator: what must hold inside a node. One table (invariants.c) has all invariants by their numbers: which are
 * looked at when, which are judged elsewhere, and which wait for something that the broker does not have yet.
 *
 *   AFTER_EVENT  of a shard that had its turn: its logs, as far as they have changed. Cheap.
 *   AT_DEPTH     of one log now and then, and of all when a node got ready and before its life ends: against a scan of what is on the disk
 *   AT_READY     of a node that just got ready: against what the life before it left
 *   AT_REST      of a node whose clients have all their answers
 *   ELSEWHERE    checkers.c, load*.c, run.c
 *   WAITING      declared, and off
 *
 * What was seen is remembered by topic id and partition, over all lives. Nothing of the node is changed, and no call of its disk is made.
 */
#ifndef SIM_INVARIANTS_H
#define SIM_INVARIANTS_H

#include "sim/sim.h"

struct invariants;
struct look;

enum invariant_time { AFTER_EVENT, AT_DEPTH, AT_READY, AT_REST, ELSEWHERE, WAITING };

struct invariant {
    unsigned number; /* several rows may have the same: parts of it */
    const char *name;
    enum invariant_time time;
    const char *where;                      /* ELSEWHERE: who judges it; WAITING: for what */
    void (*check)(const struct look *look); /* NULL of these two */
};
extern const struct invariant invariants_table[];
extern const size_t invariants_count;

struct invariants_options {
    struct sim *sim;
    uint64_t seed; /* says which events a log is looked at in depth after */
    void (*broken)(void *context, const char *rule, const char *what);
    void *context;
};

/* That what is rare occurs. */
struct invariants_counts {
    uint64_t wakes;   /* of partitions that had records */
    uint64_t replays; /* of these after an unclean stop: what the journals have of them was applied then */
    uint64_t folders; /* that were made when their partition had its first records for a while */
    uint64_t spills;  /* of many logs in one job */
    uint64_t blocks;  /* commits that went to their segment in blocks */
    uint64_t moves;   /* of partitions to another log directory */
};
struct invariants_counts invariants_counts(const struct invariants *v);

/* Of the node that is ready: the log directory of a partition, NULL when that is offline, or the partition is not there; whether one is offline. */
const char *invariants_dir(const struct invariants *v, struct uuid topic_id, int32_t index);
bool invariants_dirs_offline(const struct invariants *v);

struct invariants *invariants_new(const struct invariants_options *options);
void invariants_free(struct invariants *v);

/* All of these while a node is ready; `disk` is its disk (disk.h). */
void invariants_ready(struct invariants *v, struct fs *disk); /* it just got ready */
void invariants_event(struct invariants *v, struct fs *disk); /* after each event */
void invariants_depth(struct invariants *v, struct fs *disk); /* the logs in depth: all that are not long, and some of those */
bool invariants_rests(const struct invariants *v); /* nothing is under way in it */
void invariants_rest(struct invariants *v);        /* nothing should be */

#endif
