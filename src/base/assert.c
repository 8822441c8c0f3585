/* SPDX-License-Identifier: Apache-2.0
 * The end of a process that broke one of its own rules: one line on standard error, then abort (a core, no cleanup).
 */
#include "base/assert.h"

void assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "level=fatal msg=\"assertion failed\" what=\"%s\" at=%s:%d\n", what, file, line);
    abort();
}
