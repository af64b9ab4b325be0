/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_SCRAM_CLIENT_H
#define SASL_SCRAM_CLIENT_H
/*
 * The client's side of SCRAM (RFC 5802, RFC 7677), without I/O:
 *
 *	c = sasl_scram_client_new(&options);
 *	ok = sasl_scram_client_first(c, &out);		send out, get a challenge
 *	ok = sasl_scram_client_final(c, challenge, &out);	send out, get a challenge
 *	ok = sasl_scram_client_verify(c, challenge);	send an empty response
 *	sasl_scram_client_free(&c);	(wipes what was secret)
 *
 * Messages are not base64-encoded, and are appended to out.  False: end the exchange;
 * sasl_scram_client_why() says why.  The server's iteration count determines the time, some
 * milliseconds.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "sasl/mech.h"

struct sasl_scram_client; /* opaque */

struct sasl_scram_options {
	enum sasl_scram_hash hash;
	struct str authzid, authcid; /* UTF-8, up to SASL_NAME_MAX; authzid may be empty */
	struct str password;         /* prepared here (RFC 8265) */
	/*
	 * The channel's binding; NULL: none.  With plus set it is used.  Without, the server learns
	 * that we would have used it (RFC 5802 section 6), so set plus if the server offers -PLUS.
	 */
	const struct sasl_binding *binding;
	bool plus;
	struct str nonce; /* for tests; empty: random */
	bool *oom;        /* reports out of memory (base/mem.h); NULL: out of memory aborts */
};

/* Copies the options.  NULL: a name or the password is not allowed, or memory ran out. */
struct sasl_scram_client *sasl_scram_client_new(const struct sasl_scram_options *options);
/* NULL is fine. */
void sasl_scram_client_free(struct sasl_scram_client **c);
bool sasl_scram_client_first(struct sasl_scram_client *c, struct buf *out);
bool sasl_scram_client_final(struct sasl_scram_client *c, struct str challenge, struct buf *out);
/* False: the server does not have the password's keys: it is an impostor. */
bool sasl_scram_client_verify(struct sasl_scram_client *c, struct str challenge);
/* In English; NULL: nothing is wrong. */
const char *sasl_scram_client_why(const struct sasl_scram_client *c);
#endif
