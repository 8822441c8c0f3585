/* SPDX-License-Identifier: Apache-2.0
 * The broker: what every shard knows (struct broker, constant after the start) and what each shard owns (struct broker_shard).
 *
 *   request → api table → handler → partition (on its shard) | controller (shard 0) | groups (shard of their __consumer_offsets partition)
 *
 * Each shard holds an image of the committed metadata, its own copy, so that no request asks another shard what exists. A change
 * goes through the controller: records are appended to the metadata log, and when they are durable every shard applies
 * them, adding and ending its partitions; then the change is answered (CreateTopics answers only when its partitions can be asked).
 */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "base/map.h"
#include "broker/config.h"
#include "broker/metadata.h"
#include "broker/metrics.h"
#include "broker/request.h"
#include "meta/image.h"
#include "meta/properties.h"
#include "meta/records.h"
#include "partition/partition.h"
#include "partition/producers.h"
#include "rt/io.h"
#include "store/dir.h"
#include "store/store.h"

struct groups;         /* groups.h */
struct fetch_sessions; /* fetch_sessions.h */
struct producer_ids;   /* producer_ids.h */
struct checkpoints;    /* checkpoints.h */
struct scrubbing;      /* scrubbing.h */
struct cleaner;        /* cleaner.h */
struct disk_spaces;    /* disk_space.h */
struct node;           /* node.h, a room above: a name only */
struct metadata_receipt; /* metadata_int.h */

struct listener {
    struct str_view name;              /* "PLAINTEXT" */
    const char *host;                  /* to bind; "" is every address */
    uint16_t port;                     /* to bind; after the start the bound one */
    const char *advertised_host;
    uint16_t advertised_port;
    bool controller;                   /* in controller.listener.names: not for clients */
};

enum { SHARDS_MAX = 64 }; /* a set of shards is a uint64_t (request.h) */

enum { DIRS_MAX = 64, DIR_UNKNOWN = 255 }; /* a set of log directories is a uint64_t */

/* A log directory, by its place in broker->dirs (dirs.h). */
struct broker_dir {
    const char *path;                   /* as it was configured */
    struct log_dir *log_dir;            /* NULL: it is offline since the start */
    struct uuid id;                     /* zero: offline since the start, and never read */
    bool partitions;                    /* false: it is the metadata log's alone */
    struct mail failed[SHARDS_MAX];     /* from each shard to shard 0, once */
    struct mail offline[SHARDS_MAX];    /* from shard 0 to each shard, once */
    bool told;
};

struct broker {
    const struct config *config;       /* static: file, --set, defaults */
    struct fs *fs;
    int32_t node_id;
    char cluster_id[CLUSTER_ID_SIZE];
    struct broker_dir *dirs;           /* those of log.dirs in its order, and behind them metadata.log.dir, if it is another one */
    unsigned dirs_count, metadata_dir;
    struct listener *listeners;
    size_t listeners_count;
    size_t journal; /* bytes of each shard's; 0: none */
    unsigned files, connections; /* as in struct broker_options */
    unsigned shards;
    int64_t broker_epoch;              /* offset of our registration in the metadata log */
    uint64_t seed;                     /* of maps */
    int64_t opened_wall_ms;
    struct metadata *metadata;         /* shard 0's, once it runs */
    struct meta_records bootstrap;     /* what a fresh metadata log begins with */
    struct arena arena;                /* of this struct's texts */
    struct broker_resume {             /* moves that were under way when the node ended */
        struct uuid topic_id;
        int32_t index;
        unsigned to;
    } *resumes;
    size_t resumes_count;
    struct map entries;                /* dirs.c: what the directories held at the start */
    struct broker_shard *by_shard[SHARDS_MAX];
    void (*failed)(struct shard *here, const struct err *why); /* it cannot go on (node.c) */
    struct mail stop_step, *stop_done; /* of the metadata's stop */
    struct io_job recovered;           /* on shard 0: the journals of lives before go, when `unrecovered` shards are none */
    unsigned unrecovered, unjudged;    /* shards */
    uint64_t recover; /* of which directories */
    struct err recovered_err;
};

enum partition_life { PARTITION_ASLEEP, PARTITION_WAKING, PARTITION_AWAKE, PARTITION_BROKEN, PARTITION_ENDING, PARTITION_LIVES }; /* partitions.h */

struct broker_shard {
    struct broker *broker;
    struct shard *shard;               /* NULL before it runs */
    struct image *image;               /* committed metadata, this shard's copy */
    struct store *store;
    struct map partitions;             /* struct broker_partition by topic id and index */
    struct mem_user partitions_held;   /* by them, and by what is open of them, counted when it was opened and at each housekeeping */
    struct map configs;                /* of those (config_shared.h) */
    struct producers_shared producers; /* of those */
    struct fetch_sessions *sessions;
    struct groups *groups;
    struct metadata *metadata;         /* on shard 0, else NULL */
    struct producer_ids *producer_ids; /* on shard 0, else NULL */
    struct checkpoints *checkpoints;   /* on shard 0, else NULL */
    struct scrubbing *scrubbing;       /* on shard 0, else NULL; NULL: there is to be none */
    struct cleaner *cleaner;
    struct disk_spaces *spaces;        /* on shard 0, else NULL */
    struct mail look;                  /* to shard 0 and back: the space is to be looked at */
    bool look_asked, look_again;
    struct timer housekeeping, flushing;
    struct metrics metrics;
    size_t lives[PARTITION_LIVES];     /* how many of the partitions are in each */
    uint64_t offline;                  /* the log directories that do not work */
    struct metadata_receipt *receipt;  /* of the batch that is being applied */
    struct checkpoint_rows {           /* of the stop: where each partition ended (checkpoints.h) */
        struct checkpoint_row *rows;
        size_t count, capacity;
    } rows;
    uint64_t unsaved;                  /* log directories of which not everything could be saved: they are not marked as stopped cleanly */
    struct list asleep;                /* struct broker_partition: to be woken in the background */
    size_t unknown, doubtful;          /* of the partitions */
    struct mail recovered, judged;     /* to shard 0: none is any more */
    struct timer waker;
    struct list moves;                 /* struct move, the first is under way */
    struct mail *moves_stopped;        /* of the stop: none is begun any more */
    bool moves_ended_posted;
    struct mail hurry;                 /* to shard 0 and back: the checkpoints are to be written */
    bool hurry_asked, hurry_again;
    bool groups_stopped;               /* of the stop: no coordinator begins any more */
    struct mail *stopped;              /* of the stop, which has no memory to ask for: `stopping` partitions have not stopped yet */
    size_t stopping;
    struct mail *stop_done;            /* then the shard's part of the stop is over; `stop_parts` are not */
    unsigned stop_parts;
    struct mail partitions_stopped, groups_idle, scrub_stopped, moves_ended;
    struct node *node;                 /* whose part this is (node.h); for its steps only */
};

/* Of the shard that the caller is on. */
static inline struct broker_shard *broker_at(struct shard *here)
{
    return shard_context(here);
}

/* Which shard owns a partition (any shard may ask). */
unsigned broker_partition_shard(const struct broker *broker, struct uuid topic_id, int32_t index);

/* A partition of this shard. */
struct broker_partition {
    struct map_node node;
    struct { struct uuid topic_id; int32_t index; } key;
    uint32_t counted;            /* of b->partitions_held: what `partition` holds */
    struct str_view topic;       /* owned */
    enum partition_life life;
    bool folder;                 /* it has one */
    bool clean;                  /* and what is in it was closed well */
    bool unknown;                /* it was not, and it was not woken since */
    bool doubtful;               /* nor tried in vain */
    uint8_t dir;                 /* where it is; DIR_UNKNOWN: in none of ours */
    struct partition *partition; /* while AWAKE, and ENDING if it was awake */
    struct opening *opening;     /* while WAKING */
    struct move *move;           /* to another log directory (moving.h); NULL: none */
    const struct partition_config *config; /* of b->configs; NULL: it was never woken */
    int64_t recovery_point, log_start, cleaned; /* of the checkpoints, until it is awake; -1: unknown */
    uint64_t again_ms;           /* not woken before */
    struct list asleep;          /* the shard's, while it waits to be woken in the background */
    struct mail halted;          /* of the stop */
};

/* One of this shard's, when it is awake; else NULL, and *why: KAFKA_STORAGE_ERROR when its log directory is offline or its files are broken, else NOT_LEADER_OR_FOLLOWER. */
struct partition *broker_partition(struct broker_shard *b, struct uuid topic_id, int32_t index, enum status *why);

/* Before that: whether it has to be woken first. If so, `mail` runs at the top of the loop when that is decided, before anybody who asks later; until then
 * it must not be used. NULL: nobody waits. */
bool broker_partition_wakes(struct broker_shard *b, struct uuid topic_id, int32_t index, struct mail *mail) __attribute__((warn_unused_result));

/* Its log directory, by its place in broker->dirs; DIR_UNKNOWN: in none of ours, or it is not there. */
unsigned broker_partition_dir(struct broker_shard *b, struct uuid topic_id, int32_t index);

/* Walks all of this shard's. NULL: the first, and after the last. */
struct broker_partition *broker_partition_next(struct broker_shard *b, struct broker_partition *after);

/* The groups room is told of __consumer_offsets partitions when they open and before they close (groups.c implements these). */
struct groups *groups_new(struct broker_shard *b);
void groups_free(struct groups *g);
bool groups_partition_opened(struct groups *g, int32_t index, struct partition *partition) __attribute__((warn_unused_result)); /* false: no memory */
void groups_partition_closing(struct groups *g, int32_t index);
void groups_when_idle(struct groups *g, struct mail *mail); /* posted when nothing is under way for those that were closed, and no other is open */
/* A topic was deleted: its committed offsets go (traps row 8). */
void groups_topic_deleted(struct groups *g, struct uuid topic_id, struct str_view topic);

#endif
