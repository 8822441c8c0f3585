/* SPDX-License-Identifier: Apache-2.0
 * One segment of a log: a .log file of batches, its two indexes, and the transactions that it tells to be aborted.
 *
 *   planned ──commit──> active ──roll──> sealed ──commit──> cold
 *
 * planned: rolled to in memory, its file not yet made. active: the last one, indexes in memory. sealed: no longer appended to, its
 * indexes still in memory. cold: its indexes are files. Sizes and indexes count what was appended, durable or not: who reads stops at
 * the log's durable position.
 *
 * What comes from the disk is checked once, a region at a time: checksums, and places, which those do not cover. The batches that begin in a region are good,
 * or one of them is bad, or nobody looked since they came from the disk. What this process itself wrote is good until it left memory.
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "store/epochs.h"
#include "store/index.h"
#include "store/scan.h"
#include "store/txnindex.h"

enum { REGION_BYTES = 1 << 20 };
enum region { REGION_UNKNOWN, REGION_GOOD, REGION_BAD };

struct segment {
    int64_t base;
    uint64_t size;
    struct index offsets, times;
    struct file *file;                            /* NULL: not open */
    const struct tail *tail;                      /* where the file is continued: of the segment that its log writes. Else NULL */
    int64_t first_timestamp;                      /* max timestamp of the first batch; -1: none yet */
    int64_t max_timestamp, max_timestamp_offset;  /* last offset of the batch that has it; -1: none */
    uint64_t unindexed;                           /* bytes since the last index entry */
    int64_t created_ms;                           /* wall time: its age while its records have no timestamps */
    struct txnindex aborted;                      /* of a cold segment with many: only while they are asked for */
    uint64_t ours;                                /* regions from here on are good when nothing else is known: this process wrote them */
    uint8_t *regions;                             /* enum region of the first regions_count ones */
    uint32_t regions_count;
    uint32_t counted;                             /* of segment_bytes, in files */
    uint64_t read_to;                             /* where the last reader of old data stopped */
    struct list warmings;                         /* jobs that read it (warm.c) */
    struct files *files;                          /* where it is counted; NULL: nothing of it is open */
    struct list used;                             /* in files */
    struct bytes_view snapshot;                   /* producer state at `base`, until the file is written */
    bool unnamed;                                 /* its files have not got their names yet: it stays open */
    bool made;                                    /* the .log is there */
    bool cold;                                    /* the indexes are files */
    bool aborts, aborts_known;                    /* there is a .txnindex; what it should say is in `aborted` */
    bool times_known, first_known;                /* max_timestamp, first_timestamp were read (a cold segment's are when they are asked for) */
};

struct segment *segment_new(int64_t base, int64_t now_ms) __attribute__((warn_unused_result)); /* planned; NULL: no memory */
void segment_free(struct segment *seg);

/* <dir>/<20 digits><suffix> */
enum status segment_path(char path[static FS_PATH_MAX], const char *dir, int64_t base, const char *suffix, struct err *err) MUST_CHECK;

/* "<20 digits><suffix>": the offset; false for any other name. */
bool segment_named(const char *name, const char *suffix, int64_t *base) __attribute__((warn_unused_result));

/* The segment takes one more batch at its end: counts it and indexes it, by Kafka's rules. */
void segment_note(struct segment *seg, const struct batch_head *head, int64_t index_interval);
/* No more appends: the last timestamp is indexed. false: no memory, and there may be more appends. */
bool segment_seal(struct segment *seg) __attribute__((warn_unused_result));
/* Blocking: writes the files that a sealed segment keeps; segment_put: those of the active one at a clean stop, durable with the volume (fs_put_file). */
enum status segment_save(const struct segment *seg, struct fs *fs, const char *dir, struct err *err) MUST_CHECK;
enum status segment_put(const struct segment *seg, struct fs *fs, const char *dir, struct err *err) MUST_CHECK;
/* Blocking: the .log, which is longer, ends with what it holds; durable with the volume. */
enum status segment_trim(const struct segment *seg, struct fs *fs, const char *dir, struct err *err) MUST_CHECK;
/* The indexes were saved and leave memory. */
void segment_chill(struct segment *seg);

/* Opens what is not open and was made: the .log (for writing too while it is not cold), and a cold segment's indexes. */
enum status segment_open(struct segment *seg, struct fs *fs, const char *dir, struct err *err) MUST_CHECK;
void segment_close(struct segment *seg); /* gives its files back: they are opened again when needed */
/* max_timestamp of a segment whose indexes are files: from the end of its time index on. Open. */
enum status segment_know_times(struct segment *seg, struct err *err) MUST_CHECK; /* blocks */
enum status segment_know_first(struct segment *seg, struct err *err) MUST_CHECK; /* the same for first_timestamp */
/* A cold segment's aborted transactions, if its .txnindex has any; `end`: the offset where the next segment begins. STATUS_CORRUPT: none of its entries is known. */
enum status segment_know_aborted(struct segment *seg, struct fs *fs, const char *dir, int64_t end, struct err *err) MUST_CHECK;
void segment_forget_aborted(struct segment *seg); /* when they are many, until they are asked for again */
size_t segment_bytes(const struct segment *seg); /* of memory that closing it gives back */
/* As segment_find, from `from` or from a later batch that the entry of the time index points at: it is believed when that batch has its time. */
enum status segment_find_timed(const struct segment *seg, const struct index_entry *entry, int64_t from, uint64_t end, struct scan_miss *miss, uint64_t *position,
                               struct batch_head *head, struct err *err) MUST_CHECK;

/* The first batch whose last offset is at least `offset`, before byte `end`: its position and head; *position == end: there is none. Open. */
enum status segment_find(const struct segment *seg, int64_t offset, uint64_t end, struct scan_miss *miss, uint64_t *position, struct batch_head *head,
                         struct err *err) MUST_CHECK; /* `miss`, here and below: as in struct scan */

/* check.c */
/* Reads the batches that begin from byte `from` to `to`: whether they are whole, and where they say. A batch's checksum does not cover its offset, so the
 * neighbours' have to fit: the first is not below `base`, none overlaps another, none reaches the offset `limit`, that of byte `end`. *good: where the
 * first one begins that is bad, or may be; else where the last one ends. Open. Blocks. */
enum status segment_check(const struct segment *seg, uint64_t from, uint64_t to, uint64_t end, int64_t base, int64_t limit, uint64_t *good, struct err *err) MUST_CHECK;
/* A place at or before byte `at` where a batch begins, by the index; its offset is not below *base. Open. Blocks. */
uint64_t segment_place(const struct segment *seg, uint64_t at, uint64_t end, int64_t *base);
/* How many bytes from `from` on, up to `to`, lie in regions that are good. */
uint64_t segment_good(const struct segment *seg, uint64_t from, uint64_t to);
enum region segment_region(const struct segment *seg, uint64_t at);
/* The regions of [from, to) are that; without memory for it they stay as they were. */
void segment_settle(struct segment *seg, uint64_t from, uint64_t to, enum region is);
/* They were found not to be in memory: nothing is known of them any more. */
void segment_doubt(struct segment *seg, uint64_t from, uint64_t to);

/* Most bytes of one commit, unless it is a single batch: what may be torn at the end of a log, and what a recovery writes again. Large enough that
 * a sync's cost does not show. */
enum { COMMIT_BYTES_MAX = 8 * 1024 * 1024 };

/* Opening. segment_load: what a clean stop left, without reading data; STATUS_CORRUPT when an index is missing or wrong: then segment_recover. */
struct segment_recovery {
    struct fs *fs;
    const char *dir;
    int64_t index_interval;
    int64_t trusted;        /* offsets below it are durable: their heads are walked, the others' checksums computed */
    struct epochs *epochs;  /* learns the epochs of the batches */
    bool last;              /* only its tail can be torn: a segment is whole before the next one is made */
};
/* `active`: the indexes stay in memory. *end: the offset behind the last batch (of an active segment; else unchanged). */
enum status segment_load(struct segment *seg, struct fs *fs, const char *dir, bool active, int64_t *end, struct err *err) MUST_CHECK;
/* Walks the file from its beginning, builds the indexes anew and cuts a torn tail; the last segment is durable after that.
 * *end: the offset behind the last batch. */
enum status segment_recover(struct segment *seg, const struct segment_recovery *how, int64_t *end, struct err *err) MUST_CHECK;

#endif
