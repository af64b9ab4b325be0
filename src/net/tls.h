/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_H
#define NET_TLS_H
/*
 * What a TLS server shares between its connections: certificate chain, key,
 * versions, ciphers.  Constant after it was made and reference counted: a new
 * certificate is a new tls_ctx put into the slot; connections keep theirs.
 * Safe from any thread.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct tls_ctx;  /* opaque */
struct tls_slot; /* opaque: where the current one is found */

struct tls_options {
	const char *cert_file;    /* PEM: the certificate, then its chain */
	const char *key_file;     /* PEM; NULL: in cert_file */
	const char *min_version;  /* "1.2" (NULL), "1.3" */
	const char *ciphers;      /* TLS 1.2, OpenSSL's notation; NULL: its default */
	const char *ciphersuites; /* TLS 1.3; NULL: the default */
};

/*
 * The caller holds one reference to *ctx_r.  On an error the reason (which file
 * or option, what OpenSSL says) is appended to why, or logged if why is NULL.
 */
TS_CHECKED enum ts_err tls_ctx_new(
    const struct tls_options *options, struct buf *why, struct tls_ctx **ctx_r);
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
#endif
