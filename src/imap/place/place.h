/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_PLACE_PLACE_H
#define IMAP_PLACE_PLACE_H
/*
 * Places: where the names of mailboxes lead.
 *
 * A client's names are one tree.  Namespaces (RFC 2342) have parts of it, each what begins with its
 * prefix; what no other has is the personal one's.  A name resolves to a place: the account in
 * which the mailbox is or would be, its name there, and what the login may do with it as of now.
 *
 * Changes and watches take the account of a place, or of an open mailbox
 * (store_mailbox_account()), never the login's: in other namespaces that is another one
 * (tools/check_rights.sh).
 */
#include "imap/cmd.h"

struct imap_place {
	/* Good as long as the login, no reference; NULL: the name leads nowhere, and rights is 0.
	 */
	struct store_account *account;
	struct str mailbox; /* its name in that account, a part of the name: what is behind ... */
	struct str prefix;  /* ... that of the namespace, which is empty for the personal one */
	unsigned rights;    /* of enum auth_right; 0: for this login there can be none */
	bool unbounded;     /* all rights, as on all else in that account: it is the user's own */
};

enum imap_space_kind { IMAP_SPACE_PERSONAL, IMAP_SPACE_OTHERS, IMAP_SPACE_SHARED, IMAP_SPACES };

struct imap_space { /* a namespace beside the personal one */
	enum imap_space_kind kind;
	struct str prefix; /* with '/' at its end */
	/* Of place->mailbox, what is behind the prefix: sets account, which has to outlive the
	 * login, and the rights that the user has there; a grant's bounds are not its affair.
	 * LIST shows what the personal namespace has, until one brings a list of its own. */
	void (*resolve)(const struct imap_space *space, const struct imap_login *login,
	    struct imap_place *place);
	void *arg;
};

void imap_place_of(const struct imap_login *login, struct str name, struct imap_place *place_r);
/* The login's own account and the whole name, wherever that leads: for what users keep of names,
 * which subscriptions are.  No rights are asked. */
void imap_place_own(const struct imap_login *login, struct str name, struct imap_place *place_r);
/* Is it a name of the personal namespace? */
bool imap_place_is_personal(const struct imap_login *login, struct str name);
/* Of a mailbox of this name, there or not; 0: for this login there can be none. */
unsigned imap_rights_of(const struct imap_login *login, struct str name);
#endif
