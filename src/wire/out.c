/* SPDX-License-Identifier: Apache-2.0 */
/* Strings, flags, dates and status lines as responses want them: see out.h. */
#include "wire/out.h"

#include <string.h>

#include "base/base64.h"
#include "wire/utf7.h"

/* ---- strings */

enum shape { SHAPE_ATOM, SHAPE_QUOTED, SHAPE_LITERAL, SHAPE_LITERAL8 };

enum { QUOTED_MAX = 1000 }; /* longer ones go as literals, so that lines stay short */

static enum shape
shape_of(const struct wire_dialect *d, struct str s)
{
	enum shape shape = s.n == 0 ? SHAPE_QUOTED : SHAPE_ATOM;
	bool high = false;

	if (s.n > 0 && memchr(s.p, '\0', s.n) != NULL)
		return SHAPE_LITERAL8;
	if (s.n > QUOTED_MAX)
		return SHAPE_LITERAL;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\r' || c == '\n')
			return SHAPE_LITERAL;
		if (c >= 0x80)
			high = true;
		if (c <= ' ' || c >= 0x7F || strchr("(){%*\"\\]", c) != NULL)
			shape = SHAPE_QUOTED;
	}
	if (high && (!d->utf8 || !str_is_utf8(s)))
		return SHAPE_LITERAL;
	return shape;
}

void
wire_out_quoted(struct buf *b, struct str s)
{
	size_t from = 0;

	buf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '"' || s.p[i] == '\\') {
			buf_put(b, s.p + from, i - from);
			buf_putc(b, '\\');
			from = i;
		}
	if (s.n > 0)
		buf_put(b, s.p + from, s.n - from);
	buf_putc(b, '"');
}

void
wire_out_literal_head(struct buf *b, uint64_t size, bool literal8)
{
	if (literal8)
		buf_putc(b, '~');
	buf_putc(b, '{');
	buf_u64(b, size);
	buf_put(b, "}\r\n", 3);
}

void
wire_out_literal(struct buf *b, struct str s)
{
	wire_out_literal_head(b, s.n, false);
	buf_str(b, s);
}

static void
put_shaped(struct buf *b, struct str s, enum shape shape)
{
	switch (shape) {
	case SHAPE_ATOM:
		buf_str(b, s);
		break;
	case SHAPE_QUOTED:
		wire_out_quoted(b, s);
		break;
	case SHAPE_LITERAL:
	case SHAPE_LITERAL8:
		wire_out_literal_head(b, s.n, shape == SHAPE_LITERAL8);
		buf_str(b, s);
		break;
	}
}

void
wire_out_string(struct buf *b, const struct wire_dialect *d, struct str s)
{
	enum shape shape = shape_of(d, s);

	put_shaped(b, s, shape == SHAPE_ATOM ? SHAPE_QUOTED : shape);
}

void
wire_out_nstring(struct buf *b, const struct wire_dialect *d, struct str s)
{
	if (s.p == NULL)
		buf_put(b, "NIL", 3);
	else
		wire_out_string(b, d, s);
}

void
wire_out_astring(struct buf *b, const struct wire_dialect *d, struct str s)
{
	enum shape shape = shape_of(d, s);

	/* An atom NIL is a string where an astring stands, but not every reader knows. */
	if (shape == SHAPE_ATOM && str_ieq(s, STR("NIL")))
		shape = SHAPE_QUOTED;
	put_shaped(b, s, shape);
}

void
wire_out_mailbox(struct buf *b, const struct wire_dialect *d, struct str name)
{
	struct buf utf7 = {0};

	if (d->utf8 || (str_is_ascii(name) && str_chr(name, '&') == NULL)) {
		wire_out_astring(b, d, name);
		return;
	}
	wire_utf8_to_utf7(&utf7, name);
	wire_out_astring(b, d, buf_as_str(&utf7));
	buf_fini(&utf7);
}

/* ---- dates */

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

/* From days since 1 Jan 1970; years count from March, so that the leap day is the last. */
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
#define TIME_MIN (-62167219200LL) /* 1 Jan 0000 */
#define TIME_MAX 253402300799LL   /* 31 Dec 9999 */

void
wire_out_time(struct buf *b, struct wire_time t)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int zone = t.zone_min > -1440 && t.zone_min < 1440 ? t.zone_min : 0;
	int64_t local = t.unix_s, days;
	struct civil c;
	unsigned s;

	if (local < TIME_MIN + DAY || local > TIME_MAX - DAY) {
		local = local < 0 ? TIME_MIN : TIME_MAX;
		zone = 0;
	}
	local += zone * 60;
	days = (local >= 0 ? local : local - (DAY - 1)) / DAY;
	s = (unsigned)(local - days * DAY);
	c = civil_of(days);
	buf_putc(b, '"');
	if (c.day < 10) { /* date-day-fixed */
		buf_putc(b, ' ');
		put_fixed(b, c.day, 1);
	} else
		put_fixed(b, c.day, 2);
	buf_putc(b, '-');
	buf_put(b, months + 3 * ((c.month - 1) % 12), 3);
	buf_putc(b, '-');
	put_fixed(b, c.year, 4);
	buf_putc(b, ' ');
	put_fixed(b, s / 3600, 2);
	buf_putc(b, ':');
	put_fixed(b, s / 60 % 60, 2);
	buf_putc(b, ':');
	put_fixed(b, s % 60, 2);
	buf_put(b, zone < 0 ? " -" : " +", 2);
	zone = zone < 0 ? -zone : zone;
	put_fixed(b, (unsigned)zone / 60, 2);
	put_fixed(b, (unsigned)zone % 60, 2);
	buf_putc(b, '"');
}

/* ---- flags */

void
wire_out_flags(
    struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords, bool star)
{
	static const struct wire_name names[] = {{"\\Answered", WIRE_FLAG_ANSWERED},
	    {"\\Flagged", WIRE_FLAG_FLAGGED}, {"\\Deleted", WIRE_FLAG_DELETED},
	    {"\\Seen", WIRE_FLAG_SEEN}, {"\\Draft", WIRE_FLAG_DRAFT},
	    {"\\Recent", WIRE_FLAG_RECENT}, {NULL, 0}};
	const char *between = "(";

	if (system == 0 && n_keywords == 0 && !star) {
		buf_put(b, "()", 2);
		return;
	}
	for (const struct wire_name *name = names; name->name != NULL; name++)
		if ((system & name->id) != 0) {
			buf_putc(b, *between);
			buf_puts(b, name->name);
			between = " ";
		}
	for (size_t i = 0; i < n_keywords; i++) {
		buf_putc(b, *between);
		buf_str(b, keywords[i]);
		between = " ";
	}
	if (star) {
		buf_putc(b, *between);
		buf_put(b, "\\*", 2);
	}
	buf_putc(b, ')');
}

/* ---- status lines */

/* What resp-text may hold: no line ends, no NUL. */
static void
put_text(struct buf *b, struct str text)
{
	char *to = buf_room(b, text.n);

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		to[i] = c == '\r' || c == '\n' || c == '\0' ? '?' : c;
	}
	b->n += text.n;
}

void
wire_out_cond(struct buf *b, struct str tag, enum wire_cond cond, struct str code, struct str text)
{
	static const char *const words[] = {
	    [WIRE_OK] = " OK ",
	    [WIRE_NO] = " NO ",
	    [WIRE_BAD] = " BAD ",
	    [WIRE_BYE] = " BYE ",
	    [WIRE_PREAUTH] = " PREAUTH ",
	};

	if (tag.n > 0)
		buf_str(b, tag);
	else
		buf_putc(b, '*');
	buf_puts(b, words[cond]);
	if (code.n > 0) {
		buf_putc(b, '[');
		put_text(b, code);
		buf_put(b, "] ", 2);
	} else if (text.n > 0 && text.p[0] == '[') /* it would be read as a code */
		buf_putc(b, '-');
	put_text(b, text.n > 0 ? text : STR("-")); /* 1*TEXT-CHAR */
	buf_put(b, "\r\n", 2);
}

void
wire_out_continue(struct buf *b, struct str text)
{
	buf_put(b, "+ ", 2);
	put_text(b, text);
	buf_put(b, "\r\n", 2);
}

void
wire_out_challenge(struct buf *b, struct str bytes)
{
	buf_put(b, "+ ", 2);
	base64_encode(bytes, b);
	buf_put(b, "\r\n", 2);
}

void
wire_out_ok_begin(struct buf *b)
{
	buf_put(b, "* OK [", 6);
}

void
wire_out_ok_end(struct buf *b, const char *text)
{
	buf_put(b, "] ", 2);
	buf_puts(b, text);
	buf_put(b, "\r\n", 2);
}

void
wire_out_code_number(struct buf *b, const char *name, uint64_t n)
{
	buf_puts(b, name);
	buf_putc(b, ' ');
	buf_u64(b, n);
}

void
wire_out_code_permanentflags(
    struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords, bool star)
{
	buf_puts(b, "PERMANENTFLAGS ");
	wire_out_flags(b, system, keywords, n_keywords, star);
}

void
wire_out_code_appenduid(struct buf *b, uint32_t uidvalidity, const struct wire_set *uids)
{
	buf_puts(b, "APPENDUID ");
	buf_u64(b, uidvalidity);
	buf_putc(b, ' ');
	wire_set_print(b, uids);
}

void
wire_out_code_copyuid_begin(struct buf *b, uint32_t uidvalidity, struct wire_set_out *set_r)
{
	wire_out_code_number(b, "COPYUID", uidvalidity);
	buf_putc(b, ' ');
	*set_r = (struct wire_set_out){.b = b};
}

void
wire_out_code_copyuid_to(struct wire_set_out *set)
{
	wire_set_out_end(set);
	buf_putc(set->b, ' ');
	*set = (struct wire_set_out){.b = set->b};
}

void
wire_out_code_badcharset(struct buf *b, const char *const *charsets, size_t n)
{
	buf_puts(b, "BADCHARSET");
	for (size_t i = 0; i < n; i++) {
		buf_puts(b, i == 0 ? " (" : " ");
		buf_puts(b, charsets[i]);
	}
	if (n > 0)
		buf_putc(b, ')');
}
