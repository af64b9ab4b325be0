/* SPDX-License-Identifier: Apache-2.0 */
/* The larger things a cursor reads: names of mailboxes, dates, flags, sets, parameters; see in.h.
 */
#include <string.h>

#include "base/buf.h"
#include "base/normal.h"
#include "wire/in.h"
#include "wire/utf7.h"
#include "wire/vec_int.h"

void *
wire_vec_push(struct arena *a, struct wire_vec *vec, size_t size)
{
	if (vec->n == vec->cap) {
		size_t cap = vec->cap > 0 ? vec->cap * 2 : 4;
		void *v = arena_array(a, cap, size);

		if (vec->n > 0)
			memcpy(v, vec->v, vec->n * size);
		vec->v = v;
		vec->cap = cap;
	}
	return (char *)vec->v + vec->n++ * size;
}

/* From modified UTF-7 to UTF-8; a text without "&" is the same in both.  False: no name. */
static bool
name_to_utf8(struct wire_in *in, struct str *name)
{
	struct buf b = {0};
	bool ok;

	if (in->dialect->utf8)
		return true;
	if (str_chr(*name, '&') == NULL && str_is_ascii(*name))
		return true;
	ok = wire_utf7_to_utf8(&b, *name);
	*name = ok ? arena_str(in->arena, buf_as_str(&b)) : STR_NONE;
	buf_fini(&b);
	return ok;
}

bool
wire_in_mailbox(struct wire_in *in, struct str *name_r)
{
	const char *fault = NULL;
	struct str given;

	if (!wire_in_astring(in, name_r))
		return false;
	if (!name_to_utf8(in, name_r))
		fault = "Mailbox name is not modified UTF-7";
	else if (name_r->n == 0)
		fault = "Empty mailbox name";
	else if (!wire_name_ok(*name_r))
		fault = "Mailbox name with characters that are not allowed";
	if (fault != NULL) {
		in->impossible = in->error == NULL;
		return wire_in_fail(in, fault);
	}
	given = *name_r;
	*name_r = str_normal(in->arena, given);
	in->given = name_r->p != given.p ? given : STR_NONE;
	*name_r = wire_name_kept(in->arena, *name_r);
	return true;
}

static bool
is_list_char(char c)
{
	unsigned char u = (unsigned char)c;

	return u > ' ' && u < 0x7F && strchr("(){\"\\", c) == NULL;
}

bool
wire_in_list_mailbox(struct wire_in *in, struct str *pattern_r)
{
	const char *p = in->p;

	*pattern_r = STR_NONE;
	if (wire_in_peek(in) == '"' || wire_in_peek(in) == '{') {
		if (!wire_in_string(in, pattern_r))
			return false;
	} else {
		while (p < in->end && is_list_char(*p))
			p++;
		if (p == in->p || in->error != NULL)
			return wire_in_fail(in, "A mailbox pattern expected");
		*pattern_r = str_range(in->p, p);
		in->p = p;
	}
	/* RFC 9051 section 6.3.9: a pattern that is not accepted is ignored in silence. */
	if (!name_to_utf8(in, pattern_r) || (pattern_r->n > 0 && !wire_name_ok(*pattern_r)))
		*pattern_r = STR_NONE;
	else
		*pattern_r = str_normal(in->arena, *pattern_r);
	return true;
}

/* ---- dates */

static const struct wire_name months[] = {{"Jan", 1}, {"Feb", 2}, {"Mar", 3}, {"Apr", 4},
    {"May", 5}, {"Jun", 6}, {"Jul", 7}, {"Aug", 8}, {"Sep", 9}, {"Oct", 10}, {"Nov", 11},
    {"Dec", 12}, {NULL, 0}};

/* Days since 1 Jan 1970 in the Gregorian calendar; years count from March, leap day last. */
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

/* Exactly n digits. */
static bool
read_digits(struct wire_in *in, size_t n, uint32_t *v_r)
{
	uint64_t v = 0;

	*v_r = 0;
	if (in->error != NULL || (size_t)(in->end - in->p) < n ||
	    !str_u64((struct str){in->p, n}, 9999, &v))
		return wire_in_fail(in, "Bad date");
	in->p += n;
	*v_r = (uint32_t)v;
	return true;
}

/* "-Mon-yyyy" behind a day. */
static bool
read_month_year(struct wire_in *in, uint32_t day, int32_t *day_r)
{
	const struct wire_name *month;
	uint32_t year;

	if (!wire_in_char(in, '-'))
		return false;
	if (in->end - in->p < 3 || (month = wire_name_find(months, (struct str){in->p, 3})) == NULL)
		return wire_in_fail(in, "Bad month");
	in->p += 3;
	if (!wire_in_char(in, '-') || !read_digits(in, 4, &year))
		return false;
	if (day < 1 || day > days_in(year, month->id))
		return wire_in_fail(in, "No such day");
	*day_r = days_of(year, month->id, day);
	return true;
}

/* One digit or two; blank: or a blank and one. */
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
		return wire_in_fail(in, "Bad time");
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
		return wire_in_fail(in, "Bad time zone");
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

/* ---- flags */

static const struct wire_name flag_names[] = {{"Answered", WIRE_FLAG_ANSWERED},
    {"Flagged", WIRE_FLAG_FLAGGED}, {"Deleted", WIRE_FLAG_DELETED}, {"Seen", WIRE_FLAG_SEEN},
    {"Draft", WIRE_FLAG_DRAFT}, {NULL, 0}};

static bool
read_flag(struct wire_in *in, struct wire_flags *flags, struct wire_vec *keywords)
{
	const char *from = in->p;
	const struct wire_name *known;
	struct str name;

	if (!wire_in_try_char(in, '\\')) {
		if (!wire_in_atom(in, &name))
			return false;
		if (keywords->n >= in->limits->items)
			return wire_in_limit(in, "Too many flags");
		*WIRE_VEC_PUSH(in->arena, keywords, struct str) = name;
		return true;
	}
	if (wire_in_try_char(in, '*'))
		known = NULL;
	else if (wire_in_atom(in, &name))
		known = wire_name_find(flag_names, name);
	else
		return false;
	if (known != NULL)
		flags->system |= known->id;
	else if (flags->unknown.p == NULL)
		flags->unknown = str_range(from, in->p);
	return true;
}

static bool
read_flags(struct wire_in *in, bool list, struct wire_flags *flags_r)
{
	struct wire_vec keywords = {0};

	*flags_r = (struct wire_flags){0};
	if (list && !wire_in_open(in))
		return false;
	if (list && wire_in_try_char(in, ')'))
		return true;
	do {
		if (!read_flag(in, flags_r, &keywords))
			return false;
	} while (wire_in_more(in));
	if (list && !wire_in_close(in))
		return false;
	flags_r->keywords = keywords.v;
	flags_r->n_keywords = keywords.n;
	return true;
}

bool
wire_in_flag_list(struct wire_in *in, struct wire_flags *flags_r)
{
	return read_flags(in, true, flags_r);
}

bool
wire_in_flags(struct wire_in *in, struct wire_flags *flags_r)
{
	return read_flags(in, wire_in_peek(in) == '(', flags_r);
}

/* ---- sets */

static bool
read_set_number(struct wire_in *in, uint32_t *n_r, bool *star_r)
{
	*star_r = wire_in_try_char(in, '*');
	*n_r = UINT32_MAX;
	return *star_r || wire_in_nz_number(in, n_r);
}

static bool
read_range(struct wire_in *in, struct wire_range *r)
{
	if (!read_set_number(in, &r->lo, &r->lo_star))
		return false;
	r->hi = r->lo;
	r->hi_star = r->lo_star;
	if (!wire_in_try_char(in, ':'))
		return true;
	if (!read_set_number(in, &r->hi, &r->hi_star))
		return false;
	if (r->lo > r->hi || (r->lo_star && !r->hi_star))
		*r = (struct wire_range){r->hi, r->lo, r->hi_star, r->lo_star};
	return true;
}

static size_t
count_commas(const struct wire_in *in)
{
	size_t n = 0;

	for (const char *p = in->p; p < in->end && is_list_char(*p); p++)
		n += *p == ',';
	return n;
}

bool
wire_in_set(struct wire_in *in, struct wire_set *set_r)
{
	size_t n;

	*set_r = (struct wire_set){0};
	if (wire_in_try_char(in, '$')) { /* RFC 5182 */
		set_r->saved = true;
		return true;
	}
	if (in->error != NULL)
		return false;
	n = count_commas(in) + 1;
	if (n > in->limits->set_ranges)
		return wire_in_limit(in, "Too many ranges in a set");
	set_r->v = arena_array(in->arena, n, sizeof(*set_r->v));
	do {
		if (!read_range(in, &set_r->v[set_r->n++]))
			return false;
	} while (set_r->n < n && wire_in_try_char(in, ','));
	return true;
}

/* ---- parameters of extensions */

static bool
skip_string(struct wire_in *in)
{
	struct str s;
	uint64_t size;
	bool literal8;

	if (wire_in_peek(in) == '"')
		return wire_in_quoted(in, &s);
	if (!wire_in_literal_head(in, &size, &literal8))
		return false;
	if (size > (size_t)(in->end - in->p))
		return wire_in_fail(in, "Literal is cut short");
	in->p += size;
	return true;
}

/* Anything that is neither blank, parenthesis nor string. */
static bool
skip_word(struct wire_in *in)
{
	const char *p = in->p;

	while (p < in->end && (unsigned char)*p > ' ' && strchr("()\"{", *p) == NULL)
		p++;
	if (p == in->p)
		return wire_in_fail(in, "A value expected");
	in->p = p;
	return true;
}

bool
wire_in_value(struct wire_in *in, struct str *raw_r)
{
	const char *from = in->p;
	uint32_t depth = 0;

	*raw_r = STR_NONE;
	do {
		char c = wire_in_peek(in);

		if (in->error != NULL)
			return false;
		if (c == '(') {
			if (++depth > in->limits->list_depth)
				return wire_in_limit(in, "Too many parentheses");
			in->p++;
		} else if (c == ')' && depth > 0) {
			depth--;
			in->p++;
		} else if (c == ' ' && depth > 0)
			in->p++;
		else if (c == '"' || c == '{' ||
		         (c == '~' && in->p + 1 < in->end && in->p[1] == '{')) {
			if (!skip_string(in))
				return false;
		} else if (!skip_word(in))
			return false;
	} while (depth > 0);
	*raw_r = str_range(from, in->p);
	return true;
}

/* RFC 4466: a value begins as no name can: a number, a set, a string or a list. */
static bool
value_follows(const struct wire_in *in)
{
	struct wire_in at = *in;
	char c;

	if (!wire_in_more(&at))
		return false;
	c = *at.p;
	if (c == '-') /* partial-range of RFC 9394 */
		return at.end - at.p > 1 && at.p[1] >= '0' && at.p[1] <= '9';
	return (c >= '0' && c <= '9') || (c != '\0' && strchr("*$(\"{", c) != NULL);
}

bool
wire_in_params(struct wire_in *in, struct wire_params *params_r)
{
	struct wire_vec vec = {0};

	*params_r = (struct wire_params){0};
	if (!wire_in_open(in))
		return false;
	if (wire_in_try_char(in, ')'))
		return true;
	do {
		struct wire_param *param;

		if (vec.n >= in->limits->items)
			return wire_in_limit(in, "Too many parameters");
		param = WIRE_VEC_PUSH(in->arena, &vec, struct wire_param);
		if (!wire_in_name(in, &param->name))
			return false;
		if (value_follows(in) && (!wire_in_sp(in) || !wire_in_value(in, &param->value)))
			return false;
	} while (wire_in_more(in));
	if (!wire_in_close(in))
		return false;
	params_r->v = vec.v;
	params_r->n = vec.n;
	return true;
}
