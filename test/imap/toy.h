/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_IMAP_TOY_H
#define TEST_IMAP_TOY_H
/*
 * A SASL mechanism for transcripts, X-TOY, with a security layer that anybody can read: it accepts
 * every name.  The client sends [authzid] NUL authcid NUL mode; mode is "layer", "auth" (no layer)
 * or "last" (a layer, and one more challenge before the end).
 *
 * In the layer a buffer is its length in four octets, 'T', and the bytes with bit 0x80 inverted.
 */
#include "sasl/mech.h"

extern const struct sasl_mech_list toy_mechs;
void toy_wrap(struct str in, struct buf *out);
/* Decodes the first buffer; false: incomplete or invalid. */
bool toy_unwrap(struct str in, struct buf *out, size_t *used_r);
#endif
