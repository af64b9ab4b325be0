/* SPDX-License-Identifier: Apache-2.0 */
/* What readers and writers of mail files share. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/port.h"
#include "store/store.h"
#include "wire/utf7.h"

#define KEYWORDS_BYTES (MAILSTREAM_RECORD_MAX / 2) /* of a message: a record holds them */

void
port_broken(struct port *port, const char *dir, const char *name, const char *why)
{
	struct buf shown = {0};

	for (const char *p = name; *p != 0; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			buf_printf(&shown, "%%%02X", (unsigned char)*p);
		else
			buf_putc(&shown, *p);
	progress_clear(&port->progress);
	fprintf(stderr, "turnstone %s: %s%s%s: %s, left out\n", port->cmd, dir,
	    dir[0] != 0 ? "/" : "", buf_cstr(&shown), why);
	port->broken++;
	buf_fini(&shown);
}

void
port_broken_line(
    struct port *port, const char *dir, const char *name, uint64_t line, const char *why)
{
	struct buf b = {0};

	buf_printf(&b, "%s, line %llu", name, (unsigned long long)line);
	port_broken(port, dir, buf_cstr(&b), why);
	buf_fini(&b);
}

bool
port_slurp(const struct port *port, int dir, const char *name, size_t max, struct buf *out)
{
	int fd = port_open(port, dir, name, false);
	ssize_t got = -1;

	if (fd < 0)
		return false;
	while (out->n < max && (got = read(fd, buf_room(out, 65536), 65536)) > 0)
		out->n += (size_t)got;
	close(fd);
	return got == 0;
}

/* RFC 3501 section 9: flag-keyword is an atom. */
static bool
is_keyword(struct str name)
{
	if (name.n == 0)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] >= 0x7f ||
		    strchr("(){%*\"\\]", name.p[i]) != NULL)
			return false;
	return true;
}

void
port_keyword(struct port *port, struct str name, struct buf *words)
{
	struct rd r = rd_of(buf_as_str(words));
	size_t n = 0;

	for (; rd_left(&r) > 0; n++)
		if (str_ieq(rd_vstr(&r), name))
			return;
	if (n < STORE_KEYWORDS_MAX && words->n + name.n < KEYWORDS_BYTES && is_keyword(name))
		buf_vstr(words, name);
	else
		port->words++;
}

void
port_crlf(struct str in, char *last, struct buf *out)
{
	const char *p = in.p, *end = in.p + in.n;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));

		if (lf == NULL) {
			buf_put(out, p, (size_t)(end - p));
			break;
		}
		buf_put(out, p, (size_t)(lf - p));
		if ((lf > in.p ? lf[-1] : *last) != '\r')
			buf_putc(out, '\r');
		buf_putc(out, '\n');
		p = lf + 1;
	}
	if (in.n > 0)
		*last = in.p[in.n - 1];
}

void
port_escape(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '%' || s.p[i] == ',' ||
		    s.p[i] == 0x7f)
			buf_printf(out, "%%%02X", (unsigned char)s.p[i]);
		else
			buf_putc(out, s.p[i]);
}

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
port_unescape(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%') {
			buf_putc(out, s.p[i]);
			continue;
		}
		if (s.n - i < 3 || hex(s.p[i + 1]) < 0 || hex(s.p[i + 2]) < 0)
			return false;
		buf_putc(out, (char)(hex(s.p[i + 1]) * 16 + hex(s.p[i + 2])));
		i += 2;
	}
	return true;
}

void
port_folder(struct str name, char sep, struct buf *out)
{
	struct str part;
	bool first = true;

	while (str_split(&name, '/', &part)) {
		struct buf seven = {0};

		if (!first)
			buf_putc(out, sep);
		first = false;
		wire_utf8_to_utf7(&seven, part);
		for (size_t i = 0; i < seven.n; i++)
			if (seven.p[i] == '.')
				buf_puts(out, "&AC4-");
			else
				buf_putc(out, seven.p[i]);
		buf_fini(&seven);
	}
}

/* One level.  '.' comes as "&AC4-", which strict UTF-7 would not be. */
static void
put_part(struct str part, struct buf *out)
{
	struct buf eight = {0};
	const char *dot;
	size_t from = out->n;
	struct str rest = part;
	bool ok = true;

	while (ok && rest.n > 0) {
		dot = str_find(rest, STR("&AC4-"));

		struct str piece = dot != NULL ? str_range(rest.p, dot) : rest;

		eight.n = 0;
		ok = wire_utf7_to_utf8(&eight, piece);
		buf_str(out, buf_as_str(&eight));
		if (dot != NULL)
			buf_putc(out, '.');
		rest = dot != NULL ? str_range(dot + 5, rest.p + rest.n) : STR_NONE;
	}
	if (!ok) {
		out->n = from;
		buf_str(out, part);
	}
	buf_fini(&eight);
}

bool
port_name(struct str folder, char sep, struct buf *out)
{
	size_t from = out->n;
	struct str part;
	bool first = true;

	while (str_split(&folder, sep, &part)) {
		if (!first)
			buf_putc(out, '/');
		first = false;
		put_part(part, out);
	}
	if (out->n - from >= 5 && (out->n - from == 5 || out->p[from + 5] == '/') &&
	    str_ieq((struct str){out->p + from, 5}, STR("INBOX")))
		memcpy(out->p + from, "INBOX", 5);
	return str_is_utf8((struct str){out->p + from, out->n - from});
}
