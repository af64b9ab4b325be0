/* SPDX-License-Identifier: Apache-2.0 */
/* See rights.h. */
#include "imap/place/rights.h"

#include "imap/place/shared.h"
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
	box->rights = imap_rights_on(login, box->name, box->mailbox);
	/* RFC 4314 section 5.1: without the right to read, the selected mailbox cannot stay
	 * selected. */
	if ((box->rights & AUTH_RIGHT_READ) == 0)
		return end_login(conn, "NOPERM", N_("You may no longer read the selected mailbox"));
	/* It was shared anew, after nobody was to have it any more. */
	if (box->reader.own == NULL && store_mailbox_has_own(box->mailbox) &&
	    store_account_id(store_mailbox_account(box->mailbox)) != imap_place_own_id(login))
		return end_login(conn, "UNAVAILABLE",
		    N_("The selected mailbox was shared anew; select it again"));
	/* RFC 4314 section 5.2 */
	box->read_only = box->examined || (box->rights & IMAP_RIGHTS_CHANGE) == 0;
	return true;
}

bool
imap_rights_read(const struct imap_login *login, const struct imap_box *box)
{
	return (imap_rights_on(login, box->name, box->mailbox) & AUTH_RIGHT_READ) != 0;
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

/*
 * RFC 4314 section 4, CREATE: needs "k" on the nearest existing parent; for a name without one, on
 * the name itself, as far as the grant allows, and in an account of others never.
 */
bool
imap_rights_create(const struct imap_login *login, struct str name)
{
	struct store_mailbox_info info;
	struct imap_place place, above;
	unsigned rights;

	imap_place_of(login, name, &place);
	if (place.unbounded)
		return true;
	if (place.account == NULL || imap_place_granted(login, name) == 0)
		return false;
	rights = place.shared ? 0 : place.rights;
	for (size_t k = name.n; k-- > place.prefix.n + 1;) {
		if (name.p[k] != '/')
			continue;
		imap_place_of(login, (struct str){name.p, k}, &above);
		if (above.account != place.account)
			continue;
		if (above.shared ? !above.exists
		                 : above.rights == 0 ||
		                       !store_account_lookup(above.account, above.mailbox, &info))
			continue;
		rights = above.rights & imap_place_granted(login, name);
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
		all = imap_place_granted(login, buf_as_str(&b)) != 0;
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
static struct str
moved_name(const struct below *w, const struct imap_place *to, struct str name, struct buf *b)
{
	b->n = 0;
	buf_str(b, to->prefix);
	buf_str(b, to->mailbox);
	buf_put(b, name.p + w->from->mailbox.n, name.n - w->from->mailbox.n);
	return buf_as_str(b);
}

/* Of a mailbox that does not exist yet; where a list gives the rights, its parent's was asked. */
static unsigned
rights_there(const struct below *w, struct str name)
{
	return w->to->shared ? imap_place_granted(w->login, name) : imap_rights_of(w->login, name);
}

static bool
check_below(const struct store_mailbox_info *info, void *arg)
{
	struct below *w = arg;
	struct str name = info->name;
	struct buf b = {0};

	if (!str_has_prefix(name, w->below))
		return false;
	if (info->id == 0)
		return true;
	w->missing |= AUTH_RIGHT_DELETE & ~imap_rights_in(w->login, w->from,
	                                      moved_name(w, w->from, name, &b), info->properties);
	w->missing |= AUTH_RIGHT_CREATE & ~rights_there(w, moved_name(w, w->to, name, &b));
	buf_fini(&b);
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

/* Returns whether the place's mailbox exists.  Where a list gives the rights, that was looked up
 * together with them. */
static bool
is_there(const struct imap_place *place, struct store_mailbox_info *info_r)
{
	if (!place->shared)
		return store_account_lookup(place->account, place->mailbox, info_r);
	*info_r = place->info;
	return place->exists;
}

bool
imap_mailbox_lookup(const struct imap_login *login, struct str name, unsigned needed,
    struct store_mailbox_info *info_r, enum ts_err *err_r, unsigned *missing_r)
{
	struct imap_place place;

	return imap_mailbox_place(login, name, needed, &place, info_r, err_r, missing_r);
}

bool
imap_mailbox_place(const struct imap_login *login, struct str name, unsigned needed,
    struct imap_place *place, struct store_mailbox_info *info_r, enum ts_err *err_r,
    unsigned *missing_r)
{
	/* Do not look up a hidden name: that would take longer if it exists. */
	imap_place_of(login, name, place);
	*err_r = imap_rights_wanted(place->rights, needed, missing_r);
	if (*err_r == TS_NOT_FOUND)
		return false;
	if (!is_there(place, info_r)) {
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
	return (place.rights & any) != 0 && is_there(&place, &info) ? place.rights : 0;
}

struct str
imap_mailbox_meant(const struct imap_login *login, struct str name, struct str *given)
{
	struct store_mailbox_info info;
	struct imap_place place;

	if (given->p == NULL || str_eq(*given, name))
		return name;
	imap_place_of(login, *given, &place);
	if (place.rights == 0 || !is_there(&place, &info))
		return name;
	name = *given;
	*given = STR_NONE;
	return name;
}

struct page {
	const struct imap_login *login;
	const struct imap_shared *shared;
	size_t at; /* the next one of these */
	struct store_account *own;
	imap_mailbox_f *fn;
	void *arg;
	size_t left;
	struct buf *next;
	bool ended;
};

/* Returns false, and where to go on, if enough names were looked at. */
static bool
goes_on(struct page *p, struct str name)
{
	if (p->left-- > 0)
		return true;
	buf_str(p->next, name);
	p->ended = false;
	return false;
}

static bool
page_shared(struct page *p, bool subscribed)
{
	const struct imap_shared_row *row = &p->shared->rows[p->at];
	struct store_mailbox_info info = row->info;

	if (!goes_on(p, row->name))
		return false;
	p->at++;
	info.name = row->name;
	info.subscribed = subscribed;
	return p->fn(&info, row->account, row->rights, p->arg);
}

/* Those of others whose names come before this one. */
static bool
page_shared_before(struct page *p, struct str name)
{
	while (p->at < p->shared->n && str_cmp(p->shared->rows[p->at].name, name) < 0)
		if (!page_shared(p, false))
			return false;
	return true;
}

static bool
page_one(const struct store_mailbox_info *info, void *arg)
{
	struct page *p = arg;
	unsigned rights;

	if (!page_shared_before(p, info->name))
		return false;
	if (p->at < p->shared->n && str_eq(p->shared->rows[p->at].name, info->name)) {
		if (info->id == 0)
			return page_shared(p, info->subscribed);
		p->at++;
	}
	if (!goes_on(p, info->name))
		return false;
	rights = imap_place_shows(p->login, info) ? imap_place_granted(p->login, info->name) : 0;
	return (rights & AUTH_RIGHT_LOOKUP) == 0 || p->fn(info, p->own, rights, p->arg);
}

/* Returns the first one whose name is not below `from`. */
static size_t
shared_from(const struct imap_shared *shared, struct str from)
{
	size_t lo = 0, hi = shared->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (str_cmp(shared->rows[mid].name, from) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct last {
	struct page *page;
	bool stopped; /* before the end of the personal names */
};

static bool
page_or_stop(const struct store_mailbox_info *info, void *arg)
{
	struct last *last = arg;

	last->stopped = !page_one(info, last->page);
	return !last->stopped;
}

bool
imap_mailbox_page(const struct imap_login *login, const struct imap_shared *shared, struct str from,
    size_t most, imap_mailbox_f *fn, void *arg, struct buf *next_r, uint64_t *version_r)
{
	struct page p = {.login = login,
	    .shared = shared,
	    .at = shared_from(shared, from),
	    .fn = fn,
	    .arg = arg,
	    .left = most,
	    .next = next_r,
	    .ended = true};
	struct imap_place own;
	struct buf begin = {0};
	struct last last = {.page = &p};
	uint64_t version;

	buf_str(&begin, from); /* which may be the contents of next_r */
	next_r->n = 0;
	imap_place_own(login, STR_NONE, &own);
	p.own = own.account;
	version = store_account_list_from(own.account, buf_as_str(&begin), page_or_stop, &last);
	while (!last.stopped && p.at < p.shared->n)
		last.stopped = !page_shared(&p, false);
	buf_fini(&begin);
	if (version_r != NULL)
		*version_r = version;
	return p.ended;
}

struct child {
	const struct imap_login *login;
	const struct imap_place *place;
	const struct store_account *own;
	struct str below; /* in the account */
	bool found;
};

static bool
is_shown(const struct child *c, const struct store_mailbox_info *info)
{
	struct buf b = {0};
	unsigned rights;

	buf_str(&b, c->place->prefix);
	buf_str(&b, info->name);
	rights = c->place->account == c->own
	             ? imap_place_granted(c->login, buf_as_str(&b))
	             : imap_rights_in(c->login, c->place, buf_as_str(&b), info->properties);
	buf_fini(&b);
	return (rights & AUTH_RIGHT_LOOKUP) != 0;
}

static bool
is_child(const struct store_mailbox_info *info, void *arg)
{
	struct child *c = arg;

	if (!str_has_prefix(info->name, c->below))
		return false;
	c->found = info->id != 0 && is_shown(c, info);
	return !c->found;
}

bool
imap_mailbox_has_children(const struct imap_login *login, struct str name)
{
	struct imap_place place, own;
	struct child c = {.login = login, .place = &place};
	struct buf below = {0};

	imap_place_of(login, name, &place);
	imap_place_own(login, name, &own);
	c.own = own.account;
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
