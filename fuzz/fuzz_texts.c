/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a catalogue (.mo): it is refused with a reason, or its texts can be printed on one
 * line.  And as a format with its translation, separated by a NUL: if that is accepted, libc must
 * find the same arguments in both.
 */
#include <printf.h>

#include "base/err.h"
#include "texts/texts.h"

enum { VALUES_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_catalogue(struct str bytes)
{
	struct buf refused = {0};
	const char *why, *said;
	struct texts *t = texts_new(bytes, &refused, &why);

	TS_ASSERT((t == NULL) == (why != NULL));
	if (t != NULL) {
		TS_ASSERT((texts_refused(t) > 0) == (refused.n > 0));
		said = texts_translate(t, "Done");
		TS_ASSERT(strlen(said) <= TEXTS_LENGTH_MAX && strpbrk(said, "\r\n") == NULL &&
		          str_is_utf8(str_of(said)));
	}
	texts_free(&t);
	buf_fini(&refused);
}

static void
compare_values(const char *english, const char *said)
{
	int a[VALUES_MAX] = {0}, b[VALUES_MAX] = {0};
	size_t n = parse_printf_format(english, VALUES_MAX, a);

	TS_ASSERT(parse_printf_format(said, VALUES_MAX, b) == n && n <= VALUES_MAX);
	TS_ASSERT(memcmp(a, b, sizeof(a)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data, size}, english;
	struct buf all = {0};
	const char *percent, *said;

	read_catalogue(in);
	buf_str(&all, in);
	english = str_of(buf_cstr(&all));
	said = english.n < size ? english.p + english.n + 1 : "";
	percent = str_chr(english, '%');
	/* A percent sign at the end is not a conversion. */
	if (texts_same_conversions(english.p, said) && (percent == NULL || percent[1] != '\0'))
		compare_values(english.p, said);
	buf_fini(&all);
	return 0;
}
