/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QUOTA (RFC 9208): QUOTA=RES-STORAGE, QUOTA=RES-MESSAGE, QUOTA=RES-MAILBOX and QUOTASET.  The
 * store has the roots and limits and decides what is refused (store/quota.h).  A command that would
 * exceed a limit gets a tagged NO [OVERQUOTA] (imap/respond.c).
 *
 * The root of an account is named "", that of a mailbox with limits of its own "mailbox/NAME"; in a
 * namespace both begin with its prefix.  Every mailbox is in its account's root, limited or not.
 *
 * Rights (section 6): GETQUOTAROOT needs "r" on the mailbox, whether it exists or not, and so does
 * GETQUOTA of the mailbox's root.  An account's root is visible to the user, and to those who act
 * for the user if their grant has "r".  SETQUOTA is for administrators and for those who act under
 * a grant with "a": users have every right in their own mailboxes, but may not give themselves more
 * room.
 *
 * SETQUOTA replaces all limits of a root (section 4.1.3).  For an account, a resource that is not
 * named becomes unlimited, whatever the configuration says; so it does for a mailbox whose name the
 * configuration has limits for.  Any other mailbox for which none is named stops being a root.
 * SETQUOTA of a mailbox's root makes the mailbox a root.
 *
 * Limits are hard, so an untagged [OVERQUOTA] (section 4.3.1) is rare: SELECT sends it if the
 * mailbox or its account exceeds a limit that was lowered.
 */
#include "wire/ext/quota.h"
#include "imap/hide.h"
#include "imap/place/rights.h"
#include "imap/place/shared.h"

struct root {
	struct str name; /* as the client knows it */
	struct store_account *account;
	struct str mailbox; /* as the store names it; p == NULL: the account's root */
	struct str path;    /* its name as the client knows it */
	unsigned rights;    /* what the login may do in that mailbox */
};

/* ---- roots */

/* Returns the name of the root of a place: the account's, or the mailbox's own. */
static struct str
root_name(struct imap_cmd *cmd, const struct imap_place *place, bool account)
{
	struct buf b = {0};
	struct str name;

	buf_str(&b, place->prefix);
	if (!account)
		store_quota_root_name(place->mailbox, &b);
	name = arena_str(cmd->arena, buf_as_str(&b));
	buf_fini(&b);
	return name;
}

static struct str
joined(struct imap_cmd *cmd, struct str prefix, struct str name)
{
	struct buf b = {0};
	struct str path;

	buf_str(&b, prefix);
	buf_str(&b, name);
	path = arena_str(cmd->arena, buf_as_str(&b));
	buf_fini(&b);
	return path;
}

/* Returns whether the login may see the usage of the whole account.  Who may read a mailbox of
 * somebody else's does not learn what the others take. */
static bool
sees_account(const struct imap_login *login, const struct imap_place *place)
{
	if (place->account == NULL || place->shared)
		return false;
	if (place->prefix.n > 0) /* another user's */
		return (place->rights & AUTH_RIGHT_READ) != 0;
	return login->grant == NULL || (login->grant->rights & AUTH_RIGHT_READ) != 0;
}

static enum imap_next
no_such_root(struct imap_cmd *cmd)
{
	return cmd_no(cmd, "NONEXISTENT", N_("No such quota root"));
}

/* Returns false after a tagged NO.  A root that is hidden from the login does not exist for it. */
static bool
find_root(struct imap_cmd *cmd, struct str name, struct root *root_r)
{
	const struct imap_login *login = imap_login(cmd->conn);
	struct imap_place place;
	unsigned missing;

	if (name.p == NULL)
		return (void)no_such_root(cmd), false;
	imap_place_of(login, name, &place);
	*root_r = (struct root){.name = name, .account = place.account, .rights = place.rights};
	if (place.mailbox.n == 0)
		return sees_account(login, &place) || ((void)no_such_root(cmd), false);
	if (place.account == NULL || !store_quota_root_mailbox(place.mailbox, &root_r->mailbox))
		return (void)no_such_root(cmd), false;
	root_r->path = joined(cmd, place.prefix, root_r->mailbox);
	switch (imap_rights_want(login, root_r->path, AUTH_RIGHT_READ, &missing)) {
	case TS_OK:
		root_r->rights = imap_rights_of(login, root_r->path);
		return true;
	case TS_DENIED:
		return (void)cmd_no_right(cmd, missing), false;
	default:
		return (void)no_such_root(cmd), false;
	}
}

/* Prints the limited resources of a root and their usage. */
static void
print_quota(struct imap_cmd *cmd, struct str name, const struct store_quota_root *seen)
{
	struct wire_quota_resource v[STORE_QUOTA_RESOURCES];
	struct wire_quota quota = {.root = name, .v = v};

	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++) {
		uint64_t limit = seen->in_force.limit[r], usage = seen->usage[r];
		bool bytes = r == STORE_QUOTA_STORAGE;

		if (limit == STORE_QUOTA_NONE)
			continue;
		v[quota.n++] = (struct wire_quota_resource){
		    .name = str_of(store_quota_name((enum store_quota_resource)r)),
		    .usage = bytes ? usage / 1024 + (usage % 1024 != 0) : usage,
		    .limit = bytes ? limit / 1024 : limit};
	}
	wire_out_quota(imap_out(cmd->conn), imap_dialect(cmd->conn), &quota);
}

/* ---- GETQUOTA, GETQUOTAROOT */

static enum imap_next
getquota_reached(struct imap_cmd *cmd)
{
	const struct str *name = cmd->state;
	struct store_quota_root seen;
	struct root root;

	if (!find_root(cmd, *name, &root))
		return IMAP_DONE;
	if (root.mailbox.p == NULL)
		store_quota_account(root.account, &seen);
	else if (!store_quota_mailbox(root.account, root.mailbox, &seen))
		return no_such_root(cmd);
	print_quota(cmd, root.name, &seen);
	return cmd_ok(cmd, "Done");
}

static enum imap_next
cmd_getquota(struct imap_cmd *cmd)
{
	static const struct imap_step reached = {"getquota-reached", getquota_reached};
	struct str *name = arena_new_object(cmd->arena, struct str);

	cmd->state = name;
	if (!wire_getquota_parse(&cmd->in, name))
		return cmd_bad_syntax(cmd);
	return cmd_reach(cmd, *name, &reached);
}

static enum imap_next
getquotaroot_reached(struct imap_cmd *cmd)
{
	const struct imap_login *login = imap_login(cmd->conn);
	const struct str *name = cmd->state;
	struct store_quota_root seen[2];
	struct str names[2];
	struct wire_quotaroot roots = {.roots = {.v = names}};
	struct imap_place place;
	unsigned missing;
	enum ts_err err;

	roots.mailbox = imap_mailbox_meant(login, *name, &cmd->in.given);
	imap_place_of(login, roots.mailbox, &place);
	err = imap_rights_wanted(place.rights, AUTH_RIGHT_READ, &missing);
	if (err == TS_DENIED)
		return cmd_no_right(cmd, missing);
	if (err != TS_OK)
		return cmd_err(cmd, err);
	if (!place.shared) {
		names[roots.roots.n] = root_name(cmd, &place, true);
		store_quota_account(place.account, &seen[roots.roots.n++]);
	}
	if (store_quota_mailbox(place.account, place.mailbox, &seen[roots.roots.n]))
		names[roots.roots.n++] = root_name(cmd, &place, false);
	wire_out_quotaroot(imap_out(cmd->conn), imap_dialect(cmd->conn), &roots);
	for (size_t i = 0; i < roots.roots.n; i++)
		print_quota(cmd, names[i], &seen[i]);
	return cmd_ok(cmd, "Done");
}

static enum imap_next
cmd_getquotaroot(struct imap_cmd *cmd)
{
	static const struct imap_step reached = {"getquotaroot-reached", getquotaroot_reached};
	struct str *mailbox = arena_new_object(cmd->arena, struct str);

	cmd->state = mailbox;
	if (!wire_mailbox_parse(&cmd->in, mailbox))
		return cmd_bad_syntax(cmd);
	return cmd_reach(cmd, *mailbox, &reached);
}

/* ---- SETQUOTA */

/* Returns whether the login may set the quota of any root. */
static bool
sets_quota(const struct imap_conn *conn)
{
	const struct imap_login *login = imap_login(conn);

	return login->server_admin ||
	       (login->grant != NULL && (login->grant->rights & AUTH_RIGHT_ADMINISTER) != 0);
}

static bool
may_set(const struct imap_conn *conn, const struct root *root)
{
	const struct imap_login *login = imap_login(conn);

	if (login->server_admin)
		return true;
	if (!sets_quota(conn))
		return false;
	/* An account's root covers all its mailboxes, so the grant must cover them, too. */
	if (root->mailbox.p != NULL)
		return (root->rights & AUTH_RIGHT_ADMINISTER) != 0;
	return login->grant->mailbox_count == 0 && root->name.n == 0;
}

/* Returns NULL, or a text for the client that says what is wrong.  named: the configuration has
 * limits for mailboxes of that name. */
static const char *
wish_of(const struct wire_quota *args, bool mailbox, bool named, struct store_quota_wish *wish)
{
	*wish = (struct store_quota_wish){.limit = {0}};
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++) {
		wish->set[r] = mailbox && !named ? STORE_QUOTA_INHERIT : STORE_QUOTA_LIMIT;
		wish->limit[r] = STORE_QUOTA_NONE;
	}
	for (size_t i = 0; i < args->n; i++) {
		uint64_t limit = args->v[i].limit;
		enum store_quota_resource r;

		if (!store_quota_parse(args->v[i].name, &r))
			return N_("This resource is not known");
		if (mailbox && r == STORE_QUOTA_MAILBOX)
			return N_("A mailbox has no mailboxes to be limited");
		limit = limit < STORE_QUOTA_MAX ? limit : STORE_QUOTA_MAX;
		wish->set[r] = STORE_QUOTA_LIMIT;
		wish->limit[r] = r == STORE_QUOTA_STORAGE ? limit * 1024 : limit;
	}
	return NULL;
}

struct setquota {
	struct root root;
	struct wire_quota args;
};

static enum imap_next
quota_set(struct imap_cmd *cmd)
{
	const struct root *root = &((const struct setquota *)cmd->state)->root;
	struct store_quota_root seen;

	if (cmd->change->err == TS_NOT_FOUND)
		return no_such_root(cmd);
	if (cmd->change->err != TS_OK)
		return cmd_change_err(cmd, cmd->change);
	if (root->mailbox.p == NULL)
		store_quota_account(root->account, &seen);
	else
		(void)store_quota_mailbox(root->account, root->mailbox, &seen);
	print_quota(cmd, root->name, &seen);
	return cmd_ok(cmd, "Done");
}

static enum imap_next
setquota_reached(struct imap_cmd *cmd)
{
	static const struct imap_step set_step = {"quota-set", quota_set};
	struct setquota *s = cmd->state;
	struct root *root = &s->root;
	struct store_mailbox_info info;
	struct store_quota_wish wish;
	const char *fault;
	unsigned missing;
	enum ts_err err;

	if (!find_root(cmd, s->args.root, root))
		return IMAP_DONE;
	if (root->mailbox.p != NULL && !imap_mailbox_lookup(imap_login(cmd->conn), root->path,
	                                   AUTH_RIGHT_READ, &info, &err, &missing))
		return no_such_root(cmd);
	if (!may_set(cmd->conn, root))
		return cmd_no(cmd, "NOPERM", N_("Only an administrator can change quotas"));
	fault = wish_of(&s->args, root->mailbox.p != NULL,
	    store_quota_is_named(cmd->conn->server->store, root->mailbox), &wish);
	if (fault != NULL)
		return cmd_no(cmd, "CANNOT", fault);
	return cmd_change(cmd,
	    store_quota_change(
	        root->account, root->mailbox, &wish, cmd->conn->il->loop, NULL, NULL),
	    &set_step);
}

static enum imap_next
cmd_setquota(struct imap_cmd *cmd)
{
	static const struct imap_step reached = {"setquota-reached", setquota_reached};
	struct setquota *s = arena_new_object(cmd->arena, struct setquota);

	cmd->state = s;
	if (!wire_setquota_parse(&cmd->in, &s->args))
		return cmd_bad_syntax(cmd);
	return cmd_reach(cmd, s->args.root, &reached);
}

/* ---- the selected mailbox */

static bool
is_over(const struct store_quota_root *root)
{
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++)
		if (root->usage[r] > root->in_force.limit[r])
			return true;
	return false;
}

static void
tell_over(struct imap_conn *conn)
{
	struct store_mailbox *mailbox = imap_box(conn)->mailbox;
	struct store_quota_root seen;

	if (imap_is_hidden(conn, STR("QUOTA")))
		return;
	store_quota_account(store_mailbox_account(mailbox), &seen);
	if (is_over(&seen) || (store_quota_of(mailbox, &seen) && is_over(&seen)))
		imap_say(conn, WIRE_NO, STR("OVERQUOTA"),
		    N_("There is more here than your quota allows"));
}

/* ---- STATUS (section 4.1.4; DELETED is also part of IMAP4rev2: imap/common/status.c) */

static void
print_deleted_storage(struct imap_conn *conn, const struct store_account *account,
    const struct store_mailbox_info *mailbox, struct buf *out)
{
	(void)conn;
	(void)account;
	wire_out_u64(out, mailbox->counters.deleted_size);
}

static const struct imap_status_item status_items[] = {
    {.name = "DELETED-STORAGE", .print = print_deleted_storage},
    {.name = NULL},
};

static const struct imap_cmd_def cmds[] = {
    {.name = "GETQUOTA",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_getquota},
    {.name = "GETQUOTAROOT",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_getquotaroot},
    {.name = "SETQUOTA",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_setquota},
    {.name = NULL},
};

static const struct imap_code codes[] = {
    {.name = "OVERQUOTA",
        .rfc = "9208",
        .when = "no room is left within a limit of the account or mailbox; untagged, at SELECT: "
                "there is more than a limit allows"},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "QUOTA", .rfc = "9208", .states = IMAP_LOGGED_IN, .brings = "GETQUOTA GETQUOTAROOT"},
    {.word = "QUOTA=RES-STORAGE",
        .rfc = "9208",
        .states = IMAP_LOGGED_IN,
        .brings = "DELETED-STORAGE"},
    {.word = "QUOTA=RES-MESSAGE", .rfc = "9208", .states = IMAP_LOGGED_IN, .brings = ""},
    {.word = "QUOTA=RES-MAILBOX", .rfc = "9208", .states = IMAP_LOGGED_IN, .brings = ""},
    {.word = "QUOTASET",
        .rfc = "9208",
        .states = IMAP_LOGGED_IN,
        .when = sets_quota,
        .shown = "for administrators, and for those who act under a grant with `a`",
        .brings = "SETQUOTA"},
    {.word = NULL},
};

const struct imap_ext imap_ext_quota = {
    .name = "quota",
    .title = "QUOTA (RFC 9208)",
    .caps = caps,
    .cmds = cmds,
    .codes = codes,
    .status_items = status_items,
    .selected = tell_over,
};
