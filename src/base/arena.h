/* SPDX-License-Identifier: Apache-2.0
 * Memory with one lifetime: taken piece by piece, given back all at once (when the reply of a request has left, say).
 *
 * An arena has a limit in bytes and refuses beyond it: what a peer can make us hold is bounded by the limit that its
 * request was admitted with. NULL is always possible and means STATUS_NO_MEMORY to the caller. The memory is zeroed.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used, limit;         /* bytes handed out and the most that may be */
};

/* Of all arenas, before any is used. For the simulator: with blocks of 0 bytes each object is an allocation, and so may be the one that fails. */
void arena_set_block(size_t bytes);

void arena_init(struct arena *arena, size_t limit);
void arena_free(struct arena *arena); /* leaves it empty and usable again */

/* `count` objects of `size` bytes, zeroed, aligned for any type. Never NULL for count 0 while memory is left. */
void *arena_alloc(struct arena *arena, size_t count, size_t size) __attribute__((warn_unused_result, alloc_size(2, 3)));

/* Copies, terminated by a zero byte that the view does not count. data == NULL when there is no memory. */
struct str_view arena_str(struct arena *arena, struct str_view text) __attribute__((warn_unused_result));

/* printf into the arena, cut at INT16_MAX bytes: the longest string of the wire, where such texts go. data == NULL when there is no memory. */
struct str_view arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3), warn_unused_result));
struct str_view arena_format_list(struct arena *arena, const char *format, va_list args) __attribute__((format(printf, 2, 0), warn_unused_result));

#endif
