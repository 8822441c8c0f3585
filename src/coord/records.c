/* SPDX-License-Identifier: Apache-2.0
 * The records of __consumer_offsets: what the coordinator writes, and how it is rebuilt from what it reads.
 *
 *   key:   i16 kind, then the key's message of that kind (in its version 0)
 *   value: i16 version, then the value's message in that version; null: what the key names is gone
 *
 * Written are kind 2 (a group, value version 3) and kind 1 (an offset, value version 4, or 1 when the client set its
 * retention): what Kafka 4.3 writes. Read are all versions of these, and of the other kinds of groups that they exist.
 * Kinds that nobody knows yet are passed over: they stay in the log as they are.
 */
#include "base/bug.h"
#include "base/reader.h"
#include "base/writer.h"
#include "coord/coord_int.h"
#include "wire/apis.h"
#include "wire/record/consumer_group_metadata_key.h"
#include "wire/record/group_metadata_key.h"
#include "wire/record/group_metadata_value.h"
#include "wire/record/offset_commit_key.h"
#include "wire/record/offset_commit_value.h"

enum {
    KIND_OFFSET_LEGACY = 0,
    KIND_OFFSET = 1,
    KIND_GROUP = 2,
    KIND_CONSUMER_GROUP = 3,
    KIND_SHARE_GROUP = 11,
    KIND_STREAMS_GROUP = 17,

    GROUP_VALUE_VERSION = 3,
    OFFSET_VALUE_VERSION = 4,
    OFFSET_VALUE_VERSION_EXPIRE = 1, /* the one version that has an expire timestamp */
};

/* What a decoded value may take: arrays of structs that are at most this much larger than their bytes. */
#define DECODED_PER_BYTE 16

/* ---- writing ---- */

static struct bytes_view encode(struct arena *arena, int16_t prefix, const struct message *m, int16_t version,
                                const void *message)
{
    size_t size = 2 + message_size(m, version, message);
    uint8_t *bytes = arena_alloc(arena, 1, size);
    struct writer w;

    if (!bytes)
        return (struct bytes_view){NULL, 0};
    writer_init(&w, bytes, size);
    writer_i16(&w, prefix);
    message_encode(m, &w, version, message);
    return (struct bytes_view){bytes, size};
}

static bool append(struct coord_step *step, struct bytes_view key, struct bytes_view value)
{
    if (step->records_count == step->records_capacity) {
        size_t capacity = step->records_capacity ? step->records_capacity * 2 : 8;
        struct coord_record *records = arena_alloc(step->arena, capacity, sizeof *records);

        if (!records)
            return false;
        if (step->records_count)
            memcpy(records, step->records, step->records_count * sizeof *records);
        step->records = records;
        step->records_capacity = capacity;
    }
    step->records[step->records_count++] = (struct coord_record){key, value};
    return true;
}

static const struct bytes_view tombstone = {NULL, 0};

static struct bytes_view group_key(struct coord_step *step, const struct group *g)
{
    struct group_metadata_key key = {.group = g->id};

    return encode(step->arena, KIND_GROUP, &group_metadata_key_message, 0, &key);
}

static struct bytes_view offset_key(struct coord_step *step, struct str_view group, struct str_view topic,
                                    int32_t partition)
{
    struct offset_commit_key key = {.group = group, .topic = topic, .partition = partition};

    return encode(step->arena, KIND_OFFSET, &offset_commit_key_message, 0, &key);
}

static void describe_member(const struct member *m, struct group_metadata_value_member_metadata *out)
{
    group_metadata_value_member_metadata_init(out);
    out->member_id = m->id->text;
    out->group_instance_id = m->instance_id;
    out->client_id = m->client_id;
    out->client_host = m->client_host;
    out->rebalance_timeout = m->rebalance_timeout_ms;
    out->session_timeout = m->session_timeout_ms;
    out->subscription = coord__member_metadata(m, m->id->group->protocol);
    out->assignment = m->assignment.data ? m->assignment : (struct bytes_view){(const uint8_t *)"", 0};
}

bool coord__record_group(struct coord_step *step, const struct group *g)
{
    struct group_metadata_value value;
    struct bytes_view key = group_key(step, g), bytes;

    group_metadata_value_init(&value);
    value.protocol_type = g->protocol_type.data ? g->protocol_type : STR_LIT("");
    value.generation = g->generation;
    value.protocol = g->protocol;
    value.leader = g->leader ? g->leader->id->text : STR_NULL;
    value.current_state_timestamp = g->state_wall_ms;
    value.members = arena_alloc(step->arena, (size_t)g->members_count, sizeof *value.members);
    if (!key.data || !value.members)
        return false;
    LIST_EACH(at, &g->members)
    {
        describe_member(LIST_ENTRY(at, struct member, link), &value.members[value.members_count++]);
    }
    bytes = encode(step->arena, GROUP_VALUE_VERSION, &group_metadata_value_message, GROUP_VALUE_VERSION, &value);
    return bytes.data && append(step, key, bytes);
}

bool coord__record_group_gone(struct coord_step *step, const struct group *g)
{
    struct bytes_view key = group_key(step, g);

    return key.data && append(step, key, tombstone);
}

bool coord__record_offset(struct coord_step *step, struct str_view group, struct str_view topic, int32_t partition,
                          const struct offset_value *o)
{
    int16_t version = o->expire_ms == -1 ? OFFSET_VALUE_VERSION : OFFSET_VALUE_VERSION_EXPIRE;
    struct bytes_view key = offset_key(step, group, topic, partition), bytes;
    struct offset_commit_value value;

    if (!key.data)
        return false;
    offset_commit_value_init(&value);
    value.offset = o->offset;
    value.leader_epoch = o->leader_epoch;
    value.metadata = o->metadata;
    value.commit_timestamp = o->commit_ms;
    value.expire_timestamp = o->expire_ms;
    value.topic_id = o->topic_id;
    bytes = encode(step->arena, version, &offset_commit_value_message, version, &value);
    return bytes.data && append(step, key, bytes);
}

bool coord__record_offset_gone(struct coord_step *step, struct str_view group, struct str_view topic, int32_t partition)
{
    struct bytes_view key = offset_key(step, group, topic, partition);

    return key.data && append(step, key, tombstone);
}

/* ---- reading ---- */

struct replaying {
    struct coord *coord;
    int64_t offset, producer_id, wall_ms;
    struct arena *arena;
    struct reader key;
    struct bytes_view value;
};

static struct group *group_make(struct replaying *r, struct str_view id)
{
    struct group *g = coord__group(r->coord, id);

    return g ? g : coord__group_new(r->coord, id, r->wall_ms);
}

/* Decodes the value after its version; STATUS_CORRUPT when it is not one. */
static enum status value_decode(struct replaying *r, const struct message *m, void *out)
{
    struct reader value;
    int16_t version;
    enum status status;

    reader_init(&value, r->value.data, r->value.size);
    version = reader_i16(&value);
    status = value.bad ? STATUS_MALFORMED : message_decode(m, &value, version, r->arena, out);
    if (!status)
        status = reader_done(&value);
    return status == STATUS_MALFORMED ? STATUS_CORRUPT : status;
}

static enum status key_decode(struct replaying *r, const struct message *m, void *out)
{
    enum status status = message_decode(m, &r->key, 0, r->arena, out);

    if (!status)
        status = reader_done(&r->key);
    return status == STATUS_MALFORMED ? STATUS_CORRUPT : status;
}

static enum status replay_offset_value(struct replaying *r, const struct offset_commit_key *key)
{
    struct offset_commit_value v;
    struct offset_value value;
    struct group *g;
    struct offset *o;
    enum status status = value_decode(r, &offset_commit_value_message, &v);

    if (status)
        return status;
    value = (struct offset_value){.offset = v.offset,
                                  .leader_epoch = v.leader_epoch,
                                  .commit_ms = v.commit_timestamp,
                                  .expire_ms = v.expire_timestamp,
                                  .topic_id = v.topic_id,
                                  .record_offset = r->offset,
                                  .metadata = v.metadata};
    g = group_make(r, key->group);
    if (!g)
        return STATUS_NO_MEMORY;
    if (r->producer_id != -1)
        return coord__txn_offset_add(g, r->producer_id, key->topic, key->partition, &value);
    if (BUG(KAFKA_5600) && coord__offset(g, key->topic, key->partition))
        return STATUS_OK;
    o = coord__offset_make(g, key->topic, key->partition);
    if (!o || !coord__offset_stage(o, &value))
        return STATUS_NO_MEMORY;
    coord__offset_take(o);
    return STATUS_OK;
}

static enum status replay_offset(struct replaying *r)
{
    struct offset_commit_key key;
    enum status status = key_decode(r, &offset_commit_key_message, &key);
    struct group *g;
    struct offset *o;

    if (status || r->value.data)
        return status ? status : replay_offset_value(r, &key);
    g = coord__group(r->coord, key.group);
    if (g && !BUG(REDPANDA_4900)) {
        coord__txn_offsets_remove(g, key.topic, key.partition);
        o = coord__offset(g, key.topic, key.partition);
        if (o)
            coord__offset_remove(g, o);
    }
    return STATUS_OK;
}

/* The group as if it had just been made, but for its offsets. */
static void group_reset(struct group *g, enum group_kind kind)
{
    struct map_node *node;

    while ((node = map_first(&g->ids)))
        coord__id_free(MAP_ENTRY(node, struct member_id, node));
    (void)coord__text_set(&g->protocol_type, STR_NULL);
    (void)coord__text_set(&g->protocol, STR_NULL);
    g->kind = kind;
    g->state = GROUP_EMPTY;
    g->generation = 0;
}

/* The tombstone of a group. Its offsets have their own, unless it goes on as a group of another kind. */
static void replay_gone(struct replaying *r, struct str_view id, enum group_kind kind)
{
    struct group *g = coord__group(r->coord, id);

    if (!g || g->kind != kind)
        return;
    if (g->topics.count || g->txn_offsets)
        group_reset(g, GROUP_CLASSIC);
    else
        coord__group_free(g);
}

static enum status replay_member(struct group *g, const struct group_metadata_value *value,
                                 const struct group_metadata_value_member_metadata *in)
{
    struct member_protocol protocol = {.name = g->protocol, .metadata = in->subscription};
    struct member facts = {
        .instance_id = in->group_instance_id,
        .client_id = in->client_id,
        .client_host = in->client_host,
        .session_timeout_ms = in->session_timeout,
        .rebalance_timeout_ms = in->rebalance_timeout == -1 ? in->session_timeout : in->rebalance_timeout,
        .protocols = &protocol,
        .protocols_count = 1,
        .assignment = in->assignment,
    };
    struct member_id *id;
    struct member *m;

    if (in->session_timeout < 0 || coord__id(g, in->member_id) ||
        (in->group_instance_id.data && coord__instance(g, in->group_instance_id)))
        return STATUS_CORRUPT;
    id = coord__id_new(g, in->member_id);
    m = id ? coord__member_new(g, id, &facts) : NULL;
    if (m && value->leader.data && str_equal(value->leader, in->member_id))
        g->leader = m;
    return m ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status replay_group_value(struct replaying *r, struct str_view id)
{
    struct group_metadata_value value;
    enum status status = value_decode(r, &group_metadata_value_message, &value);
    struct group *g;

    if (status)
        return status;
    g = group_make(r, id);
    if (!g)
        return STATUS_NO_MEMORY;
    group_reset(g, GROUP_CLASSIC);
    g->generation = value.generation;
    g->state = value.members_count ? GROUP_STABLE : GROUP_EMPTY;
    g->state_wall_ms = value.current_state_timestamp;
    if (value.members_count && !value.protocol.data)
        value.protocol = STR_LIT("");
    if ((value.protocol_type.size || value.members_count) && !coord__text_set(&g->protocol_type, value.protocol_type))
        return STATUS_NO_MEMORY;
    if (!coord__text_set(&g->protocol, value.protocol))
        return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < value.members_count && !status; i++)
        status = replay_member(g, &value, &value.members[i]);
    return status;
}

static enum status replay_group(struct replaying *r)
{
    struct group_metadata_key key;
    enum status status = key_decode(r, &group_metadata_key_message, &key);

    if (status || r->value.data)
        return status ? status : replay_group_value(r, key.group);
    replay_gone(r, key.group, GROUP_CLASSIC);
    return STATUS_OK;
}

/* Of groups of other kinds it is known that they exist; the keys of their three kinds have one form. */
static enum status replay_other(struct replaying *r, enum group_kind kind)
{
    struct consumer_group_metadata_key key;
    enum status status = key_decode(r, &consumer_group_metadata_key_message, &key);
    struct group *g;

    if (status)
        return status;
    if (!r->value.data) {
        replay_gone(r, key.group_id, kind);
        return STATUS_OK;
    }
    g = group_make(r, key.group_id);
    if (!g)
        return STATUS_NO_MEMORY;
    group_reset(g, kind);
    return STATUS_OK;
}

static enum status replay(struct replaying *r)
{
    int16_t kind = reader_i16(&r->key);

    if (r->key.bad)
        return STATUS_CORRUPT;
    switch (kind) {
    case KIND_OFFSET_LEGACY: /* as kind 1: they differ in what an old broker wrote as value */
    case KIND_OFFSET:
        return replay_offset(r);
    case KIND_GROUP:
        return replay_group(r);
    case KIND_CONSUMER_GROUP:
        return replay_other(r, GROUP_CONSUMER);
    case KIND_SHARE_GROUP:
        return replay_other(r, GROUP_SHARE);
    case KIND_STREAMS_GROUP:
        return replay_other(r, GROUP_STREAMS);
    default:
        return STATUS_OK;
    }
}

enum status coord_replay(struct coord *c, int64_t offset, int64_t producer_id, int64_t wall_ms, struct bytes_view key,
                         struct bytes_view value)
{
    struct arena arena;
    struct replaying r = {
        .coord = c, .offset = offset, .producer_id = producer_id, .wall_ms = wall_ms, .arena = &arena, .value = value};
    enum status status;

    if (!key.data)
        return STATUS_CORRUPT;
    arena_init(&arena, DECODED_PER_BYTE * (key.size + value.size) + 1024);
    reader_init(&r.key, key.data, key.size);
    status = replay(&r);
    arena_free(&arena);
    return status;
}
