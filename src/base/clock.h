/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
/* Time.  Code that is tested on a fake clock must ask its loop (net/loop.h) instead. */
#include <stdint.h>

#include "base/buf.h"

uint64_t clock_mono_ns(void); /* since some fixed point; never goes back */
uint64_t clock_mono_ms(void);
uint64_t clock_cpu_ns(void); /* CPU time of this thread; a system call, unlike the others */
int64_t clock_wall_s(void);  /* seconds since 1970 UTC */
/* Fills p with n random bytes from the kernel. */
void random_bytes(void *p, unsigned long n);
/* Appends a time in seconds since 1970 as a date in UTC (RFC 5322 section 3.3). */
void clock_put_date(int64_t wall_s, struct buf *out);
#endif
