/* SPDX-License-Identifier: Apache-2.0
 * A number that one thread writes and any other may read at any time: each by itself, in no order with others.
 */
#ifndef RT_GAUGE_H
#define RT_GAUGE_H

#include <stdatomic.h>
#include <stdint.h>

struct gauge {
    _Atomic uint64_t value;
};

static inline void gauge_set(struct gauge *gauge, uint64_t value)
{
    atomic_store_explicit(&gauge->value, value, memory_order_relaxed);
}

static inline uint64_t gauge_get(const struct gauge *gauge)
{
    return atomic_load_explicit(&gauge->value, memory_order_relaxed);
}

/* For its one writer. */
static inline void gauge_add(struct gauge *gauge, uint64_t more)
{
    gauge_set(gauge, gauge_get(gauge) + more);
}

#endif
