/* SPDX-License-Identifier: Apache-2.0
 * What the commands share: options as one table, a client that explains its errors, and tables of text.
 *
 * A verb ("topic create") is a row: its arguments, the set of options that it takes, and a function. The parser checks a command line
 * against the row, help is printed from it, and the function finds its values in struct cli_args by the option's number.
 */
#ifndef CLI_CLI_INT_H
#define CLI_CLI_INT_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/view.h"

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* Options */

enum cli_option {
    OPT_ALL,
    OPT_ALL_TOPICS,
    OPT_BOOTSTRAP,
    OPT_BROKER,
    OPT_CLIENT,
    OPT_COMPRESSION,
    OPT_CONFIG,
    OPT_COUNT,
    OPT_DELETE,
    OPT_DRY_RUN,
    OPT_FILE,
    OPT_FORCE,
    OPT_FORMAT,
    OPT_FROM,
    OPT_GROUP,
    OPT_HEADER,
    OPT_IF_EXISTS,
    OPT_IF_NOT_EXISTS,
    OPT_INTERNAL,
    OPT_JSON,
    OPT_KEY,
    OPT_KEY_SEPARATOR,
    OPT_NULL_VALUE,
    OPT_OF_TOPIC,
    OPT_PARTITION,
    OPT_PARTITIONS,
    OPT_RATE,
    OPT_RECORDS,
    OPT_REPLICAS,
    OPT_SET,
    OPT_TIMEOUT,
    OPT_TO,
    OPT_UNTIL_END,
    OPTIONS_END,
};

#define OPT(name) (1ull << OPT_##name)
#define OPTS_CLIENT (OPT(BOOTSTRAP) | OPT(CLIENT) | OPT(TIMEOUT)) /* every verb that speaks to a broker */

struct cli_args {
    const struct cli_verb *verb;
    const char **arguments; /* those that are no options */
    int arguments_count;
    struct {
        bool given;
        const char *text;
        int64_t number;
        const char **list; /* of options that may be repeated, in order */
        int list_count;
    } of[OPTIONS_END];
};

struct cli_verb {
    const char *name;      /* "" for a command that has no verbs */
    const char *arguments; /* as help shows them */
    const char *summary;
    uint64_t options;
    int arguments_min, arguments_max;
    enum cli_exit (*run)(const struct cli_args *args);
    const char *details; /* more lines of help, or NULL */
};

/* Finds the verb, parses, prints help when it is asked for, runs, and looks after standard output's errors. */
int cli__run(const struct cli_verb *verbs, size_t count, int argc, char **argv);

/* "key=value" → its two parts, in a copy that the caller frees (mem_free of *key). The parser has seen the '='. */
bool cli__pair(const char *text, char **key, const char **value) __attribute__((warn_unused_result));

/* Where to start, or to reset to: beginning, end, an offset, or @milliseconds. */
struct cli_position {
    enum { POSITION_BEGINNING, POSITION_END, POSITION_OFFSET, POSITION_TIME } kind;
    int64_t value;
};
bool cli__position(const char *text, struct cli_position *position) __attribute__((warn_unused_result));

/* Messages. Each is one line on standard error that begins with the program's name; a progress line is cleared first. */
void cli__say(const char *format, ...) __attribute__((format(printf, 1, 2)));
enum cli_exit cli__fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* 1234567 → "1,234,567". */
#define CLI_NUMBER_SIZE 32
const char *cli__number(uint64_t n, char text[static CLI_NUMBER_SIZE]);

/* A line on a terminal that is rewritten a few times a second; nothing elsewhere. */
void cli__progress(const char *verb, uint64_t records, uint64_t bytes);
void cli__progress_clear(void);

/* SIGINT and SIGTERM only set a flag from now on, and interrupt a blocking read. SIGPIPE becomes a write error. */
void cli__catch_signals(void);
bool cli__interrupted(void);

/* Columns as wide as their widest cell. Cells are copied. */
struct cli_table {
    char **cells;
    size_t count, columns;
    bool failed; /* no memory */
};
void cli__table_init(struct cli_table *table, size_t columns);
void cli__cell(struct cli_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli__table_print(struct cli_table *table); /* and frees it */

/* Bytes as a JSON value: null, a string, or {"base64": ...} when they are no UTF-8. */
void cli__json_value(FILE *out, const void *bytes, size_t size);

/* Rows: a line each, a kind and named fields, for a person ("kind name=value ...") or for a script (a JSON object). */
struct cli_rows {
    FILE *out;
    bool json;
    const char *file; /* what the rows are of: a field of each JSON object; NULL: nothing */
};
void cli__row(const struct cli_rows *rows, const char *kind); /* begins one */
void cli__row_number(const struct cli_rows *rows, const char *name, int64_t value);
void cli__row_flag(const struct cli_rows *rows, const char *name, bool value);
void cli__row_text(const struct cli_rows *rows, const char *name, struct str_view text);
void cli__row_bytes(const struct cli_rows *rows, const char *name, struct bytes_view bytes);
void cli__row_end(const struct cli_rows *rows);

/* The client */

struct cli_client {
    rd_kafka_t *kafka;
    rd_kafka_queue_t *queue;  /* results of admin calls */
    const char *bootstrap;
    int timeout_ms;
    bool connected;           /* a broker has answered once */
    bool unreachable;         /* no broker answers, since the last time it was cleared */
    rd_kafka_resp_err_t fatal;
    char reason[256];         /* of the last error that the client reported */
    void *context;            /* the command's, for its callbacks */
};

struct cli_setting {
    const char *name, *value;
};

/* Connects: the broker has answered when it returns true. `settings` end with a NULL name; callbacks are set on *conf before (or NULL: none are). On
 * false the reason was printed. `client` stays where it is until the close. */
bool cli__connect(struct cli_client *client, const struct cli_args *args, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                  const struct cli_setting *settings) __attribute__((warn_unused_result));
void cli__close(struct cli_client *client);

/* Prints "<what>: <error>", with what to do about it. */
enum cli_exit cli__explain(const struct cli_client *client, rd_kafka_resp_err_t error, const char *detail, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Options of an admin call: they carry the time that the person allows. */
rd_kafka_AdminOptions_t *cli__admin_options(struct cli_client *client, rd_kafka_admin_op_t operation);
/* The result of the admin call that was made on client->queue; NULL when it failed as a whole (and was explained). Destroy it. */
rd_kafka_event_t *cli__result(struct cli_client *client, const char *what) __attribute__((warn_unused_result));

/* The metadata of one topic, or of all (NULL). False: explained. Destroy it with rd_kafka_metadata_destroy. */
bool cli__metadata(struct cli_client *client, const char *topic, const struct rd_kafka_metadata **metadata) __attribute__((warn_unused_result));

/* What a position is in a partition, as an offset. */
bool cli__resolve(struct cli_client *client, const char *topic, int32_t partition, struct cli_position position, int64_t *offset)
    __attribute__((warn_unused_result));

/* Shows configuration entries; `all`: defaults too. Changes some: "key=value" to set, keys to delete (null lists: none). */
bool cli__config_show(struct cli_client *client, rd_kafka_ResourceType_t type, const char *name, bool all) __attribute__((warn_unused_result));
bool cli__config_change(struct cli_client *client, rd_kafka_ResourceType_t type, const char *name, const char *const *set, int set_count,
                        const char *const *unset, int unset_count) __attribute__((warn_unused_result));

/* Record output (format.c) */

enum cli_layout { LAYOUT_PLAIN, LAYOUT_FORMAT, LAYOUT_JSON };

struct cli_format {
    enum cli_layout layout;
    const char *text;          /* of LAYOUT_FORMAT */
    const char *key_separator; /* of LAYOUT_PLAIN: NULL: no keys */
    const char *null_text;     /* stands for null, of LAYOUT_PLAIN and LAYOUT_FORMAT */
};
/* NULL when the format text is right, else what is wrong with it. */
const char *cli__format_check(const char *text);
void cli__record_print(const struct cli_format *format, const rd_kafka_message_t *message, FILE *out);

#endif
