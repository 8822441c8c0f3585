/* SPDX-License-Identifier: Apache-2.0
 * See mem.h. A countdown per thread lets a test fail any one allocation.
 */
#include "base/mem.h"

#include <malloc.h>

static _Thread_local uint64_t countdown;
static const struct mem_source *source; /* NULL: libc */

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

void *mem_alloc(size_t count, size_t size)
{
    size_t bytes;

    if (injected())
        return NULL;
    if (!source)
        return calloc(count ? count : 1, size ? size : 1);
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : source->alloc(bytes);
}

void *mem_resize(void *block, size_t count, size_t size)
{
    size_t bytes;

    if (injected() || __builtin_mul_overflow(count, size, &bytes))
        return NULL;
    if (source)
        return source->resize(block, bytes);
    return realloc(block, bytes ? bytes : 1);
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
    if (!source)
        (void)malloc_trim(0);
}

void mem_free(void *block)
{
    if (source && block)
        source->free(block);
    else
        free(block);
}
