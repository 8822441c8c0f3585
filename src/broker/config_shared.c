/* SPDX-License-Identifier: Apache-2.0
 * See config_shared.h.
 */
#include "broker/config_shared.h"

#include "base/assert.h"
#include "base/mem.h"

struct shared {
    struct map_node node; /* by the config */
    size_t users;
    struct partition_config config;
};

const struct partition_config *config_share(struct map *configs, const struct partition_config *config)
{
    struct map_node *node = map_get(configs, config, sizeof *config);
    struct shared *shared = node ? MAP_ENTRY(node, struct shared, node) : mem_alloc(1, sizeof *shared);

    if (!shared)
        return NULL;
    if (!node) {
        memcpy(&shared->config, config, sizeof *config);
        if (!map_put(configs, &shared->node, &shared->config, sizeof shared->config)) {
            mem_free(shared);
            return NULL;
        }
    }
    shared->users++;
    return &shared->config;
}

void config_unshare(struct map *configs, const struct partition_config *config)
{
    struct map_node *node = config ? map_get(configs, config, sizeof *config) : NULL;
    struct shared *shared;

    if (!node)
        return;
    shared = MAP_ENTRY(node, struct shared, node);
    ASSERT(&shared->config == config && shared->users > 0);
    if (--shared->users)
        return;
    map_remove(configs, &shared->node);
    mem_free(shared);
}
