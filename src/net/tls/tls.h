/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_TLS_H
#define NET_TLS_TLS_H
/*
 * net/tls: certificates, ours and our clients'.  Start here; peer.h has the client of one
 * connection, certmap.h says for whom a certificate stands, trust.h which ones are trusted.
 *
 * A tls_ctx is what a TLS server shares between its connections: certificates, keys, versions,
 * ciphers, which client certificates it trusts and for whom they stand.  Immutable and reference
 * counted: for a new certificate, put a new tls_ctx into the slot; connections keep theirs.  Safe
 * from any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct tls_ctx;     /* opaque */
struct tls_slot;    /* opaque: holds the current tls_ctx */
struct tls_tickets; /* opaque: keys of session tickets */
struct certmap;     /* net/tls/certmap.h */

/* Whether clients are asked for a certificate. */
enum tls_client {
	TLS_CLIENT_OFF,
	TLS_CLIENT_REQUEST, /* and let in without one, or with an untrusted one */
	TLS_CLIENT_REQUIRE, /* and refused in the handshake without a trusted one */
};

/* What a listener requires of its clients; constant, outlives their streams. */
struct tls_terms {
	enum tls_client client;
	/* Sessions resume only under equal contexts; differs for each listener that asks. */
	unsigned char context[32];
};

/* A certificate for certain names that clients ask for (SNI, RFC 6066 section 3). */
struct tls_named {
	const struct str *names; /* host names, or "*.example.com" for one more label */
	size_t name_count;
	const char *cert_file, *key_file, *ocsp_file; /* as in tls_options */
};

enum tls_part { /* the option at fault */
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
	const char *cert_file;    /* PEM: the certificate, then its chain; NULL: none, only to check
	                             the rest */
	const char *key_file;     /* PEM; NULL: in cert_file */
	const char *ocsp_file;    /* DER: an OCSP response to send with it; may be NULL */
	const char *min_version;  /* "1.2" (also NULL), "1.3" */
	const char *ciphers;      /* TLS 1.2, OpenSSL's notation; NULL: its default */
	const char *ciphersuites; /* TLS 1.3; NULL: the default */
	const struct tls_named *named;
	size_t named_count;
	const char *client_ca;       /* PEM: trust anchors for client certificates; may be NULL */
	const char *client_crl;      /* PEM: their revocation lists; may be NULL */
	struct certmap *map;         /* referenced; may be NULL */
	struct tls_tickets *tickets; /* outlives all contexts; NULL: gives no tickets */
	uint64_t ticket_ms;          /* their period; 0: gives no tickets */
	bool expired;                /* only warn if a certificate of ours has expired */
	struct tls_fault *fault;     /* set to the first error; may be NULL */
	tls_fault_f *on_fault;       /* receives every fault; may be NULL */
	tls_fault_f *on_warning;     /* receives what is not right but no error; may be NULL */
	void *fault_arg;
	struct buf *warnings; /* the same, as lines; may be NULL */
};

/*
 * The caller holds one reference to *ctx_r.  Appends the first error (which file or option, and
 * what is wrong with it) to why, or logs it if why is NULL.
 */
TS_CHECKED enum ts_err tls_ctx_new(
    const struct tls_options *options, struct buf *why, struct tls_ctx **ctx_r);
/* Returns whether the name is valid for struct tls_named. */
bool tls_name_ok(struct str name);
/* Returns whether the file holds certificates (PEM); if not, appends why. */
bool tls_certificates_ok(const char *file, struct buf *why);
/* Appends a line that names the blocks of a PEM file that nobody reads.  kinds: those that are
 * read, such as "CERTIFICATE", ending in NULL. */
void tls_name_other_blocks(const char *file, const char *const *kinds, struct buf *warnings);
struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx);
/* Releases one reference, sets *ctx to NULL.  NULL is fine. */
void tls_ctx_free(struct tls_ctx **ctx);

struct tls_slot *tls_slot_new(void);
void tls_slot_free(struct tls_slot **slot);
/* Takes its own reference and drops that to the old context. */
void tls_slot_set(struct tls_slot *slot, struct tls_ctx *ctx);
/* Returns a new reference to the current context, or NULL. */
struct tls_ctx *tls_slot_get(struct tls_slot *slot);
/* Returns whether there is one.  Takes neither lock nor reference. */
bool tls_slot_filled(const struct tls_slot *slot);

/*
 * Keys that seal session tickets (RFC 5077 section 4, RFC 8446 section 4.6.1), the same for all
 * contexts, so that a session can resume after a reload and on another loop.  Each makes tickets
 * for one period and reads them for one more; then it is wiped.
 */
struct tls_tickets *tls_tickets_new(uint64_t period_ms);
void tls_tickets_free(struct tls_tickets **tickets);
/* 0: gives no tickets and accepts none. */
void tls_tickets_set_period(struct tls_tickets *tickets, uint64_t period_ms);
/* Wipes keys that are due.  Call it at least once per period; now_ms is on the clock of
 * clock_mono_ms(). */
void tls_tickets_rotate(struct tls_tickets *tickets, uint64_t now_ms);
#endif
