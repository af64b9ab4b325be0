/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_TRIM_H
#define SERVER_PROCESS_TRIM_H
/*
 * After a peak malloc keeps what was freed, for the next one.  When much is free for a while it
 * goes back to the system.  That takes milliseconds, in which whoever wants memory of the same
 * part of the heap waits: so it is done after a real peak only, and once.
 */
#include <stdbool.h>
#include <stdint.h>

/* Less than so much is not worth it; nor is less than a quarter of the peak. */
#define TRIM_LEAST ((uint64_t)16 << 20)

struct trim {
	uint64_t peak, last; /* bytes in use: the most since the last time, and at the last look */
};

/* For each look: is it time?  bytes: in use now, about. */
bool trim_due(struct trim *trim, uint64_t bytes);
/* At the start: large blocks are given back when they are freed. */
void trim_init(void);
#endif
