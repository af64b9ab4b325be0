/* SPDX-License-Identifier: Apache-2.0 */
/* Makes databases by their type. */
#include "auth/db.h"
#include "auth/settings/settings.h"

struct auth_db *
auth_db_new(const struct auth_db_make *make, struct buf *why)
{
	static struct auth_db *(*const makers[])(const struct auth_db_make *, struct buf *) = {
	    [AUTH_DB_PASSWD] = auth_db_passwd_new,
	    [AUTH_DB_OAUTH] = auth_db_oauth_new,
	    [AUTH_DB_PAM] = auth_db_pam_new,
	    [AUTH_DB_LDAP] = auth_db_ldap_new,
	};
	struct auth_db *db = makers[make->settings->type](make, why);

	if (db != NULL)
		buf_str(&db->name, make->name);
	return db;
}

void
auth_db_look(const struct auth_db_make *make, struct buf *why)
{
	struct auth_db *db = auth_db_new(make, why);

	if (db == NULL)
		return;
	buf_fini(&db->name);
	db->ops->free(db);
}
