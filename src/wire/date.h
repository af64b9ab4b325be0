/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_DATE_H
#define WIRE_DATE_H
/* Parses and prints dates and times (RFC 9051 section 9: date, date-time). */
#include "base/buf.h"
#include "wire/in.h"

struct wire_time {
	int64_t unix_s;   /* seconds since 1970 UTC */
	int16_t zone_min; /* minutes east of UTC, to print it again */
};

/* Parses "1-Feb-1994", optionally in quotes, in which a blank may replace the first digit.  Returns
 * days since 1 Jan 1970 (may be negative). */
bool wire_in_date(struct wire_in *in, int32_t *day_r);
/* Parses "17-Jul-1996 02:44:25 -0700", quotes required; the day may also have a blank in place of
 * its first digit, or only one digit. */
bool wire_in_date_time(struct wire_in *in, struct wire_time *time_r);

/* Prints 1-Feb-1994, without quotes.  Days outside the years 0 to 9999 are clamped. */
void wire_out_date(struct buf *b, int32_t day);
/* Prints "17-Jul-1996 02:44:25 -0700" in quotes.  Times outside the years 0 to 9999 are clamped. */
void wire_out_time(struct buf *b, struct wire_time t);
#endif
