/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_TOKENS_H
#define AUTH_TOKENS_H
/*
 * The cache of verified tokens: a client that switches users a thousand times a second with one
 * token has it verified once.
 *
 * A token is stored as a keyed hash of the token and the host that the client named with it; the
 * key is random and belongs to this process.  An entry ends with the token or with the database's
 * cache time; a change of the keys or rules drops all entries.  Negative answers are not cached.
 *
 * Bounded: sets of eight entries; the least used goes first.  Safe from any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct auth_tokens;

struct auth_tokens *auth_tokens_new(void);
void auth_tokens_free(struct auth_tokens **tokens);

struct auth_token_facts {
	struct str name;     /* the user's name: prepared, full */
	uint64_t until;      /* when the entry expires, on clock_mono_ms() */
	uint64_t generation; /* of users and databases at the time it was verified */
	int64_t ends;        /* when a login with it must end, by the wall clock; 0: no limit */
	bool vouched;        /* the issuer vouches for the user, whom no database knows */
};

/* False: the token must be verified.  Appends the name to name_r; facts_r->name points into it. */
bool auth_tokens_get(struct auth_tokens *tokens, struct str token, struct str host,
    struct buf *name_r, struct auth_token_facts *facts_r);
/* Call before verifying; auth_tokens_put() does nothing if all entries were dropped since. */
uint64_t auth_tokens_epoch(struct auth_tokens *tokens);
void auth_tokens_put(struct auth_tokens *tokens, uint64_t epoch, struct str token, struct str host,
    const struct auth_token_facts *facts);
void auth_tokens_drop(struct auth_tokens *tokens);
#endif
