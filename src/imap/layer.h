/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_LAYER_H
#define IMAP_LAYER_H
/*
 * The SASL security layer of a login (RFC 4422 section 3.7): a layer of the
 * stream, owned by the login.  It begins behind the client's last line of the
 * exchange and behind the tagged OK; it ends behind the line of UNAUTHENTICATE
 * and behind its OK (RFC 8437 section 4).
 */
#include "imap/imap.h"
#include "sasl/mech.h"

struct imap_layer;

/* Takes over sasl. */
struct imap_layer *imap_layer_new(struct sasl_layer *sasl) __attribute__((returns_nonnull));
/* Wipes and frees; it must be off.  *layer may be NULL. */
void imap_layer_free(struct imap_layer **layer);
/* Of the login, on and off, right behind what was put out until now. */
void imap_layer_begin(struct imap_conn *conn);
void imap_layer_end(struct imap_conn *conn, struct imap_layer *layer);
#endif
