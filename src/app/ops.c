/* SPDX-License-Identifier: Apache-2.0 */
/* Users are managed here, whoever asks; what the server does is in server.c. */
#include "app/ops.h"

#include <time.h>
#include <unistd.h>

#include "app/server.h"
#include "auth/users.h"
#include "base/log.h"

struct op {
	const char *verb;
	bool (*run)(const struct ops *ops, const struct request *req, struct buf *out);
	bool needs_server;
};

/* What the user is told of an error; true when there is none. */
static bool
explain(enum ts_err err, const char *why, struct str name, struct buf *out)
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
	case TS_FULL:
		buf_puts(
		    out, "the disk of the store has less free space than store.free_space says\n");
		break;
	default:
		buf_printf(out, "%s\n",
		    why != NULL ? why
		    : err == TS_UNKNOWN
		        ? "the change may or may not be on disk: look, then try again"
		        : ts_err_name(err));
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
	    .acts_for = patterns};

	for (size_t i = 0; i < req->field_count; i++)
		if (str_eq(req->fields[i].key, STR("acts-for")))
			patterns[spec.acts_for_count++] = req->fields[i].value;
	return spec;
}

static bool
user_add(const struct ops *ops, const struct request *req, struct buf *out)
{
	struct str patterns[REQUEST_FIELDS_MAX];
	struct auth_user_spec spec = spec_of(req, patterns);
	const char *why = NULL;
	enum ts_err err = auth_users_add(ops->auth, &spec, &why);

	return explain(err, why, spec.name, out);
}

static bool
user_passwd(const struct ops *ops, const struct request *req, struct buf *out)
{
	struct str patterns[REQUEST_FIELDS_MAX];
	struct auth_user_spec spec = spec_of(req, patterns);
	const char *why = NULL;
	enum ts_err err = auth_users_passwd(ops->auth, &spec, &why);

	return explain(err, why, spec.name, out);
}

static bool
user_delete(const struct ops *ops, const struct request *req, struct buf *out)
{
	struct str name = request_get(req, "name");
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user user = {0};
	const char *why = NULL;
	enum ts_err err = auth_users_get(ops->auth, name, arena, &user, &why);
	bool ok;

	if (err == TS_OK || err == TS_DAMAGED)
		err = auth_users_delete(ops->auth, name, &why);
	if (err == TS_OK && user.name.n > 0 && request_has(req, "purge")) {
		err = store_account_delete(ops->store, user.name);
		if (err == TS_NOT_FOUND)
			err = TS_OK;
	}
	ok = explain(err, why, name, out);
	arena_free(&arena);
	return ok;
}

static bool
user_disable(const struct ops *ops, const struct request *req, struct buf *out)
{
	struct str name = request_get(req, "name");
	const char *why = NULL;
	enum ts_err err = auth_users_disable(ops->auth, name, true, &why);

	return explain(err, why, name, out);
}

static bool
user_enable(const struct ops *ops, const struct request *req, struct buf *out)
{
	struct str name = request_get(req, "name");
	const char *why = NULL;
	enum ts_err err = auth_users_disable(ops->auth, name, false, &why);

	return explain(err, why, name, out);
}

static bool
list_one(const struct auth_user *user, void *arg)
{
	struct buf *out = arg;

	buf_str(out, user->name);
	if ((user->flags & AUTH_USER_ADMIN) != 0)
		buf_puts(out, " admin");
	if ((user->flags & AUTH_USER_DISABLED) != 0)
		buf_puts(out, " disabled");
	for (size_t i = 0; i < user->acts_for_count; i++)
		buf_printf(out, "%s%.*s", i == 0 ? " acts-for=" : ",", STR_ARG(user->acts_for[i]));
	buf_putc(out, '\n');
	return true;
}

static bool
user_list(const struct ops *ops, const struct request *req, struct buf *out)
{
	(void)req;
	return explain(auth_users_list(ops->auth, list_one, out), NULL, STR_NONE, out);
}

static void
put_time(struct buf *out, const char *what, int64_t t)
{
	time_t when = (time_t)t;
	struct tm tm;
	char text[64];

	gmtime_r(&when, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	buf_printf(out, "%s: %s\n", what, text);
}

static bool
user_show(const struct ops *ops, const struct request *req, struct buf *out)
{
	struct str name = request_get(req, "name");
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user user;
	const char *why = NULL;
	enum ts_err err = auth_users_get(ops->auth, name, arena, &user, &why);
	bool ok = explain(err, why, name, out);

	if (ok) {
		buf_printf(out, "name: %.*s\nadmin: %s\ndisabled: %s\n", STR_ARG(user.name),
		    (user.flags & AUTH_USER_ADMIN) != 0 ? "yes" : "no",
		    (user.flags & AUTH_USER_DISABLED) != 0 ? "yes" : "no");
		for (size_t i = 0; i < user.acts_for_count; i++)
			buf_printf(out, "acts for: %.*s\n", STR_ARG(user.acts_for[i]));
		for (size_t i = 0; i < user.verifier_count; i++)
			buf_printf(out, "verifier: %s\n",
			    str_has_prefix(user.verifiers[i], STR("SCRAM-")) ? "SCRAM-SHA-256"
			    : str_has_prefix(user.verifiers[i], STR("$y$"))  ? "yescrypt"
			                                                     : "crypt(3)");
		put_time(out, "created", user.created);
		put_time(out, "changed", user.changed);
	}
	arena_free(&arena);
	return ok;
}

static bool
user_bulk(const struct ops *ops, const struct request *req, struct buf *out)
{
	struct auth_bulk bulk = {.prefix = request_get(req, "prefix"),
	    .password = request_get(req, "password"),
	    .hash = request_get(req, "hash")};
	uint64_t digits, made;
	const char *why = NULL;
	enum ts_err err;

	if (!str_u64(request_get(req, "from"), 1000000000, &bulk.from) ||
	    !str_u64(request_get(req, "to"), 1000000000, &bulk.to) ||
	    !str_u64(request_get(req, "digits"), 20, &digits))
		return explain(TS_INVALID, "from, to and digits must be numbers", STR_NONE, out);
	bulk.digits = (unsigned)digits;
	err = auth_users_bulk(ops->auth, &bulk, &made, &why);
	if (!explain(err, why, bulk.prefix, out))
		return false;
	buf_printf(out, "%llu users made\n", (unsigned long long)made);
	return true;
}

static bool
status(const struct ops *ops, const struct request *req, struct buf *out)
{
	(void)req;
	server_status(ops->server, out);
	return true;
}

static bool
stop(const struct ops *ops, const struct request *req, struct buf *out)
{
	(void)req;
	buf_printf(out, "pid: %d\n", (int)getpid());
	server_ask_stop(ops->server);
	return true;
}

static bool
reload(const struct ops *ops, const struct request *req, struct buf *out)
{
	(void)req;
	return server_reload(ops->server, out);
}

static const struct op table[] = {
    {"status", status, true},
    {"stop", stop, true},
    {"reload", reload, true},
    {"user-add", user_add, false},
    {"user-passwd", user_passwd, false},
    {"user-delete", user_delete, false},
    {"user-disable", user_disable, false},
    {"user-enable", user_enable, false},
    {"user-list", user_list, false},
    {"user-show", user_show, false},
    {"user-bulk", user_bulk, false},
};

bool
ops_run(const struct ops *ops, const struct request *req, struct buf *out)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (!str_eq(req->verb, str_of(table[i].verb)))
			continue;
		if (table[i].needs_server && ops->server == NULL) {
			buf_puts(out, "no server runs on this store\n");
			return false;
		}
		return table[i].run(ops, req, out);
	}
	buf_printf(out, "the server does not know the request '%.*s': is it of another version?\n",
	    STR_ARG(req->verb));
	return false;
}
