/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_CMD_LOGIN_H
#define IMAP_CMD_LOGIN_H
/* Shared by LOGIN and AUTHENTICATE, besides imap/common/try.h. */
#include "imap/common/try.h"

/* Returns whether a password may be sent on this connection as it is now. */
bool imap_password_allowed(const struct imap_conn *conn);
enum imap_next imap_privacy_required(struct imap_cmd *cmd);

/* authenticate.c */
enum imap_next imap_authenticate(struct imap_cmd *cmd);
size_t imap_authenticate_line_max(const struct imap_conn *conn, struct wire_in *in);
/* Logs in the client known by its certificate, before the greeting. */
enum imap_next imap_preauth(struct imap_cmd *cmd);
#endif
