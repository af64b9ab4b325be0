/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: to lines and back. */
#include "control/request.h"

#include <string.h>

#include "base/mem.h"

void
request_begin(struct buf *wire, const char *verb)
{
	buf_puts(wire, verb);
	buf_putc(wire, '\n');
}

void
request_put(struct buf *wire, const char *key, struct str value)
{
	buf_puts(wire, key);
	buf_putc(wire, ' ');
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if (c < 0x20 || c == 0x7f || c == '%')
			buf_printf(wire, "%%%02X", c);
		else
			buf_putc(wire, (char)c);
	}
	buf_putc(wire, '\n');
}

void
request_end(struct buf *wire)
{
	buf_putc(wire, '\n');
}

bool
request_complete(struct str wire)
{
	return str_has_suffix(wire, STR("\n\n"));
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)ascii_upper((unsigned char)c);
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place; the result is never longer. */
static bool
unescape(char *p, size_t *n)
{
	size_t to = 0;

	for (size_t i = 0; i < *n; i++) {
		if (p[i] != '%') {
			p[to++] = p[i];
			continue;
		}
		if (*n - i < 3 || hex(p[i + 1]) < 0 || hex(p[i + 2]) < 0)
			return false;
		p[to++] = (char)(hex(p[i + 1]) << 4 | hex(p[i + 2]));
		i += 2;
	}
	*n = to;
	return true;
}

bool
request_unescape(struct str value, struct buf *out)
{
	char *p = buf_room(out, value.n);
	size_t n = value.n;

	if (n > 0)
		memcpy(p, value.p, n);
	if (!unescape(p, &n))
		return false;
	out->n += n;
	return true;
}

static bool
parse_field(struct request *req, char *line, size_t n)
{
	char *blank = memchr(line, ' ', n);
	struct request_field *f = &req->fields[req->field_count];
	size_t value_n;

	if (blank == NULL || req->field_count == REQUEST_FIELDS_MAX)
		return false;
	value_n = n - (size_t)(blank + 1 - line);
	if (!unescape(blank + 1, &value_n))
		return false;
	f->key = str_range(line, blank);
	f->value = (struct str){blank + 1, value_n};
	req->field_count++;
	return true;
}

bool
request_parse(struct str wire, struct request *req)
{
	size_t at = 0;

	*req = (struct request){0};
	if (!request_complete(wire))
		return false;
	buf_str(&req->text, wire);
	while (at < req->text.n) {
		char *line = req->text.p + at, *end = memchr(line, '\n', req->text.n - at);
		size_t n = (size_t)(end - line);

		at += n + 1;
		if (req->verb.p == NULL) {
			req->verb = (struct str){line, n};
			continue;
		}
		if (n == 0)
			return at == req->text.n && req->verb.n > 0;
		if (!parse_field(req, line, n))
			return false;
	}
	return false;
}

void
request_fini(struct request *req)
{
	buf_wipe_fini(&req->text);
}

bool
request_has(const struct request *req, const char *key)
{
	for (size_t i = 0; i < req->field_count; i++)
		if (str_eq(req->fields[i].key, str_of(key)))
			return true;
	return false;
}

struct str
request_get(const struct request *req, const char *key)
{
	for (size_t i = 0; i < req->field_count; i++)
		if (str_eq(req->fields[i].key, str_of(key)))
			return req->fields[i].value;
	return STR("");
}
