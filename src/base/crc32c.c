/* SPDX-License-Identifier: Apache-2.0
 * Both CRCs by ISA-L, which folds with carry-less multiplication at memory speed. Its CRC-32C wants and returns the inverted
 * register; the byte pointer is not const in its header, though it only reads.
 */
#include "base/crc32c.h"

#include <isa-l/crc.h>

uint32_t crc32c_extend(uint32_t crc, const void *bytes, size_t size)
{
    union {
        const void *in;
        unsigned char *out;
    } p = {.in = bytes};

    crc = ~crc;
    while (size) { /* its length is an int */
        int n = size > 1 << 30 ? 1 << 30 : (int)size;
        crc = crc32_iscsi(p.out, n, crc);
        p.out += n;
        size -= (size_t)n;
    }
    return ~crc;
}

uint32_t crc32c(const void *bytes, size_t size)
{
    return crc32c_extend(0, bytes, size);
}

/* Of polynomials modulo the CRC's; the highest bit is x^0. */
static uint32_t product(uint32_t a, uint32_t b)
{
    uint32_t sum = 0;

    for (; a; a <<= 1) {
        sum ^= a & 1u << 31 ? b : 0;
        b = b >> 1 ^ (b & 1 ? 0x82f63b78 : 0);
    }
    return sum;
}

/* Bytes that follow multiply what is before them by x^8 each. */
uint32_t crc32c_join(uint32_t first, uint32_t second, size_t second_size)
{
    for (uint32_t power = 1u << 23; second_size; second_size >>= 1, power = product(power, power))
        if (second_size & 1)
            first = product(power, first);
    return first ^ second;
}

uint32_t crc32_legacy(const void *bytes, size_t size)
{
    return crc32_gzip_refl(0, bytes, size);
}
