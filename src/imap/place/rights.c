/* SPDX-License-Identifier: Apache-2.0 */
/* See rights.h. */
#include "imap/place/rights.h"

#include "texts/texts.h"
#include "wire/utf7.h"

/* ---- at this moment */

static bool
end_login(struct imap_conn *conn, const char *code, const char *why)
{
	conn->session.ending = "no longer permitted";
	imap_bye(conn, code, why);
	return false;
}

bool
imap_rights_ask(struct imap_conn *conn)
{
	const struct imap_login *login = imap_login(conn);
	const char *why;
	struct imap_box *box;

	if (login == NULL)
		return true;
	if (login->grant != NULL) {
		why = auth_grant_ended(login->grant, loop_wall(conn->il->loop));
		if (why != NULL)
			return end_login(conn, NULL, why);
	}
	box = login->box;
	if (box == NULL)
		return true;
	box->rights = imap_rights_of(login, box->name);
	/* RFC 4314 section 5.1: without the right to read, the selected mailbox cannot stay
	 * selected. */
	if ((box->rights & AUTH_RIGHT_READ) == 0)
		return end_login(conn, "NOPERM", N_("You may no longer read the selected mailbox"));
	/* RFC 4314 section 5.2 */
	box->read_only = box->examined || (box->rights & IMAP_RIGHTS_CHANGE) == 0;
	return true;
}

/* ---- of a name */

/* What a login with these rights on a mailbox learns when it asks for others. */
enum ts_err
imap_rights_wanted(unsigned rights, unsigned needed, unsigned *missing_r)
{
	*missing_r = needed & ~rights;
	if (*missing_r == 0)
		return TS_OK;
	return (rights & (AUTH_RIGHT_LOOKUP | AUTH_RIGHT_READ)) == 0 ? TS_NOT_FOUND : TS_DENIED;
}

enum ts_err
imap_rights_want(
    const struct imap_login *login, struct str name, unsigned needed, unsigned *missing_r)
{
	return imap_rights_wanted(imap_rights_of(login, name), needed, missing_r);
}

/* RFC 4314 section 4, CREATE: needs "k" on the nearest existing parent; for a name without one, on
 * the name itself, as far as the grant allows. */
bool
imap_rights_create(const struct imap_login *login, struct str name)
{
	struct store_mailbox_info info;
	struct imap_place place, above;
	unsigned rights;

	imap_place_of(login, name, &place);
	rights = place.rights;
	if (rights == 0 || place.unbounded)
		return rights != 0;
	for (size_t k = name.n; k-- > place.prefix.n + 1;) {
		if (name.p[k] != '/')
			continue;
		imap_place_of(login, (struct str){name.p, k}, &above);
		if (above.rights == 0 || above.account != place.account ||
		    !store_account_lookup(above.account, above.mailbox, &info))
			continue;
		rights = above.rights;
		break;
	}
	return (rights & AUTH_RIGHT_CREATE) != 0;
}

/* ---- RENAME */

/*
 * Returns whether the grant covers everything that could be below.  Asks with levels that no
 * pattern contains, so that the answer depends on the grant alone.
 */
static bool
covers_below(const struct imap_login *login, struct str name)
{
	static const char *const below[] = {"/\x01", "/\x01/\x01"};
	struct buf b = {0};
	bool all = true;

	for (size_t i = 0; i < 2 && all; i++) {
		b.n = 0;
		buf_str(&b, name);
		buf_puts(&b, below[i]);
		all = imap_rights_of(login, buf_as_str(&b)) != 0;
	}
	buf_fini(&b);
	return all;
}

struct below {
	const struct imap_login *login;
	const struct imap_place *from, *to;
	struct str below; /* in the account */
	unsigned missing;
};

/* As clients spell it: `to`, followed by what follows `from` in name. */
static unsigned
rights_moved(const struct below *w, const struct imap_place *to, struct str name)
{
	struct buf b = {0};
	unsigned rights;

	buf_str(&b, to->prefix);
	buf_str(&b, to->mailbox);
	buf_put(&b, name.p + w->from->mailbox.n, name.n - w->from->mailbox.n);
	rights = imap_rights_of(w->login, buf_as_str(&b));
	buf_fini(&b);
	return rights;
}

static bool
check_below(const struct store_mailbox_info *info, void *arg)
{
	struct below *w = arg;
	struct str name = info->name;

	if (!str_has_prefix(name, w->below))
		return false;
	if (info->id == 0)
		return true;
	w->missing |= AUTH_RIGHT_DELETE & ~rights_moved(w, w->from, name);
	w->missing |= AUTH_RIGHT_CREATE & ~rights_moved(w, w->to, name);
	return w->missing == 0;
}

enum ts_err
imap_rights_rename(
    const struct imap_login *login, struct str from, struct str to, unsigned *missing_r)
{
	struct imap_place source, target;
	struct below w = {.login = login, .from = &source, .to = &target};
	struct buf below = {0};
	enum ts_err err;

	*missing_r = 0;
	imap_place_of(login, from, &source);
	imap_place_of(login, to, &target);
	if (source.unbounded && target.unbounded)
		return TS_OK;
	if (!imap_rights_create(login, to)) {
		*missing_r = AUTH_RIGHT_CREATE;
		return TS_DENIED;
	}
	err = imap_rights_want(login, from, AUTH_RIGHT_DELETE, missing_r);
	if (err == TS_OK && source.account != target.account)
		return TS_INVALID;
	/* INBOX and what is below it stay: its messages are moved. */
	if (err != TS_OK || str_eq(source.mailbox, STR("INBOX")))
		return err;
	if (!covers_below(login, from))
		w.missing = AUTH_RIGHT_DELETE;
	else if (!covers_below(login, to))
		w.missing = AUTH_RIGHT_CREATE;
	else {
		buf_str(&below, source.mailbox);
		buf_putc(&below, '/');
		w.below = buf_as_str(&below);
		(void)store_account_list_from(source.account, w.below, check_below, &w);
		buf_fini(&below);
	}
	*missing_r = w.missing;
	return w.missing == 0 ? TS_OK : TS_DENIED;
}

/* ---- flags */

struct store_flag_bounds
imap_rights_bounds(unsigned rights)
{
	const uint64_t written = 1u << STORE_ANSWERED | 1u << STORE_FLAGGED | 1u << STORE_DRAFT;
	struct store_flag_bounds bounds = {
	    .bounded = (rights & IMAP_RIGHTS_FLAGS) != IMAP_RIGHTS_FLAGS,
	    .keywords = (rights & AUTH_RIGHT_WRITE) != 0};

	if ((rights & AUTH_RIGHT_SEEN) != 0)
		bounds.system |= 1u << STORE_SEEN;
	if ((rights & AUTH_RIGHT_DELETED) != 0)
		bounds.system |= 1u << STORE_DELETED;
	if ((rights & AUTH_RIGHT_WRITE) != 0)
		bounds.system |= written;
	return bounds;
}

/* ---- the list */

bool
imap_mailbox_lookup(const struct imap_login *login, struct str name, unsigned needed,
    struct store_mailbox_info *info_r, enum ts_err *err_r, unsigned *missing_r)
{
	struct imap_place place;

	/* Do not look up a hidden name: that would take longer if it exists. */
	imap_place_of(login, name, &place);
	*err_r = imap_rights_wanted(place.rights, needed, missing_r);
	if (*err_r == TS_NOT_FOUND)
		return false;
	if (!store_account_lookup(place.account, place.mailbox, info_r)) {
		*err_r = TS_NOT_FOUND;
		return false;
	}
	return *err_r == TS_OK;
}

unsigned
imap_mailbox_rights(const struct imap_login *login, struct str name)
{
	const unsigned any = AUTH_RIGHT_LOOKUP | AUTH_RIGHT_READ | AUTH_RIGHT_INSERT |
	                     AUTH_RIGHT_CREATE | AUTH_RIGHT_DELETE | AUTH_RIGHT_ADMINISTER;
	struct store_mailbox_info info;
	struct imap_place place;

	imap_place_of(login, name, &place);
	if ((place.rights & any) == 0 || !store_account_lookup(place.account, place.mailbox, &info))
		return 0;
	return place.rights;
}

struct str
imap_mailbox_meant(const struct imap_login *login, struct str name, struct str *given)
{
	struct store_mailbox_info info;
	struct imap_place place;

	if (given->p == NULL || str_eq(*given, name))
		return name;
	imap_place_of(login, *given, &place);
	if (place.rights == 0 || !store_account_lookup(place.account, place.mailbox, &info))
		return name;
	name = *given;
	*given = STR_NONE;
	return name;
}

struct page {
	const struct imap_login *login;
	imap_mailbox_f *fn;
	void *arg;
	size_t left;
	struct buf *next;
	bool ended;
};

static bool
page_one(const struct store_mailbox_info *info, void *arg)
{
	struct page *p = arg;
	unsigned rights;

	if (p->left-- == 0) {
		buf_str(p->next, info->name);
		p->ended = false;
		return false;
	}
	/* A name spelled like those of another namespace leads there. */
	rights =
	    imap_place_is_personal(p->login, info->name) ? imap_rights_of(p->login, info->name) : 0;
	return (rights & AUTH_RIGHT_LOOKUP) == 0 || p->fn(info, rights, p->arg);
}

bool
imap_mailbox_page(const struct imap_login *login, struct str from, size_t most, imap_mailbox_f *fn,
    void *arg, struct buf *next_r, uint64_t *version_r)
{
	struct page p = {login, fn, arg, most, next_r, true};
	struct imap_place own;
	struct buf begin = {0};
	uint64_t version;

	buf_str(&begin, from); /* which may be the contents of next_r */
	next_r->n = 0;
	imap_place_own(login, STR_NONE, &own);
	version = store_account_list_from(own.account, buf_as_str(&begin), page_one, &p);
	buf_fini(&begin);
	if (version_r != NULL)
		*version_r = version;
	return p.ended;
}

struct child {
	const struct imap_login *login;
	const struct imap_place *place;
	struct str below; /* in the account */
	bool found;
};

static bool
is_shown(const struct child *c, struct str name)
{
	struct buf b = {0};
	unsigned rights;

	buf_str(&b, c->place->prefix);
	buf_str(&b, name);
	rights = imap_rights_of(c->login, buf_as_str(&b));
	buf_fini(&b);
	return (rights & AUTH_RIGHT_LOOKUP) != 0;
}

static bool
is_child(const struct store_mailbox_info *info, void *arg)
{
	struct child *c = arg;

	if (!str_has_prefix(info->name, c->below))
		return false;
	c->found = info->id != 0 && is_shown(c, info->name);
	return !c->found;
}

bool
imap_mailbox_has_children(const struct imap_login *login, struct str name)
{
	struct imap_place place;
	struct child c = {.login = login, .place = &place};
	struct buf below = {0};

	imap_place_of(login, name, &place);
	if (place.unbounded)
		return store_account_has_children(place.account, place.mailbox);
	if (place.account == NULL)
		return false;
	buf_str(&below, place.mailbox);
	buf_putc(&below, '/');
	c.below = buf_as_str(&below);
	(void)store_account_list_from(place.account, c.below, is_child, &c);
	buf_fini(&below);
	return c.found;
}

/* ---- replies */

enum imap_next
cmd_no_right(struct imap_cmd *cmd, unsigned missing)
{
	static const struct {
		unsigned right;
		const char *text;
	} rights[] = {
	    {AUTH_RIGHT_LOOKUP, N_("\"l\" (see the mailbox)")},
	    {AUTH_RIGHT_READ, N_("\"r\" (read)")},
	    {AUTH_RIGHT_SEEN, N_("\"s\" (set \\Seen)")},
	    {AUTH_RIGHT_WRITE, N_("\"w\" (set flags)")},
	    {AUTH_RIGHT_INSERT, N_("\"i\" (insert messages)")},
	    {AUTH_RIGHT_POST, N_("\"p\" (post)")},
	    {AUTH_RIGHT_CREATE, N_("\"k\" (create mailboxes)")},
	    {AUTH_RIGHT_DELETE, N_("\"x\" (delete the mailbox)")},
	    {AUTH_RIGHT_DELETED, N_("\"t\" (set \\Deleted)")},
	    {AUTH_RIGHT_EXPUNGE, N_("\"e\" (expunge)")},
	    {AUTH_RIGHT_ADMINISTER, N_("\"a\" (administer)")},
	};
	struct buf names = {0};

	for (size_t i = 0; i < sizeof(rights) / sizeof(*rights); i++)
		if ((missing & rights[i].right) != 0)
			buf_printf(&names, "%s%s", names.n > 0 ? ", " : "",
			    texts_find(imap_texts(cmd->conn), rights[i].text));
	(void)cmd_no_with(cmd, "NOPERM", "Not permitted; missing: %s", buf_cstr(&names));
	buf_fini(&names);
	return IMAP_DONE;
}

enum imap_next
cmd_no_target(struct imap_cmd *cmd, struct str name)
{
	const char *fault;

	if (!imap_rights_create(imap_login(cmd->conn), name))
		return cmd_no(cmd, "NONEXISTENT", "No such mailbox");
	fault = wire_name_fault(name);
	if (fault != NULL)
		return cmd_no(cmd, "CANNOT", fault);
	return cmd_no(cmd, "TRYCREATE", "No such mailbox");
}
