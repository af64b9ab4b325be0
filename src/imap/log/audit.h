/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_LOG_AUDIT_H
#define IMAP_LOG_AUDIT_H
/*
 * Log lines for auditors: who logged in, on whose behalf, by what right, over which channel, and
 * the outcome.  One line for each login and each switch, one for its end, one for each failure, one
 * for each FETCH that is worth it, and one for each change of who may use a mailbox.  doc/admin.md
 * has the table of their fields.
 *
 * Clients choose names, addresses and ID: base/log.h escapes them.
 */
#include "auth/auth.h"
#include "imap/cmd.h"

/* Logs the start of the login. */
void audit_login(const struct imap_conn *conn, const struct auth_request *req);
/* Logs its end, even if nobody can be told any more. */
void audit_logout(const struct imap_conn *conn, const struct imap_login *login, const char *how);
/* Logs a FETCH of that many messages with an item that is costly for the server (its row's
 * `logged`). */
void audit_fetch(const struct imap_conn *conn, const char *item, uint64_t messages);
/* Logs a change of one entry of a mailbox's access control list: who had which rights, and has. */
void audit_acl(const struct imap_conn *conn, struct str mailbox, struct str owner,
    struct str identifier, struct str before, struct str after);
/* Logs a failed login.  proven: who they are, if their credentials were right and it failed all the
 * same.  why is for the administrator: the client is told less. */
void audit_failed(const struct imap_conn *conn, const struct auth_request *req, struct str proven,
    const char *why);
#endif
