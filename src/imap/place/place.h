/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_PLACE_PLACE_H
#define IMAP_PLACE_PLACE_H
/*
 * Places: what the names of mailboxes refer to.
 *
 * A client's names form one tree.  Each namespace (RFC 2342) has the names that begin with its
 * prefix; the rest belongs to the personal one.  A name resolves to a place: the account in which
 * the mailbox is or would be, its name there, and what the login may currently do with it.
 *
 * A personal mailbox keeps its name, even if that begins like those of another namespace: nothing
 * that a user has disappears because of the configuration.
 *
 * Changes and watches must use the account of a place, or of an open mailbox
 * (store_mailbox_account()), never the login's: in other namespaces these differ
 * (tools/check_rights.sh).
 */
#include "imap/cmd.h"

struct imap_place {
	/* Valid as long as the login has reached it (imap/place/shared.h), not referenced; NULL:
	 * the name leads nowhere, and rights is 0. */
	struct store_account *account;
	struct str mailbox; /* its name in that account, a part of the name: what follows ... */
	/* ... the namespace's prefix, and for others' mailboxes the account's name and '/'.  Empty
	 * for the personal one. */
	struct str prefix;
	unsigned rights; /* of enum auth_right; 0: this login can never have any */
	bool unbounded;  /* all rights, as on everything in that account: it is the user's own */
	/*
	 * The mailbox has a list that gives the rights (RFC 4314): rights and what follows are of
	 * one look at the mailbox.  Where there is none, rights is 0.
	 */
	bool shared;
	bool exists;
	struct store_mailbox_info info; /* without name and properties */
};

enum imap_space_kind { IMAP_SPACE_PERSONAL, IMAP_SPACE_OTHERS, IMAP_SPACE_SHARED, IMAP_SPACES };

struct imap_space { /* a namespace besides the personal one */
	enum imap_space_kind kind;
	struct str prefix; /* ends in '/' */
	/*
	 * NULL: mailboxes of others, with the rights by their lists (imap/place/shared.h).  Else
	 * called for place->mailbox, the part after the prefix: sets account, which must outlive
	 * the login, and the rights that the user has there; a grant's bounds are applied
	 * elsewhere.  LIST shows nothing of such a namespace.
	 */
	void (*resolve)(const struct imap_space *space, const struct imap_login *login,
	    struct imap_place *place);
	void *arg;
};

void imap_place_of(const struct imap_login *login, struct str name, struct imap_place *place_r);
/* Always gives the login's own account and the whole name: for what users keep about names, such as
 * subscriptions.  Checks no rights. */
void imap_place_own(const struct imap_login *login, struct str name, struct imap_place *place_r);
/* Returns whether the name is a level of a namespace's prefix: what is below it is not, or not
 * only, the user's. */
bool imap_place_above_space(const struct imap_login *login, struct str name);
/* Returns the id of the login's own account. */
uint64_t imap_place_own_id(const struct imap_login *login);
/* Returns whether a name can be resolved without a look at the disk. */
bool imap_place_at_hand(const struct imap_login *login, struct str name);
/* Returns what the login's grant allows on a mailbox of this name. */
unsigned imap_place_granted(const struct imap_login *login, struct str name);
/* Returns whether a personal mailbox of this name is shown; if it is in another namespace, only as
 * long as it exists. */
bool imap_place_shows(const struct imap_login *login, const struct store_mailbox_info *info);
/* Returns the rights on a mailbox of this name, whether or not it exists; 0: this login can never
 * have any. */
unsigned imap_rights_of(const struct imap_login *login, struct str name);
/* Returns the rights on an open mailbox, which has this name. */
unsigned imap_rights_on(
    const struct imap_login *login, struct str name, const struct store_mailbox *mailbox);
/* The same, for a mailbox of the place's account with these properties. */
unsigned imap_rights_in(const struct imap_login *login, const struct imap_place *place,
    struct str name, const struct store_properties *properties);
#endif
