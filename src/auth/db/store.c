/* SPDX-License-Identifier: Apache-2.0 */
/* The store's own users: records under "user/" (auth/user/user.h). */
#include "auth/db.h"
#include "base/mem.h"

struct store_db {
	struct auth_db db;
	struct store *store;
};

static enum ts_err
find_in_store(struct auth_db *db, struct str name, struct arena *arena, struct auth_user *user_r)
{
	return auth_user_read(((struct store_db *)(void *)db)->store, name, arena, user_r);
}

static void
free_store_db(struct auth_db *db)
{
	mem_free(db);
}

static const struct auth_db_ops ops = {
    .type = "store", .find = find_in_store, .free = free_store_db};

struct auth_db *
auth_db_store_new(struct auth *auth)
{
	struct store_db *s = mem_zalloc(sizeof(*s));

	s->db.ops = &ops;
	s->db.cache_ms = AUTH_DB_WATCHED;
	s->db.is_store = true;
	buf_puts(&s->db.name, "store");
	s->store = auth_store(auth);
	return &s->db;
}
