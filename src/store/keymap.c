/* SPDX-License-Identifier: Apache-2.0
 * See keymap.h. */
#include "store/keymap.h"

#include "base/mem.h"

struct keymap_slot {
    uint64_t hash[2];
    int64_t next; /* the offset after the key's latest; 0: the slot is empty */
};

_Static_assert(sizeof(struct keymap_slot) == KEYMAP_SLOT_BYTES, "what the limit of memory is divided by");

/* --- SipHash-2-4, 128 bits (Aumasson, Bernstein) --------------------------------------------------------------------------- */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t sip_finish(struct sip *s)
{
    for (unsigned i = 0; i < 4; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* In the machine's byte order: these hashes never leave memory. */
static void hash_key(const struct keymap *map, struct bytes_view key, uint64_t hash[static 2])
{
    struct sip s = {map->key[0] ^ 0x736f6d6570736575, map->key[1] ^ 0x646f72616e646f6d ^ 0xee, map->key[0] ^ 0x6c7967656e657261,
                    map->key[1] ^ 0x7465646279746573};
    uint64_t word, last = (uint64_t)key.size << 56;
    size_t at = 0;

    for (; key.size - at >= sizeof word; at += sizeof word) {
        memcpy(&word, key.data + at, sizeof word);
        sip_word(&s, word);
    }
    for (unsigned shift = 0; at < key.size; at++, shift += 8)
        last |= (uint64_t)key.data[at] << shift;
    sip_word(&s, last);
    s.v2 ^= 0xee;
    hash[0] = sip_finish(&s);
    s.v1 ^= 0xdd;
    hash[1] = sip_finish(&s);
}

/* --- the table ------------------------------------------------------------------------------------------------------------- */

bool keymap_init(struct keymap *map, uint64_t wanted, size_t bytes, double load, const uint64_t key[static 2])
{
    double slots = (double)wanted / load + 1, most = (double)(bytes / KEYMAP_SLOT_BYTES);

    *map = (struct keymap){.slots_count = (size_t)(slots < most ? slots : most), .key = {key[0], key[1]}};
    map->count_max = (size_t)((double)map->slots_count * load);
    if (!map->count_max)
        map->count_max = 1;
    if (map->slots_count <= map->count_max) /* one stays empty: where a search ends */
        map->slots_count = map->count_max + 1;
    map->slots = mem_alloc(map->slots_count, sizeof *map->slots);
    return map->slots;
}

void keymap_free(struct keymap *map)
{
    mem_free(map->slots);
    *map = (struct keymap){0};
}

/* The key's slot, or the empty one where it belongs. */
static struct keymap_slot *find(const struct keymap *map, struct bytes_view key, uint64_t hash[static 2])
{
    size_t at;

    hash_key(map, key, hash);
    at = (size_t)((unsigned __int128)hash[0] * map->slots_count >> 64);
    while (map->slots[at].next && (map->slots[at].hash[0] != hash[0] || map->slots[at].hash[1] != hash[1]))
        at = at + 1 < map->slots_count ? at + 1 : 0;
    return &map->slots[at];
}

bool keymap_put(struct keymap *map, struct bytes_view key, int64_t offset)
{
    uint64_t hash[2];
    struct keymap_slot *slot = find(map, key, hash);

    if (!slot->next && map->count == map->count_max)
        return false;
    map->count += !slot->next;
    *slot = (struct keymap_slot){{hash[0], hash[1]}, offset + 1};
    return true;
}

int64_t keymap_get(const struct keymap *map, struct bytes_view key)
{
    uint64_t hash[2];

    return find(map, key, hash)->next - 1;
}
