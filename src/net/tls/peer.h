/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_PEER_H
#define NET_TLS_PEER_H
/*
 * Who is at the other end of a TLS connection, according to the certificate shown.
 *
 * A handshake proves once that the client has the certificate's key.  Whether the certificate is
 * valid, and for whom it stands, is decided again each time it lets somebody in: in the middle of a
 * connection it may expire or be revoked, or the map may change, and nobody verifies a resumed
 * session.  A decision stays valid while trust and map (a tls_ctx) are the same and no certificate
 * or list has expired since, so asking again costs a comparison of numbers.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "net/tls/tls.h"

enum tls_standing {
	TLS_PEER_NONE,     /* no certificate was shown */
	TLS_PEER_REFUSED,  /* it is not trusted: expired, revoked, of an unknown CA … */
	TLS_PEER_UNMAPPED, /* it is trusted, but stands for nobody here */
	TLS_PEER_KNOWN,    /* it stands for user */
};

/* The strings are valid until the next query about that peer. */
struct tls_identity {
	enum tls_standing standing;
	struct str user; /* prepared */
	struct str rule; /* the rule of the map that decided */
	const char *why; /* if not KNOWN: English, static */
	/* Of the certificate: names as in RFC 4514, "sha256:…". */
	struct str subject, issuer, fingerprint;
};

extern const struct tls_identity tls_identity_none;

struct tls_peer; /* opaque: the client of one connection */

/* Decides by what the slot holds now, at the given time. */
const struct tls_identity *tls_peer_identity(
    struct tls_peer *peer, struct tls_slot *slot, int64_t now);
void tls_peer_free(struct tls_peer **peer);
#endif
