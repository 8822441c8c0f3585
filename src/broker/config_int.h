/* SPDX-License-Identifier: Apache-2.0
 * What the config*.c share.
 */
#ifndef BROKER_CONFIG_INT_H
#define BROKER_CONFIG_INT_H

#include "broker/config.h"

struct config {
    struct arena arena; /* all texts */
    struct config_slot {
        struct str_view text;      /* as it was set; null: not set */
        struct config_value value; /* of the text, else of the default */
    } slots[CONFIG_KEYS];
    struct config_unknown *unknown;
    size_t unknown_count, unknown_capacity;
    struct config_listener *listeners;
    size_t listeners_count;
    struct str_view *dirs; /* log directories, each with a zero byte behind it */
    size_t dirs_count;
    struct str_view metadata_dir; /* likewise */
    char node_id[12]; /* as text: the name of our own broker resource */
};

/* Sets a key from text; `text` is copied. INVALID_CONFIG: a bad value. */
enum status config__put(struct config *config, enum config_key key, struct str_view text, struct err *err) MUST_CHECK;

/* Parses listeners, advertised.listeners and listener.security.protocol.map into config->listeners. */
enum status config__listeners(struct config *config, struct err *err) MUST_CHECK;

#endif
