/* SPDX-License-Identifier: Apache-2.0
 * See memory.h.
 */
#include "broker/memory.h"

#include "broker/config.h"
#include "rt/log.h"

enum { SHARD_BYTES = 768 << 20, BYTES_MIN = 64 << 20 };

/* Hundredths. By default each shard may hold two requests of the largest size (socket.request.max.bytes), cleaners have a third of what Kafka gives them, and each
 * shard may have 65,000 partitions with 180,000 producers, 20,000 connections, and some 100,000 committed offsets. */
static const struct {
    const char *name;
    unsigned percent;
} users[MEMORY_USERS] = {
    [MEMORY_REQUESTS] = {"requests", 28},
    [MEMORY_ANSWERS] = {"answers", 10},
    [MEMORY_TAILS] = {"tails", 16},
    [MEMORY_CLEANING] = {"cleaning", 6},
    [MEMORY_INDEXES] = {"indexes", 4},
    [MEMORY_PARTITIONS] = {"partitions", 10},
    [MEMORY_PRODUCERS] = {"producers", 6},
    [MEMORY_METADATA] = {"metadata", 6},
    [MEMORY_GROUPS] = {"groups", 6},
    [MEMORY_SESSIONS] = {"sessions", 4},
    [MEMORY_CONNECTIONS] = {"connections", 4},
};

static size_t memory_max(const struct config *config, unsigned shards)
{
    size_t bytes = (size_t)config_i64(config, CONFIG_BARNABAS_MEMORY_MAX);

    if (!bytes)
        return (size_t)SHARD_BYTES * shards;
    return bytes < BYTES_MIN ? BYTES_MIN : bytes;
}

const char *memory_user_name(enum memory_user user)
{
    return users[user].name;
}

size_t memory_share(const struct config *config, enum memory_user user, unsigned shards)
{
    return memory_max(config, shards) / 100 * users[user].percent / shards;
}

void memory_print(const struct config *config, unsigned shards)
{
    char text[512] = "";
    size_t used = 0;

    for (unsigned i = 0; i < MEMORY_USERS; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %zu", i ? ", " : "", users[i].name, memory_share(config, i, shards) * shards);
    log_line(LOG_INFO, "memory", "max=%zu shares=%s", memory_max(config, shards), text);
}
