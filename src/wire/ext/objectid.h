/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_OBJECTID_H
#define WIRE_EXT_OBJECTID_H
/*
 * Object ids both ways (RFC 8474): letters, digits, "_" and "-", at most 255.  In parentheses as
 * what FETCH and STATUS tell (EMAILID, THREADID, MAILBOXID) and in the code MAILBOXID; without them
 * as SEARCH asks.
 */
#include "wire/out.h"

#define WIRE_OBJECTID_MAX 255u

/* What SEARCH EMAILID has behind the blank. */
bool wire_in_objectid(struct wire_in *in, struct str *id_r);
/* "(id)"; NIL gives p == NULL (THREADID of a server that has none). */
bool wire_in_objectid_told(struct wire_in *in, struct str *id_r);
/* "(id)", or NIL for p == NULL. */
void wire_out_objectid(struct buf *b, struct str id);
/* "MAILBOXID (id)". */
void wire_out_code_mailboxid(struct buf *b, struct str id);
#endif
