/* SPDX-License-Identifier: Apache-2.0
 * The APIs of Kafka's protocol by key, and every message by name: made from schema/ by the build.
 *
 * This says what exists on the wire, in all its versions. What a broker serves and advertises is the broker's own
 * table.
 */
#ifndef WIRE_APIS_H
#define WIRE_APIS_H

#include "wire/api_keys.h"
#include "wire/message.h"

enum { API_ON_BROKER = 1, API_ON_CONTROLLER = 2 };

struct api {
    const char *name;
    int16_t key;
    int16_t version_min, version_max; /* both included; version_max is -1 for the four keys that ZooKeeper took along */
    int16_t flexible;                 /* the first flexible version; above version_max when there is none */
    int16_t unstable;                 /* the first version that is not final and not advertised; -1: none */
    int listeners;                    /* API_ON_... where Kafka serves it */
    const struct message *request, *response;
};

extern const struct api api_table[API_COUNT];

/* Sorted by name. */
extern const struct message *const message_table[];
extern const size_t message_table_size;

/* NULL: no such key, or one without versions. */
const struct api *api_find(int16_t key);
/* The API's name for logs, of any key: "UNKNOWN" where there is none. */
const char *api_name(int16_t key);
/* Versions of the headers (wire/header/) in front of a request and its response. */
int16_t api_request_header_version(const struct api *api, int16_t version);
int16_t api_response_header_version(const struct api *api, int16_t version);

const struct message *message_find(struct str_view name); /* NULL: none */
/* The message of one kind with this key (metadata and coordinator records); NULL: none. */
const struct message *message_of(enum message_kind kind, int16_t key);

#endif
