/* SPDX-License-Identifier: Apache-2.0
 * Functions that no file may call, poisoned for the compiler itself: included before everything else by the build.
 *
 * Unbounded writes into a buffer, parsers that cannot report an error, hidden static state, and an allocator that
 * bypasses base/mem.h. The room that wraps one of them defines BARNABAS_ALLOW_<x> in its own first line.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets atoi atol atof gmtime localtime asctime ctime rand srand

#endif
