/* SPDX-License-Identifier: Apache-2.0
 * Faults for a file system in memory (fs_mem_new of fs.h): for tests and the simulator.
 */
#ifndef RT_FS_MEM_H
#define RT_FS_MEM_H

#include "rt/fs.h"

enum fs_call {
    FS_CALL_OPEN,
    FS_CALL_MKDIR,
    FS_CALL_RENAME,
    FS_CALL_REMOVE,
    FS_CALL_SYNC_DIR,
    FS_CALL_LIST,
    FS_CALL_READ,
    FS_CALL_WRITE,
    FS_CALL_SYNC,
    FS_CALL_TRUNCATE,
    FS_CALL_SIZE,
    FS_CALL_LOCK,
};

/* Before each call `fault` is asked; it answers 0, or the errno with which the call fails, having done nothing. From any thread, one at
 * a time. NULL: no faults. */
void fs_mem_set_fault(struct fs *fs, int (*fault)(void *context, enum fs_call call, const char *path), void *context);

#endif
