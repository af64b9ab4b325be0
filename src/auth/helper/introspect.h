/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_HELPER_INTROSPECT_H
#define AUTH_HELPER_INTROSPECT_H
/*
 * What a database of tokens and its helper say to each other: one question to
 * an introspection endpoint (RFC 7662 section 2), and what came back.
 */
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"

enum { AUTH_INTROSPECT_MAX = 65536 }; /* bytes of an answer */

struct auth_introspect {
	struct str url;     /* https://… */
	struct str ca_file; /* empty: the system's authorities */
	/* How we say who we are (section 2.1): a name and a secret (RFC 6749 section 2.3.1), or a
	 * token.  Files are read by the helper, their first lines count. */
	struct str client_id, client_secret_file, bearer_file;
	uint64_t connect_ms;
	struct str token;
};

void auth_introspect_print(const struct auth_introspect *ask, struct buf *out);
bool auth_introspect_parse(struct str in, struct arena *arena, struct auth_introspect *ask_r);
/* The reply is the endpoint's JSON as it came; there is none when it cannot be had. */
#endif
