/* SPDX-License-Identifier: Apache-2.0
 * Whether a directory is ours to open: asked before anything in it is changed.
 */
#ifndef BROKER_ADMISSION_H
#define BROKER_ADMISSION_H

#include "base/err.h"
#include "meta/properties.h"
#include "rt/fs.h"

struct directory_known {
    const char *path;
    bool skipped;                /* the caller's: it does not work */
    bool formatted;
    struct meta_properties meta; /* when it is */
};

/* STATUS_OK: it is, or there is nothing yet. Else err says why it is not, and what to do. `metadata`: the metadata log is there. Reads only; blocking. */
enum status directory_admit(struct fs *fs, const char *dir, int32_t node_id, bool metadata, struct directory_known *known, struct err *err) MUST_CHECK;
/* Whether those that are admitted belong together. */
enum status directories_admit(const struct directory_known *known, unsigned count, unsigned metadata, struct err *err) MUST_CHECK;

#endif
