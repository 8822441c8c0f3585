/* SPDX-License-Identifier: Apache-2.0
 * See far.h. The disk is well: a failure here is the world's own.
 */
#include "sim/far.h"

#include <inttypes.h>

#include "base/assert.h"
#include "sim/life.h"

/* Whatever the folder had is of a log that begins at 0. */
static void empty(struct fs *disk, const char *path)
{
    struct err err;

    if (fs_exists(disk, path))
        ASSERT(fs_remove_tree(disk, path, &err) == STATUS_OK);
    ASSERT(fs_mkdir(disk, path, &err) == STATUS_OK);
}

static void write(struct fs *disk, const char *folder, const char *name, const char *text)
{
    char path[FS_PATH_MAX];
    struct err err;

    snprintf(path, sizeof path, LIFE_DIR "/%s/%s", folder, name);
    ASSERT(fs_write_file(disk, path, text, strlen(text), &err) == STATUS_OK);
}

void far_begin_at(struct fs *disk, const char *folder, struct uuid topic_id, int64_t base)
{
    char path[FS_PATH_MAX], name[32], id[UUID_TEXT_SIZE], text[64];
    struct err err;

    snprintf(path, sizeof path, LIFE_DIR "/%s", folder);
    empty(disk, path);
    uuid_format(topic_id, id);
    snprintf(text, sizeof text, "version: 0\ntopic_id: %s\n", id);
    write(disk, folder, "partition.metadata", text);
    snprintf(text, sizeof text, "0\n1\n0 %" PRId64 "\n", base);
    write(disk, folder, "leader-epoch-checkpoint", text);
    snprintf(name, sizeof name, "%020" PRId64 ".log", base);
    write(disk, folder, name, "");
    ASSERT(fs_sync_dir(disk, LIFE_DIR, &err) == STATUS_OK);
}
