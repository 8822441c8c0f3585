/* SPDX-License-Identifier: Apache-2.0
 * What a life of a node holds goes away at once when it is killed, as a process's memory does.
 *
 * Every allocation belongs to who is entered at that moment: a life, or nobody (the world, its disks, its clients). The world enters the
 * life around every call into the node, and leaves it where the node calls the world.
 */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include "base/list.h"

struct memory {
    struct list blocks;
    size_t bytes;
};

/* First thing in the program: before it, and in programs without it, nothing is owned. */
void memory_install(void);

void memory_init(struct memory *memory);

/* NULL: nobody. Returns who was. */
struct memory *memory_enter(struct memory *memory);

/* Frees all that it holds. */
void memory_drop(struct memory *memory);

#endif
