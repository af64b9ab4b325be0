/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_TRUST_H
#define NET_TLS_TRUST_H
/*
 * Whose certificates of clients we believe: trust anchors and lists of what
 * was revoked (CRLs), as they were read.  Constant after that; safe from any
 * thread.
 */
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct tls_trust; /* opaque */

/*
 * ca: PEM, each certificate in it is an anchor, be it self-signed or not.  crl: PEM, any number of
 * lists, each signed by one of the anchors or by a CA that one of them stands for; without it
 * nothing is asked about revocation, else each certificate of a chain but the anchor needs the
 * list of its issuer, in force.
 */
struct tls_trust_files {
	struct tls_trust_file {
		const char *name;    /* NULL: none */
		struct buf why;      /* it cannot be taken */
		struct buf warnings; /* lines: what is not right but no reason to refuse */
	} ca, crl;
};

/* NULL: no ca, or one of the files cannot be taken; each has been looked at. */
struct tls_trust *tls_trust_new(struct tls_trust_files *files, int64_t now);
void tls_trust_free(struct tls_trust **trust);
/* The anchors, for the names that a server tells its clients; the trust's. */
STACK_OF(X509) * tls_trust_anchors(const struct tls_trust *trust);

struct tls_verdict {
	int code; /* X509_V_OK, or why not: X509_V_ERR_... */
	/* The verdict is the same from..until (seconds, until not included) as long as the trust
	 * is. */
	int64_t from, until;
};

/* At that moment, for a client's side of TLS.  chain: what came with the certificate, or NULL. */
void tls_trust_verify(const struct tls_trust *trust, X509 *cert, STACK_OF(X509) * chain,
    int64_t now, struct tls_verdict *verdict_r);

/* Seconds since 1970; false: it is not written as RFC 5280 has it. */
bool tls_time(const ASN1_TIME *t, int64_t *seconds_r);
#endif
