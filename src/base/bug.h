/* SPDX-License-Identifier: Apache-2.0
 * The bug bank: mistakes that other brokers once made and mended, each to be made here again with a switch of the build.
 *
 * A simulator that finds nothing proves nothing until one knows what it would have found. So each of these bugs is seeded where its
 * original would be in our code, and script/bugbank measures how many seeds the simulator needs to see it (docs/SIMULATION.md).
 * FoundationDB's injected bugs are the precedent.
 *
 *     if (!BUG(KAFKA_3968))
 *         status = fs_sync_dir(fs, dir, err);
 *
 * BUG(name) is a constant: false for all of them in every build but one that was configured with -Dbug=name. The compiler takes the branch out,
 * after it has checked its types: no binary that anybody runs has a bug in it, and the bank cannot rot. A test checks that none is seeded.
 *
 * To add one: a line here, and its use as one condition, at most three lines, at the place of the original mistake. A name is its tracker and number.
 */
#ifndef BASE_BUG_H
#define BASE_BUG_H

#include "base/bug_seeded.h" /* made by the build: BUG_SEEDED is BUG_none, or what -Dbug says */

enum bug {
    BUG_none,
    /* the disk */
    BUG_NATS_7564,      /* store/commit.c: an append is acknowledged before its segment is synced */
    BUG_ETCD_14370,     /* store/journal.c: it is acknowledged before the write-ahead log has it */
    BUG_KAFKA_3968,     /* store/commit.c, spill.c: a new segment's name is not synced */
    BUG_KAFKA_1539,     /* rt/fs.c: a small file (checkpoints, snapshots, states) is renamed into place without a sync of its content */
    BUG_KAFKA_673,      /* broker/broker.c: recovery runs after a clean stop, and not after a crash */
    BUG_KAFKA_10778,    /* store/commit.c: after a write that failed the log goes on */
    BUG_POSTGRES_FSYNC, /* rt/fs.c: a sync that failed is tried again, and the second answer believed ("PANIC on fsync() failure", 2018) */
    BUG_KAFKA_10471,    /* store/dir.c: that a start takes the clean-stop marker away is not synced */
    BUG_KAFKA_15375,    /* broker/lifecycle.c: a stop that could not save everything counts as clean */
    /* compaction */
    BUG_KAFKA_4545,     /* store/clean_batch.c: how long a tombstone stays counts from when it was written, not from when it was cleaned */
    BUG_KAFKA_2118,     /* store/clean_swap.c: a start in the midst of a swap leaves the old segments beside the new one */
    /* producers */
    BUG_KAFKA_5494,     /* partition/producers.c: only a producer's last batch is known as a duplicate, though five may be under way */
    BUG_REDPANDA_3039,  /* partition/producers.c: a batch that is sent again is refused as out of order */
    BUG_KAFKA_7692,     /* partition/producers.c: sequences do not wrap at 2^31 */
    BUG_KAFKA_6003,     /* partition/producers.c: a producer of whom nothing is known must begin with sequence 0 */
    BUG_KAFKA_6683,     /* partition/append.c: the snapshot of a roll has the batch that comes after it */
    BUG_KAFKA_5249,     /* partition/partition.c: what is recovered behind a producer snapshot is not added to it */
    BUG_KAFKA_7190,     /* partition/partition.c: producers are forgotten when records are deleted */
    /* reading */
    BUG_KAFKA_14334,    /* partition/append.c: a fetch that waits is not woken by what is appended */
    BUG_KAFKA_9835,     /* store/log.c: bytes are read that are being appended, above the high watermark */
    BUG_KAFKA_2063,     /* broker/api_fetch.c: a batch that is larger than the reader's limit is never sent */
    BUG_KAFKA_4172,     /* broker/api_fetch.c: partitions with nothing new are left out of an answer that has no session */
    BUG_REDPANDA_1115,  /* broker/api_fetch.c: max_wait_ms is taken for 0 */
    BUG_KAFKA_1042,     /* store/log.c: a lookup of segments misses the first one */
    BUG_KAFKA_16310,    /* store/log.c: the record of the greatest timestamp is taken to be the last one of its batch */
    BUG_REDPANDA_6606,  /* store/log.c: a lookup by time passes over batches that begin before that time and end after it */
    BUG_KOP_334,        /* store/log.c: a lookup by time tells the beginning of the batch, not the record in it */
    /* groups */
    BUG_KAFKA_5600,     /* coord/records.c: loading keeps the first of a partition's commits instead of the last */
    BUG_KAFKA_9065,     /* broker/groups.c: loading goes on for ever at the log's end */
    BUG_KAFKA_7286,     /* broker/groups.c: loading does not come past a batch that is larger than its buffer */
    BUG_KAFKA_2017,     /* broker/groups.c: answers leave before what they tell is durable */
    BUG_KAFKA_9365,     /* coord/offsets.c: commits are not fenced by their generation */
    BUG_REDPANDA_4900,  /* coord/records.c: loading passes over tombstones: what was deleted comes back */
    BUG_KAFKA_10284,    /* coord/join.c: a static member's new id is not written down */
    BUG_KAFKA_9801,     /* coord/join.c: a static member that comes back while the others wait for their assignment gets an empty one */
    BUG_KAFKA_12890,    /* coord/sync.c: who sends heartbeats, but never its SyncGroup, holds up its group for ever */
    /* epochs and metadata */
    BUG_KAFKA_10527,    /* raft/raft.c: a leader that comes back leads in its old epoch */
    BUG_KAFKA_7415,     /* partition/partition.c: a new leader does not write down where its epoch begins */
    BUG_KAFKA_13357,    /* meta/snapshot.c: a snapshot has no producer ids */
    BUG_KAFKA_14238,    /* broker/metadata.c: retention by size deletes the metadata log past its latest snapshot */
    BUG_KAFKA_14618,    /* broker/metadata.c: a snapshot's name is one offset too low */
};

enum { BUG_SEEDED_NOW = BUG_SEEDED };

#define BUG(name) ((int)BUG_SEEDED_NOW == (int)BUG_##name)

#endif
