/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fails the n-th operation of the engine, or the n-th write to the socket, for n = 1, 2, …, until
 * three deliveries do not reach it.  Whatever fails: after a 250 the message must be there, once;
 * after another reply it must not, so that it can be sent again, unless the reply says that this is
 * unknown; nothing may be left, and the next connection must be able to deliver.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "lmtp_site.h"

enum { MESSAGES = 3, RECIPIENTS = 2 };

static const struct {
	const char *user, *mailbox, *address;
} to[MESSAGES][RECIPIENTS] = {
    {{"a", "INBOX", "a"}}, {{"a", "INBOX", "a@example.net"}, {"b", "INBOX", "b"}},
    {{"b", "INBOX", "b"}, {"a", "Work", "a+Work"}}, /* the delivery makes Work */
};

enum told { NO_REPLY, REFUSED, NOT_KNOWN, DELIVERED };

struct run {
	struct lmtp_site s;
	enum told told[MESSAGES][RECIPIENTS];
	int op;
	enum ts_err err;
	uint64_t n;
};

static unsigned failures;

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

static void
complain(const struct run *r, const char *what, unsigned message, unsigned rcpt)
{
	fprintf(stderr, "op %d, %s, n %u: %s (message %u, recipient %u)\n", r->op,
	    ts_err_name(r->err), (unsigned)r->n, what, message + 1, rcpt + 1);
	failures++;
}

/* Sends text and returns the reply; empty if the connection has ended. */
static struct str
ask(struct lmtp_site *s, struct str text)
{
	struct buf *out = stream_fake_output(s->fake);

	out->n = 0;
	stream_fake_push(s->fake, text);
	site_run(s->site);
	return buf_as_str(out);
}

/* m 0 … 2: the small ones in one piece, the last one large, in chunks. */
static struct str
ask_message(struct lmtp_site *s, unsigned m)
{
	struct buf b = {0};
	struct str reply;

	if (m < 2) {
		reply = ask(s, STR("DATA\r\n"));
		buf_printf(&b, "Subject: m%u\r\n\r\nText.\r\n.\r\n", m);
	} else {
		buf_printf(&b, "BDAT 15\r\nSubject: m%u\r\n\r\n", m);
		reply = ask(s, buf_as_str(&b));
		b.n = 0;
		buf_puts(&b, "BDAT 200000 LAST\r\n");
		for (unsigned i = 0; i < 200000; i++)
			buf_putc(&b, 'x');
	}
	if (!str_has_prefix(reply, m < 2 ? STR("354") : STR("250"))) {
		buf_fini(&b);
		return STR_NONE;
	}
	reply = ask(s, buf_as_str(&b));
	buf_fini(&b);
	return reply;
}

static enum told
meaning(struct str line)
{
	if (line.n == 0)
		return NO_REPLY;
	if (line.p[0] == '2')
		return DELIVERED;
	return str_find(line, STR("not known")) != NULL || str_has_prefix(line, STR("421"))
	           ? NOT_KNOWN
	           : REFUSED;
}

static void
deliver(struct run *r, unsigned m)
{
	bool taken[RECIPIENTS] = {false}, any = false;
	struct str reply, line;

	if (!str_has_prefix(ask(&r->s, STR("MAIL FROM:<>\r\n")), STR("250")))
		return;
	for (unsigned i = 0; i < RECIPIENTS && to[m][i].address != NULL; i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "RCPT TO:<%s>\r\n", to[m][i].address);
		reply = ask(&r->s, str_of(text));
		taken[i] = str_has_prefix(reply, STR("250"));
		any |= taken[i];
		if (!taken[i] && reply.n > 0)
			r->told[m][i] = REFUSED;
	}
	if (!any) {
		(void)ask(&r->s, STR("RSET\r\n"));
		return;
	}
	reply = ask_message(&r->s, m);
	for (unsigned i = 0; i < RECIPIENTS; i++)
		if (taken[i] && str_split(&reply, '\n', &line))
			r->told[m][i] = meaning(line);
}

static void
deliver_all(struct run *r)
{
	(void)ask(&r->s, STR("LHLO me\r\n"));
	for (unsigned m = 0; m < MESSAGES; m++)
		deliver(r, m);
	(void)ask(&r->s, STR("QUIT\r\n"));
	if (!stream_fake_ended(r->s.fake, NULL))
		complain(r, "the connection is still there", 0, 0);
	lmtp_site_disconnect(&r->s);
}

/* How often it is in the mailbox. */
static unsigned
count(struct run *r, unsigned m, unsigned i)
{
	struct site *site = r->s.site;
	char text[160], subject[16];
	struct str rest;
	const char *at;
	unsigned n = 0;

	(void)snprintf(text, sizeof(text),
	    "a1 LOGIN %s x\r\na2 SELECT %s\r\na3 FETCH 1:* BODY.PEEK[]\r\na4 LOGOUT\r\n",
	    to[m][i].user, to[m][i].mailbox);
	(void)snprintf(subject, sizeof(subject), "\nSubject: m%u", m);
	site_connect(site, 2, NULL, false, false);
	stream_fake_push(site->clients[2].fake, str_of(text));
	site_run(site);
	rest = buf_as_str(stream_fake_output(site->clients[2].fake));
	if (str_find(rest, STR("\na1 OK")) == NULL)
		complain(r, "no login afterwards", m, i);
	while ((at = str_find(rest, str_of(subject))) != NULL) {
		n++;
		rest.n -= (size_t)(at - rest.p) + 1;
		rest.p = at + 1;
	}
	site_disconnect(site, 2);
	return n;
}

static void
check(struct run *r)
{
	while (store_background_step(r->s.site->store))
		continue;
	for (unsigned m = 0; m < MESSAGES; m++)
		for (unsigned i = 0; i < RECIPIENTS && to[m][i].address != NULL; i++) {
			unsigned n = count(r, m, i);

			if (n > 1)
				complain(r, "it is there more than once", m, i);
			if (r->told[m][i] == DELIVERED && n != 1)
				complain(r, "250, and it is not there", m, i);
			if (r->told[m][i] == REFUSED && n != 0)
				complain(r, "refused, and it is there", m, i);
		}
}

static void
check_again(struct run *r)
{
	lmtp_site_connect(&r->s, false);
	deliver_all(r);
	for (unsigned m = 0; m < MESSAGES; m++)
		for (unsigned i = 0; i < RECIPIENTS && to[m][i].address != NULL; i++)
			if (r->told[m][i] != DELIVERED)
				complain(r, "not delivered the second time", m, i);
	lmtp_site_end(&r->s);
}

static void
begin(struct run *r)
{
	lmtp_site_begin(
	    &r->s, STR("lmtp { missing_mailbox = create; limits.message = 1M }\n"), 0, NULL);
}

/* True: the fault occurred. */
static bool
run(enum engine_mem_op op, enum ts_err err, uint64_t n)
{
	struct run r = {.op = (int)op, .err = err, .n = n};
	uint64_t before;
	bool met;

	begin(&r);
	before = engine_mem_count(r.s.site->disk, op);
	engine_mem_fail(r.s.site->disk, op, n, err, n % 2 == 0);
	lmtp_site_connect(&r.s, false);
	deliver_all(&r);
	met = engine_mem_count(r.s.site->disk, op) - before >= n;
	engine_mem_fail(r.s.site->disk, op, 0, TS_OK, false);
	check(&r);
	check_again(&r);
	return met;
}

/* The connection breaks at its n-th write. */
static bool
run_writes(uint64_t n)
{
	struct run r = {.op = -1, .err = TS_IO, .n = n};
	bool met;

	begin(&r);
	lmtp_site_connect(&r.s, false);
	stream_fake_fail_write(r.s.fake, n);
	(void)ask(&r.s, STR("LHLO me\r\n"));
	for (unsigned m = 0; m < MESSAGES; m++)
		deliver(&r, m);
	met = stream_fake_writes(r.s.fake) >= n;
	if (met && !stream_fake_ended(r.s.fake, NULL))
		complain(&r, "the connection is still there", 0, 0);
	lmtp_site_disconnect(&r.s);
	check(&r);
	check_again(&r);
	return met;
}

int
main(void)
{
	static const struct {
		enum engine_mem_op op;
		enum ts_err err;
	} faults[] = {
	    {ENGINE_MEM_COMMIT, TS_UNKNOWN},
	    {ENGINE_MEM_COMMIT, TS_FULL},
	    {ENGINE_MEM_GET, TS_IO},
	    {ENGINE_MEM_GET, TS_DAMAGED},
	    {ENGINE_MEM_ITER_NEXT, TS_IO},
	    {ENGINE_MEM_BLOB_CREATE, TS_FULL},
	    {ENGINE_MEM_BLOB_WRITE, TS_IO},
	    {ENGINE_MEM_BLOB_WRITE, TS_FULL},
	    {ENGINE_MEM_BLOB_FINISH, TS_IO},
	};
	unsigned runs = 0;

	log_set_sink(quiet, NULL);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		for (uint64_t n = 1; run(faults[i].op, faults[i].err, n) && n < 500; n++)
			runs++;
	for (uint64_t n = 1; run_writes(n) && n < 500; n++)
		runs++;
	printf("%u faults met, %u failures\n", runs, failures);
	return failures != 0 || runs == 0;
}
