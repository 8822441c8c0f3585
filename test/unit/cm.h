/* SPDX-License-Identifier: Apache-2.0
 * cmocka with what it wants included before it.
 */
#ifndef TEST_UNIT_CM_H
#define TEST_UNIT_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
