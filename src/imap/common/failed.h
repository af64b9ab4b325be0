/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_FAILED_H
#define IMAP_FAILED_H
/*
 * Failed logins: they are counted, and the more there were, the later the next answer comes.
 *
 * There are three counts, and the highest decides: for the connection, for the client's address,
 * and for the claimed account.  So guessing at one account from many addresses is slowed down, and
 * so is guessing at many accounts from one address.  A right password is never delayed because of
 * what others did to the account, so no stranger can lock anybody out.  If very many logins failed
 * from an address (limits.failed_logins_per_address), every password from it waits before it is
 * checked, so that hanging up and trying the next one gains nothing.  What was checked a moment ago
 * does not wait.
 *
 * After UNAUTHENTICATE they count like all others for the address and the account (a connection
 * that had a user may well be used to guess at others), and for the connection against a separate
 * limit.  A client with the right credentials that may not act for a user is not guessing: that
 * counts for the connection alone, so that one user does not slow down a gateway.
 */
#include "auth/auth.h"
#include "imap/cmd.h"

/* Counts a failure.  result: AUTH_FAILED, AUTH_DENIED or AUTH_DISABLED.  Returns when to answer, in
 * milliseconds from when the client had sent its credentials. */
uint64_t failed_count(struct imap_conn *conn, enum auth_result result, struct str authcid);
/* Returns how long the client's credentials must wait before they are checked. */
uint64_t failed_wait(const struct imap_conn *conn);
/* Returns whether there were so many that the connection ends. */
bool failed_too_often(const struct imap_conn *conn);
#endif
