/* SPDX-License-Identifier: Apache-2.0
 * Turns: mail between shards and to oneself, the end of a turn, timers, randomness, signals and the end.
 */
#include <signal.h>
#include <unistd.h>

#include "base/mem.h"
#include "worlds.h"

/* --- mail --- */

enum { SHARDS = 4, LETTERS = 20000 };

struct letter {
    struct mail mail;
    struct shard *from;
    unsigned number;
};

struct office { /* what each shard keeps */
    struct letter letters[LETTERS];
    unsigned expected[SHARDS]; /* the next number from each sender */
    unsigned returned;
};

static struct office *offices[SHARDS];
static unsigned offices_done;
static struct mail done_mails[SHARDS];

static void office_done(struct shard *here, struct mail *mail)
{
    if (++offices_done == SHARDS)
        rt_stop(here);
}

static void letter_returns(struct shard *here, struct mail *mail)
{
    struct office *office = offices[shard_id(here)];

    shard_assert(here);
    ASSERT(LIST_ENTRY(mail, struct letter, mail)->from == here);
    if (++office->returned == LETTERS) {
        done_mails[shard_id(here)].run = office_done;
        shard_post(here, shard_peer(here, 0), &done_mails[shard_id(here)]);
    }
}

static void letter_arrives(struct shard *here, struct mail *mail)
{
    struct letter *letter = LIST_ENTRY(mail, struct letter, mail);
    unsigned *expected = &offices[shard_id(here)]->expected[shard_id(letter->from)];

    shard_assert(here);
    ASSERT(letter->number == *expected); /* in order for each sender */
    *expected += SHARDS;
    letter->mail.run = letter_returns;
    shard_post(here, letter->from, &letter->mail);
}

static void start_office(struct shard *shard, void *context)
{
    unsigned id = shard_id(shard);
    struct office *office = offices[id];

    for (unsigned i = 0; i < SHARDS; i++)
        office->expected[i] = id; /* numbers go round the shards */
    shard_set_context(shard, office);
    ASSERT(shard_context(shard) == office && shard_count(shard) == SHARDS);
    for (unsigned i = 0; i < LETTERS; i++) {
        office->letters[i] = (struct letter){.mail = {.run = letter_arrives}, .from = shard, .number = i};
        shard_post(shard, shard_peer(shard, i % SHARDS), &office->letters[i].mail);
    }
}

static void test_mail_goes_round_in_order(void **state)
{
    struct fs *fs = fs_mem_new();

    offices_done = 0;
    for (unsigned i = 0; i < SHARDS; i++)
        assert_non_null(offices[i] = mem_alloc(1, sizeof *offices[i]));
    run_scenario(state, &(struct scenario){.shards = SHARDS, .fs = fs, .start = start_office});
    for (unsigned i = 0; i < SHARDS; i++) {
        assert_int_equal(offices[i]->returned, LETTERS);
        mem_free(offices[i]);
    }
    fs_free(fs);
}

/* --- ping-pong: a wake-up each way --- */

static unsigned hops;

static void hop(struct shard *here, struct mail *mail)
{
    if (++hops == 2000)
        rt_stop(here);
    else
        shard_post(here, shard_peer(here, 1 - shard_id(here)), mail);
}

static void start_hops(struct shard *shard, void *context)
{
    static struct mail mail = {.run = hop};

    if (shard_id(shard) == 0)
        shard_post(shard, shard_peer(shard, 1), &mail);
}

static void test_sleeping_shards_are_woken(void **state)
{
    hops = 0;
    run_scenario(state, &(struct scenario){.shards = 2, .start = start_hops});
    assert_int_equal(hops, 2000);
}

/* --- the order within a turn --- */

static char story[64];
static struct mail to_self, end_first, end_second, end_again;
static struct timer past;

static void tell(const char *what)
{
    size_t size = strlen(story);

    (void)snprintf(story + size, sizeof story - size, "%s ", what);
}

static void on_end_again(struct shard *here, struct mail *mail)
{
    tell("end3");
    rt_stop(here);
}

static void on_end_second(struct shard *here, struct mail *mail)
{
    tell("end2");
    end_again.run = on_end_again;
    shard_at_turn_end(here, &end_again); /* of the next turn */
}

static void on_end_first(struct shard *here, struct mail *mail)
{
    tell("end1");
}

static void on_self(struct shard *here, struct mail *mail)
{
    tell("mail");
}

static void on_past(struct shard *here, struct timer *timer)
{
    tell("timer");
}

static void start_story(struct shard *shard, void *context)
{
    to_self.run = on_self;
    end_first.run = on_end_first;
    end_second.run = on_end_second;
    shard_post(shard, shard, &to_self);
    shard_at_turn_end(shard, &end_first);
    shard_at_turn_end(shard, &end_second);
    timer_set(shard, &past, shard_now_ms(shard) - 1, on_past); /* timers come after mail in the same turn */
    tell("start");
}

static void test_order_within_a_turn(void **state)
{
    memset(story, 0, sizeof story);
    run_scenario(state, &(struct scenario){.shards = 1, .start = start_story});
    assert_string_equal(story, "start timer end1 end2 mail end3 ");
}

/* --- timers --- */

enum { TIMERS = 50 };

static struct timer timers[TIMERS], cancelled, rearmed;
static unsigned fired;
static uint64_t started_ms, last_ms;

static void on_cancelled(struct shard *here, struct timer *timer)
{
    ASSERT(false && "cancelled");
}

static void on_rearmed(struct shard *here, struct timer *timer)
{
    ASSERT(shard_now_ms(here) >= started_ms + 60 && !timer->armed && fired == TIMERS);
    rt_stop(here);
}

static void on_timer(struct shard *here, struct timer *timer)
{
    ASSERT(shard_now_ms(here) >= timer->deadline_ms && timer->deadline_ms >= last_ms && !timer->armed);
    last_ms = timer->deadline_ms;
    if (++fired == TIMERS / 2)
        timer_cancel(here, &cancelled);
}

static void start_timers(struct shard *shard, void *context)
{
    started_ms = shard_now_ms(shard);
    timer_cancel(shard, &cancelled); /* harmless */
    timer_set(shard, &cancelled, started_ms + 55, on_cancelled);
    timer_set(shard, &rearmed, started_ms + 1, on_cancelled);
    timer_set(shard, &rearmed, started_ms + 60, on_rearmed);
    for (unsigned i = 0; i < TIMERS; i++)
        timer_set(shard, &timers[i], started_ms + i * 37 % TIMERS, on_timer);
}

static void test_timers(void **state)
{
    fired = 0;
    last_ms = 0;
    run_scenario(state, &(struct scenario){.shards = 1, .start = start_timers});
    assert_int_equal(fired, TIMERS);
}

/* --- randomness and time --- */

static void start_random(struct shard *shard, void *context)
{
    uint64_t ones = 0, zeros = 0;
    int64_t wall_ms = shard_wall_ms(shard);

    for (unsigned i = 0; i < 1000; i++) {
        uint64_t word = shard_random(shard);
        struct uuid id = shard_random_uuid(shard);
        char text[UUID_TEXT_SIZE];
        ones |= word;
        zeros |= ~word;
        uuid_format(id, text);
        ASSERT(text[0] != '-' && id.b[6] >> 4 == 4 && id.b[8] >> 6 == 2);
    }
    ASSERT(ones == UINT64_MAX && zeros == UINT64_MAX);
    ASSERT(wall_ms > 1600000000000 && shard_now_us(shard) / 1000 == shard_now_ms(shard));
    rt_stop(shard);
}

static void test_randomness_and_time(void **state)
{
    run_scenario(state, &(struct scenario){.shards = 1, .start = start_random});
}

/* --- signals, and a start that fails --- */

static int signal_seen;

static void start_kill(struct shard *shard, void *context)
{
    kill(getpid(), SIGTERM);
}

static void on_signal(struct shard *shard, int number, void *context)
{
    shard_assert(shard);
    ASSERT(shard_id(shard) == 0);
    signal_seen = number;
    rt_stop(shard);
}

static void test_signals_arrive_on_shard_0(void **state)
{
    const struct rt_options options = {.shards = 1, .job_threads = 1, .on_start = start_kill, .on_signal = on_signal};
    struct err err;

    assert_int_equal(rt_run(&options, &err), STATUS_OK);
    assert_int_equal(signal_seen, SIGTERM);
}

static void start_and_stop(struct shard *shard, void *context)
{
    ASSERT(shard_id(shard) == 0); /* the others never start */
    rt_stop(shard);
}

static void test_a_start_that_stops(void **state)
{
    run_scenario(state, &(struct scenario){.shards = 3, .start = start_and_stop});
}

static void test_every_allocation_of_the_start_may_fail(void **state)
{
    const struct rt_options options = {.shards = 2, .job_threads = 1, .on_start = start_and_stop, .on_signal = on_signal};
    enum status status = STATUS_NO_MEMORY;
    struct err err;

    for (uint64_t n = 1; status != STATUS_OK; n++) {
        mem_fail_at(n);
        status = rt_run(&options, &err);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        assert_in_range(n, 1, 100);
    }
    mem_fail_at(0);
}

static void test_cores_and_entropy(void **state)
{
    uint64_t words[2] = {0};

    assert_in_range(rt_cores(), 1, 1024);
    rt_entropy(words, sizeof words);
    assert_true(words[0] != words[1]);
    assert_true(rt_wall_ms() > 1600000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH_WORLDS(test_mail_goes_round_in_order),
        IN_BOTH_WORLDS(test_sleeping_shards_are_woken),
        IN_BOTH_WORLDS(test_order_within_a_turn),
        IN_BOTH_WORLDS(test_timers),
        IN_BOTH_WORLDS(test_randomness_and_time),
        IN_BOTH_WORLDS(test_a_start_that_stops),
        cmocka_unit_test(test_signals_arrive_on_shard_0),
        cmocka_unit_test(test_every_allocation_of_the_start_may_fail),
        cmocka_unit_test(test_cores_and_entropy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
