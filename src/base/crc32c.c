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

uint32_t crc32_legacy(const void *bytes, size_t size)
{
    return crc32_gzip_refl(0, bytes, size);
}
