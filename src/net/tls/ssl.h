/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_SSL_H
#define NET_TLS_SSL_H
/* TLS of one connection as OpenSSL has it, for streams on sockets (net/stream_sock.c). */
#include <openssl/ssl.h>

#include "net/tls/tls.h"

struct tls_peer;

/*
 * A server's TLS on the socket fd, which stays the caller's; NULL when OpenSSL has no memory.
 * terms NULL: no certificate is asked for.  refusal: where the reason goes (mem_free) when a
 * handshake fails because of the client's certificate; must live as long.
 */
SSL *tls_ssl_new(struct tls_ctx *ctx, int fd, const struct tls_terms *terms, char **refusal);
/* The first reason in this thread's error queue, which is emptied; never NULL. */
const char *tls_why(void);
/* After the handshake: NULL when no certificate was shown. */
struct tls_peer *tls_peer_new(SSL *ssl);
/* Did the handshake fail because of the client's certificate?  Why is in refusal then. */
bool tls_client_refused(const SSL *ssl);
#endif
