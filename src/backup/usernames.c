/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the user that a name means. */
#include "backup/usernames.h"

#include "sasl/names.h"

void
username_meant(struct str typed, struct str default_domain, bool (*has)(struct str name, void *arg),
    void *arg, struct buf *out)
{
	struct buf full = {0};
	bool named = sasl_name_full(typed, default_domain, &full);

	if (named && has != NULL && !has(buf_as_str(&full), arg) && has(typed, arg))
		named = false;
	buf_str(out, named ? buf_as_str(&full) : typed);
	buf_fini(&full);
}
