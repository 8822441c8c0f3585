/* SPDX-License-Identifier: Apache-2.0
 * Administrators. The first one makes the lasting topics before anything else; then all of them make, grow, empty, delete and make again, commit offsets
 * of groups without members and delete them, and look at what there is: what was acknowledged must be told.
 */
#include "sim/load_int.h"
#include "wire/api/create_partitions.h"
#include "wire/api/create_topics.h"
#include "wire/api/delete_groups.h"
#include "wire/api/delete_records.h"
#include "wire/api/delete_topics.h"
#include "wire/api/describe_cluster.h"
#include "wire/api/metadata.h"
#include "wire/api/offset_commit.h"
#include "wire/api/offset_delete.h"
#include "wire/api/offset_fetch.h"

enum { VOLATILE_NAMES = 6 };

struct admin {
    struct client c;
    char name[NAME_SIZE]; /* of the topic that it works on */
    struct topic *topic;
    int64_t segment_bytes; /* that it asked for; -1: none */
    bool uncertain; /* whether the topic of that name is there: ask */
};

static struct admin *admin_of(struct client *c)
{
    return (struct admin *)(void *)c;
}

static void rest(struct client *c)
{
    client_sleep(c, 3000000);
}

/* --- making --- */

static void created(struct admin *a, struct uuid id, int32_t partitions, bool as_asked)
{
    struct load *load = a->c.load;
    struct topic *topic;

    for (size_t i = 0; i < load->topics_count; i++)
        if (uuid_equal(load->topics[i].id, id))
            return;
    topic = topic_add(load, a->name, id, partitions, a->name[0] == 'w');
    topic->settings[SETTING_SEGMENT_BYTES] = (struct setting){.value = a->segment_bytes, .known = as_asked, .settled_us = load->sim->now_us};
    topic->settings[SETTING_INDEX_INTERVAL] = (struct setting){.value = -1, .known = as_asked, .settled_us = load->sim->now_us};
    if (a->name[0] == 'l') {
        topic->lasting = true;
        topic->trimmed = load->topics_count == LASTING_TOPICS;
    } else if (a->name[0] == 'k') {
        keys_made(load, topic);
    }
    topic->lasting |= topic->wide;
    load_tell(&a->c, "made %s with %d partitions", a->name, partitions);
}

static void on_created(struct client *c, const struct call *call, const void *response)
{
    const struct create_topics_response *out = response;
    struct admin *a = admin_of(c);

    a->uncertain = !out || out->topics[0].error_code;
    if (out && !out->topics[0].error_code)
        created(a, out->topics[0].topic_id, (int32_t)call->note, true);
    if (out)
        client_sleep(c, 500000);
}

static void create(struct admin *a, int32_t partitions)
{
    struct load *load = a->c.load;
    char bytes[16];
    struct create_topics_request_config config;
    struct create_topics_request_topic topic;
    struct create_topics_request in;

    create_topics_request_init(&in);
    create_topics_request_topic_init(&topic);
    create_topics_request_config_init(&config);
    a->segment_bytes = 2000 + (int)load_random(load, 30000);
    snprintf(bytes, sizeof bytes, "%d", (int)a->segment_bytes);
    config.name = STR_LIT("internal.segment.bytes");
    config.value = str_from(bytes);
    topic.name = str_from(a->name);
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    topic.configs = &config;
    topic.configs_count = load_chance(load, 70);
    a->segment_bytes = topic.configs_count ? a->segment_bytes : -1;
    in.topics = &topic;
    in.topics_count = 1;
    client_call(&a->c, API_CREATE_TOPICS, 7, &in, on_created)->note = (uint64_t)partitions;
}

static void create_keyed(struct admin *a)
{
    struct load *load = a->c.load;
    struct create_topics_request_config configs[KEY_SETTINGS];
    struct create_topics_request_topic topic;
    struct create_topics_request in;

    create_topics_request_init(&in);
    create_topics_request_topic_init(&topic);
    for (size_t i = 0; i < KEY_SETTINGS; i++) {
        create_topics_request_config_init(&configs[i]);
        configs[i].name = str_from(load->key_settings[i].name);
        configs[i].value = str_from(load->key_settings[i].value);
        load_tell(&a->c, "asks for a topic with %s=%s", load->key_settings[i].name, load->key_settings[i].value);
    }
    snprintf(a->name, sizeof a->name, "keyed");
    a->segment_bytes = load->key_segment_bytes;
    topic.name = str_from(a->name);
    topic.num_partitions = KEYED_PARTITIONS;
    topic.replication_factor = 1;
    topic.configs = configs;
    topic.configs_count = KEY_SETTINGS;
    in.topics = &topic;
    in.topics_count = 1;
    client_call(&a->c, API_CREATE_TOPICS, 7, &in, on_created)->note = KEYED_PARTITIONS;
}

/* --- looking --- */

static void check_topic(struct admin *a, const struct metadata_response *out, const struct topic *known)
{
    const struct metadata_response_topic *found = NULL;

    for (int32_t i = 0; i < out->topics_count; i++)
        if (uuid_equal(out->topics[i].topic_id, known->id))
            found = &out->topics[i];
    if (!found || found->error_code)
        load_broken(&a->c, "topic-lost", "%s was made and is not told", known->name);
    else if (found->partitions_count < known->partitions)
        load_broken(&a->c, "topic-lost", "%s has %d partitions, and %d are told", known->name, known->partitions, found->partitions_count);
}

static void on_metadata(struct client *c, const struct call *call, const void *response)
{
    const struct metadata_response *out = response;
    struct load *load = c->load;
    struct admin *a = admin_of(c);

    if (!out)
        return;
    for (size_t i = 0; i < call->note; i++) /* those that were known when it asked */
        if (!load->topics[i].gone && load->topics[i].grown_us < call->begun_us)
            check_topic(a, out, &load->topics[i]);
    for (int32_t i = 0; a->uncertain && i < out->topics_count; i++)
        if (str_is(out->topics[i].name, a->name))
            created(a, out->topics[i].topic_id, out->topics[i].partitions_count, false);
    a->uncertain = false;
    rest(c);
}

static void look(struct admin *a)
{
    struct metadata_request in;

    metadata_request_init(&in);
    in.topics_count = -1;
    client_call(&a->c, API_METADATA, (int16_t)(10 + load_random(a->c.load, 4)), &in, on_metadata)->note = a->c.load->topics_count;
}

static void on_any(struct client *c, const struct call *call, const void *response)
{
    if (response)
        rest(c);
}

static void describe_cluster(struct admin *a)
{
    struct describe_cluster_request in;

    describe_cluster_request_init(&in);
    client_call(&a->c, API_DESCRIBE_CLUSTER, (int16_t)load_random(a->c.load, 3), &in, on_any);
}

/* --- changing --- */

static void on_deleted(struct client *c, const struct call *call, const void *response)
{
    const struct delete_topics_response *out = response;

    if (!out)
        return;
    if (out->responses[0].error_code)
        load_broken(c, "topic-lost", "%s was deleted once, and answered with status %d", admin_of(c)->topic->name, out->responses[0].error_code);
    rest(c);
}

static void delete_topic(struct admin *a, struct topic *topic)
{
    struct delete_topics_request_topic by_id;
    struct delete_topics_request in;

    delete_topics_request_init(&in);
    delete_topics_request_topic_init(&by_id);
    by_id.name = STR_NULL;
    by_id.topic_id = topic->id;
    in.topics = &by_id;
    in.topics_count = 1;
    a->topic = topic;
    load_tell(&a->c, "deletes %s", topic->name);
    topic_drop(a->c.load, topic);
    client_call(&a->c, API_DELETE_TOPICS, 6, &in, on_deleted);
}

static void on_grown(struct client *c, const struct call *call, const void *response)
{
    const struct create_partitions_response *out = response;
    struct topic *topic = admin_of(c)->topic;

    if (!out)
        return;
    if (!out->results[0].error_code && !topic->gone) {
        topic->grown_us = c->load->sim->now_us;
        while (topic->partitions < (int32_t)call->note)
            c->load->dropped[partition_number(topic, topic->partitions++)] = false;
    }
    rest(c);
}

static void grow(struct admin *a, struct topic *topic)
{
    struct create_partitions_request_topic to;
    struct create_partitions_request in;

    create_partitions_request_init(&in);
    create_partitions_request_topic_init(&to);
    to.name = str_from(topic->name);
    to.count = topic->partitions + 1;
    to.assignments_count = -1;
    in.topics = &to;
    in.topics_count = 1;
    a->topic = topic;
    client_call(&a->c, API_CREATE_PARTITIONS, (int16_t)load_random(a->c.load, 4), &in, on_grown)->note = (uint64_t)to.count;
}

static void on_trimmed(struct client *c, const struct call *call, const void *response)
{
    const struct delete_records_response *out = response;
    const struct delete_records_response_partition *p = out ? &out->topics[0].partitions[0] : NULL;

    if (!p)
        return;
    if (!p->error_code) {
        if (p->low_watermark < c->load->history.ops[call->op].offset)
            load_broken(c, "start-offset", "records below %lld were deleted, and the start is told to be %lld", (long long)c->load->history.ops[call->op].offset,
                        (long long)p->low_watermark);
        history_end(&c->load->history, call->op, OP_OK);
    } else if (p->error_code == STATUS_OFFSET_OUT_OF_RANGE) {
        history_end(&c->load->history, call->op, OP_REFUSED);
    }
    rest(c);
}

static void trim(struct admin *a)
{
    struct load *load = a->c.load;
    struct topic *topic = &load->topics[LASTING_TOPICS - 1];
    uint32_t partition = partition_number(topic, (int32_t)load_random(load, (uint64_t)topic->partitions));
    struct delete_records_request_partition which;
    struct delete_records_request_topic to;
    struct delete_records_request in;
    struct call *call;
    int64_t seen = load->first[partition];

    for (size_t i = load->history.count; i-- && seen == load->first[partition];)
        if (load->history.ops[i].partition == partition && load->history.ops[i].kind == OP_POLL && load->history.ops[i].high_watermark > seen)
            seen = load->history.ops[i].high_watermark;
    delete_records_request_init(&in);
    delete_records_request_topic_init(&to);
    delete_records_request_partition_init(&which);
    which.partition_index = index_of(partition);
    which.offset = load->first[partition] + (int64_t)load_random(load, (uint64_t)(seen - load->first[partition]) + 1);
    to.name = str_from(topic->name);
    to.partitions = &which;
    to.partitions_count = 1;
    in.topics = &to;
    in.topics_count = 1;
    in.timeout_ms = 30000;
    load_tell(&a->c, "deletes the records of %s-%d below %lld", topic->name, which.partition_index, (long long)which.offset);
    call = client_call(&a->c, API_DELETE_RECORDS, (int16_t)load_random(load, 3), &in, on_trimmed);
    call->ops = 1;
    call->op = history_begin(&load->history, (struct op){.kind = OP_DELETE, .process = a->c.id, .partition = partition, .offset = which.offset});
}

static void change(struct admin *a, uint64_t what)
{
    struct load *load = a->c.load;
    struct topic *topic = topic_any(load, false), *known;

    if (load->options.dirs > 1 && load_chance(load, 30)) {
        client_move_partition(&a->c, load->keyed && load_chance(load, 20) ? load->keyed : load->wide_count && load_chance(load, 20) ? load->wide[0] : topic);
        return;
    }
    if (load_chance(load, 100 / VOLATILE_NAMES))
        snprintf(a->name, sizeof a->name, "barnabas-journal"); /* it has nothing to do with the file of nearly that name */
    else
        snprintf(a->name, sizeof a->name, "v%u", (unsigned)load_random(load, VOLATILE_NAMES - 1));
    known = topic_named(load, a->name);
    if (what < 2 && (!known || known->gone) && load->topics_count < TOPICS_MAX - 8)
        create(a, 1 + (int32_t)load_random(load, 4));
    else if (what < 4 && known && !known->gone)
        delete_topic(a, known);
    else if (what < 5 && known && !known->gone && known->partitions < TOPIC_PARTITIONS_MAX)
        grow(a, known);
    else if (what < 7)
        trim(a);
    else
        client_alter_configs(&a->c, load->keyed && load_chance(load, 10) ? load->keyed : topic);
}

/* --- groups without members --- */

/* One partition of a lasting topic, and a group: one without members, now and then one that has some. */
struct target {
    uint32_t partition, group;
    int32_t index;
    char name[16];
    const struct topic *topic;
};

static struct target choose_group(struct load *load)
{
    struct target t = {.index = (int32_t)load_random(load, LASTING_PARTITIONS), .topic = &load->topics[load_random(load, LASTING_TOPICS)]};

    t.partition = partition_number(t.topic, t.index);
    t.group = load_chance(load, 10) ? (uint32_t)load_random(load, load->options.groups) : load->options.groups + (uint32_t)load_random(load, SIMPLE_GROUPS);
    snprintf(t.name, sizeof t.name, "g%u", t.group);
    return t;
}

/* The fate of what a call has begun: done, not done, or nobody knows. */
static void settle(struct client *c, const struct call *call, int16_t error)
{
    if (!error) {
        for (size_t i = call->op; i < call->op + call->ops; i++)
            history_end(&c->load->history, i, OP_OK);
    } else if (error == STATUS_GROUP_ID_NOT_FOUND || error == STATUS_NON_EMPTY_GROUP || error == STATUS_GROUP_SUBSCRIBED_TO_TOPIC ||
               error == STATUS_COORDINATOR_LOAD_IN_PROGRESS || error == STATUS_UNKNOWN_MEMBER_ID || error == STATUS_ILLEGAL_GENERATION ||
               error == STATUS_REBALANCE_IN_PROGRESS) {
        ops_refused(c->load, call);
    }
    rest(c);
}

static void on_offset_committed(struct client *c, const struct call *call, const void *response)
{
    const struct offset_commit_response *out = response;

    if (out)
        settle(c, call, out->topics[0].partitions[0].error_code);
}

static void commit_offset(struct admin *a)
{
    struct load *load = a->c.load;
    struct target t = choose_group(load);
    struct offset_commit_request_partition partition;
    struct offset_commit_request_topic topic;
    struct offset_commit_request in;
    struct call *call;

    offset_commit_request_init(&in);
    offset_commit_request_topic_init(&topic);
    offset_commit_request_partition_init(&partition);
    partition.partition_index = t.index;
    partition.committed_offset = (int64_t)load_random(load, 1000);
    partition.committed_metadata = STR_LIT("");
    topic.name = str_from(t.topic->name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    in.group_id = str_from(t.name);
    in.generation_id_or_member_epoch = -1;
    in.topics = &topic;
    in.topics_count = 1;
    load_tell(&a->c, "commits %lld of %s-%d for %s, without a generation", (long long)partition.committed_offset, t.topic->name, t.index, t.name);
    call = client_call(&a->c, API_OFFSET_COMMIT, (int16_t)(2 + load_random(load, 8)), &in, on_offset_committed);
    call->ops = 1;
    call->op = history_begin(&load->history, (struct op){.kind = OP_COMMIT, .process = a->c.id, .partition = t.partition, .group = t.group, .generation = -1,
                                                         .offset = partition.committed_offset});
}

static void on_offset_told(struct client *c, const struct call *call, const void *response)
{
    const struct offset_fetch_response *out = response;
    const struct offset_fetch_response_topic_partition *p = out && !out->error_code && out->topics_count ? &out->topics[0].partitions[0] : NULL;

    if (p)
        c->load->history.ops[call->op].offset = p->committed_offset;
    if (p && !p->error_code)
        history_end(&c->load->history, call->op, OP_OK);
    ops_refused(c->load, call);
    if (out)
        rest(c);
}

static void ask_offset(struct admin *a)
{
    struct load *load = a->c.load;
    struct target t = choose_group(load);
    struct offset_fetch_request_topic topic;
    struct offset_fetch_request in;
    struct call *call;

    offset_fetch_request_init(&in);
    offset_fetch_request_topic_init(&topic);
    topic.name = str_from(t.topic->name);
    topic.partition_indexes = &t.index;
    topic.partition_indexes_count = 1;
    in.group_id = str_from(t.name);
    in.topics = &topic;
    in.topics_count = 1;
    call = client_call(&a->c, API_OFFSET_FETCH, (int16_t)(1 + load_random(load, 7)), &in, on_offset_told);
    call->ops = 1;
    call->op = history_begin(&load->history, (struct op){.kind = OP_COMMITTED, .process = a->c.id, .partition = t.partition, .group = t.group});
}

static void on_offset_deleted(struct client *c, const struct call *call, const void *response)
{
    const struct offset_delete_response *out = response;

    if (out)
        settle(c, call, out->error_code ? out->error_code : out->topics[0].partitions[0].error_code);
}

static void delete_offset(struct admin *a)
{
    struct load *load = a->c.load;
    struct target t = choose_group(load);
    struct offset_delete_request_partition partition;
    struct offset_delete_request_topic topic;
    struct offset_delete_request in;
    struct call *call;

    offset_delete_request_init(&in);
    offset_delete_request_topic_init(&topic);
    offset_delete_request_partition_init(&partition);
    partition.partition_index = t.index;
    topic.name = str_from(t.topic->name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    in.group_id = str_from(t.name);
    in.topics = &topic;
    in.topics_count = 1;
    load_tell(&a->c, "deletes what %s committed of %s-%d", t.name, t.topic->name, t.index);
    call = client_call(&a->c, API_OFFSET_DELETE, 0, &in, on_offset_deleted);
    call->ops = 1;
    call->op = history_begin(&load->history, (struct op){.kind = OP_FORGET, .process = a->c.id, .partition = t.partition, .group = t.group, .offset = -1});
}

static void on_group_deleted(struct client *c, const struct call *call, const void *response)
{
    const struct delete_groups_response *out = response;

    if (out)
        settle(c, call, out->results[0].error_code);
}

static void delete_group(struct admin *a)
{
    struct load *load = a->c.load;
    struct target t = choose_group(load);
    struct str_view name = str_from(t.name);
    struct delete_groups_request in;
    struct call *call;

    delete_groups_request_init(&in);
    in.groups_names = &name;
    in.groups_names_count = 1;
    load_tell(&a->c, "deletes the group %s", t.name);
    call = client_call(&a->c, API_DELETE_GROUPS, (int16_t)load_random(load, 3), &in, on_group_deleted);
    call->op = load->history.count;
    call->ops = LASTING_TOPICS * LASTING_PARTITIONS;
    for (uint32_t i = 0; i < call->ops; i++)
        history_begin(&load->history, (struct op){.kind = OP_FORGET, .process = a->c.id, .group = t.group, .offset = -1, .whole = true,
                                                  .partition = i / LASTING_PARTITIONS * TOPIC_PARTITIONS_MAX + i % LASTING_PARTITIONS});
}

static void work_on_groups(struct admin *a)
{
    uint64_t what = load_random(a->c.load, 10);

    if (what < 4)
        commit_offset(a);
    else if (what < 7)
        ask_offset(a);
    else if (what < 9)
        delete_offset(a);
    else
        delete_group(a);
}

static void admin_wake(struct client *c)
{
    struct admin *a = admin_of(c);
    uint64_t what = load_random(c->load, 20);

    if (c->load->finishing || !client_idle(c) || !client_connected(c))
        return;
    if (a->uncertain) {
        look(a);
    } else if (c->load->topics_count < LASTING_TOPICS) {
        snprintf(a->name, sizeof a->name, "lasting%zu", c->load->topics_count);
        if (c->id == 0)
            create(a, LASTING_PARTITIONS);
        else
            rest(c);
    } else if (c->load->waiting) {
        rest(c);
    } else if (!c->load->keyed && c->id == 0) {
        create_keyed(a);
    } else if (c->load->options.wide && c->load->wide_count < WIDE_TOPICS && c->id == 0) {
        snprintf(a->name, sizeof a->name, "wide%zu", c->load->wide_count);
        create(a, 100 + (int32_t)load_random(c->load, WIDE_PARTITIONS_MAX - 100 + 1));
    } else if (what < 8) {
        change(a, what);
    } else if (what < 11) {
        look(a);
    } else if (what == 11) {
        client_describe_configs(c, topic_any(c->load, false));
    } else if (what == 12) {
        client_describe_groups(c);
    } else if (what == 13) {
        describe_cluster(a);
    } else {
        work_on_groups(a);
    }
}

const struct client_kind admin_kind = {"admin", sizeof(struct admin), NULL, admin_wake, NULL};
