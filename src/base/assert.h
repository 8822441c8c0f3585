/* SPDX-License-Identifier: Apache-2.0
 * ASSERT: a statement about our own code that stays in production builds. It must be unreachable from a peer's bytes or
 * a file's contents: those get an `enum status`. A failed assertion prints one line and aborts.
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

_Noreturn void assert_failed(const char *what, const char *file, int line);

#define ASSERT(condition) (__builtin_expect(!(condition), 0) ? assert_failed(#condition, __FILE__, __LINE__) : (void)0)

#endif
