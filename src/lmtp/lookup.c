/* SPDX-License-Identifier: Apache-2.0 */
/* See lookup_int.h. */
#include "lmtp/lookup_int.h"

#include "auth/alias.h"
#include "sasl/names.h"
#include "wire/utf7.h"

enum {
	LOOKUPS_MAX = 10000 /* names looked up for one address */
};

static const char no_user[] = "550 5.1.1 No such user here", disabled[] = "550 5.2.1 Disabled",
                  later[] = "451 4.3.0 The mail store cannot be asked now",
                  full[] = "452 4.3.1 The mail store is full",
                  too_many[] = "452 4.5.3 Too many recipients",
                  no_domain[] = "550 5.1.2 Mail for this domain is not taken here",
                  elsewhere[] = ""; /* not found in memory */

const char *
lmtp_lookup_reply_for(enum ts_err err)
{
	return err == TS_FULL ? full : later;
}

/* ---- what a name means; on a worker ---- */

/* account NULL: the account itself is wanted. */
static void
want_mailbox(
    struct lmtp_lookup *l, struct str user, struct store_account *account, struct str mailbox)
{
	struct lmtp_wanted *w = arena_new_object(l->arena, struct lmtp_wanted);

	for (const struct lmtp_wanted *o = l->wanted; o != NULL; o = o->next)
		if (str_eq(o->user, user) && str_eq(o->mailbox, mailbox))
			return;
	w->lookup = l;
	w->user = arena_str(l->arena, user);
	w->mailbox = arena_str(l->arena, mailbox);
	w->account = account != NULL ? store_account_ref(account) : NULL;
	w->next = l->wanted;
	l->wanted = w;
}

static bool
cannot_make(const struct lmtp_lookup *l, struct str user, struct str mailbox)
{
	for (const struct lmtp_wanted *w = l->cannot; w != NULL; w = w->next)
		if (str_eq(w->user, user) && str_eq(w->mailbox, mailbox))
			return true;
	return false;
}

struct owner { /* of the mail that is looked for */
	struct str name;
	bool is_user; /* not a group mailbox */
};

static bool
may_create(const struct lmtp_lookup *l, struct str user, struct str name)
{
	return l->settings->missing_mailbox == LMTP_MISSING_CREATE && !lmtp_sub_shared(l, name) &&
	       wire_name_fault(name) == NULL && !cannot_make(l, user, name);
}

/* Loads the mailbox of a sub-address, or INBOX; sets none if it has to be made. */
static enum ts_err
load_mailbox(struct lmtp_lookup *l, struct store_account *account, const struct owner *owner,
    struct str sub, struct lmtp_found *f)
{
	struct str name = lmtp_sub_name(l, sub);
	enum ts_err err = lmtp_find_own(l, account, sub, f);

	if (err == TS_NOT_FOUND && owner->is_user && lmtp_sub_shared(l, name))
		err = lmtp_find_shared(l, owner->name, sub, f);
	if (err != TS_NOT_FOUND)
		return err;
	if (may_create(l, owner->name, name)) {
		want_mailbox(l, owner->name, account, name);
		return TS_OK;
	}
	f->name = STR("INBOX");
	return store_mailbox_load(account, f->name, &f->mailbox);
}

static void
add_found(struct lmtp_lookup *l, struct lmtp_found *f)
{
	*l->tail = f;
	l->tail = &f->next;
}

static enum ts_err
deliver_in(struct lmtp_lookup *l, struct store_account *account, const struct owner *owner,
    struct str mailbox)
{
	struct lmtp_found *f = arena_new_object(l->arena, struct lmtp_found);
	enum ts_err err = load_mailbox(l, account, owner, mailbox, f);

	if (err != TS_OK)
		return err;
	l->count++;
	if (f->mailbox != NULL)
		add_found(l, f);
	return TS_OK;
}

static enum ts_err
deliver_to_user(struct lmtp_lookup *l, struct str user, struct str mailbox)
{
	struct store_account *account = NULL;
	enum ts_err err = store_account_load(l->server->store, user, false, &account);

	if (err == TS_OK) {
		err = deliver_in(l, account, &(struct owner){user, true}, mailbox);
	} else if (err == TS_NOT_FOUND) {
		want_mailbox(l, user, NULL, STR_NONE);
		l->count++;
		err = TS_OK;
	}
	store_account_unref(&account);
	return err;
}

static const char *
try_group_mailbox(struct lmtp_lookup *l, struct str name, struct str mailbox)
{
	struct store_account *account = NULL;
	enum ts_err err = auth_load_group_mailbox(l->server->store, name, &account);

	if (err == TS_NOT_FOUND)
		return no_user;
	if (err == TS_OK && l->count >= (size_t)l->settings->recipients) {
		store_account_unref(&account);
		return too_many;
	}
	if (err == TS_OK)
		err = deliver_in(l, account, &(struct owner){name, false}, mailbox);
	store_account_unref(&account);
	return err == TS_OK ? NULL : lmtp_lookup_reply_for(err);
}

/* Finds the INBOX of a user who is completely in memory. */
static const char *
recall(struct lmtp_lookup *l, struct str name)
{
	struct lmtp_found *f;
	struct store_account *account;
	enum ts_err err;

	if (!auth_recall_recipient(l->server->auth, name))
		return elsewhere;
	account = store_account_find(l->server->store, name);
	if (account == NULL)
		return elsewhere;
	f = arena_new_object(l->arena, struct lmtp_found);
	f->name = STR("INBOX");
	f->mailbox = store_mailbox_find(account, f->name, &err);
	store_account_unref(&account);
	if (f->mailbox == NULL)
		return elsewhere;
	add_found(l, f);
	l->count++;
	return NULL;
}

static bool
is_open(const struct lmtp_lookup *l, struct str name)
{
	for (size_t i = 0; i < l->depth; i++)
		if (str_eq(l->open[i], name))
			return true;
	return false;
}

static const char *expand(struct lmtp_lookup *l, const struct auth_alias *alias);

/* Tries an alias, a user or a group mailbox of exactly that name.  NULL: delivered; no_user: there
 * is none. */
static const char *
try_name(struct lmtp_lookup *l, struct str name, struct str mailbox)
{
	struct auth_recipient who;
	enum ts_err err;

	/* Aliases that refer to one another several times would grow without end. */
	if (++l->names > LOOKUPS_MAX)
		return too_many;
	if (l->at_hand)
		return mailbox.n == 0 ? recall(l, name) : elsewhere;
	err = auth_find_recipient(l->server->auth, name, is_open(l, name), l->arena, &who);
	if (err == TS_NOT_FOUND || err == TS_INVALID)
		return try_group_mailbox(l, name, mailbox);
	if (err != TS_OK)
		return lmtp_lookup_reply_for(err);
	if (who.is_alias)
		return expand(l, &who.alias);
	if ((who.user.flags & AUTH_USER_DISABLED) != 0)
		return disabled;
	if (l->count >= (size_t)l->settings->recipients)
		return too_many;
	/* A database may give the user another name. */
	err = deliver_to_user(l, who.user.name, mailbox);
	return err == TS_OK ? NULL : lmtp_lookup_reply_for(err);
}

/* Tries local@domain, also without sub-address; domain may be empty. */
static const char *
try_address(struct lmtp_lookup *l, struct str name)
{
	struct str sep = l->settings->separator, local, domain;
	const char *reply = try_name(l, name, STR_NONE), *at;
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
	    l, arena_str(l->arena, buf_as_str(&base)), str_range(at + 1, local.p + local.n));
	buf_fini(&base);
	return reply;
}

/* Found if any of its targets is; otherwise gives the reply for the worst one. */
static const char *
expand(struct lmtp_lookup *l, const struct auth_alias *alias)
{
	const char *worst = NULL;
	size_t before = l->count;

	if (l->depth == LMTP_ALIAS_DEPTH)
		return no_user;
	l->open[l->depth++] = alias->name;
	for (size_t i = 0; i < alias->target_count; i++) {
		const char *reply = try_address(l, alias->targets[i]);

		/* A target that cannot be looked up now must not be lost; one that is gone may
		 * be. */
		if (reply != NULL && (worst == NULL || reply[0] == '4'))
			worst = reply;
		if (reply == too_many)
			break;
	}
	l->depth--;
	if (worst != NULL && worst[0] == '4')
		return worst;
	return l->count > before ? NULL : worst;
}

static bool
domain_listed(const struct lmtp_lookup *l, struct str domain)
{
	const struct conf_list *list = &l->settings->domains;

	for (size_t i = 0; i < list->n; i++)
		if (str_ieq(list->items[i], domain))
			return true;
	return false;
}

/* Makes a name of local[@domain], with the default domain if it has none. */
static bool
full_name(
    struct lmtp_lookup *l, struct str local, struct str domain, struct str dflt, struct str *name_r)
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
		*name_r = arena_str(l->arena, buf_as_str(&name));
	buf_fini(&raw);
	buf_fini(&name);
	return ok;
}

/* Tries the whole local part as a name, then what is before the separator.  If the local part
 * stands alone and is that of somebody's `user+Shared/name@domain/...`, its @ begins no domain. */
static const char *
try_local(struct lmtp_lookup *l, struct str domain, struct str dflt)
{
	const char *reply = no_user;
	struct str name;

	if (full_name(l, l->local, domain, dflt, &name)) {
		reply = try_address(l, name);
		if (reply != no_user || str_chr(l->spelled, '@') == NULL ||
		    !lmtp_sub_shared(l, l->spelled))
			return reply;
	}
	if (l->spelled.n == 0)
		return no_user;
	return full_name(l, str_range(l->local.p, l->spelled.p - 1), domain, dflt, &name)
	           ? try_name(l, name, l->spelled)
	           : no_user;
}

static const char *
look_up_recipient(struct lmtp_lookup *l)
{
	struct str dflt = l->server->default_domain;
	bool listed = domain_listed(l, l->domain);
	struct str sep = l->settings->separator;
	const char *reply, *at = sep.n > 0 ? str_chr(l->local, sep.p[0]) : NULL;
	struct buf raw = {0}, name = {0};

	if (l->domain.n > 0 && l->settings->domains.n > 0 && !listed && !str_ieq(l->domain, dflt))
		return no_domain;
	if (at != NULL)
		l->spelled = str_range(at + 1, l->local.p + l->local.n);
	reply = try_local(l, l->domain, dflt);
	/* A quoted local part may contain an @ that does not begin a domain. */
	if (reply == no_user && l->domain.n > 0 && listed && dflt.n == 0 &&
	    str_chr(str_range(l->local.p, at != NULL ? at : l->local.p + l->local.n), '@') == NULL)
		reply = try_local(l, STR_NONE, STR_NONE);
	if (reply == no_user && l->domain.n > 0) {
		buf_putc(&raw, '@');
		buf_str(&raw, l->domain);
		if (auth_alias_name(l->server->auth, buf_as_str(&raw), &name))
			reply = try_name(l, arena_str(l->arena, buf_as_str(&name)), STR_NONE);
	}
	buf_fini(&raw);
	buf_fini(&name);
	return reply;
}

static void
look(struct lmtp_lookup *l, bool at_hand)
{
	l->at_hand = at_hand;
	l->spelled = STR_NONE;
	l->depth = l->names = 0;
	l->tail = &l->first;
	l->reply = look_up_recipient(l);
	if (l->reply == NULL && l->count > l->room)
		l->reply = too_many;
}

bool
lmtp_lookup_at_hand(struct lmtp_lookup *l)
{
	look(l, true);
	return l->reply != elsewhere;
}

void
lmtp_lookup_run(struct lmtp_lookup *l)
{
	look(l, false);
}

void
lmtp_lookup_forget(struct lmtp_lookup *l)
{
	for (struct lmtp_found *f = l->first; f != NULL; f = f->next)
		store_mailbox_unref(&f->mailbox);
	for (struct lmtp_wanted *w = l->wanted; w != NULL; w = w->next) {
		store_change_free(&w->change);
		store_account_unref(&w->account);
	}
	l->first = NULL;
	l->wanted = NULL;
	l->count = 0;
}
