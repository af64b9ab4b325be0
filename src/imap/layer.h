/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_LAYER_H
#define IMAP_LAYER_H
/*
 * The layers of a login: the stream's layers above TLS, as a stack, the newest on top.  They belong
 * to the login and end with it.  A SASL security layer (RFC 4422 section 3.7) begins after the
 * client's last line of the exchange and after the tagged OK, compression (RFC 4978) after the
 * COMPRESS line and after its OK; all end after the UNAUTHENTICATE line and after its OK (RFC 8437
 * section 4), newest first.  PROXYAUTH passes them on to the next login.
 */
#include "imap/cmd.h"
#include "net/layer.h"
#include "sasl/mech.h"

struct imap_layer { /* embedded in a concrete layer */
	struct imap_layer *below;
	struct stream_layer *stream;
	/* Wipes and frees a layer that is off. */
	void (*free)(struct imap_layer *layer);
	bool secures; /* a security layer */
	bool compresses;
	bool on;
	uint64_t reserved; /* bytes that it may hold, counted by limits.connection_memory */
};

/* Makes it the login's newest; imap_layers_begin() turns it on. */
void imap_layer_push(struct imap_login *login, struct imap_layer *layer);
/* Takes ownership of sasl. */
struct imap_layer *imap_layer_new(struct sasl_layer *sasl) __attribute__((returns_nonnull));
/* Compresses at that level (net/deflate.h). */
struct imap_layer *imap_layer_compressing(const struct imap_conn *conn, int level)
    __attribute__((returns_nonnull));
bool imap_layers_secure(const struct imap_conn *conn);
bool imap_layers_compress(const struct imap_conn *conn);
/* Turns on the layers that are not on yet, right after the output written so far. */
void imap_layers_begin(struct imap_conn *conn);
/* Passes them on to another login, in which another user speaks: see stream_forget(). */
void imap_layers_move(struct imap_conn *conn, struct imap_login *from, struct imap_login *to);
/* Ends all of them, unless the stream has ended, and frees them. */
void imap_layers_end(struct imap_conn *conn, struct imap_login *login);
#endif
