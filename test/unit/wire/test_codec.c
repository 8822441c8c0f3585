/* SPDX-License-Identifier: Apache-2.0
 * What the generated codecs promise (src/wire/message.h), on messages that have the feature in question. That every
 * field of every message stands where Kafka has it is the oracle's business (test/oracle).
 */
#include "fixture.h"
#include "wire/api/api_versions.h"
#include "wire/api/describe_topic_partitions.h"
#include "wire/api/fetch.h"
#include "wire/api/metadata.h"
#include "wire/api/produce.h"
#include "wire/header/request_header.h"
#include "wire/record/consumer_group_member_metadata_value.h"
#include "wire/record/offset_commit_value.h"

static struct arena arena;

static int arena_ready(void **state)
{
    arena_init(&arena, 1 << 20);
    return 0;
}

static int arena_gone(void **state)
{
    arena_free(&arena);
    return 0;
}

/* ---- versions, defaults, null ---- */

static void reads_old_and_flexible_forms(void **state)
{
    struct request_header old, new;

    assert_int_equal(decode(&request_header_message, 1, BYTES("\0\22\0\0\0\0\0\7\0\4test"), &arena, &old), STATUS_OK);
    assert_int_equal(old.correlation_id, 7);
    assert_true(str_is(old.client_id, "test"));
    /* The client id stays a plain string in the flexible header. */
    assert_int_equal(decode(&request_header_message, 2, BYTES("\0\22\0\3\0\0\0\7\0\4test\0"), &arena, &new), STATUS_OK);
    assert_true(str_is(new.client_id, "test"));
    assert_encodes(&request_header_message, 2, &new, BYTES("\0\22\0\3\0\0\0\7\0\4test\0"));
}

static void gives_defaults_to_fields_that_a_version_lacks(void **state)
{
    struct fetch_request fetch;
    static const char bytes[] = "\377\377\377\377\0\0\1\364\0\0\0\1\0\0\0\0";

    assert_int_equal(decode(&fetch_request_message, 0, BYTES(bytes), &arena, &fetch), STATUS_OK);
    assert_int_equal(fetch.max_wait_ms, 500);
    assert_int_equal(fetch.max_bytes, INT32_MAX);
    assert_int_equal(fetch.session_epoch, -1);
    assert_int_equal(fetch.replica_state.replica_epoch, -1);
    assert_null(fetch.cluster_id.data);
    assert_non_null(fetch.rack_id.data); /* empty, not null */
}

static void leaves_out_what_a_version_lacks(void **state)
{
    struct offset_commit_value value;

    offset_commit_value_init(&value);
    value.offset = 5;
    value.leader_epoch = 3;
    value.commit_timestamp = 9;
    value.topic_id.b[0] = 1;
    assert_encodes(&offset_commit_value_message, 3, &value,
                   BYTES("\0\0\0\0\0\0\0\5\0\0\0\3\0\0\0\0\0\0\0\0\0\11"));
}

static void tells_null_from_empty(void **state)
{
    struct metadata_request all, none;

    assert_int_equal(decode(&metadata_request_message, 1, BYTES("\377\377\377\377"), &arena, &all), STATUS_OK);
    assert_int_equal(decode(&metadata_request_message, 1, BYTES("\0\0\0\0"), &arena, &none), STATUS_OK);
    assert_int_equal(all.topics_count, -1);
    assert_int_equal(none.topics_count, 0);
    assert_encodes(&metadata_request_message, 1, &all, BYTES("\377\377\377\377"));
    assert_encodes(&metadata_request_message, 1, &none, BYTES("\0\0\0\0"));
}

static void refuses_null_where_there_is_none(void **state)
{
    struct metadata_request metadata;
    struct api_versions_request versions;

    assert_int_equal(decode(&metadata_request_message, 0, BYTES("\377\377\377\377"), &arena, &metadata),
                     STATUS_MALFORMED);
    assert_int_equal(decode(&api_versions_request_message, 3, BYTES("\0\1\0"), &arena, &versions), STATUS_MALFORMED);
}

static void writes_null_as_empty_where_there_is_none(void **state)
{
    struct api_versions_request versions = {.client_software_name = STR_NULL};
    struct metadata_request metadata = {.topics_count = -1};

    assert_encodes(&api_versions_request_message, 3, &versions, BYTES("\1\1\0"));
    assert_encodes(&metadata_request_message, 0, &metadata, BYTES("\0\0\0\0"));
}

static void reads_and_writes_a_struct_that_may_be_null(void **state)
{
    static const char with[] = "\1\0\0\0\1\1\2t\0\0\0\5\0\0", without[] = "\1\0\0\0\1\377\0";
    struct describe_topic_partitions_request there, null;

    assert_int_equal(decode(&describe_topic_partitions_request_message, 0, BYTES(with), &arena, &there), STATUS_OK);
    assert_int_equal(decode(&describe_topic_partitions_request_message, 0, BYTES(without), &arena, &null), STATUS_OK);
    assert_non_null(there.cursor);
    assert_int_equal(there.cursor->partition_index, 5);
    assert_null(null.cursor);
    assert_encodes(&describe_topic_partitions_request_message, 0, &there, BYTES(with));
    assert_encodes(&describe_topic_partitions_request_message, 0, &null, BYTES(without));
}

static void prefixes_a_tagged_struct_that_may_be_null(void **state)
{
    /* Left out it is a struct with its defaults; null travels as tag 0 with one byte (KIP-848's members have none). */
    static const char fields[] = "\1\1\1\1\1\1\377\377\377\377\1\0";
    static const char null[] = "\1\1\1\1\1\1\377\377\377\377\1\1\0\1\0";
    static const char with[] = "\1\1\1\1\1\1\377\377\377\377\1\1\0\7\1\0\0\0\7\1\0";
    const struct message *m = &consumer_group_member_metadata_value_message;
    struct consumer_group_member_metadata_value value;

    consumer_group_member_metadata_value_init(&value);
    assert_encodes(m, 0, &value, BYTES(fields));
    assert_int_equal(decode(m, 0, BYTES(null), &arena, &value), STATUS_OK);
    assert_null(value.classic_member_metadata);
    assert_encodes(m, 0, &value, BYTES(null));
    assert_int_equal(decode(m, 0, BYTES(with), &arena, &value), STATUS_OK);
    assert_int_equal(value.classic_member_metadata->session_timeout_ms, 7);
    assert_encodes(m, 0, &value, BYTES(with));
}

static void refuses_versions_that_do_not_exist(void **state)
{
    const struct message *m = &api_versions_request_message;
    struct api_versions_request versions;

    assert_int_equal(decode(m, -1, BYTES(""), &arena, &versions), STATUS_UNSUPPORTED_VERSION);
    assert_int_equal(decode(m, (int16_t)(m->version_max + 1), BYTES("\1\1\0"), &arena, &versions),
                     STATUS_UNSUPPORTED_VERSION);
}

static void refuses_what_is_cut_off_or_too_long(void **state)
{
    static const uint8_t bytes[] = "\5java\6" "4.3.1\0"; /* and the literal's own zero byte, one too many */
    struct api_versions_request versions;

    for (size_t size = 0; size <= sizeof bytes; size++)
        assert_int_equal(decode(&api_versions_request_message, 3, bytes, size, &arena, &versions),
                         size == sizeof bytes - 1 ? STATUS_OK : STATUS_MALFORMED);
}

/* ---- tagged fields ---- */

/* A fetch request of version 12 that asks for nothing, then `tags`. */
static enum status decode_fetch_tags(const char *tags, size_t size, struct fetch_request *out)
{
    static uint8_t bytes[128]; /* what is decoded borrows from it */
    struct writer w;

    writer_init(&w, bytes, sizeof bytes);
    writer_raw(&w, "\377\377\377\377\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0\1\1\1", 28);
    writer_raw(&w, tags, size);
    return decode(&fetch_request_message, 12, bytes, writer_size(&w), &arena, out);
}

#define FETCH_TAGS(text, out) decode_fetch_tags(text, sizeof(text) - 1, out)

static void reads_tags_in_order_only(void **state)
{
    struct fetch_request fetch;

    assert_int_equal(FETCH_TAGS("\0", &fetch), STATUS_OK);
    assert_null(fetch.cluster_id.data);
    assert_int_equal(FETCH_TAGS("\1\0\2\2c", &fetch), STATUS_OK);
    assert_true(str_is(fetch.cluster_id, "c"));
    assert_int_equal(FETCH_TAGS("\2\0\2\2c\7\1x", &fetch), STATUS_OK);
    assert_int_equal(FETCH_TAGS("\2\7\1x\0\2\2c", &fetch), STATUS_MALFORMED); /* falling */
    assert_int_equal(FETCH_TAGS("\2\0\2\2c\0\2\2c", &fetch), STATUS_MALFORMED); /* twice */
    assert_int_equal(FETCH_TAGS("\1\0\3\2cx", &fetch), STATUS_MALFORMED);       /* the value is shorter than its size */
    assert_int_equal(FETCH_TAGS("\1\0\1\2c", &fetch), STATUS_MALFORMED);        /* longer */
    assert_int_equal(FETCH_TAGS("\1\7\5x", &fetch), STATUS_MALFORMED);          /* not there */
    assert_int_equal(FETCH_TAGS("\377\377\377\377\17", &fetch), STATUS_MALFORMED);
}

static void keeps_unknown_tags_between_the_known(void **state)
{
    /* In version 12 tag 1 (the replica's state, 15+) is not known either. */
    static const char tags[] = "\3\0\2\2c\1\1x\11\2yz";
    struct fetch_request fetch;
    struct bytes_view got;

    assert_int_equal(FETCH_TAGS(tags, &fetch), STATUS_OK);
    assert_int_equal(fetch.unknown_tags->tag, 1);
    assert_int_equal(fetch.unknown_tags->next->tag, 9);
    assert_null(fetch.unknown_tags->next->next);
    got = encode(&fetch_request_message, 12, &fetch);
    assert_memory_equal(got.data + got.size - (sizeof tags - 1), tags, sizeof tags - 1);
    mem_free((void *)(uintptr_t)got.data);

    fetch.unknown_tags = NULL;
    got = encode(&fetch_request_message, 12, &fetch);
    assert_memory_equal(got.data + got.size - 5, "\1\0\2\2c", 5);
    mem_free((void *)(uintptr_t)got.data);
}

static void leaves_out_tagged_defaults(void **state)
{
    struct fetch_request_partition partition;
    struct fetch_request_topic topic;
    struct fetch_request fetch;
    size_t size;

    fetch_request_init(&fetch);
    fetch_request_topic_init(&topic);
    fetch_request_partition_init(&partition);
    fetch.topics = &topic;
    topic.partitions = &partition;
    fetch.topics_count = topic.partitions_count = 1;
    size = fetch_request_size(&fetch, 18);
    partition.high_watermark = 7;
    assert_int_equal(fetch_request_size(&fetch, 18), size + 10);
    assert_int_equal(fetch_request_size(&fetch, 17), size);
    fetch.replica_state.replica_id = 1;
    assert_int_equal(fetch_request_size(&fetch, 18), size + 10 + 15);
}

/* ---- memory ---- */

static void bounds_counts_by_the_bytes_that_are_there(void **state)
{
    const struct message *m = &metadata_request_message;
    struct metadata_request metadata;

    assert_int_equal(decode(m, 1, BYTES("\177\377\377\377"), &arena, &metadata), STATUS_MALFORMED);
    assert_int_equal(decode(m, 9, BYTES("\377\377\377\377\17"), &arena, &metadata), STATUS_MALFORMED);
    assert_int_equal(arena.used, 0);
}

static void stops_at_the_arenas_limit(void **state)
{
    uint8_t bytes[4 + 2 * 10000] = {0, 0, 10000 >> 8, 10000 & 255}; /* as many topics with empty names */
    struct metadata_request metadata;
    struct arena small;

    arena_init(&small, 8192);
    assert_int_equal(decode(&metadata_request_message, 1, bytes, sizeof bytes, &small, &metadata), STATUS_NO_MEMORY);
    arena_free(&small);
    assert_int_equal(decode(&metadata_request_message, 1, bytes, sizeof bytes, &arena, &metadata), STATUS_OK);
    assert_int_equal(metadata.topics_count, 10000);
}

static void borrows_strings_and_records(void **state)
{
    static const uint8_t bytes[] = "\0\1\0\0\0\0\0\0\0\1\0\1t\0\0\0\1\0\0\0\3\0\0\0\2ab";
    struct produce_request produce;
    const struct produce_request_topic_data *topic;

    assert_int_equal(decode(&produce_request_message, 2, bytes, sizeof bytes - 1, &arena, &produce), STATUS_OK);
    topic = produce.topic_data;
    assert_ptr_equal(topic->name.data, bytes + 12);
    assert_ptr_equal(topic->partition_data->records.data, bytes + 25);
    assert_int_equal(topic->partition_data->records.size, 2);
}

/* ---- records ---- */

static void splices_records_of_a_source(void **state)
{
    int first = 0, second = 0; /* the sender's sources: only their addresses matter here */
    struct fetch_response_partition partitions[3];
    struct fetch_response_response topic;
    struct fetch_response fetch;
    struct writer w;
    uint8_t buffer[512];
    size_t size;

    fetch_response_init(&fetch);
    fetch_response_response_init(&topic);
    for (int i = 0; i < 3; i++)
        fetch_response_partition_init(&partitions[i]);
    fetch.responses = &topic;
    fetch.responses_count = 1;
    topic.partitions = partitions;
    topic.partitions_count = 3;
    partitions[0].records = (struct wire_records){.source = &first, .size = 1000};
    partitions[1].records = (struct wire_records){.data = (const uint8_t *)"xyz", .size = 3};
    partitions[2].records = (struct wire_records){.source = &second, .size = 70};

    size = fetch_response_size(&fetch, 12);
    writer_init(&w, buffer, size);
    fetch_response_encode(&w, 12, &fetch);
    assert_int_equal(writer_size(&w), size);
    assert_ptr_equal(w.splices, &partitions[0].records.node);
    assert_ptr_equal(w.splices->source, &first);
    assert_int_equal(w.splices->size, 1000);
    assert_memory_equal(buffer + w.splices->at - 2, "\351\7", 2); /* the compact length: 1001 */
    assert_ptr_equal(w.splices->next->source, &second);
    assert_memory_equal(buffer + w.splices->next->at - 1, "\107", 1);
    assert_null(w.splices->next->next);
}

/* ---- printing ---- */

static void prints_one_line(void **state)
{
    struct metadata_request_topic topic;
    struct metadata_request metadata;
    char text[256], cut[8];
    size_t size;

    metadata_request_init(&metadata);
    metadata_request_topic_init(&topic);
    topic.name = STR_LIT("a\"\n");
    metadata.topics = &topic;
    metadata.topics_count = 1;
    size = metadata_request_print(&metadata, 4, text, sizeof text);
    assert_string_equal(text, "MetadataRequest(4){topics=[{name=\"a\\x22\\x0a\"}], allow_auto_topic_creation=true}");
    assert_int_equal(size, strlen(text));
    assert_int_equal(metadata_request_print(&metadata, 4, cut, sizeof cut), size);
    assert_string_equal(cut, "Metadat");
    assert_int_equal(metadata_request_print(&metadata, 4, NULL, 0), size);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, arena_ready, arena_gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_old_and_flexible_forms),
        TEST(gives_defaults_to_fields_that_a_version_lacks),
        TEST(leaves_out_what_a_version_lacks),
        TEST(tells_null_from_empty),
        TEST(refuses_null_where_there_is_none),
        TEST(writes_null_as_empty_where_there_is_none),
        TEST(reads_and_writes_a_struct_that_may_be_null),
        TEST(prefixes_a_tagged_struct_that_may_be_null),
        TEST(refuses_versions_that_do_not_exist),
        TEST(refuses_what_is_cut_off_or_too_long),
        TEST(reads_tags_in_order_only),
        TEST(keeps_unknown_tags_between_the_known),
        TEST(leaves_out_tagged_defaults),
        TEST(bounds_counts_by_the_bytes_that_are_there),
        TEST(stops_at_the_arenas_limit),
        TEST(borrows_strings_and_records),
        TEST(splices_records_of_a_source),
        TEST(prints_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
