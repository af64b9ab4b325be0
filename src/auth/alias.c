/* SPDX-License-Identifier: Apache-2.0 */
/* Aliases as records of the store: see alias.h. */
#include "auth/alias.h"

#include "auth/auth_int.h"
#include "sasl/names.h"

enum { FORMAT = 1 };

static const char no_alias[] =
    "an alias is local, local@domain or @domain, without blanks, at most 512 bytes";

static enum ts_err
refuse_alias(const char **why_r, const char *why)
{
	*why_r = why;
	return TS_INVALID;
}

bool
auth_alias_name(struct auth *auth, struct str name, struct buf *out)
{
	size_t was = out->n;

	if (name.n == 0 || name.p[0] != '@')
		return sasl_name_full(name, buf_as_str(&auth->default_domain), out);
	buf_putc(out, '@');
	if (sasl_name_prepare((struct str){name.p + 1, name.n - 1}, out) &&
	    str_chr((struct str){out->p + was + 1, out->n - was - 1}, '@') == NULL)
		return true;
	out->n = was;
	return false;
}

static void
alias_key(struct str name, struct buf *out)
{
	buf_puts(out, "alias/");
	buf_str(out, name);
}

static bool
parse(struct str value, struct arena *arena, struct auth_alias *alias)
{
	struct rd r = rd_of(value);
	bool known = rd_u8(&r) == FORMAT;
	uint64_t n = rd_varint(&r);
	struct str *list;

	if (!known || r.bad || n > AUTH_ALIAS_TARGETS)
		return false;
	list = arena_array(arena, n, sizeof(*list));
	for (size_t i = 0; i < n; i++)
		list[i] = arena_str(arena, rd_vstr(&r));
	alias->targets = list;
	alias->target_count = n;
	return !r.bad && rd_left(&r) == 0;
}

/* Prepares the targets of an alias and prints the record. */
static enum ts_err
print_record(struct auth *auth, const struct auth_alias *alias, struct buf *out, const char **why_r)
{
	struct buf name = {0};
	enum ts_err err = TS_OK;

	if (alias->target_count == 0 || alias->target_count > AUTH_ALIAS_TARGETS)
		return refuse_alias(why_r, "an alias stands for 1 to 256 users");
	buf_putc(out, FORMAT);
	buf_varint(out, alias->target_count);
	for (size_t i = 0; err == TS_OK && i < alias->target_count; i++) {
		name.n = 0;
		if (alias->targets[i].n > 0 && alias->targets[i].p[0] == '@')
			err = refuse_alias(why_r, "an alias stands for users, not for a domain");
		else if (!auth_alias_name(auth, alias->targets[i], &name))
			err = refuse_alias(why_r,
			    "the target of an alias is local or local@domain, without blanks");
		buf_vstr(out, buf_as_str(&name));
	}
	buf_fini(&name);
	return err;
}

static enum ts_err
change(struct auth *auth, struct str name, struct str value, bool remove)
{
	struct store_change *c = store_change_new_records(auth->store, NULL, NULL, NULL);
	struct buf key = {0};
	enum ts_err err;

	alias_key(name, &key);
	c->records = arena_array(c->arena, 1, sizeof(*c->records));
	c->record_count = 1;
	c->records[0].key = arena_str(c->arena, buf_as_str(&key));
	c->records[0].value = arena_str(c->arena, value);
	c->records[0].remove = c->records[0].must_exist = remove;
	err = store_submit_wait(c);
	store_change_free(&c);
	/* After a failure, too: it may be unknown whether the change is on disk. */
	auth_cache_drop(auth->cache, name);
	buf_fini(&key);
	return err;
}

enum ts_err
auth_alias_put(struct auth *auth, const struct auth_alias *alias, const char **why_r)
{
	struct buf name = {0}, value = {0};
	enum ts_err err;

	*why_r = NULL;
	if (auth_alias_name(auth, alias->name, &name))
		err = print_record(auth, alias, &value, why_r);
	else
		err = refuse_alias(why_r, no_alias);
	if (err == TS_OK)
		err = change(auth, buf_as_str(&name), buf_as_str(&value), false);
	buf_fini(&name);
	buf_fini(&value);
	return err;
}

enum ts_err
auth_alias_remove(struct auth *auth, struct str name, const char **why_r)
{
	struct buf full = {0};
	enum ts_err err;

	*why_r = NULL;
	if (auth_alias_name(auth, name, &full))
		err = change(auth, buf_as_str(&full), STR_NONE, true);
	else
		err = refuse_alias(why_r, no_alias);
	buf_fini(&full);
	return err;
}

enum ts_err
auth_alias_get(struct auth *auth, struct str name, struct arena *arena, struct auth_alias *alias_r)
{
	struct buf key = {0}, value = {0};
	enum ts_err err;

	*alias_r = (struct auth_alias){.name = arena_str(arena, name)};
	alias_key(name, &key);
	err = store_record_get(auth->store, buf_as_str(&key), &value);
	if (err == TS_OK && !parse(buf_as_str(&value), arena, alias_r))
		err = TS_FAIL(
		    TS_DAMAGED, "the record of alias %.*s has an unknown format", STR_ARG(name));
	buf_fini(&key);
	buf_fini(&value);
	return err;
}

struct lister {
	bool (*fn)(const struct auth_alias *alias, void *arg);
	void *arg;
};

static bool
list_alias(struct str key, struct str value, void *arg)
{
	struct lister *lister = arg;
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_alias alias = {.name = {key.p + 6, key.n - 6}};
	bool more;

	if (!parse(value, arena, &alias)) {
		(void)TS_FAIL(TS_DAMAGED, "the record of alias %.*s has an unknown format",
		    STR_ARG(alias.name));
		alias = (struct auth_alias){.name = alias.name, .unreadable = true};
	}
	more = lister->fn(&alias, lister->arg);
	arena_free(&arena);
	return more;
}

enum ts_err
auth_alias_list(struct auth *auth, bool (*fn)(const struct auth_alias *alias, void *arg), void *arg)
{
	struct lister lister = {fn, arg};

	return store_record_list(auth->store, STR("alias/"), list_alias, &lister);
}

/* ---- recipients */

enum ts_err
auth_find_recipient(struct auth *auth, struct str name, bool users_only, struct arena *arena,
    struct auth_recipient *recipient_r)
{
	uint64_t epoch = auth_cache_epoch(auth->cache, name);
	enum ts_err err = TS_NOT_FOUND;

	*recipient_r = (struct auth_recipient){.is_alias = false};
	if (!users_only)
		err = auth_alias_get(auth, name, arena, &recipient_r->alias);
	if (err != TS_NOT_FOUND) {
		recipient_r->is_alias = err == TS_OK;
		return err;
	}
	if (name.n == 0 || name.p[0] == '@')
		return TS_NOT_FOUND;
	err = auth_find_user(auth, name, arena, &recipient_r->user);
	if (err == TS_OK && !users_only)
		auth_cache_note_no_alias(auth->cache, epoch, name);
	return err;
}

bool
auth_recall_recipient(struct auth *auth, struct str name)
{
	struct auth_facts facts;

	return auth_cache_user(auth->cache, name, STR_NONE, &facts) && facts.no_alias &&
	       (facts.flags & AUTH_USER_DISABLED) == 0;
}
