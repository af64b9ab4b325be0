/* SPDX-License-Identifier: Apache-2.0 */
/* The operation for `turnstone check`: it sends each finding at once, as a line. */
#include "store/check.h"
#include "auth/alias.h"
#include "auth/grant/acl.h"
#include "auth/users.h"
#include "base/json.h"
#include "control/ops/ops.h"

struct checking {
	struct op_io *io;
	bool json, repair;
	uint64_t found, mended;
	struct buf line;
};

static void
put_finding_text(struct checking *c, const struct check_finding *f)
{
	struct buf *b = &c->line;

	if (f->account.n > 0)
		buf_printf(b, "%.*s: ", STR_ARG(f->account));
	if (f->mailbox.n > 0)
		buf_printf(b, "%.*s: ", STR_ARG(f->mailbox));
	if (f->uid != 0)
		buf_printf(b, "UID %u: ", f->uid);
	buf_puts(b, f->what);
	if (f->done != NULL)
		buf_printf(b, " -- mended: %s", f->done);
	else if (c->repair)
		buf_puts(b, " -- NOT mended");
	buf_putc(b, '\n');
}

static void
put_finding_json(struct checking *c, const struct check_finding *f)
{
	struct json j = {.out = &c->line};

	json_open(&j, '{');
	json_key(&j, "kind");
	json_str(&j, str_of(check_kind_name(f->kind)));
	if (f->account.n > 0) {
		json_key(&j, "user");
		json_str(&j, f->account);
	}
	if (f->mailbox.n > 0) {
		json_key(&j, "mailbox");
		json_str(&j, f->mailbox);
	}
	if (f->uid != 0) {
		json_key(&j, "uid");
		json_u64(&j, f->uid);
	}
	json_key(&j, "what");
	json_str(&j, str_of(f->what));
	if (f->done != NULL) {
		json_key(&j, "mended");
		json_str(&j, str_of(f->done));
	}
	json_close(&j, '}');
	buf_putc(&c->line, '\n');
}

static void
put_finding(const struct check_finding *f, void *arg)
{
	struct checking *c = arg;

	c->found++;
	c->mended += f->done != NULL;
	c->line.n = 0;
	if (c->json)
		put_finding_json(c, f);
	else
		put_finding_text(c, f);
	(void)c->io->send(c->io, buf_as_str(&c->line));
}

static void
progress(const char *what, uint64_t done, uint64_t total, void *arg)
{
	struct checking *c = arg;

	c->io->progress(c->io, what, done, total);
}

static void
find_record(struct checking *c, const char *kind, struct str name)
{
	struct buf what = {0};

	buf_printf(&what, "the record of %s %.*s has an unknown format", kind, STR_ARG(name));
	put_finding(&(struct check_finding){.kind = CHECK_RECORD, .what = buf_cstr(&what)}, c);
	buf_fini(&what);
}

static bool
check_one_user(const struct auth_user *user, void *arg)
{
	if (user->unreadable)
		find_record(arg, "user", user->name);
	return true;
}

static bool
check_alias(const struct auth_alias *alias, void *arg)
{
	if (alias->unreadable)
		find_record(arg, "alias", alias->name);
	return true;
}

static void
check_users(const struct ops *ops, struct checking *c)
{
	enum ts_err err = auth_users_list(ops->auth, check_one_user, c);

	if (err == TS_OK)
		err = auth_alias_list(ops->auth, check_alias, c);
	if (err != TS_OK)
		put_finding(&(struct check_finding){.kind = CHECK_RECORD,
		                .what = "the records of users and aliases cannot all be read (the "
		                        "log names them)"},
		    c);
}

static void
summary(const struct check_result *r, const struct checking *c, struct buf *out)
{
	buf_printf(out,
	    "accounts: %llu\nmailboxes: %llu\nmessages: %llu\nreferences: %llu\nbytes: %llu\n"
	    "found: %llu\nmended: %llu\n",
	    (unsigned long long)r->accounts, (unsigned long long)r->mailboxes,
	    (unsigned long long)r->messages, (unsigned long long)r->references,
	    (unsigned long long)r->bytes, (unsigned long long)c->found,
	    (unsigned long long)c->mended);
}

static bool
no_mailbox(const struct check_options *opt, struct buf *out)
{
	out->n = 0;
	buf_printf(out, "%.*s has no mailbox %.*s\n", STR_ARG(opt->user), STR_ARG(opt->mailbox));
	return false;
}

static bool
serve_check(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct checking c = {
	    .io = io, .json = request_has(req, "json"), .repair = request_has(req, "repair")};
	struct check_options opt = {.repair = c.repair,
	    .quick = request_has(req, "quick"),
	    .user = request_get(req, "user"),
	    .mailbox = request_get(req, "mailbox"),
	    .property = auth_acl_fault,
	    .found = put_finding,
	    .progress = progress,
	    .arg = &c};
	struct check_result result = {0};
	enum ts_err err = TS_OK;

	if (str_ieq(opt.mailbox, STR("INBOX")))
		opt.mailbox = STR("INBOX");
	if (c.repair && ops->server != NULL) {
		buf_puts(out, "a server is running on this store: stop it first (turnstone stop); "
		              "a check without --repair works while it runs\n");
		return false;
	}
	if (ops->recovered != NULL)
		put_finding(&(struct check_finding){.kind = CHECK_TABLE,
		                .what = ops->recovered,
		                .done = ops->store != NULL ? "opened with what the files still hold"
		                                           : NULL},
		    &c);
	if (ops->store != NULL)
		err = store_check(ops->store, &opt, &result);
	if (err == TS_OK && ops->store != NULL && opt.user.n == 0)
		check_users(ops, &c);
	summary(&result, &c, out);
	buf_fini(&c.line);
	if (err == TS_OK && ops->store != NULL && opt.mailbox.n > 0 && result.mailboxes == 0 &&
	    c.found == 0)
		return no_mailbox(&opt, out);
	if (err == TS_NOT_FOUND && opt.user.n > 0) {
		out->n = 0;
		buf_printf(out, "there is no mail of a user %.*s\n", STR_ARG(opt.user));
	} else if (err != TS_OK) {
		buf_printf(
		    out, "the store could not be checked to the end: %s\n", ts_err_name(err));
	}
	return err == TS_OK;
}

const struct op ops_check[] = {
    {.verb = "check", .run = serve_check, .still = true}, {.verb = NULL}};
