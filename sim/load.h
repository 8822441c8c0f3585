/* SPDX-License-Identifier: Apache-2.0
 * Simulated clients. They speak the wire through the generated codecs, choose what to do from the world's seed, and write down what they
 * did and saw (checkers.h).
 *
 *   producers   plain (each acks), and idempotent: several batches under way, sent again over new connections until their fate is known
 *   keyed       the same, with keys and tombstones, to the compacted topic
 *   crowds      to many partitions at once, when there are as many
 *   readers     any offset, any version, sessions or none, long polls, small limits
 *   members     of classic groups: join, sync, heartbeat, read, commit, leave
 *   admins      create, delete and recreate topics, add partitions, delete records, commit offsets and delete them and their groups, change and describe what there is
 *
 * A client is a small machine: it sleeps, wakes, sends requests, and is called with each answer, or with NULL when the connection was lost
 * and nobody knows. A topic that was deleted and made again is another topic: everything is counted by topic id.
 */
#ifndef SIM_LOAD_H
#define SIM_LOAD_H

#include "base/view.h"
#include "sim/checkers.h"
#include "sim/sim.h"

struct load;

struct load_options {
    struct sim *sim;
    unsigned producers, once, keyed, readers, members, admins; /* how many of each; `once`: idempotent producers; `keyed`: those of the compacted topic */
    unsigned groups;
    bool near_wrap;                                      /* sequences begin just below 2^31, producers' epochs just below 2^15 */
    bool far;                                            /* one partition of each lasting topic begins just below 2^63: load_begin_far */
    bool wide;                                           /* two more topics have hundreds of partitions each, and who writes to many of them at once */
    unsigned dirs;                                       /* log directories (dirs.h). Of several, one by one fails: partitions get other epochs, groups lose their coordinators */
    int32_t fetch_bytes;                                 /* of a partition, at most */
    bool beyond;                                         /* what a checksum tells to be wrong may be served: it is the reader who learns of it */
    void (*tell)(void *context, const char *line);       /* the story; NULL: untold */
    void (*broken)(void *context, const char *rule, const char *what); /* what a client sees at once to be wrong */
    void (*refused)(void *context, struct uuid topic_id, int32_t index); /* KAFKA_STORAGE_ERROR: whether there is a reason */
    void *context;
};

struct load *load_new(const struct load_options *options);
void load_free(struct load *load);

const struct history *load_history(struct load *load);

struct load_counts {
    uint64_t requests;
    uint64_t sequence_ends; /* batches, acknowledged, with 2^31 - 1 and 0 in them */
    uint64_t epoch_ends;    /* batches, acknowledged, of a producer whose epoch is one of the last two */
    uint64_t offset_ends;   /* batches that were refused because there are no more offsets */
    uint64_t compacted_met;  /* records that were read from batches of which others are gone */
    uint64_t tombstones_met; /* that were seen, and are gone by their delete horizon */
    uint64_t settings_judged, members_judged; /* that somebody was told of, and is known what it had to be */
};
struct load_counts load_counts(const struct load *load);

/* With `far`: nobody but administrators does anything until the topics are there (load_has_topics), and the node is down and its disk well for this. */
bool load_has_topics(void *load);
void load_begin_far(struct load *load, struct fs *disk);

/* Faults of clients: some connections break (cut: in the middle of the next request), some machines vanish. */
void load_break(struct load *load, unsigned percent);
void load_cut(struct load *load, unsigned percent);
void load_vanish(struct load *load, unsigned percent);

/* No more faults: from now on a request that is not answered in time is a broken promise (invariant 28). */
void load_calm(struct load *load);
/* Nothing new is begun; producers still learn the fate of what they sent. */
void load_finish(struct load *load);
bool load_is_finished(void *load);
/* Reads every partition from its start to its end, and what each group committed. Then load_is_audited. */
void load_audit(struct load *load);
bool load_is_audited(void *load);
/* The broker said this: partitions that it names are not held to their promises any more (history.reported). */
void load_report(struct load *load, const char *line);
void load_report_all(struct load *load);

/* Who has something under way, for a person. */
void load_describe(const struct load *load, void (*tell)(void *context, const char *line), void *context);

#endif
