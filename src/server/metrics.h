/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H
/*
 * Counters for Prometheus, over HTTP: GET /metrics, text format 0.0.4.  Off unless metrics.port is
 * set.  It runs in a thread of its own, which collects the counters of each loop with a posted
 * task, so counting needs no lock.
 */
#include "server/server.h"

struct metrics;

/* Listens as configured.  *metrics_r is NULL if metrics are off.  False: logged. */
bool metrics_new(struct server *server, struct metrics **metrics_r);
/* Call before the loops end.  NULL is fine. */
void metrics_free(struct metrics **metrics);
/* Appends all metrics with their current values.  Any thread but a loop's. */
void metrics_print(struct server *server, struct buf *out);
#endif
