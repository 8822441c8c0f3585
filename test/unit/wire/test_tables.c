/* SPDX-License-Identifier: Apache-2.0
 * The tables of APIs and messages, and what holds for every message in every version.
 */
#include "fixture.h"
#include "wire/apis.h"

static void finds_apis_by_key(void **state)
{
    const struct api *fetch = api_find(API_FETCH);

    assert_int_equal(API_COUNT, 95);
    for (int16_t key = 0; key < API_COUNT; key++)
        assert_int_equal(api_table[key].key, key);
    assert_string_equal(fetch->name, "Fetch");
    assert_int_equal(fetch->version_min, 0);
    assert_int_equal(fetch->version_max, 18);
    assert_int_equal(fetch->listeners, API_ON_BROKER | API_ON_CONTROLLER);
    assert_string_equal(fetch->request->name, "FetchRequest");
    assert_string_equal(fetch->response->name, "FetchResponse");
    assert_int_equal(api_find(API_INIT_PRODUCER_ID)->unstable, 6);
    assert_int_equal(api_find(API_VOTE)->listeners, API_ON_CONTROLLER);
}

static void has_no_api_of_zookeepers_time(void **state)
{
    for (int16_t key = API_LEADER_AND_ISR; key <= API_CONTROLLED_SHUTDOWN; key++)
        assert_null(api_find(key));
    assert_null(api_find(-1));
    assert_null(api_find(API_COUNT));
    assert_string_equal(api_name(API_UPDATE_METADATA), "UpdateMetadata");
    assert_string_equal(api_name(INT16_MAX), "UNKNOWN");
}

static void knows_header_versions(void **state)
{
    const struct api *fetch = api_find(API_FETCH), *versions = api_find(API_API_VERSIONS);
    const struct api *handshake = api_find(API_SASL_HANDSHAKE);

    assert_int_equal(api_request_header_version(fetch, 11), 1);
    assert_int_equal(api_request_header_version(fetch, 12), 2);
    assert_int_equal(api_response_header_version(fetch, 11), 0);
    assert_int_equal(api_response_header_version(fetch, 12), 1);
    assert_int_equal(api_request_header_version(versions, 3), 2);
    assert_int_equal(api_response_header_version(versions, 3), 0); /* readable by all */
    assert_int_equal(api_request_header_version(handshake, 1), 1);
}

static void finds_messages_by_name_and_by_key(void **state)
{
    for (size_t i = 0; i < message_table_size; i++)
        assert_ptr_equal(message_find(str_from(message_table[i]->name)), message_table[i]);
    assert_null(message_find(STR_LIT("")));
    assert_null(message_find(STR_LIT("NoSuchRecord")));
    assert_string_equal(message_of(MESSAGE_METADATA, 3)->name, "PartitionRecord");
    assert_string_equal(message_of(MESSAGE_GROUP_KEY, 1)->name, "OffsetCommitKey");
    assert_string_equal(message_of(MESSAGE_GROUP_VALUE, 1)->name, "OffsetCommitValue");
    assert_string_equal(message_of(MESSAGE_TRANSACTION_VALUE, 0)->name, "TransactionLogValue");
    assert_null(message_of(MESSAGE_METADATA, 999));
}

/* All zero bytes encode, and what they decode to encodes to the same again. */
static void zeroes_encode_in_every_version(void **state)
{
    for (size_t i = 0; i < message_table_size; i++) {
        const struct message *m = message_table[i];

        for (int16_t version = m->version_min; version <= m->version_max; version++) {
            void *zeroes = mem_alloc(1, m->size), *decoded = mem_alloc(1, m->size);
            struct bytes_view bytes;
            struct arena arena;

            assert_non_null(zeroes);
            assert_non_null(decoded);
            arena_init(&arena, 1 << 16);
            bytes = encode(m, version, zeroes);
            assert_int_equal(decode(m, version, bytes.data, bytes.size, &arena, decoded), STATUS_OK);
            assert_encodes(m, version, decoded, bytes.data, bytes.size);
            assert_true(message_print(m, version, decoded, NULL, 0) > strlen(m->name));
            arena_free(&arena);
            mem_free((void *)(uintptr_t)bytes.data);
            mem_free(decoded);
            mem_free(zeroes);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_apis_by_key),
        cmocka_unit_test(has_no_api_of_zookeepers_time),
        cmocka_unit_test(knows_header_versions),
        cmocka_unit_test(finds_messages_by_name_and_by_key),
        cmocka_unit_test(zeroes_encode_in_every_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
