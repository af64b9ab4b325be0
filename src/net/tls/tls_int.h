/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_TLS_INT_H
#define NET_TLS_TLS_INT_H
/* Shared by the TLS files of this folder. */
#include <openssl/ssl.h>

#include "net/tls/certmap.h"
#include "net/tls/ssl.h"
#include "net/tls/tls.h"
#include "net/tls/trust.h"

/*
 * words.c, like tls_why().  Says why the file's certificate, private key, ... (what) could not be
 * used.  kind: the suffix of its PEM block's name.  Adds the reason in the error queue if it says
 * more.
 */
void tls_pem_fault(const char *file, const char *what, const char *kind, struct buf *out);
/* Returns whether all cipher suites of TLS 1.3 are known.  If not, appends the unknown one. */
bool tls_suites_ok(const char *suites, struct buf *why);
/* Appends a line for each word of the list that adds no cipher. */
void tls_ciphers_look(const char *ciphers, struct buf *warnings);

/* NULL: nobody is trusted. */
const struct tls_trust *tls_ctx_trust(const struct tls_ctx *ctx);
const struct certmap *tls_ctx_map(const struct tls_ctx *ctx);
/* Returns a number that differs for each context put into the slot. */
uint64_t tls_slot_generation(const struct tls_slot *slot);

/* client.c: sets up requests for certificates, and sessions of clients that showed one. */
void tls_client_setup(SSL_CTX *ssl, struct tls_ctx *ctx);
void tls_client_begin(SSL *ssl, const struct tls_terms *terms, char **refusal);
/* ocsp.c */
struct tls_staple; /* OCSP response sent with our own certificate */
/* Returns NULL with the reason in *why.  An outdated response is accepted but never sent, and a
 * line is appended to warnings. */
struct tls_staple *tls_staple_new(
    const char *file, SSL_CTX *ssl, int64_t now, struct buf *why, struct buf *warnings);
void tls_staple_free(struct tls_staple **staple);
/* The callback that sends it; pass the staple to SSL_CTX_set_tlsext_status_arg. */
int tls_staple_send(SSL *ssl, void *staple);

/* tickets.c */
void tls_tickets_setup(SSL_CTX *ssl, struct tls_tickets *tickets, uint64_t period_ms);
#endif
