/* SPDX-License-Identifier: Apache-2.0
 * A journal: one sync for all the logs that a shard has in one log directory.
 *
 * An append to a file and its sync cost a commit of the file system's own journal, because the file grows. So the batches of a turn, of all logs,
 * are first written one behind the other into a file that does not grow: one write of whole blocks, durable on return, and acknowledged. They stay
 * in memory, for readers, and reach their segments in large pieces (tail.h, spill.c), which are synced long after.
 *
 *   barnabas-journal.<n>    [head][ half: group group group .. ][ half: group group .. ]      format: docs/formats/journal.md
 *
 * While one group is written the next gathers, and it begins when that one is done, before anybody is told: the disk does not wait for who is answered. A large one begins beside the one
 * before it, and says so in its header; what landed first waits for that one. When one failed none is written after it.
 *
 * While one half is filled, the logs that have bytes in the other are spilled and synced (spill.c), all of them by a few jobs. But who has little there, and nothing in its file that is not
 * synced, has its tail taken over, with the groups that are written. Then that half is free to be filled again. Never is a half overwritten before;
 * when it is not free in time, commits wait.
 *
 * Invariants
 * 1. A group and all before it are durable in the journal before any of it is acknowledged, read, or written to a segment.
 * 2. What the journal owes a log lies in one segment, the log's last one: a roll syncs the segment that it ends, with its indexes, before anything is taken for the next, and
 *    none before it is removed or compacted until that one has its file.
 * 3. The header of each group tells the oldest group that is still needed; those from it on are there, or a disk has lost them; but for those that its header
 *    says were under way before it: when one of these is not there, nothing from there on was acknowledged. So what is taken over is needed where it was until the
 *    group that has it landed, and all before it; and the last group of a half, written when the other one was free, says so.
 * 4. A block that has a part of a group is written again only after that group landed, with the same bytes in the same places: each of its sectors holds them, whether it is as it
 *    was or as it is to be.
 *
 * So recovery is to write each frame where it belongs: it asks nothing of a log but its folder, its topic id and its last segment. It comes
 * before a log is opened, which then finds in its segments what was acknowledged, and perhaps a group that was not. Until every log that is to live was opened the journals of the
 * lives before stay, and the new ones have other numbers: the shard's, or that and a multiple of JOURNAL_NUMBERS.
 *
 * The file is made by a job after the first commits, so that an idle shard has none, and is removed at a clean stop. What is much of one log does not go through it
 * (journal_enough), but straight to its segment, and so do batches that are larger than half of a group.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "base/err.h"
#include "rt/fs.h"
#include "store/dir.h"
#include "store/store.h"

struct journal;
struct commit;
struct log;

struct journal *journal_new(struct store *store, const char *dir, size_t size) __attribute__((warn_unused_result)); /* NULL: no memory. dir: borrowed */
/* NULL is allowed, here and below: no journal. Removes the file, unless a log that it owes was not closed well. */
void journal_free(struct journal *journal);

/* The end of a turn: begin; each commit is offered (false: it is to go on its own); submit. */
void journal_begin(struct journal *journal);
bool journal_busy(struct journal *journal); /* its groups are under way, or this one is full: what wants a commit waits */
void journal_awaited(struct journal *journal, struct log *log); /* a commit of the log waits for the journal */
size_t journal_takes(const struct journal *journal); /* at most so many bytes a commit; 0: it takes none */
size_t journal_enough(const struct journal *journal); /* of one log: so many bytes cost less when they go to its segment at once */
bool journal_take(struct journal *journal, struct commit *c);
void journal_submit(struct journal *journal);
void journal_retry(struct journal *journal);   /* a group found no space, and there may be some */
void journal_give_up(struct journal *journal); /* there will be none: it fails */
bool journal_rolls(const struct journal *journal); /* a log may go on in a segment that has no file yet, once the one before is synced */

void journal_feed(struct journal *journal);             /* logs were spilled: the next may be */
struct file *journal_volume(const struct journal *journal); /* the file system that the logs are in (FS_VOLUME) */

bool journal_owes(const struct log *log);               /* not all that is durable of it is synced in its segment */
void journal_synced(struct log *log);                   /* more of it may be: the journal may have waited for that */
void journal_forget(struct log *log);                   /* the log is closed; when the journal still owes it something, and its topic is not gone, the file stays as it is */

/* What journals of any lives and shards hold, by log: read when a log directory is opened that was not stopped cleanly. */
struct journal_recovery;

/* *recovery NULL: there are none. STATUS_CORRUPT: a group is missing. dir: borrowed. */
enum status journal_recovery_new(struct fs *fs, const char *dir, struct journal_recovery **recovery, struct err *err) MUST_CHECK;
void journal_recovery_free(struct journal_recovery *recovery); /* NULL is allowed, here and below: it holds nothing */
bool journal_recovery_holds(const struct journal_recovery *recovery, struct uuid topic_id, const char *folder);
uint64_t journal_recovery_bytes(const struct journal_recovery *recovery, struct uuid topic_id, const char *folder); /* of batches */
/* Of these, what the files do not have room for: where they grow. */
enum status journal_recovery_growth(const struct journal_recovery *recovery, struct uuid topic_id, const char *folder, uint64_t *bytes, struct err *err) MUST_CHECK;
/* Before a log is opened: what is held of it is put into its segment and synced, and the recovery point moved behind it; a folder is made when there is none. Not `durable`: the volume will be
 * synced before the log is believed, or appended to.
 * For several logs at once, on any threads. STATUS_INCONSISTENT_TOPIC_ID: the folder is of another one; STATUS_CORRUPT: the segment has other records, or lost some. */
enum status journal_recovery_apply(const struct journal_recovery *recovery, struct uuid topic_id, const char *folder, bool durable, int64_t *recovery_point,
                                   struct err *err) MUST_CHECK;
/* It was applied to every log that is to live, and the volume is synced: the files go. Durable on return. */
enum status journal_recovery_end(const struct journal_recovery *recovery, struct err *err) MUST_CHECK;
enum status journal_remove_all(struct fs *fs, const char *dir, struct err *err) MUST_CHECK; /* durable on return */
bool journal_named(const char *name); /* whether it is the name of a journal, of one that was being made, or of what says that there is one */

/* What a journal's file holds, for who only looks: its groups in order, each followed by its frames. */
struct journal_look {
    void (*group)(void *context, uint64_t sequence, uint64_t oldest, uint64_t position, uint32_t size, uint32_t frames);
    void (*frame)(void *context, struct uuid topic_id, struct str_view folder, int64_t base, uint64_t position, struct bytes_view batches);
    void *context;
};
/* STATUS_CORRUPT: a start would refuse it (what reads was told before). */
enum status journal_look(struct fs *fs, const char *path, const struct journal_look *look, struct err *err) MUST_CHECK;

/* The layout (docs/formats/journal.md). */
enum {
    JOURNAL_MAGIC = 0x424e4a31,       /* "BNJ1": head and group */
    JOURNAL_HEAD = 16,                /* u32 magic, u32 crc of what follows, u64 id */
    JOURNAL_GROUP_HEAD = 40,          /* u32 magic, u32 crc of what follows, u64 id, sequence, oldest; u32 size, u8 groups under way before it, u24 frames */
    JOURNAL_ALIGN = 64,               /* where groups begin */
    JOURNAL_FRAMES_BITS = 24,
    JOURNAL_FRAME_HEAD = 40,          /* uuid topic id, i64 segment base, u64 position, u32 size, u16 name size, u16 0 */
    JOURNAL_NAME_MAX = 255,
    JOURNAL_NUMBERS = 64,             /* as many shards as there may be */
};
#define JOURNAL_PREFIX "barnabas-journal." /* and a number: no folder of a partition is called so */
#define JOURNAL_NEEDED ".needed" /* stands beside a journal, with its size: so that it is missed when it is lost */

#endif
