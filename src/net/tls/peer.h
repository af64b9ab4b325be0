/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_PEER_H
#define NET_TLS_PEER_H
/*
 * Who is at the other end of a TLS connection, by the certificate that was
 * shown.
 *
 * A handshake proves that the client has the certificate's key, once.  Whether
 * the certificate is in force, and for whom it stands, is asked anew each time
 * somebody is let in by it: it may expire or be revoked, and the map may change,
 * in the middle of a connection, and a resumed session is verified by nobody.
 * What was found holds as long as the trust and the map (a tls_ctx) are the
 * same and no moment has passed at which a certificate or a list ends, so that
 * asking costs a comparison of numbers.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "net/tls/tls.h"

enum tls_standing {
	TLS_PEER_NONE,     /* no certificate was shown */
	TLS_PEER_REFUSED,  /* it is not believed: expired, revoked, of an unknown CA … */
	TLS_PEER_UNMAPPED, /* it is, and stands for nobody here */
	TLS_PEER_KNOWN,    /* it stands for user */
};

/* The strings are good until the next question about that peer. */
struct tls_identity {
	enum tls_standing standing;
	struct str user; /* prepared */
	struct str rule; /* of the map, that decided */
	const char *why; /* not KNOWN: English, static */
	/* Of the certificate: names as in RFC 4514, "sha256:…". */
	struct str subject, issuer, fingerprint;
};

extern const struct tls_identity tls_identity_none;

struct tls_peer; /* opaque: the client of one connection */

/* By what the slot holds now, at that moment. */
const struct tls_identity *tls_peer_identity(
    struct tls_peer *peer, struct tls_slot *slot, int64_t now);
void tls_peer_free(struct tls_peer **peer);
#endif
