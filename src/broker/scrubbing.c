/* SPDX-License-Identifier: Apache-2.0
 * See scrubbing.h.
 */
#include "broker/scrubbing.h"

#include "base/mem.h"
#include "broker/config.h"
#include "partition/partition.h"
#include "store/dir.h"
#include "store/scrub.h"

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
    struct partition *p = broker_partition(broker_at(here), news->topic_id, news->index);

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

enum status scrubbing_begin(struct broker_shard *b, struct scrub **scrub)
{
    const struct config *config = b->broker->config;
    struct scrub_options options = {.dir = log_dir_path(b->broker->dir), .found = scrubbing_found, .context = b,
                                    .bytes_per_second = (uint64_t)config_i64(config, CONFIG_BARNABAS_SCRUB_BYTES_PER_SECOND),
                                    .interval_ms = (uint64_t)config_i64(config, CONFIG_BARNABAS_SCRUB_INTERVAL_MS)};

    *scrub = NULL;
    if (!options.bytes_per_second)
        return STATUS_OK;
    *scrub = scrub_new(b->shard, &options);
    return *scrub ? STATUS_OK : STATUS_NO_MEMORY;
}
