/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on grants. */
#include "auth/db.h"
#include "auth/grants.h"
#include "auth/users.h"
#include "base/clock.h"
#include "base/mem.h"
#include "control/ops/ops.h"
#include "control/rows.h"
#include "server/server.h"

enum { OTHERS_MAX = 100, DAY = 24 * 60 * 60 };

static bool
put_grant_error(enum ts_err err, struct str name, struct buf *out)
{
	switch (err) {
	case TS_NOT_FOUND:
		buf_printf(out, "there is no grant %.*s\n", STR_ARG(name));
		break;
	case TS_EXISTS:
		buf_printf(out,
		    "grant %.*s exists already, here or in the configuration: remove it first, or "
		    "give another --name\n",
		    STR_ARG(name));
		break;
	case TS_DENIED:
		buf_printf(out,
		    "grant %.*s is in the configuration: remove it there, then turnstone reload\n",
		    STR_ARG(name));
		break;
	default:
		ops_put_store_error(err, NULL, out);
	}
	return false;
}

/* ---- add ---- */

static size_t
fields(const struct request *req, const char *key, struct str *list)
{
	size_t n = 0;

	for (size_t i = 0; i < req->field_count; i++)
		if (str_eq(req->fields[i].key, str_of(key)))
			list[n++] = req->fields[i].value;
	return n;
}

/* Notes what may be a mistake: an unknown user or group. */
static void
note_missing(
    const struct ops *ops, const char *what, const struct auth_names *names, struct buf *out)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_groups *groups = auth_groups_get(ops->auth);
	struct auth_user user;
	bool missing = false;

	arena_wipe_on_free(arena);
	if (names->kind == AUTH_NAMES_GROUP)
		missing = !auth_groups_known(groups, names->text);
	else if (names->kind == AUTH_NAMES_ONE)
		missing = auth_find_user(ops->auth, names->text, arena, &user) == TS_NOT_FOUND;
	if (missing)
		buf_printf(out, "note: %s names a %s that does not exist: %.*s\n", what,
		    names->kind == AUTH_NAMES_GROUP ? "group" : "user", STR_ARG(names->text));
	auth_groups_unref(&groups);
	arena_free(&arena);
}

/* Explains a new grant: what it covers, and anything unusual about it. */
static void
tell_made(const struct ops *ops, struct str name, struct buf *out)
{
	struct auth_grant **list;
	size_t n = auth_grants_get(ops->auth, &list);

	buf_printf(out, "%.*s\n", STR_ARG(name));
	for (size_t i = 0; i < n; i++) {
		if (list[i]->source == AUTH_GRANT_STORE && str_eq(list[i]->name, name)) {
			note_missing(ops, "WHO", &list[i]->who, out);
			note_missing(ops, "--for", &list[i]->target, out);
			if (list[i]->until <= clock_wall_s())
				buf_puts(out, "note: it has expired already\n");
		}
		auth_grant_unref(&list[i]);
	}
	mem_free(list);
}

static bool
grant_add(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct str mailboxes[REQUEST_FIELDS_MAX], from[REQUEST_FIELDS_MAX];
	struct auth_grant_spec spec = {.name = request_get(req, "name"),
	    .who = request_get(req, "who"),
	    .target = request_get(req, "for"),
	    .mailboxes = mailboxes,
	    .mailbox_count = fields(req, "mailbox", mailboxes),
	    .rights = request_get(req, "rights"),
	    .from = from,
	    .from_count = fields(req, "from", from),
	    .until = request_get(req, "until")};
	struct auth_grant_fault fault = {0};
	struct buf name = {0};
	enum ts_err err = auth_grants_add(ops->auth, &spec, &name, &fault);

	(void)io;
	if (err == TS_OK)
		tell_made(ops, buf_as_str(&name), out);
	else if (err == TS_INVALID && fault.text.n > 0)
		buf_printf(out, "%s: %s\n", fault.field, buf_cstr(&fault.text));
	else
		(void)put_grant_error(err, buf_as_str(&name), out);
	buf_fini(&fault.text);
	buf_fini(&name);
	return err == TS_OK;
}

/* ---- remove ---- */

static bool
grant_remove(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct str name = request_get(req, "name");
	enum ts_err err = auth_grants_remove(ops->auth, name);
	uint64_t n = 0;

	(void)io;
	if (err != TS_OK)
		return put_grant_error(err, name, out);
	if (ops->server != NULL)
		n = server_recheck(ops->server);
	if (n > 0)
		buf_printf(out, "%llu connections ended\n", (unsigned long long)n);
	return true;
}

/* ---- list ---- */

static const char *
source_word(enum auth_grant_source source)
{
	return source == AUTH_GRANT_CONFIG  ? "configuration"
	       : source == AUTH_GRANT_STORE ? "store"
	                                    : "user";
}

static void
row_names(struct buf *out, const char *key, const struct auth_names *names)
{
	struct buf text = {0};

	auth_names_print(names, &text);
	row_str(out, key, buf_as_str(&text));
	buf_fini(&text);
}

static void
row_bounds(struct buf *out, const struct auth_grant *grant)
{
	struct buf text = {0};

	row_list(out, "mailboxes");
	for (size_t i = 0; i < grant->mailbox_count; i++)
		row_item(out, "mailboxes", grant->mailboxes[i]);
	auth_rights_print(grant->rights, &text);
	row_str(out, "rights", buf_as_str(&text));
	row_list(out, "from");
	for (size_t i = 0; i < grant->from_count; i++) {
		text.n = 0;
		net_network_print(&grant->from[i], &text);
		row_item(out, "from", buf_as_str(&text));
	}
	text.n = 0;
	if (grant->until != AUTH_GRANT_FOR_GOOD)
		auth_until_print(grant->until, &text);
	row_str(out, "until", buf_as_str(&text));
	buf_fini(&text);
}

static void
row_grant(struct buf *out, const struct auth_grant *grant)
{
	row_str(out, "name", grant->name);
	row_str(out, "source", str_of(source_word(grant->source)));
	row_names(out, "who", &grant->who);
	row_names(out, "for", &grant->target);
	row_bounds(out, grant);
}

/* Appends the patterns of a user's own record, one row each. */
static bool
row_patterns(const struct auth_user *user, void *arg)
{
	struct auth_grant *grant = auth_grant_new_full();
	struct buf *out = arg;

	grant->who = (struct auth_names){AUTH_NAMES_ONE, user->name};
	for (size_t i = 0; i < user->acts_for_count; i++) {
		grant->target = (struct auth_names){AUTH_NAMES_PATTERN, user->acts_for[i]};
		row_grant(out, grant);
		row_bool(out, "expired", false);
		row_end(out);
	}
	auth_grant_unref(&grant);
	return true;
}

static bool
grant_list(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct auth_grant **list;
	size_t n = auth_grants_get(ops->auth, &list);
	struct buf rows = {0};
	int64_t now = clock_wall_s();
	enum ts_err err;

	(void)req;
	(void)io;
	for (size_t i = 0; i < n; i++) {
		row_grant(&rows, list[i]);
		row_bool(&rows, "expired", list[i]->until <= now);
		row_end(&rows);
		auth_grant_unref(&list[i]);
	}
	mem_free(list);
	err = auth_users_list(ops->auth, row_patterns, &rows);
	if (err == TS_OK)
		buf_str(out, buf_as_str(&rows));
	else
		buf_printf(out, "the users cannot be listed: %s\n", ts_err_name(err));
	buf_fini(&rows);
	return err == TS_OK;
}

/* ---- explain ---- */

struct explaining {
	const struct auth_explain *e;
	struct auth_groups *groups;
	struct buf rows;
	uint64_t others; /* grants that others act by; at most OTHERS_MAX of them have a row */
};

static void
reason_names(const struct explaining *x, const char *what, const struct auth_names *names,
    struct str asked, struct buf *out)
{
	buf_printf(out, "%s: ", what);
	auth_names_print(names, out);
	if (names->kind == AUTH_NAMES_GROUP && !auth_groups_known(x->groups, names->text))
		buf_puts(out, ", a group that does not exist");
	else if (names->kind == AUTH_NAMES_GROUP)
		buf_printf(out, ", of which %.*s is not a member", STR_ARG(asked));
	else
		buf_printf(out, ", not %.*s", STR_ARG(asked));
}

static void
reason_from(const struct explaining *x, const struct auth_grant *grant, struct buf *out)
{
	buf_puts(out, "from: ");
	for (size_t i = 0; i < grant->from_count; i++) {
		if (i > 0)
			buf_puts(out, " ");
		net_network_print(&grant->from[i], out);
	}
	buf_printf(out, ", not %.*s", STR_ARG(x->e->address));
}

static void
reason(const struct explaining *x, const struct auth_grant *grant, enum auth_fit fit, bool decides,
    struct buf *out)
{
	switch (fit) {
	case AUTH_FITS:
		buf_puts(out, decides      ? "decides"
		              : x->e->self ? "matches, but is not needed"
		                           : "matches, but an earlier one decides");
		break;
	case AUTH_NOT_WHO:
		reason_names(x, "who", &grant->who, buf_as_str(&x->e->who_is.name), out);
		break;
	case AUTH_NOT_FOR:
		reason_names(x, "for", &grant->target, buf_as_str(&x->e->target_is.name), out);
		break;
	case AUTH_NOT_FROM:
		reason_from(x, grant, out);
		break;
	case AUTH_EXPIRED:
		buf_puts(out, "until: ended at ");
		auth_until_print(grant->until, out);
		break;
	}
}

static void
see(const struct auth_grant *grant, enum auth_fit fit, bool decides, void *arg)
{
	struct explaining *x = arg;
	struct buf text = {0};

	if (fit == AUTH_NOT_WHO && x->others++ >= OTHERS_MAX)
		return;
	row_grant(&x->rows, grant);
	row_bool(&x->rows, "fits", fit == AUTH_FITS);
	row_bool(&x->rows, "decides", decides);
	reason(x, grant, fit, decides, &text);
	row_str(&x->rows, "reason", buf_as_str(&text));
	row_end(&x->rows);
	buf_fini(&text);
}

static void
row_person(struct buf *out, const char *key, struct str typed, const struct auth_person *person)
{
	struct buf sub = {0};
	bool named = person->name.n > 0;

	row_str(out, key, named ? buf_as_str(&person->name) : typed);
	buf_printf(&sub, "%s_is", key);
	row_str(out, buf_cstr(&sub),
	    str_of(!named                        ? "not a user name"
	           : person->err == TS_NOT_FOUND ? "missing"
	           : person->err != TS_OK        ? "unknown"
	           : person->disabled            ? "disabled"
	                                         : "enabled"));
	sub.n = 0;
	buf_printf(&sub, "%s_database", key);
	row_str(out, buf_cstr(&sub), buf_as_str(&person->database));
	buf_fini(&sub);
}

/* The verdict comes first. */
static void
put_verdict(const struct explaining *x, struct buf *out)
{
	const struct auth_explain *e = x->e;
	struct buf text = {0};

	row_bool(out, "permitted", e->permitted);
	row_str(out, "why",
	    str_of(!e->permitted ? e->why
	           : e->self     ? "as themselves, which needs no grant"
	                         : ""));
	row_person(out, "who", e->who, &e->who_is);
	row_person(out, "for", e->target, &e->target_is);
	row_str(out, "address", e->address);
	auth_until_print(e->now, &text);
	row_str(out, "at", buf_as_str(&text));
	buf_fini(&text);
	row_str(out, "grant", e->grant != NULL ? e->grant->name : STR_NONE);
	if (e->grant != NULL)
		row_bounds(out, e->grant);
	row_u64(out, "others", x->others);
	row_end(out);
}

/* "": now.  Here a date means the beginning of that day. */
static bool
read_at(struct str text, int64_t *at_r)
{
	*at_r = clock_wall_s();
	if (text.n == 0)
		return true;
	if (!auth_until_parse(text, at_r))
		return false;
	if (text.n == sizeof("2027-01-01") - 1)
		*at_r -= DAY;
	return true;
}

static bool
grant_explain(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct auth_explain e = {.who = request_get(req, "who"),
	    .target = request_get(req, "for"),
	    .address = request_get(req, "from")};
	struct explaining x = {.e = &e};
	struct net_network address;

	(void)io;
	if (!read_at(request_get(req, "at"), &e.now)) {
		buf_puts(out, "--at takes a day such as 2027-01-01 (its beginning), or a time such "
		              "as 2027-01-01T12:30Z\n");
		return false;
	}
	if (e.address.n > 0 && !net_address_parse(e.address, &address)) {
		buf_puts(out, "--from takes an address such as 10.0.0.1 or 2001:db8::1, or unix\n");
		return false;
	}
	x.groups = auth_groups_get(ops->auth);
	auth_grants_explain(ops->auth, &e, see, &x);
	put_verdict(&x, out);
	buf_str(out, buf_as_str(&x.rows));
	buf_fini(&x.rows);
	auth_groups_unref(&x.groups);
	auth_explain_fini(&e);
	return true;
}

const struct op ops_grant[] = {{.verb = "grant-add", .run = grant_add},
    {.verb = "grant-remove", .run = grant_remove}, {.verb = "grant-list", .run = grant_list},
    {.verb = "grant-explain", .run = grant_explain}, {.verb = NULL}};
