/* SPDX-License-Identifier: Apache-2.0
 * The words and numbers of Kafka's small text files (checkpoints, partition.metadata).
 */
#ifndef STORE_TEXT_H
#define STORE_TEXT_H

#include "base/view.h"

/* The next run of bytes that are not blank (space, tab, CR, LF), taken off the front of *text; empty at the end. */
static inline struct str_view text_word(struct str_view *text)
{
    struct str_view word;
    size_t n = 0;

    while (text->size && memchr(" \t\r\n", *text->data, 4)) {
        text->data++;
        text->size--;
    }
    while (n < text->size && !memchr(" \t\r\n", text->data[n], 4))
        n++;
    word = (struct str_view){text->data, n};
    text->data += n;
    text->size -= n;
    return word;
}

/* A decimal number that is the whole of `word`; false when it is something else or does not fit. */
static inline bool text_to_number(struct str_view word, int64_t *number)
{
    bool negative = word.size && word.data[0] == '-';
    int64_t v = 0;

    if (word.size == negative)
        return false;
    for (size_t i = negative; i < word.size; i++) {
        if (word.data[i] < '0' || word.data[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_sub_overflow(v, word.data[i] - '0', &v)) /* downwards: INT64_MIN has no positive */
            return false;
    }
    if (!negative && v == INT64_MIN)
        return false;
    *number = negative ? v : -v;
    return true;
}

static inline bool text_number(struct str_view *text, int64_t *number)
{
    return text_to_number(text_word(text), number);
}

#endif
