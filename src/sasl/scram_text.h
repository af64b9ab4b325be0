/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_SCRAM_TEXT_H
#define SASL_SCRAM_TEXT_H
/*
 * The messages of SCRAM (RFC 5802 sections 5 and 7) and what is computed of
 * them; for the two sides of it in this folder.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "sasl/scram_keys.h"

enum { SCRAM_NONCE_MAX = 256, SCRAM_NONCE_MADE = 24 };

/* Cuts "<name>=<value>" off the front of *rest, up to the next comma or the end.  False: there is
 * no such attribute here. */
bool scram_attribute(struct str *rest, char name, struct str *value_r);
/* What may stand behind, and is not understood: attributes that nobody must heed (section 5.1). */
bool scram_extensions_ok(struct str rest);
/* "=2C" and "=3D" are a comma and "=" (section 5.1).  Appends; false: "=" before anything else. */
bool scram_name_decode(struct str in, struct buf *out);
void scram_name_encode(struct str in, struct buf *out);
/* One to SCRAM_NONCE_MAX printable characters without a comma. */
bool scram_nonce_ok(struct str nonce);
/* Appends SCRAM_NONCE_MADE random characters. */
void scram_nonce_make(struct buf *out);

/* to ^= from */
void scram_xor(unsigned char *to, const unsigned char *from, size_t n);
/* Does the client's proof fit StoredKey and the messages (section 3)? */
bool scram_proof_ok(const struct sasl_scram_keys *keys, struct str auth_message, struct str proof);
#endif
