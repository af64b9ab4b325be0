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
 * Changes and watches must use the account of a place, or of an open mailbox
 * (store_mailbox_account()), never the login's: in other namespaces these differ
 * (tools/check_rights.sh).
 */
#include "imap/cmd.h"

struct imap_place {
	/* Valid as long as the login, not referenced; NULL: the name leads nowhere, and rights is
	 * 0. */
	struct store_account *account;
	struct str mailbox; /* its name in that account, a part of the name: what follows ... */
	struct str prefix;  /* ... the namespace's prefix, which is empty for the personal one */
	unsigned rights;    /* of enum auth_right; 0: this login can never have any */
	bool unbounded;     /* all rights, as on everything in that account: it is the user's own */
};

enum imap_space_kind { IMAP_SPACE_PERSONAL, IMAP_SPACE_OTHERS, IMAP_SPACE_SHARED, IMAP_SPACES };

struct imap_space { /* a namespace besides the personal one */
	enum imap_space_kind kind;
	struct str prefix; /* ends in '/' */
	/* For place->mailbox, the part after the prefix: sets account, which must outlive the
	 * login, and the rights that the user has there; a grant's bounds are applied elsewhere.
	 * LIST shows the personal namespace, until one brings a list of its own. */
	void (*resolve)(const struct imap_space *space, const struct imap_login *login,
	    struct imap_place *place);
	void *arg;
};

void imap_place_of(const struct imap_login *login, struct str name, struct imap_place *place_r);
/* Always gives the login's own account and the whole name: for what users keep about names, such as
 * subscriptions.  Checks no rights. */
void imap_place_own(const struct imap_login *login, struct str name, struct imap_place *place_r);
/* Returns whether it is a name of the personal namespace. */
bool imap_place_is_personal(const struct imap_login *login, struct str name);
/* Returns the rights on a mailbox of this name, whether or not it exists; 0: this login can never
 * have any. */
unsigned imap_rights_of(const struct imap_login *login, struct str name);
#endif
