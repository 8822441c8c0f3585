/* SPDX-License-Identifier: Apache-2.0
 * Whether a directory is ours to open: asked before anything in it is changed.
 */
#ifndef BROKER_ADMISSION_H
#define BROKER_ADMISSION_H

#include "base/err.h"
#include "rt/fs.h"

/* STATUS_OK: it is, or there is nothing yet. Else err says why it is not, and what to do. Reads only; blocking. */
enum status directory_admit(struct fs *fs, const char *dir, int32_t node_id, struct err *err) MUST_CHECK;

#endif
