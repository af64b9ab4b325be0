/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints PREVIEW: see preview.h. */
#include "wire/ext/preview.h"

bool
wire_preview_parse(struct wire_in *in, struct wire_preview *preview_r)
{
	*preview_r = (struct wire_preview){0};
	if (!wire_in_open(in))
		return false;
	do {
		if (!wire_in_try_word(in, "LAZY"))
			return wire_in_fail(in, "Unknown PREVIEW modifier");
		preview_r->lazy = true;
	} while (wire_in_more(in));
	return wire_in_close(in);
}

void
wire_preview_print(struct buf *b, const struct wire_preview *preview)
{
	if (preview->lazy)
		buf_puts(b, " (LAZY)");
}
