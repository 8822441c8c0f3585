/* SPDX-License-Identifier: Apache-2.0
 * What the broker tells its operator: one structured line an event on standard error.
 *
 *   time=2026-11-21T07:00:00.123Z level=warn msg="unsupported request" client=sarama key=Produce version=99 peer=127.0.0.1
 *
 * A call names the message and its pairs as one printf format; values with spaces or quotes are quoted and escaped, so that
 * a peer's bytes cannot forge a line. Callable from every thread; one write(2) a line; never blocks on anything but standard error.
 */
#ifndef RT_LOG_H
#define RT_LOG_H

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_FATAL };

void log_set_level(enum log_level level); /* LOG_INFO at first */

/* `hear` gets every line from LOG_WARN on, also those that the level keeps from standard error. Before any other thread runs. NULL: nobody. */
void log_set_listener(void (*hear)(void *context, const char *line), void *context);

/* log_line(LOG_WARN, "unsupported request", "client=%s key=%s version=%d", client, name, version): every value is escaped.
 * Conversions: %s %d %u %lld %llu %zu %x %.*s (with their usual arguments). pairs NULL: none. A NULL string is shown as -. */
void log_line(enum log_level level, const char *message, const char *pairs, ...) __attribute__((format(printf, 3, 4)));

#endif
