/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery to group mailboxes, and by the right to post into mailboxes of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/alias.h"
#include "auth/grants.h"
#include "auth/sharing.h"
#include "auth/users.h"
#include "base/log.h"
#include "lmtp_site.h"

enum { BOXES = 64 };

struct counts { /* of messages, by "account/mailbox" */
	char name[BOXES][200];
	unsigned messages[BOXES];
	size_t n;
	struct str account;
};

struct world {
	struct lmtp_site s;
	struct counts before;
	unsigned look, at; /* at: `then` is called after that look; 0: after each */
	void (*then)(struct world *w);
	bool turned;
};

static const char ok[] = "250 2.1.5", nobody[] = "550 5.1.1 No such user here";

static void
no_log(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

/* ---- the world */

static struct store_account *
account_of(struct world *w, const char *name)
{
	struct store_account *account;

	assert_int_equal(store_account_load(w->s.site->store, str_of(name), true, &account), TS_OK);
	return account;
}

static void
property(
    struct world *w, const char *user, const char *mailbox, const char *name, const char *value)
{
	lmtp_site_property(&w->s, user, mailbox, name, value);
}

static void
change_list(struct world *w, const char *user, enum store_change_kind kind, const char *name,
    const char *to)
{
	struct store_account *account = account_of(w, user);
	struct store_change *change = store_change_new(account, kind, NULL, NULL, NULL);

	change->name = str_of(name);
	change->new_name = str_of(to);
	assert_int_equal(store_submit_wait(change), TS_OK);
	store_change_free(&change);
	store_account_unref(&account);
}

static void
mailbox(struct world *w, const char *user, const char *name)
{
	change_list(w, user, STORE_CHANGE_CREATE, name, NULL);
}

static void
group_mailbox(struct world *w, const char *name)
{
	property(w, name, NULL, AUTH_GROUP_MAILBOX, "1");
}

static void
put_alias(struct world *w, const char *name, const char *target, const char *more)
{
	struct str to[] = {str_of(target), str_of(more)};
	struct auth_alias alias = {
	    .name = str_of(name), .targets = to, .target_count = more != NULL ? 2 : 1};
	const char *why;

	assert_int_equal(auth_alias_put(w->s.site->auth, &alias, &why), TS_OK);
}

static void
looked(void *arg)
{
	struct world *w = arg;

	if (w->then != NULL && (++w->look == w->at || w->at == 0))
		w->then(w);
}

static void
say(struct world *w, const char *text)
{
	stream_fake_output(w->s.fake)->n = 0;
	stream_fake_push(w->s.fake, str_of(text));
	site_run(w->s.site);
}

static const char *
heard(struct world *w)
{
	return buf_cstr(stream_fake_output(w->s.fake));
}

static void
begin(struct world *w, const char *conf)
{
	*w = (struct world){.turned = false};
	log_set_sink(no_log, NULL);
	lmtp_site_begin(&w->s, str_of(conf), 0, NULL);
	w->s.site->looked = looked;
	w->s.site->looked_arg = w;
	group_mailbox(w, "support@example.net");
	mailbox(w, "support@example.net", "orders");
	lmtp_site_connect(&w->s, false);
	say(w, "LHLO me\r\n");
}

static void
end(struct world *w)
{
	w->then = NULL;
	lmtp_site_end(&w->s);
}

/* ---- what arrives where */

static bool
count_mailbox(const struct store_mailbox_info *info, void *arg)
{
	struct counts *c = arg;

	assert_true(c->n < BOXES);
	snprintf(c->name[c->n], sizeof(c->name[c->n]), "%.*s/%.*s", STR_ARG(c->account),
	    STR_ARG(info->name));
	c->messages[c->n++] = info->counters.messages;
	return true;
}

struct names {
	char name[16][100];
	size_t n;
};

static bool
note_name(struct str name, void *arg)
{
	struct names *names = arg;

	assert_true(names->n < 16 && name.n < 100);
	snprintf(names->name[names->n++], 100, "%.*s", STR_ARG(name));
	return true;
}

static void
count(struct world *w, struct counts *c)
{
	void (*then)(struct world *) = w->then;
	struct names names = {.n = 0};

	w->then = NULL;
	c->n = 0;
	assert_int_equal(store_account_names(w->s.site->store, note_name, &names), TS_OK);
	for (size_t i = 0; i < names.n; i++) {
		struct store_account *account = account_of(w, names.name[i]);

		c->account = str_of(names.name[i]);
		store_account_list(account, count_mailbox, c);
		store_account_unref(&account);
	}
	w->then = then;
}

static unsigned
messages_in(const struct counts *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->name[i], name) == 0)
			return c->messages[i];
	return 0;
}

/* Appends the mailboxes that have more messages now, separated by blanks. */
static void
what_grew(struct world *w, struct buf *out)
{
	struct counts now;

	count(w, &now);
	for (size_t i = 0; i < now.n; i++)
		if (now.messages[i] > messages_in(&w->before, now.name[i]))
			buf_printf(out, "%s%s", out->n > 0 ? " " : "", now.name[i]);
}

static void
rcpt(struct world *w, const char *address)
{
	struct buf line = {0};

	say(w, "RSET\r\nMAIL FROM:<> SMTPUTF8\r\n");
	buf_printf(&line, "RCPT TO:<%s>\r\n", address);
	say(w, buf_cstr(&line));
	buf_fini(&line);
}

/* Sends a message there, and compares where it went. */
static void
goes_to(struct world *w, const char *address, const char *where)
{
	struct buf grew = {0};

	count(w, &w->before);
	rcpt(w, address);
	if (strncmp(heard(w), ok, 9) != 0)
		fail_msg("%s: %s", address, heard(w));
	say(w, "DATA\r\n");
	say(w, "a: b\r\n\r\n.\r\n");
	if (strncmp(heard(w), "250 2.0.0 Delivered", 19) != 0)
		fail_msg("%s: %s", address, heard(w));
	what_grew(w, &grew);
	if (strcmp(buf_cstr(&grew), where) != 0)
		fail_msg("%s: %s, not %s", address, buf_cstr(&grew), where);
	buf_fini(&grew);
}

static void
refused(struct world *w, const char *address, const char *reply)
{
	rcpt(w, address);
	if (strncmp(heard(w), reply, strlen(reply)) != 0)
		fail_msg("%s: %s", address, heard(w));
}

/* ---- group mailboxes */

static void
group(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "lmtp.domains = [example.net]\n");
	for (unsigned i = 0; i < 2; i++) {
		goes_to(&w, "support@example.net", "support@example.net/INBOX");
		goes_to(&w, "SUPPORT", "support@example.net/INBOX");
		goes_to(&w, "\"support\"@Example.Net", "support@example.net/INBOX");
		goes_to(&w, "support+Orders@example.net", "support@example.net/orders");
		goes_to(&w, "support+none@example.net", "support@example.net/INBOX");
	}
	refused(&w, "support@other.example", "550 5.1.2");
	refused(&w, "supports@example.net", nobody);
	end(&w);
}

/* The mail of a user who was deleted stays, but gets no more. */
static void
no_user(void **state)
{
	struct world w;
	const char *why;

	(void)state;
	begin(&w, "");
	goes_to(&w, "b", "b@example.net/INBOX");
	assert_int_equal(auth_users_delete(w.s.site->auth, STR("b"), &why), TS_OK);
	refused(&w, "b", nobody);
	refused(&w, "b+lists", nobody);
	group_mailbox(&w, "b@example.net");
	goes_to(&w, "b", "b@example.net/INBOX");
	property(&w, "b@example.net", NULL, AUTH_GROUP_MAILBOX, NULL);
	refused(&w, "b", nobody);
	end(&w);
}

static void
group_order(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "");
	put_alias(&w, "@example.net", "b", NULL);
	goes_to(&w, "support", "support@example.net/INBOX");
	goes_to(&w, "support+orders", "support@example.net/orders");
	goes_to(&w, "who@example.net", "b@example.net/INBOX");
	put_alias(&w, "help", "support+orders", "support");
	goes_to(&w, "help", "support@example.net/INBOX support@example.net/orders");
	put_alias(&w, "support", "a", NULL);
	goes_to(&w, "support+orders", "a@example.net/INBOX");
	put_alias(&w, "support", "a", "support");
	goes_to(&w, "support", "a@example.net/INBOX support@example.net/INBOX");
	end(&w);
}

static void
group_create(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "lmtp.missing_mailbox = create\n");
	goes_to(&w, "support+New/Box", "support@example.net/New/Box");
	goes_to(&w, "support+new/box", "support@example.net/New/Box");
	goes_to(&w, "support+shared/x", "support@example.net/INBOX");
	end(&w);
}

/* ---- by the right to post */

static const char orders[] = "support@example.net/orders", inbox_of_a[] = "a@example.net/INBOX";

static void
posting(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "");
	mailbox(&w, "b@example.net", "My Plans");
	goes_to(&w, "a+shared/support/orders", inbox_of_a);
	property(&w, "support@example.net", "orders", "acl/a@example.net", "p");
	property(&w, "b@example.net", "My Plans", "acl/a@example.net", "p");
	for (unsigned i = 0; i < 2; i++) {
		goes_to(&w, "a+shared/support/orders@example.net", orders);
		goes_to(&w, "A+SHARED/Support/ORDERS@Example.Net", orders);
		goes_to(&w, "a+Shared/support/orders", orders);
		goes_to(&w, "a+Shared/support/\xef\xbc\xafrders", orders); /* a wide O */
		goes_to(&w, "\"a+Shared/support@example.net/orders\"@example.net", orders);
		goes_to(&w, "\"a+sHARED/Support@Example.Net/Orders\"", orders);
		goes_to(&w, "\"a+Other Users/b/My Plans\"", "b@example.net/My Plans");
		goes_to(&w, "\"a+other users/B@example.net/my plans\"@example.net",
		    "b@example.net/My Plans");
		/* no right on these */
		goes_to(&w, "a+shared/support/INBOX", inbox_of_a);
		goes_to(&w, "a+shared/support", inbox_of_a);
		goes_to(&w, "b+shared/support/orders", "b@example.net/INBOX");
		/* not the names of these mailboxes */
		goes_to(&w, "\"a+other users/support/orders\"", inbox_of_a);
		goes_to(&w, "\"a+shared/b/my plans\"", inbox_of_a);
		goes_to(&w, "a+shared//orders", inbox_of_a);
		goes_to(&w, "a+shared/", inbox_of_a);
		goes_to(&w, "a+shared/support/orders/", inbox_of_a);
		goes_to(&w, "\"a+shared/support@other.example/orders\"", inbox_of_a);
		goes_to(&w, "\"a+shared/@/orders\"", inbox_of_a);
		goes_to(&w, "support+shared/support/orders", "support@example.net/INBOX");
	}
	property(&w, "support@example.net", "INBOX", "acl/anyone", "p");
	goes_to(&w, "a+shared/support/inbox", "support@example.net/INBOX");
	goes_to(&w, "a+shared/support/", "support@example.net/INBOX");
	goes_to(&w, "b+shared/support", "support@example.net/INBOX");
	group_mailbox(&w, "club@example.net");
	goes_to(&w, "club+shared/support", "club@example.net/INBOX");
	put_alias(&w, "sales", "b+shared/support/orders", "a+shared/support/orders");
	goes_to(&w, "sales", "b@example.net/INBOX support@example.net/orders");
	refused(&w, "who+shared/support/orders", nobody);
	end(&w);
}

/* All rights but this one are of no use. */
static void
rights(void **state)
{
	static const char conf[] = "sharing.anyone = no\n";
	struct buf faults = {0};
	struct world w;

	(void)state;
	for (unsigned anyone = 0; anyone < 2; anyone++) {
		begin(&w, anyone ? "" : conf);
		property(&w, "support@example.net", "orders", "acl/a@example.net", "lrswikxtea");
		goes_to(&w, "a+shared/support/orders", inbox_of_a);
		property(&w, "support@example.net", "orders", "acl/anyone", "p");
		goes_to(&w, "a+shared/support/orders", anyone ? orders : inbox_of_a);
		property(&w, "support@example.net", "orders", "acl/anyone", NULL);
		property(&w, "support@example.net", "orders", "acl/authenticated", "p");
		goes_to(&w, "a+shared/support/orders", anyone ? orders : inbox_of_a);
		property(&w, "support@example.net", "orders", "acl/group:clerks", "p");
		goes_to(&w, "a+shared/support/orders", anyone ? orders : inbox_of_a);
		auth_set_groups(w.s.site->auth, auth_groups_parse(STR("clerks:x:1:a\n"), "groups",
		                                    STR("example.net"), &faults));
		goes_to(&w, "a+shared/support/orders", orders);
		property(&w, "support@example.net", "orders", "acl/-a@example.net", "p");
		goes_to(&w, "a+shared/support/orders", inbox_of_a);
		end(&w);
	}
	buf_fini(&faults);
}

/* A mailbox in which one may not post does not exist, so it does not hide another. */
static void
spelling(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "");
	mailbox(&w, "support@example.net", "ORDERS");
	property(&w, "support@example.net", "ORDERS", "acl/a@example.net", "p");
	goes_to(&w, "a+Shared/support/orders", "support@example.net/ORDERS");
	property(&w, "support@example.net", "orders", "acl/a@example.net", "p");
	goes_to(&w, "a+Shared/support/orders", orders);
	goes_to(&w, "a+Shared/support/ORDERS", "support@example.net/ORDERS");
	goes_to(&w, "a+Shared/support/Orders", "support@example.net/ORDERS");
	end(&w);
}

/* A mailbox of the user's own is what it was, unless IMAP no longer shows it. */
static void
own(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "");
	property(&w, "support@example.net", "orders", "acl/a@example.net", "p");
	mailbox(&w, "a@example.net", "Shared/support/orders");
	mailbox(&w, "a@example.net", "Shared/Lists");
	goes_to(&w, "a+Shared/support/orders", orders);
	goes_to(&w, "a+Shared/Lists", inbox_of_a);
	goes_to(&w, "a+shared/lists", inbox_of_a);
	mailbox(&w, "a@example.net", "shared/support/Orders");
	goes_to(&w, "a+shared/support/orders", "a@example.net/shared/support/Orders");
	/* Nor is one's own account among those of others. */
	property(&w, "a@example.net", "INBOX", "acl/a@example.net", "p");
	mailbox(&w, "a@example.net", "x");
	property(&w, "a@example.net", "x", "acl/anyone", "p");
	goes_to(&w, "\"a+Other Users/a/x\"", inbox_of_a);
	end(&w);
}

static void
options(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "sharing.shared_prefix = \"#teams/\"\nsharing.others_prefix = \"\"\n"
	          "lmtp.missing_mailbox = create\n");
	mailbox(&w, "b@example.net", "x");
	property(&w, "b@example.net", "x", "acl/a@example.net", "p");
	property(&w, "support@example.net", "orders", "acl/a@example.net", "p");
	goes_to(&w, "a+#Teams/support/orders", orders);
	goes_to(&w, "a+#teams/support/none", inbox_of_a);
	goes_to(&w, "a+shared/support/orders", "a@example.net/shared/support/orders");
	goes_to(&w, "\"a+Other Users/b/x\"", "a@example.net/Other Users/b/x");
	end(&w);
}

/* Nothing is made in anybody's account. */
static void
create(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "lmtp.missing_mailbox = create\n");
	property(&w, "support@example.net", "orders", "acl/a@example.net", "kpi");
	goes_to(&w, "a+Shared/support/orders/new", inbox_of_a);
	goes_to(&w, "a+shared/support/new", inbox_of_a);
	goes_to(&w, "a+shared/nobody/new", inbox_of_a);
	goes_to(&w, "a+Shared", "a@example.net/Shared");
	end(&w);
}

/* Users with and without a domain. */
static void
domains(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "lmtp.domains = [one.example, two.example]\n");
	w.s.server.default_domain = STR("");
	site_user(w.s.site, "c@two.example", "x", NULL, false);
	group_mailbox(&w, "club@two.example");
	group_mailbox(&w, "club@one.example");
	group_mailbox(&w, "club");
	goes_to(&w, "club@two.example", "club@two.example/INBOX");
	goes_to(&w, "club@one.example", "club@one.example/INBOX");
	goes_to(&w, "club", "club/INBOX");
	property(&w, "club@two.example", "INBOX", "acl/c@two.example", "p");
	goes_to(&w, "c+shared/club@two.example", "club@two.example/INBOX");
	goes_to(&w, "\"c+shared/club@two.example/INBOX\"@two.example", "club@two.example/INBOX");
	property(&w, "club", "INBOX", "acl/c@two.example", "p");
	goes_to(&w, "c+shared/club@two.example", "club/INBOX");
	property(&w, "club@one.example", "INBOX", "acl/c@two.example", "p");
	goes_to(&w, "\"c+shared/club@one.example\"@two.example", "club@one.example/INBOX");
	end(&w);
}

/* ---- what the sender learns */

/* Whether there is such an account or mailbox or not: the same replies, after as much work. */
static void
silence(void **state)
{
	static const char *const addresses[] = {"a+shared/support/orders", "a+shared/support/none",
	    "a+shared/none/orders", "\"a+other users/b/INBOX\"", "\"a+other users/b/none\"",
	    "\"a+other users/c/INBOX\"", "\"a+other users/gone/INBOX\"", "a+none"};
	struct world w;

	(void)state;
	begin(&w, "");
	site_mailbox(w.s.site, "gone", "lists");
	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		struct lmtp_stats before = w.s.ll.stats;

		goes_to(&w, addresses[i], inbox_of_a);
		assert_int_equal(w.s.ll.stats.lookups[0] - before.lookups[0], 1);
		assert_int_equal(w.s.ll.stats.delivered - before.delivered, 1);
	}
	end(&w);
}

/* The owner of the mailbox pays. */
static void
quota(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "");
	property(&w, "support@example.net", "orders", "acl/a@example.net", "p");
	site_quota(w.s.site, "a", STORE_QUOTA_MESSAGE, 1, "");
	refused(&w, "a", "452 4.2.2");
	goes_to(&w, "a+shared/support/orders", orders);
	site_quota(w.s.site, "support", STORE_QUOTA_MESSAGE, 1, "");
	refused(&w, "a+shared/support/orders", "452 4.2.2");
	refused(&w, "support", "452 4.2.2");
	site_quota(w.s.site, "a", STORE_QUOTA_MESSAGE, 9, "");
	refused(&w, "a+shared/support/orders", "452 4.2.2");
	goes_to(&w, "a", inbox_of_a);
	end(&w);
}

/* ---- meanwhile */

/* The right goes between RCPT and the end of the message: the mail server must try again. */
static void
right_lost(void **state)
{
	struct buf grew = {0};
	struct world w;

	(void)state;
	begin(&w, "");
	for (unsigned more = 0; more < 3; more++) {
		property(&w, "support@example.net", "orders", "acl/a@example.net", "p");
		count(&w, &w.before);
		rcpt(&w, "a+shared/support/orders");
		if (more > 0)
			say(&w, "RCPT TO:<b>\r\n");
		if (more > 1)
			say(&w, "RCPT TO:<a>\r\n");
		say(&w, "DATA\r\n");
		property(&w, "support@example.net", "orders", "acl/a@example.net", NULL);
		say(&w, "a: b\r\n\r\n.\r\n");
		assert_true(strncmp(heard(&w), "451 4.3.0", 9) == 0);
		assert_int_equal(strstr(heard(&w), "\r\n250 2.0.0") != NULL, more > 0);
		grew.n = 0;
		what_grew(&w, &grew);
		assert_string_equal(
		    buf_cstr(&grew), more == 0   ? ""
		                     : more == 1 ? "b@example.net/INBOX"
		                                 : "a@example.net/INBOX b@example.net/INBOX");
		goes_to(&w, "a+shared/support/orders", inbox_of_a);
	}
	buf_fini(&grew);
	end(&w);
}

/* The mailbox that gets the message as a whole needs no right of one of its recipients. */
static void
right_not_needed(void **state)
{
	struct buf grew = {0};
	struct world w;

	(void)state;
	begin(&w, "");
	for (unsigned first = 0; first < 2; first++) {
		property(&w, "support@example.net", "orders", "acl/a@example.net", "p");
		count(&w, &w.before);
		rcpt(&w, first ? "support+orders" : "a+shared/support/orders");
		say(&w, first ? "RCPT TO:<a+shared/support/orders>\r\n"
		              : "RCPT TO:<support+orders>\r\n");
		say(&w, "DATA\r\n");
		property(&w, "support@example.net", "orders", "acl/a@example.net", NULL);
		say(&w, "a: b\r\n\r\n.\r\n");
		grew.n = 0;
		what_grew(&w, &grew);
		assert_string_equal(buf_cstr(&grew), orders);
	}
	buf_fini(&grew);
	end(&w);
}

/* After the list was read, another mailbox has the name: one where the user may not post. */
static void
turn(struct world *w)
{
	w->then = NULL;
	change_list(w, "support@example.net", STORE_CHANGE_RENAME, "orders", "past");
	mailbox(w, "support@example.net", "orders");
}

static void
take(struct world *w)
{
	w->then = NULL;
	property(w, "support@example.net", "orders", "acl/a@example.net", NULL);
}

/* Endless: it has one name or the other whenever it is looked for. */
static void
swing(struct world *w)
{
	void (*then)(struct world *) = w->then;

	w->then = NULL;
	change_list(w, "support@example.net", STORE_CHANGE_RENAME, w->turned ? "ORDERS" : "orders",
	    w->turned ? "orders" : "ORDERS");
	w->turned = !w->turned;
	w->then = then;
}

/* Returns a reference: the mailbox stays loaded, so that loading it is no look. */
static struct store_mailbox *
loaded(struct world *w, const char *user, const char *name)
{
	struct store_account *account = account_of(w, user);
	struct store_mailbox *mb;

	assert_int_equal(store_mailbox_load(account, str_of(name), &mb), TS_OK);
	store_account_unref(&account);
	return mb;
}

/* Whatever happens after which look: the message never goes where the user may not post. */
static void
meanwhile(void **state)
{
	static void (*const what[])(struct world *) = {turn, take};
	static const char *const else_to[] = {"support@example.net/past", ""};
	unsigned seen[2] = {0, 0};

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		for (unsigned at = 1; at < 12; at++) {
			struct buf grew = {0};
			struct world w;
			struct store_mailbox *mb;
			bool happened;

			begin(&w, "");
			mb = loaded(&w, "support@example.net", "orders");
			property(&w, "support@example.net", "orders", "acl/a@example.net", "p");
			count(&w, &w.before);
			w.at = at;
			w.then = what[i];
			rcpt(&w, "a+shared/support/orders");
			assert_true(strncmp(heard(&w), ok, 9) == 0);
			happened = w.then == NULL;
			w.then = NULL;
			say(&w, "DATA\r\n");
			say(&w, "a: b\r\n\r\n.\r\n");
			if (happened) {
				what_grew(&w, &grew);
				if (strcmp(buf_cstr(&grew), inbox_of_a) == 0)
					seen[0]++;
				else if (strcmp(buf_cstr(&grew), else_to[i]) == 0)
					seen[1]++;
				else if (strcmp(buf_cstr(&grew), orders) != 0 || i != 1 ||
				         strncmp(heard(&w), "250", 3) != 0)
					fail_msg(
					    "%u %u: %s; %s", i, at, buf_cstr(&grew), heard(&w));
			}
			buf_fini(&grew);
			store_mailbox_unref(&mb);
			end(&w);
		}
	assert_true(seen[0] > 0 && seen[1] > 0);
}

/* One that never stops: the mail server must try again. */
static void
endless(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "");
	property(&w, "support@example.net", "orders", "acl/a@example.net", "p");
	w.then = swing;
	rcpt(&w, "a+shared/support/orders");
	assert_true(strncmp(heard(&w), "451 4.3.0", 9) == 0);
	end(&w);
}

/* ---- faults */

/* Nothing is in memory, and a read fails: the mail server must try again; the message does not go
 * to INBOX meanwhile.  Returns whether the fault occurred. */
static bool
read_fails(struct engine_mem_disk *disk, enum engine_mem_op op, enum ts_err err, uint64_t n,
    const char *address)
{
	struct world w = {.s = {.disk = engine_mem_image(disk)}};
	uint64_t before;
	bool met;

	lmtp_site_begin(&w.s, STR(""), 0, NULL);
	lmtp_site_connect(&w.s, false);
	say(&w, "LHLO me\r\n");
	before = engine_mem_count(w.s.site->disk, op);
	engine_mem_fail(w.s.site->disk, op, n, err, false);
	rcpt(&w, address);
	met = engine_mem_count(w.s.site->disk, op) - before >= n;
	engine_mem_fail(w.s.site->disk, op, 0, TS_OK, false);
	if (strncmp(heard(&w), ok, 9) == 0) {
		struct buf grew = {0};

		count(&w, &w.before);
		say(&w, "DATA\r\n");
		say(&w, "a: b\r\n\r\n.\r\n");
		what_grew(&w, &grew);
		assert_string_equal(buf_cstr(&grew), orders);
		buf_fini(&grew);
	} else if (strncmp(heard(&w), "451 4.3.0", 9) != 0)
		fail_msg("%d %u: %s", (int)op, (unsigned)n, heard(&w));
	if (err != TS_DAMAGED) /* a damaged account stays so */
		goes_to(&w, address, orders);
	end(&w);
	return met;
}

static void
reads_fail(void **state)
{
	static const struct {
		enum engine_mem_op op;
		enum ts_err err;
	} faults[] = {
	    {ENGINE_MEM_GET, TS_IO}, {ENGINE_MEM_GET, TS_DAMAGED}, {ENGINE_MEM_ITER_NEXT, TS_IO}};
	struct engine_mem_disk *disk;
	unsigned met = 0;
	struct world w;

	(void)state;
	begin(&w, "");
	property(&w, "support@example.net", "orders", "acl/a@example.net", "p");
	disk = engine_mem_image(w.s.site->disk);
	end(&w);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		for (unsigned k = 0; k < 2; k++)
			for (uint64_t n = 1; read_fails(disk, faults[i].op, faults[i].err, n,
			         k ? "support+orders" : "a+shared/support/orders");
			     n++)
				met++;
	assert_true(met > 10);
	engine_mem_disk_free(&disk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(group), cmocka_unit_test(no_user),
	    cmocka_unit_test(group_order), cmocka_unit_test(group_create),
	    cmocka_unit_test(posting), cmocka_unit_test(rights), cmocka_unit_test(spelling),
	    cmocka_unit_test(own), cmocka_unit_test(options), cmocka_unit_test(create),
	    cmocka_unit_test(domains), cmocka_unit_test(silence), cmocka_unit_test(quota),
	    cmocka_unit_test(right_lost), cmocka_unit_test(right_not_needed),
	    cmocka_unit_test(meanwhile), cmocka_unit_test(endless), cmocka_unit_test(reads_fail)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
