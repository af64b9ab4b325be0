/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_TRIM_H
#define SERVER_PROCESS_TRIM_H
/*
 * After a peak, malloc keeps freed memory for the next one.  When much has been free for a while,
 * we return it to the system.  That takes milliseconds, during which whoever needs memory from the
 * same part of the heap must wait: so we do it only after a real peak, and once.
 */
#include <stdbool.h>
#include <stdint.h>

/* Returning less than this is not worthwhile, nor is less than a quarter of the peak. */
#define TRIM_LEAST ((uint64_t)16 << 20)

struct trim {
	uint64_t peak, last; /* bytes in use: the most since the last time, and at the last check */
};

/* Call regularly: whether it is time.  bytes: approximate bytes in use. */
bool trim_due(struct trim *trim, uint64_t bytes);
/* Call at the start: makes free() return large blocks at once. */
void trim_init(void);
#endif
