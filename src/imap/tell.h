/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_TELL_H
#define IMAP_TELL_H
/*
 * Telling: what goes out that nobody asked for, when, and in which order.
 *
 * Whoever has something to tell (the selected mailbox, the word now and then of IDLE, an extension)
 * has a teller on the login.  It never prints by itself when it learns of something, since that
 * may be in the middle of a response: it sets `due`, calls imap_tell_soon(), and is asked when it
 * may.  One place asks them, in the order in which they were added, the selected mailbox first:
 *
 *	before a tagged reply                     IMAP_TELL_REPLY
 *	while a command lets others speak (IDLE)  IMAP_TELL_WAITING
 *	while no command is in progress           IMAP_TELL_QUIET
 *
 * How one learns of a change: a watch (store_watch_new()) with as many mailboxes of an account as
 * one likes, a timer, or an errand (imap/errand.h).
 */
#include <stdbool.h>

#include "base/list.h"

struct imap_conn;
struct imap_login;

enum imap_tell_when {                /* times at which something may be told unasked, a mask */
	IMAP_TELL_REPLY = 1u << 0,   /* before a tagged reply */
	IMAP_TELL_WAITING = 1u << 1, /* while a command lets others speak */
	IMAP_TELL_QUIET = 1u << 2    /* while no command is in progress */
};

struct imap_teller {
	unsigned when; /* at such times it is asked */
	bool due; /* there is something: it is worth a time of its own, and is asked until it is
	             not due any more */
	/*
	 * Tells a bounded piece (IMAP_PRINT_BYTES), all of one moment, and sets due: is there more?
	 * Before a reply, and where IDLE begins, it is asked whether it is due or not.  expunge:
	 * EXPUNGE may go out.  False: the connection got BYE.
	 */
	bool (*tell)(struct imap_teller *teller, struct imap_conn *conn, bool expunge);
	struct link link; /* private */
};

/* It goes with the login, or earlier by imap_teller_remove(), which may be called for one that was
 * never added.  first: before those that are there. */
void imap_teller_add(struct imap_login *login, struct imap_teller *teller, bool first);
void imap_teller_remove(struct imap_teller *teller);
/* On the loop, not inside of a step: asks those that are due, at once or in the connection's turn,
 * if this is such a time; else they will be. */
void imap_tell_soon(struct imap_conn *conn);

/* For the engine: asks all; is one due then? */
bool imap_tell(struct imap_conn *conn, enum imap_tell_when when, bool expunge);
bool imap_tell_due(const struct imap_conn *conn, enum imap_tell_when when);
/* As imap_tell_soon(), in the connection's turn. */
void imap_tell_now(struct imap_conn *conn);
#endif
