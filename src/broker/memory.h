/* SPDX-License-Identifier: Apache-2.0
 * One budget for the memory that clients can make the broker hold: barnabas.memory.max, divided by user, and each user's part evenly among the shards.
 *
 * At its edge nobody dies: who wants more waits (bytes are not read from a connection, a request does not begin, a commit waits for a spill), does with less (the
 * cleaner takes more rounds, an index is read again), or is refused (a frame that could never be held, a partition or a producer too many). What the broker itself is made of
 * besides, its connections (max.connections) and groups (they expire), is measured (bench/), not refused.
 */
#ifndef BROKER_MEMORY_H
#define BROKER_MEMORY_H

#include <stddef.h>

struct config;

enum memory_user {
    MEMORY_REQUESTS, /* received bytes, until the request is answered */
    MEMORY_ANSWERS,  /* of requests that are answered, until they are sent */
    MEMORY_TAILS,    /* what the journal has and the segments have not (store/tail.h) */
    MEMORY_CLEANING, /* the cleaners' maps of keys */
    MEMORY_INDEXES,  /* those of old segments that are in memory (store/files.h) */
    MEMORY_PARTITIONS, /* MEMORY_PARTITION bytes each: no more are made */
    MEMORY_PRODUCERS,  /* that partitions know (partition/producers.h), MEMORY_PRODUCER bytes each: the first batch of another one is refused until some expire */
    MEMORY_USERS,
};

enum { MEMORY_PRODUCER = 256, MEMORY_PARTITION = 1024 }; /* what one at rest costs at most, its metadata included (test/unit/broker/test_memory.c) */

const char *memory_user_name(enum memory_user user);
/* Bytes, of one shard. */
size_t memory_share(const struct config *config, enum memory_user user, unsigned shards);
/* One log line at the start. */
void memory_print(const struct config *config, unsigned shards);

#endif
