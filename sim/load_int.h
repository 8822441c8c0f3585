/* SPDX-License-Identifier: Apache-2.0
 * What the kinds of clients share (load.c); one file each: load_producer.c, load_reader.c, load_member.c, load_admin.c, load_audit.c.
 */
#ifndef SIM_LOAD_INT_H
#define SIM_LOAD_INT_H

#include "base/arena.h"
#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"
#include "sim/load.h"
#include "sim/sim_int.h"
#include "sim/sim_node.h"
#include "wire/apis.h"
#include "wire/records.h"

enum {
    TOPIC_PARTITIONS_MAX = 8,
    TOPICS_MAX = 512,
    WIDE_TOPICS = 2,
    WIDE_PARTITIONS_MAX = 304,
    NARROW_PARTITIONS = TOPICS_MAX * TOPIC_PARTITIONS_MAX, /* numbers below it are of the topics in the table, those above of the wide ones */
    PARTITIONS_MAX = NARROW_PARTITIONS + WIDE_TOPICS * WIDE_PARTITIONS_MAX,
    LASTING_TOPICS = 3,
    LASTING_PARTITIONS = 4,
    KEYED_PARTITIONS = 2,
    KEY_SETTINGS = 8,
    PROMISES = 64,
    SIMPLE_GROUPS = 2, /* after those of members: of offsets only, which administrators commit and delete */
    NAME_SIZE = 32,
    CLIENT_ARENA = 64 << 20,
    ANSWER_S_MAX = 40,
};

/* What an administrator may change of a topic, and what it is (load_describe.c). */
struct setting {
    int64_t value;      /* -1: not set */
    uint64_t settled_us; /* since when */
    unsigned open;      /* changes under way */
    bool known, mixed;  /* mixed: some of them at once */
};
enum { SETTING_SEGMENT_BYTES, SETTING_INDEX_INTERVAL, SETTINGS };

/* A topic under one id, from its making on; never taken out of the table. */
struct topic {
    char name[NAME_SIZE];
    struct uuid id;
    uint32_t base;      /* number of the first partition */
    int32_t partitions; /* that are known to be there */
    uint64_t grown_us;  /* since when */
    bool lasting;       /* nobody deletes it */
    bool trimmed;       /* its records are deleted now and then, or go by themselves */
    bool compacted, wide;
    bool gone;          /* somebody tried to delete it */
    struct setting settings[SETTINGS];
};

struct client;
struct call;

struct client_kind {
    const char *name;
    size_t size;
    void (*init)(struct client *c);
    void (*wake)(struct client *c);
    bool (*finished)(const struct client *c); /* NULL: when no answer is awaited */
};
extern const struct client_kind producer_kind, once_kind, keyed_kind, crowd_kind, reader_kind, member_kind, admin_kind, audit_kind;

struct client { /* at the head of each kind's own */
    struct load *load;
    const struct client_kind *kind;
    unsigned id;
    struct sim_client *wire; /* NULL: not connected */
    unsigned connections;    /* until now */
    struct list calls;       /* sent, in order */
    uint8_t *in;             /* of answers that are not complete yet */
    size_t in_size, in_room;
    uint64_t due_us;         /* 0: it does not sleep */
    bool cut;                /* its next request goes in part, then the connection breaks */
    bool mute;               /* until it breaks: nothing more is sent */
    bool early;              /* an answer did not wait: forgiven, when the connection ends with it */
};

/* A request under way. response NULL: the connection was lost. */
typedef void call_fn(struct client *c, const struct call *call, const void *response);

struct call {
    struct list link;
    int16_t key, version;
    int32_t correlation_id;
    uint64_t begun_us, until_us;
    call_fn *then;
    size_t op;          /* in the history; ops: how many from there on */
    unsigned ops;
    uint64_t note;      /* the kind's */
    int64_t value;      /* the same */
};

/* The end of what was acknowledged of a partition: all, at `mid_us`, and some time before it. */
struct acked {
    int64_t end, mid, old;
    uint64_t mid_us;
};

/* A tombstone that was seen, with its batch's delete horizon (load_keys.c). */
struct promise {
    uint64_t value; /* 0: none */
    uint32_t partition;
    int64_t offset, until_ms, shift_ms; /* the node's clock; how far it was from the clients' */
};

struct key_setting {
    const char *name;
    char value[24];
};

struct load {
    struct load_options options;
    struct sim *sim;
    struct history history;
    struct topic topics[TOPICS_MAX];
    bool dropped[PARTITIONS_MAX], reported[PARTITIONS_MAX];
    struct acked acked[PARTITIONS_MAX];
    int64_t first[PARTITIONS_MAX]; /* where the log begins */
    uint64_t sent[PARTITIONS_MAX]; /* records: there are no more than these */
    size_t topics_count;
    struct topic *wide[WIDE_TOPICS]; /* those with hundreds of partitions, when there are to be any */
    size_t wide_count;
    struct topic *keyed; /* the compacted one; NULL: it is not made yet */
    struct key_setting key_settings[KEY_SETTINGS];
    int64_t key_segment_bytes;
    bool keys_shrink;
    bool compacted[PARTITIONS_MAX], shrinks[PARTITIONS_MAX];
    struct promise promises[PROMISES];
    size_t promises_made;
    struct client **clients;
    size_t clients_count;
    struct client *audit;
    struct load_counts counts;
    int32_t correlation_id;
    bool waiting; /* for load_begin_far */
    bool calm, finishing, auditing, audited;
};

/* Sends a request and remembers who is to hear of the answer. The client is connected. */
struct call *client_call(struct client *c, int16_t key, int16_t version, const void *request, call_fn *then);
/* One whose answer never comes (acks=0). */
void client_send(struct client *c, int16_t key, int16_t version, const void *request);
bool client_connected(struct client *c); /* connects; false: it cannot, and sleeps */
void client_sleep(struct client *c, uint64_t us_max);
void client_disconnect(struct client *c); /* each call is told */
bool client_idle(const struct client *c);

uint64_t load_random(struct load *load, uint64_t below);
bool load_chance(struct load *load, unsigned percent);
void load_tell(const struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void load_broken(const struct client *c, const char *rule, const char *format, ...) __attribute__((format(printf, 3, 4)));

struct topic *topic_any(struct load *load, bool lasting); /* one that is not gone, compacted or wide; NULL: none, or none yet */
struct topic *topic_add(struct load *load, const char *name, struct uuid id, int32_t partitions, bool wide);
struct topic *topic_named(struct load *load, const char *name); /* the newest of that name; NULL: none */
void topic_drop(struct load *load, struct topic *topic);

static inline uint32_t partition_number(const struct topic *topic, int32_t index)
{
    return topic->base + (uint32_t)index;
}

static inline struct topic *topic_of(struct load *load, uint32_t partition)
{
    if (partition >= NARROW_PARTITIONS)
        return load->wide[(partition - NARROW_PARTITIONS) / WIDE_PARTITIONS_MAX];
    return &load->topics[partition / TOPIC_PARTITIONS_MAX];
}

static inline int32_t index_of(uint32_t partition)
{
    if (partition >= NARROW_PARTITIONS)
        return (int32_t)((partition - NARROW_PARTITIONS) % WIDE_PARTITIONS_MAX);
    return (int32_t)(partition % TOPIC_PARTITIONS_MAX);
}

/* Reading, for all that read. */
struct fetch_want {
    uint32_t partition;
    int64_t offset;
};
struct fetch_response;
struct fetch_response_partition;
/* A fetch with one poll in the history for each want; `last` marks them. Topics go by id from version 13 on. All wants of one topic. */
struct call *fetch_call(struct client *c, int16_t version, const struct fetch_want *wants, size_t count, int32_t wait_ms, int32_t bytes, int32_t session_id,
                        int32_t session_epoch, bool last, call_fn *then);
/* Writes an answered partition into its poll; the offset to go on at. */
int64_t fetch_learn(struct client *c, size_t op, const struct fetch_response_partition *p);
/* The whole answer, after its partitions: whether it came too early, too late, or with too little (invariant 28). `full`: of no session. */
void fetch_judge(struct client *c, const struct call *call, const struct fetch_response *out, bool full);
/* The poll of a call that is about this partition. */
size_t fetch_op(const struct load *load, const struct call *call, uint32_t partition);
/* What was answered for a partition. */
void load_refused(const struct client *c, uint32_t partition, int16_t error);
void load_acked(struct load *load, uint32_t partition, int64_t end);
int64_t load_acked_long_ago(struct load *load, uint32_t partition); /* the end of what was acknowledged more than a few seconds ago */
void ops_refused(struct load *load, const struct call *call); /* those that are open */

/* The compacted topic (load_keys.c). */
void keys_choose_settings(struct load *load);
void keys_made(struct load *load, struct topic *topic);
void keys_add(struct batch_builder *b, int32_t at, uint64_t value, int64_t timestamp);
bool keys_read(const struct record *record, uint64_t *value); /* false: nobody sent it */
void keys_saw(struct load *load, uint32_t partition, const struct batch_head *head, int64_t offset, uint64_t value);
void keys_polled(struct client *c, const struct op *poll); /* after its last record: what is missing */

/* What can be looked up, for administrators. */
void client_alter_configs(struct client *c, const struct topic *topic);
void client_move_partition(struct client *c, const struct topic *topic);
void client_describe_configs(struct client *c, const struct topic *topic);
void client_describe_groups(struct client *c);

/* A member that was dealt partitions, and has heard nothing else since. false: this client is none. */
struct member_view {
    uint32_t group;
    const char *id;
    uint64_t since_us; /* that it was dealt them */
    const struct fetch_want *owned;
    size_t owned_count;
};
bool member_look(struct client *c, struct member_view *view);
/* Somebody was told this. It is wrong when the member's next commit is accepted as if nothing had happened. */
void member_doubt(struct client *c, const char *what);

#endif
