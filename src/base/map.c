/* SPDX-License-Identifier: Apache-2.0
 * See map.h. Chained slots, doubled when there are as many objects as slots.
 */
#include "base/map.h"

#include "base/assert.h"
#include "base/mem.h"

enum { SLOTS_MIN = 16 };

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t size)
{
    const uint64_t k0 = 0x9e3779b97f4a7c15u, k1 = 0xd6e8feb86659fd93u;
    const uint8_t *p = bytes;
    uint64_t h = seed ^ fold(size ^ k0, k1);

    for (; size >= 8; p += 8, size -= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        h = fold(h ^ v ^ k0, k1);
    }
    if (size) {
        uint64_t v = 0;
        memcpy(&v, p, size);
        h = fold(h ^ v ^ k0, k1);
    }
    return fold(h ^ k1, k0);
}

void map_init(struct map *map, uint64_t seed)
{
    *map = (struct map){.seed = seed};
}

void map_free(struct map *map)
{
    mem_free(map->slots);
    map_init(map, map->seed);
}

struct map_node *map_get(const struct map *map, const void *key, size_t size)
{
    uint64_t hash;

    if (!map->count)
        return NULL;
    hash = hash_bytes(map->seed, key, size);
    for (struct map_node *node = map->slots[hash & (map->slots_count - 1)]; node; node = node->next) {
        if (node->hash == hash && node->key.size == size && (size == 0 || memcmp(node->key.data, key, size) == 0))
            return node;
    }
    return NULL;
}

static bool map_grow(struct map *map)
{
    size_t count = map->slots_count ? map->slots_count * 2 : SLOTS_MIN;
    struct map_node **slots = mem_alloc(count, sizeof *slots);

    if (!slots)
        return false;
    for (size_t i = 0; i < map->slots_count; i++) {
        for (struct map_node *node = map->slots[i], *next; node; node = next) {
            next = node->next;
            node->next = slots[node->hash & (count - 1)];
            slots[node->hash & (count - 1)] = node;
        }
    }
    mem_free(map->slots);
    map->slots = slots;
    map->slots_count = count;
    return true;
}

bool map_put(struct map *map, struct map_node *node, const void *key, size_t size)
{
    ASSERT(!map_get(map, key, size));
    /* A table that could not grow still works, only slower; one that does not exist yet does not. */
    if (map->count >= map->slots_count && !map_grow(map) && !map->slots)
        return false;
    *node = (struct map_node){.key = {key, size}, .hash = hash_bytes(map->seed, key, size)};
    node->next = map->slots[node->hash & (map->slots_count - 1)];
    map->slots[node->hash & (map->slots_count - 1)] = node;
    map->count++;
    return true;
}

void map_remove(struct map *map, struct map_node *node)
{
    struct map_node **at = &map->slots[node->hash & (map->slots_count - 1)];

    while (*at && *at != node)
        at = &(*at)->next;
    ASSERT(*at == node);
    *at = node->next;
    map->count--;
}

static struct map_node *map_from_slot(const struct map *map, size_t slot)
{
    for (; slot < map->slots_count; slot++) {
        if (map->slots[slot])
            return map->slots[slot];
    }
    return NULL;
}

struct map_node *map_first(const struct map *map)
{
    return map_from_slot(map, 0);
}

struct map_node *map_next(const struct map *map, const struct map_node *node)
{
    return node->next ? node->next : map_from_slot(map, (node->hash & (map->slots_count - 1)) + 1);
}
