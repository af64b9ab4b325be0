/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and randomness: see clock.h. */
#include "base/clock.h"

#include <sys/random.h>
#include <time.h>

#include "base/err.h"

uint64_t
clock_mono_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t
clock_mono_ms(void)
{
	return clock_mono_ns() / 1000000u;
}

uint64_t
clock_cpu_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int64_t
clock_wall_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec;
}

void
random_bytes(void *p, unsigned long n)
{
	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got <= 0)
			TS_WRONG("getrandom failed");
		p = (char *)p + got;
		n -= (unsigned long)got;
	}
}
