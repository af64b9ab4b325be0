/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logins that are not permitted any more are ended: their grant is gone, has
 * expired, or names them no more; a user was disabled or removed.
 *
 * Each loop lists its logins, here it is asked about each (which may read
 * records, so no loop does it), and the loops end those that must go.  A login
 * that was decided since the change is of a younger generation than the one
 * taken at the beginning, and is left alone; so a connection's id tells which
 * login is meant, even when its user has changed meanwhile.
 */
#include <semaphore.h>
#include <stdlib.h>

#include "app/server_priv.h"
#include "auth/grants.h"
#include "auth/hash.h"
#include "base/log.h"

void
server_suspect(struct server_suspects *suspects, struct str user)
{
	uint64_t hash = auth_hash(user);

	suspects->any = true;
	suspects->all |= user.n == 0;
	suspects->bits[hash / 64 % 64] |= 1ULL << hash % 64;
}

static bool
is_suspect(const struct server_suspects *suspects, struct str user)
{
	uint64_t hash = auth_hash(user);

	return suspects->all || (suspects->bits[hash / 64 % 64] & 1ULL << hash % 64) != 0;
}

struct entry { /* of a login */
	uint64_t id;
	struct str authcid, user;
	struct auth_grant *grant; /* a reference, or NULL */
	bool vouched;
	const char *why; /* it must go; NULL: it may stay */
};

struct recheck {
	const struct server_suspects *suspects;
	uint64_t generation;
	struct arena *arena;
	struct buf entries; /* an array of struct entry */
	uint64_t ended;
};

struct visit {
	struct loop_task task;
	struct recheck *r;
	struct imap_loop *il;
	void (*each)(struct recheck *r, struct imap_conn *conn);
	sem_t done;
};

static bool
is_old(const struct recheck *r, const struct imap_conn *conn)
{
	return !conn->closing && imap_login(conn) != NULL &&
	       imap_login(conn)->generation < r->generation;
}

static void
list_one(struct recheck *r, struct imap_conn *conn)
{
	const struct imap_login *login = imap_login(conn);
	struct entry e = {.id = conn->id};

	if (!is_old(r, conn) ||
	    (!is_suspect(r->suspects, login->authcid) && !is_suspect(r->suspects, login->user)))
		return;
	e.authcid = arena_str(r->arena, login->authcid);
	e.user = arena_str(r->arena, login->user);
	e.vouched = login->vouched;
	e.grant = login->grant != NULL ? auth_grant_ref(login->grant) : NULL;
	buf_put(&r->entries, &e, sizeof(e));
}

static int
by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct entry *)a)->id, y = ((const struct entry *)b)->id;

	return (x > y) - (x < y);
}

static void
end_one(struct recheck *r, struct imap_conn *conn)
{
	struct entry key = {.id = conn->id};
	const struct entry *e;

	if (!is_old(r, conn))
		return;
	e = bsearch(&key, r->entries.p, r->entries.n / sizeof(key), sizeof(key), by_id);
	if (e == NULL || e->why == NULL)
		return;
	conn->ending = "not permitted any more";
	imap_bye(conn, NULL, e->why);
	r->ended++;
}

static void
visit_loop(struct loop_task *task)
{
	struct visit *v = (struct visit *)(void *)task;
	struct imap_conn *conn;

	LIST_EACH (conn, &v->il->conns, link)
		v->each(v->r, conn);
	sem_post(&v->done);
}

/* One loop after the other: what they touch needs no lock. */
static void
visit_all(struct server *server, struct recheck *r,
    void (*each)(struct recheck *r, struct imap_conn *conn))
{
	for (unsigned i = 0; i < server->loop_count; i++) {
		struct visit v = {
		    .task.fn = visit_loop, .r = r, .il = server->loops[i].il, .each = each};

		sem_init(&v.done, 0, 0);
		loop_post(server->loops[i].loop, &v.task);
		while (sem_wait(&v.done) != 0)
			;
		sem_destroy(&v.done);
	}
}

uint64_t
server_recheck_suspects(struct server *server, const struct server_suspects *suspects)
{
	struct recheck r = {.suspects = suspects,
	    .generation = auth_generation(server->auth),
	    .arena = arena_new(NULL, ARENA_OTHER, 4096)};
	struct entry *entries;
	size_t n, going = 0;

	visit_all(server, &r, list_one);
	entries = (struct entry *)(void *)r.entries.p;
	n = r.entries.n / sizeof(*entries);
	for (size_t i = 0; i < n; i++) {
		struct entry *e = &entries[i];

		e->why = auth_recheck(server->auth, e->authcid, e->user, e->vouched, e->grant);
		going += e->why != NULL;
		auth_grant_unref(&e->grant);
	}
	if (going > 0) {
		qsort(entries, n, sizeof(*entries), by_id);
		visit_all(server, &r, end_one);
	}
	buf_fini(&r.entries);
	arena_free(&r.arena);
	if (r.ended > 0)
		log_msg(LOG_INFO, "auth", "%llu logins ended that are not permitted any more",
		    (unsigned long long)r.ended);
	return r.ended;
}

uint64_t
server_recheck(struct server *server)
{
	struct server_suspects all = {.any = true, .all = true};

	return server_recheck_suspects(server, &all);
}
