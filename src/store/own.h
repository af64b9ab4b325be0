/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_OWN_H
#define STORE_OWN_H
/*
 * Rows for a user's own \Seen and \Recent in a mailbox that is shared with others (own_seen.h says
 * what they mean).  They belong to the user's account, whoever owns the mailbox: marking a message
 * read changes that account alone (STORE_CHANGE_OWN), and no other watch hears of it.
 *
 *	err = store_own_load(user, owner, mailbox_id, &own);            a worker
 *	seen = store_own_seen(own);                                     any thread
 *	... own_unseen(seen, uids), own_modseqs(seen, …), own_unref(&seen) ...
 *
 * Read a mailbox for a user with reader.h, which takes the value and the mailbox's state as of one
 * moment.
 *
 * An account has such rows for at most opt.max_mailboxes mailboxes.  They go with the account, and
 *after a start if their mailbox no longer exists.
 */
#include "store/own_seen.h"
#include "store/store.h"

struct store_own; /* for one user and one mailbox; reference counted, one instance in memory */

enum store_own_kind {
	STORE_OWN_MARK,  /* `uids` were read (STORE_FLAGS_REMOVE: unread) when the mailbox's MODSEQ
	                    was own_s */
	STORE_OWN_START, /* the mailbox becomes shared: `uids` (NULL: none) are read.  TS_EXISTS */
	STORE_OWN_FORGET /* nothing is read any more; the numbers go on */
};

/* BLOCKING.  owner: id of the account that has the mailbox.  Without rows no message is read.
 * TS_LIMIT: there are rows for too many mailboxes already. */
TS_CHECKED enum ts_err store_own_load(
    struct store_account *user, uint64_t owner, uint32_t mailbox, struct store_own **own_r);
struct store_own *store_own_ref(struct store_own *own);
void store_own_unref(struct store_own **own);
/* Returns the published value with a reference. */
struct own_seen *store_own_seen(struct store_own *own);
/* Claims \Recent: messages with a UID above the result are recent for the caller and no other
 * session of the user.  Written to disk with the next change. */
uint32_t store_own_claim(struct store_own *own, uint32_t uidnext);
#endif
