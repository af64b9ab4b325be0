/* SPDX-License-Identifier: Apache-2.0 */
/* The runner of transcripts: see script.h. */
#include "script.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/users.h"
#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "readback.h"
#include "toy.h"
#include "trial.h"

#define CAPTURES 32
#define GROUP 64

struct capture {
	char name[32];
	struct buf value;
};

struct script {
	const char *file;
	unsigned line_no;
	struct site *site;
	bool own_site;
	struct site_options options;
	struct buf conf;
	struct buf setup; /* lines to be run when the site is there */
	struct buf send[SITE_CLIENTS];
	bool tls[SITE_CLIENTS], mute[SITE_CLIENTS];
	char address[SITE_CLIENTS][64];
	size_t segment[SITE_CLIENTS];
	struct readback readback[SITE_CLIENTS];
	bool layer[SITE_CLIENTS];
	struct buf wire[SITE_CLIENTS], plain[SITE_CLIENTS]; /* what goes into it, what came out */
	struct capture captures[CAPTURES];
	size_t n_captures;
	struct str rest; /* of the text: for the lines of a message */
	struct str group[GROUP];
	size_t group_n;
	int group_client; /* -1: none */
	struct buf log;
	size_t log_at; /* behind the line that the last `log` found */
	pthread_mutex_t log_lock;
	pthread_mutex_t flush_lock;
	pthread_cond_t flush_cond;
	bool held, came; /* came: a commit waits */
};

static bool
complain(const struct script *s, const char *what, struct str detail)
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

static bool match(struct script *s, struct str pattern, struct str text);

static bool
match_any(struct script *s, struct str pattern, struct str text)
{
	for (size_t n = 0; n <= text.n; n++)
		if (match(s, pattern, (struct str){text.p + n, text.n - n}))
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
		       match(s, pattern, (struct str){text.p + c->value.n, text.n - c->value.n});
	for (size_t n = 1; n <= text.n; n++) {
		if (!capture_set(s, name, (struct str){text.p, n}))
			return false;
		if (match(s, pattern, (struct str){text.p + n, text.n - n}))
			return true;
		while (s->n_captures > made)
			buf_fini(&s->captures[--s->n_captures].value);
	}
	return false;
}

static bool
match(struct script *s, struct str pattern, struct str text)
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
				return complain(s, "no )", text);
		} else if (str_has_prefix(left, STR("%{"))) {
			const char *close = str_chr(left, '}');
			struct capture *c =
			    close != NULL ? capture_find(s, str_range(p + 2, close)) : NULL;

			if (c == NULL)
				return complain(s, "nothing captured", text);
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
			return complain(s, "not a byte", word);
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
		return complain(s, "no number", count);
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

static bool setup_line(struct script *s, struct str verb, struct str args);

static bool
need_site(struct script *s)
{
	struct str rest, line, verb, script = s->rest;

	if (s->site != NULL)
		return true;
	s->options.conf = buf_as_str(&s->conf);
	s->site = site_new(&s->options);
	rest = buf_as_str(&s->setup);
	while (rest.n > 0 && str_split(&rest, '\n', &line)) {
		struct str args = line;

		s->rest = rest;
		(void)str_split(&args, ' ', &verb);
		if (!setup_line(s, verb, args))
			return false;
		rest = s->rest;
	}
	s->rest = script;
	return true;
}

static bool
need_client(struct script *s, unsigned i)
{
	if (!need_site(s))
		return false;
	if (s->site->clients[i].fake == NULL) {
		site_connect(s->site, i, s->address[i][0] != '\0' ? s->address[i] : NULL, s->tls[i],
		    s->mute[i]);
		stream_fake_set_segment(s->site->clients[i].fake, s->segment[i]);
	}
	return true;
}

/* What was said until now onto the wire, through the layer if there is one. */
static void
wrap(struct script *s, unsigned i)
{
	if (s->layer[i] && s->send[i].n > 0)
		toy_wrap(buf_as_str(&s->send[i]), &s->wire[i]);
	else
		buf_str(&s->wire[i], buf_as_str(&s->send[i]));
	buf_fini(&s->send[i]);
}

static void
flush_sends(struct script *s)
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

/* Bytes of the server that were not looked at, out of the layer if there is one. */
static struct buf *
output(struct script *s, unsigned i)
{
	struct buf *out = stream_fake_output(s->site->clients[i].fake);
	size_t used;

	if (!s->layer[i] && s->plain[i].n == 0)
		return out;
	while (s->layer[i] && toy_unwrap(buf_as_str(out), &s->plain[i], &used))
		buf_consume(out, used);
	return &s->plain[i];
}

static bool
next_line(struct script *s, unsigned i, struct str *line_r)
{
	struct buf *out = output(s, i);
	const char *nl = out->n > 0 ? memchr(out->p, '\n', out->n) : NULL;

	if (nl == NULL)
		return false;
	*line_r = str_range(out->p, nl);
	if (line_r->n > 0 && line_r->p[line_r->n - 1] == '\r')
		line_r->n--;
	return true;
}

/* With writer threads what is expected may still be under way. */
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

/* "* OK [UIDNEXT 4] …": the documentation has each code, so an extension brings it. */
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
		       complain(s, "no extension brings the code", code);
	}
	return true;
}

/* The line was looked at.  False: the response that it ends is none that wire would read. */
static bool
drop_line(struct script *s, unsigned i)
{
	struct buf *out = output(s, i);
	size_t n = (size_t)((const char *)memchr(out->p, '\n', out->n) + 1 - out->p);
	bool ok = readback_line(&s->readback[i], (struct str){out->p, n});
	bool known = check_code(s, (struct str){out->p, n});

	buf_consume(out, n);
	return (ok || complain(s, "not read by", STR("wire"))) && known;
}

/* What came is dropped without being looked at. */
static void
drop_all(struct script *s, unsigned i)
{
	struct buf *out = output(s, i);

	readback_skipped(&s->readback[i], buf_as_str(out));
	buf_fini(out);
}

static bool
expect(struct script *s, unsigned i, struct str pattern)
{
	struct str line;

	if (!await_line(s, i, &line)) {
		complain(s, "nothing came, expected", pattern);
		return complain(s, "log", buf_as_str(&s->log));
	}
	if (!match(s, pattern, line)) {
		complain(s, "expected", pattern);
		return complain(s, "     got", line);
	}
	return drop_line(s, i);
}

static bool
skip_to(struct script *s, unsigned i, struct str pattern)
{
	struct str line;

	while (await_line(s, i, &line)) {
		bool found = match(s, pattern, line);

		if (!drop_line(s, i))
			return false;
		if (found)
			return true;
	}
	return complain(s, "never came", pattern);
}

static bool
expect_group(struct script *s)
{
	unsigned i = (unsigned)s->group_client;
	struct str line;

	while (s->group_n > 0) {
		size_t k = 0;

		if (!await_line(s, i, &line))
			return complain(s, "nothing came, expected", s->group[0]);
		while (k < s->group_n && !match(s, s->group[k], line))
			k++;
		if (k == s->group_n)
			return complain(s, "not expected", line);
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
	if (!need_client(s, i))
		return false;
	flush_sends(s);
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
			return complain(s, "too many", text);
		s->group[s->group_n++] = text;
		return true;
	}
	return expect(s, i, text);
}

static bool
client_line(struct script *s, unsigned i, char kind, struct str text)
{
	if (!need_client(s, i))
		return false;
	if (stream_fake_ended(s->site->clients[i].fake, NULL))
		return complain(s, "the connection has ended", text);
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

/* ---- directives */

static unsigned
client_number(struct str args)
{
	uint64_t n;

	args = str_trim(args);
	return str_u64(args, SITE_CLIENTS - 1, &n) && n > 0 ? (unsigned)n : 1;
}

static bool
do_client(struct script *s, struct str args)
{
	struct str word;
	unsigned i;

	(void)str_split(&args, ' ', &word);
	i = client_number(word);
	while (args.n > 0 && str_split(&args, ' ', &word))
		if (str_eq(word, STR("tls")))
			s->tls[i] = true;
		else if (str_eq(word, STR("address")) && str_split(&args, ' ', &word) &&
		         word.n < sizeof(s->address[i]))
			memcpy(s->address[i], word.p, word.n);
		else
			return complain(s, "what is", word);
	return need_client(s, i);
}

static bool
parse_time(struct str text, uint64_t *ms_r)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

	for (size_t i = 0; i < 4; i++) {
		struct str unit = str_of(units[i].unit);

		if (str_has_suffix(text, unit) &&
		    str_u64((struct str){text.p, text.n - unit.n}, 1000000, ms_r)) {
			*ms_r *= units[i].ms;
			return true;
		}
	}
	return false;
}

static bool
do_fault(struct script *s, struct str args)
{
	static const char *const ops[] = {"commit", "get", "iter_next", "blob_read", "blob_create",
	    "blob_write", "blob_finish", "reopen"};
	static const struct {
		const char *name;
		enum ts_err err;
	} errs[] = {{"unknown", TS_UNKNOWN}, {"full", TS_FULL}, {"io", TS_IO},
	    {"damaged", TS_DAMAGED}, {"unavailable", TS_UNAVAILABLE}};
	struct str op, err;
	uint64_t nth = 1;
	size_t o = 0, e = 0;

	(void)str_split(&args, ' ', &op);
	(void)str_split(&args, ' ', &err);
	while (o < ENGINE_MEM_OPS && !str_eq(op, str_of(ops[o])))
		o++;
	while (e < 5 && !str_eq(err, str_of(errs[e].name)))
		e++;
	if (o == ENGINE_MEM_OPS || e == 5 || (args.n > 0 && !str_u64(args, UINT32_MAX, &nth)))
		return complain(s, "no such fault", op);
	engine_mem_fail(s->site->disk, (enum engine_mem_op)o, nth, errs[e].err, false);
	return true;
}

static enum ts_err
hold_hook(const struct engine_batch *batch, void *arg)
{
	struct script *s = arg;

	(void)batch;
	pthread_mutex_lock(&s->flush_lock);
	s->came = s->held;
	pthread_cond_broadcast(&s->flush_cond);
	while (s->held)
		pthread_cond_wait(&s->flush_cond, &s->flush_lock);
	pthread_mutex_unlock(&s->flush_lock);
	return TS_OK;
}

static void
set_held(struct script *s, bool held)
{
	pthread_mutex_lock(&s->flush_lock);
	s->held = held;
	s->came = false;
	pthread_cond_broadcast(&s->flush_cond);
	pthread_mutex_unlock(&s->flush_lock);
}

static bool
do_hold(struct script *s)
{
	if (s->options.lanes == 0)
		return complain(s, "needs", STR("lanes 1"));
	set_held(s, true);
	engine_mem_hook(s->site->disk, hold_hook, s);
	return true;
}

static bool
await_flush(struct script *s)
{
	pthread_mutex_lock(&s->flush_lock);
	while (s->held && !s->came)
		pthread_cond_wait(&s->flush_cond, &s->flush_lock);
	pthread_mutex_unlock(&s->flush_lock);
	return s->held || complain(s, "needs", STR("hold flush"));
}

static bool
do_live(struct script *s, struct str args)
{
	static const char *const kinds[] = {
	    "server", "conn", "turn", "login", "box", "cmd", "errand"};
	struct str kind;
	uint64_t n;
	size_t k = 0;

	(void)str_split(&args, ' ', &kind);
	while (k < 7 && !str_eq(kind, str_of(kinds[k])))
		k++;
	if (k == 7 || !str_u64(args, 1000000, &n))
		return complain(s, "no such kind", kind);
	if (s->site->il.pool.live_arenas[k] == n)
		return true;
	fprintf(stderr, "%s:%u: %zu arenas are alive\n", s->file, s->line_no,
	    s->site->il.pool.live_arenas[k]);
	return false;
}

/* "then PATTERN": behind the line that the last `log` found. */
static bool
do_held(struct script *s, struct str args)
{
	struct store_stats stats;
	uint64_t n;

	store_stats(s->site->store, &stats);
	if (!str_u64(args, UINT32_MAX, &n))
		return complain(s, "no number", args);
	if (stats.held_messages == n && (n > 0) == (stats.held_bytes > 0) &&
	    (n == 0 || stats.holds > 0))
		return true;
	fprintf(stderr, "%s:%u: %llu messages are held, %llu bytes, for %llu commands\n", s->file,
	    s->line_no, (unsigned long long)stats.held_messages,
	    (unsigned long long)stats.held_bytes, (unsigned long long)stats.holds);
	return false;
}

static bool
do_log(struct script *s, struct str pattern)
{
	struct str rest = buf_as_str(&s->log), line;
	const char *begin = rest.p;
	struct buf wide = {0};
	bool found = false;

	if (str_has_prefix(pattern, STR("then "))) {
		pattern = (struct str){pattern.p + 5, pattern.n - 5};
		rest = (struct str){rest.p + s->log_at, rest.n - s->log_at};
	}
	buf_puts(&wide, "%*");
	buf_str(&wide, pattern);
	buf_puts(&wide, "%*");
	while (!found && rest.n > 0 && str_split(&rest, '\n', &line))
		found = match(s, buf_as_str(&wide), line);
	buf_fini(&wide);
	if (found) {
		s->log_at = (size_t)(line.p + line.n - begin);
		return true;
	}
	complain(s, "not logged", pattern);
	return complain(s, "log", buf_as_str(&s->log));
}

static bool
do_silent(struct script *s, unsigned i)
{
	struct buf *out = output(s, i);

	return out->n == 0 || complain(s, "not expected", buf_as_str(out));
}

static bool
do_rest(struct script *s, unsigned i, struct str text)
{
	struct buf *out = output(s, i);

	if (text.n == 0 || out->n == 0)
		return complain(s, "nothing", text);
	for (size_t k = 0; k < out->n; k++)
		if (out->p[k] != text.p[k % text.n])
			return complain(s, "not all of", text);
	drop_all(s, i);
	return true;
}

static bool
do_closed(struct script *s, unsigned i)
{
	for (unsigned tries = 0; !stream_fake_ended(s->site->clients[i].fake, NULL); tries++) {
		if (s->options.lanes == 0 || tries == 5000)
			return complain(s, "not", STR("closed"));
		usleep(1000);
		site_run(s->site);
	}
	return do_silent(s, i);
}

/* args: "handshake", and perhaps a client. */
static bool
hold_handshake(struct script *s, bool held, struct str args)
{
	struct str word;
	unsigned i;

	(void)str_split(&args, ' ', &word);
	i = client_number(args);
	if (!need_site(s))
		return false;
	s->mute[i] = held;
	if (s->site->clients[i].fake != NULL) {
		stream_fake_hold_handshake(s->site->clients[i].fake, held);
		site_run(s->site);
	}
	return true;
}

static bool
set_slice(struct script *s, struct str args)
{
	uint64_t n;

	if (!str_u64(args, 1000000, &n))
		return complain(s, "no number", args);
	work_pool_set_questions(s->site->server.workers, (unsigned)n);
	return true;
}

/* args: two numbers, and perhaps a client. */
static bool
do_untaken(struct script *s, struct str args)
{
	struct str least, most;
	uint64_t a = 0, b = 0;
	size_t n;

	(void)str_split(&args, ' ', &least);
	(void)str_split(&args, ' ', &most);
	if (!str_u64(least, UINT32_MAX, &a) || !str_u64(most, UINT32_MAX, &b))
		return complain(s, "no numbers", least);
	n = stream_fake_untaken(s->site->clients[client_number(args)].fake);
	if (n >= a && n <= b)
		return true;
	fprintf(stderr, "%s:%u: %zu bytes were not taken\n", s->file, s->line_no, n);
	return false;
}

static bool
client_directive(struct script *s, struct str verb, struct str args)
{
	struct str word = args;
	unsigned i;
	uint64_t n;

	if (str_eq(verb, STR("segment")) || str_eq(verb, STR("window"))) {
		(void)str_split(&args, ' ', &word);
		i = client_number(args);
		n = 0;
		if (!str_eq(word, STR("all")) && !str_u64(word, UINT32_MAX, &n))
			return complain(s, "no number", word);
		if (!need_client(s, i))
			return false;
		s->segment[i] = n;
		if (str_eq(verb, STR("segment")))
			stream_fake_set_segment(s->site->clients[i].fake, n);
		else
			stream_fake_set_window(
			    s->site->clients[i].fake, str_eq(word, STR("all")) ? SIZE_MAX : n);
		site_run(s->site);
		return true;
	}
	if (str_eq(verb, STR("layer"))) {
		(void)str_split(&args, ' ', &word);
		i = client_number(args);
		if (!need_client(s, i))
			return false;
		s->layer[i] = str_eq(word, STR("on"));
		return true;
	}
	if (str_eq(verb, STR("untaken")))
		return do_untaken(s, args);
	if (str_eq(verb, STR("rest")))
		return need_client(s, 1) && do_rest(s, 1, args);
	i = client_number(args);
	if (!need_client(s, i))
		return false;
	if (str_eq(verb, STR("silent")))
		return do_silent(s, i);
	if (str_eq(verb, STR("closed")))
		return do_closed(s, i);
	if (str_eq(verb, STR("drain"))) {
		drop_all(s, i);
		return true;
	}
	if (str_eq(verb, STR("forget"))) {
		readback_fini(&s->readback[i]);
		site_disconnect(s->site, i);
		return true;
	}
	if (str_eq(verb, STR("close")))
		stream_fake_end(s->site->clients[i].fake);
	else if (str_eq(verb, STR("break")))
		stream_fake_break(s->site->clients[i].fake);
	else
		return complain(s, "unknown word", verb);
	site_run(s->site);
	return true;
}

static bool
read_message(struct script *s, struct str args)
{
	struct buf text = {0};
	struct str user, mailbox, line;
	char u[128], m[128], flags[256];

	(void)str_split(&args, ' ', &user);
	(void)str_split(&args, ' ', &mailbox);
	snprintf(u, sizeof(u), "%.*s", STR_ARG(user));
	snprintf(m, sizeof(m), "%.*s", STR_ARG(mailbox));
	snprintf(flags, sizeof(flags), "%.*s", STR_ARG(args));
	while (str_split(&s->rest, '\n', &line) && !str_eq(line, STR("."))) {
		buf_str(&text, line);
		buf_puts(&text, "\r\n");
	}
	site_message(s->site, u, m, flags, buf_as_str(&text));
	buf_fini(&text);
	return true;
}

static bool
many_messages(struct script *s, struct str args)
{
	struct str count, user;
	char u[128], m[128], text[128];
	uint64_t n;

	(void)str_split(&args, ' ', &count);
	(void)str_split(&args, ' ', &user);
	if (!str_u64(count, 1000000, &n))
		return complain(s, "no number", count);
	snprintf(u, sizeof(u), "%.*s", STR_ARG(user));
	snprintf(m, sizeof(m), "%.*s", STR_ARG(args));
	for (uint64_t i = 1; i <= n; i++) {
		int len = snprintf(text, sizeof(text), "Subject: number %u\r\n\r\nText %u.\r\n",
		    (unsigned)i, (unsigned)i);

		site_message(s->site, u, m, "", (struct str){text, (size_t)len});
	}
	return true;
}

static bool
add_user(struct script *s, struct str args)
{
	struct str name, password, word;
	char n[256], p[256], pattern[256];
	bool admin = false, acts = false;

	(void)str_split(&args, ' ', &name);
	(void)str_split(&args, ' ', &password);
	snprintf(n, sizeof(n), "%.*s", STR_ARG(name));
	snprintf(p, sizeof(p), "%.*s", STR_ARG(password));
	while (args.n > 0 && str_split(&args, ' ', &word))
		if (str_eq(word, STR("admin")))
			admin = true;
		else if (str_eq(word, STR("acts-for")) && str_split(&args, ' ', &word)) {
			snprintf(pattern, sizeof(pattern), "%.*s", STR_ARG(word));
			acts = true;
		}
	site_user(s->site, n, p, acts ? pattern : NULL, admin);
	return true;
}

/* A blank within a name of a mailbox is a '+'. */
static bool
add_grant(struct script *s, struct str args)
{
	char text[4][512] = {"", "", "", ""};
	static const char *const keys[4] = {"", "for", "mailboxes", "rights"};
	struct str key = STR(""), word;
	size_t k;

	do {
		for (k = 0; k < 4 && !str_eq(key, str_of(keys[k])); k++)
			;
		if (k == 4 || !str_split(&args, ' ', &word))
			return complain(s, "what is", key);
		snprintf(text[k], sizeof(text[k]), "%.*s", STR_ARG(word));
		for (char *p = text[k]; *p != '\0'; p++)
			if (*p == '+')
				*p = ' ';
	} while (args.n > 0 && str_split(&args, ' ', &key));
	site_grant(s->site, text[0], text[1], text[2][0] != '\0' ? text[2] : NULL,
	    text[3][0] != '\0' ? text[3] : NULL);
	return true;
}

static bool
add_share(struct script *s, struct str args)
{
	char text[3][64];
	struct str word;

	for (size_t i = 0; i < 3; i++) {
		if (!str_split(&args, ' ', &word))
			return complain(s, "too few words", args);
		snprintf(text[i], sizeof(text[i]), "%.*s", STR_ARG(word));
	}
	site_share(s->site, text[0], text[1], text[2]);
	return true;
}

static bool
setup_line(struct script *s, struct str verb, struct str args)
{
	struct str user;
	char u[128], m[256];

	if (str_eq(verb, STR("user")))
		return add_user(s, args);
	if (str_eq(verb, STR("grant")))
		return add_grant(s, args);
	if (str_eq(verb, STR("message")))
		return read_message(s, args);
	if (str_eq(verb, STR("messages")))
		return many_messages(s, args);
	if (str_eq(verb, STR("share")))
		return add_share(s, args);
	(void)str_split(&args, ' ', &user);
	snprintf(u, sizeof(u), "%.*s", STR_ARG(user));
	snprintf(m, sizeof(m), "%.*s", STR_ARG(args));
	if (str_eq(verb, STR("revoke"))) {
		site_revoke(s->site, u);
		return true;
	}
	site_mailbox(s->site, u, m);
	return true;
}

static bool
is_setup(struct str verb)
{
	return str_eq(verb, STR("user")) || str_eq(verb, STR("grant")) ||
	       str_eq(verb, STR("revoke")) || str_eq(verb, STR("share")) ||
	       str_eq(verb, STR("message")) || str_eq(verb, STR("messages")) ||
	       str_eq(verb, STR("mailbox"));
}

/* Before the site is made its setup lines are kept, since conf lines may still come. */
static void
keep_setup(struct script *s, struct str line, struct str verb)
{
	buf_str(&s->setup, line);
	buf_putc(&s->setup, '\n');
	if (!str_eq(verb, STR("message")))
		return;
	while (str_split(&s->rest, '\n', &line)) {
		buf_str(&s->setup, line);
		buf_putc(&s->setup, '\n');
		if (str_eq(line, STR(".")))
			return;
	}
}

static bool
change_user(struct script *s, struct str verb, struct str name)
{
	const char *why = NULL;
	enum ts_err err = str_eq(verb, STR("remove")) ? auth_users_delete(s->site->auth, name, &why)
	                                              : auth_users_disable(s->site->auth, name,
	                                                    str_eq(verb, STR("disable")), &why);

	return err == TS_OK || complain(s, why != NULL ? why : ts_err_name(err), name);
}

static bool
do_meanwhile(struct script *s, struct str args)
{
	struct str number;
	uint64_t n;

	if (!str_split(&args, ' ', &number) || !str_u64(number, 10000, &n) || n == 0 ||
	    s->options.lanes > 0 || !site_meanwhile(s->site, (unsigned)n, args))
		return complain(s, "nothing that can happen", args);
	return true;
}

static bool
directive(struct script *s, struct str line)
{
	struct str args = line, verb;
	uint64_t n;

	(void)str_split(&args, ' ', &verb);
	if (is_setup(verb)) {
		if (s->site == NULL)
			return keep_setup(s, line, verb), true;
		flush_sends(s);
		return setup_line(s, verb, args);
	}
	if (str_eq(verb, STR("conf"))) {
		buf_str(&s->conf, args);
		buf_putc(&s->conf, '\n');
		return s->site == NULL || complain(s, "too late", line);
	}
	if (str_eq(verb, STR("lanes")) && str_u64(args, 4, &n)) {
		s->options.lanes = (unsigned)n;
		return s->site == NULL || complain(s, "too late", line);
	}
	if (str_eq(verb, STR("keywords")) && str_u64(args, 1000, &n)) {
		s->options.keywords = (unsigned)n;
		return s->site == NULL || complain(s, "too late", line);
	}
	if (str_eq(verb, STR("starttls"))) {
		s->options.starttls = true;
		return s->site == NULL || complain(s, "too late", line);
	}
	if (str_eq(verb, STR("trial"))) {
		s->options.ext = &imap_ext_trial;
		return s->site == NULL || complain(s, "too late", line);
	}
	if (!need_site(s))
		return false;
	flush_sends(s);
	if (str_eq(verb, STR("---")))
		return true;
	if (str_eq(verb, STR("client")))
		return do_client(s, args);
	if (str_eq(verb, STR("reload"))) /* the whole of the new configuration */
		return site_reload(s->site, args), true;
	if (str_eq(verb, STR("advance")) && parse_time(args, &n)) {
		site_advance(s->site, n);
		return true;
	}
	if (str_eq(verb, STR("disable")) || str_eq(verb, STR("enable")) ||
	    str_eq(verb, STR("remove")))
		return change_user(s, verb, args);
	if (str_eq(verb, STR("fault")))
		return do_fault(s, args);
	if (str_eq(verb, STR("full"))) {
		engine_mem_full(s->site->disk, str_eq(args, STR("on")));
		return true;
	}
	if (str_eq(line, STR("hold jobs")) || str_eq(line, STR("release jobs"))) {
		work_pool_hold(s->site->server.workers, line.p[0] == 'h');
		site_run(s->site);
		return true;
	}
	if (str_eq(verb, STR("slice")))
		return set_slice(s, args);
	if (str_eq(line, STR("step jobs"))) {
		(void)work_pool_step(s->site->server.workers);
		site_run(s->site);
		return true;
	}
	if (str_has_prefix(line, STR("hold handshake")) ||
	    str_has_prefix(line, STR("release handshake")))
		return hold_handshake(s, line.p[0] == 'h', args);
	if (str_eq(line, STR("hold flush")))
		return do_hold(s);
	if (str_eq(verb, STR("held")))
		return do_held(s, args);
	if (str_eq(line, STR("await flush")))
		return await_flush(s);
	if (str_eq(line, STR("release flush")))
		return set_held(s, false), true;
	if (str_eq(verb, STR("meanwhile")))
		return do_meanwhile(s, args);
	if (str_eq(line, STR("background"))) {
		store_background_wait(s->site->store);
		return true;
	}
	if (str_eq(verb, STR("live")))
		return do_live(s, args);
	if (str_eq(verb, STR("log")))
		return do_log(s, args);
	return client_directive(s, verb, args);
}

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
		return directive(s, line);
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
	flush_sends(s);
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

void
script_free(struct script **sp)
{
	struct script *s = *sp;

	*sp = NULL;
	set_held(s, false);
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
		    readback_fini(&s->readback[i]);
	buf_fini(&s->conf);
	buf_fini(&s->setup);
	buf_fini(&s->log);
	mem_free(s);
}

static bool
all_read(struct script *s)
{
	for (unsigned i = 0; i < SITE_CLIENTS; i++)
		if (s->site != NULL && s->site->clients[i].fake != NULL && !do_silent(s, i))
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
