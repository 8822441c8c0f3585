/* SPDX-License-Identifier: Apache-2.0
 * See mem.h. A countdown per thread lets a test fail any one allocation.
 *
 * malloc is jemalloc's, because of the small pieces that tails are made of, which one thread asks for and others give back: with 50,000 partitions they were a third of a request's time.
 */
#include "base/mem.h"

#include <jemalloc/jemalloc.h>

#include "base/assert.h"

#define TEXT(number) TEXT_(number)
#define TEXT_(number) #number

#pragma weak mallctl /* sanitizers bring a malloc of their own */

static _Thread_local uint64_t countdown;
static _Thread_local struct mem_user *entered;
static const struct mem_source *source; /* NULL: malloc */

void mem_set_source(const struct mem_source *it)
{
    source = it;
}

void mem_fail_at(uint64_t n)
{
    countdown = n;
}

static int injected(void)
{
    return countdown > 0 && --countdown == 0;
}

/* ---- users ---- */

struct mem_user *mem_enter(struct mem_user *user)
{
    struct mem_user *outer = entered;

    entered = user;
    return outer;
}

int mem_crowded(void)
{
    return entered && entered->max && entered->held >= entered->max / 4 * 3;
}

static size_t block_size(void *block)
{
    return !block ? 0 : source ? source->size(block) : malloc_usable_size(block);
}

static int beyond(size_t bytes, size_t before)
{
    return entered && entered->max && bytes > before && (entered->held > entered->max || bytes - before > entered->max - entered->held);
}

static void *charge(void *block, size_t before)
{
    if (entered && block) {
        ASSERT(entered->held >= before);
        entered->held += block_size(block) - before;
    }
    return block;
}

/* ---- blocks ---- */

void *mem_alloc(size_t count, size_t size)
{
    size_t bytes;

    if (injected() || __builtin_mul_overflow(count, size, &bytes) || beyond(bytes, 0))
        return NULL;
    if (source)
        return charge(source->alloc(bytes), 0);
    return charge(calloc(count ? count : 1, size ? size : 1), 0);
}

void *mem_resize(void *block, size_t count, size_t size)
{
    size_t bytes, before = entered ? block_size(block) : 0;

    if (injected() || __builtin_mul_overflow(count, size, &bytes) || beyond(bytes, before))
        return NULL;
    if (source)
        return charge(source->resize(block, bytes), before);
    return charge(realloc(block, bytes ? bytes : 1), before);
}

void *mem_copy(const void *bytes, size_t size)
{
    char *copy = size == SIZE_MAX ? NULL : mem_alloc(size + 1, 1);

    if (copy && size)
        memcpy(copy, bytes, size);
    return copy;
}

void mem_trim(void)
{
    if (!source && mallctl)
        (void)mallctl("arena." TEXT(MALLCTL_ARENAS_ALL) ".purge", NULL, NULL, NULL, 0);
}

void mem_free(void *block)
{
    if (entered) {
        size_t size = block_size(block);

        ASSERT(entered->held >= size);
        entered->held -= size;
    }
    if (source && block)
        source->free(block);
    else
        free(block);
}
