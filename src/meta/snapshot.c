/* SPDX-License-Identifier: Apache-2.0
 * See snapshot.h.
 */
#include "meta/snapshot.h"

#include "base/bug.h"
#include "base/mem.h"
#include "store/dir.h" /* the file system that it stands on */
#include "wire/record/config_record.h"
#include "wire/record/feature_level_record.h"
#include "wire/record/kraft_version_record.h"
#include "wire/record/partition_record.h"
#include "wire/record/producer_ids_record.h"
#include "wire/record/snapshot_footer_record.h"
#include "wire/record/snapshot_header_record.h"
#include "wire/record/topic_record.h"
#include "wire/records.h"

enum {
    CONTROL_SNAPSHOT_HEADER = 3,
    CONTROL_SNAPSHOT_FOOTER = 4,
    CONTROL_KRAFT_VERSION = 5,
    CONTROL_VOTERS = 6,
};

enum {
    BATCH_RECORDS_MAX = 1000, /* records of one batch of a snapshot */
    CONTROL_BATCH_MAX = 64 * 1024,
    SNAPSHOT_MAX = 1 << 30, /* bytes of a snapshot that we read */
    METADATA_VERSION = 30,  /* 4.3-IV0 */
};

void snapshot_name(struct snapshot_id id, char name[static SNAPSHOT_NAME_SIZE])
{
    (void)snprintf(name, SNAPSHOT_NAME_SIZE, "%020lld-%010d.checkpoint", (long long)id.end_offset, id.epoch);
}

static bool parse_digits(const char **at, unsigned count, int64_t max, int64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < count; i++, ++*at) {
        if (**at < '0' || **at > '9' || *value > (max - (**at - '0')) / 10)
            return false;
        *value = *value * 10 + (**at - '0');
    }
    return true;
}

bool snapshot_parse_name(const char *name, struct snapshot_id *id)
{
    int64_t epoch;

    if (!parse_digits(&name, 20, INT64_MAX, &id->end_offset) || *name++ != '-' ||
        !parse_digits(&name, 10, INT32_MAX, &epoch))
        return false;
    id->epoch = (int32_t)epoch;
    return strcmp(name, ".checkpoint") == 0;
}

/* ---- writing ---- */

/* A snapshot as it grows. Records gather in `records`, whose arena is emptied with each batch. */
struct snapshot_writer {
    uint8_t *bytes;
    size_t size, capacity;
    int64_t offset, wall_ms;
    int32_t epoch;
    struct arena arena;
    struct meta_records records;
    enum status status; /* the first failure */
};

static void writer_append(struct snapshot_writer *w, struct bytes_view batch)
{
    if (w->status == STATUS_OK && batch.size > w->capacity - w->size) {
        size_t capacity = (w->size + batch.size) * 2;
        uint8_t *bytes = mem_resize(w->bytes, capacity, 1);

        if (!bytes) {
            w->status = STATUS_NO_MEMORY;
            return;
        }
        w->bytes = bytes;
        w->capacity = capacity;
    }
    if (w->status != STATUS_OK)
        return;
    memcpy(w->bytes + w->size, batch.data, batch.size);
    w->size += batch.size;
}

static void writer_flush(struct snapshot_writer *w)
{
    struct bytes_view batch;

    if (w->status == STATUS_OK && w->records.count) {
        w->status = meta_records_batch(&w->records, w->offset, w->epoch, w->wall_ms, &batch);
        w->offset += (int64_t)w->records.count;
        if (w->status == STATUS_OK)
            writer_append(w, batch);
    }
    arena_free(&w->arena);
    meta_records_init(&w->records, &w->arena);
}

static void put_done(struct snapshot_writer *w, enum status status)
{
    if (w->status == STATUS_OK)
        w->status = status;
    if (w->records.count >= BATCH_RECORDS_MAX)
        writer_flush(w);
}

static void put(struct snapshot_writer *w, const struct message *message, int16_t version, const void *in)
{
    put_done(w, meta_records_put(&w->records, message, version, in));
}

static void put_raw(struct snapshot_writer *w, struct bytes_view record)
{
    uint8_t *to = meta_records_add(&w->records, record.size);

    if (to)
        memcpy(to, record.data, record.size);
    put_done(w, to ? STATUS_OK : STATUS_NO_MEMORY);
}

/* One control record after the other into one batch. */
static void control_add(struct snapshot_writer *w, struct batch_builder *b, int16_t type, struct bytes_view value)
{
    uint8_t key[4] = {0, 0, (uint8_t)(type >> 8), (uint8_t)type};

    if (w->status == STATUS_OK && !batch_builder_add(b, b->count, w->wall_ms, (struct bytes_view){key, sizeof key},
                                                     value, (struct bytes_view){NULL, 0}))
        w->status = STATUS_NO_MEMORY;
}

static void control_put(struct snapshot_writer *w, struct batch_builder *b, int16_t type, const struct message *message,
                        const void *in)
{
    uint8_t value[64];
    struct writer out;

    writer_init(&out, value, sizeof value);
    message_encode(message, &out, 0, in);
    control_add(w, b, type, (struct bytes_view){value, writer_size(&out)});
}

static void control_finish(struct snapshot_writer *w, struct batch_builder *b)
{
    int32_t count = b->count;

    if (w->status == STATUS_OK)
        writer_append(w, batch_builder_finish(b, w->offset, w->epoch, -1, -1, -1));
    w->offset += count;
}

static void put_header(struct snapshot_writer *w, int64_t last_timestamp, int16_t kraft_version,
                       struct bytes_view voters)
{
    struct snapshot_header_record header = {.version = 0, .last_contained_log_timestamp = last_timestamp};
    struct kraft_version_record version = {.version = 0, .kraft_version = kraft_version};
    struct batch_builder b;
    uint8_t *buffer = arena_alloc(&w->arena, CONTROL_BATCH_MAX, 1);

    if (!buffer) {
        w->status = STATUS_NO_MEMORY;
        return;
    }
    batch_builder_init(&b, buffer, CONTROL_BATCH_MAX, BATCH_CONTROL);
    control_put(w, &b, CONTROL_SNAPSHOT_HEADER, &snapshot_header_record_message, &header);
    if (kraft_version > 0) {
        control_put(w, &b, CONTROL_KRAFT_VERSION, &kraft_version_record_message, &version);
        if (voters.data)
            control_add(w, &b, CONTROL_VOTERS, voters);
    }
    control_finish(w, &b);
}

static void put_footer(struct snapshot_writer *w)
{
    struct snapshot_footer_record footer = {.version = 0};
    uint8_t buffer[256];
    struct batch_builder b;

    writer_flush(w);
    batch_builder_init(&b, buffer, sizeof buffer, BATCH_CONTROL);
    control_put(w, &b, CONTROL_SNAPSHOT_FOOTER, &snapshot_footer_record_message, &footer);
    control_finish(w, &b);
}

/* metadata.version comes first: it says how to read what follows. */
static void put_features(struct snapshot_writer *w, const struct image *image)
{
    for (unsigned pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < image->features_count; i++) {
            struct feature_level_record record = {.name = image->features[i].name,
                                                  .feature_level = image->features[i].level};

            if (str_is(record.name, "metadata.version") == (pass == 0))
                put(w, &feature_level_record_message, 0, &record);
        }
    }
}

/* The newest version of a broker's registration that holds what it says. */
static int16_t broker_version(const struct register_broker_record *record)
{
    return record->cordoned_log_dirs_count >= 0 ? 4 : record->log_dirs_count > 0 ? 3 : 1;
}

static void put_topic(struct snapshot_writer *w, const struct image_topic *topic)
{
    struct topic_record record = {.name = topic->name, .topic_id = topic->id};

    put(w, &topic_record_message, 0, &record);
}

static int32_t *ids_of(struct image_nodes nodes)
{
    return (int32_t *)(uintptr_t)nodes.ids; /* the encoder only reads */
}

static void put_partition(struct snapshot_writer *w, const struct image_topic *topic, int32_t index, int16_t version)
{
    const struct image_partition *p = &topic->partitions[index];
    struct partition_record record;
    struct uuid *directories = arena_alloc(&w->arena, p->nodes->replicas_count, sizeof *directories);

    if (!directories) {
        w->status = STATUS_NO_MEMORY;
        return;
    }
    for (unsigned i = 0; i < p->nodes->replicas_count; i++)
        directories[i] = image_directory(p, i);
    partition_record_init(&record);
    record.partition_id = index;
    record.topic_id = topic->id;
    record.replicas = ids_of(image_replicas(p));
    record.replicas_count = p->nodes->replicas_count;
    record.isr = ids_of(image_isr(p));
    record.isr_count = p->nodes->isr_count;
    record.removing_replicas = ids_of(image_removing(p));
    record.removing_replicas_count = p->nodes->removing_count;
    record.adding_replicas = ids_of(image_adding(p));
    record.adding_replicas_count = p->nodes->adding_count;
    record.leader = p->leader;
    record.leader_recovery_state = p->recovery_state;
    record.leader_epoch = p->leader_epoch;
    record.partition_epoch = p->partition_epoch;
    record.directories = directories;
    record.directories_count = p->nodes->replicas_count;
    if (p->nodes->elr_count) {
        record.eligible_leader_replicas = ids_of(image_elr(p));
        record.eligible_leader_replicas_count = p->nodes->elr_count;
    }
    if (p->nodes->last_known_elr_count) {
        record.last_known_elr = ids_of(image_last_known_elr(p));
        record.last_known_elr_count = p->nodes->last_known_elr_count;
    }
    put(w, &partition_record_message, version, &record);
}

static void put_configs(struct snapshot_writer *w, const struct image *image)
{
    for (struct map_node *node = map_first(&image->configs); node; node = map_next(&image->configs, node)) {
        const struct image_config *config = MAP_ENTRY(node, struct image_config, node);

        for (size_t i = 0; i < config->count; i++) {
            struct config_record record = {.resource_type = (int8_t)config->type,
                                           .resource_name = config->name,
                                           .name = config->entries[i].key,
                                           .value = config->entries[i].value};

            put(w, &config_record_message, 0, &record);
        }
    }
}

static void put_content(struct snapshot_writer *w, const struct image *image)
{
    put_features(w, image);
    for (const struct image_broker *broker = image->brokers; broker; broker = broker->next)
        put(w, &register_broker_record_message, broker_version(&broker->record), &broker->record);
    for (const struct image_topic *topic = image_topic_first(image); topic && w->status == STATUS_OK;
         topic = image_topic_next(image, topic)) {
        put_topic(w, topic);
        for (int32_t i = 0; i < topic->count && w->status == STATUS_OK; i++) {
            if (topic->partitions[i].nodes)
                put_partition(w, topic, i, image_partition_version(image));
        }
    }
    put_configs(w, image);
    if (image->next_producer_id > 0 && !BUG(KAFKA_13357)) {
        struct producer_ids_record record = {.broker_id = image->producer_ids_broker,
                                             .broker_epoch = image->producer_ids_broker_epoch,
                                             .next_producer_id = image->next_producer_id};

        put(w, &producer_ids_record_message, 0, &record);
    }
    for (struct map_node *node = map_first(&image->carried); node; node = map_next(&image->carried, node))
        put_raw(w, MAP_ENTRY(node, struct image_carried, node)->record);
}

static void writer_begin(struct snapshot_writer *w, int64_t wall_ms, int32_t epoch)
{
    *w = (struct snapshot_writer){.wall_ms = wall_ms, .epoch = epoch};
    arena_init(&w->arena, SIZE_MAX);
    meta_records_init(&w->records, &w->arena);
}

enum status snapshot_encode(const struct image *image, int64_t wall_ms, uint8_t **bytes, size_t *size)
{
    struct snapshot_writer w;

    writer_begin(&w, wall_ms, image->epoch);
    put_header(&w, image->timestamp, image->kraft_version, image->voters);
    put_content(&w, image);
    put_footer(&w);
    if (w.status != STATUS_OK) {
        mem_free(w.bytes);
        return w.status;
    }
    *bytes = w.bytes;
    *size = w.size;
    return STATUS_OK;
}

/* Levels that a Kafka 4.3 starts a new cluster with. */
static const struct image_feature bootstrap_features[] = {
    {STR_LIT("metadata.version"), METADATA_VERSION},
    {STR_LIT("eligible.leader.replicas.version"), 1},
    {STR_LIT("group.version"), 1},
    {STR_LIT("share.version"), 1},
    {STR_LIT("streams.version"), 1},
    {STR_LIT("transaction.version"), 2},
};

enum status bootstrap_encode(int64_t wall_ms, struct arena *arena, struct bytes_view *bytes)
{
    struct snapshot_writer w;
    uint8_t *copy = NULL;

    writer_begin(&w, wall_ms, 0);
    put_header(&w, 0, 0, (struct bytes_view){NULL, 0});
    for (size_t i = 0; i < sizeof bootstrap_features / sizeof bootstrap_features[0]; i++) {
        struct feature_level_record record = {.name = bootstrap_features[i].name,
                                              .feature_level = bootstrap_features[i].level};

        put(&w, &feature_level_record_message, 0, &record);
    }
    put_footer(&w);
    if (w.status == STATUS_OK)
        copy = arena_alloc(arena, w.size, 1);
    if (copy) {
        memcpy(copy, w.bytes, w.size);
        *bytes = (struct bytes_view){copy, w.size};
    }
    mem_free(w.bytes);
    return copy ? STATUS_OK : STATUS_NO_MEMORY;
}

/* ---- reading ---- */

/* Steps to the next batch of a snapshot, checked. */
static enum status next_batch(struct bytes_view *left, struct bytes_view *batch, struct batch_head *head,
                              struct err *err)
{
    size_t size;

    if (batch_check_crc(*left, &size) != STATUS_OK || !batch_head_read(*left, head))
        return err_set(err, STATUS_CORRUPT, "a batch of the snapshot is broken or cut short");
    *batch = (struct bytes_view){left->data, size};
    left->data += size;
    left->size -= size;
    return STATUS_OK;
}

/* Whether the batch is the footer's. STATUS_NO_MEMORY. */
static enum status is_footer(struct bytes_view batch, const struct batch_head *head, bool *footer)
{
    static const uint8_t key[4] = {0, 0, 0, CONTROL_SNAPSHOT_FOOTER};
    struct record_cursor *cursor = NULL;
    struct record record;
    struct arena arena;
    bool more = false;

    *footer = false;
    if (!(head->attributes & BATCH_CONTROL))
        return STATUS_OK;
    arena_init(&arena, CONTROL_BATCH_MAX);
    cursor = record_cursor_new(&arena, batch, CONTROL_BATCH_MAX);
    if (cursor && record_next(cursor, &record, &more) == STATUS_OK && more)
        *footer = record.key.size == sizeof key && memcmp(record.key.data, key, sizeof key) == 0;
    record_cursor_free(cursor);
    arena_free(&arena);
    return cursor ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Runs over all batches of a snapshot; `each` gets those with records of the metadata. */
static enum status each_batch(struct bytes_view bytes,
                              enum status (*each)(void *context, struct bytes_view batch, bool control,
                                                  struct err *err),
                              void *context, struct err *err)
{
    bool whole = false;

    while (bytes.size) {
        struct bytes_view batch;
        struct batch_head head;
        enum status status = next_batch(&bytes, &batch, &head, err);

        if (status != STATUS_OK)
            return status;
        if (whole)
            return err_set(err, STATUS_CORRUPT, "something follows the snapshot's footer");
        if (is_footer(batch, &head, &whole))
            return err_set(err, STATUS_NO_MEMORY, "no memory for a batch of the snapshot");
        status = each(context, batch, head.attributes & BATCH_CONTROL, err);
        if (status != STATUS_OK)
            return status;
    }
    return whole ? STATUS_OK : err_set(err, STATUS_CORRUPT, "the snapshot has no footer");
}

static enum status apply_batch(void *context, struct bytes_view batch, bool control, struct err *err)
{
    (void)control;
    return image_apply_batch(context, batch, err);
}

enum status snapshot_decode(struct bytes_view bytes, struct snapshot_id id, struct image *image, struct err *err)
{
    enum status status = each_batch(bytes, apply_batch, image, err);

    if (status == STATUS_OK && image->pending)
        status = err_set(err, STATUS_CORRUPT, "the snapshot ends within a transaction");
    image->offset = id.end_offset - 1;
    image->epoch = id.epoch;
    return status;
}

static enum status keep_records(void *context, struct bytes_view batch, bool control, struct err *err)
{
    struct meta_records *records = context;
    struct record_cursor *cursor = control ? NULL : record_cursor_new(records->arena, batch, CONTROL_BATCH_MAX);
    enum status status = control || cursor ? STATUS_OK : STATUS_NO_MEMORY;
    bool more = cursor != NULL;

    while (status == STATUS_OK && more) {
        struct record record;
        uint8_t *to;

        status = record_next(cursor, &record, &more);
        if (status != STATUS_OK || !more)
            break;
        to = meta_records_add(records, record.value.size);
        status = to ? STATUS_OK : STATUS_NO_MEMORY;
        if (to && record.value.size)
            memcpy(to, record.value.data, record.value.size);
    }
    if (cursor)
        record_cursor_free(cursor);
    if (status == STATUS_OK)
        return status;
    return err_set(err, status, status == STATUS_NO_MEMORY ? "no memory for a batch" : "a batch does not decode");
}

enum status bootstrap_decode(struct bytes_view bytes, struct meta_records *records, struct err *err)
{
    enum status status = each_batch(bytes, keep_records, records, err);

    return status == STATUS_OK ? status : err_wrap(err, "%s", BOOTSTRAP_FILE);
}

/* Ids order by offset, then epoch. */
static bool is_newer(struct snapshot_id a, struct snapshot_id b)
{
    return a.end_offset > b.end_offset || (a.end_offset == b.end_offset && a.epoch > b.epoch);
}

static enum status load_one(struct fs *fs, const char *dir, struct snapshot_id id, struct image *image, struct err *err)
{
    char path[FS_PATH_MAX], name[SNAPSHOT_NAME_SIZE];
    char *content = NULL;
    size_t size = 0;
    enum status status;

    snapshot_name(id, name);
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
        return err_set(err, STATUS_IO, "%s: the path is too long", dir);
    status = fs_read_file(fs, path, SNAPSHOT_MAX, &content, &size, err);
    if (status != STATUS_OK)
        return status;
    status = snapshot_decode((struct bytes_view){(const uint8_t *)content, size}, id, image, err);
    mem_free(content);
    return status == STATUS_OK ? status : err_wrap(err, "snapshot %s", path);
}

enum status snapshot_load(struct fs *fs, const char *dir, struct image *image, bool *found, struct snapshot_id *id,
                          struct err *err)
{
    char **names = NULL;
    size_t count = 0;
    enum status status = fs_list(fs, dir, &names, &count, err);

    *found = false;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        struct snapshot_id other;

        if (snapshot_parse_name(names[i], &other) && (!*found || is_newer(other, *id))) {
            *id = other;
            *found = true;
        }
    }
    mem_free(names);
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    return status == STATUS_OK && *found ? load_one(fs, dir, *id, image, err) : status;
}
