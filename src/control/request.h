/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_REQUEST_H
#define CONTROL_REQUEST_H
/*
 * What a command asks the server to do, or does itself if none is running.
 *
 * As lines:
 *
 *	user-add LF
 *	name anna LF
 *	acts-for b* LF
 *	LF
 *
 * the verb, then fields: a key, a space, and the value, in which % and control characters are
 * written as %XX; then an empty line.  frame.h says how it is sent.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

#define REQUEST_FIELDS_MAX 512
#define REQUEST_BYTES_MAX (256 * 1024)

struct request_field {
	struct str key, value;
};

struct request {
	struct buf text; /* what the strings point to; it may hold a password */
	struct str verb;
	struct request_field fields[REQUEST_FIELDS_MAX];
	size_t field_count;
};

/* These build the wire format directly. */
void request_begin(struct buf *wire, const char *verb);
void request_put(struct buf *wire, const char *key, struct str value);
void request_end(struct buf *wire);

/* Appends the unescaped value; false: a % without two hexadecimal digits. */
bool request_unescape(struct str value, struct buf *out);
/* Whether the request is complete. */
bool request_complete(struct str wire);
/* Copies and unescapes it.  False: not a request. */
bool request_parse(struct str wire, struct request *req_r);
/* Wipes and frees it. */
void request_fini(struct request *req);
/* Empty if missing. */
struct str request_get(const struct request *req, const char *key);
bool request_has(const struct request *req, const char *key);
#endif
