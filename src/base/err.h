/* SPDX-License-Identifier: Apache-2.0
 * An operational error told to a person: what was being done, to what, and why it failed.
 *
 * The caller owns the buffer (usually on its stack) and passes its address as the last argument; a function that fails
 * fills it and returns a status. Outer layers put their own action in front with err_wrap, so that the line reads from the
 * outside in: "open log directory /data: lock /data/.lock: held by another process".
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/status.h"

#define ERR_TEXT_MAX 512

struct err {
    enum status status; /* STATUS_OK while nothing failed */
    int sys;            /* errno of the failed call, 0 when there was none */
    char text[ERR_TEXT_MAX];
};

/* Sets the error and returns `status`, so that a failing function ends with `return err_set(...)`. The text is cut at ERR_TEXT_MAX. */
enum status err_set(struct err *err, enum status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for a failed system call: appends ": " and the text of `sys` (a positive errno). */
enum status err_sys(struct err *err, enum status status, int sys, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Puts "<format>: " in front of the text that is there; returns the status that is there. */
enum status err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
