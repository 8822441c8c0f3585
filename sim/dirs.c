/* SPDX-License-Identifier: Apache-2.0
 * See dirs.h.
 */
#include "sim/dirs.h"

#include <errno.h>

#include "sim/sim_int.h"

static const char *const names[SIM_DIRS + 1] = {LIFE_DIR, LIFE_DIR "-b", LIFE_DIR "-c", LIFE_DIR "-metadata"};

static unsigned metadata_dir(const struct dirs *d)
{
    return d->apart ? SIM_DIRS : 0;
}

void dirs_choose(struct dirs *d, struct sim *sim, const char *settings[static 3])
{
    *d = (struct dirs){.count = sim__random_below(sim, 3) ? 1 : 2 + (unsigned)sim__random_below(sim, SIM_DIRS - 1)};
    d->apart = d->count > 1 && sim__random_below(sim, 4) == 0;
    snprintf(d->text[0], sizeof d->text[0], "log.dirs=%s", names[0]);
    for (unsigned i = 1; i < d->count; i++) {
        size_t used = strlen(d->text[0]);
        snprintf(d->text[0] + used, sizeof d->text[0] - used, ",%s", names[i]);
    }
    snprintf(d->text[1], sizeof d->text[1], "metadata.log.dir=%s", names[metadata_dir(d)]);
    settings[0] = d->text[0];
    settings[1] = d->text[1];
    settings[2] = NULL;
}

const char *dirs_path(unsigned which)
{
    return names[which];
}

const char *dirs_fail(struct dirs *d, struct sim *sim)
{
    unsigned which = (unsigned)sim__random_below(sim, d->count + d->apart);

    which = which == d->count ? SIM_DIRS : which;
    d->boots[which] = 1 + (sim__random_below(sim, 3) == 0) * (unsigned)sim__random_below(sim, 3);
    d->failed[which] = true;
    return names[which];
}

const char *dirs_boot(struct dirs *d, struct sim *sim, bool calm)
{
    bool missing = !calm && d->count > 1 && sim__random_below(sim, 10) == 0;

    for (unsigned i = 0; i <= SIM_DIRS; i++) {
        d->boots[i] -= d->boots[i] > 0;
        d->failed[i] = d->boots[i] > 0;
    }
    return missing ? dirs_fail(d, sim) : NULL;
}

void dirs_return(struct dirs *d)
{
    memset(d->boots, 0, sizeof d->boots);
}

bool dirs_are_needed(const struct dirs *d)
{
    unsigned left = d->count;

    for (unsigned i = 0; i < d->count; i++)
        left -= d->failed[i];
    return !left || d->failed[metadata_dir(d)];
}

static bool is_in(const char *path, const char *dir)
{
    size_t size = strlen(dir);

    return strncmp(path, dir, size) == 0 && (!path[size] || path[size] == '/');
}

bool dirs_has(const struct dirs *d, const char *path)
{
    for (unsigned i = 0; i <= SIM_DIRS; i++)
        if (d->boots[i] && is_in(path, names[i]))
            return false;
    return true;
}

int dirs_judge_call(void *dirs, enum fs_call call, const char *path)
{
    return dirs_has(dirs, path) ? 0 : EIO;
}
