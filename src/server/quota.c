/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quota of the running server: puts the configuration's limits in force, and warns users.  Warnings
 * have a thread of their own, since they wait for the store.
 *
 * The store calls crossed() when an account's level is not the one its user was last told.  The
 * thread looks at the account, and one change adds the message to INBOX and records the level, so
 * each crossing gets one message, whatever happens in between.  If the server stops first, or too
 * many accounts wait, the store calls again after the account's next change.  Once the change is
 * durable, the command gets it (quota_command.c), whose queue had room before.
 */
#include <unistd.h>

#include "auth/grants.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "lmtp/settings.h"
#include "server/config/quota.h"
#include "server/quota_command.h"
#include "server/server_int.h"

enum { WAITING_MAX = 256 };

struct server_quota {
	struct server *server;
	pthread_t thread;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	bool stop;
	struct buf from; /* address */
	bool by_mail;
	char *waiting[WAITING_MAX];
	size_t waiting_count;
	struct quota_command *command;
	pthread_mutex_t configuring; /* guards the two below */
	struct quota_rules *rules;
	struct auth_groups *groups; /* in force when the rules were last applied */
};

static void
crossed(void *arg, struct str account)
{
	struct server_quota *q = arg;
	bool known = false;

	(void)pthread_mutex_lock(&q->lock);
	for (size_t i = 0; i < q->waiting_count; i++)
		known |= str_eq(str_of(q->waiting[i]), account);
	if (!known && q->waiting_count < WAITING_MAX) {
		char *name = mem_zalloc(account.n + 1);

		memcpy(name, account.p, account.n);
		q->waiting[q->waiting_count++] = name;
		(void)pthread_cond_signal(&q->wake);
	}
	(void)pthread_mutex_unlock(&q->lock);
}

/* ---- the message ---- */

/* Returns whether the name can stand in To unquoted (RFC 5322 section 3.4.1: dot-atoms). */
static bool
is_plain_address(struct str name)
{
	static const char atoms[] = "!#$%&'*+-/=?^_`{|}~.";
	size_t at = 0;

	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (c == '@')
			at++;
		else if (strchr(atoms, c) == NULL &&
		         !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		             (c >= 'a' && c <= 'z')))
			return false;
	}
	return at == 1 && name.p[0] != '@' && name.p[name.n - 1] != '@' && name.n <= 320;
}

static void
put_usage(const struct store_quota_levels *l, enum store_quota_resource r, struct buf *out)
{
	static const char *const what[] = {"", " messages", " mailboxes"};
	uint64_t usage = l->root.usage[r], limit = l->root.in_force.limit[r];

	if (r == STORE_QUOTA_STORAGE) {
		buf_size(out, usage);
		buf_puts(out, " of ");
		buf_size(out, limit);
	} else {
		buf_printf(out, "%llu of %llu%s", (unsigned long long)usage,
		    (unsigned long long)limit, what[r]);
	}
}

static void
put_message(const struct store_quota_levels *l, struct str user, struct str from, struct buf *out)
{
	unsigned highest = 0;
	uint64_t id[2];

	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++)
		if (l->now[r] > l->warned[r] && l->now[r] > highest)
			highest = l->now[r];
	random_bytes(id, sizeof(id));
	buf_printf(out, "From: Mail system <%.*s>\r\n", STR_ARG(from));
	if (is_plain_address(user))
		buf_printf(out, "To: <%.*s>\r\n", STR_ARG(user));
	else
		buf_puts(out, "To: undisclosed-recipients:;\r\n");
	buf_printf(out, "Subject: Your mail has reached %u%% of its limit\r\nDate: ", highest);
	clock_put_date(clock_wall_s(), out);
	buf_printf(out, "\r\nMessage-ID: <%016llx%016llx@quota.invalid>\r\n",
	    (unsigned long long)id[0], (unsigned long long)id[1]);
	buf_puts(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
	              "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
	buf_puts(out, "Your mail takes up:\r\n\r\n");
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++)
		if (l->now[r] > 0) {
			buf_puts(out, "    ");
			put_usage(l, r, out);
			buf_puts(out, "\r\n");
		}
	buf_puts(out, "\r\nWhen a limit is reached, no new mail can be received or stored. To make "
	              "room,\r\ndelete messages that you do not need, and empty the trash.\r\n");
}

/* ---- the thread ---- */

static void
upload_done(void *arg, enum ts_err err)
{
	*(enum ts_err *)arg = err;
}

static void
nobody_waits(void *arg)
{
	(void)arg;
}

/* Adds the message to the change and submits it; the upload's loop runs in this thread. */
static enum ts_err
add_message(struct server_quota *q, struct store_change *c, const struct store_quota_levels *l)
{
	struct store *store = q->server->store;
	struct work_pool *pool = work_pool_new(0);
	struct loop *loop = loop_new_fake();
	enum ts_err err = TS_UNAVAILABLE;
	struct buf text = {0};
	struct store_upload *u = store_upload_new(store, pool, loop, (struct work_who){0});

	(void)pthread_mutex_lock(&q->lock);
	put_message(l, store_account_name(c->account), buf_as_str(&q->from), &text);
	(void)pthread_mutex_unlock(&q->lock);
	(void)store_upload_write(u, buf_as_str(&text), nobody_waits, NULL);
	store_upload_finish(u, upload_done, &err);
	loop_fake_run(loop);
	buf_fini(&text);
	if (err == TS_OK) {
		c->items = arena_array(c->arena, 1, sizeof(*c->items));
		c->item_count = 1;
		c->items[0].upload = u;
		u = NULL;
		err = store_submit_wait(c);
	}
	store_upload_free(&u);
	loop_fake_run(loop);
	/* An upload that the store did not take still belongs to the change. */
	store_change_free(&c);
	loop_fake_run(loop);
	loop_free(&loop);
	work_pool_free(&pool);
	return err;
}

static bool
is_by_mail(struct server_quota *q)
{
	bool is;

	(void)pthread_mutex_lock(&q->lock);
	is = q->by_mail;
	(void)pthread_mutex_unlock(&q->lock);
	return is;
}

static enum ts_err
note_levels(
    struct server_quota *q, struct store_account *account, const struct store_quota_levels *levels)
{
	struct store_change *c = store_quota_told(account, levels, is_by_mail(q), NULL, NULL, NULL);
	struct store_mailbox *inbox = NULL;
	enum ts_err err;

	if (c->kind == STORE_CHANGE_PROPERTIES) {
		err = store_submit_wait(c);
		store_change_free(&c);
		return err;
	}
	err = store_mailbox_load(account, STR("INBOX"), &inbox);
	c->mailbox = inbox;
	if (err == TS_OK)
		err = add_message(q, c, levels);
	else
		store_change_free(&c);
	if (inbox != NULL)
		store_mailbox_unref(&inbox);
	return err;
}

static enum ts_err
tell(struct server_quota *q, struct store_account *account)
{
	struct store_quota_levels levels;
	enum ts_err err;

	if (!store_quota_levels(account, &levels) || !quota_command_has_room(q->command))
		return TS_OK;
	err = note_levels(q, account, &levels);
	if (err == TS_OK)
		quota_command_run(q->command, store_account_name(account), &levels);
	return err;
}

static void
look_at(struct server_quota *q, struct str name)
{
	struct store_account *account;
	enum ts_err err = store_account_load(q->server->store, name, false, &account);

	if (err == TS_OK) {
		err = tell(q, account);
		store_account_unref(&account);
	}
	/* Another thread did it, or the account is gone. */
	if (err == TS_OK || err == TS_CONDITION || err == TS_EXISTS || err == TS_NOT_FOUND)
		return;
	log_msg(LOG_WARNING, NULL, "quota: %.*s could not be warned: %s", STR_ARG(name),
	    ts_err_name(err));
}

static void *
warn(void *arg)
{
	struct server_quota *q = arg;

	(void)pthread_mutex_lock(&q->lock);
	while (!q->stop) {
		char *name;

		if (q->waiting_count == 0) {
			(void)pthread_cond_wait(&q->wake, &q->lock);
			continue;
		}
		name = q->waiting[0];
		q->waiting_count--;
		memmove(q->waiting, q->waiting + 1, q->waiting_count * sizeof(*q->waiting));
		(void)pthread_mutex_unlock(&q->lock);
		look_at(q, str_of(name));
		mem_free(name);
		(void)pthread_mutex_lock(&q->lock);
	}
	(void)pthread_mutex_unlock(&q->lock);
	return NULL;
}

/* ---- what is in force ---- */

static void
note_mail(struct server_quota *q, const struct conf *conf)
{
	const struct quota_settings *s = conf_get(conf, &quota_conf);
	const struct server_settings *ss = conf_get(conf, &server_conf);
	const struct lmtp_settings *ls = conf_get(conf, &lmtp_conf);
	char host[256] = "localhost";

	(void)gethostname(host, sizeof(host) - 1);
	(void)pthread_mutex_lock(&q->lock);
	q->by_mail = s->warn_mail;
	q->from.n = 0;
	if (s->warn_from.n > 0) {
		buf_str(&q->from, s->warn_from);
	} else {
		buf_puts(&q->from, "postmaster@");
		buf_str(&q->from, ss->default_domain.n > 0 ? ss->default_domain
		                  : ls->hostname.n > 0     ? ls->hostname
		                                           : str_of(host));
	}
	(void)pthread_mutex_unlock(&q->lock);
}

static void
apply(struct server_quota *q)
{
	struct store_quota_source source;

	auth_groups_unref(&q->groups);
	q->groups = auth_groups_get(q->server->auth);
	quota_rules_source(q->rules, &source);
	store_quota_source(q->server->store, &source);
}

void
server_quota_configure(struct server *server, struct conf *conf)
{
	struct server_quota *q = server->quota;
	struct quota_rules *old;

	note_mail(q, conf);
	quota_command_configure(q->command, conf_get(conf, &quota_conf));
	(void)pthread_mutex_lock(&q->configuring);
	old = q->rules;
	q->rules = quota_rules_new(conf, server->auth, buf_as_str(&server->default_domain));
	quota_rules_on_crossing(q->rules, crossed, q);
	apply(q);
	quota_rules_free(&old);
	(void)pthread_mutex_unlock(&q->configuring);
}

void
server_quota_poll(struct server *server)
{
	struct server_quota *q = server->quota;
	struct auth_groups *groups;

	(void)pthread_mutex_lock(&q->configuring);
	groups = auth_groups_get(server->auth);
	if (groups != q->groups)
		apply(q);
	auth_groups_unref(&groups);
	(void)pthread_mutex_unlock(&q->configuring);
}

void
server_quota_begin(struct server *server)
{
	const struct quota_settings *s = conf_get(server->conf, &quota_conf);
	struct server_quota *q = mem_zalloc(sizeof(*q));

	server->quota = q;
	q->server = server;
	q->command = quota_command_new(server->helper, (unsigned)s->warn_commands);
	(void)pthread_mutex_init(&q->lock, NULL);
	(void)pthread_mutex_init(&q->configuring, NULL);
	(void)pthread_cond_init(&q->wake, NULL);
	server_quota_configure(server, server->conf);
	TS_ASSERT(pthread_create(&q->thread, NULL, warn, q) == 0);
}

void
server_quota_end(struct server *server)
{
	struct server_quota *q = server->quota;

	if (q == NULL)
		return;
	store_quota_source(server->store, NULL);
	(void)pthread_mutex_lock(&q->lock);
	q->stop = true;
	(void)pthread_cond_signal(&q->wake);
	(void)pthread_mutex_unlock(&q->lock);
	(void)pthread_join(q->thread, NULL);
	quota_command_free(&q->command);
	for (size_t i = 0; i < q->waiting_count; i++)
		mem_free(q->waiting[i]);
	quota_rules_free(&q->rules);
	auth_groups_unref(&q->groups);
	buf_fini(&q->from);
	(void)pthread_cond_destroy(&q->wake);
	(void)pthread_mutex_destroy(&q->configuring);
	(void)pthread_mutex_destroy(&q->lock);
	mem_free(q);
	server->quota = NULL;
}
