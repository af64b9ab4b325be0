/* SPDX-License-Identifier: Apache-2.0 */
/* From a configuration to the databases, grants and groups that auth uses. */
#include "server/config/auth_setup.h"

#include <stdio.h>

#include "auth/db.h"
#include "auth/gateway.h"
#include "auth/grants.h"
#include "auth/settings/settings.h"
#include "auth/user/hashing.h"
#include "auth/user/separator.h"
#include "auth/users.h"
#include "base/mem.h"
#include "imap/hide.h"

#define NAMES_TOLD 10u /* in one line */

struct auth_setup {
	struct auth_chain *chain;
	struct auth_grants_read grants;
	struct auth_group_file groups; /* path NULL: no groups */
	struct auth_hashing hashing;
	char separator;
};

/* 0: none, or an invalid one. */
static char
separator_of(const struct conf *conf)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);

	return s->gateway_separator.n == 1 && auth_separator_fault(s->gateway_separator) == NULL
	           ? s->gateway_separator.p[0]
	           : 0;
}

static struct auth_hashing
hashing_of(const struct conf *conf)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);

	return (struct auth_hashing){
	    (enum auth_scheme)s->password_scheme, (uint32_t)s->password_cost};
}

/* NULL: why has the reason. */
static struct auth_db *
make_db(
    struct conf *conf, struct auth *auth, struct str name, struct buf *why, struct buf *warnings)
{
	struct auth_db_make make = {.conf = conf, .auth = auth, .name = name, .warnings = warnings};

	if (str_eq(name, STR("store")))
		return auth_db_store_new(auth);
	make.settings = auth_settings_database(conf, name);
	TS_ASSERT(make.settings != NULL);
	return auth_db_new(&make, why);
}

static void
check_hidden_groups(const struct conf *conf, const struct imap_hide_settings *h,
    struct str default_domain, const struct auth_groups *groups, struct buf *warnings)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 256);

	for (size_t i = 0; i < h->users.n; i++) {
		struct auth_names names;

		if (!auth_names_parse(h->users.items[i], default_domain, arena, &names) ||
		    names.kind != AUTH_NAMES_GROUP || auth_groups_known(groups, names.text) ||
		    !conf_blame_item(conf, h, "for", i, warnings))
			continue;
		buf_puts(warnings, ": there is no such group in auth.group_file\n");
	}
	arena_free(&arena);
}

/* Warns of groups that the file does not have. */
static void
check_groups(const struct conf *conf, struct str default_domain, const struct auth_groups *groups,
    struct buf *warnings)
{
	struct conf_blocks blocks = conf_blocks(conf, &imap_hide_conf);

	auth_grants_check_groups(conf, default_domain, groups, warnings);
	for (size_t i = 0; i < blocks.n; i++)
		check_hidden_groups(conf, blocks.p[i].settings, default_domain, groups, warnings);
}

static bool
read_groups(const struct conf *conf, struct auth *auth, struct auth_group_file *groups_r,
    struct buf *why, struct buf *warnings)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);
	struct buf lines = {0};
	struct str rest, line;
	bool ok = true;

	if (s->group_file.n == 0) {
		groups_r->groups = auth_groups_none();
		return true;
	}
	ok = auth_group_file_read(auth, s->group_file.p, &lines, groups_r);
	rest = buf_as_str(&lines);
	while (str_split(&rest, '\n', &line))
		if (line.n > 0 && conf_blame(conf, s, "auth.group_file", why))
			buf_printf(why, ": %.*s\n", STR_ARG(line));
	if (ok && warnings != NULL)
		check_groups(conf, auth_default_domain(auth), groups_r->groups, warnings);
	buf_fini(&lines);
	return ok;
}

bool
auth_setup_make(struct conf *conf, struct auth *auth, struct buf *why, struct buf *warnings,
    struct auth_setup **setup_r)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);
	struct auth_setup *setup = mem_zalloc(sizeof(*setup));
	bool ok = true;

	setup->hashing = hashing_of(conf);
	setup->separator = separator_of(conf);
	setup->chain = auth_chain_new();
	for (size_t i = 0; i < s->databases.n; i++) {
		struct auth_db *db = make_db(conf, auth, s->databases.items[i], why, warnings);

		ok &= db != NULL;
		if (db != NULL)
			auth_chain_add(setup->chain, db);
	}
	ok &= auth_grants_read(conf, auth_default_domain(auth), why, NULL, &setup->grants);
	ok &= read_groups(conf, auth, &setup->groups, why, warnings);
	if (!ok)
		auth_setup_free(&setup);
	*setup_r = setup;
	return ok;
}

void
auth_setup_look(struct conf *conf, struct auth *auth, struct buf *faults, struct buf *warnings)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);
	struct auth_group_file groups = {0};

	for (size_t i = 0; i < s->databases.n; i++) {
		const struct auth_db_settings *db =
		    auth_settings_database(conf, s->databases.items[i]);
		struct auth_db_make make = {
		    .conf = conf, .settings = db, .auth = auth, .warnings = warnings};

		/* A missing option was reported. */
		if (db == NULL || (db->type == AUTH_DB_PASSWD && db->file.n == 0))
			continue;
		auth_db_look(&make, faults);
	}
	(void)read_groups(conf, auth, &groups, faults, warnings);
	auth_group_file_fini(&groups);
}

struct forbidden {
	const struct auth *auth;
	struct buf names; /* of the first ones */
	size_t n;
};

static bool
add_forbidden(const struct auth_user *user, void *arg)
{
	struct forbidden *f = arg;

	if (!auth_gateway_forbids(f->auth, user->name))
		return true;
	if (f->n++ < NAMES_TOLD)
		buf_printf(&f->names, "%s%.*s", f->n > 1 ? ", " : "", STR_ARG(user->name));
	return true;
}

void
auth_setup_check_names(const struct conf *conf, struct auth *auth, struct buf *warnings)
{
	struct forbidden f = {.auth = auth};

	if (separator_of(conf) == 0 || auth_users_list(auth, add_forbidden, &f) != TS_OK)
		return;
	if (f.n > NAMES_TOLD)
		buf_printf(&f.names, " and %zu more", f.n - NAMES_TOLD);
	if (f.n > 0 &&
	    conf_blame(conf, conf_get(conf, &auth_conf), "auth.gateway_separator", warnings))
		buf_printf(warnings,
		    ": users who cannot log in, because it is in their names: %s\n",
		    buf_cstr(&f.names));
	buf_fini(&f.names);
}

void
auth_setup_take(struct auth *auth, struct auth_setup **setup)
{
	auth_set_hashing(auth, &(*setup)->hashing);
	auth_gateway_set(auth, (*setup)->separator);
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

	if (auth_hashing_fault(&hashing) == NULL) /* even if a database is unavailable */
		auth_set_hashing(auth, &hashing);
	auth_gateway_set(auth, separator_of(conf));
	if (auth_settings_check(conf, &why) && auth_setup_make(conf, auth, &why, NULL, &setup))
		auth_setup_take(auth, &setup);
	else
		fprintf(stderr,
		    "%sturnstone: only the store's own users and grants are known here\n",
		    buf_cstr(&why));
	buf_fini(&why);
}
