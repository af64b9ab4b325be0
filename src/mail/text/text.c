/* SPDX-License-Identifier: Apache-2.0 */
/* Charsets to UTF-8 with ICU, and the folded form of texts: see text.h. */
#include "mail/text/text.h"

#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "base/err.h"
#include "base/mem.h"

enum conv_kind {
	CONV_UTF8,    /* checked; malformed bytes become U+FFFD */
	CONV_LENIENT, /* UTF-8, or byte by byte Latin-1 where it is not */
	CONV_LATIN1,
	CONV_UTF16, /* byte order unknown so far; CONV_ICU later */
	CONV_ICU
};

/* Bytes of UTF-16 without a byte order mark used to guess its order. */
#define SAMPLE 256u

struct mail_conv {
	enum conv_kind kind;
	bool known;
	uint8_t held_n; /* start of a UTF-8 sequence whose rest is to come */
	char held[4];
	uint16_t high; /* a high surrogate that waits for its low one */
	UConverter *icu;
	struct buf sample;
};

#define NAME_MAX_LEN 60

/* Makes a NUL-terminated copy of the name; returns false if it cannot be a charset's. */
static bool
charset_name(struct str charset, char name[NAME_MAX_LEN + 1])
{
	charset = str_trim(charset);
	if (charset.n == 0 || charset.n > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < charset.n; i++) {
		char c = (char)ascii_lower((unsigned char)charset.p[i]);

		/* No slash or comma: ICU would take them as a path or an option. */
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		        strchr("-_.:()+", c) != NULL) ||
		    c == '\0')
			return false;
		name[i] = c;
	}
	name[charset.n] = '\0';
	return true;
}

static bool
any_of(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* Names that ICU does not know in this form. */
static const char *
charset_alias(const char *name)
{
	static const char *const aliases[][2] = {
	    {"iso-8859-8-i", "iso-8859-8"},
	    {"iso-8859-8-e", "iso-8859-8"},
	    {"iso-8859-6-i", "iso-8859-6"},
	    {"iso-8859-6-e", "iso-8859-6"},
	    {"x-gbk", "gbk"},
	    {"cp-1252", "windows-1252"},
	    {"cp-850", "cp850"},
	};

	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strcmp(name, aliases[i][0]) == 0)
			return aliases[i][1];
	return name;
}

static enum conv_kind
conv_kind_of(struct str charset, char name[NAME_MAX_LEN + 1], bool *known_r)
{
	static const char *const utf8[] = {"utf-8", "utf8", NULL};
	static const char *const ascii[] = {"us-ascii", "ascii", "ansi_x3.4-1968", NULL};
	static const char *const latin1[] = {
	    "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", NULL};
	UErrorCode err = U_ZERO_ERROR;

	*known_r = true;
	if (charset_name(charset, name)) {
		if (any_of(name, utf8))
			return CONV_UTF8;
		if (any_of(name, ascii))
			return CONV_LENIENT;
		if (any_of(name, latin1))
			return CONV_LATIN1;
		/* Ask first, since opening an unknown one looks for a file. */
		if (ucnv_countAliases(charset_alias(name), &err) > 0 && U_SUCCESS(err))
			return CONV_ICU;
	}
	*known_r = false;
	return CONV_LENIENT;
}

bool
mail_charset_known(struct str charset)
{
	char name[NAME_MAX_LEN + 1];
	bool known;

	conv_kind_of(charset, name, &known);
	return known;
}

/* ICU reports it with its own code, which nobody else checks. */
static void
note_no_memory(UErrorCode err, bool *oom)
{
	if (err != U_MEMORY_ALLOCATION_ERROR)
		return;
	if (oom == NULL)
		TS_WRONG("out of memory");
	*oom = true;
}

static void
conv_init(struct mail_conv *c, struct str charset, bool *oom)
{
	char name[NAME_MAX_LEN + 1];
	UErrorCode err = U_ZERO_ERROR;

	*c = (struct mail_conv){.sample.oom = oom};
	c->kind = conv_kind_of(charset, name, &c->known);
	if (c->kind != CONV_ICU)
		return;
	c->icu = ucnv_open(charset_alias(name), &err);
	note_no_memory(err, oom);
	if (c->icu == NULL || U_FAILURE(err)) {
		c->kind = CONV_LENIENT;
		c->known = false;
	} else if (ucnv_getType(c->icu) == UCNV_UTF16) {
		c->kind = CONV_UTF16;
	}
}

static void
conv_fini(struct mail_conv *c)
{
	if (c->icu != NULL)
		ucnv_close(c->icu);
	c->icu = NULL;
	buf_fini(&c->sample);
}

struct mail_conv *
mail_conv_try_new(struct str charset, bool *oom)
{
	struct mail_conv *c = mem_try_zalloc(sizeof(*c), oom);

	if (c != NULL)
		conv_init(c, charset, oom);
	return c;
}

struct mail_conv *
mail_conv_new(struct str charset)
{
	return mail_conv_try_new(charset, NULL);
}

bool
mail_conv_known(const struct mail_conv *c)
{
	return c->known;
}

void
mail_conv_free(struct mail_conv **cp)
{
	if (*cp == NULL)
		return;
	conv_fini(*cp);
	mem_free(*cp);
	*cp = NULL;
}

void
text_put_char(struct buf *out, uint32_t c)
{
	char *q = buf_room(out, 4);

	if (q == NULL)
		return;
	if (c < 0x80) {
		q[0] = (char)c;
		out->n += 1;
	} else if (c < 0x800) {
		q[0] = (char)(0xc0 | c >> 6);
		q[1] = (char)(0x80 | (c & 63));
		out->n += 2;
	} else if (c < 0x10000) {
		q[0] = (char)(0xe0 | c >> 12);
		q[1] = (char)(0x80 | (c >> 6 & 63));
		q[2] = (char)(0x80 | (c & 63));
		out->n += 3;
	} else {
		q[0] = (char)(0xf0 | c >> 18);
		q[1] = (char)(0x80 | (c >> 12 & 63));
		q[2] = (char)(0x80 | (c >> 6 & 63));
		q[3] = (char)(0x80 | (c & 63));
		out->n += 4;
	}
}

size_t
text_ascii_run(struct str s)
{
	size_t i = 0;

	for (; s.n - i >= 8; i += 8) {
		uint64_t w;

		memcpy(&w, s.p + i, 8);
		if ((w & UINT64_C(0x8080808080808080)) != 0)
			break;
	}
	while (i < s.n && (unsigned char)s.p[i] < 0x80)
		i++;
	return i;
}

/* Returns the length of the UTF-8 sequence at p; 0: malformed; -1: it may continue after the
 * end. */
static int
sequence(const unsigned char *p, size_t n)
{
	unsigned char low = 0x80, high = 0xbf;
	int len;

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return p[0] < 0x80;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	for (int i = 1; i < len; i++) {
		if ((size_t)i == n)
			return -1;
		if (p[i] < low || p[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return len;
}

/* Returns how many bytes were taken: all but the front of a split sequence. */
static size_t
utf8_feed(const struct mail_conv *c, struct str s, bool last, struct buf *out)
{
	size_t i = 0;

	while (i < s.n) {
		size_t run = text_ascii_run((struct str){s.p + i, s.n - i});
		int len;

		buf_put(out, s.p + i, run);
		i += run;
		if (i == s.n)
			break;
		len = sequence((const unsigned char *)s.p + i, s.n - i);
		if (len < 0 && !last)
			break;
		if (len > 0) {
			buf_put(out, s.p + i, (size_t)len);
			i += (size_t)len;
		} else {
			text_put_char(out, c->kind == CONV_UTF8 ? 0xfffd : (unsigned char)s.p[i]);
			i++;
		}
	}
	return i;
}

static void
utf8_feed_held(struct mail_conv *c, struct str s, bool last, struct buf *out)
{
	size_t used;

	/* At most four bytes are held, so this joins the two pieces byte by byte. */
	while (c->held_n > 0 && s.n > 0) {
		c->held[c->held_n++] = *s.p++;
		s.n--;
		used = utf8_feed(c, (struct str){c->held, c->held_n}, last && s.n == 0, out);
		c->held_n = (uint8_t)(c->held_n - used);
		memmove(c->held, c->held + used, c->held_n);
	}
	if (s.n == 0) {
		if (last && c->held_n > 0) {
			utf8_feed(c, (struct str){c->held, c->held_n}, true, out);
			c->held_n = 0;
		}
		return;
	}
	used = utf8_feed(c, s, last, out);
	c->held_n = (uint8_t)(s.n - used);
	memcpy(c->held, s.p + used, c->held_n);
}

static void
put_utf16(struct mail_conv *c, const UChar *u, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): from ICU */
		bool low = u[i] >= 0xdc00 && u[i] <= 0xdfff;

		if (c->high != 0) {
			text_put_char(
			    out, low ? 0x10000 + ((c->high - 0xd800u) << 10) + (u[i] - 0xdc00u)
			             : 0xfffd);
			c->high = 0;
			if (low)
				continue;
		}
		if (u[i] >= 0xd800 && u[i] <= 0xdbff)
			c->high = u[i];
		else
			text_put_char(out, low ? 0xfffd : u[i]);
	}
}

static void
icu_feed(struct mail_conv *c, struct str s, bool last, struct buf *out)
{
	const char *p = s.n > 0 ? s.p : "", *end = p + s.n;
	UChar u[512];
	UErrorCode err;

	do {
		UChar *q = u;

		err = U_ZERO_ERROR;
		ucnv_toUnicode(c->icu, &q, u + 512, &p, end, NULL, last, &err);
		put_utf16(c, u, (size_t)(q - u), out);
	} while (err == U_BUFFER_OVERFLOW_ERROR);
	if (last && c->high != 0) {
		text_put_char(out, 0xfffd);
		c->high = 0;
	}
}

/* ---- UTF-16 without a byte order mark ---- */

/* How the text reads in one byte order. */
struct reading {
	unsigned odd;   /* what no text has: controls, private, unassigned, halves of pairs */
	unsigned ascii; /* letters, digits, punctuation, blanks, line ends */
	unsigned jumps; /* changes of block (of 256 characters): text stays within few */
};

static bool
is_odd(uint32_t c)
{
	switch (u_charType((UChar32)c)) {
	case U_UNASSIGNED:
	case U_PRIVATE_USE_CHAR:
	case U_SURROGATE:
		return true;
	case U_CONTROL_CHAR:
		return c != '\t' && c != '\r' && c != '\n' && c != '\f';
	default:
		return false;
	}
}

static struct reading
read_as(struct str s, bool little)
{
	struct reading r = {0};
	uint32_t before = 0, high = 0;

	for (size_t i = 0; i + 1 < s.n; i += 2) {
		uint32_t first = (unsigned char)s.p[i], second = (unsigned char)s.p[i + 1];
		uint32_t c = little ? second << 8 | first : first << 8 | second;

		r.jumps += i > 0 && c >> 8 != before >> 8;
		before = c;
		if (c >= 0xdc00 && c <= 0xdfff && high != 0)
			c = 0x10000 + ((high - 0xd800) << 10) + (c - 0xdc00);
		else
			r.odd += high != 0;
		high = c >= 0xd800 && c <= 0xdbff ? c : 0;
		r.odd += high == 0 && is_odd(c);
		r.ascii += c < 0x80 && !is_odd(c);
	}
	return r;
}

/*
 * RFC 2781 section 4.3: big-endian unless something says otherwise.  But senders omit the mark from
 * little-endian text: it is little-endian if it reads as text that way, and better than the other
 * way.
 */
static bool
is_little_endian(struct str s)
{
	struct reading little, big;

	if (s.n >= 2 && (memcmp(s.p, "\xfe\xff", 2) == 0 || memcmp(s.p, "\xff\xfe", 2) == 0))
		return false; /* ICU follows the mark */
	little = read_as(s, true);
	big = read_as(s, false);
	if (little.odd != big.odd)
		return little.odd < big.odd;
	if (little.ascii != big.ascii)
		return little.ascii > big.ascii;
	return little.jumps * 2 < big.jumps;
}

static void
utf16_feed(struct mail_conv *c, struct str bytes, bool last, struct buf *out)
{
	size_t take = SAMPLE - c->sample.n < bytes.n ? SAMPLE - c->sample.n : bytes.n;
	UErrorCode err = U_ZERO_ERROR;

	if (take > 0)
		buf_put(&c->sample, bytes.p, take);
	if (c->sample.n < SAMPLE && !last)
		return;
	c->kind = CONV_ICU;
	if (c->sample.n > 0 && is_little_endian(buf_as_str(&c->sample))) {
		UConverter *icu = ucnv_open("UTF-16LE", &err);

		if (U_SUCCESS(err)) {
			ucnv_close(c->icu);
			c->icu = icu;
		}
	}
	bytes = (struct str){bytes.n > 0 ? bytes.p + take : NULL, bytes.n - take};
	icu_feed(c, buf_as_str(&c->sample), last && bytes.n == 0, out);
	c->sample.n = 0;
	if (bytes.n > 0)
		icu_feed(c, bytes, last, out);
}

void
mail_conv_feed(struct mail_conv *c, struct str bytes, bool last, struct buf *out)
{
	switch (c->kind) {
	case CONV_UTF8:
	case CONV_LENIENT:
		utf8_feed_held(c, bytes, last, out);
		break;
	case CONV_LATIN1:
		for (size_t i = 0; i < bytes.n; i++) {
			size_t run = text_ascii_run((struct str){bytes.p + i, bytes.n - i});

			buf_put(out, bytes.p + i, run);
			i += run;
			if (i < bytes.n)
				text_put_char(out, (unsigned char)bytes.p[i]);
		}
		break;
	case CONV_UTF16:
		utf16_feed(c, bytes, last, out);
		break;
	case CONV_ICU:
		icu_feed(c, bytes, last, out);
		break;
	}
}

bool
text_conv_passes_ascii(const struct mail_conv *c)
{
	return c->kind != CONV_ICU && c->kind != CONV_UTF16 && c->held_n == 0;
}

bool
mail_to_utf8(struct str charset, struct str bytes, struct buf *out)
{
	struct mail_conv c;

	conv_init(&c, charset, out->oom);
	mail_conv_feed(&c, bytes, true, out);
	conv_fini(&c);
	return c.known;
}

/* ---- the folded form ---- */

#define RUN 96 /* UTF-16 units folded at a time; in the worst case one becomes 18 */

static void
lower_ascii(struct str s, struct buf *out)
{
	char *q = buf_room(out, s.n);
	size_t i = 0;

	if (q == NULL)
		return;
	for (; s.n - i >= 8; i += 8) { /* eight letters at a time, all below 0x80 */
		const uint64_t ones = UINT64_C(0x0101010101010101);
		uint64_t w, above, below;

		memcpy(&w, s.p + i, 8);
		above = w + ones * (0x80 - 'A');
		below = w + ones * (0x80 - 'Z' - 1);
		w |= ((above & ~below) & ones * 0x80) >> 2;
		memcpy(q + i, &w, 8);
	}
	for (; i < s.n; i++)
		q[i] = (char)ascii_lower((unsigned char)s.p[i]);
	out->n += s.n;
}

/* Case folding with compatibility forms (NFKC_Casefold), then decomposed: an accent is then a
 * character after its letter, as in RFC 5051. */
static bool
fold_run(struct str s, struct buf *out)
{
	UErrorCode err = U_ZERO_ERROR;
	const UNormalizer2 *fold = unorm2_getNFKCCasefoldInstance(&err);
	const UNormalizer2 *nfd = unorm2_getNFDInstance(&err);
	UChar in[RUN], folded[RUN * 18 + 1], apart[RUN * 36];
	int32_t n, m;
	char *q;

	u_strFromUTF8WithSub(in, RUN, &n, s.p, (int32_t)s.n, 0xfffd, NULL, &err);
	n = unorm2_normalize(fold, in, n, folded, RUN * 18 + 1, &err);
	m = unorm2_normalize(nfd, folded, n, apart, RUN * 36, &err);
	note_no_memory(err, out->oom);
	if (U_FAILURE(err) || (q = buf_room(out, (size_t)m * 3)) == NULL)
		return false;
	u_strToUTF8WithSub(q, m * 3, &n, apart, m, 0xfffd, NULL, &err);
	if (U_FAILURE(err))
		return false;
	out->n += (size_t)n;
	return true;
}

void
mail_casemap(struct str utf8, struct buf *out)
{
	/* ASCII letters never combine backwards, so each run is folded separately. */
	while (utf8.n > 0) {
		size_t n = text_ascii_run(utf8);

		lower_ascii((struct str){utf8.p, n}, out);
		utf8 = (struct str){utf8.p + n, utf8.n - n};
		n = 0;
		/* Fold short ASCII gaps as well: each call of ICU has its cost. */
		for (size_t i = 0; i < utf8.n && i < RUN; i++)
			if ((unsigned char)utf8.p[i] >= 0x80)
				n = i + 1;
		/* Split between characters, not inside one. */
		if (n == RUN && n < utf8.n)
			for (int back = 0; back < 3 && ((unsigned char)utf8.p[n] & 0xc0) == 0x80;
			     back++)
				n--;
		if (n > 0 && !fold_run((struct str){utf8.p, n}, out))
			buf_put(out, utf8.p, n);
		utf8 = (struct str){utf8.p + n, utf8.n - n};
	}
}
