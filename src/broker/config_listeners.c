/* SPDX-License-Identifier: Apache-2.0
 * Where the node listens and what it tells others: listeners, advertised.listeners, listener.security.protocol.map,
 * controller.listener.names. See config.h.
 *
 *   listeners=NAME://host:port,...      host may be empty (all addresses) or an IPv6 address in brackets; names are
 * case-insensitive
 */
#include "broker/config_int.h"

#include <strings.h>

static bool names_equal(struct str_view a, struct str_view b)
{
    return a.size == b.size && strncasecmp(a.data, b.data, a.size) == 0;
}

static bool list_names(struct str_view list, struct str_view name)
{
    while (list.size) {
        if (names_equal(config_list_next(&list), name))
            return true;
    }
    return false;
}

static bool parse_port(struct str_view text, uint16_t *port)
{
    unsigned value = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            (value = value * 10 + (unsigned)(text.data[i] - '0')) > UINT16_MAX)
            return false;
    }
    *port = (uint16_t)value;
    return text.size > 0;
}

struct endpoint {
    struct str_view name, host;
    uint16_t port;
};

static bool parse_endpoint(struct str_view text, struct endpoint *out)
{
    const char *end = text.data + text.size;
    const char *scheme = text.size ? memmem(text.data, text.size, "://", 3) : NULL;
    const char *host = scheme ? scheme + 3 : NULL;
    const char *colon = host && host < end ? memrchr(host, ':', (size_t)(end - host)) : NULL;

    if (!colon || scheme == text.data)
        return false;
    out->name = (struct str_view){text.data, (size_t)(scheme - text.data)};
    out->host = (struct str_view){host, (size_t)(colon - host)};
    if (out->host.size >= 2 && host[0] == '[' && host[out->host.size - 1] == ']')
        out->host = (struct str_view){host + 1, out->host.size - 2};
    return parse_port((struct str_view){colon + 1, (size_t)(end - colon) - 1}, &out->port);
}

static struct str_view upper_case(struct arena *arena, struct str_view name)
{
    struct str_view copy = arena_str(arena, name);
    char *letters = (char *)(uintptr_t)copy.data;

    for (size_t i = 0; i < copy.size; i++)
        letters[i] = (char)(letters[i] >= 'a' && letters[i] <= 'z' ? letters[i] - 'a' + 'A' : letters[i]);
    return copy;
}

/* The security protocol of a listener; null: the map does not name it. Controllers' listeners need no entry while the
 * map is the default one. */
static struct str_view protocol_of(const struct config *config, struct str_view name, bool controller)
{
    struct str_view map = config_str(config, CONFIG_LISTENER_SECURITY_PROTOCOL_MAP);

    while (map.size) {
        struct str_view pair = config_list_next(&map);
        const char *colon = pair.size ? memchr(pair.data, ':', pair.size) : NULL;

        if (colon && names_equal((struct str_view){pair.data, (size_t)(colon - pair.data)}, name))
            return config_trimmed((struct str_view){colon + 1, pair.size - (size_t)(colon - pair.data) - 1});
    }
    return controller && !config->slots[CONFIG_LISTENER_SECURITY_PROTOCOL_MAP].text.data ? STR_LIT("PLAINTEXT")
                                                                                         : STR_NULL;
}

static enum status check_protocol(const struct config *config, const struct config_listener *listener, struct err *err)
{
    struct str_view protocol = protocol_of(config, listener->name, listener->controller);

    if (!protocol.data)
        return err_set(err, STATUS_INVALID_CONFIG,
                       "listener " STR_FMT ": listener.security.protocol.map does not name it",
                       STR_ARG(listener->name));
    if (!names_equal(protocol, STR_LIT("PLAINTEXT")))
        return err_set(err, STATUS_INVALID_CONFIG,
                       "listener " STR_FMT ": security protocol " STR_FMT " is not served so far, only PLAINTEXT",
                       STR_ARG(listener->name), STR_ARG(protocol));
    return STATUS_OK;
}

/* What advertised.listeners says of this one; else what it listens on itself. */
static enum status set_advertised(struct config *config, struct config_listener *listener, struct err *err)
{
    struct str_view list = config_str(config, CONFIG_ADVERTISED_LISTENERS);
    struct endpoint endpoint = {.host = listener->host, .port = listener->port};

    while (list.size) {
        struct str_view item = config_list_next(&list);
        struct endpoint other;

        if (!parse_endpoint(item, &other))
            return err_set(err, STATUS_INVALID_CONFIG,
                           "advertised.listeners: expected NAME://host:port, not '" STR_FMT "'", STR_ARG(item));
        if (names_equal(other.name, listener->name))
            endpoint = other;
    }
    if (str_is(endpoint.host, "0.0.0.0") || str_is(endpoint.host, "::"))
        endpoint.host = STR_LIT("");
    listener->advertised_host = arena_str(&config->arena, endpoint.host);
    listener->advertised_port = endpoint.port;
    return listener->advertised_host.data ? STATUS_OK
                                          : err_set(err, STATUS_NO_MEMORY, "no memory for the configuration");
}

static enum status add_listener(struct config *config, struct str_view item, struct err *err)
{
    struct config_listener *listener = &config->listeners[config->listeners_count];
    struct endpoint endpoint;
    enum status status;

    if (!parse_endpoint(item, &endpoint))
        return err_set(err, STATUS_INVALID_CONFIG, "listeners: expected NAME://host:port, not '" STR_FMT "'",
                       STR_ARG(item));
    for (size_t i = 0; i < config->listeners_count; i++) {
        if (names_equal(config->listeners[i].name, endpoint.name))
            return err_set(err, STATUS_INVALID_CONFIG,
                           "listeners: each listener must have a different name, " STR_FMT " is there twice",
                           STR_ARG(endpoint.name));
    }
    listener->name = upper_case(&config->arena, endpoint.name);
    listener->host = arena_str(&config->arena, endpoint.host);
    listener->port = endpoint.port;
    if (!listener->name.data || !listener->host.data)
        return err_set(err, STATUS_NO_MEMORY, "no memory for the configuration");
    listener->controller = list_names(config_str(config, CONFIG_CONTROLLER_LISTENER_NAMES), listener->name);
    status = check_protocol(config, listener, err);
    if (status == STATUS_OK)
        status = set_advertised(config, listener, err);
    config->listeners_count++;
    return status;
}

enum status config__listeners(struct config *config, struct err *err)
{
    struct str_view list = config_str(config, CONFIG_LISTENERS);
    size_t count = 1;
    bool clients = false;
    enum status status = STATUS_OK;

    for (size_t i = 0; i < list.size; i++)
        count += list.data[i] == ',';
    config->listeners_count = 0;
    config->listeners = arena_alloc(&config->arena, count, sizeof *config->listeners);
    if (!config->listeners)
        return err_set(err, STATUS_NO_MEMORY, "no memory for the configuration");
    while (status == STATUS_OK && list.size)
        status = add_listener(config, config_list_next(&list), err);
    for (size_t i = 0; i < config->listeners_count; i++)
        clients |= !config->listeners[i].controller;
    if (status == STATUS_OK && !clients)
        return err_set(err, STATUS_INVALID_CONFIG, "listeners has none for clients");
    return status;
}
