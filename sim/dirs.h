/* SPDX-License-Identifier: Apache-2.0
 * The node's log directories, as far as they may be away: every call on one that is fails, as on a disk that was pulled. It comes back, with all that is in it,
 * at a later boot.
 */
#ifndef SIM_DIRS_H
#define SIM_DIRS_H

#include "rt/fs_mem.h"
#include "sim/life.h"

enum { SIM_DIRS = 3 };

struct dirs {
    unsigned count;          /* of log.dirs */
    bool apart;              /* the metadata log is in none of them: then in one more */
    unsigned boots[SIM_DIRS + 1]; /* how many more it stays away; 0: it is there */
    bool failed[SIM_DIRS + 1];    /* in this life, or it was away when that began */
    char text[2][80];
};

/* Chosen once for a seed. Settings of the node, up to a NULL. */
void dirs_choose(struct dirs *d, struct sim *sim, const char *settings[static 3]);

const char *dirs_path(unsigned which); /* of log.dirs */

/* Now, one of them, until the next boot or for some more. Its name. */
const char *dirs_fail(struct dirs *d, struct sim *sim);
/* The node boots: some come back, and now and then, unless it is calm, one is missing. Its name; NULL: none that was not missing before. */
const char *dirs_boot(struct dirs *d, struct sim *sim, bool calm);
void dirs_return(struct dirs *d); /* all, and for ever */

/* The node does not have to go on without those that are away: the metadata log's, or all others. */
bool dirs_are_needed(const struct dirs *d);

bool dirs_has(const struct dirs *d, const char *path); /* it is not away */

/* For disk_on_call. */
int dirs_judge_call(void *dirs, enum fs_call call, const char *path);

#endif
