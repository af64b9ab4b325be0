/* SPDX-License-Identifier: Apache-2.0 */
/* From a configuration to what auth decides with. */
#include "server/config/auth_setup.h"

#include <stdio.h>

#include "auth/db.h"
#include "auth/grants.h"
#include "auth/settings.h"
#include "auth/user/hashing.h"
#include "base/mem.h"

struct auth_setup {
	struct auth_chain *chain;
	struct auth_grants_read grants;
	struct auth_group_file groups; /* path NULL: no groups */
	struct auth_hashing hashing;
};

static struct auth_hashing
hashing_of(const struct conf *conf)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);

	return (struct auth_hashing){
	    (enum auth_scheme)s->password_scheme, (uint32_t)s->password_cost};
}

/* Each line behind the place of the option that names the file. */
static void
put_lines(const struct conf *conf, const void *settings, const char *option,
    const struct buf *lines, struct buf *out)
{
	struct str rest = buf_as_str(lines), line;

	while (str_split(&rest, '\n', &line)) {
		if (line.n == 0)
			continue;
		conf_where(conf, settings, option, out);
		buf_printf(out, ": %.*s\n", STR_ARG(line));
	}
}

static struct auth_db *
make_db(struct conf *conf, struct auth *auth, struct str name, struct buf *why)
{
	struct auth_db_make make = {.conf = conf, .auth = auth, .name = name};
	struct buf lines = {0};
	struct auth_db *db;

	if (str_eq(name, STR("store")))
		return auth_db_store_new(auth);
	make.settings = auth_settings_database(conf, name);
	TS_ASSERT(make.settings != NULL);
	db = auth_db_new(&make, &lines);
	put_lines(conf, make.settings, make.settings->type == AUTH_DB_OAUTH ? "jwks" : "file",
	    &lines, why);
	buf_fini(&lines);
	return db;
}

bool
auth_setup_make(struct conf *conf, struct auth *auth, struct buf *why, struct auth_setup **setup_r)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);
	struct auth_setup *setup = mem_zalloc(sizeof(*setup));
	struct buf lines = {0};
	bool ok = true;

	setup->hashing = hashing_of(conf);
	setup->chain = auth_chain_new();
	for (size_t i = 0; i < s->databases.n; i++) {
		struct auth_db *db = make_db(conf, auth, s->databases.items[i], why);

		ok &= db != NULL;
		if (db != NULL)
			auth_chain_add(setup->chain, db);
	}
	ok &= auth_grants_read(conf, auth_default_domain(auth), why, &setup->grants);
	if (s->group_file.n > 0)
		ok &= auth_group_file_read(auth, s->group_file.p, &lines, &setup->groups);
	else
		setup->groups.groups = auth_groups_none();
	put_lines(conf, s, "auth.group_file", &lines, why);
	buf_fini(&lines);
	if (!ok)
		auth_setup_free(&setup);
	*setup_r = setup;
	return ok;
}

void
auth_setup_take(struct auth *auth, struct auth_setup **setup)
{
	auth_set_hashing(auth, &(*setup)->hashing);
	auth_set_group_file(auth, &(*setup)->groups);
	auth_grants_configure(auth, (*setup)->grants.p, (*setup)->grants.n);
	auth_set_chain(auth, (*setup)->chain);
	auth_setup_free(setup);
}

void
auth_setup_free(struct auth_setup **setup)
{
	if (*setup == NULL)
		return;
	auth_chain_unref(&(*setup)->chain);
	auth_grants_read_fini(&(*setup)->grants);
	auth_group_file_fini(&(*setup)->groups);
	mem_free(*setup);
	*setup = NULL;
}

void
auth_setup_offline(struct conf *conf, struct auth *auth)
{
	struct auth_setup *setup = NULL;
	struct auth_hashing hashing = hashing_of(conf);
	struct buf why = {0};

	if (auth_hashing_fault(&hashing) == NULL) /* even if a database cannot be had */
		auth_set_hashing(auth, &hashing);
	if (auth_settings_check(conf, &why) && auth_setup_make(conf, auth, &why, &setup))
		auth_setup_take(auth, &setup);
	else
		fprintf(stderr,
		    "%sturnstone: only the store's own users and grants are known here\n",
		    buf_cstr(&why));
	buf_fini(&why);
}
