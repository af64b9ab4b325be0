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
 *   both again without the sub-address; for a user, the mailbox that it names
 *   the domain's alias "@domain"
 *   all of this without the domain, if default_domain is empty and lmtp.domains has it
 *
 * A sub-address may contain what a name cannot: `"alice+my lists"` is a quoted local part (RFC 5321
 * section 4.1.2).  Then only the part before the separator is prepared.  Sub-addresses are
 * case-insensitive: among mailboxes that differ only in case it means the one with the same
 * spelling, or the first.
 *
 * The same code looks in two places.  In memory, on the loop, it finds users whose record, account
 * and INBOX are loaded and whose name is known not to be an alias; it refuses nobody there.
 * Everything else is left to the databases and the disk, on a worker.
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
	const struct lmtp_settings *settings; /* both outlive the lookup */
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
#endif
