/* SPDX-License-Identifier: Apache-2.0
 * What a shard counts, for others to read: the exporter's thread (exporter.h) takes it as it stands, and asks nobody.
 *
 * What happens is counted where it happens (metric_add). What is so at a time is looked at once a second, while barnabas.metrics.listener is set. Nothing here grows
 * with what there is: a row for each of the broker's APIs, of its log directories, of the users of memory.
 */
#ifndef BROKER_METRICS_H
#define BROKER_METRICS_H

#include "broker/memory.h"
#include "rt/gauge.h"
#include "rt/shard.h"

struct broker;
struct broker_shard;

enum metric {
    METRIC_CONNECTIONS,
    METRIC_ASLEEP, /* partitions, in the order of enum partition_life */
    METRIC_WAKING,
    METRIC_AWAKE,
    METRIC_BROKEN,
    METRIC_ENDING,
    METRIC_JOURNALED, /* bytes that commits took to the journal, and directly to segments */
    METRIC_DIRECT,
    METRIC_SCRUB_ROUNDS, /* in the order of struct scrub_counts */
    METRIC_SCRUB_SEGMENTS,
    METRIC_SCRUB_BYTES,
    METRIC_SCRUB_FINDINGS,
    METRIC_CLEAN_RUNS,
    METRIC_CLEAN_MS,
    METRIC_CLEAN_READ,
    METRIC_CLEAN_BYTES_BEFORE,
    METRIC_CLEAN_BYTES_AFTER,
    METRIC_CLEAN_RECORDS_BEFORE,
    METRIC_CLEAN_RECORDS_AFTER,
    METRICS,
};

enum { METRICS_APIS = 96, METRICS_DIRS = 64, METRICS_TEXT_MAX = 256 << 10 };

struct metrics {
    struct timer timer;
    const size_t *connections, *connections_held, *answers; /* the net's: how many, and bytes; NULL: it is not there */
    struct gauge values[METRICS];
    struct gauge memory[MEMORY_USERS];   /* bytes */
    struct gauge requests[METRICS_APIS]; /* as they stand in services[] */
    struct metrics_dir {                 /* on shard 0 */
        struct gauge free, total, reserve, low;
    } dirs[METRICS_DIRS];
};

void metrics_start(struct broker_shard *b); /* nothing, unless somebody may read */
void metrics_stop(struct broker_shard *b);

/* Everything in Prometheus' text format, at most METRICS_TEXT_MAX bytes; `process`: what the process holds. Any thread, from the start of the shards until the broker is closed. */
size_t metrics_text(const struct broker *broker, uint64_t process, char text[static METRICS_TEXT_MAX]);

#endif
