/* SPDX-License-Identifier: Apache-2.0
 * The text format of java.util.Properties, and the one file in it that every log directory carries: meta.properties.
 *
 * Format: logical lines of key and value; `#` or `!` begins a comment; key and value are parted by `=`, `:` or blanks;
 * a backslash at the end continues the line; \t \n \r \f \u with four hex digits, and \<any> are escapes. Of two equal keys the last
 * counts: that is the reader's business, who sees both in order.
 *
 * meta.properties says whose directory it is, so that a disk never ends up in another node or cluster:
 *   version=1  cluster.id=<22 characters>  node.id=<int>  directory.id=<22 characters>
 */
#ifndef META_PROPERTIES_H
#define META_PROPERTIES_H

#include "base/arena.h"
#include "base/err.h"

struct properties {
    struct str_view text; /* what is left to read */
    struct arena *arena;  /* keys and values are copied there */
    unsigned line;        /* on which the last pair began, from 1 */
};

void properties_init(struct properties *p, struct arena *arena, struct str_view text);

/* The next pair. *more = false at the end. STATUS_INVALID: a malformed \u escape, as in Java; STATUS_NO_MEMORY. */
enum status properties_next(struct properties *p, struct str_view *key, struct str_view *value, bool *more,
                            struct err *err) MUST_CHECK;

#define META_PROPERTIES_FILE "meta.properties"
#define META_PROPERTIES_SIZE 512
#define CLUSTER_ID_SIZE 128

struct meta_properties {
    char cluster_id[CLUSTER_ID_SIZE]; /* usually the text of a uuid, but Kafka takes any */
    int32_t node_id;
    struct uuid directory_id; /* zero: a directory of before KIP-858, or one that was restored without it */
};

/* STATUS_CORRUPT: the text does not say what it must. */
enum status meta_properties_parse(struct str_view text, struct meta_properties *out, struct err *err) MUST_CHECK;
size_t meta_properties_format(const struct meta_properties *meta, char text[static META_PROPERTIES_SIZE]);

#endif
