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
 * A commit that is large goes to the file at once, in whole blocks of the disk's (tail_block), and its bytes stay in memory until the next one, for who reads at the end.
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
    struct tail_chunk *kept; /* what the file has from kept_from to `from`, and memory too; NULL: nothing */
    uint64_t kept_from;
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

/* The blocks that `size` bytes at `at`, the end of the empty tail, are in: memory that only tail_block_write looks into. NULL: no memory, or more than held_max would be held. */
struct tail_chunk *tail_block(struct tail *tail, uint64_t at, size_t size, size_t held_max) __attribute__((warn_unused_result));
/* Writes the pieces, which are `size` bytes, there; what the first block had before (`disk` is asked, when memory cannot tell) stands before them, zeros behind.
 * `direct`: that file, open FS_DURABLE. Blocking; may be called again. */
enum status tail_block_write(struct tail_chunk *block, struct file *disk, struct file *direct, const struct bytes_view *pieces, unsigned count, struct err *err) MUST_CHECK;
/* It was written: the tail, which is empty (asserted), begins behind it, and it is kept unless more than held_max is held. Returns whether the file is longer. */
bool tail_keep(struct tail *tail, struct tail_chunk *block, size_t size, size_t held_max);
void tail_drop(struct tail *tail, struct tail_chunk *block); /* it was not */

uint64_t tail_begin(const struct tail *tail); /* where memory begins */

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
