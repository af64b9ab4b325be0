/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_INT_H
#define NET_TLS_INT_H
#include <openssl/ssl.h>

#include "net/tls.h"

/* A server's TLS on the socket fd, which stays the caller's; NULL when OpenSSL has no memory. */
SSL *tls_ssl_new(struct tls_ctx *ctx, int fd);
/* The first reason in this thread's error queue, which is emptied; never NULL. */
const char *tls_why(void);
#endif
