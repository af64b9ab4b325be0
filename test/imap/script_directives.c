/* SPDX-License-Identifier: Apache-2.0 */
/* Directives: whatever a transcript contains besides client and server lines; see script.h. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/users.h"
#include "base/log.h"
#include "base/mem.h"
#include "script_int.h"
#include "trial.h"

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
		if (str_eq(word, STR("tls")) || str_eq(word, STR("compressing")))
			s->tls[i] = true, s->compressing[i] = word.p[0] == 'c';
		else if (str_eq(word, STR("address")) && str_split(&args, ' ', &word) &&
		         word.n < sizeof(s->address[i]))
			memcpy(s->address[i], word.p, word.n);
		else
			return script_complain(s, "what is", word);
	return script_need_client(s, i);
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
		return script_complain(s, "no such fault", op);
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

void
script_hold_flush(struct script *s, bool held)
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
		return script_complain(s, "needs", STR("lanes 1"));
	script_hold_flush(s, true);
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
	return s->held || script_complain(s, "needs", STR("hold flush"));
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
		return script_complain(s, "no such kind", kind);
	if (s->site->il.pool.live_arenas[k] == n)
		return true;
	fprintf(stderr, "%s:%u: %zu arenas are alive\n", s->file, s->line_no,
	    s->site->il.pool.live_arenas[k]);
	return false;
}

/* "then PATTERN": after the line that the last `log` found. */
static bool
do_held(struct script *s, struct str args)
{
	struct store_stats stats;
	uint64_t n;

	store_stats(s->site->store, &stats);
	if (!str_u64(args, UINT32_MAX, &n))
		return script_complain(s, "no number", args);
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
		found = script_match(s, buf_as_str(&wide), line);
	buf_fini(&wide);
	if (found) {
		s->log_at = (size_t)(line.p + line.n - begin);
		return true;
	}
	script_complain(s, "not logged", pattern);
	return script_complain(s, "log", buf_as_str(&s->log));
}

bool
script_silent(struct script *s, unsigned i)
{
	struct buf *out = script_output(s, i);

	return out->n == 0 || script_complain(s, "not expected", buf_as_str(out));
}

static bool
do_rest(struct script *s, unsigned i, struct str text)
{
	struct buf *out = script_output(s, i);

	if (text.n == 0 || out->n == 0)
		return script_complain(s, "nothing", text);
	for (size_t k = 0; k < out->n; k++)
		if (out->p[k] != text.p[k % text.n])
			return script_complain(s, "not all of", text);
	script_drop_all(s, i);
	return true;
}

static bool
do_closed(struct script *s, unsigned i)
{
	for (unsigned tries = 0; !stream_fake_ended(s->site->clients[i].fake, NULL); tries++) {
		if (s->options.lanes == 0 || tries == 5000)
			return script_complain(s, "not", STR("closed"));
		usleep(1000);
		site_run(s->site);
	}
	return script_silent(s, i);
}

/* args: "handshake", and perhaps a client. */
static bool
hold_handshake(struct script *s, bool held, struct str args)
{
	struct str word;
	unsigned i;

	(void)str_split(&args, ' ', &word);
	i = client_number(args);
	if (!script_need_site(s))
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
		return script_complain(s, "no number", args);
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
		return script_complain(s, "no numbers", least);
	n = stream_fake_untaken(s->site->clients[client_number(args)].fake);
	if (n >= a && n <= b)
		return true;
	fprintf(stderr, "%s:%u: %zu bytes were not taken\n", s->file, s->line_no, n);
	return false;
}

/* args: a way to end, and perhaps a client. */
static bool
set_last(struct script *s, struct str args)
{
	struct str word;
	unsigned i;
	int k = 0;

	(void)str_split(&args, ' ', &word);
	i = client_number(args);
	while (zip_lasts[k] != NULL && !str_eq(word, str_of(zip_lasts[k])))
		k++;
	s->last[i] = (enum zip_last)k;
	return zip_lasts[k] != NULL || script_complain(s, "no way to end", word);
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
			return script_complain(s, "no number", word);
		if (!script_need_client(s, i))
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
		if (!script_need_client(s, i))
			return false;
		if (str_eq(word, STR("zip")) || str_eq(word, STR("unzip")))
			script_zip(s, i, word.p[0] == 'z');
		else
			s->layer[i] = str_eq(word, STR("on"));
		return true;
	}
	if (str_eq(verb, STR("last")))
		return set_last(s, args);
	if (str_eq(verb, STR("untaken")))
		return do_untaken(s, args);
	if (str_eq(verb, STR("rest")))
		return script_need_client(s, 1) && do_rest(s, 1, args);
	i = client_number(args);
	if (!script_need_client(s, i))
		return false;
	if (str_eq(verb, STR("silent")))
		return script_silent(s, i);
	if (str_eq(verb, STR("closed")))
		return do_closed(s, i);
	if (str_eq(verb, STR("drain"))) {
		script_drop_all(s, i);
		return true;
	}
	if (str_eq(verb, STR("forget"))) {
		readback_fini(&s->readback[i]);
		script_zip(s, i, false);
		site_disconnect(s->site, i);
		return true;
	}
	if (str_eq(verb, STR("close")))
		stream_fake_end(s->site->clients[i].fake);
	else if (str_eq(verb, STR("break")))
		stream_fake_break(s->site->clients[i].fake);
	else
		return script_complain(s, "unknown word", verb);
	site_run(s->site);
	return true;
}

/* Lines up to "." follow. */
static bool
has_text(struct str verb)
{
	return str_eq(verb, STR("message")) || str_eq(verb, STR("restored"));
}

static bool
read_message(struct script *s, struct str verb, struct str args)
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
	if (str_eq(verb, STR("restored")))
		site_restored(
		    s->site, u, m, (unsigned char)strtoul(flags, NULL, 10), buf_as_str(&text));
	else
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
		return script_complain(s, "no number", count);
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

/* A '+' stands for a space in a mailbox name. */
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
			return script_complain(s, "what is", key);
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
			return script_complain(s, "too few words", args);
		snprintf(text[i], sizeof(text[i]), "%.*s", STR_ARG(word));
	}
	site_share(s->site, text[0], text[1], text[2]);
	return true;
}

static bool
set_quota(struct script *s, struct str args)
{
	struct str user, resource, number;
	enum store_quota_resource which;
	char u[128], m[256];
	uint64_t limit;

	if (!str_split(&args, ' ', &user) || !str_split(&args, ' ', &resource) ||
	    !str_split(&args, ' ', &number) || !store_quota_parse(resource, &which) ||
	    !str_u64(number, STORE_QUOTA_MAX, &limit))
		return script_complain(s, "what is", args);
	snprintf(u, sizeof(u), "%.*s", STR_ARG(user));
	snprintf(m, sizeof(m), "%.*s", STR_ARG(args));
	site_quota(s->site, u, which, limit, m);
	return true;
}

bool
script_setup_line(struct script *s, struct str verb, struct str args)
{
	struct str user;
	char u[128], m[256];

	if (str_eq(verb, STR("user")))
		return add_user(s, args);
	if (str_eq(verb, STR("grant")))
		return add_grant(s, args);
	if (has_text(verb))
		return read_message(s, verb, args);
	if (str_eq(verb, STR("messages")))
		return many_messages(s, args);
	if (str_eq(verb, STR("share")))
		return add_share(s, args);
	if (str_eq(verb, STR("quota")))
		return set_quota(s, args);
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
	       str_eq(verb, STR("revoke")) || str_eq(verb, STR("share")) || has_text(verb) ||
	       str_eq(verb, STR("messages")) || str_eq(verb, STR("mailbox")) ||
	       str_eq(verb, STR("quota"));
}

/* Keeps setup lines until the site is made, since more conf lines may follow. */
static void
keep_setup(struct script *s, struct str line, struct str verb)
{
	buf_str(&s->setup, line);
	buf_putc(&s->setup, '\n');
	if (!has_text(verb))
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

	return err == TS_OK || script_complain(s, why != NULL ? why : ts_err_name(err), name);
}

static bool
do_meanwhile(struct script *s, struct str args)
{
	struct str number;
	uint64_t n;

	if (!str_split(&args, ' ', &number) || !str_u64(number, 10000, &n) || n == 0 ||
	    s->options.lanes > 0 || !site_meanwhile(s->site, (unsigned)n, args))
		return script_complain(s, "nothing that can happen", args);
	return true;
}

static void
put_po(struct buf *po, const char *keyword, struct str text)
{
	buf_printf(po, "%s \"", keyword);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			buf_putc(po, '\\');
		buf_putc(po, text.p[i]);
	}
	buf_puts(po, "\"\n");
}

static void
add_text(struct script *s, struct str args)
{
	struct str english;

	(void)str_split(&args, '|', &english);
	put_po(&s->po, "msgid", str_trim(english));
	put_po(&s->po, "msgstr", str_trim(args));
}

bool
script_directive(struct script *s, struct str line)
{
	struct str args = line, verb;
	uint64_t n;

	(void)str_split(&args, ' ', &verb);
	if (is_setup(verb)) {
		if (s->site == NULL)
			return keep_setup(s, line, verb), true;
		script_flush(s);
		return script_setup_line(s, verb, args);
	}
	if (str_eq(verb, STR("conf"))) {
		buf_str(&s->conf, args);
		buf_putc(&s->conf, '\n');
		return s->site == NULL || script_complain(s, "too late", line);
	}
	if (str_eq(verb, STR("lanes")) && str_u64(args, 4, &n)) {
		s->options.lanes = (unsigned)n;
		return s->site == NULL || script_complain(s, "too late", line);
	}
	if (str_eq(verb, STR("keywords")) && str_u64(args, 1000, &n)) {
		s->options.keywords = (unsigned)n;
		return s->site == NULL || script_complain(s, "too late", line);
	}
	if (str_eq(verb, STR("text"))) {
		add_text(s, args);
		return s->site == NULL || script_complain(s, "too late", line);
	}
	if (str_eq(verb, STR("starttls"))) {
		s->options.starttls = true;
		return s->site == NULL || script_complain(s, "too late", line);
	}
	if (str_eq(verb, STR("trial"))) {
		s->options.ext = &imap_ext_trial;
		return s->site == NULL || script_complain(s, "too late", line);
	}
	if (!script_need_site(s))
		return false;
	script_flush(s);
	if (str_eq(verb, STR("---")))
		return true;
	if (str_eq(verb, STR("client")))
		return do_client(s, args);
	if (str_eq(verb, STR("reload"))) /* the complete new configuration */
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
		return script_hold_flush(s, false), true;
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
