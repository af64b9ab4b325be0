/* SPDX-License-Identifier: Apache-2.0 */
/* All operations. */
#include "control/ops/ops.h"

const struct op *
ops_find(struct str verb)
{
	static const struct op *const tables[] = {
	    ops_alias,
	    ops_grant,
	    ops_server,
	    ops_user,
	    ops_check,
	    ops_import,
	    ops_export,
	    ops_backup,
	    ops_restore,
	    ops_mailbox,
	    ops_sessions,
	};

	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
		for (const struct op *op = tables[t]; op->verb != NULL; op++)
			if (str_eq(verb, str_of(op->verb)))
				return op;
	return NULL;
}
