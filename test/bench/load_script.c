/* SPDX-License-Identifier: Apache-2.0 */
/* The table of scenarios, and the bytes that each sends. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/mem.h"
#include "load.h"

enum { VARIANTS = 16 }; /* different messages for scenarios that append */

/* Takes over b's bytes. */
static struct load_op *
ops_add(struct load_ops *ops, struct buf *b, unsigned tags, unsigned msgs)
{
	ops->v = mem_realloc(ops->v, (ops->n + 1) * sizeof(*ops->v));
	ops->v[ops->n] = (struct load_op){.p = b->p, .n = b->n, .tags = tags, .msgs = msgs};
	*b = (struct buf){0};
	return &ops->v[ops->n++];
}

__attribute__((format(printf, 3, 4))) static void
ops_addf(struct load_ops *ops, unsigned tags, const char *fmt, ...)
{
	struct buf b = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	ops_add(ops, &b, tags, 0);
}

static void
put_user(const struct load_run *run, struct buf *b, unsigned user)
{
	if (run->user != NULL)
		buf_puts(b, run->user);
	else
		buf_printf(b, "%s%04u", run->user_prefix, user % run->users + 1);
}

/* AUTHENTICATE PLAIN with its initial response; user < 0: no authorization identity. */
static void
put_authenticate(const struct load_run *run, struct buf *b, char tag, int user)
{
	struct buf id = {0};

	if (user >= 0)
		put_user(run, &id, (unsigned)user);
	if (run->external) {
		buf_printf(b, "%c AUTHENTICATE EXTERNAL ", tag);
		if (id.n == 0)
			buf_putc(b, '='); /* an empty initial response (RFC 4959 section 3) */
		base64_encode(buf_as_str(&id), b);
		buf_puts(b, "\r\n");
		buf_fini(&id);
		return;
	}
	buf_putc(&id, 0);
	buf_puts(&id, run->gateway);
	buf_putc(&id, 0);
	buf_puts(&id, run->gateway_password);
	buf_printf(b, "%c AUTHENTICATE PLAIN ", tag);
	base64_encode(buf_as_str(&id), b);
	buf_puts(b, "\r\n");
	buf_fini(&id);
}

/* ---- messages ---- */

static void
op_cut(struct load_op *op, size_t at)
{
	op->cut = mem_realloc(op->cut, (op->cuts + 1) * sizeof(*op->cut));
	op->cut[op->cuts++] = at;
}

/* APPENDs n messages in one command (RFC 3502), into b; the cuts go to op. */
static void
put_append(const struct load_run *run, struct buf *b, struct load_op *op, uint64_t seed, unsigned n,
    bool plus)
{
	buf_printf(b, "A APPEND %s", run->mailbox);
	for (unsigned i = 0; i < n; i++, seed++) {
		buf_printf(b, " %s{%zu%s}\r\n", seed % 10 != 0 ? "(\\Seen) " : "", run->size,
		    plus ? "+" : "");
		if (!plus)
			op_cut(op, b->n);
		load_mail_put(b, seed, run->size, (run->scenario->flags & LOAD_LIST) != 0);
	}
	buf_puts(b, "\r\n");
	op->tags = 1;
	op->msgs = n;
}

static void
build_appends(struct load_run *run, struct load_ops *ops, bool plus, unsigned n)
{
	for (unsigned i = 0; i < VARIANTS; i++) {
		struct buf b = {0};
		struct load_op op = {0}, *to;

		put_append(run, &b, &op, (uint64_t)i * n, n, plus);
		to = ops_add(ops, &b, op.tags, op.msgs);
		to->cut = op.cut;
		to->cuts = op.cuts;
	}
}

static void
build_append(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	(void)user;
	build_appends(run, ops, plus, 1);
}

static void
build_multiappend(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	(void)user;
	build_appends(run, ops, plus, run->batch);
}

/* The next batch for a mailbox being filled; connections share the count. */
static const struct load_op *
next_fill(struct load_conn *c)
{
	struct load_run *run = c->w->run;
	uint64_t first = __atomic_fetch_add(&run->sent, run->batch, __ATOMIC_RELAXED);

	if (first >= run->count)
		return NULL;
	c->made.n = 0;
	c->own.cuts = 0;
	put_append(run, &c->made, &c->own, first,
	    (unsigned)(run->count - first < run->batch ? run->count - first : run->batch), c->plus);
	c->own.p = c->made.p;
	c->own.n = c->made.n;
	return &c->own;
}

/* One message to one user: MAIL, RCPT and DATA in one write, the message after the 354 (RFC
 * 2920). */
static void
build_lmtp(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	unsigned n = run->users > VARIANTS ? run->users : VARIANTS;

	(void)plus;
	(void)user;
	for (unsigned i = 0; i < n; i++) {
		struct buf b = {0};
		struct load_op op = {0}, *to;

		buf_puts(&b, "MAIL FROM:<sailor@fleet.example>\r\nRCPT TO:<");
		put_user(run, &b, i);
		buf_puts(&b, ">\r\nDATA\r\n");
		op_cut(&op, b.n);
		load_mail_put(&b, i, run->size, false); /* no line in it begins with a dot */
		buf_puts(&b, ".\r\n");
		to = ops_add(ops, &b, 3, 1); /* MAIL, RCPT, the message */
		to->cut = op.cut;
		to->cuts = op.cuts;
	}
}

/* ---- logins ---- */

static void
build_login(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	struct buf b = {0};

	(void)plus;
	buf_puts(&b, "A LOGIN ");
	put_user(run, &b, user);
	buf_printf(&b, " \"%s\"\r\n", run->password);
	ops_add(ops, &b, 1, 0);
	ops_addf(ops, 1, "A LOGOUT\r\n");
}

/* A connection that does `work` (commands tagged B …) in one write, then ends. */
static void
build_new(
    struct load_run *run, struct load_ops *ops, unsigned user, const char *work, unsigned commands)
{
	struct buf b = {0};

	put_authenticate(run, &b, 'A', (int)user);
	buf_puts(&b, work);
	buf_printf(&b, "%c LOGOUT\r\n", 'B' + (int)commands);
	ops_add(ops, &b, commands + 2, 0);
}

static void
build_select_new(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	struct buf work = {0};

	(void)plus;
	buf_printf(&work, "B SELECT %s\r\n", run->mailbox);
	build_new(run, ops, user, buf_cstr(&work), 1);
	buf_fini(&work);
}

static void
build_gateway_new(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	struct buf work = {0};

	(void)plus;
	buf_printf(&work,
	    "B SELECT INBOX\r\nC UID FETCH 1:* FLAGS\r\nD STORE 1 %cFLAGS (\\Seen)\r\n",
	    user < run->users ? '+' : '-');
	build_new(run, ops, user, buf_cstr(&work), 3);
	buf_fini(&work);
}

static void
build_switch(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	(void)plus;
	(void)user;
	for (unsigned i = 0; i < run->users; i++) {
		struct buf b = {0};

		buf_puts(&b, "A UNAUTHENTICATE\r\n");
		put_authenticate(run, &b, 'B', (int)i);
		ops_add(ops, &b, 2, 0);
	}
}

static void
build_gateway(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	(void)plus;
	(void)user;
	for (unsigned i = 0; i < 2 * run->users; i++) {
		struct buf b = {0};

		buf_puts(&b, "A UNAUTHENTICATE\r\n");
		put_authenticate(run, &b, 'B', (int)(i % run->users));
		buf_printf(&b,
		    "C SELECT INBOX\r\nD UID FETCH 1:* FLAGS\r\nE STORE 1 %cFLAGS (\\Seen)\r\n",
		    i < run->users ? '+' : '-');
		ops_add(ops, &b, 5, 0);
	}
}

/* ---- one mailbox ---- */

#define BUILD_ONE(name, text)                                                                      \
	static void build_##name(                                                                  \
	    struct load_run *run, struct load_ops *ops, bool plus, unsigned user)                  \
	{                                                                                          \
		(void)run;                                                                         \
		(void)plus;                                                                        \
		(void)user;                                                                        \
		ops_addf(ops, 1, "A " text "\r\n");                                                \
	}

BUILD_ONE(noop, "NOOP")
BUILD_ONE(idle, "IDLE")
BUILD_ONE(fetch_flags, "FETCH 1:* (UID FLAGS)")
BUILD_ONE(fetch_envelope, "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
BUILD_ONE(fetch_body, "FETCH 1:* BODY.PEEK[]")
BUILD_ONE(search_unseen, "SEARCH UNSEEN")
BUILD_ONE(sort_date, "SORT (DATE) UTF-8 ALL")
BUILD_ONE(sort_subject, "SORT (SUBJECT) UTF-8 ALL")
BUILD_ONE(sort_from, "SORT (FROM) UTF-8 ALL")
BUILD_ONE(thread_subject, "THREAD ORDEREDSUBJECT UTF-8 ALL")
BUILD_ONE(thread_references, "THREAD REFERENCES UTF-8 ALL")
BUILD_ONE(thread_refs, "THREAD REFS UTF-8 ALL")

static void
build_store(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	(void)run;
	(void)plus;
	(void)user;
	ops_addf(ops, 1, "A STORE 1 +FLAGS (\\Flagged)\r\n");
	ops_addf(ops, 1, "A STORE 1 -FLAGS (\\Flagged)\r\n");
}

static void
build_store_all(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	(void)plus;
	(void)user;
	ops_addf(ops, 1, "A STORE 1:%u +FLAGS.SILENT (\\Answered)\r\n", run->range);
	ops_addf(ops, 1, "A STORE 1:%u -FLAGS.SILENT (\\Answered)\r\n", run->range);
}

static void
build_store_same(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	(void)plus;
	(void)user;
	ops_addf(ops, 1, "A STORE 1:%u +FLAGS.SILENT (\\Deleted)\r\n", run->range);
}

static void
build_select(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	(void)plus;
	(void)user;
	ops_addf(ops, 1, "A SELECT %s\r\n", run->mailbox);
}

static void
build_search_subject(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	(void)plus;
	(void)user;
	ops_addf(ops, 1, "A SEARCH SUBJECT \"%s\"\r\n", run->word != NULL ? run->word : "regatta");
}

static void
build_search_text(struct load_run *run, struct load_ops *ops, bool plus, unsigned user)
{
	(void)plus;
	(void)user;
	ops_addf(ops, 1, "A SEARCH TEXT \"%s\"\r\n", run->word != NULL ? run->word : "quinquereme");
}

static const struct load_scenario scenarios[] = {
    {"login", LOAD_RECONNECT, build_login, NULL, "connect, LOGIN, LOGOUT, each waited for"},
    {"switch", LOAD_GATEWAY, build_switch, NULL,
        "UNAUTHENTICATE + AUTHENTICATE PLAIN with authzid, one write"},
    {"gateway", LOAD_GATEWAY, build_gateway, NULL,
        "switch + SELECT + FETCH flags + STORE \\Seen, one write"},
    {"gateway-new", LOAD_RECONNECT, build_gateway_new, NULL,
        "the same on a new connection each, + LOGOUT"},
    {"noop", 0, build_noop, NULL, "NOOP after login"},
    {"append", LOAD_LITERAL, build_append, NULL, "APPEND of one message of --size"},
    {"multiappend", LOAD_LITERAL, build_multiappend, NULL,
        "APPEND of --batch messages in a command"},
    {"fill", LOAD_LITERAL | LOAD_COUNTED, NULL, next_fill,
        "multiappend of --count messages, all different"},
    {"fill-list", LOAD_LITERAL | LOAD_COUNTED | LOAD_LIST, NULL, next_fill,
        "the same with messages of threads"},
    {"lmtp", LOAD_LMTP, build_lmtp, NULL,
        "LMTP (RFC 2033): one message of --size to one of --users"},
    {"store", LOAD_SELECT, build_store, NULL, "STORE 1 ±FLAGS \\Flagged"},
    {"store-all", LOAD_SELECT, build_store_all, NULL, "STORE 1:--range ±FLAGS.SILENT \\Answered"},
    {"store-same", LOAD_SELECT, build_store_same, NULL,
        "STORE 1:--range +FLAGS.SILENT \\Deleted, again and again"},
    {"select", 0, build_select, NULL, "SELECT, again and again"},
    {"select-new", LOAD_RECONNECT, build_select_new, NULL,
        "connect, AUTHENTICATE + SELECT + LOGOUT in one write"},
    {"fetch-flags", LOAD_SELECT, build_fetch_flags, NULL, "FETCH 1:* (UID FLAGS)"},
    {"fetch-envelope", LOAD_SELECT, build_fetch_envelope, NULL,
        "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"},
    {"fetch-body", LOAD_SELECT, build_fetch_body, NULL, "FETCH 1:* BODY.PEEK[]"},
    {"search-unseen", LOAD_SELECT, build_search_unseen, NULL, "SEARCH UNSEEN"},
    {"search-subject", LOAD_SELECT, build_search_subject, NULL, "SEARCH SUBJECT --word"},
    {"search-text", LOAD_SELECT, build_search_text, NULL, "SEARCH TEXT --word"},
    {"sort-date", LOAD_SELECT, build_sort_date, NULL, "SORT (DATE) UTF-8 ALL"},
    {"sort-subject", LOAD_SELECT, build_sort_subject, NULL, "SORT (SUBJECT) UTF-8 ALL"},
    {"sort-from", LOAD_SELECT, build_sort_from, NULL, "SORT (FROM) UTF-8 ALL"},
    {"thread-subject", LOAD_SELECT, build_thread_subject, NULL, "THREAD ORDEREDSUBJECT UTF-8 ALL"},
    {"thread-references", LOAD_SELECT, build_thread_references, NULL,
        "THREAD REFERENCES UTF-8 ALL"},
    {"thread-refs", LOAD_SELECT, build_thread_refs, NULL, "THREAD REFS UTF-8 ALL"},
    {"idle", LOAD_SELECT | LOAD_IDLE, build_idle, NULL, "all connections in IDLE; memory of --pid"},
    {"idle-half", LOAD_SELECT | LOAD_IDLE | LOAD_HALF, build_idle, NULL,
        "every other connection in IDLE, the rest only selected; memory of --pid"},
};

const struct load_scenario *
load_script_find(const char *name)
{
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	return NULL;
}

void
load_script_list(void)
{
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		fprintf(stderr, "  %-15s %s\n", scenarios[i].name, scenarios[i].prose);
}

static void
build_setup(struct load_run *run, struct load_ops *ops, unsigned user)
{
	unsigned flags = run->scenario->flags;
	struct buf b = {0};

	if (flags & LOAD_LMTP) {
		ops_addf(ops, 1, "LHLO load.invalid\r\n");
		return;
	}
	if (flags & LOAD_GATEWAY) {
		put_authenticate(run, &b, 'A', -1);
	} else {
		buf_puts(&b, "A LOGIN ");
		put_user(run, &b, user);
		buf_printf(&b, " \"%s\"\r\n", run->password);
	}
	ops_add(ops, &b, 1, 0);
	if (flags & LOAD_LITERAL)
		ops_addf(ops, 1, "A CAPABILITY\r\n");
	if (flags & LOAD_SELECT)
		ops_addf(ops, 1, "A SELECT %s\r\n", run->mailbox);
}

void
load_script_build(struct load_run *run)
{
	const struct load_scenario *s = run->scenario;

	run->setups = s->flags & LOAD_RECONNECT ? 2 * run->users : run->users;
	run->setup = mem_zalloc(run->setups * sizeof(*run->setup));
	for (unsigned i = 0; i < run->setups; i++) {
		if (s->flags & LOAD_RECONNECT)
			s->build(run, &run->setup[i], true, i);
		else
			build_setup(run, &run->setup[i], i);
	}
	if ((s->flags & LOAD_RECONNECT) || s->build == NULL)
		return;
	s->build(run, &run->ring[1], true, 0);
	if (s->flags & LOAD_LITERAL)
		s->build(run, &run->ring[0], false, 0);
	else
		run->ring[0] = run->ring[1];
}
