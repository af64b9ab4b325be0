/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses distinguished names as an administrator writes them (RFC 4514).  An accepted name must
 * print to one that parses to an equal name, unless it contains something other than text.
 */
#include <stdint.h>

#include "base/err.h"
#include "net/tls/certmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Control characters print as escapes of their own, and types without text as hexadecimal
 * digits. */
static bool
is_plain(struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' || (unsigned char)text.p[i] > '~' ||
		    text.p[i] == '#' || text.p[i] == '\\')
			return false;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size};
	const char *why = NULL;
	X509_NAME *name = certmap_name_parse(text, &why), *again;
	struct buf out = {0};

	TS_ASSERT((name == NULL) == (why != NULL));
	if (name == NULL)
		return 0;
	certmap_name_print(name, &out);
	TS_ASSERT(out.n > 0);
	again = certmap_name_parse(buf_as_str(&out), &why);
	if (is_plain(text))
		TS_ASSERT(again != NULL && X509_NAME_cmp(name, again) == 0);
	X509_NAME_free(again);
	X509_NAME_free(name);
	buf_fini(&out);
	return 0;
}
