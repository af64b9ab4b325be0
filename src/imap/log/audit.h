/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_LOG_AUDIT_H
#define IMAP_LOG_AUDIT_H
/*
 * The lines that an auditor reads: who came, for whom they acted, by what right, over what, and
 * what came of it.  One line for each login and each switch, one for its end, one for each that
 * failed, one for each FETCH of what is worth one.  doc/admin.md has the table of their fields.
 *
 * Names, addresses and ID are what clients say: base/log.h escapes them.
 */
#include "auth/auth.h"
#include "imap/cmd.h"

/* The login has begun. */
void audit_login(const struct imap_conn *conn, const struct auth_request *req);
/* It ends; also when nobody can be told any more. */
void audit_logout(const struct imap_conn *conn, const struct imap_login *login, const char *how);
/* A FETCH of so many messages, with an item that costs the server much (its row's `logged`). */
void audit_fetch(const struct imap_conn *conn, const char *item, uint64_t messages);
/* None came of it.  proven: who they are, when their credentials are right and it failed all the
 * same.  why is for the administrator: the client is told less. */
void audit_failed(const struct imap_conn *conn, const struct auth_request *req, struct str proven,
    const char *why);
#endif
