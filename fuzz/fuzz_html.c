/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML to text.  The first byte is the length of the pieces, which must give the same result as the
 * whole; UTF-8 must stay UTF-8, and a page without < and & is its own text.
 */
#include "base/err.h"
#include "mail/text/html.h"
#include "mail/text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
feed(struct str page, size_t piece, struct buf *text, struct buf *aside)
{
	struct mail_html h;

	mail_html_init(&h);
	for (size_t i = 0; i < page.n; i += piece) {
		size_t n = page.n - i < piece ? page.n - i : piece;

		mail_html_feed(&h, (struct str){page.p + i, n}, i + n == page.n, text, aside);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf page = {0}, text = {0}, aside = {0}, text2 = {0}, aside2 = {0};

	if (size < 2)
		return 0;
	mail_to_utf8(STR("utf-8"), (struct str){(const char *)data + 1, size - 1}, &page);
	feed(buf_as_str(&page), page.n, &text, &aside);
	TS_ASSERT(text.n == 0 || str_is_utf8(buf_as_str(&text)));
	TS_ASSERT(aside.n == 0 || str_is_utf8(buf_as_str(&aside)));
	if (str_chr(buf_as_str(&page), '<') == NULL && str_chr(buf_as_str(&page), '&') == NULL)
		TS_ASSERT(text.n == page.n && aside.n == 0);
	feed(buf_as_str(&page), 1 + (size_t)data[0], &text2, &aside2);
	TS_ASSERT(str_eq(buf_as_str(&text), buf_as_str(&text2)));
	TS_ASSERT(str_eq(buf_as_str(&aside), buf_as_str(&aside2)));
	buf_fini(&page);
	buf_fini(&text);
	buf_fini(&aside);
	buf_fini(&text2);
	buf_fini(&aside2);
	return 0;
}
