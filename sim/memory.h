/* SPDX-License-Identifier: Apache-2.0
 * What a life of a node holds goes away at once when it is killed, as a process's memory does.
 *
 * Every allocation belongs to who is entered at that moment: a life, or nobody (the world, its disks, its clients). The world enters the
 * life around every call into the node, and leaves it where the node calls the world. So memory that is short is so for one life alone.
 */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct memory {
    struct list blocks;
    size_t bytes;
    uint64_t calls, fail_from, fail_to; /* allocations asked for until now; those of the numbers fail_from .. fail_to - 1 are refused */
    uint64_t failed;                    /* that were refused */
};

/* First thing in the program: before it, and in programs without it, nothing is owned. */
void memory_install(void);

void memory_init(struct memory *memory);

/* NULL: nobody. Returns who was. */
struct memory *memory_enter(struct memory *memory);

/* The n-th allocation from now on fails (1: the next), and the `count` - 1 after it. count 0: none does. */
void memory_fail(struct memory *memory, uint64_t n, uint64_t count);

/* As an allocation that is given back at once. false: it fails. */
bool memory_try(struct memory *memory) __attribute__((warn_unused_result));

/* Frees all that it holds. */
void memory_drop(struct memory *memory);

#endif
