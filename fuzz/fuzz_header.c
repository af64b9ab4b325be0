/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header fields: encoded words (RFC 2047), parameters with their continuations and charsets (RFC
 * 2231), addresses, subjects, and charsets converted in pieces.  The first byte chooses the charset
 * and the pieces.  Text for people must be well-formed UTF-8, and pieces must give the same result
 * as the whole.
 */
#include "base/err.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(struct buf *text)
{
	TS_ASSERT(text->n == 0 || str_is_utf8(buf_as_str(text)));
	text->n = 0;
}

static void
check_params(struct str value)
{
	struct mail_params p, less;
	struct buf out = {0};

	mail_params_read(&p, value, SIZE_MAX);
	TS_ASSERT(p.n <= value.n && !p.cut);
	for (size_t i = 0; i < p.n; i++) {
		TS_ASSERT(p.v[i].name.n > 0);
		if (i < 50)
			TS_ASSERT(mail_param_find(value, p.v[i].name, &out) || p.v[i].extended);
		check_text(&out);
		mail_param_value(&p.v[i], &out);
		TS_ASSERT(!p.v[i].extended || out.n == 0 || str_is_utf8(buf_as_str(&out)));
		out.n = 0;
	}
	/* A prefix has no parameter that the whole does not have. */
	mail_params_read(&less, value, value.n / 2);
	TS_ASSERT(less.n <= p.n || p.extended || p.joined.n > 0);
	mail_params_fini(&less);
	mail_params_fini(&p);
	(void)mail_param_find(value, STR("filename"), &out);
	check_text(&out);
	buf_fini(&out);
}

static void
check_value(struct str value)
{
	struct mail_addresses list = {0};
	struct buf out = {0}, base = {0};

	mail_words_decode(value, &out);
	TS_ASSERT(out.n == 0 || str_is_utf8(buf_as_str(&out)));
	(void)mail_base_subject(buf_as_str(&out), &base);
	check_text(&base);
	mail_casemap(buf_as_str(&out), &base);
	check_text(&base);
	out.n = 0;
	TS_ASSERT(mail_field_fit(value, 40, true).n <= 40);
	mail_unfold(mail_field_fit(value, 40, false), &out);
	TS_ASSERT(out.n <= 40 && (out.n == 0 || memchr(out.p, '\n', out.n) == NULL));
	out.n = 0;
	mail_parse_addresses(value, 20, 1000, &list);
	TS_ASSERT(list.n <= 21);
	mail_addresses_text(&list, &out);
	check_text(&out);
	mail_addresses_fini(&list);
	check_params(value);
	buf_fini(&out);
	buf_fini(&base);
}

/* Pieces must give the same result as the whole. */
static void
check_words(struct str value, size_t step)
{
	struct mail_words w = {0};
	struct buf whole = {0}, pieces = {0};

	mail_words_decode(value, &whole);
	for (size_t at = 0; at < value.n; at += step)
		mail_words_feed(&w,
		    (struct str){value.p + at, value.n - at < step ? value.n - at : step},
		    value.n - at <= step, &pieces);
	TS_ASSERT(value.n > MAIL_WORDS_HELD || str_eq(buf_as_str(&whole), buf_as_str(&pieces)));
	mail_words_fini(&w);
	buf_fini(&whole);
	buf_fini(&pieces);
}

static void
check_charset(struct str charset, struct str bytes, size_t step)
{
	struct buf whole = {0}, pieces = {0};
	struct mail_conv *conv = mail_conv_new(charset);
	size_t at = 0;

	(void)mail_to_utf8(charset, bytes, &whole);
	do {
		size_t n = bytes.n - at < step ? bytes.n - at : step;

		mail_conv_feed(conv, (struct str){bytes.p + at, n}, at + n == bytes.n, &pieces);
		at += n;
	} while (at < bytes.n);
	if (mail_conv_known(conv))
		TS_ASSERT(str_eq(buf_as_str(&whole), buf_as_str(&pieces)));
	check_text(&whole);
	check_text(&pieces);
	mail_conv_free(&conv);
	buf_fini(&whole);
	buf_fini(&pieces);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const charsets[] = {"UTF-8", "ISO-2022-JP", "GB18030", "Shift_JIS",
	    "UTF-7", "UTF-16", "windows-1252", "EUC-KR", "Big5", "HZ-GB-2312", "UTF-16LE",
	    "koi8-r"};
	struct mail_field f;
	struct str all, rest;
	size_t n = 0;

	if (size < 2)
		return 0;
	all = rest = (struct str){(const char *)data + 1, size - 1};
	while (mail_field_next(&rest, &f)) {
		n += f.all.n;
		TS_ASSERT(f.all.n > 0 && n <= all.n);
		check_value(f.value);
	}
	TS_ASSERT(n + rest.n == all.n);
	TS_ASSERT(mail_header_len(all) <= all.n && mail_header_len(all) >= n);
	check_value(all);
	check_words(all, 1 + data[0] / 16u);
	check_charset(str_of(charsets[data[0] % (sizeof(charsets) / sizeof(*charsets))]), all,
	    1 + data[0] / 16u);
	return 0;
}
