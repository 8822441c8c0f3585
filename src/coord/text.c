/* SPDX-License-Identifier: Apache-2.0
 * Strings as Java sees them: in UTF-16 units.
 */
#include "coord/coord_int.h"

/* The next code point; what is not UTF-8 is U+FFFD, byte by byte. */
static uint32_t next_code_point(struct str_view *text)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *p = (const uint8_t *)text->data;
    unsigned size = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
    uint32_t c = size == 1 ? p[0] : size ? p[0] & (0x7fu >> size) : 0xfffd;
    unsigned used = 1;

    for (; used < size && used < text->size && (p[used] & 0xc0) == 0x80; used++)
        c = c << 6 | (p[used] & 0x3f);
    if (used < size || (size > 1 && c < least[size]) || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        c = 0xfffd;
        used = 1;
    }
    text->data += used;
    text->size -= used;
    return c;
}

int32_t coord__utf16_size(struct str_view text)
{
    int32_t units = 0;

    while (text.size)
        units += next_code_point(&text) > 0xffff ? 2 : 1;
    return units;
}

uint32_t coord__java_hash(struct str_view text)
{
    uint32_t hash = 0;

    while (text.size) {
        uint32_t c = next_code_point(&text);

        if (c > 0xffff) {
            hash = 31 * hash + (0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        hash = 31 * hash + c;
    }
    return hash;
}

int32_t coord_partition_of(struct str_view group_id, int32_t partitions)
{
    uint32_t hash = coord__java_hash(group_id);

    ASSERT(partitions > 0);
    if (hash == 0x80000000u) /* Kafka's abs: the one that has no positive is 0 */
        return 0;
    return (int32_t)(hash > INT32_MAX ? 0 - hash : hash) % partitions;
}
