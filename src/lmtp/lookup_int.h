/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LMTP_LOOKUP_INT_H
#define LMTP_LOOKUP_INT_H
/*
 * Finds the mailboxes of an address.
 *
 * An address, prepared like a user's name (with default_domain added if it has no domain), is the
 * first of these that exists:
 *
 *   an alias of that name     its targets, each looked up likewise
 *   a user of that name       the INBOX
 *   a group mailbox           the INBOX (an account without a user that is none gets no mail)
 *   all again without the sub-address; for a user or group mailbox, the mailbox that it names
 *   the domain's alias "@domain"
 *   all of this without the domain, if default_domain is empty and lmtp.domains has it
 *
 * A sub-address may contain what a name cannot: `"alice+my lists"` is a quoted local part (RFC 5321
 * section 4.1.2).  Then only the part before the separator is prepared.  Sub-addresses are
 * case-insensitive: among mailboxes that differ only in case it means the one with the same
 * spelling, or the first.
 *
 * A user's sub-address that begins with the prefix of a namespace (auth/sharing.h), in whatever
 * case, and is not a mailbox of the user's own that the user can see, means a mailbox of others if
 * the user has the right to post there: PREFIX ACCOUNT "/" MAILBOX.  ACCOUNT is the account's name,
 * which may lack its domain if that is the user's own, too; MAILBOX is compared as above, among
 * those where the user may post, and is INBOX if it is missing.  Without the right everything is as
 * if there were no such mailbox; and no mailbox is ever made under such a name.
 *
 * The same code looks in two places.  In memory, on the loop, it finds users whose record, account
 * and INBOX are loaded and whose name is known not to be an alias; it refuses nobody there.  (That
 * a name is not a user's is never in memory, so group mailboxes are not found there.) Everything
 * else is left to the databases and the disk, on a worker.
 *
 * Loops of aliases end because an alias being expanded is not expanded again: its name then means
 * the user.
 */
#include "lmtp/conn_int.h"

enum { LMTP_ALIAS_DEPTH = 16 };

struct lmtp_found {
	struct lmtp_found *next;
	struct store_mailbox *mailbox; /* referenced */
	struct str name;               /* the mailbox's */
	struct str poster; /* the user by whose right to post it was found; empty: it is in the
	                      recipient's own account */
};

struct lmtp_wanted { /* something to be made first */
	struct lmtp_wanted *next;
	struct lmtp_lookup *lookup;
	struct store_account *account; /* referenced; NULL: the account itself is wanted */
	struct str user, mailbox;
	struct store_change *change; /* running; the loop's */
};

struct lmtp_lookup {
	/* set by the caller */
	const struct lmtp_server *server;
	const struct lmtp_settings *settings;
	const struct auth_sharing *sharing; /* all of them outlive the lookup */
	struct arena *arena;
	struct str local, domain;
	size_t room;                /* most mailboxes that may be found; above it, too many */
	struct lmtp_wanted *cannot; /* mailboxes that could not be made */
	/* results */
	const char *reply; /* static; NULL: found */
	struct lmtp_found *first, **tail;
	struct lmtp_wanted *wanted;
	size_t count; /* of found and wanted together */
	/* private */
	bool at_hand;                      /* look in memory only */
	struct str spelled;                /* the sub-address as given; empty: none */
	struct str open[LMTP_ALIAS_DEPTH]; /* aliases being expanded */
	size_t depth, names;
};

/* Does not block.  Returns false if memory is not enough; then call lmtp_lookup_run(). */
bool lmtp_lookup_at_hand(struct lmtp_lookup *l);
/* BLOCKING. */
void lmtp_lookup_run(struct lmtp_lookup *l);
/* Releases what was found and what is wanted; a running change continues. */
void lmtp_lookup_forget(struct lmtp_lookup *l);
/* Returns the reply when something wanted cannot be made. */
const char *lmtp_lookup_reply_for(enum ts_err err);

/* mailbox.c; a sub-address is empty, or as a name is prepared, or as given if it is no name */

/* Returns the name of the mailbox that a sub-address would make; in l->arena. */
struct str lmtp_sub_name(const struct lmtp_lookup *l, struct str sub);
/* Whether a name means a mailbox of others, in whatever case its prefix is. */
bool lmtp_sub_shared(const struct lmtp_lookup *l, struct str name);
/* BLOCKING.  Both load the mailbox of a sub-address: in the recipient's own account; and in that of
 * others, if the user may post there.  TS_NOT_FOUND: there is none. */
enum ts_err lmtp_find_own(const struct lmtp_lookup *l, struct store_account *account,
    struct str sub, struct lmtp_found *found_r);
enum ts_err lmtp_find_shared(
    const struct lmtp_lookup *l, struct str user, struct str sub, struct lmtp_found *found_r);
#endif
