/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Previews of any bytes: UTF-8 without control characters, limited in characters and bytes, and in
 * pieces the same as in the summary.  The first byte is the length of the pieces.
 */
#include "base/err.h"
#include "mail/preview.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
characters(struct str utf8)
{
	size_t n = 0;

	for (size_t i = 0; i < utf8.n; i++) {
		TS_ASSERT((unsigned char)utf8.p[i] >= 0x20 && utf8.p[i] != 0x7f);
		n += ((unsigned char)utf8.p[i] & 0xc0) != 0x80;
	}
	return n;
}

static void
use_pieces(struct str message, const struct mail_summary *s, size_t piece)
{
	struct mail_preview p;
	struct mail_range want;
	size_t looked = 0;

	mail_preview_begin(&p, s);
	while (mail_preview_wants(&p, &want)) {
		size_t n = want.len < piece ? (size_t)want.len : piece;

		TS_ASSERT(n > 0 && want.off + want.len <= message.n);
		mail_preview_feed(&p, (struct str){message.p + want.off, n});
		looked += n;
	}
	TS_ASSERT(looked <= MAIL_PREVIEW_BYTES);
	TS_ASSERT(str_eq(mail_preview_text(&p), mail_summary_text(s, MAIL_TEXT_PREVIEW)));
	mail_preview_fini(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf bytes = {0};
	struct mail_summary s;
	struct str message, text;

	if (size == 0)
		return 0;
	message = (struct str){(const char *)data + 1, size - 1};
	mail_summarize(message, NULL, &bytes);
	if (mail_summary_open(buf_as_str(&bytes), &s) != TS_OK)
		TS_WRONG("a fresh summary is not sound");
	text = mail_summary_text(&s, MAIL_TEXT_PREVIEW);
	TS_ASSERT(text.p != NULL && characters(text) <= MAIL_PREVIEW_CHARS);
	TS_ASSERT(
	    text.n == 0 || (str_is_utf8(text) && text.p[0] != ' ' && text.p[text.n - 1] != ' '));
	use_pieces(message, &s, 1 + (size_t)data[0]);
	buf_fini(&bytes);
	return 0;
}
