/* SPDX-License-Identifier: Apache-2.0
 * One budget for the memory that clients can make the broker hold: barnabas.memory.max, divided by user, and each user's part evenly among the shards.
 *
 * At its edge nobody dies: who wants more waits (bytes are not read from a connection, a request does not begin, a commit waits for a spill, a connection is not accepted),
 * does with less (the cleaner takes more rounds, an index is read again, a consumer has no fetch session), or is refused (a frame that could never be held, a partition, a
 * configuration, a group or a producer too many). What the users hold is counted where it is allocated (mem_enter, base/mem.h) or by the objects that there are. What the
 * process holds beside them is the user "other" of the metrics: without a limit, but nothing there grows with what clients ask for.
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
    MEMORY_METADATA,   /* the images (meta/image.h), one for each shard and one for the controller: what would add to them is refused */
    MEMORY_GROUPS,     /* the coordinators' (groups.h): new groups, members and offsets are refused, those that are there go on in the last quarter */
    MEMORY_SESSIONS,   /* of fetches (fetch_sessions.h): idle ones are evicted, else there is no new one */
    MEMORY_CONNECTIONS, /* and their sockets (net/net.h), when nothing is under way on them: no more are accepted until some end */
    MEMORY_USERS,
};

enum { MEMORY_PRODUCER = 256, MEMORY_PARTITION = 1024 }; /* what one at rest costs at most (test/unit/broker/test_memory.c) */

const char *memory_user_name(enum memory_user user);
/* Bytes, of one shard. */
size_t memory_share(const struct config *config, enum memory_user user, unsigned shards);
/* One log line at the start. */
void memory_print(const struct config *config, unsigned shards);

#endif
