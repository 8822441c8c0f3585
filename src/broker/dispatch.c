/* SPDX-License-Identifier: Apache-2.0
 * See dispatch.h. What Kafka does with a request that it does not serve: ApiVersions gets version 0 with UNSUPPORTED_VERSION and the
 * range (KIP-511), everything else closes the connection.
 */
#include "broker/dispatch.h"

#include "broker/api.h"
#include "broker/broker.h"

enum {
    ARENA_BASE = 64 * 1024 * 1024,   /* an answer that lists every partition of a large cluster */
    ARENA_FACTOR = 64,               /* the smallest element of an array is 1 byte on the wire and no more than this decoded */
    ARENA_MAX = 256 * 1024 * 1024,
};

size_t dispatch_arena_max(size_t size)
{
    return size > (ARENA_MAX - ARENA_BASE) / ARENA_FACTOR ? ARENA_MAX : ARENA_BASE + size * ARENA_FACTOR;
}

void dispatch(struct request *r, struct bytes_view body)
{
    const struct service *service = r->service;
    const struct message *message = service->api->request;
    struct reader reader;

    gauge_add(&broker_at(r->here)->metrics.requests[service - services], 1);
    if (r->version < service->api->version_min || r->version > service_version_max(service)) {
        if (service->key != API_API_VERSIONS)
            request_close(r, "unsupported version");
        else
            api_versions_refuse(r);
        return;
    }
    r->in = arena_alloc(&r->arena, 1, message->size);
    if (!r->in) {
        request_close(r, "no memory");
        return;
    }
    reader_init(&reader, body.data, body.size);
    if (message_decode(message, &reader, r->version, &r->arena, r->in) != STATUS_OK) {
        request_close(r, "malformed");
        return;
    }
    service->serve(r);
}
