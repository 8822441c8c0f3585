/* SPDX-License-Identifier: Apache-2.0
 * barnabas consume: records of a topic to standard output.
 *
 * Without a group, every partition (or one) is read from a position, and nothing is remembered. In a group, partitions are the ones that the
 * group assigns, and an offset is committed only after its record was flushed to standard output: a record may come
 * twice after a crash, none is lost.
 *
 * --until-end: a partition is done at the end that it had at the start (without a group), or when the broker says that there
 * is no more. Control records take offsets too, so both signs are looked at.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/mem.h"
#include "cli/cli_int.h"
#include "cli/commands.h"

enum { POLL_MS = 100 };

struct part { /* one a partition, by its number */
    int64_t end;     /* where --until-end stops, -1: where the broker says */
    int64_t written; /* next offset after what was written, -1: nothing since the last flush */
    bool done;
};

struct consume {
    struct cli_client client;
    const struct cli_args *args;
    struct cli_format format;
    struct part *parts;
    int parts_count;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;   /* of all partitions; without a group */
    rd_kafka_topic_partition_list_t *reading; /* without a group */
    uint64_t records, bytes;
    bool failed;
};

static bool in_group(const struct consume *c)
{
    return c->args->of[OPT_GROUP].given;
}

/* Everything that was written is out; then it may be committed. */
static bool flush(struct consume *c)
{
    rd_kafka_topic_partition_list_t *list;

    if (fflush(stdout) || ferror(stdout)) {
        c->failed = errno != EPIPE;
        if (c->failed)
            cli__say("cannot write to standard output: %s", strerror(errno));
        return false;
    }
    list = rd_kafka_topic_partition_list_new(1);
    for (int32_t i = 0; i < c->parts_count; i++) {
        if (c->parts[i].written >= 0)
            rd_kafka_topic_partition_list_add(list, c->args->arguments[0], i)->offset = c->parts[i].written;
        c->parts[i].written = -1;
    }
    if (in_group(c) && list->cnt > 0)
        (void)rd_kafka_offsets_store(c->client.kafka, list); /* refuses partitions that the group took away: their new owner has them */
    rd_kafka_topic_partition_list_destroy(list);
    return true;
}

/* All that this reader reads is at its end. */
static bool at_end(struct consume *c)
{
    rd_kafka_topic_partition_list_t *reading = c->reading;
    int done = 0, count;

    if (in_group(c) && rd_kafka_assignment(c->client.kafka, &reading))
        return false;
    count = reading->cnt;
    for (int i = 0; i < count; i++)
        done += c->parts[reading->elems[i].partition].done;
    if (in_group(c))
        rd_kafka_topic_partition_list_destroy(reading);
    return count > 0 && done == count;
}

static struct part *part_of(struct consume *c, const rd_kafka_message_t *message)
{
    return message->partition >= 0 && message->partition < c->parts_count ? &c->parts[message->partition] : NULL;
}

/* False: reading stops. */
static bool take_error(struct consume *c, const rd_kafka_message_t *message)
{
    struct part *part = part_of(c, message);

    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (part)
            part->done = true;
        return true;
    }
    c->failed = true;
    cli__explain(&c->client, message->err, rd_kafka_message_errstr(message), "topic %s", c->args->arguments[0]);
    return false;
}

static bool take(struct consume *c, const rd_kafka_message_t *message)
{
    struct part *part = part_of(c, message);

    if (message->err)
        return take_error(c, message);
    if (!part) /* partitions were added: the next reader takes them */
        return true;
    if (c->args->of[OPT_UNTIL_END].given && part->end >= 0 && message->offset >= part->end) {
        part->done = true;
        return true;
    }
    cli__record_print(&c->format, message, stdout);
    part->written = message->offset + 1;
    part->done = part->end >= 0 && message->offset + 1 >= part->end;
    c->records++;
    c->bytes += message->len + message->key_len;
    cli__progress("consuming", c->records, c->bytes);
    return !ferror(stdout);
}

static void read_records(struct consume *c)
{
    uint64_t count_max = c->args->of[OPT_COUNT].given ? (uint64_t)c->args->of[OPT_COUNT].number : UINT64_MAX;
    bool until_end = c->args->of[OPT_UNTIL_END].given, more = true;
    int wait_ms = 0;

    while (more && !cli__interrupted() && c->records < count_max && !c->client.fatal) {
        rd_kafka_message_t *message = in_group(c) ? rd_kafka_consumer_poll(c->client.kafka, wait_ms) : rd_kafka_consume_queue(c->queue, wait_ms);

        wait_ms = 0;
        if (message) {
            more = take(c, message);
            rd_kafka_message_destroy(message);
        } else { /* nothing is at hand: let the reader see what there is, then wait */
            more = flush(c) && !(until_end && at_end(c));
            if (!in_group(c)) /* a group's reader gets the client's own events from its queue */
                rd_kafka_poll(c->client.kafka, 0);
            wait_ms = POLL_MS;
        }
    }
    if (more || !c->failed)
        flush(c);
    if (c->client.fatal) {
        c->failed = true;
        cli__explain(&c->client, c->client.fatal, c->client.reason, "the consumer had to stop");
    }
}

static bool start_partition(struct consume *c, int32_t partition, struct cli_position from)
{
    const char *topic = c->args->arguments[0];
    int64_t offset, end;

    if (!cli__resolve(&c->client, topic, partition, from, &offset) ||
        !cli__resolve(&c->client, topic, partition, (struct cli_position){.kind = POSITION_END}, &end))
        return false;
    c->parts[partition].end = end;
    c->parts[partition].done = offset >= end;
    rd_kafka_topic_partition_list_add(c->reading, topic, partition);
    if (rd_kafka_consume_start_queue(c->topic, partition, offset, c->queue) == 0)
        return true;
    cli__explain(&c->client, rd_kafka_last_error(), NULL, "topic %s, partition %" PRId32, topic, partition);
    return false;
}

static bool start_without_group(struct consume *c)
{
    const char *from = c->args->of[OPT_FROM].given ? c->args->of[OPT_FROM].text : "beginning";
    int32_t partition = c->args->of[OPT_PARTITION].given ? (int32_t)c->args->of[OPT_PARTITION].number : -1;
    struct cli_position position;
    bool ok = cli__position(from, &position);

    if (partition >= c->parts_count) {
        cli__explain(&c->client, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, NULL, "topic %s, partition %" PRId32, c->args->arguments[0], partition);
        return false;
    }
    if (position.kind == POSITION_OFFSET && partition < 0 && c->parts_count > 1) {
        cli__say("an offset is one partition's, and the topic has %d: say --partition", c->parts_count);
        return false;
    }
    c->topic = rd_kafka_topic_new(c->client.kafka, c->args->arguments[0], NULL);
    c->queue = rd_kafka_queue_new(c->client.kafka);
    c->reading = rd_kafka_topic_partition_list_new(c->parts_count);
    for (int32_t i = 0; ok && i < c->parts_count; i++)
        if (partition < 0 || partition == i)
            ok = start_partition(c, i, position);
    return ok;
}

static bool start_in_group(struct consume *c)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t error;

    rd_kafka_poll_set_consumer(c->client.kafka);
    rd_kafka_topic_partition_list_add(list, c->args->arguments[0], RD_KAFKA_PARTITION_UA);
    error = rd_kafka_subscribe(c->client.kafka, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error)
        cli__explain(&c->client, error, NULL, "group %s", c->args->of[OPT_GROUP].text);
    return !error;
}

/* A place for each partition that the topic has now. */
static bool make_parts(struct consume *c)
{
    const struct rd_kafka_metadata *metadata;

    if (!cli__metadata(&c->client, c->args->arguments[0], &metadata))
        return false;
    c->parts_count = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    c->parts = mem_alloc((size_t)c->parts_count, sizeof *c->parts);
    for (int i = 0; c->parts && i < c->parts_count; i++)
        c->parts[i].end = c->parts[i].written = -1;
    return c->parts != NULL;
}

static void stop(struct consume *c, bool started)
{
    char records[CLI_NUMBER_SIZE], bytes[CLI_NUMBER_SIZE];

    if (in_group(c))
        rd_kafka_consumer_close(c->client.kafka); /* commits and leaves */
    for (int i = 0; c->reading && i < c->reading->cnt; i++)
        rd_kafka_consume_stop(c->topic, c->reading->elems[i].partition);
    cli__progress_clear();
    if (!started)
        return;
    fprintf(stderr, "consumed %s record%s, %s bytes\n", cli__number(c->records, records), c->records == 1 ? "" : "s", cli__number(c->bytes, bytes));
}

static void release(struct consume *c)
{
    if (c->reading)
        rd_kafka_topic_partition_list_destroy(c->reading);
    if (c->queue)
        rd_kafka_queue_destroy(c->queue);
    if (c->topic)
        rd_kafka_topic_destroy(c->topic);
    mem_free(c->parts);
    cli__close(&c->client);
}

static bool check_options(const struct cli_args *args, struct cli_format *format)
{
    const char *from = args->of[OPT_FROM].text, *wrong = NULL;
    struct cli_position position;

    *format = (struct cli_format){
        .layout = args->of[OPT_JSON].given ? LAYOUT_JSON : args->of[OPT_FORMAT].given ? LAYOUT_FORMAT : LAYOUT_PLAIN,
        .text = args->of[OPT_FORMAT].text,
        .key_separator = args->of[OPT_KEY_SEPARATOR].text,
        .null_text = args->of[OPT_NULL_VALUE].text,
    };
    if (from && !cli__position(from, &position))
        return false;
    if (format->text)
        wrong = cli__format_check(format->text);
    if (args->of[OPT_JSON].given && args->of[OPT_FORMAT].given)
        wrong = "--json or --format, not both";
    if (args->of[OPT_GROUP].given && from && position.kind != POSITION_BEGINNING && position.kind != POSITION_END)
        wrong = "a group starts at its own offsets: move them with 'barnabas group reset'";
    if (args->of[OPT_GROUP].given && args->of[OPT_PARTITION].given)
        wrong = "a group assigns the partitions: --partition needs a reader without --group";
    if (wrong)
        cli__say("%s", wrong);
    return !wrong;
}

static enum cli_exit consume(const struct cli_args *args)
{
    struct consume c = {.args = args};
    const char *from = args->of[OPT_FROM].text;
    const struct cli_setting settings[] = {
        {"enable.partition.eof", "true"},
        {"check.crcs", "true"},
        {"receive.message.max.bytes", "1000000000"},
        {"queued.min.messages", "300000"}, /* a client that has so many of a partition rests for a second */
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", !args->of[OPT_GROUP].given ? "error" : from && strcmp(from, "end") == 0 ? "latest" : "earliest"},
        {args->of[OPT_GROUP].given ? "group.id" : NULL, args->of[OPT_GROUP].text},
        {NULL, NULL},
    };
    bool started = false;

    if (!check_options(args, &c.format))
        return CLI_USAGE;
    cli__catch_signals();
    if (cli__connect(&c.client, args, RD_KAFKA_CONSUMER, NULL, settings) && make_parts(&c)) {
        started = in_group(&c) ? start_in_group(&c) : start_without_group(&c);
        if (started)
            read_records(&c);
        stop(&c, started);
    }
    release(&c);
    return started && !c.failed ? CLI_DONE : CLI_FAILED;
}

int cli__consume(int argc, char **argv)
{
    static const struct cli_verb verb = {
        "", "TOPIC", "write records to standard output",
        OPTS_CLIENT | OPT(FROM) | OPT(COUNT) | OPT(GROUP) | OPT(PARTITION) | OPT(UNTIL_END) | OPT(KEY_SEPARATOR) | OPT(NULL_VALUE) | OPT(FORMAT) | OPT(JSON),
        1, 1, consume,
        "A record is written as its value and a line's end; with --key-separator, its key and the separator first.\n"
        "In --format, %t is the topic, %p the partition, %o the offset, %T the timestamp, %k and %v key and value, %K and %V\n"
        "their sizes (-1: null), %h the headers, %% a percent sign; \\n, \\r, \\t, \\0 and \\\\ are as in C.\n"
        "The count at the end goes to standard error.\n"};

    return cli__run(&verb, 1, argc, argv);
}
