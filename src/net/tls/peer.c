/* SPDX-License-Identifier: Apache-2.0 */
/* The client of one connection, see peer.h. */
#include "net/tls/peer.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include "base/mem.h"
#include "net/tls/peer_int.h"
#include "net/tls/tls_int.h"

const struct tls_identity tls_identity_none = {
    .standing = TLS_PEER_NONE, .why = "no certificate was shown"};

struct tls_peer {
	X509 *cert;
	STACK_OF(X509) * chain; /* what came with it; NULL: nothing */
	struct tls_identity id;
	struct buf text; /* subject, issuer, fingerprint; id points into it */
	struct buf user, rule;
	/* What id was decided by, and when it must be decided again. */
	uint64_t generation; /* 0: never */
	int64_t from, until;
};

struct tls_peer *
tls_peer_make(X509 *cert, STACK_OF(X509) * chain)
{
	struct tls_peer *peer = mem_zalloc(sizeof(*peer));
	size_t subject, issuer;

	peer->cert = cert;
	peer->chain = chain;
	certmap_name_print(X509_get_subject_name(cert), &peer->text);
	subject = peer->text.n;
	certmap_name_print(X509_get_issuer_name(cert), &peer->text);
	issuer = peer->text.n;
	certmap_fingerprint(cert, &peer->text);
	peer->id.subject = (struct str){peer->text.p, subject};
	peer->id.issuer = (struct str){peer->text.p + subject, issuer - subject};
	peer->id.fingerprint = (struct str){peer->text.p + issuer, peer->text.n - issuer};
	return peer;
}

void
tls_peer_free(struct tls_peer **pp)
{
	struct tls_peer *peer = *pp;

	*pp = NULL;
	if (peer == NULL)
		return;
	X509_free(peer->cert);
	sk_X509_pop_free(peer->chain, X509_free);
	buf_fini(&peer->text);
	buf_fini(&peer->user);
	buf_fini(&peer->rule);
	mem_free(peer);
}

static void
set_standing(struct tls_peer *peer, enum tls_standing standing, const char *why)
{
	peer->id.standing = standing;
	peer->id.why = why;
}

static void
map(struct tls_peer *peer, const struct certmap *certmap)
{
	struct str rule = STR_NONE;
	const char *why = "there is no certificate_map";

	if (certmap == NULL || !certmap_find(certmap, peer->cert, &peer->user, &rule, &why)) {
		set_standing(peer, TLS_PEER_UNMAPPED, why);
		return;
	}
	buf_str(&peer->rule, rule); /* the map may be gone when it is read */
	peer->id.standing = TLS_PEER_KNOWN;
	peer->id.why = NULL;
	peer->id.user = buf_as_str(&peer->user);
	peer->id.rule = buf_as_str(&peer->rule);
}

static void
decide(struct tls_peer *peer, const struct tls_ctx *ctx, int64_t now)
{
	const struct tls_trust *trust = ctx != NULL ? tls_ctx_trust(ctx) : NULL;
	struct tls_verdict v = {0, INT64_MIN, INT64_MAX};

	peer->user.n = peer->rule.n = 0;
	peer->id.user = peer->id.rule = STR_NONE;
	if (trust == NULL) {
		set_standing(peer, TLS_PEER_REFUSED, "no tls.client_ca is set");
	} else {
		tls_trust_verify(trust, peer->cert, peer->chain, now, &v);
		if (v.code != X509_V_OK)
			set_standing(peer, TLS_PEER_REFUSED, X509_verify_cert_error_string(v.code));
		else
			map(peer, tls_ctx_map(ctx));
	}
	peer->from = v.from;
	peer->until = v.until;
}

const struct tls_identity *
tls_peer_identity(struct tls_peer *peer, struct tls_slot *slot, int64_t now)
{
	/* Read before the context: a change in between is noticed next time. */
	uint64_t generation = tls_slot_generation(slot);
	struct tls_ctx *ctx;

	if (peer->generation == generation && generation != 0 && now >= peer->from &&
	    now < peer->until)
		return &peer->id;
	ctx = tls_slot_get(slot);
	decide(peer, ctx, now);
	peer->generation = generation;
	tls_ctx_free(&ctx);
	return &peer->id;
}
