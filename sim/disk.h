/* SPDX-License-Identifier: Apache-2.0
 * A simulated disk: a file system (rt/fs.h) that knows what is durable and what is only written, so that a crash can leave every
 * state that a POSIX file system may leave, and that fails on demand.
 *
 * Promised is no more than this:
 *   - after file_sync the file's data and size are on the disk; until then each sector that was written holds what it held after any of
 *     the writes since the last sync, independently of every other sector, and the file ends at any size that it had on the way
 *   - after fs_sync_dir the directory's entries are; until then each creation, removal and rename (whole) may be there or not
 * A crash state is one outcome for each of these open choices: disk_choices counts them, disk_crash makes the state. A kill of the
 * process loses nothing, but what was not synced stays so.
 *
 * Beyond the promise: disk_rot. Everything that is left to chance is drawn from the disk's own generator. For one thread.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "rt/fs_mem.h"

enum { DISK_SECTOR = 512, DISK_PAGE = 4096 };

/* `unit`: what is never torn (DISK_SECTOR or DISK_PAGE). */
struct fs *disk_new(uint64_t seed, uint32_t unit);

/* How many outcomes each open choice has, in a fixed order; the number of choices. Outcome 0: as after the last sync; the greatest: as written. */
size_t disk_choices(struct fs *fs, uint32_t *outcomes, size_t max);

/* The disk after a crash at this moment, as a disk to start on. `outcomes`: a power cut, one outcome for each choice, all of it durable then.
 * NULL: a kill. */
struct fs *disk_crash(struct fs *fs, const uint32_t *outcomes);

/* Of all names and contents that a process can see. */
uint64_t disk_hash(struct fs *fs);

/* Looks at a file without a call of the disk: what a process sees of it, and what survives a power cut now (data NULL: not even its name).
 * Valid until the next call. False: there is no such file. */
bool disk_look(struct fs *fs, const char *path, struct bytes_view *now, struct bytes_view *kept);

/* Asked before each call with its path: 0, or the errno with which the call fails, having done nothing. NULL: nobody. */
void disk_on_call(struct fs *fs, int (*hook)(void *context, enum fs_call call, const char *path), void *context);

/* Faults by chance, in millionths of the calls that they concern, and at the n-th call from now (0: never). */
struct disk_faults {
    uint32_t read_fails;    /* EIO */
    uint32_t write_short;   /* EIO after a part was written */
    uint32_t sync_keeps;    /* EIO; of what was written some is on the disk, the rest never will be; readers still see all of it */
    uint32_t sync_drops;    /* EIO; as before, but readers see what is on the disk. (Of a directory, both: nothing became durable) */
    uint64_t no_space_at;   /* write: ENOSPC after a part was written, from then on too */
    uint64_t no_files_at;   /* open: EMFILE, once */
};
void disk_set_faults(struct fs *fs, const struct disk_faults *faults);

/* Memory is short: in millionths of the looks at what of a file is in memory, nothing of it is any more. And how often who does not wait was told that it would have to. */
void disk_set_memory(struct fs *fs, uint32_t forgets);
uint64_t disk_waits(struct fs *fs);

/* Breaks what is on the disk, durable or not, in a file with content whose name ends in `suffix`. Its path, until the next call; NULL: there is no such file.
 * The last .log of a directory, while it is open, is in memory: that is what processes see, until the power fails. */
enum disk_rot {
    DISK_FLIP,  /* a bit */
    DISK_ZERO,  /* a sector becomes zeros */
    DISK_CUT,   /* the file ends earlier, though not at its beginning */
    DISK_STALE, /* it is what it was before a rename replaced it */
    DISK_LOSE,  /* its name is gone. Not that of the last .log of a directory: no other file would tell of it */
};
const char *disk_rot(struct fs *fs, enum disk_rot how, const char *suffix);

#endif
