/* SPDX-License-Identifier: Apache-2.0 */
/* Mailbox names on the wire: see utf7.h. */
#include "wire/utf7.h"

#include "base/err.h"
#include "base/normal.h"

#define NAME_MAX_BYTES 1000u /* of a whole name, so that keys of the store stay small */
#define NAME_MAX_LEVELS 50u

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int
digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == ',' ? 63 : -1;
}

static void
put_utf8(struct buf *b, uint32_t c)
{
	if (c < 0x80)
		buf_putc(b, (char)c);
	else if (c < 0x800) {
		buf_putc(b, (char)(0xC0 | c >> 6));
		buf_putc(b, (char)(0x80 | (c & 0x3F)));
	} else if (c < 0x10000) {
		buf_putc(b, (char)(0xE0 | c >> 12));
		buf_putc(b, (char)(0x80 | (c >> 6 & 0x3F)));
		buf_putc(b, (char)(0x80 | (c & 0x3F)));
	} else {
		buf_putc(b, (char)(0xF0 | c >> 18));
		buf_putc(b, (char)(0x80 | (c >> 12 & 0x3F)));
		buf_putc(b, (char)(0x80 | (c >> 6 & 0x3F)));
		buf_putc(b, (char)(0x80 | (c & 0x3F)));
	}
}

/* Puts one unit of UTF-16; *high has a high surrogate that waits for its low one, or 0. */
static bool
put_utf16(struct buf *b, uint32_t unit, uint32_t *high)
{
	if (*high != 0) {
		if (unit < 0xDC00 || unit > 0xDFFF)
			return false;
		put_utf8(b, 0x10000 + ((*high - 0xD800) << 10) + (unit - 0xDC00));
		*high = 0;
		return true;
	}
	if (unit >= 0xDC00 && unit <= 0xDFFF)
		return false;
	if (unit >= 0xD800 && unit <= 0xDBFF) {
		*high = unit;
		return true;
	}
	if (unit >= 0x20 && unit <= 0x7E) /* RFC 3501 section 5.1.3: must represent itself */
		return false;
	put_utf8(b, unit);
	return true;
}

/* Decodes from after "&" to the "-"; *p_r is then after it. */
static bool
decode_shift(struct buf *b, const char *p, const char *end, const char **p_r)
{
	uint32_t bits = 0, high = 0;
	int n_bits = 0;
	bool any = false;

	for (; p < end && *p != '-'; p++) {
		int v = digit_value(*p);

		if (v < 0)
			return false;
		bits = (bits << 6 | (uint32_t)v) & 0x3FFFFF;
		n_bits += 6;
		if (n_bits >= 16) {
			n_bits -= 16;
			if (!put_utf16(b, bits >> n_bits & 0xFFFF, &high))
				return false;
			any = true;
		}
	}
	if (p == end || !any || high != 0)
		return false;
	if (n_bits >= 6 || (bits & ((1u << n_bits) - 1)) != 0)
		return false;
	*p_r = p + 1;
	return true;
}

bool
wire_utf7_to_utf8(struct buf *b, struct str utf7)
{
	const char *p, *end, *shift_end = NULL;
	size_t was = b->n;

	if (utf7.n == 0)
		return true;
	p = utf7.p;
	end = p + utf7.n;
	while (p < end) {
		unsigned char c = (unsigned char)*p++;

		if (c < 0x20 || c > 0x7E)
			goto refuse;
		if (c != '&')
			buf_putc(b, (char)c);
		else if (p < end && *p == '-') {
			buf_putc(b, '&');
			p++;
		} else {
			if (shift_end == p - 1) /* superfluous: the previous shift could continue */
				goto refuse;
			if (!decode_shift(b, p, end, &p))
				goto refuse;
			shift_end = p;
		}
	}
	return true;
refuse:
	b->n = was;
	return false;
}

struct encoder {
	struct buf *b;
	uint32_t bits;
	int n_bits;
	bool shifted;
};

static void
encode_unit(struct encoder *e, uint32_t unit)
{
	e->bits = e->bits << 16 | unit;
	e->n_bits += 16;
	while (e->n_bits >= 6) {
		e->n_bits -= 6;
		buf_putc(e->b, digits[e->bits >> e->n_bits & 63]);
	}
	e->bits &= (1u << e->n_bits) - 1;
}

static void
encode_unshift(struct encoder *e)
{
	if (!e->shifted)
		return;
	if (e->n_bits > 0)
		buf_putc(e->b, digits[e->bits << (6 - e->n_bits) & 63]);
	buf_putc(e->b, '-');
	e->shifted = false;
	e->bits = 0;
	e->n_bits = 0;
}

/* Takes a character of well-formed UTF-8. */
static uint32_t
take_char(const unsigned char **p)
{
	uint32_t c = *(*p)++;
	int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0;

	if (more > 0)
		c &= 0x3Fu >> more;
	while (more-- > 0)
		c = c << 6 | (*(*p)++ & 0x3F);
	return c;
}

void
wire_utf8_to_utf7(struct buf *b, struct str utf8)
{
	const unsigned char *p = (const unsigned char *)utf8.p, *end;
	struct encoder e = {.b = b};

	if (utf8.n == 0)
		return;
	end = p + utf8.n;
	TS_ASSERT(str_is_utf8(utf8));
	while (p < end) {
		uint32_t c = take_char(&p);

		if (c >= 0x20 && c <= 0x7E) {
			encode_unshift(&e);
			buf_putc(b, (char)c);
			if (c == '&')
				buf_putc(b, '-');
			continue;
		}
		if (!e.shifted)
			buf_putc(b, '&');
		e.shifted = true;
		if (c >= 0x10000) {
			encode_unit(&e, 0xD800 + ((c - 0x10000) >> 10));
			encode_unit(&e, 0xDC00 + ((c - 0x10000) & 0x3FF));
		} else
			encode_unit(&e, c);
	}
	encode_unshift(&e);
}

bool
wire_name_ok(struct str utf8)
{
	const unsigned char *p = (const unsigned char *)utf8.p, *end;

	if (utf8.n == 0 || !str_is_utf8(utf8))
		return false;
	end = p + utf8.n;
	while (p < end) {
		uint32_t c = take_char(&p);

		/* RFC 5198 section 2 and RFC 9051 section 5.1 */
		if (c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x2028 || c == 0x2029)
			return false;
	}
	return true;
}

/* RFC 9051 section 5.1: INBOX in any case is one name, also as the first level. */
static struct str
with_inbox(struct arena *a, struct str name)
{
	const size_t n = 5;
	char *copy;

	if (name.n < n || !str_ieq((struct str){name.p, n}, STR("INBOX")))
		return name;
	if (name.n == n)
		return STR("INBOX");
	if (name.p[n] != '/' || str_has_prefix(name, STR("INBOX")))
		return name;
	copy = arena_try_zalloc(a, name.n + 1);
	if (copy == NULL)
		return STR_NONE;
	memcpy(copy, name.p, name.n);
	memcpy(copy, "INBOX", n);
	return (struct str){copy, name.n};
}

struct str
wire_name_kept(struct arena *a, struct str utf8)
{
	return with_inbox(a, str_normal(a, utf8));
}

const char *
wire_name_fault(struct str utf8)
{
	struct str rest = utf8, level;
	unsigned levels = 0;

	if (utf8.n == 0)
		return N_("The mailbox name is empty");
	if (utf8.n > NAME_MAX_BYTES)
		return N_("The mailbox name is longer than 1000 bytes");
	if (!wire_name_ok(utf8))
		return N_("The mailbox name contains characters that are not allowed");
	/* RFC 9051 section 5.1: "#" starts names of other namespaces. */
	if (utf8.p[0] == '#')
		return N_("Mailbox names that begin with # are reserved");
	while (str_split(&rest, '/', &level)) {
		if (level.n == 0)
			return N_("The mailbox name has an empty level");
		/* RFC 3501 section 5.1: LIST could not select a name with wildcards alone. */
		if (str_chr(level, '*') != NULL || str_chr(level, '%') != NULL)
			return N_("Mailbox names cannot contain * or %");
		if (++levels > NAME_MAX_LEVELS)
			return N_("The mailbox name has more than 50 levels");
	}
	return NULL;
}
