/* SPDX-License-Identifier: Apache-2.0
 * What a shard knows of the space of its log directories (store.h): how much its clients may still add, and what waits for a full disk.
 *
 * Two things are apart. `low`: less than the reserve is free, or what was added since the last look may have brought it there: clients' records are
 * refused before they are a part of their log. And `space`: a write found none, though the reserve should have been there (somebody else has it):
 *
 *   THERE ──a write finds none──> SHORT ──look: some──> TRYING ──look: still some──> THERE
 *                                   └──look: none──> NONE <──a write finds none──┘ (of TRYING)      NONE ──look: some──> TRYING
 *
 * What was to be written is in memory and stays there, whole: a direct commit is held, a tail is not spilled; TRYING lets them go on. Journaled commits go on,
 * as their space was taken when the journal was made; where the file system finds none for them all the same, their group is written again, too. A log that is to be closed gives up in NONE (commit.c): what was not yet durable
 * is answered as failed, and what only the journal has stays in it for the next start.
 */
#include "rt/log.h"
#include "store/files.h"
#include "store/log_int.h"

void store__space_unknown(struct store_dir *dir)
{
    dir->room = INT64_MAX;
    store__ask_space(dir);
}

bool log_take_room(struct log *log, size_t size)
{
    struct store_dir *dir = log->home;

    if (dir->low || dir->space != SPACE_THERE)
        return false;
    if (dir->room < (int64_t)size)
        dir->low = true;
    else
        dir->room -= (int64_t)size;
    if (dir->low || dir->room < dir->granted / 2)
        store__ask_space(dir);
    return !dir->low;
}

bool store__take_room(struct store_dir *dir, size_t size)
{
    if (dir->low || dir->space != SPACE_THERE || dir->room / 2 < (int64_t)size)
        return false;
    dir->room -= (int64_t)size;
    return true;
}

void store__no_space(struct store_dir *dir, const struct err *why)
{
    if (dir->space == SPACE_THERE)
        log_line(LOG_ERROR, "log directory has no room: what was to be written waits", "dir=%s reason=%s", dir->path, why ? why->text : "no space");
    if (dir->space == SPACE_THERE)
        dir->space = SPACE_SHORT;
    else if (dir->space == SPACE_TRYING)
        dir->space = SPACE_NONE;
    files_shed(store__files(dir->store)); /* the process may have too many open; and what was removed frees its blocks when nobody has it open */
    store__ask_space(dir);
}

bool store__waits_for_space(const struct store_dir *dir)
{
    return dir->space == SPACE_SHORT || dir->space == SPACE_NONE;
}

void store_space(struct store *store, const char *log_dir, const struct store_space *found)
{
    struct store_dir *dir = store__dir_find(store, log_dir);

    if (!dir)
        return;
    dir->asked = false;
    dir->granted = dir->room = found->room - (int64_t)*store__tails(store); /* those are not in their files yet */
    dir->low = found->low || dir->room <= 0;
    if (dir->low) { /* while there is the reserve: what the journal alone has cannot be read after a kill on a disk that is full by then */
        list_move_all(&dir->to_spill, &dir->tails);
        store__spill(dir);
    }
    if (dir->space == SPACE_THERE)
        return;
    if (dir->space == SPACE_TRYING && found->any)
        log_line(LOG_INFO, "log directory has space again", "dir=%s", dir->path);
    dir->space = !found->any ? SPACE_NONE : dir->space == SPACE_TRYING ? SPACE_THERE : SPACE_TRYING;
    if (dir->space == SPACE_TRYING)
        store__ask_space(dir); /* that ends it */
    if (!store__waits_for_space(dir))
        journal_retry(dir->journal);
    else if (dir->gives_up)
        journal_give_up(dir->journal);
    dir->gives_up = false; /* who waits says so again */
    store__spill(dir);
    store__commit_waiting(store);
}
