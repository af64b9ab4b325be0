/* SPDX-License-Identifier: Apache-2.0 */
/* See normal.h. */
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "base/mem.h"
#include "base/normal.h"

/* Form C of n UTF-16 units takes up to three times as many (Unicode Standard Annex 15). */
#define GROWTH 3

static struct str
to_utf8(struct arena *a, const UChar *text, int32_t n, struct str other)
{
	UErrorCode err = U_ZERO_ERROR;
	int32_t size = 0;
	char *p = arena_try_zalloc(a, (size_t)n * 3 + 1);

	if (p == NULL)
		return STR_NONE;
	(void)u_strToUTF8(p, n * 3 + 1, &size, text, n, &err);
	return U_SUCCESS(err) ? (struct str){p, (size_t)size} : other;
}

static struct str
compose(struct arena *a, struct str utf8)
{
	UErrorCode err = U_ZERO_ERROR;
	const UNormalizer2 *nfc = unorm2_getNFCInstance(&err);
	int32_t n = 0, most = (int32_t)utf8.n * GROWTH;
	UChar *text = mem_try_zalloc((1 + GROWTH) * utf8.n * sizeof(*text), arena_oom(a)), *out;
	struct str name = utf8;

	if (text == NULL)
		return STR_NONE;
	out = text + utf8.n;
	(void)u_strFromUTF8(text, (int32_t)utf8.n, &n, utf8.p, (int32_t)utf8.n, &err);
	if (!unorm2_isNormalized(nfc, text, n, &err) && U_SUCCESS(err)) {
		n = unorm2_normalize(nfc, text, n, out, most, &err);
		name = U_SUCCESS(err) ? to_utf8(a, out, n, utf8) : utf8;
	}
	mem_free(text);
	return name;
}

struct str
str_normal(struct arena *a, struct str utf8)
{
	/* ICU counts with 32 bits. */
	if (utf8.n > INT32_MAX / (8 * GROWTH) || str_is_ascii(utf8) || !str_is_utf8(utf8))
		return utf8;
	return compose(a, utf8);
}
