/* SPDX-License-Identifier: Apache-2.0
 * Copies past the caches, for memory that this processor fills and only a device reads: lines that a device, or who plays one for a virtual machine, read from another
 * processor's cache cost several times a copy when they are written next.
 */
#ifndef BASE_STREAM_H
#define BASE_STREAM_H

#include <stddef.h>
#include <stdint.h>

/* The bytes are there for everybody when it returns. Small copies, and all where the processor knows nothing of it, go the usual way. */
void stream_copy(uint8_t *to, const uint8_t *from, size_t size);

#endif
