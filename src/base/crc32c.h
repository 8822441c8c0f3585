/* SPDX-License-Identifier: Apache-2.0
 * The Castagnoli CRC (RFC 3720, B.4) of record batches, and the CRC-32 (RFC 1952) of record formats 0 and 1.
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *bytes, size_t size);
/* Continues a CRC over more bytes: crc32c_extend(crc32c(a), b) == crc32c(a followed by b). */
uint32_t crc32c_extend(uint32_t crc, const void *bytes, size_t size);
/* crc32c_join(crc32c(a), crc32c(b), size of b) == crc32c(a followed by b). It takes a microsecond or two. */
uint32_t crc32c_join(uint32_t first, uint32_t second, size_t second_size);
uint32_t crc32_legacy(const void *bytes, size_t size);

#endif
