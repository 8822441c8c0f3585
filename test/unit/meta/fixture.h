/* SPDX-License-Identifier: Apache-2.0
 * What the tests of the metadata share: Kafka's bytes from golden/ (Golden.java tells how they were made), an image as
 * sorted text, and records applied one by one.
 */
#ifndef TEST_META_FIXTURE_H
#define TEST_META_FIXTURE_H

#include "test/unit/cm.h"

#include "base/mem.h"
#include "meta/image.h"
#include "meta/records.h"
#include "wire/records.h"

enum { GOLDEN_MAX = 1 << 16, TEXT_MAX = 1 << 16 };

static inline struct bytes_view golden_read(const char *name)
{
    char path[512];
    uint8_t *bytes = mem_alloc(GOLDEN_MAX, 1);
    size_t size;
    FILE *file;

    snprintf(path, sizeof path, GOLDEN_DIR "/%s", name);
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_non_null(bytes);
    size = fread(bytes, 1, GOLDEN_MAX, file);
    fclose(file);
    assert_true(size > 0);
    return (struct bytes_view){bytes, size};
}

static inline void golden_free(struct bytes_view bytes)
{
    mem_free((void *)(uintptr_t)bytes.data);
}

/* Applies the batches of a log. */
static inline enum status apply_log(struct image *image, struct bytes_view log, struct err *err)
{
    enum status status = STATUS_OK;

    while (status == STATUS_OK && log.size) {
        size_t size;

        status = batch_check_crc(log, &size);
        if (status != STATUS_OK)
            return err_set(err, STATUS_CORRUPT, "batch");
        status = image_apply_batch(image, (struct bytes_view){log.data, size}, err);
        log.data += size;
        log.size -= size;
    }
    return status;
}

static inline void put(struct image *image, const struct message *message, int16_t version, const void *record)
{
    struct meta_records records;
    struct arena arena;
    struct err err = {0};

    arena_init(&arena, 1 << 20);
    meta_records_init(&records, &arena);
    assert_int_equal(meta_records_put(&records, message, version, record), STATUS_OK);
    assert_int_equal(image_apply(image, records.values[0], &err), STATUS_OK);
    arena_free(&arena);
}

struct text {
    char bytes[TEXT_MAX];
    size_t size;
};

static inline void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void text_add(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    t->size += (size_t)vsnprintf(t->bytes + t->size, sizeof t->bytes - t->size, format, args);
    va_end(args);
    assert_true(t->size < sizeof t->bytes);
}

static inline void text_nodes(struct text *t, const char *name, struct image_nodes nodes)
{
    text_add(t, " %s=", name);
    for (int32_t i = 0; i < nodes.count; i++)
        text_add(t, "%d,", nodes.ids[i]);
}

static inline int text_order_configs(const void *a, const void *b)
{
    const struct image_config *const *left = a, *const *right = b;

    return (*left)->type != (*right)->type ? (int)(*left)->type - (int)(*right)->type
                                           : str_order((*left)->name, (*right)->name);
}

static inline void text_configs(struct text *t, const struct image *image)
{
    const struct image_config *all[256];
    size_t count = 0;

    for (struct map_node *node = map_first(&image->configs); node; node = map_next(&image->configs, node))
        all[count++] = MAP_ENTRY(node, struct image_config, node);
    qsort(all, count, sizeof *all, text_order_configs);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < all[i]->count; j++)
            text_add(t, "config %d " STR_FMT " " STR_FMT "=" STR_FMT "\n", (int)all[i]->type, STR_ARG(all[i]->name),
                     STR_ARG(all[i]->entries[j].key), STR_ARG(all[i]->entries[j].value));
    }
}

static inline int text_order_bytes(const void *a, const void *b)
{
    const struct bytes_view *left = a, *right = b;
    size_t n = left->size < right->size ? left->size : right->size;
    int order = memcmp(left->data, right->data, n);

    return order ? order : (left->size > right->size) - (left->size < right->size);
}

static inline void text_carried(struct text *t, const struct image *image)
{
    struct bytes_view all[256];
    size_t count = 0;

    for (struct map_node *node = map_first(&image->carried); node; node = map_next(&image->carried, node))
        all[count++] = MAP_ENTRY(node, struct image_carried, node)->record;
    qsort(all, count, sizeof *all, text_order_bytes);
    for (size_t i = 0; i < count; i++) {
        text_add(t, "carried ");
        for (size_t j = 0; j < all[i].size; j++)
            text_add(t, "%02x", all[i].data[j]);
        text_add(t, "\n");
    }
}

/* All that an image says, in an order of its own. */
static inline void text_of(struct text *t, const struct image *image)
{
    struct arena arena;
    size_t count;
    struct image_topic **topics;

    t->size = 0;
    arena_init(&arena, 1 << 20);
    topics = image_topics_sorted(image, &arena, &count);
    for (size_t i = 0; i < image->features_count; i++)
        text_add(t, "feature " STR_FMT "=%d\n", STR_ARG(image->features[i].name), image->features[i].level);
    for (const struct image_broker *b = image->brokers; b; b = b->next)
        text_add(t, "broker %d epoch=%lld fenced=%d endpoints=%d host=" STR_FMT " dirs=%d cordoned=%d\n",
                 b->record.broker_id, (long long)b->record.broker_epoch, b->record.fenced, b->record.end_points_count,
                 STR_ARG(b->record.end_points[0].host), b->record.log_dirs_count, b->record.cordoned_log_dirs_count);
    for (size_t i = 0; i < count; i++) {
        char id[UUID_TEXT_SIZE];

        uuid_format(topics[i]->id, id);
        text_add(t, "topic " STR_FMT " %s\n", STR_ARG(topics[i]->name), id);
        for (int32_t j = 0; j < topics[i]->count; j++) {
            const struct image_partition *p = image_partition(topics[i], j);

            uuid_format(image_directory(p, 0), id);
            text_add(t, "  %d leader=%d epoch=%d/%d recovery=%d directory=%s", j, p->leader, p->leader_epoch,
                     p->partition_epoch, p->recovery_state, id);
            text_nodes(t, "replicas", image_replicas(p));
            text_nodes(t, "isr", image_isr(p));
            text_nodes(t, "removing", image_removing(p));
            text_nodes(t, "adding", image_adding(p));
            text_nodes(t, "elr", image_elr(p));
            text_nodes(t, "last", image_last_known_elr(p));
            text_add(t, "\n");
        }
    }
    text_configs(t, image);
    text_add(t, "producer ids %lld\n", (long long)image->next_producer_id);
    text_carried(t, image);
    arena_free(&arena);
}

#endif
