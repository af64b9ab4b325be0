/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by readers and writers of mail files. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "port/port.h"
#include "store/store.h"
#include "wire/utf7.h"

#define KEYWORDS_BYTES (MAILSTREAM_RECORD_MAX / 2) /* per message: a record must hold them */

#define NAMED_MAX 1000 /* flags and keywords named; the rest is only counted */

/* Leaves out what a terminal could take for more than text. */
static void
put_showable(struct str text, struct buf *out)
{
	while (text.n > 0) {
		size_t n = str_showable(text);

		if (n == 0)
			buf_printf(out, "%%%02X", (unsigned char)*text.p);
		else
			buf_put(out, text.p, n);
		n += n == 0;
		text = (struct str){text.p + n, text.n - n};
	}
}

/* "turnstone import mbox: DIR/NAME, line 7: TEXT" */
static void
say_at(struct port *port, const struct port_at *at, const char *text)
{
	struct buf shown = {0};

	put_showable(str_of(at->name), &shown);
	if (at->line > 0)
		buf_printf(&shown, ", line %llu", (unsigned long long)at->line);
	progress_clear(&port->progress);
	fprintf(stderr, "turnstone %s: %s%s%s: %s\n", port->cmd, at->dir,
	    at->dir[0] != 0 ? "/" : "", buf_cstr(&shown), text);
	buf_fini(&shown);
}

void
port_say(struct port *port, const char *dir, const char *name, const char *text)
{
	say_at(port, &(struct port_at){dir, name, 0}, text);
}

void
port_broken_line(
    struct port *port, const char *dir, const char *name, uint64_t line, const char *why)
{
	struct buf text = {0};

	buf_printf(&text, "%s, left out", why);
	say_at(port, &(struct port_at){dir, name, line}, buf_cstr(&text));
	port->broken++;
	buf_fini(&text);
}

void
port_broken(struct port *port, const char *dir, const char *name, const char *why)
{
	port_broken_line(port, dir, name, 0, why);
}

void
port_passed(struct port *port, const char *dir, const char *name, uint64_t line, uint64_t n,
    const char *what)
{
	struct buf text = {0};

	if (n > 1)
		buf_printf(&text, "%llu times: ", (unsigned long long)n);
	buf_printf(&text, "%s, passed by", what);
	say_at(port, &(struct port_at){dir, name, line}, buf_cstr(&text));
	port->passed += n;
	buf_fini(&text);
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
	if (got > 0)
		errno = EFBIG;

	int e = errno;

	close(fd);
	errno = e;
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
port_no_word(struct port *port, const struct port_at *at, struct str word, const char *why)
{
	struct buf text = {0};

	if (port->words++ < NAMED_MAX) {
		put_showable(word.n > 100 ? (struct str){word.p, 100} : word, &text);
		buf_printf(&text, ": %s, left out", why);
		say_at(port, at, buf_cstr(&text));
	}
	buf_fini(&text);
}

void
port_keyword(struct port *port, const struct port_at *at, struct str name, struct buf *words)
{
	struct rd r = rd_of(buf_as_str(words));
	size_t n = 0;

	for (; rd_left(&r) > 0; n++)
		if (str_ieq(rd_vstr(&r), name))
			return;
	if (!is_keyword(name))
		port_no_word(port, at, name, "not an IMAP keyword");
	else if (n >= STORE_KEYWORDS_MAX || words->n + name.n >= KEYWORDS_BYTES)
		port_no_word(port, at, name, "more keywords than a message can have");
	else
		buf_vstr(words, name);
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

/* Puts one level.  '.'  becomes "&AC4-", which strict UTF-7 would not do. */
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
		ok = wire_utf7_to_utf8(&eight, piece) &&
		     (eight.n == 0 || memchr(eight.p, 0, eight.n) == NULL);
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

void
port_name(struct str folder, char sep, struct buf *out)
{
	struct str part;
	bool first = true;

	while (str_split(&folder, sep, &part)) {
		if (!first)
			buf_putc(out, '/');
		first = false;
		put_part(part, out);
	}
}
