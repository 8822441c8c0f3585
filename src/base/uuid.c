/* SPDX-License-Identifier: Apache-2.0
 * The text form of ids (RFC 4648 section 5, no padding): 16 bytes are 21 full sextets and 2 bits.
 */
#include "base/view.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void uuid_format(struct uuid id, char text[static UUID_TEXT_SIZE])
{
    unsigned bits = 0, held = 0, out = 0;

    for (unsigned i = 0; i < sizeof id.b; i++) {
        bits = bits << 8 | id.b[i];
        for (held += 8; held >= 6; held -= 6)
            text[out++] = alphabet[bits >> (held - 6) & 63];
    }
    text[out++] = alphabet[bits << (6 - held) & 63];
    text[out] = 0;
}

bool uuid_parse(struct str_view text, struct uuid *id)
{
    unsigned bits = 0, held = 0, out = 0;

    if (text.size != UUID_TEXT_SIZE - 1)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        const char *at = text.data[i] ? strchr(alphabet, text.data[i]) : NULL;
        if (!at)
            return false;
        bits = bits << 6 | (unsigned)(at - alphabet);
        held += 6;
        if (held >= 8 && out < sizeof id->b) {
            held -= 8;
            id->b[out++] = (uint8_t)(bits >> held);
        }
    }
    return true;
}
