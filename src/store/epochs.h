/* SPDX-License-Identifier: Apache-2.0
 * Which leader wrote which offsets: the epochs of a log with their first offsets, both growing (KIP-101, KIP-279).
 *
 * The file, leader-epoch-checkpoint, is text: a line "0" (version), a line with the count, then "epoch offset" lines.
 */
#ifndef STORE_EPOCHS_H
#define STORE_EPOCHS_H

#include "base/err.h"
#include "store/log.h"

struct epochs {
    struct log_epoch *list;
    uint32_t count, capacity : 31;
    bool dirty : 1; /* the file says something else */
};

/* Room for so many more, which are then assigned without asking for memory. false: there is none. */
bool epochs_reserve(struct epochs *e, size_t more) __attribute__((warn_unused_result));
void epochs_free(struct epochs *e);

/* `epoch` begins at `start`, unless it is the latest already. Entries at or above either are replaced: they were of a log that is gone. */
void epochs_assign(struct epochs *e, int32_t epoch, int64_t start);
void epochs_cut_end(struct epochs *e, int64_t end);     /* the log ends there now */
void epochs_cut_start(struct epochs *e, int64_t start); /* the log starts there now */

int32_t epochs_latest(const struct epochs *e);             /* -1: none */
int32_t epochs_at(const struct epochs *e, int64_t offset); /* -1: unknown */
/* KIP-320's answer: the greatest epoch <= `epoch` and where it ended; -1/-1 when unknown. */
void epochs_end(const struct epochs *e, int32_t epoch, int64_t log_end, int32_t *found, int64_t *end);

enum status epochs_parse(struct epochs *e, struct str_view text, struct err *err) MUST_CHECK;
/* The file's text, mem_alloc'd; data NULL: no memory. */
struct str_view epochs_format(const struct epochs *e) __attribute__((warn_unused_result));

#endif
