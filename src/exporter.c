/* SPDX-License-Identifier: Apache-2.0
 * See exporter.h. The library has one thread, so that one text serves all connections, one after the other.
 */
#include "exporter.h"

#include <arpa/inet.h>
#include <microhttpd.h>

#include "base/mem.h"
#include "broker/config.h"
#include "broker/metrics.h"
#include "rt/log.h"
#include "rt/run.h"

enum { CONNECTIONS_MAX = 8, TIMEOUT_S = 10, CONNECTION_BYTES = 16 << 10, ADDRESS_MAX = 64 };

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct exporter {
    const struct broker *broker;
    struct MHD_Daemon *daemon;
    char text[METRICS_TEXT_MAX];
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, const char *type, const char *text, size_t size)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(size, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    result = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES ? MHD_queue_response(connection, code, response) : MHD_NO;
    MHD_destroy_response(response);
    return result;
}

/* The library calls it once the head is there, and again for a body and at its end; who sends one is not listened to. */
static enum MHD_Result asked(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *body,
                             size_t *body_size, void **state)
{
    static const char elsewhere[] = "The metrics are at /metrics.\n", otherwise[] = "Only GET and HEAD are served.\n";
    struct exporter *e = context;

    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", otherwise, sizeof otherwise - 1);
    if (strcmp(url, "/metrics") != 0)
        return answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", elsewhere, sizeof elsewhere - 1);
    return answer(connection, MHD_HTTP_OK, CONTENT_TYPE, e->text, metrics_text(e->broker, rt_memory(), e->text));
}

/* HOST:PORT or [HOST]:PORT, in numbers. */
static bool address_parse(struct str_view text, struct sockaddr_storage *to)
{
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)to;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)to;
    char host[ADDRESS_MAX], *colon, *end;
    unsigned long port;

    if (text.size >= sizeof host)
        return false;
    memcpy(host, text.data, text.size);
    host[text.size] = 0;
    colon = strrchr(host, ':');
    if (!colon || colon[1] < '0' || colon[1] > '9')
        return false;
    port = strtoul(colon + 1, &end, 10);
    *colon = 0;
    memset(to, 0, sizeof *to);
    if (*end || port > UINT16_MAX)
        return false;
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        return true;
    }
    if (host[0] != '[' || colon == host || colon[-1] != ']')
        return false;
    colon[-1] = 0;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)port);
    return inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1;
}

enum status exporter_open(const struct config *config, const struct broker *broker, struct exporter **out, struct err *err)
{
    struct str_view listener = config_str(config, CONFIG_BARNABAS_METRICS_LISTENER);
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO;
    struct sockaddr_storage address;
    struct exporter *e;

    *out = NULL;
    if (!listener.size)
        return STATUS_OK;
    if (!address_parse(listener, &address))
        return err_set(err, STATUS_INVALID, "barnabas.metrics.listener=" STR_FMT ": an address in numbers and a port are wanted, as 127.0.0.1:9404", STR_ARG(listener));
    e = mem_alloc(1, sizeof *e);
    if (!e)
        return err_set(err, STATUS_NO_MEMORY, "no memory for the metrics");
    e->broker = broker;
    e->daemon = MHD_start_daemon(address.ss_family == AF_INET6 ? flags | MHD_USE_IPv6 : flags, 0, NULL, NULL, asked, e, MHD_OPTION_SOCK_ADDR, &address,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    if (!e->daemon) {
        mem_free(e);
        return err_set(err, STATUS_INVALID, "barnabas.metrics.listener=" STR_FMT " cannot be listened at", STR_ARG(listener));
    }
    log_line(LOG_INFO, "metrics", "url=http://" STR_FMT "/metrics", STR_ARG(listener));
    *out = e;
    return STATUS_OK;
}

void exporter_close(struct exporter *e)
{
    if (!e)
        return;
    MHD_stop_daemon(e->daemon);
    mem_free(e);
}
