/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_INT_H
#define NET_TLS_INT_H
/* What the files of TLS in this folder share. */
#include <openssl/ssl.h>

#include "net/certmap.h"
#include "net/tls.h"
#include "net/tls_trust.h"

struct tls_peer;

/*
 * A server's TLS on the socket fd, which stays the caller's; NULL when OpenSSL has no memory.
 * terms NULL: no certificate is asked for.  refusal: where the reason goes (mem_free) when a
 * handshake fails because of the client's certificate; must live as long.
 */
SSL *tls_ssl_new(struct tls_ctx *ctx, int fd, const struct tls_terms *terms, char **refusal);
/* The first reason in this thread's error queue, which is emptied; never NULL. */
const char *tls_why(void);

/* NULL: nobody is believed. */
const struct tls_trust *tls_ctx_trust(const struct tls_ctx *ctx);
const struct certmap *tls_ctx_map(const struct tls_ctx *ctx);
/* Differs for each context that was put into the slot. */
uint64_t tls_slot_generation(const struct tls_slot *slot);

/* tls_client.c: sets up asking for certificates, and sessions of who showed one. */
void tls_client_setup(SSL_CTX *ssl, struct tls_ctx *ctx);
void tls_client_begin(SSL *ssl, const struct tls_terms *terms, char **refusal);
/* After the handshake: NULL when no certificate was shown. */
struct tls_peer *tls_peer_new(SSL *ssl);
/* Did the handshake fail because of the client's certificate?  Why is in refusal then. */
bool tls_client_refused(const SSL *ssl);

/* tls_ocsp.c */
struct tls_staple; /* what is sent about our own certificate */
/* NULL: *why has the reason.  A response that is out of date is taken, never sent, and a line is
 * appended to warnings. */
struct tls_staple *tls_staple_new(
    const char *file, SSL_CTX *ssl, int64_t now, struct buf *why, struct buf *warnings);
void tls_staple_free(struct tls_staple **staple);
/* The callback that sends it; arg of SSL_CTX_set_tlsext_status_arg: the staple. */
int tls_staple_send(SSL *ssl, void *staple);

/* tls_tickets.c */
void tls_tickets_setup(SSL_CTX *ssl, struct tls_tickets *tickets, uint64_t period_ms);
#endif
