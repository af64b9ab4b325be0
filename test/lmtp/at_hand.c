/* SPDX-License-Identifier: Apache-2.0 */
/* Recipients in memory are answered on the loop: which ones, and what makes a worker look again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/alias.h"
#include "auth/users.h"
#include "base/log.h"
#include "lmtp_site.h"

static void
no_log(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

static void
say(struct lmtp_site *s, const char *text)
{
	stream_fake_push(s->fake, str_of(text));
	site_run(s->site);
}

/* Compares and removes the replies so far. */
static void
replied(struct lmtp_site *s, const char *all)
{
	struct buf *out = stream_fake_output(s->fake);

	if (!str_eq(buf_as_str(out), str_of(all)))
		fail_msg("not %s but %.*s", all, (int)out->n, out->p);
	out->n = 0;
}

static void
begin(struct lmtp_site *s, const char *conf)
{
	*s = (struct lmtp_site){0};
	log_set_sink(no_log, NULL);
	lmtp_site_begin(s, str_of(conf), 0, NULL);
	lmtp_site_connect(s, false);
	say(s, "LHLO me\r\n");
	stream_fake_output(s->fake)->n = 0;
}

/* One RCPT in a transaction of its own: the reply, and the number of jobs for workers. */
static void
look_up(struct lmtp_site *s, const char *address, const char *reply, size_t jobs)
{
	struct work_pool *workers = s->site->server.workers;
	uint64_t before[2] = {s->ll.stats.lookups[0], s->ll.stats.lookups[1]};
	struct buf rcpt = {0};

	say(s, "RSET\r\nMAIL FROM:<>\r\n");
	replied(s, "250 2.0.0 OK\r\n250 2.1.0 OK\r\n");
	work_pool_hold(workers, true);
	buf_printf(&rcpt, "RCPT TO:<%s>\r\n", address);
	say(s, buf_cstr(&rcpt));
	if (work_pool_waiting(workers) != jobs)
		fail_msg("%s: %zu jobs", address, work_pool_waiting(workers));
	assert_int_equal(s->ll.stats.lookups[0] - before[0], jobs);
	assert_int_equal(s->ll.stats.lookups[1] - before[1], 1 - jobs);
	if (jobs > 0)
		replied(s, "");
	work_pool_hold(workers, false);
	site_run(s->site);
	replied(s, reply);
	buf_fini(&rcpt);
}

static const char ok[] = "250 2.1.5 OK\r\n", nobody[] = "550 5.1.1 No such user here\r\n";

static void
in_memory(void **state)
{
	struct lmtp_site s;

	(void)state;
	begin(&s, "");
	look_up(&s, "a", ok, 1);
	for (unsigned i = 0; i < 3; i++) {
		look_up(&s, "a", ok, 0);
		look_up(&s, "A@Example.Net", ok, 0);
		look_up(&s, "\"a\"@example.net", ok, 0);
	}
	look_up(&s, "b@example.net", ok, 1);
	look_up(&s, "b", ok, 0);
	/* Any other form than the user's own name needs a look-up. */
	for (unsigned i = 0; i < 2; i++) {
		look_up(&s, "a+lists", ok, 1);
		look_up(&s, "\"a+my lists\"@example.net", ok, 1);
		look_up(&s, "nobody", nobody, 1);
	}
	lmtp_site_end(&s);
}

/* If an account or its INBOX is not in memory, a worker looks it up. */
static void
not_in_memory(void **state)
{
	struct lmtp_site s;

	(void)state;
	begin(&s, "");
	site_user(s.site, "new", "x", NULL, false);
	look_up(&s, "new", ok, 1); /* makes the account, and looks again */
	look_up(&s, "new", ok, 0);
	assert_int_equal(store_account_delete(s.site->store, STR("new@example.net")), TS_OK);
	look_up(&s, "new", ok, 1);
	look_up(&s, "new", ok, 0);
	lmtp_site_end(&s);
}

static void
put_alias(struct lmtp_site *s, const char *name, const char *target)
{
	struct str to = str_of(target);
	struct auth_alias alias = {.name = str_of(name), .targets = &to, .target_count = 1};
	const char *why;

	assert_int_equal(auth_alias_put(s->site->auth, &alias, &why), TS_OK);
}

static uint64_t
count(struct lmtp_site *s, const char *user)
{
	struct store_account *account = store_account_find(s->site->store, str_of(user));
	struct store_mailbox_info info;

	assert_non_null(account);
	assert_true(store_account_lookup(account, STR("INBOX"), &info));
	store_account_unref(&account);
	return info.counters.messages;
}

/* Memory always follows what an administrator changed. */
static void
changes(void **state)
{
	struct lmtp_site s;
	const char *why;

	(void)state;
	begin(&s, "");
	look_up(&s, "a", ok, 1);
	look_up(&s, "a", ok, 0);
	put_alias(&s, "a", "b");
	for (unsigned i = 0; i < 2; i++)
		look_up(&s, "a", ok, 1);
	say(&s, "DATA\r\nx\r\n.\r\n");
	stream_fake_output(s.fake)->n = 0;
	assert_int_equal(count(&s, "a@example.net"), 1);
	assert_int_equal(count(&s, "b@example.net"), 2);
	put_alias(&s, "a", "a"); /* names itself: it means the user, but is an alias nevertheless */
	for (unsigned i = 0; i < 2; i++)
		look_up(&s, "a", ok, 1);
	assert_int_equal(auth_alias_remove(s.site->auth, STR("a"), &why), TS_OK);
	look_up(&s, "a", ok, 1);
	look_up(&s, "a", ok, 0);
	assert_int_equal(auth_users_disable(s.site->auth, STR("a"), true, &why), TS_OK);
	for (unsigned i = 0; i < 2; i++) /* memory never refuses anybody */
		look_up(&s, "a", "550 5.2.1 Disabled\r\n", 1);
	assert_int_equal(auth_users_disable(s.site->auth, STR("a"), false, &why), TS_OK);
	look_up(&s, "a", ok, 1);
	look_up(&s, "a", ok, 0);
	assert_int_equal(auth_users_delete(s.site->auth, STR("a"), &why), TS_OK);
	look_up(&s, "a", nobody, 1);
	lmtp_site_end(&s);
}

/* Replies are in the order of the commands, whoever is in memory. */
static void
order(void **state)
{
	enum { MOST = 100 };
	static const char *const begins[] = {"a", "no", "b", "a"};
	struct buf in = {0}, out = {0};
	struct lmtp_site s;

	(void)state;
	begin(&s, "lmtp.limits.recipients = 100\n");
	look_up(&s, "a", ok, 1);
	buf_puts(&in, "RSET\r\nMAIL FROM:<>\r\n");
	buf_puts(&out, "250 2.0.0 OK\r\n250 2.1.0 OK\r\n");
	for (unsigned i = 0; i < 4; i++) {
		buf_printf(&in, "RCPT TO:<%s>\r\n", begins[i]);
		buf_puts(&out, i == 1 ? nobody : ok);
	}
	for (unsigned i = 3; i < MOST; i++) {
		buf_puts(&in, "RCPT TO:<a>\r\n");
		buf_puts(&out, ok);
	}
	buf_puts(&in, "RCPT TO:<a>\r\nRCPT TO:<no>\r\nDATA\r\n");
	buf_puts(&out, "452 4.5.3 Too many recipients\r\n452 4.5.3 Too many recipients\r\n"
	               "354 Go ahead, end with CRLF.CRLF\r\n");
	say(&s, buf_cstr(&in));
	replied(&s, buf_cstr(&out));
	assert_int_equal(s.ll.stats.lookups[0], 3); /* a once, no, b */
	say(&s, "x\r\n.\r\n");
	assert_int_equal(s.ll.stats.delivered, MOST);
	assert_int_equal(count(&s, "a@example.net"), 2); /* once for all of them */
	assert_int_equal(count(&s, "b@example.net"), 2);
	buf_fini(&in);
	buf_fini(&out);
	lmtp_site_end(&s);
}

/* A foreign domain needs no look-up. */
static void
other_domain(void **state)
{
	struct lmtp_site s;

	(void)state;
	begin(&s, "lmtp.domains = [example.net]\n");
	look_up(
	    &s, "a@elsewhere.example", "550 5.1.2 Mail for this domain is not taken here\r\n", 0);
	look_up(&s, "a@example.net", ok, 1);
	look_up(&s, "a@example.net", ok, 0);
	lmtp_site_end(&s);
}

/* The connection ends while a worker is busy: it is freed when the worker is done. */
static void
left(void **state)
{
	struct lmtp_site s;

	(void)state;
	for (unsigned shutdown = 0; shutdown < 2; shutdown++) {
		begin(&s, "");
		say(&s, "MAIL FROM:<>\r\n");
		work_pool_hold(s.site->server.workers, true);
		say(&s, "RCPT TO:<a>\r\nRCPT TO:<a>\r\n");
		assert_int_equal(work_pool_waiting(s.site->server.workers), 1);
		if (shutdown)
			lmtp_loop_shutdown(&s.ll);
		lmtp_site_disconnect(&s);
		assert_true(session_loop_is_empty(&s.ll.sessions));
		assert_int_equal(s.ll.stats.sessions.open + s.server.sessions.admitted, 0);
		work_pool_hold(s.site->server.workers, false);
		lmtp_site_end(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(in_memory),
	    cmocka_unit_test(not_in_memory), cmocka_unit_test(changes), cmocka_unit_test(order),
	    cmocka_unit_test(other_domain), cmocka_unit_test(left)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
