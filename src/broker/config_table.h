/* SPDX-License-Identifier: Apache-2.0
 * One row a configuration key, made from schema/configs/<scope> by gen/configs.py, and the check of a value against its
 * row.
 */
#ifndef BROKER_CONFIG_TABLE_H
#define BROKER_CONFIG_TABLE_H

#include "base/arena.h"
#include "base/status.h"

enum config_type { /* DescribeConfigs' numbers */
                   CONFIG_TYPE_BOOLEAN = 1,
                   CONFIG_TYPE_STRING = 2,
                   CONFIG_TYPE_INT = 3,
                   CONFIG_TYPE_SHORT = 4,
                   CONFIG_TYPE_LONG = 5,
                   CONFIG_TYPE_DOUBLE = 6,
                   CONFIG_TYPE_LIST = 7,
                   CONFIG_TYPE_CLASS = 8,
                   CONFIG_TYPE_PASSWORD = 9,
};

enum config_scope {                      /* when it may be changed */
                    CONFIG_READ_ONLY,    /* at a start only */
                    CONFIG_PER_BROKER,   /* at run time, for one broker */
                    CONFIG_CLUSTER_WIDE, /* at run time, for one or all */
};

enum config_check {
    CHECK_ANY,
    CHECK_RANGE,  /* min .. max */
    CHECK_ONE_OF, /* of `words` */
    CHECK_ONE_OF_ANY_CASE,
    CHECK_ALL_OF, /* a list, each element of `words` */
    CHECK_NOT_EMPTY,
    CHECK_GZIP_LEVEL,   /* 1-9 or -1 */
    CHECK_THROTTLED,    /* partition:broker,... or * */
    CHECK_OFFSET_RESET, /* latest, earliest, by_duration:<ISO 8601> */
};

struct config_origin { /* a broker key that a topic's (or group's) value is inherited from */
    int16_t key;       /* enum config_key */
    int32_t factor;    /* of its unit to ours: minutes to milliseconds */
};

struct config_row {
    const char *name;
    enum config_type type;
    enum config_scope scope;
    enum config_check check;
    bool internal;       /* not told unless it was set */
    bool dynamic_only;   /* not in server.properties */
    bool required;       /* has no default */
    const char *initial; /* the default; NULL: null */
    double min, max;
    const char *const *words;            /* NULL-terminated */
    const struct config_origin *origins; /* nearest first */
    unsigned origins_count;
    const char *doc;
};

extern const struct config_row config_broker_rows[], config_topic_rows[], config_group_rows[],
    config_client_metrics_rows[];
extern const unsigned config_broker_rows_count, config_topic_rows_count, config_group_rows_count,
    config_client_metrics_rows_count;

/* Index of the key in a table; -1: unknown. */
int config_row_find(const struct config_row *rows, unsigned count, struct str_view name);
/* The known key that is nearest to a misspelt one; NULL: none is near. */
const char *config_row_nearest(const struct config_row *rows, unsigned count, struct str_view name);

struct config_value { /* parsed */
    bool null;
    int64_t i; /* BOOLEAN, INT, SHORT, LONG */
    double d;
    struct str_view s; /* the others: borrowed from the text */
};

/* STATUS_INVALID_CONFIG with Kafka's words ("Invalid value ... for configuration ...: ...") in the arena. `text` null:
 * null. */
enum status config_value_parse(const struct config_row *row, struct str_view text, struct config_value *value,
                               struct arena *arena, struct str_view *message) MUST_CHECK;

/* Without blanks around it. */
struct str_view config_trimmed(struct str_view text);

/* The next element of a comma-separated list, without blanks around it; *list gets the rest. */
struct str_view config_list_next(struct str_view *list);

/* As Java prints a double, nearly: "0.5", "2.0". */
struct str_view config_double_text(struct arena *arena, double d);

#endif
