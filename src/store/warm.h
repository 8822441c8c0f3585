/* SPDX-License-Identifier: Apache-2.0
 * Old data on its way from the disk to the page cache, by jobs, so that no shard's loop waits for it.
 *
 * A reader that would have to wait gets STATUS_NOT_CACHED, and in its struct log_warm what it lacked; log_warm has a job open the segment, load its index,
 * and read and check the regions that it wants; then the reader reads again. The job works on a segment of its own, which it fills from files; what it
 * found goes over to the log's segment when it is done, if that is still there. Nothing that the shard owns is touched in between.
 *
 * Few of them run at once, so that they do not hold up commits; the others wait in a row. Who wants what one of them already gets, waits for that one.
 * Who reads on and on finds the next regions there: they are read ahead when no one waits.
 */
#ifndef STORE_WARM_H
#define STORE_WARM_H

#include "base/list.h"
#include "store/log.h"

struct segment;

struct warms { /* a store's */
    struct list waiting;
    unsigned running;
};

void warms_init(struct warms *warms);

/* The segment goes away, or its files become others: what is under way is no longer for it. */
void warm_forget(struct segment *seg);

/* A reader took [from, to) of the segment log->segments[i], which is old: when it seems to go on, so does this. */
void warm_ahead(struct log *log, size_t i, uint64_t from, uint64_t to);

#endif
