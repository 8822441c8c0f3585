/* SPDX-License-Identifier: Apache-2.0
 * barnabas produce: standard input, a record a line, or whole files, to a topic.
 *
 * Idempotent with acks=all: what is counted as produced is on the broker once. Each record ends in on_delivery, as produced or as
 * failed; the first failure of each kind is told, the rest are counted. The client's queue is bounded: when it is full, reading waits.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>

#include "base/mem.h"
#include "cli/cli_int.h"
#include "cli/commands.h"
#include "rt/run.h"

enum {
    RECORD_MAX = 100 << 20, /* what the client can hold beside others; brokers refuse far less */
    LINE_FIRST = 64 << 10,
    POLL_MS = 100,
};

struct source { /* bytes of one record at a time */
    char *bytes;
    size_t size, capacity;
};

struct produce {
    struct cli_client client;
    const struct cli_args *args;
    rd_kafka_headers_t *headers; /* of every record, or NULL */
    struct source source;
    uint64_t queued, produced, produced_bytes, failed;
    rd_kafka_resp_err_t told; /* the last failure that was printed */
};

static void on_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque)
{
    struct cli_client *client = opaque;
    struct produce *p = client->context;

    if (!message->err) {
        p->produced++;
        p->produced_bytes += message->len + message->key_len;
        return;
    }
    p->failed++;
    if (p->told != message->err)
        cli__explain(client, message->err, NULL, "a record of %zu bytes was not produced", message->len);
    p->told = message->err;
}

static bool source_grow(struct source *s)
{
    size_t capacity = s->capacity ? 2 * s->capacity : LINE_FIRST;
    char *larger = capacity > 2 * RECORD_MAX ? NULL : mem_resize(s->bytes, capacity, 1);

    if (!larger) {
        cli__say("a record of more than %d bytes", RECORD_MAX);
        return false;
    }
    s->bytes = larger;
    s->capacity = capacity;
    return true;
}

/* The next line without its end. *more is false at the end of the input, or when a signal came. */
static bool source_line(struct source *s, FILE *in, bool *more)
{
    int c;

    s->size = 0;
    while ((c = getc_unlocked(in)) != EOF && c != '\n') {
        if (s->size == s->capacity && !source_grow(s))
            return false;
        s->bytes[s->size++] = (char)c;
    }
    if (c == EOF && ferror(in) && errno != EINTR) {
        cli__say("cannot read standard input: %s", strerror(errno));
        return false;
    }
    *more = c != EOF || (s->size > 0 && !ferror(in)); /* half a line at a signal is no record */
    return true;
}

static bool source_file(struct source *s, const char *path)
{
    FILE *in = fopen(path, "rb");
    bool ok = in != NULL;

    s->size = 0;
    while (ok && !feof(in) && !ferror(in)) {
        ok = s->size < s->capacity || source_grow(s);
        if (ok)
            s->size += fread(s->bytes + s->size, 1, s->capacity - s->size, in);
    }
    if (!in || ferror(in)) {
        cli__say("cannot read %s: %s", path, strerror(errno));
        ok = false;
    }
    if (in)
        fclose(in);
    return ok;
}

/* Hands one record to the client, waiting while its queue is full. */
static bool send_record(struct produce *p, struct bytes_view key, struct bytes_view value)
{
    const struct cli_args *args = p->args;
    int32_t partition = args->of[OPT_PARTITION].given ? (int32_t)args->of[OPT_PARTITION].number : RD_KAFKA_PARTITION_UA;
    rd_kafka_resp_err_t error;

    do {
        rd_kafka_headers_t *headers = p->headers ? rd_kafka_headers_copy(p->headers) : NULL;

        error = rd_kafka_producev(
            p->client.kafka, RD_KAFKA_V_TOPIC(args->arguments[0]), RD_KAFKA_V_PARTITION(partition),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY((void *)(uintptr_t)key.data, key.size),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)value.data, value.size), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (error && headers)
            rd_kafka_headers_destroy(headers);
        rd_kafka_poll(p->client.kafka, error == RD_KAFKA_RESP_ERR__QUEUE_FULL ? POLL_MS : 0);
        cli__progress("producing", p->produced, p->produced_bytes);
    } while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL && !cli__interrupted());
    if (!error) {
        p->queued++;
        return true;
    }
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        p->failed++;
        cli__explain(&p->client, error, NULL, "topic %s", args->arguments[0]);
    }
    return false;
}

static struct bytes_view bytes_of(const char *text)
{
    return (struct bytes_view){(const uint8_t *)text, text ? strlen(text) : 0};
}

/* An empty record's value is empty, not null, and has an address. */
static struct bytes_view value_of(const struct produce *p, const char *bytes, size_t size)
{
    const char *null_text = p->args->of[OPT_NULL_VALUE].text;

    if (null_text && size == strlen(null_text) && memcmp(bytes, null_text, size) == 0)
        return (struct bytes_view){NULL, 0};
    return (struct bytes_view){(const uint8_t *)(size ? bytes : ""), size};
}

static bool send_line(struct produce *p)
{
    const char *separator = p->args->of[OPT_KEY_SEPARATOR].text, *at;
    struct bytes_view key = bytes_of(p->args->of[OPT_KEY].text);
    size_t key_size;

    if (!separator)
        return send_record(p, key, value_of(p, p->source.bytes, p->source.size));
    at = p->source.size ? memmem(p->source.bytes, p->source.size, separator, strlen(separator)) : NULL;
    if (!at) {
        p->failed++;
        cli__say("line %" PRIu64 " has no '%s' between key and value", p->queued + 1, separator);
        return false;
    }
    key_size = (size_t)(at - p->source.bytes);
    key = (struct bytes_view){(const uint8_t *)(key_size ? p->source.bytes : ""), key_size};
    at += strlen(separator);
    return send_record(p, key, value_of(p, at, p->source.size - (size_t)(at - p->source.bytes)));
}

static bool send_all(struct produce *p)
{
    bool more = true;

    for (int i = 0; i < p->args->of[OPT_FILE].list_count && !cli__interrupted(); i++)
        if (!source_file(&p->source, p->args->of[OPT_FILE].list[i]) ||
            !send_record(p, bytes_of(p->args->of[OPT_KEY].text), value_of(p, p->source.bytes, p->source.size)))
            return false;
    if (p->args->of[OPT_FILE].given)
        return true;
    while (!cli__interrupted() && !p->client.fatal) {
        if (!source_line(&p->source, stdin, &more))
            return false;
        if (!more)
            break;
        if (!send_line(p))
            return false;
    }
    return true;
}

static bool make_headers(struct produce *p)
{
    int count = p->args->of[OPT_HEADER].list_count;

    if (count)
        p->headers = rd_kafka_headers_new((size_t)count);
    for (int i = 0; i < count; i++) {
        const char *value;
        char *key;

        if (!cli__pair(p->args->of[OPT_HEADER].list[i], &key, &value))
            return false;
        rd_kafka_header_add(p->headers, key, -1, value, -1);
        mem_free(key);
    }
    return true;
}

static bool connect_producer(struct produce *p)
{
    const char *codec = p->args->of[OPT_COMPRESSION].text;
    const struct cli_setting settings[] = {
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"compression.type", codec ? codec : "none"},
        {"message.max.bytes", "105000000"}, /* RECORD_MAX and its overhead */
        {"queue.buffering.max.kbytes", "262144"},
        {"linger.ms", "5"},
        {NULL, NULL},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const struct rd_kafka_metadata *metadata;

    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    p->client.context = p;
    if (!cli__connect(&p->client, p->args, RD_KAFKA_PRODUCER, conf, settings) ||
        !cli__metadata(&p->client, p->args->arguments[0], &metadata))
        return false;
    rd_kafka_metadata_destroy(metadata);
    return true;
}

/* Waits for every record's end; after a signal, no longer than --timeout. What has none then has failed. */
static void await_delivery(struct produce *p)
{
    int64_t until_ms = INT64_MAX;

    while (rd_kafka_outq_len(p->client.kafka) > 0 && !p->client.fatal && rt_wall_ms() < until_ms) {
        if (cli__interrupted() && until_ms == INT64_MAX)
            until_ms = rt_wall_ms() + p->client.timeout_ms;
        rd_kafka_flush(p->client.kafka, POLL_MS);
        cli__progress("producing", p->produced, p->produced_bytes);
    }
    if (p->client.fatal)
        cli__explain(&p->client, p->client.fatal, p->client.reason, "the producer had to stop");
    if (rd_kafka_outq_len(p->client.kafka) == 0)
        return;
    rd_kafka_purge(p->client.kafka, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(p->client.kafka, p->client.timeout_ms);
}

static void print_counts(const struct produce *p)
{
    char records[CLI_NUMBER_SIZE], bytes[CLI_NUMBER_SIZE], failed[CLI_NUMBER_SIZE];

    cli__progress_clear();
    fprintf(stderr, "produced %s record%s, %s bytes", cli__number(p->produced, records), p->produced == 1 ? "" : "s",
            cli__number(p->produced_bytes, bytes));
    if (p->failed)
        fprintf(stderr, "; %s failed", cli__number(p->failed, failed));
    fputc('\n', stderr);
}

static enum cli_exit produce(const struct cli_args *args)
{
    struct produce p = {.args = args};
    bool ok = false;

    if (args->of[OPT_KEY_SEPARATOR].given && (!*args->of[OPT_KEY_SEPARATOR].text || args->of[OPT_KEY].given || args->of[OPT_FILE].given)) {
        cli__say("--key-separator takes some text, and the place of --key; --file takes no separator");
        return CLI_USAGE;
    }
    cli__catch_signals();
    if (make_headers(&p) && connect_producer(&p)) {
        ok = send_all(&p);
        await_delivery(&p);
        print_counts(&p);
        ok = ok && p.failed == 0 && !p.client.fatal;
    }
    if (p.headers)
        rd_kafka_headers_destroy(p.headers);
    mem_free(p.source.bytes);
    cli__close(&p.client);
    return ok ? CLI_DONE : CLI_FAILED;
}

int cli__produce(int argc, char **argv)
{
    static const struct cli_verb verb = {
        "", "TOPIC", "send standard input, a record a line, or whole files",
        OPTS_CLIENT | OPT(KEY) | OPT(KEY_SEPARATOR) | OPT(HEADER) | OPT(NULL_VALUE) | OPT(PARTITION) | OPT(COMPRESSION) | OPT(FILE),
        1, 1, produce,
        "Records are sent with acks=all and without duplicates. A line is a record, without its end; with --key-separator\n"
        "the text before the first separator is the key. The count at the end goes to standard error; the exit code is 1\n"
        "when any record failed.\n"};

    return cli__run(&verb, 1, argc, argv);
}
