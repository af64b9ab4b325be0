/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_H
#define BASE_JSON_H
/*
 * Writes JSON (RFC 8259).  Puts commas where they belong, escapes strings, and
 * replaces invalid UTF-8 in them by U+FFFD, byte by byte.
 *
 *	struct json j = {.out = &buf};
 *	json_open(&j, '{');
 *	json_key(&j, "users");
 *	json_open(&j, '[');
 *	json_str(&j, name);
 *	json_close(&j, ']');
 *	json_close(&j, '}');
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct json {
	struct buf *out;
	bool comma; /* private: something precedes at this level */
};

void json_open(struct json *j, char bracket);  /* '{' or '[' */
void json_close(struct json *j, char bracket); /* '}' or ']' */
/* The value comes next. */
void json_key(struct json *j, const char *key);
void json_key_str(struct json *j, struct str key);
void json_str(struct json *j, struct str value);
void json_u64(struct json *j, uint64_t value);
/* value must be valid in JSON already: "12.5". */
void json_decimal(struct json *j, struct str value);
void json_i64(struct json *j, int64_t value);
void json_bool(struct json *j, bool value);
void json_null(struct json *j);
#endif
