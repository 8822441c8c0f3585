/* SPDX-License-Identifier: Apache-2.0
 * GET /metrics, in Prometheus' text format, at barnabas.metrics.listener: libmicrohttpd on a thread of its own, which takes what the shards count
 * (broker/metrics.h) and asks them nothing. Few connections at a time, each for a few seconds, and as much memory as that needs.
 */
#ifndef EXPORTER_H
#define EXPORTER_H

#include "base/err.h"

struct broker;
struct config;
struct exporter;

/* On shard 0, first thing. *exporter NULL: there is to be none. STATUS_INVALID: no address, or it cannot be had. */
enum status exporter_open(const struct config *config, const struct broker *broker, struct exporter **exporter, struct err *err) MUST_CHECK;
void exporter_close(struct exporter *exporter); /* before the broker is closed; NULL is allowed */

#endif
