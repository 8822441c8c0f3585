/* SPDX-License-Identifier: Apache-2.0
 * See arena.h. A chain of blocks of block_bytes at least; a large object gets a block of its own.
 */
#include "base/arena.h"

#include <stdalign.h>

#include "base/mem.h"

static size_t block_bytes = 4096;

struct arena_block {
    struct arena_block *next;
    size_t used, size; /* of bytes[] */
    alignas(16) uint8_t bytes[];
};

void arena_set_block(size_t bytes)
{
    block_bytes = bytes;
}

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){.limit = limit};
}

void arena_free(struct arena *arena)
{
    struct mem_user *user = mem_enter(NULL);

    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        mem_free(block);
    }
    (void)mem_enter(user);
    arena->used = 0;
}

static struct arena_block *arena_grow(struct arena *arena, size_t need)
{
    size_t room = block_bytes > sizeof(struct arena_block) ? block_bytes - sizeof(struct arena_block) : 0;
    size_t size = need > room ? need : room;
    struct mem_user *user = mem_enter(NULL);
    struct arena_block *block = mem_alloc(1, sizeof *block + size);

    (void)mem_enter(user);
    if (!block)
        return NULL;
    block->size = size;
    if (arena->blocks && need > room) { /* keep filling the current block */
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    struct arena_block *block = arena->blocks;
    size_t need;
    void *out;

    if (__builtin_mul_overflow(count, size, &need) || need > arena->limit || need > SIZE_MAX - 15)
        return NULL;
    need = (need + 15) & ~(size_t)15;
    if (need > arena->limit || arena->used > arena->limit - need)
        return NULL;
    if (!block || block->size - block->used < need)
        block = arena_grow(arena, need);
    if (!block)
        return NULL;
    out = block->bytes + block->used;
    block->used += need;
    arena->used += need;
    return out;
}

struct str_view arena_str(struct arena *arena, struct str_view text)
{
    char *copy = text.size == SIZE_MAX ? NULL : arena_alloc(arena, text.size + 1, 1);

    if (!copy)
        return STR_NULL;
    if (text.size)
        memcpy(copy, text.data, text.size);
    return (struct str_view){copy, text.size};
}

struct str_view arena_format_list(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    char *text;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    if (n > INT16_MAX)
        n = INT16_MAX;
    text = n < 0 ? NULL : arena_alloc(arena, (size_t)n + 1, 1);
    if (text)
        (void)vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return (struct str_view){text, text ? (size_t)n : 0};
}

struct str_view arena_format(struct arena *arena, const char *format, ...)
{
    struct str_view text;
    va_list args;

    va_start(args, format);
    text = arena_format_list(arena, format, args);
    va_end(args);
    return text;
}
