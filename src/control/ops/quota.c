/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on quota: limits of users and their mailboxes. */
#include <stdio.h>

#include "control/ops/ops.h"
#include "control/ops/target.h"
#include "control/rows.h"
#include "store/quota.h"
#include "wire/utf7.h"

/* ---- rows ---- */

/* How many percent of a limit are used; of no limit 0. */
static uint64_t
percent(uint64_t usage, uint64_t limit)
{
	if (limit == STORE_QUOTA_NONE)
		return 0;
	if (limit == 0)
		return usage > 0 ? 100 : 0;
	return usage < UINT64_MAX / 100 ? usage * 100 / limit : usage / (limit / 100 + 1);
}

static uint64_t
highest_percent(const struct store_quota_root *root)
{
	uint64_t highest = 0;

	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++) {
		uint64_t p = percent(root->usage[r], root->in_force.limit[r]);

		highest = p > highest ? p : highest;
	}
	return highest;
}

static void
put_resource(const struct store_quota_root *root, enum store_quota_resource r, struct buf *out)
{
	static const char *const keys[] = {"storage", "messages", "mailboxes"};
	uint64_t limit = root->in_force.limit[r];
	char key[32];

	row_u64(out, keys[r], root->usage[r]);
	(void)snprintf(key, sizeof(key), "%s_limit", keys[r]);
	if (limit == STORE_QUOTA_NONE)
		row_str(out, key, STR("none"));
	else
		row_u64(out, key, limit);
	(void)snprintf(key, sizeof(key), "%s_from", keys[r]);
	row_str(out, key,
	    root->own[r]                ? STR("set")
	    : limit == STORE_QUOTA_NONE ? STR("none")
	                                : STR("configuration"));
}

static void
put_root(struct str user, struct str mailbox, const struct store_quota_root *root, struct buf *out)
{
	row_str(out, "user", user);
	row_str(out, "mailbox", mailbox);
	row_u64(out, "percent", highest_percent(root));
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++)
		if (root->mailbox == 0 || r != STORE_QUOTA_MAILBOX)
			put_resource(root, r, out);
	row_end(out);
}

static bool
is_limited(const struct store_quota_root *root)
{
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++)
		if (root->in_force.limit[r] != STORE_QUOTA_NONE)
			return true;
	return false;
}

struct roots {
	struct store *store;
	struct buf names; /* of mailboxes that may have limits, vstr each */
};

static bool
note_mailbox(const struct store_mailbox_info *info, void *arg)
{
	struct roots *roots = arg;

	if (info->id != 0 && (store_properties_count(info->properties) > 0 ||
	                         store_quota_is_named(roots->store, info->name)))
		buf_vstr(&roots->names, info->name);
	return true;
}

/* The account's, and those of its mailboxes. */
static void
put_roots(struct store *store, struct store_account *a, bool all, uint64_t least, struct buf *out)
{
	struct roots roots = {.store = store};
	struct str user = store_account_name(a);
	struct store_quota_root root;
	struct rd names;

	store_quota_account(a, &root);
	if (all || (is_limited(&root) && highest_percent(&root) >= least))
		put_root(user, STR(""), &root, out);
	store_account_list(a, note_mailbox, &roots);
	names = rd_of(buf_as_str(&roots.names));
	while (rd_left(&names) > 0) {
		struct str name = rd_vstr(&names);

		if (store_quota_mailbox(a, name, &root) && highest_percent(&root) >= least)
			put_root(user, name, &root, out);
	}
	buf_fini(&roots.names);
}

/* ---- list ---- */

struct page {
	struct buf names; /* vstr each */
	size_t n;
};

static bool
add_name(struct str name, void *arg)
{
	struct page *page = arg;

	buf_vstr(&page->names, name);
	page->n++;
	return true;
}

static bool
quota_list(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct page page = {.n = 0};
	struct rd names;
	uint64_t least = 0;
	size_t done = 0;
	enum ts_err err;

	if (request_has(req, "over") && !str_u64(request_get(req, "over"), 1000, &least)) {
		buf_puts(out, "--over takes a percentage, from 0 to 1000\n");
		return false;
	}
	err = store_account_names(ops->store, add_name, &page);
	names = rd_of(buf_as_str(&page.names));
	while (rd_left(&names) > 0 && err == TS_OK && !io->gone(io)) {
		struct store_account *a;
		struct str name = rd_vstr(&names);

		/* It may be gone meanwhile; what is wrong with a damaged one the check says. */
		if (store_account_load(ops->store, name, false, &a) == TS_OK) {
			put_roots(ops->store, a, false, least, out);
			store_account_unref(&a);
		}
		io->progress(io, "users", ++done, page.n);
	}
	buf_fini(&page.names);
	if (err != TS_OK)
		ops_put_store_error(err, NULL, out);
	return err == TS_OK;
}

/* ---- one user ---- */

static struct store_account *
find_account(const struct ops *ops, const struct request *req, bool create, struct buf *out)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct str user = request_get(req, "user");
	struct store_account *a = NULL;
	const char *why = NULL;
	bool known = target_owner(ops, user, arena, &user, &why) == TS_OK;
	enum ts_err err;

	err = store_account_load(ops->store, user, create && known, &a);
	if (err == TS_NOT_FOUND)
		buf_printf(out,
		    known ? "%.*s has no mail yet\n" : "there is no user %.*s with mail here\n",
		    STR_ARG(user));
	else if (err != TS_OK)
		buf_printf(out, "the account of %.*s: %s\n", STR_ARG(user), ts_err_name(err));
	arena_free(&arena);
	return err == TS_OK ? a : NULL;
}

static bool
quota_show(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct store_account *a = find_account(ops, req, false, out);

	(void)io;
	if (a == NULL)
		return false;
	put_roots(ops->store, a, true, 0, out);
	store_account_unref(&a);
	return true;
}

/* "none", or a number of units. */
static bool
read_limit(const struct request *req, const char *key, uint64_t most, uint64_t *limit_r)
{
	struct str value = request_get(req, key);

	if (str_eq(value, STR("none"))) {
		*limit_r = STORE_QUOTA_NONE;
		return true;
	}
	return str_u64(value, most, limit_r);
}

static bool
read_wish(const struct request *req, struct store_quota_wish *wish, struct buf *out)
{
	static const char *const keys[] = {"storage", "messages", "mailboxes"};
	bool any = false;

	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++) {
		uint64_t most = r == STORE_QUOTA_STORAGE ? INT64_MAX : STORE_QUOTA_MAX;

		wish->set[r] = STORE_QUOTA_KEEP;
		if (!request_has(req, keys[r]))
			continue;
		any = true;
		wish->set[r] = STORE_QUOTA_LIMIT;
		if (!read_limit(req, keys[r], most, &wish->limit[r])) {
			buf_printf(out, "--%s takes a number%s, or none\n", keys[r],
			    r == STORE_QUOTA_STORAGE ? " of bytes, as in 500M" : "");
			return false;
		}
		if (r == STORE_QUOTA_STORAGE && wish->limit[r] > 0 && wish->limit[r] < 1024) {
			buf_puts(out, "--storage counts units of 1,024 bytes: 1K is the least, and "
			              "0 forbids all\n");
			return false;
		}
	}
	if (!any)
		buf_puts(out, "say which: --storage, --messages or --mailboxes\n");
	return any;
}

/* An empty name would be the account's. */
static bool
mailbox_named(const struct request *req, struct buf *out)
{
	if (!request_has(req, "mailbox") || request_get(req, "mailbox").n > 0)
		return true;
	buf_puts(out, "--mailbox takes the name of a mailbox\n");
	return false;
}

static bool
submit_wish(struct store_account *a, const struct request *req, const struct store_quota_wish *wish,
    struct buf *out)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 256);
	struct str mailbox = request_get(req, "mailbox"), name = mailbox;
	struct store_mailbox_info info;
	struct store_change *c;
	enum ts_err err;

	if (mailbox.n > 0 && !store_account_lookup(a, mailbox, &info))
		name = wire_name_kept(arena, mailbox);
	c = store_quota_change(a, name, wish, NULL, NULL, NULL);
	err = store_submit_wait(c);
	if (err == TS_NOT_FOUND)
		buf_printf(out, "there is no mailbox %.*s\n", STR_ARG(mailbox));
	else if (err == TS_LIMIT)
		buf_puts(out, "there are too many properties already (store.max_properties, "
		              "store.property_total)\n");
	else if (err != TS_OK)
		ops_put_store_error(err, NULL, out);
	store_change_free(&c);
	arena_free(&arena);
	return err == TS_OK;
}

static bool
quota_set(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct store_quota_wish wish;
	struct store_account *a;
	bool ok;

	(void)io;
	if (!mailbox_named(req, out) || !read_wish(req, &wish, out))
		return false;
	if (request_get(req, "mailbox").n > 0 &&
	    wish.set[STORE_QUOTA_MAILBOX] != STORE_QUOTA_KEEP) {
		buf_puts(out, "--mailboxes is a limit of a user, not of a mailbox\n");
		return false;
	}
	a = find_account(ops, req, true, out);
	if (a == NULL)
		return false;
	ok = submit_wish(a, req, &wish, out);
	store_account_unref(&a);
	return ok;
}

static bool
quota_remove(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	const struct store_quota_wish wish = {
	    .set = {STORE_QUOTA_INHERIT, STORE_QUOTA_INHERIT, STORE_QUOTA_INHERIT}};
	struct store_account *a =
	    mailbox_named(req, out) ? find_account(ops, req, false, out) : NULL;
	bool ok;

	(void)io;
	if (a == NULL)
		return false;
	ok = submit_wish(a, req, &wish, out);
	store_account_unref(&a);
	return ok;
}

const struct op ops_quota[] = {{.verb = "quota-list", .run = quota_list},
    {.verb = "quota-show", .run = quota_show}, {.verb = "quota-set", .run = quota_set},
    {.verb = "quota-remove", .run = quota_remove}, {.verb = NULL}};
