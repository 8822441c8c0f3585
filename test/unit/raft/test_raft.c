/* SPDX-License-Identifier: Apache-2.0
 * A quorum of one: epochs grow over restarts, LeaderChange and quorum-state are Kafka's bytes, the high watermark
 * follows the disk.
 */
#include "test/unit/cm.h"

#include "raft/raft.h"

static const char kafka_state[] =
    "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"appliedOffset\":0,"
    "\"currentVoters\":[{\"voterId\":1}],\"data_version\":0}";

static void test_quorum_state(void **state)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "{}",
                                      "[]",
                                      "{\"leaderEpoch\":1}",
                                      "{\"leaderEpoch\":1,\"data_version\":2}",
                                      "{\"leaderEpoch\":99999999999,\"data_version\":0}",
                                      "{\"leaderEpoch\":1,\"data_version\":0}x",
                                      "{\"leaderEpoch\":1,\"data_version\":0,\"votedDirectoryId\":\"x\"}",
                                      "{\"leaderEpoch\":-1,\"data_version\":0}",
                                      "{\"x\":[[[{\"leaderEpoch\":1,\"data_version\":0}"};
    char text[QUORUM_STATE_SIZE];
    struct quorum_state s;
    struct err err = {0};

    (void)state;
    assert_int_equal(quorum_state_parse(str_from(kafka_state), &s, &err), STATUS_OK);
    assert_true(s.leader_id == 1 && s.leader_epoch == 1 && s.voted_id == -1 && s.version == 0 && s.voters == 1);
    assert_int_equal(quorum_state_format(&s, 1, text), sizeof kafka_state - 1);
    assert_string_equal(text, kafka_state);
    s.version = 1;
    (void)quorum_state_format(&s, 1, text);
    assert_string_equal(text, "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"votedDirectoryId\":"
                              "\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}");
    assert_int_equal(quorum_state_parse(str_from(text), &s, &err), STATUS_OK);
    assert_int_equal(s.version, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(quorum_state_parse(str_from(bad[i]), &s, &err), STATUS_CORRUPT);
}

static void test_epochs_grow(void **state)
{
    struct quorum_state saved;
    struct raft raft;

    (void)state;
    raft_start(&raft, 1, 0, NULL, 0, 0, &saved);
    assert_true(raft.epoch == 1 && saved.leader_epoch == 1 && saved.leader_id == 1);
    raft_start(&raft, 1, 0, &saved, 1, 10, &saved);
    assert_int_equal(raft.epoch, 2);
    raft_start(&raft, 1, 0, &saved, 7, 10, &saved); /* the log is ahead of what was saved */
    assert_int_equal(raft.epoch, 8);
    raft_start(&raft, 1, 0, NULL, 3, 10, &saved);
    assert_int_equal(raft.epoch, 4);
}

static void test_leader_change_is_kafkas(void **state)
{
    static const uint8_t key[] = {0, 0, 0, 2}, value[] = {0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 1, 0, 0};
    struct raft_control control;
    struct quorum_state saved;
    struct raft raft;

    (void)state;
    raft_start(&raft, 1, 0, NULL, 0, 0, &saved);
    raft_leader_change(&raft, &control);
    assert_memory_equal(control.key, key, sizeof key);
    assert_int_equal(control.value_size, sizeof value);
    assert_memory_equal(control.value, value, sizeof value);
    raft_start(&raft, 1, 1, NULL, 0, 0, &saved);
    raft_leader_change(&raft, &control);
    assert_int_equal(control.value_size, sizeof value);
    assert_memory_equal(control.value, value, sizeof value);
    assert_int_equal(saved.version, 1);
}

static void test_high_watermark(void **state)
{
    struct quorum_state saved;
    struct raft raft;

    (void)state;
    raft_start(&raft, 1, 0, NULL, 2, 10, &saved);
    assert_false(raft_durable(&raft, 10)); /* of former epochs: commits with the first record of this one */
    raft_appended(&raft, 11);
    raft_appended(&raft, 15);
    assert_true(raft_durable(&raft, 11));
    assert_int_equal(raft.high_watermark, 11);
    assert_false(raft_durable(&raft, 11));
    assert_true(raft_durable(&raft, 15));
    assert_int_equal(raft.high_watermark, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quorum_state),
        cmocka_unit_test(test_epochs_grow),
        cmocka_unit_test(test_leader_change_is_kafkas),
        cmocka_unit_test(test_high_watermark),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
