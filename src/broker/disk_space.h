/* SPDX-License-Identifier: Apache-2.0
 * The space of each log directory's volume (docs/decisions/0011): when less than barnabas.disk.reserve is free, produce is refused; all else goes on.
 *
 *   shard 0: timer, or a shard asks ──> job: look, take or give back the reserve ──> each shard: store_space
 *
 * A look tells each shard how much it may take from clients; when half of that is used up, it asks for the next one. So looks are frequent near the reserve
 * and rare away from it, and what is written between two of them is bounded. What others write to the volume the timer finds.
 *
 * A quarter as much as the reserve is taken from the volume for good, as blocks that nobody else can have (log_dir_reserve), and given back when
 * next to nothing is free: for what was accepted and is not yet in its file, and for the metadata log, so that topics can be deleted.
 */
#ifndef BROKER_DISK_SPACE_H
#define BROKER_DISK_SPACE_H

#include "broker/broker.h"

/* On shard 0, until stopped. NULL: no memory. */
struct disk_spaces *disk_spaces_new(struct broker_shard *b) __attribute__((warn_unused_result));
bool disk_space_is_low(const struct disk_spaces *spaces, unsigned dir);        /* when it was last looked at */
void disk_spaces_leave(struct disk_spaces *spaces, unsigned dir);              /* that one failed */
void disk_spaces_stop(struct disk_spaces *spaces, struct mail *done);          /* posted when no look is under way */
void disk_spaces_free(struct disk_spaces *spaces);

/* On any shard: a look at all of them, soon (store_on_space). */
void disk_space_ask(struct shard *here, const char *log_dir);

#endif
