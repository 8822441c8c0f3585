/* SPDX-License-Identifier: Apache-2.0
 * Starting and stopping the real world: a thread per shard over epoll, the machine's files, signals.
 *
 * rt_run blocks in the calling thread (which becomes shard 0) until rt_stop was called and every shard has left its loop. SIGTERM and
 * SIGINT are blocked in all threads and arrive as `on_signal` on shard 0 (signalfd). SIGPIPE is ignored.
 */
#ifndef RT_RUN_H
#define RT_RUN_H

#include <stddef.h>

#include "base/err.h"

struct shard;
struct fs;

struct rt_options {
    unsigned shards;        /* at least 1 */
    unsigned job_threads;   /* per shard, at least 1 */
    size_t buffer_budget;   /* bytes of receive buffers per shard */
    struct fs *fs;          /* borrowed */
    void *context;          /* passed to on_start and on_signal */
    void (*on_start)(struct shard *shard, void *context);  /* first thing on each shard's own thread; shard 0 first, the others once it returned */
    void (*on_signal)(struct shard *shard, int signal, void *context); /* on shard 0 */
};

enum status rt_run(const struct rt_options *options, struct err *err) MUST_CHECK;

/* From any shard: every shard leaves its loop at the end of its turn. */
void rt_stop(struct shard *shard);

/* How many descriptors this process may have; raised as far as it may be. */
unsigned rt_files_max(void);

/* Bytes of the machine's memory that are this process's alone: without files that are mapped, its program among them. 0: the system does not tell. Any thread. */
uint64_t rt_memory(void);

/* Cores that this process may use (at least 1). */
unsigned rt_cores(void);

/* Before there is a shard (seeding a map, an id for a new directory) and for the command line. */
void rt_entropy(void *bytes, size_t size);
int64_t rt_wall_ms(void);
void rt_sleep_ms(unsigned ms);

/* This machine's name, as gethostname tells it; cut at size. */
void rt_host_name(char *name, size_t size);

#endif
