/* SPDX-License-Identifier: Apache-2.0
 * See scrubbing.h.
 */
#include "broker/scrubbing.h"

#include "base/mem.h"
#include "broker/config.h"
#include "broker/dirs.h"
#include "partition/partition.h"
#include "store/dir.h"
#include "store/scrub.h"

struct scrubbing {
    struct broker_shard *b;
    struct scrub *scrubs[DIRS_MAX]; /* NULL: the directory does not work, or it has no partitions */
    struct mail ended[DIRS_MAX];
    uint64_t ending;                /* those that were told to */
    unsigned out;                   /* those that were begun and have not ended */
    struct mail *stopped;
};

struct news { /* a finding on its way to the shard of its partition */
    struct mail mail;
    struct uuid topic_id;
    int32_t index;
    int64_t base;
    struct finding finding;
};

/* A partition that is not awake is none of our business: it will be checked when it wakes, and the next round comes by it again. */
static void scrubbing_hear(struct shard *here, struct mail *mail)
{
    struct news *news = LIST_ENTRY(mail, struct news, mail);
    enum status why;
    struct partition *p = broker_partition(broker_at(here), news->topic_id, news->index, &why);

    if (p)
        log_heal(partition_log(p), news->base, &news->finding);
    mem_free(news);
}

static void scrubbing_found(struct shard *here, void *context, const char *folder, int64_t base, const struct finding *finding)
{
    struct broker_shard *b = context;
    struct image_topic *topic;
    struct news *news;
    struct str_view name;
    int32_t index;

    if (!log_dir_partition_named(folder, &name, &index))
        return;
    topic = image_topic(b->image, name);
    if (!topic || index >= topic->count) /* of a topic that is gone, or the metadata's: it was logged */
        return;
    news = mem_alloc(1, sizeof *news);
    if (!news)
        return;
    *news = (struct news){.mail.run = scrubbing_hear, .topic_id = topic->id, .index = index, .base = base, .finding = *finding};
    news->finding.what = NULL; /* borrowed */
    shard_post(here, shard_peer(here, broker_partition_shard(b->broker, topic->id, index)), &news->mail);
}

static void scrub_ended(struct shard *here, struct mail *mail)
{
    struct scrubbing *s = broker_at(here)->scrubbing;

    if (--s->out == 0 && s->stopped)
        shard_post(here, here, s->stopped);
}

enum status scrubbing_begin(struct broker_shard *b, struct scrubbing **out)
{
    const struct broker *broker = b->broker;
    struct scrub_options options = {.found = scrubbing_found, .context = b,
                                    .bytes_per_second = (uint64_t)config_i64(broker->config, CONFIG_BARNABAS_SCRUB_BYTES_PER_SECOND),
                                    .interval_ms = (uint64_t)config_i64(broker->config, CONFIG_BARNABAS_SCRUB_INTERVAL_MS)};
    struct scrubbing *s;

    *out = NULL;
    if (!options.bytes_per_second)
        return STATUS_OK;
    *out = s = mem_alloc(1, sizeof *s);
    for (unsigned i = 0; s && i < broker->dirs_count; i++) {
        s->b = b;
        if (dir_is_offline(b, i) || !broker->dirs[i].partitions)
            continue;
        options.dir = broker->dirs[i].path;
        s->scrubs[i] = scrub_new(b->shard, &options);
        if (!s->scrubs[i])
            return STATUS_NO_MEMORY;
        s->out++;
    }
    return s ? STATUS_OK : STATUS_NO_MEMORY;
}

void scrubbing_start(struct scrubbing *s)
{
    for (unsigned i = 0; i < s->b->broker->dirs_count; i++)
        if (s->scrubs[i] && !(s->ending >> i & 1))
            scrub_start(s->scrubs[i]);
}

void scrubbing_leave(struct scrubbing *s, unsigned dir)
{
    if (!s->scrubs[dir] || (s->ending >> dir & 1))
        return;
    s->ending |= (uint64_t)1 << dir;
    s->ended[dir].run = scrub_ended;
    scrub_stop(s->scrubs[dir], &s->ended[dir]);
}

void scrubbing_stop(struct scrubbing *s, struct mail *done)
{
    s->stopped = done;
    for (unsigned i = 0; i < s->b->broker->dirs_count; i++)
        scrubbing_leave(s, i);
    if (s->out == 0)
        shard_post(s->b->shard, s->b->shard, done);
}

struct scrub_counts scrubbing_counts(const struct scrubbing *s)
{
    struct scrub_counts all = {0};

    for (unsigned i = 0; s && i < DIRS_MAX; i++) {
        struct scrub_counts counts = s->scrubs[i] ? scrub_counts(s->scrubs[i]) : (struct scrub_counts){0};

        all.rounds += counts.rounds;
        all.segments += counts.segments;
        all.bytes += counts.bytes;
        all.findings += counts.findings;
    }
    return all;
}

void scrubbing_free(struct scrubbing *s)
{
    for (unsigned i = 0; s && i < DIRS_MAX; i++)
        scrub_free(s->scrubs[i]);
    mem_free(s);
}
