/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that begin with "From ": dates in them, marks, quotes. */
#include "port/mbox_int.h"

#define WORDS 12 /* the last words of a line; a date has fewer */

struct stamp {
	struct str day, month, year, time, zone, half; /* half: AM or PM */
};

static bool
digits(struct str s, size_t min, size_t max)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n >= min && s.n <= max;
}

static bool
letters(struct str s, size_t min, size_t max)
{
	for (size_t i = 0; i < s.n; i++)
		if (ascii_lower((unsigned char)s.p[i]) < 'a' ||
		    ascii_lower((unsigned char)s.p[i]) > 'z')
			return false;
	return s.n >= min && s.n <= max;
}

static struct str
first_bytes(struct str s, size_t n)
{
	return (struct str){s.p, s.n < n ? s.n : n};
}

/* Compares the first three letters, so "Mon" and "Monday" match. */
static bool
names(struct str word, const char *three)
{
	if (!letters(word, 3, 9))
		return false;
	for (; *three != 0; three += 3)
		if (str_ieq(first_bytes(word, 3), (struct str){three, 3}))
			return true;
	return false;
}

/* 10:00, 10:00:00, with a fraction, followed by a zone or Z. */
static bool
take_clock_word(struct stamp *s, struct str word)
{
	size_t n = 0;

	while (n < word.n && ((word.p[n] >= '0' && word.p[n] <= '9') || word.p[n] == ':'))
		n++;
	if (n < 4 || n > 8 || str_chr(first_bytes(word, 3), ':') == NULL || s->time.n > 0)
		return false;
	s->time = first_bytes(word, n);
	if (n < word.n && word.p[n] == '.')
		for (n++; n < word.n && word.p[n] >= '0' && word.p[n] <= '9';)
			n++;
	if (n < word.n)
		s->zone = (struct str){word.p + n, word.n - n};
	return s->zone.n == 0 || s->zone.p[0] == '+' || s->zone.p[0] == '-' ||
	       letters(s->zone, 1, 4);
}

/* 2026-02-02, or 2026-02-02T10:00:00Z. */
static bool
take_iso(struct stamp *s, struct str word)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t month;

	if (word.n < 10 || word.p[4] != '-' || word.p[7] != '-' || s->day.n > 0 ||
	    !digits(first_bytes(word, 4), 4, 4) ||
	    !str_u64((struct str){word.p + 5, 2}, 12, &month) || month == 0 ||
	    !digits((struct str){word.p + 8, 2}, 2, 2))
		return false;
	s->year = first_bytes(word, 4);
	s->month = (struct str){months + (month - 1) * 3, 3};
	s->day = (struct str){word.p + 8, 2};
	return word.n == 10 || ((word.p[10] == 'T' || word.p[10] == 't') &&
	                           take_clock_word(s, (struct str){word.p + 11, word.n - 11}));
}

static bool
take_word(struct stamp *s, struct str word)
{
	if (word.n > 1 && word.p[word.n - 1] == ',')
		word.n--;
	if (s->day.n == 0 && digits(word, 1, 2))
		s->day = word;
	else if (s->month.n == 0 && names(word, "JanFebMarAprMayJunJulAugSepOctNovDec"))
		s->month = word;
	else if (s->year.n == 0 && digits(word, 4, 4))
		s->year = word;
	else if (str_ieq(word, STR("AM")) || str_ieq(word, STR("PM")))
		s->half = word;
	else if (s->time.n > 0 && s->zone.n == 0 &&
	         (word.p[0] == '+' || word.p[0] == '-' || letters(word, 1, 5)))
		s->zone = word;
	else
		return names(word, "MonTueWedThuFriSatSun") || take_iso(s, word) ||
		       take_clock_word(s, word) || (s->time.n > 0 && word.p[0] == '(');
	return true;
}

/* On the 12-hour clock 12 AM is 0 and 12 PM is 12. */
static bool
put_time(const struct stamp *s, struct buf *b)
{
	struct str rest = s->time, hour;
	uint64_t h;

	(void)str_split(&rest, ':', &hour);
	if (!str_u64(hour, 23, &h) || (s->half.n > 0 && (h == 0 || h > 12)))
		return false;
	if (s->half.n > 0)
		h = h % 12 + (ascii_lower((unsigned char)s->half.p[0]) == 'p' ? 12 : 0);
	buf_printf(b, "%02u:%.*s", (unsigned)h, STR_ARG(rest));
	return true;
}

static bool
date_of(const struct str *word, size_t n, struct mail_date *date_r)
{
	struct stamp s = {0};
	struct buf b = {0};
	bool ok = true;

	for (size_t i = 0; ok && i < n; i++)
		ok = take_word(&s, word[i]);
	if (!ok || s.day.n == 0 || s.month.n == 0 || s.year.n == 0 || s.time.n == 0)
		return false;
	buf_printf(&b, "%.*s %.*s %.*s ", STR_ARG(s.day), STR_ARG(first_bytes(s.month, 3)),
	    STR_ARG(s.year));
	ok = put_time(&s, &b);
	buf_printf(&b, " %.*s", STR_ARG(s.zone));
	ok = ok && mail_date_parse(buf_as_str(&b), date_r);
	buf_fini(&b);
	return ok;
}

bool
mbox_from_date(struct str line, struct mail_date *date_r)
{
	struct str word[WORDS], one, rest = str_trim((struct str){line.p + 5, line.n - 5});
	size_t n = 0;

	if (mbox_is_marked(rest))
		rest.n -= sizeof MBOX_MARK - 1;
	while (str_split(&rest, ' ', &one)) {
		if (one.n == 0)
			continue;
		if (n == WORDS)
			for (size_t i = 1; i < n; i++)
				word[i - 1] = word[i];
		n -= n == WORDS;
		word[n++] = one;
	}
	if (n > 3 && str_eq(word[n - 3], STR("remote")) && str_eq(word[n - 2], STR("from")))
		n -= 3; /* UUCP's */
	for (size_t from = n; from-- > 0;)
		if (date_of(word + from, n - from, date_r))
			return true;
	return false;
}

bool
mbox_is_field(struct str line)
{
	size_t n = 0, end;

	while (n < line.n && line.p[n] > ' ' && line.p[n] != ':' && line.p[n] != 0x7f)
		n++;
	for (end = n; end < line.n && (line.p[end] == ' ' || line.p[end] == '\t');)
		end++;
	return n > 0 && end < line.n && line.p[end] == ':' &&
	       !str_has_prefix((struct str){line.p + end, line.n - end}, STR("://"));
}

bool
mbox_is_marked(struct str line)
{
	return str_has_suffix(str_trim(line), STR(MBOX_MARK));
}

static bool
has_from(struct str line, size_t *arrows_r)
{
	size_t n = 0;

	while (n < line.n && n <= MBOX_QUOTES && line.p[n] == '>')
		n++;
	*arrows_r = n;
	return str_has_prefix((struct str){line.p + n, line.n - n}, STR("From "));
}

bool
mbox_is_to_quote(struct str line)
{
	size_t n;

	return has_from(line, &n) || n >= MBOX_QUOTES;
}

bool
mbox_is_quoted(struct str line)
{
	size_t n;

	return (has_from(line, &n) && n > 0) || n > MBOX_QUOTES;
}
