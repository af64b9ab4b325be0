/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_TOKENS_H
#define AUTH_TOKENS_H
/*
 * Tokens that were verified a moment ago, so that who switches users with one
 * token a thousand times a second has it verified once.
 *
 * A token is remembered as a keyed hash of all of it and of the host that the
 * client named with it, the key random and of this process, until it expires,
 * its database's time is over, or what tokens are verified with changes, which
 * drops all.  Nothing negative is remembered.
 *
 * Bounded: sets of eight; what was not used goes first.  Safe from any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct auth_tokens;

struct auth_tokens *auth_tokens_new(void);
void auth_tokens_free(struct auth_tokens **tokens);

struct auth_token_facts {
	struct str name;     /* whose it is: prepared, full */
	uint64_t until;      /* on clock_mono_ms(): how long this may be remembered */
	uint64_t generation; /* of users and databases when it was verified */
	int64_t ends;        /* the login with it ends then, by the wall clock; 0: it does not */
	bool vouched;        /* the issuer vouches for the user, whom no database knew */
};

/* False: it has to be verified.  The name is appended to name_r, where facts_r->name points to. */
bool auth_tokens_get(struct auth_tokens *tokens, struct str token, struct str host,
    struct buf *name_r, struct auth_token_facts *facts_r);
/* Ask before verifying; put refuses when all were dropped since. */
uint64_t auth_tokens_epoch(struct auth_tokens *tokens);
void auth_tokens_put(struct auth_tokens *tokens, uint64_t epoch, struct str token, struct str host,
    const struct auth_token_facts *facts);
void auth_tokens_drop(struct auth_tokens *tokens);
#endif
