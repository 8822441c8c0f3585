/* SPDX-License-Identifier: Apache-2.0
 * See world.h.
 */
#include "world.h"

#include "base/mem.h"
#include "wire/api/describe_groups.h"
#include "wire/api/heartbeat.h"
#include "wire/api/join_group.h"
#include "wire/api/leave_group.h"
#include "wire/api/list_groups.h"
#include "wire/api/offset_commit.h"
#include "wire/api/offset_delete.h"
#include "wire/api/offset_fetch.h"
#include "wire/api/sync_group.h"
#include "wire/record/group_metadata_value.h"
#include "wire/record/offset_commit_value.h"

#define ARENA (1 << 20)
#define ITEMS_MAX 16

struct call {
    struct coord_call call; /* first: an answer is a call */
    struct call *next;
    struct arena arena;
    const char *who;
    void (*show)(struct world *w, struct call *c);
    union {
        struct join_group_response join;
        struct sync_group_response sync;
        struct heartbeat_response heartbeat;
        struct leave_group_response leave;
        struct offset_commit_response commit;
        struct offset_delete_response delete;
    } out;
};

/* ---- text ---- */

static void say(struct world *w, const char *format, ...)
{
    va_list args;

    if (w->quiet)
        return;
    va_start(args, format);
    w->seen_size += (size_t)vsnprintf(w->seen + w->seen_size, sizeof w->seen - w->seen_size, format, args);
    va_end(args);
    assert_true(w->seen_size < sizeof w->seen);
}

static const char *status_text(int16_t error)
{
    return error ? status_name((enum status)error) : "OK";
}

/* "a-00000000-0000-0000-0000-000000000001" is shown as "a#1". */
static void say_id(struct world *w, struct str_view id)
{
    unsigned n;
    char text[64];

    if (id.size > 37) {
        snprintf(text, sizeof text, STR_FMT, STR_ARG(((struct str_view){id.data + id.size - 8, 8})));
        if (sscanf(text, "%8x", &n) == 1) {
            say(w, STR_FMT "#%u", STR_ARG(((struct str_view){id.data, id.size - 37})), n);
            return;
        }
    }
    say(w, STR_FMT, STR_ARG(id));
}

static struct str_view id_of(struct arena *arena, const char *shown)
{
    const char *hash = shown ? strchr(shown, '#') : NULL;

    if (!hash)
        return arena_str(arena, str_from(shown ? shown : ""));
    return arena_format(arena, "%.*s-00000000-0000-0000-0000-0000%08x", (int)(hash - shown), shown,
                        (unsigned)strtoul(hash + 1, NULL, 10));
}

/* Splits "a,b" into copies; returns how many. */
static int32_t split(struct arena *arena, const char *list, char *items[static ITEMS_MAX])
{
    int32_t count = 0;

    while (list && *list) {
        size_t size = strcspn(list, ",");

        assert_true(count < ITEMS_MAX);
        items[count] = arena_alloc(arena, 1, size + 1);
        memcpy(items[count++], list, size);
        list += size + (list[size] == ',');
    }
    return count;
}

/* Cuts `item` at `at`; what follows it, or "". */
static char *cut(char *item, char at)
{
    char *found = strchr(item, at);

    if (!found)
        return item + strlen(item);
    *found = 0;
    return found + 1;
}

/* ---- the world ---- */

static void start(struct world *w)
{
    w->coord = coord_new(&w->config, 7);
    assert_non_null(w->coord);
}

struct world *world_new(void)
{
    struct world *w = mem_alloc(1, sizeof *w);

    w->config = (struct coord_config){
        .session_timeout_min_ms = 10000,
        .session_timeout_max_ms = 60000,
        .group_size_max = 100,
        .offset_metadata_max = 16,
        .offsets_retention_ms = 3600 * 1000,
    };
    w->now_ms = 1000;
    w->wall_ms = 1000000;
    arena_init(&w->arena, ARENA);
    start(w);
    return w;
}

static void begin(struct world *w, struct coord_step *step)
{
    coord_step_init(step, w->now_ms, w->wall_ms, &w->arena);
    if (++w->steps == w->fail_step)
        mem_fail_at(w->fail_at);
}

static void show_group(struct world *w, const struct coord_record *r)
{
    struct group_metadata_value v;
    struct reader in;

    say(w, "record " STR_FMT, (int)r->key.size - 4, (const char *)r->key.data + 4);
    if (!r->value.data) {
        say(w, " gone\n");
        return;
    }
    reader_init(&in, r->value.data + 2, r->value.size - 2);
    assert_int_equal(0, group_metadata_value_decode(&in, r->value.data[1], &w->arena, &v));
    assert_int_equal(0, reader_done(&in));
    say(w, " v%d gen=%d " STR_FMT "/" STR_FMT " leader=", r->value.data[1], v.generation, STR_ARG(v.protocol_type),
        STR_ARG(v.protocol));
    say_id(w, v.leader);
    say(w, " at %lld [", (long long)v.current_state_timestamp);
    for (int32_t i = 0; i < v.members_count; i++) {
        say(w, i ? " " : "");
        say_id(w, v.members[i].member_id);
        say(w, "=%.*s", (int)v.members[i].assignment.size, (const char *)v.members[i].assignment.data);
    }
    say(w, "]\n");
}

static void show_offset(struct world *w, const struct coord_record *r)
{
    struct offset_commit_value v;
    struct reader key, in;
    struct str_view group, topic;

    reader_init(&key, r->key.data + 2, r->key.size - 2);
    group = reader_str(&key);
    topic = reader_str(&key);
    say(w, "record " STR_FMT " " STR_FMT "/%d", STR_ARG(group), STR_ARG(topic), reader_i32(&key));
    assert_int_equal(0, reader_done(&key));
    if (!r->value.data) {
        say(w, " gone\n");
        return;
    }
    reader_init(&in, r->value.data + 2, r->value.size - 2);
    assert_int_equal(0, offset_commit_value_decode(&in, r->value.data[1], &w->arena, &v));
    say(w, " v%d =%lld:" STR_FMT " at %lld", r->value.data[1], (long long)v.offset, STR_ARG(v.metadata),
        (long long)v.commit_timestamp);
    if (v.expire_timestamp != -1)
        say(w, " until %lld", (long long)v.expire_timestamp);
    say(w, "\n");
}

void world_log(struct world *w, int64_t producer_id, struct bytes_view key, struct bytes_view value)
{
    size_t n = w->log_count++;

    assert_true(n < sizeof w->log / sizeof *w->log);
    w->log[n].producer_id = producer_id;
    w->log[n].key = (struct bytes_view){mem_copy(key.data, key.size), key.size};
    w->log[n].value = (struct bytes_view){value.data ? mem_copy(value.data, value.size) : NULL, value.size};
}

static void call_free(struct call *c)
{
    arena_free(&c->arena);
    mem_free(c);
}

static void show_removal(struct world *w, const struct coord_removal *r)
{
    say(w, "removed ");
    say_id(w, r->member);
    say(w, " of " STR_FMT " (" STR_FMT STR_FMT "): " STR_FMT "\n", STR_ARG(r->group), STR_ARG(r->client_id),
        STR_ARG(r->host), STR_ARG(r->why));
}

/* What came of a step. `c` is the call that the step was made for: it waits when it is not among the answers. */
static void finish(struct world *w, struct coord_step *step, struct call *c)
{
    struct list *node;

    mem_fail_at(0);
    for (size_t i = 0; i < step->records_count; i++) {
        (step->records[i].key.data[1] == 2 ? show_group : show_offset)(w, &step->records[i]);
        world_log(w, -1, step->records[i].key, step->records[i].value);
    }
    if (c) {
        c->next = w->waiting;
        w->waiting = c;
    }
    LIST_EACH(at, &step->removals)
    {
        if (w->removals)
            show_removal(w, LIST_ENTRY(at, struct coord_removal, link));
    }
    while ((node = list_pop_front(&step->answers))) {
        struct call *answered = (struct call *)(void *)node, **at = &w->waiting;

        while (*at && *at != answered)
            at = &(*at)->next;
        assert_ptr_equal(*at, answered);
        *at = answered->next;
        say(w, "%s: ", answered->who);
        answered->show(w, answered);
        say(w, "\n");
        if (answered == c)
            c = NULL;
        call_free(answered);
    }
    if (c)
        say(w, "%s: waits\n", c->who);
    arena_free(&w->arena);
}

static struct call *call_new(const struct ask *a, void (*show)(struct world *, struct call *))
{
    struct call *c = mem_alloc(1, sizeof *c);

    assert_non_null(c);
    arena_init(&c->arena, ARENA);
    list_init(&c->call.link);
    c->call.arena = &c->arena;
    c->call.out = &c->out;
    c->who = a->who ? a->who : "-";
    c->show = show;
    return c;
}

void see(struct world *w, const char *expected)
{
    if (strcmp(expected, w->seen))
        print_error("expected:\n%s\nseen:\n%s\n", expected, w->seen);
    assert_string_equal(expected, w->seen);
    forget(w);
}

void forget(struct world *w)
{
    w->seen_size = 0;
    w->seen[0] = 0;
}

static void tick(struct world *w)
{
    struct coord_step step;

    begin(w, &step);
    coord_tick(w->coord, &step);
    finish(w, &step, NULL);
}

void pass(struct world *w, uint64_t ms)
{
    uint64_t end = w->now_ms + ms;

    while (coord_deadline(w->coord) <= end) {
        uint64_t due = coord_deadline(w->coord);

        if (due > w->now_ms) {
            w->wall_ms += (int64_t)(due - w->now_ms);
            w->now_ms = due;
        }
        tick(w);
    }
    w->wall_ms += (int64_t)(end - w->now_ms);
    w->now_ms = end;
}

static void stop(struct world *w)
{
    struct coord_step step;

    begin(w, &step);
    coord_resign(w->coord, &step, STATUS_NOT_COORDINATOR);
    finish(w, &step, NULL);
    coord_free(w->coord);
}

void reload(struct world *w)
{
    struct coord_step step;

    stop(w);
    start(w);
    for (size_t i = 0; i < w->log_count; i++)
        assert_int_equal(
            0, coord_replay(w->coord, (int64_t)i, w->log[i].producer_id, w->wall_ms, w->log[i].key, w->log[i].value));
    begin(w, &step);
    coord_loaded(w->coord, &step);
    finish(w, &step, NULL);
}

void world_free(struct world *w)
{
    w->quiet = true;
    stop(w);
    assert_null(w->waiting);
    for (size_t i = 0; i < w->log_count; i++) {
        mem_free((void *)(uintptr_t)w->log[i].key.data);
        mem_free((void *)(uintptr_t)w->log[i].value.data);
    }
    mem_free(w);
}

/* ---- requests ---- */

static int16_t version_of(const struct ask *a, int16_t newest)
{
    return (int16_t)(a->version == V0 ? 0 : a->version ? a->version : newest);
}

static struct str_view group_of(const struct ask *a)
{
    return str_from(a->group ? a->group : "g");
}

static int32_t generation_of(const struct ask *a)
{
    return a->generation ? a->generation : -1;
}

static void show_join(struct world *w, struct call *c)
{
    const struct join_group_response *r = &c->out.join;

    say(w, "join %s", status_text(r->error_code));
    if (!r->error_code) {
        say(w, " gen=%d " STR_FMT " leader=", r->generation_id, STR_ARG(r->protocol_name));
        say_id(w, r->leader);
    }
    say(w, " id=");
    say_id(w, r->member_id);
    say(w, r->skip_assignment ? " skip" : "");
    for (int32_t i = 0; i < r->members_count; i++) {
        say(w, i ? " " : " members=[");
        say_id(w, r->members[i].member_id);
        if (r->members[i].group_instance_id.data)
            say(w, "@" STR_FMT, STR_ARG(r->members[i].group_instance_id));
        say(w, ":%.*s%s", (int)r->members[i].metadata.size, (const char *)r->members[i].metadata.data,
            i + 1 == r->members_count ? "]" : "");
    }
}

void world_join(struct world *w, struct ask a)
{
    struct call *c = call_new(&a, show_join);
    struct join_group_request_protocol protocols[ITEMS_MAX];
    struct coord_client client = {
        .version = version_of(&a, 9), .client_id = str_from(a.who), .host = STR_LIT("/127.0.0.1")};
    struct join_group_request in;
    char *items[ITEMS_MAX];
    struct coord_step step;

    client.uuid.b[15] = (uint8_t)++w->joins;
    join_group_request_init(&in);
    in.group_id = group_of(&a);
    in.session_timeout_ms = a.session_ms ? a.session_ms : 30000;
    in.rebalance_timeout_ms = a.rebalance_ms ? a.rebalance_ms : 60000;
    in.member_id = id_of(&c->arena, a.id);
    in.group_instance_id = str_from(a.instance);
    in.protocol_type = str_from(a.type ? a.type : "consumer");
    in.protocols = protocols;
    in.protocols_count = split(&c->arena, a.protocols ? a.protocols : "range", items);
    for (int32_t i = 0; i < in.protocols_count; i++) {
        char *metadata = cut(items[i], ':');

        join_group_request_protocol_init(&protocols[i]);
        protocols[i].name = str_from(items[i]);
        protocols[i].metadata = (struct bytes_view){(uint8_t *)metadata, strlen(metadata)};
    }
    join_group_response_init(&c->out.join);
    begin(w, &step);
    coord_join(w->coord, &step, &in, &client, &c->call);
    finish(w, &step, c);
}

static void show_sync(struct world *w, struct call *c)
{
    const struct sync_group_response *r = &c->out.sync;

    say(w, "sync %s", status_text(r->error_code));
    if (!r->error_code)
        say(w, " " STR_FMT "/" STR_FMT " %.*s", STR_ARG(r->protocol_type), STR_ARG(r->protocol_name),
            (int)r->assignment.size, (const char *)r->assignment.data);
}

void world_sync(struct world *w, struct ask a)
{
    struct call *c = call_new(&a, show_sync);
    struct sync_group_request_assignment assignments[ITEMS_MAX];
    struct sync_group_request in;
    char *items[ITEMS_MAX];
    struct coord_step step;

    sync_group_request_init(&in);
    in.group_id = group_of(&a);
    in.generation_id = generation_of(&a);
    in.member_id = id_of(&c->arena, a.id);
    in.group_instance_id = str_from(a.instance);
    in.protocol_type = str_from(a.type ? a.type : a.protocols ? NULL : "consumer");
    in.protocol_name = str_from(a.protocols ? a.protocols : "range");
    in.assignments = assignments;
    in.assignments_count = split(&c->arena, a.assign, items);
    for (int32_t i = 0; i < in.assignments_count; i++) {
        char *assignment = cut(items[i], '=');

        sync_group_request_assignment_init(&assignments[i]);
        assignments[i].member_id = id_of(&c->arena, items[i]);
        assignments[i].assignment = (struct bytes_view){(uint8_t *)assignment, strlen(assignment)};
    }
    sync_group_response_init(&c->out.sync);
    begin(w, &step);
    coord_sync(w->coord, &step, &in, version_of(&a, 5), &c->call);
    finish(w, &step, c);
}

static void show_heartbeat(struct world *w, struct call *c)
{
    say(w, "heartbeat %s", status_text(c->out.heartbeat.error_code));
}

void world_heartbeat(struct world *w, struct ask a)
{
    struct call *c = call_new(&a, show_heartbeat);
    struct heartbeat_request in;
    struct coord_step step;

    heartbeat_request_init(&in);
    in.group_id = group_of(&a);
    in.generation_id = generation_of(&a);
    in.member_id = id_of(&c->arena, a.id);
    in.group_instance_id = str_from(a.instance);
    heartbeat_response_init(&c->out.heartbeat);
    begin(w, &step);
    coord_heartbeat(w->coord, &step, &in, &c->call);
    finish(w, &step, c);
}

static void show_leave(struct world *w, struct call *c)
{
    const struct leave_group_response *r = &c->out.leave;

    say(w, "leave %s", status_text(r->error_code));
    for (int32_t i = 0; i < r->members_count; i++)
        say(w, " %s", status_text(r->members[i].error_code));
}

void world_leave(struct world *w, struct ask a)
{
    struct call *c = call_new(&a, show_leave);
    struct leave_group_request_member members[ITEMS_MAX];
    char *ids[ITEMS_MAX], *instances[ITEMS_MAX];
    struct leave_group_request in;
    struct coord_step step;
    int32_t ids_count = split(&c->arena, a.id, ids), instances_count = split(&c->arena, a.instance, instances);

    leave_group_request_init(&in);
    in.group_id = group_of(&a);
    in.members = members;
    in.members_count = ids_count > instances_count ? ids_count : instances_count;
    for (int32_t i = 0; i < in.members_count; i++) {
        leave_group_request_member_init(&members[i]);
        members[i].member_id = id_of(&c->arena, i < ids_count ? ids[i] : NULL);
        members[i].group_instance_id = str_from(i < instances_count ? instances[i] : NULL);
    }
    leave_group_response_init(&c->out.leave);
    begin(w, &step);
    coord_leave(w->coord, &step, &in, &c->call);
    finish(w, &step, c);
}

static void show_commit(struct world *w, struct call *c)
{
    const struct offset_commit_response *r = &c->out.commit;

    say(w, "commit");
    for (int32_t t = 0; t < r->topics_count; t++) {
        for (int32_t p = 0; p < r->topics[t].partitions_count; p++)
            say(w, " %s", status_text(r->topics[t].partitions[p].error_code));
    }
}

/* Each item is a topic of its own with one partition; an item "!t/0=1" comes with an error already. */
void world_commit(struct world *w, struct ask a)
{
    struct call *c = call_new(&a, show_commit);
    struct offset_commit_request_topic *topics;
    char *items[ITEMS_MAX];
    struct offset_commit_request in;
    struct coord_step step;
    struct offset_commit_response *out = &c->out.commit;

    offset_commit_request_init(&in);
    offset_commit_response_init(out);
    in.group_id = group_of(&a);
    in.generation_id_or_member_epoch = generation_of(&a);
    in.member_id = id_of(&c->arena, a.id);
    in.group_instance_id = str_from(a.instance);
    in.retention_time_ms = a.retention_ms ? a.retention_ms : -1;
    in.topics_count = out->topics_count = split(&c->arena, a.commit, items);
    in.topics = topics = arena_alloc(&c->arena, (size_t)in.topics_count, sizeof *topics);
    out->topics = arena_alloc(&c->arena, (size_t)in.topics_count, sizeof *out->topics);
    for (int32_t i = 0; i < in.topics_count; i++) {
        char *partition = cut(items[i], '/'), *offset = cut(partition, '='), *metadata = cut(offset, ':');
        bool bad = *items[i] == '!';

        offset_commit_request_topic_init(&topics[i]);
        offset_commit_response_topic_init(&out->topics[i]);
        topics[i].name = str_from(items[i] + bad);
        topics[i].topic_id = a.topic_id;
        topics[i].partitions_count = out->topics[i].partitions_count = 1;
        topics[i].partitions = arena_alloc(&c->arena, 1, sizeof *topics[i].partitions);
        out->topics[i].partitions = arena_alloc(&c->arena, 1, sizeof *out->topics[i].partitions);
        offset_commit_request_partition_init(topics[i].partitions);
        topics[i].partitions->partition_index = (int32_t)strtol(partition, NULL, 10);
        topics[i].partitions->committed_offset = strtoll(offset, NULL, 10);
        topics[i].partitions->committed_metadata = str_from(metadata);
        out->topics[i].partitions->error_code = bad ? STATUS_UNKNOWN_TOPIC_OR_PARTITION : 0;
    }
    begin(w, &step);
    coord_offset_commit(w->coord, &step, &in, version_of(&a, 9), &c->call);
    finish(w, &step, c);
}

void world_fetch(struct world *w, struct ask a)
{
    struct offset_fetch_request_group_topic topic;
    struct offset_fetch_response_group out;
    struct offset_fetch_request_group in;

    offset_fetch_request_group_init(&in);
    in.group_id = group_of(&a);
    if (a.topic) {
        offset_fetch_request_group_topic_init(&topic);
        topic.name = *a.topic ? str_from(a.topic) : STR_NULL;
        topic.topic_id = a.topic_id;
        topic.partition_indexes = &a.partition;
        topic.partition_indexes_count = 1;
        in.topics = &topic;
        in.topics_count = 1;
    } else {
        in.topics_count = -1;
    }
    coord_offset_fetch(w->coord, &in, version_of(&a, 9), a.require_stable, &w->arena, &out);
    say(w, "offsets %s", status_text(out.error_code));
    for (int32_t t = 0; t < out.topics_count; t++) {
        for (int32_t p = 0; p < out.topics[t].partitions_count; p++) {
            const struct offset_fetch_response_group_topic_partition *o = &out.topics[t].partitions[p];

            say(w, " " STR_FMT "/%d=%lld:" STR_FMT "%s%s", STR_ARG(out.topics[t].name), o->partition_index,
                (long long)o->committed_offset, STR_ARG(o->metadata), o->error_code ? " " : "",
                o->error_code ? status_text(o->error_code) : "");
        }
    }
    say(w, "\n");
    arena_free(&w->arena);
}

static void show_delete(struct world *w, struct call *c)
{
    const struct offset_delete_response *r = &c->out.delete;

    say(w, "delete %s", status_text(r->error_code));
    for (int32_t t = 0; t < r->topics_count; t++)
        say(w, " %s", status_text(r->topics[t].partitions[0].error_code));
}

void world_delete_offset(struct world *w, struct ask a)
{
    struct call *c = call_new(&a, show_delete);
    struct offset_delete_request_partition partition = {.partition_index = a.partition};
    struct offset_delete_request_topic topic = {
        .name = str_from(a.topic), .partitions = &partition, .partitions_count = 1};
    struct offset_delete_request in = {.group_id = group_of(&a), .topics = &topic, .topics_count = 1};
    struct coord_step step;

    offset_delete_response_init(&c->out.delete);
    c->out.delete.topics = arena_alloc(&c->arena, 1, sizeof *c->out.delete.topics);
    c->out.delete.topics->partitions = arena_alloc(&c->arena, 1, sizeof *c->out.delete.topics->partitions);
    c->out.delete.topics_count = c->out.delete.topics->partitions_count = 1;
    begin(w, &step);
    coord_offset_delete(w->coord, &step, &in, &c->call);
    finish(w, &step, c);
}

void world_list(struct world *w, const char *state, const char *type)
{
    struct str_view states = str_from(state), types = str_from(type);
    struct list_groups_request in = {.states_filter = &states,
                                     .states_filter_count = state != NULL,
                                     .types_filter = &types,
                                     .types_filter_count = type != NULL};
    struct list_groups_response out;

    list_groups_response_init(&out);
    say(w, "list %s", status_text((int16_t)coord_list(w->coord, &in, &w->arena, &out)));
    for (int32_t i = 0; i < out.groups_count; i++)
        say(w, " " STR_FMT ":" STR_FMT ":" STR_FMT ":" STR_FMT, STR_ARG(out.groups[i].group_id),
            STR_ARG(out.groups[i].protocol_type), STR_ARG(out.groups[i].group_state),
            STR_ARG(out.groups[i].group_type));
    say(w, "\n");
    arena_free(&w->arena);
}

void world_describe(struct world *w, struct ask a)
{
    struct describe_groups_response_group out;

    describe_groups_response_group_init(&out);
    assert_int_equal(0, coord_describe(w->coord, group_of(&a), version_of(&a, 6), &w->arena, &out));
    say(w, "group " STR_FMT " %s " STR_FMT " " STR_FMT "/" STR_FMT " [", STR_ARG(out.group_id),
        status_text(out.error_code), STR_ARG(out.group_state), STR_ARG(out.protocol_type), STR_ARG(out.protocol_data));
    for (int32_t i = 0; i < out.members_count; i++) {
        const struct describe_groups_response_member *m = &out.members[i];

        say(w, i ? " " : "");
        say_id(w, m->member_id);
        if (m->group_instance_id.data)
            say(w, "@" STR_FMT, STR_ARG(m->group_instance_id));
        say(w, "(" STR_FMT STR_FMT "):%.*s=%.*s", STR_ARG(m->client_id), STR_ARG(m->client_host),
            (int)m->member_metadata.size, (const char *)m->member_metadata.data, (int)m->member_assignment.size,
            (const char *)m->member_assignment.data);
    }
    say(w, "]%s" STR_FMT "\n", out.error_message.data ? " " : "", STR_ARG(out.error_message));
    arena_free(&w->arena);
}

void world_delete_group(struct world *w, const char *group)
{
    struct coord_step step;
    enum status status;

    begin(w, &step);
    status = coord_delete_group(w->coord, &step, str_from(group));
    finish(w, &step, NULL);
    say(w, "delete group %s\n", status_text((int16_t)status));
}

void world_expire(struct world *w)
{
    struct coord_step step;
    bool more;

    do {
        begin(w, &step);
        more = coord_expire(w->coord, &step);
        finish(w, &step, NULL);
    } while (more);
}

void world_topic_deleted(struct world *w, const char *topic, struct uuid id)
{
    struct coord_step step;

    begin(w, &step);
    coord_topic_deleted(w->coord, &step, id, str_from(topic));
    finish(w, &step, NULL);
}

/* ---- beginnings ---- */

void stable_one(struct world *w)
{
    w->quiet = true;
    JOIN(w, .who = "a", .version = 3, .protocols = "range:ma");
    pass(w, 0);
    SYNC(w, .who = "a", .id = "a#1", .generation = 1, .assign = "a#1=x");
    w->quiet = false;
}

void stable_two(struct world *w)
{
    stable_one(w);
    w->quiet = true;
    JOIN(w, .who = "b", .version = 3, .protocols = "range:mb");
    JOIN(w, .who = "a", .id = "a#1", .version = 3, .protocols = "range:ma");
    SYNC(w, .who = "b", .id = "b#2", .generation = 2);
    SYNC(w, .who = "a", .id = "a#1", .generation = 2, .assign = "a#1=x,b#2=y");
    w->quiet = false;
}
