/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_OAUTH_JSON_H
#define AUTH_OAUTH_JSON_H
/*
 * JSON of strangers, for jansson (which does the parsing, strictly: no key
 * twice, no NUL, well-formed UTF-8), and base64url.  Size and nesting are
 * bounded before it sees a byte.  All memory of jansson in this process is
 * wiped when it is freed, since tokens and keys lie there.
 */
#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

enum { AUTH_JSON_DEPTH = 16 };

/* An object, the caller's (json_decref); NULL: not one, too long or too deep. */
json_t *auth_json_object(struct str text, size_t max);
/* The string of that key; p is NULL when there is none or it is something else. */
struct str auth_json_str(const json_t *object, const char *key);
/* Is s the string, or one of the strings of an array? */
bool auth_json_has(const json_t *value, struct str s);

/* RFC 7515 section 2: no padding, nothing else in between, no bits left over.  Appends the bytes;
 * false: out is then as it was. */
bool auth_base64url_decode(struct str in, struct buf *out);
#endif
