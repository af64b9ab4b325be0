/* SPDX-License-Identifier: Apache-2.0 */
/* See place.h. */
#include "imap/place/place.h"

#include "auth/grant/grant.h"
#include "imap/place/shared.h"

/* Returns the one with the longest prefix; NULL: the personal one. */
static const struct imap_space *
space_of(const struct imap_login *login, struct str name)
{
	const struct imap_space *found = NULL;

	for (size_t i = 0; i < login->spaces.n; i++) {
		const struct imap_space *space = &login->spaces.v[i];

		if (str_has_prefix(name, space->prefix) &&
		    (found == NULL || found->prefix.n < space->prefix.n))
			found = space;
	}
	return found;
}

/* Returns the namespace of a name that is not that of a personal mailbox. */
static const struct imap_space *
space_besides(const struct imap_login *login, struct str name)
{
	const struct imap_space *space = space_of(login, name);
	struct store_mailbox_info info;

	if (space != NULL && space->resolve == NULL &&
	    store_account_lookup(login->account, name, &info))
		return NULL;
	return space;
}

/* It sees names as clients spell them. */
unsigned
imap_place_granted(const struct imap_login *login, struct str name)
{
	if (login->grant == NULL)
		return AUTH_RIGHTS_ALL;
	return auth_grant_mailbox(login->grant, name) ? login->grant->rights : 0;
}

void
imap_place_own(const struct imap_login *login, struct str name, struct imap_place *place_r)
{
	place_r->account = login->account;
	place_r->mailbox = name;
	place_r->prefix = STR("");
	place_r->rights = AUTH_RIGHTS_ALL;
	place_r->unbounded = place_r->shared = place_r->exists = false;
}

bool
imap_place_above_space(const struct imap_login *login, struct str name)
{
	for (size_t i = 0; i < login->spaces.n; i++) {
		struct str prefix = login->spaces.v[i].prefix;

		if (str_has_prefix(prefix, name) && prefix.n > name.n && prefix.p[name.n] == '/')
			return true;
	}
	return false;
}

uint64_t
imap_place_own_id(const struct imap_login *login)
{
	return store_account_id(login->account);
}

/* Rights and the mailbox are of one look, so that both are about the same mailbox. */
static void
look_at_shared(const struct imap_login *login, struct str name, struct imap_place *place)
{
	struct store_properties *properties = NULL;
	enum auth_space space;
	struct str account;

	place->shared = true;
	place->rights = 0;
	space = auth_space_split(login->sharing->options, name, false, &account, &place->mailbox);
	place->prefix = str_range(name.p, place->mailbox.p);
	place->account = place->mailbox.n > 0 ? imap_reached(login, space, account) : NULL;
	if (place->account == NULL)
		return;
	place->exists =
	    store_account_look(place->account, place->mailbox, &place->info, &properties);
	place->rights = imap_acl_rights(login, properties);
	store_properties_unref(&properties);
}

void
imap_place_of(const struct imap_login *login, struct str name, struct imap_place *place_r)
{
	const struct imap_space *space = space_besides(login, name);

	imap_place_own(login, name, place_r);
	if (space != NULL && space->resolve == NULL) {
		look_at_shared(login, name, place_r);
	} else if (space != NULL) {
		place_r->account = NULL;
		place_r->prefix = space->prefix;
		place_r->mailbox = str_range(name.p + space->prefix.n, name.p + name.n);
		place_r->rights = 0;
		space->resolve(space, login, place_r);
	}
	place_r->rights =
	    place_r->account != NULL ? place_r->rights & imap_place_granted(login, name) : 0;
	place_r->unbounded = login->grant == NULL && place_r->account == login->account;
}

bool
imap_place_at_hand(const struct imap_login *login, struct str name)
{
	const struct imap_space *space = space_besides(login, name);

	return space == NULL || space->resolve != NULL;
}

bool
imap_place_shows(const struct imap_login *login, const struct store_mailbox_info *info)
{
	const struct imap_space *space = space_of(login, info->name);

	return space == NULL || space->resolve == NULL;
}

unsigned
imap_rights_of(const struct imap_login *login, struct str name)
{
	struct imap_place place;

	if (login->spaces.n == 0)
		return imap_place_granted(login, name);
	imap_place_of(login, name, &place);
	return place.rights;
}

unsigned
imap_rights_in(const struct imap_login *login, const struct imap_place *place, struct str name,
    const struct store_properties *properties)
{
	if (!place->shared)
		return imap_rights_of(login, name);
	return imap_acl_rights(login, properties) & imap_place_granted(login, name);
}

unsigned
imap_rights_on(const struct imap_login *login, struct str name, const struct store_mailbox *mailbox)
{
	const struct imap_space *space;
	struct store_properties *properties;
	unsigned rights;

	if (store_mailbox_account(mailbox) == login->account)
		return imap_place_granted(login, name);
	space = space_of(login, name);
	if (space == NULL || space->resolve != NULL)
		return imap_rights_of(login, name);
	properties = store_mailbox_properties(mailbox);
	rights = imap_acl_rights(login, properties) & imap_place_granted(login, name);
	store_properties_unref(&properties);
	return rights;
}
