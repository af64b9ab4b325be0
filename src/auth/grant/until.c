/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time, as people write them: see grant.h. */
#include <stdio.h>
#include <time.h>

#include "auth/grant/grant.h"

enum { DAY = 24 * 60 * 60, YEAR_MIN = 1970, YEAR_MAX = 9999 };

/* Takes exactly n digits off the text. */
static bool
digits(struct str *text, size_t n, int *value_r)
{
	uint64_t value;

	if (text->n < n || !str_u64((struct str){text->p, n}, 9999, &value))
		return false;
	*text = (struct str){text->p + n, text->n - n};
	*value_r = (int)value;
	return true;
}

static bool
one(struct str *text, const char *of)
{
	if (text->n == 0 || text->p[0] == '\0' || strchr(of, text->p[0]) == NULL)
		return false;
	*text = (struct str){text->p + 1, text->n - 1};
	return true;
}

static int
days_in(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Parses "2027-01-01": the second at which the day begins. */
static bool
take_day(struct str *text, int64_t *seconds_r)
{
	struct tm tm = {0};
	int year, month, day;

	if (!digits(text, 4, &year) || !one(text, "-") || !digits(text, 2, &month) ||
	    !one(text, "-") || !digits(text, 2, &day))
		return false;
	if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1 ||
	    day > days_in(year, month))
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	*seconds_r = timegm(&tm);
	return true;
}

/* Parses "12:30" or "12:30:59". */
static bool
take_clock(struct str *text, int64_t *seconds_r)
{
	int hour, minute, second = 0;

	if (!digits(text, 2, &hour) || !one(text, ":") || !digits(text, 2, &minute))
		return false;
	if (text->n > 0 && text->p[0] == ':' && (!one(text, ":") || !digits(text, 2, &second)))
		return false;
	*seconds_r = (int64_t)hour * 3600 + minute * 60 + second;
	return hour < 24 && minute < 60 && second < 60;
}

/* Parses "", "Z" or "+02:00": seconds east. */
static bool
take_zone(struct str *text, int64_t *east_r)
{
	int hour, minute;
	bool west = text->n > 0 && text->p[0] == '-';

	*east_r = 0;
	if (text->n == 0 || one(text, "Zz"))
		return true;
	if (!one(text, "+-") || !digits(text, 2, &hour) || !one(text, ":") ||
	    !digits(text, 2, &minute) || hour > 23 || minute > 59)
		return false;
	*east_r = (int64_t)hour * 3600 + minute * 60;
	if (west)
		*east_r = -*east_r;
	return true;
}

bool
auth_until_parse(struct str text, int64_t *until_r)
{
	int64_t day, clock, east;

	if (!take_day(&text, &day))
		return false;
	*until_r = day + DAY;
	if (text.n == 0)
		return true;
	if (!one(&text, "Tt ") || !take_clock(&text, &clock) || !take_zone(&text, &east) ||
	    text.n > 0)
		return false;
	*until_r = day + clock - east;
	return true;
}

void
auth_until_print(int64_t until, struct buf *out)
{
	time_t when = (time_t)until;
	struct tm tm;
	char text[64];

	if (gmtime_r(&when, &tm) != NULL &&
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
		buf_puts(out, text);
	else
		buf_puts(out, "never");
}
