/* SPDX-License-Identifier: Apache-2.0
 * How a compacted segment takes the place of those that it was made of, so that a crash at any point leaves one or the other (Kafka's way, and names).
 *
 *   1. X.log.cleaned and its indexes are written and synced         a crash: they are thrown away
 *   2. all are renamed to X.log.swap ..., the .log last             a crash between: there is a .cleaned, so both are thrown away
 *   3. the old segments' files are renamed to *.deleted             a crash from here on: what the .swap covers is removed, and 4
 *   4. X.log.swap gets its name, and then its indexes               a crash between: the indexes get theirs
 *   5. the .deleted files are removed, later
 *
 * The directory is synced between any two of these.
 */
#ifndef STORE_CLEAN_SWAP_H
#define STORE_CLEAN_SWAP_H

#include "base/err.h"
#include "rt/fs.h"

/* The files of a segment. */
enum { SEGMENT_FILES = 5, SEGMENT_FILES_DATA = 4 };
extern const char *const segment_files[SEGMENT_FILES]; /* .log first; the producer snapshot, which no compaction changes, last */

/* Blocking, all of them. */
enum status clean_swap_ready(struct fs *fs, const char *dir, int64_t base, struct err *err) MUST_CHECK;             /* step 2 */
/* Of step 3, one segment, not synced. Its producer snapshot stays when the new segment begins there, too. */
enum status clean_swap_retire(struct fs *fs, const char *dir, int64_t base, bool with_snapshot, struct err *err) MUST_CHECK;
enum status clean_swap_finish(struct fs *fs, const char *dir, int64_t base, struct err *err) MUST_CHECK;            /* step 4, and the syncs around it */
enum status clean_swap_discard(struct fs *fs, const char *dir, int64_t base, struct err *err) MUST_CHECK;           /* what step 1 made */

/* At the opening of a log: what a crash left, by the names that are in its directory. *changed: there are others now. */
enum status clean_swap_recover(struct fs *fs, const char *dir, char *const *names, size_t count, bool *changed, struct err *err) MUST_CHECK;

#endif
