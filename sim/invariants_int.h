/* SPDX-License-Identifier: Apache-2.0
 * Between invariants.c (the table, what was seen, when) and invariants_depth.c (against a scan).
 */
#ifndef SIM_INVARIANTS_INT_H
#define SIM_INVARIANTS_INT_H

#include "broker/metadata_int.h"
#include "partition/partition_int.h"
#include "sim/invariants.h"
#include "sim/sim_int.h"
#include "store/log_int.h"

enum { KEPT_MAX = 64, IMAGES_MAX = 8 };

/* What is remembered of a log. */
struct seen {
    struct map_node node;
    struct { struct uuid topic_id; int32_t index; } key;
    const struct log *log; /* of this life */
    int64_t start, synced, high, durable, end; /* of this life */
    int32_t epoch;
    bool offline, unmade, block; /* block: one is being written */
    unsigned dir; /* one more than its log directory's number; 0: not known */
    int64_t high_ever;
    struct kept {          /* the last batches below the high watermark, when it was looked at in depth: of any life */
        int64_t base;
        uint32_t crc;
    } kept[KEPT_MAX];
    size_t kept_count;
    int64_t unmarked_from, unmarked_ms, unmarked_shift_ms; /* batches from here on had no delete horizon, then, by the node's clock and how far it was from the clients' */
};

/* The batches that are in a log's files, one behind the other. */
struct scanned {
    struct batch_head head;
    const struct segment *segment;
    uint64_t position;
    struct bytes_view bytes;
};

struct look {
    struct invariants *v;
    const struct invariant *at; /* whose check runs */
    struct fs *disk;
    struct broker_shard *b;     /* AFTER_EVENT and AT_DEPTH: the log's; else shard 0's */
    /* AFTER_EVENT, AT_DEPTH: a log */
    struct broker_partition *bp; /* NULL: the metadata log */
    struct log *log;
    struct seen *seen;
    int64_t high; /* its high watermark */
    /* AT_DEPTH */
    const struct scanned *batches;
    size_t batches_count;
};

struct shard_seen { /* in the order of the shard's map, so that a turn costs no searching */
    struct seen **list;
    size_t count, room;
    size_t unknown; /* partitions that were not woken since an unclean stop */
    bool spills;    /* many logs, now */
};

struct invariants {
    struct invariants_options options;
    struct map seen; /* by topic id and index */
    struct shard_seen shards[SHARDS_MAX];
    uint64_t turns, depth_at, looks;
    size_t depth_left;    /* logs to pass over before the one that is looked at in depth */
    int32_t quorum_epoch; /* of the life before; -1: none */
    int64_t broker_epoch;
    struct image_hash {   /* the last that were seen, of any life */
        int64_t offset;   /* of the metadata log; -1: none */
        uint64_t hash;
    } images[IMAGES_MAX];
    struct scanned *batches;
    size_t batches_room;
    struct invariants_counts counts;
    bool spills; /* somebody spills many logs, after this event */
};

void invariant_broken(const struct look *look, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The batches of the look's log, from what its disk shows. False: it has something under way, or does not read (which is told as broken). */
bool invariants__scan(struct look *look);

void check_compaction(const struct look *look);
void check_epoch_cache(const struct look *look);
void check_no_hole(const struct look *look);
void check_nothing_lost(const struct look *look);
void check_on_disk(const struct look *look);
void check_producers(const struct look *look);
void check_sequences(const struct look *look);
void check_group_replay(const struct look *look);
void check_indexes(const struct look *look);
void check_sums(const struct look *look);
void check_images(const struct look *look);
void check_image_replay(const struct look *look);

#endif
