/* SPDX-License-Identifier: Apache-2.0
 * See metrics.h.
 */
#include "broker/metrics.h"

#include <assert.h>
#include <stdarg.h>

#include "broker/api.h"
#include "broker/broker.h"
#include "broker/cleaner.h"
#include "broker/fetch_sessions.h"
#include "broker/groups.h"
#include "broker/scrubbing.h"
#include "rt/io.h"
#include "store/scrub.h"

enum { SAMPLE_MS = 1000 };

/* ---- looking ---- */

static void sample_memory(struct broker_shard *b)
{
    struct metrics *m = &b->metrics;
    gauge_set(&m->memory[MEMORY_REQUESTS], io_buffers_held(shard_io(b->shard)));
    gauge_set(&m->memory[MEMORY_ANSWERS], m->answers ? *m->answers : 0);
    gauge_set(&m->memory[MEMORY_TAILS], store_tails_held(b->store));
    gauge_set(&m->memory[MEMORY_CLEANING], cleaner_holds(b->cleaner));
    gauge_set(&m->memory[MEMORY_INDEXES], store_indexes_held(b->store));
    gauge_set(&m->memory[MEMORY_PARTITIONS], b->partitions_held.held);
    gauge_set(&m->memory[MEMORY_PRODUCERS], b->producers.count * MEMORY_PRODUCER);
    gauge_set(&m->memory[MEMORY_METADATA], b->image->memory.held + (b->metadata ? metadata_image(b->metadata)->memory.held : 0));
    gauge_set(&m->memory[MEMORY_GROUPS], groups_memory(b->groups));
    gauge_set(&m->memory[MEMORY_SESSIONS], fetch_sessions_memory(b->sessions));
    gauge_set(&m->memory[MEMORY_CONNECTIONS], io_sockets_held(shard_io(b->shard)) + (m->connections_held ? *m->connections_held : 0));
}

static void sample_partitions(struct broker_shard *b)
{
    for (unsigned life = 0; life < PARTITION_LIVES; life++)
        gauge_set(&b->metrics.values[METRIC_ASLEEP + life], b->lives[life]);
}

static void sample(struct broker_shard *b)
{
    struct metrics *m = &b->metrics;
    struct store_written written = store_written(b->store);
    struct scrub_counts scrubbed = scrubbing_counts(b->scrubbing);

    gauge_set(&m->values[METRIC_CONNECTIONS], m->connections ? *m->connections : 0);
    gauge_set(&m->values[METRIC_JOURNALED], written.journaled);
    gauge_set(&m->values[METRIC_DIRECT], written.direct);
    gauge_set(&m->values[METRIC_SCRUB_ROUNDS], scrubbed.rounds);
    gauge_set(&m->values[METRIC_SCRUB_SEGMENTS], scrubbed.segments);
    gauge_set(&m->values[METRIC_SCRUB_BYTES], scrubbed.bytes);
    gauge_set(&m->values[METRIC_SCRUB_FINDINGS], scrubbed.findings);
    sample_partitions(b);
    sample_memory(b);
}

static void sample_again(struct shard *here, struct timer *timer)
{
    sample(broker_at(here));
    timer_set(here, timer, shard_now_ms(here) + SAMPLE_MS, sample_again);
}

void metrics_start(struct broker_shard *b)
{
    if (config_str(b->broker->config, CONFIG_BARNABAS_METRICS_LISTENER).size)
        timer_set(b->shard, &b->metrics.timer, shard_now_ms(b->shard), sample_again);
}

void metrics_stop(struct broker_shard *b)
{
    timer_cancel(b->shard, &b->metrics.timer);
}

/* ---- telling ---- */

/* Rows of one name stand together: it is explained before the first of them. */
static const struct {
    enum metric metric;
    const char *name, *labels, *type, *help;
} rows[] = {
    {METRIC_CONNECTIONS, "connections", "", "gauge", "Open connections of clients."},
    {METRIC_ASLEEP, "partitions", "{state=\"asleep\"}", "gauge", "Partitions of this broker."},
    {METRIC_WAKING, "partitions", "{state=\"waking\"}", NULL, NULL},
    {METRIC_AWAKE, "partitions", "{state=\"awake\"}", NULL, NULL},
    {METRIC_BROKEN, "partitions", "{state=\"broken\"}", NULL, NULL},
    {METRIC_ENDING, "partitions", "{state=\"ending\"}", NULL, NULL},
    {METRIC_JOURNALED, "committed_bytes_total", "{to=\"journal\"}", "counter", "Bytes of batches that became durable."},
    {METRIC_DIRECT, "committed_bytes_total", "{to=\"segment\"}", NULL, NULL},
    {METRIC_SCRUB_ROUNDS, "scrubber_rounds_total", "", "counter", "Rounds over all segments that are no longer written to."},
    {METRIC_SCRUB_SEGMENTS, "scrubber_segments_total", "", "counter", "Segments that were read and checked."},
    {METRIC_SCRUB_BYTES, "scrubber_bytes_total", "", "counter", "Bytes that were read and checked."},
    {METRIC_SCRUB_FINDINGS, "scrubber_findings_total", "", "counter", "Things found to be wrong: bad batches, broken indexes."},
    {METRIC_CLEAN_RUNS, "cleaner_runs_total", "", "counter", "Compactions that ended well."},
    {METRIC_CLEAN_MS, "cleaner_milliseconds_total", "", "counter", "Time that they took."},
    {METRIC_CLEAN_READ, "cleaner_read_bytes_total", "", "counter", "Bytes that they read."},
    {METRIC_CLEAN_BYTES_BEFORE, "cleaner_bytes_total", "{when=\"before\"}", "counter", "Bytes of what they compacted."},
    {METRIC_CLEAN_BYTES_AFTER, "cleaner_bytes_total", "{when=\"after\"}", NULL, NULL},
    {METRIC_CLEAN_RECORDS_BEFORE, "cleaner_records_total", "{when=\"before\"}", "counter", "Records of what they compacted."},
    {METRIC_CLEAN_RECORDS_AFTER, "cleaner_records_total", "{when=\"after\"}", NULL, NULL},
};

struct text {
    char *to;
    size_t used; /* of METRICS_TEXT_MAX */
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
    size_t room = METRICS_TEXT_MAX - t->used;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(t->to + t->used, room, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < room) /* a line that has no room is left out */
        t->used += (size_t)n;
}

static void put_head(struct text *t, const char *name, const char *type, const char *help)
{
    put(t, "# HELP barnabas_%s %s\n# TYPE barnabas_%s %s\n", name, help, name, type);
}

/* A label's value, as the format wants it. */
static void put_quoted(struct text *t, const char *value)
{
    put(t, "\"");
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            put(t, "\\");
        put(t, "%c", *value == '\n' ? ' ' : *value);
    }
    put(t, "\"");
}

/* Of all shards. */
static uint64_t sum(const struct broker *broker, size_t offset)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < broker->shards; i++)
        all += gauge_get((const struct gauge *)(const void *)((const char *)&broker->by_shard[i]->metrics + offset));
    return all;
}

static void put_memory(const struct broker *broker, uint64_t process, struct text *t)
{
    uint64_t named = 0;

    put_head(t, "memory_bytes", "gauge", "Bytes that each user of barnabas.memory.max holds, and the process beside them.");
    for (unsigned i = 0; i < MEMORY_USERS; i++) {
        uint64_t held = sum(broker, offsetof(struct metrics, memory) + i * sizeof(struct gauge));

        named += held;
        put(t, "barnabas_memory_bytes{user=\"%s\"} %llu\n", memory_user_name(i), (unsigned long long)held);
    }
    put(t, "barnabas_memory_bytes{user=\"other\"} %llu\n", (unsigned long long)(process > named ? process - named : 0));
    put_head(t, "memory_limit_bytes", "gauge", "Bytes that each of them may hold.");
    for (unsigned i = 0; i < MEMORY_USERS; i++)
        put(t, "barnabas_memory_limit_bytes{user=\"%s\"} %zu\n", memory_user_name(i), memory_share(broker->config, i, broker->shards) * broker->shards);
}

static void put_requests(const struct broker *broker, struct text *t)
{
    put_head(t, "requests_total", "counter", "Requests that were received.");
    for (unsigned i = 0; i < services_count && i < METRICS_APIS; i++)
        put(t, "barnabas_requests_total{api=\"%s\"} %llu\n", services[i].api->name, (unsigned long long)sum(broker, offsetof(struct metrics, requests) + i * sizeof(struct gauge)));
}

static void put_dirs(const struct broker *broker, struct text *t)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } columns[] = {
        {"log_dir_free_bytes", "Bytes that are free on the volume of a log directory.", offsetof(struct metrics_dir, free)},
        {"log_dir_size_bytes", "Bytes of that volume.", offsetof(struct metrics_dir, total)},
        {"log_dir_reserve_bytes", "When less than that is free, produce is refused.", offsetof(struct metrics_dir, reserve)},
        {"log_dir_low", "1: it is.", offsetof(struct metrics_dir, low)},
    };

    static_assert((int)METRICS_DIRS == (int)DIRS_MAX, "a row for each");
    for (unsigned i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        put_head(t, columns[i].name, "gauge", columns[i].help);
        for (unsigned dir = 0; dir < broker->dirs_count; dir++) {
            put(t, "barnabas_%s{dir=", columns[i].name);
            put_quoted(t, broker->dirs[dir].path);
            put(t, "} %llu\n", (unsigned long long)sum(broker, offsetof(struct metrics, dirs) + dir * sizeof(struct metrics_dir) + columns[i].offset));
        }
    }
}

size_t metrics_text(const struct broker *broker, uint64_t process, char text[static METRICS_TEXT_MAX])
{
    struct text t = {.to = text};

    put_memory(broker, process, &t);
    put_requests(broker, &t);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].type)
            put_head(&t, rows[i].name, rows[i].type, rows[i].help);
        put(&t, "barnabas_%s%s %llu\n", rows[i].name, rows[i].labels, (unsigned long long)sum(broker, offsetof(struct metrics, values) + rows[i].metric * sizeof(struct gauge)));
    }
    put_dirs(broker, &t);
    return t.used;
}
