/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_TLS_H
#define NET_TLS_TLS_H
/*
 * net/tls: certificates, ours and our clients'.  Start here; peer.h tells of the client of one
 * connection, certmap.h for whom a certificate stands, trust.h which are believed.
 *
 * What a TLS server shares between its connections: certificates, keys,
 * versions, ciphers, whose certificates of clients it believes and for whom
 * they stand.  Constant after it was made and reference counted: a new
 * certificate is a new tls_ctx put into the slot; connections keep theirs.
 * Safe from any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct tls_ctx;     /* opaque */
struct tls_slot;    /* opaque: where the current one is found */
struct tls_tickets; /* opaque: keys of session tickets */
struct certmap;     /* net/tls/certmap.h */

/* Is a client asked for a certificate? */
enum tls_client {
	TLS_CLIENT_OFF,
	TLS_CLIENT_REQUEST, /* and let in without one, or with one that is not believed */
	TLS_CLIENT_REQUIRE, /* and refused in the handshake without one that is believed */
};

/* What a listener wants of those who come in by it; constant, outlives their streams. */
struct tls_terms {
	enum tls_client client;
	/* Sessions are resumed among equals only; differs for each listener that asks. */
	unsigned char context[32];
};

/* A certificate for names that a client may ask for (SNI, RFC 6066 section 3). */
struct tls_named {
	const struct str *names; /* host names, or "*.example.com": one label more */
	size_t name_count;
	const char *cert_file, *key_file, *ocsp_file; /* as in tls_options */
};

enum tls_part { /* an option that is at fault */
	TLS_PART_VERSION,
	TLS_PART_CIPHERS,
	TLS_PART_CIPHERSUITES,
	TLS_PART_CERT,
	TLS_PART_KEY,
	TLS_PART_OCSP,
	TLS_PART_NAMES,
	TLS_PART_CLIENT_CA,
	TLS_PART_CLIENT_CRL,
};

struct tls_fault {
	enum tls_part part;
	size_t named; /* 0: the certificate for all other names; n: named[n - 1] */
};

typedef void tls_fault_f(void *arg, const struct tls_fault *fault, struct str text);

struct tls_options {
	const char *cert_file;   /* PEM: the certificate, then its chain; NULL: none, to check the
	                            rest */
	const char *key_file;    /* PEM; NULL: in cert_file */
	const char *ocsp_file;   /* DER: an OCSP response for it, to be sent with it; may be NULL */
	const char *min_version; /* "1.2" (NULL), "1.3" */
	const char *ciphers;     /* TLS 1.2, OpenSSL's notation; NULL: its default */
	const char *ciphersuites; /* TLS 1.3; NULL: the default */
	const struct tls_named *named;
	size_t named_count;
	const char *client_ca;       /* PEM: anchors for certificates of clients; may be NULL */
	const char *client_crl;      /* PEM: what they have revoked; may be NULL */
	struct certmap *map;         /* a reference is taken; may be NULL */
	struct tls_tickets *tickets; /* outlives all contexts; NULL: none are given */
	uint64_t ticket_ms;          /* their period; 0: none are given */
	bool expired;                /* a certificate of ours that has expired is only warned of */
	struct tls_fault *fault;     /* set on an error, the first; may be NULL */
	tls_fault_f *on_fault;       /* is told of every fault; may be NULL */
	tls_fault_f *on_warning;     /* likewise of what is not right but no error */
	void *fault_arg;
	struct buf *warnings; /* lines of the same; may be NULL */
};

/*
 * The caller holds one reference to *ctx_r.  On an error the first reason (which
 * file or option, what is wrong with it) is appended to why, or logged if why is NULL.
 */
TS_CHECKED enum ts_err tls_ctx_new(
    const struct tls_options *options, struct buf *why, struct tls_ctx **ctx_r);
/* Is it a name for struct tls_named? */
bool tls_name_ok(struct str name);
/* Does the file hold certificates (PEM)?  False: why not is appended. */
bool tls_certificates_ok(const char *file, struct buf *why);
/* Names the blocks of a PEM file that nobody reads, in a line; kinds: of what is read, as
 * "CERTIFICATE", which ends in NULL. */
void tls_name_other_blocks(const char *file, const char *const *kinds, struct buf *warnings);
struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx);
/* Gives one reference back, sets *ctx to NULL.  NULL is fine. */
void tls_ctx_free(struct tls_ctx **ctx);

struct tls_slot *tls_slot_new(void);
void tls_slot_free(struct tls_slot **slot);
/* Takes a reference of its own and drops that to the old one. */
void tls_slot_set(struct tls_slot *slot, struct tls_ctx *ctx);
/* A new reference to the current one, or NULL. */
struct tls_ctx *tls_slot_get(struct tls_slot *slot);
/* Is there one?  Takes neither lock nor reference. */
bool tls_slot_filled(const struct tls_slot *slot);

/*
 * Keys that session tickets are sealed with (RFC 5077 section 4, RFC 8446 section 4.6.1), the same
 * for all contexts, so that a session can go on after a reload and on another loop.  Each is used
 * for a period to make tickets and for one more to read them, then it is wiped.
 */
struct tls_tickets *tls_tickets_new(uint64_t period_ms);
void tls_tickets_free(struct tls_tickets **tickets);
/* 0: no tickets are given, and none are taken. */
void tls_tickets_set_period(struct tls_tickets *tickets, uint64_t period_ms);
/* Wipes what is due; at least once in a period, by now on the clock of clock_mono_ms(). */
void tls_tickets_rotate(struct tls_tickets *tickets, uint64_t now_ms);
#endif
