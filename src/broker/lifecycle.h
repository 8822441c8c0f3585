/* SPDX-License-Identifier: Apache-2.0
 * Starting and stopping the broker.
 *
 *   broker_open           blocking, before any shard runs: directory, identity, metadata replayed
 *   broker_start_shard    on each shard, first thing: its partitions are there, asleep (partitions.h)
 *   broker_lead           on shard 0: leads the metadata quorum, registers the node; `ready` when every shard has seen that
 *   broker_leave          on shard 0, when no connection is left: the metadata says that the node is fenced
 *   broker_stop_shard     on each shard, then: partitions stop and close
 *   broker_stop_metadata  on shard 0, after all shards
 *   broker_close          blocking, when no shard runs any more: the directory is marked clean
 */
#ifndef BROKER_LIFECYCLE_H
#define BROKER_LIFECYCLE_H

#include "broker/broker.h"

struct broker_options {
    struct config *config;  /* finished; borrowed */
    struct fs *fs;          /* borrowed */
    unsigned shards;        /* 1 .. SHARDS_MAX */
    uint8_t entropy[32];    /* unpredictable: ids of a new directory, seeds of maps */
    int64_t wall_ms;
    size_t journal;         /* bytes of each shard's journal; 0: none */
    unsigned files, connections; /* descriptors for open segments and for connections, of all shards; 0: STORE_FILES a shard, and max.connections */
    const char *host;       /* this machine's name: advertised where a listener is bound to every address */
};

/* The directory is formatted when it is empty; one of another node or cluster, or locked, is refused. */
enum status broker_open(const struct broker_options *options, struct broker **broker, struct err *err) MUST_CHECK;
enum status broker_start_shard(struct broker *broker, struct shard *shard, struct err *err) MUST_CHECK;
enum status broker_lead(struct broker *broker, void (*ready)(struct shard *here), struct err *err) MUST_CHECK;
void broker_stop_groups(struct broker_shard *b); /* before the connections end: what is parked there is answered */
void broker_leave(struct broker *broker, struct mail *done);
void broker_stop_shard(struct broker_shard *b, struct mail *done);
void broker_stop_metadata(struct broker *broker, struct mail *done);

/* Frees it in any case. */
enum status broker_close(struct broker *broker, struct err *err) MUST_CHECK;

#endif
