/* SPDX-License-Identifier: Apache-2.0
 * server.properties: any text is taken or refused with a reason, and what is taken can be told and checked.
 */
#include "base/assert.h"
#include "broker/config.h"
#include "meta/decide.h"
#include "meta/properties.h"
#include "partition/partition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void describe_all(const struct config *config, struct image *image)
{
    struct arena arena;

    arena_init(&arena, 16 << 20);
    for (unsigned i = 0; i < CONFIG_KEYS; i++) {
        struct config_described d;

        ASSERT(config_describe(config, image, RESOURCE_BROKER, NULL, i, &arena, &d) == STATUS_OK);
        ASSERT((d.source == SOURCE_STATIC || d.source == SOURCE_DEFAULT) && d.row->name);
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str_view text = {(const char *)data, size};
    struct config *config = config_new();
    struct meta_properties meta;
    struct partition_config topic;
    struct image image;
    struct err err = {0};

    ASSERT(config);
    image_init(&image, 1, NULL, NULL);
    if (meta_properties_parse(text, &meta, &err) != STATUS_OK)
        ASSERT(err.text[0]);
    if (config_load(config, "fuzz", text, &err) != STATUS_OK) {
        ASSERT(err.text[0]);
    } else if (config_finish(config, &err) == STATUS_OK) {
        config_topic(config, &image, STR_LIT("t"), &topic);
        describe_all(config, &image);
    }
    image_free(&image);
    config_free(config);
    return 0;
}
