/* SPDX-License-Identifier: Apache-2.0 */
/* i;unicode-casemap (RFC 5051): see text.h. */
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include "mail/text/text.h"

/* UTF-16 units of the longest decomposition of a character (U+FDFA), with room to spare. */
#define APART 32
/* An ASCII run this long is worth dropping the cache of other characters. */
#define ASCII_RUN 4096u

static void
upper_ascii(struct str s, struct buf *out)
{
	char *q = buf_room(out, s.n);
	size_t i = 0;

	if (q == NULL)
		return;
	for (; s.n - i >= 8; i += 8) { /* eight letters at a time, all below 0x80 */
		const uint64_t ones = UINT64_C(0x0101010101010101);
		uint64_t w, above, below;

		memcpy(&w, s.p + i, 8);
		above = w + ones * (0x80 - 'a');
		below = w + ones * (0x80 - 'z' - 1);
		w &= ~(((above & ~below) & ones * 0x80) >> 2);
		memcpy(q + i, &w, 8);
	}
	for (; i < s.n; i++)
		q[i] = (char)ascii_upper((unsigned char)s.p[i]);
	out->n += s.n;
}

/* Puts a character in titlecase, fully decomposed. */
static void
put_apart(const UNormalizer2 *nfkd, UChar32 c, struct buf *out)
{
	UErrorCode err = U_ZERO_ERROR;
	UChar apart[APART];
	UChar32 title = u_totitle(c);
	int32_t n = unorm2_getDecomposition(nfkd, title, apart, APART, &err);

	if (U_FAILURE(err) || n < 0) {
		text_put_char(out, (uint32_t)title);
		return;
	}
	for (int32_t i = 0; i < n;) {
		U16_NEXT(apart, i, n, c);
		text_put_char(out, (uint32_t)c);
	}
}

/* U+5000 to U+9FFF, ideographs, which titlecasing and decomposition leave unchanged: they make up
 * most Chinese text and much Japanese text. */
static inline bool
is_itself(const char *p, size_t n)
{
	return n >= 3 && (unsigned char)p[0] >= 0xE5 && (unsigned char)p[0] <= 0xE9;
}

static size_t
itself_run(struct str s)
{
	size_t n = 0;

	while (is_itself(s.p + n, s.n - n))
		n += 3;
	return n;
}

/* A cache of characters already mapped: texts repeat the same few. */
struct known {
	uint32_t c; /* 0: none */
	uint8_t n;
	char bytes[11];
};
#define KNOWN 256u

static void
put_known(const UNormalizer2 *nfkd, struct known *known, UChar32 c, struct buf *out)
{
	struct known *k = &known[(uint32_t)c % KNOWN];
	size_t from = out->n;

	if (k->c == (uint32_t)c && c != 0) {
		buf_put(out, k->bytes, k->n);
		return;
	}
	put_apart(nfkd, c, out);
	if (out->n - from > sizeof(k->bytes) || out->n == from)
		return;
	k->c = (uint32_t)c;
	k->n = (uint8_t)(out->n - from);
	memcpy(k->bytes, out->p + from, k->n);
}

/* Converts text that starts with a non-ASCII character, up to the next long ASCII run; returns the
 * length consumed. */
static size_t
put_others(const UNormalizer2 *nfkd, struct str utf8, struct buf *out)
{
	struct known known[KNOWN];
	size_t at = 0, same;

	if (utf8.n == 0)
		return 0;
	memset(known, 0, sizeof(known));
	while (at < utf8.n) {
		int32_t i = 0, n = (int32_t)(utf8.n - at < 4 ? utf8.n - at : 4);
		struct str rest = {utf8.p + at, utf8.n - at};
		UChar32 c;

		same = text_ascii_run(rest);
		if (same >= ASCII_RUN)
			break;
		if (same > 0) {
			upper_ascii((struct str){rest.p, same}, out);
		} else if ((same = itself_run(rest)) > 0) {
			buf_put(out, rest.p, same);
		} else {
			U8_NEXT_OR_FFFD(rest.p, i, n, c);
			put_known(nfkd, known, c, out);
		}
		at += same + (size_t)i;
	}
	return at;
}

void
mail_collate_text(struct str utf8, struct buf *out)
{
	UErrorCode err = U_ZERO_ERROR;
	const UNormalizer2 *nfkd = unorm2_getNFKDInstance(&err);

	if (U_FAILURE(err)) {
		buf_str(out, utf8);
		return;
	}
	while (utf8.n > 0) {
		size_t n = text_ascii_run(utf8);

		upper_ascii((struct str){utf8.p, n}, out);
		utf8 = (struct str){utf8.p + n, utf8.n - n};
		n = put_others(nfkd, utf8, out);
		utf8 = (struct str){utf8.p + n, utf8.n - n};
	}
}

void
mail_collate(struct str utf8, struct buf *out)
{
	if (str_is_utf8(utf8))
		mail_collate_text(utf8, out);
	else
		buf_str(out, utf8);
}

uint32_t
mail_collate_version(void)
{
	UVersionInfo v;

	u_getUnicodeVersion(v);
	return (uint32_t)v[0] << 16 | (uint32_t)v[1] << 8 | v[2];
}
