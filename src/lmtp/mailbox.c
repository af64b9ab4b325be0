/* SPDX-License-Identifier: Apache-2.0 */
/* Which mailbox a sub-address means: see lookup_int.h. */
#include "auth/grant/acl.h"
#include "auth/grants.h"
#include "lmtp/lookup_int.h"
#include "mail/text/text.h"
#include "sasl/names.h"
#include "wire/utf7.h"

enum { LOOKS = 8 /* attempts on an account's mailboxes while they change */ };

/* ---- by name */

struct same { /* the mailbox of this name, or the first one whose name compares equal to want */
	const struct lmtp_lookup *lookup;
	const struct auth_acl_who *who; /* who must have the right to post; NULL: the owner */
	struct str name;
	struct buf want;
	struct str found;
};

/* The owner does not see mailboxes whose names mean those of others. */
static bool
hidden(const struct lmtp_lookup *l, struct str name)
{
	struct str account, mailbox;

	return auth_space_split(l->sharing, name, false, &account, &mailbox) != AUTH_SPACE_PERSONAL;
}

static bool
open_to(const struct same *same, const struct store_mailbox_info *info)
{
	if (same->who == NULL)
		return !hidden(same->lookup, info->name);
	return (auth_acl_rights(info->properties, same->who) & AUTH_RIGHT_POST) != 0;
}

static bool
is_same(const struct store_mailbox_info *info, void *arg)
{
	struct same *same = arg;
	struct buf name = {0};
	bool exact = str_eq(info->name, same->name), equal = exact;

	if (info->id == 0 || (!exact && same->found.n > 0))
		return true;
	if (!exact) {
		mail_casemap(info->name, &name);
		equal = str_eq(buf_as_str(&name), buf_as_str(&same->want));
		buf_fini(&name);
	}
	if (!equal || !open_to(same, info))
		return true;
	same->found = arena_str(same->lookup->arena, info->name);
	return !exact;
}

static enum ts_err
load_found(struct store_account *account, struct str name, struct lmtp_found *f)
{
	f->name = name;
	return store_mailbox_load(account, name, &f->mailbox);
}

static bool
may_post(const struct store_mailbox *mailbox, const struct auth_acl_who *who)
{
	struct store_properties *properties = store_mailbox_properties(mailbox);
	unsigned rights = auth_acl_rights(properties, who);

	store_properties_unref(&properties);
	return (rights & AUTH_RIGHT_POST) != 0;
}

/* *again: one was seen, but no longer exists under that name, or is closed now. */
static enum ts_err
load_listed(struct same *same, struct store_account *account, struct lmtp_found *f, bool *again)
{
	enum ts_err err;

	*again = false;
	same->found = STR_NONE;
	store_account_list(account, is_same, same);
	if (same->found.n == 0)
		return TS_NOT_FOUND;
	err = load_found(account, same->found, f);
	if (err == TS_OK && same->who != NULL && !may_post(f->mailbox, same->who)) {
		store_mailbox_unref(&f->mailbox);
		err = TS_NOT_FOUND;
	}
	*again = err == TS_NOT_FOUND;
	return err;
}

/* If mailboxes are renamed meanwhile, looks again: reads of different moments give no valid
 * answer. */
static enum ts_err
load_same(struct same *same, struct store_account *account, struct lmtp_found *f)
{
	bool exact = same->who == NULL && !hidden(same->lookup, same->name), again = true;
	enum ts_err err = TS_NOT_FOUND;

	for (unsigned i = 0; i < LOOKS && again; i++) {
		err = exact ? load_found(account, same->name, f) : TS_NOT_FOUND;
		if (err != TS_NOT_FOUND)
			return err;
		err = load_listed(same, account, f, &again);
	}
	return again ? TS_UNAVAILABLE : err;
}

/* ---- the user's own */

/* Returns whether the sub-address as given spells this name. */
static bool
spells(struct str spelled, struct str sub)
{
	struct buf b = {0};
	bool yes =
	    str_eq(spelled, sub) || (sasl_name_prepare(spelled, &b) && str_eq(buf_as_str(&b), sub));

	buf_fini(&b);
	return yes;
}

struct str
lmtp_sub_name(const struct lmtp_lookup *l, struct str sub)
{
	return wire_name_kept(l->arena, sub.n > 0 && spells(l->spelled, sub) ? l->spelled : sub);
}

bool
lmtp_sub_shared(const struct lmtp_lookup *l, struct str name)
{
	struct str account, mailbox;

	return auth_space_split(l->sharing, name, true, &account, &mailbox) != AUTH_SPACE_PERSONAL;
}

enum ts_err
lmtp_find_own(const struct lmtp_lookup *l, struct store_account *account, struct str sub,
    struct lmtp_found *f)
{
	struct same same = {.lookup = l, .name = lmtp_sub_name(l, sub)};
	enum ts_err err;

	if (same.name.n == 0)
		return TS_NOT_FOUND;
	mail_casemap(sub, &same.want);
	err = load_same(&same, account, f);
	buf_fini(&same.want);
	return err;
}

/* ---- those of others */

struct shared { /* what a sub-address says */
	enum auth_space space;
	struct str account, mailbox;
};

static void
split_shared(const struct lmtp_lookup *l, struct str sub, struct shared *s)
{
	s->space =
	    auth_space_split(l->sharing, lmtp_sub_name(l, sub), true, &s->account, &s->mailbox);
	s->mailbox = s->mailbox.n > 0 ? wire_name_kept(l->arena, s->mailbox) : STR("INBOX");
}

static enum ts_err
load_shared_account(const struct lmtp_lookup *l, const struct shared *s, struct str name,
    struct store_account **account_r)
{
	enum ts_err err = store_account_load(l->server->store, name, false, account_r);
	struct store_properties *properties;
	enum auth_space space;

	if (err != TS_OK)
		return err == TS_INVALID ? TS_NOT_FOUND : err;
	properties = store_account_properties(*account_r);
	space = auth_space_of_account(properties);
	store_properties_unref(&properties);
	if (space == s->space)
		return TS_OK;
	store_account_unref(account_r);
	return TS_NOT_FOUND;
}

/* domain: is added to the account's name; empty: nothing is. */
static enum ts_err
find_in_account(const struct lmtp_lookup *l, const struct shared *s, struct str domain,
    const struct auth_acl_who *who, struct lmtp_found *f)
{
	struct same same = {.lookup = l, .who = who, .name = s->mailbox};
	struct store_account *account = NULL;
	struct buf name = {0};
	enum ts_err err = TS_NOT_FOUND;

	if (sasl_name_full(s->account, domain, &name) && !str_eq(buf_as_str(&name), who->user))
		err = load_shared_account(l, s, buf_as_str(&name), &account);
	if (err == TS_OK) {
		mail_casemap(s->mailbox, &same.want);
		err = load_same(&same, account, f);
	}
	if (err == TS_OK)
		f->poster = who->user;
	buf_fini(&same.want);
	buf_fini(&name);
	store_account_unref(&account);
	return err;
}

enum ts_err
lmtp_find_shared(const struct lmtp_lookup *l, struct str user, struct str sub, struct lmtp_found *f)
{
	struct auth_groups *groups = auth_groups_get(l->server->auth);
	const struct auth_acl_who who = {
	    .user = arena_str(l->arena, user), .groups = groups, .no_anyone = !l->sharing->anyone};
	struct str local, domain = STR("");
	struct shared s;
	enum ts_err err;

	split_shared(l, sub, &s);
	err = find_in_account(l, &s, STR(""), &who, f);
	if (err == TS_NOT_FOUND && str_chr(s.account, '@') == NULL &&
	    sasl_name_split(user, &local, &domain) && domain.n > 0)
		err = find_in_account(l, &s, domain, &who, f);
	auth_groups_unref(&groups);
	return err;
}

bool
lmtp_may_post(const struct lmtp_server *server, const struct auth_sharing *sharing, struct str user,
    const struct store_mailbox *mailbox)
{
	struct auth_groups *groups = auth_groups_get(server->auth);
	bool may = may_post(mailbox,
	    &(struct auth_acl_who){.user = user, .groups = groups, .no_anyone = !sharing->anyone});

	auth_groups_unref(&groups);
	return may;
}
