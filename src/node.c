/* SPDX-License-Identifier: Apache-2.0
 * See node.h. Both ways are steps that every shard takes, one step after the other: shard 0 mails the step to each shard and goes on when all
 * are back.
 *
 *   start   open partitions (on each shard's own first turn) → lead and register → listen
 *   stop    answer what is parked in groups → end connections → leave the cluster → stop partitions → stop the metadata log
 */
#include "node.h"

#include "base/mem.h"

struct node_leg {
    struct mail mail, done;
    struct node *node;
    struct net *net;
    unsigned shard;
};

struct node {
    struct broker *broker;
    struct node_hooks hooks;
    struct node_leg legs[SHARDS_MAX];
    struct mail alone; /* of a step that only shard 0 takes */
    unsigned out;
    void (*step)(struct node *node, struct node_leg *leg); /* on each shard; ends with node_leg_finish */
    void (*then)(struct node *node);                       /* on shard 0 */
    bool ready, stopping, stop_asked;
};

/* The broker cannot go on. */
static void node_failed(struct shard *here, const struct err *why)
{
    struct node *node = broker_at(here)->node;

    node->hooks.failed(node, why, node->hooks.context);
}

enum status node_open(const struct broker_options *options, const struct node_hooks *hooks, struct node **out, struct err *err)
{
    struct node *node = mem_alloc(1, sizeof *node);
    enum status s;

    if (!node)
        return err_set(err, STATUS_NO_MEMORY, "no memory");
    node->hooks = *hooks;
    s = broker_open(options, &node->broker, err);
    if (s) {
        mem_free(node);
        return s;
    }
    node->broker->failed = node_failed;
    for (unsigned i = 0; i < node->broker->shards; i++) {
        node->legs[i].node = node;
        node->legs[i].shard = i;
    }
    *out = node;
    return STATUS_OK;
}

enum status node_close(struct node *node, struct err *err)
{
    enum status s = broker_close(node->broker, err);

    mem_free(node);
    return s;
}

const struct listener *node_listeners(const struct node *node, size_t *count)
{
    *count = node->broker->listeners_count;
    return node->broker->listeners;
}

const char *node_cluster_id(const struct node *node)
{
    return node->broker->cluster_id;
}

const struct broker *node_broker(const struct node *node)
{
    return node->broker;
}

struct net_load node_load(const struct node *node, unsigned shard)
{
    return net_load(node->legs[shard].net);
}

/* ---- steps ---- */

static struct broker_shard *node_shard(const struct node_leg *leg)
{
    return leg->node->broker->by_shard[leg->shard];
}

static void node_leg_back(struct shard *here, struct mail *mail)
{
    struct node *node = LIST_ENTRY(mail, struct node_leg, mail)->node;

    if (--node->out == 0)
        node->then(node);
}

static void node_leg_finish(struct node_leg *leg)
{
    struct shard *here = node_shard(leg)->shard;

    leg->mail.run = node_leg_back;
    shard_post(here, shard_peer(here, 0), &leg->mail);
}

static void node_leg_arrived(struct shard *here, struct mail *mail)
{
    struct node_leg *leg = LIST_ENTRY(mail, struct node_leg, mail);

    leg->node->step(leg->node, leg);
}

/* The leg's `done` mail came: the step has ended on this shard. */
static void node_leg_done(struct shard *here, struct mail *mail)
{
    node_leg_finish(LIST_ENTRY(mail, struct node_leg, done));
}

static void node_each(struct node *node, void (*step)(struct node *node, struct node_leg *leg), void (*then)(struct node *node))
{
    struct shard *here = node->broker->by_shard[0]->shard;

    node->step = step;
    node->then = then;
    node->out = node->broker->shards;
    for (unsigned i = 0; i < node->broker->shards; i++) {
        node->legs[i].mail.run = node_leg_arrived;
        node->legs[i].done.run = node_leg_done;
        shard_post(here, shard_peer(here, i), &node->legs[i].mail);
    }
}

/* ---- start ---- */

static void node_listening(struct node *node)
{
    node->ready = true;
    if (node->stop_asked)
        node_stop(node);
    else
        node->hooks.ready(node, node->hooks.context);
}

static void node_listen(struct node *node, struct node_leg *leg)
{
    struct err err;

    if (!leg->net && net_start(node_shard(leg), &leg->net, &err))
        node->hooks.failed(node, &err, node->hooks.context);
    else
        node_leg_finish(leg);
}

/* Shard 0 binds first: it learns the ports that the others share. */
static void node_registered(struct shard *here)
{
    struct node *node = broker_at(here)->node;
    struct err err;

    if (net_start(broker_at(here), &node->legs[0].net, &err))
        node->hooks.failed(node, &err, node->hooks.context);
    else
        node_each(node, node_listen, node_listening);
}

void node_start_shard(struct node *node, struct shard *shard)
{
    struct err err;
    enum status s;

    node->broker->by_shard[shard_id(shard)]->node = node;
    s = broker_start_shard(node->broker, shard, &err);
    if (s == STATUS_OK && shard_id(shard) == 0)
        s = broker_lead(node->broker, node_registered, &err);
    if (s)
        node->hooks.failed(node, &err, node->hooks.context);
}

/* ---- stop ---- */

static void node_metadata_stopped(struct shard *here, struct mail *mail)
{
    struct node *node = LIST_ENTRY(mail, struct node, alone);

    node->hooks.stopped(node, node->hooks.context);
}

static void node_partitions_stopped(struct node *node)
{
    node->alone.run = node_metadata_stopped;
    broker_stop_metadata(node->broker, &node->alone);
}

static void node_stop_partitions(struct node *node, struct node_leg *leg)
{
    broker_stop_shard(node_shard(leg), &leg->done);
}

static void node_left(struct shard *here, struct mail *mail)
{
    node_each(LIST_ENTRY(mail, struct node, alone), node_stop_partitions, node_partitions_stopped);
}

static void node_disconnected(struct node *node)
{
    node->alone.run = node_left;
    broker_leave(node->broker, &node->alone);
}

static void node_disconnect(struct node *node, struct node_leg *leg)
{
    broker_stop_groups(node_shard(leg));
    net_stop(leg->net, &leg->done);
}

void node_stop(struct node *node)
{
    node->stop_asked = true;
    if (!node->ready || node->stopping)
        return;
    node->stopping = true;
    node_each(node, node_disconnect, node_disconnected);
}
