/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a grant. */
#include "auth/grant.h"

#include <stdatomic.h>

#include "base/mem.h"

struct auth_grant *
auth_grant_new_full(void)
{
	struct auth_grant *grant = mem_zalloc(sizeof(*grant));

	grant->refs = 1;
	grant->source = AUTH_GRANT_USER;
	grant->name = STR("acts-for");
	grant->rights = AUTH_RIGHTS_ALL;
	return grant;
}

struct auth_grant *
auth_grant_ref(struct auth_grant *grant)
{
	atomic_fetch_add_explicit(&grant->refs, 1, memory_order_relaxed);
	return grant;
}

void
auth_grant_unref(struct auth_grant **gp)
{
	struct auth_grant *grant = *gp;

	*gp = NULL;
	if (grant != NULL && atomic_fetch_sub_explicit(&grant->refs, 1, memory_order_acq_rel) == 1)
		mem_free(grant);
}
