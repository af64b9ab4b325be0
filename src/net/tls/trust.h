/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_TRUST_H
#define NET_TLS_TRUST_H
/*
 * Which client certificates we trust: trust anchors and revocation lists
 * (CRLs), as read.  Immutable; safe from any thread.
 */
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct tls_trust; /* opaque */

/*
 * ca: PEM; every certificate in it is an anchor, self-signed or not.  crl: PEM, any number of
 * lists, each signed by one of the anchors or by a CA below one.  Without it revocation is not
 * checked; with it each certificate of a chain except the anchor needs a current list from its
 * issuer.
 */
struct tls_trust_files {
	struct tls_trust_file {
		const char *name;    /* NULL: none */
		struct buf why;      /* why it cannot be used */
		struct buf warnings; /* lines: what is not right, but no reason to refuse */
	} ca, crl;
};

/* Returns NULL if there is no ca or one of the files cannot be used.  Reads every file in any
 * case. */
struct tls_trust *tls_trust_new(struct tls_trust_files *files, int64_t now);
void tls_trust_free(struct tls_trust **trust);
/* Returns the anchors, for the names that a server sends its clients.  The trust owns them. */
STACK_OF(X509) * tls_trust_anchors(const struct tls_trust *trust);

struct tls_verdict {
	int code; /* X509_V_OK, or the reason: X509_V_ERR_... */
	/* The verdict stays the same from `from` to before `until` (seconds) while the trust
	 * does. */
	int64_t from, until;
};

/* Verifies at the given time, for the client side of TLS.  chain: what came with the certificate,
 * or NULL. */
void tls_trust_verify(const struct tls_trust *trust, X509 *cert, STACK_OF(X509) * chain,
    int64_t now, struct tls_verdict *verdict_r);

/* Gets seconds since 1970.  Returns false if it is not written as RFC 5280 requires. */
bool tls_time(const ASN1_TIME *t, int64_t *seconds_r);
#endif
