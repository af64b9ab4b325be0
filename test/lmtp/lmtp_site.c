/* SPDX-License-Identifier: Apache-2.0 */
/* See lmtp_site.h. */
#include "lmtp_site.h"

#include <unistd.h>

#include "auth/sharing.h"
#include "base/err.h"

static void
add_users(struct site *site)
{
	site_user(site, "a", "x", NULL, false);
	site_user(site, "b", "x", NULL, false);
	site_message(site, "a", "INBOX", "", STR("Subject: a\r\n\r\n"));
	site_message(site, "b", "INBOX", "", STR("Subject: b\r\n\r\n"));
}

void
lmtp_site_begin(struct lmtp_site *s, struct str conf, unsigned lanes, struct tls_slot *tls)
{
	static const struct conf_table *const tables[] = {&lmtp_conf, &auth_sharing_conf};
	struct conf_faults faults = {0};
	enum ts_err err;

	s->site = site_new(&(struct site_options){
	    .conf = STR("plaintext_login = always\n"), .lanes = lanes, .disk = s->disk});
	err = conf_parse((struct conf_tables){tables, 2}, conf, "test", NULL, &faults, &s->conf);
	TS_ASSERT(err == TS_OK);
	conf_faults_fini(&faults);
	if (s->disk == NULL)
		add_users(s->site);
	s->server.store = s->site->store;
	s->server.auth = s->site->auth;
	s->server.workers = s->site->server.workers;
	s->server.tls = tls;
	s->server.default_domain = STR("example.net");
	lmtp_server_init(&s->server);
	lmtp_loop_init(&s->ll, &s->server, 0, 1, s->site->loop, s->conf);
}

void
lmtp_site_connect(struct lmtp_site *s, bool tls)
{
	struct lmtp_conn *conn = lmtp_conn_new(&s->ll, STR("192.0.2.1"), NULL);
	struct stream *stream;

	s->fake = stream_fake_new(s->site->loop, tls);
	stream = stream_fake_stream(s->fake);
	stream_set_events(stream, lmtp_conn_events(), conn);
	lmtp_conn_start(conn, stream, tls ? LMTP_TLS_IMPLICIT : LMTP_TLS_STARTTLS);
	site_run(s->site);
}

void
lmtp_site_disconnect(struct lmtp_site *s)
{
	if (s->fake == NULL)
		return;
	stream_fake_free(&s->fake);
	site_run(s->site);
}

void
lmtp_site_property(struct lmtp_site *s, const char *account, const char *mailbox, const char *name,
    const char *value)
{
	struct store_account *a = NULL;
	struct store_mailbox *mb = NULL;
	struct store_property_op op = {
	    .name = str_of(name), .value = str_of(value), .remove = value == NULL};
	enum ts_err err = store_account_load(s->site->store, str_of(account), true, &a);
	struct store_change *c;

	/* Loading waits for whoever loads now. */
	if (err == TS_OK && mailbox != NULL)
		mb = store_mailbox_find(a, str_of(mailbox), &err);
	if (err == TS_UNAVAILABLE)
		err = store_mailbox_load(a, str_of(mailbox), &mb);
	TS_ASSERT(err == TS_OK);
	c = store_change_new(a, STORE_CHANGE_PROPERTIES, NULL, NULL, NULL);
	c->mailbox = mb;
	c->properties = &op;
	c->property_count = 1;
	err = store_submit_wait(c);
	TS_ASSERT(err == TS_OK || err == TS_UNKNOWN || err == TS_FULL); /* those that are planted */
	store_change_free(&c);
	store_mailbox_unref(&mb);
	store_account_unref(&a);
}

/* A change left behind by a connection ends on the loop. */
static void
settle(struct lmtp_site *s)
{
	struct store_stats st;

	do {
		site_run(s->site);
		store_stats(s->site->store, &st);
	} while (st.changes_pending > 0 && usleep(1000) == 0);
	site_run(s->site);
}

void
lmtp_site_end(struct lmtp_site *s)
{
	lmtp_site_disconnect(s);
	settle(s);
	TS_ASSERT(session_loop_is_empty(&s->ll.sessions));
	for (unsigned k = 0; k < ARENA_KINDS; k++)
		TS_ASSERT(s->ll.pool.live_arenas[k] == 0);
	lmtp_loop_fini(&s->ll);
	lmtp_server_fini(&s->server);
	site_free(&s->site);
	conf_unref(&s->conf);
}
