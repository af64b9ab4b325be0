/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_HELPER_INTROSPECT_H
#define AUTH_HELPER_INTROSPECT_H
/*
 * Messages between an oauth database and the helper: one request to an introspection endpoint (RFC
 * 7662 section 2), and its answer.
 */
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"

enum { AUTH_INTROSPECT_MAX = 65536 }; /* largest answer, in bytes */

struct auth_introspect {
	struct str url;     /* https://… */
	struct str ca_file; /* empty: the system's CA certificates */
	/* How we authenticate (section 2.1): a client id and secret (RFC 6749 section 2.3.1), or a
	 * bearer token.  The helper reads the first line of the files. */
	struct str client_id, client_secret_file, bearer_file;
	uint64_t connect_ms;
	struct str token;
};

void auth_introspect_print(const struct auth_introspect *ask, struct buf *out);
bool auth_introspect_parse(struct str in, struct arena *arena, struct auth_introspect *ask_r);
/* The reply is the endpoint's JSON, unchanged; no reply if there is none. */
#endif
