/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_SCRAM_TEXT_H
#define SASL_SCRAM_TEXT_H
/*
 * The messages of SCRAM (RFC 5802 sections 5 and 7) and the computations on them, shared by client
 * and server in this folder.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "sasl/scram_keys.h"

enum { SCRAM_NONCE_MAX = 256, SCRAM_NONCE_MADE = 24 };

/* Takes "<name>=<value>" off the front of *rest, up to the next comma or the end.  False: another
 * attribute or none. */
bool scram_attribute(struct str *rest, char name, struct str *value_r);
/* Whether the rest consists of optional extensions, which we ignore (section 5.1). */
bool scram_extensions_ok(struct str rest);
/* Decodes "=2C" to a comma and "=3D" to "=" (section 5.1), and appends.  False: another "=". */
bool scram_name_decode(struct str in, struct buf *out);
void scram_name_encode(struct str in, struct buf *out);
/* Whether it has 1 to SCRAM_NONCE_MAX printable characters and no comma. */
bool scram_nonce_ok(struct str nonce);
/* Appends SCRAM_NONCE_MADE random characters. */
void scram_nonce_make(struct buf *out);

/* to ^= from */
void scram_xor(unsigned char *to, const unsigned char *from, size_t n);
/* Whether the client's proof matches StoredKey and the messages (section 3). */
bool scram_proof_ok(const struct sasl_scram_keys *keys, struct str auth_message, struct str proof);
#endif
