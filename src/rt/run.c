/* SPDX-License-Identifier: Apache-2.0
 * See run.h: the driver (world.h) of the real world.
 *
 * Everything is made in the calling thread before any other starts, and freed after all have ended. on_start is the first mail in each
 * shard's mailbox; shard 0 has its first turn before the others' threads start.
 */
#include "rt/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "rt/io_epoll.h"
#include "rt/world.h"

enum {
    FILES_AT_LEAST = 256, /* descriptors, when the system does not tell */
};

struct runner { /* one a shard */
    struct run *run;
    struct shard *shard;
    struct io *io;
    struct mail start;
    pthread_t thread; /* not shard 0's, which runs in the caller's */
    bool started;
};

struct run {
    const struct rt_options *options;
    struct shard_set set;
    struct runner *runners;
    int signals; /* a signalfd, -1: none */
    struct epoll_source signals_source;
    struct mail signal_mail;
    bool signal_posted;
    sigset_t mask_before;
};

static void clocks(uint64_t *now_us, int64_t *wall_ms)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    *now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    *wall_ms = rt_wall_ms();
}

/* One turn; the time that it was given. */
static uint64_t runner_turn(struct runner *runner)
{
    uint64_t now_us;
    int64_t wall_ms;

    clocks(&now_us, &wall_ms);
    shard_turn(runner->shard, now_us, wall_ms);
    return now_us;
}

static void *runner_loop(void *context)
{
    struct runner *runner = context;
    struct shard *shard = runner->shard;

    shard_enter(shard); /* also while it waits: a listener that runs out of descriptors sets a timer then */
    while (!shard_stopped(shard)) {
        uint64_t now_us = runner_turn(runner), next_us = shard_next_us(shard);
        if (next_us <= now_us || !shard_sleep(shard))
            io_epoll_wait(runner->io, 0);
        else
            io_epoll_wait(runner->io, next_us == SHARD_NEVER ? SHARD_NEVER : next_us - now_us);
    }
    shard_enter(NULL);
    return NULL;
}

static void on_start(struct shard *shard, struct mail *mail)
{
    const struct rt_options *options = LIST_ENTRY(mail, struct runner, start)->run->options;

    options->on_start(shard, options->context);
}

/* --- signals --- */

static void on_signal_mail(struct shard *shard, struct mail *mail)
{
    struct run *run = LIST_ENTRY(mail, struct run, signal_mail);
    struct signalfd_siginfo info;

    run->signal_posted = false;
    while (read(run->signals, &info, sizeof info) == sizeof info)
        run->options->on_signal(shard, (int)info.ssi_signo, run->options->context);
}

static void signal_ready(struct epoll_source *source, uint32_t events)
{
    struct run *run = LIST_ENTRY(source, struct run, signals_source);

    if (run->signal_posted)
        return;
    run->signal_posted = true;
    run->signal_mail.next = NULL;
    shard_deliver(run->set.shards[0], &run->signal_mail, &run->signal_mail);
}

static enum status take_signals(struct run *run, struct err *err)
{
    sigset_t taken;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&taken);
    sigaddset(&taken, SIGTERM);
    sigaddset(&taken, SIGINT);
    pthread_sigmask(SIG_BLOCK, &taken, &run->mask_before);
    run->signals = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
    return run->signals < 0 ? err_sys(err, STATUS_IO, errno, "make a signalfd") : STATUS_OK;
}

static void give_signals_back(struct run *run)
{
    if (run->signals >= 0)
        close(run->signals);
    pthread_sigmask(SIG_SETMASK, &run->mask_before, NULL);
}

/* --- life --- */

static enum status runner_make(struct run *run, unsigned id, struct err *err)
{
    const struct rt_options *options = run->options;
    struct runner *runner = &run->runners[id];
    uint64_t now_us;
    int64_t wall_ms;
    enum status status = io_epoll_new(options->buffer_budget, options->job_threads, &runner->io, err);

    if (status != STATUS_OK)
        return status;
    clocks(&now_us, &wall_ms);
    runner->run = run;
    runner->start.run = on_start;
    runner->shard = shard_new(&run->set, id, runner->io, options->fs, now_us, wall_ms);
    run->set.shards[id] = runner->shard;
    if (!runner->shard)
        return err_set(err, STATUS_NO_MEMORY, "start a shard: no memory");
    shard_deliver(runner->shard, &runner->start, &runner->start);
    return STATUS_OK;
}

static enum status run_make(struct run *run, struct err *err)
{
    unsigned count = run->options->shards;
    enum status status = take_signals(run, err);

    run->runners = mem_alloc(count, sizeof *run->runners);
    run->set.shards = mem_alloc(count, sizeof(struct shard *));
    if (status == STATUS_OK && (!run->runners || !run->set.shards))
        status = err_set(err, STATUS_NO_MEMORY, "start: no memory");
    if (status != STATUS_OK)
        return status;
    run->set.count = count; /* those that could not be made stay NULL */
    for (unsigned i = 0; i < count && status == STATUS_OK; i++)
        status = runner_make(run, i, err);
    run->signals_source.ready = signal_ready;
    run->signal_mail.run = on_signal_mail;
    if (status == STATUS_OK)
        status = io_epoll_watch(run->runners[0].io, run->signals, &run->signals_source, err);
    return status;
}

static void run_free(struct run *run)
{
    for (unsigned i = 0; i < run->set.count; i++) { /* before any mailbox goes */
        if (run->runners[i].io)
            io_epoll_stop_jobs(run->runners[i].io);
    }
    for (unsigned i = 0; i < run->set.count; i++) {
        shard_enter(run->runners[i].shard); /* a listener that pauses has a timer */
        io_epoll_free(run->runners[i].io);
        shard_free(run->runners[i].shard);
    }
    shard_enter(NULL);
    mem_free(run->set.shards);
    mem_free(run->runners);
    give_signals_back(run);
}

/* Every shard's thread but the first's; when one cannot be started, those that were are stopped. */
static enum status start_threads(struct run *run, struct err *err)
{
    for (unsigned i = 1; i < run->set.count; i++) {
        int failed = pthread_create(&run->runners[i].thread, NULL, runner_loop, &run->runners[i]);
        if (failed) {
            rt_stop(run->set.shards[0]);
            return err_sys(err, STATUS_IO, failed, "start a shard's thread");
        }
        run->runners[i].started = true;
    }
    return STATUS_OK;
}

enum status rt_run(const struct rt_options *options, struct err *err)
{
    struct run run = {.options = options, .signals = -1};
    enum status status;

    ASSERT(options->shards > 0 && options->job_threads > 0);
    status = run_make(&run, err);
    if (status == STATUS_OK) {
        runner_turn(&run.runners[0]);
        if (!shard_stopped(run.set.shards[0]))
            status = start_threads(&run, err);
        runner_loop(&run.runners[0]);
    }
    for (unsigned i = 1; i < run.set.count; i++) {
        if (run.runners[i].started)
            pthread_join(run.runners[i].thread, NULL);
    }
    run_free(&run);
    return status;
}

unsigned rt_files_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return FILES_AT_LEAST;
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t was = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            limit.rlim_cur = was;
    }
    return limit.rlim_cur < INT32_MAX ? (unsigned)limit.rlim_cur : INT32_MAX;
}

uint64_t rt_memory(void)
{
    unsigned long long resident, mapped;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    char text[128] = "";

    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof text - 1) < 0)
        text[0] = 0;
    close(fd);
    if (sscanf(text, "%*u %llu %llu", &resident, &mapped) != 2 || resident < mapped)
        return 0;
    return (resident - mapped) * (uint64_t)sysconf(_SC_PAGESIZE);
}

unsigned rt_cores(void)
{
    cpu_set_t cores;

    if (sched_getaffinity(0, sizeof cores, &cores) < 0)
        return 1; /* more of them than the set holds */
    return (unsigned)CPU_COUNT(&cores);
}

void rt_entropy(void *bytes, size_t size)
{
    ssize_t n = getrandom(bytes, size, 0);

    ASSERT(n == (ssize_t)size);
}

int64_t rt_wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void rt_sleep_ms(unsigned ms)
{
    (void)poll(NULL, 0, (int)(ms < INT_MAX ? ms : INT_MAX)); /* a signal ends it early */
}

void rt_host_name(char *name, size_t size)
{
    if (gethostname(name, size) < 0 || size == 0)
        return;
    name[size - 1] = 0;
}
