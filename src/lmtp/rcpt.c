/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RCPT: from an address to mailboxes, in a job on a worker.
 *
 * An address, prepared as a user's name is (default_domain behind a name without
 * one), is the first of these that there is:
 *
 *   an alias of that name     what it stands for, each looked up likewise
 *   a user of that name       the INBOX
 *   both again without the sub-address; of a user, the mailbox it names
 *   the domain's alias "@domain"
 *   all of this without the domain, if default_domain is empty and lmtp.domains has it
 *
 * A sub-address may be more than a name can hold: `"alice+my lists"` is a quoted local part
 * (RFC 5321 section 4.1.2), so then the part before the separator alone is prepared.  Upper and
 * lower case are the same in a sub-address: of mailboxes that differ in nothing else it means the
 * one that is spelled as it is, or the first.
 *
 * A user who has no account yet, or not the mailbox: the worker notes what is
 * wanted, the loop makes it and waits for the flush, which no worker does, and
 * the address is looked up once more.
 *
 * Loops of aliases end because an alias that is being expanded is not one
 * again: its name then means the user.
 */
#include "auth/alias.h"
#include "auth/db.h"
#include "lmtp/conn_int.h"
#include "mail/text/text.h"
#include "sasl/names.h"
#include "wire/utf7.h"

enum {
	ALIAS_DEPTH = 16,
	LOOKUPS_MAX = 10000, /* names looked up for one address */
	LOOKS = 8,           /* at a user's mailboxes, when they change */
	ROUNDS_MAX = 4       /* accounts are made, mailboxes are made, all are found; one more */
};

struct found {
	struct found *next;
	struct store_mailbox *mailbox; /* a reference */
	struct str name;               /* the mailbox's */
};

struct wanted { /* what is to be made first */
	struct wanted *next;
	struct lmtp_job *job;
	struct store_account *account; /* a reference; NULL: it is the account that is wanted */
	struct str user, mailbox;
	struct store_change *change; /* under way; the loop's */
};

struct lmtp_job {
	struct work work;
	struct lmtp_conn *conn; /* the worker reads only what does not change */
	struct arena *arena;
	struct str local, domain, text;
	struct str spelled; /* the sub-address as it was given; empty: none */
	struct found *first, **tail;
	size_t count;                   /* of these and of those wanted */
	struct wanted *wanted, *cannot; /* cannot: mailboxes that were refused */
	size_t making;
	unsigned rounds;
	struct str open[ALIAS_DEPTH]; /* aliases that are being expanded */
	size_t depth, lookups;
	const char *reply; /* static; NULL: found */
};

static const char no_user[] = "550 5.1.1 No such user here", disabled[] = "550 5.2.1 Disabled",
                  later[] = "451 4.3.0 The mail store cannot be asked now",
                  full[] = "452 4.3.1 The mail store is full",
                  too_many[] = "452 4.5.3 Too many recipients",
                  no_domain[] = "550 5.1.2 Mail for this domain is not taken here";

static const char *
reply_for(enum ts_err err)
{
	return err == TS_FULL ? full : later;
}

/* ---- on a worker ---- */

/* account NULL: of the user. */
static void
want_mailbox(
    struct lmtp_job *job, struct str user, struct store_account *account, struct str mailbox)
{
	struct wanted *w = arena_new_object(job->arena, struct wanted);

	for (const struct wanted *o = job->wanted; o != NULL; o = o->next)
		if (str_eq(o->user, user) && str_eq(o->mailbox, mailbox))
			return;
	w->job = job;
	w->user = arena_str(job->arena, user);
	w->mailbox = arena_str(job->arena, mailbox);
	w->account = account != NULL ? store_account_ref(account) : NULL;
	w->next = job->wanted;
	job->wanted = w;
}

static bool
cannot_make(const struct lmtp_job *job, struct str user, struct str mailbox)
{
	for (const struct wanted *w = job->cannot; w != NULL; w = w->next)
		if (str_eq(w->user, user) && str_eq(w->mailbox, mailbox))
			return true;
	return false;
}

struct same { /* the mailbox of this name, or the first one whose name compares as want does */
	struct str name;
	struct buf want;
	struct str found;
	struct arena *arena;
};

static bool
is_same(const struct store_mailbox_info *info, void *arg)
{
	struct same *same = arg;
	struct buf name = {0};
	bool exact = str_eq(info->name, same->name);

	if (info->id != 0 && (exact || same->found.n == 0)) {
		mail_casemap(info->name, &name);
		if (exact || str_eq(buf_as_str(&name), buf_as_str(&same->want)))
			same->found = arena_str(same->arena, info->name);
	}
	buf_fini(&name);
	return !exact;
}

/* Is it, as it was given, the sub-address that was asked for? */
static bool
spells(struct str spelled, struct str sub)
{
	struct buf b = {0};
	bool yes =
	    str_eq(spelled, sub) || (sasl_name_prepare(spelled, &b) && str_eq(buf_as_str(&b), sub));

	buf_fini(&b);
	return yes;
}

static enum ts_err
load_found_mailbox(struct store_account *account, struct str name, struct found *f)
{
	f->name = name;
	return store_mailbox_load(account, name, &f->mailbox);
}

/* *again: one was seen, and is not there any more. */
static enum ts_err
load_same(const struct lmtp_job *job, struct store_account *account, struct str sub,
    struct str name, struct found *f, bool *again)
{
	struct same same = {.arena = job->arena, .name = name};
	enum ts_err err = load_found_mailbox(account, name, f);

	*again = false;
	if (err != TS_NOT_FOUND)
		return err;
	mail_casemap(sub, &same.want);
	store_account_list(account, is_same, &same);
	buf_fini(&same.want);
	if (same.found.n == 0)
		return TS_NOT_FOUND;
	err = load_found_mailbox(account, same.found, f);
	*again = err == TS_NOT_FOUND;
	return err;
}

/* The mailbox of a sub-address, or INBOX; none if it is wanted.  Who renames mailboxes meanwhile
 * makes us look again: what was seen at different moments is no answer. */
static enum ts_err
load_mailbox(struct lmtp_job *job, struct store_account *account, struct str user, struct str sub,
    struct found *f)
{
	struct str name = sub.n > 0 && spells(job->spelled, sub) ? job->spelled : sub;
	enum ts_err err = TS_NOT_FOUND;
	bool again = true;

	name = wire_name_kept(job->arena, name);
	for (unsigned i = 0; i < LOOKS && name.n > 0 && again; i++)
		err = load_same(job, account, sub, name, f, &again);
	if (name.n > 0 && again)
		return TS_UNAVAILABLE;
	if (err == TS_NOT_FOUND && wire_name_fault(name) == NULL &&
	    job->conn->settings->missing_mailbox == LMTP_MISSING_CREATE &&
	    !cannot_make(job, user, name)) {
		want_mailbox(job, user, account, name);
		return TS_OK;
	}
	if (err == TS_NOT_FOUND)
		err = load_found_mailbox(account, STR("INBOX"), f);
	return err;
}

static enum ts_err
deliver_to(struct lmtp_job *job, struct str user, struct str mailbox)
{
	struct store_account *account = NULL;
	struct found *f = arena_new_object(job->arena, struct found);
	enum ts_err err = store_account_load(job->conn->server->store, user, false, &account);

	if (err == TS_OK) {
		err = load_mailbox(job, account, user, mailbox, f);
	} else if (err == TS_NOT_FOUND) {
		want_mailbox(job, user, NULL, STR_NONE);
		err = TS_OK;
	}
	store_account_unref(&account);
	if (err != TS_OK)
		return err;
	job->count++;
	if (f->mailbox == NULL)
		return TS_OK;
	*job->tail = f;
	job->tail = &f->next;
	return TS_OK;
}

static bool is_open(const struct lmtp_job *job, struct str name);
static const char *expand(struct lmtp_job *job, const struct auth_alias *alias);

/* An alias or a user of exactly that name.  NULL: delivered; no_user: there is none. */
static const char *
try_name(struct lmtp_job *job, struct str name, struct str mailbox)
{
	struct auth *auth = job->conn->server->auth;
	struct auth_alias alias;
	struct auth_user user;
	enum ts_err err = TS_NOT_FOUND;

	/* Aliases that stand for each other several times over would grow without end. */
	if (++job->lookups > LOOKUPS_MAX)
		return too_many;
	if (!is_open(job, name))
		err = auth_alias_get(auth, name, job->arena, &alias);
	if (err == TS_OK)
		return expand(job, &alias);
	if (err == TS_NOT_FOUND && name.p[0] != '@')
		err = auth_find_user(auth, name, job->arena, &user);
	if (err == TS_NOT_FOUND || err == TS_INVALID)
		return no_user;
	if (err != TS_OK)
		return reply_for(err);
	if ((user.flags & AUTH_USER_DISABLED) != 0)
		return disabled;
	if (job->count >= (size_t)job->conn->settings->recipients)
		return too_many;
	/* A database may call them otherwise. */
	err = deliver_to(job, user.name, mailbox);
	return err == TS_OK ? NULL : reply_for(err);
}

/* local@domain, and without sub-address; domain may be empty. */
static const char *
try_address(struct lmtp_job *job, struct str name)
{
	struct str sep = job->conn->settings->separator, local, domain;
	const char *reply = try_name(job, name, STR_NONE), *at;
	struct buf base = {0};

	if (reply != no_user || !sasl_name_split(name, &local, &domain))
		return reply;
	at = sep.n > 0 ? str_chr(local, sep.p[0]) : NULL;
	if (at == NULL || at == local.p)
		return no_user;
	buf_str(&base, str_range(local.p, at));
	if (domain.n > 0) {
		buf_putc(&base, '@');
		buf_str(&base, domain);
	}
	reply = try_name(
	    job, arena_str(job->arena, buf_as_str(&base)), str_range(at + 1, local.p + local.n));
	buf_fini(&base);
	return reply;
}

static bool
is_open(const struct lmtp_job *job, struct str name)
{
	for (size_t i = 0; i < job->depth; i++)
		if (str_eq(job->open[i], name))
			return true;
	return false;
}

/* Found is found if one of them is; otherwise what the last one was told. */
static const char *
expand(struct lmtp_job *job, const struct auth_alias *alias)
{
	const char *worst = NULL;
	size_t before = job->count;

	if (job->depth == ALIAS_DEPTH)
		return no_user;
	job->open[job->depth++] = alias->name;
	for (size_t i = 0; i < alias->target_count; i++) {
		const char *reply = try_address(job, alias->targets[i]);

		/* One that cannot be looked up now must not be lost; one that is gone may. */
		if (reply != NULL && (worst == NULL || reply[0] == '4'))
			worst = reply;
		if (reply == too_many)
			break;
	}
	job->depth--;
	if (worst != NULL && worst[0] == '4')
		return worst;
	return job->count > before ? NULL : worst;
}

static bool
domain_listed(const struct lmtp_job *job, struct str domain)
{
	const struct conf_list *list = &job->conn->settings->domains;

	for (size_t i = 0; i < list->n; i++)
		if (str_ieq(list->items[i], domain))
			return true;
	return false;
}

/* local[@domain] becomes a name, with the default domain where it has none. */
static bool
full_name(
    struct lmtp_job *job, struct str local, struct str domain, struct str dflt, struct str *name_r)
{
	struct buf raw = {0}, name = {0};
	bool ok;

	buf_str(&raw, local);
	if (domain.n > 0) {
		buf_putc(&raw, '@');
		buf_str(&raw, domain);
	}
	ok = sasl_name_full(buf_as_str(&raw), dflt, &name);
	if (ok)
		*name_r = arena_str(job->arena, buf_as_str(&name));
	buf_fini(&raw);
	buf_fini(&name);
	return ok;
}

/* The whole local part is a name, or what is before the separator is one. */
static const char *
try_local(struct lmtp_job *job, struct str domain, struct str dflt)
{
	struct str name;

	if (full_name(job, job->local, domain, dflt, &name))
		return try_address(job, name);
	if (job->spelled.n == 0)
		return no_user;
	return full_name(job, str_range(job->local.p, job->spelled.p - 1), domain, dflt, &name)
	           ? try_name(job, name, job->spelled)
	           : no_user;
}

static const char *
look_up_recipient(struct lmtp_job *job)
{
	struct str dflt = job->conn->server->default_domain;
	bool listed = domain_listed(job, job->domain);
	struct str sep = job->conn->settings->separator;
	const char *reply, *at = sep.n > 0 ? str_chr(job->local, sep.p[0]) : NULL;
	struct buf raw = {0}, name = {0};

	if (job->domain.n > 0 && job->conn->settings->domains.n > 0 && !listed &&
	    !str_ieq(job->domain, dflt))
		return no_domain;
	if (at != NULL)
		job->spelled = str_range(at + 1, job->local.p + job->local.n);
	reply = try_local(job, job->domain, dflt);
	/* A quoted local part may have an @, which is not that of a domain. */
	if (reply == no_user && job->domain.n > 0 && listed && dflt.n == 0 &&
	    str_chr(str_range(job->local.p, at != NULL ? at : job->local.p + job->local.n), '@') ==
	        NULL)
		reply = try_local(job, STR_NONE, STR_NONE);
	if (reply == no_user && job->domain.n > 0) {
		buf_putc(&raw, '@');
		buf_str(&raw, job->domain);
		if (auth_alias_name(job->conn->server->auth, buf_as_str(&raw), &name))
			reply = try_name(job, arena_str(job->arena, buf_as_str(&name)), STR_NONE);
	}
	buf_fini(&raw);
	buf_fini(&name);
	return reply;
}

static enum work_end
job_run(struct work *work)
{
	struct lmtp_job *job = list_entry(work, struct lmtp_job, work);

	job->reply = look_up_recipient(job);
	return WORK_DONE;
}

/* ---- on the loop ---- */

/* The transaction's target for a mailbox; the reference of `found` goes to it. */
static struct lmtp_target *
target_of(struct lmtp_txn *txn, struct found *f)
{
	struct lmtp_target *t;

	for (t = txn->targets; t != NULL; t = t->next)
		if (t->mailbox == f->mailbox)
			return t;
	t = arena_new_object(txn->arena, struct lmtp_target);
	t->txn = txn;
	t->mailbox = f->mailbox;
	t->name = arena_str(txn->arena, f->name);
	f->mailbox = NULL;
	*txn->targets_tail = t;
	txn->targets_tail = &t->next;
	txn->target_count++;
	return t;
}

static void
add_rcpt(struct lmtp_txn *txn, struct lmtp_job *job)
{
	struct lmtp_rcpt *rcpt = arena_new_object(txn->arena, struct lmtp_rcpt);

	rcpt->address = arena_str(txn->arena, job->text);
	rcpt->targets = arena_array(txn->arena, job->count, sizeof(struct lmtp_target *));
	for (struct found *f = job->first; f != NULL; f = f->next)
		rcpt->targets[rcpt->target_count++] = target_of(txn, f);
	*txn->rcpts_tail = rcpt;
	txn->rcpts_tail = &rcpt->next;
	txn->rcpt_count++;
}

static void
let_go_of_found(struct lmtp_job *job)
{
	for (struct found *f = job->first; f != NULL; f = f->next)
		store_mailbox_unref(&f->mailbox);
	job->first = NULL;
	job->tail = &job->first;
	job->count = 0;
}

/* What is under way goes on, without us. */
static void
let_go_of_wanted(struct lmtp_job *job)
{
	for (struct wanted *w = job->wanted; w != NULL; w = w->next) {
		store_change_free(&w->change);
		store_account_unref(&w->account);
	}
	job->wanted = NULL;
	job->making = 0;
}

static void
end_job(struct lmtp_job *job)
{
	struct lmtp_conn *conn = job->conn;
	struct lmtp_txn *txn = conn->txn;
	size_t most = (size_t)conn->settings->recipients;

	conn->job = NULL;
	if (job->reply == NULL && txn->target_count + job->count > most)
		job->reply = too_many;
	if (!conn->closing) {
		if (job->reply == NULL) {
			add_rcpt(txn, job);
			lmtp_reply(conn, "250 2.1.5 OK");
		} else
			lmtp_refuse_rcpt(conn, job->text, job->reply);
	}
	let_go_of_found(job);
	let_go_of_wanted(job);
	arena_free(&job->arena);
	if (conn->stream == NULL)
		lmtp_release(conn);
	else
		lmtp_go_on(conn);
}

static void
submit_job(struct lmtp_job *job)
{
	const struct lmtp_server *server = job->conn->server;

	job->rounds++;
	work_submit(server->waiters != NULL ? server->waiters : server->workers, &job->work);
}

/* All is made that can be. */
static void
submit_again(struct lmtp_job *job)
{
	let_go_of_found(job);
	let_go_of_wanted(job);
	job->depth = job->lookups = 0;
	job->spelled = STR_NONE;
	if (job->reply == NULL && job->rounds == ROUNDS_MAX)
		job->reply = later;
	if (job->reply != NULL)
		end_job(job);
	else
		submit_job(job);
}

static void
made(struct store_change *change)
{
	struct wanted *w = change->arg;
	struct lmtp_job *job = w->job;
	enum ts_err err = change->err;

	store_change_free(&w->change);
	if (w->account != NULL && (err == TS_INVALID || err == TS_DENIED || err == TS_LIMIT)) {
		struct wanted *none = arena_new_object(job->arena, struct wanted);

		/* There can be none of that name. */
		none->user = w->user;
		none->mailbox = w->mailbox;
		none->next = job->cannot;
		job->cannot = none;
	} else if (err != TS_OK && err != TS_EXISTS) {
		job->reply = reply_for(err);
	}
	if (--job->making == 0)
		submit_again(job);
}

static void
make_wanted(struct lmtp_job *job)
{
	struct loop *loop = job->conn->ll->loop;

	for (struct wanted *w = job->wanted; w != NULL; w = w->next) {
		job->making++;
		if (w->account == NULL) {
			w->change = store_change_new_account(
			    job->conn->server->store, w->user, loop, made, w);
		} else {
			w->change =
			    store_change_new(w->account, STORE_CHANGE_CREATE, loop, made, w);
			w->change->name = arena_str(w->change->arena, w->mailbox);
		}
	}
	for (struct wanted *w = job->wanted; w != NULL; w = w->next)
		store_submit(w->change);
}

static void
lookup_done(struct work *work)
{
	struct lmtp_job *job = list_entry(work, struct lmtp_job, work);

	if (job->wanted != NULL && job->reply == NULL && !job->conn->closing)
		make_wanted(job);
	else
		end_job(job);
}

/* The connection ends by itself, when the caller is ready. */
void
lmtp_rcpt_cancel(struct lmtp_conn *conn)
{
	struct lmtp_job *job = conn->job;

	if (job == NULL)
		return;
	if (job->making == 0) {
		work_cancel(&job->work);
		return;
	}
	let_go_of_wanted(job);
	let_go_of_found(job);
	conn->job = NULL;
	arena_free(&job->arena);
}

void
lmtp_rcpt_lookup(struct lmtp_conn *conn, const struct lmtp_path *path)
{
	/* No pool: the worker takes from it. */
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct lmtp_job *job = arena_new_object(arena, struct lmtp_job);

	job->arena = arena;
	job->conn = conn;
	job->local = arena_str(arena, path->local);
	job->domain = arena_str(arena, path->domain);
	job->text = arena_str(arena, path->text);
	job->tail = &job->first;
	job->work.run = job_run;
	job->work.done = lookup_done;
	job->work.loop = conn->ll->loop;
	job->work.kind = WORK_SHORT;
	job->work.who.user = conn->id;
	conn->job = job;
	submit_job(job);
}
