/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints dates: see date.h. */
#include "wire/date.h"

static const struct wire_name months[] = {{"Jan", 1}, {"Feb", 2}, {"Mar", 3}, {"Apr", 4},
    {"May", 5}, {"Jun", 6}, {"Jul", 7}, {"Aug", 8}, {"Sep", 9}, {"Oct", 10}, {"Nov", 11},
    {"Dec", 12}, {NULL, 0}};

/* Returns days since 1 Jan 1970 in the Gregorian calendar; years count from March, leap day
 * last. */
static int32_t
days_of(uint32_t year, uint32_t month, uint32_t day)
{
	int32_t y = (int32_t)year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	int32_t of_era = y - era * 400;
	int32_t of_year = (int32_t)((153 * ((month + 9) % 12) + 2) / 5 + day - 1);

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static uint32_t
days_in(uint32_t year, uint32_t month)
{
	if (month == 2)
		return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* Reads exactly n digits. */
static bool
read_digits(struct wire_in *in, size_t n, uint32_t *v_r)
{
	uint64_t v = 0;

	*v_r = 0;
	if (in->error != NULL || (size_t)(in->end - in->p) < n ||
	    !str_u64((struct str){in->p, n}, 9999, &v))
		return wire_in_fail(in, "Invalid date");
	in->p += n;
	*v_r = (uint32_t)v;
	return true;
}

/* Reads "-Mon-yyyy" after a day. */
static bool
read_month_year(struct wire_in *in, uint32_t day, int32_t *day_r)
{
	const struct wire_name *month;
	uint32_t year;

	if (!wire_in_char(in, '-'))
		return false;
	if (in->end - in->p < 3 || (month = wire_name_find(months, (struct str){in->p, 3})) == NULL)
		return wire_in_fail(in, "Invalid month");
	in->p += 3;
	if (!wire_in_char(in, '-') || !read_digits(in, 4, &year))
		return false;
	if (day < 1 || day > days_in(year, month->id))
		return wire_in_fail(in, "No such day");
	*day_r = days_of(year, month->id, day);
	return true;
}

/* Reads one or two digits; blank: or a blank and one digit. */
static bool
read_day(struct wire_in *in, bool blank, uint32_t *day_r)
{
	bool one = blank && wire_in_try_char(in, ' ');

	if (in->end - in->p < 2 || in->p[1] < '0' || in->p[1] > '9')
		one = true;
	return read_digits(in, one ? 1 : 2, day_r);
}

bool
wire_in_date(struct wire_in *in, int32_t *day_r)
{
	bool quoted = wire_in_try_char(in, '"');
	uint32_t day;

	*day_r = 0;
	if (!read_day(in, quoted, &day) || !read_month_year(in, day, day_r))
		return false;
	return !quoted || wire_in_char(in, '"');
}

static bool
read_clock(struct wire_in *in, uint32_t *seconds_r)
{
	uint32_t h, m, s;

	if (!read_digits(in, 2, &h) || !wire_in_char(in, ':') || !read_digits(in, 2, &m) ||
	    !wire_in_char(in, ':') || !read_digits(in, 2, &s))
		return false;
	if (h > 23 || m > 59 || s > 60)
		return wire_in_fail(in, "Invalid time");
	*seconds_r = (h * 60 + m) * 60 + s;
	return true;
}

static bool
read_zone(struct wire_in *in, int16_t *minutes_r)
{
	bool west = wire_in_try_char(in, '-');
	uint32_t h, m;

	if (!west && !wire_in_char(in, '+'))
		return false;
	if (!read_digits(in, 2, &h) || !read_digits(in, 2, &m))
		return false;
	if (h > 23 || m > 59)
		return wire_in_fail(in, "Invalid time zone");
	*minutes_r = (int16_t)(h * 60 + m);
	if (west)
		*minutes_r = (int16_t) - *minutes_r;
	return true;
}

bool
wire_in_date_time(struct wire_in *in, struct wire_time *time_r)
{
	uint32_t day = 0, seconds = 0;
	int32_t days = 0;

	*time_r = (struct wire_time){0};
	if (!wire_in_char(in, '"'))
		return false;
	if (!read_day(in, true, &day) || !read_month_year(in, day, &days) ||
	    !wire_in_char(in, ' ') || !read_clock(in, &seconds) || !wire_in_char(in, ' ') ||
	    !read_zone(in, &time_r->zone_min) || !wire_in_char(in, '"'))
		return false;
	time_r->unix_s = (int64_t)days * 86400 + seconds - time_r->zone_min * 60;
	return true;
}

/* ---- printing */

static void
put_fixed(struct buf *b, unsigned v, int width)
{
	char digits[10];

	for (int i = width - 1; i >= 0; i--) {
		digits[i] = (char)('0' + v % 10);
		v /= 10;
	}
	buf_put(b, digits, (size_t)width);
}

struct civil {
	unsigned year, month, day;
};

/* Converts days since 1 Jan 1970; years count from March, so that the leap day is the last. */
static struct civil
civil_of(int64_t days)
{
	int64_t era, of_era, of_year, year;
	unsigned march;

	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	of_era = days - era * 146097;
	year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * year + year / 4 - year / 100);
	march = (unsigned)((5 * of_year + 2) / 153);
	year += era * 400 + (march >= 10);
	return (struct civil){
	    .year = (unsigned)year,
	    .month = march < 10 ? march + 3 : march - 9,
	    .day = (unsigned)(of_year - (153 * march + 2) / 5 + 1),
	};
}

enum { DAY = 86400 };
#define DAY_MIN (-719528)         /* 1 Jan 0000 */
#define DAY_MAX 2932896           /* 31 Dec 9999 */
#define TIME_MIN (-62167219200LL) /* 1 Jan 0000 */
#define TIME_MAX 253402300799LL   /* 31 Dec 9999 */

static void
put_month_year(struct buf *b, struct civil c)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	buf_putc(b, '-');
	buf_put(b, names + 3 * ((c.month - 1) % 12), 3);
	buf_putc(b, '-');
	put_fixed(b, c.year, 4);
}

void
wire_out_date(struct buf *b, int32_t day)
{
	struct civil c = civil_of(day < DAY_MIN ? DAY_MIN : day > DAY_MAX ? DAY_MAX : day);

	buf_u64(b, c.day);
	put_month_year(b, c);
}

static void
put_clock(struct buf *b, unsigned s)
{
	put_fixed(b, s / 3600, 2);
	buf_putc(b, ':');
	put_fixed(b, s / 60 % 60, 2);
	buf_putc(b, ':');
	put_fixed(b, s % 60, 2);
}

static void
put_zone(struct buf *b, int zone)
{
	buf_put(b, zone < 0 ? " -" : " +", 2);
	zone = zone < 0 ? -zone : zone;
	put_fixed(b, (unsigned)zone / 60, 2);
	put_fixed(b, (unsigned)zone % 60, 2);
}

void
wire_out_time(struct buf *b, struct wire_time t)
{
	int zone = t.zone_min > -1440 && t.zone_min < 1440 ? t.zone_min : 0;
	int64_t local = t.unix_s, days;
	struct civil c;

	if (local < TIME_MIN + DAY || local > TIME_MAX - DAY) {
		local = local < 0 ? TIME_MIN : TIME_MAX;
		zone = 0;
	}
	local += zone * 60;
	days = (local >= 0 ? local : local - (DAY - 1)) / DAY;
	c = civil_of(days);
	buf_putc(b, '"');
	if (c.day < 10) /* date-day-fixed */
		buf_putc(b, ' ');
	buf_u64(b, c.day);
	put_month_year(b, c);
	buf_putc(b, ' ');
	put_clock(b, (unsigned)(local - days * DAY));
	put_zone(b, zone);
	buf_putc(b, '"');
}
