/* SPDX-License-Identifier: Apache-2.0
 * The n-th allocation of a life fails, for every n from the first of its boot to the last of its clean stop (after SQLite's malloc test).
 *
 * A client goes through a script of requests, each until it is answered well: what was refused or not answered is asked again, and a
 * node that said it has no memory is booted again, with all the memory there is. However often: in the end everything that the script did is there,
 * once, and a node that stops has given back what it had.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/mem.h"
#include "rt/fs.h"
#include "rt/log.h"
#include "sim/life.h"
#include "sim/memory.h"
#include "sim/sim_node.h"
#include "wire/api/create_partitions.h"
#include "wire/api/create_topics.h"
#include "wire/api/delete_groups.h"
#include "wire/api/delete_records.h"
#include "wire/api/delete_topics.h"
#include "wire/api/describe_cluster.h"
#include "wire/api/describe_configs.h"
#include "wire/api/describe_groups.h"
#include "wire/api/describe_log_dirs.h"
#include "wire/api/describe_producers.h"
#include "wire/api/describe_topic_partitions.h"
#include "wire/api/fetch.h"
#include "wire/api/find_coordinator.h"
#include "wire/api/heartbeat.h"
#include "wire/api/incremental_alter_configs.h"
#include "wire/api/init_producer_id.h"
#include "wire/api/join_group.h"
#include "wire/api/leave_group.h"
#include "wire/api/list_config_resources.h"
#include "wire/api/list_groups.h"
#include "wire/api/list_offsets.h"
#include "wire/api/metadata.h"
#include "wire/api/offset_commit.h"
#include "wire/api/offset_delete.h"
#include "wire/api/offset_fetch.h"
#include "wire/api/offset_for_leader_epoch.h"
#include "wire/api/produce.h"
#include "wire/api/sync_group.h"
#include "wire/apis.h"
#include "wire/legacy.h"
#include "wire/records.h"

enum {
    ARENA = 16 << 20,
    SETTLE_US_MAX = 60000000,
    PAUSE_US = 300000,
    TRIES_MAX = 40,
    BATCHES = 9, /* two segments */
    IN_FLIGHT = 5,
    RECORDS = 3,
    TRIMMED = 2,
    LAST_STEPS = 64, /* allocations of node_close, at most: they come when the life is not asked any more */
    COMMITTED = 7,
};

struct world {
    struct sim *sim;
    struct fs *disk;
    struct life *life;
    struct sim_client *client; /* NULL: not connected */
    struct arena arena;        /* of one step */
    int32_t correlation_id;
    const struct shortage *shortage;
    uint64_t n, allocations;   /* allocations: of the first life */
    unsigned lives;
    int64_t producer;
    int16_t producer_epoch;
    int32_t batches;           /* that are acknowledged */
    char member[64];
    int32_t generation;
};

/* What befalls all runs of a test. */
struct shortage {
    uint64_t seed;
    unsigned shards;
    uint64_t count;  /* allocations in a row that fail */
    uint64_t stride; /* from one n to the next */
};

/* --- the node --- */

static void boot(struct world *w)
{
    static const char *const settings[] = {"offsets.topic.num.partitions=1", "group.initial.rebalance.delay.ms=0", "log.flush.offset.checkpoint.interval.ms=200",
                                           "metadata.log.max.record.bytes.between.snapshots=1000", "log.retention.check.interval.ms=500", NULL};
    struct life_options how = {.sim = w->sim, .disk = w->disk, .settings = settings, .seed = w->shortage->seed, .shards = w->shortage->shards};

    if (w->lives++ == 0) {
        how.starve_at = w->n;
        how.starve_count = w->n ? w->shortage->count : 0;
    }
    w->life = life_begin(&how);
}

static void leave_node(struct world *w)
{
    if (w->client)
        sim_client_close(w->client);
    w->client = NULL;
}

/* The memory rule: what STOPPED gave everything back. */
static void bury(struct world *w)
{
    size_t forgotten;

    leave_node(w);
    if (life_state(w->life) == LIFE_FAILED && (!life_starved(w->life) || !strstr(life_error(w->life), "memory")))
        fail_msg("n=%llu: the node failed: %s", (unsigned long long)w->n, life_error(w->life));
    if (w->lives == 1)
        w->allocations = life_allocations(w->life);
    forgotten = life_end(w->life);
    w->life = NULL;
    if (forgotten)
        fail_msg("n=%llu: %zu bytes were not given back", (unsigned long long)w->n, forgotten);
}

static bool is_settled(void *context)
{
    enum life_state state = life_state(((struct world *)context)->life);

    return state != LIFE_BOOTING && state != LIFE_STOPPING;
}

static bool is_ready(struct world *w)
{
    if (!w->life)
        boot(w);
    if (!sim_run_until(w->sim, is_settled, w, SETTLE_US_MAX))
        fail_msg("n=%llu: the node does not get ready", (unsigned long long)w->n);
    if (life_state(w->life) == LIFE_READY)
        return true;
    bury(w);
    return false;
}

static void stop(struct world *w)
{
    leave_node(w);
    life_stop(w->life);
    if (!sim_run_until(w->sim, is_settled, w, SETTLE_US_MAX))
        fail_msg("n=%llu: the node does not stop", (unsigned long long)w->n);
    bury(w);
}

/* --- the client --- */

/* false: it is to be asked again. */
static bool ask(struct world *w, int16_t key, int16_t version, const void *in, void *out)
{
    struct bytes_view request = sim_request(key, version, w->correlation_id++, in, &w->arena);

    if (!w->client && !(w->client = sim_connect(w->sim, LIFE_PORT)))
        return false;
    sim_client_send(w->client, request.data, request.size);
    if (!sim_answer(NULL, w->client, key, version, out, &w->arena))
        return true;
    leave_node(w);
    return false;
}

static struct bytes_view batch_of(struct world *w, int32_t number)
{
    static const uint8_t value[100] = {1};
    size_t size = BATCH_OVERHEAD + RECORDS * (sizeof value + 32);
    uint8_t *bytes = arena_alloc(&w->arena, size, 1);
    struct batch_builder b;

    batch_builder_init(&b, bytes, size, 0);
    for (int32_t i = 0; i < RECORDS; i++)
        assert_true(batch_builder_add(&b, i, 1700000000000 + number, (struct bytes_view){0}, (struct bytes_view){value, sizeof value}, (struct bytes_view){0}));
    return batch_builder_finish(&b, 0, -1, w->producer, w->producer_epoch, number * RECORDS);
}

/* --- the script: true when the step is done --- */

/* What is refused is refused for the time being; a coordinator that had to begin anew may have lost its members. */
static bool good(const struct world *w, int16_t code)
{
    if (code && !status_retriable((enum status)code) && code != STATUS_UNKNOWN_MEMBER_ID && code != STATUS_ILLEGAL_GENERATION && code != STATUS_REBALANCE_IN_PROGRESS)
        fail_msg("n=%llu: refused for good: %s", (unsigned long long)w->n, status_name((enum status)code));
    return !code;
}

static bool create(struct world *w)
{
    struct create_topics_request_config configs[2];
    struct create_topics_request_topic topics[2];
    struct create_topics_request in;
    struct create_topics_response out;

    create_topics_request_init(&in);
    for (unsigned i = 0; i < 2; i++) {
        create_topics_request_config_init(&configs[i]);
        create_topics_request_topic_init(&topics[i]);
        topics[i].name = i ? STR_LIT("gone") : STR_LIT("t");
        topics[i].num_partitions = 2;
        topics[i].replication_factor = 1;
    }
    configs[0].name = STR_LIT("internal.segment.bytes");
    configs[0].value = STR_LIT("900");
    configs[1].name = STR_LIT("compression.type");
    configs[1].value = STR_LIT("gzip");
    topics[0].configs = configs;
    topics[0].configs_count = 2;
    in.topics = topics;
    in.topics_count = 2;
    if (!ask(w, API_CREATE_TOPICS, 7, &in, &out))
        return false;
    for (int32_t i = 0; i < out.topics_count; i++)
        if (out.topics[i].error_code != STATUS_TOPIC_ALREADY_EXISTS && !good(w, out.topics[i].error_code))
            return false;
    return true;
}

static bool identify(struct world *w)
{
    struct init_producer_id_request in;
    struct init_producer_id_response out;

    init_producer_id_request_init(&in);
    in.transactional_id = STR_NULL;
    in.producer_id = in.producer_epoch = -1;
    if (!ask(w, API_INIT_PRODUCER_ID, 4, &in, &out) || !good(w, out.error_code))
        return false;
    w->producer = out.producer_id;
    w->producer_epoch = out.producer_epoch;
    return true;
}

/* All that are left at once, as a producer with several batches under way does; none may be refused but for memory or for the one before it. */
static bool produce(struct world *w)
{
    struct produce_request_partition_data data;
    struct produce_request_topic_data to;
    struct produce_request in;
    int32_t first = w->batches;

    produce_request_init(&in);
    produce_request_topic_data_init(&to);
    produce_request_partition_data_init(&data);
    to.name = STR_LIT("t");
    to.partition_data = &data;
    to.partition_data_count = 1;
    in.acks = -1;
    in.topic_data = &to;
    in.topic_data_count = 1;
    if (!w->client && !(w->client = sim_connect(w->sim, LIFE_PORT)))
        return false;
    for (int32_t i = first; i < BATCHES && i < first + IN_FLIGHT; i++) {
        struct bytes_view batch = batch_of(w, i), request;
        data.records = (struct wire_records){.data = batch.data, .size = batch.size};
        request = sim_request(API_PRODUCE, 9, w->correlation_id++, &in, &w->arena);
        sim_client_send(w->client, request.data, request.size);
    }
    for (int32_t i = first; i < BATCHES && i < first + IN_FLIGHT; i++) {
        struct produce_response out;
        if (sim_answer(NULL, w->client, API_PRODUCE, 9, &out, &w->arena)) {
            leave_node(w);
            return false;
        }
        if (i == w->batches && good(w, out.responses[0].partition_responses[0].error_code)) /* not as out of order, for one */
            w->batches++;
    }
    return w->batches == BATCHES;
}

/* In an old format; a record may be there twice. */
static bool produce_old(struct world *w)
{
    struct produce_request_partition_data data;
    struct produce_request_topic_data to;
    struct produce_request in;
    struct produce_response out;
    struct bytes_view set;

    produce_request_init(&in);
    produce_request_topic_data_init(&to);
    produce_request_partition_data_init(&data);
    assert_int_equal(legacy_from_batches(batch_of(w, 0), 1, 0, 1 << 20, 1 << 20, &w->arena, &set), STATUS_OK);
    data.index = 1;
    data.records = (struct wire_records){.data = set.data, .size = set.size};
    to.name = STR_LIT("t");
    to.partition_data = &data;
    to.partition_data_count = 1;
    in.acks = 1;
    in.topic_data = &to;
    in.topic_data_count = 1;
    return ask(w, API_PRODUCE, 2, &in, &out) && good(w, out.responses[0].partition_responses[0].error_code);
}

static bool fetch_from(struct world *w, int16_t version, int64_t offset, struct fetch_response *out)
{
    struct fetch_request_partition partition;
    struct fetch_request_topic topic;
    struct fetch_request in;

    fetch_request_init(&in);
    fetch_request_topic_init(&topic);
    fetch_request_partition_init(&partition);
    partition.fetch_offset = offset;
    partition.current_leader_epoch = partition.last_fetched_epoch = -1;
    partition.partition_max_bytes = 1 << 20;
    topic.topic = STR_LIT("t");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    in.topics = &topic;
    in.topics_count = 1;
    in.max_bytes = 1 << 20;
    in.max_wait_ms = 100;
    in.min_bytes = 1;
    in.replica_id = -1;
    in.session_epoch = version >= 7 ? 0 : -1; /* makes one */
    return ask(w, API_FETCH, version, &in, out) && good(w, out->error_code) && good(w, out->responses[0].partitions[0].error_code);
}

static bool fetch_at_end(struct world *w)
{
    struct fetch_response out;

    return fetch_from(w, 12, BATCHES * RECORDS, &out);
}

static bool fetch_old(struct world *w)
{
    struct fetch_response out;

    return fetch_from(w, 3, RECORDS, &out);
}

/* timestamp -1: the end. In version 0 the answer is a list. */
static bool list_offset(struct world *w, int16_t version, int64_t timestamp, int64_t *offset)
{
    struct list_offsets_request_partition partition;
    struct list_offsets_request_topic topic;
    struct list_offsets_request in;
    struct list_offsets_response out;
    const struct list_offsets_response_partition *p;

    list_offsets_request_init(&in);
    list_offsets_request_topic_init(&topic);
    list_offsets_request_partition_init(&partition);
    partition.timestamp = timestamp;
    partition.current_leader_epoch = -1;
    partition.max_num_offsets = 1;
    topic.name = STR_LIT("t");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    in.replica_id = -1;
    in.topics = &topic;
    in.topics_count = 1;
    if (!ask(w, API_LIST_OFFSETS, version, &in, &out))
        return false;
    p = &out.topics[0].partitions[0];
    if (!good(w, p->error_code))
        return false;
    assert_true(version || p->old_style_offsets_count == 1);
    *offset = version ? p->offset : p->old_style_offsets[0];
    return true;
}

/* All there is, batch by batch as they come. */
static bool fetch(struct world *w)
{
    int64_t offset = -1;

    if (!list_offset(w, 5, -2, &offset))
        return false;
    offset -= offset % RECORDS; /* of the batch */
    while (offset < BATCHES * RECORDS) {
        struct fetch_response out;
        struct bytes_view left;
        if (!fetch_from(w, 12, offset ? offset : TRIMMED, &out))
            return false;
        left = (struct bytes_view){out.responses[0].partitions[0].records.data, out.responses[0].partitions[0].records.size};
        while (left.size) {
            struct batch_head head;
            size_t size;
            assert_int_equal(batch_check_crc(left, &size), STATUS_OK);
            assert_true(batch_head_read(left, &head));
            assert_int_equal(head.base_offset, offset);
            offset = batch_last_offset(&head) + 1;
            left.data += size;
            left.size -= size;
        }
    }
    return true;
}

static bool find_end(struct world *w)
{
    int64_t offset = -1, old = -1;

    if (!list_offset(w, 5, -1, &offset) || !list_offset(w, 0, -1, &old))
        return false;
    assert_int_equal(offset, BATCHES * RECORDS); /* each once */
    assert_int_equal(old, offset);
    return true;
}

static bool find_times(struct world *w)
{
    for (int32_t i = 1; i < BATCHES; i++) {
        int64_t offset = -1;
        if (!list_offset(w, 5, 1700000000000 + i, &offset))
            return false;
        assert_int_equal(offset, i * RECORDS);
    }
    return true;
}

static bool find_coordinator(struct world *w)
{
    struct find_coordinator_request in;
    struct find_coordinator_response out;

    find_coordinator_request_init(&in);
    in.key = STR_LIT("g");
    return ask(w, API_FIND_COORDINATOR, 3, &in, &out) && good(w, out.error_code);
}

static bool join(struct world *w)
{
    struct join_group_request_protocol protocol;
    struct join_group_request in;
    struct join_group_response out;

    join_group_request_init(&in);
    join_group_request_protocol_init(&protocol);
    protocol.name = STR_LIT("range");
    protocol.metadata = (struct bytes_view){(const uint8_t *)"", 0};
    in.group_id = STR_LIT("g");
    in.member_id = str_from(w->member);
    in.session_timeout_ms = 10000;
    in.rebalance_timeout_ms = 1000;
    in.protocol_type = STR_LIT("consumer");
    in.protocols = &protocol;
    in.protocols_count = 1;
    if (!ask(w, API_JOIN_GROUP, 7, &in, &out))
        return false;
    if (out.error_code == STATUS_UNKNOWN_MEMBER_ID)
        w->member[0] = 0;
    if (out.error_code != STATUS_MEMBER_ID_REQUIRED && !good(w, out.error_code))
        return false;
    snprintf(w->member, sizeof w->member, STR_FMT, STR_ARG(out.member_id));
    w->generation = out.generation_id;
    return !out.error_code;
}

static bool sync_member(struct world *w)
{
    struct sync_group_request_assignment assignment;
    struct sync_group_request in;
    struct sync_group_response out;

    sync_group_request_init(&in);
    sync_group_request_assignment_init(&assignment);
    assignment.member_id = in.member_id = str_from(w->member);
    assignment.assignment = (struct bytes_view){(const uint8_t *)"all", 3};
    in.group_id = STR_LIT("g");
    in.generation_id = w->generation;
    in.protocol_type = STR_LIT("consumer");
    in.protocol_name = STR_LIT("range");
    in.assignments = &assignment;
    in.assignments_count = 1;
    return ask(w, API_SYNC_GROUP, 5, &in, &out) && good(w, out.error_code);
}

static bool beat(struct world *w)
{
    struct heartbeat_request in;
    struct heartbeat_response out;

    heartbeat_request_init(&in);
    in.group_id = STR_LIT("g");
    in.member_id = str_from(w->member);
    in.generation_id = w->generation;
    return ask(w, API_HEARTBEAT, 4, &in, &out) && good(w, out.error_code);
}

static bool commit_for(struct world *w, struct str_view group, const char *member, int32_t generation)
{
    struct offset_commit_request_partition partition;
    struct offset_commit_request_topic topic;
    struct offset_commit_request in;
    struct offset_commit_response out;

    offset_commit_request_init(&in);
    offset_commit_request_topic_init(&topic);
    offset_commit_request_partition_init(&partition);
    partition.committed_offset = COMMITTED;
    partition.committed_metadata = STR_LIT("m");
    topic.name = STR_LIT("t");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    in.group_id = group;
    in.member_id = str_from(member);
    in.generation_id_or_member_epoch = generation;
    in.topics = &topic;
    in.topics_count = 1;
    return ask(w, API_OFFSET_COMMIT, 8, &in, &out) && good(w, out.topics[0].partitions[0].error_code);
}

/* A group that a failed append has cost its members is joined again. */
static bool group_commits(struct world *w)
{
    return join(w) && sync_member(w) && beat(w) && commit_for(w, STR_LIT("g"), w->member, w->generation);
}

/* A group of offsets alone, which then goes: also when an earlier try has done it. */
static bool group_goes(struct world *w)
{
    struct str_view group = STR_LIT("h");
    struct offset_delete_request_partition partition = {0};
    struct offset_delete_request_topic topic;
    struct offset_delete_request in;
    struct offset_delete_response out;
    struct delete_groups_request delete;
    struct delete_groups_response deleted;

    offset_delete_request_init(&in);
    offset_delete_request_topic_init(&topic);
    delete_groups_request_init(&delete);
    topic.name = STR_LIT("t");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    in.group_id = group;
    in.topics = &topic;
    in.topics_count = 1;
    delete.groups_names = &group;
    delete.groups_names_count = 1;
    return commit_for(w, group, "", -1) && ask(w, API_OFFSET_DELETE, 0, &in, &out) &&
           (out.error_code == STATUS_GROUP_ID_NOT_FOUND || good(w, out.error_code)) && ask(w, API_DELETE_GROUPS, 2, &delete, &deleted) &&
           (deleted.results[0].error_code == STATUS_GROUP_ID_NOT_FOUND || good(w, deleted.results[0].error_code));
}

static bool leave_group(struct world *w)
{
    struct leave_group_request_member member;
    struct leave_group_request in;
    struct leave_group_response out;

    leave_group_request_init(&in);
    leave_group_request_member_init(&member);
    member.member_id = str_from(w->member);
    in.group_id = STR_LIT("g");
    in.members = &member;
    in.members_count = 1;
    return ask(w, API_LEAVE_GROUP, 4, &in, &out) && good(w, out.error_code) &&
           (out.members[0].error_code == STATUS_UNKNOWN_MEMBER_ID || good(w, out.members[0].error_code));
}

static bool read_commit(struct world *w)
{
    int32_t index = 0;
    struct offset_fetch_request_topic topic;
    struct offset_fetch_request in;
    struct offset_fetch_response out;

    offset_fetch_request_init(&in);
    offset_fetch_request_topic_init(&topic);
    topic.name = STR_LIT("t");
    topic.partition_indexes = &index;
    topic.partition_indexes_count = 1;
    in.group_id = STR_LIT("g");
    in.topics = &topic;
    in.topics_count = 1;
    if (!ask(w, API_OFFSET_FETCH, 7, &in, &out) || !good(w, out.error_code) || !good(w, out.topics[0].partitions[0].error_code))
        return false;
    assert_int_equal(out.topics[0].partitions[0].committed_offset, COMMITTED);
    return true;
}

static bool describe_configs(struct world *w)
{
    struct describe_configs_request_resource resources[2];
    struct describe_configs_request in;
    struct describe_configs_response out;

    describe_configs_request_init(&in);
    for (unsigned i = 0; i < 2; i++) {
        describe_configs_request_resource_init(&resources[i]);
        resources[i].resource_type = i ? 4 : 2;
        resources[i].resource_name = i ? STR_LIT("1") : STR_LIT("t");
        resources[i].configuration_keys_count = -1;
    }
    in.resources = resources;
    in.resources_count = 2;
    in.include_synonyms = true;
    return ask(w, API_DESCRIBE_CONFIGS, 4, &in, &out) && good(w, out.results[0].error_code) && good(w, out.results[1].error_code);
}

static bool configure(struct world *w)
{
    struct incremental_alter_configs_request_config config;
    struct incremental_alter_configs_request_resource resource;
    struct incremental_alter_configs_request in;
    struct incremental_alter_configs_response out;

    incremental_alter_configs_request_init(&in);
    incremental_alter_configs_request_resource_init(&resource);
    incremental_alter_configs_request_config_init(&config);
    config.name = STR_LIT("retention.bytes");
    config.value = STR_LIT("123456789");
    resource.resource_type = 2;
    resource.resource_name = STR_LIT("t");
    resource.configs = &config;
    resource.configs_count = 1;
    in.resources = &resource;
    in.resources_count = 1;
    return ask(w, API_INCREMENTAL_ALTER_CONFIGS, 1, &in, &out) && good(w, out.responses[0].error_code);
}

static bool grow(struct world *w)
{
    struct create_partitions_request_topic topic;
    struct create_partitions_request in;
    struct create_partitions_response out;

    create_partitions_request_init(&in);
    create_partitions_request_topic_init(&topic);
    topic.name = STR_LIT("t");
    topic.count = 3;
    topic.assignments_count = -1;
    in.topics = &topic;
    in.topics_count = 1;
    return ask(w, API_CREATE_PARTITIONS, 3, &in, &out) && (out.results[0].error_code == STATUS_INVALID_PARTITIONS || good(w, out.results[0].error_code)); /* are there */
}

static bool trim(struct world *w)
{
    struct delete_records_request_partition partition;
    struct delete_records_request_topic topic;
    struct delete_records_request in;
    struct delete_records_response out;

    delete_records_request_init(&in);
    delete_records_request_topic_init(&topic);
    delete_records_request_partition_init(&partition);
    partition.offset = TRIMMED;
    topic.name = STR_LIT("t");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    in.topics = &topic;
    in.topics_count = 1;
    return ask(w, API_DELETE_RECORDS, 2, &in, &out) && good(w, out.topics[0].partitions[0].error_code);
}

static bool describe(struct world *w)
{
    struct str_view group = STR_LIT("g");
    int32_t index = 0;
    struct describe_groups_request groups;
    struct describe_groups_response groups_out;
    struct list_groups_request list;
    struct list_groups_response list_out;
    struct describe_log_dirs_request dirs;
    struct describe_log_dirs_response dirs_out;
    struct describe_producers_request_topic topic;
    struct describe_producers_request producers;
    struct describe_producers_response producers_out;

    describe_groups_request_init(&groups);
    list_groups_request_init(&list);
    describe_log_dirs_request_init(&dirs);
    describe_producers_request_topic_init(&topic);
    describe_producers_request_init(&producers);
    groups.groups = &group;
    groups.groups_count = 1;
    dirs.topics_count = -1;
    topic.name = STR_LIT("t");
    topic.partition_indexes = &index;
    topic.partition_indexes_count = 1;
    producers.topics = &topic;
    producers.topics_count = 1;
    return ask(w, API_DESCRIBE_GROUPS, 5, &groups, &groups_out) && good(w, groups_out.groups[0].error_code) && ask(w, API_LIST_GROUPS, 4, &list, &list_out) &&
           good(w, list_out.error_code) && ask(w, API_DESCRIBE_LOG_DIRS, 4, &dirs, &dirs_out) && ask(w, API_DESCRIBE_PRODUCERS, 0, &producers, &producers_out) &&
           good(w, producers_out.topics[0].partitions[0].error_code);
}

static bool describe_more(struct world *w)
{
    struct offset_for_leader_epoch_request_partition partition;
    struct offset_for_leader_epoch_request_topic topic;
    struct offset_for_leader_epoch_request epochs;
    struct offset_for_leader_epoch_response epochs_out;
    struct describe_topic_partitions_request partitions;
    struct describe_topic_partitions_response partitions_out;
    struct list_config_resources_request resources;
    struct list_config_resources_response resources_out;
    struct describe_cluster_request cluster;
    struct describe_cluster_response cluster_out;

    offset_for_leader_epoch_request_partition_init(&partition);
    offset_for_leader_epoch_request_topic_init(&topic);
    offset_for_leader_epoch_request_init(&epochs);
    describe_topic_partitions_request_init(&partitions);
    list_config_resources_request_init(&resources);
    describe_cluster_request_init(&cluster);
    topic.topic = STR_LIT("t");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    epochs.topics = &topic;
    epochs.topics_count = 1;
    epochs.replica_id = -1;
    partitions.response_partition_limit = 2;
    if (!ask(w, API_OFFSET_FOR_LEADER_EPOCH, 4, &epochs, &epochs_out) || !good(w, epochs_out.topics[0].partitions[0].error_code) ||
        !ask(w, API_DESCRIBE_TOPIC_PARTITIONS, 0, &partitions, &partitions_out) || !ask(w, API_LIST_CONFIG_RESOURCES, 1, &resources, &resources_out) ||
        !good(w, resources_out.error_code) || !ask(w, API_DESCRIBE_CLUSTER, 1, &cluster, &cluster_out) || !good(w, cluster_out.error_code))
        return false;
    assert_int_equal(epochs_out.topics[0].partitions[0].end_offset >= 0, epochs_out.topics[0].partitions[0].leader_epoch >= 0);
    assert_non_null(partitions_out.next_cursor);
    return true;
}

static bool delete_topic(struct world *w)
{
    struct str_view name = STR_LIT("gone");
    struct delete_topics_request in;
    struct delete_topics_response out;

    delete_topics_request_init(&in);
    in.topic_names = &name;
    in.topic_names_count = 1;
    return ask(w, API_DELETE_TOPICS, 5, &in, &out) && (out.responses[0].error_code == STATUS_UNKNOWN_TOPIC_OR_PARTITION || good(w, out.responses[0].error_code));
}

static bool look(struct world *w)
{
    struct metadata_request in;
    struct metadata_response out;

    metadata_request_init(&in);
    in.topics_count = -1;
    if (!ask(w, API_METADATA, 12, &in, &out))
        return false;
    assert_int_equal(out.topics_count, 2); /* and __consumer_offsets */
    for (int32_t i = 0; i < 2; i++)
        if (str_is(out.topics[i].name, "t"))
            assert_int_equal(out.topics[i].partitions_count, 3);
    return true;
}

struct step {
    const char *name;
    bool (*run)(struct world *w);
};

static const struct step script[] = {
    {"create topics", create},
    {"a producer id", identify},
    {"produce", produce},
    {"produce for an old client", produce_old},
    {"fetch", fetch},
    {"fetch at the end", fetch_at_end},
    {"fetch for an old client", fetch_old},
    {"find the end", find_end},
    {"find times", find_times},
    {"find the coordinator", find_coordinator},
    {"a group commits", group_commits},
    {"describe", describe},
    {"describe more", describe_more},
    {"leave", leave_group},
    {"a group goes", group_goes},
    {"describe configurations", describe_configs},
    {"configure", configure},
    {"grow", grow},
    {"delete records", trim},
    {"delete a topic", delete_topic},
    {"look", look},
    {NULL, NULL},
};

/* What has to be so at the end, in another life. */
static const struct step review[] = {
    {"fetch", fetch}, {"find the end", find_end}, {"find times", find_times}, {"read the commit", read_commit}, {"look", look}, {NULL, NULL},
};

static void go(struct world *w, const struct step *steps)
{
    for (const struct step *step = steps; step->run; step++) {
        unsigned tries = 0;
        while (!is_ready(w) || !step->run(w)) {
            if (++tries == TRIES_MAX)
                fail_msg("n=%llu: %s: not done", (unsigned long long)w->n, step->name);
            arena_free(&w->arena);
            sim_run(w->sim, PAUSE_US);
        }
        arena_free(&w->arena);
    }
}

/* One run; how many allocations its first life made. */
static uint64_t run(const struct shortage *shortage, uint64_t n)
{
    struct world w = {.disk = fs_mem_new(), .shortage = shortage, .n = n};

    assert_non_null(w.disk);
    arena_init(&w.arena, ARENA);
    w.sim = sim_new(shortage->seed, &(struct sim_options){.shards = shortage->shards, .fs = w.disk});
    sim_kill(w.sim);
    go(&w, script);
    stop(&w);
    go(&w, review);
    stop(&w);
    sim_free(w.sim);
    fs_free(w.disk);
    return w.allocations;
}

static void run_all(const struct shortage *shortage)
{
    uint64_t all = run(shortage, 0);

    for (uint64_t n = 1; n <= all + LAST_STEPS; n += shortage->stride)
        run(shortage, n);
    print_message("%u shards, %llu allocations: %llu in a row fail; stride %llu\n", shortage->shards, (unsigned long long)all, (unsigned long long)shortage->count,
                  (unsigned long long)shortage->stride);
}

static void test_one_fails(void **state)
{
    run_all(&(struct shortage){.seed = 1, .shards = 2, .count = 1, .stride = 1});
    run_all(&(struct shortage){.seed = 4, .shards = 1, .count = 1, .stride = 5});
}

static void test_some_fail(void **state)
{
    run_all(&(struct shortage){.seed = 2, .shards = 1, .count = 2, .stride = 7});
    run_all(&(struct shortage){.seed = 3, .shards = 3, .count = 12, .stride = 11});
    run_all(&(struct shortage){.seed = 5, .shards = 2, .count = 100, .stride = 13});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_fails), cmocka_unit_test(test_some_fail)};

    memory_install();
    arena_set_block(0);
    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
