/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on users. */
#include "auth/db.h"
#include "auth/digest.h"
#include "auth/password.h"
#include "auth/user/hashing.h"
#include "auth/users.h"
#include "base/log.h"
#include "control/ops/acl_int.h"
#include "control/ops/ops.h"
#include "control/rows.h"
#include "sasl/names.h"
#include "server/server.h"

enum { BULK_STEP = 5000 };

/* Appends the text for an error; true if there is none. */
static bool
put_user_error(enum ts_err err, const char *why, struct str name, struct buf *out)
{
	switch (err) {
	case TS_OK:
		return true;
	case TS_NOT_FOUND:
		buf_printf(out, "there is no user %.*s\n", STR_ARG(name));
		break;
	case TS_EXISTS:
		buf_printf(out,
		    "user %.*s exists already (change the password with: turnstone user "
		    "passwd)\n",
		    STR_ARG(name));
		break;
	default:
		ops_put_store_error(err, why, out);
	}
	return false;
}

static struct auth_user_spec
spec_of(const struct request *req, struct str *patterns)
{
	struct auth_user_spec spec = {.name = request_get(req, "name"),
	    .password = request_get(req, "password"),
	    .hash = request_get(req, "hash"),
	    .admin = request_has(req, "admin"),
	    .digest_md5 = request_has(req, "digest-md5"),
	    .acts_for = patterns};

	for (size_t i = 0; i < req->field_count; i++)
		if (str_eq(req->fields[i].key, STR("acts-for")))
			patterns[spec.acts_for_count++] = req->fields[i].value;
	return spec;
}

/* --acts-for with a single name: a mistake, or a user who will be added later. */
static void
note_acts_for(const struct ops *ops, const struct auth_user *user, struct buf *out)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user other;

	arena_wipe_on_free(arena);
	for (size_t i = 0; i < user->acts_for_count; i++)
		if (str_chr(user->acts_for[i], '*') == NULL &&
		    auth_find_user(ops->auth, user->acts_for[i], arena, &other) == TS_NOT_FOUND)
			buf_printf(out, "note: --acts-for names a user that does not exist: %.*s\n",
			    STR_ARG(user->acts_for[i]));
	arena_free(&arena);
}

/* A new user gets the mail left by a deleted user with the same name. */
static void
warn_of_mail(const struct ops *ops, struct str name, struct buf *out)
{
	struct store_account *account = NULL;
	struct store_usage sums = {0};

	if (store_account_load(ops->store, name, false, &account) != TS_OK)
		return;
	store_account_usage(account, &sums);
	store_account_unref(&account);
	buf_printf(out,
	    "warning: mail of an earlier %.*s still exists and is now theirs: %llu mailboxes, %llu "
	    "messages; turnstone user delete %.*s --purge removes both mail and user\n",
	    STR_ARG(name), (unsigned long long)sums.mailboxes, (unsigned long long)sums.messages,
	    STR_ARG(name));
}

/* On success the text is warnings and notes, one per line. */
static bool
user_add(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	(void)io;
	struct str patterns[REQUEST_FIELDS_MAX];
	struct auth_user_spec spec = spec_of(req, patterns);
	const char *why = NULL;
	enum ts_err err = auth_users_add(ops->auth, &spec, &why);
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user user;
	const char *none = NULL;

	arena_wipe_on_free(arena);
	if (err == TS_OK && auth_users_get(ops->auth, spec.name, arena, &user, &none) == TS_OK) {
		warn_of_mail(ops, user.name, out);
		note_acts_for(ops, &user, out);
	}
	arena_free(&arena);
	return put_user_error(err, why, spec.name, out);
}

/* Runs before the command asks for a password. */
static bool
user_check(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	(void)io;
	struct str patterns[REQUEST_FIELDS_MAX];
	struct auth_user_spec spec = spec_of(req, patterns);
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user user;
	const char *why = NULL;
	enum ts_err err = request_has(req, "exists")
	                      ? auth_users_get(ops->auth, spec.name, arena, &user, &why)
	                      : auth_users_check(ops->auth, &spec, &why);

	arena_free(&arena);
	if (err == TS_EXISTS && request_has(req, "bulk"))
		err = TS_OK; /* an existing user keeps everything */
	return put_user_error(err, why, spec.name, out);
}

static bool
user_passwd(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	(void)io;
	struct str patterns[REQUEST_FIELDS_MAX];
	struct auth_user_spec spec = spec_of(req, patterns);
	const char *why = NULL;
	enum ts_err err = auth_users_passwd(ops->auth, &spec, &why);

	return put_user_error(err, why, spec.name, out);
}

/* Ends their open sessions, and those in which they act for others; does nothing without a
 * server. */
static void
end_sessions(const struct ops *ops, struct str name, const char *text, struct buf *out)
{
	struct server_sessions which = {.user = name};
	uint64_t n;

	if (ops->server == NULL || name.n == 0)
		return;
	n = server_kick(ops->server, &which, text);
	if (n > 0)
		buf_printf(
		    out, "%llu connection%s ended\n", (unsigned long long)n, n == 1 ? "" : "s");
}

/* Removes the mail of a user who was deleted before, but not that of another database's user. */
static enum ts_err
purge_left(const struct ops *ops, struct str name, const char **why_r, struct buf *out)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user user;
	struct buf full = {0};
	enum ts_err err = TS_INVALID;

	arena_wipe_on_free(arena);
	if (sasl_name_full(name, auth_default_domain(ops->auth), &full))
		err = auth_find_user(ops->auth, buf_as_str(&full), arena, &user);
	if (err == TS_OK) {
		*why_r = "another database knows this user: the mail stays as long as it does";
		err = TS_DENIED;
	} else if (err == TS_NOT_FOUND) {
		err = store_account_delete(ops->store, buf_as_str(&full));
		if (err == TS_OK)
			buf_printf(out, "there was no user %.*s; the mail is removed\n",
			    STR_ARG(buf_as_str(&full)));
	}
	buf_fini(&full);
	arena_free(&arena);
	return err;
}

/* Whoever gets the name later finds nothing of what was shared with the one before. */
static enum ts_err
forget_shares(const struct ops *ops, struct str name, struct op_io *io)
{
	struct buf full = {0};
	enum ts_err err = TS_OK;
	uint64_t removed;

	if (sasl_name_full(name, auth_default_domain(ops->auth), &full))
		err = acl_forget(ops, buf_as_str(&full), io, &removed);
	buf_fini(&full);
	return err;
}

static bool
user_delete(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct str name = request_get(req, "name");
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user user = {0};
	const char *why = NULL;
	enum ts_err err = auth_users_get(ops->auth, name, arena, &user, &why);
	bool ok;

	if (err == TS_NOT_FOUND && request_has(req, "purge")) {
		err = purge_left(ops, name, &why, out);
		if (err == TS_OK)
			err = forget_shares(ops, name, io);
		ok = put_user_error(err, why, name, out);
		arena_free(&arena);
		return ok;
	}
	if (err == TS_OK || err == TS_DAMAGED)
		err = forget_shares(ops, name, io);
	if (err == TS_OK)
		err = auth_users_delete(ops->auth, name, &why);
	if (err == TS_OK)
		end_sessions(ops, user.name, N_("This user was removed"), out);
	if (err == TS_OK && user.name.n > 0 && request_has(req, "purge")) {
		err = store_account_delete(ops->store, user.name);
		if (err == TS_NOT_FOUND)
			err = TS_OK;
	}
	ok = put_user_error(err, why, name, out);
	arena_free(&arena);
	return ok;
}

static bool
user_disable(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct str name = request_get(req, "name");
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user user = {0};
	const char *why = NULL;
	enum ts_err err = auth_users_disable(ops->auth, name, true, &why);
	bool ok = put_user_error(err, why, name, out);

	(void)io;
	/* The name as sessions have it. */
	if (ok && auth_users_get(ops->auth, name, arena, &user, &why) == TS_OK)
		end_sessions(ops, user.name, N_("This user was disabled"), out);
	arena_free(&arena);
	return ok;
}

static bool
user_enable(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	(void)io;
	struct str name = request_get(req, "name");
	const char *why = NULL;
	enum ts_err err = auth_users_disable(ops->auth, name, false, &why);

	return put_user_error(err, why, name, out);
}

static const char *
verifier_kind(struct str verifier)
{
	return str_has_prefix(verifier, STR("SCRAM-SHA-1$"))       ? "SCRAM-SHA-1"
	       : str_has_prefix(verifier, STR("SCRAM-SHA-256$"))   ? "SCRAM-SHA-256"
	       : str_has_prefix(verifier, STR(AUTH_DIGEST_PREFIX)) ? "DIGEST-MD5"
	       : str_has_prefix(verifier, STR(AUTH_PLAIN_PREFIX))  ? "the password itself"
	                                                           : auth_hash_name(verifier);
}

static void
put_user_row(const struct auth_user *user, struct str database, struct buf *out)
{
	row_str(out, "name", user->name);
	row_str(out, "database", database);
	row_bool(out, "admin", (user->flags & AUTH_USER_ADMIN) != 0);
	row_bool(out, "disabled", (user->flags & AUTH_USER_DISABLED) != 0);
	row_list(out, "acts_for");
	for (size_t i = 0; i < user->acts_for_count; i++)
		row_item(out, "acts_for", user->acts_for[i]);
	row_list(out, "verifiers");
	for (size_t i = 0; i < user->verifier_count; i++)
		row_item(out, "verifiers", str_of(verifier_kind(user->verifiers[i])));
	if (user->created > 0)
		row_u64(out, "created", (uint64_t)user->created);
	if (user->changed > 0)
		row_u64(out, "changed", (uint64_t)user->changed);
	row_end(out);
}

static bool
user_row(const struct auth_user *user, void *arg)
{
	if (!user->unreadable) {
		put_user_row(user, STR("store"), arg);
		return true;
	}
	row_str(arg, "name", user->name);
	row_str(arg, ROW_FAULT, STR("unknown format"));
	row_end(arg);
	return true;
}

static bool
user_list(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct buf rows = {0};
	bool ok;

	(void)io;
	(void)req;
	ok = put_user_error(auth_users_list(ops->auth, user_row, &rows), NULL, STR_NONE, out);
	if (ok)
		buf_str(out, buf_as_str(&rows));
	buf_fini(&rows);
	return ok;
}

static bool
user_show(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct str name = request_get(req, "name");
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_chain *chain = NULL;
	struct auth_user user;
	struct buf full = {0};
	const char *why = NULL;
	enum ts_err err = TS_NOT_FOUND;
	bool ok = true;

	(void)io;
	/* The database that decides about the name; or the store's record, if that is unknown. */
	if (sasl_name_full(name, auth_default_domain(ops->auth), &full))
		err = auth_find(ops->auth, buf_as_str(&full), arena, &user, &chain);
	if (err == TS_OK) {
		put_user_row(&user, buf_as_str(&user.db->name), out);
	} else {
		err = auth_users_get(ops->auth, name, arena, &user, &why);
		if (err == TS_INVALID)
			buf_printf(out, "'%.*s': ", STR_ARG(name));
		ok = put_user_error(err, why, name, out);
		if (ok)
			user_row(&user, out);
	}
	auth_chain_unref(&chain);
	buf_fini(&full);
	arena_free(&arena);
	return ok;
}

/* In steps, so that it can be interrupted: each step is on disk before the next. */
static bool
user_bulk(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct auth_bulk bulk = {.prefix = request_get(req, "prefix"),
	    .password = request_get(req, "password"),
	    .hash = request_get(req, "hash")};
	uint64_t from, to, digits, made, sum = 0;
	const char *why = NULL;

	if (!str_u64(request_get(req, "from"), 1000000000, &from) ||
	    !str_u64(request_get(req, "to"), 1000000000, &to) ||
	    !str_u64(request_get(req, "digits"), 20, &digits))
		return put_user_error(
		    TS_INVALID, "from, to and digits must be numbers", STR_NONE, out);
	bulk.digits = (unsigned)digits;
	for (uint64_t at = from; at <= to; at += BULK_STEP) {
		enum ts_err err;

		if (io->gone(io)) {
			buf_printf(out, "ended early: %llu users added\n", (unsigned long long)sum);
			return false;
		}
		bulk.from = at;
		bulk.to = to - at < BULK_STEP ? to : at + BULK_STEP - 1;
		err = auth_users_bulk(ops->auth, &bulk, &made, &why);
		if (!put_user_error(err, why, bulk.prefix, out))
			return false;
		sum += made;
		io->progress(io, "users", bulk.to - from + 1, to - from + 1);
	}
	buf_printf(out, "%llu users added\n", (unsigned long long)sum);
	return true;
}

const struct op ops_user[] = {{.verb = "user-add", .run = user_add},
    {.verb = "user-check", .run = user_check}, {.verb = "user-passwd", .run = user_passwd},
    {.verb = "user-delete", .run = user_delete}, {.verb = "user-disable", .run = user_disable},
    {.verb = "user-enable", .run = user_enable}, {.verb = "user-list", .run = user_list},
    {.verb = "user-show", .run = user_show}, {.verb = "user-bulk", .run = user_bulk},
    {.verb = NULL}};
