/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_CLIENT_H
#define SASL_CLIENT_H
/*
 * The client's messages of the mechanisms with few of them, without I/O.  PLAIN
 * is in mech.h, SCRAM in scram_client.h.
 *
 * Each function appends one message, not encoded in base64; the caller wipes
 * what held a password or a token (buf_wipe_fini).  False: a part is empty
 * where it may not be, too long, or not what the mechanism can carry, or memory
 * ran out (out->oom); out is then as it was.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* EXTERNAL (RFC 4422 appendix A): for whom; empty: as who the layer below says. */
bool sasl_external_message(struct str authzid, struct buf *out);

/* LOGIN: the answers to its two prompts, in this order, whatever they say. */
bool sasl_login_name(struct str authcid, struct buf *out);
bool sasl_login_password(struct str password, struct buf *out);

struct sasl_bearer {
	struct str token;
	struct str authzid; /* OAUTHBEARER: may be empty.  XOAUTH2: the user, never empty */
	struct str host;    /* of OAUTHBEARER only, may be empty: the server as we know it, */
	unsigned port;      /* and its port; 0: not said */
};

/* OAUTHBEARER (RFC 7628 section 3.1). */
bool sasl_oauthbearer_message(const struct sasl_bearer *bearer, struct buf *out);
/* XOAUTH2, as its makers describe it: only a user and a token. */
bool sasl_xoauth2_message(const struct sasl_bearer *bearer, struct buf *out);
/*
 * The one answer to a challenge that these two may get, which says in JSON why the token is not
 * taken (section 3.2.3); then the server fails the exchange.
 */
void sasl_bearer_answer(struct buf *out);
#endif
