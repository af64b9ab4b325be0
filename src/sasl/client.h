/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_CLIENT_H
#define SASL_CLIENT_H
/*
 * The client's messages for the simple mechanisms, without I/O.  PLAIN is in mech.h, SCRAM in
 * scram_client.h.
 *
 * Each function appends one message, not base64-encoded; the caller wipes buffers that held a
 * password or a token (buf_wipe_fini).  False: a required part is empty, too long or not allowed in
 * the mechanism, or memory ran out (out->oom); out is unchanged.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* EXTERNAL (RFC 4422 appendix A): the user to act for; empty: the identity from the layer below. */
bool sasl_external_message(struct str authzid, struct buf *out);

/* LOGIN: the answers to the two prompts, in this order, whatever the prompts say. */
bool sasl_login_name(struct str authcid, struct buf *out);
bool sasl_login_password(struct str password, struct buf *out);

struct sasl_bearer {
	struct str token;
	struct str authzid; /* OAUTHBEARER: may be empty.  XOAUTH2: the user, never empty */
	struct str host;    /* only OAUTHBEARER; may be empty: the server's host name, */
	unsigned port;      /* and its port; 0: not given */
};

/* OAUTHBEARER (RFC 7628 section 3.1). */
bool sasl_oauthbearer_message(const struct sasl_bearer *bearer, struct buf *out);
/* XOAUTH2, as its authors describe it: only a user and a token. */
bool sasl_xoauth2_message(const struct sasl_bearer *bearer, struct buf *out);
/*
 * The answer to the error challenge of these two mechanisms, which says in JSON why the token was
 * rejected (section 3.2.3).  The server then fails the exchange.
 */
void sasl_bearer_answer(struct buf *out);
#endif
