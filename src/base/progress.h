/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H
/*
 * Progress of a long command, on standard error: a bar in one line on a
 * terminal, else a plain line every few seconds, nothing with --quiet.  Belongs
 * to one thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct progress {
	bool quiet, terminal, drawn;
	uint64_t started, last; /* clock_mono_ms */
};

void progress_init(struct progress *p, bool quiet);
/* total 0: unknown.  Cheap: draws at most ten times a second. */
void progress_show(struct progress *p, const char *what, uint64_t done, uint64_t total);
/* Removes the bar, so that a message may be printed; the next show draws it again. */
void progress_clear(struct progress *p);
#endif
