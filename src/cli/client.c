/* SPDX-License-Identifier: Apache-2.0
 * The connection to a broker, over librdkafka, and its errors in words that say what to do.
 *
 * Commands that only ask use a consumer's client without a group: a producer's would make brokers create the topics that it asks about.
 */
#include <stdarg.h>

#include "base/mem.h"
#include "cli/cli_int.h"
#include "rt/run.h"

enum { ASK_MS = 200 }; /* between two looks at what the client has reported */

static const struct {
    rd_kafka_resp_err_t error;
    const char *advice;
} advices[] = {
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "make it with 'barnabas topic create', see 'barnabas topic list'"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "make it with 'barnabas topic create', see 'barnabas topic list'"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, "see 'barnabas topic describe'"},
    {RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, "choose another name, or say --if-not-exists"},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "raise max.message.bytes of the topic with 'barnabas config alter'"},
    {RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP, "stop the group's members first"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, "the group has members: stop them first"},
    {RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND, "see 'barnabas group list'"},
    {RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC, "stop the members that read the topic first"},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, "there are not so many brokers"},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, "does the topic compact? then every record needs a key"},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "ask for access to the topic"},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "ask for access to the group"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, "ask for access to the cluster"},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, "say who you are with --client sasl.username=... and sasl.password=..."},
    {RD_KAFKA_RESP_ERR__SSL, "set the certificates with --client ssl.ca.location=..."},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, "allow more with --timeout"},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, "it had to stop before the broker took it"},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, "it had to stop before the broker answered: the record may be there"},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, "is the broker still there?"},
};

static bool is_unreachable(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
           error == RD_KAFKA_RESP_ERR__RESOLVE;
}

enum cli_exit cli__explain(const struct cli_client *client, rd_kafka_resp_err_t error, const char *detail, const char *format, ...)
{
    const char *advice = NULL;
    char what[512];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (is_unreachable(error))
        return cli__fail("%s: cannot reach %s: is the broker running? start it with script/server%s%s%s", what,
                         client->bootstrap, *client->reason ? " (" : "", client->reason, *client->reason ? ")" : "");
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
        if (advices[i].error == error)
            advice = advices[i].advice;
    return cli__fail("%s: %s%s%s", what, detail && *detail ? detail : rd_kafka_err2str(error), advice ? ": " : "", advice ? advice : "");
}

static void on_error(rd_kafka_t *kafka, int error, const char *reason, void *opaque)
{
    struct cli_client *client = opaque;

    if (error == RD_KAFKA_RESP_ERR__FATAL)
        client->fatal = rd_kafka_fatal_error(kafka, client->reason, sizeof client->reason);
    else if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        snprintf(client->reason, sizeof client->reason, "%s", reason);
    if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || error == RD_KAFKA_RESP_ERR__RESOLVE ||
        error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR__SSL)
        client->unreachable = true;
    if (client->connected && error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        cli__say("lost %s: waiting for it to come back", client->bootstrap);
}

/* The client's log repeats its errors. */
static void on_log(const rd_kafka_t *kafka, int level, const char *facility, const char *text)
{
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char reason[256];

    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK)
        return true;
    cli__say("%s=%s: %s", name, value, reason);
    return false;
}

static bool configure(rd_kafka_conf_t *conf, const struct cli_args *args, const struct cli_setting *settings)
{
    bool ok = set(conf, "client.id", "barnabas-cli") && set(conf, "bootstrap.servers", args->of[OPT_BOOTSTRAP].text);

    for (; ok && settings && settings->name; settings++)
        ok = set(conf, settings->name, settings->value);
    for (int i = 0; ok && i < args->of[OPT_CLIENT].list_count; i++) {
        const char *value;
        char *name;

        if (!cli__pair(args->of[OPT_CLIENT].list[i], &name, &value))
            return false;
        ok = set(conf, name, value);
        mem_free(name);
    }
    return ok;
}

/* Waits for the first answer of a broker. */
static bool await_broker(struct cli_client *client)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error;
    int64_t until_ms = rt_wall_ms() + client->timeout_ms;

    do {
        error = rd_kafka_metadata(client->kafka, 0, NULL, &metadata, ASK_MS);
        rd_kafka_poll(client->kafka, 0);
        if (!error) {
            rd_kafka_metadata_destroy(metadata);
            client->connected = true;
            client->unreachable = false;
            *client->reason = '\0';
            return true;
        }
    } while (!client->unreachable && rt_wall_ms() < until_ms);
    cli__explain(client, RD_KAFKA_RESP_ERR__TRANSPORT, NULL, "connect");
    return false;
}

bool cli__connect(struct cli_client *client, const struct cli_args *args, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                  const struct cli_setting *settings)
{
    char reason[256];

    client->bootstrap = args->of[OPT_BOOTSTRAP].text;
    client->timeout_ms = (int)args->of[OPT_TIMEOUT].number * 1000;
    if (!conf)
        conf = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    if (configure(conf, args, settings)) {
        client->kafka = rd_kafka_new(type, conf, reason, sizeof reason);
        if (!client->kafka)
            cli__say("%s", reason);
    }
    if (!client->kafka) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    client->queue = rd_kafka_queue_new(client->kafka);
    if (await_broker(client))
        return true;
    cli__close(client);
    return false;
}

void cli__close(struct cli_client *client)
{
    if (client->queue)
        rd_kafka_queue_destroy(client->queue);
    if (client->kafka)
        rd_kafka_destroy(client->kafka);
    client->queue = NULL;
    client->kafka = NULL;
}

rd_kafka_AdminOptions_t *cli__admin_options(struct cli_client *client, rd_kafka_admin_op_t operation)
{
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client->kafka, operation);
    char reason[256];

    /* Not every operation knows every option: what it does not know it does not need. */
    (void)rd_kafka_AdminOptions_set_request_timeout(options, client->timeout_ms, reason, sizeof reason);
    (void)rd_kafka_AdminOptions_set_operation_timeout(options, client->timeout_ms, reason, sizeof reason);
    return options;
}

rd_kafka_event_t *cli__result(struct cli_client *client, const char *what)
{
    rd_kafka_event_t *event;

    do {
        event = rd_kafka_queue_poll(client->queue, ASK_MS); /* the call has a timeout of its own */
        rd_kafka_poll(client->kafka, 0);
    } while (!event);
    if (!rd_kafka_event_error(event))
        return event;
    cli__explain(client, rd_kafka_event_error(event), rd_kafka_event_error_string(event), "%s", what);
    rd_kafka_event_destroy(event);
    return NULL;
}

/* What a new topic or a new leader answers for a moment. */
static bool is_passing(const struct rd_kafka_metadata *metadata)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (metadata->topics[i].err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
            return true;
    return false;
}

bool cli__metadata(struct cli_client *client, const char *topic, const struct rd_kafka_metadata **metadata)
{
    rd_kafka_topic_t *handle = topic ? rd_kafka_topic_new(client->kafka, topic, NULL) : NULL;
    int64_t until_ms = rt_wall_ms() + client->timeout_ms;
    rd_kafka_resp_err_t error;

    if (topic && !handle) {
        cli__explain(client, rd_kafka_last_error(), NULL, "topic %s", topic);
        return false;
    }
    while (!(error = rd_kafka_metadata(client->kafka, topic == NULL, handle, metadata, client->timeout_ms)) &&
           is_passing(*metadata) && rt_wall_ms() < until_ms) {
        rd_kafka_metadata_destroy(*metadata);
        rd_kafka_poll(client->kafka, ASK_MS);
    }
    if (handle)
        rd_kafka_topic_destroy(handle);
    if (error) {
        cli__explain(client, error, NULL, "ask for the metadata");
        return false;
    }
    if (topic && (*metadata)->topic_cnt == 1 && (*metadata)->topics[0].err) {
        cli__explain(client, (*metadata)->topics[0].err, NULL, "topic %s", topic);
        rd_kafka_metadata_destroy(*metadata);
        return false;
    }
    return true;
}

/* The first record from a time on. RD_KAFKA_OFFSET_END: there is none. */
static rd_kafka_resp_err_t offset_of_time(struct cli_client *client, const char *topic, int32_t partition, int64_t time_ms, int64_t *offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t error;

    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = time_ms;
    error = rd_kafka_offsets_for_times(client->kafka, list, client->timeout_ms);
    if (!error)
        error = list->elems[0].err;
    *offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return error;
}

bool cli__resolve(struct cli_client *client, const char *topic, int32_t partition, struct cli_position position, int64_t *offset)
{
    int64_t low, high;
    rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(client->kafka, topic, partition, &low, &high, client->timeout_ms);

    *offset = position.value;
    if (!error && position.kind == POSITION_TIME)
        error = offset_of_time(client, topic, partition, position.value, offset);
    if (error) {
        cli__explain(client, error, NULL, "topic %s, partition %d", topic, partition);
        return false;
    }
    if (position.kind == POSITION_BEGINNING)
        *offset = low;
    if (position.kind == POSITION_END || *offset == RD_KAFKA_OFFSET_END)
        *offset = high;
    if (*offset >= low && *offset <= high)
        return true;
    cli__say("topic %s, partition %d: there is no offset %lld: it has %lld to %lld", topic, partition, (long long)*offset,
             (long long)low, (long long)high);
    return false;
}
