/* SPDX-License-Identifier: Apache-2.0
 * The only door to the allocator. Sizes are products that cannot overflow; NULL means that there was no memory, and every
 * caller on a request's path answers it with STATUS_NO_MEMORY.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* `count` objects of `size` bytes, zeroed; NULL on overflow or when there is no memory. Free with mem_free. */
void *mem_alloc(size_t count, size_t size) __attribute__((warn_unused_result, alloc_size(1, 2)));

/* Resizes to `count` objects of `size` bytes; new bytes are not zeroed. On NULL the old block is unchanged. */
void *mem_resize(void *block, size_t count, size_t size) __attribute__((warn_unused_result));

/* A copy of `size` bytes (never NULL for size 0 unless there is no memory), followed by a zero byte so that text is a C string. */
void *mem_copy(const void *bytes, size_t size) __attribute__((warn_unused_result));

void mem_free(void *block); /* NULL is allowed */

/* What a block of `size` bytes takes of malloc's, which has classes 16 bytes apart up to 128, and four for each doubling then. */
static inline size_t mem_block(size_t size)
{
    size_t apart = size <= 128 ? 16 : (size_t)1 << (61 - __builtin_clzll(size - 1));

    return (size + apart - 1) & ~(apart - 1);
}

/* A hint: these bytes are wanted soon. They need not be there; NULL is allowed. */
static inline void mem_prefetch(const void *bytes, size_t size)
{
    for (uintptr_t at = (uintptr_t)bytes; at < (uintptr_t)bytes + size; at += 64)
        __builtin_prefetch((const void *)at);
}

/* What was freed goes back to the system, page by page: it stays with the process otherwise. Some milliseconds for a hundred megabytes. */
void mem_trim(void);

/* Makes the `n`-th allocation from now fail (1: the next), and every later one succeed; 0 switches it off. For tests. */
void mem_fail_at(uint64_t n);

/* A user of memory: what the blocks hold that were allocated in its name, with what the allocator adds to each. */
struct mem_user {
    size_t held, max; /* an allocation that would go beyond max fails, as when there is no memory; 0: no limit */
};
/* In whose name this thread allocates and frees from now on; NULL: nobody's. Returns who it was. What was allocated in a user's name is freed in it (what
 * arenas hold is nobody's). */
struct mem_user *mem_enter(struct mem_user *user);
/* The user that was entered holds three quarters of what it may: the rest is for what is there already, nothing new is begun. */
int mem_crowded(void);

/* Who allocates in libc's place: the simulator, where all that one life of a node holds goes away at once. Set before the first
 * allocation, or never. `alloc` zeroes. */
struct mem_source {
    void *(*alloc)(size_t size);
    void *(*resize)(void *block, size_t size); /* block NULL: a new one */
    void (*free)(void *block);                 /* never NULL */
    size_t (*size)(void *block);               /* never NULL */
};
void mem_set_source(const struct mem_source *source);

#endif
