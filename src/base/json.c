/* SPDX-License-Identifier: Apache-2.0 */
/* Writing JSON. */
#include "base/json.h"

static void
before_value(struct json *j)
{
	if (j->comma)
		buf_puts(j->out, ", ");
	j->comma = true;
}

/* Returns the bytes of the character at s; 0: invalid UTF-8. */
static size_t
character(struct str s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return n <= s.n && str_is_utf8((struct str){s.p, n}) ? n : 0;
}

static void
put_quoted(struct buf *out, struct str s)
{
	buf_putc(out, '"');
	while (s.n > 0) {
		unsigned char c = (unsigned char)s.p[0];
		size_t n = character(s);

		if (n == 0)
			buf_puts(out, "\xef\xbf\xbd");
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\u%04x", c);
		else if (c == 0xc2 && (unsigned char)s.p[1] < 0xa0) /* C1 controls */
			buf_printf(out, "\\u%04x", (unsigned char)s.p[1]);
		else
			buf_put(out, s.p, n);
		n = n == 0 ? 1 : n;
		s.p += n;
		s.n -= n;
	}
	buf_putc(out, '"');
}

void
json_open(struct json *j, char bracket)
{
	before_value(j);
	buf_putc(j->out, bracket);
	j->comma = false;
}

void
json_close(struct json *j, char bracket)
{
	buf_putc(j->out, bracket);
	j->comma = true;
}

void
json_key_str(struct json *j, struct str key)
{
	before_value(j);
	put_quoted(j->out, key);
	buf_puts(j->out, ": ");
	j->comma = false;
}

void
json_key(struct json *j, const char *key)
{
	json_key_str(j, str_of(key));
}

void
json_str(struct json *j, struct str value)
{
	before_value(j);
	put_quoted(j->out, value);
}

void
json_u64(struct json *j, uint64_t value)
{
	before_value(j);
	buf_u64(j->out, value);
}

void
json_decimal(struct json *j, struct str value)
{
	before_value(j);
	buf_str(j->out, value);
}

void
json_i64(struct json *j, int64_t value)
{
	before_value(j);
	buf_printf(j->out, "%lld", (long long)value);
}

void
json_bool(struct json *j, bool value)
{
	before_value(j);
	buf_puts(j->out, value ? "true" : "false");
}

void
json_null(struct json *j)
{
	before_value(j);
	buf_puts(j->out, "null");
}
