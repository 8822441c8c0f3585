/* SPDX-License-Identifier: Apache-2.0
 * Committed offsets: kept by group, topic and partition; written, read, deleted, and forgotten when their time is up.
 *
 * A commit is made in two phases: whatever needs memory is staged in the offsets (and the records are written), then
 * all of them take their new value, which cannot fail. So a request is committed as a whole or not at all.
 */
#include "base/bug.h"
#include "coord/coord_int.h"
#include "wire/api/offset_commit.h"
#include "wire/api/offset_delete.h"
#include "wire/api/offset_fetch.h"

/* ---- the store ---- */

static struct offset_topic *topic_of(const struct group *g, struct str_view name)
{
    struct map_node *node = map_get(&g->topics, name.data, name.size);

    return node ? MAP_ENTRY(node, struct offset_topic, node) : NULL;
}

static struct offset_topic *topic_make(struct group *g, struct str_view name)
{
    struct offset_topic *t = topic_of(g, name);
    char *text;

    if (t)
        return t;
    t = mem_alloc(1, sizeof *t + name.size);
    if (!t)
        return NULL;
    text = (char *)(t + 1);
    if (name.size)
        memcpy(text, name.data, name.size);
    t->name = (struct str_view){text, name.size};
    map_init(&t->offsets, g->coord->seed);
    if (!map_put(&g->topics, &t->node, text, name.size)) {
        mem_free(t);
        return NULL;
    }
    return t;
}

static void topic_drop_if_empty(struct group *g, struct offset_topic *t)
{
    if (t->offsets.count)
        return;
    map_free(&t->offsets);
    map_remove(&g->topics, &t->node);
    mem_free(t);
}

static struct offset *offset_in(const struct offset_topic *t, int32_t partition)
{
    struct map_node *node = map_get(&t->offsets, &partition, sizeof partition);

    return node ? MAP_ENTRY(node, struct offset, node) : NULL;
}

static void offset_drop(struct offset_topic *t, struct offset *o)
{
    map_remove(&t->offsets, &o->node);
    (void)coord__text_set(&o->value.metadata, STR_NULL);
    (void)coord__text_set(&o->staged.metadata, STR_NULL);
    mem_free(o);
}

struct offset *coord__offset(const struct group *g, struct str_view topic, int32_t partition)
{
    const struct offset_topic *t = topic_of(g, topic);

    return t ? offset_in(t, partition) : NULL;
}

struct offset *coord__offset_make(struct group *g, struct str_view topic, int32_t partition)
{
    struct offset_topic *t = topic_make(g, topic);
    struct offset *o = t ? offset_in(t, partition) : NULL;

    if (!t || o)
        return o;
    o = mem_crowded() ? NULL : mem_alloc(1, sizeof *o);
    if (o) {
        o->topic = t;
        o->partition = partition;
        if (map_put(&t->offsets, &o->node, &o->partition, sizeof o->partition))
            return o;
        mem_free(o);
    }
    topic_drop_if_empty(g, t);
    return NULL;
}

void coord__offset_remove(struct group *g, struct offset *o)
{
    struct offset_topic *t = o->topic;

    offset_drop(t, o);
    topic_drop_if_empty(g, t);
}

void coord__offsets_free(struct group *g)
{
    struct map_node *topic, *node;

    while ((topic = map_first(&g->topics))) {
        struct offset_topic *t = MAP_ENTRY(topic, struct offset_topic, node);

        while ((node = map_first(&t->offsets)))
            offset_drop(t, MAP_ENTRY(node, struct offset, node));
        topic_drop_if_empty(g, t);
    }
    map_free(&g->topics);
}

bool coord__offset_stage(struct offset *o, const struct offset_value *value)
{
    struct str_view metadata = o->staged.metadata;

    if (!coord__text_set(&metadata, value->metadata.data ? value->metadata : STR_LIT("")))
        return false;
    o->staged = *value;
    o->staged.metadata = metadata;
    return true;
}

void coord__offset_take(struct offset *o)
{
    ASSERT(o->staged.metadata.data);
    (void)coord__text_set(&o->value.metadata, STR_NULL);
    o->value = o->staged;
    o->staged.metadata = STR_NULL;
    o->there = true;
}

static void unstage(struct group *g, struct offset *o)
{
    (void)coord__text_set(&o->staged.metadata, STR_NULL);
    if (!o->there)
        coord__offset_remove(g, o);
}

/* ---- OffsetCommit ---- */

static enum status check_commit(const struct group *g, const struct offset_commit_request *in)
{
    int32_t generation = in->generation_id_or_member_epoch;
    enum status status;

    /* Without a generation it is an administrator, or a consumer that assigns partitions to itself: no members may be
     * there. */
    if (generation < 0 && g->state == GROUP_EMPTY)
        return STATUS_OK;
    if (g->kind != GROUP_CLASSIC || (generation < 0 && !in->member_id.size && !in->group_instance_id.data))
        return STATUS_UNKNOWN_MEMBER_ID;
    status = coord__member_check(g, in->member_id, in->group_instance_id);
    if (status)
        return status;
    return generation != g->generation && !BUG(KAFKA_9365) ? STATUS_ILLEGAL_GENERATION : coord__rules[g->state].commit;
}

/* The answer has an element for each of the request's; each is 0 when the partition exists. */
static void commit_all(const struct offset_commit_response *out, enum status status)
{
    for (int32_t t = 0; t < out->topics_count; t++) {
        for (int32_t p = 0; p < out->topics[t].partitions_count; p++) {
            if (!out->topics[t].partitions[p].error_code)
                out->topics[t].partitions[p].error_code = status_wire(status);
        }
    }
}

static size_t commit_count(const struct offset_commit_request *in)
{
    size_t count = 0;

    for (int32_t t = 0; t < in->topics_count; t++)
        count += (size_t)in->topics[t].partitions_count;
    return count;
}

static struct offset_value value_of(const struct offset_commit_request *in,
                                    const struct offset_commit_request_topic *topic,
                                    const struct offset_commit_request_partition *p, int64_t wall_ms)
{
    struct offset_value value = {
        .offset = p->committed_offset,
        .leader_epoch = p->committed_leader_epoch,
        .commit_ms = p->commit_timestamp == -1 ? wall_ms : p->commit_timestamp,
        .expire_ms = -1,
        .topic_id = topic->topic_id,
        .record_offset = -1,
        .metadata = p->committed_metadata,
    };

    if (in->retention_time_ms != -1 && __builtin_add_overflow(wall_ms, in->retention_time_ms, &value.expire_ms))
        value.expire_ms = INT64_MAX;
    return value;
}

struct committing {
    struct coord_step *step;
    struct group *group;
    struct offset **staged;
    size_t count;
};

static bool commit_one(struct committing *c, struct str_view topic, int32_t partition, const struct offset_value *value)
{
    struct offset *o = coord__offset_make(c->group, topic, partition);

    if (!o)
        return false;
    if (!o->staged.metadata.data) /* not named before in this request */
        c->staged[c->count++] = o;
    return coord__offset_stage(o, value) && coord__record_offset(c->step, c->group->id, topic, partition, &o->staged);
}

/* False: no memory; what was staged is in c->staged. */
static bool commit_stage(struct committing *c, const struct offset_commit_request *in,
                         const struct offset_commit_response *out)
{
    int32_t metadata_max = c->group->coord->config.offset_metadata_max;

    for (int32_t t = 0; t < in->topics_count; t++) {
        const struct offset_commit_request_topic *topic = &in->topics[t];

        for (int32_t i = 0; i < topic->partitions_count; i++) {
            const struct offset_commit_request_partition *p = &topic->partitions[i];
            struct offset_value value = value_of(in, topic, p, c->step->wall_ms);
            int16_t *error = &out->topics[t].partitions[i].error_code;

            if (*error)
                continue;
            if (coord__utf16_size(p->committed_metadata) > metadata_max)
                *error = STATUS_OFFSET_METADATA_TOO_LARGE;
            else if (!commit_one(c, topic->name, p->partition_index, &value))
                return false;
        }
    }
    return true;
}

static void commit(struct group *g, struct coord_step *step, const struct offset_commit_request *in,
                   struct coord_call *call)
{
    struct offset_commit_response *out = call->out;
    struct committing c = {step, g, arena_alloc(call->arena, commit_count(in), sizeof *c.staged), 0};
    size_t records = step->records_count;

    if (c.staged && commit_stage(&c, in, out)) {
        while (c.count)
            coord__offset_take(c.staged[--c.count]);
        return;
    }
    step->records_count = records;
    while (c.count)
        unstage(g, c.staged[--c.count]);
    commit_all(out, STATUS_COORDINATOR_NOT_AVAILABLE);
}

void coord_offset_commit(struct coord *c, struct coord_step *step, const struct offset_commit_request *in,
                         int16_t version, struct coord_call *call)
{
    struct group *g = coord__group(c, in->group_id);
    struct member *m;
    enum status status;
    bool made = false;

    list_push_back(&step->answers, &call->link);
    if (!g && in->generation_id_or_member_epoch >= 0) {
        commit_all(call->out, version >= 9 ? STATUS_GROUP_ID_NOT_FOUND : STATUS_ILLEGAL_GENERATION);
        return;
    }
    if (!g) {
        made = true;
        g = coord__group_new(c, in->group_id, step->wall_ms);
    }
    status = g ? check_commit(g, in) : STATUS_COORDINATOR_NOT_AVAILABLE;
    if (status) {
        commit_all(call->out, status);
        return;
    }
    m = coord__member(g, in->member_id);
    if (m)
        coord__member_heard(m, step->now_ms);
    commit(g, step, in, call);
    if (made && !g->topics.count)
        coord__group_free(g);
}

/* ---- OffsetFetch ---- */

static bool unstable(const struct group *g, struct str_view topic, int32_t partition)
{
    if (!g->txn_offsets)
        return false;
    LIST_EACH(at, &g->coord->txn_offsets)
    {
        const struct txn_offset *t = LIST_ENTRY(at, struct txn_offset, link);

        if (t->group == g && t->partition == partition && str_equal(t->topic, topic))
            return true;
    }
    return false;
}

/* What was committed for a topic that has another id now is as if it were not there. */
static bool same_topic(struct uuid committed, struct uuid asked)
{
    return uuid_is_zero(committed) || uuid_is_zero(asked) || uuid_equal(committed, asked);
}

struct fetching {
    const struct group *group; /* NULL: unknown */
    int16_t version;
    bool require_stable;
    struct arena *arena;
};

static bool fetch_one(const struct fetching *f, struct str_view topic, struct uuid topic_id, int32_t partition,
                      struct offset_fetch_response_group_topic_partition *out)
{
    const struct offset *o = f->group ? coord__offset(f->group, topic, partition) : NULL;

    offset_fetch_response_group_topic_partition_init(out);
    out->partition_index = partition;
    out->committed_offset = -1;
    out->metadata = STR_LIT("");
    if (f->group && f->require_stable && unstable(f->group, topic, partition)) {
        out->error_code = STATUS_UNSTABLE_OFFSET_COMMIT;
    } else if (o && o->there && same_topic(o->value.topic_id, topic_id)) {
        out->committed_offset = o->value.offset;
        out->committed_leader_epoch = o->value.leader_epoch;
        out->metadata = arena_str(f->arena, o->value.metadata);
    } else if (f->version == 0) { /* whose clients know no other way to hear that there is none */
        out->error_code = STATUS_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return out->metadata.data;
}

static void fetch_unknown(int32_t partition, struct offset_fetch_response_group_topic_partition *out)
{
    offset_fetch_response_group_topic_partition_init(out);
    out->partition_index = partition;
    out->committed_offset = -1;
    out->metadata = STR_LIT("");
    out->error_code = STATUS_UNKNOWN_TOPIC_ID;
}

static bool fetch_topic(const struct fetching *f, const struct offset_fetch_request_group_topic *in,
                        struct offset_fetch_response_group_topic *out)
{
    offset_fetch_response_group_topic_init(out);
    out->name = in->name.data ? in->name : STR_LIT("");
    out->topic_id = in->topic_id;
    out->partitions = arena_alloc(f->arena, (size_t)in->partition_indexes_count, sizeof *out->partitions);
    if (!out->partitions)
        return false;
    out->partitions_count = in->partition_indexes_count;
    for (int32_t i = 0; i < in->partition_indexes_count; i++) {
        if (!in->name.data)
            fetch_unknown(in->partition_indexes[i], &out->partitions[i]);
        else if (!fetch_one(f, in->name, in->topic_id, in->partition_indexes[i], &out->partitions[i]))
            return false;
    }
    return true;
}

static bool fetch_whole_topic(const struct fetching *f, const struct offset_topic *t,
                              struct offset_fetch_response_group_topic *out)
{
    offset_fetch_response_group_topic_init(out);
    out->name = arena_str(f->arena, t->name);
    out->partitions = arena_alloc(f->arena, t->offsets.count, sizeof *out->partitions);
    if (!out->name.data || !out->partitions)
        return false;
    for (struct map_node *node = map_first(&t->offsets); node; node = map_next(&t->offsets, node)) {
        const struct offset *o = MAP_ENTRY(node, struct offset, node);

        if (!fetch_one(f, t->name, (struct uuid){{0}}, o->partition, &out->partitions[out->partitions_count++]))
            return false;
    }
    return true;
}

static bool fetch_all(const struct fetching *f, struct offset_fetch_response_group *out)
{
    const struct map *topics = f->group ? &f->group->topics : NULL;

    out->topics = arena_alloc(f->arena, topics ? topics->count : 0, sizeof *out->topics);
    if (!out->topics)
        return false;
    for (struct map_node *node = topics ? map_first(topics) : NULL; node; node = map_next(topics, node)) {
        if (!fetch_whole_topic(f, MAP_ENTRY(node, struct offset_topic, node), &out->topics[out->topics_count++]))
            return false;
    }
    return true;
}

static bool fetch_asked(const struct fetching *f, const struct offset_fetch_request_group *in,
                        struct offset_fetch_response_group *out)
{
    out->topics = arena_alloc(f->arena, (size_t)in->topics_count, sizeof *out->topics);
    if (!out->topics)
        return false;
    for (; out->topics_count < in->topics_count; out->topics_count++) {
        if (!fetch_topic(f, &in->topics[out->topics_count], &out->topics[out->topics_count]))
            return false;
    }
    return true;
}

void coord_offset_fetch(struct coord *c, const struct offset_fetch_request_group *in, int16_t version,
                        bool require_stable, struct arena *arena, struct offset_fetch_response_group *out)
{
    struct fetching f = {coord__group(c, in->group_id), version, require_stable, arena};

    offset_fetch_response_group_init(out);
    out->group_id = in->group_id;
    if (in->topics_count < 0 ? fetch_all(&f, out) : fetch_asked(&f, in, out))
        return;
    /* Consumers before 3.9 know no COORDINATOR_NOT_AVAILABLE here, and would not retry. */
    out->topics_count = 0;
    out->error_code = STATUS_NOT_COORDINATOR;
}

/* ---- deletion ---- */

/* A tombstone for it; false: no memory, and it stays. */
static bool offset_delete(struct group *g, struct coord_step *step, struct offset *o)
{
    if (!coord__record_offset_gone(step, g->id, o->topic->name, o->partition))
        return false;
    coord__offset_remove(g, o);
    return true;
}

static enum status delete_one(struct group *g, struct coord_step *step, struct str_view topic, int32_t partition)
{
    struct offset *o = coord__offset(g, topic, partition);

    coord__txn_offsets_remove(g, topic, partition);
    return !o || offset_delete(g, step, o) ? STATUS_OK : STATUS_COORDINATOR_NOT_AVAILABLE;
}

static void delete_topic(struct group *g, struct coord_step *step, const struct offset_delete_request_topic *in,
                         const struct offset_delete_response_topic *out)
{
    bool reads = coord__group_reads(g, in->name);

    for (int32_t i = 0; i < in->partitions_count; i++) {
        int16_t *error = &out->partitions[i].error_code;

        if (!*error)
            *error = status_wire(reads ? STATUS_GROUP_SUBSCRIBED_TO_TOPIC
                                       : delete_one(g, step, in->name, in->partitions[i].partition_index));
    }
}

void coord_offset_delete(struct coord *c, struct coord_step *step, const struct offset_delete_request *in,
                         struct coord_call *call)
{
    struct group *g = coord__group(c, in->group_id);
    struct offset_delete_response *out = call->out;

    list_push_back(&step->answers, &call->link);
    if (!in->group_id.size)
        out->error_code = STATUS_INVALID_GROUP_ID;
    else if (!g)
        out->error_code = STATUS_GROUP_ID_NOT_FOUND;
    else if (g->state != GROUP_EMPTY && !str_is(g->protocol_type, "consumer"))
        out->error_code = STATUS_NON_EMPTY_GROUP;
    if (out->error_code) {
        out->topics_count = 0;
        return;
    }
    for (int32_t t = 0; t < in->topics_count; t++)
        delete_topic(g, step, &in->topics[t], &out->topics[t]);
}

/* A walk over all offsets of a group; begins with {.next_topic = map_first(&g->topics)}. */
struct offset_walk {
    struct map_node *topic, *next_topic, *next;
};

/* What it returned may be removed, and its topic with it. NULL: no more. */
static struct offset *walk_next(const struct group *g, struct offset_walk *w)
{
    struct map_node *node = w->next;

    while (!node) {
        if (!w->next_topic)
            return NULL;
        w->topic = w->next_topic;
        w->next_topic = map_next(&g->topics, w->topic);
        node = map_first(&MAP_ENTRY(w->topic, struct offset_topic, node)->offsets);
    }
    w->next = map_next(&MAP_ENTRY(w->topic, struct offset_topic, node)->offsets, node);
    return MAP_ENTRY(node, struct offset, node);
}

enum status coord_delete_group(struct coord *c, struct coord_step *step, struct str_view group_id)
{
    struct group *g = coord__group(c, group_id);
    struct offset_walk walk = {NULL, NULL, NULL};
    size_t records = step->records_count;
    struct offset *o;

    if (!g)
        return STATUS_GROUP_ID_NOT_FOUND;
    if (g->kind != GROUP_CLASSIC || coord__rules[g->state].delete)
        return STATUS_NON_EMPTY_GROUP;
    walk.next_topic = map_first(&g->topics);
    while ((o = walk_next(g, &walk))) {
        if (!coord__record_offset_gone(step, g->id, o->topic->name, o->partition))
            goto no_memory;
    }
    if (!coord__record_group_gone(step, g))
        goto no_memory;
    coord__group_free(g);
    return STATUS_OK;

no_memory:
    step->records_count = records;
    return STATUS_COORDINATOR_NOT_AVAILABLE;
}

void coord_topic_deleted(struct coord *c, struct coord_step *step, struct uuid id, struct str_view name)
{
    for (struct map_node *node = map_first(&c->groups), *next; node; node = next) {
        struct group *g = MAP_ENTRY(node, struct group, node);
        struct offset_topic *t = topic_of(g, name);
        struct map_node *at = t ? map_first(&t->offsets) : NULL;

        next = map_next(&c->groups, node);
        while (at) {
            struct offset *o = MAP_ENTRY(at, struct offset, node);

            at = map_next(&t->offsets, at);
            /* Should there be no memory for the record, the offset stays, tied to an id that is not there any more. */
            if (same_topic(o->value.topic_id, id))
                (void)offset_delete(g, step, o);
        }
    }
}

/* ---- expiry ---- */

/* Since when the retention of an offset runs; -1: it does not. */
static int64_t expires_from(const struct group *g, const struct offset_value *value)
{
    if (!g->protocol_type.data)
        return value->commit_ms;
    if (g->state == GROUP_EMPTY)
        return g->state_wall_ms == -1 ? value->commit_ms : g->state_wall_ms;
    return g->state == GROUP_STABLE && str_is(g->protocol_type, "consumer") ? value->commit_ms : -1;
}

static bool expired(const struct group *g, const struct offset *o, int64_t wall_ms)
{
    int64_t from = expires_from(g, &o->value);

    if (from == -1 || coord__group_reads(g, o->topic->name) || unstable(g, o->topic->name, o->partition))
        return false;
    return o->value.expire_ms != -1 ? wall_ms >= o->value.expire_ms
                                    : wall_ms - from >= g->coord->config.offsets_retention_ms;
}

/* False: there is no room for more records. */
static bool expire_group(struct group *g, struct coord_step *step)
{
    struct offset_walk walk = {.next_topic = map_first(&g->topics)};
    struct offset *o;

    while ((o = walk_next(g, &walk))) {
        if (!expired(g, o, step->wall_ms))
            continue;
        if (step->records_count >= EXPIRE_RECORDS_MAX || !offset_delete(g, step, o))
            return false;
    }
    if (g->kind != GROUP_CLASSIC || g->state != GROUP_EMPTY || g->topics.count || g->txn_offsets || g->pending)
        return true;
    if (!coord__record_group_gone(step, g))
        return false;
    coord__group_free(g);
    return true;
}

bool coord_expire(struct coord *c, struct coord_step *step)
{
    for (struct map_node *node = map_first(&c->groups), *next; node; node = next) {
        next = map_next(&c->groups, node);
        if (!expire_group(MAP_ENTRY(node, struct group, node), step))
            return true;
    }
    return false;
}
