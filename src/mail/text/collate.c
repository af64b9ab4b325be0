/* SPDX-License-Identifier: Apache-2.0 */
/* i;unicode-casemap (RFC 5051): see text.h. */
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include "mail/text/text.h"

/* UTF-16 units of the longest decomposition of a character (U+FDFA), with room to spare. */
#define APART 32

static void
upper_ascii(struct str s, struct buf *out)
{
	char *q = buf_room(out, s.n);

	if (q == NULL)
		return;
	for (size_t i = 0; i < s.n; i++)
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

void
mail_collate(struct str utf8, struct buf *out)
{
	UErrorCode err = U_ZERO_ERROR;
	const UNormalizer2 *nfkd = unorm2_getNFKDInstance(&err);

	if (U_FAILURE(err) || !str_is_utf8(utf8)) {
		buf_str(out, utf8);
		return;
	}
	while (utf8.n > 0) {
		size_t run = text_ascii_run(utf8);
		int32_t i = 0, n = (int32_t)(utf8.n - run < 4 ? utf8.n - run : 4);
		const char *p = utf8.p + run;
		UChar32 c;

		upper_ascii((struct str){utf8.p, run}, out);
		if (n > 0) {
			U8_NEXT(p, i, n, c);
			put_apart(nfkd, c, out);
		}
		utf8 = (struct str){p + i, utf8.n - run - (size_t)i};
	}
}

uint32_t
mail_collate_version(void)
{
	UVersionInfo v;

	u_getUnicodeVersion(v);
	return (uint32_t)v[0] << 16 | (uint32_t)v[1] << 8 | v[2];
}
