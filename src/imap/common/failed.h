/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_FAILED_H
#define IMAP_FAILED_H
/*
 * Failed logins: they are counted, and the more of them there were, the later the next answer
 * comes.
 *
 * Three counts, of which the highest decides: of the connection, of the client's address, of the
 * account that was claimed.  Guessing at one account from many addresses is slowed down, and so is
 * guessing at many accounts from one.  A right password is never held back for what others did to
 * the account, so nobody can be locked out by a stranger; of an address from which very many failed
 * (limits.failed_logins_per_address) every password waits before it is checked, so that it
 * is of no use to hang up and try the next one.  What was checked a moment ago does not wait.
 *
 * After UNAUTHENTICATE they count like all others, for the address and the account, too
 * (a connection that has had a user may well be used to guess at others), and for the connection
 * against a limit of its own.  Who shows the right credentials and may not act for a user is
 * guessing at nothing: that counts for the connection alone, so that a gateway is not slowed by one
 * user.
 */
#include "auth/auth.h"
#include "imap/cmd.h"

/* One more.  result: AUTH_FAILED, AUTH_DENIED or AUTH_DISABLED.  Gives the time, in milliseconds
 * from when the client had said what was wrong, at which it is answered. */
uint64_t failed_count(struct imap_conn *conn, enum auth_result result, struct str authcid);
/* How long what the client shows waits before it is looked at. */
uint64_t failed_wait(const struct imap_conn *conn);
/* Were there so many that the connection ends? */
bool failed_too_often(const struct imap_conn *conn);
#endif
