/* SPDX-License-Identifier: Apache-2.0
 * The simulated world: the same seed tells the same story, another seed another one; clients; what breaks.
 */
#include "sim/sim.h"

#include "base/assert.h"
#include "base/mem.h"
#include "rt/io.h"
#include "rt/run.h"
#include "test/unit/cm.h"

/* An upper-casing server whose answer goes through a job and a second shard. */
struct connection {
    struct io_op recv, send;
    struct io_job job;
    struct mail mail;
    struct io_socket *socket;
    struct shard *home;
    struct io_piece piece;
};

static struct io_socket *listener;
static struct io_op accept_op;
static unsigned connections_open;
static int64_t last_result;

static void connection_sent(struct shard *here, struct io_op *op)
{
    struct connection *c = LIST_ENTRY(op, struct connection, send);

    io_buffer_unref(c->recv.buffer);
    io_recv(shard_io(here), c->socket, &c->recv, IO_BUFFER_SIZE);
}

static void connection_answers(struct shard *here, struct mail *mail)
{
    struct connection *c = LIST_ENTRY(mail, struct connection, mail);

    c->piece = (struct io_piece){.data = c->recv.buffer->data, .size = (size_t)c->recv.result};
    io_send(shard_io(here), c->socket, &c->send, &c->piece, 1);
}

static void connection_visits(struct shard *here, struct mail *mail)
{
    struct connection *c = LIST_ENTRY(mail, struct connection, mail);

    c->mail.run = connection_answers;
    shard_post(here, c->home, &c->mail);
}

static void upper_case(struct io_job *job)
{
    struct connection *c = LIST_ENTRY(job, struct connection, job);

    for (int64_t i = 0; i < c->recv.result; i++)
        c->recv.buffer->data[i] &= 0xdf;
}

static void upper_cased(struct shard *here, struct io_job *job)
{
    struct connection *c = LIST_ENTRY(job, struct connection, job);

    c->mail.run = connection_visits;
    shard_post(here, shard_peer(here, 1), &c->mail);
}

static void connection_received(struct shard *here, struct io_op *op)
{
    struct connection *c = LIST_ENTRY(op, struct connection, recv);

    last_result = op->result;
    if (op->result > 0) {
        c->job = (struct io_job){.work = upper_case, .done = upper_cased};
        io_job_submit(shard_io(here), &c->job);
        return;
    }
    io_close(shard_io(here), c->socket, NULL);
    mem_free(c);
    connections_open--;
}

static void accepted(struct shard *here, struct io_op *op)
{
    struct connection *c = mem_alloc(1, sizeof *c);

    connections_open++;
    c->home = here;
    c->socket = op->socket;
    c->recv.done = connection_received;
    c->send.done = connection_sent;
    io_recv(shard_io(here), c->socket, &c->recv, IO_BUFFER_SIZE);
    io_accept(shard_io(here), listener, &accept_op);
}

static void start(struct shard *shard, void *context)
{
    struct err err;
    uint16_t bound;

    if (shard_id(shard) != 0)
        return;
    ASSERT(io_listen(shard_io(shard), NULL, 9092, &listener, &bound, &err) == STATUS_OK);
    accept_op.done = accepted;
    io_accept(shard_io(shard), listener, &accept_op);
}

static struct sim *server(uint64_t seed)
{
    struct sim *sim = sim_new(seed, &(struct sim_options){.shards = 2, .split_percent = 40, .on_start = start});

    connections_open = 0;
    sim_run(sim, 1000);
    return sim;
}

static void ask(struct sim_client *client, const char *text, const char *answer)
{
    size_t size = strlen(text);

    sim_client_send(client, text, size);
    assert_true(sim_client_wait(client, size, 1000000));
    assert_memory_equal(sim_client_received(client).data, answer, size);
    sim_client_take(client, size);
    assert_int_equal(sim_client_received(client).size, 0);
}

static uint64_t story(uint64_t seed)
{
    struct sim *sim = server(seed);
    struct sim_client *a = sim_connect(sim, 9092), *b = sim_connect(sim, 9092);
    uint64_t hash;

    for (unsigned i = 0; i < 10; i++) {
        ask(a, "abcdefghijklmnop", "ABCDEFGHIJKLMNOP");
        ask(b, "x", "X");
    }
    sim_client_close(a);
    sim_client_close(b);
    sim_run(sim, 10000);
    assert_int_equal(connections_open, 0);
    hash = sim_hash(sim);
    sim_free(sim);
    return hash;
}

static void test_a_seed_is_a_story(void **state)
{
    uint64_t last = 0;

    for (uint64_t seed = 0; seed < 200; seed++) {
        uint64_t hash = story(seed);
        assert_true(hash == story(seed));
        assert_true(hash != last);
        last = hash;
    }
}

static void test_time_is_virtual(void **state)
{
    struct sim *sim = server(1);
    uint64_t before = sim_now_us(sim);

    sim_run(sim, UINT64_C(3600) * 1000000 * 24 * 365);
    assert_true(sim_now_us(sim) - before == UINT64_C(3600) * 1000000 * 24 * 365);
    sim_free(sim);
}

static void test_ends_and_resets(void **state)
{
    struct sim *sim = server(2);
    struct sim_client *client = sim_connect(sim, 9092);

    assert_null(sim_connect(sim, 9093));
    ask(client, "abc", "ABC");
    sim_client_end(client); /* the server sees the end, and closes */
    assert_false(sim_client_wait(client, 1, 1000000));
    assert_int_equal(sim_client_state(client), SIM_CLIENT_ENDED);
    assert_int_equal(connections_open, 0);
    assert_int_equal(last_result, 0);
    sim_client_close(client);

    client = sim_connect(sim, 9092);
    ask(client, "abc", "ABC");
    sim_client_reset(client);
    assert_int_equal(sim_client_state(client), SIM_CLIENT_RESET);
    sim_run(sim, 1000);
    assert_int_equal(connections_open, 0);
    assert_true(last_result < 0);
    sim_client_close(client);

    client = sim_connect(sim, 9092);
    ask(client, "abc", "ABC");
    sim_break_connections(sim);
    sim_run(sim, 1000);
    assert_int_equal(connections_open, 0);
    assert_int_equal(sim_client_state(client), SIM_CLIENT_RESET);
    sim_client_send(client, "a", 1); /* into the void */
    assert_false(sim_client_wait(client, 1, 1000));
    sim_client_close(client);
    sim_free(sim);
}

/* The world may end with anything under way; the sanitizer looks for what is left. */
static void test_the_world_ends_anywhere(void **state)
{
    for (uint64_t us = 0; us < 3000; us += 50) {
        struct sim *sim = server(3);
        struct sim_client *client = sim_connect(sim, 9092);
        sim_client_send(client, "abc", 3);
        sim_run(sim, us);
        sim_client_close(client);
        sim_run(sim, 100000); /* the server's own objects go with its connection */
        assert_int_equal(connections_open, 0);
        client = sim_connect(sim, 9092);
        sim_free(sim);
    }
}

/* Between runs the test's own code is shard 0's. */
static unsigned ticks;

static void tick(struct shard *here, struct timer *timer)
{
    if (++ticks < 5)
        timer_set(here, timer, shard_now_ms(here) + 10, tick);
}

static void test_code_between_runs_is_shard_0s(void **state)
{
    struct sim *sim = sim_new(4, &(struct sim_options){0});
    struct timer timer = {.armed = false};

    shard_assert(sim_shard(sim, 0));
    ticks = 0;
    timer_set(sim_shard(sim, 0), &timer, shard_now_ms(sim_shard(sim, 0)) + 10, tick);
    sim_run(sim, 9000);
    assert_int_equal(ticks, 0);
    sim_run(sim, 100000);
    assert_int_equal(ticks, 5);
    rt_stop(sim_shard(sim, 0));
    assert_true(sim_stopped(sim));
    sim_free(sim);
}

/* A disk outlives the world that wrote it. */
static void test_a_disk_can_be_kept(void **state)
{
    struct fs *fs = fs_mem_new();
    struct sim *first = sim_new(5, &(struct sim_options){.fs = fs}), *second;
    struct err err;

    assert_int_equal(fs_write_file(sim_fs(first), "f", "x", 1, &err), STATUS_OK);
    sim_free(first);
    second = sim_new(6, &(struct sim_options){.fs = fs});
    assert_true(fs_exists(sim_fs(second), "f"));
    sim_free(second);
    fs_free(fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_seed_is_a_story),
        cmocka_unit_test(test_time_is_virtual),
        cmocka_unit_test(test_ends_and_resets),
        cmocka_unit_test(test_the_world_ends_anywhere),
        cmocka_unit_test(test_code_between_runs_is_shard_0s),
        cmocka_unit_test(test_a_disk_can_be_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
