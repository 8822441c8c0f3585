/* SPDX-License-Identifier: Apache-2.0
 * The latest offset of each key that a compaction has seen, in memory whose size is fixed when it begins.
 *
 * The keys themselves are not kept: each is known by 128 bits of SipHash under a key of this run's own, so that two keys meet by chance only, whoever
 * chose them. An entry takes 24 bytes; slots are probed one after the other, and a load factor keeps the way short. Full is an
 * answer, not an error: the compaction then ends at the offset that it came to, and the next run goes on from there.
 */
#ifndef STORE_KEYMAP_H
#define STORE_KEYMAP_H

#include "base/view.h"

struct keymap_slot;

struct keymap {
    struct keymap_slot *slots;
    size_t slots_count, count, count_max;
    uint64_t key[2];
};

enum { KEYMAP_SLOT_BYTES = 24 };

/* Room for `wanted` keys, in at most `bytes` (but for one key there always is). false: no memory. */
bool keymap_init(struct keymap *map, uint64_t wanted, size_t bytes, double load, const uint64_t key[static 2]) __attribute__((warn_unused_result));
void keymap_free(struct keymap *map);

/* The key's latest offset is this one: it is above the one that is there. false: full, and the key is none of those that are there. */
bool keymap_put(struct keymap *map, struct bytes_view key, int64_t offset) __attribute__((warn_unused_result));
int64_t keymap_get(const struct keymap *map, struct bytes_view key); /* -1: not there */

#endif
