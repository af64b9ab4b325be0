/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_GRANT_ACL_H
#define AUTH_GRANT_ACL_H
/*
 * Access control lists of mailboxes (RFC 4314 section 2).
 *
 * An entry is a property of the mailbox: its name is "acl/" and an identifier, its value the rights
 * as auth_rights_print() writes them.  An identifier is one of these; with a '-' before it, the
 * entry takes rights away ("negative rights"):
 *
 *	anna@site.example	a prepared user name
 *	anyone			everybody
 *	authenticated		everybody who has logged in as a user
 *	group:NAME		the members of a group (groups.h)
 *
 * A user has the rights of all entries that fit, without those of all negative ones that fit, in
 * whatever order they come.  The owner has all rights; that is not in the list, and callers do not
 * ask here.
 *
 * A damaged entry opens nothing: it gives no rights, and a negative one takes all from those whom
 * it fits.
 */
#include "auth/grant/grant.h"
#include "auth/grant/groups.h"
#include "store/store.h"

#define AUTH_ACL_PREFIX "acl/"
#define AUTH_ACL_ANYONE "anyone"
#define AUTH_ACL_AUTHENTICATED "authenticated"

struct auth_acl_who {
	struct str user;                  /* prepared; empty: has not logged in as a user */
	const struct auth_groups *groups; /* of everybody; NULL: there are none */
	bool no_anyone; /* the two words give nothing: sharing.anyone (auth/sharing.h) */
};

/* Returns the rights that the table gives to somebody who is not the owner.  Any thread. */
unsigned auth_acl_rights(const struct store_properties *table, const struct auth_acl_who *who);
/* Whether the table has any entry. */
bool auth_acl_shared(const struct store_properties *table);
/* Gets the next entry; *at begins as 0.  Returns false after the last.  The identifier has its '-'
 * and lives as long as the table. */
bool auth_acl_next(
    const struct store_properties *table, size_t *at, struct str *identifier_r, unsigned *rights_r);
/* Whether an identifier, with or without '-', fits somebody. */
bool auth_acl_fits(struct str identifier, const struct auth_acl_who *who);
/* Whether an entry is for everybody and gives something: `anyone` or `authenticated` without '-'.
 */
bool auth_acl_for_all(struct str identifier);
/* Returns the name of the first property at or after *at that is a damaged entry, for the log, and
 * sets *at behind it; STR_NONE if there is none.  *at begins as 0. */
struct str auth_acl_damaged(const struct store_properties *table, size_t *at);

/* Says what is wrong with a property, if it is an entry, a static text; NULL: nothing.  *useless_r:
 * the entry has no effect, as those have that give nothing. */
const char *auth_acl_fault(struct str property, struct str value, bool *useless_r);

/* Returns the user whom an identifier names, with or without '-'; p == NULL: it is a word or a
 * group. */
struct str auth_acl_user(struct str identifier);

/*
 * Appends the prepared form of an identifier as a client writes it, with its '-'.  The words are
 * recognized in any case, since names of users have none.  Returns NULL, or what is wrong with it,
 * a static sentence; *prepared_r is unchanged then.  A user whose name begins with '-' has no
 * identifier.
 */
const char *auth_acl_identifier(struct str text, struct str default_domain, struct buf *prepared_r);
#endif
