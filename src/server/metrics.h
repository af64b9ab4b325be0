/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H
/*
 * Counters for Prometheus, over HTTP: GET /metrics, text format 0.0.4.  Off
 * unless metrics.port is set.  One thread of its own; it asks each loop for
 * its counters by a posted task, so that counting costs no lock.
 */
#include "server/server.h"

struct metrics;

/* Listens as the configuration says.  *metrics_r stays NULL when it is off.  False: logged. */
bool metrics_new(struct server *server, struct metrics **metrics_r);
/* Before the loops end.  NULL is fine. */
void metrics_free(struct metrics **metrics);
/* Appends all metrics as they are now.  From any thread but a loop's. */
void metrics_print(struct server *server, struct buf *out);
#endif
