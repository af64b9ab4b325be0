/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_JSON_STR_H
#define APP_JSON_STR_H
#include "base/buf.h"

/* Appends s as a JSON string (RFC 8259 section 7), in its quotes. */
static inline void
json_put_str(struct buf *b, struct str s)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		if (ch == '"' || ch == '\\')
			buf_putc(b, '\\');
		if (ch < ' ')
			buf_printf(b, "\\u%04x", ch);
		else
			buf_putc(b, (char)ch);
	}
	buf_putc(b, '"');
}
#endif
