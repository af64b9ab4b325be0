/* SPDX-License-Identifier: Apache-2.0 */
/* The runner of transcripts: see script.h. */
#include "script_int.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "po.h"
#include "texts/texts.h"
#include "toy.h"

bool
script_complain(const struct script *s, const char *what, struct str detail)
{
	fprintf(stderr, "%s:%u: %s: %.*s\n", s->file, s->line_no, what, STR_ARG(detail));
	return false;
}

/* ---- patterns */

static struct capture *
capture_find(struct script *s, struct str name)
{
	for (size_t i = 0; i < s->n_captures; i++)
		if (str_eq(str_of(s->captures[i].name), name))
			return &s->captures[i];
	return NULL;
}

static bool
capture_set(struct script *s, struct str name, struct str value)
{
	struct capture *c;

	if (s->n_captures == CAPTURES || name.n >= sizeof(s->captures[0].name))
		return false;
	c = &s->captures[s->n_captures++];
	memset(c, 0, sizeof(*c));
	memcpy(c->name, name.p, name.n);
	buf_str(&c->value, value);
	return true;
}

static bool
match_any(struct script *s, struct str pattern, struct str text)
{
	for (size_t n = 0; n <= text.n; n++)
		if (script_match(s, pattern, (struct str){text.p + n, text.n - n}))
			return true;
	return false;
}

static bool
match_capture(struct script *s, struct str name, struct str pattern, struct str text)
{
	struct capture *c = capture_find(s, name);
	size_t made = s->n_captures;

	if (c != NULL)
		return str_has_prefix(text, buf_as_str(&c->value)) &&
		       script_match(
		           s, pattern, (struct str){text.p + c->value.n, text.n - c->value.n});
	for (size_t n = 1; n <= text.n; n++) {
		if (!capture_set(s, name, (struct str){text.p, n}))
			return false;
		if (script_match(s, pattern, (struct str){text.p + n, text.n - n}))
			return true;
		while (s->n_captures > made)
			buf_fini(&s->captures[--s->n_captures].value);
	}
	return false;
}

bool
script_match(struct script *s, struct str pattern, struct str text)
{
	while (pattern.n > 0) {
		if (pattern.n >= 2 && pattern.p[0] == '%' && pattern.p[1] == '*')
			return match_any(s, (struct str){pattern.p + 2, pattern.n - 2}, text);
		if (pattern.n >= 2 && pattern.p[0] == '%' && pattern.p[1] == '{') {
			const char *end = str_chr(pattern, '}');

			if (end == NULL)
				return false;
			return match_capture(s, str_range(pattern.p + 2, end),
			    str_range(end + 1, pattern.p + pattern.n), text);
		}
		if (pattern.n >= 2 && pattern.p[0] == '%' && pattern.p[1] == '%')
			pattern.p++, pattern.n--;
		if (text.n == 0 || text.p[0] != pattern.p[0])
			return false;
		pattern.p++, pattern.n--;
		text.p++, text.n--;
	}
	return text.n == 0;
}

/* ---- what a client sends */

static const char *
expand_call(struct buf *out, const char *p, const char *end)
{
	struct buf raw = {0};
	const char *close = memchr(p, ')', (size_t)(end - p));
	bool plain = str_has_prefix(str_range(p, end), STR("%plain("));
	const char *from = p + (plain ? 7 : 5);

	if (close == NULL)
		return NULL;
	for (; from < close; from++)
		buf_putc(&raw, plain && *from == ',' ? '\0' : *from);
	base64_encode(buf_as_str(&raw), out);
	buf_fini(&raw);
	return close + 1;
}

static bool
expand(struct script *s, struct str text, struct buf *out)
{
	const char *p = text.p, *end = text.p + text.n;

	while (p < end) {
		struct str left = str_range(p, end);

		if (str_has_prefix(left, STR("%plain(")) || str_has_prefix(left, STR("%b64("))) {
			p = expand_call(out, p, end);
			if (p == NULL)
				return script_complain(s, "no )", text);
		} else if (str_has_prefix(left, STR("%{"))) {
			const char *close = str_chr(left, '}');
			struct capture *c =
			    close != NULL ? capture_find(s, str_range(p + 2, close)) : NULL;

			if (c == NULL)
				return script_complain(s, "nothing captured", text);
			buf_str(out, buf_as_str(&c->value));
			p = close + 1;
		} else {
			if (str_has_prefix(left, STR("%%")))
				p++;
			buf_putc(out, *p++);
		}
	}
	return true;
}

static bool
put_hex(struct script *s, struct str text, struct buf *out)
{
	struct str word;

	while (str_split(&text, ' ', &word)) {
		char z[3] = {0};

		if (word.n == 0)
			continue;
		if (word.n != 2)
			return script_complain(s, "not a byte", word);
		memcpy(z, word.p, 2);
		buf_putc(out, (char)strtoul(z, NULL, 16));
	}
	return true;
}

static bool
put_times(struct script *s, struct str text, const char *behind, struct buf *out)
{
	struct str count;
	uint64_t n;

	if (!str_split(&text, ' ', &count) || !str_u64(count, 100000000, &n))
		return script_complain(s, "no number", count);
	for (; n > 0; n--) {
		buf_str(out, text);
		buf_puts(out, behind);
	}
	return true;
}

/* ---- the site */

static void
sink(enum log_level level, const char *context, const char *text, void *arg)
{
	struct script *s = arg;

	(void)level;
	pthread_mutex_lock(&s->log_lock);
	if (context != NULL) {
		buf_puts(&s->log, context);
		buf_putc(&s->log, ' ');
	}
	buf_puts(&s->log, text);
	buf_putc(&s->log, '\n');
	pthread_mutex_unlock(&s->log_lock);
}

/* As the server does: from a file in a folder. */
static struct texts_set *
load_german(struct script *s)
{
	char folder[] = "/tmp/turnstone-test-XXXXXX", path[sizeof(folder) + 6];
	struct buf mo = {0}, faults = {0};
	struct texts_set *set;
	FILE *f;

	po_compile(&mo, buf_as_str(&s->po), false);
	TS_ASSERT(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/de.mo", folder);
	f = fopen(path, "w");
	TS_ASSERT(f != NULL && fwrite(mo.p, 1, mo.n, f) == mo.n);
	fclose(f);
	set = texts_set_load(folder, &faults, &faults);
	if (faults.n > 0)
		fprintf(stderr, "%s", buf_cstr(&faults));
	unlink(path);
	rmdir(folder);
	buf_fini(&mo);
	buf_fini(&faults);
	return set;
}

bool
script_need_site(struct script *s)
{
	struct str rest, line, verb, script = s->rest;

	if (s->site != NULL)
		return true;
	s->options.conf = buf_as_str(&s->conf);
	if (s->po.n > 0)
		s->options.languages = load_german(s);
	s->site = site_new(&s->options);
	rest = buf_as_str(&s->setup);
	while (rest.n > 0 && str_split(&rest, '\n', &line)) {
		struct str args = line;

		s->rest = rest;
		(void)str_split(&args, ' ', &verb);
		if (!script_setup_line(s, verb, args))
			return false;
		rest = s->rest;
	}
	s->rest = script;
	return true;
}

bool
script_need_client(struct script *s, unsigned i)
{
	if (!script_need_site(s))
		return false;
	if (s->site->clients[i].fake == NULL) {
		site_connect(s->site, i, s->address[i][0] != '\0' ? s->address[i] : NULL, s->tls[i],
		    s->mute[i]);
		stream_fake_set_segment(s->site->clients[i].fake, s->segment[i]);
		if (s->compressing[i])
			stream_fake_compress(s->site->clients[i].fake);
	}
	return true;
}

/* What was said until now onto the wire, through the layers if there are any. */
static void
wrap(struct script *s, unsigned i)
{
	struct buf zipped = {0};

	if (s->zip[i] != NULL && s->send[i].n > 0) {
		zip_wrap(s->zip[i], buf_as_str(&s->send[i]), s->last[i], &zipped);
		buf_fini(&s->send[i]);
		s->send[i] = zipped;
	}
	if (s->layer[i] && s->send[i].n > 0)
		toy_wrap(buf_as_str(&s->send[i]), &s->wire[i]);
	else
		buf_str(&s->wire[i], buf_as_str(&s->send[i]));
	buf_fini(&s->send[i]);
}

void
script_flush(struct script *s)
{
	for (unsigned i = 0; i < SITE_CLIENTS; i++) {
		wrap(s, i);
		if (s->wire[i].n > 0)
			stream_fake_push(s->site->clients[i].fake, buf_as_str(&s->wire[i]));
		buf_fini(&s->wire[i]);
	}
	if (s->site != NULL)
		site_run(s->site);
}

/* ---- what the server says */

/* Bytes of the server that were not looked at, out of the layers if there are any. */
struct buf *
script_output(struct script *s, unsigned i)
{
	struct buf *out = stream_fake_output(s->site->clients[i].fake);
	bool zipped = s->zip[i] != NULL && !zip_over(s->zip[i]);
	size_t used;

	if (!s->layer[i] && !zipped && s->plain[i].n == 0)
		return out;
	while (s->layer[i] &&
	       toy_unwrap(buf_as_str(out), zipped ? &s->zipped[i] : &s->plain[i], &used))
		buf_consume(out, used);
	if (zipped)
		zip_unwrap(s->zip[i], s->layer[i] ? &s->zipped[i] : out, &s->plain[i]);
	return &s->plain[i];
}

/* What came before that layer begins is plain. */
static void
settle(struct script *s, unsigned i)
{
	struct buf *out = script_output(s, i);

	if (s->layer[i])
		return;
	if (out == &s->plain[i])
		out = stream_fake_output(s->site->clients[i].fake);
	buf_str(&s->plain[i], buf_as_str(out));
	out->n = 0;
}

void
script_zip(struct script *s, unsigned i, bool on)
{
	if (on && s->zip[i] != NULL)
		settle(s, i);
	zip_free(&s->zip[i]);
	buf_fini(&s->zipped[i]);
	if (on)
		s->zip[i] = zip_new();
}

static bool
next_line(struct script *s, unsigned i, struct str *line_r)
{
	struct buf *out = script_output(s, i);
	const char *nl = out->n > 0 ? memchr(out->p, '\n', out->n) : NULL;

	if (nl == NULL)
		return false;
	*line_r = str_range(out->p, nl);
	if (line_r->n > 0 && line_r->p[line_r->n - 1] == '\r')
		line_r->n--;
	return true;
}

/* With writer threads, the expected line may take a while. */
static bool
await_line(struct script *s, unsigned i, struct str *line_r)
{
	for (unsigned tries = 0; !next_line(s, i, line_r); tries++) {
		if (s->options.lanes == 0 || tries == 5000)
			return false;
		usleep(1000);
		site_run(s->site);
	}
	return true;
}

/* "* OK [UIDNEXT 4] …": each code is in the documentation, so an extension must bring it. */
static bool
check_code(const struct script *s, struct str line)
{
	static const char *const conditions[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};
	struct str tag, condition, code;

	(void)str_split(&line, ' ', &tag);
	if (!str_split(&line, ' ', &condition) || line.n == 0 || line.p[0] != '[')
		return true;
	for (size_t i = 0; i < sizeof(conditions) / sizeof(*conditions); i++) {
		if (!str_eq(condition, str_of(conditions[i])))
			continue;
		code = (struct str){line.p + 1, 0};
		while (code.n + 1 < line.n && code.p[code.n] != ' ' && code.p[code.n] != ']')
			code.n++;
		return imap_registry_code(&s->site->server.reg, code) != NULL ||
		       script_complain(s, "no extension brings the code", code);
	}
	return true;
}

/* The line has been read.  False: it ends a response that wire could not parse. */
static bool
drop_line(struct script *s, unsigned i)
{
	struct buf *out = script_output(s, i);
	size_t n = (size_t)((const char *)memchr(out->p, '\n', out->n) + 1 - out->p);
	bool ok = readback_line(&s->readback[i], (struct str){out->p, n});
	bool known = check_code(s, (struct str){out->p, n});

	buf_consume(out, n);
	return (ok || script_complain(s, "not read by", STR("wire"))) && known;
}

void
script_drop_all(struct script *s, unsigned i)
{
	struct buf *out = script_output(s, i);

	readback_skipped(&s->readback[i], buf_as_str(out));
	buf_fini(out);
}

static bool
expect(struct script *s, unsigned i, struct str pattern)
{
	struct str line;

	if (!await_line(s, i, &line)) {
		script_complain(s, "nothing came, expected", pattern);
		return script_complain(s, "log", buf_as_str(&s->log));
	}
	if (!script_match(s, pattern, line)) {
		script_complain(s, "expected", pattern);
		return script_complain(s, "     got", line);
	}
	return drop_line(s, i);
}

static bool
skip_to(struct script *s, unsigned i, struct str pattern)
{
	struct str line;

	while (await_line(s, i, &line)) {
		bool found = script_match(s, pattern, line);

		if (!drop_line(s, i))
			return false;
		if (found)
			return true;
	}
	return script_complain(s, "never came", pattern);
}

static bool
expect_group(struct script *s)
{
	unsigned i = (unsigned)s->group_client;
	struct str line;

	while (s->group_n > 0) {
		size_t k = 0;

		if (!await_line(s, i, &line))
			return script_complain(s, "nothing came, expected", s->group[0]);
		while (k < s->group_n && !script_match(s, s->group[k], line))
			k++;
		if (k == s->group_n)
			return script_complain(s, "not expected", line);
		s->group[k] = s->group[--s->group_n];
		if (!drop_line(s, i))
			return false;
	}
	s->group_client = -1;
	return true;
}

static bool
server_line(struct script *s, unsigned i, char kind, struct str text)
{
	if (!script_need_client(s, i))
		return false;
	script_flush(s);
	if (kind == '{') {
		s->group_client = (int)i;
		s->group_n = 0;
		return true;
	}
	if (kind == '}')
		return expect_group(s);
	if (kind == '~')
		return skip_to(s, i, text);
	if (s->group_client == (int)i) {
		if (s->group_n == GROUP)
			return script_complain(s, "too many", text);
		s->group[s->group_n++] = text;
		return true;
	}
	return expect(s, i, text);
}

static bool
client_line(struct script *s, unsigned i, char kind, struct str text)
{
	if (!script_need_client(s, i))
		return false;
	if (stream_fake_ended(s->site->clients[i].fake, NULL))
		return script_complain(s, "the connection has ended", text);
	if (kind == 'x')
		return put_hex(s, text, &s->send[i]);
	if (kind == 'r') {
		wrap(s, i);
		buf_str(&s->wire[i], text);
		buf_puts(&s->wire[i], "\r\n");
		return true;
	}
	if (kind == '*')
		return put_times(s, text, "", &s->send[i]);
	if (kind == '+')
		return put_times(s, text, "\r\n", &s->send[i]);
	if (!expand(s, text, &s->send[i]))
		return false;
	if (kind == ':')
		buf_puts(&s->send[i], "\r\n");
	return true;
}

/* ---- lines */

/* "C2: text": C or S, a number or none, a kind, a blank and text or nothing. */
static bool
protocol_line(struct str line, unsigned *client_r, char *kind_r, struct str *text_r)
{
	size_t at = 1;

	if (line.n < 2 || (line.p[0] != 'C' && line.p[0] != 'S'))
		return false;
	*client_r = 1;
	if (line.p[1] >= '1' && line.p[1] <= '9') {
		*client_r = (unsigned)(line.p[1] - '0');
		at = 2;
	}
	if (at >= line.n || strchr(line.p[0] == 'C' ? ":-x*+r" : ":~{}", line.p[at]) == NULL)
		return false;
	*kind_r = line.p[at++];
	if (at < line.n && line.p[at] == ' ')
		at++;
	*text_r = (struct str){line.p + at, line.n - at};
	return true;
}

static bool
one_line(struct script *s, struct str line)
{
	struct str text = STR_NONE;
	unsigned client;
	char kind;

	if (line.n == 0 || line.p[0] == '#')
		return true;
	if (!protocol_line(line, &client, &kind, &text))
		return script_directive(s, line);
	if (line.p[0] == 'C')
		return client_line(s, client, kind, text);
	return server_line(s, client, kind, text);
}

bool
script_lines(struct script *s, struct str text)
{
	struct str line;
	const char *at = text.p;

	s->rest = text;
	s->line_no = 1;
	while (s->rest.n > 0 && str_split(&s->rest, '\n', &line)) {
		for (; at < line.p; at++)
			s->line_no += *at == '\n';
		if (!one_line(s, line))
			return false;
	}
	script_flush(s);
	return true;
}

struct script *
script_new(const char *file, struct site *site)
{
	struct script *s = mem_zalloc(sizeof(*s));

	s->file = file;
	s->site = site;
	s->group_client = -1;
	s->own_site = site == NULL;
	pthread_mutex_init(&s->log_lock, NULL);
	pthread_mutex_init(&s->flush_lock, NULL);
	pthread_cond_init(&s->flush_cond, NULL);
	if (s->own_site)
		log_set_sink(sink, s);
	return s;
}

struct buf
script_plain(struct script *s, unsigned i)
{
	struct buf got = s->plain[i];

	s->plain[i] = (struct buf){0};
	return got;
}

void
script_free(struct script **sp)
{
	struct script *s = *sp;

	*sp = NULL;
	script_hold_flush(s, false);
	if (s->site != NULL)
		work_pool_hold(s->site->server.workers, false);
	if (s->own_site && s->site != NULL)
		site_free(&s->site);
	if (s->own_site)
		log_set_sink(NULL, NULL);
	for (size_t i = 0; i < s->n_captures; i++)
		buf_fini(&s->captures[i].value);
	for (size_t i = 0; i < SITE_CLIENTS; i++)
		buf_fini(&s->send[i]), buf_fini(&s->wire[i]), buf_fini(&s->plain[i]),
		    readback_fini(&s->readback[i]), script_zip(s, (unsigned)i, false);
	buf_fini(&s->conf);
	buf_fini(&s->po);
	buf_fini(&s->setup);
	buf_fini(&s->log);
	mem_free(s);
}

static bool
all_read(struct script *s)
{
	for (unsigned i = 0; i < SITE_CLIENTS; i++)
		if (s->site != NULL && s->site->clients[i].fake != NULL && !script_silent(s, i))
			return false;
	return true;
}

bool
script_run(const char *file, struct str text)
{
	struct script *s = script_new(file, NULL);
	bool passed = script_lines(s, text) && all_read(s);

	script_free(&s);
	return passed;
}
