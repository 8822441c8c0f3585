/* SPDX-License-Identifier: Apache-2.0
 * The configuration: Kafka's keys with their types, defaults, bounds and rules, and the values that hold here.
 *
 * Every key is one line of schema/configs/<scope>; the build makes the enums and the tables from them (gen/configs.py).
 * Keys that mean nothing to us are kept and echoed like the others: tools read, change and write them back (traps row
 * 4).
 *
 * A value comes from the first of these that has one, and DescribeConfigs names them all:
 *   topic override → broker override → cluster-wide override (these three in the image) → server.properties and --set →
 * the default `struct config` is the static part: made at the start, constant and read by every shard afterwards. The
 * functions that also take an image (config_broker_*, config_topic_*) give what holds now; who needs a value per record
 * keeps it and asks again when the image says CONFIG_CHANGED.
 */
#ifndef BROKER_CONFIG_H
#define BROKER_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "broker/config_keys.h" /* made by the build: enum config_key, topic_key, group_key, client_metrics_key */
#include "broker/config_table.h"
#include "meta/image.h"

struct partition_config;

struct config;

struct config *config_new(void); /* NULL: no memory. All defaults. */
void config_free(struct config *config);

/* What the broker starts with when there is no file: a node of its own on localhost. Before config_set. */
enum status config_set_builtin(struct config *config, struct err *err) MUST_CHECK;
/* The text of a server.properties. Unknown keys are kept and listed (config_unknown); a bad value of a known one is an
 * error that names file, line and key. */
enum status config_load(struct config *config, const char *file, struct str_view text, struct err *err) MUST_CHECK;
/* `key=value`, as of --set. An unknown key is an error here, and the nearest known one is named. */
enum status config_set(struct config *config, struct str_view key_value, struct err *err) MUST_CHECK;
/* After all settings: what belongs together is checked and what follows is derived (listeners, roles, directories). */
enum status config_finish(struct config *config, struct err *err) MUST_CHECK;

/* Keys of the file that nobody knows, with the nearest known key or NULL. */
struct config_unknown {
    struct str_view key;
    const char *nearest;
};
const struct config_unknown *config_unknown(const struct config *config, size_t *count);

/* Static values. The type of the key is the function's (asserted). */
bool config_bool(const struct config *config, enum config_key key);
bool config_null(const struct config *config, enum config_key key);
int64_t config_i64(const struct config *config, enum config_key key); /* INT, SHORT, LONG; null (asserted not to be) */
double config_f64(const struct config *config, enum config_key key);
struct str_view
config_str(const struct config *config,
           enum config_key key); /* STRING, CLASS, LIST, PASSWORD as text; null possible. Followed by a zero byte. */

/* Broker values that hold now, for keys that may be changed at run time. */
int64_t config_broker_i64(const struct config *config, const struct image *image, enum config_key key);
double config_broker_f64(const struct config *config, const struct image *image, enum config_key key);
struct str_view config_broker_str(const struct config *config, const struct image *image, enum config_key key);

/* Topic values that hold now; `topic` may be a name that has no override. */
bool config_topic_bool(const struct config *config, const struct image *image, struct str_view topic,
                       enum topic_key key);
int64_t config_topic_i64(const struct config *config, const struct image *image, struct str_view topic,
                         enum topic_key key);
double config_topic_f64(const struct config *config, const struct image *image, struct str_view topic,
                        enum topic_key key);
struct str_view config_topic_str(const struct config *config, const struct image *image, struct str_view topic,
                                 enum topic_key key);
/* Everything that a partition needs of them. */
void config_topic(const struct config *config, const struct image *image, struct str_view topic,
                  struct partition_config *out);

/* A group's value that holds now (group override → broker's). */
int64_t config_group_i64(const struct config *config, const struct image *image, struct str_view group,
                         enum group_key key);

/* Derived by config_finish. */
struct config_listener {
    struct str_view name;            /* upper case, as in the configuration */
    struct str_view host;            /* "" : every address. Zero byte behind it, like all of these */
    struct str_view advertised_host; /* "" : none was given and the host is a wildcard: the machine's name is the
                                        caller's to find */
    uint16_t port, advertised_port;  /* port 0: any; advertised_port 0: the bound one */
    bool controller;                 /* in controller.listener.names: not for clients */
};
const struct config_listener *config_listeners(const struct config *config, size_t *count);
int32_t config_node_id(const struct config *config);
enum { LOG_DIRS_MAX = 63 };
const char *config_log_dir(const struct config *config, size_t index); /* log.dirs, else log.dir, without slashes at the end; NULL after the last */
/* What a value of cordoned.log.dirs names that log.dirs does not have; *: all of them. Null: nothing. In the arena. */
struct str_view config_missing_dirs(const struct config *config, struct str_view list, struct arena *arena);
/* A path as it was typed, without slashes at the end. */
struct str_view config_plain_dir(struct str_view dir);
const char *config_metadata_dir(const struct config *config); /* metadata.log.dir, else the first log directory */
bool config_async(const struct config *config);               /* barnabas.durability=async */
/* controller.quorum.voters is set: the quorum is static (kraft.version 0). */
bool config_static_voters(const struct config *config);

/* One value as DescribeConfigs tells it, with where it comes from. */
enum config_source {
    SOURCE_UNKNOWN = 0,
    SOURCE_TOPIC = 1,
    SOURCE_BROKER = 2,
    SOURCE_BROKER_DEFAULT = 3,
    SOURCE_STATIC = 4,
    SOURCE_DEFAULT = 5,
    SOURCE_BROKER_LOGGER = 6,
    SOURCE_CLIENT_METRICS = 7,
    SOURCE_GROUP = 8,
};
enum { CONFIG_SYNONYMS_MAX = 1 + 4 * 3 }; /* its own, and three units at four sources */

struct config_synonym {
    const char *name;
    struct str_view value; /* null: null */
    enum config_source source;
};
struct config_described {
    const struct config_row *row;
    struct str_view value;
    enum config_source source;
    bool read_only;
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX]; /* the first is the value itself */
    size_t synonyms_count;
};
/* The keys that a resource of this type has. */
const struct config_row *config_rows(enum config_resource type, unsigned *count);
/* Row `index` of those, for a resource whose overrides are `own` (NULL: none; they need not be in the image). A broker:
 * this one with NULL, the cluster-wide default with that one's overrides. STATUS_NO_MEMORY. */
enum status config_describe(const struct config *config, const struct image *image, enum config_resource type,
                            const struct image_config *own, size_t index, struct arena *arena,
                            struct config_described *out) MUST_CHECK;

/* The rules that the controller decides by (meta/decide.h); `config` is their context. */
struct decide_rules;
void config_rules(const struct config *config, struct decide_rules *rules);

#endif
