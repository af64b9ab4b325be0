/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery: one LMTP connection to a server with the mem engine, on a fake loop, with users a and
 * b, aliases, a group mailbox g into which a may post, and a small limit for messages.
 *
 * The input is what the client sends.  The byte 0xff is an escape; the next byte says what happens:
 *	p     what was sent so far arrives
 *	b     … a byte at a time
 *	a     a minute passes
 *	w W   the client takes no output any more / everything
 *	u     the next commit's outcome is unknown
 *	f     … finds the disk full
 *	d     the client is gone; it connects anew when it sends again
 *	x     a and b expunge all they have, between two steps of a delivery at will
 *	r R   a may no longer post / may again
 *	s     the server goes down, as far as connections are concerned
 * Anything but valid replies of RFC 5321 ends the run, as does anything left at the end.
 */
#include <roaring/roaring.h>

#include "auth/alias.h"
#include "auth/sharing.h"
#include "base/log.h"
#include "lmtp_site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
no_log(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

static void
add_alias(struct site *site, struct str name, struct str one, struct str two)
{
	struct str targets[] = {one, two};
	const struct auth_alias alias = {.name = name, .targets = targets, .target_count = 2};
	const char *why;

	TS_ASSERT(auth_alias_put(site->auth, &alias, &why) == TS_OK);
}

static void
allow(struct lmtp_site *s, bool may)
{
	lmtp_site_property(s, "g@example.net", "INBOX", "acl/a@example.net", may ? "p" : NULL);
}

static struct tls_slot *tls; /* made once */

static void
site_begin(struct lmtp_site *s)
{
	if (tls == NULL)
		tls = site_tls();
	lmtp_site_begin(s,
	    STR("lmtp { domains = [example.net]; missing_mailbox = create\n"
	        "limits { line = 1024; message = 64K; recipients = 100 } }\n"),
	    0, tls);
	add_alias(s->site, STR("t"), STR("a"), STR("b"));
	add_alias(s->site, STR("@example.net"), STR("t"), STR("a+Work"));
	lmtp_site_property(s, "g@example.net", NULL, AUTH_GROUP_MAILBOX, "1");
	allow(s, true);
}

/* Lines that begin with three digits and end in CRLF. */
static void
check_replies(struct buf *out)
{
	struct str rest = buf_as_str(out), line;

	while (str_split(&rest, '\n', &line)) {
		if (line.n == 0)
			continue;
		TS_ASSERT(line.n >= 5 && line.p[line.n - 1] == '\r');
		TS_ASSERT(line.p[0] >= '2' && line.p[0] <= '5');
		TS_ASSERT(line.p[3] == ' ' || line.p[3] == '-');
	}
	buf_fini(out);
}

static void
deliver(struct lmtp_site *s, struct buf *pending, size_t segment)
{
	if (pending->n == 0)
		return;
	if (s->fake != NULL && stream_fake_ended(s->fake, NULL))
		lmtp_site_disconnect(s);
	if (s->fake == NULL)
		lmtp_site_connect(s, false);
	stream_fake_set_segment(s->fake, segment);
	stream_fake_push(s->fake, buf_as_str(pending));
	pending->n = 0;
}

static void
expunge(struct site *site, struct str user)
{
	struct store_account *account = NULL;
	struct store_mailbox *mailbox = NULL;

	if (store_account_load(site->store, user, false, &account) == TS_OK &&
	    store_mailbox_load(account, STR("INBOX"), &mailbox) == TS_OK) {
		struct store_change *c =
		    store_change_new(account, STORE_CHANGE_EXPUNGE, NULL, NULL, NULL);

		c->mailbox = mailbox;
		c->uids = roaring_bitmap_from_range(1, UINT32_MAX, 1);
		(void)!store_submit_wait(c);
		store_change_free(&c);
	}
	store_mailbox_unref(&mailbox);
	store_account_unref(&account);
}

static void
event(struct lmtp_site *s, struct buf *pending, uint8_t what)
{
	deliver(s, pending, what == 'b' ? 1 : 0);
	if (what == 'x') { /* before the loop runs: between its steps */
		expunge(s->site, STR("a@example.net"));
		expunge(s->site, STR("b@example.net"));
	} else if (what == 'r' || what == 'R')
		allow(s, what == 'R');
	else if (what == 'a')
		loop_fake_advance(s->site->loop, 60000);
	else if ((what == 'w' || what == 'W') && s->fake != NULL)
		stream_fake_set_window(s->fake, what == 'w' ? 0 : SIZE_MAX);
	else if (what == 'u')
		engine_mem_fail(s->site->disk, ENGINE_MEM_COMMIT, 1, TS_UNKNOWN, false);
	else if (what == 'f')
		engine_mem_fail(s->site->disk, ENGINE_MEM_COMMIT, 1, TS_FULL, false);
	else if (what == 'd')
		lmtp_site_disconnect(s);
	else if (what == 's')
		lmtp_loop_shutdown(&s->ll);
	site_run(s->site);
	if (s->fake != NULL && stream_fake_stream(s->fake) != NULL)
		check_replies(stream_fake_output(s->fake));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lmtp_site s = {0};
	struct buf pending = {0};

	log_set_sink(no_log, NULL);
	site_begin(&s);
	for (size_t at = 0; at < size; at++)
		if (data[at] == 0xff && at + 1 < size)
			event(&s, &pending, data[++at]);
		else
			buf_putc(&pending, (char)data[at]);
	event(&s, &pending, 'p');
	buf_fini(&pending);
	lmtp_site_end(&s);
	return 0;
}
