/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_DATE_H
#define WIRE_DATE_H
/* Dates and times both ways (RFC 9051 section 9: date, date-time). */
#include "base/buf.h"
#include "wire/in.h"

struct wire_time {
	int64_t unix_s;   /* seconds since 1970 UTC */
	int16_t zone_min; /* minutes east of UTC, for printing it again */
};

/* "1-Feb-1994", quotes allowed, within them a blank in place of the first digit: days since 1 Jan
 * 1970 (may be negative). */
bool wire_in_date(struct wire_in *in, int32_t *day_r);
/* "17-Jul-1996 02:44:25 -0700", quotes required; the day with a blank in place of its
 * first digit, or with one digit, too. */
bool wire_in_date_time(struct wire_in *in, struct wire_time *time_r);

/* 1-Feb-1994, without quotes.  Days of the years 0 to 9999; others are clamped. */
void wire_out_date(struct buf *b, int32_t day);
/* "17-Jul-1996 02:44:25 -0700" with its quotes; years 0 to 9999, others are clamped. */
void wire_out_time(struct buf *b, struct wire_time t);
#endif
