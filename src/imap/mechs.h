/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_MECHS_H
#define IMAP_MECHS_H
/* SASL mechanisms as a connection sees them: those of sasl/mech.h and those of this server. */
#include "imap/cmd.h"
#include "sasl/mech.h"

/* Ignores case; returns NULL if there is none. */
const struct sasl_mech *imap_mech_find(const struct imap_server *server, struct str name);
/* Returns whether the configuration names it and the channel meets its needs.  (Whether a password
 * may be sent here is a separate question.) */
bool imap_mech_offered(const struct imap_conn *conn, const struct sasl_mech *mech);

/* For the capability row of the server's own mechanisms: whether there are any; and appends "
 * AUTH=NAME" for each. */
bool imap_more_mechs(const struct imap_conn *conn);
void imap_more_mechs_print(const struct imap_conn *conn, struct buf *out);
uint64_t imap_more_mechs_key(const struct imap_conn *conn);
/* capability.c.  All " AUTH=" words that were shown before login. */
void imap_auth_words_print(const struct imap_conn *conn, struct buf *out);
uint64_t imap_auth_words_key(const struct imap_conn *conn);
#endif
