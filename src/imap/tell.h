/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_TELL_H
#define IMAP_TELL_H
/*
 * Telling: which unsolicited output is sent, when, and in which order.
 *
 * Everything that may tell something (the selected mailbox, the keepalive of IDLE, an extension)
 * has a teller on the login.  It never prints when it learns of something, since that may be in the
 * middle of a response: it sets `due`, calls imap_tell_soon(), and is called when it may print.
 * One place calls the tellers, in the order in which they were added, the selected mailbox first:
 *
 *	before a tagged reply                     IMAP_TELL_REPLY
 *	while a command lets others speak (IDLE)  IMAP_TELL_WAITING
 *	while no command is in progress           IMAP_TELL_QUIET
 *
 * To learn of changes use a watch (store_watch_new()), which serves any number of mailboxes of an
 * account, a timer, or an errand (imap/errand.h).
 */
#include <stdbool.h>

#include "base/list.h"

struct imap_conn;
struct imap_login;

enum imap_tell_when {                /* when unsolicited output may be sent; a mask */
	IMAP_TELL_REPLY = 1u << 0,   /* before a tagged reply */
	IMAP_TELL_WAITING = 1u << 1, /* while a command lets others speak */
	IMAP_TELL_QUIET = 1u << 2    /* while no command is in progress */
};

struct imap_teller {
	unsigned when; /* the times at which it is called */
	bool due; /* it has something to tell: worth a turn of its own, and called until no longer
	             due */
	/*
	 * Tells a bounded piece (IMAP_PRINT_BYTES), all of one moment, and sets due if there is
	 * more.  Before a reply, and where IDLE begins, it is called whether due or not.  expunge:
	 * EXPUNGE may be sent.  Returns false if the connection got BYE.
	 */
	bool (*tell)(struct imap_teller *teller, struct imap_conn *conn, bool expunge);
	struct link link; /* private */
};

/* It is removed with the login, or earlier by imap_teller_remove(), which may be called for one
 * that was never added.  first: before the existing ones. */
void imap_teller_add(struct imap_login *login, struct imap_teller *teller, bool first);
void imap_teller_remove(struct imap_teller *teller);
/* Calls those that are due, at once or in the connection's turn, if this is a suitable time;
 * otherwise they are called later.  On the loop, not inside a step. */
void imap_tell_soon(struct imap_conn *conn);

/* For the engine: calls all of them; and returns whether one is due. */
bool imap_tell(struct imap_conn *conn, enum imap_tell_when when, bool expunge);
bool imap_tell_due(const struct imap_conn *conn, enum imap_tell_when when);
/* Like imap_tell_soon(), within the connection's turn. */
void imap_tell_now(struct imap_conn *conn);
#endif
