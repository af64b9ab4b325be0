/* SPDX-License-Identifier: Apache-2.0 */
/* The store's records of users; auth/user/user.h has their format. */
#include "auth/auth_int.h"
#include "base/err.h"

void
auth_user_key(struct str name, struct buf *out)
{
	buf_puts(out, "user/");
	buf_str(out, name);
}

enum ts_err
auth_user_read(struct store *store, struct str name, struct arena *arena, struct auth_user *user_r)
{
	struct buf key = {0}, value = {0};
	enum ts_err err;

	auth_user_key(name, &key);
	err = store_record_get(store, buf_as_str(&key), &value);
	if (err == TS_OK && !auth_user_parse(name, buf_as_str(&value), arena, user_r))
		err = TS_FAIL(
		    TS_DAMAGED, "the record of user %.*s has an unknown format", STR_ARG(name));
	buf_fini(&key);
	buf_wipe_fini(&value);
	return err;
}
