/* SPDX-License-Identifier: Apache-2.0
 * Between checkers.c (histories, the rules of every partition) and checkers_keys.c (those of compacted ones).
 */
#ifndef SIM_CHECKERS_INT_H
#define SIM_CHECKERS_INT_H

#include "sim/checkers.h"

struct check {
    const struct history *h;
    void (*broken)(void *context, const char *rule, const char *what);
    void *context;
    size_t count;

    /* of the partition at hand */
    uint32_t partition;
    const struct op **ops; /* in the order in which they began */
    size_t ops_count;
    const struct op **sends; /* by value */
    size_t sends_count;
    struct sighting *log; /* all that is known, by offset: runs, as long as they can be */
    size_t log_count;
};

void check__broken(struct check *c, const char *rule, const char *format, ...) __attribute__((format(printf, 3, 4)));
void *check__room(size_t count, size_t size); /* for one more */
int check__order(uint64_t a, uint64_t b);

static inline int64_t sighting_end(const struct sighting *run)
{
    return run->offset + (int64_t)run->count;
}

static inline bool op_acknowledged(const struct op *op)
{
    return op->kind == OP_SEND && op->outcome == OP_OK && op->offset >= 0;
}

static inline bool check__is_compacted(const struct check *c)
{
    return c->h->compacted && c->h->compacted[c->partition];
}

/* In place of the last read's rules. */
void check_keys(struct check *c);

#endif
