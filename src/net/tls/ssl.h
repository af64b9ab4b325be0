/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_SSL_H
#define NET_TLS_SSL_H
/* TLS of one connection as OpenSSL sees it, for streams on sockets (net/stream_sock.c). */
#include <openssl/ssl.h>

#include "net/tls/tls.h"

struct tls_peer;

/*
 * Makes a server's TLS on the socket fd, which the caller keeps.  Returns NULL if OpenSSL is out of
 * memory.  terms NULL: asks for no certificate.  refusal: receives the reason (mem_free) if a
 * handshake fails because of the client's certificate; must live as long.
 */
SSL *tls_ssl_new(struct tls_ctx *ctx, int fd, const struct tls_terms *terms, char **refusal);
/* Returns the first reason in this thread's error queue and empties the queue; never NULL. */
const char *tls_why(void);
/* After the handshake: returns NULL if no certificate was shown. */
struct tls_peer *tls_peer_new(SSL *ssl);
/* Returns whether the handshake failed because of the client's certificate; refusal then says
 * why. */
bool tls_client_refused(const SSL *ssl);
#endif
