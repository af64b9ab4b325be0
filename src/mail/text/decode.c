/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of transfer encodings: see decode.h. */
#include "mail/text/decode.h"

#include "mail/text/lex.h"

struct str
mail_encoding_word(struct str value)
{
	const char *p, *end, *from;

	if (value.n == 0)
		return STR("");
	p = value.p;
	end = p + value.n;
	lex_skip_cfws(&p, end, NULL);
	if (p < end && *p == '"') { /* RFC 2045 section 6.1 only allows a token */
		for (from = ++p; from < end && lex_blank(*from); from++)
			continue;
		for (p = from; p < end && *p != '"' && !lex_blank(*p) && *p != '\0';)
			p++;
		return str_range(from, p);
	}
	from = p;
	while (p < end && !lex_blank(*p) && *p != '\0' && *p != '(' && *p != ';' && *p != ',')
		p++;
	return str_range(from, p);
}

enum mail_encoding
mail_encoding_of(struct str value)
{
	static const struct {
		struct str name;
		enum mail_encoding encoding;
	} names[] = {
	    {{"7bit", 4}, MAIL_ENCODING_7BIT},
	    {{"8bit", 4}, MAIL_ENCODING_8BIT},
	    {{"binary", 6}, MAIL_ENCODING_BINARY},
	    {{"quoted-printable", 16}, MAIL_ENCODING_QP},
	    {{"base64", 6}, MAIL_ENCODING_BASE64},
	};
	struct str word = mail_encoding_word(value);

	if (word.n == 0)
		return MAIL_ENCODING_7BIT;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_ieq(word, names[i].name))
			return names[i].encoding;
	return MAIL_ENCODING_UNKNOWN;
}

void
mail_decoder_init(struct mail_decoder *d, enum mail_encoding encoding)
{
	*d = (struct mail_decoder){.encoding = encoding};
}

/* 0..63, or the kind of other character. */
enum { B64_SKIP = 64, B64_PAD = 65, B64_JUNK = 66 };

static const uint8_t b64[256] = {
#define J B64_JUNK
#define S B64_SKIP
#define P B64_PAD
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    S,
    S,
    J,
    J,
    S,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    S,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    62,
    J,
    J,
    J,
    63,
    52,
    53,
    54,
    55,
    56,
    57,
    58,
    59,
    60,
    61,
    J,
    J,
    J,
    P,
    J,
    J,
    J,
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
    20,
    21,
    22,
    23,
    24,
    25,
    J,
    J,
    J,
    J,
    J,
    J,
    26,
    27,
    28,
    29,
    30,
    31,
    32,
    33,
    34,
    35,
    36,
    37,
    38,
    39,
    40,
    41,
    42,
    43,
    44,
    45,
    46,
    47,
    48,
    49,
    50,
    51,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
    J,
#undef J
#undef S
#undef P
};

/* Ends a quantum at padding or at the end: two sextets give one byte, three give two. */
static char *
base64_flush(struct mail_decoder *d, char *q)
{
	if (d->got == 1)
		d->junk = true;
	if (d->got >= 2)
		*q++ = (char)(d->bits >> (d->got == 2 ? 4 : 10));
	if (d->got == 3)
		*q++ = (char)(d->bits >> 2);
	d->got = 0;
	d->bits = 0;
	return q;
}

static void
base64_decode(struct mail_decoder *d, struct str in, bool last, struct buf *out)
{
	char *q = buf_room(out, in.n / 4 * 3 + 8);

	if (q == NULL)
		return;
	for (size_t i = 0; i < in.n; i++) {
		unsigned v = b64[(unsigned char)in.p[i]];

		if (v < 64) {
			if (d->ended) { /* a second base64 text after the first: decoded, but not
				           valid */
				d->ended = false;
				d->junk = true;
			}
			d->bits = d->bits << 6 | v;
			if (++d->got == 4) {
				*q++ = (char)(d->bits >> 16);
				*q++ = (char)(d->bits >> 8);
				*q++ = (char)d->bits;
				d->got = 0;
				d->bits = 0;
			}
		} else if (v == B64_PAD) {
			if (d->got == 0 && !d->ended)
				d->junk = true;
			q = base64_flush(d, q);
			d->ended = true;
		} else if (v == B64_JUNK) {
			d->junk = true;
		}
	}
	if (last) {
		d->junk |= d->got != 0;
		q = base64_flush(d, q);
	}
	out->n = (size_t)(q - out->p);
}

static bool
qp_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void
qp_emit_held(struct mail_decoder *d, struct buf *out)
{
	buf_put(out, d->held, d->got);
	d->got = 0;
}

/*
 * Handles a byte while something is held: "=", "=X", "= " (blanks before the
 * line end are tolerated), or blanks that vanish if the line ends (RFC 2045
 * section 6.7 rule 3).  Returns false if c is still to be handled.
 */
static bool
qp_held(struct mail_decoder *d, char c, struct buf *out)
{
	bool equals = d->held[0] == '=';
	char newest = d->held[d->got - 1];

	if (c == '\n' && (d->got == 1 || qp_blank(newest))) {
		if (!equals && newest == '\r')
			buf_putc(out, '\r');
		d->got = 0;
		if (!equals)
			buf_putc(out, '\n');
		return true;
	}
	if (equals && d->got == 1 && lex_hex(c) >= 0) {
		d->held[d->got++] = c;
		return true;
	}
	if (equals && d->got == 2 && lex_hex(newest) >= 0 && lex_hex(c) >= 0) {
		buf_putc(out, (char)(lex_hex(newest) * 16 + lex_hex(c)));
		d->got = 0;
		return true;
	}
	if (qp_blank(c) && newest != '\r' && d->got < sizeof(d->held) &&
	    (!equals || d->got == 1 || qp_blank(newest))) {
		d->held[d->got++] = c;
		return true;
	}
	d->junk |= equals || d->got == sizeof(d->held);
	qp_emit_held(d, out);
	return false;
}

static void
qp_decode(struct mail_decoder *d, struct str in, bool last, struct buf *out)
{
	size_t i = 0;

	while (i < in.n) {
		char c = in.p[i];

		if (d->got > 0) {
			if (qp_held(d, c, out))
				i++;
		} else if (c == '=' || c == ' ' || c == '\t') {
			d->held[d->got++] = c;
			i++;
		} else {
			size_t from = i;

			/* A blank needs a closer look only at the end of a line or of the piece. */
			while (i < in.n && in.p[i] != '=' &&
			       ((in.p[i] != ' ' && in.p[i] != '\t') ||
			           (i + 1 < in.n && in.p[i + 1] > ' ')))
				i++;
			buf_put(out, in.p + from, i - from);
		}
	}
	if (!last || d->got == 0)
		return;
	if (d->held[0] == '=' && d->got > 1 && !qp_blank(d->held[1])) {
		d->junk = true;
		qp_emit_held(d, out);
	}
	d->got = 0; /* a soft line break, or blanks, at the very end */
}

void
mail_decode(struct mail_decoder *d, struct str in, bool last, struct buf *out)
{
	switch (d->encoding) {
	case MAIL_ENCODING_BASE64:
		base64_decode(d, in, last, out);
		break;
	case MAIL_ENCODING_QP:
		qp_decode(d, in, last, out);
		break;
	case MAIL_ENCODING_UNKNOWN:
		d->junk = true;
		buf_str(out, in);
		break;
	case MAIL_ENCODING_7BIT:
	case MAIL_ENCODING_8BIT:
	case MAIL_ENCODING_BINARY:
		buf_str(out, in);
		break;
	}
}

uint64_t
mail_decoded_size(enum mail_encoding encoding, struct str body, bool *junk_r)
{
	struct mail_decoder d;
	struct buf piece = {0};
	uint64_t size = 0;

	mail_decoder_init(&d, encoding);
	if (encoding != MAIL_ENCODING_BASE64 && encoding != MAIL_ENCODING_QP) {
		size = body.n;
		d.junk = encoding == MAIL_ENCODING_UNKNOWN;
		body.n = 0;
	}
	while (body.n > 0) {
		size_t n = body.n < 16384 ? body.n : 16384;

		mail_decode(&d, (struct str){body.p, n}, n == body.n, &piece);
		size += piece.n;
		piece.n = 0;
		body = (struct str){body.p + n, body.n - n};
	}
	buf_fini(&piece);
	if (junk_r != NULL)
		*junk_r = d.junk;
	return size;
}
