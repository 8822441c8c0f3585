/* SPDX-License-Identifier: Apache-2.0
 * What image.c and apply.c share.
 */
#ifndef META_IMAGE_INT_H
#define META_IMAGE_INT_H

#include "meta/image.h"

enum {
    IMAGE_CONFIG_KEY_MAX = 1 + INT16_MAX + 1, /* resource type and name: more than the wire can bring */
    IMAGE_PARTITION_MAX = 1 << 20,            /* partitions of one topic: a record with a larger index is corrupt */
};

enum {
    METADATA_VERSION_CONTROLLERS = 15, /* 3.7-IV0: controllers register */
    METADATA_VERSION_DIRECTORIES = 17, /* 3.7-IV2: directory ids in registrations and partitions (KIP-858) */
    METADATA_VERSION_CORDONED = 30,    /* 4.3-IV0: cordoned directories in registrations (KIP-1066) */
};

struct image_pending { /* records of an open transaction, copied */
    struct bytes_view *records;
    size_t count, capacity;
};

void image__topic_free(struct image *image, struct image_topic *topic);
void image__members_give(struct image *image, struct image_members *members); /* NULL is allowed */
void image__config_free(struct image_config *config);
void image__carried_free(struct image_carried *carried);
void image__broker_free(struct image_broker *broker);
void image__pending_free(struct image_pending *pending);

/* The key of a resource in `configs`; returns its size. */
size_t image__config_key(enum config_resource type, struct str_view name, uint8_t key[static IMAGE_CONFIG_KEY_MAX]);

/* Where `key` stands, or would stand. */
bool image__config_find(const struct image_config *config, struct str_view key, size_t *at);

#endif
