/* SPDX-License-Identifier: Apache-2.0 */
/* See gateway.h. */
#include "auth/gateway.h"

#include "auth/auth_int.h"

void
auth_gateway_set(struct auth *auth, char separator)
{
	atomic_store(&auth->separator, separator);
}

bool
auth_gateway_forbids(const struct auth *auth, struct str name)
{
	char separator = atomic_load(&auth->separator);

	return separator != 0 && str_chr(name, separator) != NULL;
}

enum auth_carried
auth_gateway_split(
    const struct auth *auth, struct str name, struct str *user_r, struct str *gateway_r)
{
	char separator = atomic_load(&auth->separator);
	size_t at = name.n;

	if (separator == 0)
		return AUTH_CARRIED_NONE;
	while (at > 0 && name.p[at - 1] != separator)
		at--;
	if (at == 0)
		return AUTH_CARRIED_NONE;
	*user_r = (struct str){name.p, at - 1};
	*gateway_r = (struct str){name.p + at, name.n - at};
	return user_r->n > 0 && gateway_r->n > 0 ? AUTH_CARRIED_TWO : AUTH_CARRIED_PART;
}
