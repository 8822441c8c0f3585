/* SPDX-License-Identifier: Apache-2.0
 * The way of a produced batch into the log.
 *
 *   size → check (records.h) → codec → producer state ─┬─ new: offsets, epoch, time patched in place → log_append → durable → done
 *                                                      ├─ duplicate: the offset that it has, once that is durable
 *                                                      └─ refused
 *
 * What is refused or was there already is answered by mail, so that `done` never runs inside partition_append.
 */
#include "partition/partition_int.h"

#include "base/bug.h"

/* --- answers --------------------------------------------------------------------------------------------------------------- */

static void answered(struct shard *here, struct mail *mail)
{
    struct partition_append *append = LIST_ENTRY(mail, struct partition_append, answer);

    append->done(here, append);
}

static void answer(struct partition *p, struct partition_append *append)
{
    append->answer.run = answered;
    shard_post(p->shard, p->shard, &append->answer);
}

/* Duplicates whose original has become durable, or never will. */
static void release_held(struct partition *p, enum status status)
{
    struct list *node;

    while ((node = p->held.next) != &p->held) {
        struct partition_append *append = LIST_ENTRY(node, struct partition_append, link);
        if (!status && append->log.last_offset >= log_durable_offset(p->log))
            return;
        list_remove(node);
        append->status = status;
        append->base_offset = status ? -1 : append->base_offset;
        answer(p, append);
    }
}

static void append_durable(struct shard *here, struct log_append *done)
{
    struct partition_append *append = LIST_ENTRY(done, struct partition_append, log);
    struct partition *p = append->partition;

    append->status = done->status;
    append->start_offset = log_start_offset(p->log);
    transactions_settle(&p->transactions, log_durable_offset(p->log));
    if (append->status)
        append->base_offset = -1;
    release_held(p, append->status);
    if (!BUG(KAFKA_14334))
        partition__wake(p);
    append->done(here, append);
}

/* --- the steps ------------------------------------------------------------------------------------------------------------- */

static enum status check(const struct partition *p, struct partition_append *append, struct batch_facts *facts)
{
    const struct batch_rules rules = {
        .compacted = p->config->log.compacts,
        .from_client = append->from_client,
        .now_ms = shard_wall_ms(p->shard),
        .timestamp_before_max_ms = append->from_client ? p->config->timestamp_before_max_ms : INT64_MAX,
        .timestamp_after_max_ms = append->from_client ? p->config->timestamp_after_max_ms : INT64_MAX,
        .append_time = p->config->log.append_time,
        .decompressed_max = (size_t)p->config->decompressed_bytes_max,
    };
    struct batch_record_error error;
    enum status status;

    if (append->from_client && (int64_t)append->size > p->config->message_bytes_max) {
        append->message = "The batch is larger than max.message.bytes";
        return STATUS_MESSAGE_TOO_LARGE;
    }
    status = batch_check((struct bytes_view){append->records, append->size}, &rules, facts, &error);
    if (status)
        append->message = error.message;
    if (status && error.batch_index >= 0 &&
        batch_record_errors((struct bytes_view){append->records, append->size}, &rules, append->arena, &append->errors, &append->errors_count))
        append->errors_count = 0; /* the status stands; there is no memory to tell of each */
    return status;
}

/* compression.type of the topic, when it names a codec that the batch does not have. */
static enum status recompress(const struct partition *p, struct partition_append *append, struct batch_facts *facts)
{
    int codec = facts->head.attributes & BATCH_COMPRESSION_MASK;
    struct bytes_view out;
    enum status status;

    if (p->config->compression < 0 || p->config->compression == codec || facts->head.attributes & BATCH_CONTROL)
        return STATUS_OK;
    status = batch_recompress((struct bytes_view){append->records, append->size}, (enum compression)p->config->compression,
                              p->config->compression_level, (size_t)p->config->decompressed_bytes_max, append->arena, &out);
    if (status)
        return status;
    append->records = (uint8_t *)(uintptr_t)out.data; /* in the append's arena: ours to write */
    append->size = out.size;
    if (append->from_client && (int64_t)append->size > p->config->message_bytes_max) {
        append->message = "The batch is larger than max.message.bytes in the topic's compression";
        return STATUS_MESSAGE_TOO_LARGE;
    }
    return batch_head_read(out, &facts->head) ? STATUS_OK : STATUS_CORRUPT_MESSAGE;
}

/* Patches what is the broker's to say. */
static void stamp(const struct partition *p, struct partition_append *append, struct batch_facts *facts)
{
    struct batch_head *head = &facts->head;

    head->base_offset = log_end_offset(p->log);
    head->leader_epoch = p->leader_epoch;
    batch_set_base_offset(append->records, head->base_offset);
    batch_set_leader_epoch(append->records, head->leader_epoch);
    if (p->config->log.append_time) {
        append->append_time_ms = head->max_timestamp = shard_wall_ms(p->shard);
        batch_set_append_time(append->records, append->size, head->max_timestamp);
        facts->max_timestamp_offset_delta = 0;
    } else if (head->max_timestamp != facts->max_timestamp || head->attributes & BATCH_LOG_APPEND_TIME) {
        head->max_timestamp = facts->max_timestamp;
        batch_set_create_time(append->records, append->size, head->max_timestamp);
    }
}

static void submit(struct partition *p, struct partition_append *append, const struct batch_facts *facts, struct producer *producer)
{
    const struct batch_head *head = &facts->head;
    struct batch_marker marker;
    struct aborted aborted;

    append->base_offset = head->base_offset;
    append->log = (struct log_append){
        .done = append_durable,
        .bytes = {append->records, append->size},
        .base_offset = head->base_offset,
        .last_offset = batch_last_offset(head),
        .max_timestamp = head->max_timestamp,
        .max_timestamp_offset = head->base_offset + facts->max_timestamp_offset_delta,
        .leader_epoch = head->leader_epoch,
    };
    if (BUG(KAFKA_6683) && producer)
        producer_note(producer, head, NULL, shard_wall_ms(p->shard));
    log_append(p->log, &append->log); /* a roll takes its snapshot before this batch counts */
    if (BUG(KAFKA_6683) || !producer)
        return;
    if (partition__note(p, producer, head, batch_marker_read(append->log.bytes, &marker) ? &marker : NULL, shard_wall_ms(p->shard), &aborted))
        log_add_aborted(p->log, &aborted);
}

/* Room for the transaction that the batch may begin, or for what is told when it aborts one. */
static bool reserve_transaction(struct partition *p, const struct batch_head *head)
{
    if (!(head->attributes & BATCH_TRANSACTIONAL))
        return true;
    return transactions_reserve(&p->transactions) && (!(head->attributes & BATCH_CONTROL) || log_reserve_aborted(p->log));
}

static void answer_duplicate(struct partition *p, struct partition_append *append, const struct producer_batch *original)
{
    append->base_offset = original->last_offset - original->offset_delta;
    append->append_time_ms = original->timestamp;
    append->log.last_offset = original->last_offset;
    if (original->last_offset < log_durable_offset(p->log))
        answer(p, append);
    else
        list_push_back(&p->held, &append->link);
}

/* STATUS_OK: it is on its way, or held. */
static enum status take(struct partition *p, struct partition_append *append)
{
    const struct producer_batch *duplicate = NULL;
    struct producer *producer = NULL;
    struct batch_facts facts;
    enum status status = check(p, append, &facts);

    if (!status)
        status = recompress(p, append, &facts);
    if (status)
        return status;
    if ((int64_t)append->size > p->config->log.segment_bytes) {
        append->message = "The batch is larger than segment.bytes";
        return STATUS_RECORD_LIST_TOO_LARGE;
    }
    if (append->from_client && facts.head.producer_id >= 0)
        status = producers_check(&p->producers, &facts.head, &duplicate, &append->message);
    if (status)
        return status;
    if (duplicate) {
        answer_duplicate(p, append, duplicate);
        return STATUS_OK;
    }
    if (facts.head.last_offset_delta >= INT64_MAX - log_end_offset(p->log)) {
        append->message = "The partition has no more offsets";
        return STATUS_INVALID_RECORD;
    }
    if (append->from_client && !log_take_room(p->log, append->size)) {
        append->message = "The disk is nearly full";
        return STATUS_KAFKA_STORAGE_ERROR;
    }
    if (!log_reserve(p->log))
        return STATUS_NO_MEMORY;
    if (facts.head.producer_id >= 0) {
        producer = producers_get(&p->producers, facts.head.producer_id);
        if (!producer || !reserve_transaction(p, &facts.head))
            return STATUS_NO_MEMORY;
    }
    stamp(p, append, &facts);
    submit(p, append, &facts, producer);
    return STATUS_OK;
}

void partition_append(struct partition *p, struct partition_append *append)
{
    struct batch_head head;
    enum status status;

    shard_assert(p->shard);
    log_expect_append(p->log);
    append->partition = p;
    append->status = STATUS_OK;
    append->message = NULL;
    append->errors = NULL;
    append->errors_count = 0;
    append->base_offset = append->append_time_ms = -1;
    append->start_offset = log_start_offset(p->log);
    list_init(&append->link);
    status = partition__usable(p);
    if (!status)
        status = take(p, append);
    if (!status)
        return;
    if ((status == STATUS_NO_MEMORY || status == STATUS_KAFKA_STORAGE_ERROR) && append->from_client && batch_head_read((struct bytes_view){append->records, append->size}, &head) && head.producer_id >= 0)
        producers_refuse(&p->producers, &head);
    append->status = status;
    append->base_offset = -1;
    answer(p, append);
}
