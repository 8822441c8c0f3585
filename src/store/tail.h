/* SPDX-License-Identifier: Apache-2.0
 * The tail of a log: bytes that the journal made durable and that are not in the segment's file yet, in memory and in order.
 *
 *   segment's file   [ .................... ]from
 *   tail                                    [ chunk ][ chunk ][ chunk    ]end
 *   being committed                                                      [ room ]taken
 *
 * A chunk is a file that happens to be in memory, and counted as files are, and so is a row of chunks behind the segment's own file: who reads the log
 * or sends from it needs not know which kind it has, and a range that is being sent outlives the tail. Positions are the segment's. Batches, and what one commit brings, never lie in two chunks.
 *
 * Chunks grow with the tail, so that a log which gets a record now and then holds what it got and little more.
 */
#ifndef STORE_TAIL_H
#define STORE_TAIL_H

#include "rt/fs.h"

enum { TAIL_ROOM_MAX = 12 << 20 };

struct tail_chunk;

struct tail {
    uint64_t from, end;  /* positions; equal: nothing is in it */
    uint64_t taken;      /* the end of the room behind it */
    struct tail_chunk *first, *last; /* NULL: there are none */
    size_t *held;        /* bytes of the chunks of all tails that share it */
};

void tail_init(struct tail *tail, uint64_t at, size_t *held);
void tail_free(struct tail *tail);

/* Memory for `size` bytes more. They are not of the tail before tail_grow, in the order of the tail_rooms.
 * NULL: no memory, or the tail would be too large: it has to be spilled. */
uint8_t *tail_room(struct tail *tail, size_t size) __attribute__((warn_unused_result));
void tail_grow(struct tail *tail, size_t size);

/* What lies before `to` is in the file now. */
void tail_cut(struct tail *tail, uint64_t to);
/* The file went on without the tail, or another file begins. The tail is empty (asserted). */
void tail_move(struct tail *tail, uint64_t at);

/* The file that has the byte at `position` (`disk` before the tail), and how many of the *left bytes from there on are in it. Borrowed. */
struct file *tail_source(const struct tail *tail, struct file *disk, uint64_t position, uint64_t *left);

/* The file that has all bytes from `from` to `to` (file_part tells where each is), for as long as somebody has it. NULL: no memory. */
struct file *tail_span(const struct tail *tail, struct file *disk, uint64_t from, uint64_t to) __attribute__((warn_unused_result));

/* All that it holds. */
void tail_copy(const struct tail *tail, uint8_t *to);

/* Writes [from, to) to the segment's file: the chunks from `first` to `last` hold it, those of a tail at some time, behind which there may be more meanwhile.
 * Blocking. */
enum status tail_write(const struct tail_chunk *first, const struct tail_chunk *last, struct file *disk, uint64_t from, uint64_t to, struct err *err) MUST_CHECK;

#endif
