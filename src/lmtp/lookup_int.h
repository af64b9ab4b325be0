/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LMTP_LOOKUP_INT_H
#define LMTP_LOOKUP_INT_H
/*
 * From an address to mailboxes.
 *
 * An address, prepared as a user's name is (default_domain behind a name without
 * one), is the first of these that there is:
 *
 *   an alias of that name     what it stands for, each looked up likewise
 *   a user of that name       the INBOX
 *   both again without the sub-address; of a user, the mailbox it names
 *   the domain's alias "@domain"
 *   all of this without the domain, if default_domain is empty and lmtp.domains has it
 *
 * A sub-address may be more than a name can hold: `"alice+my lists"` is a quoted local part
 * (RFC 5321 section 4.1.2), so then the part before the separator alone is prepared.  Upper and
 * lower case are the same in a sub-address: of mailboxes that differ in nothing else it means the
 * one that is spelled as it is, or the first.
 *
 * The same code looks in two places.  In memory, on the loop, it finds users whose record, account
 * and INBOX are there, and whose name is known to be no alias; it refuses nobody.  All else it
 * leaves to the databases and the disk, on a worker.
 *
 * Loops of aliases end because an alias that is being expanded is not one again: its name then
 * means the user.
 */
#include "lmtp/conn_int.h"

enum { LMTP_ALIAS_DEPTH = 16 };

struct lmtp_found {
	struct lmtp_found *next;
	struct store_mailbox *mailbox; /* a reference */
	struct str name;               /* the mailbox's */
};

struct lmtp_wanted { /* what is to be made first */
	struct lmtp_wanted *next;
	struct lmtp_lookup *lookup;
	struct store_account *account; /* a reference; NULL: it is the account that is wanted */
	struct str user, mailbox;
	struct store_change *change; /* under way; the loop's */
};

struct lmtp_lookup {
	/* the caller sets these */
	const struct lmtp_server *server;
	const struct lmtp_settings *settings; /* both outlive the lookup */
	struct arena *arena;
	struct str local, domain;
	size_t room;                /* so many mailboxes may be found, or it is too many */
	struct lmtp_wanted *cannot; /* mailboxes that were refused */
	/* what comes of it */
	const char *reply; /* static; NULL: found */
	struct lmtp_found *first, **tail;
	struct lmtp_wanted *wanted;
	size_t count; /* of those found and wanted */
	/* private */
	bool at_hand;                      /* look in memory only */
	struct str spelled;                /* the sub-address as given; empty: none */
	struct str open[LMTP_ALIAS_DEPTH]; /* aliases that are being expanded */
	size_t depth, names;
};

/* Does not block.  False: memory does not know it; lmtp_lookup_run() does. */
bool lmtp_lookup_at_hand(struct lmtp_lookup *l);
/* BLOCKING. */
void lmtp_lookup_run(struct lmtp_lookup *l);
/* Gives back what was found and what is wanted; a change that is under way goes on. */
void lmtp_lookup_forget(struct lmtp_lookup *l);
/* When something wanted cannot be made. */
const char *lmtp_lookup_reply_for(enum ts_err err);
#endif
