/* SPDX-License-Identifier: Apache-2.0
 * See stream.h.
 */
#include "base/stream.h"

#ifdef __SSE2__

#include <emmintrin.h>

enum { LINE = 64, WORD = 16, WORTH = 1024 };

void stream_copy(uint8_t *to, const uint8_t *from, size_t size)
{
    size_t at = (size_t)(-(uintptr_t)to % LINE); /* whole lines of the target */

    if (size < WORTH) {
        memcpy(to, from, size);
        return;
    }
    memcpy(to, from, at);
    for (; size - at >= LINE; at += LINE)
        for (size_t i = at; i < at + LINE; i += WORD)
            _mm_stream_si128((__m128i *)(void *)(to + i), _mm_loadu_si128((const __m128i *)(const void *)(from + i)));
    _mm_sfence();
    memcpy(to + at, from + at, size - at);
}

#else

void stream_copy(uint8_t *to, const uint8_t *from, size_t size)
{
    memcpy(to, from, size);
}

#endif
