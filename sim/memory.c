/* SPDX-License-Identifier: Apache-2.0
 * See memory.h. Each block has a head in front of it, which links it to its owner.
 */
#include "sim/memory.h"

#include <stdint.h>

#include "base/assert.h"
#include "base/mem.h"

struct block {
    struct list link; /* memory.blocks; on itself: nobody's */
    struct memory *memory;
    size_t size;
};

_Static_assert(sizeof(struct block) % 16 == 0, "what follows the head is aligned for any type");

static struct memory *entered;

bool memory_try(struct memory *memory)
{
    uint64_t call = ++memory->calls;

    if (call < memory->fail_from || call >= memory->fail_to)
        return true;
    memory->failed++;
    return false;
}

/* The door to libc, as base/mem.c is for the broker: its functions are banned everywhere else. */
static void *take(size_t size)
{
    struct block *block = (entered && !memory_try(entered)) || size > SIZE_MAX - sizeof *block ? NULL : calloc(1, sizeof *block + size);

    if (!block)
        return NULL;
    list_init(&block->link);
    block->memory = entered;
    block->size = size;
    if (entered) {
        list_push_back(&entered->blocks, &block->link);
        entered->bytes += size;
    }
    return block + 1;
}

static void give(void *bytes)
{
    struct block *block = (struct block *)bytes - 1;

    if (block->memory)
        block->memory->bytes -= block->size;
    list_remove(&block->link);
    free(block);
}

static void *take_other(void *bytes, size_t size)
{
    size_t kept = bytes ? ((struct block *)bytes - 1)->size : 0;
    void *other = take(size);

    if (!other || !bytes)
        return other;
    memcpy(other, bytes, kept < size ? kept : size);
    give(bytes);
    return other;
}

static size_t size_of(void *bytes)
{
    return sizeof(struct block) + ((struct block *)bytes - 1)->size;
}

void memory_install(void)
{
    static const struct mem_source source = {.alloc = take, .resize = take_other, .free = give, .size = size_of};

    mem_set_source(&source);
}

void memory_init(struct memory *memory)
{
    *memory = (struct memory){0};
    list_init(&memory->blocks);
}

struct memory *memory_enter(struct memory *memory)
{
    struct memory *outer = entered;

    entered = memory;
    return outer;
}

void memory_fail(struct memory *memory, uint64_t n, uint64_t count)
{
    memory->fail_from = memory->calls + n;
    memory->fail_to = memory->fail_from + count;
}

void memory_drop(struct memory *memory)
{
    ASSERT(entered != memory);
    for (struct list *node; (node = list_pop_front(&memory->blocks));)
        free(LIST_ENTRY(node, struct block, link));
    memory->bytes = 0;
}
