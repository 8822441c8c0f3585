/* SPDX-License-Identifier: Apache-2.0
 * A hash map from a byte key to an object that contains the key: the links live in the objects, so putting one in
 * allocates nothing but (now and then) a larger table, and removing never fails.
 *
 * Keys are borrowed: they live in the object and do not change while it is in the map. Hashes are seeded per map, so that a peer
 * that chooses names cannot choose collisions. The map walks in insertion-independent but deterministic order for one seed.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/view.h"

struct map_node {
    struct map_node *next;
    struct bytes_view key;
    uint64_t hash;
};

struct map {
    struct map_node **slots; /* a power of two of them, NULL while the map was never used */
    size_t slots_count, count;
    uint64_t seed;
};

#define MAP_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void map_init(struct map *map, uint64_t seed);
void map_free(struct map *map); /* the table only: the objects are the caller's */

struct map_node *map_get(const struct map *map, const void *key, size_t size);
/* Puts the node under its key. The key is not there yet (asserted). false: no memory, nothing changed. */
bool map_put(struct map *map, struct map_node *node, const void *key, size_t size) __attribute__((warn_unused_result));
void map_remove(struct map *map, struct map_node *node); /* it is there (asserted) */

/* Walks: map_first, then map_next of each until NULL. Removing the node that a walk is at is allowed after its next was taken. */
struct map_node *map_first(const struct map *map);
struct map_node *map_next(const struct map *map, const struct map_node *node);

/* The seeded hash of any bytes (wyhash-like multiply-fold; not for security beyond collision flooding). */
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t size);

#endif
