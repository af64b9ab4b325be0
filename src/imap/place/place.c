/* SPDX-License-Identifier: Apache-2.0 */
/* See place.h. */
#include "imap/place/place.h"

#include "auth/grant/grant.h"

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

/* Returns what the login's grant allows; it sees names as clients spell them. */
static unsigned
granted(const struct imap_login *login, struct str name)
{
	if (login->grant == NULL)
		return AUTH_RIGHTS_ALL;
	return auth_grant_mailbox(login->grant, name) ? login->grant->rights : 0;
}

void
imap_place_own(const struct imap_login *login, struct str name, struct imap_place *place_r)
{
	*place_r = (struct imap_place){
	    .account = login->account, .mailbox = name, .rights = AUTH_RIGHTS_ALL};
}

void
imap_place_of(const struct imap_login *login, struct str name, struct imap_place *place_r)
{
	const struct imap_space *space = space_of(login, name);

	imap_place_own(login, name, place_r);
	if (space != NULL) {
		const size_t n = space->prefix.n;

		*place_r = (struct imap_place){
		    .mailbox = {name.p + n, name.n - n}, .prefix = space->prefix};
		space->resolve(space, login, place_r);
	}
	place_r->rights = place_r->account != NULL ? place_r->rights & granted(login, name) : 0;
	place_r->unbounded = login->grant == NULL && place_r->account == login->account;
}

bool
imap_place_is_personal(const struct imap_login *login, struct str name)
{
	return space_of(login, name) == NULL;
}

unsigned
imap_rights_of(const struct imap_login *login, struct str name)
{
	struct imap_place place;

	if (login->spaces.n == 0)
		return granted(login, name);
	imap_place_of(login, name, &place);
	return place.rights;
}
