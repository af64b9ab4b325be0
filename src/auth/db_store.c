/* SPDX-License-Identifier: Apache-2.0 */
/* The store's own users: records under "user/", see user.h. */
#include "auth/priv.h"
#include "base/mem.h"

struct store_db {
	struct auth_db db;
	struct store *store;
};

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
		    TS_DAMAGED, "the record of user %.*s is of an unknown format", STR_ARG(name));
	buf_fini(&key);
	buf_wipe_fini(&value);
	return err;
}

static enum ts_err
find(struct auth_db *db, struct str name, struct arena *arena, struct auth_user *user_r)
{
	return auth_user_read(((struct store_db *)(void *)db)->store, name, arena, user_r);
}

static void
free_own(struct auth_db *db)
{
	mem_free(db);
}

static const struct auth_db_ops ops = {.type = "store", .find = find, .free = free_own};

struct auth_db *
auth_db_store_new(struct auth *auth)
{
	struct store_db *s = mem_zalloc(sizeof(*s));

	s->db.ops = &ops;
	s->db.cache_ms = AUTH_DB_WATCHED;
	s->db.is_store = true;
	buf_puts(&s->db.name, "store");
	s->store = auth->store;
	return &s->db;
}
