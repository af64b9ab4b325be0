/* SPDX-License-Identifier: Apache-2.0 */
/* Warns about databases that are valid one by one but useless together. */
#include "auth/settings/settings.h"
#include "auth/user/pattern.h"

static bool
is_asked(const struct conf *conf, struct str name)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);

	for (size_t i = 0; i < s->databases.n; i++)
		if (str_eq(s->databases.items[i], name))
			return true;
	return false;
}

/* Whether the database accepts any name. */
static bool
knows_all(const struct auth_db_settings *db)
{
	return db != NULL && db->type == AUTH_DB_PAM && db->users == AUTH_PAM_USERS_ANY &&
	       db->domains.n == 0 && auth_pattern_has_domain(db->username);
}

void
auth_settings_look(const struct conf *conf, struct buf *warnings)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);
	struct conf_blocks blocks = conf_blocks(conf, &auth_database_conf);

	for (size_t i = 0; i < blocks.n; i++) {
		if (is_asked(conf, blocks.p[i].name))
			continue;
		conf_blame_block(conf, blocks.p[i].settings, warnings);
		buf_puts(warnings, ": auth.databases does not name it, so it is never asked\n");
	}
	for (size_t i = 0; i + 1 < s->databases.n; i++)
		if (knows_all(auth_settings_database(conf, s->databases.items[i])) &&
		    conf_blame_item(conf, s, "auth.databases", i, warnings))
			buf_puts(warnings, ": it knows everybody (users = any), so those after it "
			                   "are never asked\n");
}
