/* SPDX-License-Identifier: Apache-2.0 */
/* Which mailbox a sub-address means while its user renames and creates mailboxes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "lmtp_site.h"

struct choice {
	struct lmtp_site s;
	struct store_account *account;
	unsigned look, at; /* at: `then` is called after that look; 0: after each list */
	void (*then)(struct choice *c);
	bool turned;
};

static void
no_log(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

static void
looked(void *arg)
{
	struct choice *c = arg;

	if (c->then != NULL && (++c->look == c->at || c->at == 0))
		c->then(c);
}

static void
change(struct choice *c, enum store_change_kind kind, const char *name, const char *to)
{
	struct store_change *change = store_change_new(c->account, kind, NULL, NULL, NULL);

	change->name = str_of(name);
	change->new_name = str_of(to);
	assert_int_equal(store_submit_wait(change), TS_OK);
	store_change_free(&change);
}

static void
begin(struct choice *c, const char *conf)
{
	*c = (struct choice){.look = 0};
	log_set_sink(no_log, NULL);
	lmtp_site_begin(&c->s, str_of(conf), 0, NULL);
	site_mailbox(c->s.site, "a", "Lists");
	c->account = store_account_find(c->s.site->store, STR("a@example.net"));
	assert_non_null(c->account);
	c->s.site->looked = looked;
	c->s.site->looked_arg = c;
	lmtp_site_connect(&c->s, false);
	stream_fake_push(c->s.fake, STR("LHLO me\r\n"));
	site_run(c->s.site);
}

static void
end(struct choice *c)
{
	store_account_unref(&c->account);
	lmtp_site_end(&c->s);
}

/* Sends a message to a+lists, and compares the last reply. */
static void
deliver(struct choice *c, const char *reply)
{
	struct buf *out = stream_fake_output(c->s.fake);

	stream_fake_push(c->s.fake, STR("MAIL FROM:<>\r\nRCPT TO:<a+lists>\r\n"));
	site_run(c->s.site);
	c->then = NULL;
	out->n = 0;
	stream_fake_push(c->s.fake, STR("DATA\r\n"));
	site_run(c->s.site);
	if (str_has_prefix(buf_as_str(out), STR("354"))) {
		out->n = 0;
		stream_fake_push(c->s.fake, STR("a: b\r\n\r\n.\r\n"));
		site_run(c->s.site);
	}
	if (!str_has_prefix(buf_as_str(out), str_of(reply)))
		fail_msg("not %s but %.*s", reply, (int)out->n, out->p);
}

static unsigned
count(const struct choice *c, const char *name)
{
	struct store_mailbox_info info;

	return store_account_lookup(c->account, str_of(name), &info) ? info.counters.messages : 99;
}

static void
turn(struct choice *c)
{
	change(
	    c, STORE_CHANGE_RENAME, c->turned ? "LISTS" : "Lists", c->turned ? "Lists" : "LISTS");
	c->turned = !c->turned;
}

static void
make(struct choice *c)
{
	change(c, STORE_CHANGE_CREATE, "lists", NULL);
}

/* It was found, but has another name when it is to be loaded: the mail still does not go to
 * INBOX. */
static void
renamed(void **state)
{
	static const char *const conf[] = {"", "lmtp.missing_mailbox = create\n"};

	(void)state;
	for (unsigned create = 0; create < 2; create++)
		for (unsigned at = 1; at <= 4; at++) {
			struct choice c;

			begin(&c, conf[create]);
			c.at = at;
			c.then = turn;
			deliver(&c, "250 2.0.0");
			assert_int_equal(count(&c, c.turned ? "LISTS" : "Lists"), 1);
			assert_int_equal(count(&c, "INBOX"), 1); /* the one it had at the start */
			assert_int_equal(count(&c, "lists"), 99);
			end(&c);
		}
}

/* A mailbox with that spelling is created before the list is read. */
static void
made(void **state)
{
	struct choice c;

	(void)state;
	begin(&c, "");
	c.at = 1;
	c.then = make;
	deliver(&c, "250 2.0.0");
	assert_int_equal(count(&c, "lists"), 1);
	assert_int_equal(count(&c, "Lists"), 0);
	end(&c);
}

/* If the renaming never stops, delivery must wait; the message stays with the sender. */
static void
endless(void **state)
{
	struct choice c;

	(void)state;
	begin(&c, "lmtp.missing_mailbox = create\n");
	c.then = turn;
	deliver(&c, "503 5.5.1");
	assert_int_equal(count(&c, c.turned ? "LISTS" : "Lists"), 0);
	assert_int_equal(count(&c, "INBOX"), 1); /* the one it had at the start */
	assert_int_equal(count(&c, "lists"), 99);
	end(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(renamed),
	    cmocka_unit_test(made),
	    cmocka_unit_test(endless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
