/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_LAYER_H
#define IMAP_LAYER_H
/*
 * The layers of a login: those of the stream above TLS, as a stack, the newest first.  They are the
 * login's and end with it: a SASL security layer (RFC 4422 section 3.7) begins behind the client's
 * last line of the exchange and behind the tagged OK, compression (RFC 4978) behind the line and
 * the OK of COMPRESS; all end behind the line of UNAUTHENTICATE and behind its OK (RFC 8437 section
 * 4), newest first.  PROXYAUTH hands them on to the next login.
 */
#include "imap/cmd.h"
#include "net/layer.h"
#include "sasl/mech.h"

struct imap_layer { /* embedded in a concrete layer */
	struct imap_layer *below;
	struct stream_layer *stream;
	/* Wipes and frees it; it is off. */
	void (*free)(struct imap_layer *layer);
	bool secures; /* a security layer */
	bool compresses;
	bool on;
	uint64_t reserved; /* what it may hold, as limits.connection_memory counts it */
};

/* Makes it the login's newest; imap_layers_begin() turns it on. */
void imap_layer_push(struct imap_login *login, struct imap_layer *layer);
/* Takes over sasl. */
struct imap_layer *imap_layer_new(struct sasl_layer *sasl) __attribute__((returns_nonnull));
/* Compresses at that level (net/deflate.h). */
struct imap_layer *imap_layer_compressing(const struct imap_conn *conn, int level)
    __attribute__((returns_nonnull));
bool imap_layers_secure(const struct imap_conn *conn);
bool imap_layers_compress(const struct imap_conn *conn);
/* Those that are not on yet begin, right behind what was put out until now. */
void imap_layers_begin(struct imap_conn *conn);
/* Passes them on to another login, in which another user speaks: see stream_forget(). */
void imap_layers_move(struct imap_conn *conn, struct imap_login *from, struct imap_login *to);
/* Ends all of them, unless the stream has ended, and frees them. */
void imap_layers_end(struct imap_conn *conn, struct imap_login *login);
#endif
