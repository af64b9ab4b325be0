/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_OAUTH_JSON_H
#define AUTH_OAUTH_JSON_H
/*
 * Untrusted JSON, and base64url.  jansson parses, strictly: no duplicate keys, no NUL, well-formed
 * UTF-8.  Size and nesting are checked before it sees a byte.  All memory of jansson in this
 * process is wiped when freed, because it holds tokens and keys.
 */
#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

enum { AUTH_JSON_DEPTH = 16 };

/* Parses an object, which the caller owns (json_decref); NULL: not an object, too long or too deep.
 */
json_t *auth_json_object(struct str text, size_t max);
/* The string of a key; p is NULL if there is none or it is not a string. */
struct str auth_json_str(const json_t *object, const char *key);
/* Whether s is the value, a string, or one of the strings in it, an array. */
bool auth_json_has(const json_t *value, struct str s);

/* Decodes as in RFC 7515 section 2: no padding, no other characters, no leftover bits.  Appends the
 * bytes; false: out is unchanged. */
bool auth_base64url_decode(struct str in, struct buf *out);
#endif
