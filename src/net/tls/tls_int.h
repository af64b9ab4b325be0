/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_TLS_INT_H
#define NET_TLS_TLS_INT_H
/* What the files of TLS in this folder share. */
#include <openssl/ssl.h>

#include "net/tls/certmap.h"
#include "net/tls/ssl.h"
#include "net/tls/tls.h"
#include "net/tls/trust.h"

/*
 * words.c, as tls_why() is.  Why the file's certificate, private key, ... (what) could not be
 * taken.  kind: how the name of its PEM block ends.  The reason in the error queue is taken where
 * it says more.
 */
void tls_pem_fault(const char *file, const char *what, const char *kind, struct buf *out);
/* Are all cipher suites of TLS 1.3 known?  False: which is not is appended. */
bool tls_suites_ok(const char *suites, struct buf *why);
/* Appends a line for each word of the list that adds no cipher. */
void tls_ciphers_look(const char *ciphers, struct buf *warnings);

/* NULL: nobody is believed. */
const struct tls_trust *tls_ctx_trust(const struct tls_ctx *ctx);
const struct certmap *tls_ctx_map(const struct tls_ctx *ctx);
/* Differs for each context that was put into the slot. */
uint64_t tls_slot_generation(const struct tls_slot *slot);

/* client.c: sets up asking for certificates, and sessions of who showed one. */
void tls_client_setup(SSL_CTX *ssl, struct tls_ctx *ctx);
void tls_client_begin(SSL *ssl, const struct tls_terms *terms, char **refusal);
/* ocsp.c */
struct tls_staple; /* what is sent about our own certificate */
/* NULL: *why has the reason.  A response that is out of date is taken, never sent, and a line is
 * appended to warnings. */
struct tls_staple *tls_staple_new(
    const char *file, SSL_CTX *ssl, int64_t now, struct buf *why, struct buf *warnings);
void tls_staple_free(struct tls_staple **staple);
/* The callback that sends it; arg of SSL_CTX_set_tlsext_status_arg: the staple. */
int tls_staple_send(SSL *ssl, void *staple);

/* tickets.c */
void tls_tickets_setup(SSL_CTX *ssl, struct tls_tickets *tickets, uint64_t period_ms);
#endif
