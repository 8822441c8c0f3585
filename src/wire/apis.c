/* SPDX-License-Identifier: Apache-2.0
 * See apis.h: look-ups in the tables that the build makes.
 */
#include "wire/apis.h"

const struct api *api_find(int16_t key)
{
    const struct api *api = key >= 0 && key < API_COUNT ? &api_table[key] : NULL;

    return api && api->request ? api : NULL;
}

const char *api_name(int16_t key)
{
    return key >= 0 && key < API_COUNT ? api_table[key].name : "UNKNOWN";
}

int16_t api_request_header_version(const struct api *api, int16_t version)
{
    return version >= api->flexible ? 2 : 1;
}

int16_t api_response_header_version(const struct api *api, int16_t version)
{
    /* Who asks for versions may not know any: its answer is readable by all (KIP-511). */
    return api->key != API_API_VERSIONS && version >= api->flexible ? 1 : 0;
}

const struct message *message_find(struct str_view name)
{
    size_t low = 0, high = message_table_size;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = str_order(name, str_from(message_table[middle]->name));

        if (order == 0)
            return message_table[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct message *message_of(enum message_kind kind, int16_t key)
{
    for (size_t i = 0; i < message_table_size; i++)
        if (message_table[i]->kind == kind && message_table[i]->key == key)
            return message_table[i];
    return NULL;
}
