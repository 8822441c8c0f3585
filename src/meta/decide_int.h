/* SPDX-License-Identifier: Apache-2.0
 * What the decide_*.c share.
 */
#ifndef META_DECIDE_INT_H
#define META_DECIDE_INT_H

#include "meta/decide.h"

enum {
    DECIDE_PARTITIONS_MAX = 10000, /* new partitions of one request, as in Kafka: one batch holds them */
};

/* The answer to one item. */
struct verdict {
    enum status status;
    struct str_view message; /* null: none */
};

#define VERDICT_OK ((struct verdict){STATUS_OK, STR_NULL})

struct verdict decide__refuse(struct decision *d, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes the memory that something new will have in each image: refused when there is none for it. */
struct verdict decide__take_memory(struct decision *d, size_t bytes);
static inline size_t decide__config_memory(struct str_view key, struct str_view value)
{
    return sizeof(struct image_config_entry) + key.size + value.size;
}

/* The verdict on what a resource's overrides would be. */
struct verdict decide__check_configs(struct decision *d, enum config_resource type, struct str_view name,
                                     const struct image_config_entry *entries, size_t count);

/* The verdict on the replicas of a partition that somebody wrote down; factor -1: any number of them. */
struct verdict decide__check_assignment(struct decision *d, int32_t index, const int32_t *ids, int32_t count,
                                        int32_t factor);

/* One ConfigRecord; value null: removed. */
void decide__put_config(struct decision *d, enum config_resource type, struct str_view name, struct str_view key,
                        struct str_view value);

static inline enum status decide__done(const struct decision *d)
{
    return d->records.failed ? STATUS_NO_MEMORY : STATUS_OK;
}

#endif
