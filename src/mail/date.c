/* SPDX-License-Identifier: Apache-2.0 */
/* Dates: see date.h. */
#include "mail/date.h"

#include "base/ascii.h"
#include "mail/text/lex.h"

struct date {
	int year, month, day, hour, minute, second, zone; /* year, month, day: -1 until known */
	bool have_time, have_zone;
};

int32_t
mail_days_of(int year, int month, int day)
{
	/* Years begin in March, so that the leap day is the last one. */
	int64_t y = (int64_t)year - (month <= 2), era, of_era, of_year;

	era = (y >= 0 ? y : y - 399) / 400;
	of_era = y - era * 400;
	of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return (
	    int32_t)(era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468);
}

static bool
letter(char c)
{
	c = (char)ascii_lower((unsigned char)c);
	return c >= 'a' && c <= 'z';
}

/* Looks at nine digits at most; more are not a date. */
static int
take_digits(const char **p, const char *end, int *digits_r)
{
	int v = 0, n = 0;

	while (*p < end && ascii_is_digit(**p) && n < 9) {
		v = v * 10 + (*(*p)++ - '0');
		n++;
	}
	*digits_r = n;
	return n > 0 ? v : -1;
}

static int
month_of(struct str word)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	if (word.n < 3)
		return -1;
	for (int i = 0; i < 12; i++)
		if (str_ieq((struct str){word.p, 3}, (struct str){names + (size_t)i * 3, 3}))
			return i + 1;
	return -1;
}

/* RFC 5322 section 4.3: the named zones; all others, including the military ones, mean nothing. */
static int
zone_of(struct str word)
{
	static const struct {
		const char name[4];
		int hours;
	} zones[] = {{"edt", -4}, {"est", -5}, {"cdt", -5}, {"cst", -6}, {"mdt", -6}, {"mst", -7},
	    {"pdt", -7}, {"pst", -8}};

	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (str_ieq(word, (struct str){zones[i].name, 3}))
			return zones[i].hours * 60;
	return 0;
}

/* RFC 5322 section 4.3: what two and three digits mean. */
static int
year_of(int v, int digits)
{
	if (digits == 2)
		return v < 50 ? v + 2000 : v + 1900;
	return digits == 3 ? v + 1900 : v;
}

static bool
skip_colon(const char **p, const char *end)
{
	lex_skip_cfws(p, end, NULL);
	if (*p >= end || **p != ':')
		return false;
	(*p)++;
	lex_skip_cfws(p, end, NULL);
	return true;
}

/* Starts after the hour and its colon. */
static void
take_clock(struct date *d, int hour, const char **p, const char *end)
{
	int n;

	d->hour = hour;
	d->minute = take_digits(p, end, &n);
	d->second = skip_colon(p, end) ? take_digits(p, end, &n) : 0;
	if (*p < end && **p == '.') { /* fractions, though not allowed */
		(*p)++;
		take_digits(p, end, &n);
	}
	d->have_time = true;
}

static void
take_zone(struct date *d, const char **p, const char *end)
{
	bool west = **p == '-';
	int v, n;

	(*p)++;
	v = take_digits(p, end, &n);
	if (n == 2 && *p < end && **p == ':') { /* "+02:00" */
		(*p)++;
		v = v * 100 + take_digits(p, end, &n);
		n = 4;
	}
	d->have_zone = true;
	if (n != 4 || v / 100 > 23 || v % 100 > 59)
		return;
	d->zone = v / 100 * 60 + v % 100;
	if (west)
		d->zone = -d->zone;
}

/* Day, month and year may have any order that is clear, so that asctime() can be read too. */
static void
take_token(struct date *d, const char **p, const char *end)
{
	const char *from = *p;
	int v, n;

	if (ascii_is_digit(**p)) {
		v = take_digits(p, end, &n);
		if (!d->have_time && n <= 2 && skip_colon(p, end))
			take_clock(d, v, p, end);
		else if (d->day < 0 && n <= 2)
			d->day = v;
		else if (d->year < 0)
			d->year = year_of(v, n);
		return;
	}
	if (letter(**p)) {
		struct str word;

		while (*p < end && letter(**p))
			(*p)++;
		word = str_range(from, *p);
		if (d->month < 0 && (v = month_of(word)) > 0)
			d->month = v;
		else if (d->have_time && !d->have_zone) {
			d->zone = zone_of(word);
			d->have_zone = true;
		}
		return;
	}
	if ((**p == '+' || **p == '-') && d->have_time && !d->have_zone && end - *p > 1 &&
	    ascii_is_digit((*p)[1]))
		take_zone(d, p, end);
	else
		(*p)++; /* commas, and the dashes of "1-Jan-2020" */
}

static bool
valid_day(const struct date *d)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);

	return d->year >= 1000 && d->year <= 9999 && d->month >= 1 && d->day >= 1 &&
	       d->day <= days[d->month - 1] && (d->month != 2 || d->day < 29 || leap);
}

static bool
valid_time(const struct date *d)
{
	return d->hour >= 0 && d->hour <= 23 && d->minute >= 0 && d->minute <= 59 &&
	       d->second >= 0 && d->second <= 60;
}

/* Returns false if there is nothing to look at. */
static bool
read_date(struct str value, struct date *d)
{
	const char *p = value.p, *end;

	*d = (struct date){.year = -1, .month = -1, .day = -1};
	if (value.n == 0)
		return false;
	if (value.n > 1000) /* even with comments no date is that long */
		value.n = 1000;
	for (end = p + value.n; lex_skip_cfws(&p, end, NULL), p < end;)
		take_token(d, &p, end);
	return valid_day(d);
}

static void
fill_date(const struct date *d, struct mail_date *date_r)
{
	date_r->day = mail_days_of(d->year, d->month, d->day);
	date_r->zone = d->zone;
	date_r->utc =
	    (int64_t)date_r->day * 86400 + d->hour * 3600 + (d->minute - d->zone) * 60 + d->second;
}

bool
mail_date_parse(struct str value, struct mail_date *date_r)
{
	struct date d;

	if (!read_date(value, &d) || !valid_time(&d))
		return false;
	fill_date(&d, date_r);
	return true;
}

bool
mail_date_sent(struct str value, struct mail_date *date_r)
{
	struct date d;

	if (!read_date(value, &d))
		return false;
	if (!valid_time(&d))
		d.hour = d.minute = d.second = d.zone = 0;
	fill_date(&d, date_r);
	return true;
}
