/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_PEER_INT_H
#define NET_TLS_PEER_INT_H
/* Making a peer, for client.c and tests. */
#include <openssl/x509.h>

#include "net/tls/peer.h"

/* Takes over both; chain may be NULL. */
struct tls_peer *tls_peer_make(X509 *cert, STACK_OF(X509) * chain);
#endif
