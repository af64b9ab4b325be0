/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H
/* Date and time of RFC 5322 section 3.3, with the obsolete forms of 4.3. */
#include "base/str.h"

struct mail_date {
	int64_t utc;  /* seconds since 1970 */
	int32_t zone; /* minutes east of UTC; 0 when unknown */
	int32_t day;  /* the date as written, zone ignored: days since 1970-01-01 */
};

/* Returns false if it makes no date.  A missing zone is taken as UTC. */
bool mail_date_parse(struct str value, struct mail_date *date_r);

/* Same for the Date of a message (RFC 5256 section 2.2): an impossible time of day counts as
 * 00:00:00 UTC. */
bool mail_date_sent(struct str value, struct mail_date *date_r);

/* Returns days since 1970-01-01 for a day of the Gregorian calendar (month 1..12). */
int32_t mail_days_of(int year, int month, int day);
#endif
