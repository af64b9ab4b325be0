/* SPDX-License-Identifier: Apache-2.0 */
/* Access control lists of mailboxes: see acl.h. */
#include "auth/grant/acl.h"

#include "sasl/names.h"

static const struct str group_word = {AUTH_GROUP_WORD, sizeof(AUTH_GROUP_WORD) - 1};

/* Removes `n` bytes from the front. */
static struct str
after(struct str s, size_t n)
{
	return (struct str){s.p + n, s.n - n};
}

static bool
is_negative(struct str identifier)
{
	return identifier.n > 0 && identifier.p[0] == '-';
}

/* ---- entries */

/* Only what auth_rights_print() writes is understood. */
static bool
take_rights(struct str value, unsigned *rights_r)
{
	struct buf again = {0};
	bool same;
	char bad;

	*rights_r = 0;
	if (value.n == 0)
		return true;
	if (!auth_rights_parse(value, rights_r, &bad))
		return false;
	auth_rights_print(*rights_r, &again);
	same = str_eq(buf_as_str(&again), value);
	buf_fini(&again);
	return same;
}

static bool
is_prepared_name(struct str name)
{
	struct buf b = {0};
	bool same = sasl_name_full(name, STR_NONE, &b) && str_eq(buf_as_str(&b), name);

	buf_fini(&b);
	return same;
}

static bool
is_identifier(struct str identifier)
{
	if (is_negative(identifier))
		identifier = after(identifier, 1);
	if (str_has_prefix(identifier, group_word))
		return auth_group_name_ok(after(identifier, group_word.n));
	return !is_negative(identifier) && is_prepared_name(identifier);
}

/* Gets the entry at *at, if there is one. */
static bool
entry_at(
    const struct store_properties *table, size_t at, struct str *identifier_r, struct str *value_r)
{
	struct str name;

	if (at >= store_properties_count(table))
		return false;
	store_properties_at(table, at, &name, value_r);
	if (!str_has_prefix(name, STR(AUTH_ACL_PREFIX)))
		return false;
	*identifier_r = after(name, sizeof(AUTH_ACL_PREFIX) - 1);
	return true;
}

/* Returns where the entries begin, or where to go on. */
static size_t
from(const struct store_properties *table, size_t at)
{
	return at > 0 ? at : store_properties_from(table, STR(AUTH_ACL_PREFIX));
}

bool
auth_acl_next(
    const struct store_properties *table, size_t *at, struct str *identifier_r, unsigned *rights_r)
{
	struct str value;

	*at = from(table, *at);
	if (!entry_at(table, *at, identifier_r, &value))
		return false;
	++*at;
	if (!take_rights(value, rights_r))
		*rights_r = is_negative(*identifier_r) ? AUTH_RIGHTS_ALL : 0;
	return true;
}

bool
auth_acl_shared(const struct store_properties *table)
{
	struct str identifier, value;

	return entry_at(table, from(table, 0), &identifier, &value);
}

struct str
auth_acl_damaged(const struct store_properties *table, size_t *at)
{
	struct str identifier, value, name;
	unsigned rights;

	for (*at = from(table, *at); entry_at(table, *at, &identifier, &value);) {
		store_properties_at(table, (*at)++, &name, &value);
		if (!is_identifier(identifier) || !take_rights(value, &rights))
			return name;
	}
	return STR_NONE;
}

const char *
auth_acl_fault(struct str property, struct str value, bool *useless_r)
{
	struct str identifier;
	unsigned rights;

	*useless_r = false;
	if (!str_has_prefix(property, STR(AUTH_ACL_PREFIX)))
		return NULL;
	identifier = after(property, sizeof(AUTH_ACL_PREFIX) - 1);
	if (!is_identifier(identifier)) {
		*useless_r = true;
		return "this is the identifier of nobody";
	}
	if (take_rights(value, &rights))
		return NULL;
	*useless_r = !is_negative(identifier);
	return *useless_r ? "its rights are damaged, so it gives none"
	                  : "its rights are damaged, so it takes all: set it anew (turnstone acl)";
}

struct str
auth_acl_user(struct str identifier)
{
	if (is_negative(identifier))
		identifier = after(identifier, 1);
	if (str_has_prefix(identifier, group_word) || auth_acl_for_all(identifier))
		return STR_NONE;
	return identifier;
}

/* ---- rights */

bool
auth_acl_fits(struct str identifier, const struct auth_acl_who *who)
{
	bool gives = !is_negative(identifier);

	if (!gives)
		identifier = after(identifier, 1);
	if (str_eq(identifier, STR(AUTH_ACL_ANYONE)))
		return !(gives && who->no_anyone);
	if (who->user.n == 0)
		return false;
	if (str_eq(identifier, STR(AUTH_ACL_AUTHENTICATED)))
		return !(gives && who->no_anyone);
	if (str_has_prefix(identifier, group_word))
		return who->groups != NULL &&
		       auth_groups_has(who->groups, after(identifier, group_word.n), who->user);
	return str_eq(identifier, who->user);
}

bool
auth_acl_for_all(struct str identifier)
{
	return str_eq(identifier, STR(AUTH_ACL_ANYONE)) ||
	       str_eq(identifier, STR(AUTH_ACL_AUTHENTICATED));
}

unsigned
auth_acl_rights(const struct store_properties *table, const struct auth_acl_who *who)
{
	unsigned given = 0, taken = 0, rights;
	struct str identifier;
	size_t at = 0;

	while (auth_acl_next(table, &at, &identifier, &rights)) {
		if (!auth_acl_fits(identifier, who))
			continue;
		if (is_negative(identifier))
			taken |= rights;
		else
			given |= rights;
	}
	return given & ~taken;
}

/* ---- identifiers */

/* Appends a word of its own, or "group:NAME"; false: it is neither. */
static bool
put_word(struct str text, struct buf *out)
{
	static const struct str words[] = {
	    {AUTH_ACL_ANYONE, sizeof(AUTH_ACL_ANYONE) - 1},
	    {AUTH_ACL_AUTHENTICATED, sizeof(AUTH_ACL_AUTHENTICATED) - 1},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (str_ieq(text, words[i])) {
			buf_str(out, words[i]);
			return true;
		}
	if (!str_has_iprefix(text, group_word) || !auth_group_name_ok(after(text, group_word.n)))
		return false;
	buf_str(out, group_word);
	buf_str(out, after(text, group_word.n));
	return true;
}

/*
 * Appends a prepared user name.  Preparation turns wide letters into others, so what comes out is
 * looked at: it must not be read as something else.
 */
static bool
put_name(struct str text, struct str default_domain, struct buf *out)
{
	struct buf b = {0};
	struct str name;
	bool ok = sasl_name_full(text, default_domain, &b);

	name = buf_as_str(&b);
	ok = ok && !is_negative(name) && !str_has_prefix(name, group_word) &&
	     !str_eq(name, STR(AUTH_ACL_ANYONE)) && !str_eq(name, STR(AUTH_ACL_AUTHENTICATED));
	if (ok)
		buf_str(out, name);
	buf_fini(&b);
	return ok;
}

const char *
auth_acl_identifier(struct str text, struct str default_domain, struct buf *prepared_r)
{
	const size_t n = prepared_r->n;

	if (is_negative(text)) {
		buf_putc(prepared_r, '-');
		text = after(text, 1);
	}
	if (put_word(text, prepared_r))
		return NULL;
	if (!str_has_iprefix(text, group_word) && put_name(text, default_domain, prepared_r))
		return NULL;
	prepared_r->n = n;
	return str_has_iprefix(text, group_word) ? N_("This is not the name of a group")
	                                         : N_("This is not the name of a user");
}
