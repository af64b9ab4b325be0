/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_OBJECTID_H
#define WIRE_EXT_OBJECTID_H
/*
 * Parses and prints object ids (RFC 8474): letters, digits, "_" and "-", at most 255.  In
 * parentheses in FETCH and STATUS responses (EMAILID, THREADID, MAILBOXID) and in the code
 * MAILBOXID; without them in SEARCH.
 */
#include "wire/out.h"

#define WIRE_OBJECTID_MAX 255u

/* Parses what follows the blank after SEARCH EMAILID. */
bool wire_in_objectid(struct wire_in *in, struct str *id_r);
/* Parses "(id)"; NIL gives p == NULL (THREADID of a server that has none). */
bool wire_in_objectid_told(struct wire_in *in, struct str *id_r);
/* Prints "(id)", or NIL for p == NULL. */
void wire_out_objectid(struct buf *b, struct str id);
/* Prints "MAILBOXID (id)". */
void wire_out_code_mailboxid(struct buf *b, struct str id);
#endif
