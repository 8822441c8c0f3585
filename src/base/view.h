/* SPDX-License-Identifier: Apache-2.0
 * Borrowed bytes: a pointer and a length, owned by somebody else who outlives the view (a request's buffer, an arena).
 *
 * Null and empty differ, as they do on the wire: data == NULL is null, data != NULL with size 0 is empty.
 */
#ifndef BASE_VIEW_H
#define BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str_view { /* UTF-8, not terminated */
    const char *data;
    size_t size;
};

struct bytes_view {
    const uint8_t *data;
    size_t size;
};

/* A topic, directory or cluster id (16 bytes, RFC 4122 order). All zero: none. */
struct uuid {
    uint8_t b[16];
};

#define STR_NULL ((struct str_view){NULL, 0})
#define STR_LIT(literal) ((struct str_view){"" literal, sizeof(literal) - 1})
#define STR_FMT "%.*s" /* with STR_ARG(view) */
#define STR_ARG(v) (int)(v).size, (v).data ? (v).data : ""

static inline struct str_view str_from(const char *text)
{
    return (struct str_view){text, text ? strlen(text) : 0};
}

static inline bool str_equal(struct str_view a, struct str_view b)
{
    return a.size == b.size && (a.data == NULL) == (b.data == NULL) && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool str_is(struct str_view a, const char *text)
{
    return str_equal(a, str_from(text));
}

/* Byte order; a prefix sorts first. */
static inline int str_order(struct str_view a, struct str_view b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int order = n ? memcmp(a.data, b.data, n) : 0;

    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.b, b.b, sizeof a.b) == 0;
}

static inline bool uuid_is_zero(struct uuid a)
{
    return uuid_equal(a, (struct uuid){{0}});
}

/* Kafka's text form: URL-safe base64 without padding, 22 characters and a terminating zero. */
#define UUID_TEXT_SIZE 23
void uuid_format(struct uuid id, char text[static UUID_TEXT_SIZE]);
bool uuid_parse(struct str_view text, struct uuid *id) __attribute__((warn_unused_result));

#endif
