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

void
clock_put_date(int64_t wall_s, struct buf *out)
{
	static const char days[] = "SunMonTueWedThuFriSat",
	                  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t t = (time_t)wall_s;
	struct tm tm;

	gmtime_r(&t, &tm);
	buf_printf(out, "%.3s, %d %.3s %d %02d:%02d:%02d +0000", days + (ptrdiff_t)3 * tm.tm_wday,
	    tm.tm_mday, months + (ptrdiff_t)3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
}
