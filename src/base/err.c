/* SPDX-License-Identifier: Apache-2.0
 * See err.h. Formatting only: nothing here allocates, so an error can always be told.
 */
#include "base/err.h"

#include <stdarg.h>

enum status err_set(struct err *err, enum status status, const char *format, ...)
{
    va_list args;

    err->status = status;
    err->sys = 0;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return status;
}

enum status err_sys(struct err *err, enum status status, int sys, const char *format, ...)
{
    char reason[128];
    va_list args;
    int n;

    err->status = status;
    err->sys = sys;
    va_start(args, format);
    n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->text)
        (void)snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", strerror_r(sys, reason, sizeof reason));
    return status;
}

enum status err_wrap(struct err *err, const char *format, ...)
{
    char inner[ERR_TEXT_MAX];
    va_list args;
    int n;

    memcpy(inner, err->text, sizeof inner);
    va_start(args, format);
    n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->text)
        (void)snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", inner);
    return err->status;
}
